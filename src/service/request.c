/* Request, reject, withdraw: one modify of the person each; the exact request value is
 * the precondition. */
#include "service/internal.h"

/* After a lost answer the next look says whether it was done. */
static enum step carry_on(struct change *ch, enum sent sent)
{
    if (sent == SENT_UNKNOWN)
        ch->carry = CARRY_SENT;
    return operation_step(sent);
}

/* Our request is not there, and not for its answer alone: somebody or something went, another was
 * faster, or ours was there and is rejected. */
static bool is_decided_anew(const struct change *ch)
{
    const struct sight *g = &ch->sight;
    instant_t asked;
    return !g->has_user || !g->has_organization || g->in || g->requests.count ||
           (operation_stamp_time(ch->own_stamp, &asked) && operation_latest(&g->rejected) >= asked);
}

enum step operation_request(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    for (size_t i = 0; i < g->requests.count; i++)
        if (str_eq(g->requests.at[i], ch->own_stamp))
            return STEP_DONE; /* ours: its answer was lost */
    if (ch->carry == CARRY_SENT && is_decided_anew(ch)) {
        ch->carry = CARRY_NOTHING; /* as if it came now */
        return STEP_AGAIN;
    }
    for (size_t i = 0; i < g->joined.count; i++) {
        if (operation_is_young(g->joined.at[i], clock_now())) {
            if (!g->fresh)
                return STEP_AGAIN;
            error_set(err, ERR_CONFLICT,
                      "joining this organization is under way; look again in a moment");
            return STEP_FAILED;
        }
    }
    struct directory_mods m;
    directory_mods_init(&m, a);
    operation_delete_all(&m, "kiopsJoined", &g->joined);
    if (ch->carry != CARRY_SENT) /* else it may still come: the same again */
        ch->own_stamp = operation_new_stamp(a, ch->what.organization, STR_NONE);
    directory_mods_one(&m, DIRECTORY_ADD, "kiopsRequest", ch->own_stamp);
    struct str id = directory_filter_value(a, ch->what.organization);
    struct str none =
        g->joined.count
            ? arena_fmt(a, "(!(kiopsRequest=" STR_FMT ":*))", STR_ARG(id))
            : arena_fmt(a, "(!(kiopsRequest=" STR_FMT ":*))(!(kiopsJoined=" STR_FMT ":*))",
                        STR_ARG(id), STR_ARG(id));
    return carry_on(ch, operation_modify_person(ch, &m, none.at, err));
}

static bool is_left_of(const struct directory_values *claimed, const struct directory_values *now)
{
    for (size_t i = 0; i < claimed->count; i++)
        for (size_t k = 0; k < now->count; k++)
            if (str_eq(claimed->at[i], now->at[k]))
                return true;
    return false;
}

enum step operation_reject(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    struct directory_mods m;
    if (ch->carry == CARRY_SENT && !is_left_of(&ch->claimed, &g->requests)) {
        /* No join, and not that request: it was taken away as we asked. */
        if (g->has_user && !g->joined.count && !g->in)
            return STEP_DONE;
        ch->carry = CARRY_NOTHING;
        return STEP_AGAIN;
    }
    if (g->person.applicant && g->joined.count &&
        operation_is_young(g->joined.at[0], clock_now())) {
        error_set(err, ERR_CONFLICT, "an approval is under way; look again in a moment");
        return STEP_FAILED;
    }
    ch->claimed = g->requests;
    directory_mods_init(&m, a);
    operation_delete_all(&m, "kiopsRequest", &g->requests);
    if (g->person.applicant) /* an approval that was cut off */
        operation_delete_all(&m, "kiopsJoined", &g->joined);
    if (ch->what.kind == KIOPS_REJECT && !g->rejected.count) {
        char time[CLOCK_TEXT_MAX];
        struct str when = clock_generalized(clock_now(), time);
        directory_mods_one(
            &m, DIRECTORY_ADD, "kiopsRejected",
            arena_fmt(a, STR_FMT ":" STR_FMT, STR_ARG(ch->what.organization), STR_ARG(when)));
    }
    struct str id = directory_filter_value(a, ch->what.organization);
    struct str none = arena_fmt(a, "(!(kiopsJoined=" STR_FMT ":*))", STR_ARG(id));
    return carry_on(ch, operation_modify_person(ch, &m, g->joined.count ? NULL : none.at, err));
}
