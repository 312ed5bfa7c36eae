/* /metrics, in the text form of Prometheus. */
#include "http/internal.h"

#include <stdio.h>

static const char *const CLASSES[6] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};

static uint64_t read_counter(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void http_metrics_count(struct http_metrics *m, enum http_method method, int status, int64_t ns)
{
    int class = status / 100;
    if (class < 1 || class > 5)
        class = 5;
    atomic_fetch_add_explicit(&m->requests[method][class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->nanoseconds[method], (uint64_t)ns, memory_order_relaxed);
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_fmt(out, "# HELP kiops_%s %s\n# TYPE kiops_%s %s\n", name, help, name, type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    head(out, name, type, help);
    buf_fmt(out, "kiops_%s %llu\n", name, (unsigned long long)value);
}

static void write_requests(const struct http_metrics *m, struct buf *out)
{
    head(out, "http_requests_total", "counter", "Requests answered, by method and status class.");
    for (int method = 0; method < HTTP_METHODS; method++) {
        for (int class = 1; class <= 5; class ++) {
            uint64_t n = read_counter(&m->requests[method][class]);
            if (n)
                buf_fmt(out, "kiops_http_requests_total{method=\"%s\",status=\"%s\"} %llu\n",
                        http_method_name((enum http_method)method), CLASSES[class],
                        (unsigned long long)n);
        }
    }
    head(out, "http_request_seconds_total", "counter",
         "Time from a request's header to its last byte sent.");
    for (int method = 0; method < HTTP_METHODS; method++) {
        uint64_t ns = read_counter(&m->nanoseconds[method]);
        if (ns)
            buf_fmt(out, "kiops_http_request_seconds_total{method=\"%s\"} %.6f\n",
                    http_method_name((enum http_method)method), (double)ns / 1e9);
    }
    one(out, "http_rate_limited_total", "counter", "Requests answered 429.",
        read_counter(&m->rate_limited));
    one(out, "http_unauthorized_total", "counter", "Requests without a valid token.",
        read_counter(&m->unauthorized));
}

static void write_ldap(const struct service_figures *f, struct buf *out)
{
    static const struct {
        const char *name, *help;
    } rows[] = {{"ldap_operations_total", "LDAP operations, by kind."},
                {"ldap_failures_total", "LDAP operations without an answer in time."},
                {"ldap_seconds_total", "Time that LDAP operations took."}};
    for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
        head(out, rows[row].name, "counter", rows[row].help);
        for (size_t i = 0; i < f->ldap_count; i++) {
            const struct directory_figure *l = &f->ldap[i];
            double value = row == 2   ? (double)l->nanoseconds / 1e9
                           : row == 1 ? (double)l->failed
                                      : (double)l->count;
            buf_fmt(out, "kiops_%s{operation=\"%s\"} %.*f\n", rows[row].name, l->operation,
                    row == 2 ? 6 : 0, value);
        }
    }
}

/* Names come from the directory, where others may have written them. */
static void write_label(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (c == '"' || c == '\\')
            buf_char(out, '\\');
        buf_char(out, c == '\n' ? ' ' : c);
    }
}

static void write_server(const struct directory_server_figures *d, struct buf *out)
{
    head(out, "ldap_server", "gauge",
         "The directory server in use, by its place in directory.uris; not 0: the first is away.");
    buf_fmt(out, "kiops_ldap_server{uri=\"");
    write_label(out, str_of(d->uri));
    buf_fmt(out, "\"} %zu\n", d->number);
    one(out, "ldap_server_changes_total", "counter",
        "Times that another server was taken into use.", d->changes);
    one(out, "ldap_went_back_total", "counter",
        "Times that the directory was older than before: restored from a backup.", d->went_back);
    if (d->certificate_ends == 0)
        return;
    head(out, "ldap_certificate_days", "gauge",
         "Whole days until the certificate of the directory server in use ends.");
    buf_fmt(out, "kiops_ldap_certificate_days %lld\n",
            (long long)((d->certificate_ends - clock_now() / 1000000) / 86400));
}

static void write_service(const struct service *s, struct buf *out)
{
    struct service_figures f = {0};
    service_figures(s, &f);
    one(out, "write_queue", "gauge", "Writes that wait for a writer.", f.queue_writes);
    one(out, "read_queue", "gauge", "Confirmations that wait for a reader.", f.queue_reads);
    one(out, "scan_queue", "gauge", "Long lists that wait for a scanner.", f.queue_scans);
    one(out, "unknown_outcomes_total", "counter", "Directory writes whose answer was lost.",
        f.unknown_outcomes);
    one(out, "lost_races_total", "counter", "Preconditions that did not hold.", f.lost_races);
    one(out, "feed_events_total", "counter", "Changes told by the directory.", f.feed_events);
    one(out, "webhook_sent_total", "counter", "Notices that the receiver took.", f.notices.sent);
    one(out, "webhook_failed_total", "counter", "Notices that were given up.", f.notices.failed);
    one(out, "webhook_dropped_total", "counter", "Notices refused: too many waited.",
        f.notices.dropped);
    one(out, "webhook_queue", "gauge", "Notices that wait for the receiver.", f.notices.waiting);
    one(out, "signups_total", "counter", "Sign-ups that wait for approval since they were made.",
        f.signups);
    one(out, "signups_dropped_total", "counter",
        "Sign-ups that could not be made; the log says why.", f.signups_dropped);
    one(out, "signups_expired_total", "counter", "Applicants removed after signup.keep_days.",
        f.signups_expired);
    write_ldap(&f, out);
    write_server(&f.server, out);
    head(out, "refused_total", "counter", "Changes refused, by rule.");
    for (size_t rule = 1; rule < sizeof(f.refused_by_rule) / sizeof(*f.refused_by_rule); rule++) {
        if (f.refused_by_rule[rule])
            buf_fmt(out, "kiops_refused_total{rule=\"KB-R%02zu\"} %llu\n", rule,
                    (unsigned long long)f.refused_by_rule[rule]);
    }
}

static void write_replica(const struct service *s, struct buf *out)
{
    const struct replica *r = service_replica(s);
    struct replica_counts n = {0};
    replica_count(r, &n);
    one(out, "feed_live", "gauge", "1 while the directory tells its changes.", replica_live(r));
    head(out, "feed_staleness_seconds", "gauge", "Age of the replica; 0 while the feed is live.");
    buf_fmt(out, "kiops_feed_staleness_seconds %.3f\n", (double)replica_staleness_ms(r) / 1000.0);
    one(out, "users", "gauge", "Users in the replica.", n.users);
    one(out, "applicants", "gauge", "People who signed up and are not approved.", n.applicants);
    one(out, "organizations", "gauge", "Organizations in the replica.", n.organizations);
    one(out, "tokens", "gauge", "Tokens in the replica.", n.tokens);
    one(out, "replica_bytes", "gauge", "Memory of the replica's records.", n.bytes);
    one(out, "dangling_members", "gauge", "member values without an entry.", n.dangling_members);
    one(out, "odd_entries_total", "counter", "Entries that could not be mapped.", n.odd_entries);
    one(out, "vacant_seats", "gauge", "Organizations without a Manager that counts.",
        n.vacant_seats);
    one(out, "pending_requests", "gauge", "Join requests that wait.", n.pending);
    int64_t waits = n.oldest_request == INSTANT_NONE ? 0 : clock_now() - n.oldest_request;
    one(out, "pending_oldest_seconds", "gauge", "Age of the oldest request that waits; 0: none.",
        waits > 0 ? (uint64_t)waits / 1000000 : 0);
}

static void write_instants(const struct replica_token_use *tokens, size_t n, bool of_use,
                           struct buf *out)
{
    const char *name = of_use ? "token_used_timestamp_seconds" : "token_expires_timestamp_seconds";
    head(out, name, "gauge",
         of_use ? "When the token came last; absent: not since the start."
                : "When the token ends; absent: never.");
    for (size_t i = 0; i < n; i++) {
        instant_t at = of_use ? tokens[i].used : tokens[i].expires;
        if (at == INSTANT_NONE)
            continue;
        buf_fmt(out, "kiops_%s{token=\"", name);
        write_label(out, tokens[i].name);
        buf_fmt(out, "\"} %lld\n", (long long)(at / 1000000));
    }
}

static void write_tokens(const struct service *s, struct buf *out)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct replica_token_use *tokens;
    size_t n = replica_tokens(service_replica(s), a, &tokens);
    write_instants(tokens, n, false, out);
    write_instants(tokens, n, true, out);
}

