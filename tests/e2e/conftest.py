"""Fixtures. The bridge under test is KIOPS_BIN, by default the sanitized build."""

import os
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))
sys.dont_write_bytecode = True

import ground  # noqa: E402
import left_out  # noqa: E402
import pytest  # noqa: E402
import tally  # noqa: E402
from kiopslab.bridge import REPOSITORY  # noqa: E402
from kiopslab.directories import KINDS, kind  # noqa: E402
from lab import Lab  # noqa: E402

RACES = []
RESULTS = REPOSITORY / "build/directories"


def pytest_configure(config):
    config.addinivalue_line("markers", "cell(rule, door): the cell of tests/conformance/rule-doors.md that it proves")
    config.addinivalue_line("markers", "finding(code, ...): what `check` names; the test sees it, does what is printed, and sees it gone")
    config.addinivalue_line("markers", "line(number, ...): the lines of tests/conformance/checklist.md that it covers")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed
    if call.when == "teardown":  # a report is all that comes back from one of several workers
        report.user_properties.extend(("race", line) for line in tally.taken())


def pytest_runtest_logreport(report):
    if report.when == "teardown":
        RACES.extend(line for name, line in report.user_properties if name == "race")


def pytest_collection_modifyitems(items):
    for item in items:
        why = left_out.reason(kind(), f"{item.path.name}::{item.nodeid.partition('::')[2]}")
        if why:
            item.add_marker(pytest.mark.skip(reason=f"left out on {kind()}: {why}"))


def pytest_terminal_summary(terminalreporter):
    """The races; and one line a directory, of its last run of the whole suite (`make directories`)."""
    for line in tally.table(RACES):
        terminalreporter.write_line(line)
    if "KIOPS_DIRECTORY" not in os.environ:
        return
    counts = {what: len(terminalreporter.stats.get(what, ())) for what in ("passed", "failed", "error", "skipped")}
    if not any(counts.values()):
        return
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / kind()).write_text("{passed:>8} {failed:>8} {error:>8} {skipped:>9}".format(**counts))
    for why, number in sorted(reasons.items()):
        terminalreporter.write_line(f"{number:>5} {why.removeprefix('Skipped: ')}")
    terminalreporter.write_line(f"{'directory':<12}   passed   failed   errors  left out")
    for name in KINDS:
        if (RESULTS / name).exists():
            terminalreporter.write_line(f"{name:<12} {(RESULTS / name).read_text()}")


@pytest.fixture(autouse=True)
def findings_are_mended(request):
    """Holds each test to its marker `finding` (test_check_table.py wants one for every code)."""
    ground.SEEN.clear()
    yield
    codes = [code for marker in request.node.iter_markers("finding") for code in marker.args]
    if not getattr(request.node, "failed", False):
        assert not [code for code in codes if not ground.mended(code)], ground.SEEN


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The directory and the bridge that most tests share: leave it running and healthy."""
    shared = Lab(tmp_path_factory.mktemp("lab"))
    yield shared
    shared.close()


@pytest.fixture
def new_lab(tmp_path_factory):
    """A function that makes a Lab for this test alone (faults, several bridges, other settings)."""
    made = []

    def make(**settings):
        made.append(Lab(tmp_path_factory.mktemp("lab"), **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def view(lab):
    """The shared directory as its administrator sees it."""
    return lab.view()


@pytest.fixture
def scim(lab):
    """A client of the shared bridge with a PlatformAdmin's token."""
    return lab.scim
