"""Every ceiling of the `limits` group, set low and crossed by one: refused by name, and what stays below is served."""

import http.client
import json
import re
import select
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from checklist import lines
from faults import metric
from lab import eventually
from scim import JSON, USER, read_all
from test_scim_transport import is_error

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
LOW = """body_kb = 64; json_depth = 8; patch_operations = 5; patch_values = 20; filter_chars = 100; filter_nodes = 6;
  filter_depth = 4; header_kb = 8; target_kb = 2; value_kb = 1; values_per_attribute = 4; header_timeout_s = 1;
  body_timeout_s = 1; idle_timeout_s = 2; connections_per_address = 8;"""
PAGE = 5


@pytest.fixture(scope="module")
def low(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), users=20,
               bridge={"limits": LOW, "scim": f"default_page = 3; max_page = {PAGE};"})
    yield made
    made.close()


def title(text):
    return {"op": "replace", "path": "title", "value": text}


def members(count):
    return {"op": "add", "path": "members", "value": [{"value": f"nobody{n}"} for n in range(count)]}


def nested(depth):
    """A body of so many levels."""
    return b'{"x":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def emails(count):
    return {"emails": [{"value": f"{n}@x"} for n in range(count)]}


# The key, what is asked of `{user}`, the answer to one too many, and to what still fits.
CROSSED = [
    ("body_kb", "POST", "/Users", b" " * (65 << 10) + b"{}", 413, None),
    ("json_depth", "POST", "/Users", nested(9), 413, None),
    ("patch_operations", "PATCH", "/Users/{user}", [title("x")] * 6, 413, None),
    ("patch_values", "PATCH", "/Groups/{group}", [members(21)], 413, None),
    ("value_kb", "POST", "/Users", {"title": "x" * 1025}, 400, "invalidValue"),
    ("value_kb", "POST", "/Users", {"userName": "u" * 1025}, 400, "invalidValue"),
    ("value_kb", "PATCH", "/Users/{user}", [title("x" * 1025)], 400, "invalidValue"),
    ("values_per_attribute", "POST", "/Users", emails(5), 400, "invalidValue"),
    ("values_per_attribute", "PATCH", "/Users/{user}", [{"op": "add", "path": "emails", "value": emails(5)["emails"]}], 400,
     "invalidValue"),
    ("filter_chars", "GET", "/Users?filter=title%20eq%20%22" + "x" * 100 + "%22", None, 400, "invalidFilter"),
    ("filter_nodes", "GET", "/Users?filter=" + "%20or%20".join(["title%20pr"] * 7), None, 400, "invalidFilter"),
    ("filter_depth", "GET", "/Users?filter=" + "(" * 5 + "title%20pr" + ")" * 5, None, 400, "invalidFilter"),
    ("filter_depth", "PATCH", "/Users/{user}", [{"op": "remove", "path": "emails[" + "(" * 5 + "value pr" + ")" * 5 + "]"}], 400,
     "invalidFilter"),
    ("target_kb", "GET", "/Users?x=" + "a" * 2048, None, 414, None),
]
KEPT = [
    ("body_kb", "POST", "/Users", {"x": "y" * (62 << 10)}, 201), ("json_depth", "POST", "/Users", {"x": {"y": {"z": 1}}}, 201),
    ("patch_operations", "PATCH", "/Users/{user}", [title("x")] * 5, 200),
    ("value_kb", "POST", "/Users", {"title": "é" * 512}, 201), ("values_per_attribute", "POST", "/Users", emails(4), 201),
    ("filter_chars", "GET", "/Users?filter=title%20eq%20%22" + "x" * 80 + "%22", None, 200),
    ("filter_nodes", "GET", "/Users?filter=" + "%20or%20".join(["title%20pr"] * 3), None, 200),
    ("filter_depth", "GET", "/Users?filter=((title%20pr))", None, 200), ("target_kb", "GET", "/Users?x=" + "a" * 1900, None, 200),
]


def ask(lab, method, path, sent):
    path = path.format(user=lab.user()["id"], group=lab.organization()["id"])
    if isinstance(sent, dict):
        sent = {"schemas": [USER], "userName": f"limited{lab.number()}"} | sent
    if isinstance(sent, list):
        return lab.scim.patch(path, *sent)
    return lab.scim.call(method, path, sent)


