/*
 * Included once by a test program: it defines the functions of service/service.h.
 *
 * A service without a directory, for the tests of src/http: one user `known`, one group `team`,
 * tokens by name, and two threads that run what is submitted.
 *
 * Person: "ada" with the password "right"; the directory does not answer about "away".
 * Tokens: "good" (writes), "reader" (access read), "late" (needs the directory to be recognised).
 * Ids: "known" is found, "slow" needs the directory, "gone" is 404 after the directory was asked.
 */
#pragma once

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"

#define QUEUE 64

struct job {
    service_run *run;
    void *arg;
};

struct service {
    const struct config *config;
    const struct scim_catalog *catalog;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[2];
    struct job jobs[QUEUE];
    size_t first, count;
    bool held, full, stopping;
    unsigned writes;
};

static char connection; /* its address stands for a directory connection */

static void *work(void *arg)
{
    struct service *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->stopping && (s->held || !s->count))
            pthread_cond_wait(&s->wake, &s->lock);
        if (!s->count)
            break;
        struct job job = s->jobs[s->first];
        s->first = (s->first + 1) % QUEUE;
        s->count--;
        pthread_mutex_unlock(&s->lock);
        job.run(job.arg, (struct directory_conn *)(void *)&connection);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static inline struct service *fake_service_new(const struct config *config,
                                               const struct scim_catalog *catalog)
{
    struct service *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->config = config;
    s->catalog = catalog;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    for (size_t i = 0; i < 2; i++) {
        if (pthread_create(&s->threads[i], NULL, work, s) != 0)
            abort();
    }
    return s;
}

static inline void fake_service_free(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < 2; i++)
        pthread_join(s->threads[i], NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    free(s);
}

