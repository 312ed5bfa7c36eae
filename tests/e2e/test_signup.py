"""Sign-up by who has no account: what the door says, where the applicant stands, who sees it, what approval makes of it."""

import http.client
import json
import os
import signal
import threading
import urllib.parse
from itertools import count

import ldap
import pytest
from kiopslab import entries, site
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION, KIOPS_USER, USER, Answer

ANYBODY = "per_address_per_hour = 0;"
PASSWORD = "correct horse battery"
ACCEPTED = {"status": "accepted", "detail": "Thank you. If the request can be made, a Manager of the organization "
                                            "decides on it."}
NUMBERS = count(1)


class Town:
    """A directory, two bridges that take sign-ups, an open organization and its Manager."""

    def __init__(self, lab):
        self.lab, self.view = lab, lab.view()
        self.admin, self.other_admin = lab.person("ada"), lab.person("ada", bridge=len(lab.bridges) - 1)
        self.manager, self.name = lab.person("mina"), "Project A"
        self.organization = lab.scim.find("Groups", 'displayName eq "Project A"')[0]["id"]
        self.closed = lab.scim.find("Groups", 'displayName eq "Project B"')[0]["id"]

    def send(self, body, bridge=0, method="POST", path="/signup", **headers):
        """No token; `body` an object or bytes."""
        parts = urllib.parse.urlsplit(self.lab.bridges[bridge].url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        sent = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        sent = {k: v for k, v in sent.items() if v is not None}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def form(self, **changes):
        name = f"guest{next(NUMBERS)}"
        return {"userName": name, "password": PASSWORD, "givenName": "Ga", "familyName": "Kim",
                "email": f"{name}@elsewhere.example", "organization": self.organization} | changes

    def waiting(self):
        """Entries of the container, by DN."""
        return self.view.find(site.PENDING, "(objectClass=inetOrgPerson)")

    def sign_up(self, bridge=0, **changes):
        """Signed up, and known to both bridges; the id of the applicant."""
        form, before = self.form(**changes), set(self.waiting())
        self.send(form, bridge).expect(202)

        def stands():
            new = [e for dn, e in self.waiting().items() if dn not in before and "kiopsRequest" in e]
            mine = [e for e in new if name_in(e) == form["userName"]]
            return mine and mine[0]["entryUUID"][0]

        found = eventually(stands)
        for admin in (self.admin, self.other_admin):
            eventually(lambda admin=admin: admin.get(f"/Memberships/{form['organization']}.{found}").status == 200)
        return found, form

    def seat(self, applicant):
        return f"/Memberships/{self.organization}.{applicant}"

    def approve(self, applicant, who=None):
        return (who or self.manager).patch(self.seat(applicant), ("replace", "status", "active"))


def name_in(entry):
    """The user name that an applicant asks for."""
    return json.loads(entry["kiopsResource"][0])["r"]["userName"]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("signup"), bridges=2, bridge={"signup": ANYBODY})
    yield Town(lab)
    lab.close()


# ---- the way of one person

def test_who_signs_up_waits_is_approved_and_comes_in(town):
    applicant, form = town.sign_up()
    dn, entry = town.view.by_id(applicant)
    assert dn.endswith("," + site.PENDING) and form["userName"] not in dn and "mail" not in entry
    pending = town.manager.get(town.seat(applicant)).expect(200)
    assert pending["status"] == "pending" and pending["user"]["userName"] == form["userName"]
    assert pending["user"]["email"] == form["email"] and pending["user"]["display"] == "Ga Kim"
    approved = town.approve(applicant).expect(200)
    assert approved["status"] == "active" and approved["role"] == "Member" and approved["user"]["value"] == applicant
    dn, entry = town.view.by_id(applicant)
    assert dn == site.user_dn(form["userName"]) and entry["uid"] == [form["userName"]] and "mail" not in entry
    assert dn in town.view.members(town.organization) and "kiopsRequest" not in entry
    me = town.lab.person(form["userName"], PASSWORD).get("/Me").expect(200)
    assert me["id"] == applicant and "emails" not in me.json
    assert [m["status"] for m in me[KIOPS_USER]["memberships"]] == ["active"]
    for n in (0, 1):
        found = eventually(lambda n=n: town.lab.client(bridge=n).find("Users", f'userName eq "{form["userName"]}"'))
        assert found[0]["id"] == applicant


