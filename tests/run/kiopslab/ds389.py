"""A private 389 Directory Server on loopback, in a folder of its own: no system directory is written, nobody's right is
needed, and it is a child of whoever starts it."""

import getpass
import shutil
import subprocess
from pathlib import Path

from . import site
from .entries import ssha
from .process import Process

REPOSITORY = Path(__file__).resolve().parents[3]
NS_SLAPD = "/usr/sbin/ns-slapd"
SHARE = Path("/usr/share/dirsrv")
BACKEND = "userRoot"
FOLDERS = ("config", "lock", "tmp", "ldif", "bak", "run", "log", "db")


def template(name):
    """The entries of one of the package's templates."""
    lines = (SHARE / "data" / name).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return [entry.strip("\n") for entry in text.split("\n\n") if entry.strip()]


class Ds389:
    def __init__(self, home, port, *, durable=False, passwords=None):
        self.home, self.port, self.durable = Path(home), port, durable
        self.uri = f"ldap://127.0.0.1:{port}"
        self.passwords = passwords or site.Passwords()

    def names(self):
        folders = {f"{name}_dir": str(self.home / name) for name in FOLDERS}
        return {**folders, "schema_dir": str(self.home / "config/schema"), "cert_dir": folders["config_dir"], "inst_dir": str(self.home), "fqdn": "localhost",
                "ds_port": str(self.port), "ds_user": getpass.getuser(), "rootdn": site.ROOT, "ds_passwd": ssha(self.passwords.root),
                "ds_suffix": site.BASE, "ds_bename": BACKEND, "db_home_dir": folders["db_dir"], "db_lib": "bdb",
                "ldapi_enabled": "off", "ldapi": str(self.home / "ldapi"), "ldapi_autobind": "off"}

    def create(self, entries, *_):
        for name in FOLDERS:
            (self.home / name).mkdir(parents=True, mode=0o700, exist_ok=True)
        (self.home / "config/schema").mkdir(mode=0o700)
        text = "\n\n".join((*template("template-dse.ldif"), *template("template-suffix-db.ldif"))) + "\n"
        for name, value in self.names().items():
            text = text.replace(f"%{name}%", value)
        (self.home / "config/dse.ldif").write_text(text)
        for name in ("slapd-collations.conf", "certmap.conf"):
            shutil.copy(Path("/etc/dirsrv/config", name), self.home / "config")
        shutil.copy("/etc/dirsrv/schema/99user.ldif", self.home / "config/schema")
        (self.home / "ldif/entries.ldif").write_text("".join(entries))
        subprocess.run([NS_SLAPD, "ldif2db", "-D", str(self.home / "config"), "-n", BACKEND,
                        "-i", str(self.home / "ldif/entries.ldif")], check=True)
        self.process = Process(
            name="ds389", argv=[NS_SLAPD, "-D", str(self.home / "config"), "-i", str(self.home / "run/pid"), "-d", "0"],
            mark=str(self.home / "config"), log=str(self.home / "log/output"), pid_file=str(self.home / "pid"),
            probe=self.uri, env={})
