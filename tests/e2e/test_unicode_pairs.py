"""Are two spellings one name? Asked of the real slapd (does equality find it, does an add collide) and of the bridge
(its filter, its 409), in both directions. conformance/checklist.md, 59 and A18."""

import json

import ldap
import ldap.filter
import pytest
from kiopslab import site
from lab import eventually
from scim import GROUP, USER
from tenant import Tenant

# name, one spelling, the other; {n} makes them this test's own.
ONE_NAME = [
    ("letter case", "Kim{n}", "kIM{n}"),
    ("letter case beyond ASCII", "\u00c5ngstr\u00d6m{n}", "\u00e5ngstr\u00f6m{n}"),
    ("Greek capitals", "\u039f\u0394\u039f{n}", "\u03bf\u03b4\u03bf{n}"),
    ("Cyrillic capitals", "\u0418\u0412\u0410\u041d{n}", "\u0438\u0432\u0430\u043d{n}"),
    ("Deseret capitals, beyond the BMP", "\U00010400{n}", "\U00010428{n}"),
    ("composed and decomposed", "\u00e9t\u00e9{n}", "e\u0301te\u0301{n}"),
    ("composed capital and decomposed small", "\u00c9{n}", "e\u0301{n}"),
    ("two marks in another order", "a\u0323\u0301{n}", "a\u0301\u0323{n}"),
    ("Hangul in parts", "\uac00{n}", "\u1100\u1161{n}"),
    ("full width", "\uff41dmin{n}", "admin{n}"),
    ("full width capitals and digits", "\uff2b\uff29\uff2d\uff11{n}", "kim1{n}"),
    ("half width katakana", "\uff76\uff9e{n}", "\u30ac{n}"),
    ("ligature fi", "\ufb01n{n}", "fin{n}"),
    ("ligature ffi", "e\ufb03{n}", "effi{n}"),
    ("Kelvin sign", "\u212aelvin{n}", "kelvin{n}"),
    ("Angstrom sign", "\u212b{n}", "\u00e5{n}"),
    ("superscript", "x\u00b2{n}", "x2{n}"),
    ("inner spaces", "a   b{n}", "a b{n}"),
    ("outer spaces", "  outer{n}  ", "outer{n}"),
    ("no-break space", "a\u00a0b{n}", "a b{n}"),
    ("ideographic space", "a\u3000b{n}", "a b{n}"),
    ("title letter", "\u01c5{n}", "\u01c6{n}"),
    ("capital I with dot", "K\u0130M{n}", "kim{n}"),
    ("long s", "\u017fim{n}", "sim{n}"),
    ("micro sign", "\u00b5{n}", "\u03bc{n}"),
    ("iota below", "\u1fbc{n}", "\u1fb3{n}"),
    ("en space", "a\u2003b{n}", "a b{n}"),
    ("J with caron, composed only as a small letter", "J\u030c{n}", "\u01f0{n}"),
]
TWO_NAMES = [
    ("Cyrillic look-alike", "\u0430dmin{n}", "admin{n}"),
    ("Greek look-alike", "\u03bfmega{n}", "omega{n}"),
    ("accent", "r\u00e9sum\u00e9{n}", "resume{n}"),
    ("sharp s and ss", "stra\u00dfe{n}", "strasse{n}"),
    ("sharp s and SS", "stra\u00dfe{n}", "STRASSE{n}"),
    ("dotless i", "k\u0131m{n}", "kim{n}"),
    ("final sigma", "\u03c2{n}", "\u03c3{n}"),
    ("digits of another script", "\u0661{n}", "1{n}"),
    ("space and none", "a b{n}", "ab{n}"),
    ("hyphen and dash", "a-b{n}", "a\u2013b{n}"),
    ("ring operator above", "a\u02da{n}", "\u00e5{n}"),
    ("zero width space", "a\u200bb{n}", "ab{n}"),
    ("zero width joiner", "a\u200db{n}", "ab{n}"),
    ("soft hyphen", "a\u00adb{n}", "ab{n}"),
    ("direction mark", "\u202ea{n}", "a{n}"),
    ("variation selector", "a\ufe0f{n}", "a{n}"),
    ("Ogham space", "a\u1680b{n}", "a b{n}"),
    ("roman numeral, whose capital stays", "\u2160{n}", "i{n}"),
    ("circled letters", "\u24b6{n}", "\u24d0{n}"),
]
# The tables of slapd are of Unicode 3.1: what came later is one name to the bridge and two to the directory. Refused by
# the bridge all the same (either rule is enough, checklist 59), so that nobody ever sees two of one name.
ONE_NAME_TO_THE_BRIDGE = [
    ("capital sharp s", "\u1e9e{n}", "\u00df{n}"),
    ("Cherokee capitals", "\u13a0{n}", "\uab70{n}"),
    ("Georgian capitals", "\u1c90{n}", "\u10d0{n}"),
    ("Glagolitic capitals", "\u2c00{n}", "\u2c30{n}"),
    ("Latin capital A with stroke", "\u023a{n}", "\u2c65{n}"),
    ("raised small a", "\u1d43{n}", "a{n}"),
    ("bold digit", "\U0001d7cf{n}", "1{n}"),
    ("CJK compatibility ideograph", "\uf900{n}", "\u8c48{n}"),
    ("vertical comma", "a\ufe10{n}", "a,{n}"),
]
ALL = [*((*row, True, True) for row in ONE_NAME), *((*row, False, False) for row in TWO_NAMES),
       *((*row, False, True) for row in ONE_NAME_TO_THE_BRIDGE)]
