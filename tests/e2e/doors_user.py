"""Rows for the doors of users: PUT, PATCH in every shape, POST with what is nested, core roles, a new name, deletion."""

from doors import case, delete, memberships, patch, post, put, roles, user
from scim import KIOPS_USER, USER

ROLE = f"{KIOPS_USER}:memberships"
INACTIVE = {"active": False}
APPROVED = memberships("{A}", status="active")


def patches(attributes):
    """The same wish in the shapes that are sent: operations of each."""
    pairs = [(name, value) for name, value in attributes.items()]
    words = [(name, str(value) if isinstance(value, bool) else value) for name, value in pairs]
    yield [("replace", *pair) for pair in pairs]
    yield [("replace", None, attributes)]
    yield [("Add", *pair) for pair in words]
    yield [("Replace", None, dict(words))]
    yield [("replace", f"{USER}:{name}", value) for name, value in pairs]
    yield [("replace", None, {f"{USER}:{name}": value for name, value in pairs})]
    yield [("replace", "title", "Welder"), *[("replace", *pair) for pair in pairs]]
    if "roles" in attributes:
        wish = attributes["roles"][-1]["value"]
        yield [("add", 'roles[primary eq "True"].value', wish)]
        yield [("add", "roles", attributes["roles"][-1])]


# Refused through PUT and through every shape of PATCH: rules, actor, whom, what, status, rule.
RECORDS = [
    (1, "roles", "lee", roles("Viewer"), 400, 1), (1, "roles", "lee", roles("manager@{A}"), 400, 1),
    (2, "mina", "lee", roles("Manager@{A}"), 403, 18), (2, "manager-a", "lee", roles("Manager@{A}"), 403, 18),
    (3, "mina", "lee", roles("PlatformAdmin"), 403, 18), (3, "mina", "ada", INACTIVE, 403, 18),
    (4, "ada", "ada", INACTIVE, 403, 4), (4, "mina", "mina", roles("Manager@{B}"), 403, 18),
    (5, "mina", "sora", INACTIVE, 404, None), (5, "manager-a", "sora", roles("Member@{A}"), 404, None),
    (6, "mina", "matteo", roles("vpn@{A}"), 403, 18),
    (8, "mina", "matteo", roles("Member@{A}"), 403, 18),
    (9, "kim", "lee", INACTIVE, 403, 9), (9, "reader", "lee", INACTIVE, 403, 9), (9, "kim", "kim", {"title": "Chief"}, 403, 9),
    (10, "roles", "lee", roles("Member@{B}", "Viewer"), 400, 1),
    (14, "roles", "lee", roles("vpn@{A}"), 400, 1),
    (17, "roles", "lee", roles("Member@{New.name}"), 400, None),
    (18, "mina", "lee", {"title": "Chief"}, 403, 18),
    (21, "mina", "out", roles("Member@{A}"), 404, None),
    ((3, 53), "mina", "mina", roles("PlatformAdmin"), 403, 18), (53, "manager-a", "lee", {"displayName": "Chief"}, 403, 18),
    (54, "mina", "noa", roles("Member@{A}"), 403, 18),
]

RECORDS_REFUSED = [
    *[case(r, "user-put", actor, put(f"/Users/{{{who}}}", user(who, **what)), *answer) for r, actor, who, what, *answer in RECORDS],
    *[case(r, "user-patch", actor, patch(f"/Users/{{{who}}}", *shape), *answer)
      for r, actor, who, what, *answer in RECORDS for shape in patches(what)],
    *[case(r, "user-patch", actor, patch(f"/Users/{{{who}}}", *operations), *answer) for r, actor, who, operations, *answer in [
        (7, "roles", "jun", [("remove", 'roles[value eq "Manager@{B}"]')], 409, 7),
        (7, "roles", "jun", [("Remove", "roles", [{"value": "Manager@{B}"}])], 409, 7),
        (7, "roles", "jun", [("remove", "roles")], 409, 7),
        (12, "admin", "kim", [("remove", "groups")], 400),
        (12, "admin", "kim", [("remove", f'{ROLE}[value eq "{{A}}"]')], 400),
        (14, "admin", "lee", [("replace", f'{ROLE}[value eq "{{A}}"].permissions', ["root"])], 400),
        (6, "admin", "matteo", [("add", f'{ROLE}[value eq "{{A}}"].permissions', ["vpn"])], 400),
        (2, "admin", "lee", [("replace", f'{ROLE}[value eq "{{A}}"].role', "Manager")], 400),
        (3, "admin", "lee", [("replace", f"{KIOPS_USER}:platformRole", "PlatformAdmin")], 400),
        (16, "roles", "ada", [("remove", "roles")], 409, 16),
        (16, "roles", "ada", [("remove", 'roles[value eq "PlatformAdmin"]')], 409, 16),
        (54, "admin", "noa", [("replace", f'{ROLE}[value eq "{{A}}"].status', "active")], 400),
    ]],
]

