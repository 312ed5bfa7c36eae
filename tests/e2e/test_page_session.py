"""The page's session over plain HTTP: who gets one, what it lets through, what makes it worthless."""

import base64
import time

import pytest
from kiopslab import entries, site
from lab import eventually
from scim import KIOPS_ORGANIZATION, USER
from visitor import COOKIE, Visitor

WRONG = "user name or password is wrong"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("page"), bridge={"console": ""})
    yield made
    made.close()


@pytest.fixture
def visitor(lab):
    return Visitor(lab.bridge)


@pytest.fixture
def manager(visitor):
    visitor.sign_in(entries.MANAGER).expect(200)
    return visitor


def group(visitor, name="Project A"):
    return visitor.find("Groups", f'displayName eq "{name}"')[0]


# ---- signing in ----

def test_name_and_password_give_a_cookie_that_no_script_reads(visitor):
    answer = visitor.sign_in(entries.MANAGER).expect(200)
    parts = answer.headers["Set-Cookie"].split("; ")
    assert parts[0].startswith("kiops=") and set(parts[1:]) == {"Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Lax"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert visitor.get("/Me").expect(200)["userName"] == entries.MANAGER


def test_an_email_that_one_active_user_has_is_a_sign_in_name(lab, visitor):
    visitor.sign_in(f"{entries.MANAGER.upper()}@Example.org").expect(200)
    assert visitor.get("/Me").expect(200)["userName"] == entries.MANAGER


def test_an_email_of_two_is_nobody_s_name_and_of_one_active_it_is(lab, visitor):
    mail = f"shared{lab.number()}@example.org"
    both = [lab.user(password="correct horse", emails=[{"value": mail, "type": "work"}]) for _ in range(2)]
    assert visitor.sign_in(mail, "correct horse").expect(401)["detail"] == WRONG
    lab.scim.patch(f"/Users/{both[0]['id']}", ("replace", "active", False)).expect(200)
    assert visitor.sign_in(mail, "correct horse").expect(200)["user"] == both[1]["id"]


def test_a_user_name_goes_before_another_one_s_email(lab, visitor):
    mail = f"name{lab.number()}@example.org"
    named = lab.user(userName=mail, password="correct horse")
    lab.user(password="wrong horse", emails=[{"value": mail, "type": "work"}])
    assert visitor.sign_in(mail, "wrong horse").expect(401)["detail"] == WRONG
    assert visitor.sign_in(mail, "correct horse").expect(200)["user"] == named["id"]


@pytest.mark.parametrize("name, password", [
    ("mina", "wrong"), ("nobody-at-all", "x"), ("nobody@example.org", "x"), ("mina", ""), ("", ""), ("*", "x"), ("mina@example.org", "x"),
    ("noa*", entries.SAMPLE_PASSWORD), ("mina\u0000", "x")])
def test_whoever_does_not_know_the_password_hears_one_text(visitor, name, password):
    answer = visitor.sign_in(name, password)
    if "\0" in name:
        answer.expect(400)
        return
    assert answer.expect(401)["detail"] == WRONG
    assert answer.headers["Set-Cookie"] is None
    # With "Basic" there a browser would open a window of its own.
    assert answer.headers.get_all("WWW-Authenticate") == ['Bearer realm="kiops-bridge"']


def test_unknown_and_wrong_cost_the_same(lab):
    """Both are a search and a bind: medians over turns, so that neither meets a quieter machine."""
    spent = {"known": [], "unknown": []}
    for n in range(7):
        for kind, name in (("known", lab.user(password="correct horse")["userName"]), ("unknown", f"no{n}{lab.number()}")):
            began = time.monotonic()
            Visitor(lab.bridge).sign_in(name, "wrong").expect(401)
            spent[kind].append(time.monotonic() - began)
    known, unknown = (sorted(spent[k])[3] for k in ("known", "unknown"))
    assert 1 / 3 < known / unknown < 3, (known, unknown)


def test_guessing_is_slowed_whichever_of_the_names_is_used(new_lab):
    lab = new_lab(bridge={"console": ""})
    names = (entries.MEMBER, f"{entries.MEMBER}@example.org")
    guesses = [Visitor(lab.bridge).sign_in(names[n % 2], f"guess {n}") for n in range(14)]
    assert [a.status for a in guesses[:10]] == [401] * 10
    assert 1 <= int(guesses[-1].expect(429).headers["Retry-After"]) <= 10
    Visitor(lab.bridge).sign_in(entries.MANAGER).expect(200)


@pytest.mark.parametrize("body", [{}, {"userName": "mina"}, {"userName": "mina", "password": 1},
                                  {"userName": "mina", "password": "x", "more": 1}, [], b"{", b'{"userName":"a","userName":"b","password":"c"}'])
def test_what_is_no_login_is_refused(visitor, body):
    visitor.visit("POST", "/login", body, X_Kiops_Csrf="page").expect(400)


def test_a_login_is_small(visitor):
    visitor.visit("POST", "/login", {"userName": "x" * 20000, "password": ""}, X_Kiops_Csrf="page").expect(413)


def test_a_login_form_of_another_site_is_refused(visitor):
    body = {"userName": entries.MANAGER, "password": entries.SAMPLE_PASSWORD}
    visitor.visit("POST", "/login", body).expect(403)
    visitor.visit("POST", "/login", body, X_Kiops_Csrf="page", Sec_Fetch_Site="cross-site").expect(403)
    visitor.visit("POST", "/login", body, X_Kiops_Csrf="page", Content_Type="text/plain").expect(415)
    visitor.visit("POST", "/login", b"userName=mina&password=x", X_Kiops_Csrf="page",
                  Content_Type="application/x-www-form-urlencoded").expect(415)
    visitor.visit("POST", "/login", body, X_Kiops_Csrf="page", Sec_Fetch_Site="same-origin").expect(200)


# ---- what a session lets through ----

def test_a_session_is_the_person_with_their_rights(lab, manager):
    found = manager.find("Memberships", f'organization.value eq "{group(manager)["id"]}" and status eq "active"')
    assert {m["user"]["userName"] for m in found} >= {"mina", "matteo", "jun", "kim", "lee"}
    manager.post("/Users", {"schemas": [USER], "userName": "by-a-manager"}).expect(403)


def test_a_role_holds_at_once_without_a_new_login(lab, visitor):
    user = lab.user(password="correct horse")
    organization = lab.organization()
    visitor.sign_in(user["userName"], "correct horse").expect(200)
    visitor.visit("GET", "/users").expect(403)
    path = f"{KIOPS_ORGANIZATION}:managers"
    lab.scim.patch(f"/Groups/{organization['id']}", ("add", path, [{"value": user["id"]}])).expect(200)
    visitor.visit("GET", "/users").expect(200)


@pytest.mark.parametrize("change", [
    {"X-Kiops-Csrf": ""}, {"X-Kiops-Csrf": "page"}, {"X-Kiops-Csrf": "A" * 22}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_must_come_from_the_page(lab, manager, method, change):
    before = group(lab.scim)
    body = None if method == "DELETE" else {"schemas": [], "displayName": "stolen"}
    manager.call(method, f"/Groups/{before['id']}" if method != "POST" else "/Groups", body, headers=change).expect(403)
    assert group(lab.scim)["meta"]["version"] == before["meta"]["version"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_change_must_be_json(manager, content_type):
    manager.call("PATCH", f"/Groups/{group(manager)['id']}", b"{}", content_type=content_type).expect(415)
    manager.call("DELETE", f"/Groups/{group(manager)['id']}", headers={"Content-Type": content_type}).expect(415)


def test_the_csrf_text_of_another_session_is_refused(lab, manager):
    other = Visitor(lab.bridge)
    other.sign_in(entries.PLATFORM_ADMIN).expect(200)
    assert other.csrf != manager.csrf
    change = ("replace", f"{KIOPS_ORGANIZATION}:description", "x")
    manager.patch(f"/Groups/{group(manager)['id']}", change, headers={"X-Kiops-Csrf": other.csrf}).expect(403)
    manager.patch(f"/Groups/{group(manager)['id']}", change).expect(200, 204)


def test_authorization_goes_before_the_cookie(lab, manager):
    """A token beside the cookie acts as the token, and needs nothing of the page."""
    bearer = {"Authorization": f"Bearer {lab.token}", "X-Kiops-Csrf": ""}
    manager.call("GET", "/Users?count=1", headers=bearer).expect(200)
    manager.post("/Users", {"schemas": [USER], "userName": f"by-token{lab.number()}"}, headers=bearer).expect(201)
    manager.call("GET", "/Me", headers={"Authorization": "Bearer wrong"}).expect(401)


# ---- what makes a cookie worthless ----

def flipped(text, at):
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    raw[at] ^= 1
    return base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()


@pytest.mark.parametrize("spoil", [
    lambda c: flipped(c, 0), lambda c: flipped(c, 30), lambda c: flipped(c, -1), lambda c: c[:-4], lambda c: c + "AAAA",
    lambda c: c.upper(), lambda c: "", lambda c: "A" * len(c), lambda c: c + f"; {COOKIE}={c}", lambda c: "A" * 5000],
    ids=["nonce", "tag", "text", "cut", "longer", "upper", "empty", "zeros", "twice", "long"])
def test_a_cookie_that_was_changed_is_nobody(manager, spoil):
    manager.cookie = spoil(manager.cookie)
    manager.call("GET", "/Me").expect(401)
    assert manager.told("/users")["user"] == "" and manager.visit("GET", "/users").status == 401


def test_a_cookie_sealed_with_another_key_is_nobody(lab, new_lab, visitor):
    other = new_lab(bridge={"console": ""})
    there = Visitor(other.bridge)
    there.sign_in(entries.MANAGER).expect(200)
    visitor.cookie, visitor.csrf = there.cookie, there.csrf
    visitor.get("/Me").expect(401)


def test_signing_in_takes_no_session_that_was_planted(lab):
    """Fixation: what the browser held before is not what it holds after."""
    attacker, victim = Visitor(lab.bridge), Visitor(lab.bridge)
    attacker.sign_in(entries.MEMBER).expect(200)
    victim.cookie = planted = attacker.cookie
    victim.sign_in(entries.MANAGER).expect(200)
    assert victim.cookie != planted and victim.get("/Me")["userName"] == entries.MANAGER
    assert attacker.get("/Me")["userName"] == entries.MEMBER
    again = Visitor(lab.bridge)
    again.sign_in(entries.MANAGER).expect(200)
    assert again.cookie != victim.cookie and again.csrf != victim.csrf


def test_signing_out_makes_the_browser_forget(manager):
    answer = manager.visit("POST", "/logout", {}, X_Kiops_Csrf=manager.csrf).expect(204)
    assert answer.headers["Set-Cookie"].startswith("kiops=; Path=/; Max-Age=0;")
    manager.visit("POST", "/logout", {}).expect(403)
    manager.visit("GET", "/logout").expect(405)


def test_signing_out_needs_no_directory(new_lab):
    """Whoever leaves a shared computer while the directory is away is not kept signed in."""
    lab = new_lab(bridge={"console": "", "directory": "connect_timeout_ms = 500; operation_timeout_ms = 1000; stale_after_s = 1;"})
    visitor = Visitor(lab.bridge)
    visitor.sign_in(entries.MANAGER).expect(200)
    lab.slapd.process.stop()
    eventually(lambda: visitor.get("/Me").status == 503)
    visitor.visit("POST", "/logout", {}, X_Kiops_Csrf="page").expect(403)
    answer = visitor.visit("POST", "/logout", {}, X_Kiops_Csrf=visitor.csrf).expect(204)
    assert answer.headers["Set-Cookie"].startswith("kiops=; Path=/; Max-Age=0;")


def test_signing_out_twice_is_signed_out(lab):
    nobody = Visitor(lab.bridge)
    nobody.visit("POST", "/logout", {}, X_Kiops_Csrf="page").expect(204)
    nobody.visit("POST", "/logout", {"x": "x" * 20000}, X_Kiops_Csrf="page").expect(413)


def test_a_session_ends_with_the_account(lab, visitor):
    user = lab.user(password="correct horse")
    visitor.sign_in(user["userName"], "correct horse").expect(200)
    lab.scim.patch(f"/Users/{user['id']}", ("replace", "active", False)).expect(200)
    visitor.get("/Me").expect(401)
    lab.scim.patch(f"/Users/{user['id']}", ("replace", "active", True)).expect(200)
    visitor.get("/Me").expect(200)


def test_a_session_ends_with_the_password(new_lab):
    """Where the directory tells when it was changed."""
    lab = new_lab(bridge={"console": ""}, slapd={"modules": "moduleload ppolicy", "overlays": "overlay ppolicy"})
    user, visitor = lab.user(password="correct horse"), Visitor(lab.bridge)
    visitor.sign_in(user["userName"], "correct horse").expect(200)
    changed = lab.view().get(site.user_dn(user["userName"]))["pwdChangedTime"]
    eventually(lambda: time.strftime("%Y%m%d%H%M%SZ", time.gmtime()) > changed[0])  # it counts whole seconds
    lab.view().modify(site.user_dn(user["userName"]), ("replace", "userPassword", "another horse"))
    eventually(lambda: visitor.get("/Me").status == 401)
    assert visitor.get("/Me")["detail"] == "the password was changed; sign in again"
    visitor.sign_in(user["userName"], "another horse").expect(200)


# ---- what the page is sent with ----

@pytest.mark.parametrize("path, nobody, member, manager", [
    ("/login", 200, 200, 200), ("/users", 401, 403, 200), ("/permissions", 401, 403, 200), ("/me", 401, 200, 200),
    ("/users?tab=pending", 401, 403, 200), ("/signup", 404, 404, 404), ("/users/x", 404, 404, 404), ("/users/", 404, 404, 404), ("/ui/", 404, 404, 404)])
def test_who_may_open_what(lab, path, nobody, member, manager):
    assert Visitor(lab.bridge).visit("GET", path).status == nobody
    for name, status in ((entries.MEMBER, member), ("noa", member), (entries.MANAGER, manager), (entries.PLATFORM_ADMIN, manager)):
        visitor = Visitor(lab.bridge)
        visitor.sign_in(name).expect(200)
        assert visitor.visit("GET", path).status == status, name


def test_the_data_of_the_tabs_is_refused_to_members(lab):
    visitor = Visitor(lab.bridge)
    visitor.sign_in(entries.MEMBER).expect(200)
    organization = group(lab.scim)["id"]
    assert visitor.get("/Users").expect(403).rule == "KB-R09"
    for status in ("active", "pending"):
        seen = visitor.find("Memberships", f'organization.value eq "{organization}" and status eq "{status}"')
        assert {m["user"]["userName"] for m in seen} <= {entries.MEMBER}


def test_html_comes_with_a_policy_that_lets_no_foreign_script_in(manager):
    answer = manager.visit("GET", "/users").expect(200)
    policy = {d.split()[0]: d.split()[1:] for d in answer.headers["Content-Security-Policy"].split("; ")}
    assert policy["default-src"] == ["'none'"] and policy["frame-ancestors"] == ["'none'"] and policy["base-uri"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store" and "Strict-Transport-Security" not in answer.headers
    text = answer.text.decode()
    assert "<script>" not in text and " style=" not in text and "onclick" not in text and "All Users" not in text


def test_the_files_are_kept_for_ever_under_their_version(manager):
    import re
    text = manager.visit("GET", "/users").text.decode()
    paths = set(re.findall(r'(?:src|href)="(/ui/[^"]+)"', text))
    assert len(paths) >= 3
    for path in paths:
        answer = manager.visit("GET", path).expect(200)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert manager.visit("GET", path, If_None_Match=answer.etag).expect(304).text == b""
        other = manager.visit("GET", re.sub(r"/ui/\w+/", "/ui/0123456789abcdef/", path)).expect(200)
        assert other.headers["Cache-Control"] == "no-store" and other.text == answer.text
    manager.visit("GET", "/ui/x/nothing.js").expect(404)
    manager.visit("GET", "/ui/x/..%2fpage.html").expect(404)


def test_over_https_the_cookie_is_bound_to_the_host(new_lab):
    lab = new_lab(bridge={"console": ""})
    lab.bridge.configuration = lab.bridge.configuration.replace(f'public_url = "{lab.bridge.page}"', 'public_url = "https://id.example.org"')
    lab.bridge.write_files()
    lab.bridge.process.stop()
    lab.bridge.process.start()
    answer = Visitor(lab.bridge).visit("POST", "/login", {"userName": entries.MANAGER, "password": entries.SAMPLE_PASSWORD},
                                       X_Kiops_Csrf="page").expect(200)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-kiops=") and cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_no_session_and_no_password_in_log_and_audit(new_lab):
    lab = new_lab(bridge={"console": "", "more": 'log = { level = "debug"; };'})
    visitor = Visitor(lab.bridge)
    visitor.sign_in(entries.PLATFORM_ADMIN).expect(200)
    visitor.post("/Users", {"schemas": [USER], "userName": "seen"}).expect(201)
    told = lab.bridge.process.log_text()
    records = "".join(p.read_text() for p in (lab.bridge.home / "audit").iterdir() if p.is_file())
    for secret in (visitor.cookie, visitor.csrf, entries.SAMPLE_PASSWORD):
        assert secret not in told and secret not in records
    me = visitor.get("/Me")["id"]
    assert f'"actor":{{"kind":"person","id":"{me}"' in records.replace(" ", "")


def test_without_a_page_there_is_none(new_lab):
    lab = new_lab()
    for path in ("/login", "/users", "/me", "/", "/ui/x/main.js"):
        Visitor(lab.bridge).visit("GET", path).expect(404)
