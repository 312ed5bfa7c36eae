"""A clock that is wrong (faults.md 33): the directory's is an hour ahead of two bridges'. Nothing is ordered by the clock of a
bridge: what was written last at the directory counts."""

import pytest
from checker import Picture
from kiopslab import site
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("skew"), bridges=2)
    lab.slapd.process.stop()
    lab.slapd.process.env.update(LD_PRELOAD=FAKETIME, FAKETIME="+1h", FAKETIME_DONT_FAKE_MONOTONIC="1")
    lab.slapd.process.start()
    yield lab
    lab.close()


def member(client, group, kind, user, path="members"):
    change = ("add", path, [{"value": user}]) if kind == "add" else ("remove", f'{path}[value eq "{user}"]')
    return client.patch(f"/Groups/{group}", change)


def names(client, group):
    return {m["value"] for m in client.get(f"/Groups/{group}").json.get("members", ())}


def test_33_what_was_written_last_counts_at_both(pair):
    one, other = pair.client(bridge=0), pair.client(bridge=1)
    user = pair.user()
    created = pair.view().by_id(user["id"])[1]["createTimestamp"][0]
    assert int(created[8:10]) != int(pair.bridge.process.log_text().splitlines()[-1].split("T")[1][:2]), "an hour apart"
    for n, (writer, reader) in enumerate([(one, other), (other, one)] * 3):
        eventually(lambda w=writer: w.get(f"/Users/{user['id']}").status == 200)
        writer.patch(f"/Users/{user['id']}", ("replace", "displayName", f"Turn {n}")).expect(200)
        eventually(lambda r=reader, n=n: r.get(f"/Users/{user['id']}").json.get("displayName") == f"Turn {n}")


def test_33_members_and_managers_come_and_go_at_either(pair):
    one, other = pair.client(bridge=0), pair.client(bridge=1)
    keeper, users = pair.user()["id"], [pair.user()["id"] for _ in range(4)]
    group = pair.organization(managers=[keeper])["id"]
    eventually(lambda: other.get(f"/Groups/{group}").status == 200 and other.get(f"/Users/{users[3]}").status == 200)
    for n, user in enumerate(users):
        first, second = (one, other) if n % 2 else (other, one)
        member(first, group, "add", user).expect(200)
        member(second, group, "add", user, MANAGERS).expect(200)
        member(first, group, "remove", user, MANAGERS).expect(200)
        member(second, group, "remove", user).expect(200)
        member(first, group, "add", user).expect(200)
    for client in (one, other):
        eventually(lambda c=client: names(c, group) == {keeper, *users})
    picture = Picture(pair.slapd.uri, site.ROOT, pair.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)
    assert not list(picture.findings(managed=[group]))


def test_33_a_token_opens_both_doors_at_once(pair):
    token = pair.new_token("skewed")
    for n in range(2):
        pair.client(token, n).get("/Users?count=0").expect(200)
    pair.bridge.cli("token", "revoke", "skewed")
    for n in range(2):
        eventually(lambda n=n: pair.client(token, n).get("/Users?count=0").status == 401)


# ---- the server comes back with a clock that has stepped back, and the bridge asks it again and again


@pytest.fixture(scope="module")
def stepping(tmp_path_factory):
    """A polled slapd, an hour ahead at first."""
    lab = Lab(tmp_path_factory.mktemp("step"), slapd={"tells": False})
    step(lab, "+1h")
    yield lab
    lab.close()


def step(lab, offset):
    """libfaketime's own way of changing a clock that runs ends slapd, so it starts again."""
    lab.slapd.process.stop()
    lab.slapd.process.env.update(LD_PRELOAD=FAKETIME, FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1")
    lab.slapd.process.start()
    return lab.view()


def hour(lab, uid):
    """Of the last change, by the server's clock."""
    return int(lab.view().get(site.user_dn(uid))["modifyTimestamp"][0][:10])


def test_33_a_polled_server_whose_clock_steps_back_loses_nothing(stepping):
    lab = stepping
    view, users = lab.view(), [lab.user() for _ in range(4)]
    changed, removed, again, quiet = (u["userName"] for u in users)

    def shown(user):
        return lab.scim.get(f"/Users/{user['id']}")

    group = lab.organization(members=[users[2]["id"]])
    for name in (changed, again):
        view.modify(site.user_dn(name), ("replace", "displayName", "Ahead"))
    for user in (users[0], users[2]):
        eventually(lambda u=user: shown(u).json.get("displayName") == "Ahead", within=10)
    before = hour(lab, changed)
    view = step(lab, "-1h")
    view.modify(site.user_dn(changed), ("replace", "displayName", "Behind"))
    view.delete(site.user_dn(removed))
    view.add(site.user_dn("newer"), objectClass=["inetOrgPerson", "kiopsUser"], uid="newer", cn="n", sn="n")
    assert hour(lab, "newer") < before, "the clock has stepped back"
    eventually(lambda: shown(users[0]).json.get("displayName") == "Behind", within=10)
    eventually(lambda: [u["userName"] for u in lab.scim.find("Users", 'userName sw "newe"')] == ["newer"], within=10)
    eventually(lambda: lab.scim.find("Users", f'id eq "{users[1]["id"]}"') == [], within=10)
    for text in ("One", "Two"):  # and what has been changed once is seen when it is changed again
        view.modify(site.user_dn(again), ("replace", "displayName", text))
        eventually(lambda t=text: lab.scim.find("Users", f'displayName eq "{t}"'), within=10)
    eventually(lambda: lab.scim.patch(f"/Users/{users[3]['id']}", ("replace", "displayName", "Own")).status == 200)
    assert shown(users[3])["displayName"] == "Own", "at once"
    organization = view.by_id(group["id"])[0]
    view.modify(organization, ("add", "member", site.user_dn(changed)))
    eventually(lambda: names(lab.scim, group["id"]) == {users[0]["id"], users[2]["id"]}, within=10)
    member(lab.scim, group["id"], "add", users[3]["id"]).expect(200)
    assert names(lab.scim, group["id"]) == {users[n]["id"] for n in (0, 2, 3)}, "at once"
    view = step(lab, "+1h")
    view.modify(site.user_dn(quiet), ("replace", "displayName", "Forward"))
    eventually(lambda: lab.scim.find("Users", 'displayName eq "Forward"'), within=10)
    assert shown(users[0])["displayName"] == "Behind" and shown(users[2])["displayName"] == "Two"
