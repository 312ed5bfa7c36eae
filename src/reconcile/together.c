/* Lines at the provider, several of them in one request. */
#include "reconcile/apply.h"

struct together {
    struct reconcile_lines lines;
    size_t index[RECONCILE_TOGETHER];
};

static bool begin(struct applying *x, size_t i, size_t n, struct together *out, struct error *err)
{
    for (size_t end = i + n; i < end; i++) {
        struct reconcile_line *l = &x->plan->at[i];
        struct kiops_verdict verdict;
        if (!known_resolve(&x->known, l)) {
            apply_unmade(x, l);
            continue;
        }
        if (!apply_judge(x, l, &verdict))
            continue;
        if (!reconcile_journal_begin(x->journal, i, l, err))
            return false;
        out->index[out->lines.count] = i;
        out->lines.at[out->lines.count++] = l;
    }
    return !out->lines.count || reconcile_journal_wait(x->journal, err);
}

static enum mend_outcome make(struct applying *x, const struct reconcile_lines *lines,
                              struct reconcile_outcome *result, struct error *err)
{
    const struct reconcile_line *l = lines->at[0];
    struct reconcile_line now = *l;
    struct reconcile_lines sent = *lines;
    struct str id = l->remote.user.len ? l->remote.user : l->remote.group;
    now.write.version = known_version(&x->known, x->step, id, l->write.version);
    sent.at[0] = &now;
    enum mend_outcome outcome = reconcile_push_make(x->run, &sent, x->step, result, err);
    if (outcome != MEND_DONE)
        return outcome;
    known_remember(&x->known, id, l->write.version, result->is);
    known_made(&x->known, l, result->id);
    return outcome;
}

static bool end(struct applying *x, const struct together *t, enum mend_outcome outcome,
                const struct reconcile_outcome *result, struct error *err)
{
    for (size_t k = 0; k < t->lines.count; k++)
        reconcile_journal_end(x->journal, t->index[k], apply_outcomes[outcome], result);
    for (size_t k = 0; k < t->lines.count; k++)
        if (!apply_conclude(x, &x->plan->at[t->index[k]], outcome, err))
            return false;
    return true;
}

/* One of them was refused, and with it all: each by itself. */
static bool make_apart(struct applying *x, const struct together *t, struct error *err)
{
    for (size_t k = 0; k < t->lines.count; k++) {
        struct together one = {.lines = {{t->lines.at[k]}, 1}, .index = {t->index[k]}};
        struct reconcile_outcome result;
        enum mend_outcome outcome = make(x, &one.lines, &result, err);
        if (!end(x, &one, outcome, &result, err))
            return false;
    }
    return true;
}

bool apply_together(struct applying *x, size_t i, size_t *taken, struct error *err)
{
    struct together t = {0};
    struct reconcile_outcome result;
    *taken = reconcile_push_together(&x->plan->at[i], x->plan->count - i);
    if (!apply_may_go_on(x, err) || !begin(x, i, *taken, &t, err))
        return false;
    if (!t.lines.count)
        return true;
    enum mend_outcome outcome = make(x, &t.lines, &result, err);
    if (outcome != MEND_REFUSED || t.lines.count == 1)
        return end(x, &t, outcome, &result, err);
    error_clear(err);
    return make_apart(x, &t, err);
}