# Done through PUT and through PATCH of path and value: what is written acts on nobody's role but as the rule says.
RECORDS_DONE = [
    row for r, actor, who, what, then in [
        (13, "roles", "out", roles("Manager@{A}", "Member@{B}"), {"out": "A=Manager B=Member"}),
        (11, "asker-roles", "noa", roles("Member@{A}"), {"noa": "A=asks"}),
        (11, "asker-roles", "lee", roles("Member@{A}"), {"lee": "A=Member"}),
        (16, "admin", "ada", INACTIVE, {"ada": "A=Member platform inactive"}),  # the group's side alone: no effect
        (19, "admin", "jun", INACTIVE, {"jun": "A=Member B=Manager inactive"}),
        (20, "asker-roles", "out", roles("Member@{A}"), {"out": "A=asks"}),
        (20, "asker-roles", "rex", roles("Member@{A}"), {"rex": "A=rejected"}),
        (7, "roles", "jun", roles(), {"jun": "A=Member B=Manager"}),
        (1, "admin", "lee", roles("PlatformAdmin", "Viewer", "Manager@{A}"), {"lee": "A=Member"}),
        (10, "roles", "out", roles("Member@{A}"), {"out": "A=Member"}),
    ] for row in (case(r, "user-put", actor, put(f"/Users/{{{who}}}", user(who, **what)), 200, **then),
                  case(r, "user-patch", actor, patch(f"/Users/{{{who}}}", *next(patches(what))), 200, **then))
] + [case(r, "user-put", "admin", put(f"/Users/{{{who}}}", user(who, **what)), 200, **then) for r, who, what, then in [
    (12, "kim", {"groups": [], KIOPS_USER: {"memberships": []}}, {"kim": "A=Member+vpn B=Member+infra"}),
    (6, "matteo", memberships("{A}", permissions=["vpn"]), {"matteo": "A=Manager+backup"}),
    (14, "lee", memberships("{A}", permissions=["root"]), {"lee": "A=Member"}),
    (54, "noa", APPROVED, {"noa": "A=asks"}),
]] + [case(54, "user-patch", "admin", patch("/Users/{noa}", ("replace", None, APPROVED)), 200, noa="A=asks")]


def new(**attributes):
    return post("/Users", user("new", **attributes))


CREATED_REFUSED = [case(r, "user-post", actor, request, *answer) for r, actor, request, *answer in [
    (1, "roles", new(**roles("Viewer")), 400, 1),
    (2, "mina", new(**roles("Manager@{A}")), 403, 18), (2, "manager-a", new(**roles("Manager@{A}")), 403, 18),
    (3, "mina", new(**roles("PlatformAdmin")), 403, 18),
    (4, "ada", post("/Users", user("ada", **roles("Manager@{A}"))), 409),
    (5, "mina", new(**roles("Manager@{B}")), 403, 18),
    (7, "roles", post("/Users", user("jun", **roles())), 409),
    (8, "mina", post("/Users", user("matteo", **roles("Member@{A}"))), 403, 18),
    (9, "kim", new(), 403, 9), (9, "reader", new(), 403, 9), (9, "member-a", new(groups=[{"value": "{A}"}]), 403, 9),
    (10, "roles", new(**roles("Member@{B}", "Viewer")), 400, 1),
    (12, "admin", post("/Users", user("kim", groups=[])), 409),
    (16, "admin", post("/Users", user("ada", **INACTIVE)), 409),
    (17, "roles", new(**roles("Member@{New.name}")), 400),
    (18, "mina", new(), 403, 18),
    (19, "admin", post("/Users", user("jun", **INACTIVE)), 409),
    (21, "mina", new(groups=[{"value": "{A}"}], **roles("Member@{A}")), 403, 18),
    (53, "mina", new(groups=[{"value": "{A}"}], **roles("PlatformAdmin")), 403, 18),
    (53, "manager-a", new(**roles("Manager@{B}")), 403, 18),
]]

