/* Organizations (SCIM Groups): read, create, replace, patch. Own attributes are one modify of exact
 * values; members and managers become a plan of single changes. */
#include "service/internal.h"

#include "base/hash.h"
#include "base/own.h"

struct group_write {
    const struct service_call *call;
    struct str id;
    const json_t *body;             /* POST, PUT */
    const struct scim_patch *patch; /* PATCH: what is left of it without members and managers */
    struct directory_entry entry;
    struct directory_organization before;
    json_t *after; /* own attributes; kept by the arena */
    struct member_wishes wishes;
    struct plan plan;
    struct directory_mods mods;
    struct str new_rdn;
    struct directory_writer writer;
    const char *rule;
    uint64_t intent; /* of the own attributes; 0 = they do not change */
    bool wrote;
};

static struct directory_writer writer_of(const struct service_call *c)
{
    uint64_t random;
    hash_random(&random, sizeof random);
    return (struct directory_writer){
        .client = c->actor.client,
        .marker = arena_fmt(c->arena, "%016llx", (unsigned long long)random),
        .now = clock_now(),
    };
}

static bool judge(struct group_write *w, enum kiops_change_kind kind, struct error *err)
{
    const struct service_call *c = w->call;
    struct kiops_change what = {
        .kind = kind, .organization = w->id, .organization_name = w->before.name, .operation = -1};
    struct kiops_state state = {.organization_exists = kind != KIOPS_CREATE_ORGANIZATION,
                                .organization_open = w->before.open,
                                .now = clock_now()};
    struct kiops_verdict v = kiops_judge(&c->actor, &what, &state);
    w->rule = v.rule;
    if (v.status != KIOPS_REFUSED)
        return true;
    kiops_refuse(&v, &what, err);
    operation_refused(c->service, err);
    struct kiops_record record = {
        .actor = c->actor, .kind = kind, .rule = v.rule, .organization = w->id};
    if (err->rule[0])
        audit_refusal(c->service->audit, &record, c->request_id);
    return false;
}

/* ---- reading
 * ------------------------------------------------------------------------------------------------------
 */
enum service_status service_group_get(const struct service_call *c, struct str id,
                                      struct service_result *out, struct error *err)
{
    struct service *s = c->service;
    struct replica_want want = {.members = scim_projection_wants(c->projection, STR("members"))};
    struct replica_text text;
    if (!service_readable(s, err))
        return SERVICE_FAILED;
    bool found = replica_show(s->replica, c->arena,
                              &(struct replica_ask){REPLICA_GROUP, id, &c->actor, want}, &text);
    if (!found && directory_is_uuid(id)) {
        if (!c->conn)
            return SERVICE_NEEDS_DIRECTORY;
        if (!service_refresh_organization(s, c->conn, c->arena, id, err))
            return SERVICE_FAILED;
        found = replica_show(s->replica, c->arena,
                             &(struct replica_ask){REPLICA_GROUP, id, &c->actor, want}, &text);
    }
    if (!found) {
        error_set(err, ERR_NOT_FOUND, "no such group");
        return SERVICE_FAILED;
    }
    out->version = text.version;
    if (c->if_none_match.at && version_matches(c->if_none_match, text.version))
        return SERVICE_NOT_MODIFIED;
    out->location = arena_fmt(c->arena, STR_FMT "/Groups/" STR_FMT, STR_ARG(s->base), STR_ARG(id));
    out->body = answer_projected(c, REPLICA_GROUP, text.json);
    return SERVICE_OK;
}

/* ---- what is asked
 * --------------------------------------------------------------------------------------------------
 */
static struct scim_deltas one_delta(const struct group_write *w, enum scim_delta_kind kind,
                                    const json_t *items)
{
    struct arena *a = w->call->arena;
    size_t n = json_array_size(items);
    struct str *values = ARENA_ARRAY(a, struct str, n + 1);
    for (size_t i = 0; i < n; i++)
        values[i] = arena_str(a, json_get_str(json_array_get(items, i), "value"));
    struct scim_delta *d = ARENA_NEW(a, struct scim_delta);
    *d = (struct scim_delta){.kind = kind, .values = values, .count = n, .operation = -1};
    return (struct scim_deltas){d, 1};
}

/* An array of {value} leaves the checked body `holder` as one delta. In a PUT an absent array
 * changes nothing, an empty one takes everybody: the check drops what is empty, so presence is
 * asked of the body as sent. */
static struct scim_deltas take_set(const struct group_write *w, json_t *holder, const json_t *sent,
                                   const char *name, enum scim_delta_kind kind)
{
    json_t *items = json_object_get(holder, name);
    bool named = items || json_object_get(sent, name);
    if (!named || (!items && kind != SCIM_DELTA_REPLACE))
        return (struct scim_deltas){NULL, 0};
    struct scim_deltas deltas = one_delta(w, kind, items);
    if (items)
        json_object_del(holder, name);
    return deltas;
}

