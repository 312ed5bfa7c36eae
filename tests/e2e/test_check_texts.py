"""`check`: the texts that it prints apply in every state that the directory may be in, and name whom they should."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from ground import CONFIG_DATABASE, DATABASE, Ground
from kiopslab import site
from kiopslab.entries import ssha
from test_check_first import Plain

SITES = ["to attrs=userPassword by anonymous auth by self =w by * none", "to dn.base=\"\" by * read", "to * by * read"]
OURS = 'by dn.exact="{}"'.format(site.BRIDGE)


@pytest.fixture
def make(new_lab):
    return lambda **settings: Ground(new_lab, **settings)


def bare_of_rules(ground):
    ground.config.modify(DATABASE, ("replace", "olcAccess", [f"{{{n}}}{rule}" for n, rule in enumerate(SITES)]))


def rules(ground):
    return [value.partition("}")[2] for value in ground.values(DATABASE, "olcAccess")]


def with_our_rules(ground):
    bare_of_rules(ground)
    ground.mend("access-rules")
    return rules(ground)


# ---- some of our rules are there already

@pytest.mark.finding("access-rules")
def test_rules_of_ours_that_are_there_are_put_in_front_again(make):
    ground = make()
    whole = with_our_rules(ground)
    assert whole[-len(SITES):] == SITES and len(set(whole)) == len(whole) > 10
    ours = whole[:-len(SITES)]
    for gone in (len(ours) - 1, 1):
        ground.config.modify(DATABASE, ("delete", "olcAccess", f"{{{gone}}}{ours[gone]}"))
        ground.mend("access-rules")
        assert rules(ground) == whole
    for place in (0, 4):
        extra = f'to dn.subtree="{site.PEOPLE}" attrs=mail {OURS} read by * break'
        ground.config.modify(DATABASE, ("add", "olcAccess", f"{{{place}}}{extra}"))
        ground.mend("access-rules")
        assert rules(ground) == [*ours, extra, *SITES], "ours, then what stood there, in its order"
        ground.config.modify(DATABASE, ("delete", "olcAccess", f"{{{len(ours)}}}{extra}"))
    ground.is_fit()


@pytest.mark.finding("access-rules")
def test_a_configuration_that_changed_gets_its_rules_beside_the_old_ones(make):
    ground = make(bridge={"signup": ""})
    with_our_rules(ground)
    waiting, persons = f"ou=waiting,{site.BASE}", f"ou=persons,{site.BASE}"
    ground.configure(f'enabled = true; container = "{site.PENDING}";', f'enabled = true; container = "{waiting}";')
    ground.mend_all()
    ground.bridge.conf.write_text(ground.bridge.conf.read_text().replace(site.PEOPLE, persons))
    ground.mend_all()
    text = " ".join(rules(ground))
    assert waiting in text and persons in text and rules(ground)[-len(SITES):] == SITES


@pytest.mark.finding("person-untried", "size-limit")
def test_a_text_that_stands_too_far_behind_is_put_in_front(make):
    ground = make()
    refused = f'{{0}}to dn.subtree="{site.PEOPLE}" attrs=userPassword {OURS} =w by * none'
    ground.config.modify(DATABASE, ("replace", "olcLimits", f'{{0}}dn.base="{site.BRIDGE}" size=10'), ("add", "olcAccess", refused))
    ground.mend("person-untried", "size-limit")
    allowed, limits = rules(ground)[0], ground.values(DATABASE, "olcLimits")
    ground.config.modify(DATABASE, ("replace", "olcLimits", [f"{{{1 - n}}}{v[3:]}" for n, v in enumerate(limits)]),
                         ("delete", "olcAccess", f"{{0}}{allowed}"), ("add", "olcAccess", f"{{1}}{allowed}"))
    ground.mend("person-untried", "size-limit")
    assert rules(ground)[0] == allowed and ground.values(DATABASE, "olcLimits") == limits


@pytest.mark.finding("config-hidden")
def test_access_rules_that_do_not_show_are_asked_for(make):
    ground = make()
    ground.config.modify(CONFIG_DATABASE, ("add", "olcAccess", f"{{0}}to attrs=olcAccess {OURS} none by * break"))
    ground.mend("config-hidden")
    assert "olcDbIndex" in (report := ground.run("check", "--report").stdout) and "by anonymous auth" not in report


# ---- who the bridge is: what the server says, not an empty name

@pytest.fixture
def by_socket(make):
    """ldapi and SASL EXTERNAL: bind_dn is empty, authz-regexp makes this user the bridge's account."""
    folder = tempfile.mkdtemp()  # a socket's path is short
    me = f"gidNumber={os.getgid()}[+]uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
    ground = make(modules=f'authz-regexp "{me}" "{site.BRIDGE}"')
    uri, process = "ldapi://" + str(Path(folder, "s")).replace("/", "%2F"), ground.slapd.process
    before = process.argv
    process.stop()
    process.argv = [f"{word} {uri}" if word == ground.slapd.uri else word for word in before]
    process.start()
    ground.connect()
    ground.configure(f'"{ground.slapd.uri}"', f'"{uri}"')
    ground.configure(f'bind_dn = "{site.BRIDGE}";\n  bind_password_file = "ldap.password";', 'bind_dn = "";')
    yield ground
    process.stop()
    process.argv = before
    shutil.rmtree(folder)


