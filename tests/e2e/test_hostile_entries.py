"""Entries as no schema would let them pass, from an import, an old server or a careless hand (checklist A5; faults 21, 22,
51): each is shown sanely or left out with a line in the log and a counter, always the same, and hinders nobody else."""

import base64
import json
import re
import urllib.request

import pytest
from kiopslab import site
from lab import eventually
from scim import GROUP, KIOPS_ORGANIZATION, KIOPS_USER, PATCH, USER

MEGABYTE = "m" * (1 << 20)
ORG = "0" * 8 + "-0000-4000-8000-" + "0" * 12
RESOURCE = {"v": 1, "r": {"userName": "x", "nickName": "Nick"}, "h": "0123456789abcdef", "t": "2026-01-05T08:00:00Z"}


def ldif(dn, *values):
    """The first value is the class by which slapd knows the entry. Values of one name stand together, as slapadd wants."""
    lines = [b"dn: " + dn.encode(), b"structuralObjectClass: " + values[0][1].encode()]
    names = [name for name, _ in values]
    for name, value in sorted(values, key=lambda v: names.index(v[0])):
        octets = value if isinstance(value, bytes) else value.encode()
        lines.append(name.encode() + b":: " + base64.b64encode(octets))
    return b"\n".join(lines).decode() + "\n\n"


def person(uid, *values, sn="Sane", rdn="uid"):
    named = [("uid", uid)] if rdn == "uid" else [("cn", uid)]
    return ldif(f"{rdn}={uid},{site.PEOPLE}", ("objectClass", "inetOrgPerson"), ("objectClass", "kiopsUser"), *named,
                *([("cn", f"Sane {uid}")] if rdn == "uid" else []), *([("sn", sn)] if sn else []), *values)


def group(cn, *values):
    return ldif(site.organization_dn(cn), ("objectClass", "groupOfNames"), ("objectClass", "kiopsOrganization"), ("cn", cn),
                ("member", site.PLACEHOLDER), *values)


def told(resource):
    return ("kiopsResource", json.dumps(resource, separators=(",", ":")))


