"""conformance/checklist.md, L to O: replace, patch, delete, versions. The number in a case's id is its line there; what a
request did is read from slapd."""

import uuid

import pytest
from checklist import lines
from kiopslab.directories import kind
from scim import ENTERPRISE, GROUP, KIOPS_ORGANIZATION, PATCH, USER
from tenant import Tenant, without_server_parts
from test_races import at_once
from test_scim_transport import is_error


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.fixture(scope="module")
def entra(lab):
    return Tenant(lab, "entra")


@pytest.fixture(scope="module")
def strict(lab):
    return Tenant(lab, "strict")


def bad(answer, scim_type, status=400):
    assert is_error(answer, status)["scimType"] == scim_type


BASE = {"title": "T", "nickName": "N", "name": {"givenName": "Ann", "familyName": "Kiop"},
        "emails": [{"value": "w@x", "type": "work"}, {"value": "h@x", "type": "home", "display": "H"}],
        ENTERPRISE: {"department": "Hull", "costCenter": "1"}}


def shown(tenant, user):
    """What a client said, without schemas and userName."""
    said = without_server_parts(tenant.scim.get(f"/Users/{user}").expect(200).json)
    return {name: value for name, value in said.items() if name not in ("schemas", "userName")}


# ---- L. replace


@pytest.mark.line(143)
def test_a_put_clears_what_it_does_not_say_but_active_and_password(ground):
    user = ground.hire(active=False, password="Kept-5ecret", **BASE)
    name, dn = ground.entry(user)["uid"][0], ground.dn(user)
    before = ground.scim.get(f"/Users/{user}")
    answer = ground.scim.put(f"/Users/{user}", {"schemas": [USER], "userName": name, "title": "New"}).expect(200)
    assert answer.etag != before.etag and shown(ground, user) == {"active": False, "title": "New"}
    entry = ground.entry(user)
    assert not {"mail", "givenName", "departmentNumber"} & set(entry)
    if kind() != "389ds":  # which lets nobody in who is inactive
        ground.lab.view(dn, "Kept-5ecret")


@pytest.mark.line(144)
def test_a_put_to_an_unknown_id_makes_nothing(ground):
    name = ground.name()
    is_error(ground.scim.put(f"/Users/{uuid.uuid4()}", {"schemas": [USER], "userName": name}), 404)
    assert ground.scim.find("Users", f'userName eq "{name}"') == []


@pytest.mark.line(145)
def test_a_put_keeps_the_name_unique(ground):
    user, other = ground.hire(), ground.hire()
    name = ground.entry(user)["uid"][0]
    bad(ground.scim.put(f"/Users/{user}", {"schemas": [USER]}), "invalidValue")
    taken = {"schemas": [USER], "userName": ground.entry(other)["uid"][0].upper()}
    bad(ground.scim.put(f"/Users/{user}", taken), "uniqueness", 409)
    assert ground.entry(user)["uid"] == [name]
    ground.scim.put(f"/Users/{user}", {"schemas": [USER], "userName": name.upper()}).expect(200)
    assert ground.entry(user)["uid"] == [name.upper()]


@pytest.mark.line(146, 147, 149)
def test_what_was_read_can_be_sent_back(ground):
    user = ground.hire(**BASE)
    ground.group([user])
    read = ground.scim.get(f"/Users/{user}")
    entry = ground.entry(user)
    for _ in range(2):
        again = ground.scim.put(f"/Users/{user}", read.json | {"id": "other", "groups": [], "meta": {}}).expect(200)
        assert again.json == read.json
    assert ground.entry(user) == entry


