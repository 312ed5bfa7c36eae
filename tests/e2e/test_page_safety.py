"""What others wrote stays text, in every field and every place of the page; and what a browser keeps is worth nothing elsewhere."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import Browser, lab  # noqa: F401
from kiopslab import entries
from scim import KIOPS_ORGANIZATION

PASSWORD = "correct horse"
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"
HOSTILE = ['<script>window.pwned=1</script>', '"><img src=x onerror="window.pwned=1">', "'-window.pwned=1-'", "<svg/onload=window.pwned=1>",
           "{{constructor.constructor('window.pwned=1')()}}", "${window.pwned=1}", "javascript:window.pwned=1", "</title><script>window.pwned=1</script>",
           "{name} {organization}"]


@pytest.fixture(scope="module")
def browser(lab):
    browser = Browser(lab.bridge)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def hostile(lab):
    """An organization in which every text that somebody may choose is one of the hostile ones, each in turn."""
    boss = lab.user(password=PASSWORD, displayName=HOSTILE[0])
    people = [lab.user(password=PASSWORD, userName=f"{text} {n}", displayName=text, title=text, name={"givenName": text, "familyName": text},
                       emails=[{"value": f"x{n}@example.org", "type": text, "primary": True}]) for n, text in enumerate(HOSTILE)]
    group = lab.organization(managers=[boss["id"]], members=[p["id"] for p in people[:-2]], displayName=f"{HOSTILE[1]} {HOSTILE[0]}")
    lab.scim.patch(f"/Groups/{group['id']}", ("replace", f"{KIOPS_ORGANIZATION}:description", HOSTILE[0]),
                   ("replace", f"{KIOPS_ORGANIZATION}:joinPolicy", "open")).expect(200)
    for p in people[-2:]:
        lab.person(p["userName"], PASSWORD).post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": group["id"]}}).expect(201)
    return {"boss": boss, "people": people, "group": group}


def is_unharmed(browser):
    found = browser.driver.execute_script("return [window.pwned === undefined, document.querySelectorAll('img, main svg, main script, iframe').length]")
    assert found == [True, 0] and browser.complaints() == []


def dialogs_of(browser, user):
    for what in ("change", "permissions", "remove"):
        browser.action(user["userName"], what)
        assert user["displayName"] in browser.dialog().text
        is_unharmed(browser)
        browser.click("dialog-cancel")


def test_names_of_people_and_organizations_stay_text(browser, hostile):
    browser.forget().sign_in(hostile["boss"]["userName"], PASSWORD)
    assert browser.text("#organization-name") == hostile["group"]["displayName"]
    shown = browser.text("#list")
    for user in hostile["people"][:-2]:
        assert user["displayName"] in shown
    is_unharmed(browser)
    for user in hostile["people"][:3]:
        dialogs_of(browser, user)
    assert browser.driver.title == "User Management · KIOPS"


@pytest.mark.parametrize("path", ["/users?tab=pending", "/permissions", "/users?view=settings", "/me"])
def test_on_every_page(browser, hostile, path):
    browser.open(path)
    assert HOSTILE[-1] in browser.driver.page_source or hostile["group"]["displayName"] in browser.one("main").text
    is_unharmed(browser)


@pytest.mark.parametrize("path", ["/users?tab=all", "/users?tab=all&q=%3Cscript%3E"])
def test_in_the_list_of_all_and_in_its_dialog(browser, hostile, path):
    browser.forget().sign_in(entries.PLATFORM_ADMIN, path=path)
    assert HOSTILE[0] in browser.text("#list")
    user = next(u for u in hostile["people"] if u["userName"] in browser.rows())
    browser.action(user["userName"], "edit")
    browser.dialog()
    assert browser.one("#field-displayName").get_attribute("value") == user["displayName"]
    is_unharmed(browser)
    browser.click("dialog-cancel")
    browser.open("/users").pick("organization", "<img")
    browser.wait(lambda: browser.text("#organization-name") == hostile["group"]["displayName"])
    is_unharmed(browser)


@pytest.mark.parametrize("name", ["q", "org", "tab", "sort", "order", "role", "status", "page", "view", "__proto__"])
def test_in_the_address(browser, name):
    from urllib.parse import quote
    browser.open(f"/users?{name}={quote(HOSTILE[1])}")
    assert browser.all("h1")
    is_unharmed(browser)


def test_in_the_sign_up_and_in_refusals(browser, hostile):
    browser.forget().open("/signup").pick("signup-organization", "<img")
    for name in ("userName", "givenName", "familyName"):
        browser.type(name, HOSTILE[0])
    browser.type("email", "a@b.example").type("password", HOSTILE[1]).click("signup-go")
    browser.wait(lambda: browser.all("#signup-done") or browser.text("#signup-problem"))
    is_unharmed(browser)
    browser.sign_in(HOSTILE[1], HOSTILE[0])
    assert browser.text("#login-alert") == "User name or password is wrong."
    is_unharmed(browser)


def test_a_script_that_came_in_all_the_same_would_not_run(browser):
    """The second line: the policy of CSP, tried by somebody who can change the page's elements."""
    browser.forget().sign_in(entries.MANAGER)
    browser.driver.execute_script("window.stopped = []; document.addEventListener('securitypolicyviolation', (e) => window.stopped.push(e.effectiveDirective));")
    browser.driver.execute_script("const s = document.createElement('script'); try { s.textContent = 'window.pwned = 1'; } catch {} document.body.append(s);")
    browser.driver.execute_script("try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=1\">'); } catch {}")
    browser.driver.execute_script("const a = document.createElement('a'); try { a.setAttribute('onclick', 'window.pwned = 1'); } catch {} document.body.append(a); a.click();")
    assert browser.driver.execute_script("return window.pwned === undefined")
    fetched = browser.driver.execute_async_script("const done = arguments[0]; fetch('https://example.org/').then(() => done('went'), () => done('stayed'))")
    assert fetched == "stayed"
    stopped = browser.driver.execute_script("return window.stopped")
    assert {"require-trusted-types-for", "connect-src"} <= set(stopped), stopped
    browser.driver.get_log("browser")


