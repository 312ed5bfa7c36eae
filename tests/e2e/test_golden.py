"""Every row of DESIGN 3.3 as the changes it sends, read from slapd's auditlog, equal to tests/data/golden. There `absent`
is `add V; delete V` and `there` is `delete V; add V` in one modify; ids are <name>, R1, R2 are random parts. A file that
should change is written anew with KIOPS_WRITE_GOLDEN=1 and read by eye beside the row, before it is committed."""

import os
from pathlib import Path

import pytest
from rows import CASES
from world import World, answer_of, auditlog

GOLDEN = Path(__file__).resolve().parents[1] / "data/golden"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    folder = tmp_path_factory.mktemp("log")
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True, slapd=auditlog(folder))
    made.auditlog = folder / "auditlog.ldif"
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_golden(ground, case):
    w = World(ground, ground.auditlog)
    case.prepare(w)
    w.settle()
    if case.race:
        passing, meanwhile = case.race
        trap = ground.proxy.before_request("modify", passing=passing, action=lambda: meanwhile(w))
    answer = case.run(w)
    assert not case.race or trap.sprung.is_set()
    text = f"# {case.row}\n{w.sent()}answer {answer_of(answer)}\n"
    w.forget()
    path = GOLDEN / f"{case.name}.txt"
    if os.environ.get("KIOPS_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {case.name for case in CASES}
