/* What the state forbids of changes to requests, memberships, roles and permissions in one
 * organization. Who may ask is settled before (rules.c). */
#include "kiops/internal.h"

#define QUIET_DAYS_MAX 36500 /* keeps the sum of instants far from overflow */

static bool by_person(const struct kiops_case *c)
{
    return c->actor->kind == KIOPS_ACTOR_PERSON || c->actor->kind == KIOPS_ACTOR_STRANGER;
}

static struct kiops_verdict deny_unknown_user(const struct kiops_case *c)
{
    return kiops_deny(ERR_INVALID_VALUE, c->right->rule,
                      "No user has the id given for a member of " STR_FMT
                      ". Create the user first.",
                      STR_ARG(c->where));
}

/* A change that needs a membership which is not there. */
static struct kiops_verdict deny_no_member(const struct kiops_case *c)
{
    if (!c->admin && !c->state->subject_pending)
        return kiops_deny_unseen_user();
    if (!c->state->subject_exists)
        return deny_unknown_user(c);
    return kiops_deny(ERR_CONFLICT, "KB-R10", STR_FMT " is not a member of " STR_FMT ". %s first.",
                      STR_ARG(c->who), STR_ARG(c->where),
                      c->state->subject_pending ? "Approve the request" : "Add the user");
}

struct kiops_verdict kiops_decide_add(const struct kiops_case *c)
{
    if (c->actor->push_request)
        return kiops_deny(ERR_FORBIDDEN, "KB-R20",
                          "This token asks for memberships and adds none. Let a Manager of " STR_FMT
                          " approve the request.",
                          STR_ARG(c->where));
    if (!c->state->subject_exists)
        return deny_unknown_user(c);
    return c->state->subject_in ? kiops_nothing("KB-R10") : kiops_allow(c);
}

static bool rejected_lately(const struct kiops_state *s)
{
    if (s->subject_rejected == INSTANT_NONE || s->reject_quiet_days <= 0)
        return false;
    const int64_t days =
        s->reject_quiet_days < QUIET_DAYS_MAX ? s->reject_quiet_days : QUIET_DAYS_MAX;
    return s->now - days * CLOCK_DAY_US < s->subject_rejected;
}

static struct kiops_verdict decide_request_of_person(const struct kiops_case *c)
{
    if (!c->state->organization_open)
        return kiops_deny(ERR_FORBIDDEN, "KB-R11",
                          STR_FMT " is closed and takes no requests. Ask a PlatformAdmin to add "
                                  "you.",
                          STR_ARG(c->where));
    if (c->state->subject_in)
        return kiops_deny(ERR_CONFLICT, "KB-R11",
                          "You are a member of " STR_FMT " already. There is nothing to ask for.",
                          STR_ARG(c->where));
    if (c->state->subject_pending)
        return kiops_deny(ERR_CONFLICT, "KB-R11",
                          "Your request to join " STR_FMT " is waiting already. Wait for a Manager "
                          "to decide, or withdraw it.",
                          STR_ARG(c->where));
    return kiops_allow(c);
}

/* Whom these refuse is never told so: the answer to a sign-up says nothing of what there is. */
struct kiops_verdict kiops_decide_sign_up(const struct kiops_case *c)
{
    if (!c->state->organization_open)
        return kiops_deny(ERR_FORBIDDEN, "KB-R11", STR_FMT " is closed and takes no requests.",
                          STR_ARG(c->where));
    if (c->state->subject_name_taken)
        return kiops_deny(ERR_UNIQUENESS, "KB-R18", "A user has that name.");
    return kiops_allow(c);
}

struct kiops_verdict kiops_decide_request(const struct kiops_case *c)
{
    if (by_person(c))
        return decide_request_of_person(c);
    if (!c->state->subject_exists)
        return deny_unknown_user(c);
    if (c->state->subject_in || c->state->subject_pending)
        return kiops_nothing("KB-R11");
    /* A push repeats itself for ever; a person who asks again means it. */
    return rejected_lately(c->state) ? kiops_nothing("KB-R20") : kiops_allow_by("KB-R20");
}

struct kiops_verdict kiops_decide_withdraw(const struct kiops_case *c)
{
    if (c->state->subject_pending)
        return kiops_allow(c);
    if (!by_person(c))
        return kiops_nothing(c->right->rule);
    return kiops_deny(ERR_CONFLICT, "KB-R11",
                      "You have no request waiting at " STR_FMT ". It was decided or withdrawn.",
                      STR_ARG(c->where));
}

