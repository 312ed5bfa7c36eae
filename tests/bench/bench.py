"""`make bench`: what the bridge costs beside the directory alone; a table, and build/bench.json.

KIOPS_BIN       the bridge; load and raw stand in bench/ beside it
KIOPS_BENCH     quick: one short round with few people; else three rounds with 100,000
KIOPS_BENCH_DIR a folder to work in, on the disk that is to be measured
KIOPS_BENCH_OPS comma-separated operations, to measure these alone; then build/bench.json stays as it is
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(REPOSITORY / "tests/run"), str(REPOSITORY / "tests/e2e")]
sys.dont_write_bytecode = True

import lists  # noqa: E402
import remote  # noqa: E402
from measure import Programs, Rate, rate_of_load  # noqa: E402
from operations import ADD_MEMBER, READINGS, Bulk, Create, Deactivate, Grant, Join, Page, World  # noqa: E402
from scim import Scim  # noqa: E402
from stage import Sizes, Stage  # noqa: E402
from table import MEMORY_MB, READY_S, SAMPLE_MB, Results, print_line, print_results  # noqa: E402
from tap import Tap, describe, script  # noqa: E402

BRIDGE_CONNECTIONS, RAW_CONNECTIONS = (1, 8, 32), (1, 4, 8, 32)


class Settings:
    def __init__(self, env):
        quick = env.get("KIOPS_BENCH") == "quick"
        self.binary = Path(env.get("KIOPS_BIN") or REPOSITORY / "build/release/kiops-bridge").resolve()
        self.rounds = 1 if quick else 3
        self.read_s, self.write_s = (0.5, 1.0) if quick else (1.0, 2.0)
        self.most = 500 if quick else 2500  # writes of one measurement
        self.most_joins = 150 if quick else 600
        joins = self.most_joins * len(RAW_CONNECTIONS)
        groups = {10: 40, 1000: 8, 10000: 2} if quick else {10: 200, 1000: 20, 10000: 4}
        self.sizes = (Sizes(16000, 200, joins, groups) if quick else Sizes(100000, 1000, joins, groups))
        large, few = (10000, 100) if quick else (100000, 300)
        self.large = Sizes(large + few, 1000, few, {large: 1})  # one group holds everybody
        self.small = Sizes(200, 4, 50, {size: 1 for size in (10, 100)})
        self.readings = READINGS
        self.writings = [Create(), Bulk(), Deactivate(), Grant(), *(Join(size) for size in groups)]
        only = env.get("KIOPS_BENCH_OPS")
        self.whole = not only
        if only:
            self.readings = [o for o in self.readings if o.name in {*only.split(","), "get"}]
            self.writings = [o for o in self.writings if o.name in only.split(",")]


class Bench:
    def __init__(self, settings, folder):
        self.settings, self.folder = settings, folder
        self.programs = Programs(folder, settings.binary.parent / "bench")
        self.scripts = {}

    # ---- what the bridge sends

    def record(self):
        """The bridge's own LDAP requests for each operation, taken from the wire."""
        s = self.settings
        stage = Stage(self.folder / "tap", s.small, binary=s.binary, durable=False)
        tap = Tap(stage.slapd.port)
        stage.start(uri=tap.uri)
        client, world = Scim(stage.bridge.url, stage.token), World(stage)
        world.rewind()
        for operation in [*s.readings, *s.writings]:
            recorded = Join(10) if isinstance(operation, Join) else operation
            fields, (method, target, *body) = recorded.record(world)
            headers = {"Prefer": "return=minimal"} if operation.minimal else {}
            sent = body[0].encode() if body else None
            seen = tap.record(lambda: client.call(method, target, sent, headers))
            lines = script(seen, fields)
            only = {"list": Page.whole, "permission": Grant.modify_alone}.get(operation.name)
            self.scripts[operation.name] = only(lines) if only else lines
        stage.close()
        tap.close()

    # ---- rows

    def measure_reading(self, stage, world, results, operation):
        s, p = self.settings, self.programs
        items = operation.items(world, 0)
        for c in BRIDGE_CONNECTIONS:
            results.add(results.bridge, operation.name, c,
                        p.load(stage, operation.request, items, c, s.read_s))
        for c in RAW_CONNECTIONS:
            results.add(results.raw, operation.name, c,
                        p.raw(stage, self.scripts[operation.name], items, c, s.read_s, again=True))

    def measure_library(self, stage, world, results):
        """The ceiling of every GET: what the HTTP library does on this machine when it need not think."""
        get = self.settings.readings[0]
        results.titles["library"] = "GET, the HTTP library alone"
        for c in BRIDGE_CONNECTIONS:
            results.add(results.bridge, "library", c,
                        self.programs.library(stage, get.request, get.items(world, 0), c, self.settings.read_s))

    def measure_writing(self, stage, world, results, operation):
        """The directory alone is measured without the bridge, whose feed would follow the writes."""
        s, p = self.settings, self.programs
        join = isinstance(operation, Join)
        most = s.most_joins if join else s.most
        world.rewind()
        for c in BRIDGE_CONNECTIONS:
            items = [] if isinstance(operation, Create) else operation.items(world, most)
            results.add(results.bridge, operation.name, c,
                        p.load(stage, operation.request, items, c, s.write_s, most=most,
                               minimal=operation.minimal))
        stage.stop()
        self.undo(stage, world, operation)
        for c in RAW_CONNECTIONS:
            results.add(results.raw, operation.name, c,
                        p.raw(stage, self.scripts[operation.name], operation.items(world, most), c, s.write_s))
        self.undo(stage, world, operation)
        stage.start()

    def measure_bulk(self, stage, world, results, operation):
        """One client, one request; the directory alone does as many creates on eight connections."""
        client, body = Scim(stage.bridge.url, stage.token, timeout=300), operation.body(world)
        cpu, begin = stage.cpu_s(), time.monotonic()
        answers = client.call("POST", "/Bulk", body).expect(200)["Operations"]
        seconds = time.monotonic() - begin
        if {a["status"] for a in answers} != {"201"} or len(answers) != operation.size:
            raise RuntimeError("the bulk was not made whole")
        each = operation.size / seconds
        results.add(results.bridge, operation.name, 1, Rate(
            each, seconds * 1000, seconds * 1000, operation.size, (stage.cpu_s() - cpu) * 1e6 / operation.size))
        stage.stop()
        results.add(results.raw, operation.name, 8, self.programs.raw(
            stage, self.scripts[operation.name], operation.items(world, operation.size), 8, 60))
        stage.start()

    def undo(self, stage, world, operation):
        if isinstance(operation, Join):
            stage.take_members_back(operation.size, world.pool)
            world.rewind()
        if isinstance(operation, Grant):
            stage.take_permissions_back(operation.touched)
            operation.touched.clear()
            world.rewind()

    def measure_during(self, stage, world, results):
        """Look-ups at 32 connections while eight others create users."""
        s, p = self.settings, self.programs
        for operation in s.readings:
            if not operation.hit or operation.name == "list":
                continue
            creating = subprocess.Popen(
                p.load_command(stage, Create().request, [], 8, s.read_s + 0.5),
                stdout=subprocess.PIPE, text=True)
            rate = p.load(stage, operation.request, operation.items(world, 0), 32, s.read_s)
            made = rate_of_load(creating.communicate()[0], "creates")
            name = f"{operation.name}_during"
            results.titles[name] = f"{operation.title}, during POST"
            results.add(results.bridge, name, 32, rate)
            results.titles["create_during"] = "POST user at 8, during GET at 32"
            results.add(results.bridge, "create_during", 8, made)

    def measure_sync(self, stage, results):
        """POST user with the audit's fsync and without it, one after the other."""
        s, p = self.settings, self.programs
        for name, sync in (("sync_batch", True), ("sync_none", False)):
            stage.stop()
            stage.start(sync=sync)
            results.titles[name] = f"POST user, audit.sync = {name[5:]}"
            for c in BRIDGE_CONNECTIONS:
                results.add(results.bridge, name, c,
                            p.load(stage, Create().request, [], c, s.write_s, most=s.most))
        stage.stop()
        stage.start()

    # ---- whole tables

    def table(self, durable):
        s, results = self.settings, Results(durable)
        stage = Stage(self.folder / f"durable-{durable}", s.sizes, binary=s.binary, durable=durable)
        stage.start()
        world, memory = World(stage), stage.memory_mb()
        for operation in [*s.readings, *s.writings]:
            results.titles[operation.name] = operation.title
            results.requests[operation.name] = describe(self.scripts[operation.name])
        try:
            for n in range(s.rounds):
                for operation in s.readings:
                    self.measure_reading(stage, world, results, operation)
                self.measure_library(stage, world, results)
                self.measure_during(stage, world, results)
                for operation in s.writings:
                    measure = self.measure_bulk if isinstance(operation, Bulk) else self.measure_writing
                    measure(stage, world, results, operation)
                if durable and "create" in {o.name for o in s.writings}:
                    self.measure_sync(stage, results)
                print(f"round {n + 1} of {s.rounds}, {'durable' if durable else 'not durable'}: done",
                      file=sys.stderr, flush=True)
        finally:
            stage.close()
        return results, memory, stage.ready_s

    def lists(self):
        """Single answers over everybody, and a new member of a group that everybody is in."""
        stage = Stage(self.folder / "lists", self.settings.large, binary=self.settings.binary, durable=False)
        stage.start()
        found = lists.measure(stage)
        found["remote"] = remote.measure(stage, remote.tool_of(self.settings.binary))
        (size,) = self.settings.large.groups
        join = Join(size)
        client, world = lists.Client(stage), World(stage)
        group = next(iter(world.groups.values()))
        world.rewind()
        bridge = median(client.call("PATCH", f"/Groups/{group}", (), ADD_MEMBER.replace("{id2}", item[1]),
                                    {"Content-Type": "application/scim+json", "Prefer": "return=minimal"})[0]
                        for item in join.items(world, 30))
        stage.stop()
        self.undo(stage, world, join)
        raw = self.programs.raw(stage, self.scripts["member_10"], join.items(world, 30), 1, 30)
        found["join_large_ms"], found["join_large_raw_ms"] = bridge, raw.p50_ms
        stage.close()
        return found

    def sample_memory(self):
        stage = Stage(self.folder / "sample", None, binary=self.settings.binary, durable=False)
        stage.start()
        memory = stage.memory_mb()
        stage.close()
        return memory


