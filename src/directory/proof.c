/* Throw-away entries: their names, and how they are made and taken away again. */
#include "directory/proof.h"

#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "directory/findings.h"

#define LEFT_OVER_US (INT64_C(60) * 1000000)
#define NAME "kiops-proof-"
#define DIGITS 16

/* ---- single operations */

static int64_t soon(const struct proof *p)
{
    return clock_deadline_in(p->d->config->directory.operation_timeout_ms);
}

static int answer(struct proof *p, LDAP *ld, int sent, int msgid)
{
    LDAPMessage *message = NULL;
    char **referrals = NULL;
    int code = sent == LDAP_SUCCESS
                   ? directory_ldap_wait(ld, msgid, LDAP_MSG_ALL, soon(p), &message)
                   : sent;
    if (code != LDAP_SUCCESS)
        return code > 0 ? LDAP_OTHER : code;
    int parsed = ldap_parse_result(ld, message, &code, NULL, NULL, &referrals, NULL, 1);
    if (referrals && referrals[0])
        p->referral = arena_str(p->a, str_of(referrals[0]));
    ldap_memvfree((void **)referrals);
    return parsed == LDAP_SUCCESS ? code : parsed;
}

int proof_write(struct proof *p, LDAP *as, struct str dn, const char *attr, const char *value)
{
    char *values[] = {arena_cstr(p->a, str_of(value)), NULL};
    char *name = arena_cstr(p->a, str_of(attr));
    LDAPMod first = {LDAP_MOD_ADD, name, {.modv_strvals = values}}, second = first;
    LDAPMod *mods[] = {&first, &second, NULL};
    int msgid = 0;
    int sent = ldap_modify_ext(as, arena_cstr(p->a, dn), mods, NULL, NULL, &msgid);
    return answer(p, as, sent, msgid);
}

bool proof_is_allowed(int code)
{
    return code == LDAP_TYPE_OR_VALUE_EXISTS || code == LDAP_SUCCESS ||
           code == LDAP_INAPPROPRIATE_MATCHING || code == LDAP_OBJECT_CLASS_VIOLATION;
}

int proof_add(struct proof *p, LDAP *as, struct str dn, LDAPMod **attrs)
{
    int msgid = 0;
    int sent = ldap_add_ext(as, arena_cstr(p->a, dn), attrs, NULL, NULL, &msgid);
    return answer(p, as, sent, msgid);
}

int proof_delete(struct proof *p, LDAP *as, struct str dn)
{
    int msgid = 0;
    int sent = ldap_delete_ext(as, arena_cstr(p->a, dn), NULL, NULL, &msgid);
    return answer(p, as, sent, msgid);
}

int proof_rename(struct proof *p, LDAP *as, struct str dn, struct str new_rdn)
{
    int msgid = 0;
    int sent = ldap_rename(as, arena_cstr(p->a, dn), arena_cstr(p->a, new_rdn), NULL, 1, NULL, NULL,
                           &msgid);
    return answer(p, as, sent, msgid);
}

int proof_password(struct proof *p, LDAP *as, struct str dn, struct str password)
{
    struct berval who = directory_berval(dn), new = directory_berval(password);
    int msgid = 0;
    int sent = ldap_passwd(as, &who, NULL, &new, NULL, NULL, &msgid);
    return answer(p, as, sent, msgid);
}

static struct str fresh_name(struct arena *a)
{
    uint64_t random;
    hash_random(&random, sizeof random);
    return arena_fmt(a, NAME "%016llx", (unsigned long long)random);
}

int proof_token(struct proof *p, LDAP *as)
{
    struct str dn = arena_fmt(p->a, "cn=" STR_FMT "," STR_FMT, STR_ARG(fresh_name(p->a)),
                              STR_ARG(p->d->config->directory.tokens_base));
    bool own = config_has_schema(&p->d->config->directory);
    char *class[] = {arena_cstr(p->a, own ? STR("kiopsPrincipal") : STR("organizationalRole")),
                     NULL};
    LDAPMod object = {LDAP_MOD_ADD, arena_cstr(p->a, STR("objectClass")), {.modv_strvals = class}};
    LDAPMod *attrs[] = {&object, NULL};
    int code = proof_add(p, as, dn, attrs);
    if (code != LDAP_SUCCESS)
        return code;
    code = proof_delete(p, as, dn);
    if (code != LDAP_SUCCESS)
        p->token = dn;
    return code;
}

/* ---- what a killed run left */

/* Who is at work sees the throw-away entries; nobody else in this process does. */
static _Thread_local bool at_work;

