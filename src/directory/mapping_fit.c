/*
 * Which part of the schemas a directory without the kiops schema can serve. The schema documents
 * lose the rest before they are read, so discovery, filters, PATCH and the checks all go by it.
 */
#include "directory/mapping.h"

#define MEMBERSHIP "urn:kiops:params:scim:schemas:core:2.0:Membership"
#define USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"

struct fit {
    const struct config *config;
    struct arena *arena;
    size_t writable;   /* rows so far that may be written */
    struct str prefix; /* of paths: "" for the core schema of users, else the URN and a colon */
};

/* ---- which attributes have a place in LDAP */

static bool maps(const struct config_map *map, struct str path)
{
    return str_ieq(map->scim, path) ||
           (str_istarts(map->scim, path) &&
            str_ieq(str_sub(map->scim, path.len, map->scim.len), STR(".value")));
}

/* A configured row of the same path or LDAP attribute takes its place. */
static bool is_replaced(const struct config *c, const struct config_map *row, bool is_name)
{
    for (size_t i = 0; i < c->mapping.user_count; i++) {
        const struct config_map *map = &c->mapping.user[i];
        if (str_ieq(map->scim, row->scim) || (!map->read_only && str_ieq(map->ldap, row->ldap)))
            return true;
    }
    return !is_name && (str_ieq(row->ldap, c->directory.users.rdn) ||
                        mapping_plain_takes(&c->directory, row->ldap));
}

/* The rows of `path`: how many, and whether they give a type. */
static size_t rows_of(struct fit *f, struct str path, json_t *types)
{
    size_t n = 0;
    struct config_map row;
    for (size_t i = 0; mapping_preset(f->config, i, &row); i++) {
        if (!maps(&row, path) || is_replaced(f->config, &row, i == 0))
            continue;
        n++;
        f->writable++;
        if (row.type.len)
            json_push(types, json_string_safe(row.type));
    }
    for (size_t i = 0; i < f->config->mapping.user_count; i++) {
        row = f->config->mapping.user[i];
        if (!maps(&row, path))
            continue;
        n++;
        f->writable += !row.read_only;
        if (row.type.len)
            json_push(types, json_string_safe(row.type));
    }
    return n;
}

static struct str path_of(const struct fit *f, const json_t *attr, const json_t *sub)
{
    struct str name = json_get_str(attr, "name");
    if (!sub)
        return arena_fmt(f->arena, STR_FMT STR_FMT, STR_ARG(f->prefix), STR_ARG(name));
    return arena_fmt(f->arena, STR_FMT STR_FMT "." STR_FMT, STR_ARG(f->prefix), STR_ARG(name),
                     STR_ARG(json_get_str(sub, "name")));
}

/* ---- users */

static bool is_named(const json_t *attr, const char *name)
{
    return str_eq(json_get_str(attr, "name"), str_of(name));
}

/* Keeps the sub-attributes that have rows; of a list mapped as a whole its values; and the type
 * that its rows give. */
static bool fit_subs(struct fit *f, json_t *attr)
{
    json_t *subs = json_object_get(attr, "subAttributes");
    OWNED_JSON json_t *types = json_array();
    bool any = rows_of(f, path_of(f, attr, NULL), types) > 0;
    bool whole = any;
    for (size_t i = json_array_size(subs); i-- > 0;) {
        json_t *sub = json_array_get(subs, i);
        if (is_named(sub, "type"))
            continue;
        bool kept =
            rows_of(f, path_of(f, attr, sub), types) > 0 || (whole && is_named(sub, "value"));
        any = any || kept;
        if (!kept)
            json_array_remove(subs, i);
    }
    for (size_t i = json_array_size(subs); i-- > 0;) {
        json_t *sub = json_array_get(subs, i);
        if (is_named(sub, "type") && json_array_size(types))
            json_put(sub, "canonicalValues", json_incref(types));
        else if (is_named(sub, "type"))
            json_array_remove(subs, i);
    }
    return any;
}

static void make_read_only(json_t *attr)
{
    json_t *subs = json_object_get(attr, "subAttributes");
    json_put_str(attr, "mutability", STR("readOnly"));
    json_put(attr, "required", json_false());
    for (size_t i = 0; i < json_array_size(subs); i++)
        make_read_only(json_array_get(subs, i));
}