# name -> further values of the entry
PEOPLE = {
    "two-names": [("uid", "another")],
    "octets": [("audio", b"\xff\xfe caf\xc3 \xc0\x80 \xed\xa0\x80\x00end")],
    "nul": [("displayName", b"be\x00hind"), ("title", b"\x00")],
    "controls": [("displayName", "a\x1b[31m\r\nb"), ("title", "\u202e\u2028")],
    "large": [("title", MEGABYTE), ("displayName", MEGABYTE)],
    "many": [("mail", f"m{n}@x.org") for n in range(3000)],
    "blank": [("displayName", " "), ("mail", " "), ("telephoneNumber", " - ")],
    "tagged": [("displayName;lang-ko", "\uae40"), ("displayName", "Kim"), ("jpegPhoto", b"\xff\xd8\xff")],
    "several": [("title", "One"), ("title", "Two"), ("givenName", "A"), ("givenName", "B"), ("employeeType", "x"), ("employeeType", "y")],
    "told-junk": [("kiopsResource", "{")],
    "told-octets": [("kiopsResource", b"\xff\x00\xfe")],
    "told-blank": [("kiopsResource", " ")],
    "told-deep": [("kiopsResource", "[" * 100000)],
    "told-large": [told(RESOURCE | {"r": {"timezone": "n" * 3000000}})],
    "told-future": [told(RESOURCE | {"v": 2})],
    "told-types": [told(RESOURCE | {"r": {"userName": 5, "emails": {"value": 1}, "active": "x", "name": [], "roles": [[1]],
                                          "id": "forged", "meta": {"version": "forged"}, "groups": [{"value": "forged"}]}})],
    "told-nul": [("kiopsResource", '{"v":1,"r":{"nickName":"a\\u0000b","title":"\\ud800"}}')],
    "told-time": [told(RESOURCE | {"t": "yesterday", "h": 5})],
    "odd-roles": [("kiopsJoined", v) for v in (":", f"{ORG}:", f"{ORG}:9.x", "platform:soon")]
    + [("kiopsManager", "x"), ("kiopsPermission", ":vpn"), ("kiopsPermission", f"{ORG}:root"), ("kiopsRequest", b"\xff:")],
    "odd-external": [("kiopsExternalId", v) for v in (":", "sample:", "nothing", "sample:a", "sample:b")],
}
# slapd takes no octets that are not UTF-8 for texts, but a mapping may name an attribute of octets.
MAPPING = 'user = ( { scim = "nickName"; ldap = "audio"; direction = "read"; } );'
GROUPS = {
    "odd-members": [("member", v) for v in (site.BASE, "cn=nowhere", f"cn=no+uid=body,{site.PEOPLE}", f"uid=gone,{site.PEOPLE}",
                                              site.organization_dn("odd-members"), site.organization_dn("loop"))],
    "loop": [("member", site.organization_dn("odd-members")), ("owner", site.organization_dn("loop"))],
    "odd-text": [("description", b"\x00"), ("kiopsJoinPolicy", "sometimes"), ("kiopsResource", "{")],
    "two-names-of-it": [("cn", "its other name")],
    "large-text": [("description", MEGABYTE)],
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    extra = [person(name, *values) for name, values in PEOPLE.items()]
    extra += [person("no-family", sn=None), person("odd-active", ("kiopsActive", "maybe")), person("No Name", rdn="cn")]
    extra += [group(name, *values) for name, values in GROUPS.items()]
    extra += [ldif(f"cn=odd,{site.TOKENS}", ("objectClass", "kiopsPrincipal"), ("cn", "odd"), ("kiopsTokenRole", "\x01"),
                   ("kiopsTokenHash", b"\xff\x00"))]
    made = Lab(tmp_path_factory.mktemp("hostile"), extra=extra, bridge={"mapping": MAPPING})
    yield made
    made.close()


def id_of(lab, dn):
    return lab.view().get(dn)["entryUUID"][0]


def listed(lab, kind, **query):
    answer = lab.scim.get(f"/{kind}", count=1000, **query).expect(200)
    answer.text.decode()
    assert "\\u0000" not in answer.text.decode(), "what many a client cannot read"
    return {r["id"]: r for r in answer["Resources"]}


def metric(lab, name):
    with urllib.request.urlopen(f"{lab.bridge.metrics_url}/metrics", timeout=10) as answer:
        return int(re.search(rf"^\S*{name} (\d+)", answer.read().decode(), re.MULTILINE)[1])


@pytest.mark.parametrize("name", [*PEOPLE, "no-family"])
def test_a_hostile_person_is_shown_and_can_be_mended(ground, name):
    user_id = id_of(ground, site.user_dn(name))
    shown = ground.scim.get(f"/Users/{user_id}").expect(200).json
    assert shown == listed(ground, "Users")[user_id]
    assert shown["userName"] == name and shown["id"] == user_id and "forged" not in json.dumps(shown)
    assert isinstance(shown["active"], bool) and KIOPS_USER not in shown, "no role comes of it"
    assert ground.scim.find("Users", f'userName eq "{name}"')[0]["id"] == user_id
    changed = ground.scim.patch(f"/Users/{user_id}", ("replace", "locale", "ko-KR"), ("replace", "displayName", "Mended"),
                                ("remove", "title"), ("remove", "timezone")).expect(200).json
    assert (changed["locale"], changed["displayName"], "title" in changed) == ("ko-KR", "Mended", False)
    assert ground.scim.get(f"/Users/{user_id}").json == changed
    ground.scim.put(f"/Users/{user_id}", {"schemas": [USER], "userName": name, "displayName": "Put"}).expect(200)
    assert ground.scim.get(f"/Users/{user_id}")["displayName"] == "Put"


def test_a_word_that_is_no_boolean_says_nothing(ground):
    """The directory itself lets no change of that entry pass: only its administrator can mend it."""
    user_id = id_of(ground, site.user_dn("odd-active"))
    assert ground.scim.get(f"/Users/{user_id}").expect(200)["active"] is True
    answer = ground.scim.patch(f"/Users/{user_id}", ("replace", "active", False)).expect(400)
    assert "kiopsActive" in answer["detail"]


def test_who_has_no_name_is_left_out_and_said(ground):
    user_id = id_of(ground, f"cn=No Name,{site.PEOPLE}")
    assert user_id not in listed(ground, "Users")
    assert re.search(rf"event=feed_odd_user .*id={user_id}", ground.bridge.process.log_text())
    assert metric(ground, "odd_entries_total") > 0
    for method in ("GET", "DELETE"):
        ground.scim.call(method, f"/Users/{user_id}").expect(404)
    ground.scim.patch(f"/Users/{user_id}", ("replace", "displayName", "x")).expect(404)
    assert ground.scim.find("Users", f'id eq "{user_id}"') == []
    group = ground.organization()
    answer = ground.scim.patch(f"/Groups/{group['id']}", ("add", "members", [{"value": user_id}])).expect(400)
    assert answer["scimType"] == "invalidValue"


@pytest.mark.parametrize("name", GROUPS)
def test_a_hostile_group_is_shown_and_takes_members(ground, name):
    group_id, user = id_of(ground, site.organization_dn(name)), ground.user()["id"]
    shown = ground.scim.get(f"/Groups/{group_id}").expect(200).json
    assert shown == listed(ground, "Groups")[group_id]
    assert shown["displayName"] == name and all(m["type"] == "Group" for m in shown["members"])
    assert shown[KIOPS_ORGANIZATION]["joinPolicy"] == "closed" and shown[KIOPS_ORGANIZATION].get("managers", []) == []
    path = f"/Groups/{group_id}"
    ground.scim.patch(path, ("add", "members", [{"value": user}])).expect(200)
    assert [m["value"] for m in ground.scim.get(path)["members"] if m["type"] == "User"] == [user]
    ground.scim.patch(path, ("replace", f"{KIOPS_ORGANIZATION}:description", "Mended")).expect(200)
    ground.scim.patch(path, ("remove", f'members[value eq "{user}"]')).expect(200)
    after = ground.scim.get(path).json
    assert after[KIOPS_ORGANIZATION]["description"] == "Mended" and after["members"] == shown["members"]


def test_lists_answer_whatever_stands_there(ground):
    users = listed(ground, "Users")
    for query in ({"filter": "title pr or displayName co \"a\""}, {"filter": 'emails[value sw "m1"]'}, {"sortBy": "displayName"},
                  {"sortBy": "emails", "sortOrder": "descending"}, {"filter": 'not (externalId eq "a")'}):
        found = listed(ground, "Users", **query)
        assert set(found) <= set(users) and ("filter" in query or len(found) == len(users))
    assert all(set(u) == {"id", "schemas", "userName"} for u in listed(ground, "Users", attributes="userName").values())
    assert metric(ground, "dangling_members") >= 4


def test_a_restart_shows_all_the_same(ground):
    """Fault 51: of several values always the same one, and no version that flaps."""
    before = {kind: listed(ground, kind) for kind in ("Users", "Groups")}
    ground.bridge.process.stop()
    ground.bridge.process.start()
    assert {kind: listed(ground, kind) for kind in before} == before


def test_who_loses_the_name_while_the_bridge_looks_is_gone(ground):
    """What was known before must not stand there for good: nobody could find or mend it."""
    admin, dn = ground.view(), f"cn=Soon Nameless,{site.PEOPLE}"
    admin.add(dn, objectClass="inetOrgPerson", cn="Soon Nameless", sn="Soon", uid="soon")
    found = eventually(lambda: ground.scim.find("Users", 'userName eq "soon"'))
    admin.modify(dn, ("delete", "uid", None))
    eventually(lambda: ground.scim.get(f"/Users/{found[0]['id']}").status == 404)
    assert found[0]["id"] not in listed(ground, "Users")
    admin.modify(dn, ("add", "uid", "again"))
    assert eventually(lambda: ground.scim.find("Users", 'userName eq "again"'))[0]["id"] == found[0]["id"]
    admin.delete(dn)


def test_junk_by_hand_is_overwritten_by_the_next_change(ground):
    admin, user = ground.view(), ground.user(nickName="Nick")
    dn = site.user_dn(user["userName"])
    admin.modify(dn, ("replace", "kiopsResource", "junk"))
    eventually(lambda: "nickName" not in ground.scim.get(f"/Users/{user['id']}").json)
    body = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "nickName", "value": "New"}]}
    ground.scim.call("PATCH", f"/Users/{user['id']}", body).expect(200)
    assert json.loads(admin.get(dn)["kiopsResource"][0])["r"]["nickName"] == "New"
    answer = ground.scim.post("/Groups", {"schemas": [GROUP], "displayName": "odd-text"}).expect(409)
    assert answer["scimType"] == "uniqueness"
