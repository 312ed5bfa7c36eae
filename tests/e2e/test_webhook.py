"""What the webhook is told: new requests to join through every door, and seats that became vacant; nothing else, and
nothing twice."""

import re
import time

import pytest
from faults import metric
from lab import Lab, eventually
from receiver import Receiver, settings
from scim import GROUP, KIOPS_ORGANIZATION, KIOPS_USER

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
OPEN = {"schemas": [GROUP, KIOPS_ORGANIZATION], KIOPS_ORGANIZATION: {"joinPolicy": "open"}}
OFF = ("replace", "active", False)


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ground(receiver, tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True,
               bridge={"more": settings(receiver, tmp_path_factory.mktemp("secret"))})
    made.push = made.client(made.new_token("asks", "PlatformAdmin", "--push-mode", "request", "--option", "write_roles=yes"))
    yield made
    made.close()


@pytest.fixture
def told(ground, receiver):
    """Notices since the test began, once all that could be told has been. They are sent in order; with `settled`, also
    what is looked at again after a second."""
    before = len(receiver.posts)

    def notices(settled=True):
        last = ground.user()["id"]
        if settled:
            ground.organization(managers=[last])
            ground.scim.patch(f"/Users/{last}", OFF).expect(200)
        else:
            by_members(ground, ground.organization()["id"], last)
        receiver.first(last)
        return [p.notice for p in receiver.posts[before:] if p.notice["user"]["value"] != last]

    return notices


def brief(notices):
    return [(n["event"], n["organization"]["value"], n["user"]["value"]) for n in notices]


# ---- requests ----

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


def by_members(ground, group, user):
    ground.push.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(200)


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


# ---- seats ----

def by_patch(ground, user):
    return ground.scim.patch(f"/Users/{user}", OFF).expect(200)


def by_put(ground, user):
    body = ground.scim.get(f"/Users/{user}").json
    return ground.scim.put(f"/Users/{user}", {**body, "active": False}).expect(200)


def in_bulk(ground, user):
    done = ground.scim.post("/Bulk", {"schemas": [BULK], "Operations": [
        {"method": "PATCH", "path": f"/Users/{user}", "data": {"Operations": [
            {"op": "replace", "value": {"active": False}}]}}]}).expect(200)
    assert done["Operations"][0]["status"] == "200"
    return done


@pytest.mark.parametrize("door", [by_patch, by_put, in_bulk])
def test_the_last_manager_is_deactivated(ground, receiver, door):
    user = ground.user(displayName="Jun Seo")
    groups = sorted(ground.organization(managers=[user["id"]])["id"] for _ in range(2))
    answer = door(ground, user["id"])
    eventually(lambda: len(receiver.of(user["id"])) == 2)
    posts = receiver.of(user["id"])
    assert sorted(p.notice["organization"]["value"] for p in posts) == groups
    for post in posts:
        assert post.is_signed() and post.notice["event"] == "vacant-seat"
        assert post.notice["user"]["display"] == "Jun Seo" and post.notice["user"]["userName"] == user["userName"]
        assert post.notice["requestId"] == answer.headers["X-Request-Id"]


def test_a_seat_that_somebody_else_keeps_is_not_told(ground, told):
    users = [ground.user()["id"] for _ in range(3)]
    ground.organization(managers=users[:2], members=users[2:])
    for user in (users[2], users[0]):
        ground.scim.patch(f"/Users/{user}", OFF).expect(200)
    assert told() == []


def test_a_seat_is_told_vacant_once(ground, receiver, told):
    """Deactivated, deactivated again, and deleted (KB-R19): vacant all the time."""
    user, member = ground.user()["id"], ground.user()["id"]
    group = ground.organization(managers=[user], members=[member])["id"]
    ground.scim.patch(f"/Users/{user}", OFF).expect(200)
    receiver.first(user)
    ground.scim.patch(f"/Users/{user}", OFF, ("replace", "title", "gone")).expect(200)
    ground.scim.delete(f"/Users/{user}").expect(204)
    ground.scim.patch(f"/Users/{member}", OFF).expect(200)
    ground.scim.patch(f"/Groups/{group}", ("remove", f'members[value eq "{member}"]')).expect(200, 204)
    assert brief(told()) == [("vacant-seat", group, user)]


def test_an_inactive_last_manager_who_is_removed_is_not_told_again(ground, receiver, told):
    user = ground.user()["id"]
    group = ground.organization(managers=[user])["id"]
    ground.scim.patch(f"/Users/{user}", OFF).expect(200)
    receiver.first(user)
    ground.scim.delete(f"/Memberships/{group}.{user}").expect(204)
    assert brief(told()) == [("vacant-seat", group, user)]


def test_all_managers_who_go_at_once_are_one_vacant_seat(ground, told):
    users = [ground.user()["id"] for _ in range(4)]
    group = ground.organization(managers=users)["id"]
    ground.scim.post("/Bulk", {"schemas": [BULK], "Operations": [
        {"method": "PATCH", "path": f"/Users/{u}", "data": {"Operations": [
            {"op": "replace", "path": "active", "value": False}]}} for u in users]}).expect(200)
    assert [(n["event"], n["organization"]["value"]) for n in told()] == [("vacant-seat", group)]


