/* Overlays: content synchronization, uniqueness, referential integrity, password policy. */
#include <string.h>

#include "directory/inspect.h"

/* ---- syncprov. The root DSE names its control as soon as any database has it. */

static void want_syncprov(struct inspection *in, struct str below)
{
    const struct directory_entry *database = inspect_database(in, below);
    if (!database || in->config->feed == CONFIG_FEED_POLL ||
        inspect_overlay(in, database, "olcSyncProvConfig", NULL))
        return;
    struct directory_finding *f = inspect_find(
        in, inspect_feed_severity(in), "no-syncprov",
        arena_fmt(in->a, "no overlay syncprov on the database of " STR_FMT, STR_ARG(below)),
        "without it the bridge asks again and again for what others changed");
    struct str module = inspect_module(in, "syncprov");
    struct str overlay = inspect_new_overlay(in, database, "syncprov", "olcSyncProvConfig");
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  arena_fmt(in->a,
                            STR_FMT STR_FMT "olcSpCheckpoint: 1000 5\nolcSpSessionlog: 10000\n\n",
                            STR_ARG(module), STR_ARG(overlay)));
}

/* ---- unique (slapo-unique(5)) */

struct unique {
    struct str attr, base, filter; /* the filter of the configuration that a URI may have too */
    const char *why;
};

/* `ldap:///BASE?ATTRIBUTES?SCOPE?FILTER`: is every value that is meant among those it keeps unique?
 */
static bool covers(struct inspection *in, const struct unique *u, struct str uri)
{
    LDAPURLDesc *url = NULL;
    bool listed = false;
    if (ldap_url_parse(arena_cstr(in->a, uri), &url) != LDAP_URL_SUCCESS)
        return false;
    for (char **attr = url->lud_attrs; attr && *attr; attr++)
        listed = listed || str_ieq(str_of(*attr), u->attr);
    struct str top = directory_dn_key(in->a, arena_str(in->a, str_of(url->lud_dn)));
    struct str key = directory_dn_key(in->a, u->base);
    struct str filter = str_of(url->lud_filter);
    bool whole =
        filter.len == 0 || str_ieq(filter, STR("(objectClass=*)")) || str_eq(filter, u->filter);
    bool below = str_ends(key, top) &&
                 (top.len == 0 || key.len == top.len || key.at[key.len - top.len - 1] == ',');
    bool fits = listed && below && whole && url->lud_scope == LDAP_SCOPE_SUBTREE;
    ldap_free_urldesc(url);
    return fits;
}

/* A value is keywords and URIs by blanks. */
static bool value_covers(struct inspection *in, const struct unique *u, struct str value,
                         bool *serialized)
{
    struct str word;
    bool covered = false;
    *serialized = false;
    while (str_split(&value, ' ', &word)) {
        if (str_ieq(word, STR("serialize")))
            *serialized = true;
        else if (str_istarts(word, STR("ldap:")))
            covered = covered || covers(in, u, word);
    }
    return covered;
}

static struct str uri_text(struct inspection *in, struct str base, const struct str *attrs,
                           size_t count)
{
    char **names = ARENA_ARRAY(in->a, char *, count + 1);
    for (size_t i = 0; i < count; i++)
        names[i] = arena_cstr(in->a, attrs[i]);
    LDAPURLDesc url = {.lud_scheme = arena_cstr(in->a, STR("ldap")),
                       .lud_dn = arena_cstr(in->a, base),
                       .lud_attrs = names,
                       .lud_scope = LDAP_SCOPE_SUBTREE};
    char *text = ldap_url_desc2str(&url);
    struct str uri = arena_fmt(in->a, "serialize %s", text ? text : "");
    ldap_memfree(text);
    return uri;
}

struct str inspect_unique_uri(struct inspection *in, struct str base, struct str attr)
{
    return uri_text(in, base, &attr, 1);
}

static struct str uri_of(struct inspection *in, const struct unique *u)
{
    return inspect_unique_uri(in, u->base, u->attr);
}

struct unique_seen {
    const struct directory_entry *overlay; /* a database has one; NULL: none */
    const struct directory_entry *bare_on; /* has the URI without the keyword */
    struct str bare;
    bool fine;
};

