"""A remote SCIM provider that plays a script: a small, correct one, whose answers a test bends."""

import json
import re
import socket
import ssl
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, unquote, urlsplit

from scim import GROUP, USER

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
MEMBER = re.compile(r'members\[value eq "([^"]*)"\]')
COMPARISON = re.compile(r'(\w+) eq (".*"|true|false)')
TOKEN = "a-token-of-the-provider"


@dataclass
class Step:
    """What happens to the next request that fits. `status`: answered so, and not obeyed, unless `obeyed`; `cut`: the
    connection is closed instead of an answer, "before" it is obeyed or "after"; `half`: only half of the answer comes;
    `body`: these bytes; `wait`: seconds; `do`: is called first."""
    method: str = ""
    path: str = ""
    times: int = 1
    status: int = 0
    obeyed: bool = False
    headers: dict = field(default_factory=dict)
    cut: str = ""
    half: bool = False
    body: bytes = None
    wait: float = 0
    do: object = None

    def fits(self, method, target):
        return self.times > 0 and self.method in ("", method) and self.path in target


class Refused(Exception):
    def __init__(self, status, detail, scim_type=None):
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


class Provider:
    """`page`: its own largest page; `cursor`, `etag`, `filters`: what it can; `config`: None = it has no
    ServiceProviderConfig. `bend(document, query)` may change a list before it is sent. `kill(method)`: true when it has
    killed who asks, before or after that is obeyed (`kill_cut`)."""

    def __init__(self, *, tls=None, **can):
        self.can = {"page": 1000, "cursor": False, "etag": True, "filters": True, "config": True, "total": True} | can
        self.users, self.groups, self.numbers = {}, {}, count(1)
        self.script, self.log, self.connections = [], [], 0
        self.bend, self.token, self.lock = None, TOKEN, threading.RLock()
        self.kill, self.kill_cut = None, "before"
        self.server = Server(("127.0.0.1", 0), self.handler())
        self.port = self.server.server_port
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/scim/v2"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def next(self, **step):
        self.script.append(Step(**step))

    def sent(self, *methods):
        """Requests so far as "METHOD path"; those of these methods."""
        return [f"{m} {t}" for m, t, _ in self.log if not methods or m in methods]

    def writes(self):
        return self.sent("POST", "PUT", "PATCH", "DELETE")

    # ---- resources

    def add(self, kind, **attributes):
        new = f"{kind[0].lower()}{next(self.numbers):06}"
        resource = {"schemas": [USER if kind == "Users" else GROUP], "id": new, **attributes}
        self.of(kind)[new] = resource
        self.touch(kind, resource)
        return new

    def fill(self, n, kind="Users"):
        return [self.add(kind, userName=f"remote{i}", active=True) for i in range(n)]

    def of(self, kind):
        return {"Users": self.users, "Groups": self.groups}[kind]

    def touch(self, kind, resource):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        resource["meta"] = {"resourceType": kind[:-1], "lastModified": now}
        if self.can["etag"]:
            resource["meta"]["version"] = f'W/"{next(self.numbers)}"'

    def named(self, name):
        return next(u for u in self.users.values() if u["userName"] == name)

    def check_free(self, resource, own=None):
        name = resource.get("userName", "").lower()
        if name and any(u["userName"].lower() == name for u in self.users.values() if u["id"] != own):
            raise Refused(409, "userName is taken", "uniqueness")

    # ---- requests

    def answer(self, method, target, headers, body):
        """(status, headers, document)"""
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(401, "who are you?")
        parts = urlsplit(target)
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        kind, _, one = parts.path.removeprefix("/scim/v2/").partition("/")
        if kind == "ServiceProviderConfig" and self.can["config"]:
            return 200, {}, self.features()
        if kind not in ("Users", "Groups"):
            raise Refused(404, "no such endpoint")
        if one:
            return self.one(method, kind, unquote(one), headers, body)
        return self.list(kind, query) if method == "GET" else self.create(kind, body)

    def features(self):
        return {"patch": {"supported": True}, "etag": {"supported": self.can["etag"]},
                "filter": {"supported": self.can["filters"], "maxResults": self.can["page"]},
                "pagination": {"cursor": self.can["cursor"], "index": True}}

    def list(self, kind, query):
        found = [r for r in self.of(kind).values() if self.matches(r, query.get("filter"))]
        size = min(int(query["count"]), self.can["page"])
        by_cursor = "cursor" in query
        start = int(query["cursor"] or 1) if by_cursor else int(query.get("startIndex", 1))
        page = deepcopy(found[start - 1:start - 1 + size])
        document = {"schemas": [LIST], "totalResults": len(found), "itemsPerPage": len(page), "Resources": page}
        if not self.can["total"]:
            del document["totalResults"]
        if not by_cursor:
            document["startIndex"] = start
        elif start + size <= len(found):
            document["nextCursor"] = str(start + size)
        for name in query.get("excludedAttributes", "").split(","):
            for resource in page:
                resource.pop(name, None)
        if self.bend:
            self.bend(document, query)
        return 200, {}, document

    def matches(self, resource, text):
        if not text:
            return True
        name, value = COMPARISON.fullmatch(text).groups()
        have, want = resource.get(name), json.loads(value)
        return have.lower() == want.lower() if name == "userName" and have else have == want

    def create(self, kind, body):
        self.check_free(body)
        new = self.add(kind, **{k: v for k, v in body.items() if k not in ("id", "meta")})
        return self.shown(201, self.of(kind)[new])

    def one(self, method, kind, one, headers, body):
        resource = self.of(kind).get(one)
        if resource is None:
            raise Refused(404, "no such resource")
        wanted = headers.get("If-Match")
        if method != "GET" and self.can["etag"] and wanted not in (None, "*", resource["meta"]["version"]):
            raise Refused(412, "not that version")
        if method == "DELETE":
            del self.of(kind)[one]
            for group in self.groups.values():
                group["members"] = [m for m in group.get("members", ()) if m["value"] != one]
            return 204, {}, None
        if method == "PUT":
            resource = {**body, "id": one}
            self.of(kind)[one] = resource
        if method == "PATCH":
            for operation in body["Operations"]:
                self.patch(resource, operation)
        if method != "GET":
            self.check_free(resource, one)
            self.touch(kind, resource)
        return self.shown(200, resource)

    def shown(self, status, resource):
        version = resource["meta"].get("version")
        return status, {"ETag": version} if version else {}, deepcopy(resource)

    def patch(self, resource, operation):
        op, path, value = operation["op"], operation["path"], operation.get("value")
        one = MEMBER.fullmatch(path)
        if one:
            resource["members"] = [m for m in resource.get("members", ()) if m["value"] != one[1]]
        elif path == "members" and op == "add":
            have = {m["value"] for m in resource.setdefault("members", [])}
            if any(m["value"] not in self.users for m in value):
                raise Refused(400, "no such member", "invalidValue")
            resource["members"] += [m for m in value if m["value"] not in have]
        else:
            urn, _, name = path.rpartition(":")
            place = resource.setdefault(urn, {}) if urn else resource
            *outer, name = name.split(".")
            for part in outer:
                place = place.setdefault(part, {})
            if op == "remove":
                place.pop(name, None)
            else:
                place[name] = value

    # ---- the wire

    def step(self, method, target):
        with self.lock:
            step = next((s for s in self.script if s.fits(method, target)), None)
            if step:
                step.times -= 1
        return step or Step()

    def play(self, handler, method, target, body):
        step = self.step(method, target)
        if self.kill and self.kill(method):
            step = Step(cut=self.kill_cut)
        if step.do:
            step.do()
        time.sleep(step.wait)
        status, headers, document = step.status, {}, None
        if step.cut != "before" and (not step.status or step.obeyed):
            with self.lock:
                status, headers, document = self.guarded(method, target, handler.headers, body)
        if step.status:
            status, document = step.status, {"schemas": [ERROR], "status": str(step.status), "detail": "as scripted"}
        if step.cut:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        handler.reply(status, headers | step.headers, document, step)

    def guarded(self, method, target, headers, body):
        try:
            return self.answer(method, target, headers, body)
        except Refused as no:
            document = {"schemas": [ERROR], "status": str(no.status), "detail": no.detail}
            if no.scim_type:
                document["scimType"] = no.scim_type
            return no.status, {}, document

    def handler(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                provider.connections += 1

            def handle_one(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                target = self.path.removeprefix("/scim/v2/")
                provider.log.append((self.command, target, body))
                provider.play(self, self.command, self.path, body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def reply(self, status, headers, document, step):
                body = step.body if step.body is not None else json.dumps(document).encode() if document else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/scim+json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[:len(body) // 2] if step.half else body)
                if step.half:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        return Handler
