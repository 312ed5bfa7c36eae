"""Nothing that a client says of a user is lost on its way through LDAP, and what an administrator says in LDAP
shows and wins (DESIGN 3.1). Discovery is truth: what /Schemas lists is tried, attribute by attribute."""

import base64
import json

import pytest
from kiopslab.bridge import REPOSITORY
from lab import FEED_DELAY, eventually
from scim import ENTERPRISE, GROUP, KIOPS_ORGANIZATION, USER
from tenant import Tenant, without_server_parts

COMPUTED = {("User", "userName"), ("User", "password")}  # named by every test, and never returned


def shipped(name):
    """The attributes of a schema that a client may write and read."""
    text = (REPOSITORY / f"scim-schema/schemas/{name}.json").read_text()
    return [a for a in json.loads(text)["attributes"]
            if a["mutability"] == "readWrite" and (name, a["name"]) not in COMPUTED]


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


# ---- values by the characteristics that discovery gives


def text_of(attr, tag):
    if attr["type"] == "boolean":
        return False
    if attr["type"] == "reference":
        return f"https://x.example/{attr['name']}/{tag}"
    if attr["type"] == "binary":
        return base64.b64encode(f"{attr['name']} {tag}".encode()).decode()
    return (attr.get("canonicalValues") or [f"{attr['name']} {tag} Ü 김 'a,b/c%d*'"])[0]


def value_of(attr, tag):
    """A value with every sub-attribute; two items where many are allowed, the second one primary."""
    if attr["type"] != "complex":
        return text_of(attr, tag)
    subs = [s for s in attr["subAttributes"] if s["mutability"] == "readWrite"]
    items = [{s["name"]: text_of(s, f"{tag}{n}") for s in subs} for n in range(2 if attr["multiValued"] else 1)]
    if attr["multiValued"]:
        items[1]["primary"] = True
        for item in items[:1]:
            item.pop("primary", None)
    return items if attr["multiValued"] else items[0]


def in_schema(schema, attr, value):
    return {attr["name"]: value} if schema in ("User", "Group") else {URNS[schema]: {attr["name"]: value}}


URNS = {"EnterpriseUser": ENTERPRISE}
MANAGER = "manager"  # its value is an id: tested by itself, as are members and managers


def everything(tag):
    """A body with every attribute of core and Enterprise User."""
    body = {a["name"]: value_of(a, tag) for a in shipped("User")}
    body[ENTERPRISE] = {a["name"]: value_of(a, tag) for a in shipped("EnterpriseUser") if a["name"] != MANAGER}
    return body


USER_ATTRS = [(schema, attr) for schema in ("User", "EnterpriseUser") for attr in shipped(schema)
              if attr["name"] != MANAGER]


def asserted(ground, user):
    """As it is read, without what the server makes; as it stands in slapd."""
    return without_server_parts(ground.scim.get(f"/Users/{user}").expect(200).json)


def test_a_user_with_every_attribute_comes_back_equal(ground):
    boss = ground.hire()
    body = {"schemas": [USER, ENTERPRISE], "userName": ground.name(), "externalId": "e 1"} | everything("a")
    body[ENTERPRISE]["manager"] = {"value": boss}
    posted = ground.scim.post("/Users", body).expect(201)
    shown = asserted(ground, posted["id"])
    assert shown[ENTERPRISE]["manager"].pop("$ref").endswith(f"/Users/{boss}")
    shown[ENTERPRISE]["manager"].pop("displayName", None)
    assert shown == body
    assert asserted(ground, posted["id"]) == without_server_parts(posted.json)


@pytest.mark.parametrize("schema, attr", USER_ATTRS, ids=[f"{s} {a['name']}" for s, a in USER_ATTRS])
def test_discovery_is_truth_an_attribute_listed_is_posted_replaced_patched_and_removed(ground, schema, attr):
    """Conformance 43."""
    first, second, third = (in_schema(schema, attr, value_of(attr, tag)) for tag in "abc")
    user = ground.hire(**first)
    urn = URNS.get(schema)
    read = lambda: {k: v for k, v in asserted(ground, user).items() if k == (urn or attr["name"])}  # noqa: E731
    if attr["name"] != "active":
        assert read() == first
    ground.scim.put(f"/Users/{user}", ground.scim.get(f"/Users/{user}").json | second).expect(200)
    assert read() == second
    path = f"{urn}:{attr['name']}" if urn else attr["name"]
    value = third[urn][attr["name"]] if urn else third[attr["name"]]
    ground.scim.patch(f"/Users/{user}", ("replace", path, value)).expect(200)
    assert read() == third
    ground.scim.patch(f"/Users/{user}", ("remove", path)).expect(200)
    assert read() == ({"active": True} if attr["name"] == "active" else {})


def test_discovery_lists_what_is_shipped_and_no_attribute_that_cannot_be_written(ground):
    """Conformance 43: the /Schemas answer follows the mapping; this file tries all of it."""
    served = {s["id"]: {a["name"] for a in s["attributes"] if a["mutability"] == "readWrite"}
              for s in ground.scim.get("/Schemas").expect(200)["Resources"]}
    assert served[USER] == {a["name"] for a in shipped("User")} | {"userName"}
    assert served[ENTERPRISE] == {a["name"] for a in shipped("EnterpriseUser")}
    assert served[GROUP] == {"displayName", "members"}
    assert served[KIOPS_ORGANIZATION] == {"description", "joinPolicy", "managers"}


