"""`kiops-bridge explain`: the verdict before the change, and where a person's roles come from."""

import json
import subprocess
import time

import pytest
from checklist import proves
from kiopslab import site
from lab import BINARY, Lab, without_address_randomisation
from scim import KIOPS_ORGANIZATION

MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


def explain(lab, *words):
    argv = [*without_address_randomisation(), BINARY, "-c", str(lab.bridge.conf), "explain", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def verdict(lab, actor, change):
    done = explain(lab, "--json", "--actor", actor, "--change", change)
    assert done.returncode in (0, 5), done
    found = json.loads(done.stdout)
    assert found["allowed"] == (done.returncode == 0)
    return found


def person(lab, name):
    done = explain(lab, "--json", "--user", name)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("explain"))
    view = made.view()
    made.orgs = {e["cn"][0]: e["entryUUID"][0] for e in view.find(site.ORGANIZATIONS, "(objectClass=groupOfNames)").values()}
    made.people = {e["uid"][0]: e["entryUUID"][0] for e in view.find(site.PEOPLE, "(uid=*)").values()}
    a, b = made.orgs["Project A"], made.orgs["Project B"]
    made.tokens = {name: made.new_token(name, role, *words) for name, role, *words in (
        ("admin", "PlatformAdmin"),
        ("reader", "PlatformAdmin", "--access", "read"),
        ("asker", "PlatformAdmin", "--push-mode", "request"),
        ("careful", "PlatformAdmin", "--option", "max_removals=0"),
        ("manager", "Manager", "--organization", a),
        ("manager-b", "Manager", "--organization", b),
        ("member", "Member", "--organization", a))}
    # ada, a PlatformAdmin, is a member of Project A; rejected and inactive people of both.
    made.scim.patch(f"/Groups/{a}", ("add", "members", [{"value": made.people["ada"]}])).expect(200, 204)
    made.vacant = made.organization(managers=[made.user(userName="gone")["id"]], displayName="Vacant")["id"]
    gone = made.scim.find("Users", 'userName eq "gone"')[0]["id"]
    made.scim.patch(f"/Users/{gone}", ("replace", "active", False)).expect(200)
    made.people["gone"], made.orgs["Vacant"] = gone, made.vacant
    made.tokens["manager-v"] = made.new_token("manager-v", "Manager", "--organization", made.vacant)
    yield made
    made.close()


def member_of(attribute, op):
    def request(client, lab, user, organization):
        item = [{"value": lab.people[user]}]
        return client.patch(f"/Groups/{lab.orgs[organization]}", (op, attribute, item))
    return request


def demote(client, lab, user, organization):
    return client.patch(f"/Groups/{lab.orgs[organization]}", ("remove", f'{MANAGERS}[value eq "{lab.people[user]}"]'))


def membership(lab, user, organization):
    return f"/Memberships/{lab.orgs[organization]}.{lab.people[user]}"


def patch_membership(op, attribute, value):
    def request(client, lab, user, organization):
        return client.patch(membership(lab, user, organization or "Project A"), (op, attribute, value))
    return request


def end_membership(client, lab, user, organization):
    return client.delete(membership(lab, user, organization))


def deactivate(client, lab, user, _):
    return client.patch(f"/Users/{lab.people[user]}", ("replace", "active", False))


def delete(client, lab, user, _):
    return client.delete(f"/Users/{lab.people[user]}")


HTTP = {"add": member_of("members", "add"), "remove": member_of("members", "remove"),
        "promote": member_of(MANAGERS, "add"), "demote": demote, "deactivate": deactivate, "delete": delete,
        "grant vpn for": patch_membership("add", "permissions", ["vpn"]),
        "grant root for": patch_membership("add", "permissions", ["root"]),
        "revoke backup for": patch_membership("replace", "permissions", []),
        "approve": patch_membership("replace", "status", "active"), "reject": end_membership,
        "make PlatformAdmin": patch_membership("replace", "role", "PlatformAdmin"),
        "make Viewer": patch_membership("replace", "role", "Viewer"),
        "unmake PlatformAdmin": patch_membership("replace", "role", "Member")}

