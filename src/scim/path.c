/* The path of a PATCH operation, or the name of an attribute. */
#include "scim/internal.h"

bool scim_parser_fail(struct scim_parser *p, const char *what)
{
    return error_set(p->err, p->kind, "%s at offset %zu", what, cursor_offset(&p->c));
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '$';
}

static bool continues_name(char c)
{
    return begins_name(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Empty when no name begins here. */
static struct str take_name(struct scim_parser *p)
{
    const char *from = p->c.at;
    while (p->c.at == from ? begins_name(cursor_peek(&p->c)) : continues_name(cursor_peek(&p->c)))
        p->c.at++;
    return (struct str){from, (size_t)(p->c.at - from)};
}

static struct str left(const struct scim_parser *p)
{
    return (struct str){p->c.at, (size_t)(p->c.end - p->c.at)};
}

const struct scim_attr scim_attr_absent = {.name = STR_INIT(""), .multi = true};

/* Up to what ends a path in a filter: the names below an unknown one are as unknown. */
static bool take_absent(struct scim_parser *p, struct scim_path *out)
{
    while (continues_name(cursor_peek(&p->c)) || cursor_peek(&p->c) == ':' ||
           cursor_peek(&p->c) == '.')
        p->c.at++;
    out->attr = &scim_attr_absent;
    return true;
}

static bool fail_unknown(struct scim_parser *p, const char *what, struct str name)
{
    p->unknown = true;
    return error_set(p->err, p->kind, STR_FMT " has no %s " STR_FMT " (at offset %zu)",
                     STR_ARG(p->type->name), what, STR_ARG(str_sub(name, 0, 100)),
                     cursor_offset(&p->c));
}

/* The attribute behind a URN. The core URN serves the common attributes too. */
static const struct scim_attr *find_in(const struct scim_resource_type *type,
                                       const struct scim_schema *schema, struct str name)
{
    const struct scim_attr *attr = scim_attr_find(schema->attrs, schema->attr_count, name);
    if (!attr && schema == type->core)
        attr = scim_attr_find(type->common, type->common_count, name);
    return attr;
}

static bool read_unqualified(struct scim_parser *p, struct scim_path *out)
{
    const struct cursor start = p->c;
    struct str name = take_name(p);
    bool foreign_urn = cursor_peek(&p->c) == ':';
    p->c = start;
    if (name.len == 0)
        return scim_parser_fail(p, "expected the name of an attribute");
    if (foreign_urn)
        return p->of_many_types ? take_absent(p, out) : fail_unknown(p, "schema", left(p));
    out->attr = scim_type_attr(p->type, name, &out->extension);
    if (!out->attr)
        return p->of_many_types ? take_absent(p, out) : fail_unknown(p, "attribute", name);
    p->c.at += name.len;
    return true;
}

bool scim_path_attr(struct scim_parser *p, struct scim_path *out)
{
    struct str rest;
    const struct scim_schema *schema = scim_type_urn(p->type, left(p), &rest);
    if (!schema)
        return read_unqualified(p, out);
    p->c.at += schema->id.len;
    out->extension = schema == p->type->core ? NULL : schema;
    if (cursor_done(&p->c) && out->extension)
        return true; /* the whole extension; a caller that wants an attribute finds none */
    if (!cursor_take(&p->c, ':'))
        return scim_parser_fail(p, "expected : and the name of an attribute");
    const struct cursor start = p->c;
    struct str name = take_name(p);
    if (name.len == 0)
        return scim_parser_fail(p, "expected the name of an attribute");
    out->attr = find_in(p->type, schema, name);
    if (out->attr)
        return true;
    p->c = start;
    return p->of_many_types ? take_absent(p, out) : fail_unknown(p, "attribute", name);
}

/* A simple multi-valued attribute has one sub-attribute, `value`, that stands for the item itself.
 */
static const struct scim_attr *item_value(struct scim_parser *p, const struct scim_attr *of)
{
    struct scim_attr *value = ARENA_NEW(p->arena, struct scim_attr);
    *value = *of;
    value->name = STR("value");
    value->multi = false;
    value->parent = of;
    return value;
}

bool scim_path_sub(struct scim_parser *p, const struct scim_attr *of, const struct scim_attr **out)
{
    const struct cursor start = p->c;
    struct str name = take_name(p);
    if (name.len == 0)
        return scim_parser_fail(p, "expected the name of a sub-attribute");
    const struct scim_attr *sub = of == &scim_attr_absent ? of : scim_attr_sub(of, name);
    if (!sub && of->multi && of->type != SCIM_COMPLEX && str_ieq(name, STR("value")))
        sub = item_value(p, of);
    if (sub) {
        *out = sub;
        return true;
    }
    p->c = start;
    return fail_unknown(p, "such sub-attribute:", name);
}

/* Whether the [ at the cursor has its ]; brackets in JSON strings do not count. A path cut short is
 * wrong as a path; what stands in complete brackets is judged as a filter. */
static bool is_closed(const struct scim_parser *p)
{
    bool in_string = false;
    for (const char *at = p->c.at; at < p->c.end; at++) {
        if (in_string && *at == '\\' && at + 1 < p->c.end)
            at++; /* whatever it is, it ends nothing */
        else if (*at == '"')
            in_string = !in_string;
        else if (*at == ']' && !in_string)
            return true;
    }
    return false;
}

static bool read_items(struct scim_parser *p, struct scim_path *out)
{
    if (!out->attr->multi)
        return scim_parser_fail(p, "a value filter needs a multi-valued attribute");
    if (!is_closed(p))
        return scim_parser_fail(p, "[ is never closed");
    p->kind = ERR_INVALID_FILTER;
    if (!scim_filter_items(p, out->attr, &out->filter))
        return false;
    p->kind = ERR_INVALID_PATH;
    return true;
}

bool scim_path_read(struct scim_parser *p, struct str text, struct scim_path *out)
{
    struct scim_path path = {.text = text};
    p->c = cursor_of(text);
    p->kind = ERR_INVALID_PATH;
    p->nodes = 0;
    p->depth = 0;
    p->unknown = false;
    if (text.len > p->limits.chars)
        return error_set(p->err, p->kind, "a path has at most %zu bytes", p->limits.chars);
    if (!scim_path_attr(p, &path))
        return false;
    if (path.attr && cursor_peek(&p->c) == '[' && !read_items(p, &path))
        return false;
    if (path.attr && path.attr->type == SCIM_COMPLEX && cursor_take(&p->c, '.') &&
        !scim_path_sub(p, path.attr, &path.sub))
        return false;
    if (!cursor_done(&p->c))
        return scim_parser_fail(p, "the path goes on where it should end");
    *out = path;
    return true;
}

bool scim_path_parse(struct arena *a, const struct scim_resource_type *type, struct str text,
                     struct scim_path *out, struct error *err)
{
    struct scim_parser p = {
        .arena = a, .type = type, .limits = SCIM_FILTER_LIMITS, .lenient_bare = false, .err = err};
    return scim_path_read(&p, text, out);
}
