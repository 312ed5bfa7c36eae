/* The library's callbacks: a request from its target to its last byte, over threads if need be. */
#include "http/page.h"

#include <sys/socket.h>
#include <time.h>

#include "base/hash.h"

/* A reader slower than this is not waited for. */
#define SEND_BYTES_PER_MS 16
#define LONG_PATH_SHOWN 256
#define LINE_GAP_MAX 1024 /* white space at the end of a header line */
/* Large answers that wait for their readers, together; a single one may be larger. */
#define ANSWER_BUDGET ((size_t)256 * 1024 * 1024)
#define LARGE_ANSWER ((size_t)1024 * 1024)

/* ---- begin */

static void draw_id(struct http_server *h, char id[17])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t n = atomic_fetch_add_explicit(&h->id_next, 1, memory_order_relaxed);
    uint64_t bits = hash_keyed(&n, sizeof(n));
    for (int i = 0; i < 16; i++, bits >>= 4)
        id[i] = digits[bits & 15];
    id[16] = '\0';
}

/* A fault is kept: it is told to who has a token. */
static bool take_target(struct http_request *r, struct str raw)
{
    if (raw.len > r->server->config->limits.target_kb * 1024) {
        struct str path = str_sub(raw, 0, LONG_PATH_SHOWN); /* enough to know whose answer it is */
        size_t mark = path.len;
        (void)str_find(path, '?', &mark);
        r->target.path = arena_str(r->arena, str_sub(path, 0, mark));
        return error_set(&r->target_fault, ERR_URI_TOO_LONG, "the request target is too long");
    }
    return http_target_parse(r->arena, arena_str(r->arena, raw), &r->target, &r->target_fault);
}

/* The library would keep every parameter of the query in the connection's memory, and hang up
 * without an answer when some hundreds fill it. Ours are taken from the copy: it is shown none. */
static void hide_query(const char *target)
{
    char *query =
        strchr((char *)(uintptr_t)target, '?'); /* the library's own buffer, not constant */
    if (query)
        query[1] = '\0';
}

/* The library decodes the target in its own buffer later on: what it gives here is copied. */
void *http_on_target(void *server, const char *target, struct MHD_Connection *connection)
{
    struct http_server *h = server;
    struct http_peer *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct http_request *r = &peer->request;
    *r = (struct http_request){
        .server = h,
        .peer = peer,
        .connection = connection,
        .arena = r->arena,
        .target_fault = ERROR_INIT,
        .body_fault = ERROR_INIT,
        .err = ERROR_INIT,
        .ahead.nothing = true,
        .started_ns = clock_monotonic_ns(),
    };
    draw_id(h, r->id);
    http_head_init(&r->head);
    buf_init(&r->body, h->body_max);
    r->target_good = take_target(r, str_of(target));
    hide_query(target);
    return r;
}

/* The header lines as they stand in the library's buffer, one behind the other. */
struct head_reader {
    struct http_head *head;
    const char *end; /* of the line before */
};

/* RFC 9112 2.2, 5.2: the library takes a bare LF for a line's end, and what stands on a folded line
 * it appends to the name of the header before, which nobody then finds: a proxy in front would see
 * a Transfer-Encoding that we do not. A folded header was moved, a bare LF leaves one byte between.
 */
static bool follows(const char *end, const char *name)
{
    uintptr_t gap = (uintptr_t)name - (uintptr_t)end;
    if (gap < 2 || gap > LINE_GAP_MAX)
        return false;
    for (; end < name; end++) { /* the library has put NUL over the line's end */
        if (*end && !strchr(" \t\r\n", *end))
            return false;
    }
    return true;
}

// NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature
static enum MHD_Result take_header(void *reader, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct head_reader *h = reader;
    (void)kind;
    http_head_take(h->head, (struct str){name, name_size}, (struct str){value, value_size});
    if (!follows(h->end, name) && h->head->fault.kind == ERR_NONE)
        error_set(&h->head->fault, ERR_BAD_REQUEST,
                  "a header line is folded, or does not end with CR LF");
    h->end = value ? value + value_size : name + name_size;
    return MHD_YES;
}

