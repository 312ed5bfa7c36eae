"""`check` of a directory without the kiops schema: what plain mode needs, by the configured names, and nothing of ours."""

import json
import re

import pytest
from ground import DATABASE, Ground
from kiopslab import foreign, plain, site
from plain import PlainLab
from test_group_classes import MEMBERS, POSIX, UNIQUE, group, people_and

OURS = re.compile("kiops[A-Z]")  # a class or an attribute of our schema
EXTERNAL = 'user = ( { scim = "externalId"; ldap = "employeeNumber"; } );'


class PlainGround(Ground):
    """`slapd` and `bridge` are the settings of PlainSlapd and PlainBridge."""

    def __init__(self, folder, *, slapd=None, bridge=None, entries=plain.sample):
        lab = PlainLab(folder, bridges=0, slapd={"live": True, **(slapd or {})}, entries=entries)
        self.take(lab, lab.new_bridge(folder / "bridge", **(bridge or {})))

    def codes(self):
        return sorted(f["code"] for f in self.check()[1])


@pytest.fixture
def make(tmp_path):
    made = []

    def one(**settings):
        made.append(PlainGround(tmp_path, **settings))
        return made[-1]

    yield one
    for ground in made:
        ground.lab.close()


def test_a_well_prepared_plain_directory_has_nothing_to_mend(make):
    make().is_fit()


@pytest.mark.parametrize("schema, member, owner, organizations, one", [
    ("", "uniqueMember", "owner", UNIQUE, group("groupOfUniqueNames", "Team", ("uniqueMember", site.PLACEHOLDER))),
    (plain.GROUP_OF_MEMBERS, "member", "owner", MEMBERS, group("groupOfMembers", "Team")),
    (plain.POSIX_GROUP, "memberUid", "", POSIX, group("posixGroup", "Team", ("gidNumber", "500"), ("memberUid", "jun"))),
], ids=["uniqueMember", "groupOfMembers", "memberUid"])
def test_other_group_classes_are_fit_with_their_own_names(make, tmp_path, schema, member, owner, organizations, one):
    (tmp_path / "more.schema").write_text(schema + "\n")  # an entry of its own in cn=schema, behind what it builds on
    make(slapd={"schema": f"include {tmp_path}/more.schema", "member": member, "owner": owner},
         bridge={"organizations": organizations}, entries=people_and(one)).is_fit()


def test_the_attribute_of_external_id_wants_its_index(make):
    ground = make(bridge={"mapping": EXTERNAL})
    ground.mend("no-index")
    assert "employeeNumber eq" in ground.values(DATABASE, "olcDbIndex")


@pytest.mark.parametrize("member, organizations", [("member", None), ("uniqueMember", UNIQUE)], ids=["member", "uniqueMember"])
def test_rules_that_let_people_into_groups_and_tokens(make, member, organizations):
    cls = "groupOfUniqueNames" if organizations else "groupOfNames"
    ground = make(slapd={"member": member}, bridge={"organizations": organizations},
                  entries=people_and(group(cls, "Team", (member, site.PLACEHOLDER))))
    ground.config.modify(DATABASE, ("replace", "olcAccess", ["{0}to * by users write by anonymous auth"]))
    status, found = ground.check()
    text = next(f["text"] for f in found if f["code"] == "access-rules")
    assert status == 2 and not OURS.search(text), found
    for what in (f"{member} of an organization", "owner of an organization", "a new token", "the bridge's account may make tokens"):
        assert what in text, text
    ground.mend("access-rules")


def test_what_the_bridge_may_not_write_is_named(make):
    ground = make(bridge={"mapping": EXTERNAL})
    ground.mend("no-index")
    ground.config.modify(DATABASE, ("add", "olcAccess", f'{{0}}to dn.subtree="{site.BASE}" attrs=employeeNumber,member,description '
                                    f'by dn.exact="{site.BRIDGE}" read by * none'))
    text = next(f["text"] for f in ground.check()[1] if f["code"] == "access-rules")
    assert "may not write" in text and "employeeNumber of people" in text and not OURS.search(text), text
    assert "member of organizations" in text or "new organizations" in text, text


def test_nothing_is_prepared_and_the_printed_text_prepares_it(make):
    ground = make(slapd={"template": foreign.CONFIGURATION, "tells": False}, entries=lambda passwords: foreign.content(passwords, 40))
    seen = set()
    for _ in range(6):
        status, found = ground.check()
        seen |= {f["code"] for f in found}
        assert not OURS.search(json.dumps(found)), found
        if status == 0:
            break
        for f in found:
            if f["apply"]["as"] in ("config", "entries"):
                ground.apply(f["apply"])
    assert status == 0 and {"no-entry", "no-unique", "no-index", "access-rules"} <= seen and "no-schema" not in seen, (seen, found)
    ground.is_fit()


def test_impact_counts_what_plain_mode_shows(make):
    done = make().run("check", "--impact", "--json")
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    counts = {name: row["count"] for name, row in found.items() if row["count"]}
    assert counts == {"users": 4, "organizations": 1, "members": 2, "managers": 1}
