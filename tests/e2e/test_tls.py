"""TLS in the bridge: certificates are taken, changed without a restart, refused; clients show theirs where it is asked."""

import base64
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from certs import NAME, Authority
from faults import configure, metric
from kiopslab import entries
from kiopslab.bridge import REPOSITORY
from lab import eventually
from scim import USER, Answer, Scim, read_all

RELOADED_WITHIN = 15


class TlsScim(Scim):
    """As Scim, through TLS that trusts `ca`; `own` is the client's (certificate, key)."""

    def __init__(self, bridge, token, ca, own=None):
        super().__init__(bridge.url, token)
        self.ca, self.own = ca, own
        self.port = urllib.parse.urlsplit(bridge.url).port

    def context(self):
        context = ssl.create_default_context(cafile=self.ca)
        if self.own:
            context.load_cert_chain(*self.own)
        return context

    def connect(self, context=None):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
        return (context or self.context()).wrap_socket(plain, server_hostname=NAME)

    def bare(self, method, path, headers, body=None):
        connection = http.client.HTTPConnection(NAME, timeout=self.timeout)
        connection.sock = self.connect()
        try:
            return exchange(connection, method, self.base + path, headers, body)
        finally:
            connection.close()

    def serial(self):
        with self.connect() as connection:
            return connection.getpeercert()["serialNumber"]


def exchange(connection, method, path, headers, body=None):
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return Answer(answer.status, answer.headers, answer.read())


class Site:
    """A bridge that speaks TLS; its files are tls/cert.pem, tls/key.pem and, with `clients`, tls/clients.pem."""

    def __init__(self, lab, home, *, clients=None, limits=""):
        self.lab, self.bridge = lab, lab.bridge
        self.ca = Authority(home / "ca")
        self.folder = lab.bridge.home / "tls"
        self.folder.mkdir()
        self.put(*self.ca.issue("first"))
        ca_line = 'client_ca_file = "tls/clients.pem"; ' if clients else ""
        if clients:
            shutil.copy(clients.certificate, self.folder / "clients.pem")
        lab.bridge.process.stop()
        port = urllib.parse.urlsplit(lab.bridge.url).port
        configure(lab.bridge, f'public_url = "http://127.0.0.1:{port}"', f'public_url = "https://{NAME}"')
        configure(lab.bridge, "  threads =", f'  tls = {{ cert_file = "tls/cert.pem"; key_file = "tls/key.pem"; {ca_line}}};\n  threads =')
        if limits:
            configure(lab.bridge, "requests_per_s = 0;", f"requests_per_s = 0; {limits}")
        lab.bridge.process.start()
        self.scim = self.client()

    def client(self, own=None, token=None):
        return TlsScim(self.bridge, token or self.lab.token, self.ca.certificate, own)

    def put(self, certificate=None, key=None):
        """As an ACME client does: beside, then renamed."""
        for source, name in ((certificate, "cert.pem"), (key, "key.pem")):
            if source:
                shutil.copy(source, self.folder / f"{name}.new")
                (self.folder / f"{name}.new").chmod(0o600)
                (self.folder / f"{name}.new").rename(self.folder / name)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"))
    yield Site(made, tmp_path_factory.mktemp("certs"), limits="header_timeout_s = 2;")
    made.close()


def test_a_user_lives_through_tls(tls):
    """Reads in place, writes suspended and resumed, all on one connection that is kept."""
    connection = http.client.HTTPConnection(NAME, timeout=30)
    connection.sock = tls.scim.connect()
    headers = {"Authorization": f"Bearer {tls.lab.token}", "Content-Type": "application/scim+json"}
    for n in range(30):
        body = f'{{"schemas": ["{USER}"], "userName": "tls{n}"}}'
        made = exchange(connection, "POST", "/scim/v2/Users", headers, body).expect(201)
        assert made["meta"]["location"].startswith(f"https://{NAME}/scim/v2/Users/")
        assert made.headers["Strict-Transport-Security"] == "max-age=31536000"
        path = f"/scim/v2/Users/{made['id']}"
        assert exchange(connection, "GET", path, headers).expect(200)["userName"] == f"tls{n}"
        exchange(connection, "GET", f"/scim/v2/Users/no-{n}", headers).expect(404)  # asked of the directory by a reader
        exchange(connection, "DELETE", path, headers).expect(204)
    connection.close()