static void set_deadline(struct http_request *r, int64_t ms)
{
    int64_t now = http_peers_now_ms(r->peer->peers);
    atomic_store_explicit(&r->peer->deadline_ms, ms ? now + ms : 0, memory_order_relaxed);
}

static void enter(struct http_request *r, enum http_stage stage)
{
    atomic_store_explicit(&r->peer->stage, stage, memory_order_relaxed);
}

/* ---- answer */

/* Clients that ask for much and do not read it must not fill the memory. */
static void take_answer_budget(struct http_request *r)
{
    struct http_server *h = r->server;
    size_t size = r->answer.body.len;
    if (size < LARGE_ANSWER)
        return;
    size_t before = atomic_fetch_add(&h->answer_bytes, size);
    if (before == 0 || before + size <= ANSWER_BUDGET) {
        r->answer_held = size;
        return;
    }
    atomic_fetch_sub(&h->answer_bytes, size);
    error_set(&r->err, ERR_UNAVAILABLE,
              "too many large answers at once; ask for less with count or excludedAttributes");
    http_answer_error(r);
}

static enum MHD_Result send_answer(struct http_request *r)
{
    take_answer_budget(r);
    const struct config_limits *limits = &r->server->config->limits;
    struct MHD_Response *response = http_answer_response(r);
    r->phase = HTTP_PHASE_SENDING;
    set_deadline(r, (int64_t)limits->idle_timeout_s * 1000 +
                        (int64_t)(r->answer.body.len / SEND_BYTES_PER_MS));
    enum MHD_Result result =
        MHD_queue_response(r->connection, (unsigned)r->answer.status, response);
    MHD_destroy_response(response);
    return result;
}

/* While a body comes the library takes no answer, so it goes out on the bare socket; what still
 * comes is read and dropped for a while, because closing on unread bytes would reset the connection
 * before the client has seen the answer. */
static enum MHD_Result cut(struct http_request *r)
{
    r->answer.close = true;
    http_answer_error(r);
    r->phase = HTTP_PHASE_CUT;
    http_say_past(r->connection, http_answer_raw(r));
    shutdown(r->peer->fd, SHUT_WR);
    buf_free(&r->body);
    return MHD_YES;
}

static enum http_next run(struct http_request *r, struct directory_conn *conn)
{
    if (!r->admitted) {
        enum http_next next = http_admit(r, conn);
        if (next != HTTP_ANSWERED || !r->admitted)
            return next;
    }
    return r->route->run(r, conn);
}

static void settle(struct http_request *r)
{
    if (r->err.kind != ERR_NONE)
        http_answer_error(r);
    r->phase = HTTP_PHASE_READY;
}

/* ---- away: on a reader or writer thread */

static void on_worker(void *arg, struct directory_conn *conn);
static void on_bulk_done(void *arg);

static bool submit(struct http_request *r, enum http_next next)
{
    struct service *s = r->server->service;
    if (next == HTTP_TO_BULK) {
        http_bulk_begin(r, on_bulk_done);
        return true;
    }
    if (next == HTTP_TO_SCANNER) {
        struct str client = r->actor.client.len ? r->actor.client : r->actor.id;
        return service_scanner_submit(s, client, on_worker, r, &r->err);
    }
    const struct service_task read = {on_worker, r, r->arena, r->ahead};
    return next == HTTP_TO_WRITER ? service_writer_submit(s, r->key, on_worker, r, &r->err)
                                  : service_reader_submit(s, &read, &r->err);
}

static void come_back(struct http_request *r)
{
    struct http_server *h = r->server;
    settle(r);
    MHD_resume_connection(r->connection); /* from here on it is the pool thread's again */
    atomic_fetch_sub(&h->in_hand, 1);
}

static void on_bulk_done(void *arg)
{
    struct http_request *r = arg;
    http_bulk_answer(r);
    come_back(r);
}

/* Behind a directory that hangs, a queue could outlast any client: nothing was begun, so it is
 * said. */
static enum http_next run_in_time(struct http_request *r, struct directory_conn *conn)
{
    if (!r->prepared || clock_left_ms(r->deadline) > 0)
        return run(r, conn);
    error_set(&r->err, ERR_UNAVAILABLE, "the request waited too long for the directory; try again");
    return HTTP_ANSWERED;
}

