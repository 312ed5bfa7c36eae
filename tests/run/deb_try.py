"""`make deb-try`: the package on a bare Debian 12 that systemd has booted (systemd-nspawn), against a slapd outside.

    deb_try.py FOLDER     FOLDER/base is kept for the next time, FOLDER/root is what was tried

Root, the network for packages, no machine of its own. Says what it saw, line by line; ends at the first that is wrong.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from kiopslab import entries, site
from kiopslab.process import port_is_free
from kiopslab.slapd import REPOSITORY, Slapd

VERSIONS = ("0.1", "0.2")
CONF = "etc/kiops-bridge/kiops-bridge.conf"
UNIT = "kiops-bridge.service"


def saw(what):
    print(f"  saw: {what}", flush=True)


def sh(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **options).stdout


def eventually(check, within=60):
    deadline = time.monotonic() + within
    while not (value := check()):
        assert time.monotonic() < deadline, f"still {value!r}"
        time.sleep(0.05)
    return value


def free_port():
    port = 26000
    while not port_is_free(port) or not port_is_free(port + 1000):
        port += 7
    return port


class Box:
    """A Debian that has booted; its network is ours."""

    def __init__(self, folder):
        self.root, base = folder / "root", folder / "base"
        if not (base / ".whole").exists():
            shutil.rmtree(base, ignore_errors=True)
            sh("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv", "bookworm", base)
            (base / ".whole").touch()
        if self.root.exists():
            shutil.rmtree(self.root)
        sh("cp", "-a", base, self.root)
        self.log = open(folder / "boot.log", "wb")
        self.outer = subprocess.Popen(["systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", "-b", "--console=pipe"],
                                      stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.pid = None

    def wait_booted(self):
        self.pid = eventually(self.find_pid)
        eventually(lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"))

    def find_pid(self):
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        return next((c for c in children if Path(f"/proc/{c}/comm").read_text() == "systemd\n"), None)

    def run(self, *words, check=True, **options):
        done = subprocess.run(["nsenter", "-t", self.pid, "-m", "-u", "-i", "-p", *map(str, words)], capture_output=True, text=True,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
                              **options)
        assert done.returncode == 0 or not check, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def show(self, name, unit=UNIT):
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def dropin(self, unit, text):
        path = self.root / f"etc/systemd/system/{unit}.d/try.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.run("systemctl", "daemon-reload")

    def stat(self, path):
        return self.run("stat", "-c", "%U:%G %a", path).strip()

    def close(self):
        if self.pid:
            self.run("systemctl", "poweroff", check=False)
        else:
            self.outer.terminate()
        self.outer.wait(timeout=60)
        self.log.close()


def build(folder):
    """Two packages; the second has another version and another example."""
    for version in VERSIONS:
        sh("make", "-s", "deb", f"VERSION={version}", cwd=REPOSITORY)
    first, second = (next((REPOSITORY / "build/deb").glob(f"kiops-bridge_{v}_*.deb")) for v in VERSIONS)
    tree = folder / "second"
    shutil.rmtree(tree, ignore_errors=True)
    sh("dpkg-deb", "-R", second, tree)
    with open(tree / CONF, "a") as conf:
        conf.write("# another example\n")
    sh("dpkg-deb", "--root-owner-group", "--build", tree, folder / second.name)
    return first, folder / second.name


def configure(box, slapd, port):
    conf = box.root / CONF
    text = conf.read_text()
    for old, new in ((r'"127.0.0.1:8480"', f'"127.0.0.1:{port}"'), (r"#metrics_listen = .*", f'metrics_listen = "127.0.0.1:{port + 1000}";'),
                     (r"uris  .*", f'uris = [ "{slapd.uri}" ];'), (r'start_tls .*"required"', 'start_tls = "off"'),
                     (r'"cn=kiops-bridge,ou=services,dc=example,dc=org"', f'"{site.BRIDGE}"'),
                     (r'"cn=kiops-operator,ou=services,dc=example,dc=org"', f'"{site.OPERATOR}"')):
        text, times = re.subn(old, new, text, count=1)
        assert times, old
    conf.write_text(text)
    for name, secret, owner in (("ldap.password", slapd.passwords.bridge, "kiops-bridge"), ("operator.password", slapd.passwords.operator, "root")):
        (box.root / f"etc/kiops-bridge/{name}").write_text(secret)
        box.run("chmod", "0600", f"/etc/kiops-bridge/{name}")
        box.run("chown", owner, f"/etc/kiops-bridge/{name}")
    box.dropin("kiops-bridge.socket", f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")


def ask(port, token, method="GET", path="/Users?count=0", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, "/scim/v2" + path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"})
        return connection.getresponse().status
    finally:
        connection.close()


def install(box, package):
    before = re.sub(r"\W", "", str(time.time()))
    shutil.copy(package, box.root / f"root/{before}.deb")
    return box.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", f"/root/{before}.deb")


def try_install(box, package):
    box.run("apt-get", "update", "-q")
    said = install(box, package)
    assert "run `kiops-bridge check`" in said
    saw(f"installed: {box.run('kiops-bridge', '--version').strip()}, "
        f"{box.run('dpkg-query', '-W', '-f', '${Depends}', 'kiops-bridge').count(',') + 1} dependencies")
    wanted = {"/etc/kiops-bridge": "root:kiops-bridge 750", "/" + CONF: "root:kiops-bridge 640", "/var/lib/kiops-bridge": "kiops-bridge:kiops-bridge 750",
              "/var/lib/kiops-bridge/runs": "kiops-bridge:kiops-bridge 750", "/var/log/kiops-bridge": "kiops-bridge:kiops-bridge 750",
              "/usr/bin/kiops-bridge": "root:root 755"}
    found = {path: box.stat(path) for path in wanted}
    assert found == wanted, found
    saw(f"owners and modes of {len(wanted)} paths; user: {box.run('getent', 'passwd', 'kiops-bridge').strip()}")
    assert box.show("ActiveState") == "inactive" and box.show("UnitFileState") == "disabled"
    saw("the service is neither started nor enabled")
    box.run("systemctl", "start", UNIT, check=False)
    assert eventually(lambda: box.show("ActiveState") == "failed") and box.show("NRestarts") == "0"
    reason = next(line for line in box.run("journalctl", "-u", UNIT, "--no-pager", "-o", "cat").splitlines() if "/etc/kiops-bridge/" in line)
    saw(f"with the example unedited it fails once and says why: {reason}")
    box.run("systemctl", "stop", "kiops-bridge.socket")
    box.run("systemctl", "reset-failed")


def try_service(box, slapd, port):
    configure(box, slapd, port)
    token = box.run("kiops-bridge", "token", "create", "try", "--role", "PlatformAdmin", "--client", "try", "--expires", "never").strip()
    box.run("systemctl", "enable", UNIT)
    box.run("systemctl", "start", UNIT)
    assert ask(port, token) == 200
    body = json.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "packaged"})
    assert ask(port, token, "POST", "/Users", body) == 201
    saw(f"enabled and serving: {box.show('StatusText')}")
    assert box.stat("/var/log/kiops-bridge/audit-serve.jsonl").startswith("kiops-bridge:kiops-bridge")
    saw("exposure: " + box.run("systemd-analyze", "security", "--no-pager", UNIT).strip().splitlines()[-1].split("→")[-1].strip())
    return token


def unnoticed(port, token, action):
    """Runs `action` while clients come one after the other; the answers, in sets of statuses, and how long it took."""
    ends, statuses = threading.Event(), []

    def work():
        while not ends.is_set():
            try:
                statuses.append(ask(port, token))
            except OSError as error:
                statuses.append(repr(error))

    client = threading.Thread(target=work)
    client.start()
    started = time.monotonic()
    try:
        action()
        took = time.monotonic() - started
        assert ask(port, token) == 200
    finally:
        ends.set()
        client.join()
    assert set(statuses) <= {200, 429, 503}, set(statuses)
    return f"{took:.1f} s, meanwhile {statuses.count(200)} times 200 and {statuses.count(503)} times 503, none refused"


def try_restart(box, port, token):
    saw("restart: " + unnoticed(port, token, lambda: box.run("systemctl", "restart", UNIT)))
    box.dropin(UNIT, "[Service]\nWatchdogSec=3\nLoadCredential=ldap.password:/root/ldap.password\n")
    conf = box.root / CONF
    shutil.copy(box.root / "etc/kiops-bridge/ldap.password", box.root / "root/ldap.password")
    conf.write_text(conf.read_text().replace('"ldap.password"', '"/run/credentials/kiops-bridge.service/ldap.password"'))
    box.run("systemctl", "restart", UNIT)
    assert ask(port, token) == 200
    saw("the password by LoadCredential=")
    box.run("sh", "-c", f"kill -STOP {box.show('MainPID')}")
    eventually(lambda: box.show("NRestarts") == "1")
    eventually(lambda: box.show("ActiveState") == "active")
    assert ask(port, token) == 200
    saw("stopped by hand, it was killed by the watchdog and started again")


def try_upgrade(box, package, port, token):
    before, pid = (box.root / CONF).read_text(), box.show("MainPID")
    saw("upgrade: " + unnoticed(port, token, lambda: install(box, package)))
    assert box.run("kiops-bridge", "--version").strip() == f"kiops-bridge {VERSIONS[1]}"
    assert box.show("MainPID") != pid and (box.root / CONF).read_text() == before
    assert (box.root / (CONF + ".dpkg-dist")).exists() and box.stat("/" + CONF) == "root:kiops-bridge 640"
    saw(f"{VERSIONS[1]} runs, the edited configuration was kept, the new example lies beside it")


def try_removal(box):
    box.run("apt-get", "remove", "-y", "-q", "kiops-bridge")
    assert box.show("ActiveState") == "inactive" and (box.root / CONF).exists()
    assert not (box.root / "usr/bin/kiops-bridge").exists() and not list((box.root / "etc/systemd/system").rglob("*.wants/kiops-bridge*"))
    saw("removed: stopped, disabled, configuration kept")
    said = box.run("apt-get", "purge", "-y", "-q", "kiops-bridge")
    assert not (box.root / "etc/kiops-bridge").exists() and not (box.root / "var/lib/kiops-bridge").exists()
    assert list((box.root / "var/log/kiops-bridge").glob("audit-*.jsonl")) and "the audit records stay" in said
    saw("purged: configuration and state are gone, " + next(line for line in said.splitlines() if "audit records" in line))


def main():
    if os.getuid() != 0:
        sys.exit("make deb-try boots a system: run it as root")
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    packages = build(folder)
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        slapd = Slapd(Path(home) / "slapd", port + 1, durable=False)
        slapd.create(entries.sample(slapd.passwords))
        slapd.process.start()
        box = None
        try:
            box = Box(folder)
            box.wait_booted()
            saw(f"booted: {box.run('systemctl', '--version').splitlines()[0]}")
            try_install(box, packages[0])
            token = try_service(box, slapd, port)
            try_restart(box, port, token)
            try_upgrade(box, packages[1], port, token)
            try_removal(box)
        finally:
            if box:
                box.close()
            slapd.process.stop()
    print("deb-try: all of it holds")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
