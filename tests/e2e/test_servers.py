"""The list of directory servers: reads go on at the next one, writes wait for the first (DESIGN 2.1; faults.md 10, 12,
13, 32, 35). The second server is a replica of the first."""

import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from faults import SHORT, configure, kill, live, log_since, metric, unavailable
from kiopslab import site
from kiopslab.directories import kind
from kiopslab.slapd import Slapd
from lab import Lab, eventually, free_port
from view import View

NOBODY = 'userName eq "nobody at all"'
# A replica is judged by what a provider that tells keeps of its age; the bridge need not listen to it.
POLLED = "" if kind() == "slapd" else 'feed = "poll"; poll_interval_s = 1;'


class Decoy:
    """Where a referral points: nobody may come."""

    def __init__(self):
        self.listener, self.visits = socket.create_server(("127.0.0.1", 0)), []
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, address = self.listener.accept()
            except OSError:
                return
            self.visits.append(address)
            client.close()


@pytest.fixture(scope="module")
def decoy():
    made = Decoy()
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
    made.listener.close()


class Pair:
    """A Lab whose directory has a replica; the bridge is told of both."""

    def __init__(self, folder, decoy, **bridge):
        self.lab = Lab(folder, slapd={"modules": "serverID 1", "tells": True}, bridge={"directory": SHORT + POLLED + bridge.get("directory", "")})
        first = self.lab.slapd
        consumer = (f'syncrepl rid=001 provider={first.uri} type=refreshAndPersist retry="1 +" searchbase="{site.BASE}" '
                    f'bindmethod=simple binddn="{site.ROOT}" credentials={first.passwords.root}\n'
                    f'updateref ldap://127.0.0.1:{decoy.port}/')
        self.second = Slapd(folder / "second", free_port(), passwords=first.passwords, overlays=consumer)
        self.second.create([])
        self.second.process.start()
        self.point_at(first.uri, self.second.uri)
        self.caught_up()

    def point_at(self, *uris):
        self.lab.bridge.process.stop()
        line = next(line for line in self.lab.bridge.conf.read_text().splitlines() if line.startswith("  uris ="))
        configure(self.lab.bridge, line, "  uris = [ " + ", ".join(f'"{uri}"' for uri in uris) + " ];")
        self.lab.bridge.process.start()

    def csn(self, slapd):
        view = View(slapd.uri, site.ROOT, slapd.passwords.root)
        found = view.get(site.BASE)
        view.close()
        return found and found.get("contextCSN")

    def caught_up(self):
        eventually(lambda: self.csn(self.second) == self.csn(self.lab.slapd), within=20)

    def reads_from(self, number):
        return eventually(lambda: metric(self.lab.bridge, "kiops_ldap_server") == number
                          and metric(self.lab.bridge, "kiops_feed_live") == 1, within=20)

    def close(self):
        self.lab.close()
        self.second.process.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory, decoy):
    made = Pair(tmp_path_factory.mktemp("pair"), decoy)
    yield made
    made.close()


@pytest.fixture
def whole(pair):
    """Both run and the first is in use, before and after."""
    yield pair
    for slapd in (pair.lab.slapd, pair.second):
        slapd.process.send(signal.SIGCONT)
        slapd.process.start()
    pair.reads_from(0)
    live(pair.lab)  # a deletion that slapd had not yet noted when it was killed is forgotten: the replica is ahead until the next change
    pair.caught_up()


def set_name(lab, user, name):
    return lab.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", name))


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_reads_go_on_at_the_next_server_and_writes_wait_for_the_first(whole, how):
    lab, user = whole.lab, whole.lab.user()
    whole.caught_up()
    if how == "killed":
        kill(lab.slapd.process)
    else:
        lab.slapd.process.send(signal.SIGSTOP)
        unavailable(lambda: set_name(lab, user, "Hanging"))  # somebody finds out
    eventually(lambda: lab.scim.get("/Users", filter=NOBODY).status == 200, within=10)
    whole.reads_from(1)
    lab.scim.get("/Users", filter=NOBODY).expect(200)
    lab.scim.get("/Users/00000000-0000-4000-8000-000000000000").expect(404)
    lab.person("mina").get("/Users?count=0").expect(200)
    refused = unavailable(lambda: set_name(lab, user, "Not yet"))
    assert "; writes wait for the first server" in refused["detail"], "who writes does not even look at another one"
    size = len(lab.bridge.process.log_text())
    lab.slapd.process.send(signal.SIGCONT)
    lab.slapd.process.start()
    whole.reads_from(0)
    if not POLLED:
        eventually(lambda: "event=feed_live " in log_since(lab.bridge, size), within=10)  # the feed has come along
    set_name(lab, user, "At last").expect(200)
    live(lab)


