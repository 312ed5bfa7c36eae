"""mapping.extra_schemas: where the files are looked for, what is refused at start, and what a mapped extension does in
the directory. That every attribute works is test_discovery_truth.py."""

import base64
import json
import subprocess

import pytest
import truth
from lab import eventually
from scim import ENTERPRISE, PATCH, USER
from test_discovery_truth import DATA, EVERY, MAPPED, settings

BADGE = "urn:example:params:scim:schemas:extension:1.0:Badge"


def schema(number=0, **more):
    return {"id": f"urn:example:Thing{number}", "name": "Thing", "attributes": [{"name": "word"}]} | more


class Bench:
    """A configuration with schema files, read by the command line alone: no directory, no server."""

    def __init__(self, lab, folder):
        self.lab, self.folder, self.binary = lab, folder, lab.bridge.binary
        for name in ("ldap.password", "operator.password"):
            (folder / name).write_text("x")
            (folder / name).chmod(0o600)

    def run(self, extra, user="", command=("schema", "mapping")):
        listed = ", ".join(f'"{name}"' for name in extra)
        given = "mapping = {"
        text = self.lab.bridge.configuration.replace(
            given, f"{given} extra_schemas = [ {listed} ]; user = ( {user} );")
        conf = self.folder / "kiops-bridge.conf"
        conf.write_text(text)
        return subprocess.run([*self.lab.bridge.process.argv[:-3], "-c", str(conf), *command],
                              capture_output=True, text=True, check=False)


@pytest.fixture
def bench(lab, tmp_path):
    return Bench(lab, tmp_path)


# ---- files


def test_a_file_beside_the_configuration_comes_before_the_shipped_one(bench):
    shipped = bench.run(["examples/badge.json"])
    assert shipped.returncode == 0 and f"#   {BADGE}:number\n" in shipped.stdout
    (bench.folder / "examples").mkdir()
    (bench.folder / "examples/badge.json").write_text(json.dumps(schema()))
    beside = bench.run(["examples/badge.json"])
    assert "#   urn:example:Thing0:word\n" in beside.stdout and BADGE not in beside.stdout
    absolute = bench.run([str(DATA / "every_kind.json")], f'{{ scim = "{EVERY}:given"; ldap = "info"; }}')
    assert f'{{ scim = "{EVERY}:given"; ldap = "info"; direction = "read"; }}' in absolute.stdout


@pytest.mark.parametrize(("text", "says"), [
    (None, "is not there, nor in mapping.schema_dir"),
    ("", "own.json: "),
    ("{", "own.json: "),
    ('{"id": 1, "id": 2}', "own.json: "),
    ("[]", "is no Schema resource"),
    ('"text"', "is no Schema resource"),
    pytest.param(" " * (1024 * 1024 + 1), "is larger than 1 MB", id="large"),
    (json.dumps(schema(id="Thing")), 'id "Thing" is no URN'),
    (json.dumps(schema(id=USER)), "is there twice"),
    (json.dumps(schema(attributes=[{"name": "a b"}])), "attribute a b: name is not the name of an attribute"),
    (json.dumps(schema(attributes=[{"name": "a", "type": "number"}])),
     "attribute a: type must be one of string, boolean, decimal, integer, dateTime, reference, binary, complex"),
    (json.dumps(schema(attributes=[{"name": "a", "multiValued": "yes"}])), "attribute a: multiValued must be true or false"),
    (json.dumps(schema(attributes=[{"name": "a", "mutability": "readOnly"}])), "a is readOnly and stands in no LDAP attribute"),
])
def test_a_mistake_in_a_file_is_told_with_the_file(bench, text, says):
    if text is not None:
        (bench.folder / "own.json").write_text(text)
    done = bench.run(["own.json"])
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert "own.json: " in done.stderr or "mapping.user: urn:example:Thing0:a" in done.stderr
    serve = bench.run(["own.json"], command=["serve"])
    assert serve.returncode == 1 and says in serve.stderr


def test_a_folder_is_no_file(bench):
    (bench.folder / "own.json").mkdir()
    assert "is not a file" in bench.run(["own.json"]).stderr


