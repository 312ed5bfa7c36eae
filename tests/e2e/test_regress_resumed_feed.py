"""A feed that resumes from its cookies: slapd then names what changed meanwhile also to the searches that it does not
belong to, as gone. Nobody may vanish by that."""

from lab import eventually
from scim import KIOPS_ORGANIZATION


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
