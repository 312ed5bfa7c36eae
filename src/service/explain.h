/*
 * Why: what the rules say of a change before anybody makes it, and what a person may do, fresh from
 * the directory. Nothing is written, neither to the directory nor to the audit.
 *
 * Owns:    results lie in the arena; JSON values are kept by it.
 * Threads: one caller; the connection is its own. No replica, no threads are started.
 * Errors:  ERR_NOT_FOUND (no such person, organization or token), ERR_INVALID_VALUE (a name that
 *          several have), ERR_UNAVAILABLE.
 */
#pragma once

#include <jansson.h>

#include "directory/directory.h"
#include "kiops/kiops.h"

struct explain_ground {
    const struct config *config;
    const struct scim_catalog *catalog;
    struct directory *directory;
    struct directory_conn *conn;
    struct arena *arena;
};

struct explain_question {
    struct str actor; /* userName, id, or `token:NAME` */
    struct kiops_phrase change;
};

struct explain_verdict {
    bool allowed;
    struct str rule; /* the one that decided; empty: an expired token, who is nobody */
    struct str text; /* why refused; or what happens beside the change; may be empty */
    json_t *facts;   /* what it rests on: groups of named values */
};

/* The verdict that the same change through HTTP gets. Where a client would see 404 (KB-R05), the
 * rule is named all the same. */
MUST_CHECK bool service_explain_change(const struct explain_ground *g,
                                       const struct explain_question *q,
                                       struct explain_verdict *out, struct error *err);

/* `*out`: {user, platformRole, organizations: [{id, displayName, status, role, permissions,
 * joinDate, requestedAt, rejectedAt, notCounted}], notCounted}. */
MUST_CHECK bool service_explain_user(const struct explain_ground *g, struct str user, json_t **out,
                                     struct error *err);
