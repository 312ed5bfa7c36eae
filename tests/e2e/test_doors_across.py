"""One attempt on every rule, sent in every other way: within a Bulk, in other letters, with keys said twice, by tokens of
each kind and tokens that ended, by who is deactivated, by a session of the page, with ids of another organization, with one side of a role made by
the directory's administrator; and what people try in the directory itself."""

import json
import re

import ldap
import pytest
from doors import (MANAGERS, NOBODY, PASSWORD, Request, Stage, delete, group, holds, membership, open_lab, patch, people, post,
                   rule, user, verdict)
from doors_membership import at
from issuer import AUDIENCE, Issuer
from kiopslab import site
from lab import eventually
from scim import KIOPS_ORGANIZATION, REFUSAL
from test_people import is_nobody
from visitor import Visitor

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
VPN = ("add", "permissions", ["vpn"])
NAME = ("replace", "displayName", "{Moved.name}")


def one(path, who):
    return ("remove", f'{path}[value eq "{{{who}}}"]')


# Row -> actor, request, status, rule of the answer. lee was Manager of A until a moment ago.
ACTS = {
    1: ("admin", patch(at("A", "lee"), ("replace", "role", "Viewer")), 400, 1),
    2: ("mina", patch(at("A", "lee"), ("replace", "role", "Manager")), 403, 2),
    3: ("mina", patch(at("A", "ada"), VPN), 403, 3), 4: ("mina", patch(at("A", "mina"), VPN), 403, 4),
    5: ("mina", patch(at("B", "sora"), VPN), 404, None), 6: ("mina", patch(at("A", "matteo"), VPN), 403, 6),
    7: ("admin", patch(at("B", "jun"), ("replace", "role", "Member")), 409, 7),
    8: ("manager-b", patch("/Groups/{B}", one(MANAGERS, "jun")), 409, 7), 9: ("kim", patch("/Groups/{A}", NAME), 403, 9),
    10: ("mina", patch(at("A", "noa"), ("replace", "status", "active"), ("replace", "role", "Manager")), 403, 2),
    11: ("noa", post("/Memberships", membership("A")), 409, 11), 12: ("mina", patch(at("B", "kim"), ("remove", "permissions")), 404, None),
    13: ("jun", patch("/Groups/{A}", one("members", "lee")), 403, 9),
    14: ("mina", patch(at("A", "lee"), ("add", "permissions", ["root"])), 400, 14),
    15: ("lee", patch("/Groups/{A}", one("members", "kim")), 403, 9),
    16: ("admin", patch(at("A", "ada"), ("replace", "role", "Member")), 409, 16), 17: ("mina", post("/Groups", group("New")), 403, 17),
    18: ("mina", patch("/Users/{lee}", ("replace", "title", "Chief")), 403, 18),
    19: ("mina", patch("/Users/{matteo}", ("replace", "active", False)), 403, 18),
    20: ("careful", patch("/Groups/{A}", one("members", "kim")), 409, 20),
    21: ("mina", patch("/Groups/{A}", ("add", "members", people("out"))), 403, 21),
    53: ("mina", patch("/Groups/{B}", ("add", MANAGERS, people("mina"))), 404, None),
    54: ("mina", patch(at("A", "rex"), ("replace", "status", "active")), 409, 11),
}
ROWS = tuple(ACTS)


def through(door, rows=ROWS):
    return [pytest.param(number, marks=pytest.mark.cell(rule(number), door), id=f"{rule(number)} {door}") for number in rows]


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ground(tmp_path_factory, issuer):
    oidc = f'oidc = {{ issuer = "{issuer.url}"; audience = "{AUDIENCE}"; claim = "sub"; matches = "userName"; }};'
    lab = open_lab(tmp_path_factory.mktemp("across"), bridge={"auth": f"basic = true; {oidc}", "console": ""})
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def stage(ground):
    made = Stage(ground, bound=True)
    for number in ROWS:
        made.world.person(f"past{number}", platform=True, active=False, values=[("userPassword", PASSWORD)])
    seen(made)
    lee = at("A", "lee")
    made.ask("admin", patch(lee, ("replace", "role", "Manager"))).expect(200)
    made.ask("lee", patch("/Groups/{A}", ("replace", f"{KIOPS_ORGANIZATION}:description", "by lee"))).expect(200)
    made.ask("admin", patch(lee, ("replace", "role", "Member"))).expect(200)
    return made


