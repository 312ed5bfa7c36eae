"""src/remote by itself (tests/tools/remote.c): lists to their end or not at all, patience, certificates, what is never
sent twice. Against a scripted provider, and against a bridge."""

import json
import os
import subprocess
import time
from email.utils import formatdate

import pytest
from certs import Authority
from lab import without_address_randomisation
from provider import TOKEN, Provider
from scim import GROUP, USER

TOOL = os.path.join(os.environ.get("KIOPS_TOOLS", "build/asan/tools"), "remote")


class Client:
    """The tool, running: a line of it, its lines back."""

    def __init__(self, url, token_file, *options):
        self.process = subprocess.Popen([*without_address_randomisation(), TOOL, url, str(token_file), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(w if isinstance(w, str) else json.dumps(w) for w in words) + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or lines[-1].split(" ")[0] in ("resource", "why"):
            lines.append(self.process.stdout.readline().rstrip("\n"))
            assert lines[-1], self.process.stderr.read()
        return lines

    def ids(self, *words):
        *found, end = self.ask("list", *words)
        assert end.startswith("end "), end
        return [line.split()[1] for line in found]

    def broken(self, *words):
        last = self.ask("list", *words)[-1]
        assert last.startswith("error "), last
        return last

    def outcome(self, *words):
        return self.ask(*words)[-1].split(" ")[0]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.process.stderr.read()
        text = self.process.stderr.read()
        assert TOKEN not in text and "Sanitizer" not in text, text


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def begin(token_file):
    """A provider and a client of it."""
    made = []

    def start(*options, **can):
        made.append(Provider(**can))
        made.append(Client(made[-1].url, token_file, *options))
        return made[-2], made[-1]

    yield start
    for one in reversed(made):
        one.close()


# ---- lists

@pytest.mark.parametrize("paging", ["index", "cursor", "auto"])
@pytest.mark.parametrize("n", [0, 1, 6, 7, 20])
def test_a_list_is_read_to_its_end(begin, paging, n):
    provider, client = begin("--paging", paging, page=7, cursor=paging != "index")
    made = provider.fill(n)
    assert client.ids("Users") == made
    assert provider.connections == 1
    assert any("cursor=" in sent for sent in provider.sent()) == (paging != "index")


def test_without_a_configuration_it_pages_by_index(begin):
    provider, client = begin(config=False, page=7)
    made = provider.fill(20)
    assert client.ids("Users") == made


def test_a_filter_is_sent_as_it_is(begin):
    provider, client = begin()
    provider.fill(3)
    odd = provider.add("Users", userName='a "quoted" & + % ü', active=True)
    assert client.ids("Users", 'userName eq "a \\"quoted\\" & + % ü"') == [odd]


def drop_total(document, query):
    document.pop("totalResults")


def always_the_first(document, query):
    document["startIndex"] = 1


def one_less(document, query):
    if query.get("startIndex") == "1":
        document["Resources"].pop()


def grows(document, query):
    document["totalResults"] += query.get("startIndex") != "1"


def no_ids(document, query):
    document["Resources"][-1].pop("id")


def counts_the_page(document, query):
    document["totalResults"] = len(document["Resources"]) or 1000


@pytest.mark.parametrize("bend, why", [(drop_total, "totalResults is missing"), (always_the_first, "asked from 8 on"),
                                       (grows, "changed while it was read"), (no_ids, "has no id")])
def test_what_is_not_whole_is_an_error(begin, bend, why):
    provider, client = begin("--paging", "index", page=1000)
    provider.can["page"] = 7
    provider.fill(20)
    provider.bend = bend
    said = client.broken("Users")
    assert why in said and "Nothing was concluded" in said and provider.url in said


def test_a_full_page_is_not_taken_for_all(begin):
    provider, client = begin("--paging", "index")
    provider.bend = counts_the_page
    made = provider.fill(1000)
    assert client.ids("Users") == made
    provider.fill(500)
    assert "changed while it was read: 1000 resources before, 500 now" in client.broken("Users")


def test_an_entry_deleted_while_paging(begin):
    """Fault 17 at a remote: what moved over a page's border is never taken for gone."""
    provider, client = begin("--paging", "index", page=1000)
    provider.can["page"] = 7
    made = provider.fill(20)
    provider.next(method="GET", path="startIndex=8", do=lambda: provider.users.pop(made[0]))
    assert "changed while it was read: 20 resources before, 19 now" in client.broken("Users")


def test_a_large_count_that_is_refused_becomes_a_small_one(begin):
    provider, client = begin("--paging", "index")
    made = provider.fill(150)
    provider.next(method="GET", path="count=1000", status=400)
    assert client.ids("Users") == made
    assert [s for s in provider.sent() if "count=100" in s and "count=1000" not in s]


@pytest.mark.parametrize("step, why", [
    ({"status": 401}, "renew it"), ({"status": 403}, "may not"), ({"status": 404}, "jobs.url"), ({"status": 500}, "answered 500"),
    ({"status": 301, "headers": {"Location": "http://127.0.0.1:1/"}}, "redirects are not followed"),
    ({"body": b"<html>welcome"}, "no JSON object"), ({"body": b"[]"}, "no JSON object"), ({"body": b"{}"}, "no list"),
    ({"body": b'{"totalResults":0,"totalResults":0}'}, "no JSON object"),
    ({"body": b'{"Resources":' + b"[" * 100 + b"]" * 100 + b"}"}, "no JSON object"),
], ids=["401", "403", "404", "500", "redirect", "html", "array", "empty", "duplicate", "deep"])
def test_what_cannot_be_read_is_never_an_empty_list(begin, step, why):
    provider, client = begin("--paging", "index")
    provider.fill(3)
    provider.next(path="/Users", **step)
    said = client.broken("Users")
    assert why in said and TOKEN not in said
    assert len(provider.sent()) == 1


@pytest.mark.parametrize("step", [{"cut": "before"}, {"cut": "after"}, {"half": True}, {"status": 503}, {"status": 502}, {"status": 429},
                                  {"status": 503, "headers": {"Retry-After": "0"}}],
                         ids=["cut", "cut-after", "half", "503", "502", "429", "503-at-once"])
def test_a_page_that_did_not_come_is_asked_for_again(begin, step):
    """Fault 16 at a remote: not taken for the end."""
    provider, client = begin("--paging", "index", page=1000)
    provider.can["page"] = 7
    made = provider.fill(20)
    provider.next(path="startIndex=8", **step)
    assert client.ids("Users") == made


def test_a_page_that_does_not_come_at_all_is_no_end(begin):
    provider, client = begin("--paging", "index", page=1000)
    provider.can["page"] = 7
    provider.fill(20)
    provider.next(path="startIndex=8", times=9, status=503)
    assert "7 came" in client.broken("Users")
    assert len(provider.sent()) == 5


@pytest.mark.parametrize("header", ["seconds", "date"])
def test_retry_after_is_waited(begin, header):
    provider, client = begin("--paging", "index")
    provider.fill(1)
    client.ids("Users")
    wait = "1" if header == "seconds" else formatdate(time.time() + 2, usegmt=True)
    provider.next(path="/Users", status=429, headers={"Retry-After": wait})
    began = time.monotonic()
    client.ids("Users")
    assert 0.9 <= time.monotonic() - began < 5


def test_a_deadline_holds(begin):
    provider, client = begin("--paging", "index", "--timeout", "1")
    provider.next(method="GET", path="/Users", times=9, wait=1.5)
    began = time.monotonic()
    assert "did not answer to the end" in client.broken("Users")
    assert 4 < time.monotonic() - began < 15


def test_nobody_there(token_file):
    client = Client("http://127.0.0.1:1/scim/v2", token_file)
    assert "could not be asked" in client.ask("list", "Users")[-1]
    client.close()


def test_requests_are_spread(begin):
    provider, client = begin("--paging", "index", "--rate", "10", page=1000)
    provider.can["page"] = 2
    provider.fill(10)
    began = time.monotonic()
    client.ids("Users")
    assert time.monotonic() - began >= 0.4


# ---- the token

def test_the_token_is_read_again(begin, token_file):
    provider, client = begin("--paging", "index")
    provider.token = "another"
    assert "renew it" in client.broken("Users")
    token_file.write_text("another")
    assert client.ids("Users") == []


@pytest.mark.parametrize("text, mode, why", [("", 0o600, ""), ("two words", 0o600, "holds no token"), ("a\nb", 0o600, "holds no token"),
                                             (TOKEN, 0o644, "")], ids=["empty", "words", "lines", "open"])
def test_a_token_file_that_will_not_do(begin, token_file, text, mode, why):
    provider, client = begin("--paging", "index")
    token_file.write_text(text)
    token_file.chmod(mode)
    said = client.broken("Users")
    assert str(token_file) in said and why in said and TOKEN not in said
    assert provider.sent() == []


# ---- certificates

def test_only_a_certificate_of_ca_file_will_do(tmp_path, token_file):
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    provider = Provider(tls=ours.issue("provider", alternative="IP:127.0.0.1"))
    made = provider.fill(3)
    for options, fine in ((("--ca", str(ours.certificate)), True), (("--ca", str(other.certificate)), False), ((), False)):
        client = Client(provider.url, token_file, "--paging", "index", *options)
        if fine:
            assert client.ids("Users") == made
        else:
            assert "could not be asked" in client.broken("Users")
        client.close()
    provider.close()


# ---- one resource

def user(name, **attributes):
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": f"x-{name}", **attributes}


def patch(**replaced):
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": p, "value": v} for p, v in replaced.items()]}


def test_made_read_changed_deleted(begin):
    provider, client = begin()
    done, status, new, version = client.ask("create", "Users", user("kim"))[-1].split(" ", 3)
    assert (done, status) == ("done", "201") and version == provider.users[new]["meta"]["version"]
    assert client.ask("get", "Users", new)[-1] == f"done 200 {new} {version}"
    later = client.ask("patch", "Users", new, version.replace(" ", ""), patch(title="Boss"))[-1].split(" ", 3)
    assert later[:3] == ["done", "200", new] and later[3] != version and provider.users[new]["title"] == "Boss"
    assert client.outcome("patch", "Users", new, version, patch(title="Late")) == "moved"
    assert client.outcome("create", "Users", user("kim")) == "taken"
    assert client.outcome("delete", "Users", new, version) == "moved"
    assert client.outcome("delete", "Users", new, later[3]) == "done"
    assert client.outcome("delete", "Users", new, "-") == "absent"
    assert client.outcome("get", "Users", new) == "absent"


@pytest.mark.parametrize("step, outcome", [({"status": 404, "body": b"<html>"}, "unavailable"), ({"status": 410}, "absent"),
                                           ({"status": 401}, "unavailable"), ({"status": 403}, "unavailable"), ({"body": b""}, "unavailable")],
                         ids=["404-html", "410", "401", "403", "nothing"])
def test_could_not_be_read_is_not_gone(begin, step, outcome):
    provider, client = begin()
    new = provider.add("Users", userName="kim")
    provider.next(method="GET", path="/Users/", **step)
    assert client.outcome("get", "Users", new) == outcome


@pytest.mark.parametrize("status, outcome", [(400, "refused"), (403, "refused"), (409, "taken"), (413, "refused"), (501, "refused"),
                                             (500, "unknown"), (502, "unknown"), (503, "unknown"), (401, "unavailable")])
def test_what_a_change_is_answered_with(begin, status, outcome):
    provider, client = begin()
    new = provider.add("Users", userName="kim")
    provider.next(method="PATCH", status=status)
    assert client.outcome("patch", "Users", new, "-", patch(title="x")) == outcome
    assert len(provider.writes()) == 1


@pytest.mark.parametrize("warm", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("step, posts", [({"cut": "after"}, 1), ({"cut": "before"}, 2), ({"status": 503}, 2), ({"status": 503, "obeyed": True}, 1),
                                         ({"half": True}, 1)], ids=["after", "before", "503", "503-obeyed", "half"])
def test_a_post_that_was_cut_off_is_looked_for_before_it_is_repeated(begin, step, posts, warm):
    """Fault 25 at a remote; on a kept connection libcurl would repeat it by itself."""
    provider, client = begin()
    if warm:
        client.ids("Users")
    provider.next(method="POST", **step)
    assert client.outcome("create", "Users", user("kim")) == "done"
    assert len(provider.users) == 1 and len(provider.writes()) == posts
    assert any("externalId%20eq" in sent for sent in provider.sent("GET"))


def test_one_of_somebody_else_is_not_taken_for_ours(begin):
    provider, client = begin()
    provider.next(method="POST", cut="before", do=lambda: provider.add("Users", userName="kim", externalId="other"))
    assert client.outcome("create", "Users", user("kim")) == "taken"
    assert len(provider.writes()) == 1


@pytest.mark.parametrize("step", [{"cut": "before"}, {"cut": "after"}, {"half": True}], ids=["before", "after", "half"])
def test_a_patch_is_never_repeated_and_a_delete_is(begin, step):
    provider, client = begin()
    new = provider.add("Users", userName="kim")
    client.ids("Users")
    provider.next(method="PATCH", **step)
    assert client.outcome("patch", "Users", new, "-", patch(title="x")) == "unknown"
    assert len(provider.writes()) == 1
    provider.next(method="DELETE", **({"cut": "after"} if step.get("half") else step))
    assert client.outcome("delete", "Users", new, "-") in ("done", "absent")
    assert new not in provider.users


def test_429_is_repeated_whatever_it_was(begin):
    provider, client = begin()
    provider.next(method="POST", status=429)
    assert client.outcome("create", "Users", user("kim")) == "done"
    assert len(provider.writes()) == 2 and len(provider.users) == 1


# ---- a bridge

@pytest.mark.parametrize("paging", ["auto", "index", "cursor"])
def test_a_bridge_is_read(lab, tmp_path, paging):
    path = tmp_path / "bridge.token"
    path.write_text(lab.token)
    path.chmod(0o400)
    client = Client(lab.bridge.url, path, "--paging", paging)
    for kind, schema, name in (("Users", USER, "userName"), ("Groups", GROUP, "displayName")):
        made = [lab.scim.post(f"/{kind}", {"schemas": [schema], name: f"read-{paging}-{n}"}).expect(201)["id"] for n in range(3)]
        found = client.ids(kind)
        assert set(made) <= set(found) and len(set(found)) == len(found) == lab.scim.get(f"/{kind}", count=0).expect(200)["totalResults"]
    client.close()
