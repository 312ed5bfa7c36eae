"""TLS to the directory and local sockets (faults.md 6, 28, 42): what is not proved gets no password, and new files count
without a restart."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from certs import Authority
from faultproxy import result
from faults import SHORT, configure, live, log_since, metric, unavailable
from kiopslab import site
from lab import Lab, eventually

HOST = "IP:127.0.0.1"


class Encrypted:
    """A Lab whose slapd shows what stands in `folder`/server.*, and whose bridge trusts `folder`/trusted.pem."""

    def __init__(self, folder):
        self.folder, self.authority = folder, Authority(folder / "ca")
        self.trust(self.authority)
        self.show(*self.authority.issue("good", alternative=HOST))
        tls = "\n".join(f"TLS{key} {folder}/{name}" for key, name in
                        (("CertificateFile", "server.pem"), ("CertificateKeyFile", "server.key"), ("CACertificateFile", "trusted.pem")))
        self.lab = Lab(folder / "lab", proxied=True, slapd={"modules": tls}, bridge={"directory": SHORT})
        self.lab.bridge.process.stop()
        configure(self.lab.bridge, 'start_tls = "off"', f'start_tls = "required"; ca_file = "{folder}/trusted.pem"')
        configure(self.lab.bridge, f'"{self.lab.proxy.uri}"', f'"{self.lab.slapd.uri}"')
        self.lab.bridge.process.start()

    def trust(self, authority):
        shutil.copy(authority.certificate, self.folder / "trusted.pem")

    def show(self, certificate, key):
        shutil.copy(certificate, self.folder / "server.pem")
        shutil.copy(key, self.folder / "server.key")

    def restart(self):
        self.lab.slapd.process.stop()
        self.lab.slapd.process.start()


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    made = Encrypted(tmp_path_factory.mktemp("tls"))
    yield made
    made.lab.close()


@pytest.fixture
def good(encrypted):
    """Afterwards all is as it was."""
    yield encrypted
    encrypted.trust(encrypted.authority)
    encrypted.show(encrypted.folder / "ca/good.pem", encrypted.folder / "ca/good.key")
    encrypted.restart()
    live(encrypted.lab)


def set_name(lab, user, name):
    return lab.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", name))


def test_everything_goes_encrypted_and_the_days_are_told(encrypted):
    live(encrypted.lab)
    encrypted.lab.person("mina").get("/Users?count=0").expect(200)
    assert metric(encrypted.lab.bridge, "kiops_ldap_certificate_days") in (2, 3)  # made a moment ago for three


@pytest.mark.parametrize("what", ["name", "expired", "authority"])
def test_42_a_certificate_that_proves_nothing_is_refused(good, what):
    lab, user = good.lab, good.lab.user()
    wrong = {"name": lambda: good.authority.issue("name", alternative="DNS:other.example.org"),
             "expired": lambda: good.authority.issue("old", alternative=HOST, begins="20200101000000Z", ends="20200201000000Z"),
             "authority": lambda: Authority(good.folder / "stranger", "Stranger").issue("good", alternative=HOST)}[what]()
    good.show(*wrong)
    size = len(lab.bridge.process.log_text())
    good.restart()
    unavailable(lambda: set_name(lab, user, "Unproved"))
    lab.scim.get(f"/Users/{user['id']}").expect(200)
    told = [line for line in log_since(lab.bridge, size).splitlines() if "directory_unreachable" in line]
    assert {"name": "for another name", "expired": "has expired", "authority": "no authority"}[what] in told[-1], told
    checked = subprocess.run([*lab.bridge.process.argv[:-1], "check"], capture_output=True, text=True, check=False)
    assert checked.returncode != 0 and "certificate" in (checked.stdout + checked.stderr), checked


def test_42_a_new_authority_counts_without_a_restart(good):
    lab, user = good.lab, good.lab.user()
    new = Authority(good.folder / "new", "New CA")
    good.show(*new.issue("good", alternative=HOST))
    good.restart()
    unavailable(lambda: set_name(lab, user, "Not yet"))
    good.trust(new)
    set_name(lab, user, "Trusted").expect(200)
    live(lab)


@pytest.mark.parametrize("cut", ["cut_request", "lose_answer"])
def test_06_a_reset_while_tls_begins_is_no_reason_for_clear_text(encrypted, cut):
    """Next server tried; no password goes where nothing is encrypted."""
    lab, user = encrypted.lab, encrypted.lab.user()
    lab.bridge.process.stop()
    configure(lab.bridge, f'"{lab.slapd.uri}"', f'"{lab.proxy.uri}", "{lab.slapd.uri}"')
    lab.proxy.seen.clear()
    traps = [getattr(lab.proxy, cut)("extended") for _ in range(200)]
    try:
        lab.bridge.process.start()
        assert traps[0].sprung.is_set() and "bind" not in lab.proxy.seen
        eventually(lambda: metric(lab.bridge, "kiops_ldap_server") == 1)
        lab.scim.get("/Users", filter='userName eq "nobody"').expect(200)
        unavailable(lambda: set_name(lab, user, "In clear"))
        assert "bind" not in lab.proxy.seen
    finally:
        lab.proxy.traps = {"request": [], "answer": []}
        lab.bridge.process.stop()
        configure(lab.bridge, f'"{lab.proxy.uri}", "{lab.slapd.uri}"', f'"{lab.slapd.uri}"')
        lab.bridge.process.start()


class Silent:
    """Takes connections, says yes to StartTLS where it is asked for, and nothing in the handshake."""

    def __init__(self, way):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"{'ldaps' if way == 'ldaps' else 'ldap'}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.way, self.taken = way, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                self.taken.append(self.listener.accept()[0])
                if self.way == "start_tls":
                    self.taken[-1].sendall(result(self.taken[-1].recv(4096), 0))
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        for one in (self.listener, *self.taken):
            one.close()


@pytest.mark.parametrize("way", ["start_tls", "ldaps"])
def test_06_a_server_that_is_silent_in_the_handshake_costs_its_time_and_no_more(encrypted, way):
    """The next one is read from, a write is 503 in time, and nothing spins meanwhile."""
    lab, user, silent = encrypted.lab, encrypted.lab.user(), Silent(way)
    lab.bridge.process.stop()
    configure(lab.bridge, f'"{lab.slapd.uri}"', f'"{silent.uri}", "{lab.slapd.uri}"')
    try:
        lab.bridge.process.start()
        eventually(lambda: metric(lab.bridge, "kiops_ldap_server") == 1)
        used, began = processor_s(lab), time.monotonic()
        unavailable(lambda: set_name(lab, user, "Unsaid"))
        assert silent.taken and processor_s(lab) - used < (time.monotonic() - began) / 2
    finally:
        lab.bridge.process.stop()
        silent.close()
        configure(lab.bridge, f'"{silent.uri}", "{lab.slapd.uri}"', f'"{lab.slapd.uri}"')
        lab.bridge.process.start()


def processor_s(lab):
    fields = Path(f"/proc/{lab.bridge.process.pid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_28_a_directory_that_takes_no_clear_text_is_a_refusal_to_start(encrypted):
    lab = encrypted.lab
    lab.bridge.process.stop()
    view = lab.view(dn="cn=config")
    configure(lab.bridge, 'start_tls = "required"', 'start_tls = "off"')
    view.modify("cn=config", ("add", "olcSecurity", "simple_bind=64"))
    try:
        with pytest.raises(RuntimeError, match=r"encrypted connection: set directory\.start_tls"):
            lab.bridge.process.start()
    finally:
        lab.slapd.process.stop()
        lab.slapd.process.start()
        configure(lab.bridge, 'start_tls = "off"', 'start_tls = "required"')
        lab.bridge.process.start()
    live(lab)


@pytest.fixture
def socket_folder():
    folder = tempfile.mkdtemp(prefix="kiops-")  # the path of a socket has to be short
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("scheme", ["ldaps", "ldapi"])
def test_the_other_ways_in(tmp_path, socket_folder, scheme):
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("good", alternative=HOST)
    me = f"gidNumber={os.getgid()}+uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
    lines = (f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\nTLSCACertificateFile {authority.certificate}\n"
             f'authz-regexp "{me.replace("+", "[+]")}" "{site.BRIDGE}"')
    lab = Lab(tmp_path / "lab", slapd={"modules": lines}, bridge={"directory": SHORT})
    lab.bridge.process.stop()
    lab.slapd.process.stop()
    port = lab.slapd.port + 1000  # free_port() looked at it
    uri = f"ldaps://127.0.0.1:{port}" if scheme == "ldaps" else "ldapi://" + str(Path(socket_folder, "s")).replace("/", "%2F")
    lab.slapd.process.argv[lab.slapd.process.argv.index(lab.slapd.uri)] += f" {uri}"
    lab.slapd.process.start()
    configure(lab.bridge, f'"{lab.slapd.uri}"', f'"{uri}"')
    configure(lab.bridge, 'start_tls = "off"', f'start_tls = "required"; ca_file = "{authority.certificate}"')
    if scheme == "ldapi":  # SASL EXTERNAL: no name, no password
        configure(lab.bridge, f'bind_dn = "{site.BRIDGE}";\n  bind_password_file = "ldap.password";', 'bind_dn = "";')
        (lab.bridge.home / "ldap.password").unlink()
    lab.bridge.process.start()
    live(lab)
    lab.person("mina").get("/Users?count=0").expect(200)
    lab.close()
