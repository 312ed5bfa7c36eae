"""/users in a browser: who sees which tabs, the lists, search, order, filters and pages, all in the address."""

from urllib.parse import parse_qs, urlsplit

import pytest
from browser import Browser
from kiopslab import entries
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION

COLUMNS = ["Name", "Email", "Role", "System Permissions", "Join Date", "Actions"]
SEVEN = ["infra", "service", "backup", "device", "database", "vpn", "audit"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("page"), bridge={"console": "", "signup": ""}, users=400, organizations=4)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(lab):
    browser = Browser(lab.bridge)
    yield browser
    browser.close()


@pytest.fixture
def browser(shared):
    yield shared
    assert shared.complaints() == []


@pytest.fixture(scope="module")
def signed(shared):
    """Signs somebody in, when it is not who is signed in already."""
    now = []

    def sign(name, path="/users"):
        if now != [name]:
            shared.forget().sign_in(name)
            now[:] = [name]
        return shared.open(path)
    return sign


def group_id(lab, name):
    return lab.scim.find("Groups", f'displayName eq "{name}"')[0]["id"]


def query(browser):
    return {k: v[0] for k, v in parse_qs(urlsplit(browser.driver.current_url).query).items()}


# ---- tabs

def test_a_manager_sees_two_tabs(signed, browser):
    signed(entries.MANAGER)
    assert browser.tabs() == ["Organization Users", "Pending Approval (1)"]
    assert "All Users" not in browser.driver.page_source
    browser.open("/users?tab=all")  # asked for by hand: there is none
    assert browser.heads() == COLUMNS and "All Users" not in browser.driver.page_source


def test_a_platform_admin_sees_three_tabs(signed, browser):
    signed(entries.PLATFORM_ADMIN)
    assert browser.tabs()[:2] == ["Organization Users", "All Users"] and browser.tabs()[2].startswith("Pending Approval (")


@pytest.mark.parametrize("name", [entries.MEMBER, "noa"])
@pytest.mark.parametrize("path", ["/users", "/permissions"])
def test_members_and_outsiders_are_shown_the_way_to_their_own_page(signed, browser, name, path):
    signed(name, path)
    assert browser.text("h1") == "This page is for Managers" and not browser.all("table, [role=tab], #search")
    browser.click(browser.one("#refused a"))
    browser.settled()
    assert urlsplit(browser.driver.current_url).path == "/me" and browser.text("h1") == "My memberships"


def test_who_signed_in_at_a_link_comes_to_it(shared, lab, signed):
    signed(entries.MEMBER)
    address = f"/users?org={group_id(lab, 'Project A')}&q=kim"
    shared.forget().sign_in(entries.MANAGER, path=address)
    assert shared.rows() == ["kim"]
    shared.forget().sign_in(entries.MEMBER)


# ---- Organization Users

def test_organization_users_has_exactly_six_columns(signed, browser):
    signed(entries.MANAGER)
    assert browser.heads() == COLUMNS
    assert browser.rows() == ["jun", "kim", "lee", "matteo", "mina"]
    cells = [td.text for td in browser.row("kim").find_elements("css selector", "th, td")]
    assert cells[:3] == ["Min Kim", "kim@example.org", "Member"] and cells[4] == "Jan 5, 2026"
    assert [b.get_attribute("data-permission") for b in browser.row("kim").find_elements("css selector", ".badge")] == SEVEN
    assert browser.badges("kim") == ["infra", "vpn"]
    assert [b.text for b in browser.row("kim").find_elements("css selector", ".actions button")] == ["Change Role", "Permissions", "Remove"]


def test_the_own_row_offers_nothing_and_says_who_can(signed, browser):
    signed(entries.MANAGER)
    assert not browser.row("mina").find_elements("css selector", "button")
    why = browser.row("mina").find_element("css selector", "[data-why]").text
    assert "Nobody changes their own role" in why and "another Manager or a PlatformAdmin" in why


def test_the_permissions_of_a_manager_are_not_a_manager_s(signed, browser):
    signed(entries.MANAGER)
    assert [b.text for b in browser.row("matteo").find_elements("css selector", ".actions button")] == ["Change Role", "Remove"]
    assert browser.row("matteo").find_element("css selector", "[data-why]").text == "Only a PlatformAdmin changes the permissions of a Manager."


# ---- search, order, filters, pages

@pytest.mark.parametrize("text, found", [
    ("kim@", ["kim"]), ("@EXAMPLE.org", ["jun", "kim", "lee", "matteo", "mina"]), ("mina", ["mina"]), ("  min  ", ["kim", "mina"]),
    ("Rossi", ["matteo"]), ("nobody-there", []), ('"', []), ("\\", []), ('a" or role eq "Manager', [])])
