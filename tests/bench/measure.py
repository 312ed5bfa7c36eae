"""Runs the two programs and reads what they print: load (HTTP) and raw (LDAP)."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from kiopslab import site
from kiopslab.bridge import THREADS
from lab import free_port

BODY = 1400  # bytes, as a user's


@dataclass
class Rate:
    per_s: float
    p50_ms: float
    p99_ms: float
    done: int
    cpu_us: float = 0.0  # of the bridge, for each request


class Programs:
    def __init__(self, folder, binaries):
        self.folder, self.binaries, self.number = Path(folder), Path(binaries), 0

    def write(self, lines):
        self.number += 1
        path = self.folder / f"list-{self.number}"
        path.write_text("".join("\t".join(line) + "\n" for line in lines))
        return path

    def load_command(self, stage, request, items, connections, seconds, most=0, minimal=False, port=None):
        method, target, *body = request
        words = [str(self.binaries / "load"), "-p", str(port or stage.port), "-c", str(connections),
                 "-t", str(seconds), "-H", str(stage.header_minimal if minimal else stage.header)]
        if items:
            words += ["-i", str(self.write(item[:2] for item in items))]
            most = min(most, len(items))
        if most:
            words += ["-n", str(most)]
        return [*words, method, "/scim/v2" + target, *body]

    def load(self, stage, *what, **settings):
        cpu = stage.cpu_s()
        done = subprocess.run(self.load_command(stage, *what, **settings), capture_output=True,
                              text=True, check=False)
        rate = rate_of_load(done.stdout, done.stderr)
        rate.cpu_us = (stage.cpu_s() - cpu) * 1e6 / max(rate.done, 1)
        return rate

    def library(self, stage, request, items, connections, seconds):
        """The same requests to the HTTP library alone, which answers each with as many bytes."""
        port = free_port()
        with subprocess.Popen([str(self.binaries / "http"), str(port), str(THREADS), str(BODY)],
                              stdout=subprocess.PIPE, text=True) as alone:
            try:
                if alone.stdout.readline() != "ready\n":
                    raise RuntimeError("http: did not start")
                done = subprocess.run(
                    self.load_command(stage, request, items, connections, seconds, port=port),
                    capture_output=True, text=True, check=False)
            finally:
                alone.kill()
        return rate_of_load(done.stdout, done.stderr)

    def raw(self, stage, script, items, connections, seconds, again=False):
        """`again`: the items are taken round and round."""
        options = ["-r"] if again else []
        done = subprocess.run(
            [str(self.binaries / "raw"), *options, stage.slapd.uri, site.BRIDGE, str(stage.secret),
             str(self.write(script)), str(self.write(items)), str(connections), str(seconds)],
            capture_output=True, text=True, check=False)
        if done.returncode != 0 or done.stdout.split()[5] != "0":
            raise RuntimeError(f"raw: {done.stdout} {done.stderr}")
        count, _, per_s, p50, p99, _ = done.stdout.split()
        return Rate(float(per_s), float(p50) / 1000, float(p99) / 1000, int(count))


def rate_of_load(text, complaint):
    words = dict(word.split("=") for word in text.split())
    if not words or (int(words["failed"]) and words["first_bad"] != "404"):
        raise RuntimeError(f"load: {text} {complaint}")
    return Rate(float(words["per_s"]), float(words["p50_ms"]), float(words["p99_ms"]),
                int(words["requests"]))
