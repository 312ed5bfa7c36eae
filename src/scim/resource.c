/* A body, or the result of a PATCH, against the schema. */
#include <string.h>

#include "base/own.h"
#include "base/unicode.h"
#include "scim/shape.h"

struct check {
    struct arena *arena; /* for the keys of items, until the check is over */
    const struct scim_context *in;
    enum scim_purpose purpose;
    struct error *err;
};

/* A resource or a value: as it shall be, and as it was (NULL: not there). */
struct subject {
    const json_t *sent, *had;
};

static bool refuse(const struct check *c, const struct scim_attr *attr, const char *what)
{
    char label[SHAPE_LABEL_MAX];
    return error_set(c->err, ERR_INVALID_VALUE, "%s %s", shape_label(attr, label), what);
}

/* ---- one simple value */

/* RFC 7643 4.1.2 lets these have lines; a description in a directory may, too. */
static bool may_have_lines(const struct scim_attr *attr)
{
    if (!attr->parent)
        return str_eq(attr->name, STR("description"));
    return str_eq(attr->parent->name, STR("addresses")) &&
           (str_eq(attr->name, STR("formatted")) || str_eq(attr->name, STR("streetAddress")));
}

static bool has_prohibited(const struct scim_attr *attr, struct str text)
{
    if (!may_have_lines(attr))
        return utf8_has_prohibited(text);
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '\n' && text.at[i] != '\r' && text.at[i] != '\t')
            continue;
        if (utf8_has_prohibited(str_sub(text, start, i - start)))
            return true;
        start = i + 1;
    }
    return utf8_has_prohibited(str_sub(text, start, text.len));
}

/* RFC 7643 2.3.6: the alphabet of RFC 4648 section 4, with padding. */
static bool is_base64(struct str text)
{
    size_t padding = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '+' || c == '/';
        padding += c == '=';
        if (!digit && c != '=')
            return false;
        if (digit && padding > 0)
            return false;
    }
    return text.len % 4 == 0 && padding <= 2;
}

/* RFC 7643 means its canonicalValues as suggestions; ours, and an administrator's, are all there
 * is. */
static bool is_enumeration(const struct scim_attr *attr)
{
    return attr->canonical_count > 0 && attr->schema &&
           !str_istarts(attr->schema->id, STR("urn:ietf:"));
}

static bool check_enumeration(const struct check *c, const struct scim_attr *attr,
                              const json_t *value, json_t **out)
{
    struct str word = json_str(value);
    for (size_t i = 0; i < attr->canonical_count; i++) {
        struct str known = attr->canonical[i];
        if (!(attr->case_exact ? str_eq(known, word) : str_ieq(known, word)))
            continue;
        *out = json_string_safe(known);
        return true;
    }
    return refuse(c, attr, "is not one of the values that the schema lists");
}

static bool check_instant(const struct check *c, const struct scim_attr *attr, const json_t *value,
                          json_t **out)
{
    instant_t instant;
    char text[CLOCK_TEXT_MAX];
    if (!clock_parse_rfc3339(json_str(value), &instant))
        return refuse(c, attr, "is not a date-time with a zone, such as 2026-01-05T08:00:00Z");
    *out = json_string_safe(clock_rfc3339(instant, text));
    return true;
}

static bool check_text(const struct check *c, const struct scim_attr *attr, struct str text)
{
    size_t most = c->in->limits.value_bytes;
    char label[SHAPE_LABEL_MAX];
    if (text.len > most)
        return error_set(c->err, ERR_INVALID_VALUE,
                         "%s is longer than the server takes: %zu bytes of at most %zu",
                         shape_label(attr, label), text.len, most);
    if (has_prohibited(attr, text))
        return refuse(c, attr, "holds a character that is not allowed (control, private use)");
    if (attr->type == SCIM_BINARY && !is_base64(text))
        return refuse(c, attr, "is not base64 text with padding");
    return true;
}

