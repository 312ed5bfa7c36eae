"""`kiops-bridge reconcile` of kind drift: findings, plans, guards, apply, undo, lease, journal, beside a bridge that runs."""

import hashlib
import json
import signal
import subprocess
import time

import pytest
from jobs import AGAINST, ERROR, FINE, GUARD, INCOMPLETE, PLANNED, RUNNING, USAGE, Jobs, found
from kiopslab import site
from lab import BINARY, eventually, without_address_randomisation
from world import World, read_auditlog

JOBS = """jobs = (
  {{ name = "drift"; kind = "drift"; as = "token:reconcile"; attributes = "asserted"; roles = "enforce"; dangling = "enforce";
     rate_per_s = 0; journal_dir = "{runs}"; guards = {{ demote = {{ count = 50; percent = 100; }}; remove_member = {{ percent = 100; }}; scope_shrink = {{ percent = 20; }}; grant_admin = {{ count = 1; }}; }}; }},
  {{ name = "strict"; kind = "drift"; as = "token:reconcile"; dangling = "enforce"; journal_dir = "{runs}"; guards = {{ remove_member = {{ count = 1; }}; }}; }},
  {{ name = "report"; kind = "drift"; as = "token:reconcile"; journal_dir = "{runs}"; }},
  {{ name = "adopt"; kind = "drift"; as = "token:reconcile"; roles = "adopt"; rate_per_s = 0; journal_dir = "{runs}"; guards = {{ grant_manager = {{ count = 1; }}; }}; }},
  {{ name = "fresh"; kind = "drift"; as = "token:reconcile"; journal_dir = "{runs}"; }},
  {{ name = "weak"; kind = "drift"; as = "token:weak"; attributes = "asserted"; roles = "enforce"; dangling = "enforce"; journal_dir = "{runs}"; }}
);"""


class Ground(Jobs):
    def __init__(self, folder, **settings):
        super().__init__(folder, JOBS, **settings)
        self.bridge.new_token("weak", "--role", "PlatformAdmin", "--access", "read")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("drift"))
    yield made
    made.close()


@pytest.fixture
def world(ground):
    """An organization A with the Manager amy and the Members kim and lee; what a test breaks, it mends."""
    w = World(ground)
    w.organization("A", managed=True)
    w.person("amy", manager=["A"])
    w.person("kim", member=["A"])
    w.person("lee")
    yield w
    ground.plan("drift", FINE)


def broken(ground, w):
    """One of each kind that a machine mends."""
    view, org, kim, lee = ground.admin, w.ids["A"], w.dn("kim"), w.dn("lee")
    group = w.dns["A"]
    person = ground.user(title="Boss", emails=[{"value": f"{w.mark}@example.org", "type": "work"}])
    view.modify(view.by_id(person["id"])[0], ("replace", "title", "Other"), ("add", "mail", f"{w.mark}@elsewhere.org"))
    view.modify(group, ("add", "owner", kim), ("add", "member", site.user_dn(f"gone{w.mark}")))
    view.modify(kim, ("add", "kiopsPermission", f"{org}:dance"), ("add", "kiopsRequest", f"{org}:20260101000000Z.00000001"))
    view.modify(lee, ("add", "kiopsPermission", f"{org}:vpn"), ("add", "kiopsManager", org),
                ("add", "kiopsJoined", f"{org}:20260101000000Z.00000002"),
                ("add", "kiopsRejected", "00000000-0000-0000-0000-000000000000:20260101000000Z"))
    view.modify(site.ADMINS, ("add", "member", kim))
    return person


MENDS = sorted([("KB-C215", "edit_user"), ("KB-C205", "demote"), ("KB-C204", "remove"), ("KB-C103", "revoke"), ("KB-C212", "reject"),
                ("KB-C208", "revoke"), ("KB-C206", "demote"), ("KB-C209", "remove"), ("KB-C213", "remove"), ("KB-C210", "unmake_admin")])


def test_in_sync(ground):
    assert "in sync" in ground.run("reconcile", "drift").stdout
    assert ground.plan("drift", FINE)["lines"] == []


def test_every_kind_is_found_mended_and_gone(ground, world):
    before = ground.state()
    person = broken(ground, world)
    plan = ground.plan()
    assert sorted(found(plan)) == MENDS
    edit = next(line for line in plan["lines"] if line["change"] == "edit_user")
    assert edit["changedBy"] == site.ROOT and edit["changedAt"].endswith("Z")
    assert json.loads(edit["before"])["title"] == "Other" and json.loads(edit["after"])["title"] == "Boss"
    symbols = [line["symbol"] for line in plan["lines"]]
    assert symbols == sorted(symbols, key="-~+".index)
    assert ground.apply()["summary"]["applied"] == len(MENDS)
    assert ground.plan("drift", FINE)["lines"] == []
    after = ground.state()
    dn, entry = ground.admin.by_id(person["id"])
    assert entry["title"] == ["Boss"] and entry["mail"] == [f"{world.mark}@example.org"]
    del after[dn]
    assert after == before
    assert ground.scim.get(f"/Users/{person['id']}").expect(200)["title"] == "Boss"  # the bridge beside has seen it