def test_what_changes_at_the_next_server_is_seen(whole):
    """As after the operator has made it the provider, by hand."""
    lab = whole.lab
    kill(lab.slapd.process)
    whole.reads_from(1)
    view = View(whole.second.uri, "cn=config", whole.second.passwords.root)
    view.modify("olcDatabase={1}mdb,cn=config", ("delete", "olcUpdateRef", None), ("delete", "olcSyncrepl", None))
    try:
        root = View(whole.second.uri, site.ROOT, whole.second.passwords.root)
        root.modify(site.user_dn("mina"), ("replace", "title", "seen at the second"))
        root.close()
        eventually(lambda: lab.scim.get("/Users", filter='title eq "seen at the second"')["totalResults"] == 1)
    finally:
        view.close()
        whole.second.process.stop()
        shutil.rmtree(whole.second.home / "data")
        (whole.second.home / "data").mkdir()
        lab.slapd.process.start()
        whole.second.process.start()


def test_32_a_server_that_is_behind_undoes_nothing(whole):
    lab = whole.lab
    whole.second.process.stop()
    user = lab.user(displayName="New")
    lab.scim.delete(f"/Users/{lab.user()['id']}").expect(204)
    total = lab.scim.get("/Users", count=0)["totalResults"]
    size = len(lab.bridge.process.log_text())
    kill(lab.slapd.process)
    whole.second.process.start()
    eventually(lambda: "it is behind what the bridge has seen" in log_since(lab.bridge, size), within=10)
    assert metric(lab.bridge, "kiops_ldap_server") == 0 and metric(lab.bridge, "kiops_feed_live") == 0
    assert lab.scim.get(f"/Users/{user['id']}").expect(200)["displayName"] == "New"
    assert lab.scim.get("/Users", count=0)["totalResults"] == total
    unavailable(lambda: lab.scim.get("/Users", filter=NOBODY))
    lab.slapd.process.start()
    live(lab)


def test_a_start_with_the_first_server_away(whole):
    lab = whole.lab
    lab.bridge.process.stop()
    kill(lab.slapd.process)
    lab.bridge.process.start()
    whole.reads_from(1)
    lab.scim.get("/Users", filter='userName eq "mina"').expect(200)
    assert "acl_unproved" in lab.bridge.process.log_text()
    lab.slapd.process.start()
    whole.reads_from(0)
    live(lab)


def test_the_access_rules_are_proved_when_the_directory_is_back(new_lab):
    """The proof of the start (DESIGN 3.4), where the directory was away then."""
    lab = new_lab(bridge={"directory": SHORT})
    lab.bridge.process.stop()
    conf = lab.slapd.home / "slapd.conf"
    conf.write_text(conf.read_text().replace(f"include {lab.slapd.home}/acl.conf", "access to attrs=kiopsActive by self write "
                    f'by dn.exact="{site.BRIDGE}" write by * read\ninclude {lab.slapd.home}/acl.conf', 1))
    lab.slapd.process.stop()
    child = subprocess.Popen(lab.bridge.process.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True)
    for line in child.stdout:
        if "acl_unproved" in line:
            break
    lab.slapd.process.start()
    said = child.communicate(timeout=30)[0]
    assert child.returncode == 1 and "lets a person write or read: kiopsActive of the own entry" in said, said
    lab.bridges.clear()


def test_12_13_the_referral_of_a_replica_is_503_and_nobody_goes_there(whole, decoy):
    lab, user = whole.lab, whole.lab.user()
    whole.caught_up()
    whole.point_at(whole.second.uri)
    try:
        size = len(lab.bridge.process.log_text())
        unavailable(lambda: set_name(lab, user, "Referred"))
        unavailable(lambda: lab.scim.delete(f"/Users/{user['id']}"))
        assert f"ldap://127.0.0.1:{decoy.port}/" in log_since(lab.bridge, size), "the log names the provider"
        assert not decoy.visits
    finally:
        whole.point_at(lab.slapd.uri, whole.second.uri)


def test_13_a_part_that_lives_elsewhere_makes_an_answer_incomplete(new_lab, decoy):
    lab = new_lab(bridge={"directory": SHORT})
    total = lab.scim.get("/Users", count=0)["totalResults"]
    view, dn = lab.view(), f"ou=elsewhere,{site.PEOPLE}"
    view.add(dn, objectClass=["referral", "extensibleObject"], ou="elsewhere",
             ref=f"ldap://127.0.0.1:{decoy.port}/{dn}")
    unavailable(lambda: lab.scim.get("/Users", filter=NOBODY))
    assert lab.scim.get("/Users", count=0)["totalResults"] == total
    assert not decoy.visits


