"""POST /Bulk (RFC 7644 3.7): part P of tests/conformance/checklist.md. What a request did is read from slapd."""

import json
import socket
import uuid

import pytest
from checklist import lines
from faults import SHORT, configure, kill, live
from kiopslab import site
from lab import eventually
from scim import ENTERPRISE, GROUP, PATCH, REFUSAL, USER
from tenant import Tenant
from test_races import at_once
from test_scim_transport import ERROR, is_error

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A bridge with low limits for bulks."""
    from lab import Lab
    one = Lab(tmp_path_factory.mktemp("lab"), bridge={"limits": "bulk_operations = 3; bulk_kb = 2;"})
    yield one
    one.close()


def bulk(operations, **more):
    return {"schemas": [REQUEST], "Operations": operations, **more}


def send(scim, *operations, **more):
    """The operations of the answer."""
    answer = scim.post("/Bulk", bulk(list(operations), **more)).expect(200)
    assert set(answer.json) == {"schemas", "Operations"} and answer["schemas"] == [RESPONSE]
    return answer["Operations"]


def user(bulk_id, name, **more):
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"schemas": [USER], "userName": name, **more}}


def group(bulk_id, name, *members, **more):
    data = {"schemas": [GROUP], "displayName": name, "members": [{"value": m} for m in members], **more}
    return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data}


def patch(path, *operations, **more):
    return {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": list(operations)}, **more}


def add_members(*ids):
    return {"op": "add", "path": "members", "value": [{"value": i} for i in ids]}


def id_of(operation):
    return operation["location"].rsplit("/", 1)[1]


def statuses(answers):
    return [a["status"] for a in answers]


def failed(operation, status, scim_type=None):
    """Line 198: the whole Error, and the status as a plain string."""
    error = operation["response"]
    assert operation["status"] == error["status"] == str(status) and ERROR in error["schemas"] and error["detail"]
    assert error.get("scimType") == scim_type, error
    return error


def manager(reference):
    return {ENTERPRISE: {"manager": {"value": reference}}}


def manager_of(ground, user_id):
    return ground.scim.get(f"/Users/{user_id}").json.get(ENTERPRISE, {}).get("manager", {}).get("value")


# ---- 192, 198, 203: the answer


@pytest.mark.line(192, 203)
def test_all_methods_in_request_order(ground):
    kim, lee, team = ground.hire(), ground.hire(), ground.name("Team ")
    name = ground.name()
    answers = send(
        ground.scim, user("u1", name, password="S3cret-of-mine", displayName="One"),
        group("g1", team, kim),
        {"method": "PUT", "path": f"/Users/{kim}", "data": {"schemas": [USER], "userName": ground.entry(kim)["uid"][0], "title": "T"}},
        patch(f"/Users/{lee}", {"op": "replace", "path": "nickName", "value": "L"}, bulkId="mine"),
        {"method": "DELETE", "path": f"/Users/{lee}"})
    assert statuses(answers) == ["201", "201", "200", "200", "204"]
    assert [a["method"] for a in answers] == ["POST", "POST", "PUT", "PATCH", "DELETE"]
    assert [a.get("bulkId") for a in answers] == ["u1", "g1", None, "mine", None]
    assert [a["location"].removeprefix(ground.scim.url).split("/")[1] for a in answers] == ["Users", "Groups", "Users", "Users", "Users"]
    assert answers[0]["version"] == ground.scim.get(f"/Users/{id_of(answers[0])}").etag
    assert answers[2]["version"] == ground.scim.get(f"/Users/{kim}").etag
    assert "S3cret" not in json.dumps(answers) and all("response" not in a for a in answers)
    assert ground.entry(id_of(answers[0]))["displayName"] == ["One"] and ground.members(id_of(answers[1])) == {kim}
    assert ground.entry(kim)["title"] == ["T"] and ground.entry(lee) is None
    ground.lab.view(ground.dn(id_of(answers[0])), "S3cret-of-mine")


@pytest.mark.line(198)
def test_errors_are_whole_and_say_where(ground):
    kim, name = ground.hire(), ground.name()
    taken = ground.entry(kim)["uid"][0]
    answers = send(ground.scim, user("a", taken), user("b", name),
                   patch(f"/Users/{kim}", {"op": "replace", "path": "nosuch", "value": 1}),
                   {"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"}, {"method": "DELETE", "path": f"/Groups/{uuid.uuid4()}"})
    failed(answers[0], 409, "uniqueness")
    assert "location" not in answers[0] and answers[0]["bulkId"] == "a"
    assert answers[1]["status"] == "201" and ground.entry(id_of(answers[1]))
    failed(answers[2], 400, "invalidPath")
    assert answers[2]["location"] == f"{ground.scim.url}/Users/{kim}"
    failed(answers[3], 404)
    failed(answers[4], 404)
    assert "/Groups/" in answers[4]["location"]


def test_an_unknown_id_is_404_before_its_body_is_judged(ground):
    failed(send(ground.scim, patch(f"/Users/{uuid.uuid4()}", {"op": "none"}))[0], 404)


@pytest.mark.line("A22")
def test_every_operation_is_judged_by_the_rules(lab, ground):
    kim = ground.hire()
    other = lab.organization()["id"]
    mine = lab.organization()["id"]
    limited = lab.client(lab.new_token(f"bulk-manager-{lab.number()}", "Manager", "--organization", mine))
    answers = send(limited, user("a", ground.name()), patch(f"/Groups/{mine}", add_members(kim)),
                   patch(f"/Groups/{other}", add_members(kim)), {"method": "DELETE", "path": f"/Users/{kim}"})
    alone = [limited.post("/Users", {"schemas": [USER], "userName": ground.name()}),
             limited.patch(f"/Groups/{mine}", add_members(kim)), limited.patch(f"/Groups/{other}", add_members(kim)),
             limited.delete(f"/Users/{kim}")]
    assert statuses(answers) == [str(a.status) for a in alone]
    assert [a.get("response", {}).get(REFUSAL, {}).get("rule") for a in answers] == [
        a.rule if a.status >= 400 else None for a in alone]
    assert {"200", "403", "404"} >= set(statuses(answers)) and ground.members(other) == set() and ground.entry(kim)


def test_a_token_that_reads_is_refused_each_operation(lab, ground):
    reader = lab.client(lab.new_token(f"bulk-reader-{lab.number()}", "PlatformAdmin", "--access", "read"))
    kim, name = ground.hire(), ground.name()
    answers = send(reader, user("a", name), {"method": "DELETE", "path": f"/Users/{kim}"})
    for answer in answers:
        assert failed(answer, 403)[REFUSAL]["rule"] == "KB-R09"
    assert ground.entry(kim) and ground.scim.find("Users", f'userName eq "{name}"') == []


# ---- 193, 200: operations that cannot be

KNOWN = "/Users/2819c223-7f76-453a-919d-413861904646"
WRONG = lines(
    (193, {"method": "POST", "path": "/Users", "data": {"userName": "x"}}, "invalidValue"),
    (193, {"method": "POST", "path": "/Users", "bulkId": "", "data": {"userName": "x"}}, "invalidValue"),
    (193, {"method": "POST", "path": "/Users", "bulkId": 1, "data": {"userName": "x"}}, "invalidValue"),
    (200, {"method": "GET", "path": KNOWN}, "invalidValue"), (200, {"method": "OPTIONS", "path": "/Users"}, "invalidValue"),
    (200, {"path": "/Users", "bulkId": "a", "data": {}}, "invalidValue"),
    (200, {"method": 1, "path": "/Users"}, "invalidValue"),
    (200, {"method": "DELETE", "path": "/Bulk"}, "invalidPath"), (200, {"method": "DELETE", "path": "/Schemas/x"}, "invalidPath"),
    (200, {"method": "DELETE", "path": "/Devices/x"}, "invalidPath"), (200, {"method": "DELETE", "path": "/Me"}, "invalidPath"),
    (200, {"method": "DELETE", "path": "/Users"}, "invalidPath"), (200, {"method": "DELETE", "path": "/Users/"}, "invalidPath"),
    (200, {"method": "DELETE"}, "invalidPath"), (200, {"method": "DELETE", "path": 7}, "invalidValue"),
    (200, {"method": "DELETE", "path": "https://elsewhere/scim/v2" + KNOWN}, "invalidPath"),
    (200, {"method": "DELETE", "path": "/scim/v2" + KNOWN}, "invalidPath"),
    (200, {"method": "DELETE", "path": "/Users/../Groups/x"}, "invalidPath"),
    (200, {"method": "DELETE", "path": "/Users/.."}, "invalidPath"), (200, {"method": "DELETE", "path": "//Users/x"}, "invalidPath"),
    (200, {"method": "DELETE", "path": KNOWN + "?a=b"}, "invalidPath"), (200, {"method": "PATCH", "path": "/Users/.search"}, "invalidPath"),
    (200, {"method": "POST", "path": KNOWN, "bulkId": "a", "data": {"userName": "x"}}, "invalidPath"),
    (192, {"method": "POST", "path": "/Users", "bulkId": "a"}, "invalidSyntax"),
    (192, {"method": "POST", "path": "/Users", "bulkId": "a", "data": "{}"}, "invalidSyntax"),
    (192, {"method": "PUT", "path": KNOWN, "data": [1]}, "invalidSyntax"),
    (201, {"method": "DELETE", "path": KNOWN, "version": 7}, "invalidValue"),
    (192, 7, "invalidSyntax"), (192, None, "invalidSyntax"), (192, [], "invalidSyntax"))


@pytest.mark.parametrize("operation, scim_type", WRONG)
def test_what_is_wrong_with_one_operation_is_its_own(ground, operation, scim_type):
    answers = send(ground.scim, user("before", ground.name()), operation, user("behind", ground.name()))
    assert statuses(answers) == ["201", "400", "201"]
    failed(answers[1], 400, scim_type)


@pytest.mark.line(193)
def test_a_bulk_id_is_used_once(ground):
    first, second = ground.name(), ground.name()
    answers = send(ground.scim, user("same", first), user("same", second), group("g", ground.name("G "), "bulkId:same"))
    assert statuses(answers) == ["201", "400", "201"]
    failed(answers[1], 400, "invalidValue")
    assert ground.members(id_of(answers[2])) == {id_of(answers[0])}
    assert ground.scim.find("Users", f'userName eq "{second}"') == []


@pytest.mark.line(200)
@pytest.mark.parametrize("method", ["post", "Post"])
def test_a_method_in_other_letters(ground, method):
    answer, = send(ground.scim, user("a", ground.name()) | {"method": method})
    assert (answer["method"], answer["status"]) == ("POST", "201")


@pytest.mark.parametrize("body, scim_type", lines(
    (192, {"schemas": [REQUEST]}, "invalidSyntax"), (192, {"schemas": [REQUEST], "Operations": {}}, "invalidSyntax"),
    (192, [], "invalidSyntax"), (192, b"{", "invalidSyntax"),
    (197, bulk([], failOnErrors="1"), "invalidValue"), (197, bulk([], failOnErrors=0), "invalidValue"),
    (197, bulk([], failOnErrors=-1), "invalidValue"), (197, bulk([], failOnErrors=1.5), "invalidValue")))
def test_what_is_wrong_with_the_whole_is_an_error(ground, body, scim_type):
    is_error(ground.scim.post("/Bulk", body), 400, scim_type)


@pytest.mark.line(192)
def test_a_strict_client_names_the_schema(lab):
    strict = Tenant(lab, "strict")
    is_error(strict.scim.post("/Bulk", {"Operations": [user("a", strict.name())]}), 400, "invalidSyntax")
    is_error(strict.scim.post("/Bulk", bulk([])), 400, "invalidSyntax")
    assert statuses(send(strict.scim, user("a", strict.name()))) == ["201"]


# ---- 197: failOnErrors


@pytest.mark.line(197)
def test_after_so_many_errors_nothing_is_run_or_listed(ground):
    names = [ground.name() for _ in range(4)]
    gone = {"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"}
    operations = [user("a", names[0]), gone, user("b", names[1]), {"method": "GET"}, user("c", names[2]), user("d", names[3])]
    answers = send(ground.scim, *operations, failOnErrors=2)
    assert statuses(answers) == ["201", "404", "201", "400"]
    assert [len(ground.scim.find("Users", f'userName eq "{n}"')) for n in names] == [1, 1, 0, 0]


@pytest.mark.line(197)
def test_without_it_all_are_run(ground):
    names = [ground.name() for _ in range(2)]
    gone = {"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"}
    answers = send(ground.scim, gone, user("a", names[0]), gone, user("b", names[1]))
    assert statuses(answers) == ["404", "201", "404", "201"]


# ---- 199, 226: limits


@pytest.mark.line(199, 226)
def test_too_many_operations_or_bytes(small):
    names = [f"limit{small.number()}" for _ in range(4)]
    config = small.scim.get("/ServiceProviderConfig")["bulk"]
    assert config == {"supported": True, "maxOperations": 3, "maxPayloadSize": 2048}
    error = is_error(small.scim.post("/Bulk", bulk([user(n, n) for n in names])), 413)
    assert "maxOperations" in error["detail"] and "3" in error["detail"]
    large = json.dumps(bulk([user("a", names[0], displayName="x" * 2048)])).encode()
    error = is_error(small.scim.post("/Bulk", large), 413)
    assert "maxPayloadSize" in error["detail"] and "2048" in error["detail"]
    assert small.scim.find("Users", " or ".join(f'userName eq "{n}"' for n in names)) == []
    assert statuses(send(small.scim, *(user(n, n) for n in names[:3]))) == ["201"] * 3
    small.scim.post("/Users", {"schemas": [USER], "userName": names[3], "displayName": "x" * 4096}).expect(201)


# ---- 201: versions


@pytest.mark.line(201)
def test_a_version_is_an_if_match(ground):
    kim = ground.hire()
    seen = ground.scim.get(f"/Users/{kim}").etag
    operation = {"op": "replace", "path": "title", "value": "T"}
    answers = send(ground.scim, patch(f"/Users/{kim}", operation, version=seen), patch(f"/Users/{kim}", operation, version='W/"0"'),
                   {"method": "DELETE", "path": f"/Users/{kim}", "version": seen})
    assert statuses(answers) == ["200", "412", "412"] and answers[0]["version"] != seen
    failed(answers[1], 412)
    assert ground.entry(kim)["title"] == ["T"]


# ---- order


def test_the_state_is_that_of_one_after_the_other(ground):
    """Names that are freed, taken and changed; one user again and again."""
    kim, lee = ground.hire(), ground.hire()
    freed, taken, title = ground.entry(kim)["uid"][0], ground.name(), {"op": "replace", "path": "title"}
    answers = send(
        ground.scim, {"method": "DELETE", "path": f"/Users/{kim}"}, user("a", freed), user("b", taken), user("c", taken.upper()),
        *(patch(f"/Users/{lee}", title | {"value": f"T{n}"}) for n in range(20)),
        patch(f"/Users/{lee}", {"op": "replace", "path": "userName", "value": taken + "x"}), user("d", taken + "x"),
        patch("/Users/bulkId:a", {"op": "replace", "path": "active", "value": False}))
    assert statuses(answers) == ["204", "201", "201", "409", *["200"] * 21, "409", "200"]
    assert ground.entry(lee)["title"] == ["T19"] and ground.entry(id_of(answers[1]))["uid"] == [freed]


def test_the_last_manager_stays_whoever_is_first(lab, ground):
    one, two = ground.hire(), ground.hire()
    team = lab.organization(managers=[one, two])["id"]
    answers = send(ground.scim, {"method": "DELETE", "path": f"/Users/{one}"}, {"method": "DELETE", "path": f"/Users/{two}"})
    assert statuses(answers) == ["204", "409"] and ground.members(team, "owner") == {two}


def test_groups_are_made_in_order(ground):
    users = [ground.hire() for _ in range(3)]
    team = ground.name("Team ")
    answers = send(ground.scim, group("g", team, *users), *(patch("/Groups/bulkId:g", {"op": "remove", "path": f'members[value eq "{u}"]'})
                                                           for u in users[:2]),
                   group("h", team), {"method": "DELETE", "path": "/Groups/bulkId:g"}, group("i", team, "bulkId:late"), user("late", ground.name()))
    assert statuses(answers) == ["201", "200", "200", "409", "204", "201", "201"]
    assert ground.members(id_of(answers[5])) == {id_of(answers[6])}


# ---- A22, and much at once


@pytest.mark.line("A22")
def test_long_chains_circles_and_many(new_lab):
    lab = new_lab(bridge={"limits": "bulk_operations = 20000; bulk_kb = 16384;"})
    slow = type(lab.scim)(lab.scim.url, lab.token, timeout=300)
    chain = [patch(f"/Users/bulkId:{n + 1}", {"op": "remove", "path": "title"}, bulkId=str(n)) for n in range(10000)]
    answers = send(slow, *chain)
    assert statuses(answers) == ["400"] * 10000  # a PATCH makes nothing that could be referred to
    teams = [group(str(n), f"Circle {n}", f"bulkId:{(n + 1) % 10000}") for n in range(10000)]
    assert set(statuses(send(slow, *teams))) == {"409"}
    pairs = [group(str(n), f"Pair {n}", f"bulkId:{n ^ 1}") for n in range(2000)]
    assert set(statuses(send(slow, *pairs))) == {"409"}
    long = [group(str(n), f"Chain {n}", f"bulkId:{n + 1}") for n in range(9999)] + [{"method": "GET", "bulkId": "9999"}]
    assert set(statuses(send(slow, *long))) == {"400"}
    pairs = [user(f"{n}", f"pair{n}", **manager(f"bulkId:{n ^ 1}")) for n in range(400)]
    answers = send(slow, *pairs)
    assert set(statuses(answers)) == {"201"}
    held = {u["id"]: u.get(ENTERPRISE, {}).get("manager", {}).get("value")
            for u in slow.get("/Users", filter='userName sw "pair"', count=1000).expect(200)["Resources"]}
    ids = [id_of(a) for a in answers]
    assert held == {ids[n]: ids[n ^ 1] for n in range(400)}


def test_a_thousand_users_and_two_bulks_at_once(lab, ground):
    marks = [ground.name(), ground.name()]
    patient = type(lab.scim)(lab.scim.url, ground.token, timeout=300)
    first, second = at_once(*(lambda m=m: send(patient, *(user(f"{n}", f"{m}x{n}") for n in range(999 if m == marks[0] else 200)),
                                               group("all", f"All {m}", *(f"bulkId:{n}" for n in range(200)))) for m in marks))
    assert [a for a in (*first, *second) if a["status"] != "201"] == [] and (len(first), len(second)) == (1000, 201)
    assert [a["bulkId"] for a in first] == [*map(str, range(999)), "all"]
    for mark, answers, n in ((marks[0], first, 999), (marks[1], second, 200)):
        stored = ground.view.find(site.PEOPLE, f"(uid={mark}x*)", ["entryUUID", "uid"])
        assert {e["entryUUID"][0]: e["uid"][0] for e in stored.values()} == {id_of(a): f"{mark}x{k}" for k, a in enumerate(answers[:n])}
        assert ground.members(id_of(answers[n])) == {id_of(a) for a in answers[:200]}


def test_the_same_names_in_two_bulks_are_made_once(ground):
    names = [ground.name() for _ in range(50)]
    both = at_once(*(lambda: send(ground.scim, *(user(n, n) for n in names)) for _ in range(2)))
    assert [sorted(pair) for pair in zip(*map(statuses, both))] == [["201", "409"]] * 50


def test_others_write_while_a_bulk_runs(lab, ground):
    mark = ground.name()
    patient = type(lab.scim)(lab.scim.url, ground.token, timeout=300)
    answers = at_once(lambda: send(patient, *(user(f"{n}", f"{mark}x{n}") for n in range(400))),
                      lambda: [ground.scim.post("/Users", {"schemas": [USER], "userName": f"{mark}y{n}"}).status for n in range(20)])
    assert statuses(answers[0]) == ["201"] * 400 and answers[1] == [201] * 20


def test_many_bulks_leave_room_for_others(new_lab):
    """All bulks together fill no more of the queue than one may: else every other client hears 503."""
    lab = new_lab()
    configure(lab.bridge, "server = {", "server = { writers = 2; write_queue = 32;")
    lab.bridge.process.stop()
    lab.bridge.process.start()
    eventually(lambda: lab.scim.get("/Users?count=0").status == 200, within=30)
    other, patient = (type(lab.scim)(lab.scim.url, token, timeout=300) for token in (lab.new_token("other", client="other"), lab.token))
    done = at_once(*(lambda m=m: send(patient, *(user(f"{n}", f"many{m}x{n}") for n in range(100))) for m in range(12)),
                   lambda: [other.post("/Users", {"schemas": [USER], "userName": f"other{n}"}).status for n in range(60)])
    assert [statuses(answers) for answers in done[:12]] == [["201"] * 100] * 12 and done[12] == [201] * 60


def test_a_full_queue_delays_a_bulk_and_loses_nothing(new_lab):
    lab = new_lab(bridge={"more": ""}, slapd=None)
    text = lab.bridge.conf.read_text().replace("threads = ", "write_queue = 1; threads = ", 1)
    lab.bridge.process.stop()
    lab.bridge.conf.write_text(text)
    lab.bridge.process.start()
    eventually(lambda: lab.scim.get("/Users?count=0").status == 200, within=30)
    both = at_once(*(lambda m=m: send(lab.scim, *(user(f"{n}", f"queue{m}x{n}") for n in range(40))) for m in range(2)))
    assert [statuses(answers) for answers in both] == [["201"] * 40] * 2


# ---- faults


def test_a_client_that_hangs_up_has_its_bulk_run_to_the_end(lab, ground):
    mark = ground.name()
    body = json.dumps(bulk([user(f"{n}", f"{mark}x{n}") for n in range(200)])).encode()
    host, port = lab.scim.address.split(":")
    with socket.create_connection((host, int(port))) as link:
        link.sendall(f"POST /scim/v2/Bulk HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ground.token}\r\n"
                     f"Content-Type: application/scim+json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: ground.view.find(site.PEOPLE, f"(uid={mark}x*)", ["uid"]), within=30)
    eventually(lambda: len(ground.view.find(site.PEOPLE, f"(uid={mark}x*)", ["uid"])) == 200, within=60)


def test_a_bridge_that_stops_has_its_bulk_run_to_the_end(new_lab):
    lab = new_lab()
    view = lab.view()
    answers = at_once(lambda: send(lab.scim, *(user(f"{n}", f"stops{n}") for n in range(300))), lambda: (
        eventually(lambda: view.find(site.PEOPLE, "(uid=stops*)", ["uid"]), within=30), lab.bridge.process.stop()))
    assert statuses(answers[0]) == ["201"] * 300 and answers[1][1] == 0
    lab.bridge.process.start()


def test_a_directory_that_goes_in_the_middle_is_503_for_what_follows(new_lab):
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    lab.proxy.before_request("add", passing=20, action=lambda: kill(lab.slapd.process))
    answers = send(lab.scim, *(user(f"{n}", f"middle{n}") for n in range(60)), failOnErrors=1000)
    codes = statuses(answers)
    assert codes[:20] == ["201"] * 20 and codes[20:] == ["503"] * 40
    for answer in answers[20:]:
        failed(answer, 503)
    lab.slapd.process.start()
    live(lab)
    stored = lab.view().find(site.PEOPLE, "(uid=middle*)", ["uid"])
    assert {f"middle{n}" for n in range(20)} == {e["uid"][0] for e in stored.values()}
    assert statuses(send(lab.scim, *(user(f"{n}", f"middle{n}") for n in range(60)))) == ["409"] * 20 + ["201"] * 40


def test_a_directory_that_hangs_costs_one_deadline_not_one_for_each(new_lab):
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    lab.proxy.before_request("add", passing=5, action=lab.proxy.stall)
    patient = type(lab.scim)(lab.scim.url, lab.token, timeout=120)
    answers = send(patient, *(user(f"{n}", f"hangs{n}") for n in range(400)), failOnErrors=1000)
    codes = statuses(answers)
    assert codes[:5] == ["201"] * 5 and set(codes[5:]) == {"503"} and len(codes) == 400
    assert "not tried" in answers[-1]["response"]["detail"]
    lab.proxy.resume()


def impatient(new_lab):
    """A bridge with one writer that gives the directory half a second."""
    lab = new_lab(proxied=True, bridge={"directory": "connect_timeout_ms = 300; operation_timeout_ms = 500;"})
    configure(lab.bridge, "server = {", "server = { writers = 1;")
    lab.bridge.process.stop()
    lab.bridge.process.start()
    live(lab)
    return lab


def test_behind_a_directory_that_hangs_what_waits_is_not_tried(new_lab):
    """Neither what this bulk has sent ahead, nor another bulk's: each would cost everybody else its whole deadline."""
    lab = impatient(new_lab)
    lab.proxy.before_request("add", passing=2, action=lab.proxy.stall)
    patient = type(lab.scim)(lab.scim.url, lab.token, timeout=120)
    bulks = at_once(*(lambda b=b: send(patient, *(user(f"{n}", f"waits{b}x{n}") for n in range(20))) for b in range(6)))
    said = [a["response"]["detail"] for answers in bulks for a in answers if a["status"] != "201"]
    assert len(said) == 118 and len([text for text in said if not text.startswith("not tried")]) <= 4, said
    lab.proxy.resume()


def test_a_slow_directory_delays_a_bulk_and_loses_nothing(new_lab):
    """Each operation has its time from when its turn comes: what waits behind the others is not late."""
    lab = impatient(new_lab)
    lab.proxy.latency = 0.07
    patient = type(lab.scim)(lab.scim.url, lab.token, timeout=120)
    assert statuses(send(patient, *(user(f"{n}", f"slow{n}") for n in range(8)))) == ["201"] * 8
    lab.proxy.latency = 0


@pytest.mark.line(202)
def test_bulk_is_there_as_discovery_says(ground):
    assert ground.scim.get("/ServiceProviderConfig")["bulk"] == {"supported": True, "maxOperations": 1000, "maxPayloadSize": 4096 * 1024}
    assert statuses(send(ground.scim, user("a", ground.name()))) == ["201"]
    answer = is_error(ground.scim.get("/Bulk"), 405)
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert ground.scim.call("OPTIONS", "/Bulk").expect(204).headers["Allow"] == "POST, OPTIONS"
