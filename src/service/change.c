/* One change from its first operation to its last: decide again after a lost precondition, go only
 * forward after the first write, tell the audit. */
#include "service/internal.h"

/* Which of the seven: the kind of the change does not say it. */
static struct str permission_text(const struct change *ch, enum kiops_change_kind kind)
{
    if (ch->what.kind != kind)
        return STR_NONE;
    return arena_fmt(ch->call->arena, "{\"permission\":\"" STR_FMT "\"}",
                     STR_ARG(kiops_permission_name(ch->what.permission)));
}

struct kiops_record change_record(const struct change *ch)
{
    return (struct kiops_record){
        .before = permission_text(ch, KIOPS_REVOKE),
        .after = permission_text(ch, KIOPS_GRANT),
        .actor = ch->call->actor,
        .kind = ch->what.kind,
        .rule = ch->rule,
        .subject = ch->what.subject,
        .organization = ch->what.organization,
    };
}

typedef enum step operation_run(struct change *ch, struct error *err);

static operation_run *const OPERATIONS[] = {
    [KIOPS_ADD] = operation_join,
    [KIOPS_APPROVE] = operation_join,
    [KIOPS_REQUEST] = operation_request,
    [KIOPS_REJECT] = operation_reject,
    [KIOPS_WITHDRAW] = operation_reject,
    [KIOPS_REMOVE] = operation_remove,
    [KIOPS_PROMOTE] = operation_promote,
    [KIOPS_DEMOTE] = operation_demote,
    [KIOPS_GRANT] = operation_grant,
    [KIOPS_REVOKE] = operation_grant,
    [KIOPS_MAKE_ADMIN] = operation_make_admin,
    [KIOPS_UNMAKE_ADMIN] = operation_unmake_admin,
};

/* Beside a rename the groups come first: until they follow, a Manager or Member looks like somebody
 * who is in no group. Whoever meets it finishes it. */
static enum step operate(struct change *ch, struct error *err)
{
    if (!ch->sight.former_dn.len || ch->followed)
        return OPERATIONS[ch->what.kind](ch, err);
    ch->followed = true;
    bool moved =
        naming_move(ch->call, ch->what.subject, ch->sight.former_dn, ch->sight.person.dn, err);
    return moved ? STEP_AGAIN : STEP_FAILED;
}

/* After a lost precondition: a change that only goes forward looks, any other is judged again as if
 * it came now. */
static bool decide_again(struct change *ch, struct error *err)
{
    if (ch->carry != CARRY_NOTHING)
        return change_look(ch, true, err);
    /* What else the request changes has happened by now, or has not: the directory says. */
    ch->leaving_managers = ch->coming_managers = 0;
    ch->activity = ACTIVITY_AS_SEEN;
    if (!change_decide(ch, true, err))
        return false;
    return ch->nothing || access_confirm(ch->call, ch->what.organization, err);
}

static bool give_up(const struct change *ch, struct error *err)
{
    if (ch->wrote)
        return error_set(
            err, ERR_UNAVAILABLE,
            "unfinished: other changes kept coming in between; repeat the request, it completes");
    return error_set(err, ERR_CONFLICT,
                     "other changes of " STR_FMT " kept coming in between; repeat the request",
                     STR_ARG(ch->what.organization_name.len ? ch->what.organization_name
                                                            : ch->what.subject_name));
}

/* `lost`: its first try, as one of many (plan.c), was refused. */
static bool run_to_end(struct change *ch, bool lost, struct error *err)
{
    enum step step = lost ? STEP_AGAIN : operate(ch, err);
    for (int tries = 0; step == STEP_AGAIN; tries++) {
        if (tries >= (ch->wrote ? TRIES_AFTER : TRIES_BEFORE))
            return give_up(ch, err);
        if (!decide_again(ch, err))
            return false;
        if (ch->nothing)
            return true;
        step = operate(ch, err);
    }
    return step == STEP_DONE;
}

static enum audit_result result_of(const struct change *ch, const struct error *err)
{
    if (err->rule[0])
        return AUDIT_REFUSED;
    if (err->kind == ERR_UNAVAILABLE)
        return ch->wrote ? AUDIT_UNFINISHED : AUDIT_FAILED;
    return err->kind == ERR_CONFLICT ? AUDIT_LOST_RACE : AUDIT_FAILED;
}

/* Own writes enter the replica before the answer goes out, also those whose own answer was lost.
 * What cannot be read now comes with the feed. */
static void read_again(const struct change *ch)
{
    const struct service_call *c = ch->call;
    struct error later = ERROR_INIT;
    if (!service_refresh_user(c->service, c->conn, c->arena, ch->what.subject, &later) ||
        (ch->what.organization.len && !service_refresh_organization(c->service, c->conn, c->arena,
                                                                    ch->what.organization, &later)))
        LOG_WARN("change_unread", LOG_S("user", ch->what.subject), LOG_C("reason", later.detail));
}

static bool run(struct change *ch, bool lost, struct error *err)
{
    bool was_manager = change_counts_as_manager(ch);
    bool done = run_to_end(ch, lost, err);
    if (ch->doubtful)
        read_again(ch);
    if (!done && ch->what.kind == KIOPS_PROMOTE && ch->wrote && err->kind != ERR_UNAVAILABLE)
        operation_undo_promote(ch);
    ch->finished = true;
    ch->done = done;
    notice_of_change(ch, was_manager);
    audit_outcome(ch->call->service->audit, ch->intent, done ? AUDIT_DONE : result_of(ch, err),
                  done ? STR_NONE : str_of(err->detail));
    if (!done)
        operation_refused(ch->call->service, err);
    return done;
}

bool change_run(struct change *ch, struct error *err)
{
    return run(ch, false, err);
}

bool change_run_again(struct change *ch, struct error *err)
{
    return run(ch, true, err);
}
