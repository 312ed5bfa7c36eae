"""OneLogin's connector (idp-profiles.md section 5): the body is a template that an administrator edits, in the default
one a mixture of SCIM 1.x and 2.0. Every request quotes its line; what it did is read from slapd."""

import pytest
from scim import ENTERPRISE, GROUP, PATCH, USER
from story import REFUSED, SAME, Oddity, Story

CORE_1, ENTERPRISE_1 = "urn:scim:schemas:core:1.0", "urn:scim:schemas:extension:enterprise:1.0"


def of_user(test):
    return lambda s: s.method in ("POST", "PUT") and "/Users" in s.path and test(s.body)


ODDITIES = (
    Oddity("122: the core URN of SCIM 1.x", of_user(lambda b: b["schemas"] == [CORE_1]), REFUSED),
    Oddity("122: emails as an object", of_user(lambda b: isinstance(b["emails"], dict)), REFUSED),
    Oddity("122: active as a text", of_user(lambda b: b["active"] in ("true", "false")), REFUSED),
    Oddity("122: id null", of_user(lambda b: "id" in b and b["id"] is None), REFUSED),
    Oddity("122: managerId in a manager with a blank displayName", of_user(
        lambda b: b.get(ENTERPRISE_1, {}).get("manager", {}).keys() == {"managerId", "displayName"}), REFUSED),
    Oddity("122: an enterprise block that schemas does not name", of_user(
        lambda b: any(urn in b and urn not in b["schemas"] for urn in (ENTERPRISE, ENTERPRISE_1))), REFUSED),
    Oddity("122: empty texts for unset fields", of_user(lambda b: "" in b.values()), REFUSED),
    Oddity("123: no User-Agent to speak of", lambda s: s.headers.get("User-Agent") == "" and s.method == "PATCH", SAME),
)


def template(user_name, manager="", **more):
    """Line 122, the default template."""
    return {"schemas": [CORE_1], "id": None, "userName": user_name, "externalId": f"ol-{user_name}",
            "active": "true", "title": "", "nickName": "", "displayName": "Ann Kiop",
            "name": {"givenName": "Ann", "familyName": "Kiop", "formatted": ""},
            "emails": {"value": f"{user_name}@corp.example", "type": "work", "primary": True},
            ENTERPRISE_1: {"department": "Hull", "employeeNumber": "",
                           "manager": {"managerId": manager, "displayName": " "}}} | more


def change_members(o, group, op, *users):
    """Line 123: a small body, and an empty User-Agent."""
    body = {"schemas": [PATCH], "Operations": [{"op": op, "path": "members", "value": [{"value": u} for u in users]}]}
    o.scim.call("PATCH", f"/Groups/{group}", body, headers={"User-Agent": ""}).expect(200, 204)


def test_a_person_from_enabling_to_removal(lab):
    o = Story(lab, "onelogin", ODDITIES)
    name = o.name()
    # 123: the connection is tested, then the person looked up.
    assert o.scim.get("/Users", filter=f'userName eq "{o.name("nobody")}"').expect(200)["totalResults"] == 0
    assert o.scim.find("Users", f'userName eq "{name}"') == []
    # 122, 123: made from the template; the manager came before.
    boss = o.scim.post("/Users", template(o.name("boss"))).expect(201)["id"]
    assert o.manager(boss, ENTERPRISE) is None
    made = o.scim.post("/Users", template(name, manager=boss)).expect(201)
    ann = made["id"]
    o.holds(ann, uid=name, mail=f"{name}@corp.example", departmentNumber="Hull", title=None, employeeNumber=None)
    assert (o.external_id(ann), o.manager(ann, ENTERPRISE), o.is_active(ann)) == (f"ol-{name}", boss, True)
    assert made["active"] is True and made["emails"][0]["value"] == f"{name}@corp.example"
    assert set(made["schemas"]) >= {USER, ENTERPRISE}
    # 123: made again is 409, and the look-up finds whom it means.
    assert o.scim.post("/Users", template(name)).expect(409)["scimType"] == "uniqueness"
    assert [u["id"] for u in o.scim.find("Users", f'userName eq "{name}"')] == [ann]
    # 123: groups are imported, another one made, and the person put into it.
    deck = o.group()
    assert deck in {g["id"] for g in o.scim.get("/Groups").expect(200)["Resources"]} | {g["id"] for g in o.pages("Groups")}
    hull = o.scim.post("/Groups", {"schemas": [GROUP], "displayName": o.name("Hull ")}).expect(201)["id"]
    change_members(o, hull, "add", ann)
    assert o.members(hull) == {ann}
    # 123: renamed by PUT; the template leaves the manager empty this time, and he is unset.
    o.scim.put(f"/Users/{ann}", template("x" + name, name={"givenName": "Ann", "familyName": "Berg"})).expect(200)
    o.holds(ann, uid="x" + name, sn="Berg", cn="Ann Kiop")
    assert (o.manager(ann, ENTERPRISE), o.members(hull)) == (None, {ann})
    # 123: moved.
    change_members(o, hull, "remove", ann)
    change_members(o, deck, "add", ann)
    assert (o.members(hull), o.members(deck)) == (set(), {ann})
    # 123: suspended and back.
    for active in ("false", "true"):
        o.scim.put(f"/Users/{ann}", template("x" + name, active=active)).expect(200)
        assert o.is_active(ann) == (active == "true") and o.members(deck) == {ann}
    # 123, the newer application: PATCH.
    o.scim.patch(f"/Users/{ann}", ("replace", "active", "false")).expect(200)
    assert not o.is_active(ann)
    # 123: the other choice of the connector is DELETE.
    o.scim.delete(f"/Users/{ann}").expect(204)
    assert (o.entry(ann), o.members(deck)) == (None, set())
    assert o.scim.find("Users", f'userName eq "x{name}"') == []
    o.finish()


@pytest.mark.parametrize("block", [ENTERPRISE, ENTERPRISE_1])
@pytest.mark.parametrize("core", [USER, CORE_1])
def test_a_template_of_any_mixture_is_the_same_person(lab, core, block):
    """Line 122: both versions of both URNs occur together."""
    o = Story(lab, "onelogin", ())
    boss = o.hire()
    body = template(o.name(), schemas=[core])
    body[block] = body.pop(ENTERPRISE_1) | {"manager": {"managerId": boss, "displayName": " "}}
    ann = o.scim.post("/Users", body).expect(201)["id"]
    o.holds(ann, departmentNumber="Hull", employeeNumber=None)
    assert o.manager(ann, ENTERPRISE) == boss


def test_the_default_profile_does_not_know_a_manager_by_managerId(lab):
    """It takes the body, but a manager under a name of 1.x is an unknown attribute there."""
    o = Story(lab, "default", ())
    ann = o.scim.post("/Users", template(o.name(), manager=o.hire())).expect(201)["id"]
    assert o.manager(ann, ENTERPRISE) is None
