/*
 * What is wrong in the directory: where LDAP differs from what was last asserted, values that count
 * for nothing, and what only a person can decide. One pass over organizations and one over people,
 * without a replica; the organizations once more when a value names nobody.
 *
 * Owns:    findings lie in the arena given, entries do not; about 150 bytes a person beside them.
 * Threads: one caller; the connection is its own.
 * Errors:  ERR_UNAVAILABLE: of half a directory nothing is concluded.
 */
#pragma once

#include "service/mend.h"

enum finding_about {
    FINDING_ATTRIBUTES,
    FINDING_ROLES,    /* one side of a role, permission, membership or request */
    FINDING_DANGLING, /* a DN that names nobody */
    FINDING_CONFLICT, /* entries that contradict each other */
    FINDING_OTHER,    /* for a person */
};

struct service_finding {
    enum finding_about about;
    const char *code;
    enum kiops_change_kind kind; /* of the mend; what the rules judge */
    struct str subject, subject_name, organization, organization_name;
    struct str attribute, before, after, text;
    struct str by, at;        /* of attributes: who changed the entry last, and when (RFC 3339) */
    struct service_mend mend; /* mods.count 0: there is none */
};

struct finding_place {
    struct str id, name;
    size_t members, managers; /* people who count */
};

struct service_findings {
    struct service_finding *at;
    size_t count, cap;
    struct finding_place *places; /* by id */
    size_t place_count;
    size_t users, active, managers, permissions;
};

struct findings_wanted {
    instant_t since; /* audit: intents without an outcome from then on; INSTANT_NONE = of a week */
    bool attributes; /* what was asserted wins: find where LDAP differs */
};

MUST_CHECK bool service_findings_read(const struct mend_ground *g, const struct findings_wanted *w,
                                      struct service_findings *out, struct error *err);
size_t service_findings_members(const struct service_findings *f, struct str organization);
