"""A private nginx with conf/nginx.conf.example in front of a bridge: only names, ports and files are put in."""

import os
import socket
import subprocess
from pathlib import Path

from kiopslab.bridge import REPOSITORY
from lab import eventually, free_port

NGINX = "/usr/sbin/nginx"
NAME = "id.example.org"
MAIN = """daemon off; master_process on; worker_processes 1; pid {home}/pid; error_log {home}/main.log;
events {{ worker_connections 512; }}
http {{ client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u;
  scgi_temp_path {home}/s; include {home}/kiops-bridge.conf; }}
"""


class Nginx:
    """`changes` are (old, new) of the example's text; each must be there."""

    def __init__(self, home, bridge_port, *changes):
        self.home, self.port = Path(home), free_port()
        certificate, key = self.home / "fullchain.pem", self.home / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
                        "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        text = (REPOSITORY / "conf/nginx.conf.example").read_text()
        for old, new in (("127.0.0.1:8480", f"127.0.0.1:{bridge_port}"), ("listen 443", f"listen 127.0.0.1:{self.port}"),
                         ("/etc/ssl/kiops/fullchain.pem", certificate), ("/etc/ssl/kiops/key.pem", key),
                         ("/var/log/nginx/", f"{self.home}/"), *changes):
            assert old in text, old
            text = text.replace(old, str(new))
        (self.home / "kiops-bridge.conf").write_text(text)
        (self.home / "nginx.conf").write_text(MAIN.format(home=self.home))
        self.certificate, self.process = certificate, None

    def start(self):
        arguments = [NGINX, "-e", str(self.home / "start.log"), "-p", str(self.home), "-c", str(self.home / "nginx.conf")]
        if os.getuid() == 0:
            arguments += ["-g", "user root;"]  # the folder is ours alone
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=(self.home / "stderr").open("w"))
        eventually(self.listens, within=30)

    def listens(self):
        assert self.process.poll() is None, (self.home / "stderr").read_text() + (self.home / "start.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def access_log(self):
        return (self.home / "kiops-bridge.access.log").read_text()

    def logs(self):
        """Everything that it has written, logs and bodies that went to a file."""
        return "".join(p.read_text(errors="replace") for p in self.home.rglob("*") if p.is_file() and p.suffix not in (".pem", ".conf"))

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)
