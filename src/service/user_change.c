/* Users: replace and patch. Read from the directory -> patch -> check -> judge -> intent -> modify
 * with the version read as assertion -> replica -> outcome -> answer. */
#include "base/own.h"
#include "service/user_write.h"

bool user_change_read(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search search = directory_search_user(c->service->directory, c->arena, w->id);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &search, &found, err))
        return false;
    if (found.count != 1 || directory_is_protected(c->service->directory, found.at[0].dn))
        return error_set(err, ERR_NOT_FOUND, KIOPS_NO_USER);
    w->entry = found.at[0];
    struct error odd = ERROR_INIT;
    return directory_map_user(c->service->directory, c->arena, &w->entry, &w->before, &odd) ||
           error_set(err, ERR_NOT_FOUND, KIOPS_NO_USER); /* as reads have it */
}

/* The resource as this client knows it: the shared part and its own externalId, and the roles that
 * it may write. */
static json_t *resource_before(const struct user_write *w)
{
    json_t *before = json_copy_deep(w->before.resource);
    struct str external =
        directory_external_id(&w->before.person.external_ids, w->call->actor.client);
    if (external.at)
        json_put_str(before, "externalId", external);
    json_put_str(before, "id", w->id);
    return before;
}

static bool make_after(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    OWNED_JSON json_t *before = resource_before(w);
    OWNED_JSON json_t *patched = NULL;
    json_t *after;
    if (!user_roles_show(w, before, err))
        return false;
    if (w->posted) {
        w->after = directory_adopted_user(c->service->directory, c->arena, &w->before, w->posted);
        json_keep(c->arena, w->after);
        return user_roles_take(w, before, w->after, err);
    }
    if (w->patch && !scim_patch_apply(&c->scim, w->patch, before, &patched, err))
        return false;
    const struct scim_proposal asked = {.purpose = w->patch ? SCIM_FOR_PATCH : SCIM_FOR_REPLACE,
                                        .before = before,
                                        .resource = w->patch ? patched : w->body};
    if (!scim_resource_check(&c->scim, &asked, &after, err))
        return false;
    json_keep(c->arena, after);
    w->password = user_write_take_password(c, after);
    w->after = after;
    return user_roles_take(w, before, after, err) && user_write_check_manager(c, after, err);
}

static bool judge_kind(struct user_write *w, enum kiops_change_kind kind, const char **rule,
                       struct error *err)
{
    const struct service_call *c = w->call;
    struct str *admins;
    size_t n = replica_admins(c->service->replica, c->arena, &admins), others = n;
    for (size_t i = 0; i < n; i++)
        others -= str_eq(admins[i], w->id);
    struct kiops_state state = {
        .subject_exists = true,
        .subject_active = w->before.person.active,
        .subject_admin = replica_is_admin(c->service->replica, w->id),
        .other_admins = others,
        .now = clock_now(),
    };
    struct kiops_change what = {
        .kind = kind, .subject = w->id, .subject_name = w->before.display, .operation = -1};
    return user_write_judge(c, &what, &state, rule, err);
}

static bool judge_activity(struct user_write *w, enum kiops_change_kind *kind, const char **rule,
                           struct error *err)
{
    bool active = json_get_bool(w->after, "active", true);
    *kind = active == w->before.person.active ? KIOPS_EDIT_USER
            : active                          ? KIOPS_REACTIVATE
                                              : KIOPS_DEACTIVATE;
    return *kind == KIOPS_EDIT_USER || judge_kind(w, *kind, rule, err);
}

/* Is the entry now what this request wrote? Asked when an answer was lost. */
static enum step look_for_marker(struct user_write *w, struct error *err)
{
    error_clear(err);
    atomic_fetch_add(&w->call->service->unknown_outcomes, 1);
    w->doubtful = true;
    if (!user_change_read(w, err))
        return STEP_FAILED;
    w->doubtful = false;
    if (!str_eq(w->before.marker, w->writer.marker))
        return STEP_AGAIN;
    operation_apply_user(w->call, &w->entry);
    return STEP_DONE;
}

