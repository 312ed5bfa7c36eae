"""What the page changes, as a person clicks it; and what another one sees who looks at the same."""

import pytest
from browser import Browser, lab  # noqa: F401
from kiopslab import entries
from scim import KIOPS_ORGANIZATION

PASSWORD = "correct horse"
MEMBERSHIP = "urn:kiops:params:scim:schemas:core:2.0:Membership"


@pytest.fixture(scope="module")
def first(lab):
    browser = Browser(lab.bridge)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def second(lab):
    browser = Browser(lab.bridge)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def admin(second):
    """Signed in all the time."""
    return second.sign_in(entries.PLATFORM_ADMIN)


class Team:
    """An organization with a Manager and a Member of its own."""

    def __init__(self, lab, managers=1):
        self.lab, number = lab, lab.number()
        self.people = [lab.user(password=PASSWORD, displayName=f"{what} {number}", emails=[{"value": f"{what.lower()}{number}@example.org", "type": "work"}])
                       for what in ["Boss", "Vice"][:managers] + ["Worker"]]
        ids = [one["id"] for one in self.people]
        self.group = lab.organization(managers=ids[:managers], members=ids[managers:])
        self.name, self.boss, self.worker = self.group["displayName"], self.people[0]["userName"], self.people[-1]["userName"]
        self.path = f"/users?org={self.group['id']}"

    def membership(self, name):
        user = next(one for one in self.people if one["userName"] == name)
        return self.lab.scim.get(f"/Memberships/{self.group['id']}.{user['id']}")

    def display(self, name):
        return next(one for one in self.people if one["userName"] == name)["displayName"]


@pytest.fixture
def team(lab):
    return Team(lab)


@pytest.fixture
def manager(first, team):
    return first.forget().sign_in(team.boss, PASSWORD)


# ---- change role

def test_only_a_platform_admin_is_offered_the_higher_roles(manager, admin, team):
    manager.action(team.worker, "change").dialog()
    assert [i.get_attribute("value") for i in manager.all("dialog input")] == ["Member"]
    assert "Only a PlatformAdmin grants Manager or PlatformAdmin." in manager.dialog().text
    manager.click("dialog-cancel")
    admin.open(team.path).action(team.worker, "change").dialog()
    assert [i.get_attribute("value") for i in admin.all("dialog input")] == ["PlatformAdmin", "Manager", "Member"]
    admin.click("dialog-cancel")


def test_a_role_is_changed_by_a_click_on_it_and_holds_at_once(manager, admin, team):
    admin.open(team.path).action(team.worker, "role")
    admin.click("choice-Manager")
    assert admin.save() == ""
    admin.wait(lambda: "Manager" in admin.row(team.worker).text)
    assert team.membership(team.worker)["role"] == "Manager"
    assert "holds at once" in admin.said()
    manager.driver.refresh()
    manager.settled()
    assert "Only a PlatformAdmin changes the permissions of a Manager." in manager.row(team.worker).text
    manager.action(team.worker, "change")  # KB-R08: a Manager demotes another one
    assert manager.save() == ""
    manager.wait(lambda: manager.row(team.worker).find_elements("css selector", '[id^="permissions-"]'))
    assert team.membership(team.worker)["role"] == "Member"


def test_cancel_and_escape_change_nothing(admin, team):
    admin.open(team.path).action(team.worker, "change")
    admin.click("choice-Manager").click("dialog-cancel")
    admin.wait(lambda: not admin.all("dialog"))
    opener = admin.driver.switch_to.active_element
    assert opener.get_attribute("id").startswith("change-")  # the focus is where it was
    admin.action(team.worker, "remove")
    admin.dialog().send_keys("\ue00c")
    admin.wait(lambda: not admin.all("dialog"))
    assert team.membership(team.worker)["role"] == "Member"


