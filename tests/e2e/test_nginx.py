"""conf/nginx.conf.example as a production front: what it refuses, what it leaves alone, what it keeps to itself."""

import http.client
import json
import re
import socket
import ssl
import threading
import urllib.parse
import uuid

import pytest
from faults import configure, metric
from kiopslab import entries
from lab import eventually
from nginx import NAME, Nginx
from scim import JSON, PATCH, USER, Answer, Scim
from tenant import Tenant
from test_review2_memory import resident_mb
from test_scim_transport import is_error


@pytest.fixture(scope="module")
def site_lab(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), bridge={"console": ""})
    made.bridge.process.stop()
    port = urllib.parse.urlsplit(made.bridge.url).port
    configure(made.bridge, f'public_url = "http://127.0.0.1:{port}"', f'public_url = "https://{NAME}"')
    made.bridge.process.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def front(site_lab, tmp_path_factory):
    nginx = Nginx(tmp_path_factory.mktemp("nginx"), urllib.parse.urlsplit(site_lab.bridge.url).port)
    nginx.start()
    yield nginx
    nginx.stop()


@pytest.fixture(scope="module")
def ground(site_lab):
    return Tenant(site_lab, "default")


class Client(Scim):
    """As Scim, through TLS; `source` is the address that it comes from."""

    def __init__(self, front, token, source="127.0.0.1"):
        super().__init__(f"https://{NAME}/scim/v2", token)
        self.front, self.source = front, source

    def connect(self):
        context = ssl.create_default_context(cafile=self.front.certificate)
        plain = socket.create_connection(("127.0.0.1", self.front.port), timeout=self.timeout, source_address=(self.source, 0))
        return context.wrap_socket(plain, server_hostname=NAME)

    def bare(self, method, path, headers, body=None):
        connection = http.client.HTTPConnection(NAME, timeout=self.timeout)
        connection.sock = self.connect()
        try:
            connection.request(method, self.base + path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def raw(self, text, half_close=False):
        """The bytes as they are; everything that comes back until the other side closes."""
        with self.connect() as connection:
            connection.settimeout(15)
            connection.sendall(text)
            answer = b""
            try:
                while part := connection.recv(65536):
                    answer += part
            except (ConnectionError, ssl.SSLError):
                pass
            return answer


@pytest.fixture
def client(front, ground):
    return Client(front, ground.token)


def test_a_user_lives_through_the_front(client):
    """Location and $ref name the front, not the bridge."""
    made = client.post("/Users", {"schemas": [USER], "userName": f"front{uuid.uuid4().hex}"}).expect(201)
    assert made.headers["Location"] == made["meta"]["location"] == f"https://{NAME}/scim/v2/Users/{made['id']}"
    path = f"/Users/{made['id']}"
    changed = client.patch(path, ("replace", "title", "T"), headers={"If-Match": made.etag}).expect(200)
    assert changed.etag and changed.etag != made.etag
    client.get(path, headers={"If-None-Match": changed.etag}).expect(304)
    is_error(client.patch(path, ("replace", "title", "U"), headers={"If-Match": made.etag}), 412)
    assert client.call("HEAD", path).expect(200).etag == changed.etag
    client.delete(path).expect(204)
    is_error(client.get(path), 404)
    assert is_error(client.bare("GET", "/Users", {}), 401).headers["WWW-Authenticate"].startswith("Bearer realm=")
    assert client.call("OPTIONS", "/Users").expect(204).headers["Allow"]


@pytest.mark.line(32)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
@pytest.mark.parametrize("version, taken", [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_is_1_2_or_newer(front, version, taken):
    context = ssl.create_default_context(cafile=front.certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", front.port), timeout=15) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=NAME) as wrapped:
                assert taken and wrapped.version()
        except (ssl.SSLError, ConnectionError):
            assert not taken


@pytest.mark.line(32, "A17")
@pytest.mark.parametrize("name", ["other.example.org", None])
def test_who_does_not_know_the_name_gets_no_certificate(front, name):
    context = ssl.create_default_context(cafile=front.certificate)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", front.port), timeout=15) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain, server_hostname=name)


# ---- framing: who reads it differently than the bridge must not pass

SMUGGLED = "GET /scim/v2/Users?count=0 HTTP/1.1\r\nHost: id.example.org\r\nConnection: close\r\n\r\n"
FORMS = [  # what stands in the head, the body, statuses
    ("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n", "400"), ("Content-Length: 2\r\nContent-Length: 3", "{}", "400"),
    ("Content-Length: 2\r\nContent-Length: 2", "{}", "400"), ("Transfer-Encoding: xchunked", "0\r\n\r\n", "501"),
    ("Transfer-Encoding: chunked, identity", "0\r\n\r\n", "501"), ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", "400"),
    ("Transfer-Encoding:\r\n chunked", "0\r\n\r\n", "400"), ("X: y\r\n z\r\nContent-Length: 2", "{}", "400"),
    ("Content-Length : 2", "{}", "400"), ("Content-Length: -1", "", "400"), ("Content-Length: 2x", "{}", "400"),
    ("Content-Length: 99999999999999999999", "", "400"), ("Content-Length: 999999999", "", "413"),
    ("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n", "400"), ("Host: other.example.org\r\nContent-Length: 2", "{}", "400"),
    ("X-Nul: a\0b\r\nContent-Length: 2", "{}", "400"), ("X-Cr: a\rb\r\nContent-Length: 2", "{}", "400"),
]


@pytest.mark.line("A3", 9)
@pytest.mark.parametrize("head, body, status", FORMS, ids=[repr(f[0])[:60] for f in FORMS])
def test_a_smuggling_form_is_refused_and_nothing_behind_it_runs(client, ground, head, body, status):
    text = (f"POST /scim/v2/Users HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {ground.token}\r\nContent-Type: {JSON}\r\n"
            f"{head}\r\n\r\n{body}{SMUGGLED}")
    answer = client.raw(text.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and answer.count(b"HTTP/1.1 ") == 1, answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == status
    client.get("/Users?count=1").expect(200)


@pytest.mark.line("A3")
def test_a_bare_lf_is_rewritten(client, ground):
    """nginx takes it for a line's end, and sends a request of its own on: the bridge, which refuses it, serves."""
    text = f"GET /scim/v2/Users?count=0 HTTP/1.1\nHost: {NAME}\nAuthorization: Bearer {ground.token}\nConnection: close\n\n"
    answer = client.raw(text.encode())
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1 ") == 1


def test_a_header_that_is_no_token_stays_outside(client, ground):
    text = (f"GET /scim/v2/Users?count=0 HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {ground.token}\r\nBad_Name: x\r\n"
            "Connection: close\r\n\r\n")
    assert client.raw(text.encode()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.line("A17")
def test_a_request_in_clear_text_is_refused(front):
    with socket.create_connection(("127.0.0.1", front.port), timeout=15) as plain:
        plain.sendall(f"GET /scim/v2/Users HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        assert plain.recv(65536).startswith(b"HTTP/1.1 400 ")


# ---- what passes unchanged


@pytest.mark.line(23, "A10")
@pytest.mark.parametrize("path, status", [
    ("/Users/%2e%2e%2fGroups", 404), ("/Users/%252e%252e", 404), ("/Users/..%2f..%2f..%2fmetrics", 404), ("//Users", 404),
    ("/Users/%00", 400), ("/%55sers", 200), ("/Users/", 200), ("/../v1/Users", 404), ("/Users?filter=userName%20eq%20%22a%2Bb%22", 200),
    ("/Users?filter=userName+eq+%22a%25b%22", 200), ("/Users?filter=userName%20eq%20%22%ff%22", 400)])
def test_a_target_arrives_as_it_was_sent(client, ground, path, status):
    """The same answer as the bridge itself gives; nginx decodes nothing and joins no slashes."""
    through, direct = client.get(path), ground.scim.get(path)
    assert (through.status, direct.status) == (status, status), (through.text, direct.text)
    assert through.status >= 400 or through.json == direct.json


def test_an_id_and_a_filter_in_escapes_survive(client, ground):
    name = f"Ä+b%2f \"q\" & ü=/{ground.lab.number()}"
    user = ground.hire(userName=name)
    found = client.find("Users", f"userName eq {json.dumps(name)}")
    assert [u["id"] for u in found] == [user] and found[0]["userName"] == name
    escaped = "".join(f"%{ord(c):02x}" for c in user)
    assert client.get(f"/Users/{escaped}").expect(200)["id"] == user
    long = " or ".join(f'userName eq "{n}{"x" * 80}"' for n in range(70))
    assert client.get("/Users", filter=long).expect(200)["totalResults"] == 0


def test_nothing_else_of_the_bridge_is_reached(client, front):
    for path in ("/metrics", "/livez", "/readyz", "/", "/other"):
        answer = client.raw(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 404 ") and b'"status":"404"' in answer, answer


def ask(client, method, path, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {NAME}", "Connection: close", f"Content-Length: {len(body)}",
             *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    head, _, text = client.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body).partition(b"\r\n\r\n")
    return head.decode(), text.decode()


def test_the_page_passes_and_a_session_with_it(client):
    login = json.dumps({"userName": entries.MANAGER, "password": entries.SAMPLE_PASSWORD}).encode()
    head, _ = ask(client, "POST", "/login", login, Content_Type="application/json", X_Kiops_Csrf="page")
    assert head.startswith("HTTP/1.1 200 ")
    cookie = re.search(r"(?im)^set-cookie: (__Host-kiops=[^;]+);.* Secure", head)[1]
    for path in ("/users", "/permissions", "/me"):
        head, page = ask(client, "GET", path, Cookie=cookie)
        assert head.startswith("HTTP/1.1 200 ") and "content-security-policy" in head.lower(), head
    script = re.search(r'src="(/ui/[^"]+)"', page)[1]
    assert ask(client, "GET", script)[0].startswith("HTTP/1.1 200 ")
    assert ask(client, "GET", "/users")[0].startswith("HTTP/1.1 401 ")


def test_a_large_patch_passes(client, ground):
    group, users = ground.group(), [ground.hire() for _ in range(20)]
    value = [{"value": users[n % 20], "display": "x" * 200} for n in range(20_000)]
    assert len(json.dumps(value)) > 4 << 20
    client.patch(f"/Groups/{group}", ("add", "members", value)).expect(200)
    assert ground.members(group) == set(users)


def test_a_body_in_chunks_passes(client, ground):
    body = json.dumps({"schemas": [USER], "userName": ground.name("chunks")}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    head = (f"POST /scim/v2/Users HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {ground.token}\r\nContent-Type: {JSON}\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n").encode()
    assert client.raw(head + chunks).startswith(b"HTTP/1.1 201 ")


# ---- refusals


def test_a_body_above_the_limit_is_413_in_scim(client):
    answer = is_error(client.call("POST", "/Users", b" " * (16384 * 1024 + 1)), 413)
    assert "16 MiB" in answer["detail"]
    is_error(client.call("PATCH", "/Users/x", b"[" * 5000), 404)
    is_error(client.call("POST", "/Users", b"[" * 5000), 413)  # the bridge's own


def test_a_target_above_the_limit_is_414(client):
    is_error(client.get("/Users?x=" + "a" * 20_000), 414)
    answer = client.get("/Users?x=" + "a" * 40_000)
    assert answer.status == 414 and answer["status"] == "414"


def test_503_of_the_bridge_passes_with_its_time(client, ground):
    ground.lab.slapd.process.stop()
    try:
        answer = is_error(client.post("/Users", {"schemas": [USER], "userName": "later"}), 503)
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        ground.lab.slapd.process.start()
    eventually(lambda: client.post("/Users", {"schemas": [USER], "userName": f"up{ground.lab.number()}"}).status == 201, within=20)


def test_a_bridge_that_is_away_is_503_with_a_time(client, ground):
    ground.lab.bridge.process.stop()
    try:
        answer = is_error(client.get("/Users?count=1"), 503)
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        ground.lab.bridge.process.start()
    eventually(lambda: client.get("/Users?count=1").status == 200, within=20)


def test_kept_connections_to_the_bridge_are_used_again(client, ground):
    before = metric(ground.lab.bridge, "kiops_http_connections")
    for _ in range(50):
        client.get("/Users?count=1").expect(200)
    assert metric(ground.lab.bridge, "kiops_http_connections") <= before + 3


@pytest.mark.line(207)
def test_the_clients_address_counts_and_only_the_front_may_name_it(new_lab, tmp_path_factory):
    """Guesses of one address use up that address, whatever it claims to be; 429 passes with its time."""
    lab = new_lab()
    lab.bridge.process.stop()
    configure(lab.bridge, "requests_per_s = 0;", "requests_per_s = 2; burst = 10;")
    lab.bridge.process.start()
    port = urllib.parse.urlsplit(lab.bridge.url).port
    nginx = Nginx(tmp_path_factory.mktemp("nginx"), port)
    nginx.start()
    try:
        guesser, other = Client(nginx, "wrong", "127.0.0.21"), Client(nginx, "wrong", "127.0.0.22")
        answers = [guesser.get("/Users", headers={"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"})
                   for n in range(40)]
        assert {a.status for a in answers} == {401, 429}
        over = next(a for a in answers if a.status == 429)
        assert is_error(over, 429) and int(over.headers["Retry-After"]) >= 1
        is_error(other.get("/Users"), 401)
        Client(nginx, lab.token, "127.0.0.21").get("/Users?count=1").expect(200)
        # Straight to the bridge, from an address that is no trusted proxy: the header is not read.
        direct = [forged(port, f"203.0.113.{n}") for n in range(40)]
        assert set(direct) == {401, 429}
    finally:
        nginx.stop()


def forged(port, claimed):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=("127.0.0.23", 0))
    try:
        connection.request("GET", "/scim/v2/Users", headers={"Authorization": "Bearer wrong", "X-Forwarded-For": claimed})
        return connection.getresponse().status
    finally:
        connection.close()


# ---- slow clients


@pytest.mark.line("A16")
def test_a_slow_client_is_waited_for_in_front(client, ground):
    """The bridge hears of a request when it is whole; many that never end cost it neither connections nor memory."""
    before, memory = metric(ground.lab.bridge, "kiops_http_connections"), resident_mb(ground.lab.bridge)
    requests = metric(ground.lab.bridge, "kiops_http_requests_total")
    body = json.dumps({"schemas": [PATCH], "Operations": []}).encode()
    head = (f"POST /scim/v2/Users HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {ground.token}\r\nContent-Type: {JSON}\r\n"
            f"Content-Length: {len(body) + 1_000_000}\r\n\r\n").encode()
    slow = [client.connect() for _ in range(100)]
    for one in slow:
        one.sendall(head + body)
    client.get("/Users?count=1").expect(200)
    assert metric(ground.lab.bridge, "kiops_http_connections") <= before + 3
    assert metric(ground.lab.bridge, "kiops_http_requests_total") <= requests + 1
    assert resident_mb(ground.lab.bridge) < memory + 32
    for one in slow:
        one.close()


def test_large_answers_come_whole_for_many_at_once(client, ground):
    for _ in range(30):
        ground.hire(title="t" * 60_000, nickName="n" * 60_000)
    sizes = []
    threads = [threading.Thread(target=lambda: sizes.append(len(client.get("/Users?count=1000").expect(200).json["Resources"])))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sizes) == 8 and len(set(sizes)) == 1 and sizes[0] > 30


# ---- what it writes down


@pytest.mark.line(142)
def test_neither_log_nor_file_holds_filters_tokens_or_passwords(client, front, ground):
    secret = f"S3cret{uuid.uuid4().hex}"
    client.get("/Users", filter=f'userName eq "{secret}"').expect(200)
    client.get("/Users", filter=f'userName lk "{secret}"').expect(400)
    client.post("/Users", {"schemas": [USER], "userName": ground.name(), "password": secret, "x": "y" * 2_000_000}).expect(201, 400)
    is_error(Client(front, secret).get("/Users"), 401)
    client.raw(f"GET /scim/v2/Users?filter={secret} HTTP/1.1\r\nHost: {NAME}\r\nX: {'a' * 70_000}\r\n\r\n".encode())
    ground.lab.bridge.process.stop()
    try:
        client.get("/Users", filter=f'userName eq "{secret}"').expect(503)
    finally:
        ground.lab.bridge.process.start()
    row = eventually(lambda: re.findall(r'.*"method":"POST","path":"/scim/v2/Users".*', front.access_log()))[-1]
    assert json.loads(row)["client"] == "127.0.0.1" and json.loads(row)["request_id"]
    assert secret not in front.logs() and ground.token not in front.logs() and "filter" not in front.logs()
