"""Microsoft Entra ID as its provisioning service really speaks, in both of its dialects. Numbers are
lines of idp-profiles.md; what each request did is read from slapd."""

import json
import uuid

import pytest
from lab import eventually
from scim import ENTERPRISE, GROUP, PATCH, USER
from story import OTHERWISE, REFUSED, SAME, Oddity, Story, in_operation
from tenant import Tenant

ENTRA_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


@pytest.fixture(scope="module", params=["entra", "entra-legacy"])
def entra(request, lab):
    """Both profiles take both shapes: on-demand provisioning ignores the flag (line 57)."""
    return Tenant(lab, request.param)


def person(user_name, manager=None):
    """The body of the default mapping, lines 23-29."""
    enterprise = {"employeeNumber": "77", "department": "Hull"}
    if manager:
        enterprise["manager"] = {"value": manager}
    return {"schemas": [USER, ENTERPRISE], "externalId": user_name.split("@")[0], "userName": user_name,
            "active": True, "displayName": "Ann Kiop", "title": "Welder", "preferredLanguage": "de-DE",
            "emails": [{"primary": True, "type": "work", "value": f"{user_name}"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "Ann Kiop", "familyName": "Kiop", "givenName": "Ann"}, "roles": [],
            "addresses": [{"primary": False, "type": "work", "country": "DE", "formatted": None,
                           "locality": "Kiel", "streetAddress": "Hafen 1"}],
            "phoneNumbers": [{"type": "work", "value": "+49 431 1"}, {"type": "mobile", "value": "+49 171 2"}],
            ENTERPRISE: enterprise}


def hire(entra, **more):
    body = person(entra.name() + "@corp.example") | more
    return entra.scim.post("/Users", body).expect(201)["id"]


def matches(entra, filter_text):
    return [found["id"] for found in entra.scim.find("Users", filter_text)]


# ---- a working life

ODDITIES = (
    Oddity("72: booleans as text", in_operation(lambda o: o.get("path") == "active" and o["value"] == "False"), REFUSED),
    Oddity("64: a schema of its own in a group", lambda s: s.is_on("POST", "Groups") and ENTRA_GROUP in s.body["schemas"],
           REFUSED),
    Oddity("66: $ref null in a member", in_operation(lambda o: o["path"] == "members" and o["value"][0]["$ref"] is None),
           SAME),
    Oddity("66: a removal by value", in_operation(lambda o: o["op"] == "Remove" and o.get("value")), SAME),
    Oddity("72: op with a capital", in_operation(lambda o: o["op"] in ("Add", "Replace")), SAME),
    Oddity("30: null and empty values in a create", lambda s: s.is_on("POST", "Users") and s.body["roles"] == [], SAME),
    Oddity("69: a PATCH of a group is 204", lambda s: s.is_on("PATCH", "Groups"), OTHERWISE),
)


def test_a_person_is_looked_up_made_assigned_renamed_moved_disabled_and_removed(lab, entra):
    entra = Story(lab, entra.profile, ODDITIES)
    name = entra.name() + "@corp.example"
    # 15: Test Connection with a random value: an empty list, not 404.
    assert entra.scim.get("/Users", filter=f'userName eq "{uuid.uuid4()}"').expect(200)["totalResults"] == 0
    # 17, 18: match, and POST when there is none.
    assert matches(entra, f'userName eq "{name}"') == []
    made = entra.scim.post("/Users", person(name)).expect(201)
    assert made.headers["Content-Type"] == "application/scim+json"  # 13
    user = made["id"]
    assert entra.view.by_id(user)[1]["uid"] == [name]
    # 63, 64, 66: the organization, made empty, then the member.
    hull = entra.scim.post("/Groups", {"schemas": [GROUP, ENTRA_GROUP], "externalId": str(uuid.uuid4()),
                                       "displayName": entra.name("Hull "),
                                       "meta": {"resourceType": "Group"}}).expect(201)["id"]
    assert entra.members(hull) == set()
    add(entra, hull, user)
    assert entra.members(hull) == {user}
    # 37, 40: married; 57: the same person under another name, the id stays and so does the membership.
    entra.scim.patch(f"/Users/{user}", ("Replace", "userName", "new-" + name),
                     ("Replace", "name.familyName", "Berg")).expect(200, 204)
    entry = entra.entry(user)
    assert (entry["uid"], entry["sn"], entra.members(hull)) == (["new-" + name], ["Berg"], {user})
    # 66: moved to another organization.
    other = entra.group()
    add(entra, other, user)
    entra.scim.patch(f"/Groups/{hull}", ("Remove", "members", [{"$ref": None, "value": user}])).expect(204)
    assert (entra.members(hull), entra.members(other)) == (set(), {user})
    # 20: disabled, then deleted; 404 counts as done.
    entra.scim.patch(f"/Users/{user}", ("Replace", "active", "False")).expect(200, 204)
    assert entra.entry(user)["kiopsActive"] == ["FALSE"]
    entra.scim.delete(f"/Users/{user}").expect(204)
    entra.scim.delete(f"/Users/{user}").expect(404)
    assert (entra.entry(user), entra.members(other)) == (None, set())
    entra.finish()


def add(entra, group, *users):
    """Line 66: `$ref` is null; 69: 204 without a member dump."""
    entra.scim.patch(f"/Groups/{group}", ("Add", "members", [{"$ref": None, "value": u} for u in users])).expect(204)


def test_the_default_body_stands_in_slapd_attribute_by_attribute(entra):
    """Lines 23-29."""
    user = hire(entra)
    entry = entra.entry(user)
    wanted = {"cn": ["Ann Kiop"], "sn": ["Kiop"], "givenName": ["Ann"], "displayName": ["Ann Kiop"],
              "title": ["Welder"], "preferredLanguage": ["de-DE"], "telephoneNumber": ["+49 431 1"],
              "mobile": ["+49 171 2"], "l": ["Kiel"], "street": ["Hafen 1"], "employeeNumber": ["77"],
              "departmentNumber": ["Hull"], "mail": entry["uid"]}
    assert {name: entry.get(name) for name in wanted} == wanted
    assert entra.external_id(user) == entry["uid"][0].split("@")[0]


@pytest.mark.parametrize("more", [
    {"department": None, "manager": None},
    {"schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"]},
    {"title": None, "emails": None, "name": {"formatted": None, "familyName": "K", "givenName": None}},
    {"schemas": [USER]},
], ids=["top-level nulls outside the extension", "an ill-formed URN", "null members anywhere",
        "the extension's URN is not listed"])
