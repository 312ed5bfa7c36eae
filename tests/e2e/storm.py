"""Actors who do anything at random through two bridges, and a record of every request."""

import random
import threading
import time

from history import Request
from scim import KIOPS_ORGANIZATION, USER, Person
from tally import Counted

MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
PERMISSIONS = ("infra", "service", "backup", "device", "database", "vpn", "audit")
PASSWORD = "correct horse"


class Caller(Person):
    """Somebody at an address of their own: failed sign-ins of one address slow down the others there."""

    def bare(self, method, path, headers, body=None):
        return super().bare(method, path, headers | {"X-Forwarded-For": f"192.0.2.{sum(self.name.encode()) % 250}"}, body)


class Book:
    """All requests of a race."""

    def __init__(self):
        self.requests, self.lock = [], threading.Lock()

    def ask(self, request, call):
        """Sends it; the answer, None where none came."""
        request.start = time.time()
        try:
            answer = call()
        except OSError as problem:
            answer, request.text = None, str(problem)
        request.end = time.time()
        counted = Counted(answer)
        request.answer, request.rule = counted.answer, counted.rule
        with self.lock:
            self.requests.append(request)
        return answer


def membership(o, u):
    return f"/Memberships/{o}.{u}"


def everything(o=None, u=None):
    return [("member", o, u), ("manager", o, u), ("permission", o, u, None), ("asks", o, u)]


def gone(o, u):
    return [(("member", o, u), False), (("manager", o, u), False), (("asks", o, u), False)] + [
        (("permission", o, u, p), False) for p in PERMISSIONS]


# Each operation: (what it may give, what it may take, what "done" means, the call) for organization o, user u, permission p.

def add(c, o, u, p):
    return ([("member", o, u)], [("asks", o, u)], [(("member", o, u), True)],
            lambda: c.patch(f"/Groups/{o}", ("add", "members", [{"value": u}])))


def join(c, o, u, p):
    body = {"schemas": [MEMBERSHIP], "organization": {"value": o}, "user": {"value": u}, "permissions": [p]}
    return ([("member", o, u), ("permission", o, u, p)], [("asks", o, u)],
            [(("member", o, u), True), (("holds", o, u, p), True)], lambda: c.post("/Memberships", body))


def remove(c, o, u, p):
    return ([], everything(o, u), [w for w in gone(o, u) if w[0][0] != "asks"],
            lambda: c.patch(f"/Groups/{o}", ("remove", f'members[value eq "{u}"]')))


def end(c, o, u, p):
    """Reject, withdraw or remove, as it stands."""
    return [], everything(o, u), gone(o, u), lambda: c.delete(membership(o, u))


def promote(c, o, u, p):
    wants = [(("manager", o, u), True), (("member", o, u), True)]
    return ([w for w, _ in wants], [("asks", o, u)], wants, lambda: c.patch(f"/Groups/{o}", ("add", MANAGERS, [{"value": u}])))


def demote(c, o, u, p):
    return ([], [("manager", o, u)], [(("manager", o, u), False)],
            lambda: c.patch(f"/Groups/{o}", ("remove", f'{MANAGERS}[value eq "{u}"]')))


def set_role(role):
    """Member or Manager on a PlatformAdmin takes the platform role first."""
    def operation(c, o, u, p):
        wanted = ("manager", o, u)
        gives = [wanted] if role == "Manager" else []
        takes = [("admin", u)] + ([wanted] if role == "Member" else [])
        wants = [(("admin", u), False), (wanted, role == "Manager")]
        return gives, takes, wants, lambda: c.patch(membership(o, u), ("replace", "role", role))
    return operation


def grant(c, o, u, p):
    """Beside a removal the value may come between its steps: it was there, and goes with the rest."""
    fact = ("permission", o, u, p)
    return [fact], [], [(("holds", o, u, p), True)], lambda: c.patch(membership(o, u), ("add", "permissions", [p]))


def revoke(c, o, u, p):
    fact = ("permission", o, u, p)
    return [], [fact], [(fact, False)], lambda: c.patch(membership(o, u), ("remove", f'permissions[value eq "{p}"]'))


def request(c, o, u, p):
    """By a person for themselves (then `u` is who asks), by a push token for anybody."""
    body = {"schemas": [MEMBERSHIP], "organization": {"value": o}, "user": {"value": u}}
    return [("asks", o, u)], [], [], lambda: c.post("/Memberships", body)


def approve(c, o, u, p):
    return ([("member", o, u)], [("asks", o, u)], [(("member", o, u), True)],
            lambda: c.patch(membership(o, u), ("replace", "status", "active")))


def deactivate(c, o, u, p):
    return ([], [("active", u), ("admin", u)], [(("active", u), False), (("admin", u), False)],
            lambda: c.patch(f"/Users/{u}", ("replace", "active", False)))


def reactivate(c, o, u, p):
    return [], [], [(("active", u), True)], lambda: c.patch(f"/Users/{u}", ("replace", "active", True))


