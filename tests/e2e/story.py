"""A provider's story: every request is recorded, and what the provider is known to do oddly must really be among them.

An oddity is held against the strict profile when it is first sent: the same bytes are refused there, are answered
otherwise, or, where they are legal, mean the same. (Each oddity alone: tests/data/scim/oddities.json.)"""

import json
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Callable

from kiopslab.bridge import REPOSITORY
from scim import Scim
from tenant import Tenant

REFUSED, OTHERWISE, SAME = "400 in strict", "answered otherwise in strict", "legal"
PROFILES = re.findall(r'\.name = STR_INIT\("([\w-]+)"\)', (REPOSITORY / "src/scim/dialect.c").read_text())


@dataclass
class Sent:
    method: str
    path: str  # decoded, with its query
    body: Any = None  # what the JSON says
    headers: dict = field(default_factory=dict)

    @property
    def operations(self):
        return self.body["Operations"] if self.method == "PATCH" else []

    def is_on(self, method, kind):
        return self.method == method and self.path.startswith(f"/{kind}")


@dataclass(frozen=True)
class Oddity:
    name: str  # with the line of idp-profiles.md
    is_in: Callable[[Sent], bool]
    strict: str


class Teller(Scim):
    """A client that records, and holds each oddity against `strict` once."""

    def __init__(self, url, token, oddities, strict):
        super().__init__(url, token)
        self.oddities, self.strict, self.sent, self.answers, self.seen = oddities, strict, [], [], set()

    def bare(self, method, path, headers, body=None):
        sent = Sent(method, urllib.parse.unquote(path), json.loads(body) if body else None, headers)
        self.sent.append(sent)
        fresh = [o for o in self.oddities if o.name not in self.seen and o.is_in(sent)]
        self.seen |= {o.name for o in fresh}
        request = method, path, headers | {"Authorization": f"Bearer {self.strict.token}"}, body
        if any(o.strict == REFUSED for o in fresh):
            assert self.strict.bare(*request).status == 400, f"strict takes {fresh}"
        answer = super().bare(method, path, headers, body)
        self.answers.append(answer)
        for oddity in fresh:
            if oddity.strict != REFUSED:
                self.compare(oddity, request, answer)
        return answer

    def compare(self, oddity, request, answer):
        """Sent again in strict, which must find everything as it is wanted already."""
        method, path, *_ = request
        before = self.strict.get(path) if method in ("PUT", "PATCH") else None
        again = self.strict.bare(*request)
        if oddity.strict == OTHERWISE:
            assert again.status != answer.status and {again.status, answer.status} < set(range(200, 300)), oddity.name
        elif method == "GET":
            assert (again.status, again.json) == (answer.status, answer.json), oddity.name
        elif method == "POST":
            assert again.status == 409, oddity.name
        else:
            assert again.status in (200, 204) and answer.status in (200, 204), (oddity.name, again.text, answer.text)
        if before:
            assert self.strict.get(path).json == before.json, oddity.name


class Story(Tenant):
    """A Tenant whose every request is looked at. `finish` is the last line of a story."""

    def __init__(self, lab, profile, oddities):
        super().__init__(lab, profile)
        strict = lab.new_token(f"{self.client}-strict", "PlatformAdmin", "--profile", "strict", client=self.client)
        self.scim = Teller(self.scim.url, self.token, oddities, lab.client(strict))

    def holds(self, scim_id, **wanted):
        """What slapd has of an entry; None: no such attribute."""
        entry = self.entry(scim_id)
        assert {name: entry.get(name) for name in wanted} == {
            name: None if value is None else [value] for name, value in wanted.items()}

    def is_active(self, user):
        """As slapd has it: an absent kiopsActive is active."""
        return self.entry(user).get("kiopsActive", ["TRUE"]) == ["TRUE"]

    def manager(self, user, urn):
        return self.stored(user).get(urn, {}).get("manager", {}).get("value")

    def pages(self, kind, count=None):
        """Everything, page by page as `startIndex` = seen + 1; without `count` where a client sends none."""
        seen, total = [], 1
        while len(seen) < total:
            query = {"startIndex": len(seen) + 1} | ({"count": count} if count else {})
            page = self.scim.get(f"/{kind}", **query).expect(200).json
            assert page["Resources"] or not page["totalResults"], "a page without progress"
            total, seen = page["totalResults"], seen + page["Resources"]
        ids = [one["id"] for one in seen]
        assert len(ids) == len(set(ids)) == total
        return seen

    def finish(self):
        missing = [o.name for o in self.scim.oddities if o.name not in self.scim.seen]
        assert not missing, f"the story has none of: {missing}"
        assert not [a for a in self.scim.answers if a.status >= 500 or a.status == 429]


def in_operation(test):
    """An oddity's predicate: some operation of a PATCH is so."""
    return lambda sent: any(test(o) for o in sent.operations)


def removes_by_value(operation):
    return operation["op"].lower() == "remove" and operation.get("path") == "members" and bool(operation.get("value"))