/* What tries add to the name: a rename, and a second entry of one name. */
static const struct str ENDINGS[] = {STR_INIT(""), STR_INIT("b"), STR_INIT("-twin")};

bool directory_is_proof_name(struct str name)
{
    if (!str_starts(name, STR(NAME)))
        return false;
    struct str digits = str_sub(name, STR(NAME).len, DIGITS);
    struct str rest = str_sub(name, STR(NAME).len + digits.len, name.len);
    for (size_t i = 0; i < digits.len; i++)
        if (!memchr("0123456789abcdef", digits.at[i], 16))
            return false;
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++)
        if (str_eq(rest, ENDINGS[i]))
            return digits.len == DIGITS;
    return false;
}

/* As we wrote it: no spelling but ours is meant. */
static bool is_ours(struct str dn)
{
    size_t equals, comma;
    if (!str_find(dn, '=', &equals) || !str_find(dn, ',', &comma) || comma < equals)
        return false;
    return directory_is_proof_name(str_sub(dn, equals + 1, comma - equals - 1));
}

bool directory_is_proof(struct str dn)
{
    return !at_work && is_ours(dn);
}

static bool sweep_below(struct proof *p, struct str base, struct error *err)
{
    static const char *const attrs[] = {"createTimestamp", NULL};
    struct directory_search s = {.base = base,
                                 .scope = DIRECTORY_SUB,
                                 .filter = STR("(|(cn=" NAME "*)(uid=" NAME "*))"),
                                 .attrs = attrs};
    struct directory_entries found = {0};
    struct error hidden = ERROR_INIT;
    if (!directory_find(p->bridge, p->a, &s, &found, &hidden))
        return directory_ping(p->bridge, err);
    for (size_t i = 0; i < found.count; i++) {
        instant_t made = INSTANT_NONE;
        struct str time = directory_value(&found.at[i], "createTimestamp");
        if (!is_ours(found.at[i].dn) || !clock_parse_generalized(time, &made) ||
            made > clock_now() - LEFT_OVER_US)
            continue;
        if (!directory_ping(p->bridge, err))
            return false;
        int code = proof_delete(p, p->bridge->ld, found.at[i].dn);
        LOG_INFO("acl_proof_cleared", LOG_S("dn", found.at[i].dn), LOG_I("code", code));
    }
    return true;
}

static bool sweep(struct proof *p, struct error *err)
{
    const struct config_directory *c = &p->d->config->directory;
    return sweep_below(p, c->users.base, err) && sweep_below(p, c->organizations.base, err) &&
           sweep_below(p, c->tokens_base, err) &&
           (!p->d->config->signup.enabled || sweep_below(p, p->d->config->signup.container, err));
}

/* ---- the entries */

static void init_entry(struct proof *p, struct directory_mods *m,
                       const struct config_strings *classes, struct str rdn, struct str name)
{
    directory_mods_init(m, p->a);
    directory_mods_push(m, DIRECTORY_ADD, "objectClass", classes->at, classes->count);
    directory_mods_one(m, DIRECTORY_ADD, arena_cstr(p->a, rdn), name);
    if (!str_ieq(rdn, STR("cn")))
        directory_mods_one(m, DIRECTORY_ADD, "cn", name);
}

/* `*code`: 0, or the server's refusal. false: it is away. */
static bool add_entry(struct proof *p, struct str dn, const struct directory_mods *m, int *code,
                      struct error *err)
{
    struct directory_result result = {0};
    struct error why = ERROR_INIT;
    bool made = directory_add(p->bridge, dn, m, &result, &why) && result.outcome == DIRECTORY_DONE;
    *code = made ? LDAP_SUCCESS : result.code;
    if (made || (result.outcome != DIRECTORY_UNKNOWN && *code != LDAP_REFERRAL))
        return true;
    /* It may be there all the same; and a consumer says once more where writes go. */
    if (!directory_ping(p->bridge, err))
        return false;
    proof_delete(p, p->bridge->ld, dn);
    return *code > 0 || error_set(err, ERR_UNAVAILABLE, "the directory did not answer");
}

static struct str person_dn(const struct proof *p, struct str name, struct str below)
{
    return arena_fmt(p->a, STR_FMT "=" STR_FMT "," STR_FMT,
                     STR_ARG(p->d->config->directory.users.rdn), STR_ARG(name), STR_ARG(below));
}

