"""Single answers over 100,000 people: a filter that scans, a sorted page and the next one, a group of 100,000.
Milliseconds of one request on a connection that stays open; median of several that no earlier one has prepared."""

import http.client
import json
import time
import urllib.parse
from statistics import median

from table import print_line

TIMES = 7
CO_MS, SORT_MS, NEXT_MS, GROUP_MS, JOIN = 30, 60, 5, 300, 0.8


class Client:
    def __init__(self, stage):
        parts = urllib.parse.urlsplit(stage.bridge.url)
        self.base, self.connection = parts.path, http.client.HTTPConnection(parts.netloc)
        self.headers = {"Authorization": f"Bearer {stage.token}"}

    def call(self, method, path, query=(), body=None, headers=()):
        """(milliseconds, the body)"""
        target = self.base + path + ("?" + urllib.parse.urlencode(dict(query), quote_via=urllib.parse.quote) if query else "")
        begun = time.perf_counter()
        self.connection.request(method, target, body, self.headers | dict(headers))
        answer = self.connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status >= 300:
            raise RuntimeError(f"{method} {target}: {answer.status} {text[:200]}")
        return took, text

    def get(self, path, **query):
        return self.call("GET", path, query)


def fresh(client, texts, **query):
    """Each another question, so that no kept list answers it."""
    return median(client.get("/Users", filter=text, count=100, **query)[0] for text in texts)


def measure(stage):
    client, found = Client(stage), {}
    numbers = [f"{n:05d}" for n in range(1000, 1000 + TIMES)]
    found["co_name_ms"] = fresh(client, [f'userName co "{n}"' for n in numbers])
    found["co_display_ms"] = fresh(client, [f'displayName co "n{n}"' for n in numbers])
    found["co_mail_ms"] = fresh(client, [f'emails.value co "{n}@"' for n in numbers])
    found["co_mail_all_ms"] = fresh(client, [f'emails.value co "@ex" or userName eq "{n}"' for n in numbers])
    first, following = [], []
    for n in numbers:
        query = {"filter": f'userName pr or userName eq "{n}"', "sortBy": "displayName", "count": 100}
        first.append(client.get("/Users", **query)[0])
        following.append(client.get("/Users", startIndex=50001, **query)[0])
    found["sorted_first_ms"], found["sorted_next_ms"] = median(first), median(following)
    groups = json.loads(client.get("/Groups", filter='displayName sw "Bench 100000"')[1])["Resources"]
    if groups:
        found["group_100000_ms"] = median(client.get(f"/Groups/{groups[0]['id']}")[0] for _ in range(TIMES))
    return found


def report(found):
    for name in ("co_name_ms", "co_display_ms", "co_mail_ms", "co_mail_all_ms"):
        print_line(found[name] < CO_MS, f"{name[:-3].replace('_', ' ')}: {found[name]:.1f} ms (under {CO_MS})")
    print_line(found["sorted_first_ms"] < SORT_MS, f"sorted page, first: {found['sorted_first_ms']:.1f} ms (under {SORT_MS})")
    print_line(found["sorted_next_ms"] < NEXT_MS, f"sorted page, next: {found['sorted_next_ms']:.1f} ms (under {NEXT_MS})")
    if "group_100000_ms" in found:
        print_line(found["group_100000_ms"] < GROUP_MS,
                   f"group of 100,000 members: {found['group_100000_ms']:.1f} ms (under {GROUP_MS})")
    ratio = found["join_large_raw_ms"] / found["join_large_ms"]
    print_line(ratio >= JOIN, f"PATCH that adds a member to the largest group, 204: {found['join_large_ms']:.1f} ms, the directory alone "
                              f"{found['join_large_raw_ms']:.1f} ms: {ratio:.2f} (at least {JOIN})")
