/* What the state forbids of changes to user records and to the platform's role. */
#include "kiops/internal.h"

struct kiops_verdict kiops_decide_always(const struct kiops_case *c)
{
    return kiops_allow(c);
}

struct kiops_verdict kiops_decide_edit_user(const struct kiops_case *c)
{
    return c->state->subject_exists ? kiops_allow(c) : kiops_deny_unseen_user();
}

static bool last_active_admin(const struct kiops_state *s)
{
    return s->subject_admin && s->subject_active && s->other_admins == 0;
}

static struct kiops_verdict deny_last_admin(const struct kiops_case *c)
{
    return kiops_deny(ERR_CONFLICT, "KB-R16",
                      STR_FMT " is the last active PlatformAdmin. Make another user PlatformAdmin "
                              "first.",
                      STR_ARG(c->who));
}

struct kiops_verdict kiops_decide_deactivate(const struct kiops_case *c)
{
    if (!c->state->subject_exists)
        return kiops_deny_unseen_user();
    if (!c->state->subject_active)
        return kiops_nothing("KB-R19");
    /* A provisioning token may: whoever left must be locked out at once, and the command line can
     * make another PlatformAdmin. */
    if (last_active_admin(c->state) && c->actor->kind != KIOPS_ACTOR_TOKEN)
        return deny_last_admin(c);
    return kiops_allow_by(c->state->subject_admin ? "KB-R16" : "KB-R19");
}

struct kiops_verdict kiops_decide_reactivate(const struct kiops_case *c)
{
    if (!c->state->subject_exists)
        return kiops_deny_unseen_user();
    return c->state->subject_active ? kiops_nothing(c->right->rule) : kiops_allow(c);
}

struct kiops_verdict kiops_decide_delete_user(const struct kiops_case *c)
{
    if (!c->state->subject_exists)
        return kiops_deny_unseen_user();
    return last_active_admin(c->state) ? deny_last_admin(c) : kiops_allow(c);
}

struct kiops_verdict kiops_decide_make_admin(const struct kiops_case *c)
{
    if (!c->state->subject_exists)
        return kiops_deny_unseen_user();
    if (c->state->subject_admin && c->state->subject_active)
        return kiops_nothing(c->right->rule);
    /* Else reactivating would bring the role with it, which KB-R16 excludes. */
    if (!c->state->subject_active)
        return kiops_deny(ERR_CONFLICT, "KB-R16",
                          STR_FMT " is inactive, and a PlatformAdmin is active. Activate the user "
                                  "first.",
                          STR_ARG(c->who));
    return kiops_allow(c);
}

struct kiops_verdict kiops_decide_unmake_admin(const struct kiops_case *c)
{
    if (!c->state->subject_exists)
        return kiops_deny_unseen_user();
    if (!c->state->subject_admin)
        return kiops_nothing(c->right->rule);
    return last_active_admin(c->state) ? deny_last_admin(c) : kiops_allow(c);
}

struct kiops_verdict kiops_decide_expire_sign_up(const struct kiops_case *c)
{
    const struct kiops_state *s = c->state;
    bool waits = s->now - s->subject_since < s->keep_days * CLOCK_DAY_US;
    return s->subject_exists && s->subject_applicant && !waits ? kiops_allow(c)
                                                               : kiops_nothing(c->right->rule);
}
