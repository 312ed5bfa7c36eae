"""The test list of the Microsoft Entra SCIM Validator (idp-profiles.md line 71), number by number, and what it
is known to send besides. Checked in slapd; what the validator itself does not look at is looked at here."""

import uuid

import pytest
from scim import ENTERPRISE, GROUP, USER
from tenant import Tenant


@pytest.fixture(scope="module")
def validator(lab):
    return Tenant(lab, "entra")


def new_user(validator, **more):
    """Random text in every attribute, as the validator makes it."""
    tag = uuid.uuid4().hex[:12]
    body = {"schemas": [USER, ENTERPRISE], "userName": f"{tag}@grant.biz", "externalId": tag, "active": True,
            "displayName": f"D{tag}", "nickName": f"N{tag}", "profileUrl": f"P{tag}", "title": f"T{tag}",
            "userType": f"U{tag}", "preferredLanguage": "ko-KR", "locale": f"L{tag}", "timezone": "Asia/Seoul",
            "name": {"formatted": f"F{tag}", "familyName": f"Fa{tag}", "givenName": f"Gi{tag}",
                     "middleName": f"Mi{tag}", "honorificPrefix": f"Pr{tag}", "honorificSuffix": f"Su{tag}"},
            "emails": [{"type": "work", "value": f"{tag}@ward.us", "primary": True}],
            "phoneNumbers": [{"type": t, "value": f"+82 2 {n} {tag}"} for n, t in
                             enumerate(("work", "mobile", "fax"))],
            "addresses": [{"type": "work", "formatted": f"A{tag}", "streetAddress": f"St{tag}", "locality": f"Lo{tag}",
                           "region": f"Re{tag}", "postalCode": "1077", "country": "Belize", "primary": True}],
            "roles": [{"primary": "True", "display": "D", "value": "V", "type": "T"}],
            ENTERPRISE: {"employeeNumber": tag, "department": f"De{tag}", "costCenter": f"Co{tag}",
                         "organization": f"Or{tag}", "division": f"Di{tag}"}} | more
    answer = validator.scim.post("/Users", body).expect(201)
    body["roles"][0]["primary"] = True  # a boolean comes back, whatever was sent (line 59)
    return body, answer


def by_name(validator, name):
    return validator.scim.find("Users", f'userName eq "{name}"')


def test_01_a_user_found_by_filter_has_every_attribute_that_was_sent(validator):
    sent, _ = new_user(validator)
    found, = by_name(validator, sent["userName"])
    assert {name: found.get(name) for name in sent if name != "schemas"} == {k: v for k, v in sent.items()
                                                                            if k != "schemas"}
    assert validator.entry(found["id"])["uid"] == [sent["userName"]]


def test_02_a_duplicate_user_is_409_and_the_first_one_is_untouched(validator):
    sent, first = new_user(validator)
    second = validator.scim.post("/Users", {"schemas": [USER], "userName": sent["userName"].upper()}).expect(409)
    assert second["scimType"] == "uniqueness"
    assert validator.scim.get(f"/Users/{first['id']}").json == first.json


@pytest.mark.parametrize("number, change, total", [
    (3, lambda name: name, 1), (4, lambda name: "x" + name, 0), (5, lambda name: name.upper(), 1)])
def test_03_to_05_a_filter_finds_who_is_there(validator, number, change, total):
    sent, _ = new_user(validator)
    answer = validator.scim.get("/Users", filter=f'userName eq "{change(sent["userName"])}"').expect(200)
    assert (answer["totalResults"], len(answer["Resources"])) == (total, total), number


def test_06_attributes_replaced_one_by_one_are_all_replaced(validator):
    sent, answer = new_user(validator)
    fresh, _ = new_user(validator)
    paths = {"displayName": "displayName", "title": "title", "employeeType": "userType", "givenName": "name.givenName",
             "sn": "name.familyName", "cn": "name.formatted", "mail": 'emails[type eq "work"].value',
             "mobile": 'phoneNumbers[type eq "mobile"].value', "street": 'addresses[type eq "work"].streetAddress',
             "departmentNumber": f"{ENTERPRISE}:department"}
    other = validator.entry(by_name(validator, fresh["userName"])[0]["id"])
    operations = [("Replace", path, other[ldap][0]) for ldap, path in paths.items()]
    validator.scim.patch(f"/Users/{answer['id']}", *operations).expect(200, 204)
    entry = validator.entry(answer["id"])
    assert {ldap: entry[ldap] for ldap in paths} == {ldap: other[ldap] for ldap in paths}
    assert entry["uid"] == [sent["userName"]]