def test_a_body_as_microsoft_prints_it_does_not_fail(entra, more):
    """Line 31."""
    assert entra.entry(hire(entra, **more))["employeeNumber"] == ["77"]


# ---- PATCH shapes. What slapd shows afterwards: attribute -> values; None = gone.

SHAPES = [
    (35, [("Replace", "active", "False")], {"kiopsActive": ["FALSE"]}),
    (36, [("Add", "nickName", "Annie")], {"nickName": "Annie"}),
    (37, [("Replace", 'emails[type eq "work"].value', "a2@corp.example")], {"mail": ["a2@corp.example"]}),
    (38, [("Add", 'phoneNumbers[type eq "fax"].value', "+49 431 9")],
     {"facsimileTelephoneNumber": ["+49 431 9"], "telephoneNumber": ["+49 431 1"]}),
    (40, [("Replace", "name.givenName", "Anna")], {"givenName": ["Anna"], "sn": ["Kiop"]}),
    (41, [("Replace", f"{ENTERPRISE}:employeeNumber", "78")], {"employeeNumber": ["78"]}),
    (43, [("Remove", "title")], {"title": None}),
    (45, [("Replace", "active", "false")], {"kiopsActive": ["FALSE"]}),
    (45, [("Replace", 'phoneNumbers[type eq "pager"].value', "5")], {"pager": ["5"]}),
    (51, [("replace", 'emails[type eq "work"].value', "a3@corp.example")], {"mail": ["a3@corp.example"]}),
    (52, [{"op": "replace", "value": {"displayName": "Ann K", "name.givenName": "Annika", "name.familyName": "K",
                                      f"{ENTERPRISE}:employeeNumber": "79"}}],
     {"displayName": ["Ann K"], "givenName": ["Annika"], "sn": ["K"], "employeeNumber": ["79"],
      "departmentNumber": ["Hull"]}),
    (54, [{"op": "replace", "path": "active", "value": False}], {"kiopsActive": ["FALSE"]}),
    (77, [], {"title": ["Welder"]}),
]


