"""A user as RFC 7644 3.3 to 3.5 and the design want it after each request: a simple model, a second time and in another
language, that the bridge's answers and the directory are held against. Works on plain JSON with the schema's names.

What the papers leave to us (DESIGN 5, scim-conformance D lines): null, "" and [] are no value (51, 52); what is there
already is not added twice (61, 157); `add` on a filter that nothing satisfies makes an item of its `eq` terms, `replace`
does so for Entra alone (159); PUT without `active` keeps it (70); two primaries in one list are refused or the last wins
(60); a removal of what is not there is fine (168)."""

import copy
from dataclasses import dataclass

from oracle import inside, key
from scim import ENTERPRISE, USER

LABELS = {"type", "primary"}


@dataclass(frozen=True)
class Profile:
    name: str
    creates: bool = False  # replace on a filter without a match makes the item
    last_primary: bool = False
    skips: bool = False  # unknown and readOnly paths
    strict: bool = False


PROFILES = {"default": Profile("default"), "strict": Profile("strict", strict=True),
            "entra": Profile("entra", creates=True, last_primary=True, skips=True),
            "okta": Profile("okta", last_primary=True, skips=True)}


class Refused(Exception):
    """400; the argument is its scimType."""


def absent(value):
    return value is None or value == "" or value == []


def tidy(value):
    """Without what is unassigned."""
    if isinstance(value, dict):
        return {k: tidy(v) for k, v in value.items() if not absent(v)}
    return value


def same_text(leaf, a, b):
    if isinstance(a, str) and isinstance(b, str) and not leaf.exact:
        return (key(a) or a) == (key(b) or b)
    return a == b


