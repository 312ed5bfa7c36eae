#include "base/own.h"
#include "scim/shape.h"

/* One name of the list. `attr` NULL: all of a schema; `sub` NULL: all of the attribute. */
struct choice {
    const struct scim_schema *extension; /* NULL: common and core */
    const struct scim_attr *attr, *sub;
};

struct scim_projection {
    const struct scim_resource_type *type;
    bool excludes; /* the list says what to leave out */
    struct choice *choices;
    size_t count, cap;
};

/* ---- the list */

/* The next name, cut at the comma that stands in neither brackets nor a string. */
static bool next_name(struct str *rest, struct str *name)
{
    bool in_string = false, in_brackets = false;
    size_t at = 0;
    if (rest->len == 0)
        return false;
    for (; at < rest->len && (in_string || in_brackets || rest->at[at] != ','); at++) {
        char c = rest->at[at];
        if (c == '\\' && in_string)
            at++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == ']'))
            in_brackets = c == '[';
    }
    *name = str_trim(str_sub(*rest, 0, at));
    *rest = str_sub(*rest, at + 1, rest->len);
    return true;
}

static bool is_chosen(const struct scim_projection *p, const struct choice *choice)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->choices[i].extension == choice->extension && p->choices[i].attr == choice->attr &&
            p->choices[i].sub == choice->sub)
            return true;
    return false;
}

static void choose(struct arena *a, struct scim_projection *p, const struct choice *choice)
{
    if (is_chosen(p, choice))
        return; /* so that the list is never longer than the schema, whatever a client repeats */
    p->choices = arena_grow(a, p->choices, sizeof(p->choices[0]), p->count, &p->cap);
    p->choices[p->count++] = *choice;
}

static void choose_name(struct arena *a, struct scim_projection *p, struct str name)
{
    struct error unknown = ERROR_INIT;
    struct scim_path path;
    size_t bracket;
    if (str_find(name, '[', &bracket))
        name = str_sub(name, 0, bracket);
    if (str_ieq(name, p->type->core->id))
        choose(a, p, &(struct choice){0});
    else if (scim_path_parse(a, p->type, name, &path, &unknown))
        choose(a, p, &(struct choice){path.extension, path.attr, path.sub});
}

bool scim_projection_parse(const struct scim_context *in, struct str attributes,
                           struct str excluded, const struct scim_projection **out,
                           struct error *err)
{
    if (attributes.len > 0 && excluded.len > 0)
        return error_set(err, ERR_INVALID_VALUE,
                         "attributes and excludedAttributes exclude each other");
    struct str rest = attributes.len > 0 ? attributes : excluded, name;
    if (rest.len == 0) {
        *out = NULL;
        return true;
    }
    struct scim_projection *p = ARENA_NEW(in->arena, struct scim_projection);
    *p = (struct scim_projection){.type = in->type, .excludes = excluded.len > 0};
    while (next_name(&rest, &name))
        choose_name(in->arena, p, name);
    *out = p;
    return true;
}

/* ---- what it means for one attribute */

enum share { NOTHING, PARTS, WHOLE };

/* What the list names of an attribute. */
static enum share named(const struct scim_projection *p, const struct scim_schema *extension,
                        const struct scim_attr *attr)
{
    enum share most = NOTHING;
    bool common = !attr->schema; /* belongs to every schema, so that no schema's URN names it */
    for (size_t i = 0; p && i < p->count; i++) {
        const struct choice *c = &p->choices[i];
        bool whole_schema = !c->attr && c->extension == extension && !common;
        if (whole_schema || (c->attr == attr && !c->sub))
            return WHOLE;
        if (c->attr == attr)
            most = PARTS;
    }
    return most;
}

static enum share share_of(const struct scim_projection *p, const struct scim_schema *extension,
                           const struct scim_attr *attr)
{
    enum share listed = named(p, extension, attr);
    if (attr->returned == SCIM_NEVER)
        return NOTHING;
    if (attr->returned == SCIM_ALWAYS)
        return WHOLE;
    if (p && !p->excludes)
        return listed;
    if (attr->returned == SCIM_REQUEST || listed == WHOLE)
        return NOTHING;
    return listed == PARTS ? PARTS : WHOLE;
}

