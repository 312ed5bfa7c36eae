"""Reconciliation jobs beside a bridge that runs: how they are started, and what they say."""

import json
import subprocess
from pathlib import Path

from kiopslab import site
from lab import BINARY, Lab, without_address_randomisation
from world import OPERATIONAL, auditlog, written

FINE, ERROR, PLANNED, GUARD, INCOMPLETE, AGAINST, RUNNING, USAGE = 0, 1, 2, 3, 4, 5, 6, 64


class Jobs(Lab):
    """`jobs`: the configuration's list, in which {runs} is where journals go and {folder} the test's own folder. They
    act as token:reconcile."""

    def __init__(self, folder, jobs, slapd=None, **settings):
        self.folder, self.runs, self.log = Path(folder), Path(folder) / "runs", Path(folder) / "auditlog.ldif"
        super().__init__(folder, slapd={**auditlog(folder), **(slapd or {})}, bridge={"more": jobs.format(runs=self.runs, folder=folder)}, **settings)
        self.new_token("reconcile")
        self.admin = self.view()

    def argv(self, *words):
        return [*without_address_randomisation(), BINARY, "-c", str(self.bridge.conf), *words]

    def run(self, *words, expect=FINE):
        done = subprocess.run(self.argv(*words), capture_output=True, text=True, check=False)
        assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
        if "--apply" in words and expect != INCOMPLETE:
            self.caught_up()  # the bridge beside it
        return done

    def plan(self, job="drift", expect=PLANNED, *words):
        return json.loads(self.run("--json", "reconcile", job, *words, expect=expect).stdout)

    def apply(self, expect=FINE, job="drift", *words):
        return self.plan(job, expect, "--apply", *words)

    def log_end(self):
        """Where stands in the log what is written from here on."""
        written(self, self.admin, self.log, 0)
        return self.log.stat().st_size

    def state(self):
        """Every value of people and organizations, operational ones aside."""
        return {dn: {k: sorted(map(repr, v)) for k, v in e.items() if k.lower() not in OPERATIONAL}
                for base in (site.PEOPLE, site.ORGANIZATIONS, site.ADMINS) for dn, e in self.admin.find(base).items()}


def found(plan, state="planned"):
    return [(line["code"], line["change"]) for line in plan["lines"] if line["state"] == state]
