"""A directory and bridges of a test's own: ports, folder, start, verdict at the end."""

import hashlib
import os
import random
import re
import subprocess
import time
from itertools import chain, count
from pathlib import Path

import ldap
from faultproxy import FaultProxy
from kiopslab import entries, site
from kiopslab.bridge import METRICS_OFFSET, REPOSITORY, Bridge
from kiopslab.directories import DEFAULT, kind, new_directory
from kiopslab.process import port_is_free
from scim import GROUP, KIOPS_ORGANIZATION, USER, Person, Scim
from view import View

BINARY = os.environ.get("KIOPS_BIN", str(REPOSITORY / "build/asan/kiops-bridge"))
# slapd={**...} for Lab: an entry with the class errAuxObject answers its errCode to its errOp.
RETCODE = {"modules": "moduleload retcode",
           "overlays": f'overlay retcode\nretcode-parent "ou=retcodes,{site.BASE}"\nretcode-indir'}
FEED_DELAY = 0 if kind() == DEFAULT else 3  # seconds by which a bridge may learn later what others changed
SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
SIZES = "|".join(rf"{size * n} byte\(s\) in {n}" for size in (80, 37) for n in range(1, 9))
# libldap 2.5.13 frees no Notice of Disconnection that comes while it waits for an answer: a BerElement of 80 bytes, and
# the 36 of the notice. What it is that leaks can be told by nothing but the sizes.
LEAK_OF_LIBLDAP = re.compile(r"==\d+==ERROR: LeakSanitizer: detected memory leaks\n"
                             rf"(?:\n\w+ leak of (?:{SIZES}) object\(s\) allocated from:\n *#0 [^\n]*\n *#1 [^\n]* ber_mem\w+ [^\n]*\n)+"
                             r"\nSUMMARY: AddressSanitizer: [^\n]*\n")


def free_port():
    """Below the range that outgoing connections use; the port for metrics is free too."""
    while True:
        port = random.SystemRandom().randrange(20000, 31000)
        if port_is_free(port) and port_is_free(port + METRICS_OFFSET):
            return port


def without_address_randomisation():
    """Sanitizers of gcc 12 abort at random under large vm.mmap_rnd_bits; not every sandbox allows it."""
    prefix = ["setarch", "-R"]
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if allowed else []


def eventually(check, within=5.0):
    """The first true value of `check`; fails with its last value when time is up."""
    deadline = time.monotonic() + within
    while not (value := check()):
        assert time.monotonic() < deadline, f"still {value!r} after {within} s"
        time.sleep(0.005)
    return value


