"""DESIGN 9: what the metrics must tell: requests, LDAP latency, queue, staleness, refusals by rule, vacant seats,
pending age, token expiry; DESIGN 7: a token's last use."""

import re
import time
import urllib.request

from faults import metric
from lab import eventually
from scim import USER


def lines(bridge, pattern):
    with urllib.request.urlopen(bridge.metrics_url + "/metrics", timeout=5) as answer:
        return re.findall(pattern, answer.read().decode(), re.MULTILINE)


def test_every_figure_of_the_design_is_there(lab):
    names = set(lines(lab.bridge, r"^# TYPE kiops_(\w+)"))
    assert names >= {"http_requests_total", "ldap_operations_total", "ldap_failures_total", "ldap_seconds_total",
                     "write_queue", "read_queue", "scan_queue", "feed_live", "feed_staleness_seconds", "refused_total", "vacant_seats",
                     "pending_requests", "pending_oldest_seconds", "token_expires_timestamp_seconds",
                     "token_used_timestamp_seconds"}


def test_ldap_operations_are_counted_with_their_time(lab):
    before = metric(lab.bridge, "kiops_ldap_operations_total"), metric(lab.bridge, "kiops_ldap_seconds_total")
    lab.user()
    added = lines(lab.bridge, r'^kiops_ldap_operations_total\{operation="add"\} (\d+)')
    assert int(added[0]) >= 1
    assert metric(lab.bridge, "kiops_ldap_operations_total") > before[0]
    assert metric(lab.bridge, "kiops_ldap_seconds_total") > before[1]


def test_a_refusal_of_a_token_that_may_only_read_is_counted(lab):
    reader = lab.client(lab.new_token("reader", "PlatformAdmin", "--access", "read"))
    eventually(lambda: reader.get("/Users", count=0).status == 200)
    before = sum(map(int, lines(lab.bridge, r'^kiops_refused_total\{rule="KB-R09"\} (\d+)')))
    assert reader.post("/Users", {"schemas": [USER], "userName": "never"}).expect(403).rule == "KB-R09"
    assert sum(map(int, lines(lab.bridge, r'^kiops_refused_total\{rule="KB-R09"\} (\d+)'))) == before + 1


def test_tokens_show_their_end_and_their_last_use(lab):
    name = f"ends-{lab.number()}"
    token = lab.bridge.cli("token", "create", name, "--role", "PlatformAdmin", "--expires", "2099-12-31").strip()
    expires = rf'^kiops_token_expires_timestamp_seconds\{{token="{name}"\}} (\d+)'
    used = rf'^kiops_token_used_timestamp_seconds\{{token="{name}"\}} (\d+)'
    assert eventually(lambda: lines(lab.bridge, expires)) == ["4102444799"]
    assert not lines(lab.bridge, used)
    lab.client(token).get("/Users", count=0).expect(200)
    assert abs(int(lines(lab.bridge, used)[0]) - time.time()) < 60


def test_requests_that_wait_show_their_number_and_age(lab):
    asker, group, view = lab.user(), lab.organization(), lab.view()
    dn, _ = view.by_id(asker["id"])
    before = metric(lab.bridge, "kiops_pending_requests")
    hour_ago = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 3600))
    view.modify(dn, ("add", "kiopsRequest", f"{group['id']}:{hour_ago}.0a1b2c3d"))
    eventually(lambda: metric(lab.bridge, "kiops_pending_requests") == before + 1)
    assert metric(lab.bridge, "kiops_pending_oldest_seconds") >= 3590
    view.modify(dn, ("delete", "kiopsRequest", None))
    eventually(lambda: metric(lab.bridge, "kiops_pending_requests") == before)
