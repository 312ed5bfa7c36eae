/*
 * Entry -> resource, by the merge rule: an asserted item is live while LDAP has a value equal to it
 * by the attribute's matching rule; what LDAP has and nobody asserted is shown too; what LDAP
 * cannot hold lives in kiopsResource alone. So an edit made directly in LDAP shows and wins.
 */
#include "directory/mapping.h"

struct reading {
    struct arena *arena;
    struct str dn;
    const struct directory_attr **at; /* by slot */
    const json_t *filled;
};

/* ---- an object in the making: usually it turns out to be the one that was asserted */

struct member {
    struct str name;
    json_t *value;
};

struct making {
    json_t *asserted; /* NULL = none */
    struct member *members;
    size_t count;
    bool same; /* so far: every member is the asserted one's own */
};

static struct making make(struct arena *a, json_t *asserted, size_t members_max)
{
    return (struct making){.asserted = asserted,
                           .members = ARENA_ARRAY(a, struct member, members_max),
                           .same = asserted != NULL};
}

/* Takes `value`, NULL = absent. `was`: the asserted member of that name. */
static void make_member(struct making *m, struct str name, const json_t *was, json_t *value)
{
    m->same = m->same && value == was;
    if (value)
        m->members[m->count++] = (struct member){name, value};
}

/* New; NULL without members: such an attribute does not exist (RFC 7643 2.5). */
static json_t *make_object(struct making *m)
{
    bool same = m->same && m->count == json_object_size(m->asserted);
    json_t *out = same ? json_incref(m->asserted) : m->count > 0 ? json_object() : NULL;
    for (size_t i = 0; i < m->count; i++) {
        if (same)
            json_decref(m->members[i].value);
        else
            mapping_put(out, m->members[i].name, m->members[i].value);
    }
    return out;
}

/* Takes `out`: the asserted array when it says the same; NULL when it is empty. */
static json_t *made_array(json_t *out, json_t *asserted)
{
    size_t n = json_array_size(out);
    bool same = n > 0 && n == json_array_size(asserted);
    for (size_t i = 0; same && i < n; i++)
        same = json_array_get(out, i) == json_array_get(asserted, i);
    if (n > 0 && !same)
        return out;
    json_decref(out);
    return same ? json_incref(asserted) : NULL;
}

/* ---- kiopsResource is data that somebody may have edited: what does not fit the schema is not
 * there */

static bool fits_object(const struct scim_attr *attr, const json_t *value);

static bool fits_one(const struct scim_attr *attr, const json_t *value)
{
    switch (attr->type) {
    case SCIM_STRING:
    case SCIM_REFERENCE:
    case SCIM_BINARY:
    case SCIM_DATETIME:
        return json_is_string(value);
    case SCIM_BOOLEAN:
        return json_is_boolean(value);
    case SCIM_DECIMAL:
        return json_is_number(value);
    case SCIM_INTEGER:
        return json_is_integer(value);
    case SCIM_COMPLEX:
        return fits_object(attr, value);
    }
    return false;
}

static bool fits(const struct scim_attr *attr, const json_t *value)
{
    if (!attr->multi)
        return fits_one(attr, value);
    size_t n = json_array_size(value);
    for (size_t i = 0; i < n; i++)
        if (!fits_one(attr, json_array_get(value, i)))
            return false;
    return n > 0;
}

static const struct scim_attr *sub_named(const struct scim_attr *attr, struct str name)
{
    for (size_t i = 0; i < attr->sub_count; i++)
        if (str_eq(attr->subs[i].name, name))
            return &attr->subs[i];
    return NULL;
}

static bool fits_object(const struct scim_attr *attr, const json_t *value)
{
    json_t *object = (json_t *)(uintptr_t)value; /* iterating changes nothing */
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        struct str name = {json_object_iter_key(at), json_object_iter_key_len(at)};
        const struct scim_attr *sub = sub_named(attr, name);
        if (!sub || !fits(sub, json_object_iter_value(at)))
            return false;
    }
    return json_object_size(value) > 0;
}

/* ---- one value */

static const struct directory_attr *ldap_values(const struct reading *r,
                                                const struct mapping_row *row)
{
    const struct directory_attr *values = r->at[row->slot];
    return values && values->count > 0 ? values : NULL;
}

static bool is_filled(const struct reading *r, const struct mapping_row *row,
                      const struct directory_attr *values)
{
    struct str filled = json_get_str(r->filled, row->ldap);
    for (size_t i = 0; filled.len && i < values->count; i++)
        if (str_eq(values->values[i], filled))
            return true;
    return false;
}

/* New, or NULL. */
static json_t *read_single(const struct reading *r, const struct mapping_row *row, json_t *asserted)
{
    const struct directory_attr *values = ldap_values(r, row);
    if (row->lock.len)
        return json_boolean(mapping_plain_is_active(row, values));
    if (values && !is_filled(r, row, values)) {
        struct str shown = mapping_shown(r->arena, row, r->dn, values, asserted);
        json_t *value = mapping_value(r->arena, row, shown, asserted);
        return value || !row->true_if_absent ? value : json_true();
    }
    if (row->true_if_absent)
        return json_true();
    return asserted && !mapping_storable(row, asserted) ? json_incref(asserted) : NULL;
}

