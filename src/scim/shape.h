/*
 * Shape: one value as a client sent it -> the schema's spelling and structure; and what makes two
 * items of a multi-valued attribute the same. Shared by dialect.c (bodies), patch*.c (values) and
 * resource.c, so that a leniency exists in one place.
 *
 * Owns:    a `json_t **out` is new and shares its strings with what was sent.
 * Threads: pure.
 * Errors:  ERR_INVALID_VALUE naming the attribute; ERR_INVALID_SYNTAX for an unknown sub-attribute
 * where the dialect is strict. No value is ever quoted: it may be a password.
 */
#pragma once

#include "scim/internal.h"

struct shaping {
    const struct scim_dialect *dialect;
    struct str base; /* as in struct scim_context */
    bool patch; /* a value of a PATCH: one item may stand for a list, and null sub-attributes of a
                   single value stay, because they unassign */
};

/* "emails.value", for messages. */
#define SHAPE_LABEL_MAX 128
const char *shape_label(const struct scim_attr *attr, char out[SHAPE_LABEL_MAX]);

/* Complex, with `value` and `$ref`: it points at another resource, so its `value` is all it is. */
bool shape_is_reference(const struct scim_attr *attr);
/* Is the JSON type that of the attribute's type? Not for complex attributes. */
bool shape_fits(const struct scim_attr *attr, const json_t *value);

/* A multi-valued attribute gives an array (empty: unassigned), any other its value or JSON null
 * (unassigned). readOnly and unknown sub-attributes are left out. */
MUST_CHECK bool shape_value(const struct shaping *s, const struct scim_attr *attr,
                            const json_t *sent, json_t **out, struct error *err);
/* The same for one item of a multi-valued attribute. */
MUST_CHECK bool shape_item(const struct shaping *s, const struct scim_attr *attr,
                           const json_t *sent, json_t **out, struct error *err);

/* ---- the name of a member: of a body, or of the value of an operation without path */

enum shape_key_kind {
    SHAPE_UNKNOWN,
    SHAPE_ATTR,   /* `attr`, in the object of `extension` when that is not NULL */
    SHAPE_FLAT,   /* the same, but named like an attribute of the core: "department" */
    SHAPE_SCHEMA, /* an object with attributes of `extension`, or of the core when that is NULL */
};

struct shape_key {
    enum shape_key_kind kind;
    const struct scim_schema *extension;
    const struct scim_attr *attr;
};

struct shape_key shape_key_find(const struct scim_context *in, struct str name);
/* The URN that a SCIM 1.x one stands for, where the dialect infers schemas; any other as it is. */
struct str shape_urn(const struct scim_context *in, struct str urn);

/* ---- jansson, with our views */

/* jansson's iterators take no const, though they change nothing. */
json_t *shape_iterable(const json_t *object);
struct str shape_iter_name(void *iter);
/* Sets a member; `value` is taken. */
void shape_put(json_t *object, struct str name, json_t *value);
void shape_drop(json_t *object, struct str name);
/* The object an attribute lives in, made when it is not there yet. */
json_t *shape_holder(json_t *resource, const struct scim_schema *extension);

/* ---- reference.c */

/* The id in a `$ref`: below `base` with, without or with another version segment, or relative.
 * STR_NONE: of another service, or not of a User or Group. */
struct str shape_reference_id(struct str base, struct str reference);

/* ---- items.c */

/* The identity of an item: (type, value); all of it but `primary` where there is no value. */
struct str items_key(struct arena *a, const struct scim_attr *attr, const json_t *item);

/* The same in parts, for comparing one item with many. */
struct items_id {
    struct str value, type, whole; /* `whole` only without a value */
};
struct items_id items_id(struct arena *a, const struct scim_attr *attr, const json_t *item);
/* Does `wanted` mean this item? Without a type it means that value whatever its type. */
bool items_id_means(const struct items_id *wanted, const struct items_id *have);

/* Nothing but a type, as Entra sends for fields that are empty there. */
bool items_says_nothing(const json_t *item);
bool items_is_primary(const json_t *item);
/* All but `winner` lose primary. */
void items_settle_primary(json_t *items, const json_t *winner);

/* A set of keys, in an arena, of at most `room` members. */
struct items_set;
struct items_set *items_set_new(struct arena *a, size_t room);
/* The position under which an equal key was put before, else `position` itself after putting it. */
size_t items_set_put(struct items_set *set, struct str key, size_t position);
/* The position under which an equal key was put; `absent` when none was. */
size_t items_set_find(const struct items_set *set, struct str key, size_t absent);
