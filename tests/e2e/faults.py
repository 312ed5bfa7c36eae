"""What the tests of faults share: settings that make waiting short, the answer to trouble, and words of the log."""

import json
import signal
import time
import urllib.request

from lab import eventually
from scim import JSON

TIMEOUT_S = 1.0
SHORT = "connect_timeout_ms = 1000; operation_timeout_ms = 1000;"
# A request makes a few calls; the first that fails ends it, an interrupted write is read once more.
DEADLINE_S = 3 * TIMEOUT_S


def timed(call):
    """The answer and how long it took."""
    started = time.monotonic()
    return call(), time.monotonic() - started


def unavailable(call, within=DEADLINE_S):
    """Runs the call; it must be refused as trouble of the directory: in time, to be repeated, and in our own words."""
    answer, seconds = timed(call)
    answer.expect(503)
    assert seconds < within, f"{seconds:.2f} s"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == JSON and answer["status"] == "503"
    assert "dc=" not in answer["detail"] and "ldap" not in answer["detail"].lower(), answer["detail"]
    return answer


def kill(process):
    process.stop(signal.SIGKILL)


def live(lab, within=10.0):
    """The bridge's feed runs again: a direct change of the directory is seen."""
    mark = f"live{lab.number()}"
    view, user = lab.view(), lab.user()
    dn, _ = view.by_id(user["id"])
    view.modify(dn, ("replace", "displayName", mark))
    eventually(lambda: lab.scim.get(f"/Users/{user['id']}").json.get("displayName") == mark, within=within)


def log_since(bridge, size):
    return bridge.process.log_text()[size:]


def metric(bridge, name):
    """The sum of a metric over its labels."""
    with urllib.request.urlopen(bridge.metrics_url + "/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    found = [float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name]
    assert found, f"no metric {name}: {sorted({line.split('{')[0].split(' ')[0] for line in lines})}"
    return sum(found)


def configure(bridge, old, new):
    """Changes the bridge's configuration; it takes effect at its next start."""
    text = bridge.conf.read_text()
    assert old in text
    bridge.conf.write_text(text.replace(old, new, 1))


def audit_records(bridge, kind="serve"):
    """The audit's records in order, rotated files first."""
    files = sorted(bridge.home.glob(f"audit/audit-{kind}*.jsonl"), key=lambda p: p.stat().st_mtime)
    return [json.loads(line) for path in files for line in path.read_text().split("\n") if line]
