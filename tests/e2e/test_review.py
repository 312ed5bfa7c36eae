"""`kiops-bridge review`: seats, requests, inactive members and the quarterly list, from the directory alone."""

import csv
import io
import json
import subprocess
import time

import pytest
from kiopslab import entries, site
from lab import BINARY, Lab, eventually, without_address_randomisation
from scim import USER


def run(bridge, *words):
    argv = [*without_address_randomisation(), BINARY, "-c", str(bridge.conf), "review", *words]
    return subprocess.run(argv, capture_output=True, check=False)


def as_json(bridge, *words):
    done = run(bridge, "--json", *words)
    assert done.returncode in (0, 2), done
    return done.returncode, json.loads(done.stdout)


def as_csv(bridge, *words):
    done = run(bridge, "--csv", *words)
    assert done.returncode in (0, 2), done
    return list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))


def stamp(when, place, seconds_ago):
    return f"{place}:{time.strftime('%Y%m%d%H%M%SZ', time.gmtime(when - seconds_ago))}.00000001"


DAY = 86400


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """Organizations of every state, made by hand in the directory; the bridge runs, and is not asked."""
    made = Lab(tmp_path_factory.mktemp("review"))
    made.ids = {}
    for name, managers in (("Two", 2), ("One", 1), ("Never", 0), ("Vacant", 1)):
        users = [made.user()["id"] for _ in range(managers)]
        member = made.user()["id"]
        made.ids[name] = made.organization(managers=users, members=[member], displayName=name)["id"]
        made.ids[name + " managers"], made.ids[name + " member"] = users, member
    boss = made.ids["Vacant managers"][0]
    made.scim.patch(f"/Users/{boss}", ("replace", "active", False)).expect(200)
    yield made
    made.close()


def seats(found):
    return {o["displayName"]: o.get("finding") for o in found["organizations"]}


def test_seats_without_a_manager_that_counts(ground):
    code, found = as_json(ground.bridge)
    assert code == 2
    assert seats(found) == {"Two": None, "One": "one-manager", "Never": "no-manager", "Vacant": "vacant-seat",
                            "Project A": None, "Project B": "one-manager"}
    text = run(ground.bridge).stdout.decode().splitlines()
    order = [line.split(": ")[0] for line in text if line.split(":")[0] in ("vacant-seat", "no-manager", "one-manager")]
    assert order == ["vacant-seat", "no-manager", "one-manager", "one-manager"]


def test_a_manager_of_one_side_fills_no_seat(ground):
    """DESIGN 3.2: a value in `owner` alone, or on the person alone, is no Manager."""
    view, org = ground.view(), ground.ids["One"]
    member, _ = view.by_id(ground.ids["One member"])
    place, _ = view.by_id(org)
    for dn, attribute, value in ((place, "owner", member), (member, "kiopsManager", org)):
        view.modify(dn, ("add", attribute, value))
        assert seats(as_json(ground.bridge)[1])["One"] == "one-manager"
        view.modify(dn, ("delete", attribute, value))


@pytest.mark.parametrize("days, older, listed", [(6, 7, False), (8, 7, True), (8, 9, False), (0, 0, True)])
def test_requests_older_than_asked(ground, days, older, listed):
    view, org = ground.view(), ground.ids["Two"]
    user = ground.user()
    dn, _ = view.by_id(user["id"])
    asked = stamp(time.time(), org, days * DAY + 60)
    view.modify(dn, ("add", "kiopsRequest", asked))
    _, found = as_json(ground.bridge, "--older", str(older))
    mine = [r for r in found["requests"] if r["user"]["id"] == user["id"]]
    assert bool(mine) == listed
    if mine:
        assert mine[0]["organization"]["id"] == org and mine[0]["requestedAt"].endswith("Z")
    rows = [r for r in as_csv(ground.bridge, f"--older={older}") if r["userId"] == user["id"]]
    assert [(r["kind"], r["findings"], r["role"]) for r in rows] == [("request", "old", "")] * listed
    # A member's request has no effect.
    view.modify(view.by_id(org)[0], ("add", "member", dn))
    assert not [r for r in as_json(ground.bridge, "--older", "0")[1]["requests"] if r["user"]["id"] == user["id"]]


def membership(found, user, org):
    rows = [m for m in found["memberships"] if m["user"]["id"] == user and m["organization"]["id"] == org]
    assert len(rows) <= 1
    return rows[0] if rows else None


def test_the_quarterly_list(ground):
    _, found = as_json(ground.bridge)
    boss, member = ground.ids["Two managers"][0], ground.ids["Two member"]
    assert membership(found, boss, ground.ids["Two"])["role"] == "Manager"
    row = membership(found, member, ground.ids["Two"])
    assert (row["role"], row["permissions"], row["findings"]) == ("Member", [], [])
    people = {m["user"]["userName"]: m for m in found["memberships"] if m["organization"]["displayName"] == "Project A"}
    sample = {p[0]: p for p in entries.PEOPLE if "Project A" in (*p[3], *p[4])}
    assert people.keys() == sample.keys()
    for name, row in people.items():
        assert row["role"] == ("Manager" if "Project A" in sample[name][3] else "Member")
        assert row["permissions"] == list(sample[name][4].get("Project A", ()))
        assert row["joinDate"] == "2026-01-05T08:00:00Z"


