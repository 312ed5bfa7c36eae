/* The catalog: which schemas there are, and which resource types they make. */
#include "scim/internal.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct scim_catalog {
    struct arena *arena;
    const struct scim_schema **schemas;
    size_t schema_count, schema_cap;
    struct scim_resource_type **types;
    size_t type_count, type_cap;
};

/* RFC 7643 3.1 defines these for all resources and no schema lists them. None is `required`: that
 * is asked of clients, and a client need not send them. */
#define META 2
#define EXTERNAL_ID 3
static const struct scim_attr common_attrs[EXTERNAL_ID + 1];

#define META_SUB(text, kind)                                                                       \
    {                                                                                              \
        .name = STR_INIT(text), .type = (kind), .case_exact = true, .mutability = SCIM_READ_ONLY,  \
        .parent = &common_attrs[META]                                                              \
    }

static const struct scim_attr meta_subs[] = {
    META_SUB("resourceType", SCIM_STRING),   META_SUB("created", SCIM_DATETIME),
    META_SUB("lastModified", SCIM_DATETIME), META_SUB("location", SCIM_REFERENCE),
    META_SUB("version", SCIM_STRING),
};

static const struct scim_attr common_attrs[EXTERNAL_ID + 1] = {
    /* Without case, unlike a reference: URNs are compared so. */
    {.name = STR_INIT("schemas"),
     .type = SCIM_STRING,
     .multi = true,
     .mutability = SCIM_READ_ONLY,
     .returned = SCIM_ALWAYS},
    {.name = STR_INIT("id"),
     .type = SCIM_STRING,
     .case_exact = true,
     .mutability = SCIM_READ_ONLY,
     .returned = SCIM_ALWAYS,
     .uniqueness = SCIM_GLOBAL_UNIQUE},
    [META] = {.name = STR_INIT("meta"),
              .type = SCIM_COMPLEX,
              .mutability = SCIM_READ_ONLY,
              .subs = meta_subs,
              .sub_count = COUNT(meta_subs)},
    [EXTERNAL_ID] = {.name = STR_INIT("externalId"), .type = SCIM_STRING, .case_exact = true},
};

struct scim_catalog *scim_catalog_new(void)
{
    struct arena *arena = arena_new();
    struct scim_catalog *c = ARENA_NEW(arena, struct scim_catalog);
    c->arena = arena;
    return c;
}

void scim_catalog_free(struct scim_catalog *c)
{
    if (c)
        arena_free(c->arena);
}

/* A copy that lives as long as the catalog, so that views into it do. */
static json_t *keep_copy(struct scim_catalog *c, const json_t *value)
{
    json_t *copy = json_copy_deep(value);
    json_keep(c->arena, copy);
    json_object_del(copy, "meta");
    return copy;
}

static void keep_schema(struct scim_catalog *c, const struct scim_schema *s)
{
    c->schemas =
        arena_grow(c->arena, c->schemas, sizeof(c->schemas[0]), c->schema_count, &c->schema_cap);
    c->schemas[c->schema_count++] = s;
}

/* In the catalog's memory, but not yet in the catalog. */
static bool read_schema(struct scim_catalog *c, const json_t *schema, struct scim_schema **out,
                        struct error *err)
{
    struct str id = json_get_str(schema, "id");
    if (id.len == 0)
        return error_set(err, ERR_CONFIG, "a schema has no id; give it a URN of your own");
    if (scim_catalog_schema(c, id))
        return error_set(err, ERR_CONFIG,
                         "schema " STR_FMT " is there twice; the id must be one of its own",
                         STR_ARG(id));
    json_t *source = keep_copy(c, schema);
    struct scim_schema *s = ARENA_NEW(c->arena, struct scim_schema);
    s->id = json_get_str(source, "id");
    s->name = json_get_str(source, "name");
    s->description = json_get_str(source, "description");
    s->source = source;
    *out = s;
    return s->name.len ? scim_schema_read(c->arena, s, err)
                       : error_set(err, ERR_CONFIG, "schema " STR_FMT " has no name", STR_ARG(id));
}

