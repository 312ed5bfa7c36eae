"""Answers that are cut, limited or refused in part, and data that is odd (faults.md 7, 15, 19, 22, 27, 51)."""

import pytest
from faults import SHORT, live, unavailable
from kiopslab import site
from lab import Lab, eventually

NOBODY = 'userName eq "nobody at all"'


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("answers"), proxied=True, bridge={"directory": SHORT})
    yield made
    made.close()


@pytest.fixture
def proxy(ground):
    yield ground.proxy
    ground.proxy.sliced, ground.proxy.codes = False, {}


def dn_of(view, user):
    return view.by_id(user["id"])[0]


def test_07_answers_byte_by_byte_are_the_same_answers(ground, proxy):
    proxy.sliced = True
    proxy.reset()
    user = ground.user(displayName="Sliced")
    group = ground.organization(members=[user["id"]])
    live(ground)
    assert [m["value"] for m in ground.scim.get(f"/Groups/{group['id']}")["members"]] == [user["id"]]
    ground.scim.get("/Users", filter=NOBODY).expect(200)


@pytest.mark.parametrize("code", [3, 4, 11])
@pytest.mark.line("A27")
def test_15_a_limit_of_the_server_is_no_absence(ground, proxy, code):
    total = ground.scim.get("/Users", count=0)["totalResults"]
    user = ground.user()
    proxy.codes = {"search": code}
    unavailable(lambda: ground.scim.get("/Users", filter=NOBODY))
    unavailable(lambda: ground.scim.get("/Users/00000000-0000-4000-8000-000000000000"))
    unavailable(lambda: ground.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", "Unread")))
    proxy.reset()  # the feed begins again, and cannot
    eventually(lambda: "limits dn.exact" in ground.bridge.process.log_text())
    assert ground.scim.get("/Users", count=0)["totalResults"] == total + 1, "nothing is taken for deleted"
    proxy.codes = {}
    live(ground)


def test_19_one_of_many_members_comes_and_goes(ground):
    user, admin = ground.user(), ground.view()
    group = ground.organization()
    dn = dn_of(admin, group)
    admin.modify(dn, ("add", "member", [site.user_dn(f"many{n}") for n in range(5000)]))
    ground.scim.patch(f"/Groups/{group['id']}", ("add", "members", [{"value": user["id"]}])).expect(200)
    assert len(admin.get(dn)["member"]) == 5002, "the others, the new one and the placeholder"
    assert "members" not in ground.scim.get(f"/Groups/{group['id']}", excludedAttributes="members").expect(200).json
    ground.scim.patch(f"/Groups/{group['id']}", ("remove", f'members[value eq "{user["id"]}"]')).expect(200)
    assert len(admin.get(dn)["member"]) == 5001


def test_22_two_entries_with_one_mail_address_are_two_people(ground):
    admin, mail = ground.view(), "twice@example.org"
    one, two = ground.user(), ground.user()
    for user in (one, two):
        admin.modify(dn_of(admin, user), ("replace", "mail", mail))
    found = eventually(lambda: (a := ground.scim.get("/Users", filter=f'emails.value eq "{mail}"'))["totalResults"] == 2 and a)
    assert {u["id"] for u in found["Resources"]} == {one["id"], two["id"]}
    ground.scim.patch(f"/Users/{one['id']}", ("replace", "displayName", "One")).expect(200)
    assert "displayName" not in ground.scim.get(f"/Users/{two['id']}").json


def test_27_a_right_that_is_missing_for_one_attribute_applies_nothing(ground):
    """Both in one LDAP modify: the directory makes all of it or none."""
    user, admin = ground.user(displayName="Before"), ground.view()
    ground.reconfigure(("add", "olcAccess", f'{{0}}to attrs=title by dn.exact="{site.BRIDGE}" read by * none'))
    try:
        answer = unavailable(lambda: ground.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", "After"),
                                                       ("replace", "title", "Forbidden")))
        assert "lacks a right" in answer["detail"]
        entry = admin.get(dn_of(admin, user))
        assert entry["displayName"] == ["Before"] and "title" not in entry
        assert ground.scim.get(f"/Users/{user['id']}")["displayName"] == "Before"
    finally:
        ground.reconfigure(("delete", "olcAccess", "{0}"))
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", "Allowed")).expect(200)


def test_51_an_attribute_that_has_become_many_is_shown_the_same_way_each_time(ground):
    user, admin = ground.user(), ground.view()
    dn = dn_of(admin, user)
    admin.modify(dn, ("add", "title", ["Second", "First"]), ("add", "title;lang-de", "Dritte"))
    admin.modify(dn, ("add", "jpegPhoto", b"\xff\xd8\xff\xe0\0\x10JFIF\0"))
    first = eventually(lambda: (a := ground.scim.get(f"/Users/{user['id']}")).json.get("title") and a)
    assert first["title"] in ("First", "Second")
    ground.proxy.reset()
    live(ground)
    again = ground.scim.get(f"/Users/{user['id']}")
    assert again.json == first.json and again.etag == first.etag
    before = admin.version(dn)
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", first["title"])).expect(200, 204)
    assert set(admin.get(dn)["title"]) >= {first["title"]} and admin.get(dn)["title;lang-de"] == ["Dritte"]
    assert admin.version(dn) == before, "to say what is there changes nothing"
