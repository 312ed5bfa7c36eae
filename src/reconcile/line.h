/*
 * A line of a plan: one change, why, and how it is made. Everything that a line can be stands here.
 *
 * Owns:    texts lie in the arena of the plan; bodies are kept by it.
 * Threads: one caller.
 * Errors:  ERR_CONFLICT: a line that was read back is none.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "kiops/kiops.h"
#include "scim/bulk.h"
#include "service/mend.h"
#include "service/service.h"

enum reconcile_state {
    RECONCILE_PLANNED,
    RECONCILE_REFUSED,  /* by rule: `code` is KB-R.. */
    RECONCILE_CONFLICT, /* in the data: nobody but a person can tell */
    RECONCILE_REPORTED, /* found, and the job is to leave it so */
};

/* How a planned line is made: by one modify that carries its own precondition, or as the SCIM
 * request that it stands for: by the service, as if it had come over HTTP, or at the provider of
 * the job. */
enum reconcile_means { RECONCILE_NOTHING, RECONCILE_MODIFY, RECONCILE_WRITE, RECONCILE_REMOTE };

/* Resource type, method and path follow from the line's kind, subject and organization. */
struct reconcile_write {
    const json_t *body; /* POST: resource; PATCH: PatchOp message; NULL: DELETE. Where an id is not
                           known before an earlier line is made, {"$made": KEY} stands. */
    struct str version; /* of the resource that it was planned on, as an ETag; empty = none */
    bool bare;          /* of a DELETE: only while the person is in no organization */
    struct str makes;   /* of a POST: KEY, of what later lines refer to */
};

/* Ids at the provider; empty: of what the line of `subject_made`, `organization_made` makes there.
 * Subject and organization are ids here. */
struct reconcile_remote {
    struct str user, group;
};

struct reconcile_line {
    enum reconcile_state state;
    enum kiops_change_kind kind; /* what the rules judge, and guards count */
    const char *code;            /* KB-C.. found, or KB-R.. that refused; "" = an ordinary change */
    struct str subject, subject_name; /* user id; may be empty */
    struct str organization, organization_name;
    struct str subject_made, organization_made; /* KEY of the line that makes it: id not known */
    struct str attribute;                       /* SCIM path, or LDAP attribute, of an edit */
    struct str text;          /* why, in one sentence; evidence that a person reads */
    struct str before, after; /* texts of what changes; empty = nothing. Of users and organizations
                                 JSON, in which an undo finds what was */
    struct str by;            /* modifiersName of who did it, with ... */
    struct str at;            /* ... modifyTimestamp, RFC 3339 */
    enum reconcile_means means; /* of a planned line */
    bool late;                /* after what gives, not before: takes from who gives way to others */
    struct service_mend mend; /* RECONCILE_MODIFY */
    struct str then; /* version that later lines of the same entry were planned on: mend.csn; of an
                        undo, the one before */
    struct reconcile_write write; /* RECONCILE_WRITE, RECONCILE_REMOTE */
    struct reconcile_remote remote;
};

/* The request of a line whose kind, subject, organization (or their keys) are set; of a grant and a
 * revocation `attribute` is "permissions" and the word stands in `after`, `before`. */
void reconcile_line_membership(struct arena *a, struct reconcile_line *l);
/* The same of a user or an organization; `body` is taken: the resource of a POST; of a PATCH an
 * object, each member a path and the value that replaces it (null: is removed). */
void reconcile_line_resource(struct arena *a, struct reconcile_line *l, json_t *body);
/* remote_line.c: the request of a line at the provider. `body` is taken: as above; of a member's
 * line NULL. */
void reconcile_line_remote(struct arena *a, struct reconcile_line *l, json_t *body);
struct str reconcile_remote_request(struct arena *a, const struct reconcile_line *l);
json_t *reconcile_remote_json(const struct reconcile_line *l); /* new */
bool reconcile_remote_load(struct arena *a, const json_t *o, struct reconcile_line *l);
/* New: the PatchOp message of an object as above. */
json_t *reconcile_patch(const json_t *wanted);
/* New: {"$made": key}. */
json_t *reconcile_made(struct str key);
struct reconcile_request {
    enum replica_kind resource;
    enum scim_verb verb;
};
/* false: no SCIM request stands for that kind. */
bool reconcile_request_of(enum kiops_change_kind kind, struct reconcile_request *out);
/* "PATCH /Users/<id>"; a key stands as ${KEY}. */
struct str reconcile_line_request(struct arena *a, const struct reconcile_line *l);
/* Of the request: where it goes; empty of a POST. */
struct str reconcile_line_id(struct arena *a, const struct reconcile_line *l);

/* '+' gives, '-' takes away, '~' edits, '!' refused, '?' conflict, '*' reported. */
char reconcile_symbol(const struct reconcile_line *l);
/* '+', '-' or '~' of a kind. */
char reconcile_direction(enum kiops_change_kind kind);
/* One line as JSON (new), and back; the same form in plans, journals and --json. */
json_t *reconcile_line_json(const struct reconcile_line *l);
struct reconcile_plan;
MUST_CHECK bool reconcile_line_load(struct reconcile_plan *p, const json_t *doc, struct error *err);