@pytest.mark.parametrize("code", [51, 52])
def test_10_a_read_that_one_server_is_too_busy_for_goes_to_the_next(new_lab, code):
    """For this once: the server that is written to stays in use."""
    lab = new_lab(proxied=True, slapd={"tells": True}, bridge={"directory": SHORT + POLLED})
    lab.bridge.process.stop()
    configure(lab.bridge, f'"{lab.proxy.uri}"', f'"{lab.proxy.uri}", "{lab.slapd.uri}"')
    lab.bridge.process.start()
    user = lab.user()
    lab.proxy.codes = {"search": code}
    lab.scim.get("/Users", filter=NOBODY).expect(200)
    lab.scim.get("/Users/00000000-0000-4000-8000-000000000000").expect(404)
    unavailable(lambda: set_name(lab, user, "Looked at there, written here"))
    assert metric(lab.bridge, "kiops_ldap_server") == 0 and metric(lab.bridge, "kiops_ldap_server_changes_total") == 0
    lab.proxy.codes = {}
    set_name(lab, user, "Not busy").expect(200)


# ---- write_failover = "auto": the list is one directory under several addresses

@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("auto"), proxied=True, bridge={"directory": SHORT + 'write_failover = "auto";'})
    made.bridge.process.stop()
    configure(made.bridge, f'"{made.proxy.uri}"', f'"{made.proxy.uri}", "{made.slapd.uri}"')
    made.bridge.process.start()
    yield made
    made.close()


def test_auto_writes_at_the_next_address_and_stays_there(addresses):
    lab, user = addresses, addresses.user()
    lab.proxy.refusing = True
    lab.proxy.reset()
    set_name(lab, user, "Through the second").expect(200)
    eventually(lambda: metric(lab.bridge, "kiops_feed_live") == 1)
    live(lab)
    assert metric(lab.bridge, "kiops_ldap_server") == 1
    assert "event=directory_server " in lab.bridge.process.log_text()
    lab.proxy.refusing = False
    seen = len(lab.proxy.seen)
    until = time.monotonic() + 3  # longer than from one look for the first server to the next
    while time.monotonic() < until:
        set_name(lab, user, f"Still there {lab.number()}").expect(200)
    assert len(lab.proxy.seen) == seen, "it stays until that one fails too"


# ---- fault 35: restored from an old backup

def copy(source, target):
    subprocess.run(["cp", "-r", "--sparse=always", source, target], check=True)  # the file of mdb is mostly holes


@pytest.mark.parametrize("tells", [True, False])
def test_35_a_directory_that_went_back_is_followed_and_told_of(new_lab, tells):
    lab = new_lab(slapd={"tells": tells}, bridge={"directory": SHORT})
    kept, data = lab.user(displayName="Then"), lab.slapd.home / ("db" if kind() == "389ds" else "data")
    lab.slapd.process.stop()
    copy(data, lab.slapd.home / "backup")
    lab.slapd.process.start()
    live(lab)
    gone = lab.user()
    set_name(lab, kept, "Later").expect(200)
    live(lab)  # polled, that is: versions are compared with what a poll brought
    lab.slapd.process.stop()
    shutil.rmtree(data)
    copy(lab.slapd.home / "backup", data)
    size = len(lab.bridge.process.log_text())
    lab.slapd.process.start()
    eventually(lambda: lab.scim.get(f"/Users/{gone['id']}").status == 404, within=10)
    name = lambda: lab.scim.get(f"/Users/{kept['id']}").expect(200)["displayName"]
    eventually(lambda: name() == "Then", within=0 if tells else 10)  # older counts, for it is what is there; where it is polled, twice
    assert log_since(lab.bridge, size).count("event=directory_went_back ") == 1
    assert metric(lab.bridge, "kiops_ldap_went_back_total") == 1
    set_name(lab, kept, "Anew").expect(200)
    live(lab)


def test_35_also_where_a_write_came_before_the_bridge(new_lab):
    """Its newest change is then newer than what was seen: only the entries show that it went back."""
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    kept, data = lab.user(displayName="Then"), lab.slapd.home / ("db" if kind() == "389ds" else "data")
    lab.slapd.process.stop()
    copy(data, lab.slapd.home / "backup")
    lab.slapd.process.start()
    live(lab)
    gone, group = lab.user(), lab.organization(members=[kept["id"]])
    set_name(lab, kept, "Later").expect(200)
    live(lab)
    lab.proxy.refusing = True
    lab.proxy.reset()
    lab.slapd.process.stop()
    shutil.rmtree(data)
    copy(lab.slapd.home / "backup", data)
    lab.slapd.process.start()
    lab.view().modify(site.user_dn("kim"), ("replace", "description", "first"))
    lab.proxy.refusing = False
    eventually(lambda: lab.scim.find("Users", f'displayName eq "Then" and id eq "{kept["id"]}"'), within=15)
    eventually(lambda: lab.scim.find("Users", f'id eq "{gone["id"]}"') == lab.scim.find("Groups", f'id eq "{group["id"]}"') == [])
