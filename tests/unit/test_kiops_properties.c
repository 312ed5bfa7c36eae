/* What must hold for every actor, every change and every state: all of them are tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "kiops_cases.h"

/* One judged combination. */
struct tried {
    enum who who;
    enum kiops_change_kind kind;
    unsigned facts;
    struct kiops_actor actor;
    struct kiops_verdict v;
};

static bool granted(const struct tried *t)
{
    return t->v.status == KIOPS_ALLOWED || t->v.status == KIOPS_VACATE;
}

static bool in(enum kiops_change_kind kind, const enum kiops_change_kind *set, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (set[i] == kind)
            return true;
    return false;
}

#define ONE_OF(kind, ...)                                                                          \
    in((kind), (const enum kiops_change_kind[]){__VA_ARGS__},                                      \
       sizeof((const enum kiops_change_kind[]){__VA_ARGS__}) / sizeof(enum kiops_change_kind))

static bool has(const struct tried *t, unsigned facts)
{
    return (t->facts & facts) == facts;
}

/* Each law names what must never be: true = broken. */
static bool lesser_actor_does_what_is_an_admins(const struct tried *t)
{
    return granted(t) && t->actor.role != KIOPS_PLATFORM_ADMIN && t->who != OPERATOR &&
           ONE_OF(t->kind, KIOPS_PROMOTE, KIOPS_MAKE_ADMIN, KIOPS_UNMAKE_ADMIN, KIOPS_ADD,
                  KIOPS_CREATE_USER, KIOPS_EDIT_USER, KIOPS_DEACTIVATE, KIOPS_REACTIVATE,
                  KIOPS_DELETE_USER, KIOPS_DELETE_FROM, KIOPS_CREATE_ORGANIZATION,
                  KIOPS_DELETE_ORGANIZATION);
}

static bool last_active_manager_goes(const struct tried *t)
{
    return granted(t) && has(t, IN | MGR | ACTIVE) && !has(t, OMGR) &&
           ONE_OF(t->kind, KIOPS_REMOVE, KIOPS_DEMOTE, KIOPS_DELETE_FROM);
}

static bool seat_is_vacated_without_need(const struct tried *t)
{
    return t->v.status == KIOPS_VACATE &&
           (has(t, ACTIVE) || has(t, OMGR) || !has(t, IN | MGR) ||
            (t->actor.role != KIOPS_PLATFORM_ADMIN && t->who != OPERATOR));
}

static bool last_active_admin_goes(const struct tried *t)
{
    return granted(t) && has(t, ADM | ACTIVE) && !has(t, OADM) &&
           (ONE_OF(t->kind, KIOPS_UNMAKE_ADMIN, KIOPS_DELETE_USER) ||
            (t->kind == KIOPS_DEACTIVATE && t->actor.kind != KIOPS_ACTOR_TOKEN));
}

static bool person_changes_themselves(const struct tried *t)
{
    return granted(t) && has(t, SELF) && t->actor.kind == KIOPS_ACTOR_PERSON &&
           ONE_OF(t->kind, KIOPS_DEACTIVATE, KIOPS_REACTIVATE, KIOPS_DELETE_USER, KIOPS_DELETE_FROM,
                  KIOPS_ADD, KIOPS_APPROVE, KIOPS_REJECT, KIOPS_REMOVE, KIOPS_PROMOTE, KIOPS_DEMOTE,
                  KIOPS_GRANT, KIOPS_REVOKE, KIOPS_MAKE_ADMIN, KIOPS_UNMAKE_ADMIN);
}

static bool person_asks_for_another(const struct tried *t)
{
    return granted(t) && !has(t, SELF) && t->actor.kind == KIOPS_ACTOR_PERSON &&
           ONE_OF(t->kind, KIOPS_REQUEST, KIOPS_WITHDRAW);
}

static bool writes_without_standing(const struct tried *t)
{
    const bool below = t->actor.role < KIOPS_MANAGER && t->who != OPERATOR;
    const bool foreign = t->who == STRANGER || t->who == ELSEWHERE || t->who == T_FOREIGN;
    const bool own = t->actor.kind == KIOPS_ACTOR_PERSON && has(t, SELF) &&
                     ONE_OF(t->kind, KIOPS_REQUEST, KIOPS_WITHDRAW);
    if (t->who == SIGNS_UP &&
        (t->kind == KIOPS_SIGN_UP || (t->kind == KIOPS_REQUEST && has(t, APPL))))
        return false;
    return granted(t) && (below || foreign || t->who == T_READ) && !own &&
           !ONE_OF(t->kind, KIOPS_LIST_USERS, KIOPS_SEE_ORGANIZATION);
}

static bool manager_touches_an_admin(const struct tried *t)
{
    return granted(t) && has(t, ADM) && (t->who == MANAGER || t->who == T_MANAGER) &&
           ONE_OF(t->kind, KIOPS_APPROVE, KIOPS_REMOVE, KIOPS_DEMOTE, KIOPS_GRANT, KIOPS_REVOKE);
}

static bool manager_changes_a_managers_permissions(const struct tried *t)
{
    return granted(t) && has(t, IN | MGR) && (t->who == MANAGER || t->who == T_MANAGER) &&
           ONE_OF(t->kind, KIOPS_GRANT, KIOPS_REVOKE);
}

static bool asking_token_adds(const struct tried *t)
{
    return granted(t) && t->who == T_ASK && t->kind == KIOPS_ADD;
}