def attempt(stage, number, **other):
    actor, request, status, refused_by = ACTS[number]
    answer = other.get("answer", (status, refused_by))
    return holds(stage, other.get("actor", actor), other.get("request", request), answer[0], answer[1] and rule(answer[1]), {})


@pytest.mark.parametrize("number", through("bulk"))
def test_within_a_bulk(stage, number):
    actor, (method, path, body), status, refused_by = ACTS[number]
    twice = [{"method": method, "path": path, "data": body, **({"bulkId": f"b{n}"} if method == "POST" else {})} for n in (1, 2)]
    before = stage.everything()
    done = stage.ask(actor, post("/Bulk", {"schemas": [BULK], "Operations": twice})).expect(200)
    said = [(int(o["status"]), o["response"].get(REFUSAL, {}).get("rule")) for o in done["Operations"]]
    assert said == [(status, refused_by and rule(refused_by))] * 2, done.text
    assert stage.everything() == before


# ---- by a session of the page, which people alone have

# Where an act is a token's: the person who comes closest.
BY_PEOPLE = {
    1: ("ada", *ACTS[1][1:]), 7: ("ada", *ACTS[7][1:]), 8: ("ada", *ACTS[8][1:]), 16: ("ada", ACTS[16][1], 403, 4),
}
OF_TOKENS = 20


@pytest.fixture(scope="module")
def visitors(ground, stage):
    """Name -> who is signed in on the page."""
    made = {}
    for name in ("ada", "mina", "jun", "kim", "lee", "noa"):
        made[name] = Visitor(ground.bridge)
        made[name].sign_in(stage.world.mark + name, PASSWORD).expect(200)
    return made


@pytest.mark.parametrize("number", through("page", [n for n in ROWS if n != OF_TOKENS]))
def test_by_a_session_of_the_page(stage, visitors, number):
    """As through the person's SCIM door; and from another site, where the text of the session is missing, not at all."""
    actor, request, status, refused_by = BY_PEOPLE.get(number, ACTS[number])
    client = visitors[actor]
    told, client.csrf = client.csrf, None
    holds(stage, client, request, 403, None, {})
    client.csrf = told
    holds(stage, client, request, status, refused_by and rule(refused_by), {})


# ---- the same said otherwise

def loud(text):
    """Names of attributes in capitals; what stands in quotes stays."""
    return "".join(part if part.startswith('"') else part.upper() for part in re.split(r'("[^"]*")', text))


def shouted(sent):
    if isinstance(sent, dict):
        return {name.upper() if name != "schemas" else name: loud(value) if name == "path" else value.upper() if name == "op"
                else shouted(value) for name, value in sent.items()}
    return [shouted(value) for value in sent] if isinstance(sent, list) else sent


@pytest.mark.parametrize("number", through("case"))
def test_in_capital_letters(stage, number):
    _, request, _, _ = ACTS[number]
    attempt(stage, number, request=request._replace(body=shouted(stage.fill(request.body))))


OTHER_LETTERS = [
    (1, "admin", patch(at("A", "lee"), ("replace", "role", "MANAGER")), 400, 1), (1, "admin", patch(at("A", "lee"), ("replace", "role", "Manager ")), 400, 1),
    (1, "roles", patch("/Users/{lee}", ("add", "roles", [{"value": "MANAGER@{A}"}])), 400, 1),
    (14, "admin", patch(at("A", "lee"), ("add", "permissions", ["Vpn"])), 400, 14), (14, "admin", patch(at("A", "lee"), ("add", "permissions", ["vpn "])), 400, 14),
]