BOTH_WAYS = [pytest.param(way, one, other, slapd, ours, id=f"{name}, {way}")
             for name, one, other, slapd, ours in ALL for way in ("there", "back")]
KINDS = {"Users": (USER, "userName", "uid", site.PEOPLE), "Groups": (GROUP, "displayName", "cn", site.ORGANIZATIONS)}


@pytest.fixture(scope="module")
def ground(lab):
    return Tenant(lab, "default")


def in_slapd(ground, kind, name):
    """Ids of the entries that equality finds."""
    _, _, attribute, base = KINDS[kind]
    text = ldap.filter.filter_format(f"({attribute}=%s)", [name])
    return {entry["entryUUID"][0] for entry in ground.view.find(base, text).values()}


def collides(ground, name):
    """Does slapd itself refuse a second entry of this name?"""
    dn = f"uid={ldap.dn.escape_dn_chars(name)},{site.PEOPLE}"
    try:
        ground.view.add(dn, objectClass=["inetOrgPerson", "kiopsUser"], uid=name, cn="x", sn="x")
    except (ldap.ALREADY_EXISTS, ldap.CONSTRAINT_VIOLATION):
        return True
    ground.view.delete(dn)
    return False


def find(ground, kind, name):
    found = ground.scim.get(f"/{kind}", filter=f"{KINDS[kind][1]} eq {json.dumps(name)}").expect(200)
    return [one["id"] for one in found["Resources"]]


@pytest.mark.line(59, 73, "A18")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way, one, other, slapd, ours", BOTH_WAYS)
def test_two_spellings(ground, kind, way, one, other, slapd, ours):
    schema, attribute, _, _ = KINDS[kind]
    first, second = ((one, other) if way == "there" else (other, one))
    number = ground.lab.number()
    first, second = (text.replace("{n}", f"u{number}") for text in (first, second))
    made = ground.scim.post(f"/{kind}", {"schemas": [schema], attribute: first}).expect(201)
    assert made[attribute] == first, "kept as it was sent"
    assert (in_slapd(ground, kind, second) == {made["id"]}) == slapd
    assert find(ground, kind, second) == ([made["id"]] if ours else []) and find(ground, kind, first) == [made["id"]]
    again = ground.scim.post(f"/{kind}", {"schemas": [schema], attribute: second})
    if ours:
        assert again.expect(409)["scimType"] == "uniqueness"
    else:
        assert find(ground, kind, second) == [again.expect(201)["id"]] and find(ground, kind, first) == [made["id"]]
    assert len(in_slapd(ground, kind, first) | in_slapd(ground, kind, second)) == (1 if ours else 2)
    if kind == "Users" and ours:
        assert collides(ground, second) == slapd


@pytest.mark.line(145, 178, "A18")
@pytest.mark.parametrize("one, other", [row[1:] for row in (*ONE_NAME[1:8:3], *ONE_NAME_TO_THE_BRIDGE[:2])])
@pytest.mark.parametrize("kind", KINDS)
def test_a_renaming_meets_the_same_names(ground, kind, one, other):
    """409 for another's name in any spelling; the own one may be spelled anew."""
    schema, attribute, _, _ = KINDS[kind]
    number = ground.lab.number()
    one, other = (text.replace("{n}", f"r{number}") for text in (one, other))
    first = ground.scim.post(f"/{kind}", {"schemas": [schema], attribute: one}).expect(201)["id"]
    second = ground.hire() if kind == "Users" else ground.group()
    for change in (lambda: ground.scim.patch(f"/{kind}/{second}", ("replace", attribute, other)),
                   lambda: ground.scim.put(f"/{kind}/{second}", {"schemas": [schema], attribute: other})):
        assert change().expect(409)["scimType"] == "uniqueness"
    assert find(ground, kind, other) == [first]
    ground.scim.patch(f"/{kind}/{first}", ("replace", attribute, other)).expect(200)
    assert find(ground, kind, one) == [first] and ground.scim.get(f"/{kind}/{first}")[attribute] == other


@pytest.mark.line(59, "A18")
def test_two_of_one_name_that_the_directory_took_are_both_there(ground):
    """Made in LDAP, past the bridge: it invents no order, shows both, and takes no third."""
    number = ground.lab.number()
    names = [text + f"d{number}" for text in ("\u1e9e", "\u00df")]
    for name in names:
        ground.view.add(f"uid={name},{site.PEOPLE}", objectClass=["inetOrgPerson", "kiopsUser"], uid=name, cn="x", sn="x")
    eventually(lambda: len(find(ground, "Users", names[0])) == len(find(ground, "Users", names[1])) == 2)
    assert ground.scim.post("/Users", {"schemas": [USER], "userName": names[0]}).expect(409)["scimType"] == "uniqueness"
    for user in find(ground, "Users", names[0]):
        ground.scim.patch(f"/Users/{user}", ("replace", "title", "T")).expect(200)