# Every refusal that a request through the door can meet: token, verb, user, organization, rule, status.
REFUSED = [
    ("manager", "promote", "kim", "Project A", "KB-R02", 403),
    ("manager", "promote", "mina", "Project A", "KB-R02", 403),
    ("manager", "promote", "sora", "Project A", "KB-R21", 403),
    ("manager", "remove", "ada", "Project A", "KB-R03", 403),
    ("manager", "demote", "ada", "Project A", "KB-R03", 403),
    ("manager-b", "remove", "kim", "Project A", "KB-R05", 404),
    ("member", "remove", "kim", "Project B", "KB-R05", 404),
    ("admin", "remove", "jun", "Project B", "KB-R07", 409),
    ("admin", "demote", "jun", "Project B", "KB-R07", 409),
    ("admin", "delete", "jun", None, "KB-R07", 409),
    ("manager-b", "remove", "jun", "Project B", "KB-R07", 409),
    ("reader", "remove", "kim", "Project A", "KB-R09", 403),
    ("reader", "deactivate", "kim", None, "KB-R09", 403),
    ("reader", "delete", "kim", None, "KB-R09", 403),
    ("member", "remove", "kim", "Project A", "KB-R09", 403),
    ("member", "add", "sora", "Project A", "KB-R09", 403),
    ("member", "delete", "kim", None, "KB-R09", 403),
    ("admin", "delete", "ada", None, "KB-R16", 409),
    ("manager", "deactivate", "kim", None, "KB-R18", 403),
    ("manager", "delete", "kim", None, "KB-R18", 403),
    ("manager", "deactivate", "sora", None, "KB-R05", 404),
    ("manager", "delete", "sora", None, "KB-R05", 404),
    ("manager-v", "remove", "gone", "Vacant", "KB-R19", 403),
    ("admin", "demote", "gone", "Vacant", "KB-R07", 409),
    ("careful", "remove", "kim", "Project A", "KB-R20", 409),
    ("manager", "add", "sora", "Project A", "KB-R21", 403),
    ("admin", "make Viewer", "kim", None, "KB-R01", 400),
    ("manager", "make PlatformAdmin", "kim", None, "KB-R03", 403),
    ("manager", "grant vpn for", "ada", "Project A", "KB-R03", 403),
    ("manager", "grant vpn for", "matteo", "Project A", "KB-R06", 403),
    ("reader", "approve", "noa", "Project A", "KB-R09", 403),
    ("reader", "reject", "noa", "Project A", "KB-R09", 403),
    ("manager", "grant root for", "kim", "Project A", "KB-R14", 400),
    ("manager-b", "grant root for", "kim", "Project A", "KB-R05", 404),
    ("reader", "grant root for", "kim", "Project A", "KB-R09", 403),
    ("manager", "make Viewer", "kim", None, "KB-R01", 400),
    ("admin", "unmake PlatformAdmin", "ada", None, "KB-R16", 409),
]


def change_text(verb, user, organization):
    """`make ROLE` names its role last."""
    verb, _, role = verb.partition(" ") if verb.startswith(("make", "unmake")) else (verb, "", "")
    if role:
        return f"{verb} {user} {role}"
    return f'{verb} {user} in "{organization}"' if organization else f"{verb} {user}"


@pytest.mark.cell("fault-53", "explain")
@pytest.mark.parametrize("token, verb, user, organization, rule, status", proves("explain", REFUSED, 4))
def test_refused_as_through_http(ground, token, verb, user, organization, rule, status):
    found = verdict(ground, f"token:{token}", change_text(verb, user, organization))
    assert (found["allowed"], found["rule"]) == (False, rule), found
    assert found["detail"] and found["ruleText"]
    answer = HTTP[verb](ground.client(ground.tokens[token]), ground, user, organization).expect(status)
    assert answer.rule == (None if status == 404 else rule)
    if status != 404 and token != "reader":  # the door is shut before the rules are asked
        assert answer["detail"] == found["detail"]


def ask_to_join(client, lab, user, organization):
    return client.post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": lab.orgs[organization]},
                                        "user": {"value": lab.people[user]}})


HTTP["request"] = ask_to_join

