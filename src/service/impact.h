/*
 * What the bridge would show, hide and write of a directory as it is: read, never written.
 *
 * Owns:    everything lies in the arena given: some 50 bytes a user, 16 an organization and 150
 *          a DN in a group that is no user's, whatever the size of the entries, and a few examples
 *          of each row.
 * Threads: one caller; the connection is its own.
 * Errors:  ERR_UNAVAILABLE: half a directory is no answer.
 */
#pragma once

#include "directory/directory.h"

enum impact {
    IMPACT_USERS,
    IMPACT_USERS_PROTECTED,
    IMPACT_USERS_OUTSIDE,
    IMPACT_USERS_ODD,
    IMPACT_USERS_INACTIVE,
    IMPACT_USERS_FOREIGN,
    IMPACT_NAMES_TWICE,
    IMPACT_MAILS_TWICE,
    IMPACT_ORGANIZATIONS,
    IMPACT_ORGANIZATIONS_PROTECTED,
    IMPACT_ORGANIZATIONS_OUTSIDE,
    IMPACT_ORGANIZATIONS_ODD,
    IMPACT_ORGANIZATIONS_FOREIGN,
    IMPACT_MEMBERS,
    IMPACT_MEMBERS_UNDATED,
    IMPACT_MEMBERS_NESTED,
    IMPACT_MEMBERS_HIDDEN,
    IMPACT_MEMBERS_DANGLING,
    IMPACT_MANAGERS,
    IMPACT_OWNERS_WITHOUT_EFFECT,
    IMPACT_ADMINS,
    IMPACT_ADMINS_WITHOUT_EFFECT,
    IMPACT_WRITES,
};
#define IMPACT_ROWS (IMPACT_WRITES + 1)
#define IMPACT_EXAMPLES 5

struct impact_row {
    const char *name;  /* in JSON */
    const char *means; /* in words */
    const char *code;  /* KB-C... of what is found so; NULL: nothing is wrong with it */
    size_t count;
    struct str examples[IMPACT_EXAMPLES];
    size_t example_count;
};

struct service_impact {
    struct impact_row rows[IMPACT_ROWS];
};

MUST_CHECK bool service_impact_read(struct directory *d, struct directory_conn *conn,
                                    struct arena *a, struct service_impact *out, struct error *err);
