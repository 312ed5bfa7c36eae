/*
 * Several lines here at once: one look at the lease, one wait for the journal and one for the audit
 * serve all of them, and each is made on a connection of its own.
 *
 * Lines are taken in the plan's order, up to the first one that must see what an earlier one left:
 * it waits for the next batch. So nothing shows whether they were made one by one.
 */
#include "reconcile/apply.h"

#include "base/memory.h"
#include "base/own.h"

struct slot { /* a line that is under way */
    size_t line;
    struct arena *arena;
    struct str key; /* of a request: whose it is */
    const char *rule;
    uint64_t intent; /* of a modify */
    bool made;       /* or tried: `outcome` says */
    enum mend_outcome outcome;
    struct reconcile_outcome result;
    struct error err;
};

struct batch {
    struct applying *x;
    struct mend_hands *hands; /* from the first time on that there are two lines */
    struct slot at[RECONCILE_BATCH];
    size_t count, begun; /* begun: those of which the journal knows */
    atomic_bool broken;
};

struct batch *apply_batch_new(struct applying *x)
{
    struct batch *b = must(calloc(1, sizeof *b));
    b->x = x;
    return b;
}

void apply_batch_free(struct batch *b)
{
    if (!b)
        return;
    service_mend_hands_free(b->hands);
    for (size_t k = 0; k < RECONCILE_BATCH; k++)
        arena_free(b->at[k].arena);
    free(b);
}

static struct reconcile_line *line_of(const struct batch *b, const struct slot *s)
{
    return &b->x->plan->at[s->line];
}

/* ---- which lines */

static bool is_one_of(struct str id, const struct reconcile_line *l)
{
    return id.len && (str_eq(id, l->mend.id) || str_eq(id, l->subject));
}

/* A modify writes one entry, and may rest on the version of the person concerned. */
static bool share_an_entry(const struct reconcile_line *a, const struct reconcile_line *b)
{
    return is_one_of(a->mend.id, b) || is_one_of(a->subject, b);
}

/* Of values that stand on the person's entry alone, and say nothing of who belongs to an
 * organization or manages it. */
static bool is_personal(const struct reconcile_line *l)
{
    return l->kind == KIOPS_GRANT || l->kind == KIOPS_REVOKE || l->kind == KIOPS_REJECT;
}

static bool share_an_organization(const struct reconcile_line *a, const struct reconcile_line *b)
{
    return a->organization.len && str_eq(a->organization, b->organization) &&
           !(is_personal(a) && is_personal(b));
}

static bool share_a_writer(struct str key, struct str other)
{
    return !key.len || !other.len || str_eq(key, other);
}

/* Does it touch nothing that a line of the batch does? `key`: of a request that may run beside
 * others; else empty. */
static bool is_apart(const struct batch *b, const struct reconcile_line *l, struct str key)
{
    for (size_t k = 0; k < b->count; k++) {
        const struct reconcile_line *other = line_of(b, &b->at[k]);
        if (l->means != other->means)
            return false;
        if (l->means == RECONCILE_WRITE && share_a_writer(key, b->at[k].key))
            return false;
        if (l->means == RECONCILE_MODIFY &&
            (share_an_entry(l, other) || share_an_organization(l, other)))
            return false;
    }
    return true;
}

static struct slot *next_slot(struct batch *b, size_t line)
{
    struct slot *s = &b->at[b->count];
    struct arena *a = s->arena ? s->arena : arena_new();
    arena_reset(a);
    *s = (struct slot){.line = line, .arena = a, .rule = "", .err = ERROR_INIT};
    return s;
}

enum taken { TAKEN, OVER /* refused, or rests on what was not made */, WAITS };

static enum taken take_line(struct batch *b, size_t i)
{
    struct applying *x = b->x;
    struct reconcile_line *l = &x->plan->at[i];
    struct slot *s = next_slot(b, i);
    struct kiops_verdict verdict = {.rule = ""};
    if (l->state != RECONCILE_PLANNED || l->means == RECONCILE_REMOTE)
        return WAITS;
    if (l->means == RECONCILE_WRITE)
        s->key = reconcile_write_key(x->run, l, s->arena);
    if (!is_apart(b, l, s->key))
        return WAITS;
    if (!known_resolve(&x->known, l)) {
        if (b->count) /* perhaps one of these makes it */
            return WAITS;
        apply_unmade(x, l);
        return OVER;
    }
    if (l->means == RECONCILE_MODIFY && !apply_judge(x, l, &verdict))
        return OVER;
    s->rule = verdict.rule;
    b->count++;
    return TAKEN;
}

/* How many lines of the plan it went through. */
static size_t take(struct batch *b, size_t from, size_t most)
{
    size_t end = b->x->plan->count - from < most ? b->x->plan->count : from + most, i = from;
    b->count = b->begun = 0;
    while (i < end && take_line(b, i) != WAITS)
        i++;
    return i - from;
}

/* ---- before */

static bool intend(struct batch *b, struct error *err)
{
    const struct mend_ground *g = &b->x->run->ground;
    struct kiops_record records[RECONCILE_BATCH];
    uint64_t intents[RECONCILE_BATCH];
    if (line_of(b, &b->at[0])->means != RECONCILE_MODIFY)
        return true; /* a request's is the service's */
    for (size_t k = 0; k < b->count; k++) {
        const struct reconcile_line *l = line_of(b, &b->at[k]);
        records[k] = (struct kiops_record){.actor = g->actor,
                                           .kind = l->kind,
                                           .rule = b->at[k].rule,
                                           .subject = l->subject,
                                           .organization = l->organization,
                                           .before = l->before,
                                           .after = l->after};
    }
    if (!service_mend_intend(g, (struct mend_records){records, b->count}, intents, err))
        return false;
    for (size_t k = 0; k < b->count; k++)
        b->at[k].intent = intents[k];
    return true;
}

