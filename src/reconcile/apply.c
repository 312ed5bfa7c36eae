/* Making what a plan says: line by line, each on disk before it is sent. */
#include "reconcile/reconcile.h"

#include <assert.h>
#include <time.h>

struct version { /* of an entry that this run has changed */
    struct str id, then, now;
};

struct applying {
    const struct reconcile_run *run;
    struct reconcile_plan *plan;
    const struct reconcile_apply *how;
    struct reconcile_applied *out;
    struct reconcile_journal *journal;
    struct version *versions;
    size_t version_count, version_cap;
    int64_t began; /* monotonic ms */
    size_t made;
};

/* ---- versions: our own change of an entry is no reason to refuse the next one of it */

static struct version *version_of(struct applying *x, struct str id, struct str then)
{
    for (size_t i = x->version_count; i > 0; i--)
        if (str_eq(x->versions[i - 1].id, id) && str_eq(x->versions[i - 1].then, then))
            return &x->versions[i - 1];
    return NULL;
}

static struct str own_or(struct applying *x, struct str id, struct str planned)
{
    const struct version *own = planned.len ? version_of(x, id, planned) : NULL;
    return own ? own->now : planned;
}

static void remember(struct applying *x, const struct reconcile_line *l,
                     const struct mend_result *r)
{
    struct version *v = version_of(x, l->mend.id, l->mend.csn);
    if (!l->mend.csn.len)
        return;
    if (!v) {
        x->versions = arena_grow(x->run->ground.arena, x->versions, sizeof *x->versions,
                                 x->version_count, &x->version_cap);
        v = &x->versions[x->version_count++];
    }
    *v = (struct version){.id = l->mend.id, .then = l->then, .now = r->post_csn};
}

/* ---- one line */

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
    return service_mend_actor(g, x->run->job->as, &g->actor, err);
}

static bool judge(struct applying *x, struct reconcile_line *l, struct kiops_verdict *v)
{
    const struct kiops_change change = {.kind = l->kind,
                                        .subject = l->subject,
                                        .subject_name = l->subject_name,
                                        .organization = l->organization,
                                        .organization_name = l->organization_name,
                                        .operation = -1};
    *v = service_mend_judge(&x->run->ground.actor, &change);
    if (v->status != KIOPS_REFUSED)
        return true;
    l->state = RECONCILE_REFUSED;
    l->code = arena_cstr(x->run->ground.arena, str_of(v->rule));
    l->text = arena_str(x->run->ground.arena, str_of(v->text));
    x->out->refused++;
    return false;
}

static bool conclude(struct applying *x, struct reconcile_line *l, enum mend_outcome outcome,
                     struct error *err)
{
    switch (outcome) {
    case MEND_DONE:
        x->out->done++;
        return true;
    case MEND_MOVED:
        l->state = RECONCILE_CONFLICT;
        l->code = "KB-C217";
        l->text = STR("changed since it was planned; the next run sees it as it is now");
        x->out->moved++;
        return true;
    case MEND_REFUSED:
        l->state = RECONCILE_CONFLICT;
        l->text = arena_str(x->run->ground.arena, str_of(err->detail));
        error_clear(err);
        x->out->moved++;
        return true;
    case MEND_BROKEN:
        break;
    }
    x->out->broken = true;
    return false;
}

static bool make_line(struct applying *x, size_t i, struct error *err)
{
    static const char *const outcomes[] = {[MEND_DONE] = "done",
                                           [MEND_MOVED] = "moved",
                                           [MEND_REFUSED] = "refused",
                                           [MEND_BROKEN] = "unknown"};
    struct reconcile_line *l = &x->plan->at[i];
    struct kiops_verdict verdict;
    struct mend_result result;
    assert(l->means == RECONCILE_MODIFY); /* the kinds there are plan nothing else */
    if (!may_go_on(x, err))
        return false;
    if (!judge(x, l, &verdict))
        return true;
    if (!reconcile_journal_begin(x->journal, i, l, err))
        return false;
    struct service_mend mend = l->mend;
    mend.csn = own_or(x, mend.id, mend.csn);
    mend.person_csn = own_or(x, l->subject, mend.person_csn);
    const struct kiops_record record = {.actor = x->run->ground.actor,
                                        .kind = l->kind,
                                        .rule = verdict.rule,
                                        .subject = l->subject,
                                        .organization = l->organization,
                                        .before = l->before,
                                        .after = l->after};
    enum mend_outcome outcome = service_mend(&x->run->ground, &mend, &record, &result, err);
    if (outcome == MEND_DONE)
        remember(x, l, &result);
    reconcile_journal_end(x->journal, i, outcomes[outcome], &result);
    return conclude(x, l, outcome, err);
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
        if (!make_line(x, i, err))
            return false;
        x->made++;
        if (x->how->progress)
            x->how->progress(x->how->arg, x->made, of);
    }
    return true;
}

bool reconcile_apply(const struct reconcile_run *r, struct reconcile_plan *p,
                     const struct reconcile_apply *how, struct reconcile_applied *out,
                     struct error *err)
{
    struct applying x = {
        .run = r, .plan = p, .how = how, .out = out, .began = clock_monotonic_ms()};
    *out = (struct reconcile_applied){0};
    if (!reconcile_journal_open(r, reconcile_plan_count(p, RECONCILE_PLANNED), &x.journal, err))
        return false;
    bool made = make_all(&x, err);
    reconcile_journal_close(x.journal, !made ? "failed" : out->stopped ? "stopped" : "finished");
    return made;
}
