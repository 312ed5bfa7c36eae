"""`make first-contact`: a directory that nobody prepared meets the bridge, as its administrator sees it.

    first_contact.py BINARY        settings: KIOPS_USERS (20000), KIOPS_RUN_DIR (build/first-contact)

check and impact on the directory as it is; the administrator applies what check prints; check, impact and a read-only bridge
leave every byte as it was; then the first write. Ends with 1 at the first thing that is not as promised.
"""

import difflib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from kiopslab import foreign, site
from kiopslab.bridge import METRICS_OFFSET, REPOSITORY, Bridge
from kiopslab.process import port_is_free
from kiopslab.slapd import Slapd

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ROUNDS = 6


def expect(holds, what):
    if not holds:
        raise SystemExit(f"NOT AS PROMISED: {what}")


class Contact:
    def __init__(self, binary, folder, users):
        shutil.rmtree(folder, ignore_errors=True)
        port = next(p for p in range(21000, 30000) if all(map(port_is_free, (p, p + 1, p + 1 + METRICS_OFFSET))))
        self.slapd = Slapd(folder / "slapd", port, live=True, template=foreign.CONFIGURATION)
        self.slapd.create(foreign.content(self.slapd.passwords, users))
        self.bridge = Bridge(folder / "bridge", port + 1, binary, self.slapd,
                             directory=f'  protected = [ "{foreign.PROTECTED}" ];\n')
        self.bridge.create()
        self.prefix = self.bridge.process.argv[:-1]

    # ---- what is shown

    def say(self, text):
        print(f"\n=== {text}", flush=True)

    def run(self, *words, expected):
        print(f"$ kiops-bridge {' '.join(words)}")
        began = time.monotonic()
        done = subprocess.run([*self.prefix, *words], capture_output=True, text=True, check=False)
        print(done.stdout + done.stderr + f"(exit {done.returncode}, {time.monotonic() - began:.1f} s)", flush=True)
        expect(done.returncode == expected, f"exit {done.returncode} instead of {expected}")
        return done.stdout

    def pipe(self, words, who):
        """What check prints goes into ldapmodify as it is."""
        print(f"$ kiops-bridge {' '.join(words)} | ldapmodify -D {who} ...")
        text = subprocess.run([*self.prefix, *words], capture_output=True, text=True, check=False).stdout
        done = subprocess.run(["ldapmodify", "-x", "-H", self.slapd.uri, "-D", who, "-w", self.slapd.passwords.root],
                              input=text, capture_output=True, text=True, check=False)
        print(done.stdout.replace("\n\n", "\n") + done.stderr, end="", flush=True)
        expect(done.returncode == 0, done.stderr)

    def snapshot(self):
        """ldapsearch of everything, operational attributes too, entries in order; contextCSN alone may move."""
        done = subprocess.run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-x", "-H", self.slapd.uri, "-D", site.ROOT,
                               "-w", self.slapd.passwords.root, "-b", site.BASE, "*", "+"],
                              capture_output=True, check=True)
        lines = (line for line in done.stdout.split(b"\n") if not line.startswith(b"contextCSN:"))
        return b"\n\n".join(sorted(b"\n".join(lines).strip().split(b"\n\n")))

    def same(self, before, what):
        now = self.snapshot()
        print(f"ldapsearch {what}: {len(now)} bytes, sha256 {hashlib.sha256(now).hexdigest()[:16]}"
              f"{' as before' if now == before else ', NOT as before'}", flush=True)
        if now != before:
            print("\n".join(list(difflib.unified_diff(before.decode().split("\n"), now.decode().split("\n"), lineterm=""))[:20]))
        expect(now == before, f"{what} changed the directory")

    def ask(self, token, path, body=None):
        """(status, JSON); a body makes it a PATCH."""
        request = urllib.request.Request(self.bridge.url + path, method="PATCH" if body else "GET",
                                         data=json.dumps(body).encode() if body else None,
                                         headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"})
        print(f"$ curl {'-X PATCH ' if body else ''}.../scim/v2{path}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        print(f"{status} {text.decode()[:300]}", flush=True)
        return status, json.loads(text)

    def serve(self, writes):
        text = self.bridge.configuration
        if not writes:
            text = text.replace("directory = {", "directory = { writes = false;", 1)
        self.bridge.conf.write_text(text)
        self.bridge.process.start()

    # ---- the story

    def unprepared(self):
        before = self.snapshot()
        self.say("The directory as it is")
        self.run("check", expected=2)
        self.run("check", "--impact", expected=1)
        self.same(before, "after check and impact")

    def prepare(self):
        self.say("The administrator applies what check prints, until it has nothing more to say")
        for _ in range(ROUNDS):
            self.pipe(("check", "--ldif"), "cn=config")
            self.pipe(("check", "--ldif=entries"), site.ROOT)
            done = subprocess.run([*self.prefix, "check"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
        raise SystemExit(f"NOT AS PROMISED: check still says\n{done.stdout}")

    def look(self, token, users):
        before = self.snapshot()
        self.say("Prepared: check, impact")
        self.run("check", expected=0)
        self.same(before, "after check")
        self.run("check", "--impact", expected=0)
        self.same(before, "after impact")
        self.say("Read-only: directory.writes = false")
        self.serve(writes=False)
        _, found = self.ask(token, "/Users?count=0")
        expect(found["totalResults"] == users, "every user but the protected one is shown")
        _, found = self.ask(token, "/Users?filter=userName%20eq%20%22user00007%22&attributes=userName,name,groups")
        person = found["Resources"][0]["id"]
        status, _ = self.ask(token, f"/Users/{person}", self.new_title())
        expect(status == 503, "a change is refused")
        expect(self.bridge.process.stop() == 0, "the bridge ends well")
        self.same(before, "after the read-only bridge")
        return person, before

    def new_title(self):
        return {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "First"}]}

    def write(self, token, person, before):
        self.say("The first write: directory.writes = true")
        self.serve(writes=True)
        status, _ = self.ask(token, f"/Users/{person}", self.new_title())
        expect(status == 200, "the change is made")
        expect(self.bridge.process.stop() == 0, "the bridge ends well")
        entries = [dict((e.split(b"\n", 1)[0], e) for e in text.split(b"\n\n")) for text in (before, self.snapshot())]
        changed = [dn for dn in entries[1] if entries[1][dn] != entries[0].get(dn)]
        for dn in changed:
            texts = [e.get(dn, b"").decode().splitlines() for e in entries]
            print("\n".join(line for line in difflib.unified_diff(*texts, "before", "after", lineterm="")))
        expect(len(changed) == 1 and entries[0].keys() == entries[1].keys(), "one entry changed, and nothing else")


def main():
    os.umask(0o077)
    users = int(os.environ.get("KIOPS_USERS") or 20000)
    folder = Path(os.environ.get("KIOPS_RUN_DIR") or REPOSITORY / "build/first-contact").resolve()
    contact = Contact(sys.argv[1], folder, users)
    contact.slapd.process.start()
    try:
        contact.unprepared()
        contact.prepare()
        token = contact.bridge.new_token("first", "--role", "PlatformAdmin", "--client", site.CLIENT)
        person, before = contact.look(token, users - 1)
        contact.write(token, person, before)
        print("\nas promised")
    finally:
        for process in (contact.bridge.process, contact.slapd.process):
            process.stop()


if __name__ == "__main__":
    main()
