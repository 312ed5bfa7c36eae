#include "scim/internal.h"

#include <string.h>

#define URN_SCHEMA "urn:ietf:params:scim:schemas:core:2.0:Schema"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct scim_catalog {
    struct arena *arena;
    const struct scim_schema **schemas;
    size_t schema_count, schema_cap;
    const struct scim_resource_type **types;
    size_t type_count, type_cap;
};

/* RFC 7643 3.1 defines these for all resources and no schema lists them. None is `required`: that
 * is asked of clients, and a client need not send them. */
#define META 3
static const struct scim_attr common_attrs[META + 1];

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

static const struct scim_attr common_attrs[META + 1] = {
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
    {.name = STR_INIT("externalId"), .type = SCIM_STRING, .case_exact = true},
    [META] = {.name = STR_INIT("meta"),
              .type = SCIM_COMPLEX,
              .mutability = SCIM_READ_ONLY,
              .subs = meta_subs,
              .sub_count = COUNT(meta_subs)},
};

/* ---- one attribute definition */

struct builder {
    struct arena *arena;
    const struct scim_schema *schema;
    struct error *err;
};

/* Words in the order of the enums; the first is the default of RFC 7643 2.2. */
static const char *const type_words[] = {"string",   "boolean",   "decimal", "integer",
                                         "dateTime", "reference", "binary",  "complex"};
static const char *const mutability_words[] = {"readWrite", "readOnly", "immutable", "writeOnly"};
static const char *const returned_words[] = {"default", "always", "never", "request"};
static const char *const uniqueness_words[] = {"none", "server", "global"};

static const char *const definition_keys[] = {
    "name",      "type",       "multiValued", "description", "required",       "canonicalValues",
    "caseExact", "mutability", "returned",    "uniqueness",  "referenceTypes", "subAttributes",
};

static bool fail(const struct builder *b, const struct scim_attr *attr, const char *key,
                 const char *what)
{
    struct str parent = attr->parent ? attr->parent->name : STR_NONE;
    return error_set(b->err, ERR_CONFIG,
                     "schema " STR_FMT ": attribute " STR_FMT "%s" STR_FMT ": %s %s",
                     STR_ARG(b->schema->id), STR_ARG(parent), attr->parent ? "." : "",
                     STR_ARG(attr->name), key, what);
}

struct vocabulary {
    const char *key;
    const char *const *words;
    size_t count;
};

#define VOCABULARY(key, words) (&(const struct vocabulary){(key), (words), COUNT(words)})

/* What is absent gets its default, in the text too: discovery shows exactly what we obey. */
static bool read_word(const struct builder *b, const struct scim_attr *attr, json_t *definition,
                      const struct vocabulary *v, unsigned *out)
{
    json_t *value = json_object_get(definition, v->key);
    if (!value) {
        json_put(definition, v->key, json_string(v->words[0]));
        *out = 0;
        return true;
    }
    struct str word = json_str(value);
    for (unsigned i = 0; i < v->count; i++) {
        if (!str_eq(word, str_of(v->words[i])))
            continue;
        *out = i;
        return true;
    }
    return fail(b, attr, v->key, "is not one of the words of RFC 7643 section 7");
}

static bool read_flag(const struct builder *b, const struct scim_attr *attr, json_t *definition,
                      const char *key, bool *out)
{
    const json_t *value = json_object_get(definition, key);
    if (!value)
        json_put(definition, key, json_false());
    else if (!json_is_boolean(value))
        return fail(b, attr, key, "must be true or false");
    *out = json_is_true(value);
    return true;
}

static bool read_words(const struct builder *b, struct scim_attr *attr, const json_t *definition)
{
    const json_t *references = json_object_get(definition, "referenceTypes");
    if (references && (!json_is_array(references) || attr->type != SCIM_REFERENCE))
        return fail(b, attr, "referenceTypes", "must be a list, and of a reference only");
    const json_t *list = json_object_get(definition, "canonicalValues");
    if (!list)
        return true;
    size_t n = json_array_size(list);
    if (n == 0 || attr->type != SCIM_STRING)
        return fail(b, attr, "canonicalValues", "must be a list of words, and of a string only");
    struct str *words = ARENA_ARRAY(b->arena, struct str, n);
    for (size_t i = 0; i < n; i++) {
        words[i] = json_str(json_array_get(list, i));
        if (words[i].len == 0)
            return fail(b, attr, "canonicalValues", "holds something that is not a word");
    }
    attr->canonical = words;
    attr->canonical_count = n;
    return true;
}

