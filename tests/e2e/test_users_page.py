"""tests/conformance/users-page.md: every statement of the page names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROWS = [line.strip("| ").split(" | ") for line in (TESTS / "conformance/users-page.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| statement")]


def exists(name):
    file, function = name.split(":")
    python, c = TESTS / f"e2e/{file}.py", TESTS / f"unit/{file}.c"
    if python.exists():
        return re.search(rf"^def {function}\(", python.read_text(), re.M)
    return re.search(rf"cmocka_unit_test\w*\({function}\b", c.read_text()) is not None


@pytest.mark.parametrize("statement, tests", ROWS, ids=lambda text: text[:40])
def test_a_statement_is_tested(statement, tests):
    assert len(ROWS) > 30
    assert [name for name in tests.split(", ") if not exists(name)] == []
