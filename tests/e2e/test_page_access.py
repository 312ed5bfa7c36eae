"""The page for everybody: contrast, names of controls, the keyboard, 360 pixels, dark, Korean; and what it says while it waits or fails."""

import json
import re

import pytest
from browser import Browser, lab  # noqa: F401
from kiopslab import entries
from kiopslab.bridge import REPOSITORY
from selenium.webdriver.common.keys import Keys

UI = REPOSITORY / "src/console/ui"
# Who, where, and what is opened there.
STATES = [(None, "/login", None), (None, "/signup", None), (entries.MANAGER, "/users", None), (entries.MANAGER, "/users", "change"),
          (entries.MANAGER, "/users", "permissions"), (entries.MANAGER, "/users", "remove"), (entries.MANAGER, "/users?tab=pending", None),
          (entries.MANAGER, "/users?q=nobody", None), (entries.MANAGER, "/permissions", None), (entries.MANAGER, "/users?view=settings", None),
          (entries.MANAGER, "/users?view=record", None), (entries.MEMBER, "/users", None), (entries.MEMBER, "/me", None), ("noa", "/me", None),
          (entries.PLATFORM_ADMIN, "/users?tab=all", None)]
NAMES = [f"{who or 'nobody'} {path}{' ' + what if what else ''}" for who, path, what in STATES]

# WCAG 2.2, 1.4.3: the ratio of each text that is seen to what is behind it, from computed styles.
CONTRAST = r"""
const parse = (text) => { const c = text.match(/[\d.]+/g).map(Number); return {r: c[0], g: c[1], b: c[2], a: c.length > 3 ? c[3] : 1}; };
const over = (top, below) => ({r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1});
const light = ({r, g, b}) => { const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
const behind = (e) => { const layers = []; for (let n = e; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor); layers.push(c); if (c.a === 1) break; if (n.tagName === "DIALOG") break; }
  return layers.reverse().reduce((below, top) => over(top, below), {r: 255, g: 255, b: 255, a: 1}); };
const wrong = [];
const root = document.querySelector("dialog[open]") || document.body;
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
let seen = 0;
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
  if (!text || e.closest(".hidden, .skip, noscript, option, caption, :disabled, [aria-disabled=true]") || !e.checkVisibility()) continue;
  const style = getComputedStyle(e), size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const under = behind(e), ink = over(parse(style.color), under);
  const [a, b] = [light(ink), light(under)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
  seen += 1;
  if (ratio < (large ? 3 : 4.5)) wrong.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)} in ${e.tagName}.${e.className}`);
}
return [seen, wrong];
"""


@pytest.fixture(scope="module")
def browser(lab):
    browser = Browser(lab.bridge)
    browser.now = None
    yield browser
    browser.close()


def reach(browser, state):
    who, path, what = state
    if browser.now != who:
        browser.forget()
        if who:
            browser.sign_in(who)
        browser.now = who
    browser.open(path)
    if what:
        browser.action("kim", what).dialog()


@pytest.mark.parametrize("state", STATES, ids=NAMES)
def test_text_can_be_read(browser, state):
    """In light and dark."""
    reach(browser, state)
    for scheme in ("light", "dark"):
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        seen, wrong = browser.driver.execute_script(CONTRAST)
        assert seen > 3 and wrong == [], scheme
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("state", STATES, ids=NAMES)
def test_every_control_has_a_name_and_the_page_a_shape(browser, state):
    """As a screen reader gets it: the browser's own tree of roles and names."""
    reach(browser, state)
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    found = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n.get("ignored")]
    controls = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "switch", "radio", "tab", "dialog", "table", "listbox", "navigation", "tablist"}
    assert [one for one in found if one[0] in controls and not one[1].strip()] == []
    roles = [role for role, _ in found]
    if not state[2]:
        assert roles.count("main") == 1 and browser.driver.execute_script("return document.querySelectorAll('h1').length") == 1
    ids = browser.driver.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    assert browser.driver.execute_script("return document.documentElement.lang") == "en"