def test_discovery_is_truth_for_groups(ground):
    users = [ground.hire() for _ in range(3)]
    body = {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": ground.name("Ünit 김 "), "externalId": "x",
            "members": [{"value": user} for user in users],
            KIOPS_ORGANIZATION: {"description": "two\nlines", "joinPolicy": "open", "managers": [{"value": users[0]}]}}
    group = ground.scim.post("/Groups", body).expect(201)["id"]
    shown = ground.scim.get(f"/Groups/{group}").json
    extension = shown[KIOPS_ORGANIZATION]
    assert (shown["displayName"], shown["externalId"]) == (body["displayName"], "x")
    assert {m["value"] for m in shown["members"]} == ground.members(group) == set(users)
    assert (extension["description"], extension["joinPolicy"], extension["memberCount"]) == ("two\nlines", "open", 3)
    assert [m["value"] for m in extension["managers"]] == [users[0]] and ground.members(group, "owner") == {users[0]}
    changes = {"displayName": body["displayName"] + "2", "description": "one line", "joinPolicy": "closed"}
    for name, value in changes.items():
        path = name if name == "displayName" else f"{KIOPS_ORGANIZATION}:{name}"
        ground.scim.patch(f"/Groups/{group}", ("replace", path, value)).expect(200)
    entry = ground.entry(group)
    assert [entry[n] for n in ("cn", "description", "kiopsJoinPolicy")] == [[v] for v in changes.values()]
    ground.scim.patch(f"/Groups/{group}", ("remove", f"{KIOPS_ORGANIZATION}:description")).expect(200)
    assert "description" not in ground.entry(group)


# ---- arrays as they were said


ARRAYS = {
    "the same address twice": {"emails": [{"value": "a@x.example", "type": "work"},
                                          {"value": "a@x.example", "type": "home"}]},
    "the same address in other letters": {"emails": [{"value": "a@x.example", "type": "work"},
                                                     {"value": "A@X.example", "type": "other"}]},
    "an order that is not the alphabet's": {"emails": [{"value": f"{c}@x.example"} for c in "cabd"]},
    "phones of every type": {"phoneNumbers": [{"value": f"+49 {n}", "type": t} for n, t in enumerate(
        ("fax", "mobile", "work", "pager", "home", "other", "satellite"))]},
    "two faxes and an untyped phone": {"phoneNumbers": [{"value": "1", "type": "fax"}, {"value": "2", "type": "fax"},
                                                        {"value": "3"}]},
    "one number of two types": {"phoneNumbers": [{"value": "1", "type": "work"}, {"value": "1", "type": "mobile"}]},
    "two addresses, the second one primary": {"addresses": [
        {"type": "work", "locality": "Kiel", "country": "DE"},
        {"type": "home", "locality": "Seoul", "streetAddress": "1\n2", "country": "KR", "primary": True}]},
    "an address without anything LDAP has": {"addresses": [{"type": "work", "country": "Belize"}]},
    "a given name alone": {"name": {"givenName": "Ann"}},
    "a family name that the class cannot tell from the user name": {"name": {"familyName": "fresh"}},
    "no name at all": {},
    "what slapd would refuse as a telephone or mail": {"phoneNumbers": [{"value": "Büro ☎", "type": "work"}],
                                                       "emails": [{"value": "ü@x.example"}]},
    "text that looks like a pattern": {"title": "${jndi:x} %n%s * _ ( ) \\", "nickName": '"q"'},
    "text of spaces inside": {"displayName": "A  B   C"},
    "items without a value": {"emails": [{"type": "work", "display": "none yet"}]},
    "roles of a stranger": {"roles": [{"value": "PlatformAdmin", "type": "theirs"}, {"value": "Welder"}]},
}


@pytest.mark.parametrize("case", ARRAYS)
def test_it_comes_back_as_it_was_said(ground, case):
    said = ARRAYS[case]
    keys = set(said) | {"name", "emails", "phoneNumbers", "addresses"}
    read = lambda user: {k: v for k, v in asserted(ground, user).items() if k in keys}  # noqa: E731
    user = ground.hire(**said)
    assert read(user) == said
    other = ground.hire(**everything("z"))
    body = {"schemas": [USER], "userName": ground.entry(other)["uid"][0]} | said
    ground.scim.put(f"/Users/{other}", body).expect(200)
    assert read(other) == said
    again = ground.scim.get(f"/Users/{other}")
    assert ground.scim.put(f"/Users/{other}", again.json).expect(200).etag == again.etag


# ---- an edit in LDAP


