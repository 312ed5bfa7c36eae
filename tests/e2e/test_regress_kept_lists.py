"""A list that is kept for the next page belongs to its endpoint: the same filter elsewhere is another list."""

import pytest

FILTER = 'meta.lastModified ge "2001-01-01T00:00:00Z"'


@pytest.mark.parametrize("first, second", [("Users", "Groups"), ("Groups", "Users")])
def test_the_list_of_one_endpoint_is_not_shown_at_the_other(new_lab, first, second):
    lab = new_lab(users=300, organizations=300)
    for query in ({"filter": FILTER}, {"filter": FILTER, "sortBy": "meta.lastModified"}):
        for kind in (first, second):
            page = lab.scim.get(f"/{kind}", count=1, **query).expect(200)
            assert page["Resources"][0]["meta"]["resourceType"] == kind.removesuffix("s")
