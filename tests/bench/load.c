/*
 * A load generator: N keep-alive HTTP/1.1 connections on one epoll thread, one request under way on
 * each, until a number of requests or a time is reached. Prints one line.
 *
 *   load -p PORT -c CONNECTIONS [-n REQUESTS] [-t SECONDS] [-H HEADERFILE] [-i IDFILE] [-w] \
 *        METHOD TARGET [BODY]
 *
 * In TARGET and BODY, {id} is the next line of IDFILE (round and round; of a line with a tab what
 * stands before it, and {id2} what stands behind), {n} counts up from 1 over all connections, {r}
 * is a random prefix of this run. HEADERFILE holds header lines. -w: warm up
 * for one second first. Exit code 1: a connection failed, or an answer was not 2xx.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX (256 * 1024)
#define REQUEST_MAX (64 * 1024)
#define SAMPLES_MAX (4 * 1024 * 1024)
#define CONNECTIONS_MAX 4096

struct plan {
    unsigned port, connections;
    uint64_t requests;
    double seconds;
    bool warm_up;
    char *headers, *ids;
    const char **id_at;
    size_t id_count;
    const char *method, *target, *body;
    char run[9];
};

struct connection {
    int fd;
    bool under_way;
    int64_t started;
    char *out;
    size_t out_len, out_sent;
    char *in;
    size_t in_len;
};

struct tally {
    uint64_t sent, done, failed, bytes;
    uint32_t *microseconds;
    size_t sample_count;
    int first_bad;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *must(void *memory)
{
    if (!memory) {
        fprintf(stderr, "load: out of memory\n");
        exit(1);
    }
    return memory;
}

static void usage(void)
{
    fprintf(stderr, "usage: load -p PORT -c CONNECTIONS [-n REQUESTS] [-t SECONDS] [-H HEADERFILE] "
                    "[-i IDFILE] [-w] METHOD TARGET [BODY]\n");
    exit(64);
}

/* ---- what is sent */

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    long size = ftell(file);
    rewind(file);
    char *text = must(calloc(1, (size_t)size + 1));
    size_t got = fread(text, 1, (size_t)size, file);
    text[got] = '\0';
    fclose(file);
    return text;
}

static void load_ids(struct plan *p, const char *path)
{
    size_t lines = 0, i = 0;
    p->ids = read_whole(path);
    for (const char *c = p->ids; *c; c++)
        lines += *c == '\n';
    p->id_at = must(calloc(lines + 1, sizeof(*p->id_at)));
    char *rest = p->ids;
    for (char *line = strsep(&rest, "\n"); line && i <= lines; line = strsep(&rest, "\n")) {
        if (*line)
            p->id_at[i++] = line;
    }
    p->id_count = i;
}

/* Header lines with CRLF, whatever the file ends them with. */
static void load_headers(struct plan *p, const char *path)
{
    char *text = read_whole(path), *rest = text;
    p->headers = must(calloc(2, strlen(text) + 2));
    char *to = p->headers;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        line[strcspn(line, "\r")] = '\0';
        if (*line)
            to += snprintf(to, strlen(line) + 3, "%s\r\n", line);
    }
    free(text);
}

static size_t fill(const struct plan *p, const char *pattern, uint64_t n, char *out, size_t room)
{
    size_t len = 0;
    while (*pattern && len + 64 < room) {
        if (strncmp(pattern, "{id}", 4) == 0 && p->id_count) {
            const char *id = p->id_at[n % p->id_count];
            len += (size_t)snprintf(out + len, room - len, "%.*s", (int)strcspn(id, "\t"), id);
            pattern += 4;
        } else if (strncmp(pattern, "{id2}", 5) == 0 && p->id_count) {
            const char *tab = strchr(p->id_at[n % p->id_count], '\t');
            len += (size_t)snprintf(out + len, room - len, "%s", tab ? tab + 1 : "");
            pattern += 5;
        } else if (strncmp(pattern, "{n}", 3) == 0) {
            len += (size_t)snprintf(out + len, room - len, "%llu", (unsigned long long)n + 1);
            pattern += 3;
        } else if (strncmp(pattern, "{r}", 3) == 0) {
            len += (size_t)snprintf(out + len, room - len, "%s", p->run);
            pattern += 3;
        } else {
            out[len++] = *pattern++;
        }
    }
    out[len] = '\0';
    return len;
}

