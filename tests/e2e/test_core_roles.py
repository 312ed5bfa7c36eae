"""Core `roles` of a token with write_roles (DESIGN 5): wishes; only what is removed by name goes."""

import json

import pytest
from faults import audit_records
from kiopslab import site
from lab import eventually
from scim import KIOPS_USER, USER
from tenant import Tenant
from test_memberships import held, refused
from test_scim_transport import is_error
from world import World, auditlog


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "entra", "--option", "write_roles=yes")


@pytest.fixture(scope="module")
def plain(lab):
    return Tenant(lab, "entra")


@pytest.fixture
def hull(ground):
    """Two organizations with a Manager each, and somebody who is nowhere."""
    boss, other = ground.hire(), ground.hire()
    names = [ground.name("Hull "), ground.name("Deck ")]
    groups = [ground.group([boss, other], displayName=name) for name in names]
    for group in groups:
        grant(ground, boss, f"Manager@{group}").expect(200)
    return {"boss": boss, "user": ground.hire(), "names": names, "groups": groups}


def grant(ground, user, *values):
    return ground.scim.patch(f"/Users/{user}", ("add", "roles", [{"value": value} for value in values]))


def shown(answer):
    return sorted(role["value"] for role in answer.json.get("roles", ()))


def standing(ground, user, group):
    """Of a user in an organization, read from slapd: in, Manager on both sides."""
    owner, manager = user in ground.members(group, "owner"), bool(held(ground, user, "kiopsManager", group))
    assert owner == manager, "one side only"
    return "Manager" if owner else "Member" if user in ground.members(group) else None


def is_admin(ground, user):
    grouped = ground.dn(user) in ground.view.get(site.ADMINS)["member"]
    assert grouped == bool(held(ground, user, "kiopsJoined", "platform")), "one side only"
    return grouped


@pytest.mark.cell("KB-R13", "core-roles")
def test_wishes_are_granted_by_id_and_by_name(ground, hull):
    first, second = hull["groups"]
    made = grant(ground, hull["user"], f"Member@{first}", f"Manager@{hull['names'][1]}", "PlatformAdmin").expect(200)
    assert shown(made) == sorted([f"Member@{first}", f"Manager@{second}", "PlatformAdmin"])
    assert {role["type"] for role in made["roles"]} == {"kiops"} and made[KIOPS_USER]["platformRole"] == "PlatformAdmin"
    assert [standing(ground, hull["user"], group) for group in (first, second)] == ["Member", "Manager"]
    assert is_admin(ground, hull["user"]) and "roles" not in ground.stored(hull["user"])
    again = grant(ground, hull["user"], f"Member@{first}", f"Manager@{second}", "PlatformAdmin").expect(200)
    assert again.json == made.json


def test_a_new_user_comes_with_roles(ground, hull):
    first, second = hull["groups"]
    user = ground.hire(roles=[{"value": f"Manager@{first}", "primary": True}, {"value": f"Member@{second}", "type": "kiops"}])
    assert [standing(ground, user, group) for group in (first, second)] == ["Manager", "Member"]
    assert shown(ground.scim.get(f"/Users/{user}")) == sorted([f"Manager@{first}", f"Member@{second}"])


def app_role(value):
    return json.dumps({"id": "18d14569-c3bd-439b-9a66-3a2aee01d14f", "value": value, "displayName": "Welder"})