def test_a_search_by_a_part_of_email_or_name(signed, browser, text, found):
    signed(entries.MANAGER)
    browser.type("q", text, enter=True)
    browser.wait(lambda: query(browser).get("q") == text.strip())
    browser.wait(lambda: browser.rows() == found, f"{text}: {found}")
    if not found:
        browser.click("reset").settled()
        browser.wait(lambda: len(browser.rows()) == 5)


def test_the_search_has_a_button_too(signed, browser):
    signed(entries.MANAGER)
    browser.type("q", "lee")
    browser.click("search-go")
    browser.wait(lambda: browser.rows() == ["lee"])


@pytest.mark.parametrize("sort, rows", [
    ("email", ["mina", "matteo", "lee", "kim", "jun"]), ("role", ["matteo", "mina"]), ("joined", None), ("name", ["lee", "jun", "matteo", "kim", "mina"])])
def test_the_head_of_a_column_sorts(signed, browser, sort, rows):
    signed(entries.MANAGER)
    browser.click(f"sort-{sort}")  # by e-mail it is already: the other way round
    browser.wait(lambda: query(browser).get("sort") == sort)
    browser.settled()
    browser.wait(lambda: rows is None or browser.rows()[:len(rows)] == rows or set(browser.rows()[-2:]) == set(rows))
    assert len([th for th in browser.all("thead th[aria-sort]") if th.get_attribute("aria-sort") != "none"]) == 1
    way = query(browser)["order"]
    browser.click(f"sort-{sort}")
    browser.wait(lambda: query(browser)["order"] != way)


def test_filters_by_role_and_status(lab, signed, browser):
    signed(entries.MANAGER)
    browser.choose("filter-role", "Manager")
    browser.wait(lambda: browser.rows() == ["matteo", "mina"])
    browser.choose("filter-status", "inactive")
    browser.wait(lambda: browser.rows() == [])
    assert query(browser) == {"role": "Manager", "status": "inactive"}
    browser.driver.back()
    browser.wait(lambda: browser.rows() == ["matteo", "mina"])


def test_the_address_holds_all_of_it(signed, browser):
    signed(entries.MANAGER, "/users?q=example&role=Member&sort=email&order=descending")
    assert browser.rows() == ["lee", "kim", "jun"] and browser.one("#q").get_attribute("value") == "example"
    browser.driver.refresh()
    browser.settled()
    assert browser.rows() == ["lee", "kim", "jun"]


def test_pages(lab, signed, browser):
    signed(entries.PLATFORM_ADMIN, f"/users?org={group_id(lab, 'Organization 0001')}")
    total = int(browser.text("#count").split(" of ")[1])
    assert total > 100 and browser.text("#count").startswith("1–25 of ") and len(browser.rows()) == 25
    first = browser.rows()
    browser.click("page-next")
    browser.wait(lambda: browser.text("#count").startswith("26–50"))
    assert query(browser)["page"] == "2" and not set(browser.rows()) & set(first)
    browser.open(f"/users?org={group_id(lab, 'Organization 0001')}&page={-(-total // 25)}")
    assert not browser.all("#page-next") and len(browser.rows()) == (total % 25 or 25)
    browser.click("page-prev").settled()


# ---- which organization

def test_who_manages_several_chooses(lab, signed, browser):
    user = lab.user(password="correct horse", displayName="Two Hats")
    made = [lab.organization(managers=[user["id"]])["displayName"] for _ in range(2)]
    browser.forget().sign_in(user["userName"], "correct horse")
    options = [o.text for o in browser.all("#organization option")]
    assert sorted(options) == sorted(made)
    other = [o for o in options if o != browser.text("#organization-name")][0]
    browser.choose("organization", group_id(lab, other))
    browser.wait(lambda: browser.text("#organization-name") == other)
    browser.forget().sign_in(entries.PLATFORM_ADMIN)


def test_a_platform_admin_types_to_find_one(lab, shared):
    shared.forget().sign_in(entries.PLATFORM_ADMIN)
    shared.pick("organization", "project b")
    shared.wait(lambda: shared.text("#organization-name") == "Project B")
    shared.wait(lambda: shared.rows() == ["jun", "kim", "sora"])
    assert query(shared)["org"] == group_id(lab, "Project B")


def test_an_organization_that_is_not_ones_own_is_not_found(lab, shared):
    shared.forget().sign_in(entries.MANAGER)
    shared.open(f"/users?org={group_id(lab, 'Project B')}")
    assert shared.all("#failed") and not shared.all("table")


# ---- Pending Approval, All Users

