"""Group requests at their edges: order of operations, stale memory, lost answers, and what is refused before anything
is written."""

import pytest
from checker import Picture
from kiopslab import site
from lab import Lab, eventually
from scim import GROUP, KIOPS_ORGANIZATION

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
LATE = 4.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    two = Lab(tmp_path_factory.mktemp("review"), bridges=2, proxied=True)
    yield two
    two.close()


@pytest.fixture(autouse=True)
def calm(pair):
    yield
    pair.proxy.feed_lag = 0.0
    for traps in pair.proxy.traps.values():
        traps.clear()


@pytest.fixture
def second(pair):
    return pair.client(bridge=1)


def value(user):
    return [{"value": user}]


def one(user):
    return f'members[value eq "{user}"]'


def picture(lab):
    return Picture(lab.slapd.uri, site.ROOT, lab.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)


def sound(lab, group):
    now = picture(lab)
    assert not [f for f in now.findings(managed=[group]) if group in f]
    return now


def known(lab, client, *paths):
    """The other bridge shows the same of them, also when an earlier test made its feed late."""
    for path in paths:
        eventually(lambda path=path: client.get(path).etag == lab.scim.get(path).expect(200).etag, within=3 * LATE)


def team(lab, members=0):
    """An organization with a Manager and members: (id, Manager, members)."""
    keeper, users = lab.user()["id"], [lab.user()["id"] for _ in range(members)]
    return lab.organization(managers=[keeper], members=users)["id"], keeper, users


def dn(lab, user):
    return lab.view().by_id(user)[0]


# ---- one PATCH, in its order

def test_promoted_and_then_removed_in_one_request_is_out(pair):
    group, _, (user,) = team(pair, 1)
    pair.scim.patch(f"/Groups/{group}", ("add", MANAGERS, value(user)), ("remove", one(user))).expect(200)
    assert dn(pair, user) not in pair.view().members(group)
    sound(pair, group)


def test_removed_and_then_promoted_in_one_request_is_a_manager(pair):
    group, _, (user,) = team(pair, 1)
    pair.scim.patch(f"/Groups/{group}", ("remove", one(user)), ("add", MANAGERS, value(user))).expect(200)
    assert dn(pair, user).lower() in sound(pair, group).managers(group)


def test_a_demotion_beside_a_filter_leaves_the_membership_that_memory_does_not_know(pair, second):
    """P3: only what was named goes. The second bridge has not heard that the user joined."""
    group, _, (other,) = team(pair, 1)
    user = pair.user()["id"]
    known(pair, second, f"/Groups/{group}", f"/Users/{user}")
    pair.proxy.feed_lag = LATE
    pair.scim.patch(f"/Groups/{group}", ("add", MANAGERS, value(user))).expect(200)
    second.patch(f"/Groups/{group}", ("remove", f'{MANAGERS}[value eq "{user}"]'),
                 ("remove", 'members[display eq "nobody of this name"]')).expect(200)
    assert dn(pair, user) in pair.view().members(group)
    assert dn(pair, other) in pair.view().members(group)
    sound(pair, group)


def test_who_is_named_is_removed_also_when_memory_does_not_know_them(pair, second):
    group, _, _ = team(pair)
    known(pair, second, f"/Groups/{group}")
    pair.proxy.feed_lag = LATE
    user = pair.user()["id"]
    pair.scim.patch(f"/Groups/{group}", ("add", "members", value(user))).expect(200)
    second.patch(f"/Groups/{group}", ("remove", one(user))).expect(200)
    assert dn(pair, user) not in pair.view().members(group)
    sound(pair, group)


# ---- who may ask is settled first

