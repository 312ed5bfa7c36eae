"""directory.lock: who is deactivated cannot sign in elsewhere either. Real binds against slapd's own password policy, or
against 389 Directory Server, where nsAccountLock is the default."""

import subprocess

import ldap
import pytest
from kiopslab import site
from kiopslab.bridge import Bridge
from kiopslab.directories import kind
from lab import BINARY, Lab, eventually, free_port, without_address_randomisation
from scim import USER
from view import View

POLICY = {"modules": "moduleload ppolicy", "overlays": "overlay ppolicy\nppolicy_default \"cn=policy,{0}\"".format(site.BASE)}
LOCKED_BY_POLICY = kind() != "389ds"
MARK, VALUE = ("pwdAccountLockedTime", "000001010000Z") if LOCKED_BY_POLICY else ("nsAccountLock", "TRUE")
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    if not LOCKED_BY_POLICY:
        made = Lab(tmp_path_factory.mktemp("locked"))
        yield made
        made.close()
        return
    made = Lab(tmp_path_factory.mktemp("locked"), proxied=True, slapd=POLICY,
               bridge={"directory": '  lock = { convention = "ppolicy"; };\n'})
    made.view().add(f"cn=policy,{site.BASE}", objectClass=["device", "pwdPolicy"], cn=["policy"],
                    pwdAttribute=["userPassword"], pwdLockout=["TRUE"])
    yield made
    made.close()


def hire(ground, **more):
    return ground.scim.post("/Users", {"schemas": [USER], "userName": f"ann{ground.number()}", "password": PASSWORD, **more}).expect(201)


def can_bind(ground, user, password=PASSWORD):
    try:
        View(ground.slapd.uri, site.user_dn(user["userName"]), password).close()
    except (ldap.INVALID_CREDENTIALS, ldap.UNWILLING_TO_PERFORM):
        return False
    return True


def mark(ground, user, name=MARK):
    return ground.view().get(site.user_dn(user["userName"])).get(name)


def test_a_deactivated_account_cannot_bind_until_it_is_reactivated(ground):
    user = hire(ground)
    path = f"/Users/{user['id']}"
    assert can_bind(ground, user) and mark(ground, user) is None
    ground.scim.patch(path, ("replace", "active", False)).expect(200)
    assert not can_bind(ground, user) and mark(ground, user) == [VALUE]
    ground.scim.patch(path, ("replace", "title", "Welder")).expect(200)
    assert not can_bind(ground, user)
    ground.scim.put(path, {"schemas": [USER], "userName": user["userName"], "active": True}).expect(200)
    assert can_bind(ground, user) and mark(ground, user) is None


def test_a_user_who_is_made_inactive_cannot_bind(ground):
    user = hire(ground, active=False)
    assert not can_bind(ground, user) and mark(ground, user) == [VALUE]
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "active", True)).expect(200)
    assert can_bind(ground, user)


def test_a_new_password_unlocks_nobody(ground):
    user = hire(ground)
    path = f"/Users/{user['id']}"
    ground.scim.patch(path, ("replace", "active", False)).expect(200)
    ground.scim.patch(path, ("replace", "password", "another horse")).expect(200)
    assert not can_bind(ground, user, "another horse") and mark(ground, user) == [VALUE]
    ground.scim.patch(path, ("replace", "active", True), ("replace", "password", PASSWORD)).expect(200)
    assert can_bind(ground, user)
    ground.scim.patch(path, ("replace", "active", False), ("replace", "password", "third horse")).expect(200)
    assert not can_bind(ground, user, "third horse")


def binds_between(ground, user, password, request):
    """What a bind says before each write of the request, and behind the last one."""
    seen = []
    traps = [ground.proxy.before_request("modify", "extended", passing=n, action=lambda: seen.append(can_bind(ground, user, password)))
             for n in range(8)]
    request().expect(200, 201)
    for trap in traps:
        ground.proxy.traps["request"].remove(trap)
    return [*seen, can_bind(ground, user, password)]


