"""The directory as its administrator sees it, past the bridge."""

import ldap
import ldap.filter

from kiopslab import site


class View:
    def __init__(self, uri, dn, password):
        self.link = ldap.initialize(uri)
        self.link.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
        self.link.set_option(ldap.OPT_TIMEOUT, 30)
        self.link.simple_bind_s(dn, password)

    def close(self):
        self.link.unbind_s()

    def find(self, base, text="(objectClass=*)", attributes=("*", "+")):
        """{dn: {attribute: [text, ...]}}; attribute names as the server spells them."""
        found = self.link.search_s(base, ldap.SCOPE_SUBTREE, text, list(attributes))
        return {dn: decoded(values) for dn, values in found if dn}

    def get(self, dn):
        """The entry, or None where there is none."""
        try:
            found = self.link.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["*", "+"])
        except ldap.NO_SUCH_OBJECT:
            return None
        return decoded(found[0][1]) if found else None

    def version(self, dn):
        """What the server itself changes with each change of the entry."""
        entry = {name.lower(): values for name, values in self.get(dn).items()}
        return entry.get("entrycsn") or entry["entryusn"]

    def by_id(self, uuid):
        """(dn, entry) of a SCIM id, or None."""
        text = ldap.filter.filter_format("(entryUUID=%s)", [uuid])
        return next(iter(self.find(site.BASE, text).items()), None)

    def members(self, organization_id, attribute="member"):
        """DNs without the placeholder."""
        _, entry = self.by_id(organization_id)
        return set(entry.get(attribute, ())) - {site.PLACEHOLDER}

    def add(self, dn, **values):
        self.link.add_s(dn, [(name, encoded(value)) for name, value in values.items()])

    def modify(self, dn, *changes):
        """Each change as ("add" | "delete" | "replace", attribute, value or values or None)."""
        kinds = {"add": ldap.MOD_ADD, "delete": ldap.MOD_DELETE, "replace": ldap.MOD_REPLACE}
        self.link.modify_s(dn, [(kinds[op], name, encoded(value)) for op, name, value in changes])

    def delete(self, dn):
        self.link.delete_s(dn)


def encoded(value):
    if value is None:
        return None
    values = [value] if isinstance(value, (str, bytes)) else value
    return [v if isinstance(v, bytes) else v.encode() for v in values]


def decoded(values):
    return {name: [v.decode(errors="surrogateescape") for v in vs] for name, vs in values.items()}
