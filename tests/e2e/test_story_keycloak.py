"""Keycloak's two SCIM plugins (idp-profiles.md section 4): line 116 is mitodl/keycloak-scim, line 117
suvera/keycloak-scim2-storage. What each request did is read from slapd."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from scim import GROUP, PATCH, USER, Scim
from story import SAME, Oddity, Story, in_operation
from tenant import Tenant

MITODL = (
    Oddity("116: members, displayName and externalId replaced in one PATCH", lambda s: {"members", "displayName",
           "externalId"} == {o.get("path") for o in s.operations if o["op"] == "replace"}, SAME),
    Oddity("116: members removed without a value", in_operation(
        lambda o: o == {"op": "remove", "path": "members"}), SAME),
    Oddity("116: a relative $ref", lambda s: '"$ref": "Users/' in str(s.body).replace("'", '"'), SAME),
    Oddity("116: application/json", lambda s: s.headers.get("Content-Type") == "application/json" and
           s.is_on("POST", "Users"), SAME),
)


class Plugin:
    """mitodl's: whatever it sends is application/json, and each answer with a body has the type it was told."""

    def __init__(self, story):
        self.story = story

    def call(self, method, path, body=None):
        answer = self.story.scim.call(method, path, body, content_type="application/json")
        assert not answer.text or answer.headers["Content-Type"] == "application/scim+json"
        return answer

    def patch_group(self, group, users, **names):
        """Line 116: everything replaced; an empty group is a remove without value."""
        members = [{"value": user, "$ref": f"Users/{user}"} for user in users]
        first = {"op": "replace", "path": "members", "value": members} if users else {"op": "remove", "path": "members"}
        rest = [{"op": "replace", "path": path, "value": value} for path, value in names.items()]
        return self.call("PATCH", f"/Groups/{group}", {"schemas": [PATCH], "Operations": [first, *rest]}).expect(200, 204)


def person(user_name, **more):
    """Line 116."""
    return {"schemas": [USER], "userName": user_name, "externalId": f"kc-{user_name}", "active": True,
            "displayName": "Ann Kiop", "name": {"givenName": "Ann", "familyName": "Kiop"},
            "emails": [{"value": f"{user_name}@corp.example", "primary": True}]} | more


def test_mitodl_a_person_from_registration_to_removal(lab):
    k = Story(lab, "keycloak", MITODL)
    plugin = Plugin(k)
    name = k.name()
    # 116: no discovery, no look-up: POST on the event; a repeat after a time-out is a clean 409.
    ann = plugin.call("POST", "/Users", person(name)).expect(201)["id"]
    k.holds(ann, uid=name, sn="Kiop", mail=f"{name}@corp.example")
    for _ in range(2):
        refused = plugin.call("POST", "/Users", person(name)).expect(409)
        assert refused["scimType"] == "uniqueness" and refused["detail"]
    assert len(k.view.find("dc=example,dc=org", f"(uid={name})")) == 1
    # 116: a group made, then replaced with its members, its name and its externalId.
    kim = plugin.call("POST", "/Users", person(k.name())).expect(201)["id"]
    hull, deck = (plugin.call("POST", "/Groups", {"schemas": [GROUP], "displayName": k.name(n), "externalId": n,
                                                  "members": []}).expect(201)["id"] for n in ("Hull ", "Deck "))
    new_name = k.name("Keel ")
    plugin.patch_group(hull, [ann, kim], displayName=new_name, externalId="kc-1")
    assert (k.members(hull), k.entry(hull)["cn"], k.external_id(hull)) == ({ann, kim}, [new_name], "kc-1")
    # 116: moved: the one group is replaced without him, the other with him.
    plugin.patch_group(hull, [kim], displayName=new_name, externalId="kc-1")
    plugin.patch_group(deck, [ann], displayName=k.entry(deck)["cn"][0], externalId="kc-2")
    assert (k.members(hull), k.members(deck)) == ({kim}, {ann})
    # 116: the last one leaves: members removed without value is all of them.
    plugin.patch_group(hull, [])
    assert k.members(hull) == set() and "kiopsJoined" not in k.entry(kim)
    # 116: group PUT instead of PATCH.
    plugin.call("PUT", f"/Groups/{hull}", {"schemas": [GROUP], "displayName": new_name, "externalId": "kc-1",
                                           "members": [{"value": kim, "$ref": f"Users/{kim}"}]}).expect(200)
    assert k.members(hull) == {kim}
    # 116: renamed, deactivated and activated again by PUT.
    married = person("x" + name, name={"givenName": "Ann", "familyName": "Berg"})
    plugin.call("PUT", f"/Users/{ann}", married).expect(200)
    k.holds(ann, uid="x" + name, sn="Berg")
    for active in (False, True):
        plugin.call("PUT", f"/Users/{ann}", married | {"active": active}).expect(200)
        assert k.is_active(ann) == active
    # 116, as an option: PATCH.
    plugin.call("PATCH", f"/Users/{ann}", {"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": "name.familyName", "value": "Kiop"}]}).expect(200)
    k.holds(ann, sn="Kiop")
    # 116: import reads the lists.
    assert {ann, kim} <= {u["id"] for u in k.pages("Users")} and {hull, deck} <= {g["id"] for g in k.pages("Groups")}
    # 116: removed; what is missing is a warning there.
    plugin.call("DELETE", f"/Users/{ann}").expect(204)
    plugin.call("DELETE", f"/Users/{ann}").expect(404)
    plugin.call("DELETE", f"/Groups/{deck}").expect(204)
    assert (k.entry(ann), k.entry(deck), k.members(hull)) == (None, None, {kim})
    k.finish()


