"""RFC 7644 3.4.2 as a property: any filter, order and page over any view gives exactly what a naive evaluation in Python
(oracle.py) gives over all resources as that view reads them.

KIOPS_PROPERTIES=N tries N filters at random instead of the short, fixed run of `make check`."""

import json
import os
import random
from datetime import timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from kiopslab import site
from lab import eventually
from oracle import CORE, flat, holds, instant, items_of, ordered, schema_of
from scim import ENTERPRISE, GROUP, KIOPS_ORGANIZATION, USER

N = int(os.environ.get("KIOPS_PROPERTIES", "0"))
LONG = settings(max_examples=N or 500, derandomize=not N, deadline=None, database=None, print_blob=True,
                suppress_health_check=list(HealthCheck))

# What compares in surprising ways: letters, case, spaces, compositions, signs that are something elsewhere.
WORDS = ["Kim", "kim", "KIM", "Kim Min", "kim  min", "Kimmy", "Min Kim", "K\u0130M", "k\u0131m", "Stra\u00dfe", "STRASSE", "\ufb01n", "fin",
         "e\u0301va", "\u00c9va", "eva", "\u2167", "viii", "VIII", "\u2102", "c", "o'Malley", 'quo"te', "back\\slash", "st*r", "(par)", "100%",
         "\u3000wide gap", "wide gap", "no\u00a0break", "no break", "\uff21da", "ada", "Ada", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3",
         "\U0001f600", "\u65e5\u672c", "\u212bngstr\u00f6m", "\u00e5ngstr\u00f6m", "\u01c5ur", "\u0149", "x" * 300, "a.b", "a/b", "-dash", "_under", "true",
         "null", "5", "\u0915\u093f", "q\u0307\u0323", "q\u0323\u0307", "\u1e9e", "\u2126", "\u03c9", " lead", "trail ", "dou  ble",
         "dou ble", "\u00a0 lead"]
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
USUAL = ("userName", "displayName", "name", "emails", "active", "meta", "id", "externalId")
TEXT_OPS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
ORDER_OPS = ("eq", "ne", "gt", "ge", "lt", "le")


# ---- a world with some of everything

def person(dice, n):
    def word():
        return dice.choice(WORDS)

    def some(chance, value):
        return value if dice.random() < chance else None

    name = {"givenName": some(.7, word()), "familyName": some(.8, word()), "middleName": some(.2, word()),
            "formatted": some(.4, f"{word()} {word()}")}
    emails = [{"value": f"{dice.choice(('kim', 'Kim', 'ada', 'x.y'))}{dice.randrange(4)}@{dice.choice(('a.org', 'B.org', 'b.org'))}",
               "type": dice.choice(("work", "home", "Work", "other"))} for _ in range(dice.randrange(4))]
    if emails and dice.random() < .6:
        dice.choice(emails)["primary"] = True
    user = {
        "schemas": [USER], "userName": f"{word()}{dice.choice(('', ' ', '.', '-'))}{n}",
        "externalId": some(.6, f"{word()[:50]}{n % 7}"), "name": {k: v for k, v in name.items() if v},
        "displayName": some(.8, word()), "nickName": some(.3, word()), "title": some(.4, word()[:30]),
        "userType": some(.4, dice.choice(("Employee", "employee", "Contractor"))), "active": dice.random() < .7,
        "profileUrl": some(.2, f"https://a.org/{dice.choice('abAB')}"), "locale": some(.2, "en-US"), "emails": emails,
        "phoneNumbers": [{"value": f"+49 431 {dice.randrange(5)}", "type": dice.choice(("work", "mobile", "fax"))}] * dice.randrange(2),
        "addresses": [{"locality": word()[:40], "type": "work", "primary": True}] * dice.randrange(2),
        "roles": [{"value": word()[:40], "primary": dice.random() < .5}] * dice.randrange(2),
        "x509Certificates": [{"value": "AQID"}] if n % 9 == 0 else [],
        ENTERPRISE: {"department": some(.6, word()[:40]), "employeeNumber": some(.5, str(dice.randrange(12))),
                     "costCenter": some(.3, word()[:40])}}
    return {k: v for k, v in user.items() if v not in (None, [], {})}


