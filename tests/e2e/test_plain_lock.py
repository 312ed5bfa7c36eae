"""Plain mode with a lock: `active` is what the directory itself says of an account."""

import ldap
import pytest
from kiopslab import site
from lab import eventually
from plain import PlainLab
from scim import USER
from view import View

POLICY = {"modules": "moduleload ppolicy", "overlays": "overlay ppolicy\nppolicy_default \"cn=policy,{0}\"".format(site.BASE)}
PASSWORD = "correct horse battery"
ATTR = '  lock = { convention = "attr"; attribute = "employeeType"; value = "left"; };\n'


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    made = PlainLab(tmp_path_factory.mktemp("ppolicy"), slapd=POLICY, bridge={"directory": '  lock = { convention = "ppolicy"; };\n'})
    made.view().add(f"cn=policy,{site.BASE}", objectClass=["device", "pwdPolicy"], cn=["policy"], pwdAttribute=["userPassword"],
                    pwdLockout=["TRUE"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    made = PlainLab(tmp_path_factory.mktemp("attr"), bridge={"directory": ATTR})
    yield made
    made.close()


def can_bind(lab, name, password=PASSWORD):
    try:
        View(lab.slapd.uri, site.user_dn(name), password).close()
    except ldap.INVALID_CREDENTIALS:
        return False
    return True


def mark(lab, user, name="pwdAccountLockedTime"):
    return lab.view().get(site.user_dn(user["userName"])).get(name)


def test_who_is_deactivated_is_locked_out(locked):
    user = locked.user(password=PASSWORD)
    path = f"/Users/{user['id']}"
    assert can_bind(locked, user["userName"])
    assert locked.scim.patch(path, ("replace", "active", False)).expect(200)["active"] is False
    assert mark(locked, user) == ["000001010000Z"] and not can_bind(locked, user["userName"])
    assert locked.scim.find("Users", f'active eq false and userName eq "{user["userName"]}"')
    locked.scim.patch(path, ("replace", "title", "Welder")).expect(200)
    assert mark(locked, user) == ["000001010000Z"]
    assert locked.scim.patch(path, ("replace", "active", True)).expect(200)["active"] is True
    assert mark(locked, user) is None and can_bind(locked, user["userName"])


def test_who_is_made_inactive_stays_locked_with_a_new_password(locked):
    user = locked.user(password=PASSWORD, active=False)
    path = f"/Users/{user['id']}"
    assert user["active"] is False and not can_bind(locked, user["userName"])
    locked.scim.patch(path, ("replace", "password", "another horse battery")).expect(200)
    assert not can_bind(locked, user["userName"], "another horse battery") and locked.scim.get(path)["active"] is False
    assert mark(locked, user, "pwdEndTime") is None
    locked.scim.patch(path, ("replace", "active", True)).expect(200)
    assert can_bind(locked, user["userName"], "another horse battery")


def test_a_lock_of_the_server_is_not_taken_away(locked):
    """Too many wrong passwords: the account is active, and waits all the same."""
    user = locked.user(password=PASSWORD)
    locked.view().modify(site.user_dn(user["userName"]), ("add", "pwdAccountLockedTime", "20260101000000Z"))
    path = f"/Users/{user['id']}"
    eventually(lambda: locked.scim.patch(path, ("replace", "title", "Welder")).status == 200)
    locked.scim.put(path, {"schemas": [USER], "userName": user["userName"], "active": True, "title": "Rigger"}).expect(200)
    assert mark(locked, user) == ["20260101000000Z"] and locked.scim.get(path)["active"] is True
    locked.scim.patch(path, ("replace", "active", False)).expect(200)
    assert mark(locked, user) == ["000001010000Z"]


def test_an_administrators_lock_shows(locked):
    user = locked.user()
    locked.view().modify(site.user_dn(user["userName"]), ("add", "pwdAccountLockedTime", "000001010000Z"))
    eventually(lambda: locked.scim.get(f"/Users/{user['id']}")["active"] is False)


def test_an_attribute_of_ones_own_keeps_its_other_values(marked):
    user = marked.user()
    dn, path = site.user_dn(user["userName"]), f"/Users/{user['id']}"
    marked.view().modify(dn, ("add", "employeeType", "welder"))
    marked.scim.patch(path, ("replace", "active", False)).expect(200)
    assert set(mark(marked, user, "employeeType")) == {"welder", "left"}
    marked.scim.patch(path, ("replace", "active", True)).expect(200)
    assert mark(marked, user, "employeeType") == ["welder"]
