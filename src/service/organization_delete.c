/* Delete an organization: what people hold of it first, then the entry, then a search
 * until nobody holds anything. */
#include "service/group_write.h"

#define SWEEPS 3

static const char *const HELD[] = {"kiopsJoined", "kiopsRequest", "kiopsRejected"};

/* All values that one person has of the organization, with proof that nothing was granted
 * meanwhile. */
static enum sent strip(const struct service_call *c, struct str organization,
                       const struct directory_entry *entry, struct error *err)
{
    struct change ch = {.call = c, .what = {.subject = entry->id, .organization = organization}};
    struct directory_mods m;
    directory_mods_init(&m, c->arena);
    directory_map_person(c->arena, entry, &ch.sight.person);
    change_spread_person(&ch);
    operation_none_of(&ch, &m);
    const struct directory_values *held[] = {&ch.sight.joined, &ch.sight.requests,
                                             &ch.sight.rejected};
    for (size_t i = 0; i < sizeof HELD / sizeof *HELD; i++)
        operation_delete_all(&m, HELD[i], held[i]);
    return operation_modify_person(&ch, &m, NULL, err);
}

/* `*left`: somebody held something, so another look is due. */
static bool sweep(const struct service_call *c, struct str organization, bool *left,
                  struct error *err)
{
    struct directory_search s =
        directory_search_users_of(c->service->directory, c->arena, organization);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    *left = found.count > 0;
    for (size_t i = 0; i < found.count; i++)
        if (strip(c, organization, &found.at[i], err) == SENT_FAILED)
            return false;
    return true;
}

/* Only what is not found by its id any more is deleted: after a lost answer, and where the entry
 * was renamed meanwhile. */
static bool delete_entry(const struct service_call *c, const struct replica_organization *o,
                         struct error *err)
{
    struct directory_search s =
        directory_search_organization(c->service->directory, c->arena, o->id);
    struct directory_target target = {.dn = o->dn, .id = o->id};
    s.attrs = directory_organization_attrs(c->service->directory, false, false);
    for (int tries = 0; tries <= TRIES_AFTER; tries++) {
        struct directory_result result = {0};
        struct directory_entries found;
        bool answered = directory_delete(c->conn, c->arena, &target, &result, err);
        if (result.outcome == DIRECTORY_DONE)
            return true;
        if (!answered && result.outcome != DIRECTORY_UNKNOWN)
            return false;
        error_clear(err);
        if (!directory_find(c->conn, c->arena, &s, &found, err))
            return false;
        if (found.count == 0)
            return true;
        target.dn = found.at[0].dn;
    }
    return error_set(err, ERR_UNAVAILABLE, "the directory did not confirm; repeat the request");
}

static bool delete_all(const struct service_call *c, const struct replica_organization *o,
                       struct error *err)
{
    bool left = true;
    for (int i = 0; left && i < SWEEPS; i++)
        if (!sweep(c, o->id, &left, err))
            return false;
    if (!delete_entry(c, o, err))
        return false;
    replica_apply_deleted(c->service->replica, o->id);
    left = true;
    for (int i = 0; left && i < SWEEPS; i++)
        if (!sweep(c, o->id, &left, err))
            return false;
    return true;
}

static bool find_organization(const struct service_call *c, struct str id,
                              struct replica_organization *o, struct error *err)
{
    if (!directory_is_uuid(id))
        return error_set(err, ERR_NOT_FOUND, KIOPS_NO_ORGANIZATION);
    if (!service_refresh_organization(c->service, c->conn, c->arena, id, err))
        return false;
    return replica_organization(c->service->replica, c->arena, id, o) ||
           error_set(err, ERR_NOT_FOUND, KIOPS_NO_ORGANIZATION);
}

static bool check_version(const struct service_call *c, struct str id, struct error *err)
{
    struct replica_want want = {.members = false};
    struct replica_text text;
    bool asked = c->if_match.at || c->if_none_match.at;
    if (!asked || !replica_show(c->service->replica, c->arena,
                                &(struct replica_ask){REPLICA_GROUP, id, &c->actor, want}, &text))
        return true;
    return version_check(c, text.version, err);
}

enum service_status service_group_delete(const struct service_call *c, struct str id,
                                         struct service_result *out, struct error *err)
{
    struct service *s = c->service;
    struct replica_organization o;
    uint64_t intent;
    (void)out;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!group_may_write(c, err) || !service_readable(s, err) ||
        !find_organization(c, id, &o, err) || !check_version(c, id, err))
        return SERVICE_FAILED;
    struct kiops_change what = {.kind = KIOPS_DELETE_ORGANIZATION,
                                .organization = id,
                                .organization_name = o.name,
                                .operation = -1};
    struct kiops_state state = {
        .organization_exists = true, .organization_open = o.open, .now = clock_now()};
    struct kiops_verdict v = kiops_judge(&c->actor, &what, &state);
    struct kiops_record record = {
        .actor = c->actor, .kind = what.kind, .rule = v.rule, .organization = id, .before = o.name};
    if (v.status == KIOPS_REFUSED) {
        kiops_refuse(&v, &what, err);
        operation_refused(s, err);
        if (err->rule[0])
            audit_refusal(s->audit, &record, c->request_id);
        return SERVICE_FAILED;
    }
    if (!access_confirm(c, id, err) ||
        !audit_intent(s->audit, &record, c->request_id, &intent, err))
        return SERVICE_FAILED;
    bool done = delete_all(c, &o, err);
    audit_outcome(s->audit, intent, done ? AUDIT_DONE : AUDIT_UNFINISHED,
                  done ? STR_NONE : str_of(err->detail));
    return done ? SERVICE_NO_CONTENT : SERVICE_FAILED;
}
