"""The directory at every moment of a race, from slapd's own log of writes: slapo-accesslog holds a lock from before a write's CSN
is made until it is logged, so the CSNs give the order in which the states came. Nothing of the bridge is asked."""

import calendar
import re
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import ldap
from checker import fold
from kiopslab import site

PERSON = ("kiopsjoined", "kiopsmanager", "kiopspermission", "kiopsrequest", "kiopsactive", "uid")
GROUP = ("member", "owner")
SLACK = 0.001  # slapd and we read the same clock; a CSN is cut to microseconds


def accesslog(folder):
    """Settings of Slapd: every write, refused ones too, below cn=log."""
    (folder / "log").mkdir()
    overlays = ["overlay accesslog", "logdb cn=log", "logops writes", "database mdb", "suffix cn=log", f'rootdn "{site.ROOT}"',
                f"directory {folder}/log", "maxsize 8589934592", "dbnosync", "index objectClass,entryCSN eq"]
    return {"modules": "moduleload accesslog", "overlays": "\n".join(overlays)}


@dataclass
class Record:
    """One write. `time` is its CSN's, just before it was made; `changes`: (sign, attribute, value), + - = as sent."""
    csn: str
    kind: str
    dn: str
    result: int
    changes: list
    new_rdn: str = ""
    keeps_old: bool = False  # a modrdn that leaves the old name among the values
    by: str = ""
    time: float = 0.0

    def __str__(self):
        kept = [c for c in self.changes if c[1] not in ("entrycsn", "modifiersname", "modifytimestamp")]
        return f"{self.kind} {self.dn} {' '.join(f'{name}{sign}{value}' for sign, name, value in kept)}"[:1500]


def seconds(text):
    """Of a CSN. (reqStart has whole seconds only, and a counter.)"""
    whole, part = text.partition("Z")[0].split(".")
    return calendar.timegm(time.strptime(whole, "%Y%m%d%H%M%S")) + float(f"0.{part}")


def record_of(values):
    one = {name.lower(): [v.decode(errors="replace") for v in vs] for name, vs in values.items()}
    changes = []
    for text in one.get("reqmod", ()):
        found = re.match(r"([^:]+):([-+=#]) ?(.*)", text, re.S)
        if found:
            changes.append((found[2], found[1].lower(), found[3]))
    return Record(one["entrycsn"][0], one["reqtype"][0], fold(one["reqdn"][0]), int(one["reqresult"][0]), changes,
                  one.get("reqnewrdn", [""])[0],
                  one.get("reqdeleteoldrdn") == ["FALSE"], one["reqauthzid"][0], seconds(one["entrycsn"][0]))


def read_log(view, after=""):
    """The writes after that CSN, in the order in which they were made; those that slapd refused are among them."""
    text = f"(&(objectClass=auditWriteObject)(entryCSN>={after}))" if after else "(objectClass=auditWriteObject)"
    found = view.link.search_s("cn=log", ldap.SCOPE_SUBTREE, text, ["*", "entryCSN"])
    records = sorted((record_of(values) for _, values in found), key=lambda r: r.csn)
    return [r for r in records if r.csn > after]


@dataclass
class Request:
    """What somebody asked for. `gives`, `takes`: facts that it may make true or false (None stands for any); `wants`: (fact,
    truth) that an answer of "done" means."""
    what: str
    by: str
    gives: list = field(default_factory=list)
    takes: list = field(default_factory=list)
    wants: list = field(default_factory=list)
    about: set = field(default_factory=set)
    start: float = 0.0
    end: float = 0.0
    answer: str = ""  # tally.Counted
    rule: str = ""
    text: str = ""

    def __str__(self):
        return f"{self.what} by {self.by}: {self.answer} {self.rule}"


def fits(pattern, fact):
    return len(pattern) == len(fact) and all(p is None or p == f for p, f in zip(pattern, fact))


