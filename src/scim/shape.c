/* A value as sent becomes a value of the type and form that its attribute has. */
#include "scim/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/own.h"

const char *shape_label(const struct scim_attr *attr, char out[SHAPE_LABEL_MAX])
{
    if (attr->parent)
        snprintf(out, SHAPE_LABEL_MAX, STR_FMT "." STR_FMT, STR_ARG(attr->parent->name),
                 STR_ARG(attr->name));
    else
        snprintf(out, SHAPE_LABEL_MAX, STR_FMT, STR_ARG(attr->name));
    return out;
}

static bool refuse(const struct scim_attr *attr, struct error *err, const char *what)
{
    char label[SHAPE_LABEL_MAX];
    return error_set(err, ERR_INVALID_VALUE, "%s %s", shape_label(attr, label), what);
}

json_t *shape_iterable(const json_t *object)
{
    return (json_t *)(uintptr_t)object;
}

struct str shape_iter_name(void *iter)
{
    return (struct str){json_object_iter_key(iter), json_object_iter_key_len(iter)};
}

void shape_put(json_t *object, struct str name, json_t *value)
{
    if (json_object_setn_new_nocheck(object, name.at, name.len, value) != 0)
        memory_out(); /* memory, or our own bug */
}

void shape_drop(json_t *object, struct str name)
{
    json_object_deln(object, name.at, name.len);
}

json_t *shape_holder(json_t *resource, const struct scim_schema *extension)
{
    json_t *holder = scim_holder(resource, extension);
    if (holder)
        return holder;
    shape_put(resource, extension->id, json_object());
    return scim_holder(resource, extension);
}

/* ---- names */

struct str shape_urn(const struct scim_context *in, struct str urn)
{
    if (!in->dialect->infer_schemas)
        return urn;
    if (str_ieq(urn, STR("urn:scim:schemas:core:1.0")))
        return in->type->core->id;
    if (str_ieq(urn, STR("urn:scim:schemas:extension:enterprise:1.0")))
        return STR(SCIM_URN_ENTERPRISE);
    return urn;
}

static struct shape_key key_under_urn(const struct scim_resource_type *type,
                                      const struct scim_schema *schema, struct str rest)
{
    struct shape_key key = {.kind = SHAPE_SCHEMA,
                            .extension = schema == type->core ? NULL : schema};
    if (rest.len == 0)
        return key;
    key.attr = scim_attr_find(schema->attrs, schema->attr_count, rest);
    if (!key.attr && !key.extension)
        key.attr = scim_attr_find(type->common, type->common_count, rest);
    key.kind = key.attr ? SHAPE_ATTR : SHAPE_UNKNOWN;
    return key;
}

struct shape_key shape_key_find(const struct scim_context *in, struct str name)
{
    const struct scim_resource_type *type = in->type;
    struct str rest;
    const struct scim_schema *schema = scim_type_urn(type, shape_urn(in, name), &rest);
    if (schema)
        return key_under_urn(type, schema, rest);
    struct shape_key key = {.kind = SHAPE_UNKNOWN};
    key.attr = scim_type_attr(type, name, &key.extension);
    if (key.attr)
        key.kind = key.extension ? SHAPE_FLAT : SHAPE_ATTR;
    return key;
}

/* ---- one simple value */

static bool is_unassigned(const json_t *sent)
{
    return json_is_null(sent) || (json_is_string(sent) && json_string_length(sent) == 0) ||
           (json_is_array(sent) && json_array_size(sent) == 0);
}

bool shape_is_reference(const struct scim_attr *attr)
{
    return scim_attr_sub(attr, STR("$ref")) && scim_attr_sub(attr, STR("value"));
}

static const char *const type_texts[] = {
    [SCIM_STRING] = "must be a string",      [SCIM_BOOLEAN] = "must be true or false",
    [SCIM_DECIMAL] = "must be a number",     [SCIM_INTEGER] = "must be a number without fraction",
    [SCIM_DATETIME] = "must be a date-time", [SCIM_REFERENCE] = "must be a URI",
    [SCIM_BINARY] = "must be base64 text",   [SCIM_COMPLEX] = "must be an object",
};

