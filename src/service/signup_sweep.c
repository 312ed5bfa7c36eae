/*
 * Applicants whom nobody approved go after signup.keep_days. Every bridge looks, now and then: each
 * deletion carries the entry's id and version and that nothing was joined, so of two that look one
 * deletes, and neither meets an approval.
 */
#include "base/own.h"
#include "service/internal.h"

#define EVERY_MS (10 * 60 * 1000)
#define AT_ONCE 100 /* the rest has its turn soon */
#define SOON_MS 1000

static instant_t later(instant_t a, instant_t b)
{
    return a > b ? a : b;
}

static bool is_over(const struct service_call *c, const struct replica_applicant *who,
                    struct kiops_verdict *v)
{
    const struct directory_person *p = &who->person;
    const struct kiops_state state = {
        .subject_exists = true,
        .subject_applicant = true,
        .subject_since = later(
            who->created, later(operation_latest(&p->requests), operation_latest(&p->rejected))),
        .now = clock_now(),
        .keep_days = c->service->config->signup.keep_days,
    };
    const struct kiops_change what = {
        .kind = KIOPS_EXPIRE_SIGN_UP, .subject = p->id, .operation = -1};
    *v = kiops_judge(&c->actor, &what, &state);
    return v->status == KIOPS_ALLOWED;
}

static bool expire(const struct service_call *c, const struct directory_person *p,
                   const struct kiops_verdict *v, struct error *err)
{
    struct service *s = c->service;
    const struct kiops_record record = {
        .actor = c->actor, .kind = KIOPS_EXPIRE_SIGN_UP, .rule = v->rule, .subject = p->id};
    struct directory_target target = {
        .dn = p->dn, .id = p->id, .csn = p->csn, .extra = "(!(kiopsJoined=*))"};
    struct directory_result result = {0};
    uint64_t intent;
    if (!audit_intent(s->audit, &record, c->request_id, &intent, err))
        return false;
    bool answered = directory_delete(c->conn, c->arena, &target, &result, err);
    bool done = answered && result.outcome == DIRECTORY_DONE;
    audit_outcome(s->audit, intent,
                  done       ? AUDIT_DONE
                  : answered ? AUDIT_LOST_RACE
                             : AUDIT_UNKNOWN,
                  str_of(err->detail));
    if (done)
        replica_apply_gone(s->replica, FEED_APPLICANT, p->id);
    atomic_fetch_add(&s->signups_expired, done);
    return answered;
}

static void run(void *arg, struct directory_conn *conn)
{
    struct service *s = arg;
    OWNED_ARENA struct arena *a = arena_new();
    const struct service_call c = {
        .service = s,
        .arena = a,
        .conn = conn,
        .actor = {.kind = KIOPS_ACTOR_OPERATOR, .id = STR("serve"), .can_write = true},
    };
    struct replica_applicant *all;
    struct error err = ERROR_INIT;
    struct kiops_verdict v;
    size_t n = replica_applicants(s->replica, a, &all), gone = 0;
    bool fine = true;
    for (size_t i = 0; fine && i < n && gone < AT_ONCE; i++) {
        if (!is_over(&c, &all[i], &v))
            continue;
        gone++;
        fine = expire(&c, &all[i].person, &v, &err);
    }
    if (!fine)
        LOG_WARN("sign_up_sweep", LOG_C("reason", err.detail));
    if (gone)
        LOG_INFO("sign_up_sweep", LOG_I("looked_at", (int64_t)n), LOG_I("over", (int64_t)gone));
    atomic_store(&s->sweep_at, clock_deadline_in(fine && gone == AT_ONCE ? SOON_MS : EVERY_MS));
}

void signup_sweep(struct service *s)
{
    struct error full = ERROR_INIT;
    if (!s->config->signup.enabled || !s->config->directory.writes || !replica_live(s->replica) ||
        clock_left_ms(atomic_load(&s->sweep_at)) > 0)
        return;
    atomic_store(&s->sweep_at, clock_deadline_in(EVERY_MS)); /* until this one has ended */
    if (!service_writer_submit(s, STR("signup.container"), run, s, &full))
        atomic_store(&s->sweep_at, clock_deadline_in(SOON_MS));
}
