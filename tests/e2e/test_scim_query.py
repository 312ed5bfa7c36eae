"""conformance/checklist.md, G to I: filters, sorting, index pages, end to end. The number in a case's id is its line there.
Everything runs among five people that this file makes; `userType` keeps the others out."""

import pytest
from checklist import lines
from lab import eventually
from scim import ENTERPRISE, KIOPS_ORGANIZATION, USER
from tenant import Tenant
from test_scim_transport import is_error


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


@pytest.fixture(scope="module")
def crew(ground):
    """Name -> id. `only` is the filter that finds nobody else."""
    kind = ground.name("crew")
    people = {
        "ann": {"title": "Welder", "name": {"givenName": "Ann", "familyName": "O'Malley"}, "externalId": "A-1",
                "emails": [{"value": "a@x.example", "type": "work"}, {"value": "z@y.example", "type": "home"}],
                ENTERPRISE: {"department": "Ops", "employeeNumber": "7"}, "nickName": "Annie"},
        "ben": {"title": "rigger", "emails": [{"value": "b@x.example", "type": "home"}], "active": False},
        "cho": {"title": "Árpád \"the\" * \\ (x)", "name": {"familyName": "초"}, "externalId": "a-1",
                "phoneNumbers": [{"value": "+82 2 1", "type": "work"}]},
        "dee": {"emails": [{"value": "0@x.example"}, {"value": "y@x.example", "primary": True}]},
        "eve": {"title": "Welder"},
    }
    ids = {name: ground.hire(userName=f"{name}.{kind}", userType=kind, **more) for name, more in people.items()}
    ground.scim.patch(f"/Users/{ids['eve']}", ("add", f"{ENTERPRISE}:manager", ids["ann"])).expect(200)
    ids["group"] = ground.group([ids["ann"], ids["ben"]], displayName=f"Group of {kind}")
    return ids | {"kind": kind, "only": f'userType eq "{kind}"'}


def names(ground, crew, text, **query):
    found = ground.scim.find("Users", f'{crew["only"]} and ({text})', **query)
    return "".join(user["userName"][0] for user in found)


FILTERS = [  # line, filter, first letters of those who match, in the alphabet's order
    (90, 'title eq "welder"', "ae"), (90, 'title ne "welder"', "bcd"), (90, 'title co "ELD"', "ae"),
    (90, 'title sw "r"', "b"),
    (90, 'title ew "er"', "abe"), (90, "title pr", "abce"), (90, 'title gt "rigger"', "ace"),
    (90, 'title ge "rigger"', "abce"),
    (90, 'title lt "welder"', "b"), (90, 'title le "welder"', "abe"), (90, 'Title Eq "Welder"', "ae"),
    (90, 'title PR AND NOT (title SW "w")', "bc"), (91, 'title eq "rigger" or title eq "welder" and nickName pr', "ab"),
    (91, '(title eq "rigger" or title eq "welder") and nickName pr', "a"), (91, 'not(title pr)', "d"),
    (91, 'not (title pr) or active eq false', "bd"), (92, 'title eq "\\u00c1rp\\u00e1d \\"the\\" * \\\\ (x)"', "c"),
    (92, 'title sw "\\u00e1RP\\u00e1D"', "c"), (93, 'externalId eq "A-1"', "a"), (93, 'externalId eq "a-1"', "c"),
    (93, 'userName eq "ANN.{kind}"', "a"), (93, 'id eq "{ann}"', "a"), (94, 'nickName ne "Annie"', "bcde"),
    (95, "name pr", "ac"),
    (95, "emails pr", "abd"), (95, "not (title pr)", "d"), (95, "title eq null", "d"), (95, "title ne null", "abce"),
    (96, 'emails.value eq "A@x.example"', "a"), (96, 'emails eq "b@x.example"', "b"),
    (96, 'emails co "y.example"', "a"),
    (96, 'emails[type eq "work" and value co "y.example"]', ""),
    (96, 'emails[type eq "home" and value co "y.example"]', "a"),
    (97, 'title pr and emails[type eq "home"]', "ab"), (97, 'emails[not (type eq "work")]', "abd"),
    (98, 'emails[type eq "work"].value eq "a@x.example"', "a"), (99, "name.familyName co \"O'Malley\"", "a"),
    (99, 'name.familyName eq "초"', "c"), (100, ENTERPRISE + ':department eq "ops"', "a"),
    (100, ENTERPRISE + ':manager.value eq "{ann}"', "e"), (100, USER + ':userName sw "c"', "c"),
    (100, 'schemas eq "' + ENTERPRISE + '"', "ae"), (101, 'meta.created gt "2011-05-13T04:42:34Z"', "abcde"),
    (101, 'meta.lastModified lt "2011-05-13T04:42:34+02:00"', ""),
    (101, 'meta.lastModified gt "2011-05-13T04:42:34.5-09:30"', "abcde"),
    (101, 'meta.resourceType eq "User"', "abcde"), (102, "active eq true", "acde"), (102, 'active eq "False"', "b"),
    (102, "active ne true", "b"), (108, 'title co "*"', "c"), (108, 'title co "(x)"', "c"),
    (108, 'title co "\\\\"', "c"),
    (108, 'userName eq "*"', ""), (109, 'title eq ""', ""), (109, 'title co ""', "abce"), (109, 'title sw ""', "abce"),
    (110, 'groups.value eq "{group}"', "ab"), (110, 'groups[value eq "{group}"]', "ab"),
    (110, 'groups.display co "Group of"', "ab"),
    ("U48", 'emails[value eq "a:b.c@x"]', ""), ("U18", 'EMAILS[TYPE EQ "WORK"]', "a"),
    (107, 'userName ge "d" and userName lt "e"', "d"),
]