bool shape_fits(const struct scim_attr *attr, const json_t *value)
{
    switch (attr->type) {
    case SCIM_BOOLEAN:
        return json_is_boolean(value);
    case SCIM_DECIMAL:
        return json_is_number(value);
    case SCIM_INTEGER:
        return json_is_integer(value);
    case SCIM_STRING:
    case SCIM_DATETIME:
    case SCIM_REFERENCE:
    case SCIM_BINARY:
        return json_is_string(value);
    case SCIM_COMPLEX:
        break;
    }
    return false;
}

static bool boolean_word(struct str text, bool *out)
{
    *out = str_ieq(text, STR("true"));
    return *out || str_ieq(text, STR("false"));
}

static bool shape_leaf(const struct shaping *s, const struct scim_attr *attr, const json_t *sent,
                       json_t **out, struct error *err)
{
    bool word;
    if (is_unassigned(sent)) {
        *out = json_null();
        return true;
    }
    if (attr->type == SCIM_BOOLEAN && s->dialect->string_booleans &&
        boolean_word(json_str(sent), &word)) {
        *out = json_boolean(word);
        return true;
    }
    if (!shape_fits(attr, sent))
        return refuse(attr, err, type_texts[attr->type]);
    *out = json_incref(shape_iterable(sent));
    return true;
}

/* ---- one object */

/* The value counts where there is one: gateways and old tenants send an address that is not ours
 * beside it. An address alone must be ours, or an id of another service would be taken for one
 * here. */
static bool complete_reference(const struct shaping *s, const struct scim_attr *attr,
                               json_t *object, struct error *err)
{
    struct str reference = json_get_str(object, "$ref");
    if (!shape_is_reference(attr) || reference.len == 0 ||
        json_is_string(json_object_get(object, "value")))
        return true;
    struct str id = shape_reference_id(s->base, reference);
    if (id.len == 0)
        return refuse(attr, err, "has a $ref that is not below this service; send its value");
    json_put_str(object, "value", id);
    return true;
}

/* The schema's sub-attribute of that name, or the one that the dialect means by it. */
static const struct scim_attr *find_sub(const struct shaping *s, const struct scim_attr *attr,
                                        struct str name)
{
    const struct scim_attr *sub = scim_attr_sub(attr, name);
    if (sub || !s->dialect->manager_id || !str_ieq(name, STR("managerId")) ||
        !str_eq(attr->name, STR("manager")))
        return sub;
    return scim_attr_sub(attr, STR("value"));
}

static bool shape_member(const struct shaping *s, const struct scim_attr *attr, void *member,
                         json_t *object, struct error *err)
{
    const struct scim_attr *sub = find_sub(s, attr, shape_iter_name(member));
    char label[SHAPE_LABEL_MAX];
    if (!sub && s->dialect->ignore_unknown)
        return true;
    if (!sub)
        return error_set(err, ERR_INVALID_SYNTAX, "%s has no sub-attribute \"%.60s\"",
                         shape_label(attr, label), json_object_iter_key(member));
    if (sub->mutability == SCIM_READ_ONLY)
        return true;
    json_t *value;
    if (!shape_value(s, sub, json_object_iter_value(member), &value, err))
        return false;
    if (is_unassigned(value) && !s->patch)
        json_decref(value);
    else
        shape_put(object, sub->name, value);
    return true;
}

/* A manager sent as {"value": ""} is no manager; one sent as {} says nothing. */
static bool unassigns(const struct shaping *s, const struct scim_attr *attr, const json_t *object)
{
    if (json_object_size(object) == 0)
        return !s->patch;
    return shape_is_reference(attr) && json_is_null(json_object_get(object, "value"));
}