def test_the_last_manager_is_kept_and_the_reason_is_said(admin, team):
    admin.open(team.path).action(team.boss, "change")
    admin.click("choice-Member")
    problem = admin.save()
    assert f"{team.display(team.boss)} is the last Manager of {team.name}" in problem and "KB-R07" in problem
    admin.click("dialog-cancel")
    admin.action(team.boss, "remove")
    assert "is the last Manager" in admin.save()
    admin.click("dialog-cancel")
    assert team.membership(team.boss)["role"] == "Manager"


def test_a_platform_admin_is_made_and_unmade(admin, manager, team):
    admin.open(team.path).action(team.worker, "change")
    admin.click("choice-PlatformAdmin")
    assert admin.save() == ""
    manager.driver.refresh()
    manager.settled()
    assert manager.row(team.worker).find_element("css selector", "[data-why]").text == "Only a PlatformAdmin changes a PlatformAdmin."
    assert not manager.row(team.worker).find_elements("css selector", "button")
    admin.action(team.worker, "change").click("choice-Member")
    assert admin.save() == "" and team.membership(team.worker)["role"] == "Member"


# ---- remove

def test_removing_names_person_organization_and_consequence(manager, team):
    manager.action(team.worker, "remove")
    text = manager.dialog().text
    for words in (team.display(team.worker), team.name, "loses all access", "Memberships in other organizations are not affected."):
        assert words in text
    assert manager.save() == ""
    manager.wait(lambda: manager.rows() == [team.boss])
    team.membership(team.worker).expect(404)


# ---- permissions

def test_seven_switches_of_one_member(manager, team):
    manager.action(team.worker, "permissions").dialog()
    switches = manager.all("dialog [role=switch]")
    assert [s.get_attribute("value") for s in switches] == ["infra", "service", "backup", "device", "database", "vpn", "audit"]
    for name in ("infra", "vpn"):
        manager.click(f"switch-{name}")
    assert manager.save() == ""
    manager.wait(lambda: manager.badges(team.worker) == ["infra", "vpn"])
    manager.action(team.worker, "permissions").click("switch-vpn").click("switch-audit")
    assert manager.save() == ""
    assert team.membership(team.worker)["permissions"] == ["infra", "audit"]


def test_permissions_of_several_at_once(lab, first):
    team = Team(lab, managers=1)
    other = lab.user(displayName="Another Worker")
    lab.scim.post("/Memberships", {"schemas": [MEMBERSHIP], "organization": {"value": team.group["id"]}, "user": {"value": other["id"]}}).expect(201)
    first.forget().sign_in(team.boss, PASSWORD, path="/permissions")
    worker = team.people[-1]["id"]
    assert first.heads()[1:] == ["infra", "service", "backup", "device", "database", "vpn", "audit"]
    assert not first.one(f"#infra-{team.people[0]['id']}").is_enabled()  # the own row
    first.click(f"infra-{worker}").click(f"backup-{worker}").click(f"vpn-{other['id']}")
    assert first.text("#permissions-count") == "Changed, not saved yet: 2"
    first.click("sort-name").settled()  # in another order, or on another page, nothing of it is lost
    assert first.text("#permissions-count") == "Changed, not saved yet: 2" and len(first.all("td.changed")) == 3
    first.click("permissions-save")
    first.wait(lambda: first.text("#permissions-count") == "Nothing changed")
    assert team.membership(team.worker)["permissions"] == ["infra", "backup"]
    assert lab.scim.get(f"/Memberships/{team.group['id']}.{other['id']}")["permissions"] == ["vpn"]


# ---- requests

def ask(lab, team):
    user = lab.user(password=PASSWORD, displayName=f"Asking {lab.number()}")
    body = {"schemas": [MEMBERSHIP], "organization": {"value": team.group["id"]}}
    lab.scim.patch(f"/Groups/{team.group['id']}", ("replace", f"{KIOPS_ORGANIZATION}:joinPolicy", "open")).expect(200)
    lab.person(user["userName"], PASSWORD).post("/Memberships", body).expect(201)
    team.people.append(user)
    return user["userName"]


