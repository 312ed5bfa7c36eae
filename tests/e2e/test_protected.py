"""directory.protected: entries that no door shows, finds, counts, changes or makes again; a subtree hides all below."""

import json

import pytest
from kiopslab import entries, site
from lab import Lab, eventually
from scim import GROUP, KIOPS_ORGANIZATION, KIOPS_USER, USER

ROOT_PERSON, HIDDEN, HIDDEN_GROUP = site.user_dn("root"), f"ou=hidden,{site.PEOPLE}", site.organization_dn("Vault")
BELOW = f"uid=deep,{HIDDEN}"
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"


def person(dn, uid, *more):
    return entries.entry(dn, [("objectClass", "inetOrgPerson"), ("objectClass", "kiopsUser"), ("uid", uid), ("cn", uid), ("sn", uid),
                              ("mail", f"{uid}@x.org"), ("kiopsJoined", "platform:20260105080000Z.00000001"),
                              ("userPassword", entries.ssha(entries.SAMPLE_PASSWORD)), *more])


class Ground:
    def __init__(self, lab):
        self.lab, self.view, self.scim = lab, lab.view(), lab.scim
        self.ids = {dn: self.view.get(dn)["entryUUID"][0] for dn in (ROOT_PERSON, BELOW, HIDDEN_GROUP)}
        self.kim, self.ada = (lab.scim.find("Users", f'userName eq "{n}"')[0]["id"] for n in ("kim", "ada"))
        self.project = lab.scim.find("Groups", 'displayName eq "Project B"')[0]["id"]
        self.dn = site.organization_dn("Project B")
        self.view.modify(site.ADMINS, ("add", "member", [ROOT_PERSON, BELOW]))
        self.view.modify(self.dn, ("add", "member", [ROOT_PERSON, BELOW, HIDDEN_GROUP]), ("add", "owner", [ROOT_PERSON, BELOW]))
        self.settle()

    def settle(self):
        """Marks the project and waits until the bridge has seen it, and so all that came before."""
        mark = f"seen {self.lab.number()}"
        self.view.modify(self.dn, ("replace", "description", mark))
        eventually(lambda: self.scim.get(f"/Groups/{self.project}")[KIOPS_ORGANIZATION].get("description") == mark)

    def hidden(self):
        return {dn: self.view.get(dn) for dn in self.ids}

    def names(self, dn):
        entry = self.view.get(dn)
        return {v for a in ("member", "owner") for v in entry.get(a, ()) if v in self.ids}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    checked = [person(ROOT_PERSON, "root"), entries.entry(HIDDEN, [("objectClass", "organizationalUnit"), ("ou", "hidden")]),
             person(BELOW, "deep"),
             entries.entry(HIDDEN_GROUP, [("objectClass", "groupOfNames"), ("cn", "Vault"), ("member", site.user_dn("kim"))])]
    made = Lab(tmp_path_factory.mktemp("protected"), checked=checked, bridge={
        "directory": f'  protected = [ "UID=Root, ou=people,{site.BASE}", "{HIDDEN}", "{HIDDEN_GROUP}" ];\n',
        "users": 'adopt = "mail";', "organizations": 'adopt = "displayName";'})
    yield Ground(made)
    made.close()


@pytest.fixture(autouse=True)
def untouched(ground):
    """Whatever a test asks: the hidden entries, and what names them in the project and the platform group, stay."""
    before, named = ground.hidden(), (ground.names(ground.dn), ground.names(site.ADMINS))
    yield
    assert ground.hidden() == before and (ground.names(ground.dn), ground.names(site.ADMINS)) == named


@pytest.mark.parametrize("dn", [ROOT_PERSON, BELOW])
def test_a_hidden_person_is_in_no_answer(ground, dn):
    uuid, uid = ground.ids[dn], dn.split(",")[0][4:]
    unknown = ground.scim.get(f"/Users/{'1' * 8}-1111-4111-8111-{'1' * 12}").expect(404)
    answer = ground.scim.get(f"/Users/{uuid}").expect(404)
    assert answer["detail"] == unknown["detail"]
    for text in (f'userName eq "{uid}"', f'id eq "{uuid}"', f'emails.value eq "{uid}@x.org"', f'userName sw "{uid}"'):
        assert ground.scim.find("Users", text) == []
    assert uuid not in ground.scim.get("/Users", count=1000).text.decode()
    for text in (f'user.value eq "{uuid}"', f'organization.value eq "{ground.project}"'):
        assert uuid not in str(ground.scim.find("Memberships", text))
    ground.scim.get(f"/Memberships/{ground.project}.{uuid}").expect(404)


def test_a_hidden_group_is_in_no_answer(ground):
    uuid = ground.ids[HIDDEN_GROUP]
    ground.scim.get(f"/Groups/{uuid}").expect(404)
    for text in ('displayName eq "Vault"', f'id eq "{uuid}"', f'members.value eq "{ground.kim}"'):
        assert uuid not in str(ground.scim.find("Groups", text))
    shown = ground.scim.get(f"/Users/{ground.kim}").text.decode()
    assert uuid not in shown and "Vault" not in shown
    ground.scim.get(f"/Memberships/{uuid}.{ground.kim}").expect(404)