# The same for people who sign in.
REFUSED_PEOPLE = [
    ("mina", "promote", "kim", "Project A", "KB-R02", 403),
    ("mina", "make PlatformAdmin", "kim", None, "KB-R03", 403),
    ("mina", "remove", "ada", "Project A", "KB-R03", 403),
    ("ada", "deactivate", "ada", None, "KB-R04", 403),
    ("ada", "delete", "ada", None, "KB-R04", 403),
    ("mina", "remove", "mina", "Project A", "KB-R04", 403),
    ("mina", "grant vpn for", "mina", "Project A", "KB-R04", 403),
    ("mina", "remove", "sora", "Project B", "KB-R05", 404),
    ("mina", "grant vpn for", "matteo", "Project A", "KB-R06", 403),
    ("jun", "remove", "sora", "Project A", "KB-R09", 403),
    ("kim", "remove", "lee", "Project A", "KB-R09", 403),
    ("noa", "request", "noa", "Project A", "KB-R11", 409),
    ("kim", "request", "kim", "Project A", "KB-R11", 409),
    ("lee", "request", "lee", "Project B", "KB-R11", 403),
    ("mina", "deactivate", "kim", None, "KB-R18", 403),
    ("mina", "delete", "sora", None, "KB-R05", 404),
    ("mina", "add", "sora", "Project A", "KB-R21", 403),
]


@pytest.mark.parametrize("name, verb, user, organization, rule, status", proves("explain", REFUSED_PEOPLE, 4))
def test_people_are_refused_as_through_http(ground, name, verb, user, organization, rule, status):
    found = verdict(ground, name, change_text(verb, user, organization))
    assert (found["allowed"], found["rule"]) == (False, rule), found
    answer = HTTP[verb](ground.person(name), ground, user, organization).expect(status)
    assert answer.rule == (None if status == 404 else rule)
    assert status == 404 or answer["detail"] == found["detail"]


# KB-R17 is not compared: the sentences of `explain` (INTERFACES 4) edit, create and delete no organization.
def test_a_person_with_two_roles_has_two_verdicts(new_lab, ground):
    """KB-R13, and KB-R15: the verdict is that of the directory now, as the request's is, with no new login."""
    lab = new_lab()
    lab.orgs, lab.people = dict(ground.orgs), dict(ground.people)
    a, b, mina, lee = lab.orgs["Project A"], lab.orgs["Project B"], lab.people["mina"], lab.people["lee"]
    lab.scim.patch(f"/Groups/{b}", ("add", "members", [{"value": u} for u in (mina, lee)])).expect(200, 204)
    person = lab.person("mina")

    def compared(verb, organization, rule, status):
        found = verdict(lab, "mina", change_text(verb, "lee", organization))
        answer = HTTP[verb](person, lab, "lee", organization).expect(*((200, 204) if status == 200 else (status,)))
        assert (found["allowed"], found["rule"]) == (status == 200, rule), found
        assert status == 200 or (answer.rule, answer["detail"]) == (rule, found["detail"])

    compared("grant vpn for", "Project A", "KB-R06", 200)  # Manager there
    compared("remove", "Project B", "KB-R09", 403)  # Member here, at the same time
    lab.scim.patch(f"/Groups/{b}", ("add", MANAGERS, [{"value": mina}])).expect(200, 204)
    compared("remove", "Project B", "KB-R12", 200)
    lab.scim.patch(f"/Groups/{a}", ("add", MANAGERS, [{"value": lee}])).expect(200, 204)
    lab.scim.patch(f"/Groups/{a}", ("remove", f'{MANAGERS}[value eq "{mina}"]')).expect(200, 204)
    compared("remove", "Project A", "KB-R09", 403)


def test_every_sentence_occurs():
    """INTERFACES 4: each form of a change is compared with HTTP somewhere above."""
    said = {verb.split()[0] for _, verb, *_ in REFUSED + REFUSED_PEOPLE + ALLOWED}
    assert said == {"add", "remove", "promote", "demote", "approve", "reject", "request", "grant", "revoke", "make", "unmake",
                    "deactivate", "delete"}


# token, verb, user, organization, rule: explain says yes, and HTTP then does it.
ALLOWED = [
    ("manager", "grant vpn for", "lee", "Project A", "KB-R06"),
    ("manager", "revoke backup for", "jun", "Project A", "KB-R06"),
    ("manager", "approve", "noa", "Project A", "KB-R10"),
    ("asker", "add", "sora", "Project A", "KB-R20"),
    ("manager", "reject", "sora", "Project A", "KB-R05"),
    ("admin", "make PlatformAdmin", "noa", None, "KB-R03"),
    ("admin", "add", "lee", "Project B", "KB-R21"),
    ("admin", "promote", "lee", "Project A", "KB-R02"),
    ("manager", "demote", "lee", "Project A", "KB-R08"),
    ("manager", "remove", "lee", "Project A", "KB-R12"),
    ("admin", "promote", "lee", "Project A", "KB-R02"),
    ("admin", "remove", "gone", "Vacant", "KB-R19"),
    ("admin", "deactivate", "sora", None, "KB-R19"),
    ("admin", "deactivate", "ada", None, "KB-R16"),
    ("admin", "delete", "sora", None, "KB-R18"),
]


