"""References between the operations of a bulk (RFC 7644 3.7.2): lines 194 to 196 of the checklist."""

import pytest
from tenant import Tenant
from test_scim_bulk import add_members, failed, group, id_of, manager, manager_of, patch, send, statuses, user


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.mark.line(194)
def test_references_in_members_manager_and_path(ground):
    a, b, team = ground.name(), ground.name(), ground.name("Team ")
    answers = send(
        ground.scim, user("boss", a), user("u", b, **manager("bulkId:boss")), group("g", team, "bulkId:u"),
        patch("/Groups/bulkId:g", add_members("bulkId:boss")), patch("/Users/bulkId:u", {"op": "add", "path": "title", "value": "T"}),
        patch("/Groups/bulkId:g", {"op": "remove", "path": 'members[value eq "bulkId:u"]'}))
    assert statuses(answers) == ["201", "201", "201", "200", "200", "200"]
    boss, kim, hull = map(id_of, answers[:3])
    assert manager_of(ground, kim) == boss and ground.members(hull) == {boss} and ground.entry(kim)["title"] == ["T"]
    assert answers[3]["location"] == f"{ground.scim.url}/Groups/{hull}"


@pytest.mark.line(194)
def test_forward_references(ground):
    a, b = ground.name(), ground.name()
    answers = send(
        ground.scim, patch("/Groups/bulkId:g", add_members("bulkId:later")), group("g", ground.name("Team "), "bulkId:u"),
        user("u", a, **manager("bulkId:later")), user("later", b))
    assert statuses(answers) == ["200", "201", "201", "201"] and [x["method"] for x in answers] == ["PATCH", "POST", "POST", "POST"]
    hull, kim, later = map(id_of, answers[1:])
    assert ground.members(hull) == {kim, later} and manager_of(ground, kim) == later


@pytest.mark.line(194)
@pytest.mark.parametrize("member", [
    {"value": "bulkId:u"}, {"$ref": "../Users/bulkId:u"}, {"VALUE": "BULKID:u"}, {"value": "bulkId:u", "type": "User"}], ids=str)
def test_ways_to_write_a_member(ground, member):
    team = group("g", ground.name("Team "))
    team["data"]["Members"] = [member]
    del team["data"]["members"]
    answers = send(ground.scim, team, user("u", ground.name()))
    assert statuses(answers) == ["201", "201"] and ground.members(id_of(answers[0])) == {id_of(answers[1])}


@pytest.mark.line(194)
def test_only_references_are_references(ground):
    answers = send(ground.scim, user("u", ground.name(), displayName="bulkId:u", title="bulkId:nobody"))
    assert statuses(answers) == ["201"]
    assert ground.entry(id_of(answers[0]))["displayName"] == ["bulkId:u"]


@pytest.mark.line(195)
def test_users_in_a_circle_are_made_and_then_refer(ground):
    names = [ground.name() for _ in range(4)]
    answers = send(ground.scim, user("a", names[0], **manager("bulkId:b")), user("b", names[1], **manager("bulkId:c")),
                   user("c", names[2], **manager("bulkId:a")), user("self", names[3], **manager("bulkId:self")),
                   group("g", ground.name("Team "), "bulkId:a", "bulkId:c"))
    assert statuses(answers) == ["201"] * 5
    a, b, c, own, hull = map(id_of, answers)
    assert [manager_of(ground, x) for x in (a, b, c, own)] == [b, c, a, own] and ground.members(hull) == {a, c}
    assert answers[0]["version"] == ground.scim.get(f"/Users/{a}").etag


@pytest.mark.line(195)
def test_a_circle_of_which_one_cannot_be_made(ground):
    kim = ground.hire()
    taken, name = ground.entry(kim)["uid"][0], ground.name()
    answers = send(ground.scim, user("a", name, **manager("bulkId:b")), user("b", taken, **manager("bulkId:a")))
    failed(answers[1], 409, "uniqueness")
    error = failed(answers[0], 400, "invalidValue")
    assert "made without" in error["detail"]
    assert ground.entry(id_of(answers[0]))["uid"] == [name] and manager_of(ground, id_of(answers[0])) is None


@pytest.mark.line(195)
def test_groups_in_a_circle_are_409(ground):
    names = [ground.name("Team ") for _ in range(4)]
    answers = send(ground.scim, group("a", names[0], "bulkId:b"), group("b", names[1], "bulkId:a"), group("c", names[2], "bulkId:c"),
                   group("d", names[3]), patch("/Groups/bulkId:a", {"op": "add", "path": "displayName", "value": "x"}))
    for answer in answers[:3]:
        failed(answer, 409)
    assert answers[3]["status"] == "201"
    failed(answers[4], 400, "invalidValue")
    for name in names[:3]:
        assert ground.scim.find("Groups", f'displayName eq "{name}"') == []


@pytest.mark.line(196)
def test_references_to_nothing(ground):
    kim, name = ground.hire(), ground.name()
    taken = ground.entry(kim)["uid"][0]
    answers = send(
        ground.scim, group("g", ground.name("Team "), "bulkId:nobody"), patch("/Groups/bulkId:nobody", add_members(kim)),
        user("u", taken), group("h", ground.name("Team "), kim, "bulkId:u"), patch("/Users/bulkId:u", {"op": "remove", "path": "title"}),
        {"method": "DELETE", "path": f"/Users/{kim}", "bulkId": "gone"}, user("v", name, **manager("bulkId:gone")))
    assert statuses(answers) == ["400", "400", "409", "400", "400", "204", "400"]
    for at in (0, 1, 3, 4, 6):
        failed(answers[at], 400, "invalidValue")
    assert all("bulkId:u is referred to, and its operation failed" in answers[at]["response"]["detail"] for at in (3, 4))
    assert "nobody" in answers[0]["response"]["detail"] and "location" not in answers[0]


@pytest.mark.line(195, 197)
def test_a_circle_that_is_cut_by_it_is_no_success(ground):
    kim = ground.hire()
    taken, name = ground.entry(kim)["uid"][0], ground.name()
    answers = send(ground.scim, user("a", name, **manager("bulkId:b")), user("x", taken), user("b", ground.name(), **manager("bulkId:a")),
                   failOnErrors=1)
    assert statuses(answers) == ["400", "409"]
    assert "made without the reference" in failed(answers[0], 400, "invalidValue")["detail"]
    assert ground.entry(id_of(answers[0]))["uid"] == [name] and manager_of(ground, id_of(answers[0])) is None