@pytest.mark.parametrize("more", [[], [("replace", "title", "Welder")], [("replace", "active", True)]], ids=["alone", "with_more", "reactivated"])
def test_at_no_moment_of_a_new_password_can_the_inactive_one_bind(ground, more):
    user = hire(ground, active=False)
    path = f"/Users/{user['id']}"
    seen = binds_between(ground, user, "another horse", lambda: ground.scim.patch(path, ("replace", "password", "another horse"), *more))
    active = ground.scim.get(path)["active"]
    assert len(seen) >= 4 and not any(seen[:-1]) and seen[-1] == active, seen
    assert mark(ground, user) == (None if active else ["000001010000Z"])
    ground.scim.patch(path, ("replace", "active", True)).expect(200)
    assert can_bind(ground, user, "another horse") and mark(ground, user, "pwdEndTime") is None


def test_at_no_moment_of_being_made_inactive_can_one_bind(ground):
    body = {"schemas": [USER], "userName": f"ann{ground.number()}", "password": PASSWORD, "active": False}
    seen = binds_between(ground, body, PASSWORD, lambda: ground.scim.post("/Users", body))
    assert len(seen) == 3 and not any(seen) and mark(ground, body, "pwdEndTime") is None, seen


def test_a_refused_password_leaves_the_lock(ground):
    user = hire(ground, active=False)
    path = f"/Users/{user['id']}"
    ground.view().modify(f"cn=policy,{site.BASE}", ("add", "pwdInHistory", "3"))
    ground.scim.patch(path, ("replace", "password", PASSWORD)).expect(400)
    ground.view().modify(f"cn=policy,{site.BASE}", ("delete", "pwdInHistory", "3"))
    assert mark(ground, user) == ["000001010000Z"] and mark(ground, user, "pwdEndTime") is None


@pytest.mark.parametrize("passing", range(4))
@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
def test_broken_off_anywhere_it_stays_shut_and_repeated_it_completes(ground, how, passing):
    user, other = hire(ground, active=False), hire(ground, active=False)
    for person, repeat in ((user, [("replace", "password", "another horse")]), (other, [])):
        path = f"/Users/{person['id']}"
        trap = getattr(ground.proxy, how)("modify", "extended", passing=passing, action=lambda: setattr(ground.proxy, "refusing", True))
        answer = ground.scim.patch(path, ("replace", "password", "another horse"), ("replace", "title", "Welder"))
        ground.proxy.refusing = False
        assert trap.sprung.is_set() and answer.status == 503, answer.text
        assert not can_bind(ground, person, "another horse")
        if repeat:
            eventually(lambda: ground.scim.patch(path, *repeat).status == 200)
            assert not can_bind(ground, person, "another horse") and mark(ground, person) == ["000001010000Z"]
            assert mark(ground, person, "pwdEndTime") is None
        eventually(lambda: ground.scim.patch(path, ("replace", "active", True)).status == 200)
        assert mark(ground, person) is None and mark(ground, person, "pwdEndTime") is None
        assert can_bind(ground, person, "another horse") or can_bind(ground, person)


def test_an_end_that_an_administrator_gave_stays(ground):
    user = hire(ground, active=False)
    path = f"/Users/{user['id']}"
    ground.view().modify(site.user_dn(user["userName"]), ("add", "pwdEndTime", "20390101000000Z"))
    refused = ground.scim.patch(path, ("replace", "password", "another horse")).expect(409)
    assert "pwdEndTime" in refused["detail"] and "activate" in refused["detail"]
    ground.scim.patch(path, ("replace", "active", True)).expect(200)
    ground.scim.patch(path, ("replace", "password", "another horse")).expect(200)
    assert mark(ground, user, "pwdEndTime") == ["20390101000000Z"] and can_bind(ground, user, "another horse")


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
