/* Delete a user (DESIGN 3.3): the rules of every organization first; then what is the person's own,
 * the organizations where they manage, the platform group, the other memberships, the entry, and a
 * last look for its DN. */
#include "service/user_write.h"

struct deletion {
    const struct service_call *call;
    struct str id;
    struct directory_entry entry;
    struct directory_user user;
    struct change *organizations; /* one per group that names the user */
    size_t count;
    uint64_t intent;
    bool wrote;
};

bool user_delete_parts(const struct service_call *c, const struct directory_person *p,
                       struct change **out, size_t *count, struct error *err)
{
    static const char *const attrs[] = {"entryUUID", NULL};
    struct directory_search naming =
        directory_search_groups_naming(c->service->directory, c->arena, p->dn);
    struct directory_entries found;
    naming.attrs = attrs;
    if (!directory_find(c->conn, c->arena, &naming, &found, err))
        return false;
    struct str platform = directory_dn_key(c->arena, c->service->config->directory.admins_dn);
    *out = ARENA_ARRAY(c->arena, struct change, found.count + 1);
    *count = 0;
    for (size_t i = 0; i < found.count; i++)
        if (!str_eq(directory_dn_key(c->arena, found.at[i].dn), platform))
            (*out)[(*count)++] = (struct change){.call = c,
                                                 .what = {.kind = KIOPS_DELETE_FROM,
                                                          .subject = p->id,
                                                          .organization = found.at[i].id,
                                                          .operation = -1}};
    return true;
}

static bool read_all(struct deletion *d, struct error *err)
{
    const struct service_call *c = d->call;
    struct directory_entries found;
    if (!service_find_user(c->conn, c->arena, d->id, &found, err))
        return false;
    if (found.count != 1 || directory_is_protected(c->service->directory, found.at[0].dn))
        return error_set(err, ERR_NOT_FOUND, "no such user");
    d->entry = found.at[0];
    struct error odd = ERROR_INIT;
    if (!directory_map_user(c->service->directory, c->arena, &d->entry, &d->user, &odd))
        return error_set(err, ERR_NOT_FOUND, "no such user"); /* as reads have it */
    return user_delete_parts(c, &d->user.person, &d->organizations, &d->count, err);
}

/* A refusal stands in the audit. */
static bool judge_one(struct change *ch, struct error *err)
{
    if (change_decide(ch, true, err))
        return true;
    struct kiops_record record = change_record(ch);
    if (err->rule[0])
        audit_refusal(ch->call->service->audit, &record, ch->call->request_id);
    return false;
}

static bool judge(struct deletion *d, struct change *whole, struct error *err)
{
    const struct service_call *c = d->call;
    *whole = (struct change){
        .call = c, .what = {.kind = KIOPS_DELETE_USER, .subject = d->id, .operation = -1}};
    if (!judge_one(whole, err))
        return false;
    for (size_t i = 0; i < d->count; i++)
        if (!judge_one(&d->organizations[i], err))
            return false;
    return true;
}

/* 1 user: all permissions and requests; where K is no Manager the join too, and proof that nothing
 * was granted meanwhile. */
static enum sent strip_person(struct deletion *d, struct error *err)
{
    const struct service_call *c = d->call;
    const struct directory_person *p = &d->user.person;
    struct change ch = {
        .call = c, .what = {.subject = d->id}, .sight = {.person = *p, .has_user = true}};
    struct directory_mods m;
    directory_mods_init(&m, c->arena);
    operation_delete_all(&m, "kiopsRequest", &p->requests);
    operation_delete_all(&m, "kiopsPermission", &p->permissions);
    for (size_t i = 0; i < p->joined.count; i++) {
        size_t colon;
        if (!str_find(p->joined.at[i], ':', &colon) ||
            str_istarts(p->joined.at[i], STR("platform:")))
            continue;
        ch.what.organization = str_sub(p->joined.at[i], 0, colon);
        change_spread_person(&ch);
        if (ch.sight.manager)
            continue;
        directory_mods_one(&m, DIRECTORY_DELETE, "kiopsJoined", p->joined.at[i]);
        ch.sight.permissions.count = 0; /* deleted above with the others */
        for (int k = 0; k < KIOPS_PERMISSIONS; k++) {
            struct str v = arena_fmt(c->arena, STR_FMT ":" STR_FMT, STR_ARG(ch.what.organization),
                                     STR_ARG(kiops_permission_name((enum kiops_permission)k)));
            if (!directory_has(&d->entry, "kiopsPermission", v))
                directory_mods_prove_absent(&m, "kiopsPermission", v);
        }
        directory_mods_prove_absent(&m, "kiopsManager", ch.what.organization);
    }
    enum sent sent = operation_modify_person(&ch, &m, NULL, err);
    d->wrote = d->wrote || ch.wrote;
    return sent;
}

