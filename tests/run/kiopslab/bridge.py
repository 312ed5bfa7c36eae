"""A bridge in a folder of its own: configuration, command line, process."""

import os
import subprocess
from pathlib import Path

from . import site
from .process import Process

REPOSITORY = Path(__file__).resolve().parents[3]
THREADS = max(2, os.cpu_count() or 2)  # more than cores only get in each other's way
METRICS_OFFSET = 1000  # metrics_listen is the SCIM port plus this

CONFIGURATION = """\
server = {{
  listen = [ "127.0.0.1:{port}" ];
  public_url = "http://127.0.0.1:{port}";
  trusted_proxies = [ "127.0.0.1" ];
  metrics_listen = "127.0.0.1:{metrics_port}";
  threads = {threads};
}};
directory = {{
  uris = [ "{uri}" ];
  start_tls = "off";
  bind_dn = "{bridge}";
  bind_password_file = "ldap.password";
  operator = {{ bind_dn = "{operator}"; bind_password_file = "operator.password"; }};
  users = {{ base = "{people}"; create_in = "{people}"; {users} }};
  organizations = {{ base = "{organizations}"; create_in = "{organizations}";
                    placeholder_dn = "{placeholder}"; {organizations_more} }};
  platform = {{ admins_dn = "{admins}"; tokens_base = "{tokens}"; jobs_base = "{jobs}"; }};
{directory}}};
mapping = {{ schema_dir = "{repository}/scim-schema"; {mapping} }};
scim = {{ cursor_key_file = "cursor.key"; {scim} }};
limits = {{ requests_per_s = 0; {limits} }};
audit = {{ dir = "audit"; sync = "{sync}"; }};
auth = {{ {auth} }};
console = {{ enabled = {console}; {console_more}}};
signup = {{ enabled = {signup}; container = "{pending}"; {signup_more} }};
{more}"""


class Bridge:
    """`directory`, `users` and `organizations` in it, `mapping`, `limits` and `scim` are settings for those groups, `auth` all of that group, `signup` and `console` settings that switch them on, `more` whole groups for the end."""

    def __init__(self, home, port, binary, slapd, *, durable=False, uri=None, directory="",
                 users="", organizations="", mapping="", limits="", scim="", auth="basic = true;", more="", signup=None,
                 console=None,
                 prefix=()):
        self.home = Path(home)
        self.binary = str(Path(binary).resolve())
        self.page = f"http://127.0.0.1:{port}"
        self.url = f"{self.page}/scim/v2"
        self.metrics_url = f"http://127.0.0.1:{port + METRICS_OFFSET}"
        self.conf = self.home / "kiops-bridge.conf"
        self.passwords = slapd.passwords
        self.configuration = CONFIGURATION.format(
            port=port, metrics_port=port + METRICS_OFFSET, threads=THREADS, uri=uri or slapd.uri, bridge=site.BRIDGE,
            operator=site.OPERATOR, people=site.PEOPLE, organizations=site.ORGANIZATIONS,
            placeholder=site.PLACEHOLDER, admins=site.ADMINS, tokens=site.TOKENS, jobs=site.JOBS,
            repository=REPOSITORY, sync="batch" if durable else "none", directory=directory + slapd.settings,
            users=users, organizations_more=organizations, mapping=mapping, limits=limits, scim=scim, auth=auth, more=more,
            signup="false" if signup is None else "true", pending=site.PENDING, signup_more=signup or "",
            console="false" if console is None else "true",
            console_more="" if console is None else f'session_key_file = "session.key"; {console}')
        self.process = Process(
            name=self.home.name, argv=[*prefix, self.binary, "-c", str(self.conf), "serve"],
            mark=str(self.conf), log=str(self.home / "log"), pid_file=str(self.home / "pid"),
            probe=self.metrics_url + "/readyz", env={})

    def create(self):
        (self.home / "audit").mkdir(parents=True, mode=0o700)
        self.write_files()

    def write_files(self):
        for name, text in (("ldap.password", self.passwords.bridge),
                           ("operator.password", self.passwords.operator),
                           ("cursor.key", self.passwords.cursor),
                           ("session.key", self.passwords.session),
                           ("kiops-bridge.conf", self.configuration)):
            path = self.home / name
            path.touch(mode=0o600)
            path.write_text(text)

    def cli(self, *words):
        """Runs a subcommand; its standard output. Raises with its complaint when it fails."""
        done = subprocess.run([*self.process.argv[:-1], *words], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kiops-bridge {words[0]}: {done.returncode}: {done.stderr}")
        return done.stdout

    def new_token(self, name, *options):
        return self.cli("token", "create", name, *options, "--expires", "never").strip()
