"""conformance/checklist.md, A to C: media types, versions and methods, who may enter, discovery. The number in a case's id
is its line there."""

import json
import re
import urllib.parse
import uuid

import pytest
from checklist import lines
from lab import eventually
from scim import ENTERPRISE, GROUP, JSON, KIOPS_ORGANIZATION, KIOPS_USER, USER, Scim

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
CORE = "urn:ietf:params:scim:schemas:core:2.0:"
USER_METHODS = "GET, HEAD, POST, OPTIONS"
ITEM_METHODS = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
READ_METHODS = "GET, HEAD, OPTIONS"


@pytest.fixture
def bearer(lab):
    return {"Authorization": f"Bearer {lab.token}"}


def body(lab, **more):
    return json.dumps({"schemas": [USER], "userName": f"transport{lab.number()}", **more}).encode()


def is_error(answer, status, scim_type=None):
    """Line 9 and 205: the status as a string, in a SCIM body; where `scim_type` is given, that one."""
    answer.expect(status)
    assert scim_type in (None, answer.json.get("scimType"))
    assert answer.headers["Content-Type"] == JSON
    assert (answer["schemas"][0], answer["status"]) == (ERROR, str(status)) and answer["detail"]
    return answer


# ---- A. media types


@pytest.mark.parametrize("accept, status, media", lines(
    (1, JSON, 200, JSON), (2, "application/json", 200, "application/json"), (3, None, 200, JSON), (3, "*/*", 200, JSON),
    (3, "application/*", 200, JSON), (4, "text/html", 406, JSON), (4, "application/xml", 406, JSON),
    (4, "application/xml, */*;q=0.1", 200, JSON), (1, "Application/SCIM+json; charset=utf-8", 200, JSON)))
def test_what_is_accepted_is_answered(scim, bearer, accept, status, media):
    answer = scim.bare("GET", "/Users?count=1", bearer | ({"Accept": accept} if accept else {})).expect(status)
    assert answer.headers["Content-Type"] == media and not answer.text.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("content_type, status", lines(
    (5, JSON, 201), (5, "application/json", 201), (5, f"{JSON}; charset=utf-8", 201), (5, f"{JSON};charset=UTF-8", 201),
    (5, 'application/json; charset="utf-8"', 201), (7, "APPLICATION/JSON", 201), (7, None, 201),
    (6, f"{JSON}; charset=iso-8859-1", 415), (6, "application/json; charset=utf-16", 415), (7, "text/plain", 415),
    (7, "application/x-www-form-urlencoded", 415), (7, "multipart/form-data; boundary=x", 415)))
def test_what_a_body_may_be(lab, scim, bearer, content_type, status):
    headers = bearer | ({"Content-Type": content_type} if content_type else {})
    answer = scim.bare("POST", "/Users", headers, body(lab))
    assert answer.headers["Content-Type"] == JSON and answer.status == status, answer.text


@pytest.mark.line(8)
def test_a_packed_body_is_415_and_named_so(lab, scim, bearer):
    answer = scim.bare("POST", "/Users", bearer | {"Content-Encoding": "gzip"}, body(lab))
    assert is_error(answer, 415).headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("method, path, status", lines(
    (9, "GET", "/Users/nobody", 404), (9, "PUT", "/Schemas", 405), (12, "GET", "/Nope", 404),
    (12, "POST", "/Nope", 404), (11, "GET", "//Users", 404), (223, "GET", "/Users/x.scim", 404),
    (20, "FOO", "/Users", 501), (21, "TRACE", "/Users", 405)))
def test_an_error_is_a_scim_body(scim, method, path, status):
    is_error(scim.call(method, path), status)


@pytest.mark.parametrize("path, status", lines(
    (10, "/scim/v1/Users", 404), (10, "/scim/Users", 404), (10, "/scim/v2/Users", 200), (12, "/other", 404),
    (12, "/", 404), (11, "/scim/v2/Users/", 200), (11, "/scim/v2/users", 200), (11, "/scim/v2/GROUPS", 200)))
