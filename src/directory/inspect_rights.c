/* Rights by what they let happen: the bridge's account, a person and the operator try, with
 * throw-away entries. */
#include <signal.h>

#include "base/log.h"
#include "directory/inspect.h"
#include "directory/proof.h"
#include "directory/texts.h"

#define REFINT_WAIT_MS 300

struct rights {
    struct inspection *in;
    struct proof p;
    struct buf lacks, open, operator_lacks; /* what the three may not, may, may not */
    bool writes_tokens, applicants_sign_in;
};

static void lack(struct buf *out, const char *what, const char *of)
{
    buf_fmt(out, "%s%s%s%s", out->len ? ", " : "", what, *of ? " of " : "", of);
}

/* ---- the bridge's account */

static const char *value_for(const struct mapping_row *row)
{
    if (row->syntax == MAPPING_BOOLEAN)
        return "TRUE";
    if (row->syntax == MAPPING_TIME)
        return "20260101000000Z";
    return row->syntax == MAPPING_COUNTRY ? "KR" : "1";
}

static void try_one(struct rights *r, struct str dn, const char *attr, const char *value,
                    const char *of)
{
    if (proof_write(&r->p, r->p.bridge->ld, dn, attr, value) == LDAP_INSUFFICIENT_ACCESS)
        lack(&r->lacks, attr, of);
}

static void try_person(struct rights *r)
{
    static const char *const OURS[] = {"kiopsJoined",   "kiopsManager",  "kiopsPermission",
                                       "kiopsRequest",  "kiopsRejected", "kiopsExternalId",
                                       "kiopsResource", "objectClass"};
    const struct directory_mapping *m = r->in->d->mapping;
    size_t ours = config_has_schema(r->in->config) ? sizeof OURS / sizeof *OURS : 0;
    for (size_t i = 0; i < ours; i++)
        try_one(r, r->p.user, OURS[i], i == 7 ? "kiopsUser" : "proof:1", "people");
    for (size_t i = 0; i < m->row_count; i++)
        if (!m->rows[i].read_only && !m->rows[i].names_entry &&
            !mapping_plain_is_lock(m, &m->rows[i]))
            try_one(r, r->p.user, m->rows[i].ldap, value_for(&m->rows[i]), "people");
    if (m->external)
        try_one(r, r->p.user, m->external, "1", "people");
    const char *lock = mapping_lock_attribute(r->in->config, r->in->a);
    if (lock)
        try_one(r, r->p.user, lock, "000001010000Z", "people");
}

static void try_organization(struct rights *r, struct str dn)
{
    static const char *const OURS[] = {"kiopsJoinPolicy", "kiopsExternalId", "kiopsResource"};
    const char *person = arena_cstr(r->in->a, r->p.user), *owner = directory_owner_attr(r->in->d);
    try_one(r, dn, directory_member_attr(r->in->d), person, "organizations");
    if (*owner)
        try_one(r, dn, owner, person, "organizations");
    try_one(r, dn, "description", "proof:1", "organizations");
    if (!config_has_schema(r->in->config))
        return;
    for (size_t i = 0; i < sizeof OURS / sizeof *OURS; i++)
        try_one(r, dn, OURS[i], "proof:1", "organizations");
    try_one(r, dn, "objectClass", "kiopsManagedOrganization", "organizations");
}

/* What was written, does the account see it? */
static bool try_reading(struct rights *r, struct str dn, const char *const *attrs, const char *of,
                        struct error *err)
{
    struct directory_search s = {.base = dn, .scope = DIRECTORY_BASE, .attrs = attrs};
    struct directory_entries found;
    if (!directory_find(r->p.bridge, r->in->a, &s, &found, err))
        return false;
    for (size_t i = 0; attrs[i]; i++)
        if (found.count == 0 || !directory_attr(&found.at[0], attrs[i]))
            lack(&r->lacks, arena_fmt(r->in->a, "read %s", attrs[i]).at, of);
    return true;
}

