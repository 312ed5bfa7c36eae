"""People and groups who were in the directory before any client: shown, changed, and taken over by a POST
(directory.users.adopt, directory.organizations.adopt), never made a second time."""

import base64
import threading
from itertools import count
from pathlib import Path

import pytest
from kiopslab import entries, site
from lab import Lab, eventually
from scim import ENTERPRISE, GROUP, KIOPS_ORGANIZATION, KIOPS_USER, USER
from world import auditlog, read_auditlog, written

FOREIGN = 1000
BY_NAME, BY_NAME_TOO, BY_MAIL, BY_NONE = range(4)
NUMBERS = count(1)


def foreign(n):
    """As another program made it."""
    uid = f"old{n:04d}"
    return entries.entry(site.user_dn(uid), [
        ("objectClass", "inetOrgPerson"), ("uid", uid), ("cn", f"Old {n}"), ("sn", "Before"), ("givenName", "Old"),
        ("mail", f"{uid}@before.example"), ("mail", f"{uid}.alias@before.example"), ("roomNumber", f"R{n}"), ("title", "Captain"),
        ("userPassword", entries.ssha(entries.SAMPLE_PASSWORD) if n < 3 else None)])


class Ground:
    """Four bridges on one directory, of which two adopt by userName, one by mail, one not at all."""

    def __init__(self, lab, log):
        self.lab, self.view, self.log = lab, lab.view(), Path(log)
        self.other_token = lab.new_token("other", client="other")
        self.roles_token = lab.new_token("roles", "PlatformAdmin", "--option", "write_roles=yes")

    def client(self, bridge=BY_NAME, token=None):
        return self.lab.client(token, bridge)

    def person(self, uid=None, **values):
        """One more, on every bridge: (uid, dn, id)."""
        uid = uid or f"was{next(NUMBERS)}"
        dn = site.user_dn(uid)
        self.view.add(dn, **({"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": uid} | values))
        uuid = self.view.get(dn)["entryUUID"][0]
        self.seen(f"/Users/{uuid}")
        return uid, dn, uuid

    def group(self, *members, owners=(), **values):
        """A group as another program made it: (name, dn, id)."""
        name = f"was {next(NUMBERS)}"
        dn = site.organization_dn(name)
        self.view.add(dn, objectClass="groupOfNames", cn=name, member=[*members] or [site.PLACEHOLDER],
                      **({"owner": [*owners]} if owners else {}), **values)
        uuid = self.view.get(dn)["entryUUID"][0]
        self.seen(f"/Groups/{uuid}")
        return name, dn, uuid

    def seen(self, path):
        for n in range(len(self.lab.bridges)):
            eventually(lambda n=n: self.client(n).get(path).status == 200)

    def mark(self):
        return self.log.stat().st_size

    def sent(self, since):
        """What bridges changed since then: (kind, dn, changes)."""
        return list(read_auditlog(written(self.lab, self.view, self.log, since)))

    def post(self, bridge=BY_NAME, token=None, **attributes):
        return self.client(bridge, token).post("/Users", {"schemas": [USER], **attributes})

    def kept(self, dn):
        """The entry but for what every write moves."""
        moving = ("entryCSN", "modifyTimestamp", "modifiersName")
        return {name: sorted(values) for name, values in self.view.get(dn).items() if name not in moving}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adopt")
    slapd = auditlog(folder)
    slapd["overlays"] = f'unique_uri "serialize ldap:///{site.PEOPLE}?employeeNumber?sub"\n' + slapd["overlays"]
    made = Lab(folder, proxied=True, slapd=slapd, checked=[foreign(n) for n in range(FOREIGN)],
               bridge={"users": 'adopt = "userName";', "organizations": 'adopt = "displayName";'})
    made.add_bridge(folder / "by-name", users='adopt = "userName";', organizations='adopt = "displayName";')
    made.add_bridge(folder / "by-mail", users='adopt = "mail";')
    made.add_bridge(folder / "by-none")
    yield Ground(made, folder / "auditlog.ldif")
    made.close()


# ---- shown and changed without anybody's POST

def test_a_thousand_of_another_program_are_shown_and_found(ground):
    answer = ground.lab.scim.get("/Users", filter='title eq "Captain"', count=1000).expect(200)
    assert answer["totalResults"] == FOREIGN
    shown = ground.lab.scim.find("Users", 'userName eq "OLD0500"')[0]
    assert shown["name"] == {"formatted": "Old 500", "familyName": "Before", "givenName": "Old"} and shown["active"] is True
    assert [e["value"] for e in shown["emails"]] == ["old0500@before.example", "old0500.alias@before.example"]
    assert "externalId" not in shown and KIOPS_USER not in shown


