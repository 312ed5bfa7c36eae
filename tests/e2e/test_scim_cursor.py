"""conformance/checklist.md, J: paging by cursor (RFC 9865), and walks while people come and go."""

import base64
import re

import pytest
from lab import eventually
from scim import USER
from tenant import Tenant
from test_scim_transport import is_error

PAGE = 7


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.fixture(scope="module")
def crew(ground):
    """Twenty people, of whom two have one nickName and four have none; `only` is the filter that finds nobody else."""
    kind = ground.name("walk")
    for n in range(20):
        more = {"nickName": f"N{n // 2:02}"} if n < 16 else {}
        ground.hire(userName=f"{kind}-{n:02}", userType=kind, **more)
    return f'userType eq "{kind}"'


def walk(scim, path="/Users", **query):
    """Every page of a walk by cursor, as answered."""
    query, pages = {"cursor": "", **query}, []
    while True:
        page = scim.get(path, **query).expect(200).json
        pages.append(page)
        if "nextCursor" not in page:
            return pages
        query["cursor"] = page["nextCursor"]


def listed(pages):
    return [one["id"] for page in pages for one in page["Resources"]]


ORDERS = [{}, {"sortBy": "userName"}, {"sortBy": "nickName"}, {"sortBy": "nickName", "sortOrder": "descending"},
          {"sortBy": "meta.lastModified"}, {"sortBy": "emails"}, {"sortBy": "name.familyName", "sortOrder": "descending"}]


