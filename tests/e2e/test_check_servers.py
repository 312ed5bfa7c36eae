"""`check` looks at every server of directory.uris: whose certificate ends soon, and who is not there (faults.md 42)."""

import datetime
import shutil

import pytest
from certs import Authority
from ground import Ground
from kiopslab.slapd import Slapd
from lab import Lab, free_port


class Two(Ground):
    """`ground`, whose slapd and whose second server speak TLS with certificates of their own."""

    def __init__(self, folder):
        self.folder, self.authority = folder, Authority(folder / "ca")
        self.show("first", 300)
        self.show("second", 300)
        super().__init__(lambda **settings: Lab(folder / "lab", **settings), modules=self.lines("first"))
        self.second = Slapd(folder / "two", free_port(), passwords=self.slapd.passwords, modules=self.lines("second"))
        self.second.create([])
        self.second.process.start()
        self.bridge.configuration = self.bridge.configuration.replace(
            f'"{self.slapd.uri}"', f'"{self.slapd.uri}", "{self.second.uri}"').replace(
            'start_tls = "off"', f'start_tls = "required"; ca_file = "{self.authority.certificate}"')
        self.bridge.write_files()

    def lines(self, name):
        return f"TLSCertificateFile {self.folder}/{name}.pem\nTLSCertificateKeyFile {self.folder}/{name}.key"

    def show(self, name, days):
        """A certificate that ends in so many days and five minutes."""
        end = datetime.datetime.utcnow() + datetime.timedelta(days=days, minutes=5)
        made = self.authority.issue(name, alternative="IP:127.0.0.1", begins="20200101000000Z", ends=end.strftime("%Y%m%d%H%M%SZ"))
        for path, kind in zip(made, ("pem", "key")):
            shutil.copy(path, self.folder / f"{name}.{kind}")

    def of(self, name):
        return self.slapd if name == "first" else self.second

    def renew(self, name, days):
        self.of(name).process.stop()
        self.show(name, days)
        self.of(name).process.start()

    def close(self):
        self.lab.close()
        self.second.process.stop()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    made = Two(tmp_path_factory.mktemp("two"))
    yield made
    made.close()


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_certificate_with_days_to_go_is_no_finding(two, name):
    two.renew(name, 31)
    assert two.look() == (0, [], [])


@pytest.mark.finding("certificate-ends")
@pytest.mark.parametrize("name", ["first", "second"])
@pytest.mark.parametrize("days, severity, when", [
    (29, "advice", "ends in 29 days"), (6, "missing", "ends in 6 days"), (0, "missing", "ends within a day")], ids=[30, 7, 1])
def test_a_certificate_that_ends_is_renewed(two, name, days, severity, when):
    two.renew(name, days)
    _, found = two.check()
    assert [(f["code"], f["severity"]) for f in found] == [("certificate-ends", severity)], found
    assert f"the certificate of {two.of(name).uri} {when}" in found[0]["text"] and "renew it" in found[0]["text"]
    two.renew(name, 300)
    assert two.look() == (0, [], [])


@pytest.mark.finding("certificate-ends")
def test_the_second_servers_certificate_has_ended(two):
    two.renew("second", -1)
    _, found = two.check()
    assert [(f["code"], f["severity"]) for f in found] == [("certificate-ends", "missing")], found
    assert f"{two.second.uri} has ended" in found[0]["text"]
    two.renew("second", 300)
    assert two.look() == (0, [], [])


@pytest.mark.finding("server-away")
def test_a_server_that_is_not_there_is_started(two):
    two.second.process.stop()
    _, found = two.check()
    assert [f["code"] for f in found] == ["server-away"] and f"{two.second.uri} cannot be reached" in found[0]["text"], found
    two.second.process.start()
    assert two.look() == (0, [], [])
