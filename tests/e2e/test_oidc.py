"""People by a token of an OIDC issuer: what is believed, whose it is, and the issuer's keys."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults import metric
from issuer import AUDIENCE, EcKey, Issuer, NoKey, RsaKey, SharedKey, b64, signed
from kiopslab import site
from lab import Lab, eventually
from scim import KIOPS_ORGANIZATION, KIOPS_USER, Scim

ME = "/Me"


def settings(issuer, more=""):
    return {"auth": f'oidc = {{ issuer = "{issuer.url}"; audience = "{AUDIENCE}"; {more} }};'}


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ground(issuer, tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"), bridge=settings(issuer))
    made.provisioning = made.client(made.new_token("idp", client=issuer.client))
    yield made
    made.close()


@pytest.fixture
def own_issuer():
    made = Issuer()
    yield made
    made.close()


def person(ground, subject=None):
    """A user whom the issuer calls `subject`."""
    subject = subject or f"subject-{ground.number()}"
    user = ground.provisioning.post("/Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                                               "userName": f"oidc{ground.number()}", "externalId": subject}).expect(201)
    return subject, user["id"]


def ask(ground, token, bridge=0):
    return Scim(ground.bridges[bridge].url, token).get(ME)


def why(answer):
    """The reason for a 401."""
    assert 'error="invalid_token"' in answer.expect(401).headers["WWW-Authenticate"]
    return answer["detail"]


# ---- who gets in ----

def test_the_subject_of_the_issuer_is_the_person_with_that_external_id(ground, issuer):
    subject, user = person(ground)
    mine = ask(ground, issuer.token(subject)).expect(200)
    assert mine["id"] == user


@pytest.mark.parametrize("claims", [
    {"aud": ["other", AUDIENCE]}, {"nbf": None, "iat": None}, {"exp": time.time() + 3000.5}, {"email": "x@example.org"}],
    ids=" ".join)
def test_what_a_token_may_also_look_like(ground, issuer, claims):
    subject, user = person(ground)
    assert ask(ground, issuer.token(subject, **claims)).expect(200)["id"] == user


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "at+JWT"}, {"kid": None}], ids=str)
def test_what_its_header_may_also_look_like(ground, issuer, header):
    subject, user = person(ground)
    assert ask(ground, issuer.token(subject, header=header)).expect(200)["id"] == user


def test_a_subject_of_nobody_is_nobody(ground, issuer):
    assert "unknown" in why(ask(ground, issuer.token("nobody-at-all")))


def test_another_clients_external_id_is_not_the_issuers(ground, issuer):
    ground.user(externalId="of-another-client")
    why(ask(ground, issuer.token("of-another-client")))


@pytest.mark.parametrize("subject", ["*", 'x" or id pr or id eq "', "\\", "a b", "x" * 255])
def test_a_subject_is_a_value_and_nothing_else(ground, issuer, subject):
    why(ask(ground, issuer.token(subject)))
    _, user = person(ground, subject)
    assert ask(ground, issuer.token(subject)).expect(200)["id"] == user


def test_the_subject_is_compared_letter_by_letter(ground, issuer):
    subject, _ = person(ground, f"Case{ground.number()}")
    ask(ground, issuer.token(subject)).expect(200)
    why(ask(ground, issuer.token(subject.lower())))


def test_an_inactive_person_is_nobody(ground, issuer):
    subject, user = person(ground)
    ask(ground, issuer.token(subject)).expect(200)
    ground.scim.patch(f"/Users/{user}", ("replace", "active", False)).expect(200)
    why(ask(ground, issuer.token(subject)))


def test_tokens_of_ours_are_taken_beside(ground):
    ground.scim.get("/Users?count=1").expect(200)
    why(Scim(ground.bridge.url, "no.token").get(ME))


# ---- what is believed ----

REFUSED_CLAIMS = {
    "issuer_of_another": ({"iss": "https://evil.example"}, "another issuer"),
    "issuer_with_a_slash": ({"iss": "{}/"}, "another issuer"),
    "no_issuer": ({"iss": None}, "another issuer"),
    "audience_of_another": ({"aud": "other"}, "another audience"),
    "audiences_of_others": ({"aud": ["other", AUDIENCE.upper()]}, "another audience"),
    "audience_in_an_object": ({"aud": {AUDIENCE: AUDIENCE}}, "another audience"),
    "no_audience": ({"aud": None}, "another audience"),
    "expired": ({"exp": time.time() - 3600}, "expired"),
    "no_end": ({"exp": None}, "expired"),
    "end_as_text": ({"exp": "2999999999"}, "no number"),
    "not_yet_valid": ({"nbf": time.time() + 3600}, "not valid yet"),
    "made_in_the_future": ({"iat": time.time() + 3600}, "not valid yet"),
    "no_subject": ({"sub": None}, "whose it is"),
    "empty_subject": ({"sub": ""}, "whose it is"),
    "subject_as_number": ({"sub": 7}, "whose it is"),
    "subject_too_long": ({"sub": "x" * 256}, "whose it is"),
}


@pytest.mark.parametrize("case", REFUSED_CLAIMS)
def test_claims_that_are_refused(ground, issuer, case):
    claims, reason = REFUSED_CLAIMS[case]
    if claims.get("iss") == "{}/":
        claims = {"iss": issuer.url + "/"}
    subject, _ = person(ground)
    assert reason in why(ask(ground, issuer.token(subject, **claims)))


def test_the_clocks_may_differ_a_little(ground, issuer):
    subject, _ = person(ground)
    now = time.time()
    ask(ground, issuer.token(subject, exp=now - 30, nbf=now + 30, iat=now + 30)).expect(200)


@pytest.mark.parametrize("key", ["none", "None", "NONE", "nOnE"])
def test_a_token_that_is_not_signed_is_refused(ground, issuer, key):
    subject, _ = person(ground)
    token = issuer.token(subject, key=NoKey(), header={"alg": key, "kid": "main"})
    assert "not allowed" in why(ask(ground, token))
    assert "not allowed" in why(ask(ground, token + b64(b"x")))


def test_the_public_key_is_no_shared_secret(ground, issuer):
    """The classic: the verifier's own public key taken as the secret of an HMAC."""
    subject, _ = person(ground)
    for secret in (issuer.main.pem(), json.dumps(issuer.main.jwk()).encode(), issuer.main.jwk()["n"].encode()):
        assert "not allowed" in why(ask(ground, issuer.token(subject, key=SharedKey("main", secret))))


