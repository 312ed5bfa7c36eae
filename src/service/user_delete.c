/* Delete a user: the rules of every organization first; then what can still be
 * refused, as the removal of a Manager is: the organizations where they manage, and the platform
 * group; then what is the person's own, the other memberships, the entry, and a last look for its
 * DN. */
#include "service/user_write.h"

#include <stdio.h>
#include <string.h>

struct deletion {
    const struct service_call *call;
    struct str id;
    struct directory_entry entry;
    struct directory_user user;
    struct change *organizations; /* one per group that names the user */
    size_t count;
    struct str *touched; /* organizations in which something was taken */
    size_t touched_count, touched_cap;
    uint64_t intent;
    bool wrote;
    bool left_platform;
    bool followed; /* the groups have been made to name the user as they are called now */
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
        return error_set(err, ERR_NOT_FOUND, KIOPS_NO_USER);
    d->entry = found.at[0];
    struct error odd = ERROR_INIT;
    if (!directory_map_user(c->service->directory, c->arena, &d->entry, &d->user, &odd))
        return d->wrote
                   ? error_set(err, ERR_CONFLICT, "the user is no user any more: %s", odd.detail)
                   : error_set(err, ERR_NOT_FOUND, KIOPS_NO_USER); /* as reads have it */
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

/* Whoever may not learns nothing from how the rest is refused. */
static bool judge_whole(const struct deletion *d, struct change *whole, struct error *err)
{
    const struct service_call *c = d->call;
    *whole = (struct change){
        .call = c, .what = {.kind = KIOPS_DELETE_USER, .subject = d->id, .operation = -1}};
    return judge_one(whole, err) &&
           (d->wrote || version_check(c, version_text(c->arena, d->user.version), err));
}

static bool judge_organizations(struct deletion *d, struct error *err)
{
    for (size_t i = 0; i < d->count; i++)
        if (!judge_one(&d->organizations[i], err))
            return false;
    return true;
}

static void note_taken(struct deletion *d, const struct change *ch, struct str organization)
{
    if (!ch->wrote)
        return;
    d->wrote = true;
    for (size_t i = 0; i < d->touched_count; i++)
        if (str_ieq(d->touched[i], organization))
            return;
    d->touched = arena_grow(d->call->arena, d->touched, sizeof *d->touched, d->touched_count,
                            &d->touched_cap);
    d->touched[d->touched_count++] = organization;
}

/* As Manager, or as half of one: a promotion may be on its way. */
static bool is_manager(const struct change *ch)
{
    return ch->sight.owner || ch->sight.manager;
}

/* 1, 3 organizations: of an owner with Y as proof, else with proof that there is no owner value. */
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
    note_taken(d, ch, ch->what.organization);
    if ((sent == SENT_DONE || sent == SENT_UNKNOWN) && change_counts_as_manager(ch))
        notice_of_manager(d->call, d->id, ch->what.organization);
    return sent;
}

/* 1 user: no permission outlives the seat. */
static enum sent take_permissions(struct deletion *d, struct change *ch, struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, d->call->arena);
    operation_delete_all(&m, "kiopsPermission", &ch->sight.permissions);
    operation_delete_all(&m, "kiopsRequest", &ch->sight.requests);
    enum sent sent = operation_modify_person(ch, &m, NULL, err);
    note_taken(d, ch, ch->what.organization);
    return sent;
}

/* Lost, or absent: also renamed, which the next look tells. An organization that is gone took the
 * membership along. */
static enum step leave_all(struct deletion *d, bool managers, struct error *err)
{
    for (size_t i = 0; i < d->count; i++) {
        struct change *ch = &d->organizations[i];
        if (is_manager(ch) != managers)
            continue;
        enum sent sent = managers ? take_permissions(d, ch, err) : SENT_DONE;
        if (sent == SENT_ABSENT)
            return STEP_AGAIN;
        if (sent == SENT_DONE)
            sent = leave(d, ch, err);
        if (sent == SENT_FAILED)
            return STEP_FAILED;
        if (sent == SENT_LOST || sent == SENT_UNKNOWN)
            return STEP_AGAIN;
    }
    return STEP_DONE;
}

static enum step leave_platform(struct deletion *d, struct change *whole, struct error *err)
{
    if (!whole->sight.in_platform)
        return STEP_DONE;
    enum step step = operation_leave_platform(whole, err);
    d->left_platform = d->left_platform || whole->wrote;
    d->wrote = d->wrote || whole->wrote;
    return step;
}

static bool has_left_as_manager(const struct deletion *d, struct str organization)
{
    for (size_t i = 0; i < d->count; i++)
        if (str_ieq(d->organizations[i].what.organization, organization))
            return is_manager(&d->organizations[i]);
    return false;
}

/* Of organizations that were left as Manager these values are gone already. */
static void delete_others(const struct deletion *d, struct directory_mods *m, const char *attr,
                          const struct directory_values *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (!has_left_as_manager(d, operation_organization_of(all->at[i])))
            directory_mods_one(m, DIRECTORY_DELETE, attr, all->at[i]);
}

/* Nothing was granted there since the person was read. */
static void prove_no_more(const struct deletion *d, struct directory_mods *m,
                          struct str organization)
{
    bool left = has_left_as_manager(d, organization);
    for (int k = 0; k < KIOPS_PERMISSIONS; k++) {
        struct str v = arena_fmt(d->call->arena, STR_FMT ":" STR_FMT, STR_ARG(organization),
                                 STR_ARG(kiops_permission_name((enum kiops_permission)k)));
        if (left || !directory_has(&d->entry, "kiopsPermission", v))
            directory_mods_prove_absent(m, "kiopsPermission", v);
    }
    if (!directory_has(&d->entry, "kiopsManager", organization))
        directory_mods_prove_absent(m, "kiopsManager", organization);
}