static bool has_only_known_keys(const struct builder *b, const struct scim_attr *attr,
                                json_t *definition)
{
    const char *key;
    json_t *value;
    json_object_foreach(definition, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < COUNT(definition_keys) && !known; i++)
            known = strcmp(key, definition_keys[i]) == 0;
        if (!known)
            return fail(b, attr, key, "is no characteristic of RFC 7643 section 7");
        if (json_is_null(value))
            return fail(b, attr, key, "is null");
    }
    return true;
}

/* RFC 7643 2.1: a letter, then letters, digits, - and _; and the one name `$ref`. */
static bool is_attribute_name(struct str name)
{
    if (str_eq(name, STR("$ref")))
        return true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!letter && (i == 0 || !other))
            return false;
    }
    return name.len > 0;
}

static bool read_characteristics(const struct builder *b, struct scim_attr *attr,
                                 json_t *definition)
{
    unsigned type, mutability, returned, uniqueness;
    if (!has_only_known_keys(b, attr, definition) ||
        !read_word(b, attr, definition, VOCABULARY("type", type_words), &type) ||
        !read_flag(b, attr, definition, "multiValued", &attr->multi) ||
        !read_flag(b, attr, definition, "required", &attr->required) ||
        !read_flag(b, attr, definition, "caseExact", &attr->case_exact) ||
        !read_word(b, attr, definition, VOCABULARY("mutability", mutability_words), &mutability) ||
        !read_word(b, attr, definition, VOCABULARY("returned", returned_words), &returned) ||
        !read_word(b, attr, definition, VOCABULARY("uniqueness", uniqueness_words), &uniqueness))
        return false;
    attr->type = (enum scim_type)type;
    attr->mutability = (enum scim_mutability)mutability;
    attr->returned = (enum scim_returned)returned;
    attr->uniqueness = (enum scim_uniqueness)uniqueness;
    return read_words(b, attr, definition);
}

/* ---- lists of definitions */

struct attr_list {
    const json_t *definitions;
    const struct scim_attr *parent;
    const struct scim_attr *attrs; /* result */
    size_t count;
};

static bool read_list(const struct builder *b, struct attr_list *list);

/* RFC 7643 2.3.8: no complex attribute within a complex one. The schema of schemas itself breaks
 * that rule once, for attributes.subAttributes. */
static bool may_nest(const struct builder *b, const struct scim_attr *attr)
{
    return !attr->parent || (!attr->parent->parent && str_ieq(b->schema->id, STR(URN_SCHEMA)));
}

static bool read_subs(const struct builder *b, struct scim_attr *attr, const json_t *definition)
{
    const json_t *subs = json_object_get(definition, "subAttributes");
    if (attr->type != SCIM_COMPLEX)
        return !subs || fail(b, attr, "subAttributes", "are of a complex attribute only");
    if (!may_nest(b, attr))
        return fail(b, attr, "type", "complex within a complex attribute");
    if (json_array_size(subs) == 0)
        return fail(b, attr, "subAttributes", "are missing");
    struct attr_list list = {.definitions = subs, .parent = attr};
    if (!read_list(b, &list))
        return false;
    attr->subs = list.attrs;
    attr->sub_count = list.count;
    return true;
}

static bool read_attr(const struct builder *b, struct scim_attr *attr, json_t *definition)
{
    attr->schema = b->schema;
    attr->name = json_get_str(definition, "name");
    if (!is_attribute_name(attr->name))
        return fail(b, attr, "name", "is not the name of an attribute");
    return read_characteristics(b, attr, definition) && read_subs(b, attr, definition);
}

static bool read_list(const struct builder *b, struct attr_list *list)
{
    size_t n = json_array_size(list->definitions);
    struct scim_attr *attrs = ARENA_ARRAY(b->arena, struct scim_attr, n);
    for (size_t i = 0; i < n; i++) {
        attrs[i].parent = list->parent;
        if (!read_attr(b, &attrs[i], json_array_get(list->definitions, i)))
            return false;
        if (scim_attr_find(attrs, i, attrs[i].name))
            return fail(b, &attrs[i], "name", "is taken");
    }
    list->attrs = attrs;
    list->count = n;
    return true;
}

/* ---- the catalog */

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