def test_versions_and_slashes(lab, bearer, path, status):
    root = Scim(lab.bridge.url.removesuffix("/scim/v2"), lab.token)
    assert root.bare("GET", path, bearer).status == status


# ---- A. what every answer carries


@pytest.mark.line(13, 14, 15)
def test_a_created_user_says_where_it_is(lab):
    sent = {"resourceType": "Nonsense", "created": "1999-01-01T00:00:00Z", "version": "x", "location": "http://evil/"}
    made = lab.scim.post("/Users", {"schemas": [USER], "userName": f"transport{lab.number()}", "meta": sent}).expect(201)
    meta = made["meta"]
    where = f"{lab.bridge.url}/Users/{made['id']}"
    assert made.headers["Location"] == made.headers["Content-Location"] == meta["location"] == where
    assert meta["resourceType"] == "User" and meta["version"] == made.etag
    for name in ("created", "lastModified"):
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", meta[name])
    shown = lab.scim.get(f"/Users/{made['id']}", headers={"Host": "evil.example"}).expect(200)
    assert shown.headers["Content-Location"] == shown["meta"]["location"] == where


@pytest.mark.line(16)
def test_times_move_only_with_a_change(lab):
    for path, made in (("/Users/", lab.user(title="T")), ("/Groups/", lab.organization())):
        path += made["id"]
        assert made["meta"]["lastModified"] == made["meta"]["created"]
        value = ("displayName", made["displayName"]) if "displayName" in made else ("title", "T")
        assert lab.scim.patch(path, ("replace", *value)).expect(200)["meta"] == made["meta"]
        changed = lab.scim.patch(path, ("replace", value[0], value[1] + "2")).expect(200)["meta"]
        assert changed["version"] != made["meta"]["version"] and changed["created"] == made["meta"]["created"]
        assert changed["lastModified"].rstrip("Z") >= made["meta"]["lastModified"].rstrip("Z")


READABLE = ["/Users", "/Groups", "/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas",
            f"/Schemas/{USER}"]


@pytest.mark.parametrize("path", lines(*((17, path) for path in (*READABLE, "/Users/{user}", "/Users/nobody"))))
def test_head_is_get_without_a_body(lab, scim, path):
    path = path.format(user=lab.user()["id"])
    get, head = scim.get(path), scim.call("HEAD", path)
    assert (head.status, head.text) == (get.status, b"")
    for name in ("Content-Type", "ETag", "Content-Location"):
        assert head.headers[name] == get.headers[name]


METHODS = [("/Users", USER_METHODS), ("/Groups", USER_METHODS), ("/Users/x", ITEM_METHODS), ("/Groups/x", ITEM_METHODS),
           *((path, READ_METHODS) for path in READABLE[2:]), ("/Bulk", "POST, OPTIONS"), ("/.search", "POST, OPTIONS"),
           ("/Users/.search", "POST, OPTIONS")]


@pytest.mark.parametrize("path, allowed", lines(*(((18, 19), *row) for row in METHODS)))
def test_methods_are_named_and_no_others_run(scim, path, allowed):
    """Lines 18, 19."""
    options = scim.call("OPTIONS", path).expect(204)
    assert set(options.headers["Allow"].split(", ")) == set(allowed.split(", "))
    assert not [name for name in options.headers if name.startswith("Access-Control")]
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
        refused = is_error(scim.call(method, path, b"test" if method != "GET" else None), 405)
        assert set(refused.headers["Allow"].split(", ")) == set(allowed.split(", "))


@pytest.mark.line(22)
def test_an_answer_is_not_kept_and_its_id_is_in_the_log(lab, scim):
    """A read that went well is a line of the level debug only."""
    user = lab.user()["id"]
    read, refused, written = (scim.get(f"/Users/{user}"), scim.get("/Users", filter="JOHN"),
                              scim.patch(f"/Users/{user}", ("add", "title", "x")))
    for answer in (read, refused, written):
        assert answer.headers["Cache-Control"] in ("no-store", "private, no-cache")
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["X-Request-Id"]
    for answer in (refused, written):
        eventually(lambda answer=answer: answer.headers["X-Request-Id"] in lab.bridge.process.log_text())