/* 2 user: all that is left, joins and the platform role among it. */
static enum sent strip_person(struct deletion *d, struct error *err)
{
    const struct directory_person *p = &d->user.person;
    struct change ch = {
        .call = d->call, .what = {.subject = d->id}, .sight = {.person = *p, .has_user = true}};
    struct directory_mods m;
    directory_mods_init(&m, d->call->arena);
    delete_others(d, &m, "kiopsRequest", &p->requests);
    delete_others(d, &m, "kiopsPermission", &p->permissions);
    operation_delete_all(&m, "kiopsManager", &p->managers);
    operation_delete_all(&m, "kiopsJoined", &p->joined);
    for (size_t i = 0; i < p->joined.count; i++)
        if (!str_ieq(operation_organization_of(p->joined.at[i]), STR("platform")))
            prove_no_more(d, &m, operation_organization_of(p->joined.at[i]));
    enum sent sent = operation_modify_person(&ch, &m, NULL, err);
    for (size_t i = 0; i < p->joined.count; i++)
        note_taken(d, &ch, operation_organization_of(p->joined.at[i]));
    d->wrote = d->wrote || ch.wrote;
    return sent;
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

/* Beside a rename the groups come first: until they follow, a Manager looks like somebody who is in
 * no group. */
static enum step follow(struct deletion *d, const struct change *whole, struct error *err)
{
    d->followed = true;
    bool moved = naming_move(d->call, d->id, whole->sight.former_dn, whole->sight.person.dn, err);
    return moved ? STEP_AGAIN : STEP_FAILED;
}

static enum step take_all(struct deletion *d, struct change *whole, struct error *err)
{
    enum step step = leave_all(d, true, err);
    if (step == STEP_DONE)
        step = leave_platform(d, whole, err);
    if (step != STEP_DONE)
        return step;
    enum sent person = strip_person(d, err);
    if (person == SENT_FAILED)
        return STEP_FAILED;
    if (person != SENT_DONE)
        return STEP_AGAIN;
    step = leave_all(d, false, err);
    return step == STEP_DONE ? delete_entry(d, err) : step;
}

/* Who or what went between the look and the judgement is not there at the next look. */
static enum step look_again(bool may_be_gone, struct error *err)
{
    if (!may_be_gone || err->kind != ERR_NOT_FOUND)
        return STEP_FAILED;
    error_clear(err);
    return STEP_AGAIN;
}

static enum step judge(struct deletion *d, struct change *whole, bool *follows, struct error *err)
{
    if (!judge_whole(d, whole, err)) /* gone by a write of this request that came late */
        return look_again(d->wrote, err);
    *follows = whole->sight.former_dn.len && !d->followed;
    if (*follows || judge_organizations(d, err))
        return STEP_DONE;
    return look_again(true, err); /* the organization, too, may have been deleted */
}

static enum step delete_once(struct deletion *d, struct error *err)
{
    const struct service_call *c = d->call;
    struct change whole;
    bool follows;
    if (!read_all(d, err)) {
        if (err->kind != ERR_NOT_FOUND || !d->wrote)
            return STEP_FAILED;
        error_clear(err); /* gone meanwhile: by this request whose answer was lost, or by another */
        replica_apply_deleted(c->service->replica, d->id);
        return naming_clear(c, d->entry.dn, err) ? STEP_DONE : STEP_FAILED;
    }
    enum step judged = judge(d, &whole, &follows, err);
    if (judged != STEP_DONE)
        return judged;
    struct kiops_record record = change_record(&whole);
    if ((!d->wrote && !access_confirm(c, STR_NONE, err)) ||
        (!d->intent && !audit_intent(c->service->audit, &record, c->request_id, &d->intent, err)))
        return STEP_FAILED;
    return follows ? follow(d, &whole, err) : take_all(d, &whole, err);
}

/* To its end, as a removal that has begun. */
static void end_one(const struct deletion *d, struct change ch)
{
    struct error e = ERROR_INIT;
    enum step step = STEP_AGAIN;
    ch.call = d->call;
    ch.what.subject = d->id;
    for (int tries = 0; step == STEP_AGAIN && tries <= TRIES_AFTER; tries++)
        step = !change_look(&ch, true, &e)          ? STEP_FAILED
               : ch.what.kind == KIOPS_UNMAKE_ADMIN ? operation_unmake_admin(&ch, &e)
                                                    : operation_remove(&ch, &e);
    if (step != STEP_DONE)
        LOG_WARN("deletion_left_over", LOG_S("user", d->id),
                 LOG_S("organization", ch.what.organization), LOG_C("reason", e.detail));
}

/* Refused after its first write, by who was faster: what was begun is ended, and the error says
 * that something was done. */
static void end_what_was_begun(const struct deletion *d, struct error *err)
{
    size_t len = strlen(err->detail);
    for (size_t i = 0; i < d->touched_count; i++)
        end_one(d, (struct change){.what = {.kind = KIOPS_REMOVE, .organization = d->touched[i]},
                                   .carry = CARRY_USER});
    if (d->left_platform)
        end_one(d, (struct change){.what = {.kind = KIOPS_UNMAKE_ADMIN}, .carry = CARRY_OUT});
    snprintf(err->detail + len, sizeof err->detail - len,
             " (%zu changes of this request are made: what was taken stays taken)",
             d->touched_count + d->left_platform);
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
    if (step == STEP_FAILED && err->kind != ERR_UNAVAILABLE && d.wrote)
        end_what_was_begun(&d, err);
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
