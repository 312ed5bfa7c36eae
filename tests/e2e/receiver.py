"""What a webhook reaches: a real HTTP server that keeps what was posted, and answers as a test says; and the fixtures of
those who ask what is told."""

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lab import Lab, eventually

SECRET = "a secret of the receiver and the bridge alone"


@dataclass
class Post:
    path: str
    headers: dict
    body: bytes

    @property
    def notice(self):
        return json.loads(self.body)

    def is_signed(self, secret=SECRET):
        """As README tells a receiver to check it."""
        wanted = "sha256=" + hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, self.headers["X-Kiops-Signature"])


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True
    allow_reuse_address = True


class Receiver:
    """`answers`: (status, headers) for the next posts; then `answer` for all, with `page`. `gate`: posts are answered
    while it is set."""

    def __init__(self, port=0):
        self.posts, self.fetched, self.answers, self.answer, self.page = [], [], [], (204, {}), b""
        self.gate = threading.Event()
        self.gate.set()
        self.port = port
        self.open()

    def open(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append(Post(self.path, dict(self.headers.items()), body))
                status, headers = receiver.answers.pop(0) if receiver.answers else receiver.answer
                receiver.gate.wait()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(receiver.page)
                except OSError:
                    pass  # the other side had enough

            def do_GET(self):
                receiver.fetched.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook/in-the-path-a-secret?of=the-url"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        """Nobody listens any more, until open()."""
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def of(self, user):
        """The posts about that user so far, tries too."""
        return [post for post in self.posts if post.notice["user"]["value"] == user]

    def first(self, user, within=10):
        return eventually(lambda: self.of(user), within=within)[0]


def settings(receiver, folder, timeout_s=5, secret=SECRET):
    """The group for a Bridge's `more`; the secret's file is made in `folder`."""
    path = Path(folder) / "webhook.secret"
    path.touch(mode=0o600)
    path.write_text(secret + "\n")
    return f'webhook = {{ url = "{receiver.url}"; secret_file = "{path}"; timeout_s = {timeout_s}; }};'


# ---- what is told ----

OFF = ("replace", "active", False)


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ground(receiver, tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True,
               bridge={"more": settings(receiver, tmp_path_factory.mktemp("secret"))})
    made.push = made.client(made.new_token("asks", "PlatformAdmin", "--push-mode", "request", "--option", "write_roles=yes"))
    yield made
    made.close()


@pytest.fixture
def told(ground, receiver):
    """Notices since the test began, once all that could be told has been. They are sent in order; with `settled`, also
    what is looked at again after a second."""
    before = len(receiver.posts)

    def notices(settled=True):
        last = ground.user()["id"]
        if settled:
            ground.organization(managers=[last])
            ground.scim.patch(f"/Users/{last}", OFF).expect(200)
        else:
            by_members(ground, ground.organization()["id"], last)
        receiver.first(last)
        return [p.notice for p in receiver.posts[before:] if p.notice["user"]["value"] != last]

    return notices


def brief(notices):
    return [(n["event"], n["organization"]["value"], n["user"]["value"]) for n in notices]


def by_members(ground, group, user):
    ground.push.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(200)


def request_of(group):
    return f"{group}:{time.strftime('%Y%m%d%H%M%SZ', time.gmtime())}.feedf00d"