def test_a_second_run_writes_nothing_but_its_own_entry(ground, world):
    broken(ground, world)
    ground.apply()
    begin = ground.log_end()
    ground.apply()
    text = ground.log.read_text()[begin:]
    assert {dn for _, dn, _ in read_auditlog(text)} == {f"cn=drift,{site.JOBS}"}


def test_a_dry_run_writes_nothing(ground, world):
    broken(ground, world)
    begin = ground.log_end()
    ground.plan()
    ground.run("reconcile", "drift", "--ldif", expect=PLANNED)
    assert ground.log.stat().st_size == begin
    ground.apply()


def test_ldap_wins_and_nothing_is_enforced_by_default(ground, world):
    broken(ground, world)
    plan = ground.plan("report", PLANNED)
    assert found(plan) == []
    assert sorted(found(plan, "reported")) == sorted(m for m in MENDS if m[0] != "KB-C215")
    ground.apply()


def test_owners_and_members_of_an_existing_directory_are_adopted(ground, world):
    """First import: what stands in the groups alone counts afterwards, made by rule; a second plan is empty."""
    w, view = world, ground.admin
    w.organization("B")
    w.person("max")
    view.modify(w.dns["B"], ("add", "member", [w.dn("kim"), w.dn("lee")]), ("add", "owner", [w.dn("lee"), w.dn("max")]))
    plan = ground.plan("adopt", GUARD)
    assert plan["guards"][0]["guard"] == "grant_manager" and plan["guards"][0]["planned"] == 2
    ground.run("reconcile", "adopt", "--apply", "--release", "grant_manager=2", "--reason", "first import")
    assert ground.plan("adopt", FINE)["lines"] == []
    assert {m["user"]["userName"]: m["role"] for m in ground.scim.get("/Memberships", filter=f'organization.value eq "{w.ids["B"]}"').json["Resources"]} == \
        {f"{w.mark}kim": "Member", f"{w.mark}lee": "Manager", f"{w.mark}max": "Manager"}
    records = [json.loads(line) for line in (ground.bridge.home / "audit/audit-reconcile.jsonl").read_text().splitlines()]
    assert [r["rule"] for r in records if r.get("change") == "promote" and r["type"] == "intent"][-2:] == ["KB-R02"] * 2


def test_ldif_is_what_ldapmodify_takes(ground, world, tmp_path):
    broken(ground, world)
    ldif = tmp_path / "plan.ldif"
    ldif.write_text(ground.run("reconcile", "drift", "--ldif", expect=PLANNED).stdout)
    done = subprocess.run(["ldapmodify", "-x", "-H", ground.slapd.uri, "-D", site.ROOT, "-w", ground.slapd.passwords.root, "-f", ldif],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ground.plan("drift", FINE)["lines"] == []


def test_who_may_not_is_refused_by_rule(ground, world):
    broken(ground, world)
    plan = ground.plan("weak", AGAINST)
    assert found(plan) == [] and len(found(plan, "refused")) == len(MENDS)
    assert all(code.startswith("KB-R") for code, _ in found(plan, "refused"))
    before = ground.state()
    assert ground.apply(AGAINST, "weak")["summary"]["applied"] == 0
    assert ground.state() == before
    ground.apply()


def test_what_only_a_person_can_decide(ground, world):
    """Two with one e-mail address, an entry out of scope, several values of one, a seat that is vacant."""
    view, mail = ground.admin, f"{world.mark}@example.org"
    for name in ("kim", "lee"):
        view.modify(world.dn(name), ("add", "mail", mail))
    view.modify(world.dn("lee"), ("add", "title", ["One", "Two"]))
    view.modify(world.dns["A"], ("add", "member", site.BRIDGE))
    view.modify(world.dn("amy"), ("replace", "kiopsActive", "FALSE"))
    plan = ground.plan("drift", AGAINST)
    assert found(plan) == [] and found(plan, "conflict") == [("KB-C202", "edit_user")]
    line = next(line for line in plan["lines"] if line["state"] == "conflict")
    assert {line["user"], line["reason"].split()[4].rstrip(";")} == {world.ids["kim"], world.ids["lee"]}
    assert sorted(code for code, _ in found(plan, "reported")) == ["KB-C211", "KB-C214", "KB-C216"]
    view.modify(world.dn("kim"), ("delete", "mail", mail))
    view.modify(world.dn("lee"), ("delete", "title", None))
    view.modify(world.dns["A"], ("delete", "member", site.BRIDGE))
    view.modify(world.dn("amy"), ("replace", "kiopsActive", "TRUE"))


def test_a_join_under_way_is_left_alone(ground, world):
    lee, now = world.dn("lee"), time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    ground.admin.modify(lee, ("add", "kiopsJoined", f"{world.ids['A']}:{now}.00000001"))
    assert ground.plan("drift", FINE)["lines"] == []
    ground.admin.modify(lee, ("delete", "kiopsJoined", None))


def chained(path, *records):
    """A chain of the audit, as a process that was killed leaves it."""
    last, text = "0" * 64, ""
    for seq, (at, body) in enumerate(records, 1):
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - at))
        line = f'{{"seq":{seq},"time":"{when}",{body},"prev":"{last}"'
        last = hashlib.sha256((last + line).encode()).hexdigest()
        text += f'{line},"hash":"{last}"}}\n'
    path.write_text(text)


