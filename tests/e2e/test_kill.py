"""kill -9 of slapd and of the bridge at random moments under eight writers, on a durable directory (done-when c): no
acknowledged write is lost, nobody is in a group who was not put there, and the audit explains every change. KIOPS_ROUNDS
raises the number of rounds (make soak: 20); KIOPS_SEED repeats the choices of a run."""

import http.client
import os
import random
import re
import threading
import time
from collections import defaultdict

import pytest
from checker import Picture, fold
from faults import audit_records, kill
from kiopslab import site
from lab import eventually
from scim import KIOPS_ORGANIZATION, USER
from world import auditlog, read_auditlog

ROUNDS = int(os.environ.get("KIOPS_ROUNDS", "3"))
SEED = int(os.environ.get("KIOPS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
WRITERS = 8
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


class Person:
    """What one writer knows of one of its users: `sure` was acknowledged, `open` is a request without an answer."""

    def __init__(self, name):
        self.name, self.id, self.open = name, None, None
        self.exists, self.title, self.member, self.manager = False, None, {}, {}


class Writer(threading.Thread):
    def __init__(self, lab, number, groups, dice):
        super().__init__(daemon=True)
        self.lab, self.scim, self.number, self.groups, self.dice = lab, lab.client(), number, groups, dice
        self.people, self.acknowledged, self.odd, self.counter = [], set(), [], 0
        self.up, self.stop, self.at_work = threading.Event(), threading.Event(), threading.Lock()

    def run(self):
        while not self.stop.is_set():
            if self.up.wait(0.05):
                with self.at_work:
                    if self.up.is_set():
                        self.one()

    def one(self):
        able = [p for p in self.people if not p.open and p.exists]
        if len(able) < 3 or self.dice.random() < 0.2:
            self.counter += 1
            self.people.append(Person(f"k{self.number}x{self.counter}"))
            return self.ask("create", self.people[-1])
        kind = self.dice.choice(["title", "add", "add", "add", "remove", "promote", "demote", "delete"])
        person, group = self.dice.choice(able), self.dice.choice(self.groups)
        inside, manages = person.member.get(group), person.manager.get(group)
        fits = {"add": not inside, "remove": inside, "promote": inside and not manages, "demote": manages}
        if fits.get(kind, True):
            return self.ask(kind, person, group)

    def send(self, kind, person, group=None, title=None):
        """The request, as it is sent first and repeated later."""
        scim = self.scim
        if kind == "create":
            return scim.post("/Users", {"schemas": [USER], "userName": person.name})
        if not person.id:
            found = scim.find("Users", f'userName eq "{person.name}"')
            person.id = found[0]["id"] if found else "00000000-0000-4000-8000-000000000000"
        if kind == "title":
            return scim.patch(f"/Users/{person.id}", ("replace", "title", title))
        if kind == "delete":
            return scim.delete(f"/Users/{person.id}")
        value = [{"value": person.id}]
        change = {"add": ("add", "members", value), "remove": ("remove", f'members[value eq "{person.id}"]'),
                  "promote": ("add", MANAGERS, value), "demote": ("remove", f'{MANAGERS}[value eq "{person.id}"]')}[kind]
        return scim.patch(f"/Groups/{group}", change)

    def ask(self, kind, person, group=None):
        title = f"t{self.dice.randrange(1 << 20)}" if kind == "title" else None
        person.open = (kind, group, title)
        try:
            answer = self.send(kind, person, group, title)
        except (OSError, http.client.HTTPException):
            return self.back_off()
        if answer.status == 503:
            return self.back_off()
        person.open = None
        self.acknowledged.add(answer.headers["X-Request-Id"])
        if answer.status >= 300:
            self.odd.append((kind, person.name, answer.status, answer.text))
            return
        if kind == "create":
            person.id = answer["id"]
        self.believe(kind, person, group, title)

    def back_off(self):
        self.stop.wait(0.02)

    @staticmethod
    def believe(kind, person, group, title):
        if kind == "title":
            person.title = title
        elif kind in ("create", "delete"):
            person.exists, person.member, person.manager = kind == "create", {}, {}
        elif kind in ("add", "remove"):
            person.member[group], person.manager[group] = kind == "add", False
        else:
            person.manager[group] = kind == "promote"

    def repeat(self):
        """What was interrupted, again, until it is answered: done, or done before."""
        wanted = {"create": (201, 409), "delete": (204, 404)}
        for person in [p for p in self.people if p.open]:
            kind, group, title = person.open
            answer = eventually(lambda p=person, k=kind, g=group, t=title: answered(self.send(k, p, g, t)), within=10)
            answer.expect(*wanted.get(kind, (200,)))
            self.believe(kind, person, group, title)
            person.open = None


def answered(answer):
    return answer if answer.status != 503 else None


@pytest.fixture
def ground(new_lab, tmp_path):
    lab = new_lab(durable=True, slapd=auditlog(tmp_path))
    lab.auditlog = tmp_path / "auditlog.ldif"
    return lab


def picture(lab):
    return Picture(lab.slapd.uri, site.ROOT, lab.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)


def storm(lab, writers, dice, victims):
    """Writes, a kill in the middle of them, writes again; then silence."""
    for writer in writers:
        writer.up.set()
    before = sum(len(w.acknowledged) for w in writers)
    eventually(lambda: sum(len(w.acknowledged) for w in writers) > before + 2 * WRITERS, within=30)
    time.sleep(dice.uniform(0.05, 0.5))  # the moment of the kill is random, nothing waits for it
    for victim in victims:
        kill(victim)
    for writer in writers:
        writer.up.clear()
    for victim in victims:
        victim.start()
    for writer in writers:
        writer.up.set()
    after = sum(len(w.acknowledged) for w in writers)
    eventually(lambda: sum(len(w.acknowledged) for w in writers) > after + 2 * WRITERS, within=30)
    for writer in writers:
        writer.up.clear()
    for writer in writers:
        assert writer.at_work.acquire(timeout=40), "its last request is not answered"
        writer.at_work.release()


def judge(now, writers, groups):
    """Everything acknowledged is there; nobody is in a group without having been put there."""
    may_be_in = defaultdict(set)
    odd = [o for w in writers for o in w.odd]
    for person in (p for w in writers for p in w.people):
        dn, kind = fold(site.user_dn(person.name)), person.open and person.open[0]
        entry = now.people.get(dn)
        if kind not in ("create", "delete"):
            assert (entry is not None) == person.exists, (
                f"{person.name}: acknowledged {person.exists}, found {entry}, after {[o for o in odd if o[1] == person.name]}")
        if entry is not None and kind != "title" and person.exists:
            assert entry.get("title", [None])[0] == person.title, person.name
        for group in groups:
            open_here = kind == "delete" or (person.open and person.open[1] == group)
            if open_here or person.member.get(group):
                may_be_in[group].add(dn)
            if not open_here:
                assert (dn in now.members(group)) == bool(person.member.get(group)), f"{person.name} in {group}"
                assert (dn in now.managers(group)) == bool(person.manager.get(group)), f"{person.name} manages {group}"
    return may_be_in


def explain(lab, writers):
    """The audit's chain holds; what slapd was told has its intent; an intent without outcome is of a request that got no
    answer. Returns how many of those there are."""
    said = lab.bridge.cli("audit", "verify")
    assert "the chain holds" in said
    records = audit_records(lab.bridge)
    intents = {r["seq"]: r for r in records if r["type"] == "intent"}
    outcomes = {r["intent"] for r in records if r["type"] == "outcome"}
    unanswered = set(intents) - outcomes
    assert {int(n) for n in re.findall(r"intent (\d+) has no outcome", said)} == unanswered
    acknowledged = set().union(*(w.acknowledged for w in writers))
    for number in unanswered:
        assert intents[number]["request"] not in acknowledged, f"acknowledged, without outcome: {intents[number]}"
    changes_have_intents(lab, intents.values())
    return len(unanswered)


def changes_have_intents(lab, intents):
    created = {r["after"]["userName"] for r in intents if r["change"] == "create_user"}
    subjects = {r.get("subject") for r in intents}
    deleted = {r.get("subject") for r in intents if r["change"] == "delete_user"}
    pairs = {(r.get("organization"), r.get("subject")) for r in intents}
    groups = {fold(dn): uuid for uuid, entry in picture(lab).organizations.items()
              for dn in [site.organization_dn(entry["cn"][0])]}
    ids = {}
    text = lab.auditlog.read_text()
    for dn, uuid in re.findall(r"^# add .*?\ndn: (.*?)\n.*?^entryUUID: (\S+)$", text, re.M | re.S):
        ids.setdefault(fold(dn), uuid)
    for kind, dn, changes in read_auditlog(text):
        dn = fold(dn)
        if dn.endswith(fold(site.ORGANIZATIONS)) and kind == "modify":
            for _, attribute, value in changes:
                uuid = ids.get(fold(value))
                if attribute in ("member", "owner") and uuid:
                    assert (groups.get(dn), uuid) in pairs or uuid in deleted, f"{value} in {dn} without intent"
        elif kind == "add" and is_of_a_writer(dn):
            assert dn.split(",")[0].removeprefix("uid=") in created, f"{dn} without intent"
        elif dn in ids and is_of_a_writer(dn):
            assert ids[dn] in (deleted if kind == "delete" else subjects), f"{kind} of {dn} without intent"


def is_of_a_writer(dn):
    """Not the throw-away person of the proof of the access rules, who comes and goes before a bridge listens."""
    return re.match(r"uid=k\d+x\d+,", dn) is not None


def inert(finding, writers):
    """A demotion that was cut off leaves kiopsManager without owner: no authority, and its repeat does not see it."""
    return "has kiopsManager of" in finding and finding.endswith("is no owner") and any(
        finding.startswith(fold(site.user_dn(name))) for w in writers for name in w.cut_demotions)


def test_killed_at_any_moment_nothing_acknowledged_is_lost(ground):
    keeper = ground.user()["id"]
    groups = [ground.organization(managers=[keeper])["id"] for _ in range(2)]
    dice = random.Random(SEED)
    print(f"\nKIOPS_SEED={SEED}")
    writers = [Writer(ground, n, groups, random.Random(dice.random())) for n in range(WRITERS)]
    for writer in writers:
        writer.cut_demotions = set()
        writer.start()
    both = [[ground.slapd.process], [ground.bridge.process], [ground.slapd.process, ground.bridge.process]]
    for number in range(ROUNDS):
        storm(ground, writers, dice, both[number % len(both)])
        now = picture(ground)
        may_be_in = judge(now, writers, groups)
        keeper_dn = next(dn for dn, values in now.people.items() if values["entryuuid"][0] == keeper)
        for group in groups:
            phantoms = now.members(group) - may_be_in[group] - {keeper_dn}
            assert not phantoms, f"seed {SEED}, round {number}: {phantoms}"
        interrupted = sum(p.open is not None for w in writers for p in w.people)
        unanswered = explain(ground, writers)
        for writer in writers:
            writer.cut_demotions |= {p.name for p in writer.people if p.open and p.open[0] == "demote"}
            writer.repeat()
        now = picture(ground)
        judge(now, writers, groups)
        findings = [f for f in now.findings(managed=groups) if not inert(f, writers)]
        assert not findings, f"seed {SEED}, round {number}: {findings}"
        shown_alike(ground, groups)
        print(f"round {number}: {sum(len(w.acknowledged) for w in writers)} answered so far, {interrupted} interrupted, "
              f"{unanswered} intents without outcome")
    for writer in writers:
        writer.stop.set()
        writer.join()
    odd = [o for w in writers for o in w.odd]
    assert not odd, f"seed {SEED}: {odd[:3]}"


def shown_alike(lab, groups):
    for group in groups:
        def alike(group=group):
            now = picture(lab)
            wanted = {now.people[dn]["entryuuid"][0] for dn in now.members(group)}
            return {m["value"] for m in lab.scim.get(f"/Groups/{group}")["members"]} == wanted
        eventually(alike, within=5)