static const struct mapping_row *row_of_sub(const struct mapping_attr *attr,
                                            const struct scim_attr *sub)
{
    for (size_t i = 0; i < attr->row_count; i++)
        if (attr->rows[i].scim.sub == sub)
            return &attr->rows[i];
    return NULL;
}

/* New, or NULL. `asserted` may be NULL. */
static json_t *read_complex(const struct reading *r, const struct mapping_attr *attr,
                            json_t *asserted)
{
    struct making m = make(r->arena, asserted, attr->attr->sub_count);
    for (size_t i = 0; i < attr->attr->sub_count; i++) {
        const struct scim_attr *sub = &attr->attr->subs[i];
        const struct mapping_row *row = row_of_sub(attr, sub);
        json_t *was = mapping_member(asserted, sub->name);
        make_member(&m, sub->name, was, row ? read_single(r, row, was) : json_incref(was));
    }
    return make_object(&m);
}

/* ---- many values */

/* The LDAP values of one row, and what the items make of them. */
struct claims {
    const struct directory_attr *values; /* NULL = none */
    struct str *keys;                    /* made when first needed */
    bool *claimed;                       /* some item is equal to it */
    bool *spelled;                       /* some item is it, byte for byte */
};

struct item {
    json_t *json;
    const struct mapping_row *row;
    struct claims *claims; /* NULL = not in LDAP */
    size_t value;
};

static struct claims *claims_of(const struct reading *r, const struct mapping_attr *attr)
{
    struct claims *all = ARENA_ARRAY(r->arena, struct claims, attr->row_count);
    for (size_t i = 0; i < attr->row_count; i++) {
        struct claims *c = &all[i];
        c->values = ldap_values(r, &attr->rows[i]);
        if (!c->values)
            continue;
        c->claimed = ARENA_ARRAY(r->arena, bool, c->values->count);
        c->spelled = ARENA_ARRAY(r->arena, bool, c->values->count);
    }
    return all;
}

static bool claim_key(const struct reading *r, const struct mapping_row *row, struct claims *c,
                      struct str text, size_t *value)
{
    size_t n = c->values->count;
    if (!c->keys) {
        c->keys = ARENA_ARRAY(r->arena, struct str, n);
        for (size_t i = 0; i < n; i++)
            c->keys[i] = mapping_key(r->arena, row, c->values->values[i]);
    }
    struct str key = mapping_key(r->arena, row, text);
    for (*value = 0; *value < n; ++*value)
        if (str_eq(c->keys[*value], key))
            return true;
    return false;
}

static bool claim(const struct reading *r, const struct mapping_row *row, struct claims *c,
                  struct str text, size_t *value)
{
    if (!c->values || text.len == 0)
        return false;
    for (*value = 0; *value < c->values->count; ++*value)
        if (str_eq(c->values->values[*value], text)) {
            c->claimed[*value] = c->spelled[*value] = true;
            return true;
        }
    if (!claim_key(r, row, c, text, value))
        return false;
    c->claimed[*value] = true;
    return true;
}

/* The live ones of the asserted items, with the LDAP value each stands for. */
static size_t claim_items(const struct reading *r, const struct mapping_attr *attr,
                          struct claims *all, const json_t *asserted, struct item *items)
{
    size_t live = 0;
    for (size_t i = 0; i < json_array_size(asserted); i++) {
        struct item item = {.json = json_array_get(asserted, i)};
        const struct mapping_row *row = item.row = mapping_item_row(attr, item.json);
        struct claims *c = &all[row - attr->rows];
        const json_t *value = mapping_item_value(item.json);
        if (claim(r, row, c, mapping_text(r->arena, row, value), &item.value))
            item.claims = c;
        else if (mapping_storable(row, value))
            continue; /* somebody took the value out of LDAP */
        items[live++] = item;
    }
    return live;
}

/* New, or NULL. LDAP's spelling wins, unless it is an item's own: then nobody edited it since. */
static json_t *read_item(const struct reading *r, const struct item *item)
{
    const struct claims *c = item->claims;
    if (!c || c->spelled[item->value])
        return json_incref(item->json);
    json_t *value = mapping_value(r->arena, item->row, c->values->values[item->value], NULL);
    if (!value || !json_is_object(item->json))
        return value;
    json_t *out = json_copy(item->json);
    json_put(out, "value", value);
    return out;
}

static void append_unclaimed(const struct reading *r, const struct mapping_attr *attr,
                             const struct mapping_row *row, const struct claims *c, json_t *out)
{
    for (size_t i = 0; c->values && i < c->values->count; i++) {
        json_t *value =
            c->claimed[i] ? NULL : mapping_value(r->arena, row, c->values->values[i], NULL);
        if (!value)
            continue;
        if (attr->attr->type != SCIM_COMPLEX) {
            json_push(out, value);
            continue;
        }
        json_t *item = json_object();
        json_put(item, "value", value);
        if (row->type.len)
            json_put_str(item, "type", row->type);
        json_push(out, item);
    }
}