def test_07_a_new_user_name_renames_the_entry_and_keeps_its_id(validator):
    _, answer = new_user(validator)
    name = f"{uuid.uuid4().hex}@grant.biz"
    validator.scim.patch(f"/Users/{answer['id']}", ("Replace", "userName", name)).expect(200, 204)
    assert validator.entry(answer["id"])["uid"] == [name]
    assert [u["id"] for u in by_name(validator, name)] == [answer["id"]]


def test_08_a_disabled_user_stays_readable_and_listed(validator):
    sent, answer = new_user(validator)
    validator.scim.patch(f"/Users/{answer['id']}", ("Replace", "active", False)).expect(200, 204)
    found, = by_name(validator, sent["userName"])
    assert found["active"] is False and validator.entry(found["id"])["kiopsActive"] == ["FALSE"]


VERBOSE = [
    ("active", "True"), ("displayName", "D"), ("title", "T"), ("preferredLanguage", "de"), ("name.givenName", "G"),
    ("name.familyName", "F"), ("name.formatted", "G F"), ("name.middleName", "M"), ("name.honorificPrefix", "Dr"),
    ("name.honorificSuffix", "II"), ("externalId", "E"), ("nickName", "N"), ("userType", "U"), ("locale", "de-DE"),
    ("timezone", "Europe/Berlin"), ("profileUrl", "https://x.example/p"),
    ('emails[type eq "work"].value', "w@x.example"), ('emails[type eq "home"].value', "h@x.example"),
    *((f'addresses[type eq "work"].{sub}', f"a-{sub}") for sub in
      ("formatted", "streetAddress", "locality", "region", "postalCode", "country")),
    *((f'phoneNumbers[type eq "{kind}"].value', f"+49 {n}") for n, kind in
      enumerate(("work", "mobile", "fax", "home", "other", "pager"))),
    *((f'roles[primary eq "True"].{sub}', f"r-{sub}") for sub in ("display", "value", "type")),
    *((f"{ENTERPRISE}:{name}", f"e-{name}") for name in
      ("employeeNumber", "department", "costCenter", "organization", "division")),
]
VERBOSE_LDAP = {"displayName": ["D"], "givenName": ["G"], "sn": ["F"], "cn": ["G F"], "mail": ["w@x.example", "h@x.example"],
                "street": ["a-streetAddress"], "l": ["a-locality"], "st": ["a-region"], "postalCode": ["a-postalCode"],
                "telephoneNumber": ["+49 0", "+49 4"], "mobile": ["+49 1"], "facsimileTelephoneNumber": ["+49 2"],
                "homePhone": ["+49 3"], "pager": ["+49 5"], "employeeNumber": ["e-employeeNumber"],
                "departmentNumber": ["e-department"], "o": ["e-organization"]}


def test_09_a_bare_user_gets_every_attribute_in_one_verbose_patch(validator):
    user = validator.hire()
    validator.scim.patch(f"/Users/{user}", *(("Add", path, value) for path, value in VERBOSE)).expect(200, 204)
    shown = validator.scim.get(f"/Users/{user}").json
    assert shown["name"] == {"formatted": "G F", "familyName": "F", "givenName": "G", "middleName": "M",
                             "honorificPrefix": "Dr", "honorificSuffix": "II"}
    assert shown["roles"] == [{"value": "r-value", "display": "r-display", "type": "r-type", "primary": True}]
    assert shown["addresses"] == [{"type": "work"} | {sub: f"a-{sub}" for sub in (
        "formatted", "streetAddress", "locality", "region", "postalCode", "country")}]
    assert len(shown["phoneNumbers"]) == 6 and len(shown["emails"]) == 2
    assert [shown[name] for name in ("active", "externalId", "nickName", "locale", "timezone", "profileUrl")] == [
        True, "E", "N", "de-DE", "Europe/Berlin", "https://x.example/p"]
    assert (shown[ENTERPRISE]["costCenter"], shown[ENTERPRISE]["division"]) == ("e-costCenter", "e-division")
    entry = validator.entry(user)
    assert {ldap: sorted(entry.get(ldap, ())) for ldap in VERBOSE_LDAP} == {
        ldap: sorted(values) for ldap, values in VERBOSE_LDAP.items()}


def test_10_to_12_a_manager_is_added_replaced_and_removed_by_an_empty_value(validator):
    first, second, user = (new_user(validator)[1]["id"] for _ in range(3))
    path = f"{ENTERPRISE}:manager"
    for op, value, wanted in (("Add", first, first), ("Replace", second, second), ("Replace", {"value": ""}, None)):
        validator.scim.patch(f"/Users/{user}", (op, path, value)).expect(200, 204)
        shown = validator.scim.get(f"/Users/{user}")[ENTERPRISE].get("manager", {})
        assert shown.get("value") == wanted
        if wanted:  # conformance 67: what $ref names answers
            assert validator.scim.call("GET", shown["$ref"].split("/scim/v2")[1]).expect(200)["id"] == wanted
    assert "manager" not in validator.stored(user)[ENTERPRISE]


