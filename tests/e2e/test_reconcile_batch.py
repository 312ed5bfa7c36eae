"""`reconcile --apply` with many lines under way at once: in what order, stopped, killed, cut off; and each line as if it were alone."""

import json
import signal
import subprocess

import pytest
from jobs import AGAINST, ERROR, FINE, PLANNED
from kiopslab import site
from test_reconcile_drift import Ground
from world import World, read_auditlog

PEOPLE, AT_ONCE, OWN = 20, 8, 2  # at once: server.writers; own: changes of the job's entry before the plan's
LINES = PEOPLE + 1  # kim has two


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("batch"), proxied=True)
    made.apply()
    made.w = World(made)
    made.w.organization("A")
    made.w.organization("B")
    for i in range(PEOPLE):
        made.w.person(f"p{i}")
    yield made
    made.close()


@pytest.fixture
def whole(ground):
    """The state without the permissions that are given here to people who are in no organization; the first has two."""
    w = ground.w
    state = ground.state()
    for i in range(PEOPLE):
        words = ["vpn", "audit"] if i == 0 else ["vpn"]
        ground.admin.modify(w.dn(f"p{i}"), ("add", "kiopsPermission", [f"{w.ids['A']}:{word}" for word in words]))
    ground.begin = ground.log_end()
    yield state
    assert ground.state() == state


