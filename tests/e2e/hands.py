"""A process that makes changes as the service makes them, for rows of DESIGN 3.3 that have no HTTP door yet."""

import os
import subprocess
from itertools import count

from kiopslab.bridge import REPOSITORY

TOOLS = os.environ.get("KIOPS_TOOLS", str(REPOSITORY / "build/asan/tools"))


NUMBERS = count(1)


class Hand:
    """tests/tools/change.c beside the bridge whose configuration it takes, but with an audit of its own. `actor`:
    token:NAME or person:ID. `past`: (address, another one) of the directory, to go past a proxy."""

    def __init__(self, bridge, actor, past=("", "")):
        name = f"hand-{next(NUMBERS)}"
        conf = bridge.home / f"{name}.conf"
        (bridge.home / name).mkdir(mode=0o700)
        conf.write_text(bridge.configuration.replace(*past).replace('audit = { dir = "audit"', f'audit = {{ dir = "{name}"'))
        self.process = subprocess.Popen([f"{TOOLS}/change", str(conf), actor, "-"], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert (said := self.process.stdout.readline().strip()) == "ready", said

    def __call__(self, *words):
        """"done", "nothing", or what refused it: "CONFLICT KB-R07 ..."."""
        self.process.stdin.write(" ".join(words) + "\n")
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        errors = self.process.communicate()[1]
        assert self.process.returncode == 0 and "Sanitizer" not in errors, errors
