"""What tells a version of an entry on 389 Directory Server: its number alone does not, for each add that this server refuses as a
second one counts back. And it says of no server how new it is."""

import ldap
import pytest
from faults import SHORT, configure, log_since, metric, unavailable
from kiopslab import entries, site
from kiopslab.ds389 import Ds389
from lab import eventually, free_port
from view import View

NOBODY = 'userName eq "nobody at all"'
LEE = site.user_dn("lee")


def number(view):
    return int(view.get(LEE)["entryusn"][0])


def count_back(view, times):
    for _ in range(times):
        with pytest.raises(ldap.ALREADY_EXISTS):
            view.add(site.user_dn("kim"), objectClass="inetOrgPerson", uid="kim", cn="kim", sn="kim")


@pytest.fixture
def ground(new_lab):
    """Above zero, and polled since."""
    lab = new_lab(bridge={"directory": SHORT})
    lab.admin = lab.view()
    for n in range(20):
        lab.admin.modify(LEE, ("replace", "title", f"{n}"))
    settled(lab, "19")
    return lab


def lee(lab):
    return lab.scim.find("Users", 'userName eq "lee"')[0]


def settled(lab, title):
    """It is shown, and its second is over: a change in another one has another time."""
    eventually(lambda: lee(lab).get("title") == title, within=10)
    second = lab.admin.get(LEE)["modifyTimestamp"]

    def over():
        lab.admin.modify(site.user_dn("mina"), ("replace", "title", "now"))
        return lab.admin.get(site.user_dn("mina"))["modifyTimestamp"] > second
    eventually(over)


def test_another_change_of_the_same_number_is_seen(ground):
    before = number(ground.admin)
    count_back(ground.admin, number_of_next(ground) - before)
    ground.admin.modify(LEE, ("replace", "title", "Same"), ("replace", "kiopsActive", "FALSE"))
    assert number(ground.admin) == before
    eventually(lambda: (lee(ground).get("title"), lee(ground)["active"]) == ("Same", False), within=10)


def number_of_next(lab):
    """Of the next change, if nothing counts back."""
    lab.admin.modify(site.user_dn("mina"), ("replace", "title", "next"))
    return int(lab.admin.get(site.user_dn("mina"))["entryusn"][0]) + 1


def test_a_number_that_went_back_is_no_directory_that_did(ground):
    size, before = len(ground.bridge.process.log_text()), number(ground.admin)
    count_back(ground.admin, number_of_next(ground) - before + 5)
    ground.admin.modify(LEE, ("replace", "title", "Less"))
    assert number(ground.admin) < before
    settled(ground, "Less")
    person = lee(ground)["id"]
    assert ground.scim.patch(f"/Users/{person}", ("replace", "title", "Own")).expect(200)["title"] == "Own"
    ground.caught_up()
    assert lee(ground)["title"] == "Own" and metric(ground.bridge, "kiops_ldap_went_back_total") == 0
    assert "went_back" not in log_since(ground.bridge, size)


def test_a_server_that_nothing_dates_does_not_stand_in(ground):
    """Who was deactivated at the first does not sign in by the second, which has not heard of it."""
    lab = ground
    second = Ds389(lab.slapd.home.parent / "second", free_port(), passwords=lab.slapd.passwords)
    second.create(entries.sample(lab.slapd.passwords))
    second.process.start()
    try:
        View(second.uri, site.ROOT, lab.slapd.passwords.root).close()
        lab.bridge.process.stop()
        configure(lab.bridge, f'"{lab.slapd.uri}"', f'"{lab.slapd.uri}", "{second.uri}"')
        lab.bridge.process.start()
        lab.scim.patch(f"/Users/{lee(lab)['id']}", ("replace", "active", False)).expect(200)
        size = len(lab.bridge.process.log_text())
        lab.slapd.process.stop()
        eventually(lambda: "directory_not_used" in log_since(lab.bridge, size), within=10)
        assert lab.person("lee").get("/Me").status in (401, 503)
        unavailable(lambda: lab.scim.get("/Users", filter=NOBODY))
        assert metric(lab.bridge, "kiops_ldap_server") == 0
        lab.slapd.process.start()
        eventually(lambda: lab.scim.get("/Users", filter=NOBODY).status == 200, within=20)
    finally:
        second.process.stop()
