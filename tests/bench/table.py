"""What is asked of the bridge (issue 3, SPEED AND MEMORY), and the table that says whether it holds."""

from statistics import median

# operation, connections of the bridge, connections of the directory, at least so many times its rate
READ_TARGETS = [
    ("get", 32, 4, 5.0), ("eq", 32, 4, 5.0), ("get_during", 32, 4, 2.0), ("eq_during", 32, 4, 2.0),
    ("get_miss", 32, 4, 0.8), ("eq_miss", 32, 4, 0.8),
]
BULK = 0.9  # durable: creates in one request, beside the directory alone at 8
WRITE_TARGETS = {"create": 0.9, "active": 0.9, "permission": 0.9, "member": 0.8}  # durable, at 8 and at 32
# What else is of interest: at the same connections, nothing is asked.
NOTES = [("get_miss", 8), ("get_miss", 32), ("eq_miss", 8), ("eq_miss", 32)]
SCALES = 1.5  # four connections search at least so many times what one does, else the run is void
MEMORY_MB, SAMPLE_MB, READY_S = 150, 15, 3.0


def targets(names, durable):
    """As READ_TARGETS; `at least` None where nothing is asked."""
    yield from (t for t in READ_TARGETS if t[0] in names)
    if "bulk" in names:
        yield "bulk", 1, 8, BULK if durable else None
    for name in names:
        least = WRITE_TARGETS.get(name.split("_")[0]) if not name.endswith("_during") else None
        if least:
            yield from ((name, c, c, least if durable else None) for c in (8, 32))
    yield from ((name, c, c, None) for name, c in NOTES if name in names)


class Results:
    """{operation: {connections: [Rate of each round]}} for bridge and raw."""

    def __init__(self, durable):
        self.durable = durable
        self.bridge, self.raw, self.titles, self.requests = {}, {}, {}, {}

    def add(self, side, name, connections, rate):
        side.setdefault(name, {}).setdefault(connections, []).append(rate)

    def middle(self, side, name, connections, what="per_s"):
        return median(getattr(rate, what) for rate in side[name][connections])

    def ratio(self, name, connections, raw_connections, raw_name=None):
        """Median of the ratios of each round: bridge and directory met the same weather."""
        pairs = zip(self.bridge[name][connections], self.raw[raw_name or name][raw_connections])
        return median(b.per_s / r.per_s for b, r in pairs)

    def of_library(self, name, connections):
        """A read's share of what the HTTP library alone does."""
        pairs = zip(self.bridge[name][connections], self.bridge["library"][connections])
        return median(b.per_s / alone.per_s for b, alone in pairs)

    def raw_name(self, name):
        return name.removesuffix("_during")

    def as_json(self):
        sides = {"bridge": self.bridge, "raw": self.raw}
        return {"requests": self.requests,
                **{side: {name: {str(c): {what: self.middle(of, name, c, what)
                                          for what in ("per_s", "p50_ms", "p99_ms", "cpu_us")}
                                 for c in rates} for name, rates in of.items()}
                   for side, of in sides.items()},
                "targets": [dict(operation=n, bridge_connections=b, raw_connections=r, at_least=least,
                                 ratio=round(ratio, 3), holds=verdict(ratio, least))
                            for n, b, r, least, ratio in self.judged()],
                "scale": round(self.scale(), 2), "void": self.scale() < SCALES}

    def judged(self):
        return [(n, b, r, least, self.ratio(n, b, r, self.raw_name(n)))
                for n, b, r, least in targets(self.bridge, self.durable)]

    def scale(self):
        """Of a search that finds: four connections against one."""
        pairs = zip(self.raw["get"][4], self.raw["get"][1])
        return median(four.per_s / one.per_s for four, one in pairs)


def verdict(ratio, least):
    """None where nothing is asked."""
    return ratio >= least if least else None


def rate_cells(results, side, name, connections):
    if connections not in side.get(name, {}):
        return f"{'':>8}{'':>9}"
    return (f"{results.middle(side, name, connections):8.0f}"
            f"{results.middle(side, name, connections, 'p99_ms'):9.2f}")


def print_results(title, results):
    print(f"\n{title}: requests/s and p99 in ms at so many connections; cpu: of the bridge, us a request")
    print(f"{'bridge':34}{'1':>8}{'p99':>9}{'8':>8}{'p99':>9}{'32':>8}{'p99':>9}{'cpu':>8}")
    for name in results.bridge:
        cells = "".join(rate_cells(results, results.bridge, name, c) for c in (1, 8, 32))
        widest = max(results.bridge[name])
        print(f"{results.titles[name]:34}{cells}"
              f"{results.middle(results.bridge, name, widest, 'cpu_us'):8.0f}")
    print(f"{'directory alone':34}{'1':>8}{'p99':>9}{'4':>8}{'p99':>9}{'8':>8}{'p99':>9}{'32':>8}{'p99':>9}")
    for name in results.raw:
        cells = "".join(rate_cells(results, results.raw, name, c) for c in (1, 4, 8, 32))
        print(f"{results.titles[name]:34}{cells}  {results.requests[name]}")
    for name, bridge, raw, least, ratio in results.judged():
        word = {True: "ok  ", False: "MISS", None: "    "}[verdict(ratio, least)]
        asked = f" (at least {least})" if least else ""
        print(f"{word}  {results.titles[name]}: bridge at {bridge} / directory at {raw} = {ratio:.2f}{asked}")
    for name in ("get", "eq"):
        if name in results.bridge:
            print(f"      {results.titles[name]}: {results.of_library(name, 32):.2f} of what the HTTP library alone does at 32")
    scale = results.scale()
    print(f"{'ok  ' if scale >= SCALES else 'VOID'}  4 connections search {scale:.2f} times what one does "
          f"(at least {SCALES}, else this run is void)")


def print_line(holds, text):
    print(f"{'ok  ' if holds else 'MISS'}  {text}", flush=True)