@pytest.mark.line(142)
def test_what_is_searched_for_is_not_in_the_log(new_lab):
    """A filter holds names and addresses; here the log is as talkative as it gets."""
    lab = new_lab(bridge={"more": 'log = { level = "debug"; };'})
    for text in ('userName eq "Secret.Name"', 'userName lk "Secret.Name"', 'password eq "Secret.Name"'):
        lab.scim.get("/Users", filter=text).expect(200, 400)
    lab.scim.get("/Users?filter=userName%20eq%20%22Secret.Name").expect(400)
    marked = lab.scim.get("/Users/nobody").headers["X-Request-Id"]
    log = eventually(lambda: marked in (text := lab.bridge.process.log_text()) and text)
    assert "path=/scim/v2/Users " in log and "Secret" not in log and "filter=" not in log


@pytest.mark.parametrize("query, status", lines(
    (23, "filter=userName+eq+%22kim%22", 200), (23, "filter=userName%20eq%20%22kim%22", 200),
    (24, "FILTER=userName%20eq%20%22kim%22", 200), (24, "startindex=0&COUNT=1&filter=userName+eq+%22kim%22", 200),
    (25, "aadOptscim062020&filter=userName+eq+%22kim%22", 200), (25, "x=1&y&filter=userName+eq+%22kim%22&=&", 200),
    (24, "filter=userName+eq+%22kim%22&filter=userName+eq+%22lee%22", 400), (24, "count=1&Count=2", 400),
    (23, "filter=userName+eq+%22kim%2", 400), ("A25", "filter=", 400), ("A25", "count=%", 400)))
def test_a_query_is_read_as_it_is_meant(scim, query, status):
    answer = scim.get(f"/Users?{query}")
    assert answer.status == status, answer.text
    if status == 200:
        assert [user["userName"] for user in answer["Resources"]] == ["kim"]
    else:
        is_error(answer, 400)


# ---- B. who may enter

STRANGERS = [
    (26, {}, None), (27, {"Authorization": "Bearer wrong"}, "invalid_token"), (27, {"Authorization": "Bearer"}, "any"),
    ("U31", {"Authorization": "Bearer "}, "any"), (27, {"Authorization": "Bearer {token} {token}"}, "any"),
    (27, {"Authorization": "Basic YTpi"}, "any"), (27, {"Authorization": "{token}"}, "any"),
    (27, {"Authorization": "Bearer {token}x"}, "invalid_token"), (27, {"Authorization": "Bearer " + "A" * 8000}, "any"),
]


@pytest.mark.parametrize("headers, error", lines(*STRANGERS))
def test_who_has_no_token_is_told_how_to_come_in(lab, scim, headers, error):
    headers = {name: value.format(token=lab.token) for name, value in headers.items()}
    refused = is_error(scim.bare("GET", "/Users", headers), 401)
    challenge = refused.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer realm=")
    assert error == "any" or ("error=" in challenge) == bool(error) and (error or "") in challenge


@pytest.mark.parametrize("method, path, sent", lines(
    (30, "GET", "/Users/{user}", None), (30, "GET", "/Users/nobody", None), (30, "GET", "/Groups/{user}", None),
    (30, "POST", "/Users", b"{ not json"), (30, "PATCH", "/Users/{user}", b"[]"), (30, "DELETE", "/Users/{user}", None),
    (29, "GET", "/Users?access_token={token}", None), ("U30", "GET", "/%55sers", None),
    ("U30", "GET", "/Users;x=y", None), ("U30", "GET", "/Users/..%2fUsers", None), (30, "GET", "/Nope", None)))