def started(ground, *words):
    """The process, and how its journal is read later."""
    known = set(ground.runs.glob("*.jsonl"))
    process = subprocess.Popen(ground.argv("reconcile", "drift", "--apply", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process, lambda: [json.loads(line) for p in ground.runs.glob("*.jsonl") if p not in known for line in p.read_text().splitlines()]


def outcomes(journal):
    return [line["outcome"] for line in journal if "end" in line]


def most_at_once(journal):
    """How many lines were under way at once, at most."""
    under_way, most = {}, 0
    for line in journal:
        if "begin" in line:
            change, user, organization = (line["line"][k] for k in ("change", "user", "organization"))
            assert all(user != u for _, u, _ in under_way.values()), "two lines of one entry"
            assert all(o != organization or c == change == "revoke" for c, _, o in under_way.values()), "two who manage one organization"
            under_way[line["begin"]] = change, user, organization
        elif "end" in line:
            del under_way[line["end"]]
        most = max(most, len(under_way))
    return most


def intents_without_outcome(ground, journal):
    """Of that run, in the audit."""
    records = [json.loads(line) for line in (ground.bridge.home / "audit/audit-reconcile.jsonl").read_text().splitlines()]
    return {r["seq"] for r in records if r["type"] == "intent" and r["request"] == journal[0]["run"]} - {r["intent"] for r in records if r["type"] == "outcome"}


def changes(ground):
    """What was made of the plan, value by value: nothing twice."""
    made = [(dn, *c) for _, dn, cs in read_auditlog(ground.log.read_text()[ground.begin:]) if not dn.endswith(site.JOBS) for c in cs]
    assert len(made) == len(set(made))
    return len(made)


def next_run(ground, *words):
    """What it says. Of what the killed ones before it meant it tells from a minute later on: KB-C308."""
    done = subprocess.run(ground.argv("--json", "reconcile", "drift", *words), capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    told = [line for line in said["lines"] if line["code"] == "KB-C308"]
    said["lines"] = [line for line in said["lines"] if line not in told]
    assert done.returncode == (PLANNED if told or said["lines"] and not words else FINE), done
    ground.caught_up()
    return said


def goes_on(ground):
    if ground.admin.find(site.JOBS, "(&(cn=drift)(kiopsLeaseUntil=*))"):
        ground.admin.modify(f"cn=drift,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))
    next_run(ground, "--apply")
    assert next_run(ground)["lines"] == [] and changes(ground) == LINES


def test_many_at_once_and_no_two_of_one_entry(ground, whole):
    process, journal = started(ground)
    process.communicate(timeout=60)
    assert process.returncode == FINE and outcomes(journal()) == ["done"] * LINES
    assert AT_ONCE < most_at_once(journal()) < LINES
    assert changes(ground) == LINES and not intents_without_outcome(ground, journal())


def test_who_manages_an_organization_is_changed_one_by_one(ground):
    """Others of other organizations beside them."""
    w, before = ground.w, ground.state()
    for i in range(6):
        ground.admin.modify(w.dn(f"p{i}"), ("add", "kiopsManager", w.ids["A" if i < 3 else "B"]))
    process, journal = started(ground)
    process.communicate(timeout=60)
    assert process.returncode == FINE and [line["line"]["change"] for line in journal() if "begin" in line] == ["demote"] * 6
    assert most_at_once(journal()) == 2 and ground.state() == before


def test_a_rate_is_kept(ground, whole):
    process, journal = started(ground, "--rate", "30")
    process.communicate(timeout=60)
    assert process.returncode == FINE and most_at_once(journal()) == 3


@pytest.mark.parametrize("passing", [0, 7, LINES - 1])
def test_stopped_among_them(ground, whole, passing):
    """What is under way ends, nothing else begins; the run's undo takes back what it made."""
    process, journal = started(ground)
    trap = ground.proxy.before_request("modify", passing=OWN + passing, action=lambda: process.send_signal(signal.SIGINT))
    said, _ = process.communicate(timeout=60)
    made = outcomes(journal()).count("done")
    assert trap.sprung.is_set() and passing < made <= passing + AT_ONCE
    assert set(outcomes(journal())) <= {"done", "left"} and not intents_without_outcome(ground, journal())
    assert process.returncode == (PLANNED if made < LINES else FINE) and (b"the next run makes the rest" in said) == (made < LINES)
    undo = json.loads(ground.run("--json", "undo", journal()[0]["run"], expect=PLANNED).stdout)["lines"]
    assert len(undo) == made and {line["state"] for line in undo} == {"planned"}
    if made < LINES:
        goes_on(ground)


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
@pytest.mark.parametrize("passing", [0, 5, 13])
def test_killed_among_them(ground, whole, how, passing):
    """Fault 3."""
    process, journal = started(ground)
    trap = getattr(ground.proxy, how)(passing=OWN + passing, action=process.kill)
    process.communicate(timeout=60)
    assert trap.sprung.is_set() and process.returncode == -9 and "over" not in journal()[-1]
    goes_on(ground)


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
def test_a_connection_that_ends_under_one_of_them(ground, whole, how):
    """Fault 2: what became of that line is unknown, and nothing else begins."""
    process, journal = started(ground)
    trap = getattr(ground.proxy, how)(passing=OWN + 5)
    process.communicate(timeout=60)
    assert trap.sprung.is_set() and process.returncode == ERROR
    assert outcomes(journal()).count("unknown") == 1 and "left" in outcomes(journal()) and not intents_without_outcome(ground, journal())
    goes_on(ground)


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
@pytest.mark.parametrize("passing", [0, 1, 2, 9, LINES - 2, LINES - 1])
def test_an_undo_killed_among_them(ground, whole, how, passing):
    """Fault 3: given once more, it ends where an undisturbed one does."""
    start = ground.state()
    run = next_run(ground, "--apply")["run"]
    process = subprocess.Popen(ground.argv("undo", run, "--apply"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trap = getattr(ground.proxy, how)(passing=OWN + passing, action=process.kill)
    process.wait(timeout=60)
    assert trap.sprung.is_set() and process.returncode == -9
    ground.admin.modify(f"cn=drift,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))
    done = subprocess.run(ground.argv("--json", "undo", run, "--apply"), capture_output=True, text=True, check=False)
    state = ground.state()
    next_run(ground, "--apply")
    assert state == start and done.returncode in (FINE, AGAINST), [line for line in json.loads(done.stdout)["lines"] if line["state"] != "planned"]
