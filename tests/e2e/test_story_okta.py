"""Okta as it really provisions (idp-profiles.md section 2). Every request quotes its line; what it did is read from
slapd."""

import json

import pytest
from scim import GROUP, USER
from story import OTHERWISE, SAME, Oddity, Story, in_operation
from tenant import Tenant


@pytest.fixture(scope="module")
def okta(lab):
    return Tenant(lab, "okta")


def person(okta, **more):
    """Line 89."""
    name = okta.name() + "@corp.example"
    return {"schemas": [USER], "userName": name, "name": {"givenName": "Ann", "familyName": "Kiop"},
            "emails": [{"primary": True, "value": name, "type": "work"}], "displayName": "Ann Kiop", "locale": "en-US",
            "externalId": f"00u{name}", "groups": [], "password": "Secret-1 for Ann", "active": True} | more


def hire(okta, **more):
    return okta.scim.post("/Users", person(okta, **more)).expect(201)["id"]


def lookup(okta, user_name):
    """Line 88, as it stands on the wire."""
    encoded = user_name.replace("@", "%40")
    answer = okta.scim.get(f"/Users?filter=userName%20eq%20%22{encoded}%22&startIndex=1&count=100").expect(200)
    return [user["id"] for user in answer["Resources"]]


# ---- a working life


ODDITIES = (
    Oddity("89: groups and a password in a create", lambda s: s.is_on("POST", "Users") and s.body["groups"] == [] and
           "password" in s.body, SAME),
    Oddity("90: our own representation in a PUT", lambda s: s.is_on("PUT", "Users") and {"id", "meta"} <= set(s.body), SAME),
    Oddity("90: a replace without path", in_operation(lambda o: "path" not in o and "active" in o["value"]), SAME),
    Oddity("94: the id inside the value", in_operation(lambda o: "path" not in o and "id" in o["value"]), SAME),
    Oddity("95: a member with display", in_operation(lambda o: "display" in str(o.get("value")) and
           o.get("path") == "members"), SAME),
    Oddity("181: a PATCH of a group is 204", lambda s: s.is_on("PATCH", "Groups"), OTHERWISE),
)


def test_a_person_is_assigned_grouped_renamed_moved_deactivated_and_assigned_again(lab):
    okta = Story(lab, "okta", ODDITIES)
    body = person(okta)
    # 88: nobody of that name; 89: created, with `groups` and a password.
    assert lookup(okta, body["userName"]) == []
    made = okta.scim.post("/Users", body).expect(201)
    user = made["id"]
    assert made["userName"] == body["userName"] and "password" not in made.json
    # 94: the group is pushed empty, then the person into it.
    first, second = okta.group(), okta.group()
    okta.scim.patch(f"/Groups/{first}", ("add", "members", [{"value": user, "display": body["userName"]}])).expect(204)
    assert okta.members(first) == {user}
    # 90: read, edited, sent back whole: renamed.
    resource = okta.scim.get(f"/Users/{user}").expect(200).json
    resource["name"]["familyName"], resource["userName"] = "Berg", "new." + body["userName"]
    okta.scim.put(f"/Users/{user}", resource).expect(200)
    entry = okta.entry(user)
    assert (entry["sn"], entry["uid"], okta.members(first)) == (["Berg"], ["new." + body["userName"]], {user})
    # 94: moved, one group's push after the other.
    okta.scim.patch(f"/Groups/{second}", ("add", "members", [{"value": user, "display": "x"}])).expect(204)
    okta.scim.patch(f"/Groups/{first}", ("remove", f'members[value eq "{user}"]')).expect(204)
    assert (okta.members(first), okta.members(second)) == (set(), {user})
    # 91: deactivated, never deleted; found again and active again.
    okta.scim.patch(f"/Users/{user}", {"op": "replace", "value": {"active": False}}).expect(200, 204)
    assert okta.entry(user)["kiopsActive"] == ["FALSE"]
    assert lookup(okta, "new." + body["userName"]) == [user]
    okta.scim.patch(f"/Users/{user}", {"op": "replace", "value": {"active": True}}).expect(200, 204)
    assert okta.entry(user).get("kiopsActive", ["TRUE"]) == ["TRUE"]
    # 94: renamed, with its id inside the value.
    new_name = okta.name("Deck ")
    okta.scim.patch(f"/Groups/{second}", {"op": "replace", "value": {"id": second, "displayName": new_name}}).expect(204)
    assert (okta.entry(second)["cn"], okta.members(second)) == ([new_name], {user})
    # 94: unlink and delete; the person stays.
    okta.scim.delete(f"/Groups/{second}").expect(204)
    assert okta.entry(second) is None and okta.entry(user) is not None
    okta.finish()


