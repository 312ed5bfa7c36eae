"""Memberships as resources (INTERFACES 1.1): requests of tokens, what the directory holds afterwards, lists."""

import pytest
from lab import eventually
from scim import PATCH, REFUSAL
from tenant import Tenant
from test_scim_transport import is_error

MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
PERMISSIONS = ["infra", "service", "backup", "device", "database", "vpn", "audit"]


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.fixture(scope="module")
def pusher(lab):
    """A provider whose adds become requests."""
    return Tenant(lab, "default", "--push-mode", "request")


def body(organization, user=None, **more):
    named = {"user": {"value": user}} if user else {}
    return {"schemas": [MEMBERSHIP], "organization": {"value": organization}, **named, **more}


def refused(answer, status, rule):
    is_error(answer, status)
    assert answer.rule == rule, answer.text


@pytest.fixture
def hull(ground):
    """An organization with a Manager, and somebody who is nowhere."""
    manager, outsider = ground.hire(), ground.hire(emails=[{"value": f"{ground.name('out')}@x.example", "primary": True}])
    group = ground.group([manager])
    ground.scim.patch(f"/Memberships/{group}.{manager}", ("replace", "role", "Manager")).expect(200)
    return {"group": group, "manager": manager, "outsider": outsider, "id": f"{group}.{outsider}"}


def held(ground, user, attribute, organization):
    """What the user's entry says of that organization in slapd."""
    return sorted(v for v in ground.entry(user).get(attribute, ()) if v.startswith(organization))


def test_an_added_member_stands_in_both_entries(ground, hull):
    made = ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    assert made.json["schemas"] == [MEMBERSHIP] and made["id"] == hull["id"]
    assert made.headers["Location"] == made["meta"]["location"] == f"{ground.scim.url}/Memberships/{hull['id']}"
    assert made.headers["ETag"] == made["meta"]["version"] and made["meta"]["resourceType"] == "Membership"
    assert (made["status"], made["role"], made["organizationRole"]) == ("active", "Member", "Member")
    assert "permissions" not in made.json and made["joinDate"] == made["meta"]["created"]
    user = ground.scim.get(f"/Users/{hull['outsider']}")
    group = ground.scim.get(f"/Groups/{hull['group']}")
    assert made["user"] == {"value": user["id"], "$ref": user["meta"]["location"], "display": user["userName"],
                            "userName": user["userName"], "email": user["emails"][0]["value"], "active": True}
    assert made["organization"] == {"value": group["id"], "$ref": group["meta"]["location"], "display": group["displayName"]}
    assert hull["outsider"] in ground.members(hull["group"])
    assert len(held(ground, hull["outsider"], "kiopsJoined", hull["group"])) == 1
    assert ground.scim.get(f"/Memberships/{hull['id']}").expect(200).json == made.json
    is_error(ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])), 409, "uniqueness")


def test_a_role_and_permissions_come_with_the_membership(ground, hull):
    made = ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], role="Manager",
                                                 permissions=["vpn", "infra"])).expect(201)
    assert (made["role"], made["permissions"]) == ("Manager", ["infra", "vpn"])
    assert hull["outsider"] in ground.members(hull["group"], "owner")
    assert held(ground, hull["outsider"], "kiopsManager", hull["group"]) == [hull["group"]]
    assert held(ground, hull["outsider"], "kiopsPermission", hull["group"]) == [
        f"{hull['group']}:infra", f"{hull['group']}:vpn"]


@pytest.mark.parametrize("more, rule", [({"role": "Viewer"}, "KB-R01"), ({"role": "manager"}, "KB-R01"),
                                        ({"permissions": ["root"]}, "KB-R14"), ({"permissions": ["VPN"]}, "KB-R14")], ids=str)
def test_names_that_are_none_refuse_the_whole(ground, hull, more, rule):
    answer = ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], **more))
    refused(answer, 400, rule)
    assert answer["scimType"] == "invalidValue" and hull["outsider"] not in ground.members(hull["group"])


@pytest.mark.parametrize("sent, scim_type", [({}, "invalidValue"), ({"organization": {}}, "invalidValue"),
                                             ({"organization": 5, "user": {"value": "y"}}, "invalidValue"),
                                             ({"organization": {"value": "x"}}, "invalidValue")], ids=str)
def test_what_names_nothing_is_refused(ground, sent, scim_type):
    is_error(ground.scim.post("/Memberships", {"schemas": [MEMBERSHIP], **sent}), 400, scim_type)


