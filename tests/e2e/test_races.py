"""Two bridges on one directory race (done-when b). A checker that reads slapd by ldapsearch finds nothing wrong, and
within a second each bridge shows what ldapsearch shows. KIOPS_ROUNDS raises the number of rounds (make soak: 1000, of which
all but the first race go half)."""

import os
import threading
import time

import pytest
from checker import Picture, fold
from hands import Hand
from kiopslab import site
from lab import FEED_DELAY, eventually
from scim import KIOPS_ORGANIZATION, KIOPS_USER
from tally import Counted, note

FIRST = int(os.environ.get("KIOPS_ROUNDS", "25"))
ROUNDS = min(FIRST, max(25, FIRST // 2))
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
ROUND_BY_ROUND = []


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    from lab import Lab
    two = Lab(tmp_path_factory.mktemp("lab"), bridges=2)
    yield two
    two.close()


@pytest.fixture(autouse=True)
def counted(request):
    """What came of each at_once() of the test, for the table at the end."""
    ROUND_BY_ROUND.clear()
    yield
    answers = [Counted(answer) for answers in ROUND_BY_ROUND for answer in answers]
    note(request.node.name.removeprefix("test_"), len(ROUND_BY_ROUND), answers, int(request.node.failed))


def picture(lab):
    return Picture(lab.slapd.uri, site.ROOT, lab.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)


def at_once(*calls):
    """Runs the calls together; their answers in order."""
    answers, gate = [None] * len(calls), threading.Barrier(len(calls))

    def run(n, call):
        gate.wait()
        answers[n] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ROUND_BY_ROUND.append(answers)
    return answers


def dns(lab, ids, now):
    by_id = {values["entryuuid"][0]: dn for dn, values in now.people.items()}
    return {by_id.get(i, i) for i in ids}


def same_everywhere(lab, group):
    """Each bridge shows the members and managers that ldapsearch shows, within a second of the last write."""
    deadline = time.monotonic() + 1.0 + FEED_DELAY
    while True:
        now = picture(lab)
        wanted = (now.members(group), now.managers(group))
        shown = []
        for n in range(len(lab.bridges)):
            body = lab.client(bridge=n).get(f"/Groups/{group}").expect(200).json
            extension = body.get(KIOPS_ORGANIZATION, {})
            shown.append((dns(lab, (m["value"] for m in body["members"]), now),
                          dns(lab, (m["value"] for m in extension.get("managers", ()) if m["active"]), now)))
        if all(s == wanted for s in shown):
            return now
        assert time.monotonic() < deadline, f"directory {wanted}, bridges {shown}"


def demote(client, group, user):
    return client.patch(f"/Groups/{group}", ("remove", f'{MANAGERS}[value eq "{user}"]'))


def test_the_last_two_managers_demoted_at_once(pair):
    """faults 36: exactly one wins; the loser is 409 KB-R07."""
    users = [pair.user()["id"] for _ in range(2)]
    group = pair.organization(managers=users)["id"]
    first, second = pair.client(bridge=0), pair.client(bridge=1)
    for _ in range(FIRST):
        answers = at_once(lambda: demote(first, group, users[0]), lambda: demote(second, group, users[1]))
        statuses = sorted(a.status for a in answers)
        assert statuses in ([200, 409], [204, 409]), [a.text for a in answers]
        assert [a.rule for a in answers if a.status == 409] == ["KB-R07"]
        now = picture(pair)
        assert len(now.managers(group)) == 1
        first.patch(f"/Groups/{group}", ("add", MANAGERS, [{"value": u} for u in users])).expect(200)
    assert not list(same_everywhere(pair, group).findings(managed=[group]))


def test_two_active_managers_demoted_at_once_beside_an_inactive_one(pair):
    """The directory keeps one owner value; that it is an active person's is the precondition's work."""
    users = [pair.user()["id"] for _ in range(3)]
    group = pair.organization(managers=users)["id"]
    first, second = pair.client(bridge=0), pair.client(bridge=1)
    first.patch(f"/Users/{users[2]}", ("replace", "active", False)).expect(200)
    eventually(lambda: second.get(f"/Users/{users[2]}")["active"] is False)
    for _ in range(ROUNDS):
        answers = at_once(lambda: demote(first, group, users[0]), lambda: demote(second, group, users[1]))
        assert sorted(a.status for a in answers) == [200, 409], [a.text for a in answers]
        assert len(picture(pair).managers(group)) == 1
        first.patch(f"/Groups/{group}", ("add", MANAGERS, [{"value": u} for u in users[:2]])).expect(200)
        same_everywhere(pair, group)


def test_promote_against_remove(pair):
    keeper, user = pair.user()["id"], pair.user()["id"]
    group = pair.organization(members=[user], managers=[keeper])["id"]
    first, second = pair.client(bridge=0), pair.client(bridge=1)
    for _ in range(ROUNDS):
        answers = at_once(
            lambda: first.patch(f"/Groups/{group}", ("add", MANAGERS, [{"value": user}])),
            lambda: second.patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]')))
        assert all(a.status in (200, 204, 409) for a in answers), [a.text for a in answers]
        assert not list(same_everywhere(pair, group).findings(managed=[group])), [a.text for a in answers]
        first.patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]')).expect(200)
        first.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(200)


def test_add_against_remove_of_one_member(pair):
    keeper, user = pair.user()["id"], pair.user()["id"]
    group = pair.organization(managers=[keeper])["id"]
    first, second = pair.client(bridge=0), pair.client(bridge=1)
    for _ in range(ROUNDS):
        answers = at_once(
            lambda: first.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])),
            lambda: second.patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]')))
        assert all(a.status in (200, 204, 409, 503) for a in answers), [a.text for a in answers]
        assert not list(same_everywhere(pair, group).findings(managed=[group])), [a.text for a in answers]