CREATED_DONE = [case(r, "user-post", actor, new(**what), 201, new=then) for r, actor, what, then in [
    (1, "admin", roles("PlatformAdmin", "Viewer", "Manager@{A}"), ""),
    (6, "admin", memberships("{A}", permissions=["vpn"]), ""),
    (3, "admin", {KIOPS_USER: {"platformRole": "PlatformAdmin"}}, ""),
    ((10, 21), "admin", {"groups": [{"value": "{A}"}]}, ""),
    (10, "roles", roles("Member@{A}") | memberships("{A}", permissions=["vpn"]), "A=Member"),
    (11, "asker-roles", roles("Member@{B}"), "B=asks"),
    (13, "roles", roles("Manager@{A}", "Member@{B}"), "A=Manager B=Member"),
    (14, "admin", memberships("{A}", permissions=["root"]), ""),
    (20, "asker-roles", roles("Member@{A}"), "A=asks"),
    (54, "admin", APPROVED, ""),
]]


def granted(who, *values):
    return patch(f"/Users/{{{who}}}", ("add", "roles", [{"value": value} for value in values]))


def taken(who, value):
    return patch(f"/Users/{{{who}}}", ("remove", f'roles[value eq "{value}"]'))


CORE_ROLES_REFUSED = [case(r, "core-roles", actor, request, *answer) for r, actor, request, *answer in [
    (2, "mina", granted("lee", "Manager@{A}"), 403, 18), (3, "mina", granted("lee", "PlatformAdmin"), 403, 18),
    (5, "mina", taken("sora", "Member@{B}"), 404), (7, "roles", taken("jun", "Manager@{B}"), 409, 7),
    (9, "kim", granted("lee", "Manager@{A}"), 403, 9),
    (9, "reader", granted("lee", "Member@{B}"), 403, 9), (14, "roles", granted("lee", "vpn@{A}"), 400, 1),
    (16, "roles", taken("ada", "PlatformAdmin"), 409, 16), (17, "roles", granted("lee", "Manager@{New.name}"), 400),
    (20, "careful", taken("kim", "Member@{A}"), 409, 20), (18, "mina", granted("lee", "Welder"), 403, 18), (19, "roles", taken("gone", "Manager@{V}"), 409, 7),
    (21, "mina", granted("out", "Member@{A}"), 404), (53, "mina", granted("mina", "PlatformAdmin"), 403, 18),
]]
CORE_ROLES_DONE = [case(r, "core-roles", actor, request, 200, **then) for r, actor, request, then in [
    (4, "ada", granted("ada", "Manager@{A}"), {"ada": "A=Member platform platform-value"}),
    (7, "roles", taken("jun", "Member@{B}"), {"jun": "A=Member B=Manager"}),  # the Manager's role is named otherwise
    (8, "roles", taken("mina", "Manager@{A}"), {"mina": "A=Member"}),
    (11, "asker-roles", granted("noa", "Member@{A}"), {"noa": "A=asks"}),
    (19, "roles", granted("lee", "Manager@{V}"), {"lee": "A=Member V=Manager"}),
    (54, "roles", granted("noa", "Member@{A}"), {"noa": "A=Member"}),
]]


def renamed(who, *more):
    return patch(f"/Users/{{{who}}}", ("replace", "userName", "{moved.name}"), *more)