@pytest.mark.parametrize("change", [("replace", "displayName", "Old Man"), ("replace", "active", False), ("add", "externalId", "x-1")])
def test_the_first_change_brings_the_class_in_the_same_modify(ground, change):
    _, dn, uuid = ground.person()
    since = ground.mark()
    ground.client().patch(f"/Users/{uuid}", change).expect(200)
    ((kind, at, changes),) = ground.sent(since)
    assert (kind, at) == ("modify", dn) and ("add", "objectClass", "kiopsUser") in changes
    assert "kiopsUser" in ground.view.get(dn)["objectClass"]


def test_joining_brings_the_class_in_the_same_modify(ground):
    _, dn, uuid = ground.person()
    group = ground.lab.organization()
    since = ground.mark()
    ground.client().patch(f"/Groups/{group['id']}", ("add", "members", [{"value": uuid}])).expect(200)
    first = ground.sent(since)[0]
    assert first[1] == dn and ("add", "objectClass", "kiopsUser") in first[2]
    assert dn in ground.view.members(group["id"])


# ---- taken over by name

def test_a_post_takes_the_entry_over_in_one_modify(ground):
    uid, dn, uuid = ground.person(mail=["old@x.org", "alias@x.org"], title="Captain", roomNumber="12", telephoneNumber="+1 2")
    since = ground.mark()
    answer = ground.post(userName=uid, externalId="e-1", displayName="New", name={"familyName": "Kim"}, nickName="N",
                         emails=[{"value": "OLD@x.org", "type": "work", "primary": True}, {"value": "new@x.org"}]).expect(201)
    assert answer["id"] == uuid and answer.headers["Location"].endswith(f"/Users/{uuid}")
    ((kind, at, changes),) = ground.sent(since)
    assert (kind, at) == ("modify", dn) and ("add", "objectClass", "kiopsUser") in changes
    entry = ground.view.get(dn)
    assert {"title": ["Captain"], "roomNumber": ["12"], "telephoneNumber": ["+1 2"], "sn": ["Kim"], "cn": [uid], "displayName": ["New"],
            "kiopsExternalId": ["sample:e-1"]}.items() <= entry.items()
    assert {m.lower() for m in entry["mail"]} == {"old@x.org", "alias@x.org", "new@x.org"}
    shown = ground.client(BY_NAME_TOO).get(f"/Users/{uuid}")
    eventually(lambda: ground.client(BY_NAME_TOO).get(f"/Users/{uuid}").json == shown.json)
    assert (answer["nickName"], answer["title"], answer["name"]["familyName"]) == ("N", "Captain", "Kim")
    assert answer["emails"][0] == {"value": "OLD@x.org", "type": "work", "primary": True}
    assert [e["value"].lower() for e in answer["emails"]] == ["old@x.org", "new@x.org", "alias@x.org"]
    assert ground.lab.scim.find("Users", 'externalId eq "e-1"')[0]["id"] == uuid


def test_a_post_that_says_nothing_new_takes_over_all_the_same(ground):
    uid, dn, uuid = ground.person()
    assert ground.post(userName=uid).expect(201)["id"] == uuid
    assert "kiopsResource" in ground.view.get(dn)
    ground.post(token=ground.other_token, userName=uid).expect(409)


def test_who_is_asserted_is_taken(ground):
    uid, dn, uuid = ground.person()
    ground.post(userName=uid, externalId="e-2").expect(201)
    before = ground.kept(dn)
    for token in (None, ground.other_token):
        answer = ground.post(token=token, userName=uid, externalId="e-3", title="Thief").expect(409)
        assert answer["scimType"] == "uniqueness" and uuid in answer["detail"]
    assert ground.kept(dn) == before


def test_without_the_setting_the_name_is_taken(ground):
    uid, dn, _ = ground.person()
    before = ground.kept(dn)
    answer = ground.post(BY_NONE, userName=uid).expect(409)
    assert answer["scimType"] == "uniqueness" and ground.kept(dn) == before


def test_a_name_is_compared_as_the_directory_does_and_becomes_as_posted(ground):
    uid, _, uuid = ground.person(f"Was-Kim {next(NUMBERS)}")
    wanted = uid.lower().replace(" ", "  ")
    answer = ground.post(userName=wanted).expect(201)
    assert (answer["id"], answer["userName"]) == (uuid, wanted)


