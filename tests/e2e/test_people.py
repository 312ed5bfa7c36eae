"""People as actors, by user name and password: who gets in, what each door shows and lets them do."""

import base64
import json
import time

import pytest
from kiopslab import entries, site
from lab import eventually
from scim import GROUP, KIOPS_ORGANIZATION, KIOPS_USER, USER

ME = "/Me"
PASSWORD = "correct horse"


@pytest.fixture
def newcomer(lab):
    """A new user with a password, as client; its resource is `resource`."""
    return sign_up(lab)


def sign_up(lab, **attributes):
    user = lab.user(password=PASSWORD, **attributes)
    client = lab.person(user["userName"], PASSWORD)
    client.resource, client.id = user, user["id"]
    return client


def is_nobody(answer):
    """401 with both challenges; nothing in it tells one reason from another."""
    answer.expect(401)
    challenges = answer.headers.get_all("WWW-Authenticate")
    assert challenges == ['Bearer realm="kiops-bridge"', 'Basic realm="kiops-bridge", charset="UTF-8"']
    return answer["detail"] == "user name or password is wrong"


# ---- who gets in ----

def test_a_person_gets_in_with_name_and_password(newcomer):
    assert newcomer.get(ME).expect(200)["id"] == newcomer.id


def test_the_name_is_compared_as_the_directory_does(lab):
    client = sign_up(lab, userName=f"Strasse{lab.number()}")
    client.name = client.name.upper()
    assert client.get(ME).expect(200)["id"] == client.id


def test_a_password_may_hold_colons_spaces_and_any_letter(lab):
    password = "a:b c:ß 漢字 "
    user = lab.user(password=password)
    assert lab.person(user["userName"], password).get(ME).expect(200)["id"] == user["id"]


@pytest.mark.parametrize("name, password", [
    (None, "wrong"), (None, PASSWORD.upper()), (None, PASSWORD + " "), (None, ""), ("nobody-of-that-name", PASSWORD),
    ("", PASSWORD), ("", ""), ("*", PASSWORD), ("nobody", "x"), (site.ROOT, "x")])
def test_who_does_not_know_the_password_is_nobody(lab, newcomer, name, password):
    assert is_nobody(lab.person(newcomer.name if name is None else name, password).get(ME))


def test_a_further_value_of_the_naming_attribute_is_no_user_name(view, newcomer, lab):
    alias = f"alias{lab.number()}"
    view.modify(site.user_dn(newcomer.name), ("add", "uid", alias))
    newcomer.get(ME).expect(200)
    assert is_nobody(lab.person(alias, PASSWORD).get(ME))


@pytest.mark.parametrize("header", [
    "Basic", "Basic ", "Basic !!!!", "Basic YQ==", "Basic YTpi YTpi", "Basic YTpiAA==", "Basic YTr/", "Basic YTpi\tYTpi",
    "Basic " + base64.b64encode(b"a:" + b"x" * 3000).decode(), "Basic YTpi="])
def test_what_is_no_name_and_password_is_malformed(lab, header):
    answer = lab.scim.call("GET", "/Users", headers={"Authorization": header}).expect(401)
    assert answer["detail"] == "the Authorization header is malformed"


def test_an_inactive_person_is_nobody(lab, newcomer):
    newcomer.get(ME).expect(200)
    lab.scim.patch(f"/Users/{newcomer.id}", ("replace", "active", False)).expect(200)
    assert is_nobody(newcomer.get(ME))
    lab.scim.patch(f"/Users/{newcomer.id}", ("replace", "active", True)).expect(200)
    newcomer.get(ME).expect(200)


def test_a_changed_password_ends_the_old_one_at_once(lab, newcomer):
    newcomer.get(ME).expect(200)
    lab.scim.patch(f"/Users/{newcomer.id}", ("replace", "password", "another one")).expect(200)
    assert is_nobody(newcomer.get(ME))
    newcomer.password = "another one"
    newcomer.get(ME).expect(200)


