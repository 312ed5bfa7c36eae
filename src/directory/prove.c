/* The proof of the access rules (DESIGN 3.4): a throw-away person binds and tries to write what
 * only the bridge may. Every try takes back in the same modify what it adds, so a success leaves
 * nothing behind. */
#include "base/hash.h"
#include "base/log.h"
#include "directory/internal.h"

struct proof {
    struct directory *d;
    struct arena *a;
    LDAP *person;
    struct str dn;
    struct buf open; /* what a try could do */
};

static const struct {
    const char *attr, *value;
} OWN[] = {
    {"kiopsJoined", "platform:20260101000000Z.00000000"},
    {"kiopsManager", "00000000-0000-0000-0000-000000000000"},
    {"kiopsPermission", "00000000-0000-0000-0000-000000000000:vpn"},
    {"kiopsRequest", "00000000-0000-0000-0000-000000000000:20260101000000Z.00000000"},
    {"kiopsRejected", "00000000-0000-0000-0000-000000000000:20260101000000Z"},
    {"kiopsActive", "FALSE"},
    {"kiopsExternalId", "proof:1"},
    {"kiopsResource", "{}"},
};

static int answer(LDAP *ld, int sent, int msgid, int64_t deadline)
{
    LDAPMessage *message = NULL;
    int code = sent == LDAP_SUCCESS
                   ? directory_ldap_wait(ld, msgid, LDAP_MSG_ALL, deadline, &message)
                   : sent;
    if (code != LDAP_SUCCESS)
        return code;
    int parsed = ldap_parse_result(ld, message, &code, NULL, NULL, NULL, NULL, 1);
    return parsed == LDAP_SUCCESS ? code : parsed;
}

/* `add V; delete V` as the person: did the server let it pass? */
static bool may_write(struct proof *p, struct str dn, const char *attr, const char *value)
{
    char *values[] = {arena_cstr(p->a, str_of(value)), NULL};
    char *name = arena_cstr(p->a, str_of(attr));
    LDAPMod add = {LDAP_MOD_ADD, name, {.modv_strvals = values}};
    LDAPMod del = {LDAP_MOD_DELETE, name, {.modv_strvals = values}};
    LDAPMod *mods[] = {&add, &del, NULL};
    int msgid = 0;
    int sent = ldap_modify_ext(p->person, arena_cstr(p->a, dn), mods, NULL, NULL, &msgid);
    return answer(p->person, sent, msgid,
                  clock_deadline_in(p->d->config->directory.operation_timeout_ms)) == LDAP_SUCCESS;
}

static void try_write(struct proof *p, const char *what, struct str dn, const char *attr,
                      const char *value)
{
    if (may_write(p, dn, attr, value))
        buf_fmt(&p->open, "%s%s of %s", p->open.len ? ", " : "", attr, what);
}

static void try_groups(struct proof *p, const struct directory_entries *organizations)
{
    const char *self = arena_cstr(p->a, p->dn);
    try_write(p, "the platform group", p->d->config->directory.admins_dn, "member", self);
    if (organizations->count == 0)
        return;
    try_write(p, "an organization", organizations->at[0].dn, "owner", self);
    try_write(p, "an organization", organizations->at[0].dn, "member", self);
}

/* A new token, or a look at the hash of one. */
static void try_tokens(struct proof *p)
{
    struct arena *a = p->a;
    struct str base = p->d->config->directory.tokens_base;
    struct str dn = arena_fmt(a, "cn=kiops-proof," STR_FMT, STR_ARG(base));
    char *class[] = {arena_cstr(a, STR("kiopsPrincipal")), NULL};
    LDAPMod object = {LDAP_MOD_ADD, arena_cstr(a, STR("objectClass")), {.modv_strvals = class}};
    LDAPMod *attrs[] = {&object, NULL};
    int msgid = 0, sent = ldap_add_ext(p->person, dn.at, attrs, NULL, NULL, &msgid);
    int64_t deadline = clock_deadline_in(p->d->config->directory.operation_timeout_ms);
    if (answer(p->person, sent, msgid, deadline) == LDAP_SUCCESS) {
        ldap_delete_ext(p->person, dn.at, NULL, NULL, &msgid);
        buf_fmt(&p->open, "%sa new token", p->open.len ? ", " : "");
    }
    char *hash[] = {arena_cstr(a, STR("kiopsTokenHash")), NULL};
    LDAPMessage *found = NULL;
    sent = ldap_search_ext(p->person, arena_cstr(a, base), LDAP_SCOPE_ONELEVEL,
                           "(kiopsTokenHash=*)", hash, 0, NULL, NULL, NULL, 0, &msgid);
    if (sent == LDAP_SUCCESS &&
        directory_ldap_wait(p->person, msgid, LDAP_MSG_ALL, deadline, &found) == LDAP_SUCCESS &&
        ldap_count_entries(p->person, found) > 0)
        buf_fmt(&p->open, "%sthe hash of a token (readable)", p->open.len ? ", " : "");
    ldap_msgfree(found);
}