class Directory:
    """People and groups, moved on by records. Facts: ("member", O, U), ("manager", O, U), ("permission", O, U, P) as two-sided
    as DESIGN 3.2 has them but whether active or not, ("holds", O, U, P): the person's side of a permission,
    ("asks", O, U), ("admin", U), ("active", U), ("is", U);
    ("half", O, U, WHAT): one side without the other. O and U are ids."""

    def __init__(self, entries):
        self.people, self.groups, self.holder, self.facts, self.digest = {}, {}, {}, {}, 0
        self.former = {}  # dn: id of who had it before a rename
        for dn, values in entries.items():
            self.take(fold(dn), {name.lower(): vs for name, vs in values.items()})
        for user in self.people:
            self.facts[user] = self.facts_of(user)

    def take(self, dn, values):
        """An entry as read or added; whose facts may change."""
        classes = {v.lower() for v in values.get("objectclass", ())}
        kept = PERSON if "inetorgperson" in classes else GROUP if "groupofnames" in classes else None
        if not kept:
            return set()
        folding = fold if kept is GROUP else str.lower
        entry = {"dn": dn, "id": "platform" if dn == fold(site.ADMINS) else values["entryuuid"][0],
                 **{name: {folding(v) for v in values.get(name, ())} for name in kept}}
        (self.people if kept is PERSON else self.groups)[entry["id"]] = entry
        self.holder[dn] = entry["id"]
        if kept is PERSON:
            self.former.pop(dn, None)
        self.digest ^= digest_of(entry)
        return {entry["id"]} if kept is PERSON else self.named(entry["member"] | entry["owner"])

    def named(self, dns):
        return {who for dn in dns if (who := self.holder.get(dn) or self.former.get(dn)) in self.people}

    def names(self, user):
        return {self.people[user]["dn"]} | {dn for dn, who in self.former.items() if who == user}

    def apply(self, record):
        """Moves on; returns {user: (facts before, after)} of those whose facts changed."""
        touched = getattr(self, "do_" + record.kind, lambda r: set())(record)
        changed = {}
        for user in touched:
            before, after = self.facts.get(user, set()), self.facts_of(user) if user in self.people else set()
            self.facts[user] = after
            if before != after:
                changed[user] = (before, after)
        return changed

    def do_add(self, record):
        values = {}
        for _, name, value in record.changes:
            values.setdefault(name, []).append(value)
        return self.take(record.dn, values)

    def do_delete(self, record):
        gone = self.holder.pop(record.dn, None)
        entry = self.people.pop(gone, None)
        group = self.groups.pop(gone, None)
        if entry or group:
            self.digest ^= digest_of(entry or group)
        if entry:
            self.former = {dn: who for dn, who in self.former.items() if who != gone}
        return {gone} if entry else self.named(group["member"] | group["owner"]) if group else set()

    def do_modrdn(self, record):
        moved = self.holder.pop(record.dn, None)
        entry = self.people.get(moved) or self.groups.get(moved)
        if not entry:
            return set()
        self.digest ^= digest_of(entry)
        entry["dn"] = fold(record.new_rdn + "," + record.dn.partition(",")[2])
        self.holder[entry["dn"]] = moved
        if moved in self.people:
            self.former[record.dn] = moved
            self.former.pop(entry["dn"], None)
            entry["uid"] = (entry["uid"] if record.keeps_old else set()) | {record.new_rdn.partition("=")[2].lower()}
        self.digest ^= digest_of(entry)
        return {moved} & self.people.keys()

    def do_modify(self, record):
        which = self.holder.get(record.dn)
        entry = self.people.get(which) or self.groups.get(which)
        if not entry:
            return set()
        self.digest ^= digest_of(entry)
        seen, replaced = set(), set()
        for sign, name, value in record.changes:
            if name not in entry or name in ("dn", "id"):
                continue
            value = fold(value) if which in self.groups else value.lower()
            if sign == "=" and name not in replaced:
                replaced.add(name)
                entry[name].clear()
            assert (value in entry[name]) == (sign == "-") or sign == "=", f"the log is out of order at {record}"
            (entry[name].discard if sign == "-" else entry[name].add)(value)
            seen.add(value)
        self.digest ^= digest_of(entry)
        return {which} if which in self.people else self.named(seen)

    def facts_of(self, user):
        entry, names = self.people[user], self.names(user)
        own = {name: [v.split(":") for v in entry[name]] for name in PERSON[:4]}
        facts = {("is", user)} | ({("active", user)} if "false" not in entry["kiopsactive"] else set())
        about = {v[0] for values in own.values() for v in values} - {"platform"}
        for organization in about | (self.groups.keys() - {"platform"}):
            facts |= self.facts_in(organization, user, own, names)
        joined = any(v[0] == "platform" for v in own["kiopsjoined"])
        listed = bool(names & self.groups["platform"]["member"])
        if joined != listed:
            facts.add(("half", "platform", user, "joined" if joined else "listed"))
        return facts | ({("admin", user)} if joined and listed else set())

    def facts_in(self, organization, user, own, names):
        group = self.groups.get(organization, {"member": set(), "owner": set()})
        inside, owner = bool(names & group["member"]), bool(names & group["owner"])
        joined = sum(v[0] == organization for v in own["kiopsjoined"])
        manages = [organization] in own["kiopsmanager"]
        permissions = {v[1] for v in own["kiopspermission"] if v[0] == organization}
        facts = {("holds", organization, user, p) for p in permissions}
        asks = any(v[0] == organization for v in own["kiopsrequest"])
        whole = inside and joined
        if whole:
            facts.add(("member", organization, user))
        if whole and owner and manages:
            facts.add(("manager", organization, user))
        if whole:
            facts |= {("permission", organization, user, p) for p in permissions}
        if asks:
            facts.add(("asks", organization, user))
        half = {"member without kiopsJoined": inside and not joined, "kiopsJoined, no member": joined and not inside,
                "joined twice": joined > 1, "permission of no member": permissions and not whole,
                "kiopsManager, no owner": manages and not owner, "owner without kiopsManager": owner and not manages,
                "owner, no member": owner and not inside, "request of a member": asks and inside}
        return facts | {("half", organization, user, words) for words, true in half.items() if true}

    def phantoms(self):
        """(organization, DN) of group values that name nobody."""
        known = self.holder.keys() | {fold(site.PLACEHOLDER)} | self.former.keys()
        return {(o, dn) for o, group in self.groups.items() for dn in (group["member"] | group["owner"]) - known}

    def old_names(self):
        """Group values that name somebody as they were called before."""
        return {(o, dn) for o, group in self.groups.items() for dn in (group["member"] | group["owner"]) & self.former.keys()}

    def managers(self, organization):
        """Ids of those that count."""
        group = self.groups.get(organization)
        named = self.named(group["owner"]) if group else ()
        return {u for u in named if {("manager", organization, u), ("active", u)} <= self.facts[u]}

    def admins(self):
        return {u for u in self.named(self.groups["platform"]["member"]) if {("admin", u), ("active", u)} <= self.facts[u]}


