"""Every row of DESIGN 3.3 as a case: a world to meet, and the request."""

import json
from dataclasses import dataclass
from typing import Callable

from kiopslab import site
from scim import GROUP, KIOPS_ORGANIZATION, USER


@dataclass
class Case:
    name: str
    row: str
    prepare: Callable
    run: Callable
    again: Callable = None  # repeats what was cut off, where the same request would not (a create is taken by then)
    race: tuple = None  # (passing, action of the world): done by another hand just before that modify
    inert: tuple = ()  # attributes whose value may be left over without effect: a repeated request does not see it

    def __str__(self):
        return self.name

    @property
    def by_tool(self):
        return "change" in self.run.__code__.co_names


CASES = []


def case(row, prepare, *, again=None, race=None, inert=()):
    """Registers the function: it asks."""
    def take(run):
        CASES.append(Case(run.__name__, row, prepare, run, again, race, inert))
        return run
    return take


def person(name="kim", **given):
    return lambda w: w.person(name, **given)


def team(*people, organization=None, after=None):
    """An organization A (and B, C) and people in it: (name, {settings of World.person})."""
    def prepare(w):
        for name in ("A", "B"):
            w.organization(name, **(organization or {}))
        for name, given in people:
            w.person(name, **given)
        if after:
            after(w)
    return prepare


MEMBER = {"member": ("A",)}
MANAGER = {"manager": ("A",)}
VPN = {"permissions": (("A", "vpn"),)}


def by_hand(name, *changes):
    return lambda w: w.admin.modify(w.dn(name), *((op, a, v.format(**w.ids)) for op, a, v in changes))


# ---- users

def create(w, **attributes):
    return w.lab.scim.post("/Users", {"schemas": [USER], "userName": f"{w.mark}kim", **attributes})


@case("create user", lambda w: None)
def create_user(w):
    return create(w, displayName="Kim", emails=[{"value": "kim@example.org", "type": "work"}])


@case("create user", team(("mina", MANAGER), after=lambda w: (w.admin.modify(
    w.dn("A"), ("add", "member", w.dn("kim")), ("add", "owner", w.dn("kim"))),
    w.admin.modify(site.ADMINS, ("add", "member", w.dn("kim"))))))
def create_user_whose_dn_is_still_named(w):
    return create(w)


@case("create user", person())
def create_user_whose_name_is_taken(w):
    return create(w)


@case("password", lambda w: None)
def create_user_with_a_password(w):
    return create(w, password="a good one")


@case("password", person())
def set_a_password(w):
    return w.user("kim", ("replace", "password", "another good one"))


@case("change user", person())
def change_a_user(w):
    return w.user("kim", ("replace", "displayName", "New"))


@case("change user", person())
def change_a_user_of_another_version(w):
    return w.user("kim", ("replace", "displayName", "New"), headers={"If-Match": 'W/"0000000000000000"'})


@case("change user", person(), race=(0, lambda w: w.admin.modify(w.dn("kim"), ("replace", "title", "meanwhile"))))
def change_a_user_who_changes_meanwhile(w):
    return w.user("kim", ("replace", "displayName", "New"))


def asserted(w):
    """The bridge has written this person before: kiopsResource knows the name."""
    said = json.dumps({"v": 1, "r": {"userName": f"{w.mark}kim"}}, separators=(",", ":"))
    w.admin.modify(w.dn("kim"), ("add", "kiopsResource", said))


@case("rename user", team(("kim", {"manager": ("A",), "member": ("B",)}), ("mina", MANAGER), after=asserted))
def rename_a_user(w):
    return w.user("kim", ("replace", "userName", f"{w.mark}kimmy"))


# ---- join

@case("join", team(("mina", MANAGER), ("kim", {})))
def join(w):
    return w.members("add", "A", "kim")


@case("join", team(("mina", MANAGER), ("kim", {}), ("lee", {})))
def join_of_two(w):
    return w.members("add", "A", "kim", "lee")


@case("join", team(("mina", MANAGER), ("kim", {}), after=lambda w: w.put("A", members=["kim"])))
def join_of_one_who_is_in_member_alone(w):
    return w.members("add", "A", "kim")


@case("join", team(("mina", MANAGER), ("kim", {"values": (
    ("kiopsJoined", "{A}:20260105080000Z.0000000a"), ("kiopsRequest", "{A}:20260105080000Z.0000000b"),
    ("kiopsRejected", "{A}:20260105080000Z"), ("kiopsPermission", "{A}:vpn"), ("kiopsManager", "{A}"),
    ("kiopsPermission", "{B}:vpn"))})))
