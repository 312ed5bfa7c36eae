"""What stands in the sample directory, as LDIF text, an entry at a time.

Generated names and ids are the same in every run (a fixed seed), so that runs can be compared.
"""

import base64
import hashlib
import os
import random

from . import site

JOIN_TIME = "20260105080000Z"
PERMISSIONS = ("infra", "service", "backup", "device", "database", "vpn", "audit")
SAMPLE_PASSWORD = "sample-password"

# uid, given name, family name, organizations as Manager, as Member with permissions, asks to join
PEOPLE = (
    ("ada", "Ada", "Admin", (), {}, ()),
    ("mina", "Mina", "Park", ("Project A",), {}, ()),
    ("matteo", "Matteo", "Rossi", ("Project A",), {}, ()),
    ("jun", "Jun", "Seo", ("Project B",), {"Project A": ("backup",)}, ()),
    ("kim", "Min", "Kim", (), {"Project A": ("infra", "vpn"), "Project B": ()}, ()),
    ("lee", "Ji", "Lee", (), {"Project A": ()}, ()),
    ("sora", "Sora", "Choi", (), {"Project B": ("database",)}, ()),
    ("noa", "Noa", "Levi", (), {}, ("Project A",)),
)
PLATFORM_ADMIN, MANAGER, MEMBER = "ada", "mina", "kim"
ORGANIZATIONS = (("Project A", "open"), ("Project B", "closed"))


def entry(dn, values):
    """LDIF of one entry; `values` is a list of (attribute, text), None left out."""
    lines = [ldif_line("dn", dn)]
    lines += [ldif_line(name, text) for name, text in values if text is not None]
    return "\n".join(lines) + "\n\n"


def ldif_line(name, text):
    if text.isascii() and text.isprintable() and text[:1] not in " :<" and text[-1:] != " ":
        return f"{name}: {text}"
    return f"{name}:: {base64.b64encode(text.encode()).decode()}"


def ssha(password):
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def account(dn, password):
    cn = dn.split(",")[0].removeprefix("cn=")
    return entry(dn, [("objectClass", "organizationalRole"), ("objectClass", "simpleSecurityObject"),
                      ("cn", cn), ("userPassword", ssha(password))])


def base(passwords):
    yield entry(site.BASE, [("objectClass", "dcObject"), ("objectClass", "organization"),
                            ("dc", "example"), ("o", "Example")])
    for dn in (site.SERVICES, site.PEOPLE, site.PENDING, site.ORGANIZATIONS, site.PLATFORM, site.TOKENS, site.JOBS):
        ou = dn.split(",")[0].removeprefix("ou=")
        yield entry(dn, [("objectClass", "organizationalUnit"), ("ou", ou)])
    yield account(site.BRIDGE, passwords.bridge)
    yield account(site.OPERATOR, passwords.operator)
    yield entry(site.PLACEHOLDER, [("objectClass", "organizationalRole"), ("cn", "nobody"),
                                   ("description", "stands in a group that has nobody else")])


def platform_admins(uids):
    members = [("member", site.PLACEHOLDER)] + [("member", site.user_dn(uid)) for uid in uids]
    return entry(site.ADMINS, [("objectClass", "groupOfNames"), ("cn", "platform-admins"), *members])