@pytest.mark.parametrize("actor, request_, status, refused_by", [
    pytest.param(*row, marks=pytest.mark.cell(rule(number), "case")) for number, *row in OTHER_LETTERS])
def test_a_role_or_permission_in_other_letters_is_none(stage, actor, request_, status, refused_by):
    holds(stage, actor, request_, status, rule(refused_by), {})


@pytest.mark.cell("KB-R04", "case")
@pytest.mark.cell("KB-R05", "case")
def test_an_id_in_other_letters_is_no_way_around(stage):
    """Of oneself, and of an organization that is not one's own."""
    ids = {name: stage.world.ids[name].upper() for name in ("A", "B", "mina", "sora")}
    for request in (patch(f"/Memberships/{ids['A']}.{ids['mina']}", VPN), patch(f"/Memberships/{{A}}.{ids['mina']}", VPN),
                    patch("/Groups/{A}", ("add", MANAGERS, [{"value": ids["mina"]}])), patch(f"/Groups/{ids['B']}", one("members", "sora")),
                    post("/Memberships", {**membership("A"), "user": {"value": ids["mina"]}, "role": "Manager"})):
        before = stage.everything()
        assert stage.ask("mina", request).status in (400, 403, 404, 409)
        assert stage.everything() == before


IN_CAPITALS = {  # what these do to who is named in small letters
    "delete-last-admin": (delete("/Users/{ada}"), 404), "delete": (delete("/Users/{kim}"), 404),
    "attribute": (patch("/Users/{lee}", ("replace", "title", "Chief")), 404), "deactivate": (patch("/Users/{jun}", ("replace", "active", False)), 404),
    "unmake-last-admin": (patch("/Users/{ada}", ("remove", 'roles[value eq "PlatformAdmin"]')), 404),
    "demote-last-manager": (patch("/Groups/{B}", one(MANAGERS, "jun")), 404), "delete-group": (delete("/Groups/{B}"), 404),
    "promote": (patch(at("A", "lee"), ("replace", "role", "Manager")), 404), "remove": (delete(at("B", "sora")), 404),
}
OF_MEMBERS_IN_CAPITALS = {"demote": one(MANAGERS, "jun"), "remove": one("members", "jun"), "remove-listed": ("remove", "members", people("jun", "sora")),
                          "remove-member": one("members", "sora")}


def in_capitals(stage, sent):
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda m: m[0].upper(), json.dumps(stage.fill(sent)))


@pytest.mark.line(83)
@pytest.mark.parametrize("name", IN_CAPITALS)
def test_an_id_in_capitals_is_nobodys(stage, name):
    """The directory compares entryUUIDs without case; here whoever is named so would count as somebody else."""
    (method, path, body), status = IN_CAPITALS[name]
    before = stage.everything()
    for actor in ("admin", "roles"):
        stage.ask(actor, Request(method, json.loads(in_capitals(stage, path)), json.loads(in_capitals(stage, body)))).expect(status)
    assert stage.everything() == before


@pytest.mark.line(83)
@pytest.mark.parametrize("name", OF_MEMBERS_IN_CAPITALS)
def test_no_member_has_an_id_in_capitals(stage, name):
    body = json.loads(in_capitals(stage, patch("/Groups/{B}", OF_MEMBERS_IN_CAPITALS[name]).body))
    before = stage.everything()
    for actor in ("admin", "manager-b"):
        assert stage.ask(actor, patch("/Groups/{B}")._replace(body=body)).status in (200, 204)
    assert stage.everything() == before


