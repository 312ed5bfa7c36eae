"""directory.writes = false: every door that would change something answers 503 with the reason, and slapd's own log holds no
write of the bridge's account. What only reads goes on, sign-in included."""

import json
import urllib.parse
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import pytest
from kiopslab import entries, site
from lab import Lab, eventually
from scim import GROUP, KIOPS_ORGANIZATION, PATCH, USER
from world import auditlog

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
WAITING = "guest-of-long-ago"
EXPIRED = entries.entry(f"uid={WAITING},{site.PENDING}", [
    ("objectClass", "inetOrgPerson"), ("objectClass", "kiopsUser"), ("uid", WAITING), ("cn", WAITING), ("sn", WAITING),
    ("createTimestamp", "20200101000000Z")])


class Ground:
    def __init__(self, lab, log):
        self.lab, self.view, self.log = lab, lab.view(), Path(log)
        self.ids = {u["userName"]: u["id"] for u in lab.scim.get("/Users", count=100).expect(200)["Resources"]}
        self.groups = {g["displayName"]: g["id"] for g in lab.scim.get("/Groups").expect(200)["Resources"]}

    def written(self):
        """Changes by the bridge's account."""
        return [block for block in self.log.read_text().split("\n\n") if site.BRIDGE in block]

    def seat(self, who, where="Project A"):
        return f"/Memberships/{self.groups[where]}.{self.ids[who]}"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read-only")
    made = Lab(folder, slapd=auditlog(folder), checked=[EXPIRED],
               bridge={"directory": "  writes = false;\n", "users": 'adopt = "userName";', "signup": "keep_days = 1;",
                       "organizations": 'adopt = "displayName";'})
    yield Ground(made, folder / "auditlog.ldif")
    made.close()


def refused(answer):
    assert answer.status == 503, (answer.status, answer.text)
    assert int(answer.headers["Retry-After"]) > 0 and "directory.writes" in answer["detail"]


DOORS = {
    "create user": lambda g, c: c.post("/Users", {"schemas": [USER], "userName": "fresh"}),
    "create a user who is there": lambda g, c: c.post("/Users", {"schemas": [USER], "userName": "kim"}),
    "replace user": lambda g, c: c.put(f"/Users/{g.ids['kim']}", {"schemas": [USER], "userName": "kim"}),
    "patch user": lambda g, c: c.patch(f"/Users/{g.ids['kim']}", ("replace", "title", "T")),
    "rename": lambda g, c: c.patch(f"/Users/{g.ids['kim']}", ("replace", "userName", "kim2")),
    "password": lambda g, c: c.patch(f"/Users/{g.ids['kim']}", ("replace", "password", "correct horse")),
    "deactivate": lambda g, c: c.patch(f"/Users/{g.ids['kim']}", ("replace", "active", False)),
    "a change that changes nothing": lambda g, c: c.patch(f"/Users/{g.ids['kim']}", ("replace", "active", True)),
    "delete user": lambda g, c: c.delete(f"/Users/{g.ids['kim']}"),
    "delete somebody who is not there": lambda g, c: c.delete(f"/Users/{'0' * 36}"),
    "create group": lambda g, c: c.post("/Groups", {"schemas": [GROUP], "displayName": "Fresh"}),
    "replace group": lambda g, c: c.put(f"/Groups/{g.groups['Project A']}", {"schemas": [GROUP], "displayName": "Project A"}),
    "edit group": lambda g, c: c.patch(f"/Groups/{g.groups['Project A']}", ("replace", f"{KIOPS_ORGANIZATION}:joinPolicy", "closed")),
    "add member": lambda g, c: c.patch(f"/Groups/{g.groups['Project B']}", ("add", "members", [{"value": g.ids["noa"]}])),
    "remove member": lambda g, c: c.patch(f"/Groups/{g.groups['Project A']}", ("remove", f'members[value eq "{g.ids["kim"]}"]')),
    "delete group": lambda g, c: c.delete(f"/Groups/{g.groups['Project A']}"),
    "add by membership": lambda g, c: c.post("/Memberships", {"schemas": [MEMBERSHIP], "user": {"value": g.ids["noa"]},
                                                              "organization": {"value": g.groups["Project B"]}}),
    "approve": lambda g, c: c.patch(g.seat("noa"), ("replace", "status", "active")),
    "promote": lambda g, c: c.patch(g.seat("kim"), ("replace", "role", "Manager")),
    "grant": lambda g, c: c.patch(g.seat("kim"), ("add", "permissions", ["audit"])),
    "replace membership": lambda g, c: c.put(g.seat("kim"), {"schemas": [MEMBERSHIP], "role": "Member"}),
    "reject": lambda g, c: c.delete(g.seat("noa")),
    "remove by membership": lambda g, c: c.delete(g.seat("kim")),
}


