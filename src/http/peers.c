/* Connections: how many an address may have, and how long each may be silent. */
#include "http/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/memory.h"

#define TICK_S 1
#define TCP_CLOSE_WAIT 8 /* netinet/tcp.h names it, but does not know tcpi_bytes_received */

struct address_count {
    unsigned char address[16];
    unsigned connections;
    UT_hash_handle hh;
};

/* The library's timeout counts silence only, so a byte now and then would hold a connection for
 * ever. A watcher ends what takes too long: it shuts the socket down, and the library's own thread
 * then finds it closed. */
struct http_peers {
    const struct config_limits *limits;
    unsigned char (*trusted)[16];
    size_t trusted_count;
    pthread_mutex_t lock; /* list, counts; a socket is closed only after its peer left the list */
    pthread_cond_t wake;
    bool stopping;
    struct http_peer *first;
    size_t listed;
    atomic_size_t count; /* admitted: the listed ones, and those on their way to a thread */
    struct address_count *counts;
    pthread_t watcher;
    _Atomic int64_t now_ms;
};

/* ---- addresses */

static void map_v4(const struct in_addr *in, unsigned char out[16])
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, in, 4);
}

static void address_of(const struct sockaddr *from, unsigned char out[16])
{
    memset(out, 0, 16);
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof(v4));
        map_v4(&v4.sin_addr, out);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof(v6));
        memcpy(out, &v6.sin6_addr, 16);
    }
}

static bool parse_address(struct str text, unsigned char out[16])
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr v4;
    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        map_v4(&v4, out);
        return true;
    }
    return inet_pton(AF_INET6, copy, out) == 1;
}

static bool is_trusted(const struct http_peers *p, const unsigned char address[16])
{
    for (size_t i = 0; i < p->trusted_count; i++) {
        if (memcmp(p->trusted[i], address, 16) == 0)
            return true;
    }
    return false;
}

bool http_peer_is_private(const struct http_peer *peer)
{
    static const unsigned char loopback_v6[16] = {[15] = 1};
    static const unsigned char loopback_v4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    return peer->trusted || memcmp(peer->address, loopback_v6, sizeof(loopback_v6)) == 0 ||
           memcmp(peer->address, loopback_v4, sizeof(loopback_v4)) == 0;
}

static bool load_trusted(struct http_peers *p, const struct config_strings *proxies,
                         struct error *err)
{
    p->trusted = must(calloc(proxies->count + 1, sizeof(*p->trusted)));
    for (size_t i = 0; i < proxies->count; i++) {
        if (!parse_address(proxies->at[i], p->trusted[i]))
            return error_set(err, ERR_CONFIG, "trusted_proxies: " STR_FMT " is no address",
                             STR_ARG(proxies->at[i]));
        p->trusted_count++;
    }
    return true;
}

struct str http_peer_address(const struct http_peer *peer, struct arena *a,
                             const struct http_head *h)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (peer->trusted && h->forwarded_for.len) {
        struct str last = h->forwarded_for;
        size_t comma;
        if (str_rfind(last, ',', &comma))
            last = str_sub(last, comma + 1, last.len);
        return str_sub(str_trim(last), 0, INET6_ADDRSTRLEN);
    }
    inet_ntop(AF_INET6, peer->address, text, sizeof(text));
    return arena_str(a, str_of(text));
}

struct str http_peer_network(const struct http_peer *peer, struct arena *a,
                             const struct http_head *h)
{
    struct str text = http_peer_address(peer, a, h);
    unsigned char address[16];
    if (!parse_address(text, address))
        return text;
    static const unsigned char v4[12] = {[10] = 0xff, [11] = 0xff};
    size_t len = memcmp(address, v4, sizeof(v4)) == 0 ? 16 : 8;
    return arena_str(a, (struct str){(const char *)address, len});
}

/* ---- the watcher */

