/* The modifies that membership operations are made of: each bound to the entry it was decided for,
 * each outcome entered into the replica. */
#include "service/internal.h"

#include "base/hash.h"

#define YOUNG_S 300

struct str operation_new_stamp(struct arena *a, struct str organization, struct str old)
{
    char time[CLOCK_TEXT_MAX];
    struct str when = clock_generalized(clock_now(), time);
    size_t colon, dot;
    if (old.len && str_find(old, ':', &colon)) {
        struct str kept = str_sub(old, colon + 1, old.len);
        when = str_find(kept, '.', &dot) ? str_sub(kept, 0, dot) : kept;
    }
    uint32_t random;
    hash_random(&random, sizeof random);
    return arena_fmt(a, STR_FMT ":" STR_FMT ".%08x", STR_ARG(organization), STR_ARG(when),
                     (unsigned)random);
}

struct str operation_organization_of(struct str value)
{
    size_t colon;
    return str_find(value, ':', &colon) ? str_sub(value, 0, colon) : value;
}

bool operation_stamp_time(struct str stamp, instant_t *out)
{
    size_t colon, dot;
    if (!str_find(stamp, ':', &colon))
        return false;
    struct str when = str_sub(stamp, colon + 1, stamp.len);
    if (str_find(when, '.', &dot))
        when = str_sub(when, 0, dot);
    return clock_parse_generalized(when, out);
}

instant_t operation_latest(const struct directory_values *stamps)
{
    instant_t latest = INSTANT_NONE, t;
    for (size_t i = 0; i < stamps->count; i++)
        if (operation_stamp_time(stamps->at[i], &t) && t > latest)
            latest = t;
    return latest;
}

kiops_permission_set operation_permissions(const struct directory_values *values)
{
    kiops_permission_set set = 0;
    for (size_t i = 0; i < values->count; i++) {
        size_t colon;
        enum kiops_permission p;
        struct str v = values->at[i];
        if (str_find(v, ':', &colon) && kiops_permission_parse(str_sub(v, colon + 1, v.len), &p))
            set = (kiops_permission_set)(set | 1U << p);
    }
    return set;
}

bool operation_is_young(struct str stamp, instant_t now)
{
    instant_t t;
    return operation_stamp_time(stamp, &t) && now - t < (instant_t)YOUNG_S * 1000000;
}

void operation_delete_all(struct directory_mods *m, const char *attr,
                          const struct directory_values *v)
{
    if (v->count)
        directory_mods_push(m, DIRECTORY_DELETE, attr, v->at, v->count);
}

static bool seen(const struct directory_values *values, struct str value)
{
    for (size_t i = 0; i < values->count; i++)
        if (str_ieq(values->at[i], value))
            return true;
    return false;
}

void operation_none_of(const struct change *ch, struct directory_mods *m)
{
    const struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    struct str organization = ch->what.organization;
    if (!has_person_side(ch->call))
        return;
    operation_delete_all(m, "kiopsPermission", &g->permissions);
    for (int p = 0; p < KIOPS_PERMISSIONS; p++) {
        struct str name = kiops_permission_name((enum kiops_permission)p);
        struct str value = arena_fmt(a, STR_FMT ":" STR_FMT, STR_ARG(organization), STR_ARG(name));
        if (!seen(&g->permissions, value))
            directory_mods_prove_absent(m, "kiopsPermission", value);
    }
    if (g->manager)
        directory_mods_one(m, DIRECTORY_DELETE, "kiopsManager", organization);
    else
        directory_mods_prove_absent(m, "kiopsManager", organization);
}

struct replica_set_change operation_set(const struct change *ch, int member, int owner)
{
    return (struct replica_set_change){.dn = ch->sight.person.dn, .member = member, .owner = owner};
}

/* Ours seems older than what is held: another write has come since, unless ours stands there even
 * now. Then the server's clock has stepped back. */
