"""What stands in the directory, or is sent, is not as it should be (faults.md): groups without members, members without
entries, names that are taken, deleted, renamed or born again, and text that wants to be a filter, a DN or a log line."""

import random
import re

import pytest
from checker import Picture
from faults import audit_records, live, unavailable
from kiopslab import site
from kiopslab.directories import kind
from lab import eventually
from scim import GROUP, KIOPS_ORGANIZATION, PATCH, USER

MANAGERS = f"{KIOPS_ORGANIZATION}:managers"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    overlays = "overlay constraint\nconstraint_attribute title size 20"
    made = Lab(tmp_path_factory.mktemp("lab"), proxied=True,
               slapd={"modules": "moduleload constraint", "overlays": overlays})
    yield made
    made.close()


@pytest.fixture
def admin(ground):
    return ground.view()


def picture(lab):
    return Picture(lab.slapd.uri, site.ROOT, lab.slapd.passwords.root, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)


def dn_of(view, resource):
    return view.by_id(resource["id"])[0]


def members(lab, group):
    return {m["value"] for m in lab.scim.get(f"/Groups/{group['id']}").expect(200).json.get("members", ())}


def add(lab, group, *users):
    return lab.scim.patch(f"/Groups/{group['id']}", ("add", "members", [{"value": u["id"]} for u in users]))


def remove(lab, group, user):
    return lab.scim.patch(f"/Groups/{group['id']}", ("remove", f'members[value eq "{user["id"]}"]'))


CUT_OFF = re.compile(r"feed_sets_unread|feed_poll_failed.*[Ss]ize limit")  # of a feed that tells, and of one that asks


@pytest.mark.line("A27")
def test_14_a_read_that_is_cut_off_is_no_read(new_lab):
    """A size limit while the bridge is at work: it keeps what it had. At its start: it is not ready, and says so."""
    lab = new_lab(users=50, organizations=20, proxied=True)
    total = lab.scim.get("/Users", count=0)["totalResults"]
    lab.limit_reads(10)
    lab.proxy.reset()
    eventually(lambda: CUT_OFF.search(lab.bridge.process.log_text()), within=10)
    assert lab.scim.get("/Users", count=0)["totalResults"] == total, "nothing is taken for deleted"
    assert lab.scim.get("/Groups", count=0)["totalResults"] == 22
    lab.bridge.process.stop()
    followed = len(lab.proxy.follows)
    try:
        with pytest.raises(RuntimeError):
            start_within(lab.bridge.process, 3)
        unavailable(lambda: lab.scim.get("/Users"))
        unavailable(lambda: lab.scim.get("/Groups"))
        mine = [asked for asked in lab.proxy.follows[followed:] if site.PEOPLE.encode() in asked]
        assert not mine, "of a search that a limit ends before it follows, slapd keeps pointers to what it frees"
    finally:
        lab.limit_reads()
    eventually(lambda: lab.scim.get("/Users").status == 200, within=15)
    assert lab.scim.get("/Users", count=0)["totalResults"] == total


def start_within(process, seconds):
    """Starts it and waits less long than usual: what never gets ready is found out sooner."""
    from kiopslab import process as module
    usual, module.READY_WITHIN_S = module.READY_WITHIN_S, seconds
    try:
        process.start()
    finally:
        module.READY_WITHIN_S = usual


def test_20_a_group_that_loses_its_last_member_keeps_the_placeholder(ground, admin):
    user = ground.user()
    group = ground.organization(members=[user["id"]])
    remove(ground, group, user).expect(200)
    assert admin.by_id(group["id"])[1]["member"] == [site.PLACEHOLDER]
    shown = ground.scim.get(f"/Groups/{group['id']}").json
    assert not shown.get("members") and shown[KIOPS_ORGANIZATION]["memberCount"] == 0
    add(ground, group, user).expect(200)
    assert members(ground, group) == {user["id"]}


def test_20_also_where_no_placeholder_stood(ground, admin):
    """A group that another program made holds people only: the last of them leaves it all the same."""
    user = ground.user()
    group = ground.organization(members=[user["id"]])
    admin.modify(dn_of(admin, group), ("delete", "member", site.PLACEHOLDER))
    remove(ground, group, user).expect(200)
    if kind() != "389ds":  # whose groupOfNames does without
        assert admin.by_id(group["id"])[1]["member"] == [site.PLACEHOLDER]
    assert members(ground, group) == set()


