/*
 * A bulk under way. No thread waits for it: whoever ends an operation begins the next ones. Every
 * operation is the single write it stands for, on a writer thread, with its own arena;
 * so it is judged and audited as such.
 */
#include "service/internal.h"

#include <assert.h>

#include "base/own.h"

/* Of all bulks together in the writers' queues, for each writer: they are kept busy, and another
 * client's write waits behind no more than these, and one of each bulk, however many there are. */
#define AHEAD_PER_WRITER 4
#define ERROR_BODY_MAX 8192

struct runner {
    struct service_bulk ask;
    pthread_mutex_t lock;
    const struct scim_projection
        *nothing[REPLICA_KINDS]; /* an answer without body renders no members */
    struct removal_tally *tally;
    struct str *ids; /* by operation: what a POST made; empty: nothing */
    bool *ended;
    size_t next; /* step */
    size_t running;
    bool one_by_one;          /* so that nothing is begun behind the last error that is borne */
    bool alone;               /* what runs now bears nothing beside it */
    size_t failed;            /* operations */
    int64_t unanswered_since; /* the first of those in a row that the directory did not answer */
    int64_t patience;         /* for one operation, in ms */
};

struct job {
    struct runner *runner;
    const struct scim_bulk_step *step;
    int64_t late_at;
    bool asked; /* it was run; else it was refused before */
};

static const struct scim_bulk_operation *operation_of(const struct runner *r,
                                                      const struct scim_bulk_step *step)
{
    return &r->ask.bulk->at[step->operation];
}

static const struct service_resource *resource_of(const struct scim_bulk_operation *op)
{
    return service_resource_of(op->type);
}

/* ---- outcomes; under the lock */

static struct str location_of(const struct runner *r, size_t i)
{
    const struct scim_bulk_operation *op = &r->ask.bulk->at[i];
    size_t about = op->path_target == SCIM_BULK_NONE ? i : op->path_target;
    struct str id = r->ids[about].len ? r->ids[about] : op->id;
    if (!op->type || !id.len)
        return STR_NONE;
    const struct str parts[] = {r->ask.call.service->base, op->type->endpoint, STR("/"), id};
    return arena_join(r->ask.call.arena, parts, sizeof parts / sizeof *parts);
}

static void log_outcome(const struct runner *r, size_t i, const struct error *err)
{
    const struct scim_bulk_operation *op = &r->ask.bulk->at[i];
    const struct scim_bulk_outcome *o = &r->ask.outcomes[i];
    LOG(o->status >= 500 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "bulk_operation", LOG_I("operation", i),
        LOG_S("method", op->method), LOG_S("location", o->location), LOG_I("status", o->status),
        LOG_C("rule", err->rule), LOG_C("detail", err->detail));
}

static void fail(struct runner *r, size_t i, const struct error *err)
{
    struct arena *a = r->ask.call.arena;
    struct scim_bulk_outcome *o = &r->ask.outcomes[i];
    OWNED_BUF struct buf body;
    buf_init(&body, ERROR_BODY_MAX);
    scim_reply_error(err, r->ask.call.request_id, &body);
    *o = (struct scim_bulk_outcome){.status = scim_status(err->kind),
                                    .location = location_of(r, i),
                                    .response = arena_str(a, buf_view(&body))};
    r->failed++;
    log_outcome(r, i, err);
}

static int status_number(enum service_status status)
{
    switch (status) {
    case SERVICE_CREATED:
        return 201;
    case SERVICE_NO_CONTENT:
        return 204;
    case SERVICE_OK:
    case SERVICE_NOT_MODIFIED:
    case SERVICE_NEEDS_DIRECTORY:
    case SERVICE_NEEDS_TIME:
    case SERVICE_FAILED:
        break;
    }
    return 200;
}

