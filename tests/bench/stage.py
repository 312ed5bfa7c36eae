"""The directory and the bridge that a bench runs on: people who are nowhere yet, organizations of
known sizes, and the way back to how they were."""

import os
import time
from itertools import chain
from pathlib import Path

import ldap

from kiopslab import entries, site
from kiopslab.bridge import Bridge
from kiopslab.slapd import Slapd
from lab import free_port

IDS = entries.Ids("bench")
PIPELINED = 200  # slapd ends a session with a thousand requests waiting


def bench_dn(name):
    return site.organization_dn(name)


class Sizes:
    """How much of everything. `organizations`: {members: how many organizations have so many}."""

    def __init__(self, users, organizations, pool, groups):
        self.users, self.organizations, self.pool, self.groups = users, organizations, pool, groups

    def people(self):
        """The generated people, then those who are in no organization."""
        yield from entries.generated(self.users - self.pool, self.organizations - sum(self.groups.values()))
        for n in range(self.pool):
            yield entries.person(f"pool{n:06d}", f"Given{n % 1000}", f"Pool{n}", IDS.uuid(), ())

    def filled(self):
        """{organization: its members}"""
        return {f"Bench {size} {n}": [f"user{m:06d}" for m in range(size)]
                for size, count in self.groups.items() for n in range(count)}

    def entries(self):
        yield from self.people()
        for name, members in self.filled().items():
            yield entries.organization(name, IDS.uuid(), "closed", (), members)


class Stage:
    def __init__(self, folder, sizes, *, binary, durable):
        self.folder, self.sizes, self.durable = Path(folder), sizes, durable
        self.binary, self.number, self.ready_s = binary, 0, []
        self.slapd = Slapd(self.folder / "slapd", free_port(), durable=durable)
        people = sizes.entries() if sizes else ()
        self.slapd.create(chain(entries.sample(self.slapd.passwords), people))
        self.slapd.process.start()
        self.root = ldap.initialize(self.slapd.uri)
        self.root.simple_bind_s(site.ROOT, self.slapd.passwords.root)
        self.secret = self.folder / "bridge.password"
        self.secret.touch(mode=0o600)
        self.secret.write_text(self.slapd.passwords.bridge)
        self.bridge, self.token = None, None
        self.header, self.header_minimal = self.folder / "header", self.folder / "header-minimal"

    def start(self, sync=None, uri=None):
        """A bridge in a new folder, ready; `sync` durable or not, else as the directory."""
        self.number += 1
        durable = self.durable if sync is None else sync
        self.bridge = Bridge(self.folder / f"bridge-{self.number}", free_port(), self.binary,
                             self.slapd, durable=durable, uri=uri)
        self.bridge.create()
        if not self.token:
            self.token = self.bridge.new_token("bench", "--role", "PlatformAdmin", "--client",
                                               site.CLIENT)
            line = f"Authorization: Bearer {self.token}\n"
            self.header.write_text(line)
            self.header_minimal.write_text(line + "Prefer: return=minimal\n")
        begin = time.monotonic()
        self.bridge.process.start()
        self.ready_s.append(time.monotonic() - begin)

    def stop(self):
        if self.bridge:
            self.bridge.process.stop()
            self.bridge = None

    def close(self):
        self.stop()
        self.root.unbind_s()
        self.slapd.process.stop()

    @property
    def port(self):
        return int(self.bridge.url.split(":")[2].split("/")[0])

    def memory_mb(self):
        return status_of(self.bridge.process.pid(), "VmRSS") / 1024

    def cpu_s(self):
        """What the bridge has computed so far."""
        words = Path(f"/proc/{self.bridge.process.pid()}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def ids(self, base, condition, name):
        """{name: entryUUID}"""
        found = self.root.search_s(base, ldap.SCOPE_ONELEVEL, condition, [name, "entryUUID"])
        return {e[name][0].decode(): e["entryUUID"][0].decode() for _, e in found}

    def members(self):
        """{user: (organization, user's id, kiopsJoined, cn)} of Members of one organization without a permission."""
        names = {uuid: cn for cn, uuid in self.ids(site.ORGANIZATIONS, "(cn=Organization *)", "cn").items()}
        found = self.root.search_s(site.PEOPLE, ldap.SCOPE_ONELEVEL,
                                   "(&(uid=user*)(kiopsJoined=*)(!(kiopsPermission=*))(!(kiopsManager=*)))",
                                   ["uid", "entryUUID", "kiopsJoined"])
        out = {}
        for _, e in found:
            joined = e["kiopsJoined"][0].decode()
            group = joined.split(":")[0]
            if len(e["kiopsJoined"]) == 1:
                out[e["uid"][0].decode()] = group, e["entryUUID"][0].decode(), joined, names[group]
        return out

    def take_permissions_back(self, people):
        self.change_all([(site.user_dn(uid), [(ldap.MOD_REPLACE, "kiopsPermission", None)]) for uid in people])

    def take_members_back(self, size, people):
        """The organizations of that size and these people as they were made."""
        changes = [(site.user_dn(uid), [(ldap.MOD_REPLACE, "kiopsJoined", None)]) for uid in people]
        for name, members in self.sizes.filled().items():
            if name.split()[1] == str(size):
                values = [site.PLACEHOLDER, *(site.user_dn(uid) for uid in members)]
                changes.append((bench_dn(name), [
                    (ldap.MOD_REPLACE, "member", [v.encode() for v in values])]))
        self.change_all(changes)

    def change_all(self, changes):
        for at in range(0, len(changes), PIPELINED):
            for message in [self.root.modify(*change) for change in changes[at:at + PIPELINED]]:
                self.root.result(message)


def status_of(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)
