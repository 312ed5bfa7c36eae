/*
 * SCIM 2.0 (RFC 7643, 7644) as pure functions: schemas, paths, filters, patches, projection, pages,
 * answers. No I/O, no clock, no globals.
 *
 * Owns:    trees live in the caller's arena and hold views into the text they were parsed from; the
 * catalog owns its schemas and is immutable after loading. A `json_t **out` is new: the caller's.
 * Threads: pure; a catalog, a parsed path, filter or patch may be read by any number of threads.
 * Errors:  as each function says; `*out` is written only on success.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

/* ---- URNs */
#define SCIM_URN_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCIM_URN_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define SCIM_URN_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define SCIM_URN_KIOPS_USER "urn:kiops:params:scim:schemas:extension:2.0:User"
#define SCIM_URN_KIOPS_ORGANIZATION "urn:kiops:params:scim:schemas:extension:2.0:Organization"
#define SCIM_URN_MEMBERSHIP "urn:kiops:params:scim:schemas:core:2.0:Membership"
#define SCIM_URN_SCHEMA "urn:ietf:params:scim:schemas:core:2.0:Schema"
#define SCIM_URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"
#define SCIM_URN_LIST "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define SCIM_URN_PATCH "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define SCIM_URN_REFUSAL "urn:kiops:params:scim:api:messages:2.0:Refusal"

/* ---- catalog.c, schema.c: schema text -> attribute tables */
enum scim_type {
    SCIM_STRING,
    SCIM_BOOLEAN,
    SCIM_DECIMAL,
    SCIM_INTEGER,
    SCIM_DATETIME,
    SCIM_REFERENCE,
    SCIM_BINARY,
    SCIM_COMPLEX
};
enum scim_mutability { SCIM_READ_WRITE, SCIM_READ_ONLY, SCIM_IMMUTABLE, SCIM_WRITE_ONLY };
enum scim_returned { SCIM_DEFAULT, SCIM_ALWAYS, SCIM_NEVER, SCIM_REQUEST };
enum scim_uniqueness { SCIM_NOT_UNIQUE, SCIM_SERVER_UNIQUE, SCIM_GLOBAL_UNIQUE };

struct scim_schema;

struct scim_attr {
    struct str name; /* as the schema spells it */
    enum scim_type type;
    bool multi, required, case_exact;
    enum scim_mutability mutability;
    enum scim_returned returned;
    enum scim_uniqueness uniqueness;
    const struct str *canonical; /* canonicalValues */
    size_t canonical_count;
    const struct scim_attr *subs; /* of a complex attribute */
    size_t sub_count;
    const struct scim_attr *parent; /* NULL at the top */
    const struct scim_schema
        *schema; /* NULL for the common attributes (id, externalId, meta, schemas) */
};

struct scim_schema {
    struct str id, name, description;
    const struct scim_attr *attrs;
    size_t attr_count;
    const json_t *source; /* the schema resource as loaded, without meta */
};

#define SCIM_EXTENSIONS_MAX 8

struct scim_resource_type {
    struct str id, name, endpoint, description; /* endpoint: "/Users" */
    const struct scim_schema *core;
    const struct scim_schema *extensions[SCIM_EXTENSIONS_MAX];
    bool extension_required[SCIM_EXTENSIONS_MAX];
    size_t extension_count;
    bool on_request;                /* some attribute is returned on request only */
    bool hides;                     /* some attribute of an extension is never returned */
    const struct scim_attr *common; /* schemas, id, externalId,
                                       meta{resourceType,created,lastModified,location,version} */
    size_t common_count;
};

struct scim_catalog;

struct scim_catalog *scim_catalog_new(void);
void scim_catalog_free(struct scim_catalog *c);
/* `schema` is one Schema resource, `type` one ResourceType resource (borrowed, copied). Schemas
 * first. Errors: ERR_CONFIG naming the attribute and what is wrong with it. */
MUST_CHECK bool scim_catalog_add_schema(struct scim_catalog *c, const json_t *schema,
                                        struct error *err);
MUST_CHECK bool scim_catalog_add_type(struct scim_catalog *c, const json_t *type,
                                      struct error *err);
/* `schema` extends the resource type of that name, as an administrator wishes: not required, under
 * a URN of its own, and with nothing that nobody would keep (uniqueness). */