EDITS = [
    ("a title", {"title": "A"}, [("replace", "title", "B")], {"title": "B"}),
    ("a title taken out", {"title": "A"}, [("delete", "title", None)], {}),
    ("a title put in", {}, [("add", "title", "B")], {"title": "B"}),
    ("another spelling", {"title": "welder"}, [("replace", "title", "WELDER")], {"title": "WELDER"}),
    ("a name that was filled in", {}, [("replace", "sn", "Kim")], {"name": {"familyName": "Kim"}}),
    ("an address more", {"emails": [{"value": "a@x", "type": "home"}]}, [("add", "mail", "b@x")],
     {"emails": [{"value": "a@x", "type": "home"}, {"value": "b@x", "type": "work"}]}),
    ("an address less", {"emails": [{"value": "a@x", "type": "home"}, {"value": "b@x", "type": "work"}]},
     [("delete", "mail", "a@x")], {"emails": [{"value": "b@x", "type": "work"}]}),
    ("an address that two items share",
     {"emails": [{"value": "a@x", "type": "home"}, {"value": "a@x", "type": "work"}, {"value": "b@x"}]},
     [("delete", "mail", "a@x")], {"emails": [{"value": "b@x"}]}),
    ("a mobile", {"phoneNumbers": [{"value": "1", "type": "mobile", "primary": True}]}, [("add", "mobile", "2")],
     {"phoneNumbers": [{"value": "1", "type": "mobile", "primary": True}, {"value": "2", "type": "mobile"}]}),
    ("the town of the primary address",
     {"addresses": [{"type": "home", "country": "KR", "locality": "Seoul"},
                    {"type": "work", "country": "DE", "locality": "Kiel", "primary": True}]},
     [("replace", "l", "Köln")],
     {"addresses": [{"type": "home", "country": "KR", "locality": "Seoul"},
                    {"type": "work", "country": "DE", "locality": "Köln", "primary": True}]}),
    ("a department", {ENTERPRISE: {"department": "A", "costCenter": "1"}}, [("replace", "departmentNumber", "B")],
     {ENTERPRISE: {"department": "B", "costCenter": "1"}}),
    ("deactivated", {}, [("replace", "kiopsActive", "FALSE")], {"active": False}),
]


@pytest.mark.parametrize("posted, edit, wanted", [e[1:] for e in EDITS], ids=[e[0] for e in EDITS])
def test_an_edit_in_ldap_shows_and_wins(ground, posted, edit, wanted):
    user = ground.hire(**posted)
    before = ground.scim.get(f"/Users/{user}")
    ground.view.modify(ground.dn(user), *edit)
    keys = {"title", "name", "emails", "phoneNumbers", "addresses", "active", ENTERPRISE}
    wanted = {"active": True} | wanted
    shown = lambda: {k: v for k, v in asserted(ground, user).items() if k in keys}  # noqa: E731
    eventually(lambda: shown() == wanted, within=2.0 + FEED_DELAY)
    after = ground.scim.get(f"/Users/{user}")
    assert after.etag != before.etag
    # A client's change of something else does not bring the old value back.
    ground.scim.patch(f"/Users/{user}", ("replace", "nickName", "Annie")).expect(200)
    assert shown() == wanted


def test_a_group_edited_in_ldap_shows(ground):
    user, group = ground.hire(), ground.group()
    name = ground.entry(group)["cn"][0]
    ground.view.modify(ground.dn(group), ("add", "member", ground.dn(user)), ("replace", "description", "by hand"))
    shown = lambda: ground.scim.get(f"/Groups/{group}").json  # noqa: E731
    eventually(lambda: [m["value"] for m in shown()["members"]] == [user], within=2.0 + FEED_DELAY)
    assert shown()[KIOPS_ORGANIZATION]["description"] == "by hand" and shown()["displayName"] == name


def test_an_entry_made_in_ldap_is_a_user_and_a_deleted_one_is_none(ground):
    name = ground.name()
    dn = f"uid={name},ou=people,dc=example,dc=org"
    ground.view.add(dn, objectClass=["inetOrgPerson"], uid=name, cn="By Hand", sn="Hand", mail=["h@x.example"])
    found = eventually(lambda: ground.scim.find("Users", f'userName eq "{name}"'), within=2.0 + FEED_DELAY)[0]
    assert (found["name"], found["emails"]) == ({"formatted": "By Hand", "familyName": "Hand"},
                                                [{"value": "h@x.example", "type": "work"}])
    ground.scim.patch(f"/Users/{found['id']}", ("add", "nickName", "H")).expect(200)
    assert ground.stored(found["id"])["nickName"] == "H" and "kiopsUser" in ground.entry(found["id"])["objectClass"]
    ground.view.delete(dn)
    eventually(lambda: ground.scim.get(f"/Users/{found['id']}").status == 404, within=2.0 + FEED_DELAY)


def test_a_restart_forgets_nothing_and_keeps_every_version(new_lab):
    """Conformance 186: what is read comes from slapd alone."""
    lab = new_lab()
    users = [lab.user(**everything("r"))["id"]] + [lab.user(**said)["id"] for said in ARRAYS.values()]
    lab.organization(members=users[:3], managers=users[3:5])
    read = lambda: [lab.scim.get(f"/{kind}?count=1000")["Resources"] for kind in ("Users", "Groups")]  # noqa: E731
    before = read()
    assert lab.bridge.process.stop() == 0
    lab.bridge.process.start()
    assert read() == before