@pytest.mark.parametrize("header, reason", [
    ({"alg": "ES256"}, "has not"), ({"alg": "PS256"}, "not allowed"), ({"alg": "RS1"}, "not allowed"),
    ({"alg": None}, "not allowed"), ({"alg": 7}, "not allowed"), ({"alg": ["RS256"]}, "not allowed"), ({"kid": 7}, "malformed"),
    ({"crit": ["exp"]}, "crit"), ({"typ": "logout+jwt"}, "another type"), ({"typ": 1}, "another type")], ids=str)
def test_headers_that_are_refused(ground, issuer, header, reason):
    subject, _ = person(ground)
    assert reason in why(ask(ground, issuer.token(subject, header=header)))


def test_a_key_that_comes_with_the_token_is_not_used(ground, issuer):
    subject, _ = person(ground)
    own = RsaKey("main")
    token = issuer.token(subject, key=own, header={"jwk": own.jwk(), "jku": issuer.url + "/keys"})
    assert "not signed by its issuer" in why(ask(ground, token))


def test_a_changed_token_is_not_signed(ground, issuer):
    subject, _ = person(ground)
    head, claims, signature = issuer.token(subject).split(".")
    other = issuer.token("another").split(".")[1]
    for token in (f"{head}.{other}.{signature}", f"{head}.{claims}.{signature[:-4]}", f"{head}.{claims}.AAAA"):
        assert "not signed by its issuer" in why(ask(ground, token))


@pytest.mark.parametrize("token", ["..", "a.b.c", "e30.e30.", "e30.e30.e30", "W10.e30.AAAA", "{}.{}.AAAA"])
def test_what_only_looks_like_a_token_is_refused(ground, token):
    why(ask(ground, token)) if "{" not in token else ask(ground, token).expect(401)


