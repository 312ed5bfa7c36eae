"""Sign-up by who has no account: where the applicant stands, who sees it, what approval makes of it."""

import json
import threading

import ldap
import pytest
from kiopslab import entries, site
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION, KIOPS_USER, USER
from town import ANYBODY, NUMBERS, PASSWORD, Town, figure, name_in



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


# ---- a town of its own

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
