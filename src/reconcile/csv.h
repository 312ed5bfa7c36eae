/*
 * A CSV file of people in organizations: "organization,userName,role,permissions", permissions
 * separated by spaces. RFC 4180, UTF-8; a row without userName names an organization
 * alone.
 *
 * Owns:    rows and their texts lie in the arena.
 * Threads: pure.
 * Errors:  ERR_UNAVAILABLE with the line: a file that is not understood to its end is not used.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "kiops/kiops.h"

#define CSV_BYTES_MAX ((size_t)256 << 20)
#define CSV_ROWS_MAX ((size_t)1000000)
#define CSV_FIELD_MAX ((size_t)1024) /* bytes */

struct csv_row {
    struct str organization; /* id or displayName */
    struct str user_name;    /* empty: the organization alone */
    enum kiops_role role;    /* Member where the field is empty */
    kiops_permission_set permissions;
    size_t line; /* of the file, from 1 */
};

MUST_CHECK bool csv_parse(struct arena *a, struct str text, struct csv_row **out, size_t *count,
                          struct error *err);