SHAPES = {
    "single": lambda r: [("Add", 'roles[primary eq "True"].value', r), ("Add", 'roles[primary eq "True"].display', "Welder")],
    "json text": lambda r: [("Add", "roles", [{"value": app_role(r)}])],
    "complex": lambda r: [("Add", "roles", [{"primary": False, "type": "WindowsAzureActiveDirectoryRole", "display": "Welder", "value": r}])],
    "assertive": lambda r: [("replace", "roles", [{"primary": "True", "value": r, "displayName": "Welder"}])],
    "whole": lambda r: [("replace", None, {"roles": [{"value": r}], "title": "Welder"})],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_an_app_role(ground, hull, shape):
    group = hull["groups"][0]
    changed = ground.scim.patch(f"/Users/{hull['user']}", *SHAPES[shape](f"Manager@{group}")).expect(200)
    assert shown(changed) == [f"Manager@{group}"] and standing(ground, hull["user"], group) == "Manager"


def test_what_is_left_out_stays(ground, hull):
    first, second = hull["groups"]
    path = f"/Users/{hull['user']}"
    before = grant(ground, hull["user"], f"Manager@{first}").expect(200).json
    ground.scim.put(path, {"schemas": [USER], "userName": before["userName"]}).expect(200)
    ground.scim.put(path, before).expect(200)  # read, and sent back
    ground.scim.patch(path, ("replace", "roles", [{"value": f"Member@{second}"}])).expect(200)
    ground.scim.patch(path, ("replace", "roles", [])).expect(200)
    ground.scim.put(path, {**before, "roles": []}).expect(200)
    assert [standing(ground, hull["user"], group) for group in (first, second)] == ["Manager", "Member"]
    grant(ground, hull["user"], f"Member@{first}").expect(200)  # less than what is there takes nothing
    assert standing(ground, hull["user"], first) == "Manager"


@pytest.mark.cell("KB-R12", "core-roles")
def test_what_is_removed_goes(ground, hull):
    first, second = hull["groups"]
    path = f"/Users/{hull['user']}"
    grant(ground, hull["user"], f"Manager@{first}", f"Member@{second}", "PlatformAdmin").expect(200)
    left = ground.scim.patch(path, ("remove", f'roles[value eq "Manager@{first}"]')).expect(200)
    assert shown(left) == sorted([f"Member@{first}", f"Member@{second}", "PlatformAdmin"])
    left = ground.scim.patch(path, ("remove", "roles", [{"value": f"Member@{second}"}])).expect(200)
    assert shown(left) == sorted([f"Member@{first}", "PlatformAdmin"])
    assert [standing(ground, hull["user"], group) for group in (first, second)] == ["Member", None]
    left = ground.scim.patch(path, ("remove", 'roles[value eq "PlatformAdmin"]')).expect(200)
    assert shown(left) == [f"Member@{first}"] and not is_admin(ground, hull["user"])
    left = ground.scim.patch(path, ("remove", "roles"), ("add", "roles", [{"value": f"Manager@{second}"}])).expect(200)
    assert shown(left) == [f"Manager@{second}"] and standing(ground, hull["user"], first) is None


@pytest.mark.cell("KB-R06", "core-roles")
def test_one_role_in_place_of_another_is_no_leaving(ground, hull):
    first, name = hull["groups"][0], hull["names"][0]
    path = f"/Users/{hull['user']}"
    grant(ground, hull["user"], f"Member@{first}", f"Member@{name}").expect(200)
    ground.scim.patch(f"/Memberships/{first}.{hull['user']}", ("add", "permissions", ["vpn"])).expect(200)
    joined = held(ground, hull["user"], "kiopsJoined", first)
    for old, new, now in ((f"Member@{first}", f"Manager@{first}", "Manager"), (f"Manager@{first}", f"Manager@{name}", "Manager"),
                          (f"Manager@{first}", f"Member@{name}", "Member"), (f"Member@{first}", f"Member@{name}", "Member")):
        swapped = ground.scim.patch(path, ("remove", f'roles[value eq "{old}"]'), ("add", "roles", [{"value": new}])).expect(200)
        assert shown(swapped) == [f"{now}@{first}"] and standing(ground, hull["user"], first) == now
        assert held(ground, hull["user"], "kiopsPermission", first) == [f"{first}:vpn"]
    assert [v.split(".")[0] for v in held(ground, hull["user"], "kiopsJoined", first)] == [v.split(".")[0] for v in joined]


def test_an_app_role_in_place_of_our_own_is_the_same_role(ground, hull):
    path = f"/Users/{hull['user']}"
    grant(ground, hull["user"], "PlatformAdmin").expect(200)
    swapped = ground.scim.patch(path, ("remove", "roles"), ("add", "roles", [{"value": app_role("PlatformAdmin")}])).expect(200)
    assert shown(swapped) == ["PlatformAdmin"] and is_admin(ground, hull["user"])
    ground.scim.patch(path, ("remove", "roles")).expect(200)
    assert not is_admin(ground, hull["user"])


def test_a_role_goes_with_a_new_name_in_the_same_request(ground, hull):
    """Decided on the old DN, done on the new one."""
    first, second = hull["groups"]
    path = f"/Users/{hull['user']}"
    grant(ground, hull["user"], f"Member@{first}", f"Member@{second}").expect(200)
    ground.scim.patch(f"/Memberships/{first}.{hull['user']}", ("add", "permissions", ["vpn"])).expect(200)
    left = ground.scim.patch(path, ("replace", "userName", ground.name("new")), ("remove", f'roles[value eq "Member@{first}"]'),
                             ("add", "roles", [{"value": f"Manager@{second}"}])).expect(200)
    assert shown(left) == [f"Manager@{second}"]
    assert [standing(ground, hull["user"], group) for group in (first, second)] == [None, "Manager"]
    assert not any(held(ground, hull["user"], name, first) for name in ("kiopsJoined", "kiopsPermission"))


@pytest.mark.cell("KB-R16", "core-roles")
def test_who_is_deactivated_is_made_no_platform_admin(ground, hull):
    group, path, name = hull["groups"][0], f"/Users/{hull['user']}", ground.name()
    grant(ground, hull["user"], f"Member@{group}").expect(200)
    before = ground.stored(hull["user"])
    refused(ground.scim.patch(path, ("replace", "active", False), ("replace", "title", "Welder"), ("remove", f'roles[value eq "Member@{group}"]'),
                              ("add", "roles", [{"value": "PlatformAdmin"}])), 409, "KB-R16")
    assert not is_admin(ground, hull["user"]) and ground.stored(hull["user"]) == before
    assert ground.scim.get(path)["active"] and standing(ground, hull["user"], group) == "Member"
    refused(ground.scim.post("/Users", {"schemas": [USER], "userName": name, "active": False, "roles": [{"value": "PlatformAdmin"}]}),
            409, "KB-R16")
    assert ground.scim.find("Users", f'userName eq "{name}"') == []


def test_who_is_reactivated_may_be_made_platform_admin_at_once(ground, hull):
    path = f"/Users/{hull['user']}"
    ground.scim.patch(path, ("replace", "active", False)).expect(200)
    refused(grant(ground, hull["user"], "PlatformAdmin"), 409, "KB-R16")
    made = ground.scim.patch(path, ("replace", "active", True), ("add", "roles", [{"value": "PlatformAdmin"}])).expect(200)
    assert made["active"] and shown(made) == ["PlatformAdmin"] and is_admin(ground, hull["user"])
    ground.scim.put(path, {**made.json, "active": False}).expect(200)  # its roles sent back are no new ones
    assert not held(ground, hull["user"], "kiopsJoined", "platform") and not ground.scim.get(path)["active"]


def test_a_refusal_leaves_no_outcome_without_intent(ground, hull):
    refused(ground.scim.patch(f"/Users/{hull['boss']}", ("add", "roles", [{"value": "PlatformAdmin"}]),
                              ("remove", f'roles[value eq "Manager@{hull["groups"][0]}"]')), 409, "KB-R07")
    records = audit_records(ground.lab.bridge)
    intents = {r["seq"] for r in records if r["type"] == "intent"}
    outcomes = [r for r in records if r["type"] == "outcome"]
    assert outcomes and {r["intent"] for r in outcomes} <= intents


@pytest.mark.cell("KB-R01", "core-roles")
@pytest.mark.parametrize("value, rule", [("Viewer", "KB-R01"), ("manager@{0}", "KB-R01"), ("Admin@{0}", "KB-R01"), (app_role("Welder"), "KB-R01"), ("@{0}", "KB-R01"),
                                         ("Manager", None), ("Member@", None), ("PlatformAdmin@{0}", None), ("Manager@no such", None), ("Member@{1}", None),
                                         ("Manager@00000000-0000-4000-8000-000000000000", None)], ids=str)
def test_what_is_no_role_refuses_the_whole(ground, hull, value, rule):
    value, name = value.replace("{0}", hull["groups"][0]).replace("{1}", hull["names"][0].upper()), ground.name()
    operations = [("add", "roles", [{"value": f"Member@{hull['groups'][1]}"}, {"value": value}]), ("replace", "title", "Welder")]
    for answer in (ground.scim.patch(f"/Users/{hull['user']}", *operations),
                   ground.scim.post("/Users", {"schemas": [USER], "userName": name, "roles": [{"value": f"Member@{hull['groups'][1]}"}, {"value": value}]})):
        is_error(answer, 400, "invalidValue")
        assert answer.rule == rule, answer.text
    user = ground.scim.get(f"/Users/{hull['user']}")
    assert "title" not in user.json and shown(user) == []
    assert ground.scim.find("Users", f'userName eq "{name}"') == []


@pytest.mark.cell("KB-R07", "core-roles")
def test_the_last_manager_stays_and_so_does_all_else(ground, hull):
    first, second = hull["groups"]
    path = f"/Users/{hull['boss']}"
    refused(ground.scim.patch(path, ("remove", f'roles[value eq "Manager@{first}"]'), ("replace", "title", "Welder"),
                              ("add", "roles", [{"value": "PlatformAdmin"}])), 409, "KB-R07")
    assert "title" not in ground.scim.get(path).json and not is_admin(ground, hull["boss"])
    assert [standing(ground, hull["boss"], group) for group in (first, second)] == ["Manager", "Manager"]


@pytest.mark.cell("KB-R10", "core-roles")
@pytest.mark.cell("KB-R20", "core-roles")
@pytest.mark.cell("KB-R20", "user-post")
def test_a_refused_role_takes_the_new_user_back(lab, ground, hull):
    asks = Tenant(lab, "entra", "--option", "write_roles=yes", "--push-mode", "request")
    group, name = hull["groups"][0], ground.name()
    answer = asks.scim.post("/Users", {"schemas": [USER], "userName": name, "roles": [{"value": f"Manager@{group}"}]})
    assert answer.status in (403, 409) and answer.rule, answer.text
    assert ground.scim.find("Users", f'userName eq "{name}"') == []
    user = asks.scim.post("/Users", {"schemas": [USER], "userName": name, "roles": [{"value": f"Member@{group}"}]}).expect(201)
    assert standing(ground, user["id"], group) is None and len(held(ground, user["id"], "kiopsRequest", group)) == 1  # KB-R20


@pytest.mark.cell("KB-R01", "core-roles")
def test_words_of_others_stay_words(ground, plain, hull):
    path, group = f"/Users/{hull['user']}", hull["groups"][0]
    plain.scim.patch(path, ("add", "roles", [{"value": "Welder"}, {"value": "Painter"}, {"value": f"Manager@{group}"}])).expect(200)
    assert standing(ground, hull["user"], group) is None
    kept = ["Welder", "Painter", f"Manager@{group}"]
    assert [role["value"] for role in ground.stored(hull["user"])["roles"]] == kept
    both = grant(ground, hull["user"], f"Member@{group}").expect(200)
    assert shown(both) == sorted([f"Member@{group}", *kept])
    ground.scim.put(path, both.json).expect(200)
    assert standing(ground, hull["user"], group) == "Member"
    left = ground.scim.patch(path, ("remove", 'roles[value eq "Painter"]')).expect(200)
    assert shown(left) == sorted(["Welder", f"Manager@{group}", f"Member@{group}"])


@pytest.mark.cell("KB-R03", "core-roles")
@pytest.mark.cell("fault-53", "core-roles")
def test_a_token_of_one_organization_writes_no_users(lab, ground, hull):
    token = lab.new_token(f"bound{lab.number()}", "Manager", "--organization", hull["groups"][0], "--option", "write_roles=yes")
    answer = lab.client(token).patch(f"/Users/{hull['user']}", ("add", "roles", [{"value": "PlatformAdmin"}]))
    assert answer.status in (403, 404) and not is_admin(ground, hull["user"])


def test_what_goes_is_gone_before_the_rest_is_written(tmp_path, new_lab):
    """DESIGN 3.3, a request over several entries."""
    lab = new_lab(slapd=auditlog(tmp_path))
    ground, world = Tenant(lab, "entra", "--option", "write_roles=yes"), World(lab, tmp_path / "auditlog.ldif")
    world.organization("A", managed=True)
    world.organization("B", managed=True)
    world.person("boss", manager=["A", "B"])
    world.person("kim", manager=["A"], permissions=[("A", "vpn")], platform=True)
    world.settle()
    a, b = world.ids["A"], world.ids["B"]
    path = f"/Users/{world.ids['kim']}"
    ground.scim.patch(path, ("add", "roles", [{"value": f"Member@{b}"}]), ("replace", "title", "Welder"),
                      ("remove", f'roles[value eq "Manager@{a}"]'), ("remove", 'roles[value eq "PlatformAdmin"]')).expect(200)
    lines = world.sent().splitlines()
    written = next(n for n, line in enumerate(lines) if "title" in line)
    gone = [n for n, line in enumerate(lines) if line in ("  delete owner uid=kim", "  delete member uid=kim", "  delete kiopsManager <A>")]
    come = [n for n, line in enumerate(lines) if line == "  add member uid=kim"]
    assert len(gone) == 3 and come and max(gone) < written < min(come), lines
    user = ground.scim.get(path)
    assert user["title"] == "Welder" and shown(user) == sorted([f"Member@{a}", f"Member@{b}"])


def test_nobody_is_made_for_a_place_that_is_not_there(ground):
    """What refuses the request is found before the first write: no intent, and no entry that is taken back."""
    before, name = len(audit_records(ground.lab.bridge)), ground.name("nobody")
    body = {"schemas": [USER], "userName": name, "roles": [{"value": f"Manager@{ground.name('Nowhere ')}"}]}
    is_error(ground.scim.post("/Users", body), 400, "invalidValue")
    assert not [r for r in audit_records(ground.lab.bridge)[before:] if r["type"] == "intent"]


@pytest.fixture
def unaware(new_lab):
    """(tenant, its client at a bridge that does not know yet, user, group): made PlatformAdmin and Manager a moment ago."""
    lab = new_lab(bridges=2, proxied=True)
    tenant = Tenant(lab, "entra", "--option", "write_roles=yes")
    boss, user = tenant.hire(), tenant.hire()
    group = tenant.group([boss, user])
    grant(tenant, boss, f"Manager@{group}").expect(200)
    client = lab.client(tenant.token, bridge=1)
    eventually(lambda: client.get(f"/Groups/{group}").status == 200 and client.get(f"/Users/{user}").status == 200)
    lab.proxy.feed_lag = 3  # longer than the requests take
    grant(tenant, user, "PlatformAdmin", f"Manager@{group}").expect(200)
    yield tenant, client, user, group
    lab.proxy.feed_lag = 0


def test_what_another_bridge_gave_a_moment_ago_is_removed_by_name(unaware):
    tenant, client, user, group = unaware
    client.patch(f"/Users/{user}", *(("remove", f'roles[value eq "{role}"]') for role in ("PlatformAdmin", f"Manager@{group}"))).expect(200)
    assert not is_admin(tenant, user) and standing(tenant, user, group) == "Member"


def test_who_was_made_platform_admin_a_moment_ago_is_so_no_more_as_member(unaware):
    tenant, client, user, group = unaware
    client.patch(f"/Memberships/{group}.{user}", ("replace", "role", "Member")).expect(200)
    assert not is_admin(tenant, user) and standing(tenant, user, group) == "Member"
