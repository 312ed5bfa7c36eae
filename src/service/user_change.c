/* Users: replace and patch. Read from the directory -> patch -> check -> judge -> intent -> modify
 * with the version read as assertion -> replica -> outcome -> answer. */
#include "base/own.h"
#include "service/user_write.h"

static bool read_user(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search search = directory_search_user(c->service->directory, c->arena, w->id);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &search, &found, err))
        return false;
    if (found.count != 1 || directory_is_protected(c->service->directory, found.at[0].dn))
        return error_set(err, ERR_NOT_FOUND, "no such user");
    w->entry = found.at[0];
    return directory_map_user(c->service->directory, c->arena, &w->entry, &w->before, err);
}

/* The resource as this client knows it: the shared part and its own externalId. */
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
    struct scim_value_limits limits = user_write_limits(c);
    OWNED_JSON json_t *before = resource_before(w);
    OWNED_JSON json_t *patched = NULL;
    json_t *after;
    if (w->patch &&
        !scim_patch_apply(w->patch, c->dialect, user_write_type(c), before, &patched, err))
        return false;
    if (!scim_resource_check(c->dialect, user_write_type(c),
                             w->patch ? SCIM_FOR_PATCH : SCIM_FOR_REPLACE, &limits, before,
                             w->patch ? patched : w->body, &after, err))
        return false;
    json_keep(c->arena, after);
    user_write_drop_roles(after);
    w->password = user_write_take_password(c, after);
    w->after = after;
    return user_write_check_manager(c, after, err);
}

static bool judge_edit(struct user_write *w, enum kiops_change_kind *kind, const char **rule,
                       struct error *err)
{
    const struct service_call *c = w->call;
    bool active = json_get_bool(w->after, "active", true);
    *kind = active == w->before.person.active ? KIOPS_EDIT_USER
            : active                          ? KIOPS_REACTIVATE
                                              : KIOPS_DEACTIVATE;
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
    struct kiops_change what = {.kind = KIOPS_EDIT_USER,
                                .subject = w->id,
                                .subject_name = w->before.display,
                                .operation = -1};
    if (!user_write_judge(c, &what, &state, rule, err))
        return false;
    what.kind = *kind;
    return *kind == KIOPS_EDIT_USER || user_write_judge(c, &what, &state, rule, err);
}

/* The DN changed: every group value that names the old one is mended (DESIGN 3.3 "rename user"). */
static bool mend_groups(struct user_write *w, struct str old_dn, struct str new_dn,
                        struct error *err)
{
    const struct service_call *c = w->call;
    static const char *const attrs[] = {"owner", "objectClass", "entryUUID", "entryCSN", NULL};
    struct directory_search search =
        directory_search_groups_naming(c->service->directory, c->arena, old_dn);
    search.attrs = attrs;
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &search, &found, err))
        return false;
    for (size_t i = 0; i < found.count; i++) {
        static const char *const BOTH[] = {"member", "owner"};
        for (size_t k = 0; k < 2; k++) {
            struct directory_mods m;
            directory_mods_init(&m, c->arena);
            directory_mods_one(&m, DIRECTORY_DELETE, BOTH[k], old_dn);
            directory_mods_one(&m, DIRECTORY_ADD, BOTH[k], new_dn);
            struct directory_target target = {.dn = found.at[i].dn, .id = found.at[i].id};
            /* Lost: it was not named there, or is mended already (referential integrity of the
             * server). */
            if (operation_modify_sets(c, &target, &m, (struct set_changes){NULL, 0}, err) ==
                SENT_FAILED)
                return false;
        }
        struct error later = ERROR_INIT;
        if (!service_refresh_organization(c->service, c->conn, c->arena, found.at[i].id, &later))
            LOG_WARN("organization_unread", LOG_S("organization", found.at[i].id),
                     LOG_C("reason", later.detail));
    }
    return true;
}

static struct str dn_with(struct arena *a, struct str dn, struct str new_rdn)
{
    for (size_t i = 0; i < dn.len; i++) {
        if (dn.at[i] == '\\')
            i++;
        else if (dn.at[i] == ',')
            return arena_fmt(a, STR_FMT STR_FMT, STR_ARG(new_rdn), STR_ARG(str_sub(dn, i, dn.len)));
    }
    return new_rdn;
}

/* Is the entry now what this request wrote? Asked when an answer was lost (fault 1). */
static enum step look_for_marker(struct user_write *w, struct error *err)
{
    error_clear(err);
    atomic_fetch_add(&w->call->service->unknown_outcomes, 1);
    if (!read_user(w, err))
        return STEP_FAILED;
    return str_eq(w->before.marker, w->writer.marker) ? STEP_DONE : STEP_AGAIN;
}

