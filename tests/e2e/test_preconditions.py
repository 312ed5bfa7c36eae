"""What another program does just before a modify of ours reaches the directory: the modify itself must notice
(DESIGN 3.3). Nothing is left to chance: the proxy holds our request until the other change is made."""

import os
import subprocess
import time
from urllib.parse import urlencode

import ldap
import pytest
from checker import Picture, fold
from faults import audit_records
from hands import Hand
from kiopslab import site
from kiopslab.bridge import REPOSITORY
from kiopslab.directories import kind
from lab import eventually
from scim import KIOPS_ORGANIZATION

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"
TOOLS = os.environ.get("KIOPS_TOOLS", str(REPOSITORY / "build/asan/tools"))


# The same without the assertion control: what cannot be carried is looked at before and after.
BARE = '  preset = "389ds"; lock = { convention = "none"; };\n'
WAYS = {"asserted": "", "unasserted": {"slapd": BARE + "  poll_interval_s = 1;\n", "slapd-poll": BARE, "389ds": ""}.get(kind(), "")}


@pytest.fixture(scope="module", params=WAYS)
def ground(tmp_path_factory, request):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True, bridge={"directory": WAYS[request.param]})
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_trap_stays(ground):
    yield
    ground.proxy.traps["request"].clear()


class Company:
    """An organization with two Managers, an inactive one and a Member; and what a foreign hand does to them."""

    def __init__(self, lab):
        self.lab, self.view = lab, lab.view()
        self.first, self.second, self.gone, self.member = (lab.user()["id"] for _ in range(4))
        self.group = lab.organization(members=[self.member], managers=[self.first, self.second, self.gone])["id"]
        self.path = f"/Groups/{self.group}"
        lab.scim.patch(f"/Users/{self.gone}", ("replace", "active", False)).expect(200)

    def dn(self, scim_id):
        return self.view.by_id(scim_id)[0]

    def values(self, user, attribute):
        """Those of this organization, on the person's own entry."""
        return [v for v in self.view.by_id(user)[1].get(attribute, ()) if v.split(":")[0] == self.group]

    def join(self, user):
        self.view.modify(self.dn(user), ("add", "kiopsJoined", stamp(self.group)))
        self.view.modify(self.dn(self.group), ("add", "member", self.dn(user)))

    def leave(self, user):
        for attribute in ("kiopsManager", "kiopsPermission", "kiopsJoined"):
            if values := self.values(user, attribute):
                self.view.modify(self.dn(user), ("delete", attribute, values))
        for attribute in ("owner", "member"):
            if self.dn(user) in self.view.members(self.group, attribute):
                self.view.modify(self.dn(self.group), ("delete", attribute, self.dn(user)))

    def resign(self, user):
        self.view.modify(self.dn(self.group), ("delete", "owner", self.dn(user)))
        self.view.modify(self.dn(user), ("delete", "kiopsManager", self.group))

    def picture(self):
        slapd = self.lab.slapd
        return Picture(slapd.uri, site.ROOT, slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)

    def is_sound(self):
        assert not [finding for finding in self.picture().findings(managed=[self.group]) if self.group in finding]


@pytest.fixture
def company(ground):
    return Company(ground)


def stamp(group):
    return f"{group}:{time.strftime('%Y%m%d%H%M%SZ', time.gmtime())}.feedf00d"


def patch_during(company, action, *operations, passing=0, path=None, **options):
    """The answer to a PATCH (of the organization) whose next modify waits until `action` is done."""
    trap = company.lab.proxy.before_request("modify", passing=passing, action=action)
    answer = company.lab.scim.patch(path or company.path, *operations, **options)
    assert trap.sprung.is_set(), answer.text
    return answer


def tool_during(company, action, *words, passing=0):
    """The words of tests/tools/change.c for a change that has no HTTP door yet."""
    trap = company.lab.proxy.before_request("modify", passing=passing, action=action)
    done = subprocess.run([f"{TOOLS}/change", str(company.lab.bridge.conf), *words], capture_output=True, text=True,
                          check=False)
    assert trap.sprung.is_set(), done.stdout + done.stderr
    return done.stdout.strip()


# ---- "Y": another Manager that counts, at that very moment

