/* Organizations: one group entry, whose own attributes are three and whose sets are not touched
 * here. */
#include "base/unicode.h"
#include "directory/mapping.h"

static const char description_attr[] = "description";
static const char policy_attr[] = "kiopsJoinPolicy";

/* ---- reading */

static struct str shown_name(const struct directory *d, struct arena *a,
                             const struct directory_entry *e)
{
    const char *ldap = arena_cstr(a, d->config->directory.organizations.rdn);
    const struct directory_attr *values = directory_attr(e, ldap);
    if (!values || values->count == 0)
        return STR_NONE;
    const struct mapping_row row = {.ldap = ldap, .names_entry = true};
    return mapping_shown(a, &row, e->dn, values, NULL);
}

/* Members are many and the placeholder is rare: a look at the first letters spares the key. */
static bool is_placeholder(const struct directory *d, struct arena *a, struct str dn)
{
    struct str placeholder = d->config->directory.organizations.placeholder_dn;
    if (placeholder.len == 0 || !str_istarts(dn, str_sub(placeholder, 0, 2)))
        return false;
    return str_ieq(dn, placeholder) ||
           str_eq(directory_dn_key(a, dn), directory_dn_key(a, placeholder));
}

static struct directory_values people(const struct directory *d, struct arena *a,
                                      struct directory_values all, bool *placeholder)
{
    struct str *at = ARENA_ARRAY(a, struct str, all.count);
    size_t n = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (is_placeholder(d, a, all.at[i]))
            *placeholder = true;
        else
            at[n++] = all.at[i];
    }
    return (struct directory_values){at, n};
}

/* New. */
static json_t *resource_of(const struct directory *d, const struct directory_organization *o)
{
    json_t *out = json_object(), *extension = json_object();
    json_put_str(out, "displayName", o->name);
    if (o->description.len)
        json_put_str(extension, "description", o->description);
    if (d->mapping->keeps)
        json_put_str(extension, "joinPolicy", o->open ? STR("open") : STR("closed"));
    json_put(out, SCIM_URN_KIOPS_ORGANIZATION, extension);
    return out;
}

bool directory_map_organization(const struct directory *d, struct arena *a,
                                const struct directory_entry *e, struct directory_organization *out,
                                struct error *err)
{
    const struct config_organizations *config = &d->config->directory.organizations;
    struct mapping_asserted asserted;
    mapping_asserted_read(a, directory_value(e, "kiopsResource"), &asserted);
    struct directory_organization o = {
        .dn = e->dn,
        .id = e->id,
        .csn = e->csn,
        .name = shown_name(d, a, e),
        .description = directory_value(e, description_attr),
        .open = str_ieq(directory_value(e, policy_attr), STR("open")),
        .managed = directory_has(e, "objectClass", STR("kiopsManagedOrganization")),
        .external_ids = mapping_values(e, "kiopsExternalId"),
        .created = mapping_instant(e, "createTimestamp"),
        .modified = mapping_instant(e, "modifyTimestamp"),
        .marker = asserted.marker,
    };
    o.asserted = o.marker.len || o.external_ids.count;
    if (o.name.len == 0)
        return error_set(err, ERR_INTERNAL, "an entry of the organizations has no displayName");
    struct directory_values members = mapping_values(e, arena_cstr(a, config->member));
    o.members = people(d, a, mapping_group_dns(&d->config->directory, a, members),
                       &o.has_placeholder_member);
    if (config->owner.len)
        o.owners =
            people(d, a, mapping_values(e, arena_cstr(a, config->owner)), &o.has_placeholder_owner);
    o.resource = resource_of(d, &o);
    json_keep(a, o.resource);
    o.content = mapping_content(a, o.resource, &o.external_ids);
    *out = o;
    return true;
}

/* ---- writing */

static void mark(struct mapping_changes *c, const struct directory_writer *w)
{
    struct directory_values old = mapping_values(c->entry, "kiopsResource");
    struct mapping_asserted asserted = {.marker = w->marker};
    struct str now = mapping_asserted_write(c->arena, &asserted);
    mapping_changes_push(c, (struct mapping_change){.ldap = "kiopsResource",
                                                    .del = old.at,
                                                    .del_count = old.count,
                                                    .add = &now,
                                                    .add_count = 1});
}

