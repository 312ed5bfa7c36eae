/* Is the directory fit for the configuration? Root DSE, schema, entries that must be there, and,
 * where cn=config may be read, overlays, indexes and the account. Every finding says what to apply.
 */
#include <string.h>

#include "directory/mapping.h"

struct inspection {
    struct directory *d;
    struct directory_conn *conn;
    struct arena *a;
    struct directory_finding *at;
    size_t count, cap;
};

static void find_fault(struct inspection *in, bool fatal, struct str text)
{
    in->at = arena_grow(in->a, in->at, sizeof *in->at, in->count, &in->cap);
    in->at[in->count++] = (struct directory_finding){fatal, text};
}

static bool read_base(struct inspection *in, struct str dn, const char *const *attrs,
                      struct directory_entries *out, struct error *err)
{
    struct directory_search s = {.base = dn, .scope = DIRECTORY_BASE, .attrs = attrs};
    return directory_find(in->conn, in->a, &s, out, err);
}

/* ---- what the server can do */
static const struct {
    const char *attr, *oid, *name;
    bool fatal;
} CAPABILITIES[] = {
    {"supportedControl", "1.3.6.1.1.12", "assertion control (RFC 4528)", true},
    {"supportedControl", "1.3.6.1.1.13.1", "pre-read control (RFC 4527)", true},
    {"supportedControl", "1.3.6.1.1.13.2", "post-read control (RFC 4527)", true},
    {"supportedControl", "1.3.6.1.4.1.4203.1.9.1.1",
     "content synchronization (RFC 4533): add `overlay syncprov`", true},
    {"supportedExtension", "1.3.6.1.4.1.4203.1.11.1", "password modify (RFC 3062)", false},
};

static bool inspect_capabilities(struct inspection *in, struct error *err)
{
    static const char *const attrs[] = {"supportedControl", "supportedExtension", NULL};
    struct directory_entries root;
    if (!read_base(in, STR(""), attrs, &root, err))
        return false;
    for (size_t i = 0; i < sizeof CAPABILITIES / sizeof *CAPABILITIES; i++)
        if (root.count == 0 ||
            !directory_has(&root.at[0], CAPABILITIES[i].attr, str_of(CAPABILITIES[i].oid)))
            find_fault(in, CAPABILITIES[i].fatal,
                       arena_fmt(in->a, "the server lacks the %s", CAPABILITIES[i].name));
    return true;
}

/* ---- our schema */
static const char *const ATTRIBUTES[] = {
    "kiopsPermission",  "kiopsJoined",           "kiopsRequest",       "kiopsRejected",
    "kiopsActive",      "kiopsExternalId",       "kiopsResource",      "kiopsJoinPolicy",
    "kiopsManager",     "kiopsTokenHash",        "kiopsTokenClient",   "kiopsTokenRole",
    "kiopsTokenAccess", "kiopsTokenProfile",     "kiopsTokenPushMode", "kiopsTokenExpires",
    "kiopsTokenOption", "kiopsTokenOrganization"};

/* Has the definition this name, in any letter case? */
static bool is_named(struct str definition, struct str name)
{
    for (size_t at; str_find(definition, '\'', &at);
         definition = str_sub(definition, at + 1, definition.len)) {
        struct str rest = str_sub(definition, at + 1, definition.len);
        if (str_istarts(rest, name) && rest.len > name.len && rest.at[name.len] == '\'')
            return true;
    }
    return false;
}

/* STR_NONE without one. */
static struct str definition_of(const struct directory_attr *definitions, struct str name)
{
    for (size_t i = 0; definitions && i < definitions->count; i++)
        if (is_named(definitions->values[i], name))
            return definitions->values[i];
    return STR_NONE;
}

/* The next word of a definition (RFC 4512 4.1): a name, one of ( ) $, or a text with its quotes. */
static bool next_word(struct str *rest, struct str *word)
{
    *rest = str_trim(*rest);
    size_t end = rest->len > 0;
    if (rest->len && rest->at[0] == '\'')
        while (end < rest->len && rest->at[end++] != '\'')
            continue;
    else if (rest->len && !strchr("()$", rest->at[0]))
        while (end < rest->len && !strchr(" ()$'", rest->at[end]))
            end++;
    *word = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, end, rest->len);
    return word->len > 0;
}

/* Does the class, or one above it, have the attribute among its MUST and MAY? */
static bool class_allows(const struct directory_attr *classes, struct str class,
                         struct str attribute, int depth)
{
    struct str rest = definition_of(classes, class), word;
    enum { ELSE, ABOVE, ALLOWED } of = ELSE;
    bool listed = false;
    if (depth == 0 || str_ieq(class, STR("extensibleObject")))
        return depth > 0;
    while (next_word(&rest, &word)) {
        if (str_eq(word, STR("SUP")) || str_eq(word, STR("MUST")) || str_eq(word, STR("MAY"))) {
            of = word.at[0] == 'S' ? ABOVE : ALLOWED;
            listed = false;
            continue;
        }
        if (of == ABOVE && class_allows(classes, word, attribute, depth - 1))
            return true;
        if (of == ALLOWED && is_named(attribute, word))
            return true;
        listed = (listed || str_eq(word, STR("("))) && !str_eq(word, STR(")"));
        of = listed ? of : ELSE;
    }
    return false;
}