# ---- nobody else finds who waits

def test_no_list_and_no_lookup_of_users_finds_an_applicant(town):
    applicant, form = town.sign_up()
    name, mail = form["userName"], form["email"]
    searches = (f'userName eq "{name}"', f'emails.value eq "{mail}"', f'emails co "{name}"', f'id eq "{applicant}"',
                f'externalId eq "{name}"', f'displayName eq "Ga Kim" and userName eq "{name}"', f'userName sw "{name}"',
                f'groups.value eq "{town.organization}" and userName eq "{name}"')
    for client in (town.lab.scim, town.admin, town.manager):
        for text in searches:
            assert client.find("Users", text) == []
            body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": text}
            assert client.post("/Users/.search", body).expect(200)["totalResults"] == 0
            assert client.post("/.search", body).status in (200, 400)
        everybody = client.get("/Users", count=1000).expect(200)["Resources"]
        assert applicant not in {u["id"] for u in everybody}
    assert town.lab.scim.find("Groups", f'members.value eq "{applicant}"') == []


def test_no_token_and_nobody_but_who_decides_sees_an_applicant(town):
    applicant, form = town.sign_up()
    for seen in (town.manager, town.admin):
        user = seen.get(f"/Users/{applicant}").expect(200)
        assert user["userName"] == form["userName"] and user["emails"] == [{"value": form["email"], "type": "unverified"}]
        listed = seen.find("Memberships", f'organization.value eq "{town.organization}" and status eq "pending"')
        assert applicant in {m["user"]["value"] for m in listed}
    jun, member = town.lab.person("jun"), town.lab.person("kim")  # Manager of another organization; a Member
    for hidden in (town.lab.scim, jun, member):
        unknown = hidden.get("/Users/00000000-0000-4000-8000-000000000000").expect(404)
        assert hidden.get(f"/Users/{applicant}").expect(404)["detail"] == unknown["detail"]
        hidden.get(town.seat(applicant)).expect(404)
        assert applicant not in {m["user"]["value"] for m in hidden.find("Memberships", 'status eq "pending"')}
    town.approve(applicant, town.lab.scim).expect(404)
    town.lab.scim.delete(f"/Users/{applicant}").expect(404)


def test_an_applicant_counts_as_pending(town):
    def waiting():
        return town.manager.get(f"/Groups/{town.organization}").expect(200)[KIOPS_ORGANIZATION]["pending"]

    before = waiting()
    applicant, _ = town.sign_up()
    assert eventually(lambda: waiting() == before + 1)
    town.manager.delete(town.seat(applicant)).expect(204)
    assert waiting() == before


def test_an_applicant_does_not_sign_in(town):
    _, form = town.sign_up()
    town.lab.person(form["userName"], PASSWORD).get("/Me").expect(401)
    dn = next(dn for dn, e in town.waiting().items() if name_in(e) == form["userName"])
    with pytest.raises((ldap.INVALID_CREDENTIALS, ldap.UNWILLING_TO_PERFORM)):  # the second where the account is locked
        town.lab.view(dn, PASSWORD)
    for account, password in ((site.user_dn("kim"), entries.SAMPLE_PASSWORD), (site.OPERATOR, town.lab.slapd.passwords.operator)):
        try:
            assert town.lab.view(account, password).find(site.PENDING) == {}
        except ldap.NO_SUCH_OBJECT:
            pass  # as slapd says it


def test_an_applicant_is_nobodys_member_manager_or_user(town):
    applicant, form = town.sign_up()
    scim, admin = town.lab.scim, town.admin
    for client in (scim, admin):
        client.patch(f"/Groups/{town.organization}", ("add", "members", [{"value": applicant}])).expect(400)
        client.post("/Groups", {"displayName": "Of applicants", "members": [{"value": applicant}]}).expect(400)
        client.patch(f"/Users/{applicant}", ("replace", "title", "x")).expect(404)
        client.post("/Memberships", {"organization": {"value": town.closed}, "user": {"value": applicant}}).expect(400, 404, 409)
    boss = {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": applicant}}}
    scim.post("/Users", {"schemas": [USER], "userName": form["userName"] + "x", **boss}).expect(400)
    refused = admin.patch(town.seat(applicant), ("replace", "role", "Manager")).expect(409)
    assert refused.rule == "KB-R10" and "Approve or reject" in refused["detail"]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "PATCH", "path": f"/Users/{applicant}", "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                                                                    "Operations": [{"op": "add", "path": "title", "value": "x"}]}},
        {"method": "DELETE", "path": f"/Users/{applicant}"}]}
    assert [o["status"] for o in scim.post("/Bulk", bulk).expect(200)["Operations"]] == ["404", "404"]
    assert town.view.by_id(applicant)[0].endswith(site.PENDING)


