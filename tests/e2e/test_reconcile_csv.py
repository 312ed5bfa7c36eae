"""`kiops-bridge reconcile` of kind csv: a first load of organizations, Managers and permissions; and what every line that is a
SCIM request has: plan, journal, undo, refusals, versions."""

import json

import pytest
from jobs import AGAINST, FINE, GUARD, INCOMPLETE, PLANNED, Jobs
from kiopslab import site
from scim import KIOPS_ORGANIZATION, KIOPS_USER
from world import World, read_auditlog

JOBS = """jobs = (
  {{ name = "load"; kind = "csv"; as = "token:reconcile"; file = "{folder}/load.csv"; rate_per_s = 0; journal_dir = "{runs}";
     guards = {{ grant_manager = {{ count = 20; }}; grant_admin = {{ count = 1; }}; }}; }},
  {{ name = "careful"; kind = "csv"; as = "token:reconcile"; file = "{folder}/load.csv"; rate_per_s = 0; journal_dir = "{runs}";
     guards = {{ grant_manager = {{ count = 0; }}; grant_permission = {{ count = 1; }}; remove_member = {{ count = 1; }}; }}; }},
  {{ name = "manager"; kind = "csv"; as = "token:manager"; file = "{folder}/load.csv"; rate_per_s = 0; journal_dir = "{runs}"; }}
);"""
HEADER = "organization,userName,role,permissions\n"


class Ground(Jobs):
    def __init__(self, folder, **settings):
        super().__init__(folder, JOBS, **settings)
        self.file = self.folder / "load.csv"

    def write(self, *rows, header=HEADER):
        self.file.write_text(header + "".join(",".join(row) + "\n" for row in rows))


def changes(plan, state="planned"):
    return [(line["change"], line.get("userName", ""), line.get("organizationName", ""), line.get("after", ""))
            for line in plan["lines"] if line["state"] == state]


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("csv"))
    yield made
    made.close()


@pytest.fixture
def world(ground):
    """An organization A with the Manager amy; kim, lee and max, who are in none."""
    w = World(ground)
    w.organization("A", managed=True)
    w.person("amy", manager=["A"])
    for name in ("kim", "lee", "max"):
        w.person(name)
    w.settle()
    w.A, w.B = f"{w.mark} A", f"{w.mark} B"
    w.kim, w.lee, w.max, w.amy = (f"{w.mark}{n}" for n in ("kim", "lee", "max", "amy"))
    return w


def first_load(ground, w):
    ground.write((w.A, w.kim, "Manager", "vpn audit"), (w.A, w.lee, "", ""), (w.B, w.lee, "Manager", ""), (w.B, w.kim, "Member", "infra"),
                 (f'"{w.mark}, ""C"""', "", "", ""))


def memberships(ground, w, name):
    shown = ground.scim.get(f"/Users/{w.ids[name]}").expect(200).json.get(KIOPS_USER, {}).get("memberships", [])
    return {m["display"]: (m["role"], m.get("permissions", [])) for m in shown}


LOADED = [("create_organization", "", "C", ""), ("create_organization", "", "B", ""), ("add", "lee", "A", "Member"), ("add", "kim", "A", "Member"),
          ("add", "kim", "B", "Member"), ("add", "lee", "B", "Member"), ("promote", "kim", "A", "Manager"), ("promote", "lee", "B", "Manager"),
          ("grant", "kim", "A", "audit"), ("grant", "kim", "A", "vpn"), ("grant", "kim", "B", "infra")]


def short(w, rows):
    return sorted((c, u.removeprefix(w.mark), o.removeprefix(w.mark).strip(' ,"'), a) for c, u, o, a in rows)


def test_a_first_load_and_the_second_plan_is_empty(ground, world):
    w = world
    first_load(ground, w)
    plan = ground.plan("load")
    assert short(w, changes(plan)) == sorted(LOADED)
    assert [line["symbol"] for line in plan["lines"]] == ["+"] * len(LOADED)
    done = ground.apply(FINE, "load")
    assert done["summary"]["applied"] == len(LOADED)
    assert ground.plan("load", FINE)["lines"] == []
    assert memberships(ground, w, "kim") == {w.A: ("Manager", ["vpn", "audit"]), w.B: ("Member", ["infra"])}
    assert memberships(ground, w, "lee") == {w.A: ("Member", []), w.B: ("Manager", [])}
    group = ground.scim.get("/Groups", filter=f'displayName eq "{w.mark}, \\"C\\""').expect(200).json["Resources"][0]
    assert group[KIOPS_ORGANIZATION]["memberCount"] == 0


def test_a_second_run_writes_nothing_but_its_own_entry(ground, world):
    first_load(ground, world)
    ground.apply(FINE, "load")
    begin = ground.log_end()
    ground.apply(FINE, "load")
    assert {dn.partition(",")[0] for _, dn, _ in read_auditlog(ground.log.read_text()[begin:])} == {"cn=load"}


