"""The feed is late: who asks for one entry by its key is answered by the directory, and never told that there is none."""

import pytest
from kiopslab import site


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