def join_of_one_with_leftovers(w):
    return w.members("add", "A", "kim")


@case("join", team(("mina", MANAGER), ("kim", MEMBER)))
def join_of_a_member(w):
    return w.members("add", "A", "kim")


@case("join", team(("mina", MANAGER), ("kim", {})),
      race=(1, lambda w: w.admin.delete(w.dn("kim"))))
def join_of_one_who_is_deleted_meanwhile(w):
    return w.members("add", "A", "kim")


@case("join", team(("mina", MANAGER), ("kim", {"values": (("kiopsRequest", "{A}:20260105080000Z.0000000b"),)})))
def approve(w):
    return w.change("approve", "kim", "A")


@case("join", team(("mina", MANAGER), ("kim", {"values": (("kiopsRequest", "{A}:20260105080000Z.0000000b"),)})),
      race=(0, by_hand("kim", ("delete", "kiopsRequest", "{A}:20260105080000Z.0000000b"))))
def approve_a_request_that_goes_meanwhile(w):
    return w.change("approve", "kim", "A")


@case("approve again", team(("mina", MANAGER), ("kim", MEMBER)))
def approve_a_member(w):
    return w.change("approve", "kim", "A")


@case("approve again", team(("mina", MANAGER), ("kim", {"values": (("kiopsJoined", "{A}:20260105080000Z.0000000a"),)})))
def approve_what_was_cut_off(w):
    return w.change("approve", "kim", "A")


# ---- request, reject, withdraw

@case("request / reject / withdraw", team(("mina", MANAGER), ("kim", {}), organization={"open": True}))
def request(w):
    return w.change("request", "kim", "A", actor="kim")


@case("request / reject / withdraw", team(("mina", MANAGER), ("kim", {"values": (
    ("kiopsJoined", "{A}:20260105080000Z.0000000a"),)}), organization={"open": True}))
def request_with_an_old_join(w):
    return w.change("request", "kim", "A", actor="kim")


@case("request / reject / withdraw", team(("mina", MANAGER), ("kim", {}), organization={"open": True}), race=(0, by_hand(
    "kim", ("add", "kiopsRequest", "{A}:20260105080000Z.0000000b"))))
def request_twice_at_once(w):
    return w.change("request", "kim", "A", actor="kim")


@case("request / reject / withdraw", team(("mina", MANAGER), ("kim", {"values": (
    ("kiopsRequest", "{A}:20260105080000Z.0000000b"),)})))
def reject(w):
    return w.change("reject", "kim", "A", actor="mina")


@case("request / reject / withdraw", team(("mina", MANAGER), ("kim", {"values": (
    ("kiopsRequest", "{A}:20260105080000Z.0000000b"),)})))
def withdraw(w):
    return w.change("withdraw", "kim", "A", actor="kim")


# ---- remove

@case("remove Member", team(("mina", MANAGER), ("kim", {**MEMBER, **VPN})))
def remove_a_member(w):
    return w.members("remove", "A", "kim")


@case("remove Member", team(("mina", MANAGER), ("kim", {**MEMBER, **VPN})))
def remove_a_member_as_a_manager(w):
    return w.change("remove", "kim", "A", actor="mina")


@case("remove Member", team(("mina", MANAGER), ("kim", MEMBER), after=lambda w: w.put("A", owners=["kim"])))
def remove_a_member_who_is_a_stray_owner(w):
    return w.members("remove", "A", "kim")


@case("remove Manager", team(("mina", MANAGER), ("kim", {**MANAGER, **VPN})))
def remove_a_manager(w):
    return w.members("remove", "A", "kim")


@case("remove Manager", team(("mina", MANAGER), ("kim", MANAGER)))
def remove_a_manager_as_a_manager(w):
    return w.change("remove", "kim", "A", actor="mina")


@case("remove Manager", team(("mina", MANAGER), ("kim", {**MEMBER, "values": (("kiopsManager", "{A}"),)})))
def remove_a_manager_without_owner(w):
    return w.members("remove", "A", "kim")


@case("remove Manager", team(("kim", MANAGER)))
def remove_the_last_manager(w):
    return w.members("remove", "A", "kim")