static struct kiops_verdict deny_not_pending(const struct kiops_case *c)
{
    return kiops_deny(ERR_CONFLICT, "KB-R11",
                      "No request to join " STR_FMT
                      " is waiting any more: it was decided or withdrawn. Read the list again.",
                      STR_ARG(c->where));
}

struct kiops_verdict kiops_decide_approve(const struct kiops_case *c)
{
    if (c->state->subject_in)
        return kiops_nothing(c->right->rule);
    if (!c->state->subject_pending)
        return deny_not_pending(c);
    /* A provisioning create wins. */
    if (c->state->subject_applicant && c->state->subject_name_taken)
        return kiops_deny(ERR_CONFLICT, "KB-R18",
                          "The user name that " STR_FMT
                          " asked for belongs to a user by now. Reject the request; the person may "
                          "sign up under another name.",
                          STR_ARG(c->who));
    return kiops_allow(c);
}

struct kiops_verdict kiops_decide_reject(const struct kiops_case *c)
{
    return c->state->subject_pending ? kiops_allow(c) : deny_not_pending(c);
}

static bool last_manager(const struct kiops_state *s)
{
    return s->subject_manager && s->other_managers == 0;
}

static struct kiops_verdict deny_last_manager(const struct kiops_case *c)
{
    return kiops_deny(ERR_CONFLICT, "KB-R07",
                      STR_FMT " is the last active Manager of " STR_FMT
                              ". Make another member Manager first.",
                      STR_ARG(c->who), STR_ARG(c->where));
}

/* Removal, and the part of a deletion that one organization sees. */
struct kiops_verdict kiops_decide_remove(const struct kiops_case *c)
{
    if (!c->state->subject_in)
        return kiops_nothing(c->right->rule);
    if (!last_manager(c->state))
        return kiops_allow_by(c->state->subject_manager ? "KB-R08" : c->right->rule);
    if (c->state->subject_active)
        return deny_last_manager(c);
    if (c->admin)
        return kiops_vacate();
    return kiops_deny(ERR_FORBIDDEN, "KB-R19",
                      STR_FMT " is the only Manager of " STR_FMT
                              ", though inactive. Only a PlatformAdmin leaves the seat vacant: ask "
                              "one.",
                      STR_ARG(c->who), STR_ARG(c->where));
}

struct kiops_verdict kiops_decide_promote(const struct kiops_case *c)
{
    if (!c->state->subject_in)
        return deny_no_member(c);
    return c->state->subject_manager ? kiops_nothing(c->right->rule) : kiops_allow(c);
}

struct kiops_verdict kiops_decide_demote(const struct kiops_case *c)
{
    if (!c->state->subject_in || !c->state->subject_manager)
        return kiops_nothing(c->right->rule);
    if (!last_manager(c->state))
        return kiops_allow(c);
    if (c->state->subject_active)
        return deny_last_manager(c);
    return kiops_deny(ERR_CONFLICT, "KB-R07",
                      STR_FMT " is the only Manager of " STR_FMT
                              ", though inactive. Make another member Manager first, or remove the "
                              "user.",
                      STR_ARG(c->who), STR_ARG(c->where));
}

static struct kiops_verdict decide_permission(const struct kiops_case *c, bool wanted)
{
    if (!c->state->subject_in)
        return deny_no_member(c);
    if (c->state->subject_manager && !c->admin)
        return kiops_deny(ERR_FORBIDDEN, "KB-R06",
                          STR_FMT " is a Manager of " STR_FMT
                                  ", whose permissions only a PlatformAdmin changes. Ask a "
                                  "PlatformAdmin.",
                          STR_ARG(c->who), STR_ARG(c->where));
    const bool held = (c->state->subject_permissions & (1U << c->change->permission)) != 0;
    return held == wanted ? kiops_nothing(c->right->rule) : kiops_allow(c);
}

struct kiops_verdict kiops_decide_grant(const struct kiops_case *c)
{
    return decide_permission(c, true);
}

struct kiops_verdict kiops_decide_revoke(const struct kiops_case *c)
{
    return decide_permission(c, false);
}
