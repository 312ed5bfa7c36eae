/* The proof of the access rules: a throw-away person binds and tries to write what
 * only the bridge may, and to read what nobody else may. */
#include "base/log.h"
#include "directory/findings.h"
#include "directory/proof.h"

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

static void try_write(struct proof *p, struct buf *open, const char *what, struct str dn,
                      const char *attr)
{
    const char *value = arena_cstr(p->a, p->user);
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        if (str_eq(str_of(OWN[i].attr), str_of(attr)))
            value = OWN[i].value;
    if (proof_is_allowed(proof_write(p, p->person, dn, attr, value)))
        buf_fmt(open, "%s%s of %s", open->len ? ", " : "", attr, what);
}

static void try_organization(struct proof *p, struct buf *open, const char *what, struct str dn)
{
    const char *member = directory_member_attr(p->d), *owner = directory_owner_attr(p->d);
    if (*owner)
        try_write(p, open, what, dn, owner);
    try_write(p, open, what, dn, member);
}

/* A new token, or a look at the hash of one. */
static void try_tokens(struct proof *p, struct buf *open)
{
    bool own = config_has_schema(&p->d->config->directory);
    char *base = arena_cstr(p->a, p->d->config->directory.tokens_base);
    char *hash[] = {arena_cstr(p->a, own ? STR("kiopsTokenHash") : STR("description")), NULL};
    const char *hashes = own ? "(kiopsTokenHash=*)" : "(description=kiopsTokenHash=*)";
    LDAPMessage *found = NULL;
    int64_t deadline = clock_deadline_in(p->d->config->directory.operation_timeout_ms);
    int msgid = 0;
    if (proof_token(p, p->person) == LDAP_SUCCESS)
        buf_fmt(open, "%sa new token", open->len ? ", " : "");
    int sent = ldap_search_ext(p->person, base, LDAP_SCOPE_ONELEVEL, hashes, hash, 0, NULL, NULL,
                               NULL, 0, &msgid);
    if (sent == LDAP_SUCCESS &&
        directory_ldap_wait(p->person, msgid, LDAP_MSG_ALL, deadline, &found) == LDAP_SUCCESS &&
        ldap_count_entries(p->person, found) > 0)
        buf_fmt(open, "%sthe hash of a token (readable)", open->len ? ", " : "");
    ldap_msgfree(found);
}

bool proof_as_person(struct proof *p, struct buf *open, struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    const struct config_directory *c = &p->d->config->directory;
    struct directory_search all = {.base = c->organizations.base,
                                   .scope = DIRECTORY_SUB,
                                   .filter = c->organizations.filter,
                                   .attrs = none};
    struct directory_entries organizations = {0};
    struct error hidden = ERROR_INIT;
    size_t own = config_has_schema(c) ? sizeof OWN / sizeof *OWN : 0;
    /* A limit, or a base that is not there: the throw-away one serves. */
    if (!directory_find(p->bridge, p->a, &all, &organizations, &hidden) &&
        !directory_ping(p->bridge, err))
        return false;
    for (size_t i = 0; i < own; i++)
        try_write(p, open, "the own entry", p->user, OWN[i].attr);
    if (c->admins_dn.len)
        try_write(p, open, "the platform group", c->admins_dn, "member");
    if (organizations.count)
        try_organization(p, open, "an organization", organizations.at[0].dn);
    else if (p->organization.len)
        try_organization(p, open, "an organization", p->organization);
    try_tokens(p, open);
    return true;
}

/* `*tried` false: no person could be made, or the directory is away. */
static bool prove(struct proof *p, struct buf *open, bool *tried, struct error *err)
{
    *tried = p->person != NULL;
    return !*tried || proof_as_person(p, open, err);
}

static bool takes_no_password(const struct directory *d)
{
    int code = atomic_load(&d->refused);
    return code == LDAP_CONFIDENTIALITY_REQUIRED || code == LDAP_STRONG_AUTH_REQUIRED;
}

bool directory_prove_acl(struct directory *d, bool *away, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_BUF struct buf open;
    struct proof p;
    struct error why = ERROR_INIT;
    bool tried = false;
    *away = false;
    buf_init(&open, 4096);
    if (!d->config->directory.writes) {
        LOG_WARN("acl_unproved", LOG_C("reason", "directory.writes is false"));
        return true;
    }
    *away = !proof_begin(&p, d, a, &why) || !prove(&p, &open, &tried, &why);
    proof_end(&p);
    if (*away && takes_no_password(d))
        return error_set(err, ERR_CONFIG,
                         "%s: set directory.start_tls to \"required\", or use ldaps://",
                         why.detail);
    if (*away)
        LOG_WARN("acl_unproved", LOG_C("reason", why.detail),
                 LOG_C("next", "tried when it is back"));
    else if (!tried)
        LOG_WARN("acl_unproved",
                 LOG_C("reason", "no person could be made to try; run kiops-bridge check"));
    if (open.len == 0)
        return true;
    return error_set(err, ERR_CONFIG,
                     "the directory lets a person write or read: " STR_FMT
                     ". Apply what `kiops-bridge schema acl` prints before the site's own rules",
                     STR_ARG(str_sub(buf_view(&open), 0, 200)));
}
