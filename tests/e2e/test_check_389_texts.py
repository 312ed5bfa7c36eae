"""`check` on 389 Directory Server where something of ours is there, and is old or wrong: the printed text takes it away, or says
what to do by hand; none is printed again without effect."""

import pytest
from kiopslab import site
from kiopslab.entries import ssha
from lab import eventually
from test_check_389 import HASHES, NAMES, PLUGINS, Ground389, until_fit

OTHER = f"cn=other,{site.SERVICES}"


@pytest.fixture
def ground(new_lab):
    return Ground389(new_lab)


def configured(ground, old, new):
    ground.bridge.conf.write_text(ground.bridge.conf.read_text().replace(old, new))


def with_another_account(ground):
    ground.view.add(OTHER, objectClass=["organizationalRole", "simpleSecurityObject"], cn="other", userPassword=ssha(ground.slapd.passwords.bridge))
    configured(ground, site.BRIDGE, OTHER)


def rules(ground):
    """All that are ours: (place, rule)"""
    return [(dn, rule) for dn, entry in ground.view.find(site.BASE, "(aci=*)", ["aci"]).items() for rule in entry["aci"] if 'acl "kiops: ' in rule]


# ---- rules for the account before


@pytest.mark.finding("access-rules")
@pytest.mark.parametrize("signup", [False, True], ids=["plain", "signup"])
def test_another_account_takes_over(ground, signup):
    """The denials for the account before hide tokens and applicants, and their own text with them."""
    if signup:
        ground.configure("signup = { enabled = false;", "signup = { enabled = true;")
        ground.is_fit()
    before = rules(ground)
    with_another_account(ground)
    seen = until_fit(ground)  # each text can be applied
    assert any('"kiops: nobody else reads tokens" of ' + site.TOKENS in found.get("access-rules", "") for found in seen), seen
    now = [(dn, rule) for dn, rule in rules(ground) if '"kiops: sees"' not in rule]
    assert sorted(now) == sorted((dn, rule if dn == site.PENDING and not signup else rule.replace(site.BRIDGE, OTHER)) for dn, rule in before)
    assert not ground.leftovers()


@pytest.mark.finding("access-rules")
def test_another_account_and_rules_that_nobody_knows(ground):
    """What is hidden is not what would have been printed: which rules to delete is said by place and name."""
    ground.without_rule(site.TOKENS, "kiops: nobody else reads tokens")
    older = f'(targetattr = "*")(version 3.0; acl "kiops: older"; deny (read, search, compare) userdn != "ldap:///{site.BRIDGE}";)'
    ground.view.modify(site.TOKENS, ("add", "aci", older))
    with_another_account(ground)
    said = None
    for _ in range(5):
        _, found = ground.check()
        (rule,) = [f for f in found if f["code"] == "access-rules"]
        if "apply" not in rule:
            said = rule["text"]
            break
        for f in found:
            try:
                ground.apply(f["apply"])
            except AssertionError as why:
                assert "No such attribute" in str(why), why
    assert f"The rules of {site.TOKENS} cannot be read: as the Directory Manager delete each aci there" in said, said
    ground.view.modify(site.TOKENS, ("delete", "aci", None))
    until_fit(ground)


@pytest.mark.finding("access-rules")
def test_old_rules_beside_those_of_today(ground):
    """An old denial stands above what today's rule permits."""
    old = ground.rule(site.PEOPLE, "kiops: nobody else writes roles").replace(site.BRIDGE, OTHER)
    ground.view.modify(site.PEOPLE, ("add", "aci", old))
    (found,) = ground.mend("access-rules")
    assert f'are deleted by the text: "kiops: nobody else writes roles" of {site.PEOPLE}' in found["text"], found
    assert old not in ground.view.get(site.PEOPLE)["aci"]


# ---- our plug-in for attribute uniqueness


@pytest.mark.finding("no-unique")
@pytest.mark.parametrize("old, new, plugin", [(site.PEOPLE, f"ou=persons,{site.BASE}", "kiops unique names"),
                                              (site.TOKENS, f"ou=secrets,{site.PLATFORM}", "kiops unique hashes")], ids=["people", "tokens"])
