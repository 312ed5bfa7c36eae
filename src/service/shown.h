/*
 * All that somebody sees of users or organizations, from memory, a page at a time.
 *
 * Owns:    texts lie in the arena given for a page.
 * Threads: one caller.
 * Errors:  as replica_find().
 */
#pragma once

#include "service/service.h"

struct service_shown {
    struct service *service;
    const struct kiops_actor *actor;
    enum replica_kind kind;
    size_t page;     /* resources at once */
    struct str last; /* id; empty: before the first */
    char id[40];
    bool over;
};

void service_shown_begin(struct service_shown *s, const struct service_call *c,
                         enum replica_kind kind);
/* The next ones, by id, members with them; `*count` 0: there are no more. */
MUST_CHECK bool service_shown_next(struct service_shown *s, struct arena *a,
                                   const struct replica_text **at, size_t *count,
                                   struct error *err);
/* Is nobody, or nothing, of that id in scope? Asked of the directory, whatever memory has.
 * ERR_UNAVAILABLE: it could not be read. */
MUST_CHECK bool service_shown_gone(const struct service_call *c, enum replica_kind kind,
                                   struct str id, bool *gone, struct error *err);
