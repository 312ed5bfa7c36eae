"""A Lab whose directory has no kiops schema."""

from itertools import chain, count
from pathlib import Path

from kiopslab import plain
from lab import BINARY, Lab, free_port, without_address_randomisation
from scim import Scim


class PlainLab(Lab):
    """`slapd` and `bridge` are the settings of PlainSlapd and PlainBridge; `entries` are LDIF texts, by default a
    sample."""

    def __init__(self, folder, *, bridges=1, slapd=None, bridge=None, entries=plain.sample, make_slapd=plain.PlainSlapd):
        self.numbers, self.views, self.bridges, self.proxy = count(1), [], [], None
        self.slapd = make_slapd(Path(folder) / "slapd", free_port(), **(slapd or {}))
        self.slapd.create(chain(entries(self.slapd.passwords)))
        try:
            self.slapd.process.start()
            for n in range(bridges):
                self.add_bridge(Path(folder) / f"bridge-{n + 1}", **(bridge or {}))
        except BaseException:
            self.stop_all()
            raise

    def add_bridge(self, home, **settings):
        bridge = self.new_bridge(home, **settings)
        if not self.bridges:
            self.bridge = bridge
            self.token = self.new_token("e2e")
            self.scim = Scim(bridge.url, self.token)
        bridge.process.start()
        self.bridges.append(bridge)

    def new_bridge(self, home, **settings):
        """Its folder made, not started."""
        bridge = plain.PlainBridge(home, free_port(), BINARY, self.slapd, prefix=without_address_randomisation(), **settings)
        bridge.create()
        return bridge