static bool try_bridge(struct rights *r, struct error *err)
{
    struct inspection *in = r->in;
    const char *owner = directory_owner_attr(in->d);
    const char *version = in->ds389 ? "modifyTimestamp" : "entryCSN";
    const char *const of_user[] = {"entryUUID", version, arena_cstr(in->a, in->config->users.rdn),
                                   NULL};
    const char *const of_organization[] = {"entryUUID", version, directory_member_attr(in->d),
                                           *owner ? owner : NULL, NULL};
    if (!try_reading(r, r->p.user, of_user, "people", err))
        return false;
    try_person(r);
    if (r->p.organization.len) {
        if (!try_reading(r, r->p.organization, of_organization, "organizations", err))
            return false;
        try_organization(r, r->p.organization);
    } else if (r->p.organization_code == LDAP_INSUFFICIENT_ACCESS) {
        lack(&r->lacks, "new organizations", "");
    }
    if (in->config->admins_dn.len)
        try_one(r, in->config->admins_dn, "member", arena_cstr(in->a, r->p.user),
                "the platform group");
    if (proof_password(&r->p, r->p.bridge->ld, r->p.user, r->p.password) ==
        LDAP_INSUFFICIENT_ACCESS)
        lack(&r->lacks, "passwords (RFC 3062)", "people");
    r->writes_tokens = proof_token(&r->p, r->p.bridge->ld) == LDAP_SUCCESS;
    return true;
}

/* Last: the person has another name from here on. */
static void try_rename(struct rights *r)
{
    const struct config_users *users = &r->in->config->users;
    struct str rdn =
        arena_fmt(r->in->a, STR_FMT "=" STR_FMT "b", STR_ARG(users->rdn), STR_ARG(r->p.user_name));
    int code = proof_rename(&r->p, r->p.bridge->ld, r->p.user, rdn);
    if (code == LDAP_SUCCESS)
        r->p.user =
            arena_fmt(r->in->a, STR_FMT "," STR_FMT, STR_ARG(rdn), STR_ARG(users->create_in));
    else if (code == LDAP_INSUFFICIENT_ACCESS)
        lack(&r->lacks, "new names (modrdn)", "people");
}

/* ---- who signed up, and whom nobody approved */

static bool try_applicant(struct rights *r, struct error *err)
{
    struct error why = ERROR_INIT;
    if (!r->in->d->config->signup.enabled)
        return true;
    if (!proof_add_applicant(&r->p, err))
        return false;
    if (r->p.applicant_code == LDAP_INSUFFICIENT_ACCESS)
        lack(&r->lacks, "new entries", "signup.container");
    r->applicants_sign_in = directory_bind_person(r->in->d, r->p.applicant, r->p.password, &why);
    return true;
}

/* ---- the operator's account, where its password may be read */

static void try_operator(struct rights *r)
{
    struct error why = ERROR_INIT;
    struct directory_link link = {0};
    int64_t deadline = clock_deadline_in(r->in->config->operation_timeout_ms);
    if (!r->in->config->operator_account.bind_dn.len)
        return;
    if (directory_connect(r->in->d, DIRECTORY_OPERATOR, deadline, &link, &why)) {
        int code = proof_token(&r->p, link.ld);
        if (code == LDAP_INSUFFICIENT_ACCESS || code == LDAP_NO_SUCH_OBJECT)
            lack(&r->operator_lacks, "new tokens", "");
        directory_link_close(link.ld);
    } else if (why.kind != ERR_CONFIG) {
        inspect_find(r->in, DIRECTORY_MISSING, "operator-refused",
                     arena_fmt(r->in->a, "%s", why.detail), "no token can be made");
    } else {
        inspect_find(r->in, DIRECTORY_NOTE, "operator-untried",
                     STR("the operator's rights are not tried: its password file cannot be read "
                         "here, as it should be for the service's user"),
                     NULL);
    }
}

/* ---- effects that stand in for a cn=config that cannot be read */

