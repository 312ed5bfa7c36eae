/* What the server says of itself: the root DSE (RFC 4512 5.1). */
#include "directory/inspect.h"

#define ASSERTION_OID "1.3.6.1.1.12"
#define SYNC_OID "1.3.6.1.4.1.4203.1.9.1.1"

static const struct {
    const char *attr, *oid, *name, *why;
    enum directory_severity severity;
} CAPABILITIES[] = {
    {"supportedControl", ASSERTION_OID, "assertion control (RFC 4528)",
     "a change carries what it was decided on", DIRECTORY_MISSING},
    {"supportedControl", "1.3.6.1.1.13.1", "pre-read control (RFC 4527)",
     "it tells whether a change met what the memory holds", DIRECTORY_MISSING},
    {"supportedControl", "1.3.6.1.1.13.2", "post-read control (RFC 4527)",
     "it tells what a change made", DIRECTORY_MISSING},
    {"supportedControl", SYNC_OID, "content synchronization (RFC 4533)",
     "without it the bridge asks again and again for what others changed", DIRECTORY_ADVICE},
    {"supportedExtension", "1.3.6.1.4.1.4203.1.11.1", "password modify (RFC 3062)",
     "passwords cannot be set", DIRECTORY_ADVICE},
};

static void take_facts(struct inspection *in, const struct directory_entry *root)
{
    json_t *facts = json_object();
    for (size_t i = 0; i < root->attr_count; i++) {
        json_t *values = json_array();
        for (size_t k = 0; k < root->attrs[i].count; k++)
            json_push(values, json_string_safe(root->attrs[i].values[k]));
        json_put(facts, arena_cstr(in->a, root->attrs[i].name), values);
    }
    json_put(in->facts, "rootDSE", facts);
}

enum directory_severity inspect_feed_severity(const struct inspection *in)
{
    return in->config->feed == CONFIG_FEED_SYNCREPL ? DIRECTORY_MISSING : DIRECTORY_ADVICE;
}

/* What this preset goes without is not missed. */
static bool is_needed(const struct inspection *in, const char *oid)
{
    const struct directory_server *server = directory_server(in->d);
    if (str_eq(str_of(oid), STR(SYNC_OID)))
        return server->tells && in->config->feed != CONFIG_FEED_POLL;
    return server->asserts || !str_eq(str_of(oid), STR(ASSERTION_OID));
}

/* Preset and server: one that is taken for another is not looked at further. */
static void inspect_preset(struct inspection *in, const struct directory_entry *root)
{
    in->openldap = root && directory_has(root, "objectClass", STR("OpenLDAProotDSE"));
    in->ds389 = root && str_istarts(directory_value(root, "vendorName"), STR("389 "));
    bool as_389 = in->config->preset == CONFIG_389DS;
    in->mistaken = (in->openldap && as_389) || (in->ds389 && !as_389);
    if (in->mistaken)
        inspect_find(in, DIRECTORY_MISSING, "wrong-preset",
                     in->openldap
                         ? STR("directory.preset is \"389ds\", and the server is OpenLDAP: "
                               "write \"openldap\" (or \"plain\"), and check again")
                         : STR("the server is 389 Directory Server: set directory.preset "
                               "to \"389ds\", and check again"),
                     "what it can and cannot do is taken from the preset");
    else if (!in->openldap && !in->ds389)
        inspect_find(in, DIRECTORY_NOTE, "unknown-server",
                     STR("the server is neither OpenLDAP nor 389 Directory Server, or does not "
                         "say so: its indexes, limits and uniqueness are not looked at; make sure "
                         "of them yourself"),
                     NULL);
}

static void take_suffix(struct inspection *in, const struct directory_entry *root)
{
    const struct directory_attr *contexts = directory_attr(root, "namingContexts");
    struct str users = directory_dn_key(in->a, in->config->users.base);
    for (size_t i = 0; contexts && i < contexts->count; i++)
        if (contexts->values[i].len > in->suffix.len &&
            directory_is_below(users, directory_dn_key(in->a, contexts->values[i])))
            in->suffix = contexts->values[i];
}

bool inspect_root(struct inspection *in, struct error *err)
{
    static const char *const attrs[] = {"objectClass",        "supportedControl",
                                        "supportedExtension", "supportedFeatures",
                                        "namingContexts",     "configContext",
                                        "vendorName",         "vendorVersion",
                                        "subschemaSubentry",  NULL};
    struct directory_entries root;
    if (!inspect_read(in, STR(""), attrs, &root, err))
        return false;
    in->subschema = root.count ? directory_value(&root.at[0], "subschemaSubentry") : STR_NONE;
    if (in->subschema.len == 0)
        in->subschema = STR("cn=Subschema");
    if (root.count) {
        take_facts(in, &root.at[0]);
        take_suffix(in, &root.at[0]);
    }
    inspect_preset(in, root.count ? &root.at[0] : NULL);
    if (in->mistaken)
        return true;
    for (size_t i = 0; i < sizeof CAPABILITIES / sizeof *CAPABILITIES; i++) {
        if (root.count &&
            directory_has(&root.at[0], CAPABILITIES[i].attr, str_of(CAPABILITIES[i].oid)))
            continue;
        bool tells = str_eq(str_of(CAPABILITIES[i].oid), STR(SYNC_OID));
        if (!is_needed(in, CAPABILITIES[i].oid))
            continue;
        struct directory_finding *f = inspect_find(
            in, tells ? inspect_feed_severity(in) : CAPABILITIES[i].severity, "no-capability",
            arena_fmt(in->a, "the server lacks the %s", CAPABILITIES[i].name), CAPABILITIES[i].why);
        if (in->openldap && tells)
            inspect_apply(f, DIRECTORY_APPLY_SLAPD_CONF,
                          STR("moduleload syncprov\noverlay syncprov\nsyncprov-checkpoint 1000 "
                              "5\nsyncprov-sessionlog 10000\n"));
    }
    return true;
}
