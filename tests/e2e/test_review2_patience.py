"""A client that has sent its whole request is not slow: what waits unread while our own threads are busy is answered,
however short header_timeout_s is."""

import socket
import threading
import time

import pytest
from faults import configure
from kiopslab.bridge import THREADS
from lab import eventually

HEAVY = " or ".join(f'displayName co "never{n}"' for n in range(95))


def test_requests_behind_a_long_search_are_answered(new_lab):
    lab = new_lab(users=10_000, bridge={"limits": "header_timeout_s = 1;"})
    lab.bridge.process.stop()
    configure(lab.bridge, f"threads = {THREADS};", "threads = 1;")
    lab.bridge.process.start()
    taken, answers = [], []
    patient = type(lab.scim)(lab.scim.url, lab.token, timeout=300)

    def ask(**query):
        started = time.monotonic()
        answers.append(patient.get("/Users", **query).status)
        taken.append(time.monotonic() - started)

    threads = [threading.Thread(target=ask, kwargs={"filter": HEAVY} if n < 40 else {"count": 0}) for n in range(44)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 44
    assert max(taken) > 1, "nobody has waited for longer than the header may take"


@pytest.mark.line("A16")
def test_who_sends_a_header_line_by_line_is_still_cut_off(new_lab):
    lab = new_lab(bridge={"limits": "header_timeout_s = 1; idle_timeout_s = 60;"})
    host, port = lab.scim.address.split(":")
    with socket.create_connection((host, int(port)), timeout=0.1) as slow:
        slow.sendall(b"GET /scim/v2/Users HTTP/1.1\r\n")

        def is_cut():
            try:
                slow.sendall(b"X: y\r\n")
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True
        eventually(is_cut, within=6)
