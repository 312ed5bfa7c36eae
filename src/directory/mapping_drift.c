/* Drift: where LDAP says otherwise than the bridge last wrote, and the change back. */
#include "directory/drift.h"
#include "directory/mapping.h"

#define TEXT_MAX ((size_t)4 << 20)

struct comparing {
    struct arena *arena;
    const struct mapping_group *group;
    const json_t *asserted, *now; /* of the group; may be NULL */
    struct directory_drift *out;
    size_t cap;
};

static struct str text_of(struct arena *a, const json_t *value)
{
    OWNED_BUF struct buf text;
    buf_init(&text, TEXT_MAX);
    if (value)
        json_write(value, &text);
    return arena_str(a, buf_view(&text));
}

static bool is_read_only(const struct mapping_attr *attr)
{
    for (size_t i = 0; i < attr->row_count; i++)
        if (attr->rows[i].read_only)
            return true;
    return false;
}

/* `active` that nobody asserted is true. */
static bool is_default(const struct mapping_attr *attr, const json_t *was, const json_t *now)
{
    return !was && json_is_true(now) && attr->row_count == 1 && attr->rows[0].true_if_absent;
}

static void compare(struct comparing *c, const struct mapping_attr *attr)
{
    struct str name = attr->attr->name;
    json_t *was = mapping_member(c->asserted, name), *now = mapping_member(c->now, name);
    if (attr->shape == MAPPING_STORED || is_read_only(attr) || was == now ||
        is_default(attr, was, now) || (was && now && json_equal(was, now)))
        return;
    struct directory_drift *out = c->out;
    struct directory_difference *at =
        arena_grow(c->arena, (void *)(uintptr_t)out->at, sizeof *out->at, out->count, &c->cap);
    const struct scim_schema *extension = c->group->extension;
    at[out->count++] = (struct directory_difference){
        .path = extension ? arena_fmt(c->arena, STR_FMT ":" STR_FMT, STR_ARG(extension->id),
                                      STR_ARG(name))
                          : name,
        .asserted = text_of(c->arena, was),
        .now = text_of(c->arena, now),
        .kept = !extension && (str_eq(name, STR("userName")) || str_eq(name, STR("active"))),
    };
    out->at = at;
}

static json_t *group_of(json_t *resource, const struct mapping_group *group)
{
    return group->extension ? mapping_member(resource, group->extension->id) : resource;
}

void directory_map_drift(const struct directory *d, struct arena *a,
                         const struct directory_entry *e, const struct directory_user *u,
                         struct directory_drift *out)
{
    const struct directory_mapping *m = d->mapping;
    struct mapping_asserted asserted;
    *out = (struct directory_drift){0};
    if (u->as_asserted)
        return;
    mapping_asserted_read(a, directory_value(e, "kiopsResource"), &asserted);
    if (!asserted.resource)
        return;
    struct comparing c = {.arena = a, .out = out};
    for (size_t i = 0; i < m->group_count; i++) {
        c.group = &m->groups[i];
        c.asserted = group_of(asserted.resource, c.group);
        c.now = group_of(u->resource, c.group);
        for (size_t k = 0; k < c.group->count; k++)
            compare(&c, &c.group->attrs[k]);
    }
}

static void name_several(struct arena *a, const struct mapping_attr *attr,
                         const struct directory_attr **at, struct str *names)
{
    if (attr->shape != MAPPING_SINGLE && attr->shape != MAPPING_COMPLEX)
        return;
    for (size_t r = 0; r < attr->row_count; r++) {
        const struct directory_attr *values = at[attr->rows[r].slot];
        if (values && values->count > 1)
            *names = arena_fmt(a, STR_FMT "%s%s", STR_ARG(*names), names->len ? " " : "",
                               attr->rows[r].ldap);
    }
}

struct str directory_map_several(const struct directory *d, struct arena *a,
                                 const struct directory_entry *e)
{
    const struct directory_mapping *m = d->mapping;
    const struct directory_attr **at = mapping_slots(m, a, e);
    struct str names = STR_NONE;
    for (size_t i = 0; i < m->group_count; i++)
        for (size_t k = 0; k < m->groups[i].count; k++)
            name_several(a, &m->groups[i].attrs[k], at, &names);
    return names;
}

static bool is_put_back(const struct mapping_group *group, const struct mapping_attr *attr)
{
    struct str name = attr->attr->name;
    bool kept = !group->extension && (str_eq(name, STR("userName")) || str_eq(name, STR("active")));
    return !kept && attr->shape != MAPPING_STORED && !is_read_only(attr);
}

/* New: as LDAP has it now, with the asserted value of everything that differs. */
static json_t *back(const struct directory *d, const struct mapping_asserted *asserted,
                    const struct directory_user *u)
{
    const struct directory_mapping *m = d->mapping;
    json_t *after = json_copy_deep(u->resource);
    for (size_t i = 0; i < m->group_count; i++) {
        const struct mapping_group *group = &m->groups[i];
        json_t *was = group_of(asserted->resource, group), *to = group_of(after, group);
        if (!to && was) {
            mapping_put(after, group->extension->id, json_copy_deep(was));
            continue;
        }
        for (size_t k = 0; k < group->count; k++) {
            const struct mapping_attr *attr = &group->attrs[k];
            struct str name = attr->attr->name;
            if (!is_put_back(group, attr))
                continue;
            json_t *value = mapping_member(was, name);
            json_object_deln(to, name.at, name.len);
            if (value)
                mapping_put(to, name, json_copy_deep(value));
        }
    }
    return after;
}

bool directory_unmap_drift(const struct directory *d, const struct directory_user_edit *edit,
                           struct directory_mods *mods, struct error *err)
{
    struct mapping_asserted asserted;
    struct str new_rdn;
    mapping_asserted_read(mods->arena, directory_value(edit->entry, "kiopsResource"), &asserted);
    if (!asserted.resource)
        return true;
    json_t *after = back(d, &asserted, edit->before);
    json_keep(mods->arena, after);
    struct directory_user_edit whole = *edit;
    whole.after = after;
    if (!directory_unmap_user(d, &whole, mods, &new_rdn, err))
        return false;
    return !new_rdn.len ||
           error_set(err, ERR_CONFLICT, "the value that names the entry would change");
}
