/*
 * Signing up: a stranger becomes an applicant, whose entry stands in signup.container,
 * and asks to join one organization. Nothing of what happens here reaches the stranger: the answer
 * has gone out before the first look at anything.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/own.h"
#include "service/user_write.h"

/* Applicants that wait at once, of all addresses together. */
#define APPLICANTS_MAX 10000
/* Sign-ups in the writers' queues: the rest of them is for who has an account. */
#define UNDER_WAY_MAX 64
#define AUDIT_TEXT_MAX 65536

struct signup {
    struct service *service;
    struct arena *arena;
    struct service_applicant who; /* the password is wiped once it is set */
    char request_id[32];
    char *password;
};

/* One sign-up on its writer thread. */
struct signing {
    struct user_write w; /* entry, password, intent */
    const struct service_applicant *who;
};

static struct service_call call_of(const struct signup *job, struct directory_conn *conn)
{
    struct service *s = job->service;
    return (struct service_call){
        .service = s,
        .arena = job->arena,
        .conn = conn,
        .actor = {.kind = KIOPS_ACTOR_STRANGER,
                  .id = job->who.address,
                  .can_write = true,
                  .max_removals = -1,
                  .max_removals_percent = -1},
        .scim = {.arena = job->arena,
                 .type = s->types[REPLICA_USER],
                 .dialect = scim_dialect_find(s->config->scim.default_profile),
                 .base = s->base,
                 .limits = service_limits(s->config)},
        .request_id = str_of(job->request_id),
    };
}

/* ---- who may */

static bool judge(const struct signing *g, const char **rule, struct error *err)
{
    const struct service_call *c = g->w.call;
    const struct replica_name wanted = {.name = g->who->user_name};
    struct replica *r = c->service->replica;
    struct replica_organization o = {0};
    struct str holder;
    struct kiops_state state = {.now = clock_now()};
    struct kiops_change what = {
        .kind = KIOPS_SIGN_UP, .organization = g->who->organization, .operation = -1};
    if (!naming_is_fit(c, wanted.name, "userName", err))
        return false;
    state.organization_exists = replica_organization(r, c->arena, what.organization, &o);
    state.organization_open = o.open;
    state.subject_name_taken = replica_user_named(r, c->arena, &wanted, &holder);
    what.organization_name = o.name;
    return user_write_judge(c, &what, &state, rule, err);
}

/* ---- the entry */

static json_t *resource_of(const struct service_applicant *who)
{
    const struct str parts[] = {who->given_name, STR(" "), who->family_name};
    OWNED_ARENA struct arena *a = arena_new();
    json_t *name = json_object(), *resource = json_pack("{s:[s]}", "schemas", SCIM_URN_USER);
    json_put_str(resource, "userName", who->user_name);
    json_put_str(name, "givenName", who->given_name);
    json_put_str(name, "familyName", who->family_name);
    json_put(resource, "name", name);
    json_put_str(resource, "displayName", arena_join(a, parts, 3));
    json_put(resource, "active", json_true());
    return resource;
}

static bool intend(struct signing *g, const char *rule, struct error *err)
{
    const struct service_call *c = g->w.call;
    OWNED_BUF struct buf after;
    OWNED_JSON json_t *shown = json_copy_deep(g->w.after);
    buf_init(&after, AUDIT_TEXT_MAX);
    json_put_str(shown, "unverifiedEmail", g->who->email);
    json_write(shown, &after);
    const struct kiops_record record = {.actor = c->actor,
                                        .kind = KIOPS_SIGN_UP,
                                        .rule = rule,
                                        .organization = g->who->organization,
                                        .after = buf_view(&after)};
    return audit_intent(c->service->audit, &record, c->request_id, &g->w.intent, err);
}

/* What was not finished is taken back; what cannot be taken back now goes after keep_days. */
static bool take_back(struct signing *g, struct str dn)
{
    const struct service_call *c = g->w.call;
    struct directory_target target = {.dn = dn, .id = g->w.entry.id};
    struct directory_result result = {0};
    struct error why = ERROR_INIT;
    g->w.doubtful = !directory_delete(c->conn, c->arena, &target, &result, &why);
    if (g->w.doubtful)
        LOG_WARN("sign_up_left", LOG_C("reason", why.detail));
    else if (g->w.entry.id.len)
        replica_apply_deleted(c->service->replica, g->w.entry.id);
    return false;
}

static bool add_entry(struct signing *g, struct str *dn, struct error *err)
{
    const struct service_call *c = g->w.call;
    const struct directory_user_edit edit = {.after = g->w.after, .writer = &g->w.writer};
    uint64_t random[2];
    hash_random(random, sizeof random);
    const struct directory_applicant who = {.edit = &edit,
                                            .mail = g->who->email,
                                            .name = arena_fmt(c->arena, "signup-%016llx%016llx",
                                                              (unsigned long long)random[0],
                                                              (unsigned long long)random[1])};
    struct directory_mods attrs;
    struct directory_result result = {0};
    directory_mods_init(&attrs, c->arena);
    if (!directory_unmap_applicant(c->service->directory, &who, dn, &attrs, err))
        return false;
    if (!directory_add(c->conn, *dn, &attrs, &result, err))
        return result.outcome == DIRECTORY_UNKNOWN ? take_back(g, *dn) : false;
    if (result.outcome != DIRECTORY_DONE || !result.post)
        return error_set(err, ERR_UNAVAILABLE, "signup.container is not there");
    g->w.entry = *result.post;
    return true;
}