/* New, or NULL. */
static json_t *read_items(const struct reading *r, const struct mapping_attr *attr,
                          json_t *asserted)
{
    struct claims *all = claims_of(r, attr);
    struct item *items = ARENA_ARRAY(r->arena, struct item, json_array_size(asserted));
    size_t live = claim_items(r, attr, all, asserted, items);
    json_t *out = json_array();
    for (size_t i = 0; i < live; i++) {
        json_t *item = read_item(r, &items[i]);
        if (item)
            json_push(out, item);
    }
    for (size_t i = 0; i < attr->row_count; i++)
        append_unclaimed(r, attr, &attr->rows[i], &all[i], out);
    return made_array(out, asserted);
}

/* An item that says what kind of thing it is, but of nothing. */
static bool says_nothing(const json_t *item)
{
    static const char *const labels[] = {"type", "primary", "display"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        n += json_object_get(item, labels[i]) != NULL;
    return n == json_object_size(item);
}

/* New, or NULL: the mapped item as LDAP has it now. */
static json_t *read_mapped_item(const struct reading *r, const struct mapping_attr *attr,
                                json_t *asserted)
{
    json_t *now = read_complex(r, attr, asserted);
    if (!now)
        return NULL;
    if (!asserted && attr->rows[0].type.len)
        json_put_str(now, "type", attr->rows[0].type);
    if (!says_nothing(now) || (asserted && says_nothing(asserted)))
        return now;
    json_decref(now);
    return NULL;
}

/* New, or NULL. */
static json_t *read_first_item(const struct reading *r, const struct mapping_attr *attr,
                               json_t *asserted)
{
    size_t n = json_array_size(asserted), mapped = mapping_mapped_item(asserted);
    json_t *out = json_array();
    for (size_t i = 0; i < n || i == 0; i++) {
        json_t *item = json_array_get(asserted, i);
        json_t *now = i == mapped ? read_mapped_item(r, attr, item) : json_incref(item);
        if (now)
            json_push(out, now);
    }
    return made_array(out, asserted);
}

/* ---- the whole */

/* New, or NULL. */
static json_t *read_attr(const struct reading *r, const struct mapping_attr *attr, json_t *asserted)
{
    if (asserted && !fits(attr->attr, asserted))
        asserted = NULL;
    switch (attr->shape) {
    case MAPPING_STORED:
        return attr->foreign_only ? mapping_foreign(asserted) : json_incref(asserted);
    case MAPPING_SINGLE:
        return read_single(r, &attr->rows[0], asserted);
    case MAPPING_COMPLEX:
        return read_complex(r, attr, asserted);
    case MAPPING_ITEMS:
        return read_items(r, attr, asserted);
    case MAPPING_FIRST_ITEM:
        return read_first_item(r, attr, asserted);
    }
    return NULL;
}

static void read_group(const struct reading *r, const struct mapping_group *group,
                       const json_t *asserted, struct making *out)
{
    for (size_t i = 0; i < group->count; i++) {
        struct str name = group->attrs[i].attr->name;
        json_t *was = mapping_member(asserted, name);
        make_member(out, name, was, read_attr(r, &group->attrs[i], was));
    }
}

/* New, or NULL. */
static json_t *read_extension(const struct reading *r, const struct mapping_group *group,
                              json_t *asserted)
{
    struct making m = make(r->arena, asserted, group->count);
    read_group(r, group, asserted, &m);
    return make_object(&m);
}

json_t *mapping_read(const struct directory_mapping *m, struct arena *a,
                     const struct directory_entry *e, const struct mapping_asserted *asserted)
{
    struct reading r = {
        .arena = a, .dn = e->dn, .at = mapping_slots(m, a, e), .filled = asserted->filled};
    struct making out = make(a, asserted->resource, m->member_count);
    for (size_t i = 0; i < m->group_count; i++) {
        const struct mapping_group *group = &m->groups[i];
        if (!group->extension) {
            read_group(&r, group, asserted->resource, &out);
            continue;
        }
        struct str urn = group->extension->id;
        json_t *was = mapping_member(asserted->resource, urn);
        if (!json_is_object(was))
            was = NULL;
        make_member(&out, urn, was, read_extension(&r, group, was));
    }
    json_t *resource = make_object(&out);
    return resource ? resource : json_object();
}

struct directory_values mapping_values(const struct directory_entry *e, const char *name)
{
    const struct directory_attr *attr = directory_attr(e, name);
    return attr ? (struct directory_values){attr->values, attr->count}
                : (struct directory_values){NULL, 0};
}

instant_t mapping_instant(const struct directory_entry *e, const char *name)
{
    instant_t at;
    return clock_parse_generalized(directory_value(e, name), &at) ? at : INSTANT_NONE;
}
