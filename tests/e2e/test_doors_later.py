"""Every door on current state: who lost a role a moment ago, names that are given again, and approvals that come too late."""

import pytest
from doors import MANAGERS, Stage, delete, group, holds, membership, open_lab, patch, people, post, put, roles, user
from doors_group import A
from doors_membership import at
from doors_user import called, granted, renamed
from scim import KIOPS_ORGANIZATION

VPN = ("add", "permissions", ["vpn"])


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    lab = open_lab(tmp_path_factory.mktemp("later"))
    yield lab
    lab.close()


@pytest.fixture
def fresh(ground):
    made = Stage(ground)
    yield made
    made.world.forget()


# ---- KB-R15: the same door, with the role and a moment later

DESCRIBED = {KIOPS_ORGANIZATION: {"description": "by lee"}}
WRITES = {  # door -> a write that lee does as PlatformAdmin, and one of the same kind that lee may not do afterwards
    "user-put": (put("/Users/{kim}", user("kim", title="Chief")), put("/Users/{sora}", user("sora", title="Chief"))),
    "user-patch": (patch("/Users/{kim}", ("replace", "title", "Chief")), patch("/Users/{sora}", ("replace", "title", "Chief"))),
    "user-post": (post("/Users", user("new")), post("/Users", user("newer"))),
    "group-post": (post("/Groups", group("New")), post("/Groups", group("Newer"))),
    "group-put": (put("/Groups/{A}", group("A") | DESCRIBED), put("/Groups/{B}", group("A") | DESCRIBED)),
    "group-members": (patch("/Groups/{A}", ("add", "members", people("out"))), patch("/Groups/{A}", ("add", "members", people("sora")))),
    "group-managers": (patch("/Groups/{A}", ("add", MANAGERS, people("kim"))), patch("/Groups/{A}", ("add", MANAGERS, people("jun")))),
    "membership-post": (post("/Memberships", membership("A", "out")), post("/Memberships", membership("A", "sora"))),
    "membership-put": (put(at("A", "kim"), membership("A", "kim", role="Manager")), put(at("A", "jun"), membership("A", "jun", role="Manager"))),
    "membership-patch": (patch(at("A", "kim"), VPN), patch(at("A", "jun"), VPN)),
    "membership-delete": (delete(at("A", "kim")), delete(at("A", "jun"))),
    "core-roles": (granted("kim", "Welder"), granted("sora", "Welder")),
    "rename": (renamed("kim"), renamed("sora")),
    "delete": (delete("/Users/{sora}"), delete("/Users/{kim}")),
}


@pytest.mark.parametrize("door", [pytest.param(d, marks=pytest.mark.cell("KB-R15", d)) for d in WRITES])
def test_the_next_write_of_who_was_platform_admin_is_refused(fresh, door):
    before, after = WRITES[door]
    fresh.ask("admin", patch(at("A", "lee"), ("replace", "role", "PlatformAdmin"))).expect(200)
    fresh.ask("lee", before).expect(200, 201, 204)
    fresh.ask("admin", patch(at("A", "lee"), ("replace", "role", "Member"))).expect(200)
    there = fresh.everything()
    answer = fresh.ask("lee", after)
    # Of an organization that lee is not in, and of the membership of another person, a Member sees nothing.
    hidden = "{B}" in after.path or after.path.startswith("/Memberships/")
    assert (answer.status, answer.rule) == ((404, None) if hidden else (403, "KB-R09")), answer.text
    assert fresh.everything() == there


# ---- the name of who had roles

def values_of(stage, text):
    """Whoever has a value that names it, or is named with it by a group."""
    return [dn for dn, entry in stage.everything().items() for values in entry.values() if any(text.lower() in v.lower() for v in values)]


@pytest.mark.parametrize("name", ["kim", "mina", "noa", "rex", "extra"])
@pytest.mark.parametrize("how", ["deleted", "by hand"])
@pytest.mark.cell("KB-R02", "delete")
@pytest.mark.cell("KB-R03", "delete")
@pytest.mark.cell("KB-R06", "delete")
@pytest.mark.cell("KB-R10", "delete")
@pytest.mark.cell("KB-R11", "delete")
@pytest.mark.cell("KB-R13", "delete")
@pytest.mark.cell("KB-R20", "delete")
@pytest.mark.cell("KB-R21", "delete")
def test_who_gets_the_name_of_one_who_is_gone_gets_no_roles(fresh, name, how):
    """Through the bridge, or by the administrator who leaves the groups' side behind."""
    fresh.world.person("extra", manager="AB", permissions=[("A", "vpn")], platform=True)
    fresh.world.settle()
    path, dn, old = f"/Users/{{{name}}}", fresh.world.dns[name], fresh.world.ids[name]
    if how == "deleted":
        fresh.ask("admin", delete(path)).expect(204)
        assert values_of(fresh, f"{dn.split(',')[0]},") == []
    else:
        fresh.view.delete(dn)
    made = fresh.ask("admin", post("/Users", user(name)))
    if made.status == 409:  # the feed has not told yet who is gone
        made = fresh.ask("admin", post("/Users", user(name)))
    fresh.world.ids[name] = made.expect(201)["id"]
    assert made["id"] != old and fresh.standings()[name] == ""
    assert not {"groups", "roles"} & made.json.keys()


