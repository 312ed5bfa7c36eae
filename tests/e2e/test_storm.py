"""Races of two bridges that are judged by slapd's own log, write by write (done-when b): judge.py says what must hold in each
state. The storm: 32 actors do anything while one looks on; every state that a search saw must be one of the log's.
KIOPS_STORM: its seconds (make soak: 60); KIOPS_ROUNDS: of the others; KIOPS_SEED repeats the choices, not their timing."""

import json
import os
import random
import threading
from collections import Counter

import pytest
from history import Directory, Request, accesslog, read_log, snapshot
from judge import Judge, table
from lab import Lab, eventually
from proofs import all_deciding
from scim import USER
from storm import PASSWORD, Book, Caller, Storm, ask
from tally import note
from test_races import at_once

SECONDS = float(os.environ.get("KIOPS_STORM", "6"))
ROUNDS = max(4, int(os.environ.get("KIOPS_ROUNDS", "25")) // 4)
SEED = os.environ.get("KIOPS_SEED") or str(random.SystemRandom().randrange(10**6))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("storm")
    two = Lab(folder / "lab", bridges=2, slapd=accesslog(folder))
    yield two
    two.close()


class Race:
    """From now until `ends`: what is asked goes through `book`."""

    def __init__(self, pair):
        self.view, self.book = pair.view(), Book()
        self.after = read_log(self.view)[-1].csn
        self.start = Directory(snapshot(self.view))

    def ends(self, name, rounds, seen=()):
        judge = Judge(self.start, read_log(self.view, self.after), self.book.requests)
        judge.check_seen([*seen, Directory(snapshot(self.view)).digest])
        print("\n" + "\n".join(table(self.book.requests, judge.counts.items())))
        note(name, rounds, self.book.requests, len(judge.findings))
        assert not judge.findings, f"seed {SEED}: " + judge.report()
        return judge


class Observer:
    """Reads slapd again and again, people and groups by one search."""

    def __init__(self, view):
        self.view, self.seen, self.running = view, [], True
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while self.running:
            self.seen.append(Directory(snapshot(self.view)).digest)

    def stop(self):
        self.running = False
        self.thread.join()


@pytest.fixture
def admins(pair):
    """A client of each bridge."""
    return [pair.client(bridge=n) for n in range(2)]


def member_everywhere(pair, group, user):
    for n in range(2):
        eventually(lambda n=n: pair.client(bridge=n).get(f"/Memberships/{group}.{user}").status == 200)


def test_deleted_against_promoted(pair, admins):
    """Whatever comes first: the person is gone, and so is the seat."""
    group = pair.organization(managers=[pair.user()["id"]])["id"]
    race = Race(pair)
    for n in range(ROUNDS):
        user = pair.user()["id"]
        ask(race.book, "add", "token:e2e", admins[0], group, user)
        member_everywhere(pair, group, user)
        answers = at_once(lambda: ask(race.book, "delete", "token:e2e", admins[n % 2], group, user),
                          lambda: ask(race.book, "promote", "token:e2e", admins[(n + 1) % 2], group, user))
        assert answers[0].status == 204 and answers[1].status in (200, 400, 404, 409), [a.text for a in answers]
    race.ends("delete / promote", ROUNDS)


def test_renamed_while_the_old_name_is_made_again(pair, admins):
    """The last Manager keeps the seat under the new name; the new person of the old name has nothing of it."""
    names = [f"before{pair.number()}" for _ in range(ROUNDS)]
    users = [pair.user(userName=name)["id"] for name in names]
    groups = [pair.organization(managers=[user])["id"] for user in users]
    for group, user in zip(groups, users):
        member_everywhere(pair, group, user)
    race, kept = Race(pair), []
    for n, (old, user, group) in enumerate(zip(names, users, groups)):
        rename, create = Request("rename", "token:e2e", about={user, group}), Request("create", "token:e2e")
        here, there = admins[n % 2], admins[(n + 1) % 2]
        new = {"schemas": [USER], "userName": old}
        answers = at_once(
            lambda: race.book.ask(rename, lambda: here.patch(f"/Users/{user}", ("replace", "userName", f"after{n}x{old}"))),
            lambda: race.book.ask(create, lambda: there.post("/Users", new)))
        assert answers[0].status == 200 and answers[1].status in (201, 409, 503), [a.text for a in answers]
        if answers[1].status == 201:
            create.about, create.wants = {answers[1]["id"]}, [(("is", answers[1]["id"]), True)]
        entry, seat = race.view.by_id(user), race.view.by_id(group)[1]
        kept.append(seat["owner"] == [entry[0]] and entry[0] in seat["member"])
        assert entry[1]["uid"] == [f"after{n}x{old}"], "the old name is given up"
    print(f"\n{kept.count(False)} of {ROUNDS} rounds cost the seat", end="")
    assert all(kept)
    race.ends("rename / create", ROUNDS)


def test_deleted_and_made_again(pair, admins):
    """The new person of that name gets nothing of the old one's, nor what others gave the old one meanwhile."""
    name, group = f"phoenix{pair.number()}", pair.organization(managers=[pair.user()["id"]])["id"]
    user, race = pair.user(userName=name)["id"], Race(pair)

    def again(client):
        ask(race.book, "delete", "token:e2e", client, group, user)
        request = Request("create", "token:e2e")
        answer = race.book.ask(request, lambda: client.post("/Users", {"schemas": [USER], "userName": name})).expect(201)
        request.about, request.wants = {answer["id"]}, [(("is", answer["id"]), True)]
        return answer["id"]

    for n in range(ROUNDS):
        here, there = admins[n % 2], admins[(n + 1) % 2]
        for what in ("add", "grant", "promote") if n % 3 else ("add",):
            ask(race.book, what, "token:e2e", here, group, user, "vpn").expect(200)
        member_everywhere(pair, group, user)
        *_, user = at_once(lambda: ask(race.book, "add", "token:e2e", there, group, user),
                           lambda: ask(race.book, "grant", "token:e2e", there, group, user, "audit"),
                           lambda: ask(race.book, "promote", "token:e2e", there, group, user),
                           lambda: ask(race.book, "make admin", "token:e2e", there, group, user), lambda: again(here))
        entry = race.view.by_id(user)[1]
        assert not [a for a in entry if a.startswith("kiops") and a not in ("kiopsResource", "kiopsActive", "kiopsExternalId")]
    race.ends("delete and re-create", ROUNDS)


# ---- the storm

def crew_of(pair, count):
    """People with passwords: {id: name}."""
    made = [pair.user(password=PASSWORD) for _ in range(count)]
    return {user["id"]: user["userName"] for user in made}


def actors_of(pair, crew, organizations):
    """32: tokens of the three roles, one whose adds are requests, one that may only read, and the crew by name and password."""
    kinds = [("admin", "PlatformAdmin", "--option", "write_roles=yes")] * 9 + [("push", "PlatformAdmin", "--push-mode", "request")]
    kinds += [("manager", "Manager", "--organization", o) for o in organizations[:4]]
    kinds += [("member", "Member", "--organization", organizations[0]), ("reader", "PlatformAdmin", "--access", "read")]
    for n, (name, *options) in enumerate(kinds):
        token = pair.new_token(f"{name}{n}", *options)
        yield f"token:{name}{n}", [pair.client(token, bridge) for bridge in range(2)], None
    for user, name in crew.items():
        yield f"person:{name}", [Caller(bridge.url, name, PASSWORD) for bridge in pair.bridges], user


def test_anything_at_once(pair):
    crew = crew_of(pair, 16)
    people = {user["id"]: user["userName"] for user in (pair.user() for _ in range(16))}
    everybody = [*crew, *people]
    organizations = [pair.organization(managers=everybody[n:n + 3], members=everybody[n + 3:n + 6])["id"] for n in range(0, 24, 4)]
    actors = list(actors_of(pair, crew, organizations))
    assert len(actors) == 32
    race, storm, observer = Race(pair), Storm(organizations, people, list(crew), SEED), Observer(pair.view())
    race.book = storm.book
    try:
        storm.run(actors, SECONDS)
    finally:
        observer.stop()
    print(f"\nstorm of {SECONDS:g} s, seed {SEED}, {len(observer.seen)} searches in between", end="")
    judge = race.ends("storm", f"{SECONDS:g} s", observer.seen)
    same_answers(pair, judge.directory)


def same_answers(pair, directory):
    """Both bridges answer the same, and their Memberships are what slapd has."""
    for path in ("/Users?count=1000", "/Groups?count=1000"):
        settled(pair, path)
    assert shown_memberships(settled(pair, "/Memberships?count=1000")) == set(told_by(directory))


def settled(pair, path):
    """What both bridges answer, once it is the same."""
    def same():
        first, second = (without_address(pair.client(bridge=n).get(path).expect(200).json) for n in range(2))
        return first == second and first
    return eventually(same, within=2.0)


def without_address(answer):
    text = json.dumps(answer, sort_keys=True)
    for resource in answer["Resources"][:1]:
        text = text.replace(resource["meta"]["location"].rpartition("/scim/")[0], "")
    return json.loads(text)


def shown_memberships(answer):
    return {(m["organization"]["value"], m["user"]["value"], m["status"], m.get("organizationRole"), tuple(m.get("permissions", ())))
            for m in answer["Resources"]}


def told_by(directory):
    """The same from facts."""
    order = ("infra", "service", "backup", "device", "database", "vpn", "audit")
    facts = set().union(*directory.facts.values())
    for kind, *about in facts:
        if kind == "member":
            role = "Manager" if ("manager", *about) in facts else "Member"
            yield (*about, "active", role, tuple(p for p in order if ("permission", *about, p) in facts))
        elif kind == "asks" and ("member", *about) not in facts:
            yield (*about, "pending", None, ())


# ---- preconditions, in the log of all that was done above

STEPS = {"approve", "demote", "demote: the person", "grant", "join", "promote: the organization", "promote: the person",
         "reject, withdraw", "remove Manager", "remove Member: the organization", "remove Member: the person",
         "revoke PlatformAdmin", "vacate"}


def each_step_once(pair):
    """Whatever the storm has left out."""
    book, client, pusher = Book(), pair.client(), pair.client(pair.new_token("asker", "PlatformAdmin", "--push-mode", "request"))
    keeper, first, second, third = (pair.user()["id"] for _ in range(4))
    group, vacant = pair.organization(managers=[keeper])["id"], pair.organization(managers=[third])["id"]

    def do(what, user, by=client, o=group):
        ask(book, what, "token:e2e", by, o, user, "vpn").expect(200, 201, 204)

    for what, user, *by in (("add", first), ("grant", first), ("promote", first), ("demote", first), ("remove", first),
                            ("promote", first), ("remove", first), ("request", first, pusher), ("end", first),
                            ("request", second, pusher), ("approve", second), ("make admin", second), ("set Member", second)):
        do(what, user, *by)
    do("deactivate", third, o=vacant)
    do("delete", third, o=vacant)


def test_each_deciding_write_carries_its_precondition(pair):
    """DESIGN 3.3, the one modify that decides: e.g. to demote K, `delete owner Y; add owner Y; delete owner K`."""
    counts, without = Counter(), []
    each_step_once(pair)
    for record, step, carried in all_deciding(read_log(pair.view())):
        counts[step] += 1
        if not carried:
            without.append(f"{step}: {record}")
    print("\n" + "\n".join(f"{step:<36}{count:>6}" for step, count in sorted(counts.items())))
    assert not without, "\n".join(without[:20])
    assert counts.keys() >= STEPS, STEPS - counts.keys()
