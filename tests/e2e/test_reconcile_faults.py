"""Faults that a job with a source meets on the directory's side (faults.md): each is named in its test."""

import json
import signal
import subprocess

import pytest
from jobs import AGAINST, ERROR, FINE, INCOMPLETE, PLANNED, RUNNING, found
from kiopslab import site
from kiopslab.directories import kind
from lab import View, eventually
from pulls import Ground, did


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("faults"), proxied=True)
    yield made
    made.close()


@pytest.fixture
def source(ground):
    ground.clear()
    return ground.source


def active(ground, *there):
    return all(ground.here(t)["active"] for t in there)


def test_a_directory_that_cannot_be_read_whole(ground, source):
    """Faults 14, 15: nobody is taken for gone or new."""
    people = [ground.there(f"p{i}") for i in range(8)]
    ground.pulled(8)
    ground.there("new")
    ground.limit_reads(5)
    try:
        said = ground.run("reconcile", "hr", "--apply", expect=INCOMPLETE).stderr
        assert "KB-C101" in said
    finally:
        ground.limit_reads()
    assert active(ground, *people)
    ground.pulled(1)


def test_the_bridges_password_was_changed(ground, source):
    """Fault 29: a hard stop, and no storm of binds."""
    kim = ground.there("kim")
    ground.pulled(1)
    source.users.clear()
    secret = ground.bridge.home / "ldap.password"
    kept = secret.read_text()
    secret.write_text("another one")
    try:
        ground.run("reconcile", "hr", "--apply", expect=INCOMPLETE)
    finally:
        secret.write_text(kept)
    assert active(ground, kim)