static void succeed(struct runner *r, const struct scim_bulk_step *step,
                    const struct service_result *result)
{
    static const struct error none = {.operation = -1};
    struct arena *a = r->ask.call.arena;
    size_t i = step->operation, slash;
    struct scim_bulk_outcome *o = &r->ask.outcomes[i];
    o->version = result->version.len ? arena_str(a, result->version) : o->version;
    if (step->finish)
        return;
    o->status = status_number(result->status);
    if (operation_of(r, step)->verb == SCIM_POST && str_rfind(result->location, '/', &slash))
        r->ids[i] = arena_str(a, str_sub(result->location, slash + 1, result->location.len));
    o->location = location_of(r, i);
    log_outcome(r, i, &none);
}

/* ---- one operation, on a writer thread; not under the lock */

static struct service_call call_of(const struct job *job, struct arena *a,
                                   struct directory_conn *conn)
{
    const struct runner *r = job->runner;
    const struct scim_bulk_operation *op = operation_of(r, job->step);
    struct service_call call = r->ask.call;
    call.arena = call.scim.arena = a;
    call.conn = conn;
    call.scim.type = op->type;
    call.if_match = job->step->finish || op->verb == SCIM_POST ? STR_NONE : op->version;
    call.if_none_match = STR_NONE;
    call.projection = r->nothing[resource_of(op)->kind];
    call.version_only = true;
    call.tally = r->tally;
    call.tally_of = job->step->operation;
    return call;
}

static struct str target_id(const struct runner *r, const struct scim_bulk_step *step)
{
    const struct scim_bulk_operation *op = operation_of(r, step);
    if (step->finish)
        return r->ids[step->operation];
    return op->path_target == SCIM_BULK_NONE ? op->id : r->ids[op->path_target];
}

static bool make(struct job *job, const struct service_call *call, struct service_result *result,
                 struct error *err)
{
    const struct runner *r = job->runner;
    const struct scim_bulk_operation *op = operation_of(r, job->step);
    struct error fault = ERROR_INIT;
    struct service_write w = {.resource = resource_of(op),
                              .verb = job->step->finish ? SCIM_PATCH : op->verb,
                              .id = target_id(r, job->step)};
    w.body = scim_bulk_data(call->arena, r->ask.bulk, job->step, r->ids);
    if (!service_write_read(call, &w, &fault)) {
        service_write_refuse(call, &w, &fault, err);
        return false;
    }
    job->asked = true;
    result->status = service_write_run(call, &w, result, err);
    if (result->status == SERVICE_NEEDS_DIRECTORY)
        return error_set(err, ERR_INTERNAL, "a thread with a connection asked for one");
    return result->status != SERVICE_FAILED;
}

/* Behind a directory that hangs each operation would wait for as long as the first. One that is
 * slow and answers fails nothing. */
static bool is_hopeful(const struct runner *r, struct error *err)
{
    return !r->unanswered_since || clock_monotonic_ms() - r->unanswered_since < r->patience ||
           error_set(err, ERR_UNAVAILABLE,
                     "not tried, for the directory did not answer the operations before; send it "
                     "again");
}

/* Its turn has come. While it waited others' bulks, too, may have had no answer. */
static bool is_in_time(const struct job *job, struct error *err)
{
    struct runner *r = job->runner;
    int64_t sent_at = job->late_at - r->patience;
    if (!r->unanswered_since && clock_left_ms(job->late_at) == 0 &&
        atomic_load(&r->ask.call.service->bulk_unanswered_at) > sent_at)
        r->unanswered_since = sent_at;
    return is_hopeful(r, err);
}

/* What the directory refuses at once costs nobody anything; what a look at the body or at the rules
 * refuses says nothing of it. */
static void note_answer(const struct job *job, int64_t began, bool made, const struct error *err)
{
    struct runner *r = job->runner;
    const struct config_directory *d = &r->ask.call.service->config->directory;
    int64_t now = clock_monotonic_ms();
    int64_t in_vain = d->connect_timeout_ms < d->operation_timeout_ms ? d->connect_timeout_ms
                                                                      : d->operation_timeout_ms;
    bool unanswered = !made && err->kind == ERR_UNAVAILABLE;
    if (!job->asked || (unanswered && now - began < in_vain) ||
        (!made && scim_status(err->kind) < 404))
        return;
    if (!unanswered)
        r->unanswered_since = 0;
    else if (!r->unanswered_since)
        r->unanswered_since = began;
    atomic_store(&r->ask.call.service->bulk_unanswered_at, unanswered ? now : 0);
}

