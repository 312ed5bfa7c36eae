/* reconcile JOB: plan, guards, and with --apply the changes. */
#include "cli/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/own.h"
#include "remote/client.h"

#define PLAN_MAX ((size_t)1 << 30)
#define PLAN_DEPTH 64
#define SERVICE_WAIT_MS 120000

static atomic_bool stop_asked;

static void ask_stop(int signal_number)
{
    (void)signal_number;
    atomic_store(&stop_asked, true);
}

static const struct {
    reconcile_make *make;
    bool serves;   /* needs what memory has: a service of its own */
    bool provider; /* has another SCIM system on the other side */
} kinds[] = {[CONFIG_JOB_DRIFT] = {reconcile_drift, false, false},
             [CONFIG_JOB_CSV] = {reconcile_csv, true, false},
             [CONFIG_JOB_PULL] = {reconcile_pull, true, true},
             [CONFIG_JOB_PUSH] = {reconcile_push, true, true}};

/* ---- options */

static const char *parse_release(struct job_options *o, struct str value)
{
    enum reconcile_guard guard;
    struct str rest = value, name = STR_NONE;
    int64_t n;
    (void)str_split(&rest, '=', &name);
    if (!reconcile_guard_parse(name, &guard) || !str_to_i64(rest, &n) || n < 0)
        return "--release takes GUARD=N, as the message of the guard says";
    o->release.at[guard] = n;
    o->released = true;
    return NULL;
}

static const char *take_value(struct job_options *o, struct str name, struct str value)
{
    int64_t n;
    if (str_eq(name, STR("save")))
        o->save = value;
    else if (str_eq(name, STR("plan")))
        o->plan = value;
    else if (str_eq(name, STR("reason")))
        o->reason = value;
    else if (str_eq(name, STR("release")))
        return parse_release(o, value);
    else if (!str_eq(name, STR("rate")))
        return "there is no such option";
    else if (!str_to_i64(value, &n) || n < 1 || n > 100000)
        return "--rate takes changes a second, from 1";
    else
        o->rate = (unsigned)n, o->rate_given = true;
    return NULL;
}

static bool take_switch(struct job_options *o, struct str arg)
{
    if (str_eq(arg, STR("--apply")))
        return o->apply = true;
    if (str_eq(arg, STR("--ldif")))
        return o->ldif = true;
    return str_eq(arg, STR("--accept-rollback")) && (o->accept_rollback = true);
}

static const char *together(const struct cli *c, const struct job_options *o)
{
    if (o->save.len && (o->plan.len || o->apply))
        return "--save makes a plan for later: neither --plan nor --apply with it";
    if (o->released != (o->reason.len > 0))
        return "--release and --reason belong together";
    return o->ldif && c->json ? "--ldif or --json, not both" : NULL;
}

const char *job_parse(const struct cli *c, struct job_options *o)
{
    struct cli_options at = {.cli = c};
    for (int g = 0; g < RECONCILE_GUARDS; g++)
        o->release.at[g] = -1;
    while (at.at < c->count) {
        struct str name, value;
        const char *wrong = NULL;
        if (take_switch(o, str_of(c->args[at.at]))) {
            at.at++;
            continue;
        }
        (void)cli_next(&at, &name, &value);
        if (name.len && !value.at)
            return "an option lacks its value";
        if (name.len)
            wrong = take_value(o, name, value);
        else if (o->name.len)
            wrong = "one at a time: a name, and options";
        else
            o->name = value;
        if (wrong)
            return wrong;
    }
    return together(c, o);
}

/* ---- what a run needs */

static int fail(const struct error *err)
{
    (void)cli_fail(err);
    return err->kind == ERR_UNAVAILABLE ? CLI_INCOMPLETE : CLI_ERROR;
}

static int no_such_job(const struct job_cli *j)
{
    fprintf(stderr, "kiops-bridge: no job is called " STR_FMT "; the configuration has:",
            STR_ARG(str_sub(j->options->name, 0, 100)));
    for (size_t i = 0; i < j->config->job_count; i++)
        fprintf(stderr, " " STR_FMT, STR_ARG(j->config->jobs[i].name));
    fputs(j->config->job_count ? "\n" : " none\n", stderr);
    return CLI_USAGE;
}

int job_open(struct job_cli *j)
{
    struct error err = ERROR_INIT;
    if (!j->config)
        return CLI_ERROR;
    j->arena = arena_new();
    log_setup((enum log_level)j->config->log.level, j->config->log.json);
    const struct config_job *job = config_job(j->config, j->options->name);
    if (!job)
        return no_such_job(j);
    if (!cli_catalog(j->config, &j->catalog, &err) ||
        !directory_new(j->config, j->catalog, &j->directory, &err))
        return cli_fail(&err);
    j->conn = directory_open(j->directory, DIRECTORY_SERVICE);
    j->run = (struct reconcile_run){.job = job, .catalog = j->catalog};
    if (kinds[job->kind].provider)
        j->run.provider = reconcile_provider(job, &stop_asked);
    j->run.ground = (struct mend_ground){.config = j->config,
                                         .directory = j->directory,
                                         .conn = j->conn,
                                         .arena = j->arena,
                                         .run = reconcile_run_id(j->arena, job)};
    struct mend_ground *g = &j->run.ground;
    if (!service_mend_actor(g, job->as, &g->actor, &err))
        return fail(&err);
    reconcile_plan_init(&j->plan, j->arena, job);
    return CLI_OK;
}