def test_a_member_value_that_names_an_applicant_makes_no_member(town):
    applicant, _ = town.sign_up()
    dn, _ = town.view.by_id(applicant)
    town.view.modify(site.organization_dn(town.name), ("add", "member", dn))
    try:
        town.lab.user()  # the feed has passed the change
        assert town.manager.get(town.seat(applicant)).expect(200)["status"] == "pending"
        assert town.manager.find("Users", f'id eq "{applicant}"') == []
        assert town.approve(applicant).expect(200)["status"] == "active"
    finally:
        town.view.modify(site.organization_dn(town.name), ("delete", "member", dn))


# ---- the name

def test_a_provisioning_create_of_the_name_wins(town):
    applicant, form = town.sign_up()
    user = town.lab.user(userName=form["userName"])
    refused = town.approve(applicant).expect(409)
    assert refused.rule == "KB-R18" and "another name" in refused["detail"]
    assert town.view.by_id(applicant)[0].endswith(site.PENDING)
    assert town.manager.get(town.seat(applicant)).expect(200)["status"] == "pending"
    town.manager.delete(town.seat(applicant)).expect(204)
    town.lab.scim.delete(f"/Users/{user['id']}").expect(204)


def test_a_name_taken_between_the_claim_and_the_move_leaves_the_request(town):
    """By an entry that is no user here, so that no look finds it before the server refuses."""
    applicant, form = town.sign_up()
    town.view.add(site.user_dn(form["userName"]), objectClass="account", uid=form["userName"])
    before = town.view.by_id(applicant)[1]["kiopsRequest"]
    refused = town.approve(applicant).expect(409)
    assert refused.rule == "KB-R18"
    entry = town.view.by_id(applicant)[1]
    assert entry["kiopsRequest"] == before and "kiopsJoined" not in entry
    town.view.delete(site.user_dn(form["userName"]))
    town.approve(applicant).expect(200)


def test_approval_and_a_create_of_the_name_at_once(town):
    for _ in range(6):
        applicant, form = town.sign_up()
        answers = {}

        def create(form=form, answers=answers):
            body = {"schemas": [USER], "userName": form["userName"]}
            answers["create"] = town.lab.client(bridge=1).post("/Users", body)

        def approve(applicant=applicant, answers=answers):
            answers["approve"] = town.approve(applicant)

        together(create, approve)
        said = (answers["create"].status, answers["approve"].status)
        assert said in ((201, 409), (409, 200)), (said, answers)
        holder = town.view.get(site.user_dn(form["userName"]))["entryUUID"][0]
        assert holder == (applicant if said[1] == 200 else answers["create"]["id"])
        entry = town.view.by_id(applicant)[1]
        assert ("kiopsJoined" in entry) == (said[1] == 200) and ("kiopsRequest" in entry) == (said[1] != 200)


def test_several_may_ask_for_one_name_and_one_gets_it(town):
    name = f"shared{next(NUMBERS)}"
    first, _ = town.sign_up(userName=name)
    second, _ = town.sign_up(bridge=1, userName=name.upper())
    town.approve(second).expect(200)
    town.approve(first).expect(409)