def test_names_that_stand_twice_are_refused(ground, issuer):
    """Two readers might take another one each."""
    subject, _ = person(ground)
    head = '{"alg":"none","alg":"RS256","kid":"main"}'
    assert "malformed" in why(ask(ground, signed(head, issuer.claims(subject), issuer.main)))
    claims = json.dumps(issuer.claims("nobody"))[:-1] + f',"sub":"{subject}"}}'
    assert "malformed" in why(ask(ground, signed({"alg": "RS256", "kid": "main"}, claims, issuer.main)))


def test_a_long_token_is_refused_before_it_is_read(ground, issuer):
    subject, _ = person(ground)
    assert "malformed" in why(ask(ground, issuer.token(subject, padding="x" * 9000)))


# ---- which key ----

UNFIT = {
    "shared": lambda: (SharedKey("odd", b"s" * 32), {}),
    "shared_as_rs256": lambda: (SharedKey("odd", b"s" * 32), {"alg": "RS256"}),
    "for_encryption": lambda: (RsaKey("odd"), {"use": "enc"}),
    "for_signing_alone": lambda: (RsaKey("odd"), {"key_ops": ["sign"]}),
    "for_another_algorithm": lambda: (RsaKey("odd"), {"alg": "RS512"}),
    "too_short": lambda: (RsaKey("odd", 1024), {}),
    "of_another_curve": lambda: (EcKey("odd"), {"crv": "P-384"}),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_key_that_is_not_made_for_this_is_not_used(new_lab, own_issuer, case):
    key, more = UNFIT[case]()
    own_issuer.keys.append(key.jwk(**more))
    lab = new_lab(bridge=settings(own_issuer))
    answer = ask(lab, own_issuer.token("x", key=key, header={"alg": more.get("alg", key.algorithm)}))
    assert any(reason in why(answer) for reason in ("not allowed", "has not"))


def test_keys_are_found_by_the_issuers_configuration_once_and_kept(new_lab, own_issuer):
    curve = EcKey("curve")
    own_issuer.keys += [curve.jwk(use="sig", alg="ES256", key_ops=["verify"]), {"kty": "OKP", "crv": "X25519", "kid": "x"}, 7]
    lab = new_lab(bridge=settings(own_issuer))
    lab.provisioning = lab.client(lab.new_token("idp", client=own_issuer.client))
    subject, user = person(lab)
    for key in (own_issuer.main, curve) * 5:
        assert ask(lab, own_issuer.token(subject, key=key)).expect(200)["id"] == user
    assert own_issuer.asked == ["/realm/.well-known/openid-configuration", "/realm/keys"]


def test_a_new_key_is_fetched_once_and_who_asks_for_none_fetches_no_more(new_lab, own_issuer):
    lab = new_lab(bridge=settings(own_issuer, f'jwks_uri = "{own_issuer.url}/keys";'))
    lab.provisioning = lab.client(lab.new_token("idp", client=own_issuer.client))
    subject, user = person(lab)
    ask(lab, own_issuer.token(subject)).expect(200)
    assert own_issuer.asked == ["/realm/keys"]
    old, new, began = own_issuer.main, EcKey("rotated"), time.monotonic()
    own_issuer.keys = [new.jwk()]
    assert ask(lab, own_issuer.token(subject, key=new)).expect(200)["id"] == user
    assert own_issuer.count() == 2
    assert "has not" in why(ask(lab, own_issuer.token(subject, key=old)))
    for n in range(5):
        assert "has not" in why(ask(lab, own_issuer.token(subject, header={"kid": f"made-up-{n}"})))
    assert own_issuer.count() <= 2 + (time.monotonic() - began) // 10
    ask(lab, own_issuer.token(subject, key=new)).expect(200)


@pytest.fixture
def rotating(new_lab, own_issuer):
    """A lab that knows the issuer's old key alone, a person, and the issuer's new key."""
    lab = new_lab(bridge=settings(own_issuer, f'jwks_uri = "{own_issuer.url}/keys";'))
    lab.provisioning = lab.client(lab.new_token("idp", client=own_issuer.client))
    subject, _ = person(lab)
    ask(lab, own_issuer.token(subject)).expect(200)
    new = EcKey("rotated")
    own_issuer.keys = [own_issuer.main.jwk(), new.jwk()]
    own_issuer.answering.clear()
    return lab, subject, new


def test_who_comes_while_a_new_key_is_fetched_waits_for_it(rotating, own_issuer):
    lab, subject, new = rotating
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(ask, lab, own_issuer.token(subject, key=new))]
        eventually(lambda: own_issuer.count() == 2)
        answers += [pool.submit(ask, lab, own_issuer.token(subject, key=new)) for _ in range(2)]
        ask(lab, own_issuer.token(subject)).expect(200)  # the key that is known waits for nothing
        assert not any(answer.done() for answer in answers), [a.result().text for a in answers if a.done()]
        own_issuer.answering.set()
        assert [answer.result().status for answer in answers] == [200] * 3
    assert own_issuer.count() == 2