def test_no_script_reads_the_session(browser):
    browser.forget().sign_in(entries.MANAGER)
    assert browser.driver.execute_script("return document.cookie") == ""
    kept = browser.driver.execute_script("return JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])")
    assert json.loads(kept) == [[], []]
    cookie = browser.driver.get_cookie("kiops")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"


class OtherSite:
    """A page of another origin that tries what it can with the visitor's session."""

    def __init__(self, target):
        text = f"""<!doctype html><title>other</title><iframe id="frame" src="{target}/users"></iframe>
<form id="form" method="post" action="{target}/scim/v2/Groups" enctype="text/plain"><input name='{{"a":"' value='"}}'></form>
<script>
const tries = [];
const put = (name, options) => tries.push(fetch('{target}/scim/v2/Groups', {{credentials: 'include', ...options}}).then((a) => [name, a.status || a.type], () => [name, 'stopped']));
put('get', {{}});
put('json', {{method: 'POST', headers: {{'Content-Type': 'application/json', 'X-Kiops-Csrf': 'page'}}, body: '{{}}'}});
put('plain', {{method: 'POST', mode: 'no-cors', headers: {{'Content-Type': 'text/plain'}}, body: '{{"displayName":"stolen"}}'}});
Promise.all(tries).then((all) => {{ window.results = Object.fromEntries(all); }});
</script>"""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_another_site_can_neither_read_nor_change_nor_frame(lab, browser):
    browser.forget().sign_in(entries.PLATFORM_ADMIN)
    before = lab.scim.get("/Groups", count=0)["totalResults"]
    site = OtherSite(lab.bridge.page)
    try:
        browser.driver.get(site.url)
        results = browser.wait(lambda: browser.driver.execute_script("return window.results"))
        assert results["get"] == results["json"] == "stopped"
        frame = browser.driver.execute_script("const f = document.getElementById('frame'); try { return f.contentDocument.body.innerText } catch { return 'closed' }")
        assert frame in ("closed", "")
        browser.driver.execute_script("document.getElementById('form').submit()")
        browser.wait(lambda: "X-Kiops-Csrf" in browser.driver.page_source or "another site" in browser.driver.page_source)
    finally:
        site.close()
    assert lab.scim.get("/Groups", count=0)["totalResults"] == before
    browser.driver.get_log("browser")


def test_the_files_make_no_markup_of_text(lab):
    """The source itself: nothing in it takes text as markup or as code."""
    from kiopslab.bridge import REPOSITORY
    for path in sorted((REPOSITORY / "src/console/ui").glob("*.js")):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|\.style\b", path.read_text()), path.name
    assert sum(p.stat().st_size for p in (REPOSITORY / "src/console/ui").iterdir()) < 120_000
