"""The directory in trouble (faults.md): killed, slow, half-open, busy, unwilling; an answer that is lost. Each test
leaves the directory whole, so that they share one."""

import threading
import time

import pytest
from checker import Picture
from faults import DEADLINE_S, SHORT, TIMEOUT_S, audit_records, configure, kill, live, log_since, timed, unavailable
from kiopslab import site
from lab import FEED_DELAY, RETCODE, eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True, slapd=RETCODE, bridge={"directory": SHORT})
    yield made
    made.close()


@pytest.fixture
def proxy(ground):
    yield ground.proxy
    ground.proxy.latency, ground.proxy.refusing = 0.0, False
    ground.proxy.resume()


def picture(lab):
    return Picture(lab.slapd.uri, site.ROOT, lab.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)


def set_name(lab, user, name):
    return lab.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", name))


def name_of(lab, user):
    return lab.view().by_id(user["id"])[1].get("displayName", [None])[0]


def restart_slapd(lab):
    lab.slapd.process.start()


# ---- fault 1: killed after the request was sent, before the answer

def test_01_applied_and_unanswered_is_read_again_and_answered(ground, proxy):
    user = ground.user()
    trap = proxy.lose_answer("modify")
    assert set_name(ground, user, "Written").expect(200)["displayName"] == "Written"
    assert trap.sprung.is_set() and name_of(ground, user) == "Written"


def test_01_not_applied_is_never_called_a_success(ground, proxy):
    user = ground.user()
    trap = proxy.cut_request("modify")
    answer = set_name(ground, user, "Lost?")
    assert trap.sprung.is_set()
    # Read again and found not done, it may be made anew; else it is refused. What is said is what is there.
    assert answer.status in (200, 503), answer.text
    assert (name_of(ground, user) == "Lost?") == (answer.status == 200)


def test_01_killed_before_the_answer_and_unreadable_is_503(ground, proxy):
    user = ground.user()
    trap = proxy.lose_answer("modify", action=lambda: kill(ground.slapd.process))
    unavailable(lambda: set_name(ground, user, "Unknown"))
    assert trap.sprung.is_set()
    restart_slapd(ground)
    assert set_name(ground, user, "Unknown").expect(200)["displayName"] == "Unknown"
    live(ground)


@pytest.mark.parametrize("lost", ["lose_answer", "cut_request"])
def test_01_an_interrupted_member_change_is_finished_or_refused(ground, proxy, lost):
    keeper, user = ground.user()["id"], ground.user()["id"]
    group = ground.organization(managers=[keeper])["id"]
    for passing in range(2):
        getattr(proxy, lost)("modify", passing=passing)
        answer = ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(200, 503)
        now = picture(ground)
        there = user in {now.people[dn]["entryuuid"][0] for dn in now.members(group)}
        assert there or answer.status == 503
        assert there == any(m["value"] == user for m in ground.scim.get(f"/Groups/{group}")["members"])
        ground.scim.patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]')).expect(200)
    assert not list(picture(ground).findings(managed=[group]))


# ---- fault 2: killed in the middle of a change of several entries

def test_02_killed_in_the_middle_and_repeated_it_completes(ground, proxy):
    keeper, users = ground.user()["id"], [ground.user()["id"] for _ in range(3)]
    group = ground.organization(managers=[keeper])["id"]
    members = [{"value": user} for user in users]
    trap = proxy.cut_request("modify", passing=2, action=lambda: kill(ground.slapd.process))
    unavailable(lambda: ground.scim.patch(f"/Groups/{group}", ("add", "members", members)))
    assert trap.sprung.is_set()
    restart_slapd(ground)
    half = picture(ground)
    assert all(len(half.of(dn, attribute, group)) == 0 for dn in half.people
               for attribute in ("kiopsPermission",)), "authority that nobody gave"
    assert half.managers(group) == half.owners(group), "the Manager that counted counts still"
    live(ground)
    ground.scim.patch(f"/Groups/{group}", ("add", "members", members)).expect(200)
    whole = picture(ground)
    assert {whole.people[dn]["entryuuid"][0] for dn in whole.members(group)} == {keeper, *users}
    assert not list(whole.findings(managed=[group]))
    halves = [r for r in audit_records(ground.bridge) if r.get("organization") == group and r["change"] == "add"]
    assert len(halves) >= 2 * len(users), "the audit shows the half and the whole"


