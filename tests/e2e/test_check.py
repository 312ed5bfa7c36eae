"""`check`: whatever is taken from a fit directory is named, and the printed text, applied as it is, mends it."""

import pytest
from ground import CONFIG_DATABASE, DATABASE, FRONTEND, Ground
from kiopslab import site
from lab import Lab
from view import View

UID = f"ldap:///{site.PEOPLE}?uid?sub"
HASH = f"ldap:///{site.TOKENS}?kiopsTokenHash?sub"
KEPT = [(DATABASE, name) for name in ("olcDbIndex", "olcLimits", "olcAccess", "olcSizeLimit", "olcAddContentAcl")] + [
    (FRONTEND, "olcAccess"), (CONFIG_DATABASE, "olcAccess"), ("cn=config", "olcServerID")]


def overlays(ground):
    found = ground.config.find(DATABASE, "(objectClass=olcOverlayConfig)", ["*"])
    return {dn: values for dn, values in found.items()}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = []

    def make(**settings):
        made.append(Lab(tmp_path_factory.mktemp("check"), **settings))
        return made[-1]

    yield Ground(make)
    made[0].close()


@pytest.fixture
def ground(shared):
    """One directory for all, put back as it was behind each test."""
    values = {at: shared.values(*at) for at in KEPT}
    overlays_before, entries = overlays(shared), shared.view.find(site.PLATFORM, attributes=["*"])
    yield shared
    shared.bridge.write_files()
    for (dn, name), before in values.items():
        if shared.values(dn, name) != before:
            shared.config.modify(dn, ("replace", name, before or None))
    if overlays(shared) != overlays_before:
        for dn in reversed(overlays(shared)):
            shared.config.delete(dn)
        for dn, attributes in overlays_before.items():
            shared.config.add(dn, **attributes)
    for dn, attributes in entries.items():
        if not shared.view.get(dn):
            shared.view.add(dn, **attributes)


def test_a_fit_directory_has_nothing_to_mend_and_keeps_nothing(ground):
    ground.is_fit()


# ---- indexes

@pytest.mark.finding("no-index")
@pytest.mark.parametrize("attribute", ["objectClass", "entryUUID", "entryCSN", "uid", "mail", "cn", "kiopsActive",
                                       "kiopsExternalId", "kiopsManager", "kiopsTokenHash"])
def test_a_missing_index(ground, attribute):
    ground.config.modify(DATABASE, ("delete", "olcDbIndex", f"{attribute} eq"))
    ground.mend("no-index")
    assert f"{attribute} eq" in ground.values(DATABASE, "olcDbIndex")


@pytest.mark.finding("no-index")
@pytest.mark.parametrize("there, weaker", [("kiopsPermission eq,sub", "kiopsPermission sub"),
                                           ("kiopsRequest pres,sub", "kiopsRequest eq"),
                                           ("uid eq", "uid pres")])
def test_an_index_of_the_wrong_kind(ground, there, weaker):
    ground.config.modify(DATABASE, ("delete", "olcDbIndex", there), ("add", "olcDbIndex", weaker))
    ground.mend("no-index")
    left = next(v for v in ground.values(DATABASE, "olcDbIndex") if v.startswith(there.split()[0]))
    assert set(there.split()[1].split(",")) | set(weaker.split()[1].split(",")) == set(left.split()[1].split(","))


@pytest.mark.finding("index-on-member")
def test_an_index_on_member_makes_removals_dear(ground):
    ground.config.modify(DATABASE, ("add", "olcDbIndex", "member eq"))
    ground.mend("index-on-member")


# ---- overlays

@pytest.mark.finding("no-syncprov")
def test_no_syncprov(ground):
    ground.config.delete(overlay(ground, "syncprov"))
    ground.mend("no-syncprov")


def overlay(ground, name):
    return next(dn for dn in ground.config.find(DATABASE, "(objectClass=olcOverlayConfig)") if f"}}{name}," in dn)


