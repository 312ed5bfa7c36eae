/*
 * The table: which SCIM attribute stands in which LDAP attribute. The preset's rows, then those of
 * the configuration instead of or beside them.
 */
#include <string.h>

#include "directory/mapping.h"

#define ENTERPRISE SCIM_URN_ENTERPRISE ":"
#define COUNT(array) (sizeof(array) / sizeof *(array))

struct line {
    const char *scim, *ldap, *type;
};

/*
 * inetOrgPerson, as every server has it; userName is the RDN attribute of the configuration. What
 * is not here lives in kiopsResource: `c` is not allowed by the class, locale, nickName, photos and
 * the like have no attribute of their own, and manager.value is an id where LDAP wants a DN.
 */
static const struct line preset[] = {
    {"name.formatted", "cn", ""},
    {"name.familyName", "sn", ""},
    {"name.givenName", "givenName", ""},
    {"displayName", "displayName", ""},
    {"title", "title", ""},
    {"userType", "employeeType", ""},
    {"preferredLanguage", "preferredLanguage", ""},
    {"active", "kiopsActive", ""},
    {"emails", "mail", "work"},
    {"phoneNumbers", "telephoneNumber", "work"},
    {"phoneNumbers", "mobile", "mobile"},
    {"phoneNumbers", "facsimileTelephoneNumber", "fax"},
    {"phoneNumbers", "pager", "pager"},
    {"phoneNumbers", "homePhone", "home"},
    {"addresses.streetAddress", "street", "work"},
    {"addresses.locality", "l", "work"},
    {"addresses.region", "st", "work"},
    {"addresses.postalCode", "postalCode", "work"},
    {ENTERPRISE "employeeNumber", "employeeNumber", ""},
    {ENTERPRISE "organization", "o", ""},
    {ENTERPRISE "department", "departmentNumber", ""},
};

bool mapping_preset(const struct config *config, size_t i, struct config_map *out)
{
    if (i == 0) {
        *out = (struct config_map){.scim = STR("userName"), .ldap = config->directory.users.rdn};
        return true;
    }
    if (i > COUNT(preset))
        return false;
    *out = (struct config_map){.scim = str_of(preset[i - 1].scim),
                               .ldap = str_of(preset[i - 1].ldap),
                               .type = str_of(preset[i - 1].type)};
    return true;
}

/* LDAP attributes that are not plain directory strings. */
static const struct {
    const char *ldap;
    enum mapping_syntax syntax;
    bool no_equality;
} syntaxes[] = {
    {"mail", MAPPING_IA5, false},        {"telephoneNumber", MAPPING_PHONE, false},
    {"mobile", MAPPING_PHONE, false},    {"pager", MAPPING_PHONE, false},
    {"homePhone", MAPPING_PHONE, false}, {"facsimileTelephoneNumber", MAPPING_PHONE, true},
    {"c", MAPPING_COUNTRY, false},
};

/* Authority, identity and secrets are nobody's attributes to map. */
static const char *const reserved[] = {
    "objectClass",  "entryUUID", "entryDN", "entryCSN", "createTimestamp", "modifyTimestamp",
    "userPassword", "member",    "owner",   "memberOf", "uniqueMember"};

struct building {
    struct directory_mapping *m;
    const struct scim_resource_type *type;
    struct mapping_row *rows;
    size_t count, cap;
};

/* ---- rows */

static bool is_reserved(struct str ldap)
{
    for (size_t i = 0; i < COUNT(reserved); i++)
        if (str_ieq(ldap, str_of(reserved[i])))
            return true;
    return str_istarts(ldap, STR("kiops"));
}

/* Certificates are asked for with the option ;binary (RFC 4523 2.1). */
static bool is_attribute_name(struct str ldap)
{
    if (str_ends(ldap, STR(";binary")))
        ldap.len -= STR(";binary").len;
    return str_consists_of(ldap, "-") && char_is_letter(ldap.at[0]);
}

