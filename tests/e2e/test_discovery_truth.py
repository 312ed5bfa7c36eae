"""scim-conformance.md lines 41, 43, 212-217, 220, 221: what discovery lists is what the bridge does. The walk goes
through every attribute of every resource type, with two extensions of an administrator's own loaded: the shipped example
and one with every type and characteristic, once kept in kiopsResource and once in LDAP attributes."""

import base64
import json
from pathlib import Path

import pytest
import truth
from lab import Lab
from scim import ENTERPRISE, KIOPS_ORGANIZATION, KIOPS_USER, PATCH, REFUSAL, USER

DATA = Path(__file__).resolve().parents[1] / "data/schemas"
EVERY = "urn:example:params:scim:schemas:extension:1.0:EveryKind"
BADGE = "urn:example:params:scim:schemas:extension:1.0:Badge"
# What is readOnly must come from somewhere: `given` is mapped in both.
DEFAULTS = {"active": True, "joinPolicy": "closed"}  # what absence means, and is shown as
STORED = {"given": "x121Address"}
MAPPED = STORED | {
    "text": "roomNumber", "exact": "labeledURI", "flag": "carLicense", "whole": "physicalDeliveryOfficeName",
    "when": "postOfficeBox", "bytes": "userPKCS12", "texts": "businessCategory", "numbers": "ou", "blobs": "audio",
    "times": "street", "box.inner": "initials", "boxes": "description", "secret": "destinationIndicator",
    "once": "employeeType", "asked": "l"}


def settings(rows):
    user = ", ".join(f'{{ scim = "{EVERY}:{name}"; ldap = "{ldap}"; }}' for name, ldap in rows.items())
    return {"mapping": f'extra_schemas = [ "{DATA}/every_kind.json", "examples/badge.json" ]; user = ( {user} );'}


@pytest.fixture(scope="module", params=["stored", "mapped"])
def lab(request, tmp_path_factory):
    rows = MAPPED if request.param == "mapped" else STORED
    made = Lab(tmp_path_factory.mktemp(request.param), bridge=settings(rows))
    yield made
    made.close()


@pytest.fixture(scope="module")
def scim(lab):
    return lab.scim


@pytest.fixture(scope="module")
def kinds(scim):
    return truth.kinds(scim)


@pytest.fixture(scope="module")
def users(lab):
    return [lab.user() for _ in range(3)]


class Walk:
    """One resource type's resources as discovery says they are; what does not hold is noted, so that one run says all."""

    def __init__(self, lab, kind, users):
        self.scim, self.kind, self.users, self.wrong = lab.scim, kind, users, []

    def body(self, attributes):
        body = {"schemas": [self.kind.core]}
        for attr in attributes:
            attr.into(body, truth.value(attr, self.users))
        return body | {"schemas": [self.kind.core, *(urn for urn in self.kind.extensions if urn in body)]}

    def make(self, *attributes):
        """A new resource with what is required and these; as sent, and its path."""
        required = [a for a in self.kind.attributes if a.required and not a.is_extension and a not in attributes]
        body = self.body([*required, *attributes])
        made = self.scim.post(self.kind.endpoint, body).expect(201).json
        return body, f"{self.kind.endpoint}/{made['id']}"

    def get(self, at, **query):
        return self.scim.get(at, **query).expect(200).json

    def found(self, at, condition):
        condition += f' and id eq "{at.rsplit("/", 1)[1]}"' if condition.endswith((" pr", " true", " false")) else ""
        answer = self.scim.get(self.kind.endpoint, filter=condition)
        if answer.status != 200:
            self.wrong.append(f"{condition}: {answer.status} {answer.json.get('detail')}")
            return None
        return at.rsplit("/", 1)[1] in [r["id"] for r in answer["Resources"]]

    def expect(self, true, *what):
        if not true:
            self.wrong.append(" ".join(map(str, what)))

    def patch(self, at, *operation, status=(200, 204)):
        answer = self.scim.patch(at, operation)
        self.expect(answer.status in status, *operation, "->", answer.status, answer.text[:300])
        return answer

    def done(self):
        assert not self.wrong, f"{len(self.wrong)} of {self.kind.name}:\n" + "\n".join(self.wrong)