@pytest.mark.parametrize("count", [1, 3, PAGE, 10, 20, 21])
@pytest.mark.parametrize("order", ORDERS, ids=lambda o: "-".join(o.values()) or "id")
@pytest.mark.line(127, 128, 136)
def test_a_walk_lists_each_once_in_order(ground, crew, order, count):
    whole = [one["id"] for one in ground.scim.find("Users", crew, count=100, **order)]
    pages = walk(ground.scim, filter=crew, count=count, **order)
    assert listed(pages) == whole and len(whole) == 20
    for page in pages:
        assert page["totalResults"] == 20 and page["itemsPerPage"] == len(page["Resources"]) <= count
        assert "startIndex" not in page and "previousCursor" not in page
    assert len(pages) == -(-20 // count)


@pytest.mark.line(127, 129)
def test_a_cursor_is_made_of_unreserved_characters(ground, crew):
    for parameter in ("cursor", "cursor="):
        answer = ground.scim.call("GET", f"/Users?{parameter}&count={PAGE}")
        cursor = answer.expect(200)["nextCursor"]
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", cursor)


@pytest.mark.line(130, 135)
def test_counts_at_the_edge(ground, crew):
    for count in (0, -3):
        page = ground.scim.get("/Users", cursor="", count=count, filter=crew).expect(200).json
        assert page["totalResults"] == 20 and page["Resources"] == [] and "nextCursor" not in page
    is_error(ground.scim.get("/Users", cursor="", count="x"), 400, "invalidCount")
    is_error(ground.scim.get("/Users", cursor="", count=1001), 400, "invalidCount")  # 135
    assert ground.scim.get("/Users", count=1001).expect(200)["itemsPerPage"] <= 1000  # 135


def begin(ground, crew, **more):
    query = {"filter": crew, "count": PAGE, "sortBy": "userName", **more}
    return query, ground.scim.get("/Users", cursor="", **query).expect(200)["nextCursor"]


CHANGES = [{"filter": "userName pr"}, {"sortBy": "nickName"}, {"sortBy": None}, {"sortOrder": "descending"},
           {"attributes": "userName"}, {"excludedAttributes": "name"}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.line(131)
def test_another_question_is_no_continuation(ground, crew, change):
    query, cursor = begin(ground, crew)
    query = {name: value for name, value in (query | change).items() if value is not None}
    is_error(ground.scim.get("/Users", cursor=cursor, **query), 400, "invalidCursor")


@pytest.mark.line(131)
def test_another_count_is_refused(ground, crew):
    query, cursor = begin(ground, crew)
    is_error(ground.scim.get("/Users", cursor=cursor, **(query | {"count": PAGE + 1})), 400, "invalidCount")
    ground.scim.get("/Users", cursor=cursor, **query).expect(200)


@pytest.mark.line(132)
def test_a_cursor_serves_nobody_else_and_no_other_list(lab, ground, crew):
    query, cursor = begin(ground, crew)
    other = lab.client(lab.new_token(f"other{lab.number()}", client=ground.client))
    texts = {is_error(other.get("/Users", cursor=cursor, **query), 400, "invalidCursor")["detail"]}
    for path in ("/Groups", "/"):
        texts.add(is_error(ground.scim.get(path, cursor=cursor, filter="id pr", count=PAGE), 400, "invalidCursor")["detail"])
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    forged = [cursor[:-1], cursor + "A", cursor[4:], "A" * len(cursor), cursor[::-1], "x", "A" * 4096]
    for at in (0, 23, 24, len(raw) // 2, len(raw) - 1):
        changed = bytes(raw[:at]) + bytes([raw[at] ^ 1]) + bytes(raw[at + 1:])
        forged.append(base64.urlsafe_b64encode(changed).decode().rstrip("="))
    for one in forged:
        texts.add(is_error(ground.scim.get("/Users", cursor=one, **query), 400, "invalidCursor")["detail"])
    assert len(texts) == 1, "one text for all: no oracle"
    for one in ("a b", "a+b", "a/b", "a=", "A" * 4097, "ü"):
        is_error(ground.scim.get("/Users", cursor=one, **query), 400, "invalidCursor")


@pytest.mark.line(132)
def test_rights_are_asked_again_with_every_page(lab, ground, crew):
    name = f"walker{lab.number()}"
    scim = lab.client(lab.new_token(name))
    query, _ = begin(ground, crew)
    cursor = scim.get("/Users", cursor="", **query).expect(200)["nextCursor"]
    lab.bridge.cli("token", "revoke", name)
    eventually(lambda: scim.get("/Users", cursor=cursor, **query).status == 401)


@pytest.mark.line(134)
def test_cursor_and_start_index_exclude_each_other(ground):
    is_error(ground.scim.get("/Users", cursor="", startIndex=1), 400, "invalidValue")


@pytest.mark.line(133)
def test_an_old_cursor_has_expired(new_lab):
    lab = new_lab(users=20, bridge={"scim": "cursor_timeout_s = 1;"})
    assert lab.scim.get("/ServiceProviderConfig")["pagination"]["cursorTimeout"] == 1
    cursor = lab.scim.get("/Users", cursor="", count=5).expect(200)["nextCursor"]
    answer = eventually(lambda: (a := lab.scim.get("/Users", cursor=cursor, count=5)).status == 400 and a, within=20)
    is_error(answer, 400, "expiredCursor")


@pytest.mark.line(138)
def test_a_walk_goes_on_after_a_restart_and_on_another_bridge(new_lab):
    lab = new_lab(users=20, bridges=2)
    whole = [one["id"] for one in lab.scim.get("/Users", count=100)["Resources"]]
    page = lab.scim.get("/Users", cursor="", count=5).expect(200).json
    seen = listed([page])
    second = lab.client(bridge=1)
    page = second.get("/Users", cursor=page["nextCursor"], count=5).expect(200).json
    seen += listed([page])
    lab.bridges[0].process.stop()
    lab.bridges[0].process.start()
    while "nextCursor" in page:
        page = lab.scim.get("/Users", cursor=page["nextCursor"], count=5).expect(200).json
        seen += listed([page])
    assert seen == whole


@pytest.mark.parametrize("order", [{}, {"sortBy": "userName"}, {"sortBy": "userName", "sortOrder": "descending"}],
                         ids=["id", "ascending", "descending"])
@pytest.mark.line(138)
def test_survivors_come_once_while_others_come_and_go(lab, ground, order):
    """Small; the walk over 20,000 people is in test_scim_walk.py."""
    kind = ground.name("churn")
    people = [ground.hire(userName=f"{kind}-{n:02}", userType=kind) for n in range(30)]
    query = {"filter": f'userType eq "{kind}"', "count": 4, **order}
    seen, cursor, n = [], "", 0
    while cursor is not None:
        page = ground.scim.get("/Users", cursor=cursor, **query).expect(200).json
        seen += listed([page])
        cursor = page.get("nextCursor")
        ground.scim.delete(f"/Users/{people[n * 3 % 30]}")
        ground.hire(userName=f"{kind}-{n:02}x", userType=kind)
        n += 1
    left = set(people) - {people[k * 3 % 30] for k in range(n)}
    assert len(seen) == len(set(seen)) and left <= set(seen)


def test_a_walk_in_a_manager_s_view_shows_only_that_view(lab, ground):
    people = [ground.hire() for _ in range(9)]
    group = ground.group(people[:6])
    token = lab.new_token(f"manager{lab.number()}", "Manager", "--organization", group)
    pages = walk(lab.client(token), count=2)
    assert listed(pages) == sorted(people[:6])
    assert {page["totalResults"] for page in pages} == {6}


@pytest.mark.line("A23")
def test_many_first_pages_and_long_keys_cost_nothing(lab, ground):
    """Nothing is kept for a cursor; a value as long as it may be fits into one."""
    kind = ground.name("long")
    for letter in "ab":
        ground.hire(userType=kind, nickName=letter + "x" * 60000)
    ground.hire(userType=kind, nickName="b" + "x" * 60000 + "y")
    pages = walk(ground.scim, filter=f'userType eq "{kind}"', sortBy="nickName", count=1, attributes="nickName")
    names = [one["nickName"] for page in pages for one in page["Resources"]]
    assert len(set(listed(pages))) == 3 and names[0][0] == "a"
    for _ in range(200):
        ground.scim.get("/Users", cursor="", count=1, attributes="id").expect(200)
    ground.scim.post("/Users", {"schemas": [USER], "userName": ground.name()}).expect(201)
