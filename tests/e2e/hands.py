"""A process that makes changes as the service makes them, for rows of DESIGN 3.3 that have no HTTP door yet."""

import os
import subprocess

from kiopslab.bridge import REPOSITORY

TOOLS = os.environ.get("KIOPS_TOOLS", str(REPOSITORY / "build/asan/tools"))


class Hand:
    """tests/tools/change.c beside the bridge whose configuration it takes. `actor`: token:NAME or person:ID."""

    def __init__(self, bridge, actor):
        self.process = subprocess.Popen([f"{TOOLS}/change", str(bridge.conf), actor, "-"], text=True, bufsize=1,
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
