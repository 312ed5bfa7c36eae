"""Ping's SCIM connector (idp-profiles.md section 6). Every request quotes its line; what it did is read from slapd."""

import pytest
from scim import GROUP, USER
from story import SAME, Oddity, Story

ODDITIES = (
    Oddity("129: Eq, and a name in lower case", lambda s: "filter=username Eq " in s.path, SAME),
    Oddity("129: emails without a sub-attribute", lambda s: "filter=emails eq " in s.path, SAME),
    Oddity("129: an e-mail with Co", lambda s: "filter=emails Co " in s.path, SAME),
    Oddity("129: a person made disabled", lambda s: s.is_on("POST", "Users") and s.body["active"] is False, SAME),
    Oddity("130: a group looked for among all", lambda s: s.is_on("GET", "Groups") and "startIndex" in s.path, SAME),
    Oddity("171: a PUT of the whole group", lambda s: s.is_on("PUT", "Groups"), SAME),
)


def person(user_name, **more):
    return {"schemas": [USER], "userName": user_name, "externalId": f"ping-{user_name}", "active": True,
            "name": {"givenName": "Ann", "familyName": "Kiop"},
            "emails": [{"value": f"{user_name}@corp.example", "type": "work", "primary": True}]} | more


def group_named(p, name):
    """Line 130: by walking all of them."""
    return next((g["id"] for g in p.pages("Groups", count=7) if g["displayName"] == name), None)


def ids(p, text):
    return [u["id"] for u in p.scim.find("Users", text)]


def test_a_person_from_connection_to_removal(lab):
    p = Story(lab, "ping", ODDITIES)
    # 129: looked up by the configured filter, with all that an administrator may write.
    name = p.name()
    for text in (f'userName eq "{name}"', f'username Eq "{name}"', f'emails eq "{name}@corp.example"'):
        assert ids(p, text) == []
    # 129: made disabled, then enabled by PUT.
    ann = p.scim.post("/Users", person(name, active=False)).expect(201)["id"]
    p.holds(ann, uid=name, sn="Kiop", mail=f"{name}@corp.example", kiopsActive="FALSE")
    p.scim.put(f"/Users/{ann}", person(name)).expect(200)
    assert p.is_active(ann)
    for text in (f'userName eq "{name}"', f'username Eq "{name}"', f'emails eq "{name}@corp.example"',
                 f'emails Co "{name}@corp"', f'Emails.Value eQ "{name}@corp.example"'):
        assert ids(p, text) == [ann]
    assert p.scim.post("/Users", person(name)).expect(409)["scimType"] == "uniqueness"
    # 130: a group is looked for by walking all of them, made when it is not there, and then found.
    hull_name, deck_name = p.name("Hull "), p.name("Deck ")
    assert group_named(p, hull_name) is None
    hull, deck = (p.scim.post("/Groups", {"schemas": [GROUP], "displayName": n}).expect(201)["id"]
                  for n in (hull_name, deck_name))
    assert (group_named(p, hull_name), group_named(p, deck_name)) == (hull, deck)
    # 130, set to PATCH: in and out again.
    p.scim.patch(f"/Groups/{hull}", ("add", "members", [{"value": ann}])).expect(200, 204)
    assert p.members(hull) == {ann}
    p.scim.patch(f"/Groups/{hull}", ("remove", f'members[value eq "{ann}"]')).expect(200, 204)
    assert p.members(hull) == set()
    # 130, set to PUT; 171: exactly these. Moved from one to the other, then that one renamed.
    put_group(p, hull, hull_name, [ann])
    put_group(p, hull, hull_name, [])
    put_group(p, deck, deck_name, [ann])
    assert (p.members(hull), p.members(deck)) == (set(), {ann})
    put_group(p, deck, p.name("Deck new "), [ann])
    assert p.members(deck) == {ann} and p.entry(deck)["cn"] != [deck_name]
    # 129: renamed by PUT; then disabled and enabled.
    married = person("x" + name, name={"givenName": "Ann", "familyName": "Berg"})
    p.scim.put(f"/Users/{ann}", married).expect(200)
    p.holds(ann, uid="x" + name, sn="Berg")
    for active in (False, True):
        p.scim.put(f"/Users/{ann}", married | {"active": active}).expect(200)
        assert p.is_active(ann) == active and p.members(deck) == {ann}
    # 129: deprovisioned by delete; 130: the group too.
    p.scim.delete(f"/Users/{ann}").expect(204)
    assert (p.entry(ann), p.members(deck)) == (None, set())
    p.scim.delete(f"/Groups/{deck}").expect(204)
    assert p.entry(deck) is None and group_named(p, deck_name) is None
    # 129: PUT only.
    assert not [s for s in p.scim.sent if s.is_on("PATCH", "Users")]
    p.finish()


def put_group(p, group, name, members):
    body = {"schemas": [GROUP], "displayName": name, "members": [{"value": user} for user in members]}
    p.scim.put(f"/Groups/{group}", body).expect(200)
    assert (p.entry(group)["cn"], p.members(group)) == ([name], set(members))


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_walking_all_groups_finds_each_once_whatever_the_page(lab, count):
    """Line 130: paging must be right."""
    p = Story(lab, "ping", ())
    wanted = {p.group() for _ in range(7)}
    assert wanted <= {g["id"] for g in p.pages("Groups", count=count)}


def test_attribute_names_in_lower_case_are_the_same_person(lab):
    """Line 131."""
    p = Story(lab, "ping", ())
    name = p.name()
    body = {"schemas": [USER], "username": name, "displayname": "Ann K", "name": {"givenname": "Ann", "familyname": "K"},
            "emails": [{"Value": f"{name}@corp.example", "TYPE": "work"}]}
    ann = p.scim.post("/Users", body).expect(201)["id"]
    p.holds(ann, uid=name, givenName="Ann", sn="K", displayName="Ann K", mail=f"{name}@corp.example")
