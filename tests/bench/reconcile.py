"""`make bench`, reconciliation: plans over a large directory that change nothing, and an application beside the directory alone.

KIOPS_BIN   the bridge
KIOPS_BENCH quick: few people; else 100,000 in 1,000 organizations
KIOPS_PART  plans or apply: that part alone
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(REPOSITORY / "tests/run"), str(REPOSITORY / "tests/e2e")]
sys.dont_write_bytecode = True

import ldap  # noqa: E402
from kiopslab import entries, site  # noqa: E402
from kiopslab.bridge import Bridge  # noqa: E402
from kiopslab.slapd import Slapd  # noqa: E402
from lab import free_port  # noqa: E402
from scim import Scim  # noqa: E402

DRIFT_S, PULL_S, MEMORY_MB, APPLY = 4.0, 8.0, 400, 0.9
JOBS = """jobs = (
  {{ name = "drift"; kind = "drift"; as = "token:reconcile"; attributes = "asserted"; roles = "enforce"; dangling = "enforce"; rate_per_s = 0;
     journal_dir = "{runs}"; }},
  {{ name = "pull"; kind = "pull"; as = "token:hr"; url = "{url}"; token_file = "{token}"; rate_per_s = 0; journal_dir = "{runs}"; }}
);"""


def linked(text):
    """The entry as somebody whom the job `pull` brought: its own id is the source's."""
    uuid = re.search(r"^entryUUID: (.*)$", text, re.M)
    return text.replace(uuid[0], f"{uuid[0]}\nkiopsExternalId: hr:{uuid[1]}") if uuid else text


class Ground:
    """A directory whose people are linked with themselves: the bridge beside it is the pull's remote system."""

    def __init__(self, folder, users, organizations, *, binary, durable):
        self.folder, self.runs = Path(folder), Path(folder) / "runs"
        self.slapd = Slapd(self.folder / "slapd", free_port(), durable=durable)
        people = (linked(e) for e in entries.generated(users, organizations))
        self.slapd.create([*entries.base(self.slapd.passwords), entries.platform_admins([]), *people])
        self.slapd.process.start()
        self.root = ldap.initialize(self.slapd.uri)
        self.root.simple_bind_s(site.ROOT, self.slapd.passwords.root)
        port, token = free_port(), self.folder / "remote.token"
        jobs = JOBS.format(runs=self.runs, url=f"http://127.0.0.1:{port}/scim/v2", token=token)
        self.bridge = Bridge(self.folder / "bridge", port, binary, self.slapd, durable=durable, more=jobs)
        self.bridge.create()
        for name, client in (("reconcile", "e2e"), ("hr", "hr"), ("remote", "remote")):
            secret = self.bridge.new_token(name, "--role", "PlatformAdmin", "--client", client)
        token.touch(mode=0o600)
        token.write_text(secret)
        self.remote = Scim(self.bridge.url, secret)
        self.bridge.process.start()

    def close(self):
        self.bridge.process.stop()
        self.root.unbind_s()
        self.slapd.process.stop()

    def run(self, *words):
        """Exit code, what it printed, seconds, MB, seconds of one processor."""
        begin = time.monotonic()
        process = subprocess.Popen([self.bridge.binary, "-c", str(self.bridge.conf), *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        return os.waitstatus_to_exitcode(status), text, time.monotonic() - begin, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime

    def plan(self, job):
        code, text, seconds, megabytes, cpu = self.run("--json", "reconcile", job)
        if code != 0:
            raise RuntimeError(f"{job}: exit {code}: {text[:2000]}")
        return seconds, megabytes, cpu

    # ---- changes

    def strays(self, n):
        """(dn, value): permissions of people in organizations that they are not in."""
        found = self.root.search_s(site.PEOPLE, ldap.SCOPE_ONELEVEL, "(uid=user*)", ["kiopsJoined"])[:n]
        groups = [e["entryUUID"][0].decode() for _, e in self.root.search_s(site.ORGANIZATIONS, ldap.SCOPE_ONELEVEL, "(cn=*)", ["entryUUID"])]
        return [(dn, next(f"{g}:vpn" for g in groups if not any(g in v.decode() for v in e.get("kiopsJoined", ()))).encode()) for dn, e in found]

    def put(self, strays):
        """Seconds that the directory takes for so many modifies, one after the other."""
        begin = time.monotonic()
        for dn, value in strays:
            self.root.modify_s(dn, [(ldap.MOD_ADD, "kiopsPermission", value)])
        return time.monotonic() - begin

    def apply(self):
        """Changes a second, from the first that was written down to the last outcome."""
        code, text, *_ = self.run("--json", "reconcile", "drift", "--apply")
        if code != 0:
            raise RuntimeError(f"exit {code}: {text[-2000:]}")
        newest = max(self.runs.glob("drift-*.jsonl"), key=lambda p: p.stat().st_mtime)
        lines = [json.loads(line) for line in newest.read_text().splitlines()]
        at = [datetime.fromisoformat(line["at"].replace("Z", "+00:00")) for line in lines if "begin" in line or "end" in line]
        return len(at) / 2 / (at[-1] - at[0]).total_seconds()


def line(holds, text):
    print(f"{'ok  ' if holds else 'MISS'} {text}", flush=True)


def plans(ground, rounds, of):
    found = {}
    for job, most in (("drift", DRIFT_S), ("pull", PULL_S)):
        seconds, megabytes, cpu = min(ground.plan(job) for _ in range(rounds))
        found[job] = {"s": seconds, "mb": megabytes, "cpu_s": cpu}
        line(seconds < most and megabytes < MEMORY_MB, f"{job} plan {of}: {seconds:.2f} s (under {most}; {cpu:.2f} s of one processor), {megabytes:.0f} MB (under {MEMORY_MB})")
    return found


def application(ground, rounds, changes):
    ratios = []
    for _ in range(rounds):
        raw = changes / ground.put(ground.strays(changes))
        ratios.append((ground.apply() / raw, raw))
    ratio, raw = sorted(ratios)[len(ratios) // 2]
    line(ratio >= APPLY, f"apply, durable: {ratio * raw:.0f} changes a second, {ratio:.2f} of {raw:.0f} raw modifies (at least {APPLY})")
    return {"ratio": ratio, "raw_per_s": raw}


def main():
    os.umask(0o077)
    quick, part = os.environ.get("KIOPS_BENCH") == "quick", os.environ.get("KIOPS_PART")
    binary = Path(os.environ.get("KIOPS_BIN") or REPOSITORY / "build/release/kiops-bridge").resolve()
    users, organizations, changes, rounds = (5000, 50, 200, 1) if quick else (100000, 1000, 2000, 3)
    report = REPOSITORY / "build/bench-reconcile.json"
    found = json.loads(report.read_text()) if part and report.exists() else {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("KIOPS_BENCH_DIR") or None) as folder:
        if part != "apply":
            ground = Ground(Path(folder) / "large", users, organizations, binary=binary, durable=False)
            found |= plans(ground, rounds, f"over {users:,} users and {organizations:,} organizations, nothing to change")
            ground.close()
        if part != "plans":
            ground = Ground(Path(folder) / "durable", changes * 2, organizations, binary=binary, durable=True)
            found["apply"] = application(ground, rounds, changes)
            ground.close()
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