@pytest.mark.parametrize("line, operations, wanted", SHAPES,
                         ids=[f"line {line}: {json.dumps(ops)[:60]}" for line, ops, _ in SHAPES])
def test_a_patch_shape_changes_slapd_as_meant(entra, line, operations, wanted):
    user = hire(entra)
    entra.scim.patch(f"/Users/{user}", *operations).expect(200, 204)
    shown = entra.entry(user) | {"nickName": entra.stored(user).get("nickName")}
    assert {name: shown.get(name) for name in wanted} == wanted, line


def test_operations_may_come_before_schemas(entra):
    """Line 47: key order is not fixed."""
    user = hire(entra)
    body = b'{"Operations":[{"op":"replace","path":"title","value":"Rigger"}],"schemas":["%s"]}' % PATCH.encode()
    entra.scim.call("PATCH", f"/Users/{user}", body).expect(200, 204)
    assert entra.entry(user)["title"] == ["Rigger"]


def test_a_typed_sub_attribute_that_slapd_cannot_hold_is_kept_beside_it(entra):
    """Line 39."""
    user = hire(entra)
    entra.scim.patch(f"/Users/{user}", ("Add", 'addresses[type eq "work"].formatted', "x")).expect(200, 204)
    work = entra.scim.get(f"/Users/{user}")["addresses"][0]
    assert (work["formatted"], work["country"], entra.entry(user)["l"]) == ("x", "DE", ["Kiel"])


MANAGER = [
    (42, "Add", f"{ENTERPRISE}:manager", "{id}"),
    (46, "Add", "manager", [{"$ref": "https://x/Users/{id}", "value": "{id}"}]),
    (46, "Replace", f"{ENTERPRISE}:manager", {"value": "{id}"}),
    (46, "Replace", f"{ENTERPRISE}:manager", {"value": ""}),
    (46, "Replace", f"{ENTERPRISE}:manager", ""),
    (46, "Remove", f"{ENTERPRISE}:manager", None),
]


@pytest.mark.parametrize("line, op, path, value", MANAGER)
@pytest.mark.line(68)
def test_a_manager_is_set_and_taken_away_in_every_shape(entra, line, op, path, value):
    boss, other = hire(entra), hire(entra)
    user = hire(entra, **{ENTERPRISE: {"manager": {"value": other}}})
    value = json.loads(json.dumps(value).replace("{id}", boss))
    entra.scim.patch(f"/Users/{user}", (op, path, value)).expect(200, 204)
    manager = entra.scim.get(f"/Users/{user}").json.get(ENTERPRISE, {}).get("manager", {}).get("value")
    wanted = boss if boss in json.dumps(value) else None
    assert (manager, entra.stored(user).get(ENTERPRISE, {}).get("manager", {}).get("value")) == (wanted, wanted), line


@pytest.mark.parametrize("text", ['id eq "{user}" and manager eq "{boss}"', 'manager eq "{boss}" and id eq "{user}"'])
def test_the_manager_probe_answers_in_both_orders(entra, text):
    """Line 19."""
    boss = hire(entra)
    user = hire(entra, **{ENTERPRISE: {"manager": {"value": boss}}})
    found = entra.scim.find("Users", text.format(user=user, boss=boss), attributes="id")
    assert [set(f) for f in found] == [{"schemas", "id"}] and found[0]["id"] == user
    assert entra.scim.find("Users", text.format(user=boss, boss=boss)) == []


# ---- roles: stored as sent, never any authority


@pytest.mark.parametrize("line, sent", [
    (59, {"primary": True, "type": "WindowsAzureActiveDirectoryRole", "value": "Admin"}),
    (59, {"primary": "True", "type": "WindowsAzureActiveDirectoryRole", "value": "PlatformAdmin"}),
    (60, {"primary": False, "type": "X", "displayName": "Welder", "display": "Welder", "value": "25"}),
])
def test_roles_of_a_post_are_stored_and_act_on_nothing(entra, line, sent):
    user = hire(entra, roles=[sent])
    shown = entra.scim.get(f"/Users/{user}")["roles"]
    wanted = {k: v for k, v in sent.items() if k != "displayName"} | {"primary": sent["primary"] in (True, "True")}
    assert shown in ([wanted], [{k: v for k, v in wanted.items() if v is not False}]), line
    entry = entra.entry(user)
    assert not {"kiopsJoined", "kiopsManager", "kiopsPermission"} & set(entry)


