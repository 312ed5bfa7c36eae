"""A request target over its ceiling (A15): the answer is SCIM's, and says nothing to who has no token."""

import pytest
from scim import JSON


@pytest.mark.line(206, "A15")
def test_a_target_that_is_too_long_is_a_scim_error(lab):
    path = "/Users?attributes=" + "userName," * 2000
    answer = lab.scim.get(path).expect(414)
    assert answer.headers["Content-Type"] == JSON and answer["status"] == "414"
    lab.client("not-a-token").get(path).expect(401)
    lab.scim.get("/Users", count=0).expect(200)