static bool wants_sub(const struct scim_projection *p, enum share share,
                      const struct scim_attr *sub)
{
    if (sub->returned == SCIM_NEVER || sub->returned == SCIM_ALWAYS)
        return sub->returned == SCIM_ALWAYS;
    bool listed = false;
    for (size_t i = 0; p && i < p->count && !listed; i++)
        listed = p->choices[i].sub == sub;
    if (p && !p->excludes && share == PARTS)
        return listed;
    if (sub->returned == SCIM_REQUEST)
        return listed && p && !p->excludes;
    return !(p && p->excludes && listed);
}

bool scim_projection_wants(const struct scim_projection *p, struct str name)
{
    if (!p)
        return true;
    const struct scim_schema *extension;
    const struct scim_attr *attr = scim_type_attr(p->type, name, &extension);
    return attr && share_of(p, extension, attr) != NOTHING;
}

/* ---- values */

static bool has_odd_subs(const struct scim_attr *attr)
{
    for (size_t i = 0; i < attr->sub_count; i++)
        if (attr->subs[i].returned == SCIM_NEVER || attr->subs[i].returned == SCIM_REQUEST)
            return true;
    return false;
}

struct cut {
    const struct scim_projection *projection;
    const struct scim_attr *attr;
    enum share share;
};

static json_t *cut_object(const struct cut *c, const json_t *value)
{
    json_t *object = json_object();
    for (size_t i = 0; i < c->attr->sub_count; i++) {
        const struct scim_attr *sub = &c->attr->subs[i];
        json_t *part = scim_value(value, sub);
        if (part && wants_sub(c->projection, c->share, sub))
            shape_put(object, sub->name, json_incref(part));
    }
    return object;
}

static json_t *cut_value(const struct cut *c, json_t *value)
{
    bool whole = c->share == WHOLE && !has_odd_subs(c->attr);
    if (whole || c->attr->type != SCIM_COMPLEX)
        return json_incref(value);
    if (!json_is_array(value))
        return cut_object(c, value);
    json_t *items = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        OWNED_JSON json_t *item = cut_object(c, json_array_get(value, i));
        if (json_object_size(item) > 0)
            json_push(items, TAKE(item));
    }
    return items;
}

struct source {
    const struct scim_attr *attrs;
    size_t count;
    const struct scim_schema *extension;
    const json_t *holder;
};

static void project_attrs(const struct scim_projection *p, const struct source *from, json_t *out)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct scim_attr *attr = &from->attrs[i];
        json_t *value = scim_value(from->holder, attr);
        if (!value)
            continue;
        const struct cut cut = {p, attr, share_of(p, from->extension, attr)};
        if (cut.share == NOTHING)
            continue;
        OWNED_JSON json_t *part = cut_value(&cut, value);
        /* An empty `members` says that the group is empty; what the cut left empty says nothing. */
        if (part == value || json_object_size(part) + json_array_size(part) > 0)
            shape_put(out, attr->name, TAKE(part));
    }
}

/* `schemas` names the extensions that are in the answer. */
static void cut_schemas(const struct scim_resource_type *type, json_t *out)
{
    const json_t *all = json_object_get(out, "schemas");
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *urn = json_array_get(all, i);
        if (!scim_type_extension(type, json_str(urn)) ||
            json_object_get(out, json_string_value(urn)))
            json_push(kept, json_incref(urn));
    }
    json_put(out, "schemas", kept);
}

