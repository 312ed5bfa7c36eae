/* Making what a plan says: line by line, each on disk before it is sent. */
#include "reconcile/reconcile.h"

#include <time.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

struct version { /* of what this run has changed */
    UT_hash_handle hh;
    struct str now;
    char key[]; /* id and planned version */
};

struct key { /* what a line of the plan made */
    struct str key, id;
};

struct applying {
    const struct reconcile_run *run;
    struct reconcile_plan *plan;
    const struct reconcile_apply *how;
    struct reconcile_applied *out;
    struct reconcile_journal *journal;
    struct version *versions;
    struct key *keys; /* in order */
    size_t key_count;
    struct arena *step; /* of one line */
    int64_t began;      /* monotonic ms */
    size_t made;
};

/* ---- versions: our own change of an entry is no reason to refuse the next one of it */

static struct str version_key(struct applying *x, struct str id, struct str version)
{
    const struct str parts[] = {id, STR("\n"), version};
    return arena_join(x->step, parts, 3);
}

static struct str own_or(struct applying *x, struct str id, struct str planned)
{
    struct version *own = NULL;
    struct str key = version_key(x, id, planned);
    if (planned.len)
        HASH_FIND(hh, x->versions, key.at, key.len, own);
    return own ? own->now : planned;
}

/* `from`: as planned; `then`: as later lines were planned on. */
static void remember(struct applying *x, struct str id, struct str then, struct str now)
{
    struct arena *a = x->run->ground.arena;
    struct version *v = NULL;
    struct str key = version_key(x, id, then);
    if (!then.len || !now.len)
        return;
    HASH_FIND(hh, x->versions, key.at, key.len, v);
    if (!v) {
        v = arena_alloc(a, sizeof *v + key.len + 1);
        memcpy(v->key, key.at, key.len);
        HASH_ADD_KEYPTR(hh, x->versions, v->key, key.len, v);
    }
    v->now = arena_str(a, now);
}

/* ---- what earlier lines made */

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct key *)a)->key, ((const struct key *)b)->key);
}

static void list_keys(struct applying *x)
{
    const struct reconcile_plan *p = x->plan;
    x->keys = ARENA_ARRAY(x->run->ground.arena, struct key, p->count + 1);
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].write.makes.len)
            x->keys[x->key_count++] = (struct key){.key = p->at[i].write.makes};
    if (x->key_count)
        qsort(x->keys, x->key_count, sizeof *x->keys, by_key);
}

static struct key *key_of(const struct applying *x, struct str key)
{
    const struct key wanted = {.key = key};
    return x->key_count ? bsearch(&wanted, x->keys, x->key_count, sizeof *x->keys, by_key) : NULL;
}

static bool know(const struct applying *x, struct str *id, struct str made)
{
    const struct key *k = id->len || !made.len ? NULL : key_of(x, made);
    if (k)
        *id = k->id;
    return id->len || !made.len;
}

/* New: with ids where keys stood. NULL: one is not known. */
static json_t *resolve(const struct applying *x, const json_t *value)
{
    struct str made = json_is_object(value) ? json_get_str(value, "$made") : STR_NONE;
    const struct key *k = made.at ? key_of(x, made) : NULL;
    if (made.at)
        return k && k->id.len ? json_string_safe(k->id) : NULL;
    json_t *to = json_is_array(value) ? json_array() : json_is_object(value) ? json_object() : NULL;
    if (!to)
        return json_copy_deep(value);
    size_t i;
    const char *name;
    json_t *inner = NULL, *part = to;
    json_array_foreach((json_t *)(uintptr_t)value, i, inner)
    {
        part = resolve(x, inner);
        if (!part)
            break;
        json_push(to, part);
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, inner)
    {
        part = resolve(x, inner);
        if (!part)
            break;
        json_put(to, name, part);
    }
    if (part)
        return to;
    json_decref(to);
    return NULL;
}

static bool make_known(struct applying *x, struct reconcile_line *l)
{
    if (l->means == RECONCILE_REMOTE)
        return know(x, &l->remote.user, l->subject_made) &&
               know(x, &l->remote.group, l->organization_made);
    if (l->means != RECONCILE_WRITE)
        return true;
    json_t *body = l->write.body ? resolve(x, l->write.body) : NULL;
    if (body)
        json_keep(x->run->ground.arena, body);
    bool known = know(x, &l->subject, l->subject_made) &&
                 know(x, &l->organization, l->organization_made) && !l->write.body == !body;
    if (body)
        l->write.body = body;
    return known;
}

/* ---- one line */

/* What is read to find out lies in the arena of the step. */
static bool may_go_on(struct applying *x, struct error *err)
{
    struct mend_ground *g = (struct mend_ground *)(uintptr_t)&x->run->ground;
    switch (reconcile_lease_check(x->how->lease, err)) {
    case LEASE_HELD:
        break;
    case LEASE_BUSY:
        x->out->lost_lease = true;
        return false;
    case LEASE_FAILED:
        return false;
    }
    struct mend_ground passing = *g;
    passing.arena = x->step;
    return service_mend_actor(&passing, x->run->job->as, &g->actor, err);
}