class Ids:
    """Ids and the random part of joins, the same in every run."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def uuid(self):
        x = f"{self.random.getrandbits(128):032x}"
        return f"{x[:8]}-{x[8:12]}-4{x[13:16]}-8{x[17:20]}-{x[20:]}"

    def stamp(self, organization_id):
        return f"{organization_id}:{JOIN_TIME}.{self.random.getrandbits(32):08x}"


def organization(name, uuid, policy, managers, members):
    classes = ["groupOfNames", "kiopsOrganization"] + ["kiopsManagedOrganization"] * bool(managers)
    return entry(site.organization_dn(name), [
        *[("objectClass", c) for c in classes], ("cn", name), ("entryUUID", uuid),
        ("description", f"{name} of the sample data"), ("kiopsJoinPolicy", policy),
        ("kiopsExternalId", f"{site.CLIENT}:{name}"),
        *[("owner", site.user_dn(uid)) for uid in managers], ("member", site.PLACEHOLDER),
        *[("member", site.user_dn(uid)) for uid in (*managers, *members)]])


def person(uid, given, family, uuid, extra):
    return entry(site.user_dn(uid), [
        ("objectClass", "inetOrgPerson"), ("objectClass", "kiopsUser"), ("uid", uid),
        ("entryUUID", uuid), ("cn", f"{given} {family}"), ("givenName", given), ("sn", family),
        ("displayName", f"{given} {family}"), ("mail", f"{uid}@example.org"),
        ("kiopsActive", "TRUE"), ("kiopsExternalId", f"{site.CLIENT}:{uid}"), *extra])


def roles(ids, manages, member_of, asks):
    """The person's side of every role: organization ids, {organization id: permissions}, ids."""
    for org in (*manages, *member_of):
        yield "kiopsJoined", ids.stamp(org)
    for org in manages:
        yield "kiopsManager", org
    for org, permissions in member_of.items():
        yield from (("kiopsPermission", f"{org}:{p}") for p in permissions)
    for org in asks:
        yield "kiopsRequest", ids.stamp(org)


def sample(passwords):
    """The whole sample directory: base, two organizations, people whose passwords work."""
    ids = Ids("sample")
    org_ids = {name: ids.uuid() for name, _ in ORGANIZATIONS}
    yield from base(passwords)
    yield platform_admins([PLATFORM_ADMIN])
    for name, policy in ORGANIZATIONS:
        managers = [p[0] for p in PEOPLE if name in p[3]]
        members = [p[0] for p in PEOPLE if name in p[4]]
        yield organization(name, org_ids[name], policy, managers, members)
    for uid, given, family, manages, member_of, asks in PEOPLE:
        extra = list(roles(ids, [org_ids[n] for n in manages],
                           {org_ids[n]: p for n, p in member_of.items()},
                           [org_ids[n] for n in asks]))
        if uid == PLATFORM_ADMIN:
            extra.append(("kiopsJoined", ids.stamp("platform")))
        extra.append(("userPassword", ssha(SAMPLE_PASSWORD)))
        yield person(uid, given, family, ids.uuid(), extra)


def generated(users, organizations):
    """`users` people spread over `organizations`: two Managers each, every fifth person in two."""
    ids = Ids("generated")
    org_ids = [ids.uuid() for _ in range(organizations)]
    first = [n % organizations for n in range(users)] if organizations else []
    second = {n: (n // 5 + 1) % organizations for n in range(0, users, 5)} if organizations else {}
    second = {n: org for n, org in second.items() if org != first[n]}
    members = [[] for _ in org_ids]
    for n, org in [*enumerate(first), *second.items()]:
        members[org].append(n)
    for org, uuid in enumerate(org_ids):
        # The first two of `first`, so that a Manager's own entry can be made without looking back.
        managers = [n for n in (org, org + organizations) if n < users]
        rest = [f"user{n:06d}" for n in members[org] if n not in managers]
        yield organization(f"Organization {org:04d}", uuid, "open" if org % 2 else "closed",
                           [f"user{n:06d}" for n in managers], rest)
    for n in range(users):
        manages = [org_ids[first[n]]] if n < 2 * organizations else []
        member_of = {} if manages or not organizations else {
            org_ids[first[n]]: [PERMISSIONS[n % 7]] if n % 3 == 0 else []}
        if n in second:
            member_of[org_ids[second[n]]] = []
        yield person(f"user{n:06d}", f"Given{n % 1000}", f"Family{n}", ids.uuid(),
                     roles(ids, manages, member_of, ()))
