"""What systemd is told and gives: ready, alive, stopping; a socket that stays open while the bridge restarts."""

import ctypes
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from kiopslab.process import reap
from lab import eventually, free_port

# Gets the listening socket as standard input, hands it on as systemd does, and becomes the bridge.
ACTIVATED = ("import os, sys; os.dup2(0, 3); os.dup2(os.open(os.devnull, os.O_RDONLY), 0)\n"
             "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execvp(sys.argv[1], sys.argv[1:])")
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


class Manager:
    """The part of systemd that a service sees: a notify socket, and a listening socket that it keeps."""

    def __init__(self, lab, home, *, watchdog_us=None, port=None):
        self.lab, self.bridge, self.child = lab, lab.bridge, None
        lab.bridge.process.stop()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(home / "notify"))
        self.notify.settimeout(60)
        self.env = {**os.environ, "NOTIFY_SOCKET": str(home / "notify")}
        if watchdog_us:
            self.env["WATCHDOG_USEC"] = str(watchdog_us)
        self.port = urllib.parse.urlsplit(lab.bridge.url).port
        self.listener = socket.create_server(("127.0.0.1", port or self.port), backlog=1024) if port != 0 else None

    def start(self):
        argv = self.bridge.process.argv
        if self.listener:
            argv = [sys.executable, "-c", ACTIVATED, *argv]
        with open(self.bridge.process.log, "ab") as log:
            self.child = subprocess.Popen(argv, stdin=self.listener or subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        Path(self.bridge.process.pid_file).write_text(str(self.child.pid))

    def hear(self, word):
        """The first message with this word; those before it are dropped."""
        while word not in (text := self.notify.recv(4096).decode()):
            pass
        return text

    def is_silent(self, word, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.notify], [], [], left)[0] and word in self.notify.recv(4096).decode():
                return False
        return True

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        said = self.hear("STOPPING=1")
        assert self.child.wait(timeout=20) == 0
        return said

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, connection):
        connection.request("GET", "/scim/v2/Users?count=0", headers={"Authorization": f"Bearer {self.lab.token}"})
        return connection

    def close(self):
        """Hands the bridge back to the lab."""
        if self.child and self.child.poll() is None:
            self.stop()
        reap(self.bridge.process.pid_file)
        if self.listener:
            self.listener.close()
        self.notify.close()
        self.bridge.process.start()


@pytest.fixture
def manager(new_lab, tmp_path):
    made = []

    def make(**settings):
        made.append(Manager(new_lab(), tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def thread_of(pid, name):
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name}")


def ptrace(request, tid):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    assert libc.ptrace(request, tid, None, None) == 0, os.strerror(ctypes.get_errno())


def test_systemd_is_told_and_the_watchdog_is_fed_by_what_lives(manager):
    """One thread of the server that hangs is enough to fall silent: systemd then starts it anew."""
    systemd = manager(watchdog_us=2_000_000, port=0)
    systemd.start()
    systemd.hear("READY=1")
    assert "users" in systemd.hear("STATUS=serving: ")
    for _ in range(3):
        systemd.hear("WATCHDOG=1")
    tid = thread_of(systemd.child.pid, "watcher")
    ptrace(PTRACE_SEIZE, tid)
    ptrace(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, WALL)
    try:
        eventually(lambda: systemd.is_silent("WATCHDOG=1", 2), within=20)
        systemd.hear("STATUS=")  # the main thread still runs: a timer alone would have gone on
    finally:
        ptrace(PTRACE_DETACH, tid)
    systemd.hear("WATCHDOG=1")
    assert "STATUS=stopping" in systemd.stop()


def test_connections_made_while_the_bridge_restarts_are_answered(manager):
    systemd = manager()
    systemd.start()
    systemd.hear("READY=1")
    assert systemd.ask(systemd.connect()).getresponse().status == 200
    systemd.stop()
    waiting = [systemd.ask(systemd.connect()) for _ in range(20)]
    started = time.monotonic()
    systemd.start()
    assert [one.getresponse().status for one in waiting] == [200] * 20
    assert time.monotonic() - started < 10


def test_nobody_notices_a_restart(manager):
    """New connections one after the other over three restarts: none is refused, none reset."""
    systemd, ends, wrong, done = manager(), threading.Event(), [], []
    systemd.start()
    systemd.hear("READY=1")

    def work():
        while not ends.is_set():
            connection = systemd.connect()
            try:
                status = systemd.ask(connection).getresponse().status
                if status not in (200, 503):
                    wrong.append(status)
                done.append(status)
            except OSError as error:
                wrong.append(error)
            finally:
                connection.close()

    client = threading.Thread(target=work)
    client.start()
    try:
        for _ in range(3):
            before = len(done)
            eventually(lambda before=before: len(done) > before + 5, within=30)
            systemd.stop()
            systemd.start()
            systemd.hear("READY=1")
    finally:
        ends.set()
        client.join()
    assert not wrong, wrong[:3]
    assert done.count(200) > 15


def test_a_socket_that_no_address_names_is_refused(manager):
    systemd = manager(port=free_port())
    systemd.start()
    assert systemd.child.wait(timeout=60) == 1
    assert "which server.listen does not name; make them the same" in systemd.bridge.process.log_text()
    systemd.child = None


def test_socket_activation_by_systemd_itself(new_lab):
    """systemd-socket-activate: the first connection starts the bridge and is answered by it."""
    lab = new_lab()
    lab.bridge.process.stop()
    address = urllib.parse.urlsplit(lab.bridge.url).netloc
    child = subprocess.Popen(["systemd-socket-activate", "-l", address, *lab.bridge.process.argv], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(address), within=30)
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", "/scim/v2/Users?count=0", headers={"Authorization": f"Bearer {lab.token}"})
        assert connection.getresponse().status in (200, 503)
    finally:
        child.terminate()
        assert child.wait(timeout=20) == 0
        lab.bridge.process.start()


def listens(address):
    """Without a connection, which would start it."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    return any(line.split()[1].endswith(port) and line.split()[3] == "0A" for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