static bool judge(struct applying *x, struct reconcile_line *l, struct kiops_verdict *v)
{
    const struct mend_ground *g = &x->run->ground;
    bool may = reconcile_judge(&g->actor, g->arena, l, v);
    x->out->refused += !may;
    return may;
}

static void moved(struct applying *x, struct reconcile_line *l, const char *code, const char *text)
{
    l->state = RECONCILE_CONFLICT;
    l->code = code;
    l->text = str_of(text);
    x->out->moved++;
}

static void refused(struct applying *x, struct reconcile_line *l, struct error *err)
{
    struct arena *a = x->run->ground.arena;
    bool by_rule = err->rule[0] != 0;
    l->state = by_rule ? RECONCILE_REFUSED : RECONCILE_CONFLICT;
    if (by_rule)
        l->code = arena_cstr(a, str_of(err->rule));
    else if (err->kind == ERR_UNIQUENESS) /* it was not there when it was planned */
        l->code = "KB-C217";
    l->text = arena_str(a, str_of(err->detail));
    *(by_rule ? &x->out->refused : &x->out->moved) += 1;
    error_clear(err);
}

static bool conclude(struct applying *x, struct reconcile_line *l, enum mend_outcome outcome,
                     struct error *err)
{
    switch (outcome) {
    case MEND_DONE:
        x->out->done++;
        return true;
    case MEND_MOVED:
        error_clear(err);
        moved(x, l, "KB-C217", "changed since it was planned; the next run sees it as it is now");
        return true;
    case MEND_REFUSED:
        refused(x, l, err);
        return true;
    case MEND_BROKEN:
        break;
    }
    x->out->broken = true;
    return false;
}

static enum mend_outcome make_modify(struct applying *x, const struct reconcile_line *l,
                                     const char *rule, struct reconcile_outcome *out,
                                     struct error *err)
{
    struct service_mend mend = l->mend;
    struct mend_result result;
    struct mend_ground ground = x->run->ground;
    ground.arena = x->step;
    mend.csn = own_or(x, mend.id, mend.csn);
    mend.person_csn = own_or(x, l->subject, mend.person_csn);
    const struct kiops_record record = {.actor = ground.actor,
                                        .kind = l->kind,
                                        .rule = rule,
                                        .subject = l->subject,
                                        .organization = l->organization,
                                        .before = l->before,
                                        .after = l->after};
    enum mend_outcome outcome = service_mend(&ground, &mend, &record, &result, err);
    *out = (struct reconcile_outcome){.was = result.pre_csn, .is = result.post_csn};
    if (outcome == MEND_DONE && l->mend.csn.len)
        remember(x, l->mend.id, l->then, result.post_csn);
    return outcome;
}

static enum mend_outcome make_write(struct applying *x, const struct reconcile_line *l,
                                    struct reconcile_outcome *out, struct error *err)
{
    struct reconcile_line now = *l;
    struct str id = reconcile_line_id(x->step, l);
    now.write.version = own_or(x, id, l->write.version);
    enum mend_outcome outcome = reconcile_write_make(x->run, &now, x->step, out, err);
    if (outcome != MEND_DONE)
        return outcome;
    remember(x, id, l->write.version, out->is);
    struct key *k = l->write.makes.len ? key_of(x, l->write.makes) : NULL;
    if (k)
        k->id = arena_str(x->run->ground.arena, out->id);
    return outcome;
}

static const char *const outcomes[] = {[MEND_DONE] = "done",
                                       [MEND_MOVED] = "moved",
                                       [MEND_REFUSED] = "refused",
                                       [MEND_BROKEN] = "unknown"};

static bool make_line(struct applying *x, size_t i, struct error *err)
{
    struct reconcile_line *l = &x->plan->at[i];
    struct kiops_verdict verdict;
    struct reconcile_outcome result;
    arena_reset(x->step);
    if (!may_go_on(x, err))
        return false;
    if (!make_known(x, l)) {
        moved(x, l, "KB-C219", "rests on a line that was not made");
        return true;
    }
    if (l->means == RECONCILE_MODIFY && !judge(x, l, &verdict))
        return true;
    if (!reconcile_journal_begin(x->journal, i, l, err))
        return false;
    enum mend_outcome outcome = l->means == RECONCILE_MODIFY
                                    ? make_modify(x, l, verdict.rule, &result, err)
                                    : make_write(x, l, &result, err);
    reconcile_journal_end(x->journal, i, outcomes[outcome], &result);
    return conclude(x, l, outcome, err);
}

/* ---- lines at the provider, several of them in one request */

struct together {
    struct reconcile_lines lines;
    size_t index[RECONCILE_TOGETHER];
};