/* 2, 3 organizations: of an owner with Y as proof, else with proof that there is no owner value. */
static enum sent leave(struct deletion *d, struct change *ch, struct error *err)
{
    const struct sight *g = &ch->sight;
    struct str placeholder = d->call->service->config->directory.organizations.placeholder_dn;
    struct directory_mods m;
    bool takes_place = false;
    directory_mods_init(&m, d->call->arena);
    if (!g->in && !g->owner)
        return SENT_DONE;
    if (g->owner) {
        bool vacant = ch->vacates || !g->other_manager.len;
        if (!vacant)
            directory_mods_prove_there(&m, owner_attr(d->call), g->other_manager);
        directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(d->call), g->person.dn);
        takes_place = vacant && g->organization.managed && !g->organization.has_placeholder_owner;
        if (takes_place)
            directory_mods_one(&m, DIRECTORY_ADD, owner_attr(d->call), placeholder);
    } else if (*owner_attr(d->call)) {
        directory_mods_prove_absent(&m, owner_attr(d->call), g->person.dn);
    }
    if (g->in)
        directory_mods_one(&m, DIRECTORY_DELETE, member_attr(d->call), g->person.dn);
    struct replica_set_change sets[] = {operation_set(ch, g->in ? -1 : 0, g->owner ? -1 : 0),
                                        {.dn = placeholder, .owner = 1}};
    enum sent sent =
        operation_modify_organization(ch, &m, (struct set_changes){sets, takes_place ? 2 : 1}, err);
    d->wrote = d->wrote || ch->wrote;
    if (ch->wrote && change_counts_as_manager(ch))
        notice_of_manager(d->call, d->id, ch->what.organization);
    return sent;
}

static enum step leave_all(struct deletion *d, bool owners, struct error *err)
{
    for (size_t i = 0; i < d->count; i++) {
        struct change *ch = &d->organizations[i];
        if (ch->sight.owner != owners)
            continue;
        enum sent sent = leave(d, ch, err);
        if (sent == SENT_FAILED)
            return STEP_FAILED;
        if (sent == SENT_LOST || sent == SENT_UNKNOWN)
            return STEP_AGAIN;
    }
    return STEP_DONE;
}

static enum step delete_entry(struct deletion *d, struct error *err)
{
    const struct service_call *c = d->call;
    struct directory_result result = {0};
    struct directory_target target = {.dn = d->entry.dn, .id = d->id};
    if (!directory_delete(c->conn, c->arena, &target, &result, err)) {
        if (result.outcome != DIRECTORY_UNKNOWN)
            return STEP_FAILED;
        error_clear(err);
        d->wrote = true;
        return STEP_AGAIN;
    }
    d->wrote = d->wrote || result.outcome == DIRECTORY_DONE || result.outcome == DIRECTORY_ABSENT;
    if (result.outcome != DIRECTORY_DONE)
        return STEP_AGAIN; /* absent, too: it may have been renamed */
    replica_apply_deleted(c->service->replica, d->id);
    /* Once more: what a join on its way has put there. */
    return naming_clear(c, d->entry.dn, err) ? STEP_DONE : STEP_FAILED;
}

static enum step delete_once(struct deletion *d, struct error *err)
{
    const struct service_call *c = d->call;
    struct change whole;
    if (!read_all(d, err)) {
        if (err->kind != ERR_NOT_FOUND || !d->wrote)
            return STEP_FAILED;
        error_clear(err); /* gone meanwhile: by this request whose answer was lost, or by another */
        replica_apply_deleted(c->service->replica, d->id);
        return naming_clear(c, d->entry.dn, err) ? STEP_DONE : STEP_FAILED;
    }
    /* Whoever may not learns nothing from how the rest is refused. */
    if (!judge(d, &whole, err) ||
        (!d->wrote && !version_check(c, version_text(c->arena, d->user.version), err)))
        return STEP_FAILED;
    struct kiops_record record = change_record(&whole);
    if ((!d->wrote && !access_confirm(c, STR_NONE, err)) ||
        (!d->intent && !audit_intent(c->service->audit, &record, c->request_id, &d->intent, err)))
        return STEP_FAILED;
    enum sent person = strip_person(d, err);
    if (person == SENT_FAILED)
        return STEP_FAILED;
    if (person != SENT_DONE)
        return STEP_AGAIN;
    enum step step = leave_all(d, true, err);
    if (step == STEP_DONE && whole.sight.in_platform)
        step = operation_leave_platform(&whole, err);
    if (step == STEP_DONE)
        step = leave_all(d, false, err);
    return step == STEP_DONE ? delete_entry(d, err) : step;
}

enum service_status service_user_delete(const struct service_call *c, struct str id,
                                        struct service_result *out, struct error *err)
{
    struct deletion d = {.call = c, .id = id};
    (void)out;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err) ||
        !user_write_may_know(c, KIOPS_DELETE_USER, id, err))
        return SERVICE_FAILED;
    enum step step = STEP_AGAIN;
    for (int tries = 0; step == STEP_AGAIN && tries <= (d.wrote ? TRIES_AFTER : TRIES_BEFORE);
         tries++)
        step = delete_once(&d, err);
    if (step == STEP_AGAIN)
        error_set(err, d.wrote ? ERR_UNAVAILABLE : ERR_CONFLICT,
                  "unfinished: the directory did not confirm, or memberships kept changing; "
                  "repeat the request, it completes");
    if (step != STEP_DONE)
        operation_refused(c->service, err);
    if (d.intent)
        audit_outcome(c->service->audit, d.intent,
                      step == STEP_DONE ? AUDIT_DONE
                      : d.wrote         ? AUDIT_UNFINISHED
                                        : AUDIT_FAILED,
                      step == STEP_DONE ? STR_NONE : str_of(err->detail));
    return step == STEP_DONE ? SERVICE_NO_CONTENT : SERVICE_FAILED;
}
