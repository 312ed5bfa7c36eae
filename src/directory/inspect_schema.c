/* The schema: ours, and the attributes that the mapping names. */
#include <string.h>

#include "directory/inspect.h"
#include "directory/texts.h"

/* ---- definitions (RFC 4512 4.1) */

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
    const struct config_strings *of_users = &in->config->users.object_classes;
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
        if (mapping_plain_is_lock(m, row))
            continue; /* inspect_lock() */
        struct str definition = definition_of(types, without_option(str_of(row->ldap)));
        const char *fault = fault_of(in, i, definition, classes);
        if (fault)
            inspect_find(in, definition.at ? DIRECTORY_ADVICE : DIRECTORY_MISSING, "mapping",
                         arena_fmt(in->a, "mapping.user: " STR_FMT " = %s: %s",
                                   STR_ARG(row->scim.text), row->ldap, fault),
                         "every write of that attribute would be refused");
    }
}

/* ---- our schema */

struct definitions {
    const struct directory_attr *types, *classes;
    size_t there, missing;
};

static bool is_missing(struct str name, void *arg)
{
    struct definitions *known = arg;
    bool there = definition_of(known->types, name).at || definition_of(known->classes, name).at;
    known->there += there;
    known->missing += !there;
    return !there;
}

/* Where cn=config has our schema, so that what it lacks can be added there; empty: nowhere. */
static struct str place_of_ours(struct inspection *in)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_search s = {.base = STR("cn=schema,cn=config"),
                                 .scope = DIRECTORY_ONE,
                                 .filter = STR("(cn=*kiops)"),
                                 .attrs = none};
    struct directory_entries found;
    struct error hidden = ERROR_INIT;
    if (directory_find(in->conn, in->a, &s, &found, &hidden) && found.count)
        return found.at[0].dn;
    return STR_NONE;
}

static struct str whole_schema(struct inspection *in)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    directory_schema_print(&directory_schema_ldif, NULL, NULL, &out);
    struct str rest = buf_view(&out), dn = STR_NONE;
    str_split(&rest, '\n', &dn);
    return arena_fmt(in->a, STR_FMT "\nchangetype: add\n" STR_FMT "\n", STR_ARG(dn), STR_ARG(rest));
}

/* Some of it is there: the rest joins it. */
static struct str rest_of_schema(struct inspection *in, struct definitions *known)
{
    OWNED_BUF struct buf lines;
    buf_init(&lines, 1 << 20);
    directory_schema_print(in->ds389 ? &directory_schema_389ds : &directory_schema_ldif, is_missing,
                           known, &lines);
    struct str rest = buf_view(&lines), line;
    struct str place = in->ds389 ? in->subschema : place_of_ours(in);
    if (!place.len)
        place = STR("cn={4}kiops,cn=schema,cn=config");
    struct str out =
        arena_fmt(in->a, STR_FMT "changetype: modify\n", STR_ARG(inspect_line(in->a, "dn", place)));
    while (str_split(&rest, '\n', &line)) {
        struct str name = STR_NONE, value = line;
        str_split(&value, ':', &name);
        out = arena_fmt(in->a, STR_FMT "add: " STR_FMT "\n" STR_FMT "\n-\n", STR_ARG(out),
                        STR_ARG(name), STR_ARG(line));
    }
    return arena_fmt(in->a, STR_FMT "\n", STR_ARG(out));
}

static bool inspect_ours(struct inspection *in, struct definitions *known)
{
    OWNED_BUF struct buf lines;
    buf_init(&lines, 1 << 20);
    directory_schema_print(&directory_schema_ldif, is_missing, known, &lines);
    json_put(in->facts, "schemaLacks", json_integer((json_int_t)known->missing));
    if (!known->missing)
        return true;
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_MISSING, "no-schema",
        arena_fmt(in->a, "the schema lacks %zu definitions of kiops attributes and classes",
                  known->missing),
        "roles, permissions and tokens are kept in them");
    if (in->ds389)
        inspect_apply(f, DIRECTORY_APPLY_CONFIG, rest_of_schema(in, known));
    else if (in->openldap && in->server.count)
        inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                      known->there ? rest_of_schema(in, known) : whole_schema(in));
    else
        inspect_apply(f, DIRECTORY_APPLY_SHELL,
                      in->openldap
                          ? STR("kiops-bridge schema openldap    # include it in slapd.conf, or "
                                "`schema ldif` for cn=config\n")
                          : STR("kiops-bridge schema 389ds\n"));
    return false;
}

static void inspect_lock(struct inspection *in, const struct definitions *known)
{
    const char *lock = mapping_lock_attribute(in->config, in->a);
    /* The overlay brings it, and is looked for itself. */
    if (in->config->lock == CONFIG_LOCK_PPOLICY && in->server.count)
        return;
    if (lock && !definition_of(known->types, str_of(lock)).at)
        inspect_find(in, DIRECTORY_MISSING, "no-lock-attribute",
                     arena_fmt(in->a,
                               "directory.lock: the server knows no %s, so no user could be "
                               "deactivated: load what brings it, or choose another convention",
                               lock),
                     NULL);
    const char *bar = mapping_bar_attribute(in->config);
    if (bar && !definition_of(known->types, str_of(bar)).at)
        inspect_find(in, DIRECTORY_ADVICE, "no-lock-attribute",
                     arena_fmt(in->a,
                               "directory.lock: the server knows no %s, so no inactive user can be "
                               "given a password",
                               bar),
                     NULL);
}

bool inspect_knows(const struct inspection *in, struct str attribute)
{
    return definition_of(in->types, attribute).at != NULL;
}

bool inspect_schema(struct inspection *in, struct error *err)
{
    static const char *const attrs[] = {"attributeTypes", "objectClasses", NULL};
    struct directory_entries schema;
    if (!inspect_read(in, in->subschema, attrs, &schema, err))
        return false;
    struct definitions known = {0};
    if (schema.count) {
        known.types = directory_attr(&schema.at[0], "attributeTypes");
        known.classes = directory_attr(&schema.at[0], "objectClasses");
        in->types = known.types;
    }
    if (!known.types) {
        struct directory_finding *f =
            inspect_find(in, DIRECTORY_ADVICE, "schema-hidden",
                         STR("cn=Subschema cannot be read with this account"),
                         "whether it has what the configuration names cannot be seen");
        inspect_apply_server(in, f,
                             STR("dn: olcDatabase={-1}frontend,cn=config\nchangetype: modify\nadd: "
                                 "olcAccess\nolcAccess: {0}to dn.base=\"cn=Subschema\" by * "
                                 "read\n\n"),
                             STR("access to dn.base=\"cn=Subschema\" by * read\n"));
        return true;
    }
    if (!config_has_schema(in->config) || inspect_ours(in, &known)) {
        inspect_lock(in, &known);
        inspect_mapping(in, known.types, known.classes);
    }
    return true;
}