def called(organization, name="{Moved.name}"):
    return patch(f"/Groups/{{{organization}}}", ("replace", "displayName", name))


RENAMED_REFUSED = [case(r, "rename", actor, request, *answer) for r, actor, request, *answer in [
    (1, "roles", renamed("lee", ("add", "roles", [{"value": "Viewer"}])), 400, 1),
    (10, "roles", renamed("lee", ("add", "roles", [{"value": "Member@{B}"}, {"value": "Viewer"}])), 400, 1),
    (2, "mina", renamed("lee", ("add", "roles", [{"value": "Manager@{A}"}])), 403, 18), (3, "mina", renamed("ada"), 403, 18),
    (5, "mina", called("B"), 404), (5, "manager-a", called("B"), 404), (9, "kim", called("A"), 403, 9),
    (9, "kim", renamed("kim"), 403, 9), (9, "reader", called("A"), 403, 9), (17, "mina", called("A", "{B.name}"), 409),
    (18, "mina", renamed("kim"), 403, 18), (21, "mina", renamed("out"), 404), (53, "mina", called("B", "{A.name}"), 404),
    (53, "mina", renamed("mina"), 403, 18),
    (14, "admin", renamed("lee", ("add", f'{ROLE}[value eq "{{A}}"].permissions', ["root"])), 400),
]]
RENAMED_DONE = [case(r, "rename", actor, request, 200, **then) for r, actor, request, then in [
    (4, "ada", renamed("ada"), {"ada": "A=Member platform platform-value"}),
    ((6, 12, 13), "admin", renamed("kim"), {"kim": "A=Member+vpn B=Member+infra"}),
    ((7, 13), "admin", renamed("jun"), {"jun": "A=Member B=Manager"}), (8, "admin", renamed("matteo"), {"matteo": "A=Manager+backup"}),
    (11, "admin", renamed("noa"), {"noa": "A=asks"}), (20, "asker", renamed("rex"), {"rex": "A=rejected"}),
    (16, "admin", renamed("ada"), {"ada": "A=Member platform platform-value"}),
    (19, "admin", renamed("gone"), {"gone": "V=Manager inactive"}), (17, "mina", called("A"), {"A": "Moved open"}),
]]


def gone(*names):
    return {name: None for name in names}


DELETED_REFUSED = [case(r, "delete", actor, delete(path), *answer) for r, actor, path, *answer in [
    (3, "mina", "/Users/{ada}", 403, 18), (4, "ada", "/Users/{ada}", 403, 4), (4, "ada", "/Me", 403, 4),
    (4, "mina", "/Users/{mina}", 403, 4), (5, "mina", "/Groups/{B}", 404), (5, "mina", "/Users/{sora}", 404),
    (7, "admin", "/Users/{jun}", 409, 7), (9, "kim", "/Groups/{A}", 403, 9), (9, "kim", "/Users/{lee}", 403, 9),
    (9, "reader", "/Users/{lee}", 403, 9), (9, "member-a", "/Groups/{A}", 403, 9), (16, "admin", "/Users/{ada}", 409, 16),
    (17, "mina", "/Groups/{A}", 403, 17), (17, "manager-a", "/Groups/{A}", 403, 17), (18, "mina", "/Users/{lee}", 403, 18),
    (53, "manager-a", "/Users/{ada}", 403, 18), (53, "manager-a", "/Groups/{B}", 404), (53, "mina", "/Users/{matteo}", 403, 18),
]]
DELETED_DONE = [case(r, "delete", "admin", delete(path), 204, **then) for r, path, then in [
    (8, "/Users/{mina}", gone("mina")), (19, "/Users/{gone}", gone("gone")), (12, "/Users/{kim}", gone("kim")),
]]

REFUSED = RECORDS_REFUSED + CREATED_REFUSED + CORE_ROLES_REFUSED + RENAMED_REFUSED + DELETED_REFUSED
DONE = RECORDS_DONE + CREATED_DONE + CORE_ROLES_DONE + RENAMED_DONE + DELETED_DONE
