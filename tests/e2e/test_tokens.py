"""Tokens end when their entries say so, and do what their entries say."""

import hashlib

import pytest
from kiopslab import site
from lab import eventually

USERS = "/Users?count=1"


@pytest.fixture
def token(lab):
    """A client with a token of its own, and the entry's DN."""
    name = f"own{lab.number()}"
    return lab.client(lab.new_token(name)), f"cn={name},{site.TOKENS}"


def test_an_unknown_token_is_nobody(lab, token):
    client, _ = token
    client.get(USERS).expect(200)
    for other in (client.token[:-1], client.token + "0", client.token.swapcase(), "0" * len(client.token)):
        answer = lab.client(other).get(USERS).expect(401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_nobody(view, token):
    client, dn = token
    view.modify(dn, ("replace", "kiopsTokenExpires", "20990101000000Z"))
    client.get(USERS).expect(200)
    view.modify(dn, ("replace", "kiopsTokenExpires", "20200101000000Z"))
    eventually(lambda: client.get(USERS).status == 401)


def test_a_deleted_token_is_nobody(view, token):
    client, dn = token
    client.get(USERS).expect(200)
    view.delete(dn)
    eventually(lambda: client.get(USERS).status == 401)


def test_a_token_with_another_hash_is_another_token(lab, view, token):
    client, dn = token
    view.modify(dn, ("replace", "kiopsTokenHash", hashlib.sha256(b"another").hexdigest()))
    eventually(lambda: lab.client("another").get(USERS).status == 200)
    client.get(USERS).expect(401)


@pytest.mark.cell("KB-R09", "token")
def test_a_reading_token_writes_nothing(lab):
    reader = lab.client(lab.new_token(f"reader{lab.number()}", "PlatformAdmin", "--access", "read"))
    user = lab.user()
    path = f"/Users/{user['id']}"
    reader.get(path).expect(200)
    for answer in (reader.patch(path, ("replace", "title", "x")), reader.put(path, user), reader.delete(path),
                   reader.post("/Users", {**user, "userName": "another"})):
        assert answer.expect(403).rule == "KB-R09"
    assert lab.scim.get(path).json == user


@pytest.mark.parametrize("role", ["Manager", "Member"])
@pytest.mark.line(211)
def test_a_token_of_one_organization_sees_no_other(lab, role):
    inside, outside = lab.user()["id"], lab.user()["id"]
    own, other = lab.organization(members=[inside])["id"], lab.organization(members=[outside])["id"]
    client = lab.client(lab.new_token(f"bound{lab.number()}", role, "--organization", own))
    client.get(f"/Groups/{own}").expect(200)
    for path in (f"/Groups/{other}", f"/Users/{outside}"):
        client.get(path).expect(404)
    client.patch(f"/Groups/{other}", ("remove", f'members[value eq "{outside}"]')).expect(404)
    listed = {group["id"] for group in client.get("/Groups?count=1000").expect(200)["Resources"]}
    assert own in listed and other not in listed


@pytest.mark.parametrize("lost", ["kiopsTokenHash", "kiopsTokenRole"])
def test_a_token_that_lost_hash_or_role_is_nobody(view, token, lost):
    client, dn = token
    client.get(USERS).expect(200)
    view.modify(dn, ("delete", lost, None))
    eventually(lambda: client.get(USERS).status == 401)


def test_a_profile_that_is_none_is_answered_with_those_there_are(lab):
    with pytest.raises(RuntimeError, match="default, strict, entra, .*, keycloak"):
        lab.new_token(f"odd{lab.number()}", "PlatformAdmin", "--profile", "azure")