static void try_uniqueness(struct rights *r)
{
    struct inspection *in = r->in;
    const struct config_users *users = &in->config->users;
    bool by_cn = str_ieq(users->rdn, STR("cn"));
    struct str other = arena_fmt(in->a, STR_FMT "-twin", STR_ARG(r->p.user_name));
    struct str dn = arena_fmt(in->a, "%s=" STR_FMT "," STR_FMT, by_cn ? "sn" : "cn", STR_ARG(other),
                              STR_ARG(users->create_in));
    struct directory_mods m;
    struct directory_result result = {0};
    struct error why = ERROR_INIT;
    directory_mods_init(&m, in->a);
    directory_mods_push(&m, DIRECTORY_ADD, "objectClass", users->object_classes.at,
                        users->object_classes.count);
    directory_mods_one(&m, DIRECTORY_ADD, "cn", by_cn ? r->p.user_name : other);
    directory_mods_one(&m, DIRECTORY_ADD, "sn", other);
    if (!by_cn)
        directory_mods_one(&m, DIRECTORY_ADD, arena_cstr(in->a, users->rdn), r->p.user_name);
    bool twice =
        directory_add(r->p.bridge, dn, &m, &result, &why) && result.outcome == DIRECTORY_DONE;
    if (!twice)
        return;
    proof_delete(&r->p, r->p.bridge->ld, dn);
    if (in->ds389) {
        inspect_389_twice(in);
        return;
    }
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, "no-unique",
                     arena_fmt(in->a, "two entries below " STR_FMT " could have the same " STR_FMT,
                               STR_ARG(users->base), STR_ARG(users->rdn)),
                     "two creates at once could share a userName");
    struct str names = inspect_unique_uri(in, users->base, users->rdn);
    struct str hashes = STR_NONE;
    if (config_has_schema(in->config))
        hashes = arena_fmt(
            in->a, "unique_uri \"" STR_FMT "\"\n",
            STR_ARG(inspect_unique_uri(in, in->config->tokens_base, STR("kiopsTokenHash"))));
    bool loaded = inspect_knows(in, STR("olcUniqueURI")); /* else slapd would not start again */
    inspect_apply_server(in, f, STR_NONE,
                         arena_fmt(in->a, "%soverlay unique\nunique_uri \"" STR_FMT "\"\n" STR_FMT,
                                   loaded ? "" : "moduleload unique\n", STR_ARG(names),
                                   STR_ARG(hashes)));
}

/* The key of the throw-away organization's owner; empty: none, or not readable. */
static struct str owner_of(struct rights *r)
{
    struct arena *a = r->in->a;
    const char *owner = directory_owner_attr(r->in->d);
    const char *const attrs[] = {owner, NULL};
    struct directory_search s = {
        .base = r->p.organization, .scope = DIRECTORY_BASE, .attrs = attrs};
    struct directory_entries found;
    struct error away = ERROR_INIT;
    if (!directory_find(r->p.bridge, a, &s, &found, &away) || found.count == 0)
        return STR_NONE;
    return directory_dn_key(a, directory_value(&found.at[0], owner));
}

/* The only owner is deleted; what stands there then is refint's doing. */
static void try_refint(struct rights *r)
{
    struct inspection *in = r->in;
    bool owned = r->p.organization.len && *directory_owner_attr(in->d);
    struct str before = owned ? owner_of(r) : STR_NONE, now = before;
    struct str person = directory_dn_key(in->a, r->p.user); /* refint follows try_rename() late */
    int64_t until = clock_deadline_in(REFINT_WAIT_MS);
    if (!before.len || proof_delete(&r->p, r->p.bridge->ld, r->p.user) != LDAP_SUCCESS)
        return;
    r->p.user = STR_NONE;
    while ((str_eq(now, before) || str_eq(now, person)) && clock_left_ms(until))
        now = owner_of(r);
    if (now.len == 0 || str_eq(now, before) || str_eq(now, person))
        return;
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, "refint-nothing",
                     arena_fmt(in->a, "overlay refint puts " STR_FMT " into an empty " STR_FMT,
                               STR_ARG(now), STR_ARG(in->config->organizations.owner)),
                     "an organization gets an owner whom nobody made one");
    inspect_apply_server(
        in, f, STR_NONE,
        STR("# remove the line refint_nothing, or owner from refint_attributes\n"));
}

/* ---- the findings */

