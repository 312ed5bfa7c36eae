"""`kiops-bridge reconcile` of kind push: what is here, put to a SCIM provider."""

import json

from jobs import AGAINST, FINE, PLANNED
from kiopslab import site
from lab import Lab
from pushing import Ground, ground, lines, one, shared  # noqa: F401
from scim import ENTERPRISE
from world import read_auditlog


# ---- in sync

def test_everything_is_put_there_and_a_second_run_writes_nothing(ground):
    active, groups = ground.here()
    ground.apply(FINE, "push")
    people, there = ground.there()
    assert set(people) == set(active.values()) and there == groups
    assert {u["externalId"] for u in ground.provider.users.values()} == set(active)
    ground.provider.log.clear()
    begin = ground.log_end()
    assert ground.apply(FINE, "push")["lines"] == []
    assert "in sync" in ground.run("reconcile", "push").stdout
    assert ground.provider.writes() == []
    assert {dn for _, dn, _ in read_auditlog(ground.log.read_text()[begin:])} == {f"cn=push,{site.JOBS}"}


def test_a_dry_run_writes_nothing(ground):
    plan = ground.plan("push", PLANNED)
    assert plan["lines"] and all(line["remote"]["request"] for line in plan["lines"])
    text = ground.run("reconcile", "push", "--ldif", expect=PLANNED).stdout
    assert "POST /Users at the provider" in text
    assert ground.provider.writes() == []


def test_what_differs_is_patched_and_nothing_else(ground):
    user = ground.user(title="Boss", name={"givenName": "A", "familyName": "B"}, **{ENTERPRISE: {"department": "D"}},
                       emails=[{"value": "a@example.org", "type": "work"}])
    ground.synced()
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", "Chief"), ("remove", "name.givenName"),
                      ("add", "emails", [{"value": "b@example.org", "type": "home"}]), ("remove", f"{ENTERPRISE}:department")).expect(200)
    there = one(ground, user["userName"])
    there["locale"], there["displayName"] = "en", "filled in"  # by the provider
    plan = ground.apply(FINE, "push")
    assert lines(plan) == [("edit_user", user["userName"])]
    assert [m for m in ground.provider.writes()] == [f"PATCH Users/{there['id']}"]
    assert there["title"] == "Chief" and "givenName" not in there["name"] and "department" not in there[ENTERPRISE]
    assert {e["value"] for e in there["emails"]} == {"a@example.org", "b@example.org"}
    assert there["locale"] == "en" and there["displayName"] == "filled in"
    assert json.loads(plan["lines"][0]["before"])["title"] == "Boss"
    assert ground.plan("push", FINE)["lines"] == []


def test_who_is_inactive_here_is_inactive_there(ground):
    user, never = ground.user(), ground.user(active=False)
    ground.synced()
    for active, change in ((False, "deactivate"), (True, "reactivate")):
        ground.scim.patch(f"/Users/{user['id']}", ("replace", "active", active)).expect(200)
        assert lines(ground.apply(FINE, "push")) == [(change, user["userName"])]
        assert one(ground, user["userName"])["active"] is active
    assert never["userName"] not in ground.there()[0]


def test_a_new_name_keeps_the_account(ground):
    user = ground.user()
    ground.synced()
    account = one(ground, user["userName"])["id"]
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "userName", user["userName"] + "x")).expect(200)
    ground.apply(FINE, "push")
    assert one(ground, user["userName"] + "x")["id"] == account


# ---- who is whom

def test_an_account_without_our_id_is_found_by_name(ground):
    user = ground.user()
    account = ground.provider.add("Users", userName=user["userName"].upper(), active=True)
    plan = ground.apply(FINE, "push")
    assert ("edit_user", user["userName"]) in lines(plan)
    assert ground.provider.users[account]["externalId"] == user["id"]