@pytest.mark.line(150)
def test_a_put_renames_and_keeps_id_and_memberships(ground):
    user = ground.hire()
    group = ground.lab.organization(managers=[user])["id"]
    ground.scim.put(f"/Users/{user}", {"schemas": [USER], "userName": ground.name("renamed, ")}).expect(200)
    assert ground.members(group) == ground.members(group, "owner") == {user}
    ground.scim.put(f"/Groups/{group}", {"schemas": [GROUP], "displayName": ground.name("re+named ")}).expect(200)
    assert ground.members(group) == ground.members(group, "owner") == {user}
    assert ground.scim.get(f"/Users/{user}")["groups"][0]["display"] == ground.entry(group)["cn"][0]


@pytest.mark.line(56)
def test_a_put_of_members_is_judged_by_value(ground):
    user = ground.hire()
    group = ground.group([user])
    body = ground.scim.get(f"/Groups/{group}").json
    body["members"][0]["$ref"] = "https://elsewhere/Users/" + user
    ground.scim.put(f"/Groups/{group}", body).expect(200, 400)
    assert ground.members(group) == {user}


# ---- M. patch: what is left of BASE afterwards; None = gone

WORK, HOME = BASE["emails"]
PATCHES = [
    (155, {"op": "add", "value": {"nickName": "x", "emails": [{"value": "n@x"}]}},
     {"nickName": "x", "emails": [WORK, HOME, {"value": "n@x"}]}),
    (156, ("add", "title", "x"), {"title": "x"}),
    (156, ("add", "name", {"givenName": "Bea"}), {"name": {"givenName": "Bea", "familyName": "Kiop"}}),
    (157, ("add", "emails", {"value": "n@x"}), {"emails": [WORK, HOME, {"value": "n@x"}]}),
    (157, ("add", "emails", [WORK]), {"emails": [WORK, HOME]}),
    (159, ("replace", 'emails[type eq "work"].value', "n@x"), {"emails": [{"value": "n@x", "type": "work"}, HOME]}),
    (159, ("add", 'emails[type eq "other"].value', "n@x"), {"emails": [WORK, HOME, {"type": "other", "value": "n@x"}]}),
    (160, ("replace", 'emails[type eq "home"]', {"value": "n@x", "type": "home"}),
     {"emails": [WORK, {"value": "n@x", "type": "home"}]}),
    (161, {"op": "replace", "value": {"title": "x", "emails": [{"value": "n@x"}]}},
     {"title": "x", "emails": [{"value": "n@x"}]}),
    (162, {"op": "replace", "value": {"name.givenName": "Bea", f"{ENTERPRISE}:department": "B",
                                      'emails[type eq "work"].value': "n@x"}},
     {"name": {"givenName": "Bea", "familyName": "Kiop"}, ENTERPRISE: {"department": "B", "costCenter": "1"},
      "emails": [{"value": "n@x", "type": "work"}, HOME]}),
    (163, {"op": "replace", "value": {ENTERPRISE: {"department": "B"}}}, {ENTERPRISE: {"department": "B", "costCenter": "1"}}),
    (164, ("replace", "userType", "x"), {"userType": "x"}), (164, ("replace", "emails", []), {"emails": None}),
    (164, ("replace", "emails", [HOME]), {"emails": [HOME]}),
    (164, {"op": "replace", "path": "title", "value": None}, {"title": None}),
    (166, ("remove", "title"), {"title": None}), (166, ("remove", "emails"), {"emails": None}),
    (166, ("remove", 'emails[type eq "home"]'), {"emails": [WORK]}),
    (166, ("remove", 'emails[type eq "home"].display'), {"emails": [WORK, {"value": "h@x", "type": "home"}]}),
    (166, ("remove", "name.givenName"), {"name": {"familyName": "Kiop"}}),
    (166, ("remove", ENTERPRISE), {ENTERPRISE: None}),
    (168, ("remove", 'emails[type eq "fax"]'), {}), (168, ("remove", "userType"), {}),
    (172, ("add", 'addresses[type eq "work" and primary eq true].streetAddress', "S"),
     {"addresses": [{"type": "work", "primary": True, "streetAddress": "S"}]}),
    (172, ("replace", USER + ':emails[type eq "work"].value', "n@x"), {"emails": [{"value": "n@x", "type": "work"}, HOME]}),
    (173, ("Replace", 'Emails[Type Eq "work"].Value', "n@x"), {"emails": [{"value": "n@x", "type": "work"}, HOME]}),
    (174, ("add", "emails", [{"value": "n@x", "primary": True}]), {"emails": [WORK, HOME, {"value": "n@x", "primary": True}]}),
    (175, ("replace", "active", "False"), {"active": False}),
    (176, ("replace", "active", [{"value": False}]), {"active": False}),
    (176, ("replace", "title", {"value": "x"}), {"title": "x"}),
    (55, {"op": "replace", "value": {"id": "x", "schemas": [USER], "meta": {}, "title": "x"}}, {"title": "x"}),
    (214, ("add", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division", "D"),
     {ENTERPRISE: {"department": "Hull", "costCenter": "1", "division": "D"}}),
]


@pytest.mark.parametrize("operation, change", lines(*PATCHES))
def test_an_operation_has_its_effect_and_no_other(ground, operation, change):
    user = ground.hire(**BASE)
    answer = ground.scim.patch(f"/Users/{user}", operation).expect(200)
    wanted = {k: v for k, v in (BASE | {"active": True} | change).items() if v is not None}
    assert shown(ground, user) == wanted
    assert answer.etag == answer["meta"]["version"] == ground.scim.get(f"/Users/{user}").etag
    mails = [item["value"] for item in wanted.get("emails", ())]
    assert sorted(ground.entry(user).get("mail", ())) == sorted(mails)
    assert (ENTERPRISE in answer["schemas"]) == (ENTERPRISE in wanted)  # line 214


REFUSED = [  # line, operation, scimType
    (152, ("move", "title", "x"), "invalidSyntax"), (155, {"op": "add", "value": "x"}, "invalidValue"),
    (155, {"op": "add", "value": [{"title": "x"}]}, "invalidValue"),
    (159, ("replace", 'emails[type eq "fax"].value', "x"), "noTarget"),
    (165, ("remove",), "noTarget"), (167, ("remove", "userName"), "mutability"),
    (164, ("replace", "userName", None), None),
    (164, ("replace", "userName", ""), "invalidValue"), (171, ("add", "emails[", "x"), None),
    (171, ("add", "a..b", "x"), "invalidPath"),
    (171, ("add", "[x]", "x"), "invalidPath"), (171, ("add", " ", "x"), "invalidPath"),
    (171, ("add", "shoeSize", "x"), "invalidPath"),
    (171, ("remove", "emails[value eq]"), "invalidFilter"), (180, ("replace", "id", "x"), "mutability"),
    (180, ("replace", "meta.created", "2011-05-13T04:42:34Z"), "mutability"),
    (180, ("add", "groups", [{"value": "x"}]), "mutability"),
    (67, ("add", ENTERPRISE + ":manager", "nobody"), "invalidValue"),
    (53, ("replace", "active", "maybe"), "invalidValue"),
    (53, ("replace", "title", {"x": 1}), "invalidValue"), (60, ("add", "emails", [{"value": "1", "primary": True},
                                                                                  {"value": "2", "primary": True}]), "invalidValue"),
]


@pytest.mark.parametrize("operation, scim_type", lines(*REFUSED))
@pytest.mark.line(154)
def test_one_bad_operation_undoes_the_good_ones(ground, operation, scim_type):
    """Line 154: nothing is changed, neither in the answer nor in slapd."""
    user = ground.hire(**BASE)
    entry = ground.entry(user)
    refused = is_error(ground.scim.patch(f"/Users/{user}", ("replace", "title", "half done"), operation,
                                         ("replace", "userName", ground.name())), 400)
    assert scim_type in (None, refused["scimType"])
    assert ground.entry(user) == entry


BODIES = [  # line, body, default, strict; None = 400
    (151, {"schemas": [PATCH]}, None, None), (151, {"schemas": [PATCH], "Operations": {}}, None, None),
    (151, {"schemas": [PATCH], "Operations": []}, 200, None),
    (151, {"Operations": [{"op": "add", "path": "title", "value": "x"}]}, 200, None),
    (151, {"schemas": [PATCH], "operations": [{"op": "add", "path": "title", "value": "x"}]}, 200, 200),
    (151, {"schemas": [USER], "Operations": [{"op": "add", "path": "title", "value": "x"}]}, 200, None),
    (152, {"schemas": [PATCH], "Operations": ["x"]}, None, None), (181, {"schemas": [PATCH], "Operations": [
        {"op": "add", "path": "title", "value": str(n)} for n in range(1000)]}, 200, 200),
]


@pytest.mark.parametrize("body, lenient, severe", lines(*BODIES))
def test_a_patch_body_is_taken_or_refused_by_profile(ground, strict, body, lenient, severe):
    for tenant, wanted in ((ground, lenient), (strict, severe)):
        answer = tenant.scim.call("PATCH", f"/Users/{tenant.hire()}", body)
        assert answer.status == (wanted or 400), answer.text
        assert wanted or answer["scimType"] == "invalidSyntax"


@pytest.mark.line(181)
def test_too_many_operations_are_413(ground):
    operation = {"op": "add", "path": "title", "value": "x"}
    is_error(ground.scim.patch(f"/Users/{ground.hire()}", *[operation] * 5001), 413)


@pytest.mark.parametrize("profile, status", [("default", 200), ("entra", 204)])
@pytest.mark.line(153, 87)
def test_the_answer_to_a_patch(ground, entra, profile, status):
    tenant = ground if profile == "default" else entra
    group, user = tenant.group(), tenant.hire()
    add = ("add", "members", [{"value": user}])
    answer = tenant.scim.patch(f"/Groups/{group}", add).expect(status)
    assert answer.etag == tenant.scim.get(f"/Groups/{group}").etag and (status == 200 or answer.text == b"")
    tenant.scim.patch(f"/Users/{user}", ("add", "title", "x")).expect(200)
    named = tenant.scim.patch(f"/Groups/{group}?attributes=displayName", add).expect(200)
    assert set(named.json) == {"schemas", "id", "displayName"}
    for path, operation in ((f"/Users/{user}", ("add", "title", "y")), (f"/Groups/{group}", add)):
        minimal = tenant.scim.patch(path, operation, headers={"Prefer": "return=minimal"}).expect(204)
        assert (minimal.text, minimal.headers["Preference-Applied"]) == (b"", "return=minimal") and minimal.etag


@pytest.mark.line(159)
def test_a_typed_value_that_is_not_there_is_made_for_entra_alone(ground, entra):
    operation = ("replace", 'emails[type eq "work"].value', "n@x")
    bad(ground.scim.patch(f"/Users/{ground.hire()}", operation), "noTarget")
    user = entra.hire()
    entra.scim.patch(f"/Users/{user}", operation).expect(200)
    assert entra.entry(user)["mail"] == ["n@x"]


@pytest.mark.line(171)
def test_an_unknown_path_is_ignored_for_entra_alone(entra):
    user = entra.hire()
    entra.scim.patch(f"/Users/{user}", ("Add", "shoeSize", "43"), ("Add", "title", "x"), ("Add", "groups", "y")).expect(200)
    assert entra.entry(user)["title"] == ["x"]


@pytest.mark.line(174)
def test_one_primary(ground):
    user = ground.hire(emails=[{"value": "a@x", "primary": True}, {"value": "b@x"}])
    ground.scim.patch(f"/Users/{user}", ("replace", 'emails[value eq "b@x"].primary', True)).expect(200)
    emails = ground.scim.get(f"/Users/{user}")["emails"]
    assert [item.get("primary", False) for item in emails] == [False, True]


@pytest.mark.line(178)
def test_a_patched_name_stays_unique(ground):
    user, other = ground.hire(), ground.hire()
    name, taken = ground.entry(user)["uid"][0], ground.entry(other)["uid"][0]
    bad(ground.scim.patch(f"/Users/{user}", ("replace", "userName", taken.upper())), "uniqueness", 409)
    ground.scim.patch(f"/Users/{user}", ("replace", "userName", name.upper())).expect(200)
    assert ground.entry(user)["uid"] == [name.upper()]
    group, held = ground.group(), ground.entry(ground.group())["cn"][0]
    bad(ground.scim.patch(f"/Groups/{group}", ("replace", "displayName", held.upper())), "uniqueness", 409)


@pytest.mark.parametrize("body", [b"{", b'{"Operations":[{"op":"x"}]}', None])
@pytest.mark.line(179)
def test_an_unknown_id_is_404_before_the_body_is_judged(ground, body):
    for kind in ("Users", "Groups"):
        is_error(ground.scim.call("PATCH", f"/{kind}/{uuid.uuid4()}", body or {"schemas": [PATCH], "Operations": []}), 404)


@pytest.mark.parametrize("operations", lines((182, []), (182, [("replace", "title", "T"), ("add", "emails", [WORK])]),
                                             (182, [("remove", "userType"), ("add", "nickName", "N")])))
def test_a_patch_without_effect_moves_no_version(ground, operations):
    user = ground.hire(**BASE)
    before, entry = ground.scim.get(f"/Users/{user}"), ground.entry(user)
    after = ground.scim.patch(f"/Users/{user}", *operations).expect(200)
    assert (after.json, after.etag, ground.entry(user)) == (before.json, before.etag, entry)


# ---- N. delete


@pytest.mark.line(183, 69)
def test_a_deleted_user_is_gone_everywhere(ground):
    user = ground.hire()
    group = ground.group([user])
    path = f"/Users/{user}"
    assert ground.scim.delete(path).expect(204).text == b""
    for answer in (ground.scim.delete(path), ground.scim.get(path), ground.scim.put(path, {"schemas": [USER], "userName": "x"}),
                   ground.scim.patch(path, ("add", "title", "x"))):
        is_error(answer, 404)
    assert ground.scim.find("Users", f'id eq "{user}"') == [] and ground.scim.get(f"/Groups/{group}")["members"] == []
    assert ground.members(group) == set()


@pytest.mark.line(185)
def test_a_deleted_group_leaves_its_members(ground):
    users = [ground.hire() for _ in range(3)]
    group = ground.lab.organization(members=users[1:], managers=users[:1])["id"]
    ground.scim.delete(f"/Groups/{group}").expect(204)
    assert ground.entry(group) is None
    for user in users:
        assert not {"kiopsJoined", "kiopsManager"} & set(ground.entry(user))
        assert "groups" not in ground.scim.get(f"/Users/{user}").json
    for kind in ("Users", "Groups"):
        is_error(ground.scim.delete(f"/{kind}"), 405)


# ---- O. versions


@pytest.fixture(params=["Users", "Groups"])
def versioned(request, ground):
    """(path, an operation that changes it)"""
    if request.param == "Users":
        return f"/Users/{ground.hire()}", lambda: ("replace", "title", ground.name())
    return f"/Groups/{ground.group()}", lambda: ("replace", f"{KIOPS_ORGANIZATION}:description", ground.name())


@pytest.mark.line(186)
def test_a_version_moves_with_every_change(ground):
    user, group = ground.hire(), ground.group()
    tags = [ground.scim.get(f"/Groups/{group}").etag]
    user_tag = ground.scim.get(f"/Users/{user}").etag
    for operation in (("add", "members", [{"value": user}]), ("add", f"{KIOPS_ORGANIZATION}:managers", [{"value": user}]),
                      ("replace", "displayName", ground.name("Moored "))):
        answer = ground.scim.patch(f"/Groups/{group}", operation).expect(200)
        tags.append(answer.etag)
        assert answer.etag == answer["meta"]["version"] == ground.scim.get(f"/Groups/{group}").etag
    assert len(set(tags)) == 4 and all(tag.startswith('W/"') for tag in tags)
    assert ground.scim.get(f"/Users/{user}").etag == user_tag  # a user's version leaves out groups and roles


@pytest.mark.parametrize("tag, status", lines((187, "{tag}", 304), (187, '"x", {tag}', 304), (187, "*", 304),
                                              (187, '"x"', 200),
                                              (187, "{strong}", 304), ("A24", '"unterminated', 200),
                                              ("A24", ",".join(f'"{n}"' for n in range(2000)), 200)))
def test_if_none_match_saves_the_body(ground, versioned, tag, status):
    current = ground.scim.get(versioned[0]).etag
    tag = tag.format(tag=current, strong=current.removeprefix("W/"))
    answer = ground.scim.get(versioned[0], headers={"If-None-Match": tag}).expect(status, 400 if "unt" in tag else status)
    assert status == 200 or (answer.text, answer.etag) == (b"", current)


@pytest.mark.parametrize("tag, status", lines((188, "{tag}", 200), (188, "*", 200), (188, 'W/"stale"', 412),
                                              (189, "{strong}", 200),
                                              (189, "malformed", 412), (188, '"x", {tag}', 200)))
def test_if_match_guards_a_patch(ground, versioned, tag, status):
    path, operation = versioned
    current = ground.scim.get(path)
    tag = tag.format(tag=current.etag, strong=current.etag.removeprefix("W/"))
    answer = ground.scim.patch(path, operation(), headers={"If-Match": tag}).expect(status, 400 if tag == "malformed" else status)
    assert status == 200 or (is_error(answer, answer.status) and ground.scim.get(path).json == current.json)


@pytest.mark.line(184, 188, 191)
def test_if_match_guards_put_and_delete(ground, versioned):
    path, operation = versioned
    old = ground.scim.get(path)
    fresh = ground.scim.patch(path, operation()).expect(200)
    stale = {"headers": {"If-Match": old.etag}}
    is_error(ground.scim.put(path, old.json, **stale), 412)
    is_error(ground.scim.delete(path, **stale), 412)
    is_error(ground.scim.put(path, old.json, headers={"If-None-Match": "*"}), 412)
    is_error(ground.scim.delete(path, headers={"If-None-Match": fresh.etag}), 412)
    assert ground.scim.get(path).json == fresh.json
    ground.scim.put(path, old.json, headers={"If-Match": fresh.etag}).expect(200)
    ground.scim.delete(path, headers={"If-Match": ground.scim.get(path).etag}).expect(204)
    is_error(ground.scim.patch(path, operation(), headers={"If-Match": "*"}), ground.scim.get(path).status)


@pytest.mark.line(190)
def test_of_two_with_one_if_match_one_wins(ground, versioned):
    path, operation = versioned
    tag = {"If-Match": ground.scim.get(path).etag}
    answers = at_once(*[lambda: ground.scim.patch(path, operation(), headers=tag)] * 4)
    assert sorted(a.status for a in answers) == [200, 412, 412, 412], [a.text for a in answers]


@pytest.mark.line(191)
def test_if_match_on_a_post_is_ignored(ground):
    body = {"schemas": [USER], "userName": ground.name()}
    ground.scim.post("/Users", body, headers={"If-Match": 'W/"x"'}).expect(201)


@pytest.mark.line(190)
def test_members_and_a_version_are_compared_too(ground):
    """A membership change of a group moves its version: a PATCH that saw the old one is refused whole."""
    users, group = [ground.hire() for _ in range(2)], ground.group()
    tag = {"If-Match": ground.scim.get(f"/Groups/{group}").etag}
    ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": users[0]}]), headers=tag).expect(200)
    is_error(ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": users[1]}]), headers=tag), 412)
    assert ground.members(group) == {users[0]}
