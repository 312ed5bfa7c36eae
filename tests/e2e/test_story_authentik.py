"""authentik's outbound SCIM provider (idp-profiles.md section 3). Every request quotes its line; what it did is read
from slapd."""

from scim import GROUP, USER
from story import OTHERWISE, REFUSED, SAME, Oddity, Story, in_operation, removes_by_value

ODDITIES = (
    Oddity("109: a filter's text without quotes", lambda s: "filter=userName eq ak" in s.path, REFUSED),
    Oddity("110: one operation for each member", lambda s: len([o for o in s.operations if o.get("path") == "members"
           and len(o["value"]) == 1 and o["op"] == "add"]) > 1, SAME),
    Oddity("110: a removal by value", in_operation(removes_by_value), SAME),
    Oddity("110: a rename with the whole group, without path", in_operation(
        lambda o: "path" not in o and {"schemas", "externalId", "id", "displayName"} <= set(o["value"])), SAME),
    Oddity("113: a PATCH of a group is 204", lambda s: s.is_on("PATCH", "Groups"), OTHERWISE),
)


def person(user_name, **more):
    """Line 109."""
    return {"schemas": [USER], "externalId": f"uid-{user_name}", "userName": user_name, "active": True, "displayName": "Ann Kiop",
            "name": {"formatted": "Ann Kiop", "givenName": "Ann", "familyName": "Kiop"},
            "emails": [{"value": f"{user_name}@corp.example", "type": "other", "primary": True}]} | more


def change_members(a, group, op, users):
    """Line 110: one operation for each member, in portions of bulk.maxOperations; 0 is one PATCH for all."""
    limit = a.scim.get("/ServiceProviderConfig").expect(200)["bulk"]["maxOperations"] or len(users)
    operations = [{"op": op, "path": "members", "value": [{"value": user}]} for user in users]
    for start in range(0, len(operations), limit):
        a.scim.patch(f"/Groups/{group}", *operations[start:start + limit]).expect(204)


def rename(a, group, name):
    """Line 110: before a fix of 2025 with the id inside."""
    value = {"schemas": [GROUP], "id": group, "externalId": f"uid-{name}", "displayName": name}
    a.scim.patch(f"/Groups/{group}", {"op": "replace", "value": value}).expect(204)


def test_a_person_from_the_first_sync_to_the_last(lab):
    a = Story(lab, "authentik", ODDITIES)
    # 108: what can it do?
    config = a.scim.get("/ServiceProviderConfig").expect(200).json
    assert config["patch"]["supported"] and config["filter"]["supported"]
    # 109, 113: created; 201 has an id.
    name = a.name("akadmin")
    ann = a.scim.post("/Users", person(name)).expect(201)["id"]
    a.holds(ann, uid=name, sn="Kiop", givenName="Ann", mail=f"{name}@corp.example")
    assert a.external_id(ann) == f"uid-{name}"
    # 109: 409, then looked up without quotes; Resources[0].id is taken.
    assert a.scim.post("/Users", person(name)).expect(409)["scimType"] == "uniqueness"
    assert [u["id"] for u in a.scim.find("Users", f"userName eq {name}")] == [ann]
    # 110: the group comes without members and says so; 111: `members` is there, and empty.
    kim, lee = (a.scim.post("/Users", person(a.name("ak"))).expect(201)["id"] for _ in range(2))
    hull, deck = (a.scim.post("/Groups", {"schemas": [GROUP], "externalId": f"uid-{n}", "displayName": a.name(n)})
                  .expect(201)["id"] for n in ("Hull ", "Deck "))
    assert a.scim.get(f"/Groups/{hull}").expect(200)["members"] == []
    change_members(a, hull, "add", [ann, kim, lee])
    assert {m["value"] for m in a.scim.get(f"/Groups/{hull}")["members"]} == a.members(hull) == {ann, kim, lee}
    # 110: renamed with everything inside; the members stay.
    new_name = a.name("Keel ")
    rename(a, hull, new_name)
    assert (a.entry(hull)["cn"], a.members(hull), a.external_id(hull)) == ([new_name], {ann, kim, lee}, f"uid-{new_name}")
    # 110: moved to another group.
    change_members(a, hull, "remove", [ann])
    change_members(a, deck, "add", [ann])
    assert (a.members(hull), a.members(deck)) == ({kim, lee}, {ann})
    # 109: renamed by PUT of the whole person.
    married = person("x" + name, name={"formatted": "Ann Berg", "givenName": "Ann", "familyName": "Berg"})
    a.scim.put(f"/Users/{ann}", married).expect(200)
    a.holds(ann, uid="x" + name, sn="Berg")
    assert a.members(deck) == {ann}
    # 109: deactivated and activated again, by PUT.
    for active in (False, True):
        a.scim.put(f"/Users/{ann}", married | {"active": active}).expect(200)
        assert a.is_active(ann) == active and a.members(deck) == {ann}
    # 113: the hourly sync writes the same again: nothing moves, not in slapd either.
    before = [a.entry(one) for one in (ann, deck)], a.scim.get(f"/Users/{ann}").etag, a.scim.get(f"/Groups/{deck}").etag
    a.scim.put(f"/Users/{ann}", married).expect(200)
    change_members(a, deck, "add", [ann])
    assert before == ([a.entry(one) for one in (ann, deck)], a.scim.get(f"/Users/{ann}").etag,
                      a.scim.get(f"/Groups/{deck}").etag)
    # 112: discovery of what is here, without count.
    assert {ann, kim, lee} <= {u["id"] for u in a.pages("Users")} and {hull, deck} <= {g["id"] for g in a.pages("Groups")}
    # 109: deleted; the update of one who is gone is 404, and he is made again.
    a.scim.delete(f"/Users/{ann}").expect(204)
    assert (a.entry(ann), a.members(deck)) == (None, set())
    a.scim.put(f"/Users/{ann}", married).expect(404)
    again = a.scim.post("/Users", married).expect(201)["id"]
    a.holds(again, uid="x" + name)
    a.scim.delete(f"/Groups/{hull}").expect(204)
    assert a.entry(hull) is None and a.entry(kim) is not None and "kiopsJoined" not in a.entry(kim)
    a.finish()


def test_a_text_without_quotes_is_one_word_and_no_more(lab):
    """Line 109: lenient for a bare operand, not for anything that would change what is asked."""
    a = Story(lab, "authentik", ())
    a.hire(userName=(name := a.name("ak")))
    assert a.scim.get("/Users", filter=f"userName eq {name} and active eq true").expect(200)["totalResults"] == 1
    for text in (f"userName eq {name} {name}", f"userName {name}", name, "userName eq "):
        assert a.scim.get("/Users", filter=text).expect(400)["scimType"] == "invalidFilter"
