/*
 * Reconciliation: a job reads, makes a plan, shows it, and with --apply makes what it says.
 *
 *   job kind (drift.c, csv.c, ...) -> plan.c -> guard.c -> report.c, or apply.c with journal.c
 *
 * Owns:    a plan and all it points to lie in the arena of its run; JSON values are kept by it.
 * Threads: one caller; the connection is its own.
 * Errors:  ERR_UNAVAILABLE from a kind: it could not read to the end (exit 4); no plan is made of a
 *          part. What rules or state forbid is no error, but a line.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "kiops/kiops.h"
#include "reconcile/line.h"
#include "service/foresee.h"
#include "service/mend.h"
#include "service/service.h"

/* ---- plan.c: what is to be done */

struct reconcile_population { /* guards measure shares of these */
    size_t users, active;     /* that the job manages */
    size_t managers, permissions;
    size_t scope;  /* entries in the directory that are in scope (users) */
    size_t source; /* resources that the source has; 0 = has none of its own */
};

struct reconcile_plan {
    struct arena *arena;
    const struct config_job *job;
    struct reconcile_line *at;
    size_t count, cap;
    struct reconcile_population population;
    const struct str *gone; /* ids, in order: whom the source does not have any more */
    size_t gone_count;
    struct str renamed; /* a user whose groups do not follow yet (reconcile_resume()): what they are
                           there shows when the plan is made */
    /* Members of an organization, for the guard of removals; 0 = unknown. */
    size_t (*members_of)(const void *members, struct str organization);
    const void *members;
};

void reconcile_plan_init(struct reconcile_plan *p, struct arena *a, const struct config_job *job);
/* Zeroed but for `code`, which is "". Valid until the next one. */
struct reconcile_line *reconcile_plan_add(struct reconcile_plan *p, enum reconcile_state state,
                                          enum kiops_change_kind kind);
/* First what takes away, then what edits, then what gives; within these by organization, subject,
 * attribute: the same findings always make the same plan. */
void reconcile_plan_sort(struct reconcile_plan *p);
size_t reconcile_plan_count(const struct reconcile_plan *p, enum reconcile_state state);
/* New. With the digest of the configuration that it holds for. */
json_t *reconcile_plan_json(const struct reconcile_plan *p, const struct config *config);
/* ERR_CONFLICT: another configuration, job or form. */
MUST_CHECK bool reconcile_plan_load(struct reconcile_plan *p, const struct config *config,
                                    const json_t *doc, struct error *err);
struct str reconcile_config_digest(struct arena *a, const struct config *config,
                                   const struct config_job *job);

/* ---- a run */
struct reconcile_run {
    const struct config_job *job;
    const struct scim_catalog *catalog;
    struct service *service;                 /* of kinds whose lines are SCIM requests; else NULL */
    struct remote_client *provider;          /* of kinds that have one; else NULL */
    const struct reconcile_history *history; /* of earlier runs */
    struct str undoes;                       /* the run that it takes back; else empty */
    struct mend_ground ground; /* configuration, directory, connection, arena, who acts, run id */
};
/* "<job>-<time>-<random>" */
struct str reconcile_run_id(struct arena *a, const struct config_job *job);

/* A kind of job: makes the plan. It has each planned line judged: reconcile_judge(), or
 * reconcile_foresee() for a request. */
typedef bool reconcile_make(const struct reconcile_run *r, struct reconcile_plan *out,
                            struct error *err);
reconcile_make reconcile_drift; /* drift.c */
/* What stands on one side of a role, as a drift job that enforces finds it, of one person. */
MUST_CHECK bool reconcile_mend_roles(const struct reconcile_run *r, struct str user,
                                     struct reconcile_plan *out, struct error *err);
reconcile_make reconcile_csv;  /* csv.c */
reconcile_make reconcile_pull; /* pull.c */
reconcile_make reconcile_push; /* push.c */
/* provider.c: of jobs with a url. New; nothing is asked yet. */
struct remote_client *reconcile_provider(const struct config_job *job, const atomic_bool *stop);
/* difference.c: of a run with a service, plan->members_of. */
void reconcile_plan_know_members(struct reconcile_plan *p, const struct reconcile_run *r);

/* ---- judge.c: a line before the rules */
struct kiops_change reconcile_change(const struct reconcile_line *l);
/* false: the rules refuse it (service_mend_judge()), and the line says so; texts go to `a`. */
bool reconcile_judge(const struct kiops_actor *actor, struct arena *a, struct reconcile_line *l,
                     struct kiops_verdict *v);
bool reconcile_refused(struct arena *a, struct reconcile_line *l, const struct kiops_verdict *v);

/* ---- write.c: a line that is a SCIM request */
/* What the rules will say of it, as memory has the people and organizations now, and after what the
 * plan does before. */