def test_our_plugin_is_about_a_base_before(ground, old, new, plugin):
    dn = f"cn={plugin},{PLUGINS}"
    theirs = NAMES if old == site.PEOPLE else HASHES
    ground.config.delete(theirs)
    ground.restart()
    ground.mend("no-unique", restart=True)
    configured(ground, old, new)
    until_fit(ground)
    assert sorted(ground.config.get(dn)["uniqueness-subtrees"]) == sorted([old, new])


@pytest.mark.finding("no-unique")
@pytest.mark.parametrize("name, value", [("uniqueness-attribute-name", "mail"), ("uniqueness-subtrees", site.ORGANIZATIONS)])
def test_our_plugin_is_set_wrong(ground, name, value):
    dn = f"cn=kiops unique names,{PLUGINS}"
    ground.config.delete(NAMES)
    ground.restart()
    ground.mend("no-unique", restart=True)
    ground.config.modify(dn, ("replace", name, value), ("replace", "nsslapd-pluginEnabled", "off"), ("replace", "nsslapd-pluginType", "preoperation"))
    ground.restart()
    ground.mend("no-unique", restart=True)


# ---- the lock of who signed up

LOCK, LOCKED = f"cn=kiops lock,{site.PENDING}", f"cn=kiops locked,{site.PENDING}"


@pytest.fixture
def signing(ground):
    ground.configure("signup = { enabled = false;", "signup = { enabled = true;")
    ground.is_fit()
    return ground


@pytest.mark.finding("access-rules")
@pytest.mark.parametrize("dn, name, value", [(LOCK, "nsAccountLock", "false"), (LOCKED, "cosTemplateDn", f"cn=another,{site.PENDING}"),
                                             (LOCKED, "cosAttribute", "description")], ids=["value", "template", "attribute"])
def test_the_lock_is_there_without_effect(signing, dn, name, value):
    signing.view.modify(dn, ("add", "objectClass", "extensibleObject") if dn == LOCKED else ("add", "description", "ours"), ("replace", name, value))

    def taken():
        """The lock stands below itself: what it says of itself follows a millisecond after the modify."""
        entry = signing.view.get(dn)
        return next(entry[key] for key in entry if key.lower() == name.lower()) == [value] and entry

    before = eventually(taken)
    (found,) = signing.mend("access-rules")
    assert "who signed up may bind before they are approved" in found["text"] and "deny" not in found["text"], found
    assert found["apply"]["text"].count("replace: ") == 1, found
    now = signing.view.get(dn)
    changed = {key.lower() for key in before if before[key] != now[key]}
    assert changed - {"modifytimestamp", "entryusn"} == {name.lower()}, "what is more stays"


@pytest.mark.finding("access-rules")
def test_nothing_is_lacking_and_they_may_bind(signing):
    """The whole lock is there, and another class of service stands above it: no denial is to be taken out for that."""
    signing.view.modify(LOCKED, ("replace", "cosTemplateDn", f"cn=kiops lock, {site.PENDING}"))  # another spelling
    signing.is_fit()
    added = {f"cn=open,{site.PENDING}": {"objectClass": ["ldapSubEntry", "cosTemplate", "extensibleObject"], "nsAccountLock": "false",
                                         "cosPriority": "0", "cn": "open"},
             f"cn=opened,{site.PENDING}": {"objectClass": ["ldapSubEntry", "cosSuperDefinition", "cosPointerDefinition"], "cn": "opened",
                                           "cosTemplateDn": f"cn=open,{site.PENDING}", "cosAttribute": "nsAccountLock operational"}}
    signing.view.modify(LOCK, ("replace", "cosPriority", "9"))
    for dn, entry in added.items():
        signing.view.add(dn, **entry)
    _, (found,) = signing.check()
    assert "may bind" in found["text"] and "another class of service (cosSuperDefinition)" in found["text"] and "deny" not in found["text"], found
    for dn in reversed(added):
        signing.view.delete(dn)
    assert signing.look() == (0, [], [])