static bool add_person(struct proof *p, struct str name, struct str dn, int *code,
                       struct error *err)
{
    const struct config_users *users = &p->d->config->directory.users;
    struct directory_mods m;
    init_entry(p, &m, &users->object_classes, users->rdn, name);
    directory_mods_one(&m, DIRECTORY_ADD, "sn", name);
    directory_mods_one(&m, DIRECTORY_ADD, "userPassword", p->password);
    return add_entry(p, dn, &m, code, err);
}

static bool add_user(struct proof *p, struct error *err)
{
    p->user_name = fresh_name(p->a);
    struct str dn = person_dn(p, p->user_name, p->d->config->directory.users.create_in);
    if (!add_person(p, p->user_name, dn, &p->user_code, err))
        return false;
    if (p->user_code == LDAP_SUCCESS)
        p->user = dn;
    return true;
}

bool proof_add_applicant(struct proof *p, struct error *err)
{
    struct str name = fresh_name(p->a);
    struct str dn = person_dn(p, name, p->d->config->signup.container);
    if (!add_person(p, name, dn, &p->applicant_code, err))
        return false;
    if (p->applicant_code == LDAP_SUCCESS)
        p->applicant = dn;
    return true;
}

bool proof_add_organization(struct proof *p, struct error *err)
{
    const struct config_organizations *c = &p->d->config->directory.organizations;
    struct directory_mods m;
    struct str name = fresh_name(p->a);
    struct str dn = arena_fmt(p->a, STR_FMT "=" STR_FMT "," STR_FMT, STR_ARG(c->rdn), STR_ARG(name),
                              STR_ARG(c->create_in));
    init_entry(p, &m, &c->object_classes, c->rdn, name);
    directory_mods_one(&m, DIRECTORY_ADD, arena_cstr(p->a, c->member),
                       c->placeholder_dn.len ? c->placeholder_dn : p->user);
    if (c->owner.len)
        directory_mods_one(&m, DIRECTORY_ADD, arena_cstr(p->a, c->owner), p->user);
    if (!add_entry(p, dn, &m, &p->organization_code, err))
        return false;
    if (p->organization_code == LDAP_SUCCESS)
        p->organization = dn;
    return true;
}

bool proof_begin(struct proof *p, struct directory *d, struct arena *a, struct error *err)
{
    uint64_t secret[2];
    struct error why = ERROR_INIT;
    *p = (struct proof){.d = d, .a = a, .bridge = directory_open(d, DIRECTORY_WRITER)};
    at_work = true;
    hash_random(secret, sizeof secret);
    p->password = arena_fmt(a, "%016llx%016llx", (unsigned long long)secret[0],
                            (unsigned long long)secret[1]);
    if (!sweep(p, err) || !add_user(p, err))
        return false;
    if (p->user.len && !directory_connect_person(d, p->user, p->password, &p->person, &why))
        LOG_WARN("acl_unproved", LOG_C("reason", why.detail));
    return true;
}

/* A database that takes no change for a moment, as while an index of 389 Directory Server is
 * filled. */
static bool is_closed(int code)
{
    return code == LDAP_UNWILLING_TO_PERFORM || code == LDAP_BUSY || code == LDAP_UNAVAILABLE;
}

static int delete_patiently(struct proof *p, struct str dn)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    int64_t deadline = soon(p);
    int code = proof_delete(p, p->bridge->ld, dn);
    while (is_closed(code) && clock_left_ms(deadline)) {
        nanosleep(&pause, NULL);
        code = proof_delete(p, p->bridge->ld, dn);
    }
    return code;
}

/* Empties the DN when the entry is gone. */
static bool clear(struct proof *p, struct str *of)
{
    struct error why = ERROR_INIT;
    int code = LDAP_SUCCESS;
    struct str dn = *of;
    if (dn.len == 0)
        return true;
    *of = STR_NONE;
    bool there = directory_ping(p->bridge, &why);
    if (there)
        code = delete_patiently(p, dn);
    if (there && (code == LDAP_SUCCESS || code == LDAP_NO_SUCH_OBJECT))
        return true;
    *of = dn;
    LOG_WARN("acl_proof_left_over", LOG_S("dn", dn), LOG_I("code", code),
             LOG_C("reason", there ? ldap_err2string(code) : why.detail));
    return false;
}

bool proof_end(struct proof *p)
{
    if (p->person)
        ldap_unbind_ext(p->person, NULL, NULL);
    bool cleared = clear(p, &p->organization);
    cleared = clear(p, &p->applicant) && cleared;
    cleared = clear(p, &p->user) && cleared;
    directory_close(p->bridge);
    at_work = false;
    return cleared && !p->token.len;
}
