"""A private 389 Directory Server on loopback, in a folder of its own: a child of whoever starts it, with the rights of
whoever starts it, and nothing of the system is written. Everybody comes by its socket in that folder: over clear text
this server sets no password."""

import getpass
import re
import subprocess
import uuid
from pathlib import Path
from urllib.parse import quote

from . import site
from .entries import ssha
from .process import Process
from .slapd import REPOSITORY, render

NS_SLAPD = "/usr/sbin/ns-slapd"
TEMPLATES = Path("/usr/share/dirsrv/data")
# The package's own in /etc are for its user alone.
READ_AT_START = {"slapd-collations.conf": 'collation "" "" "" 1 3 2.16.840.1.113730.3.3.2.0.1 default\n',
                 "certmap.conf": "certmap default default\n", "schema/99user.ldif": "dn: cn=schema\n"}
BACKEND = "userRoot"
FOLDERS = ("config", "config/schema", "lock", "tmp", "ldif", "bak", "run", "log", "db")
INDEXES = {"entryUUID": "eq pres", "kiopsActive": "eq", "kiopsExternalId": "eq", "kiopsManager": "eq", "kiopsTokenHash": "eq",
           "kiopsPermission": "eq sub", "kiopsRequest": "pres sub"}
SWITCHED = {"USN": "on", "attribute uniqueness": "on", "7-bit check": "off"}  # the last one refuses mail and uid beyond ASCII
SETTINGS = """\
nsslapd-listenhost: 127.0.0.1
nsslapd-accesslog-logging-enabled: off
nsslapd-securitylog-logging-enabled: off
nsslapd-maxdescriptors: 4096
nsslapd-sizelimit: 500
passwordStorageScheme: SSHA
"""
AUDITED = """\
nsslapd-auditlog-logging-enabled: on
nsslapd-auditlog-maxlogsperdir: 1
nsslapd-auditlog-maxlogsize: -1
nsslapd-auditlog-logrotationsync-enabled: off
"""
# For `check`, which looks at plug-ins, indexes and limits.
SEES = ("objectClass cn nsslapd-rootdn* nsslapd-sizelimit* nsslapd-lookthroughlimit* nsslapd-suffix nsslapd-plugin* "
        "uniqueness-* nsIndexType")
CHECKED = f"""aci: (targetattr = "{' || '.join(SEES.split())}")(version 3.0; acl "check"; allow (read, search, compare) userdn = "ldap:///{site.BRIDGE}";)"""
# The site's own rules: people see themselves and change their password, services read.
SITE = f"""\
aci: (targetattr != "userPassword")(version 3.0; acl "services read"; allow (read, search, compare) userdn = "ldap:///{site.SERVICES}??sub?(objectClass=*)";)
aci: (targetattr != "userPassword")(version 3.0; acl "self read"; allow (read, search, compare) userdn = "ldap:///self";)
"""
SITE_PEOPLE = 'aci: (targetattr = "userPassword")(version 3.0; acl "own password"; allow (write) userdn = "ldap:///self";)\n'


def template(name):
    """The entries of one of the package's templates."""
    lines = (TEMPLATES / name).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return [entry.strip("\n") for entry in text.split("\n\n") if entry.strip()]


def plugin(entry):
    """Its name, or None for another entry."""
    name = entry.splitlines()[0].removeprefix("dn: cn=")
    return name.removesuffix(",cn=plugins,cn=config") if name.endswith(",cn=plugins,cn=config") else None


def switched(entry):
    name, state = plugin(entry), None
    state = SWITCHED.get(name)
    if state:
        entry = entry.replace("nsslapd-pluginenabled: on", f"nsslapd-pluginenabled: {state}").replace(
            "nsslapd-pluginenabled: off", f"nsslapd-pluginenabled: {state}")
    return entry.replace("uniqueness-subtrees: %ds_suffix%", f"uniqueness-subtrees: {site.PEOPLE}")


def unique_hashes(entries):
    """A second instance of the plugin, for the hashes of tokens."""
    one = next(entry for entry in entries if plugin(entry) == "attribute uniqueness")
    return switched(one).replace("cn=attribute uniqueness", "cn=unique hashes").replace("cn: attribute uniqueness", "cn: unique hashes") \
        .replace("uniqueness-attribute-name: uid", "uniqueness-attribute-name: kiopsTokenHash") \
        .replace(f"uniqueness-subtrees: {site.PEOPLE}", f"uniqueness-subtrees: {site.TOKENS}")


def index(attribute, kinds):
    lines = "".join(f"\nnsIndexType: {kind}" for kind in kinds.split())
    return f"dn: cn={attribute},cn=default indexes,cn=config,cn=ldbm database,cn=plugins,cn=config\nobjectClass: top\n" \
           f"objectClass: nsIndex\ncn: {attribute}\nnsSystemIndex: false{lines}"


def schema():
    """conf/kiops.schema in this server's form, as `kiops-bridge schema 389ds` prints it."""
    text = (REPOSITORY / "conf/kiops.schema").read_text()
    definitions = [" ".join(d.split()) for d in ("\n" + text).replace("\nattributetype", "\0attributeTypes:")
                   .replace("\nobjectclass", "\0objectClasses:").split("\0")[1:]]
    return "dn: cn=schema\n" + "".join(d.partition(" #")[0] + "\n" for d in definitions)