MUST_CHECK bool scim_catalog_add_extension(struct scim_catalog *c, struct str type,
                                           const json_t *schema, struct error *err);
/* Of this type externalId is not kept: it is an unknown attribute then. Before anybody looks. */
void scim_catalog_drop_external_id(struct scim_catalog *c, struct str type);
const struct scim_schema *scim_catalog_schema(const struct scim_catalog *c,
                                              struct str urn); /* without case; NULL */
const struct scim_resource_type *scim_catalog_type(const struct scim_catalog *c,
                                                   struct str name); /* "User"; NULL */
size_t scim_catalog_schemas(const struct scim_catalog *c, const struct scim_schema *const **out);
size_t scim_catalog_types(const struct scim_catalog *c,
                          const struct scim_resource_type *const **out);

const struct scim_attr *scim_attr_find(const struct scim_attr *attrs, size_t n,
                                       struct str name); /* without case */
const struct scim_attr *scim_attr_sub(const struct scim_attr *complex, struct str name);

/* ---- what a request is read with */
struct scim_dialect;

struct scim_filter_limits {
    size_t chars;
    unsigned nodes, depth;
};

struct scim_limits {
    struct scim_filter_limits filter;
    size_t operations, values;   /* of one PATCH; over: ERR_TOO_LARGE naming the limit */
    size_t value_bytes;          /* one string; over: ERR_INVALID_VALUE */
    size_t values_per_attribute; /* members excepted */
};

/* Who asks only for order or attributes may leave dialect, base and limits out. */
struct scim_context {
    struct arena *arena; /* what is parsed lives here */
    const struct scim_resource_type *type;
    const struct scim_dialect *dialect;
    struct str base; /* public_url + "/scim/v2": whose a `$ref` is that comes without a value */
    struct scim_limits limits;
    /* Filter and order are asked of several types at once: what this type lacks has no value
     * (RFC 7644 3.4.2.1). */
    bool of_many_types;
};

/* ---- path.c */
struct scim_filter;

/* `attr` NULL means: the whole extension `extension` (path = its URN alone). */
struct scim_path {
    const struct scim_schema
        *extension; /* not NULL when the attribute lives under an extension's URN key */
    const struct scim_attr *attr;
    const struct scim_filter *filter; /* the value filter in [ ], or NULL */
    const struct scim_attr *sub;      /* after the dot, or NULL */
    struct str text;
};

/* The whole of `text`: [URN:]attr[filter].sub in any letter case, the URN cut at the longest known
 * one. Errors: ERR_INVALID_PATH (grammar, unknown attribute), ERR_INVALID_FILTER inside [ ]. */
MUST_CHECK bool scim_path_parse(struct arena *a, const struct scim_resource_type *type,
                                struct str text, struct scim_path *out, struct error *err);

/* ---- filter.c, match.c */
enum scim_op {
    SCIM_EQ,
    SCIM_NE,
    SCIM_CO,
    SCIM_SW,
    SCIM_EW,
    SCIM_GT,
    SCIM_GE,
    SCIM_LT,
    SCIM_LE,
    SCIM_PR
};
enum scim_node { SCIM_AND, SCIM_OR, SCIM_NOT, SCIM_COMPARE, SCIM_VALUE_PATH };
enum scim_literal { SCIM_LIT_NULL, SCIM_LIT_BOOLEAN, SCIM_LIT_NUMBER, SCIM_LIT_STRING };

/*
 * SCIM_AND/OR: left, right. SCIM_NOT: left. SCIM_COMPARE: target op literal (SCIM_PR: no literal).
 * SCIM_VALUE_PATH: target.attr[left] and, where target.sub is set (Entra's emails[..].value eq
 * ".."), `op literal` on that sub-attribute of an item for which `left` holds. Inside a value path
 * the targets are sub-attributes: target.attr is the sub-attribute itself.
 */
struct scim_filter {
    enum scim_node kind;
    const struct scim_filter *left, *right;
    struct scim_path target; /* target.filter is not used here */
    enum scim_op op;
    enum scim_literal literal;
    bool boolean;
    double number;
    struct str string; /* decoded JSON string */
    struct str key;    /* comparison key: folded unless the attribute is caseExact */
    instant_t instant; /* for SCIM_DATETIME targets */
};

