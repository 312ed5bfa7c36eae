/*
 * A parsed PATCH, as patch.c makes it and patch_apply.c and patch_delta.c read it.
 *
 * Owns:    all of it lives in the arena it was parsed into, the JSON values too.
 * Threads: pure; a parsed patch may be read by any number of threads.
 */
#pragma once

#include "scim/shape.h"

struct patch_operation {
    enum scim_patch_op op;
    struct scim_path path; /* `attr` is never NULL; at least one of attr and sub may be written */
    /*
     * Shaped. add, replace: the new value; JSON null or [] unassign. With a filter and no
     * sub-attribute: one item. remove: the items to take out, NULL for all that the path names.
     */
    const json_t *value;
    size_t filter_nodes;
    int index; /* in the request's Operations */
};

struct scim_patch {
    const struct patch_operation *operations;
    size_t count;
};