def test_a_dry_run_writes_nothing(ground, world):
    first_load(ground, world)
    begin = ground.log_end()
    text = ground.run("reconcile", "load", expect=PLANNED).stdout
    assert f"+ promote {world.kim}" in text and "11 changes planned" in text
    ldif = ground.run("reconcile", "load", "--ldif", expect=PLANNED).stdout
    assert "# not as LDIF, made by --apply alone: POST /Groups" in ldif and "dn:" not in ldif
    assert ground.log.stat().st_size == begin


def test_the_audit_has_each_change_with_the_run(ground, world):
    first_load(ground, world)
    run = ground.apply(FINE, "load")["run"]
    records = [json.loads(line) for line in (ground.bridge.home / "audit/audit-reconcile.jsonl").read_text().splitlines()]
    mine = [r for r in records if r.get("request") == run and r["type"] == "intent"]
    assert sorted(r["change"] for r in mine) == sorted(c for c, *_ in LOADED)
    assert {(r["actor"]["kind"], r["actor"]["id"]) for r in mine} == {("token", "reconcile")}


def test_undo_gives_the_start_back(ground, world):
    """What came into an organization that the run made goes with it."""
    before = ground.state()
    first_load(ground, world)
    run = ground.apply(FINE, "load")["run"]
    shown = json.loads(ground.run("--json", "undo", run, expect=PLANNED).stdout)
    assert [line["change"] for line in shown["lines"]] == ["revoke", "revoke", "demote", "remove", "remove", "delete_organization", "delete_organization"]
    ground.run("undo", run, "--apply")
    assert ground.state() == before


def undone(ground, run, expect):
    return json.loads(ground.run("--json", "undo", run, "--apply", expect=expect).stdout)


def test_undo_refuses_what_moved(ground, world):
    w = world
    first_load(ground, w)
    run = ground.apply(FINE, "load")["run"]
    group = ground.scim.get("/Groups", filter=f'displayName eq "{w.B}"').expect(200).json["Resources"][0]["id"]
    ground.scim.patch(f"/Memberships/{w.ids['A']}.{w.ids['lee']}", ("add", "permissions", ["backup"])).expect(200)
    ground.scim.post("/Memberships", {"organization": {"value": group}, "user": {"value": w.ids["max"]}}).expect(201)
    done = undone(ground, run, AGAINST)
    assert short(w, [(line["change"], line.get("userName", ""), line["organizationName"], line["code"]) for line in done["lines"]
                     if line["state"] == "conflict"]) == [("delete_organization", "", "B", "KB-C217"), ("remove", "lee", "A", "KB-C217")]
    assert memberships(ground, w, "lee") == {w.A: ("Member", ["backup"]), w.B: ("Manager", [])}
    assert memberships(ground, w, "kim") == {w.B: ("Member", ["infra"])}


def test_guards_hold_in_undo(ground, world):
    """A run that gave much takes much away when it is undone."""
    w = world
    ground.write((w.A, w.kim, "", ""), (w.A, w.lee, "", ""))
    run = ground.apply(FINE, "careful")["run"]
    before = ground.state()
    for words in ([], ["--apply"]):
        said = ground.run("undo", run, *words, expect=GUARD).stderr
        assert f"guard remove_member in organization {w.ids['A']}: 2 of 3, and 1 may be" in said
        assert f"kiops-bridge undo {run} --apply --release remove_member=2 --reason" in said
    assert ground.state() == before
    ground.run("undo", run, "--apply", "--release", "remove_member=2", "--reason", "loaded by mistake")
    assert memberships(ground, w, "kim") == memberships(ground, w, "lee") == {}


def test_undo_leaves_the_guards_of_what_shrinks_as_they_were(ground, world):
    ground.write((world.A, world.kim, "", ""))
    run = ground.apply(FINE, "load")["run"]
    counts = {k: v for k, v in state_of_job(ground).items() if k in ("scope", "source")}
    ground.run("undo", run, "--apply")
    assert {k: v for k, v in state_of_job(ground).items() if k in ("scope", "source")} == counts and counts["scope"] > 0


def state_of_job(ground):
    return json.loads(next(iter(ground.admin.find(site.JOBS, "(cn=load)").values()))["kiopsJobState"][0])


# ---- rules, guards, saved plans


def test_who_may_not_is_refused_by_rule_before_and_at_the_change(ground, world):
    w = world
    ground.new_token("manager", "Manager", "--organization", w.ids["A"])
    ground.write((w.A, w.amy, "Manager", ""), (w.A, w.kim, "Manager", "vpn"), (w.B, "", "", ""))
    plan = ground.plan("manager", AGAINST)
    assert short(w, changes(plan, "refused")) == [("add", "kim", "A", "Member"), ("create_organization", "", "B", ""), ("grant", "kim", "A", "vpn"),
                                                  ("promote", "kim", "A", "Manager")]
    assert {line["change"]: line["code"] for line in plan["lines"] if line["state"] == "refused"} == \
        {"add": "KB-R21", "create_organization": "KB-R17", "promote": "KB-R02", "grant": "KB-R05"}
    before = ground.state()
    assert ground.apply(AGAINST, "manager")["summary"]["applied"] == 0
    assert ground.state() == before


