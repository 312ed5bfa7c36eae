"""Fault 3, of a first load and of an undo: killed at every change that they send, before the directory has it and after; the same
command once more ends where an undisturbed one does, and then nothing is left to do."""

import json
import subprocess
from types import SimpleNamespace

import pytest
from jobs import FINE
from kiopslab import site
from test_reconcile_csv import LOADED, Ground, first_load
from world import World

LOAD, UNDO = 20, 15  # what an undisturbed one sends: the job's entry's, and the plan's


def prepared(ground):
    """Every test has its own people and organizations."""
    w = World(ground)
    w.organization("A", managed=True)
    w.person("amy", manager=["A"])
    for name in ("kim", "lee"):
        w.person(name)
    w.settle()
    w.A, w.B = f"{w.mark} A", f"{w.mark} B"
    w.kim, w.lee = f"{w.mark}kim", f"{w.mark}lee"
    first_load(ground, w)
    return w


def outcome(ground, w):
    """What the directory says of them, ids and times aside."""
    short = lambda dn: dn.partition(",")[0].removeprefix("uid=").replace(w.mark, "")
    groups = {e["cn"][0].replace(w.mark, ""): {a: sorted(map(short, e.get(a, ()))) for a in ("member", "owner")}
              for e in ground.admin.find(site.ORGANIZATIONS, f"(cn={w.mark}*)").values()}
    names = {e["entryUUID"][0]: e["cn"][0].replace(w.mark, "") for e in ground.admin.find(site.ORGANIZATIONS, f"(cn={w.mark}*)").values()}
    named = lambda value: ":".join(names.get(part, part) for part in value.split(":")[:2 if value.partition(":")[2][:1].isalpha() else 1])
    people = {short(dn): {a: sorted(map(named, e.get(a, ()))) for a in ("kiopsJoined", "kiopsManager", "kiopsPermission", "kiopsRequest")}
              for dn, e in ground.admin.find(site.PEOPLE, f"(uid={w.mark}*)").items()}
    return groups | people


def lapse(ground):
    if ground.admin.find(site.JOBS, "(&(cn=load)(kiopsLeaseUntil=*))"):
        ground.admin.modify(f"cn=load,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))


def killed(ground, trap, *words):
    process = subprocess.Popen(ground.argv(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    how, passing = trap
    sprung = getattr(ground.proxy, how)(passing=passing, action=process.kill).sprung
    process.wait(timeout=60)
    assert sprung.is_set() and process.returncode == -9
    lapse(ground)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("kill"), proxied=True)
    ground_of_the_job(made)
    yield made
    made.close()


def ground_of_the_job(ground):
    """Its entry is there, and it has run once: what a run sends is the same from now on."""
    ground.write()
    ground.apply(FINE, "load")


@pytest.fixture(scope="module")
def undisturbed(ground):
    def sent(begin):
        """Without what caught_up() writes to see that a polled directory has been read."""
        text = ground.log.read_text()[begin:]
        return text.count("\nchangetype:") - text.count("\ndn: cn=seen,")

    w = prepared(ground)
    start, begin = outcome(ground, w), ground.log_end()
    run = ground.apply(FINE, "load")["run"]
    loaded, load = outcome(ground, w), sent(begin)
    begin = ground.log_end()
    ground.run("undo", run, "--apply")
    return SimpleNamespace(start=start, loaded=loaded, undone=outcome(ground, w), load=load, undo=sent(begin))


def test_what_the_numbers_stand_for(undisturbed):
    assert (undisturbed.load, undisturbed.undo) == (LOAD, UNDO)
    assert undisturbed.undone == undisturbed.start and undisturbed.loaded[" B"]["owner"] == ["lee"]


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
@pytest.mark.parametrize("passing", range(LOAD))
def test_a_load_killed_at_a_change(ground, undisturbed, how, passing):
    w = prepared(ground)
    killed(ground, (how, passing), "reconcile", "load", "--apply")
    ground.apply(FINE, "load")
    assert ground.plan("load", FINE)["lines"] == []
    assert outcome(ground, w) == undisturbed.loaded


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
@pytest.mark.parametrize("passing", range(UNDO))
def test_an_undo_killed_at_a_change(ground, undisturbed, how, passing):
    w = prepared(ground)
    run = ground.apply(FINE, "load")["run"]
    killed(ground, (how, passing), "undo", run, "--apply")
    done = subprocess.run(ground.argv("--json", "undo", run, "--apply"), capture_output=True, text=True, check=False)
    assert outcome(ground, w) == undisturbed.undone, json.loads(done.stdout)