static bool check_leaf(const struct check *c, const struct scim_attr *attr, const json_t *value,
                       json_t **out)
{
    if (!shape_fits(attr, value))
        return refuse(c, attr, "is not of the type that the schema says");
    if (json_is_string(value) && !check_text(c, attr, json_str(value)))
        return false;
    if (attr->type == SCIM_DATETIME)
        return check_instant(c, attr, value, out);
    if (is_enumeration(attr))
        return check_enumeration(c, attr, value, out);
    *out = json_incref(shape_iterable(value));
    return true;
}

/* ---- values with parts; NULL in `*out` is "unassigned" */

static bool check_value(const struct check *c, const struct scim_attr *attr, const json_t *value,
                        json_t **out);

/* Spaces alone are no name: no directory can tell them from nothing. */
static bool is_blank(const json_t *value)
{
    return !value || (json_is_string(value) && str_trim(json_str(value)).len == 0);
}

static bool check_object(const struct check *c, const struct scim_attr *attr, const json_t *value,
                         json_t **out)
{
    if (!json_is_object(value))
        return refuse(c, attr, "must be an object");
    OWNED_JSON json_t *object = json_object();
    for (size_t i = 0; i < attr->sub_count; i++) {
        const struct scim_attr *sub = &attr->subs[i];
        json_t *part = NULL;
        if (sub->mutability == SCIM_READ_ONLY)
            continue;
        if (!check_value(c, sub, scim_value(value, sub), &part))
            return false;
        if (sub->required && is_blank(part)) {
            json_decref(part);
            return refuse(c, sub, "is required");
        }
        if (part)
            shape_put(object, sub->name, part);
    }
    *out = json_object_size(object) > 0 ? TAKE(object) : NULL;
    return true;
}

static bool check_item(const struct check *c, const struct scim_attr *attr, const json_t *value,
                       json_t **out)
{
    if (attr->type != SCIM_COMPLEX)
        return check_leaf(c, attr, value, out);
    OWNED_JSON json_t *item = NULL;
    if (!check_object(c, attr, value, &item))
        return false;
    if (shape_is_reference(attr) && !json_object_get(item, "value"))
        return refuse(c, attr, "holds an item without value");
    *out = items_says_nothing(item) ? NULL : TAKE(item);
    return true;
}

/* RFC 7643 2.4: not the same (type, value) twice. The first one stays where it is. */
static void push_once(struct items_set *seen, struct str key, json_t *item, json_t *items)
{
    size_t n = json_array_size(items), at = items_set_put(seen, key, n);
    if (at == n) {
        json_push(items, item);
        return;
    }
    if (items_is_primary(item))
        json_put(json_array_get(items, at), "primary", json_true());
    json_decref(item);
}

static bool one_primary(const struct check *c, const struct scim_attr *attr, json_t *items)
{
    const json_t *last = NULL;
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(items); i++)
        if (items_is_primary(json_array_get(items, i))) {
            last = json_array_get(items, i);
            found++;
        }
    /* In a PATCH a client's own two were refused before; these are the directory's. */
    if (found > 1 && c->purpose != SCIM_FOR_PATCH && !c->in->dialect->last_primary_wins)
        return refuse(c, attr, "has more than one primary value");
    items_settle_primary(items, last);
    return true;
}

static bool check_items(const struct check *c, const struct scim_attr *attr, const json_t *value,
                        json_t **out)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value))
        return refuse(c, attr, "must be an array");
    char label[SHAPE_LABEL_MAX];
    if (n > c->in->limits.values_per_attribute && !shape_is_reference(attr))
        return error_set(c->err, ERR_INVALID_VALUE,
                         "%s has more values than the server takes: %zu of at most %zu",
                         shape_label(attr, label), n, c->in->limits.values_per_attribute);
    OWNED_JSON json_t *items = json_array();
    struct items_set *seen = items_set_new(c->arena, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *sent = json_array_get(value, i);
        json_t *item = NULL;
        if (json_is_null(sent))
            continue;
        if (!check_item(c, attr, sent, &item))
            return false;
        if (item)
            push_once(seen, items_key(c->arena, attr, item), item, items);
    }
    if (!one_primary(c, attr, items))
        return false;
    *out = json_array_size(items) > 0 ? TAKE(items) : NULL;
    return true;
}

