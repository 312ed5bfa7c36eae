/*
 * Changes. Each carries its preconditions, or, on a server that cannot take them, is looked at
 * before and after (request.c sends one).
 */
#include "base/log.h"
#include "directory/mapping.h"
#include "directory/request.h"

static const struct directory_result LOST = {.outcome = DIRECTORY_LOST,
                                             .code = LDAP_ASSERTION_FAILED};

/* ---- what must hold, where a change cannot carry it: read just before, and looked at after it */

static bool assertion_holds(struct directory_conn *c, struct arena *a,
                            const struct directory_target *t, struct directory_result *result,
                            struct error *err)
{
    const char *assertion = directory_assertion(a, t);
    struct directory_entries found;
    *result = (struct directory_result){.outcome = DIRECTORY_UNAVAILABLE};
    if (!assertion)
        return true;
    struct directory_search s = {.base = t->dn,
                                 .scope = DIRECTORY_BASE,
                                 .filter = str_of(assertion),
                                 .attrs = directory_server(c->directory)->identity};
    if (!directory_find(c, a, &s, &found, err))
        return false;
    if (found.count == 0)
        *result = LOST;
    return true;
}

/* It holds, or the change carries it. */
static bool may_send(struct directory_conn *c, struct arena *a, const struct directory_target *t,
                     struct directory_result *result, struct error *err)
{
    *result = (struct directory_result){.outcome = DIRECTORY_UNAVAILABLE};
    return directory_server(c->directory)->asserts || assertion_holds(c, a, t, result, err);
}

static bool met_another(const struct change *change, const struct directory_target *t)
{
    return t->id.len > 0 && change->met && change->met->id.len > 0 &&
           !str_ieq(change->met->id, t->id);
}

static bool is_reversible(const struct directory_mods *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].op == DIRECTORY_REPLACE || m->at[i].count == 0)
            return false;
    return true;
}

/* Between the look before and the change: another entry, one that has what must not be there, or
 * another version. What cannot be reversed goes with a swap of kiopsResource: no other bridge has
 * written meanwhile. */
static bool met_otherwise(const struct directory *d, const struct change *change,
                          const struct directory_target *t, const struct directory_mods *m)
{
    const struct directory_entry *met = change->met;
    if (directory_server(d)->asserts || !met || !is_reversible(m))
        return false;
    return met_another(change, t) || (t->extra && !directory_extra_holds(t->extra, met)) ||
           (t->csn.len && met->csn.len && !str_eq(t->csn, met->csn));
}

/* The entry gets back what was taken, value by value. */
static bool take_back(struct directory_conn *c, const struct directory_target *t,
                      const struct directory_mods *m, struct directory_result *result,
                      struct error *err)
{
    struct directory_target other = {.dn = t->dn};
    struct change change = change_of(c->directory, m->arena, DIRECTORY_OP_MODIFY, &other);
    struct directory_mods back;
    directory_mods_init(&back, m->arena);
    for (size_t i = m->count; i-- > 0;)
        directory_mods_push(&back, m->at[i].op == DIRECTORY_ADD ? DIRECTORY_DELETE : DIRECTORY_ADD,
                            m->at[i].attr, m->at[i].values, m->at[i].count);
    change.mods = change_mods(&back);
    if (!change_send(c, m->arena, &change, result, err))
        return false;
    *result = LOST;
    return true;
}

/* ---- the five changes */

/* The swapped kiopsResource says that nobody wrote in between. */
static bool is_its_own_proof(const struct directory_mods *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_ieq(str_of(m->at[i].attr), STR("kiopsResource")))
            return true;
    return false;
}

/* Refused for its values: where what must hold does not hold any more, that is why. */
static bool is_late(struct directory_conn *c, const struct directory_target *t,
                    const struct directory_mods *m, const struct directory_result *result)
{
    struct directory_result now;
    struct error ignored = ERROR_INIT;
    return result->outcome == DIRECTORY_REFUSED && !directory_server(c->directory)->asserts &&
           assertion_holds(c, m->arena, t, &now, &ignored) && now.outcome == DIRECTORY_LOST;
}