static struct str acl_ldif(struct inspection *in)
{
    const struct directory_entry *database = inspect_database(in, in->config->users.base);
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    if (!database)
        return STR_NONE;
    directory_acl_values(&in->whole, &out);
    struct str head = inspect_line(in->a, "dn", database->dn);
    struct str changes = inspect_first(in, database, "olcAccess", buf_view(&out));
    return arena_fmt(in->a,
                     STR_FMT "changetype: modify\nreplace: olcAddContentAcl\nolcAddContentAcl: "
                             "TRUE\n-\n" STR_FMT "\n",
                     STR_ARG(head), STR_ARG(changes));
}

static struct str acl_conf(struct inspection *in)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    directory_acl_settings(in->config, &out);
    directory_acl_print(&in->whole, &out);
    return arena_str(in->a, buf_view(&out));
}

/* One finding, since one text mends all of it. */
static void find_rules(struct rights *r)
{
    struct arena *a = r->in->a;
    struct str open = buf_view(&r->open), lacks = buf_view(&r->lacks);
    struct str operator_lacks = buf_view(&r->operator_lacks);
    struct str text = STR("access rules:");
    if (open.len)
        text = arena_fmt(a, STR_FMT " a person may write or read " STR_FMT ";", STR_ARG(text),
                         STR_ARG(open));
    if (lacks.len)
        text = arena_fmt(a, STR_FMT " the bridge's account may not write " STR_FMT ";",
                         STR_ARG(text), STR_ARG(lacks));
    if (operator_lacks.len)
        text = arena_fmt(a, STR_FMT " the operator's account may not write " STR_FMT ";",
                         STR_ARG(text), STR_ARG(operator_lacks));
    if (r->writes_tokens)
        text = arena_fmt(a, STR_FMT " the bridge's account may make tokens;", STR_ARG(text));
    if (r->applicants_sign_in)
        text = arena_fmt(a, STR_FMT " who signed up may bind before they are approved;",
                         STR_ARG(text));
    if (text.at[text.len - 1] != ';')
        return;
    text.len--;
    const char *why = "changes would be refused half way, or made by the wrong account";
    if (open.len)
        why = config_has_schema(r->in->config)
                  ? "who writes these gives themselves roles"
                  : "who writes these joins groups at will, or acts as a token";
    if (r->in->ds389) {
        struct inspect_effect effect = {.lacks = lacks.len || operator_lacks.len,
                                        .open = open.len || r->writes_tokens,
                                        .unlocked = r->applicants_sign_in};
        inspect_389_find_rules(r->in, &effect, text, why);
        return;
    }
    struct directory_finding *f = inspect_find(r->in, DIRECTORY_MISSING, "access-rules", text, why);
    inspect_apply_server(r->in, f, acl_ldif(r->in), acl_conf(r->in));
}

/* Without it, who may add an entry adds it with any value. */
static void find_content(struct inspection *in)
{
    const struct directory_entry *database = inspect_database(in, in->config->users.base);
    if (!database || str_ieq(directory_value(database, "olcAddContentAcl"), STR("TRUE")))
        return;
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_ADVICE, "no-content-acl",
        STR("add_content_acl is off: rules for attributes do not hold for new entries"),
        "who may add an entry could give it what the bridge alone may write");
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  inspect_modify(in->a, database->dn, "replace", "olcAddContentAcl", STR("TRUE")));
}

static void find_no_login(struct inspection *in)
{
    const struct directory_entry *database = inspect_database(in, in->config->users.base);
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_ADVICE, "person-untried",
                     STR("the access rules of people are unproved: the throw-away person could not "
                         "sign in"),
                     "people sign in by a bind, for which anybody needs the right auth");
    static const char RULE[] =
        "to dn.subtree=\"" STR_FMT "\" attrs=userPassword by anonymous auth by * break";
    struct str base = in->config->users.base;
    struct str rule = arena_fmt(in->a, RULE, STR_ARG(directory_quoted(in->a, base, false)));
    struct str conf = arena_fmt(in->a, RULE, STR_ARG(directory_quoted(in->a, base, true)));
    struct str ldif = database ? inspect_modify_first(in, database, "olcAccess", rule) : STR_NONE;
    inspect_apply_server(in, f, ldif, arena_fmt(in->a, "access " STR_FMT "\n", STR_ARG(conf)));
}

