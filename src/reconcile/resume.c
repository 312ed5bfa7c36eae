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
    struct str outcome = json_get_str(line, "outcome");
    if (json_object_get(line, "end"))
        l->begun = !str_eq(outcome, STR("done")) && !str_eq(outcome, STR("left"));
    return true;
}

/* ---- the journals of a job, the oldest first: names are in the order of their seconds; within
 * one, by when they were written */

struct run {
    struct str name, time; /* the part of it up to the seconds */
    int64_t written;       /* ns */
};

struct runs {
    struct run *at;
    size_t count, cap;
};

static int by_age(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    int order = str_cmp(x->time, y->time);
    return order ? order : (x->written > y->written) - (x->written < y->written);
}

static struct runs runs_of(const struct config_job *job, struct arena *a)
{
    struct runs all = {0};
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
        name = arena_str(a, str_sub(name, 0, name.len - ends.len));
        all.at = arena_grow(a, all.at, sizeof *all.at, all.count, &all.cap);
        all.at[all.count++] =
            (struct run){.name = name,
                         .time = str_sub(name, 0, time),
                         .written = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec};
    }
    if (d)
        closedir(d);
    if (all.count)
        qsort(all.at, all.count, sizeof *all.at, by_age);
    return all;
}

/* false: there is no journal that tells of a line under way. */
static bool read_last(const struct reconcile_run *r, struct leaving *l)
{
    struct runs all = runs_of(r->job, r->ground.arena);
    struct error odd = ERROR_INIT;
    *l = (struct leaving){.arena = r->ground.arena};
    return all.count &&
           reconcile_journal_read(r->job->journal_dir, all.at[all.count - 1].name, take, l, &odd) &&
           l->begun;
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

/* ---- entries that an undo of the same run had changed when it was broken off: what it left them
 * in is what they are taken back from. Where nobody knows whether it did, their values say what is
 * still to be taken back, and a modify names each of them */

struct touched {
    size_t line, order; /* in its journal; of all of them */
    struct str id, is;  /* empty `is`: nobody knows */
};

struct touching {
    struct arena *arena;
    struct str run;
    bool undo;   /* the journal that is read is of such an undo */
    size_t from; /* where its entries begin in `at` */
    struct touched *at;
    size_t count, cap;
};

/* What it began and did not make stays bound to the version that the run left. */
static void end_touched(struct touching *t, size_t line, const json_t *end)
{
    struct str outcome = json_get_str(end, "outcome");
    size_t i = t->count; /* it began not long before */
    while (i > t->from && t->at[i - 1].line != line)
        i--;
    if (i == t->from)
        return;
    if (str_eq(outcome, STR("done")))
        t->at[i - 1].is = arena_str(t->arena, json_get_str(end, "is"));
    else if (!str_eq(outcome, STR("unknown")))
        t->at[i - 1].id = STR_NONE;
}

static bool take_touched(void *arg, const json_t *line)
{
    struct touching *t = arg;
    const json_t *begun = json_object_get(line, "begin"), *ended = json_object_get(line, "end");
    const json_t *modify = json_object_get(json_object_get(line, "line"), "modify");
    if (json_object_get(line, "run"))
        t->undo = str_eq(json_get_str(line, "undo"), t->run);
    if (begun && modify) {
        t->at = arena_grow(t->arena, t->at, sizeof *t->at, t->count, &t->cap);
        t->at[t->count] = (struct touched){.line = (size_t)json_integer_value(begun),
                                           .order = t->count,
                                           .id = arena_str(t->arena, json_get_str(modify, "id"))};
        t->count++;
    }
    if (ended)
        end_touched(t, (size_t)json_integer_value(ended), line);
    if (str_eq(json_get_str(line, "over"), STR("finished")))
        t->count = 0; /* what comes later is another undo */
    return t->undo;
}

/* By id, and of one id the last first. */
static int by_id(const void *a, const void *b)
{
    const struct touched *x = a, *y = b;
    int order = str_cmp(x->id, y->id);
    return order ? order : (x->order < y->order) - (x->order > y->order);
}

static const struct touched *last_of(const struct touching *t, struct str id)
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

static void bind_again(const struct touching *t, struct reconcile_plan *p)
{
    if (t->count)
        qsort(t->at, t->count, sizeof *t->at, by_id);
    for (size_t i = 0; i < p->count; i++) {
        struct service_mend *m = &p->at[i].mend;
        const struct touched *last = m->id.len ? last_of(t, m->id) : NULL;
        if (last && m->csn.len)
            m->csn = last->is;
    }
}

static void bind_to_values(const struct reconcile_run *r, struct reconcile_plan *p)
{
    struct runs all = runs_of(r->job, r->ground.arena);
    struct touching t = {.arena = r->ground.arena, .run = r->undoes};
    for (size_t i = 0; i < all.count; i++) {
        struct error odd = ERROR_INIT;
        t.undo = false;
        t.from = t.count;
        (void)!reconcile_journal_read(r->job->journal_dir, all.at[i].name, take_touched, &t, &odd);
    }
    bind_again(&t, p);
}

void reconcile_resume_undo(const struct reconcile_run *r, struct reconcile_plan *p)
{
    if (r->service)
        remove_again(r, p);
    bind_to_values(r, p);
}
