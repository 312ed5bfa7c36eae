/* A POST of a group that is in the directory already and that no client asserted yet takes the
 * entry over (directory.organizations.adopt). Who is in it stays; `owner` values give nobody a role
 * by it. */
#include "base/own.h"
#include "service/group_write.h"

bool group_adopt_find(struct group_write *w, bool *there, struct error *err)
{
    const struct service_call *c = w->call;
    static const char *const ids[] = {"entryUUID", NULL};
    struct directory_search s = directory_search_organization_named(
        c->service->directory, c->arena, json_get_str(w->after, "displayName"));
    struct directory_entries found;
    s.attrs = ids;
    if (!c->service->config->directory.organizations.adopt)
        return true;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count > 1)
        return error_set(err, ERR_UNIQUENESS,
                         "%zu groups have this displayName; none is taken over: " STR_FMT
                         ", " STR_FMT "%s",
                         found.count, STR_ARG(found.at[0].id), STR_ARG(found.at[1].id),
                         found.count > 2 ? " and more" : "");
    *there = found.count == 1;
    if (*there)
        w->id = found.at[0].id;
    return true;
}

/* As it is now: is it still nobody's? Its name keeps the directory's spelling. */
static bool look(struct group_write *w, const json_t *posted, struct error *err)
{
    struct arena *a = w->call->arena;
    struct str no_rename;
    struct error why = ERROR_INIT;
    if (!group_write_read(w, &why))
        return why.kind == ERR_NOT_FOUND ? group_write_refuse_name(err)
                                         : error_set(err, why.kind, "%s", why.detail);
    if (w->before.asserted)
        return group_write_refuse_name(err);
    w->after = directory_adopted_organization(&w->before, posted);
    json_keep(a, w->after);
    const struct directory_organization_edit edit = {.entry = &w->entry,
                                                     .before = &w->before,
                                                     .after = w->after,
                                                     .writer = &w->writer,
                                                     .adopts = true};
    directory_mods_init(&w->mods, a);
    return directory_unmap_organization(w->call->service->directory, &edit, &w->mods, &no_rename,
                                        err);
}

/* Everything that can be refused is refused here. */
static bool decide(struct group_write *w, const json_t *posted, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_organization o;
    if (!look(w, posted, err) ||
        !service_refresh_organization(c->service, c->conn, c->arena, w->id, err))
        return false;
    if (!replica_organization(c->service->replica, c->arena, w->id, &o))
        return group_write_refuse_name(err);
    plan_init(&w->plan, c);
    return members_plan(c, &o, &w->wishes, &w->plan, err) && plan_decide(&w->plan, err) &&
           access_confirm(c, w->id, err);
}

static bool intend(struct group_write *w, struct error *err)
{
    struct kiops_record record = {.actor = w->call->actor,
                                  .kind = KIOPS_CREATE_ORGANIZATION,
                                  .rule = w->rule,
                                  .organization = w->id};
    OWNED_BUF struct buf before, after;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    json_write(w->before.resource, &before);
    json_write(w->after, &after);
    record.before = buf_view(&before);
    record.after = buf_view(&after);
    return plan_intend(&w->plan, &record, 1, &w->intent, err);
}

/* Of two clients the second meets the assertion, and then finds it asserted. */
static enum step claim_once(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_target target = {
        .dn = w->entry.dn, .id = w->id, .extra = directory_adopt_assertion(&w->entry)};
    struct directory_result result = {0};
    bool answered = directory_modify(c->conn, &target, &w->mods, &result, err);
    if (answered && result.outcome == DIRECTORY_DONE)
        return STEP_DONE;
    if (answered) {
        atomic_fetch_add(&c->service->lost_races, 1);
        return STEP_AGAIN;
    }
    if (result.outcome != DIRECTORY_UNKNOWN)
        return STEP_FAILED;
    atomic_fetch_add(&c->service->unknown_outcomes, 1);
    error_clear(err);
    if (!group_write_read(w, err))
        return STEP_FAILED;
    return str_eq(w->before.marker, w->writer.marker) ? STEP_DONE : STEP_AGAIN;
}

static bool claim(struct group_write *w, const json_t *posted, struct error *err)
{
    const struct service_call *c = w->call;
    enum step step = claim_once(w, err);
    for (int tries = 0; step == STEP_AGAIN && tries < TRIES_BEFORE; tries++)
        step = look(w, posted, err) ? claim_once(w, err) : STEP_FAILED;
    if (step == STEP_AGAIN)
        error_set(err, ERR_CONFLICT, "the group kept changing meanwhile; repeat the request");
    if (step != STEP_DONE)
        return false;
    w->wrote = true;
    LOG_INFO("organization_adopted", LOG_S("organization", w->id),
             LOG_S("client", w->writer.client));
    return service_refresh_organization(c->service, c->conn, c->arena, w->id, err);
}

bool group_adopt(struct group_write *w, struct error *err)
{
    const json_t *posted = w->after;
    if (!decide(w, posted, err) || !intend(w, err))
        return false;
    bool done = claim(w, posted, err) && plan_take(&w->plan, err) && plan_give(&w->plan, err);
    return done || plan_end(&w->plan, err);
}
