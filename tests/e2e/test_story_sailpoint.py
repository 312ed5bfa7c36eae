"""SailPoint's SCIM 2.0 connector (idp-profiles.md section 8). Every request quotes its line; what it did is read from
slapd."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from scim import ENTERPRISE, USER
from story import SAME, Oddity, Story

DISCOVERY = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User", "/ResourceTypes/Group"]
ODDITIES = (
    *(Oddity(f"140: {path} is read", lambda s, path=path: s.path == path, SAME) for path in DISCOVERY),
    Oddity("141: aggregation by pages", lambda s: s.is_on("GET", "Users") and "count=" in s.path, SAME),
    Oddity("142: one request for each member", lambda s: s.is_on("PATCH", "Groups") and len(s.operations) == 1 and
           len(s.operations[0]["value"]) == 1, SAME),
    Oddity("141: an attribute by its full name", lambda s: any(
        o.get("path", "").startswith("urn:") for o in s.operations), SAME),
)


class Account:
    """Line 140: the account schema, made from discovery alone."""

    def __init__(self, s):
        config, types, schemas, user, group = (s.scim.get(path).expect(200).json for path in DISCOVERY)
        self.patch = config["patch"]["supported"]
        by_id = {schema["id"]: schema for schema in schemas["Resources"]}
        assert user in types["Resources"] and group in types["Resources"]
        self.urns = [user["schema"], *(e["schema"] for e in user["schemaExtensions"])]
        self.names = {urn: {a["name"]: a for a in by_id[urn]["attributes"]} for urn in self.urns}
        self.group_urns = {group["schema"], *(e["schema"] for e in group["schemaExtensions"])}

    def check(self, resource):
        """Line 140: `schemas` on every listed resource, and nothing in it that discovery did not announce."""
        assert set(resource["schemas"]) <= set(self.urns) and resource["id"]
        core = self.names[self.urns[0]]
        for name, value in resource.items():
            known = self.names.get(name) or (core[name].get("subAttributes") if name in core else None)
            assert name in ("schemas", "id", "externalId", "meta") or name in core or name in self.names, name
            if name in self.names:
                assert name in resource["schemas"] and set(value) <= set(known)
            elif isinstance(value, list) and known:
                assert all(set(item) <= {sub["name"] for sub in known} for item in value), name


def person(user_name, **more):
    """Line 140: with the extension that discovery announced."""
    return {"schemas": [USER, ENTERPRISE], "userName": user_name, "externalId": f"sp-{user_name}", "active": True,
            "displayName": "Ann Kiop", "name": {"givenName": "Ann", "familyName": "Kiop"},
            "emails": [{"value": f"{user_name}@corp.example", "type": "work", "primary": True}],
            ENTERPRISE: {"department": "Hull", "employeeNumber": "77"}} | more


def entitle(s, op, group, user):
    """Lines 141, 142: an entitlement is a group; one request for each member."""
    return s.scim.patch(f"/Groups/{group}", (op, "members", [{"value": user}])).expect(200)


def test_a_person_from_discovery_to_removal(lab):
    s = Story(lab, "sailpoint", ODDITIES)
    # 140: discovery first, the account schema from it.
    account = Account(s)
    assert [sent.path for sent in s.scim.sent] == DISCOVERY and account.patch
    assert ENTERPRISE in account.urns and "department" in account.names[ENTERPRISE]
    # 141: made, looked up, a duplicate refused.
    name = s.name()
    assert s.scim.find("Users", f'userName eq "{name}"') == []
    ann = s.scim.post("/Users", person(name)).expect(201)["id"]
    s.holds(ann, uid=name, sn="Kiop", departmentNumber="Hull", employeeNumber="77")
    assert s.scim.post("/Users", person(name)).expect(409)["scimType"] == "uniqueness"
    # 141: aggregation of accounts and of groups; 140: `schemas` on each.
    hull, deck = s.group(), s.group()
    for one in s.pages("Users", count=5):
        account.check(one)
    for one in s.pages("Groups", count=5):
        assert set(one["schemas"]) <= account.group_urns
    found = s.scim.get("/Users", filter=f'userName sw "{name}"', startIndex=1, count=50).expect(200)["Resources"]
    assert [u["id"] for u in found] == [ann]
    account.check(s.scim.get(f"/Users/{ann}").expect(200).json)
    # 141: the entitlement, and it shows in the account.
    entitle(s, "add", hull, ann)
    assert s.members(hull) == {ann}
    assert [g["value"] for g in s.scim.get(f"/Users/{ann}")["groups"]] == [hull]
    # 141: renamed and changed by PATCH.
    s.scim.patch(f"/Users/{ann}", ("replace", "userName", "x" + name), ("replace", "name.familyName", "Berg"),
                 ("replace", f"{ENTERPRISE}:department", "Deck")).expect(200)
    s.holds(ann, uid="x" + name, sn="Berg", departmentNumber="Deck")
    # 141: moved.
    entitle(s, "remove", hull, ann)
    entitle(s, "add", deck, ann)
    assert (s.members(hull), s.members(deck)) == (set(), {ann})
    # 141: disabled, enabled, a new password.
    for active in (False, True):
        s.scim.patch(f"/Users/{ann}", ("replace", "active", active)).expect(200)
        assert s.is_active(ann) == active and s.members(deck) == {ann}
    s.scim.patch(f"/Users/{ann}", ("replace", "password", "Secret-3 for Ann")).expect(200)
    s.lab.view(s.dn(ann), "Secret-3 for Ann")
    # 141, with PATCH set off.
    s.scim.put(f"/Users/{ann}", person("x" + name, displayName="Ann B")).expect(200)
    s.holds(ann, displayName="Ann B", uid="x" + name)
    # Removed.
    s.scim.delete(f"/Users/{ann}").expect(204)
    assert (s.entry(ann), s.members(deck)) == (None, set())
    s.scim.delete(f"/Groups/{deck}").expect(204)
    assert s.entry(deck) is None
    s.finish()


@pytest.mark.parametrize("op", ["add", "remove"])
def test_a_burst_of_single_members_in_parallel_is_done_whole(lab, op):
    """Line 142: it does not repeat after 429, so a burst waits and is not refused."""
    s = Story(lab, "sailpoint", ())
    users = [s.hire() for _ in range(40)]
    groups = [s.group(users if op == "remove" else ()) for _ in range(2)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda pair: s.scim.patch(f"/Groups/{pair[0]}", (op, "members", [{"value": pair[1]}])),
                                [(group, user) for user in users for group in groups]))
    assert {a.status for a in answers} == {200}
    for group in groups:
        assert s.members(group) == (set(users) if op == "add" else set())
        assert {m["value"] for m in s.scim.get(f"/Groups/{group}")["members"]} == s.members(group)