def test_an_intent_without_outcome_is_told_until_a_run_has_looked(ground, world):
    path = ground.bridge.home / "audit/audit-cli.jsonl"
    kept = path.read_text()
    intent = '"type":"intent","actor":{"kind":"token","id":"e2e"},"category":"user","change":"grant","rule":"KB-R06","subject":"%s"'
    chained(path, (50000, intent % "older"), (3600, intent % "open"), (3599, intent % "made"), (3598, '"type":"outcome","intent":3,"result":"done"'),
            (5, intent % "under-way"))
    lines = ground.plan("fresh", PLANNED)["lines"]
    assert [line["reason"].split("subject=")[1].split()[0] for line in lines if line["code"] == "KB-C308"] == ["older", "open"]
    ground.apply(PLANNED, "fresh")
    ground.plan("fresh", FINE)
    path.write_text(kept)


def test_a_rename_by_another_hand_keeps_roles_and_a_new_person_gets_none(ground, world):
    """Fault 52: the id is the person; the DN is not."""
    name, group = f"{world.mark}zoe", world.dns["A"]
    person = ground.user(userName=name)
    dn, _ = ground.admin.by_id(person["id"])
    ground.admin.modify(dn, ("add", "kiopsJoined", f"{world.ids['A']}:20260105080000Z.00000001"))
    ground.admin.modify(group, ("add", "member", dn))
    assert ground.plan("drift", FINE)["lines"] == []
    ground.admin.link.rename_s(dn, f"uid={name}2")
    plan = ground.plan()
    assert found(plan) == [("KB-C218", "edit_user")] and found(plan, "reported") == [("KB-C215", "edit_user")]
    saved = dict(objectClass=["inetOrgPerson"], uid=name, cn="new", sn="new")
    ground.admin.add(dn, **saved)  # somebody else, of that name
    assert ("KB-C217", "edit_user") in found(ground.apply(AGAINST), "conflict")
    ground.admin.delete(dn)
    assert ground.apply(PLANNED)["summary"]["applied"] == 1
    assert site.user_dn(f"{name}2") in ground.admin.get(group)["member"] and dn not in ground.admin.get(group)["member"]
    ground.scim.patch(f"/Users/{person['id']}", ("replace", "title", "Known again")).expect(200)
    assert found(ground.plan("drift", FINE)) == []


def test_a_change_through_the_bridge_meanwhile_wins(ground, world, tmp_path):
    """Fault 38."""
    person = ground.user(title="Boss")
    dn, _ = ground.admin.by_id(person["id"])
    ground.admin.modify(dn, ("replace", "title", "Other"))
    saved = tmp_path / "plan.json"
    ground.run("reconcile", "drift", "--save", str(saved), expect=PLANNED)
    ground.scim.patch(f"/Users/{person['id']}", ("replace", "title", "Newest")).expect(200)
    done = ground.apply(AGAINST, "drift", "--plan", str(saved))
    assert found(done, "conflict") == [("KB-C217", "edit_user")]
    assert ground.admin.get(dn)["title"] == ["Newest"]


# ---- saved plans


