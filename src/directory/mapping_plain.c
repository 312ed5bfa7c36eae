/* Plain mode: a directory without the kiops schema. What has an LDAP attribute is kept
 * there and nowhere else; the rest is in no schema that clients see, so no layer below knows it. */
#include "directory/mapping.h"

/* ---- `active` is the directory's lock */

struct mapping_row mapping_plain_active(const struct config_directory *config, struct arena *a)
{
    struct mapping_row row = {.ldap = mapping_lock_attribute(config, a)};
    if (row.ldap)
        row.lock = mapping_lock_value(config);
    return row;
}

bool mapping_plain_takes(const struct config_directory *config, struct str ldap)
{
    return !config_has_schema(config) && config->lock == CONFIG_LOCK_ATTR &&
           str_ieq(ldap, config->lock_attribute);
}

bool mapping_plain_is_active(const struct mapping_row *row, const struct directory_attr *now)
{
    for (size_t i = 0; row->lock.len && now && i < now->count; i++)
        if (str_ieq(now->values[i], row->lock))
            return false;
    return true;
}

/* pwdAccountLockedTime may hold the time of too many wrong passwords: it makes way for the lock,
 * and nothing but the lock is taken by activating. */
void mapping_plain_lock(struct mapping_write *w, const struct mapping_row *row, bool active)
{
    const struct directory_attr *now = w->at[row->slot];
    size_t n = now ? now->count : 0, del = 0;
    struct str *gone = ARENA_ARRAY(w->arena, struct str, n);
    bool whole = w->mapping->config->lock != CONFIG_LOCK_ATTR;
    if (!row->lock.len || active == mapping_plain_is_active(row, now))
        return;
    for (size_t i = 0; i < n; i++)
        if (active ? str_ieq(now->values[i], row->lock) : whole)
            gone[del++] = now->values[i];
    mapping_changes_push(&w->changes, (struct mapping_change){.ldap = row->ldap,
                                                              .scim = row->scim.text,
                                                              .del = gone,
                                                              .del_count = del,
                                                              .add = &row->lock,
                                                              .add_count = !active});
}

/* ---- externalId */

bool mapping_plain_is_external(const struct config_map *map)
{
    return str_ieq(map->scim, STR("externalId"));
}

struct directory_values mapping_external_ids(const struct directory_mapping *m, struct arena *a,
                                             const struct directory_entry *e)
{
    if (m->keeps)
        return mapping_values(e, "kiopsExternalId");
    if (!m->external)
        return (struct directory_values){NULL, 0};
    struct directory_values raw = mapping_values(e, m->external);
    struct str *out = ARENA_ARRAY(a, struct str, raw.count + 1);
    for (size_t i = 0; i < raw.count; i++)
        out[i] = arena_fmt(a, ":" STR_FMT, STR_ARG(raw.at[i]));
    return (struct directory_values){out, raw.count};
}

const char *directory_external_attr(const struct directory *d)
{
    return d->mapping->keeps ? "kiopsExternalId" : d->mapping->external;
}

/* ---- what cannot be kept */

static const struct mapping_row *active_row(const struct directory_mapping *m)
{
    for (size_t i = 0; i < m->row_count; i++)
        if (m->rows[i].true_if_absent)
            return &m->rows[i];
    return NULL;
}

static bool check_active(const struct directory_mapping *m, const json_t *after, struct error *err)
{
    const struct mapping_row *row = active_row(m);
    if (json_get_bool(after, "active", true) || (row && row->lock.len))
        return true;
    return error_set(err, ERR_INVALID_VALUE,
                     "active: this directory has no way to say that an account is inactive; "
                     "delete the user, or have its operator set directory.lock");
}

/* Of addresses only one has LDAP attributes. */
static bool check_items(const struct directory_mapping *m, const json_t *after, struct error *err)
{
    for (size_t i = 0; i < m->group_count; i++) {
        const struct mapping_group *group = &m->groups[i];
        const json_t *object = group->extension ? json_object_getn(after, group->extension->id.at,
                                                                   group->extension->id.len)
                                                : after;
        for (size_t k = 0; k < group->count; k++) {
            const struct mapping_attr *at = &group->attrs[k];
            struct str name = at->attr->name;
            if (at->shape == MAPPING_FIRST_ITEM && object &&
                json_array_size(json_object_getn(object, name.at, name.len)) > 1)
                return error_set(err, ERR_INVALID_VALUE,
                                 STR_FMT ": this directory keeps one; send the one that counts",
                                 STR_ARG(name));
        }
    }
    return true;
}

bool mapping_plain_check(const struct mapping_write *w, const json_t *after, struct error *err)
{
    if (w->lost.len)
        return error_set(err, ERR_INVALID_VALUE,
                         STR_FMT ": the directory's attribute cannot hold this value; change it",
                         STR_ARG(w->lost));
    return check_active(w->mapping, after, err) && check_items(w->mapping, after, err);
}
