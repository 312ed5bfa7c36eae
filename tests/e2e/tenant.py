"""One identity provider's connection, and the directory behind it."""

import json

from scim import GROUP, USER


class Tenant:
    """A token of its own client and profile. `entry` and `members` read slapd, not the bridge."""

    def __init__(self, lab, profile, *options):
        self.lab, self.profile, self.client, self.view = lab, profile, f"{profile}-{lab.number()}", lab.view()
        self.token = lab.new_token(self.client, "PlatformAdmin", "--profile", profile, *options,
                                   client=self.client)
        self.scim = lab.client(self.token)

    def name(self, stem="ann"):
        return f"{stem}{self.lab.number()}"

    def hire(self, **attributes):
        """A user as this provider makes one; its id."""
        body = {"schemas": [USER], "userName": self.name(), **attributes}
        return self.scim.post("/Users", body).expect(201)["id"]

    def group(self, members=(), **attributes):
        body = {"schemas": [GROUP], "displayName": self.name("Hull "), **attributes}
        body["members"] = [{"value": user} for user in members]
        return self.scim.post("/Groups", body).expect(201)["id"]

    def entry(self, scim_id):
        """LDAP attributes of a SCIM id; None when slapd has no such entry."""
        found = self.view.by_id(scim_id)
        return found and found[1]

    def dn(self, scim_id):
        return self.view.by_id(scim_id)[0]

    def members(self, group, attribute="member"):
        """SCIM ids of the values in slapd, without the placeholder."""
        return {self.view.get(dn)["entryUUID"][0] for dn in self.view.members(group, attribute)}

    def external_id(self, scim_id):
        """The value this client asserted, as slapd keeps it."""
        prefix = self.client + ":"
        kept = self.entry(scim_id).get("kiopsExternalId", ())
        return next((v.removeprefix(prefix) for v in kept if v.startswith(prefix)), None)

    def stored(self, scim_id):
        """The resource inside kiopsResource: what has no LDAP attribute of its own is there."""
        return json.loads(self.entry(scim_id)["kiopsResource"][0])["r"]


def without_server_parts(resource):
    """What a client sent, of what it got back."""
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}
