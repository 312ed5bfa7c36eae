/* What a run prints: the plan as text, JSON or LDIF; guards; progress; figures of the last run. */
#include <stdio.h>

#include "base/own.h"
#include "cli/reconcile.h"

#define PRINT_MAX ((size_t)1 << 30)
#define EVERY_MS 10000

static void print_lines(const struct job_cli *j)
{
    OWNED_BUF struct buf line, plain;
    buf_init(&line, (size_t)1 << 20);
    buf_init(&plain, (size_t)2 << 20);
    for (size_t i = 0; i < j->plan.count; i++) {
        buf_clear(&line);
        buf_clear(&plain);
        reconcile_line_text(&j->plan.at[i], &line);
        cli_plain(&plain, buf_view(&line));
        printf(STR_FMT "\n", STR_ARG(buf_view(&plain)));
    }
}

static size_t count(const struct job_cli *j, enum reconcile_state state)
{
    return reconcile_plan_count(&j->plan, state);
}

static void print_text(const struct job_cli *j)
{
    size_t planned = count(j, RECONCILE_PLANNED), refused = count(j, RECONCILE_REFUSED);
    size_t conflicts = count(j, RECONCILE_CONFLICT), reported = count(j, RECONCILE_REPORTED);
    print_lines(j);
    if (!j->plan.count) {
        puts("in sync: nothing to change, nothing to report");
        return;
    }
    bool applied = j->options->apply && !j->trips.count;
    if (applied)
        printf("%zu of %zu changes made (run " STR_FMT ")", j->applied.done,
               planned + j->applied.moved + j->applied.refused, STR_ARG(j->run.ground.run));
    else
        printf("%zu changes planned", planned);
    printf("; %zu refused by rule, %zu conflicts, %zu reported\n", refused, conflicts, reported);
    if (j->applied.stopped)
        puts("stopped between two changes; the next run makes the rest");
}

static void print_json(const struct job_cli *j)
{
    OWNED_JSON json_t *o = reconcile_plan_json(&j->plan, j->config);
    OWNED_BUF struct buf out;
    json_t *trips = json_array(), *summary = json_object();
    for (size_t i = 0; i < j->trips.count; i++) {
        const struct reconcile_trip *t = &j->trips.at[i];
        json_t *trip = json_object();
        json_put_str(trip, "guard", str_of(reconcile_guard_name(t->guard)));
        if (t->organization.len)
            json_put_str(trip, "organization", t->organization);
        json_put(trip, "planned", json_integer((json_int_t)t->wanted));
        json_put(trip, "allowed", json_integer((json_int_t)t->allowed));
        json_put(trip, "population", json_integer((json_int_t)t->population));
        json_push(trips, trip);
    }
    json_put(summary, "planned", json_integer((json_int_t)count(j, RECONCILE_PLANNED)));
    json_put(summary, "refused", json_integer((json_int_t)count(j, RECONCILE_REFUSED)));
    json_put(summary, "conflicts", json_integer((json_int_t)count(j, RECONCILE_CONFLICT)));
    json_put(summary, "reported", json_integer((json_int_t)count(j, RECONCILE_REPORTED)));
    json_put(summary, "applied", json_integer((json_int_t)j->applied.done));
    json_put(summary, "stopped", json_boolean(j->applied.stopped));
    json_put_str(o, "run", j->run.ground.run);
    json_put(o, "guards", trips);
    json_put(o, "summary", summary);
    buf_init(&out, PRINT_MAX);
    json_write(o, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
}

void job_print(const struct job_cli *j)
{
    OWNED_BUF struct buf out;
    buf_init(&out, PRINT_MAX);
    if (j->options->ldif) {
        reconcile_report_ldif(&j->plan, &out);
        printf(STR_FMT, STR_ARG(buf_view(&out)));
    } else if (j->cli->json) {
        print_json(j);
    } else {
        print_text(j);
    }
    fflush(stdout);
}

static const char *shrinks(enum reconcile_guard g)
{
    return g == GUARD_SCOPE_SHRINK    ? "users of the directory are missing"
           : g == GUARD_SOURCE_SHRINK ? "resources of the source are missing"
                                      : NULL;
}

void job_print_trips(const struct job_cli *j)
{
    for (size_t i = 0; i < j->trips.count; i++) {
        const struct reconcile_trip *t = &j->trips.at[i];
        const char *missing = shrinks(t->guard);
        fprintf(stderr, "kiops-bridge: guard %s%s" STR_FMT ": ", reconcile_guard_name(t->guard),
                t->organization.len ? " in organization " : "", STR_ARG(t->organization));
        if (missing)
            fprintf(stderr, "there were %zu, there are %zu: %zu %s, and %zu may be\n",
                    t->population, t->population - t->wanted, t->wanted, missing, t->allowed);
        else
            fprintf(stderr, "%zu of %zu, and %zu may be\n", t->wanted, t->population, t->allowed);
        fprintf(stderr,
                "  Nothing was changed; the next run plans anew and stops here again while it is "
                "so. If this is meant:\n"
                "  kiops-bridge %s " STR_FMT " --apply --release %s=%zu --reason TEXT\n",
                j->undo.len ? "undo" : "reconcile",
                STR_ARG(j->undo.len ? j->undo : j->run.job->name), reconcile_guard_name(t->guard),
                t->wanted);
    }
}

void job_progress(void *arg, size_t done, size_t of)
{
    static int64_t began, next;
    const struct job_cli *j = arg;
    (void)j;
    bool terminal = isatty(STDERR_FILENO) == 1;
    int64_t now = clock_monotonic_ms();
    if (!began) {
        began = now;
        next = now + (terminal ? 200 : EVERY_MS);
    }
    if (now < next && !(terminal && done == of))
        return;
    next = now + (terminal ? 200 : EVERY_MS);
    int64_t left_s = done ? (now - began) * (int64_t)(of - done) / (int64_t)done / 1000 : 0;
    fprintf(stderr, "%s%zu of %zu changes, %lld s left%s", terminal ? "\r" : "", done, of,
            (long long)left_s, terminal && done != of ? "   " : "\n");
}

void job_write_metrics(const struct job_cli *j, int status)
{
    const struct config_job *job = j->run.job;
    const char *path = arena_fmt(j->arena, STR_FMT "/" STR_FMT ".prom", STR_ARG(job->journal_dir),
                                 STR_ARG(job->name))
                           .at;
    const char *made = arena_fmt(j->arena, "%s.new", path).at;
    const struct {
        const char *name;
        unsigned long long value;
    } rows[] = {{"last_run_seconds", (unsigned long long)(clock_now() / 1000000)},
                {"last_run_exit", (unsigned long long)status},
                {"last_run_applied", j->applied.done},
                {"last_run_moved", j->applied.moved},
                {"last_run_refused", count(j, RECONCILE_REFUSED)},
                {"last_run_conflicts", count(j, RECONCILE_CONFLICT)},
                {"last_run_reported", count(j, RECONCILE_REPORTED)},
                {"last_run_guards_tripped", j->trips.count},
                {"last_run_users", j->plan.population.users}};
    FILE *f = fopen(made, "we");
    if (!f)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(f, "kiops_reconcile_%s{job=\"" STR_FMT "\"} %llu\n", rows[i].name,
                STR_ARG(job->name), rows[i].value);
    if (fclose(f) == 0)
        (void)rename(made, path);
}
