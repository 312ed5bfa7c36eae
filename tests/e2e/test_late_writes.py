"""Every row of DESIGN 3.3 with one of its changes late: the bridge loses the connection, and the directory takes the change
while the bridge looks whether it did, before the first look, the second, and so on. The answer and what stands there are as
if nothing had happened, or it is a 503 that the same request completes."""

import pytest
from rows import CASES
from test_crash_points import MOST_STEPS, undisturbed, without, world
from world import answer_of

QUIET = [c for c in CASES if not c.race]
AGES = [(c, False) for c in QUIET] + [(c, True) for c in QUIET if c.row in ("PlatformAdmin", "remove Member", "request / reject / withdraw")]
LOOKS = (0, 1, 2, 8)  # one look is several searches, up to eight over a new connection: the last is the look after the first


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
    return trap, w, answer


@pytest.mark.parametrize("case, young", AGES, ids=[f"{c}-young" if young else str(c) for c, young in AGES])
def test_late_anywhere(ground, case, young):
    answer, _, wanted, counts = undisturbed(ground, case, young=young)
    for passing in range(MOST_STEPS):
        for looks in LOOKS:
            trap, w, got = late(ground, case, young, passing, looks)
            where = f"change {passing} of {case}, {looks} looks later"
            if trap.sprung.is_set() and not trap.arrived.is_set():
                break  # the operation came to its end before
            assert got in (answer, "503"), where
            if got == "503":
                answer_of((case.again or case.run)(w))
            assert without(w.state(), case.inert) == wanted, f"{where}: {got}"
            assert w.named(w.authority()) == counts, where
            w.forget()
            if not trap.sprung.is_set():
                return
    raise AssertionError(f"{case} takes more than {MOST_STEPS} changes")
