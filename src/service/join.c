/* Add and approve: the person first, then the organization, then one more look
 * at the person. */
#include "service/internal.h"

/* 1 user: no authority left from before, every request and old join gone, a new join. For an
 * approval the exact request is the claim. */
enum step operation_join_person(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct directory_mods m;
    if (!has_person_side(ch->call))
        return STEP_DONE;
    /* Memory learns of the two sides one after the other: of a member it may know the join and the
     * permissions, and not yet that they are in. A fresh look reads the person first, `member`
     * last; beside a rename the groups come first. */
    if (g->joined.count && !g->in && (!g->fresh || (g->former_dn.len && !ch->followed)))
        return STEP_AGAIN;
    directory_mods_init(&m, ch->call->arena);
    ch->claimed = g->requests;
    ch->own_stamp = operation_new_stamp(ch->call->arena, ch->what.organization, STR_NONE);
    operation_none_of(ch, &m);
    operation_delete_all(&m, "kiopsRequest", &g->requests);
    operation_delete_all(&m, "kiopsRejected", &g->rejected);
    operation_delete_all(&m, "kiopsJoined", &g->joined);
    directory_mods_one(&m, DIRECTORY_ADD, "kiopsJoined", ch->own_stamp);
    /* Two joins at once: the later one must see the earlier one's value, and take it away. */
    struct str none =
        arena_fmt(ch->call->arena, "(!(kiopsJoined=" STR_FMT ":*))",
                  STR_ARG(directory_filter_value(ch->call->arena, ch->what.organization)));
    enum step step =
        operation_step(operation_modify_person(ch, &m, g->joined.count ? NULL : none.at, err));
    if (step == STEP_DONE)
        ch->carry = CARRY_CLAIMED;
    return step;
}

static enum step take_back_join(struct change *ch, struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    if (ch->own_stamp.len)
        directory_mods_one(&m, DIRECTORY_DELETE, "kiopsJoined", ch->own_stamp);
    if (operation_take_back(ch, &m, err) == SENT_FAILED)
        return STEP_FAILED;
    error_set(err, ERR_NOT_FOUND, "the organization was deleted meanwhile");
    return STEP_FAILED;
}

/* 2 organization. `owner` is never touched: without kiopsManager it is inert, and a late delete of
 * it would undo a promotion. */
static enum step join_organization(struct change *ch, struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    if (ch->sight.in)
        directory_mods_one(&m, DIRECTORY_DELETE, member_attr(ch->call), ch->sight.person.dn);
    directory_mods_one(&m, DIRECTORY_ADD, member_attr(ch->call), ch->sight.person.dn);
    struct replica_set_change set = operation_set(ch, ch->sight.in ? 0 : 1, 0);
    return operation_step(
        operation_modify_organization(ch, &m, (struct set_changes){&set, 1}, err));
}

/* The DN names nobody, or somebody else: what was added to the organization goes again. Whether the
 * user was deleted or renamed, the next look tells by the id. */
static enum step take_back_member(struct change *ch, struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    directory_mods_one(&m, DIRECTORY_DELETE, member_attr(ch->call), ch->sight.person.dn);
    struct replica_set_change set = operation_set(ch, -1, 0);
    return operation_modify_organization(ch, &m, (struct set_changes){&set, 1}, err) == SENT_FAILED
               ? STEP_FAILED
               : STEP_AGAIN;
}

/* 3 the person again: another entry, or none: taken back; a request that came in between: gone with
 * the join. */
enum step operation_join_look(struct change *ch, struct error *err)
{
    const struct service_call *c = ch->call;
    struct directory_search s[2] = {
        {.base = ch->sight.person.dn,
         .scope = DIRECTORY_BASE,
         .attrs = directory_user_attrs(c->service->directory)},
        directory_search_organization(c->service->directory, c->arena, ch->what.organization),
    };
    s[1].attrs = directory_organization_attrs(c->service->directory, false, false);
    struct directory_entries found[2];
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){s, 2}, found, err))
        return STEP_FAILED;
    struct directory_person now = {0};
    if (found[0].count == 1)
        directory_map_person(c->arena, &found[0].at[0], &now);
    if (!str_eq(now.id, ch->what.subject)) {
        /* Another person of that DN may have joined in their own right. */
        bool theirs = operation_values_of(c->arena, &now.joined, ch->what.organization).count > 0;
        return theirs ? STEP_AGAIN : take_back_member(ch, err);
    }
    if (found[1].count != 1)
        return take_back_join(ch, err);
    struct directory_values left =
        operation_values_of(c->arena, &now.requests, ch->what.organization);
    if (!left.count)
        return STEP_DONE;
    struct directory_mods m;
    directory_mods_init(&m, c->arena);
    operation_delete_all(&m, "kiopsRequest", &left);
    return operation_modify_person(ch, &m, NULL, err) == SENT_FAILED ? STEP_FAILED : STEP_DONE;
}

enum step operation_join(struct change *ch, struct error *err)
{
    bool claimed = ch->carry == CARRY_CLAIMED && ch->sight.joined.count;
    if (claimed && ch->sight.in)
        return STEP_DONE;
    if (ch->carry == CARRY_CLAIMED && (!ch->sight.has_user || !ch->sight.has_organization)) {
        if (ch->sight.has_user && ch->sight.joined.count)
            return take_back_join(ch, err);
        error_set(err, ERR_NOT_FOUND, "the user or the organization was deleted meanwhile");
        return STEP_FAILED;
    }
    if (!claimed) {
        enum step person = operation_join_person(ch, err);
        if (person != STEP_DONE)
            return person;
    }
    if (ch->sight.person.applicant) {
        const struct directory_values own = {&ch->own_stamp, 1};
        enum step moved = applicant_move_in(ch, claimed ? &ch->sight.joined : &own, err);
        if (moved != STEP_DONE)
            return moved;
    }
    enum step organization = join_organization(ch, err);
    return organization == STEP_DONE ? operation_join_look(ch, err) : organization;
}
