"""A small SCIM client: says what it is told to, hides nothing of the answer."""

import base64
import http.client
import json
import urllib.parse
from dataclasses import dataclass

JSON = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
REFUSAL = "urn:kiops:params:scim:api:messages:2.0:Refusal"
KIOPS_USER = "urn:kiops:params:scim:schemas:extension:2.0:User"
KIOPS_ORGANIZATION = "urn:kiops:params:scim:schemas:extension:2.0:Organization"


def read_all(connection):
    """What comes until the other side closes."""
    text = b""
    try:
        while part := connection.recv(65536):
            text += part
    except ConnectionError:
        pass
    return text


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: bytes

    @property
    def json(self):
        return json.loads(self.text)

    def __getitem__(self, name):
        return self.json[name]

    def expect(self, *statuses):
        assert self.status in statuses, f"{self.status}, not {statuses}: {self.text[:2000]!r}"
        return self

    @property
    def etag(self):
        return self.headers["ETag"]

    @property
    def rule(self):
        """Of the Refusal extension; None without one."""
        return self.json.get(REFUSAL, {}).get("rule")


def ask(url, method, path, body, headers):
    """One request to the server of `url`, over a connection of its own."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Scim:
    """One connection a request, so that tests may share a client between threads."""

    def __init__(self, url, token, timeout=30):
        self.url, self.token, self.timeout = url, token, timeout
        parts = urllib.parse.urlsplit(url)
        self.address, self.base = parts.netloc, parts.path

    def authorization(self):
        return f"Bearer {self.token}" if self.token else None

    def call(self, method, path, body=None, headers=None, content_type=JSON):
        """`body`: an object to send as JSON, or bytes as they are. `path` is relative to the base."""
        sent = {"Accept": JSON}
        if self.authorization():
            sent["Authorization"] = self.authorization()
        if body is not None:
            sent["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.bare(method, path, sent | (headers or {}), body)

    def bare(self, method, path, headers, body=None):
        """With these headers and no others of ours; `body` in bytes."""
        connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        try:
            connection.request(method, self.base + path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None, **query):
        """Keyword arguments become the query; `filter` and the like are encoded here."""
        if query:
            path += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        return self.call("GET", path, headers=headers)

    def post(self, path, body, **options):
        return self.call("POST", path, body, **options)

    def put(self, path, body, **options):
        return self.call("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def patch(self, path, *operations, **options):
        """Each operation as (op, path, value), (op, path) or a dictionary as it is to be sent."""
        return self.call("PATCH", path, {"schemas": [PATCH],
                                         "Operations": [patch_operation(o) for o in operations]},
                         **options)

    def find(self, kind, filter_text, **query):
        """The resources of /Users or /Groups that match."""
        return self.get(f"/{kind}", filter=filter_text, **query).expect(200)["Resources"]


class Person(Scim):
    """The same, signed in with user name and password."""

    def __init__(self, url, name, password):
        super().__init__(url, None)
        self.name, self.password = name, password

    def authorization(self):
        return "Basic " + base64.b64encode(f"{self.name}:{self.password}".encode()).decode()


def patch_operation(operation):
    if isinstance(operation, dict):
        return operation
    return {name: part for name, part in zip(("op", "path", "value"), operation) if part is not None}