void job_close(struct job_cli *j)
{
    if (j->leased)
        reconcile_lease_release(&j->lease);
    service_stop(j->run.service);
    remote_close(j->run.provider);
    if (j->audit)
        audit_close(j->audit);
    directory_close(j->conn);
    directory_free(j->directory);
    scim_catalog_free(j->catalog);
    config_free(j->config);
    arena_free(j->arena);
}

static bool open_audit(struct job_cli *j, struct error *err)
{
    const struct config_audit *c = &j->config->audit;
    const struct audit_settings settings = {.dir = c->dir,
                                            .kind = STR("reconcile"),
                                            .sync = c->sync == CONFIG_SYNC_BATCH,
                                            .rotate_bytes = (size_t)c->rotate_mb << 20,
                                            .wait_lock = true};
    bool opened = audit_open(&settings, &j->audit, err);
    j->run.ground.audit = j->audit;
    return opened;
}

static bool read_history(struct job_cli *j, struct error *err)
{
    struct service_job entry = j->lease.entry;
    if (!j->leased && !service_job_read(&j->run.ground, j->run.job->name, &entry, err))
        return false;
    reconcile_history_read(j->arena, entry.state, &j->history);
    j->run.history = &j->history;
    return true;
}

static const char *last_path(const struct job_cli *j)
{
    return arena_fmt(j->arena, STR_FMT "/" STR_FMT ".last", STR_ARG(j->run.job->journal_dir),
                     STR_ARG(j->run.job->name))
        .at;
}

/* The job's entry counts its runs, and so does a file here: a directory that counts fewer was
 * restored from an older copy. */
static bool went_back(const struct job_cli *j)
{
    unsigned long long last = 0;
    FILE *f = fopen(last_path(j), "re");
    bool read = f && fscanf(f, "%llu", &last) == 1;
    if (f)
        fclose(f);
    return read && j->history.serial < last && !j->options->accept_rollback;
}

static void remember_serial(const struct job_cli *j)
{
    FILE *f = fopen(last_path(j), "we");
    if (!f)
        return;
    fprintf(f, "%llu\n", (unsigned long long)j->history.serial);
    fclose(f);
}

static bool start_service(struct job_cli *j, struct error *err)
{
    const struct service_settings settings = {.config = j->config,
                                              .catalog = j->catalog,
                                              .directory = j->directory,
                                              .audit = j->audit,
                                              .passing = true};
    /* A drift job adopts what a Manager or PlatformAdmin would make. */
    bool serves = kinds[j->run.job->kind].serves || j->run.job->roles == CONFIG_ADOPT;
    return !serves || (service_start(&settings, &j->run.service, err) &&
                       service_await(j->run.service, clock_deadline_in(SERVICE_WAIT_MS), err));
}

int job_take(struct job_cli *j)
{
    struct error err = ERROR_INIT;
    if (j->options->apply) {
        enum reconcile_leased leased = reconcile_lease_take(&j->run, &j->lease, &err);
        if (leased != LEASE_HELD) {
            int status = fail(&err);
            return leased == LEASE_BUSY ? CLI_RUNNING : status;
        }
        j->leased = true;
        /* Elsewhere it says so when something is written there. */
        (void)mkdir(arena_cstr(j->arena, j->run.job->journal_dir), 0700);
        if (!open_audit(j, &err))
            return fail(&err);
    }
    if (!read_history(j, &err) || !start_service(j, &err))
        return fail(&err);
    if (!went_back(j))
        return CLI_OK;
    fputs("kiops-bridge: the directory is older than at the last run of this job: it was restored "
          "from a copy, or this is another one. Nothing was done. If that is meant, run once with "
          "--accept-rollback\n",
          stderr);
    return CLI_GUARD;
}

/* ---- the plan */

static bool load_plan(struct job_cli *j, struct error *err)
{
    OWNED_BUF struct buf text;
    char part[65536];
    size_t n;
    buf_init(&text, PLAN_MAX);
    FILE *f = fopen(arena_cstr(j->arena, j->options->plan), "re");
    if (!f)
        return error_set(err, ERR_CONFIG, "the plan cannot be read: %s", strerrordesc_np(errno));
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(&text, part, n);
    fclose(f);
    json_t *doc = json_load_strict(buf_view(&text), (struct json_limits){.depth = PLAN_DEPTH}, err);
    if (!doc)
        return false;
    json_keep(j->arena, doc);
    return reconcile_plan_load(&j->plan, j->config, doc, err);
}