@case("remove Manager", team(("mina", MANAGER), ("kim", MANAGER)),
      race=(0, lambda w: w.admin.modify(w.dn("A"), ("delete", "owner", w.dn("mina")))))
def remove_a_manager_when_the_other_goes_meanwhile(w):
    return w.members("remove", "A", "kim")


@case("vacate", team(("kim", {**MANAGER, "active": False})))
def remove_the_last_manager_who_is_inactive(w):
    return w.members("remove", "A", "kim")


# ---- promote, demote

@case("promote", team(("kim", MEMBER)))
def promote_the_first_manager(w):
    return w.managers("add", "A", "kim")


@case("promote", team(("mina", MANAGER), ("kim", {**MEMBER, **VPN})))
def promote(w):
    return w.managers("add", "A", "kim")


@case("promote", team(("kim", MEMBER), organization={"managed": True}))
def promote_into_a_vacant_seat(w):
    return w.managers("add", "A", "kim")


@case("promote", team(("mina", MANAGER), ("kim", MEMBER), after=lambda w: w.put("A", owners=["kim"])))
def promote_a_stray_owner(w):
    return w.managers("add", "A", "kim")


@case("promote", team(("mina", MANAGER), ("kim", {**MEMBER, "values": (("kiopsManager", "{A}"),)})))
def promote_one_who_has_the_value_already(w):
    return w.managers("add", "A", "kim")


@case("promote", team(("mina", MANAGER), ("kim", MEMBER)),
      race=(1, lambda w: (w.admin.modify(w.dn("A"), ("delete", "member", w.dn("kim"))))))
def promote_one_who_is_removed_meanwhile(w):
    return w.managers("add", "A", "kim")


@case("promote", team(("mina", MANAGER), ("kim", {}), after=lambda w: w.put("A", members=["kim"])))
def promote_one_whose_joining_is_unknown(w):
    return w.change("promote", "kim", "A")


# Cut off after its deciding step, a demotion leaves kiopsManager without owner: no authority (DESIGN 3.2).
INERT = ("kiopsManager",)


@case("demote", team(("mina", MANAGER), ("kim", {**MANAGER, **VPN})), inert=INERT)
def demote(w):
    return w.managers("remove", "A", "kim")


@case("demote", team(("mina", MANAGER), ("kim", MANAGER)), inert=INERT)
def demote_as_a_manager(w):
    return w.change("demote", "kim", "A", actor="mina")


@case("demote", team(("mina", MANAGER), ("lee", MANAGER), ("kim", MANAGER)), inert=INERT)
def demote_as_a_manager_among_three(w):
    return w.change("demote", "kim", "A", actor="lee")


@case("demote", team(("kim", MANAGER)))
def demote_the_last_manager(w):
    return w.managers("remove", "A", "kim")


@case("demote", team(("mina", MANAGER), ("kim", MANAGER)), race=(1, by_hand(
    "kim", ("delete", "kiopsJoined", "{A}:20260105080000Z.00000001"), ("add", "kiopsJoined", "{A}:20260105080000Z.0000000c"))))
def demote_one_who_is_promoted_meanwhile(w):
    return w.managers("remove", "A", "kim")


@case("demote", team(("mina", MANAGER), ("kim", MANAGER)),
      race=(0, lambda w: w.admin.modify(w.dn("A"), ("delete", "owner", w.dn("mina")))))
def demote_when_the_other_goes_meanwhile(w):
    return w.managers("remove", "A", "kim")


# ---- grant, revoke

@case("grant / revoke", team(("mina", MANAGER), ("kim", MEMBER)))
def grant(w):
    return w.change("grant", "kim", "A", "vpn")


@case("grant / revoke", team(("mina", MANAGER), ("kim", MEMBER)))
def grant_as_a_manager(w):
    return w.change("grant", "kim", "A", "vpn", actor="mina")


@case("grant / revoke", team(("mina", MANAGER), ("kim", {}), after=lambda w: w.put("A", members=["kim"])))
def grant_to_one_whose_joining_is_unknown(w):
    return w.change("grant", "kim", "A", "vpn")


@case("grant / revoke", team(("mina", MANAGER), ("kim", MEMBER)), race=(0, lambda w: (w.admin.modify(
    w.dn("kim"), ("delete", "kiopsJoined", None)), w.admin.modify(w.dn("A"), ("delete", "member", w.dn("kim"))))))
