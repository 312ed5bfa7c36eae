/* Taking over what was in the directory before: whom a POST means, and what it leaves as it is. */
#include "directory/mapping.h"

/* ---- who is meant */

static const struct directory_mod *added(const struct directory_mods *attrs, struct str ldap)
{
    for (size_t i = 0; i < attrs->count; i++)
        if (str_ieq(str_of(attrs->at[i].attr), ldap))
            return &attrs->at[i];
    return NULL;
}

struct directory_search directory_search_adoptable(const struct directory *d,
                                                   const struct directory_mods *attrs)
{
    static const char *const ids[] = {"entryUUID", NULL};
    const struct config_users *users = &d->config->directory.users;
    struct str ldap = str_eq(users->adopt, STR("userName")) ? users->rdn : users->adopt;
    const struct directory_mod *values =
        str_eq(users->adopt, STR("none")) ? NULL : added(attrs, ldap);
    struct directory_search s = {
        .base = users->base, .scope = DIRECTORY_SUB, .attrs = ids, .nothing = !values};
    if (!values)
        return s;
    OWNED_BUF struct buf text;
    buf_init(&text, 64 << 20);
    buf_fmt(&text, "(&" STR_FMT "(|", STR_ARG(users->filter));
    for (size_t i = 0; i < values->count; i++)
        buf_fmt(&text, "(" STR_FMT "=" STR_FMT ")", STR_ARG(ldap),
                STR_ARG(directory_filter_value(attrs->arena, values->values[i])));
    BUF_LIT(&text, "))");
    s.filter = arena_str(attrs->arena, buf_view(&text));
    return s;
}

const char *directory_adopt_assertion(const struct directory_entry *e)
{
    /* Odd bytes count as nothing asserted, and stand in the way of nobody. */
    return directory_attr(e, "kiopsResource") ? "(!(kiopsExternalId=*))"
                                              : "(!(kiopsExternalId=*))(!(kiopsResource=*))";
}

void directory_adopt_undo(const struct directory_entry *e, const struct directory_mods *mods,
                          struct directory_mods *undo)
{
    for (size_t i = 0; i < mods->count; i++) {
        const char *ldap = mods->at[i].attr;
        if (added(undo, str_of(ldap)))
            continue;
        const struct directory_attr *was = directory_attr(e, ldap);
        directory_mods_push(undo, DIRECTORY_REPLACE, ldap, was ? was->values : NULL,
                            was ? was->count : 0);
    }
}

/* ---- what stays */

static bool says_too(struct arena *a, const struct mapping_attr *attr, const json_t *items,
                     const json_t *item)
{
    const struct mapping_row *row = mapping_item_row(attr, item);
    struct str key = mapping_key(a, row, mapping_text(a, row, mapping_item_value(item)));
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *other = json_array_get(items, i);
        struct str text = mapping_text(a, row, mapping_item_value(other));
        if (mapping_item_row(attr, other) == row && str_eq(mapping_key(a, row, text), key))
            return true;
    }
    return false;
}

/* New. Values of the directory that the client does not know of are others' to take away. */
static json_t *united(struct arena *a, const struct mapping_attr *attr, json_t *posted,
                      json_t *there)
{
    json_t *out = json_copy(posted);
    for (size_t i = 0; i < json_array_size(there); i++) {
        json_t *item = json_array_get(there, i);
        if (!says_too(a, attr, posted, item))
            json_push(out, json_incref(item));
    }
    return out;
}

/* New. */
static json_t *overlaid(json_t *posted, json_t *there)
{
    json_t *out = json_copy(there);
    for (void *at = json_object_iter(posted); at; at = json_object_iter_next(posted, at)) {
        struct str name = {json_object_iter_key(at), json_object_iter_key_len(at)};
        mapping_put(out, name, json_incref(json_object_iter_value(at)));
    }
    return out;
}

/* New, or NULL. An address is one thing: as posted or as it was. */
static json_t *adopted_attr(struct arena *a, const struct mapping_attr *attr, json_t *posted,
                            json_t *there)
{
    if (!posted || !there)
        return json_incref(posted ? posted : there);
    if (attr->shape == MAPPING_ITEMS)
        return united(a, attr, posted, there);
    return attr->shape == MAPPING_COMPLEX ? overlaid(posted, there) : json_incref(posted);
}

static void adopted_group(struct arena *a, const struct mapping_group *group, const json_t *posted,
                          const json_t *there, json_t *out)
{
    for (size_t i = 0; i < group->count; i++) {
        struct str name = group->attrs[i].attr->name;
        mapping_put(out, name,
                    adopted_attr(a, &group->attrs[i], mapping_member(posted, name),
                                 mapping_member(there, name)));
    }
}

json_t *directory_adopted_user(const struct directory *d, struct arena *a,
                               const struct directory_user *before, const json_t *posted)
{
    const struct directory_mapping *m = d->mapping;
    json_t *out = json_object(), *there = before->resource;
    for (size_t i = 0; i < m->group_count; i++) {
        const struct mapping_group *group = &m->groups[i];
        if (!group->extension) {
            adopted_group(a, group, posted, there, out);
            continue;
        }
        json_t *extension = json_object();
        struct str urn = group->extension->id;
        adopted_group(a, group, mapping_member(posted, urn), mapping_member(there, urn), extension);
        mapping_put(out, urn, extension);
    }
    mapping_put(out, STR("externalId"), json_incref(json_object_get(posted, "externalId")));
    return out;
}

json_t *directory_adopted_organization(const struct directory_organization *before,
                                       const json_t *posted)
{
    struct str urn = STR(SCIM_URN_KIOPS_ORGANIZATION);
    json_t *out = json_copy_deep(before->resource);
    mapping_put(out, urn, overlaid(mapping_member(posted, urn), mapping_member(out, urn)));
    mapping_put(out, STR("externalId"), json_incref(json_object_get(posted, "externalId")));
    return out;
}