static void on_worker(void *arg, struct directory_conn *conn)
{
    struct http_request *r = arg;
    log_request_id(r->id);
    enum http_next next = run_in_time(r, conn);
    if (next == HTTP_TO_READER)
        error_set(&r->err, ERR_INTERNAL, "a thread with a connection asked for one");
    /* Who had to be confirmed goes from the reader on to where the request is run. */
    bool goes_on = next == HTTP_TO_WRITER || next == HTTP_TO_BULK || next == HTTP_TO_SCANNER;
    if (!goes_on || !submit(r, next))
        come_back(r);
    log_request_id(NULL);
}

/* From here to come_back() the request belongs to the worker: nothing of it may be touched. */
static enum MHD_Result go_away(struct http_request *r, enum http_next next)
{
    r->phase = HTTP_PHASE_AWAY;
    MHD_suspend_connection(r->connection);
    if (!submit(r, next))
        come_back(r);
    return MHD_YES;
}

/* ---- the body */

/* A failure is in r->err; the rest of the body is then dropped. */
static void hold(struct http_request *r, const char *data, size_t size)
{
    struct http_server *h = r->server;
    size_t held = atomic_fetch_add(&h->body_bytes, size) + size;
    r->body_held += size;
    if (held > h->body_budget)
        error_set(&r->err, ERR_UNAVAILABLE, "too many large requests at once");
    else
        buf_add(&r->body, data, size);
}

static size_t body_max(const struct http_request *r)
{
    if (http_signup_is(r))
        return http_signup_body_max();
    return http_bulk_is(r) ? http_bulk_body_max(r) : r->server->body_max;
}

static void refuse_large(struct http_request *r)
{
    error_set(&r->err, ERR_TOO_LARGE, "the body is larger than %zu bytes%s", body_max(r),
              http_bulk_is(r) ? ", the limit maxPayloadSize of /ServiceProviderConfig; send the "
                                "operations in several requests"
                              : "");
}

static enum MHD_Result take_body(struct http_request *r, const char *data, size_t size)
{
    size_t most = body_max(r);
    r->body_taken += size;
    if (r->phase == HTTP_PHASE_CUT)
        return r->body_taken > 2 * most ? MHD_NO : MHD_YES;
    if (r->body_taken > most) {
        if (r->err.kind == ERR_NONE)
            refuse_large(r);
        return cut(r);
    }
    if (r->err.kind == ERR_NONE)
        hold(r, data, size);
    return MHD_YES;
}

static enum MHD_Result end_body(struct http_request *r)
{
    struct http_server *h = r->server;
    r->running = true;
    atomic_fetch_add(&h->running, 1);
    enter(r, HTTP_STAGE_BUSY);
    set_deadline(r, 0);
    /* Before the look at `closed`; who stops looks the other way round. */
    atomic_fetch_add(&h->in_hand, 1);
    if (r->err.kind == ERR_NONE && atomic_load(&h->closed))
        error_set(&r->err, ERR_UNAVAILABLE, "the bridge is stopping");
    enum http_next next = r->err.kind == ERR_NONE ? run(r, NULL) : HTTP_ANSWERED;
    if (next != HTTP_ANSWERED)
        return go_away(r, next);
    atomic_fetch_sub(&h->in_hand, 1);
    settle(r);
    return send_answer(r);
}

/* ---- the header */

static void judge(struct http_request *r)
{
    r->answer.close = atomic_load(&r->server->stopping);
    if (r->head.fault.kind != ERR_NONE) {
        r->err = r->head.fault;
        r->answer.close = true;
    } else if (http_admit(r, NULL) == HTTP_ANSWERED && r->err.kind == ERR_NONE &&
               r->head.body_length > (int64_t)body_max(r)) {
        refuse_large(r);
    }
}

/* Refused with a body under way: answered at once where the rest cannot be trusted or will not
 * come, else after the body, so that the connection can be used again. */
static enum MHD_Result refuse_early(struct http_request *r)
{
    bool large = r->head.body_length > (int64_t)body_max(r);
    if (r->head.fault.kind != ERR_NONE || r->head.expects_continue) {
        r->answer.close = true;
        settle(r);
        return send_answer(r);
    }
    return large ? cut(r) : MHD_YES;
}

