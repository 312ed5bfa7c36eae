"""The kinds of directory that the suite and `make run` can stand on: KIOPS_DIRECTORY names one."""

import os

from .ds389 import Ds389
from .slapd import Slapd

DEFAULT = "slapd"


def slapd_that_is_polled(*place, **settings):
    return Slapd(*place, **{"tells": False, **settings})


KINDS = {
    "slapd": Slapd,  # with syncprov: it tells what changes
    "slapd-poll": slapd_that_is_polled,
    "389ds": Ds389,
    "plain": Slapd,  # of the end-to-end tests those of plain mode alone, which take our schema out themselves
}


def kind():
    name = os.environ.get("KIOPS_DIRECTORY") or DEFAULT
    if name not in KINDS:
        raise SystemExit(f"KIOPS_DIRECTORY is {name}: write one of {', '.join(KINDS)}")
    return name


def new_directory(home, port, **settings):
    return KINDS[kind()](home, port, **settings)