def test_a_guard_stops_everything(ground, world):
    w = world
    ground.write((w.A, w.kim, "Manager", "vpn audit"))
    before = ground.state()
    for words in ([], ["--apply"]):
        said = ground.run("reconcile", "careful", *words, expect=GUARD).stderr
        assert "guard grant_manager: 1 of 0, and 0 may be" in said and "guard grant_permission: 2 of 0, and 1 may be" in said
    assert ground.state() == before
    ground.run("reconcile", "careful", "--apply", "--release", "grant_manager=1", "--release", "grant_permission=2", "--reason", "first load")
    assert memberships(ground, w, "kim") == {w.A: ("Manager", ["vpn", "audit"])}


def test_a_saved_plan_leaves_out_what_moved_and_what_rests_on_it(ground, world, tmp_path):
    w = world
    first_load(ground, w)
    saved = tmp_path / "plan.json"
    ground.run("reconcile", "load", "--save", str(saved), expect=PLANNED)
    ground.organization(displayName=w.B)
    ground.scim.post("/Memberships", {"organization": {"value": w.ids["A"]}, "user": {"value": w.ids["lee"]}}).expect(201)
    done = ground.apply(AGAINST, "load", "--plan", str(saved))
    moved = [(line["change"], line.get("userName", ""), line["organizationName"], line["code"])
             for line in done["lines"] if line["state"] == "conflict"]
    assert short(w, moved) == [("add", "kim", "B", "KB-C219"), ("add", "lee", "A", "KB-C217"), ("add", "lee", "B", "KB-C219"), ("create_organization", "", "B", "KB-C217"),
                               ("grant", "kim", "B", "KB-C219"), ("promote", "lee", "B", "KB-C219")]
    assert done["summary"]["applied"] == 5
    assert ground.apply(FINE, "load")["summary"]["applied"] == 4
    assert ground.plan("load", FINE)["lines"] == []


# ---- the file


def test_more_than_the_file_says_is_reported_and_stays(ground, world):
    w = world
    ground.write((w.A, w.amy, "Member", ""))
    plan = ground.plan("load")
    assert changes(plan) == [] and short(w, changes(plan, "reported")) == [("demote", "amy", "A", "Member")]
    ground.write((w.A, w.amy, "Manager", ""))
    assert ground.plan("load", FINE)["lines"] == []


def test_who_is_not_here_is_named_with_the_line(ground, world):
    w = world
    ground.write((w.A, w.kim, "", ""), (w.A, "nobody", "Manager", "vpn"))
    plan = ground.plan("load")
    line = next(line for line in plan["lines"] if line["state"] == "conflict")
    assert line["code"] == "KB-C220" and line["reason"].startswith("line 3: nobody here has this userName")
    assert ground.apply(AGAINST, "load")["summary"]["applied"] == 1


def test_an_organization_by_its_id(ground, world):
    w = world
    ground.write((w.ids["A"], w.kim, "", ""))
    assert short(w, changes(ground.plan("load"))) == [("add", "kim", w.ids["A"], "Member")]


def test_a_malformed_file_is_not_used(ground, world):
    """Nothing is concluded from a part: exit 4, with the line. Each kind of mistake: test_reconcile_csv.c."""
    ground.write((world.A, world.kim, "", ""), (world.A, world.lee, "Viewer", ""))
    before = ground.state()
    for words in ([], ["--apply"]):
        said = ground.run("reconcile", "load", *words, expect=INCOMPLETE).stderr
        assert "KB-C105" in said and "line 3: roles are exactly PlatformAdmin, Manager and Member" in said
    assert ground.state() == before


def test_a_file_that_cannot_be_read(ground, world):
    ground.file.write_bytes(HEADER.encode() + b"A,\xff\xfe,,\n")
    assert "not UTF-8" in ground.run("reconcile", "load", expect=INCOMPLETE).stderr
    ground.file.unlink()
    assert "No such file" in ground.run("reconcile", "load", "--apply", expect=INCOMPLETE).stderr


def test_the_forms_that_spreadsheets_write(ground, world):
    w = world
    ground.file.write_bytes(("\ufeff" + HEADER + f'"{w.A}","{w.kim}",Member," vpn  audit "').replace("\n", "\r\n").encode())
    assert short(w, changes(ground.plan("load"))) == [("add", "kim", "A", "Member"), ("grant", "kim", "A", "audit"), ("grant", "kim", "A", "vpn")]


def test_a_directory_that_does_not_tell_is_read_all_the_same(tmp_path):
    """slapd without syncprov, which keeps no contextCSN either: neither unreadable nor gone back."""
    made = Ground(tmp_path, slapd={"tells": False}, users=300)
    try:
        for name in ("A", "B"):
            made.write((name, "", "", ""))
            said = made.run("reconcile", "load", "--apply").stderr
            assert "directory_went_back" not in said and "KB-C101" not in said
            assert made.scim.find("Groups", f'displayName eq "{name}"')
    finally:
        made.close()