def test_unknown_ids(ground, hull):
    nobody = "00000000-0000-4000-8000-000000000000"
    is_error(ground.scim.post("/Memberships", body(hull["group"], nobody)), 400, "invalidValue")
    for organization in (nobody, "x"):
        is_error(ground.scim.post("/Memberships", body(organization, hull["outsider"])), 404)
    for path in (hull["id"], f"{hull['group']}.{nobody}", f"{nobody}.{hull['manager']}", hull["group"], "x.y", "a.b.c", "."):
        for answer in (ground.scim.get(f"/Memberships/{path}"), ground.scim.delete(f"/Memberships/{path}"),
                       ground.scim.patch(f"/Memberships/{path}", ("replace", "role", "Member"))):
            is_error(answer, 404)
            assert REFUSAL not in answer.json


# ---- role and permissions


def test_promote_and_demote(ground, hull):
    path = f"/Memberships/{hull['id']}"
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], permissions=["vpn"])).expect(201)
    made = ground.scim.patch(path, ("replace", "role", "Manager")).expect(200)
    assert (made["role"], made["permissions"]) == ("Manager", ["vpn"])  # KB-R06: promotion keeps permissions
    assert ground.scim.patch(path, ("replace", "role", "Manager")).expect(200).json == made.json
    assert hull["outsider"] in ground.members(hull["group"], "owner")
    back = ground.scim.put(path, body(hull["group"], hull["outsider"], role="Member")).expect(200)
    assert (back["role"], back["permissions"]) == ("Member", ["vpn"])  # KB-R06: so does demotion; absent in PUT is unchanged
    assert hull["outsider"] not in ground.members(hull["group"], "owner")
    refused(ground.scim.patch(f"/Memberships/{hull['group']}.{hull['manager']}", ("replace", "role", "Member")), 409, "KB-R07")
    refused(ground.scim.delete(f"/Memberships/{hull['group']}.{hull['manager']}"), 409, "KB-R07")


CHANGES = [([("replace", "permissions", ["audit", "infra"])], ["infra", "audit"]), ([("add", "permissions", ["vpn"])], ["backup", "vpn"]),
           ([("add", "permissions", "vpn")], ["backup", "vpn"]), ([("remove", "permissions")], None),
           ([("remove", 'permissions[value eq "backup"]')], None), ([("remove", "permissions", ["backup"])], None),
           ([("replace", None, {"permissions": ["device"]})], ["device"]), ([("replace", "permissions", [])], None),
           ([("add", "permissions", PERMISSIONS[::-1])], PERMISSIONS),
           ([("add", "permissions", ["vpn"]), ("remove", 'permissions[value eq "backup"]')], ["vpn"])]


@pytest.mark.parametrize("operations, wanted", CHANGES, ids=str)
def test_permissions_change(ground, hull, operations, wanted):
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], permissions=["backup"])).expect(201)
    changed = ground.scim.patch(f"/Memberships/{hull['id']}", *operations).expect(200)
    assert changed.json.get("permissions") == wanted
    assert held(ground, hull["outsider"], "kiopsPermission", hull["group"]) == sorted(
        f"{hull['group']}:{p}" for p in wanted or ())
    again = ground.scim.patch(f"/Memberships/{hull['id']}", ("replace", "permissions", wanted or [])).expect(200)
    assert again["meta"]["version"] == changed["meta"]["version"]


def test_a_put_with_an_empty_list_of_permissions_leaves_none(ground, hull):
    """Absent is unchanged; what was read, without its last permission, is no absence."""
    shown = ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], permissions=["vpn", "audit"])).expect(201).json
    path = f"/Memberships/{hull['id']}"
    for wanted in (["audit"], []):
        shown = ground.scim.put(path, shown | {"permissions": wanted}).expect(200).json
        assert shown.get("permissions", []) == wanted
        assert held(ground, hull["outsider"], "kiopsPermission", hull["group"]) == [f"{hull['group']}:{p}" for p in wanted]
    ground.scim.delete(path).expect(204)
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], permissions=[])).expect(201)


def test_what_is_immutable_or_read_only(ground, hull):
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    other = ground.group()
    path = f"/Memberships/{hull['id']}"
    for operation in (("replace", "organization.value", other), ("replace", "user.value", hull["manager"]),
                      ("replace", "joinDate", "2020-01-01T00:00:00Z"), ("replace", "organizationRole", "Manager")):
        is_error(ground.scim.patch(path, operation), 400, "mutability")
    for status in ("pending", "rejected"):
        is_error(ground.scim.patch(path, ("replace", "status", status)), 400, "invalidValue")
    is_error(ground.scim.patch(path, ("replace", "status", "gone")), 400, "invalidValue")


