"""`make run`: a private directory and bridges in the foreground, until Ctrl-C or TERM.

    run.py BINARY                  settings: KIOPS_RUN_DIR KIOPS_PORT KIOPS_LDAP_PORT KIOPS_BRIDGES
                                   KIOPS_USERS KIOPS_ORGS KIOPS_DURABLE KIOPS_DIRECTORY
    run.py --start NAME FOLDER     starts a server of that run again (SLAPD_CMD, BRIDGE_CMD)
"""

import fcntl
import json
import os
import shlex
import shutil
import signal
import sys
from itertools import chain
from pathlib import Path

from kiopslab import entries, site
from kiopslab.bridge import METRICS_OFFSET, REPOSITORY, Bridge
from kiopslab.directories import new_directory
from kiopslab.process import Process, port_is_free


class Settings:
    def __init__(self, env):
        self.folder = Path(env.get("KIOPS_RUN_DIR") or REPOSITORY / "build/run").resolve()
        self.port = int(env.get("KIOPS_PORT") or 8480)
        self.ldap_port = int(env.get("KIOPS_LDAP_PORT") or 8389)
        self.bridges = int(env.get("KIOPS_BRIDGES") or 1)
        self.users = int(env.get("KIOPS_USERS") or 0)
        self.organizations = int(env.get("KIOPS_ORGS") or self.users // 100)
        self.durable = env.get("KIOPS_DURABLE", "") not in ("", "0")

    def ports(self):
        http = [self.port + n for n in range(self.bridges)]
        return [self.ldap_port, *http, *[p + METRICS_OFFSET for p in http]]


def write_private(path, text):
    """The whole file or none of it, 0600: a reader never sees half."""
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.rename(path)


def write_env(folder, names):
    """The env file: what is fixed (fixed.json) and the pids of now."""
    pids = {name: str(Process.load(folder, name).pid() or "") for name in names}
    bridges = [pid for name, pid in pids.items() if name != "slapd"]
    values = json.loads((folder / "fixed.json").read_text())
    values |= {"SLAPD_PID": pids["slapd"], "BRIDGE_PID": bridges[0], "BRIDGE_PIDS": " ".join(bridges)}
    write_private(folder / "env", "".join(f"{k}={shlex.quote(v)}\n" for k, v in values.items()))


def process_names(folder):
    """slapd, bridge-1, bridge-2, ... bridge-10"""
    names = (path.stem for path in folder.glob("*.process"))
    return sorted(names, key=lambda name: (name != "slapd", len(name), name))


def start_again(name, folder):
    Process.load(folder, name).start()
    with open(folder / "env.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "env").exists():
            write_env(folder, process_names(folder))


def stop_all(folder):
    for name in reversed(process_names(folder)):  # the bridges before the directory
        try:
            Process.load(folder, name).stop()
        except RuntimeError as error:
            print(error, file=sys.stderr)


def clear(folder):
    """Ends and removes what an earlier run left, and nothing else of the folder."""
    stop_all(folder)
    for name in ("env", "fixed.json", "token", "token.header"):
        (folder / name).unlink(missing_ok=True)
    for name in process_names(folder):
        (folder / f"{name}.process").unlink()
        (folder / f"start-{name}").unlink(missing_ok=True)
        shutil.rmtree(folder / name, ignore_errors=True)


def create_directory(settings):
    slapd = new_directory(settings.folder / "slapd", settings.ldap_port, durable=settings.durable)
    people = entries.generated(settings.users, settings.organizations)
    slapd.create(chain(entries.sample(slapd.passwords), people))
    start_first(settings, slapd.process)
    return slapd


def start_first(settings, process):
    process.save(settings.folder)
    script = settings.folder / f"start-{process.name}"
    words = [sys.executable, os.path.abspath(__file__), "--start", process.name, str(settings.folder)]
    script.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    script.chmod(0o755)
    process.start()


JOBS = """jobs = ( { name = "drift"; kind = "drift"; as = "token:run"; attributes = "asserted"; roles = "enforce";
           dangling = "enforce"; journal_dir = "runs"; } );
"""


def start_bridges(settings, slapd, binary):
    bridges = []
    for n in range(settings.bridges):
        bridge = Bridge(settings.folder / f"bridge-{n + 1}", settings.port + n, binary, slapd,
                        durable=settings.durable, signup="", console="", more=JOBS)
        bridge.create()
        if n == 0:
            token = bridge.new_token("run", "--role", "PlatformAdmin", "--client", site.CLIENT)
        start_first(settings, bridge.process)
        bridges.append(bridge)
    return bridges, token


def write_fixed(settings, slapd, bridges, token):
    folder = settings.folder
    person = "{}:" + entries.SAMPLE_PASSWORD
    write_private(folder / "token.header", f"Authorization: Bearer {token}\n")
    write_private(folder / "fixed.json", json.dumps({
        "PAGE_URL": bridges[0].page + "/users", "SCIM_URL": bridges[0].url, "SCIM_URLS": " ".join(b.url for b in bridges),
        "SCIM_TOKEN": token, "TOKEN_HEADER": str(folder / "token.header"),
        "METRICS_URLS": " ".join(b.metrics_url + "/metrics" for b in bridges),
        "LDAP_URI": slapd.uri, "LDAP_BASE": site.BASE, "LDAP_BIND_DN": site.ROOT,
        "LDAP_BIND_PW": slapd.passwords.root,
        "SLAPD_CMD": str(folder / "start-slapd"), "BRIDGE_CMD": str(folder / "start-bridge-1"),
        "BRIDGE_CLI": shlex.join([bridges[0].binary, "-c", str(bridges[0].conf)]),
        "SAMPLE_PLATFORMADMIN": person.format(entries.PLATFORM_ADMIN),
        "SAMPLE_MANAGER": person.format(entries.MANAGER),
        "SAMPLE_MEMBER": person.format(entries.MEMBER)}))


def print_ready(settings, bridge):
    url = bridge.url
    people = ((entries.PLATFORM_ADMIN, "PlatformAdmin"), (entries.MANAGER, "Manager of Project A"), (entries.MEMBER, "Member"))
    logins = "\n".join(f"  {name:<5} {role}" for name, role in people)
    header = shlex.quote(f"@{settings.folder / 'token.header'}")
    body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"newcomer"}'
    print(f"""ready
{url}
curl -H {header} {url}/Users
curl -H {header} -H 'Content-Type: application/scim+json' -d '{body}' {url}/Users
curl -H {header} -G --data-urlencode 'filter=userName eq "newcomer"' {url}/Users
the page: {bridge.page}/users, where these sign in with the password {entries.SAMPLE_PASSWORD}:
{logins}""", flush=True)


def collect_children(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


def wait_for_the_end():
    """Until Ctrl-C or TERM raise; a server killed by hand is collected and does not end the run."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)  # a read sees a signal that came before it; pause() would not
    signal.signal(signal.SIGCHLD, collect_children)
    collect_children()
    while True:
        os.read(reader, 64)


def on_end(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def end(*_):
    raise SystemExit(0)


def run(settings, binary):
    with open(settings.folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another run uses {settings.folder}: set KIOPS_RUN_DIR")
        clear(settings.folder)
        taken = [str(p) for p in settings.ports() if not port_is_free(p)]
        if taken:
            sys.exit(f"port {', '.join(taken)} is taken: set KIOPS_PORT or KIOPS_LDAP_PORT")
        try:
            slapd = create_directory(settings)
            bridges, token = start_bridges(settings, slapd, binary)
            write_fixed(settings, slapd, bridges, token)
            write_env(settings.folder, process_names(settings.folder))
            print_ready(settings, bridges[0])
            wait_for_the_end()
        finally:
            on_end(signal.SIG_IGN)
            (settings.folder / "env").unlink(missing_ok=True)
            stop_all(settings.folder)


def main():
    if sys.argv[1:2] == ["--start"]:
        start_again(sys.argv[2], Path(sys.argv[3]))
        return
    os.umask(0o077)
    on_end(end)
    settings = Settings(os.environ)
    settings.folder.mkdir(parents=True, exist_ok=True)
    run(settings, sys.argv[1])


if __name__ == "__main__":
    main()