@pytest.mark.finding("no-unique")
def test_no_overlay_unique(ground):
    ground.config.delete(overlay(ground, "unique"))
    ground.mend("no-unique")
    assert len(ground.values(overlay(ground, "unique"), "olcUniqueURI")) == 2


@pytest.mark.finding("no-unique")
@pytest.mark.parametrize("uri", [UID, HASH])
def test_unique_does_not_name_the_attribute(ground, uri):
    ground.config.modify(overlay(ground, "unique"), ("delete", "olcUniqueURI", f"serialize {uri}"))
    ground.mend("no-unique")


@pytest.mark.finding("unique-not-serialized")
@pytest.mark.parametrize("uri", [UID, HASH])
def test_unique_without_serialize(ground, uri):
    ground.config.modify(overlay(ground, "unique"), ("delete", "olcUniqueURI", f"serialize {uri}"),
                         ("add", "olcUniqueURI", uri))
    ground.mend("unique-not-serialized")


@pytest.mark.finding("no-unique")
@pytest.mark.parametrize("uri", [f"serialize ldap:///{site.ORGANIZATIONS}?uid?sub", f"serialize ldap:///{site.PEOPLE}?mail?sub",
                                 f"serialize ldap:///{site.PEOPLE}?uid?one",
                                 f"serialize ldap:///{site.PEOPLE}?uid?sub?(objectClass=residentialPerson)"])
def test_unique_that_covers_something_else(ground, uri):
    dn, right = overlay(ground, "unique"), f"serialize {UID}"
    ground.config.modify(dn, ("delete", "olcUniqueURI", right), ("add", "olcUniqueURI", uri))
    ground.mend("no-unique")


@pytest.mark.finding("no-unique")
def test_the_old_form_of_unique_becomes_the_new_one(ground):
    ground.config.delete(overlay(ground, "unique"))
    ground.config.add(f"olcOverlay=unique,{DATABASE}", objectClass=["olcOverlayConfig", "olcUniqueConfig"],
                      olcOverlay="unique", olcUniqueBase=site.BASE, olcUniqueAttribute=["mail", "kiopsTokenHash"])
    ground.mend("no-unique")
    assert f"serialize ldap:///{site.BASE}?mail,kiopsTokenHash?sub" in ground.values(overlay(ground, "unique"), "olcUniqueURI")


def load(ground, module):
    if not any(module in value for value in ground.values("cn=module{0},cn=config", "olcModuleLoad")):
        ground.config.modify("cn=module{0},cn=config", ("add", "olcModuleLoad", module))


@pytest.mark.finding("refint-nothing")
def test_refint_nothing_makes_owners_of_nobody(ground):
    load(ground, "refint")
    ground.config.add(f"olcOverlay=refint,{DATABASE}", objectClass=["olcOverlayConfig", "olcRefintConfig"],
                      olcOverlay="refint", olcRefintAttribute="member owner", olcRefintNothing="cn=nothing")
    ground.mend("refint-nothing")


@pytest.mark.finding("no-ppolicy")
def test_no_ppolicy_where_the_lock_wants_it(ground):
    ground.configure("directory = {", 'directory = { lock = { convention = "ppolicy"; };')
    ground.mend("no-ppolicy")


# ---- limits

@pytest.mark.finding("size-limit")
@pytest.mark.parametrize("instead", [None, "size=10", "size.soft=100 size.hard=1000"])
def test_a_limit_on_the_bridges_account(ground, instead):
    dn = ground.values(DATABASE, "olcLimits")[0]
    ground.config.modify(DATABASE, ("delete", "olcLimits", dn))
    if instead:
        ground.config.modify(DATABASE, ("add", "olcLimits", f'dn.exact="{site.BRIDGE}" {instead}'))
    ground.mend("size-limit")


def test_a_limit_that_is_open_for_everyone_is_none(ground):
    ground.config.modify(DATABASE, ("delete", "olcLimits", None), ("replace", "olcSizeLimit", "unlimited"))
    assert ground.check()[0] == 0


# ---- access rules

