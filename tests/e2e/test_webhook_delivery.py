"""The webhook's receiver in trouble: away, slow, refusing, redirecting. It costs no SCIM request anything, and no
notice is lost while the bridge runs."""

import subprocess
import time

import pytest
from faults import log_since, metric, timed
from lab import Lab, eventually
from receiver import SECRET, Receiver, settings

WAITING = 1000  # NOTICES_MAX
STOP_S = 4.0    # a second for what waits, a second of libcurl's, and a sanitizer's end


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A bridge whose webhook is the receiver of the test that runs."""
    receiver = Receiver()
    made = Lab(tmp_path_factory.mktemp("lab"), bridge={"more": settings(receiver, tmp_path_factory.mktemp("secret"), 60)})
    made.push = made.client(made.new_token("asks", "PlatformAdmin", "--push-mode", "request"))
    made.group = made.organization()["id"]
    yield made, receiver
    receiver.close()
    made.close()


@pytest.fixture
def ground(shared):
    return shared[0]


@pytest.fixture
def receiver(shared):
    made, receiver = shared
    yield receiver
    receiver.answers, receiver.answer, receiver.page = [], (204, {}), b""
    receiver.gate.set()
    eventually(lambda: metric(made.bridge, "kiops_webhook_queue") == 0, within=15)


def ask(ground):
    """A new request; the id of who asks."""
    user = ground.user()["id"]
    ground.push.patch(f"/Groups/{ground.group}", ("add", "members", [{"value": user}])).expect(200)
    return user


def tries_of(receiver, user, count, within=10):
    eventually(lambda: len(receiver.of(user)) >= count, within=within)
    return receiver.of(user)


@pytest.mark.parametrize("trouble", [(500, {}), (503, {}), (408, {}), (302, {"Location": "/elsewhere"}),
                                     (308, {"Location": "/elsewhere"})], ids=str)
def test_what_was_not_taken_comes_again_the_same(ground, receiver, trouble):
    receiver.answers = [trouble]
    tries = tries_of(receiver, ask(ground), 2)
    assert tries[0].body == tries[1].body and tries[0].is_signed() and tries[1].is_signed()
    assert not receiver.fetched and {post.path for post in tries} == {tries[0].path}, "a redirect was followed"
    eventually(lambda: metric(ground.bridge, "kiops_webhook_queue") == 0)
    assert len(receiver.of(tries[0].notice["user"]["value"])) == 2


def test_what_a_receiver_says_beside_its_status_is_of_no_interest(ground, receiver):
    """Also where it is more than is read: the notice was taken, and does not come again."""
    receiver.answer, receiver.page = (200, {}), b"x" * 10_000_000
    sent = metric(ground.bridge, "kiops_webhook_sent_total")
    user = ask(ground)
    eventually(lambda: metric(ground.bridge, "kiops_webhook_sent_total") == sent + 1)
    assert len(receiver.of(user)) == 1 and metric(ground.bridge, "kiops_webhook_queue") == 0


def test_pauses_grow(ground, receiver):
    receiver.answers = [(500, {})] * 2
    started = time.monotonic()
    tries_of(receiver, ask(ground), 3)
    assert time.monotonic() - started >= 0.5 + 1.0  # of 1 s and 2 s the half that is certain


def test_retry_after_is_heeded(ground, receiver):
    receiver.answers = [(429, {"Retry-After": "2"})]
    user = ask(ground)
    tries_of(receiver, user, 1)
    started = time.monotonic()
    tries_of(receiver, user, 2)
    assert time.monotonic() - started >= 1.9


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_is_refused_is_given_up(ground, receiver, status):
    receiver.answers = [(status, {})]
    size, failed = len(ground.bridge.process.log_text()), metric(ground.bridge, "kiops_webhook_failed_total")
    user = ask(ground)
    eventually(lambda: metric(ground.bridge, "kiops_webhook_failed_total") == failed + 1)
    receiver.first(ask(ground))
    assert len(receiver.of(user)) == 1
    line = next(line for line in log_since(ground.bridge, size).splitlines() if "webhook_failed" in line)
    assert user in line and f"status {status}" in line


def test_one_that_is_not_taken_holds_up_no_other(ground, receiver):
    receiver.answers = [(500, {})]
    first, second = ask(ground), ask(ground)
    tries_of(receiver, first, 2)
    of = [post.notice["user"]["value"] for post in receiver.posts]
    assert of.index(second) < len(of) - 1 - of[::-1].index(first)


def test_a_receiver_that_was_away_is_told_when_it_is_back(ground, receiver):
    receiver.close()
    size, users = len(ground.bridge.process.log_text()), [ask(ground) for _ in range(3)]
    eventually(lambda: log_since(ground.bridge, size).count("webhook_retry") == 3)
    assert metric(ground.bridge, "kiops_webhook_queue") == 3
    receiver.open()
    for user in users:
        assert receiver.first(user).is_signed()


def test_a_slow_receiver_delays_no_change(ground, receiver):
    receiver.gate.clear()
    receiver.first(ask(ground))
    for _ in range(3):
        _, seconds = timed(lambda: ask(ground))
        assert seconds < 1.0
    assert metric(ground.bridge, "kiops_webhook_queue") == 4
    receiver.gate.set()


def test_more_than_can_wait_are_refused_and_counted(ground, receiver):
    receiver.gate.clear()
    before = receiver.first(ask(ground))
    users = [user["id"] for user in many_users(ground, WAITING + 5)]
    size = len(ground.bridge.process.log_text())
    answer = ground.push.patch(f"/Groups/{ground.group}", ("add", "members", [{"value": u} for u in users]))
    answer.expect(200)
    assert metric(ground.bridge, "kiops_webhook_queue") == WAITING
    assert metric(ground.bridge, "kiops_webhook_dropped_total") == 6
    assert log_since(ground.bridge, size).count("webhook_dropped") == 6
    receiver.gate.set()
    eventually(lambda: metric(ground.bridge, "kiops_webhook_queue") == 0, within=30)
    told = [post.notice["user"]["value"] for post in receiver.posts[receiver.posts.index(before) + 1:]]
    assert told == users[:WAITING - 1], "the oldest are kept, in order"


def many_users(ground, count):
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"many{n}"}} for n in range(count)]}
    made = []
    for start in range(0, count, 500):
        part = ground.scim.post("/Bulk", body | {"Operations": body["Operations"][start:start + 500]}).expect(200)
        made += [{"id": o["location"].rsplit("/", 1)[1]} for o in part["Operations"]]
    return made


# ---- a stop ----

def restart(lab, receiver):
    receiver.gate.set()
    lab.bridge.process.start()


def test_a_receiver_that_hangs_does_not_hold_up_a_stop(ground, receiver):
    receiver.gate.clear()
    receiver.first(ask(ground))
    ask(ground)
    size = len(ground.bridge.process.log_text())
    code, seconds = timed(ground.bridge.process.stop)
    restart(ground, receiver)
    assert code == 0 and seconds < STOP_S
    line = next(line for line in log_since(ground.bridge, size).splitlines() if "webhook_unsent" in line)
    assert "notices=2" in line


def test_what_was_just_asked_is_told_before_a_stop(ground, receiver):
    receiver.answers = [(500, {})]
    waits, user, boss = ask(ground), ask(ground), ground.user()["id"]
    group = ground.organization(managers=[boss])["id"]
    ground.scim.patch(f"/Users/{boss}", ("replace", "active", False)).expect(200)
    assert ground.bridge.process.stop() == 0
    told = {post.notice["user"]["value"]: post.notice["organization"]["value"] for post in receiver.posts}
    restart(ground, receiver)
    assert told[user] == ground.group and told[boss] == group and waits in told


def test_neither_the_secret_nor_the_url_is_in_the_log(ground, receiver):
    receiver.answers = [(500, {}), (404, {})]
    tries_of(receiver, ask(ground), 2)
    log = ground.bridge.process.log_text()
    assert "webhook_retry" in log and SECRET not in log and "in-the-path-a-secret" not in log


# ---- the secret ----

@pytest.mark.parametrize("secret, mode, reason", [
    (SECRET, 0o644, "chmod 0600"), ("short", 0o600, "openssl rand -hex 32"), ("", 0o600, "write the"), (None, 0o600, "create it")])
def test_a_bridge_without_a_good_secret_does_not_start(ground, tmp_path, secret, mode, reason):
    path, conf = tmp_path / "webhook.secret", ground.bridge.home / "other.conf"
    if secret is not None:
        path.write_text(secret)
        path.chmod(mode)
    old = next(line for line in ground.bridge.configuration.splitlines() if line.startswith("webhook"))
    text = ground.bridge.configuration.replace(old, f'webhook = {{ url = "http://127.0.0.1:1/"; secret_file = "{path}"; }};')
    (ground.bridge.home / "other").mkdir(exist_ok=True, mode=0o700)
    conf.write_text(text.replace('dir = "audit"', 'dir = "other"'))
    done = subprocess.run([*ground.bridge.process.argv[:-3], "-c", str(conf), "serve"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1 and str(path) in done.stderr and reason in done.stderr, done.stderr
