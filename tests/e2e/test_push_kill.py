"""Fault 3: `reconcile --apply` of kind push, killed at every write, before the provider has it and after; the next run ends where
an undisturbed one does, and nothing is there twice."""

import subprocess
from itertools import count

import pytest
from jobs import FINE
from kiopslab import site
from pushing import ground, shared  # noqa: F401


@pytest.mark.parametrize("write", range(6))
@pytest.mark.parametrize("cut", ["before", "after"])
def test_killed_at_a_write(ground, write, cut):
    kim, lee, max_ = ground.user(), ground.user(), ground.user()
    org = ground.organization([kim["id"]])
    ground.synced()
    ground.scim.patch(f"/Users/{kim['id']}", ("replace", "title", "Boss")).expect(200)
    ground.scim.patch(f"/Users/{max_['id']}", ("replace", "active", False)).expect(200)
    ground.scim.patch(f"/Groups/{org['id']}", ("remove", f'members[value eq "{kim["id"]}"]'), ("add", "members", [{"value": lee["id"]}])).expect(200)
    ground.user()
    ground.organization([lee["id"]])
    process = subprocess.Popen(ground.argv("reconcile", "push", "--apply"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    writes = count()
    ground.provider.kill_cut = cut
    ground.provider.kill = lambda method: method != "GET" and next(writes) == write and not process.kill()
    process.wait(timeout=60)
    ground.provider.kill = None
    assert process.returncode == -9
    ground.admin.modify(f"cn=push,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))
    ground.apply(FINE, "push")
    people, there = ground.there()
    active, groups = ground.here()
    assert {n for n, u in people.items() if u["active"]} == set(active.values()) and there == groups
    assert people[kim["userName"]]["title"] == "Boss" and len(ground.provider.users) == len(active) + 1
    assert ground.plan("push", FINE)["lines"] == []
