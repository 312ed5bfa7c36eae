"""The golden tables of idp-profiles.md: section 12, every shape in which a client changes members, and section 13,
every shape in which it deactivates; each through HTTP in every profile, each with exactly its meaning in slapd."""

import json

import pytest
from scim import GROUP, KIOPS_ORGANIZATION, USER
from story import PROFILES
from tenant import Tenant

CLIENT_SENT = {"$ref": None, "display": "sent by the client", "type": "User"}


@pytest.fixture(scope="module", params=PROFILES)
def tenant(request, lab):
    return Tenant(lab, request.param)


# Row of section 12, operation, the members meant. A and B are in the group before; C comes.
MEMBERS = [
    (1, {"op": "add", "path": "members", "value": [{"value": "C"}]}, "ABC"),
    (1, {"op": "Add", "path": "members", "value": [{"value": "C", **CLIENT_SENT}, {"value": "A"}]}, "ABC"),
    (2, {"op": "add", "value": {"members": [{"value": "C"}]}}, "ABC"),
    (3, {"op": "add", "path": "members", "value": {"value": "C"}}, "ABC"),
    (3, {"op": "add", "path": "members", "value": "C"}, "ABC"),
    (4, {"op": "remove", "path": "members", "value": [{"value": "A"}]}, "B"),
    (4, {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "A"}]}, "B"),
    (4, {"op": "remove", "path": "members", "value": {"value": "A"}}, "B"),
    (4, {"op": "remove", "path": "members", "value": "A"}, "B"),
    (4, {"op": "remove", "path": "members", "value": [{"value": "C"}]}, "AB"),
    (5, {"op": "remove", "path": 'members[value eq "A"]'}, "B"),
    (5, {"op": "remove", "path": 'members[value eq "C"]'}, "AB"),
    (5, {"op": "Remove", "path": 'Members[Value Eq "A"]'}, "B"),
    (6, {"op": "remove", "path": "members"}, ""),
    (7, {"op": "remove", "path": 'members[value eq "A" or value eq "B"]'}, ""),
    (8, {"op": "replace", "path": "members", "value": [{"value": "B"}, {"value": "C"}]}, "BC"),
    (8, {"op": "Replace", "path": "members", "value": [{"value": "C"}]}, "C"),
    (9, {"op": "replace", "path": "members", "value": []}, ""),
    (10, {"op": "replace", "value": {"displayName": "NAME"}}, "AB"),
    (11, {"op": "replace", "value": {"id": "GROUP", "displayName": "NAME", "members": [{"value": "C"}]}}, "C"),
    (11, {"op": "replace", "value": {"id": "GROUP", "displayName": "NAME"}}, "AB"),
]


def strict_refuses(operation):
    """The RFC lets one object stand for a set of one, but no text for an object."""
    return isinstance(operation.get("value"), str)


def filled(operation, names):
    text = json.dumps(operation)
    for name, real in names.items():
        text = text.replace(json.dumps(name), json.dumps(real)).replace(f'\\"{name}\\"', f'\\"{real}\\"')
    return json.loads(text)


@pytest.mark.parametrize("row, operation, meant", MEMBERS,
                         ids=[f"row {row}: {json.dumps(operation)}" for row, operation, _ in MEMBERS])
@pytest.mark.line(158, 169, 170)
def test_a_shape_has_exactly_its_meaning(tenant, row, operation, meant):
    users = {letter: tenant.hire() for letter in "ABC"}
    group = tenant.group([users["A"], users["B"]])
    sent = filled(operation, users | {"GROUP": group, "NAME": tenant.name("Quay ")})
    answer = tenant.scim.patch(f"/Groups/{group}", sent)
    if tenant.client.startswith("strict") and strict_refuses(operation):
        assert answer.expect(400)["scimType"]
        meant = "AB"
    else:
        answer.expect(200, 204)
    assert tenant.members(group) == {users[letter] for letter in meant}, row
    shown = {m["value"] for m in tenant.scim.get(f"/Groups/{group}")["members"]}
    assert shown == tenant.members(group)
    joined = {letter for letter, user in users.items() if "kiopsJoined" in tenant.entry(user)}
    assert joined == set(meant)  # the person's side goes and comes with it


