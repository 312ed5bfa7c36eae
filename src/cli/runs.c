/* runs: what was applied. undo RUN: the plan that takes it back. */
#include <stdio.h>

#include "base/own.h"
#include "cli/reconcile.h"

static void print_text(const struct reconcile_past *p)
{
    printf(STR_FMT "  " STR_FMT "  " STR_FMT "  %zu of %zu changes  " STR_FMT "\n", STR_ARG(p->id),
           STR_ARG(p->job), STR_ARG(p->began), p->done, p->lines,
           STR_ARG(p->how.len ? p->how : STR("broken off")));
}

static json_t *as_json(const struct reconcile_past *p)
{
    json_t *o = json_object();
    json_put_str(o, "run", p->id);
    json_put_str(o, "job", p->job);
    json_put_str(o, "began", p->began);
    json_put(o, "changes", json_integer((json_int_t)p->lines));
    json_put(o, "made", json_integer((json_int_t)p->done));
    json_put_str(o, "end", p->how.len ? p->how : STR("broken off"));
    return o;
}

/* Jobs may share a folder: each is read once. */
static bool is_first(const struct config *c, size_t job)
{
    for (size_t i = 0; i < job; i++)
        if (str_eq(c->jobs[i].journal_dir, c->jobs[job].journal_dir))
            return false;
    return true;
}

static bool list(const struct cli *c, const struct config *config, struct arena *a,
                 struct error *err)
{
    OWNED_JSON json_t *all = json_array();
    OWNED_BUF struct buf out;
    for (size_t i = 0; i < config->job_count; i++) {
        struct reconcile_past *past;
        size_t n;
        if (!is_first(config, i))
            continue;
        if (!reconcile_journal_list(config->jobs[i].journal_dir, a, &past, &n, err))
            return false;
        for (size_t k = 0; k < n; k++)
            if (c->json)
                json_push(all, as_json(&past[k]));
            else
                print_text(&past[k]);
    }
    if (!c->json)
        return true;
    buf_init(&out, (size_t)1 << 28);
    json_write(all, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
    return true;
}

int cli_runs(const struct cli *c)
{
    struct error err = ERROR_INIT;
    if (c->count)
        return cli_usage("runs takes no arguments");
    struct config *config = cli_config(c);
    if (!config)
        return CLI_ERROR;
    OWNED_ARENA struct arena *a = arena_new();
    bool listed = list(c, config, a, &err);
    config_free(config);
    return listed ? CLI_OK : cli_fail(&err);
}

/* ---- undo */

/* The job whose journals hold the run. */
static bool find_job(const struct config *c, struct str run, struct arena *a, struct str *dir,
                     struct str *job)
{
    for (size_t i = 0; i < c->job_count; i++) {
        struct error odd = ERROR_INIT;
        *dir = c->jobs[i].journal_dir;
        if (reconcile_journal_job(*dir, run, a, job, &odd))
            return true;
    }
    return false;
}

/* What takes back the run; and first what an undo before this one left half-done. */
static bool plan_undo(struct job_cli *j, struct str dir, struct str run, struct error *err)
{
    bool here = j->run.job->kind != CONFIG_JOB_PUSH;
    j->run.undoes = run;
    if (here && j->run.service && !reconcile_resume(&j->run, &j->plan, err))
        return false;
    if (!reconcile_journal_undo(dir, run, &j->plan, err))
        return false;
    if (here)
        reconcile_resume_undo(&j->run, &j->plan);
    return true;
}

static int undo(struct job_cli *j, struct str dir, struct str run)
{
    struct error err = ERROR_INIT;
    int status = job_open(j);
    if (status == CLI_OK)
        status = job_take(j);
    if (status != CLI_OK)
        return status;
    return plan_undo(j, dir, run, &err) ? job_finish(j) : cli_fail(&err);
}

int cli_undo(const struct cli *c)
{
    struct job_options o = {0};
    struct str dir = STR_NONE;
    OWNED_ARENA struct arena *a = arena_new();
    const char *wrong = job_parse(c, &o);
    if (!wrong && (!o.name.len || o.save.len || o.plan.len))
        wrong = "write: undo RUN [--apply]; see kiops-bridge runs";
    if (wrong)
        return cli_usage(wrong);
    struct job_cli j = {.cli = c, .options = &o, .config = cli_config(c), .undo = o.name};
    if (j.config && !find_job(j.config, j.undo, a, &dir, &o.name)) {
        fputs("kiops-bridge: there is no journal of that run here; see kiops-bridge runs\n",
              stderr);
        config_free(j.config);
        return CLI_ERROR;
    }
    int status = undo(&j, dir, j.undo);
    job_close(&j);
    return status;
}
