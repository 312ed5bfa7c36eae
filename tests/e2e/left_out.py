"""What a directory other than slapd with syncprov cannot show: tests left out there, each with its reason. Patterns are
those of fnmatch, over MODULE::TEST."""

from fnmatch import fnmatchcase

UNWRITTEN = "389-ds writes no password into its auditlog, and no value that the same modify adds beside one that it proves absent"
OTHERWISE = "without assertions, or with the lock of this server, other changes are sent than those in tests/data/golden"
CN_CONFIG = "changes slapd by cn=config while it runs"
MONITOR = "counts operations in slapd's cn=monitor"
RETCODE = "has slapd answer a code by its overlay retcode"
FEED = "is about the connection of a feed that tells"
SLAPD = "starts slapd itself"
PPOLICY = "has slapd tell by its overlay ppolicy when a password was changed"
OVERLAY = "has slapd refuse a value by an overlay of its own"
ODD_NAMES = "389-ds 2.3.1 with attribute uniqueness renames no entry whose name has an escape (operationsError)"
SOCKET = "speaks of the directory's TCP address"
INSPECTED = "`check` reads slapd's schema and cn=config: test_check_389.py does the same here"
HISTORY = "judges the order of all writes, which slapd's overlay accesslog keeps"
OWN_SLAPD = "starts a slapd of its own, whatever the others stand on"
TLS = "gives slapd its certificate; libldap and its settings are the same here"
IMPORT = "needs an import that takes what the schema refuses"
DELETE = "a delete carries no id there: who is born again under the name within the milliseconds before it is deleted too"

PPOLICY_LOCK = "is about the lock of slapd's overlay ppolicy"
OF_389 = "is about `check` on 389 Directory Server: make check-389"
VERSIONS_389 = "is about the versions of 389 Directory Server: make check-389"
LAST_CHANGE = "cuts at a change that is sent on 389-ds alone: a rename with assertions needs no name added first"
NO_ASSERTION = "389-ds has no assertion control: the same tests run without it"