@pytest.mark.cell("KB-R12", "explain")
def test_allowed_as_through_http(new_lab, ground):
    """One after the other, on a directory of its own: explain changes nothing, the request does."""
    lab = new_lab()
    lab.orgs, lab.people = dict(ground.orgs), dict(ground.people)  # the sample's ids are the same in every run
    gone = lab.user(userName="gone")["id"]
    lab.people["gone"], lab.orgs["Vacant"] = gone, lab.organization(managers=[gone], displayName="Vacant")["id"]
    lab.scim.patch(f"/Users/{gone}", ("replace", "active", False)).expect(200)
    a = lab.orgs["Project A"]
    tokens = {name: lab.new_token(name, role, *words) for name, role, *words in (
        ("admin", "PlatformAdmin"), ("asker", "PlatformAdmin", "--push-mode", "request"),
        ("manager", "Manager", "--organization", a))}
    for token, verb, user, organization, rule in ALLOWED:
        text = change_text(verb, user, organization)
        before, files = lab.view().find(site.BASE), audit_bytes(lab)
        found = verdict(lab, f"token:{token}", text)
        assert (found["allowed"], found["rule"]) == (True, rule), (text, found)
        assert lab.view().find(site.BASE) == before and audit_bytes(lab) == files
        HTTP[verb](lab.client(tokens[token]), lab, user, organization).expect(200, 204)
        assert lab.view().find(site.BASE) != before


def audit_bytes(lab):
    return {p.name: p.read_bytes() for p in (lab.bridge.home / "audit").iterdir()}


# By the rules alone: what asks for a state or an actor of its own.
BY_RULE = [
    ("ada", "deactivate ada", False, "KB-R04"),
    ("ada", "unmake ada PlatformAdmin", False, "KB-R04"),
    ("mina", "remove mina in Project A", False, "KB-R04"),
    ("mina", "grant vpn for lee in Project A", True, "KB-R06"),
    ("mina", "grant vpn for matteo in Project A", False, "KB-R06"),
    ("ada", "grant vpn for matteo in Project A", True, "KB-R06"),
    ("mina", "revoke vpn for kim in Project A", True, "KB-R06"),
    ("mina", "approve noa in Project A", True, "KB-R10"),
    ("mina", "reject noa in Project A", True, "KB-R05"),
    ("mina", "approve sora in Project A", False, "KB-R11"),
    ("mina", "remove sora in Project B", False, "KB-R05"),
    ("mina", "make kim PlatformAdmin", False, "KB-R03"),
    ("ada", "make kim PlatformAdmin", True, "KB-R03"),
    ("ada", "make gone PlatformAdmin", False, "KB-R16"),
    ("kim", "remove lee in Project A", False, "KB-R09"),
    ("sora", "request sora in Project A", True, "KB-R11"),
    ("noa", "request noa in Project A", False, "KB-R11"),
    ("sora", "request kim in Project A", False, "KB-R09"),
    ("noa", "request noa in Project B", False, "KB-R11"),
    ("gone", "request gone in Project A", False, "KB-R09"),
    ("ada", "grant root for kim in Project A", False, "KB-R14"),
    ("ada", "make kim Viewer", False, "KB-R01"),
    ("ada", "grant vpn for sora in Project A", False, "KB-R10"),
    ("mina", "remove matteo in Project A", True, "KB-R08"),
]


@pytest.mark.cell("fault-54", "explain")
@pytest.mark.parametrize("actor, text, allowed, rule", proves("explain", BY_RULE, 3))
def test_what_people_may(ground, actor, text, allowed, rule):
    found = verdict(ground, actor, text)
    assert (found["allowed"], found["rule"]) == (allowed, rule), found


def test_what_it_rests_on(ground):
    facts = verdict(ground, "token:admin", 'remove jun in "Project B"')["facts"]
    assert facts["actor"] == {"kind": "token", "id": "admin", "role": "PlatformAdmin", "access": "write",
                              "pushMode": "direct", "organizations": []}
    assert facts["user"]["id"] == ground.people["jun"] and facts["user"]["active"] is True
    place = facts["organization"]
    assert (place["userIsMember"], place["userIsManager"], place["otherManagersThatCount"]) == (True, True, 0)
    assert place["joinPolicy"] == "closed" and place["userJoined"] == "2026-01-05T08:00:00Z"
    text = explain(ground, "--actor", "token:admin", "--change", 'remove jun in "Project B"')
    assert text.returncode == 5 and text.stdout.startswith("refused\nKB-R07 ")
    assert "organization.otherManagersThatCount: 0" in text.stdout