/* The attribute whose text stands in LDAP: of emails it is emails.value. */
static const struct scim_attr *text_attr(const struct scim_path *path)
{
    if (path->sub || path->attr->type != SCIM_COMPLEX || !path->attr->multi)
        return path->sub ? path->sub : path->attr;
    return scim_attr_sub(path->attr, STR("value"));
}

static bool row_syntax(struct mapping_row *row, struct error *err)
{
    static const enum mapping_syntax by_type[] = {
        [SCIM_BOOLEAN] = MAPPING_BOOLEAN, [SCIM_INTEGER] = MAPPING_INTEGER,
        [SCIM_DATETIME] = MAPPING_TIME,   [SCIM_BINARY] = MAPPING_BYTES,
        [SCIM_COMPLEX] = MAPPING_TEXT,
    };
    const struct scim_attr *attr = text_attr(&row->scim);
    bool many_in_one = attr && attr->parent && attr->multi;
    if (!attr || many_in_one || attr->type == SCIM_COMPLEX || attr->type == SCIM_DECIMAL)
        return error_set(err, ERR_CONFIG,
                         "mapping.user: " STR_FMT
                         " is not one text, whole number, boolean, date or binary; leave the "
                         "line out, and kiopsResource keeps it",
                         STR_ARG(row->scim.text));
    row->syntax = by_type[attr->type];
    row->no_equality = row->syntax == MAPPING_BYTES; /* jpegPhoto, audio; certificates have a rule
                                                        of their own */
    for (size_t i = 0; attr->type == SCIM_STRING && i < COUNT(syntaxes); i++)
        if (str_ieq(str_of(row->ldap), str_of(syntaxes[i].ldap))) {
            row->syntax = syntaxes[i].syntax;
            row->no_equality = syntaxes[i].no_equality;
        }
    return true;
}

static bool same_target(const struct scim_path *a, const struct scim_path *b)
{
    return a->attr == b->attr && a->sub == b->sub;
}

/* Of an extension of the administrator's own. */
static bool is_own(const struct scim_schema *extension)
{
    return extension && !str_eq(extension->id, STR(SCIM_URN_ENTERPRISE)) &&
           !str_eq(extension->id, STR(SCIM_URN_KIOPS_USER));
}

static bool is_read_only(const struct scim_path *path)
{
    return path->attr->mutability == SCIM_READ_ONLY ||
           (path->sub && path->sub->mutability == SCIM_READ_ONLY);
}

/* What is computed, and passwords, are not values of LDAP attributes to choose. */
static bool can_be_mapped(const struct building *b, const struct scim_path *path)
{
    if (is_own(path->extension))
        return true;
    /* In plain mode what is mapped for reading alone is read only (mapping_fit.c). */
    bool shown = !b->m->keeps && !str_eq(path->attr->name, STR("groups"));
    return path->attr->schema && (shown || !is_read_only(path)) &&
           path->attr->mutability != SCIM_WRITE_ONLY &&
           !(path->extension && str_eq(path->extension->id, STR(SCIM_URN_KIOPS_USER)));
}

static bool parse_path(const struct building *b, struct str text, struct scim_path *out,
                       struct error *err)
{
    struct error why = ERROR_INIT;
    if (!scim_path_parse(b->m->memory, b->type, text, out, &why))
        return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT ": %s", STR_ARG(text),
                         why.detail);
    if (!out->attr || out->filter)
        return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT " is not an attribute",
                         STR_ARG(text));
    /* emails and emails.value mean the same column. */
    if (out->attr->multi && out->sub && str_ieq(out->sub->name, STR("value")))
        out->sub = NULL;
    if (!can_be_mapped(b, out))
        return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT " cannot be mapped",
                         STR_ARG(text));
    return true;
}