/* Computed, or not an attribute of the entry. */
static bool is_own_way(const json_t *attr)
{
    return is_named(attr, "groups") || is_named(attr, "password") || is_named(attr, "active");
}

static void fit_user(struct fit *f, json_t *attrs)
{
    for (size_t i = json_array_size(attrs); i-- > 0;) {
        json_t *attr = json_array_get(attrs, i);
        OWNED_JSON json_t *types = json_array();
        if (f->prefix.len == 0 && is_own_way(attr))
            continue;
        f->writable = 0;
        bool kept = json_object_get(attr, "subAttributes")
                        ? fit_subs(f, attr)
                        : rows_of(f, path_of(f, attr, NULL), types) > 0;
        if (!kept)
            json_array_remove(attrs, i);
        else if (!f->writable) /* direction = "read": nothing else would keep what is sent */
            make_read_only(attr);
    }
}

static void tell_of_active(const struct config *config, json_t *attrs)
{
    for (size_t i = 0; i < json_array_size(attrs); i++)
        if (is_named(json_array_get(attrs, i), "active") &&
            config->directory.lock == CONFIG_LOCK_NONE)
            json_put_str(json_array_get(attrs, i), "description",
                         STR("Always true: this directory has no way to say that an account is "
                             "inactive, so false is refused."));
}

/* ---- groups */

/* Managers are what `owner` says, and nobody's to write: it takes the person's side as well. */
static void fit_group(const struct config *config, json_t *attrs)
{
    bool shown_only = config_groups_read_only(&config->directory);
    bool owners = config->directory.organizations.owner.len > 0;
    for (size_t i = json_array_size(attrs); i-- > 0;) {
        json_t *attr = json_array_get(attrs, i);
        bool managers = is_named(attr, "managers");
        if (is_named(attr, "joinPolicy") || is_named(attr, "pending") || (managers && !owners))
            json_array_remove(attrs, i);
        else if (managers || shown_only)
            make_read_only(attr);
    }
}

/* ---- the face */

/* Names that begin resource types and schemas which only roles would fill. */
static bool is_of_roles(struct str id)
{
    return str_eq(id, STR("Membership")) || str_eq(id, STR(MEMBERSHIP)) ||
           str_eq(id, STR(SCIM_URN_KIOPS_USER));
}

static void drop_extension(json_t *type)
{
    json_t *extensions = json_object_get(type, "schemaExtensions");
    for (size_t i = json_array_size(extensions); i-- > 0;)
        if (is_of_roles(json_get_str(json_array_get(extensions, i), "schema")))
            json_array_remove(extensions, i);
}

bool directory_serves(const struct config *config, const json_t *document)
{
    return config_has_schema(&config->directory) || !is_of_roles(json_get_str(document, "id"));
}

bool directory_keeps_external_id(const struct config *config, struct str type)
{
    if (config_has_schema(&config->directory))
        return true;
    for (size_t i = 0; i < config->mapping.user_count; i++)
        if (str_eq(type, STR("User")) && mapping_plain_is_external(&config->mapping.user[i]))
            return true;
    return false;
}

void directory_fit_schema(const struct config *config, json_t *document)
{
    struct str id = json_get_str(document, "id");
    json_t *attrs = json_object_get(document, "attributes");
    if (config_has_schema(&config->directory))
        return;
    if (!attrs) {
        drop_extension(document);
        return;
    }
    OWNED_ARENA struct arena *a = arena_new();
    struct fit f = {.config = config, .arena = a};
    if (str_eq(id, STR(GROUP)) || str_eq(id, STR(SCIM_URN_KIOPS_ORGANIZATION))) {
        fit_group(config, attrs);
    } else if (!str_istarts(id, STR("urn:ietf:params:scim:schemas:core:2.0:")) ||
               str_eq(id, STR(USER))) {
        f.prefix = str_eq(id, STR(USER)) ? STR("") : arena_fmt(a, STR_FMT ":", STR_ARG(id));
        fit_user(&f, attrs);
        if (str_eq(id, STR(USER)))
            tell_of_active(config, attrs);
    }
}