/* What waits unread is not the client's slowness but ours. */
static bool waits_for_us(const struct http_peer *peer)
{
    int unread = 0;
    return ioctl(peer->fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* Header lines have begun to come and are not complete after header_timeout_s. */
static bool head_is_late(const struct http_peers *p, struct http_peer *peer, uint64_t bytes,
                         int64_t now)
{
    unsigned requests = atomic_load(&peer->requests);
    if (peer->seen_requests != requests || waits_for_us(peer)) {
        peer->seen_requests = requests;
        peer->seen_bytes = bytes;
        peer->head_since_ms = 0;
        return false;
    }
    if (!peer->head_since_ms && bytes != peer->seen_bytes)
        peer->head_since_ms = now;
    return peer->head_since_ms &&
           now - peer->head_since_ms > (int64_t)p->limits->header_timeout_s * 1000;
}

static void watch_reading(const struct http_peers *p, struct http_peer *peer, int64_t now)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(peer->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return;
    if (info.tcpi_state == TCP_CLOSE_WAIT) {
        /* The library misses an end of stream that came together with bytes; this wakes it, and
         * what is still unread stays readable. */
        shutdown(peer->fd, SHUT_RD);
    } else if (atomic_load(&peer->stage) == HTTP_STAGE_HEAD &&
               head_is_late(p, peer, info.tcpi_bytes_received, now)) {
        shutdown(peer->fd, SHUT_RDWR);
    }
}

static void watch(struct http_peers *p, int64_t now)
{
    for (struct http_peer *peer = p->first; peer; peer = peer->next) {
        int64_t deadline = atomic_load(&peer->deadline_ms);
        if (deadline && now > deadline)
            shutdown(peer->fd, SHUT_RDWR);
        else if (atomic_load(&peer->stage) != HTTP_STAGE_BUSY)
            watch_reading(p, peer, now);
    }
}

static void *run_watcher(void *arg)
{
    struct http_peers *p = arg;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        until.tv_sec += TICK_S;
        int rc = 0;
        while (!p->stopping && rc != ETIMEDOUT)
            rc = pthread_cond_timedwait(&p->wake, &p->lock, &until);
        int64_t now = clock_monotonic_ms();
        atomic_store(&p->now_ms, now);
        watch(p, now);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int64_t http_peers_now_ms(const struct http_peers *p)
{
    return atomic_load_explicit(&p->now_ms, memory_order_relaxed);
}

static void free_peers(struct http_peers *p)
{
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    free(p->trusted);
    free(p);
}

bool http_peers_start(const struct config *config, struct http_peers **out, struct error *err)
{
    struct http_peers *p = must(calloc(1, sizeof(*p)));
    pthread_condattr_t monotonic;
    p->limits = &config->limits;
    atomic_store(&p->now_ms, clock_monotonic_ms());
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!load_trusted(p, &config->server.trusted_proxies, err)) {
        free_peers(p);
        return false;
    }
    if (pthread_create(&p->watcher, NULL, run_watcher, p) != 0)
        memory_out();
    pthread_setname_np(p->watcher, "watcher");
    *out = p;
    return true;
}

void http_peers_stop(struct http_peers *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->watcher, NULL);
    free_peers(p);
}

size_t http_peers_count(const struct http_peers *p)
{
    return atomic_load(&p->count);
}

static bool expects(const struct http_peer *peer)
{
    enum http_stage stage = atomic_load(&peer->stage);
    return stage == HTTP_STAGE_BODY ||
           (stage == HTTP_STAGE_HEAD && (!atomic_load(&peer->requests) || waits_for_us(peer)));
}

bool http_peers_expect(struct http_peers *p)
{
    pthread_mutex_lock(&p->lock);
    bool any = p->listed < atomic_load(&p->count);
    for (const struct http_peer *peer = p->first; peer && !any; peer = peer->next)
        any = expects(peer);
    pthread_mutex_unlock(&p->lock);
    return any;
}

/* ---- come and go */

static bool count_address(struct http_peers *p, const unsigned char address[16])
{
    struct address_count *known;
    HASH_FIND(hh, p->counts, address, sizeof(known->address), known);
    if (known && known->connections >= p->limits->connections_per_address)
        return false;
    if (!known) {
        known = must(calloc(1, sizeof(*known)));
        memcpy(known->address, address, sizeof(known->address));
        HASH_ADD(hh, p->counts, address, sizeof(known->address), known);
    }
    known->connections++;
    return true;
}

static void uncount_address(struct http_peers *p, const unsigned char address[16])
{
    struct address_count *known;
    HASH_FIND(hh, p->counts, address, sizeof(known->address), known);
    if (known && --known->connections == 0) {
        HASH_DELETE(hh, p->counts, known);
        free(known);
    }
}

bool http_peers_admit(struct http_peers *p, const struct sockaddr *from)
{
    unsigned char address[16];
    address_of(from, address);
    pthread_mutex_lock(&p->lock);
    bool may = is_trusted(p, address) || count_address(p, address);
    if (may)
        atomic_fetch_add(&p->count, 1);
    pthread_mutex_unlock(&p->lock);
    return may;
}

static void dismiss(struct http_peers *p, const unsigned char address[16])
{
    if (!is_trusted(p, address))
        uncount_address(p, address);
    atomic_fetch_sub(&p->count, 1);
}

void http_peers_dismiss(struct http_peers *p, const struct sockaddr *from)
{
    unsigned char address[16];
    address_of(from, address);
    pthread_mutex_lock(&p->lock);
    dismiss(p, address);
    pthread_mutex_unlock(&p->lock);
}

struct http_peer *http_peer_open(struct http_peers *p, int fd, const struct sockaddr *from)
{
    struct http_peer *peer = must(calloc(1, sizeof(*peer)));
    peer->peers = p;
    peer->fd = fd;
    address_of(from, peer->address);
    peer->trusted = is_trusted(p, peer->address);
    peer->request.arena = arena_new();
    pthread_mutex_lock(&p->lock);
    peer->next = p->first;
    if (p->first)
        p->first->previous = peer;
    p->first = peer;
    p->listed++;
    pthread_mutex_unlock(&p->lock);
    return peer;
}

void http_peer_close(struct http_peer *peer)
{
    struct http_peers *p = peer->peers;
    pthread_mutex_lock(&p->lock);
    dismiss(p, peer->address);
    p->listed--;
    if (peer->previous)
        peer->previous->next = peer->next;
    else
        p->first = peer->next;
    if (peer->next)
        peer->next->previous = peer->previous;
    pthread_mutex_unlock(&p->lock);
    arena_free(peer->request.arena);
    free(peer);
}
