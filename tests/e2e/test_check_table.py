"""Every code that `check` can print has a test that sees it, does what is printed and sees it gone: the marker `finding`, to
which conftest.py holds the test. What is printed for 389-ds in words of its own has one on that server too."""

import re

from kiopslab.bridge import REPOSITORY

CODE = re.compile(r'"([a-z0-9-]+)"')
MARK = re.compile(r"mark\.finding\(([^)]*)\)")
README = REPOSITORY / "README.md"
SOURCES = sorted((REPOSITORY / "src/directory").glob("inspect*.c"))
TESTS = sorted((REPOSITORY / "tests/e2e").glob("test_check*.py"))
SHARED_WITH_389 = {"no-schema", "no-entry", "access-rules", "wrong-preset", "bridge-is-rootdn"}


def arguments(text):
    """Of the call whose parenthesis has just been opened."""
    depth, quoted, found = 0, False, [""]
    for at, c in enumerate(text):
        if c == '"' and text[at - 1] != "\\":
            quoted = not quoted
        depth += 0 if quoted else (c in "([{") - (c in ")]}")
        if depth < 0:
            return found
        if c == "," and depth == 0 and not quoted:
            found.append("")
        else:
            found[-1] += c
    raise AssertionError("a call without an end")


def codes(sources):
    """The third argument of each inspect_find(); one of two where it decides there."""
    calls = [arguments(rest) for path in sources for rest in path.read_text().split("inspect_find(")[1:]]
    named = [CODE.findall(call[2]) for call in calls if not call[0].startswith("struct inspection")]
    assert all(named), "a code that is no text in its call"
    return {code for some in named for code in some}


def marked(tests):
    return {code for path in tests for mark in MARK.findall(path.read_text()) for code in CODE.findall(mark)}


def is_of_389(path):
    return "389" in path.name


def test_no_finding_of_slapd_is_without_its_test():
    known = codes(path for path in SOURCES if not is_of_389(path))
    shown = marked(path for path in TESTS if not is_of_389(path))
    assert len(known) >= 28 and known == shown, (sorted(known - shown), sorted(shown - known))


def test_the_readme_names_every_finding():
    rows = README.read_text().partition("| | named as |")[2].partition("\n\n")[0]
    named = re.findall(r"`([a-z0-9-]+)`", "".join(row.split("|")[2] for row in rows.splitlines()[2:]))
    assert sorted(named) == sorted(codes(SOURCES)), sorted(set(named) ^ codes(SOURCES))


def test_no_finding_of_389_is_without_its_test():
    known = codes(path for path in SOURCES if is_of_389(path)) | SHARED_WITH_389
    shown = marked(path for path in TESTS if is_of_389(path))
    assert known == shown, (sorted(known - shown), sorted(shown - known))