def test_a_password_is_set_by_the_directory(ground):
    uid, dn, uuid = ground.person()
    answer = ground.post(userName=uid, password="correct horse").expect(201)
    assert answer["id"] == uuid and "password" not in answer.json
    assert ground.lab.person(uid, "correct horse").get("/Me").expect(200)["id"] == uuid
    assert base64.b64encode(b"correct horse").decode() not in str(ground.view.get(dn))


@pytest.mark.parametrize("was, posted, then", [("FALSE", True, True), ("FALSE", None, False), ("TRUE", False, False), (None, False, False)])
def test_activity_is_as_posted_else_as_it_was(ground, was, posted, then):
    more = {"objectClass": ["inetOrgPerson", "kiopsUser"], "kiopsActive": was} if was else {}
    uid, dn, uuid = ground.person(**more)
    asked = {} if posted is None else {"active": posted}
    answer = ground.post(userName=uid, **asked).expect(201)
    assert (answer["id"], answer["active"]) == (uuid, then)
    assert ground.view.get(dn).get("kiopsActive", ["TRUE"]) == [str(then).upper()]


def test_who_is_taken_over_stays_where_they_are_and_gains_no_role(ground):
    """DESIGN 3.2: `owner` without the person's side is nobody's authority, before and after."""
    uid, dn, uuid = ground.person()
    name, group_dn, group = ground.group(dn, site.user_dn("mina"), owners=[dn])
    ground.view.modify(site.ADMINS, ("add", "member", dn))
    ground.post(userName=uid, externalId="e-4").expect(201)
    assert dn in ground.view.get(group_dn)["member"] and ground.view.get(group_dn)["owner"] == [dn]
    shown = ground.client().get(f"/Users/{uuid}").expect(200)
    assert shown[KIOPS_USER].get("platformRole") is None
    (membership,) = shown[KIOPS_USER]["memberships"]
    assert (membership["value"], membership["role"], "joinDate" in membership) == (group, "Member", False)
    assert "managers" not in ground.client().get(f"/Groups/{group}").json.get(KIOPS_ORGANIZATION, {})
    assert not {"kiopsManager", "kiopsJoined", "kiopsPermission"} & set(ground.view.get(dn))
    ground.view.modify(site.ADMINS, ("delete", "member", dn))


def test_what_is_refused_after_the_claim_leaves_nothing(ground):
    uid, dn, uuid = ground.person(title="Captain")
    before = ground.kept(dn)
    answer = ground.post(token=ground.roles_token, userName=uid, title="Thief", externalId="e-5",
                         roles=[{"value": "Manager@nowhere"}]).expect(400)
    assert "nowhere" in answer["detail"] and ground.kept(dn) == before
    assert ground.client().get(f"/Users/{uuid}")["title"] == "Captain"
    assert ground.post(userName=uid, externalId="e-5").expect(201)["id"] == uuid


def test_roles_of_a_post_are_wishes_as_ever(ground):
    uid, dn, uuid = ground.person()
    group = ground.lab.organization()
    ground.post(token=ground.roles_token, userName=uid, roles=[{"value": f"Manager@{group['id']}"}]).expect(201)
    assert dn in ground.view.members(group["id"], "owner") and ground.view.get(dn)["kiopsManager"] == [group["id"]]


def test_who_may_not_make_users_takes_none_over(ground):
    uid, dn, _ = ground.person()
    before = ground.kept(dn)
    assert ground.lab.person("mina").post("/Users", {"schemas": [USER], "userName": uid}).expect(403).rule == "KB-R18"
    assert ground.kept(dn) == before


def test_a_lost_answer_is_looked_up(ground):
    uid, dn, uuid = ground.person()
    trap = ground.lab.proxy.lose_answer("modify")
    assert ground.post(userName=uid, externalId="e-6").expect(201)["id"] == uuid
    assert trap.sprung.is_set() and ground.view.get(dn)["kiopsExternalId"] == ["sample:e-6"]


def test_somebody_who_writes_in_between_loses_nothing(ground):
    uid, dn, uuid = ground.person()
    trap = ground.lab.proxy.before_request("modify", action=lambda: ground.view.modify(dn, ("add", "title", "Meanwhile")))
    answer = ground.post(userName=uid, nickName="N").expect(201)
    assert trap.sprung.is_set() and (answer["id"], answer["title"], answer["nickName"]) == (uuid, "Meanwhile", "N")


