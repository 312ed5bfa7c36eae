/* The content of a resource: its print, and how two differ. */
#include "reconcile/content.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"
#include "base/unicode.h"

/* ---- what is compared */

struct attr { /* of a resource */
    const struct scim_attr *is;
    const struct scim_schema *extension; /* NULL: of the core */
    unsigned number;
};

static bool is_named(const struct scim_attr *a, const char *name)
{
    return str_eq(a->name, str_of(name));
}

/* Of somebody else, of an own step, or computed. Values that are returned on request alone are not
 * in memory, so nobody could tell whether they differ. */
static bool is_content(const struct scim_attr *a)
{
    return (a->mutability == SCIM_READ_WRITE || a->mutability == SCIM_IMMUTABLE) &&
           (a->returned == SCIM_DEFAULT || a->returned == SCIM_ALWAYS) && !is_named(a, "active") &&
           !is_named(a, "roles") && !is_named(a, "members") && !is_named(a, "managers") &&
           !is_named(a, "manager");
}

/* Steps through them; `*at` starts at {0}. */
struct walk {
    size_t schema, attr;
    unsigned number;
};

static bool next_attr(const struct scim_resource_type *type, struct walk *w, struct attr *out)
{
    for (; w->schema <= type->extension_count; w->schema++, w->attr = 0) {
        const struct scim_schema *s = w->schema ? type->extensions[w->schema - 1] : type->core;
        while (w->attr < s->attr_count) {
            const struct scim_attr *a = &s->attrs[w->attr++];
            unsigned number = w->number++;
            if (!is_content(a))
                continue;
            *out = (struct attr){.is = a, .extension = w->schema ? s : NULL, .number = number};
            return true;
        }
    }
    return false;
}

/* Names of schemas and attributes end in a NUL: they came from JSON. */
static json_t *value_of(const json_t *resource, const struct attr *a)
{
    if (a->extension)
        resource = json_object_get(resource, a->extension->id.at);
    return json_object_get(resource, a->is->name.at);
}

