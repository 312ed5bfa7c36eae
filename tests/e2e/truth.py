"""What discovery says of a resource type, and values that fit it: test_discovery_truth.py walks through it."""

import base64
import itertools
from dataclasses import dataclass

NUMBERS = itertools.count(1)  # no two generated values are alike, so that a filter finds one resource


@dataclass(frozen=True)
class Attribute:
    """One attribute or, with `parent`, sub-attribute of a schema as /Schemas lists it."""

    schema: str
    is_extension: bool
    text: str  # the definition, as a stable key
    definition: dict = None
    parent: "Attribute" = None

    def __hash__(self):
        return hash(self.text)

    def __getattr__(self, name):  # type, multiValued, required, caseExact, mutability, returned ...
        try:
            return self.definition[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def path(self):
        if self.parent:
            return f"{self.parent.path}.{self.name}"
        return f"{self.schema}:{self.name}"

    @property
    def subs(self):
        return [attribute(self.schema, self.is_extension, sub, self) for sub in self.definition.get("subAttributes", [])]

    @property
    def is_reference(self):
        """To a resource of ours: what it shows follows from `value`."""
        return {"value", "$ref"} <= {sub.name for sub in self.subs}

    def of(self, resource):
        """The value in a resource; None without one."""
        holder = resource.get(self.schema, {}) if self.is_extension else resource
        return holder.get(self.name)

    def into(self, resource, value):
        (resource.setdefault(self.schema, {}) if self.is_extension else resource)[self.name] = value


def attribute(schema, is_extension, definition, parent=None):
    return Attribute(schema, is_extension, f"{schema}:{parent and parent.name}.{definition['name']}", definition, parent)


@dataclass
class Kind:
    """A resource type with an endpoint, its attributes as discovery lists them."""

    name: str
    endpoint: str
    core: str
    extensions: list
    attributes: list

    def named(self, name):
        return next(a for a in self.attributes if a.name == name)


def kinds(scim):
    """Every resource type of /ResourceTypes that has its schemas in /Schemas."""
    schemas = {s["id"]: s for s in scim.get("/Schemas").expect(200)["Resources"]}
    out = []
    for kind in scim.get("/ResourceTypes").expect(200)["Resources"]:
        extensions = [e["schema"] for e in kind.get("schemaExtensions", [])]
        attributes = [attribute(urn, urn != kind["schema"], d)
                      for urn in (kind["schema"], *extensions) for d in schemas[urn]["attributes"]]
        out.append(Kind(kind["name"], kind["endpoint"], kind["schema"], extensions, attributes))
    return out


def simple(attr, users):
    """A new value of the attribute's own type."""
    n = next(NUMBERS)
    if attr.definition.get("canonicalValues"):
        return attr.canonicalValues[n % len(attr.canonicalValues)]
    if attr.name == "$ref" or (attr.parent and attr.parent.is_reference and attr.name == "value"):
        user = users[n % len(users)]
        return user["id"] if attr.name == "value" else user["meta"]["location"]
    return {
        "string": lambda: f"Word{n}" if attr.name != "value" or attr.parent.name != "emails" else f"Word{n}@example.org",
        "boolean": lambda: n % 2 == 0,
        "integer": lambda: 1000 + n,
        "decimal": lambda: n + 0.5,
        "dateTime": lambda: f"2026-01-05T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
        "reference": lambda: f"https://example.org/Things/{n}",
        "binary": lambda: base64.b64encode(b"\0\xff\xfe" + str(n).encode()).decode(),
    }[attr.type]()


def writable(attr):
    return attr.mutability != "readOnly"


def single(attr, users, at=0):
    if attr.type != "complex":
        return simple(attr, users)
    out = {sub.name: value(sub, users) for sub in attr.subs if writable(sub)}
    for sub in attr.subs:
        if sub.name == "primary":
            out["primary"] = at == 0
        if sub.name == "type" and sub.definition.get("canonicalValues") and not attr.is_reference:
            out["type"] = sub.canonicalValues[at % len(sub.canonicalValues)]
    if attr.is_reference:  # $ref follows from value, and the type from both
        user = users[next(NUMBERS) % len(users)]
        out |= {"value": user["id"]} | ({"$ref": user["meta"]["location"]} if "$ref" in out else {})
        out |= {"type": "User"} if "type" in out else {}
    return out


def value(attr, users):
    """A value of what discovery says, every writable sub-attribute set; two items where there may be several."""
    if not attr.multiValued:
        return single(attr, users)
    first, second = single(attr, users), single(attr, users, 1)
    if attr.type == "boolean":
        return [True, False]
    while first == second or (attr.is_reference and first["value"] == second["value"]):
        second = single(attr, users, 1)
    return [first, second]


def another(attr, old, users):
    """A value to replace the old one with: what is immutable in it stays."""
    new = value(attr, users)
    if attr.type == "complex" and not attr.multiValued:
        new |= {sub.name: old[sub.name] for sub in attr.subs if sub.mutability == "immutable"}
    return new


def shown(attr, sent):
    """What of a sent value an answer by default holds; None for nothing."""
    if attr.returned in ("never", "request"):
        return None
    return asked_for(attr, sent)


def asked_for(attr, sent):
    """The same where the attribute, but none of its parts, is asked for."""
    if attr.returned == "never":
        return None
    if isinstance(sent, list):
        return [asked_for(attr, item) for item in sent]
    if not isinstance(sent, dict):
        return sent
    parts = {sub.name: shown(sub, sent[sub.name]) for sub in attr.subs if sub.name in sent}
    return {name: part for name, part in parts.items() if part is not None}


def has_all(got, want):
    return all(any(holds(g, w) for g in got) for w in want)


def holds(got, want):
    """Is `want` in `got`? Items in any order; an object may say more than was sent (what is read-only)."""
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and has_all(got, want)
    if isinstance(want, dict):
        return isinstance(got, dict) and all(holds(got.get(name), part) for name, part in want.items())
    return got == want and isinstance(got, bool) == isinstance(want, bool)