@pytest.mark.cell("KB-R05", "delete")
@pytest.mark.cell("KB-R12", "delete")
@pytest.mark.cell("KB-R13", "delete")
@pytest.mark.cell("KB-R17", "delete")
def test_an_organization_made_again_has_nobody_of_the_old_one(fresh):
    old = fresh.world.ids["A"]
    others = {name: " ".join(w for w in text.split() if not w.startswith("A=")) for name, text in fresh.standings().items()}
    fresh.ask("admin", delete("/Groups/{A}")).expect(204)
    assert values_of(fresh, old) == []
    fresh.world.ids["A"] = fresh.ask("admin", post("/Groups", group("A"))).expect(201)["id"]
    assert fresh.standings() == others | {"A": "A closed"} and fresh.world.ids["A"] != old
    holds(fresh, "mina", patch("/Groups/{A}", ("replace", "displayName", "x")), 404, None, {})


@pytest.mark.cell("KB-R15", "delete")
def test_who_is_deleted_writes_no_more(fresh):
    write = patch("/Groups/{A}", ("replace", f"{KIOPS_ORGANIZATION}:description", "by mina"))
    fresh.ask("mina", write).expect(200)
    fresh.ask("admin", delete("/Users/{mina}")).expect(204)
    holds(fresh, "mina", write, 401, None, {})


@pytest.mark.cell("KB-R07", "user-post")
@pytest.mark.cell("KB-R07", "delete")
def test_the_seat_of_a_last_manager_who_vanished_is_vacant_and_not_the_next_one_s(fresh):
    fresh.view.delete(fresh.world.dns["jun"])
    made = fresh.ask("admin", post("/Users", user("jun")))
    fresh.world.ids["jun"] = (made if made.status == 201 else fresh.ask("admin", post("/Users", user("jun")))).expect(201)["id"]
    assert fresh.standings()["jun"] == ""
    holds(fresh, "admin", patch("/Groups/{B}", ("add", MANAGERS, people("jun"))), 200, None, {"jun": "B=Manager"})


@pytest.mark.cell("fault-53", "rename")
@pytest.mark.cell("KB-R02", "rename")
def test_an_organization_called_as_the_id_of_another_catches_no_wish(fresh):
    """`Manager@<id>` of a token that writes roles means the organization of that id."""
    b = fresh.world.ids["B"]
    fresh.ask("mina", called("A", b)).expect(200)
    fresh.ask("roles", granted("out", "Manager@{B}")).expect(200)
    assert fresh.standings()["out"] == "B=Manager"


# ---- fault 54: too late

LATE = [  # door, what comes first, what comes too late, answers
    ("membership-patch", delete("/Users/{noa}"), patch(at("A", "noa"), ("replace", "status", "active")), (404,)),
    ("membership-put", delete("/Users/{noa}"), put(at("A", "noa"), membership("A", "noa", status="active")), (404,)),
    ("delete", delete("/Groups/{A}"), patch(at("A", "noa"), ("replace", "status", "active")), (404,)),
    ("membership-patch", delete(at("A", "noa")), patch(at("A", "noa"), ("replace", "status", "active")), (409,)),
    ("membership-put", delete(at("A", "noa")), put(at("A", "noa"), membership("A", "noa", status="active")), (409,)),
    ("membership-delete", delete(at("A", "noa")), delete(at("A", "noa")), (404,)),
    ("membership-post", delete("/Users/{noa}"), post("/Memberships", membership("A", "noa")), (400,)),
    ("group-members", delete("/Users/{noa}"), patch("/Groups/{A}", ("add", "members", people("noa"))), (400,)),
    ("group-managers", delete("/Users/{noa}"), patch("/Groups/{A}", ("add", MANAGERS, people("noa"))), (400,)),
    ("group-put", delete("/Users/{noa}"), put("/Groups/{A}", group("A", [*A, "noa"])), (400,)),
    ("group-post", delete("/Users/{noa}"), post("/Groups", group("New", ["noa"])), (400,)),
    ("core-roles", delete("/Users/{noa}"), granted("noa", "Member@{A}"), (404,)),
    ("user-put", delete("/Users/{noa}"), put("/Users/{noa}", user("noa", **roles("Member@{A}"))), (404,)),
    ("user-patch", delete("/Users/{noa}"), granted("noa", "Member@{A}"), (404,)),
]


@pytest.mark.parametrize("first, late, statuses", [pytest.param(*row, marks=pytest.mark.cell("fault-54", door)) for door, *row in LATE])
def test_what_comes_too_late_changes_nothing(fresh, first, late, statuses):
    fresh.ask("admin", first).expect(204)
    before = fresh.everything()
    fresh.ask("roles", late).expect(*statuses)
    assert fresh.everything() == before


@pytest.mark.cell("fault-54", "rename")
def test_a_request_is_approved_under_the_new_name(fresh):
    fresh.ask("admin", renamed("noa")).expect(200)
    holds(fresh, "mina", patch(at("A", "noa"), ("replace", "status", "active")), 200, None, {"noa": "A=Member"})