static bool modify_once(struct directory_conn *c, const struct directory_target *t,
                        const struct directory_mods *m, struct directory_result *result,
                        struct error *err)
{
    struct change change = change_of(c->directory, m->arena, DIRECTORY_OP_MODIFY, t);
    change.mods = change_mods(m);
    bool fine = change_send(c, m->arena, &change, result, err);
    if (!fine && is_late(c, t, m, result)) {
        error_clear(err);
        *result = LOST;
        return true;
    }
    if (result->outcome == DIRECTORY_DONE && met_otherwise(c->directory, &change, t, m))
        return take_back(c, t, m, result, err);
    return fine;
}

/* slapo-unique (2.5) looks for others who have a value with the request's controls still on, and an
 * assertion then fails on the base of that search. Where it holds and the change proves itself, it
 * goes without. */
bool directory_modify(struct directory_conn *c, const struct directory_target *t,
                      const struct directory_mods *m, struct directory_result *result,
                      struct error *err)
{
    if (!may_send(c, m->arena, t, result, err))
        return false;
    if (result->outcome == DIRECTORY_LOST)
        return true;
    bool fine = modify_once(c, t, m, result, err);
    if (fine && directory_server(c->directory)->asserts && result->code == LDAP_ASSERTION_FAILED &&
        is_its_own_proof(m)) {
        const struct directory_target bare = {.dn = t->dn, .want_post = t->want_post};
        fine = assertion_holds(c, m->arena, t, result, err) &&
               (result->outcome == DIRECTORY_LOST || modify_once(c, &bare, m, result, err));
    }
    if (!t->want_post)
        result->post = NULL;
    return fine;
}

bool directory_add(struct directory_conn *c, struct str dn, const struct directory_mods *attrs,
                   struct directory_result *result, struct error *err)
{
    struct change change = {
        .operation = DIRECTORY_OP_ADD,
        .dn = arena_cstr(attrs->arena, dn),
        .mods = change_mods(attrs),
        .post_attrs = directory_all_attrs,
    };
    return change_send(c, attrs->arena, &change, result, err);
}

bool directory_delete(struct directory_conn *c, struct arena *a, const struct directory_target *t,
                      struct directory_result *result, struct error *err)
{
    struct change change = change_of(c->directory, a, DIRECTORY_OP_DELETE, t);
    if (!may_send(c, a, t, result, err))
        return false;
    if (result->outcome == DIRECTORY_LOST)
        return true;
    bool fine = change_send(c, a, &change, result, err);
    if (result->outcome == DIRECTORY_DONE && met_another(&change, t))
        LOG_ERROR("another_entry_deleted", LOG_S("dn", t->dn), LOG_S("id", change.met->id));
    return fine;
}

/* ---- rename: for the sake of slapo-unique (see above) the assertion is a read before it, and what
 * it met is compared after it. */

/* The first RDN of a DN as a server writes it. */
static struct str first_rdn(struct str dn)
{
    for (size_t i = 0; i < dn.len; i++) {
        if (dn.at[i] == ',')
            return str_sub(dn, 0, i);
        if (dn.at[i] == '\\')
            i++;
    }
    return dn;
}

/* Another entry took the name after the read: it gets its own name back. */
static bool rename_back(struct directory_conn *c, struct arena *a, const struct directory_target *t,
                        struct directory_result *result, struct error *err)
{
    struct directory_target other = {.dn = result->post->dn, .want_post = true};
    struct str old_dn = t->dn;
    bool moved = t->new_superior.len > 0;
    struct change back = change_of(c->directory, a, DIRECTORY_OP_RENAME, &other);
    struct str rdn = first_rdn(old_dn);
    back.new_rdn = arena_cstr(a, rdn);
    if (moved)
        back.new_superior = arena_cstr(a, str_sub(old_dn, rdn.len + 1, old_dn.len));
    if (!change_send(c, a, &back, result, err))
        return false;
    *result = LOST;
    return true;
}

/* An attribute of one value cannot hold two names: then the old one goes at once. */
static bool run_rename(struct directory_conn *c, struct arena *a, struct change *change,
                       struct directory_result *result, struct error *err)
{
    bool answered = change_send(c, a, change, result, err);
    if (!change->keep_old_rdn ||
        (result->code != LDAP_CONSTRAINT_VIOLATION && result->code != LDAP_OBJECT_CLASS_VIOLATION))
        return answered;
    error_clear(err);
    change->keep_old_rdn = false;
    return change_send(c, a, change, result, err);
}

