"""The pages of conf/providers are true: their token can be made, their curl lines run. And a story is a story only with
its oddities (tests/lint/lint.py checks that each profile has page and story)."""

import os
import re
import shlex
import subprocess

import pytest
from kiopslab.bridge import REPOSITORY
from lab import eventually
from scim import USER
from story import OTHERWISE, PROFILES, REFUSED, SAME, Oddity, Story
from tenant import Tenant

PAGES = sorted((REPOSITORY / "conf/providers").glob("*.md"))


def blocks(page, language):
    every = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [text for kind, text in every if kind == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_makes_a_token_and_its_curl_lines_run(lab, page):
    (command,), (script,) = blocks(page, ""), blocks(page, "sh")
    program, *words = shlex.split(command)
    profile = words[words.index("--profile") + 1]
    assert program == "kiops-bridge" and f"`{profile}`" in page.read_text().split("## Here")[0]
    token = lab.bridge.cli(*words).strip()
    eventually(lambda: lab.client(token).get("/Users?count=0").status == 200)  # the feed has brought it
    environment = os.environ | {"BASE": lab.bridge.url, "TOKEN": token}
    done = subprocess.run(["sh", "-ec", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr
    assert script.count("curl -fsS") >= 2


def test_the_template_for_onelogin_makes_a_person(lab):
    story = Story(lab, "onelogin", ())
    (template,) = blocks(REPOSITORY / "conf/providers/onelogin.md", "json")
    name = story.name()
    filled = template.replace("{$user.active}", "true").replace("{$user.email}", f"{name}@corp.example")
    filled = re.sub(r"\{\$parameters\.department\}", "", filled)  # what OneLogin cannot fill
    ann = story.scim.post("/Users", re.sub(r"\{\$[\w.]+\}", name, filled).encode()).expect(201)["id"]
    story.holds(ann, uid=name, sn=name, mail=f"{name}@corp.example", departmentNumber=None)
    assert story.is_active(ann)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_every_page_says(page):
    text = page.read_text()
    assert all(f"\n## {title}\n" in text for title in ("Here", "There", "What to expect", "Try it"))
    assert "https://HOST/scim/v2" in text and max(map(len, text.splitlines())) < 150


@pytest.mark.parametrize("profile", PROFILES)
def test_with_push_mode_request_an_addition_waits_for_a_manager(lab, profile):
    """What the pages say of --push-mode request: the same again, as a provider that compares sends it, is no error."""
    tenant, asking = Tenant(lab, profile), Tenant(lab, profile, "--push-mode", "request")
    user, group = tenant.hire(), tenant.group()
    for _ in range(2):
        asking.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])).expect(200, 204)
        assert (tenant.members(group), len(tenant.entry(user)["kiopsRequest"])) == (set(), 1)
        assert asking.scim.get(f"/Groups/{group}")["members"] == []


# ---- the teller of stories can say no

def always(_):
    return True


def test_a_story_without_its_oddity_fails(lab):
    story = Story(lab, "default", [Oddity("never sent", lambda s: False, SAME)])
    story.hire()
    with pytest.raises(AssertionError, match="never sent"):
        story.finish()


@pytest.mark.parametrize("strict", [REFUSED, OTHERWISE])
def test_a_story_whose_oddity_is_none_in_strict_fails(lab, strict):
    story = Story(lab, "default", [Oddity("ordinary", always, strict)])
    with pytest.raises(AssertionError):
        story.scim.get("/Users?count=1")


def test_a_story_whose_oddity_is_not_legal_fails(lab):
    story = Story(lab, "default", [Oddity("a text", always, SAME)])
    with pytest.raises(AssertionError):
        story.scim.post("/Users", {"schemas": [USER], "userName": story.name(), "active": "true"})
