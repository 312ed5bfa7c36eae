"""JumpCloud's custom SCIM integration (idp-profiles.md section 7). Every request quotes its line; what it did is read
from slapd."""

from faults import SHORT
from scim import GROUP, USER
from story import SAME, Oddity, Story, in_operation, removes_by_value
from tenant import Tenant

ODDITIES = (
    Oddity("136: a removal by value, without a filter", in_operation(removes_by_value), SAME),
    Oddity("136: an addition in an array, with $ref null", in_operation(
        lambda o: o["op"] == "Add" and o["value"] and "$ref" in o["value"][0]), SAME),
    Oddity("135: bodies without any extension", lambda s: s.is_on("POST", "Users") and s.body["schemas"] == [USER], SAME),
)


def person(user_name, **more):
    """Line 135: no extension."""
    return {"schemas": [USER], "userName": user_name, "externalId": f"jc-{user_name}", "active": True,
            "displayName": "Ann Kiop", "name": {"givenName": "Ann", "familyName": "Kiop"},
            "emails": [{"value": f"{user_name}@corp.example", "type": "work", "primary": True}]} | more


def change_members(j, group, op, *users):
    """Line 136: Entra's form without a path filter."""
    j.scim.patch(f"/Groups/{group}", (op, "members", [{"$ref": None, "value": user} for user in users])).expect(200, 204)


def test_a_person_from_activation_to_removal(lab):
    j = Story(lab, "jumpcloud", ODDITIES)
    # 135: activation makes a test user and a test group, changes them, deletes both, and leaves nothing.
    name = j.name("jumpcloud-test")
    tester = j.scim.post("/Users", person(name)).expect(201)["id"]
    j.holds(tester, uid=name, sn="Kiop")
    j.scim.put(f"/Users/{tester}", person(name, name={"givenName": "Test", "familyName": "Changed"})).expect(200)
    j.holds(tester, sn="Changed", givenName="Test")
    trial = j.scim.post("/Groups", {"schemas": [GROUP], "displayName": j.name("Trial ")}).expect(201)["id"]
    change_members(j, trial, "Add", tester)
    assert j.members(trial) == {tester}
    new_name = j.name("Trial changed ")
    j.scim.patch(f"/Groups/{trial}", ("Replace", "displayName", new_name)).expect(200, 204)
    j.holds(trial, cn=new_name)
    change_members(j, trial, "Remove", tester)
    j.scim.delete(f"/Groups/{trial}").expect(204)
    j.scim.delete(f"/Users/{tester}").expect(204)
    assert (j.entry(trial), j.entry(tester)) == (None, None)
    assert j.scim.find("Users", f'userName eq "{name}"') == []
    # A person is looked up and made; made again is 409.
    name = j.name()
    assert j.scim.find("Users", f'userName eq "{name}"') == []
    ann = j.scim.post("/Users", person(name)).expect(201)["id"]
    assert j.scim.post("/Users", person(name)).expect(409)["scimType"] == "uniqueness"
    j.holds(ann, uid=name, mail=f"{name}@corp.example")
    # 136: into a group; what is done already is sent again, and nothing moves.
    kim = j.scim.post("/Users", person(j.name())).expect(201)["id"]
    hull, deck = (j.scim.post("/Groups", {"schemas": [GROUP], "displayName": j.name(n), "externalId": n.strip()})
                  .expect(201)["id"] for n in ("Hull ", "Deck "))
    change_members(j, hull, "Add", ann, kim)
    before = j.entry(hull), j.entry(ann)
    change_members(j, hull, "Add", ann)
    change_members(j, hull, "Add", kim, ann)
    assert (j.entry(hull), j.entry(ann)) == before and j.members(hull) == {ann, kim}
    # 136: moved: exactly the one in the value goes, and once more is no error.
    for _ in range(2):
        change_members(j, hull, "Remove", ann)
        assert j.members(hull) == {kim}
    change_members(j, deck, "Add", ann)
    assert j.members(deck) == {ann}
    # 136: renamed, deactivated and back by PUT.
    married = person("x" + name, name={"givenName": "Ann", "familyName": "Berg"})
    j.scim.put(f"/Users/{ann}", married).expect(200)
    j.holds(ann, uid="x" + name, sn="Berg")
    for active in (False, True):
        j.scim.put(f"/Users/{ann}", married | {"active": active}).expect(200)
        assert j.is_active(ann) == active and j.members(deck) == {ann}
    # 135, 174: removed; the group loses them with the entry.
    j.scim.delete(f"/Users/{ann}").expect(204)
    assert (j.entry(ann), j.members(deck)) == (None, set())
    j.scim.delete(f"/Groups/{deck}").expect(204)
    assert j.entry(deck) is None and j.members(hull) == {kim}
    j.finish()


def test_a_test_user_whose_deletion_fails_is_deactivated_and_deleted_later(new_lab):
    """Line 135: JumpCloud deactivates its test user when DELETE fails, here because the directory is away."""
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    j = Tenant(lab, "jumpcloud")
    body = person(j.name("jumpcloud-test"))
    tester = j.scim.post("/Users", body).expect(201)["id"]
    lab.proxy.stall()
    assert int(j.scim.delete(f"/Users/{tester}").expect(503).headers["Retry-After"]) > 0
    lab.proxy.resume()
    j.scim.put(f"/Users/{tester}", body | {"active": False}).expect(200)
    assert j.entry(tester)["kiopsActive"] == ["FALSE"]
    j.scim.delete(f"/Users/{tester}").expect(204)
    assert j.entry(tester) is None
