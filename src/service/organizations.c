/* Organizations (SCIM Groups): read, replace, patch. Own attributes are one modify of exact values;
 * members and managers become a plan of single changes. */
#include "base/own.h"
#include "service/group_write.h"

/* ---- reading */
enum service_status service_group_get(const struct service_call *c, struct str id,
                                      struct service_result *out, struct error *err)
{
    struct service *s = c->service;
    const struct replica_ask ask = {
        REPLICA_GROUP,
        id,
        &c->actor,
        {.members = scim_projection_wants(c->projection, STR("members"))}};
    struct replica_organization known;
    struct replica_text text;
    if (!service_readable(s, err))
        return SERVICE_FAILED;
    bool found = replica_show(s->replica, c->arena, &ask, &text);
    if (!found && directory_is_uuid(id) &&
        !replica_organization(s->replica, c->arena, id, &known)) {
        if (!c->conn) {
            out->search = directory_search_organization(s->directory, c->arena, id);
            return SERVICE_NEEDS_DIRECTORY;
        }
        if (!service_refresh_organization(s, c->conn, c->arena, id, err))
            return SERVICE_FAILED;
    }
    /* What is known and still not shown is hidden, at no cost to the directory. */
    if (!found && !replica_show(s->replica, c->arena, &ask, &text)) {
        error_set(err, ERR_NOT_FOUND, KIOPS_NO_ORGANIZATION);
        return SERVICE_FAILED;
    }
    return answer_read(c, &text, out);
}

/* ---- what is asked */
static json_t *resource_before(const struct group_write *w)
{
    json_t *before = json_copy_deep(w->before.resource);
    struct str external = directory_external_id(&w->before.external_ids, w->call->actor.client);
    if (external.at)
        json_put_str(before, "externalId", external);
    json_put_str(before, "id", w->id);
    return before;
}

static bool make_after(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    OWNED_JSON json_t *before = resource_before(w);
    OWNED_JSON json_t *patched = NULL;
    if (w->patch && !scim_patch_apply(&c->scim, w->patch, before, &patched, err))
        return false;
    const struct scim_proposal asked = {.purpose = w->patch ? SCIM_FOR_PATCH : SCIM_FOR_REPLACE,
                                        .before = before,
                                        .resource = w->patch ? patched : w->body};
    if (!scim_resource_check(&c->scim, &asked, &w->after, err))
        return false;
    json_keep(c->arena, w->after);
    if (!w->patch)
        group_write_take_sets(w, SCIM_DELTA_REPLACE);
    const struct directory_organization_edit edit = {
        .entry = &w->entry, .before = &w->before, .after = w->after, .writer = &w->writer};
    return directory_unmap_organization(c->service->directory, &edit, &w->mods, &w->new_rdn, err);
}

/* The version is judged on what the directory has: memory may be behind, or ahead of the client's.
 */
static bool check_version(struct group_write *w, struct replica_organization *o, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica *r = c->service->replica;
    struct replica_want want = {.members = false};
    struct replica_text text;
    if (!c->if_match.at && !c->if_none_match.at)
        return true;
    if (!w->entry.dn.len && !group_write_read(w, err))
        return false;
    bool behind = !w->entry.csn.len || !str_eq(w->entry.csn, o->csn);
    if (behind && !service_refresh_organization(c->service, c->conn, c->arena, w->id, err))
        return false;
    if (!replica_organization(r, c->arena, w->id, o) ||
        !replica_show(r, c->arena, &(struct replica_ask){REPLICA_GROUP, w->id, &c->actor, want},
                      &text))
        return error_set(err, ERR_NOT_FOUND, KIOPS_NO_ORGANIZATION);
    return version_check(c, text.version, err);
}

static bool find_organization(const struct group_write *w, struct replica_organization *o,
                              struct error *err)
{
    const struct service_call *c = w->call;
    struct replica *r = c->service->replica;
    if (replica_organization(r, c->arena, w->id, o))
        return true;
    if (directory_is_uuid(w->id) &&
        !service_refresh_organization(c->service, c->conn, c->arena, w->id, err))
        return false;
    return replica_organization(r, c->arena, w->id, o) ||
           error_set(err, ERR_NOT_FOUND, KIOPS_NO_ORGANIZATION);
}

