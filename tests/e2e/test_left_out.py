"""The suite itself: every kind of directory is offered the same tests, and what is left out is left out by name."""

import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import left_out
import pytest
from kiopslab.directories import DEFAULT, KINDS


def offered(kind):
    """MODULE::TEST of each."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", str(Path(__file__).parent)]
    done = subprocess.run(argv, env=os.environ | {"KIOPS_DIRECTORY": kind}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    return {line.removeprefix("tests/e2e/") for line in done.stdout.splitlines() if "::" in line}


@pytest.fixture(scope="module")
def suite():
    return offered(DEFAULT)


@pytest.mark.parametrize("kind", [name for name in KINDS if name != DEFAULT])
def test_every_kind_of_directory_is_offered_the_same_tests(suite, kind):
    assert offered(kind) == suite


@pytest.mark.parametrize("kind", left_out.LEFT_OUT)
def test_no_line_leaves_out_what_is_no_more(suite, kind):
    for pattern in left_out.LEFT_OUT[kind]:
        assert any(fnmatchcase(test, pattern) for test in suite), pattern