@pytest.mark.parametrize("text, wanted", lines(*FILTERS))
def test_a_filter_finds_exactly_these(ground, crew, text, wanted):
    text = text.replace("{kind}", crew["kind"]).replace("{ann}", crew["ann"]).replace("{group}", crew["group"])
    assert "".join(sorted(names(ground, crew, text, count=1000))) == wanted


REFUSED = [
    (104, 'userName lk "x"'), (104, "userName eq"), (104, "userName eq bob"), (104, "JOHN"),
    (104, 'userName eq "x" trailing'),
    (104, '(userName eq "x"'), (104, 'userName eq "x")'), (104, 'emails[type eq "x"'), (104, 'userName eq "x" and'),
    (104, 'and userName eq "x"'), (104, "not userName pr"), (92, 'userName eq "x'), (92, 'userName eq "\\ud800"'),
    (92, 'userName eq "\\x"'), (97, 'emails[addresses[type eq "x"]]'), (99, 'name eq "x"'),
    (101, 'meta.created gt "yesterday"'),
    (102, "active gt true"), (102, 'active co "t"'), (105, 'shoeSize eq "43"'), (105, 'name.shoeSize eq "x"'),
    (106, 'password eq "x"'), (106, 'password sw "a"'), (106, "password pr"), ("A13", USER + ':PassWord eq "x"'),
    ("A6", 'userName eq "a\\u0000b"'), (113, "(" * 100 + "title pr" + ")" * 100),
    (113, " and ".join(["title pr"] * 300)),
    (113, 'title eq "' + "x" * 9000 + '"'), ("A1", "not (" * 300), (103, "title eq 5"), ("U28", "title eq 'x'"),
]


@pytest.mark.parametrize("text", lines(*REFUSED))
def test_what_is_no_filter_is_said_to_be_none(ground, text):
    """U 28: never an empty list with 200, or a client makes everybody anew."""
    assert is_error(ground.scim.get("/Users", filter=text), 400)["scimType"] == "invalidFilter"


@pytest.mark.line(89)
def test_no_match_is_an_empty_list(ground):
    answer = ground.scim.get("/Users", filter='userName eq "nobody"').expect(200).json
    assert (answer["totalResults"], answer["Resources"], answer["itemsPerPage"], answer["startIndex"]) == (0, [], 0, 1)


@pytest.mark.parametrize("text, wanted", lines(
    (110, 'members.value eq "{ann}"', True), (110, 'members[value eq "{ben}"]', True),
    (111, 'members eq "{ann}"', True),
    (111, 'id eq "{group}" and members eq "{ann}"', True), (111, 'members eq "{eve}" and id eq "{group}"', False),
    (110, 'members.value eq "{eve}"', False), (90, 'displayName eq "GROUP OF {kind}"', True),
    (90, 'displayName co "{kind}"', True),
    (100, KIOPS_ORGANIZATION + ":memberCount eq 2 and displayName pr", True),
    (100, KIOPS_ORGANIZATION + ":memberCount gt 2", False),
    (103, KIOPS_ORGANIZATION + ":memberCount ge 1.5", True)))
def test_a_filter_finds_the_group(ground, crew, text, wanted):
    for name in ("ann", "ben", "eve", "group", "kind"):
        text = text.replace("{" + name + "}", crew[name])
    found = [group["id"] for group in ground.scim.find("Groups", text, attributes="id", count=1000)]
    assert (crew["group"] in found) == wanted


# ---- H. sort

SORTS = [  # line, sortBy, sortOrder, the order of first letters
    (114, "userName", None, "abcde"), (114, "userName", "descending", "edcba"),
    (114, "USERNAME", "Descending", "edcba"),
    (115, "nickName", None, "a...."), (115, "nickName", "descending", "....a"), (116, "emails", None, "abd.."),
    (116, "emails.value", "descending", "..dba"), (116, "name.familyName", None, "ac..."),
    (116, f"{ENTERPRISE}:department", None, "a...."), (116, "externalId", None, "ac..."), (116, "title", None, "b..cd"),
    (116, "active", None, "b...."), (116, "meta.created", None, "....."),
]


@pytest.mark.parametrize("by, order, wanted", lines(*SORTS))
@pytest.mark.line(118)
def test_a_list_is_sorted(ground, crew, by, order, wanted):
    """A dot is anybody: those without a value, or equal ones, in the order of their ids (line 118)."""
    query = {"sortBy": by} | ({"sortOrder": order} if order else {})
    shown = names(ground, crew, "userName pr", **query)
    assert sorted(shown) == list("abcde")
    assert all(w in (".", s) for w, s in zip(wanted, shown, strict=True)), shown


