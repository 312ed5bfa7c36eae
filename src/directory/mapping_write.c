/*
 * Resource -> changes of LDAP values: exact values out, exact values in, nothing else touched.
 * What this writes, mapping_read() reads back as the same resource.
 */
#include "directory/mapping.h"

/* ---- one value */

static bool same_bytes(const struct directory_attr *values, struct str text)
{
    for (size_t i = 0; values && i < values->count; i++)
        if (str_eq(values->values[i], text))
            return true;
    return false;
}

/* What LDAP has it can hold, whatever we think of its syntax. */
static bool fits_ldap(const struct mapping_row *row, const struct directory_attr *now,
                      const json_t *value)
{
    return mapping_storable(row, value) ||
           (json_is_string(value) && same_bytes(now, json_str(value)));
}

/* Entries of the classes that we write must have these. */
static bool is_required(const char *ldap)
{
    return str_ieq(str_of(ldap), STR("cn")) || str_ieq(str_of(ldap), STR("sn"));
}

/* What stands in an attribute that its class demands while nobody asserts a value. */
static struct str filling(const struct mapping_write *w, const char *ldap)
{
    struct str user_name = json_get_str(w->resource, "userName");
    if (!str_ieq(str_of(ldap), STR("cn")))
        return user_name;
    struct str display = json_get_str(w->resource, "displayName");
    const json_t *name = json_object_get(w->resource, "name");
    struct str given = json_get_str(name, "givenName"), family = json_get_str(name, "familyName");
    if (display.len == 0 && given.len && family.len)
        display = arena_fmt(w->arena, STR_FMT " " STR_FMT, STR_ARG(given), STR_ARG(family));
    return str_trim(display).len ? display : user_name;
}

/* An empty text is no value to LDAP; anything else would be kept in kiopsResource alone. */
static void note_lost(struct mapping_write *w, const struct mapping_row *row, const json_t *value)
{
    bool empty = !value || (json_is_string(value) && str_trim(json_str(value)).len == 0);
    if (!empty)
        w->lost = row->scim.text;
}

/* The LDAP text that one value should have; at NULL = none. */
static struct str wanted_text(struct mapping_write *w, const struct mapping_row *row,
                              const struct directory_attr *now, const json_t *value)
{
    if (row->true_if_absent && json_is_true(value) && !same_bytes(now, STR("TRUE")))
        return STR_NONE;
    if (fits_ldap(row, now, value))
        return mapping_text(w->arena, row, value);
    note_lost(w, row, value);
    if (!is_required(row->ldap))
        return STR_NONE;
    struct str fill = filling(w, row->ldap);
    json_put_str(w->filled, row->ldap, fill);
    return fill;
}

static void write_single(struct mapping_write *w, const struct mapping_row *row,
                         const json_t *asserted, const json_t *value)
{
    const struct directory_attr *now = w->at[row->slot];
    if (row->read_only)
        return;
    if (!w->mapping->keeps && row->true_if_absent) {
        mapping_plain_lock(w, row, !json_is_false(value));
        return;
    }
    if (now && now->count == 0)
        now = NULL;
    struct mapping_change change = {.ldap = row->ldap,
                                    .scim = row->scim.text,
                                    .no_equality = row->no_equality,
                                    .name = wanted_text(w, row, now, value)};
    struct str *del = ARENA_ARRAY(w->arena, struct str, now ? now->count : 0);
    change.del = del;
    change.add = &change.name;
    if (!change.name.at) {
        if (now)
            change.del = now->values;
        change.del_count = now ? now->count : 0;
        mapping_changes_push(&w->changes, change);
        return;
    }
    struct str shown =
        now ? mapping_shown(w->arena, row, w->changes.entry->dn, now, asserted) : STR_NONE;
    change.add_count = !same_bytes(now, change.name);
    struct str key = mapping_key(w->arena, row, change.name);
    for (size_t i = 0; now && i < now->count; i++) {
        struct str old = now->values[i];
        /* Another spelling of the new value would make the directory refuse it (20). */
        bool clash = change.add_count > 0 && str_eq(mapping_key(w->arena, row, old), key);
        if (!str_eq(old, change.name) && (str_eq(old, shown) || clash))
            del[change.del_count++] = old;
    }
    mapping_changes_push(&w->changes, change);
}

/* ---- many values */

/* Does some item of this row say exactly these bytes? */
static bool some_item_says(const struct mapping_write *w, const struct mapping_attr *attr,
                           const struct mapping_row *row, const json_t *items, struct str text)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (mapping_item_row(attr, item) == row &&
            str_eq(mapping_text(w->arena, row, mapping_item_value(item)), text))
            return true;
    }
    return false;
}

struct wanted {
    struct str text, key;
    bool there; /* LDAP has it, in a spelling that an item has */
};

/* The values of a row's items, one of each key. */
static size_t wanted_values(struct mapping_write *w, const struct mapping_attr *attr,
                            const struct mapping_row *row, const json_t *items, struct wanted *out)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *value = mapping_item_value(item);
        if (mapping_item_row(attr, item) != row)
            continue;
        if (!fits_ldap(row, w->at[row->slot], value)) {
            note_lost(w, row, value);
            continue;
        }
        struct wanted v = {.text = mapping_text(w->arena, row, value)};
        v.key = mapping_key(w->arena, row, v.text);
        bool twice = false;
        for (size_t k = 0; !twice && k < n; k++)
            twice = str_eq(out[k].key, v.key);
        if (!twice)
            out[n++] = v;
    }
    return n;
}