@pytest.mark.line(148)
def test_row_12_a_put_of_the_whole_group_means_exactly_these(tenant):
    users = [tenant.hire() for _ in range(3)]
    group = tenant.group(users[:2])
    body = tenant.scim.get(f"/Groups/{group}").json
    for members in ([users[1], users[2]], [], [users[0]]):
        body["members"] = [{"value": user} for user in members]
        tenant.scim.put(f"/Groups/{group}", body).expect(200, 204)
        assert tenant.members(group) == set(members)


@pytest.mark.line(148)
def test_members_absent_in_a_put_stay_but_in_the_strict_profile(tenant):
    """Absent is not empty (conformance U 2); `strict` follows the RFC (line 148)."""
    user = tenant.hire()
    group = tenant.group([user])
    body = {"schemas": [GROUP], "displayName": tenant.name("Pier ")}
    tenant.scim.put(f"/Groups/{group}", body).expect(200)
    assert tenant.members(group) == (set() if tenant.client.startswith("strict") else {user})


# A and B are members and Managers before, C is neither: who is in afterwards; None: 400 noTarget, unless the profile makes
# what is not there, and then these.
SELECTED = [('value eq "A"', "C", "BC", None), ('value eq "A"', "A", "AB", None), ('value eq "A" or value eq "B"', "B", "B", None),
            ('value eq "C"', "C", None, "ABC"), ('value eq "C"', "A", None, "AB"), ('value eq "nobody"', "C", None, "ABC"),
            ('value eq "A" and display pr', "C", "BC", None), ('display eq "nobody"', "C", None, "ABC")]
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


@pytest.mark.parametrize("path", ["members", MANAGERS], ids=["members", "managers"])
@pytest.mark.parametrize("which, by, meant, made", SELECTED, ids=[f"{which} by {by}" for which, by, _, _ in SELECTED])
@pytest.mark.line(159, 160, 182)
def test_who_is_selected_makes_way_for_another_and_nobody_for_nobody(tenant, path, which, by, meant, made):
    users = {letter: tenant.hire() for letter in "ABC"}
    both = [users["A"], users["B"]]
    group = tenant.group(both, **{KIOPS_ORGANIZATION: {"managers": [{"value": user} for user in both]}})
    sent = filled({"op": "replace", "path": f"{path}[{which}]", "value": {"value": by}}, users)
    answer = tenant.scim.patch(f"/Groups/{group}", sent)
    if meant or tenant.profile.startswith("entra"):
        answer.expect(200, 204)
    else:
        assert answer.expect(400)["scimType"] == "noTarget"
    named = {users[letter] for letter in meant or (made if tenant.profile.startswith("entra") else "AB")}
    if path == MANAGERS:
        assert tenant.members(group, "owner") == named and tenant.members(group) == set(both) | named
    else:
        assert tenant.members(group) == named and tenant.members(group, "owner") == named & set(both)


FAULTS = [
    ({"op": "add", "path": "members", "value": [{"value": "C"}, {"value": "nobody"}]}, "invalidValue"),
    ({"op": "replace", "path": "members", "value": [{"value": "nobody"}]}, "invalidValue"),
    ({"op": "add", "path": "members", "value": [{}]}, "invalidValue"),
    ({"op": "add", "path": "members", "value": 1}, "invalidValue"),
    ({"op": "add", "path": "members"}, None),
    ({"op": "add", "path": "members", "value": [{"value": "GROUP", "type": "Group"}]}, "invalidValue"),
    ({"op": "remove", "path": "members[value eq]"}, None),
    ({"op": "remove"}, "noTarget"),
]