def test_a_saved_plan_leaves_out_what_moved(ground, world, tmp_path):
    broken(ground, world)
    saved = tmp_path / "plan.json"
    plan = ground.plan("drift", PLANNED, "--save", str(saved))
    person = next(line for line in plan["lines"] if line["change"] == "edit_user")
    ground.admin.modify(person["modify"]["dn"], ("add", "description", "by somebody else"))
    done = ground.apply(AGAINST, "drift", "--plan", str(saved))
    assert done["summary"]["applied"] == len(MENDS) - 1
    assert found(done, "conflict") == [("KB-C217", "edit_user")]
    assert ground.admin.by_id(person["user"])[1]["title"] == ["Other"]
    assert ground.apply()["summary"]["applied"] == 1


def test_a_saved_plan_is_bound_to_its_configuration(ground, world, tmp_path):
    broken(ground, world)
    saved = tmp_path / "plan.json"
    ground.run("reconcile", "drift", "--save", str(saved), expect=PLANNED)
    text = json.loads(saved.read_text())
    before = ground.state()
    for changed in ({"configuration": "0" * 64}, {"job": "report"}, {"version": 2}):
        saved.write_text(json.dumps(text | changed))
        ground.run("reconcile", "drift", "--plan", str(saved), "--apply", expect=AGAINST)
    assert ground.state() == before
    ground.apply()


# ---- undo


def test_undo_gives_the_start_back(ground, world):
    broken(ground, world)
    before = ground.state()
    run = ground.apply()["run"]
    assert run in ground.run("runs").stdout
    shown = ground.run("undo", run, expect=PLANNED).stdout
    assert f"{len(MENDS)} changes planned" in shown and ground.plan("drift", FINE)
    ground.run("undo", run, "--apply")
    assert ground.state() == before
    ground.apply()


def test_undo_refuses_line_by_line_what_moved(ground, world):
    person = broken(ground, world)
    run = ground.apply()["run"]
    ground.admin.modify(ground.admin.by_id(person["id"])[0], ("add", "description", "by somebody else"))
    done = json.loads(ground.run("--json", "undo", run, "--apply", expect=AGAINST).stdout)
    assert found(done, "conflict") == [("KB-C217", "edit_user")] and done["summary"]["applied"] == len(MENDS) - 1
    again = json.loads(ground.run("--json", "undo", run, "--apply", expect=AGAINST).stdout)
    assert again["summary"]["applied"] == 0 and len(found(again, "conflict")) == len(MENDS)
    ground.apply()


# ---- guards


def test_a_guard_stops_everything_and_says_how_to_go_on(ground, world):
    for n in range(2):
        ground.admin.modify(world.dns["A"], ("add", "member", site.user_dn(f"gone{n}{world.mark}")))
    before = ground.state()
    for words in ([], ["--apply"]):
        done = ground.run("reconcile", "strict", *words, expect=GUARD)
        assert "guard remove_member" in done.stderr and "--release remove_member=2 --reason" in done.stderr
        assert "next run" in done.stderr and world.ids["A"] in done.stderr
    assert ground.state() == before
    ground.run("reconcile", "strict", "--apply", "--release", "remove_member=2", expect=USAGE)
    ground.run("reconcile", "strict", "--apply", "--release", "remove_member=1", "--reason", "too few", expect=GUARD)
    ground.run("reconcile", "strict", "--apply", "--release", "remove_member=2", "--reason", "they left in May")
    records = [json.loads(line) for line in (ground.bridge.home / "audit/audit-reconcile.jsonl").read_text().splitlines()]
    released = [r for r in records if r.get("change") == "release_guard"]
    assert released[-1]["after"] == {"guard": "remove_member", "allowed": 2, "reason": "they left in May"}
    assert released[-1]["actor"]["kind"] == "operator"
    ground.plan("strict", FINE)