@pytest.mark.parametrize("number", through("duplicate-keys"))
def test_with_a_key_said_twice(stage, number):
    """Neither the first nor the last of them counts; what is not seen is not there, whatever the body."""
    actor, request, status, _ = ACTS[number]
    body = stage.fill(request.body)
    for name, value in (*body.items(), *[("value", None)] * ("Operations" in body)):
        text = json.dumps(body)
        text = text.replace('"value"', '"value": null, "value"', 1) if value is None else f"{{{json.dumps(name)}: {json.dumps(value)}, {text[1:]}"
        before = stage.everything()
        answer = stage.actors[actor].call(request.method, stage.fill(request.path), text.encode())
        if text.count(f'"{name}"') > json.dumps(body).count(f'"{name}"'):
            assert status == 404 == answer.status or answer.expect(400)["scimType"] == "invalidSyntax", answer.text
        assert stage.everything() == before


# ---- by others

TOKENS = {  # row -> manager-a, member-a, reader, asker: status and rule
    1: ((400, 1), (404, None), (403, 9), (400, 1)), 2: ((403, 2), (404, None), (403, 9), None),
    3: ((403, 3), (404, None), (403, 9), None), 4: (None, (404, None), (403, 9), None),
    5: ((404, None), (404, None), (403, 9), None), 6: ((403, 6), (404, None), (403, 9), None),
    7: ((404, None), (404, None), (403, 9), (409, 7)), 8: ((404, None), (404, None), (403, 9), (409, 7)),
    9: (None, (403, 9), (403, 9), None), 10: ((403, 2), (404, None), (403, 9), None),
    11: ((400, None), (400, None), (403, 9), (400, None)), 12: ((404, None), (404, None), (403, 9), None),
    13: (None, (403, 9), (403, 9), None), 14: ((400, 14), (404, None), (403, 9), (400, 14)),
    15: (None, (403, 9), (403, 9), None), 16: ((403, 3), (404, None), (403, 9), (409, 16)),
    17: ((403, 17), (403, 9), (403, 9), None), 18: ((403, 18), (403, 9), (403, 9), None),
    19: ((403, 18), (403, 9), (403, 9), None), 20: (None, (403, 9), (403, 9), None),
    21: ((403, 21), (403, 9), (403, 9), None), 53: ((404, None), (404, None), (403, 9), None),
    54: ((409, 11), (404, None), (403, 9), (409, 11)),
}


@pytest.mark.parametrize("number", through("token"))
def test_by_tokens_of_each_kind(stage, number):
    """Whom a rule lets do it, does it: those stand in other rows."""
    for actor, answer in zip(("manager-a", "member-a", "reader", "asker"), TOKENS[number]):
        if answer:
            attempt(stage, number, actor=actor, answer=answer)


@pytest.fixture(scope="module")
def ended(ground, stage):
    """A token that was revoked, one that is expired, and one that nobody made."""
    tokens = {name: ground.new_token(name) for name in ("revoked", "expired")}
    ground.bridge.cli("token", "revoke", "revoked")
    ground.view().modify(f"cn=expired,{site.TOKENS}", ("replace", "kiopsTokenExpires", "20200101000000Z"))
    clients = [*map(ground.client, tokens.values()), ground.client("0" * len(tokens["revoked"]))]
    for client in clients:
        eventually(lambda client=client: client.get("/Users?count=0").status == 401)
    return clients


@pytest.mark.parametrize("number", through("ended-token"))
def test_by_a_token_that_ended(stage, ended, number):
    for client in ended:
        attempt(stage, number, actor=client, answer=(401, None))


@pytest.mark.parametrize("number", through("inactive"))
def test_by_who_is_deactivated(stage, ground, issuer, number):
    """By password and by the issuer's word; all the values of a Manager and PlatformAdmin are still there. A person for
    each row, since passwords that do not open are slowed."""
    assert is_nobody(attempt(stage, number, actor=stage.person(f"past{number}"), answer=(401, None)))
    for name in ("past", f"past{number}"):
        attempt(stage, number, actor=ground.client(issuer.token(stage.world.mark + name)), answer=(401, None))