@pytest.fixture(params=["User", "Group"])
def walk(request, lab, kinds, users):
    walk = Walk(lab, next(k for k in kinds if k.name == request.param), users)
    yield walk
    walk.done()


def read_write(walk):
    return [a for a in walk.kind.attributes if a.mutability == "readWrite"]


def leaves(attr):
    """The attribute, or its writable sub-attributes."""
    return [sub for sub in attr.subs if truth.writable(sub)] if attr.type == "complex" else [attr]


# ---- discovery itself


def test_every_type_with_an_endpoint_is_walked(kinds):
    assert {k.name for k in kinds} >= {"User", "Group"}
    assert {EVERY, BADGE} <= set(next(k for k in kinds if k.name == "User").extensions)


@pytest.mark.line(41)
def test_definitions_are_complete(kinds):
    keys = {"name", "type", "multiValued", "description", "required", "caseExact", "mutability", "returned", "uniqueness"}
    for attr in (x for k in kinds for a in k.attributes for x in (a, *a.subs)):
        assert keys <= set(attr.definition) and None not in attr.definition.values(), attr.path
        assert attr.description and ("subAttributes" in attr.definition) == (attr.type == "complex"), attr.path
        if attr.type in ("reference", "binary"):
            assert attr.caseExact, attr.path  # RFC 7643 2.3.6, 2.3.7


@pytest.mark.line(212)
def test_schemas_are_those_of_resources(scim, kinds):
    listed = {s["id"] for s in scim.get("/Schemas").json["Resources"]}
    assert not [urn for urn in listed if ":api:messages:" in urn]
    for urn in (PATCH, REFUSAL):
        scim.get(f"/Schemas/{urn}").expect(404)
    for kind in kinds:
        assert {kind.core, *kind.extensions} <= listed
        for urn in (kind.core, *kind.extensions):
            assert scim.get(f"/Schemas/{urn}").expect(200)["id"] == urn
    for kind in scim.get("/ResourceTypes").json["Resources"]:  # line 220
        assert not any(e["required"] for e in kind.get("schemaExtensions", []))


# ---- every attribute


@pytest.mark.line(43)
def test_what_is_created_is_read_back(walk):
    for attr in [a for a in walk.kind.attributes if a.mutability in ("readWrite", "immutable")]:
        body, at = walk.make(attr)
        want, got = truth.shown(attr, attr.of(body)), attr.of(walk.get(at))
        walk.expect(truth.holds(got, want), attr.path, "sent", attr.of(body), "got", got)
        asked = attr.of(walk.get(at, attributes=attr.path))
        want = truth.asked_for(attr, attr.of(body))
        walk.expect(truth.holds(asked, want), attr.path, "asked for", want, "got", asked)


def test_everything_at_once_is_read_back_also_after_put(walk):
    attributes = [a for a in walk.kind.attributes if a.mutability in ("readWrite", "immutable")]
    body, at = walk.make(*attributes)
    for round_trip in ("POST", "PUT"):
        got = walk.get(at)
        for attr in attributes:
            want = truth.shown(attr, attr.of(body))
            same = truth.has_all if attr.name == "members" else truth.holds  # Managers are members, too.
            walk.expect(same(attr.of(got), want), round_trip, attr.path, want, "got", attr.of(got))
        assert set(got["schemas"]) == {walk.kind.core} | {u for u in walk.kind.extensions if u in got}
        again = walk.scim.put(at, body).expect(200).json
        walk.expect(again["meta"]["version"] == got["meta"]["version"], "PUT of the same changes the version")


