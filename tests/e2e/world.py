"""People and organizations made directly in the directory, in states that an operation is to meet, and what the
bridge's account then did to them, read from the server's auditlog with everything random masked."""

import os
import re
import subprocess
import time
from pathlib import Path

import checker
from checker import fold
from kiopslab import site
from kiopslab.directories import kind
from lab import eventually
from scim import KIOPS_ORGANIZATION, KIOPS_USER

BEFORE = "20260105080000Z"  # a join of long ago: what an operation keeps of it shows
CHANGE = str(Path(os.environ.get("KIOPS_TOOLS", "build/asan/tools"), "change"))
PERMISSIONS = ("infra", "service", "backup", "device", "database", "vpn", "audit")
# In small letters: slapd's, then 389-ds's.
OPERATIONAL = {"entrycsn", "contextcsn", "modifiersname", "modifytimestamp", "structuralobjectclass", "entryuuid", "creatorsname",
               "createtimestamp", "entryusn", "nsuniqueid", "entryid", "parentid", "numsubordinates", "passwordgraceusertime", "tombstonenumsubordinates"}
ABOVE = {("objectClass", name) for name in ("top", "person", "organizationalPerson")}


def auditlog(folder):
    """Settings of Slapd with the overlay, which Ds389 understands too; the file stands in `folder`."""
    return {"modules": "moduleload auditlog", "overlays": f"overlay auditlog\nauditlog {folder}/auditlog.ldif"}


def written(lab, view, log, since):
    """What was written into it from there on. 389-ds writes after its answer: so until a change of ours stands behind."""
    if kind() == "389ds":
        mark = f"written {lab.number()}"
        view.modify(site.SERVICES, ("replace", "description", mark))
        eventually(lambda: f"description: {mark}\n".encode() in Path(log).read_bytes()[since:])
    return Path(log).read_bytes()[since:].decode()