def fill(lab, dice):
    """Ids of the users that could be made: some names are taken, by the rule that names compare by."""
    people = []
    for n in range(60):
        answer = lab.scim.post("/Users", person(dice, n)).expect(201, 400, 409)
        if answer.status == 201:
            people.append(answer["id"])
    for n, user in enumerate(people[:12]):
        lab.scim.patch(f"/Users/{user}", ("add", f"{ENTERPRISE}:manager", {"value": people[n + 1]})).expect(200)
    for n in range(10):
        team = dice.sample(people, dice.randrange(0, 12))
        organization = {"description": dice.choice(WORDS), "joinPolicy": dice.choice(("open", "closed"))}
        managers = [{"value": u} for u in team[:dice.randrange(3)]]
        lab.scim.post("/Groups", {
            "schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": f"{dice.choice(WORDS)} {n}",
            "externalId": dice.choice(WORDS)[:50], "members": [{"value": u} for u in team],
            KIOPS_ORGANIZATION: organization | ({"managers": managers} if managers else {})}).expect(201)
    return people


def add_by_hand(lab):
    """People as another program makes them: nothing asserted, several values where SCIM has one."""
    admin = lab.view()
    for n, word in enumerate(("Kim", "\ufb01n", "\u3000wide gap", "e\u0301va")):
        admin.add(site.user_dn(f"hand{n}"), objectClass="inetOrgPerson", uid=[f"hand{n}"], cn=[word, f"{word} Other"], sn=word,
                  mail=["KIM1@a.org", f"hand{n}@b.org"], displayName=f"{word}  twice")
    eventually(lambda: len(lab.scim.find("Users", 'userName sw "hand"')) == 4)


class Eyes:
    """One token: who it is, and all that it reads."""

    def __init__(self, name, client):
        self.name, self.client = name, client
        self.all = {kind: self.read(kind) for kind in CORE}

    def read(self, kind):
        answer = self.client.get(f"/{kind}", count=1000).expect(200).json
        assert answer["totalResults"] == len(answer["Resources"])
        return answer["Resources"]


class World:
    def __init__(self, lab):
        fill(lab, random.Random(34))
        add_by_hand(lab)
        organizations = lab.scim.get("/Groups", count=100)["Resources"]
        large = sorted(organizations, key=lambda g: -len(g["members"]))[0]
        tokens = {"admin": lab.token, "other client": lab.new_token("other", client="other"),
                  "reader": lab.new_token("reader", "PlatformAdmin", "--access", "read"),
                  "manager": lab.new_token("manager", "Manager", "--organization", large["id"])}
        self.eyes = [Eyes(name, lab.client(token)) for name, token in tokens.items()]
        self.attributes = {kind: schema_of(lab.scim, kind) for kind in CORE}
        self.values = {}

    def known(self, kind, attr, sub):
        """Every value that somebody has there."""
        place = (kind, attr, sub)
        if place not in self.values:
            found = [flat([i.get(sub.name) for i in items_of(r, attr)] if sub else items_of(r, attr))
                     for r in self.eyes[0].all[kind]]
            # Not a set: its order of texts is another in every run.
            self.values[place] = list(dict.fromkeys(v for values in found for v in values if not isinstance(v, dict)))
        return self.values[place]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from lab import Lab
    lab = Lab(tmp_path_factory.mktemp("filters"))
    yield World(lab)
    lab.close()


# ---- filters at random

