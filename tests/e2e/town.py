"""A town whose organizations take sign-ups: its door, who waits, and who decides."""

import json
import urllib.request
from itertools import count

from kiopslab import site
from lab import eventually
from scim import ask

ANYBODY = "per_address_per_hour = 0;"
PASSWORD = "correct horse battery"
NUMBERS = count(1)


class Town:
    """A directory, two bridges that take sign-ups, an open organization and its Manager."""

    def __init__(self, lab):
        self.lab, self.view = lab, lab.view()
        self.admin, self.other_admin = lab.person("ada"), lab.person("ada", bridge=len(lab.bridges) - 1)
        self.manager, self.name = lab.person("mina"), "Project A"
        self.organization = lab.scim.find("Groups", 'displayName eq "Project A"')[0]["id"]
        self.closed = lab.scim.find("Groups", 'displayName eq "Project B"')[0]["id"]

    def send(self, body, bridge=0, method="POST", path="/signup", **headers):
        """No token; `body` an object or bytes."""
        sent = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        sent = {k: v for k, v in sent.items() if v is not None}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return ask(self.lab.bridges[bridge].url, method, path, body, sent)

    def form(self, **changes):
        name = f"guest{next(NUMBERS)}"
        return {"userName": name, "password": PASSWORD, "givenName": "Ga", "familyName": "Kim",
                "email": f"{name}@elsewhere.example", "organization": self.organization} | changes

    def waiting(self):
        """Entries of the container, by DN."""
        return self.view.find(site.PENDING, "(objectClass=inetOrgPerson)")

    def sign_up(self, bridge=0, **changes):
        """Signed up, and known to both bridges; the id of the applicant."""
        form, before = self.form(**changes), set(self.waiting())
        self.send(form, bridge).expect(202)

        def stands():
            new = [e for dn, e in self.waiting().items() if dn not in before and "kiopsRequest" in e]
            mine = [e for e in new if name_in(e) == form["userName"]]
            return mine and mine[0]["entryUUID"][0]

        found = eventually(stands)
        for admin in (self.admin, self.other_admin):
            eventually(lambda admin=admin: admin.get(f"/Memberships/{form['organization']}.{found}").status == 200)
        return found, form

    def seat(self, applicant):
        return f"/Memberships/{self.organization}.{applicant}"

    def approve(self, applicant, who=None):
        return (who or self.manager).patch(self.seat(applicant), ("replace", "status", "active"))


def name_in(entry):
    """The user name that an applicant asks for."""
    return json.loads(entry["kiopsResource"][0])["r"]["userName"]


def figure(town, name):
    text = urllib.request.urlopen(town.lab.bridge.metrics_url + "/metrics", timeout=10).read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))