enum step user_write_step(struct user_write *w, bool answered, const struct directory_result *r,
                          struct error *err)
{
    w->failing = !answered;
    if (!answered)
        return r->outcome == DIRECTORY_UNKNOWN ? look_for_marker(w, err) : STEP_FAILED;
    if (r->outcome == DIRECTORY_DONE)
        return STEP_DONE;
    if (r->outcome == DIRECTORY_EXISTS) {
        error_set(err, ERR_UNIQUENESS, "userName is taken by another user; choose another one");
        return STEP_FAILED;
    }
    atomic_fetch_add(&w->call->service->lost_races, 1);
    return STEP_AGAIN;
}

/* A person who deactivates a PlatformAdmin takes the group's side out first (KB-R16). Decided
 * before anything is written; `platform.sight.in_platform` false = nothing to take. */
static bool decide_platform(struct user_write *w, struct change *platform, struct error *err)
{
    const struct service_call *c = w->call;
    *platform = (struct change){
        .call = c, .what = {.kind = KIOPS_UNMAKE_ADMIN, .subject = w->id, .operation = -1}};
    if (c->actor.kind != KIOPS_ACTOR_PERSON ||
        !operation_values_of(c->arena, &w->before.person.joined, STR("platform")).count)
        return true;
    return change_decide(platform, true, err);
}

static enum step modify_user(struct user_write *w, const struct directory_target *target,
                             const struct directory_mods *mods, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    if (mods->count == 0)
        return STEP_DONE;
    bool answered = directory_modify(c->conn, target, mods, &result, err);
    enum step step = user_write_step(w, answered, &result, err);
    if (step == STEP_DONE)
        operation_apply_user(c, result.post);
    w->applied = step == STEP_DONE && result.post;
    w->wrote = w->wrote || step == STEP_DONE;
    return step;
}

static enum step bar(struct user_write *w, struct directory_target *target, struct error *err)
{
    struct directory_mods mods;
    directory_mods_init(&mods, w->call->arena);
    if (!directory_bar(&w->entry, &mods, err))
        return STEP_FAILED;
    enum step step = modify_user(w, target, &mods, err);
    target->csn = STR_NONE; /* it has just changed; the entryUUID still binds */
    return step;
}

static enum step lock_again(struct user_write *w, struct directory_target *target,
                            struct error *err)
{
    struct directory_mods mods;
    directory_mods_init(&mods, w->call->arena);
    directory_lock_again(w->call->service->directory, &mods);
    target->csn = STR_NONE;
    return modify_user(w, target, &mods, err);
}

static enum step refuse_password(struct user_write *w, struct directory_target *target, bool locked)
{
    struct error ignored = ERROR_INIT;
    if (locked && lock_again(w, target, &ignored) != STEP_DONE)
        LOG_WARN("user_left_barred", LOG_S("user", w->id), LOG_C("reason", ignored.detail));
    return STEP_FAILED;
}

/* Once: a second try of the same password would meet the server's password history. */
static enum step set_password(struct user_write *w, struct directory_target *target,
                              struct error *err)
{
    bool locked =
        !w->before.person.active && directory_password_unlocks(w->call->service->directory);
    if (!w->password.at)
        return STEP_DONE;
    if (w->password_set)
        return locked && directory_is_barred(&w->entry) ? lock_again(w, target, err) : STEP_DONE;
    enum step step = locked ? bar(w, target, err) : STEP_DONE;
    if (step != STEP_DONE)
        return step;
    if (!user_write_password(w, target->dn, err))
        return refuse_password(w, target, locked);
    w->password_set = w->wrote = true;
    target->csn = STR_NONE;
    return locked ? lock_again(w, target, err) : STEP_DONE;
}

static bool is_password_done(const struct user_write *w)
{
    return !w->password.at || (w->password_set && !directory_is_barred(&w->entry));
}

static enum step take_away(struct user_write *w, struct change *platform, struct error *err)
{
    enum step step = user_roles_take_away(w, err);
    if (step != STEP_DONE || !platform->sight.in_platform)
        return step;
    step = operation_leave_platform(platform, err);
    w->wrote = w->wrote || platform->wrote;
    return step;
}

/* Who was being made PlatformAdmin when the role was looked for, or taken, came into the group
 * since: without the person's side, which this deactivation took, the value has no effect, and it
 * goes. */
