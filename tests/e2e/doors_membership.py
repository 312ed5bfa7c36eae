"""Rows for the doors of memberships: POST, PUT, PATCH in its shapes, DELETE."""

from doors import NOBODY, case, delete, membership, patch, post, put


def at(organization, person):
    return f"/Memberships/{{{organization}}}.{{{person}}}"


def made(organization, person=None, **more):
    return post("/Memberships", membership(organization, person, **more))


POST_REFUSED = [case(r, "membership-post", actor, request, *answer) for r, actor, request, *answer in [
    (1, "admin", made("A", "out", role="Viewer"), 400, 1), (1, "admin", made("A", "out", role="manager"), 400, 1),
    (2, "mina", made("A", "out", role="Manager"), 403, 21), (2, "mina", made("A", "lee", role="Manager"), 403, 21),
    (3, "mina", made("A", "out", role="PlatformAdmin"), 403, 21), (3, "mina", made("A", "ada", permissions=["vpn"]), 403, 21),
    (4, "ada", made("B", "ada"), 403, 11), (4, "ada", made("A", "ada", role="Manager"), 409, 11), (4, "mina", made("A", "mina", permissions=["vpn"]), 409, 11),
    (4, "out", made("A", role="Manager"), 403, 4), (4, "out", made("A", permissions=["vpn"]), 403, 4),
    (5, "mina", made("B", "out"), 404), (5, "manager-a", made("B", "lee"), 404), (5, "mina", made("B", "mina", role="Manager"), 403, 11),
    (6, "mina", made("A", "matteo", permissions=["vpn"]), 403, 21),
    (7, "admin", made("B", "jun", role="Member"), 409), (8, "mina", made("A", "matteo", role="Member"), 403, 21),
    (9, "kim", made("A", "out"), 403, 9), (9, "reader", made("A", "out"), 403, 9), (9, "member-a", made("A", "out"), 403, 9),
    (9, "out", made("A", "lee"), 403, 9),
    (10, "admin", made("A", "out", role="Manager", permissions=["vpn", "root"]), 400, 14),
    (10, "admin", made("A", "out", role="Viewer", permissions=["vpn"]), 400, 1), (10, "asker", made("A", "out", permissions=["vpn"]), 409, 10),
    (11, "noa", made("A"), 409, 11), (11, "kim", made("A"), 409, 11), (11, "lee", made("B"), 403, 11), (11, "noa", made("B", "noa"), 403, 11),
    (13, "jun", made("A", "sora"), 403, 9),
    (14, "admin", made("A", "out", permissions=["root"]), 400, 14), (14, "admin", made("A", "out", permissions=["VPN"]), 400, 14),
    (16, "admin", made("A", "ada", role="Member"), 409), (17, "mina", post("/Memberships", {**membership("A", "mina"), "organization": {"value": NOBODY}}), 404),
    (18, "mina", post("/Memberships", {**membership("A"), "user": {"value": NOBODY}}), 403, 21),
    (19, "admin", made("V", "gone", role="Member"), 409),
    (21, "mina", made("A", "out"), 403, 21), (21, "manager-a", made("A", "sora"), 403, 21), (21, "mina", made("A", "noa"), 403, 21),
    (53, "manager-a", made("B", "lee", role="Manager"), 404), (53, "mina", made("A", "ada", role="Member"), 403, 21),
]]
POST_DONE = [case(r, "membership-post", actor, request, 201, **then) for r, actor, request, then in [
    ((10, 21), "admin", made("A", "out"), {"out": "A=Member"}), (10, "admin", made("A", "out", role="Manager", permissions=["vpn"]), {"out": "A=Manager+vpn"}),
    (13, "admin", made("B", "lee", role="Manager"), {"lee": "A=Member B=Manager"}),
    (16, "admin", made("B", "ada"), {"ada": "A=Member B=Member platform platform-value"}),
    (20, "asker", made("A", "out"), {"out": "A=asks"}), (20, "asker", made("A", "rex"), {"rex": "A=rejected"}),
    (11, "asker", made("A", "noa"), {"noa": "A=asks"}), (11, "out", made("A"), {"out": "A=asks"}),
    (54, "admin", made("A", "noa"), {"noa": "A=Member"}), (12, "admin", made("V", "kim"), {"kim": "A=Member+vpn B=Member+infra V=Member"}),
]]