def together(*runs):
    threads = [threading.Thread(target=run) for run in runs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


# ---- approve and reject

def test_two_bridges_approve_at_once(town):
    for _ in range(6):
        applicant, form = town.sign_up()
        answers = []
        other = town.lab.person("matteo", bridge=1)
        together(lambda a=applicant, s=answers: s.append(town.approve(a)),
                 lambda a=applicant, s=answers, o=other: s.append(town.approve(a, o)))
        # The other one may look just between the join of the person and that of the organization.
        assert 200 in {a.status for a in answers} <= {200, 404, 409}, [a.text for a in answers]
        dn, entry = town.view.by_id(applicant)
        assert dn == site.user_dn(form["userName"]) and len(entry["kiopsJoined"]) == 1 and "kiopsRequest" not in entry
        assert dn in town.view.members(town.organization)


def test_approve_and_reject_at_once(town):
    for _ in range(6):
        applicant, _ = town.sign_up()
        answers = {}
        other = town.lab.person("matteo", bridge=1)
        together(lambda a=applicant, s=answers: s.update(approve=town.approve(a)),
                 lambda a=applicant, s=answers, o=other: s.update(reject=o.delete(town.seat(a))))
        said = (answers["approve"].status, answers["reject"].status)
        dn, entry = town.view.by_id(applicant)
        if dn.endswith(site.PENDING):
            assert said[1] == 204 and said[0] in (404, 409) and "kiopsRejected" in entry and "kiopsJoined" not in entry, said
        else:  # a rejection that came after the approval was one of a member
            assert said[0] == 200 and "kiopsRequest" not in entry, said


def test_a_rejected_applicant_stays_and_may_sign_up_again(town):
    applicant, form = town.sign_up()
    town.manager.delete(town.seat(applicant)).expect(204)
    entry = town.view.by_id(applicant)[1]
    assert "kiopsRejected" in entry and "kiopsRequest" not in entry
    listed = town.manager.find("Memberships", f'organization.value eq "{town.organization}" and status eq "rejected"')
    assert applicant in {m["user"]["value"] for m in listed}
    again, _ = town.sign_up(userName=form["userName"])
    assert again != applicant
    town.approve(again).expect(200)


def test_approved_promoted_and_granted_in_one_request(town):
    applicant, _ = town.sign_up()
    done = town.admin.patch(town.seat(applicant), ("replace", "status", "active"), ("replace", "role", "Manager"),
                            ("replace", "permissions", ["vpn"])).expect(200)
    assert done["status"] == "active" and done["organizationRole"] == "Manager" and done["permissions"] == ["vpn"]
    other, _ = town.sign_up()
    refused = town.manager.patch(town.seat(other), ("replace", "status", "active"), ("replace", "role", "Manager")).expect(403)
    assert refused.rule == "KB-R02" and town.view.by_id(other)[0].endswith(site.PENDING)


def test_an_approval_cut_off_after_its_claim_can_be_made_again_or_rejected(town):
    for decide, status in ((lambda a: town.approve(a), 200), (lambda a: town.manager.delete(town.seat(a)), 204)):
        applicant, _ = town.sign_up()
        dn, entry = town.view.by_id(applicant)
        old = f"{town.organization}:20260105080000Z.00000000"
        town.view.modify(dn, ("delete", "kiopsRequest", None), ("add", "kiopsJoined", old))
        for admin in (town.admin, town.other_admin):
            eventually(lambda admin=admin, a=applicant:
                       admin.get(town.seat(a)).json.get("requestedAt") == "2026-01-05T08:00:00Z")
        decide(applicant).expect(status)
        dn, entry = town.view.by_id(applicant)
        assert dn.endswith(site.PENDING) == (status == 204) and old not in entry.get("kiopsJoined", ())


def test_a_young_claim_is_not_rejected(town):
    applicant, _ = town.sign_up()
    dn, entry = town.view.by_id(applicant)
    claim = entry["kiopsRequest"][0]
    town.view.modify(dn, ("delete", "kiopsRequest", None), ("add", "kiopsJoined", claim))
    refused = town.manager.delete(town.seat(applicant)).expect(409)
    assert "under way" in refused["detail"]
    town.approve(applicant).expect(200)


def test_a_platform_admin_deletes_an_applicant(town):
    applicant, _ = town.sign_up()
    town.manager.delete(f"/Users/{applicant}").expect(403)
    town.admin.delete(f"/Users/{applicant}").expect(204)
    assert town.view.by_id(applicant) is None
    town.manager.get(town.seat(applicant)).expect(404)


# ---- what the door says

def test_every_good_sign_up_has_one_answer(town):
    """Whatever there is: the answer goes out before anybody looks, also with a directory that does not answer."""
    taken, waiting = "kim", town.sign_up()[1]["userName"]
    forms = [town.form(), town.form(userName=taken), town.form(userName=waiting), town.form(organization=town.closed),
             town.form(organization="00000000-0000-4000-8000-000000000000")]
    pid = town.lab.slapd.process.pid()
    dropped, made = (figure(town, f"kiops_signups_{kind}total") for kind in ("dropped_", ""))
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = [town.send(form) for form in forms]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert {(a.status, a.text, a.headers["Content-Type"]) for a in answers} == \
        {(202, json.dumps(ACCEPTED, separators=(",", ":")).encode(), "application/scim+json")}
    assert {tuple(sorted(a.headers.keys())) for a in answers} == {tuple(sorted(answers[0].headers.keys()))}
    eventually(lambda: figure(town, "kiops_signups_dropped_total") - dropped +
               figure(town, "kiops_signups_total") - made >= len(forms), within=30)
    names = [name_in(e) for e in town.waiting().values()]
    assert forms[0]["userName"] in names and names.count(waiting) == 2 and taken not in names
    assert not {forms[3]["userName"], forms[4]["userName"]} & set(names)


def figure(town, name):
    import urllib.request
    text = urllib.request.urlopen(town.lab.bridge.metrics_url + "/metrics", timeout=10).read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))