def test_a_replace_by_path_is_read_back_and_a_remove_leaves_nothing(walk):
    for attr in read_write(walk):
        body, at = walk.make(attr)
        new = truth.another(attr, attr.of(body), walk.users)
        walk.patch(at, "replace", attr.path, new)
        got, want = attr.of(walk.get(at, attributes=attr.path)), truth.asked_for(attr, new)
        if attr.name == "roles":  # Ours are computed; the walk's users have none.
            got = [role for role in got if role.get("type") != "kiops"]
        walk.expect(truth.holds(got, want), "replace", attr.path, want, "got", got)
        if attr.required:
            walk.patch(at, "remove", attr.path, status=(400,))
            continue
        if attr.name == "managers":  # The last Manager stays: KB-R07.
            walk.expect(walk.patch(at, "remove", attr.path, status=(409,)).rule == "KB-R07", attr.path)
            continue
        walk.patch(at, "remove", attr.path)
        rest = walk.get(at)
        gone = not attr.of(rest) or attr.of(rest) == DEFAULTS.get(attr.name)
        walk.expect(gone, "removed", attr.path, "left", attr.of(rest))
        if attr.is_extension and attr.schema != KIOPS_ORGANIZATION:  # line 214
            walk.expect(attr.schema not in rest["schemas"], attr.path, "left", rest["schemas"])


def names_item(attr, item):
    """The sub-attribute that tells an item from the others; None where there is one value."""
    return attr.multiValued and next(s.name for s in attr.subs if s.name in item and s.name in ("value", "type", "name"))


def item_path(attr, sub, item):
    """`attr[<this item>].sub`; `attr.sub` where there is one value."""
    by = names_item(attr, item)
    return f'{attr.path}[{by} eq "{item[by]}"].{sub.name}' if by else sub.path


def parts_of(walk, at, attr, sub, item):
    """The sub-attribute of that item now; of all items where it is what told them apart."""
    by = names_item(attr, item)
    got = attr.of(walk.get(at, attributes=f"{attr.path}.{by or sub.name},{attr.path}.{sub.name}"))
    items = got if attr.multiValued else [got or {}]
    return [one.get(sub.name) for one in items if not by or sub.name == by or one.get(by) == item[by]]


def test_sub_attributes_are_replaced_and_removed_by_path(walk):
    for attr in [a for a in read_write(walk) if a.type == "complex"]:
        for sub in [s for s in attr.subs if s.name != "primary"]:
            body, at = walk.make(attr)
            item = attr.of(body)[0] if attr.multiValued else attr.of(body)
            path, new = item_path(attr, sub, item), truth.value(sub, walk.users)
            if sub.name == names_item(attr, item) and sub.definition.get("canonicalValues"):
                new = next(word for word in sub.canonicalValues if word not in [i[sub.name] for i in attr.of(body)])
            if not truth.writable(sub) or sub.mutability == "immutable":
                answer = walk.patch(at, "replace", path, new, status=(400,))
                walk.expect(answer.json.get("scimType") == "mutability", path, answer.text[:200])
                continue
            walk.patch(at, "replace", path, new)
            want = None if sub.returned == "never" else new
            got = parts_of(walk, at, attr, sub, item)
            walk.expect(any(truth.holds(part, want) for part in got), "replace", path, want, "got", got)
            if sub.required or attr.is_reference or sub.name == names_item(attr, item):
                continue
            walk.patch(at, "remove", path)
            got = parts_of(walk, at, attr, sub, item)
            walk.expect(got == [None], "removed", path, "left", got)


def literal(leaf, one):
    return json.dumps(one)


def test_an_eq_filter_finds_it_and_case_counts_as_listed(walk):
    for attr in [a for a in walk.kind.attributes if a.mutability in ("readWrite", "immutable")]:
        body, at = walk.make(attr)
        sent = attr.of(body)
        for leaf in leaves(attr):
            part = (sent[0] if attr.multiValued else sent)[leaf.name] if leaf.parent else sent
            one = part[0] if isinstance(part, list) else part
            if "never" in (leaf.returned, attr.returned):
                answer = walk.scim.get(walk.kind.endpoint, filter=f"{leaf.path} eq {literal(leaf, one)}")
                walk.expect(answer.status == 400 and answer.json.get("scimType") == "invalidFilter", leaf.path, answer.status)
                continue
            walk.expect(walk.found(at, f"{leaf.path} eq {literal(leaf, one)}"), leaf.path, "eq", one, "is not found")
            walk.expect(walk.found(at, f"{leaf.path} pr"), leaf.path, "pr does not hold")
            if isinstance(one, str) and one.swapcase() != one and leaf.type in ("string", "reference"):
                other = walk.found(at, f"{leaf.path} eq {literal(leaf, one.swapcase())}")
                walk.expect(other == (not leaf.caseExact), leaf.path, "caseExact", leaf.caseExact, "found", other)