static bool add_row(struct building *b, const struct config_map *map, struct error *err)
{
    struct mapping_row row = {.type = map->type, .read_only = map->read_only};
    if (!parse_path(b, map->scim, &row.scim, err))
        return false;
    row.ldap = arena_cstr(b->m->memory, map->ldap);
    row.read_only |= is_read_only(&row.scim);
    row.true_if_absent = !row.scim.extension && str_eq(row.scim.attr->name, STR("active"));
    row.names_entry = !row.scim.extension && str_eq(row.scim.attr->name, STR("userName"));
    if (!row_syntax(&row, err))
        return false;
    for (size_t i = 0; i < b->count; i++)
        if (!row.read_only && !b->rows[i].read_only && str_ieq(str_of(b->rows[i].ldap), map->ldap))
            return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT " is mapped twice",
                             STR_ARG(map->ldap));
    b->rows = arena_grow(b->m->memory, b->rows, sizeof row, b->count, &b->cap);
    b->rows[b->count++] = row;
    return true;
}

/* ---- preset and configuration */

/* A configured row takes the place of the preset's rows for that path, and of those that would
 * write the same LDAP attribute. */
static bool is_replaced(const struct building *b, const struct config *config,
                        const struct scim_path *path, struct str ldap)
{
    for (size_t i = 0; i < config->mapping.user_count; i++) {
        const struct config_map *map = &config->mapping.user[i];
        struct scim_path other;
        struct error ignored = ERROR_INIT;
        if (!map->read_only && str_ieq(map->ldap, ldap))
            return true;
        if (parse_path(b, map->scim, &other, &ignored) && same_target(&other, path))
            return true;
    }
    return str_ieq(config->directory.users.rdn, ldap) ||
           mapping_plain_takes(&config->directory, ldap);
}

/* kiopsActive is not there: the directory's own lock is what says it. */
static void set_lock(struct mapping_row *row, const struct config *config, struct arena *a)
{
    struct mapping_row lock = mapping_plain_active(&config->directory, a);
    if (lock.ldap)
        row->ldap = lock.ldap;
    row->lock = lock.lock;
}

static bool add_preset(struct building *b, const struct config *config, struct error *err)
{
    const struct config_map name = {.scim = STR("userName"), .ldap = config->directory.users.rdn};
    if (!add_row(b, &name, err))
        return false;
    for (size_t i = 0; i < COUNT(preset); i++) {
        const struct config_map map = {.scim = str_of(preset[i].scim),
                                       .ldap = str_of(preset[i].ldap),
                                       .type = str_of(preset[i].type)};
        struct scim_path path;
        struct error unknown = ERROR_INIT;
        /* A schema directory without Enterprise User has no such column. */
        if (!parse_path(b, map.scim, &path, &unknown) || is_replaced(b, config, &path, map.ldap))
            continue;
        if (!add_row(b, &map, err))
            return false;
        if (!b->m->keeps && b->rows[b->count - 1].true_if_absent)
            set_lock(&b->rows[b->count - 1], config, b->m->memory);
    }
    return true;
}

/* Row `at` says where externalId stands: no other row may write there. */
static bool check_external(const struct config *config, size_t at, struct error *err)
{
    const struct config_map *external = &config->mapping.user[at];
    for (size_t i = 0; i < config->mapping.user_count; i++)
        if (i != at && str_ieq(config->mapping.user[i].ldap, external->ldap))
            return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT " is mapped twice",
                             STR_ARG(external->ldap));
    return true;
}

