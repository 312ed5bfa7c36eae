"""What the feed could not read is read again soon, not only when nothing else happens."""

import threading

from kiopslab import site
from lab import eventually

def member_by_hand(lab, name, uid):
    lab.view().modify(site.organization_dn(name), ("add", "member", site.user_dn(uid)))
    _, entry = next(iter(lab.view().find(site.ORGANIZATIONS, f"(cn={name})").items()))
    user = next(iter(lab.view().find(site.PEOPLE, f"(uid={uid})").values()))["entryUUID"][0]
    return f"/Groups/{entry['entryUUID'][0]}", user


def shows(lab, path, user):
    return user in [m["value"] for m in lab.scim.get(path).expect(200).json["members"]]


def unread(lab):
    """The next reading of an organization fails, and its repetition on a fresh connection too."""
    return [lab.proxy.cut_request("search") for _ in range(2)]


def test_an_organization_that_could_not_be_read_is_read_again_under_a_stream_of_events(new_lab):
    lab = new_lab(proxied=True)
    view, stop = lab.view(), threading.Event()

    def stream():
        n = 0
        while not stop.wait(0.05):
            n += 1
            view.modify(site.user_dn("kim"), ("replace", "title", f"Title {n}"))

    traps = unread(lab)
    changer = threading.Thread(target=stream)
    changer.start()
    try:
        path, user = member_by_hand(lab, "Project B", "noa")
        eventually(lambda: all(trap.sprung.is_set() for trap in traps))
        eventually(lambda: shows(lab, path, user))
    finally:
        stop.set()
        changer.join()
