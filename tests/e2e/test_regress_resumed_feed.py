"""A feed that resumes from its cookies: slapd then names what changed meanwhile also to the searches that it does not
belong to, as gone. Nobody may vanish by that."""

from faults import metric
from kiopslab import entries, site
from lab import eventually
from scim import KIOPS_ORGANIZATION
from test_clock_skew import step


def away(lab):
    lab.proxy.refusing = True
    lab.proxy.reset()


def test_what_changed_while_the_feed_was_away_is_still_there(new_lab):
    lab = new_lab(proxied=True)
    user, keeper = lab.user()["id"], lab.user()["id"]
    group = lab.organization(managers=[keeper])["id"]
    view = lab.view()
    for n in range(3):
        away(lab)
        view.modify(view.by_id(user)[0], ("replace", "displayName", f"Away {n}"))
        view.modify(view.by_id(group)[0], ("replace", "description", f"Away {n}"))
        born = f"uid=born{n},ou=people,dc=example,dc=org"
        view.add(born, objectClass=["inetOrgPerson", "kiopsUser"], uid=f"born{n}", cn="b", sn="b")
        view.delete(born.replace(f"born{n}", f"born{n - 1}")) if n else None
        lab.proxy.refusing = False
        # Lists: who asks for one entry by its id is answered by the directory.
        eventually(lambda n=n: lab.scim.find("Users", f'displayName eq "Away {n}"'), within=10)
        eventually(lambda n=n: lab.scim.find("Groups", f'{KIOPS_ORGANIZATION}:description eq "Away {n}"'), within=10)
        assert len(lab.scim.find("Users", f'userName eq "born{n}"')) == 1
        assert not n or eventually(lambda n=n: not lab.scim.find("Users", f'userName eq "born{n - 1}"'))
        eventually(lambda n=n: lab.bridge.process.log_text().count("feed_live") >= n + 2)
    assert lab.bridge.process.log_text().count("feed_live") >= 4


def test_what_went_meanwhile_is_gone_also_while_the_clock_is_behind(new_lab):
    """slapd's contextCSN stands still then, and the cookies of its events name no state: who resumed would hear of nothing
    that went."""
    lab = new_lab(proxied=True)
    step(lab, "+1h")
    user, token = lab.user(), lab.new_token("leaving")
    lab.client(token).get("/Users?count=0").expect(200)
    came_back = lab.bridge.process.log_text().count("feed_live")
    view = step(lab, "-1h")
    eventually(lambda: lab.bridge.process.log_text().count("feed_live") > came_back, within=10)
    view.add(site.user_dn("behind"), objectClass=["inetOrgPerson", "kiopsUser"], uid="behind", cn="b", sn="b")
    eventually(lambda: lab.scim.find("Users", 'userName sw "behin"'), within=10)
    away(lab)
    eventually(lambda: metric(lab.bridge, "kiops_feed_live") == 0, within=10)
    view.delete(site.user_dn(user["userName"]))
    view.delete(f"cn=leaving,{site.TOKENS}")
    lab.proxy.refusing = False
    eventually(lambda: metric(lab.bridge, "kiops_feed_live") == 1, within=10)
    assert lab.client(token).get("/Users?count=0").status == 401
    assert lab.scim.find("Users", f'userName sw "{user["userName"]}"') == []


def test_a_platform_group_that_is_deleted_leaves_no_platform_admin(new_lab):
    lab = new_lab()
    admin = lab.person(entries.PLATFORM_ADMIN)
    admin.get("/Users?count=0").expect(200)
    lab.view().delete(site.ADMINS)
    eventually(lambda: admin.get("/Users?count=0").status == 403)