def test_a_member_token_is_refused_also_when_nothing_would_change(pair):
    group, _, (user,) = team(pair, 1)
    token = pair.client(pair.new_token(f"member{group}", "Member", "--organization", group))
    eventually(lambda: token.get(f"/Groups/{group}").status == 200)
    body = token.get(f"/Groups/{group}").json
    nobody = "00000000-0000-4000-8000-000000000000"
    assert token.patch(f"/Groups/{group}", ("remove", one(nobody))).expect(403).rule == "KB-R09"
    assert token.put(f"/Groups/{group}", body).expect(403).rule == "KB-R09"
    token.patch(f"/Groups/{group}", ("add", "members", value(user))).expect(403)


def test_a_manager_token_learns_nothing_of_another_organization(pair):
    own, foreign = team(pair)[0], team(pair, 30)[0]
    token = pair.client(pair.new_token(f"manager{own}", "Manager", "--organization", own))
    eventually(lambda: token.get(f"/Groups/{own}").status == 200)
    unknown = "00000000-0000-4000-8000-000000000000"
    for path in (foreign, unknown):
        for answer in (token.put(f"/Groups/{path}", {"schemas": [GROUP], "displayName": "x", "members": []}),
                       token.patch(f"/Groups/{path}", ("remove", "members")),
                       token.patch(f"/Groups/{path}", ("add", "members", value(unknown))),
                       token.patch(f"/Groups/{path}", ("add", "members", value(foreign)))):
            answer.expect(404)
            assert answer.rule is None and "members" not in answer["detail"]


def test_a_token_that_asks_makes_no_organization_with_managers(pair):
    """KB-R20, KB-R10: who only asks cannot promote; that is known before the organization is made."""
    user = pair.user()["id"]
    token = pair.client(pair.new_token("asks", "PlatformAdmin", "--push-mode", "request"))
    eventually(lambda: token.get("/Users", count=1).status == 200)
    body = {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": "Asked for",
            KIOPS_ORGANIZATION: {"managers": value(user)}}
    token.post("/Groups", body).expect(409)
    assert pair.view().get(site.organization_dn("Asked for")) is None


def test_a_token_that_asks_makes_requests(pair):
    group, _, _ = team(pair)
    user = pair.user()["id"]
    token = pair.client(pair.new_token("asks2", "PlatformAdmin", "--push-mode", "request"))
    eventually(lambda: token.get("/Users", count=1).status == 200)
    for _ in range(2):  # the second time it waits already: a success without change
        token.patch(f"/Groups/{group}", ("add", "members", value(user))).expect(200)
    _, entry = pair.view().by_id(user)
    assert [v.split(":")[0] for v in entry["kiopsRequest"]] == [group]
    assert dn(pair, user) not in pair.view().members(group)


# ---- a name that is taken

def test_a_taken_name_removes_nobody(pair):
    group, _, (user,) = team(pair, 1)
    taken = pair.organization()["displayName"]
    pair.scim.patch(f"/Groups/{group}", ("remove", one(user)), ("replace", "displayName", taken)).expect(409)
    assert dn(pair, user) in pair.view().members(group)
    sound(pair, group)


def test_every_intent_has_its_outcome(pair):
    """Also those of a request that ended before they were begun."""
    group, _, (user,) = team(pair, 1)
    other = pair.user()["id"]
    path = f"/Groups/{group}"

    def taken():
        pair.view().add(site.organization_dn(f"Taken {group}"), objectClass=["groupOfNames", "kiopsOrganization"],
                        cn=f"Taken {group}", member=site.PLACEHOLDER)

    pair.proxy.before_request("rename", action=taken)
    pair.scim.patch(path, ("remove", one(user)), ("replace", "displayName", f"Taken {group}"),
                    ("add", "members", value(other))).expect(409)
    assert "0 intents without outcome" in pair.bridge.cli("audit", "verify", str(pair.bridge.home / "audit/audit-serve.jsonl"))


