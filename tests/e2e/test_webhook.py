"""What the webhook is told of requests to join: each new one, through every door, and none twice."""

import re
import time

import pytest
from faults import metric
from lab import eventually
from receiver import brief, by_members, ground, receiver, request_of, told  # noqa: F401
from scim import GROUP, KIOPS_ORGANIZATION

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
OPEN = {"schemas": [GROUP, KIOPS_ORGANIZATION], KIOPS_ORGANIZATION: {"joinPolicy": "open"}}


def test_a_person_asks_to_join(ground, receiver):
    group = ground.organization(**OPEN, displayName='Hull "Ü" 漢')
    user = ground.user(password="correct horse", displayName="Kim \\ Min")
    person = ground.person(user["userName"], "correct horse")
    answer = person.post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": group["id"]}}).expect(201)
    post = receiver.first(user["id"])
    assert post.is_signed() and not post.is_signed("another secret of the same kind")
    assert post.path == "/hook/in-the-path-a-secret?of=the-url"
    assert post.headers["Content-Type"] == "application/json" and "Expect" not in post.headers
    notice = post.notice
    assert re.fullmatch("[0-9a-f]{32}", notice.pop("id"))
    assert abs(time.time() - time.mktime(time.strptime(notice.pop("time"), "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 10
    membership = answer.json
    assert notice == {
        "event": "request",
        "organization": {"value": group["id"], "$ref": membership["organization"]["$ref"], "display": 'Hull "Ü" 漢'},
        "user": {"value": user["id"], "$ref": membership["user"]["$ref"], "display": "Kim \\ Min", "userName": user["userName"]},
        "requestId": answer.headers["X-Request-Id"]}
    assert list(post.notice) == ["id", "event", "time", "organization", "user", "requestId"]



def by_membership(ground, group, user):
    ground.push.post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": group},
                                      "user": {"value": user}}).expect(201)


def by_roles(ground, group, user):
    ground.push.patch(f"/Users/{user}", ("add", "roles", [{"value": f"Member@{group}"}])).expect(200)


def by_bulk(ground, group, user):
    patch = {"Operations": [{"op": "add", "path": "members", "value": [{"value": user}]}]}
    done = ground.push.post("/Bulk", {"schemas": [BULK], "Operations": [
        {"method": "PATCH", "path": f"/Groups/{group}", "data": patch}]}).expect(200)
    assert done["Operations"][0]["status"] == "200"


@pytest.mark.parametrize("door", [by_members, by_membership, by_roles, by_bulk])
def test_a_token_that_asks(ground, receiver, told, door):
    group, user = ground.organization()["id"], ground.user()["id"]
    door(ground, group, user)
    assert brief(told(settled=False)) == [("request", group, user)]
    assert receiver.of(user)[0].is_signed()


def test_a_new_group_whose_members_are_asked_for(ground, told):
    users = [ground.user()["id"] for _ in range(3)]
    group = ground.push.post("/Groups", {"schemas": [GROUP], "displayName": f"Asked {ground.number()}",
                                         "members": [{"value": u} for u in users]}).expect(201)["id"]
    notices = told(settled=False)
    assert sorted(brief(notices)) == sorted(("request", group, u) for u in users)
    assert len({n["id"] for n in notices}) == 3 and len({n["requestId"] for n in notices}) == 1


def test_what_is_no_new_request_is_not_told(ground, told):
    group, user, direct = ground.organization()["id"], ground.user()["id"], ground.user()["id"]
    by_members(ground, group, user)
    by_members(ground, group, user)
    ground.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": direct}])).expect(200)
    ground.scim.patch(f"/Memberships/{group}.{user}", ("replace", "status", "active")).expect(200)
    ground.scim.delete(f"/Memberships/{group}.{user}").expect(204)
    assert brief(told(settled=False)) == [("request", group, user)]


def test_asking_again_after_a_withdrawal_is_a_new_request(ground, told):
    group = ground.organization(**OPEN)["id"]
    user = ground.user(password="correct horse")
    person = ground.person(user["userName"], "correct horse")
    for _ in range(2):
        person.post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": group}}).expect(201)
        person.delete(f"/Memberships/{group}.{user['id']}").expect(204)
    notices = told(settled=False)
    assert brief(notices) == [("request", group, user["id"])] * 2 and notices[0]["id"] != notices[1]["id"]


def test_a_refused_request_is_not_told(ground, told):
    group, user = ground.organization()["id"], ground.user(password="correct horse")
    person = ground.person(user["userName"], "correct horse")
    assert person.post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": group}}).status in (403, 404)
    assert told(settled=False) == []


def test_a_very_long_name_is_cut_between_letters(ground, receiver):
    name = "漢字" * 300
    user = ground.user(displayName=name)["id"]
    by_members(ground, ground.organization()["id"], user)
    shown = receiver.first(user).notice["user"]["display"]
    assert name.startswith(shown) and 250 < len(shown.encode()) <= 256


def test_a_request_whose_answer_was_lost_is_told(ground, told):
    group, user = ground.organization()["id"], ground.user()["id"]

    def refuse():
        ground.proxy.refusing = True

    trap = ground.proxy.lose_answer("modify", action=refuse)
    ground.push.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(503)
    assert trap.sprung.is_set()
    ground.proxy.refusing = False
    assert brief(told()) == [("request", group, user)]


def test_a_request_that_never_reached_the_directory_is_not_told(ground, told):
    group, user = ground.organization()["id"], ground.user()["id"]

    def refuse():
        ground.proxy.refusing = True

    trap = ground.proxy.cut_request("modify", action=refuse)
    ground.push.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(503)
    assert trap.sprung.is_set()
    ground.proxy.refusing = False
    assert told() == []


def test_a_request_that_another_hand_makes_first_is_not_told(ground, told):
    group, user, view = ground.organization()["id"], ground.user()["id"], ground.view()
    dn = view.by_id(user)[0]
    trap = ground.proxy.before_request("modify", action=lambda: view.modify(dn, ("add", "kiopsRequest", request_of(group))))
    by_members(ground, group, user)
    assert trap.sprung.is_set() and len(view.get(dn)["kiopsRequest"]) == 1
    assert told(settled=False) == []


def test_sent_notices_are_counted(ground, receiver):
    before = metric(ground.bridge, "kiops_webhook_sent_total")
    group, user = ground.organization()["id"], ground.user()["id"]
    by_members(ground, group, user)
    receiver.first(user)
    eventually(lambda: metric(ground.bridge, "kiops_webhook_sent_total") > before)  # and those of tests before
    assert metric(ground.bridge, "kiops_webhook_queue") == 0
    assert metric(ground.bridge, "kiops_webhook_dropped_total") == metric(ground.bridge, "kiops_webhook_failed_total") == 0

