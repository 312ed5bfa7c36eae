"""Plugin of `make conformance`: which line of checklist.md is shown to hold, and which cell of rule-doors.md. A test names
its lines with the marker `line`, its cells with `cell`; a line or cell without a test, or with one that fails, fails the
run. Excuses stand in README.md."""

import re
from pathlib import Path

import pytest
from rule_doors import Doors

HERE = Path(__file__).resolve().parent
LINE = re.compile(r"([AU]?\d+)\. (?:\(.*?\) )?(.*)")
DEMAND = re.compile(r"(^|[.;] )M ")
NAMED = re.compile(r"test_(lines?_\d|a\d+_)")
EXCUSE = re.compile(r"\| (A?\d+) \| ")
MOST_EXCUSES = 15
# The only lines that an RFC demands and that may be excused in part; each is settled at the head of checklist.md.
EXCUSED_DEMANDS = {"9", "59", "195"}
TITLE = 96
UNMARKED = "line in its name alone"


def numbered(path, pattern):
    return [found for text in path.read_text().splitlines() if (found := pattern.match(text))]


class Checklist:
    def __init__(self):
        known = {found[1]: found[2] for found in numbered(HERE / "checklist.md", LINE)}
        self.lessons = {number for number in known if number.startswith("U")}
        self.titles = {number: title for number, title in known.items() if number not in self.lessons}
        self.excused = [found[1] for found in numbered(HERE / "README.md", EXCUSE)]
        self.tests = {number: set() for number in self.titles}
        self.outcomes = {}
        self.unmarked = set()
        self.doors = Doors(self.outcomes)

    def complaints(self):
        yield from (f"rule-doors.md: {complaint}" for complaint in self.doors.complaints())
        yield from (f"{test}: its line is no part of its name, but of the marker `line`" for test in sorted(self.unmarked))
        for number in self.excused:
            demanded = DEMAND.search(self.titles.get(number, "M "))
            if (demanded and number not in EXCUSED_DEMANDS) or self.excused.count(number) > 1:
                yield f"README.md: {number} cannot be excused"
        if len(self.excused) > MOST_EXCUSES:
            yield f"README.md: {len(self.excused)} excuses, at most {MOST_EXCUSES}"

    def result(self, number):
        outcomes = {self.outcomes.get(test, "not run") for test in self.tests[number]}
        if not outcomes:
            return "no test"
        if outcomes != {"passed"}:
            return "FAILED"
        return "excused" if number in self.excused else "passed"

    def shown(self):
        return {number: self.result(number) for number in self.titles}

    def broken(self):
        lines = [number for number, result in self.shown().items() if result in ("no test", "FAILED")]
        return lines + self.doors.broken()


CHECKLIST = pytest.StashKey[Checklist]()


def pytest_configure(config):
    config.stash[CHECKLIST] = Checklist()


@pytest.hookimpl(tryfirst=True)  # before -m leaves tests out
def pytest_collection_modifyitems(config, items):
    """Writes a test's lines and cells on it, for its reports: with several workers those are all that the one who prints sees."""
    checklist = config.stash[CHECKLIST]
    for item in items:
        item.user_properties += [("cell", marker.args) for marker in item.iter_markers("cell")]
        numbers = [str(n) for marker in item.iter_markers("line") for n in marker.args]
        if NAMED.match(item.name) and not numbers:
            item.user_properties.append((UNMARKED, True))
        for number in numbers:
            if number not in checklist.tests and number not in checklist.lessons:
                raise pytest.UsageError(f"{item.nodeid}: checklist.md has no line {number}")
            item.user_properties.append(("line", number))


class Outcomes:
    """The worst of setup, call and teardown; a skip shows nothing."""

    def __init__(self, checklist):
        self.checklist = checklist

    def pytest_runtest_logreport(self, report):
        outcomes = self.checklist.outcomes
        before = outcomes.get(report.nodeid, "passed")
        outcomes[report.nodeid] = report.outcome if before == "passed" else before
        for name, value in report.user_properties:
            if name == "line" and value not in self.checklist.lessons:
                self.checklist.tests[value].add(report.nodeid)
            elif name == "cell":
                self.checklist.doors.proves(tuple(value), report.nodeid)
            elif name == UNMARKED:
                self.checklist.unmarked.add(report.nodeid)


def pytest_sessionstart(session):
    session.config.pluginmanager.register(Outcomes(session.config.stash[CHECKLIST]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return  # one of several workers: who started it has the whole
    checklist = session.config.stash[CHECKLIST]
    if session.exitstatus == pytest.ExitCode.OK and (checklist.broken() or [*checklist.complaints()]):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    checklist = config.stash[CHECKLIST]
    results = checklist.shown()
    terminalreporter.section("conformance")
    for number, result in results.items():
        count = len(checklist.tests[number])
        terminalreporter.write_line(f"{number:>4} {result:<8} {count:>3} tests  {checklist.titles[number][:TITLE]}")
    terminalreporter.section("rules and doors")
    for line in checklist.doors.lines():
        terminalreporter.write_line(line)
    for complaint in checklist.complaints():
        terminalreporter.write_line(complaint)
    kinds = ("passed", "excused", "FAILED", "no test")
    counts = ", ".join(f"{[*results.values()].count(kind)} {kind}" for kind in kinds)
    terminalreporter.write_line(f"conformance: {len(results)} lines: {counts}")
