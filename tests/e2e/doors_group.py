"""Rows for the doors of organizations: POST and PUT with members and managers, PATCH of either in every shape."""

from doors import MANAGERS, case, group, patch, people, post, put
from scim import KIOPS_ORGANIZATION

A = ["ada", "mina", "matteo", "jun", "kim", "lee", "past"]
B = ["jun", "kim", "sora", "past"]


def but(names, *out):
    return [name for name in names if name not in out]


def additions(path, who):
    """One more member or Manager, in the shapes that are sent."""
    yield [("add", path, people(who))]
    yield [("Add", path, people(who))]
    yield [("add", path, people(who)[0])]
    yield [("replace", f"{KIOPS_ORGANIZATION}:description", "x"), ("add", path, people(who))]
    if path == "members":
        yield [("add", None, {"members": people(who)})]
    else:
        yield [("add", None, {KIOPS_ORGANIZATION: {"managers": people(who)}})]
        yield [("add", None, {MANAGERS: people(who)})]
        yield [("Add", KIOPS_ORGANIZATION, {"managers": people(who)})]


def removals(path, who):
    yield [("remove", f'{path}[value eq "{{{who}}}"]')]
    yield [("Remove", path, people(who))]
    yield [("remove", path, people(who)[0])]
    yield [("remove", f'{path}[value eq "{{{who}}}" or value eq "x"]')]


def replacements(path, names):
    yield [("replace", path, people(*names))]
    if path == "members":
        yield [("Replace", None, {"members": people(*names)})]
    else:
        yield [("replace", None, {KIOPS_ORGANIZATION: {"managers": people(*names)}})]
        yield [("replace", None, {MANAGERS: people(*names)})]


def refused(door, path, rows):
    return [case(r, door, actor, patch(f"/Groups/{{{where}}}", *shape), *answer)
            for r, actor, where, shapes, *answer in rows for shape in shapes(path)]


def adds(who):
    return lambda path: additions(path, who)


def removes(who):
    return lambda path: removals(path, who)


def replaces(*names):
    return lambda path: replacements(path, names)


def plainly(*operations):
    return lambda _: [operations]


MEMBERS_REFUSED = refused("group-members", "members", [
    (2, "mina", "A", plainly(("add", "members", [{"value": "{lee}", "type": "Manager"}])), 403, 21),
    (3, "mina", "A", removes("ada"), 403, 3), (3, "manager-a", "A", removes("ada"), 403, 3),
    (3, "manager-a", "A", replaces(*but(A, "ada")), 403, 3),
    (4, "mina", "A", removes("mina"), 403, 4), (4, "ada", "B", adds("ada"), 403, 4), (4, "ada", "A", removes("ada"), 403, 4),
    (5, "mina", "B", removes("sora"), 404), (5, "manager-a", "B", adds("lee"), 404), (5, "mina", "B", replaces("mina"), 404),
    (7, "admin", "B", removes("jun"), 409, 7), (7, "admin", "B", replaces("kim", "sora", "past"), 409, 7),
    (7, "manager-b", "B", removes("jun"), 409, 7), (7, "admin", "B", plainly(("remove", "members")), 409, 7),
    (7, "admin", "B", plainly(("remove", "members"), ("add", "members", people(*B))), 409, 7),
    (9, "kim", "A", removes("lee"), 403, 9), (9, "jun", "A", removes("lee"), 403, 9), (9, "reader", "A", adds("out"), 403, 9),
    (9, "member-a", "A", adds("out"), 403, 9),
    (13, "jun", "A", adds("sora"), 403, 9),
    (18, "mina", "A", plainly(("add", "members", [{"value": "{lee}", "display": "Chief"}])), 403, 21),
    (18, "mina", "A", plainly(("replace", 'members[value eq "{lee}"].display', "Chief")), 400),
    (19, "mina", "A", plainly(("add", "members", [{"value": "{past}", "active": True}])), 403, 21),
    (20, "careful", "A", removes("kim"), 409, 20), (20, "careful", "A", replaces(*but(A, "kim")), 409, 20),
    (20, "careful", "A", plainly(("remove", "members")), 409, 20),
    (21, "mina", "A", adds("out"), 403, 21), (21, "manager-a", "A", adds("noa"), 403, 21), (21, "manager-a", "A", replaces(*A, "out"), 403, 21),
    (53, "manager-a", "B", adds("lee"), 404), (53, "mina", "A", adds("rex"), 403, 21), (53, "mina", "A", removes("ada"), 403, 3),
    (17, "mina", "New", adds("lee"), 404),
])

