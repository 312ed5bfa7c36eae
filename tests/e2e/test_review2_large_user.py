"""A user may hold much, but not more than a later change of it can carry: a modify names the old and the new
kiopsResource, and slapd closes the connection on a message over 16 MB. Nor may one PATCH keep a writer for a minute."""

import os
from pathlib import Path

import pytest
from scim import USER


def names(count, size, mark=""):
    return [{"value": f"{mark}{n}-" + "x" * size, "type": str(n)} for n in range(count)]


@pytest.mark.line("A19")
def test_a_user_larger_than_a_change_can_carry_is_refused(lab):
    user = lab.user(ims=names(100, 10_000))["id"]
    huge = names(250, 60_000)
    assert lab.scim.post("/Users", {"schemas": [USER], "userName": "huge", "ims": huge}).expect(400)["scimType"] == "invalidValue"
    refused = lab.scim.patch(f"/Users/{user}", ("replace", "ims", huge)).expect(400)
    assert refused["scimType"] == "invalidValue" and "KB" in refused["detail"]
    lab.scim.patch(f"/Users/{user}", ("replace", "title", "still changes")).expect(200)
    lab.scim.delete(f"/Users/{user}").expect(204)


def worked_s(bridge):
    """Seconds of processor time, which other work on the machine does not lengthen."""
    fields = Path(f"/proc/{bridge.process.pid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.line("A21")
def test_many_operations_on_long_values_are_refused_soon(lab):
    user = lab.user()["id"]
    patient = type(lab.scim)(lab.scim.url, lab.token, timeout=300)  # minutes are for a machine that has much else to do
    before = worked_s(lab.bridge)
    adds = [("add", "ims", [value]) for value in names(250, 60_000)]
    patient.patch(f"/Users/{user}", *adds).expect(413)
    terms = " or ".join(f'value co "y{n}"' for n in range(90))
    looks = [("remove", f"ims[{terms}]")] * 3000
    lab.scim.patch(f"/Users/{user}", ("add", "ims", names(30, 60_000))).expect(200)
    patient.patch(f"/Users/{user}", *looks).expect(413)
    lab.scim.get(f"/Users/{user}").expect(200)
    assert worked_s(lab.bridge) - before < 60
