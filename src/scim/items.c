/* The items of a multi-valued attribute: which are the same, which is primary. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/own.h"
#include "base/unicode.h"
#include "scim/shape.h"

/* Identity needs no more than this; a longer value is refused by its own ceiling. */
#define KEY_MAX ((size_t)1 << 26)

static struct str canonical_text(struct arena *a, const json_t *value)
{
    OWNED_BUF struct buf text;
    buf_init(&text, KEY_MAX);
    json_write_canonical(value, &text);
    return arena_str(a, buf_view(&text));
}

/* Bytes that are equal for equal values under the attribute's rule (caseExact or not). */
static struct str value_key(struct arena *a, const struct scim_attr *attr, const json_t *value)
{
    if (!json_is_string(value))
        return canonical_text(a, value);
    struct str key = attr->case_exact ? json_str(value) : unicode_key(a, json_str(value));
    return key.len > 0 ? key : json_str(value); /* of wide spaces alone nothing is left */
}

static struct str sub_key(struct arena *a, const struct scim_attr *attr, const json_t *item,
                          struct str name)
{
    const struct scim_attr *sub = scim_attr_sub(attr, name);
    const json_t *value = sub ? scim_value(item, sub) : NULL;
    return value ? value_key(a, sub, value) : STR_NONE;
}

/* Where there is no `value` (addresses), an item is all of its text. */
static struct str whole_key(struct arena *a, const json_t *item)
{
    OWNED_JSON json_t *rest = json_copy(shape_iterable(item));
    json_object_del(rest, "primary");
    return canonical_text(a, rest);
}

struct items_id items_id(struct arena *a, const struct scim_attr *attr, const json_t *item)
{
    struct items_id id = {0};
    if (attr->type != SCIM_COMPLEX) {
        id.value = value_key(a, attr, item);
        return id;
    }
    id.value = sub_key(a, attr, item, STR("value"));
    if (id.value.len == 0)
        id.whole = whole_key(a, item);
    else if (!shape_is_reference(attr)) /* what is pointed at has its type, said or not */
        id.type = sub_key(a, attr, item, STR("type"));
    return id;
}

bool items_id_means(const struct items_id *wanted, const struct items_id *have)
{
    return str_eq(wanted->value, have->value) && str_eq(wanted->whole, have->whole) &&
           (wanted->type.len == 0 || str_eq(wanted->type, have->type));
}

struct str items_key(struct arena *a, const struct scim_attr *attr, const json_t *item)
{
    struct items_id id = items_id(a, attr, item);
    if (id.whole.len > 0)
        return id.whole;
    if (id.type.len == 0)
        return id.value;
    /* The length in front keeps ("ab", "c") and ("a", "bc") apart. */
    return arena_fmt(a, "%zu:" STR_FMT STR_FMT, id.value.len, STR_ARG(id.value), STR_ARG(id.type));
}

bool items_says_nothing(const json_t *item)
{
    size_t labels = (size_t)(json_object_get(item, "type") != NULL) +
                    (size_t)(json_object_get(item, "primary") != NULL);
    return json_is_object(item) && json_object_size(item) == labels;
}

bool items_is_primary(const json_t *item)
{
    return json_is_true(json_object_get(item, "primary"));
}

void items_settle_primary(json_t *items, const json_t *winner)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        if (item != winner && items_is_primary(item))
            json_put(item, "primary", json_false());
    }
}

/* ---- a set with open addressing: fixed size, so nothing is ever moved */

struct slot {
    struct str key;
    size_t position;
    bool used;
};

struct items_set {
    struct slot *slots;
    size_t mask;
};

struct items_set *items_set_new(struct arena *a, size_t room)
{
    size_t size = 8;
    while (size < room * 2)
        size *= 2;
    struct items_set *set = ARENA_NEW(a, struct items_set);
    set->slots = ARENA_ARRAY(a, struct slot, size);
    set->mask = size - 1;
    return set;
}

size_t items_set_put(struct items_set *set, struct str key, size_t position)
{
    size_t at = (size_t)str_hash(key) & set->mask;
    while (set->slots[at].used && !str_eq(set->slots[at].key, key))
        at = (at + 1) & set->mask;
    struct slot *slot = &set->slots[at];
    if (!slot->used)
        *slot = (struct slot){.key = key, .position = position, .used = true};
    return slot->position;
}

size_t items_set_find(const struct items_set *set, struct str key, size_t absent)
{
    size_t at = (size_t)str_hash(key) & set->mask;
    while (set->slots[at].used && !str_eq(set->slots[at].key, key))
        at = (at + 1) & set->mask;
    return set->slots[at].used ? set->slots[at].position : absent;
}
