"""tests/conformance/rule-doors.md: no cell is empty, every test that it names is there and bears the cell's marker, and the
other way round. Which of them passed, the conformance run shows."""

import importlib
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))

from rule_doors import Doors, Table  # noqa: E402


def cells_of(function):
    """Of the function itself and of its rows."""
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "cell":
            yield mark.args
        rows = mark.args[1] if mark.name == "parametrize" else ()
        yield from (m.args for row in rows for m in getattr(row, "marks", ()) if m.name == "cell")


@pytest.fixture(scope="module")
def marked():
    found = {}
    for path in HERE.glob("test_*.py"):
        if not re.search(r"mark\.cell|proves\(|doors", path.read_text()) or path.stem == Path(__file__).stem:
            continue
        for name, function in vars(importlib.import_module(path.stem)).items():
            if name.startswith("test_") and function.__module__ == path.stem:
                for cell in cells_of(function):
                    found.setdefault(cell, set()).add(f"{path.stem}:{name}")
    return found


def test_the_table_and_the_tests_say_the_same(marked):
    assert [*Table().complaints(marked)] == []


def test_the_table_is_whole():
    table = Table()
    assert len(table.cells) == len(table.rules) * len(table.doors) > 23 * 23
    assert all(reason for reason in table.reasons.values())


@pytest.mark.parametrize("harm, complaint", [
    (lambda t, m: t.cells.__setitem__(("KB-R07", "bulk"), []), "KB-R07 bulk is empty"),
    (lambda t, m: m.pop(("KB-R07", "bulk")), "KB-R07 bulk: the table names"),
    (lambda t, m: m.__setitem__(("KB-R07", "window"), {"x:y"}), "KB-R07 window: no such cell"),
    (lambda t, m: t.tests.__setitem__("Z9", "test_doors:test_nothing"), "Z9 stands in"),
    (lambda t, m: t.rules.pop(), "rows are"),
])
def test_what_is_missing_is_told(marked, harm, complaint):
    table, said = Table(), {cell: set(names) for cell, names in marked.items()}
    harm(table, said)
    assert any(one.startswith(complaint) for one in table.complaints(said))


def test_a_cell_is_shown_as_its_tests_ended():
    outcomes = {"a": "passed", "b": "passed", "c": "failed"}
    doors = Doors(outcomes)
    doors.items = {("KB-R07", "bulk"): {"a", "b"}, ("KB-R08", "bulk"): {"a", "c"}, ("KB-R09", "bulk"): {"a", "never ran"}}
    assert [doors.result((f"KB-R{n:02}", "bulk")) for n in (7, 8, 9, 10)] == ["passed", "FAILED", "FAILED", "no test"]
    assert doors.result(("KB-R14", "delete")) == "cannot occur"
