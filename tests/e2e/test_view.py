"""What tokens of each role see and may do (DESIGN 5 "View", 4): every list, filter, count and id is answered on the
actor's view, every refusal names its rule. A directory of its own: the sample's two organizations and eight people."""

import uuid

import pytest
from kiopslab import entries, site
from scim import GROUP, KIOPS_ORGANIZATION, KIOPS_USER, REFUSAL, USER
from test_scim_transport import is_error

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
PEOPLE = {p[0] for p in entries.PEOPLE}
OF_A = {"mina", "matteo", "jun", "kim", "lee", "noa"}  # noa asks to join
OF_B = {"jun", "kim", "sora"}


@pytest.fixture(scope="module")
def site_lab(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("view"))
    made.ids = {u["userName"]: u["id"] for u in made.scim.find("Users", "userName pr")}
    made.ids |= {g["displayName"][-1]: g["id"] for g in made.scim.find("Groups", "displayName pr")}
    yield made
    made.close()


ROLES = {
    "admin": ("PlatformAdmin", ()), "admin-reads": ("PlatformAdmin", (), "--access", "read"), "manager-a": ("Manager", "A"),
    "manager-a-reads": ("Manager", "A", "--access", "read"), "manager-ab": ("Manager", "AB"), "member-a": ("Member", "A"),
    "member-b": ("Member", "B"),
}


@pytest.fixture(scope="module")
def clients(site_lab):
    """Role -> client; all of the provisioning client of the sample."""
    def of(name, role, organizations, *options):
        for letter in organizations:
            options += ("--organization", site_lab.ids[letter])
        return site_lab.client(site_lab.new_token(name, role, *options))
    return {name: of(name, *spec) for name, spec in ROLES.items()}


def names(client, kind, attribute, **query):
    return {one[attribute] for one in client.get(f"/{kind}", **query).expect(200)["Resources"]}


def refused(answer, status, rule, **more):
    """A refusal by a rule: no scimType, and the Refusal extension says which (INTERFACES 1.4)."""
    is_error(answer, status)
    assert "scimType" not in answer.json and answer["schemas"][1] == REFUSAL
    said = answer[REFUSAL]
    assert said["rule"] == rule and said["requestId"] == answer.headers["X-Request-Id"]
    assert {name: said.get(name) for name in more} == more


# ---- what is seen


@pytest.mark.parametrize("who, people", [("admin", PEOPLE), ("admin-reads", PEOPLE), ("manager-a", OF_A),
                                         ("manager-a-reads", OF_A), ("manager-ab", OF_A | OF_B)])
def test_a_list_of_people_is_that_of_ones_organizations(clients, who, people):
    """KB-R18."""
    assert names(clients[who], "Users", "userName") == people
    assert clients[who].get("/Users?count=0")["totalResults"] == len(people)
    assert clients[who].get("/Users", filter='userName eq "ada"')["totalResults"] == ("ada" in people)


@pytest.mark.parametrize("who", ["member-a", "member-b"])
def test_a_member_lists_no_people_and_reads_none(site_lab, clients, who):
    """KB-R09: 403 on the list; nobody else exists."""
    for query in ({}, {"filter": 'userName eq "kim"'}, {"count": "0"}):
        refused(clients[who].get("/Users", **query), 403, "KB-R09")
    for name in ("kim", "ada", "noa"):
        is_error(clients[who].get(f"/Users/{site_lab.ids[name]}"), 404)


@pytest.mark.parametrize("who, seen", [("admin", "AB"), ("manager-a", "A"), ("manager-ab", "AB"), ("member-a", "A"),
                                       ("member-b", "B")])
def test_an_organization_that_is_not_ones_own_does_not_exist(site_lab, clients, who, seen):
    """KB-R05: 404 identical to an unknown id, on reading and on writing."""
    client = clients[who]
    assert names(client, "Groups", "id") == {site_lab.ids[letter] for letter in seen}
    unknown = is_error(client.get(f"/Groups/{uuid.uuid4()}"), 404)
    for letter in "AB":
        path = f"/Groups/{site_lab.ids[letter]}"
        assert client.get("/Groups", filter=f'id eq "{site_lab.ids[letter]}"')["totalResults"] == (letter in seen)
        if letter in seen:
            client.get(path).expect(200)
            continue
        assert is_error(client.get(path), 404).json == unknown.json and REFUSAL not in unknown.json
        for answer in (client.patch(path, ("replace", "displayName", "x")), client.delete(path),
                       client.put(path, {"schemas": [GROUP], "displayName": "x"})):
            assert answer.status == 404 and REFUSAL not in answer.json


