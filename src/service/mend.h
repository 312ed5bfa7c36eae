/*
 * Mending: one modify of a reconciliation, which carries its own precondition, and the entry that a
 * job keeps in the directory. Without a replica.
 *
 * Owns:    everything lies in the arena of the ground.
 * Threads: a ground has one caller, and the connection is its own; audit and directory are shared.
 * Errors:  ERR_UNAVAILABLE, ERR_UNAUTHORIZED (the job's token is gone); that an entry moved is no
 *          error but an outcome.
 */
#pragma once

#include "audit/audit.h"
#include "directory/directory.h"
#include "kiops/kiops.h"

struct mend_ground {
    const struct config *config;
    struct directory *directory;
    struct directory_conn *conn;
    struct audit *audit; /* NULL: nothing is written */
    struct arena *arena;
    struct kiops_actor actor;
    struct str run; /* stands in the audit as the request */
};

/* An entry of a person is bound to its version; one of a group, which others join meanwhile, to its
 * id, the values taken and, where given, to the version of the person concerned. */
struct service_mend {
    struct str dn, id, csn; /* csn empty: a group */
    struct directory_mods mods;
    struct str nobody;     /* DN that must name no entry; else empty */
    struct str person;     /* DN of the person concerned by a group's value; else empty */
    struct str person_csn; /* version in which that was decided */
    struct str manages;    /* organization id: the value goes back should the person, while it is
                              taken, be made Manager of it; "platform": PlatformAdmin */
};

/* Who acts: `as` is "token:NAME". ERR_UNAUTHORIZED: there is none, or it has expired. */
MUST_CHECK bool service_mend_actor(const struct mend_ground *g, struct str as,
                                   struct kiops_actor *out, struct error *err);
/* May the actor? Of what counts for nothing anyway: the state forbids none of it. */
struct kiops_verdict service_mend_judge(const struct kiops_actor *actor,
                                        const struct kiops_change *change);

enum mend_outcome {
    MEND_DONE,
    MEND_MOVED,   /* the entry is not any more as it was: nothing written */
    MEND_REFUSED, /* by rule, or by the directory: the error says why */
    MEND_BROKEN,  /* no connection, no right to go on: the error says why */
};
struct mend_result {
    struct str pre_csn, post_csn;
};
/* Intents of several changes, one wait for the disk; intents[n] is filled. */
struct mend_records {
    const struct kiops_record *at;
    size_t count;
};
MUST_CHECK bool service_mend_intend(const struct mend_ground *g, struct mend_records records,
                                    uint64_t *intents, struct error *err);
/* Look, modify, and the outcome of its intent. */
enum mend_outcome service_mend(const struct mend_ground *g, const struct service_mend *m,
                               uint64_t intent, struct mend_result *result, struct error *err);
/* The outcome of an intent that nothing was done for. */
void service_mend_leave(const struct mend_ground *g, uint64_t intent);

/* Stands in the audit: who let a guard pass, how much, and why. */
struct mend_release {
    struct str operator_name, guard, reason;
    int64_t allowed;
};
MUST_CHECK bool service_mend_release(const struct mend_ground *g, const struct mend_release *r,
                                     struct error *err);

/* ---- hands.c: several changes at once, each on a thread with a connection of its own, to the
 * server that is written to; as many as server.writers. */
struct mend_hands;
typedef void mend_task(void *arg, size_t number, struct directory_conn *conn);
struct mend_tasks {
    mend_task *run; /* run(arg, 0) ... run(arg, count - 1), on any thread, in any order */
    void *arg;
    size_t count;
};
struct mend_hands *service_mend_hands(const struct mend_ground *g);
void service_mend_hands_free(struct mend_hands *h); /* NULL is fine */
/* Returns when the last is over. */
void service_mend_together(struct mend_hands *h, struct mend_tasks tasks);

/* ---- job_entry.c: cn=NAME below jobs_base */
struct service_job {
    struct str name;
    struct str dn, id, csn; /* id empty: there is no such entry */
    struct str holder;
    struct str until; /* generalizedTime */
    struct str state; /* JSON */
};
MUST_CHECK bool service_job_read(const struct mend_ground *g, struct str name,
                                 struct service_job *out, struct error *err);
/* Old values out, those of `to` in, in one modify (or the first add). `*lost`: somebody else wrote
 * it since. */
MUST_CHECK bool service_job_write(const struct mend_ground *g, const struct service_job *from,
                                  const struct service_job *to, bool *lost, struct error *err);
