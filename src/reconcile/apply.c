/* Making what a plan says, step by step, each on disk before it is sent. */
#include "reconcile/apply.h"

#include <time.h>

#include "base/own.h"

const char *const apply_outcomes[] = {[MEND_DONE] = "done",
                                      [MEND_MOVED] = "moved",
                                      [MEND_REFUSED] = "refused",
                                      [MEND_BROKEN] = "unknown"};

bool apply_stopped(const struct applying *x)
{
    return x->how->stop && atomic_load(x->how->stop);
}

/* What is read to find out lies in the arena of the step. */
bool apply_may_go_on(struct applying *x, struct error *err)
{
    arena_reset(x->step);
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

bool apply_judge(struct applying *x, struct reconcile_line *l, struct kiops_verdict *v)
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

void apply_unmade(struct applying *x, struct reconcile_line *l)
{
    moved(x, l, "KB-C219", "rests on a line that was not made");
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

bool apply_conclude(struct applying *x, struct reconcile_line *l, enum mend_outcome outcome,
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

/* ---- all of them */

static void keep_rate(const struct applying *x)
{
    if (!x->how->rate)
        return;
    int64_t due = x->began + (int64_t)x->made * 1000 / x->how->rate;
    for (int64_t left; (left = due - clock_monotonic_ms()) > 0 && !apply_stopped(x);) {
        int64_t ms = left < 100 ? left : 100;
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    }
}

/* With a rate, no more than is due within a tenth of a second. */
static size_t at_once(const struct applying *x)
{
    unsigned rate = x->how->rate;
    return !rate || rate / 10 > RECONCILE_BATCH ? RECONCILE_BATCH : rate < 10 ? 1 : rate / 10;
}

static bool make_all(struct applying *x, struct error *err)
{
    size_t of = reconcile_plan_count(x->plan, RECONCILE_PLANNED), n = 0;
    for (size_t i = 0; i < x->plan->count && !x->out->stopped; i += n) {
        n = 1;
        if (x->plan->at[i].state != RECONCILE_PLANNED)
            continue;
        keep_rate(x);
        if (apply_stopped(x)) {
            x->out->stopped = true;
            return true;
        }
        if (!(x->plan->at[i].means == RECONCILE_REMOTE ? apply_together(x, i, &n, err)
                                                       : apply_batch(x, i, at_once(x), &n, err)))
            return false;
        x->made += n;
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
    if (!reconcile_journal_open(r, reconcile_plan_count(p, RECONCILE_PLANNED), &x.journal, err))
        return false;
    known_init(&x.known, r->ground.arena, p);
    x.batch = apply_batch_new(&x);
    bool made = make_all(&x, err);
    apply_batch_free(x.batch);
    known_free(&x.known);
    reconcile_journal_close(x.journal, !made ? "failed" : out->stopped ? "stopped" : "finished");
    return made;
}