@pytest.mark.parametrize("who, letter", [("member-a", "A"), ("member-b", "B")])
def test_a_member_sees_the_name_of_the_organization_and_no_more(site_lab, clients, who, letter):
    """DESIGN 5: id, displayName, description only."""
    group = clients[who].get(f"/Groups/{site_lab.ids[letter]}").expect(200).json
    assert set(group) <= {"schemas", "id", "displayName", "members", "meta", KIOPS_ORGANIZATION}
    assert group.get("members", []) == [] and set(group[KIOPS_ORGANIZATION]) == {"description"}
    hidden = f'members.value eq "{site_lab.ids["kim"]}"'
    assert clients[who].get("/Groups", filter=hidden)["totalResults"] == 0
    assert clients[who].get("/Groups", filter=f"{KIOPS_ORGANIZATION}:memberCount gt 0")["totalResults"] == 0


def test_a_manager_sees_of_a_person_the_own_organizations_only(site_lab, clients):
    """kim is a Member of A and of B, jun is Manager of B: seen by a Manager of A as Members of A."""
    for name in ("kim", "jun"):
        whole = clients["admin"].get(f"/Users/{site_lab.ids[name]}").expect(200).json
        part = clients["manager-a"].get(f"/Users/{site_lab.ids[name]}").expect(200).json
        assert {m["value"] for m in whole[KIOPS_USER]["memberships"]} == {site_lab.ids["A"], site_lab.ids["B"]}
        assert [m["value"] for m in part[KIOPS_USER]["memberships"]] == [site_lab.ids["A"]]
        assert [g["value"] for g in part["groups"]] == [site_lab.ids["A"]]
        assert [r["value"] for r in part["roles"]] == [f"Member@{site_lab.ids['A']}"]
        assert whole["meta"]["version"] == part["meta"]["version"]  # a user's version leaves these out
    client, b = clients["manager-a"], site_lab.ids["B"]
    for text in (f'groups.value eq "{b}"', 'groups.display eq "Project B"', f'roles.value eq "Manager@{b}"'):
        assert client.get("/Users", filter=text)["totalResults"] == 0
    assert names(client, "Users", "userName", sortBy="userName", count=2) == {"jun", "kim"}


def test_a_pending_person_is_seen_by_the_manager_concerned_alone(site_lab, clients):
    noa = site_lab.ids["noa"]
    assert clients["manager-a"].get(f"/Users/{noa}").expect(200)[KIOPS_USER]["memberships"][0]["status"] == "pending"
    assert clients["manager-a"].get(f"/Groups/{site_lab.ids['A']}")[KIOPS_ORGANIZATION]["pending"] == 1
    only_b = site_lab.client(site_lab.new_token("manager-b", "Manager", "--organization", site_lab.ids["B"]))
    is_error(only_b.get(f"/Users/{noa}"), 404)


# ---- what may be done


WRITES = {  # who -> (status, rule) for: user records, making organizations, adding a member
    "manager-a": ((403, "KB-R18"), (403, "KB-R17"), (403, "KB-R21")),
    "member-a": ((403, "KB-R09"), (403, "KB-R09"), (403, "KB-R09")),
    "admin-reads": ((403, "KB-R09"),) * 3, "manager-a-reads": ((403, "KB-R09"),) * 3,
}


@pytest.mark.parametrize("who", WRITES)
def test_who_is_no_platform_admin_changes_no_record(site_lab, clients, who):
    """KB-R18, R17, R21, R09; read in slapd before and after."""
    client, ids, view = clients[who], site_lab.ids, site_lab.view()
    before = (view.find(site.PEOPLE), view.find(site.ORGANIZATIONS))
    users, organizations, adding = WRITES[who]
    kim, a = f"/Users/{ids['kim']}", f"/Groups/{ids['A']}"
    refused(client.post("/Users", {"schemas": [USER], "userName": "never"}), *users)
    unseen = who == "member-a"  # for a Member nobody else exists, whatever is tried
    for answer in (client.patch(kim, ("replace", "title", "x")), client.patch(kim, ("replace", "active", False)),
                   client.put(kim, {"schemas": [USER], "userName": "kim"}), client.delete(kim)):
        is_error(answer, 404) if unseen and answer.status == 404 else refused(answer, *users)
    refused(client.post("/Groups", {"schemas": [GROUP], "displayName": "Never"}), *organizations)
    refused(client.delete(a), *organizations)
    refused(client.patch(a, ("add", "members", [{"value": ids["sora"]}])), *adding)
    assert (view.find(site.PEOPLE), view.find(site.ORGANIZATIONS)) == before


