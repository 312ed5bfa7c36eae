"""Who is Manager or PlatformAdmin no longer, by word of one bridge, is refused by the other on the very next write (KB-R15).
Two bridges on one directory, which tells neither until the write is answered; KIOPS_ROUNDS raises the number of rounds (make soak: 1000)."""

import os
from itertools import cycle, islice, product

import pytest
from issuer import AUDIENCE, Issuer
from lab import Lab, eventually

ROUNDS = int(os.environ.get("KIOPS_ROUNDS", "16"))


class Ground:
    """An organization with two Managers, a member and somebody who asks to join. `rules` acts through the first bridge; one
    of the Managers and a PlatformAdmin, both people, through the second."""

    def __init__(self, lab, issuer):
        self.lab, self.view, self.there = lab, lab.view(), lab.client(bridge=1)
        self.rules = lab.client(lab.new_token("rules", "PlatformAdmin", "--option", "write_roles=yes"))
        users = {name: lab.user() for name in ("manager", "other", "member", "asks", "admin")}
        self.ids = {name: user["id"] for name, user in users.items()}
        self.group = lab.organization([self.ids["member"]], [self.ids["manager"], self.ids["other"]])["id"]
        self.people = {name: lab.client(issuer.token(users[name]["userName"], exp=4e9), bridge=1) for name in ("manager", "admin")}
        push = lab.client(lab.new_token("asks", "PlatformAdmin", "--push-mode", "request"))
        push.patch(f"/Groups/{self.group}", ("add", "members", [{"value": self.ids["asks"]}])).expect(200)
        self.start("admin", "demoted")

    def place(self, name):
        return f"/Memberships/{self.group}.{self.ids[name]}"

    def role(self, name):
        return {"manager": f"Manager@{self.group}", "admin": "PlatformAdmin"}[name]

    def stop(self, name, end):
        path = f"/Users/{self.ids[name]}"
        if end == "deactivated":
            self.rules.patch(path, ("replace", "active", False)).expect(200)
        else:
            self.rules.patch(path, ("remove", f'roles[value eq "{self.role(name)}"]')).expect(200)

    def start(self, name, end):
        """Reactivation brings no PlatformAdmin back (KB-R16)."""
        path = f"/Users/{self.ids[name]}"
        if end == "deactivated":
            self.rules.patch(path, ("replace", "active", True)).expect(200)
        self.rules.patch(path, ("add", "roles", [{"value": self.role(name)}])).expect(200)
        told = f"Since {self.lab.number()}"  # comes last: the other bridge has been told all before
        for place, attribute in ((path, "title"), (f"/Groups/{self.group}", "displayName")):
            self.rules.patch(place, ("replace", attribute, told)).expect(200)
            eventually(lambda: self.there.get(place).json.get(attribute) == told)
        eventually(lambda: self.role(name) in [role["value"] for role in self.there.get(path).json.get("roles", ())])

    def told(self):
        """What slapd says of the two whom the writes are about: their entries, and both sides of the group."""
        members, owners = (self.view.members(self.group, side) for side in ("member", "owner"))
        found = {name: self.view.by_id(self.ids[name]) for name in ("member", "asks")}
        return {name: ({a: v for a, v in entry.items() if a.startswith("kiops")}, dn in members, dn in owners)
                for name, (dn, entry) in found.items()}


WRITES = {
    "grant": ("manager", lambda g, by: by.patch(g.place("member"), ("add", "permissions", ["audit"]))),
    "approve": ("manager", lambda g, by: by.patch(g.place("asks"), ("replace", "status", "active"))),
    "promote": ("admin", lambda g, by: by.patch(g.place("member"), ("replace", "role", "Manager"))),
    "remove": ("manager", lambda g, by: by.delete(g.place("member"))),
}
REFUSALS = {"demoted": (403, 404), "deactivated": (401,)}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    issuer = Issuer()
    oidc = f'oidc = {{ issuer = "{issuer.url}"; audience = "{AUDIENCE}"; claim = "sub"; matches = "userName"; }};'
    lab = Lab(tmp_path_factory.mktemp("next"), bridges=2, proxied=True, bridge={"auth": oidc})
    yield Ground(lab, issuer)
    lab.close()
    issuer.close()


def test_the_next_write_of_who_may_no_longer_is_refused(ground):
    may = ground.place("member")
    for write, end in islice(cycle(product(WRITES, REFUSALS)), ROUNDS):
        name, ask = WRITES[write]
        acts = ground.people[name]
        for change in (("add", "permissions", ["vpn"]), ("remove", "permissions")):
            acts.patch(may, change).expect(200)
        before = ground.told()
        ground.lab.proxy.feed_lag = 0.1
        ground.stop(name, end)
        answer = ask(ground, acts)
        ground.lab.proxy.feed_lag = 0.0
        assert answer.status in REFUSALS[end], (write, end, answer.status, answer.text)
        assert ground.told() == before, (write, end)
        assert "kiopsRequest" in before["asks"][0] and not before["asks"][1]
        ground.start(name, end)


@pytest.mark.parametrize("write", WRITES)
def test_the_same_write_is_taken_from_who_may(ground, write):
    """Else the refusals would prove nothing."""
    name, ask = WRITES[write]
    eventually(lambda: ground.people[name].get(ground.place("member")).status == 200)
    assert ask(ground, ground.people[name]).status in (200, 204)