def test_saving_the_integration_lists_users_and_groups(okta):
    """Line 87."""
    for query in ("startIndex=1&count=2", "count=1&startIndex=1"):
        assert okta.scim.get(f"/Users?{query}").expect(200)["startIndex"] == 1
    assert isinstance(okta.scim.get("/Groups?startIndex=1&count=100").expect(200)["totalResults"], int)


def test_a_created_person_stands_in_slapd_and_the_password_opens_the_entry(okta):
    """Line 89."""
    body = person(okta)
    user = okta.scim.post("/Users", body).expect(201)["id"]
    entry = okta.entry(user)
    assert (entry["givenName"], entry["sn"], entry["mail"]) == (["Ann"], ["Kiop"], [body["userName"]])
    assert okta.external_id(user) == body["externalId"]
    assert not entry["userPassword"][0].startswith("Secret")
    okta.lab.view(okta.dn(user), "Secret-1 for Ann")


def test_our_own_representation_sent_back_is_no_change(okta):
    """Line 90: including id, meta, groups, emails[].display."""
    user = hire(okta)
    okta.group([user])
    shown = okta.scim.get(f"/Users/{user}").expect(200)
    entry = okta.entry(user)
    body = shown.json | {"emails": [shown["emails"][0] | {"display": None}]}
    assert okta.scim.put(f"/Users/{user}", body).expect(200).etag == shown.etag
    assert okta.entry(user) == entry


@pytest.mark.parametrize("change", [{"active": False}, {"active": "false"}, {"password": "Other-2 for Ann"}])
def test_a_pathless_replace_changes_only_what_it_names(okta, change):
    """Line 90."""
    user = hire(okta)
    before = okta.entry(user)
    okta.scim.patch(f"/Users/{user}", {"op": "replace", "value": change}).expect(200, 204)
    after = okta.entry(user)
    assert [after[n] for n in ("uid", "sn", "mail")] == [before[n] for n in ("uid", "sn", "mail")]
    if "password" in change:
        okta.lab.view(okta.dn(user), change["password"])
    else:
        assert after["kiopsActive"] == ["FALSE"]


def test_a_put_with_active_false_deactivates(okta):
    """Line 90: custom applications use PUT for everything."""
    user = hire(okta)
    resource = okta.scim.get(f"/Users/{user}").json | {"active": False}
    assert okta.scim.put(f"/Users/{user}", resource).expect(200)["active"] is False
    assert okta.entry(user)["kiopsActive"] == ["FALSE"]


def test_a_person_assigned_again_by_post_is_409_and_then_matched(okta):
    """Line 91: an inactive holder of the userName answers 409 uniqueness, never an error over externalId."""
    body = person(okta)
    user = okta.scim.post("/Users", body | {"active": False}).expect(201)["id"]
    assert okta.scim.post("/Users", body).expect(409)["scimType"] == "uniqueness"
    assert lookup(okta, body["userName"]) == [user]
    assert okta.entry(user)["kiopsActive"] == ["FALSE"]


def test_an_import_by_pages_sees_everybody_once(okta):
    """Line 92."""
    wanted = {hire(okta) for _ in range(5)}
    seen, start, total = [], 1, 1
    while start <= total:
        page = okta.scim.get(f"/Users?startIndex={start}&count=100").expect(200).json
        total, seen, start = page["totalResults"], seen + [u["id"] for u in page["Resources"]], start + 100
    assert len(seen) == len(set(seen)) == total and wanted <= set(seen)


# ---- Push Groups (line 94)


def test_a_push_renames_with_its_id_inside_the_value(okta):
    user = hire(okta)
    group, name = okta.group([user]), okta.name("Deck ")
    push = {"op": "replace", "value": {"id": group, "displayName": name}}
    for _ in range(2):  # sent at every membership push
        okta.scim.patch(f"/Groups/{group}", push).expect(200, 204)
    assert (okta.entry(group)["cn"], okta.members(group)) == ([name], {user})


def test_a_push_removes_and_adds_in_one_request(okta):
    gone, stays, comes = hire(okta), hire(okta), hire(okta)
    group = okta.group([gone, stays])
    okta.scim.patch(f"/Groups/{group}", ("remove", f'members[value eq "{gone}"]'),
                    ("add", "members", [{"value": comes, "display": "ann@corp.example"}])).expect(200, 204)
    assert okta.members(group) == {stays, comes}


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_full_push_leaves_exactly_those(okta, kept):
    users = [hire(okta) for _ in range(3)]
    group = okta.group(users[:2])
    value = [{"value": user} for user in users[3 - kept:]]
    okta.scim.patch(f"/Groups/{group}", ("replace", "members", value)).expect(200, 204)
    assert okta.members(group) == set(users[3 - kept:])