static bool check_value(const struct check *c, const struct scim_attr *attr, const json_t *value,
                        json_t **out)
{
    *out = NULL;
    if (!value || json_is_null(value))
        return true;
    if (attr->multi)
        return check_items(c, attr, value, out);
    if (attr->type == SCIM_COMPLEX)
        return check_object(c, attr, value, out);
    return check_leaf(c, attr, value, out);
}

/* ---- what stands against what was there */

/* The parts that a client may write; the others are computed and differ from time to time. */
static bool is_same(const struct scim_attr *attr, const json_t *a, const json_t *b)
{
    if (attr->type != SCIM_COMPLEX)
        return json_equal(a, b);
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = is_same(attr, json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    for (size_t i = 0; i < attr->sub_count; i++) {
        const json_t *x = scim_value(a, &attr->subs[i]), *y = scim_value(b, &attr->subs[i]);
        if (attr->subs[i].mutability != SCIM_READ_ONLY && (x || y) && !json_equal(x, y))
            return false;
    }
    return true;
}

static bool keep_immutable(const struct check *c, const struct scim_attr *attr, const json_t *had,
                           json_t **value)
{
    char label[SHAPE_LABEL_MAX];
    if (!*value && c->purpose == SCIM_FOR_REPLACE)
        return check_value(c, attr, had, value);
    if (*value && is_same(attr, had, *value))
        return true;
    return error_set(c->err, ERR_MUTABILITY, "%s cannot be changed once it is set",
                     shape_label(attr, label));
}

/* A part that is set once: another value needs another object. In lists, every item is an object of
 * its own. */
static bool keep_immutable_parts(const struct check *c, const struct scim_attr *attr,
                                 const json_t *had, json_t *value)
{
    char label[SHAPE_LABEL_MAX];
    for (size_t i = 0; i < attr->sub_count; i++) {
        const struct scim_attr *sub = &attr->subs[i];
        json_t *was = scim_value(had, sub), *now = scim_value(value, sub);
        if (sub->mutability != SCIM_IMMUTABLE || !was || (now && json_equal(was, now)))
            continue;
        if (now || c->purpose != SCIM_FOR_REPLACE)
            return error_set(c->err, ERR_MUTABILITY, "%s cannot be changed once it is set",
                             shape_label(sub, label));
        shape_put(value, sub->name, json_incref(was));
    }
    return true;
}

/* A replacement that says nothing about it must not switch an account off or on, nor take what its
 * sender could not read. */
static bool stays_when_absent(const struct check *c, const struct scim_attr *attr)
{
    return c->purpose == SCIM_FOR_REPLACE &&
           (str_eq(attr->name, STR("active")) || attr->returned == SCIM_NEVER);
}

/* What a PATCH leaves alone is the directory's own, which may break our rules; a client cannot mend
 * one attribute while another one is in the way. */
static bool check_now(const struct check *c, const struct scim_attr *attr, const struct subject *v,
                      json_t **out)
{
    if (check_value(c, attr, v->sent, out))
        return true;
    if (c->purpose != SCIM_FOR_PATCH || !v->had || !json_equal(v->sent, v->had))
        return false;
    error_clear(c->err);
    *out = json_copy_deep(v->had);
    return true;
}

static bool check_against(const struct check *c, const struct scim_attr *attr, const json_t *had,
                          json_t **value)
{
    if (!had || json_is_null(had))
        return true;
    if (attr->mutability == SCIM_IMMUTABLE)
        return keep_immutable(c, attr, had, value);
    if (*value && attr->type == SCIM_COMPLEX && !attr->multi)
        return keep_immutable_parts(c, attr, had, *value);
    if (!*value && stays_when_absent(c, attr))
        return check_value(c, attr, had, value);
    return true;
}

/* ---- a list of attributes: of the resource, or of one extension */

struct attr_list {
    const struct scim_attr *attrs;
    size_t count;
    const json_t *sent, *had; /* the objects they live in, or NULL */
    bool required;            /* an extension that nobody speaks of requires nothing */
};

/* Somebody took it out of the directory: a PATCH of something else must still pass. */
static bool lacked_before(const struct check *c, const struct attr_list *list, const json_t *had)
{
    return c->purpose == SCIM_FOR_PATCH && list->had && is_blank(had);
}

static bool check_attrs(const struct check *c, const struct attr_list *list, json_t *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct scim_attr *attr = &list->attrs[i];
        if (attr->mutability == SCIM_READ_ONLY)
            continue;
        OWNED_JSON json_t *value = NULL;
        const struct subject v = {scim_value(list->sent, attr), scim_value(list->had, attr)};
        if (!check_now(c, attr, &v, &value) || !check_against(c, attr, v.had, &value))
            return false;
        if (list->required && attr->required && is_blank(value) && !lacked_before(c, list, v.had))
            return refuse(c, attr, "is required");
        if (value)
            shape_put(out, attr->name, TAKE(value));
    }
    return true;
}