def test_versions_guard_changes(ground, hull):
    made = ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    path, old = f"/Memberships/{hull['id']}", made["meta"]["version"]
    assert ground.scim.get(path, headers={"If-None-Match": old}).status == 304
    new = ground.scim.patch(path, ("add", "permissions", ["vpn"]), headers={"If-Match": old}).expect(200)["meta"]["version"]
    assert new != old
    is_error(ground.scim.patch(path, ("add", "permissions", ["audit"]), headers={"If-Match": old}), 412)
    is_error(ground.scim.delete(path, headers={"If-Match": old}), 412)
    ground.scim.delete(path, headers={"If-Match": new}).expect(204)


def test_removal_ends_this_membership_alone(ground, hull):
    other = ground.group([hull["outsider"]])
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"], role="Manager", permissions=PERMISSIONS)).expect(201)
    ground.scim.delete(f"/Memberships/{hull['id']}").expect(204)
    is_error(ground.scim.get(f"/Memberships/{hull['id']}"), 404)
    is_error(ground.scim.delete(f"/Memberships/{hull['id']}"), 404)
    for attribute in ("kiopsJoined", "kiopsManager", "kiopsPermission"):
        assert not held(ground, hull["outsider"], attribute, hull["group"])
    assert ground.scim.get(f"/Memberships/{other}.{hull['outsider']}").expect(200)["status"] == "active"


def test_a_token_ends_no_more_memberships_than_it_may(lab, ground, hull):
    """KB-R20: a door like any other."""
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    token = lab.new_token(f"careful{lab.number()}", "PlatformAdmin", "--option", "max_removals=0", "--option", "write_roles=yes")
    refused(lab.client(token).delete(f"/Memberships/{hull['id']}"), 409, "KB-R20")
    role = f'roles[value eq "Member@{hull["group"]}"]'
    refused(lab.client(token).patch(f"/Users/{hull['outsider']}", ("remove", role)), 409, "KB-R20")
    assert hull["outsider"] in ground.members(hull["group"])
    lab.client(token).patch(f"/Memberships/{hull['id']}", ("add", "permissions", ["vpn"])).expect(200)


# ---- PlatformAdmin


def test_platform_admin_is_the_highest_role(lab, ground, hull):
    path = f"/Memberships/{hull['id']}"
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    made = ground.scim.patch(path, ("replace", "role", "PlatformAdmin")).expect(200)
    assert (made["role"], made["organizationRole"]) == ("PlatformAdmin", "Member")
    assert ground.scim.get(f"/Users/{hull['outsider']}")["roles"][0]["value"] == "PlatformAdmin"
    manager = lab.client(lab.new_token(f"m{lab.number()}", "Manager", "--organization", hull["group"]))
    refused(manager.delete(path), 403, "KB-R03")
    refused(manager.patch(path, ("add", "permissions", ["vpn"])), 403, "KB-R03")
    back = ground.scim.patch(path, ("replace", "role", "Manager")).expect(200)
    assert (back["role"], back["organizationRole"]) == ("Manager", "Manager")
    assert not [v for v in ground.entry(hull["outsider"])["kiopsJoined"] if v.startswith("platform:")]


# ---- approvals


@pytest.fixture
def asked(ground, pusher, hull):
    made = pusher.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    assert made["status"] == "pending" and "role" not in made.json and made["requestedAt"] == made["meta"]["created"]
    assert hull["outsider"] not in ground.members(hull["group"])
    return hull


def manager_of(lab, group):
    return lab.client(lab.new_token(f"m{lab.number()}", "Manager", "--organization", group))


def test_a_manager_approves(lab, ground, asked):
    manager = manager_of(lab, asked["group"])
    path = f"/Memberships/{asked['id']}"
    made = manager.patch(path, ("replace", "status", "active")).expect(200)
    assert (made["status"], made["role"]) == ("active", "Member") and "requestedAt" not in made.json
    assert asked["outsider"] in ground.members(asked["group"])
    assert not held(ground, asked["outsider"], "kiopsRequest", asked["group"])
    assert manager.patch(path, ("replace", "status", "active")).expect(200).json == made.json  # a member already
    manager.patch(path, ("add", "permissions", ["vpn"])).expect(200)  # KB-R06
    refused(manager.patch(path, ("replace", "role", "Manager")), 403, "KB-R02")
    manager.delete(path).expect(204)