@pytest.mark.parametrize("name", ["kim", "KIM", "id", "e2e:kim-there"])
def test_names_of_a_person(ground, name):
    view = ground.view()
    if ":" in name and name not in view.get(site.user_dn("kim"))["kiopsExternalId"]:
        view.modify(site.user_dn("kim"), ("add", "kiopsExternalId", name))
    wanted = ground.people["kim"] if name == "id" else name
    assert person(ground, wanted)["user"]["id"] == ground.people["kim"]
    assert verdict(ground, "mina", f"remove {wanted} in {ground.orgs['Project A']}")["allowed"]


def test_an_external_id_of_the_acting_client(ground):
    ground.view().modify(site.user_dn("lee"), ("add", "kiopsExternalId", f"{site.CLIENT}:E-17"))
    assert verdict(ground, "token:admin", "deactivate E-17")["facts"]["user"]["id"] == ground.people["lee"]
    assert explain(ground, "--actor", "mina", "--change", "deactivate E-17").returncode == 1


@pytest.mark.parametrize("words, code, says", [
    (("--actor", "token:nobody", "--change", "delete kim"), 1, "token"),
    (("--actor", "nobody", "--change", "delete kim"), 1, "no user"),
    (("--actor", "ada", "--change", "delete nobody"), 1, "no user"),
    (("--actor", "ada", "--change", "add kim in Nowhere"), 1, "no organization"),
    (("--actor", "ada", "--change", "add kim"), 64, "add USER in ORGANIZATION"),
    (("--actor", "ada"), 64, "--change"),
    (("--change", "delete kim"), 64, "--actor"),
    (("--user", "kim", "--actor", "ada"), 64, "--user"),
    (("--user", "kim", "--user", "ada"), 64, "--user"),
    (("--user", "*"), 1, "no user"),
    (("kim",), 64, "--user"),
    ((), 64, "--user"),
])
def test_complaints(ground, words, code, says):
    done = explain(ground, *words)
    assert (done.returncode, done.stdout) == (code, "") and says in done.stderr, done


# ---- a person

def place(found, organization):
    return next((o for o in found["organizations"] if o["id"] == organization), None)


@pytest.mark.cell("KB-R13", "explain")
def test_roles_of_a_person(ground):
    found = person(ground, "jun")
    assert place(found, ground.orgs["Project B"]) | {"audit": []} == {
        "id": ground.orgs["Project B"], "displayName": "Project B", "status": "active", "role": "Manager",
        "permissions": [], "joinDate": "2026-01-05T08:00:00Z", "notCounted": [], "audit": []}
    assert place(found, ground.orgs["Project A"])["permissions"] == ["backup"]
    assert "platformRole" not in found
    asks = place(person(ground, "noa"), ground.orgs["Project A"])
    assert asks["status"] == "pending" and asks["requestedAt"] == "2026-01-05T08:00:00Z" and "role" not in asks
    ada = person(ground, "ada")
    assert ada["platformRole"] == "PlatformAdmin" and ada["platformAdminSince"] == "2026-01-05T08:00:00Z"
    assert person(ground, "gone")["user"]["active"] is False and person(ground, "gone")["notCounted"]


