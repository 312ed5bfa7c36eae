"""directory.lock: who is deactivated cannot sign in elsewhere either. Real binds against slapd's own password policy."""

import subprocess

import ldap
import pytest
from kiopslab import site
from kiopslab.bridge import Bridge
from lab import BINARY, Lab, free_port, without_address_randomisation
from scim import USER
from view import View

POLICY = {"modules": "moduleload ppolicy", "overlays": "overlay ppolicy\nppolicy_default \"cn=policy,{0}\"".format(site.BASE)}
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("locked"), slapd=POLICY, bridge={"directory": '  lock = { convention = "ppolicy"; };\n'})
    made.view().add(f"cn=policy,{site.BASE}", objectClass=["device", "pwdPolicy"], cn=["policy"],
                    pwdAttribute=["userPassword"], pwdLockout=["TRUE"])
    yield made
    made.close()


def hire(ground, **more):
    return ground.scim.post("/Users", {"schemas": [USER], "userName": f"ann{ground.number()}", "password": PASSWORD, **more}).expect(201)


def can_bind(ground, user, password=PASSWORD):
    try:
        View(ground.slapd.uri, site.user_dn(user["userName"]), password).close()
    except ldap.INVALID_CREDENTIALS:
        return False
    return True


def mark(ground, user):
    return ground.view().get(site.user_dn(user["userName"])).get("pwdAccountLockedTime")


def test_a_deactivated_account_cannot_bind_until_it_is_reactivated(ground):
    user = hire(ground)
    path = f"/Users/{user['id']}"
    assert can_bind(ground, user) and mark(ground, user) is None
    ground.scim.patch(path, ("replace", "active", False)).expect(200)
    assert not can_bind(ground, user) and mark(ground, user) == ["000001010000Z"]
    ground.scim.patch(path, ("replace", "title", "Welder")).expect(200)
    assert not can_bind(ground, user)
    ground.scim.put(path, {"schemas": [USER], "userName": user["userName"], "active": True}).expect(200)
    assert can_bind(ground, user) and mark(ground, user) is None


def test_a_user_who_is_made_inactive_cannot_bind(ground):
    user = hire(ground, active=False)
    assert not can_bind(ground, user) and mark(ground, user) == ["000001010000Z"]
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "active", True)).expect(200)
    assert can_bind(ground, user)


def test_a_new_password_unlocks_nobody(ground):
    user = hire(ground)
    path = f"/Users/{user['id']}"
    ground.scim.patch(path, ("replace", "active", False)).expect(200)
    ground.scim.patch(path, ("replace", "password", "another horse")).expect(200)
    assert not can_bind(ground, user, "another horse") and mark(ground, user) == ["000001010000Z"]
    ground.scim.patch(path, ("replace", "active", True), ("replace", "password", PASSWORD)).expect(200)
    assert can_bind(ground, user)
    ground.scim.patch(path, ("replace", "active", False), ("replace", "password", "third horse")).expect(200)
    assert not can_bind(ground, user, "third horse")


def test_an_attribute_of_the_administrators_choice(new_lab):
    lab = new_lab(bridge={"directory": '  lock = { convention = "attr"; attribute = "employeeType"; value = "locked"; };\n'})
    user = hire(lab)
    lab.scim.patch(f"/Users/{user['id']}", ("replace", "active", False)).expect(200)
    assert lab.view().by_id(user["id"])[1]["employeeType"] == ["locked"]
    lab.scim.patch(f"/Users/{user['id']}", ("replace", "active", True)).expect(200)
    assert "employeeType" not in lab.view().by_id(user["id"])[1]


def test_check_says_that_the_server_does_not_know_the_mark(new_lab):
    lab = new_lab(bridges=0)
    bridge = Bridge(lab.slapd.home.parent / "bridge", free_port(), BINARY, lab.slapd, prefix=without_address_randomisation(),
                    directory='  lock = { convention = "nsaccountlock"; };\n')
    bridge.create()
    said = subprocess.run([*bridge.process.argv[:-1], "check"], capture_output=True, text=True, check=False)
    assert said.returncode and "nsAccountLock" in said.stdout, said
