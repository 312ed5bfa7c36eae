"""`kiops-bridge reconcile` of kind pull: a scripted SCIM system as the source, a directory and a bridge beside it."""

import json

import pytest
from jobs import AGAINST, FINE, PLANNED, found
from pulls import Ground, aged, did
from scim import KIOPS_ORGANIZATION
from world import read_auditlog

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("pull"))
    yield made
    made.close()


@pytest.fixture
def source(ground):
    ground.clear()
    return ground.source


# ---- people


FULL = {"name": {"givenName": "Kim", "familyName": "Min", "honorificPrefix": "Dr."}, "title": "Boss", "nickName": "Kimmy",
        "emails": [{"value": "kim@work.example", "type": "work", "primary": True}, {"value": "kim@home.example", "type": "home"}],
        "phoneNumbers": [{"value": "+82-2-1234", "type": "work"}], "locale": "ko-KR", "externalId": "employee-7",
        "addresses": [{"type": "work", "locality": "Seoul", "country": "KR"}],
        ENTERPRISE: {"department": "Hulls", "employeeNumber": "7"}}


def test_a_person_comes_changes_and_is_left_alone(ground, source):
    kim = ground.there("kim-there", **FULL)
    assert did(ground.plan("hr")) == [("create_user", "kim-there")]
    ground.pulled(1)
    here = ground.here(kim)
    assert here["title"] == "Boss" and here["name"]["honorificPrefix"] == "Dr." and here[ENTERPRISE]["department"] == "Hulls"
    assert {e["value"] for e in here["emails"]} == {"kim@work.example", "kim@home.example"}
    ground.change(kim, title="Captain", userName="kim-renamed", emails=[{"value": "kim@work.example", "type": "work", "primary": True}],
                  name={"givenName": "Kim", "familyName": "Min"})
    line = ground.plan("hr")["lines"][0]
    assert line["change"] == "edit_user" and json.loads(line["before"])["title"] == "Boss" and json.loads(line["after"])["title"] == "Captain"
    assert json.loads(line["after"])["name.honorificPrefix"] is None
    ground.pulled(1)
    now = ground.here(kim)
    assert (now["id"], now["userName"], now["title"]) == (here["id"], "kim-renamed", "Captain")
    assert "honorificPrefix" not in now["name"] and len(now["emails"]) == 1


def test_what_the_source_never_says_stays_and_what_it_stops_saying_goes(ground, source):
    kim, lee = ground.there("kim", title="Boss"), ground.there("lee", title="Mate")
    ground.pulled(2)
    ground.scim.patch(f"/Users/{ground.here(kim)['id']}", ("replace", "nickName", "K")).expect(200)
    assert ground.plan("hr", FINE)["lines"] == []
    del source.users[kim]["title"]
    line = ground.plan("hr")["lines"][0]
    assert json.loads(line["after"]) == {"title": None}
    ground.pulled(1)
    assert ground.here(kim)["nickName"] == "K" and "title" not in ground.here(kim) and ground.here(lee)["title"] == "Mate"


def test_a_second_run_writes_nothing_but_its_own_entry(ground, source):
    kim = ground.there("kim", **FULL)
    ground.group("Crew", kim)
    ground.pulled(3)
    begin = ground.log_end()
    ground.apply(FINE, "hr")
    assert {dn.partition(",")[0] for _, dn, _ in read_auditlog(ground.log.read_text()[begin:])} == {"cn=hr"}


def test_who_is_here_already_is_linked_by_name_and_nobody_else_is_touched(ground, source):
    local, other = ground.user(userName="localkim"), ground.user(userName="localother")
    kim = ground.there("LocalKim", title="Boss")
    plan = ground.plan("hr")
    assert did(plan) == [("edit_user", "LocalKim")] and json.loads(plan["lines"][0]["after"])["externalId"] == kim
    ground.pulled(1)
    assert ground.here(kim)["id"] == local["id"]
    del source.users[kim]
    ground.pulled(1)
    assert ground.scim.get(f"/Users/{local['id']}").expect(200)["active"] is False
    assert ground.scim.get(f"/Users/{other['id']}").expect(200)["active"] is True