def test_the_audit_records_that_gave_a_role(ground):
    user, org = ground.user(userName="recorded"), ground.organization(managers=[ground.user()["id"]])
    path = f"/Groups/{org['id']}"
    item = [{"value": user["id"]}]
    client = ground.client(ground.tokens["admin"])
    client.patch(path, ("add", "members", item)).expect(200, 204)
    client.patch(path, ("add", MANAGERS, item)).expect(200, 204)
    for change in (("add", "permissions", ["vpn"]), ("remove", "permissions", ["vpn"])):
        client.patch(f"/Memberships/{org['id']}.{user['id']}", change).expect(200)
    ground.client(ground.tokens["member"]).delete(f"/Users/{user['id']}").expect(403)
    client.patch(f"/Users/{user['id']}", ("replace", "active", False)).expect(200)
    found = person(ground, "recorded")
    records = place(found, org["id"])["audit"]
    assert [(r["change"], r.get("permission"), r["actor"], r["rule"]) for r in records] == [
        ("add", None, "token:admin", "KB-R21"), ("promote", None, "token:admin", "KB-R02"),
        ("grant", "vpn", "token:admin", "KB-R06"), ("revoke", "vpn", "token:admin", "KB-R06")]
    assert [(r["change"], r["actor"]) for r in found["audit"]] == [
        ("create_user", "token:e2e"), ("deactivate", "token:admin")]  # a refusal gave nothing
    lines = [json.loads(line) for line in (ground.bridge.home / "audit/audit-serve.jsonl").read_text().splitlines()]
    by_seq = {line["seq"]: line for line in lines}
    made = {line["intent"]: line["subject"] for line in lines if line["type"] == "outcome" and "subject" in line}
    for r in (*records, *found["audit"]):
        line = by_seq[r["seq"]]
        assert (r["chain"], r["time"], r["change"]) == ("serve", line["time"], line["change"])
        assert line.get("subject", made.get(r["seq"])) == user["id"]
    text = explain(ground, "--user", "recorded").stdout
    assert f"audit serve {records[1]['seq']}, {records[1]['time']}: promote by token:admin, KB-R02" in text


def stamp(org):
    return f"{org}:{time.strftime('%Y%m%d%H%M%SZ', time.gmtime())}.0000000a"


HALVES = [
    ("kiopsJoined", False, "kiopsJoined without member"),
    ("kiopsManager", False, "kiopsManager without owner"),
    ("kiopsPermission", False, "kiopsPermission without member"),
    (None, "member", "member without kiopsJoined"),
    (None, "owner", "owner without member"),
    ("kiopsRequest", "member", "kiopsRequest of a member"),
]


@pytest.mark.parametrize("attribute, side, says", HALVES)
def test_values_of_one_side_do_not_count(ground, attribute, side, says):
    view, org, user = ground.view(), ground.orgs["Project A"], ground.user()
    dn, _ = view.by_id(user["id"])
    value = {"kiopsManager": org, "kiopsPermission": f"{org}:vpn"}.get(attribute, stamp(org))
    if attribute:
        view.modify(dn, ("add", attribute, value))
    if side:
        view.modify(view.by_id(org)[0], ("add", side, dn))
    found = place(person(ground, user["id"]), org)
    assert any(t.startswith(says) for t in found["notCounted"]), found
    assert found.get("role") == ("Member" if side == "member" else None) and not found.get("permissions")
    if side:
        view.modify(view.by_id(org)[0], ("delete", side, dn))


@pytest.mark.cell("KB-R15", "explain")
def test_a_manager_of_the_own_side_alone_is_a_member(ground):
    view, org, user = ground.view(), ground.orgs["Project A"], ground.user()
    dn, _ = view.by_id(user["id"])
    place_dn, _ = view.by_id(org)
    view.modify(dn, ("add", "kiopsJoined", stamp(org)), ("add", "kiopsManager", org))
    view.modify(place_dn, ("add", "member", dn))
    found = place(person(ground, user["id"]), org)
    assert found["role"] == "Member" and found["notCounted"] == ["kiopsManager without owner: no Manager"]
    refused = verdict(ground, user["id"], "reject noa in Project A")
    assert (refused["allowed"], refused["rule"]) == (False, "KB-R09")
    view.modify(place_dn, ("add", "owner", dn))
    assert place(person(ground, user["id"]), org)["role"] == "Manager"
    assert verdict(ground, user["id"], "reject noa in Project A")["allowed"]
    view.modify(place_dn, ("delete", "owner", dn), ("delete", "member", dn))


def test_values_of_the_platform_and_of_no_organization(ground):
    view, user = ground.view(), ground.user()
    dn, _ = view.by_id(user["id"])
    nowhere = "00000000-0000-4000-8000-000000000000"
    view.modify(dn, ("add", "kiopsJoined", [stamp("platform"), stamp(nowhere)]))
    found = person(ground, user["id"])
    assert "platformRole" not in found and "without the platform group" in found["notCounted"][0]
    assert place(found, nowhere)["status"] == "none" and "no such organization" in place(found, nowhere)["notCounted"][0]
    assert not verdict(ground, user["id"], "delete kim")["allowed"]


def test_a_directory_that_is_away_is_an_error(new_lab):
    lab = new_lab()
    lab.slapd.process.stop()
    done = explain(lab, "--user", "kim")
    assert done.returncode == 1 and "directory" in done.stderr and not done.stdout
    lab.slapd.process.start()