@pytest.mark.parametrize("what", [f"{MANAGERS}", "members"])
def test_the_other_manager_resigns_while_one_is_taken_away(company, what):
    removal = ("remove", f'{what}[value eq "{company.first}"]')
    assert patch_during(company, lambda: company.resign(company.second), removal).expect(409).rule == "KB-R07"
    company.is_sound()


def test_a_manager_is_demoted_while_the_directory_changes_elsewhere(company):
    demotion = ("remove", f'{MANAGERS}[value eq "{company.first}"]')
    patch_during(company, lambda: company.leave(company.member), demotion).expect(200)
    company.is_sound()


# ---- the exact join

def test_a_member_is_removed_while_promoted(company):
    promotion = ("add", MANAGERS, [{"value": company.member}])
    patch_during(company, lambda: company.leave(company.member), promotion).expect(409)
    company.is_sound()


def test_a_member_is_removed_between_the_two_steps_of_a_promotion(company):
    """What the first step wrote goes again."""
    promotion = ("add", MANAGERS, [{"value": company.member}])
    patch_during(company, lambda: company.leave(company.member), promotion, passing=1).expect(409)
    company.is_sound()


def test_a_member_is_removed_while_granted_a_permission(company):
    grant = ("token:e2e", "grant", company.member, company.group, "vpn")
    words = tool_during(company, lambda: company.leave(company.member), *grant)
    assert words.startswith("conflict"), words
    company.is_sound()


def test_a_member_becomes_manager_while_a_manager_grants(company):
    """KB-R06: permissions of Managers are a PlatformAdmin's."""
    def promote():
        company.view.modify(company.dn(company.member), ("add", "kiopsManager", company.group))
        company.view.modify(company.dn(company.group), ("add", "owner", company.dn(company.member)))

    words = tool_during(company, promote, f"person:{company.first}", "grant", company.member, company.group, "vpn")
    assert "KB-R06" in words
    assert not company.values(company.member, "kiopsPermission")


# ---- a join

def test_somebody_else_adds_the_same_member(company):
    user = company.lab.user()["id"]
    answer = patch_during(company, lambda: company.join(user), ("add", "members", [{"value": user}]))
    answer.expect(200)
    assert len(company.values(user, "kiopsJoined")) == 1
    company.is_sound()


def test_an_authority_that_appears_during_a_join_is_not_kept(company):
    user = company.lab.user()["id"]

    def plant():
        company.view.modify(company.dn(user), ("add", "kiopsPermission", f"{company.group}:vpn"))

    patch_during(company, plant, ("add", "members", [{"value": user}])).expect(200)
    assert not company.values(user, "kiopsPermission")
    company.is_sound()


@pytest.mark.parametrize("what", [MANAGERS, "members"])
def test_a_membership_that_memory_knows_by_half_is_looked_up(company, what):
    """Another bridge has added somebody and granted; this one has read their entry since, for a sign-in, not yet `member`."""
    user = company.lab.user(password="correct horse")
    company.lab.proxy.feed_lag = 2.0
    company.join(user["id"])
    company.view.modify(company.dn(user["id"]), ("add", "kiopsPermission", f"{company.group}:vpn"))
    company.lab.person(user["userName"], "correct horse").get("/Me").expect(200)
    company.lab.scim.patch(company.path, ("add", what, [{"value": user["id"]}])).expect(200)
    company.lab.proxy.feed_lag = 0.0
    assert company.values(user["id"], "kiopsPermission") == [f"{company.group}:vpn"]
    company.is_sound()


@pytest.mark.parametrize("passing", [0, 1])
def test_a_name_comes_to_mean_another_person_during_a_join(company, passing):
    user = company.lab.user()["id"]
    dn = company.dn(user)

    def exchange():
        name = company.view.get(dn)["uid"]
        company.view.delete(dn)
        company.view.add(dn, objectClass=["inetOrgPerson", "kiopsUser"], uid=name, cn="other", sn="other")

    answer = patch_during(company, exchange, ("add", "members", [{"value": user}]), passing=passing)
    answer.expect(400, 404)
    assert "kiopsJoined" not in company.view.get(dn)
    assert dn not in company.view.members(company.group)


def test_the_person_says_so_before_the_organization_does(company):
    """A join that is cut off leaves less, not more: in `member`, without kiopsJoined, it would be inert but visible."""
    user, between = company.lab.user()["id"], []

    def look():
        joined, members = company.values(user, "kiopsJoined"), company.view.members(company.group)
        between.append((len(joined), company.dn(user) in members))

    patch_during(company, look, ("add", "members", [{"value": user}]), passing=1).expect(200)
    assert between == [(1, False)]