def test_approve_makes_a_member_without_permissions(lab, manager, team):
    name = ask(lab, team)
    manager.open("/users?tab=pending")
    assert manager.tabs()[1] == "Pending Approval (1)"
    manager.action(name, "approve")
    manager.wait(lambda: manager.tabs()[1] == "Pending Approval (0)" and manager.all("#empty"))
    made = team.membership(name)
    assert made["role"] == "Member" and "permissions" not in made.json
    manager.click("tab-members")
    manager.wait(lambda: name in manager.rows())


def test_reject_asks_first_and_the_person_may_ask_again(lab, first, second, team):
    name = ask(lab, team)
    first.forget().sign_in(team.boss, PASSWORD, path="/users?tab=pending")
    first.action(name, "reject")
    assert "may ask again later" in first.dialog().text
    assert first.save() == ""
    first.wait(lambda: first.tabs()[1] == "Pending Approval (0)")
    first.forget().sign_in(name, PASSWORD, path="/me")
    assert "Rejected" in first.text("#me-rejected")
    first.click(first.one('[id^="again-"]'))
    assert first.save() == ""
    assert "Pending approval" in first.text("#me-pending")
    assert team.membership(name)["status"] == "pending"
    first.click(first.one('[id^="withdraw-"]'))
    assert first.save() == ""
    assert team.membership(name)["status"] != "pending"


def test_two_managers_decide_on_one_request(lab, first, admin, team):
    """The slower one hears what became of it, and sees the list as it is now."""
    name = ask(lab, team)
    first.forget().sign_in(team.boss, PASSWORD, path="/users?tab=pending")
    admin.open(f"{team.path}&tab=pending")
    first.action(name, "reject").save()
    admin.action(name, "approve")
    assert "was not approved" in admin.dialog().text
    admin.click("dialog-cancel")
    admin.wait(lambda: admin.all("#empty"))
    assert team.membership(name)["status"] == "rejected"


def test_who_lost_the_role_is_told_and_changes_nothing(lab, first, admin):
    team = Team(lab, managers=2)
    first.forget().sign_in(team.boss, PASSWORD)
    admin.open(team.path).action(team.boss, "change").click("choice-Member")
    assert admin.save() == ""
    first.action(team.worker, "remove")
    assert "does not exist any more, or you may not see it" in first.save()
    first.click("dialog-cancel")
    team.membership(team.worker).expect(200)
    first.driver.refresh()
    first.settled()
    assert first.text("h1") == "This page is for Managers"


# ---- PlatformAdmins: people

def test_a_profile_is_edited(lab, admin, team):
    admin.open(team.path).action(team.worker, "edit")
    admin.type("field-displayName", "Renamed Worker").type("field-email", f"renamed{lab.number()}@example.org")
    assert admin.save() == ""
    admin.wait(lambda: "Renamed Worker" in admin.row(team.worker).text)
    user = lab.scim.get(f"/Users/{team.people[-1]['id']}")
    assert user["displayName"] == "Renamed Worker" and user["emails"][0]["value"].startswith("renamed")


def test_two_edit_one_profile_and_nothing_is_lost(lab, admin, team):
    admin.open(team.path).action(team.worker, "edit")
    admin.type("field-displayName", "By the slower one")
    lab.scim.patch(f"/Users/{team.people[-1]['id']}", ("replace", "displayName", "By the faster one")).expect(200)
    assert "Somebody else changed this meanwhile" in admin.save()
    admin.click("dialog-cancel")
    assert lab.scim.get(f"/Users/{team.people[-1]['id']}")["displayName"] == "By the faster one"


def test_a_user_is_added_signs_in_and_is_deactivated(lab, admin, first):
    name = f"added{lab.number()}"
    admin.open("/users?tab=all").click("add-user")
    for field, text in (("userName", name), ("displayName", "Added One"), ("givenName", "Added"), ("familyName", "One"), ("email", f"{name}@example.org"), ("password", PASSWORD)):
        admin.type(f"field-{field}", text)
    assert admin.save() == ""
    first.forget().sign_in(name, PASSWORD, path="/me")
    assert first.text("#empty").startswith("You are in no organization yet")
    admin.open(f"/users?tab=all&q={name}").action(name, "edit").click("field-active")
    assert admin.save() == ""
    admin.wait(lambda: "Inactive" in admin.row(name).text)
    first.driver.refresh()
    first.settled()
    assert first.text("h1") == "Sign in"


