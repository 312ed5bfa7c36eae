/* After a run that was broken off: what its last line left half-done of roles is mended. Everything
 * else the new plan finds by itself, for it compares what is there now; an undo compares with what
 * its run left, and does not know a membership again that it has half taken away. Lines that are
 * under way beside each other change no roles. */
#include "reconcile/reconcile.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/own.h"

struct leaving { /* the journal that is read */
    struct arena *arena;
    struct str subject, organization, change; /* of the line that was begun last */
    bool begun;                               /* and of which nobody knows that it was made */
};

static bool take(void *arg, const json_t *line)
{
    struct leaving *l = arg;
    if (json_object_get(line, "begin")) {
        const json_t *begun = json_object_get(line, "line");
        l->subject = arena_str(l->arena, json_get_str(begun, "user"));
        l->organization = arena_str(l->arena, json_get_str(begun, "organization"));
        l->change = arena_str(l->arena, json_get_str(begun, "change"));
        l->begun = true;
    }
    if (json_object_get(line, "end"))
        l->begun = !str_eq(json_get_str(line, "outcome"), STR("done"));
    return true;
}

struct newest {
    struct str name;
    int64_t written; /* ns */
};

/* Of one job, names are in the order of their seconds; within one, by when they were written. */
static bool is_newer(const struct newest *than, struct str name, int64_t written, size_t time)
{
    int order = str_cmp(str_sub(name, 0, time), str_sub(than->name, 0, time));
    return order > 0 || (order == 0 && written > than->written);
}

static struct str last_run(const struct config_job *job, struct arena *a)
{
    struct newest last = {0};
    struct stat st;
    struct str ends = STR(".jsonl");
    struct str starts = arena_fmt(a, STR_FMT "-2", STR_ARG(job->name));
    size_t time = job->name.len + sizeof "-YYYYMMDDHHMMSS" - 1;
    DIR *d = opendir(arena_cstr(a, job->journal_dir));
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct str name = str_of(e->d_name);
        if (!str_starts(name, starts) || !str_ends(name, ends) ||
            fstatat(dirfd(d), e->d_name, &st, 0) != 0)
            continue;
        int64_t written = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
        if (is_newer(&last, name, written, time))
            last = (struct newest){arena_str(a, name), written};
    }
    if (d)
        closedir(d);
    return str_sub(last.name, 0, last.name.len > ends.len ? last.name.len - ends.len : 0);
}

/* false: there is no journal that tells of a line under way. */
static bool read_last(const struct reconcile_run *r, struct leaving *l)
{
    struct str run = last_run(r->job, r->ground.arena);
    struct error odd = ERROR_INIT;
    *l = (struct leaving){.arena = r->ground.arena};
    return run.len && reconcile_journal_read(r->job->journal_dir, run, take, l, &odd) && l->begun;
}

bool reconcile_resume(const struct reconcile_run *r, struct reconcile_plan *out, struct error *err)
{
    struct leaving l;
    return !read_last(r, &l) || !l.subject.len || reconcile_mend_roles(r, l.subject, out, err);
}

void reconcile_resume_undo(const struct reconcile_run *r, struct reconcile_plan *p)
{
    struct leaving l;
    bool removal = read_last(r, &l) && str_eq(l.change, str_of(kiops_change_name(KIOPS_REMOVE)));
    for (size_t i = 0; removal && i < p->count; i++) {
        struct reconcile_line *again = &p->at[i];
        if (again->kind == KIOPS_REMOVE && again->means == RECONCILE_WRITE &&
            str_eq(again->subject, l.subject) && str_eq(again->organization, l.organization) &&
            reconcile_half_removed(r, again))
            again->write.version = STR_NONE;
    }
}
