/* Does a resource, or an item, satisfy a filter? */
#include "scim/internal.h"

#include <string.h>

#include "base/own.h"
#include "base/unicode.h"

/* ---- values of a resource */

json_t *scim_value(const json_t *object, const struct scim_attr *attr)
{
    return json_object_getn(object, attr->name.at, attr->name.len);
}

json_t *scim_holder(const json_t *resource, const struct scim_schema *extension)
{
    if (extension)
        return json_object_getn(resource, extension->id.at, extension->id.len);
    /* As jansson's own getters: the parts of a const object may be changed by who owns it. */
    return (json_t *)(uintptr_t)resource;
}

static bool has_assigned_item(const json_t *array)
{
    size_t n = json_array_size(array);
    for (size_t i = 0; i < n; i++)
        if (scim_is_assigned(json_array_get(array, i)))
            return true;
    return false;
}

static bool has_assigned_member(json_t *object)
{
    const char *name;
    json_t *member;
    json_object_foreach(object, name, member)
    {
        if (scim_is_assigned(member))
            return true;
    }
    return false;
}

bool scim_is_assigned(const json_t *value)
{
    if (json_is_string(value))
        return json_string_length(value) > 0;
    if (json_is_array(value))
        return has_assigned_item(value);
    if (json_is_object(value))
        return has_assigned_member(scim_holder(value, NULL));
    return value && !json_is_null(value);
}

/* An item of a simple multi-valued attribute counts as {"value": item}. */
static const json_t *value_in(const json_t *holder, const struct scim_attr *attr)
{
    if (!json_is_object(holder))
        return str_eq(attr->name, STR("value")) ? holder : NULL;
    return scim_value(holder, attr);
}

/* ---- one value and one literal */

static bool order_satisfies(enum scim_op op, int order)
{
    switch (op) {
    case SCIM_EQ:
        return order == 0;
    case SCIM_NE:
        return order != 0;
    case SCIM_GT:
        return order > 0;
    case SCIM_GE:
        return order >= 0;
    case SCIM_LT:
        return order < 0;
    case SCIM_LE:
        return order <= 0;
    case SCIM_CO:
    case SCIM_SW:
    case SCIM_EW:
    case SCIM_PR:
        break;
    }
    return false;
}

static bool key_satisfies(enum scim_op op, struct str key, struct str literal)
{
    switch (op) {
    case SCIM_CO:
        return literal.len == 0 ||
               (key.len > 0 && memmem(key.at, key.len, literal.at, literal.len));
    case SCIM_SW:
        return str_starts(key, literal);
    case SCIM_EW:
        return str_ends(key, literal);
    case SCIM_EQ:
        /* RFC 7643 2.5: "" is no value, and no value equals nothing. */
        return key.len > 0 && str_eq(key, literal);
    case SCIM_NE:
    case SCIM_GT:
    case SCIM_GE:
    case SCIM_LT:
    case SCIM_LE:
    case SCIM_PR:
        break;
    }
    return order_satisfies(op, str_cmp(key, literal));
}

/* unicode_key() of ASCII text, into `out`; false when the text is something else or too long. */
static bool fold_ascii(struct str text, char *out, size_t room, struct str *key)
{
    if (text.len > room)
        return false;
    size_t n = 0;
    bool gap = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if ((unsigned char)c >= 0x80)
            return false;
        if (c == ' ') {
            gap = n > 0;
            continue;
        }
        if (gap)
            out[n++] = ' ';
        gap = false;
        out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    *key = (struct str){out, n};
    return true;
}

static bool text_satisfies(const struct scim_filter *f, const struct scim_attr *leaf,
                           struct str text)
{
    if (leaf->case_exact || leaf->type != SCIM_STRING)
        return key_satisfies(f->op, text, f->key);
    char room[256];
    struct str key;
    if (fold_ascii(text, room, sizeof(room), &key))
        return key_satisfies(f->op, key, f->key);
    OWNED_BUF struct buf slow;
    buf_init(&slow, text.len * 12 + 64);
    unicode_key_to(&slow, text);
    return key_satisfies(f->op, buf_view(&slow), f->key);
}