FAULTS = [
    {"userName": ""}, {"userName": " kim"}, {"userName": "k" * 65}, {"userName": "a\u0000b"}, {"userName": "a\nb"}, {"userName": 7},
    {"userName": None}, {"password": "short"}, {"password": "x" * 257}, {"password": ["correct horse"]}, {"givenName": ""},
    {"familyName": "x" * 101}, {"email": "nobody"}, {"email": "a@b@c"}, {"email": "@x"}, {"email": "a b@c.org"},
    {"email": "a@b.org,c@d.org"}, {"email": "é@example.org"}, {"organization": "Project A"}, {"organization": "*" * 36},
    {"role": "Manager"}, {"roles": []}, {"active": True}, {"UserName": "twice"}]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_bad_input_is_400_and_says_what_is_wrong(town, fault):
    refused = town.send(town.form(**fault)).expect(400)
    assert refused["detail"] and PASSWORD.encode() not in refused.text


def test_a_missing_field_and_what_is_no_object_is_400(town):
    for name in town.form():
        form = town.form()
        del form[name]
        town.send(form).expect(400)
    good = json.dumps(town.form())
    for body in (b"", b"[]", b"null", b"{", b'"x"', good[:-1].encode() + b', "userName": "again"}', b"\xff\xfe", good.encode() + b"x"):
        town.send(body).expect(400)


def test_a_body_without_json_type_or_too_large_is_refused(town):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
        town.send(town.form(), Content_Type=content_type).expect(415)
    town.send(town.form(givenName="x" * 20000)).expect(413)
    town.send(town.form(givenName="x" * 200000)).expect(413)


def test_methods_and_paths(town):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        refused = town.send(None if method == "GET" else town.form(), method=method).expect(405)
        assert refused.headers["Allow"] == "POST, OPTIONS"
    town.send(None, method="POST", path="/signup/organizations").expect(405)
    for path in ("/signup/x", "/signup/organizations/x", "/Signup", "/signups", "/scim/v2/signup"):
        town.send(None, method="GET", path=path).expect(401, 404)
    # Nobody is more here by a token, and nobody less by a wrong one.
    town.send(town.form(), Authorization=f"Bearer {town.lab.token}").expect(202)
    town.send(town.form(), Authorization="Bearer wrong").expect(202)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a,b=c+d", 'q"uo\\te', "*)(uid=*", "한국어 이름", "#x", "..%2f%00x"])
def test_odd_texts_are_names_like_any_other(town, text):
    applicant, _ = town.sign_up(userName=f"{text}{next(NUMBERS)}", givenName=text, familyName=text)
    shown = town.manager.get(town.seat(applicant)).expect(200)["user"]
    assert shown["display"] == f"{text} {text}" and shown["userName"].startswith(text)
    town.approve(applicant).expect(200)
    assert town.lab.person(shown["userName"], PASSWORD).get("/Me").expect(200)["id"] == applicant


# ---- organizations to choose from

def organizations(town, query="", bridge=0):
    return town.send(None, bridge, method="GET", path="/signup/organizations" + query, Content_Type=None)