class Model:
    def __init__(self, schema, resource):
        self.schema = {(a.urn, a.name): a for a in schema}
        self.resource = resource  # with externalId of the client that is at work
        self.profile = None

    def attr(self, name, urn=USER):
        return self.schema.get((urn, name)) or self.schema.get((None, name))

    # ---- items of a multi-valued attribute

    def same_item(self, attr, wanted, have):
        """(type, value); what has no value is its whole text. Who names no type means any."""
        if not wanted.get("value") or not have.get("value"):
            return {**wanted, "primary": None} == {**have, "primary": None}
        types = same_text(attr.sub("type"), wanted.get("type"), have.get("type"))
        return same_text(attr.sub("value"), wanted["value"], have["value"]) and (not wanted.get("type") or types)

    def one_primary(self, items):
        """Of a list that a client sends."""
        chosen = [i for i in items if i.get("primary")]
        if len(chosen) > 1 and not self.profile.last_primary:
            raise Refused("invalidValue")
        self.settle(items, chosen[-1] if chosen else None)

    @staticmethod
    def settle(items, winner):
        for item in items:
            if winner is not None and item is not winner and item.get("primary"):
                item["primary"] = False

    def truth(self, value):
        """Entra writes "True"; strict profiles take booleans only (scim-conformance 53)."""
        if isinstance(value, str) and self.profile.strict:
            raise Refused("invalidValue")
        return value.lower() == "true" if isinstance(value, str) else value

    def item(self, value):
        item = tidy(value)
        return item | {"primary": self.truth(item["primary"])} if "primary" in item else item

    def sent_items(self, value):
        if absent(value):
            return []
        items = [self.item(i) for i in (value if isinstance(value, list) else [value])]
        self.one_primary(items)
        return items

    def distinct(self, attr, items):
        kept = []
        for item in items:
            if set(item) <= LABELS:
                continue
            # Here no type is a type of its own.
            twin = next((k for k in kept if self.same_item(attr, item, k) and
                         same_text(attr.sub("type"), item.get("type"), k.get("type"))), None)
            if twin is None:
                kept.append(item)
            elif item.get("primary"):
                twin["primary"] = True
        return kept

    # ---- one operation

    def holder(self, urn):
        return self.resource.setdefault(urn, {}) if urn == ENTERPRISE else self.resource

    def write(self, op, attr, sub, tree, value):
        """`value` None: none was sent or it says nothing."""
        holder = self.holder(attr.urn)
        if attr.multi:
            items = self.write_items(op, attr, sub, tree, value, holder.get(attr.name, []))
            holder[attr.name] = items
            if not items:
                del holder[attr.name]
        else:
            self.write_single(op, attr, sub, value, holder)
        if not self.resource.get(ENTERPRISE, True):
            del self.resource[ENTERPRISE]

    def write_single(self, op, attr, sub, value, holder):
        if attr.name == "userName" and (op == "remove" or absent(value) or not value.strip(" ")):
            raise Refused("mutability" if op == "remove" else "invalidValue")
        if attr.name == "manager":
            value = value.get("value") if isinstance(value, dict) else value
            value = {"value": value} if op != "remove" and not absent(value) else None
            sub = None
        if sub:
            value, op = {sub.name: None if op == "remove" else value}, "add"
        if op == "remove" or absent(value):
            holder.pop(attr.name, None)
        elif attr.simple or attr.name == "manager":
            holder[attr.name] = self.truth(value) if attr.type == "boolean" else value
        else:
            merged = holder.get(attr.name, {}) | value
            holder[attr.name] = tidy(merged)
            if not holder[attr.name]:
                del holder[attr.name]

    def write_items(self, op, attr, sub, tree, value, items):
        if not tree and not sub:
            return self.write_whole(op, attr, value, items)
        hits = [i for i in items if not tree or inside(tree, i)]
        if sub:
            return self.write_parts(op, attr, sub, tree, value, items, hits)
        if op == "remove" or absent(value):
            return [i for i in items if not any(i is h for h in hits)]
        value = self.item(value)
        if not hits:
            return [*items, self.made(op, tree, value, items)]
        last = None
        out = []
        for item in items:
            if any(item is h for h in hits):
                item = {**(terms(tree)[0] if op == "replace" else item), **value}
                last = item
            out.append(item)
        if value.get("primary"):
            self.settle(out, last)
        return out

    def write_whole(self, op, attr, value, items):
        sent = self.sent_items(value)
        if op == "replace":
            return sent
        if op == "remove":
            return [i for i in items if not any(self.same_item(attr, s, i) for s in sent)] if value is not None else []
        for item in sent:
            twin = next((i for i in items if self.same_item(attr, item, i)), None)
            if twin is None:
                twin = item
                items = [*items, item]
            else:
                twin |= {k: v for k, v in item.items() if k not in ("value", "type") or k not in twin}
            if item.get("primary"):
                self.settle(items, twin)
        return items

    def write_parts(self, op, attr, sub, tree, value, items, hits):
        if op == "remove" or absent(value):
            for item in hits:
                item.pop(sub.name, None)
            return [i for i in items if not (set(i) <= LABELS and any(i is h for h in hits))]
        if sub.name == "primary":
            value = self.truth(value)
        if not hits:
            return [*items, self.made(op, tree, {sub.name: value}, items)]
        for item in hits:
            item[sub.name] = value
        if sub.name == "primary" and value:
            self.settle(items, hits[-1])
        return items

    def made(self, op, tree, value, items):
        """The item that a filter without a match describes."""
        if op == "replace" and not self.profile.creates:
            raise Refused("noTarget")
        found, enough = terms(tree)
        if not enough:
            raise Refused("noTarget")
        item = found | value
        if item.get("primary"):
            self.settle(items, item)
        return item

    # ---- requests

    def finish(self):
        for urn, holder in ((USER, self.resource), (ENTERPRISE, self.resource.get(ENTERPRISE, {}))):
            for name in list(holder):
                attr = self.attr(name, urn)
                if attr and attr.multi and name != "schemas":
                    holder[name] = self.distinct(attr, holder[name])
                    if not holder[name]:
                        del holder[name]

    def patched(self, profile, operations):
        """The resource afterwards; `operations` are objects with op, path (attribute, sub, tree) or None, and value."""
        self.profile = profile
        self.resource = copy.deepcopy(self.resource)
        for operation in operations:
            self.apply(operation)
        self.finish()
        return self.resource

    def apply(self, o):
        value = copy.deepcopy(o.value)
        if o.unknown:
            if profile_refuses(self.profile):
                raise Refused(o.unknown)
            return
        if o.attr is not None:
            self.write(o.op, o.attr, o.sub, o.tree, value)
            return
        if o.op == "remove" and not o.extension:
            raise Refused("noTarget")
        if o.op == "remove":
            self.resource.pop(ENTERPRISE, None)
            return
        for name, part in value.items():
            if name in (o.dotted or {}):
                if self.profile.strict and ":" not in name:
                    raise Refused("invalidPath")
                self.write(o.op, *o.dotted[name], part)
            elif name == ENTERPRISE or o.extension:
                members = part if name == ENTERPRISE else {name: part}
                for below, one in members.items():
                    self.write(o.op, self.attr(below, ENTERPRISE), None, None, one)
            else:
                self.write(o.op, self.attr(name), None, None, part)

    def replaced(self, profile, body):
        self.profile = profile
        body = copy.deepcopy(body)
        before, self.resource = self.resource, {}
        if absent(body.get("userName")) or not body["userName"].strip(" "):
            raise Refused("invalidValue")
        for name, value in body.items():
            if name == ENTERPRISE:
                for below, one in (value or {}).items():
                    self.write("add", self.attr(below, ENTERPRISE), None, None, one)
            elif name != "schemas" and not absent(value):
                attr = self.attr(name)
                self.write("replace" if attr.multi else "add", attr, None, None, value)
        if "active" not in self.resource:
            self.resource["active"] = before["active"]
        self.finish()
        return self.resource