def test_roles_patched_one_sub_attribute_at_a_time_become_one_primary_role(entra):
    """Line 59: `primary eq "True"` matches the boolean; 60: a JSON text stays a text."""
    user = hire(entra)
    entra.scim.patch(f"/Users/{user}", ("Add", 'roles[primary eq "True"].value', "Admin"),
                     ("Add", 'roles[primary eq "True"].type', "T")).expect(200, 204)
    assert entra.stored(user)["roles"] == [{"value": "Admin", "type": "T", "primary": True}]
    text = '{"id":"1","value":"25","displayName":"Welder"}'
    entra.scim.patch(f"/Users/{user}", ("Add", "roles", [{"value": text}])).expect(200, 204)
    assert [r["value"] for r in entra.stored(user)["roles"]] == ["Admin", text]
    entra.scim.patch(f"/Users/{user}", ("replace", "roles", [{"value": "only"}])).expect(200, 204)
    assert [r["value"] for r in entra.stored(user)["roles"]] == ["only"]


# ---- groups


def test_a_group_is_matched_by_name_and_probed_for_a_member(entra):
    """Lines 63, 65."""
    user, stranger = entra.hire(), entra.hire()
    name = entra.name("Yard ")
    group = entra.group([user], displayName=name)
    found = entra.scim.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{name}"').expect(200)
    assert [g["id"] for g in found["Resources"]] == [group] and "members" not in found["Resources"][0]
    assert "members" not in entra.scim.get(f"/Groups/{group}?excludedAttributes=members").expect(200).json
    for who, wanted in ((user, [group]), (stranger, [])):
        probe = entra.scim.find("Groups", f'id eq "{group}" and members eq "{who}"', attributes="id")
        assert [g["id"] for g in probe] == wanted


@pytest.mark.parametrize("operation", [
    {"op": "Replace", "path": "displayName", "value": "{name}"},
    {"op": "replace", "value": {"displayName": "{name}"}},
    {"op": "replace", "value": {"displayName": "{name}", "externalId": "e-1"}},
])
def test_a_group_is_renamed_with_its_members(entra, operation):
    """Line 67."""
    user = entra.hire()
    group, name = entra.group([user]), entra.name("Slip ")
    operation = json.loads(json.dumps(operation).replace("{name}", name))
    entra.scim.patch(f"/Groups/{group}", operation).expect(204)
    assert (entra.entry(group)["cn"], entra.members(group)) == ([name], {user})


def test_many_members_come_and_go_in_one_patch(entra):
    """Lines 66, 55: many values in one operation, many operations in one PATCH, both removals."""
    users = [entra.hire() for _ in range(6)]
    group = entra.group()
    add(entra, group, *users[:4])
    entra.scim.patch(f"/Groups/{group}", ("Add", "members", [{"value": users[4]}]),
                     ("Add", "members", [{"value": users[5]}]),
                     ("Remove", "members", [{"$ref": None, "value": users[0]}]),
                     ("remove", f'members[value eq "{users[1]}"]')).expect(204)
    assert entra.members(group) == set(users[2:])


def test_everything_said_twice_is_no_error_and_no_change(entra):
    """Line 74: it sends unchanged values and members again."""
    user = hire(entra)
    group = entra.group()
    add(entra, group, user)
    before = (entra.scim.get(f"/Users/{user}").json, entra.scim.get(f"/Groups/{group}").json)
    add(entra, group, user)
    entra.scim.patch(f"/Users/{user}", ("Replace", "title", "Welder"), ("Add", "name.givenName", "Ann"),
                     ("Replace", "active", "True")).expect(200, 204)
    entra.scim.patch(f"/Groups/{group}", ("Remove", "members", [{"value": entra.hire()}])).expect(204)
    assert (entra.scim.get(f"/Users/{user}").json, entra.scim.get(f"/Groups/{group}").json) == before


# ---- other callers of the same tenant


def test_an_unknown_flag_in_the_tenant_url_does_not_matter(entra):
    """Line 11."""
    user = hire(entra)
    assert entra.scim.get(f"/Users/{user}?aadOptscim062020").expect(200)["id"] == user