def test_a_name_that_is_taken_is_said_in_the_dialog(lab, admin):
    admin.open("/users?tab=all").click("add-user").type("field-userName", entries.MEMBER)
    assert admin.save() != "" and admin.one("#field-userName").get_attribute("value") == entries.MEMBER
    admin.click("dialog-cancel")


def test_a_member_is_added_without_a_request(lab, admin, team):
    user = lab.user(displayName=f"Found {lab.number()} by typing")
    team.people.append(user)
    admin.open(team.path).click("add-member").pick("person", user["displayName"])
    assert admin.save() == ""
    admin.wait(lambda: user["userName"] in admin.rows())
    assert team.membership(user["userName"])["role"] == "Member"


# ---- what is gone, and what was only typed

def focused(browser):
    return browser.driver.execute_script("return document.activeElement.id")


def test_the_keyboard_goes_on_where_a_row_is_gone(lab, manager, team):
    manager.action(team.worker, "remove")
    assert manager.save() == ""
    manager.wait(lambda: team.worker not in manager.rows())
    assert focused(manager) == "main"
    name = ask(lab, team)
    manager.open("/users?tab=pending").action(name, "approve")
    manager.wait(lambda: manager.all("#empty"))
    assert focused(manager) == "main"


def test_the_last_row_of_the_last_page_leaves_the_page_before(lab, first):
    boss, people = lab.user(password=PASSWORD, emails=[{"value": f"a{lab.number()}@example.org"}]), [lab.user(emails=[{"value": f"a{n}@example.org"}]) for n in range(24)]
    last = lab.user(emails=[{"value": f"z{lab.number()}@example.org"}])
    lab.organization(managers=[boss["id"]], members=[p["id"] for p in [*people, last]])
    first.forget().sign_in(boss["userName"], PASSWORD, path="/users?page=2")
    assert first.rows() == [last["userName"]]
    first.action(last["userName"], "remove")
    assert first.save() == ""
    first.wait(lambda: len(first.rows()) == 25)
    assert first.text("#count") == "1–25 of 25" and "page=" not in first.driver.current_url


def test_a_dialog_that_is_left_while_it_saves_shows_what_was_saved(admin, team):
    """Escape comes too late to stop it."""
    admin.open(team.path).action(team.worker, "change").click("choice-Manager")
    admin.driver.execute_cdp_cmd("Network.enable", {})
    admin.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1})
    try:
        admin.click("dialog-go")
        admin.dialog().send_keys("\ue00c")
        admin.wait(lambda: not admin.all("dialog"))
    finally:
        admin.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    admin.wait(lambda: "Manager" in admin.row(team.worker).text)
    assert team.membership(team.worker)["role"] == "Manager"


def test_a_manager_elsewhere_is_no_manager_here(lab, first, team):
    """Member of one organization, Manager of another: its list is not a short one, with hints of nothing."""
    lab.organization(managers=[team.people[-1]["id"]])
    for path in (team.path, f"{team.path}&tab=pending", f"/permissions?org={team.group['id']}"):
        first.forget().sign_in(team.worker, PASSWORD, path=path)
        assert "it is for Managers of the organization" in first.text("#failed"), path
        assert not first.all("#list, #hints, #settings")


def test_a_page_that_is_refused_again_and_again_stands_still(first, team):
    """A browser that keeps a password adds it to every request, so the session counts for nothing: said, not loaded for ever."""
    first.forget().sign_in(team.boss, PASSWORD)
    first.driver.execute_cdp_cmd("Network.enable", {})
    first.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": "Bearer wrong"}})
    try:
        first.driver.refresh()
        first.wait(lambda: "signed out" in first.text("#failed"))
    finally:
        first.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    first.click("try-again")
    first.wait(lambda: team.worker in first.rows())