def test_a_name_that_is_here_is_a_conflict_where_names_do_not_tell(ground, source):
    ground.user(userName="localkim")
    ground.there("localkim")
    plan = ground.plan("strict", AGAINST)
    assert found(plan, "conflict") == [("KB-C201", "edit_user")] and "put userName into `match`" in plan["lines"][0]["reason"]


def test_two_records_that_are_one_person(ground, source):
    """Fault 22: neither is merged, others proceed."""
    ground.user(userName="localkim")
    ground.there("localkim")
    ground.there("LOCALKIM")
    ground.there("lee")
    plan = ground.apply(AGAINST, "hr")
    assert found(plan, "conflict") == [("KB-C223", "edit_user")] * 2 and plan["summary"]["applied"] == 1


def test_a_record_that_cannot_be_kept_is_left_out(ground, source):
    kim = ground.there("kim")
    ground.pulled(1)
    ground.there("lee")
    source.users[kim]["emails"] = [{"value": "a@b.example", "primary": True}, {"value": "c@d.example", "primary": True}]
    plan = ground.apply(AGAINST, "hr")
    assert found(plan, "conflict") == [("KB-C222", "edit_user")] and plan["summary"]["applied"] == 1
    assert ground.here(kim)["active"] is True


def test_managers_of_people_refer_to_people_here(ground, source):
    boss, kim = ground.there("boss"), ground.there("kim")
    source.users[kim][ENTERPRISE] = {"manager": {"value": boss}}
    source.users[boss][ENTERPRISE] = {"manager": {"value": kim}}  # whoever is made first
    ground.pulled(4)
    assert ground.here(kim)[ENTERPRISE]["manager"]["value"] == ground.here(boss)["id"]
    lee = ground.there("lee", **{ENTERPRISE: {"manager": {"value": boss}}})
    del source.users[boss][ENTERPRISE]
    ground.pulled(2)
    assert ground.here(lee)[ENTERPRISE]["manager"]["value"] == ground.here(boss)["id"] and ENTERPRISE not in ground.here(boss)


# ---- gone


def test_gone_is_deactivated_then_deleted_and_returns_as_the_same(ground, source):
    kim, lee = ground.there("kim"), ground.there("lee")
    ground.group("Crew", kim, lee, **{KIOPS_ORGANIZATION: {"managers": [{"value": kim}]}})
    ground.pulled(6)
    was, record = ground.here(kim), source.users[kim]
    del source.users[kim]
    source.groups[next(iter(source.groups))]["members"] = [{"value": lee}]
    plan = ground.plan("hr")
    assert did(plan) == [("deactivate", "kim")] and "if still gone" in plan["lines"][0]["reason"]
    ground.pulled(1)
    assert ground.here(kim)["active"] is False
    aged(ground, "hr", 29)
    assert ground.plan("hr", FINE)["lines"] == []
    source.users[kim] = record
    source.groups[next(iter(source.groups))]["members"] = [{"value": lee}, {"value": kim}]
    assert did(ground.plan("hr")) == [("reactivate", "kim")]
    ground.pulled(1)
    back = ground.here(kim)
    assert back["id"] == was["id"] and back["active"] is True and ground.seats(kim) == {"Crew": ("Manager", [])}
    del source.users[kim]
    ground.pulled(1)
    aged(ground, "hr", 31)
    plan = ground.plan("hr")
    assert did(plan) == [("delete_user", "kim")]
    assert ground.apply(FINE, "hr")["summary"]["applied"] == 1
    assert ground.here(kim) is None and ground.plan("hr", FINE)["lines"] == []