@pytest.mark.line("A14")
def test_without_a_token_everything_is_401(lab, scim, method, path, sent):
    path = path.format(user=lab.user()["id"], token=lab.token)
    is_error(scim.bare(method, path, {}, sent), 401)


@pytest.mark.parametrize("scheme", lines((29, "bearer"), (29, "BEARER"), (29, "BeArEr")))
def test_the_scheme_is_read_in_any_letters(lab, scim, scheme):
    scim.bare("GET", "/Users?count=1", {"Authorization": f"{scheme} {lab.token}"}).expect(200)


@pytest.mark.parametrize("path", lines((31, "/ServiceProviderConfig"), (31, "/Schemas"), (31, "/ResourceTypes")))
def test_discovery_is_open_to_everybody(scim, path):
    scim.bare("GET", path, {}).expect(200)


@pytest.mark.line(28)
def test_a_reading_token_writes_nothing(lab, view):
    reader = lab.client(lab.new_token("reads", "PlatformAdmin", "--access", "read"))
    user = lab.user(title="Kept")
    reader.get(f"/Users/{user['id']}").expect(200)
    group = lab.organization()["id"]
    for answer in (reader.post("/Users", {"schemas": [USER], "userName": "never"}), reader.delete(f"/Users/{user['id']}"),
                   reader.patch(f"/Users/{user['id']}", ("replace", "title", "x")),
                   reader.put(f"/Users/{user['id']}", user), reader.delete(f"/Groups/{group}"),
                   reader.patch(f"/Groups/{group}", ("add", "members", [{"value": user["id"]}]))):
        is_error(answer, 403)
        assert answer.rule == "KB-R09"
    assert view.by_id(user["id"])[1]["title"] == ["Kept"] and view.members(group) == set()


@pytest.mark.line(33)
def test_tokens_live_side_by_side_and_end_when_revoked(lab):
    old, new = (lab.client(lab.new_token(f"rotation-{n}", client="rotating")) for n in (1, 2))
    user = old.post("/Users", {"schemas": [USER], "userName": f"rotated{lab.number()}", "externalId": "mine"}).expect(201)
    assert new.get(f"/Users/{user['id']}")["externalId"] == "mine"
    lab.bridge.cli("token", "revoke", "rotation-1")
    eventually(lambda: old.get("/Users?count=1").status == 401)
    new.get("/Users?count=1").expect(200)


# ---- C. discovery