static void take_sets(struct group_write *w, enum scim_delta_kind kind)
{
    json_t *extension = json_object_get(w->after, SCIM_URN_KIOPS_ORGANIZATION);
    struct member_wishes *wishes = &w->wishes;
    wishes->members = take_set(w, w->after, w->body, "members", kind);
    wishes->managers = take_set(w, extension, json_object_get(w->body, SCIM_URN_KIOPS_ORGANIZATION),
                                "managers", kind);
    bool clears = kind == SCIM_DELTA_REPLACE && w->call->scim.dialect->put_clears_members;
    if (clears && !wishes->members.count)
        wishes->members = one_delta(w, kind, NULL);
    if (extension && json_object_size(extension) == 0)
        json_object_del(w->after, SCIM_URN_KIOPS_ORGANIZATION);
}

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
        take_sets(w, SCIM_DELTA_REPLACE);
    const struct directory_organization_edit edit = {&w->entry, &w->before, w->after, &w->writer};
    return directory_unmap_organization(c->service->directory, &edit, &w->mods, &w->new_rdn, err);
}

static bool read_organization(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s =
        directory_search_organization(c->service->directory, c->arena, w->id);
    s.attrs = directory_organization_attrs(c->service->directory, false, true);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count != 1 || directory_is_protected(c->service->directory, found.at[0].dn))
        return error_set(err, ERR_NOT_FOUND, "no such group");
    w->entry = found.at[0];
    return directory_map_organization(c->service->directory, c->arena, &w->entry, &w->before, err);
}

static bool check_version(const struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_want want = {.members = false};
    struct replica_text text;
    if (!c->if_match.at && !c->if_none_match.at)
        return true;
    if (!replica_show(c->service->replica, c->arena,
                      &(struct replica_ask){REPLICA_GROUP, w->id, &c->actor, want}, &text))
        return error_set(err, ERR_NOT_FOUND, "no such group");
    return version_check(c, text.version, err);
}

/* ---- deciding: every refusal comes before the first write
 * -------------------------------------------------------------- */