def profile_refuses(profile):
    return not profile.skips


def terms(tree):
    """({sub-attribute: value}, are these all that the filter says?)"""
    if tree[0] == "and":
        (left, a), (right, b) = terms(tree[1]), terms(tree[2])
        return left | right, a and b
    if tree[0] == "cmp" and tree[3] == "eq" and tree[4] is not None:
        return {tree[1].name: tree[4]}, True
    return {}, False


# ---- what a client compares

def shown(resource):
    """Without what the bridge computes, and `primary: false`, which says nothing."""
    out = {k: copy.deepcopy(v) for k, v in resource.items()
           if k not in ("schemas", "id", "meta", "groups", "urn:kiops:params:scim:schemas:extension:2.0:User")}
    for value in out.values():
        for item in value if isinstance(value, list) else ():
            if item.get("primary") is False:
                del item["primary"]
    manager = out.get(ENTERPRISE, {}).get("manager")
    if manager:
        out[ENTERPRISE]["manager"] = {"value": manager["value"]}
    return out


# ---- what stands in the directory (src/directory/mapping_table.c's preset, as README and `schema mapping` print it)

SINGLE = {"cn": ("name", "formatted"), "sn": ("name", "familyName"), "givenName": ("name", "givenName"),
          "displayName": ("displayName",), "title": ("title",), "employeeType": ("userType",),
          "preferredLanguage": ("preferredLanguage",), "uid": ("userName",), "employeeNumber": (ENTERPRISE, "employeeNumber"),
          "o": (ENTERPRISE, "organization"), "departmentNumber": (ENTERPRISE, "department")}
PHONES = {"work": "telephoneNumber", "mobile": "mobile", "fax": "facsimileTelephoneNumber", "pager": "pager", "home": "homePhone"}
ADDRESS = {"street": "streetAddress", "l": "locality", "st": "region", "postalCode": "postalCode"}
PRINTABLE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'()+,-./:? =")


def blank(text, signs=" "):
    return not text.strip(signs)


def directory_values(resource):
    """{LDAP attribute: texts} that the entry must hold for its mapped attributes; only those that LDAP can hold."""
    want = {name: [] for name in (*SINGLE, "mail", *PHONES.values(), *ADDRESS)}
    for ldap, path in SINGLE.items():
        value = resource
        for step in path:
            value = (value or {}).get(step)
        if value and not blank(value):
            want[ldap].append(value)
    want["mail"] += [e["value"] for e in resource.get("emails", ()) if e.get("value", "").isascii() and not blank(e.get("value", ""))]
    for phone in resource.get("phoneNumbers", ()):
        value = phone.get("value", "")
        if set(value) <= PRINTABLE and not blank(value, " -"):
            want[PHONES.get(phone.get("type", "").lower(), "telephoneNumber")].append(value)
    addresses = resource.get("addresses", ())
    mapped = next((a for a in addresses if a.get("primary")), addresses[0] if addresses else {})
    for ldap, name in ADDRESS.items():
        if mapped.get(name) and not blank(mapped[name]):
            want[ldap].append(mapped[name])
    return want


def phone_key(text):
    return text.replace(" ", "").replace("-", "").lower()


def directory_key(ldap, text):
    return phone_key(text) if ldap in PHONES.values() else key(text)
