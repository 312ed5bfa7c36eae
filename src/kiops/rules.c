/* The rules: actor, change and state to a verdict. */
#include "kiops/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_REMOVALS 20
#define DEFAULT_REMOVALS_PERCENT 30

struct kiops_verdict kiops_allow_by(const char *rule)
{
    return (struct kiops_verdict){.status = KIOPS_ALLOWED, .rule = rule};
}

struct kiops_verdict kiops_allow(const struct kiops_case *c)
{
    return kiops_allow_by(c->right->rule);
}

struct kiops_verdict kiops_nothing(const char *rule)
{
    return (struct kiops_verdict){.status = KIOPS_NOTHING_TO_DO, .rule = rule};
}

struct kiops_verdict kiops_vacate(void)
{
    return (struct kiops_verdict){.status = KIOPS_VACATE, .rule = "KB-R19"};
}

struct kiops_verdict kiops_deny(enum error_kind kind, const char *rule, const char *format, ...)
{
    struct kiops_verdict v = {.status = KIOPS_REFUSED, .kind = kind, .rule = rule};
    va_list args;
    va_start(args, format);
    vsnprintf(v.text, sizeof v.text, format, args);
    va_end(args);
    return v;
}

struct kiops_verdict kiops_deny_unseen_user(void)
{
    return kiops_deny(ERR_NOT_FOUND, "KB-R05", KIOPS_NO_USER);
}

struct kiops_verdict kiops_deny_unseen_organization(void)
{
    return kiops_deny(ERR_NOT_FOUND, "KB-R05", KIOPS_NO_ORGANIZATION);
}

/* Cut at a UTF-8 border: the texts go into JSON. */
static struct str name_for_text(struct str name, const char *fallback)
{
    if (!name.len)
        return str_of(fallback);
    if (name.len <= KIOPS_NAME_MAX)
        return name;
    size_t len = KIOPS_NAME_MAX;
    while (len && ((unsigned char)name.at[len] & 0xC0) == 0x80)
        len--;
    return str_sub(name, 0, len);
}

static struct kiops_case case_of(const struct kiops_actor *actor, const struct kiops_change *change,
                                 const struct kiops_state *state)
{
    return (struct kiops_case){
        .actor = actor,
        .change = change,
        .state = state,
        .right = kiops_right(change->kind),
        .admin = actor->role == KIOPS_PLATFORM_ADMIN || actor->kind == KIOPS_ACTOR_OPERATOR,
        .manages = kiops_actor_manages(actor, change->organization),
        /* Ids are UUIDs, which the directory matches without case: another spelling is no other
         * person. */
        .self = (actor->kind == KIOPS_ACTOR_PERSON && actor->id.len > 0 &&
                 str_ieq(actor->id, change->subject)) ||
                (actor->kind == KIOPS_ACTOR_STRANGER && state->subject_exists &&
                 state->subject_applicant),
        .who = name_for_text(change->subject_name, "This user"),
        .where = name_for_text(change->organization_name, "this organization"),
    };
}

/* ---- who the actor is: each stage refuses, or leaves the case to the next */

static bool refuse_reader(const struct kiops_case *c, struct kiops_verdict *v)
{
    if (c->right->reads || c->actor->can_write || c->actor->kind == KIOPS_ACTOR_OPERATOR)
        return false;
    *v = kiops_deny(ERR_FORBIDDEN, "KB-R09",
                    "This token may only read. Use a token with access write.");
    return true;
}

static bool refuse_self(const struct kiops_case *c, struct kiops_verdict *v)
{
    if (!c->self || !c->right->never_oneself)
        return false;
    *v = kiops_deny(ERR_FORBIDDEN, "KB-R04",
                    "You cannot change your own role, permissions, membership or status. Ask "
                    "another Manager or a PlatformAdmin.");
    return true;
}

static bool sees_organization(const struct kiops_case *c)
{
    if (!c->state->organization_exists)
        return false;
    if (c->admin || c->manages || kiops_actor_is_in(c->actor, c->change->organization))
        return true;
    if (c->actor->kind != KIOPS_ACTOR_PERSON && c->actor->kind != KIOPS_ACTOR_STRANGER)
        return false;
    /* KB-R11 answers a closed organization to who asks to join it; KB-R04 lets the own request be
     * withdrawn after it closed. */
    return c->state->organization_open || c->change->kind == KIOPS_REQUEST ||
           c->change->kind == KIOPS_SIGN_UP || (c->self && c->state->subject_pending);
}

static bool refuse_unseen(const struct kiops_case *c, struct kiops_verdict *v)
{
    if (!c->right->in_organization || sees_organization(c))
        return false;
    *v = kiops_deny_unseen_organization();
    return true;
}

static bool has_standing(const struct kiops_case *c, bool manager)
{
    switch (c->right->who) {
    case KIOPS_WHO_SEES:
        return true;
    case KIOPS_WHO_APPLICANT:
        return c->self || (c->actor->kind != KIOPS_ACTOR_PERSON && (c->admin || manager));
    case KIOPS_WHO_MANAGER:
        return c->admin || manager;
    case KIOPS_WHO_ADMIN:
        return c->admin;
    case KIOPS_WHO_STRANGER:
        return c->actor->kind == KIOPS_ACTOR_STRANGER;
    case KIOPS_WHO_OPERATOR:
        return c->actor->kind == KIOPS_ACTOR_OPERATOR;
    }
    return false;
}