/*
 * Attribute equality without sub-attribute on a complex multi-valued one (`emails eq`, `members
 * eq`) means .value. Errors: ERR_INVALID_FILTER with the offset (bytes, from 0) of the first wrong
 * byte.
 */
MUST_CHECK bool scim_filter_parse(const struct scim_context *in, struct str text,
                                  const struct scim_filter **out, struct error *err);
/* Does the resource (canonical spelling, as the replica or mapping makes it) satisfy the filter?
 * Unassigned `active` never occurs: the mapping writes it out. */
bool scim_match(const struct scim_filter *f, const json_t *resource);
/* The operator and literal of one comparison, for who has the value ready: a comparison key (case
 * kept where the attribute is caseExact), or an instant. */
bool scim_match_key(const struct scim_filter *f, struct str key);
bool scim_match_instant(const struct scim_filter *f, instant_t at);
/* The same for one item of a multi-valued attribute and the filter inside [ ]. A simple item counts
 * as {"value": item}. */
bool scim_match_item(const struct scim_filter *f, const json_t *item);
/* The literal of `<path> eq "..."` that every match must satisfy (top level, or a conjunct);
 * STR_NONE when there is none. name: attribute ("userName", "id", "externalId", "emails",
 * "members"), sub: "value" or empty. For index look-ups. */
struct str scim_filter_pinned(const struct scim_filter *f, struct str name, struct str sub);
/* True when the filter is exactly one equality on that attribute. */
bool scim_filter_is_only(const struct scim_filter *f, struct str name, struct str sub,
                         struct str *value);
/* Does any node speak of that top-level attribute? */
bool scim_filter_mentions(const struct scim_filter *f, struct str name);

/* ---- dialect.c: what identity providers send -> what the RFC says, as a table of switches */
struct scim_dialect {
    struct str name;
    bool infer_schemas;       /* missing/1.x/odd `schemas` in a body is tolerated */
    bool ignore_unknown;      /* unknown attributes in POST/PUT bodies are dropped (logged), else
                                 ERR_INVALID_SYNTAX */
    bool ignore_unknown_path; /* unknown attribute in a PATCH path is skipped, else ERR_INVALID_PATH
                               */
    bool string_booleans;     /* "True"/"false" for booleans */
    bool create_on_replace;   /* replace with a value filter that matches nothing creates the item
                                 from its eq terms */
    bool dotted_keys;         /* {"name.givenName": ..} and URN keys in a path-less value */
    bool single_as_array;     /* an object where an array is expected */
    bool empty_operations;    /* Operations: [] is a no-op, else ERR_INVALID_SYNTAX */
    bool bare_filter_operand; /* eq bob without quotes: one token, taken as a string */
    bool last_primary_wins;   /* two primaries: the last one; else ERR_INVALID_VALUE */
    bool group_patch_204;     /* PATCH of a Group answers 204 */
    bool ignore_readonly_path; /* PATCH of a readOnly attribute by path is skipped, else
                                  ERR_MUTABILITY */
    bool unwrap_value;       /* "value":[{"value":false}] or {"value":"x"} for a simple attribute */
    bool manager_id;         /* manager.managerId is manager.value, as in SCIM 1.x */
    bool put_clears_members; /* strict only: absent members in PUT clears */
};

const struct scim_dialect *
scim_dialect_find(struct str name); /* NULL when there is no such profile */
size_t scim_dialects(const struct scim_dialect **out);

/* A new body in the RFC's spelling: canonical attribute names, 1.x URNs mapped, "True" -> true,
 * string manager -> {"value":..}, $ref-only members -> value, extension attributes given flat or
 * without their URN in `schemas`. readOnly and unassigned ("", null, []) attributes are left out;
 * only a set of references (members, managers) that was sent as [] stays [], for there absence
 * means "leave alone". Needs no arena. For POST and PUT bodies (PATCH values go through the same
 * code inside scim_patch_parse). Errors: ERR_INVALID_SYNTAX, ERR_INVALID_VALUE. */
MUST_CHECK bool scim_dialect_normalise(const struct scim_context *in, const json_t *body,
                                       json_t **out, struct error *err);

/* ---- patch.c */
enum scim_patch_op { SCIM_PATCH_ADD, SCIM_PATCH_REMOVE, SCIM_PATCH_REPLACE };

