"""The shipped access rules (conf/acl.conf) against a real slapd: DESIGN 3.4."""

import ldap
import pytest
from kiopslab import entries, site

A = site.organization_dn("Project A")
TOKEN = f"cn=existing,{site.TOKENS}"
HASH = "ab" * 32


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("access"), bridges=0)
    made.view(site.OPERATOR, made.slapd.passwords.operator).add(
        TOKEN, objectClass="kiopsPrincipal", cn="existing", kiopsTokenHash=HASH)
    yield made
    made.close()


@pytest.fixture(scope="module")
def accounts(ground):
    """Nobody here is the rootdn."""
    passwords = ground.slapd.passwords
    return {"person": ground.view(site.user_dn("mina"), entries.SAMPLE_PASSWORD),
            "bridge": ground.view(site.BRIDGE, passwords.bridge),
            "operator": ground.view(site.OPERATOR, passwords.operator)}


@pytest.mark.parametrize("who, dn, change", [
    ("person", site.user_dn("mina"), ("add", "kiopsPermission", "x:vpn")),
    ("person", site.user_dn("mina"), ("add", "kiopsManager", "x")),
    ("person", site.user_dn("mina"), ("add", "kiopsJoined", "platform:20260105080000Z.0")),
    ("person", site.user_dn("mina"), ("replace", "kiopsActive", "TRUE")),
    ("person", site.user_dn("mina"), ("replace", "kiopsResource", "{}")),
    ("person", site.user_dn("mina"), ("replace", "mail", "other@example.org")),
    ("person", A, ("add", "owner", site.user_dn("kim"))),
    ("person", A, ("add", "member", site.user_dn("noa"))),
    ("person", A, ("replace", "kiopsJoinPolicy", "open")),
    ("person", site.ADMINS, ("add", "member", site.user_dn("mina"))),
    ("person", TOKEN, ("replace", "kiopsTokenRole", "PlatformAdmin")),
    ("operator", site.user_dn("mina"), ("add", "kiopsPermission", "x:vpn")),
    ("operator", site.ADMINS, ("add", "member", site.user_dn("mina"))),
    ("operator", A, ("add", "owner", site.user_dn("kim"))),
    ("bridge", TOKEN, ("replace", "kiopsTokenRole", "PlatformAdmin")),
    ("bridge", TOKEN, ("replace", "kiopsTokenHash", "cd" * 32)),
    ("bridge", site.BRIDGE, ("replace", "userPassword", "new")),
])
def test_a_change_that_is_not_theirs_is_refused(accounts, who, dn, change):
    # Who may not even see the entry is told that there is none.
    with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
        accounts[who].modify(dn, change)


@pytest.mark.parametrize("who, dn, values", [
    ("person", site.user_dn("crony"), {"objectClass": ["inetOrgPerson"], "cn": "c", "sn": "c"}),
    ("person", f"cn=own,{site.TOKENS}", {"objectClass": "kiopsPrincipal", "cn": "own"}),
    ("bridge", f"cn=own,{site.TOKENS}", {"objectClass": "kiopsPrincipal", "cn": "own"}),
    ("operator", site.user_dn("crony"), {"objectClass": ["inetOrgPerson"], "cn": "c", "sn": "c"}),
])
def test_an_entry_that_is_not_theirs_to_make_is_refused(accounts, who, dn, values):
    with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
        accounts[who].add(dn, **values)


def test_the_bridge_changes_people_organizations_and_the_platform_group(accounts):
    bridge, dn = accounts["bridge"], site.user_dn("made")
    bridge.add(dn, objectClass=["inetOrgPerson", "kiopsUser"], uid="made", cn="m", sn="m",
               kiopsActive="TRUE", userPassword="secret")
    bridge.modify(A, ("add", "member", dn), ("add", "owner", dn))
    bridge.modify(site.ADMINS, ("add", "member", dn))
    bridge.modify(site.ADMINS, ("delete", "member", dn))
    bridge.modify(A, ("delete", "member", dn), ("delete", "owner", dn))
    bridge.link.passwd_s(dn, None, "another")
    bridge.delete(dn)


def test_the_operator_makes_and_removes_tokens(accounts):
    operator, dn = accounts["operator"], f"cn=second,{site.TOKENS}"
    operator.add(dn, objectClass="kiopsPrincipal", cn="second", kiopsTokenHash="ef" * 32)
    operator.delete(dn)


def test_a_token_hash_is_read_by_the_bridge_alone(accounts):
    assert accounts["bridge"].get(TOKEN)["kiopsTokenHash"] == [HASH]
    assert "kiopsTokenHash" not in accounts["operator"].get(TOKEN)
    assert accounts["person"].get(TOKEN) is None


def test_nobody_reads_a_password(accounts):
    for view in accounts.values():
        mina = view.get(site.user_dn("mina"))
        assert mina["uid"] == ["mina"] and "userPassword" not in mina


def test_a_person_changes_the_own_password(ground, accounts):
    accounts["person"].link.passwd_s(site.user_dn("mina"), entries.SAMPLE_PASSWORD, "changed")
    ground.view(site.user_dn("mina"), "changed")


def test_the_directory_keeps_the_last_owner_value(accounts):
    """kiopsManagedOrganization: refused whoever asks, here by the schema and not by a rule."""
    owners = accounts["bridge"].get(A)["owner"]
    with pytest.raises(ldap.OBJECT_CLASS_VIOLATION):
        accounts["bridge"].modify(A, ("delete", "owner", owners))


def test_a_second_person_of_the_same_name_is_refused(ground):
    admin = ground.view()
    admin.add(f"ou=sub,{site.PEOPLE}", objectClass="organizationalUnit", ou="sub")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        admin.add(f"uid=MINA,ou=sub,{site.PEOPLE}", objectClass="inetOrgPerson", uid="MINA", cn="m", sn="m")


def test_the_bridge_reads_without_a_size_limit_and_others_do_not(tmp_path_factory):
    from lab import Lab
    many = Lab(tmp_path_factory.mktemp("many"), bridges=0, users=1000, organizations=10)
    try:
        assert len(many.view(site.BRIDGE, many.slapd.passwords.bridge).find(site.PEOPLE, "(uid=*)")) == 1008
        with pytest.raises(ldap.SIZELIMIT_EXCEEDED):
            many.view(site.OPERATOR, many.slapd.passwords.operator).find(site.BASE, "(uid=*)")
    finally:
        many.close()