def test_a_user_takes_six_extensions_and_no_seventh(bench, new_lab, tmp_path):
    names = []
    for number in range(7):
        names.append(str(tmp_path / f"thing{number}.json"))
        (tmp_path / f"thing{number}.json").write_text(json.dumps(schema(number)))
    assert "thing6.json: a User has at most 8 extensions" in bench.run(names).stderr
    listed = ", ".join(f'"{name}"' for name in names[:6])
    lab = new_lab(bridge={"mapping": f"extra_schemas = [ {listed} ];"})
    things = {f"urn:example:Thing{n}": {"word": f"w{n}"} for n in range(6)}
    user = lab.user(**things)
    got = lab.scim.get(f"/Users/{user['id']}").json
    assert {urn: got[urn] for urn in things} == things and set(got["schemas"]) == {USER, *things}
    for n in range(6):  # each alone: which one is there is told apart
        one = lab.user(**{f"urn:example:Thing{n}": {"word": f"alone{n}"}})
        assert one["schemas"] == [USER, f"urn:example:Thing{n}"]
        assert [u["id"] for u in lab.scim.find("Users", f'urn:example:Thing{n}:word eq "alone{n}"')] == [one["id"]]


# ---- in the directory


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    from lab import Lab
    made = Lab(tmp_path_factory.mktemp("mapped"), bridge=settings(MAPPED))
    yield made
    made.close()


def test_values_stand_in_ldap_in_the_form_of_ldap(mapped):
    view = mapped.view()
    sent = {"text": "Room 1", "exact": "https://x.org/A", "flag": False, "whole": -7, "when": "2026-01-05T10:00:00+02:00",
            "bytes": base64.b64encode(b"\0\xff\xfe").decode(), "texts": ["b", "a"], "numbers": [3, -1],
            "blobs": [base64.b64encode(b"\xff\0one").decode(), base64.b64encode(b"\xff\0two").decode()],
            "times": ["2026-01-05T08:00:00Z"], "box": {"inner": "i"}, "boxes": [{"value": "v", "type": "one"}], "secret": "S"}
    user = mapped.user(**{EVERY: sent})
    dn, entry = view.by_id(user["id"])
    found = {name: sorted(entry[name]) for name in MAPPED.values() if name in entry and name not in ("audio", "userPKCS12")}
    assert found == {
        "roomNumber": ["Room 1"], "labeledURI": ["https://x.org/A"], "carLicense": ["FALSE"],
        "physicalDeliveryOfficeName": ["-7"], "postOfficeBox": ["20260105080000Z"], "businessCategory": ["a", "b"],
        "ou": ["-1", "3"], "street": ["20260105080000Z"], "initials": ["i"], "description": ["v"], "destinationIndicator": ["S"]}
    raw = view.link.search_s(dn, 0, "(objectClass=*)", ["audio", "userPKCS12"])[0][1]
    assert sorted(raw["audio"]) == [b"\xff\0one", b"\xff\0two"] and raw["userPKCS12"] == [b"\0\xff\xfe"]
    # One blob less: the attribute has no equality, and the other value stays.
    mapped.scim.patch(f"/Users/{user['id']}", ("replace", f"{EVERY}:blobs", sent["blobs"][:1])).expect(200)
    assert view.link.search_s(dn, 0, "(objectClass=*)", ["audio"])[0][1]["audio"] == [b"\xff\0one"]


