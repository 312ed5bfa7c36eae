/* The text of a schema becomes a table of attributes. */
#include "scim/internal.h"

#include <string.h>

#include "base/own.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

/* Of a name in an error's text, so that the reason behind it fits. */
#define NAME_SHOWN 40

static bool fail(const struct builder *b, const struct scim_attr *attr, const char *key,
                 const char *what)
{
    struct str parent = attr->parent ? attr->parent->name : STR_NONE;
    return error_set(b->err, ERR_CONFIG, "attribute " STR_FMT "%s" STR_FMT ": %s %s",
                     STR_ARG(str_sub(parent, 0, NAME_SHOWN)), attr->parent ? "." : "",
                     STR_ARG(str_sub(attr->name, 0, NAME_SHOWN)), key, what);
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
    OWNED_BUF struct buf list;
    buf_init(&list, 256);
    BUF_LIT(&list, "must be one of");
    for (size_t i = 0; i < v->count; i++)
        buf_fmt(&list, "%s %s", i ? "," : "", v->words[i]);
    return fail(b, attr, v->key, list.at);
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
    return str_consists_of(name, "-_") && char_is_letter(name.at[0]);
}

static bool read_characteristics(const struct builder *b, struct scim_attr *attr,
                                 json_t *definition)
{
    unsigned type, mutability, returned, uniqueness;
    /* RFC 7643 7: what only the client may know is not shown; nobody needs to say so twice. */
    if (str_eq(json_get_str(definition, "mutability"), STR("writeOnly")) &&
        !json_object_get(definition, "returned"))
        json_put_str(definition, "returned", STR("never"));
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
    /* RFC 7643 2.3.6, 2.3.7: their letters tell, whatever the definition says. */
    attr->case_exact |= attr->type == SCIM_REFERENCE || attr->type == SCIM_BINARY;
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
    return !attr->parent || (!attr->parent->parent && str_ieq(b->schema->id, STR(SCIM_URN_SCHEMA)));
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
    if (!read_characteristics(b, attr, definition) || !read_subs(b, attr, definition))
        return false;
    return attr->mutability != SCIM_WRITE_ONLY || attr->returned == SCIM_NEVER ||
           fail(b, attr, "returned", "must be never, for the attribute is writeOnly");
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

bool scim_schema_read(struct arena *arena, struct scim_schema *schema, struct error *err)
{
    struct attr_list list = {.definitions = json_object_get(schema->source, "attributes")};
    if (json_array_size(list.definitions) == 0)
        return error_set(err, ERR_CONFIG, "schema " STR_FMT " has no attributes",
                         STR_ARG(schema->id));
    if (!read_list(&(struct builder){arena, schema, err}, &list))
        return false;
    schema->attrs = list.attrs;
    schema->attr_count = list.count;
    return true;
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
