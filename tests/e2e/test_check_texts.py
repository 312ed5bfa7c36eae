"""`check`: the texts that it prints apply in every state that the directory may be in, and name whom they should."""

import pytest
from ground import CONFIG_DATABASE, DATABASE, Ground
from kiopslab import site

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