class World:
    """The subjects of one case. Names are short ("kim", "A"); in the directory they carry the case's mark, so that
    many worlds stand side by side. `young`: everybody has joined, and asked, just now."""

    def __init__(self, lab, log=None, young=False):
        self.lab, self.log, self.admin = lab, log, lab.view()
        self.joined = time.strftime("%Y%m%d%H%M%SZ", time.gmtime()) if young else BEFORE
        self.mark = f"w{lab.number()}"
        self.ids, self.dns = {}, {}
        self.log_from = 0

    # ---- making

    def organization(self, name, *, open=False, managed=False, members=(), owners=()):
        dn = site.organization_dn(f"{self.mark} {name}")
        classes = ["groupOfNames", "kiopsOrganization"] + ["kiopsManagedOrganization"] * managed
        values = {"owner": [site.PLACEHOLDER]} if managed else {}
        self.admin.add(dn, objectClass=classes, cn=f"{self.mark} {name}", member=[site.PLACEHOLDER],
                       kiopsJoinPolicy="open" if open else "closed", **values)
        self.know(name, dn)
        self.put(name, members, owners)

    def put(self, name, members=(), owners=()):
        """DNs into the group's sides, by hand."""
        changes = [("add", "member", [self.dn(m) for m in members])] if members else []
        if owners and "owner" not in self.admin.get(self.dns[name]):
            changes += [("add", "objectClass", "kiopsManagedOrganization")]
        changes += [("add", "owner", [self.dn(o) for o in owners])] if owners else []
        if changes:
            self.admin.modify(self.dns[name], *changes)

    def person(self, name, *, member=(), manager=(), permissions=(), values=(), active=True, platform=False):
        """A Member of each of `member`, a Manager of each of `manager`, both sides. `values`: further (attribute,
        text) of the entry, where {A} stands for the id of A."""
        given = [("kiopsJoined", f"{{{o}}}:{BEFORE}.0000000{n}") for n, o in enumerate((*member, *manager), 1)]
        given += [("kiopsManager", f"{{{o}}}") for o in manager]
        given += [("kiopsPermission", f"{{{o}}}:{p}") for o, p in permissions]
        given += [("kiopsJoined", f"platform:{BEFORE}.00000009")] if platform else []
        entry = {}
        for attribute, text in (*given, *values):
            entry.setdefault(attribute, []).append(text.format(**self.ids).replace(BEFORE, self.joined))
        uid, dn = f"{self.mark}{name}", self.dn(name)
        self.admin.add(dn, objectClass=["inetOrgPerson", "kiopsUser"], uid=uid, cn=uid, sn=uid,
                       kiopsActive="TRUE" if active else "FALSE", **entry)
        self.know(name, dn)
        for o in (*member, *manager):
            self.put(o, members=[name], owners=[name] if o in manager else [])
            if o in manager and site.PLACEHOLDER in self.admin.get(self.dns[o])["owner"]:
                self.admin.modify(self.dns[o], ("delete", "owner", site.PLACEHOLDER))
        if platform:
            self.admin.modify(site.ADMINS, ("add", "member", dn))

    def know(self, name, dn):
        self.dns[name] = dn
        self.ids[name] = self.admin.get(dn)["entryUUID"][0]

    def dn(self, name):
        return self.dns.get(name) or site.user_dn(f"{self.mark}{name}")

    def settle(self):
        """Waits until the bridge has seen all of it; what follows is recorded."""
        for name, dn in self.dns.items():
            eventually(lambda name=name, dn=dn: self.is_seen(name, dn), within=10)
        if self.log:
            self.log_from = Path(self.log).stat().st_size

    def is_seen(self, name, dn):
        entry = self.admin.get(dn)
        if "groupOfNames" in entry["objectClass"]:
            shown = self.lab.scim.get(f"/Groups/{self.ids[name]}")
            people = {self.ids.get(n) for n, d in self.dns.items() if fold(d) in map(fold, entry["member"])}
            return shown.status == 200 and {m["value"] for m in shown.json.get("members", ())} == people - {None}
        shown = self.lab.scim.get(f"/Users/{self.ids[name]}")
        if shown.status != 200 or shown["active"] != (entry["kiopsActive"] == ["TRUE"]):
            return False
        memberships = shown.json.get(KIOPS_USER, {}).get("memberships", ())
        pending = {v.split(":")[0] for v in entry.get("kiopsRequest", ())}
        return pending >= {m["value"] for m in memberships if m["status"] == "pending"} and \
            {m["value"] for m in memberships if m.get("joinDate")} <= {v.split(":")[0] for v in entry.get("kiopsJoined", ())}

    # ---- asking

    def members(self, operation, organization, *names, **options):
        ids = [{"value": self.ids[n]} for n in names]
        if operation == "add":
            return self.lab.scim.patch(f"/Groups/{self.ids[organization]}", ("add", "members", ids), **options)
        which = " or ".join(f'value eq "{i["value"]}"' for i in ids)
        return self.lab.scim.patch(f"/Groups/{self.ids[organization]}", ("remove", f"members[{which}]"))

    def managers(self, operation, organization, name):
        path = f"{KIOPS_ORGANIZATION}:managers"
        change = ("add", path, [{"value": self.ids[name]}]) if operation == "add" else \
            ("remove", f'{path}[value eq "{self.ids[name]}"]')
        return self.lab.scim.patch(f"/Groups/{self.ids[organization]}", change)

    def user(self, name, *operations, **options):
        return self.lab.scim.patch(f"/Users/{self.ids[name]}", *operations, **options)

    def change(self, kind, name, organization="-", *permission, actor=None):
        """One change of a membership by the tool; `actor` is a person's name, else a token."""
        who = f"person:{self.ids[actor]}" if actor else "token:e2e"
        done = subprocess.run([*self.lab.bridge.process.argv[:-4], CHANGE, str(self.lab.bridge.conf), who, kind, self.ids[name],
                               self.ids.get(organization, "-"), *permission], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1) and done.stdout, done.stderr
        return Said(done.stdout.strip())

    # ---- what was done

    def mask(self, text):
        for name, uuid in self.ids.items():
            text = text.replace(uuid, f"<{name}>")
        text = text.replace(site.PLACEHOLDER, "nobody").replace(site.ADMINS, "the platform group")
        text = text.replace(f",{site.PEOPLE}", "").replace(f",{site.ORGANIZATIONS}", "").replace(self.mark + " ", "")
        text = text.replace(self.mark, "").replace(BEFORE, "BEFORE")
        return re.sub(r"\b20\d{12}Z\b", "NOW", text)

    def learn(self):
        """What the request itself has made."""
        for base in (site.PEOPLE, site.ORGANIZATIONS):
            for dn, entry in self.admin.find(base, f"(|(uid={self.mark}*)(cn={self.mark} *))").items():
                if entry["entryUUID"][0] not in self.ids.values():
                    self.ids[self.mask(dn).partition("=")[2]] = entry["entryUUID"][0]

    def sent(self):
        """The bridge's changes since settle(), as lines."""
        numbers, lines = {}, []
        self.learn()
        for kind, dn, changes in read_auditlog(written(self.lab, self.admin, self.log, self.log_from)):
            lines.append(f"{kind} {self.mask(dn)}")
            lines += [f"  {op} {attribute} {self.mask(shown(attribute, value))}".rstrip()
                      for op, attribute, value in shortened(changes)]

        def number(match):
            return f".R{numbers.setdefault(match[1], len(numbers) + 1)}"

        return re.sub(r"\.([0-9a-f]{8})\b", number, "\n".join(lines) + "\n" * bool(lines))

    def picture(self):
        p = self.lab.slapd.passwords.root
        return checker.Picture(self.lab.slapd.uri, site.ROOT, p, site.PEOPLE, site.ORGANIZATIONS, site.PLACEHOLDER)

    def state(self):
        """All values of the subjects that an operation may touch, masked: two runs of one case end in the same."""
        found = {}
        self.learn()
        for base in (site.PEOPLE, site.ORGANIZATIONS):
            for dn, entry in self.admin.find(base, f"(|(uid={self.mark}*)(cn={self.mark} *))").items():
                kept = {a: sorted(self.mask(re.sub(r"\.[0-9a-f]{8}$", "", shown(a, v))) for v in values)
                        for a, values in entry.items()
                        if a.startswith("kiops") or a in ("member", "owner", "uid", "cn", "objectClass", "displayName")}
                found[self.mask(dn)] = kept
        admins = self.admin.get(site.ADMINS)["member"]
        found["platform"] = sorted(self.mask(dn) for dn in admins if self.mark in dn)
        return found

    def authority(self):
        """What counts (DESIGN 3.2), and what other programs read: a set of words, by id."""
        self.learn()
        now, words = self.picture(), set()
        person_of = {dn: values["entryuuid"][0] for dn, values in now.people.items()}
        mine = {self.ids[n] for n in self.ids}
        for organization in mine & now.organizations.keys():
            words |= {("member", organization, person_of[dn]) for dn in now.members(organization) if dn in person_of}
            words |= {("owner", organization, person_of[dn]) for dn in now.owners(organization) if dn in person_of}
            words |= {("manages", organization, person_of[dn]) for dn in now.managers(organization)}
        admins = {fold(dn) for dn in self.admin.get(site.ADMINS)["member"]}
        for dn, person in now.people.items():
            if person_of[dn] not in mine and self.mark not in dn:
                continue
            active = person.get("kiopsactive", ["TRUE"])[0] != "FALSE"
            words |= {("permission", v, person_of[dn]) for v in person.get("kiopspermission", ()) if active}
            if active and dn in admins and any(v.startswith("platform:") for v in person.get("kiopsjoined", ())):
                words.add(("platform", "admin", person_of[dn]))
        return words

    def named(self, words):
        """Those of authority() with the names of the case for ids."""
        self.learn()
        return {tuple(self.mask(part) for part in word) for word in words}

    def forget(self):
        """Out of the platform group, where the subjects of other worlds would be seen."""
        for dn in self.admin.get(site.ADMINS)["member"]:
            if self.mark in dn:
                self.admin.modify(site.ADMINS, ("delete", "member", dn))