static enum MHD_Result begin(struct http_request *r, const char *method, const char *version)
{
    struct http_server *h = r->server;
    struct head_reader reader = {&r->head, version + strlen(version)};
    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, take_header, &reader);
    http_head_finish(&r->head, str_of(version));
    http_session_take(r);
    r->method = http_method_of(method);
    r->media = http_media_accepted(r->head.accept);
    r->phase = HTTP_PHASE_BODY;
    r->counted = true;
    atomic_fetch_add_explicit(&r->peer->requests, 1, memory_order_relaxed);
    enter(r, HTTP_STAGE_BODY);
    set_deadline(r, (int64_t)h->config->limits.body_timeout_s * 1000);
    log_request_id(r->id);
    judge(r);
    r->body.max = body_max(r);
    if (r->err.kind == ERR_NONE || (!r->head.body_length && r->head.fault.kind == ERR_NONE))
        return MHD_YES;
    return refuse_early(r);
}

// NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature
enum MHD_Result http_on_request(void *server, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context)
{
    struct http_request *r = *context;
    size_t taken = *size;
    (void)server;
    (void)connection;
    (void)url;
    switch (r->phase) {
    case HTTP_PHASE_HEAD:
        return begin(r, method, version);
    case HTTP_PHASE_BODY:
        *size = 0;
        return taken ? take_body(r, data, taken) : end_body(r);
    case HTTP_PHASE_CUT:
        *size = 0;
        return taken ? take_body(r, data, taken) : MHD_NO;
    case HTTP_PHASE_READY:
        return send_answer(r);
    case HTTP_PHASE_AWAY:
    case HTTP_PHASE_SENDING:
        break;
    }
    return MHD_YES;
}

/* ---- end */

/* Reads that were answered (also: there is none) are a debug line: at tens of thousands a second
 * the log would be the cost. */
static enum log_level level_of(const struct http_request *r)
{
    bool read = r->method == HTTP_GET || r->method == HTTP_HEAD;
    bool answered = r->answer.status < 400 || r->answer.status == 404;
    if (r->answer.status >= 500 && r->answer.status != 501)
        return LOG_LEVEL_WARN;
    return read && answered ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static void write_log(const struct http_request *r, int64_t ns)
{
    enum log_level level = level_of(r);
    if (level > r->server->log_level)
        return;
    LOG(level, "request", LOG_C("method", http_method_name(r->method)),
        LOG_S("path", r->target.path), LOG_I("status", r->answer.status), LOG_I("ms", ns / 1000000),
        LOG_S("actor", r->actor.id), LOG_C("rule", r->err.rule), LOG_C("detail", r->err.detail));
}

static void wake_stopper(struct http_server *h)
{
    if (!atomic_load(&h->stopping))
        return;
    pthread_mutex_lock(&h->idle_lock);
    pthread_cond_broadcast(&h->idle_wake);
    pthread_mutex_unlock(&h->idle_lock);
}

static void end(struct http_request *r)
{
    struct http_server *h = r->server;
    if (r->counted) {
        int64_t ns = clock_monotonic_ns() - r->started_ns;
        log_request_id(r->id);
        write_log(r, ns);
        log_request_id(NULL);
        http_metrics_count(&h->metrics, r->method, r->answer.status ? r->answer.status : 499, ns);
    }
    if (r->body.at) /* it may hold a password */
        explicit_bzero(r->body.at, r->body.cap);
    buf_free(&r->body);
    atomic_fetch_sub(&h->body_bytes, r->body_held);
    r->body_held = 0;
    atomic_fetch_sub(&h->answer_bytes, r->answer_held);
    r->answer_held = 0;
    arena_reset(r->arena);
    set_deadline(r, 0);
    enter(r, HTTP_STAGE_HEAD);
    r->counted = false;
    if (r->running) {
        r->running = false;
        atomic_fetch_sub(&h->running, 1);
        wake_stopper(h);
    }
}

void http_on_completed(void *server, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode why)
{
    (void)server;
    (void)connection;
    (void)why;
    if (*context)
        end(*context);
    *context = NULL;
}

void http_on_connection(void *server, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what)
{
    struct http_server *h = server;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        const struct sockaddr *from =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
        *context = http_peer_open(h->peers, fd, from);
        return;
    }
    http_peer_close(*context);
    *context = NULL;
}
