"""Deletions and renames of a person beside what others do to them meanwhile (DESIGN 3.3): what was begun is ended or says what was
done, and no value is left that names nobody. The proxy holds our request until the other change is made."""

import pytest
from kiopslab import site
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION
from test_preconditions import Company, stamp, tool_during

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("deletions"), proxied=True)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_trap_stays(ground):
    yield
    ground.proxy.traps["request"].clear()


@pytest.fixture
def companies(ground):
    return [Company(ground) for _ in range(2)]


def promote(company, user):
    company.lab.scim.patch(company.path, ("add", MANAGERS, [{"value": user}])).expect(200)


def add(company, user):
    company.lab.scim.patch(company.path, ("add", "members", [{"value": user}])).expect(200)


def grant(company, user):
    company.lab.scim.patch(f"/Memberships/{company.group}.{user}", ("add", "permissions", ["vpn"])).expect(200)


def delete(lab, user):
    return lab.scim.delete(f"/Users/{user}")


def is_out(company, user, dn=None):
    """Nothing on either side."""
    found = company.view.by_id(user)
    dn = dn or found[0]
    assert not {dn} & (company.view.members(company.group) | company.view.members(company.group, "owner"))
    for attribute in ("kiopsJoined", "kiopsManager", "kiopsPermission", "kiopsRequest") if found else ():
        assert not company.values(user, attribute), attribute
    company.is_sound()


@pytest.mark.parametrize("passing", range(6))
def test_a_person_is_deleted_beside_an_organization(ground, passing):
    """404 would mean that the person is gone; they were still there, with all they may do."""
    company, user = Company(ground), ground.user()["id"]
    add(company, user)
    dn, group = company.dn(user), company.view.by_id(company.group)[0]
    trap = ground.proxy.before_request("search", passing=passing, action=lambda: company.view.delete(group))
    delete(ground, user).expect(204)
    assert trap.sprung.is_set() and not company.view.get(dn)


def test_a_deletion_refused_half_way_leaves_no_half_membership(ground, companies):
    """The other Manager of the second organization resigns when the first one is left already."""
    first, second = companies
    third, user = Company(ground), ground.user()["id"]
    for company in (*companies, third):
        add(company, user)
        grant(company, user)
    for company in companies:
        promote(company, user)
    ground.scim.patch(second.path, ("remove", f'{MANAGERS}[value eq "{second.first}"]')).expect(200)
    trap = ground.proxy.before_request("modify", passing=3, action=lambda: second.resign(second.second))
    answer = delete(ground, user).expect(409)
    assert trap.sprung.is_set() and answer.rule == "KB-R07"
    assert "2 changes of this request are made" in answer["detail"], answer.text
    is_out(first, user)
    dn = second.dn(user)
    assert dn in second.view.members(second.group, "owner") and second.values(user, "kiopsManager")
    assert dn in third.view.members(third.group)
    assert third.values(user, "kiopsJoined") and third.values(user, "kiopsPermission"), "not begun there"
    promote(second, second.second)
    delete(ground, user).expect(204)
    for company in (*companies, third):
        is_out(company, user, dn)


def test_a_deletion_refused_after_the_persons_own_values_went_ends_what_it_began(ground, companies):
    """Made the only Manager elsewhere, when the values are gone and the membership is not yet."""
    first, second = companies
    user = ground.user()["id"]
    add(first, user)

    def meanwhile():
        dn = second.dn(user)
        for boss in (second.first, second.second):
            second.leave(boss)
        second.join(user)
        second.view.modify(dn, ("add", "kiopsManager", second.group))
        second.view.modify(second.dn(second.group), ("add", "owner", dn))
        first.view.modify(first.dn(first.group), ("add", "owner", dn))

    trap = ground.proxy.before_request("modify", passing=1, action=meanwhile)
    answer = delete(ground, user).expect(409)
    assert trap.sprung.is_set() and answer.rule == "KB-R07"
    assert "changes of this request are made" in answer["detail"], answer.text
    is_out(first, user)
    assert second.dn(user) in second.view.members(second.group, "owner") and second.values(user, "kiopsManager")


def test_a_removal_that_is_refused_half_way_says_what_went(ground, companies):
    """A Manager's permissions go before the organization decides."""
    company = companies[0]
    grant(company, company.first)
    trap = ground.proxy.before_request("modify", passing=1, action=lambda: company.resign(company.second))
    answer = ground.scim.patch(company.path, ("remove", f'members[value eq "{company.first}"]')).expect(409)
    assert trap.sprung.is_set() and answer.rule == "KB-R07"
    assert not company.values(company.first, "kiopsPermission")
    assert "changes of this request are made, and permissions taken" in answer["detail"], answer.text