def test_21_a_member_without_an_entry_is_hidden_and_hinders_nobody(ground, admin):
    gone, other = ground.user(), ground.user()
    keeper = ground.user()
    group = ground.organization(members=[gone["id"]], managers=[keeper["id"]])
    admin.delete(dn_of(admin, gone))
    eventually(lambda: members(ground, group) == {keeper["id"]})
    add(ground, group, other).expect(200)
    assert members(ground, group) == {keeper["id"], other["id"]}
    remove(ground, group, other).expect(200)
    ground.scim.patch(f"/Groups/{group['id']}", ("add", MANAGERS, [{"value": other["id"]}])).expect(200, 409)
    assert gone["id"] not in members(ground, group)
    admin.modify(dn_of(admin, group), ("delete", "member", site.user_dn(gone["userName"])))


@pytest.mark.line(81)
def test_24_a_name_that_is_taken_elsewhere_is_409_uniqueness(ground, admin):
    """Not the DN but the overlay finds it: the other stands in another container."""
    admin.add(f"ou=branch,{site.PEOPLE}", objectClass="organizationalUnit", ou="branch")
    admin.add(f"uid=abroad,ou=branch,{site.PEOPLE}", objectClass=["inetOrgPerson", "kiopsUser"], uid="abroad", cn="a", sn="a")
    answer = ground.scim.post("/Users", {"schemas": [USER], "userName": "Abroad"}).expect(409)
    assert answer["scimType"] == "uniqueness"
    user = ground.user()
    answer = ground.scim.patch(f"/Users/{user['id']}", ("replace", "userName", "abroad")).expect(409)
    assert answer["scimType"] == "uniqueness"
    assert ground.scim.get(f"/Users/{user['id']}")["userName"] == user["userName"]


@pytest.mark.line(81)
def test_24_a_constraint_of_the_directory_is_400_invalid_value(ground, admin):
    user = ground.user()
    answer = ground.scim.patch(f"/Users/{user['id']}", ("replace", "title", "x" * 21)).expect(400)
    assert answer["scimType"] == "invalidValue" and "dc=" not in answer["detail"]
    answer = ground.scim.post("/Users", {"schemas": [USER], "userName": "toolong", "title": "x" * 21}).expect(400)
    assert answer["scimType"] == "invalidValue" and admin.get(site.user_dn("toolong")) is None


def test_26_deleted_twice_is_404(ground):
    user, group = ground.user(), ground.organization()
    for path in (f"/Users/{user['id']}", f"/Groups/{group['id']}"):
        ground.scim.delete(path).expect(204)
        ground.scim.delete(path).expect(404)
        ground.scim.get(path).expect(404)


def test_32_a_late_feed_never_undoes_an_own_write(ground, admin):
    user, keeper = ground.user(), ground.user()
    group = ground.organization(managers=[keeper["id"]])
    ground.proxy.feed_lag = 0.05
    try:
        for n in range(6):
            ground.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", f"Own {n}")).expect(200)
            assert ground.scim.get(f"/Users/{user['id']}")["displayName"] == f"Own {n}"
            (remove(ground, group, user) if n % 2 else add(ground, group, user)).expect(200)
            assert (user["id"] in members(ground, group)) == (n % 2 == 0)
            fresh = ground.user()
            assert ground.scim.get(f"/Users/{fresh['id']}").status == 200
            ground.scim.delete(f"/Users/{fresh['id']}").expect(204)
            assert ground.scim.get(f"/Users/{fresh['id']}").status == 404
        mark = admin.by_id(keeper["id"])[0]
        admin.modify(mark, ("replace", "displayName", "Behind all that"))
        seen = watch(ground, f"/Users/{user['id']}", until=f"/Users/{keeper['id']}", name="Behind all that")
        assert seen == {"Own 5"}, "while the late events came in"
    finally:
        ground.proxy.feed_lag = 0.0
    live(ground)


def watch(lab, path, until, name):
    """The displayNames that one resource shows until another one has that name."""
    seen = set()

    def done():
        seen.add(lab.scim.get(path)["displayName"])
        return lab.scim.get(until).json.get("displayName") == name

    eventually(done, within=30)
    return seen