static bool add_configured(struct building *b, const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config->mapping.user_count; i++) {
        const struct config_map *map = &config->mapping.user[i];
        if (!is_attribute_name(map->ldap) || is_reserved(map->ldap))
            return error_set(err, ERR_CONFIG,
                             "mapping.user: \"" STR_FMT "\" is not an LDAP "
                             "attribute to map",
                             STR_ARG(map->ldap));
        struct scim_path path;
        if (!b->m->keeps && mapping_plain_is_external(map)) {
            if (!check_external(config, i, err))
                return false;
            b->m->external = arena_cstr(b->m->memory, map->ldap);
            continue;
        }
        if (!parse_path(b, map->scim, &path, err))
            return false;
        if (!map->read_only && mapping_plain_takes(&config->directory, map->ldap))
            return error_set(err, ERR_CONFIG,
                             "mapping.user: " STR_FMT " is directory.lock.attribute, which active "
                             "writes",
                             STR_ARG(map->ldap));
        bool core = !path.extension && !path.sub;
        /* Authority depends on it: a VPN server and every bridge ask this one attribute. */
        if (core && str_eq(path.attr->name, STR("active")))
            return error_set(err, ERR_CONFIG, "mapping.user: active is kiopsActive");
        if (core && str_eq(path.attr->name, STR("userName"))) {
            if (str_ieq(map->ldap, config->directory.users.rdn))
                continue; /* says what is so */
            return error_set(err, ERR_CONFIG,
                             "mapping.user: userName is directory.users.rdn (" STR_FMT ")",
                             STR_ARG(config->directory.users.rdn));
        }
        if (!add_row(b, map, err))
            return false;
    }
    return true;
}

/* ---- shapes */

static bool shape_of(const struct mapping_attr *at, enum mapping_shape *shape, struct error *err)
{
    size_t subs = 0;
    for (size_t i = 0; i < at->row_count; i++) {
        subs += at->rows[i].scim.sub != NULL;
        for (size_t k = 0; at->rows[i].scim.sub && k < i; k++)
            if (at->rows[k].scim.sub == at->rows[i].scim.sub)
                return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT " is mapped twice",
                                 STR_ARG(at->rows[i].scim.text));
    }
    if (subs > 0 && subs < at->row_count)
        return error_set(err, ERR_CONFIG,
                         "mapping.user: " STR_FMT " is mapped both whole and in parts",
                         STR_ARG(at->attr->name));
    if (!at->attr->multi && subs == 0 && at->row_count > 1)
        return error_set(err, ERR_CONFIG, "mapping.user: " STR_FMT " is mapped twice",
                         STR_ARG(at->attr->name));
    if (at->row_count == 0)
        *shape = MAPPING_STORED;
    else if (at->attr->multi)
        *shape = subs ? MAPPING_FIRST_ITEM : MAPPING_ITEMS;
    else
        *shape = subs ? MAPPING_COMPLEX : MAPPING_SINGLE;
    return true;
}

/* Ours to keep. Of the core schema only what a client may write and everybody may read back; what
 * an administrator defines is kept as it is defined. */
static bool is_kept(const struct scim_attr *attr, const struct scim_schema *extension)
{
    if (is_own(extension))
        return true;
    return (attr->mutability == SCIM_READ_WRITE || attr->mutability == SCIM_IMMUTABLE) &&
           attr->returned != SCIM_NEVER;
}

static bool has_row(const struct building *b, const struct scim_attr *attr)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->rows[i].scim.attr == attr || b->rows[i].scim.sub == attr)
            return true;
    return false;
}

/* Discovery would list what nobody could ever set. */
static bool is_settable(const struct building *b, const struct scim_attr *attr, struct error *err)
{
    bool lacking = attr->mutability == SCIM_READ_ONLY && !has_row(b, attr);
    if (lacking)
        return error_set(err, ERR_CONFIG,
                         "mapping.user: " STR_FMT ":" STR_FMT "%s" STR_FMT
                         " is readOnly and stands in no LDAP attribute; map one to it",
                         STR_ARG(attr->schema->id),
                         STR_ARG(attr->parent ? attr->parent->name : STR_NONE),
                         attr->parent ? "." : "", STR_ARG(attr->name));
    for (size_t i = 0; attr->mutability != SCIM_READ_ONLY && i < attr->sub_count; i++)
        if (!is_settable(b, &attr->subs[i], err))
            return false;
    return true;
}

