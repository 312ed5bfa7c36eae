"""The fault proxy itself: a fault that does not happen would let every test of it pass."""

import time

import ldap
import pytest
from faultproxy import FaultProxy
from kiopslab import site
from view import View


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("proxy"), bridges=0)
    yield made
    made.close()


@pytest.fixture
def proxy(ground):
    made = FaultProxy(ground.slapd.place)
    yield made
    made.close()


@pytest.fixture
def through(ground, proxy):
    view = View(proxy.uri, site.ROOT, ground.slapd.passwords.root)
    view.link.set_option(ldap.OPT_TIMEOUT, 1)
    return view


def test_what_is_not_faulty_passes(ground, proxy, through):
    assert through.find(site.BASE) == ground.view().find(site.BASE)
    assert proxy.seen == ["bind", "search"]


def test_answers_in_single_bytes_are_the_same_answers(ground, proxy, through):
    proxy.sliced = True
    assert through.get(site.PEOPLE) == ground.view().get(site.PEOPLE)


def test_latency_delays_the_answer(proxy, through):
    proxy.latency = 0.2
    started = time.monotonic()
    through.get(site.PEOPLE)
    assert time.monotonic() - started >= 0.2


def test_a_lost_answer_leaves_the_change_in_the_directory(ground, proxy, through):
    trap = proxy.lose_answer("add")
    with pytest.raises(ldap.SERVER_DOWN):
        through.add(site.user_dn("lost"), objectClass="inetOrgPerson", uid="lost", cn="l", sn="l")
    assert trap.sprung.is_set()
    assert ground.view().get(site.user_dn("lost"))


def test_a_cut_request_never_reaches_the_directory(ground, proxy, through):
    proxy.cut_request("modify", passing=1)
    through.modify(site.user_dn("noa"), ("replace", "title", "first"))
    with pytest.raises(ldap.SERVER_DOWN):
        through.modify(site.user_dn("noa"), ("replace", "title", "second"))
    assert ground.view().get(site.user_dn("noa"))["title"] == ["first"]


def test_a_late_request_comes_before_the_second_search(ground, proxy, through):
    trap = proxy.late_request("modify", looks=1)
    with pytest.raises(ldap.SERVER_DOWN):
        through.modify(site.user_dn("noa"), ("replace", "title", "late"))
    again = View(proxy.uri, site.ROOT, ground.slapd.passwords.root)
    assert again.get(site.user_dn("noa")).get("title") != ["late"] and not trap.arrived.is_set()
    assert again.get(site.user_dn("noa"))["title"] == ["late"] and trap.arrived.is_set()
    again.close()


def test_a_stalled_connection_is_open_and_silent(proxy, through):
    proxy.stall()
    with pytest.raises(ldap.TIMEOUT):
        through.get(site.PEOPLE)
    proxy.resume()
    assert through.get(site.PEOPLE)


def test_reset_and_refused_connections_are_seen_at_once(ground, proxy, through):
    proxy.reset()
    with pytest.raises(ldap.SERVER_DOWN):
        through.get(site.PEOPLE)
    proxy.refusing = True
    with pytest.raises(ldap.SERVER_DOWN):
        View(proxy.uri, site.ROOT, ground.slapd.passwords.root)


def test_a_result_that_nobody_gave(proxy, through):
    proxy.codes = {"search": 51}
    with pytest.raises(ldap.BUSY):
        through.get(site.PEOPLE)
    assert proxy.seen == ["bind"]
    proxy.codes = {}
    assert through.get(site.PEOPLE)