@pytest.mark.parametrize("attribute", ["userName", "externalId", 'emails[type eq "work"].value', "emails.value"])
def test_several_matching_attributes_are_asked_in_a_row(entra, attribute):
    """Lines 17, 77, 78."""
    user = hire(entra)
    value = entra.external_id(user) if attribute == "externalId" else entra.entry(user)["mail"][0]
    assert matches(entra, f'{attribute} eq "{value}"') == [user]
    assert matches(entra, f'{attribute} eq "{uuid.uuid4()}"') == []


def test_entra_as_a_reader_pages_by_time_in_mixed_letters(entra):
    """Line 79."""
    active, disabled = hire(entra), hire(entra, active=False)
    assert entra.scim.get("/Users?count=1").expect(200)["itemsPerPage"] == 1
    text = 'ActiVe eq true and (meta.lastmodified ge "0001-01-01T00:00:00Z")'
    ids, start = [], 1
    while page := entra.scim.find("Users", text, startIndex=start, count=50):
        ids += [user["id"] for user in page]
        start += 50
    assert len(ids) == len(set(ids)) and active in ids and disabled not in ids
    assert matches(entra, 'active eq true and meta.lastModified ge "2999-01-01T00:00:00Z"') == []


def test_entra_as_a_reader_goes_on_from_its_watermark(entra):
    """Line 79: the full reading in pages, then only what has changed since its latest lastModified."""
    people = [hire(entra) for _ in range(5)]
    everybody = 'ActiVe eq True and (Meta.LastModified ge "0001-01-01T00:00:00Z")'
    seen, start = [], 1
    while page := entra.scim.find("Users", everybody, startIndex=start, count=2, sortBy="meta.lastModified"):
        seen, start = seen + page, start + len(page)
    assert set(people) <= {user["id"] for user in seen} and len(seen) == len({user["id"] for user in seen})
    watermark = max(user["meta"]["lastModified"] for user in seen)
    entra.scim.patch(f"/Users/{people[0]}", ("Replace", "title", "Rigger")).expect(200, 204)
    later = entra.scim.find("Users", f'active EQ true and (meta.lastmodified GE "{watermark}")', count=1000)
    changed = next(user for user in later if user["id"] == people[0])
    assert changed["meta"]["lastModified"] >= watermark and changed["title"] == "Rigger"
    assert all(user["meta"]["lastModified"] >= watermark for user in later)


def test_what_comes_in_the_second_of_the_watermark_is_not_missed(entra):
    """Line 79: a person made, or changed by another program, right after one that this service changed."""
    first, second = hire(entra), hire(entra)
    changed = entra.scim.patch(f"/Users/{first}", ("Replace", "title", "Rigger")).expect(200)
    entra.view.modify(entra.dn(second), ("replace", "title", "Diver"))
    third = hire(entra)
    watermark = changed["meta"]["lastModified"]
    eventually(lambda: entra.scim.get(f"/Users/{second}")["title"] == "Diver")
    later = entra.scim.find("Users", f'active eq true and (meta.lastModified ge "{watermark}")', count=1000)
    assert {first, second, third} <= {user["id"] for user in later}


@pytest.mark.parametrize("path", ["/Users?startindex=0&COUNT=2", "/Users?startIndex=1&count=1&attributes=userName,emails",
                                  '/Users/{user}?attributes=emails[type%20eq%20"work"]'])
def test_a_query_of_microsofts_postman_set_is_answered(entra, path):
    """Line 186; conformance 24 and 84: parameter names in any letters, a path with a filter as an attribute."""
    user = hire(entra)
    answer = entra.scim.get(path.replace("{user}", user).replace('"', "%22")).expect(200).json
    shown = answer if "Resources" not in answer else answer["Resources"][0]
    assert shown["id"] and ("Resources" in answer or shown["emails"][0]["value"])


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_who_wants_204_alone_says_so(entra, kind):
    """Line 186: Microsoft's Postman set takes nothing but 204 for a PATCH."""
    one = hire(entra) if kind == "Users" else entra.group()
    change = ("Replace", "displayName", entra.name("New "))
    answer = entra.scim.patch(f"/{kind}/{one}", change, headers={"Prefer": "return=minimal"}).expect(204)
    assert answer.etag and not answer.text and entra.scim.get(f"/{kind}/{one}")["displayName"] == change[2]
