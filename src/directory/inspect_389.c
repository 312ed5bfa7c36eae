/* cn=config of 389 Directory Server, as far as the account may read it: plug-ins, limits of the
 * account, access rules. What is on in cn=config works after the server's next start. */
#include "base/hash.h"
#include "directory/inspect.h"
#include "directory/texts.h"

/* No attribute that holds a secret. */
static const char *const ATTRS[] = {"objectClass",
                                    "cn",
                                    "nsslapd-rootdn",
                                    "nsslapd-sizelimit",
                                    "nsslapd-lookthroughlimit",
                                    "nsslapd-suffix",
                                    "nsslapd-pluginInitfunc",
                                    "nsslapd-pluginType",
                                    "nsslapd-pluginEnabled",
                                    "nsslapd-pluginarg0",
                                    "nsslapd-pluginarg1",
                                    "nsslapd-pluginarg2",
                                    "uniqueness-attribute-name",
                                    "uniqueness-subtrees",
                                    "nsIndexType",
                                    NULL};

static const struct directory_entry *with(const struct inspection *in, const char *attr,
                                          const struct directory_entry *after)
{
    size_t first = after ? (size_t)(after - in->server.at) + 1 : 0;
    for (size_t i = first; i < in->server.count; i++)
        if (directory_attr(&in->server.at[i], attr))
            return &in->server.at[i];
    return NULL;
}

static const struct directory_entry *plugin(const struct inspection *in, const char *init)
{
    const struct directory_entry *e = NULL;
    while ((e = with(in, "nsslapd-pluginInitfunc", e)))
        if (str_ieq(directory_value(e, "nsslapd-pluginInitfunc"), str_of(init)))
            return e;
    return NULL;
}

static bool is_on(const struct directory_entry *plugin)
{
    return plugin && str_ieq(directory_value(plugin, "nsslapd-pluginEnabled"), STR("on"));
}

static void switch_it(struct inspection *in, struct directory_finding *f,
                      const struct directory_entry *plugin, struct str state)
{
    if (plugin)
        inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                      inspect_modify(in->a, plugin->dn, "replace", "nsslapd-pluginEnabled", state));
}

/* ---- reading it */

static void find_hidden(struct inspection *in)
{
    OWNED_BUF struct buf shown;
    buf_init(&shown, 4096);
    /* A rule names no attribute that the schema lacks, and not all of cn=config is in it; patterns
     * are taken as they are. */
    for (size_t i = 0; ATTRS[i]; i++)
        buf_fmt(&shown, "%s%s%s", i ? " || " : "", ATTRS[i],
                inspect_knows(in, str_of(ATTRS[i])) ? "" : "*");
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_ADVICE, "config-hidden",
        STR("cannot see plug-ins, indexes and limits with this account: cn=config cannot be read. "
            "What could be tried was tried"),
        "a missing index, or two people of one name, show only under load");
    struct str rule =
        arena_fmt(in->a,
                  "(targetattr = \"" STR_FMT "\")(version 3.0; acl \"kiops: check reads\"; allow "
                  "(read, search, compare) userdn = \"ldap:///" STR_FMT "\";)",
                  STR_ARG(buf_view(&shown)), STR_ARG(in->config->service.bind_dn));
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  inspect_modify(in->a, STR("cn=config"), "add", "aci", rule));
}

static bool read_server(struct inspection *in, struct error *err)
{
    struct directory_search s = {
        .base = STR("cn=config"),
        .scope = DIRECTORY_SUB,
        .filter = STR("(|(nsslapd-rootdn=*)(nsslapd-lookthroughlimit=*)(nsslapd-suffix=*)(nsslapd-"
                      "pluginInitfunc=*)(nsIndexType=*))"),
        .attrs = ATTRS};
    struct error hidden = ERROR_INIT;
    if (!directory_find(in->conn, in->a, &s, &in->server, &hidden) ||
        !with(in, "nsslapd-rootdn", NULL))
        in->server.count = 0;
    inspect_take_facts(in);
    return directory_ping(in->conn, err);
}

/* ---- ids and versions */

static void find_without_id(struct inspection *in, struct str base, struct str filter)
{
    struct error away = ERROR_INIT; /* said by who asks next */
    static const char *const none[] = {"1.1", NULL};
    struct str text = arena_fmt(in->a, "(&" STR_FMT "(!(entryUUID=*)))", STR_ARG(filter));
    struct directory_search s = {
        .base = base, .scope = DIRECTORY_SUB, .filter = text, .attrs = none};
    struct directory_entries found;
    uint64_t random;
    if (!directory_find(in->conn, in->a, &s, &found, &away) || found.count == 0)
        return;
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_MISSING, "no-id",
        arena_fmt(in->a, "%zu entries below " STR_FMT " have no entryUUID: the task gives them one",
                  found.count, STR_ARG(base)),
        "the bridge does not show them: they came before the plug-in, or by an import");
    hash_random(&random, sizeof random);
    struct str name = arena_fmt(in->a, "kiops-ids-%016llx", (unsigned long long)random);
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  arena_fmt(in->a,
                            "dn: cn=" STR_FMT
                            ",cn=entryuuid task,cn=tasks,cn=config\nchangetype: add\nobjectClass: "
                            "extensibleObject\ncn: " STR_FMT "\n" STR_FMT STR_FMT "\n",
                            STR_ARG(name), STR_ARG(name),
                            STR_ARG(inspect_line(in->a, "basedn", base)),
                            STR_ARG(inspect_line(in->a, "filter", text))));
}