def test_a_scope_that_shrinks_stops_the_run(ground, world):
    """Fault 30: a wrong filter, and everybody seems to be gone."""
    ground.apply()
    text = ground.bridge.conf.read_text()
    narrow = ground.bridge.home / "narrow.conf"
    narrow.write_text(text.replace('users = {', 'users = { filter = "(uid=nobody)";', 1))
    narrow.chmod(0o600)
    before = ground.state()
    done = subprocess.run([*without_address_randomisation(), BINARY, "-c", str(narrow), "reconcile", "drift", "--apply"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == GUARD and "guard scope_shrink: there were" in done.stderr, (done.stdout, done.stderr)
    assert ground.state() == before


# ---- one at a time


def job(ground):
    return ground.admin.find(f"cn=drift,{site.JOBS}")[f"cn=drift,{site.JOBS}"]


def test_a_lease_is_kept_and_a_stale_one_taken_over(ground, world):
    broken(ground, world)
    ground.apply()
    dn = f"cn=drift,{site.JOBS}"
    assert "kiopsLeaseHolder" not in job(ground)
    for until, expect in (("20991231000000Z", RUNNING), ("20200101000000Z", FINE)):
        ground.admin.modify(dn, ("add", "kiopsLeaseHolder", "elsewhere:1:other"), ("add", "kiopsLeaseUntil", until))
        done = ground.run("reconcile", "drift", "--apply", expect=expect)
        if expect == RUNNING:
            assert "elsewhere:1:other" in done.stderr and until in done.stderr
            ground.admin.modify(dn, ("delete", "kiopsLeaseHolder", None), ("delete", "kiopsLeaseUntil", None))
    assert "kiopsLeaseHolder" not in job(ground)


def begun(ground, known):
    """Changes that the newest journal says were begun."""
    new = [p for p in ground.runs.glob("*.jsonl") if p not in known]
    return new[0].read_text().count('"begin":') if new else 0


def slow(ground):
    known = set(ground.runs.glob("*.jsonl"))
    process = subprocess.Popen(ground.argv("reconcile", "drift", "--apply", "--rate", "10"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process, known


def test_a_lost_lease_ends_the_run(ground, world):
    broken(ground, world)
    process, known = slow(ground)
    eventually(lambda: begun(ground, known) >= 2)
    ground.admin.modify(f"cn=drift,{site.JOBS}", ("replace", "kiopsLeaseHolder", "elsewhere:1:other"))
    _, said = process.communicate(timeout=30)
    assert process.returncode == RUNNING and b"elsewhere:1:other" in said
    ground.admin.modify(f"cn=drift,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))
    ground.apply()


def test_interrupted_between_changes(ground, world):
    broken(ground, world)
    process, known = slow(ground)
    eventually(lambda: begun(ground, known) >= 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == PLANNED and b"the next run makes the rest" in said
    assert "stopped" in ground.run("runs").stdout
    ground.apply()


def test_a_run_that_was_killed_is_gone_on_with(ground, world):
    """Fault 3; each single step of it: test_reconcile_kill.py."""
    start = ground.state()
    broken(ground, world)
    process, known = slow(ground)
    eventually(lambda: begun(ground, known) >= 2)
    process.kill()
    process.wait()
    ground.run("reconcile", "drift", "--apply", expect=RUNNING)
    ground.admin.modify(f"cn=drift,{site.JOBS}", ("replace", "kiopsLeaseUntil", "20200101000000Z"))
    assert "broken off" in ground.run("runs").stdout
    ground.apply()
    assert {dn: e for dn, e in ground.state().items() if dn in start} == start


# ---- what cannot be read


def test_a_directory_that_cannot_be_read_whole(new_lab, tmp_path):
    """Faults 14, 15, 29: nothing is concluded, and the exit says so."""
    made = new_lab(bridge={"more": JOBS.format(runs=tmp_path / "runs")})
    made.new_token("reconcile")
    argv = [*without_address_randomisation(), BINARY, "-c", str(made.bridge.conf), "reconcile", "drift", "--apply"]
    made.limit_reads(5)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == INCOMPLETE, done.stderr
    made.slapd.process.stop()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == INCOMPLETE, done.stderr
    made.slapd.process.start()
    eventually(lambda: made.scim.get("/Users?count=0").status == 200, within=30)


def test_a_directory_that_was_restored_from_a_copy(ground, world):
    """Fault 35: its count of runs is behind the one that was kept here."""
    ground.apply()
    dn = f"cn=drift,{site.JOBS}"
    state = json.loads(job(ground)["kiopsJobState"][0])
    ground.admin.modify(dn, ("replace", "kiopsJobState", json.dumps(state | {"serial": state["serial"] - 1})))
    done = ground.run("reconcile", "drift", "--apply", expect=GUARD)
    assert "--accept-rollback" in done.stderr
    ground.run("reconcile", "drift", "--apply", "--accept-rollback")
    ground.apply()


def test_figures_of_the_last_run(ground, world):
    ground.apply()
    text = (ground.runs / "drift.prom").read_text()
    assert 'kiops_reconcile_last_run_exit{job="drift"} 0\n' in text


@pytest.mark.parametrize("words", [[], ["nobody"], ["drift", "--rate", "0"], ["drift", "--release", "x=1", "--reason", "y"],
                                   ["drift", "--save", "a", "--apply"], ["drift", "two"], ["drift", "--what", "x"]])
def test_usage(ground, words):
    ground.run("reconcile", *words, expect=USAGE)


def test_nobody_to_act_as(ground):
    ground.bridge.cli("token", "revoke", "weak")
    assert "token create weak" in ground.run("reconcile", "weak", expect=ERROR).stderr
    ground.bridge.new_token("weak", "--role", "PlatformAdmin", "--access", "read")
