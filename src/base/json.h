/*
 * JSON: strict loading, typed getters, and a checked builder over jansson.
 *
 * Owns:    a returned `json_t *` is new (the caller's) where a comment says so, else borrowed.
 * Threads: pure; a json_t belongs to one thread.
 * Errors:  ERR_INVALID_SYNTAX with line and column; ERR_TOO_LARGE for depth and size ceilings.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

struct json_limits {
    size_t bytes;   /* 0 = no ceiling of its own (the caller has one) */
    unsigned depth; /* nesting of arrays and objects; checked before jansson sees the text */
    size_t values;  /* 0 = no ceiling; names do not count. An empty object of 2 bytes takes 250 */
};

/* Before any other: where there is no memory the library ends the process, as ours does. */
void json_init(void);

/* New. RFC 8259 text, one value, no duplicate names (neither letter for letter nor, within one
 * object, by ASCII case), no NUL in strings (ERR_INVALID_VALUE), no BOM, no trailing bytes. Numbers
 * beyond 64 bits or double are ERR_INVALID_SYNTAX. */
json_t *json_load_strict(struct str text, struct json_limits limits, struct error *err);

struct str json_str(const json_t *value); /* view of a string value; STR_NONE for anything else */
struct str json_get_str(const json_t *object, const char *name); /* the same for a member */
/* Member by ASCII case-insensitive name (RFC 7643 2.1); NULL when absent. `*spelled` (may be NULL):
 * as it stands there. */
json_t *json_get_icase(const json_t *object, struct str name, const char **spelled);
bool json_get_bool(const json_t *object, const char *name, bool fallback);

/* New string; invalid UTF-8 and NUL, which json_load_strict() would not take back, are replaced by
 * U+FFFD, so never NULL. */
json_t *json_string_safe(struct str s);
/* Sets a member; `value` is taken (new reference); NULL value or failure ends the process (our own
 * bug). */
void json_put(json_t *object, const char *name, json_t *value);
void json_put_str(json_t *object, const char *name, struct str value);
void json_push(json_t *array, json_t *value);
json_t *json_copy_deep(const json_t *value); /* new, never NULL for a value */

/* Compact text, names in the order they were set. */
void json_write(const json_t *value, struct buf *out);
/* Canonical text: names sorted; equal values give equal bytes. */
void json_write_canonical(const json_t *value, struct buf *out);
/* Steps through the members of an object in text that json_write() made: `*at` starts at 0. Nothing
 * is decoded, and nothing is checked. */
struct json_member {
    struct str name, value, text; /* without its quotes; as written; both with the colon between */
};
bool json_text_next(struct str object, size_t *at, struct json_member *out);
bool json_text_item(struct str array, size_t *at, struct str *out); /* the same of an array */
/* What a string so written says: a view into it, or in the arena; STR_NONE: it is something else.
 */
struct str json_text_str(struct arena *a, struct str value);
void json_keep(struct arena *a, json_t *value); /* the arena takes the reference */