static bool begin(struct batch *b, struct error *err)
{
    struct reconcile_journal *j = b->x->journal;
    for (; b->begun < b->count; b->begun++) {
        const struct slot *s = &b->at[b->begun];
        if (!reconcile_journal_begin(j, s->line, line_of(b, s), err))
            return false;
    }
    return reconcile_journal_wait(j, err) && intend(b, err);
}

/* ---- each of them, on any thread: nothing that is shared is changed */

static enum mend_outcome make_modify(const struct batch *b, const struct reconcile_run *run,
                                     struct slot *s)
{
    const struct reconcile_line *l = line_of(b, s);
    const struct known *known = &b->x->known;
    struct service_mend mend = l->mend;
    struct mend_result result;
    mend.mods.arena = s->arena;
    mend.csn = known_version(known, s->arena, mend.id, mend.csn);
    mend.person_csn = known_version(known, s->arena, l->subject, mend.person_csn);
    enum mend_outcome outcome = service_mend(&run->ground, &mend, s->intent, &result, &s->err);
    s->result = (struct reconcile_outcome){.was = result.pre_csn, .is = result.post_csn};
    return outcome;
}

static enum mend_outcome make_write(const struct batch *b, const struct reconcile_run *run,
                                    struct slot *s)
{
    struct reconcile_line now = *line_of(b, s);
    struct str id = reconcile_line_id(s->arena, &now);
    now.write.version = known_version(&b->x->known, s->arena, id, now.write.version);
    return reconcile_write_make(run, &now, s->arena, &s->result, &s->err);
}

static bool is_halted(const struct batch *b)
{
    return atomic_load(&b->broken) || apply_stopped(b->x);
}

static void make_slot(void *arg, size_t number, struct directory_conn *conn)
{
    struct batch *b = arg;
    struct slot *s = &b->at[number];
    struct reconcile_run run = *b->x->run;
    run.ground.conn = conn;
    run.ground.arena = s->arena;
    if (s->made || is_halted(b) || reconcile_lease_is_short(b->x->how->lease))
        return;
    s->made = true;
    s->outcome =
        line_of(b, s)->means == RECONCILE_MODIFY ? make_modify(b, &run, s) : make_write(b, &run, s);
    reconcile_journal_end(b->x->journal, s->line, apply_outcomes[s->outcome], &s->result);
    if (s->outcome == MEND_BROKEN)
        atomic_store(&b->broken, true);
}

static bool some_left(const struct batch *b)
{
    for (size_t k = 0; k < b->count; k++)
        if (!b->at[k].made)
            return true;
    return false;
}

/* Where the directory takes so long that the lease grows short, it is renewed in between. */
static bool make(struct batch *b, struct error *err)
{
    const struct mend_ground *g = &b->x->run->ground;
    if (b->count > 1 && !b->hands)
        b->hands = service_mend_hands(g);
    for (;;) {
        if (b->count > 1)
            service_mend_together(b->hands, (struct mend_tasks){make_slot, b, b->count});
        else
            make_slot(b, 0, g->conn);
        if (!some_left(b) || is_halted(b))
            return true;
        if (!apply_may_go_on(b->x, err))
            return false;
    }
}

/* ---- after */

static void know(struct batch *b, const struct slot *s)
{
    const struct reconcile_line *l = line_of(b, s);
    struct known *known = &b->x->known;
    if (l->means == RECONCILE_WRITE) {
        known_remember(known, reconcile_line_id(s->arena, l), l->write.version, s->result.is);
        known_made(known, l, s->result.id);
    } else if (l->mend.csn.len) {
        known_remember(known, l->mend.id, l->then, s->result.is);
    }
}

/* Of several that broke the run off, the first says why. */
static bool end_slot(struct batch *b, struct slot *s, struct error *err)
{
    struct applying *x = b->x;
    if (!s->made) {
        x->out->stopped |= apply_stopped(x);
        if (s->intent)
            service_mend_leave(&x->run->ground, s->intent);
        return true;
    }
    if (s->outcome == MEND_DONE)
        know(b, s);
    if (apply_conclude(x, line_of(b, s), s->outcome, &s->err))
        return true;
    if (err->kind == ERR_NONE)
        *err = s->err;
    return false;
}

static bool end(struct batch *b, struct error *err)
{
    bool goes_on = true;
    for (size_t k = 0; k < b->begun; k++)
        if (!b->at[k].made)
            reconcile_journal_end(b->x->journal, b->at[k].line, "left", &b->at[k].result);
    for (size_t k = 0; k < b->count; k++)
        goes_on = end_slot(b, &b->at[k], err) && goes_on;
    return goes_on;
}

bool apply_batch(struct applying *x, size_t i, size_t most, size_t *taken, struct error *err)
{
    struct batch *b = x->batch;
    if (!apply_may_go_on(x, err))
        return false;
    *taken = take(b, i, most < RECONCILE_BATCH ? most : RECONCILE_BATCH);
    atomic_store(&b->broken, false);
    if (!b->count)
        return true;
    bool made = begin(b, err) && make(b, err);
    return end(b, err) && made;
}
