"""A job of kind pull: a scripted SCIM system as the source, a directory and a bridge beside it."""

import json
import time

from jobs import FINE, Jobs
from kiopslab import entries, site
from provider import TOKEN, Provider
from scim import KIOPS_USER

JOBS = """jobs = (
  {{ name = "hr"; kind = "pull"; as = "token:hr"; url = "{url}"; token_file = "{folder}/hr.token"; match = [ "externalId", "userName" ];
     delete_after_days = 30; rate_per_s = 0; timeout_s = 5; journal_dir = "{runs}"; guards = {{ deactivate = {{ percent = 100; }};
     delete = {{ percent = 100; }}; remove_member = {{ percent = 100; }}; demote = {{ percent = 100; }}; grant_permission = {{ percent = 100; }};
     source_shrink = {{ percent = 100; }}; scope_shrink = {{ percent = 100; }}; }}; }},
  {{ name = "strict"; kind = "pull"; as = "token:hr"; url = "{url}"; token_file = "{folder}/hr.token"; rate_per_s = 0; timeout_s = 5;
     journal_dir = "{runs}"; guards = {{ budget_24h = {{ deactivate = 3; }}; source_shrink = {{ percent = 50; }};
     deactivate = {{ count = 2; percent = 100; }}; scope_shrink = {{ percent = 100; }}; minimum_population = 1; }}; }}
);"""


class Ground(Jobs):
    def __init__(self, folder, **settings):
        self.source = Provider()
        super().__init__(folder, JOBS.replace("{url}", self.source.url),
                         content=lambda passwords: [*entries.base(passwords), entries.platform_admins([])], **settings)
        (self.folder / "hr.token").write_text(TOKEN)
        (self.folder / "hr.token").chmod(0o600)
        self.hr = self.client(self.new_token("hr", client="hr"))

    def close(self):
        self.source.close()
        super().close()

    def clear(self):
        """Nobody on either side, and no memory of earlier runs."""
        self.source.users.clear()
        self.source.groups.clear()
        self.source.script.clear()
        self.source.bend = None
        for kind in ("Groups", "Users"):
            for r in self.hr.get(f"/{kind}", count=1000).expect(200).json["Resources"]:
                if "externalId" in r or r.get("userName", "").startswith("local"):
                    self.scim.delete(f"/{kind}/{r['id']}").expect(204)
        for dn in self.admin.find(site.JOBS, "(objectClass=kiopsJob)"):
            self.admin.delete(dn)
        for path in self.runs.glob("*.last"):
            path.unlink()

    def there(self, name, /, **attributes):
        return self.source.add("Users", userName=name, active=True, **attributes)

    def change(self, there, **attributes):
        resource = self.source.users.get(there) or self.source.groups[there]
        resource.update(attributes)

    def group(self, name, /, *members, **attributes):
        return self.source.add("Groups", displayName=name, members=[{"value": m} for m in members], **attributes)

    def here(self, there, kind="Users"):
        """The one that is linked with it."""
        found = self.hr.get(f"/{kind}", filter=f'externalId eq "{there}"').expect(200).json["Resources"]
        assert len(found) <= 1
        return found[0] if found else None

    def pulled(self, applied, expect=FINE):
        done = self.apply(expect, "hr")
        assert done["summary"]["applied"] == applied, done
        if expect == FINE:
            assert self.plan("hr", FINE)["lines"] == []
        return done

    def seats(self, there):
        shown = self.here(there).get(KIOPS_USER, {}).get("memberships", [])
        return {m["display"]: (m["role"], m.get("permissions", [])) for m in shown}


def did(plan, state="planned"):
    return sorted((line["change"], line.get("userName") or line.get("organizationName", "")) for line in plan["lines"] if line["state"] == state)


def aged(ground, job, days):
    """As if the last run had been so long ago."""
    dn, entry = next(iter(ground.admin.find(site.JOBS, f"(cn={job})").items()))
    state = json.loads(entry["kiopsJobState"][0])
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))
    state["gone"] = {user: then for user in state.get("gone", {})}
    ground.admin.modify(dn, ("replace", "kiopsJobState", json.dumps(state)))