def test_open_organizations_are_found_by_a_part_of_their_name(town):
    found = organizations(town, "?q=JECT%20a").expect(200)["organizations"]
    assert found == [{"id": town.organization, "displayName": "Project A", "description": "Project A of the sample data"}]
    everything = organizations(town).expect(200)
    assert "Project B" not in {o["displayName"] for o in everything["organizations"]} and town.closed.encode() not in everything.text
    for odd in ("?q=%22%29%20or%20id%20pr", "?q=*", "?q=%5C", "?q=nobody-has-this"):
        assert organizations(town, odd).expect(200)["organizations"] == []
    for wrong in ("?q=" + "x" * 101, "?q=%ff", "?q=%00", "?q=a&q=b"):
        organizations(town, wrong).expect(400)


def test_no_more_than_twenty_organizations_are_shown(town):
    for n in range(22):
        town.lab.organization(displayName=f"Crowd {n:02}", **{KIOPS_ORGANIZATION: {"joinPolicy": "open"}})
    found = organizations(town, "?q=crowd").expect(200)
    assert [o["displayName"] for o in found["organizations"]] == [f"Crowd {n:02}" for n in range(20)] and found["more"]


# ---- audit

def test_a_sign_up_is_audited_with_its_address_and_without_its_password(town):
    applicant, form = town.sign_up()
    town.send(town.form(organization=town.closed)).expect(202)
    town.approve(applicant).expect(200)
    audit = town.lab.bridge.home / "audit/audit-serve.jsonl"

    def refusals():
        lines = [json.loads(line) for line in audit.read_text().splitlines()]
        return [r for r in lines if r["type"] == "refusal" and r["change"] == "sign_up" and r.get("organization") == town.closed]

    refusal = eventually(refusals)[0]
    text = audit.read_text()
    records = [json.loads(line) for line in text.splitlines()]
    intents = {r["change"]: r for r in records if r["type"] == "intent" and form["userName"] in json.dumps(r)}
    assert intents["sign_up"]["actor"] == {"kind": "sign-up", "id": "::ffff:127.0.0.1"}
    done = next(r for r in records if r["type"] == "outcome" and r["intent"] == intents["sign_up"]["seq"])
    assert done["result"] == "done" and done["detail"] == applicant
    kinds = [r["change"] for r in records if r["type"] == "intent" and r.get("subject") == applicant]
    assert kinds == ["request", "approve"]
    assert refusal["rule"] == "KB-R11"
    for written in (text, town.lab.bridge.process.log_text()):
        assert PASSWORD not in written


# ---- a town of its own

def test_an_address_signs_up_a_few_times_an_hour(new_lab):
    lab = new_lab(bridge={"signup": "per_address_per_hour = 2;"})
    town = Town(lab)
    town.send(town.form(email="x")).expect(400)  # a mistake costs no try
    for _ in range(2):
        town.send(town.form()).expect(202)
    late = town.send(town.form()).expect(429)
    assert 0 < int(late.headers["Retry-After"]) <= 1800
    # Behind the proxy each client's own address counts, the last one, and of IPv6 the network.
    for address in ("203.0.113.7", "198.51.100.1, 203.0.113.8", "2001:db8:0:1::5"):
        town.send(town.form(), X_Forwarded_For=address).expect(202)
    town.send(town.form(), X_Forwarded_For="2001:db8:0:1:ffff::9").expect(202)
    town.send(town.form(), X_Forwarded_For="2001:db8:0:1::7").expect(429)
    town.send(town.form(), X_Forwarded_For="2001:db8:0:2::7").expect(202)
    searches = [organizations(town).status for _ in range(70)]
    assert searches[0] == 200 and 429 in searches


def test_what_a_stranger_says_of_the_address_counts_only_through_a_proxy(new_lab):
    lab = new_lab()
    text = lab.bridge.configuration.replace('trusted_proxies = [ "127.0.0.1" ]', "trusted_proxies = [ ]")
    lab.bridge.conf.write_text(text.replace("signup = { enabled = false;", "signup = { enabled = true; per_address_per_hour = 1;"))
    lab.bridge.process.stop()
    lab.bridge.process.start()
    town = Town(lab)
    town.send(town.form(), X_Forwarded_For="203.0.113.7").expect(202)
    town.send(town.form(), X_Forwarded_For="203.0.113.8").expect(429)