static void write_row(struct mapping_write *w, const struct mapping_attr *attr,
                      const struct mapping_row *row, const json_t *items)
{
    const struct directory_attr *now = w->at[row->slot];
    if (row->read_only)
        return;
    struct wanted *wanted = ARENA_ARRAY(w->arena, struct wanted, json_array_size(items));
    size_t n = wanted_values(w, attr, row, items, wanted);
    struct mapping_change change = {
        .ldap = row->ldap, .scim = row->scim.text, .no_equality = row->no_equality};
    struct str *del = ARENA_ARRAY(w->arena, struct str, now ? now->count : 0);
    struct str *add = ARENA_ARRAY(w->arena, struct str, n);
    for (size_t i = 0; now && i < now->count; i++) {
        struct str key = mapping_key(w->arena, row, now->values[i]);
        size_t k = 0;
        while (k < n && !str_eq(wanted[k].key, key))
            k++;
        if (k < n && !wanted[k].there && some_item_says(w, attr, row, items, now->values[i]))
            wanted[k].there = true;
        else
            del[change.del_count++] = now->values[i];
    }
    for (size_t k = 0; k < n; k++)
        if (!wanted[k].there)
            add[change.add_count++] = wanted[k].text;
    change.del = del;
    change.add = add;
    if (n > 0)
        change.name = wanted[0].text;
    mapping_changes_push(&w->changes, change);
}

/* ---- by shape */

static void write_complex(struct mapping_write *w, const struct mapping_attr *attr,
                          const json_t *asserted, const json_t *value)
{
    for (size_t i = 0; i < attr->row_count; i++) {
        const struct mapping_row *row = &attr->rows[i];
        struct str name = row->scim.sub->name;
        write_single(w, row, mapping_member(asserted, name), mapping_member(value, name));
    }
}

static const json_t *mapped_item(const json_t *items)
{
    return json_array_get(items, mapping_mapped_item(items));
}

static void write_attr(struct mapping_write *w, const struct mapping_attr *attr,
                       const json_t *asserted, const json_t *value)
{
    switch (attr->shape) {
    case MAPPING_STORED:
        break;
    case MAPPING_SINGLE:
        write_single(w, &attr->rows[0], asserted, value);
        break;
    case MAPPING_COMPLEX:
        write_complex(w, attr, asserted, value);
        break;
    case MAPPING_ITEMS:
        for (size_t i = 0; i < attr->row_count; i++)
            write_row(w, attr, &attr->rows[i], value);
        break;
    case MAPPING_FIRST_ITEM:
        write_complex(w, attr, mapped_item(asserted), mapped_item(value));
        break;
    }
}

static void write_group(struct mapping_write *w, const struct mapping_group *group,
                        const json_t *asserted)
{
    const json_t *now = w->resource;
    if (group->extension) {
        asserted = mapping_member(asserted, group->extension->id);
        now = mapping_member(now, group->extension->id);
    }
    for (size_t i = 0; i < group->count; i++) {
        struct str name = group->attrs[i].attr->name;
        write_attr(w, &group->attrs[i], mapping_member(asserted, name), mapping_member(now, name));
    }
}

/* A class may demand what a configuration maps nowhere. */
static void fill_unmapped(struct mapping_write *w)
{
    static const char *const demanded[] = {"cn", "sn"};
    for (size_t i = 0; i < sizeof demanded / sizeof *demanded; i++) {
        bool mapped = directory_attr(w->changes.entry, demanded[i]) != NULL;
        for (size_t k = 0; k < w->changes.count; k++)
            mapped = mapped || str_ieq(str_of(w->changes.at[k].ldap), str_of(demanded[i]));
        if (!mapped)
            mapping_changes_one(&w->changes, demanded[i], STR("userName"), STR_NONE,
                                filling(w, demanded[i]));
    }
}

void mapping_write_values(struct mapping_write *w)
{
    for (size_t i = 0; i < w->mapping->group_count; i++)
        write_group(w, &w->mapping->groups[i], w->asserted.resource);
    if (w->changes.entry->attr_count == 0)
        fill_unmapped(w);
}

/* ---- what is stored of a resource */

static void store_group(const struct mapping_group *group, const json_t *from, json_t *to)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct mapping_attr *at = &group->attrs[i];
        json_t *value = mapping_member(from, at->attr->name);
        mapping_put(to, at->attr->name,
                    at->foreign_only ? mapping_foreign(value) : json_incref(value));
    }
}

json_t *mapping_stored_part(const struct directory_mapping *m, const json_t *resource)
{
    json_t *out = json_object();
    for (size_t i = 0; i < m->group_count; i++) {
        const struct mapping_group *group = &m->groups[i];
        if (!group->extension) {
            store_group(group, resource, out);
            continue;
        }
        json_t *extension = json_object();
        store_group(group, mapping_member(resource, group->extension->id), extension);
        mapping_put(out, group->extension->id, extension);
    }
    return out;
}
