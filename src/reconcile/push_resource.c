/* What a provider is to have, and how that differs from what it has. Pure. */
#include "reconcile/push_resource.h"

#include "base/memory.h"
#include "base/own.h"

/* ---- what is sent */

static bool is_one_of(struct str name, const char *const *names)
{
    for (; *names; names++)
        if (str_ieq(name, str_of(*names)))
            return true;
    return false;
}

static bool is_sent(const struct scim_attr *attr)
{
    static const char *const kept[] = {"active", "groups",           "roles",    "entitlements",
                                       "photos", "x509Certificates", "password", NULL};
    bool writable = attr->mutability == SCIM_READ_WRITE || attr->mutability == SCIM_IMMUTABLE;
    bool shown = attr->returned == SCIM_DEFAULT || attr->returned == SCIM_ALWAYS;
    /* A reference is an id of ours, which means nothing there. */
    return writable && shown && !is_one_of(attr->name, kept) &&
           !scim_attr_find(attr->subs, attr->sub_count, STR("$ref"));
}

/* Many providers fill these in by themselves: where we have none, theirs is left alone. */
static bool is_left(const struct scim_attr *attr)
{
    static const char *const filled[] = {
        "displayName", "profileUrl", "userType", "preferredLanguage", "locale", "timezone", NULL};
    return is_one_of(attr->name, filled) || (attr->parent && str_eq(attr->name, STR("formatted")));
}

static bool is_foreign(const struct scim_schema *extension)
{
    return !str_istarts(extension->id, STR("urn:kiops:"));
}

bool push_knows(const struct push_known *k, struct str urn, struct str attribute)
{
    size_t i;
    json_t *schema;
    if (!k->schemas)
        return true;
    json_array_foreach((json_t *)(uintptr_t)k->schemas, i, schema)
    {
        const json_t *all = json_object_get(schema, "attributes");
        if (!str_ieq(json_get_str(schema, "id"), urn))
            continue;
        for (size_t n = 0; n < json_array_size(all); n++)
            if (str_ieq(json_get_str(json_array_get(all, n), "name"), attribute))
                return true;
        return false;
    }
    return false;
}

/* ---- values */

static bool is_nothing(const json_t *value)
{
    return !value || json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
           (json_is_array(value) && !json_array_size(value)) ||
           (json_is_object(value) && !json_object_size(value));
}

static bool equal(const json_t *wanted, const json_t *there, bool folded)
{
    if (folded && json_is_string(wanted) && json_is_string(there))
        return str_ieq(json_str(wanted), json_str(there));
    return json_equal(wanted, there);
}

/* All that we say of an item stands there; `display` and the like may be the provider's own. */
static bool item_is(const json_t *wanted, const json_t *there, bool folded)
{
    static const char *const own[] = {"display", "$ref", NULL};
    const char *name;
    json_t *value;
    if (!json_is_object(wanted) || !json_is_object(there))
        return equal(wanted, there, folded);
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        bool off = json_is_false(value) && !json_object_get(there, name);
        if (!off && !is_one_of(str_of(name), own) &&
            !equal(value, json_object_get(there, name), folded && !strcmp(name, "value")))
            return false;
    }
    return true;
}

static bool has_item(const json_t *items, const json_t *wanted, bool folded)
{
    for (size_t i = 0; i < json_array_size(items); i++)
        if (item_is(wanted, json_array_get(items, i), folded))
            return true;
    return false;
}

static bool same(const struct scim_attr *attr, const json_t *wanted, const json_t *there)
{
    bool folded = str_eq(attr->name, STR("userName")) || str_eq(attr->name, STR("emails"));
    if (!attr->multi)
        return item_is(wanted, there, folded);
    if (json_array_size(wanted) != json_array_size(there))
        return false;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        if (!has_item(there, json_array_get(wanted, i), folded))
            return false;
    return true;
}

/* ---- differences */

struct comparing {
    const json_t *wanted, *there; /* objects that hold the attribute; may be NULL */
    struct str urn, parent;       /* what its path begins with; may be empty */
    struct push_difference *out;
};

static const json_t *member(const json_t *object, struct str name)
{
    return json_object_getn(object, name.at, name.len);
}

static json_t *copy_or_null(const json_t *value)
{
    return is_nothing(value) ? json_null() : json_copy_deep(value);
}

static void differs(const struct comparing *c, struct str name)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct str parts[] = {c->urn, c->urn.len ? STR(":") : STR_NONE, c->parent,
                                c->parent.len ? STR(".") : STR_NONE, name};
    const char *path = arena_cstr(a, arena_join(a, parts, 5));
    json_put(c->out->after, path, copy_or_null(member(c->wanted, name)));
    json_put(c->out->before, path, copy_or_null(member(c->there, name)));
}

static void compare_simple(const struct comparing *c, const struct scim_attr *attr)
{
    const json_t *wanted = member(c->wanted, attr->name), *there = member(c->there, attr->name);
    if (is_nothing(wanted) ? !is_nothing(there) && !is_left(attr) : !same(attr, wanted, there))
        differs(c, attr->name);
}

static void compare(const struct comparing *c, const struct scim_attr *attr)
{
    const struct comparing inner = {.wanted = member(c->wanted, attr->name),
                                    .there = member(c->there, attr->name),
                                    .urn = c->urn,
                                    .parent = attr->name,
                                    .out = c->out};
    /* Where nothing stands yet there is no sub-attribute to replace. */
    if (attr->multi || !attr->sub_count || is_nothing(inner.there) || is_nothing(inner.wanted)) {
        compare_simple(c, attr);
        return;
    }
    for (size_t i = 0; i < attr->sub_count; i++)
        compare_simple(&inner, &attr->subs[i]);
}

