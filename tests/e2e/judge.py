"""What is wrong with a history (history.py): every state of the directory against every request, in words.

  KB-R07  an organization that had a Manager that counts keeps one; it loses the last one only by deactivation (KB-R19), by the
          deletion of an inactive one, or with itself
  KB-R16  a PlatformAdmin that counts stays; only a token may deactivate the last one
  given   no role, permission or membership comes to a person (by entryUUID: a reused DN is another person) whom no open request
          gives it: nothing is revived, nothing inherited; what only refused requests gave is gone when they are answered
  taken   nothing of it goes without an open request that takes it and is not refused
  done    what a request says it has done was so at some moment while it ran; so approve and reject cannot both have won
  rest    one side of a two-sided value, a request of a member, a DN that names nobody: only while a request about them runs
"""

from bisect import bisect_left, bisect_right
from collections import Counter

from checker import fold
from history import SLACK, Timeline, Windows, fits

UNDATED = "member without kiopsJoined"
AUTHORITY = ("member", "manager", "permission", "admin", "asks", "active")


class Judge:
    """`start`: a Directory, which is moved on; `records`: what slapd has done to it since; `requests`: all that were sent."""

    def __init__(self, start, records, requests):
        self.directory, self.records, self.requests = start, [r for r in records if r.result == 0], requests
        self.windows, self.timeline, self.counts = Windows(requests), Timeline(), Counter()
        self.findings, self.stories, self.refused = [], [], []
        self.digests = [start.digest]
        self.counts["writes"], self.counts["writes that slapd refused"] = len(self.records), len(records) - len(self.records)
        self.timeline.note(-1, {u: (set(), facts) for u, facts in start.facts.items()})
        self.owners_of_name, self.ever_named = dict(start.holder), set(start.holder.items())
        self.odd = {}  # (organization, DN) of a value that names nobody: position since
        self.seated = {o for o in start.groups if start.managers(o)}
        self.run()

    def wrong(self, words, position=None, fact=None, moment=None):
        record = self.records[position] if position is not None else None
        self.findings.append(f"{words}" + (f" [write {position}]" if record else ""))
        self.stories.append((fact, moment or (record.time if record else None)))

    def report(self, limit=5):
        """The findings, the first of them with their stories."""
        lines = []
        for n, (words, (fact, moment)) in enumerate(zip(self.findings, self.stories)):
            lines += [words] + (self.story(fact[2] if len(fact) > 2 else fact[1], moment)
                                if n < limit and fact and moment else [])
        return "\n".join(lines)

    def run(self):
        had_admin = bool(self.directory.admins())
        for n, record in enumerate(self.records):
            managers = {o: self.directory.managers(o) for o in self.seated}
            changed = self.directory.apply(record)
            if record.kind != "modify":
                self.owners_of_name.update(self.directory.holder)
                self.ever_named |= self.directory.holder.items()
            self.digests.append(self.directory.digest)
            self.timeline.note(n, changed)
            for user, (before, after) in changed.items():
                self.check_change(n, record, user, before, after)
            self.check_seats(n, record, managers)
            has_admin = bool(self.directory.admins())
            if had_admin and not has_admin:
                self.check_no_admin(n, record, changed)
            had_admin = has_admin
            self.note_odd(n)
        self.note_odd(None)
        self.check_refused()
        self.check_done()
        self.check_halves()

    def story(self, user, moment, around=0.15):
        """What was asked and written about them at that time, in order: to understand a finding by."""
        names = {dn for dn, who in self.ever_named if who == user}
        lines = [(r.time, f"write {n}: {r}") for n, r in enumerate(self.records) if abs(r.time - moment) < around
                 and (r.dn in names or any(fold(c[2]) in names for c in r.changes))]
        for r in self.windows.open([user], moment - around, moment + around):
            lines += [(r.start, f"asked: {r.what} by {r.by} {r.gives[:1] or r.takes[:1]}"), (r.end, f"answered: {r}")]
        return [f"  {at - moment:+.4f} {words}" for at, words in sorted(lines)]

    # ---- given, taken

    def check_change(self, n, record, user, before, after):
        requests = self.windows.open([user, *self.organizations(before ^ after)], record.time, record.time)
        if ("is", user) in before ^ after:
            before = before or set()
        for fact in (f for f in after - before if f[0] in AUTHORITY and f != ("active", user)):
            givers = [r for r in requests if any(fits(g, fact) for g in r.gives)]
            if not givers:
                self.wrong(f"{fact} was given by nobody: {'; '.join(map(str, requests))}", n, fact)
            elif all(r.answer == "refused" for r in givers):
                self.refused.append((n, fact, max(r.end for r in givers), requests))
        for fact in (f for f in before - after if f[0] in AUTHORITY):
            # A join takes back what it added under a name that was given up meanwhile, and adds the new one.
            renamed = any(fold(c[2]) in self.directory.former for c in record.changes if c[:2] == ("-", "member"))
            takers = [r for r in requests if any(fits(t, fact) for t in (r.takes + r.gives if renamed else r.takes))]
            if takers and all(r.answer == "refused" for r in takers):
                self.wrong(f"{fact} goes though refused: {'; '.join(map(str, requests))}", n, fact)
            if not takers:
                self.wrong(f"{fact} was taken by nobody: {'; '.join(map(str, requests))}", n, fact)

    def check_refused(self):
        for n, fact, answered, requests in self.refused:
            end = self.timeline.ends(fact, n)
            if end is None or self.records[end].time > answered + SLACK:
                self.wrong(f"{fact} stays though refused: {'; '.join(map(str, requests))}", n, fact)
            else:
                self.counts["given by a refused request and gone before its answer"] += 1

    @staticmethod
    def organizations(facts):
        return {fact[1] for fact in facts if len(fact) > 2}

    # ---- KB-R07, KB-R16

    def check_seats(self, n, record, managers):
        for organization, before in managers.items():
            now = self.directory.managers(organization)
            if before and not now:
                self.check_vacant(n, record, organization, before)
        self.seated = {o for o in self.directory.groups if o != "platform" and self.directory.managers(o)}

    def check_vacant(self, n, record, organization, before):
        if record.kind == "modify" and ("kiopsactive", "FALSE") in [(c[1], c[2].upper()) for c in record.changes]:
            self.counts["seats vacated by deactivation (KB-R19)"] += 1
        elif organization not in self.directory.groups:
            self.counts["organizations deleted with their Managers"] += 1
        elif self.proof_is_inactive(n, record, before):
            self.counts["last Manager left while the other one was being deactivated"] += 1
        else:
            self.wrong(f"KB-R07: {organization} has lost its last Manager", n)

    def proof_is_inactive(self, n, record, before):
        """The other Manager, whom the modify proves to be an owner, was deactivated while this request ran: as if that had
        come after (the model's I2w)."""
        others = [self.owners_of_name.get(fold(v)) for sign, name, v in record.changes if name == "owner" and sign == "+"]
        windows = self.windows.open(before, record.time, record.time)
        since = min((r.start for r in windows), default=record.time)
        for other in filter(None, others):
            turns = self.timeline.turns.get(("active", other), [])
            if any(not truth and p >= 0 and self.records[p].time >= since for p, truth in turns):
                return True
        return False

    def check_no_admin(self, n, record, changed):
        requests = self.windows.open(changed.keys(), record.time, record.time)
        if any(r.what == "deactivate" and r.by.startswith("token") for r in requests):
            self.counts["last PlatformAdmin deactivated by a token (KB-R16)"] += 1
        else:
            self.wrong("KB-R16: there is no PlatformAdmin", n)

    # ---- done

    def check_done(self):
        times = [r.time for r in self.records]
        for request in (r for r in self.requests if r.answer == "done"):
            # One write at most was under way when it began: its CSN is older, its state not yet there.
            first, last = bisect_left(times, request.start - SLACK) - 2, bisect_right(times, request.end + SLACK) - 1
            for fact, truth in request.wants:
                user = fact[2] if len(fact) > 2 else fact[1]  # deleted just after: nothing of it was ever to be seen
                deleted = truth and self.timeline.was(("is", user), False, first, last)
                undated = fact[0] == "member" and truth and self.timeline.was(("half", *fact[1:], UNDATED), True, first, last)
                if not deleted and not undated and not self.timeline.was(fact, truth, first, last):
                    self.wrong(f"{request}, but {fact} was never {truth} meanwhile", None, fact, request.start)

    # ---- rest

    def note_odd(self, n):
        """Values that name nobody, or somebody by a former name."""
        now = self.directory.phantoms() | self.directory.old_names() if n is None or self.is_naming(n) else self.odd.keys()
        for value in now - self.odd.keys():
            self.odd[value] = n
        for value in self.odd.keys() - now if n is not None else set(self.odd):
            since, about = self.odd.pop(value), {self.owners_of_name.get(value[1]), value[0]} - {None}
            start = self.records[since].time if since is not None else 0.0
            end = self.records[n].time if n is not None else float("inf")
            if self.windows.rests(about, start, end):
                named = ("names", value[0], self.owners_of_name[value[1]]) if value[1] in self.owners_of_name else None
                self.wrong(f"{value[0]} has the value {value[1]}, which names nobody, at rest", since, named)

    def is_naming(self, n):
        return self.records[n].kind != "modify" or any(c[1] in ("member", "owner") for c in self.records[n].changes)

    def check_halves(self):
        for fact, turns in self.timeline.turns.items():
            if fact[0] != "half":
                continue
            for k, (n, truth) in enumerate(turns):
                if truth:
                    self.check_half(fact, n, turns[k + 1][0] if k + 1 < len(turns) else None)

    def check_half(self, fact, n, until):
        start = self.records[n].time if n >= 0 else 0.0
        end = self.records[until].time if until is not None else float("inf")
        self.counts[f"for a moment: {fact[3]}"] += 1
        if n >= 0 and self.windows.rests([fact[1], fact[2]], start, end):
            if fact[3] == "listed" and self.is_by_token(fact[2], start):
                self.counts["deactivated by a token, still in the platform group without effect"] += 1
            elif fact[3] == UNDATED and self.is_added_and_removed(fact, start):
                self.counts["added while removed: a member of unknown join date (the model's LEFT)"] += 1
            else:
                self.wrong(f"at rest: {fact}", n, fact)

    def is_added_and_removed(self, fact, when):
        """What the removal's last step took was the other one's join: a Member and nothing more (3.2), which an add mends."""
        member, requests = ("member", *fact[1:3]), self.windows.open([fact[2]], when, when)
        return all(any(fits(p, member) for r in requests for p in getattr(r, side)) for side in ("gives", "takes"))

    def is_by_token(self, user, when):
        """DESIGN 3.3: only a person's deactivation takes the group's side, too."""
        return any(r.what == "deactivate" and r.by.startswith("token") for r in self.windows.open([user], when, when))

    # ---- what readers saw

    def check_seen(self, seen):
        """Each state that a search saw (names, ids, and history.PERSON and GROUP of all entries) is one of the log's, and
        none is older than the one before."""
        places, last = {}, -1
        for n, digest in enumerate(self.digests):
            places.setdefault(digest, []).append(n)
        for digest in seen:
            here = [n for n in places.get(digest, ()) if n >= last]
            if not here:
                self.wrong("a search saw a state that the log does not have" if digest not in places else
                           "a search saw a state older than the one before")
                continue
            last = here[0]
        if seen and seen[-1] != self.digests[-1]:
            self.wrong("the log does not end in the state that slapd shows")


def table(requests, counts=()):
    """Lines: what was asked, how often, and what came of it."""
    rows = {}
    for r in requests:
        row = rows.setdefault(r.what, Counter())
        row["tried"] += 1
        row[r.answer] += 1
        if r.answer == "refused":
            row[r.rule or "refused, no rule"] += 1
    for what, row in sorted(rows.items()):
        rules = ", ".join(f"{k} {v}" for k, v in sorted(row.items()) if k.startswith(("KB-", "refused,")) or k.isdigit())
        came = "".join(f"{row[name]:>7} {name}" for name in ("tried", "done", "refused", "partly", "unknown"))
        yield f"{what:<16}{came}  {rules}"
    yield from (f"{name}: {count}" for name, count in sorted(counts))
