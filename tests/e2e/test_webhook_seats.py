"""What the webhook is told of seats: each that became vacant through this bridge, and none twice."""

import pytest
from lab import eventually
from receiver import OFF, brief, ground, receiver, request_of, settings, told  # noqa: F401
from scim import KIOPS_ORGANIZATION, KIOPS_USER

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


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
    ground.scim.patch(f"/Users/{users[1]}", OFF, headers={"If-Match": 'W/"0"'}).expect(412)
    ground.scim.delete(f"/Users/{users[1]}").expect(409)
    assert told() == []


def test_a_seat_is_told_vacant_once(ground, receiver, told):
    """Its Manager deactivated, deactivated again, and deleted or removed (KB-R19); members go: vacant all the time."""
    deleted, removed, member = (ground.user()["id"] for _ in range(3))
    first, second = (ground.organization(managers=[u], members=[member])["id"] for u in (deleted, removed))
    for user in (deleted, removed):
        ground.scim.patch(f"/Users/{user}", OFF).expect(200)
    for user in (deleted, removed):
        receiver.first(user)
        ground.scim.patch(f"/Users/{user}", OFF, ("replace", "title", "gone")).expect(200)
    ground.scim.delete(f"/Users/{deleted}").expect(204)
    ground.scim.delete(f"/Memberships/{second}.{removed}").expect(204)
    ground.scim.patch(f"/Users/{member}", OFF).expect(200)
    ground.scim.patch(f"/Groups/{first}", ("remove", f'members[value eq "{member}"]')).expect(200, 204)
    assert brief(told()) == [("vacant-seat", first, deleted), ("vacant-seat", second, removed)]


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



def test_who_was_no_manager_leaves_no_seat(ground, receiver, told):
    """Named Manager by the own entry alone, in an organization whose seat is vacant."""
    boss, half = ground.user()["id"], ground.user()["id"]
    group, view = ground.organization(managers=[boss], members=[half])["id"], ground.view()
    ground.scim.patch(f"/Users/{boss}", OFF).expect(200)
    receiver.first(boss)
    view.modify(view.by_id(half)[0], ("add", "kiopsManager", group))
    ground.scim.patch(f"/Users/{half}", OFF).expect(200)
    assert brief(told()) == [("vacant-seat", group, boss)]



def test_what_another_program_does_is_not_told(ground, told):
    user, asker = ground.user()["id"], ground.user()["id"]
    group, view = ground.organization(managers=[user])["id"], ground.view()
    view.modify(view.by_id(user)[0], ("replace", "kiopsActive", "FALSE"))
    view.modify(view.by_id(asker)[0], ("add", "kiopsRequest", request_of(group)))
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