static bool decide(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_organization o;
    directory_mods_init(&w->mods, c->arena);
    w->new_rdn = STR_NONE;
    bool own = !w->patch || scim_patch_count(w->patch) > 0;
    if (own && (!read_organization(w, err) || !make_after(w, err)))
        return false;
    bool edits = w->mods.count || w->new_rdn.len;
    if (!replica_organization(c->service->replica, c->arena, w->id, &o)) {
        if (!service_refresh_organization(c->service, c->conn, c->arena, w->id, err))
            return false;
        if (!replica_organization(c->service->replica, c->arena, w->id, &o))
            return error_set(err, ERR_NOT_FOUND, "no such group");
    }
    w->before.name = o.name;
    w->before.open = o.open;
    bool touches_sets = w->wishes.members.count || w->wishes.managers.count;
    if ((edits || !touches_sets) && !judge(w, KIOPS_EDIT_ORGANIZATION, err))
        return false;
    plan_init(&w->plan, c);
    return check_version(w, err) && members_plan(c, &o, &w->wishes, &w->plan, err) &&
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

/* ---- writing
 * --------------------------------------------------------------------------------------------------------------
 */
static bool own_answer(struct group_write *w, bool answered, const struct directory_result *r,
                       struct error *err)
{
    if (!answered && r->outcome != DIRECTORY_UNKNOWN)
        return false;
    if (!answered) {
        error_clear(err);
        atomic_fetch_add(&w->call->service->unknown_outcomes, 1);
        if (!read_organization(w, err))
            return false;
        if (!str_eq(w->before.marker, w->writer.marker))
            return error_set(err, ERR_UNAVAILABLE,
                             "the directory did not confirm the change; repeat the request");
        return true;
    }
    switch (r->outcome) {
    case DIRECTORY_DONE:
        w->wrote = true;
        return true;
    case DIRECTORY_EXISTS:
        return error_set(err, ERR_UNIQUENESS,
                         "displayName is taken by another group; choose another one");
    case DIRECTORY_ABSENT:
        return error_set(err, ERR_NOT_FOUND, "the group was deleted meanwhile");
    case DIRECTORY_LOST:
    case DIRECTORY_REFUSED:
    case DIRECTORY_UNAVAILABLE:
    case DIRECTORY_UNKNOWN:
        break;
    }
    return error_set(
        err, ERR_CONFLICT,
        "the group was changed at the same moment; read it again and repeat the request");
}

/* The modify carries exact old values, so it needs no assertion on the CSN, which our own
 * membership changes move. */
static bool write_own(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_target target = {.dn = w->entry.dn, .id = w->id, .new_rdn = w->new_rdn};
    struct directory_result result = {0};
    if (w->new_rdn.len) {
        bool answered = directory_rename(c->conn, c->arena, &target, &result, err);
        if (!own_answer(w, answered, &result, err) || !read_organization(w, err))
            return false;
        target.dn = w->entry.dn;
    }
    if (w->mods.count) {
        bool answered = directory_modify(c->conn, &target, &w->mods, &result, err);
        if (!own_answer(w, answered, &result, err))
            return false;
    }
    struct error later = ERROR_INIT;
    if (!service_refresh_organization(c->service, c->conn, c->arena, w->id, &later))
        LOG_WARN("organization_unread", LOG_S("organization", w->id),
                 LOG_C("reason", later.detail));
    return true;
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
    if (!access_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w->writer = writer_of(c);
    if (!decide(w, err) || !intend(w, err))
        return SERVICE_FAILED;
    bool done = write_all(w, err);
    if (w->intent)
        audit_outcome(c->service->audit, w->intent,
                      done       ? AUDIT_DONE
                      : w->wrote ? AUDIT_UNFINISHED
                                 : AUDIT_FAILED,
                      done ? STR_NONE : str_of(err->detail));
    return done ? answer_resource(c, REPLICA_GROUP, w->id, out, err) : SERVICE_FAILED;
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

/* ---- create
 * ----------------------------------------------------------------------------------------------------------------
 */
static bool find_own_add(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s = directory_search_organization_named(
        c->service->directory, c->arena, json_get_str(w->after, "displayName"));
    struct directory_entries found;
    error_clear(err);
    atomic_fetch_add(&c->service->unknown_outcomes, 1);
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count != 1)
        return error_set(err, ERR_UNAVAILABLE, "the directory did not take the group; try again");
    w->id = found.at[0].id;
    if (!read_organization(w, err))
        return false;
    return str_eq(w->before.marker, w->writer.marker) ||
           error_set(err, ERR_UNIQUENESS,
                     "displayName is taken by another group; choose another one");
}

static bool add_organization(struct group_write *w, struct str dn,
                             const struct directory_mods *attrs, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    bool answered = directory_add(c->conn, dn, attrs, &result, err);
    if (!answered && result.outcome == DIRECTORY_UNKNOWN)
        return find_own_add(w, err);
    if (!answered)
        return false;
    if (result.outcome == DIRECTORY_EXISTS)
        return error_set(err, ERR_UNIQUENESS,
                         "displayName is taken by another group; choose another one");
    if (result.outcome != DIRECTORY_DONE || !result.post)
        return error_set(err, ERR_UNAVAILABLE,
                         "the directory's place for new organizations is not there");
    w->id = result.post->id;
    w->wrote = true;
    return true;
}

/* Its id exists only now; who is to be in it was found to exist before. */
static bool fill_organization(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_organization o;
    if (!service_refresh_organization(c->service, c->conn, c->arena, w->id, err))
        return false;
    if (!replica_organization(c->service->replica, c->arena, w->id, &o))
        return error_set(err, ERR_UNAVAILABLE,
                         "the group was made and is not readable; look it up before you repeat");
    plan_init(&w->plan, c);
    return members_plan(c, &o, &w->wishes, &w->plan, err) && plan_decide(&w->plan, err) &&
           plan_intend(&w->plan, NULL, 0, NULL, err) && plan_take(&w->plan, err) &&
           plan_give(&w->plan, err);
}

static bool create_group(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = w->body};
    struct str dn, taken;
    if (!judge(w, KIOPS_CREATE_ORGANIZATION, err) ||
        !scim_resource_check(&c->scim, &asked, &w->after, err))
        return false;
    json_keep(c->arena, w->after);
    take_sets(w, SCIM_DELTA_ADD);
    if (!members_exist(c, &w->wishes, err))
        return false;
    if (replica_organization_named(c->service->replica, c->arena,
                                   json_get_str(w->after, "displayName"), &taken))
        return error_set(err, ERR_UNIQUENESS,
                         "displayName is taken by another group; choose another one");
    directory_mods_init(&w->mods, c->arena);
    const struct directory_organization_edit edit = {.after = w->after, .writer = &w->writer};
    if (!directory_unmap_new_organization(c->service->directory, &edit, &dn, &w->mods, err) ||
        !access_confirm(c, STR_NONE, err))
        return false;
    struct kiops_record record = {
        .actor = c->actor, .kind = KIOPS_CREATE_ORGANIZATION, .rule = w->rule};
    OWNED_BUF struct buf after;
    buf_init(&after, 1 << 20);
    json_write(w->after, &after);
    record.after = buf_view(&after);
    return audit_intent(c->service->audit, &record, c->request_id, &w->intent, err) &&
           add_organization(w, dn, &w->mods, err) && fill_organization(w, err);
}

enum service_status service_group_create(const struct service_call *c, const json_t *body,
                                         struct service_result *out, struct error *err)
{
    struct group_write w = {.call = c, .body = body};
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w.writer = writer_of(c);
    bool done = create_group(&w, err);
    if (w.intent)
        audit_outcome(c->service->audit, w.intent,
                      done      ? AUDIT_DONE
                      : w.wrote ? AUDIT_UNFINISHED
                                : AUDIT_FAILED,
                      done ? w.id : str_of(err->detail));
    if (!done)
        return SERVICE_FAILED;
    enum service_status answered = answer_resource(c, REPLICA_GROUP, w.id, out, err);
    return answered == SERVICE_OK ? SERVICE_CREATED : answered;
}
