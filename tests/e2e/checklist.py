"""Which lines of tests/conformance/checklist.md a test covers: the marker `line`, and this for tables of cases."""

import pytest


def lines(*cases):
    """Rows of (line, ...) as parameters: each is marked with its line, and its id begins with it. A row of several
    lines begins with a tuple."""
    return [row(case[0] if isinstance(case[0], tuple) else (case[0],), case[1:]) for case in cases]


def row(numbers, values):
    said = (value.__name__ if callable(value) else str(value) for value in values)
    name = f"{' '.join(map(str, numbers))}: {' '.join(said)[:70]}"
    return pytest.param(*values, id=name, marks=pytest.mark.line(*numbers))


def proves(door, rows, at):
    """Rows as parameters: each proves the cell of the rule that stands in it at `at`, at that door."""
    return [pytest.param(*one, marks=pytest.mark.cell(one[at], door)) for one in rows]