def test_a_manager_edits_the_own_organization(site_lab, clients):
    """KB-R17: name, description, join policy."""
    path, view = f"/Groups/{site_lab.ids['A']}", site_lab.view()
    clients["manager-a"].patch(path, ("replace", f"{KIOPS_ORGANIZATION}:description", "edited"),
                               ("replace", f"{KIOPS_ORGANIZATION}:joinPolicy", "closed")).expect(200)
    entry = view.by_id(site_lab.ids["A"])[1]
    assert (entry["description"], entry["kiopsJoinPolicy"]) == (["edited"], ["closed"])
    clients["manager-a"].patch(path, ("replace", f"{KIOPS_ORGANIZATION}:joinPolicy", "open")).expect(200)
    refused(clients["member-a"].patch(path, ("replace", "displayName", "x")), 403, "KB-R09",
            organization=site_lab.ids["A"])


def test_a_manager_removes_a_member_and_makes_no_manager(site_lab, clients):
    """KB-R05, R02, R12: B keeps what was B's."""
    client, ids, view = clients["manager-a"], site_lab.ids, site_lab.view()
    path = f"/Groups/{ids['A']}"
    refused(client.patch(path, ("add", MANAGERS, [{"value": ids["lee"]}])), 403, "KB-R02", subject=ids["lee"],
            organization=ids["A"])
    client.patch(path, ("remove", f'members[value eq "{ids["kim"]}"]')).expect(200)
    kim = view.by_id(ids["kim"])[1]
    assert site.user_dn("kim") not in view.members(ids["A"]) and "kiopsPermission" not in kim
    assert [joined.split(":")[0] for joined in kim["kiopsJoined"]] == [ids["B"]]
    is_error(client.get(f"/Users/{ids['kim']}"), 404)  # out of the organization, out of the view
    refused(client.patch(path, ("add", "members", [{"value": ids["kim"]}])), 403, "KB-R21")
    clients["admin"].patch(path, ("add", "members", [{"value": ids["kim"]}])).expect(200)
    assert "kiopsPermission" not in view.by_id(ids["kim"])[1]  # KB-R10


def test_a_manager_demotes_another_and_never_the_last_one(site_lab, clients):
    """KB-R08, R07."""
    client, ids, view = clients["manager-a"], site_lab.ids, site_lab.view()
    path = f"/Groups/{ids['A']}"
    client.patch(path, ("remove", f'{MANAGERS}[value eq "{ids["matteo"]}"]')).expect(200)
    for operation in (("remove", f'{MANAGERS}[value eq "{ids["mina"]}"]'), ("remove", f'members[value eq "{ids["mina"]}"]'),
                      ("remove", MANAGERS)):
        for one in (client, clients["admin"]):
            refused(one.patch(path, operation), 409, "KB-R07", subject=ids["mina"], organization=ids["A"])
    refused(clients["admin"].delete(f"/Users/{ids['mina']}"), 409, "KB-R07", subject=ids["mina"])
    assert view.members(ids["A"], "owner") == {site.user_dn("mina")}
    clients["admin"].patch(path, ("add", MANAGERS, [{"value": ids["matteo"]}])).expect(200)


def test_a_manager_does_not_touch_a_platform_admin(site_lab, clients):
    """KB-R03."""
    ids, path = site_lab.ids, f"/Groups/{site_lab.ids['A']}"
    clients["admin"].patch(path, ("add", "members", [{"value": ids["ada"]}])).expect(200)
    refused(clients["manager-a"].patch(path, ("remove", f'members[value eq "{ids["ada"]}"]')), 403, "KB-R03",
            subject=ids["ada"])
    assert clients["manager-a"].get(f"/Users/{ids['ada']}").expect(200)["userName"] == "ada"
    clients["admin"].patch(path, ("remove", f'members[value eq "{ids["ada"]}"]')).expect(200)


def test_the_last_platform_admin_is_not_deleted(site_lab, clients):
    """KB-R16: by nobody; a provisioning token may deactivate, which ends the role for good."""
    ada, view = f"/Users/{site_lab.ids['ada']}", site_lab.view()
    refused(clients["admin"].delete(ada), 409, "KB-R16", subject=site_lab.ids["ada"])
    assert view.get(site.user_dn("ada")) and site.user_dn("ada") in view.get(site.ADMINS)["member"]


