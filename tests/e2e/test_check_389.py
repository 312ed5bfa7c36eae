"""`check` on 389 Directory Server: what is taken from a fit one is named by what this server has, and the printed text, applied
as it is, mends it; what is switched on in cn=config works after a restart, as the text says."""

import shutil

import ldap
import pytest
from ground import Ground
from kiopslab import ds389, foreign, site
from kiopslab.ds389 import BACKEND
from lab import Lab, eventually
from view import View

PLUGINS = "cn=plugins,cn=config"
INDEXES = f"cn=index,cn={BACKEND},cn=ldbm database,{PLUGINS}"
NAMES, HASHES = f"cn=attribute uniqueness,{PLUGINS}", f"cn=unique hashes,{PLUGINS}"
IDS, USN, SEVEN = f"cn=entryuuid,{PLUGINS}", f"cn=USN,{PLUGINS}", f"cn=7-bit check,{PLUGINS}"


class Ground389(Ground):
    def restart(self):
        self.slapd.process.stop()
        self.slapd.process.start()
        self.connect()

    def switch(self, plugin, state):
        self.config.modify(plugin, ("replace", "nsslapd-pluginEnabled", state))

    def tasks_are_done(self):
        """One that has not begun says nothing of itself."""
        def running():
            found = self.config.find("cn=tasks,cn=config", "(|(nsIndexAttribute=*)(basedn=*))")
            return [dn for dn, task in found.items() if "nsTaskExitCode" not in task]
        eventually(lambda: not running(), within=30)

    def mend(self, *codes, restart=False):
        """As on slapd; with the restart that the text asks for."""
        _, found = self.check()
        assert sorted(f["code"] for f in found) == sorted(codes), found
        assert restart == any("restart the server" in f["text"] for f in found), found
        for f in found:
            self.apply(f["apply"])
        if restart:
            self.restart()
        self.tasks_are_done()
        assert self.look() == (0, [], [])
        return found

    def rule(self, dn, name):
        return next(rule for rule in self.view.get(dn)["aci"] if f'acl "{name}"' in rule)

    def without_rule(self, dn, name):
        self.view.modify(dn, ("delete", "aci", self.rule(dn, name)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Ground389(lambda **settings: Lab(tmp_path_factory.mktemp("ds"), **settings))
    yield made
    made.lab.close()


@pytest.fixture
def ground(shared):
    """One server for all; its configuration is put back behind each test that changed it."""
    dse = shared.slapd.home / "config/dse.ldif"
    before, files = shared.config.find("cn=config", "(|(objectClass=nsSlapdPlugin)(objectClass=nsIndex))", ["*"]), dse.read_bytes()
    yield shared
    shared.bridge.write_files()
    if shared.config.find("cn=config", "(|(objectClass=nsSlapdPlugin)(objectClass=nsIndex))", ["*"]) != before:
        shared.slapd.process.stop()
        dse.write_bytes(files)
        shared.slapd.process.start()
        shared.connect()


def test_a_fit_server_has_nothing_to_mend_and_keeps_nothing(ground):
    ground.is_fit()


# ---- plug-ins


@pytest.mark.finding("no-unique")
@pytest.mark.parametrize("plugin", [NAMES, HASHES], ids=["uid", "kiopsTokenHash"])
def test_attribute_uniqueness_is_off(ground, plugin):
    ground.switch(plugin, "off")
    ground.restart()
    ground.mend("no-unique", restart=True)
    assert ground.config.get(plugin)["nsslapd-pluginEnabled"] == ["on"]


@pytest.mark.finding("no-unique")
@pytest.mark.parametrize("name, value", [("uniqueness-subtrees", site.ORGANIZATIONS), ("uniqueness-attribute-name", "mail")])
def test_attribute_uniqueness_is_about_something_else(ground, name, value):
    ground.config.modify(NAMES, ("replace", name, value))
    ground.restart()
    ground.mend("no-unique", restart=True)
    ground.view.add(site.user_dn("one"), objectClass="inetOrgPerson", uid="one", cn="one", sn="one")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        ground.view.add(f"cn=two,{site.PEOPLE}", objectClass="inetOrgPerson", uid="one", cn="two", sn="two")
    ground.view.delete(site.user_dn("one"))


@pytest.mark.finding("no-unique")
def test_what_cn_config_says_works_after_the_next_start_alone(ground):
    ground.switch(NAMES, "off")
    ground.restart()
    ground.switch(NAMES, "on")
    _, found = ground.check()
    assert [f["code"] for f in found] == ["no-unique"] and "not at work: restart the server" in found[0]["text"], found
    ground.restart()
    assert ground.look() == (0, [], [])


@pytest.mark.finding("unique-not-serialized")
@pytest.mark.parametrize("plugin", [NAMES, HASHES], ids=["uid", "kiopsTokenHash"])
def test_attribute_uniqueness_looks_too_early(ground, plugin):
    ground.config.modify(plugin, ("replace", "nsslapd-pluginType", "preoperation"))
    ground.restart()
    ground.mend("unique-not-serialized", restart=True)


@pytest.mark.finding("no-entry-uuid", "no-id")
def test_ids_are_not_made(ground):
    """Switched on again, who came meanwhile gets one."""
    ground.switch(IDS, "off")
    ground.restart()
    late = site.user_dn("late")
    ground.view.add(late, objectClass="inetOrgPerson", uid="late", cn="late", sn="late")
    _, (found,) = ground.check()
    assert found["code"] == "no-entry-uuid" and "entryUUID" not in ground.view.get(late)
    ground.apply(found["apply"])
    ground.restart()
    ground.mend("no-id")
    assert ground.view.get(late)["entryUUID"]
    ground.view.delete(late)


@pytest.mark.finding("no-usn")
def test_changes_are_not_numbered(ground):
    ground.switch(USN, "off")
    ground.restart()
    ground.mend("no-usn", restart=True)


@pytest.mark.finding("seven-bits")
def test_names_beyond_ascii_are_refused(ground):
    ground.switch(SEVEN, "on")
    ground.restart()
    status, _, (note,) = ground.look()
    assert status == 0 and note["code"] == "seven-bits"
    ground.apply(note["apply"])
    ground.restart()
    assert ground.look() == (0, [], [])


# ---- indexes


@pytest.mark.finding("no-index")
@pytest.mark.parametrize("attribute", ["entryUUID", "entryusn", "uid", "mail", "cn", "kiopsActive", "kiopsExternalId", "kiopsManager",
                                       "kiopsPermission", "kiopsRequest", "kiopsTokenHash"])
def test_a_missing_index_is_made_and_filled(ground, attribute):
    found = ground.view.find(site.BASE, f"({attribute}=*)")
    ground.config.delete(f"cn={attribute},{INDEXES}")
    ground.mend("no-index")
    for dn, entry in found.items():
        name = next(name for name in entry if name.lower() == attribute.lower())
        assert dn in ground.view.find(site.BASE, f"({attribute}={entry[name][0]})")


@pytest.mark.finding("no-index")
@pytest.mark.parametrize("attribute, kind", [("kiopsPermission", "sub"), ("kiopsRequest", "pres"), ("mail", "eq")])
def test_an_index_of_the_wrong_kind(ground, attribute, kind):
    ground.config.modify(f"cn={attribute},{INDEXES}", ("delete", "nsIndexType", kind))
    ground.mend("no-index")


# ---- limits


@pytest.mark.finding("size-limit")
@pytest.mark.parametrize("attribute", ["nsSizeLimit", "nsLookThroughLimit"])
@pytest.mark.parametrize("instead", [None, "3"])
def test_a_limit_on_the_bridges_account(ground, attribute, instead):
    ground.view.modify(site.BRIDGE, ("replace", attribute, instead))
    ground.mend("size-limit")


# ---- access rules, which are values of the entries that they are about


@pytest.mark.finding("access-rules")
@pytest.mark.parametrize("dn, name, site_rule, words", [
    (site.PEOPLE, "kiops: nobody else writes roles", '(targetattr = "kiopsManager")(version 3.0; acl "x"; allow (write) userdn = "ldap:///self";)',
     "kiopsManager of the own entry"),
    (site.ORGANIZATIONS, "kiops: nobody else writes members", '(targetattr = "owner")(version 3.0; acl "x"; allow (write) userdn = "ldap:///all";)',
     "owner of an organization"),
    (site.ADMINS, "kiops: nobody else writes the platform group", '(targetattr = "member")(version 3.0; acl "x"; allow (write) userdn = "ldap:///all";)',
     "member of the platform group"),
    (site.TOKENS, "kiops: nobody else makes tokens", None, "the bridge's account may make tokens"),
    (site.PEOPLE, "kiops: people", None, "kiopsJoined of people"),
    (site.ORGANIZATIONS, "kiops: organizations", None, "organizations"),
    (site.TOKENS, "kiops: tokens", None, "the operator's account may not write new tokens"),
], ids=["roles", "members", "admins", "bridge-tokens", "people", "organizations", "operator"])
def test_an_access_rule_that_gives_too_much_or_too_little(ground, dn, name, site_rule, words):
    ground.without_rule(dn, name)
    if site_rule:
        ground.view.modify(dn, ("add", "aci", site_rule))
    seen = until_fit(ground)
    assert words in seen[0]["access-rules"], seen
    if site_rule:
        ground.without_rule(dn, "x")
    assert not ground.leftovers()


@pytest.mark.finding("access-rules")
def test_a_denial_of_the_sites_own(ground):
    rule = f'(targetattr = "kiopsResource")(version 3.0; acl "x"; deny (write) userdn = "ldap:///{site.BRIDGE}";)'
    ground.view.modify(site.PEOPLE, ("add", "aci", rule))
    _, (found,) = ground.check()
    assert "kiopsResource of people" in found["text"] and "says deny, and take it out" in found["text"] and "apply" not in found, found
    ground.without_rule(site.PEOPLE, "x")
    assert ground.look() == (0, [], [])


@pytest.mark.finding("access-rules")
@pytest.mark.parametrize("lost", [("kiops lock", "kiops locked"), ("kiops locked",)], ids=["both", "definition"])
def test_who_signed_up_may_bind(ground, lost):
    ground.configure("signup = { enabled = false;", "signup = { enabled = true;")
    ground.is_fit()
    for name in lost:
        ground.view.delete(f"cn={name},{site.PENDING}")
    _, (found,) = ground.check()
    assert "who signed up may bind before they are approved" in found["text"], found
    assert [line for line in found["apply"]["text"].splitlines() if line.startswith("dn: ")] == [f"dn: cn={name},{site.PENDING}" for name in lost]
    ground.mend("access-rules")
    assert not ground.leftovers()


# ---- entries, schema, configuration


def until_fit(ground):
    """Everything that is printed, again and again; {code: text} of each look."""
    seen = []
    for _ in range(8):
        status, found = ground.check()
        seen.append({f["code"]: f["text"] for f in found})
        if status == 0:
            return seen
        for f in found:
            if "apply" in f:
                ground.apply(f["apply"])
        if any("restart the server" in f["text"] for f in found):
            ground.restart()
        ground.tasks_are_done()
    raise AssertionError((seen, found))


@pytest.mark.finding("no-entry")
@pytest.mark.parametrize("dn", [site.JOBS, site.TOKENS, site.ADMINS], ids=["jobs", "tokens", "admins"])
def test_a_missing_entry_comes_back_and_then_its_rules(ground, dn):
    ground.view.delete(dn)
    seen = until_fit(ground)
    assert seen[0].keys() == {"no-entry"}, seen
    assert seen[1].keys() == ({"access-rules"} if dn == site.TOKENS else set()), seen  # those of the others stand above them


@pytest.mark.finding("no-schema")
def test_a_part_of_the_schema_is_there(ground):
    path = ground.slapd.home / "config/schema/98kiops.ldif"
    ground.slapd.process.stop()
    path.write_text("".join(line + "\n" for line in ds389.schema().splitlines() if "kiopsJob" not in line and "kiopsLease" not in line))
    ground.slapd.process.start()
    ground.connect()
    _, (found,) = ground.check()
    assert found["code"] == "no-schema" and "4 definitions" in found["text"], found
    ground.apply(found["apply"])
    assert ground.look() == (0, [], [])


@pytest.mark.finding("wrong-preset")
def test_the_preset_of_another_server(ground):
    ground.configure('preset = "389ds"', 'preset = "openldap"')
    assert ground.named() == ["wrong-preset"]
    ground.bridge.write_files()
    assert ground.look() == (0, [], [])


@pytest.mark.finding("bridge-is-rootdn")
def test_an_account_of_its_own_instead_of_the_rootdn(ground):
    ground.configure(f'bind_dn = "{site.BRIDGE}"', f'bind_dn = "{site.ROOT}"')
    (ground.bridge.home / "ldap.password").write_text(ground.slapd.passwords.root)
    assert "bridge-is-rootdn" in ground.named()
    ground.bridge.write_files()
    assert ground.look() == (0, [], [])


@pytest.mark.finding("config-hidden", "no-unique")
def test_what_cannot_be_seen_is_tried(ground):
    rule = ground.values("cn=config", "aci")
    ground.switch(NAMES, "off")
    ground.restart()
    ground.config.modify("cn=config", ("delete", "aci", None))
    ground.mend("config-hidden", "no-unique", restart=True)
    as_bridge = View(ground.slapd.uri, site.BRIDGE, ground.slapd.passwords.bridge)
    seen = as_bridge.find("cn=config", "(objectClass=*)")
    as_bridge.close()
    assert seen and not any(name.lower() in ("nsslapd-rootpw", "aci") for entry in seen.values() for name in entry), "no secret"
    ground.config.modify("cn=config", ("replace", "aci", rule))


@pytest.mark.finding("config-hidden", "no-schema", "no-entry", "no-unique", "no-usn", "no-index", "size-limit", "access-rules")
def test_nothing_is_prepared_and_the_printed_text_prepares_it(tmp_path):
    ground = Ground389(lambda **settings: Lab(tmp_path, **settings), template=foreign.CONFIGURATION,
                       content=lambda passwords: foreign.content(passwords, 40))
    seen = until_fit(ground)
    assert seen[0].keys() == {"config-hidden", "no-schema", "access-rules"} and "may not see" in seen[0]["access-rules"], seen
    assert seen[1].keys() == {"no-entry", "no-unique", "no-usn", "no-index", "size-limit"}, seen
    assert seen[2].keys() == {"access-rules"} and len(seen) == 4, seen
    assert ground.run("check").returncode == 0 and not ground.leftovers()
    ground.lab.close()
    shutil.rmtree(ground.slapd.home)
