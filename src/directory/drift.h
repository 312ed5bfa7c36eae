/*
 * Drift: what LDAP says otherwise than the bridge last wrote, by SCIM attribute, and the change
 * back (mapping_drift.c). Of an entry and what directory_map_user() made of it.
 *
 * Owns:    results live in the caller's arena.
 * Threads: any.
 */
#pragma once

#include "directory/directory.h"

struct directory_difference {
    struct str path;          /* with the URN of its extension */
    struct str asserted, now; /* JSON texts; empty = no value */
    bool kept;                /* userName, active: for a person to put right */
};
struct directory_drift {
    const struct directory_difference *at;
    size_t count;
};
void directory_map_drift(const struct directory *d, struct arena *a,
                         const struct directory_entry *e, const struct directory_user *u,
                         struct directory_drift *out);
/* LDAP attributes with several values of which SCIM shows one, separated by blanks; mostly none. */
struct str directory_map_several(const struct directory *d, struct arena *a,
                                 const struct directory_entry *e);
/* The change back to what was asserted (`edit->after` is made here); `mods` stays empty when there
 * is nothing to change. */
MUST_CHECK bool directory_unmap_drift(const struct directory *d,
                                      const struct directory_user_edit *edit,
                                      struct directory_mods *mods, struct error *err);