static void look_at(struct inspection *in, const struct unique *u, const struct directory_entry *e,
                    struct unique_seen *seen)
{
    const struct directory_attr *uris = directory_attr(e, "olcUniqueURI");
    seen->overlay = e;
    for (size_t i = 0; uris && i < uris->count; i++) {
        bool serialized;
        if (!value_covers(in, u, uris->values[i], &serialized))
            continue;
        seen->fine = seen->fine || serialized;
        seen->bare_on = e;
        seen->bare = uris->values[i];
    }
}

static struct str uri_lines(struct inspection *in, const struct unique *u,
                            const struct unique *also)
{
    struct str line = inspect_line(in->a, "olcUniqueURI", uri_of(in, u)), more = STR("");
    if (also)
        more = inspect_line(in->a, "olcUniqueURI", uri_of(in, also));
    return arena_fmt(in->a, STR_FMT STR_FMT, STR_ARG(line), STR_ARG(more));
}

static struct str new_unique(struct inspection *in, const struct directory_entry *database,
                             struct str lines)
{
    struct str module = inspect_module(in, "unique");
    struct str overlay = inspect_new_overlay(in, database, "unique", "olcUniqueConfig");
    return arena_fmt(in->a, STR_FMT STR_FMT STR_FMT "\n", STR_ARG(module), STR_ARG(overlay),
                     STR_ARG(lines));
}

static bool is_old(const struct directory_entry *overlay)
{
    return overlay && directory_attr(overlay, "olcUniqueAttribute");
}

/* The settings of old and URIs exclude each other, and a database has one such overlay: what it
 * kept unique becomes a URI beside ours. */
static struct str modern_unique(struct inspection *in, const struct directory_entry *e,
                                struct str lines)
{
    const struct directory_attr *attrs = directory_attr(e, "olcUniqueAttribute");
    struct str base = directory_value(e, "olcUniqueBase");
    struct str old = uri_text(in, base, attrs->values, attrs->count);
    return arena_fmt(in->a,
                     STR_FMT "changetype: modify\ndelete: olcUniqueAttribute\n-\n%sadd: "
                             "olcUniqueURI\n" STR_FMT STR_FMT "\n",
                     STR_ARG(inspect_line(in->a, "dn", e->dn)),
                     base.len ? "delete: olcUniqueBase\n-\n" : "",
                     STR_ARG(inspect_line(in->a, "olcUniqueURI", old)), STR_ARG(lines));
}

/* One URI more, or the keyword for the one that is there. */
static struct str better_unique(struct inspection *in, const struct unique_seen *seen,
                                struct str uri)
{
    if (!seen->bare_on)
        return inspect_modify(in->a, seen->overlay->dn, "add", "olcUniqueURI", uri);
    struct str keyed = arena_fmt(in->a, "serialize " STR_FMT, STR_ARG(seen->bare));
    return arena_fmt(in->a,
                     STR_FMT "changetype: modify\ndelete: olcUniqueURI\n" STR_FMT
                             "-\nadd: olcUniqueURI\n" STR_FMT "\n",
                     STR_ARG(inspect_line(in->a, "dn", seen->bare_on->dn)),
                     STR_ARG(inspect_line(in->a, "olcUniqueURI", seen->bare)),
                     STR_ARG(inspect_line(in->a, "olcUniqueURI", keyed)));
}

static struct str unique_ldif(struct inspection *in, const struct unique *u,
                              const struct unique *also, const struct unique_seen *seen)
{
    if (seen->bare_on || (seen->overlay && !is_old(seen->overlay)))
        return better_unique(in, seen, uri_of(in, u));
    struct str lines = uri_lines(in, u, also);
    if (seen->overlay)
        return modern_unique(in, seen->overlay, lines);
    return new_unique(in, inspect_database(in, u->base), lines);
}

static struct str unique_text(struct inspection *in, const struct unique *u, bool bare)
{
    if (bare)
        return arena_fmt(in->a, "overlay unique on " STR_FMT " has no keyword serialize",
                         STR_ARG(u->attr));
    return arena_fmt(in->a, "no overlay unique on " STR_FMT " below " STR_FMT, STR_ARG(u->attr),
                     STR_ARG(u->base));
}

