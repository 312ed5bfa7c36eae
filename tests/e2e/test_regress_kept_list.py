"""A long list is kept for its next page: for the same question to the same type, and for no other."""

import pytest
from kiopslab import site

FILTERS = {"/Users": "(objectClass=inetOrgPerson)", "/Groups": "(objectClass=kiopsOrganization)",
           "/": "(|(objectClass=inetOrgPerson)(objectClass=kiopsOrganization))"}

KINDS = {"/Users": {"User"}, "/Groups": {"Group"}, "/Memberships": {"Membership"}, "/": {"User", "Group"}}


@pytest.mark.parametrize("query", ["?sortBy=meta.created&count=5", "?filter=meta.created%20pr&count=5",
                                   "?filter=meta.created%20pr&count=5&cursor"])
def test_the_list_of_one_type_is_never_answered_for_another(new_lab, query):
    lab = new_lab(users=400, organizations=300)
    memberships = lab.scim.get("/Memberships", count=0)["totalResults"]
    assert memberships > 300
    for order in (("/Users", "/Groups", "/Memberships", "/"), ("/", "/Memberships", "/Groups", "/Users")):
        for path in order:
            page = lab.scim.get(path + query).expect(200).json
            kinds = {one["meta"]["resourceType"] for one in page["Resources"]}
            assert kinds <= KINDS[path], path
            total = len(lab.view().find(site.BASE, FILTERS[path])) if path in FILTERS else memberships
            assert page["totalResults"] == total, path