# ---- ids of another organization

def moved(request, organization, person):
    """The act on another organization, or person where the path names one. What a body says stays, but for POST."""
    path = re.sub(r"\{(?!A\}|B\})\w+\}", person, request.path) if re.search(r"/(Users|Memberships)/", request.path) else request.path
    body = json.loads(re.sub(r"\{[AB]\}", organization, json.dumps(request.body))) if request.method == "POST" else request.body
    return Request(request.method, re.sub(r"\{[AB]\}", organization, path), body)


def told(answer):
    """All that it says but the number of the request."""
    return answer.status, re.sub(rb'"requestId":"\w+"', b"", answer.text)


@pytest.mark.parametrize("number", through("foreign-id"))
def test_an_id_of_another_organization_is_an_unknown_one(stage, number):
    """KB-R05: byte by byte, for the Manager of A in person and by token; and for who may change no user, whoever it is."""
    _, request, *_ = ACTS[number]
    for actor in ("mina", "manager-a"):
        if number == 11:
            request = post("/Memberships", membership("A", "out"))
        before = stage.everything()
        foreign, unknown = (stage.ask(actor, moved(request, *ids)) for ids in (("{B}", "{sora}"), (NOBODY, NOBODY)))
        assert told(foreign) == told(unknown) and foreign.status == {17: 403}.get(number, 404), (foreign.text, unknown.text)
        assert stage.everything() == before


@pytest.mark.parametrize("request_of", [
    lambda who: Request("PUT", f"/Users/{who}", user("lee")), lambda who: patch(f"/Users/{who}", ("replace", "title", "Chief")),
    lambda who: delete(f"/Users/{who}"), lambda who: patch("/Groups/{A}", ("add", "members", [{"value": who}])),
    lambda who: patch("/Groups/{A}", ("replace", "members", [{"value": w} for w in ("{mina}", "{matteo}", who)])),
    lambda who: Request("PUT", "/Groups/{A}", group("A") | {"members": [{"value": w} for w in ("{mina}", who)]}),
    lambda who: patch("/Groups/{A}", ("add", MANAGERS, [{"value": who}])),
], ids=["put", "patch", "delete", "add", "replace", "put-members", "promote"])
@pytest.mark.parametrize("actor, status", [("mina", None), ("manager-a", None), ("kim", 403), ("member-a", 403)])
def test_who_may_not_hears_not_who_is_there(stage, request_of, actor, status):
    """Somebody of another organization, nobody, and (for who may do nothing) somebody well known: one answer."""
    before = stage.everything()
    foreign, unknown, known = (stage.ask(actor, request_of(who)) for who in ("{sora}", NOBODY, "{lee}"))
    same = told(unknown)[1].replace(stage.fill(NOBODY).encode(), stage.fill("{sora}").encode())
    assert told(foreign) == (unknown.status, same), (foreign.text, unknown.text)
    assert foreign.status in ((status,) if status else (403, 404)), foreign.text
    if status:
        assert known.status == status, known.text
    assert stage.everything() == before


# ---- what the directory's administrator did on one side

