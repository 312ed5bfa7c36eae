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

static void write_service(const struct service *s, struct buf *out)
{
    struct service_figures f = {0};
    service_figures(s, &f);
    one(out, "write_queue", "gauge", "Writes that wait for a writer.", f.queue_writes);
    one(out, "read_queue", "gauge", "Confirmations that wait for a reader.", f.queue_reads);
    one(out, "unknown_outcomes_total", "counter", "Directory writes whose answer was lost.",
        f.unknown_outcomes);
    one(out, "lost_races_total", "counter", "Preconditions that did not hold.", f.lost_races);
    one(out, "feed_events_total", "counter", "Changes told by the directory.", f.feed_events);
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
    one(out, "organizations", "gauge", "Organizations in the replica.", n.organizations);
    one(out, "tokens", "gauge", "Tokens in the replica.", n.tokens);
    one(out, "replica_bytes", "gauge", "Memory of the replica's records.", n.bytes);
    one(out, "dangling_members", "gauge", "member values without an entry.", n.dangling_members);
    one(out, "odd_entries_total", "counter", "Entries that could not be mapped.", n.odd_entries);
    one(out, "vacant_seats", "gauge", "Organizations without a Manager that counts.",
        n.vacant_seats);
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
    write_service(h->service, out);
    write_replica(h->service, out);
    one(out, "resident_bytes", "gauge", "Resident memory of the process.", resident_bytes());
}