bool scim_catalog_add_schema(struct scim_catalog *c, const json_t *schema, struct error *err)
{
    struct scim_schema *s;
    if (!read_schema(c, schema, &s, err))
        return false;
    keep_schema(c, s);
    return true;
}

static bool any_returned(const struct scim_attr *attrs, size_t n, enum scim_returned when)
{
    for (size_t i = 0; i < n; i++)
        if (attrs[i].returned == when || any_returned(attrs[i].subs, attrs[i].sub_count, when))
            return true;
    return false;
}

static void note_returned(struct scim_resource_type *t)
{
    t->on_request = any_returned(t->core->attrs, t->core->attr_count, SCIM_REQUEST);
    t->hides = false;
    for (size_t i = 0; i < t->extension_count; i++) {
        const struct scim_schema *s = t->extensions[i];
        t->on_request |= any_returned(s->attrs, s->attr_count, SCIM_REQUEST);
        t->hides |= any_returned(s->attrs, s->attr_count, SCIM_NEVER);
    }
}

static bool add_extension(const struct scim_catalog *c, struct scim_resource_type *t,
                          const json_t *entry, struct error *err)
{
    struct str urn = json_get_str(entry, "schema");
    const struct scim_schema *schema = scim_catalog_schema(c, urn);
    if (!schema || t->extension_count == SCIM_EXTENSIONS_MAX)
        return error_set(err, ERR_CONFIG, "resource type " STR_FMT ": extension " STR_FMT ": %s",
                         STR_ARG(t->name), STR_ARG(urn),
                         schema ? "there are too many" : "there is no such schema");
    t->extension_required[t->extension_count] = json_get_bool(entry, "required", false);
    t->extensions[t->extension_count++] = schema;
    return true;
}

bool scim_catalog_add_type(struct scim_catalog *c, const json_t *type, struct error *err)
{
    const json_t *source = keep_copy(c, type);
    struct scim_resource_type *t = ARENA_NEW(c->arena, struct scim_resource_type);
    t->name = json_get_str(source, "name");
    t->id = json_get_str(source, "id");
    if (t->id.len == 0)
        t->id = t->name;
    t->endpoint = json_get_str(source, "endpoint");
    t->description = json_get_str(source, "description");
    t->core = scim_catalog_schema(c, json_get_str(source, "schema"));
    t->common = common_attrs;
    t->common_count = COUNT(common_attrs);
    if (t->name.len == 0 || t->endpoint.len < 2 || t->endpoint.at[0] != '/')
        return error_set(err, ERR_CONFIG, "a resource type needs a name and an /endpoint");
    if (!t->core || scim_catalog_type(c, t->name))
        return error_set(err, ERR_CONFIG, "resource type " STR_FMT ": %s", STR_ARG(t->name),
                         t->core ? "it is there twice" : "there is no such schema");
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(source, "schemaExtensions"), i, entry)
    {
        if (!add_extension(c, t, entry, err))
            return false;
    }
    note_returned(t);
    c->types = arena_grow(c->arena, c->types, sizeof(c->types[0]), c->type_count, &c->type_cap);
    c->types[c->type_count++] = t;
    return true;
}

void scim_catalog_drop_external_id(struct scim_catalog *c, struct str type)
{
    for (size_t i = 0; i < c->type_count; i++)
        if (str_eq(c->types[i]->name, type))
            c->types[i]->common_count = EXTERNAL_ID;
}

/* ---- extensions of the administrator's own */

static bool is_urn(struct str id)
{
    struct str rest = id, part;
    if (!str_istarts(id, STR("urn:")) || id.at[id.len - 1] == ':')
        return false;
    size_t parts = 0;
    while (str_split(&rest, ':', &part)) {
        if (part.len == 0)
            return false;
        parts++;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (c == '\0' || !strchr("-._~:+=@!$'*;", c)))
            return false;
    }
    return parts >= 3;
}