@pytest.mark.parametrize("query, scim_type", lines(
    (114, "sortBy=userName&sortOrder=sideways", "invalidValue"), (117, "sortBy=shoeSize", "invalidPath"),
    (117, "sortBy=name", "invalidPath"), ("A13", "sortBy=password", "invalidPath")))
def test_what_cannot_be_sorted_by_is_said(ground, query, scim_type):
    assert is_error(ground.scim.get(f"/Users?{query}"), 400)["scimType"] == scim_type


# ---- I. pages

PAGES = [  # line, startIndex, count, startIndex shown, items
    (119, 1, 2, 1, 2), (119, 0, 2, 1, 2), (119, -5, 2, 1, 2), (122, 6, 2, 6, 0), (122, 10 ** 6, 2, 10 ** 6, 0),
    (121, 4, 5, 4, 2),
    (120, 1, 0, 1, 0), (120, 1, -3, 1, 0), (121, 1, 5000, 1, 5), (123, 5, 1, 5, 1),
]


@pytest.mark.parametrize("start, count, shown, items", lines(*PAGES))
def test_a_page_says_what_it_holds(ground, crew, start, count, shown, items):
    page = ground.scim.get("/Users", filter=crew["only"], startIndex=start, count=count).expect(200).json
    assert (page["startIndex"], page["itemsPerPage"], len(page["Resources"]), page["totalResults"]) == (shown, items, items, 5)
    assert all(type(page[name]) is int for name in ("startIndex", "itemsPerPage", "totalResults"))


@pytest.mark.parametrize("query", lines((119, "startIndex=abc"), (119, "startIndex=1.5"), (120, "count=abc"),
                                        (120, "count=1.5"),
                                        (120, "count="), (125, "startIndex=1e3"), ("A25", "count=0x10")))
def test_a_page_of_nonsense_is_refused(ground, query):
    assert is_error(ground.scim.get(f"/Users?{query}"), 400)["scimType"] == "invalidValue"


@pytest.mark.parametrize("query", lines((125, "startIndex=99999999999999999999"), ("A25", "count=2147483648"),
                                        ("A25", "startIndex=9223372036854775808&count=99999999999999999999")))
def test_a_number_too_large_does_not_wrap(ground, query):
    answer = ground.scim.get(f"/Users?{query}")
    assert answer.status == 400 or answer.expect(200)["itemsPerPage"] in (0, answer["totalResults"], 1000)


@pytest.mark.parametrize("query", lines(*((124, query) for query in (
    {}, {"sortBy": "title"}, {"sortBy": "title", "sortOrder": "descending"}, {"attributes": "userName"},
    {"sortBy": "active", "excludedAttributes": "emails"}))))
@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
@pytest.mark.line(118)
def test_pages_show_everybody_exactly_once(ground, crew, count, query):
    """Lines 118, 124; U 42: with and without sort and projection."""
    seen, start = [], 1
    while page := ground.scim.find("Users", crew["only"], startIndex=start, count=count, **query):
        seen += [user["id"] for user in page]
        start += count
    everybody = [user["id"] for user in ground.scim.find("Users", crew["only"], **query)]
    assert seen == everybody and sorted(seen) == sorted(crew[name] for name in ("ann", "ben", "cho", "dee", "eve"))


@pytest.mark.line(126)
def test_without_parameters_a_first_page_comes(new_lab):
    lab = new_lab(users=130, organizations=3)
    for kind, total, items in (("Users", 138, 100), ("Groups", 5, 5)):
        page = lab.scim.get(f"/{kind}").expect(200).json
        assert (page["totalResults"], page["itemsPerPage"], len(page["Resources"])) == (total, items, items)
    pages = [lab.scim.get("/Users", startIndex=n, count=7)["Resources"] for n in range(1, 140, 7)]
    ids = [user["id"] for page in pages for user in page]
    assert len(ids) == len(set(ids)) == 138
    assert lab.scim.get("/Users?count=5000")["itemsPerPage"] == 138


def test_a_list_follows_the_directory(ground, crew):
    """A value that was changed is found under its new text and no longer under its old one."""
    ground.scim.patch(f"/Users/{crew['eve']}", ("replace", "nickName", "Nan")).expect(200)
    assert names(ground, crew, 'nickName eq "Nan"') == "e"
    ground.scim.patch(f"/Users/{crew['eve']}", ("remove", "nickName")).expect(200)
    assert names(ground, crew, 'nickName eq "Nan"') == ""
    ground.view.modify(ground.dn(crew["eve"]), ("replace", "title", "Pilot"))
    eventually(lambda: names(ground, crew, 'title eq "pilot"') == "e" and names(ground, crew, 'title eq "welder"') == "a")
    ground.view.modify(ground.dn(crew["eve"]), ("replace", "title", "Welder"))
    eventually(lambda: names(ground, crew, 'title eq "pilot"') == "")
