"""The command line takes nothing that it would then ignore, and says whose account is meant."""

import subprocess

import pytest


def run(bridge, *words, conf=None):
    argv = [*bridge.process.argv[:-2], str(conf or bridge.conf), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words, complaint", [
    (("one", "two"), "twice"),
    (("one", "--role", "Member"), "twice"),
    (("one", "--expires", "2099-01-01"), "twice"),
    (("one", "--option", "keep_managers=yes", "--option", "keep_managers=no"), "second of its name"),
    (("one", "--option", "max_removals=101%"), "max_removals"),
])
def test_token_create_refuses_what_it_would_ignore(lab, words, complaint):
    done = run(lab.bridge, "token", "create", *words, "--role", "PlatformAdmin", "--expires", "never")
    assert done.returncode in (1, 64) and complaint in done.stderr and not done.stdout, done
    assert "one" not in run(lab.bridge, "token", "list").stdout.split()


def test_a_token_that_is_over_already_is_not_made(lab):
    done = run(lab.bridge, "token", "create", "over", "--role", "PlatformAdmin", "--expires", "2020-01-01")
    assert done.returncode == 1 and "--expires" in done.stderr and not done.stdout


def test_token_list_takes_no_words(lab):
    assert run(lab.bridge, "token", "list", "all").returncode == 64


def test_a_wrong_password_of_the_operator_is_called_that(lab):
    conf = lab.bridge.home / "wrong-operator.conf"
    conf.write_text(lab.bridge.configuration.replace("operator.password", "ldap.password"))
    done = run(lab.bridge, "token", "revoke", "none", conf=conf)
    assert done.returncode == 1 and "directory.operator" in done.stderr, done.stderr
    assert lab.bridge.passwords.bridge not in done.stderr


def test_a_bridge_that_does_not_write_gets_its_tokens_by_the_operators_account(lab):
    conf = lab.bridge.home / "no-writes.conf"
    conf.write_text(lab.bridge.configuration.replace("directory = {", "directory = { writes = false;"))
    done = run(lab.bridge, "token", "create", "reader", "--role", "PlatformAdmin", "--expires", "never", conf=conf)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    assert run(lab.bridge, "token", "revoke", "reader", conf=conf).returncode == 0
