"""Every row of DESIGN 3.3 with one of its changes late: the bridge loses the connection, and the directory takes the change
while the bridge looks whether it did, before the first look, the second, and so on. The answer and what stands there are as
if nothing had happened, or it is a 503 that the same request completes."""

import pytest
from kiopslab.directories import DEFAULT, kind
from rows import CASES
from test_crash_points import MOST_STEPS, undisturbed, without, world
from world import answer_of

QUIET = [c for c in CASES if not c.race]
AGES = [(c, False) for c in QUIET] + [(c, True) for c in QUIET if c.row in ("PlatformAdmin", "remove Member", "request / reject / withdraw")]
# One look is several searches, up to eight over a new connection: 8 is the look after the first. The last: it never comes.
LOOKS = (0, 1, 2, 8, 99)
LOOKS_ANYWHERE = LOOKS if kind() == DEFAULT else (1, 99)  # a bridge that polls takes a second to see each world


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True)
    yield made
    made.close()


def late(ground, case, young, passing, looks):
    """(trap, world, answer)"""
    w = world(ground, case, young=young)
    trap = ground.proxy.late_request(passing=passing, looks=looks)
    answer = answer_of(case.run(w))
    ground.proxy.traps["request"].clear()
    ground.proxy.late.clear()
    assert trap.arrived.is_set() or not trap.sprung.is_set() or trap.looks >= 0, "sent late, and not answered"
    return trap, w, answer


@pytest.mark.parametrize("case, young", AGES, ids=[f"{c}-young" if young else str(c) for c, young in AGES])
def test_late_anywhere(ground, case, young):
    answer, _, wanted, counts = undisturbed(ground, case, young=young)
    for passing in range(MOST_STEPS):
        for looks in LOOKS_ANYWHERE:
            trap, w, got = late(ground, case, young, passing, looks)
            where = f"change {passing} of {case}, {looks} looks later"
            assert got in (answer, "503"), where
            if got == "503":
                answer_of((case.again or case.run)(w))
            assert without(w.state(), case.inert) == wanted, f"{where}: {got}"
            assert w.named(w.authority()) == counts, where
            w.forget()
            if not trap.sprung.is_set():
                return
            if not trap.arrived.is_set():
                break  # it never comes: the operation had its end before
    raise AssertionError(f"{case} takes more than {MOST_STEPS} changes")


@pytest.mark.parametrize("what, attribute", [("userName", "uid"), ("displayName", "displayName")])
@pytest.mark.parametrize("looks", LOOKS)
def test_a_change_of_a_version_that_comes_late_is_made(ground, what, attribute, looks):
    """It has changed the version itself."""
    user, new = ground.user(), f"late{ground.number()}"
    trap = ground.proxy.late_request(looks=looks)
    version = ground.scim.get(f"/Users/{user['id']}").etag
    answer = ground.scim.patch(f"/Users/{user['id']}", ("replace", what, new), headers={"If-Match": version})
    assert trap.sprung.is_set() and answer.expect(200)[what] == new
    ground.proxy.late.clear()
    assert ground.view().by_id(user["id"])[1][attribute] == [new]


@pytest.mark.parametrize("what", ["displayName", "externalId"])
@pytest.mark.parametrize("looks", LOOKS)
def test_a_change_of_a_groups_version_that_comes_late_is_made(ground, what, looks):
    group, new = ground.organization()["id"], f"late {ground.number()}"
    trap = ground.proxy.late_request(looks=looks)
    version = ground.scim.get(f"/Groups/{group}").etag
    answer = ground.scim.patch(f"/Groups/{group}", ("replace", what, new), headers={"If-Match": version})
    assert trap.sprung.is_set() and answer.expect(200)[what] == new