@pytest.mark.line("A26")
def test_adds_against_adds(pair):
    """faults 39: many parallel PATCH add on one group through two bridges; all of them are there."""
    keeper = pair.user()["id"]
    users = [pair.user()["id"] for _ in range(32)]
    group = pair.organization(managers=[keeper])["id"]
    clients = [pair.client(bridge=n % 2) for n in range(len(users))]
    answers = at_once(*(lambda c=c, u=u: c.patch(f"/Groups/{group}", ("add", "members", [{"value": u}]))
                        for c, u in zip(clients, users)))
    assert [a.status for a in answers] == [200] * len(users), [a.text for a in answers if a.status != 200][:3]
    now = same_everywhere(pair, group)
    assert now.members(group) >= dns(pair, users, now)
    assert not list(now.findings(managed=[group]))


def test_the_same_member_added_many_times_at_once(pair):
    keeper, user = pair.user()["id"], pair.user()["id"]
    group = pair.organization(managers=[keeper])["id"]
    answers = at_once(*(lambda n=n: pair.client(bridge=n % 2).patch(f"/Groups/{group}", ("add", "members", [{"value": user}]))
                        for n in range(8)))
    assert all(a.status in (200, 409) for a in answers), [a.text for a in answers]
    assert any(a.status == 200 for a in answers)
    assert not list(same_everywhere(pair, group).findings(managed=[group]))


@pytest.mark.line(74, "A26")
def test_one_user_name_created_many_times_at_once(pair):
    """Line 74: exactly one 201."""
    for n in range(max(3, ROUNDS // 5)):
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"same{n}"}
        answers = at_once(*(lambda k=k: pair.client(bridge=k % 2).post("/Users", body) for k in range(8)))
        assert sorted(a.status for a in answers) == [201] + [409] * 7, [a.text for a in answers]


@pytest.mark.line("A26")
def test_user_deleted_against_added(pair):
    keeper = pair.user()["id"]
    group = pair.organization(managers=[keeper])["id"]
    first, second = pair.client(bridge=0), pair.client(bridge=1)
    for _ in range(max(5, ROUNDS // 3)):
        user = pair.user()["id"]
        eventually(lambda: second.get(f"/Users/{user}").status == 200)
        answers = at_once(lambda: first.delete(f"/Users/{user}"),
                          lambda: second.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])))
        assert answers[0].status == 204, answers[0].text
        assert answers[1].status in (200, 400, 404, 409), answers[1].text
        assert not list(same_everywhere(pair, group).findings(managed=[group])), [a.text for a in answers]
        assert first.get(f"/Users/{user}").status == 404


def test_a_direct_edit_is_seen_by_both_within_a_second(pair):
    user = pair.user(displayName="Before")
    dn, _ = pair.view().by_id(user["id"])
    pair.view().modify(dn, ("replace", "displayName", "After"))
    for n in range(2):
        eventually(lambda n=n: pair.client(bridge=n).get(f"/Users/{user['id']}")["displayName"] == "After", within=1.0)
    assert fold(dn) in picture(pair).people
    assert KIOPS_USER not in user


# ---- rows without an HTTP door: tests/tools/change.c is the other writer

@pytest.fixture(scope="module")
def hands(pair):
    """Two more writers, each beside its bridge."""
    with Hand(pair.bridges[0], "token:e2e") as first, Hand(pair.bridges[1], "token:e2e") as second:
        yield first, second