def test_a_password_changed_in_the_directory_ends_the_old_one(view, newcomer):
    newcomer.get(ME).expect(200)
    view.modify(site.user_dn(newcomer.name), ("replace", "userPassword", "another one"))
    eventually(lambda: newcomer.get(ME).status == 401)
    newcomer.password = "another one"
    newcomer.get(ME).expect(200)


def test_a_deleted_person_is_nobody(lab, newcomer):
    newcomer.get(ME).expect(200)
    lab.scim.delete(f"/Users/{newcomer.id}").expect(204)
    assert is_nobody(newcomer.get(ME))


def test_a_burst_of_one_client_binds_once(new_lab):
    """The directory counts binds: one is the bridge's way to the answer, 50 would be a login storm."""
    lab = new_lab(slapd={"overlays": "database monitor\naccess to * by * read"})
    client = lab.person(entries.MEMBER)
    began = time.monotonic()
    client.get(ME).expect(200)
    view = lab.view()
    before = binds(view)
    for _ in range(50):
        client.get(ME).expect(200)
    assert binds(view) - before <= (time.monotonic() - began) // 10
    before = binds(view)
    assert is_nobody(lab.person(entries.MEMBER, "wrong").get(ME))
    assert binds(view) == before + 1


def binds(view):
    found = view.find("cn=Bind,cn=Operations,cn=Monitor", attributes=["monitorOpCompleted"])
    return int(next(iter(found.values()))["monitorOpCompleted"][0])


def test_no_password_in_log_and_audit(new_lab):
    lab = new_lab(bridge={"more": 'log = { level = "debug"; };'})
    secret = "never-to-be-seen-again"
    user = lab.user(password=secret)
    lab.person(user["userName"], secret).get(ME).expect(200)
    lab.person(user["userName"], secret + "x").get(ME).expect(401)
    lab.person(user["userName"], secret).patch(f"/Users/{user['id']}", ("replace", "title", "x")).expect(403)
    told = lab.bridge.process.log_text()
    told += "".join(path.read_text() for path in (lab.bridge.home / "audit").iterdir() if path.is_file())
    assert user["id"] in told
    assert secret not in told and base64.b64encode(secret.encode()).decode()[:-4] not in told


# ---- guessing is slowed ----

def test_guessing_at_one_account_is_slowed_before_the_directory_counts_it(new_lab):
    lab = new_lab()
    guesses = [lab.person(entries.MEMBER, f"guess {n}").get(ME) for n in range(14)]
    assert [answer.status for answer in guesses[:10]] == [401] * 10
    slowed = guesses[-1].expect(429)
    assert 1 <= int(slowed.headers["Retry-After"]) <= 10
    lab.person(entries.MANAGER).get(ME).expect(200)


def test_the_right_password_uses_up_no_tries(lab, newcomer):
    for n in range(30):
        lab.scim.patch(f"/Users/{newcomer.id}", ("replace", "title", f"t{n}")).expect(200)  # forgets the sign-in
        newcomer.get(ME).expect(200)


def test_guessing_from_one_address_is_slowed(new_lab):
    lab = new_lab()
    guess = {"X-Forwarded-For": "192.0.2.7"}
    statuses = []
    while len(statuses) < 600 and 429 not in statuses:
        statuses.append(lab.person(f"somebody{len(statuses)}", "guess").call("GET", ME, headers=guess).status)
    assert set(statuses[:60]) == {401} and statuses[-1] == 429
    lab.person(entries.MEMBER).call("GET", ME, headers={"X-Forwarded-For": "192.0.2.8"}).expect(200)


def test_guessing_from_one_network_is_slowed(new_lab):
    """A household has 2^64 addresses of IPv6."""
    lab = new_lab()
    statuses = []
    while len(statuses) < 300 and 429 not in statuses:
        guess = {"X-Forwarded-For": f"2001:db8::{len(statuses):x}"}
        statuses.append(lab.person(f"somebody{len(statuses)}", "guess").call("GET", ME, headers=guess).status)
    assert set(statuses[:60]) == {401} and statuses[-1] == 429
    lab.person(entries.MEMBER).call("GET", ME, headers={"X-Forwarded-For": "2001:db8:0:1::1"}).expect(200)


# ---- a browser that keeps the password ----