def test_projection_obeys_returned(walk):
    attributes = [a for a in walk.kind.attributes if a.mutability in ("readWrite", "immutable")]
    _, at = walk.make(*attributes)
    always = {a.path for a in attributes if a.returned == "always"}
    for attr in attributes:
        got = walk.get(at, attributes=attr.path)
        there = {a.path for a in attributes if a.of(got) is not None}
        listed = set() if attr.returned == "never" else {attr.path}
        walk.expect(there == always | listed, "attributes", attr.path, "gave", there)
        got = walk.get(at, excludedAttributes=attr.path)
        there = {a.path for a in attributes if a.of(got) is not None}
        want = {a.path for a in attributes if a.returned in ("default", "always")} - ({attr.path} - always)
        walk.expect(there == want, "excludedAttributes", attr.path, "differs by", there ^ want)
        for r in walk.scim.get(walk.kind.endpoint, filter=f'id eq "{got["id"]}"').expect(200)["Resources"]:
            if attr.returned in ("request", "never"):
                walk.expect(attr.of(r) is None, "a list shows", attr.path)


def test_what_is_never_returned_never_comes_back(lab, walk):
    hidden = [a for a in walk.kind.attributes if a.returned == "never"]
    if not hidden:
        return
    body = walk.body([a for a in walk.kind.attributes if a.required and not a.is_extension])
    body.setdefault(EVERY, {}).update({"hidden": "Hidden-1", "secret": "SECRET-1", "box": {"hidden": "Hidden-2", "inner": "i"}})
    body |= {"password": "Pa55-word-1", BADGE: {"note": "Hidden-3"}}
    secrets = [b"Hidden-", b"SECRET-", b"Pa55-"]
    made = walk.scim.post("/Users", body).expect(201)
    at = f"/Users/{made['id']}"
    answers = [made, walk.scim.get(at), walk.scim.get("/Users", filter=f'id eq "{made["id"]}"'), walk.scim.get("/Users", count=1000),
               walk.scim.get(at, attributes=f"{EVERY}:hidden,{EVERY}:secret,{EVERY}:box,{BADGE}:note,password"),
               walk.scim.patch(at, ("replace", f"{EVERY}:secret", "SECRET-2")),
               walk.scim.patch(at, ("replace", f"{EVERY}:box.hidden", "Hidden-4")),
               walk.scim.put(at, {"schemas": [USER], "userName": body["userName"], "title": "t"})]
    for answer in answers:
        walk.expect(answer.expect(200, 201).text and not any(s in answer.text for s in secrets), answer.text[:500])
    sort = walk.scim.get("/Users", sortBy=f"{EVERY}:hidden")
    walk.expect(sort.status == 400, "sortBy hidden", sort.status)
    written = b"".join(path.read_bytes() for path in Path(lab.bridge.home).rglob("*") if path.is_file())
    walk.expect(not any(s in written for s in secrets), "a log or audit file holds a secret")
    # A client that reads and sends back what it read takes nothing away that it could not read.
    _, entry = lab.view().by_id(made["id"])
    walk.expect("SECRET-2" in repr(entry) and "Hidden-1" in repr(entry), "PUT took a secret", entry)