@pytest.mark.parametrize("who", ["token", "person"])
@pytest.mark.parametrize("door", DOORS)
def test_every_change_is_503_with_the_reason(ground, door, who):
    refused(DOORS[door](ground, ground.lab.scim if who == "token" else ground.lab.person("ada")))
    assert ground.written() == []


def test_each_operation_of_a_bulk_is_refused_so(ground):
    operations = [{"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": "fresh"}},
                  {"method": "PATCH", "path": f"/Users/{ground.ids['kim']}", "data": {
                      "schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "T"}]}},
                  {"method": "DELETE", "path": f"/Groups/{ground.groups['Project B']}"}]
    answer = ground.lab.scim.post("/Bulk", {"schemas": [BULK], "Operations": operations}).expect(200)
    for operation in answer["Operations"]:
        assert operation["status"] == "503" and "directory.writes" in operation["response"]["detail"]
    assert ground.written() == []


def test_nobody_signs_up(ground):
    parts = urllib.parse.urlsplit(ground.lab.bridge.url)
    form = {"userName": "guest", "password": "correct horse battery", "givenName": "G", "familyName": "K", "email": "g@x.org",
            "organization": ground.groups["Project A"]}
    connection = HTTPConnection(parts.netloc, timeout=30)
    connection.request("POST", "/signup", json.dumps(form), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, text
    assert len(ground.view.find(site.PENDING, "(objectClass=inetOrgPerson)")) == 1 and ground.written() == []


def test_people_sign_in_and_everything_is_read(ground):
    kim = ground.lab.person("kim")
    assert kim.get("/Me").expect(200)["userName"] == "kim"
    ground.lab.person("kim", "wrong").get("/Me").expect(401)
    for path in ("/Users", "/Groups", "/Memberships", f"/Users/{ground.ids['kim']}", "/ServiceProviderConfig"):
        ground.lab.scim.get(path).expect(200)
    ground.lab.scim.post("/Users/.search", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                                            "filter": 'userName eq "kim"'}).expect(200)
    assert ground.written() == []


def test_what_others_change_is_seen(ground):
    ground.view.modify(site.user_dn("lee"), ("add", "title", "Seen"))
    eventually(lambda: ground.lab.scim.get(f"/Users/{ground.ids['lee']}").json.get("title") == "Seen")


def test_a_token_is_made_by_the_operators_account(ground):
    """It is not the bridge's to refuse: the account is another one."""
    token = ground.lab.new_token("made-meanwhile")
    ground.lab.client(token).get("/Users?count=0").expect(200)
    refused(ground.lab.client(token).post("/Users", {"schemas": [USER], "userName": "fresh"}))
    ground.lab.bridge.cli("token", "revoke", "made-meanwhile")
    assert ground.written() == []


def test_a_start_tries_nothing_and_says_so(ground):
    """No throw-away person is made to prove the access rules, and nobody is swept out of the container."""
    assert "acl_unproved" in ground.lab.bridge.process.log_text()
    ground.lab.bridge.process.stop()
    ground.lab.bridge.process.start()
    for word in ("One", "Two"):  # a sweep comes with the first turns of the feed
        ground.view.modify(site.user_dn("sora"), ("replace", "title", word))
        eventually(lambda word=word: ground.lab.scim.get(f"/Users/{ground.ids['sora']}").json.get("title") == word)
    assert ground.view.get(f"uid={WAITING},{site.PENDING}") is not None
    assert "sign_up_sweep" not in ground.lab.bridge.process.log_text() and ground.written() == []


def test_readiness_and_metrics_go_on(ground):
    for path in ("/readyz", "/livez", "/metrics"):
        with urllib.request.urlopen(ground.lab.bridge.metrics_url + path, timeout=10) as answer:
            assert answer.status == 200
