/*
 * Journal: journal_dir/<run>.jsonl, a JSON line each:
 *   {"run":..,"job":..,"as":..,"at":..,"lines":N,"undo":the run that it takes back}
 *   {"begin":I,"at":..,"line":{the line, with what it deletes and adds}}     on disk before it is
 * sent
 *   {"end":I,"at":..,"outcome":"done","was":version,"is":version,"id":of what was made}
 *                                              "left": begun with others, and never sent
 *   {"over":"finished"|"stopped"|"failed","at":..}                          missing: broken off
 */
#include "reconcile/reconcile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/own.h"

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define DEPTH 64

struct reconcile_journal {
    int fd;
    pthread_mutex_t lock; /* one line at a time */
};

/* ---- writing */

static bool unwritable(struct str dir, struct error *err)
{
    return error_set(err, ERR_CONFIG,
                     "the journal cannot be written to " STR_FMT
                     " (%s); nothing is changed without one",
                     STR_ARG(str_sub(dir, 0, 200)), strerrordesc_np(errno));
}

/* Whole, or not at all: half a line would spoil the next one too. */
static bool append(const struct reconcile_journal *j, struct str line)
{
    off_t begin = lseek(j->fd, 0, SEEK_END);
    for (size_t done = 0; done < line.len;) {
        ssize_t n = write(j->fd, line.at + done, line.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int why = errno;
            (void)!ftruncate(j->fd, begin);
            errno = why;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static bool write_line(struct reconcile_journal *j, json_t *taken, bool wait)
{
    OWNED_JSON json_t *o = taken;
    OWNED_BUF struct buf out;
    char at[CLOCK_TEXT_MAX];
    json_put_str(o, "at", clock_rfc3339(clock_now(), at));
    buf_init(&out, LINE_MAX_BYTES);
    json_write(o, &out);
    buf_char(&out, '\n');
    pthread_mutex_lock(&j->lock);
    bool written = append(j, buf_view(&out));
    pthread_mutex_unlock(&j->lock);
    return written && (!wait || fdatasync(j->fd) == 0);
}

static bool make_path(struct str dir, struct str run, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, STR_FMT "/" STR_FMT ".jsonl", STR_ARG(dir), STR_ARG(run));
    return n > 0 && n < PATH_MAX;
}

/* The name is on disk too. */
static bool sync_dir(struct str dir, struct arena *a)
{
    OWNED_FD int fd = open(arena_cstr(a, dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

static void shut(struct reconcile_journal *j)
{
    pthread_mutex_destroy(&j->lock);
    close(j->fd);
}

bool reconcile_journal_open(const struct reconcile_run *r, size_t lines,
                            struct reconcile_journal **out, struct error *err)
{
    struct arena *a = r->ground.arena;
    struct str dir = r->job->journal_dir;
    struct reconcile_journal *j = ARENA_NEW(a, struct reconcile_journal);
    char path[PATH_MAX];
    (void)mkdir(arena_cstr(a, dir), 0700);
    errno = ENAMETOOLONG;
    j->fd = make_path(dir, r->ground.run, path)
                ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600)
                : -1;
    if (j->fd < 0)
        return unwritable(dir, err);
    pthread_mutex_init(&j->lock, NULL);
    json_t *o = json_object();
    json_put_str(o, "run", r->ground.run);
    json_put_str(o, "job", r->job->name);
    json_put_str(o, "as", r->job->as);
    if (r->undoes.len)
        json_put_str(o, "undo", r->undoes);
    json_put(o, "lines", json_integer((json_int_t)lines));
    if (!write_line(j, o, true) || !sync_dir(dir, a)) {
        unwritable(dir, err);
        shut(j);
        return false;
    }
    *out = j;
    return true;
}

bool reconcile_journal_begin(struct reconcile_journal *j, size_t line,
                             const struct reconcile_line *l, struct error *err)
{
    json_t *o = json_object();
    json_put(o, "begin", json_integer((json_int_t)line));
    json_put(o, "line", reconcile_line_json(l));
    return write_line(j, o, false) || unwritable(STR("journal_dir"), err);
}

bool reconcile_journal_wait(const struct reconcile_journal *j, struct error *err)
{
    return fdatasync(j->fd) == 0 || unwritable(STR("journal_dir"), err);
}

void reconcile_journal_end(struct reconcile_journal *j, size_t line, const char *outcome,
                           const struct reconcile_outcome *r)
{
    json_t *o = json_object();
    json_put(o, "end", json_integer((json_int_t)line));
    json_put_str(o, "outcome", str_of(outcome));
    json_put_str(o, "was", r->was);
    json_put_str(o, "is", r->is);
    if (r->id.len)
        json_put_str(o, "id", r->id);
    if (r->place.len)
        json_put_str(o, "organizationIs", r->place);
    (void)write_line(j, o, false);
}

void reconcile_journal_close(struct reconcile_journal *j, const char *how)
{
    if (!j)
        return;
    json_t *o = json_object();
    json_put_str(o, "over", str_of(how));
    (void)write_line(j, o, true);
    shut(j);
}

/* ---- reading */

/* A last line that was cut off by a crash is no line. */
bool reconcile_journal_read(struct str dir, struct str run, reconcile_take *take, void *arg,
                            struct error *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t cap = 0;
    FILE *f = make_path(dir, run, path) ? fopen(path, "re") : NULL;
    if (!f)
        return error_set(err, ERR_NOT_FOUND,
                         "there is no journal of run " STR_FMT " here; see kiops-bridge runs",
                         STR_ARG(str_sub(run, 0, 100)));
    bool fine = true;
    for (ssize_t n; fine && (n = getline(&text, &cap, f)) > 0;) {
        struct error odd = ERROR_INIT;
        if (text[n - 1] != '\n')
            break;
        OWNED_JSON json_t *line = json_load_strict((struct str){text, (size_t)n - 1},
                                                   (struct json_limits){.depth = DEPTH}, &odd);
        fine = line && take(arg, line);
    }
    free(text);
    fclose(f);
    return fine || error_set(err, ERR_CONFLICT, "the journal of run " STR_FMT " cannot be read",
                             STR_ARG(str_sub(run, 0, 100)));
}

struct past {
    struct arena *arena;
    struct reconcile_past *out;
};

static bool take_past(void *arg, const json_t *line)
{
    const struct past *p = arg;
    struct reconcile_past *out = p->out;
    if (json_object_get(line, "run")) {
        out->job = arena_str(p->arena, json_get_str(line, "job"));
        out->began = arena_str(p->arena, json_get_str(line, "at"));
        out->lines = (size_t)json_integer_value(json_object_get(line, "lines"));
    }
    out->begun += json_object_get(line, "begin") != NULL;
    out->done += str_eq(json_get_str(line, "outcome"), STR("done"));
    if (json_object_get(line, "over"))
        out->how = arena_str(p->arena, json_get_str(line, "over"));
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct reconcile_past *x = a, *y = b;
    int order = str_cmp(x->began, y->began);
    return order ? order : str_cmp(x->id, y->id);
}

bool reconcile_journal_list(struct str dir, struct arena *a, struct reconcile_past **out,
                            size_t *count, struct error *err)
{
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    DIR *d = opendir(arena_cstr(a, dir));
    if (!d)
        return errno == ENOENT ||
               error_set(err, ERR_CONFIG, "the journals in " STR_FMT " cannot be read: %s",
                         STR_ARG(str_sub(dir, 0, 200)), strerrordesc_np(errno));
    for (const struct dirent *e; (e = readdir(d));) {
        struct str name = str_of(e->d_name);
        struct error odd = ERROR_INIT;
        if (!str_ends(name, STR(".jsonl")))
            continue;
        *out = arena_grow(a, *out, sizeof **out, *count, &cap);
        struct reconcile_past *p = &(*out)[*count];
        *p = (struct reconcile_past){
            .id = arena_str(a, str_sub(name, 0, name.len - (sizeof ".jsonl" - 1)))};
        struct past past = {a, p};
        *count += reconcile_journal_read(dir, p->id, take_past, &past, &odd) && p->job.len;
    }
    closedir(d);
    if (*count)
        qsort(*out, *count, sizeof **out, by_time);
    return true;
}

bool reconcile_journal_job(struct str dir, struct str run, struct arena *a, struct str *job,
                           struct error *err)
{
    struct reconcile_past p = {0};
    struct past past = {a, &p};
    size_t ignored;
    if (str_find(run, '/', &ignored))
        return error_set(err, ERR_NOT_FOUND, "that is no run; see kiops-bridge runs");
    if (!reconcile_journal_read(dir, run, take_past, &past, err))
        return false;
    *job = p.job;
    return true;
}

/* ---- undoing */

struct undoing {
    struct reconcile_plan *plan;
    struct reconcile_done *made;
    size_t count, cap;
};

static size_t number_of(const json_t *line, const char *name)
{
    return (size_t)json_integer_value(json_object_get(line, name));
}

/* Several may be under way at once. */
static struct reconcile_done *begun(const struct undoing *u, size_t line)
{
    for (size_t i = u->count; i > 0; i--)
        if (u->made[i - 1].line == line)
            return &u->made[i - 1];
    return NULL;
}

static bool take_undo(void *arg, const json_t *line)
{
    struct undoing *u = arg;
    struct arena *a = u->plan->arena;
    struct error odd = ERROR_INIT;
    if (json_object_get(line, "begin")) {
        u->made = arena_grow(a, u->made, sizeof *u->made, u->count, &u->cap);
        u->made[u->count++] = (struct reconcile_done){.line = number_of(line, "begin")};
        return reconcile_line_load(u->plan, json_object_get(line, "line"), &odd);
    }
    if (!json_object_get(line, "end") || !u->count)
        return true;
    struct reconcile_done *m = begun(u, number_of(line, "end"));
    if (!m)
        return false;
    struct str outcome = json_get_str(line, "outcome");
    m->over = !str_eq(outcome, STR("unknown"));
    m->done = str_eq(outcome, STR("done"));
    m->outcome =
        (struct reconcile_outcome){.was = arena_str(a, json_get_str(line, "was")),
                                   .is = arena_str(a, json_get_str(line, "is")),
                                   .id = arena_str(a, json_get_str(line, "id")),
                                   .place = arena_str(a, json_get_str(line, "organizationIs"))};
    return true;
}

bool reconcile_journal_undo(struct str dir, struct str run, struct reconcile_plan *out,
                            struct error *err)
{
    struct reconcile_plan was;
    reconcile_plan_init(&was, out->arena, out->job);
    struct undoing u = {.plan = &was};
    if (!reconcile_journal_read(dir, run, take_undo, &u, err))
        return false;
    reconcile_reverse(out, &was, u.made);
    return true;
}