class Maker:
    def __init__(self, draw, world, kind):
        self.draw, self.world, self.kind = draw, world, kind
        self.attributes = world.attributes[kind]
        self.usual = [a for a in self.attributes if a.name in USUAL]

    def pick(self, options):
        return self.draw(st.sampled_from(options))

    def attribute(self, wanted=lambda a: True):
        from_usual = [a for a in self.usual if wanted(a)]
        return self.pick(from_usual if from_usual and self.draw(st.integers(0, 3)) else [a for a in self.attributes if wanted(a)])

    def text(self, leaf, known):
        """Of somebody, or a word; then a piece of it, in other letters, with spaces about it."""
        text = str(self.pick(known if known and self.draw(st.integers(0, 4)) else WORDS + ["", " ", "  "]))
        cut = self.pick(("whole", "whole", "start", "end", "middle"))
        if cut != "whole" and text:
            a, b = sorted((self.draw(st.integers(0, len(text))), self.draw(st.integers(0, len(text)))))
            text = {"start": text[:b], "end": text[a:], "middle": text[a:b]}[cut]
        dress = self.pick((str, str, str.upper, str.lower, str.swapcase, lambda t: f" {t}", lambda t: f"{t} ",
                           lambda t: t.replace(" ", "  ")))
        return dress(text)

    def date(self, known):
        at = instant(self.pick(known or ["2026-01-05T08:00:00Z"])) + timedelta(milliseconds=self.pick((0, 0, 0, -1, 1, 3600000)))
        return at.astimezone(timezone(timedelta(hours=self.pick((0, 0, 9, -5))))).isoformat(timespec=self.pick(("microseconds", "milliseconds")))

    def operation(self, leaf, known, null=True):
        """(op, literal) that fit the type."""
        form = self.draw(st.integers(0, 11))
        if form == 0:
            return "pr", None
        if form == 1 and null:
            return self.pick(("eq", "ne")), None
        if leaf.type == "boolean":
            return self.pick(("eq", "ne")), self.pick((True, False))
        if leaf.type in ("integer", "decimal"):
            return self.pick(ORDER_OPS), self.pick([*known, 0, 1, 2.5, -1])
        if leaf.type == "dateTime":
            return self.pick(ORDER_OPS), self.date(known)
        if leaf.type == "binary":
            return self.pick(("eq", "ne")), self.pick(("AQID", "aqid", "AQIE"))
        return self.pick(TEXT_OPS), self.text(leaf, known)

    def comparison(self):
        attr = self.attribute()
        sub = None
        if not attr.simple:
            sub = self.pick([*attr.subs, *([None] if attr.sub("value") else [])])
        if not attr.simple and self.draw(st.integers(0, 15)) == 0:
            return ("cmp", attr, None, *self.pick((("pr", None), ("eq", None), ("ne", None))))
        leaf = attr if attr.simple else sub or attr.sub("value")
        known = self.world.known(self.kind, attr, None if attr.simple else leaf)
        return ("cmp", attr, sub, *self.operation(leaf, known))

    def item(self, attr, depth):
        form = self.draw(st.integers(0, 5)) if depth else 5
        if form == 0:
            return ("not", self.item(attr, depth - 1))
        if form in (1, 2):
            return (self.pick(("and", "or")), self.item(attr, depth - 1), self.item(attr, depth - 1))
        sub = self.pick(attr.subs)
        return ("cmp", sub, None, *self.operation(sub, self.world.known(self.kind, attr, sub)))

    def value_path(self):
        attr = self.attribute(lambda a: a.multi and not a.simple)
        inner = self.item(attr, 2)
        if self.draw(st.integers(0, 2)):
            return ("has", attr, inner)
        sub = self.pick(attr.subs)
        return ("tail", attr, inner, sub, *self.operation(sub, self.world.known(self.kind, attr, sub)))

    def tree(self, depth):
        form = self.draw(st.integers(0, 7)) if depth else 7
        if form == 0:
            return ("not", self.tree(depth - 1))
        if form in (1, 2, 3):
            return (self.pick(("and", "or")), self.tree(depth - 1), self.tree(depth - 1))
        return self.value_path() if form == 4 else self.comparison()

    def order(self):
        """(attribute, sub-attribute) with a simple value."""
        attr = self.attribute(lambda a: a.simple or any(s.simple and not s.multi for s in a.subs))
        return attr, None if attr.simple else self.pick([s for s in attr.subs if not s.multi])