def test_a_seat_that_is_filled_at_once_is_not_told(ground, told):
    user, heir = ground.user()["id"], ground.user()["id"]
    group = ground.organization(managers=[user], members=[heir])["id"]
    ground.scim.post("/Bulk", {"schemas": [BULK], "Operations": [
        {"method": "PATCH", "path": f"/Users/{user}", "data": {"Operations": [
            {"op": "replace", "path": "active", "value": False}]}},
        {"method": "PATCH", "path": f"/Groups/{group}", "data": {"Operations": [
            {"op": "add", "path": MANAGERS, "value": [{"value": heir}]}]}}]}).expect(200)
    assert told() == []


def test_a_refused_deactivation_is_not_told(ground, told):
    user = ground.user()["id"]
    ground.organization(managers=[user])
    ground.scim.patch(f"/Users/{user}", OFF, headers={"If-Match": 'W/"0"'}).expect(412)
    ground.scim.delete(f"/Users/{user}").expect(409)
    assert told() == []


def removal(ground, group, user):
    return ground.scim.patch(f"/Groups/{group}", ("remove", f'members[value eq "{user}"]'))


def demotion(ground, group, user):
    return ground.scim.patch(f"/Groups/{group}", ("remove", f'{MANAGERS}[value eq "{user}"]'))


def deletion(ground, _, user):
    return ground.scim.delete(f"/Users/{user}")


@pytest.mark.parametrize("goes", [removal, demotion, deletion])
def test_the_other_manager_is_deactivated_by_another_hand_meanwhile(ground, told, goes):
    """No modify can prove who else is active: both may go, and then somebody must be told."""
    one, other = ground.user()["id"], ground.user()["id"]
    group = ground.organization(managers=[one, other])["id"]
    view = ground.view()
    dn = view.by_id(other)[0]
    trap = ground.proxy.before_request("modify", action=lambda: view.modify(dn, ("replace", "kiopsActive", "FALSE")))
    goes(ground, group, one).expect(200, 204)
    assert trap.sprung.is_set()
    assert brief(told()) == [("vacant-seat", group, one)]


def test_a_deactivation_whose_answer_was_lost_is_told(ground, told):
    user = ground.user()["id"]
    group = ground.organization(managers=[user])["id"]

    def refuse():
        ground.proxy.refusing = True

    trap = ground.proxy.lose_answer("modify", action=refuse)
    ground.scim.patch(f"/Users/{user}", OFF).expect(503)
    assert trap.sprung.is_set()
    ground.proxy.refusing = False
    assert brief(told()) == [("vacant-seat", group, user)]


def test_a_request_whose_answer_was_lost_is_told(ground, told):
    group, user = ground.organization()["id"], ground.user()["id"]

    def refuse():
        ground.proxy.refusing = True

    trap = ground.proxy.lose_answer("modify", action=refuse)
    ground.push.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(503)
    assert trap.sprung.is_set()
    ground.proxy.refusing = False
    assert brief(told()) == [("request", group, user)]


def test_what_another_program_does_is_not_told(ground, told):
    user, asker = ground.user()["id"], ground.user()["id"]
    group, view = ground.organization(managers=[user])["id"], ground.view()
    view.modify(view.by_id(user)[0], ("replace", "kiopsActive", "FALSE"))
    view.modify(view.by_id(asker)[0], ("add", "kiopsRequest", f"{group}:{time.strftime('%Y%m%d%H%M%SZ', time.gmtime())}.feedf00d"))
    eventually(lambda: KIOPS_USER in ground.scim.get(f"/Users/{asker}").json)
    assert told() == []


def test_of_several_bridges_the_one_that_made_the_change_tells(receiver, tmp_path, new_lab):
    pair = new_lab(bridges=2, bridge={"more": settings(receiver, tmp_path)})
    one, other = (pair.client(bridge=n) for n in range(2))
    users = [pair.user()["id"] for _ in range(3)]
    pair.organization(managers=users[:1])
    both = pair.organization(managers=users[1:])["id"]
    eventually(lambda: all(other.get(f"/Users/{u}").json.get(KIOPS_USER) for u in users))
    one.patch(f"/Users/{users[0]}", OFF).expect(200)
    receiver.first(users[0])
    one.patch(f"/Users/{users[1]}", OFF).expect(200)
    other.patch(f"/Users/{users[2]}", OFF).expect(200)
    eventually(lambda: receiver.of(users[1]) + receiver.of(users[2]))
    assert len(receiver.of(users[0])) == 1
    assert {p.notice["organization"]["value"] for p in receiver.of(users[1]) + receiver.of(users[2])} == {both}


def test_sent_notices_are_counted(ground, receiver):
    before = metric(ground.bridge, "kiops_webhook_sent_total")
    group, user = ground.organization()["id"], ground.user()["id"]
    by_members(ground, group, user)
    receiver.first(user)
    eventually(lambda: metric(ground.bridge, "kiops_webhook_sent_total") == before + 1)
    assert metric(ground.bridge, "kiops_webhook_queue") == 0
    assert metric(ground.bridge, "kiops_webhook_dropped_total") == metric(ground.bridge, "kiops_webhook_failed_total") == 0
