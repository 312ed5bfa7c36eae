"""Jobs of kind push beside a bridge that runs, and a provider that plays a script."""

from pathlib import Path

import pytest
from jobs import FINE, Jobs
from kiopslab import site
from provider import TOKEN, Provider

ALL = """guards = {{ deactivate = {{ percent = 100; count = 1000; }}; delete = {{ percent = 100; count = 1000; }};
  remove_member = {{ percent = 100; count = 1000; }}; scope_shrink = {{ percent = 100; }}; budget_24h = {{ deactivate = 1000; delete = 1000; }};
  budget_7d = {{ deactivate = 1000; delete = 1000; }}; }};"""
REST = """url = "{url}"; token_file = "{folder}/provider.token"; journal_dir = "{runs}"; rate_per_s = 0; timeout_s = 5;"""
JOBS = f"""jobs = (
  {{{{ name = "push"; kind = "push"; as = "token:reconcile"; {REST} {ALL} }}}},
  {{{{ name = "at-once"; kind = "push"; as = "token:reconcile"; delete_after_days = 0; {REST} {ALL} }}}},
  {{{{ name = "careful"; kind = "push"; as = "token:reconcile"; {REST} }}}},
  {{{{ name = "people"; kind = "push"; as = "token:reconcile"; groups = false; match = [ "userName" ]; {REST} {ALL} }}}},
  {{{{ name = "reader"; kind = "push"; as = "token:reader"; {REST} {ALL} }}}}
);"""


class Ground(Jobs):
    def __init__(self, folder, url=None, **settings):
        self.provider = Provider()
        token = Path(folder) / "provider.token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        super().__init__(folder, JOBS.replace("{url}", url or self.provider.url), **settings)
        self.bridge.new_token("reader", "--role", "PlatformAdmin", "--access", "read")

    def again(self):
        """A provider that knows nothing, and a job that has never run."""
        p = self.provider
        p.users.clear(), p.groups.clear(), p.log.clear(), p.script.clear()
        p.can |= {"etag": True, "page": 1000, "total": True}
        p.bend = None
        for dn in self.admin.find(site.JOBS, "(objectClass=kiopsJob)"):
            self.admin.delete(dn)
        for file in self.runs.glob("*.last"):
            file.unlink()

    def synced(self):
        """Everything is there, as here."""
        self.apply(FINE, "push")
        self.provider.log.clear()

    def there(self):
        """What the provider has, by names."""
        names = {u["id"]: u["userName"] for u in self.provider.users.values()}
        people = {u["userName"]: {k: v for k, v in u.items() if k not in ("id", "meta")} for u in self.provider.users.values()}
        return people, {g["displayName"]: (g.get("externalId"), sorted(names[m["value"]] for m in g.get("members", ())))
                        for g in self.provider.groups.values()}

    def here(self):
        """What it is to have."""
        users = self.scim.get("/Users", count=1000).expect(200)["Resources"]
        groups = self.scim.get("/Groups", count=1000).expect(200)["Resources"]
        active = {u["id"]: u["userName"] for u in users if u["active"]}
        return active, {g["displayName"]: (g["id"], sorted(active[m["value"]] for m in g.get("members", ()) if m["value"] in active))
                        for g in groups}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("push"))
    yield made
    made.close()
    made.provider.close()


@pytest.fixture
def ground(shared):
    shared.again()
    yield shared
    for step in shared.provider.script:
        assert step.times <= 0 or step.times > 100, f"{step} was not played"


def one(ground, name):
    return ground.provider.named(name)


def lines(plan, *states):
    return [(line["change"], line.get("userName") or line.get("organizationName")) for line in plan["lines"]
            if line["state"] in (states or ("planned",))]