static bool wanted_name(const json_t *resource, struct str *out, struct error *err)
{
    *out = json_get_str(resource, "displayName");
    if (str_trim(*out).len == 0)
        return error_set(err, ERR_INVALID_VALUE, "displayName is missing");
    if (!utf8_valid(*out) || utf8_has_prohibited(*out))
        return error_set(err, ERR_INVALID_VALUE,
                         "displayName holds a character that a name cannot");
    return true;
}

/* STR_NONE for what LDAP calls no value. */
static struct str wanted_description(const json_t *resource)
{
    struct str text =
        json_get_str(json_object_get(resource, SCIM_URN_KIOPS_ORGANIZATION), "description");
    return str_trim(text).len ? text : STR_NONE;
}

static bool wanted_open(const json_t *resource)
{
    struct str policy =
        json_get_str(json_object_get(resource, SCIM_URN_KIOPS_ORGANIZATION), "joinPolicy");
    return str_eq(policy, STR("open"));
}

bool directory_unmap_new_organization(const struct directory *d,
                                      const struct directory_organization_edit *edit,
                                      struct str *dn, struct directory_mods *attrs,
                                      struct error *err)
{
    static const struct directory_entry nothing;
    const struct config_organizations *config = &d->config->directory.organizations;
    struct arena *a = attrs->arena;
    struct mapping_changes c = {.arena = a, .entry = &nothing};
    struct str name, rdn;
    if (!wanted_name(edit->after, &name, err))
        return false;
    mapping_changes_classes(&c, &config->object_classes,
                            d->mapping->keeps ? STR("kiopsOrganization") : STR_NONE);
    mapping_changes_one(&c, arena_cstr(a, config->rdn), STR("displayName"), STR_NONE, name);
    if (!str_ieq(config->rdn, STR("cn"))) /* groupOfNames demands one */
        mapping_changes_one(&c, "cn", STR("displayName"), STR_NONE, name);
    mapping_changes_one(&c, description_attr, STR("description"), STR_NONE,
                        wanted_description(edit->after));
    if (d->mapping->keeps && wanted_open(edit->after))
        mapping_changes_one(&c, policy_attr, STR("joinPolicy"), STR_NONE, STR("open"));
    if (d->mapping->keeps)
        mapping_changes_external_id(&c, edit->writer, edit->after, NULL);
    if (config_wants_member(config))
        mapping_changes_one(&c, arena_cstr(a, config->member), STR("members"), STR_NONE,
                            config->placeholder_dn);
    if (d->mapping->keeps)
        mark(&c, edit->writer);
    if (!mapping_changes_new_rdn(&c, config->rdn, &rdn, err))
        return false;
    *dn = arena_fmt(a, STR_FMT "," STR_FMT, STR_ARG(rdn), STR_ARG(config->create_in));
    mapping_changes_send(&c, attrs);
    return true;
}

static void write_policy(struct mapping_changes *c, const struct directory_organization *before,
                         const json_t *after)
{
    struct str old = directory_value(c->entry, policy_attr);
    bool open = wanted_open(after);
    if (open == before->open)
        return;
    mapping_changes_one(c, policy_attr, STR("joinPolicy"), old.len ? old : STR_NONE,
                        open ? STR("open") : STR("closed"));
}

bool directory_unmap_organization(const struct directory *d,
                                  const struct directory_organization_edit *edit,
                                  struct directory_mods *mods, struct str *new_rdn,
                                  struct error *err)
{
    const struct config_organizations *config = &d->config->directory.organizations;
    const struct directory_organization *before = edit->before;
    struct mapping_changes c = {.arena = mods->arena, .entry = edit->entry};
    struct str name, description = wanted_description(edit->after);
    *new_rdn = STR_NONE;
    if (!wanted_name(edit->after, &name, err))
        return false;
    if (!str_eq(name, before->name))
        mapping_changes_one(&c, arena_cstr(c.arena, config->rdn), STR("displayName"), before->name,
                            name);
    if (!str_eq(description, before->description))
        mapping_changes_one(&c, description_attr, STR("description"),
                            before->description.len ? before->description : STR_NONE, description);
    if (d->mapping->keeps) {
        write_policy(&c, before, edit->after);
        mapping_changes_external_id(&c, edit->writer, edit->after, NULL);
    }
    if (c.count == 0 && !edit->adopts)
        return true;
    if (d->mapping->keeps) {
        mapping_changes_class(&c, STR("kiopsOrganization"));
        mark(&c, edit->writer);
    }
    if (!mapping_changes_rename(&c, new_rdn, err))
        return false;
    mapping_changes_send(&c, mods);
    return true;
}