static void apply_older(const struct service_call *c, const struct directory_user *ours)
{
    struct directory_entries found;
    struct error ignored = ERROR_INIT; /* the feed brings it */
    if (!service_find_user(c->conn, c->arena, ours->person.id, &found, &ignored) ||
        found.count == 0 || !str_eq(found.at[0].csn, ours->person.csn))
        return;
    replica_doubt(c->service->replica, ours->person.id);
    (void)!replica_apply_user(c->service->replica, ours);
}

void operation_apply_user(const struct service_call *c, const struct directory_entry *entry)
{
    struct directory_user u;
    struct error odd = ERROR_INIT;
    if (entry && directory_map_user(c->service->directory, c->arena, entry, &u, &odd) &&
        !replica_apply_user(c->service->replica, &u))
        apply_older(c, &u);
}

/* `answered`: what directory_modify() returned. An interrupted write is looked at, never repeated
 * blindly. */
static enum sent judge_sent(const struct service_call *c, bool answered,
                            const struct directory_result *r, struct error *err)
{
    if (!answered && r->outcome == DIRECTORY_UNKNOWN) {
        atomic_fetch_add(&c->service->unknown_outcomes, 1);
        error_clear(err);
        return SENT_UNKNOWN;
    }
    if (!answered)
        return SENT_FAILED;
    if (r->outcome == DIRECTORY_DONE)
        return SENT_DONE;
    if (r->outcome == DIRECTORY_ABSENT)
        return SENT_ABSENT;
    atomic_fetch_add(&c->service->lost_races, 1);
    return SENT_LOST;
}

enum step operation_step(enum sent sent)
{
    switch (sent) {
    case SENT_DONE:
        return STEP_DONE;
    case SENT_LOST:
    case SENT_UNKNOWN:
    case SENT_ABSENT:
        return STEP_AGAIN;
    case SENT_FAILED:
        break;
    }
    return STEP_FAILED;
}

static void note_write(struct change *ch, enum sent sent)
{
    ch->wrote = ch->wrote || sent == SENT_DONE || sent == SENT_UNKNOWN;
    ch->doubtful = ch->doubtful || sent == SENT_UNKNOWN;
}

/* Whom another program made has no class of ours until a modify gives something that needs it. */
static bool modify_person(const struct change *ch, const struct directory_target *t,
                          const struct directory_mods *m, struct directory_result *result,
                          struct error *err)
{
    if (directory_modify(ch->call->conn, t, m, result, err))
        return true;
    if (!result->class_missing)
        return false;
    struct directory_mods more = *m;
    directory_mods_one(&more, DIRECTORY_ADD, "objectClass", STR("kiopsUser"));
    error_clear(err);
    return directory_modify(ch->call->conn, t, &more, result, err);
}

enum sent operation_modify_person(struct change *ch, const struct directory_mods *m,
                                  const char *extra, struct error *err)
{
    if (m->count == 0)
        return SENT_DONE;
    struct directory_target target = {
        .dn = ch->sight.person.dn, .id = ch->what.subject, .extra = extra, .want_post = true};
    struct directory_result result = {0};
    bool answered = modify_person(ch, &target, m, &result, err);
    enum sent sent = judge_sent(ch->call, answered, &result, err);
    if (sent == SENT_DONE)
        operation_apply_user(ch->call, result.post);
    note_write(ch, sent);
    return sent;
}

enum sent operation_take_back(struct change *ch, const struct directory_mods *m, struct error *err)
{
    enum sent sent = operation_modify_person(ch, m, NULL, err);
    if (sent != SENT_ABSENT)
        return sent;
    if (!change_look(ch, true, err))
        return SENT_FAILED;
    return ch->sight.has_user ? operation_modify_person(ch, m, NULL, err) : SENT_ABSENT;
}

/* A group that another program made may hold people only; its class wants a member, so where the
 * last one leaves, the placeholder comes in the same modify. */