static bool decide_own(struct group_write *w, struct error *err)
{
    directory_mods_init(&w->mods, w->call->arena);
    w->new_rdn = STR_NONE;
    if (w->patch && scim_patch_count(w->patch) == 0)
        return true;
    return group_write_read(w, err) && make_after(w, err) &&
           (!w->new_rdn.len || group_write_name_free(w, err));
}

/* ---- deciding: every refusal comes before the first write */
static bool decide(struct group_write *w, struct error *err)
{
    struct replica_organization o;
    if (!find_organization(w, &o, err))
        return false;
    w->before.name = o.name;
    w->before.open = o.open;
    plan_init(&w->plan, w->call);
    /* First who may ask at all: whoever may not learns nothing from how the rest is refused. */
    return group_write_judge(w, KIOPS_EDIT_ORGANIZATION, err) && decide_own(w, err) &&
           check_version(w, &o, err) && members_plan(w->call, &o, &w->wishes, &w->plan, err) &&
           plan_decide(&w->plan, err);
}

static bool intend(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct kiops_record record = {
        .actor = c->actor, .kind = KIOPS_EDIT_ORGANIZATION, .rule = w->rule, .organization = w->id};
    OWNED_BUF struct buf before, after;
    bool edits = w->mods.count || w->new_rdn.len;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    if (edits) {
        json_write(w->before.resource, &before);
        json_write(w->after, &after);
        record.before = buf_view(&before);
        record.after = buf_view(&after);
    }
    return plan_intend(&w->plan, &record, edits ? 1 : 0, &w->intent, err);
}

/* ---- writing */
/* Our own write before, whose answer was lost, stands there now. */
static bool came_late(struct group_write *w, bool *late, struct error *err)
{
    struct arena *a = w->call->arena;
    struct str asked = w->new_rdn.len ? naming_dn_with(a, w->entry.dn, w->new_rdn) : STR_NONE;
    *late = false;
    if (!w->unsure)
        return true;
    if (!group_write_read(w, err))
        return false;
    *late = str_eq(w->before.marker, w->writer.marker) ||
            (asked.len && str_eq(directory_dn_key(a, asked), directory_dn_key(a, w->entry.dn)));
    return true;
}

static enum step own_answer(struct group_write *w, bool answered, const struct directory_result *r,
                            struct error *err)
{
    w->failing = !answered;
    if (!answered && r->outcome != DIRECTORY_UNKNOWN)
        return STEP_FAILED;
    if (!answered) {
        error_clear(err);
        w->unsure = true;
        atomic_fetch_add(&w->call->service->unknown_outcomes, 1);
        if (!group_write_read(w, err))
            return STEP_FAILED;
        bool ours = str_eq(w->before.marker, w->writer.marker);
        w->wrote = w->wrote || ours;
        return ours ? STEP_DONE
                    : STEP_AGAIN; /* a modrdn writes no marker: the next look shows it */
    }
    if (r->outcome == DIRECTORY_DONE) {
        w->wrote = true;
        return STEP_DONE;
    }
    if (r->outcome == DIRECTORY_EXISTS) {
        group_write_refuse_name(err);
        return STEP_FAILED;
    }
    atomic_fetch_add(&w->call->service->lost_races, 1);
    if (w->call->if_match.at && !w->wrote) {
        bool late;
        if (!came_late(w, &late, err))
            return STEP_FAILED;
        if (late)
            return STEP_AGAIN;
        error_set(err, ERR_PRECONDITION,
                  "the resource was changed at the same moment; read it again and repeat");
        return STEP_FAILED;
    }
    return STEP_AGAIN;
}

static void rename_back(struct group_write *w, struct str old_dn)
{
    const struct service_call *c = w->call;
    struct error ignored = ERROR_INIT;
    struct directory_result result = {0};
    struct directory_target renamed = {
        .dn = w->entry.dn, .id = w->id, .new_rdn = naming_rdn(old_dn)};
    if (!directory_rename(c->conn, c->arena, &renamed, &result, &ignored) ||
        result.outcome != DIRECTORY_DONE)
        LOG_WARN("group_keeps_new_name", LOG_S("organization", w->id),
                 LOG_C("reason", ignored.detail));
}

