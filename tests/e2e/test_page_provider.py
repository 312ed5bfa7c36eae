"""Signing in on the page at an OIDC issuer: code flow with PKCE, there and back, and what is not believed on the way."""

import re
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from browser import Browser
from issuer import AUDIENCE, Issuer, RsaKey
from lab import Lab
from scim import USER
from visitor import Visitor

TRY = "kiops-try"


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    made.secret = "s3cret of the page & more"
    yield made
    made.close()


def settings(issuer, more=""):
    return {"auth": f'oidc = {{ issuer = "{issuer.url}"; audience = "{AUDIENCE}"; client_id = "page"; {more} }};', "console": ""}


@pytest.fixture(scope="module")
def lab(issuer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    secret = folder / "client.secret"
    secret.touch(mode=0o600)
    secret.write_text(issuer.secret)
    issuer.secret_form = "s3cret%20of%20the%20page%20%26%20more"
    made = Lab(folder / "lab", bridge=settings(issuer, f'client_secret_file = "{secret}";'))
    made.provisioning = made.client(made.new_token("idp", client=issuer.client))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def person(lab, issuer):
    """Somebody whom the issuer knows; who signs in there next is that one."""
    issuer.subject, issuer.more = f"subject-{lab.number()}", {}
    issuer.secret = issuer.secret_form
    return lab.provisioning.post("/Users", {"schemas": [USER], "userName": f"at-issuer{lab.number()}", "externalId": issuer.subject}).expect(201)["id"]


def cookies(answer):
    return dict(re.match(r"([^=]+)=([^;]*)", line).groups() for line in answer.headers.get_all("Set-Cookie") or ())


def begin(lab, query="provider=1"):
    visitor = Visitor(lab.bridge)
    answer = visitor.visit("GET", f"/login?{query}").expect(303)
    visitor.attempt = cookies(answer)[TRY]
    visitor.there = answer.headers["Location"]
    return visitor


def come_back(visitor, address, attempt=None):
    parts = urlsplit(address)
    return visitor.visit("GET", f"{parts.path}?{parts.query}", Cookie=f"{TRY}={attempt or visitor.attempt}")


def failed(answer):
    assert answer.expect(303).headers["Location"] == "/login?failed=1"
    assert "kiops" not in cookies(answer) and cookies(answer)[TRY] == ""


def test_there_with_a_challenge(lab, issuer):
    visitor = begin(lab)
    parts, query = urlsplit(visitor.there), dict(parse_qsl(urlsplit(visitor.there).query))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == issuer.url + "/authorize"
    assert query["response_type"] == "code" and query["client_id"] == "page" and query["redirect_uri"] == lab.bridge.page + "/login"
    assert query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43 and "openid" in query["scope"].split()
    other = dict(parse_qsl(urlsplit(begin(lab).there).query))
    assert all(other[name] != query[name] for name in ("state", "nonce", "code_challenge"))
    assert query["code_challenge"] not in visitor.attempt


def test_and_back_with_a_session(lab, issuer, person):
    visitor = begin(lab, "provider=1&next=%2Fme")
    answer = come_back(visitor, issuer.authorize(visitor.there)).expect(303)
    assert answer.headers["Location"] == "/me"
    visitor.cookie = cookies(answer)["kiops"]
    assert visitor.told("/me")["user"] == person and visitor.get("/Me").expect(200)["id"] == person


@pytest.mark.parametrize("wanted, where", [
    ("/users", "/users"), ("/users?tab=pending&q=a%20b", "/users?tab=pending&q=a%20b"), ("/permissions?org=1", "/permissions?org=1"),
    ("https://evil.example/", "/users"), ("//evil.example", "/users"), ("/\\evil.example", "/users"), ("/usersx", "/users"),
    ("/users/../x", "/users"), ("javascript:alert(1)", "/users"), ("/me?a\r\nSet-Cookie: x=y", "/me?a%0D%0ASet-Cookie:%20x=y"), ("", "/users"), ("/me?" + "x" * 600, "/users")])
def test_next_is_a_path_of_the_page(lab, issuer, wanted, where):
    from urllib.parse import quote
    visitor = begin(lab, f"provider=1&next={quote(wanted, safe='')}")
    answer = come_back(visitor, issuer.authorize(visitor.there)).expect(303)
    assert answer.headers["Location"] == where.replace(" ", "%20") and set(cookies(answer)) == {"kiops", TRY}


@pytest.mark.parametrize("what", ["another state", "no cookie", "another one's cookie", "a code twice", "no code", "the issuer's refusal"])
def test_what_is_not_the_sign_in_that_this_browser_began(lab, issuer, what):
    visitor = begin(lab)
    address = issuer.authorize(visitor.there)
    if what == "another state":
        failed(come_back(visitor, re.sub(r"state=[^&]+", "state=guessed", address)))
    elif what == "no cookie":
        failed(come_back(visitor, address, attempt="x"))
    elif what == "another one's cookie":  # a code that an attacker put into somebody's browser
        failed(come_back(visitor, address, attempt=begin(lab).attempt))
    elif what == "a code twice":
        come_back(visitor, address).expect(303)
        failed(come_back(visitor, address))
    else:
        state = parse_qs(urlsplit(address).query)["state"][0]
        failed(come_back(visitor, f"/login?state={state}" + ("&error=access_denied" if "refusal" in what else "")))


@pytest.mark.parametrize("claims", [{"nonce": "another"}, {"nonce": None}, {"aud": AUDIENCE}, {"aud": "x"}, {"azp": "x"}, {"iss": "https://evil.example"},
                                    {"exp": 1}, {"sub": None}, {"sub": "nobody-here"}, {"key": RsaKey("foreign")}], ids=lambda c: "-".join(map(str, c)) + str(list(c.values())[0])[:12] if "key" not in c else "key")
def test_what_the_token_must_say(lab, issuer, claims):
    visitor = begin(lab)
    issuer.more = claims
    failed(come_back(visitor, issuer.authorize(visitor.there)))


def test_the_verifier_and_the_secret_are_proved_to_the_issuer(lab, issuer):
    visitor = begin(lab)
    address = issuer.authorize(visitor.there)
    issuer.codes = {code: {**q, "code_challenge": "A" * 43} for code, q in issuer.codes.items()}
    failed(come_back(visitor, address))
    visitor = begin(lab)
    issuer.secret = "another"
    failed(come_back(visitor, issuer.authorize(visitor.there)))


def test_an_inactive_person_gets_no_session(lab, issuer, person):
    lab.scim.patch(f"/Users/{person}", ("replace", "active", False)).expect(200)
    visitor = begin(lab)
    failed(come_back(visitor, issuer.authorize(visitor.there)))


def test_the_token_for_the_page_opens_no_other_door(lab, issuer):
    """Made for the client, not for the audience of the SCIM endpoint."""
    token = issuer.token(issuer.subject, aud="page")
    assert lab.client(token).get("/Me").status == 401


def test_codes_that_nobody_gave_are_slowed(lab, issuer):
    """Each costs the issuer a question, and a thread that waits for it."""
    visitor = begin(lab)
    state = parse_qs(urlsplit(visitor.there).query)["state"][0]
    before = issuer.count("/realm/token")
    for n in range(70):
        failed(visitor.visit("GET", f"/login?state={state}&code=guess{n}", Cookie=f"{TRY}={visitor.attempt}", X_Forwarded_For="192.0.2.9"))
    assert 60 <= issuer.count("/realm/token") - before < 70
    failed(come_back(visitor, issuer.authorize(begin(lab).there)))  # another state: not ours, so nobody is asked
    other = begin(lab)
    come_back(other, issuer.authorize(other.there)).expect(303)


def test_an_issuer_that_hangs_holds_few(new_lab):
    """The threads that ask it are those that ask the directory, and there are four."""
    own = Issuer()
    try:
        lab = new_lab(bridge=settings(own))
        visitor = begin(lab)
        state = parse_qs(urlsplit(visitor.there).query)["state"][0]
        own.answering.clear()

        def guess(n):
            visitor.visit("GET", f"/login?state={state}&code=guess{n}", Cookie=f"{TRY}={visitor.attempt}")

        with ThreadPoolExecutor(8) as pool:
            guess(0)  # five seconds, and from now on it is known to be slow
            waiting = [pool.submit(guess, n) for n in range(1, 9)]
            wait(waiting, return_when=FIRST_COMPLETED)
            began = time.monotonic()
            Visitor(lab.bridge).sign_in("nobody", "wrong").expect(401)
            assert time.monotonic() - began < 3
    finally:
        own.close()


def test_an_issuer_that_is_down_is_said(new_lab):
    own = Issuer()
    try:
        lab = new_lab(bridge=settings(own))
        own.down = True
        failed(Visitor(lab.bridge).visit("GET", "/login?provider=1"))
    finally:
        own.close()


def test_in_a_browser(lab, issuer, person):
    lab.bridge.process.stop()
    lab.bridge.process.start()  # which knows of no one who has guessed
    browser = Browser(lab.bridge)
    try:
        browser.open("/me").click("login-oidc")
        browser.wait(lambda: browser.text("h1") == "My memberships")
        assert urlsplit(browser.driver.current_url).path == "/me" and {c["name"] for c in browser.driver.get_cookies()} == {"kiops"}
        browser.forget()
        issuer.more = {"nonce": "another"}
        browser.open("/me").click("login-oidc")
        browser.wait(lambda: "did not succeed" in browser.text("main [role=alert]"))
        assert browser.complaints() == []
    finally:
        browser.close()