def test_13_a_deleted_user_is_gone_from_slapd_and_404(validator):
    sent, answer = new_user(validator)
    assert validator.scim.delete(f"/Users/{answer['id']}").expect(204).text == b""
    validator.scim.get(f"/Users/{answer['id']}").expect(404)
    assert (validator.entry(answer["id"]), by_name(validator, sent["userName"])) == (None, [])


# ---- groups


def new_group(validator, members=()):
    tag = uuid.uuid4().hex
    body = {"schemas": [GROUP], "externalId": tag, "displayName": f"Dan {tag}",
            "members": [{"value": user} for user in members]}
    return body, validator.scim.post("/Groups", body).expect(201)["id"]


def test_14_to_18_a_group_is_found_with_and_without_members_in_any_letters(validator):
    user = validator.hire()
    body, group = new_group(validator, [user])
    assert "members" not in validator.scim.get(f"/Groups/{group}", excludedAttributes="members").expect(200).json
    for name, total in ((body["displayName"], 1), (body["displayName"].upper(), 1), (body["displayName"] + "x", 0)):
        text = f'displayName eq "{name}"'
        with_members = validator.scim.find("Groups", text)
        without = validator.scim.find("Groups", text, excludedAttributes="members")
        assert (len(with_members), len(without)) == (total, total)
        assert [m["value"] for g in with_members for m in g["members"]] == [user] * total
        assert all("members" not in g for g in without)


def test_19_and_20_a_second_group_of_one_name_is_409(validator):
    body, group = new_group(validator)
    for name in (body["displayName"], body["displayName"].upper()):
        refused = validator.scim.post("/Groups", body | {"displayName": name}).expect(409)
        assert refused["scimType"] == "uniqueness"
    assert validator.external_id(group) == body["externalId"]


def test_21_and_22_a_group_gets_another_name_and_external_id(validator):
    user = validator.hire()
    body, group = new_group(validator, [user])
    validator.scim.patch(f"/Groups/{group}", ("Replace", "displayName", body["displayName"] + " 2"),
                         ("Replace", "externalId", "other")).expect(204)
    assert validator.entry(group)["cn"] == [body["displayName"] + " 2"]
    assert (validator.external_id(group), validator.members(group)) == ("other", {user})


def test_23_to_25_a_member_replaced_in_removed_by_path_and_the_group_deleted(validator):
    user, other = validator.hire(), validator.hire()
    _, group = new_group(validator)
    validator.scim.patch(f"/Groups/{group}", ("Replace", "members", [{"value": user}])).expect(204)
    assert validator.members(group) == {user}
    validator.scim.patch(f"/Groups/{group}", ("Add", "members", [{"value": other}]),
                         ("Remove", f'members[value eq "{user}"]')).expect(204)
    assert validator.members(group) == {other}
    validator.scim.delete(f"/Groups/{group}").expect(204)
    validator.scim.get(f"/Groups/{group}").expect(404)
    assert validator.entry(group) is None and validator.entry(other) is not None


# ---- the preview tests, and what the validator does not look at (line 73)


@pytest.mark.parametrize("operations, title", [
    ([("Add", "title", "a"), ("Replace", "title", "b"), ("Remove", "title"), ("Add", "title", "c")], ["c"]),
    ([("Add", "title", "a"), ("Add", "displayName", "b"), ("Remove", "displayName"), ("Replace", "title", "d")], ["d"]),
])
def test_many_operations_on_one_attribute_run_in_order(validator, operations, title):
    _, answer = new_user(validator)
    validator.scim.patch(f"/Users/{answer['id']}", *operations).expect(200, 204)
    assert validator.entry(answer["id"])["title"] == title


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_deleting_what_is_missing_is_404_as_often_as_it_is_tried(validator, kind):
    for _ in range(2):
        missing = validator.scim.delete(f"/{kind}/{uuid.uuid4()}").expect(404)
        assert (missing["status"], missing.headers["Content-Type"]) == ("404", "application/scim+json")


def test_a_required_attribute_is_not_removed(validator):
    """Line 73: the validator tries, and counts a refusal as a failure."""
    sent, answer = new_user(validator)
    assert validator.scim.patch(f"/Users/{answer['id']}", ("Remove", "userName")).expect(400)["scimType"] == "mutability"
    assert validator.entry(answer["id"])["uid"] == [sent["userName"]]


def test_random_text_as_time_zone_comes_back_as_sent(validator):
    """Line 73."""
    _, answer = new_user(validator, timezone="3WFNVQ4YLJ")
    assert (answer["timezone"], answer.headers["Location"]) == ("3WFNVQ4YLJ", answer["meta"]["location"])