def digest_of(entry):
    return hash((entry["dn"], entry["id"], *(frozenset(v) for v in entry.values() if isinstance(v, set))))


def snapshot(view):
    """{dn: values} of people and groups by one search, which slapd answers from one read transaction (back-mdb starts a new
    one after 10,000 entries): the state at one moment."""
    text = "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))"
    return view.find(site.BASE, text, ("objectClass", "entryUUID", *PERSON, *GROUP))


class Timeline:
    """When a fact was true: positions in the log at which it turned."""

    def __init__(self):
        self.turns = {}

    def note(self, position, changed):
        for before, after in changed.values():
            for fact in before ^ after:
                self.turns.setdefault(fact, []).append((position, fact in after))

    def was(self, fact, truth, first, last):
        """Was it so in any of the states first..last (state n is after n records)?"""
        turns = self.turns.get(fact, [(-1, False)])
        at = bisect_right(turns, (first, True))
        held = turns[at - 1][1] if at else not turns[0][1]
        return held == truth or any(value == truth for p, value in turns[at:] if p <= last)

    def ends(self, fact, position):
        """The position at which it turns after this one; None: never."""
        return next((p for p, _ in self.turns.get(fact, ()) if p > position), None)


class Windows:
    """The requests about an id, by time."""

    def __init__(self, requests):
        self.about = {}
        for request in sorted(requests, key=lambda r: r.start):
            for what in request.about:
                self.about.setdefault(what, []).append(request)
        self.longest = max((r.end - r.start for r in requests), default=0.0)

    def open(self, ids, start, end):
        """Those that were under way at some moment of start..end."""
        found = {}
        for what in ids:
            requests = self.about.get(what, [])
            first = bisect_left(requests, start - SLACK - self.longest, key=lambda r: r.start)
            for request in requests[first:]:
                if request.start > end + SLACK:
                    break
                if request.end >= start - SLACK:
                    found[id(request)] = request
        return list(found.values())

    def rests(self, ids, start, end):
        """Was there a moment in start..end without any of them?"""
        at = start + SLACK
        for request in sorted(self.open(ids, start, end), key=lambda r: r.start):
            if request.start - SLACK > at:
                return True
            if request.answer == "unknown":
                return False  # unfinished, and said so: repeating completes it
            at = max(at, request.end + SLACK)
        return at < end
