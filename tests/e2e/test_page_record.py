"""GET /ui/audit: what was done in an organization, for its Managers and PlatformAdmins."""

import pytest
from kiopslab import entries
from lab import Lab
from scim import KIOPS_ORGANIZATION
from visitor import Visitor

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("page"), bridge={"console": "", "more": ""})
    yield made
    made.close()


def visitor(lab, name, password=PASSWORD):
    one = Visitor(lab.bridge)
    one.sign_in(name, password).expect(200)
    return one


def instant(text):
    """A time with as many digits behind the second as it needs."""
    return text[:19], float(f"0{text[19:-1]}")


def record(client, organization, **more):
    query = "&".join([f"organization={organization}", *[f"{k}={v}" for k, v in more.items()]])
    return client.visit("GET", f"/ui/audit?{query}")


@pytest.fixture
def team(lab):
    boss, worker = (lab.user(password=PASSWORD, displayName=f"{w} {lab.number()}") for w in ("Boss", "Worker"))
    group = lab.organization(managers=[boss["id"]], members=[worker["id"]])
    return {"boss": boss, "worker": worker, "id": group["id"], "membership": f"/Memberships/{group['id']}.{worker['id']}"}


def test_who_did_what_to_whom_newest_first(lab, team):
    boss = visitor(lab, team["boss"]["userName"])
    boss.patch(team["membership"], ("add", "permissions", ["vpn"])).expect(200)
    boss.patch(team["membership"], ("replace", "role", "Manager")).expect(403)
    lab.scim.patch(team["membership"], ("replace", "role", "Manager")).expect(200)
    found = record(boss, team["id"]).expect(200)["records"]
    assert [(r["change"], r["result"]) for r in found[:3]] == [("promote", "done"), ("promote", "refused"), ("grant", "done")]
    assert found[0]["actorKind"] == "token" and "actorName" not in found[0]
    assert found[1]["rule"] == "KB-R02" and found[1]["actor"] == team["boss"]["id"] and found[1]["actorName"] == team["boss"]["displayName"]
    assert found[2]["permission"] == "vpn" and found[2]["subjectName"] == team["worker"]["displayName"]
    assert {r["change"] for r in found[3:]} >= {"add"} and found == sorted(found, key=lambda r: instant(r["time"]), reverse=True)


def test_only_of_this_organization(lab, team):
    other = lab.organization(members=[team["worker"]["id"]])
    lab.scim.patch(f"/Groups/{other['id']}", ("replace", f"{KIOPS_ORGANIZATION}:description", "other")).expect(200)
    ours = record(visitor(lab, team["boss"]["userName"]), team["id"])["records"]
    assert "edit_organization" not in {r["change"] for r in ours}


@pytest.mark.parametrize("who, status", [("nobody", 401), ("member", 403), ("outsider", 404), ("another manager", 404), ("admin", 200)])
def test_for_whom(lab, team, who, status):
    if who == "nobody":
        client = Visitor(lab.bridge)
    elif who == "admin":
        client = visitor(lab, entries.PLATFORM_ADMIN, entries.SAMPLE_PASSWORD)
    else:
        client = visitor(lab, team["worker"]["userName"]) if who == "member" else visitor(lab, {"outsider": "noa", "another manager": entries.MANAGER}[who], entries.SAMPLE_PASSWORD)
    answer = record(client, team["id"]).expect(status)
    if status == 404:
        unknown = record(client, "00000000-0000-4000-8000-000000000000").expect(404)
        assert unknown["detail"] == answer["detail"]


@pytest.mark.parametrize("query, status", [("", 404), ("organization=", 404), ("organization=x", 404), ("before=yesterday&organization=x", 400),
                                           ("organization=x&organization=y", 400)])
def test_what_is_asked_wrongly(lab, query, status):
    visitor(lab, entries.PLATFORM_ADMIN, entries.SAMPLE_PASSWORD).visit("GET", f"/ui/audit?{query}").expect(status)


def test_a_hundred_at_a_time_and_then_what_is_older(lab, team):
    for n in range(130):
        lab.scim.patch(f"/Groups/{team['id']}", ("replace", f"{KIOPS_ORGANIZATION}:description", f"{n}")).expect(200)
    boss = visitor(lab, team["boss"]["userName"])
    first = record(boss, team["id"]).expect(200).json
    assert len(first["records"]) == 100
    second = record(boss, team["id"], before=first["next"]).expect(200).json
    assert "next" not in second and 30 <= len(second["records"]) < 100
    times = [r["time"] for r in first["records"] + second["records"]]
    assert len(set(times)) == len(times) and times == sorted(times, key=instant, reverse=True)


def test_rotated_files_are_read_on(new_lab):
    lab = new_lab(bridge={"console": ""}, durable=False)
    lab.bridge.configuration = lab.bridge.configuration.replace('audit = { dir = "audit";', 'audit = { dir = "audit"; rotate_mb = 1;')
    lab.bridge.write_files()
    lab.bridge.process.stop()
    lab.bridge.process.start()
    group = lab.organization()
    for n in range(24):
        lab.scim.patch(f"/Groups/{group['id']}", ("replace", f"{KIOPS_ORGANIZATION}:description", f"{n} " + "x" * 60000)).expect(200)
    assert len(list((lab.bridge.home / "audit").glob("audit-serve.*.jsonl"))) >= 1
    admin = visitor(lab, entries.PLATFORM_ADMIN, entries.SAMPLE_PASSWORD)
    found = record(admin, group["id"]).expect(200)["records"]
    assert [r["change"] for r in found].count("edit_organization") == 24
