/* What page of a list is asked for. */
#include <string.h>

#include "base/unicode.h"
#include "scim/internal.h"

/* ---- pages */

/* RFC 9865 2: unreserved characters only. What ours hold is service/cursor.c's. */
#define CURSOR_MAX 4096

static bool is_cursor(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool mark = c == '-' || c == '.' || c == '_' || c == '~';
        if (!plain && !mark)
            return false;
    }
    return text.len <= CURSOR_MAX;
}

static bool read_cursor(const struct scim_page_query *q, struct scim_page *out, struct error *err)
{
    out->by_cursor = q->cursor.at != NULL;
    out->cursor = q->cursor;
    if (out->by_cursor && q->start_index.at)
        return error_set(err, ERR_INVALID_VALUE, "cursor and startIndex exclude each other");
    if (!is_cursor(q->cursor))
        return error_set(err, ERR_INVALID_CURSOR, "cursor is not valid");
    return true;
}

static bool read_count(struct str count, const struct scim_page_limits *limits,
                       struct scim_page *out, struct error *err)
{
    enum error_kind kind = out->by_cursor ? ERR_INVALID_COUNT : ERR_INVALID_VALUE;
    out->count = limits->fallback;
    if (!count.at)
        return true;
    if (!str_to_i64(count, &out->count))
        return error_set(err, kind, "count must be a number");
    if (out->by_cursor && out->count > limits->most)
        return error_set(err, kind, "count must be at most %lld", (long long)limits->most);
    /* RFC 7644 3.4.2.4: less than 0 is 0; an index page may be smaller than asked for. */
    if (out->count < 0)
        out->count = 0;
    if (out->count > limits->most)
        out->count = limits->most;
    return true;
}

bool scim_page_parse(const struct scim_page_query *q, const struct scim_page_limits *limits,
                     struct scim_page *out, struct error *err)
{
    struct scim_page page = {.start_index = 1};
    if (!read_cursor(q, &page, err) || !read_count(q->count, limits, &page, err))
        return false;
    if (q->start_index.at && !str_to_i64(q->start_index, &page.start_index))
        return error_set(err, ERR_INVALID_VALUE, "startIndex must be a number");
    if (page.start_index < 1)
        page.start_index = 1;
    *out = page;
    return true;
}

/* ---- order */

static bool read_order(struct str sort_order, bool *descending, struct error *err)
{
    *descending = str_ieq(sort_order, STR("descending"));
    if (*descending || sort_order.len == 0 || str_ieq(sort_order, STR("ascending")))
        return true;
    return error_set(err, ERR_INVALID_VALUE, "sortOrder must be ascending or descending");
}

/* The simple attribute that is compared in the end; NULL when there is none. */
static const struct scim_attr *leaf_of(const struct scim_path *path)
{
    return path->sub ? path->sub : path->attr;
}

static bool is_sortable(const struct scim_path *path)
{
    return path->attr && !path->filter && leaf_of(path)->type != SCIM_COMPLEX &&
           path->attr->returned != SCIM_NEVER && leaf_of(path)->returned != SCIM_NEVER;
}

bool scim_sort_parse(const struct scim_context *in, struct str sort_by, struct str sort_order,
                     struct scim_sort *out, struct error *err)
{
    struct scim_sort sort = {0};
    if (!read_order(sort_order, &sort.descending, err))
        return false;
    if (sort_by.len == 0) {
        *out = (struct scim_sort){0}; /* sortOrder speaks of sortBy alone */
        return true;
    }
    struct scim_parser parser = {.arena = in->arena,
                                 .type = in->type,
                                 .limits = SCIM_FILTER_LIMITS,
                                 .of_many_types = in->of_many_types,
                                 .err = err};
    if (!scim_path_read(&parser, sort_by, &sort.by)) {
        err->kind = ERR_INVALID_PATH; /* a filter has no place in sortBy at all */
        return false;
    }
    if (sort.by.attr == &scim_attr_absent) {
        *out = (struct scim_sort){.descending = sort.descending};
        return true;
    }
    if (sort.by.attr && sort.by.attr->type == SCIM_COMPLEX && !sort.by.sub)
        sort.by.sub = scim_attr_sub(sort.by.attr, STR("value"));
    if (!is_sortable(&sort.by))
        return error_set(err, ERR_INVALID_PATH,
                         "sortBy must name an attribute with a simple value");
    *out = sort;
    return true;
}

/* RFC 7644 3.4.2.3: the primary item, else the first. */
static const json_t *chosen_item(const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (json_is_true(json_object_get(item, "primary")))
            return item;
    }
    return json_array_get(items, 0);
}

/* Big-endian with the sign turned over: unsigned bytes in the order of the numbers. */
static struct str number_key(struct arena *a, uint64_t bits)
{
    char *bytes = arena_alloc(a, sizeof(bits));
    for (size_t i = 0; i < sizeof(bits); i++)
        bytes[i] = (char)(bits >> (56 - 8 * i));
    return (struct str){bytes, sizeof(bits)};
}

static struct str integer_key(struct arena *a, int64_t value)
{
    return number_key(a, (uint64_t)value ^ (UINT64_C(1) << 63));
}

/* IEEE 754: positive numbers are ordered as their bits, negative ones the other way round. */
static struct str real_key(struct arena *a, double value)
{
    uint64_t bits;
    value += 0.0; /* -0 equals 0 */
    memcpy(&bits, &value, sizeof(bits));
    return number_key(a, bits >> 63 ? ~bits : bits ^ (UINT64_C(1) << 63));
}

static struct str text_key(struct arena *a, const struct scim_attr *leaf, struct str text)
{
    if (text.len == 0)
        return STR_NONE;
    if (leaf->case_exact || leaf->type != SCIM_STRING)
        return arena_str(a, text);
    return unicode_key(a, text);
}

static struct str value_key(struct arena *a, const struct scim_attr *leaf, const json_t *value)
{
    instant_t instant;
    switch (leaf->type) {
    case SCIM_BOOLEAN:
        return json_is_boolean(value) ? integer_key(a, json_is_true(value)) : STR_NONE;
    case SCIM_INTEGER:
        return json_is_integer(value) ? integer_key(a, json_integer_value(value)) : STR_NONE;
    case SCIM_DECIMAL:
        return json_is_number(value) ? real_key(a, json_number_value(value)) : STR_NONE;
    case SCIM_DATETIME:
        return clock_parse_rfc3339(json_str(value), &instant) ? integer_key(a, instant) : STR_NONE;
    case SCIM_STRING:
    case SCIM_REFERENCE:
    case SCIM_BINARY:
        return text_key(a, leaf, json_str(value));
    case SCIM_COMPLEX:
        break; /* scim_sort_parse() lets none through */
    }
    return STR_NONE;
}

struct str scim_sort_instant(struct arena *a, instant_t at)
{
    return integer_key(a, at);
}

struct str scim_sort_key(struct arena *a, const struct scim_sort *s, const json_t *resource)
{
    if (!s->by.attr)
        return text_key(a, &(const struct scim_attr){.case_exact = true},
                        json_get_str(resource, "id"));
    const json_t *value = scim_value(scim_holder(resource, s->by.extension), s->by.attr);
    if (json_is_array(value))
        value = chosen_item(value);
    if (s->by.sub)
        value = scim_value(value, s->by.sub);
    return value_key(a, leaf_of(&s->by), value);
}