static inline void fake_service_hold(struct service *s, bool held)
{
    pthread_mutex_lock(&s->lock);
    s->held = held;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static inline void fake_service_full(struct service *s, bool full)
{
    pthread_mutex_lock(&s->lock);
    s->full = full;
    pthread_mutex_unlock(&s->lock);
}

static inline unsigned fake_service_writes(const struct service *s)
{
    return __atomic_load_n(&s->writes, __ATOMIC_SEQ_CST);
}

static bool submit(struct service *s, service_run *run, void *arg, struct error *err)
{
    pthread_mutex_lock(&s->lock);
    bool taken = !s->full && s->count < QUEUE;
    if (taken) {
        s->jobs[(s->first + s->count++) % QUEUE] = (struct job){run, arg};
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return taken || error_set(err, ERR_UNAVAILABLE, "the queue is full");
}

bool service_writer_submit(struct service *s, struct str key, service_run *run, void *arg,
                           struct error *err)
{
    (void)key;
    return submit(s, run, arg, err);
}

bool service_reader_submit(struct service *s, const struct service_task *read, struct error *err)
{
    return submit(s, read->run, read->arg, err);
}

bool service_scanner_submit(struct service *s, struct str client, service_run *run, void *arg,
                            struct error *err)
{
    (void)client;
    return submit(s, run, arg, err);
}

const struct scim_catalog *service_catalog(const struct service *s)
{
    return s->catalog;
}

const struct scim_resource_type *service_type(const struct service *s, enum replica_kind kind)
{
    static const struct str names[] = {
        [REPLICA_USER] = STR_INIT("User"),
        [REPLICA_GROUP] = STR_INIT("Group"),
        [REPLICA_MEMBERSHIP] = STR_INIT("Membership"),
    };
    return scim_catalog_type(s->catalog, names[kind]);
}

struct replica *service_replica(const struct service *s)
{
    (void)s;
    return NULL;
}

bool service_ready(const struct service *s)
{
    return !s->full;
}

void service_figures(const struct service *s, struct service_figures *out)
{
    *out = (struct service_figures){.queue_writes = s->count,
                                    .refused_by_rule[7] = 3,
                                    .ldap = {{"search", 2, 1, 1500000}},
                                    .ldap_count = 1};
}

void replica_count(const struct replica *r, struct replica_counts *out)
{
    (void)r;
    *out = (struct replica_counts){.users = 1, .organizations = 1, .oldest_request = INSTANT_NONE};
}

size_t replica_tokens(struct replica *r, struct arena *a, struct replica_token_use **out)
{
    (void)r;
    *out = ARENA_NEW(a, struct replica_token_use);
    **out = (struct replica_token_use){STR("a\"b"), INT64_C(1800000000000000), INSTANT_NONE};
    return 1;
}

bool replica_live(const struct replica *r)
{
    (void)r;
    return true;
}

int64_t replica_staleness_ms(const struct replica *r)
{
    (void)r;
    return 0;
}

enum service_status service_authenticate(const struct service_call *c, struct str token,
                                         struct kiops_actor *actor, struct error *err)
{
    if (str_eq(token, STR("late")) && !c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    bool reader = str_eq(token, STR("reader"));
    if (!reader && !str_eq(token, STR("good")) && !str_eq(token, STR("late"))) {
        error_set(err, ERR_UNAUTHORIZED, "the token is not valid");
        return SERVICE_FAILED;
    }
    *actor = (struct kiops_actor){.kind = KIOPS_ACTOR_TOKEN,
                                  .id = token,
                                  .role = KIOPS_PLATFORM_ADMIN,
                                  .can_write = !reader,
                                  .profile = STR("default")};
    return SERVICE_OK;
}

/* Whoever asks may. */
bool service_signup(const struct service_call *c, const struct service_applicant *who,
                    struct error *err)
{
    (void)c;
    return who->user_name.len || error_set(err, ERR_INTERNAL, "nobody signed up");
}

enum service_status service_signup_organizations(const struct service_call *c, struct str text,
                                                 struct service_result *out, struct error *err)
{
    (void)c;
    (void)text;
    (void)err;
    out->body = STR("{}");
    return SERVICE_OK;
}

/* The directory is asked each time. */
enum service_status service_password_authenticate(const struct service_call *c,
                                                  const struct service_login *login,
                                                  struct kiops_actor *actor, struct error *err)
{
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (str_eq(login->name, STR("away"))) {
        error_set(err, ERR_UNAVAILABLE, "the directory could not check the password");
        return SERVICE_FAILED;
    }
    if (!str_eq(login->name, STR("ada")) || !str_eq(login->password, STR("right"))) {
        error_set(err, ERR_UNAUTHORIZED, "user name or password is wrong");
        return SERVICE_FAILED;
    }
    *actor = (struct kiops_actor){.kind = KIOPS_ACTOR_PERSON,
                                  .id = STR("known"),
                                  .role = KIOPS_PLATFORM_ADMIN,
                                  .can_write = true};
    return SERVICE_OK;
}

/* Sessions of the page: of "known" alone. */
enum service_status service_person_authenticate(const struct service_call *c, struct str id,
                                                struct kiops_actor *actor, struct error *err)
{
    (void)c;
    if (!str_eq(id, STR("known"))) {
        error_set(err, ERR_UNAUTHORIZED, "this account is unknown here");
        return SERVICE_FAILED;
    }
    *actor = (struct kiops_actor){
        .kind = KIOPS_ACTOR_PERSON, .id = id, .role = KIOPS_PLATFORM_ADMIN, .can_write = true};
    return SERVICE_OK;
}

struct str service_password_changed(const struct service_call *c, struct str id)
{
    (void)c;
    (void)id;
    return STR_NONE;
}

struct str service_sign_in_name(const struct service_call *c, struct str typed)
{
    (void)c;
    return typed;
}

enum service_status service_record_list(const struct service_call *c,
                                        const struct service_record_query *q,
                                        struct service_result *out, struct error *err)
{
    (void)c;
    (void)q;
    (void)out;
    error_set(err, ERR_NOT_FOUND, "there is no such organization");
    return SERVICE_FAILED;
}

/* "known" by the value "ada". */
enum service_status service_claim_authenticate(const struct service_call *c,
                                               const struct service_claim *claim,
                                               struct kiops_actor *actor, struct error *err)
{
    (void)c;
    if (!str_eq(claim->value, STR("ada"))) {
        error_set(err, ERR_UNAUTHORIZED, "this account is unknown here");
        return SERVICE_FAILED;
    }
    *actor = (struct kiops_actor){
        .kind = KIOPS_ACTOR_PERSON, .id = STR("known"), .role = KIOPS_MEMBER, .can_write = true};
    return SERVICE_OK;
}

static enum service_status get(const struct service_call *c, struct str id,
                               struct service_result *out, struct error *err)
{
    bool asks = str_eq(id, STR("slow")) || str_eq(id, STR("gone"));
    if (asks && !c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!str_eq(id, STR("known")) && !str_eq(id, STR("slow"))) {
        error_set(err, ERR_NOT_FOUND, "there is no such resource");
        return SERVICE_FAILED;
    }
    out->version = STR("W/\"1\"");
    if (str_eq(c->if_none_match, out->version))
        return SERVICE_NOT_MODIFIED;
    out->body = arena_fmt(c->arena, "{\"id\":\"" STR_FMT "\"}", STR_ARG(id));
    return SERVICE_OK;
}

static enum service_status change(const struct service_call *c, struct str id,
                                  struct service_result *out, struct error *err)
{
    if (!c->actor.can_write) {
        error_set(err, ERR_FORBIDDEN, "this token only reads");
        memcpy(err->rule, "KB-R09", 7);
        return SERVICE_FAILED;
    }
    enum service_status status = get(c, id, out, err);
    if (status == SERVICE_OK)
        __atomic_fetch_add(&c->service->writes, 1, __ATOMIC_SEQ_CST);
    return status;
}

static enum service_status create(const struct service_call *c, struct service_result *out,
                                  struct error *err)
{
    enum service_status status = change(c, STR("known"), out, err);
    out->location = STR("http://a/scim/v2/Users/known");
    return status == SERVICE_OK ? SERVICE_CREATED : status;
}

static enum service_status erase(const struct service_call *c, struct str id,
                                 struct service_result *out, struct error *err)
{
    enum service_status status = change(c, id, out, err);
    return status == SERVICE_OK ? SERVICE_NO_CONTENT : status;
}

enum service_status service_user_get(const struct service_call *c, struct str id,
                                     struct service_result *out, struct error *err)
{
    return get(c, id, out, err);
}

enum service_status service_user_create(const struct service_call *c, const json_t *body,
                                        struct service_result *out, struct error *err)
{
    (void)body;
    return create(c, out, err);
}

enum service_status service_user_replace(const struct service_call *c, struct str id,
                                         const json_t *body, struct service_result *out,
                                         struct error *err)
{
    (void)body;
    return change(c, id, out, err);
}

enum service_status service_user_patch(const struct service_call *c, struct str id,
                                       const struct scim_patch *patch, struct service_result *out,
                                       struct error *err)
{
    (void)patch;
    return change(c, id, out, err);
}

enum service_status service_user_delete(const struct service_call *c, struct str id,
                                        struct service_result *out, struct error *err)
{
    return erase(c, id, out, err);
}

enum service_status service_group_get(const struct service_call *c, struct str id,
                                      struct service_result *out, struct error *err)
{
    return get(c, id, out, err);
}

enum service_status service_group_create(const struct service_call *c, const json_t *body,
                                         struct service_result *out, struct error *err)
{
    (void)body;
    return create(c, out, err);
}

enum service_status service_group_replace(const struct service_call *c, struct str id,
                                          const json_t *body, struct service_result *out,
                                          struct error *err)
{
    (void)body;
    return change(c, id, out, err);
}

enum service_status service_group_patch(const struct service_call *c, struct str id,
                                        const struct scim_patch *patch, struct service_result *out,
                                        struct error *err)
{
    (void)patch;
    return change(c, id, out, err);
}

enum service_status service_group_delete(const struct service_call *c, struct str id,
                                         struct service_result *out, struct error *err)
{
    return erase(c, id, out, err);
}

enum service_status service_membership_get(const struct service_call *c, struct str id,
                                           struct service_result *out, struct error *err)
{
    return get(c, id, out, err);
}

enum service_status service_membership_create(const struct service_call *c, const json_t *body,
                                              struct service_result *out, struct error *err)
{
    (void)body;
    return create(c, out, err);
}

enum service_status service_membership_replace(const struct service_call *c, struct str id,
                                               const json_t *body, struct service_result *out,
                                               struct error *err)
{
    (void)body;
    return change(c, id, out, err);
}

enum service_status service_membership_patch(const struct service_call *c, struct str id,
                                             const struct scim_patch *patch,
                                             struct service_result *out, struct error *err)
{
    (void)patch;
    return change(c, id, out, err);
}

enum service_status service_membership_delete(const struct service_call *c, struct str id,
                                              struct service_result *out, struct error *err)
{
    return erase(c, id, out, err);
}

/* Every operation that can be tried is made, under the id "known". */
void service_bulk_run(const struct service_bulk *b)
{
    for (size_t i = 0; i < b->bulk->count; i++)
        b->outcomes[i].status =
            b->bulk->at[i].fault ? scim_status(b->bulk->at[i].fault->kind) : 200;
    b->done(b->arg);
}

enum service_status service_list(const struct service_call *c, const struct service_query *q,
                                 struct service_result *out, struct error *err)
{
    (void)err;
    out->body = arena_fmt(c->arena, "{\"totalResults\":0,\"startIndex\":%lld}",
                          (long long)q->page.start_index);
    return SERVICE_OK;
}