JOINED = "{A}:20260105080000Z.0000000c"
PLATFORM = "platform:20260105080000Z.0000000c"
KIM_ASKS = patch("/Groups/{A}", one("members", "lee"))
# Row -> edits as (whose entry, operation, attribute, value), then actor, request, status, rule of the answer.
EDITS = [
    (1, [("lee", "add", "kiopsManager", "Viewer")], "lee", KIM_ASKS, 403, 9),
    (2, [("A", "add", "owner", "<kim>")], "kim", KIM_ASKS, 403, 9), (2, [("kim", "add", "kiopsManager", "{A}")], "kim", KIM_ASKS, 403, 9),
    (3, [("admins", "add", "member", "<kim>")], "kim", post("/Groups", group("New")), 403, 9),
    (3, [("kim", "add", "kiopsJoined", PLATFORM)], "kim", post("/Groups", group("New")), 403, 9),
    (4, [("B", "add", "owner", "<mina>")], "mina", patch("/Groups/{B}", ("add", MANAGERS, people("mina"))), 404, None),
    (5, [("B", "add", "owner", "<mina>")], "mina", patch(at("B", "sora"), VPN), 404, None),
    (5, [("mina", "add", "kiopsManager", "{B}")], "mina", patch(at("B", "sora"), VPN), 404, None),
    (6, [("A", "add", "owner", "<kim>")], "kim", patch(at("A", "lee"), VPN), 404, None),
    (7, [("B", "add", "owner", "<kim>")], *ACTS[7]), (7, [("kim", "add", "kiopsManager", "{B}")], *ACTS[7]),
    (8, [("B", "add", "owner", "<kim>")], *ACTS[8]),
    (9, [("out", "add", "kiopsJoined", JOINED)], "out", patch("/Groups/{A}", NAME), 403, 9),
    (10, [("out", "add", "kiopsManager", "{A}"), ("out", "add", "kiopsPermission", "{A}:vpn")], "out", KIM_ASKS, 403, 9),
    (11, [("kim", "add", "kiopsRequest", JOINED)], "kim", post("/Memberships", membership("A")), 409, 11),
    (12, [("A", "delete", "member", "<kim>")], "mina", patch(at("A", "kim"), VPN), 404, None),
    (13, [("A", "add", "owner", "<jun>")], *ACTS[13]), (14, [("lee", "add", "kiopsPermission", "{A}:root")], *ACTS[14]),
    (15, [("A", "delete", "owner", "<mina>")], "mina", patch("/Groups/{A}", one("members", "kim")), 403, 9),
    (15, [("mina", "delete", "kiopsManager", "{A}")], "mina", patch("/Groups/{A}", one("members", "kim")), 403, 9),
    (16, [("admins", "add", "member", "<lee>")], *ACTS[16]), (16, [("lee", "add", "kiopsJoined", PLATFORM)], *ACTS[16]),
    (17, [("A", "add", "owner", "<kim>")], "kim", patch("/Groups/{A}", NAME), 403, 9),
    (18, [("admins", "add", "member", "<kim>")], "kim", ACTS[18][1], 403, 9), (19, [("kim", "add", "kiopsJoined", PLATFORM)], "kim", ACTS[19][1], 403, 9),
    (20, [("A", "add", "member", "<out>")], "careful", patch("/Groups/{A}", one("members", "out")), 409, 20),
    (21, [("out", "add", "kiopsJoined", JOINED)], *ACTS[21]),
    (53, [("B", "add", "owner", "<mina>"), ("admins", "add", "member", "<mina>")], *ACTS[53]),
    (54, [("rex", "add", "kiopsJoined", JOINED)], *ACTS[54]),
]


@pytest.mark.parametrize("edits, actor, request_, status, refused_by", [
    pytest.param(*row, marks=pytest.mark.cell(rule(number), "ldap-admin"), id=f"{rule(number)} {row[0]}") for number, *row in EDITS])
def test_one_side_made_by_the_administrator_has_no_effect(stage, edits, actor, request_, status, refused_by):
    back = {"add": "delete", "delete": "add"}
    dns = {**stage.world.dns, "admins": site.ADMINS}

    def edit(whose, operation, attribute, value):
        value = re.sub(r"<(\w+)>", lambda m: dns[m[1]], stage.fill(value))
        stage.view.modify(dns[whose], (operation, attribute, value))

    for one_edit in edits:
        edit(*one_edit)
    try:
        seen(stage)
        holds(stage, actor, request_, status, refused_by and rule(refused_by), {})
    finally:
        for whose, operation, attribute, value in edits:
            edit(whose, back[operation], attribute, value)
        seen(stage)