def test_a_name_that_only_memory_holds_is_free(pair, second):
    """Every refusal by state is asked of the directory."""
    gone = pair.organization()
    known(pair, second, f"/Groups/{gone['id']}")
    pair.proxy.feed_lag = LATE
    pair.scim.delete(f"/Groups/{gone['id']}").expect(204)
    second.post("/Groups", {"schemas": [GROUP], "displayName": gone["displayName"]}).expect(201)


# ---- stale memory and versions

def test_a_version_from_the_other_bridge_is_known(pair, second):
    group, _, _ = team(pair)
    known(pair, second, f"/Groups/{group}")
    old = second.get(f"/Groups/{group}").etag
    pair.proxy.feed_lag = LATE
    new = pair.scim.patch(f"/Groups/{group}", ("replace", f"{KIOPS_ORGANIZATION}:description", "newer")).expect(200).etag
    assert old != new
    members = ("add", "members", value(pair.user()["id"]))
    second.patch(f"/Groups/{group}", members, headers={"If-Match": old}).expect(412)
    second.patch(f"/Groups/{group}", members, headers={"If-Match": new}).expect(200)


def test_the_last_active_manager_stays_also_when_memory_thinks_otherwise(pair, second):
    """Y is looked at in the directory: it was deactivated a moment ago through the other bridge."""
    users = [pair.user()["id"] for _ in range(2)]
    group = pair.organization(managers=users)["id"]
    known(pair, second, f"/Groups/{group}")
    for how in (f'{MANAGERS}[value eq "{users[0]}"]', one(users[0])):
        pair.proxy.feed_lag = LATE
        pair.scim.patch(f"/Users/{users[1]}", ("replace", "active", False)).expect(200)
        assert second.patch(f"/Groups/{group}", ("remove", how)).expect(409).rule == "KB-R07"
        pair.proxy.feed_lag = 0.0
        pair.scim.patch(f"/Users/{users[1]}", ("replace", "active", True)).expect(200)
        eventually(lambda: second.get(f"/Users/{users[1]}")["active"] is True, within=2 * LATE)
    sound(pair, group)


# ---- lost answers and lost races

def test_renaming_with_a_lost_answer_is_answered(pair):
    group = pair.organization()
    trap = pair.proxy.lose_answer("rename")
    name = f"Renamed {pair.number()}"
    answer = pair.scim.patch(f"/Groups/{group['id']}", ("replace", "displayName", name)).expect(200)
    assert trap.sprung.is_set() and answer["displayName"] == name
    assert site.organization_dn(name) == dn(pair, group["id"])


def test_own_attributes_of_two_requests_at_once_are_both_there(pair):
    """Lost the race: read again, decided again; not the client's trouble."""
    group, _, _ = team(pair)
    path = f"/Groups/{group}"
    pair.scim.patch(path, ("replace", f"{KIOPS_ORGANIZATION}:description", "first")).expect(200)

    _, entry = pair.view().by_id(group)
    told = entry["kiopsResource"][0]

    def other():
        pair.view().modify(dn(pair, group), ("replace", "kiopsJoinPolicy", "open"), ("delete", "kiopsResource", told),
                           ("add", "kiopsResource", told.replace("closed", "open") + " "))

    trap = pair.proxy.before_request("modify", action=other)
    pair.scim.patch(path, ("replace", f"{KIOPS_ORGANIZATION}:description", "second")).expect(200)
    assert trap.sprung.is_set()
    shown = pair.scim.get(path)[KIOPS_ORGANIZATION]
    assert (shown["description"], shown["joinPolicy"]) == ("second", "open")


def test_many_added_at_once_take_nothing_from_who_joined_meanwhile(pair):
    """A join that finds the person joined already changes nothing, also as one of many."""
    group, _, _ = team(pair)
    users = [pair.user()["id"] for _ in range(3)]
    view = pair.view()
    stamp = f"{group}:20260101000000Z.0badcafe"

    def joined():
        view.modify(dn(pair, users[0]), ("add", "kiopsJoined", stamp), ("add", "kiopsPermission", f"{group}:vpn"))
        view.modify(dn(pair, group), ("add", "member", dn(pair, users[0])))

    trap = pair.proxy.before_request("modify", action=joined)
    pair.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": u} for u in users])).expect(200)
    assert trap.sprung.is_set()
    _, entry = view.by_id(users[0])
    assert entry["kiopsPermission"] == [f"{group}:vpn"] and entry["kiopsJoined"] == [stamp]
    assert {dn(pair, u) for u in users} <= view.members(group)
    sound(pair, group)