static void inspect_ids(struct inspection *in)
{
    const struct config_directory *c = in->config;
    const struct directory_entry *ids = plugin(in, "entryuuid_plugin_init");
    const struct directory_entry *usn = plugin(in, "usn_init");
    if (!is_on(ids)) {
        struct directory_finding *f = inspect_find(
            in, DIRECTORY_MISSING, "no-entry-uuid",
            ids ? STR("the plug-in entryuuid is off: switch it on, then restart the server")
                : STR("this server has no plug-in entryuuid: 389-ds 2.0 and later have it"),
            "entryUUID is the id of every user and organization");
        switch_it(in, f, ids, STR("on"));
    } else {
        find_without_id(in, c->users.base, c->users.filter);
        find_without_id(in, c->organizations.base, c->organizations.filter);
    }
    if (!is_on(usn)) {
        struct directory_finding *f =
            inspect_find(in, DIRECTORY_ADVICE, "no-usn",
                         STR("the plug-in USN is off: switch it on, then restart the server"),
                         "without a number for each change every one of them is read once more");
        switch_it(in, f, usn, STR("on"));
    }
}

/* ---- uniqueness */

struct unique {
    struct str attr, base;
    const char *name, *why;
};

static bool covers(struct inspection *in, const struct directory_entry *e, const struct unique *u)
{
    const struct directory_attr *trees = directory_attr(e, "uniqueness-subtrees");
    struct str key = directory_dn_key(in->a, u->base);
    for (size_t i = 0; trees && i < trees->count; i++) {
        struct str top = directory_dn_key(in->a, trees->values[i]);
        /* One that is off is switched on only where it asks for nothing more. */
        if (is_on(e) ? directory_is_below(key, top) : str_eq(key, top))
            return true;
    }
    return false;
}

static bool keeps(struct inspection *in, const struct directory_entry *e, const struct unique *u)
{
    return str_ieq(directory_value(e, "nsslapd-pluginInitfunc"), STR("NSUniqueAttr_Init")) &&
           directory_has(e, "uniqueness-attribute-name", u->attr) && covers(in, e, u);
}

/* The entry that new_unique() would add. */
static const struct directory_entry *ours(const struct inspection *in, const struct unique *u)
{
    struct str dn = arena_fmt(in->a, "cn=%s,cn=plugins,cn=config", u->name);
    struct str key = directory_dn_key(in->a, dn);
    for (size_t i = 0; i < in->server.count; i++)
        if (str_eq(directory_dn_key(in->a, in->server.at[i].dn), key))
            return &in->server.at[i];
    return NULL;
}

static void put_setting(struct inspection *in, struct str *ldif, const char *op, const char *name,
                        struct str value)
{
    *ldif = arena_fmt(in->a, STR_FMT "%s%s: %s\n" STR_FMT, STR_ARG(*ldif), ldif->len ? "-\n" : "",
                      op, name, STR_ARG(inspect_line(in->a, name, value)));
}

/* It came with other names: what differs. */
static struct str mended_unique(struct inspection *in, const struct unique *u,
                                const struct directory_entry *e)
{
    struct str ldif = STR("");
    bool same = directory_has(e, "uniqueness-attribute-name", u->attr);
    if (!str_ieq(directory_value(e, "nsslapd-pluginInitfunc"), STR("NSUniqueAttr_Init")))
        put_setting(in, &ldif, "replace", "nsslapd-pluginInitfunc", STR("NSUniqueAttr_Init"));
    if (!same)
        put_setting(in, &ldif, "replace", "uniqueness-attribute-name", u->attr);
    if (!same || !covers(in, e, u))
        put_setting(in, &ldif, same ? "add" : "replace", "uniqueness-subtrees", u->base);
    if (!is_on(e))
        put_setting(in, &ldif, "replace", "nsslapd-pluginEnabled", STR("on"));
    if (!str_istarts(directory_value(e, "nsslapd-pluginType"), STR("betxn")))
        put_setting(in, &ldif, "replace", "nsslapd-pluginType", STR("betxnpreoperation"));
    return arena_fmt(in->a, STR_FMT "changetype: modify\n" STR_FMT "\n",
                     STR_ARG(inspect_line(in->a, "dn", e->dn)), STR_ARG(ldif));
}

