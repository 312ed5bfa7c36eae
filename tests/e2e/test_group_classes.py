"""Other group classes than groupOfNames, and groups in groups."""

import pytest
from kiopslab import entries, plain, site
from kiopslab.bridge import Bridge
from kiopslab.entries import entry
from kiopslab.slapd import Slapd
from lab import BINARY, eventually, free_port, without_address_randomisation
from plain import PlainLab
from scim import GROUP, KIOPS_ORGANIZATION

PLACEHOLDER = f'placeholder_dn = "{site.PLACEHOLDER}";'
UNIQUE = f'filter = "(objectClass=groupOfUniqueNames)"; object_classes = [ "groupOfUniqueNames" ]; member = "uniqueMember"; {PLACEHOLDER}'
MEMBERS = 'filter = "(objectClass=groupOfMembers)"; object_classes = [ "groupOfMembers" ];'
POSIX = 'filter = "(objectClass=posixGroup)"; object_classes = [ "posixGroup" ]; member = "memberUid"; owner = "";'


def people_and(*groups):
    def make(passwords):
        yield from plain.entries.base(passwords)
        yield from (plain.person(*one) for one in plain.PEOPLE)
        yield from groups
    return make


def group(cls, name, *values):
    return entry(site.organization_dn(name), [("objectClass", cls), ("cn", name), *values])


class UniqueSlapd(Slapd):
    def write(self, name, text):
        super().write(name, text.replace("attrs=member,owner", "attrs=uniqueMember,owner") if name == "acl.conf" else text)


class UniqueBridge(Bridge):
    def create(self):
        self.configuration = self.configuration.replace(PLACEHOLDER, UNIQUE.replace('"groupOfUniqueNames" ]', '"groupOfUniqueNames", "kiopsOrganization" ]'))
        super().create()


class UniqueLab(PlainLab):
    """With the kiops schema."""

    def __init__(self, folder):
        super().__init__(folder, make_slapd=UniqueSlapd, entries=entries.sample)

    def new_bridge(self, home, **_):
        bridge = UniqueBridge(home, free_port(), BINARY, self.slapd, prefix=without_address_randomisation())
        bridge.create()
        return bridge