/* The modify carries exact old values, so it needs no assertion on the CSN, which our own
 * membership changes move. */
static enum step write_own_once(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct str old_dn = w->entry.dn;
    struct directory_target target = {.dn = old_dn, .id = w->id, .new_rdn = w->new_rdn};
    struct directory_result result = {0};
    if (w->new_rdn.len) {
        bool answered = directory_rename(c->conn, c->arena, &target, &result, err);
        enum step step = own_answer(w, answered, &result, err);
        if (step != STEP_DONE)
            return step;
        if (!group_write_read(w, err))
            return STEP_FAILED;
        target.dn = w->entry.dn;
    }
    if (!w->mods.count)
        return STEP_DONE;
    bool answered = directory_modify(c->conn, &target, &w->mods, &result, err);
    enum step step = own_answer(w, answered, &result, err);
    if (step == STEP_FAILED && w->new_rdn.len && err->kind != ERR_UNAVAILABLE)
        rename_back(w, old_dn);
    return step;
}

static bool write_own(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    enum step step = write_own_once(w, err);
    for (int tries = 0; step == STEP_AGAIN && tries < TRIES_BEFORE; tries++)
        step = decide_own(w, err) ? write_own_once(w, err) : STEP_FAILED;
    if (step == STEP_AGAIN && w->failing)
        error_set(err, ERR_UNAVAILABLE,
                  "the directory keeps failing to change the group; try again later");
    else if (step == STEP_AGAIN)
        error_set(err, ERR_CONFLICT,
                  "the group kept changing meanwhile; read it again and repeat the request");
    struct error later = ERROR_INIT; /* also after a lost answer, which the next look explained */
    if (!service_refresh_organization(c->service, c->conn, c->arena, w->id, &later))
        LOG_WARN("organization_unread", LOG_S("organization", w->id),
                 LOG_C("reason", later.detail));
    return step == STEP_DONE;
}

static bool write_all(struct group_write *w, struct error *err)
{
    bool edits = w->mods.count || w->new_rdn.len;
    if (edits && !access_confirm(w->call, w->id, err))
        return false;
    if (!plan_take(&w->plan, err))
        return false;
    if (edits && !write_own(w, err))
        return false;
    /* The memberships were looked at under the name before. */
    for (size_t i = 0; edits && i < w->plan.count; i++)
        w->plan.at[i].sight.organization.dn = w->entry.dn;
    return plan_give(&w->plan, err);
}

static enum service_status change_group(struct group_write *w, struct service_result *out,
                                        struct error *err)
{
    const struct service_call *c = w->call;
    if (!group_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w->writer = access_writer(c);
    if (!decide(w, err) || !intend(w, err))
        return SERVICE_FAILED;
    bool done = write_all(w, err);
    if (!done)
        plan_end(&w->plan, err);
    if (w->intent)
        audit_outcome(c->service->audit, w->intent,
                      done       ? AUDIT_DONE
                      : w->wrote ? AUDIT_UNFINISHED
                                 : AUDIT_FAILED,
                      done ? STR_NONE : str_of(err->detail));
    return done ? plan_answered(&w->plan, answer_resource(c, REPLICA_GROUP, w->id, out, err), err)
                : SERVICE_FAILED;
}

enum service_status service_group_patch(const struct service_call *c, struct str id,
                                        const struct scim_patch *patch, struct service_result *out,
                                        struct error *err)
{
    static const struct scim_attr_name members = {.name = STR_INIT("members")};
    static const struct scim_attr_name managers = {STR_INIT(SCIM_URN_KIOPS_ORGANIZATION),
                                                   STR_INIT("managers")};
    struct group_write w = {.call = c, .id = id, .patch = patch};
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!scim_patch_take(c->arena, &w.patch, &members, &w.wishes.members, err) ||
        !scim_patch_take(c->arena, &w.patch, &managers, &w.wishes.managers, err))
        return SERVICE_FAILED;
    return change_group(&w, out, err);
}

enum service_status service_group_replace(const struct service_call *c, struct str id,
                                          const json_t *body, struct service_result *out,
                                          struct error *err)
{
    struct group_write w = {.call = c, .id = id, .body = body};
    return c->conn ? change_group(&w, out, err) : SERVICE_NEEDS_DIRECTORY;
}
