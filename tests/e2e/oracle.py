"""What SCIM says, once more and naively: written from RFC 7643, 7644 and the design, never from the bridge's code, so
that a property test has something to hold an answer against. Slow and short on purpose."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from scim import GROUP, USER

CORE = {"Users": USER, "Groups": GROUP}


@dataclass(frozen=True)
class Attribute:
    """Of a schema. `urn` is None for the attributes that every resource has."""

    name: str
    type: str
    multi: bool
    exact: bool
    subs: tuple = ()
    urn: str = None
    mutability: str = "readWrite"

    def sub(self, name):
        return next((s for s in self.subs if s.name == name), None)

    @property
    def simple(self):
        return self.type != "complex"


def common(name, kind, multi=False, exact=False, subs=()):
    return Attribute(name, kind, multi, exact, tuple(subs), None, "readOnly")


COMMON = (
    common("schemas", "string", multi=True),
    common("id", "string", exact=True),
    Attribute("externalId", "string", False, True),
    common("meta", "complex", subs=(
        common("resourceType", "string", exact=True), common("created", "dateTime"), common("lastModified", "dateTime"),
        common("location", "reference", exact=True), common("version", "string", exact=True))))


def attribute(given, urn):
    subs = tuple(attribute(s, urn) for s in given.get("subAttributes", ()))
    return Attribute(given["name"], given["type"], given["multiValued"], given.get("caseExact", False), subs, urn,
                     given["mutability"])


def schema_of(scim, kind):
    """Every attribute that a filter on /Users or /Groups may name, from what the bridge itself says of its schemas."""
    wanted = {t["endpoint"]: t for t in scim.get("/ResourceTypes")["Resources"]}[f"/{kind}"]
    urns = [wanted["schema"], *(e["schema"] for e in wanted["schemaExtensions"])]
    found = list(COMMON)
    for urn in urns:
        found += [attribute(a, urn) for a in scim.get(f"/Schemas/{urn}")["attributes"] if a["returned"] != "never"]
    return found


# ---- texts: NFKC, simple lower case by code point, runs of spaces squeezed (DESIGN 6)

def lower(sign):
    """Of letters alone, and to one code point: what slapd's tables hold."""
    if unicodedata.category(sign) not in ("Lu", "Lt"):
        return sign
    return sign.lower()[0]


def normal(text):
    return unicodedata.normalize("NFKC", "".join(map(lower, text)))


def squeezed(text):
    return " ".join(part for part in text.split(" ") if part)


def key(text):
    return squeezed(normal(text))


def part_key(text, op):
    """Of what `co`, `sw`, `ew` look for: a space at an end that is inside the value counts."""
    before, after = ("" if op == "sw" else "\1"), ("" if op == "ew" else "\1")
    shielded = squeezed(normal(before + text + after))
    return shielded[len(before):len(shielded) - len(after)]


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))


# ---- values

def assigned(value):
    """RFC 7643 2.5: null, [], and for us "" and what holds nothing else, are no value."""
    if isinstance(value, dict):
        return any(map(assigned, value.values()))
    if isinstance(value, list):
        return any(map(assigned, value))
    return value is not None and value != ""


def flat(value):
    if isinstance(value, list):
        return [leaf for item in value for leaf in flat(item)]
    return [value] if assigned(value) else []


def value_of(resource, attr):
    """The top-level attribute as the resource holds it, or None."""
    holder = resource.get(attr.urn, {}) if attr.urn and attr.urn not in CORE.values() else resource
    return holder.get(attr.name)


def items_of(resource, attr):
    value = value_of(resource, attr)
    return value if isinstance(value, list) else [] if value is None else [value]


# ---- filters, as tuples:
# ("cmp", attr, sub or None, op, literal)   ("has", attr, tree over its sub-attributes)
# ("tail", attr, tree, sub, op, literal)    ("and" | "or", left, right)    ("not", tree)
# Inside a value path "cmp" names the sub-attribute as `attr`.

def sought(leaf, op, literal):
    if leaf.type == "dateTime":
        return instant(literal)
    if leaf.type != "string" or leaf.exact:
        return literal
    return part_key(literal, op) if op in ("co", "sw", "ew") else key(literal)


def satisfies(leaf, op, literal, value):
    have = sought(leaf, "eq", value)
    want = sought(leaf, op, literal)
    if isinstance(have, str):
        if op in ("co", "sw", "ew"):
            return {"co": want in have, "sw": have.startswith(want), "ew": have.endswith(want)}[op]
        if op == "eq" and have == "":
            return False
        have, want = have.encode(), want.encode()
    return {"eq": have == want, "ne": have != want, "gt": have > want, "ge": have >= want, "lt": have < want,
            "le": have <= want}[op]


def compared(leaf, op, literal, values):
    """`values`: the assigned ones. RFC 7644 3.4.2.2: any of them may do it; what is absent is not equal to anything."""
    if op == "pr" or (op == "ne" and literal is None):
        return bool(values)
    if literal is None:
        return not values
    if not values:
        return op == "ne"
    return any(satisfies(leaf, op, literal, v) for v in values)


def compared_path(resource, attr, sub, op, literal):
    below = sub
    if not sub and not attr.simple and op != "pr" and literal is not None:
        below = attr.sub("value")
    items = items_of(resource, attr)
    values = flat([item.get(below.name) for item in items]) if below else flat(items)
    return compared(below or attr, op, literal, values)


def holds(tree, resource):
    kind, *rest = tree
    if kind == "and":
        return holds(rest[0], resource) and holds(rest[1], resource)
    if kind == "or":
        return holds(rest[0], resource) or holds(rest[1], resource)
    if kind == "not":
        return not holds(rest[0], resource)
    if kind == "has":
        attr, inner = rest
        return any(inside(inner, item) for item in items_of(resource, attr))
    if kind == "tail":
        attr, inner, sub, op, literal = rest
        return any(inside(inner, item) and compared(sub, op, literal, flat(item.get(sub.name)))
                   for item in items_of(resource, attr))
    return compared_path(resource, *rest)


def inside(tree, item):
    """The same over one item: there is no extension within it."""
    kind, *rest = tree
    if kind in ("and", "or", "not"):
        parts = [inside(t, item) for t in rest]
        return {"and": all, "or": any, "not": lambda p: not p[0]}[kind](parts)
    sub, _, op, literal = rest
    return compared(sub, op, literal, flat(item.get(sub.name)))


# ---- order

def sort_key(resource, attr, sub):
    """None where there is no value. RFC 7644 3.4.2.3: of many the primary one, else the first."""
    value = value_of(resource, attr)
    if isinstance(value, list):
        value = next((i for i in value if isinstance(i, dict) and i.get("primary") is True), value[0] if value else None)
    leaf = sub or attr
    if leaf is not attr:
        value = (value or {}).get(leaf.name)
    if not assigned(value):
        return None
    value = sought(leaf, "eq", value)
    return value.encode() if isinstance(value, str) else value


def ordered(resources, attr, sub, descending):
    """Without a value: last when ascending, first when descending (RFC 7644 3.4.2.3); equals by id."""
    by_id = sorted(resources, key=lambda r: r["id"])
    if attr is None:
        return by_id
    with_value = [r for r in by_id if sort_key(r, attr, sub) is not None]
    without = [r for r in by_id if sort_key(r, attr, sub) is None]
    with_value.sort(key=lambda r: sort_key(r, attr, sub), reverse=descending)
    if descending:
        # reverse=True keeps equals in their order, which is what is wanted.
        return without + with_value
    return with_value + without