bool scim_catalog_add_schema(struct scim_catalog *c, const json_t *schema, struct error *err)
{
    struct str id = json_get_str(schema, "id");
    if (id.len == 0)
        return error_set(err, ERR_CONFIG, "a schema has no id");
    if (scim_catalog_schema(c, id))
        return error_set(err, ERR_CONFIG, "schema " STR_FMT " is there twice", STR_ARG(id));
    json_t *source = keep_copy(c, schema);
    struct scim_schema *s = ARENA_NEW(c->arena, struct scim_schema);
    s->id = json_get_str(source, "id");
    s->name = json_get_str(source, "name");
    s->description = json_get_str(source, "description");
    s->source = source;
    struct attr_list list = {.definitions = json_object_get(source, "attributes")};
    if (s->name.len == 0 || json_array_size(list.definitions) == 0)
        return error_set(err, ERR_CONFIG, "schema " STR_FMT " has no name or no attributes",
                         STR_ARG(id));
    if (!read_list(&(struct builder){c->arena, s, err}, &list))
        return false;
    s->attrs = list.attrs;
    s->attr_count = list.count;
    c->schemas =
        arena_grow(c->arena, c->schemas, sizeof(c->schemas[0]), c->schema_count, &c->schema_cap);
    c->schemas[c->schema_count++] = s;
    return true;
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
    c->types = arena_grow(c->arena, c->types, sizeof(c->types[0]), c->type_count, &c->type_cap);
    c->types[c->type_count++] = t;
    return true;
}

const struct scim_schema *scim_catalog_schema(const struct scim_catalog *c, struct str urn)
{
    for (size_t i = 0; i < c->schema_count; i++)
        if (str_ieq(c->schemas[i]->id, urn))
            return c->schemas[i];
    return NULL;
}

const struct scim_resource_type *scim_catalog_type(const struct scim_catalog *c, struct str name)
{
    for (size_t i = 0; i < c->type_count; i++)
        if (str_eq(c->types[i]->name, name))
            return c->types[i];
    return NULL;
}

size_t scim_catalog_schemas(const struct scim_catalog *c, const struct scim_schema *const **out)
{
    *out = c->schemas;
    return c->schema_count;
}

size_t scim_catalog_types(const struct scim_catalog *c,
                          const struct scim_resource_type *const **out)
{
    *out = c->types;
    return c->type_count;
}

/* ---- looking attributes up */

const struct scim_attr *scim_attr_find(const struct scim_attr *attrs, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(attrs[i].name, name))
            return &attrs[i];
    return NULL;
}

const struct scim_attr *scim_attr_sub(const struct scim_attr *complex, struct str name)
{
    return scim_attr_find(complex->subs, complex->sub_count, name);
}

const struct scim_attr *scim_type_attr(const struct scim_resource_type *type, struct str name,
                                       const struct scim_schema **extension)
{
    const struct scim_schema *nowhere;
    const struct scim_schema **lives_in = extension ? extension : &nowhere;
    *lives_in = NULL;
    const struct scim_attr *attr = scim_attr_find(type->common, type->common_count, name);
    if (!attr)
        attr = scim_attr_find(type->core->attrs, type->core->attr_count, name);
    for (size_t i = 0; !attr && i < type->extension_count; i++) {
        *lives_in = type->extensions[i];
        attr = scim_attr_find((*lives_in)->attrs, (*lives_in)->attr_count, name);
    }
    if (!attr)
        *lives_in = NULL;
    return attr;
}

const struct scim_schema *scim_type_extension(const struct scim_resource_type *type, struct str urn)
{
    for (size_t i = 0; i < type->extension_count; i++)
        if (str_ieq(type->extensions[i]->id, urn))
            return type->extensions[i];
    return NULL;
}

static bool begins_with_urn(struct str text, struct str urn)
{
    return str_istarts(text, urn) && (text.len == urn.len || text.at[urn.len] == ':');
}

const struct scim_schema *scim_type_urn(const struct scim_resource_type *type, struct str text,
                                        struct str *rest)
{
    const struct scim_schema *longest = begins_with_urn(text, type->core->id) ? type->core : NULL;
    for (size_t i = 0; i < type->extension_count; i++) {
        const struct scim_schema *extension = type->extensions[i];
        if (begins_with_urn(text, extension->id) &&
            (!longest || extension->id.len > longest->id.len))
            longest = extension;
    }
    if (longest)
        *rest = str_sub(text, longest->id.len + 1, text.len);
    return longest;
}