static struct str new_unique(struct inspection *in, const struct unique *u)
{
    return arena_fmt(
        in->a,
        "dn: cn=%s,cn=plugins,cn=config\nchangetype: add\nobjectClass: top\nobjectClass: "
        "nsSlapdPlugin\nobjectClass: extensibleObject\ncn: %s\nnsslapd-pluginPath: "
        "libattr-unique-plugin\nnsslapd-pluginInitfunc: NSUniqueAttr_Init\nnsslapd-pluginType: "
        "betxnpreoperation\nnsslapd-pluginEnabled: on\nnsslapd-plugin-depends-on-type: "
        "database\nuniqueness-attribute-name: " STR_FMT "\n" STR_FMT
        "uniqueness-across-all-subtrees: off\nnsslapd-pluginId: NSUniqueAttr\n"
        "nsslapd-pluginVersion: none\nnsslapd-pluginVendor: none\nnsslapd-pluginDescription: "
        "none\n\n",
        u->name, u->name, STR_ARG(u->attr),
        STR_ARG(inspect_line(in->a, "uniqueness-subtrees", u->base)));
}

static void find_unique(struct inspection *in, const struct unique *u,
                        const struct directory_entry *off)
{
    const struct directory_entry *there = off ? NULL : ours(in, u);
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, "no-unique",
                     arena_fmt(in->a,
                               "no plug-in for attribute uniqueness on " STR_FMT " below " STR_FMT
                               ": %s, then restart the server",
                               STR_ARG(u->attr), STR_ARG(u->base),
                               off     ? "switch it on"
                               : there ? "change the one that is there"
                                       : "add it"),
                     u->why);
    if (off)
        switch_it(in, f, off, STR("on"));
    else
        inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                      there ? mended_unique(in, u, there) : new_unique(in, u));
}

/* The type says when it looks: within the transaction, or before it, where two may pass at once. */
static void want_unique(struct inspection *in, const struct unique *u)
{
    const struct directory_entry *e = NULL, *off = NULL, *early = NULL;
    while ((e = with(in, "nsslapd-pluginInitfunc", e))) {
        if (!keeps(in, e, u))
            continue;
        if (is_on(e) && str_istarts(directory_value(e, "nsslapd-pluginType"), STR("betxn")))
            return;
        *(is_on(e) ? &early : &off) = e;
    }
    if (!early) {
        find_unique(in, u, off);
        return;
    }
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_MISSING, "unique-not-serialized",
        arena_fmt(in->a,
                  "attribute uniqueness on " STR_FMT
                  " looks before the transaction: change its type, then restart the server",
                  STR_ARG(u->attr)),
        u->why);
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  inspect_modify(in->a, early->dn, "replace", "nsslapd-pluginType",
                                 STR("betxnpreoperation")));
}

static struct unique names_of(const struct inspection *in)
{
    return (struct unique){in->config->users.rdn, in->config->users.base, "kiops unique names",
                           "two creates at once could share a userName"};
}

static void inspect_uniqueness(struct inspection *in)
{
    const struct unique names = names_of(in);
    const struct unique hashes = {STR("kiopsTokenHash"), in->config->tokens_base,
                                  "kiops unique hashes", "one secret could become two tokens"};
    want_unique(in, &names);
    want_unique(in, &hashes);
}

/* A try has shown it. cn=config may say otherwise until the next start. */
void inspect_389_twice(struct inspection *in)
{
    const struct unique names = names_of(in);
    if (inspect_has(in, "no-unique") || inspect_has(in, "unique-not-serialized"))
        return;
    if (!in->server.count)
        find_unique(in, &names, NULL);
    else
        inspect_find(in, DIRECTORY_MISSING, "no-unique",
                     arena_fmt(in->a,
                               "attribute uniqueness on " STR_FMT
                               " is on and not at work: restart the server",
                               STR_ARG(names.attr)),
                     names.why);
}

static void inspect_seven_bits(struct inspection *in)
{
    static const char *const NAMES[] = {"nsslapd-pluginarg0", "nsslapd-pluginarg1",
                                        "nsslapd-pluginarg2"};
    const struct directory_entry *e = plugin(in, "NS7bitAttr_Init");
    bool ours = false;
    for (size_t i = 0; is_on(e) && i < sizeof NAMES / sizeof *NAMES; i++)
        ours = ours || str_ieq(directory_value(e, NAMES[i]), in->config->users.rdn) ||
               str_ieq(directory_value(e, NAMES[i]), STR("mail"));
    if (!ours)
        return;
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_NOTE, "seven-bits",
        STR("the plug-in 7-bit check refuses names and addresses beyond ASCII; where that is not "
            "meant, switch it off, then restart the server"),
        NULL);
    switch_it(in, f, e, STR("off"));
}

bool inspect_389(struct inspection *in, struct error *err)
{
    if (!read_server(in, err))
        return false;
    if (in->server.count) {
        inspect_ids(in);
        inspect_uniqueness(in);
        inspect_seven_bits(in);
    } else {
        find_hidden(in);
    }
    return directory_ping(in->conn, err);
}
