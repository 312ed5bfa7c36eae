"""A directory that hangs (half-open, stopped by a signal) costs an error where it is needed, and nothing where it is
not: who is known is served from memory, however many ask at once (done-when h)."""

import threading

from faults import DEADLINE_S, SHORT, live, metric, timed
from kiopslab.site import TOKENS
from lab import eventually

CLIENTS = 64


def at_once(lab, path):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(timed(lambda: lab.scim.get(path)))) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_known_users_are_served_in_time_however_many_ask_while_the_directory_hangs(new_lab):
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    user = lab.user()["id"]
    lab.proxy.stall()
    eventually(lambda: metric(lab.bridge, "kiops_feed_live") == 0, within=10)
    for _ in range(3):
        answers = at_once(lab, f"/Users/{user}")
        assert [a.status for a, _ in answers] == [200] * CLIENTS
        assert max(s for _, s in answers) < DEADLINE_S, sorted(s for _, s in answers)
    lab.proxy.resume()
    live(lab)


def test_a_token_revoked_meanwhile_ends_when_the_directory_is_back(new_lab):
    lab = new_lab(proxied=True, bridge={"directory": SHORT})
    ends = lab.client(lab.new_token("ends"))
    eventually(lambda: ends.get("/Users", count=0).status == 200)
    lab.proxy.stall()
    eventually(lambda: metric(lab.bridge, "kiops_feed_live") == 0, within=10)
    ends.get("/Users", count=0).expect(200)
    view = lab.view()
    view.delete(f"cn=ends,{TOKENS}")
    lab.proxy.resume()
    eventually(lambda: ends.get("/Users", count=0).status == 401, within=10)