/* ---- the request: as everybody's, by the operation that makes all of them */

static bool ask_to_join(const struct signing *g, struct error *err)
{
    const struct service_call *c = g->w.call;
    struct plan p;
    operation_apply_user(c, &g->w.entry);
    plan_init(&p, c);
    plan_add(&p, KIOPS_REQUEST, g->w.entry.id, g->who->organization, -1);
    return plan_decide(&p, err) && plan_intend(&p, NULL, 0, NULL, err) &&
           ((plan_take(&p, err) && plan_give(&p, err)) || plan_end(&p, err));
}

static bool sign_up(struct signing *g, struct error *err)
{
    const struct service_call *c = g->w.call;
    OWNED_JSON json_t *body = resource_of(g->who);
    const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = body};
    const char *rule;
    struct str dn = STR_NONE;
    if (!judge(g, &rule, err))
        return false;
    if (replica_applicant_count(c->service->replica) >= APPLICANTS_MAX)
        return error_set(err, ERR_UNAVAILABLE,
                         "%d people wait in signup.container: approve, reject, or delete them",
                         APPLICANTS_MAX);
    if (!scim_resource_check(&c->scim, &asked, &g->w.after, err))
        return false;
    json_keep(c->arena, g->w.after);
    if (!intend(g, rule, err) || !add_entry(g, &dn, err))
        return false;
    g->w.password = g->who->password;
    return (user_write_password(&g->w, dn, err) && ask_to_join(g, err)) || take_back(g, dn);
}

static void free_job(struct signup *job)
{
    atomic_fetch_sub(&job->service->signups_under_way, 1);
    explicit_bzero(job->password, job->who.password.len);
    free(job->password);
    arena_free(job->arena);
}

static void run(void *arg, struct directory_conn *conn)
{
    struct signup *job = arg;
    struct service *s = job->service;
    const struct service_call call = call_of(job, conn);
    struct signing g = {.w = {.call = &call}, .who = &job->who};
    struct error err = ERROR_INIT;
    log_request_id(job->request_id);
    g.w.writer = access_writer(&call);
    bool done = sign_up(&g, &err);
    if (g.w.intent)
        audit_outcome(s->audit, g.w.intent,
                      done           ? AUDIT_DONE
                      : g.w.doubtful ? AUDIT_UNFINISHED
                                     : AUDIT_FAILED,
                      done ? g.w.entry.id : str_of(err.detail));
    atomic_fetch_add(done ? &s->signups : &s->signups_dropped, 1);
    if (done)
        LOG_INFO("sign_up", LOG_S("user", g.w.entry.id),
                 LOG_S("organization", job->who.organization));
    else
        LOG_WARN("sign_up_dropped", LOG_S("organization", job->who.organization),
                 LOG_C("rule", err.rule), LOG_C("detail", err.detail));
    log_request_id(NULL);
    free_job(job);
}

/* ---- from the door */

static struct signup *copy(struct service *s, const struct service_applicant *who,
                           struct str request_id)
{
    struct arena *a = arena_new();
    struct signup *job = ARENA_NEW(a, struct signup);
    *job = (struct signup){.service = s, .arena = a};
    job->who = (struct service_applicant){
        .user_name = arena_str(a, who->user_name),
        .given_name = arena_str(a, who->given_name),
        .family_name = arena_str(a, who->family_name),
        .email = arena_str(a, who->email),
        .organization = arena_str(a, who->organization),
        .address = arena_str(a, who->address),
    };
    size_t len = request_id.len < sizeof job->request_id ? request_id.len : 0;
    memcpy(job->request_id, request_id.at, len);
    job->password = must(calloc(1, who->password.len + 1)); /* of its own: to be wiped */
    memcpy(job->password, who->password.at, who->password.len);
    job->who.password = (struct str){job->password, who->password.len};
    return job;
}

bool service_signup(const struct service_call *c, const struct service_applicant *who,
                    struct error *err)
{
    struct service *s = c->service;
    if (!service_readable(s, err))
        return false;
    if (!s->config->directory.writes)
        return error_set(err, ERR_UNAVAILABLE, "nothing is written here now; try again later");
    if (atomic_fetch_add(&s->signups_under_way, 1) >= UNDER_WAY_MAX) {
        atomic_fetch_sub(&s->signups_under_way, 1);
        return error_set(err, ERR_UNAVAILABLE, "too many people sign up at once; try again");
    }
    struct signup *job = copy(s, who, c->request_id);
    if (service_writer_submit(s, job->who.organization, run, job, err))
        return true;
    free_job(job);
    return false;
}
