/*
 * DNs in groups that named none of the entries that were read: each is looked up once, whatever
 * the number of groups that name it, before anything is said of it.
 *
 * Owns:    the entries lie in its arena, which the caller names, some 150 bytes a DN; the table is
 *          the set's, until impact_unknown_free().
 * Threads: one.
 * Errors:  ERR_UNAVAILABLE: the directory did not answer all of it.
 */
#pragma once

#include "base/hash.h"
#include "directory/directory.h"

enum impact_found {
    IMPACT_FOUND_NOTHING,
    IMPACT_FOUND_OTHER, /* an entry, but no user of ours */
    IMPACT_FOUND_USER,  /* came or was moved while we read */
};

struct impact_unknown {
    uint64_t key; /* read_dn_key() */
    struct str dn, text;
    size_t count;
    enum impact_found found;
    UT_hash_handle hh;
};

struct impact_unknowns {
    struct arena *arena;
    struct impact_unknown *all; /* in the order of their first naming */
};

/* `text` says where it was named first. */
void impact_unknown_note(struct impact_unknowns *u, uint64_t key, struct str dn, struct str text);
MUST_CHECK bool impact_unknown_look_up(struct impact_unknowns *u, struct directory_conn *conn,
                                       struct error *err);
void impact_unknown_free(struct impact_unknowns *u);