def test_an_edit_made_in_ldap_shows_and_wins(mapped):
    view = mapped.view()
    user = mapped.user()
    dn, _ = view.by_id(user["id"])
    view.modify(dn, ("add", "x121Address", "12345"), ("add", "physicalDeliveryOfficeName", "12"),
                ("add", "postOfficeBox", "20260105090000+0100"), ("add", "ou", ["4", "four"]))
    at = f"/Users/{user['id']}"
    got = eventually(lambda: EVERY in (seen := mapped.scim.get(at).json) and seen)
    assert got[EVERY] == {"given": "12345", "whole": 12, "when": "2026-01-05T08:00:00Z", "numbers": [4]}
    assert got["schemas"] == [USER, EVERY] and got["meta"]["version"] != user["meta"]["version"]
    assert [u["id"] for u in mapped.scim.find("Users", f'{EVERY}:given eq "12345"')] == [user["id"]]
    assert [u["id"] for u in mapped.scim.find("Users", f"{EVERY}:whole gt 11 and {EVERY}:whole lt 13")] == [user["id"]]
    # What is read-only is not the client's to take away either, not even with the whole extension.
    left = mapped.scim.patch(at, ("remove", EVERY)).expect(200)
    assert left[EVERY] == {"given": "12345"}
    view.modify(dn, ("delete", "x121Address", None))
    eventually(lambda: EVERY not in mapped.scim.get(at).json["schemas"])


def test_what_ldap_lost_does_not_stand_in_the_way_of_a_patch(new_lab, tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(schema(attributes=[{"name": "word", "required": True}, {"name": "more"}])))
    lab = new_lab(bridge={"mapping": f'extra_schemas = [ "{tmp_path}/own.json" ];'
                                     ' user = ( { scim = "urn:example:Thing0:word"; ldap = "carLicense"; } );'})
    lab.scim.post("/Users", {"schemas": [USER], "userName": "half", "urn:example:Thing0": {"more": "m"}}).expect(400)
    user = lab.user(**{"urn:example:Thing0": {"word": "w", "more": "m"}})
    view, at = lab.view(), f"/Users/{user['id']}"
    view.modify(view.by_id(user["id"])[0], ("delete", "carLicense", None))
    eventually(lambda: "word" not in lab.scim.get(at).json["urn:example:Thing0"])
    assert lab.scim.patch(at, ("replace", "title", "T")).expect(200)["urn:example:Thing0"] == {"more": "m"}
    lab.scim.patch(at, ("remove", "urn:example:Thing0")).expect(200)


def test_check_tells_what_the_server_cannot_hold(bench):
    rows = {"given": "noSuchName", "texts": "preferredLanguage", "bytes": "userCertificate;binary", "text": "ROOMNUMBER",
            "exact": "serialNumber", "word": "streetAddress"}
    user = ", ".join(f'{{ scim = "{EVERY}:{name}"; ldap = "{ldap}"; }}' for name, ldap in rows.items())
    for name, password in (("ldap", bench.lab.bridge.passwords.bridge), ("operator", bench.lab.bridge.passwords.operator)):
        (bench.folder / f"{name}.password").write_text(password)
    told = bench.run([str(DATA / "every_kind.json")], user, command=["check"]).stdout
    for line in (f"missing: mapping.user: {EVERY}:given = noSuchName: the server knows no such attribute",
                 f"advice: mapping.user: {EVERY}:texts = preferredLanguage: it takes one value where SCIM has many",
                 f"advice: mapping.user: {EVERY}:exact = serialNumber: no class of directory.users.object_classes allows it",
                 f"advice: mapping.user: {EVERY}:word = streetAddress: another line has this attribute"):
        assert line in told, told
    assert told.count("mapping.user") == 4, told


def test_certificates_live_in_ldap_where_they_are_mapped(new_lab):
    lab = new_lab(bridge={"mapping": 'user = ( { scim = "x509Certificates"; ldap = "userCertificate;binary"; } );'})
    view, (first, second) = lab.view(), (DATA / "certificates.txt").read_text().split()
    sent = [{"value": first, "type": "work", "primary": True}, {"value": second}]
    user = lab.user(x509Certificates=sent)
    at, (dn, _) = f"/Users/{user['id']}", view.by_id(user["id"])

    def certificates():
        entry = view.link.search_s(dn, 0, "(objectClass=*)", ["userCertificate;binary"])[0][1]
        return {base64.b64encode(value).decode() for value in entry.get("userCertificate;binary", [])}

    assert certificates() == {first, second} and lab.scim.get(at)["x509Certificates"] == sent
    lab.scim.patch(at, ("remove", f'x509Certificates[value eq "{second}"]')).expect(200)
    assert certificates() == {first} and lab.scim.get(at)["x509Certificates"] == sent[:1]
    view.modify(dn, ("add", "userCertificate;binary", base64.b64decode(second)))
    eventually(lambda: lab.scim.get(at)["x509Certificates"] == sent)
    answer = lab.scim.patch(at, ("replace", "x509Certificates", [{"value": "AAAA"}])).expect(400)
    assert answer["scimType"] == "invalidValue" and "userCertificate" in answer["detail"]
    lab.scim.patch(at, ("remove", "x509Certificates")).expect(200)
    assert not certificates() and "x509Certificates" not in lab.scim.get(at).json


