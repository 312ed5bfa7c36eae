"""Every rule at every door: requests of persons and tokens that try to break it, and requests that are done as it says.
slapd is read past the bridge before and after (doors.py)."""

import pytest
import doors_group
import doors_membership
import doors_user
from doors import Stage, holds, open_lab
from faults import audit_records

REFUSED, DONE = ([row for rows in (doors_user, doors_group, doors_membership) for row in getattr(rows, kind)]
                 for kind in ("REFUSED", "DONE"))


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    lab = open_lab(tmp_path_factory.mktemp("doors"))
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def stages(ground):
    """The stage of all refused requests: a new one when a request was not refused."""
    return [Stage(ground, bound=True)]


@pytest.fixture
def fresh(ground):
    made = Stage(ground)
    yield made
    made.world.forget()


@pytest.mark.parametrize("actor, request_, status, rule, then", REFUSED)
def test_an_attempt_changes_nothing(ground, stages, actor, request_, status, rule, then):
    try:
        holds(stages[-1], actor, request_, status, rule, then)
    except AssertionError:
        stages[-1].world.forget()
        stages.append(Stage(ground, bound=True))
        raise


@pytest.mark.parametrize("actor, request_, status, rule, then", DONE)
def test_what_is_done_is_as_the_rule_says(fresh, actor, request_, status, rule, then):
    holds(fresh, actor, request_, status, rule, then)


def test_every_refusal_stands_in_the_audit(ground, stages):
    """But for words that are none (400), and a token that only reads, which no rule is asked about."""
    told = {(record["request"], record["rule"]) for record in audit_records(ground.bridge) if record["type"] == "refusal"}
    asked = [one for stage in stages for one in stage.refusals if one[0] not in ("KB-R01", "KB-R14") and one[2] != "reader"]
    assert [one for one in asked if (one[1], one[0]) not in told] == []