def test_a_manager_rejects_and_the_person_may_ask_again(lab, ground, pusher, asked):
    manager = manager_of(lab, asked["group"])
    path = f"/Memberships/{asked['id']}"
    manager.delete(path).expect(204)
    assert len(held(ground, asked["outsider"], "kiopsRejected", asked["group"])) == 1
    rejected = ground.scim.get(path).expect(200)
    assert rejected["status"] == "rejected" and rejected["rejectedAt"]
    in_group = f'organization.value eq "{asked["group"]}"'
    assert asked["id"] not in [m["id"] for m in ground.scim.find("Memberships", in_group)]
    assert [m["id"] for m in ground.scim.find("Memberships", in_group + ' and status eq "rejected"')] == [asked["id"]]
    is_error(ground.scim.delete(path), 404)
    refused(manager.patch(path, ("replace", "status", "active")), 409, "KB-R11")
    # KB-R20: a push does not ask again so soon; it is told what is so.
    again = pusher.scim.post("/Memberships", body(asked["group"], asked["outsider"])).expect(201)
    assert again["status"] == "rejected" and not held(ground, asked["outsider"], "kiopsRequest", asked["group"])


def test_a_request_does_not_repeat_itself(pusher, asked):
    before = pusher.scim.get(f"/Memberships/{asked['id']}").expect(200)
    again = pusher.scim.post("/Memberships", body(asked["group"], asked["outsider"])).expect(201)
    assert again["requestedAt"] == before["requestedAt"]


def test_an_admin_adds_who_has_asked(ground, asked):
    made = ground.scim.post("/Memberships", body(asked["group"], asked["outsider"])).expect(201)
    assert made["status"] == "active" and not held(ground, asked["outsider"], "kiopsRequest", asked["group"])


def test_a_request_for_more_is_judged_whole(ground, pusher, hull):
    answer = pusher.scim.post("/Memberships", body(hull["group"], hull["outsider"], permissions=["vpn"]))
    assert answer.status == 409 and not held(ground, hull["outsider"], "kiopsRequest", hull["group"])


# ---- lists


@pytest.fixture(scope="module")
def crowd(ground, pusher):
    """Two organizations: eight members of whom one is Manager, one inactive; two requests."""
    stem = ground.name("list")
    people = [ground.hire(userName=f"{stem}-{n}", displayName=f"Person {9 - n} {stem}",
                          emails=[{"value": f"{stem}-{(n * 7) % 10}@mail.example", "type": "work"}]) for n in range(10)]
    first, second = ground.group(people[:6], displayName=f"{stem} one"), ground.group(people[4:8], displayName=f"{stem} two")
    for user, permissions in ((people[0], ["vpn", "audit"]), (people[1], ["vpn"])):
        ground.scim.patch(f"/Memberships/{first}.{user}", ("add", "permissions", permissions)).expect(200)
    ground.scim.patch(f"/Memberships/{first}.{people[2]}", ("replace", "role", "Manager")).expect(200)
    ground.scim.patch(f"/Users/{people[3]}", ("replace", "active", False)).expect(200)
    for user in people[8:]:
        pusher.scim.post("/Memberships", body(first, user)).expect(201)
    return {"stem": stem, "people": people, "first": first, "second": second}


FILTERS = [  # filter, the numbers of those who match, in the first organization
    ("", "0123456789"[:6] + "89"), ('status eq "active"', "012345"), ('status eq "pending"', "89"), ('status eq "rejected"', ""),
    ('role eq "Manager"', "2"), ('role eq "Member"', "01345"), ("not (role pr)", "89"), ('organizationRole ne "Manager"', "01345" + "89"),
    ('permissions eq "vpn"', "01"), ('permissions[value eq "audit"]', "0"), ('permissions eq "vpn" and permissions eq "audit"', "0"),
    ("permissions pr", "01"), ("not (permissions pr) and role pr", "2345"), ("user.active eq false", "3"), ("user.active eq true", "012458" + "9"),
    ('user.userName co "-1"', "1"), ('user.email co "-7@mail"', "1"), ('user.email sw "{stem}-4"', "2"), ('user.display co "person 8"', "1"),
    ('user.value eq "{u5}"', "5"), ('joinDate gt "2020-01-01T00:00:00Z"', "012345"), ("requestedAt pr", "89"), ("joinDate pr", "012345"),
    ('organization.display eq "{STEM} ONE"', "01234589"), ('USER.USERNAME EW "-9"', "9"), ('id eq "{first}.{u4}"', "4"),
    ('meta.resourceType eq "Membership" and user.userName ew "-0"', "0"), ('schemas eq "' + MEMBERSHIP + '" and role eq "Manager"', "2"),
]


