/*
 * Making a plan: what the files that do it share.
 *
 * Owns:    everything lies in the arena of the run, but for `step`, which is emptied at each step.
 * Threads: one caller. What known_version() reads may be read by others meanwhile.
 * Errors:  as reconcile_apply().
 */
#pragma once

#include "reconcile/reconcile.h"

/* ---- known.c: what this run itself has made */
struct known {
    struct arena *arena;
    struct known_version *versions;
    struct known_key *keys; /* in order */
    size_t key_count;
};

void known_init(struct known *k, struct arena *a, const struct reconcile_plan *p);
void known_free(struct known *k);
/* Of an entry that was planned on that version: the one that this run has left it in, for its own
 * change is no reason to refuse the next one. Passing texts in `a`. */
struct str known_version(const struct known *k, struct arena *a, struct str id, struct str planned);
/* `then`: as later lines were planned on. */
void known_remember(struct known *k, struct str id, struct str then, struct str now);
/* The id of what a line made that makes a key. */
void known_made(struct known *k, const struct reconcile_line *l, struct str id);
/* Puts ids where keys stand. false: one is not known, as its line was not made. */
bool known_resolve(const struct known *k, struct reconcile_line *l);

/* ---- apply.c */
struct applying {
    const struct reconcile_run *run;
    struct reconcile_plan *plan;
    const struct reconcile_apply *how;
    struct reconcile_applied *out;
    struct reconcile_journal *journal;
    struct known known;
    struct batch *batch;
    struct arena *step;
    int64_t began; /* monotonic ms */
    size_t made;
};

extern const char *const apply_outcomes[]; /* as the journal has them, by enum mend_outcome */
bool apply_stopped(const struct applying *x);
/* The lease is ours, and so is the right to write: before each step. */
bool apply_may_go_on(struct applying *x, struct error *err);
/* It rests on a line that was not made. */
void apply_unmade(struct applying *x, struct reconcile_line *l);
/* false: the rules refuse it, and the line says so. */
bool apply_judge(struct applying *x, struct reconcile_line *l, struct kiops_verdict *v);
/* What became of a line; false: of the run, too. */
bool apply_conclude(struct applying *x, struct reconcile_line *l, enum mend_outcome outcome,
                    struct error *err);

/* ---- batch.c: a step here: lines of which none touches anything that another one does. As many
 * from `i` on as go together, `most` at most; `*taken`: how many. */
struct batch *apply_batch_new(struct applying *x);
void apply_batch_free(struct batch *b); /* NULL is fine */
MUST_CHECK bool apply_batch(struct applying *x, size_t i, size_t most, size_t *taken,
                            struct error *err);

/* ---- together.c: a step at the provider: lines that go in one request */
MUST_CHECK bool apply_together(struct applying *x, size_t i, size_t *taken, struct error *err);