static bool modify_group(const struct service_call *c, const struct directory_target *t,
                         const struct directory_mods *m, struct directory_result *result,
                         struct error *err)
{
    bool platform = str_eq(t->dn, c->service->config->directory.admins_dn);
    if (!directory_modify(c->conn, t, m, result, err))
        return false;
    if (!result->last_value)
        return true;
    struct directory_mods more = *m;
    directory_mods_one(&more, DIRECTORY_ADD, platform ? "member" : member_attr(c),
                       c->service->config->directory.organizations.placeholder_dn);
    return directory_modify(c->conn, t, &more, result, err);
}

/* modifyTimestamp, as the next reading will give it: told, or the CSN's time, whole seconds. */
static instant_t time_of(struct arena *a, const struct directory_result *r)
{
    instant_t at;
    struct str seconds = arena_fmt(a, STR_FMT "Z", STR_ARG(str_sub(r->post_csn, 0, 14)));
    if (r->changed.len)
        seconds = r->changed;
    return clock_parse_generalized(seconds, &at) ? at : clock_now();
}

enum sent operation_modify_sets(const struct service_call *c,
                                const struct directory_target *organization,
                                const struct directory_mods *m, struct set_changes sets,
                                struct error *err)
{
    struct directory_result result = {0};
    bool answered = modify_group(c, organization, m, &result, err);
    enum sent sent = judge_sent(c, answered, &result, err);
    if (sent != SENT_DONE)
        return sent;
    if (!result.post_csn.len ||
        !replica_apply_sets(c->service->replica,
                            &(struct replica_sets_change){organization->id, result.pre_csn,
                                                          result.post_csn, sets.at, sets.count,
                                                          time_of(c->arena, &result)})) {
        struct error later = ERROR_INIT; /* the feed delivers it when this read fails */
        if (!service_refresh_organization(c->service, c->conn, c->arena, organization->id, &later))
            LOG_WARN("organization_unread", LOG_S("organization", organization->id),
                     LOG_C("reason", later.detail));
    }
    return SENT_DONE;
}

enum sent operation_modify_organization(struct change *ch, const struct directory_mods *m,
                                        struct set_changes sets, struct error *err)
{
    if (m->count == 0)
        return SENT_DONE;
    struct directory_target target = {.dn = ch->sight.organization.dn, .id = ch->what.organization};
    enum sent sent = operation_modify_sets(ch->call, &target, m, sets, err);
    note_write(ch, sent);
    return sent;
}

enum sent operation_modify_admins(const struct service_call *c, const struct directory_mods *m,
                                  struct error *err)
{
    struct service *s = c->service;
    struct directory_target target = {.dn = s->config->directory.admins_dn, .want_post = true};
    struct directory_result result = {0};
    bool answered = modify_group(c, &target, m, &result, err);
    enum sent sent = judge_sent(c, answered, &result, err);
    if (sent == SENT_DONE && result.post)
        service_apply_platform(s, result.post);
    return sent;
}

enum sent operation_modify_platform(struct change *ch, const struct directory_mods *m,
                                    struct error *err)
{
    enum sent sent = operation_modify_admins(ch->call, m, err);
    note_write(ch, sent);
    return sent;
}

void operation_refused(struct service *s, const struct error *err)
{
    int64_t n;
    if (str_to_i64(str_sub(str_of(err->rule), 4, 8), &n) && n > 0 && n < 32)
        atomic_fetch_add(&s->refused_by_rule[n], 1);
}

bool operation_refuse(const struct service_call *c, const struct kiops_verdict *v,
                      const struct kiops_change *what, struct error *err)
{
    struct kiops_record record = {.actor = c->actor,
                                  .kind = what->kind,
                                  .rule = v->rule,
                                  .subject = what->subject,
                                  .organization = what->organization};
    kiops_refuse(v, what, err);
    operation_refused(c->service, err);
    if (err->rule[0])
        audit_refusal(c->service->audit, &record, c->request_id);
    return false;
}
