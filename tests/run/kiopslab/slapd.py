"""A private slapd on loopback, in a folder of its own."""

import os
import shutil
import subprocess
from pathlib import Path

from . import site
from .process import Process

REPOSITORY = Path(__file__).resolve().parents[3]
SLAPD = "/usr/sbin/slapd"
SLAPADD = "/usr/sbin/slapadd"
SLAPTEST = "/usr/sbin/slaptest"

CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {repository}/conf/kiops.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload unique
{modules}
pidfile {home}/slapd.pid
loglevel none
tool-threads 2
access to dn.base="" by * read
access to dn.base="cn=Subschema" by * read

# For the tests that change the server while it runs, and for `check`, which looks at the overlays.
database config
rootdn "cn=config"
rootpw {root_password}
access to attrs=olcRootPW by * none
access to * by dn.exact="{bridge}" read by * none

database mdb
suffix "{base}"
rootdn "{root}"
rootpw {root_password}
directory {home}/data
maxsize 8589934592
{sync}
add_content_acl on
limits dn.exact="{bridge}" size=unlimited size.prtotal=unlimited time=unlimited
include {home}/acl.conf
# The site's own rules: people see themselves and change their password, services read.
access to dn.subtree="{people}" attrs=userPassword by self =xw by anonymous auth by * none
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{bridge}" read by dn.subtree="{services}" read by self read by * none
index objectClass,entryUUID,entryCSN,uid,mail,cn eq
index kiopsActive,kiopsExternalId,kiopsManager,kiopsTokenHash eq
index kiopsPermission eq,sub
index kiopsRequest pres,sub
{syncprov}overlay unique
unique_uri "serialize ldap:///{people}?uid?sub"
unique_uri "serialize ldap:///{tokens}?kiopsTokenHash?sub"
{overlays}
"""

SYNCPROV = """\
overlay syncprov
syncprov-checkpoint 1000 5
syncprov-sessionlog 10000
"""


def render(name, between=","):
    """The access rules of conf/ with the names of the sample directory; `between` stands between attributes."""
    text = (REPOSITORY / "conf" / name).read_text()
    for name, dn in (("PEOPLE", site.PEOPLE), ("ORGANIZATIONS", site.ORGANIZATIONS),
                     ("PLATFORM", site.PLATFORM), ("TOKENS", site.TOKENS), ("PENDING", site.PENDING), ("ADMINS", site.ADMINS), ("BRIDGE", site.BRIDGE),
                     ("OPERATOR", site.OPERATOR), ("READERS", site.SERVICES)):
        text = text.replace(f"@{name}@", dn)
    return text.replace("@GROUPS@", between.join(("member", "owner")))


def allowed_binary(home):
    """slapd, or a copy where an enforced AppArmor profile keeps the original in /var/lib/ldap."""
    try:
        profiles = Path("/sys/kernel/security/apparmor/profiles").read_text()
    except OSError:
        return SLAPD
    if not any(line.startswith(SLAPD + " (enforce)") for line in profiles.splitlines()):
        return SLAPD
    return shutil.copy(SLAPD, home / "slapd")


class Slapd:
    """`modules` and `overlays` are lines for slapd.conf, for tests that want retcode or auditlog. Without `tells` there
    is no syncprov, and bridges poll. `settings` are what bridges need in their group `directory`. `live`: the configuration
    is a folder (slapd.d), as Debian has it, where changes of cn=config last. `template`: another
    configuration than the one that the bridge wants."""

    def __init__(self, home, port, *, durable=False, modules="", overlays="", passwords=None, tells=True, live=False,
                 template=CONFIGURATION):
        self.home, self.live = Path(home), live
        self.port = port
        self.uri = f"ldap://127.0.0.1:{port}"
        self.place = ("127.0.0.1", port)
        self.settings = "" if tells else "  poll_interval_s = 1;\n"
        modules = f"moduleload syncprov\n{modules}" if tells else modules
        self.passwords = passwords or site.Passwords()
        self.configuration = template.format(
            repository=REPOSITORY, home=self.home, modules=modules, overlays=overlays,
            root_password=self.passwords.root, sync="" if durable else "dbnosync",
            base=site.BASE, root=site.ROOT, bridge=site.BRIDGE, people=site.PEOPLE,
            services=site.SERVICES, tokens=site.TOKENS, syncprov=SYNCPROV if tells else "")

    def create(self, entries, *options):
        """Makes the folder and fills the database with `entries` (an iterable of LDIF texts); `options` of slapadd."""
        (self.home / "data").mkdir(parents=True, mode=0o700)
        self.write("acl.conf", render("acl.conf"))
        self.write("slapd.conf", self.configuration)
        conf, entries = str(self.home / "slapd.conf"), list(entries)
        complaint = self.load(conf, entries, options)
        if complaint and "context entry is missing" in complaint:  # one load in thousands, of slapadd's own making
            for file in (self.home / "data").iterdir():
                file.unlink()
            complaint = self.load(conf, entries, options)
        if complaint is not None:
            raise RuntimeError(f"slapadd: {complaint}")
        where = ["-F", self.convert(conf)] if self.live else ["-f", conf]
        self.process = Process(
            name="slapd", argv=[str(allowed_binary(self.home)), *where, "-h", self.uri, "-d", "none"],
            mark=where[1], log=str(self.home / "slapd.log"), pid_file=str(self.home / "pid"),
            probe=self.uri, env={})

    @staticmethod
    def load(conf, entries, options):
        """What slapadd has to complain of; None: nothing."""
        load = subprocess.Popen([SLAPADD, "-q", "-w", *options, "-f", conf], stdin=subprocess.PIPE, text=True,
                                encoding="utf-8", stderr=subprocess.PIPE)
        try:
            load.stdin.writelines(entries)
        except BrokenPipeError:
            pass  # it says why below
        complaint = load.communicate()[1]
        return complaint if load.returncode else None

    def convert(self, conf):
        folder = self.home / "slapd.d"
        folder.mkdir(mode=0o700)
        done = subprocess.run([SLAPTEST, "-f", conf, "-F", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"slaptest: {done.stderr}")
        return str(folder)

    def write(self, name, text):
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text)
