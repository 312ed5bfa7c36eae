"""What the races of a run came to: one line each, printed when the run ends."""

from collections import Counter

LINES = []
HEAD = ("race", "rounds", "tried", "done", "refused", "partly", "unknown", "findings")


class Counted:
    """An answer, over HTTP or of the tool, by what came of it. partly: some steps of one request were made, and it says so."""

    def __init__(self, answer):
        self.rule = ""
        if isinstance(answer, str):
            self.answer = "done" if answer in ("done", "nothing") else "unknown" if "unavailable" in answer else "refused"
        elif answer is None or answer.status >= 500:
            self.answer, self.rule = "unknown", str(answer.status if answer is not None else "none")
        elif answer.status < 300:
            self.answer = "done"
        else:
            self.answer = "partly" if b"changes of this request are made" in answer.text else "refused"
            self.rule = (answer.rule if answer.text else None) or str(answer.status)


def note(race, rounds, requests, findings):
    """`requests`: whatever has `answer`. Races of no request are not told."""
    came = Counter(request.answer for request in requests)
    if requests:
        LINES.append((race, rounds, len(requests), *(came[name] for name in HEAD[3:7]), findings))


def taken():
    lines, LINES[:] = LINES[:], []
    return lines


def table(lines):
    if lines:
        yield "".join(f"{name:>10}" if n else f"{name:<64}" for n, name in enumerate(HEAD))
    for line in lines:
        yield "".join(f"{value:>10}" if n else f"{value:<64}" for n, value in enumerate(line))