/* `also` goes into an overlay that is made or made anew for `u`. Was that so? */
static bool want_unique(struct inspection *in, const struct unique *u, const struct unique *also)
{
    const struct directory_entry *database = inspect_database(in, u->base), *e = NULL;
    struct unique_seen seen = {0};
    if (!database)
        return false;
    while ((e = inspect_overlay(in, database, "olcUniqueConfig", e)))
        look_at(in, u, e, &seen);
    if (seen.fine || (seen.overlay && inspect_is_veiled(seen.overlay)))
        return false;
    if (also && inspect_database(in, also->base) != database)
        also = NULL;
    bool bare = seen.bare_on != NULL;
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, bare ? "unique-not-serialized" : "no-unique",
                     unique_text(in, u, bare), u->why);
    inspect_apply(f, DIRECTORY_APPLY_CONFIG, unique_ldif(in, u, also, &seen));
    return also && !bare && (!seen.overlay || is_old(seen.overlay));
}

/* ---- refint (slapo-refint(5)) */

static bool names_word(const struct directory_attr *values, struct str wanted)
{
    for (size_t i = 0; values && i < values->count; i++) {
        struct str rest = values->values[i], word;
        while (str_split(&rest, ' ', &word))
            if (str_ieq(word, wanted))
                return true;
    }
    return false;
}

static void want_no_nothing(struct inspection *in, struct str below, struct str owner)
{
    const struct directory_entry *database = inspect_database(in, below), *e = NULL;
    while (database && (e = inspect_overlay(in, database, "olcRefintConfig", e))) {
        struct str nothing = directory_value(e, "olcRefintNothing");
        if (!nothing.len || !names_word(directory_attr(e, "olcRefintAttribute"), owner))
            continue;
        struct directory_finding *f = inspect_find(
            in, DIRECTORY_MISSING, "refint-nothing",
            arena_fmt(in->a, "overlay refint puts refint_nothing into an empty " STR_FMT,
                      STR_ARG(owner)),
            "an organization gets an owner whom nobody made one");
        inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                      inspect_modify(in->a, e->dn, "delete", "olcRefintNothing", nothing));
    }
}

/* ---- ppolicy, where directory.lock wants it */

static void want_ppolicy(struct inspection *in, struct str below)
{
    const struct directory_entry *database = inspect_database(in, below);
    if (in->config->lock != CONFIG_LOCK_PPOLICY || !database ||
        inspect_overlay(in, database, "olcPPolicyConfig", NULL))
        return;
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, "no-ppolicy",
                     STR("directory.lock is ppolicy, and there is no overlay ppolicy; the users' "
                         "policy must have pwdLockout TRUE"),
                     "a deactivated user could still sign in elsewhere");
    struct str module = inspect_module(in, "ppolicy");
    struct str overlay = inspect_new_overlay(in, database, "ppolicy", "olcPPolicyConfig");
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  arena_fmt(in->a, STR_FMT STR_FMT "\n", STR_ARG(module), STR_ARG(overlay)));
}

void inspect_overlays(struct inspection *in)
{
    const struct config_directory *c = in->config;
    const struct unique names = {c->users.rdn, c->users.base, c->users.filter,
                                 "two creates at once could share a userName"};
    const struct unique hashes = {STR("kiopsTokenHash"), c->tokens_base,
                                  STR("(objectClass=kiopsPrincipal)"),
                                  "one secret could become two tokens"};
    want_syncprov(in, c->users.base);
    if (inspect_database(in, c->organizations.base) != inspect_database(in, c->users.base))
        want_syncprov(in, c->organizations.base);
    /* Without our schema a hash is one of many kinds of description. */
    if (!config_has_schema(c))
        (void)want_unique(in, &names, NULL);
    else if (!want_unique(in, &names, &hashes))
        want_unique(in, &hashes, NULL);
    if (c->organizations.owner.len)
        want_no_nothing(in, c->organizations.base, c->organizations.owner);
    want_ppolicy(in, c->users.base);
}