def test_an_issuer_that_hangs_holds_up_nobody_else(rotating, own_issuer):
    lab, subject, new = rotating
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(ask, lab, own_issuer.token(subject, key=new)) for _ in range(3)]
        eventually(lambda: own_issuer.count() == 2 and metric(lab.bridge, "kiops_read_queue") == 3)
        for _ in range(50):  # meanwhile the third comes to where it waits
            ask(lab, own_issuer.token(subject)).expect(200)
        began = time.monotonic()
        for _ in range(5):
            ask(lab, own_issuer.token(subject, header={"kid": "made-up"})).expect(503)
            lab.scim.get("/Users/00000000-0000-4000-8000-000000000000").expect(404)  # asks the directory, on the same threads
        assert time.monotonic() - began < 4  # one that is held up waits for five
        for answer in answers:
            assert int(answer.result().expect(503).headers["Retry-After"]) > 0
    assert own_issuer.count() == 2
    ask(lab, own_issuer.token(subject)).expect(200)


def test_an_issuer_that_is_away_is_503_until_there_are_keys_and_then_no_matter(new_lab, own_issuer):
    own_issuer.down = True
    lab = new_lab(bridge=settings(own_issuer))
    lab.provisioning = lab.client(lab.new_token("idp", client=own_issuer.client))
    subject, user = person(lab)
    assert int(ask(lab, own_issuer.token(subject)).expect(503).headers["Retry-After"]) > 0
    lab.scim.get(f"/Users/{user}").expect(200)  # other tokens are no matter of the issuer's
    own_issuer.down = False
    eventually(lambda: ask(lab, own_issuer.token(subject)).status == 200, within=20)
    own_issuer.down = True
    ask(lab, own_issuer.token(subject)).expect(200)
    # Whether the issuer has that key cannot be known.
    ask(lab, own_issuer.token(subject, header={"kid": "new"})).expect(503)
    ask(lab, own_issuer.token(subject)).expect(200)


KEYS, ABOUT = "/realm/keys", "/realm/.well-known/openid-configuration"
BAD_PAGES = {
    "huge": (KEYS, (200, b'{"keys":[' + b'{"kty":"oct"},' * 100000 + b"{}]}")),
    "no_json": (KEYS, (200, b"<html>")),
    "no_set": (KEYS, (200, b"[]")),
    "deep": (KEYS, (200, b'{"keys":' + b"[" * 1000 + b"]" * 1000 + b"}")),
    "redirect": (KEYS, (302, "http://localhost:1/keys")),
    "not_found": (KEYS, (404, b"")),
    "configuration_of_another": (ABOUT, (200, b'{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}')),
    "configuration_without_keys": (ABOUT, (200, b"{}")),
}


@pytest.mark.parametrize("case", BAD_PAGES)
def test_keys_that_cannot_be_read_are_503(new_lab, own_issuer, case):
    path, page = BAD_PAGES[case]
    own_issuer.pages[path] = page
    lab = new_lab(bridge=settings(own_issuer))
    ask(lab, own_issuer.token("x")).expect(503)
    asked, began = len(own_issuer.asked), time.monotonic()
    ask(lab, own_issuer.token("x")).expect(503)
    assert len(own_issuer.asked) == asked or time.monotonic() - began > 4  # not again at once


