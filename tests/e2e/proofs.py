"""Does a write itself carry what it was decided on (DESIGN 3.3)? Seen in slapd's log, not in the source."""

from checker import fold
from kiopslab import site

PERMISSIONS = ("infra", "service", "backup", "device", "database", "vpn", "audit")
NOBODY = fold(site.PLACEHOLDER)


class Seen:
    """A modify taken apart: `there`, `absent`: (attribute, value) that it proves; `gives`, `takes`: what it does."""

    def __init__(self, record):
        self.there, self.absent, self.gives, self.takes = set(), set(), set(), set()
        changes = [(sign, name, fold(value)) for sign, name, value in record.changes if sign in "+-"]
        while changes:
            sign, *value = changes.pop(0)
            if changes and changes[0][1:] == tuple(value) and changes[0][0] != sign:
                (self.there if sign == "-" else self.absent).add(tuple(value))
                changes.pop(0)
            else:
                (self.gives if sign == "+" else self.takes).add(tuple(value))

    def values(self, which, name):
        return {value for attribute, value in which if attribute == name}

    def none_of(self, organization):
        """Each permission and kiopsManager: taken or proved absent."""
        wanted = {("kiopspermission", f"{organization}:{p}") for p in PERMISSIONS} | {("kiopsmanager", organization)}
        return wanted <= self.absent | self.takes

    def joins(self, which):
        """Organizations of the joins among these, the platform left out."""
        return {value.split(":")[0] for value in self.values(which, "kiopsjoined")} - {"platform"}


def of_group(seen, gone):
    """(deciding step, does it carry its precondition) of a modify of an organization."""
    leaves, comes = (seen.values(which, "owner") - {NOBODY} for which in (seen.takes, seen.gives))
    others = seen.values(seen.there, "owner") - leaves - {NOBODY}
    if leaves and comes:
        return  # a rename: the value changes its spelling
    leaves -= gone
    if leaves:
        step = "remove Manager" if leaves <= seen.values(seen.takes, "member") else "demote"
        if NOBODY in seen.values(seen.gives, "owner"):
            yield "vacate", True
        else:
            yield step, bool(others)
    for owner in comes:
        knows = ("owner", NOBODY) in seen.absent | seen.takes
        yield "promote: the organization", ("member", owner) in seen.there and knows
    for member in seen.values(seen.takes, "member") - leaves - gone:
        if not seen.values(seen.gives, "member"):
            yield "remove Member: the organization", ("owner", member) in seen.absent


def of_platform(seen, gone):
    for _ in seen.values(seen.takes, "member") - {NOBODY} - gone:
        if not seen.values(seen.gives, "member"):
            yield "revoke PlatformAdmin", bool(seen.values(seen.there, "member") - {NOBODY})


def of_person(seen):
    """... of a modify of a person."""
    came, went, same = seen.joins(seen.gives), seen.joins(seen.takes), seen.joins(seen.there)
    for organization in came:
        if ("kiopsmanager", organization) in seen.gives | seen.there:
            yield "promote: the person", organization in went
        else:
            asked = any(v.startswith(organization) for v in seen.values(seen.takes, "kiopsrequest"))
            yield "approve" if asked else "join", seen.none_of(organization)
    for organization in went - came:
        yield "remove Member: the person", seen.none_of(organization)
    for value in seen.values(seen.gives, "kiopspermission"):
        yield "grant", value.split(":")[0] in same
    for organization in seen.values(seen.takes, "kiopsmanager"):
        if organization not in came | went:
            yield "demote: the person", organization in same
    for value in seen.values(seen.takes, "kiopsrequest"):
        if value.split(":")[0] not in came | went:
            yield "reject, withdraw", "." in value  # the exact request


def deciding(record, gone):
    """(step, carries its precondition) for each that this write of the bridge decides. `gone`: DNs that name nobody."""
    if record.kind != "modify" or record.by != site.BRIDGE or record.result:
        return ()
    seen = Seen(record)
    if record.dn == fold(site.ADMINS):
        return of_platform(seen, gone)
    if record.dn.endswith(fold(site.ORGANIZATIONS)):
        return of_group(seen, gone)
    return of_person(seen) if record.dn.endswith(fold(site.PEOPLE)) else ()


def all_deciding(records):
    """(record, step, carries its precondition) of a log from its beginning."""
    gone = set()
    for record in (r for r in records if r.result == 0):
        if record.kind == "modrdn":
            gone.discard(fold(record.new_rdn + "," + record.dn.partition(",")[2]))
        if record.kind in ("delete", "modrdn"):
            gone.add(record.dn)
        elif record.kind == "add":
            gone.discard(record.dn)
        for step, carried in deciding(record, gone):
            yield record, step, carried
