"""Certificates as an operator makes them, with openssl."""

import subprocess
from pathlib import Path

NAME = "id.example.org"


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Authority:
    """A CA in a folder. Its certificates are for NAME unless told otherwise."""

    def __init__(self, home, name="Test CA"):
        self.home = Path(home)
        self.home.mkdir()
        self.certificate, self.key = self.home / "ca.pem", self.home / "ca.key"
        openssl("req", "-x509", *ec(), "-nodes", "-days", 10, "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, *, use="serverAuth", begins=None, ends=None, common_name=NAME, alternative=None):
        """(certificate, key); `begins`, `ends`: YYYYMMDDHHMMSSZ, by default for three days from now; `alternative`: 'IP:127.0.0.1'."""
        certificate, key, request, extra = (self.home / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        openssl("req", *ec(), "-nodes", "-subj", f"/CN={common_name}", "-keyout", key, "-out", request)
        extra.write_text(f"subjectAltName={alternative or 'DNS:' + common_name}\nextendedKeyUsage={use}\nbasicConstraints=CA:FALSE\n")
        if ends is None:
            openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", 3,
                    "-extfile", extra, "-out", certificate)
        else:
            self.issue_dated(request, extra, certificate, begins, ends)
        key.chmod(0o600)
        return certificate, key

    def issue_dated(self, request, extra, certificate, begins, ends):
        (self.home / "index").write_text("")
        (self.home / "ca.conf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.home}/index\nnew_certs_dir={self.home}\n"
                                           f"serial={self.home}/serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        openssl("ca", "-batch", "-config", self.home / "ca.conf", "-create_serial", "-in", request, "-cert", self.certificate,
                "-keyfile", self.key, "-startdate", begins, "-enddate", ends, "-extfile", extra, "-notext", "-out", certificate)


def ec():
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"
