"""conformance/checklist.md, K: POST .search (RFC 7644 3.4.3), lists over all resource types (3.4.2.1), and /Me."""

import pytest
from checklist import lines
from scim import ENTERPRISE, GROUP, USER
from tenant import Tenant
from test_scim_transport import LIST, is_error

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.fixture(scope="module")
def crew(ground):
    """Four people and two groups that share a name in their display."""
    stem = ground.name("srch")
    people = [ground.hire(userName=f"{stem}-{n}", displayName=f"{stem} {n}", userType=stem, externalId=f"{stem}-x{n}",
                          title="T" if n % 2 else "t") for n in range(4)]
    groups = [ground.group(people[:2], displayName=f"{stem} group {n}") for n in range(2)]
    return {"stem": stem, "people": people, "groups": groups, "only": f'displayName co "{stem}"'}


def search(scim, path, **body):
    return scim.post(path, {"schemas": [SEARCH], **body})


def ids(answer):
    return [one["id"] for one in answer.expect(200)["Resources"]]


QUERIES = [
    {}, {"sortBy": "userName"}, {"sortBy": "title", "sortOrder": "descending"}, {"startIndex": 2, "count": 2},
    {"count": 0}, {"attributes": ["userName", "name.givenName"]}, {"excludedAttributes": ["emails", "groups"]},
    {"attributes": [ENTERPRISE + ":department"]},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.line(139)
def test_a_post_finds_what_a_get_finds(ground, crew, query):
    asked = {"filter": f'userType eq "{crew["stem"]}"', **query}
    inline = {name: ",".join(value) if isinstance(value, list) else value for name, value in asked.items()}
    posted = search(ground.scim, "/Users/.search", **asked).expect(200)
    assert posted.json == ground.scim.get("/Users", **inline).expect(200).json
    assert posted["schemas"] == [LIST] and posted.headers["Content-Type"] == "application/scim+json"


@pytest.mark.parametrize("body, scim_type", lines(
    (139, {"filter": "userName pr"}, "invalidSyntax"), (139, {"schemas": []}, "invalidSyntax"),
    (139, {"schemas": [USER]}, "invalidSyntax"), (139, [], "invalidSyntax"),
    (139, {"schemas": [SEARCH], "filter": "userName lk 1"}, "invalidFilter"),
    (139, {"schemas": [SEARCH], "filter": 1}, "invalidValue"),
    (139, {"schemas": [SEARCH], "attributes": {"a": 1}}, "invalidValue"),
    (139, {"schemas": [SEARCH], "attributes": [1]}, "invalidValue"),
    (139, {"schemas": [SEARCH], "count": "many"}, "invalidValue"),
    (139, {"schemas": [SEARCH], "startIndex": 1.5}, "invalidValue"),
    (139, {"schemas": [SEARCH], "sortBy": "nothing"}, "invalidPath"),
    (139, {"schemas": [SEARCH], "sortOrder": "up"}, "invalidValue"),
    (80, {"schemas": [SEARCH], "attributes": ["id"], "excludedAttributes": ["id"]}, "invalidValue"),
    ("A13", {"schemas": [SEARCH], "filter": 'password eq "x"'}, "invalidFilter"),
    ("A13", {"schemas": [SEARCH], "sortBy": "password"}, "invalidPath"),
    ("A1", {"schemas": [SEARCH], "filter": "(" * 10000}, "invalidFilter"),
    ("A1", {"schemas": [SEARCH], "filter": "userName pr" + " and userName pr" * 50000}, "invalidFilter")))
@pytest.mark.parametrize("path", ["/Users/.search", "/.search"])
def test_what_is_no_search_is_refused(ground, path, body, scim_type):
    is_error(ground.scim.post(path, body), 400, scim_type)
    ground.scim.get("/Users", count=0).expect(200)


def test_a_search_with_no_body_or_another_type_of_it(ground):
    is_error(ground.scim.call("POST", "/Users/.search", b""), 400, "invalidSyntax")
    is_error(ground.scim.call("POST", "/Users/.search", b"filter=a", content_type="text/plain"), 415)
    null = {"schemas": [SEARCH], "filter": None, "sortBy": None, "count": 1}
    assert len(ids(ground.scim.post("/Users/.search", null))) == 1


@pytest.mark.parametrize("asking", ["post", "get"])
@pytest.mark.line(140)
def test_all_types_in_one_list(ground, crew, asking):
    def ask(**query):
        if asking == "post":
            return search(ground.scim, "/.search", **query).expect(200).json
        return ground.scim.get("/", **query).expect(200).json

    found = ask(filter=crew["only"])
    assert found["totalResults"] == 6
    assert [one["meta"]["resourceType"] for one in found["Resources"]] == ["User"] * 4 + ["Group"] * 2
    assert [one["schemas"][0] for one in found["Resources"]] == [USER] * 4 + [GROUP] * 2
    assert [one["id"] for one in found["Resources"]] == sorted(crew["people"]) + sorted(crew["groups"])
    by_name = ask(filter=crew["only"], sortBy="displayName", sortOrder="descending")["Resources"]
    assert [one["displayName"][len(crew["stem"]):] for one in by_name] == [" group 1", " group 0", " 3", " 2", " 1", " 0"]
    page = ask(filter=crew["only"], sortBy="displayName", startIndex=4, count=2)
    assert [one["displayName"][len(crew["stem"]):] for one in page["Resources"]] == [" 3", " group 0"]
    assert page["totalResults"] == 6 and page["startIndex"] == 4
    only_names = ask(filter=crew["only"], attributes="displayName" if asking == "get" else ["displayName"])["Resources"]
    assert all(set(one) == {"id", "schemas", "displayName"} for one in only_names)


@pytest.mark.parametrize("text, people, groups", lines(
    (140, 'userName sw "{stem}"', 4, 0), (140, 'userName pr and {only}', 4, 0), (140, 'not (userName pr) and {only}', 0, 2),
    (140, 'members pr and {only}', 0, 2), (140, 'members.value eq "{member}"', 0, 2), (140, 'title eq "t" and {only}', 4, 0),
    (140, 'title ne "t" and {only}', 0, 2), (140, 'title eq null and {only}', 0, 2),
    (140, 'meta.resourceType eq "Group" and {only}', 0, 2), (140, 'meta.resourceType eq "User" and {only}', 4, 0),
    (140, 'emails[type eq "work"].value pr and {only}', 0, 0), (140, "name.familyName pr and {only}", 0, 0),
    (140, ENTERPRISE + ":department pr and {only}", 0, 0), (140, 'urn:nobody:knows:this:name eq 1 and {only}', 0, 0),
    (105, 'nothing eq "x" and {only}', 0, 0), (105, 'nothing.below[a eq 1] and {only}', 0, 0),
    (105, 'nothing ne "x" and {only}', 4, 2), (105, 'not (nothing pr) and {only}', 4, 2),
    (140, 'id eq "{member}"', 1, 0), (140, 'externalId eq "{stem}-x1"', 1, 0)))
def test_a_filter_over_all_types(ground, crew, text, people, groups):
    text = text.format(member=crew["people"][0], **crew)
    found = search(ground.scim, "/.search", filter=text, count=100).expect(200)["Resources"]
    kinds = [one["meta"]["resourceType"] for one in found]
    assert (kinds.count("User"), kinds.count("Group")) == (people, groups)


@pytest.mark.line(137)
def test_a_walk_by_post_over_all_types(ground, crew):
    for sort in ({}, {"sortBy": "displayName"}, {"sortBy": "userName"}, {"sortBy": "userName", "sortOrder": "descending"}):
        whole = ids(search(ground.scim, "/.search", filter=crew["only"], **sort))
        seen, cursor = [], ""
        while cursor is not None:
            page = search(ground.scim, "/.search", filter=crew["only"], cursor=cursor, count=1, **sort).expect(200).json
            seen += [one["id"] for one in page["Resources"]]
            cursor = page.get("nextCursor")
        assert seen == whole and len(whole) == 6


@pytest.mark.line(140)
def test_who_may_not_list_people_finds_the_groups(lab, ground, crew):
    token = lab.new_token(f"member{lab.number()}", "Member", "--organization", crew["groups"][0])
    scim = lab.client(token)
    is_error(scim.get("/Users"), 403)
    found = scim.get("/", filter="id pr").expect(200)["Resources"]
    assert [one["id"] for one in found] == [crew["groups"][0]]


@pytest.mark.parametrize("method, path, status", lines(
    (141, "GET", "/.search", 405), (141, "GET", "/Users/.search", 405), (141, "POST", "/Users/x/.search", 404),
    (141, "PUT", "/.search", 405), (141, "POST", "/", 405), (19, "DELETE", "/.search", 405)))
def test_paths_of_searches(ground, method, path, status):
    answer = ground.scim.call(method, path, {} if method != "GET" else None)
    is_error(answer, status)
    if status == 405:
        assert answer.headers["Allow"] == ("GET, HEAD, OPTIONS" if path == "/" else "POST, OPTIONS")


@pytest.mark.line(142)
def test_a_search_by_get_is_not_refused_and_its_filter_is_in_no_log(lab, ground, crew):
    ground.scim.get("/Users", filter='userName eq "very-private-name"').expect(200)
    assert "very-private-name" not in lab.bridge.process.log_text()


def test_a_read_only_token_may_search(lab, crew):
    scim = lab.client(lab.new_token(f"reader{lab.number()}", "PlatformAdmin", "--access", "read"))
    assert len(ids(search(scim, "/.search", filter=crew["only"]))) == 6


@pytest.mark.line(204)
def test_a_token_is_nobody(ground):
    for method, body in (("GET", None), ("PATCH", {}), ("PUT", {}), ("POST", {}), ("DELETE", None)):
        is_error(ground.scim.call(method, "/Me", body), 501)
    assert ground.scim.call("OPTIONS", "/Me").expect(204).headers["Allow"].startswith("GET, HEAD")
