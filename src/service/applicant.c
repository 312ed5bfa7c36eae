/* Who signed up and is approved: out of signup.container into the users. The claim on
 * the request comes before, so that a rejection and an approval never both win; membership comes
 * after, so that in between there is less than was decided. */
#include "service/internal.h"

/* The name was taken before the move: the request waits again, for whoever rejects it. */
static enum step give_up_name(struct change *ch, const struct directory_values *joined,
                              struct error *err)
{
    struct directory_mods m;
    struct str again = operation_new_stamp(ch->call->arena, ch->what.organization, joined->at[0]);
    directory_mods_init(&m, ch->call->arena);
    operation_delete_all(&m, "kiopsJoined", joined);
    if (ch->claimed.count)
        directory_mods_push(&m, DIRECTORY_ADD, "kiopsRequest", ch->claimed.at, ch->claimed.count);
    else
        directory_mods_one(&m, DIRECTORY_ADD, "kiopsRequest", again);
    error_clear(err);
    enum step step = operation_step(operation_modify_person(ch, &m, NULL, err));
    if (step != STEP_DONE)
        return step;
    ch->carry = CARRY_NOTHING;
    ch->sight.name_taken = true;
    struct kiops_verdict v = change_judge(ch);
    if (v.status == KIOPS_REFUSED)
        kiops_refuse(&v, &ch->what, err);
    else
        error_set(err, ERR_CONFLICT, "the user name was taken meanwhile; reject the request");
    return STEP_FAILED;
}

static enum step moved(struct change *ch, struct str dn, const struct directory_result *result)
{
    if (result->outcome != DIRECTORY_DONE) {
        atomic_fetch_add(&ch->call->service->lost_races, 1);
        return STEP_AGAIN;
    }
    ch->wrote = true;
    ch->sight.person.dn = dn;
    ch->sight.person.applicant = false;
    operation_apply_user(ch->call, result->post);
    return STEP_DONE;
}

enum step applicant_move_in(struct change *ch, const struct directory_values *joined,
                            struct error *err)
{
    const struct service_call *c = ch->call;
    struct str rdn = directory_user_rdn(c->service->directory, c->arena, ch->sight.user_name);
    struct str to = c->service->config->directory.users.create_in;
    struct str dn = arena_fmt(c->arena, STR_FMT "," STR_FMT, STR_ARG(rdn), STR_ARG(to));
    struct directory_target target = {.dn = ch->sight.person.dn,
                                      .id = ch->what.subject,
                                      .new_rdn = rdn,
                                      .new_superior = to,
                                      .want_post = true};
    struct directory_result result = {0};
    /* Nobody's values are inherited with the name. */
    if (!naming_claim(c, dn, ch->sight.user_name, err))
        return err->kind == ERR_UNIQUENESS ? give_up_name(ch, joined, err) : STEP_FAILED;
    if (!directory_rename(c->conn, c->arena, &target, &result, err)) {
        if (result.outcome != DIRECTORY_UNKNOWN)
            return STEP_FAILED;
        ch->wrote = ch->doubtful = true; /* where it stands now says whether it was made */
        atomic_fetch_add(&c->service->unknown_outcomes, 1);
        error_clear(err);
        return STEP_AGAIN;
    }
    return result.outcome == DIRECTORY_EXISTS ? give_up_name(ch, joined, err)
                                              : moved(ch, dn, &result);
}