static enum step leave_platform_late(struct user_write *w, struct change *platform,
                                     struct error *err)
{
    enum step step = STEP_AGAIN;
    if (w->call->actor.kind != KIOPS_ACTOR_PERSON ||
        !operation_values_of(w->call->arena, &w->before.person.joined, STR("platform")).count)
        return STEP_DONE;
    for (int tries = 0; step == STEP_AGAIN && tries <= TRIES_AFTER; tries++)
        step = !change_look(platform, true, err) ? STEP_FAILED
               : !platform->sight.in_platform    ? STEP_DONE
                                                 : operation_leave_platform(platform, err);
    return step;
}

/* What a request makes of the entry. */
struct user_parts {
    enum kiops_change_kind kind; /* edit, reactivate or deactivate */
    const char *rule;
    struct directory_mods mods;
    struct str new_rdn;     /* empty: the name stays */
    struct str left;        /* of a rename that is not ended: the name that groups may still have */
    struct change platform; /* of a deactivation */
};

/* The password first: refused, it leaves nothing behind. Then what is taken away; then the name,
 * which somebody else may take meanwhile, and the groups that follow it; refused after that, it
 * goes back. The asserted name comes last, and with it the old value goes: until then they tell a
 * repeated request where the groups were left, and keep the old name. */
static enum step write_steps(struct user_write *w, struct user_parts *p, struct error *err)
{
    struct directory_target target = {.dn = w->entry.dn,
                                      .id = w->id,
                                      .new_rdn = p->new_rdn,
                                      .csn = w->entry.csn,
                                      .want_post = true};
    struct str old_dn = w->entry.dn, new_rdn = p->new_rdn;
    enum step step = set_password(w, &target, err);
    if (step == STEP_DONE)
        step = take_away(w, &p->platform, err);
    if (step == STEP_DONE && new_rdn.len)
        step = user_rename(w, &target, &p->mods, err);
    if (step != STEP_DONE)
        return step;
    if (new_rdn.len && !user_rename_finish(w, target.dn, err))
        return STEP_FAILED;
    step = modify_user(w, &target, &p->mods, err);
    if (step == STEP_FAILED && new_rdn.len && err->kind != ERR_UNAVAILABLE)
        user_rename_undo(w, &target, old_dn);
    return step;
}

/* Whoever may not learns nothing from how the rest is refused. After its first write, of which the
 * answer may have been lost, a request only goes forward. */
static bool decide_user(struct user_write *w, struct user_parts *p, struct error *err)
{
    const struct service_call *c = w->call;
    w->wrote = w->wrote || str_eq(w->before.marker, w->writer.marker) || user_rename_was_made(w);
    if (!judge_kind(w, KIOPS_EDIT_USER, &p->rule, err) ||
        (!w->wrote && !w->posted &&
         !version_check(c, version_text(c->arena, w->before.version), err)) ||
        !make_after(w, err) || !judge_activity(w, &p->kind, &p->rule, err) ||
        !user_roles_decide(w, err))
        return false;
    directory_mods_init(&p->mods, c->arena);
    const struct directory_user_edit edit = {
        .entry = &w->entry, .before = &w->before, .after = w->after, .writer = &w->writer};
    if (!directory_unmap_user(c->service->directory, &edit, &p->mods, &p->new_rdn, err))
        return false;
    p->left = user_rename_left(w);
    if (w->renamed_from.len && p->left.len && !w->before.asserted_name.len)
        directory_drop_old_name(c->service->directory, &w->entry, p->left, &p->mods);
    return true;
}

static bool is_nothing(const struct user_write *w, const struct user_parts *p)
{
    return p->mods.count == 0 && !p->new_rdn.len && !p->left.len && is_password_done(w);
}

/* Of the entry, that is. The answer shows what was read, not what memory has. */
static enum step write_nothing(struct user_write *w, struct error *err)
{
    operation_apply_user(w->call, &w->entry);
    return user_roles_intend(w, err) ? user_roles_take_away(w, err) : STEP_FAILED;
}

static bool intend(struct user_write *w, struct user_parts *p, struct error *err)
{
    return (p->kind != KIOPS_DEACTIVATE || decide_platform(w, &p->platform, err)) &&
           access_confirm(w->call, STR_NONE, err) && user_write_intend(w, p->kind, p->rule, err) &&
           user_roles_intend(w, err);
}

/* The name before this one: what is left of its rename comes first, and then this request again,
 * should it give a name too. */