def seen(stage):
    """The bridge has been told of all that was done in the directory until now."""
    mark = f"Seen {stage.lab.number()}"
    for name, kind in (("sora", "Users"), ("A", "Groups"), ("B", "Groups")):
        stage.view.modify(stage.world.dns[name], ("replace", "title" if kind == "Users" else "description", mark))
        eventually(lambda name=name, kind=kind: mark in stage.lab.scim.get(f"/{kind}/{stage.world.ids[name]}").text.decode())


# ---- what people try in the directory

OWN = [  # row, who binds, whose entry, change
    (1, "kim", "kim", ("add", "kiopsManager", "Viewer")), (2, "kim", "kim", ("add", "kiopsManager", "{A}")), (2, "kim", "A", ("add", "owner", "<kim>")),
    (3, "kim", "admins", ("add", "member", "<kim>")), (3, "kim", "kim", ("add", "kiopsJoined", PLATFORM)),
    (4, "mina", "mina", ("add", "kiopsPermission", "{A}:vpn")), (4, "ada", "A", ("add", "owner", "<ada>")),
    (5, "mina", "B", ("add", "owner", "<mina>")), (5, "mina", "B", ("delete", "member", "<sora>")),
    (6, "mina", "matteo", ("add", "kiopsPermission", "{A}:vpn")), (7, "jun", "B", ("delete", "owner", "<jun>")),
    (7, "jun", "jun", ("delete", "kiopsManager", "{B}")), (8, "mina", "A", ("delete", "owner", "<matteo>")),
    (9, "kim", "A", ("replace", "kiopsJoinPolicy", "closed")), (9, "kim", "lee", ("replace", "title", "Chief")),
    (10, "noa", "noa", ("add", "kiopsJoined", JOINED)), (10, "noa", "A", ("add", "member", "<noa>")),
    (11, "lee", "lee", ("add", "kiopsRequest", "{B}:20260105080000Z.0000000d")), (12, "kim", "kim", ("delete", "kiopsJoined", None)),
    (12, "kim", "B", ("delete", "member", "<kim>")), (13, "jun", "jun", ("add", "kiopsManager", "{A}")),
    (14, "kim", "kim", ("add", "kiopsPermission", "{A}:root")), (15, "past", "past", ("replace", "kiopsActive", "TRUE")),
    (16, "ada", "admins", ("delete", "member", "<ada>")), (16, "ada", "ada", ("replace", "kiopsActive", "FALSE")),
    (17, "mina", "A", ("replace", "description", "Chief")), (18, "mina", "lee", ("replace", "title", "Chief")), (18, "kim", "kim", ("replace", "title", "Chief")),
    (19, "ada", "jun", ("replace", "kiopsActive", "FALSE")), (20, "ada", "careful", ("replace", "kiopsTokenOption", "max_removals=99")),
    (21, "mina", "A", ("add", "member", "<out>")), (53, "mina", "mina", ("add", "kiopsManager", "{B}")), (53, "mina", "admins", ("add", "member", "<mina>")),
    (54, "noa", "noa", ("delete", "kiopsRequest", None)), (54, "mina", "noa", ("add", "kiopsRejected", "{A}:20260105080000Z")),
]


@pytest.mark.parametrize("who, whose, change", [
    pytest.param(*row, marks=pytest.mark.cell(rule(number), "ldap-self"), id=f"{rule(number)} {row}") for number, *row in OWN])
def test_a_person_writes_nothing_in_the_directory(stage, who, whose, change):
    dns = {**stage.world.dns, "admins": site.ADMINS, "careful": f"cn=careful,{site.TOKENS}"}
    operation, attribute, value = change
    value = value and re.sub(r"<(\w+)>", lambda m: dns[m[1]], stage.fill(value))
    before = stage.everything()
    view = stage.lab.view(stage.world.dns[who], PASSWORD)
    with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
        view.modify(dns[whose], (operation, attribute, value))
    assert stage.everything() == before