/* Of two ids of which one goes on where the other ends, `URN:name` would mean two things. */
static const struct scim_schema *overlapping(const struct scim_catalog *c, struct str id)
{
    for (size_t i = 0; i < c->schema_count; i++) {
        struct str other = c->schemas[i]->id;
        struct str longer = id.len > other.len ? id : other,
                   shorter = id.len > other.len ? other : id;
        if (str_istarts(longer, shorter) && longer.at[shorter.len] == ':')
            return c->schemas[i];
    }
    return NULL;
}

static bool check_id(const struct scim_catalog *c, struct str id, struct error *err)
{
    if (!is_urn(id))
        return error_set(err, ERR_CONFIG,
                         "id \"%.60s\" is no URN; take one such as "
                         "urn:example:params:scim:schemas:extension:1.0:Badge",
                         arena_cstr(c->arena, id));
    if (str_istarts(id, STR("urn:ietf:params:scim:api:")) || str_istarts(id, STR("urn:kiops:")))
        return error_set(err, ERR_CONFIG, "id " STR_FMT " is in a name space that is not yours",
                         STR_ARG(id));
    const struct scim_schema *other = overlapping(c, id);
    return !other || error_set(err, ERR_CONFIG,
                               "id " STR_FMT " overlaps that of schema " STR_FMT
                               "; neither may begin with the other",
                               STR_ARG(id), STR_ARG(other->name));
}

/* Nobody would watch over it: two bridges on one directory see a new value at different times. */
static bool check_uniqueness(const struct scim_attr *attrs, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (attrs[i].uniqueness != SCIM_NOT_UNIQUE)
            return error_set(err, ERR_CONFIG,
                             "attribute " STR_FMT ": uniqueness must be none; let the directory "
                             "keep values unique (overlay unique on the mapped attribute)",
                             STR_ARG(str_sub(attrs[i].name, 0, 40)));
        if (!check_uniqueness(attrs[i].subs, attrs[i].sub_count, err))
            return false;
    }
    return true;
}

static bool says_schema(const json_t *schemas)
{
    for (size_t i = 0; i < json_array_size(schemas); i++)
        if (str_ieq(json_str(json_array_get(schemas, i)), STR(SCIM_URN_SCHEMA)))
            return true;
    return false;
}

static struct scim_resource_type *find_type(const struct scim_catalog *c, struct str name)
{
    for (size_t i = 0; i < c->type_count; i++)
        if (str_eq(c->types[i]->name, name))
            return c->types[i];
    return NULL;
}

bool scim_catalog_add_extension(struct scim_catalog *c, struct str type, const json_t *schema,
                                struct error *err)
{
    struct scim_resource_type *t = find_type(c, type);
    const json_t *schemas = json_object_get(schema, "schemas");
    struct scim_schema *s;
    if (!json_is_object(schema) || (schemas && !says_schema(schemas)))
        return error_set(err, ERR_CONFIG,
                         "is no Schema resource (RFC 7643 section 7); it needs id, name and "
                         "attributes");
    if (!t || t->extension_count == SCIM_EXTENSIONS_MAX)
        return error_set(err, ERR_CONFIG, "a " STR_FMT " has at most %d extensions; leave one out",
                         STR_ARG(type), SCIM_EXTENSIONS_MAX);
    if (!read_schema(c, schema, &s, err) || !check_id(c, s->id, err) ||
        !check_uniqueness(s->attrs, s->attr_count, err))
        return false;
    keep_schema(c, s);
    t->extensions[t->extension_count++] = s;
    note_returned(t);
    return true;
}

/* ---- looking up */

const struct scim_schema *scim_catalog_schema(const struct scim_catalog *c, struct str urn)
{
    for (size_t i = 0; i < c->schema_count; i++)
        if (str_ieq(c->schemas[i]->id, urn))
            return c->schemas[i];
    return NULL;
}

const struct scim_resource_type *scim_catalog_type(const struct scim_catalog *c, struct str name)
{
    return find_type(c, name);
}

size_t scim_catalog_schemas(const struct scim_catalog *c, const struct scim_schema *const **out)
{
    *out = c->schemas;
    return c->schema_count;
}

size_t scim_catalog_types(const struct scim_catalog *c,
                          const struct scim_resource_type *const **out)
{
    *out = (const struct scim_resource_type *const *)c->types;
    return c->type_count;
}
