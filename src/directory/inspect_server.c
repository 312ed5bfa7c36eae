/* cn=config of OpenLDAP, as far as the account may read it: databases, overlays, modules. No
 * attribute that holds a secret is asked for. */
#include <string.h>

#include "base/own.h"
#include "base/unicode.h"
#include "directory/inspect.h"
#include "directory/texts.h"

static const char *const ATTRS[] = {"objectClass",      "cn",
                                    "olcDatabase",      "olcOverlay",
                                    "olcSuffix",        "olcRootDN",
                                    "olcDbIndex",       "olcLimits",
                                    "olcSizeLimit",     "olcAddContentAcl",
                                    "olcUniqueURI",     "olcUniqueAttribute",
                                    "olcUniqueBase",    "olcRefintAttribute",
                                    "olcRefintNothing", "olcServerID",
                                    "olcMirrorMode",    "olcMultiProvider",
                                    "olcUpdateRef",     "olcModuleLoad",
                                    "olcAccess",        NULL};

/* Access rules name people: the report holds none. */
void inspect_take_facts(struct inspection *in)
{
    json_t *all = json_array();
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_entry *e = &in->server.at[i];
        json_t *one = json_object();
        json_put_str(one, "dn", e->dn);
        for (size_t k = 0; k < e->attr_count; k++) {
            if (str_ieq(e->attrs[k].name, STR("olcAccess")))
                continue;
            json_t *values = json_array();
            for (size_t v = 0; v < e->attrs[k].count; v++)
                json_push(values, json_string_safe(e->attrs[k].values[v]));
            json_put(one, arena_cstr(in->a, e->attrs[k].name), values);
        }
        json_push(all, one);
    }
    json_put(in->facts, "configuration", all);
}

bool inspect_is_veiled(const struct directory_entry *overlay)
{
    if (directory_has(overlay, "objectClass", STR("olcUniqueConfig")))
        return !directory_attr(overlay, "olcUniqueURI") &&
               !directory_attr(overlay, "olcUniqueAttribute");
    return directory_has(overlay, "objectClass", STR("olcRefintConfig")) &&
           !directory_attr(overlay, "olcRefintAttribute");
}

/* Who may look and is not the rootdn may by a rule of cn=config: where none shows, they are hidden.
 */
static bool sees_all(const struct inspection *in)
{
    bool rules = false;
    for (size_t i = 0; i < in->server.count; i++) {
        if (inspect_is_veiled(&in->server.at[i]))
            return false;
        rules = rules || directory_attr(&in->server.at[i], "olcAccess");
    }
    return rules;
}

/* The rights that let the account look, and at no secret (olcSyncrepl holds a password: whether
 * there is one may be asked, what it is may not). A rule may name only what the server knows: the
 * settings of an overlay come with its module. */
void inspect_hidden(struct inspection *in)
{
    OWNED_BUF struct buf shown;
    if (!in->openldap || sees_all(in))
        return;
    buf_init(&shown, 1 << 16);
    BUF_LIT(&shown, "entry,children");
    for (size_t i = 0; ATTRS[i]; i++)
        if (inspect_knows(in, str_of(ATTRS[i])))
            buf_fmt(&shown, ",%s", ATTRS[i]);
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_ADVICE, "config-hidden",
        in->server.count
            ? STR("cannot see the settings of an overlay, or access rules (olcAccess), "
                  "with this account")
            : STR("cannot see indexes, limits, overlays and replication with this "
                  "account: cn=config cannot be read. What could be tried was tried"),
        "a missing index or `serialize` shows only under load");
    struct str dn = directory_quoted(in->a, in->config->service.bind_dn, false), syncrepl = STR("");
    if (!in->server.count)
        syncrepl = arena_fmt(in->a,
                             "olcAccess: {1}to attrs=olcSyncrepl by dn.exact=\"" STR_FMT
                             "\" search by * break\n",
                             STR_ARG(dn));
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  arena_fmt(in->a,
                            "dn: olcDatabase={0}config,cn=config\nchangetype: modify\nadd: "
                            "olcAccess\nolcAccess: {0}to attrs=" STR_FMT " by dn.exact=\"" STR_FMT
                            "\" read by * break\n" STR_FMT "\n",
                            STR_ARG(buf_view(&shown)), STR_ARG(dn), STR_ARG(syncrepl)));
}

bool inspect_server(struct inspection *in, struct error *err)
{
    struct directory_search s = {.base = STR("cn=config"),
                                 .scope = DIRECTORY_SUB,
                                 .filter = STR("(|(objectClass=olcGlobal)(objectClass="
                                               "olcDatabaseConfig)(objectClass=olcOverlayConfig)("
                                               "objectClass=olcModuleList))"),
                                 .attrs = ATTRS};
    struct error hidden = ERROR_INIT;
    if (!in->openldap)
        return true;
    if (!directory_find(in->conn, in->a, &s, &in->server, &hidden) ||
        !inspect_database(in, in->config->users.base))
        in->server.count = 0;
    inspect_take_facts(in);
    /* A refused search drops the connection: the next one must still find a server. */
    return directory_ping(in->conn, err);
}

