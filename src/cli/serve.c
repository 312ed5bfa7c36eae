/* serve: everything built in order, run until TERM or INT, freed in reverse. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "directory/findings.h"
#include "http/http.h"
#include "replica/replica.h"
#include "service/service.h"

#define READY_POLL_MS 50
#define REFRESH_WAIT_MS 3000
#define STATUS_MS 5000
#define PROVE_MS 10000 /* between two tries to prove the access rules */
#define BEATS 4        /* in the time after which systemd takes us for dead */

struct process {
    struct config *config;
    struct scim_catalog *catalog;
    struct directory *directory;
    struct audit *audit;
    struct service *service;
    struct http_server *http;
    struct http_sockets sockets;
    bool unproved; /* the directory was away when its access rules were to be tried */
};

/* What systemd holds open over a restart (kiops-bridge.socket). */
static bool take_sockets(struct http_sockets *out, struct error *err)
{
    int given = sd_listen_fds(1);
    for (int i = 0; i < given; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (out->count == HTTP_SOCKETS_MAX || sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            return error_set(err, ERR_CONFIG,
                             "the socket unit passes what is no listening TCP socket, or more than "
                             "%d; use ListenStream=HOST:PORT",
                             HTTP_SOCKETS_MAX);
        out->fd[out->count++] = fd;
    }
    return true;
}

/* Who connected while no bridge ran waits in systemd's socket: better a moment more than a 503. */
static void wait_for_refresh(const struct process *p)
{
    const struct timespec pause = {.tv_nsec = READY_POLL_MS * 1000000L};
    const int64_t until = clock_deadline_in(REFRESH_WAIT_MS);
    while (p->sockets.count && !service_ready(p->service) && clock_left_ms(until) > 0)
        nanosleep(&pause, NULL);
}

static bool start(struct process *p, struct error *err)
{
    struct audit_settings audit = {
        .dir = p->config->audit.dir,
        .kind = STR("serve"),
        .sync = p->config->audit.sync == CONFIG_SYNC_BATCH,
        .rotate_bytes = (size_t)p->config->audit.rotate_mb << 20,
    };
    if (!take_sockets(&p->sockets, err) || !cli_catalog(p->config, &p->catalog, err) ||
        !directory_new(p->config, p->catalog, &p->directory, err) ||
        !directory_prove_acl(p->directory, &p->unproved, err) ||
        !audit_open(&audit, &p->audit, err))
        return false;
    struct service_settings service = {
        .config = p->config, .catalog = p->catalog, .directory = p->directory, .audit = p->audit};
    if (!service_start(&service, &p->service, err))
        return false;
    wait_for_refresh(p);
    return http_server_start(p->config, p->service, &p->sockets, &p->http, err);
}

static void stop(struct process *p)
{
    if (p->http)
        http_server_stop(p->http);
    service_stop(p->service);
    if (p->audit)
        audit_close(p->audit);
    directory_free(p->directory);
    scim_catalog_free(p->catalog);
    config_free(p->config);
}

static int64_t beat_ms(void)
{
    uint64_t dead_after_us = 0;
    if (sd_watchdog_enabled(0, &dead_after_us) <= 0)
        return STATUS_MS;
    int64_t beat = (int64_t)(dead_after_us / 1000 / BEATS);
    return beat < STATUS_MS ? beat : STATUS_MS;
}

/* To be told that we live, systemd must see this thread come through the locks that requests take,
 * and the server's own watcher be on time. */
static void tell_alive(const struct process *p)
{
    struct service_figures f = {0};
    struct replica_counts n = {0};
    const struct replica *r = service_replica(p->service);
    service_figures(p->service, &f);
    replica_count(r, &n);
    int64_t silent_s = replica_staleness_ms(r) / 1000;
    sd_notifyf(
        0, "STATUS=%s: %llu users, %llu organizations; feed %s%lld s; writes that wait: %llu",
        service_ready(p->service) ? "serving" : "not ready", (unsigned long long)n.users,
        (unsigned long long)n.organizations, replica_live(r) ? "live, behind by " : "silent since ",
        (long long)silent_s, (unsigned long long)f.queue_writes);
    if (http_server_alive(p->http))
        sd_notify(0, "WATCHDOG=1");
}

/* READY when the first refresh is complete, and the access rules are proved that could not be at
 * the start; returns at TERM or INT. false: they let somebody in. */
static bool wait_for_end(struct process *p, const sigset_t *ends, struct error *err)
{
    bool told = false;
    const int64_t beat = beat_ms();
    int64_t next = clock_monotonic_ms(), prove_at = next;
    for (;;) {
        int64_t wait = clock_left_ms(next);
        if ((!told || p->unproved) && wait > READY_POLL_MS)
            wait = READY_POLL_MS;
        struct timespec until = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
        if (sigtimedwait(ends, NULL, &until) > 0)
            break;
        if (p->unproved && service_ready(p->service) && directory_is_first(p->directory) &&
            clock_left_ms(prove_at) == 0) {
            if (!directory_prove_acl(p->directory, &p->unproved, err))
                return false;
            prove_at = clock_deadline_in(PROVE_MS);
        }
        if (!told && service_ready(p->service)) {
            told = true;
            next = clock_monotonic_ms();
            sd_notify(0, "READY=1");
            LOG_INFO("ready", LOG_S("url", p->config->server.public_url));
        }
        if (clock_left_ms(next) == 0) {
            tell_alive(p);
            next = clock_deadline_in(beat);
        }
    }
    sd_notify(0, "STOPPING=1\nSTATUS=stopping: what runs is finished");
    return true;
}

int cli_serve(const struct cli *c)
{
    struct process p = {.config = cli_config(c)};
    struct error err = ERROR_INIT;
    sigset_t ends;
    if (c->count)
        return config_free(p.config), cli_usage("serve takes no arguments");
    if (!p.config)
        return CLI_ERROR;
    log_setup((enum log_level)p.config->log.level, p.config->log.json);
    /* Before any thread: they inherit the mask, so only wait_for_end() sees these. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full audit file is 503 (EFBIG), not the end */
    bool fine = start(&p, &err) && wait_for_end(&p, &ends, &err);
    if (!fine)
        cli_fail(&err);
    stop(&p);
    return fine ? CLI_OK : CLI_ERROR;
}
