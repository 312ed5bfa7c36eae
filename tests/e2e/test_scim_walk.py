"""conformance/checklist.md 138: a walk over 20,000 people while 500 are deleted and 500 created skips no survivor and repeats none."""

import threading

import pytest
from scim import USER

PEOPLE, CHURN, PAGE = 20_000, 500, 1000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    from lab import Lab
    lab = Lab(tmp_path_factory.mktemp("walk"), users=PEOPLE)
    yield lab
    lab.close()


def walk(scim, **query):
    cursor, pages = "", 0
    while cursor is not None:
        page = scim.get("/Users", cursor=cursor, count=PAGE, attributes="userName", **query).expect(200).json
        yield from page["Resources"]
        pages += 1
        cursor = page.get("nextCursor")


@pytest.mark.parametrize("order", [{}, {"sortBy": "userName"}, {"sortBy": "userName", "sortOrder": "descending"}],
                         ids=["id", "ascending", "descending"])
@pytest.mark.line(138)
def test_a_long_walk_among_people_who_come_and_go(crowd, order):
    before = {one["id"] for one in walk(crowd.scim)}
    goes = sorted(before)[:: len(before) // CHURN][:CHURN]
    halfway, failed = threading.Event(), []

    def churn():
        for n, user in enumerate(goes):
            made = crowd.scim.post("/Users", {"schemas": [USER], "userName": f"new{crowd.number()}"})
            gone = crowd.scim.delete(f"/Users/{user}")
            failed.extend((a.status, a.text) for a in (made, gone) if a.status not in (201, 204))
            if n == CHURN // 10:
                halfway.set()

    thread = threading.Thread(target=churn)
    thread.start()
    halfway.wait()
    seen = [one["id"] for one in walk(crowd.scim, **order)]
    while thread.is_alive():  # the writers outlive one walk: go round again, each walk for itself
        again = [one["id"] for one in walk(crowd.scim, **order)]
        assert len(again) == len(set(again)) and before - set(goes) <= set(again)
    thread.join()
    assert not failed
    assert len(seen) == len(set(seen)), "somebody came twice"
    assert before - set(goes) <= set(seen), "a survivor was skipped"