MEMBERS_DONE = [case(r, "group-members", actor, patch(f"/Groups/{{{where}}}", *operations), 200, **then)
                for r, actor, where, operations, then in [
    ((1, 14), "admin", "A", [("add", "members", [{"value": "{out}", "role": "Viewer", "permissions": ["root"]}])], {"out": "A=Member"}),
    (8, "mina", "A", [("remove", 'members[value eq "{matteo}"]')], {"matteo": ""}),
    (10, "admin", "A", [("add", "members", people("out"))], {"out": "A=Member"}),
    (10, "admin", "V", [("add", "members", people("kim"))], {"kim": "A=Member+vpn B=Member+infra V=Member"}),
    (11, "asker", "A", [("add", "members", people("noa", "kim"))], {"noa": "A=asks", "kim": "A=Member+vpn B=Member+infra"}),
    (12, "mina", "A", [("remove", 'members[value eq "{kim}"]')], {"kim": "B=Member+infra"}),
    (12, "admin", "A", [("remove", "members", people("jun"))], {"jun": "B=Manager"}),
    (13, "admin", "A", [("add", "members", people("sora"))], {"sora": "A=Member B=Member+database"}),
    (6, "admin", "A", [("replace", "members", people(*A))], {"matteo": "A=Manager+backup", "kim": "A=Member+vpn B=Member+infra"}),
    (16, "admin", "A", [("remove", "members", people("ada"))], {"ada": "platform platform-value"}),
    (19, "admin", "V", [("remove", "members", people("gone"))], {"gone": "inactive"}),
    (20, "asker", "A", [("add", "members", people("out", "rex"))], {"out": "A=asks", "rex": "A=rejected"}),
    (54, "admin", "A", [("add", "members", people("noa"))], {"noa": "A=Member"}),
]]

MANAGERS_REFUSED = refused("group-managers", MANAGERS, [
    (2, "mina", "A", adds("lee"), 403, 2), (2, "manager-a", "A", adds("kim"), 403, 2), (2, "mina", "A", replaces("mina", "matteo", "past", "lee"), 403, 2),
    (3, "mina", "A", adds("ada"), 403, 2),
    (4, "mina", "A", removes("mina"), 403, 4), (4, "ada", "A", adds("ada"), 403, 4), (4, "ada", "B", adds("ada"), 403, 4),
    (5, "mina", "B", adds("mina"), 404), (5, "manager-a", "B", removes("jun"), 404), (5, "mina", "B", replaces("mina"), 404),
    (7, "admin", "B", removes("jun"), 409, 7), (7, "manager-b", "B", removes("jun"), 409, 7),
    (7, "admin", "B", plainly(("remove", MANAGERS)), 409, 7), (7, "admin", "B", plainly(("replace", MANAGERS, [])), 409, 7),
    (9, "kim", "A", adds("kim"), 403, 9), (9, "lee", "A", adds("lee"), 403, 9), (9, "reader", "A", adds("lee"), 403, 9),
    (9, "member-a", "A", removes("matteo"), 403, 9),
    (10, "asker", "A", adds("out"), 409, 10),
    (11, "asker", "A", adds("noa"), 409, 10),
    (13, "jun", "A", adds("jun"), 403, 9), (13, "jun", "A", removes("matteo"), 403, 9),
    (17, "mina", "New", adds("mina"), 404),
    (18, "mina", "A", plainly(("add", MANAGERS, [{"value": "{matteo}", "display": "Chief"}]), ("remove", f'{MANAGERS}[value eq "{{mina}}"]')), 403, 2),
    (19, "admin", "V", removes("gone"), 409, 7),
    (21, "mina", "A", adds("out"), 403, 21), (21, "manager-a", "A", adds("noa"), 403, 21),
    (53, "manager-a", "B", adds("lee"), 404), (53, "mina", "A", adds("kim"), 403, 2), (53, "mina", "A", adds("ada"), 403, 2),
])

