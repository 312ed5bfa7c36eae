"""One request that makes a new Manager and takes the only old one: found by test_property_groups.py as a 409 half-way."""

import pytest
from scim import GROUP, KIOPS_ORGANIZATION

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


def ids(items):
    return sorted(m["value"] for m in items)


@pytest.mark.parametrize("new_is_member", [True, False])
@pytest.mark.parametrize("old_stays_member", [True, False])
@pytest.mark.parametrize("method", ["put", "patch"])
def test_the_only_manager_hands_over_in_one_request(lab, method, old_stays_member, new_is_member):
    old, new = lab.user()["id"], lab.user()["id"]
    group = lab.organization(members=[new] if new_is_member else [], managers=[old])
    members = [new, old] if old_stays_member else [new]
    path, listed = f"/Groups/{group['id']}", [{"value": user} for user in members]
    if method == "put":
        answer = lab.scim.put(path, {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": group["displayName"], "members": listed,
                                     KIOPS_ORGANIZATION: {"managers": [{"value": new}]}})
    else:
        answer = lab.scim.patch(path, ("replace", "members", listed), ("replace", MANAGERS, [{"value": new}]))
    assert ids(answer.expect(200)[KIOPS_ORGANIZATION]["managers"]) == [new]
    assert ids(lab.scim.get(path)["members"]) == sorted(members)
    assert lab.view().members(group["id"], "owner") == {lab.view().by_id(new)[0]}
