"""A directory without the kiops schema, and a bridge that serves it (preset plain)."""

from . import entries, site
from .bridge import Bridge
from .slapd import REPOSITORY, Slapd

# RFC 2307bis, as far as the tests need it: core, cosine and inetorgperson do not have it.
GROUP_OF_MEMBERS = ("objectclass ( 1.3.6.1.1.1.1.2.999 NAME 'groupOfMembers' SUP top STRUCTURAL MUST cn "
                    "MAY ( businessCategory $ seeAlso $ owner $ ou $ o $ description $ member ) )")
POSIX_GROUP = "include /etc/ldap/schema/nis.schema"
PEOPLE = (("mina", "Mina", "Park"), ("jun", "Jun", "Seo"), ("kim", "Min", "Kim"), ("lee", "Ji", "Lee"))


def render_acl(member, owner):
    text = (REPOSITORY / "conf/acl-plain.conf").read_text()
    for name, value in (("PEOPLE", site.PEOPLE), ("ORGANIZATIONS", site.ORGANIZATIONS), ("TOKENS", site.TOKENS),
                        ("GROUPS", ",".join(filter(None, (member, owner)))), ("BRIDGE", site.BRIDGE),
                        ("OPERATOR", site.OPERATOR), ("READERS", site.SERVICES)):
        text = text.replace(f"@{name}@", value)
    return text


class PlainSlapd(Slapd):
    """`schema` are lines for slapd.conf in the place of our schema."""

    def __init__(self, home, port, *, schema="", member="member", owner="owner", **settings):
        super().__init__(home, port, **settings)
        self.acl = render_acl(member, owner)
        lines = self.configuration.splitlines()
        self.configuration = "\n".join(
            schema if line.endswith("conf/kiops.schema") else line
            for line in lines if not (line.startswith(("index ", "unique_uri")) and "kiops" in line)) + "\n"

    def write(self, name, text):
        super().write(name, self.acl if name == "acl.conf" else text)


class PlainBridge(Bridge):
    """`organizations` are settings of that group beside base and create_in."""

    def __init__(self, home, port, binary, slapd, *, organizations=None, directory="", auth="", **settings):
        super().__init__(home, port, binary, slapd, directory=directory + '  preset = "plain";\n', auth=auth, **settings)
        text = self.configuration.replace(f'admins_dn = "{site.ADMINS}"; ', "")
        if organizations is not None:
            text = text.replace(f'placeholder_dn = "{site.PLACEHOLDER}";', organizations)
        self.configuration = text


def person(uid, given, family, **more):
    return entries.entry(site.user_dn(uid), [
        ("objectClass", "inetOrgPerson"), ("uid", uid), ("cn", f"{given} {family}"), ("givenName", given), ("sn", family),
        ("displayName", f"{given} {family}"), ("mail", f"{uid}@example.org"),
        ("userPassword", entries.ssha(entries.SAMPLE_PASSWORD)), *more.items()])


def group(name, members=(), owners=(), **more):
    return entries.entry(site.organization_dn(name), [
        ("objectClass", "groupOfNames"), ("cn", name), ("description", f"{name} of the sample data"),
        *[("owner", dn) for dn in owners], *[("member", dn) for dn in (site.PLACEHOLDER, *members)], *more.items()])


def sample(passwords):
    """The base, four people, and one group whose owner is Mina."""
    yield from entries.base(passwords)
    for one in PEOPLE:
        yield person(*one)
    yield group("Project A", [site.user_dn("mina"), site.user_dn("kim")], [site.user_dn("mina")])