def test_keys_are_not_fetched_in_clear_text_from_elsewhere(new_lab, own_issuer):
    own_issuer.pages[ABOUT] = (200, json.dumps({"issuer": own_issuer.url, "jwks_uri": "http://192.0.2.1/keys"}).encode())
    lab = new_lab(bridge=settings(own_issuer))
    ask(lab, own_issuer.token("x")).expect(503)
    assert "neither https nor on this host" in lab.bridge.process.log_text()


# ---- a mutable claim ----

def test_without_the_setting_a_user_name_is_no_proof(ground, issuer):
    user = ground.user()
    why(ask(ground, issuer.token("stranger", preferred_username=user["userName"], email="x@example.org")))


def test_with_the_setting_a_claim_is_matched_by_an_attribute(new_lab, own_issuer):
    lab = new_lab(bridge=settings(own_issuer, 'claim = "preferred_username"; matches = "userName";'))
    user = lab.user(externalId="subject")
    assert ask(lab, own_issuer.token("any", preferred_username=user["userName"].upper())).expect(200)["id"] == user["id"]
    why(ask(lab, own_issuer.token("any", preferred_username="nobody")))
    why(ask(lab, own_issuer.token("subject")))


def test_an_email_of_two_people_is_nobodys_and_an_unverified_one_no_proof(new_lab, own_issuer):
    lab = new_lab(bridge=settings(own_issuer, 'claim = "email"; matches = "emails.value";'))
    user = lab.user(emails=[{"value": "one@example.org"}, {"value": "shared@example.org"}])
    lab.user(emails=[{"value": "shared@example.org"}])
    assert ask(lab, own_issuer.token("any", email="one@example.org")).expect(200)["id"] == user["id"]
    assert ask(lab, own_issuer.token("any", email="one@example.org", email_verified=True)).expect(200)["id"] == user["id"]
    assert "verified" in why(ask(lab, own_issuer.token("any", email="one@example.org", email_verified=False)))
    why(ask(lab, own_issuer.token("any", email="shared@example.org")))


def test_an_attribute_without_an_index_is_looked_for_among_many(new_lab, own_issuer):
    lab = new_lab(users=2500, bridge=settings(own_issuer, 'claim = "badge"; matches = "title";'))
    user = lab.user(title="Badge 7")
    for _ in range(2):  # the first one waits for the issuer's keys, and so is on another thread
        assert ask(lab, own_issuer.token("any", badge="Badge 7")).expect(200)["id"] == user["id"]
    why(ask(lab, own_issuer.token("any", badge="Badge 8")))


# ---- on current state ----

def test_who_becomes_manager_is_one_with_the_next_request(ground, issuer):
    subject, user = person(ground)
    client = Scim(ground.bridge.url, issuer.token(subject))
    group = f"/Groups/{ground.organization([user])['id']}"
    assert client.patch(group, ("replace", "displayName", "x")).expect(403).rule
    ground.scim.patch(group, ("add", f"{KIOPS_ORGANIZATION}:managers", [{"value": user}])).expect(200)
    client.patch(group, ("replace", "displayName", f"Ours {ground.number()}")).expect(200)


def test_another_bridge_refuses_the_next_write_of_who_was_deactivated(new_lab, own_issuer):
    lab = new_lab(bridges=2, bridge=settings(own_issuer))
    lab.provisioning = lab.client(lab.new_token("idp", client=own_issuer.client))
    subject, user = person(lab)
    dn, view = site.user_dn(lab.scim.get(f"/Users/{user}")["userName"]), lab.view()
    view.modify(dn, ("add", "kiopsJoined", "platform:20260101000000Z.0000000a"))
    view.modify(site.ADMINS, ("add", "member", dn))
    token = own_issuer.token(subject)
    eventually(lambda: ask(lab, token, 1).json.get(KIOPS_USER, {}).get("platformRole") == "PlatformAdmin")
    target = lab.user()["id"]
    other = Scim(lab.bridges[1].url, token)
    eventually(lambda: other.get(f"/Users/{target}").status == 200)
    other.patch(f"/Users/{target}", ("replace", "title", "before")).expect(200)
    lab.scim.patch(f"/Users/{user}", ("replace", "active", False)).expect(200)
    other.patch(f"/Users/{target}", ("replace", "title", "after")).expect(401, 403)
    eventually(lambda: lab.scim.get(f"/Users/{target}").expect(200).json.get("title") == "before")
