"""Fault 55: writers at two bridges, and somebody who kills, stalls and cuts off at random, for KIOPS_SOAK seconds (make soak:
an hour). After each round what was acknowledged is there and the invariants hold, a job of kind drift mends what was cut
off, its second plan is empty, and the bridge that was not killed takes no more memory than its people need. KIOPS_SEED
repeats the choices, not their timing."""

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from faults import kill
from jobs import FINE, Jobs
from lab import eventually
from test_kill import WRITERS, Writer, answered, inert, judge, picture

SECONDS = float(os.environ.get("KIOPS_SOAK", "6"))
SEED = int(os.environ.get("KIOPS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
SPARE_MB, PERSON_KB = 48, 16  # caches; one person in memory
JOBS = """jobs = (
  {{ name = "drift"; kind = "drift"; as = "token:reconcile"; roles = "enforce"; dangling = "enforce"; rate_per_s = 0; journal_dir = "{runs}";
     guards = {{ demote = {{ percent = 100; }}; remove_member = {{ percent = 100; }}; scope_shrink = {{ percent = 100; }}; }}; }}
);"""


@pytest.fixture
def ground(tmp_path, monkeypatch):
    # What a sanitizer keeps back to find its use after the end is no memory of ours.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
    made = Jobs(tmp_path, JOBS, bridges=2, proxied=True, durable=True)
    yield made
    made.close()


def killed(process):
    kill(process)
    process.start()


def stalled(ground, dice):
    ground.proxy.stall()
    time.sleep(dice.uniform(0.1, 1))  # how long it hangs is random, nothing waits for it
    ground.proxy.resume()


MOVES = {
    "slapd is killed": lambda ground, _: killed(ground.slapd.process),
    "a bridge is killed": lambda ground, _: killed(ground.bridges[1].process),
    "slapd hangs": stalled,
    "connections are cut": lambda ground, _: ground.proxy.reset(),
    "an answer is lost": lambda ground, dice: ground.proxy.lose_answer("modify", passing=dice.randrange(20)),
}


def acknowledged(writers):
    return sum(len(w.acknowledged) for w in writers)


def storm(ground, writers, dice):
    """Writes, and two or three moves in the middle of them; then silence."""
    moves = [dice.choice(sorted(MOVES)) for _ in range(dice.choice((2, 3)))]
    for writer in writers:
        writer.up.set()
    for move in moves:
        before = acknowledged(writers)
        eventually(lambda n=before: acknowledged(writers) > n + WRITERS, within=60)
        MOVES[move](ground, dice)
    for writer in writers:
        writer.up.clear()
    for writer in writers:
        assert writer.at_work.acquire(timeout=60), "its last request is not answered"
        writer.at_work.release()
    return moves


def repeated(ground, writer):
    """Nothing is open any more, and everybody who exists is known by id."""
    writer.cut_demotions |= {p.name for p in writer.people if p.open and p.open[0] == "demote"}
    writer.repeat()
    for person in writer.people:
        if person.exists and not person.id:
            person.id = ground.scim.find("Users", f'userName eq "{person.name}"')[0]["id"]


def both_live(ground):
    for traps in ground.proxy.traps.values():
        traps.clear()
    for n in range(2):
        eventually(lambda n=n: answered(ground.client(bridge=n).get("/Users?count=0")), within=60)


def second_plan_is_empty(ground):
    """Asked again where something came of age in between: what is young may still be under way, and is left alone."""
    ground.apply(FINE)
    shown = subprocess.run(ground.argv("--json", "reconcile", "drift"), capture_output=True, text=True, check=False)
    return json.loads(shown.stdout)["lines"] == []


def memory_mb(bridge):
    status = Path(f"/proc/{bridge.process.pid()}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def test_everything_at_once_for_a_long_time(ground):
    keeper = ground.user()["id"]
    groups = [ground.organization(managers=[keeper])["id"] for _ in range(3)]
    dice, deadline, memory, rounds = random.Random(SEED), time.monotonic() + SECONDS, [], 0
    print(f"\nKIOPS_SEED={SEED}")
    writers = [Writer(ground, n, groups, random.Random(dice.random())) for n in range(WRITERS)]
    for n, writer in enumerate(writers):
        writer.scim, writer.cut_demotions = ground.client(bridge=n % 2), set()
        writer.start()
    while not rounds or time.monotonic() < deadline:
        rounds += 1
        where = f"seed {SEED}, round {rounds}: {storm(ground, writers, dice)}"
        both_live(ground)
        for writer in writers:
            repeated(ground, writer)
        eventually(lambda: second_plan_is_empty(ground), within=20)
        now = picture(ground)
        judge(now, writers, groups)
        assert not [f for f in now.findings(managed=groups) if not inert(f, writers)], where
        memory.append((len(now.people), memory_mb(ground.bridge)))
    for writer in writers:
        writer.stop.set()
    (people, mb), (most_people, most_mb) = memory[len(memory) // 3], memory[-1]
    print(f"{rounds} rounds, {acknowledged(writers)} changes; {people} people in {mb} MB, at the end {most_people} in {most_mb} MB")
    assert most_mb < mb + SPARE_MB + (most_people - people) * PERSON_KB / 1024
