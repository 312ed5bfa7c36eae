"""`check` where not LDIF mends, but a line of the configuration, a file or another server: each is named, what its text says
is done, and `check` is content."""

import pytest
from ground import CONFIG_DATABASE, DATABASE, FRONTEND, Ground
from kiopslab import site
from kiopslab.slapd import Slapd
from lab import Lab, free_port
from test_discovery_truth import DATA, EVERY

PEOPLE = f'create_in = "{site.PEOPLE}";'


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = []

    def make(**settings):
        made.append(Lab(tmp_path_factory.mktemp("deeds"), **settings))
        return made[-1]

    yield Ground(make)
    made[0].close()


@pytest.fixture
def ground(shared):
    """One directory for all: behind each test the bridge's files are as they were, and the rules."""
    rules = {dn: shared.values(dn, "olcAccess") for dn in (DATABASE, CONFIG_DATABASE)}
    yield shared
    shared.bridge.write_files()
    for dn, before in rules.items():
        if shared.values(dn, "olcAccess") != before:
            shared.config.modify(dn, ("replace", "olcAccess", before))


def text_of(ground, code):
    return next(f["text"] for found in ground.look()[1:] for f in found if f["code"] == code)


def fit(ground):
    status, *found = ground.look()
    assert (status, found) == (0, [[], []]), found


def as_before(ground):
    ground.bridge.write_files()
    fit(ground)


# ---- lines of the configuration


@pytest.mark.finding("bridge-is-rootdn")
def test_an_account_of_its_own_instead_of_the_rootdn(ground):
    ground.configure(f'bind_dn = "{site.BRIDGE}"', f'bind_dn = "{site.ROOT}"')
    (ground.bridge.home / "ldap.password").write_text(ground.slapd.passwords.root)
    ground.config.modify(CONFIG_DATABASE, ("add", "olcAccess", f'{{1}}to * by dn.exact="{site.ROOT}" read by * break'))
    assert "make an account of its own" in text_of(ground, "bridge-is-rootdn")
    as_before(ground)


@pytest.mark.finding("no-new-users")
def test_classes_that_make_a_user(ground):
    ground.configure(PEOPLE, f'{PEOPLE} object_classes = [ "inetOrgPerson", "account", "kiopsUser" ];')
    assert ground.named() == ["no-new-users"]
    as_before(ground)


@pytest.mark.finding("no-new-users")
def test_a_database_that_is_read_only(ground):
    ground.config.modify(DATABASE, ("replace", "olcReadOnly", "TRUE"))
    _, (found,) = ground.check()
    assert found["code"] == "no-new-users" and "unwilling" in found["text"] and "is the database read-only?" in found["why"], found
    ground.config.modify(DATABASE, ("replace", "olcReadOnly", "FALSE"))
    fit(ground)


@pytest.mark.finding("mapping")
@pytest.mark.parametrize("name, attribute, says", [
    ("text", "noSuchName", "load its schema, or leave the line out"),
    ("exact", "serialNumber", "no class of directory.users.object_classes allows it"),
    ("word", "streetAddress", "leave one out"),
    ("texts", "preferredLanguage", "a second one will be refused"),
])
def test_a_line_of_the_mapping_is_left_out(ground, name, attribute, says):
    line = f', {{ scim = "{EVERY}:{name}"; ldap = "{attribute}"; }}'
    given = f'{{ scim = "{EVERY}:given"; ldap = "x121Address"; }}'  # readOnly: it must come from somewhere
    ground.configure("mapping = {", f'mapping = {{ extra_schemas = [ "{DATA}/every_kind.json" ]; user = ( {given}{line} );')
    assert says in text_of(ground, "mapping")
    ground.configure(line, "")
    fit(ground)


@pytest.mark.finding("no-lock-attribute")
def test_another_convention_of_locking(ground):
    ground.configure("directory = {", 'directory = { lock = { convention = "nsaccountlock"; };')
    assert "choose another convention" in text_of(ground, "no-lock-attribute")
    as_before(ground)


@pytest.mark.finding("wrong-preset")
def test_the_preset_of_another_server(ground):
    ground.configure("directory = {", 'directory = { preset = "389ds";')
    assert 'write "openldap"' in text_of(ground, "wrong-preset")
    as_before(ground)


@pytest.mark.finding("rights-untried")
def test_what_is_not_tried_while_nothing_is_written(ground):
    ground.configure("directory = {", "directory = { writes = false;")
    assert "run check with it on" in text_of(ground, "rights-untried")
    as_before(ground)


# ---- files and passwords


@pytest.mark.finding("operator-refused")
def test_the_right_password_of_the_operator(ground):
    (ground.bridge.home / "operator.password").write_text("wrong")
    assert ground.named() == ["operator-refused"]
    as_before(ground)


@pytest.mark.finding("operator-untried")
def test_where_the_operators_password_can_be_read_the_rights_are_tried(ground):
    (ground.bridge.home / "operator.password").unlink()
    assert ground.look()[0] == 0 and "its password file cannot be read" in text_of(ground, "operator-untried")
    as_before(ground)


# ---- rules


@pytest.mark.finding("proof-left", "access-rules")
def test_throw_away_entries_that_may_be_made_and_not_deleted(ground):
    rule = f'{{0}}to dn.subtree="{site.BASE}" attrs=children by dn.exact="{site.BRIDGE}" =asrcxd by * break'
    ground.config.modify(DATABASE, ("add", "olcAccess", rule))
    _, found = ground.check()
    left = ground.leftovers()
    assert sorted(f["code"] for f in found) == ["access-rules", "proof-left"] and left, found
    for f in found:
        ground.apply(f["apply"])
    assert not ground.leftovers()
    fit(ground)


@pytest.mark.finding("unknown-server")
def test_a_server_that_does_not_say_what_it_is(ground):
    before = ground.values(FRONTEND, "olcAccess")
    hidden = '{0}to dn.base="" attrs=objectClass val="OpenLDAProotDSE" by * none'
    ground.config.modify(FRONTEND, ("add", "olcAccess", hidden))
    assert "make sure of them yourself" in text_of(ground, "unknown-server")
    ground.config.modify(FRONTEND, ("replace", "olcAccess", before))
    fit(ground)


# ---- the list of servers


@pytest.fixture
def consumer(ground, tmp_path):
    """A slapd that takes no writes and names `ground`'s as its provider."""
    first = ground.slapd
    lines = (f'syncrepl rid=001 provider={first.uri} type=refreshAndPersist retry="1 +" searchbase="{site.BASE}" '
             f'bindmethod=simple binddn="{site.ROOT}" credentials={first.passwords.root}\nupdateref {first.uri}')
    made = Slapd(tmp_path / "consumer", free_port(), passwords=first.passwords, overlays=lines)
    made.create([])
    made.process.start()
    yield made
    made.process.stop()


@pytest.mark.finding("first-is-consumer")
def test_the_provider_comes_first(ground, consumer):
    provider = ground.slapd.uri
    ground.configure(f'"{provider}"', f'"{consumer.uri}", "{provider}"')
    assert f"put its provider, {provider} first" in text_of(ground, "first-is-consumer")
    ground.configure(f'"{consumer.uri}", "{provider}"', f'"{provider}", "{consumer.uri}"')
    fit(ground)
