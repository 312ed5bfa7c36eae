"""Every row of DESIGN 3.3 stopped between its steps: after the N-th change the bridge loses its directory, for every N
until the operation completes, with the next change not sent or with its answer lost. What stands there then gives less,
not more; and the same request, repeated over a healthy connection, ends where an undisturbed one does."""

import pytest
from rows import CASES
from world import World, answer_of

MOST_STEPS = 12
QUIET = [c for c in CASES if not c.race]
# The tool starts a process for each step; what a lost answer is to it, the requests show.
STOPS = [(c, "cut_request") for c in QUIET] + [(c, "lose_answer") for c in QUIET if not c.by_tool]


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True,
               bridge={"directory": "connect_timeout_ms = 500; operation_timeout_ms = 500;"})
    yield made
    made.close()


def world(ground, case, **age):
    w = World(ground, **age)
    case.prepare(w)
    w.settle()
    return w


def undisturbed(ground, case, **age):
    """(answer, authority before or after, what stands there in the end, authority in the end)"""
    w = world(ground, case, **age)
    before = w.authority()
    answer = answer_of(case.run(w))
    after, state = w.authority(), w.state()
    named = w.named
    w.forget()
    return answer, named(before) | named(after), without(state, case.inert), named(after)


def without(state, attributes):
    return {dn: {a: v for a, v in values.items() if a not in attributes} if isinstance(values, dict) else values
            for dn, values in state.items()}


def stop(ground, case, how, passing):
    """The world after the bridge lost its directory at that step; None when the operation needed no more steps."""
    w = world(ground, case)

    def end():
        ground.proxy.refusing = True

    trap = getattr(ground.proxy, how)(passing=passing, action=end)
    case.run(w)
    if trap.sprung.is_set():
        return w
    for traps in ground.proxy.traps.values():
        traps.clear()
    w.forget()
    return None


@pytest.mark.parametrize("case, how", STOPS, ids=str)
def test_stopped_anywhere_and_repeated(ground, case, how):
    answer, allowed, wanted, counts = undisturbed(ground, case)
    for passing in range(MOST_STEPS):
        w = stop(ground, case, how, passing)
        if not w:
            return
        where = f"{how} after {passing} of {case}"
        try:
            more = w.named(w.authority()) - allowed
            assert not more, f"{where}: {more}"
        finally:
            ground.proxy.refusing = False
        again = answer_of((case.again or case.run)(w))
        assert without(w.state(), case.inert) == wanted, f"{where}, repeated: {again} (undisturbed: {answer})"
        assert w.named(w.authority()) == counts, where
        w.forget()
    raise AssertionError(f"{case} takes more than {MOST_STEPS} changes")