def test_where_it_is_off_there_is_no_such_path(lab):
    town = Town.__new__(Town)
    town.lab, town.organization = lab, "0" * 36
    for method, path in (("POST", "/signup"), ("GET", "/signup"), ("GET", "/signup/organizations")):
        assert town.send(None, method=method, path=path).expect(404).headers["Content-Type"].startswith("text/plain")


def applicant_entry(name, created, *values):
    resource = {"v": 1, "r": {"userName": name, "displayName": name, "active": True}, "u": f"{name}@elsewhere.example"}
    return entries.entry(f"uid=signup-{name},{site.PENDING}", [
        ("objectClass", "inetOrgPerson"), ("objectClass", "kiopsUser"), ("uid", f"signup-{name}"), ("cn", name), ("sn", name),
        ("kiopsActive", "TRUE"), ("kiopsResource", json.dumps(resource, separators=(",", ":"))), ("createTimestamp", created), *values])


def test_whom_nobody_approves_goes_after_keep_days(new_lab):
    old, new = "20250101000000Z", "20990101000000Z"
    organization = "00000000-0000-4000-8000-00000000000a"
    lab = new_lab(bridges=2, bridge={"signup": "keep_days = 1;"}, extra=[
        applicant_entry("forgotten", old, ("kiopsRequest", f"{organization}:{old}.00000000")),
        applicant_entry("rejected", old, ("kiopsRejected", f"{organization}:{old}")),
        applicant_entry("unfinished", old),
        applicant_entry("recent", old, ("kiopsRequest", f"{organization}:{new}.00000000")),
        applicant_entry("young", new),
        applicant_entry("claimed", old, ("kiopsJoined", f"{organization}:{old}.00000000"))])
    town = Town(lab)

    def left():
        return {dn.split(",")[0].removeprefix("uid=signup-") for dn in town.waiting()}

    eventually(lambda: left() == {"recent", "young", "claimed"}, within=20)
    lab.user()  # the bridges are well
    expired = [json.loads(line) for b in lab.bridges for line in (b.home / "audit/audit-serve.jsonl").read_text().splitlines()]
    assert {r["actor"]["id"] for r in expired if r.get("change") == "expire_sign_up"} == {"serve"}


def test_a_password_that_the_policy_refuses_leaves_nothing(new_lab):
    policy = f"cn=policy,{site.PLATFORM}"
    lab = new_lab(bridge={"signup": ANYBODY},
                  slapd={"modules": "moduleload ppolicy", "overlays": f'overlay ppolicy\nppolicy_default "{policy}"'})
    town = Town(lab)
    town.view.add(policy, objectClass=["organizationalRole", "pwdPolicy"], cn="policy", pwdAttribute="userPassword",
                  pwdCheckQuality="2", pwdMinLength="20")
    town.send(town.form(password="x" * 10)).expect(202)
    eventually(lambda: figure(town, "kiops_signups_dropped_total") == 1)
    assert town.waiting() == {}
    town.sign_up(password="x" * 30)


def test_applicants_are_there_again_after_a_restart(new_lab):
    lab = new_lab(bridges=2, bridge={"signup": ANYBODY})
    town = Town(lab)
    applicant, form = town.sign_up()
    lab.bridges[0].process.stop()
    lab.bridges[0].process.start()
    assert town.manager.get(town.seat(applicant)).expect(200)["status"] == "pending"
    assert town.lab.scim.find("Users", f'userName eq "{form["userName"]}"') == []
    town.approve(applicant).expect(200)
    eventually(lambda: lab.client(bridge=1).find("Users", f'userName eq "{form["userName"]}"'))


def test_a_name_is_free_again_under_a_rule_over_the_whole_tree(new_lab):
    """slapo-unique over everything: a waiting applicant still takes no name from anybody."""
    lab = new_lab(bridge={"signup": ANYBODY}, slapd={"overlays": f'unique_uri "serialize ldap:///{site.BASE}?uid?sub"'})
    town = Town(lab)
    applicant, form = town.sign_up()
    user = lab.user(userName=form["userName"])
    assert town.approve(applicant).expect(409).rule == "KB-R18"
    lab.scim.delete(f"/Users/{user['id']}").expect(204)
    town.approve(applicant).expect(200)