/* Unknown classes are the server's to refuse. */
static bool is_allowed(const struct inspection *in, const struct directory_attr *classes,
                       struct str attribute)
{
    enum { DEPTH_MAX = 16 };
    const struct config_strings *of_users = &in->d->config->directory.users.object_classes;
    for (size_t i = 0; i < of_users->count; i++)
        if (class_allows(classes, of_users->at[i], attribute, DEPTH_MAX))
            return true;
    return !classes;
}

static struct str without_option(struct str ldap)
{
    size_t semicolon;
    return str_find(ldap, ';', &semicolon) ? str_sub(ldap, 0, semicolon) : ldap;
}

static bool is_single(struct str definition)
{
    return memmem(definition.at, definition.len, "SINGLE-VALUE", 12) != NULL;
}

/* The mapping compares names; the server knows that `l` and `localityName` are one attribute. */
static bool is_mapped_before(const struct directory_mapping *m, size_t row, struct str definition)
{
    for (size_t i = 0; i < row; i++)
        if (!m->rows[i].read_only && !m->rows[row].read_only &&
            is_named(definition, without_option(str_of(m->rows[i].ldap))))
            return true;
    return false;
}

/* What is wrong with one line of the mapping; NULL = nothing. */
static const char *fault_of(const struct inspection *in, size_t row, struct str definition,
                            const struct directory_attr *classes)
{
    const struct directory_mapping *m = in->d->mapping;
    const struct mapping_row *r = &m->rows[row];
    if (!definition.at)
        return "the server knows no such attribute: load its schema, or leave the line out";
    if (is_mapped_before(m, row, definition))
        return "another line has this attribute under another name: leave one out";
    if (!r->read_only && !is_allowed(in, classes, definition))
        return "no class of directory.users.object_classes allows it: add one that does, or map "
               "another";
    if (r->scim.attr->multi && !r->scim.sub && is_single(definition))
        return "it takes one value where SCIM has many: a second one will be refused";
    return NULL;
}

/* A line that the directory cannot follow would refuse every write of that attribute. */
static void inspect_mapping(struct inspection *in, const struct directory_attr *types,
                            const struct directory_attr *classes)
{
    const struct directory_mapping *m = in->d->mapping;
    for (size_t i = 0; i < m->row_count; i++) {
        const struct mapping_row *row = &m->rows[i];
        struct str definition = definition_of(types, without_option(str_of(row->ldap)));
        const char *fault = fault_of(in, i, definition, classes);
        if (fault)
            find_fault(in, !definition.at,
                       arena_fmt(in->a, "mapping.user: " STR_FMT " = %s: %s",
                                 STR_ARG(row->scim.text), row->ldap, fault));
    }
}

static bool inspect_schema(struct inspection *in, struct error *err)
{
    static const char *const attrs[] = {"attributeTypes", "objectClasses", NULL};
    struct directory_entries schema;
    if (!read_base(in, STR("cn=Subschema"), attrs, &schema, err))
        return false;
    const struct directory_attr *types =
        schema.count ? directory_attr(&schema.at[0], "attributeTypes") : NULL;
    if (!types) {
        find_fault(in, false,
                   STR("cn=Subschema cannot be read; make sure that conf/kiops.schema is loaded"));
        return true;
    }
    for (size_t i = 0; i < sizeof ATTRIBUTES / sizeof *ATTRIBUTES; i++) {
        if (definition_of(types, str_of(ATTRIBUTES[i])).at)
            continue;
        find_fault(
            in, true,
            arena_fmt(
                in->a,
                "the schema lacks %s: load what `kiops-bridge schema openldap` (or ldif) prints",
                ATTRIBUTES[i]));
        return true;
    }
    const char *lock = mapping_lock_attribute(&in->d->config->directory, in->a);
    if (lock && !definition_of(types, str_of(lock)).at)
        find_fault(in, true,
                   arena_fmt(in->a,
                             "directory.lock: the server knows no %s, so no user could be "
                             "deactivated: load what brings it, or choose another convention",
                             lock));
    const char *bar = mapping_bar_attribute(&in->d->config->directory);
    if (bar && !definition_of(types, str_of(bar)).at)
        find_fault(in, false,
                   arena_fmt(in->a,
                             "directory.lock: the server knows no %s, so no inactive user can be "
                             "given a password",
                             bar));
    inspect_mapping(in, types, directory_attr(&schema.at[0], "objectClasses"));
    return true;
}