static bool build_group(const struct building *b, const struct scim_schema *schema,
                        struct mapping_group *out, struct error *err)
{
    struct arena *a = b->m->memory;
    struct mapping_attr *attrs = ARENA_ARRAY(a, struct mapping_attr, schema->attr_count);
    out->attrs = attrs;
    out->extension = schema == b->type->core ? NULL : schema;
    for (size_t i = 0; i < schema->attr_count; i++) {
        const struct scim_attr *attr = &schema->attrs[i];
        struct mapping_row *rows = ARENA_ARRAY(a, struct mapping_row, b->count);
        struct mapping_attr at = {
            .attr = attr,
            .rows = rows,
            .foreign_only = !out->extension && str_eq(attr->name, STR("roles")),
        };
        for (size_t k = 0; k < b->count; k++)
            if (b->rows[k].scim.attr == attr)
                rows[at.row_count++] = b->rows[k];
        if (!at.row_count && !is_kept(attr, out->extension))
            continue;
        if (is_own(out->extension) && !is_settable(b, attr, err))
            return false;
        if (!shape_of(&at, &at.shape, err))
            return false;
        attrs[out->count++] = at;
    }
    return true;
}

static bool build_groups(const struct building *b, struct error *err)
{
    const struct scim_resource_type *type = b->type;
    struct mapping_group *groups =
        ARENA_ARRAY(b->m->memory, struct mapping_group, type->extension_count + 1);
    b->m->groups = groups;
    if (!build_group(b, type->core, &groups[b->m->group_count++], err))
        return false;
    for (size_t i = 0; i < type->extension_count; i++)
        if (!str_ieq(type->extensions[i]->id, STR(SCIM_URN_KIOPS_USER)) &&
            !build_group(b, type->extensions[i], &groups[b->m->group_count++], err))
            return false;
    b->m->member_count = groups[0].count + b->m->group_count - 1;
    return true;
}

/* ---- the face */

/* cn and sn are filled in where nobody asserts them, and name nobody. */
static bool adopts_by(const struct mapping_row *row, struct str ldap)
{
    return str_ieq(str_of(row->ldap), ldap) && !row->read_only && !row->no_equality &&
           !str_ieq(ldap, STR("cn")) && !str_ieq(ldap, STR("sn"));
}

static bool check_adopt(const struct building *b, struct str adopt, struct error *err)
{
    bool fine = !adopt.len || str_eq(adopt, STR("none")) || str_eq(adopt, STR("userName"));
    for (size_t i = 0; !fine && i < b->count; i++)
        fine = adopts_by(&b->rows[i], adopt);
    return fine || error_set(err, ERR_CONFIG,
                             "directory.users.adopt: \"" STR_FMT
                             "\" is not an attribute that the mapping writes and that tells people "
                             "apart; use userName, mail or employeeNumber",
                             STR_ARG(adopt));
}

static bool build(struct building *b, const struct config *config, struct error *err)
{
    struct directory_mapping *m = b->m;
    if (b->type && (!add_preset(b, config, err) || !add_configured(b, config, err) ||
                    !check_adopt(b, config->directory.users.adopt, err)))
        return false;
    mapping_slots_build(m, b->rows, b->count);
    m->rows = b->rows;
    m->row_count = b->count;
    return !b->type || build_groups(b, err);
}

bool directory_mapping_new(const struct config *config, const struct scim_catalog *catalog,
                           struct directory_mapping **out, struct error *err)
{
    struct arena *memory = arena_new();
    struct directory_mapping *m = ARENA_NEW(memory, struct directory_mapping);
    m->memory = memory;
    m->config = &config->directory;
    m->keeps = config_has_schema(&config->directory);
    /* Without a catalog (tools that only move entries) no user is mapped. */
    struct building b = {.m = m, .type = catalog ? scim_catalog_type(catalog, STR("User")) : NULL};
    if (!build(&b, config, err)) {
        arena_free(memory);
        return false;
    }
    *out = m;
    return true;
}

void directory_mapping_free(struct directory_mapping *m)
{
    if (m)
        arena_free(m->memory);
}
