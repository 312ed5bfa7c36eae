"""`make run`: the contract that scripts and people rely on."""

import os
import shlex
import signal
import stat
import subprocess
import sys

import pytest
from kiopslab import site
from kiopslab.slapd import REPOSITORY
from lab import BINARY, eventually, free_port
from scim import Scim


class Run:
    def __init__(self, folder, **settings):
        self.folder = folder
        own = {"KIOPS_RUN_DIR": str(folder), "KIOPS_PORT": str(free_port()),
               "KIOPS_LDAP_PORT": str(free_port()), **settings}
        self.process = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "tests/run/run.py"), BINARY], text=True,
            stdout=subprocess.PIPE, env={**os.environ, **own})
        self.first_line = self.process.stdout.readline().strip()
        self.lines = [self.process.stdout.readline().strip() for _ in range(4)]

    def env(self):
        words = shlex.split((self.folder / "env").read_text())
        return dict(word.split("=", 1) for word in words)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path):
    made = []

    def one(name="run", **settings):
        made.append(Run(tmp_path / name, **settings))
        return made[-1]

    yield one
    for run in made:
        run.end()


def is_alive(pid):
    return os.path.exists(f"/proc/{pid}")


def whoami(env, name):
    user, password = env[name].split(":")
    return subprocess.run(["ldapwhoami", "-x", "-H", env["LDAP_URI"], "-D", site.user_dn(user),
                           "-w", password], check=False, capture_output=True).returncode


def test_it_prints_ready_and_curl_lines_that_work(start):
    run = start()
    assert run.first_line == "ready"
    assert run.lines[0] == run.env()["SCIM_URL"]
    for line in run.lines[1:]:
        done = subprocess.run(shlex.split(line) + ["-sf"], capture_output=True, check=False)
        assert done.returncode == 0, line
    assert b'"newcomer"' in done.stdout


def test_the_env_file_is_private_and_complete(start):
    run = start(KIOPS_BRIDGES="2")
    assert stat.S_IMODE((run.folder / "env").stat().st_mode) == 0o600
    env = run.env()
    assert len(env["SCIM_URLS"].split()) == len(env["BRIDGE_PIDS"].split()) == 2
    assert env["BRIDGE_PIDS"].split()[0] == env["BRIDGE_PID"]
    for url in env["SCIM_URLS"].split():
        assert Scim(url, env["SCIM_TOKEN"]).get("/Users").status == 200
    for name in ("SAMPLE_PLATFORMADMIN", "SAMPLE_MANAGER", "SAMPLE_MEMBER"):
        assert whoami(env, name) == 0
    assert subprocess.run([*shlex.split(env["BRIDGE_CLI"]), "token", "list"], check=False).returncode == 0


def test_servers_killed_by_hand_are_started_again_by_their_commands(start):
    run = start()
    before = run.env()
    for name in ("SLAPD_PID", "BRIDGE_PID"):
        os.kill(int(before[name]), signal.SIGKILL)
        eventually(lambda: not is_alive(before[name]))
    assert run.process.poll() is None
    subprocess.run(before["SLAPD_CMD"], check=True)
    subprocess.run(before["BRIDGE_CMD"], check=True)
    after = run.env()
    assert after["SLAPD_PID"] != before["SLAPD_PID"] and is_alive(after["SLAPD_PID"])
    assert after["BRIDGE_PID"] != before["BRIDGE_PID"] and is_alive(after["BRIDGE_PID"])
    assert Scim(after["SCIM_URL"], after["SCIM_TOKEN"]).get("/Users").status == 200
    assert run.end() == 0
    eventually(lambda: not is_alive(after["SLAPD_PID"]) and not is_alive(after["BRIDGE_PID"]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_term_end_both_servers(start, number):
    run = start()
    env = run.env()
    assert run.end(number) == 0
    assert not is_alive(env["SLAPD_PID"]) and not is_alive(env["BRIDGE_PID"])
    assert not (run.folder / "env").exists()


def test_two_runs_stand_side_by_side_and_one_folder_holds_one(start):
    first, second = start("first"), start("second")
    assert first.env()["SLAPD_PID"] != second.env()["SLAPD_PID"]
    with_same_folder = start("first")
    assert with_same_folder.first_line == "" and with_same_folder.end() == 1
    assert Scim(first.env()["SCIM_URL"], first.env()["SCIM_TOKEN"]).get("/Users").status == 200


def test_generated_people_are_served(start):
    env = start(KIOPS_USERS="300", KIOPS_ORGS="10").env()
    answer = Scim(env["SCIM_URL"], env["SCIM_TOKEN"]).get("/Users", count="1").expect(200)
    assert answer["totalResults"] == 308
