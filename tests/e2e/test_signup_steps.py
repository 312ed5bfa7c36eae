"""The approval of who signed up (DESIGN 7), stopped between its steps: after the N-th change the bridge loses its directory, for
every N until it completes. What stands there then gives less, not more; repeated, it ends as an undisturbed one does."""

import pytest
from faults import kill
from kiopslab import site
from lab import Lab, eventually
from town import ANYBODY, Town

MOST_STEPS = 8


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    quick = "connect_timeout_ms = 500; operation_timeout_ms = 500;"
    lab = Lab(tmp_path_factory.mktemp("steps"), proxied=True, bridge={"signup": ANYBODY, "directory": quick})
    yield Town(lab)
    lab.close()


def values(entry, town):
    """Of the organization, on the person's entry: {attribute: how many}."""
    names = ("kiopsJoined", "kiopsRequest", "kiopsRejected", "kiopsManager", "kiopsPermission")
    found = {n: sum(v.startswith(town.organization) for v in entry.get(n, ())) for n in names}
    return {n: count for n, count in found.items() if count}


def gives_no_more(town, applicant):
    """A member only from among the users; never more than a Member; never asked for and joined at once."""
    dn, entry = town.view.by_id(applicant)
    held = values(entry, town)
    assert held in ({"kiopsRequest": 1}, {"kiopsJoined": 1}), held
    assert dn not in town.view.members(town.organization) or (dn.endswith(site.PEOPLE) and "kiopsJoined" in held)
    return dn


def is_in(town, applicant, form):
    dn, entry = town.view.by_id(applicant)
    assert dn == site.user_dn(form["userName"]) and entry["uid"] == [form["userName"]]
    assert values(entry, town) == {"kiopsJoined": 1}
    assert dn in town.view.members(town.organization) and dn not in town.view.members(town.organization, "owner")
    assert not [e for e in town.waiting().values() if e["entryUUID"][0] == applicant]


def approved_again(town, applicant):
    eventually(lambda: town.approve(applicant).status == 200, within=10)


@pytest.mark.parametrize("how", ["cut_request", "lose_answer"])
def test_stopped_anywhere_and_approved_again(town, how):
    proxy = town.lab.proxy
    for passing in range(MOST_STEPS):
        applicant, form = town.sign_up()

        def end():
            proxy.refusing = True

        trap = getattr(proxy, how)(passing=passing, action=end)
        answer = town.approve(applicant)
        for traps in proxy.traps.values():
            traps.clear()
        try:
            gives_no_more(town, applicant)
        finally:
            proxy.refusing = False
        if trap.sprung.is_set():
            assert answer.status == 503, answer.text
        else:
            answer.expect(200)
        approved_again(town, applicant)
        is_in(town, applicant, form)
        if not trap.sprung.is_set():
            assert passing >= 3, "claim, move, join"
            return
    raise AssertionError("an approval has no end")


@pytest.mark.parametrize("passing", range(3))
def test_killed_at_each_step_and_approved_again(town, passing):
    """kill -9 just before a change is sent: the bridge that comes after finishes it when asked."""
    applicant, form = town.sign_up()
    process = town.lab.bridges[0].process
    trap = town.lab.proxy.cut_request(passing=passing, action=lambda: kill(process))
    with pytest.raises(OSError):
        town.approve(applicant)
    assert trap.sprung.is_set()
    gives_no_more(town, applicant)
    process.start()
    approved_again(town, applicant)
    is_in(town, applicant, form)