def test_what_a_failed_promotion_wrote_goes_again(company):
    """The member value alone goes, by a hand that knows nothing of the rest."""
    def drop():
        company.view.modify(company.dn(company.group), ("delete", "member", company.dn(company.member)))

    promotion = ("add", MANAGERS, [{"value": company.member}])
    patch_during(company, drop, promotion, passing=1).expect(409)
    assert not company.values(company.member, "kiopsManager")


def test_a_name_that_is_added_while_its_person_is_deleted(company):
    dn = company.dn(company.member)

    def add():
        company.view.modify(company.dn(company.group), ("add", "member", dn))

    trap = company.lab.proxy.before_request("delete", action=add)
    company.lab.scim.delete(f"/Users/{company.member}").expect(204)
    assert trap.sprung.is_set() and dn not in company.view.members(company.group)


# ---- a user

@pytest.fixture(scope="module")
def wisher(ground):
    return ground.client(ground.new_token("wisher", "PlatformAdmin", "--option", "write_roles=yes"))


@pytest.mark.parametrize("asked", ["another role", "that role", "nothing of it"])
def test_a_role_that_memory_still_shows_is_given_back_only_where_it_is_asked_for(company, wisher, asked):
    """A PATCH of `roles` acts for what it names; what stays beside it is no wish."""
    company.lab.proxy.feed_lag = 2.0
    company.leave(company.member)
    change = {"another role": ("add", "roles", [{"value": f"Member@{Company(company.lab).group}"}]),
              "that role": ("add", "roles", [{"value": f"Member@{company.group}"}]),
              "nothing of it": ("remove", 'roles[value eq "PlatformAdmin"]')}[asked]
    wisher.patch(f"/Users/{company.member}", change).expect(200, 400)
    company.lab.proxy.feed_lag = 0.0
    assert (company.dn(company.member) in company.view.members(company.group)) == (asked == "that role")
    company.is_sound()


def test_if_match_holds_until_the_write(company):
    user = company.lab.user(title="Before")
    path, tag = f"/Users/{user['id']}", company.lab.scim.get(f"/Users/{user['id']}").etag

    def edit():
        company.view.modify(company.dn(user["id"]), ("replace", "title", "By hand"))

    answer = patch_during(company, edit, ("replace", "displayName", "Late"), path=path, headers={"If-Match": tag})
    answer.expect(412)
    entry = company.view.by_id(user["id"])[1]
    assert entry["title"] == ["By hand"] and entry.get("displayName") != ["Late"]


@pytest.fixture(scope="module")
def hand(ground):
    """Another writer, whom no trap holds."""
    with Hand(ground.bridges[0], "token:e2e", past=(ground.proxy.uri, ground.slapd.uri)) as other:
        yield other


@pytest.mark.parametrize("what, stays", [("add", True), ("promote", True), ("remove", False), ("demote", False)])
def test_a_change_beside_a_rename(company, hand, what, stays):
    """Between the rename and the groups' following, a Manager looks like somebody who is in no group."""
    if what == "remove":
        company.lab.scim.patch(company.path, ("remove", f'{MANAGERS}[value eq "{company.first}"]')).expect(200)
    said = []

    def change():
        said.append(hand(what, company.first, company.group))

    answer = patch_during(company, change, ("replace", "userName", f"renamed{company.lab.number()}"),
                          path=f"/Users/{company.first}")
    answer.expect(200)
    assert said[0] in ("done", "nothing") or (what == "promote" and said[0].startswith("conflict")), said
    now = company.picture()
    dn = fold(company.dn(company.first))
    assert (dn in now.managers(company.group)) == stays and (dn in now.members(company.group)) == (what != "remove")
    company.is_sound()