def rules():
    """{dn: lines} of what conf/acl-389ds.ldif adds to entries, and the entries that it adds."""
    found, added = {site.BASE: SITE}, []
    for record in render("acl-389ds.ldif", " || ").split("\n\n"):
        lines = [line for line in record.splitlines() if line and not line.startswith("#")]
        if "changetype: add" in lines:
            added.append("\n".join(line for line in lines if line != "changetype: add"))
        elif lines:
            values = [line for line in lines[1:] if line.split(":")[0] in ("aci",) or line.startswith("ns")]
            found[lines[0].removeprefix("dn: ")] = "".join(line + "\n" for line in values)
    found[site.PEOPLE] += SITE_PEOPLE
    return found, added


class Ds389:
    """The face of Slapd. What only slapd understands, modules and overlays, is left out, but for its auditlog: this server
    writes one too. A `template` (one for slapd) says
    that nobody has prepared it: no schema, rules, indexes or plugins of ours."""

    def __init__(self, home, port, *, durable=False, passwords=None, template=None, overlays="", **_):
        self.home, self.port, self.durable, self.bare = Path(home), port, durable, template is not None
        self.place = self.socket = str(self.home / "ldapi")
        self.uri = "ldapi://" + quote(self.socket, safe="")
        self.settings = '  preset = "389ds";\n  poll_interval_s = 1;\n'
        self.passwords = passwords or site.Passwords()
        audited = re.search(r"^auditlog (.+)$", overlays, re.M)
        self.audit_log = audited and audited[1]

    def names(self):
        folders = {f"{name}_dir": str(self.home / name) for name in FOLDERS}
        return {**folders, "schema_dir": folders["config/schema_dir"], "cert_dir": folders["config_dir"],
                "inst_dir": str(self.home), "fqdn": "localhost", "ds_port": str(self.port), "ds_user": getpass.getuser(),
                "rootdn": site.ROOT, "ds_passwd": ssha(self.passwords.root), "ds_suffix": site.BASE,
                "ds_bename": BACKEND, "db_home_dir": folders["db_dir"], "db_lib": "bdb", "ldapi_enabled": "on",
                "ldapi": self.socket, "ldapi_autobind": "off"}

    def configuration(self):
        """dse.ldif: the package's own, with our names, plugins and indexes."""
        entries, extra = template("template-dse.ldif"), template("template-suffix-db.ldif")
        if not self.bare:
            extra = [unique_hashes(entries), *(index(*one) for one in INDEXES.items()), *extra]
            entries = [switched(entry) for entry in entries]
        entries[0] += f"\n{SETTINGS}{AUDITED if self.audit_log else ''}{'' if self.bare else CHECKED}".rstrip()
        text = "\n\n".join([*entries, *extra]) + "\n"
        text = text.replace("nsslapd-backend-implement:", "nsslapd-db-durable-transaction: %s\nnsslapd-cache-autosize: 0\n"
                            "nsslapd-dbcachesize: 8388608\nnsslapd-backend-implement:" % ("on" if self.durable else "off"))
        if self.audit_log:
            text = text.replace("nsslapd-auditlog: %log_dir%/audit", f"nsslapd-auditlog: {self.audit_log}")
        for name, value in self.names().items():
            text = text.replace(f"%{name}%", value)
        return text

    def filled(self, entries):
        """With access rules, and an id for each: an import makes none."""
        wanted, added = ({}, []) if self.bare else rules()
        for entry in ["".join(entries).rstrip(), *added]:
            yield from self.completed(entry, wanted)

    @staticmethod
    def completed(text, wanted):
        for entry in text.split("\n\n"):
            if not entry.strip():
                continue
            dn = entry.strip().splitlines()[0].removeprefix("dn: ")
            if "\nentryUUID:" not in entry:
                entry += f"\nentryUUID: {uuid.uuid4()}"
            yield f"{entry.strip()}\n{wanted.pop(dn, '')}\n"

    def create(self, entries, *_):
        # A semaphore in /dev/shm is named after the folder, and stays behind: one a user.
        config = self.home / f"slapd-{getpass.getuser()}"
        config.mkdir(parents=True, mode=0o700)
        (self.home / "config").symlink_to(config)
        for name in FOLDERS:
            (self.home / name).mkdir(mode=0o700, exist_ok=True)
        self.write("config/dse.ldif", self.configuration())
        for name, text in READ_AT_START.items():
            self.write(f"config/{name}", text)
        if not self.bare:
            self.write("config/schema/98kiops.ldif", schema())
        self.write("ldif/entries.ldif", "".join(self.filled(entries)))
        done = subprocess.run([NS_SLAPD, "ldif2db", "-D", str(config), "-n", BACKEND, "-i", str(self.home / "ldif/entries.ldif")],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"ldif2db: {done.stderr[-2000:]}")
        self.process = Process(
            name="slapd", argv=[NS_SLAPD, "-D", str(config), "-i", str(self.home / "run/pid"), "-d", "0"],
            mark=str(config), log=str(self.home / "log/output"), pid_file=str(self.home / "pid"),
            probe=f"ldap://127.0.0.1:{self.port}", env={})

    def write(self, name, text):
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text)
