"""How long the SCIM client takes to read 100,000 people of a warm provider: the bridge, over one connection."""

import os
import resource
import subprocess

from table import print_line

READ_S = 8.0


def measure(stage, tool):
    """{paging: (seconds, of which the client computed, people)}; the second reading of each, when the provider is warm."""
    token, found = stage.folder / "remote.token", {}
    token.touch(mode=0o600)
    token.write_text(stage.token)
    for paging in ("index", "cursor"):
        for _ in range(2):
            cpu = computed()
            done = subprocess.run([tool, stage.bridge.url, token, "--paging", paging], input="count Users\n",
                                  capture_output=True, text=True, check=True)
            word, number, seconds = done.stdout.split()
            if word != "end":
                raise RuntimeError(done.stdout)
            found[paging] = float(seconds), computed() - cpu, int(number)
    return found


def computed():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(found):
    for paging, (seconds, cpu, number) in found.items():
        print_line(seconds < READ_S, f"{number:,} users read from a warm bridge by {paging}: {seconds:.2f} s, "
                                     f"the client computed {cpu:.2f} (under {READ_S})")


def tool_of(binary):
    return os.fspath(binary.parent / "tools" / "remote")
