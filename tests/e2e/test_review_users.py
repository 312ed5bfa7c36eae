"""What happens around one user: names that are taken, protected or left over, and answers that are lost half-way."""

import ldap
import pytest
from checker import Picture
from kiopslab import site
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION, KIOPS_USER, USER

ROOT_PERSON = site.user_dn("root")
# The directory takes no title that begins with a small letter.
TITLES = {"modules": "moduleload constraint", "overlays": "overlay constraint\nconstraint_attribute title regex ^[A-Z]"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("review"), proxied=True, slapd=TITLES,
               bridge={"directory": f'  protected = [ "{ROOT_PERSON}" ];\n'})
    yield made
    made.close()


@pytest.fixture
def proxy(ground):
    yield ground.proxy
    ground.proxy.feed_lag = 0.0
    for traps in ground.proxy.traps.values():
        traps.clear()


def picture(lab):
    return Picture(lab.slapd.uri, site.ROOT, lab.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)


def sound(lab, group):
    """Nothing is wrong with that organization and its people."""
    assert not [f for f in picture(lab).findings(managed=[group["id"]]) if group["id"] in f]


def rename(lab, user, name, *more):
    return lab.scim.patch(f"/Users/{user['id']}", ("replace", "userName", name), *more)


def test_a_name_of_a_protected_person_takes_nothing_from_that_person(ground):
    view = ground.view()
    view.add(ROOT_PERSON, objectClass="inetOrgPerson", uid="root", cn="root", sn="root")
    view.modify(site.organization_dn("Project A"), ("add", "member", ROOT_PERSON))
    view.modify(site.ADMINS, ("add", "member", ROOT_PERSON))
    ground.scim.post("/Users", {"schemas": [USER], "userName": "root"}).expect(409)
    user = ground.user()
    rename(ground, user, "root").expect(409)
    assert ROOT_PERSON in view.get(site.organization_dn("Project A"))["member"]
    assert ROOT_PERSON in view.get(site.ADMINS)["member"]
    assert view.by_id(user["id"])[0] == site.user_dn(user["userName"])


def test_a_new_person_of_a_name_meets_no_last_cleaning_of_the_old_one(ground, proxy):
    """Between the deletion of an entry and the last search for its DN somebody else gets that DN."""
    old, keeper = ground.user(), ground.user()["id"]
    group = ground.organization(managers=[keeper], members=[old["id"]])
    view, dn = ground.view(), site.user_dn(old["userName"])

    def reborn():
        view.delete(dn)
        view.add(dn, objectClass=["inetOrgPerson", "kiopsUser"], uid=old["userName"], cn="new", sn="new",
                 kiopsJoined=f"{group['id']}:20260101000000Z.00000001")
        view.modify(site.organization_dn(group["displayName"]), ("add", "member", dn))

    proxy.before_request("delete", action=reborn)
    ground.scim.delete(f"/Users/{old['id']}").expect(204)
    assert dn in view.members(group["id"])


@pytest.mark.cell("KB-R16", "rename")
def test_renaming_a_platform_admin_keeps_the_role(ground):
    view, user = ground.view(), ground.user()
    dn, _ = view.by_id(user["id"])
    view.modify(dn, ("add", "kiopsJoined", "platform:20260101000000Z.0000000a"))
    view.modify(site.ADMINS, ("add", "member", dn))
    eventually(lambda: ground.scim.get(f"/Users/{user['id']}").json.get(KIOPS_USER, {}).get("platformRole"))
    renamed = rename(ground, user, f"renamed{ground.number()}").expect(200).json
    assert renamed[KIOPS_USER]["platformRole"] == "PlatformAdmin"
    members = view.get(site.ADMINS)["member"]
    assert site.user_dn(renamed["userName"]) in members and dn not in members


def test_renaming_with_a_lost_answer_keeps_the_memberships(ground, proxy):
    user, keeper = ground.user(), ground.user()["id"]
    group = ground.organization(managers=[keeper, user["id"]])
    trap = proxy.lose_answer("rename")
    name = f"renamed{ground.number()}"
    rename(ground, user, name).expect(200)
    assert trap.sprung.is_set()
    assert site.user_dn(name) in ground.view().members(group["id"])
    assert site.user_dn(name) in ground.view().members(group["id"], "owner")
    sound(ground, group)


def test_renaming_with_a_lost_answer_of_who_was_there_before_frees_the_old_name(ground, proxy):
    """Nobody asserted a name of theirs."""
    uid, view = f"foreign{ground.number()}", ground.view()
    view.add(site.user_dn(uid), objectClass="inetOrgPerson", uid=uid, cn=uid, sn=uid)
    user = eventually(lambda: ground.scim.find("Users", f'userName eq "{uid}"'))[0]
    trap = proxy.lose_answer("rename")
    rename(ground, user, f"{uid}-new").expect(200)
    assert trap.sprung.is_set() and view.get(site.user_dn(f"{uid}-new"))["uid"] == [f"{uid}-new"]
    ground.scim.post("/Users", {"schemas": [USER], "userName": uid}).expect(201)