class Said:
    """What the tool said, in the shape of an answer."""

    def __init__(self, text):
        kind, _, rest = text.partition(" ")
        self.word, self.text = kind, text
        self.rule = rest.split(" ")[0] if rest.startswith("KB-") else None

    @property
    def done(self):
        return self.word in ("done", "nothing")

    def __str__(self):
        return " ".join(filter(None, (self.word, self.rule)))


def answer_of(answer):
    """Status and rule, or the tool's word."""
    if isinstance(answer, Said):
        return str(answer)
    rule = answer.rule if answer.status >= 400 and answer.text else None
    return " ".join(filter(None, (str(answer.status), rule)))


def shown(attribute, value):
    if attribute.lower() == "kiopsresource":
        return "{...}"
    return "..." if attribute.lower() == "userpassword" else value


def shortened(changes):
    """`add V; delete V` is the proof that V is absent, `delete V; add V` that it is there (DESIGN 3.3)."""
    out = []
    for op, attribute, value in changes:
        if out and out[-1][1:] == (attribute, value) and attribute != "kiopsResource" and {out[-1][0], op} == {"add", "delete"}:
            out[-1] = ("absent" if op == "delete" else "there", attribute, value)
        else:
            out.append((op, attribute, value))
    return out


def read_auditlog(text):
    """(kind, dn, [(op, attribute, value)]) of each change by the bridge's account, from what slapd or 389-ds has written."""
    for block in re.findall(r"^# (?:add|modify|delete|modrdn) .*?^# end |^time: .*?(?:\n\n|\Z)", text, re.M | re.S):
        head, *lines = block.replace("\n ", "").strip("\n").splitlines()
        if head.startswith("time:"):  # 389-ds names who it was in the change itself
            head = next((line for line in reversed(lines) if line.lower().startswith("modifiersname: ")), "")
            lines = [line for line in lines if not line.startswith("result: ")]
        else:
            lines.pop()
        if site.BRIDGE not in head:
            continue
        pairs = [line.partition(":")[::2] for line in lines]
        dn, kind = pairs[0][1].strip(), pairs[1][1].strip()
        yield kind, dn, list(changes_of(kind, pairs[2:]))


def changes_of(kind, pairs):
    """389-ds adds the classes above a class to an `add`, and leaves the `-` alone of an `add` whose value the same modify
    deletes again."""
    if kind != "modify":
        for name, value in pairs:
            if name.lower() not in OPERATIONAL and name and (name, plain(value)) not in ABOVE:
                yield ("add" if kind == "add" else "with"), name, plain(value)
        return
    op = attribute = None
    empty = undone = False
    for name, value in pairs:
        if name == "-":
            if op is None:
                undone = True
            elif empty and attribute.lower() not in OPERATIONAL:
                yield op, attribute, ""
            op = None
        elif op is None:
            op, attribute, empty = name, value.strip(), True
        elif attribute.lower() not in OPERATIONAL:
            yield "absent" if undone else op, attribute, plain(value)
            empty = undone = False


def plain(value):
    import base64
    return base64.b64decode(value[1:].strip()).decode(errors="replace") if value.startswith(":") else value.strip()
