"""Fault 3: `reconcile --apply` killed at every change that it sends, before the directory has it and after; the next run ends
where an undisturbed one does, and nothing is made twice."""

import subprocess

import pytest
from jobs import FINE
from kiopslab import site
from test_reconcile_drift import Ground, job
from world import World, read_auditlog

LEASE_AND_STATE, RELEASE, LINES = 2, 1, 4  # what a run sends: its own entry's changes, and the plan's


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("kill"), proxied=True)
    made.apply()
    yield made
    made.close()


def broken(ground):
    """Four things to mend, two of them on one entry."""
    w = World(ground)
    w.organization("A", managed=True)
    w.person("amy", manager=["A"])
    w.person("kim", member=["A"])
    whole = ground.state()
    org, kim = w.ids["A"], w.dn("kim")
    ground.admin.modify(kim, ("add", "kiopsPermission", f"{org}:dance"), ("add", "kiopsRequest", f"{org}:20260101000000Z.00000001"))
    ground.admin.modify(w.dns["A"], ("add", "owner", kim), ("add", "member", site.user_dn(f"gone{w.mark}")))
    return whole


def changes(ground, begin):
    """What was made of the plan, value by value."""
    return [(dn, *c) for _, dn, cs in read_auditlog(ground.log.read_text()[begin:]) if not dn.endswith(site.JOBS) for c in cs]


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
@pytest.mark.parametrize("passing", range(LEASE_AND_STATE + LINES + RELEASE))
def test_killed_at_a_change(ground, how, passing):
    whole = broken(ground)
    begin = ground.log_end()
    process = subprocess.Popen(ground.argv("reconcile", "drift", "--apply"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # Set before the process has connected: it is the only one that writes.
    trap = getattr(ground.proxy, how)(passing=passing, action=process.kill)
    process.wait(timeout=60)
    assert trap.sprung.is_set() and process.returncode == -9
    if "kiopsLeaseUntil" in job(ground):
        ground.admin.modify(f"cn=drift,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))
    ground.apply()
    assert ground.state() == whole
    made = changes(ground, begin)
    assert len(made) == len(set(made)) == LINES
    assert ground.plan("drift", FINE)["lines"] == []