@pytest.fixture(scope="module")
def roles(tmp_path_factory):
    made = UniqueLab(tmp_path_factory.mktemp("roles"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def unique(tmp_path_factory):
    made = PlainLab(tmp_path_factory.mktemp("unique"), slapd={"member": "uniqueMember"}, bridge={"organizations": UNIQUE},
                    entries=people_and(group("groupOfUniqueNames", "Yard", ("uniqueMember", site.user_dn("mina")), ("owner", site.user_dn("mina")))))
    yield made
    made.close()


@pytest.fixture(scope="module")
def of_members(tmp_path_factory):
    made = PlainLab(tmp_path_factory.mktemp("members"), slapd={"schema": plain.GROUP_OF_MEMBERS}, bridge={"organizations": MEMBERS},
                    entries=people_and(group("groupOfMembers", "Empty")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def posix(tmp_path_factory):
    made = PlainLab(tmp_path_factory.mktemp("posix"), slapd={"schema": plain.POSIX_GROUP, "member": "memberUid", "owner": ""},
                    bridge={"organizations": POSIX},
                    entries=people_and(group("posixGroup", "wheel", ("gidNumber", "10"), ("memberUid", "mina"), ("memberUid", "kim"),
                                             ("memberUid", "nobody-here"))))
    yield made
    made.close()


def only_group(lab, name):
    return lab.scim.find("Groups", f'displayName eq "{name}"')[0]


def ids(lab, *uids):
    return {lab.scim.find("Users", f'userName eq "{uid}"')[0]["id"] for uid in uids}


def members(resource):
    return {member["value"] for member in resource.get("members", ())}


# ---- groupOfUniqueNames

def test_unique_members_and_the_owner_are_shown(unique):
    unique.view().modify(site.organization_dn("Yard"), ("add", "uniqueMember", site.user_dn("kim")))
    yard = eventually(lambda: members(only_group(unique, "Yard")) == ids(unique, "mina", "kim") and only_group(unique, "Yard"))
    assert [m["value"] for m in yard[KIOPS_ORGANIZATION]["managers"]] == list(ids(unique, "mina"))


def test_a_unique_member_with_a_uid_is_another_value(unique):
    """RFC 4517 3.3.21: to the server DN#'0101'B and DN are two values. The bridge shows, finds and writes DNs."""
    view, lee = unique.view(), site.user_dn("lee")
    made = unique.organization()
    dn, path = view.by_id(made["id"])[0], f"/Groups/{made['id']}"
    view.modify(dn, ("add", "uniqueMember", f"{lee}#'0101'B"), ("add", "description", "seen"))
    eventually(lambda: unique.scim.get(path)[KIOPS_ORGANIZATION].get("description") == "seen")
    assert not members(unique.scim.get(path).json)
    one, = ids(unique, "lee")
    unique.scim.patch(path, ("add", "members", [{"value": one}])).expect(200)
    unique.scim.patch(path, ("remove", f'members[value eq "{one}"]')).expect(200)
    assert view.members(made["id"], "uniqueMember") == {f"{lee}#'0101'B"}


def test_unique_names_live_from_create_to_delete(unique):
    view, person = unique.view(), unique.user()
    made = unique.organization(members=[person["id"], *ids(unique, "jun")])
    _, found = view.by_id(made["id"])
    assert found["objectClass"] == ["groupOfUniqueNames"] and "member" not in found
    assert set(found["uniqueMember"]) == {site.PLACEHOLDER, site.user_dn(person["userName"]), site.user_dn("jun")}
    unique.scim.patch(f"/Users/{person['id']}", ("replace", "userName", f"{person['userName']}-new")).expect(200)
    assert view.members(made["id"], "uniqueMember") == {site.user_dn(f"{person['userName']}-new"), site.user_dn("jun")}
    unique.scim.delete(f"/Users/{person['id']}").expect(204)
    assert view.members(made["id"], "uniqueMember") == {site.user_dn("jun")}
    unique.scim.put(f"/Groups/{made['id']}", {"schemas": [GROUP], "displayName": "Renamed", "members": []}).expect(200)
    assert view.members(made["id"], "uniqueMember") == set()
    unique.scim.delete(f"/Groups/{made['id']}").expect(204)


def test_roles_work_on_unique_names(roles):
    """With the kiops schema: join, promote, KB-R07, demote, remove, rename, delete; each by uniqueMember alone."""
    view = roles.view()
    first, second, third = (roles.user() for _ in range(3))
    made = roles.organization(managers=[first["id"]], members=[second["id"], third["id"]])
    path, managers = f"/Groups/{made['id']}", f"{KIOPS_ORGANIZATION}:managers"
    entry_now = view.by_id(made["id"])[1]
    assert "member" not in entry_now and "kiopsManagedOrganization" in entry_now["objectClass"]
    assert view.members(made["id"], "owner") == {site.user_dn(first["userName"])}
    for last in (("remove", managers), ("remove", f'members[value eq "{first["id"]}"]')):
        assert roles.scim.patch(path, last).expect(409).rule == "KB-R07"
    roles.scim.patch(path, ("add", managers, [{"value": second["id"]}])).expect(200)
    roles.scim.patch(path, ("remove", f'managers[value eq "{first["id"]}"]'.replace("managers", managers))).expect(200)
    assert view.members(made["id"], "owner") == {site.user_dn(second["userName"])}
    assert len(view.members(made["id"], "uniqueMember")) == 3
    roles.scim.patch(f"/Users/{second['id']}", ("replace", "userName", f"{second['userName']}-new")).expect(200)
    renamed = site.user_dn(f"{second['userName']}-new")
    assert view.members(made["id"], "owner") == {renamed} and renamed in view.members(made["id"], "uniqueMember")
    roles.scim.patch(path, ("remove", f'members[value eq "{third["id"]}"]')).expect(200)
    roles.scim.delete(f"/Users/{first['id']}").expect(204)
    assert view.members(made["id"], "uniqueMember") == {renamed}
    shown = roles.scim.get(path)[KIOPS_ORGANIZATION]
    assert [m["value"] for m in shown["managers"]] == [second["id"]] and shown["memberCount"] == 1


# ---- groupOfMembers

def test_an_empty_group_of_members_has_no_placeholder(of_members):
    view = of_members.view()
    assert "members" not in only_group(of_members, "Empty") or not members(only_group(of_members, "Empty"))
    made = of_members.organization()
    assert "member" not in view.by_id(made["id"])[1]
    path = f"/Groups/{made['id']}"
    kim, = ids(of_members, "kim")
    assert members(of_members.scim.patch(path, ("add", "members", [{"value": kim}])).expect(200).json) == {kim}
    of_members.scim.patch(path, ("remove", f'members[value eq "{kim}"]')).expect(200)
    assert "member" not in view.by_id(made["id"])[1]
    assert of_members.scim.get(path)[KIOPS_ORGANIZATION]["memberCount"] == 0
    of_members.scim.delete(path).expect(204)


# ---- posixGroup

def test_a_posix_group_is_shown(posix):
    wheel = only_group(posix, "wheel")
    assert members(wheel) == ids(posix, "mina", "kim")
    assert wheel[KIOPS_ORGANIZATION] == {"memberCount": 2}
    assert posix.scim.find("Users", 'userName eq "mina"')[0]["groups"][0]["display"] == "wheel"
    for urn in (GROUP, KIOPS_ORGANIZATION):
        attributes = posix.scim.get(f"/Schemas/{urn}")["attributes"]
        assert {a["mutability"] for a in attributes} == {"readOnly"} and "managers" not in {a["name"] for a in attributes}
    posix.view().modify(site.organization_dn("wheel"), ("add", "memberUid", "lee"))
    eventually(lambda: members(only_group(posix, "wheel")) == ids(posix, "mina", "kim", "lee"))
    posix.view().modify(site.organization_dn("wheel"), ("delete", "memberUid", "lee"))


@pytest.mark.parametrize("method, body", [("patch", None), ("put", {"schemas": [GROUP], "displayName": "w"}), ("delete", None),
                                          ("post", {"schemas": [GROUP], "displayName": "new"})], ids=["patch", "put", "delete", "post"])
def test_a_posix_group_is_never_written(posix, method, body):
    wheel, view = only_group(posix, "wheel"), posix.view()
    before = view.get(site.organization_dn("wheel"))
    path = "/Groups" if method == "post" else f"/Groups/{wheel['id']}"
    sent = [("remove", "members")] if method == "patch" else [body] if body else []
    detail = getattr(posix.scim, method)(path, *sent).expect(400 if method == "patch" else 403)["detail"]
    assert "posixGroup" in detail or "read-only" in detail
    assert view.get(site.organization_dn("wheel")) == before


def test_who_is_in_a_posix_group_can_be_deleted(posix):
    person = posix.user()
    view, dn = posix.view(), site.organization_dn("wheel")
    view.modify(dn, ("add", "memberUid", person["userName"]))
    eventually(lambda: person["id"] in members(only_group(posix, "wheel")))
    posix.scim.delete(f"/Users/{person['id']}").expect(204)
    assert person["id"] not in members(only_group(posix, "wheel"))
    view.modify(dn, ("delete", "memberUid", person["userName"]))


# ---- groups in groups

@pytest.fixture(scope="module")
def nest(lab, view):
    """Two groups, each in the other, and a person in the first."""
    person = lab.user()
    first, second = lab.organization(members=[person["id"]]), lab.organization()
    for inner, outer in ((first, second), (second, first)):
        view.modify(view.by_id(outer["id"])[0], ("add", "member", view.by_id(inner["id"])[0]))
    eventually(lambda: second["id"] in members(lab.scim.get(f"/Groups/{first['id']}").json))
    eventually(lambda: first["id"] in members(lab.scim.get(f"/Groups/{second['id']}").json))
    return person, first, second


def test_a_group_in_a_group_is_shown_and_gives_nothing(scim, nest):
    person, first, second = nest
    shown = scim.get(f"/Groups/{second['id']}").json
    inner, = shown["members"]
    assert inner["type"] == "Group" and inner["value"] == first["id"] and inner["$ref"].endswith(f"/Groups/{first['id']}")
    assert shown[KIOPS_ORGANIZATION]["memberCount"] == 1
    assert [g["value"] for g in scim.get(f"/Users/{person['id']}")["groups"]] == [first["id"]]
    assert scim.get("/Memberships", filter=f'organization.value eq "{second["id"]}"')["totalResults"] == 0
    assert scim.find("Groups", f'members.value eq "{first["id"]}"')[0]["id"] == second["id"]


def test_a_group_is_no_member_to_write(lab, nest):
    _, first, second = nest
    other = lab.organization()
    for path, op in ((f"/Groups/{other['id']}", "add"), (f"/Groups/{other['id']}", "replace")):
        assert "group" in lab.scim.patch(path, (op, "members", [{"value": first["id"]}])).expect(400)["detail"]
    body = {"schemas": [GROUP], "displayName": "Nested", "members": [{"value": first["id"], "type": "Group"}]}
    lab.scim.post("/Groups", body).expect(400)
    assert not members(lab.scim.get(f"/Groups/{other['id']}").json)


def test_members_change_beside_a_group_in_the_group(lab, view, nest):
    _, first, second = nest
    person = lab.user()
    path = f"/Groups/{second['id']}"
    lab.scim.patch(path, ("add", "members", [{"value": person["id"]}])).expect(200)
    assert members(lab.scim.get(path).json) == {person["id"], first["id"]}
    lab.scim.patch(path, ("remove", f'members[value eq "{person["id"]}"]')).expect(200)
    assert members(lab.scim.get(path).json) == {first["id"]}


def test_what_was_read_is_written_back_with_its_groups(lab, view, nest):
    """A client that reads, edits and puts sends the nested group too: what is there already stays, whoever names it."""
    _, first, second = nest
    path = f"/Groups/{second['id']}"
    before = lab.scim.get(path).json
    for answer in (lab.scim.put(path, before), lab.scim.patch(path, ("add", "members", [{"value": first["id"]}]))):
        assert members(answer.expect(200).json) == {first["id"]}
    assert "group" in lab.scim.patch(path, ("add", "members", [{"value": second["id"]}])).expect(400)["detail"]
    assert view.by_id(first["id"])[0] in view.members(second["id"])
