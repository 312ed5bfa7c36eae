"""A directory that nobody prepared for the bridge: slapd much as Debian sets it up, people and groups that grew for years."""

from . import site
from .entries import SAMPLE_PASSWORD, account, entry, ssha

CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
{modules}
pidfile {home}/slapd.pid
loglevel none
tool-threads 2

database config
rootdn "cn=config"
rootpw {root_password}

database mdb
suffix "{base}"
rootdn "{root}"
rootpw {root_password}
directory {home}/data
maxsize 8589934592
{sync}
access to attrs=userPassword by self write by anonymous auth by * none
access to * by * read
index objectClass eq
index cn,uid eq
index member eq
{overlays}
"""
PROTECTED = f"uid=root,{site.PEOPLE}"


def person(uid, number, **more):
    values = {"objectClass": "inetOrgPerson", "uid": uid, "cn": f"Given{number} Family{number % 997}",
              "givenName": f"Given{number}", "sn": f"Family{number % 997}", "mail": f"{uid}@example.org", **more}
    pairs = [(name, one) for name, value in values.items() for one in (value if isinstance(value, list) else [value])]
    return entry(site.user_dn(uid), pairs)


def people(users):
    """All but the last few are ordinary."""
    yield person("boss", 0, userPassword=ssha(SAMPLE_PASSWORD), title="Head")
    yield person("root", 0)
    yield person("twin1", 1, mail="twins@example.org")
    yield person("twin2", 2, mail="Twins@Example.org")
    yield entry(f"cn=printer,{site.PEOPLE}", [("objectClass", "device"), ("cn", "printer")])
    for n in range(users - 4):
        yield person(f"user{n:05d}", n)


def groups(users):
    """A hundred members each; the first has an owner, one who left, a device and a group in it."""
    for number, first in enumerate(range(0, users - 4, 100)):
        members = [f"user{n:05d}" for n in range(first, min(first + 100, users - 4))]
        extra = [("owner", site.user_dn("boss")), ("member", site.user_dn("boss")), ("member", site.user_dn("left")),
                 ("member", f"cn=printer,{site.PEOPLE}"), ("member", site.organization_dn("Team 001"))] if number == 0 else []
        yield entry(site.organization_dn(f"Team {number:03d}"), [
            ("objectClass", "groupOfNames"), ("cn", f"Team {number:03d}"), *extra,
            *[("member", site.user_dn(uid)) for uid in members]])


def content(passwords, users=20000):
    """The bridge's two accounts are made by the administrator beforehand."""
    yield entry(site.BASE, [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "example"), ("o", "Example")])
    for dn in (site.SERVICES, site.PEOPLE, site.ORGANIZATIONS):
        yield entry(dn, [("objectClass", "organizationalUnit"), ("ou", dn.split(",")[0].removeprefix("ou="))])
    yield account(site.BRIDGE, passwords.bridge)
    yield account(site.OPERATOR, passwords.operator)
    yield from people(users)
    yield from groups(users)