def test_the_old_name_is_held_until_the_groups_have_followed(company):
    """Nobody can be made under it, and so nobody clears it out of the groups, or inherits it."""
    old, uid = company.dn(company.first), f"later{company.lab.number()}"
    name, refused = old.split(",")[0].removeprefix("uid="), []

    def make_again():
        try:
            company.view.add(old, objectClass="inetOrgPerson", uid=name, cn="New", sn="New")
        except ldap.CONSTRAINT_VIOLATION:
            refused.append(name)

    claims = 'preset = "389ds"' in company.lab.bridge.configuration  # the new name comes first, as a value
    patch_during(company, make_again, ("replace", "userName", uid), passing=int(claims), path=f"/Users/{company.first}").expect(200)
    assert refused == [name]
    assert company.view.by_id(company.first)[1]["uid"] == [uid]
    assert fold(company.dn(company.first)) in company.picture().managers(company.group)
    company.lab.user(userName=name)
    company.is_sound()


def cut_off(company, user):
    """As a rename leaves it that was cut off before the groups followed; the old name."""
    old, new = company.dn(user), f"later{company.lab.number()}"
    company.view.link.rename_s(old, f"uid={new}", delold=0)
    eventually(lambda: company.lab.scim.get(f"/Users/{user}")["userName"] == new)
    return old.split(",")[0].removeprefix("uid="), new


def test_who_takes_a_name_finishes_the_rename_that_gave_it_up(company):
    """And clears nothing that belongs to the person who had it."""
    name, new = cut_off(company, company.first)
    found = company.lab.scim.get("/Users?" + urlencode({"filter": f'userName eq "{name}"'})).expect(200).json
    assert found["totalResults"] == 0, "the old value is no name"
    company.lab.user(userName=name)
    assert company.view.by_id(company.first)[1]["uid"] == [new]
    assert fold(company.dn(company.first)) in company.picture().managers(company.group)
    company.is_sound()


@pytest.mark.parametrize("to", ["new", "old", "third"])
def test_a_rename_after_one_that_was_cut_off(company, to):
    """Repeated, or to another name or back: the groups follow all the way."""
    name, new = cut_off(company, company.first)
    wanted = {"new": new, "old": name, "third": f"third{company.lab.number()}"}[to]
    company.lab.scim.patch(f"/Users/{company.first}", ("replace", "userName", wanted)).expect(200)
    assert company.view.by_id(company.first)[1]["uid"] == [wanted]
    assert fold(company.dn(company.first)) in company.picture().managers(company.group)
    company.is_sound()


def test_a_join_whose_person_is_renamed_between_its_steps(company):
    """The old name is in no group afterwards, the person is, and the answer says so."""
    user = company.lab.user()
    old, new = company.dn(user["id"]), f"uid=later{company.lab.number()}"
    rename = lambda: company.view.link.rename_s(old, new)  # noqa: E731
    patch_during(company, rename, ("add", "members", [{"value": user["id"]}]), passing=1).expect(200)
    now = company.picture()
    assert fold(company.dn(user["id"])) in now.members(company.group) and fold(old) not in now.members(company.group)
    company.is_sound()


@pytest.mark.parametrize("what", [MANAGERS, "members"])
def test_a_manager_is_renamed_between_the_steps_that_take_the_seat(company, what):
    """The person's side goes, under whatever name."""
    old, new = company.dn(company.first), f"uid=later{company.lab.number()}"
    rename = lambda: company.view.link.rename_s(old, new)  # noqa: E731
    patch_during(company, rename, ("remove", f'{what}[value eq "{company.first}"]'), passing=1).expect(200)
    assert not company.values(company.first, "kiopsManager")
    assert (fold(company.dn(company.first)) in company.picture().members(company.group)) == (what == MANAGERS)
    company.is_sound()


# ---- the order of things

def test_the_intent_is_on_record_before_the_directory_hears_of_it(company):
    user, seen = company.lab.user()["id"], []

    def note():
        seen.extend(r["change"] for r in audit_records(company.lab.bridge)
                    if r["type"] == "intent" and r.get("subject") == user)

    patch_during(company, note, ("replace", "title", "New"), path=f"/Users/{user}").expect(200)
    assert seen == ["edit_user"]
    seen.clear()
    patch_during(company, note, ("add", "members", [{"value": user}])).expect(200)
    assert seen == ["edit_user", "add"]


def test_the_intent_of_a_creation_stands_before_the_entry(company):
    seen = []

    def note():
        seen.extend(r["after"]["userName"] for r in audit_records(company.lab.bridge)
                    if r["type"] == "intent" and r["change"] == "create_user")

    company.lab.proxy.before_request("add", action=note)
    assert company.lab.user()["userName"] in seen


