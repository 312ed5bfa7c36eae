"""`kiops-bridge reconcile` of kind push: what is here, put to a SCIM provider that plays a script; faults 2, 3, 14 to 17, 29 to 31, 35
and 38 as they concern one."""

import json
from pathlib import Path

import pytest
from jobs import AGAINST, ERROR, FINE, GUARD, INCOMPLETE, PLANNED, Jobs, found
from kiopslab import site
from lab import Lab
from provider import TOKEN, Provider
from scim import ENTERPRISE
from world import read_auditlog

ALL = """guards = {{ deactivate = {{ percent = 100; count = 1000; }}; delete = {{ percent = 100; count = 1000; }};
  remove_member = {{ percent = 100; count = 1000; }}; scope_shrink = {{ percent = 100; }}; budget_24h = {{ deactivate = 1000; delete = 1000; }};
  budget_7d = {{ deactivate = 1000; delete = 1000; }}; }};"""
REST = """url = "{url}"; token_file = "{folder}/provider.token"; journal_dir = "{runs}"; rate_per_s = 0; timeout_s = 5;"""
JOBS = f"""jobs = (
  {{{{ name = "push"; kind = "push"; as = "token:reconcile"; {REST} {ALL} }}}},
  {{{{ name = "at-once"; kind = "push"; as = "token:reconcile"; delete_after_days = 0; {REST} {ALL} }}}},
  {{{{ name = "careful"; kind = "push"; as = "token:reconcile"; {REST} }}}},
  {{{{ name = "people"; kind = "push"; as = "token:reconcile"; groups = false; match = [ "userName" ]; {REST} {ALL} }}}},
  {{{{ name = "reader"; kind = "push"; as = "token:reader"; {REST} {ALL} }}}}
);"""


class Ground(Jobs):
    def __init__(self, folder, url=None, **settings):
        self.provider = Provider()
        token = Path(folder) / "provider.token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        super().__init__(folder, JOBS.replace("{url}", url or self.provider.url), **settings)
        self.bridge.new_token("reader", "--role", "PlatformAdmin", "--access", "read")

    def again(self):
        """A provider that knows nothing, and a job that has never run."""
        p = self.provider
        p.users.clear(), p.groups.clear(), p.log.clear(), p.script.clear()
        p.can |= {"etag": True, "page": 1000, "total": True}
        p.bend = None
        for dn in self.admin.find(site.JOBS, "(objectClass=kiopsJob)"):
            self.admin.delete(dn)
        for file in self.runs.glob("*.last"):
            file.unlink()

    def synced(self):
        """Everything is there, as here."""
        self.apply(FINE, "push")
        self.provider.log.clear()

    def there(self):
        """What the provider has, by names."""
        names = {u["id"]: u["userName"] for u in self.provider.users.values()}
        people = {u["userName"]: {k: v for k, v in u.items() if k not in ("id", "meta")} for u in self.provider.users.values()}
        return people, {g["displayName"]: (g.get("externalId"), sorted(names[m["value"]] for m in g.get("members", ())))
                        for g in self.provider.groups.values()}

    def here(self):
        """What it is to have."""
        users = self.scim.get("/Users", count=1000).expect(200)["Resources"]
        groups = self.scim.get("/Groups", count=1000).expect(200)["Resources"]
        active = {u["id"]: u["userName"] for u in users if u["active"]}
        return active, {g["displayName"]: (g["id"], sorted(active[m["value"]] for m in g.get("members", ()) if m["value"] in active))
                        for g in groups}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("push"))
    yield made
    made.close()
    made.provider.close()


@pytest.fixture
def ground(shared):
    shared.again()
    yield shared
    for step in shared.provider.script:
        assert step.times <= 0 or step.times > 100, f"{step} was not played"


def one(ground, name):
    return ground.provider.named(name)


def lines(plan, *states):
    return [(line["change"], line.get("userName") or line.get("organizationName")) for line in plan["lines"]
            if line["state"] in (states or ("planned",))]


# ---- in sync

def test_everything_is_put_there_and_a_second_run_writes_nothing(ground):
    active, groups = ground.here()
    ground.apply(FINE, "push")
    people, there = ground.there()
    assert set(people) == set(active.values()) and there == groups
    assert {u["externalId"] for u in ground.provider.users.values()} == set(active)
    ground.provider.log.clear()
    begin = ground.log.stat().st_size
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
    group["members"] = [{"value": ground.provider.add("Users", userName="uses-it")}]
    ground.scim.delete(f"/Groups/{org['id']}").expect(204)
    assert lines(ground.apply(AGAINST, "at-once"), "conflict") == [("delete_organization", org["displayName"])]
    assert group["id"] in ground.provider.groups


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