@pytest.mark.parametrize("state", STATES, ids=NAMES)
def test_at_360_pixels_nothing_is_cut_off(browser, state):
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False})
    try:
        reach(browser, state)
        width, wide = browser.driver.execute_script(
            "return [document.scrollingElement.scrollWidth, [...document.querySelectorAll('main *, dialog[open] *')].filter((e) => e.checkVisibility() && "
            "!e.closest('.hidden, thead, .choices') && e.getBoundingClientRect().right > 361).map((e) => e.outerHTML.slice(0, 80))]")
        assert width <= 360 and wide == []
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False})


# ---- the keyboard

def focused(browser):
    return browser.driver.switch_to.active_element


def test_all_of_it_by_keyboard(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    reached = set()
    for _ in range(60):
        focused(browser).send_keys(Keys.TAB) if reached else browser.one("body").send_keys(Keys.TAB)
        reached.add(focused(browser).get_attribute("id"))
    assert {"skip", "sign-out", "language", "settings", "record", "tab-members", "q", "search-go", "filter-role", "sort-email"} <= reached
    assert any(i.startswith("role-") for i in reached) and any(i.startswith("remove-") for i in reached)
    assert "tab-pending" not in reached  # within the tabs by arrows (ARIA)


def test_tabs_by_arrows(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    browser.one("#tab-members").send_keys(Keys.ARROW_RIGHT)
    browser.wait(lambda: browser.one("#tab-pending").get_attribute("aria-selected") == "true")
    browser.settled()
    assert focused(browser).get_attribute("id") == "tab-pending"
    focused(browser).send_keys(Keys.HOME)
    browser.wait(lambda: browser.one("#tab-members").get_attribute("aria-selected") == "true")


def test_a_dialog_keeps_the_focus_and_gives_it_back(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    opener = browser.row("kim").find_element("css selector", '[id^="permissions-"]')
    where = opener.get_attribute("id")
    opener.send_keys(Keys.ENTER)
    browser.dialog()
    for _ in range(12):
        inside = browser.driver.execute_script("return document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
        assert inside  # the browser's own chrome comes in between
        focused(browser).send_keys(Keys.TAB)
    browser.one("#switch-infra").send_keys(Keys.SPACE, Keys.ESCAPE)
    browser.wait(lambda: not browser.all("dialog"))
    assert focused(browser).get_attribute("id") == where


def test_finding_by_keyboard(browser):
    reach(browser, (entries.PLATFORM_ADMIN, "/users", None))
    box = browser.one("#organization")
    box.send_keys(Keys.CONTROL, "a")
    browser.type("organization", "project")
    browser.wait(lambda: [li.text for li in browser.all("#organization-list [role=option]")] == ["Project A", "Project B"])
    focused(browser).send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.one("#organization").get_attribute("aria-activedescendant") == "organization-1"
    focused(browser).send_keys(Keys.ENTER)
    browser.wait(lambda: browser.text("#organization-name") == "Project B")


def test_what_was_done_is_said_to_who_does_not_see_it(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    assert browser.one("#live").get_attribute("aria-live") == "polite" and browser.one("#alert").get_attribute("role") == "alert"
    browser.action("lee", "permissions").click("switch-audit").save()
    browser.wait(lambda: browser.said() == "The permissions of Ji Lee were changed.")
    browser.action("lee", "permissions").click("switch-audit").save()


def test_no_sign_is_made_by_colour_alone(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    marks = {b.get_attribute("data-permission"): b.text[0] for b in browser.row("kim").find_elements("css selector", ".badge")}
    assert {name for name, mark in marks.items() if mark == "✓"} == {"infra", "vpn"} and set(marks.values()) == {"✓", "–"}
    assert "granted" in browser.row("kim").find_element("css selector", ".badge [role=img]").get_attribute("aria-label")


# ---- languages

def test_both_languages_have_the_same_texts():
    english, korean = (json.loads((UI / f"{one}.json").read_text()) for one in ("en", "ko"))
    assert english.keys() == korean.keys()
    for name in english:
        assert set(re.findall(r"\{\w+\}", english[name])) >= set(re.findall(r"\{\w+\}", korean[name])), name
    used = set()
    for path in UI.glob("*.js"):
        used |= set(re.findall(r'\bt\("([^"]+)"', path.read_text()))
    assert used - english.keys() == set()


@pytest.mark.parametrize("state", STATES, ids=NAMES)
def test_in_korean_no_text_is_missing(browser, state):
    who, path, what = state
    reach(browser, state)
    if what:
        browser.click("dialog-cancel")
    browser.choose("language", "ko")
    try:
        browser.wait(lambda: browser.driver.execute_script("return document.documentElement.lang") == "ko")
        if what:
            browser.action("kim", what).dialog()
        text = browser.driver.execute_script("return (document.querySelector('dialog[open]') || document.body).innerText")
        assert re.search("[가-힣]", text) and not re.search(r"^[a-z]+(\.[a-z]+)+$|\{\w+\}", text, re.M)
    finally:
        browser.driver.execute_script("localStorage.clear()")


@pytest.mark.parametrize("language, joined, asked", [("en", "Jan 5, 2026", r"Jan 5, 2026, \d{1,2}:\d\d [AP]M"),
                                                     ("ko", "2026. 1. 5.", r"2026\. 1\. 5\. 오[전후] \d{1,2}:\d\d")])
def test_dates_are_written_as_the_browser_itself_would(browser, language, joined, asked):
    reach(browser, (entries.MANAGER, "/users", None))
    browser.choose("language", language)
    try:
        browser.wait(lambda: browser.driver.execute_script("return document.documentElement.lang") == language)
        dates = browser.driver.execute_script("const style = new Intl.DateTimeFormat(arguments[0], {dateStyle: 'medium'});"
                                              "return [...document.querySelectorAll('#list time')].map((one) => [one.textContent, style.format(new Date(one.dateTime))])", language)
        assert joined in dict(dates) and all(ours == theirs for ours, theirs in dates)
        browser.click("tab-pending")
        browser.wait(lambda: re.fullmatch(asked, browser.text("#panel time")))
    finally:
        browser.driver.execute_script("localStorage.clear()")


def test_the_language_is_the_browser_s_and_the_person_s(lab):
    korean = Browser(lab.bridge, language="ko")
    try:
        korean.open("/login")
        assert korean.text("h1") == "로그인" and korean.driver.execute_script("return document.documentElement.lang") == "ko"
        korean.choose("language", "en")
        korean.wait(lambda: korean.text("h1") == "Sign in")
        korean.open("/login")  # it is remembered
        assert korean.text("h1") == "Sign in"
    finally:
        korean.close()


# ---- waiting and failing

def test_offline_is_said_and_nothing_is_lost(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    browser.driver.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        browser.click("sort-role")
        browser.wait(lambda: browser.all("#failed"))
        assert "No connection" in browser.text("#failed")
    finally:
        browser.driver.delete_network_conditions()
    browser.click("try-again")
    browser.wait(lambda: len(browser.rows()) == 5)
    browser.driver.get_log("browser")


def test_while_it_loads_the_page_says_so_and_keeps_what_it_shows(browser):
    reach(browser, (entries.MANAGER, "/users", None))
    browser.driver.set_network_conditions(offline=False, latency=1500, throughput=500 * 1024)
    try:
        browser.one("#sort-role").click()
        assert browser.one("main").get_attribute("aria-busy") == "true" and len(browser.rows()) == 5
    finally:
        browser.driver.delete_network_conditions()
    browser.settled()


def test_a_directory_that_is_away_is_said_and_the_change_can_be_repeated(lab, browser):
    reach(browser, (entries.MANAGER, "/users", None))
    browser.action("lee", "permissions").click("switch-device")
    lab.slapd.process.stop()
    try:
        assert "directory is not answering" in browser.save()
    finally:
        lab.slapd.process.start()
    browser.wait(lambda: browser.save() == "")
    browser.wait(lambda: browser.badges("lee") == ["device"])
    browser.driver.get_log("browser")


def test_a_session_that_ended_asks_to_sign_in_and_comes_back(browser):
    reach(browser, (entries.MANAGER, "/users?q=kim", None))
    browser.driver.delete_all_cookies()
    browser.click("sort-email")
    browser.wait(lambda: browser.all("#login"))
    browser.type("userName", entries.MANAGER).type("password", entries.SAMPLE_PASSWORD).click("login-go")
    browser.wait(lambda: browser.rows() == ["kim"])
    browser.driver.get_log("browser")