@pytest.mark.line(113, 181, 206, "A1", "A2", "A19", "A21")
@pytest.mark.parametrize("key, method, path, sent, status, scim_type", CROSSED, ids=[f"{c[0]} {c[1]} {c[2][:20]}" for c in CROSSED])
def test_one_too_many_is_refused_by_name(low, key, method, path, sent, status, scim_type):
    assert key in LOW
    answer = is_error(ask(low, method, path, sent), status)
    assert answer.json.get("scimType") == scim_type
    low.scim.get("/Users?count=1").expect(200)


@pytest.mark.parametrize("key, method, path, sent, status", KEPT, ids=[f"{k[0]} {k[1]} {k[2][:20]}" for k in KEPT])
def test_what_stays_below_is_served(low, key, method, path, sent, status):
    assert key in LOW
    ask(low, method, path, sent).expect(status)


@pytest.mark.line(112, 121, 126)
@pytest.mark.parametrize("query, items", [("", 3), ("?count=4", 4), ("?count=1000", PAGE), ("?filter=userName%20pr&count=99", PAGE),
                                          ("?filter=userName%20co%20%22u%22%20or%20id%20pr&sortBy=title&count=99", PAGE)])
def test_a_list_that_is_too_long_is_a_page(low, query, items):
    """A filter that finds everybody is answered in pages: none runs out of time, none is cut off unsaid."""
    page = low.scim.get(f"/Users{query}").expect(200).json
    assert (page["itemsPerPage"], len(page["Resources"])) == (items, items) and page["totalResults"] > 20
    config = low.scim.get("/ServiceProviderConfig").json
    assert config["filter"]["maxResults"] == config["pagination"]["maxPageSize"] == PAGE


# ---- heads


def connect(lab, source="127.0.0.1", timeout=15):
    host, port = lab.scim.address.split(":")
    return socket.create_connection((host, int(port)), timeout=timeout, source_address=(source, 0))


def head(lab, *more, method="GET", path="/Users?count=1"):
    rows = [f"{method} {lab.scim.base}{path} HTTP/1.1", "Host: x", f"Authorization: Bearer {lab.token}", *more]
    return "\r\n".join(rows).encode() + b"\r\n"


@pytest.mark.line(9, 206, "A15")
@pytest.mark.parametrize("more", lines(("A15", ["X-Long: " + "a" * 14000]), ("A15", [f"X-{n}: a" for n in range(800)])))
def test_a_head_above_its_limit_is_431(low, more):
    with connect(low) as connection:
        connection.sendall(head(low, *more) + b"\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ") and b"Connection: close" in answer
    low.scim.get("/Users?count=1").expect(200)