static enum step step_of(struct user_write *w, bool answered, const struct directory_result *r,
                         struct error *err)
{
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

/* modrdn first: it alone can find the new name taken, and then nothing was written. */
static enum step rename_user(struct user_write *w, struct directory_target *target,
                             struct str new_rdn, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    struct str old_dn = target->dn;
    bool answered = directory_rename(c->conn, c->arena, target, new_rdn, &result, err);
    enum step step = step_of(w, answered, &result, err);
    if (step != STEP_DONE)
        return step;
    w->wrote = true;
    target->dn = dn_with(c->arena, old_dn, new_rdn);
    target->csn = result.post_csn;
    return mend_groups(w, old_dn, target->dn, err) ? STEP_DONE : STEP_FAILED;
}

/* A deactivation takes the platform role's own side with it (KB-R16); a person takes the group's
 * side out first. */
static bool leave_platform(struct user_write *w, struct directory_mods *mods, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_values platform =
        operation_values_of(c->arena, &w->before.person.joined, STR("platform"));
    operation_delete_all(mods, "kiopsJoined", &platform);
    if (!platform.count || c->actor.kind != KIOPS_ACTOR_PERSON)
        return true;
    struct change ch = {.call = c,
                        .what = {.kind = KIOPS_UNMAKE_ADMIN, .subject = w->id, .operation = -1}};
    if (!change_decide(&ch, true, err))
        return false;
    if (!ch.sight.in_platform)
        return true;
    enum step step = operation_leave_platform(&ch, err);
    return step == STEP_DONE ||
           (step == STEP_AGAIN &&
            error_set(err, ERR_CONFLICT,
                      "the PlatformAdmins changed meanwhile; repeat the request"));
}

static enum step write_user(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_mods mods;
    struct str new_rdn = STR_NONE;
    enum kiops_change_kind kind;
    const char *rule;
    if (!version_check(c, version_text(c->arena, w->before.version), err) || !make_after(w, err) ||
        !judge_edit(w, &kind, &rule, err))
        return STEP_FAILED;
    directory_mods_init(&mods, c->arena);
    if (!directory_unmap_user(c->service->directory, c->arena, &w->entry, &w->before, w->after,
                              &w->writer, &mods, &new_rdn, err))
        return STEP_FAILED;
    if (mods.count == 0 && !new_rdn.len && !w->password.at)
        return STEP_DONE;
    if (!access_confirm(c, STR_NONE, err) || !user_write_intend(w, kind, rule, err))
        return STEP_FAILED;
    if (kind == KIOPS_DEACTIVATE && !leave_platform(w, &mods, err))
        return STEP_FAILED;
    struct directory_target target = {
        .dn = w->entry.dn, .id = w->id, .csn = w->entry.csn, .want_post = true};
    if (!user_write_password(w, target.dn, err))
        return STEP_FAILED;
    if (w->password.at)
        target.csn = STR_NONE; /* the password has just changed it; the entryUUID still binds */
    enum step step = new_rdn.len ? rename_user(w, &target, new_rdn, err) : STEP_DONE;
    if (step != STEP_DONE || mods.count == 0)
        return step;
    struct directory_result result = {0};
    bool answered = directory_modify(c->conn, c->arena, &target, &mods, &result, err);
    step = step_of(w, answered, &result, err);
    if (step == STEP_DONE)
        operation_apply_user(c, result.post);
    return step;
}

static enum service_status finish(struct user_write *w, enum step step, struct service_result *out,
                                  struct error *err)
{
    const struct service_call *c = w->call;
    if (step == STEP_AGAIN)
        error_set(err, ERR_CONFLICT,
                  "the user kept changing meanwhile; read it again and repeat the request");
    if (w->intent)
        audit_outcome(c->service->audit, w->intent,
                      step == STEP_DONE    ? AUDIT_DONE
                      : step == STEP_AGAIN ? AUDIT_LOST_RACE
                      : w->wrote           ? AUDIT_UNFINISHED
                                           : AUDIT_FAILED,
                      step == STEP_DONE ? STR_NONE : str_of(err->detail));
    if (step != STEP_DONE)
        return SERVICE_FAILED;
    struct error later = ERROR_INIT;
    if (w->intent && w->wrote &&
        !service_refresh_user(c->service, c->conn, c->arena, w->id, &later))
        LOG_WARN("user_unread", LOG_S("user", w->id), LOG_C("reason", later.detail));
    return answer_resource(c, REPLICA_USER, w->id, out, err);
}

static enum service_status change_user(struct user_write *w, struct service_result *out,
                                       struct error *err)
{
    const struct service_call *c = w->call;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w->writer = user_write_writer(c);
    enum step step = STEP_AGAIN;
    for (int tries = 0; step == STEP_AGAIN && tries <= TRIES_BEFORE; tries++)
        step = read_user(w, err) ? write_user(w, err) : STEP_FAILED;
    return finish(w, step, out, err);
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
