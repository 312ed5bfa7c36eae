/*
 * One write of an organization: what creating (organization_create.c) and changing
 * (organizations.c) share.
 *
 * Threads: a struct group_write belongs to the thread that runs its request.
 */
#pragma once

#include "service/internal.h"

struct group_write {
    const struct service_call *call;
    struct str id;
    const json_t *body;             /* POST, PUT */
    const struct scim_patch *patch; /* PATCH: what is left of it without members and managers */
    struct directory_entry entry;
    struct directory_organization before;
    json_t *after; /* own attributes; kept by the arena */
    struct member_wishes wishes;
    struct plan plan;
    struct directory_mods mods;
    struct str new_rdn;
    struct directory_writer writer;
    const char *rule;
    uint64_t intent; /* of the own attributes; 0 = they do not change */
    bool wrote;
    bool unsure; /* an answer was lost: what it asked may come late */
    bool
        failing; /* the last try met no clear answer of the directory: what stopped it is no race */
};

/* As access_may_write(); ERR_FORBIDDEN where the group class is only shown. */
MUST_CHECK bool group_may_write(const struct service_call *c, struct error *err);

MUST_CHECK bool group_write_judge(struct group_write *w, enum kiops_change_kind kind,
                                  struct error *err);
/* Members and managers leave the checked body `after` as wishes. In a PUT an absent array changes
 * nothing, an empty one takes everybody. */
void group_write_take_sets(struct group_write *w, enum scim_delta_kind kind);
/* The entry as it is, without its members. ERR_NOT_FOUND. */
MUST_CHECK bool group_write_read(struct group_write *w, struct error *err);
bool group_write_refuse_name(struct error *err); /* ERR_UNIQUENESS; false */
/* Is it fit for a name, and does no other group bear the displayName of `after` by our key, which
 * may be more than the directory holds equal? ERR_INVALID_VALUE, ERR_UNIQUENESS. */
MUST_CHECK bool group_write_name_fits(const struct group_write *w, struct error *err);
/* The same, and by the directory's own rule too. */
MUST_CHECK bool group_write_name_free(const struct group_write *w, struct error *err);

/* ---- organization_adopt.c: directory.organizations.adopt */
/* Does the POST mean a group that is there (then w->id)? ERR_UNIQUENESS: several, or one that a
 * client asserts already. */
MUST_CHECK bool group_adopt_find(struct group_write *w, bool *there, struct error *err);
/* Takes it over; who is in it stays, whom the POST names joins. */
MUST_CHECK bool group_adopt(struct group_write *w, struct error *err);
