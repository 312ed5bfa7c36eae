/* Promote, demote, grant, revoke. */
#include "service/internal.h"

/* 1 user: the join gets a new random part, so that what was decided on the old one fails, and the
 * person's side of `owner`. */
static enum sent promote_person(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    struct directory_mods m;
    directory_mods_init(&m, a);
    ch->own_stamp = operation_new_stamp(a, ch->what.organization, g->joined.at[0]);
    operation_delete_all(&m, "kiopsJoined", &g->joined);
    directory_mods_one(&m, DIRECTORY_ADD, "kiopsJoined", ch->own_stamp);
    if (g->manager)
        directory_mods_one(&m, DIRECTORY_DELETE, "kiopsManager", ch->what.organization);
    directory_mods_one(&m, DIRECTORY_ADD, "kiopsManager", ch->what.organization);
    return operation_modify_person(ch, &m, NULL, err);
}

/* 2 organization: still a member; now an owner. The first owner brings the class that makes the
 * directory keep one. */
static enum sent promote_organization(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct str placeholder = ch->call->service->config->directory.organizations.placeholder_dn;
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    directory_mods_prove_there(&m, member_attr(ch->call), g->person.dn);
    if (g->owner)
        directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(ch->call), g->person.dn);
    directory_mods_one(&m, DIRECTORY_ADD, owner_attr(ch->call), g->person.dn);
    if (!g->organization.managed)
        directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("kiopsManagedOrganization"));
    if (g->organization.has_placeholder_owner)
        directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(ch->call), placeholder);
    else
        directory_mods_prove_absent(&m, owner_attr(ch->call), placeholder);
    struct replica_set_change sets[] = {operation_set(ch, 0, g->owner ? 0 : 1),
                                        {.dn = placeholder, .owner = -1}};
    size_t count = g->organization.has_placeholder_owner ? 2 : 1;
    return operation_modify_organization(ch, &m, (struct set_changes){sets, count}, err);
}

enum step operation_promote(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    if (!g->in || !g->joined.count) {
        if (!g->fresh)
            return STEP_AGAIN;
        error_set(err, ERR_CONFLICT,
                  STR_FMT " is no member of " STR_FMT
                          " whose joining is known; add them as a member first",
                  STR_ARG(ch->what.subject_name), STR_ARG(ch->what.organization_name));
        return STEP_FAILED;
    }
    enum sent person = promote_person(ch, err);
    return person == SENT_DONE ? operation_step(promote_organization(ch, err))
                               : operation_step(person);
}

/* Removed between our two steps: what the first one wrote goes again. Our join is the proof that it
 * is ours: who promotes, or joins, writes a new one. */
void operation_undo_promote(struct change *ch)
{
    struct error ignored = ERROR_INIT;
    struct directory_mods m;
    if (!ch->own_stamp.len)
        return;
    directory_mods_init(&m, ch->call->arena);
    directory_mods_prove_there(&m, "kiopsJoined", ch->own_stamp);
    directory_mods_one(&m, DIRECTORY_DELETE, "kiopsManager", ch->what.organization);
    if (operation_take_back(ch, &m, &ignored) == SENT_FAILED)
        LOG_WARN("promotion_left_over", LOG_S("user", ch->what.subject),
                 LOG_C("reason", ignored.detail));
}

/* 2 user; lost: joined, removed or promoted since, theirs. */
static enum step demote_person(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct directory_mods m;
    if (!g->manager)
        return STEP_DONE;
    directory_mods_init(&m, ch->call->arena);
    if (g->joined.count)
        directory_mods_prove_there(&m, "kiopsJoined", g->joined.at[0]);
    directory_mods_one(&m, DIRECTORY_DELETE, "kiopsManager", ch->what.organization);
    ch->carry = CARRY_LEFT;
    enum sent sent = operation_modify_person(ch, &m, NULL, err);
    if (sent == SENT_UNKNOWN || sent == SENT_ABSENT) /* deleted, or renamed: the next look tells */
        return STEP_AGAIN;
    return sent == SENT_FAILED ? STEP_FAILED : STEP_DONE;
}

enum step operation_demote(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct directory_mods m;
    if (ch->carry == CARRY_LEFT && g->owner)
        return STEP_DONE; /* promoted again since */
    if (!g->owner)        /* decided by us, and the answer was lost; or there is nothing to do */
        return ch->wrote ? demote_person(ch, err) : STEP_DONE;
    if (!g->other_manager.len) {
        if (!g->fresh)
            return STEP_AGAIN;
        error_set(err, ERR_CONFLICT,
                  "no other Manager of " STR_FMT " is active; make another member Manager first",
                  STR_ARG(ch->what.organization_name));
        return STEP_FAILED;
    }
    directory_mods_init(&m, ch->call->arena);
    directory_mods_prove_there(&m, owner_attr(ch->call), g->other_manager);
    if (g->actor_dn.len && !str_eq(g->actor_dn, g->other_manager))
        directory_mods_prove_there(&m, owner_attr(ch->call), g->actor_dn);
    directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(ch->call), g->person.dn);
    struct replica_set_change set = operation_set(ch, 0, -1);
    enum step decided =
        operation_step(operation_modify_organization(ch, &m, (struct set_changes){&set, 1}, err));
    return decided == STEP_DONE ? demote_person(ch, err) : decided;
}

enum step operation_grant(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    struct directory_mods m;
    bool grant = ch->what.kind == KIOPS_GRANT;
    if (grant && !g->joined.count) {
        if (!g->fresh)
            return STEP_AGAIN;
        error_set(err, ERR_CONFLICT,
                  STR_FMT " is no member of " STR_FMT " whose joining is known; add them first",
                  STR_ARG(ch->what.subject_name), STR_ARG(ch->what.organization_name));
        return STEP_FAILED;
    }
    directory_mods_init(&m, a);
    if (grant)
        directory_mods_prove_there(&m, "kiopsJoined", g->joined.at[0]);
    directory_mods_one(&m, grant ? DIRECTORY_ADD : DIRECTORY_DELETE, "kiopsPermission",
                       arena_fmt(a, STR_FMT ":" STR_FMT, STR_ARG(ch->what.organization),
                                 STR_ARG(kiops_permission_name(ch->what.permission))));
    /* KB-R06: a Manager's permissions are not a Manager's to change. */
    if (ch->call->actor.role == KIOPS_MANAGER)
        directory_mods_prove_absent(&m, "kiopsManager", ch->what.organization);
    return operation_step(operation_modify_person(ch, &m, NULL, err));
}
