/* After a run that was broken off: what its last line left half-done of roles is mended. Everything
 * else the new plan finds by itself, for it compares what is there now. */
#include "reconcile/reconcile.h"

#include <dirent.h>

#include "base/json.h"
#include "base/own.h"

struct leaving { /* the journal that is read */
    struct arena *arena;
    struct str subject; /* of the line that was begun last */
    bool begun;
};

static bool take(void *arg, const json_t *line)
{
    struct leaving *l = arg;
    if (json_object_get(line, "begin")) {
        l->subject = arena_str(l->arena, json_get_str(json_object_get(line, "line"), "user"));
        l->begun = true;
    }
    if (json_object_get(line, "end"))
        l->begun = !str_eq(json_get_str(line, "outcome"), STR("done"));
    return true;
}

/* Of one job, names are in the order of their time. */
static struct str last_run(const struct config_job *job, struct arena *a)
{
    struct str last = STR_NONE, ends = STR(".jsonl");
    struct str starts = arena_fmt(a, STR_FMT "-2", STR_ARG(job->name));
    DIR *d = opendir(arena_cstr(a, job->journal_dir));
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct str name = str_of(e->d_name);
        if (str_starts(name, starts) && str_ends(name, ends) && str_cmp(name, last) > 0)
            last = arena_str(a, name);
    }
    if (d)
        closedir(d);
    return str_sub(last, 0, last.len > ends.len ? last.len - ends.len : 0);
}

bool reconcile_resume(const struct reconcile_run *r, struct reconcile_plan *out, struct error *err)
{
    struct leaving l = {.arena = r->ground.arena};
    struct str run = last_run(r->job, r->ground.arena);
    struct error odd = ERROR_INIT;
    if (!run.len || !reconcile_journal_read(r->job->journal_dir, run, take, &l, &odd))
        return true; /* there is none that tells */
    return !l.begun || !l.subject.len || reconcile_mend_roles(r, l.subject, out, err);
}
