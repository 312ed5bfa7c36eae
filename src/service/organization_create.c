/* Organizations: create. What can be refused is refused before the entry is made. */
#include "base/own.h"
#include "service/group_write.h"

static bool judge_person(const struct group_write *w, enum kiops_change_kind kind, struct str user,
                         struct error *err)
{
    const struct service_call *c = w->call;
    struct str name, display;
    struct kiops_change what = {.kind = kind,
                                .subject = user,
                                .organization_name = json_get_str(w->after, "displayName"),
                                .operation = -1};
    struct kiops_state state = {.subject_exists = true,
                                .subject_in = kind == KIOPS_PROMOTE && !c->actor.push_request,
                                .organization_exists = true,
                                .now = clock_now()};
    if (replica_user_name(c->service->replica, c->arena, user, &name, &display))
        what.subject_name = display;
    struct kiops_verdict v = kiops_judge(&c->actor, &what, &state);
    return v.status != KIOPS_REFUSED || operation_refuse(c, &v, &what, err);
}

/* Who is to be in it, by the rules that will be asked again when it is there. */
static bool judge_people(const struct group_write *w, struct error *err)
{
    enum kiops_change_kind join = w->call->actor.push_request ? KIOPS_REQUEST : KIOPS_ADD;
    const struct scim_deltas *sets[] = {&w->wishes.members, &w->wishes.managers};
    for (size_t i = 0; i < 2; i++) {
        const struct scim_delta *d = sets[i]->count ? &sets[i]->at[0] : NULL;
        for (size_t k = 0; d && k < d->count; k++)
            if (!judge_person(w, join, d->values[k], err) ||
                (i == 1 && !judge_person(w, KIOPS_PROMOTE, d->values[k], err)))
                return false;
    }
    return true;
}

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
    if (!has_person_side(c)) /* nothing on the entry says who made it */
        return error_set(err, ERR_UNAVAILABLE,
                         "the directory did not answer; look the group up before you try again");
    w->id = found.at[0].id;
    if (!group_write_read(w, err))
        return false;
    return str_eq(w->before.marker, w->writer.marker) || group_write_refuse_name(err);
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
        return group_write_refuse_name(err);
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
    struct str dn;
    if (!group_write_judge(w, KIOPS_CREATE_ORGANIZATION, err) ||
        !scim_resource_check(&c->scim, &asked, &w->after, err))
        return false;
    json_keep(c->arena, w->after);
    group_write_take_sets(w, SCIM_DELTA_ADD);
    bool there = false;
    if (!members_exist(c, &w->wishes, err) || !group_adopt_find(w, &there, err))
        return false;
    if (there)
        return group_adopt(w, err);
    if (!judge_people(w, err) || !group_write_name_fits(w, err))
        return false;
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
    if (!group_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w.writer = access_writer(c);
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
