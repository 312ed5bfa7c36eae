"""Plain mode: a directory without the kiops schema. Tokens, Users and Groups work end to end, Managers are shown, and
what has no LDAP attribute is in no discovery and never echoed."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from faultproxy import FaultProxy
from faults import configure
from kiopslab import site
from kiopslab.entries import SAMPLE_PASSWORD
from kiopslab.plain import PlainSlapd
from lab import eventually
from plain import PlainLab
from scim import ENTERPRISE, GROUP, KIOPS_ORGANIZATION, KIOPS_USER, USER, Scim
from view import View

MAPPED = ('user = ( { scim = "externalId"; ldap = "employeeNumber"; }, { scim = "nickName"; ldap = "initials"; }, '
          '{ scim = "title"; ldap = "title"; direction = "read"; } );')


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = PlainLab(tmp_path_factory.mktemp("plain"), bridges=2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """With a place for externalId."""
    made = PlainLab(tmp_path_factory.mktemp("mapped"), bridge={"mapping": MAPPED})
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(ground):
    return ground.view()


def named(ground, uid):
    return ground.scim.find("Users", f'userName eq "{uid}"')[0]


def project_a(ground):
    return ground.scim.find("Groups", 'displayName eq "Project A"')[0]


def names(resource):
    return [attribute["name"] for attribute in resource["attributes"]]


def schema(ground, urn):
    return ground.scim.get(f"/Schemas/{urn}").expect(200).json


# ---- tokens

def test_a_token_is_an_organizational_role(ground, admin):
    entry = admin.get(f"cn=e2e,{site.TOKENS}")
    assert entry["objectClass"] == ["organizationalRole"]
    said = dict(value.split("=", 1) for value in entry["description"])
    assert said["kiopsTokenRole"] == "PlatformAdmin" and len(said["kiopsTokenHash"]) == 64
    assert not any(name.startswith("kiops") for name in entry)


def test_a_token_is_listed_and_revoked(ground):
    token = ground.new_token("leaver")
    assert "leaver" in ground.bridge.cli("token", "list")
    ground.client(token).get("/Users").expect(200)
    ground.bridge.cli("token", "revoke", "leaver")
    eventually(lambda: ground.client(token).get("/Users").status == 401)
    assert "leaver" not in ground.bridge.cli("token", "list")


def test_another_role_entry_is_no_token(ground, admin):
    admin.add(f"cn=janitor,{site.TOKENS}", objectClass="organizationalRole", cn="janitor",
              description=["kiopsTokenRole=PlatformAdmin"])
    assert "janitor" not in ground.bridge.cli("token", "list")


@pytest.mark.parametrize("wish, why", [(("--push-mode", "request"), "no requests"),
                                       (("--option", "write_roles=yes"), "no roles")])
def test_a_token_that_needs_the_schema_is_refused(ground, wish, why):
    with pytest.raises(RuntimeError, match=why):
        ground.bridge.new_token("wishful", "--role", "PlatformAdmin", *wish)


def test_a_tokens_role_is_judged_by_the_rules(ground):
    group = project_a(ground)
    reader = ground.client(ground.new_token("reader", "PlatformAdmin", "--access", "read"))
    assert reader.delete(f"/Groups/{group['id']}").expect(403).rule == "KB-R09"
    manager = ground.client(ground.new_token("manager", "Manager", "--organization", group["id"]))
    other = ground.organization()
    manager.get(f"/Groups/{other['id']}").expect(404)
    assert manager.get("/Groups").expect(200)["totalResults"] == 1
    assert manager.delete(f"/Groups/{group['id']}").expect(403).rule == "KB-R17"


# ---- users

def test_a_user_lives_from_create_to_delete(ground, admin):
    body = {"schemas": [USER, ENTERPRISE], "userName": "ann", "name": {"givenName": "Ann", "familyName": "Ash"},
            "displayName": "Ann Ash", "title": "Welder", "active": True, "password": "correct horse battery",
            "emails": [{"value": "ann@example.org", "type": "work"}, {"value": "a2@example.org", "type": "work"}],
            "phoneNumbers": [{"value": "+49 30 1", "type": "work"}, {"value": "+49 170 2", "type": "mobile"}],
            "addresses": [{"streetAddress": "Kai 1", "locality": "Kiel", "type": "work"}],
            ENTERPRISE: {"department": "Hull", "employeeNumber": "17"}}
    made = ground.scim.post("/Users", body).expect(201).json
    path = f"/Users/{made['id']}"
    for name in ("displayName", "title", "emails", "phoneNumbers", "addresses", ENTERPRISE):
        assert made[name] == body[name], name
    _, entry = admin.by_id(made["id"])
    assert entry["objectClass"] == ["inetOrgPerson"] and entry["departmentNumber"] == ["Hull"]
    assert not any(name.startswith("kiops") for name in entry)
    View(ground.slapd.uri, site.user_dn("ann"), "correct horse battery").close()
    ground.scim.patch(path, ("replace", 'emails[type eq "work"].value', "new@example.org"), ("remove", "title")).expect(200)
    _, entry = admin.by_id(made["id"])
    assert "title" not in entry and set(entry["mail"]) == {"new@example.org"}
    put = ground.scim.put(path, {"schemas": [USER], "userName": "anne", "displayName": "Anne"}).expect(200).json
    assert "emails" not in put and put["userName"] == "anne"
    assert admin.get(site.user_dn("anne"))["displayName"] == ["Anne"] and not admin.get(site.user_dn("ann"))
    ground.scim.delete(path).expect(204)
    ground.scim.get(path).expect(404)
    assert not admin.by_id(made["id"])


def test_what_has_no_attribute_is_unknown(ground):
    sent = {"externalId": "x-1", "nickName": "Nick", "locale": "de", "roles": [{"value": "admin"}],
            "x509Certificates": [{"value": "AAAA"}], "entitlements": [{"value": "e"}], KIOPS_USER: {"platformRole": "PlatformAdmin"},
            "emails": [{"value": "u@example.org", "type": "work", "primary": True, "display": "U"}]}
    made = ground.user(**sent)
    assert made["emails"] == [{"value": "u@example.org", "type": "work"}]
    left = set(sent) - {"emails"}
    assert not left & set(made) and not left & set(ground.scim.get(f"/Users/{made['id']}").json)
    assert not left & set(names(schema(ground, USER)))
    for name in ("externalId", "nickName", "roles"):
        assert ground.scim.get("/Users", filter=f'{name} eq "x"').expect(400)["scimType"] == "invalidFilter"


def test_the_strict_profile_refuses_what_is_unknown(ground):
    strict = ground.client(ground.new_token("strict", "PlatformAdmin", "--profile", "strict"))
    answer = strict.post("/Users", {"schemas": [USER], "userName": "strictly", "nickName": "Nick"})
    assert "nickName" in answer.expect(400)["detail"]


@pytest.mark.parametrize("profile, answer", [("entra", 200), ("okta", 200), ("onelogin", 400), ("default", 400)])
def test_a_path_that_is_unknown_is_as_the_profile_says(ground, profile, answer):
    client = ground.client(ground.new_token(f"as-{profile}", "PlatformAdmin", "--profile", profile))
    made = ground.user(title="Welder")
    for path in ("nickName", 'addresses[type eq "work"].country', "externalId"):
        client.patch(f"/Users/{made['id']}", ("Replace", path, "x"), ("Replace", "title", "Rigger")).expect(answer, 204 if answer == 200 else answer)
    shown = ground.scim.get(f"/Users/{made['id']}").json
    assert shown["title"] == ("Rigger" if answer == 200 else "Welder")
    assert not {"nickName", "addresses", "externalId"} & set(shown)


@pytest.mark.parametrize("sent, what", [
    ({"emails": [{"value": "müller@example.org"}]}, "emails"),
    ({"phoneNumbers": [{"value": "+1", "type": "work"}, {"value": "#§", "type": "mobile"}]}, "phoneNumbers"),
    ({"addresses": [{"locality": "Kiel"}, {"locality": "Bonn"}]}, "addresses"),
], ids=["mail beyond ASCII", "no telephone number", "a second address"])
def test_a_value_that_would_be_lost_is_refused(ground, sent, what):
    body = {"schemas": [USER], "userName": f"lost{ground.number()}", **sent}
    assert what in ground.scim.post("/Users", body).expect(400)["detail"]
    made = ground.user()
    ground.scim.put(f"/Users/{made['id']}", body | {"userName": made["userName"]}).expect(400)
    assert what not in ground.scim.get(f"/Users/{made['id']}").json


def test_an_empty_text_is_no_value(ground, admin):
    made = ground.user(title="Welder", displayName="")
    assert "displayName" not in made
    gone = ground.scim.patch(f"/Users/{made['id']}", ("replace", "title", "")).expect(200)
    assert "title" not in gone.json and "title" not in admin.by_id(made["id"])[1]


def test_nobody_is_inactive_without_a_lock(ground):
    assert "refused" in next(a for a in schema(ground, USER)["attributes"] if a["name"] == "active")["description"]
    body = {"schemas": [USER], "userName": "idle", "active": False}
    assert "directory.lock" in ground.scim.post("/Users", body).expect(400)["detail"]
    made = ground.user()
    path = f"/Users/{made['id']}"
    for change in (("replace", "active", False), {"op": "Replace", "value": {"active": "False", "title": "T"}}):
        assert "directory.lock" in ground.scim.patch(path, change).expect(400)["detail"]
    ground.scim.put(path, body | {"userName": made["userName"]}).expect(400)
    still = ground.scim.patch(path, ("replace", "active", True)).expect(200).json
    assert still["active"] is True and "title" not in still


def test_a_name_is_taken_once(ground):
    with ThreadPoolExecutor(8) as pool:
        body = {"schemas": [USER], "userName": f"twin{ground.number()}"}
        answers = list(pool.map(lambda n: ground.client(bridge=n % 2).post("/Users", body).status, range(8)))
    assert sorted(answers) == [201] + [409] * 7


def test_a_version_is_the_same_everywhere_and_guards(ground):
    made = ground.user(displayName="One")
    path = f"/Users/{made['id']}"
    old = ground.scim.get(path).etag
    assert eventually(lambda: ground.client(bridge=1).get(path).etag == old)
    ground.scim.patch(path, ("replace", "displayName", "Two"), headers={"If-Match": old}).expect(200)
    ground.scim.patch(path, ("replace", "displayName", "Three"), headers={"If-Match": old}).expect(412)
    now = ground.scim.get(path)
    assert now["displayName"] == "Two" and now.etag != old


def test_what_the_directory_changes_shows(ground, admin):
    made = ground.user(title="Welder")
    admin.modify(site.user_dn(made["userName"]), ("replace", "title", "Rigger"), ("add", "mail", "hand@example.org"))
    path = f"/Users/{made['id']}"
    shown = eventually(lambda: (now := ground.scim.get(path).json)["title"] == "Rigger" and now)
    assert shown["emails"] == [{"value": "hand@example.org", "type": "work"}]
    admin.delete(site.user_dn(made["userName"]))
    eventually(lambda: ground.scim.get(path).status == 404)


def test_lists_filter_sort_and_page(ground):
    made = [ground.user(displayName=f"Page {n}", title="Paged") for n in range(5)]
    found = ground.scim.get("/Users", filter='title eq "Paged" and displayName ne "Page 0"', sortBy="displayName",
                            sortOrder="descending", startIndex=2, count=2).expect(200)
    assert [u["displayName"] for u in found["Resources"]] == ["Page 3", "Page 2"] and found["totalResults"] == 4
    ids = {user["id"] for user in ground.scim.get("/Users?cursor&count=1000").expect(200)["Resources"]}
    assert {user["id"] for user in made} <= ids


# ---- externalId with a place

def test_an_external_id_with_a_place_is_kept(mapped):
    made = mapped.user(externalId="hr-1", nickName="N", **{ENTERPRISE: {"employeeNumber": "9"}})
    path = f"/Users/{made['id']}"
    assert made["externalId"] == "hr-1" and made["nickName"] == "N" and ENTERPRISE not in made
    assert mapped.view().by_id(made["id"])[1]["employeeNumber"] == ["hr-1"]
    assert mapped.scim.find("Users", 'externalId eq "hr-1"')[0]["id"] == made["id"]
    other = mapped.client(mapped.new_token("other", client="other"))
    assert other.get(path)["externalId"] == "hr-1"
    assert mapped.scim.patch(path, ("replace", "externalId", "hr-2")).expect(200)["externalId"] == "hr-2"
    assert not mapped.scim.find("Users", 'externalId eq "hr-1"')
    mapped.scim.patch(path, ("remove", "externalId")).expect(200)
    assert "employeeNumber" not in mapped.view().by_id(made["id"])[1]
    assert mapped.scim.get("/Groups", filter='externalId eq "x"').expect(400)


def test_what_is_only_read_is_read_only(mapped):
    title = next(a for a in schema(mapped, USER)["attributes"] if a["name"] == "title")
    assert title["mutability"] == "readOnly"
    made = mapped.user(title="Welder")
    assert "title" not in made
    mapped.view().modify(site.user_dn(made["userName"]), ("add", "title", "Rigger"))
    eventually(lambda: mapped.scim.get(f"/Users/{made['id']}").json.get("title") == "Rigger")
    assert mapped.scim.patch(f"/Users/{made['id']}", ("replace", "title", "X")).expect(400)["scimType"] == "mutability"


def test_an_external_id_that_an_administrator_wrote_is_found(mapped):
    made = mapped.user()
    mapped.view().modify(site.user_dn(made["userName"]), ("add", "employeeNumber", "by-hand"))
    eventually(lambda: mapped.scim.find("Users", 'externalId eq "by-hand"'))


# ---- groups

def test_managers_are_shown_and_have_no_authority(ground):
    mina, group = named(ground, "mina"), project_a(ground)
    shown = group[KIOPS_ORGANIZATION]
    assert [m["value"] for m in shown["managers"]] == [mina["id"]] and shown["memberCount"] == 2
    assert set(shown) == {"description", "managers", "memberCount"}
    attributes = {a["name"]: a["mutability"] for a in schema(ground, KIOPS_ORGANIZATION)["attributes"]}
    assert attributes == {"description": "readWrite", "managers": "readOnly", "memberCount": "readOnly"}
    path = f"/Groups/{group['id']}"
    jun = named(ground, "jun")
    for change in (("add", f"{KIOPS_ORGANIZATION}:managers", [{"value": jun["id"]}]), ("remove", f"{KIOPS_ORGANIZATION}:managers")):
        assert ground.scim.patch(path, change).expect(400)["scimType"] == "mutability"
    whole = {"op": "replace", "value": {KIOPS_ORGANIZATION: {"managers": [{"value": jun["id"]}]}}}
    assert ground.scim.patch(path, whole).status in (200, 400)
    ground.scim.put(path, {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": group["displayName"], **whole["value"]}).expect(200)
    assert ground.view().members(group["id"], "owner") == {site.user_dn("mina")}
    ground.person("mina").get(path).expect(401)


def test_a_group_lives_from_create_to_delete(ground, admin):
    people = [ground.user() for _ in range(4)]
    ids = [person["id"] for person in people]
    dns = {site.user_dn(person["userName"]) for person in people}
    made = ground.organization(members=ids, **{KIOPS_ORGANIZATION: {"description": "Hull works"}})
    path = f"/Groups/{made['id']}"
    _, entry = admin.by_id(made["id"])
    assert entry["objectClass"] == ["groupOfNames"] and admin.members(made["id"]) == dns
    assert made[KIOPS_ORGANIZATION] == {"description": "Hull works", "memberCount": 4}
    assert ground.scim.get(f"/Users/{ids[0]}")["groups"][0]["value"] == made["id"]
    ground.scim.patch(path, ("remove", f'members[value eq "{ids[0]}"]'), ("replace", "displayName", f"{made['displayName']} renamed")).expect(200)
    ground.scim.put(path, {"schemas": [GROUP], "displayName": made["displayName"], "members": [{"value": i} for i in ids[:2]]}).expect(200)
    assert admin.members(made["id"]) == {site.user_dn(p["userName"]) for p in people[:2]}
    ground.scim.patch(path, ("remove", "members")).expect(200)
    assert admin.members(made["id"]) == set()
    again = ground.scim.patch(path, ("add", "members", [{"value": ids[0]}, {"value": ids[0]}]), ("add", "members", [{"value": ids[0]}])).expect(200)
    assert [m["value"] for m in again["members"]] == [ids[0]]
    ground.scim.delete(path).expect(204)
    ground.scim.get(path).expect(404)


def test_a_change_that_changes_nothing_writes_nothing(ground, admin):
    person = ground.user(title="Welder")
    group = ground.organization(members=[person["id"]])
    before = [admin.by_id(x["id"])[1]["entryCSN"] for x in (person, group)]
    ground.scim.patch(f"/Groups/{group['id']}", ("add", "members", [{"value": person["id"]}])).expect(200)
    ground.scim.patch(f"/Users/{person['id']}", ("replace", "title", "Welder")).expect(200)
    ground.scim.put(f"/Users/{person['id']}", person).expect(200)
    assert [admin.by_id(x["id"])[1]["entryCSN"] for x in (person, group)] == before


def test_who_is_removed_is_owner_no_more(ground, admin):
    """DESIGN 3.3, remove Member: an owner without kiopsManager goes out of both."""
    first, second = ground.user(), ground.user()
    group = ground.organization(members=[first["id"], second["id"]])
    dn, _ = admin.by_id(group["id"])
    admin.modify(dn, ("add", "owner", [site.user_dn(first["userName"]), site.user_dn(second["userName"])]))
    eventually(lambda: len(ground.scim.get(f"/Groups/{group['id']}")[KIOPS_ORGANIZATION].get("managers", ())) == 2)
    ground.scim.patch(f"/Groups/{group['id']}", ("remove", f'members[value eq "{first["id"]}"]')).expect(200)
    assert admin.members(group["id"], "owner") == {site.user_dn(second["userName"])} == admin.members(group["id"])
    ground.scim.delete(f"/Users/{second['id']}").expect(204)
    assert admin.members(group["id"], "owner") == set() == admin.members(group["id"])


def test_an_owner_who_is_no_member_stays_owner(ground, admin):
    """Nobody was asked to take the owner away: in a plain directory many an owner is in no group."""
    owner = ground.user()
    group = ground.organization()
    admin.modify(admin.by_id(group["id"])[0], ("add", "owner", site.user_dn(owner["userName"])))
    path = f"/Groups/{group['id']}"
    eventually(lambda: "managers" in ground.scim.get(path)[KIOPS_ORGANIZATION])
    ground.scim.patch(path, ("remove", f'members[value eq "{owner["id"]}"]')).expect(200)
    ground.scim.patch(path, ("replace", "members", [])).expect(200)
    assert admin.members(group["id"], "owner") == {site.user_dn(owner["userName"])}


def test_a_group_of_people_only_gets_the_placeholder_with_its_last_member_gone(ground, admin):
    person = ground.user()
    dn = site.organization_dn(f"Bare {ground.number()}")
    admin.add(dn, objectClass="groupOfNames", cn=dn.split(",")[0][3:], member=site.user_dn(person["userName"]))
    group = eventually(lambda: ground.scim.find("Groups", f'displayName eq "{dn.split(",")[0][3:]}"'))[0]
    ground.scim.patch(f"/Groups/{group['id']}", ("remove", "members")).expect(200)
    assert admin.get(dn)["member"] == [site.PLACEHOLDER]


def test_a_renamed_user_stays_in_and_a_new_one_of_the_old_name_is_not(ground, admin):
    person = ground.user()
    group = ground.organization(members=[person["id"]])
    ground.scim.patch(f"/Users/{person['id']}", ("replace", "userName", f"{person['userName']}-new")).expect(200)
    assert admin.members(group["id"]) == {site.user_dn(f"{person['userName']}-new")}
    admin.modify(admin.by_id(group["id"])[0], ("add", "member", site.user_dn("heir")))
    heir = ground.scim.post("/Users", {"schemas": [USER], "userName": "heir"}).expect(201)
    assert "groups" not in heir.json and site.user_dn("heir") not in admin.members(group["id"])


def test_a_renaming_whose_answer_is_lost_frees_the_old_name(ground, admin):
    proxy, behind = FaultProxy(ground.slapd.place), ground.new_bridge(ground.bridge.home.parent / "behind")
    configure(behind, f'"{ground.slapd.uri}"', f'"{proxy.uri}"')
    behind.process.start()
    try:
        person = ground.user()
        group = ground.organization(members=[person["id"]])
        old, new = person["userName"], f"{person['userName']}-new"
        scim = Scim(behind.url, ground.token)
        eventually(lambda: scim.get(f"/Users/{person['id']}").status == 200)
        trap = proxy.lose_answer("rename")
        scim.patch(f"/Users/{person['id']}", ("replace", "userName", new)).expect(200)
        assert trap.sprung.is_set() and admin.get(site.user_dn(new))["uid"] == [new]
        assert admin.members(group["id"]) == {site.user_dn(new)}
        ground.scim.post("/Users", {"schemas": [USER], "userName": old}).expect(201)
    finally:
        behind.process.stop()
        proxy.close()


def test_two_bridges_lose_no_member(ground, admin):
    people = [ground.user() for _ in range(12)]
    group = ground.organization(members=[p["id"] for p in people[:6]])
    path = f"/Groups/{group['id']}"
    eventually(lambda: ground.client(bridge=1).get(path).status == 200 and
               ground.client(bridge=1).get(f"/Users/{people[-1]['id']}").status == 200)

    def change(n):
        who = people[n]["id"]
        what = ("remove", f'members[value eq "{who}"]') if n < 6 else ("add", "members", [{"value": who}])
        return ground.client(bridge=n % 2).patch(path, what).status

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(change, range(12))) == {200}
    assert admin.members(group["id"]) == {site.user_dn(p["userName"]) for p in people[6:]}
    eventually(lambda: ground.client(bridge=1).get(path).etag == ground.scim.get(path).etag)


# ---- what is not there

def test_what_needs_the_schema_is_not_served(ground):
    assert [t["id"] for t in ground.scim.get("/ResourceTypes")["Resources"]] == ["User", "Group"]
    urns = {s["id"] for s in ground.scim.get("/Schemas")["Resources"]}
    assert KIOPS_USER not in urns and not any("Membership" in urn for urn in urns)
    user = ground.user()
    group = ground.organization(members=[user["id"]])
    shown = ground.scim.get(f"/Users/{user['id']}").json
    assert KIOPS_USER not in shown and "roles" not in shown and KIOPS_USER not in shown["schemas"]
    for path in ("/Memberships", f"/Memberships/{group['id']}.{user['id']}"):
        ground.scim.get(path).expect(404)
    ground.scim.post("/Memberships", {}).expect(404)
    bulk = ground.scim.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "DELETE", "path": f"/Memberships/{group['id']}.{user['id']}"},
        {"method": "DELETE", "path": f"/Users/{user['id']}"}]}).expect(200)
    assert [o["status"] for o in bulk["Operations"]] == ["404", "204"] or bulk["Operations"][0]["status"] == "400"
    ground.scim.get("/", filter=f'meta.resourceType eq "Group" and id eq "{group["id"]}"').expect(200)


@pytest.mark.parametrize("words", [("review",), ("explain", "--user", "mina")], ids=["review", "explain"])
def test_a_command_about_roles_says_why_not(ground, words):
    with pytest.raises(RuntimeError, match="nobody has a role without the kiops schema"):
        ground.bridge.cli(*words)


def test_schema_commands_follow_the_mode(ground):
    acl = ground.bridge.cli("schema", "acl")
    assert "kiops" not in acl.replace("kiops-bridge", "").replace("kiops-operator", "").replace("ou=kiops", "")
    assert f'access to dn.subtree="{site.TOKENS}"' in acl and "attrs=member,owner" in acl and "@" not in acl
    mapping = ground.bridge.cli("schema", "mapping")
    assert "kiopsActive" not in mapping and '"emails"; ldap = "mail"' in mapping


REFUSED = {
    "people by password": ({"auth": "basic = true;"}, "auth.basic: in plain mode only tokens act"),
    "people by an issuer": ({"auth": 'oidc = { issuer = "https://login.example.org/"; audience = "kiops"; };'}, "auth.oidc: in plain mode"),
    "externalId where another stands": ({"mapping": 'user = ( { scim = "externalId"; ldap = "initials"; }, { scim = "nickName"; ldap = "initials"; } );'},
                                        "initials is mapped twice"),
    "no placeholder": ({"organizations": ""}, "placeholder_dn: must be given"),
    "a class of ours": ({"organizations": f'placeholder_dn = "{site.PLACEHOLDER}"; object_classes = [ "groupOfNames", "kiopsOrganization" ];'},
                        "object_classes: names a class of the kiops schema"),
    "uniqueMember": ({"organizations": f'placeholder_dn = "{site.PLACEHOLDER}"; object_classes = [ "groupOfUniqueNames" ];'},
                     "member: must be uniqueMember"),
}


@pytest.mark.parametrize("settings, complaint", REFUSED.values(), ids=list(REFUSED))
def test_a_configuration_that_cannot_work_is_refused(ground, tmp_path, settings, complaint):
    bridge = ground.new_bridge(tmp_path / "refused", **settings)
    done = subprocess.run([bridge.binary, "-c", str(bridge.conf), "schema", "mapping"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and complaint in done.stderr, done.stderr


OPEN = [("group", f'access to dn.subtree="{site.ORGANIZATIONS}" by dn.exact="{site.BRIDGE}" write by users write', "member of an organization"),
        ("token", f'access to dn.subtree="{site.TOKENS}" by dn.exact="{site.OPERATOR}" write by users write by * none', "a new token"),
        ("hash", f'access to dn.subtree="{site.TOKENS}" by dn.exact="{site.OPERATOR}" write by users read by * none', "the hash of a token")]


@pytest.mark.parametrize("rule, told", [(rule, told) for _, rule, told in OPEN], ids=[name for name, *_ in OPEN])
def test_an_open_directory_is_not_served(tmp_path, rule, told):
    class OpenSlapd(PlainSlapd):
        def __init__(self, *place, **settings):
            super().__init__(*place, **settings)
            self.acl = f"{rule}\n{self.acl}"

    with pytest.raises(RuntimeError, match=told):
        PlainLab(tmp_path, make_slapd=OpenSlapd)


def test_people_keep_their_password(ground):
    View(ground.slapd.uri, site.user_dn("kim"), SAMPLE_PASSWORD).close()