void reconcile_foresee(const struct reconcile_run *r, struct reconcile_line *l,
                       const struct service_foresight *before);
/* What became of a line. */
struct reconcile_outcome {
    struct str was, is; /* versions; of a request `is` alone */
    struct str id;      /* of what a POST made */
    struct str place;   /* version of the organization, where this run has made that */
};
/* Texts of `out` in `a`. Every id in the line is known. */
enum mend_outcome reconcile_write_make(const struct reconcile_run *r,
                                       const struct reconcile_line *l, struct arena *a,
                                       struct reconcile_outcome *out, struct error *err);
/* Of a removal: is the person's side gone already, and not the group's? */
bool reconcile_half_removed(const struct reconcile_run *r, const struct reconcile_line *l);
/* Whose the request is, of one that may be made beside those of others (as in a bulk); else empty.
 */
struct str reconcile_write_key(const struct reconcile_run *r, const struct reconcile_line *l,
                               struct arena *a);

/* ---- push_make.c: lines at a provider */
/* How many lines, from the first on, go in one request: those that change the members of one group
 * alike. */
#define RECONCILE_TOGETHER 100
size_t reconcile_push_together(const struct reconcile_line *at, size_t n);
struct reconcile_lines {
    const struct reconcile_line *at[RECONCILE_TOGETHER];
    size_t count;
};
/* Every id is known. DONE: of all lines. */
enum mend_outcome reconcile_push_make(const struct reconcile_run *r,
                                      const struct reconcile_lines *lines, struct arena *a,
                                      struct reconcile_outcome *out, struct error *err);

/* ---- guard.c: how much at once. Pure. */
enum reconcile_guard {
    GUARD_DEACTIVATE,
    GUARD_DELETE,
    GUARD_REMOVE_MEMBER, /* of one organization */
    GUARD_DEMOTE,
    GUARD_GRANT_MANAGER,
    GUARD_GRANT_ADMIN,
    GUARD_GRANT_PERMISSION,
    GUARD_SCOPE_SHRINK,
    GUARD_SOURCE_SHRINK,
    GUARD_BUDGET_24H_DEACTIVATE,
    GUARD_BUDGET_24H_DELETE,
    GUARD_BUDGET_7D_DEACTIVATE,
    GUARD_BUDGET_7D_DELETE,
};
#define RECONCILE_GUARDS (GUARD_BUDGET_7D_DELETE + 1)
const char *reconcile_guard_name(enum reconcile_guard g); /* "budget_24h.delete" */
bool reconcile_guard_parse(struct str name, enum reconcile_guard *out);

/* What earlier runs did: kept in the job's entry. */
struct reconcile_spent {
    instant_t at;
    uint32_t deactivate, delete_;
};
#define RECONCILE_SPENT_MAX 512
struct reconcile_gone {
    struct str id; /* ours */
    instant_t since;
};
/* So many are remembered; who is beyond is deleted that much later. */
#define RECONCILE_GONE_MAX 20000
struct reconcile_history {
    instant_t at;    /* of the last run that wrote it; INSTANT_NONE = none did */
    uint64_t serial; /* of the last run that wrote it */
    struct reconcile_spent spent[RECONCILE_SPENT_MAX]; /* oldest first, of the last 7 days */
    size_t spent_count;
    size_t scope, source; /* of the last run that was not stopped; 0 = there was none */
    const struct reconcile_gone *gone; /* by id: whom the source does not have any more */
    size_t gone_count;
};
/* --release NAME=N: N instead of what the configuration says; -1 = not released. */
struct reconcile_release {
    int64_t at[RECONCILE_GUARDS];
};
struct reconcile_trip {
    enum reconcile_guard guard;
    struct str organization; /* of GUARD_REMOVE_MEMBER */
    size_t wanted, allowed, population;
};
struct reconcile_trips {
    struct reconcile_trip *at;
    size_t count, cap;
};
struct reconcile_limits {
    const struct config_guards *guards;
    const struct reconcile_history *history;
    const struct reconcile_release *release;
    instant_t now;
};
/* The guards that do not let the plan pass, in the order of the enum. */
void reconcile_guard_check(const struct reconcile_plan *p, const struct reconcile_limits *limits,
                           struct reconcile_trips *out);
/* What an application of the plan adds to the history. */
void reconcile_guard_spend(const struct reconcile_plan *p, instant_t now,
                           struct reconcile_history *h);

/* The history as the job's entry keeps it. Odd text is as none. */
void reconcile_history_read(struct arena *a, struct str text, struct reconcile_history *out);
/* Since when; INSTANT_NONE: has been there the last time. */
instant_t reconcile_gone_since(const struct reconcile_history *h, struct str id);
struct str reconcile_history_write(struct arena *a, const struct reconcile_history *h);