def test_a_custom_application_puts_the_whole_group(okta):
    users = [hire(okta) for _ in range(3)]
    group = okta.group(users[:2])
    body = okta.scim.get(f"/Groups/{group}").json
    body["members"] = [{"value": users[1], "display": "kept"}, {"value": users[2], "display": "new"}]
    okta.scim.put(f"/Groups/{group}", body).expect(200)
    assert okta.members(group) == set(users[1:])


def test_an_existing_group_is_linked_by_its_name(okta):
    group = okta.group()
    found = okta.scim.find("Groups", f'displayName eq "{okta.entry(group)["cn"][0]}"')
    assert [g["id"] for g in found] == [group]


# ---- the SPEC test of line 96, in its order; lines 97-101


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """The first user of the directory needs names, `active` and an e-mail (line 98): a directory of its own."""
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("spec"))
    yield Tenant(made, "okta")
    made.close()


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"])
def test_spec_02_04_06_a_post_to_discovery_is_405_before_its_body_is_judged(spec, path):
    refused = spec.scim.call("POST", path, b"test").expect(405)
    assert "GET" in refused.headers["Allow"] and refused["status"] == "405"


def test_spec_01_the_service_provider_config_says_everything(spec):
    config = spec.scim.get("/ServiceProviderConfig").expect(200).json
    assert config["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
    for feature in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
        assert isinstance(config[feature]["supported"], bool)
    for group, name in (("filter", "maxResults"), ("bulk", "maxOperations"), ("bulk", "maxPayloadSize")):
        assert isinstance(config[group][name], int)
    assert config["authenticationSchemes"][0]["type"] and config["authenticationSchemes"][0]["description"]


@pytest.mark.parametrize("path, names", [("/ResourceTypes", ("name", "endpoint", "schema")),
                                         ("/Schemas", ("id", "attributes"))])
def test_spec_03_05_the_other_discovery_lists(spec, path, names):
    listed = spec.scim.get(path).expect(200).json
    assert listed["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert all(listed["Resources"][0][name] for name in names)


def test_spec_07_08_the_first_user_has_what_okta_needs(spec):
    listed = spec.scim.get("/Users?count=1&startIndex=1").expect(200).json
    assert all(isinstance(listed[name], int) for name in ("itemsPerPage", "startIndex", "totalResults"))
    first = listed["Resources"][0]
    alone = spec.scim.get(f"/Users/{first['id']}").expect(200).json
    for user in (first, alone):
        assert user["id"] == first["id"] and user["name"]["familyName"] and user["name"]["givenName"]
        assert user["userName"] and user["active"] is True and user["emails"][0]["value"]


@pytest.mark.parametrize("text", ['emails eq "abcdefgh@atko.com"', 'userName eq "abcdefgh@atko.com"'])
def test_spec_09_11_an_unknown_person_is_an_empty_list(spec, text):
    assert spec.scim.get("/Users", filter=text).expect(200)["totalResults"] == 0


def test_spec_10_an_id_of_thirty_digits_is_404_with_a_detail(spec):
    """Line 102: not a UUID, still 404."""
    refused = spec.scim.get("/Users/010101001010101011001010101011").expect(404)
    assert refused["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"] and refused["detail"]


def test_spec_12_to_14_a_user_posted_without_content_type_keeps_its_letters(spec):
    name = "RUNSCOPE300AnnKiop@EXAMPLE.com"
    body = json.dumps({"schemas": [USER], "userName": name, "name": {"givenName": "ANN", "familyName": "kiOp"},
                       "emails": [{"primary": True, "value": name, "type": "work"}],
                       "displayName": "ANN kiOp", "active": True}).encode()
    made = post_without_type(spec.scim, body).expect(201)
    shown = spec.scim.get(f"/Users/{made['id']}").expect(200).json
    for user in (made.json, shown):
        assert user["active"] is True and user["userName"] == name and USER in user["schemas"]
        assert (user["name"]["givenName"], user["name"]["familyName"]) == ("ANN", "kiOp")
    assert spec.entry(made["id"])["uid"] == [name]
    post_without_type(spec.scim, body).expect(409)


def post_without_type(scim, body):
    headers = {"Authorization": f"Bearer {scim.token}", "Accept": "application/scim+json; charset=utf-8"}
    return scim.bare("POST", "/Users", headers, body)


def test_spec_15_a_lone_word_is_no_filter(spec):
    refused = spec.scim.get("/Users?filter=RUNSCOPE300OKTA@EXAMPLE.COM").expect(400)
    assert refused["scimType"] == "invalidFilter"


def test_spec_16_groups_are_listed(spec):
    listed = spec.scim.get("/Groups").expect(200).json
    assert listed["totalResults"] >= 1 and listed["Resources"][0]["schemas"][0] == GROUP