def test_demoting_with_a_lost_answer_takes_both_sides(pair):
    users = [pair.user()["id"] for _ in range(2)]
    group = pair.organization(managers=users)["id"]
    trap = pair.proxy.lose_answer("modify")
    pair.scim.patch(f"/Groups/{group}", ("remove", f'{MANAGERS}[value eq "{users[0]}"]')).expect(200)
    assert trap.sprung.is_set()
    _, entry = pair.view().by_id(users[0])
    assert "kiopsManager" not in entry
    sound(pair, group)


@pytest.mark.line("A26")
def test_joining_an_organization_that_is_renamed_meanwhile(pair):
    group, _, _ = team(pair)
    user, view = pair.user()["id"], pair.view()
    old = dn(pair, group)

    def renamed():
        view.link.rename_s(old, f"cn=Moved {group}")

    trap = pair.proxy.before_request("modify", passing=1, action=renamed)
    pair.scim.patch(f"/Groups/{group}", ("add", "members", value(user))).expect(200)
    assert trap.sprung.is_set()
    assert dn(pair, user) in view.members(group)
    sound(pair, group)


@pytest.mark.parametrize("passing", [0, 1])
def test_removing_a_manager_of_an_organization_that_is_renamed_meanwhile(pair, passing):
    users = [pair.user()["id"] for _ in range(2)]
    group = pair.organization(managers=users)["id"]
    view = pair.view()
    view.modify(dn(pair, users[0]), ("add", "kiopsPermission", f"{group}:vpn"))
    eventually(lambda: "permissions" in str(pair.scim.get(f"/Users/{users[0]}").json))
    old = dn(pair, group)

    def renamed():
        view.link.rename_s(old, f"cn=Moved {group}")

    trap = pair.proxy.before_request("modify", passing=passing, action=renamed)
    pair.scim.patch(f"/Groups/{group}", ("remove", one(users[0]))).expect(200)
    assert trap.sprung.is_set()
    assert dn(pair, users[0]) not in view.members(group)
    sound(pair, group)


def test_deleting_an_organization_that_is_renamed_meanwhile(pair):
    group, _, _ = team(pair, 2)
    old, view = dn(pair, group), pair.view()
    trap = pair.proxy.before_request("delete", action=lambda: view.link.rename_s(old, f"cn=Moved {group}"))
    pair.scim.delete(f"/Groups/{group}").expect(204)
    assert trap.sprung.is_set() and view.by_id(group) is None


def test_a_request_that_ends_half_way_says_what_was_done(pair):
    """DESIGN 3.3: a later step lost a race; the error says what was done."""
    users = [pair.user()["id"] for _ in range(2)]
    member = pair.user()["id"]
    group = pair.organization(managers=users, members=[member])["id"]
    view = pair.view()

    def resigns():
        view.modify(dn(pair, group), ("delete", "owner", dn(pair, users[1])))
        view.modify(dn(pair, users[1]), ("delete", "kiopsManager", group))

    trap = pair.proxy.before_request("modify", passing=2, action=resigns)
    answer = pair.scim.patch(f"/Groups/{group}", ("remove", one(member)), ("remove", one(users[0]))).expect(409)
    assert trap.sprung.is_set() and answer.rule == "KB-R07"
    assert "1 of 2 changes" in answer["detail"]
    assert dn(pair, member) not in view.members(group) and dn(pair, users[0]) in view.members(group)
