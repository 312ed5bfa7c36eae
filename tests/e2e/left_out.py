"""What a directory other than slapd with syncprov cannot show: tests left out there, each with its reason. Patterns are
those of fnmatch, over MODULE::TEST; "[" stands for itself."""

from fnmatch import fnmatchcase

AUDITLOG = "reads what was sent from slapd's auditlog"
CN_CONFIG = "changes slapd by cn=config while it runs"
MONITOR = "counts binds in slapd's cn=monitor"
RETCODE = "has slapd answer a code by its overlay retcode"
PPOLICY = "speaks of slapd's own password policy"
FEED = "is about the connection of a feed that tells"
SLAPD = "starts slapd itself"

LEFT_OUT = {
    "slapd-poll": {
        "test_fault_data.py::test_14_a_read_that_is_cut_off_is_no_read": "waits for the log line of a feed that tells",
        "test_regress_resumed_feed.py::*": FEED,
    },
    "389ds": {
        "test_golden.py::*": AUDITLOG,
        "test_member_shapes.py::*": AUDITLOG,
        "test_regress_resumed_feed.py::*": FEED,
    },
}


def reason(kind, test):
    """Why `test` (MODULE::TEST) is left out on that kind of directory; None: it runs."""
    for pattern, why in LEFT_OUT.get(kind, {}).items():
        if fnmatchcase(test, pattern.replace("[", "[[]")):
            return why
    return None
