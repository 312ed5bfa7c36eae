/* A line that is a SCIM request: foreseen for the plan, and made by the service as HTTP's are. */
#include "reconcile/reconcile.h"

#include "base/own.h"
#include "service/ours.h"

static const struct service_resource *const resources[] = {
    [REPLICA_USER] = &service_users,
    [REPLICA_GROUP] = &service_groups,
    [REPLICA_MEMBERSHIP] = &service_memberships,
};

static struct service_call call_of(const struct reconcile_run *r, struct arena *a,
                                   enum replica_kind kind)
{
    const struct config *config = r->ground.config;
    return (struct service_call){
        .service = r->service,
        .arena = a,
        .conn = r->ground.conn,
        .actor = r->ground.actor,
        .token_name = r->ground.actor.id,
        .scim = {.arena = a,
                 .type = service_type(r->service, kind),
                 .dialect = scim_dialect_find(STR("default")),
                 .base = arena_fmt(a, STR_FMT "/scim/v2", STR_ARG(config->server.public_url)),
                 .limits = service_limits(config)},
        .request_id = r->ground.run,
        .version_only = true,
        .has_time = true,
    };
}

/* ---- before */

void reconcile_foresee(const struct reconcile_run *r, struct reconcile_line *l,
                       const struct service_foresight *before)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct reconcile_request request;
    if (l->state != RECONCILE_PLANNED || !reconcile_request_of(l->kind, &request))
        return;
    const struct service_call c = call_of(r, a, request.resource);
    struct kiops_change what = reconcile_change(l);
    struct kiops_verdict v = service_foresee(&c, &what, before);
    (void)reconcile_refused(r->ground.arena, l, &v);
}

bool reconcile_half_removed(const struct reconcile_run *r, const struct reconcile_line *l)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct service_seat seat;
    const struct service_call c = call_of(r, a, REPLICA_MEMBERSHIP);
    service_ours_seat(&c, l->organization, l->subject, &seat);
    return seat.member && !seat.joined;
}

/* ---- now */

struct str reconcile_write_key(const struct reconcile_run *r, const struct reconcile_line *l,
                               struct arena *a)
{
    struct reconcile_request request;
    struct str key;
    if (!reconcile_request_of(l->kind, &request) || request.resource != REPLICA_USER)
        return STR_NONE;
    const struct service_call c = call_of(r, a, request.resource);
    const struct service_write w = {.resource = resources[request.resource],
                                    .verb = request.verb,
                                    .id = l->subject,
                                    .body = l->write.body};
    return service_write_beside(&c, &w, &key) ? key : STR_NONE;
}

static enum mend_outcome outcome_of(const struct service_write *w, const struct error *err)
{
    if (err->rule[0])
        return MEND_REFUSED;
    switch ((int)err->kind) {
    case ERR_PRECONDITION:
        return MEND_MOVED;
    case ERR_NOT_FOUND: /* what was to go is gone */
        return w->verb == SCIM_DELETE ? MEND_DONE : MEND_MOVED;
    case ERR_UNAVAILABLE:
    case ERR_UNAUTHORIZED:
    case ERR_INTERNAL:
        return MEND_BROKEN;
    default:
        return MEND_REFUSED;
    }
}

/* The id at the end of a Location. */
static struct str id_in(struct str location)
{
    size_t slash;
    return str_rfind(location, '/', &slash) ? str_sub(location, slash + 1, location.len) : STR_NONE;
}

enum mend_outcome reconcile_write_make(const struct reconcile_run *r,
                                       const struct reconcile_line *l, struct arena *a,
                                       struct reconcile_outcome *out, struct error *err)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct reconcile_request request;
    struct service_result result = {0};
    *out = (struct reconcile_outcome){0};
    if (!reconcile_request_of(l->kind, &request))
        return MEND_REFUSED;
    struct service_call c = call_of(r, passing, request.resource);
    struct service_write w = {.resource = resources[request.resource],
                              .verb = request.verb,
                              .id = reconcile_line_id(passing, l),
                              .body = l->write.body};
    if (l->write.version.len)
        c.if_match = l->write.version;
    if (l->write.bare && service_ours_is_member(&c, w.id))
        return MEND_MOVED;
    if (!service_write_read(&c, &w, err) ||
        service_write_run(&c, &w, &result, err) == SERVICE_FAILED) {
        enum mend_outcome failed = outcome_of(&w, err);
        if (failed == MEND_DONE)
            error_clear(err);
        return failed;
    }
    out->is = arena_str(a, result.version);
    if (l->organization_made.len)
        out->place = arena_str(a, service_ours_version(&c, REPLICA_GROUP, l->organization));
    if (request.verb == SCIM_POST)
        out->id = arena_str(a, id_in(result.location));
    return MEND_DONE;
}
