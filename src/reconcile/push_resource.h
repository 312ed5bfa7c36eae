/*
 * What a provider is to have of a user or an organization of ours, and how that differs from what
 * it has. Pure.
 *
 * Owns:    JSON that is returned is new.
 * Threads: pure.
 * Errors:  none.
 */
#pragma once

#include <jansson.h>

#include "scim/scim.h"

/* The provider's /Schemas: attributes that it does not know are neither sent nor missed. NULL: it
 * has none, and is taken to know everything. */
struct push_known {
    const json_t *schemas; /* array of Schema resources */
};
bool push_knows(const struct push_known *k, struct str urn, struct str attribute);

/* Of a User of ours, its externalId being our id. Not sent: roles, entitlements, groups, password,
 * certificates and photos, references to other people, and schemas of our own. */
json_t *push_user_wanted(const struct push_known *k, const struct scim_resource_type *type,
                         const json_t *ours);
json_t *push_group_wanted(const json_t *ours);

/* What a PATCH has to say: each member a path, and the value that is to stand there (null: none);
 * and what stands there now. Empty: it is as wanted. `active` and members are not looked at. */
struct push_difference {
    json_t *after, *before;
};
void push_user_difference(const struct scim_resource_type *type, const json_t *wanted,
                          const json_t *there, struct push_difference *out);
void push_group_difference(const json_t *wanted, const json_t *there, struct push_difference *out);
/* Is it there as such an object says? */
bool push_stands(const json_t *paths, const json_t *there);
/* Of a User there: it may sign in. Who says nothing of `active` may. */
bool push_is_active(const json_t *there);