static bool begin_together(struct applying *x, size_t i, size_t n, struct together *out,
                           struct error *err)
{
    for (size_t end = i + n; i < end; i++) {
        struct reconcile_line *l = &x->plan->at[i];
        struct kiops_verdict verdict;
        if (!make_known(x, l)) {
            moved(x, l, "KB-C219", "rests on a line that was not made");
            continue;
        }
        if (!judge(x, l, &verdict))
            continue;
        if (!reconcile_journal_begin(x->journal, i, l, err))
            return false;
        out->index[out->lines.count] = i;
        out->lines.at[out->lines.count++] = l;
    }
    return true;
}

static enum mend_outcome make_remote(struct applying *x, const struct reconcile_lines *lines,
                                     struct reconcile_outcome *result, struct error *err)
{
    const struct reconcile_line *l = lines->at[0];
    struct reconcile_line now = *l;
    struct reconcile_lines sent = *lines;
    struct str id = l->remote.user.len ? l->remote.user : l->remote.group;
    now.write.version = own_or(x, id, l->write.version);
    sent.at[0] = &now;
    enum mend_outcome outcome = reconcile_push_make(x->run, &sent, x->step, result, err);
    if (outcome != MEND_DONE)
        return outcome;
    remember(x, id, l->write.version, result->is);
    struct key *k = l->write.makes.len ? key_of(x, l->write.makes) : NULL;
    if (k)
        k->id = arena_str(x->run->ground.arena, result->id);
    return outcome;
}

static bool end_together(struct applying *x, const struct together *t, enum mend_outcome outcome,
                         const struct reconcile_outcome *result, struct error *err)
{
    for (size_t k = 0; k < t->lines.count; k++)
        reconcile_journal_end(x->journal, t->index[k], outcomes[outcome], result);
    for (size_t k = 0; k < t->lines.count; k++)
        if (!conclude(x, &x->plan->at[t->index[k]], outcome, err))
            return false;
    return true;
}

/* One of them was refused, and with it all: each by itself. */
static bool make_apart(struct applying *x, const struct together *t, struct error *err)
{
    for (size_t k = 0; k < t->lines.count; k++) {
        struct together one = {.lines = {{t->lines.at[k]}, 1}, .index = {t->index[k]}};
        struct reconcile_outcome result;
        enum mend_outcome outcome = make_remote(x, &one.lines, &result, err);
        if (!end_together(x, &one, outcome, &result, err))
            return false;
    }
    return true;
}

static bool make_together(struct applying *x, size_t i, size_t n, struct error *err)
{
    struct together t = {0};
    struct reconcile_outcome result;
    arena_reset(x->step);
    if (!may_go_on(x, err) || !begin_together(x, i, n, &t, err))
        return false;
    if (!t.lines.count)
        return true;
    enum mend_outcome outcome = make_remote(x, &t.lines, &result, err);
    if (outcome != MEND_REFUSED || t.lines.count == 1)
        return end_together(x, &t, outcome, &result, err);
    error_clear(err);
    return make_apart(x, &t, err);
}

/* ---- all of them */

static bool stopped(const struct applying *x)
{
    return x->how->stop && atomic_load(x->how->stop);
}

static void keep_rate(const struct applying *x)
{
    if (!x->how->rate)
        return;
    int64_t due = x->began + (int64_t)x->made * 1000 / x->how->rate;
    for (int64_t left; (left = due - clock_monotonic_ms()) > 0 && !stopped(x);) {
        int64_t ms = left < 100 ? left : 100;
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    }
}

static bool make_all(struct applying *x, struct error *err)
{
    size_t of = reconcile_plan_count(x->plan, RECONCILE_PLANNED);
    for (size_t i = 0; i < x->plan->count; i++) {
        if (x->plan->at[i].state != RECONCILE_PLANNED)
            continue;
        keep_rate(x);
        if (stopped(x)) {
            x->out->stopped = true;
            return true;
        }
        size_t n = reconcile_push_together(&x->plan->at[i], x->plan->count - i);
        bool remote = x->plan->at[i].means == RECONCILE_REMOTE;
        if (!(remote ? make_together(x, i, n, err) : make_line(x, i, err)))
            return false;
        x->made += n;
        i += n - 1;
        if (x->how->progress)
            x->how->progress(x->how->arg, x->made, of);
    }
    return true;
}

bool reconcile_apply(const struct reconcile_run *r, struct reconcile_plan *p,
                     const struct reconcile_apply *how, struct reconcile_applied *out,
                     struct error *err)
{
    OWNED_ARENA struct arena *step = arena_new();
    struct applying x = {
        .run = r, .plan = p, .how = how, .out = out, .step = step, .began = clock_monotonic_ms()};
    *out = (struct reconcile_applied){0};
    list_keys(&x);
    if (!reconcile_journal_open(r, reconcile_plan_count(p, RECONCILE_PLANNED), &x.journal, err))
        return false;
    bool made = make_all(&x, err);
    HASH_CLEAR(hh, x.versions);
    reconcile_journal_close(x.journal, !made ? "failed" : out->stopped ? "stopped" : "finished");
    return made;
}