def test_what_is_read_only_is_ignored_in_post_and_refused_by_path(walk):
    for attr in [a for a in walk.kind.attributes if a.mutability == "readOnly"]:
        body, at = walk.make()
        sent = {sub.name: truth.simple(sub, walk.users) for sub in attr.subs if not sub.multiValued}
        sent = sent if attr.type == "complex" else truth.simple(attr, walk.users)
        sent = [sent] if attr.multiValued else sent
        again = walk.body([a for a in walk.kind.attributes if a.required and not a.is_extension])
        attr.into(again, sent)
        made = walk.scim.post(walk.kind.endpoint, again).expect(201).json
        walk.expect(not truth.holds(attr.of(made), sent), "POST set", attr.path)
        answer = walk.patch(at, "replace", attr.path, sent, status=(400,))
        walk.expect(answer.json.get("scimType") == "mutability", attr.path, answer.text[:200])


def test_what_is_immutable_is_set_once(walk):
    for attr in [a for a in walk.kind.attributes if a.mutability == "immutable"]:
        body, at = walk.make(attr)
        walk.patch(at, "replace", attr.path, attr.of(body))
        for operation in (("replace", attr.path, truth.value(attr, walk.users)), ("remove", attr.path)):
            answer = walk.patch(at, *operation, status=(400,))
            walk.expect(answer.json.get("scimType") == "mutability", operation, answer.text[:200])
        got = walk.scim.put(at, {n: v for n, v in body.items() if n != EVERY}).expect(200).json
        walk.expect(attr.of(got) == attr.of(body), "PUT without it took", attr.path)
        _, unset = walk.make()
        walk.patch(unset, "add", attr.path, attr.of(body))


@pytest.mark.line(216)
def test_every_reference_answers(walk, kinds):
    names = {k.name for k in kinds}
    attributes = [a for a in walk.kind.attributes if a.mutability == "readWrite"]
    _, at = walk.make(*attributes)
    if walk.kind.name == "User":
        user = {"value": at.rsplit("/", 1)[1]}
        walk.scim.post("/Groups", {"schemas": [], "displayName": f"Of {user['value']}", "members": [user]}).expect(201)
    got, followed = walk.get(at), 0
    for attr in walk.kind.attributes:
        for sub in attr.subs:
            if not names & set(sub.definition.get("referenceTypes", [])):
                continue
            items = attr.of(got) or []
            for url in [i[sub.name] for i in (items if attr.multiValued else [items]) if sub.name in i]:
                answer = walk.scim.get(url.removeprefix(walk.scim.url))
                walk.expect(answer.status == 200 and answer["meta"]["location"] == url, sub.path, url, answer.status)
                followed += 1
    assert followed >= (3 if walk.kind.name == "User" else 4)  # manager, groups, memberships; members, managers
    assert KIOPS_USER in got["schemas"] or walk.kind.name == "Group"


@pytest.mark.line(215)
def test_a_number_with_a_fraction_is_no_integer(walk):
    for attr in [a for a in read_write(walk) if a.type == "integer" and not a.multiValued]:
        _, at = walk.make()
        for number in (1.0, 1.5, "1"):
            walk.patch(at, "replace", attr.path, number, status=(400,))
        walk.patch(at, "replace", attr.path, 7)
        walk.expect(f'"{attr.name}":7'.encode() in walk.scim.get(at).text, attr.path, "is not shown as 7")


def test_a_list_can_be_sorted_by_an_extension(walk):
    if walk.kind.name != "User":
        return
    for name, values in (("whole", [30, 4, 200]), ("text", ["b", "C", "a"]), ("when", ["2026-01-05T08:00:00Z", "2025-01-05T08:00:00Z", "2027-01-05T08:00:00Z"])):
        attr = walk.kind.named(name)
        ids = {}
        for one in values:
            body = walk.body([walk.kind.named("userName")]) | {EVERY: {name: one, "exact": f"sort{name}"}}
            ids[walk.scim.post("/Users", body).expect(201)["id"]] = one
        got = walk.scim.get("/Users", filter=f'{EVERY}:exact eq "sort{name}"', sortBy=attr.path).expect(200)["Resources"]
        walk.expect([ids[r["id"]] for r in got] == sorted(values, key=lambda v: v.lower() if isinstance(v, str) else v), attr.path)