MANAGERS_DONE = [case(r, "group-managers", actor, patch(f"/Groups/{{{where}}}", *operations), 200, **then)
                 for r, actor, where, operations, then in [
    ((1, 14), "admin", "A", [("add", MANAGERS, [{"value": "{lee}", "role": "Viewer", "permissions": ["root"]}])], {"lee": "A=Manager"}),
    (6, "admin", "A", [("add", MANAGERS, people("kim"))], {"kim": "A=Manager+vpn B=Member+infra"}),
    (6, "admin", "A", [("remove", f'{MANAGERS}[value eq "{{matteo}}"]')], {"matteo": "A=Member+backup"}),
    (8, "mina", "A", [("remove", f'{MANAGERS}[value eq "{{matteo}}"]')], {"matteo": "A=Member+backup"}),
    (10, "admin", "A", [("add", MANAGERS, people("out"))], {"out": "A=Manager"}),
    (12, "admin", "A", [("remove", f'{MANAGERS}[value eq "{{mina}}"]')], {"mina": "A=Member"}),
    (13, "admin", "A", [("add", MANAGERS, people("sora"))], {"sora": "A=Manager B=Member+database"}),
    (16, "admin", "A", [("add", MANAGERS, people("ada"))], {"ada": "A=Manager platform platform-value"}),
    (19, "admin", "V", [("add", MANAGERS, people("out"))], {"out": "V=Manager"}),
    (20, "careful", "A", [("remove", f'{MANAGERS}[value eq "{{matteo}}"]')], {"matteo": "A=Member+backup"}),
    (54, "admin", "A", [("add", MANAGERS, people("noa"))], {"noa": "A=Manager"}),
]]


def whole(members=None, managers=None, name="A", **more):
    body = group(name, members, managers, **more)
    policy = {"joinPolicy": "open" if name == "A" else "closed"}  # left out, it would be the default
    return put(f"/Groups/{{{name}}}", body | {KIOPS_ORGANIZATION: policy | body.get(KIOPS_ORGANIZATION, {})})


def odd(who):
    """Members with what members have not."""
    return [{"value": f"{{{who}}}", "role": "Viewer", "permissions": ["root"]}]


PUT_REFUSED = [case(r, "group-put", actor, request, *answer) for r, actor, request, *answer in [
    (2, "mina", whole(A, ["mina", "matteo", "past", "lee"]), 403, 2), (2, "manager-a", whole(None, ["mina", "matteo", "kim"]), 403, 2),
    (3, "mina", whole(but(A, "ada")), 403, 3), (3, "mina", whole(A, ["mina", "matteo", "past", "ada"]), 403, 2),
    (4, "mina", whole(but(A, "mina")), 403, 4), (4, "mina", whole(A, ["matteo"]), 403, 4), (4, "ada", whole([*B, "ada"], name="B"), 403, 4),
    (5, "mina", whole(["mina"], ["mina"], "B"), 404), (5, "manager-a", whole([], [], "B"), 404),
    (7, "admin", whole(but(B, "jun"), name="B"), 409, 7), (7, "admin", whole(B, [], "B"), 409, 7), (7, "admin", whole([], name="B"), 409, 7),
    (7, "manager-b", whole(but(B, "jun"), name="B"), 409, 7),
    (9, "kim", whole(A), 403, 9), (9, "jun", whole(but(A, "lee")), 403, 9), (9, "reader", whole(A), 403, 9), (9, "member-a", whole(A), 403, 9),
    (10, "asker", whole([*A, "out"], ["mina", "matteo", "past", "out"]), 409, 10),
    (13, "jun", whole(A, ["mina", "matteo", "past", "jun"]), 403, 9),
    (17, "mina", whole(["mina"], ["mina"], "New"), 404),
    (20, "careful", whole(but(A, "kim")), 409, 20),
    (21, "mina", whole([*A, "out"]), 403, 21), (21, "mina", whole([*A, "noa"]), 403, 21),
    (53, "mina", whole([*A, "lee"], ["mina", "matteo", "past", "kim"]), 403, 2), (53, "manager-a", whole([*B, "lee"], ["lee"], "B"), 404),
    (18, "mina", whole([*A, "nobody"]), 400),
]]
PUT_DONE = [case(r, "group-put", actor, request, 200, **then) for r, actor, request, then in [
    ((1, 14), "admin", put("/Groups/{A}", whole(A).body | {"members": [*people(*A), *odd("out")]}), {"out": "A=Member"}),
    (6, "admin", whole(A, ["mina", "past", "kim"]), {"kim": "A=Manager+vpn B=Member+infra", "matteo": "A=Member+backup"}),
    (8, "mina", whole(A, ["mina", "past"]), {"matteo": "A=Member+backup"}),
    (10, "admin", whole([*A, "out"]), {"out": "A=Member"}),
    (11, "asker", whole([*A, "noa"]), {"noa": "A=asks"}),
    (12, "admin", whole(but(A, "kim")), {"kim": "B=Member+infra"}),
    (13, "admin", whole([*A, "sora"], ["mina", "matteo", "past", "sora"]), {"sora": "A=Manager B=Member+database"}),
    (16, "admin", whole(but(A, "ada")), {"ada": "platform platform-value"}),
    (17, "mina", whole(None, None, "A", displayName="{Moved.name}"), {"A": "Moved open"}),
    (17, "mina", whole(A, ["mina", "matteo", "past"], "A", displayName="{Moved.name}"), {"A": "Moved open"}),
    (19, "admin", whole([], name="V"), {"gone": "inactive"}),
    (20, "asker", whole([*A, "out", "rex"]), {"out": "A=asks", "rex": "A=rejected"}),
    (54, "admin", whole([*A, "noa"]), {"noa": "A=Member"}),
]]