static void write_tls(struct http_tls *t, struct buf *out)
{
    const int64_t ends = http_tls_expires(t), left = ends - clock_now() / 1000000;
    one(out, "tls_certificate_expires_timestamp_seconds", "gauge",
        "When the certificate in use, or one of its chain, ends.", (uint64_t)ends);
    head(out, "tls_certificate_days_left", "gauge", "The same in whole days; below 0: it ended.");
    buf_fmt(out, "kiops_tls_certificate_days_left %lld\n",
            (long long)(left < 0 ? left / 86400 - 1 : left / 86400));
    one(out, "tls_reload_failures_total", "counter",
        "Changed certificate files that could not be used; those from before are.",
        http_tls_failures(t));
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (!statm)
        return 0;
    int got = fscanf(statm, "%llu %llu", &size, &resident);
    fclose(statm);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void http_metrics_write(const struct http_server *h, struct buf *out)
{
    write_requests(&h->metrics, out);
    one(out, "http_connections", "gauge", "Open connections.", http_peers_count(h->peers));
    one(out, "http_running", "gauge", "Requests under way.", atomic_load(&h->running));
    one(out, "http_body_bytes", "gauge", "Memory held by request bodies.",
        atomic_load(&h->body_bytes));
    one(out, "http_answer_bytes", "gauge", "Memory held by large answers on their way.",
        atomic_load(&h->answer_bytes));
    write_service(h->service, out);
    write_replica(h->service, out);
    write_tokens(h->service, out);
    if (h->tls)
        write_tls(h->tls, out);
    one(out, "resident_bytes", "gauge", "Resident memory of the process.", resident_bytes());
}