static void compose(const struct plan *p, struct connection *c, uint64_t n)
{
    static char target[REQUEST_MAX / 4], body[REQUEST_MAX / 2];
    size_t body_len = p->body ? fill(p, p->body, n, body, sizeof(body)) : 0;
    fill(p, p->target, n, target, sizeof(target));
    int len = snprintf(c->out, REQUEST_MAX, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", p->method,
                       target, p->headers ? p->headers : "");
    if (p->body)
        len += snprintf(c->out + len, REQUEST_MAX - (size_t)len,
                        "Content-Type: application/scim+json\r\nContent-Length: %zu\r\n", body_len);
    len += snprintf(c->out + len, REQUEST_MAX - (size_t)len, "\r\n%s", p->body ? body : "");
    c->out_len = (size_t)len;
    c->out_sent = 0;
}

/* ---- what comes back */

/* Length of the whole answer once its head is complete; 0 = not yet. */
static size_t answer_length(struct connection *c, int *status)
{
    c->in[c->in_len] = '\0';
    const char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return 0;
    *status = c->in_len > 12 ? (int)strtol(c->in + 9, NULL, 10) : 0;
    size_t length = 0;
    const char *line = strcasestr(c->in, "\r\nContent-Length:");
    if (line && line < end)
        length = strtoul(line + 17, NULL, 10);
    return (size_t)(end - c->in) + 4 + length;
}

static void finish(struct tally *t, struct connection *c, int status)
{
    int64_t took = (now_ns() - c->started) / 1000;
    t->done++;
    if (status < 200 || status > 299) {
        t->failed++;
        t->first_bad = t->first_bad ? t->first_bad : status;
    }
    if (t->sample_count < SAMPLES_MAX)
        t->microseconds[t->sample_count++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    c->under_way = false;
}

static bool send_more(struct connection *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        c->out_sent += (size_t)sent;
    }
    return true;
}

static bool start(const struct plan *p, struct tally *t, struct connection *c)
{
    compose(p, c, t->sent++);
    c->under_way = true;
    c->in_len = 0;
    c->started = now_ns();
    return send_more(c);
}

static bool receive(struct tally *t, struct connection *c)
{
    int status = 0;
    ssize_t got = recv(c->fd, c->in + c->in_len, READ_MAX - c->in_len, 0);
    if (got < 0)
        return errno == EAGAIN;
    if (got == 0)
        return false;
    c->in_len += (size_t)got;
    t->bytes += (size_t)got;
    size_t whole = answer_length(c, &status);
    if (whole && c->in_len >= whole) {
        finish(t, c, status);
    } else if (whole && c->in_len > READ_MAX / 2) {
        /* A long body is only counted: the head stays, its bytes make room. */
        size_t head = (size_t)(strstr(c->in, "\r\n\r\n") - c->in) + 4;
        size_t drop = c->in_len - head;
        char *length = strcasestr(c->in, "\r\nContent-Length:") + 17;
        char left[24];
        int digits = snprintf(left, sizeof(left), "%zu", whole - head - drop);
        size_t width = strcspn(length, "\r");
        memset(length, ' ', width);
        memcpy(length + width - (size_t)digits, left, (size_t)digits);
        c->in_len = head;
    }
    return true;
}

/* ---- the loop */

static int connect_to(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void open_all(const struct plan *p, struct connection *all, int epoll)
{
    for (unsigned i = 0; i < p->connections; i++) {
        all[i] = (struct connection){.fd = connect_to(p->port),
                                     .out = must(malloc(REQUEST_MAX)),
                                     .in = must(malloc(READ_MAX + 1))};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) != 0) {
            perror("epoll_ctl");
            exit(1);
        }
    }
}