/* ---- entries that must be there */
static bool inspect_entries(struct inspection *in, struct error *err)
{
    const struct config_directory *c = &in->d->config->directory;
    const struct {
        const char *key;
        struct str dn;
    } needed[] = {
        {"directory.users.base", c->users.base},
        {"directory.users.create_in", c->users.create_in},
        {"directory.organizations.base", c->organizations.base},
        {"directory.organizations.create_in", c->organizations.create_in},
        {"directory.platform.admins_dn", c->admins_dn},
        {"directory.platform.tokens_base", c->tokens_base},
        {"directory.platform.jobs_base", c->jobs_base},
        {"signup.container",
         in->d->config->signup.enabled ? in->d->config->signup.container : c->users.base},
    };
    static const char *const none[] = {"1.1", NULL};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        struct directory_entries found;
        if (!read_base(in, needed[i].dn, none, &found, err))
            return false;
        if (found.count == 0)
            find_fault(in, true,
                       arena_fmt(in->a,
                                 "%s: there is no entry " STR_FMT
                                 ", or the bridge's account may not read it; add it",
                                 needed[i].key, STR_ARG(needed[i].dn)));
    }
    return true;
}

/* ---- cn=config, where it may be read */
static void inspect_database(struct inspection *in, const struct directory_entry *e)
{
    const struct config_directory *c = &in->d->config->directory;
    struct str root = directory_value(e, "olcRootDN");
    if (root.len &&
        str_eq(directory_dn_key(in->a, root), directory_dn_key(in->a, c->service.bind_dn)))
        find_fault(in, true,
                   STR("directory.bind_dn is the rootdn, which no access rule binds: make an "
                       "account of its own"));
    static const char *const INDEXED[] = {"entryUUID", "uid", "kiopsExternalId"};
    for (size_t i = 0; i < sizeof INDEXED / sizeof *INDEXED; i++) {
        const struct directory_attr *index = directory_attr(e, "olcDbIndex");
        bool found = false;
        for (size_t k = 0; index && k < index->count; k++)
            found = found || memmem(index->values[k].at, index->values[k].len, INDEXED[i],
                                    strlen(INDEXED[i]));
        if (index && !found)
            find_fault(
                in, false,
                arena_fmt(in->a, "no index on %s: add `index %s eq`", INDEXED[i], INDEXED[i]));
    }
}

static bool names_serialize(const struct directory_attr *uris)
{
    for (size_t i = 0; uris && i < uris->count; i++)
        if (memmem(uris->values[i].at, uris->values[i].len, "serialize", 9))
            return true;
    return false;
}

static void inspect_server(struct inspection *in)
{
    struct directory_search s = {.base = STR("cn=config"), .scope = DIRECTORY_SUB};
    struct directory_entries found;
    struct error hidden = ERROR_INIT;
    bool unique = false;
    if (!directory_find(in->conn, in->a, &s, &found, &hidden) || found.count == 0) {
        find_fault(in, false,
                   STR("cn=config cannot be read with this account: make sure of `overlay unique` "
                       "with the keyword serialize "
                       "on uid, the indexes, and limits size=unlimited for the bridge's account"));
        return;
    }
    for (size_t i = 0; i < found.count; i++) {
        const struct directory_entry *e = &found.at[i];
        if (directory_has(e, "objectClass", STR("olcMdbConfig")))
            inspect_database(in, e);
        unique = unique || names_serialize(directory_attr(e, "olcUniqueURI"));
    }
    if (!unique)
        find_fault(in, true,
                   STR("no `overlay unique` with the keyword serialize: two creates at once could "
                       "share a userName; add "
                       "`unique_uri \"serialize ldap:///USERS-BASE?uid?sub\"`"));
}

static bool inspect_acl(struct inspection *in, struct error *err)
{
    struct str open = STR_NONE;
    bool proved;
    if (!directory_try_as_person(in->d, in->a, &open, &proved, err))
        return false;
    if (!proved)
        find_fault(in, false,
                   STR("the access rules are unproved: the bridge's account could not make a "
                       "person to try them"));
    if (open.len)
        find_fault(in, true,
                   arena_fmt(in->a,
                             "the access rules let a person write or read: " STR_FMT
                             "; apply what `kiops-bridge schema acl` prints",
                             STR_ARG(open)));
    return true;
}

bool directory_inspect(struct directory *d, struct arena *a, const struct directory_finding **out,
                       size_t *count, struct error *err)
{
    struct inspection in = {.d = d, .a = a, .conn = directory_open(d, DIRECTORY_SERVICE)};
    bool ok =
        inspect_capabilities(&in, err) && inspect_schema(&in, err) && inspect_entries(&in, err);
    if (ok)
        inspect_server(&in);
    ok = ok && inspect_acl(&in, err);
    directory_close(in.conn);
    *out = in.at;
    *count = in.count;
    return ok;
}
