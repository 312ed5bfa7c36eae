/*
 * Who and what an operator means by a name, asked of the directory: id, userName or displayName,
 * externalId of the acting client (or `<client>:<externalId>`).
 *
 * Owns:    results lie in the call's arena.
 * Threads: that of the call.
 * Errors:  ERR_NOT_FOUND, ERR_INVALID_VALUE when several have the name, ERR_UNAVAILABLE.
 */
#pragma once

#include "service/service.h"

struct lookup_user {
    const struct directory_entry *entry;
    struct directory_user user;
};

struct lookup_organization {
    struct str id, name;
    size_t members; /* values of `member`, the placeholder not among them */
};

MUST_CHECK bool lookup_user(const struct service_call *c, struct str name, struct lookup_user *out,
                            struct error *err);
MUST_CHECK bool lookup_organization(const struct service_call *c, struct str name,
                                    struct lookup_organization *out, struct error *err);