@pytest.mark.parametrize("passing", range(3, 9, 2))
def test_the_directory_goes_in_the_middle_of_a_line(ground, source, passing):
    """Fault 2: the run stops and says so; the next one ends where an undisturbed one would."""
    kim, lee = ground.there("kim"), ground.there("lee")
    ground.group("Crew", kim, lee)
    trap = ground.proxy.cut_request(passing=passing)
    process = subprocess.Popen(ground.argv("reconcile", "hr", "--apply"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    assert trap.sprung.is_set() and process.returncode in (FINE, ERROR, AGAINST), out
    assert ground.apply(FINE, "hr")["summary"]["refused"] == 0
    assert ground.plan("hr", FINE)["lines"] == []
    assert ground.seats(kim) == ground.seats(lee) == {"Crew": ("Member", [])}


def test_a_name_that_the_directory_knows_and_the_bridge_does_not(ground, source):
    """Fault 24: the directory's own constraint refuses one line; the others are made."""
    ground.admin.add(f"uid=hidden,{site.SERVICES}", objectClass=["account", "simpleSecurityObject"], uid="hidden", userPassword="x")
    ground.admin.add(site.user_dn("taken"), objectClass=["account"], uid="taken")  # no inetOrgPerson: no user here
    ground.there("taken")
    kim = ground.there("kim")
    done = ground.apply(AGAINST, "hr")
    assert did(done, "conflict") == [("create_user", "taken")] and active(ground, kim)
    ground.admin.delete(site.user_dn("taken"))
    ground.admin.delete(f"uid=hidden,{site.SERVICES}")


def test_two_runs_at_once(ground, source):
    """Fault 37: the second one says who runs."""
    for i in range(40):
        ground.there(f"p{i}")
    process = subprocess.Popen(ground.argv("reconcile", "hr", "--apply", "--rate", "10"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: any("kiopsLeaseHolder" in e for e in ground.admin.find(site.JOBS, "(cn=hr)").values()), within=20)
    assert "already running: " in ground.run("reconcile", "hr", "--apply", expect=RUNNING).stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == PLANNED
    ground.apply(FINE, "hr")
    assert ground.plan("hr", FINE)["lines"] == []


def test_a_write_through_the_bridge_meanwhile_wins(ground, source, tmp_path):
    """Fault 38: the line of that person is dropped, and said; the source wins in the next run."""
    kim, lee = ground.there("kim", title="Boss"), ground.there("lee", title="Boss")
    ground.pulled(2)
    for one in (kim, lee):
        ground.change(one, title="New")
    saved = tmp_path / "plan.json"
    ground.run("reconcile", "hr", "--save", str(saved), expect=PLANNED)
    ground.scim.patch(f"/Users/{ground.here(kim)['id']}", ("replace", "title", "Newest")).expect(200)
    done = ground.apply(AGAINST, "hr", "--plan", str(saved))
    assert found(done, "conflict") == [("KB-C217", "edit_user")] and ground.here(kim)["title"] == "Newest"
    ground.pulled(1)


def test_an_attribute_that_has_become_several(ground, source):
    """Fault 51: no flapping."""
    kim = ground.there("kim", title="Boss")
    ground.pulled(1)
    dn, _ = ground.admin.by_id(ground.here(kim)["id"])
    ground.admin.modify(dn, ("add", "title", ["Aaa", "Zzz"]))
    eventually(lambda: ground.here(kim))
    ground.apply(FINE, "hr")
    begin = ground.log_end()
    assert ground.plan("hr", FINE)["lines"] == [] and ground.log.stat().st_size == begin


def test_a_schema_that_has_become_another_one(ground, source):
    """Fault 23: what it refuses is a line with its reason, the others are made; once it is mended the rest follows."""
    kim, lee = ground.there("kim"), ground.there("lee")
    ground.pulled(2)
    schema = View(ground.slapd.uri, "cn=config", ground.slapd.passwords.root)  # gone with slapd's next start
    schema.modify("cn=schema,cn=config", ("add", "olcDitContentRules", "( 2.16.840.1.113730.3.2.2 NAME 'without' AUX kiopsUser NOT title )"))
    ground.change(kim, title="Boss")
    ground.change(lee, nickName="Lee")
    ground.there("max", title="Mate")
    for made in (1, 0):  # and again: no other outcome
        done = ground.apply(AGAINST, "hr")
        assert done["summary"]["applied"] == made and did(done, "conflict") == [("create_user", "max"), ("edit_user", "kim")]
        assert all("title" in line["reason"] and "schema" in line["reason"] for line in done["lines"] if line["state"] == "conflict")
    assert ground.here(lee)["nickName"] == "Lee" and "title" not in ground.here(kim) and active(ground, kim, lee)
    schema.close()
    ground.slapd.process.stop()
    ground.slapd.process.start()
    ground.admin = ground.view()
    ground.pulled(2)


def test_a_directory_that_forgot_where_the_feed_was(ground, source):
    """Fault 34: under a run, whose memory is read anew; it ends, or the next one does, where an undisturbed one would."""
    for i in range(20):
        ground.there(f"p{i}")
    process = subprocess.Popen(ground.argv("reconcile", "hr", "--apply", "--rate", "20"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: len(ground.admin.find(site.PEOPLE, "(uid=p*)")) >= 3, within=20)
    ground.proxy.forgets = 100
    ground.proxy.reset()
    out, _ = process.communicate(timeout=60)
    assert process.returncode in (FINE, ERROR, AGAINST), out
    if kind() == "slapd":  # one that is polled knows of no place
        eventually(lambda: ground.proxy.forgets <= 98)  # the bridge's feed, and the run's
    assert ground.proxy.forgets > 80, "they came back with the same cookie"
    ground.proxy.forgets = 0
    assert ground.apply(FINE, "hr")["summary"]["refused"] == 0
    assert ground.plan("hr", FINE)["lines"] == []
    assert len(ground.admin.find(site.PEOPLE, "(uid=p*)")) == 20 and active(ground, *source.users)


def test_a_member_that_names_nobody(ground, source):
    """Fault 21: reported by drift; a pull goes on beside it."""
    kim, lee = ground.there("kim"), ground.there("lee")
    crew = ground.group("Crew", kim)
    ground.pulled(4)
    dn, _ = ground.admin.by_id(ground.here(crew, "Groups")["id"])
    ground.admin.modify(dn, ("add", "member", site.user_dn("gone")))
    ground.change(crew, members=[{"value": lee}])
    ground.pulled(2)
    assert ground.seats(lee) == {"Crew": ("Member", [])} and ground.seats(kim) == {}


def test_a_directory_that_was_restored_from_a_copy(ground, source):
    """Fault 35: its count of runs is behind the one that was kept here."""
    ground.there("kim")
    ground.pulled(1)
    dn, entry = next(iter(ground.admin.find(site.JOBS, "(cn=hr)").items()))
    state = json.loads(entry["kiopsJobState"][0])
    ground.apply(FINE, "hr")
    ground.admin.modify(dn, ("replace", "kiopsJobState", json.dumps(state)))
    assert "--accept-rollback" in ground.run("reconcile", "hr", "--apply", expect=3).stderr
    ground.apply(FINE, "hr", "--accept-rollback")
