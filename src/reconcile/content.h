/*
 * A resource as content: what a source and we can both say of somebody or something, compared
 * without regard to order, spelling of names, and what follows from elsewhere (ids, meta, groups,
 * roles, memberships, references to other resources).
 *
 * Owns:    JSON values made here are new.
 * Threads: pure.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "scim/scim.h"

/* Equal for equal content in the RFC's spelling: who differs may still be equal, and is looked at.
 */
uint64_t content_print(const struct scim_resource_type *type, const json_t *resource);
/* The same of text that json_write() made. */
uint64_t content_print_text(const struct scim_resource_type *type, struct str resource);

/* Attributes by number, in the order in which they stand in the schemas; more than 64: the rest is
 * never taken for removed. */
typedef uint64_t content_attrs;
content_attrs content_has(const struct scim_resource_type *type, const json_t *resource);

struct content_difference {
    json_t *after, *before; /* objects: path -> value, null where there is none; new */
    content_attrs absent; /* here, and not in the source: left as it is, until content_removals() */
};
/* `theirs`: checked against the schema (scim_resource_check()). */
void content_compare(const struct scim_resource_type *type, const json_t *theirs,
                     const json_t *ours, struct content_difference *out);
/* Those of `ours` that are to go, into `d`. */
void content_removals(const struct scim_resource_type *type, content_attrs which,
                      const json_t *ours, struct content_difference *d);
/* New: `resource` with what is compared here alone, and `schemas`: what a new one is made of. */
json_t *content_of(const struct scim_resource_type *type, const json_t *resource);