class Writer:
    """A tree as text, in one of the many ways to write it; seed 0 is the plainest."""

    def __init__(self, seed):
        self.dice = random.Random(seed) if seed else None

    def chance(self, part):
        return self.dice is not None and self.dice.random() < part

    def cased(self, word):
        return "".join(self.dice.choice((c.upper(), c.lower())) for c in word) if self.chance(.25) else word

    def blank(self, least=1):
        return " " * (self.dice.randrange(least, least + 3) if self.chance(.1) else least)

    def name(self, attr, inner=False):
        if inner or attr.urn is None:
            return self.cased(attr.name)
        if attr.urn in CORE.values() and not self.chance(.15):
            return self.cased(attr.name)
        return f"{self.cased(attr.urn)}:{self.cased(attr.name)}"

    def literal(self, leaf, value):
        if value is None or isinstance(value, bool):
            word = self.cased({None: "null", True: "true", False: "false"}[value])
            return f'"{word}"' if value is not None and self.chance(.2) else word
        if isinstance(value, (int, float)):
            return json.dumps(value if not self.chance(.3) else float(value))
        if self.chance(.3):
            return '"' + "".join(self.sign(c) for c in value) + '"'
        return json.dumps(value, ensure_ascii=self.chance(.5))

    def sign(self, c):
        """One character of a JSON string; above the first plane a pair of surrogates."""
        plain = json.dumps(c)[1:-1]
        return plain if len(plain) > 1 or self.chance(.5) else f"\\u{ord(c):04x}"

    def operation(self, leaf, op, literal):
        tail = "" if op == "pr" else self.blank() + self.literal(leaf, literal)
        return self.blank() + self.cased(op) + tail

    def bracketed(self, text):
        return f"({self.blank(0)}{text}{self.blank(0)})"

    def write(self, tree, inner=False, within=None):
        kind, *rest = tree
        if kind == "not":
            gap = "" if self.chance(.2) else " "
            return self.cased("not") + gap + self.bracketed(self.write(rest[0], inner))
        if kind in ("and", "or"):
            sides = [self.write(side, inner, kind) for side in rest]
            text = self.blank().join((sides[0], self.cased(kind), sides[1]))
            # `and` binds tighter: an or inside an and needs its parentheses, the others may have them.
            return self.bracketed(text) if (kind == "or" and within == "and") or self.chance(.2) else text
        if kind == "cmp":
            attr, sub, op, literal = rest
            path = self.name(attr, inner) + (f".{self.cased(sub.name)}" if sub else "")
            return path + self.operation(sub or attr, op, literal)
        attr, below = rest[:2]
        text = f"{self.name(attr)}[{self.write(below, True)}]"
        if kind == "tail":
            sub, op, literal = rest[2:]
            text += f".{self.cased(sub.name)}" + self.operation(sub, op, literal)
        return text


@LONG
@given(data=st.data())
def test_a_list_is_what_a_naive_evaluation_gives(world, data):
    eyes = data.draw(st.sampled_from(world.eyes), "eyes") if data.draw(st.booleans()) else world.eyes[0]
    kind = data.draw(st.sampled_from(("Users", "Users", "Groups")), "kind")
    maker = Maker(data.draw, world, kind)
    writer = Writer(data.draw(st.integers(0, 1 << 16)))
    tree = maker.tree(4)
    query = {"filter": writer.write(tree), "count": 1000, "attributes": "id"}
    attr = sub = None
    descending = data.draw(st.booleans())
    if data.draw(st.booleans()):
        attr, sub = maker.order()
        query["sortBy"] = writer.name(attr) + (f".{writer.cased(sub.name)}" if sub else "")
        if descending or data.draw(st.booleans()):
            query["sortOrder"] = writer.cased("descending" if descending else "ascending")
    way = data.draw(st.sampled_from(("get", "get", "search", "cursor")), "way")
    if way == "cursor":
        query["count"] = data.draw(st.integers(5, 40))
    elif data.draw(st.integers(0, 2)) == 2:
        query |= {"startIndex": data.draw(st.integers(-2, 70)), "count": data.draw(st.integers(0, 20))}
    note(f"{eyes.name} {kind} {way} {query}")
    wanted = [r["id"] for r in ordered([r for r in eyes.all[kind] if holds(tree, r)], attr, sub, descending)]
    if way == "cursor":
        assert walked(eyes.client, kind, query, len(wanted)) == wanted, query
        return
    first = max(query.get("startIndex", 1), 1)
    page = wanted[first - 1:first - 1 + query["count"]]
    answer = asked(eyes.client, kind, way, query)
    found = [r["id"] for r in answer.get("Resources", ())]
    assert (found, answer["totalResults"]) == (page, len(wanted)), query
    assert (answer["startIndex"], answer["itemsPerPage"]) == (first, len(page))


def asked(client, kind, way, query):
    if way == "search":
        body = query | {"schemas": [SEARCH], "attributes": query["attributes"].split(",")}
        answer = client.post(f"/{kind}/.search", body)
    else:
        answer = client.get(f"/{kind}", **query)
    assert answer.status == 200, (query, answer.text)
    return answer.json


def walked(client, kind, query, total):
    """Ids of all pages by cursor, one after the other (RFC 9865)."""
    found, cursor = [], ""
    while cursor is not None:
        answer = asked(client, kind, "get", query | {"cursor": cursor})
        assert answer["totalResults"] == total and answer["itemsPerPage"] == len(answer["Resources"])
        found += [r["id"] for r in answer["Resources"]]
        cursor = answer.get("nextCursor")
        assert len(found) <= total and (cursor is None or answer["Resources"]), "a walk without end"
    return found
