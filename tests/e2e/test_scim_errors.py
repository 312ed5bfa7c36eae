"""conformance/checklist.md, R, S2 and samples of T: every error says what it is and nothing more; what is too much is
refused and the next request is served. The number in a case's id is its line there."""

import json
import re
import socket
import time
import uuid

import pytest
from checklist import lines
from scim import GROUP, JSON, PATCH, USER, read_all
from tenant import Tenant
from test_scim_transport import is_error


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


# ---- R. the table

WITH_TYPE = {"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget",
             "invalidValue", "invalidVers", "sensitive"}
FAULTS = [  # line, method, path, body, status, scimType
    (205, "POST", "/Users", {"schemas": [USER]}, 400, "invalidValue"),
    (205, "POST", "/Users", b"{", 400, "invalidSyntax"),
    (205, "GET", "/Users?filter=x", None, 400, "invalidFilter"),
    (205, "GET", "/Users?sortBy=x", None, 400, "invalidPath"),
    (205, "GET", "/Users?count=x", None, 400, "invalidValue"),
    (205, "POST", "/Users", {"schemas": [USER], "userName": "KIM"}, 409, "uniqueness"),
    (205, "POST", "/Groups", {"schemas": [GROUP], "displayName": "project a"}, 409, "uniqueness"),
    (205, "POST", "/Groups", {"schemas": [GROUP]}, 400, "invalidValue"),
    (205, "PATCH", "/Users/{user}", {"schemas": [PATCH], "Operations": [{"op": "remove"}]}, 400, "noTarget"),
    (205, "PATCH", "/Users/{user}", {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "userName"}]}, 400, "mutability"),
    (206, "GET", "/Users/{none}", None, 404, None), (206, "DELETE", "/Groups/{none}", None, 404, None),
    (206, "PUT", "/Users", {}, 405, None), (206, "GET", "/Me", None, 501, None),
    (206, "BREW", "/Users", None, 501, None),
    (223, "GET", "/Users/{user}.scim", None, 404, None), (223, "GET", "/Users/{user}.json", None, 404, None),
    (210, "GET", "/../v1/Users", None, 404, None),
]


@pytest.mark.parametrize("method, path, body, status, scim_type", lines(*FAULTS))
@pytest.mark.line(208, 209)
def test_an_error_names_its_kind_and_no_insides(ground, method, path, body, status, scim_type):
    path = path.format(user=ground.hire(), none=uuid.uuid4())
    answer = is_error(ground.scim.call(method, path, body), status)
    assert answer.json.get("scimType") == scim_type
    assert set(answer.json) == {"schemas", "status", "detail"} | ({"scimType"} if scim_type else set())
    # Lines 208, 209: no DN, no LDAP text, no host, no bytes below the space.
    assert not re.search(rb"dc=|ou=|uid=|cn=|ldap|[a-z_]+\.c:\d|127\.0\.0\.1|0x[0-9a-f]{6}|[\0-\x1f]", answer.text)
    assert len(answer["detail"]) > 10


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "\x1b[31m", "\u202ereversed", "a\u200bb"])
@pytest.mark.line(209, "A7", "A30")
def test_what_is_echoed_cannot_break_out(lab, ground, text):
    """Lines 209, A7, A30: neither an answer's headers nor a line of the log."""
    known = len(lab.bridge.process.log_text().splitlines())
    body = {"schemas": [USER], "userName": f"{text}{lab.number()}"}
    answer = ground.scim.post("/Users", body)
    assert "X-Evil" not in answer.headers and b"\r" not in answer.text and b"\n" not in answer.text.rstrip(b"\n")
    assert answer.status in (201, 400)
    ground.scim.get("/Users", filter=f'userName eq {json.dumps(text)}').expect(200, 400)
    for line in lab.bridge.process.log_text().splitlines()[known:]:
        assert line.startswith("time=") and line.isprintable()


@pytest.mark.parametrize("text", ["${jndi:ldap://x}", "%n%s%x", "'; DROP TABLE users; --", "<script>", "😀" * 64, "{}[]\\\"'"])
@pytest.mark.line("A19", "A28")
def test_text_is_text(ground, text):
    """A28, A19: stored and answered as it is."""
    user = ground.hire(displayName=text, nickName=text)
    shown = ground.scim.get(f"/Users/{user}")
    assert (shown["displayName"], shown["nickName"], ground.entry(user)["displayName"]) == (text, text, [text])
    assert ground.scim.find("Users", f"displayName eq {json.dumps(text)} and id eq \"{user}\"")


# ---- too much


def refused_or_closed(ground, method, path, headers, body=None):
    """A status, or None where the server closed the connection instead."""
    headers = {"Authorization": f"Bearer {ground.token}", **headers}
    try:
        return ground.scim.bare(method, path, headers, body).status
    except (ConnectionError, OSError):
        return None


@pytest.mark.parametrize("path, headers, statuses", lines(
    ("A15", "/Users?x=" + "a" * 20000, {}, (414, None)), ("A15", "/Users", {"X-Long": "a" * 60000}, (431, 413, None)),
    ("A15", "/Users/" + "a" * 8000, {}, (404,)), ("A25", "/Users?attributes=" + ",".join(["x"] * 5000), {}, (200,)),
    ("A25", "/Users?" + "a&" * 300, {}, (200,)), ("A24", "/Users", {"If-None-Match": '"x",' * 3000}, (200,))))