def new(members=None, managers=None, **more):
    return post("/Groups", group("New", members, managers, **more))


POST_REFUSED = [case(r, "group-post", actor, request, *answer) for r, actor, request, *answer in [
    (2, "mina", new(["lee"], ["lee"]), 403, 17), (3, "mina", new(["ada"], ["ada"]), 403, 17), (4, "mina", new(["mina"], ["mina"]), 403, 17),
    (4, "ada", new(["ada"]), 403, 4), (4, "ada", new(["ada"], ["ada"]), 403, 4),
    (5, "manager-a", new(["sora"]), 403, 17), (7, "admin", post("/Groups", group("B", [], [])), 409), (8, "mina", post("/Groups", group("A", ["mina"], ["mina"])), 403, 17),
    (9, "kim", new(["kim"], ["kim"]), 403, 9), (9, "reader", new(), 403, 9), (9, "member-a", new(), 403, 9),
    (10, "asker", new(["out"], ["out"]), 409, 10), (12, "admin", post("/Groups", group("A", ["mina"])), 409),
    (16, "admin", post("/Groups", group("A", [])), 409),
    (17, "mina", new(), 403, 17), (17, "manager-a", new(), 403, 17), (18, "mina", new(["x"]), 403, 17),
    (19, "admin", post("/Groups", group("V", ["out"], ["out"])), 409), (21, "mina", new(["out"]), 403, 17),
    (53, "mina", new(["mina"], ["mina"]), 403, 17), (53, "manager-a", post("/Groups", group("B", ["lee"], ["lee"])), 403, 17),
    (54, "mina", post("/Groups", group("A", ["noa"])), 403, 17),
]]
POST_DONE = [case(r, "group-post", actor, request, 201, New="New closed", **then) for r, actor, request, then in [
    ((1, 14), "admin", post("/Groups", group("New") | {"members": odd("out")}), {"out": "New=Member"}),
    ((6, 10), "admin", new(["kim"], ["kim"]), {"kim": "A=Member+vpn B=Member+infra New=Manager"}),
    ((10, 13), "admin", new(["kim"]), {"kim": "A=Member+vpn B=Member+infra New=Member"}),
    ((11, 20), "asker", new(["out"]), {"out": "New=asks"}),
    (13, "admin", new(["jun"], ["jun"]), {"jun": "A=Member B=Manager New=Manager"}),
    (7, "admin", new(["kim"], []), {"kim": "A=Member+vpn B=Member+infra New=Member"}),
]]

REFUSED = MEMBERS_REFUSED + MANAGERS_REFUSED + PUT_REFUSED + POST_REFUSED
DONE = MEMBERS_DONE + MANAGERS_DONE + PUT_DONE + POST_DONE