static bool add_person(struct proof *p, struct directory_conn *bridge, struct str password,
                       bool *made, struct error *err)
{
    const struct config_users *users = &p->d->config->directory.users;
    struct directory_mods m;
    struct directory_result result = {0};
    uint64_t random;
    hash_random(&random, sizeof random);
    struct str name = arena_fmt(p->a, "kiops-proof-%016llx", (unsigned long long)random);
    p->dn = arena_fmt(p->a, STR_FMT "=" STR_FMT "," STR_FMT, STR_ARG(users->rdn), STR_ARG(name),
                      STR_ARG(users->create_in));
    directory_mods_init(&m, p->a);
    directory_mods_push(&m, DIRECTORY_ADD, "objectClass", users->object_classes.at,
                        users->object_classes.count);
    directory_mods_one(&m, DIRECTORY_ADD, arena_cstr(p->a, users->rdn), name);
    if (!str_ieq(users->rdn, STR("cn")))
        directory_mods_one(&m, DIRECTORY_ADD, "cn", name);
    directory_mods_one(&m, DIRECTORY_ADD, "sn", name);
    directory_mods_one(&m, DIRECTORY_ADD, "userPassword", password);
    *made = directory_add(bridge, p->dn, &m, &result, err) && result.outcome == DIRECTORY_DONE;
    if (*made || err->kind == ERR_NONE)
        return true;
    bool away = result.outcome == DIRECTORY_UNKNOWN;
    LOG_WARN("acl_unproved", LOG_C("reason", err->detail));
    error_clear(err);
    return !away || error_set(err, ERR_UNAVAILABLE, "the directory did not answer");
}

static bool run_tries(struct proof *p, struct directory_conn *bridge, struct str password,
                      bool *proved)
{
    static const char *const none[] = {"1.1", NULL};
    struct error why = ERROR_INIT;
    struct directory_search first = {.base = p->d->config->directory.organizations.base,
                                     .scope = DIRECTORY_SUB,
                                     .filter = p->d->config->directory.organizations.filter,
                                     .attrs = none};
    struct directory_entries organizations = {0};
    *proved = directory_find(bridge, p->a, &first, &organizations, &why) &&
              directory_connect_person(p->d, p->dn, password, &p->person, &why);
    if (!*proved) {
        LOG_WARN("acl_unproved", LOG_C("reason", why.detail));
        return true;
    }
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        try_write(p, "the own entry", p->dn, OWN[i].attr, OWN[i].value);
    try_groups(p, &organizations);
    try_tokens(p);
    ldap_unbind_ext(p->person, NULL, NULL);
    return true;
}

bool directory_try_as_person(struct directory *d, struct arena *a, struct str *open, bool *proved,
                             struct error *err)
{
    struct proof p = {.d = d, .a = a};
    struct directory_conn *bridge = directory_open(d, DIRECTORY_SERVICE);
    uint64_t secret[2];
    bool made = false;
    hash_random(secret, sizeof secret);
    struct str password = arena_fmt(a, "%016llx%016llx", (unsigned long long)secret[0],
                                    (unsigned long long)secret[1]);
    buf_init(&p.open, 4096);
    *proved = false;
    bool ok = add_person(&p, bridge, password, &made, err) &&
              (!made || run_tries(&p, bridge, password, proved));
    if (made) {
        struct directory_result result = {0};
        struct directory_target target = {.dn = p.dn};
        struct error why = ERROR_INIT;
        if (!directory_delete(bridge, a, &target, &result, &why))
            LOG_WARN("acl_proof_left_over", LOG_S("dn", p.dn), LOG_C("reason", why.detail));
    }
    *open = arena_str(a, buf_view(&p.open));
    buf_free(&p.open);
    directory_close(bridge);
    return ok;
}

bool directory_prove_acl(struct directory *d, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str open = STR_NONE;
    bool proved;
    struct error why = ERROR_INIT;
    if (!directory_try_as_person(d, a, &open, &proved, &why)) {
        LOG_WARN("acl_unproved", LOG_C("reason", why.detail));
        return true;
    }
    if (!proved)
        LOG_WARN("acl_unproved",
                 LOG_C("reason", "no person could be made to try; run kiops-bridge check"));
    if (open.len == 0)
        return true;
    return error_set(err, ERR_CONFIG,
                     "the directory lets a person write or read: " STR_FMT
                     ". Apply what `kiops-bridge schema acl` prints before the site's own rules",
                     STR_ARG(str_sub(open, 0, 200)));
}
