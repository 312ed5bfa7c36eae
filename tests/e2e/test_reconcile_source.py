"""Sources of a pull that were not read to the end, that shrink, or answer nonsense: nothing is concluded from a part."""

import pytest
from jobs import FINE, GUARD, INCOMPLETE
from pulls import Ground
from scim import KIOPS_USER
from world import read_auditlog


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("pull"))
    yield made
    made.close()


@pytest.fixture
def source(ground):
    ground.clear()
    return ground.source


INCOMPLETE_SOURCES = {
    "page_fails": {"path": "startIndex=3", "status": 500, "times": 9}, "cut": {"path": "startIndex=3", "cut": "before", "times": 9},
    "half": {"path": "startIndex=3", "half": True, "times": 9}, "unauthorized": {"path": "/Users", "status": 401},
    "no_json": {"path": "/Users", "body": b"<html>"}, "groups_fail": {"path": "/Groups", "status": 403},
}


@pytest.mark.parametrize("how", INCOMPLETE_SOURCES)
def test_nothing_is_concluded_from_a_part(ground, source, how):
    """Faults 14 to 17 and 29, of the source: exit 4, nothing written, nobody deactivated."""
    people = [ground.there(f"p{i}") for i in range(6)]
    ground.pulled(6)
    ground.change(people[0], title="New")
    source.can["page"] = 2
    source.next(method="GET", **INCOMPLETE_SOURCES[how])
    begin = ground.log_end()
    assert "KB-C105" in ground.run("reconcile", "hr", "--apply", expect=INCOMPLETE).stderr
    source.can["page"] = 1000
    written = {dn.partition(",")[0] for _, dn, _ in read_auditlog(ground.log.read_text()[begin:])}
    assert written <= {"cn=hr"} and all(ground.here(p)["active"] for p in people)


def test_a_source_that_refuses_names_it_does_not_know_gives_all(ground, source):
    people = [ground.there(f"p{i}") for i in range(3)]
    ground.group("Sailing", *people)
    source.next(method="GET", path="excludedAttributes", status=400, times=9)
    ground.apply(FINE, "hr")
    assert ground.plan("hr", FINE)["lines"] == []
    assert all(ground.seats(p) == {"Sailing": ("Member", [])} for p in people)


def test_only_a_bridge_is_asked_for_parts_of_members(ground, source):
    """Who takes a part for the whole would leave `members` out, and nobody would be in any group."""
    person = ground.there("p0")
    ground.group("Sailing", person)
    for ours in False, True:
        if ours:
            ground.change(person, **{KIOPS_USER: {"memberships": []}})
        source.log.clear()
        ground.apply(FINE, "hr")
        assert any("members.display" in s for s in source.sent("GET") if s.startswith("GET Groups?")) == ours


def test_a_total_that_does_not_fit_is_a_part(ground, source):
    """P1: absence is concluded from a complete list alone."""
    for i in range(4):
        ground.there(f"p{i}")
    ground.pulled(4)

    def forget_one(document, _):
        document["Resources"] = document["Resources"][:-1]

    source.bend = forget_one
    ground.run("reconcile", "hr", "--apply", expect=INCOMPLETE)


def test_a_source_that_is_empty_stops_the_run(ground, source):
    """Fault 30: a wrong filter, a wrong base; with old and new counts."""
    for i in range(4):
        ground.there(f"p{i}")
    ground.apply(FINE, "strict")
    source.users.clear()
    for words in ([], ["--apply"]):
        said = ground.run("reconcile", "strict", *words, expect=GUARD).stderr
        assert "guard source_shrink: there were 4, there are 0: 4 resources of the source are missing" in said
        assert "guard deactivate: 4 of 4, and 2 may be" in said
    assert all(u["active"] for u in ground.hr.get("/Users", filter="externalId pr").expect(200).json["Resources"])


def test_a_source_that_shrinks_slowly_spends_the_budget(ground, source):
    """Fault 31."""
    people = [ground.there(f"p{i}") for i in range(8)]
    ground.apply(FINE, "strict")
    for gone in people[:2], people[2:3]:
        for p in gone:
            del source.users[p]
        ground.apply(FINE, "strict")
    del source.users[people[3]]
    said = ground.run("reconcile", "strict", "--apply", expect=GUARD).stderr
    assert "guard budget_24h.deactivate: 4 of 0, and 3 may be" in said
    ground.run("reconcile", "strict", "--apply", "--release", "budget_24h.deactivate=4", "--reason", "they left")