def test_an_account_of_somebody_else_is_not_taken_over(ground):
    """Fault 52 at a provider: the same name, and another person."""
    user, other = ground.user(), ground.user()
    ground.synced()
    one(ground, user["userName"])["externalId"] = "0b6c0000-0000-4000-8000-000000000000"
    ground.provider.add("Users", userName="twin1", externalId=other["id"])
    plan = ground.plan("push", PLANNED)
    assert sorted(lines(plan, "conflict")) == sorted([("create_user", user["userName"]), ("create_user", other["userName"])])
    assert {line["code"] for line in plan["lines"] if line["state"] == "conflict"} == {"KB-C225"}
    assert lines(plan) == [("deactivate", user["userName"])]  # whose it was
    del ground.provider.users[next(u["id"] for u in ground.provider.users.values() if u["userName"] == "twin1")]


def test_a_name_that_others_have_does_not_matter_where_the_id_is_ours(ground):
    org = ground.organization()
    ground.synced()
    for external in ({}, {"externalId": "hr-9"}):
        ground.provider.add("Groups", displayName=org["displayName"], **external)
    assert ground.plan("push", FINE)["lines"] == []


def test_who_was_never_ours_is_left_alone(ground):
    ground.synced()
    for external in ({}, {"externalId": "hr-7"}):
        ground.provider.add("Users", userName=f"stranger{len(external)}", active=True, **external)
    assert ground.plan("push", FINE)["lines"] == []


def test_by_user_name_alone(ground):
    user = ground.user(title="Boss")
    account = ground.provider.add("Users", userName=user["userName"], externalId="hr-8", active=True)
    ground.apply(FINE, "people")
    there = ground.provider.users[account]
    assert there["externalId"] == "hr-8" and there["title"] == "Boss" and not ground.provider.groups


# ---- members

def test_members_come_and_go_one_by_one(ground):
    kim, lee, max_ = ground.user(), ground.user(), ground.user()
    org = ground.organization([kim["id"], lee["id"]])
    ground.synced()
    group = next(g for g in ground.provider.groups.values() if g["externalId"] == org["id"])
    stranger = ground.provider.add("Users", userName="put-in-there")
    group["members"].append({"value": stranger})
    ground.scim.patch(f"/Groups/{org['id']}", ("remove", f'members[value eq "{kim["id"]}"]'), ("add", "members", [{"value": max_["id"]}])).expect(200)
    plan = ground.apply(FINE, "push")
    assert lines(plan) == [("remove", kim["userName"]), ("add", max_["userName"])]
    names = {ground.provider.users[m["value"]]["userName"] for m in group["members"]}
    assert names == {lee["userName"], max_["userName"], "put-in-there"}
    assert all("If-Match" not in str(body) for _, _, body in ground.provider.log)
    assert ground.plan("push", FINE)["lines"] == []


def test_many_members_go_together_and_one_that_is_refused_alone(ground):
    people = [ground.user() for _ in range(130)]
    ground.organization([p["id"] for p in people])
    org = ground.organization()
    ground.synced()
    group = next(g for g in ground.provider.groups.values() if g["externalId"] == org["id"])
    ground.scim.patch(f"/Groups/{org['id']}", ("add", "members", [{"value": p["id"]} for p in people])).expect(200)
    ground.apply(FINE, "push")
    assert ground.provider.writes() == [f"PATCH Groups/{group['id']}?excludedAttributes=members"] * 2
    assert len(group["members"]) == 130
    group["members"] = []
    plan = ground.run("reconcile", "push", "--save", str(ground.folder / "members.plan"), expect=PLANNED)
    assert plan.returncode == PLANNED
    del ground.provider.users[one(ground, people[0]["userName"])["id"]]
    done = ground.plan("push", AGAINST, "--plan", str(ground.folder / "members.plan"), "--apply")
    assert lines(done, "conflict") == [("add", people[0]["userName"])]
    assert len(group["members"]) == 129


# ---- what is gone

