"""Fault 48: an allocation finds no memory, the first of a request, the second, and so on. Then the bridge answers that it
failed, or ends as a whole (systemd starts it again); what was acknowledged is there, and the repeat completes."""

import os
import struct
from http.client import HTTPException
from pathlib import Path

import pytest
from lab import BINARY, Lab, eventually
from scim import GROUP, USER

PRELOAD = Path(BINARY).parent / "preload/no_memory.so"
pytestmark = pytest.mark.skipif(b"__asan_init" in Path(BINARY).read_bytes(), reason="a sanitizer has an allocator of its own")
STEPS = sorted({*range(1, 12), *(int(1.25 ** n) for n in range(11, 40))})  # dense where a request begins
ABORTED = -6


class Ground:
    def __init__(self, folder):
        self.count = folder / "left"
        self.arm(0)
        self.lab = Lab(folder / "lab", durable=True)
        self.bridge = self.lab.bridge.process
        self.bridge.stop()
        self.bridge.env |= {"LD_PRELOAD": str(PRELOAD.resolve()), "KIOPS_NO_MEMORY": str(self.count)}
        self.start()

    def start(self):
        self.said_before = len(self.bridge.log_text())
        self.bridge.start()

    def arm(self, n):
        with open(self.count, "r+b" if self.count.exists() else "wb") as file:
            file.write(struct.pack("=q", n))

    def left(self):
        return struct.unpack("=q", self.count.read_bytes())[0]

    def try_at(self, n, ask):
        """The status, None where there was no answer; and whether the n-th allocation came."""
        self.arm(n)
        try:
            status = ask().status
        except (OSError, HTTPException):
            status = None
        came = self.left() == 0
        self.arm(0)
        if status is None:
            self.come_back()
        return status, came

    def again(self, ask):
        """Another thread may have ended it after the answer."""
        try:
            return ask()
        except (OSError, HTTPException):
            self.come_back()
            return ask()

    def come_back(self):
        """Ended as a whole, with its last words; or it has only hung up."""
        try:
            eventually(lambda: self.gone() or self.lab.scim.get("/Users?count=0").status == 200, within=10)
        except OSError:
            eventually(self.gone)
        if self.gone():
            assert self.bridge.stop() == ABORTED, self.bridge.log_tail()
            assert "out of memory" in self.bridge.log_text()[self.said_before:], self.bridge.log_tail()
            self.start()

    def gone(self):
        pid = self.bridge.pid()
        return not pid or Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Ground(tmp_path_factory.mktemp("memory"))
    yield made
    made.lab.close()


def entry(lab, scim_id):
    found = lab.view().by_id(scim_id)
    return found[1] if found else {}


def creating(lab, n):
    name = f"scarce{lab.number()}"
    def made():
        return lab.scim.find("Users", f'userName eq "{name}"')
    return lambda: lab.scim.post("/Users", {"schemas": [USER], "userName": name}), made, (201, 409)


def renaming(lab, n):
    user, title = lab.user()["id"], f"title {n}"
    return (lambda: lab.scim.patch(f"/Users/{user}", ("replace", "title", title)),
            lambda: entry(lab, user).get("title") == [title] or lab.scim.get(f"/Users/{user}").json.get("title") == title, (200,))


def joining(lab, n):
    user, group = lab.user()["id"], lab.organization()["id"]
    return (lambda: lab.scim.patch(f"/Groups/{group}", ("add", "members", [{"value": user}])),
            lambda: any(v.startswith(group) for v in entry(lab, user).get("kiopsJoined", ())), (200, 204))


def granting(lab, n):
    user = lab.user()["id"]
    group = lab.organization([user])["id"]
    return (lambda: lab.scim.patch(f"/Memberships/{group}.{user}", ("add", "permissions", ["vpn"])),
            lambda: entry(lab, user).get("kiopsPermission") == [f"{group}:vpn"], (200,))


def deleting(lab, n):
    user = lab.user()["id"]
    return lambda: lab.scim.delete(f"/Users/{user}"), lambda: not entry(lab, user), (204, 404)


@pytest.mark.parametrize("change", [creating, renaming, joining, granting, deleting])
def test_48_no_memory(ground, change):
    tried = 0
    for n in STEPS:
        ask, done, fine = change(ground.lab, n)
        status, came = ground.try_at(n, ask)
        assert status is None or status in fine or status >= 500, status
        if status is not None and status < 300:
            assert ground.again(done), n
        assert ground.again(ask).status in fine, n
        assert done(), n
        tried += came
    assert tried > 20
    assert "the chain holds" in ground.lab.bridge.cli("audit", "verify")