def shapes(name, value):
    """A new value of `role`, `status` or `permissions`."""
    values = value if isinstance(value, list) else [value]
    yield [("replace", name, value)]
    yield [("Replace", None, {name: value})]
    yield [("add", name, value)]
    yield [("replace", f"urn:kiops:params:scim:schemas:core:2.0:Membership:{name}", value)]
    yield [("replace", None, {f"urn:kiops:params:scim:schemas:core:2.0:Membership:{name}": value})]
    if name == "permissions":
        yield [("Add", name, [{"value": v} for v in values])]
        yield [("remove", 'permissions[value eq "audit"]'), ("add", name, value)]


# Refused through PUT and every shape of PATCH: rules, actor, organization, person, attribute, value, status, rule.
VALUES = [
    (1, "admin", "A", "lee", "role", "Viewer", 400, 1), (1, "mina", "A", "lee", "role", "manager", 400, 1),
    (2, "mina", "A", "lee", "role", "Manager", 403, 2), (2, "manager-a", "A", "kim", "role", "Manager", 403, 2),
    (3, "mina", "A", "lee", "role", "PlatformAdmin", 403, 3), (3, "mina", "A", "ada", "permissions", ["vpn"], 403, 3),
    (4, "mina", "A", "mina", "permissions", ["vpn"], 403, 4), (4, "mina", "A", "mina", "role", "Member", 403, 4),
    (4, "ada", "A", "ada", "role", "Manager", 403, 4), (4, "ada", "A", "ada", "permissions", ["vpn"], 403, 4),
    (5, "mina", "B", "sora", "permissions", ["vpn"], 404), (5, "manager-a", "B", "kim", "role", "Manager", 404),
    (6, "mina", "A", "matteo", "permissions", ["vpn"], 403, 6), (6, "manager-a", "A", "matteo", "permissions", ["vpn", "backup"], 403, 6),
    (7, "admin", "B", "jun", "role", "Member", 409, 7), (7, "manager-b", "B", "jun", "role", "Member", 409, 7),
    (9, "kim", "A", "lee", "role", "Manager", 404), (4, "kim", "A", "kim", "role", "Manager", 403, 4), (9, "reader", "A", "lee", "permissions", ["vpn"], 403, 9),
    (9, "member-a", "A", "lee", "permissions", ["vpn"], 404),
    (11, "mina", "A", "rex", "status", "active", 409, 11), (11, "noa", "A", "noa", "status", "active", 403, 4),
    (13, "jun", "A", "jun", "permissions", ["vpn"], 403, 4), (13, "jun", "A", "lee", "permissions", ["vpn"], 404), (14, "admin", "A", "lee", "permissions", ["root"], 400, 14),
    (14, "mina", "A", "lee", "permissions", ["VPN"], 400, 14), (16, "admin", "A", "ada", "role", "Member", 409, 16),
    (19, "admin", "V", "gone", "role", "Member", 409, 7),
    (53, "mina", "A", "mina", "role", "PlatformAdmin", 403, 4), (53, "manager-a", "B", "lee", "role", "Manager", 404),
    (53, "manager-a", "A", "ada", "role", "Member", 403, 3), (54, "mina", "A", "rex", "status", "active", 409, 11),
]
SEVERAL = [  # attributes together: one refusal refuses all
    (10, "mina", "A", "noa", {"status": "active", "role": "Manager"}, 403, 2),
    (10, "mina", "A", "lee", {"permissions": ["vpn", "root"]}, 400, 14),
    (10, "mina", "A", "lee", {"permissions": ["vpn"], "role": "Manager"}, 403, 2),
    (12, "mina", "B", "kim", {"permissions": []}, 404),
]
VALUES_REFUSED = [
    *[case(r, "membership-put", actor, put(at(o, p), membership(o, p, **{name: value})), *answer) for r, actor, o, p, name, value, *answer in VALUES],
    *[case(r, "membership-patch", actor, patch(at(o, p), *shape), *answer)
      for r, actor, o, p, name, value, *answer in VALUES for shape in shapes(name, value)],
    *[row for r, actor, o, p, values, *answer in SEVERAL for row in (
        case(r, "membership-put", actor, put(at(o, p), membership(o, p, **values)), *answer),
        case(r, "membership-patch", actor, patch(at(o, p), ("replace", None, values)), *answer),
        case(r, "membership-patch", actor, patch(at(o, p), *[("replace", n, v) for n, v in values.items()]), *answer))],
    *[case(r, "membership-patch", actor, patch(at(o, p), operation), *answer) for r, actor, o, p, operation, *answer in [
        (17, "mina", "A", "lee", ("replace", "organization.display", "Chief"), 400), (18, "mina", "A", "lee", ("replace", "user.userName", "chief"), 400),
        (19, "mina", "A", "lee", ("replace", "user.active", False), 400), (5, "mina", "A", "lee", ("replace", "organization.value", "{B}"), 400),
        (21, "mina", "A", "lee", ("replace", "user.value", "{out}"), 400), (21, "mina", "A", "out", ("replace", "status", "active"), 404)]],
    *[case(r, "membership-put", actor, put(at(o, p), body), *answer) for r, actor, o, p, body, *answer in [
        (5, "mina", "A", "lee", membership("B", "lee"), 400), (21, "mina", "A", "lee", membership("A", "out"), 400),
        (21, "mina", "A", "out", membership("A", "out", status="active"), 404)]],
]
VALUES_DONE = [row for r, actor, o, p, values, then in [
    (6, "mina", "A", "lee", {"permissions": ["vpn"]}, {"lee": "A=Member+vpn"}),
    (6, "ada", "A", "matteo", {"role": "Member"}, {"matteo": "A=Member+backup"}),
    (6, "admin", "A", "kim", {"role": "Manager"}, {"kim": "A=Manager+vpn B=Member+infra"}),
    (8, "mina", "A", "matteo", {"role": "Member"}, {"matteo": "A=Member+backup"}),
    (10, "mina", "A", "noa", {"status": "active"}, {"noa": "A=Member"}),
    (12, "mina", "A", "kim", {"permissions": ["audit"]}, {"kim": "A=Member+audit B=Member+infra"}),
    (13, "admin", "B", "kim", {"role": "Manager"}, {"kim": "A=Member+vpn B=Manager+infra"}),
    (19, "admin", "V", "gone", {"permissions": ["vpn"]}, {"gone": "V=Manager+vpn inactive"}),
    (20, "asker", "A", "noa", {"status": "active"}, {"noa": "A=Member"}),
    (54, "mina", "A", "noa", {"status": "active"}, {"noa": "A=Member"}),
] for row in (case(r, "membership-put", actor, put(at(o, p), membership(o, p, **values)), 200, **then),
              case(r, "membership-patch", actor, patch(at(o, p), *[("replace", n, v) for n, v in values.items()]), 200, **then))] + [
    case(r, "membership-put", "mina", put(at("A", "lee"), membership("A", "lee") | values), 200, lee="A=Member") for r, values in [
        (17, {"organization": {"value": "{A}", "display": "Chief"}}), (18, {"user": {"value": "{lee}", "userName": "chief"}}),
        (19, {"user": {"value": "{lee}", "active": False}})]]

