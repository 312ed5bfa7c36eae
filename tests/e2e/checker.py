"""What must hold in the directory, read by ldapsearch alone: nothing of the bridge is asked or imported."""

import base64
import subprocess

PERMISSIONS = {"infra", "service", "backup", "device", "database", "vpn", "audit"}


def ldapsearch(uri, dn, password, base, text, *attributes):
    """[(dn, {attribute in lower case: [value, ...]})]"""
    done = subprocess.run(["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-x", "-H", uri, "-D", dn, "-w", password,
                           "-b", base, text, *attributes], capture_output=True, text=True, check=True)
    return list(parse(done.stdout))


def parse(ldif):
    for block in ldif.strip().split("\n\n"):
        values, dn = {}, None
        for line in block.splitlines():
            name, _, value = line.partition(":")
            value = base64.b64decode(value[1:].strip()).decode(errors="surrogateescape") if value.startswith(":") \
                else value.strip()
            if name == "dn":
                dn = value
            else:
                values.setdefault(name.lower(), []).append(value)
        if dn:
            yield dn, values


def fold(dn):
    return dn.lower().replace(", ", ",")


class Picture:
    """People and organizations as they are now."""

    def __init__(self, uri, dn, password, people, organizations, placeholder):
        read = [ldapsearch(uri, dn, password, base, text, "*", "entryUUID")
                for base, text in ((people, "(objectClass=inetOrgPerson)"), (organizations, "(objectClass=groupOfNames)"))]
        self.people = {fold(name): values for name, values in read[0]}
        self.organizations = {values["entryuuid"][0]: values for _, values in read[1]}
        self.placeholder = fold(placeholder)

    def of(self, dn, attribute, organization):
        """The person's values that belong to the organization."""
        values = self.people.get(fold(dn), {}).get(attribute.lower(), [])
        return [v for v in values if v.split(":")[0].lower() == organization.lower()]

    def members(self, organization):
        return {fold(v) for v in self.organizations[organization].get("member", [])} - {self.placeholder}

    def owners(self, organization):
        return {fold(v) for v in self.organizations[organization].get("owner", [])} - {self.placeholder}

    def managers(self, organization):
        """Those that count (active, in member and owner, both values on their own entry)."""
        return {dn for dn in self.owners(organization) & self.members(organization)
                if self.of(dn, "kiopsJoined", organization) and self.of(dn, "kiopsManager", organization)
                and self.people[dn].get("kiopsactive", ["TRUE"])[0] != "FALSE"}

    def findings(self, managed=()):
        """Everything that is wrong, in words. `managed`: organizations that must have a Manager that counts."""
        for organization in managed:
            if organization in self.organizations and not self.managers(organization):
                yield f"{organization} has no Manager that counts"
        for organization in self.organizations:
            for dn in sorted(self.members(organization) - self.people.keys()):
                yield f"{organization} has the phantom member {dn}"
            for dn in sorted(self.owners(organization) - self.members(organization)):
                yield f"{dn} owns {organization} and is no member"
        yield from self.people_findings()

    def people_findings(self):
        for dn, person in self.people.items():
            for attribute in ("kiopsjoined", "kiopspermission", "kiopsmanager"):
                for value in person.get(attribute, []):
                    organization = value.split(":")[0]
                    if organization == "platform":
                        continue
                    if organization not in self.organizations:
                        yield f"{dn} has {attribute} {value} of an organization that is gone"
                    elif dn not in self.members(organization):
                        yield f"{dn} has {attribute} {value} and is no member"
                    elif attribute == "kiopsmanager" and dn not in self.owners(organization):
                        yield f"{dn} has kiopsManager of {organization} and is no owner"
            joined = [value.split(":")[0] for value in person.get("kiopsjoined", [])]
            if len(joined) != len(set(joined)):
                yield f"{dn} has joined twice: {person['kiopsjoined']}"