def print_own_part(results):
    """What the bridge itself computes for one new member, by size of the organization."""
    own = [(name, results.middle(results.bridge, name, 1, "cpu_us"))
           for name in results.bridge if name.startswith("member_")]
    if len(own) > 1:
        text = ", ".join(f"{us:.0f} us at {int(name.split('_')[1]):,} members" for name, us in own)
        print_line(own[-1][1] <= 1.5 * own[0][1], f"the bridge's own part of adding a member: {text}")


def print_memory(found, sizes):
    users = f"{sizes.users:,} users and {sizes.organizations:,} organizations"
    print_line(found["ready_s"] < READY_S, f"ready with {users} in {found['ready_s']:.2f} s (under {READY_S})")
    print_line(found["memory_mb"] < MEMORY_MB, f"resident with them: {found['memory_mb']:.1f} MB (under {MEMORY_MB})")
    print_line(found["sample_mb"] < SAMPLE_MB,
               f"resident, idle, with sample data: {found['sample_mb']:.1f} MB (under {SAMPLE_MB})")


def main():
    os.umask(0o077)
    settings, found = Settings(os.environ), {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("KIOPS_BENCH_DIR") or None) as folder:
        bench = Bench(settings, Path(folder))
        found["sample_mb"] = bench.sample_memory()
        bench.record()
        for durable in (True, False):
            results, found["memory_mb"], ready = bench.table(durable)
            found["ready_s"] = sorted(ready)[len(ready) // 2]
            print_results("durable" if durable else "not durable", results)
            print_own_part(results)
            found["durable" if durable else "not_durable"] = results.as_json()
        if not settings.whole:
            return
        found["lists"] = bench.lists()
    print()
    lists.report(found["lists"])
    remote.report(found["lists"]["remote"])
    print_memory(found, settings.sizes)
    (REPOSITORY / "build").mkdir(exist_ok=True)
    (REPOSITORY / "build/bench.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
