"""Fault 3, of lines that are SCIM requests: a pull killed at every change that it sends, before the directory has it and after; the
next run ends where an undisturbed one does, and a third one has nothing to do."""

import subprocess
from types import SimpleNamespace

import pytest
from jobs import FINE
from kiopslab import site
from kiopslab.directories import kind
from pulls import Ground
from scim import GROUP, KIOPS_ORGANIZATION, USER
from world import World, read_auditlog

MOST_CHANGES = 22  # what an undisturbed run sends: its own entry's, and the plan's
CHANGES = MOST_CHANGES if kind() == "389ds" else MOST_CHANGES - 1  # there a new name is added first
PLAN = ["add", "add", "create_user", "deactivate", "demote", "edit_organization", "edit_user", "promote", "remove"]


def prepared(ground):
    """Somebody to make, to rename, to deactivate, to add and promote, to demote, and a Manager to take out; joins are of long ago."""
    ground.clear()
    w = World(ground)
    w.organization("A", managed=True)
    ground.admin.modify(w.dns["A"], ("add", "kiopsExternalId", "hr:A"))
    for name, manages in (("amy", ["A"]), ("kim", ["A"]), ("lee", ["A"]), ("max", []), ("pat", [])):
        w.person(name, manager=manages, permissions=[("A", "vpn")] if manages else [], values=[("kiopsExternalId", f"hr:{name}")])
        ground.source.users[name] = {"schemas": [USER], "id": name, "userName": f"{w.mark}{name}", "active": True}
    w.settle()
    ground.hr.patch(f"/Users/{w.ids['amy']}", ("replace", "nickName", "A")).expect(200)  # who was never written has no former name
    del ground.source.users["pat"]
    ground.source.users["amy"]["userName"] = f"{w.mark}amy2"
    ground.source.users["new"] = {"schemas": [USER], "id": "new", "userName": f"{w.mark}new", "title": "Mate"}
    ground.source.groups["A"] = {"schemas": [GROUP], "id": "A", "displayName": f"{w.mark} A2", "members": [{"value": m} for m in ("amy", "lee", "max", "new")],
                                 KIOPS_ORGANIZATION: {"managers": [{"value": "amy"}, {"value": "max"}]}}
    return w


def outcome(ground, w):
    """What the directory says of them, ids and times aside."""
    group = ground.admin.get(site.organization_dn(f"{w.mark} A2"))
    short = lambda dn: dn.partition(",")[0].removeprefix("uid=").replace(w.mark, "")
    people = {}
    for dn, entry in ground.admin.find(site.PEOPLE, f"(uid={w.mark}*)").items():
        people[short(dn)] = {a: sorted(v.partition(":")[2].partition(":")[0] if a == "kiopsPermission" else a for v in entry.get(a, ()))
                             for a in ("kiopsJoined", "kiopsManager", "kiopsPermission", "kiopsRequest")} | {"active": entry.get("kiopsActive", ["TRUE"])}
    return {a: sorted(map(short, group.get(a, ()))) for a in ("member", "owner")} | people


def release(ground):
    """The lease of who was killed lapses."""
    for dn, entry in ground.admin.find(site.JOBS, "(cn=hr)").items():
        if "kiopsLeaseUntil" in entry:
            ground.admin.modify(dn, ("replace", "kiopsLeaseUntil", "20200101000000Z"))


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("kill"), proxied=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(ground):
    w = prepared(ground)
    begin = ground.log_end()
    plan = ground.plan("hr")
    ground.pulled(len(PLAN))
    return SimpleNamespace(plan=plan, sent=len(list(read_auditlog(ground.log.read_text()[begin:]))), outcome=outcome(ground, w))


def test_what_the_numbers_stand_for(undisturbed):
    assert sorted(line["change"] for line in undisturbed.plan["lines"]) == PLAN
    assert undisturbed.outcome["owner"] == ["amy2", "max"] and undisturbed.outcome["kim"]["kiopsJoined"] == []
    assert undisturbed.sent == CHANGES


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
@pytest.mark.parametrize("passing", range(MOST_CHANGES))
def test_killed_at_a_change(ground, undisturbed, how, passing):
    w = prepared(ground)
    process = subprocess.Popen(ground.argv("reconcile", "hr", "--apply"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trap = getattr(ground.proxy, how)(passing=passing, action=process.kill)
    process.wait(timeout=60)
    assert trap.sprung.is_set() and process.returncode == -9
    release(ground)
    ground.apply(FINE, "hr")
    assert ground.plan("hr", FINE)["lines"] == []
    assert outcome(ground, w) == undisturbed.outcome
