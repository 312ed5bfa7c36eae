/*
 * One change of a membership as the service runs it, for the rows of DESIGN 3.3 that have no HTTP
 * door yet.
 *
 * usage: change CONFIG token:NAME|person:ID KIND USER ORGANIZATION|- [PERMISSION]
 * Prints "done", "nothing", or "KIND RULE TEXT" of the refusal; exit 0, 0, 1.
 */
#include <stdio.h>
#include <time.h>

#include "base/hash.h"
#include "base/own.h"
#include "cli/cli.h"
#include "service/internal.h"

static const struct {
    const char *name;
    enum kiops_change_kind kind;
} KINDS[] = {
    {"add", KIOPS_ADD},
    {"request", KIOPS_REQUEST},
    {"approve", KIOPS_APPROVE},
    {"reject", KIOPS_REJECT},
    {"withdraw", KIOPS_WITHDRAW},
    {"remove", KIOPS_REMOVE},
    {"promote", KIOPS_PROMOTE},
    {"demote", KIOPS_DEMOTE},
    {"grant", KIOPS_GRANT},
    {"revoke", KIOPS_REVOKE},
    {"make-admin", KIOPS_MAKE_ADMIN},
    {"unmake-admin", KIOPS_UNMAKE_ADMIN},
};

struct world {
    struct config *config;
    struct scim_catalog *catalog;
    struct directory *directory;
    struct audit *audit;
    struct service *service;
};

static bool build(struct world *w, const char *path, struct arena *a, struct error *err)
{
    OWNED_BUF struct buf report;
    buf_init(&report, 65536);
    w->config = config_load(path, &report);
    if (!w->config)
        return error_set(err, ERR_CONFIG, STR_FMT, STR_ARG(buf_view(&report)));
    struct audit_settings audit = {.dir = w->config->audit.dir,
                                   .kind = STR("tool"),
                                   .rotate_bytes = 1 << 20,
                                   .wait_lock = true};
    if (!cli_catalog(w->config, &w->catalog, err) ||
        !directory_new(w->config, w->catalog, &w->directory, err) ||
        !audit_open(&audit, &w->audit, err))
        return false;
    struct service_settings s = {w->config, w->catalog, w->directory, w->audit};
    (void)a;
    return service_start(&s, &w->service, err);
}

static bool wait_ready(const struct world *w)
{
    int64_t deadline = clock_deadline_in(20000);
    while (!service_ready(w->service)) {
        if (clock_left_ms(deadline) == 0)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return true;
}

static bool actor_of(const struct world *w, struct arena *a, const char *text,
                     struct kiops_actor *actor)
{
    struct str s = str_of(text);
    if (str_starts(s, STR("person:")))
        return replica_actor(w->service->replica, a, str_sub(s, 7, s.len), actor);
    *actor = (struct kiops_actor){.kind = KIOPS_ACTOR_TOKEN,
                                  .id = str_sub(s, 6, s.len),
                                  .client = STR("tool"),
                                  .role = KIOPS_PLATFORM_ADMIN,
                                  .can_write = true,
                                  .max_removals = -1,
                                  .max_removals_percent = -1};
    return str_starts(s, STR("token:"));
}

static bool run(struct change *ch, struct error *err)
{
    const struct service_call *c = ch->call;
    if (!change_decide(ch, false, err))
        return false;
    if (ch->nothing)
        return puts("nothing") >= 0;
    struct kiops_record record = change_record(ch);
    if (!access_confirm(c, ch->what.organization, err) ||
        !audit_intent(c->service->audit, &record, STR("tool"), &ch->intent, err) ||
        !change_run(ch, err))
        return false;
    return puts("done") >= 0;
}

int main(int argc, char **argv)
{
    struct world w = {0};
    struct error err = ERROR_INIT;
    OWNED_ARENA struct arena *a = arena_new();
    if (argc < 6)
        return fprintf(stderr,
                       "usage: change CONFIG ACTOR KIND USER ORGANIZATION|- [PERMISSION]\n"),
               64;
    hash_init();
    bool ok = build(&w, argv[1], a, &err) &&
              (wait_ready(&w) || error_set(&err, ERR_UNAVAILABLE, "not ready"));
    struct service_call call = {.service = w.service, .arena = a, .request_id = STR("tool")};
    struct change ch = {.call = &call, .what = {.subject = str_of(argv[4]), .operation = -1}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (str_eq(str_of(argv[3]), str_of(KINDS[i].name)))
            ch.what.kind = KINDS[i].kind;
    if (argv[5][0] != '-')
        ch.what.organization = str_of(argv[5]);
    ok = ok && (argc < 7 || kiops_permission_parse(str_of(argv[6]), &ch.what.permission));
    if (ok) {
        call.conn = directory_open(w.directory, DIRECTORY_SERVICE);
        ok = (actor_of(&w, a, argv[2], &call.actor) ||
              error_set(&err, ERR_NOT_FOUND, "no such actor")) &&
             run(&ch, &err);
        directory_close(call.conn);
    }
    if (!ok)
        printf("%s %s %s\n", error_kind_name(err.kind), err.rule[0] ? err.rule : "-", err.detail);
    service_stop(w.service);
    if (w.audit)
        audit_close(w.audit);
    directory_free(w.directory);
    scim_catalog_free(w.catalog);
    config_free(w.config);
    return ok ? 0 : 1;
}