def test_02_a_notice_of_disconnection_is_a_lost_connection(new_lab):
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    user = lab.user()
    lab.proxy.dismiss()
    assert set_name(lab, user, "Idle").expect(200)["displayName"] == "Idle"
    live(lab)
    trap = lab.proxy.cut_request("modify", action=lab.proxy.dismiss)
    set_name(lab, user, "Waiting").expect(200, 503)
    assert trap.sprung.is_set()
    live(lab)
    assert set_name(lab, user, "After").expect(200)["displayName"] == "After"


# ---- fault 4: slow

def test_04_slow_but_in_time_is_served(ground, proxy):
    user = ground.user()
    proxy.latency = 0.2 * TIMEOUT_S
    assert set_name(ground, user, "Slowly").expect(200)["displayName"] == "Slowly"


@pytest.mark.line("A27")
def test_04_slower_than_the_deadline_is_503_in_time(ground, proxy):
    user = ground.user()
    proxy.latency = 30
    answer, seconds = timed(lambda: set_name(ground, user, "Too slowly"))
    answer.expect(503)
    assert 0.9 * TIMEOUT_S < seconds < 1.1 * TIMEOUT_S + 0.2, seconds
    proxy.latency = 0
    proxy.reset()
    live(ground)


def test_04_reads_go_on_and_a_full_queue_refuses_at_once(new_lab):
    """Others are not held up: reads are answered from memory, and who finds the queue full hears it at once."""
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    lab.bridge.process.stop()
    configure(lab.bridge, "server = {", "server = { writers = 2; write_queue = 4;")
    lab.bridge.process.start()
    users = [lab.user()["id"] for _ in range(12)]
    lab.proxy.stall()
    taken = []

    def write(user):
        taken.append(timed(lambda: lab.scim.patch(f"/Users/{user}", ("replace", "displayName", "x"))))

    threads = [threading.Thread(target=write, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    answer, seconds = timed(lambda: lab.scim.get(f"/Users/{users[0]}"))
    answer.expect(200)
    assert seconds < 0.5 * TIMEOUT_S
    for thread in threads:
        thread.join()
    assert all(a.status == 503 and a.headers["Retry-After"] for a, _ in taken)
    at_once = [s for a, s in taken if "waiting" in a["detail"]]
    assert len(at_once) >= len(users) - 4 - 1 and max(at_once) < 0.9 * TIMEOUT_S, sorted(s for _, s in taken)
    lab.proxy.resume()
    set_name(lab, {"id": users[0]}, "After").expect(200)


def test_04_a_queue_behind_a_hanging_directory_has_a_deadline_too(ground, proxy):
    live(ground)
    users = [ground.user() for _ in range(32)]
    proxy.stall()
    taken = []
    threads = [threading.Thread(target=lambda u=u: taken.append(timed(lambda: set_name(ground, u, "Queued")))) for u in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.status for a, _ in taken] == [503] * len(users)
    # connect_timeout_ms and twice operation_timeout_ms, and what a request that begins just before takes itself.
    assert max(s for _, s in taken) < 1.1 * (3 + 1) * TIMEOUT_S, sorted(s for _, s in taken)[-3:]
    proxy.resume()
    live(ground)


# ---- fault 5: half-open

def test_05_a_half_open_connection_costs_an_error_and_no_write(ground, proxy):
    user, keeper = ground.user(), ground.user()["id"]
    group = ground.organization(managers=[keeper])["id"]
    proxy.stall()
    unavailable(lambda: set_name(ground, user, "Half-open"))
    unavailable(lambda: ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": user["id"]}])))
    unavailable(lambda: ground.scim.get("/Users", filter='userName eq "never there"'))
    ground.scim.get(f"/Users/{user['id']}").expect(200)
    proxy.resume()
    set_name(ground, user, "Whole again").expect(200)
    assert name_of(ground, user) == "Whole again"
    ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": user["id"]}])).expect(200)
    assert not list(picture(ground).findings(managed=[group]))
    live(ground)


# ---- fault 9: idle connections closed by the server

def test_09_idle_connections_that_were_closed_are_replaced_unseen(ground, proxy):
    user = ground.user()
    for _ in range(3):
        proxy.reset()
        ground.scim.get("/Users", filter='userName eq "nobody at all"').expect(200)
        assert set_name(ground, user, f"Idle {ground.number()}").status == 200
    live(ground)


def test_09_by_idletimeout_of_the_server(ground, proxy):
    user, view = ground.user(), ground.view(dn="cn=config")
    view.modify("cn=config", ("replace", "olcIdleTimeout", "1"))
    try:
        set_name(ground, user, "Before").expect(200)
        before = len(proxy.pairs)
        eventually(lambda: sum(s.fileno() == -1 for pair in proxy.pairs[:before] for s in pair) > 0, within=10)
        for n in range(3):
            set_name(ground, user, f"After {n}").expect(200)
    finally:
        ground.view(dn="cn=config").modify("cn=config", ("replace", "olcIdleTimeout", "0"))
    live(ground)


# ---- faults 10 and 11: busy, unavailable, unwilling

def answers_with(lab, code, operation, user):
    dn, _ = lab.view().by_id(user["id"])
    lab.view().modify(dn, ("add", "objectClass", "errAuxObject"), ("add", "errCode", str(code)),
                      ("add", "errOp", operation), ("add", "errText", "the server's own words"))
    return dn


@pytest.mark.parametrize("code", [51, 52])
@pytest.mark.line(81, 208, "A27")
def test_10_busy_and_unavailable_are_503(ground, proxy, code):
    user = ground.user()
    dn = answers_with(ground, code, "modify", user)
    size, sent = len(ground.bridge.process.log_text()), proxy.seen.count("modify")
    answer = unavailable(lambda: set_name(ground, user, "Busy"))
    assert "own words" not in answer["detail"]
    assert "own words" in log_since(ground.bridge, size), "the server's text belongs into the log"
    assert proxy.seen.count("modify") == sent + 1, "a write is not repeated by itself"
    assert ground.view().get(dn).get("displayName") is None


@pytest.mark.parametrize("what", ["user", "group", "join", "permission", "delete"])
def test_10_a_server_that_fails_inside_is_503_and_no_race(ground, proxy, what):
    """Result 80: what became of it is looked up, and it is tried again; not for ever."""
    user = ground.user()
    group = ground.organization([user["id"]] if what == "permission" else [])
    person, there = f"/Users/{user['id']}", f"/Groups/{group['id']}"
    call, code_of = {
        "user": (lambda: set_name(ground, user, "Inside"), user),
        "group": (lambda: ground.scim.patch(there, ("replace", "externalId", "inside")), group),
        "join": (lambda: ground.scim.patch(there, ("add", "members", [{"value": user["id"]}])), user),
        "permission": (lambda: ground.scim.patch(f"/Memberships/{group['id']}.{user['id']}", ("add", "permissions", ["vpn"])), user),
        "delete": (lambda: ground.scim.delete(person), user),
    }[what]
    answers_with(ground, 80, "delete" if what == "delete" else "modify", code_of)
    answer = unavailable(call, within=10)
    assert "own words" not in answer["detail"] and "kept changing meanwhile" not in answer["detail"]


@pytest.mark.line("A27")
def test_10_searches_that_are_refused_are_no_absence(ground, proxy):
    """What the server does not let the bridge look for is 503: never 404, never an empty list."""
    user = ground.user()
    ground.reconfigure(("add", "olcRestrict", "search"))
    try:
        ground.scim.get(f"/Users/{user['id']}").expect(200)
        unavailable(lambda: ground.scim.get("/Users", filter='userName eq "nobody"'))
        unavailable(lambda: ground.scim.get("/Users/00000000-0000-4000-8000-000000000000"))
        unavailable(lambda: set_name(ground, user, "Unread"))
    finally:
        ground.reconfigure(("delete", "olcRestrict", "search"))
    set_name(ground, user, "Read").expect(200)
    live(ground)


@pytest.mark.line(208)
def test_11_unwilling_is_503_without_a_second_try(ground, proxy):
    user = ground.user()
    answers_with(ground, 53, "modify", user)
    size, sent = len(ground.bridge.process.log_text()), proxy.seen.count("modify")
    answer = unavailable(lambda: set_name(ground, user, "Unwilling"))
    assert "own words" not in answer["detail"] and "own words" in log_since(ground.bridge, size)
    assert proxy.seen.count("modify") == sent + 1


@pytest.mark.line("A27")
def test_11_a_read_only_database_refuses_every_write(ground, proxy):
    user, keeper = ground.user(), ground.user()["id"]
    group = ground.organization(managers=[keeper])["id"]
    ground.reconfigure(("replace", "olcReadOnly", "TRUE"))
    try:
        unavailable(lambda: set_name(ground, user, "Read-only"))
        unavailable(lambda: ground.scim.post("/Users", {"schemas": [USER], "userName": "readonly"}))
        unavailable(lambda: ground.scim.delete(f"/Users/{user['id']}"))
        unavailable(lambda: ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": user["id"]}])))
        ground.scim.get(f"/Users/{user['id']}").expect(200)
    finally:
        ground.reconfigure(("replace", "olcReadOnly", "FALSE"))
    ground.scim.delete(f"/Users/{user['id']}").expect(204)
    assert not list(picture(ground).findings(managed=[group]))


@pytest.mark.parametrize("passing", range(4))
def test_01_a_deletion_that_came_late_is_done_wherever_it_is_looked_at(ground, proxy, passing):
    user = ground.user()["id"]
    dn, _ = ground.view().by_id(user)
    late = [proxy.cut_request("delete", action=lambda: late.append(
        proxy.before_request("search", passing=passing, action=lambda: ground.view().delete(dn))))]
    ground.scim.delete(f"/Users/{user}").expect(204)
    assert late[0].sprung.is_set() and not ground.view().get(dn)


# ---- fault 25: the answer of an add is lost

def test_25_a_lost_answer_of_an_add_is_found_by_its_marker(ground, proxy):
    body = {"schemas": [USER], "userName": "marked", "displayName": "First"}
    trap = proxy.lose_answer("add")
    created = ground.scim.post("/Users", body).expect(201).json
    assert trap.sprung.is_set()
    ground.scim.post("/Users", {**body, "displayName": "Second"}).expect(409)
    assert ground.view().get(site.user_dn("marked"))["displayName"] == ["First"]
    ground.scim.get(f"/Users/{created['id']}").expect(200)


def test_25_an_add_that_another_client_made_first_is_409(ground, proxy):
    def foreign():
        ground.view().add(site.user_dn("foreign"), objectClass=["inetOrgPerson", "kiopsUser"], uid="foreign",
                          cn="foreign", sn="foreign")
    trap = proxy.cut_request("add", action=foreign)
    ground.scim.post("/Users", {"schemas": [USER], "userName": "foreign"}).expect(409)
    assert trap.sprung.is_set() and "displayName" not in ground.view().get(site.user_dn("foreign"))


def test_25_an_add_that_never_arrived_is_503_or_made(ground, proxy):
    proxy.cut_request("add")
    answer = ground.scim.post("/Users", {"schemas": [USER], "userName": "unmade"}).expect(201, 503)
    assert (ground.view().get(site.user_dn("unmade")) is not None) == (answer.status == 201)


def test_25_the_same_for_an_organization(ground, proxy):
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Marked"}
    trap = proxy.lose_answer("add")
    ground.scim.post("/Groups", body).expect(201)
    assert trap.sprung.is_set()
    ground.scim.post("/Groups", body).expect(409)


# ---- direct edits ("done when" f)

def test_a_direct_edit_shows_at_once(ground, proxy):
    user, view = ground.user(), ground.view()
    dn, _ = view.by_id(user["id"])
    taken = []
    for n in range(15):
        started = time.monotonic()
        view.modify(dn, ("replace", "displayName", f"Direct {n}"))
        eventually(lambda n=n: ground.scim.get(f"/Users/{user['id']}").json.get("displayName") == f"Direct {n}", 1.0 + FEED_DELAY)
        taken.append(time.monotonic() - started)
    print(f"\na direct edit shows after {1000 * sorted(taken)[len(taken) // 2]:.0f} ms (median), "
          f"{1000 * max(taken):.0f} ms (slowest)")


# ---- "done when" h: stopped

def test_h_with_the_directory_stopped(ground, proxy):
    user, keeper = ground.user(), ground.user()["id"]
    group = ground.organization(managers=[keeper])
    live(ground)
    ground.slapd.process.stop()
    try:
        stopped_reads(ground, user, group)
        stopped_writes(ground, user, group)
    finally:
        restart_slapd(ground)
    set_name(ground, user, "First write after").expect(200)
    ground.scim.patch(f"/Groups/{group['id']}", ("add", "members", [{"value": user["id"]}])).expect(200)
    assert not list(picture(ground).findings(managed=[group["id"]]))
    live(ground)


def stopped_reads(lab, user, group):
    quickly = 0.5 * TIMEOUT_S
    for path in (f"/Users/{user['id']}", f"/Groups/{group['id']}"):
        answer, seconds = timed(lambda path=path: lab.scim.get(path))
        assert answer.expect(200)["id"] and seconds < quickly
    for query in ({}, {"filter": f'userName eq "{user["userName"]}"'}, {"filter": 'userName sw "fresh"'},
                  {"count": 1}, {"sortBy": "userName"}):
        answer, seconds = timed(lambda query=query: lab.scim.get("/Users", **query))
        assert answer.expect(200)["totalResults"] > 0 and seconds < quickly, query
    assert lab.scim.get("/Groups").expect(200)["totalResults"] > 0
    stranger = "00000000-0000-4000-8000-000000000000"
    unavailable(lambda: lab.scim.get("/Users", filter='userName eq "unheard of"'))
    unavailable(lambda: lab.scim.get("/Users", filter='externalId eq "unheard of"'))
    unavailable(lambda: lab.scim.get("/Groups", filter='displayName eq "unheard of"'))
    unavailable(lambda: lab.scim.get(f"/Users/{stranger}"))
    unavailable(lambda: lab.scim.get(f"/Groups/{stranger}"))


def stopped_writes(lab, user, group):
    from scim import GROUP, KIOPS_ORGANIZATION
    person, organization = f"/Users/{user['id']}", f"/Groups/{group['id']}"
    managers = f"{KIOPS_ORGANIZATION}:managers"
    scim = lab.scim
    for call in (
            lambda: scim.post("/Users", {"schemas": [USER], "userName": "while stopped"}),
            lambda: scim.put(person, {"schemas": [USER], "userName": user["userName"], "displayName": "p"}),
            lambda: scim.patch(person, ("replace", "displayName", "x")),
            lambda: scim.patch(person, ("replace", "active", False)),
            lambda: scim.delete(person),
            lambda: scim.post("/Groups", {"schemas": [GROUP], "displayName": "While stopped"}),
            lambda: scim.put(organization, {"schemas": [GROUP], "displayName": "Renamed"}),
            lambda: scim.patch(organization, ("add", "members", [{"value": user["id"]}])),
            lambda: scim.patch(organization, ("remove", f'members[value eq "{user["id"]}"]')),
            lambda: scim.patch(organization, ("add", managers, [{"value": user["id"]}])),
            lambda: scim.delete(organization),
            lambda: scim.delete("/Users/00000000-0000-4000-8000-000000000000")):
        unavailable(call, within=DEADLINE_S)
