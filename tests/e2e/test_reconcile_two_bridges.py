"""A pull from another bridge: people, organizations, Managers and permissions of one directory come into another, and follow it."""

import json

import pytest
from jobs import FINE, PLANNED, Jobs
from kiopslab import entries
from lab import Lab
from scim import KIOPS_ORGANIZATION, KIOPS_USER

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
JOBS = """jobs = (
  {{ name = "twin"; kind = "pull"; as = "token:reconcile"; url = "{url}"; token_file = "{folder}/twin.token"; rate_per_s = 0; journal_dir = "{runs}";
     guards = {{ grant_manager = {{ count = 100; }}; grant_permission = {{ count = 1000; }}; minimum_population = 1000; }}; }}
);"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    there = Lab(folder / "there", users=60, organizations=4)
    here = Jobs(folder / "here", JOBS.replace("{url}", there.bridge.url), content=lambda p: [*entries.base(p), entries.platform_admins([])])
    (here.folder / "twin.token").write_text(there.token)
    (here.folder / "twin.token").chmod(0o600)
    yield there, here
    here.close()
    there.close()


def everybody(lab):
    """Who is what where, ids aside."""
    out = {}
    for u in lab.scim.get("/Users", count=1000).expect(200).json["Resources"]:
        seats = {m["display"]: (m["role"], m.get("permissions", [])) for m in u.get(KIOPS_USER, {}).get("memberships", ()) if m["status"] == "active"}
        plain = {k: v for k, v in u.items() if k not in ("id", "meta", "groups", "roles", "externalId", "schemas", KIOPS_USER, ENTERPRISE)}
        out[u["userName"]] = plain, seats, {k: v for k, v in u.get(ENTERPRISE, {}).items() if k != "manager"}
    return out


def organizations(lab):
    return {g["displayName"]: {k: g[KIOPS_ORGANIZATION].get(k) for k in ("description", "joinPolicy", "memberCount")}
            for g in lab.scim.get("/Groups", count=1000).expect(200).json["Resources"]}


def test_one_becomes_as_the_other_and_follows_it(pair):
    there, here = pair
    rich = there.user(userName="rich", title="Boss", name={"givenName": "Ri", "familyName": "Ch", "honorificSuffix": "III"}, locale="ko-KR",
                      emails=[{"value": "rich@a.example", "type": "work"}, {"value": "rich@b.example", "type": "other", "primary": True}],
                      addresses=[{"type": "work", "locality": "Seoul", "primary": True}], phoneNumbers=[{"value": "+82-2-1", "type": "fax"}],
                      photos=[{"value": "https://p.example/r.png", "type": "photo"}], **{ENTERPRISE: {"department": "Hulls"}})
    there.user(userName="other", title="Mate")  # an attribute that nobody has is none of the source's
    here.apply(FINE, "twin")
    assert here.plan("twin", FINE)["lines"] == []
    assert everybody(here) == everybody(there) and organizations(here) == organizations(there)
    person = next(u for u, (_, seats, _) in everybody(there).items() if any(role == "Member" and p for role, p in seats.values()))
    user = there.scim.get("/Users", filter=f'userName eq "{person}"').expect(200).json["Resources"][0]
    seat = next(m for m in user[KIOPS_USER]["memberships"] if m.get("permissions") and m["role"] == "Member")
    at = f"/Memberships/{seat['value']}.{user['id']}"
    there.scim.patch(at, ("remove", "permissions"), ("add", "permissions", ["audit", "backup"])).expect(200)
    there.scim.patch(at, ("replace", "role", "Manager")).expect(200)
    there.scim.patch(f"/Users/{rich['id']}", ("remove", "title"), ("replace", "active", False)).expect(200)
    plan = here.plan("twin", PLANNED)
    assert {line["change"] for line in plan["lines"]} >= {"revoke", "grant", "promote", "edit_user", "deactivate"}
    here.apply(FINE, "twin")
    assert here.plan("twin", FINE)["lines"] == []
    assert everybody(here) == everybody(there)
    assert json.loads(next(line for line in plan["lines"] if line["change"] == "edit_user")["after"]) == {"title": None}