const struct directory_entry *inspect_database(const struct inspection *in, struct str dn)
{
    const struct directory_entry *best = NULL;
    size_t longest = 0;
    struct str key = directory_dn_key(in->a, dn);
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_attr *suffix = directory_attr(&in->server.at[i], "olcSuffix");
        for (size_t k = 0; suffix && k < suffix->count; k++) {
            struct str top = directory_dn_key(in->a, suffix->values[k]);
            if (!directory_is_below(key, top) || (best && top.len <= longest))
                continue;
            best = &in->server.at[i];
            longest = top.len;
        }
    }
    return best;
}

const struct directory_entry *inspect_overlay(const struct inspection *in,
                                              const struct directory_entry *database,
                                              const char *class,
                                              const struct directory_entry *after)
{
    struct str top = directory_dn_key(in->a, database->dn);
    for (size_t i = after ? (size_t)(after - in->server.at) + 1 : 0; i < in->server.count; i++) {
        const struct directory_entry *e = &in->server.at[i];
        if (directory_has(e, "objectClass", str_of(class)) &&
            directory_is_below(directory_dn_key(in->a, e->dn), top))
            return e;
    }
    return NULL;
}

/* ---- values whose order counts: olcAccess, olcLimits */

/* `{3}to ...` without its number, as caseIgnoreMatch, the rule of these attributes, compares it. */
static struct str ordered_key(struct inspection *in, struct str value)
{
    struct str rest = value, number;
    if (str_starts(value, STR("{")) && str_split(&rest, '}', &number))
        value = rest;
    return unicode_key(in->a, value);
}

static bool is_among(struct inspection *in, struct str values, struct str value)
{
    struct str key = ordered_key(in, value), line;
    while (str_split(&values, '\n', &line))
        if (line.len && str_eq(ordered_key(in, line), key))
            return true;
    return false;
}

struct str inspect_first(struct inspection *in, const struct directory_entry *database,
                         const char *attr, struct str values)
{
    const struct directory_attr *there = directory_attr(database, attr);
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; there && i < there->count; i++) {
        if (!is_among(in, values, there->values[i]))
            continue;
        if (!out.len)
            buf_fmt(&out, "delete: %s\n", attr);
        buf_str(&out, inspect_line(in->a, attr, there->values[i]));
    }
    buf_fmt(&out, "%sadd: %s\n", out.len ? "-\n" : "", attr);
    struct str line;
    for (int n = 0; str_split(&values, '\n', &line);) {
        if (!line.len)
            continue;
        struct str numbered = arena_fmt(in->a, "{%d}" STR_FMT, n++, STR_ARG(line));
        buf_str(&out, inspect_line(in->a, attr, numbered));
    }
    return arena_str(in->a, buf_view(&out));
}

struct str inspect_modify_first(struct inspection *in, const struct directory_entry *database,
                                const char *attr, struct str values)
{
    struct str head = inspect_line(in->a, "dn", database->dn);
    struct str changes = inspect_first(in, database, attr, values);
    return arena_fmt(in->a, STR_FMT "changetype: modify\n" STR_FMT "\n", STR_ARG(head),
                     STR_ARG(changes));
}

/* ---- modules and overlays */

struct str inspect_module(struct inspection *in, const char *name)
{
    const struct directory_entry *list = NULL;
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_attr *loaded = directory_attr(&in->server.at[i], "olcModuleLoad");
        if (loaded && !list)
            list = &in->server.at[i];
        for (size_t k = 0; loaded && k < loaded->count; k++)
            if (memmem(loaded->values[k].at, loaded->values[k].len, name, strlen(name)))
                return STR_NONE;
    }
    if (list)
        return inspect_modify(in->a, list->dn, "add", "olcModuleLoad", str_of(name));
    return arena_fmt(in->a,
                     "dn: cn=module,cn=config\nchangetype: add\nobjectClass: olcModuleList\ncn: "
                     "module\nolcModuleLoad: %s\n\n",
                     name);
}

struct str inspect_new_overlay(struct inspection *in, const struct directory_entry *database,
                               const char *name, const char *class)
{
    struct str dn = arena_fmt(in->a, "olcOverlay=%s," STR_FMT, name, STR_ARG(database->dn));
    struct str head = inspect_line(in->a, "dn", dn);
    return arena_fmt(in->a,
                     STR_FMT "changetype: add\nobjectClass: olcOverlayConfig\nobjectClass: "
                             "%s\nolcOverlay: %s\n",
                     STR_ARG(head), class, name);
}
