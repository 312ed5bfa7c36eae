"""The feed is late: who asks for one entry by its key is answered by the directory, and never told that there is none."""

import pytest
from kiopslab import site
from tenant import Tenant


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True)
    made.proxy.feed_lag = 3.0
    yield made
    made.proxy.feed_lag = 0.0
    made.close()


@pytest.fixture(scope="module")
def unseen(late):
    """A person and an organization made past the bridge: {name: entry}."""
    view, person = late.view(), site.user_dn("unseen")
    view.add(person, objectClass=["inetOrgPerson", "kiopsUser"], uid="unseen", cn="u", sn="u",
             kiopsExternalId=f"{site.CLIENT}:x-1")
    view.add(site.organization_dn("Unseen"), objectClass=["groupOfNames", "kiopsOrganization"], cn="Unseen",
             member=site.PLACEHOLDER)
    return {dn: view.get(dn)["entryUUID"][0] for dn in (person, site.organization_dn("Unseen"))}


def test_by_user_name(late, unseen):
    assert [u["id"] for u in late.scim.find("Users", 'userName eq "UNSEEN"')] == [unseen[site.user_dn("unseen")]]


def test_by_external_id(late, unseen):
    assert [u["id"] for u in late.scim.find("Users", 'externalId eq "x-1"')] == [unseen[site.user_dn("unseen")]]


def test_by_display_name(late, unseen):
    found = late.scim.find("Groups", 'displayName eq "Unseen"')
    assert [g["id"] for g in found] == [unseen[site.organization_dn("Unseen")]]


def test_by_id(late):
    view = late.view()
    view.add(site.user_dn("second"), objectClass=["inetOrgPerson", "kiopsUser"], uid="second", cn="s", sn="s")
    scim_id = view.get(site.user_dn("second"))["entryUUID"][0]
    assert late.scim.get(f"/Users/{scim_id}").expect(200)["userName"] == "second"


# ---- permissions that are only given: memory is not read again first, and not believed where it says "held already"

@pytest.fixture(scope="module")
def ground(late):
    late.proxy.feed_lag = 0.0
    made = Tenant(late, "default")
    late.proxy.feed_lag = 3.0
    return made


@pytest.fixture
def member(late, ground):
    """A member as this bridge knows them, and what is done past it: (their membership, user, group, change)."""
    user = ground.hire()
    group = ground.group([user])

    def past_the_bridge(*changes):
        late.view().modify(ground.dn(user), *changes)

    return f"{group}.{user}", user, group, past_the_bridge


def held(ground, user):
    return sorted(v.split(":")[1] for v in ground.entry(user).get("kiopsPermission", ()))


def give(ground, membership, *permissions, op="add"):
    return ground.scim.patch(f"/Memberships/{membership}", (op, "permissions", list(permissions)))


def test_a_permission_that_only_memory_still_has_is_given(ground, member):
    membership, user, group, past_the_bridge = member
    give(ground, membership, "vpn").expect(200)
    past_the_bridge(("delete", "kiopsPermission", f"{group}:vpn"))
    assert give(ground, membership, "vpn", "audit").expect(200)["permissions"] == ["vpn", "audit"]
    assert held(ground, user) == ["audit", "vpn"]


def test_a_permission_that_memory_does_not_have_yet_is_shown(ground, member):
    membership, user, group, past_the_bridge = member
    past_the_bridge(("add", "kiopsPermission", f"{group}:vpn"))
    assert give(ground, membership, "vpn").expect(200)["permissions"] == ["vpn"]


def test_a_replace_takes_what_memory_does_not_have_yet(ground, member):
    membership, user, group, past_the_bridge = member
    past_the_bridge(("add", "kiopsPermission", f"{group}:vpn"))
    assert give(ground, membership, "audit", op="replace").expect(200)["permissions"] == ["audit"]
    assert held(ground, user) == ["audit"]


def test_nothing_is_given_to_who_has_gone(late, ground, member):
    membership, user, group, past_the_bridge = member
    joined = [v for v in ground.entry(user)["kiopsJoined"] if v.startswith(group)]
    past_the_bridge(*(("delete", "kiopsJoined", v) for v in joined))
    late.view().modify(late.view().by_id(group)[0], ("delete", "member", ground.dn(user)))
    give(ground, membership, "vpn").expect(404)
    assert held(ground, user) == []