# ---- large values


def photo(size):
    """Base64 of that many characters."""
    return base64.b64encode(b"\0" * (size // 4 * 3)).decode()


def test_values_pass_up_to_the_limit_and_the_error_names_it(mapped):
    path = f"{EVERY}:bytes"
    for attr in ("bytes", "link"):  # in LDAP, and in kiopsResource
        limit = 64 * 1024
        value = photo(limit) if attr == "bytes" else "https://x.org/" + "a" * (limit - 14)
        user = mapped.user(**{EVERY: {attr: value}})
        got = mapped.scim.get(f"/Users/{user['id']}").json
        assert got[EVERY][attr] == value
        assert mapped.scim.patch(f"/Users/{user['id']}", ("replace", "title", "T")).expect(200)[EVERY][attr] == value
        answer = mapped.scim.post("/Users", {"schemas": [USER], "userName": "large", EVERY: {attr: value + "AAAA"}}).expect(400)
        assert answer["scimType"] == "invalidValue" and "bytes of at most 65536" in answer["detail"] and attr in answer["detail"]
    certificates = [{"value": photo(16 * 1024 + 4 * n)} for n in range(4)]
    user = mapped.user(x509Certificates=certificates)
    assert truth.holds(mapped.scim.get(f"/Users/{user['id']}").json["x509Certificates"], certificates)
    mapped.scim.patch(f"/Users/{user['id']}", ("remove", path)).expect(200)


def test_an_attribute_that_is_called_as_a_reference_is_none(new_lab, tmp_path):
    """In a bulk "bulkId:x" refers only where a schema says that something refers."""
    attributes = [{"name": "manager"}, {"name": "members", "multiValued": True}]
    (tmp_path / "own.json").write_text(json.dumps(schema(attributes=attributes)))
    lab = new_lab(bridge={"mapping": f'extra_schemas = [ "{tmp_path}/own.json" ];'})
    own = {"manager": "bulkId:nobody", "members": ["bulkId:x", "bulkId:nobody"]}
    boss = {"method": "POST", "path": "/Users", "bulkId": "x", "data": {"schemas": [USER], "userName": "the-boss"}}
    made = {"method": "POST", "path": "/Users", "bulkId": "y",
            "data": {"schemas": [USER], "userName": "the-own", "urn:example:Thing0": own, "name": {"manager": "bulkId:nobody"},
                     ENTERPRISE: {"manager": {"value": "bulkId:x"}}}}
    change = {"method": "PATCH", "path": "/Users/bulkId:y", "data": {"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": "urn:example:Thing0:manager", "value": "bulkId:other"},
        {"op": "replace", "path": "urn:example:Thing0", "value": {"members": ["bulkId:x"]}}]}}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [boss, made]}
    answers = lab.scim.post("/Bulk", body).expect(200)["Operations"]
    assert [a["status"] for a in answers] == ["201", "201"], answers
    ids = {a["bulkId"]: a["location"].rpartition("/")[2] for a in answers}
    user = lab.scim.get(f"/Users/{ids['y']}")
    assert user["urn:example:Thing0"] == own and user[ENTERPRISE]["manager"]["value"] == ids["x"]
    change["path"] = f"/Users/{ids['y']}"
    answers = lab.scim.post("/Bulk", {**body, "Operations": [change]}).expect(200)["Operations"]
    assert [a["status"] for a in answers] == ["200"], answers
    assert lab.scim.get(f"/Users/{ids['y']}")["urn:example:Thing0"] == {"manager": "bulkId:other", "members": ["bulkId:x"]}
