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

static void remove_again(const struct reconcile_run *r, struct reconcile_plan *p)
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

/* ---- entries that an undo of the same run had changed, or was about to, when it was broken off:
 * whatever version it left them in, their values say what is still to be taken back, and a modify
 * names each of them */

struct touched {
    size_t line;
    struct str id;
    bool kept; /* somebody else had changed it: it stays bound to its version */
};

struct touching {
    struct arena *arena;
    struct str run;
    bool undo, over; /* is the journal that is read of such an undo, and has that ended? */
    struct touched *at;
    size_t count, cap;
};

static bool take_touched(void *arg, const json_t *line)
{
    struct touching *t = arg;
    const json_t *begun = json_object_get(line, "begin"), *ended = json_object_get(line, "end");
    const json_t *modify = json_object_get(json_object_get(line, "line"), "modify");
    if (json_object_get(line, "run"))
        t->undo = str_eq(json_get_str(line, "undo"), t->run);
    if (begun && modify) {
        t->at = arena_grow(t->arena, t->at, sizeof *t->at, t->count, &t->cap);
        t->at[t->count++] = (struct touched){.line = (size_t)json_integer_value(begun),
                                             .id = arena_str(t->arena, json_get_str(modify, "id"))};
    }
    size_t i = ended ? t->count : 0; /* it began not long before */
    while (i > 0 && t->at[i - 1].line != (size_t)json_integer_value(ended))
        i--;
    if (i > 0)
        t->at[i - 1].kept = str_eq(json_get_str(line, "outcome"), STR("moved"));
    t->over = t->over || str_eq(json_get_str(line, "over"), STR("finished"));
    return t->undo && !t->over;
}

/* By id, and of one id those first that are kept. */
static int by_id(const void *a, const void *b)
{
    const struct touched *x = a, *y = b;
    int order = str_cmp(x->id, y->id);
    return order ? order : (int)y->kept - (int)x->kept;
}

static const struct touched *first_of(const struct touching *t, struct str id)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(t->at[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->count && str_eq(t->at[low].id, id) ? &t->at[low] : NULL;
}

static void loosen(const struct touching *t, struct reconcile_plan *p)
{
    if (t->count)
        qsort(t->at, t->count, sizeof *t->at, by_id);
    for (size_t i = 0; i < p->count; i++) {
        struct service_mend *m = &p->at[i].mend;
        const struct touched *first = m->id.len ? first_of(t, m->id) : NULL;
        if (first && !first->kept)
            m->csn = STR_NONE;
    }
}

static void go_by_values(const struct reconcile_run *r, struct reconcile_plan *p)
{
    struct str ends = STR(".jsonl");
    struct str starts = arena_fmt(r->ground.arena, STR_FMT "-2", STR_ARG(r->job->name));
    DIR *d = opendir(arena_cstr(r->ground.arena, r->job->journal_dir));
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct str name = str_of(e->d_name);
        struct touching t = {.arena = r->ground.arena, .run = r->undoes};
        struct error odd = ERROR_INIT;
        if (str_starts(name, starts) && str_ends(name, ends) &&
            reconcile_journal_read(r->job->journal_dir, str_sub(name, 0, name.len - ends.len),
                                   take_touched, &t, &odd))
            loosen(&t, p);
    }
    if (d)
        closedir(d);
}

void reconcile_resume_undo(const struct reconcile_run *r, struct reconcile_plan *p)
{
    if (r->service)
        remove_again(r, p);
    go_by_values(r, p);
}
