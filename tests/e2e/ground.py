"""A directory whose configuration lasts (slapd.d; that of 389-ds always does) and a bridge that does not run: what `check` is
tried on."""

import json
import subprocess

from kiopslab import site
from kiopslab.bridge import Bridge
from kiopslab.directories import kind
from lab import BINARY, free_port, without_address_randomisation
from view import View

DATABASE = "olcDatabase={1}mdb,cn=config"
FRONTEND = "olcDatabase={-1}frontend,cn=config"
CONFIG_DATABASE = "olcDatabase={0}config,cn=config"
CONFIGURES = site.ROOT if kind() == "389ds" else "cn=config"  # the administrator of cn=config
SANITIZER = "Sanitizer"
COUNTS = ("contextcsn", "entryusn", "numsubordinates", "tombstonenumsubordinates")
SEEN = []  # by the test that runs: the codes of each `check`, notes included


def mended(code):
    """Has the running test seen it named, and later a check that does not name it?"""
    named = next((n for n, codes in enumerate(SEEN) if code in codes), None)
    return named is not None and any(code not in codes for codes in SEEN[named:])


class Ground:
    """A directory whose cn=config lasts, and the configuration of a bridge that does not run."""

    def __init__(self, new_lab, *, bridge=None, content=None, **slapd):
        lab = new_lab(bridges=0, content=content, slapd={"live": True, "tells": True, **slapd})
        made = Bridge(lab.slapd.home.parent / "bridge", free_port(), BINARY, lab.slapd,
                      prefix=without_address_randomisation(), **(bridge or {}))
        made.create()
        self.take(lab, made)

    def take(self, lab, bridge):
        self.lab, self.slapd, self.bridge = lab, lab.slapd, bridge
        self.connect()

    def connect(self):
        self.view = self.lab.view()
        self.config = View(self.slapd.uri, CONFIGURES, self.slapd.passwords.root)
        self.lab.views.append(self.config)

    def run(self, *words):
        done = subprocess.run([*self.bridge.process.argv[:-1], *words], capture_output=True, text=True, check=False)
        assert SANITIZER not in done.stderr, done.stderr
        return done

    def look(self):
        """(exit code, findings, notes)"""
        done = self.run("check", "--json")
        assert done.returncode in (0, 2), done
        everything = json.loads(done.stdout)
        found = [f for f in everything if f["severity"] != "note"]
        assert bool(found) == (done.returncode == 2)
        SEEN.append({f["code"] for f in everything})
        return done.returncode, found, [f for f in everything if f["severity"] == "note"]

    def check(self):
        """(exit code, findings that are no notes)"""
        return self.look()[:2]

    def notes(self):
        return [f["code"] for f in self.look()[2]]

    def named(self):
        return [f["code"] for f in self.check()[1]]

    def apply(self, what):
        """Exactly the printed text, by the administrator whom it names."""
        who = {"config": CONFIGURES, "entries": site.ROOT}[what["as"]]
        done = subprocess.run(["ldapmodify", "-x", "-H", self.slapd.uri, "-D", who, "-w", self.slapd.passwords.root],
                              input=what["text"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (what["text"], done.stderr)

    def mend(self, *codes):
        """check names these, each is mended with its text, and check is content."""
        _, found = self.check()
        assert sorted(f["code"] for f in found) == sorted(codes), found
        assert all(f["text"] and f.get("why", "x") for f in found)
        for f in found:
            self.apply(f["apply"])
        status, found = self.check()
        assert status == 0, found
        return found

    def mend_all(self, rounds=6):
        """Does what is printed until check is content."""
        for _ in range(rounds):
            status, found = self.check()
            if status == 0:
                return
            for f in found:
                self.apply(f["apply"])
        assert not found, found

    def is_fit(self):
        """`check` ends with 0, and leaves the directory as it was."""
        before = self.everything()
        done = self.run("check")
        assert done.returncode == 0 and "fit for each other" in done.stdout, done
        assert before == self.everything() and not self.leftovers()

    def everything(self):
        """Of the directory, but the server's own count of changes."""
        return {dn: {name: values for name, values in entry.items() if name.lower() not in COUNTS}
                for dn, entry in self.view.find(site.BASE).items()}

    def configure(self, old, new):
        text = self.bridge.conf.read_text()
        assert old in text
        self.bridge.conf.write_text(text.replace(old, new, 1))

    def leftovers(self):
        return self.view.find(site.BASE, "(|(cn=kiops-proof*)(uid=kiops-proof*)(sn=kiops-proof*))")

    def values(self, dn, attribute):
        return self.config.get(dn).get(attribute, [])
