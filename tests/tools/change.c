/*
 * One change of a membership as the service runs it, for the rows of DESIGN 3.3 that have no HTTP
 * door yet.
 *
 * usage: change CONFIG token:NAME|person:ID KIND USER ORGANIZATION|- [PERMISSION]
 *        change CONFIG token:NAME|person:ID -
 * Prints "done", "nothing", or "KIND RULE TEXT" of the refusal; exit 0, 0, 1. The second form
 * prints "ready", then does one change for each line of its input: KIND USER ORGANIZATION|-
 * [PERMISSION].
 */
#include <stdio.h>
#include <string.h>
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

static bool build(struct world *w, const char *path, struct error *err)
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
    struct service_settings s = {
        .config = w->config, .catalog = w->catalog, .directory = w->directory, .audit = w->audit};
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

/* KIND USER ORGANIZATION [PERMISSION] */
static bool change(const struct service_call *call, const char *const *words, struct error *err)
{
    struct change ch = {.call = call, .what = {.subject = str_of(words[1]), .operation = -1}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (str_eq(str_of(words[0]), str_of(KINDS[i].name)))
            ch.what.kind = KINDS[i].kind;
    if (words[2][0] != '-')
        ch.what.organization = str_of(words[2]);
    if (words[3] && !kiops_permission_parse(str_of(words[3]), &ch.what.permission))
        return error_set(err, ERR_INVALID_VALUE, "no such permission");
    return run(&ch, err);
}

static void tell(const struct error *err)
{
    printf("%s %s %s\n", error_kind_name(err->kind), err->rule[0] ? err->rule : "-", err->detail);
}

/* A person is looked up for each line: roles change. */
static void read_changes(const struct world *w, struct service_call *call, const char *actor)
{
    char line[512];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        OWNED_ARENA struct arena *a = arena_new();
        struct error err = ERROR_INIT;
        const char *words[4] = {0};
        char *rest = line;
        for (size_t i = 0; i < 4; i++)
            words[i] = strsep(&rest, " \n");
        if (words[3] && !words[3][0])
            words[3] = NULL;
        call->arena = a;
        if (!words[2] || !actor_of(w, a, actor, &call->actor))
            puts("no such actor, or no such line");
        else if (!change(call, words, &err))
            tell(&err);
        fflush(stdout);
    }
}

static bool work(const struct world *w, int argc, char **argv, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct service_call call = {.service = w->service,
                                .arena = a,
                                .conn = directory_open(w->directory, DIRECTORY_SERVICE),
                                .request_id = STR("tool")};
    const char *const words[] = {argv[3], argc > 5 ? argv[4] : NULL, argc > 5 ? argv[5] : NULL,
                                 argc > 6 ? argv[6] : NULL};
    bool ok = true;
    if (argc < 6)
        read_changes(w, &call, argv[2]);
    else
        ok = (actor_of(w, a, argv[2], &call.actor) ||
              error_set(err, ERR_NOT_FOUND, "no such actor")) &&
             change(&call, words, err);
    directory_close(call.conn);
    return ok;
}

int main(int argc, char **argv)
{
    struct world w = {0};
    struct error err = ERROR_INIT;
    if (argc != 4 && argc != 6 && argc != 7)
        return fprintf(stderr,
                       "usage: change CONFIG ACTOR KIND USER ORGANIZATION|- [PERMISSION]\n"),
               64;
    hash_init();
    bool ok = build(&w, argv[1], &err) &&
              (wait_ready(&w) || error_set(&err, ERR_UNAVAILABLE, "not ready")) &&
              work(&w, argc, argv, &err);
    if (!ok)
        tell(&err);
    service_stop(w.service);
    if (w.audit)
        audit_close(w.audit);
    directory_free(w.directory);
    scim_catalog_free(w.catalog);
    config_free(w.config);
    return ok ? 0 : 1;
}
