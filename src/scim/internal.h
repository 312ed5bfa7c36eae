/*
 * What the files of this folder share: looking attributes up, reading a value by path, and the
 * state of the one parser behind paths and filters.
 *
 * Owns:    nothing; all results are borrowed from the resource type or the resource.
 * Threads: pure.
 */
#pragma once

#include "scim/scim.h"

/* ---- schema.c */

/* Reads `schema->source`, completing it with what it left to defaults, into the table. Errors:
 * ERR_CONFIG naming the attribute. */
MUST_CHECK bool scim_schema_read(struct arena *arena, struct scim_schema *schema,
                                 struct error *err);

/* Top-level attribute by name in any letter case: common, core, then the extensions in their order
 * (clients say `department` for the enterprise one). `*extension` (may be NULL): where it lives,
 * NULL for common and core. */
const struct scim_attr *scim_type_attr(const struct scim_resource_type *type, struct str name,
                                       const struct scim_schema **extension);
/* The longest URN of the type's schemas that `text` begins with, ending there or before a colon;
 * `*rest` is what follows that colon. NULL when `text` begins with none. */
const struct scim_schema *scim_type_urn(const struct scim_resource_type *type, struct str text,
                                        struct str *rest);
/* Extension of the type by its whole URN in any letter case; NULL. */
const struct scim_schema *scim_type_extension(const struct scim_resource_type *type,
                                              struct str urn);

/* ---- match.c: values of a resource in canonical spelling */

/* Member of `object` that an attribute names; NULL when absent. */
json_t *scim_value(const json_t *object, const struct scim_attr *attr);
/* The object an attribute lives in: the resource, or its object under the extension's URN; NULL
 * when the resource has none. */
json_t *scim_holder(const json_t *resource, const struct scim_schema *extension);
/* RFC 7643 2.5: absent, null, "", [] and an object without assigned members are all "no value". */
bool scim_is_assigned(const json_t *value);

/* ---- path.c, filter.c */

/* Stands for what a type lacks: has no value, and whatever is asked below it neither. */
extern const struct scim_attr scim_attr_absent;

/* Ceilings where the caller brings none (scim_path_parse). */
#define SCIM_FILTER_LIMITS ((struct scim_filter_limits){.chars = 8192, .nodes = 200, .depth = 32})

struct scim_parser {
    struct arena *arena;
    const struct scim_resource_type *type;
    struct scim_filter_limits limits;
    bool lenient_bare;
    bool of_many_types; /* an unknown attribute is scim_attr_absent */
    struct cursor c;
    enum error_kind kind;  /* of what is wrong here: ERR_INVALID_PATH outside, ERR_INVALID_FILTER
                              inside [ ] and in a filter */
    unsigned nodes, depth; /* so far */
    bool unknown;          /* the error was an attribute or schema that the type does not have */
    struct error *err;
};

/* scim_path_parse() for callers with ceilings of their own: fill arena, type, limits, lenient_bare
 * and err. Afterwards `unknown` tells an unknown attribute from bad grammar. */
MUST_CHECK bool scim_path_read(struct scim_parser *p, struct str text, struct scim_path *out);
/* [URN:]attr at the cursor, and nothing behind it. */
MUST_CHECK bool scim_path_attr(struct scim_parser *p, struct scim_path *out);
/* The name of a sub-attribute of `of` at the cursor. */
MUST_CHECK bool scim_path_sub(struct scim_parser *p, const struct scim_attr *of,
                              const struct scim_attr **out);
/* [filter] at the cursor, over the items of `attr`. */
MUST_CHECK bool scim_filter_items(struct scim_parser *p, const struct scim_attr *attr,
                                  const struct scim_filter **out);
/* Sets the error of a parser, "... at offset N". Returns false. */
bool scim_parser_fail(struct scim_parser *p, const char *what);
