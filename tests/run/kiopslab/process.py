"""A server process that outlives whoever started it: known by its pid file and its command line."""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

READY_WITHIN_S = 60
STOP_WITHIN_S = 20
OPEN_FILES = 16384  # slapd sizes a table by this limit: the millions of some containers cost seconds
ANONYMOUS_BIND = bytes.fromhex("300c020101600702010304008000")
BIND_SUCCESS = bytes.fromhex("300c02010161070a010004000400")


@dataclass
class Process:
    name: str
    argv: list
    mark: str  # the word of argv that no other process has: a stranger may own the pid by now
    log: str
    pid_file: str
    probe: str  # ldap://HOST:PORT or http://...: answers when ready
    env: dict

    def save(self, folder):
        Path(folder, self.name + ".process").write_text(json.dumps(asdict(self)))

    @staticmethod
    def load(folder, name):
        return Process(**json.loads(Path(folder, name + ".process").read_text()))

    def pid(self):
        """The pid if it runs and is really ours, else None."""
        try:
            pid = int(Path(self.pid_file).read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if self.mark.encode() in words else None

    def start(self):
        if self.pid():
            return
        with open(self.log, "ab") as log:
            child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **self.env}, preexec_fn=limit_open_files)
        Path(self.pid_file).write_text(str(child.pid))
        self.wait_ready(child)

    def wait_ready(self, child=None):
        deadline = time.monotonic() + READY_WITHIN_S
        while not answers(self.probe):
            if child and child.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {child.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not answer:\n{self.log_tail()}")
            time.sleep(0.01)

    def send(self, number):
        pid = self.pid()
        if pid:
            os.kill(pid, number)

    def stop(self, number=signal.SIGTERM):
        """Ends it and waits; its exit code when it is our child, else None."""
        pid = self.pid()
        if not pid:
            return reap(self.pid_file)
        handle = os.pidfd_open(pid)
        try:
            os.kill(pid, number)
            if not select.select([handle], [], [], STOP_WITHIN_S)[0]:
                os.kill(pid, signal.SIGKILL)
                raise RuntimeError(f"{self.name} did not end within {STOP_WITHIN_S} s")
        finally:
            os.close(handle)
        return reap(self.pid_file)

    def log_text(self):
        return Path(self.log).read_text(errors="replace")

    def log_tail(self):
        return "\n".join(self.log_text().splitlines()[-20:])


def limit_open_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def reap(pid_file):
    try:
        pid = int(Path(pid_file).read_text())
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except (FileNotFoundError, ValueError, ChildProcessError):
        return None


def answers(probe):
    return ldap_answers(probe) if probe.startswith("ldap://") else http_answers(probe)


def ldap_answers(uri):
    host, port = uri.removeprefix("ldap://").split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5) as s:
            s.sendall(ANONYMOUS_BIND)
            return s.recv(64) == BIND_SUCCESS
    except OSError:
        return False


def http_answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