@pytest.mark.parametrize("days, due", [(89, False), (91, True), (None, True)])
def test_memberships_unchanged_for_a_quarter(ground, days, due):
    view, org, user = ground.view(), ground.ids["Two"], ground.user()["id"]
    dn, _ = view.by_id(user)
    if days is not None:
        view.modify(dn, ("add", "kiopsJoined", stamp(time.time(), org, days * DAY)))
    view.modify(view.by_id(org)[0], ("add", "member", dn))
    row = membership(as_json(ground.bridge)[1], user, org)
    assert ("unchanged" in row["findings"]) == due and ("joinDate" in row) == (days is not None)


def test_an_old_membership_that_was_changed_lately_is_not_due(ground):
    """As far as the audit of this bridge says."""
    view, org, user = ground.view(), ground.ids["Two"], ground.user()["id"]
    dn, _ = view.by_id(user)
    view.modify(dn, ("add", "kiopsJoined", stamp(time.time(), org, 91 * DAY)))
    view.modify(view.by_id(org)[0], ("add", "member", dn))
    assert "unchanged" in membership(as_json(ground.bridge)[1], user, org)["findings"]
    eventually(lambda: ground.scim.get(f"/Memberships/{org}.{user}").status == 200)
    ground.scim.patch(f"/Memberships/{org}.{user}", ("add", "permissions", ["vpn"])).expect(200)
    row = membership(as_json(ground.bridge)[1], user, org)
    assert row["findings"] == [] and row["permissions"] == ["vpn"]


def test_inactive_members_and_permissions_without_a_join(ground):
    view, org = ground.view(), ground.ids["Two"]
    row = membership(as_json(ground.bridge)[1], ground.ids["Vacant managers"][0], ground.ids["Vacant"])
    assert row["findings"] == ["inactive"] and row["user"]["active"] is False
    user = ground.user()["id"]
    dn, _ = view.by_id(user)
    view.modify(dn, ("add", "kiopsPermission", f"{org}:vpn"))
    assert membership(as_json(ground.bridge)[1], user, org) is None
    view.modify(view.by_id(org)[0], ("add", "member", dn))
    assert membership(as_json(ground.bridge)[1], user, org)["permissions"] == []
    view.modify(dn, ("add", "kiopsJoined", stamp(time.time(), org, 0)))
    assert membership(as_json(ground.bridge)[1], user, org)["permissions"] == ["vpn"]


def test_csv_is_rfc_4180_and_no_formula(ground):
    org = ground.ids["Two"]
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", 'quoted "name", with comma', "plain"]
    made = [ground.scim.post("/Users", {"schemas": [USER], "userName": f"csv{ground.number()}", "displayName": n})
            .expect(201)["id"] for n in names]
    ground.scim.patch(f"/Groups/{org}", ("add", "members", [{"value": u} for u in made])).expect(200, 204)
    raw = run(ground.bridge, "--csv").stdout
    assert raw.count(b"\r\n") == raw.count(b"\n") and raw.endswith(b"\r\n")
    rows = {r["userId"]: r for r in as_csv(ground.bridge) if r["kind"] == "membership"}
    shown = [rows[u]["displayName"] for u in made]
    assert shown == ["'" + n if n[0] in "=+-@" else n for n in names]
    assert {r["active"] for r in rows.values()} == {"true", "false"}


def test_names_cannot_steer_the_terminal(ground):
    view = ground.view()
    dn, _ = view.by_id(ground.ids["Two member"])
    view.modify(dn, ("replace", "displayName", "\x1b[2J\u009bkept"))
    text = run(ground.bridge).stdout
    assert b"\x1b" not in text and "\u009b".encode() not in text and b"kept" in text


@pytest.mark.parametrize("words", [("--older",), ("--older", "x"), ("--older", "-1"), ("--older=1", "--older=2"),
                                   ("--csv", "--csv"), ("--csv", "--json"), ("all",), ("--older", "99999999999999999999")])
def test_usage(ground, words):
    done = run(ground.bridge, *words)
    assert done.returncode == 64 and not done.stdout and b"review" in done.stderr


def test_nothing_to_review_is_0_and_a_directory_away_is_1(new_lab):
    lab = new_lab()
    view, now = lab.view(), time.time()
    # The sample's memberships are old by then: young joins, and a second Manager for Project B.
    orgs = {e["cn"][0]: (dn, e["entryUUID"][0]) for dn, e in view.find(site.ORGANIZATIONS, "(objectClass=groupOfNames)").items()}
    for dn, e in view.find(site.PEOPLE, "(kiopsJoined=*)").items():
        places = [v.split(":")[0] for v in e["kiopsJoined"]]
        view.modify(dn, ("replace", "kiopsJoined", [stamp(now, p, 60) for p in places]))
    for dn in view.find(site.PEOPLE, "(kiopsRequest=*)"):
        view.modify(dn, ("delete", "kiopsRequest", None))
    view.modify(site.user_dn("kim"), ("add", "kiopsManager", orgs["Project B"][1]))
    view.modify(orgs["Project B"][0], ("add", "owner", site.user_dn("kim")))
    done = run(lab.bridge)
    assert done.returncode == 0 and b"nothing to review" in done.stdout, done
    lab.slapd.process.stop()
    done = run(lab.bridge)
    assert done.returncode == 1 and b"directory" in done.stderr and not done.stdout
    lab.slapd.process.start()


def test_every_membership_of_many_people_once(new_lab):
    lab = new_lab(users=4000, organizations=40)
    rows = [r for r in as_csv(lab.bridge) if r["kind"] == "membership" and r["organization"].startswith("Organization")]
    pairs = [(r["organization"], r["userName"]) for r in rows]
    assert len(set(pairs)) == len(pairs) and len({r["userId"] for r in rows}) == 4000
    assert sum(r["role"] == "Manager" for r in rows) == 80