def test_the_last_search_of_a_deletion_beside_a_promotion(ground, companies):
    """A promotion that is on its way makes an owner between the search and the modify."""
    company = companies[0]
    dn, group = company.dn(company.member), company.dn(company.group)
    again = ground.proxy.before_request("delete", action=lambda: company.view.modify(group, ("add", "member", dn)))
    trap = ground.proxy.before_request("modify", passing=2, action=lambda: company.view.modify(group, ("add", "owner", dn)))
    delete(ground, company.member).expect(204)
    assert again.sprung.is_set() and trap.sprung.is_set()
    is_out(company, company.member, dn)


@pytest.mark.parametrize("becomes", ["deleted", "renamed again"])
def test_a_rename_whose_person_is_gone_when_the_groups_follow(ground, companies, becomes):
    user, names = ground.user()["id"], [f"followed{ground.number()}" for _ in range(2)]
    for company in companies:
        add(company, user)
    old, new, last = companies[0].dn(user), *map(site.user_dn, names)
    view = companies[0].view

    def meanwhile():
        view.delete(new) if becomes == "deleted" else view.link.rename_s(new, f"uid={names[1]}")

    trap = ground.proxy.before_request("modify", passing=1, action=meanwhile)
    answer = ground.scim.patch(f"/Users/{user}", ("replace", "userName", names[0]))
    assert trap.sprung.is_set() and answer.status == (404 if becomes == "deleted" else 200), answer.text
    for company in companies:
        members = company.view.members(company.group)
        assert not {old, new, last} & members if becomes == "deleted" else {old, new, last} & members == {company.dn(user)}
        company.is_sound()


def test_a_promotion_of_a_former_name_follows_the_rename(ground, companies):
    """Between the look at the group and its modify the name that is given up became an owner."""
    company = companies[0]
    old, name = company.dn(company.member), f"followed{ground.number()}"
    company.view.modify(old, ("add", "kiopsManager", company.group))
    group = company.dn(company.group)
    trap = ground.proxy.before_request("modify", action=lambda: company.view.modify(group, ("add", "owner", old)))
    ground.scim.patch(f"/Users/{company.member}", ("replace", "userName", name)).expect(200)
    assert trap.sprung.is_set()
    owners = company.view.members(company.group, "owner")
    assert old not in owners and site.user_dn(name) in owners
    company.is_sound()


def test_the_last_manager_under_a_former_name_is_not_deleted(ground):
    """A rename that was cut off: the group still names the Manager as they were called before."""
    user = ground.user()
    group, view = ground.organization(managers=[user["id"]])["id"], ground.view()
    name = f"followed{ground.number()}"
    view.link.rename_s(site.user_dn(user["userName"]), f"uid={name}")
    eventually(lambda: ground.scim.get(f"/Users/{user['id']}")["userName"] == name)
    assert delete(ground, user["id"]).expect(409).rule == "KB-R07"
    assert view.members(group, "owner") == {site.user_dn(name)}


def test_who_is_deactivated_while_made_platform_admin(companies):
    """The person's side went between the two steps: no DN stays in the platform group without it."""
    company = companies[0]
    user = company.lab.user()["id"]
    dn = company.dn(user)

    def deactivated():
        company.view.modify(dn, ("replace", "kiopsActive", "FALSE"), ("delete", "kiopsJoined", None))

    words = tool_during(company, deactivated, "token:e2e", "make-admin", user, "-", passing=1)
    assert words.startswith("conflict KB-R16"), words
    assert dn not in company.view.get(site.ADMINS)["member"]


@pytest.mark.parametrize("before", ["being made", "made already, and once more"])
def test_who_is_made_platform_admin_while_a_person_deactivates_them(ground, before):
    """The person's side is there, the group's comes when the deactivation has looked for it, or taken it."""
    user, view = ground.user()["id"], ground.view()
    dn, twice = view.by_id(user)[0], before != "being made"
    view.modify(dn, ("add", "kiopsJoined", stamp("platform")))
    if twice:
        view.modify(site.ADMINS, ("add", "member", dn))
    again = ground.proxy.before_request("modify", passing=int(twice), action=lambda: view.modify(site.ADMINS, ("add", "member", dn)))
    ground.person("ada").patch(f"/Users/{user}", ("replace", "active", False)).expect(200)
    assert again.sprung.is_set() and dn not in view.get(site.ADMINS)["member"]
    assert "kiopsJoined" not in view.get(dn)
