/* What of a resource is returned: attributes, excludedAttributes, `returned`. */
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

/* ---- values, from text to text */

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

/* A member, or an item, of what was opened at `from`. */
static void add(struct buf *out, size_t from, struct str text)
{
    if (out->len > from)
        buf_char(out, ',');
    buf_str(out, text);
}

static void cut_back(struct buf *out, size_t len)
{
    out->len = len < out->len ? len : out->len;
}

/* false, and nothing written: no sub-attribute of it is wanted. */
static bool cut_object(const struct cut *c, struct str value, struct buf *out)
{
    const size_t mark = out->len;
    struct json_member m;
    buf_char(out, '{');
    for (size_t at = 0; json_text_next(value, &at, &m);) {
        const struct scim_attr *sub = scim_attr_sub(c->attr, m.name);
        if (sub && wants_sub(c->projection, c->share, sub))
            add(out, mark + 1, m.text);
    }
    const bool some = out->len > mark + 1;
    buf_char(out, '}');
    if (!some)
        cut_back(out, mark);
    return some;
}

static bool cut_list(const struct cut *c, struct str value, struct buf *out)
{
    const size_t mark = out->len;
    struct str item;
    buf_char(out, '[');
    for (size_t at = 0; json_text_item(value, &at, &item);) {
        const size_t before = out->len;
        if (before > mark + 1)
            buf_char(out, ',');
        if (!str_starts(item, STR("{")) || !cut_object(c, item, out))
            cut_back(out, before);
    }
    const bool some = out->len > mark + 1;
    buf_char(out, ']');
    if (!some)
        cut_back(out, mark);
    return some;
}

/* An empty `members` says that the group is empty; what the cut left empty says nothing. */
static void cut_attr(const struct cut *c, const struct json_member *m, size_t from, struct buf *out)
{
    const size_t mark = out->len;
    bool some = false;
    if (c->share == NOTHING)
        return;
    if ((c->share == WHOLE && !has_odd_subs(c->attr)) || c->attr->type != SCIM_COMPLEX) {
        add(out, from, m->text);
        return;
    }
    add(out, from, str_sub(m->text, 0, m->text.len - m->value.len));
    if (str_starts(m->value, STR("[")))
        some = cut_list(c, m->value, out);
    else if (str_starts(m->value, STR("{")))
        some = cut_object(c, m->value, out);
    if (!some)
        cut_back(out, mark);
}

struct cut_extension {
    const struct scim_projection *projection;
    const struct scim_schema *extension;
};

/* false, and nothing written: the projection leaves nothing of it. */
static bool cut_extension(const struct cut_extension *c, const struct json_member *whole,
                          size_t opened, struct buf *out)
{
    const size_t mark = out->len;
    struct json_member m;
    if (!str_starts(whole->value, STR("{")))
        return false;
    add(out, opened, str_sub(whole->text, 0, whole->text.len - whole->value.len));
    buf_char(out, '{');
    const size_t from = out->len;
    for (size_t at = 0; json_text_next(whole->value, &at, &m);) {
        const struct scim_attr *attr =
            scim_attr_find(c->extension->attrs, c->extension->attr_count, m.name);
        if (attr)
            cut_attr(
                &(struct cut){c->projection, attr, share_of(c->projection, c->extension, attr)}, &m,
                from, out);
    }
    const bool some = out->len > from;
    buf_char(out, '}');
    if (!some)
        cut_back(out, mark);
    return some;
}

/* ---- resources */

struct whole {
    const struct scim_projection *projection;
    const struct scim_resource_type *type;
    struct str schemas; /* as it stands in the resource; empty = it has none, or none is wanted */
    size_t schemas_at;  /* in the answer */
    bool has[SCIM_EXTENSIONS_MAX];
};

static size_t extension_of(const struct scim_resource_type *type, struct str urn)
{
    size_t i = 0;
    while (i < type->extension_count && !str_ieq(type->extensions[i]->id, urn))
        i++;
    return i;
}

static void take_member(struct whole *w, const struct json_member *m, size_t from, struct buf *out)
{
    const struct scim_resource_type *type = w->type;
    const size_t extension = extension_of(type, m->name), before = out->len;
    if (extension < type->extension_count) {
        const struct cut_extension c = {w->projection, type->extensions[extension]};
        w->has[extension] = cut_extension(&c, m, from, out);
        return;
    }
    const struct scim_attr *attr = scim_attr_find(type->common, type->common_count, m->name);
    if (!attr)
        attr = scim_attr_find(type->core->attrs, type->core->attr_count, m->name);
    if (attr)
        cut_attr(&(struct cut){w->projection, attr, share_of(w->projection, NULL, attr)}, m, from,
                 out);
    if (out->len > before && str_eq(m->name, STR("schemas"))) {
        w->schemas = m->value;
        w->schemas_at = out->len - m->value.len;
    }
}

/* It names the extensions that are in the answer. What is left of it is never longer. */
static void cut_schemas(const struct whole *w, struct buf *out)
{
    OWNED_BUF struct buf rest;
    struct str urn;
    buf_init(&rest, out->len);
    buf_str(&rest, str_sub(buf_view(out), w->schemas_at + w->schemas.len, out->len));
    cut_back(out, w->schemas_at);
    buf_char(out, '[');
    const size_t from = out->len;
    for (size_t at = 0; json_text_item(w->schemas, &at, &urn);) {
        const size_t i = extension_of(w->type, str_sub(urn, 1, urn.len - 2));
        if (i == w->type->extension_count || w->has[i])
            add(out, from, urn);
    }
    buf_char(out, ']');
    buf_str(out, buf_view(&rest));
}

void scim_project(const struct scim_projection *p, const struct scim_resource_type *type,
                  struct str json, struct buf *out)
{
    struct whole w = {.projection = p, .type = type};
    struct json_member m;
    buf_char(out, '{');
    const size_t from = out->len;
    for (size_t at = 0; json_text_next(json, &at, &m);)
        take_member(&w, &m, from, out);
    buf_char(out, '}');
    if (w.schemas.len && !out->failed)
        cut_schemas(&w, out);
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
