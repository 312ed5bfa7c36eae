"""RFC 7644 3.3 to 3.5 as a property: after any PUT or PATCH of any client and profile the user is what a simple model
says (resource_model.py), and the directory holds what the mapping makes of it.

KIOPS_PROPERTIES=N tries N sequences at random instead of the short, fixed run of `make check`."""

import json
import os
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from oracle import schema_of
from resource_model import PROFILES, Model, Refused, directory_key, directory_values, shown
from scim import ENTERPRISE, PATCH, USER, Scim

N = int(os.environ.get("KIOPS_PROPERTIES", "0"))
LONG = settings(max_examples=N or 120, derandomize=not N, deadline=None, database=None, print_blob=True,
                suppress_health_check=list(HealthCheck))

TEXTS = ["Kim", "kim", "KIM ", " Kim", "Kim  Min", "Kim Min", "e\u0301", "\u00e9", "\u212a", "Stra\u00dfe", 'a"b\\c', "*)(uid=*", "#x", "a,b+c=d", " ",
         "\U0001f600", "\ufb01n", "\u3000", "\u200b", "x" * 200, "-", "0", "true", "\u0130", "a;b<c>", "\u05d0\u05d1", "{}", "null"]
TYPES = ["work", "home", "Work", "other", "fax", "mobile", "x"]
MULTI = ["emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates"]
VALUES = {"emails": ["a@x.org", "A@X.org", "b@x.org", "\u00e9@x.org", "c@x.org "], "phoneNumbers": ["+49 431-1", "+494311", "+49 431 2", "n\u00b0 5", "-"],
          "x509Certificates": ["AQID", "AQIE", "BBBB"], "photos": ["https://x/a", "https://x/A"]}
ADDRESS = ["streetAddress", "locality", "region", "postalCode", "country", "formatted"]
SINGLE = ["displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone", "profileUrl", "externalId"]
NAME = ["formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"]
ENTERPRISE_TEXTS = ["employeeNumber", "costCenter", "organization", "division", "department"]
NUMBERS = count(1)