def test_the_hidden_are_not_counted_nor_shown_as_members_and_managers(ground):
    group = ground.scim.get(f"/Groups/{ground.project}").expect(200).json
    text = str(group)
    assert not any(uuid in text for uuid in ground.ids.values()) and len(group["members"]) == group[KIOPS_ORGANIZATION]["memberCount"] == 3
    assert {m["value"] for m in group[KIOPS_ORGANIZATION]["managers"]} == {ground.scim.find("Users", 'userName eq "jun"')[0]["id"]}


@pytest.mark.parametrize("dn", [ROOT_PERSON, BELOW])
def test_nothing_changes_a_hidden_person(ground, dn):
    uuid, scim = ground.ids[dn], ground.scim
    scim.patch(f"/Users/{uuid}", ("replace", "title", "T")).expect(404)
    scim.put(f"/Users/{uuid}", {"schemas": [USER], "userName": "x"}).expect(404)
    scim.delete(f"/Users/{uuid}").expect(404)
    scim.patch(f"/Groups/{ground.project}", ("add", "members", [{"value": uuid}])).expect(400)
    scim.patch(f"/Groups/{ground.project}", ("add", f"{KIOPS_ORGANIZATION}:managers", [{"value": uuid}])).expect(400)
    scim.post("/Memberships", {"schemas": [MEMBERSHIP], "user": {"value": uuid}, "organization": {"value": ground.project}}).expect(400, 404)
    for answer in (scim.patch(f"/Memberships/{ground.project}.{uuid}", ("replace", "role", "PlatformAdmin")),
                   scim.delete(f"/Memberships/{ground.project}.{uuid}")):
        answer.expect(404)
    removed = scim.patch(f"/Groups/{ground.project}", ("remove", f'members[value eq "{uuid}"]'))
    unknown = scim.patch(f"/Groups/{ground.project}", ("remove", f'members[value eq "{"1" * 8}-1111-4111-8111-{"1" * 12}"]'))
    assert removed.status == unknown.status


def test_nothing_changes_a_hidden_group(ground):
    uuid, scim = ground.ids[HIDDEN_GROUP], ground.scim
    scim.patch(f"/Groups/{uuid}", ("replace", "displayName", "Mine")).expect(404)
    scim.patch(f"/Groups/{uuid}", ("add", "members", [{"value": ground.kim}])).expect(404)
    scim.put(f"/Groups/{uuid}", {"schemas": [GROUP], "displayName": "Mine", "members": []}).expect(404)
    scim.delete(f"/Groups/{uuid}").expect(404)


@pytest.mark.parametrize("who", ["token", "person"])
def test_replacing_all_members_leaves_the_hidden(ground, who):
    client = ground.scim if who == "token" else ground.lab.person("ada")
    shown = ground.scim.get(f"/Groups/{ground.project}").json
    keep = [{"value": m["value"]} for m in shown["members"]]
    body = {"schemas": [GROUP], "displayName": "Project B", "members": keep}
    client.put(f"/Groups/{ground.project}", body).expect(200)
    client.patch(f"/Groups/{ground.project}", ("replace", "members", keep)).expect(200)


def test_a_hidden_person_does_not_keep_a_seat(ground):
    """The last Manager that is seen is the last one: who is hidden counts for nobody (KB-R07)."""
    jun = ground.scim.find("Users", 'userName eq "jun"')[0]["id"]
    answer = ground.scim.patch(f"/Memberships/{ground.project}.{jun}", ("replace", "role", "Member")).expect(409)
    assert answer.rule == "KB-R07"


def test_a_hidden_platform_admin_is_none_that_counts(ground):
    answer = ground.scim.patch(f"/Memberships/{ground.project}.{ground.ada}", ("replace", "role", "Member"))
    assert answer.status in (404, 409)
    assert ground.scim.delete(f"/Users/{ground.ada}").expect(409).rule == "KB-R16"


@pytest.mark.parametrize("name", ["root", "ROOT", "deep"])
def test_a_hidden_persons_name_is_taken_and_says_nothing_of_whom(ground, name):
    taken = ground.scim.post("/Users", {"schemas": [USER], "userName": "kim"}).expect(409)
    answer = ground.scim.post("/Users", {"schemas": [USER], "userName": name}).expect(409)
    assert answer["scimType"] == taken["scimType"] == "uniqueness" and answer["detail"] == taken["detail"]
    user = ground.lab.user()
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "userName", name)).expect(409)
    assert ground.scim.get(f"/Users/{user['id']}")["userName"] == user["userName"]


def test_a_hidden_groups_name_is_taken(ground):
    assert ground.scim.post("/Groups", {"schemas": [GROUP], "displayName": "vault"}).expect(409)["scimType"] == "uniqueness"
    group = ground.lab.organization()
    ground.scim.patch(f"/Groups/{group['id']}", ("replace", "displayName", "Vault")).expect(409)
    assert ground.scim.get(f"/Groups/{group['id']}")["displayName"] == group["displayName"]