static void find_unmade(struct rights *r)
{
    struct arena *a = r->in->a;
    if (r->p.user_code == LDAP_REFERRAL) {
        inspect_find(r->in, DIRECTORY_MISSING, "first-is-consumer",
                     arena_fmt(a,
                               "%s refers writes to " STR_FMT ": put that server first in "
                               "directory.uris",
                               r->in->d->servers.at[0].uri, STR_ARG(r->p.referral)),
                     "the bridge reads and writes the first server of the list");
        return;
    }
    if (r->p.user_code == LDAP_INSUFFICIENT_ACCESS) {
        lack(&r->lacks, "new entries", "people");
        return;
    }
    inspect_find(r->in, DIRECTORY_MISSING, "no-new-users",
                 arena_fmt(a, "a new user below " STR_FMT " is refused: %s",
                           STR_ARG(r->in->config->users.create_in),
                           ldap_err2string(r->p.user_code)),
                 r->p.user_code == LDAP_UNWILLING_TO_PERFORM
                     ? "is the database read-only? 389 Directory Server's is while an index is "
                       "filled: check again then"
                     : "look at directory.users.object_classes and the server's overlays");
}

static bool try_all(struct rights *r, struct error *err)
{
    if (!proof_begin(&r->p, r->in->d, r->in->a, err))
        return false;
    if (!r->p.user.len) {
        find_unmade(r);
        return true;
    }
    bool grouped = config_groups_read_only(r->in->config) || proof_add_organization(&r->p, err);
    if (!grouped || !try_bridge(r, err))
        return false;
    if (r->p.person && !proof_as_person(&r->p, &r->open, err))
        return false;
    if (!r->p.person)
        find_no_login(r->in);
    if (!try_applicant(r, err))
        return false;
    if (r->in->server.count == 0 || r->in->ds389)
        try_uniqueness(r);
    try_rename(r);
    if (r->in->server.count == 0 && !r->in->ds389)
        try_refint(r);
    try_operator(r);
    return true;
}

static bool is_ready(const struct inspection *in)
{
    return !inspect_has(in, "no-schema") && !inspect_has(in, "no-entry") &&
           !inspect_has(in, "no-entry-uuid") && !inspect_has(in, "access-rules");
}

static void find_left(struct inspection *in, const struct proof *p)
{
    const struct str left[] = {p->organization, p->applicant, p->user, p->token};
    struct str ldif = STR("");
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (left[i].len)
            ldif = arena_fmt(in->a, STR_FMT STR_FMT "changetype: delete\n\n", STR_ARG(ldif),
                             STR_ARG(inspect_line(in->a, "dn", left[i])));
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_ADVICE, "proof-left",
        STR("throw-away entries of this check could not be deleted: a check that may, a minute "
            "later, does it, or delete them yourself"),
        NULL);
    inspect_apply(f, DIRECTORY_APPLY_ENTRIES, ldif);
}

/* A key pressed meanwhile ends the program when the entries are gone again. */
static void hold_signals(bool hold, sigset_t *before)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigaddset(&ends, SIGQUIT);
    if (hold)
        pthread_sigmask(SIG_BLOCK, &ends, before);
    else
        pthread_sigmask(SIG_SETMASK, before, NULL);
}

bool inspect_rights(struct inspection *in, struct error *err)
{
    struct rights r = {.in = in};
    sigset_t before;
    find_content(in);
    if (!in->config->writes || !is_ready(in)) {
        inspect_find(in, DIRECTORY_NOTE, "rights-untried",
                     in->config->writes
                         ? STR("the access rules are tried when the schema and the entries above "
                               "are there")
                         : STR("the access rules are not tried: directory.writes is false; run "
                               "check with it on before the first write"),
                     NULL);
        return true;
    }
    buf_init(&r.lacks, 1 << 16);
    buf_init(&r.open, 1 << 16);
    buf_init(&r.operator_lacks, 1 << 16);
    hold_signals(true, &before);
    bool ok = try_all(&r, err);
    if (!proof_end(&r.p))
        find_left(in, &r.p);
    hold_signals(false, &before);
    if (ok)
        find_rules(&r);
    buf_free(&r.lacks);
    buf_free(&r.open);
    buf_free(&r.operator_lacks);
    return ok;
}