struct scim_patch; /* operations in order, path-less ones already spread into one per attribute */

/* Errors carry err->operation. ERR_INVALID_SYNTAX, _PATH, _FILTER, _VALUE, NO_TARGET, MUTABILITY,
 * TOO_LARGE. */
MUST_CHECK bool scim_patch_parse(const struct scim_context *in, const json_t *body,
                                 const struct scim_patch **out, struct error *err);
size_t scim_patch_count(const struct scim_patch *patch);

/* ---- patch_delta.c */
/*
 * A large set (members, managers) is not loaded to be patched: these operations are taken out as
 * deltas, in order, and the service folds them. Only an attribute with a `value` sub-attribute.
 */
enum scim_delta_kind {
    SCIM_DELTA_ADD,             /* values */
    SCIM_DELTA_REMOVE,          /* values */
    SCIM_DELTA_REPLACE,         /* exactly values (may be none) */
    SCIM_DELTA_CLEAR,           /* remove without value or filter */
    SCIM_DELTA_REMOVE_MATCHING, /* filter over the items ({value,display,type,$ref}) */
};

struct scim_delta {
    enum scim_delta_kind kind;
    const struct str *values;
    size_t count;
    const struct scim_filter *filter;
    size_t filter_nodes;
    struct str by; /* REMOVE, REMOVE_MATCHING of a replace: the value that the ADD behind it puts in
                      their place, and which stays if it is one of them. There must be one, unless
                      the dialect creates on replace. Else empty */
    int operation; /* index in the request */
};

struct scim_deltas {
    const struct scim_delta *at;
    size_t count;
};

/* Of a top-level attribute: of an extension when `extension_urn` is not empty, else of the core. */
struct scim_attr_name {
    struct str extension_urn, name;
};

/* Splits `*patch`: the operations on that attribute become `*deltas`, and `*patch` is left without
 * them. A value filter that is only `value eq` terms joined by or becomes SCIM_DELTA_REMOVE.
 * Writing a sub-attribute of an item (members[..].display) is ignored. */
MUST_CHECK bool scim_patch_take(struct arena *a, const struct scim_patch **patch,
                                const struct scim_attr_name *attr, struct scim_deltas *deltas,
                                struct error *err);
bool scim_patch_touches(const struct scim_patch *patch, const struct scim_attr_name *attr);
/* Every operation is an `add`, and none names an item that is there. */
bool scim_patch_adds_only(const struct scim_patch *patch);
/* Does an add or replace of that attribute name the value, itself or as an item's `value`? */
bool scim_patch_gives(const struct scim_patch *patch, const struct scim_attr_name *attr,
                      struct str value);
/* Only the `remove` operations on that attribute. */
const struct scim_patch *scim_patch_removals(struct arena *a, const struct scim_patch *patch,
                                             const struct scim_attr_name *attr);

/* ---- patch_apply.c */
/* New resource; `before` is not changed. Operations see each other's results; one primary at most
 * afterwards. */
MUST_CHECK bool scim_patch_apply(const struct scim_context *in, const struct scim_patch *patch,
                                 const json_t *before, json_t **after, struct error *err);

/* ---- resource.c: check a POST/PUT body or a PATCH result against the schema */
enum scim_purpose { SCIM_FOR_CREATE, SCIM_FOR_REPLACE, SCIM_FOR_PATCH };

struct scim_proposal {
    enum scim_purpose purpose;
    const json_t *before; /* NULL for a CREATE */
    const json_t *resource;
};

/*
 * New resource in canonical form: only known attributes, schema order and spelling, right JSON
 * types, readOnly dropped, unassigned dropped, no duplicate (type, value) items, at most one
 * primary, `schemas` recomputed. REPLACE keeps from `before` what absence keeps (active, password
 * is never there); immutables of an existing item may not change. `password` stays in the result of
 * CREATE, REPLACE and PATCH when the client sent one: the caller takes it out at once. Errors:
 * ERR_INVALID_VALUE (required, type, canonical values, control characters, two primaries),
 * ERR_MUTABILITY, ERR_INVALID_SYNTAX (unknown attribute where the dialect is strict).
 */