def grant_to_one_who_is_removed_meanwhile(w):
    return w.change("grant", "kim", "A", "vpn")


@case("grant / revoke", team(("mina", MANAGER), ("kim", MEMBER)), race=(0, by_hand("kim", ("add", "kiopsManager", "{A}"))))
def grant_as_a_manager_to_one_who_is_promoted_meanwhile(w):
    return w.change("grant", "kim", "A", "vpn", actor="mina")


@case("grant / revoke", team(("mina", MANAGER), ("kim", {**MEMBER, **VPN})))
def revoke(w):
    return w.change("revoke", "kim", "A", "vpn")


@case("grant / revoke", team(("mina", MANAGER), ("kim", {**MEMBER, **VPN})))
def revoke_as_a_manager(w):
    return w.change("revoke", "kim", "A", "vpn", actor="mina")


# ---- deactivate, delete

@case("deactivate", team(("mina", MANAGER), ("kim", {**MEMBER, **VPN})))
def deactivate(w):
    return w.user("kim", ("replace", "active", False))


@case("deactivate", person(platform=True))
def deactivate_a_platform_admin(w):
    return w.user("kim", ("replace", "active", False))


@case("delete user", team(("mina", {"manager": ("A", "B")}), ("kim", {"member": ("B",), "manager": ("A",), "platform": True,
      "permissions": (("A", "vpn"), ("B", "infra")), "values": (("kiopsRequest", "{B}:20260105080000Z.0000000b"),)})))
def delete_a_user(w):
    return w.lab.scim.delete(f"/Users/{w.ids['kim']}")


@case("delete user", team(("kim", MANAGER)))
def delete_the_last_manager(w):
    return w.lab.scim.delete(f"/Users/{w.ids['kim']}")


@case("vacate", team(("kim", {**MANAGER, "active": False})))
def delete_the_last_manager_who_is_inactive(w):
    return w.lab.scim.delete(f"/Users/{w.ids['kim']}")


# ---- organizations

def fresh(w):
    return {"schemas": [GROUP, KIOPS_ORGANIZATION], "displayName": f"{w.mark} C",
            "members": [{"value": w.ids["kim"]}, {"value": w.ids["mina"]}],
            KIOPS_ORGANIZATION: {"managers": [{"value": w.ids["mina"]}]}}


def complete(w):
    found = w.lab.scim.find("Groups", f'displayName eq "{w.mark} C"')
    return w.lab.scim.put(f"/Groups/{found[0]['id']}", fresh(w)) if found else create_an_organization(w)


def two(w):
    w.person("kim")
    w.person("mina")


@case("create / delete organization", two, again=complete)
def create_an_organization(w):
    return w.lab.scim.post("/Groups", fresh(w))


@case("create / delete organization", team(
    ("mina", MANAGER), ("kim", {**MEMBER, **VPN}), ("lee", {"values": (("kiopsRequest", "{A}:20260105080000Z.0000000b"),)}),
    ("noa", {"values": (("kiopsRejected", "{A}:20260105080000Z"),)})))
def delete_an_organization(w):
    return w.lab.scim.delete(f"/Groups/{w.ids['A']}")


# ---- PlatformAdmin

def renamed_admin(w):
    w.person("kim", platform=True)
    asserted(w)


@case("rename user", renamed_admin)
def rename_a_platform_admin(w):
    return w.user("kim", ("replace", "userName", f"{w.mark}kimmy"))


@case("PlatformAdmin", person())
def make_a_platform_admin(w):
    return w.change("make-admin", "kim")


@case("PlatformAdmin", person(values=(("kiopsJoined", "platform:20260105080000Z.0000000a"),)))
def make_a_platform_admin_of_one_who_says_so_already(w):
    return w.change("make-admin", "kim")


@case("PlatformAdmin", person(platform=True))
def unmake_a_platform_admin(w):
    return w.change("unmake-admin", "kim")


def ada(w):
    """PlatformAdmin, also after the world before."""
    dn = site.user_dn("ada")
    w.know("ada", dn)
    if dn not in w.admin.get(site.ADMINS)["member"]:
        w.admin.modify(site.ADMINS, ("add", "member", dn))
        w.admin.modify(dn, ("replace", "kiopsJoined", "platform:20260105080000Z.0000000a"))


@case("PlatformAdmin", ada)
def unmake_the_last_platform_admin(w):
    return w.change("unmake-admin", "ada")