def test_many_connections_at_once_are_served(tls):
    """Handshakes, suspensions and large answers beside each other: nobody waits for somebody else's record."""
    text, wrong = "x" * 200_000, []
    user = tls.scim.post("/Users", {"schemas": [USER], "userName": "large", "title": "t"}).expect(201)["id"]
    for n in range(8):
        tls.scim.patch(f"/Users/{user}", ("add", "photos", [{"value": f"https://a/{n}/" + text[:60_000], "type": f"t{n}"}])).expect(200, 204)

    def work(number):
        try:
            for n in range(6):
                name = f"many-{number}-{n}"
                made = tls.scim.post("/Users", {"schemas": [USER], "userName": name}).expect(201)
                assert len(tls.scim.get(f"/Users/{user}").expect(200).text) > 400_000
                tls.scim.delete(f"/Users/{made['id']}").expect(204)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong, wrong[0]


@pytest.mark.line(32)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize("version, taken", [(ssl.TLSVersion.TLSv1, False), (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
                                            (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_is_1_2_or_newer(tls, version, taken):
    context = tls.scim.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        with tls.scim.connect(context) as connection:
            assert taken and connection.version()
    except (ssl.SSLError, ConnectionError):
        assert not taken


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"])
def test_a_cipher_without_forward_secrecy_or_authentication_is_refused(tls, cipher):
    context = tls.scim.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher + ":@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls.scim.connect(context)


@pytest.mark.line("A17")
def test_a_request_in_clear_text_gets_no_answer(tls):
    with socket.create_connection(("127.0.0.1", tls.scim.port), timeout=15) as plain:
        plain.sendall(f"GET /scim/v2/Users HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {tls.lab.token}\r\n\r\n".encode())
        answer = read_all(plain)
    assert b"HTTP" not in answer and b"200" not in answer


@pytest.mark.line("A16")
@pytest.mark.parametrize("bytes_a_second", [0, 1])
def test_who_never_ends_the_handshake_is_cut(tls, bytes_a_second):
    """After header_timeout_s (2), also with a byte now and then; others are served meanwhile."""
    hello = bytes.fromhex("160301010001 0000fc0303")
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", tls.scim.port), timeout=1) as plain:
        plain.sendall(hello)
        while time.monotonic() - started < 20:
            try:
                if plain.recv(4096) == b"":
                    break
            except TimeoutError:
                tls.scim.get("/Users?count=0").expect(200)
                if bytes_a_second:
                    plain.sendall(b"\0")
            except ConnectionError:
                break
    assert 1.5 < time.monotonic() - started < 8


def test_a_body_above_the_limit_is_answered_inside_tls(tls):
    """The answer that goes out past the library must not go past TLS."""
    with tls.scim.connect() as connection:
        connection.sendall(f"POST /scim/v2/Users HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {tls.lab.token}\r\n"
                           "Content-Type: application/scim+json\r\nContent-Length: 999999999\r\n\r\nx".encode())
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ") and b'"status":"413"' in answer


def test_a_password_is_taken_inside_tls(tls):
    basic = "Basic " + base64.b64encode(f"{entries.PLATFORM_ADMIN}:{entries.SAMPLE_PASSWORD}".encode()).decode()
    assert tls.scim.call("GET", "/Me", headers={"Authorization": basic}).expect(200)["userName"] == entries.PLATFORM_ADMIN
    assert "Basic" in "".join(tls.scim.bare("GET", "/Users", {}).expect(401).headers.get_all("WWW-Authenticate"))


def test_a_new_certificate_is_used_without_a_restart(tls):
    """Connections from before go on; what cannot be used is left, logged and counted, and the next good one is taken."""
    pid, before = tls.bridge.process.pid(), tls.scim.serial()
    kept = http.client.HTTPConnection(NAME, timeout=30)
    kept.sock = tls.scim.connect()
    headers = {"Authorization": f"Bearer {tls.lab.token}"}
    exchange(kept, "GET", "/scim/v2/Users?count=0", headers).expect(200)
    failures = metric(tls.bridge, "kiops_tls_reload_failures_total")
    certificate, key = tls.ca.issue("second")
    tls.put(certificate)  # half of it: not the key of this certificate
    eventually(lambda: tls.scim.serial() and metric(tls.bridge, "kiops_tls_reload_failures_total") > failures, within=RELOADED_WITHIN)
    assert tls.scim.serial() == before and "is not the key of the certificate" in tls.bridge.process.log_text()
    tls.put(key=key)
    eventually(lambda: tls.scim.serial() != before, within=RELOADED_WITHIN)
    exchange(kept, "GET", "/scim/v2/Users?count=0", headers).expect(200)
    kept.close()
    (tls.folder / "cert.pem").write_text("nonsense")
    failures = metric(tls.bridge, "kiops_tls_reload_failures_total")
    eventually(lambda: metric(tls.bridge, "kiops_tls_reload_failures_total") > failures, within=RELOADED_WITHIN)
    tls.scim.get("/Users?count=0").expect(200)
    tls.put(certificate)
    assert tls.bridge.process.pid() == pid
    assert metric(tls.bridge, "kiops_tls_certificate_days_left") == 2
    assert abs(metric(tls.bridge, "kiops_tls_certificate_expires_timestamp_seconds") - time.time() - 3 * 86400) < 600


def test_the_example_alerts_name_metrics_that_there_are(tls):
    """conf/alerts.yml; a bridge with TLS has all of them."""
    rules = (REPOSITORY / "conf/alerts.yml").read_text()
    named = {name for expression in re.findall(r"expr: (.*)", rules) for name in re.findall(r"\bkiops_\w+", expression)}
    with urllib.request.urlopen(tls.bridge.metrics_url + "/metrics", timeout=5) as answer:
        there = set(re.findall(r"^# TYPE (kiops_\w+)", answer.read().decode(), re.MULTILINE))
    assert len(named) > 12 and named <= there, named - there
    assert rules.count("- alert:") == rules.count("expr:") == rules.count("summary:")


def refused(bridge):
    done = subprocess.run([*bridge.process.argv], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_files_that_cannot_serve_are_refused_at_start(tls, tmp_path):
    """FILE:LINE, key, reason; never what the file holds."""
    bridge = tls.bridge
    bridge.process.stop()
    kept = tmp_path / "kept"
    shutil.copytree(tls.folder, kept)
    line = next(n for n, text in enumerate(bridge.conf.read_text().splitlines(), 1) if "tls =" in text)
    good, key = tls.ca.issue("good")
    _, other_key = tls.ca.issue("other")
    old, old_key = tls.ca.issue("old", begins="20200101000000Z", ends="20210101000000Z")
    early, early_key = tls.ca.issue("early", begins="20900101000000Z", ends="20910101000000Z")
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:secret", "-out", locked], check=True, capture_output=True)
    cases = [(good, other_key, "key_file", "is not the key of the certificate in cert_file"), (old, old_key, "cert_file", "has expired"),
             (early, early_key, "cert_file", "is not valid yet"), (key, key, "cert_file", "must hold PEM certificates"),
             (good, good, "key_file", "must hold one private key in PEM"), (good, locked, "key_file", "must hold one private key in PEM")]
    try:
        for certificate, private, name, reason in cases:
            tls.put(certificate, private)
            text = refused(bridge)
            assert f"{bridge.conf}:{line}: server.tls.{name}: " in text and reason in text, (reason, text)
            assert "PRIVATE" not in text
        tls.put(good, key)
        (tls.folder / "key.pem").chmod(0o640)
        assert "mode is 0640" in refused(bridge)
        (tls.folder / "key.pem").unlink()
        assert "server.tls.key_file" in refused(bridge)
    finally:
        shutil.rmtree(tls.folder)
        shutil.copytree(kept, tls.folder)
        bridge.process.start()
    tls.scim.get("/Users?count=0").expect(200)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"))
    home = tmp_path_factory.mktemp("certs")
    clients = Authority(home / "clients", "Clients")
    here = Site(made, home, clients=clients)
    here.clients = clients
    yield here
    made.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_a_certificate_is_refused(mutual, tmp_path, version):
    """Also one of another CA, one made for servers, one that has expired; the right one still needs its token."""
    mutual.clients.home.mkdir(exist_ok=True)
    good = mutual.clients.issue("client", use="clientAuth", common_name="idp")
    stranger = Authority(tmp_path / "strangers").issue("client", use="clientAuth", common_name="idp")
    server = mutual.clients.issue("server", use="serverAuth", common_name="idp")
    late = mutual.clients.issue("late", use="clientAuth", common_name="idp", begins="20200101000000Z", ends="20210101000000Z")

    def status(own, token=None):
        client = mutual.client(own, token)
        context = client.context()
        context.minimum_version = context.maximum_version = version
        connection = http.client.HTTPConnection(NAME, timeout=30)
        connection.sock = client.connect(context)
        try:
            return exchange(connection, "GET", "/scim/v2/Users?count=0", {"Authorization": f"Bearer {client.token}"}).status
        finally:
            connection.close()

    assert status(good) == 200
    assert status(good, "wrong") == 401
    for own in (None, stranger, server, late):
        with pytest.raises((OSError, http.client.HTTPException)):
            status(own)
    assert status(good) == 200