@pytest.mark.parametrize("operations, statuses", [
    ([{"op": "Add", "path": "members", "value": [{"value": "U"}]}], {200}),
    ([{"op": "ADD", "path": "Members", "value": {"value": "U"}}], {200}),
    ([{"op": "add", "path": "members", "value": "U"}], {200}),
    ([{"op": "add", "value": {"members": [{"value": "U"}]}}], {200}),
    ([{"op": "frobnicate", "path": "members", "value": [{"value": "U"}]}], {400}),
    ([{"path": "members", "value": [{"value": "U"}]}], {400}),
    ([{"op": "add", "path": "members[0]", "value": [{"value": "U"}]}], {400}),
    ([{"op": "remove", "path": "members[0]"}], {400}),
    ([{"op": "remove", "path": "members/0"}], {400}),
    ([{"op": "replace", "path": "members", "value": "True"}], {400}),
    ([{"op": "replace", "path": "members", "value": {"unknown": "U"}}], {400}),
    ([{"op": "replace", "path": "member", "value": []}], {400}),
    ([{"op": "remove"}], {400}),
    ([{"op": "replace"}], {400}),
    ([{"op": "remove", "path": 'members[value eq "U"'}], {400}),
    ([{"op": "remove", "path": 'members[value xx "U"]'}], {400}),
    ([], {200}),
    ("members", {400}),
])
def test_40_a_shape_is_understood_or_refused_and_never_empties(ground, operations, statuses):
    keeper, other, user = (ground.user()["id"] for _ in range(3))
    group = ground.organization(members=[other], managers=[keeper])
    body = {"schemas": [PATCH], "Operations": named(operations, user)}
    answer = ground.scim.call("PATCH", f"/Groups/{group['id']}", body)
    assert answer.status in statuses, (answer.status, answer.text)
    assert members(ground, group) == ({keeper, other, user} if answer.status == 200 and operations else {keeper, other})


def named(operations, user):
    import json
    return json.loads(json.dumps(operations).replace('"U"', f'"{user}"').replace('\\"U\\"', f'\\"{user}\\"'))


@pytest.mark.parametrize("value, active", [("False", False), ("false", False), (False, False), ("True", True)])
def test_40_words_for_a_boolean(ground, value, active):
    user = ground.user()
    ground.scim.patch(f"/Users/{user['id']}", ("Replace", "active", value)).expect(200)
    assert ground.scim.get(f"/Users/{user['id']}")["active"] is active


NASTY = ["line\r\nlevel=error event=forged", "\x1b[31mred\x1b[0m", "a\u202egnp.exe", "\u2028separator", "nul\x00byte",
         'quote" event=forged x="', "back\\event=forged", "\u200bzero width", "x" * 70000]


@pytest.mark.line("A7")
def test_45_what_is_sent_stays_inside_its_line(ground):
    for text in NASTY:
        ground.scim.post("/Users", {"schemas": [USER], "userName": text}).expect(201, 400)
        ground.scim.get("/Users", filter=f'userName eq "{text[:200]}"')
        ground.scim.call("GET", "/Users/" + "".join(f"%{b:02x}" for b in text[:200].encode()))
    ground.scim.call("POST", "/Users", {"schemas": [USER], "userName": "long", "displayName": "x" * (1 << 20)}).expect(400, 413)
    ground.scim.get("/Users", headers={"X-Forwarded-For": "1.2.3.4 event=forged"})
    lines = ground.bridge.process.log_text().splitlines()
    # splitlines() also ends a line at U+2028 and the like: none of them may stand in the log.
    assert all(re.match(r"time=\S+Z level=\w+ event=\w+", line) for line in lines), \
        [line[:200] for line in lines if not line.startswith("time=")][:3]
    assert not [line for line in lines if re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200b]", line)]
    assert all(len(line) < 70000 for line in lines) and not any("event=forged" in line.split('"')[0] for line in lines)
    records = audit_records(ground.bridge)
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1)), "one record is one line"


SAMPLES = ["*)(uid=*", "*", "a*b", ")(|(uid=*", "x,ou=admins", "x,ou=people,dc=example,dc=org", "#leading", "#04024869",
           " leading", "trailing ", "inner  spaces", "a+b=c", 'quo"te', "back\\slash", "semi;colon", "less<more>", "a/b", "a%b",
           "a%2fb", "\u0430dmin", "ﬁle", "e\u0301", "\U0001f600", "\\2a", "uid=x", "ou=people", "a\\,b"]