bool scim_match_key(const struct scim_filter *f, struct str key)
{
    return key_satisfies(f->op, key, f->key);
}

bool scim_match_instant(const struct scim_filter *f, instant_t at)
{
    return order_satisfies(f->op, (at > f->instant) - (at < f->instant));
}

static bool instant_satisfies(const struct scim_filter *f, struct str text)
{
    instant_t at;
    return clock_parse_rfc3339(text, &at) && scim_match_instant(f, at);
}

static bool literal_satisfies(const struct scim_filter *f, const struct scim_attr *leaf,
                              const json_t *value)
{
    switch (leaf->type) {
    case SCIM_BOOLEAN:
        return json_is_boolean(value) &&
               order_satisfies(f->op, json_is_true(value) == f->boolean ? 0 : 1);
    case SCIM_INTEGER:
    case SCIM_DECIMAL: {
        double number = json_number_value(value);
        return json_is_number(value) &&
               order_satisfies(f->op, (number > f->number) - (number < f->number));
    }
    case SCIM_DATETIME:
        return json_is_string(value) && instant_satisfies(f, json_str(value));
    case SCIM_STRING:
    case SCIM_REFERENCE:
    case SCIM_BINARY:
        return json_is_string(value) && text_satisfies(f, leaf, json_str(value));
    case SCIM_COMPLEX:
        break; /* the parser compares a sub-attribute instead */
    }
    return false;
}

/* ---- one comparison and all values of an attribute */

static bool is_present(const struct scim_filter *f, const struct scim_attr *leaf,
                       const json_t *value)
{
    (void)f;
    (void)leaf;
    return scim_is_assigned(value);
}

/* A comparison of what `value` holds: itself, its items, and of each, where `sub` is set, that
 * sub-attribute. */
struct question {
    const struct scim_filter *filter;
    const struct scim_attr *leaf, *sub;
    bool (*holds)(const struct scim_filter *f, const struct scim_attr *leaf, const json_t *value);
};

/* RFC 7644 3.4.2.2: a multi-valued attribute matches when any of its values does. */
static bool any_holds(const struct question *q, const json_t *value)
{
    if (json_is_array(value)) {
        size_t n = json_array_size(value);
        for (size_t i = 0; i < n; i++)
            if (any_holds(q, json_array_get(value, i)))
                return true;
        return false;
    }
    if (!q->sub)
        return value && q->holds(q->filter, q->leaf, value);
    struct question below = *q;
    below.sub = NULL;
    return any_holds(&below, value_in(value, q->sub));
}

/* Also of a value path's `op literal`, where `value` is that sub-attribute of one item. */
static bool compare(const struct scim_filter *f, const struct scim_attr *sub, const json_t *value)
{
    const struct scim_attr *leaf = f->target.sub ? f->target.sub : f->target.attr;
    struct question q = {.filter = f, .leaf = leaf, .sub = sub, .holds = is_present};
    bool about_null = f->op != SCIM_PR && f->literal == SCIM_LIT_NULL;
    if (f->op == SCIM_PR || (about_null && f->op == SCIM_NE))
        return any_holds(&q, value);
    if (about_null)
        return !any_holds(&q, value);
    /* What is absent is not equal to anything. */
    if (f->op == SCIM_NE && !any_holds(&q, value))
        return true;
    q.holds = literal_satisfies;
    return any_holds(&q, value);
}

/* ---- the tree */

static bool match_item_path(const struct scim_filter *f, const json_t *item)
{
    return scim_match(f->left, item) &&
           (!f->target.sub || compare(f, NULL, value_in(item, f->target.sub)));
}

static bool match_value_path(const struct scim_filter *f, const json_t *values)
{
    if (!json_is_array(values))
        return values && match_item_path(f, values);
    size_t n = json_array_size(values);
    for (size_t i = 0; i < n; i++)
        if (match_item_path(f, json_array_get(values, i)))
            return true;
    return false;
}