static bool check_extension(const struct check *c, size_t index, const struct subject *r,
                            json_t *out)
{
    const struct scim_schema *schema = c->in->type->extensions[index];
    struct attr_list list = {
        .attrs = schema->attrs,
        .count = schema->attr_count,
        .sent = scim_holder(r->sent, schema),
        .had = scim_holder(r->had, schema),
    };
    list.required = c->in->type->extension_required[index] || list.sent;
    OWNED_JSON json_t *object = json_object();
    if (!check_attrs(c, &list, object))
        return false;
    if (json_object_size(object) > 0)
        shape_put(out, schema->id, TAKE(object));
    return true;
}

static bool only_known(const struct check *c, const json_t *resource)
{
    json_t *members = shape_iterable(resource);
    if (c->in->dialect->ignore_unknown)
        return true;
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
        if (shape_key_find(c->in, shape_iter_name(at)).kind == SHAPE_UNKNOWN)
            return error_set(c->err, ERR_INVALID_SYNTAX, "a " STR_FMT " has no attribute \"%.60s\"",
                             STR_ARG(c->in->type->name), json_object_iter_key(at));
    return true;
}

bool scim_resource_check(const struct scim_context *in, const struct scim_proposal *asked,
                         json_t **out, struct error *err)
{
    OWNED_ARENA struct arena *arena = arena_new();
    const struct scim_resource_type *type = in->type;
    const struct check c = {arena, in, asked->purpose, err};
    const struct subject r = {.sent = asked->resource, .had = asked->before};
    const struct attr_list common = {type->common, type->common_count, r.sent, r.had, true};
    const struct attr_list core = {type->core->attrs, type->core->attr_count, r.sent, r.had, true};
    OWNED_JSON json_t *result = json_object();
    if (!only_known(&c, r.sent) || !check_attrs(&c, &common, result) ||
        !check_attrs(&c, &core, result))
        return false;
    for (size_t i = 0; i < type->extension_count; i++)
        if (!check_extension(&c, i, &r, result))
            return false;
    scim_resource_schemas(type, result);
    *out = TAKE(result);
    return true;
}

void scim_resource_schemas(const struct scim_resource_type *type, json_t *resource)
{
    json_t *schemas = json_array();
    json_push(schemas, json_string_safe(type->core->id));
    for (size_t i = 0; i < type->extension_count; i++)
        if (scim_is_assigned(scim_holder(resource, type->extensions[i])))
            json_push(schemas, json_string_safe(type->extensions[i]->id));
    if (json_object_get(resource, "schemas")) {
        json_put(resource, "schemas", schemas);
        return;
    }
    /* jansson keeps the order of insertion, so that what comes first must be put first. */
    OWNED_JSON json_t *rest = json_copy(resource);
    json_object_clear(resource);
    json_put(resource, "schemas", schemas);
    json_object_update(resource, rest);
}
