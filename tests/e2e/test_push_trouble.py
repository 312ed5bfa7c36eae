"""`kiops-bridge reconcile` of kind push where something is in the way: guards, rights, what cannot be read, what moved, answers that are
lost; faults 2, 14 to 16, 29 to 31, 35, 37, 38 and 51 as they concern a provider; and what a run did, taken back."""

import json
import subprocess
import threading

import pytest
from jobs import AGAINST, ERROR, FINE, GUARD, INCOMPLETE, PLANNED, RUNNING, found
from kiopslab import site
from lab import eventually
from provider import TOKEN
from pushing import ground, lines, one, shared  # noqa: F401

# ---- guards and rights

def test_a_guard_stops_before_anything_is_written(ground):
    """Faults 30 and 31."""
    ground.synced()
    for n in range(60):
        ground.provider.add("Users", userName=f"left{n}", active=True, externalId=f"0b6c0000-0000-4000-8000-{n:012}")
    done = ground.run("reconcile", "careful", "--apply", expect=GUARD)
    assert "guard deactivate" in done.stderr and "60 of" in done.stderr
    assert ground.provider.writes() == []
    ground.run("reconcile", "careful", "--apply", "--release", "deactivate=60", "--reason", "they left")
    assert len(ground.provider.writes()) == 60 and not any(one(ground, f"left{n}")["active"] for n in range(60))


def test_a_directory_that_shrinks_stops_the_run(ground):
    """Fault 30: the base or the filter is wrong, and most are missing."""
    ground.synced()
    ground.apply(FINE, "careful")
    state = json.loads(ground.admin.get(f"cn=careful,{site.JOBS}")["kiopsJobState"][0])
    ground.admin.modify(f"cn=careful,{site.JOBS}", ("replace", "kiopsJobState", json.dumps(state | {"scope": 2 * state["scope"]})))
    assert "guard scope_shrink" in ground.run("reconcile", "careful", "--apply", expect=GUARD).stderr
    assert ground.provider.writes() == []


