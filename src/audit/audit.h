/*
 * Audit: who changed what and why, as hash-chained JSON lines. An intent is on disk before the
 * first LDAP operation, the outcome before the answer. No intent, no write.
 *
 * Owns:    the file audit-<kind>.jsonl in audit.dir and its lock (for life). Rotation by size; a
 *          file's first record carries the last hash of the one before.
 * Threads: any number may append; with sync "batch" one fsync serves all that wait. Nothing is held
 *          across a network call.
 * Errors:  ERR_UNAVAILABLE when the record is not on disk (disk full, EIO): then no change may be
 *          made; the next append tries again, so it recovers alone.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "kiops/kiops.h"

struct audit;

struct audit_settings {
    struct str dir;
    struct str kind; /* "serve", "cli", "reconcile" */
    bool sync;       /* batch; false = none */
    size_t rotate_bytes;
    bool wait_lock; /* CLI runs wait for the lock, serve refuses: ERR_CONFIG naming the file */
};

MUST_CHECK bool audit_open(const struct audit_settings *s, struct audit **out, struct error *err);
void audit_close(struct audit *a);

/* On success the intent is on disk; `*intent` is its sequence number (from 1, per chain), for the
 * outcome. `client`, `request_id` may be empty. */
MUST_CHECK bool audit_intent(struct audit *a, const struct kiops_record *record,
                             struct str request_id, uint64_t *intent, struct error *err);
/* Several intents of one request, one wait for the disk. intents[n] is filled. */
struct audit_batch {
    const struct kiops_record *records;
    size_t count;
    struct str request_id;
};
MUST_CHECK bool audit_batch_intents(struct audit *a, const struct audit_batch *batch,
                                    uint64_t *intents, struct error *err);
enum audit_result {
    AUDIT_DONE,
    AUDIT_REFUSED,
    AUDIT_LOST_RACE,
    AUDIT_FAILED,
    AUDIT_UNFINISHED,
    AUDIT_UNKNOWN
};
/* Written before the answer; it is not waited for on disk (the intent says what to look for). */
void audit_outcome(struct audit *a, uint64_t intent, enum audit_result result, struct str detail);
/* Done; and the intent could not yet name its subject, which is this one: a new user. */
void audit_made(struct audit *a, uint64_t intent, struct str subject);
/* A refusal by rule, without an intent. */
void audit_refusal(struct audit *a, const struct kiops_record *record, struct str request_id);
/* For /readyz. After a failure it tries the disk itself, so that a bridge without traffic recovers.
 */
bool audit_healthy(const struct audit *a);

struct audit_check {
    uint64_t records, intents_without_outcome;
    uint64_t first_bad_line; /* 0 = the chain holds */
};
/* Verifies chain and rotation links of a file; lists intents without outcome to `report`, a line
 * each. Errors: ERR_CONFIG (cannot read, broken chain: says which line). */
MUST_CHECK bool audit_verify(struct str path, struct audit_check *check, struct buf *report,
                             struct error *err);

/* ---- read.c */
/* A change that was made, as its intent says. */
struct audit_change {
    uint64_t seq;
    struct str chain; /* "serve", "cli", "reconcile" */
    struct str time, change, actor /* "token:NAME", "person:ID", "operator:NAME" */, rule,
        organization /* empty: of none */, permission /* of a grant or revocation */;
};
struct audit_changes {
    const struct audit_change *at;
    size_t count;
};
/* What was done to a person, as far as the files in `dir` hold it: chain by chain, oldest first. No
 * lock is taken; the chain is not checked (audit_verify() does). Errors: ERR_CONFIG. */
MUST_CHECK bool audit_read_changes(struct str dir, struct str subject, struct arena *a,
                                   struct audit_changes *out, struct error *err);

/* Whose memberships were changed since then, by the same files: a hash each, 8 bytes a change. */
struct audit_touched {
    const uint64_t *keys;
    size_t count;
};
MUST_CHECK bool audit_read_touched(struct str dir, instant_t since, struct arena *a,
                                   struct audit_touched *out, struct error *err);
bool audit_touched_has(const struct audit_touched *t, struct str subject, struct str organization);

/* ---- latest.c */
/* What was done, or refused, in one organization, from the newest on: of the chain "serve" alone,
 * at most `count`, and after a ceiling of bytes fewer. */
struct audit_wanted {
    struct str dir, organization;
    instant_t before; /* INSTANT_NONE: from the newest on */
    size_t count;     /* at least 1 */
};
struct audit_recent {
    struct str time, change, actor_kind, actor /* id */, subject, permission, rule;
    struct str result; /* as the outcome says it; "open": none was found */
};
struct audit_recents {
    const struct audit_recent *at;
    size_t count;
    struct str next; /* `before` of what follows; empty: there is nothing older */
};
/* Results lie in the arena. Errors: ERR_UNAVAILABLE. */
MUST_CHECK bool audit_read_latest(const struct audit_wanted *wanted, struct arena *a,
                                  struct audit_recents *out, struct error *err);