static void begin(struct push_difference *out, const json_t *wanted, const json_t *there)
{
    static const struct scim_attr external = {.name = STR_INIT("externalId"), .case_exact = true};
    const struct comparing c = {.wanted = wanted, .there = there, .out = out};
    *out = (struct push_difference){json_object(), json_object()};
    compare_simple(&c, &external);
}

/* An attribute that the provider does not know is not in `wanted`, and not there either. */
static void compare_extension(const struct scim_schema *s, const json_t *wanted,
                              const json_t *there, struct push_difference *out)
{
    const struct comparing c = {
        .wanted = member(wanted, s->id), .there = member(there, s->id), .urn = s->id, .out = out};
    for (size_t i = 0; i < s->attr_count; i++)
        if (is_sent(&s->attrs[i]))
            compare(&c, &s->attrs[i]);
}

void push_user_difference(const struct scim_resource_type *type, const json_t *wanted,
                          const json_t *there, struct push_difference *out)
{
    begin(out, wanted, there);
    const struct comparing c = {.wanted = wanted, .there = there, .out = out};
    for (size_t i = 0; i < type->core->attr_count; i++)
        if (is_sent(&type->core->attrs[i]))
            compare(&c, &type->core->attrs[i]);
    for (size_t i = 0; i < type->extension_count; i++)
        if (is_foreign(type->extensions[i]))
            compare_extension(type->extensions[i], wanted, there, out);
}

void push_group_difference(const json_t *wanted, const json_t *there, struct push_difference *out)
{
    static const struct scim_attr name = {.name = STR_INIT("displayName")};
    begin(out, wanted, there);
    const struct comparing c = {.wanted = wanted, .there = there, .out = out};
    compare_simple(&c, &name);
}

/* "urn:...:User:department", "name.familyName", "title". */
static const json_t *value_at(const json_t *there, struct str path)
{
    size_t at;
    if (str_rfind(path, ':', &at)) {
        there = member(there, str_sub(path, 0, at));
        path = str_sub(path, at + 1, path.len);
    }
    if (str_find(path, '.', &at)) {
        there = member(there, str_sub(path, 0, at));
        path = str_sub(path, at + 1, path.len);
    }
    return member(there, path);
}

static bool stands(const json_t *wanted, const json_t *there)
{
    static const struct scim_attr one = {.name = STR_INIT("")};
    static const struct scim_attr many = {.name = STR_INIT(""), .multi = true};
    if (is_nothing(wanted))
        return is_nothing(there);
    return same(json_is_array(wanted) ? &many : &one, wanted, there);
}

bool push_stands(const json_t *paths, const json_t *there)
{
    const char *path;
    json_t *wanted;
    json_object_foreach((json_t *)(uintptr_t)paths, path, wanted)
    {
        if (!stands(wanted, value_at(there, str_of(path))))
            return false;
    }
    return true;
}

bool push_is_active(const json_t *there)
{
    return json_get_bool(there, "active", true);
}

/* ---- what is wanted */

static void put(json_t *to, struct str name, json_t *taken)
{
    if (json_object_setn_new(to, name.at, name.len, taken))
        memory_out();
}

static void take(json_t *to, const json_t *from, const struct scim_attr *attr)
{
    const json_t *value = member(from, attr->name);
    if (!is_sent(attr) || is_nothing(value))
        return;
    put(to, attr->name, json_copy_deep(value));
}

static json_t *new_resource(const char *urn, const json_t *ours)
{
    json_t *o = json_object(), *schemas = json_array();
    json_push(schemas, json_string(urn));
    json_put(o, "schemas", schemas);
    json_put_str(o, "externalId", json_get_str(ours, "id"));
    return o;
}

static void take_extension(const struct push_known *k, const struct scim_schema *s,
                           const json_t *ours, json_t *to)
{
    const json_t *from = member(ours, s->id);
    json_t *part = json_object();
    for (size_t i = 0; i < s->attr_count; i++)
        if (push_knows(k, s->id, s->attrs[i].name))
            take(part, from, &s->attrs[i]);
    if (!json_object_size(part)) {
        json_decref(part);
        return;
    }
    json_push(json_object_get(to, "schemas"), json_string_safe(s->id));
    put(to, s->id, part);
}

json_t *push_user_wanted(const struct push_known *k, const struct scim_resource_type *type,
                         const json_t *ours)
{
    json_t *o = new_resource(SCIM_URN_USER, ours);
    for (size_t i = 0; i < type->core->attr_count; i++)
        if (push_knows(k, STR(SCIM_URN_USER), type->core->attrs[i].name))
            take(o, ours, &type->core->attrs[i]);
    json_put(o, "active", json_boolean(push_is_active(ours)));
    for (size_t i = 0; i < type->extension_count; i++)
        if (is_foreign(type->extensions[i]))
            take_extension(k, type->extensions[i], ours, o);
    return o;
}

json_t *push_group_wanted(const json_t *ours)
{
    json_t *o = new_resource(SCIM_URN_GROUP, ours);
    json_put_str(o, "displayName", json_get_str(ours, "displayName"));
    return o;
}
