"""`check --impact` and `check --report`, and a bridge that is read-only: nothing is written, nothing secret is told."""

import json
import subprocess

import pytest
from ground import Ground
from kiopslab import entries, foreign, site
from scim import GROUP, USER
from view import View

MONITOR = {"modules": "moduleload back_monitor", "overlays": "database monitor\naccess to * by * read"}
CHANGES = ("Add", "Modify", "Modrdn", "Delete", "Extended")
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"


@pytest.fixture
def make(new_lab):
    return lambda **settings: Ground(new_lab, **settings)


def changes_asked(view):
    """How many operations that could change anything clients asked slapd for, done or not."""
    return {kind: view.get(f"cn={kind},cn=Operations,cn=Monitor")["monitorOpInitiated"] for kind in CHANGES}


def everything(view):
    found = view.find(site.BASE)
    found[site.BASE].pop("contextCSN", None)
    return found


def impact(ground):
    done = ground.run("check", "--impact", "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def counts(found, *names):
    return [found[name]["count"] for name in names]


def test_what_a_foreign_directory_would_show_and_hide(make):
    ground = make(template=foreign.CONFIGURATION, content=lambda passwords: foreign.content(passwords, 250), **MONITOR,
                  bridge={"directory": f'  protected = [ "{foreign.PROTECTED}" ];\n'})
    before, asked = everything(ground.view), changes_asked(ground.view)
    found = impact(ground)
    assert (everything(ground.view), changes_asked(ground.view)) == (before, asked)
    assert counts(found, "users", "usersProtected", "usersOutsideFilter", "usersOdd", "usersForeign") == [249, 1, 1, 0, 249]
    assert counts(found, "organizations", "organizationsForeign", "organizationsOutsideFilter") == [3, 3, 0]
    assert counts(found, "members", "membersUndated", "membersNested", "membersHidden", "membersDangling") == [247, 247, 1, 1, 1]
    assert counts(found, "managers", "ownersWithoutEffect", "platformAdmins", "writes") == [0, 1, 0, 0]
    assert counts(found, "userNamesTwice", "mailsTwice") == [0, 2]
    assert found["mailsTwice"]["examples"] == [site.user_dn("twin1"), site.user_dn("twin2")]
    assert found["membersDangling"]["examples"] == [f"{site.user_dn('left')} in Team 000"]
    assert found["membersNested"]["examples"] == [f"{site.organization_dn('Team 001')} in Team 000"]
    assert found["ownersWithoutEffect"]["examples"] == [f"{site.user_dn('boss')} of Team 000"]
    assert found["usersOutsideFilter"]["examples"] == [f"cn=printer,{site.PEOPLE}"]
    assert len(found["users"]["examples"]) == 5
    told = ground.run("check", "--impact").stdout
    assert "     249  users are shown" in told and "[KB-C204]" in told and "nothing was written" in told


def test_what_the_bridge_itself_made_counts(make):
    ground = make()
    found = impact(ground)
    assert counts(found, "users", "organizations", "members", "managers", "platformAdmins") == [8, 2, 8, 3, 1]
    assert counts(found, "usersForeign", "membersUndated", "ownersWithoutEffect", "platformAdminsWithoutEffect") == [0, 0, 0, 0]
    dn = site.user_dn("mina")
    ground.view.modify(dn, ("delete", "kiopsManager", None), ("delete", "kiopsJoined", None))
    ground.view.modify(site.user_dn("matteo"), ("delete", "kiopsManager", None))
    ground.view.modify(site.user_dn("ada"), ("delete", "kiopsJoined", None))
    ground.view.modify(site.user_dn("lee"), ("replace", "kiopsActive", "FALSE"))
    found = impact(ground)
    assert counts(found, "managers", "ownersWithoutEffect", "membersUndated") == [1, 2, 1]
    assert counts(found, "platformAdmins", "platformAdminsWithoutEffect", "usersInactive") == [0, 1, 1]


def test_odd_entries_have_their_reason(make):
    extra = [entries.entry(f"cn=nameless,{site.PEOPLE}", [("objectClass", "inetOrgPerson"), ("cn", "nameless"), ("sn", "x")]),
             entries.entry(f"cn=again,{site.PEOPLE}", [("objectClass", "inetOrgPerson"), ("cn", "again"), ("sn", "x"), ("uid", "KIM")])]
    ground = make(content=lambda passwords: [*entries.sample(passwords), *extra])
    found = impact(ground)
    assert counts(found, "users", "usersOdd", "userNamesTwice") == [9, 1, 2]
    assert found["usersOdd"]["examples"][0].startswith(f"cn=nameless,{site.PEOPLE}: ") and found["usersOdd"]["code"] == "KB-C102"
    assert set(found["userNamesTwice"]["examples"]) == {site.user_dn("kim"), f"cn=again,{site.PEOPLE}"}


def test_who_is_there_and_no_user_is_not_missing(make):
    """Wherever a value names somebody: below users.base, elsewhere, hidden, nowhere; each value counts, each DN is told once."""
    hidden, gone = site.user_dn("secret"), site.user_dn("gone")
    container = f"ou=contractors,{site.BASE}"
    outside = f"uid=contractor,{container}"
    ground = make(bridge={"directory": f'  protected = [ "{hidden}" ];\n'})
    ground.view.add(hidden, objectClass="inetOrgPerson", uid="secret", cn="s", sn="s")
    ground.view.add(container, objectClass="organizationalUnit", ou="contractors")
    ground.view.add(outside, objectClass="inetOrgPerson", uid="contractor", cn="c", sn="c")
    before = impact(ground)
    assert counts(before, "membersHidden", "membersDangling") == [0, 0]
    for name in ("Project A", "Project B"):
        ground.view.modify(site.organization_dn(name), ("add", "member", [hidden, outside, gone]), ("add", "owner", [hidden, outside]))
    ground.view.modify(site.ADMINS, ("add", "member", [hidden, gone]))
    found = impact(ground)
    assert counts(found, "membersHidden", "membersDangling") == [4, 3]
    assert (found["membersHidden"]["code"], found["membersDangling"]["code"]) == ("KB-C216", "KB-C204")
    assert [e.split(" ")[0] for e in found["membersHidden"]["examples"]] == [outside]
    assert [e.split(" ")[0] for e in found["membersDangling"]["examples"]] == [gone]
    assert "secret" not in json.dumps(found)
    told = ("members", "managers", "ownersWithoutEffect", "platformAdmins", "platformAdminsWithoutEffect", "users")
    assert counts(found, *told) == counts(before, *told)


def test_many_unknown_members_are_looked_up_once_each(make):
    ground = make(**MONITOR)
    names = [f"cn=nobody{n},{site.PEOPLE}" for n in range(200)]
    for name in ("Project A", "Project B"):
        ground.view.modify(site.organization_dn(name), ("add", "member", names))
    searches = "cn=Search,cn=Operations,cn=Monitor"
    before = int(ground.view.get(searches)["monitorOpCompleted"][0])
    assert counts(impact(ground), "membersDangling") == [400]
    assert int(ground.view.get(searches)["monitorOpCompleted"][0]) - before < 200 + 40


def test_half_a_directory_is_no_answer(make):
    ground = make()
    ground.config.modify("olcDatabase={1}mdb,cn=config", ("replace", "olcLimits", f'dn.exact="{site.BRIDGE}" size=3'))
    done = ground.run("check", "--impact")
    assert done.returncode == 1 and not done.stdout and "size limit" in done.stderr and "kiops-bridge check" in done.stderr


def test_options_exclude_each_other(make):
    ground = make()
    for words in (("--impact", "--report"), ("--ldif=all",), ("--what",), ("x",)):
        assert ground.run("check", *words).returncode == 64


def test_a_start_asks_for_what_impact_says_and_leaves_no_change(new_lab):
    lab = new_lab(slapd=MONITOR)
    lab.bridge.process.stop()
    view = lab.view()
    before, asked = everything(view), changes_asked(view)
    told = json.loads(lab.bridge.cli("check", "--impact", "--json"))["writes"]
    assert changes_asked(view) == asked and told["count"] == 0 and "throw-away person (kiops-proof-...)" in told["means"]
    lab.bridge.process.start()
    lab.scim.get("/Users?count=1").expect(200)
    more = {kind: int(number[0]) - int(asked[kind][0]) for kind, number in changes_asked(view).items()}
    # The person and the token that is refused; eight values of the person, two of an organization, one of the platform group.
    assert more == {"Add": 2, "Modify": 11, "Modrdn": 0, "Delete": 1, "Extended": 0}
    assert everything(view) == before


# ---- the report

def test_a_report_has_facts_and_no_secret(make):
    ground = make(bridge={"auth": 'oidc = { issuer = "https://login.example.org/"; audience = "kiops";'
                                  ' jwks_uri = "https://keys.example.org/jwks?key=topsecret"; };'})
    token = ground.run("token", "create", "one", "--role", "PlatformAdmin", "--expires", "never").stdout.strip()
    ground.config.modify("olcDatabase={1}mdb,cn=config", ("delete", "olcDbIndex", "uid eq"))
    done = ground.run("check", "--report")
    assert done.returncode == 0, done
    report = json.loads(done.stdout)
    assert report["program"]["kiops-bridge"] and report["configuration"]["directory.users.rdn"] == "uid"
    assert report["configuration"]["auth.oidc.jwks_uri"] == "https://keys.example.org/jwks"
    assert report["configuration"]["directory.bind_password_file"].endswith("ldap.password")
    assert "1.3.6.1.1.12" in report["directory"]["rootDSE"]["supportedControl"]
    assert any(e["dn"].startswith("olcDatabase={1}mdb") for e in report["directory"]["configuration"])
    assert [f["code"] for f in report["findings"]] == ["no-index"] and report["counts"]["users"] == 8
    assert report["directory"]["tokens"] == 1
    hashes = [e["kiopsTokenHash"][0] for e in ground.view.find(site.TOKENS, "(kiopsTokenHash=*)").values()]
    stored = [v for e in ground.view.find(site.BASE, "(userPassword=*)").values() for v in e["userPassword"]]
    p = ground.slapd.passwords
    secrets = [token, *hashes, *stored, p.root, p.bridge, p.operator, p.cursor, "topsecret"]
    assert len(secrets) > 15 and not [s for s in secrets if s in done.stdout + done.stderr]
    assert not [name for name, *_ in entries.PEOPLE if f"uid={name}" in done.stdout], "nobody is named"


def test_a_report_names_no_hook_and_nobody_who_is_protected(make):
    hidden = site.user_dn("kim")
    ground = make(bridge={"directory": f'  protected = [ "{hidden}" ];\n',
                          "more": 'webhook = { url = "https://hooks.example.org:8443/services/T000/topsecret?key=topsecret";'
                                  ' secret_file = "cursor.key"; };'})
    done = ground.run("check", "--report")
    assert done.returncode == 0, done
    settings = json.loads(done.stdout)["configuration"]
    assert settings["webhook.url"] == "https://hooks.example.org:8443/..." and settings["directory.protected"] == 1
    assert settings["server.public_url"].startswith("http") and settings["directory.uris"] == [ground.slapd.uri]
    assert not [s for s in ("topsecret", "uid=kim") if s in done.stdout + done.stderr]


def test_a_report_of_a_running_bridge_has_its_figures(new_lab):
    lab = new_lab()
    report = json.loads(lab.bridge.cli("check", "--report"))
    assert "kiops_feed_live 1" in report["metrics"] and lab.token not in json.dumps(report)


# ---- read-only

def test_a_read_only_bridge_shows_everything_and_changes_nothing(new_lab):
    lab = new_lab(bridges=0, slapd=MONITOR)
    lab.add_bridge(lab.slapd.home.parent / "writer")  # makes the token
    lab.bridge.process.stop()
    conf = lab.bridge.conf.read_text()
    lab.bridge.conf.write_text(conf.replace("directory = {", "directory = { writes = false;", 1))
    view = lab.view()
    before, asked = everything(view), changes_asked(view)
    lab.bridge.process.start()
    users, groups = (lab.scim.get(path).expect(200)["Resources"] for path in ("/Users", "/Groups"))
    assert len(users) == 8 and len(groups) == 2
    kim, team = users[0]["id"], groups[0]["id"]
    lab.person("kim").get("/Me").expect(200)
    membership = lab.scim.get("/Memberships?count=1").expect(200)["Resources"][0]["id"]
    body = {"schemas": [USER], "userName": "new"}
    answers = [
        lab.scim.post("/Users", body), lab.scim.put(f"/Users/{kim}", {**body, "userName": "kim"}),
        lab.scim.patch(f"/Users/{kim}", ("replace", "title", "x")), lab.scim.delete(f"/Users/{kim}"),
        lab.scim.post("/Groups", {"schemas": [GROUP], "displayName": "new"}),
        lab.scim.patch(f"/Groups/{team}", ("add", "members", [{"value": kim}])), lab.scim.delete(f"/Groups/{team}"),
        lab.scim.patch(f"/Memberships/{membership}", ("replace", "permissions", ["vpn"])),
        lab.scim.delete(f"/Memberships/{membership}"),
        lab.person("sora").post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": team}}),
        lab.person("kim").patch("/Me", ("replace", "title", "x")),
    ]
    for answer in answers:
        assert answer.status == 503 and "directory.writes" in answer.json["detail"], (answer.status, answer.json)
        assert "Retry-After" in answer.headers
    bulk = lab.scim.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                                   "Operations": [{"method": "POST", "path": "/Users", "bulkId": "a", "data": body}]}).expect(200)
    assert bulk["Operations"][0]["status"] == "503" and "directory.writes" in json.dumps(bulk.json)
    said = subprocess.run([*lab.bridge.process.argv[:-1], "check"], capture_output=True, text=True, check=False)
    assert "access rules are not tried" in said.stdout  # whatever else it says of a slapd without syncprov
    assert (everything(view), changes_asked(view)) == (before, asked)
    lab.bridge.new_token("reader", "--role", "PlatformAdmin")  # the operator's, who may
    lab.bridge.cli("token", "revoke", "reader")
