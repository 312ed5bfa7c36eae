/* Which attributes of an entry the table knows, found by name without walking the table, and which
 * ones to ask the directory for. */
#include "directory/mapping.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- slots */

static size_t name_hash(struct str name)
{
    size_t hash = name.len;
    for (size_t i = 0; i < name.len; i++)
        hash = hash * 31 + (unsigned char)(name.at[i] | 0x20);
    return hash;
}

/* The place of `name` in the index: its own, or a free one. */
static size_t index_of(const struct directory_mapping *m, struct str name)
{
    size_t at = name_hash(name) % m->index_size;
    while (m->index[at] && !str_ieq(str_of(m->names[m->index[at] - 1]), name))
        at = (at + 1) % m->index_size;
    return at;
}

static void build_slots(struct directory_mapping *m, struct mapping_row *rows, size_t n)
{
    const char **names = ARENA_ARRAY(m->memory, const char *, n);
    m->names = names;
    m->index_size = 64;
    while (m->index_size < 4 * n)
        m->index_size *= 2;
    m->index = ARENA_ARRAY(m->memory, uint16_t, m->index_size);
    for (size_t i = 0; i < n; i++) {
        size_t at = index_of(m, str_of(rows[i].ldap));
        if (!m->index[at]) {
            names[m->slot_count] = rows[i].ldap;
            m->index[at] = (uint16_t)++m->slot_count;
        }
        rows[i].slot = m->index[at] - 1U;
    }
}

const struct directory_attr **mapping_slots(const struct directory_mapping *m, struct arena *a,
                                            const struct directory_entry *e)
{
    const struct directory_attr **slots =
        ARENA_ARRAY(a, const struct directory_attr *, m->slot_count);
    for (size_t i = 0; i < e->attr_count; i++) {
        size_t at = index_of(m, e->attrs[i].name);
        if (m->index[at])
            slots[m->index[at] - 1] = &e->attrs[i];
    }
    return slots;
}

/* ---- attributes to ask for */

static const char *const *user_attrs(struct directory_mapping *m)
{
    static const char *const always[] = {"objectClass",
                                         "entryUUID",
                                         "entryCSN",
                                         "entryUSN",
                                         "createTimestamp",
                                         "modifyTimestamp",
                                         "pwdChangedTime",
                                         "pwdUpdateTime",
                                         "cn",
                                         "sn",
                                         "kiopsActive",
                                         "kiopsJoined",
                                         "kiopsManager",
                                         "kiopsPermission",
                                         "kiopsRequest",
                                         "kiopsRejected",
                                         "kiopsExternalId",
                                         "kiopsResource"};
    const char **out = ARENA_ARRAY(m->memory, const char *, COUNT(always) + m->slot_count + 3);
    size_t n = 0;
    for (size_t i = 0; i < COUNT(always); i++)
        out[n++] = always[i];
    for (size_t i = 0; i < m->slot_count; i++) {
        bool there = false;
        for (size_t k = 0; !there && k < COUNT(always); k++)
            there = str_ieq(str_of(always[k]), str_of(m->names[i]));
        if (!there)
            out[n++] = m->names[i];
    }
    if (m->external)
        out[n++] = m->external;
    if (mapping_bar_attribute(m->config))
        out[n++] = mapping_bar_attribute(m->config);
    return out;
}

static const char *const *organization_attrs(struct directory_mapping *m, bool members, bool owners)
{
    static const char *const always[] = {
        "objectClass",     "entryUUID",   "entryCSN",        "entryUSN",        "createTimestamp",
        "modifyTimestamp", "description", "kiopsJoinPolicy", "kiopsExternalId", "kiopsResource"};
    const struct config_organizations *config = &m->config->organizations;
    const char **out = ARENA_ARRAY(m->memory, const char *, COUNT(always) + 4);
    size_t n = 0;
    for (size_t i = 0; i < COUNT(always); i++)
        out[n++] = always[i];
    out[n++] = arena_cstr(m->memory, config->rdn);
    if (members)
        out[n++] = arena_cstr(m->memory, config->member);
    if (owners && config->owner.len)
        out[n++] = arena_cstr(m->memory, config->owner);
    return out;
}

const char *const *directory_user_attrs(const struct directory *d)
{
    return d->mapping->user_attrs;
}

const char *const *directory_organization_attrs(const struct directory *d, bool with_members,
                                                bool with_owners)
{
    return d->mapping->organization_attrs[with_members][with_owners];
}

void mapping_slots_build(struct directory_mapping *m, struct mapping_row *rows, size_t n)
{
    build_slots(m, rows, n);
    m->user_attrs = user_attrs(m);
    for (int members = 0; members < 2; members++)
        for (int owners = 0; owners < 2; owners++)
            m->organization_attrs[members][owners] = organization_attrs(m, members, owners);
}