def round_trip(lab, name):
    """Created, found by exactly this name and by no wildcard, in its place, renamed and deleted. None when refused."""
    answer = lab.scim.post("/Users", {"schemas": [USER], "userName": name}).expect(201, 400, 409)
    if answer.status != 201:
        return None
    user = answer.json
    assert user["userName"] == name
    literal = name.replace("\\", "\\\\").replace('"', '\\"')
    found = lab.scim.find("Users", f'userName eq "{literal}"')
    assert [u["id"] for u in found] == [user["id"]]
    dn, entry = lab.view().by_id(user["id"])
    assert dn.endswith(site.PEOPLE) and entry["uid"] == [name]
    assert lab.view().link.search_s(site.PEOPLE, 1, "(entryUUID=%s)" % user["id"]), "right below the container"
    lab.scim.patch(f"/Users/{user['id']}", ("replace", "userName", name + "2")).expect(200)
    assert lab.scim.get(f"/Users/{user['id']}")["userName"] == name + "2"
    lab.scim.delete(f"/Users/{user['id']}").expect(204)
    return user


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.line("A8", "A9")
def test_46_text_is_never_a_filter_or_a_dn(ground, name):
    before = len(ground.view().find(site.PEOPLE, "(uid=*)"))
    assert round_trip(ground, name) is not None
    assert len(ground.view().find(site.PEOPLE, "(uid=*)")) == before


def test_46_any_name_goes_round(ground):
    """A property: whatever is taken comes back as it was, and finds itself alone."""
    dice = random.Random(46)
    signs = list(' "#*()\\,;<>+=/%&|!~\u00e4\u0130\u212a\ufb01\u200d\u3000\U0001f600aZ0')
    taken = 0
    for n in range(60):
        name = f"p{n}" + "".join(dice.choice(signs) for _ in range(dice.randrange(1, 20)))
        taken += round_trip(ground, name) is not None
    assert taken > 50


@pytest.mark.line("A10")
def test_46_an_id_reaches_nothing_outside(ground):
    for wanted in ("*", "*)(objectClass=*", "../Groups", site.ADMINS, "%2a", "0" * 36, "\u0661" * 36):
        path = "/Users/" + "".join(f"%{b:02x}" for b in wanted.encode())
        for method in ("GET", "DELETE"):
            ground.scim.call(method, path).expect(404)


def member_of(lab, user):
    return {g["value"] for g in lab.scim.get(f"/Users/{user['id']}").expect(200).json.get("groups", ())}


def test_52_renamed_by_hand_keeps_id_and_roles(ground, admin):
    """The server mends nothing here: the values that name the old DN go with the next look at them."""
    user, keeper = ground.user(), ground.user()
    group = ground.organization(members=[user["id"]], managers=[keeper["id"]])
    new = f"renamed{ground.number()}"
    old = dn_of(admin, user)
    admin.link.rename_s(old, f"uid={new}")
    admin.modify(dn_of(admin, group), ("delete", "member", old), ("add", "member", dn_of(admin, user)))
    eventually(lambda: ground.scim.get(f"/Users/{user['id']}")["userName"] == new)
    eventually(lambda: member_of(ground, user) == {group["id"]})
    assert ground.scim.find("Users", f'userName eq "{user["userName"]}"') == []


def test_52_renamed_through_the_bridge_keeps_id_and_roles(ground, admin):
    user, other = ground.user(), ground.user()
    group = ground.organization(managers=[user["id"], other["id"]])
    new = f"renamed{ground.number()}"
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "userName", new)).expect(200)
    assert ground.scim.get(f"/Users/{user['id']}")["userName"] == new and member_of(ground, user) == {group["id"]}
    now = picture(ground)
    assert site.user_dn(new) in now.managers(group["id"]) and not list(now.findings(managed=[group["id"]]))


def test_52_moved_by_hand_keeps_its_id(ground, admin):
    admin.add(f"ou=moved,{site.PEOPLE}", objectClass="organizationalUnit", ou="moved")
    user = ground.user()
    admin.link.rename_s(dn_of(admin, user), f"uid={user['userName']}", f"ou=moved,{site.PEOPLE}")
    live(ground)
    assert ground.scim.get(f"/Users/{user['id']}").expect(200)["userName"] == user["userName"]
    ground.scim.patch(f"/Users/{user['id']}", ("replace", "displayName", "Moved")).expect(200)
    assert admin.by_id(user["id"])[1]["displayName"] == ["Moved"]