@pytest.mark.parametrize("operation, scim_type", FAULTS, ids=[json.dumps(f[0]) for f in FAULTS])
@pytest.mark.line(154)
def test_a_wrong_one_changes_nothing_at_all(tenant, operation, scim_type):
    """Conformance 154 and U 3: everything is resolved first, then written. A good operation stands before it."""
    users = {letter: tenant.hire() for letter in "ABC"}
    group = tenant.group([users["A"], users["B"]])
    names = users | {"GROUP": group}
    good = filled({"op": "remove", "path": 'members[value eq "A"]'}, names)
    refused = tenant.scim.patch(f"/Groups/{group}", good, filled(operation, names)).expect(400)
    assert scim_type in (None, refused["scimType"])
    assert tenant.members(group) == {users["A"], users["B"]}


def test_adds_and_removes_of_one_request_run_in_their_order(tenant):
    users = [tenant.hire() for _ in range(3)]
    group = tenant.group(users[:1])
    value = [[{"value": user}] for user in users]
    tenant.scim.patch(f"/Groups/{group}", ("add", "members", value[1]), ("remove", "members", value[1]),
                      ("remove", f'members[value eq "{users[0]}"]'), ("add", "members", value[0]),
                      ("add", "members", value[2])).expect(200, 204)
    assert tenant.members(group) == {users[0], users[2]}


@pytest.mark.line(181)
def test_a_thousand_members_go_in_with_one_operation(lab):
    """Conformance 181."""
    tenant = Tenant(lab, "entra")
    group = tenant.group()
    users = [tenant.hire() for _ in range(60)]
    value = [{"value": user} for user in users * 17]  # the same ones again are no change
    tenant.scim.patch(f"/Groups/{group}", ("Add", "members", value)).expect(204)
    assert len(value) > 1000 and tenant.members(group) == set(users)


# ---- section 13

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
DEACTIVATE = [
    {"op": "Replace", "path": "active", "value": "False"},
    {"op": "replace", "path": "active", "value": False},
    {"op": "replace", "value": {"active": False}},
    {"op": "Replace", "value": {"active": "false"}},
    {"op": "replace", "path": f"{CORE}:active", "value": False},
    {"op": "replace", "path": "active", "value": [{"value": "False"}]},
    {"op": "Add", "path": "active", "value": "False"},
]


@pytest.mark.parametrize("operation", DEACTIVATE, ids=[json.dumps(o) for o in DEACTIVATE])
@pytest.mark.line(175, 176)
def test_a_deactivation_in_any_shape_stands_in_slapd(tenant, operation):
    user = tenant.hire()
    answer = tenant.scim.patch(f"/Users/{user}", operation)
    if tenant.client.startswith("strict") and not isinstance(operation["value"], (bool, dict)) or (
            tenant.client.startswith("strict") and operation["value"] == {"active": "false"}):
        assert answer.expect(400)["scimType"] == "invalidValue"
        return
    answer.expect(200, 204)
    assert tenant.entry(user)["kiopsActive"] == ["FALSE"]
    assert tenant.scim.get(f"/Users/{user}")["active"] is False


@pytest.mark.line(70)
def test_a_put_with_active_false_stands_in_slapd_and_one_without_active_keeps_it(tenant):
    user = tenant.hire()
    body = {"schemas": [USER], "userName": tenant.entry(user)["uid"][0]}
    tenant.scim.put(f"/Users/{user}", body | {"active": False}).expect(200)
    assert tenant.entry(user)["kiopsActive"] == ["FALSE"]
    tenant.scim.put(f"/Users/{user}", body).expect(200)
    assert tenant.entry(user)["kiopsActive"] == ["FALSE"]


def test_a_delete_takes_the_entry_and_its_memberships(tenant):
    user = tenant.hire()
    group = tenant.group([user])
    tenant.scim.delete(f"/Users/{user}").expect(204)
    assert (tenant.entry(user), tenant.members(group)) == (None, set())