LEFT_OUT = {
    "slapd": {
        "test_check_389.py::*": OF_389,
        "test_check_389_texts.py::*": OF_389,
        "test_versions_389.py::*": VERSIONS_389,
        "test_reconcile_kill_requests.py::test_killed_at_a_change[[]21-*": LAST_CHANGE,
    },
    "slapd-poll": {
        "test_check_389.py::*": OF_389,
        "test_check_389_texts.py::*": OF_389,
        "test_versions_389.py::*": VERSIONS_389,
        "test_reconcile_kill_requests.py::test_killed_at_a_change[[]21-*": LAST_CHANGE,
        "test_regress_resumed_feed.py::*": FEED,
        "test_servers.py::test_35_*[[]True[]]": FEED,
    },
    "389ds": {
        "test_check.py::*": INSPECTED,
        "test_check_deeds.py::*": INSPECTED,
        "test_check_servers.py::*": TLS,
        "test_check_plain.py::*": OWN_SLAPD,
        "test_plain*.py::*": OWN_SLAPD,
        "test_group_classes.py::*": OWN_SLAPD,
        "test_servers.py::test_[!3]*": OWN_SLAPD,
        "test_servers.py::test_32*": OWN_SLAPD,
        "test_servers.py::test_35_*[[]True[]]": FEED,
        "test_preconditions.py::*[[]asserted*": NO_ASSERTION,
        "test_directory_tls.py::*": TLS,
        "test_check_first.py::test_nothing_is_prepared*": INSPECTED,
        "test_check_first.py::test_a_part_of_the_schema*": INSPECTED,
        "test_check_first.py::test_ldif_alone*": INSPECTED,
        "test_check_first.py::test_what_happens_tells*": SLAPD,
        "test_check_first.py::test_a_consumer*": CN_CONFIG,
        "test_check_first.py::test_what_a_killed_run_leaves*": SLAPD,
        "test_check_impact.py::test_what_a_foreign_directory_would_show_and_hide": IMPORT,
        "test_check_impact.py::test_a_read_only_bridge_shows_everything_and_changes_nothing": IMPORT,
        "test_check_impact.py::test_many_unknown_members_are_looked_up*": MONITOR,
        "test_check_impact.py::test_a_start_asks_for_what_impact_says*": MONITOR,
        "test_check_texts.py::*": INSPECTED,
        "test_check_impact.py::test_half_a_directory_is_no_answer": CN_CONFIG,
        "test_check_impact.py::test_a_report_has_facts_and_no_secret": INSPECTED,
        "test_adopt.py::test_a_value_that_another_has_is_refused": OVERLAY,
        "test_fault_answers.py::test_27_*": CN_CONFIG,
        "test_lock.py::test_at_no_moment*": PPOLICY_LOCK,
        "test_lock.py::test_a_refused_password_leaves_the_lock": PPOLICY_LOCK,
        "test_lock.py::test_broken_off_anywhere*": PPOLICY_LOCK,
        "test_lock.py::test_an_end_that_an_administrator_gave_stays": PPOLICY_LOCK,
        "test_golden.py::test_golden[[]*password*": UNWRITTEN,
        "test_golden.py::test_golden[[]promote[]]": UNWRITTEN,
        "test_golden.py::test_golden[[]promote_a_stray_owner[]]": UNWRITTEN,
        "test_golden.py::test_golden[[]promote_one_who_has*": UNWRITTEN,
        "test_golden.py::test_golden[[]change_a_user_who_changes*": OTHERWISE,
        "test_golden.py::test_golden[[]rename_*": OTHERWISE,
        "test_golden.py::test_golden[[]request_twice_at_once[]]": OTHERWISE,
        "test_golden.py::test_golden[[]deactivate*": OTHERWISE,
        "test_signup.py::test_a_password_that_the_policy_refuses_leaves_nothing": OVERLAY,
        "test_storm.py::*": HISTORY,
        "test_run.py::*": SLAPD,
        "test_regress_resumed_feed.py::*": FEED,
        "test_reconcile_faults.py::test_a_schema_that_has_become*": CN_CONFIG,
        "test_fault_data.py::test_24_a_name_that_is_taken_elsewhere_is_409_uniqueness": OVERLAY,
        "test_fault_data.py::test_24_a_constraint_of_the_directory_is_400_invalid_value": OVERLAY,
        "test_fault_data.py::test_46_*": ODD_NAMES,
        "test_regress_gateway.py::test_an_odd_*": ODD_NAMES,
        "test_property_resources.py::test_a_user_is_what_the_model_says_after_any_sequence": ODD_NAMES,
        "test_fault_directory.py::test_09_by_idletimeout_of_the_server": CN_CONFIG,
        "test_fault_directory.py::test_10_*": RETCODE,
        "test_fault_directory.py::test_11_unwilling*": RETCODE,
        "test_fault_directory.py::test_11_a_read_only_database_refuses_every_write": CN_CONFIG,
        "test_fault_process.py::test_41_a_broken_configuration_is_refused_by_line_and_key[[]ldap://*": SOCKET,
        "test_extra_schemas.py::test_check_tells_what_the_server_cannot_hold": INSPECTED,
        "test_extra_schemas.py::test_certificates_live_in_ldap_where_they_are_mapped": "this server checks no certificate's syntax",
        "test_lock.py::test_check_says_that_the_server_does_not_know_the_mark": "it knows nsAccountLock",
        "test_page_session.py::test_a_session_ends_with_the_password": PPOLICY,
        "test_people.py::test_a_burst_of_one_client_binds_once": MONITOR,
        "test_hostile_entries.py::*": IMPORT,
        "test_unicode_pairs.py::test_two_spellings*": "it compares spellings beyond ASCII in a way of its own",
        "test_review_users.py::test_a_new_person_of_a_name_meets_no_last_cleaning_of_the_old_one": DELETE,
        "test_review_users.py::test_what_is_refused_after_the_renaming_takes_the_name_back": OVERLAY,
    },
}


# A directory without our schema: these start one themselves. The same tests on it are theirs, written for what it can hold.
PLAIN = ("test_plain*.py::*", "test_check_plain.py::*", "test_group_classes.py::*")
NEEDS_SCHEMA = "needs our schema"


def reason(kind, test):
    """Why `test` (MODULE::TEST) is left out on that kind of directory; None: it runs."""
    if kind == "plain":
        return None if any(fnmatchcase(test, pattern) for pattern in PLAIN) else NEEDS_SCHEMA
    for pattern, why in LEFT_OUT.get(kind, {}).items():
        if fnmatchcase(test, pattern):
            return why
    return None
