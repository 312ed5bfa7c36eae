"""`check` where it meets a directory first: nothing prepared, nothing visible, other servers, things that end soon, and what
a run leaves behind when it is ended."""

import datetime
import json
import re
import shlex
import signal
import subprocess
import time
from contextlib import closing

import pytest
from faultproxy import FaultProxy
from faults import configure
from ground import CONFIG_DATABASE, DATABASE, Ground
from kiopslab import entries, foreign, site


@pytest.fixture
def make(new_lab):
    return lambda **settings: Ground(new_lab, **settings)


BARE = {"template": foreign.CONFIGURATION, "tells": False, "content": lambda passwords: foreign.content(passwords, 40)}


# ---- a directory that nobody prepared

@pytest.mark.finding("config-hidden", "no-schema", "no-entry", "no-capability", "no-unique", "no-index", "index-on-member", "size-limit",
                     "access-rules", "no-content-acl")
def test_nothing_is_prepared_and_the_printed_text_prepares_it(make):
    ground = make(**BARE)
    seen = []
    for _ in range(6):  # the right to look at cn=config first, the schema, then what needs it
        status, found = ground.check()
        seen.append({f["code"] for f in found})
        if status == 0:
            break
        for f in found:
            if f["apply"]["as"] in ("config", "entries"):
                ground.apply(f["apply"])
    assert status == 0 and seen[0] >= {"config-hidden", "no-schema", "no-entry", "no-capability"}, (seen, found)
    assert {"no-unique", "no-index", "index-on-member", "size-limit", "access-rules", "no-content-acl"} <= set.union(*seen), seen
    assert ground.run("check").returncode == 0 and not ground.leftovers()


@pytest.mark.finding("no-schema")
def test_a_part_of_the_schema_is_there(make):
    ground = make(**BARE)
    ground.apply(next(f for f in ground.check()[1] if f["code"] == "config-hidden")["apply"])
    text = ground.run("schema", "ldif").stdout
    kept = "\n".join(line for line in text.splitlines() if "kiopsJob" not in line and "kiopsLease" not in line)
    ground.apply({"as": "config", "text": kept.replace("\nobjectClass:", "\nchangetype: add\nobjectClass:", 1) + "\n\n"})
    found = next(f for f in ground.check()[1] if f["code"] == "no-schema")
    assert "4 definitions" in found["text"] and "changetype: modify" in found["apply"]["text"]
    ground.apply(found["apply"])
    assert "no-schema" not in [f["code"] for f in ground.check()[1]]


def test_ldif_alone_goes_straight_into_ldapmodify(make):
    ground = make()
    ground.config.modify(DATABASE, ("delete", "olcDbIndex", "uid eq"), ("delete", "olcLimits", None))
    ground.view.delete(site.JOBS)
    for words, who in ((("check", "--ldif"), "cn=config"), (("check", "--ldif=entries"), site.ROOT)):
        text = ground.run(*words)
        assert text.returncode == 2 and text.stdout.startswith("# "), text
        ground.apply({"as": "config" if who == "cn=config" else "entries", "text": text.stdout})
    assert ground.check()[0] == 0 and not ground.run("check", "--ldif").stdout


# ---- slapd.conf, and a cn=config that nobody may read: what is told is what happened

class Plain(Ground):
    """slapd.conf; cn=config is for its administrator alone."""

    def restart(self, edit):
        self.slapd.process.stop()
        self.slapd.configuration = edit(self.slapd.configuration)
        self.slapd.write("slapd.conf", self.slapd.configuration)
        self.slapd.process.start()

    def apply_conf(self, text):
        where = 'rootdn "cn=admin,dc=example,dc=org"\n'
        assert where in self.slapd.configuration
        self.restart(lambda conf: conf.replace(where, where + text, 1))


@pytest.mark.parametrize("code, edit", [
    ("no-unique", lambda c: c[:c.index("overlay unique")].replace("moduleload unique\n", "")),
    ("no-unique", lambda c: c[:c.index("overlay unique")]),
    ("no-capability", lambda c: c.replace("overlay syncprov\nsyncprov-checkpoint 1000 5\nsyncprov-sessionlog 10000\n", "")
                                 .replace("moduleload syncprov\n", "")),
    ("size-limit", lambda c: c.replace("size=unlimited size.prtotal=unlimited", "size=3")),
    ("access-rules", lambda c: re.sub("\ninclude [^\n]*/acl.conf", "", c)),
    ("refint-nothing", lambda c: c.replace("moduleload unique", "moduleload unique\nmoduleload refint")
                                  + "overlay refint\nrefint_attributes member owner\nrefint_nothing cn=nothing\n"),
])
def test_what_happens_tells_what_cannot_be_read(new_lab, code, edit):
    ground = Plain(new_lab, live=False)
    shown = f'access to * by dn.exact="{site.BRIDGE}" read by * none\n\ndatabase mdb'
    ground.restart(lambda c: edit(c.replace(shown, "access to * by * none\n\ndatabase mdb")))
    _, found = ground.check()
    assert sorted(f["code"] for f in found) == sorted(["config-hidden", code]), found
    told = next(f for f in found if f["code"] == code)["apply"]
    assert told["as"] == "slapd.conf" and told["text"].endswith("\n")
    if code == "refint-nothing":
        ground.restart(lambda c: c.replace("refint_nothing cn=nothing\n", ""))
    else:
        ground.apply_conf(told["text"])
    assert [f["code"] for f in ground.check()[1]] == ["config-hidden"]


# ---- other servers