def test_mitodl_ten_tries_at_once_make_one_person(lab):
    """Line 116: a slow POST is repeated up to ten times while the first may still run."""
    k = Story(lab, "keycloak", ())
    body = person(k.name())
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: Plugin(k).call("POST", "/Users", body), range(10)))
    assert sorted(a.status for a in answers) == [201] + [409] * 9
    assert {a["scimType"] for a in answers if a.status == 409} == {"uniqueness"}
    assert len(k.view.find("dc=example,dc=org", f"(uid={body['userName']})")) == 1


@pytest.mark.parametrize("how", ["stalled", "answer lost"])
def test_mitodl_a_post_that_ran_out_of_time_is_repeated_and_makes_one_person(new_lab, how):
    """Line 116: the client gives up, whatever became of its request, and sends it again."""
    lab = new_lab(proxied=True)
    k = Tenant(lab, "keycloak")
    body = person(k.name())
    impatient = Scim(k.scim.url, k.token, timeout=0.5)
    if how == "stalled":
        lab.proxy.stall()
    else:
        lab.proxy.lose_answer("add")
    try:
        impatient.post("/Users", body)
    except TimeoutError:
        pass
    lab.proxy.resume()
    answers = [k.scim.post("/Users", body).expect(201, 409) for _ in range(2)]
    assert answers[1].status == 409 and answers[1]["scimType"] == "uniqueness"
    found = k.view.find("dc=example,dc=org", f"(uid={body['userName']})")
    assert len(found) == 1
    listed = [u["id"] for u in k.scim.get("/Users", filter=f'externalId eq "{body["externalId"]}"')["Resources"]]
    assert listed == next(iter(found.values()))["entryUUID"]


SUVERA = (
    Oddity("117: discovery before anything else", lambda s: s.path == "/Schemas", SAME),
)


def test_suvera_checks_discovery_and_provisions(lab):
    k = Story(lab, "keycloak", SUVERA)
    # 117: on saving the configuration.
    config = k.scim.get("/ServiceProviderConfig").expect(200).json
    types = k.scim.get("/ResourceTypes").expect(200)["Resources"]
    schemas = k.scim.get("/Schemas").expect(200)["Resources"]
    known = {schema["id"] for schema in schemas}
    assert set(config["schemas"]) <= known  # (a)
    assert all(schema["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:Schema"] for schema in schemas)  # (b)
    assert {t["schema"] for t in types} | {e["schema"] for t in types for e in t.get("schemaExtensions", ())} <= known
    assert [s.path for s in k.scim.sent] == ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"]
    # 183: users made, looked up, changed, removed; a duplicate is 409.
    name = k.name()
    ann = k.scim.post("/Users", person(name)).expect(201)["id"]
    k.scim.post("/Users", person(name)).expect(409)
    assert [u["id"] for u in k.scim.find("Users", f'userName eq "{name}"')] == [ann]
    hull, deck = k.group(), k.group()
    k.scim.patch(f"/Groups/{hull}", ("add", "members", [{"value": ann}])).expect(200)
    assert k.members(hull) == {ann}
    k.scim.patch(f"/Groups/{hull}", ("remove", f'members[value eq "{ann}"]')).expect(200)
    k.scim.patch(f"/Groups/{deck}", ("add", "members", [{"value": ann}])).expect(200)
    assert (k.members(hull), k.members(deck)) == (set(), {ann})
    body = person("x" + name)
    k.scim.put(f"/Users/{ann}", body).expect(200)
    k.holds(ann, uid="x" + name)
    for active in (False, True):
        k.scim.put(f"/Users/{ann}", body | {"active": active}).expect(200)
        assert k.is_active(ann) == active
    k.scim.delete(f"/Users/{ann}").expect(204)
    assert (k.entry(ann), k.members(deck)) == (None, set())
    k.finish()