static bool save_plan(struct job_cli *j, struct error *err)
{
    OWNED_JSON json_t *doc = reconcile_plan_json(&j->plan, j->config);
    OWNED_BUF struct buf text;
    buf_init(&text, PLAN_MAX);
    json_write(doc, &text);
    buf_char(&text, '\n');
    OWNED_FD int fd = open(arena_cstr(j->arena, j->options->save),
                           O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool saved = fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len && !fsync(fd);
    return saved ||
           error_set(err, ERR_CONFIG, "the plan cannot be saved: %s", strerrordesc_np(errno));
}

static bool make_plan(struct job_cli *j, struct error *err)
{
    return j->options->plan.len ? load_plan(j, err)
                                : kinds[j->run.job->kind].make(&j->run, &j->plan, err);
}

/* ---- guards and changes */

static bool record_releases(struct job_cli *j, struct error *err)
{
    for (int g = 0; g < RECONCILE_GUARDS; g++) {
        const struct mend_release r = {.operator_name = cli_operator(),
                                       .guard =
                                           str_of(reconcile_guard_name((enum reconcile_guard)g)),
                                       .reason = j->options->reason,
                                       .allowed = j->options->release.at[g]};
        if (r.allowed >= 0 && !service_mend_release(&j->run.ground, &r, err))
            return false;
    }
    return true;
}

static bool apply(struct job_cli *j, struct error *err)
{
    unsigned rate = j->options->rate_given ? j->options->rate : j->run.job->rate_per_s;
    const struct reconcile_apply how = {
        .lease = &j->lease, .rate = rate, .stop = &stop_asked, .progress = job_progress, .arg = j};
    /* Spent before it is done: who is killed in between has spent it all the same. */
    reconcile_guard_spend(&j->plan, clock_now(), &j->history);
    struct str state = reconcile_history_write(j->arena, &j->history);
    if (!record_releases(j, err) || !reconcile_lease_state(&j->lease, state, err))
        return false;
    bool made = !reconcile_plan_count(&j->plan, RECONCILE_PLANNED) ||
                reconcile_apply(&j->run, &j->plan, &how, &j->applied, err);
    remember_serial(j);
    return made;
}

static int status_of(const struct job_cli *j)
{
    const struct reconcile_plan *p = &j->plan;
    size_t against =
        reconcile_plan_count(p, RECONCILE_REFUSED) + reconcile_plan_count(p, RECONCILE_CONFLICT);
    bool planned = !j->options->apply && reconcile_plan_count(p, RECONCILE_PLANNED);
    if (j->applied.stopped)
        return CLI_FINDINGS;
    if (planned)
        return CLI_FINDINGS;
    if (against)
        return CLI_REFUSED;
    return reconcile_plan_count(p, RECONCILE_REPORTED) ? CLI_FINDINGS : CLI_OK;
}

static void keep_gone(struct job_cli *j)
{
    struct str *ids = ARENA_ARRAY(j->arena, struct str, j->history.gone_count + 1);
    for (size_t i = 0; i < j->history.gone_count; i++)
        ids[i] = j->history.gone[i].id;
    j->plan.gone = ids;
    j->plan.gone_count = j->history.gone_count;
}

int job_finish(struct job_cli *j)
{
    struct error err = ERROR_INIT;
    const struct reconcile_limits limits = {.guards = &j->run.job->guards,
                                            .history = &j->history,
                                            .release = &j->options->release,
                                            .now = clock_now()};
    reconcile_plan_know_members(&j->plan, &j->run);
    if (j->undo.len) { /* reads nothing that could have shrunk */
        j->plan.population.scope = j->history.scope;
        j->plan.population.source = j->history.source;
        keep_gone(j);
    }
    reconcile_guard_check(&j->plan, &limits, &j->trips);
    if (j->trips.count) {
        job_print(j);
        job_print_trips(j);
        return CLI_GUARD;
    }
    if (j->options->save.len && !save_plan(j, &err))
        return fail(&err);
    if (j->options->apply) {
        signal(SIGXFSZ, SIG_IGN); /* a full journal stops the run, and says so (EFBIG) */
        signal(SIGINT, ask_stop);
        signal(SIGTERM, ask_stop);
        if (!apply(j, &err)) {
            job_print(j);
            (void)cli_fail(&err);
            return j->applied.lost_lease ? CLI_RUNNING : CLI_ERROR;
        }
    }
    job_print(j);
    return status_of(j);
}

static int reconcile(struct job_cli *j)
{
    struct error err = ERROR_INIT;
    int status = job_open(j);
    if (status == CLI_OK)
        status = job_take(j);
    if (status != CLI_OK)
        return status;
    if (!make_plan(j, &err))
        return err.kind == ERR_CONFLICT ? (cli_fail(&err), CLI_REFUSED) : fail(&err);
    return job_finish(j);
}

int cli_reconcile(const struct cli *c)
{
    struct job_options o = {0};
    const char *wrong = job_parse(c, &o);
    if (!wrong && !o.name.len)
        wrong = "write: reconcile JOB [--save FILE | --plan FILE] [--apply] [--ldif] [--rate N]";
    if (wrong)
        return cli_usage(wrong);
    struct job_cli j = {.cli = c, .options = &o, .config = cli_config(c)};
    int status = reconcile(&j);
    if (j.leased)
        job_write_metrics(&j, status);
    job_close(&j);
    return status;
}
