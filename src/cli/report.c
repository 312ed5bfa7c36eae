/* check --report: what support asks for, as one JSON text: settings, findings, counts; nobody's
 * name, and no secret. */
#include <stdio.h>
#include <sys/utsname.h>

#include "base/own.h"
#include "cli/check.h"
#include "remote/remote.h"

#define REPORT_MAX ((size_t)256 << 20)
#define METRICS_MAX ((size_t)4 << 20)
#define METRICS_WAIT_MS 2000

static json_t *program(void)
{
    json_t *out = json_object();
    struct utsname host;
    json_put_str(out, "kiops-bridge", STR(KIOPS_VERSION));
    json_put_str(out, "jansson", str_of(JANSSON_VERSION));
    if (uname(&host) == 0) {
        json_put_str(out, "system", str_of(host.sysname));
        json_put_str(out, "release", str_of(host.release));
        json_put_str(out, "machine", str_of(host.machine));
    }
    return out;
}

/* Numbers alone: who is in a directory is nobody's but its administrator's. */
static json_t *counts(struct directory *d, struct arena *a)
{
    struct service_impact impact;
    struct error err = ERROR_INIT;
    json_t *out = json_object();
    struct directory_conn *conn = directory_open(d, DIRECTORY_SERVICE);
    if (service_impact_read(d, conn, a, &impact, &err))
        for (size_t i = 0; i < IMPACT_ROWS; i++)
            json_put(out, impact.rows[i].name, json_integer((json_int_t)impact.rows[i].count));
    else
        json_put_str(out, "error", str_of(err.detail));
    directory_close(conn);
    return out;
}

/* Of the bridge that runs with this configuration, if one does. */
static json_t *metrics(const struct config *config, struct arena *a)
{
    OWNED_BUF struct buf body;
    struct error err = ERROR_INIT;
    struct str listen = config->server.metrics_listen;
    buf_init(&body, METRICS_MAX);
    if (!listen.len)
        return json_string("off");
    struct remote_request get = {.url = arena_fmt(a, "http://" STR_FMT "/metrics", STR_ARG(listen)),
                                 .deadline = clock_deadline_in(METRICS_WAIT_MS)};
    if (!remote_fetch(&get, &body, &err))
        return json_string("no bridge answers at server.metrics_listen");
    return json_string_safe(buf_view(&body));
}

static void put_inspection(json_t *out, struct directory *d, struct arena *a)
{
    struct directory_inspection found;
    struct error err = ERROR_INIT;
    if (!directory_inspect(d, a, &found, &err)) {
        json_put_str(out, "findings", str_of(err.detail));
        return;
    }
    json_put(out, "findings", cli_findings_json(&found));
    json_put(out, "directory", json_copy_deep(found.facts));
}

int cli_check_report(const struct cli *c, const struct config *config, struct directory *d)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *out = json_object();
    OWNED_BUF struct buf text;
    char time[CLOCK_TEXT_MAX];
    (void)c; /* it is JSON, with --json and without */
    json_put_str(out, "time", clock_rfc3339(clock_now(), time));
    json_put(out, "program", program());
    json_put(out, "configuration", config_json(config));
    put_inspection(out, d, a);
    json_put(out, "counts", counts(d, a));
    json_put(out, "metrics", metrics(config, a));
    json_put_str(out, "log", STR("journalctl -u kiops-bridge --since -1h"));
    buf_init(&text, REPORT_MAX);
    json_write(out, &text);
    printf(STR_FMT "\n", STR_ARG(buf_view(&text)));
    return CLI_OK;
}