json_t *scim_project(const struct scim_projection *p, const struct scim_resource_type *type,
                     const json_t *resource)
{
    json_t *out = json_object();
    const struct source common = {type->common, type->common_count, NULL, resource};
    const struct source core = {type->core->attrs, type->core->attr_count, NULL, resource};
    project_attrs(p, &common, out);
    project_attrs(p, &core, out);
    for (size_t i = 0; i < type->extension_count; i++) {
        const struct scim_schema *schema = type->extensions[i];
        const struct source extension = {schema->attrs, schema->attr_count, schema,
                                         scim_holder(resource, schema)};
        if (!extension.holder)
            continue;
        OWNED_JSON json_t *object = json_object();
        project_attrs(p, &extension, object);
        if (json_object_size(object) > 0)
            shape_put(out, schema->id, TAKE(object));
    }
    if (json_object_get(out, "schemas"))
        cut_schemas(type, out);
    return out;
}

/* ---- the same on text, attribute by attribute */

static void copy_member(struct buf *out, size_t from, struct str text)
{
    if (out->len > from)
        buf_char(out, ',');
    buf_str(out, text);
}

static void cut_extension(const struct scim_projection *p, const struct scim_schema *extension,
                          const struct json_member *whole, struct buf *out)
{
    struct json_member m;
    buf_fmt(out, "\"" STR_FMT "\":{", STR_ARG(whole->name));
    size_t from = out->len;
    for (size_t at = 0; json_text_next(whole->value, &at, &m);) {
        const struct scim_attr *attr =
            scim_attr_find(extension->attrs, extension->attr_count, m.name);
        if (attr && share_of(p, extension, attr) != NOTHING)
            copy_member(out, from, m.text);
    }
    buf_char(out, '}');
}

void scim_project_text(const struct scim_projection *p, const struct scim_resource_type *type,
                       struct str json, struct buf *out)
{
    struct json_member m;
    buf_char(out, '{');
    size_t from = out->len;
    for (size_t at = 0; json_text_next(json, &at, &m);) {
        const struct scim_schema *in = NULL, *extension = scim_type_extension(type, m.name);
        const struct scim_attr *attr = extension ? NULL : scim_type_attr(type, m.name, &in);
        if (attr && share_of(p, in, attr) != NOTHING)
            copy_member(out, from, m.text);
        if (extension && out->len > from)
            buf_char(out, ',');
        if (extension)
            cut_extension(p, extension, &m, out);
    }
    buf_char(out, '}');
}

/* ---- what is never returned */

static json_t *shown_members(const struct scim_attr *attrs, size_t n, const json_t *object);

static json_t *shown_value(const struct scim_attr *attr, json_t *value)
{
    if (json_is_object(value))
        return shown_members(attr->subs, attr->sub_count, value);
    if (attr->type != SCIM_COMPLEX || !json_is_array(value))
        return json_incref(value);
    json_t *items = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        OWNED_JSON json_t *item = shown_value(attr, json_array_get(value, i));
        if (json_object_size(item) > 0)
            json_push(items, TAKE(item));
    }
    return items;
}

static json_t *shown_members(const struct scim_attr *attrs, size_t n, const json_t *object)
{
    json_t *out = json_object();
    for (size_t i = 0; i < n; i++) {
        json_t *value = scim_value(object, &attrs[i]);
        if (!value || attrs[i].returned == SCIM_NEVER)
            continue;
        OWNED_JSON json_t *shown = shown_value(&attrs[i], value);
        if (scim_is_assigned(shown))
            shape_put(out, attrs[i].name, TAKE(shown));
    }
    return out;
}

json_t *scim_without_hidden(const struct scim_resource_type *type, json_t *resource)
{
    if (!type->hides)
        return json_incref(resource);
    json_t *out = json_copy(resource);
    for (size_t i = 0; i < type->extension_count; i++) {
        const struct scim_schema *schema = type->extensions[i];
        const json_t *holder = scim_holder(resource, schema);
        if (!holder)
            continue;
        OWNED_JSON json_t *shown = shown_members(schema->attrs, schema->attr_count, holder);
        if (json_object_size(shown) > 0)
            shape_put(out, schema->id, TAKE(shown));
        else
            shape_drop(out, schema->id);
    }
    return out;
}