def test_a_long_head_is_refused_and_the_next_request_served(ground, path, headers, statuses):
    assert refused_or_closed(ground, "GET", path, headers) in statuses
    ground.scim.get("/Users?count=1").expect(200)


@pytest.mark.line(206)
def test_a_body_above_the_limit_is_413(ground):
    big = b'{"userName":"' + b"x" * (17 << 20) + b'"}'
    assert refused_or_closed(ground, "POST", "/Users", {"Content-Type": JSON}, big) in (413, None)
    ground.scim.get("/Users?count=1").expect(200)


@pytest.mark.parametrize("operations", lines(
    ("A21", [{"op": "add", "path": "emails", "value": [{"value": f"{n}@x"} for n in range(400)]}] * 400),
    ("A21", [{"op": "replace", "path": f'emails[value eq "{n}@x"].type', "value": "home"} for n in range(1000)]),
    ("A21", [{"op": "remove", "path": "emails[" + " and ".join(["value pr"] * 900) + "]"}])))
def test_a_patch_that_explodes_is_bounded(ground, operations):
    user = ground.hire(emails=[{"value": f"{n}@x"} for n in range(500)])
    started = time.monotonic()
    answer = ground.scim.patch(f"/Users/{user}", *operations)
    assert answer.status in (200, 400, 413), answer.text[:300]
    assert time.monotonic() - started < 10
    ground.scim.get("/Users?count=1").expect(200)


@pytest.mark.line(207)
def test_too_many_requests_are_429_with_a_time(new_lab):
    lab = new_lab()
    lab.bridge.process.stop()
    lab.bridge.conf.write_text(lab.bridge.configuration.replace("requests_per_s = 0;", "requests_per_s = 1; burst = 5;"))
    lab.bridge.process.start()
    answers = [lab.scim.get("/Users?count=1") for _ in range(12)]
    statuses = [a.status for a in answers]
    assert statuses[:5] == [200] * 5 and 429 in statuses
    over = answers[statuses.index(429)]
    assert is_error(over, 429) and int(over.headers["Retry-After"]) >= 1
    lab.client(lab.new_token("another")).get("/Users?count=1").expect(200)  # per token


# ---- A3, A17: what the library lets through

HEAD = "Host: x\r\nAuthorization: Bearer {token}\r\n"
RAW = [  # line, request, statuses ("" = closed without an answer)
    ("A3", "POST {path} HTTP/1.1\r\n{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", ("400",)),
    ("A3", "POST {path} HTTP/1.1\r\n{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ("400",)),
    ("A3", "POST {path} HTTP/1.1\r\n{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ("400", "501")),
    ("A3", "POST {path} HTTP/1.1\r\n{head}Content-Length: -1\r\n\r\n", ("400",)),
    ("A15", "GET {path} HTTP/1.1\r\nHost: a\r\n{head}\r\n", ("400",)),
    ("A15", "GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n", ("400",)),
    ("A3", "GET {path} HTTP/1.1\r\n{head}Bad Name: x\r\n\r\n", ("400",)),
    ("A17", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("400", "505", "501", "")),
    ("A17", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", ("400", "")),
    ("A17", "GET {path} HTTP/1.0\r\n{head}\r\n", ("200",)),
    (23, 'GET {path}?filter=userName eq "kim" HTTP/1.1\r\n{head}Connection: close\r\n\r\n', ("400",)),
    (23, 'GET {path}?filter=userName%20eq%20"kim" HTTP/1.1\r\n{head}Connection: close\r\n\r\n', ("200", "400")),
]


@pytest.mark.parametrize("request_text, statuses", lines(*RAW))
def test_a_crooked_request_is_refused_and_the_connection_closed(ground, request_text, statuses):
    host, port = ground.scim.address.split(":")
    head = HEAD.format(token=ground.token)
    text = request_text.format(path=ground.scim.base + "/Users", head=head, token=ground.token)
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(text.encode("latin-1"))
        answer = read_all(connection)
    status = answer.split(b" ")[1].decode() if answer else ""
    assert status in statuses, answer[:300]
    assert len(re.findall(rb"^HTTP/1\.1 200", answer, re.M)) <= 1  # nothing smuggled is answered
    ground.scim.get("/Users?count=1").expect(200)


@pytest.mark.line("A17")
def test_requests_behind_each_other_are_answered_in_order(ground):
    user = ground.hire()
    host, port = ground.scim.address.split(":")
    head = HEAD.format(token=ground.token)
    first = f"GET {ground.scim.base}/Users/{user} HTTP/1.1\r\n{head}\r\n"
    last = f"GET {ground.scim.base}/Users/{uuid.uuid4()} HTTP/1.1\r\n{head}Connection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall((first + last).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"404"]


@pytest.mark.line("A17")
def test_a_body_may_wait_to_be_asked_for(ground):
    host, port = ground.scim.address.split(":")
    body = json.dumps({"schemas": [USER], "userName": ground.name()}).encode()
    head = (f"POST {ground.scim.base}/Users HTTP/1.1\r\n{HEAD.format(token=ground.token)}Content-Type: {JSON}\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
