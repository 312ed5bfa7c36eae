"""What the tests of rules and doors share: one cast in a directory, requests as rows of a table, and what slapd alone says
before and after. A row names its cell of tests/conformance/rule-doors.md: an attempt on that rule through that door."""

import re
import time
from collections import namedtuple

import pytest
from kiopslab import site
from lab import Lab
from scim import GROUP, KIOPS_ORGANIZATION, KIOPS_USER, PATCH, USER, patch_operation
from world import OPERATIONAL, World

MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
PASSWORD = "correct horse"
YESTERDAY = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 86400))
NOBODY = "00000000-0000-4000-8000-000000000000"
SIGN_IN = ("ada", "mina", "jun", "kim", "lee", "noa", "out", "past")
TOKENS = {  # bound ones only on the stage that is shared
    "roles": ("PlatformAdmin", "--option", "write_roles=yes"), "reader": ("PlatformAdmin", "--access", "read"),
    "asker": ("PlatformAdmin", "--push-mode", "request"),
    "asker-roles": ("PlatformAdmin", "--push-mode", "request", "--option", "write_roles=yes"),
    "careful": ("PlatformAdmin", "--option", "write_roles=yes", "--option", "max_removals=0"),
}
BOUND = {"manager-a": ("Manager", "A"), "manager-b": ("Manager", "B"), "member-a": ("Member", "A")}

Request = namedtuple("Request", "method path body")


# ---- rows

def rule(number):
    """Of a row of the table: a rule, or a fault of the list of faults."""
    return f"KB-R{number:02}" if number <= 21 else f"fault-{number}"


def case(rules, door, actor, request, status, refused_by=None, **then):
    """`rules`: whom it attempts, a number or several. `refused_by`: the number of the rule in the answer. `then`: the
    standing of those whom it changes, for a request that is done: everything else stays as it is."""
    rules = rules if isinstance(rules, tuple) else (rules,)
    name = f"{' '.join(map(rule, rules))} {door}: {actor} {request.method} {request.path} {request.body or ''}"
    return pytest.param(actor, request, status, refused_by and rule(refused_by), then, id=re.sub(r"urn:[\w:.]*:", "", name)[:150],
                        marks=[pytest.mark.cell(rule(number), door) for number in rules])


def put(path, body):
    return Request("PUT", path, body)


def post(path, body):
    return Request("POST", path, body)


def patch(path, *operations):
    return Request("PATCH", path, {"schemas": [PATCH], "Operations": [patch_operation(o) for o in operations]})


def delete(path):
    return Request("DELETE", path, None)


def user(name, **attributes):
    schemas = [USER] + [KIOPS_USER] * (KIOPS_USER in attributes)
    return {"schemas": schemas, "userName": f"{{{name}.name}}", **attributes}


def roles(*values):
    return {"roles": [{"value": value} for value in values]}


def memberships(organization, **more):
    """The extension as the bridge shows it: nothing of it can be written."""
    return {KIOPS_USER: {"memberships": [{"value": organization, **more}]}}