@pytest.mark.finding("access-rules")
@pytest.mark.parametrize("rule, words", [
    ("to attrs=kiopsPermission by self write by * break", "kiopsPermission of the own entry"),
    ("to attrs=kiopsResource by self =a by * break", "kiopsResource of the own entry"),
    (f'to dn.subtree="{site.ORGANIZATIONS}" attrs=owner by users write', "owner of an organization"),
    (f'to dn.exact="{site.ADMINS}" attrs=member by users write by * break', "member of the platform group"),
    (f'to dn.subtree="{site.TOKENS}" by dn.exact="{site.BRIDGE}" read by users write', "a new token"),
    (f'to attrs=kiopsJoined by dn.exact="{site.BRIDGE}" read by * break', "the bridge's account may not write kiopsJoined"),
    (f'to dn.subtree="{site.PEOPLE}" attrs=userPassword by dn.exact="{site.BRIDGE}" =a by * break', "passwords (RFC 3062)"),
    (f'to dn.subtree="{site.PEOPLE}" attrs=children by dn.exact="{site.BRIDGE}" read by * break', "new entries of people"),
    (f'to dn.subtree="{site.PEOPLE}" attrs=entryCSN by dn.exact="{site.BRIDGE}" none by * break', "read entryCSN of people"),
    (f'to dn.subtree="{site.ORGANIZATIONS}" attrs=children by dn.exact="{site.BRIDGE}" read by * break', "new organizations"),
    (f'to dn.subtree="{site.ORGANIZATIONS}" attrs=member by dn.exact="{site.BRIDGE}" =w by * break', "read member of organizations"),
    (f'to dn.exact="{site.ADMINS}" by dn.exact="{site.BRIDGE}" read by * none', "member of the platform group"),
    (f'to dn.subtree="{site.TOKENS}" by dn.exact="{site.BRIDGE}" write by * break', "may make tokens"),
    (f'to dn.subtree="{site.TOKENS}" by dn.exact="{site.OPERATOR}" read by * break', "the operator's account may not write new tokens"),
])
def test_an_access_rule_that_gives_too_much_or_too_little(ground, rule, words):
    ground.config.modify(DATABASE, ("add", "olcAccess", "{0}" + rule))
    _, found = ground.check()
    assert [f["code"] for f in found] == ["access-rules"] and words in found[0]["text"], found
    ground.mend("access-rules")
    assert not ground.leftovers()


@pytest.mark.finding("access-rules")
def test_the_hash_of_a_token_is_readable(ground):
    ground.run("token", "create", "seen", "--role", "PlatformAdmin", "--expires", "never")
    ground.config.modify(DATABASE, ("add", "olcAccess", f'{{0}}to dn.subtree="{site.TOKENS}" by users read by * break'))
    assert "the hash of a token (readable)" in ground.check()[1][0]["text"]
    ground.mend("access-rules")
    ground.run("token", "revoke", "seen")


@pytest.mark.finding("access-rules")
def test_who_signed_up_may_bind(ground):
    ground.configure("signup = { enabled = false;", "signup = { enabled = true;")
    ground.is_fit()
    rule = f'{{0}}to dn.subtree="{site.PENDING}" attrs=userPassword by dn.exact="{site.BRIDGE}" =w by anonymous auth'
    ground.config.modify(DATABASE, ("add", "olcAccess", rule))
    assert "who signed up may bind before they are approved" in ground.check()[1][0]["text"]
    ground.mend("access-rules")
    rule = f'{{0}}to dn.subtree="{site.PENDING}" attrs=children by dn.exact="{site.BRIDGE}" read by * none'
    ground.config.modify(DATABASE, ("add", "olcAccess", rule))
    assert "new entries of signup.container" in ground.check()[1][0]["text"]
    ground.mend("access-rules")
    assert not ground.leftovers()