def test_gone_here_is_inactive_there_and_deleted_later(ground):
    user = ground.user()
    org = ground.organization([user["id"]])
    ground.synced()
    account = one(ground, user["userName"])
    group = next(g for g in ground.provider.groups.values() if g["externalId"] == org["id"])
    ground.scim.delete(f"/Users/{user['id']}").expect(204)
    ground.scim.delete(f"/Groups/{org['id']}").expect(204)
    plan = ground.apply(FINE, "push")
    assert sorted(lines(plan)) == [("deactivate", user["userName"]), ("remove", user["userName"])]
    assert "deleted there after 30 days" in next(line for line in plan["lines"] if line["change"] == "deactivate")["reason"]
    assert account["active"] is False and group["members"] == []
    assert ground.plan("push", FINE)["lines"] == []
    # The days are over.
    state = json.loads(ground.admin.get(f"cn=push,{site.JOBS}")["kiopsJobState"][0])
    assert set(state["gone"]) == {f"Users/{account['id']}", f"Groups/{group['id']}"}
    state["gone"] = dict.fromkeys(state["gone"], "2026-01-01T00:00:00Z")
    ground.admin.modify(f"cn=push,{site.JOBS}", ("replace", "kiopsJobState", json.dumps(state)))
    assert sorted(lines(ground.apply(FINE, "push"))) == sorted([("delete_organization", org["displayName"]), ("delete_user", user["userName"])])
    assert account["id"] not in ground.provider.users and group["id"] not in ground.provider.groups
    ground.apply(FINE, "push")
    assert "gone" not in json.loads(ground.admin.get(f"cn=push,{site.JOBS}")["kiopsJobState"][0])


def test_a_group_somebody_else_uses_is_not_deleted(ground):
    org = ground.organization()
    ground.synced()
    group = next(g for g in ground.provider.groups.values() if g["externalId"] == org["id"])
    ground.scim.delete(f"/Groups/{org['id']}").expect(204)
    saved = str(ground.folder / "saved.plan")
    ground.run("reconcile", "at-once", "--save", saved, expect=PLANNED)
    group["members"] = [{"value": ground.provider.add("Users", userName="uses-it")}]
    assert lines(ground.plan("at-once", AGAINST, "--plan", saved, "--apply"), "conflict") == [("delete_organization", org["displayName"])]
    assert lines(ground.apply(PLANNED, "at-once"), "reported") == [("delete_organization", org["displayName"])]
    assert group["id"] in ground.provider.groups


# ---- a bridge as the provider

def test_a_bridge_as_the_provider(tmp_path_factory):
    other = Lab(tmp_path_factory.mktemp("there"))
    ground = Ground(tmp_path_factory.mktemp("here"), url=other.bridge.url)
    try:
        (ground.folder / "provider.token").chmod(0o600)
        (ground.folder / "provider.token").write_text(other.new_token("push", client="push"))
        user = ground.user(title="Boss", name={"familyName": "Min"}, emails=[{"value": "a@example.org", "primary": True}])
        org = ground.organization([user["id"]])
        ground.apply(FINE, "push")
        begin = other.scim.get("/Users", count=1000)["Resources"], other.scim.get("/Groups", count=1000)["Resources"]
        assert {u["userName"] for u in begin[0]} >= set(ground.here()[0].values())
        assert ground.plan("push", FINE)["lines"] == []
        ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", "Chief"), ("replace", "active", False)).expect(200)
        ground.scim.patch(f"/Groups/{org['id']}", ("replace", "displayName", "Renamed")).expect(200)
        run = ground.apply(FINE, "push")["run"]
        there = other.scim.find("Users", f'userName eq "{user["userName"]}"')[0]
        assert there["title"] == "Chief" and there["active"] is False and there["name"]["familyName"] == "Min"
        assert [g["members"][0]["value"] for g in other.scim.find("Groups", 'displayName eq "Renamed"')] == [there["id"]]
        assert ground.plan("push", FINE)["lines"] == []
        ground.run("undo", run, "--apply")
        assert other.scim.find("Users", f'userName eq "{user["userName"]}"')[0]["title"] == "Boss"
        ground.scim.patch(f"/Users/{user['id']}", ("replace", "active", True)).expect(200)
        ground.apply(FINE, "push")
        ground.scim.delete(f"/Users/{user['id']}").expect(204)
        ground.apply(FINE, "at-once")
        assert other.scim.get(f"/Users/{there['id']}").expect(200)["active"] is False
        ground.apply(FINE, "at-once")
        other.scim.get(f"/Users/{there['id']}").expect(404)
        assert ground.plan("push", FINE)["lines"] == []
    finally:
        ground.close()
        ground.provider.close()
        other.close()
