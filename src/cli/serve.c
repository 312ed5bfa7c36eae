/* serve: everything built in order, run until TERM or INT, freed in reverse. */
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "audit/audit.h"
#include "base/log.h"
#include "cli/cli.h"
#include "http/http.h"
#include "service/service.h"

#define READY_POLL_MS 50

struct process {
    struct config *config;
    struct scim_catalog *catalog;
    struct directory *directory;
    struct audit *audit;
    struct service *service;
    struct http_server *http;
};

static bool start(struct process *p, struct error *err)
{
    struct audit_settings audit = {
        .dir = p->config->audit.dir,
        .kind = STR("serve"),
        .sync = p->config->audit.sync == CONFIG_SYNC_BATCH,
        .rotate_bytes = (size_t)p->config->audit.rotate_mb << 20,
    };
    if (!cli_catalog(p->config, &p->catalog, err) ||
        !directory_new(p->config, p->catalog, &p->directory, err) ||
        !directory_prove_acl(p->directory, err) || !audit_open(&audit, &p->audit, err))
        return false;
    struct service_settings service = {p->config, p->catalog, p->directory, p->audit};
    return service_start(&service, &p->service, err) &&
           http_server_start(p->config, p->service, &p->http, err);
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

/* Tells systemd when the first refresh is complete; returns at TERM or INT. */
static void wait_for_end(const struct process *p, const sigset_t *ends)
{
    bool told = false;
    for (;;) {
        struct timespec poll = {.tv_nsec = READY_POLL_MS * 1000000L};
        int signal = told ? sigwaitinfo(ends, NULL) : sigtimedwait(ends, NULL, &poll);
        if (signal > 0)
            break;
        if (!told && service_ready(p->service)) {
            told = true;
            sd_notify(0, "READY=1");
            LOG_INFO("ready", LOG_S("url", p->config->server.public_url));
        }
    }
    sd_notify(0, "STOPPING=1");
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
    bool started = start(&p, &err);
    if (started)
        wait_for_end(&p, &ends);
    else
        cli_fail(&err);
    stop(&p);
    return started ? CLI_OK : CLI_ERROR;
}
