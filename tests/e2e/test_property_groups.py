"""Members and Managers of an organization as a property: after any PATCH or PUT they are two sets that a few lines of
Python foretell (RFC 7644 3.5, DESIGN 3.3 and 5, KB-R07), as read through the bridge and as they stand in the directory.

KIOPS_PROPERTIES=N tries N sequences at random instead of the short, fixed run of `make check`."""

import json
import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from scim import GROUP, KIOPS_ORGANIZATION, PATCH

N = int(os.environ.get("KIOPS_PROPERTIES", "0"))
LONG = settings(max_examples=N or 60, derandomize=not N, deadline=None, database=None, print_blob=True,
                suppress_health_check=list(HealthCheck))
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
WORDS = ["Hull", "hull works", "\u00c9", "a*b", " x ", ""]


class Refused(Exception):
    """409 by KB-R07."""


@dataclass
class Team:
    """Ids of all members, and of the Managers among them."""

    members: set = field(default_factory=set)
    managers: set = field(default_factory=set)

    def change(self, op, name, ids):
        """`ids` None: all. Who is made a Manager is a member, and who leaves is none of both."""
        now = self.members if name == "members" else self.managers
        wanted = {"add": lambda: now | ids, "remove": lambda: now - ids if ids is not None else set(),
                  "replace": lambda: set(ids)}[op]()
        if name == "members":
            self.members, self.managers = wanted, self.managers & wanted
        else:
            self.members, self.managers = self.members | wanted, wanted

    def after(self, changes):
        team = Team(set(self.members), set(self.managers))
        for change in changes:
            team.change(*change)
        if self.managers and not team.managers:
            raise Refused
        return team


class Ground:
    def __init__(self, lab):
        self.lab, self.view = lab, lab.view()
        self.people = [lab.user()["id"] for _ in range(7)]
        token = lab.new_token("all", "PlatformAdmin", "--option", "max_removals=1000")
        strict = lab.new_token("strict", "PlatformAdmin", "--option", "max_removals=1000", "--profile", "strict")
        self.clients = {False: lab.client(token), True: lab.client(strict)}
        self.dns = {user: self.view.by_id(user)[0] for user in self.people}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    lab = Lab(tmp_path_factory.mktemp("groups"))
    yield Ground(lab)
    lab.close()


class Maker:
    def __init__(self, draw, people, team):
        self.draw, self.people, self.team = draw, people, team

    def pick(self, options):
        return self.draw(st.sampled_from(options))

    def ids(self, least=0):
        return self.draw(st.lists(st.sampled_from(self.people), min_size=least, max_size=5))

    def operation(self):
        """(as sent, (op, name, ids))"""
        name = self.pick(("members", "members", "managers"))
        path = name if name == "members" else MANAGERS
        form = self.pick(("add", "add", "replace", "list", "filter", "filter", "all", "value"))
        if form in ("add", "replace"):
            ids = self.ids()
            return {"op": form, "path": path, "value": [{"value": i} for i in ids]}, (form, name, set(ids))
        if form == "value":
            op, ids = self.pick(("add", "replace")), self.ids()
            items = [{"value": i} for i in ids]
            value = {"members": items} if name == "members" else {KIOPS_ORGANIZATION: {"managers": items}}
            return {"op": op, "value": value}, (op, name, set(ids))
        if form == "all":
            return {"op": "remove", "path": path}, ("remove", name, None)
        ids = self.ids(1)
        if form == "list":
            return {"op": "remove", "path": path, "value": [{"value": i} for i in ids]}, ("remove", name, set(ids))
        tests = " or ".join(f'value eq "{i}"' for i in ids)
        if self.pick((False, False, True)):
            # What is not a list of ids: everybody but these.
            return {"op": "remove", "path": f"{path}[not ({tests})]"}, ("remove", name, set(self.people) - set(ids))
        return {"op": "remove", "path": f"{path}[{tests}]"}, ("remove", name, set(ids))

    def body(self, display, strict):
        """(as sent, changes): absent members stay, but for a strict client, and absent Managers stay."""
        body, changes = {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": display}, []
        if self.pick((True, True, False)):
            ids = self.ids()
            body["members"] = [{"value": i} for i in ids]
            changes.append(("replace", "members", set(ids)))
        elif strict:
            changes.append(("replace", "members", set()))
        body[KIOPS_ORGANIZATION] = {"description": self.pick(WORDS), "joinPolicy": self.pick(("open", "closed"))}
        if self.pick((True, False)):
            ids = self.ids()
            body[KIOPS_ORGANIZATION]["managers"] = [{"value": i} for i in ids]
            changes.append(("replace", "managers", set(ids)))
        return body, changes


class Sequence:
    def __init__(self, ground, draw):
        self.ground, self.draw, self.team = ground, draw, Team()
        created = ground.lab.organization()
        self.id, self.display = created["id"], created["displayName"]

    def step(self):
        strict = self.draw(st.booleans())
        client, maker = self.ground.clients[strict], Maker(self.draw, self.ground.people, self.team)
        path, before = f"/Groups/{self.id}", self.ground.clients[False].get(f"/Groups/{self.id}").json
        if self.draw(st.integers(0, 2)) == 0:
            body, changes = maker.body(self.display, strict)
            note(f"PUT strict={strict} {json.dumps(body)}")
            answer = client.put(path, body)
        else:
            drawn = [maker.operation() for _ in range(self.draw(st.integers(1, 3)))]
            body, changes = {"schemas": [PATCH], "Operations": [sent for sent, _ in drawn]}, [change for _, change in drawn]
            note(f"PATCH strict={strict} {json.dumps(body)}")
            answer = client.call("PATCH", path, body)
        try:
            self.team = self.team.after(changes)
        except Refused:
            assert (answer.status, answer.rule) == (409, "KB-R07"), answer.text
            assert client.get(path).json == before, "refused, and something changed"
            return
        assert answer.status == 200, answer.text
        self.check(client.get(path).expect(200).json, answer.json)

    def check(self, shown, answered):
        assert answered == shown, "answered otherwise than read"
        extension = shown[KIOPS_ORGANIZATION]
        assert sorted(m["value"] for m in shown["members"]) == sorted(self.team.members)
        assert sorted(m["value"] for m in extension.get("managers", ())) == sorted(self.team.managers)
        assert extension["memberCount"] == len(self.team.members)
        dns = self.ground.dns
        for name, people in (("member", self.team.members), ("owner", self.team.managers)):
            assert self.ground.view.members(self.id, name) == {dns[i] for i in people}, name
        joined = {i: entry for i in self.ground.people for _, entry in [self.ground.view.by_id(i)]}
        for user, entry in joined.items():
            mine = [v for v in entry.get("kiopsJoined", ()) if v.startswith(self.id)]
            assert len(mine) == (user in self.team.members)
            assert (self.id in entry.get("kiopsManager", ())) == (user in self.team.managers)


@LONG
@given(data=st.data())
def test_members_and_managers_are_what_was_asked_for(ground, data):
    sequence = Sequence(ground, data.draw)
    for _ in range(data.draw(st.integers(1, 6), "steps")):
        sequence.step()
    ground.lab.scim.delete(f"/Groups/{sequence.id}").expect(204, 409)