@pytest.mark.line(34, 35, 36)
def test_the_configuration_is_true(scim):
    config = scim.get("/ServiceProviderConfig").expect(200).json
    assert config["schemas"] == [CORE + "ServiceProviderConfig"]
    assert config["meta"] | {"version": ""} == {"resourceType": "ServiceProviderConfig", "version": "",
                                                "location": scim.url + "/ServiceProviderConfig"}
    switches = {name: config[name]["supported"] for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag")}
    assert switches == {"patch": True, "bulk": True, "filter": True, "changePassword": True, "sort": True, "etag": True}
    assert (config["bulk"]["maxOperations"], config["bulk"]["maxPayloadSize"]) == (1000, 4096 * 1024)
    assert config["pagination"] == {"cursor": True, "index": True, "defaultPaginationMethod": "index",
                                    "defaultPageSize": 100, "maxPageSize": 1000, "cursorTimeout": 3600}
    for scheme in config["authenticationSchemes"]:
        assert scheme["type"] and scheme["name"] and scheme["description"]


@pytest.mark.parametrize("method, path", lines(
    (36, "GET", "/Me"),
    (204, "PATCH", "/Me"), (204, "POST", "/Me"), (204, "DELETE", "/Me")))
def test_what_is_not_advertised_is_501(scim, method, path):
    is_error(scim.call(method, path, {"schemas": []} if method != "GET" else None), 501)


@pytest.mark.line(37, 38, 220)
def test_the_resource_types(scim):
    listed = scim.get("/ResourceTypes").expect(200).json
    assert listed["schemas"] == [LIST] and listed["totalResults"] == len(listed["Resources"]) == 3
    user, group, membership = listed["Resources"]
    assert (user["name"], user["endpoint"], user["schema"]) == ("User", "/Users", USER)
    assert [e["schema"] for e in user["schemaExtensions"]] == [ENTERPRISE, KIOPS_USER]
    assert (group["name"], group["endpoint"], group["schema"]) == ("Group", "/Groups", GROUP)
    assert [e["schema"] for e in group["schemaExtensions"]] == [KIOPS_ORGANIZATION]
    assert (membership["name"], membership["endpoint"]) == ("Membership", "/Memberships")
    assert membership["schema"] == "urn:kiops:params:scim:schemas:core:2.0:Membership" and not membership["schemaExtensions"]
    assert not any(e["required"] for one in (user, group) for e in one["schemaExtensions"])
    assert scim.get("/ResourceTypes/User").expect(200).json == user
    is_error(scim.get("/ResourceTypes/Nope"), 404)


@pytest.mark.line(39, 40, 41, 221)
def test_the_schemas(scim):
    listed = scim.get("/Schemas").expect(200).json
    known = {schema["id"]: schema for schema in listed["Resources"]}
    assert listed["totalResults"] == len(known)
    assert {USER, GROUP, ENTERPRISE, KIOPS_USER, KIOPS_ORGANIZATION, CORE + "ServiceProviderConfig",
            CORE + "ResourceType", CORE + "Schema"} <= set(known)
    types = scim.get("/ResourceTypes")["Resources"]
    assert {t["schema"] for t in types} | {e["schema"] for t in types for e in t["schemaExtensions"]} <= set(known)
    for urn, schema in known.items():
        assert schema["schemas"] == [CORE + "Schema"] and schema["meta"]["location"].endswith(f"/Schemas/{urn}")
        for attribute in schema["attributes"]:
            check_attribute(attribute)
    assert "null" not in scim.get("/Schemas").text.decode()


def check_attribute(attribute):
    """Line 41."""
    assert {"name", "type", "multiValued", "description", "required", "mutability", "returned"} <= set(attribute)
    assert attribute["mutability"] in ("readWrite", "readOnly", "writeOnly", "immutable")
    assert attribute["returned"] in ("default", "always", "never", "request")
    if attribute["type"] in ("string", "reference", "binary"):
        assert isinstance(attribute["caseExact"], bool) and attribute["uniqueness"] in ("none", "server", "global")
    for sub in attribute.get("subAttributes", ()):
        check_attribute(sub)


@pytest.mark.parametrize("urn, status", lines(
    (40, USER, 200), (40, urllib.parse.quote(USER, safe=""), 200), (40, USER.upper(), 200), (40, ENTERPRISE, 200),
    (40, "urn:x", 404), (212, "urn:ietf:params:scim:api:messages:2.0:PatchOp", 404)))
def test_one_schema_by_its_urn(scim, urn, status):
    answer = scim.get(f"/Schemas/{urn}").expect(status)
    assert status == 404 or answer["id"].lower() == urllib.parse.unquote(urn).lower()


@pytest.mark.parametrize("path, status", lines(*((42, path + query, status) for path in ("/Schemas", "/ResourceTypes")
                         for query, status in (("?filter=id%20pr", 403), ("?startIndex=2&count=1&sortBy=id", 200)))))
def test_discovery_takes_no_filter(scim, path, status):
    answer = scim.get(path).expect(status)
    assert status == 403 or answer["totalResults"] == len(answer["Resources"]) > 1


@pytest.mark.line(30, "A14")
def test_an_unknown_id_and_a_hidden_entry_look_alike(scim, view):
    hidden = view.get("cn=kiops-bridge,ou=services,dc=example,dc=org")["entryUUID"][0]
    answers = [is_error(scim.get(f"/Users/{one}"), 404).json for one in (hidden, str(uuid.uuid4()), "kim")]
    assert answers[0] == answers[1] == answers[2]