static bool is_nothing(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

static bool is_compared(const struct scim_attr *sub)
{
    return sub->mutability != SCIM_READ_ONLY && !is_named(sub, "$ref");
}

/* ---- prints */

static uint64_t mix(uint64_t a, uint64_t b)
{
    const uint64_t both[2] = {a, b};
    return hash_keyed(both, sizeof both);
}

static uint64_t print_simple(const json_t *v)
{
    struct str s = json_str(v);
    double number = json_number_value(v);
    if (json_is_string(v))
        return hash_keyed(s.at, s.len);
    return json_is_number(v) ? hash_keyed(&number, sizeof number) : (uint64_t)json_typeof(v);
}

static uint64_t print_one(const struct scim_attr *a, const json_t *v)
{
    uint64_t sum = 1;
    if (!a->sub_count)
        return print_simple(v);
    for (size_t i = 0; i < a->sub_count; i++) {
        const json_t *inner = json_object_get(v, a->subs[i].name.at);
        if (is_compared(&a->subs[i]) && !is_nothing(inner))
            sum += mix(i, print_simple(inner));
    }
    return sum;
}

uint64_t content_print(const struct scim_resource_type *type, const json_t *resource)
{
    struct walk w = {0};
    uint64_t print = 0;
    for (struct attr a; next_attr(type, &w, &a);) {
        const json_t *v = value_of(resource, &a);
        uint64_t sum = 0;
        if (is_nothing(v))
            continue;
        for (size_t i = 0; i < json_array_size(v); i++)
            sum += mix(1, print_one(a.is, json_array_get(v, i)));
        print += mix(a.number, json_is_array(v) ? sum : print_one(a.is, v));
    }
    return print;
}

/* ---- the same of text, which json_write() made */

static bool says_nothing(struct str v)
{
    return str_eq(v, STR("null")) || str_eq(v, STR("false")) || str_eq(v, STR("\"\"")) ||
           str_eq(v, STR("[]")) || str_eq(v, STR("{}"));
}

static uint64_t print_simple_text(struct str v)
{
    size_t escape;
    if (v.len >= 2 && v.at[0] == '"' && !str_find(v, '\\', &escape))
        return hash_keyed(v.at + 1, v.len - 2);
    OWNED_JSON json_t *value = json_loadb(v.at, v.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return print_simple(value);
}

static uint64_t print_one_text(const struct scim_attr *a, struct str v)
{
    uint64_t sum = 1;
    struct json_member m;
    if (!a->sub_count)
        return print_simple_text(v);
    for (size_t at = 0; str_starts(v, STR("{")) && json_text_next(v, &at, &m);)
        for (size_t i = 0; i < a->sub_count; i++)
            if (str_eq(a->subs[i].name, m.name) && is_compared(&a->subs[i]) &&
                !says_nothing(m.value))
                sum += mix(i, print_simple_text(m.value));
    return sum;
}

static uint64_t print_text(const struct scim_attr *a, struct str v)
{
    uint64_t sum = 0;
    struct str item;
    if (!str_starts(v, STR("[")))
        return print_one_text(a, v);
    for (size_t at = 0; json_text_item(v, &at, &item);)
        sum += mix(1, print_one_text(a, item));
    return sum;
}

/* Its attributes are numbered from `number` on. */
static uint64_t print_members(const struct scim_schema *s, size_t number, struct str object)
{
    uint64_t print = 0;
    struct json_member m;
    for (size_t at = 0; str_starts(object, STR("{")) && json_text_next(object, &at, &m);)
        for (size_t i = 0; i < s->attr_count; i++)
            if (str_eq(s->attrs[i].name, m.name) && is_content(&s->attrs[i]) &&
                !says_nothing(m.value))
                print += mix(number + i, print_text(&s->attrs[i], m.value));
    return print;
}

uint64_t content_print_text(const struct scim_resource_type *type, struct str resource)
{
    uint64_t print = print_members(type->core, 0, resource);
    struct json_member m;
    for (size_t at = 0; json_text_next(resource, &at, &m);) {
        size_t number = type->core->attr_count;
        for (size_t i = 0; i < type->extension_count; i++) {
            if (str_eq(type->extensions[i]->id, m.name))
                print += print_members(type->extensions[i], number, m.value);
            number += type->extensions[i]->attr_count;
        }
    }
    return print;
}

content_attrs content_has(const struct scim_resource_type *type, const json_t *resource)
{
    struct walk w = {0};
    content_attrs has = 0;
    for (struct attr a; next_attr(type, &w, &a);)
        if (a.number < 64 && !is_nothing(value_of(resource, &a)))
            has |= UINT64_C(1) << a.number;
    return has;
}

/* ---- equality */

static bool equal_text(const struct scim_attr *a, struct str x, struct str y)
{
    if (str_eq(x, y))
        return true;
    if (a->case_exact || a->type != SCIM_STRING)
        return false;
    OWNED_ARENA struct arena *passing = arena_new();
    return str_eq(unicode_key(passing, x), unicode_key(passing, y));
}

static bool equal_time(struct str x, struct str y)
{
    instant_t a, b;
    return clock_parse_rfc3339(x, &a) && clock_parse_rfc3339(y, &b) && a == b;
}

static bool equal_simple(const struct scim_attr *a, const json_t *x, const json_t *y)
{
    if (is_nothing(x) || is_nothing(y))
        return is_nothing(x) && is_nothing(y);
    if (json_is_string(x) && json_is_string(y))
        return equal_text(a, json_str(x), json_str(y)) ||
               (a->type == SCIM_DATETIME && equal_time(json_str(x), json_str(y)));
    return json_equal(x, y);
}

static bool equal_one(const struct scim_attr *a, const json_t *x, const json_t *y)
{
    if (!a->sub_count)
        return equal_simple(a, x, y);
    for (size_t i = 0; i < a->sub_count; i++) {
        const struct scim_attr *sub = &a->subs[i];
        if (is_compared(sub) &&
            !equal_simple(sub, json_object_get(x, sub->name.at), json_object_get(y, sub->name.at)))
            return false;
    }
    return true;
}

/* In whatever order. Lists of a person are short; those beyond this are compared in order. */
#define ANY_ORDER_MAX 64

static bool equal_list(const struct scim_attr *a, const json_t *x, const json_t *y)
{
    size_t n = json_array_size(x);
    uint64_t taken = 0;
    if (n != json_array_size(y))
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t from = n > ANY_ORDER_MAX ? i : 0, to = n > ANY_ORDER_MAX ? i + 1 : n, k = from;
        while (k < to && ((n <= ANY_ORDER_MAX && taken >> k & 1) ||
                          !equal_one(a, json_array_get(x, i), json_array_get(y, k))))
            k++;
        if (k == to)
            return false;
        taken |= n <= ANY_ORDER_MAX ? UINT64_C(1) << k : 0;
    }
    return true;
}

static bool equal(const struct scim_attr *a, const json_t *x, const json_t *y)
{
    if (is_nothing(x) || is_nothing(y))
        return is_nothing(x) && is_nothing(y);
    return a->multi ? equal_list(a, x, y) : equal_one(a, x, y);
}

/* ---- differences */

static struct str path_of(struct arena *a, const struct attr *attr, const struct scim_attr *sub)
{
    struct str urn = attr->extension ? attr->extension->id : STR_NONE;
    return arena_fmt(a, STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(urn), urn.len ? ":" : "",
                     STR_ARG(attr->is->name), sub ? "." : "", STR_ARG(sub ? sub->name : STR_NONE));
}

static void set(json_t *o, struct str path, const json_t *v)
{
    json_put(o, path.at, is_nothing(v) && !json_is_false(v) ? json_null() : json_copy_deep(v));
}

static void put(struct content_difference *d, struct str path, const json_t *theirs,
                const json_t *ours)
{
    set(d->after, path, theirs);
    set(d->before, path, ours);
}

/* A replace of a whole complex value leaves the sub-attributes that it does not name: each one has
 * a path of its own. */
static void compare_parts(struct arena *a, const struct attr *attr, const json_t *theirs,
                          const json_t *ours, struct content_difference *d)
{
    for (size_t i = 0; i < attr->is->sub_count; i++) {
        const struct scim_attr *sub = &attr->is->subs[i];
        const json_t *x = json_object_get(theirs, sub->name.at);
        const json_t *y = json_object_get(ours, sub->name.at);
        if (is_compared(sub) && !equal_simple(sub, x, y))
            put(d, path_of(a, attr, sub), x, y);
    }
}

void content_compare(const struct scim_resource_type *type, const json_t *theirs,
                     const json_t *ours, struct content_difference *out)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct walk w = {0};
    *out = (struct content_difference){.after = json_object(), .before = json_object()};
    for (struct attr a; next_attr(type, &w, &a);) {
        const json_t *x = value_of(theirs, &a), *y = value_of(ours, &a);
        if (equal(a.is, x, y))
            continue;
        if (is_nothing(x) && !json_is_false(x)) {
            out->absent |= a.number < 64 ? UINT64_C(1) << a.number : 0;
            continue;
        }
        if (a.is->sub_count && !a.is->multi)
            compare_parts(passing, &a, x, y, out);
        else
            put(out, path_of(passing, &a, NULL), x, y);
    }
}

void content_removals(const struct scim_resource_type *type, content_attrs which,
                      const json_t *ours, struct content_difference *d)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct walk w = {0};
    for (struct attr a; next_attr(type, &w, &a);)
        if (a.number < 64 && which >> a.number & 1 && !a.is->required)
            put(d, path_of(passing, &a, NULL), NULL, value_of(ours, &a));
}

json_t *content_of(const struct scim_resource_type *type, const json_t *resource)
{
    json_t *to = json_object();
    struct walk w = {0};
    for (struct attr a; next_attr(type, &w, &a);) {
        const json_t *v = value_of(resource, &a);
        if (is_nothing(v) && !json_is_false(v))
            continue;
        json_t *in = to;
        if (a.extension && !(in = json_object_get(to, a.extension->id.at))) {
            in = json_object();
            json_put(to, a.extension->id.at, in);
        }
        json_put(in, a.is->name.at, json_copy_deep(v));
    }
    scim_resource_schemas(type, to);
    return to;
}