@pytest.mark.line("A15")
def test_two_hundred_headers_are_no_trouble(lab):
    with connect(lab) as connection:
        connection.sendall(head(lab, *(f"X-{n}: a" for n in range(200)), "Connection: close") + b"\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.line("A25")
@pytest.mark.parametrize("junk", ["a&" * 7000, "a=b&" * 3500, "attributes=" + "x," * 7000], ids=["names", "pairs", "attributes"])
def test_thousands_of_parameters_are_answered(lab, junk):
    answer = lab.scim.get(f"/Users?count=1&{junk}").expect(200)
    assert answer["itemsPerPage"] == 1


@pytest.mark.line(9)
@pytest.mark.parametrize("text, status", [
    ("GET {path} HTTP/3.0\r\nHost: x\r\n\r\n", 505), ("GET {path}\r\n\r\n", 400), ("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", 400),
    ("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
], ids=["version", "no version", "negative length", "no length", "endless length"])
def test_what_the_library_refuses_has_the_right_status_and_runs_nothing(lab, text, status):
    """Excused: the body is no SCIM error, the library answers before our code sees a request."""
    before = posts(lab)
    with connect(lab) as connection:
        connection.sendall(text.format(path=lab.scim.base + "/Users").encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
        read_all(connection)
    assert posts(lab) == before
    lab.scim.get("/Users?count=1").expect(200)


def posts(lab):
    """Requests with the method POST that our code has seen."""
    with urllib.request.urlopen(lab.bridge.metrics_url + "/metrics", timeout=30) as answer:
        return sum(int(n) for n in re.findall(r'kiops_http_requests_total\{method="POST",.* (\d+)', answer.read().decode()))


# ---- time


@pytest.mark.line(206, "A16")
@pytest.mark.parametrize("start", [
    b"", b"GET /scim/v2/Users HTTP/1.1\r\nHo", "body", "chunk"], ids=["nothing", "half a head", "half a body", "half a chunk"])
def test_who_falls_silent_is_let_go(low, start):
    """idle_timeout_s, header_timeout_s, body_timeout_s: closed, and the others never noticed."""
    if start == "body":
        start = head(low, f"Content-Type: {JSON}", "Content-Length: 100", method="POST", path="/Users") + b'\r\n{"userName":'
    if start == "chunk":
        start = head(low, f"Content-Type: {JSON}", "Transfer-Encoding: chunked", method="POST", path="/Users") + b'\r\n5\r\n{"us'
    with connect(low) as connection:
        connection.sendall(start)
        low.scim.get("/Users?count=1").expect(200)
        answer = read_all(connection)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400"))
    low.scim.get("/Users?count=1").expect(200)


@pytest.mark.line("A16")
def test_a_body_that_comes_byte_by_byte_has_an_end(low):
    body = json.dumps({"schemas": [USER], "userName": "drop by drop"}).encode() + b" " * 1000
    with connect(low, timeout=0.05) as slow:
        slow.sendall(head(low, f"Content-Type: {JSON}", f"Content-Length: {len(body)}", method="POST", path="/Users") + b"\r\n")
        rest = iter(body)

        def is_cut():
            try:
                slow.sendall(bytes([next(rest)]))
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True
        eventually(is_cut, within=10)
    assert low.scim.find("Users", 'userName eq "drop by drop"') == []


@pytest.mark.line("A16")
def test_a_reader_that_never_reads_is_let_go(new_lab):
    """Its answer is larger than what the sockets hold; the deadline is idle_timeout_s and its size at a slow line's speed."""
    lab = new_lab(bridge={"limits": "idle_timeout_s = 1;"})
    long = "x" * 60_000
    for _ in range(100):
        lab.user(title=long, nickName=long)
    request = head(lab, path="/Users?count=1000") + b"\r\n"
    size = len(lab.scim.get("/Users?count=1000").text)
    assert size > 10_000_000
    before = metric(lab.bridge, "kiops_http_connections")
    host, port = lab.scim.address.split(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.sendall(request)
        eventually(lambda: metric(lab.bridge, "kiops_http_answer_bytes") > 0, within=10)
        lab.scim.get("/Users?count=1").expect(200)
        eventually(lambda: metric(lab.bridge, "kiops_http_answer_bytes") == 0, within=20)
        eventually(lambda: metric(lab.bridge, "kiops_http_connections") <= before, within=10)


# ---- connections


@pytest.mark.line("A16")
def test_an_address_has_so_many_connections_and_others_are_not_hindered(low):
    held = [connect(low, "127.0.0.9") for _ in range(8)]
    for one in held:
        one.sendall(head(low) + b"\r\n")
        assert one.recv(12) == b"HTTP/1.1 200"
    with connect(low, "127.0.0.9") as over:
        assert read_all(over) == b""
    with connect(low, "127.0.0.10") as other:
        other.sendall(head(low, "Connection: close") + b"\r\n")
        assert read_all(other).startswith(b"HTTP/1.1 200")
    low.scim.get("/Users?count=1").expect(200)  # a trusted proxy brings the connections of many
    for one in held:
        one.close()
    eventually(lambda: answered(low, "127.0.0.9"), within=10)


def answered(lab, source):
    with connect(lab, source) as one:
        one.sendall(head(lab, "Connection: close") + b"\r\n")
        return read_all(one).startswith(b"HTTP/1.1 200")


@pytest.mark.line("A16")
def test_more_connections_than_there_may_be_wait_until_there_is_room(new_lab):
    lab = new_lab(bridge={"limits": "connections = 20; idle_timeout_s = 60;"})
    asked = [connect(lab) for _ in range(50)]
    for one in asked:
        one.sendall(head(lab) + b"\r\n")
    eventually(lambda: sum(map(has_answer, asked)) >= 10, within=10)
    assert metric(lab.bridge, "kiops_http_connections") <= 20
    assert sum(map(has_answer, asked)) <= 20
    while asked:
        served = eventually(lambda: [one for one in asked if has_answer(one)], within=10)
        for one in served:
            assert one.recv(12) == b"HTTP/1.1 200"
            one.close()
            asked.remove(one)
    lab.scim.get("/Users?count=1").expect(200)


def has_answer(connection):
    return bool(select.select([connection], [], [], 0)[0])


# ---- rate (fault 44)


@pytest.mark.line(207)
def test_a_flood_with_wrong_tokens_is_refused_and_health_stays_up(new_lab):
    """Per address where no token is known: who guesses does not use up what others have."""
    lab = new_lab()
    lab.bridge.process.stop()
    lab.bridge.conf.write_text(lab.bridge.configuration.replace("requests_per_s = 0;", "requests_per_s = 5; burst = 20;"))
    lab.bridge.process.start()
    guesser = {"Authorization": "Bearer guess", "X-Forwarded-For": "203.0.113.9"}
    answers = [lab.scim.bare("GET", "/Users?count=1", guesser) for _ in range(60)]
    assert {a.status for a in answers} == {401, 429}
    over = next(a for a in answers if a.status == 429)
    assert is_error(over, 429) and int(over.headers["Retry-After"]) >= 1
    lab.scim.bare("GET", "/Users?count=1", {"Authorization": "Bearer guess", "X-Forwarded-For": "203.0.113.10"}).expect(401)
    lab.scim.get("/Users?count=1").expect(200)
    assert metric(lab.bridge, "kiops_http_connections") >= 0  # /metrics answers


# ---- scans


def test_who_looks_at_everybody_again_and_again_holds_up_nobody(new_lab):
    """Long scans have threads of their own, and those of one client take turns: others are answered meanwhile."""
    lab = new_lab(users=4000)
    asks = " or ".join(f'title co "nobody{n}"' for n in range(90))
    user = lab.scim.get("/Users", count=1)["Resources"][0]["id"]
    answers, scans = [], lab.client(lab.new_token("scans", client="scans"))

    def scan():
        answers.append(scans.post("/Users/.search", {"schemas": [SEARCH], "filter": asks}))

    threads = [threading.Thread(target=scan) for _ in range(24)]
    for thread in threads:
        thread.start()
    eventually(lambda: metric(lab.bridge, "kiops_scan_queue") >= 12, within=30)
    lab.scim.get(f"/Users/{user}").expect(200)
    assert lab.scim.get("/Users", filter=f'id eq "{user}"').expect(200)["totalResults"] == 1
    assert len(lab.scim.get("/Users", count=3, startIndex=2000).expect(200)["Resources"]) == 3
    assert metric(lab.bridge, "kiops_scan_queue") > 0
    for thread in threads:
        thread.join()
    assert [(a.status, a["totalResults"]) for a in answers] == [(200, 0)] * 24


# ---- file descriptors (fault 50)


def test_more_clients_than_the_process_may_open_files_do_not_make_it_spin(new_lab):
    lab = new_lab()
    lab.bridge.process.stop()
    lab.bridge.process.argv[:0] = ["prlimit", "--nofile=150:150"]
    lab.bridge.process.start()
    assert "event=connections_reduced" in lab.bridge.process.log_text()
    before = len(descriptors(lab))
    asked = [connect(lab) for _ in range(200)]
    for one in asked:
        one.sendall(head(lab) + b"\r\n")
    eventually(lambda: sum(map(has_answer, asked)) >= 20, within=10)
    used = cpu_ticks(lab)
    time.sleep(1)
    assert cpu_ticks(lab) - used < 50, "half a processor for doing nothing"
    assert len(descriptors(lab)) < 150
    for one in asked:
        one.close()
    lab.scim.post("/Users", {"schemas": [USER], "userName": "after"}).expect(201)
    eventually(lambda: len(descriptors(lab)) <= before + 8, within=10)


def descriptors(lab):
    return [*Path(f"/proc/{lab.bridge.process.pid()}/fd").iterdir()]


def cpu_ticks(lab):
    fields = Path(f"/proc/{lab.bridge.process.pid()}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