def test_who_is_hidden_is_never_taken_over(ground):
    """By the attribute it matches nobody: somebody new is made beside."""
    answer = ground.scim.post("/Users", {"schemas": [USER], "userName": "beside", "emails": [{"value": "deep@x.org"}]}).expect(201)
    assert answer["id"] not in ground.ids.values()


def test_a_hidden_person_does_not_sign_in(ground):
    wrong = ground.lab.person("nobody-at-all", "x").get("/Me").expect(401)
    for name in ("root", "deep"):
        assert ground.lab.person(name).get("/Me").expect(401)["detail"] == wrong["detail"]


def test_nobody_is_managed_by_who_is_hidden(ground):
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    ground.scim.patch(f"/Users/{ground.kim}", ("add", f"{enterprise}:manager", {"value": ground.ids[ROOT_PERSON]})).expect(400)


def test_an_organization_that_names_the_hidden_can_be_deleted(ground):
    group = ground.lab.organization(members=[ground.kim])
    ground.view.modify(site.organization_dn(group["displayName"]), ("add", "member", [ROOT_PERSON, HIDDEN_GROUP]), ("add", "owner", BELOW))
    ground.scim.delete(f"/Groups/{group['id']}").expect(204)
    assert ground.view.by_id(group["id"]) is None
    assert group["id"] not in str(ground.scim.get(f"/Users/{ground.kim}").json.get(KIOPS_USER, {}))


def test_who_moves_behind_the_curtain_is_gone_and_comes_back(ground):
    user = ground.lab.user()
    dn = site.user_dn(user["userName"])
    link, rdn = ground.view.link, dn.split(",")[0]
    link.rename_s(dn, rdn, HIDDEN)
    eventually(lambda: ground.scim.get(f"/Users/{user['id']}").status == 404)
    assert ground.scim.find("Users", f'userName eq "{user["userName"]}"') == []
    link.rename_s(f"{rdn},{HIDDEN}", rdn, site.PEOPLE)
    eventually(lambda: ground.scim.get(f"/Users/{user['id']}").status == 200)


# ---- the throw-away entries of check: nobody, for as long as they are there

PROOF = "kiops-proof-0123456789abcdef"


@pytest.fixture
def proofs(ground):
    """What a check has in the directory while it is at work, and names like theirs."""
    people = [PROOF, f"{PROOF}b", f"{PROOF}c", PROOF[:-1], f"K{PROOF[1:-1]}0"]
    dns = [site.user_dn(name) for name in people] + [site.organization_dn(PROOF), site.organization_dn(f"{PROOF}c")]
    for name, dn in zip(people, dns):
        ground.view.add(dn, objectClass="inetOrgPerson", uid=name, cn=name, sn=name, mail=f"{name}@x.org")
    for dn in dns[len(people):]:
        ground.view.add(dn, objectClass="groupOfNames", cn=dn.split(",")[0][3:], member=site.user_dn("kim"))
    ground.settle()
    yield people
    for dn in dns:
        ground.view.delete(dn)
    ground.settle()


def test_a_checks_own_entries_are_nobody_and_only_they(ground, proofs):
    scim, look_alike = ground.scim, sorted(proofs[2:])
    ids = [ground.view.get(dn)["entryUUID"][0] for dn in map(site.user_dn, proofs)]
    eventually(lambda: sorted(u["userName"] for u in scim.get("/Users?count=1000")["Resources"] if "proof" in u["userName"]) == look_alike)
    assert [g["displayName"] for g in scim.get("/Groups?count=1000")["Resources"] if "proof" in g["displayName"]] == [f"{PROOF}c"]
    for name, uuid in zip(proofs, ids):
        shown = name in look_alike
        assert scim.get(f"/Users/{uuid}").status == (200 if shown else 404), name
    for query in (f'userName eq "{PROOF}b"', f'emails.value eq "{PROOF}b@x.org"'):
        assert scim.find("Users", query) == []
    assert scim.find("Groups", f'displayName eq "{PROOF}"') == []
    found = json.loads(ground.lab.bridge.cli("check", "--impact", "--json"))
    assert found["users"]["count"] == len(scim.get("/Users?count=1000")["Resources"])
    assert found["organizations"]["count"] == len(scim.get("/Groups?count=1000")["Resources"])


@pytest.mark.parametrize("name", [PROOF, f"{PROOF}b", PROOF.upper()], ids=["plain", "renamed", "capitals"])
def test_nobody_gets_a_name_that_would_hide_them(ground, name):
    scim = ground.scim
    user, group = ({"schemas": [USER], "userName": name}, {"schemas": [GROUP], "displayName": name})
    answers = [scim.post("/Users", user), scim.patch(f"/Users/{ground.kim}", ("replace", "userName", name)),
               scim.post("/Groups", group), scim.patch(f"/Groups/{ground.project}", ("replace", "displayName", name))]
    for answer in answers:
        assert answer.status == 400 and answer.json["scimType"] == "invalidValue", (answer.status, answer.json)
        assert "choose another one" in answer.json["detail"]
    assert ground.view.find(site.BASE, f"(|(uid={name})(cn={name}))") == {}