@pytest.mark.finding("first-is-consumer")
def test_a_consumer_names_its_provider(make):
    ground = make()
    ground.config.modify(DATABASE, ("add", "olcSyncrepl", f'rid=1 provider=ldap://127.0.0.1:1 searchbase="{site.BASE}" '
                                    f'bindmethod=simple binddn="{site.ROOT}" credentials=hushhush retry="60 +" type=refreshOnly interval=01:00:00:00'),
                         ("add", "olcUpdateRef", "ldap://provider.example.org"))
    done = ground.run("check", "--json")
    found = {f["code"]: f for f in json.loads(done.stdout)}
    assert "ldap://provider.example.org" in found["first-is-consumer"]["text"] and done.returncode == 2
    assert "hushhush" not in done.stdout + ground.run("check", "--report").stdout
    kept = ground.values(CONFIG_DATABASE, "olcAccess")
    ground.config.modify(CONFIG_DATABASE, ("replace", "olcAccess", "{0}to * by * none"))
    hidden = {f["code"]: f["text"] for f in ground.check()[1]}
    assert "ldap://provider.example.org" in hidden.get("first-is-consumer", ""), hidden
    ground.config.modify(CONFIG_DATABASE, ("replace", "olcAccess", kept))
    ground.config.modify(DATABASE, ("delete", "olcSyncrepl", None), ("delete", "olcUpdateRef", None))
    assert ground.check()[0] == 0


# ---- what ends soon

@pytest.mark.finding("token-ends")
def test_tokens_that_end_soon_and_their_successors(make):
    ground = make()
    ends = (datetime.date.today() + datetime.timedelta(days=10)).isoformat()
    ground.run("token", "create", "old", "--client", "c", "--role", "Member", "--organization",
               next(iter(ground.view.find(site.ORGANIZATIONS, "(cn=Project A)").values()))["entryUUID"][0],
               "--option", "max_removals=3", "--expires", ends)
    far = (datetime.date.today() + datetime.timedelta(days=60)).isoformat()
    ground.run("token", "create", "far", "--role", "PlatformAdmin", "--expires", far)
    _, found = ground.check()
    assert [f["code"] for f in found] == ["token-ends"] and found[0]["severity"] == "advice", found
    old = json.loads(ground.run("token", "list", "--json").stdout)
    for line in found[0]["apply"]["text"].splitlines():  # as a shell would, with our binary
        words = shlex.split(line)
        assert words[0] == "kiops-bridge" and ground.run(*words[1:]).returncode == 0, line
    assert ground.check()[0] == 0
    new = {t["name"]: t for t in json.loads(ground.run("token", "list", "--json").stdout)}
    assert sorted(new) == ["far", "old-new"]
    before = next(t for t in old if t["name"] == "old")
    assert {**before, "name": 0, "expires": 0} == {**new["old-new"], "name": 0, "expires": 0}


@pytest.mark.finding("token-ends")
@pytest.mark.parametrize("days, severity, when", [(29, "advice", "ends in 29 days"), (6, "missing", "ends in 6 days"),
                                                  (0, "missing", "ends within a day")], ids=[30, 7, 1])
def test_the_nearer_a_tokens_end_the_louder(make, days, severity, when):
    ground = make()
    ends = datetime.datetime.utcnow() + datetime.timedelta(days=days, minutes=5)
    ground.run("token", "create", "old", "--role", "PlatformAdmin", "--expires", ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _, found = ground.check()
    assert [(f["code"], f["severity"]) for f in found] == [("token-ends", severity)] and when in found[0]["text"], found
    for line in found[0]["apply"]["text"].splitlines():
        assert ground.run(*shlex.split(line)[1:]).returncode == 0, line
    assert ground.check()[0] == 0


# ---- ended in the middle

def start(ground):
    return subprocess.Popen([*ground.bridge.process.argv[:-1], "check"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # in the background a shell has it ignored


def wait_for_entry(ground, process):
    deadline = time.monotonic() + 20
    while not ground.leftovers():
        assert time.monotonic() < deadline and process.poll() is None, "the throw-away person never came"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_key_pressed_leaves_nothing(make, number):
    ground = make()
    with closing(FaultProxy(ground.slapd.place)) as proxy:
        proxy.latency = 0.06  # else it may come to its end before the key
        configure(ground.bridge, ground.slapd.uri, proxy.uri)
        process = start(ground)
        wait_for_entry(ground, process)
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == -number and not ground.leftovers()


def test_what_a_killed_run_leaves_the_next_one_clears_after_a_minute(make):
    ground = make()
    process = start(ground)
    wait_for_entry(ground, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    (left, values), *_ = ground.leftovers().items()
    # A younger one may belong to a run that is at work.
    assert ground.check()[0] == 0 and list(ground.leftovers()) and left in ground.leftovers()
    assert set(ground.view.find(site.BASE, "(uid=ada)")), "nobody else is touched"
    for dn in ground.leftovers():
        ground.view.delete(dn)
    name = values["uid"][0]

    def of_old(uid):
        return entries.entry(f"uid={uid},{site.PEOPLE}", [("objectClass", "inetOrgPerson"), ("uid", uid), ("cn", "kiops-proof-reader"),
                                                          ("sn", "x"), ("createTimestamp", "20260101000000Z")])

    lookalikes = ["kiops-proofreader", "kiops-proof-0123456789abcde", "kiops-proof-0123456789abcdef0", "Kiops-proof-0123456789abcdef"]
    ground.slapd.process.stop()
    subprocess.run(["/usr/sbin/slapadd", "-q", "-F", str(ground.slapd.home / "slapd.d"), "-n", "1"],
                   input="".join(map(of_old, [name, f"{name}b", *lookalikes])), text=True, check=True)
    ground.slapd.process.start()
    ground.view = ground.lab.view()
    assert ground.check()[0] == 0
    assert sorted(ground.leftovers()) == sorted(f"uid={uid},{site.PEOPLE}" for uid in lookalikes)