def test_one_run_at_a_time(ground):
    """Fault 37."""
    ground.synced()
    begun = threading.Event()
    ground.provider.next(method="GET", path="/Users", do=begun.set, wait=1.5)
    first = subprocess.Popen(ground.argv("reconcile", "push", "--apply"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert begun.wait(20)
    assert "already running" in ground.run("reconcile", "push", "--apply", expect=RUNNING).stderr
    assert first.wait(30) == FINE


def test_a_directory_that_was_restored_from_a_copy(ground):
    """Fault 35: who came since would be deactivated there; nothing is until somebody says that it is meant."""
    ground.synced()
    dn = f"cn=push,{site.JOBS}"
    older = ground.admin.get(dn)["kiopsJobState"][0]
    user = ground.user()
    ground.synced()
    ground.scim.delete(f"/Users/{user['id']}").expect(204)
    ground.admin.modify(dn, ("replace", "kiopsJobState", older))
    for words in ((), ("--apply",)):
        assert "--accept-rollback" in ground.run("reconcile", "push", *words, expect=GUARD).stderr
    assert ground.provider.writes() == [] and one(ground, user["userName"])["active"]
    ground.apply(FINE, "push", "--accept-rollback")
    assert not one(ground, user["userName"])["active"]
    ground.apply(FINE, "push")


def test_an_attribute_that_has_become_several(ground):
    """Fault 51: one of them is sent, always the same, and with a language or as bytes it is another attribute; no flapping."""
    user = ground.user(title="Mmm")
    ground.synced()
    dn, _ = ground.admin.by_id(user["id"])
    ground.admin.modify(dn, ("add", "title", ["Aaa", "Zzz"]), ("add", "title;lang-ko", "대장"), ("add", "jpegPhoto", b"\xff\xd8\xff\xe0\0"),
                        ("replace", "displayName", "Several"))
    shown = eventually(lambda: ground.scim.find("Users", f'id eq "{user["id"]}" and displayName eq "Several"'))[0]
    ground.apply(FINE, "push")
    sent = one(ground, user["userName"])
    assert sent["displayName"] == "Several" and sent["title"] == shown["title"] and sent["title"] in ("Aaa", "Mmm", "Zzz")
    ground.admin.modify(dn, ("delete", "title", None))
    ground.admin.modify(dn, ("add", "title", ["Zzz", "Mmm", "Aaa"]))  # in another order
    ground.provider.log.clear()
    assert ground.plan("push", FINE)["lines"] == []
    ground.apply(FINE, "push")
    assert ground.provider.writes() == []


def test_who_may_not_write_pushes_nothing(ground):
    plan = ground.apply(AGAINST, "reader")
    assert found(plan) == [] and {code for code, _ in found(plan, "refused")} == {"KB-R09"}
    assert ground.provider.writes() == []


# ---- what cannot be read

def hide_half(document, query):
    document["Resources"] = document["Resources"][::2]


@pytest.mark.parametrize("what", ["users", "groups", "schemas", "token", "half"])
def test_a_provider_that_cannot_be_read_whole(ground, what):
    """Faults 14 to 16 and 29: exit 4, and nothing is written, there or here."""
    ground.synced()
    provider = ground.provider
    if what == "half":
        provider.bend = hide_half
    elif what == "token":
        provider.token = "renewed"
    else:
        provider.next(path=what.capitalize() + ("?" if what != "schemas" else ""), status=500)
    done = ground.run("reconcile", "push", "--apply", expect=INCOMPLETE)
    provider.token = TOKEN
    assert "could not be read" in done.stderr and TOKEN not in done.stderr
    assert provider.writes() == []


def test_a_directory_that_is_away(ground):
    ground.synced()
    ground.slapd.process.stop()
    ground.run("reconcile", "push", "--apply", expect=INCOMPLETE)
    ground.slapd.process.start()
    ground.admin = ground.view()
    assert ground.provider.writes() == []


# ---- a saved plan

def test_what_changed_there_since_is_refused_and_the_rest_made(ground):
    """Fault 38: If-Match."""
    kim, lee = ground.user(), ground.user()
    ground.synced()
    for user in (kim, lee):
        ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", "Boss")).expect(200)
    saved = str(ground.folder / "saved.plan")
    ground.run("reconcile", "push", "--save", saved, expect=PLANNED)
    moved = one(ground, kim["userName"])
    ground.provider.touch("Users", moved)
    plan = ground.plan("push", AGAINST, "--plan", saved, "--apply")
    assert [(line["code"], line["userName"]) for line in plan["lines"] if line["state"] == "conflict"] == [("KB-C217", kim["userName"])]
    assert one(ground, lee["userName"])["title"] == "Boss" and "title" not in moved


def test_without_versions_what_is_changed_must_be_as_it_was(ground):
    ground.provider.can["etag"] = False
    kim, lee = ground.user(title="x"), ground.user(title="x")
    ground.synced()
    for user in (kim, lee):
        ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", "Boss")).expect(200)
    saved = str(ground.folder / "saved.plan")
    ground.run("reconcile", "push", "--save", saved, expect=PLANNED)
    one(ground, kim["userName"])["title"] = "somebody's"
    ground.plan("push", AGAINST, "--plan", saved, "--apply")
    assert one(ground, lee["userName"])["title"] == "Boss" and one(ground, kim["userName"])["title"] == "somebody's"


# ---- answers that do not come

@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_answer_that_is_lost(ground, method, cut):
    """Fault 2: the end is the same, and nothing is there twice."""
    kim, lee = ground.user(), ground.user()
    org = ground.organization([kim["id"]])
    ground.synced()
    ground.scim.patch(f"/Users/{kim['id']}", ("replace", "title", "Boss")).expect(200)
    ground.scim.patch(f"/Groups/{org['id']}", ("add", "members", [{"value": lee["id"]}])).expect(200)
    ground.user()
    ground.provider.next(method=method, cut=cut)
    ground.provider.next(method=method, cut=cut)
    ground.apply(FINE, "push")
    ground.provider.script.clear()
    people, there = ground.there()
    active, groups = ground.here()
    assert set(people) == set(active.values()) and there == groups and people[kim["userName"]]["title"] == "Boss"
    assert len(ground.provider.users) == len(active)


def test_a_provider_that_goes_away_stops_the_run(ground):
    ground.synced()
    for _ in range(3):
        ground.user()
    ground.provider.next(method="POST", status=401, times=200)
    done = ground.run("reconcile", "push", "--apply", expect=ERROR)
    assert "renew it" in done.stderr and len(ground.provider.writes()) == 1
    ground.provider.script.clear()
    ground.apply(FINE, "push")


# ---- taken back

def test_undo(ground):
    kim, lee = ground.user(title="Old"), ground.user()
    org = ground.organization([kim["id"]])
    ground.synced()
    before = ground.there()
    ground.scim.patch(f"/Users/{kim['id']}", ("replace", "title", "New")).expect(200)
    ground.scim.patch(f"/Users/{lee['id']}", ("replace", "active", False)).expect(200)
    ground.scim.patch(f"/Groups/{org['id']}", ("add", "members", [{"value": lee["id"]}]), ("remove", f'members[value eq "{kim["id"]}"]')).expect(200)
    new = ground.user()
    ground.organization([new["id"]])
    run = ground.apply(FINE, "push")["run"]
    assert ground.there() != before
    text = ground.run("undo", run, expect=PLANNED).stdout
    assert "the account there is deleted, unless it has changed since" in text
    ground.run("undo", run, "--apply")
    assert ground.there() == before


def test_undo_of_what_moved_or_cannot_come_back(ground):
    kim, gone = ground.user(title="Old"), ground.user()
    ground.synced()
    ground.scim.patch(f"/Users/{kim['id']}", ("replace", "title", "New")).expect(200)
    run = ground.apply(FINE, "push")["run"]
    ground.provider.touch("Users", one(ground, kim["userName"]))
    assert "KB-C217" in ground.run("undo", run, "--apply", expect=AGAINST).stdout
    assert one(ground, kim["userName"])["title"] == "New"
    ground.scim.delete(f"/Users/{gone['id']}").expect(204)
    ground.apply(FINE, "at-once")
    run = ground.apply(FINE, "at-once")["run"]
    assert gone["userName"] not in ground.there()[0]
    assert "only a push can make a new one" in ground.run("undo", run, expect=AGAINST).stdout