@pytest.mark.parametrize("text, wanted", FILTERS)
def test_a_filter_finds_exactly_these(ground, crowd, text, wanted):
    people = {f"u{n}": user for n, user in enumerate(crowd["people"])}
    text = text.format(**crowd, **people, STEM=crowd["stem"].upper()) if text else ""
    text = f'organization.value eq "{crowd["first"]}"' + (f" and ({text})" if text else "")
    found = ground.scim.find("Memberships", text, count=100)
    assert "".join(sorted(m["user"]["userName"][-1] for m in found)) == "".join(sorted(wanted))


ORDERS = [("user.email", "0378142596"), ("user.display", "9876543210"), ("user.userName", "0123456789"), ("role", "0134526789"),
          ("joinDate", "")]


@pytest.mark.parametrize("by", ["user.email", "user.display", "user.userName", "role", "joinDate"])
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_an_order(ground, crowd, by, order):
    found = ground.scim.find("Memberships", f'organization.value eq "{crowd["first"]}"', sortBy=by, sortOrder=order, count=100)
    rank = {"Member": 1, "Manager": 2, "PlatformAdmin": 3}

    def key(m):
        if by == "role":
            return rank.get(m.get("role"), None)
        name, _, sub = by.partition(".")
        value = m.get(name, {}) if sub else m.get(name)
        return value.get(sub).lower() if sub else value
    keys = [key(m) for m in found]
    valued = [k for k in keys if k is not None]
    assert len(found) == 8 and valued == sorted(valued, reverse=order == "descending")
    bare = len(keys) - len(valued)
    assert keys == ([*valued, *[None] * bare] if order == "ascending" else [*[None] * bare, *valued])


def test_pages_and_cursors_hold_each_once(ground, crowd):
    text = f'organization.display sw "{crowd["stem"]}"'
    whole = [m["id"] for m in ground.scim.find("Memberships", text, count=100)]
    assert len(whole) == 12 and whole == sorted(whole)
    for sort in ({}, {"sortBy": "user.email"}, {"sortBy": "role", "sortOrder": "descending"}):
        all_of = [m["id"] for m in ground.scim.find("Memberships", text, count=100, **sort)]
        by_index = [m["id"] for n in range(1, 13, 5) for m in ground.scim.find("Memberships", text, startIndex=n, count=5, **sort)]
        seen, cursor = [], ""
        while cursor is not None:
            page = ground.scim.get("/Memberships", filter=text, cursor=cursor, count=5, **sort).expect(200).json
            seen += [m["id"] for m in page["Resources"]]
            cursor = page.get("nextCursor")
            assert page["totalResults"] == 12
        assert all_of == by_index == seen and sorted(seen) == whole


def test_the_page_s_two_queries(lab, ground, crowd):
    manager = manager_of(lab, crowd["first"])
    text = (f'organization.value eq "{crowd["first"]}" and status eq "active" and '
            f'(user.email co "mail.example" or user.display co "mail.example")')
    page = manager.get("/Memberships", filter=text, sortBy="role", sortOrder="descending", count=3).expect(200)
    assert page["totalResults"] == 6 and page["Resources"][0]["role"] == "Manager"
    pending = manager.get("/Memberships", filter=f'organization.value eq "{crowd["first"]}" and status eq "pending"', count=0)
    assert pending.expect(200)["totalResults"] == 2
    assert ground.scim.get(f"/Groups/{crowd['first']}", attributes="urn:kiops:params:scim:schemas:extension:2.0:Organization:pending"
                           )["urn:kiops:params:scim:schemas:extension:2.0:Organization"]["pending"] == 2


def test_views(lab, crowd):
    manager = manager_of(lab, crowd["second"])
    assert {m["organization"]["value"] for m in manager.get("/Memberships", count=100)["Resources"]} == {crowd["second"]}
    hidden, unknown = f"{crowd['first']}.{crowd['people'][0]}", f"{crowd['first']}.00000000-0000-4000-8000-000000000000"
    answers = [manager.get(f"/Memberships/{one}") for one in (hidden, unknown)]
    assert [a.status for a in answers] == [404, 404] and answers[0].text == answers[1].text
    member = lab.client(lab.new_token(f"member{lab.number()}", "Member", "--organization", crowd["first"]))
    assert member.get("/Memberships").expect(200)["totalResults"] == 0
    reader = lab.client(lab.new_token(f"r{lab.number()}", "PlatformAdmin", "--access", "read"))
    refused(reader.delete(f"/Memberships/{hidden}"), 403, "KB-R09")