static bool may_start(const struct plan *p, const struct tally *t, int64_t until)
{
    return (!p->requests || t->sent < p->requests) && now_ns() < until;
}

static bool answered(const struct plan *p, struct tally *t, struct connection *c, int64_t until)
{
    if (!receive(t, c))
        return false;
    return c->under_way || !may_start(p, t, until) || start(p, t, c);
}

/* Ends when nothing is under way any more, at the latest ten seconds after `until`. */
static bool drive(const struct plan *p, struct tally *t, struct connection *all, int epoll,
                  int64_t until)
{
    struct epoll_event events[256];
    for (unsigned i = 0; i < p->connections && may_start(p, t, until); i++) {
        if (!start(p, t, &all[i]))
            return false;
    }
    while (t->done < t->sent && now_ns() < until + 10000000000) {
        int n = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < n; i++) {
            if (!answered(p, t, events[i].data.ptr, until))
                return false;
        }
    }
    return t->done == t->sent;
}

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double percentile(const struct tally *t, double share)
{
    if (!t->sample_count)
        return 0;
    size_t at = (size_t)((double)(t->sample_count - 1) * share);
    return (double)t->microseconds[at] / 1000.0;
}

static void report(const struct plan *p, struct tally *t, double seconds)
{
    qsort(t->microseconds, t->sample_count, sizeof(*t->microseconds), by_size);
    printf("connections=%u requests=%llu failed=%llu first_bad=%d seconds=%.3f per_s=%.0f "
           "p50_ms=%.3f p99_ms=%.3f max_ms=%.3f bytes=%llu\n",
           p->connections, (unsigned long long)t->done, (unsigned long long)t->failed, t->first_bad,
           seconds, (double)t->done / seconds, percentile(t, 0.5), percentile(t, 0.99),
           percentile(t, 1.0), (unsigned long long)t->bytes);
}

static void parse(int argc, char **argv, struct plan *p)
{
    uint32_t random = 0;
    int option;
    while ((option = getopt(argc, argv, "p:c:n:t:H:i:w")) != -1) {
        if (option == 'p')
            p->port = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'c')
            p->connections = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'n')
            p->requests = strtoull(optarg, NULL, 10);
        else if (option == 't')
            p->seconds = strtod(optarg, NULL);
        else if (option == 'H')
            load_headers(p, optarg);
        else if (option == 'i')
            load_ids(p, optarg);
        else if (option == 'w')
            p->warm_up = true;
        else
            usage();
    }
    if (argc - optind < 2 || !p->port || !p->connections || p->connections > CONNECTIONS_MAX)
        usage();
    p->method = argv[optind];
    p->target = argv[optind + 1];
    p->body = argc - optind > 2 ? argv[optind + 2] : NULL;
    if (getrandom(&random, sizeof(random), 0) < 0)
        random = (uint32_t)now_ns();
    snprintf(p->run, sizeof(p->run), "%08x", random);
}

int main(int argc, char **argv)
{
    struct plan p = {.connections = 1, .seconds = 10};
    struct tally t = {0};
    parse(argc, argv, &p);
    t.microseconds = must(calloc(SAMPLES_MAX, sizeof(*t.microseconds)));
    struct connection *all = must(calloc(p.connections, sizeof(*all)));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    open_all(&p, all, epoll);
    bool good = true;
    if (p.warm_up) {
        good = drive(&p, &t, all, epoll, now_ns() + 1000000000);
        if (p.requests)
            p.requests += t.sent;
    }
    uint64_t before = t.done;
    t.sample_count = 0;
    int64_t begun = now_ns();
    good = good && drive(&p, &t, all, epoll, begun + (int64_t)(p.seconds * 1e9));
    double seconds = (double)(now_ns() - begun) / 1e9;
    t.done -= before;
    report(&p, &t, seconds);
    if (!good)
        fprintf(stderr, "load: a connection failed or did not answer\n");
    return good && !t.failed ? 0 : 1;
}