def company(lab, hands, *people):
    """An organization with a Manager and these people as Members, known to both hands."""
    keeper = lab.user()["id"]
    group = lab.organization(managers=[keeper], members=people)["id"]
    for hand in hands:
        for person in people:
            eventually(lambda hand=hand, person=person: hand("add", person, group) == "nothing")
    return group


def sound(lab, group, answers):
    assert not [f for f in same_everywhere(lab, group).findings(managed=[group]) if group in f], answers


def test_remove_against_grant(pair, hands):
    """A permission never outlives the membership."""
    user = pair.user()["id"]
    group = company(pair, hands, user)
    removal = ("remove", f'members[value eq "{user}"]')
    for n in range(ROUNDS):
        client = pair.client(bridge=n % 2)
        answers = at_once(lambda: client.patch(f"/Groups/{group}", removal),
                          lambda: hands[(n + 1) % 2]("grant", user, group, "vpn"))
        assert answers[0].status == 200, answers[0].text
        assert answers[1] == "done" or answers[1].startswith("conflict"), answers[1]
        _, entry = pair.view().by_id(user)
        assert not [v for v in entry.get("kiopsPermission", ()) if v.startswith(group)], answers
        sound(pair, group, answers)
        client.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(200)


def test_grant_against_revoke_and_promotion(pair, hands):
    user = pair.user()["id"]
    group = company(pair, hands, user)
    first = pair.client(bridge=0)
    for n in range(ROUNDS):
        answers = at_once(lambda: hands[0]("grant", user, group, "vpn"), lambda: hands[1]("revoke", user, group, "vpn"),
                          lambda: first.patch(f"/Groups/{group}", ("add", MANAGERS, [{"value": user}])))
        assert set(answers[:2]) <= {"done", "nothing"} and answers[2].status == 200, answers
        sound(pair, group, answers)
        demote(first, group, user).expect(200)


@pytest.mark.cell("fault-54", "membership-patch")
@pytest.mark.cell("fault-54", "membership-delete")
def test_approve_against_reject(pair, hands):
    """fault 54: one of them has it, the other is told that it was decided."""
    group = company(pair, hands)
    won = set()
    for n in range(ROUNDS):
        user = pair.user()["id"]  # a push does not ask again for who was rejected
        assert hands[0]("request", user, group) == "done"
        answers = at_once(lambda: hands[n % 2]("approve", user, group), lambda: hands[(n + 1) % 2]("reject", user, group))
        assert sorted(a.split(" ")[0] for a in answers) == ["conflict", "done"], answers
        won.add(answers.index("done"))
        _, entry = pair.view().by_id(user)
        assert not [v for v in entry.get("kiopsRequest", ()) if v.startswith(group)]
        assert bool(dns(pair, [user], picture(pair)) & picture(pair).members(group)) == (answers[0] == "done"), answers
        sound(pair, group, answers)
    print(f"\nwon by approve and reject: {sorted(won)}")


def test_approve_against_remove_and_add(pair, hands):
    user = pair.user()["id"]
    group = company(pair, hands)
    first = pair.client(bridge=0)
    for _ in range(ROUNDS):
        hands[0]("request", user, group)
        answers = at_once(lambda: hands[1]("approve", user, group),
                          lambda: first.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])),
                          lambda: pair.client(bridge=1).patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]')))
        assert all(a.status in (200, 409, 503) for a in answers[1:]), answers[1:]
        sound(pair, group, answers)
        first.patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]')).expect(200)


def test_the_last_two_platform_admins_revoked_at_once(pair, hands):
    """KB-R16: one stays."""
    users = [pair.user()["id"] for _ in range(2)]
    ada, entry = next(iter(pair.view().find(site.PEOPLE, "(uid=ada)").items()))
    for user in users:
        assert hands[0]("make-admin", user, "-") == "done"
    for hand in hands:
        eventually(lambda hand=hand: all(hand("make-admin", u, "-") == "nothing" for u in users))
    assert hands[0]("unmake-admin", entry["entryUUID"][0], "-") == "done"
    try:
        for _ in range(ROUNDS):
            answers = at_once(lambda: hands[0]("unmake-admin", users[0], "-"), lambda: hands[1]("unmake-admin", users[1], "-"))
            assert sorted(a.split(" ")[0] for a in answers) == ["conflict", "done"], answers
            assert "KB-R16" in "".join(answers)
            assert len(pair.view().get(site.ADMINS)["member"]) == 2  # with the placeholder
            for user in users:
                assert hands[0]("make-admin", user, "-") in ("done", "nothing")
    finally:
        assert hands[0]("make-admin", entry["entryUUID"][0], "-") == "done"
        for user in users:
            hands[0]("unmake-admin", user, "-")
    assert ada in pair.view().get(site.ADMINS)["member"]