bool scim_match(const struct scim_filter *f, const json_t *resource)
{
    /* Chains lean to the right; only `left` and `not` recurse, as deep as the parser allowed. */
    while (f->kind == SCIM_AND || f->kind == SCIM_OR) {
        if (scim_match(f->left, resource) == (f->kind == SCIM_OR))
            return f->kind == SCIM_OR;
        f = f->right;
    }
    if (f->kind == SCIM_NOT)
        return !scim_match(f->left, resource);
    const json_t *holder = scim_holder(resource, f->target.extension);
    const json_t *value = value_in(holder, f->target.attr);
    if (f->kind == SCIM_VALUE_PATH)
        return match_value_path(f, value);
    return compare(f, f->target.sub, value);
}

bool scim_match_item(const struct scim_filter *f, const json_t *item)
{
    return scim_match(f, item);
}

/* ---- what a filter pins down, for index look-ups */

/* The text of an equality on a string; STR_NONE for other comparisons, and for "" which nothing
 * equals. */
static struct str equal_text(const struct scim_filter *f, const struct scim_attr *leaf)
{
    bool text = leaf->type == SCIM_STRING || leaf->type == SCIM_REFERENCE;
    bool equality = f->op == SCIM_EQ && f->literal == SCIM_LIT_STRING;
    return text && equality && f->key.len > 0 ? f->string : STR_NONE;
}

static bool is_named(const struct scim_attr *attr, struct str name)
{
    return attr ? str_ieq(attr->name, name) : name.len == 0;
}

/* What the items' filter says of their sub-attribute `sub`. */
static struct str pinned_item(const struct scim_filter *f, struct str sub)
{
    for (; f->kind == SCIM_AND; f = f->right) {
        struct str found = pinned_item(f->left, sub);
        if (found.at)
            return found;
    }
    if (f->kind == SCIM_COMPARE && sub.len > 0 && is_named(f->target.attr, sub))
        return equal_text(f, f->target.attr);
    return STR_NONE;
}

/* The same of one node that is neither AND, OR nor NOT. */
static struct str pinned_term(const struct scim_filter *f, struct str name, struct str sub)
{
    if (f->target.extension || !is_named(f->target.attr, name))
        return STR_NONE;
    struct str found = STR_NONE;
    if (f->target.sub || f->kind == SCIM_COMPARE) {
        if (is_named(f->target.sub, sub))
            found = equal_text(f, f->target.sub ? f->target.sub : f->target.attr);
    }
    if (!found.at && f->kind == SCIM_VALUE_PATH)
        found = pinned_item(f->left, sub);
    return found;
}

struct str scim_filter_pinned(const struct scim_filter *f, struct str name, struct str sub)
{
    for (; f->kind == SCIM_AND; f = f->right) {
        struct str found = scim_filter_pinned(f->left, name, sub);
        if (found.at)
            return found;
    }
    bool is_term = f->kind == SCIM_COMPARE || f->kind == SCIM_VALUE_PATH;
    return is_term ? pinned_term(f, name, sub) : STR_NONE;
}

bool scim_filter_is_only(const struct scim_filter *f, struct str name, struct str sub,
                         struct str *value)
{
    bool one_term = f->kind == SCIM_COMPARE ||
                    (f->kind == SCIM_VALUE_PATH && !f->target.sub && f->left->kind == SCIM_COMPARE);
    struct str found = one_term ? pinned_term(f, name, sub) : STR_NONE;
    if (!found.at)
        return false;
    *value = found;
    return true;
}

bool scim_filter_mentions(const struct scim_filter *f, struct str name)
{
    for (; f->kind == SCIM_AND || f->kind == SCIM_OR; f = f->right)
        if (scim_filter_mentions(f->left, name))
            return true;
    if (f->kind == SCIM_NOT)
        return scim_filter_mentions(f->left, name);
    return is_named(f->target.attr, name);
}
