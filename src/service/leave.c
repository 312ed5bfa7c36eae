/* Remove: a Member's own values first, then the organization; of a Manager the
 * organization decides. Then a look at what came in between. */
#include "service/internal.h"

static bool anything_left(const struct sight *g)
{
    return g->joined.count || g->permissions.count || g->manager;
}

/* "Y" and the actor's own standing, as far as this change still has to decide. */
static void prove_managers(const struct change *ch, struct directory_mods *m)
{
    const struct sight *g = &ch->sight;
    if (g->other_manager.len && !ch->vacates)
        directory_mods_prove_there(m, owner_attr(ch->call), g->other_manager);
    if (ch->carry == CARRY_NOTHING && g->actor_dn.len && !str_eq(g->actor_dn, g->other_manager))
        directory_mods_prove_there(m, owner_attr(ch->call), g->actor_dn);
}

/* 2 organization: out of owner and member, or proof that there is no owner value. */
static enum sent leave_organization(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct str placeholder = ch->call->service->config->directory.organizations.placeholder_dn;
    struct directory_mods m;
    bool vacant = false;
    directory_mods_init(&m, ch->call->arena);
    if (g->owner) {
        bool last =
            !g->other_manager.len && g->organization.managed && g->organization.owner_count == 1;
        prove_managers(ch, &m);
        directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(ch->call), g->person.dn);
        vacant = (last || ch->vacates) && !g->organization.has_placeholder_owner &&
                 g->organization.managed;
        if (vacant)
            directory_mods_one(&m, DIRECTORY_ADD, owner_attr(ch->call), placeholder);
    } else {
        if (g->manager && ch->carry == CARRY_NOTHING && g->actor_dn.len)
            directory_mods_prove_there(&m, owner_attr(ch->call), g->actor_dn);
        if (*owner_attr(ch->call))
            directory_mods_prove_absent(&m, owner_attr(ch->call), g->person.dn);
    }
    if (g->in)
        directory_mods_one(&m, DIRECTORY_DELETE, member_attr(ch->call), g->person.dn);
    struct replica_set_change sets[] = {operation_set(ch, g->in ? -1 : 0, g->owner ? -1 : 0),
                                        {.dn = placeholder, .owner = 1}};
    return operation_modify_organization(ch, &m, (struct set_changes){sets, vacant ? 2 : 1}, err);
}

/* What the person still has of this organization, not being a member any more. */
static enum step leave_person(struct change *ch, struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    operation_none_of(ch, &m);
    operation_delete_all(&m, "kiopsJoined", &ch->sight.joined);
    enum step step = operation_step(operation_modify_person(ch, &m, NULL, err));
    if (step == STEP_AGAIN)
        ch->carry = CARRY_OUT;
    return step;
}

/* 3 look: what a join or a grant put there in between. */
static enum step look_once_more(struct change *ch, bool was_in_or_owner, struct error *err)
{
    if (!has_person_side(ch->call))
        return STEP_DONE;
    if (!change_look(ch, true, err))
        return STEP_FAILED;
    const struct sight *g = &ch->sight;
    if (!g->has_user || !g->has_organization)
        return STEP_DONE;
    if (g->in && !g->joined.count) {
        ch->carry = CARRY_USER;
        return STEP_AGAIN;
    }
    if (g->in && !was_in_or_owner) {
        ch->carry = CARRY_NOTHING;
        return STEP_AGAIN;
    }
    return !g->in && anything_left(g) ? leave_person(ch, err) : STEP_DONE;
}

static enum step remove_member(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    if (ch->carry == CARRY_NOTHING) {
        struct directory_mods m;
        directory_mods_init(&m, ch->call->arena);
        operation_none_of(ch, &m);
        operation_delete_all(&m, "kiopsJoined", &g->joined);
        operation_delete_all(&m, "kiopsRequest", &g->requests);
        enum step step = operation_step(operation_modify_person(ch, &m, NULL, err));
        if (step != STEP_DONE)
            return step;
        ch->carry = g->joined.count ? CARRY_USER : CARRY_NOTHING;
    }
    enum sent sent = leave_organization(ch, err);
    return sent == SENT_ABSENT ? STEP_DONE : operation_step(sent);
}

static enum step remove_manager(struct change *ch, struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    operation_delete_all(&m, "kiopsPermission", &ch->sight.permissions);
    operation_delete_all(&m, "kiopsRequest", &ch->sight.requests);
    enum sent sent = operation_modify_person(ch, &m, NULL, err);
    if (sent == SENT_DONE || sent == SENT_ABSENT) /* the person decides nothing here */
        sent = leave_organization(ch, err);
    if (sent == SENT_DONE)
        ch->carry = CARRY_OUT;
    return operation_step(sent);
}

enum step operation_remove(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    if (!g->has_user || !g->has_organization)
        return STEP_DONE;
    if (ch->carry == CARRY_OUT || (ch->carry == CARRY_USER && !g->in))
        return g->in || !anything_left(g) ? STEP_DONE : leave_person(ch, err);
    if (ch->carry == CARRY_USER && g->joined.count)
        return STEP_DONE; /* joined again since */
    bool was_in_or_owner = g->in || g->owner;
    enum step step = g->manager ? remove_manager(ch, err) : remove_member(ch, err);
    return step == STEP_DONE ? look_once_more(ch, was_in_or_owner, err) : step;
}