def test_what_is_taken_goes_before_what_is_given(company):
    """Every state between gives less, not more."""
    user, steps = company.lab.user()["id"], []

    def look():
        now = company.view.members(company.group)
        steps.append((company.dn(company.member) in now, company.dn(user) in now))

    for passing in range(8):
        company.lab.proxy.before_request("modify", passing=passing, action=look)
    company.lab.scim.patch(company.path, ("add", "members", [{"value": user}]),
                           ("remove", f'members[value eq "{company.member}"]')).expect(200)
    assert (False, False) in steps and (True, True) not in steps, steps


def test_who_lost_the_right_meanwhile_writes_nothing(company):
    """KB-R15: the token's entry is read once more, just before the first write."""
    name, user = f"brief{company.lab.number()}", company.lab.user()["id"]
    client = company.lab.client(company.lab.new_token(name))
    client.get(company.path).expect(200)
    trap = company.lab.proxy.before_request("search", action=lambda: company.view.delete(f"cn={name},{site.TOKENS}"))
    client.patch(f"/Users/{user}", ("replace", "title", "New")).expect(401)
    assert trap.sprung.is_set() and "title" not in company.view.by_id(user)[1]


def test_one_refusal_refuses_all_before_the_first_write(company):
    """The second operation takes every Manager; the first alone would be fine."""
    user = company.lab.user()["id"]
    writes = len([name for name in company.lab.proxy.seen if name == "modify"])
    everybody = f'{MANAGERS}[value eq "{company.first}" or value eq "{company.second}"]'
    answer = company.lab.scim.patch(company.path, ("add", "members", [{"value": user}]), ("remove", everybody))
    assert answer.expect(409).rule == "KB-R07"
    assert len([name for name in company.lab.proxy.seen if name == "modify"]) == writes
    company.is_sound()


# ---- what a first step wrote, and whom it was written to

@pytest.mark.parametrize("becomes", ["deleted", "renamed"])
def test_who_is_made_platform_admin_is_gone_between_the_two_steps(company, becomes):
    """No DN stays in the platform group that names nobody."""
    user = company.lab.user()["id"]
    old, new = company.dn(user), f"uid=later{company.lab.number()}"

    def meanwhile():
        company.view.delete(old) if becomes == "deleted" else company.view.link.rename_s(old, new)

    words = tool_during(company, meanwhile, "token:e2e", "make-admin", user, "-", passing=1)
    admins = company.view.get(site.ADMINS)["member"]
    try:
        assert old not in admins, words
        assert becomes == "deleted" or (words == "done" and company.dn(user) in admins), words
        assert becomes == "renamed" or words.startswith("not_found"), words
    finally:
        if becomes == "renamed":
            company.view.modify(site.ADMINS, ("delete", "member", company.dn(user)))
            company.view.delete(company.dn(user))


def test_what_is_made_is_no_404_when_there_is_nothing_to_show_any_more(company):
    """The membership ends while its person is made PlatformAdmin: that stays, and whoever asked hears of it."""
    path = f"/Memberships/{company.group}.{company.member}"

    def leave():
        company.leave(company.member)
        eventually(lambda: company.lab.scim.get(path).status == 404)

    answer = patch_during(company, leave, ("replace", "role", "PlatformAdmin"), path=path, passing=1).expect(409)
    assert "1 of 1 changes of this request are made" in answer["detail"], answer.text
    dn = company.dn(company.member)
    assert dn in company.view.get(site.ADMINS)["member"]
    company.view.modify(site.ADMINS, ("delete", "member", dn))


def undone_under_another_name(company, *operations):
    """A first step that is taken back while its person is renamed: the second modify of the request meets what `first` has
    made of the organization, the third one is the taking back."""
    old, new = company.dn(company.member), f"uid=later{company.lab.number()}"
    rename = company.lab.proxy.before_request("modify", passing=2, action=lambda: company.view.link.rename_s(old, new))
    leave = lambda: company.view.modify(company.dn(company.group), ("delete", "member", old))  # noqa: E731
    answer = patch_during(company, leave, *operations, passing=1)
    assert rename.sprung.is_set(), answer.text
    return answer


def test_a_promotion_is_taken_back_from_who_is_renamed(company):
    undone_under_another_name(company, ("add", MANAGERS, [{"value": company.member}])).expect(409)
    assert not company.values(company.member, "kiopsManager")