@pytest.mark.parametrize("path", ["/Memberships/.search", "/Bulk", "/Groups"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_another_site_s_page_does_not_act_with_a_kept_password(lab, path, site):
    """Without a type (a Blob) the browser asks nobody before it sends the body, and adds what it keeps."""
    boss = lab.person(entries.PLATFORM_ADMIN)
    sent = boss.call("POST", path, b"{}", headers={"Sec-Fetch-Site": site}, content_type="")
    assert "another site" in sent.expect(403)["detail"]
    boss.call("POST", path, b"{}", headers={"Sec-Fetch-Site": "same-origin"}).expect(400)
    boss.call("GET", ME, headers={"Sec-Fetch-Site": site}).expect(200)


# ---- the directory away, clear text, switched off ----

def test_a_directory_that_is_away_is_503_and_never_a_wrong_password(new_lab):
    lab = new_lab(proxied=True, bridge={"directory": "connect_timeout_ms = 500; operation_timeout_ms = 1000;"})
    known, stranger = lab.person(entries.MEMBER), lab.person("stranger")
    known.get(ME).expect(200)
    lab.slapd.process.stop()
    for client in (known, stranger, lab.person(entries.MEMBER, "wrong")):
        assert int(eventually(lambda client=client: client.get(ME).headers["Retry-After"])) > 0
        client.get(ME).expect(503)
    lab.slapd.process.start()
    eventually(lambda: known.get(ME).status == 200, within=30)


def test_switched_off_it_is_neither_taken_nor_offered(new_lab):
    lab = new_lab(bridge={"auth": ""})
    answer = lab.person(entries.MEMBER).get(ME).expect(401)
    assert answer.headers.get_all("WWW-Authenticate") == ['Bearer realm="kiops-bridge"']
    assert "bearer token" in answer["detail"]
    schemes = lab.scim.get("/ServiceProviderConfig").expect(200)["authenticationSchemes"]
    assert [scheme["type"] for scheme in schemes] == ["oauthbearertoken"]


def test_discovery_says_that_passwords_are_taken(lab):
    schemes = lab.scim.get("/ServiceProviderConfig").expect(200)["authenticationSchemes"]
    assert "httpbasic" in [scheme["type"] for scheme in schemes]


# ---- what each role sees and does ----

@pytest.fixture(scope="module")
def people(lab):
    """One organization with a Manager and a Member, one that nobody of them is in, an admin, an outsider."""
    class People:
        admin, manager, member, outsider = (sign_up(lab) for _ in range(4))
        own = lab.organization([member.id], [manager.id])["id"]
        other = lab.organization([outsider.id])["id"]
    make_admin(lab, People.admin)
    return People


def make_admin(lab, client):
    dn, view = site.user_dn(client.name), lab.view()
    view.modify(dn, ("add", "kiopsJoined", "platform:20260101000000Z.0000000a"))
    view.modify(site.ADMINS, ("add", "member", dn))
    eventually(lambda: client.get(ME).json.get(KIOPS_USER, {}).get("platformRole") == "PlatformAdmin")


def rule_of(people, client, managers_rule):
    """Who is no Manager anywhere writes nothing at all."""
    return managers_rule if client is people.manager else "KB-R09"


def ids(answer):
    return {resource["id"] for resource in answer.expect(200)["Resources"]}


def test_everyone_sees_the_own_user_whole(people):
    for client in (people.admin, people.manager, people.member, people.outsider):
        mine = client.get(ME).expect(200)
        assert mine["userName"] == client.name
        assert client.get(f"/Users/{client.id}").expect(200).json == mine.json
        assert mine.headers["Content-Location"].endswith(f"/Users/{client.id}")
    assert people.member.get(ME)[KIOPS_USER]["memberships"][0]["value"] == people.own


def test_the_list_of_users_is_refused_to_members_and_outsiders(people):
    for client in (people.member, people.outsider):
        assert client.get("/Users").expect(403).rule == "KB-R09"
        assert client.post("/Users/.search", {"schemas": []}).status in (400, 403)


def test_the_list_of_users_is_the_own_people_for_a_manager_and_all_for_an_admin(lab, people):
    assert ids(people.manager.get("/Users?count=1000")) == {people.manager.id, people.member.id}
    assert people.admin.get("/Users?count=0")["totalResults"] == lab.scim.get("/Users?count=0")["totalResults"]
    assert ids(people.admin.get("/Users", filter=f'id eq "{people.outsider.id}"')) == {people.outsider.id}


def test_who_is_not_seen_is_not_there(people):
    people.manager.get(f"/Users/{people.member.id}").expect(200)
    for client in (people.manager, people.member):
        client.get(f"/Users/{people.outsider.id}").expect(404)
        client.get(f"/Groups/{people.other}").expect(404)
    people.member.get(f"/Users/{people.manager.id}").expect(404)
    assert "members" not in people.member.get(f"/Groups/{people.own}").expect(200).json
    assert people.manager.get(f"/Groups/{people.own}").expect(200)["members"]


def test_groups_are_listed_as_each_sees_them(people):
    assert people.own in ids(people.member.get("/Groups?count=1000"))
    assert people.other not in ids(people.member.get("/Groups?count=1000"))
    assert ids(people.admin.get("/Groups", filter=f'id eq "{people.other}"')) == {people.other}


@pytest.mark.parametrize("path", ["/Users/{}", ME])
def test_user_records_are_an_admins_to_edit_even_ones_own(people, path):
    for client in (people.manager, people.member, people.outsider):
        answer = client.patch(path.format(client.id), ("replace", "title", "chief"))
        assert answer.expect(403).rule == rule_of(people, client, "KB-R18")
        assert client.put(path.format(client.id), client.resource).expect(403).rule == answer.rule
        client.delete(path.format(client.id)).expect(403)
    assert people.admin.patch(path.format(people.admin.id), ("replace", "title", "chief")).expect(200)["title"] == "chief"


@pytest.mark.parametrize("path", ["/Users/{}", ME])
def test_nobody_deactivates_or_deletes_oneself(people, path):
    where = path.format(people.admin.id)
    assert people.admin.patch(where, ("replace", "active", False)).expect(403).rule == "KB-R04"
    assert people.admin.delete(where).expect(403).rule == "KB-R04"


@pytest.mark.cell("KB-R04", "group-members")
@pytest.mark.cell("KB-R04", "group-managers")
def test_nobody_changes_the_own_role(people):
    own = f"/Groups/{people.own}"
    assert people.manager.patch(own, ("remove", f'members[value eq "{people.manager.id}"]')).expect(403).rule == "KB-R04"
    assert people.admin.patch(own, ("add", "members", [{"value": people.admin.id}])).expect(403).rule == "KB-R04"
    promotion = people.member.patch(own, ("add", f"{KIOPS_ORGANIZATION}:managers", [{"value": people.member.id}]))
    assert promotion.expect(403).rule == "KB-R09"
    assert people.member.get(ME)[KIOPS_USER]["memberships"][0]["role"] == "Member"


def test_creating_is_an_admins(people, lab):
    name = f"by-person{lab.number()}"
    user = {"schemas": [USER], "userName": name, "externalId": "x1"}
    group = {"schemas": [GROUP], "displayName": name}
    for client in (people.manager, people.member, people.outsider):
        assert client.post("/Users", user).expect(403).rule == rule_of(people, client, "KB-R18")
        assert client.post("/Groups", group).expect(403).rule == rule_of(people, client, "KB-R17")
        client.delete(f"/Groups/{people.own}").expect(403, 404)
    made = people.admin.post("/Users", user).expect(201)
    people.admin.post("/Groups", {**group, "members": [{"value": made["id"]}]}).expect(201)
    people.admin.delete(f"/Users/{made['id']}").expect(204)


def test_an_admin_keeps_what_clients_asserted(lab, people):
    """A person is no provisioning client: an edit touches nobody's externalId."""
    user = lab.user(externalId="keep-me")
    seen = people.admin.get(f"/Users/{user['id']}").expect(200).json
    people.admin.put(f"/Users/{user['id']}", {**seen, "title": "new"}).expect(200)
    assert lab.scim.get(f"/Users/{user['id']}").expect(200)["externalId"] == "keep-me"


def test_a_manager_names_and_describes_the_own_organization(people, lab):
    name = f"Renamed {lab.number()}"
    own = f"/Groups/{people.own}"
    changed = people.manager.patch(own, ("replace", "displayName", name),
                                   ("replace", f"{KIOPS_ORGANIZATION}:description", "ours")).expect(200)
    assert changed["displayName"] == name and changed[KIOPS_ORGANIZATION]["description"] == "ours"
    assert people.member.patch(own, ("replace", "displayName", "x")).expect(403).rule
    people.outsider.patch(own, ("replace", "displayName", "x")).expect(404)


def test_a_manager_sends_back_what_was_read(lab):
    """KB-R17: by PUT, with the Managers that are there, oneself among them; one left out is demoted (KB-R08), nobody added."""
    manager, other, member = sign_up(lab), lab.user()["id"], lab.user()["id"]
    path = f"/Groups/{lab.organization([member], [manager.id, other])['id']}"
    read = manager.get(path).expect(200).json
    read[KIOPS_ORGANIZATION]["description"] = "sent back"
    assert manager.put(path, read).expect(200)[KIOPS_ORGANIZATION]["description"] == "sent back"
    read[KIOPS_ORGANIZATION]["managers"].append({"value": member})
    assert manager.put(path, read).expect(403).rule == "KB-R02"
    read[KIOPS_ORGANIZATION]["managers"] = [{"value": manager.id}]
    assert [m["value"] for m in manager.put(path, read).expect(200)[KIOPS_ORGANIZATION]["managers"]] == [manager.id]


def test_a_manager_removes_members_and_adds_none(lab, people):
    guest = lab.user()["id"]
    own = f"/Groups/{people.own}"
    lab.scim.patch(own, ("add", "members", [{"value": guest}])).expect(200)
    people.manager.patch(own, ("remove", f'members[value eq "{guest}"]')).expect(200)
    assert guest not in {m["value"] for m in people.manager.get(own)["members"]}
    refused = people.manager.patch(own, ("add", "members", [{"value": people.member.id}, {"value": guest}]))
    assert refused.status in (400, 403, 404)


def test_me_follows_the_person_and_is_no_place_to_create(people):
    people.member.post(ME, {"schemas": [USER], "userName": "x"}).expect(501)
    people.member.get(ME, headers={"If-None-Match": people.member.get(ME).etag}).expect(304)
    assert set(people.member.get(ME, attributes="userName").json) == {"schemas", "id", "userName"}


def test_the_audit_names_the_person(lab, people):
    done = people.manager.patch(f"/Groups/{people.own}", ("replace", "displayName", f"Audited {lab.number()}")).expect(200)
    records = audit_of(lab, done.headers["X-Request-Id"])
    assert records and all(r["actor"] == {"kind": "person", "id": people.manager.id} for r in records if "actor" in r)
    refused = people.member.post("/Groups", {"schemas": [GROUP], "displayName": "no"}).expect(403)
    assert any(r.get("actor", {}).get("id") == people.member.id
               for r in audit_of(lab, refused.headers["X-Request-Id"]))


def test_a_refused_deletion_stands_in_the_audit(lab, people):
    for path, rule in ((f"/Users/{people.member.id}", "KB-R18"), (ME, "KB-R04")):
        refused = people.manager.delete(path).expect(403)
        records = audit_of(lab, refused.headers["X-Request-Id"])
        assert [(r["type"], r["rule"], r["actor"]["id"]) for r in records] == [("refusal", rule, people.manager.id)]


def audit_of(lab, request):
    lines = [line for path in sorted((lab.bridge.home / "audit").glob("*.jsonl*")) for line in path.read_text().splitlines()]
    return [record for record in map(json.loads, lines) if record.get("request") == request]


# ---- on current state ----

def test_who_becomes_manager_is_one_with_the_next_request(lab):
    client, member = sign_up(lab), lab.user()["id"]
    group = f"/Groups/{lab.organization([client.id, member])['id']}"
    assert client.patch(group, ("replace", "displayName", "x")).expect(403).rule
    lab.scim.patch(group, ("add", f"{KIOPS_ORGANIZATION}:managers", [{"value": client.id}])).expect(200)
    client.patch(group, ("replace", "displayName", f"Mine {lab.number()}")).expect(200)
    assert ids(client.get("/Users")) == {client.id, member}


def test_another_bridge_refuses_the_next_write_of_who_was_deactivated(new_lab):
    """Its memory may not know yet: what a write rests on is read in the directory."""
    lab = new_lab(bridges=2)
    admin = lab.person(entries.PLATFORM_ADMIN, bridge=1)
    user = lab.user(password=PASSWORD)
    person = lab.person(user["userName"], PASSWORD, bridge=1)
    make_admin(lab, person)
    target = lab.user()["id"]
    eventually(lambda: admin.get(f"/Users/{target}").status == 200)
    person.patch(f"/Users/{target}", ("replace", "title", "before")).expect(200)
    lab.scim.patch(f"/Users/{user['id']}", ("replace", "active", False)).expect(200)
    person.patch(f"/Users/{target}", ("replace", "title", "after")).expect(401, 403)
    eventually(lambda: lab.scim.get(f"/Users/{target}").expect(200).json.get("title") == "before")


# ---- memberships ----

MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"


def wish(organization):
    return {"schemas": [MEMBERSHIP], "organization": {"value": organization}}


@pytest.mark.cell("KB-R11", "membership-post")
@pytest.mark.cell("KB-R10", "membership-patch")
def test_a_person_asks_to_join_and_a_manager_approves(lab):
    manager, applicant = sign_up(lab), sign_up(lab)
    organization = open_organization(lab, managers=[manager.id])
    asked = applicant.post("/Memberships", wish(organization)).expect(201)
    assert asked["status"] == "pending" and asked["user"]["value"] == applicant.id
    assert applicant.post("/Memberships", wish(organization)).expect(409).rule == "KB-R11"
    path = f"/Memberships/{organization}.{applicant.id}"
    assert applicant.patch(path, ("replace", "status", "active")).expect(403).rule
    assert manager.patch(path, ("replace", "status", "active")).expect(200)["role"] == "Member"
    assert applicant.get(ME)[KIOPS_USER]["memberships"][0]["status"] == "active"
    assert manager.patch(path, ("add", "permissions", ["vpn"])).expect(200)["permissions"] == ["vpn"]
    assert applicant.patch(path, ("add", "permissions", ["infra"])).expect(403).rule
    assert manager.patch(path, ("replace", "role", "Manager")).expect(403).rule == "KB-R02"


@pytest.mark.cell("KB-R04", "membership-delete")
def test_a_person_takes_the_own_request_back(lab):
    applicant = sign_up(lab)
    organization = open_organization(lab)
    applicant.post("/Memberships", wish(organization)).expect(201)
    applicant.delete(f"/Memberships/{organization}.{applicant.id}").expect(204)
    assert not applicant.get(ME).json.get(KIOPS_USER, {}).get("memberships")


def test_nobody_asks_for_another_person(lab):
    applicant, other = sign_up(lab), lab.user()["id"]
    organization = open_organization(lab)
    applicant.post("/Memberships", {**wish(organization), "user": {"value": other}}).expect(403, 404)


def open_organization(lab, managers=()):
    made = lab.organization([lab.user()["id"]], managers)["id"]
    lab.scim.patch(f"/Groups/{made}", ("replace", f"{KIOPS_ORGANIZATION}:joinPolicy", "open")).expect(200)
    return made


def test_who_may_not_edit_learns_nothing_of_what_is_there(people, lab):
    """One answer, whatever the value filter or the version would say."""
    path = f"/Users/{people.outsider.id}"
    answers = [people.member.patch(path, ("replace", f'emails[value sw "{start}"].display', "x")) for start in ("", "zzz")]
    answers += [people.member.call("PATCH", path, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
        {"op": "replace", "path": "title", "value": "x"}]}, headers={"If-Match": version}) for version in ('W/"0"', "*")]
    answers += [people.member.call("DELETE", path, headers={"If-Match": version}) for version in ('W/"0"', "*")]
    assert {(a.status, a.rule) for a in answers} == {(403, "KB-R09")}