MUST_CHECK bool scim_resource_check(const struct scim_context *in,
                                    const struct scim_proposal *asked, json_t **out,
                                    struct error *err);
/* `schemas` of a response: core, then extensions that have content. Sets it on `resource`, first
 * member. */
void scim_resource_schemas(const struct scim_resource_type *type, json_t *resource);

/* ---- project.c */
struct scim_projection; /* NULL = everything returned by default */

/* Comma lists as they stand in the query (decoded), or STR_NONE. Unknown names are ignored;
 * `emails[..]` counts as emails. Errors: ERR_INVALID_VALUE when both are given. */
MUST_CHECK bool scim_projection_parse(const struct scim_context *in, struct str attributes,
                                      struct str excluded, const struct scim_projection **out,
                                      struct error *err);
/* `json`: compact text of a resource, as json_write() makes it. Applies
 * returned:always/never/request and the projection; adds the answer, no longer than `json`. */
void scim_project(const struct scim_projection *p, const struct scim_resource_type *type,
                  struct str json, struct buf *out);
/* New, or `resource` itself: without what is never returned. For every place that keeps or shows a
 * resource but the directory. */
json_t *scim_without_hidden(const struct scim_resource_type *type, json_t *resource);
/* Will this top-level attribute be in the answer at all (so that members need not be read)? */
bool scim_projection_wants(const struct scim_projection *p, struct str name);

/* ---- page.c */
struct scim_page {
    int64_t start_index; /* from 1 */
    int64_t count;       /* already clamped to the maximum; 0 = only the total */
    bool by_cursor;      /* cursor parameter present, even empty */
    struct str cursor;   /* opaque text, empty = first page */
};

struct scim_page_limits {
    int64_t fallback, most;
};

/* Values as they stand in the query; STR_NONE = absent (at == NULL). */
struct scim_page_query {
    struct str start_index, count, cursor;
};

/* Errors: ERR_INVALID_VALUE, ERR_INVALID_COUNT. */
MUST_CHECK bool scim_page_parse(const struct scim_page_query *q,
                                const struct scim_page_limits *limits, struct scim_page *out,
                                struct error *err);

struct scim_sort {
    struct scim_path by; /* by.attr NULL = default order (id) */
    bool descending;
};

/* Errors: ERR_INVALID_PATH (unknown, complex without value, returned:never), ERR_INVALID_VALUE
 * (sortOrder). Of many types, what this one lacks is no order. */
MUST_CHECK bool scim_sort_parse(const struct scim_context *in, struct str sort_by,
                                struct str sort_order, struct scim_sort *out, struct error *err);
/* Sort key of a resource: bytes that compare with memcmp in the attribute's order; STR_NONE (at
 * NULL) when it has no value (sorts last ascending, first descending). Primary item, else the
 * first. */
struct str scim_sort_key(struct arena *a, const struct scim_sort *s, const json_t *resource);
struct str scim_sort_instant(struct arena *a, instant_t at); /* the same of a date */

/* ---- reply.c */
int scim_status(enum error_kind kind);
const char *scim_error_type(enum error_kind kind); /* scimType, NULL when the RFC gives none */
/* Error body with the Refusal extension when err->rule is set and the status is not 404. */
void scim_reply_error(const struct error *err, struct str request_id, struct buf *out);
/* Head up to and including `"Resources":[` and the tail; the caller writes resources with commas
 * between. start_index 0: a page by cursor, which has none. */
void scim_reply_list_begin(struct buf *out, int64_t total, int64_t start_index,
                           int64_t items_per_page);
void scim_reply_list_end(struct buf *out, struct str next_cursor);

/* ---- discovery.c */
struct scim_features {
    bool patch, bulk, filter, change_password, sort, etag, cursor;
    int64_t bulk_operations, bulk_bytes, filter_results, default_page, max_page, cursor_timeout_s;
    bool http_basic, oauth_bearer;
};

/* New resources. `base` = public_url + "/scim/v2". `config` = the shipped
 * ServiceProviderConfig.json (texts), whose figures are replaced by `features`. */
json_t *scim_discovery_config(const json_t *config, const struct scim_features *features,
                              struct str base);
json_t *scim_discovery_type(const struct scim_resource_type *type, struct str base);
json_t *scim_discovery_schema(const struct scim_schema *schema, struct str base);