def test_who_was_inactive_before_waits_as_long(ground, source):
    """Two stages, whoever deactivated them."""
    kim = ground.there("kim")
    ground.pulled(1)
    ground.scim.patch(f"/Users/{ground.here(kim)['id']}", ("replace", "active", False)).expect(200)
    del source.users[kim]
    ground.pulled(0)
    aged(ground, "hr", 31)
    assert did(ground.plan("hr")) == [("delete_user", "kim")]


def test_a_new_person_under_an_old_name_gets_nothing_of_the_old_one(ground, source):
    """Fault 52."""
    kim = ground.there("kim")
    ground.group("Crew", kim)
    ground.pulled(3)
    old = ground.here(kim)["id"]
    del source.users[kim]
    new = ground.there("kim")
    source.groups[next(iter(source.groups))]["members"] = [{"value": new}]
    plan = ground.apply(AGAINST, "hr")
    assert did(plan, "conflict") == [("edit_user", "kim")] and plan["summary"]["applied"] == 1
    aged(ground, "hr", 31)
    assert ground.apply(AGAINST, "hr")["summary"]["applied"] == 1  # the old one is deleted
    ground.pulled(2)
    assert ground.here(new)["id"] != old and ground.seats(new) == {"Crew": ("Member", [])}


# ---- groups


def test_groups_with_members_and_managers(ground, source):
    kim, lee, max_ = ground.there("kim"), ground.there("lee"), ground.there("max")
    crew = ground.group("Crew", kim, lee, **{KIOPS_ORGANIZATION: {"description": "Hull", "joinPolicy": "open", "managers": [{"value": kim}]}})
    ground.pulled(3 + 1 + 2 + 1)
    here = ground.here(crew, "Groups")
    assert here[KIOPS_ORGANIZATION]["description"] == "Hull" and here[KIOPS_ORGANIZATION]["joinPolicy"] == "open"
    assert ground.seats(kim) == {"Crew": ("Manager", [])} and ground.seats(lee) == {"Crew": ("Member", [])}
    local = ground.user(userName="localone")
    ground.scim.post("/Memberships", {"organization": {"value": here["id"]}, "user": {"value": local["id"]}}).expect(201)
    ground.change(crew, displayName="Crew 2", members=[{"value": kim}, {"value": max_}])
    assert did(ground.plan("hr")) == [("add", "max"), ("edit_organization", "Crew 2"), ("remove", "lee")]
    ground.pulled(3)
    assert {m["value"] for m in ground.here(crew, "Groups")["members"]} == {ground.here(kim)["id"], ground.here(max_)["id"], local["id"]}


def test_one_manager_hands_over_to_another(ground, source):
    """Who comes is promoted first, so that the seat is never vacant (KB-R07)."""
    kim, lee = ground.there("kim"), ground.there("lee")
    crew = ground.group("Crew", kim, lee, **{KIOPS_ORGANIZATION: {"managers": [{"value": kim}]}})
    ground.pulled(6)
    source.groups[crew][KIOPS_ORGANIZATION] = {"managers": [{"value": lee}]}
    assert [line["change"] for line in ground.plan("hr")["lines"]] == ["promote", "demote"]
    ground.pulled(2)
    source.groups[crew][KIOPS_ORGANIZATION] = {}
    plan = ground.plan("hr", AGAINST)
    assert [(line["change"], line["code"]) for line in plan["lines"]] == [("demote", "KB-R07")]
    assert ground.apply(AGAINST, "hr")["summary"]["applied"] == 0


def test_a_source_that_shows_no_members_takes_nobody_out(ground, source):
    kim = ground.there("kim")
    ground.group("Crew", kim)
    ground.pulled(3)
    source.bend = lambda document, _: [r.pop("members", None) for r in document["Resources"]]
    assert ground.plan("hr", FINE)["lines"] == []


def test_a_group_that_is_gone_is_reported_and_stays(ground, source):
    kim = ground.there("kim")
    crew = ground.group("Crew", kim)
    ground.group("Other", kim)
    ground.pulled(5)
    del source.groups[crew]
    plan = ground.apply(PLANNED, "hr")
    assert found(plan, "reported") == [("KB-C224", "delete_organization")] and plan["summary"]["applied"] == 0
    assert ground.seats(kim) == {"Crew": ("Member", []), "Other": ("Member", [])}