static bool refuse_standing(const struct kiops_case *c, struct kiops_verdict *v)
{
    const bool manager = c->right->in_organization ? c->manages : c->actor->role >= KIOPS_MANAGER;
    if (has_standing(c, manager))
        return false;
    if (!c->admin && !manager)
        *v = kiops_deny(ERR_FORBIDDEN, "KB-R09",
                        "This needs a Manager of the organization or a PlatformAdmin. Ask one of "
                        "them.");
    else if (c->right->who == KIOPS_WHO_APPLICANT)
        *v = kiops_deny(ERR_FORBIDDEN, "KB-R04",
                        "People ask to join, and withdraw, for themselves only. Approve or reject "
                        "the request of " STR_FMT " instead.",
                        STR_ARG(c->who));
    else
        *v = kiops_deny(ERR_FORBIDDEN, c->right->rule, "%s", c->right->denied);
    return true;
}

static bool refuse_above(const struct kiops_case *c, struct kiops_verdict *v)
{
    /* Of a person outside their view a Manager learns nothing, not even a PlatformAdmin's rank. */
    if (c->admin || !c->right->spares_admins || !c->state->subject_admin ||
        !(c->state->subject_in || c->state->subject_pending))
        return false;
    *v = kiops_deny(ERR_FORBIDDEN, "KB-R03",
                    STR_FMT " is a PlatformAdmin, whose role, permissions and membership only a "
                            "PlatformAdmin changes. Ask a PlatformAdmin.",
                    STR_ARG(c->who));
    return true;
}

/* Applicants are no users: there is nothing to change of them but what becomes of the request. No
 * token, and so no application behind one, hears of them. */
static bool refuse_applicant(const struct kiops_case *c, struct kiops_verdict *v)
{
    if (!c->state->subject_applicant)
        return false;
    bool known =
        c->actor->kind != KIOPS_ACTOR_TOKEN && (c->admin || c->state->subject_pending || c->self);
    if (known && c->right->of_applicants)
        return false;
    *v = known ? kiops_deny(ERR_CONFLICT, "KB-R10",
                            STR_FMT " has signed up and waits for approval. Approve or reject the "
                                    "request first.",
                            STR_ARG(c->who))
               : kiops_deny_unseen_user();
    return true;
}

typedef bool refuse_stage(const struct kiops_case *c, struct kiops_verdict *v);

static refuse_stage *const stages[] = {refuse_reader,   refuse_self,  refuse_unseen,
                                       refuse_standing, refuse_above, refuse_applicant};

struct kiops_verdict kiops_judge(const struct kiops_actor *actor, const struct kiops_change *change,
                                 const struct kiops_state *state)
{
    const struct kiops_case c = case_of(actor, change, state);
    struct kiops_verdict v;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (stages[i](&c, &v))
            return v;
    return c.right->decide(&c);
}

/* An id too long for the field is left out: half an id would name somebody else. */
static void copy_id(char *out, size_t size, struct str id)
{
    if (!id.len || id.len >= size)
        return;
    memcpy(out, id.at, id.len);
    out[id.len] = '\0';
}

bool kiops_refuse(const struct kiops_verdict *v, const struct kiops_change *change,
                  struct error *err)
{
    assert(v->status == KIOPS_REFUSED);
    error_set(err, v->kind, "%s", v->text);
    if (v->kind == ERR_NOT_FOUND)
        return false;
    copy_id(err->rule, sizeof err->rule, str_of(v->rule));
    copy_id(err->subject, sizeof err->subject, change->subject);
    copy_id(err->organization, sizeof err->organization, change->organization);
    err->operation = change->operation;
    return false;
}

static size_t removals_allowed(const struct kiops_actor *a, size_t members)
{
    const bool set = a->max_removals >= 0 || a->max_removals_percent >= 0;
    const int64_t count = set ? a->max_removals : DEFAULT_REMOVALS;
    const int64_t percent = set ? a->max_removals_percent : DEFAULT_REMOVALS_PERCENT;
    const size_t by_count = count > 0 ? (size_t)count : 0;
    const size_t capped = percent > 100 ? 100 : percent > 0 ? (size_t)percent : 0;
    const size_t by_percent = members / 100 * capped + members % 100 * capped / 100;
    return by_count > by_percent ? by_count : by_percent;
}

struct kiops_verdict kiops_judge_removals(const struct kiops_actor *actor, size_t removals,
                                          size_t members)
{
    const size_t allowed = removals_allowed(actor, members);
    if (actor->kind != KIOPS_ACTOR_TOKEN || removals <= allowed)
        return kiops_allow_by("KB-R20");
    return kiops_deny(ERR_CONFLICT, "KB-R20",
                      "This request would remove %zu of %zu members; this token may remove %zu in "
                      "one request. Remove fewer at a time, or make a token with --option "
                      "max_removals=%zu.",
                      removals, members, allowed, removals);
}