@pytest.mark.finding("size-limit", "access-rules")
def test_without_a_bind_dn_the_texts_name_whom_the_server_knows(by_socket):
    ground = by_socket
    bare_of_rules(ground)
    ground.config.modify(DATABASE, ("replace", "olcLimits", '{0}dn.exact="" size=unlimited'))
    _, found = ground.check()
    assert not any('dn.exact=""' in f["apply"]["text"] or "@" in f["apply"]["text"] for f in found), found
    ground.mend("size-limit", "access-rules")
    ours = rules(ground)[:-len(SITES)]
    assert all(f'dn.exact="{site.BRIDGE}"' in rule for rule in ours)
    ground.is_fit()


def test_without_a_bind_dn_the_printed_rules_say_what_to_put_there(by_socket):
    text = by_socket.run("schema", "acl").stdout
    first = text.partition("\n")[0]
    assert first.startswith("#") and "@BRIDGE@" in first and "ldapwhoami" in first
    assert '""' not in text.partition(site.TOKENS)[2] and 'by dn.exact="@BRIDGE@" write' in text and 'limits dn.exact="@BRIDGE@"' in text
    assert f'by dn.exact="{site.OPERATOR}" write' in text


def test_a_user_of_the_host_whom_the_server_maps_to_nobody_is_named_as_it_is(by_socket):
    by_socket.config.modify("cn=config", ("replace", "olcAuthzRegexp", None))
    texts = [f["apply"]["text"] for f in by_socket.check()[1] if "apply" in f]
    assert any(f'uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"' in text for text in texts), texts
    assert not any('dn.exact=""' in text for text in texts)


# ---- no operator

def without_operator(ground):
    kept = [line for line in ground.bridge.conf.read_text().split("\n") if "operator = {" not in line]
    ground.bridge.conf.write_text("\n".join(kept))


@pytest.mark.finding("access-rules")
def test_without_an_operator_the_rules_do_without(make):
    ground = make()
    without_operator(ground)
    text = " ".join(with_our_rules(ground))
    assert '""' not in text.replace('dn.base=""', "") and site.OPERATOR not in text
    ground.is_fit()


def test_without_an_operator_389_ds_denies_everybody_what_it_alone_could(make):
    ground = make()
    ground.configure("directory = {", 'directory = { preset = "389ds";')
    whole = ground.run("schema", "acl").stdout.split("\n")
    without_operator(ground)
    text = ground.run("schema", "acl").stdout
    assert '"ldap:///"' not in text and site.OPERATOR not in text and "@" not in text
    left, gone = set(text.split("\n")), [line for line in whole if line not in text.split("\n")]
    assert all("allow" in line or "deny" in line for line in gone) and len([line for line in gone if "deny" in line]) == 2
    new = left - set(whole)
    assert all("deny" in line for line in new) and len(new) == 2
    assert any('deny (write, add, delete) userdn = "ldap:///anyone"' in line for line in new)
    assert any(f'deny (read, search, compare) userdn != "ldap:///{site.BRIDGE}";' in line for line in new)