@pytest.mark.finding("person-untried")
def test_people_who_cannot_sign_in(ground):
    rule = f'{{0}}to dn.subtree="{site.PEOPLE}" attrs=userPassword by dn.exact="{site.BRIDGE}" =w by * none'
    ground.config.modify(DATABASE, ("add", "olcAccess", rule))
    ground.mend("person-untried")


@pytest.mark.finding("access-rules")
def test_none_of_the_shipped_rules(ground):
    ground.config.modify(DATABASE, ("replace", "olcAccess", [f'{{0}}to * by dn.exact="{site.BRIDGE}" write by self write by anonymous auth by * read']))
    _, found = ground.check()
    assert "kiopsJoined of the own entry" in found[0]["text"] and "the operator's account" in found[0]["text"]
    ground.mend("access-rules")


@pytest.mark.finding("no-content-acl")
def test_contents_of_new_entries_are_not_looked_at(ground):
    ground.config.modify(DATABASE, ("replace", "olcAddContentAcl", "FALSE"))
    ground.mend("no-content-acl")


# ---- entries, schema

@pytest.mark.finding("no-entry")
@pytest.mark.parametrize("dns", [(site.JOBS,), (site.TOKENS,), (site.ADMINS,), (site.TOKENS, site.JOBS, site.ADMINS)])
def test_a_missing_entry(ground, dns):
    for dn in dns:
        ground.view.delete(dn)
    ground.mend(*["no-entry"] * len(dns))


@pytest.mark.finding("no-entry")
def test_the_whole_platform_is_missing(ground):
    for dn in (site.TOKENS, site.JOBS, site.ADMINS, site.PLACEHOLDER, site.PLATFORM):
        ground.view.delete(dn)
    ground.mend(*["no-entry"] * 4)


@pytest.mark.finding("schema-hidden")
def test_the_schema_that_the_server_hides(ground):
    ground.config.modify(FRONTEND, ("replace", "olcAccess", ['{0}to dn.base="" by * read', "{1}to * by * none"]))
    ground.mend("schema-hidden")


# ---- replication, what cannot be seen

@pytest.mark.finding("multi-provider")
def test_several_providers_are_told_and_are_no_finding(ground):
    ground.config.modify("cn=config", ("add", "olcServerID", [f"1 {ground.slapd.uri}", "2 ldap://127.0.0.1:1"]))
    assert "multi-provider" in ground.notes() and ground.check()[0] == 0
    ground.config.modify("cn=config", ("replace", "olcServerID", f"1 {ground.slapd.uri}"))
    assert "multi-provider" not in ground.notes()


@pytest.mark.finding("config-hidden")
def test_a_configuration_that_the_account_may_not_read(ground):
    ground.config.modify(CONFIG_DATABASE, ("replace", "olcAccess", ["{0}to * by * none"]))
    ground.mend("config-hidden")
    as_bridge = View(ground.slapd.uri, site.BRIDGE, ground.slapd.passwords.bridge)
    seen = as_bridge.find("cn=config", "(objectClass=*)")
    as_bridge.close()
    assert seen and not any("olcRootPW" in e or "olcSyncrepl" in e for e in seen.values()), "no secret"


# ---- no directory to look at, and a bridge that does not start on a bad one

def test_no_connection_says_why(ground):
    (ground.bridge.home / "ldap.password").write_text("wrong")
    done = ground.run("check")
    assert done.returncode == 1 and "refuses the bridge's account" in done.stderr and "Invalid credentials" in done.stderr
    assert "wrong" not in done.stderr and not done.stdout
    ground.bridge.write_files()
    ground.configure(ground.slapd.uri, "ldap://127.0.0.1:1")
    done = ground.run("check", "--impact")
    assert done.returncode == 1 and "cannot be reached" in done.stderr and "127.0.0.1:1" in done.stderr


def test_serve_does_not_start_where_people_give_themselves_roles(ground):
    ground.config.modify(DATABASE, ("add", "olcAccess", "{0}to attrs=kiopsManager by self =a by * break"))
    done = ground.run("serve")
    assert done.returncode == 1 and "kiopsManager of the own entry" in done.stderr and not ground.leftovers()
