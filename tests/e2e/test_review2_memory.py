"""Memory that one request may take: a body of 16 MB is not a tree of gigabytes (A2, fault 47)."""

import socket
from pathlib import Path

import pytest
from faults import metric
from kiopslab import site
from lab import eventually

USER = b'"urn:ietf:params:scim:schemas:core:2.0:User"'
BODY = 16 * 1024 * 1024


def resident_mb(bridge):
    status = Path(f"/proc/{bridge.process.pid()}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.line("A2")
def test_a_body_of_many_small_values_is_refused_before_it_is_a_tree(new_lab):
    lab = new_lab()
    before = resident_mb(lab.bridge)
    for item in (b"{},", b"[],", b"1,", b'{"a":1},'):
        body = b'{"schemas":[%s],"userName":"many","x":[%s1]}' % (USER, item * ((BODY - 200) // len(item)))
        answer = lab.scim.post("/Users", body).expect(413)
        assert "values" in answer["detail"]
    assert resident_mb(lab.bridge) < before + 200
    lab.scim.get("/Users", count=0).expect(200)


@pytest.mark.line("A20")
def test_a_replacement_of_a_hundred_thousand_members_is_no_such_body(new_lab):
    """As a client that sends everything it got: value, type, display and $ref. What is wrong is the id, not the size."""
    lab = new_lab()
    group = lab.organization()["id"]
    member = {"value": "3f6b1d9c-0000-4000-8000-000000000000", "type": "User", "display": "a", "$ref": "b"}
    answer = lab.scim.patch(f"/Groups/{group}", ("replace", "members", [member] * 100_000))
    assert answer.expect(400)["scimType"] == "invalidValue", answer.text


@pytest.mark.line("A16")
def test_large_answers_that_nobody_reads_have_a_budget(new_lab):
    """A16: each connection may ask for a list of large groups; together they hold a budget, not the memory."""
    lab = new_lab(users=12_000)
    view = lab.view()
    people = list(view.find(site.PEOPLE, "(uid=user*)", ["uid"]))
    for _ in range(8):
        dn, _ = view.by_id(lab.organization()["id"])
        view.modify(dn, ("add", "member", people))
    path = "/scim/v2/Groups?count=100"
    size = eventually(lambda: (found := len(lab.scim.get("/Groups?count=100").text)) > 15_000_000 and found, within=60)
    host, port = lab.scim.address.split(":")
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lab.token}\r\n\r\n".encode()
    unread = []
    for _ in range(40):
        unread.append(socket.create_connection((host, int(port)), timeout=60))
        unread[-1].sendall(request)
    first = [s.recv(12) for s in unread]
    assert first.count(b"HTTP/1.1 503") >= 40 - (256 << 20) // size - 1 and b"HTTP/1.1 200" in first, first
    lab.scim.get("/Users", count=10).expect(200)
    assert metric(lab.bridge, "kiops_http_answer_bytes") <= 256 << 20
    for s in unread:
        s.close()
    eventually(lambda: metric(lab.bridge, "kiops_http_answer_bytes") == 0, within=30)
    lab.scim.get("/Groups?count=100").expect(200)
