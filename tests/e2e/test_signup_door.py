"""Sign-up by who has no account: what the door says, whom it lets in how often, and what it writes down."""

import json
import os
import signal

import pytest
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION
from town import ANYBODY, NUMBERS, PASSWORD, Town, figure, name_in

ACCEPTED = {"status": "accepted", "detail": "Thank you. If the request can be made, a Manager of the organization "
                                            "decides on it."}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("door"), bridges=2, bridge={"signup": ANYBODY})
    yield Town(lab)
    lab.close()


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
