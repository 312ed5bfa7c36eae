/* Limits of the account: what cn=config says, and whether a whole answer really comes. The rootdn,
 * whom neither limits nor access rules bind, is not to be the bridge's account. */
#include <string.h>

#include "directory/inspect.h"
#include "directory/texts.h"

#define SETTING "size=unlimited size.prtotal=unlimited time=unlimited"

static bool holds(struct str text, const char *part)
{
    return memmem(text.at, text.len, part, strlen(part)) != NULL;
}

/* `{0}dn.exact="DN" size=...`: is it about one DN? slapd calls exact `base`, too. */
static bool is_exact(struct str value, struct str *named)
{
    struct str rest = value, before = STR_NONE;
    return str_split(&rest, '"', &before) && str_split(&rest, '"', named) &&
           (holds(before, "dn.exact=") || holds(before, "dn.base="));
}

static bool is_unlimited(struct str value)
{
    return holds(value, "size=unlimited") || holds(value, "size=-1") ||
           holds(value, "size.hard=unlimited") || holds(value, "size=none");
}

enum said { NOTHING, UNLIMITED, LIMITED, UNCLEAR };

static enum said said_by(struct inspection *in, const struct directory_entry *database)
{
    const struct directory_attr *limits = directory_attr(database, "olcLimits");
    struct str own = directory_dn_key(in->a, in->config->service.bind_dn);
    enum said said = NOTHING;
    for (size_t i = 0; limits && i < limits->count; i++) {
        struct str named;
        bool exact = is_exact(limits->values[i], &named), open = is_unlimited(limits->values[i]);
        if (exact && str_eq(directory_dn_key(in->a, named), own))
            return open ? UNLIMITED : LIMITED;
        /* A group, a subtree, a pattern: only the try can tell. */
        said = open && !exact ? UNCLEAR : said;
    }
    return said;
}

static bool any_is_open(struct inspection *in, const struct directory_entry *database)
{
    if (str_eq(directory_value(database, "olcSizeLimit"), STR("unlimited")))
        return true;
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_entry *e = &in->server.at[i];
        struct str name = directory_value(e, "olcDatabase");
        if ((directory_has(e, "objectClass", STR("olcGlobal")) ||
             str_eq(name, STR("{-1}frontend"))) &&
            str_eq(directory_value(e, "olcSizeLimit"), STR("unlimited")))
            return true;
    }
    return false;
}

static void find_limit(struct inspection *in, struct str below, struct str text)
{
    const struct directory_entry *database = inspect_database(in, below);
    if (in->ds389) {
        inspect_389_limit(in, text);
        return;
    }
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, "size-limit", text,
                     "the bridge starts only when it has read everything");
    static const char VALUE[] = "dn.exact=\"" STR_FMT "\" " SETTING;
    struct str dn = in->config->service.bind_dn;
    struct str value = arena_fmt(in->a, VALUE, STR_ARG(directory_quoted(in->a, dn, false)));
    struct str conf = arena_fmt(in->a, VALUE, STR_ARG(directory_quoted(in->a, dn, true)));
    struct str ldif = database ? inspect_modify_first(in, database, "olcLimits", value) : STR_NONE;
    inspect_apply_server(in, f, ldif, arena_fmt(in->a, "limits " STR_FMT "\n", STR_ARG(conf)));
}

/* A search for names alone; nothing is held. `*code`: how the server ended it. */
static bool try_to_read(struct inspection *in, struct str below, size_t *count, int *code,
                        struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    char *base = arena_cstr(in->a, below);
    int64_t deadline = directory_conn_deadline(in->conn);
    int msgid = 0;
    *count = 0;
    if (!directory_ping(in->conn, err))
        return false;
    LDAP *ld = in->conn->ld;
    *code = ldap_search_ext(ld, base, LDAP_SCOPE_SUBTREE, "(objectClass=*)",
                            directory_attr_names(none), 0, NULL, NULL, NULL, 0, &msgid);
    while (*code == LDAP_SUCCESS) {
        LDAPMessage *message = NULL;
        *code = directory_ldap_wait(ld, msgid, LDAP_MSG_ONE, deadline, &message);
        int type = *code == LDAP_SUCCESS ? ldap_msgtype(message) : 0;
        bool ended = type == LDAP_RES_SEARCH_RESULT;
        if (ended &&
            ldap_parse_result(ld, message, code, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
            *code = LDAP_DECODING_ERROR;
        *count += type == LDAP_RES_SEARCH_ENTRY;
        ldap_msgfree(message);
        deadline = directory_conn_deadline(in->conn);
        if (ended)
            break;
    }
    if (*code < 0)
        directory_conn_drop(in->conn);
    return *code >= 0 || error_set(err, ERR_UNAVAILABLE, "the directory did not answer in time");
}

static bool inspect_base(struct inspection *in, struct str below, struct error *err)
{
    size_t count;
    int code;
    const struct directory_entry *database = inspect_database(in, below);
    if (!try_to_read(in, below, &count, &code, err))
        return false;
    if (code == LDAP_SIZELIMIT_EXCEEDED || code == LDAP_TIMELIMIT_EXCEEDED ||
        code == LDAP_ADMINLIMIT_EXCEEDED) {
        find_limit(in, below,
                   arena_fmt(in->a, "a whole read of " STR_FMT " was cut after %zu entries: %s",
                             STR_ARG(below), count, ldap_err2string(code)));
        return true;
    }
    enum said said = database ? said_by(in, database) : UNCLEAR;
    if (said == LIMITED || (said == NOTHING && !any_is_open(in, database)))
        find_limit(in, below,
                   arena_fmt(in->a,
                             "no unlimited size for the bridge's account below " STR_FMT ": %s",
                             STR_ARG(below),
                             said == LIMITED ? "its limits are smaller"
                                             : "slapd cuts answers at 500 entries"));
    return true;
}

static void inspect_rootdn(struct inspection *in)
{
    struct str own = directory_dn_key(in->a, in->config->service.bind_dn);
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_entry *e = &in->server.at[i];
        struct str root = directory_value(e, in->ds389 ? "nsslapd-rootdn" : "olcRootDN");
        if (root.len && str_eq(directory_dn_key(in->a, root), own))
            inspect_find(in, DIRECTORY_MISSING, "bridge-is-rootdn",
                         STR("directory.bind_dn is the rootdn, which no access rule binds: make an "
                             "account of its own"),
                         NULL);
    }
}

bool inspect_limits(struct inspection *in, struct error *err)
{
    const struct config_directory *c = in->config;
    inspect_rootdn(in);
    size_t before = in->count;
    if (in->ds389 && !inspect_389_limits(in, err))
        return false;
    if (in->count > before)
        return true;
    if (!inspect_base(in, c->users.base, err))
        return false;
    bool shared = in->count > before && inspect_database(in, c->users.base) ==
                                            inspect_database(in, c->organizations.base);
    return shared || inspect_base(in, c->organizations.base, err);
}