@pytest.mark.parametrize("how", ["lose_answer", "cut_request"])
@pytest.mark.parametrize("passing", [0, 1, 2])
def test_renaming_with_a_modify_lost_on_the_way_mends_all_groups(ground, proxy, how, passing):
    user, keeper = ground.user(), ground.user()["id"]
    groups = [ground.organization(managers=[keeper, user["id"]]) for _ in range(2)]
    trap = getattr(proxy, how)("modify", passing=passing)
    name = f"renamed{ground.number()}"
    rename(ground, user, name).expect(200)
    assert trap.sprung.is_set()
    for group in groups:
        assert site.user_dn(name) in ground.view().members(group["id"])
        assert site.user_dn(name) in ground.view().members(group["id"], "owner")
        assert site.user_dn(user["userName"]) not in ground.view().members(group["id"])
        assert ground.scim.get(f"/Groups/{group['id']}")["members"]


def test_what_is_refused_after_the_renaming_takes_the_name_back(ground):
    """One refusal, nothing written: the directory takes the name and refuses the rest, so the name goes back."""
    user, keeper = ground.user(), ground.user()["id"]
    group = ground.organization(managers=[keeper], members=[user["id"]])
    rename(ground, user, f"renamed{ground.number()}", ("add", "title", "refused")).expect(400)
    dn, _ = ground.view().by_id(user["id"])
    assert dn == site.user_dn(user["userName"])
    assert dn in ground.view().members(group["id"])
    assert ground.scim.get(f"/Users/{user['id']}")["userName"] == user["userName"]


def test_a_taken_name_leaves_the_password_as_it_was(ground):
    taken, user = ground.user(), ground.user(password="first-Password-1")
    answer = rename(ground, user, taken["userName"], ("replace", "password", "second-Password-2"))
    answer.expect(409)
    ground.view(site.user_dn(user["userName"]), "first-Password-1")
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        ground.view(site.user_dn(user["userName"]), "second-Password-2")


@pytest.mark.cell("KB-R21", "rename")
@pytest.mark.cell("KB-R03", "rename")
def test_a_renaming_inherits_nothing_that_was_left_for_that_name(ground):
    view, keeper, user = ground.view(), ground.user()["id"], ground.user()
    group = ground.organization(managers=[keeper])
    name = f"ghost{ground.number()}"
    view.modify(site.organization_dn(group["displayName"]), ("add", "member", site.user_dn(name)))
    view.modify(site.ADMINS, ("add", "member", site.user_dn(name)))
    rename(ground, user, name).expect(200)
    assert site.user_dn(name) not in view.members(group["id"])
    assert site.user_dn(name) not in view.get(site.ADMINS)["member"]


def test_after_a_lost_answer_the_change_is_shown_at_once(ground, proxy):
    user = ground.user()
    proxy.feed_lag = 3.0
    trap = proxy.lose_answer("modify")
    answer = ground.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", "Seen at once")).expect(200)
    assert trap.sprung.is_set() and answer["displayName"] == "Seen at once"


def test_if_match_and_a_new_password_go_together_when_the_entry_is_renamed(ground):
    user = ground.user()
    version = ground.scim.get(f"/Users/{user['id']}").etag
    answer = ground.scim.patch(f"/Users/{user['id']}", ("replace", "password", "third-Password-3"),
                               ("replace", "displayName", "With a password"), headers={"If-Match": version})
    answer.expect(200)
    ground.view(site.user_dn(user["userName"]), "third-Password-3")


def test_deleting_the_last_inactive_manager_leaves_the_seat_vacant(ground):
    user = ground.user()
    group = ground.organization(managers=[user["id"]])
    ground.scim.delete(f"/Users/{user['id']}").expect(409)
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "active", False)).expect(200)
    ground.scim.delete(f"/Users/{user['id']}").expect(204)
    entry = ground.view().get(site.organization_dn(group["displayName"]))
    assert entry["owner"] == [site.PLACEHOLDER] and entry["member"] == [site.PLACEHOLDER]
    # The seat is filled again by one request, whose modifies all pass.
    heir = ground.user()["id"]
    managers = f"{KIOPS_ORGANIZATION}:managers"
    ground.scim.patch(f"/Groups/{group['id']}", ("add", managers, [{"value": heir}])).expect(200)
    assert site.PLACEHOLDER not in ground.view().get(site.organization_dn(group["displayName"]))["owner"]
    sound(ground, group)


def test_deleting_a_user_who_is_renamed_meanwhile(ground, proxy):
    user, view = ground.user(), ground.view()
    old, name = site.user_dn(user["userName"]), f"moved{ground.number()}"
    trap = proxy.before_request("delete", action=lambda: view.link.rename_s(old, f"uid={name}"))
    ground.scim.delete(f"/Users/{user['id']}").expect(204)
    assert trap.sprung.is_set() and view.by_id(user["id"]) is None


def test_put_without_active_keeps_who_is_inactive_out(ground):
    user = ground.user(active=False)
    ground.scim.put(f"/Users/{user['id']}", {"schemas": [USER], "userName": user["userName"]}).expect(200)
    assert ground.scim.get(f"/Users/{user['id']}")["active"] is False