def test_through_bulk(ground, hull):
    answer = ground.scim.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Memberships", "bulkId": "m", "data": body(hull["group"], hull["outsider"])},
        {"method": "PATCH", "path": f"/Memberships/{hull['id']}",
         "data": {"schemas": [PATCH], "Operations": [{"op": "add", "path": "permissions", "value": ["vpn"]}]}},
        {"method": "DELETE", "path": f"/Memberships/{hull['group']}.{hull['manager']}"}]}).expect(200)
    statuses = [o["status"] for o in answer["Operations"]]
    assert statuses == ["201", "200", "409"], answer.text
    assert answer["Operations"][2]["response"][REFUSAL]["rule"] == "KB-R07"
    assert ground.scim.get(f"/Memberships/{hull['id']}")["permissions"] == ["vpn"]


@pytest.mark.parametrize("role", ["Member", "Manager"])
def test_a_removal_ends_all_here_and_nothing_elsewhere(ground, hull, role):
    """KB-R12, KB-R13."""
    user, elsewhere = hull["outsider"], ground.group()
    for group in (hull["group"], elsewhere):
        ground.scim.post("/Memberships", body(group, user, role=role, permissions=["vpn", "audit"])).expect(201)
    there = {name: held(ground, user, name, elsewhere) for name in ("kiopsJoined", "kiopsManager", "kiopsPermission")}
    ground.scim.delete(f"/Memberships/{hull['id']}").expect(204)
    assert user not in ground.members(hull["group"]) | ground.members(hull["group"], "owner")
    assert not any(held(ground, user, name, hull["group"]) for name in there)
    assert {name: held(ground, user, name, elsewhere) for name in there} == there and len(there["kiopsPermission"]) == 2
    assert user in ground.members(elsewhere) and (user in ground.members(elsewhere, "owner")) == (role == "Manager")


def test_a_value_without_a_time_is_no_request(ground, hull):
    """Nobody has asked: it was written by hand (KB-C103), and is neither shown nor approved. A request beside it is one."""
    ground.view.modify(ground.dn(hull["outsider"]), ("add", "kiopsRequest", hull["group"]))
    ground.view.modify(ground.dn(hull["outsider"]), ("add", "kiopsRequest", f"{hull['group']}:soon"))
    ground.view.modify(ground.dn(hull["outsider"]), ("add", "title", "Seen"))
    eventually(lambda: ground.scim.get(f"/Users/{hull['outsider']}").json.get("title") == "Seen")
    assert ground.scim.get(f"/Memberships/{hull['id']}").status == 404
    assert ground.scim.patch(f"/Memberships/{hull['id']}", ("replace", "status", "active")).status in (404, 409)
    assert not held(ground, hull["outsider"], "kiopsJoined", hull["group"])
    ground.scim.post("/Memberships", body(hull["group"], hull["outsider"])).expect(201)
    assert not held(ground, hull["outsider"], "kiopsRequest", hull["group"])


def test_an_add_over_what_a_filter_finds_takes_it(ground, hull):
    place = f"/Memberships/{hull['group']}.{hull['manager']}"
    ground.scim.patch(place, ("add", "permissions", ["vpn"])).expect(200)
    assert ground.scim.patch(place, ("add", 'permissions[value eq "vpn"]', "database")).expect(200)["permissions"] == ["database"]
    assert held(ground, hull["manager"], "kiopsPermission", hull["group"]) == [f"{hull['group']}:database"]


@pytest.mark.parametrize("more", ["", ' and meta.lastModified gt "2000-01-01T00:00:00Z"'])
def test_by_role_every_page_is_in_order(ground, hull, more):
    """Also where the filter asks for what only the whole resource says."""
    for n in range(3):
        ground.scim.patch(f"/Groups/{hull['group']}", ("add", "members", [{"value": ground.hire()}])).expect(200)
    found, cursor = [], ""
    while cursor is not None:
        page = ground.scim.get("/Memberships", filter=f'organization.value eq "{hull["group"]}"{more}', sortBy="role", count=1, cursor=cursor).expect(200)
        found += [m["role"] for m in page["Resources"]]
        cursor = page.json.get("nextCursor")
    assert found == ["Member"] * 3 + ["Manager"] and page["totalResults"] == 4