def delete(c, o, u, p):
    takes = [*everything(None, u), ("admin", u), ("active", u)]
    return [], takes, [(("is", u), False)], lambda: c.delete(f"/Users/{u}")


def make_admin(c, o, u, p):
    return ([("admin", u)], [], [(("admin", u), True)],
            lambda: c.patch(membership(o, u), ("replace", "role", "PlatformAdmin")))


def add_role(c, o, u, p):
    """Core `roles` act for a token with write_roles."""
    return ([("admin", u)], [], [(("admin", u), True)],
            lambda: c.patch(f"/Users/{u}", ("add", "roles", [{"value": "PlatformAdmin"}])))


def remove_role(c, o, u, p):
    return ([], [("admin", u)], [(("admin", u), False)],
            lambda: c.patch(f"/Users/{u}", ("remove", 'roles[value eq "PlatformAdmin"]')))


OPERATIONS = {"add": (add, 6), "join": (join, 4), "remove": (remove, 5), "end": (end, 5), "promote": (promote, 6),
              "set Manager": (set_role("Manager"), 3), "demote": (demote, 6), "set Member": (set_role("Member"), 3),
              "grant": (grant, 7), "revoke": (revoke, 4), "request": (request, 6), "approve": (approve, 7),
              "deactivate": (deactivate, 2), "reactivate": (reactivate, 4), "delete": (delete, 2), "make admin": (make_admin, 2),
              "add role": (add_role, 1), "remove role": (remove_role, 2), "create": (None, 3), "rename": (None, 2)}


def ask(book, what, by, client, o, u, p=None):
    """One request of the kind, into the book."""
    gives, takes, wants, call = OPERATIONS[what][0](client, o, u, p)
    if what == "request" and not by.startswith("person:"):
        gives, takes = [*gives, ("member", o, u)], [("asks", o, u)]  # of a token it is an add
    if by.startswith("token:push") and gives:
        gives, wants = [*gives, ("asks", o, u)], []  # its adds are requests
    return book.ask(Request(what, by, gives, takes, wants, {u}), call)


class Storm:
    """`actors`: (name, client of each bridge, own id or None). `people`: {id: userName} of those whom it happens to; names
    of the deleted come again."""

    def __init__(self, organizations, people, crew, seed):
        self.organizations, self.people, self.crew, self.seed = organizations, people, crew, seed
        self.free, self.lock, self.book, self.number = [], threading.Lock(), Book(), 0

    def run(self, actors, seconds):
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self.act, args=(n, actor, until)) for n, actor in enumerate(actors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def act(self, n, actor, until):
        name, clients, own = actor
        pause = threading.Event()
        dice = random.Random(f"{self.seed}.{n}")
        words, weights = list(OPERATIONS), [weight for _, weight in OPERATIONS.values()]
        while time.monotonic() < until:
            what = dice.choices(words, weights)[0]
            answer = self.do(dice, what, name, clients[dice.randrange(len(clients))], own)
            if answer is not None and answer.status in (401, 429):
                pause.wait(0.2)  # deactivated, for now

    def do(self, dice, what, name, client, own):
        with self.lock:
            people = list(self.people)
        o, p = dice.choice(self.organizations), dice.choice(PERMISSIONS)
        u = dice.choice(people + self.crew if dice.random() < 0.4 else self.crew[:4] + people[:6])
        if what == "create":
            return self.create(dice, name, client)
        elif what == "rename":
            return self.rename(dice, name, client, dice.choice(people))
        elif (what == "delete" and u in self.crew) or ("role" in what and not name.startswith("token:admin")):
            return None
        else:
            answer = ask(self.book, what, name, client, o, own if what == "request" and own else u, p)
            if what == "delete" and answer is not None and answer.status == 204:
                with self.lock:
                    self.free.append(self.people.pop(u, f"again{u[:8]}"))
            return answer

    def create(self, dice, name, client):
        with self.lock:
            self.number += 1
            free = self.free.pop(dice.randrange(len(self.free))) if self.free else f"storm{self.number}"
        request = Request("create", name)
        answer = self.book.ask(request, lambda: client.post("/Users", {"schemas": [USER], "userName": free}))
        if request.answer == "done":
            user = answer["id"]
            request.about, request.gives, request.wants = {user}, [], [(("is", user), True)]
            with self.lock:
                self.people[user] = free
        elif request.rule not in ("409", "uniqueness"):
            with self.lock:
                self.free.append(free)
        return answer

    def rename(self, dice, name, client, user):
        """To a new name or one that was somebody's; the old one is free again."""
        with self.lock:
            self.number += 1
            new = self.free.pop() if self.free and dice.random() < 0.5 else f"storm{self.number}"
        request = Request("rename", name, about={user})
        answer = self.book.ask(request, lambda: client.patch(f"/Users/{user}", ("replace", "userName", new)))
        with self.lock:
            if request.answer == "done" and user in self.people:
                new, self.people[user] = self.people[user], new
            if answer is not None and answer.status != 409:
                self.free.append(new)
        return answer