texts = st.one_of(st.sampled_from(TEXTS), st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Co", "Cn")), min_size=1, max_size=12))
nothings = st.sampled_from([None, ""])
some_texts = st.one_of(texts, texts, texts, texts, nothings)


@dataclass
class Operation:
    """As a client writes it (`sent`), and taken apart for the model."""

    op: str
    sent: dict
    value: object = None
    attr: object = None
    sub: object = None
    tree: object = None
    extension: bool = False
    dotted: dict = None  # {name that is a path: (attribute, sub, tree)}
    unknown: str = None  # scimType where the profile does not skip it


class Maker:
    """Draws requests. What it does not draw is where the papers say nothing."""

    def __init__(self, draw, model, managers, profile):
        self.draw, self.model, self.managers, self.profile = draw, model, managers, profile

    def pick(self, options):
        return self.draw(st.sampled_from(options))

    def some(self, names, most=3):
        return self.draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=most))

    def user_name(self):
        return f"q{next(NUMBERS)}{self.pick(['', ' x', 'X', 'é', ',+', '  y'])}"

    # ---- values

    def value_of(self, name):
        return self.pick(VALUES[name]) if name in VALUES else self.draw(texts)

    def truth(self):
        return self.pick([True, False, True, False, "True", "false"])

    def item(self, name):
        if name == "addresses":
            item = {part: self.draw(texts) for part in self.some(ADDRESS)}
        else:
            item = {"value": self.value_of(name)}
            if self.draw(st.integers(0, 3)) == 0:
                item["display"] = self.draw(texts)
        if self.draw(st.integers(0, 4)):
            item["type"] = self.pick(TYPES)
        if self.draw(st.integers(0, 3)) == 0:
            item["primary"] = self.pick([True, True, True, False, "True"])
        return item

    def items(self, name):
        return [self.item(name) for _ in range(self.pick((2, 0, 1, 3, 4)))]

    def name(self):
        return {part: self.draw(some_texts) for part in self.some(NAME)}

    def manager(self):
        value = self.pick(self.managers)
        if not self.profile.strict and self.draw(st.booleans()):
            return value
        return {"value": value}

    def enterprise(self):
        value = {part: self.draw(some_texts) for part in self.some(ENTERPRISE_TEXTS)}
        if self.draw(st.integers(0, 2)) == 0:
            value["manager"] = self.manager()
        return value

    def value(self, attr):
        if attr.name == "userName":
            return self.user_name() if self.draw(st.integers(0, 7)) else self.pick(["", " ", None])
        if attr.name == "active":
            return self.truth()
        if attr.name == "manager":
            return self.manager()
        if attr.name == "name":
            return self.name()
        if attr.multi:
            return self.items(attr.name) if self.draw(st.integers(0, 9)) else None
        return self.draw(some_texts)

    def attribute(self):
        if self.draw(st.integers(0, 3)) == 0:
            return self.model.attr(self.pick([*ENTERPRISE_TEXTS, "manager"]), ENTERPRISE)
        return self.model.attr(self.pick([*SINGLE, *MULTI, *MULTI, "name", "name", "active", "userName"]))

    # ---- requests

    def body(self):
        body = {"schemas": [USER, ENTERPRISE], "userName": self.user_name() if self.draw(st.integers(0, 3)) == 0 else None}
        wanted = [self.attribute() for _ in range(self.draw(st.integers(0, 8)))]
        for attr in wanted + [self.model.attr(name) for name in self.some(MULTI, 3)]:
            if attr.name == "userName":
                continue
            holder = body.setdefault(ENTERPRISE, {}) if attr.urn == ENTERPRISE else body
            holder[attr.name] = self.value(attr)
        return body

    def tree(self, attr, depth=1):
        """A value filter: mostly what clients send."""
        form = self.draw(st.integers(0, 9)) if depth else self.pick((3, 3, 6))
        if form == 0:
            return ("not", self.tree(attr, depth - 1))
        if form in (1, 2):
            return (self.pick(("and", "and", "or")), self.tree(attr, depth - 1), self.tree(attr, depth - 1))
        if form == 9:
            return ("cmp", attr.sub("primary"), None, "eq", True)
        if form == 8:
            return ("cmp", attr.sub("type"), None, self.pick(("pr", "ne", "sw")), "w")
        there = self.model.resource.get(attr.name, [])
        item = self.pick(there) if there and self.draw(st.integers(0, 4)) else {}
        if form in (6, 7) and attr.name != "addresses":
            return ("cmp", attr.sub("value"), None, "eq", item.get("value") or self.value_of(attr.name))
        return ("cmp", attr.sub("type"), None, "eq", item.get("type") or self.pick(TYPES))

    def operation(self):
        form = self.draw(st.integers(0, 9))
        if form == 0:
            return self.path_less()
        if form == 1:
            return self.odd()
        attr = self.attribute()
        there = [name for name in MULTI if name in self.model.resource]
        if there and form > 6:
            return self.selected(self.model.attr(self.pick(there)))
        if attr.multi and self.draw(st.integers(0, 2)):
            return self.selected(attr)
        if attr.name == "name" and self.draw(st.booleans()):
            return self.whole(attr, attr.sub(self.pick(NAME)))
        return self.whole(attr)

    def op(self, attr=None):
        return self.pick(("add", "replace") if attr and attr.name == "active" else ("add", "replace", "remove"))

    def sent(self, op, path, value):
        sent = {"op": self.pick((op, op, op.title(), op.upper())), "path": path, "value": value}
        return {k: v for k, v in sent.items() if k != "value" or op != "remove" or v is not None}

    def path(self, attr, tree=None, sub=None):
        text = f"{attr.urn}:{attr.name}" if attr.urn == ENTERPRISE or (attr.urn and self.draw(st.integers(0, 9)) == 0) else attr.name
        cased = self.pick((str, str, str, str.upper, str.lower))
        return cased(text) + (f"[{written(tree)}]" if tree else "") + (f".{cased(sub.name)}" if sub else "")

    def whole(self, attr, sub=None):
        op = self.op(attr)
        value = None
        if sub:
            value = self.draw(some_texts) if op != "remove" else None
        elif op != "remove":
            value = self.value(attr)
            if attr.multi and value and len(value) == 1 and self.draw(st.booleans()):
                value = value[0]
        elif attr.multi and self.draw(st.booleans()):
            value = [{k: v for k, v in i.items() if k != "primary"} for i in self.items(attr.name)] or None
        return Operation(op, self.sent(op, self.path(attr, None, sub), value), value, attr, sub)

    def selected(self, attr):
        op, tree = self.op(), self.tree(attr)
        subs = [attr.sub(n) for n in (ADDRESS if attr.name == "addresses" else ["value", "value", "display"])]
        sub = self.pick([None, None, None, *subs, attr.sub("primary"), attr.sub("type")])
        value = None
        if op != "remove" and sub is None:
            value = self.item(attr.name)
            if self.draw(st.booleans()):
                value.pop("type", None)
        elif op != "remove" and sub.name == "primary":
            value = self.pick([True, True, "TRUE", False])
        elif op != "remove" and sub.name == "type":
            value = self.pick(TYPES)
        elif op != "remove":
            value = self.value_of(attr.name) if sub.name == "value" else self.draw(some_texts)
        return Operation(op, self.sent(op, self.path(attr, tree, sub), value), value, attr, sub, tree)

    def path_less(self):
        op = self.pick(("add", "replace", "add", "replace", "remove"))
        if op != "remove" and self.draw(st.integers(0, 3)) == 0:
            return self.dotted(op)
        if self.draw(st.integers(0, 3)) == 0:
            value = self.enterprise()
            return Operation(op, self.sent(op, ENTERPRISE, value if op != "remove" else None), value, extension=True)
        value = {}
        for attr in [self.attribute() for _ in range(self.draw(st.integers(1, 3)))]:
            holder = value.setdefault(ENTERPRISE, {}) if attr.urn == ENTERPRISE else value
            holder[attr.name] = self.value(attr)
        return Operation(op, {"op": op, "value": value}, value)

    def dotted(self, op):
        """Entra's way: names that are paths."""
        dotted, value = {}, {}
        for _ in range(self.draw(st.integers(1, 3))):
            multi = self.model.attr(self.pick(["emails", "phoneNumbers", "roles"]))
            name, part = self.model.attr("name"), self.pick(NAME)
            attr, sub, tree, sent = self.pick([
                (name, name.sub(part), None, self.draw(some_texts)),
                (self.model.attr("department", ENTERPRISE), None, None, self.draw(some_texts)),
                (multi, multi.sub("value"), ("cmp", multi.sub("type"), None, "eq", self.pick(TYPES)), self.value_of(multi.name))])
            path = f"{attr.urn}:{attr.name}" if attr.urn == ENTERPRISE else attr.name
            path += (f"[{written(tree)}]" if tree else "") + (f".{sub.name}" if sub else "")
            dotted[path], value[path] = (attr, sub, tree), sent
        return Operation(op, {"op": op, "value": value}, value, dotted=dotted)

    def odd(self):
        op = self.pick(("add", "replace", "remove"))
        path, kind = self.pick([("nothing", "invalidPath"), ("id", "mutability"), ("meta.created", "mutability"), ("groups", "mutability")])
        return Operation(op, {"op": op, "path": path, "value": "x"}, unknown=kind)