def test_who_was_chosen_and_then_typed_over_is_not_added(lab, admin, team):
    """What stands in the field is what is meant."""
    chosen = lab.user(displayName=f"Chosen {lab.number()}")
    admin.open(team.path).click("add-member").pick("person", chosen["displayName"])
    assert admin.one("#person").get_attribute("value") == chosen["displayName"]
    admin.type("person", "Somebody else\t")
    assert "choose one from the list" in admin.save()
    admin.click("dialog-cancel")
    assert lab.scim.get(f"/Memberships/{team.group['id']}.{chosen['id']}").status == 404


# ---- organization, asking, signing up, signing out

def test_the_settings_of_the_own_organization(lab, manager, team):
    manager.click("settings").type("field-name", f"{team.name} renamed").type("field-description", "Ships & <b>hulls</b>")
    manager.choose("field-policy", "open").click("settings-save")
    manager.wait(lambda: manager.text("#settings-done") == "The settings were saved.")
    group = lab.scim.get(f"/Groups/{team.group['id']}")
    assert group["displayName"].endswith("renamed") and group[KIOPS_ORGANIZATION]["description"] == "Ships & <b>hulls</b>"
    assert group[KIOPS_ORGANIZATION]["joinPolicy"] == "open"


def test_the_record_of_the_own_organization(lab, manager, team):
    manager.action(team.worker, "permissions").click("switch-vpn")
    assert manager.save() == ""
    manager.click("record")
    manager.wait(lambda: manager.all("#record-list li"))
    newest = manager.one("#record-list li").text
    assert "Granted vpn" in newest and team.display(team.worker) in newest and f"by {team.display(team.boss)}" in newest
    assert not manager.one("#record-more").is_displayed()
    manager.click("back")
    manager.wait(lambda: team.worker in manager.rows())


def test_a_person_asks_to_join(lab, first):
    user = lab.user(password=PASSWORD)
    first.forget().sign_in(user["userName"], PASSWORD, path="/me").click("join").pick("join-organization", "project a")
    assert first.save() == ""
    assert "Pending approval" in first.text("#me-pending") and "Project A" in first.text("#me-pending")


def test_a_stranger_signs_up_and_is_approved(lab, first, admin):
    name = f"stranger{lab.number()}"
    first.forget().open("/signup").pick("signup-organization", "project a")
    for field, text in (("userName", name), ("givenName", "Strange"), ("familyName", "Person"), ("email", f"{name}@example.org"), ("password", PASSWORD)):
        first.type(field, text)
    first.click("signup-go")
    first.wait(lambda: "Pending approval" in first.text("#signup-done"))
    group = lab.scim.find("Groups", 'displayName eq "Project A"')[0]["id"]
    admin.open(f"/users?org={group}&tab=pending")
    admin.wait(lambda: admin.driver.refresh() or admin.settled() and any("Strange Person" in r.text for r in admin.all("#list tbody tr")))
    row = next(r for r in admin.all("#list tbody tr") if "Strange Person" in r.text)
    admin.click(row.find_element("css selector", '[id^="approve-"]'))
    admin.wait(lambda: not any("Strange Person" in r.text for r in admin.all("#list tbody tr")))
    first.sign_in(name, PASSWORD, path="/me")
    assert "Project A" in first.text("#me-active")


def test_signing_out(first, lab):
    first.forget().sign_in(entries.MANAGER).click("sign-out")
    first.wait(lambda: first.all("#login"))
    first.open("/users")
    assert first.text("h1") == "Sign in" and not first.driver.get_cookies()


def test_a_wrong_password_is_said_and_takes_the_password_away(first):
    first.forget().sign_in(entries.MANAGER, "wrong")
    assert first.text("#login-alert") == "User name or password is wrong."
    assert first.one("#password").get_attribute("value") == "" and first.one("#userName").get_attribute("value") == entries.MANAGER


def test_nothing_was_complained_of(first, second):
    assert first.complaints() == [] and second.complaints() == []