# ---- saved plans, undo


def test_a_saved_plan_leaves_out_who_moved(ground, source, tmp_path):
    kim, lee = ground.there("kim", title="Boss"), ground.there("lee", title="Mate")
    ground.pulled(2)
    ground.change(kim, title="New")
    ground.change(lee, title="New")
    saved = tmp_path / "plan.json"
    ground.run("reconcile", "hr", "--save", str(saved), expect=PLANNED)
    ground.scim.patch(f"/Users/{ground.here(kim)['id']}", ("replace", "nickName", "other")).expect(200)
    done = ground.apply(AGAINST, "hr", "--plan", str(saved))
    assert found(done, "conflict") == [("KB-C217", "edit_user")] and done["summary"]["applied"] == 1
    assert ground.here(kim)["title"] == "Boss" and ground.here(lee)["title"] == "New"


def comparable(state):
    """What is compared after an undo: kiopsResource has the time of the last change, and joins are new ones."""
    return {dn: {k: v for k, v in e.items() if k not in ("kiopsResource", "kiopsJoined")} for dn, e in state.items()}


def test_undo_gives_the_start_back(ground, source):
    kim, lee, max_ = ground.there("kim", title="Boss"), ground.there("lee"), ground.there("max")
    crew = ground.group("Crew", kim, lee, max_, **{KIOPS_ORGANIZATION: {"managers": [{"value": kim}, {"value": lee}]}})
    ground.pulled(3 + 1 + 3 + 2)
    before = comparable(ground.state())
    ground.change(kim, title="New", userName="kim2", nickName="K")
    new = ground.there("new")
    del source.users[max_]
    ground.change(crew, displayName="Crew 2", members=[{"value": kim}, {"value": new}], **{KIOPS_ORGANIZATION: {"managers": [{"value": kim}]}})
    run = ground.pulled(6)["run"]
    done = json.loads(ground.run("--json", "undo", run, "--apply").stdout)
    assert done["summary"]["applied"] == 7  # lee comes back as Member, then as Manager
    assert comparable(ground.state()) == before
    assert ground.here(kim)["title"] == "Boss" and ground.seats(lee) == {"Crew": ("Manager", [])}


def test_undo_of_a_deletion_is_a_new_person(ground, source):
    kim = ground.there("kim", title="Boss")
    ground.group("Crew", kim)
    ground.pulled(3)
    old = ground.here(kim)["id"]
    del source.users[kim]
    ground.apply(FINE, "hr")
    aged(ground, "hr", 31)
    run = ground.apply(FINE, "hr")["run"]
    shown = json.loads(ground.run("--json", "undo", run, expect=PLANNED).stdout)
    assert [line["change"] for line in shown["lines"]] == ["create_user"]
    assert "as a new person: new id, no roles, no password" in shown["lines"][0]["reason"]
    ground.run("undo", run, "--apply")
    back = ground.here(kim)
    assert back["id"] != old and back["title"] == "Boss" and back["active"] is False and ground.seats(kim) == {}


def test_undo_refuses_whom_others_gave_something_since(ground, source):
    kim, lee = ground.there("kim"), ground.there("lee")
    ground.group("Other")
    run = ground.pulled(3)["run"]
    group = ground.organization()
    ground.scim.post("/Memberships", {"organization": {"value": group["id"]}, "user": {"value": ground.here(kim)["id"]}}).expect(201)
    ground.scim.patch(f"/Users/{ground.here(lee)['id']}", ("replace", "title", "by hand")).expect(200)
    done = json.loads(ground.run("--json", "undo", run, "--apply", expect=AGAINST).stdout)
    assert found(done, "conflict") == [("KB-C217", "delete_user")] * 2 and done["summary"]["applied"] == 1
    assert ground.here(kim) and ground.here(lee)