def written(tree):
    kind, *rest = tree
    if kind == "not":
        return f"not ({written(rest[0])})"
    if kind in ("and", "or"):
        return f"({written(rest[0])}) {kind} ({written(rest[1])})"
    sub, _, op, literal = rest
    return f"{sub.name} pr" if op == "pr" else f"{sub.name} {op} {json.dumps(literal)}"


# ---- the ground

@dataclass
class Client:
    name: str  # of the client: whose externalId it is
    profile: object
    scim: Scim


class Ground:
    def __init__(self, lab):
        self.lab, self.view = lab, lab.view()
        self.schema = schema_of(lab.scim, "Users")
        self.managers = [lab.user()["id"] for _ in range(2)]
        self.clients = []
        for name, profile in (("one", "default"), ("one", "strict"), ("two", "entra"), ("three", "okta")):
            token = lab.new_token(f"{name}-{profile}", "PlatformAdmin", "--profile", profile, client=name)
            self.clients.append(Client(name, PROFILES[profile], lab.client(token)))


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    lab = Lab(tmp_path_factory.mktemp("resources"))
    yield Ground(lab)
    lab.close()


class Sequence:
    """One user, several clients, one request after the other."""

    def __init__(self, ground, data):
        self.ground, self.data = ground, data
        self.resource, self.external = {"active": True}, {}  # externalId of each client
        client = data.draw(st.sampled_from(ground.clients), "creator")
        model = self.model(client)
        body = Maker(data.draw, model, ground.managers, client.profile).body()
        body["userName"] = body["userName"] or f"q{next(NUMBERS)}"
        note(f"{client.profile.name} POST {json.dumps(body)}")
        wanted = self.judged(lambda: model.replaced(client.profile, body))
        answer = client.scim.post("/Users", body)
        self.alive = not isinstance(wanted, Refused)
        if not self.alive:
            assert (answer.status, answer["scimType"]) == (400, str(wanted)), answer.text
            return
        self.id = answer.expect(201)["id"]
        assert answer.json == self.read(client), "answered otherwise than read"
        self.take(client, wanted)

    def model(self, client):
        mine = {"externalId": self.external[client.name]} if client.name in self.external else {}
        return Model(self.ground.schema, self.resource | mine)

    def step(self):
        draw = self.data.draw
        client = draw(st.sampled_from(self.ground.clients))
        model = self.model(client)
        maker = Maker(draw, model, self.ground.managers, client.profile)
        before = self.read(client)
        if draw(st.integers(0, 3)) == 0:
            body = maker.body()
            body["userName"] = body["userName"] or self.resource["userName"]
            note(f"{client.profile.name} PUT {json.dumps(body)}")
            wanted = self.judged(lambda: model.replaced(client.profile, body))
            answer = client.scim.put(f"/Users/{self.id}", body)
            self.settle(client, before, wanted, answer, body)
        else:
            operations = [maker.operation() for _ in range(draw(st.integers(1, 4)))]
            note(f"{client.profile.name} PATCH {json.dumps([o.sent for o in operations])}")
            wanted = self.judged(lambda: model.patched(client.profile, operations))
            answer = client.scim.call("PATCH", f"/Users/{self.id}", {"schemas": [PATCH], "Operations": [o.sent for o in operations]})
            self.settle(client, before, wanted, answer, operations[0] if len(operations) == 1 else None)

    @staticmethod
    def judged(run):
        try:
            return run()
        except Refused as refused:
            return refused

    def read(self, client):
        return client.scim.get(f"/Users/{self.id}").expect(200).json

    def settle(self, client, before, wanted, answer, single):
        """`single`: what was sent, where only one thing can have been wrong with it."""
        if isinstance(wanted, Refused):
            assert answer.status == 400, (str(wanted), answer.status, answer.text)
            assert single is None or answer["scimType"] == str(wanted), answer.text
            assert self.read(client) == before, "refused, and something changed"
            return
        assert answer.status == 200, answer.text
        now = self.read(client)
        assert answer.json == now, "answered otherwise than read"
        assert (before["meta"] == now["meta"]) == (without_meta(before) == without_meta(now)), "version and content move together"
        self.take(client, wanted)

    def take(self, client, wanted):
        """That is what it must be from now on, for everybody."""
        self.external.pop(client.name, None)
        if "externalId" in wanted:
            self.external[client.name] = wanted["externalId"]
        self.resource = {k: v for k, v in wanted.items() if k != "externalId"}
        self.check_others()
        self.check_directory()

    def check_others(self):
        for other in self.ground.clients:
            mine = {"externalId": self.external[other.name]} if other.name in self.external else {}
            assert shown(self.read(other)) == shown(self.resource | mine), f"as {other.profile.name} sees it"

    def check_directory(self):
        _, entry = self.ground.view.by_id(self.id)
        for ldap, texts_ in directory_values(self.resource).items():
            have = entry.get(ldap, [])
            if not texts_ and ldap in ("cn", "sn"):
                assert len(have) == 1, "what the class demands is filled in"
                continue
            assert {directory_key(ldap, t) for t in have} == {directory_key(ldap, t) for t in texts_}, ldap
            assert set(have) <= set(texts_), f"{ldap} is spelled as it was sent"
        assert entry.get("kiopsActive", ["TRUE"]) == ["TRUE" if self.resource["active"] else "FALSE"]
        assert sorted(entry.get("kiopsExternalId", ())) == sorted(f"{c}:{v}" for c, v in self.external.items())


def without_meta(resource):
    return {k: v for k, v in resource.items() if k != "meta"}


@LONG
@given(data=st.data())
def test_a_user_is_what_the_model_says_after_any_sequence(ground, data):
    sequence = Sequence(ground, data)
    for _ in range(data.draw(st.integers(1, 6), "steps") if sequence.alive else 0):
        sequence.step()
    if sequence.alive:
        ground.lab.scim.delete(f"/Users/{sequence.id}").expect(204)
