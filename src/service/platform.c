/* PlatformAdmin: granted person first and group last, revoked group first. */
#include "service/internal.h"

/* 3 look: the DN that was added names nobody, another name is theirs by now, or a deactivation has
 * taken the person's side. */
static enum step look_at_new_admin(struct change *ch, struct error *err)
{
    struct directory_mods m;
    struct str added = ch->sight.person.dn;
    if (!change_look(ch, true, err))
        return STEP_FAILED;
    if (ch->sight.has_user && str_eq(ch->sight.person.dn, added) && ch->sight.platform.count)
        return STEP_DONE;
    directory_mods_init(&m, ch->call->arena);
    directory_mods_one(&m, DIRECTORY_DELETE, "member", added);
    enum sent sent = operation_modify_admins(ch->call, &m, err); /* lost: gone already */
    if (sent == SENT_FAILED)
        return STEP_FAILED;
    if (ch->sight.has_user || sent == SENT_UNKNOWN)
        return STEP_AGAIN;
    error_set(err, ERR_NOT_FOUND, "the user was deleted meanwhile");
    return STEP_FAILED;
}

enum step operation_make_admin(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    struct directory_mods m;
    directory_mods_init(&m, a);
    operation_delete_all(&m, "kiopsJoined", &g->platform);
    if (!ch->own_stamp.len) /* sent again it is the same: the first may come late */
        ch->own_stamp = operation_new_stamp(a, STR("platform"), STR_NONE);
    directory_mods_one(&m, DIRECTORY_ADD, "kiopsJoined", ch->own_stamp);
    /* KB-R16: who is inactive is made none. */
    enum step person =
        operation_step(operation_modify_person(ch, &m, "(!(kiopsActive=FALSE))", err));
    if (person != STEP_DONE)
        return person;
    directory_mods_init(&m, a);
    if (g->in_platform)
        directory_mods_one(&m, DIRECTORY_DELETE, "member", g->person.dn);
    directory_mods_one(&m, DIRECTORY_ADD, "member", g->person.dn);
    enum step group = operation_step(operation_modify_platform(ch, &m, err));
    return group == STEP_DONE ? look_at_new_admin(ch, err) : group;
}

enum step operation_leave_platform(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    if (g->other_admin.len)
        directory_mods_prove_there(&m, "member", g->other_admin);
    directory_mods_one(&m, DIRECTORY_DELETE, "member", g->person.dn);
    return operation_step(operation_modify_platform(ch, &m, err));
}

enum step operation_unmake_admin(struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    if (ch->carry == CARRY_OUT && g->in_platform)
        return STEP_DONE; /* made PlatformAdmin again since */
    if (g->in_platform) {
        enum step group = operation_leave_platform(ch, err);
        if (group != STEP_DONE)
            return group;
        ch->carry = CARRY_OUT;
    }
    if (!change_look(ch, true, err))
        return STEP_FAILED;
    if (!g->has_user || g->in_platform || !g->platform.count)
        return STEP_DONE;
    struct directory_mods m;
    directory_mods_init(&m, ch->call->arena);
    operation_delete_all(&m, "kiopsJoined", &g->platform);
    return operation_step(operation_modify_person(ch, &m, NULL, err)); /* absent: perhaps renamed */
}
