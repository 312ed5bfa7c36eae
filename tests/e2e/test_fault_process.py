"""The bridge's own ground gives way (faults.md): a full disk under the audit, a broken configuration, a leaked token."""

import hashlib
import re
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from faults import audit_records, unavailable
from kiopslab import site
from lab import eventually


def ready(bridge):
    try:
        return urllib.request.urlopen(bridge.metrics_url + "/readyz", timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code


@contextmanager
def small_disk(folder, kilobytes):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"missing privilege: mount a tmpfs ({mounted.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass


@pytest.mark.parametrize("durable", [True, False])
def test_49_no_record_no_change(new_lab, durable):
    lab = new_lab(durable=durable)
    user = lab.user()
    lab.bridge.process.stop()
    with small_disk(lab.bridge.home / "audit", 256) as disk:
        lab.bridge.process.start()
        before = lab.view().find(site.BASE)
        fill(disk / "ballast")
        # The last page of the file may still take records; then none.
        eventually(lambda: lab.scim.patch(f"/Users/{user['id']}", ("replace", "title", "last page")).status == 503)
        before = lab.view().find(site.BASE)
        unavailable(lambda: lab.scim.patch(f"/Users/{user['id']}", ("replace", "title", "unrecorded")))
        unavailable(lambda: lab.scim.delete(f"/Users/{user['id']}"))
        unavailable(lambda: lab.scim.post("/Groups", {"schemas": [], "displayName": "Unrecorded"}))
        unavailable(lambda: lab.scim.post("/Users", {"schemas": [], "userName": "unrecorded"}))
        assert lab.view().find(site.BASE) == before
        assert ready(lab.bridge) == 503 and lab.scim.get(f"/Users/{user['id']}").status == 200
        (disk / "ballast").unlink()
        eventually(lambda: ready(lab.bridge) == 200)
        lab.scim.patch(f"/Users/{user['id']}", ("replace", "title", "recorded")).expect(200)
        assert "the chain holds" in lab.bridge.cli("audit", "verify")
        assert any(r.get("after", {}).get("title") == "recorded" for r in audit_records(lab.bridge))
        lab.bridge.process.stop()
    lab.bridge.process.start()


# ---- fault 41

@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """A directory and a configuration that works; the bridge stands still."""
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"))
    made.bridge.process.stop()
    yield made
    made.bridge.process.start()
    made.close()


@pytest.mark.parametrize("old, new, key", [
    ("audit =", "audit ==", ""),
    ("metrics_listen", "metric_listen", "metric_listen"),
    ("requests_per_s = 0", 'requests_per_s = "many"', "requests_per_s"),
    ("requests_per_s = 0", "requests_per_s = -1", "requests_per_s"),
    ('start_tls = "off"', 'start_tls = "maybe"', "start_tls"),
    ("ldap://127", "http://127", "uris"),
    ('listen = [ "127.0.0.1:', 'listen = [ "nowhere at all:', "listen"),
    pytest.param('public_url = "', 'public_url = "http://id.example.org/?tenant=1";#', "public_url", marks=pytest.mark.line(224)),
    pytest.param('public_url = "', 'public_url = "http://id.example.org/#top";#', "public_url", marks=pytest.mark.line(224)),
    (f'"{site.PEOPLE}"; create_in', '"not a dn"; create_in', "base"),
    ("console = { enabled = false; };", "unheard = { of = 1; }; console = { enabled = false; };", "unheard"),
])
def test_41_a_broken_configuration_is_refused_by_line_and_key(idle, old, new, key):
    broken, complaint = serve_with(idle, (old, new))
    number = 1 + idle.bridge.conf.read_text().split(old)[0].count("\n")
    first = complaint.splitlines()[0]
    said = re.match(rf"(?:kiops-bridge: )?{re.escape(str(broken))}:(\d+): (.*)", first)
    assert said, complaint
    assert int(said[1]) in (number, number + 1) and key in said[2], first


def serve_with(lab, *changes):
    """`serve` refuses to start: the file it was given and what it said."""
    text, broken = lab.bridge.conf.read_text(), lab.bridge.home / "broken.conf"
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    broken.touch(mode=0o600)
    broken.write_text(text)
    done = subprocess.run([*lab.bridge.process.argv[:-3], "-c", str(broken), "serve"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1 and not done.stdout and lab.slapd.passwords.bridge not in done.stderr
    return broken, done.stderr


def test_41_every_mistake_is_named_at_once(idle):
    _, complaint = serve_with(idle, ('"off"', '"maybe"'), ("requests_per_s = 0", "requests_per_s = -1"))
    assert "start_tls" in complaint and "requests_per_s" in complaint


@pytest.mark.parametrize("old, new", [("scim-schema", "no-such-folder"), ('"ldap.password"', '"absent"')])
def test_41_a_file_that_is_not_there_is_named(idle, old, new):
    assert new.strip('"') in serve_with(idle, (old, new))[1]


# ---- fault 43

def test_43_a_revoked_token_ends_within_a_second(lab):
    first, second = lab.new_token("rotate-old"), lab.new_token("rotate-new")
    old, new = lab.client(first), lab.client(second)
    for client in (old, new):
        eventually(lambda client=client: client.get("/Users", count=1).status == 200, within=1.0)
    user = lab.user()
    old.patch(f"/Users/{user['id']}", ("replace", "title", "by the old one")).expect(200)
    lab.bridge.cli("token", "revoke", "rotate-old")
    revoked = time.monotonic()
    eventually(lambda: old.get("/Users", count=1).status == 401, within=1.0)
    assert time.monotonic() - revoked < 1.0
    old.patch(f"/Users/{user['id']}", ("replace", "title", "too late")).expect(401)
    assert new.get("/Users", count=1).expect(200) and lab.scim.get(f"/Users/{user['id']}")["title"] == "by the old one"


def test_43_a_token_is_kept_as_a_hash_and_named_by_its_id(lab, view):
    secret = lab.new_token("hashed")
    entry = view.get(f"cn=hashed,{site.TOKENS}")
    assert entry["kiopsTokenHash"] == [hashlib.sha256(secret.encode()).hexdigest()]
    client = lab.client(secret)
    eventually(lambda: client.get("/Users", count=1).status == 200)
    user = client.post("/Users", {"schemas": [], "userName": f"fresh{lab.number()}"}).expect(201).json
    made = [r for r in audit_records(lab.bridge) if r.get("actor", {}).get("id") == "hashed"]
    assert made and made[-1]["change"] == "create_user" and user["id"]
    everything = "".join(path.read_text(errors="replace") for path in lab.bridge.home.rglob("*") if path.is_file())
    assert secret not in everything and secret not in str(view.find(site.BASE))