def test_one_refusal_refuses_the_whole_request(site_lab, clients):
    """DESIGN 3.3: every refusal is decided before the first write; `operation` says which one it was."""
    ids, view = site_lab.ids, site_lab.view()
    path = f"/Groups/{ids['A']}"
    before = view.by_id(ids["A"])[1]
    answer = clients["manager-a"].patch(path, ("replace", f"{KIOPS_ORGANIZATION}:description", "half"),
                                        ("remove", f'members[value eq "{ids["lee"]}"]'),
                                        ("add", "members", [{"value": ids["sora"]}]))
    refused(answer, 403, "KB-R21", operation=2, organization=ids["A"])
    assert view.by_id(ids["A"])[1] == before


@pytest.mark.cell("KB-R20", "group-members")
@pytest.mark.parametrize("options, removed, status", [((), 21, 409), ((), 20, 200), (("--option", "max_removals=25"), 21, 200),
                                                      (("--option", "max_removals=1"), 2, 409)])
def test_one_request_removes_only_so_many(site_lab, options, removed, status):
    """KB-R20: the larger of 20 and 30 percent, or what the token says."""
    client = site_lab.client(site_lab.new_token(f"removes{site_lab.number()}", "PlatformAdmin", *options))
    users = [site_lab.user()["id"] for _ in range(24)]
    group = site_lab.organization(members=users)["id"]
    kept = [{"value": user} for user in users[removed:]]
    answer = client.patch(f"/Groups/{group}", ("replace", "members", kept)).expect(status)
    if status == 409:
        refused(answer, 409, "KB-R20", organization=group)
        assert "max_removals" in answer["detail"]
    assert len(site_lab.view().members(group)) == 24 - (removed if status == 200 else 0)


@pytest.mark.cell("KB-R07", "group-members")
@pytest.mark.parametrize("keeps", ["yes", "no"])
def test_a_push_that_leaves_the_manager_out(site_lab, keeps):
    """DESIGN 5 "Replacing members": refused whole, unless the token keeps Managers."""
    client = site_lab.client(site_lab.new_token(f"keeps{keeps}", "PlatformAdmin", "--option", f"keep_managers={keeps}"))
    boss, user, other = (site_lab.user()["id"] for _ in range(3))
    group, view = site_lab.organization(members=[user], managers=[boss])["id"], site_lab.view()
    answer = client.patch(f"/Groups/{group}", ("replace", "members", [{"value": other}]))
    members = {view.get(dn)["entryUUID"][0] for dn in view.members(group)}
    if keeps == "yes":
        assert answer.expect(200) and members == {boss, other}
    else:
        refused(answer, 409, "KB-R07", subject=boss, organization=group)
        assert members == {boss, user}


@pytest.mark.cell("KB-R01", "core-roles")
def test_core_roles_of_a_token_without_write_roles_assign_nothing(site_lab, clients):
    """KB-R01, DESIGN 5."""
    kim, view = f"/Users/{site_lab.ids['kim']}", site_lab.view()
    before = view.get(site.user_dn("kim"))
    sent = [{"value": "PlatformAdmin"}, {"value": f"Manager@{site_lab.ids['A']}"}, {"value": "Developer"}]
    clients["admin"].patch(kim, ("add", "roles", sent)).expect(200)
    after = view.get(site.user_dn("kim"))
    assert {n: after.get(n) for n in ("kiopsJoined", "kiopsManager")} == {n: before.get(n) for n in ("kiopsJoined", "kiopsManager")}
    assert site.user_dn("kim") not in view.get(site.ADMINS)["member"]
    assert "platformRole" not in clients["admin"].get(kim)[KIOPS_USER]


def test_a_deactivated_last_manager_leaves_a_vacant_seat(site_lab, clients):
    """KB-R19: always allowed to a PlatformAdmin; a Manager that is not active does not count."""
    admin, boss, user = clients["admin"], site_lab.user()["id"], site_lab.user()["id"]
    group, view = site_lab.organization(members=[user], managers=[boss])["id"], site_lab.view()
    admin.patch(f"/Users/{boss}", ("replace", "active", False)).expect(200)
    assert [m["active"] for m in admin.get(f"/Groups/{group}")[KIOPS_ORGANIZATION]["managers"]] == [False]
    admin.delete(f"/Users/{boss}").expect(204)
    assert view.members(group, "owner") == set()
    admin.patch(f"/Groups/{group}", ("add", MANAGERS, [{"value": user}])).expect(200)
    assert {view.get(dn)["entryUUID"][0] for dn in view.members(group, "owner")} == {user}