# ---- commas and quotes in names

AWKWARD = [(site.PEOPLE, f"ou=People\\, Staff,{site.BASE}"), (site.TOKENS, f"ou=tokens\\, ours,{site.PLATFORM}"),
           (site.ORGANIZATIONS, f'ou=A \\"B\\" C\\\\,{site.BASE}'), (site.BRIDGE, f"cn=kiops\\, bridge,{site.SERVICES}"),
           (f' container = "{site.PENDING}";', "")]


def awkward(ground):
    text = ground.bridge.conf.read_text()
    for old, new in AWKWARD:
        assert old in text
        text = text.replace(old, new.replace("\\", "\\\\").replace('"', '\\"'))
    ground.bridge.conf.write_text(text)
    ground.view.add(f"cn=kiops\\, bridge,{site.SERVICES}", objectClass=["organizationalRole", "simpleSecurityObject"],
                    userPassword=ssha(ground.slapd.passwords.bridge))


@pytest.mark.finding("access-rules", "size-limit", "no-entry")
def test_names_with_commas_and_quotes_in_cn_config(make):
    ground = make()
    awkward(ground)
    bare_of_rules(ground)
    ground.config.modify(DATABASE, ("delete", "olcLimits", None))
    ground.mend_all()
    text = " ".join(rules(ground))
    assert f'by dn.subtree="{site.SERVICES}" read' in text and f'dn.subtree="ou=pending,{site.BASE}"' in text
    assert f'to dn.subtree="{site.PLATFORM}"' in text
    ground.is_fit()


def test_names_with_commas_and_quotes_in_slapd_conf(new_lab):
    ground = Plain(new_lab, live=False)
    awkward(ground)
    shown = f'access to * by dn.exact="{site.BRIDGE}" read by * none\n\ndatabase mdb'
    ground.restart(lambda c: re.sub("\ninclude [^\n]*/acl.conf|\nlimits [^\n]*", "", c[:c.index("overlay unique")])
                   .replace(shown, "access to * by * none\n\ndatabase mdb") + "\naccess to * by * read\n")
    seen = set()
    for _ in range(6):
        found = [f for f in ground.check()[1] if f["code"] != "config-hidden"]
        seen |= {f["code"] for f in found}
        if not found:
            break
        one = found[0]["apply"]
        (ground.apply_conf if one["as"] == "slapd.conf" else lambda _: ground.apply(one))(one["text"])
    assert not found and seen >= {"no-entry", "access-rules"}, (seen, found)
    printed = ground.run("schema", "acl").stdout
    assert f"ou=People\\\\, Staff,{site.BASE}" in printed and "\\\\22B" in printed
    assert f'limits dn.exact="cn=kiops\\\\, bridge,{site.SERVICES}" size=unlimited' in ground.slapd.configuration


# ---- entries whose parents are missing, too

@pytest.mark.finding("no-entry")
@pytest.mark.parametrize("base", ["ou=teams,ou=more,ou=apps", "o=teams,l=Seoul"])
def test_a_missing_base_comes_with_its_parents(make, base):
    ground = make()
    ground.bridge.conf.write_text(ground.bridge.conf.read_text().replace(site.ORGANIZATIONS, f"{base},{site.BASE}"))
    found = [f for f in ground.check()[1] if f["code"] == "no-entry"]
    assert len(found) == 1 and found[0]["apply"]["text"].count("changetype: add") == base.count("=")
    ground.apply(found[0]["apply"])
    assert ground.view.get(f"{base},{site.BASE}") and "no-entry" not in ground.named()