static void advance(struct runner *r);

static void run_job(void *arg, struct directory_conn *conn)
{
    struct job *job = arg;
    struct runner *r = job->runner;
    OWNED_ARENA struct arena *a = arena_new();
    struct service_result result = {0};
    struct error err = ERROR_INIT;
    struct service_call call = call_of(job, a, conn);
    int64_t began = clock_monotonic_ms();
    log_request_id(arena_cstr(a, r->ask.call.request_id));
    pthread_mutex_lock(&r->lock);
    bool in_time = is_in_time(job, &err);
    pthread_mutex_unlock(&r->lock);
    bool made = in_time && make(job, &call, &result, &err);
    if (!made && err.kind != ERR_UNAVAILABLE) /* else some of it may be done */
        removal_tally_forget(r->tally, job->step->operation);
    pthread_mutex_lock(&r->lock);
    note_answer(job, began, made, &err);
    atomic_fetch_sub(&r->ask.call.service->bulk_under_way, 1);
    if (made)
        succeed(r, job->step, &result);
    else
        fail(r, job->step->operation, &err);
    r->ended[job->step->operation] = true;
    r->running--;
    advance(r); /* unlocks; the runner may be gone */
    log_request_id(NULL);
}

/* ---- which one is next; under the lock */

/* What it refers to was not made: it cannot be made either. */
static bool check_targets(const struct runner *r, const struct scim_bulk_step *step,
                          struct error *err)
{
    const struct scim_bulk_operation *op = operation_of(r, step);
    size_t missing = SCIM_BULK_NONE;
    if (!step->finish && op->path_target != SCIM_BULK_NONE && !r->ids[op->path_target].len)
        missing = op->path_target;
    for (size_t k = 0; k < op->target_count; k++) {
        bool late = scim_bulk_postpones(r->ask.bulk, step->operation, op->targets[k]);
        if (late == step->finish && !r->ids[op->targets[k]].len)
            missing = op->targets[k];
    }
    if (missing == SCIM_BULK_NONE)
        return true;
    struct str name = str_sub(r->ask.bulk->at[missing].bulk_id, 0, 64);
    return error_set(err, ERR_INVALID_VALUE,
                     "%sbulkId:" STR_FMT " is referred to, and its operation failed",
                     step->finish ? "made without the reference: " : "", STR_ARG(name));
}

static bool check(const struct runner *r, const struct scim_bulk_step *step, struct error *err)
{
    const struct error *fault = operation_of(r, step)->fault;
    if (fault) {
        *err = *fault;
        return false;
    }
    if (!check_targets(r, step, err))
        return false;
    return is_hopeful(r, err);
}

static bool targets_ended(const struct runner *r, const struct scim_bulk_step *step)
{
    const struct scim_bulk_operation *op = operation_of(r, step);
    if (step->finish && !r->ended[step->operation])
        return false;
    if (op->path_target != SCIM_BULK_NONE && !r->ended[op->path_target])
        return false;
    for (size_t k = 0; k < op->target_count; k++) {
        if (!r->ended[op->targets[k]] &&
            scim_bulk_postpones(r->ask.bulk, step->operation, op->targets[k]) == step->finish)
            return false;
    }
    return true;
}

/* Who has nothing under way always may: somebody has to wake it. */
static bool may_begin(const struct runner *r)
{
    const struct service *s = r->ask.call.service;
    size_t ahead = AHEAD_PER_WRITER * (size_t)s->config->server.writers;
    return !r->running || (!r->one_by_one && atomic_load(&s->bulk_under_way) < ahead);
}