class Lab:
    """`proxied` puts a FaultProxy between the bridges and slapd. `users` and `organizations` are
    generated besides the sample; `extra` are LDIF texts that slapadd takes without a look
    at the schema, `checked` such that it looks at; `content` stands instead of the sample. The other settings are those
    of Slapd and Bridge."""

    def __init__(self, folder, *, bridges=1, proxied=False, users=0, organizations=0, extra=(), checked=(),
                 durable=False, slapd=None, bridge=None, content=None):
        self.numbers, self.views, self.bridges, self.proxy = count(1), [], [], None
        self.slapd = new_directory(Path(folder) / "slapd", free_port(), durable=durable, **(slapd or {}))
        people = entries.generated(users, organizations)
        sample = (content or entries.sample)(self.slapd.passwords)
        self.slapd.create(chain(sample, people, checked, extra), *["-s"] * bool(extra))
        try:
            self.slapd.process.start()
            self.proxy = FaultProxy(self.slapd.place) if proxied else None
            if self.proxy:
                eventually(self.proxy_passes, within=30)
            for n in range(bridges):
                self.add_bridge(Path(folder) / f"bridge-{n + 1}", durable=durable, **(bridge or {}))
        except BaseException:
            self.stop_all()
            raise

    def proxy_passes(self):
        """Does a bind get through? On a busy machine the proxy's threads may start late."""
        try:
            View(self.proxy.uri, site.OPERATOR, self.slapd.passwords.operator).close()
        except ldap.LDAPError:
            return False
        return True

    def add_bridge(self, home, **settings):
        uri = self.proxy.uri if self.proxy else self.slapd.uri
        bridge = Bridge(home, free_port(), BINARY, self.slapd, uri=uri,
                        prefix=without_address_randomisation(), **settings)
        bridge.create()
        if not self.bridges:
            self.bridge = bridge
            self.token = self.new_token("e2e")
            self.scim = Scim(bridge.url, self.token)
        bridge.process.start()
        self.bridges.append(bridge)

    def new_token(self, name, role="PlatformAdmin", *options, client=site.CLIENT):
        """Known to every bridge that runs: their feeds have brought it."""
        token = self.bridge.new_token(name, "--role", role, "--client", client, *options)
        for n in range(len(self.bridges)):
            eventually(lambda n=n: self.client(token, n).get("/Users?count=0").status not in (401, 429))
        return token

    def client(self, token=None, bridge=0):
        return Scim(self.bridges[bridge].url, token or self.token)

    def person(self, name, password=entries.SAMPLE_PASSWORD, bridge=0):
        """A client that is a person; by default with the password of the sample people."""
        return Person(self.bridges[bridge].url, name, password)

    def view(self, dn=site.ROOT, password=None):
        view = View(self.slapd.uri, dn, password or self.slapd.passwords.root)
        self.views.append(view)
        return view

    def caught_up(self):
        """Where the directory is asked again and again: waits until every bridge has, for all that is there now. A token
        that comes was seen by one poll, and its end by a later one."""
        if not FEED_DELAY:
            return
        mine = f"cn=seen,{site.TOKENS}"  # past the proxy, whose requests a test may count
        token, view = f"{self.token[:-6]}{self.number():06}", self.view()
        view.add(mine, objectClass="kiopsPrincipal", cn="seen", kiopsTokenClient=site.CLIENT, kiopsTokenRole="PlatformAdmin",
                 kiopsTokenHash=hashlib.sha256(token.encode()).hexdigest(), kiopsTokenAccess="read", kiopsTokenProfile="default")
        for shown in (True, False):
            for n in range(len(self.bridges)):
                eventually(lambda n=n, shown=shown: (self.client(token, n).get("/Users?count=0").status == 200) == shown, within=10)
            if shown:
                view.delete(mine)

    def reconfigure(self, *changes):
        """Changes slapd's database entry in cn=config, as View.modify; gone with its next start."""
        with_rights = View(self.slapd.uri, "cn=config", self.slapd.passwords.root)
        with_rights.modify("olcDatabase={1}mdb,cn=config", *changes)
        with_rights.close()

    def limit_reads(self, size=None):
        """No more entries than that for a bridge that binds from now on, in one search; None: all of them."""
        if kind() == "389ds":
            self.view().modify(site.BRIDGE, ("replace", "nsSizeLimit", str(size or -1)))
        else:
            limit = f"size={size}" if size else "size=unlimited size.prtotal=unlimited"
            self.reconfigure(("replace", "olcLimits", f'dn.exact="{site.BRIDGE}" {limit} time=unlimited'))

    def number(self):
        return next(self.numbers)

    def user(self, **attributes):
        """A new user through SCIM; the resource as answered."""
        body = {"schemas": [USER], "userName": f"fresh{self.number()}", **attributes}
        return self.scim.post("/Users", body).expect(201).json

    def organization(self, members=(), managers=(), **attributes):
        """A new organization through SCIM; `members` and `managers` are ids."""
        body = {"schemas": [GROUP], "displayName": f"Fresh {self.number()}", **attributes}
        body["members"] = [{"value": user} for user in (*managers, *members)]
        if managers:
            body["schemas"].append(KIOPS_ORGANIZATION)
            body[KIOPS_ORGANIZATION] = {"managers": [{"value": user} for user in managers]}
        return self.scim.post("/Groups", body).expect(201).json

    def stop_all(self):
        """Exit codes of the bridges; None for one that somebody else has collected."""
        if self.proxy:
            self.proxy.resume()
        codes = [bridge.process.stop() for bridge in self.bridges]
        if self.proxy:
            self.proxy.close()
        for view in self.views:
            view.close()
        self.slapd.process.stop()
        return codes

    def close(self):
        """Ends everything, then judges: each bridge runs, exits 0 on TERM, and no sanitizer has
        spoken. A test that kills a bridge starts it again."""
        codes = self.stop_all()
        for bridge, code in zip(self.bridges, codes, strict=True):
            text, forgiven = LEAK_OF_LIBLDAP.subn("", bridge.process.log_text())
            found = SANITIZER_REPORT.search(text)
            assert not found, text[max(0, found.start() - 200):][:6000]
            assert code == 0 or forgiven and code == 1, f"exit code {code}"