DELETE_REFUSED = [case(r, "membership-delete", actor, delete(at(o, p)), *answer) for r, actor, o, p, *answer in [
    (3, "mina", "A", "ada", 403, 3), (3, "manager-a", "A", "ada", 403, 3), (4, "mina", "A", "mina", 403, 4), (4, "ada", "A", "ada", 403, 4),
    (5, "mina", "B", "sora", 404), (5, "manager-a", "B", "kim", 404), (7, "admin", "B", "jun", 409, 7), (7, "manager-b", "B", "jun", 409, 7),
    (4, "kim", "A", "kim", 403, 4), (9, "kim", "A", "lee", 404), (9, "reader", "A", "lee", 403, 9), (9, "member-a", "A", "lee", 404),
    (11, "mina", "A", "rex", 404), (13, "jun", "A", "lee", 404), (17, "mina", "New", "mina", 404), (18, "mina", "A", "out", 404),
    (20, "careful", "A", "kim", 409, 20), (53, "manager-a", "B", "jun", 404), (53, "mina", "A", "ada", 403, 3), (54, "mina", "A", "rex", 404),
    (21, "mina", "A", "out", 404),
]]
DELETE_DONE = [case(r, "membership-delete", actor, delete(at(o, p)), 204, **then) for r, actor, o, p, then in [
    ((5, 12), "mina", "A", "kim", {"kim": "B=Member+infra"}), (6, "admin", "A", "matteo", {"matteo": ""}), (8, "mina", "A", "matteo", {"matteo": ""}),
    (11, "noa", "A", "noa", {"noa": ""}), (13, "admin", "A", "jun", {"jun": "B=Manager"}), (16, "admin", "A", "ada", {"ada": "platform platform-value"}),
    (19, "admin", "V", "gone", {"gone": "inactive"}), (54, "mina", "A", "noa", {"noa": "A=rejected"}),
]]

REFUSED = POST_REFUSED + VALUES_REFUSED + DELETE_REFUSED
DONE = POST_DONE + VALUES_DONE + DELETE_DONE