/* A place in the queue is asked for; only who has none left takes one beyond the ceiling. */
static bool send(struct runner *r, const struct scim_bulk_step *step, struct str key)
{
    struct error full = ERROR_INIT;
    struct job *job = ARENA_NEW(r->ask.call.arena, struct job);
    *job = (struct job){.runner = r, .step = step, .late_at = clock_deadline_in(r->patience)};
    struct service *s = r->ask.call.service;
    if (!r->running)
        service_writer_continue(s, key, run_job, job);
    else if (!service_writer_submit(s, key, run_job, job, &full))
        return false;
    r->running++;
    atomic_fetch_add(&s->bulk_under_way, 1);
    return true;
}

/* false: it has to wait until something ends. */
static bool begin(struct runner *r, const struct scim_bulk_step *step)
{
    struct error err = ERROR_INIT;
    struct str key;
    if (!targets_ended(r, step))
        return false;
    if (step->finish && !r->ids[step->operation].len) /* never made: that is answered already */
        return true;
    if (!check(r, step, &err)) {
        fail(r, step->operation, &err);
        r->ended[step->operation] = true;
        return true;
    }
    const struct scim_bulk_operation *op = operation_of(r, step);
    bool beside = bulk_runs_beside(&r->ask.call, op, target_id(r, step), &key) && !step->finish;
    if (r->running && (r->alone || !beside))
        return false;
    r->alone = !beside;
    if (step->finish)
        key = target_id(r, step);
    return send(r, step, key);
}

static bool is_over(const struct runner *r)
{
    int64_t most = r->ask.bulk->fail_on_errors;
    return r->next == r->ask.bulk->step_count || (most && r->failed >= (size_t)most);
}

/* failOnErrors has ended it: what was made without a reference that was to come is no success. */
static void fail_unfinished(struct runner *r)
{
    for (; r->next < r->ask.bulk->step_count; r->next++) {
        const struct scim_bulk_step *step = &r->ask.bulk->steps[r->next];
        struct error err = ERROR_INIT;
        if (!step->finish || !r->ids[step->operation].len)
            continue;
        error_set(&err, ERR_INVALID_VALUE,
                  "made without the reference: failOnErrors ended the bulk before; send the "
                  "reference in a PATCH");
        fail(r, step->operation, &err);
    }
}

/* Begins what can begin. Called with the lock held, returns without it; afterwards the runner may
 * be gone, because the one who ends the last operation tells the caller. */
static void advance(struct runner *r)
{
    while (!is_over(r) && may_begin(r) && begin(r, &r->ask.bulk->steps[r->next]))
        r->next++;
    bool over = is_over(r) && !r->running;
    if (over)
        fail_unfinished(r);
    assert(over || r->running); /* the steps' order: with nothing under way the next can begin */
    struct service_bulk ask = r->ask;
    pthread_mutex_unlock(&r->lock);
    if (!over)
        return;
    pthread_mutex_destroy(&r->lock);
    removal_tally_free(r->tally);
    ask.done(ask.arg);
}

/* "id" alone: large members are rendered for nobody. */
static void read_projections(struct runner *r)
{
    struct scim_context in = r->ask.call.scim;
    struct error none = ERROR_INIT;
    for (size_t kind = 0; kind < REPLICA_KINDS; kind++) {
        in.type = r->ask.call.service->types[kind];
        if (!in.type)
            continue;
        if (!scim_projection_parse(&in, STR("id"), STR_NONE, &r->nothing[kind], &none))
            r->nothing[kind] = NULL; /* everything is rendered, and nothing else changes */
    }
}

void service_bulk_run(const struct service_bulk *b)
{
    struct arena *a = b->call.arena;
    const struct config *config = b->call.service->config;
    struct runner *r = ARENA_NEW(a, struct runner);
    r->ask = *b;
    r->ids = ARENA_ARRAY(a, struct str, b->bulk->count);
    r->ended = ARENA_ARRAY(a, bool, b->bulk->count);
    r->one_by_one = b->bulk->fail_on_errors;
    r->patience =
        config->directory.connect_timeout_ms + 2 * (int64_t)config->directory.operation_timeout_ms;
    read_projections(r);
    r->tally = removal_tally_new();
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_lock(&r->lock);
    advance(r);
}