static bool absent_organization_is_changed(const struct tried *t)
{
    return granted(t) && !has(t, ORG) &&
           !ONE_OF(t->kind, KIOPS_CREATE_USER, KIOPS_EDIT_USER, KIOPS_DEACTIVATE, KIOPS_REACTIVATE,
                   KIOPS_DELETE_USER, KIOPS_CREATE_ORGANIZATION, KIOPS_MAKE_ADMIN,
                   KIOPS_UNMAKE_ADMIN, KIOPS_LIST_USERS, KIOPS_CREATE_TOKEN, KIOPS_REVOKE_TOKEN,
                   KIOPS_RELEASE_GUARD, KIOPS_EXPIRE_SIGN_UP);
}

static bool absent_user_is_changed(const struct tried *t)
{
    return granted(t) && !has(t, EXISTS) && !has(t, SELF) && !has(t, IN) && !has(t, PEND) &&
           !ONE_OF(t->kind, KIOPS_CREATE_USER, KIOPS_CREATE_ORGANIZATION, KIOPS_EDIT_ORGANIZATION,
                   KIOPS_DELETE_ORGANIZATION, KIOPS_LIST_USERS, KIOPS_SEE_ORGANIZATION,
                   KIOPS_CREATE_TOKEN, KIOPS_REVOKE_TOKEN, KIOPS_RELEASE_GUARD, KIOPS_SIGN_UP);
}

static bool applicant_is_taken_for_a_user(const struct tried *t)
{
    return granted(t) && has(t, APPL) &&
           (t->actor.kind == KIOPS_ACTOR_TOKEN ||
            !ONE_OF(t->kind, KIOPS_SIGN_UP, KIOPS_REQUEST, KIOPS_APPROVE, KIOPS_REJECT,
                    KIOPS_DELETE_USER, KIOPS_EXPIRE_SIGN_UP));
}

static bool applicant_gets_a_users_name(const struct tried *t)
{
    return granted(t) && has(t, APPL | TAKEN) && t->kind == KIOPS_APPROVE;
}

static bool refusal_is_incomplete(const struct tried *t)
{
    const bool refused = t->v.status == KIOPS_REFUSED;
    if (!t->v.rule || strncmp(t->v.rule, "KB-R", 4) != 0)
        return true;
    if (!refused)
        return t->v.kind != ERR_NONE || t->v.text[0];
    if (t->v.kind == ERR_NOT_FOUND)
        return strncmp(t->v.text, "no such ", 8) != 0;
    const size_t len = strlen(t->v.text);
    return t->v.kind == ERR_NONE || len < 20 || t->v.text[len - 1] != '.';
}

static bool hidden_differs_from_unknown(const struct tried *t)
{
    if (t->v.kind != ERR_NOT_FOUND)
        return false;
    const unsigned gone = strcmp(t->v.text, KIOPS_NO_USER) == 0 ? EXISTS : ORG;
    const struct kiops_verdict unknown = verdict_of(t->who, t->kind, t->facts & ~gone);
    return memcmp(&unknown.text, &t->v.text, sizeof t->v.text) != 0 || unknown.kind != t->v.kind;
}

static const struct law {
    const char *name;
    bool (*broken)(const struct tried *t);
} laws[] = {
    {"a lesser actor does what is a PlatformAdmin's", lesser_actor_does_what_is_an_admins},
    {"the last active Manager goes", last_active_manager_goes},
    {"a seat is vacated without need", seat_is_vacated_without_need},
    {"the last active PlatformAdmin goes", last_active_admin_goes},
    {"a person changes themselves", person_changes_themselves},
    {"a person asks for another", person_asks_for_another},
    {"somebody writes without standing", writes_without_standing},
    {"a Manager touches a PlatformAdmin", manager_touches_an_admin},
    {"a Manager changes a Manager's permissions", manager_changes_a_managers_permissions},
    {"a token that asks adds", asking_token_adds},
    {"an absent organization is changed", absent_organization_is_changed},
    {"an absent user is changed", absent_user_is_changed},
    {"an applicant is taken for a user", applicant_is_taken_for_a_user},
    {"an applicant gets a user's name", applicant_gets_a_users_name},
    {"a verdict is incomplete", refusal_is_incomplete},
    {"what is hidden differs from what is unknown", hidden_differs_from_unknown},
};

static void try_state(enum who who, enum kiops_change_kind kind, unsigned facts)
{
    const struct tried t = {who, kind, facts, actor_of(who), verdict_of(who, kind, facts)};
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++)
        if (laws[i].broken(&t))
            fail_msg("%s: %s %s, facts %x -> %d %s \"%s\"", laws[i].name, who_rows[who].name,
                     kiops_change_name(kind), facts, (int)t.v.status, t.v.rule, t.v.text);
}

/* An applicant is in nothing, and nobody else asks for a name. */
static bool can_be(unsigned facts)
{
    return facts & APPL ? !(facts & (IN | MGR | HELD)) : !(facts & TAKEN);
}

static void no_combination_breaks_a_law(void **state)
{
    (void)state;
    for (enum who who = 0; who < WHO_COUNT; who++)
        for (enum kiops_change_kind kind = 0; kind < KIOPS_CHANGES; kind++)
            for (unsigned facts = 0; facts < FACTS_END; facts++)
                if (can_be(facts))
                    try_state(who, kind, facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_combination_breaks_a_law)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