def group(name, members=None, managers=None, **attributes):
    body = {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": f"{{{name}.name}}", **attributes}
    body |= {} if members is None else {"members": people(*members)}
    body |= {} if managers is None else {KIOPS_ORGANIZATION: {"managers": people(*managers)}}
    return body


def people(*names):
    return [{"value": f"{{{name}}}"} for name in names]


def membership(organization, person=None, **more):
    named = {"user": {"value": f"{{{person}}}"}} if person else {}
    return {"schemas": [MEMBERSHIP], "organization": {"value": f"{{{organization}}}"}, **named, **more}


# ---- the stage

class Stage:
    """The cast: organizations A (open), B (closed), V (its only Manager is inactive). Of A mina and matteo are Managers, of B
    jun is the only one that counts; ada is PlatformAdmin and in A; noa asks to join A, rex was rejected yesterday; past was
    Manager of A and B and PlatformAdmin, and is deactivated."""

    def __init__(self, lab, bound=False):
        self.lab, self.world, self.view, self.refusals = lab, World(lab), lab.view(), []
        self.cast()
        self.world.settle()
        self.actors = {"admin": lab.scim}
        if bound:
            self.actors |= {n: self.token(n, role, "--organization", self.world.ids[o]) for n, (role, o) in BOUND.items()}
        self.actors |= {name: lab.client(token) for name, token in lab.stage_tokens.items()}
        self.actors |= {name: self.person(name) for name in SIGN_IN}

    def token(self, name, *words):
        return self.lab.client(self.lab.new_token(f"{name}{self.lab.number()}", *words))

    def person(self, name):
        return self.lab.person(self.world.mark + name, PASSWORD)

    def cast(self):
        w = self.world
        w.organization("A", open=True, managed=True)
        w.organization("B", managed=True)
        w.organization("V", managed=True)
        secret = [("userPassword", PASSWORD)]
        w.person("ada", member="A", platform=True, values=secret)
        w.person("mina", manager="A", values=secret)
        w.person("matteo", manager="A", permissions=[("A", "backup")])
        w.person("jun", manager="B", member="A", values=secret)
        w.person("kim", member="AB", permissions=[("A", "vpn"), ("B", "infra")], values=secret)
        w.person("lee", member="A", values=secret)
        w.person("sora", member="B", permissions=[("B", "database")])
        w.person("noa", values=[*secret, ("kiopsRequest", "{A}:20260105080000Z.0000000b")])
        w.person("rex", values=[("kiopsRejected", f"{{A}}:{YESTERDAY}")])
        w.person("out", values=secret)
        w.person("gone", manager="V", active=False)
        w.person("past", manager="AB", platform=True, active=False, values=secret)

    # ---- asking

    def fill(self, sent):
        """The cast's ids and names in the place of {kim} and {kim.name}."""
        if isinstance(sent, dict):
            return {self.fill(name): self.fill(value) for name, value in sent.items()}
        if isinstance(sent, list):
            return [self.fill(value) for value in sent]
        return re.sub(r"\{(\w+)(\.name)?\}", self.named, sent) if isinstance(sent, str) else sent

    def named(self, match):
        if match[2]:
            return f"{self.world.mark}{' ' * match[1][0].isupper()}{match[1]}"
        return self.world.ids.get(match[1], match[0])

    def ask(self, actor, request):
        client = actor if not isinstance(actor, str) else self.actors[actor]
        return client.call(request.method, self.fill(request.path), self.fill(request.body))

    # ---- what slapd says

    def everything(self):
        """All of the directory, but for the server's own attributes."""
        return {dn: {a: sorted(values) for a, values in entry.items() if a.lower() not in OPERATIONAL}
                for dn, entry in self.view.find(site.BASE).items()}

    def standings(self):
        """Name -> standing, of all who belong to the cast or were made by its requests."""
        self.world.learn()
        found = {name: self.view.by_id(uuid) for name, uuid in self.world.ids.items()}
        groups = {n: e for n, (_, e) in ((n, f) for n, f in found.items() if f) if "groupOfNames" in e["objectClass"]}
        admins = folded(self.view.get(site.ADMINS)["member"])
        text = {n: f"{e['cn'][0].partition(' ')[2]} {e.get('kiopsJoinPolicy', ['closed'])[0]}" for n, e in groups.items()}
        for name, (dn, entry) in ((n, f) for n, f in found.items() if f and n not in groups):
            places = [f"{n}={self.place(dn, entry, n, g)}" for n, g in sorted(groups.items())]
            places += ["platform"] * (dn.lower() in admins) + ["platform-value"] * any(
                v.startswith("platform:") for v in entry.get("kiopsJoined", ()))
            places += ["inactive"] * (entry.get("kiopsActive") == ["FALSE"])
            text[name] = " ".join(p for p in places if not p.endswith("="))
        return text

    def place(self, dn, entry, name, group_entry):
        """Manager, Member, asks, rejected, then permissions; letters of the sides that are there when they do not agree."""
        mine = self.world.ids[name]
        here = {a: [v for v in entry.get(a, ()) if v.split(":")[0] == mine]
                for a in ("kiopsJoined", "kiopsManager", "kiopsPermission", "kiopsRequest", "kiopsRejected")}
        sides = "m" * (dn.lower() in folded(group_entry["member"])) + "o" * (dn.lower() in folded(group_entry.get("owner", ())))
        sides += "j" * len(here["kiopsJoined"]) + "k" * len(here["kiopsManager"]) + "q" * len(here["kiopsRequest"])
        words = {"mojk": "Manager", "mj": "Member", "q": "asks", "": "rejected" * bool(here["kiopsRejected"])}
        return "+".join([words.get(sides, sides), *sorted(v.split(":")[1] for v in here["kiopsPermission"])])


def verdict(answer):
    """Status, and the rule of a refusal."""
    return answer.status, answer.rule if answer.status >= 400 else None


def folded(dns):
    return {dn.lower() for dn in dns}


def holds(stage, actor, request, status, refused_by, then):
    """Asks, and reads slapd before and after: refused is as if never asked; done changes whom it says and nobody else."""
    before = stage.standings() if then else stage.everything()
    answer = stage.ask(actor, request)
    assert verdict(answer) == (status, refused_by), answer.text
    if refused_by:
        stage.refusals.append((refused_by, answer.headers["X-Request-Id"], actor, request))
    if not then:
        assert stage.everything() == before, answer.text
        return answer
    after = stage.standings()
    changed = {n: after.get(n) for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    assert changed == {name: text for name, text in then.items() if text != before.get(name)}, answer.text
    assert {n: after.get(n) for n in then} == then
    return answer


def open_lab(folder, **settings):
    """A directory whose only PlatformAdmins are those of a stage."""
    lab = Lab(folder, **settings)
    view = lab.view()
    view.modify(site.ADMINS, ("delete", "member", site.user_dn("ada")))
    lab.stage_tokens = {name: lab.new_token(name, role, *words) for name, (role, *words) in TOKENS.items()}
    return lab