/* ---- lease.c: one run of a job at a time, whatever the host */
struct reconcile_lease {
    const struct reconcile_run *run;
    struct service_job entry; /* as it is now */
    instant_t until;
};
enum reconcile_leased { LEASE_HELD, LEASE_BUSY, LEASE_FAILED };
/* BUSY: `err` says who holds it and since when it lapses. */
enum reconcile_leased reconcile_lease_take(const struct reconcile_run *r,
                                           struct reconcile_lease *out, struct error *err);
/* Still ours? Renewed when half of its time is over. */
enum reconcile_leased reconcile_lease_check(struct reconcile_lease *l, struct error *err);
/* Less than a quarter of its time is left: no change is begun before the next check. Any thread. */
bool reconcile_lease_is_short(const struct reconcile_lease *l);
MUST_CHECK bool reconcile_lease_state(struct reconcile_lease *l, struct str state,
                                      struct error *err);
void reconcile_lease_release(struct reconcile_lease *l);

/* ---- journal.c: what a run does, on disk before it is done */
struct reconcile_journal;
/* journal_dir/<run>.jsonl. ERR_CONFIG: cannot be made. */
MUST_CHECK bool reconcile_journal_open(const struct reconcile_run *r, size_t lines,
                                       struct reconcile_journal **out, struct error *err);
/* On disk once it was waited for, with those that began before. */
MUST_CHECK bool reconcile_journal_begin(struct reconcile_journal *j, size_t line,
                                        const struct reconcile_line *l, struct error *err);
MUST_CHECK bool reconcile_journal_wait(const struct reconcile_journal *j, struct error *err);
/* Any thread. */
void reconcile_journal_end(struct reconcile_journal *j, size_t line, const char *outcome,
                           const struct reconcile_outcome *r);
void reconcile_journal_close(struct reconcile_journal *j, const char *how); /* NULL is fine */
/* Its lines, one after the other; a last one that was cut off by a crash is none. */
typedef bool reconcile_take(void *arg, const json_t *line);
MUST_CHECK bool reconcile_journal_read(struct str dir, struct str run, reconcile_take *take,
                                       void *arg, struct error *err);
struct reconcile_past {
    struct str id, job, began, how; /* how: empty = broken off */
    size_t lines, done, begun;
};
/* Runs whose journals lie in `dir`, oldest first. */
MUST_CHECK bool reconcile_journal_list(struct str dir, struct arena *a, struct reconcile_past **out,
                                       size_t *count, struct error *err);
/* The plan that takes back what a run did, last line first. Refused lines of it say why. */
MUST_CHECK bool reconcile_journal_undo(struct str dir, struct str run, struct reconcile_plan *out,
                                       struct error *err);
/* Of whom? The job's name; ERR_NOT_FOUND. */
MUST_CHECK bool reconcile_journal_job(struct str dir, struct str run, struct arena *a,
                                      struct str *job, struct error *err);

/* ---- resume.c */
/* Should the job's last run have been broken off here, what it left half-done. */
MUST_CHECK bool reconcile_resume(const struct reconcile_run *r, struct reconcile_plan *out,
                                 struct error *err);
/* Should an undo of the same run have been broken off here: whatever version it left things in, the
 * rest of it is made. */
void reconcile_resume_undo(const struct reconcile_run *r, struct reconcile_plan *p);

/* ---- reverse.c, push_reverse.c: what takes back the lines of a journal, last one first */
struct reconcile_done {
    size_t line;     /* number in the run's plan */
    bool over, done; /* its end was written; and says that it was made */
    struct reconcile_outcome outcome;
};
void reconcile_push_reverse(struct reconcile_plan *p, const struct reconcile_line *l,
                            const struct reconcile_done *made);
void reconcile_reverse(struct reconcile_plan *out, const struct reconcile_plan *was,
                       const struct reconcile_done *made);

/* ---- apply.c */
/* So many lines are begun together, at most. */
#define RECONCILE_BATCH 64
struct reconcile_apply {
    struct reconcile_lease *lease;
    unsigned rate;           /* changes a second; 0 = as fast as it goes */
    const atomic_bool *stop; /* what is under way ends, no other change begins; NULL = nobody */
    void (*progress)(void *arg, size_t done, size_t of);
    void *arg;
};
struct reconcile_applied {
    size_t done, moved, refused; /* lines; their state in the plan says it, too */
    bool stopped, broken, lost_lease;
};
/* Makes the planned lines. One that moved becomes RECONCILE_CONFLICT, a refused one
 * RECONCILE_REFUSED; false: it could not go on, and `err` says why. */
MUST_CHECK bool reconcile_apply(const struct reconcile_run *r, struct reconcile_plan *p,
                                const struct reconcile_apply *how, struct reconcile_applied *out,
                                struct error *err);

/* ---- report.c */
void reconcile_line_text(const struct reconcile_line *l, struct buf *out); /* no newline */
void reconcile_report_ldif(const struct reconcile_plan *p, struct buf *out);