def test_pending_shows_email_name_time_and_status(shared):
    shared.forget().sign_in(entries.MANAGER)
    shared.click("tab-pending")
    shared.wait(lambda: shared.heads() == ["Email", "Name", "Request Time", "Status", "Actions"])
    cells = [td.text for td in shared.row("noa").find_elements("css selector", "th, td")]
    assert cells[:2] == ["noa@example.org", "Noa Levi"] and cells[2].startswith("Jan 5, 2026") and cells[3] == "Active"
    assert [b.text for b in shared.row("noa").find_elements("css selector", "button")] == ["Approve", "Reject"]


def test_the_number_of_requests_is_live(lab, shared):
    """Another one asks while the page is open: what is polled is the number alone."""
    shared.forget().sign_in(entries.MANAGER)
    before = shared.tabs()[1]
    user = lab.user(password="correct horse")
    asks = lab.person(user["userName"], "correct horse")
    asks.post("/Memberships", {"schemas": ["urn:kiops:params:scim:schemas:core:2.0:Membership"],
                               "organization": {"value": group_id(lab, "Project A")}}).expect(201)
    shared.driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    shared.wait(lambda: shared.tabs()[1] == "Pending Approval (2)")
    assert before == "Pending Approval (1)" and shared.said() == "Pending Approval (2)"
    lab.scim.delete(f"/Memberships/{group_id(lab, 'Project A')}.{user['id']}").expect(204)


def test_all_users_is_the_whole_platform(lab, shared):
    shared.forget().sign_in(entries.PLATFORM_ADMIN)
    shared.click("tab-all")
    shared.wait(lambda: "Status" in shared.heads())
    total = lab.scim.get("/Users", count=0)["totalResults"]
    assert shared.text("#count").endswith(f"of {total}")
    shared.type("q", "sora", enter=True)
    shared.wait(lambda: shared.rows() == ["sora"])
    assert "Project B: Member" in shared.row("sora").text
    shared.open("/users?tab=all&role=PlatformAdmin")
    assert shared.rows() == ["ada"]


def test_hints(lab, shared):
    user = lab.user(password="correct horse")
    lab.organization(managers=[user["id"]])
    shared.forget().sign_in(user["userName"], "correct horse")
    assert "one Manager only" in shared.text("#hints")
    vacant = lab.organization()
    shared.forget().sign_in(entries.PLATFORM_ADMIN)
    shared.open(f"/users?org={vacant['id']}")
    assert "has no active Manager" in shared.text("#hints")
    shared.open(f"/users?org={group_id(lab, 'Project A')}")
    assert "The oldest request has been waiting for" in shared.text("#hints")


@pytest.mark.parametrize("with_address, said", [(False, "You manage no organization"), (True, "(KB-R09)")])
def test_who_is_manager_no_longer_is_told_so_by_the_open_page(lab, shared, with_address, said):
    user = lab.user(password="correct horse")
    group = lab.organization(managers=[user["id"], lab.user()["id"]])["id"]
    shared.forget().sign_in(user["userName"], "correct horse")
    if with_address:
        shared.open(f"/users?org={group}")
    lab.scim.patch(f"/Memberships/{group}.{user['id']}", ("replace", "role", "Member")).expect(200)
    shared.click("sort-name").settled()
    assert said in shared.text("main") and not shared.rows()


# ---- how it is asked for

def test_what_is_known_at_once_is_asked_for_at_once(signed, browser):
    """Who waits for one answer before asking for the next has a slow page far from the bridge."""
    signed(entries.MANAGER)
    far = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", far)
    try:
        browser.open("/users")
    finally:
        browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**far, "latency": 0})
    asked = browser.driver.execute_script("return performance.getEntriesByType('resource').filter((r) => r.name.includes('/scim/'))"
                                          ".map((r) => [new URL(r.name).pathname.split('/')[3], r.startTime, r.responseEnd])")
    (first, _, end), (second, start, _), *more = sorted(asked, key=lambda one: one[1])
    assert {first, second} == {"Groups", "Memberships"} and start < end
    assert [name for name, *_ in more] == ["Memberships"]  # since when the oldest request waits


# ---- addresses that nobody made here

@pytest.mark.parametrize("path", ["/users?page=999", "/users?page=999&tab=pending", "/permissions?page=999", "/users?sort=constructor&order=descending",
                                  "/users?sort=__proto__", "/users?view=constructor", "/users?status=other", "/users?tab=toString"])
def test_an_address_that_means_nothing_shows_what_there_is(signed, browser, path):
    signed(entries.MANAGER, path)
    assert browser.rows() and not browser.all("#failed")


@pytest.mark.parametrize("organization", ["..", ".", "../Users", "x"])
def test_no_organization_of_that_name_is_said(signed, browser, organization):
    signed(entries.PLATFORM_ADMIN, f"/users?org={organization}")
    assert "does not exist" in browser.text("#failed")