/* ---- a server whose uniqueness looks at values, and at no rename */

/* The new name as a value of the entry; none where it is named by something else. */
static void name_value(const struct directory *d, const struct directory_target *t,
                       enum directory_mod_op op, struct directory_mods *mods)
{
    bool shared;
    const char *attr = arena_cstr(mods->arena, d->config->directory.users.rdn);
    struct str name = mapping_rdn_value(mods->arena, t->new_rdn, attr, &shared);
    if (name.len)
        directory_mods_one(mods, op, attr, name);
}

/* Refused where another has it. One that the entry had before: DONE, with that code. */
static bool claim_name(struct directory_conn *c, struct arena *a, const struct directory_target *t,
                       struct directory_result *result, struct error *err)
{
    const struct directory_target who = {.dn = t->dn, .id = t->id};
    struct directory_mods mods;
    directory_mods_init(&mods, a);
    name_value(c->directory, t, DIRECTORY_ADD, &mods);
    *result = (struct directory_result){.outcome = DIRECTORY_DONE};
    if (mods.count && !directory_modify(c, &who, &mods, result, err))
        return false;
    if (result->code == LDAP_TYPE_OR_VALUE_EXISTS)
        result->outcome = DIRECTORY_DONE;
    return true;
}

static void give_name_back(struct directory_conn *c, struct arena *a,
                           const struct directory_target *t)
{
    const struct directory_target who = {.dn = t->dn, .id = t->id};
    struct directory_result result = {0};
    struct error why = ERROR_INIT;
    struct directory_mods mods;
    directory_mods_init(&mods, a);
    name_value(c->directory, t, DIRECTORY_DELETE, &mods);
    if (mods.count && !directory_modify(c, &who, &mods, &result, &why))
        LOG_WARN("name_kept", LOG_S("id", t->id), LOG_C("reason", why.detail));
}

bool directory_rename(struct directory_conn *c, struct arena *a, const struct directory_target *t,
                      struct directory_result *result, struct error *err)
{
    struct directory_target place = {.dn = t->dn, .want_post = true};
    if (!assertion_holds(c, a, t, result, err))
        return false;
    bool unseen = directory_server(c->directory)->renames_unseen && t->keep_old_rdn;
    if (result->outcome == DIRECTORY_LOST)
        return true;
    if (unseen && !claim_name(c, a, t, result, err))
        return false;
    if (unseen && result->outcome != DIRECTORY_DONE)
        return true;
    bool given = unseen && result->code != LDAP_TYPE_OR_VALUE_EXISTS;
    struct change change = change_of(c->directory, a, DIRECTORY_OP_RENAME, &place);
    change.new_rdn = arena_cstr(a, t->new_rdn);
    if (t->new_superior.len)
        change.new_superior = arena_cstr(a, t->new_superior);
    change.keep_old_rdn = t->keep_old_rdn;
    bool answered = run_rename(c, a, &change, result, err);
    if (given && result->outcome != DIRECTORY_DONE && result->outcome != DIRECTORY_UNKNOWN)
        give_name_back(c, a, t);
    if (!answered)
        return false;
    if (result->outcome == DIRECTORY_DONE && met_another(&change, t) && result->post)
        return rename_back(c, a, t, result, err);
    if (!t->want_post)
        result->post = NULL;
    return true;
}

bool directory_set_password(struct directory_conn *c, struct str dn, struct str password,
                            struct directory_result *result, struct error *err)
{
    OWNED_ARENA struct arena *scratch = arena_new();
    struct change change = {
        .operation = DIRECTORY_OP_PASSWORD,
        .dn = arena_cstr(scratch, dn),
        .password = password,
    };
    /* RFC 3062: an absent password lets the server choose one that nobody knows. */
    if (password.len == 0) {
        *result = (struct directory_result){.outcome = DIRECTORY_REFUSED};
        return error_set(err, ERR_INVALID_VALUE, "the password is empty");
    }
    bool fine = change_send(c, scratch, &change, result, err);
    *result = (struct directory_result){.outcome = result->outcome, .code = result->code};
    return fine;
}