static enum step end_former_rename(struct user_write *w, const struct user_parts *p,
                                   struct error *err)
{
    if (!p->new_rdn.len)
        return user_rename_finish(w, w->entry.dn, err) ? STEP_DONE : STEP_FAILED;
    w->wrote = true;
    enum step ended = rename_end(w->call, &w->entry, err);
    w->renamed_from = STR_NONE;
    return ended == STEP_DONE ? STEP_AGAIN : ended;
}

static enum step deactivate(struct user_write *w, struct user_parts *p, struct error *err)
{
    const struct service_call *c = w->call;
    const struct directory_values managed = w->before.person.managers;
    struct directory_values own =
        operation_values_of(c->arena, &w->before.person.joined, STR("platform"));
    operation_delete_all(&p->mods, "kiopsJoined", &own);
    enum step step = write_steps(w, p, err);
    if (step == STEP_DONE)
        step = leave_platform_late(w, &p->platform, err);
    if (step == STEP_DONE || w->doubtful)
        notice_of_deactivation(c, w->id, &managed);
    return step;
}

static enum step write_user(struct user_write *w, struct error *err)
{
    struct user_parts p = {0};
    enum step step = STEP_DONE;
    if (!decide_user(w, &p, err))
        return STEP_FAILED;
    if (is_nothing(w, &p))
        return write_nothing(w, err);
    if (!intend(w, &p, err))
        return STEP_FAILED;
    if (p.left.len)
        step = end_former_rename(w, &p, err);
    if (step == STEP_DONE && p.new_rdn.len)
        step = user_rename_claim(w, p.new_rdn, err);
    if (step != STEP_DONE)
        return step;
    return p.kind == KIOPS_DEACTIVATE ? deactivate(w, &p, err) : write_steps(w, &p, err);
}

enum service_status user_change_finish(struct user_write *w, enum step step,
                                       struct service_result *out, struct error *err)
{
    const struct service_call *c = w->call;
    if (step == STEP_AGAIN && w->failing)
        error_set(err, ERR_UNAVAILABLE,
                  "the directory keeps failing to change the user; try again later");
    else if (step == STEP_AGAIN)
        error_set(err, w->wrote ? ERR_UNAVAILABLE : ERR_CONFLICT,
                  "the user kept changing meanwhile; read it again and repeat the request");
    if (w->intent)
        audit_outcome(c->service->audit, w->intent,
                      step == STEP_DONE                   ? AUDIT_DONE
                      : step == STEP_AGAIN && !w->failing ? AUDIT_LOST_RACE
                      : w->wrote || w->doubtful           ? AUDIT_UNFINISHED
                                                          : AUDIT_FAILED,
                      step == STEP_DONE ? STR_NONE : str_of(err->detail));
    if (step != STEP_DONE) {
        user_roles_end(w, err);
        return SERVICE_FAILED;
    }
    if (!user_roles_give(w, err))
        return SERVICE_FAILED;
    struct error later = ERROR_INIT;
    if (w->intent && w->wrote && !w->applied &&
        !service_refresh_user(c->service, c->conn, c->arena, w->id, &later))
        LOG_WARN("user_unread", LOG_S("user", w->id), LOG_C("reason", later.detail));
    return answer_resource(c, REPLICA_USER, w->id, out, err);
}

enum step user_change_steps(struct user_write *w, struct error *err)
{
    enum step step = STEP_AGAIN;
    for (int tries = 0; step == STEP_AGAIN && tries <= (w->wrote ? TRIES_AFTER : TRIES_BEFORE);
         tries++)
        step = user_change_read(w, err) ? write_user(w, err) : STEP_FAILED;
    return step;
}

static enum service_status change_user(struct user_write *w, struct service_result *out,
                                       struct error *err)
{
    const struct service_call *c = w->call;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err) ||
        !user_write_may_know(c, KIOPS_EDIT_USER, w->id, err))
        return SERVICE_FAILED;
    w->writer = access_writer(c);
    return user_change_finish(w, user_change_steps(w, err), out, err);
}

enum service_status service_user_replace(const struct service_call *c, struct str id,
                                         const json_t *body, struct service_result *out,
                                         struct error *err)
{
    struct user_write w = {.call = c, .id = id, .body = body};
    return change_user(&w, out, err);
}

enum service_status service_user_patch(const struct service_call *c, struct str id,
                                       const struct scim_patch *patch, struct service_result *out,
                                       struct error *err)
{
    struct user_write w = {.call = c, .id = id, .patch = patch};
    return change_user(&w, out, err);
}