static bool shape_object(const struct shaping *s, const struct scim_attr *attr, const json_t *sent,
                         json_t **out, struct error *err)
{
    if (is_unassigned(sent)) {
        *out = json_null();
        return true;
    }
    OWNED_JSON json_t *object = json_object();
    if (json_is_string(sent) && s->dialect->single_as_array && scim_attr_sub(attr, STR("value"))) {
        json_put(object, "value", json_incref(shape_iterable(sent)));
        *out = TAKE(object);
        return true;
    }
    if (!json_is_object(sent))
        return refuse(attr, err, type_texts[SCIM_COMPLEX]);
    json_t *members = shape_iterable(sent);
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
        if (!shape_member(s, attr, at, object, err))
            return false;
    if (!complete_reference(s, attr, object, err))
        return false;
    *out = unassigns(s, attr, object) ? json_null() : TAKE(object);
    return true;
}

/* ---- lists */

/* {"value": x} and [x] where a client means x; RFC 7643 2.5 lets [] mean "no value" anywhere. */
static const json_t *unwrap(const struct shaping *s, const struct scim_attr *attr,
                            const json_t *sent)
{
    if (!s->dialect->unwrap_value)
        return sent;
    if (json_is_array(sent) && json_array_size(sent) == 1)
        sent = json_array_get(sent, 0);
    if (attr->type == SCIM_COMPLEX || json_object_size(sent) != 1)
        return sent;
    const json_t *inner = json_get_icase(sent, STR("value"), NULL);
    return inner ? inner : sent;
}

bool shape_item(const struct shaping *s, const struct scim_attr *attr, const json_t *sent,
                json_t **out, struct error *err)
{
    const struct shaping item = {.dialect = s->dialect, .base = s->base};
    if (attr->type == SCIM_COMPLEX)
        return shape_object(&item, attr, sent, out, err);
    return shape_leaf(&item, attr, unwrap(&item, attr, sent), out, err);
}

static bool append_item(const struct shaping *s, const struct scim_attr *attr, const json_t *sent,
                        json_t *items, struct error *err)
{
    OWNED_JSON json_t *item = NULL;
    if (!shape_item(s, attr, sent, &item, err))
        return false;
    if (shape_is_reference(attr) && !json_is_string(json_object_get(item, "value")))
        return refuse(attr, err, "holds an item without value");
    if (!json_is_null(item))
        json_push(items, TAKE(item));
    return true;
}

static bool settle_primaries(const struct shaping *s, const struct scim_attr *attr, json_t *items,
                             struct error *err)
{
    const json_t *last = NULL;
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        if (!items_is_primary(json_array_get(items, i)))
            continue;
        last = json_array_get(items, i);
        found++;
    }
    if (found < 2)
        return true;
    if (!s->dialect->last_primary_wins)
        return refuse(attr, err, "has more than one primary value");
    items_settle_primary(items, last);
    return true;
}

static bool shape_items(const struct shaping *s, const struct scim_attr *attr, const json_t *sent,
                        json_t **out, struct error *err)
{
    OWNED_JSON json_t *items = json_array();
    if (!json_is_array(sent) && !is_unassigned(sent)) {
        if (!s->patch && !s->dialect->single_as_array)
            return refuse(attr, err, "must be an array");
        if (!append_item(s, attr, sent, items, err))
            return false;
    }
    for (size_t i = 0; i < json_array_size(sent); i++)
        if (!append_item(s, attr, json_array_get(sent, i), items, err))
            return false;
    if (!settle_primaries(s, attr, items, err))
        return false;
    *out = TAKE(items);
    return true;
}

bool shape_value(const struct shaping *s, const struct scim_attr *attr, const json_t *sent,
                 json_t **out, struct error *err)
{
    if (attr->multi)
        return shape_items(s, attr, sent, out, err);
    if (attr->type == SCIM_COMPLEX)
        return shape_object(s, attr, unwrap(s, attr, sent), out, err);
    return shape_leaf(s, attr, unwrap(s, attr, sent), out, err);
}