@pytest.mark.parametrize("mark", [("kiopsExternalId", "other:theirs"), ("kiopsResource", '{"v":1,"r":{"userName":"x"}}')])
def test_who_is_asserted_a_moment_before_is_taken(ground, mark):
    uid, dn, _ = ground.person(objectClass=["inetOrgPerson", "kiopsUser"])
    trap = ground.lab.proxy.before_request("modify", action=lambda: ground.view.modify(dn, ("add", *mark)))
    assert ground.post(userName=uid, externalId="mine", title="Thief").expect(409)["scimType"] == "uniqueness"
    entry = ground.view.get(dn)
    assert trap.sprung.is_set() and "title" not in entry and "sample:mine" not in entry.get("kiopsExternalId", ())


@pytest.mark.parametrize("mark", [("kiopsExternalId", "other:theirs"), ("kiopsResource", '{"v":1,"m":"theirs"}')])
def test_a_group_that_is_asserted_a_moment_before_is_taken(ground, mark):
    (name, dn, _), user = ground.group(), ground.lab.user()
    ground.view.modify(dn, ("add", "objectClass", "kiopsOrganization"))
    trap = ground.lab.proxy.before_request("modify", action=lambda: ground.view.modify(dn, ("add", *mark)))
    body = {"schemas": [GROUP], "displayName": name, "externalId": "mine", "members": [{"value": user["id"]}]}
    assert ground.client().post("/Groups", body).expect(409)["scimType"] == "uniqueness"
    entry = ground.view.get(dn)
    assert trap.sprung.is_set() and entry["member"] == [site.PLACEHOLDER]
    assert "sample:mine" not in entry.get("kiopsExternalId", ())


def test_of_two_clients_on_two_bridges_one_wins(ground):
    people = [ground.person() for _ in range(12)]
    answers = {}

    def ask(bridge, token, client):
        for uid, _, _ in people:
            answers[client, uid] = ground.post(bridge, token, userName=uid, externalId=uid, title=client)

    asking = [threading.Thread(target=ask, args=a) for a in ((BY_NAME, None, "Sample"), (BY_NAME_TOO, ground.other_token, "Other"))]
    [t.start() for t in asking]
    [t.join() for t in asking]
    for uid, dn, uuid in people:
        said = {client: answers[client, uid].status for client in ("Sample", "Other")}
        assert sorted(said.values()) == [201, 409], said
        winner = next(client for client, status in said.items() if status == 201)
        entry = ground.view.get(dn)
        assert answers[winner, uid]["id"] == uuid
        assert entry["kiopsExternalId"] == [f"{winner.lower()}:{uid}"] and entry["title"] == [winner]