@pytest.mark.parametrize("by", ["bridge", "hand"])
def test_52_who_is_born_again_under_the_name_has_no_old_roles(ground, admin, by):
    name = f"again{ground.number()}"
    old = ground.scim.post("/Users", {"schemas": [USER], "userName": name}).expect(201).json
    other = ground.user()
    group = ground.organization(members=[], managers=[old["id"], other["id"]])
    if by == "bridge":
        ground.scim.delete(f"/Users/{old['id']}").expect(204)
    else:
        admin.delete(dn_of(admin, old))
    new = ground.scim.post("/Users", {"schemas": [USER], "userName": name}).expect(201).json
    assert new["id"] != old["id"] and member_of(ground, new) == set()
    assert members(ground, group) == {other["id"]}
    now = picture(ground)
    assert site.user_dn(name) not in now.members(group["id"]) | now.owners(group["id"])
    assert not list(now.findings(managed=[group["id"]]))


def test_52_born_again_by_hand_while_the_group_still_names_the_dn(ground, admin):
    """Nobody cleared the group: the value names the new person, who is a Member at most, and never a Manager."""
    old, other = ground.user(), ground.user()
    group = ground.organization(managers=[old["id"], other["id"]])
    dn = dn_of(admin, old)
    admin.delete(dn)
    admin.add(dn, objectClass=["inetOrgPerson", "kiopsUser"], uid=old["userName"], cn="x", sn="x")
    live(ground)
    named = f'userName eq "{old["userName"]}"'
    eventually(lambda: [user["id"] != old["id"] for user in ground.scim.find("Users", named)] == [True])
    shown = ground.scim.get(f"/Groups/{group['id']}").json[KIOPS_ORGANIZATION]
    assert [m["value"] for m in shown["managers"] if m.get("active", True)] == [other["id"]]


@pytest.mark.parametrize("sent", ["put", "replace", "clear", "filter"])
def test_who_is_named_by_a_group_and_is_no_user_here_does_not_become_one(ground, admin, sent):
    """KB-C216: an entry outside users.base. A request that looks at all members meets it."""
    dn = f"uid=backup-{sent},{site.BASE}"
    admin.add(dn, objectClass=["inetOrgPerson"], uid=f"backup-{sent}", cn="x", sn="x")
    user, leaver = ground.user(), ground.user()
    group = ground.organization(members=[user["id"], leaver["id"]])
    admin.modify(dn_of(admin, group), ("add", "member", dn))
    live(ground)
    path, value = f"/Groups/{group['id']}", [{"value": user["id"]}]
    {"put": lambda: ground.scim.put(path, {"schemas": [GROUP], "displayName": group["displayName"], "members": value}),
     "replace": lambda: ground.scim.patch(path, ("replace", "members", value)),
     "clear": lambda: ground.scim.patch(path, ("remove", "members"), ("add", "members", value)),
     "filter": lambda: ground.scim.patch(path, ("remove", f'members[not (value eq "{user["id"]}")]'))}[sent]().expect(200)
    assert members(ground, group) == {user["id"]}
    assert ground.scim.find("Users", f'userName eq "backup-{sent}"') == []
    assert dn in admin.get(dn_of(admin, group))["member"], "what is not shown is not taken away"


def test_a_group_in_a_group_is_no_obstacle_to_who_names_it(ground, admin):
    """It is there already, by another hand, and stays."""
    user, inner = ground.user(), ground.organization()
    group = ground.organization(members=[user["id"]])
    admin.modify(dn_of(admin, group), ("add", "member", dn_of(admin, inner)))
    live(ground)
    path = f"/Groups/{group['id']}"
    eventually(lambda: members(ground, group) == {user["id"], inner["id"]}, within=20)
    for named in ([user, inner], [inner]):
        ground.scim.put(path, {"schemas": [GROUP], "displayName": group["displayName"],
                               "members": [{"value": one["id"]} for one in named]}).expect(200)
        assert members(ground, group) == {one["id"] for one in named}
    ground.scim.patch(path, ("add", "members", [{"value": inner["id"]}])).expect(200)
    assert "group" in ground.scim.patch(f"/Groups/{inner['id']}", ("add", "members", [{"value": group["id"]}])).expect(400)["detail"]
