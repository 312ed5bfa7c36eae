"""What is measured. An operation knows its request to the bridge, the items of the raw program that are
the same work, and how the bridge's LDAP requests for it are recorded."""

import json
import urllib.parse
from itertools import count

from kiopslab import site
from scim import PATCH, USER

NOBODY = "00000000-0000-4000-8000-%012x"


def body_of_user(name, external):
    return json.dumps({
        "schemas": [USER], "userName": name, "externalId": external, "active": True,
        "name": {"givenName": "Given", "familyName": "Family"}, "displayName": "Given Family",
        "emails": [{"value": f"{name}@example.org", "type": "work", "primary": True}]})


def patch(operation):
    return json.dumps({"schemas": [PATCH], "Operations": [operation]})


DEACTIVATE = patch({"op": "replace", "path": "active", "value": False})
GRANT = patch({"op": "add", "path": "permissions", "value": ["vpn"]})
ADD_MEMBER = patch({"op": "add", "path": "members", "value": [{"value": "{id2}"}]})


def equal(name):
    return "/Users?filter=" + urllib.parse.quote(f'userName eq "{name}"', safe="{}")


class World:
    """Names and ids of what stands in a stage's directory, handed out so that no write meets an item twice."""

    def __init__(self, stage):
        self.users = stage.ids(site.PEOPLE, "(uid=user*)", "uid")
        self.pool = stage.ids(site.PEOPLE, "(uid=pool*)", "uid")
        self.groups = stage.ids(site.ORGANIZATIONS, "(cn=Bench *)", "cn")
        self.members = stage.members()
        self.numbers = count(1)
        self.active = iter(sorted(self.users.items(), reverse=True))
        self.joining = self.granting = iter(())

    def number(self):
        return next(self.numbers)

    def rewind(self):
        self.joining = iter(sorted(self.pool.items()))
        self.granting = iter(sorted(self.members.items()))

    def take(self, source, most):
        taken = [item for _, item in zip(range(most), source)]
        if not taken:
            raise RuntimeError("the bench has used up its people: give it more")
        return taken

    def groups_of(self, size):
        return sorted((cn, uuid) for cn, uuid in self.groups.items() if cn.split()[1] == str(size))


class Reading:
    """One look-up; the directory's side is one search. `hit`: it finds somebody."""

    writes, minimal = False, False

    def __init__(self, name, title, target, hit, by_name):
        self.name, self.title, self.hit, self.by_name = name, title, hit, by_name
        self.request = ("GET", target)

    def items(self, world, _most):
        """[the fields of one item], for raw; the first of them for the bridge."""
        if self.hit:
            return [[uid if self.by_name else uuid] for uid, uuid in list(world.users.items())[:20000]]
        made = [world.number() for _ in range(20000)]
        return [[f"absent{n}" if self.by_name else NOBODY % n] for n in made]

    def record(self, world):
        """A miss is what makes the bridge ask the directory: a hit is the same search."""
        field = f"absent{world.number()}" if self.by_name else NOBODY % world.number()
        return [field], ("GET", equal(field) if self.by_name else f"/Users/{field}")


class Page:
    """A hundred users in a row; the directory's side is one search that stops after a hundred entries."""

    writes, minimal, hit, name, title = False, False, True, "list", "GET list, a page of 100"
    request = ("GET", "/Users?startIndex=2001&count=100")

    def items(self, _world, _most):
        return [["-"]] * 20000

    def record(self, world):
        return Reading("", "", "", False, False).record(world)

    @staticmethod
    def whole(script):
        return [["search", line[1], line[2], "(objectClass=inetOrgPerson)", "100", line[5]]
                if line[0] == "search" else line for line in script]


class Create:
    writes, minimal, name, title = True, False, "create", "POST user"

    def __init__(self):
        # {r}: the load generator's own random prefix, {n}: its counter
        self.request = ("POST", "/Users", body_of_user("{r}x{n}", "ext-{r}x{n}"))

    def items(self, world, most):
        run = world.number()
        return [[f"raw{run}x{n}"] for n in range(most)]

    def record(self, world):
        name = f"recorded{world.number()}"
        return [name], ("POST", "/Users", body_of_user(name, f"ext-{name}"))


class Bulk(Create):
    """So many creates in one request; the directory's side is that of as many alone."""

    name, title, size = "bulk", "Bulk of 1,000 creates", 1000

    def body(self, world):
        run = world.number()
        names = [f"bulk{run}x{n}" for n in range(self.size)]
        return json.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": name, "data": json.loads(body_of_user(name, f"ext-{name}"))}
            for name in names]}).encode()


class Deactivate:
    writes, minimal, name, title = True, False, "active", "PATCH active"
    request = ("PATCH", "/Users/{id}", DEACTIVATE)

    def items(self, world, most):
        return [[uuid, uid] for uid, uuid in world.take(world.active, most)]

    def record(self, world):
        uid, uuid = world.take(world.active, 1)[0]
        return [uuid, uid], ("PATCH", f"/Users/{uuid}", DEACTIVATE)


class Join:
    """One new member, spread over the organizations of one size."""

    writes, minimal = True, True
    request = ("PATCH", "/Groups/{id}", ADD_MEMBER)

    def __init__(self, size):
        self.size, self.name = size, f"member_{size}"
        self.title = f"PATCH add a member to {size:,}"

    def items(self, world, most):
        groups, people = world.groups_of(self.size), world.take(world.joining, most)
        return [[group, person, cn, uid] for n, (uid, person) in enumerate(people)
                for cn, group in [groups[n % len(groups)]]]

    def record(self, world):
        item = self.items(world, 1)[0]
        return item, ("PATCH", f"/Groups/{item[0]}", ADD_MEMBER.replace("{id2}", item[1]))


class Grant:
    """One more permission of a Member who has none, spread over the organizations; the directory's side is the modify
    alone, without the searches by which the bridge asks who acts."""

    writes, minimal, name, title = True, True, "permission", "PATCH grant a permission"
    request = ("PATCH", "/Memberships/{id}.{id2}", GRANT)

    def __init__(self):
        self.touched = []

    def items(self, world, most):
        taken = world.take(world.granting, most)
        self.touched += [uid for uid, _ in taken]
        return [[group, person, uid, joined, cn] for uid, (group, person, joined, cn) in taken]

    def record(self, world):
        item = self.items(world, 1)[0]
        return item, ("PATCH", f"/Memberships/{item[0]}.{item[1]}", GRANT)

    @staticmethod
    def modify_alone(script):
        return script[next(n for n, line in enumerate(script) if line[0] == "modify"):]


READINGS = [
    Reading("get", "GET by id, hit", "/Users/{id}", True, False),
    Reading("eq", "GET userName eq, hit", equal("{id}"), True, True),
    Reading("get_miss", "GET by id, miss", "/Users/{id}", False, False),
    Reading("eq_miss", "GET userName eq, miss", equal("{id}"), False, True),
    Page(),
]