def test_a_bulk_takes_over_too(ground):
    uid, _, uuid = ground.person()
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": uid}},
        {"method": "PATCH", "path": "/Users/bulkId:a", "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                                                                "Operations": [{"op": "add", "path": "title", "value": "T"}]}}]}
    first, second = ground.client().post("/Bulk", body).expect(200)["Operations"]
    assert (first["status"], second["status"]) == ("201", "200") and first["location"].endswith(uuid)
    assert ground.client().get(f"/Users/{uuid}")["title"] == "T"


# ---- what the directory itself keeps unique (slapo-unique)

def numbered(number):
    return {"schemas": [USER, ENTERPRISE], ENTERPRISE: {"employeeNumber": number}}


def test_a_value_that_the_directory_keeps_unique_is_taken_over_and_changed(ground):
    uid, dn, uuid = ground.person()
    assert ground.post(userName=uid, externalId="e-7", **numbered(f"{uid}-1")).expect(201)["id"] == uuid
    for number in (f"{uid}-2", f"{uid}-3"):
        ground.client().patch(f"/Users/{uuid}", ("replace", f"{ENTERPRISE}:employeeNumber", number)).expect(200)
        assert ground.view.get(dn)["employeeNumber"] == [number]


def test_a_value_that_another_has_is_refused(ground):
    (uid, dn, _), (other, _, uuid) = ground.person(), ground.person()
    ground.post(userName=other, **numbered("taken")).expect(201)
    before = ground.kept(dn)
    ground.post(userName=uid, **numbered("taken")).expect(409)
    assert ground.kept(dn) == before


def test_a_change_beside_another_of_such_a_value_loses_nothing(ground):
    uid, dn, uuid = ground.person()
    ground.post(userName=uid, **numbered(f"{uid}-1")).expect(201)
    trap = ground.lab.proxy.before_request("modify", action=lambda: ground.view.modify(dn, ("add", "title", "Meanwhile")))
    answer = ground.client().patch(f"/Users/{uuid}", ("replace", f"{ENTERPRISE}:employeeNumber", f"{uid}-2")).expect(200)
    assert trap.sprung.is_set() and answer["title"] == "Meanwhile" and ground.view.get(dn)["employeeNumber"] == [f"{uid}-2"]


# ---- taken over by an attribute

def test_by_mail_the_name_becomes_the_posted_one_and_groups_follow(ground):
    mail = f"kim{next(NUMBERS)}@x.org"
    uid, dn, uuid = ground.person(mail=["other@x.org", mail])
    _, group_dn, group = ground.group(dn)
    answer = ground.post(BY_MAIL, userName=mail, emails=[{"value": mail.upper(), "type": "work"}]).expect(201)
    assert (answer["id"], answer["userName"]) == (uuid, mail)
    assert ground.view.get(dn) is None and ground.view.get(group_dn)["member"] == [site.user_dn(mail)]
    assert [m["value"] for m in answer[KIOPS_USER]["memberships"]] == [group]


def test_two_of_one_mail_are_told_and_left_alone(ground):
    mail = f"both{next(NUMBERS)}@x.org"
    one, two = ground.person(mail=mail), ground.person(mail=["first@x.org", mail.upper()])
    before = ground.kept(one[1]), ground.kept(two[1])
    answer = ground.post(BY_MAIL, userName="both", emails=[{"value": mail}]).expect(409)
    assert answer["scimType"] == "uniqueness" and one[2] in answer["detail"] and two[2] in answer["detail"]
    assert (ground.kept(one[1]), ground.kept(two[1])) == before and ground.view.get(site.user_dn("both")) is None


def test_several_mails_of_one_person_are_one_match(ground):
    mails = [f"m{next(NUMBERS)}@x.org" for _ in range(3)]
    uid, _, uuid = ground.person(mail=mails)
    assert ground.post(BY_MAIL, userName=uid, emails=[{"value": m} for m in mails]).expect(201)["id"] == uuid


def test_without_the_attribute_it_is_a_new_user_or_a_taken_name(ground):
    uid, dn, uuid = ground.person(mail="there@x.org")
    before = ground.kept(dn)
    assert ground.post(BY_MAIL, userName=f"new{next(NUMBERS)}").expect(201)["id"] != uuid
    assert ground.post(BY_MAIL, userName=uid, emails=[{"value": f"new{next(NUMBERS)}@x.org"}]).expect(409)["scimType"] == "uniqueness"
    assert ground.kept(dn) == before


def test_a_mail_of_who_is_asserted_makes_no_second_entry(ground):
    user = ground.lab.user(emails=[{"value": f"taken{next(NUMBERS)}@x.org"}])
    answer = ground.post(BY_MAIL, userName="second", emails=user["emails"]).expect(409)
    assert user["id"] in answer["detail"] and ground.view.get(site.user_dn("second")) is None


def test_a_name_that_a_third_has_takes_nobody_over(ground):
    mail = f"third{next(NUMBERS)}@x.org"
    _, dn, _ = ground.person(mail=mail)
    third, third_dn, _ = ground.person()
    before = ground.kept(dn), ground.kept(third_dn)
    ground.post(BY_MAIL, userName=third, emails=[{"value": mail}]).expect(409)
    assert (ground.kept(dn), ground.kept(third_dn)) == before


def test_an_entry_named_by_its_cn_is_taken_over(ground):
    """Its name lies in the attribute of another part of the resource."""
    mail = f"cn{next(NUMBERS)}@x.org"
    dn = f"cn=Named {mail},{site.PEOPLE}"
    ground.view.add(dn, objectClass="inetOrgPerson", uid=f"u-{mail}", cn=f"Named {mail}", sn="S", mail=mail)
    uuid = ground.view.get(dn)["entryUUID"][0]
    ground.seen(f"/Users/{uuid}")
    answer = ground.post(BY_MAIL, userName=f"v-{mail}", emails=[{"value": mail}], name={"formatted": "New Name"}).expect(201)
    assert (answer["id"], answer["userName"], answer["name"]["formatted"]) == (uuid, f"v-{mail}", "New Name")


def test_an_entry_that_cannot_be_shown_is_no_reason_for_a_second(ground):
    mail = f"odd{next(NUMBERS)}@x.org"
    dn = f"cn=Nameless {mail},{site.PEOPLE}"
    ground.view.add(dn, objectClass="inetOrgPerson", cn=f"Nameless {mail}", sn="S", mail=mail)
    before = ground.kept(dn)
    ground.post(BY_MAIL, userName="nameless", emails=[{"value": mail}]).expect(409)
    assert ground.kept(dn) == before and ground.view.get(site.user_dn("nameless")) is None


# ---- groups

def test_a_group_is_taken_over_with_who_is_in_it(ground):
    user, keeper = ground.lab.user(), ground.lab.user()
    there = site.user_dn("lee")
    name, dn, uuid = ground.group(there, site.user_dn("kim"), owners=[there], description="from before")
    body = {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": name.upper(), "externalId": "g-1",
            "members": [{"value": user["id"]}, {"value": keeper["id"]}], KIOPS_ORGANIZATION: {"managers": [{"value": keeper["id"]}]}}
    since = ground.mark()
    answer = ground.client().post("/Groups", body).expect(201)
    assert (answer["id"], answer["displayName"], answer["externalId"]) == (uuid, name, "g-1")
    assert answer[KIOPS_ORGANIZATION]["description"] == "from before"
    assert [m["value"] for m in answer[KIOPS_ORGANIZATION]["managers"]] == [keeper["id"]]
    assert ("add", "objectClass", "kiopsOrganization") in next(c for _, at, c in ground.sent(since) if at == dn)
    entry = ground.view.get(dn)
    new = {site.user_dn(u["userName"]) for u in (user, keeper)}
    assert set(entry["member"]) == {there, site.user_dn("kim")} | new
    assert set(entry["owner"]) == {there, site.user_dn(keeper["userName"])}, "who was there stays, without a role"
    before = ground.kept(dn)
    for token in (None, ground.other_token):
        assert ground.client(token=token).post("/Groups", body).expect(409)["scimType"] == "uniqueness"
    assert ground.kept(dn) == before


def test_a_group_that_says_nothing_new_is_taken_over(ground):
    name, dn, uuid = ground.group()
    assert ground.client().post("/Groups", {"schemas": [GROUP], "displayName": name}).expect(201)["id"] == uuid
    assert "kiopsResource" in ground.view.get(dn)


def test_a_group_is_not_taken_over_for_somebody_who_is_not_there(ground):
    name, dn, _ = ground.group()
    before = ground.kept(dn)
    ground.client().post("/Groups", {"schemas": [GROUP], "displayName": name, "members": [{"value": "0" * 36}]}).expect(400)
    assert ground.kept(dn) == before


def test_without_the_setting_a_group_is_taken(ground):
    name, dn, _ = ground.group()
    before = ground.kept(dn)
    ground.client(BY_MAIL).post("/Groups", {"schemas": [GROUP], "displayName": name}).expect(409)
    assert ground.kept(dn) == before


def test_two_groups_of_one_name_are_told(ground):
    name, _, one = ground.group()
    ground.view.add(f"ou=below {name},{site.ORGANIZATIONS}", objectClass="organizationalUnit", ou=f"below {name}")
    dn = f"cn={name},ou=below {name},{site.ORGANIZATIONS}"
    ground.view.add(dn, objectClass="groupOfNames", cn=name, member=site.PLACEHOLDER)
    two = ground.view.get(dn)["entryUUID"][0]
    answer = ground.client().post("/Groups", {"schemas": [GROUP], "displayName": name}).expect(409)
    assert one in answer["detail"] and two in answer["detail"]


def test_of_two_clients_one_takes_a_group(ground):
    groups, answers = [ground.group() for _ in range(8)], {}

    def ask(bridge, token, client):
        for name, _, _ in groups:
            answers[client, name] = ground.client(bridge, token).post(
                "/Groups", {"schemas": [GROUP], "displayName": name, "externalId": name})

    asking = [threading.Thread(target=ask, args=a) for a in ((BY_NAME, None, "sample"), (BY_NAME_TOO, ground.other_token, "other"))]
    [t.start() for t in asking]
    [t.join() for t in asking]
    for name, dn, uuid in groups:
        said = {client: answers[client, name].status for client in ("sample", "other")}
        assert sorted(said.values()) == [201, 409], said
        winner = next(client for client, status in said.items() if status == 201)
        assert ground.view.get(dn)["kiopsExternalId"] == [f"{winner}:{name}"] and answers[winner, name]["id"] == uuid
