/*
 * The use cases: HTTP and reconciliation come through here. One function per request; it tells the
 * story: read -> patch -> check -> judge -> audit intent -> directory change -> replica -> audit
 * outcome -> answer.
 *
 * Owns:    struct service holds what the process shares; results live in the call's arena.
 * Threads: any. A function with a connection in its call may talk to the directory; with conn NULL
 *          (HTTP pool threads) it answers from memory, or says SERVICE_NEEDS_DIRECTORY and is
 *          called again by a reader or writer thread.
 * Errors:  every refusal is decided before the first write; afterwards an operation only goes
 *          forward.
 */
#pragma once

#include <jansson.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/error.h"
#include "config/config.h"
#include "directory/directory.h"
#include "kiops/kiops.h"
#include "replica/replica.h"
#include "scim/bulk.h"
#include "scim/scim.h"

struct service;

struct service_settings {
    const struct config *config;
    const struct scim_catalog *catalog;
    struct directory *directory;
    struct audit *audit;
    bool passing; /* a run beside the bridges: what all of them do now and then is left to them */
};

/* Starts the feed, writer, reader and scanner threads. Errors: ERR_CONFIG. */
MUST_CHECK bool service_start(const struct service_settings *s, struct service **out,
                              struct error *err);
void service_stop(struct service *s); /* waits for requests on writer threads */

const struct scim_catalog *service_catalog(const struct service *s);
/* NULL: not served (Memberships in plain mode). */
const struct scim_resource_type *service_type(const struct service *s, enum replica_kind kind);
struct replica *service_replica(const struct service *s);
/* ERR_UNAVAILABLE until the first refresh is complete, and when the feed is older than
 * stale_after_s. */
MUST_CHECK bool service_readable(const struct service *s, struct error *err);
/* Waits for that. ERR_UNAVAILABLE also when the directory could not be read to the end once. */
MUST_CHECK bool service_await(const struct service *s, int64_t deadline, struct error *err);
bool service_ready(const struct service *s); /* /readyz: readable, audit healthy */

/* limits.c: the configured ceilings, as the functions of src/scim take them. */
struct scim_limits service_limits(const struct config *config);

/* ---- one request */
struct service_call {
    struct service *service;
    struct arena *arena;
    struct directory_conn *conn; /* NULL in a pool thread */
    struct kiops_actor actor;
    struct str token_name;    /* re-read in the directory before a write; empty for a person */
    struct scim_context scim; /* what the body or patch is read with */
    struct str request_id;
    struct str if_match, if_none_match; /* header values as sent; STR_NONE */
    const struct scim_projection *projection;
    bool version_only;           /* the answer to a write has no body */
    struct removal_tally *tally; /* of the bulk that this is operation `tally_of` of; else NULL */
    size_t tally_of;
    bool has_time; /* on a scanner thread: nobody else's request waits for it */
};

enum service_status {
    SERVICE_OK,              /* 200 with body */
    SERVICE_CREATED,         /* 201 with body and location */
    SERVICE_NO_CONTENT,      /* 204 */
    SERVICE_NOT_MODIFIED,    /* 304 */
    SERVICE_NEEDS_DIRECTORY, /* conn is NULL and memory cannot answer: call again on a reader thread
                              */
    SERVICE_NEEDS_TIME,      /* a long scan: call again on a scanner thread, with has_time */
    SERVICE_FAILED,          /* err holds why */
};

struct service_result {
    enum service_status status;
    struct str body;                /* JSON */
    struct str version;             /* ETag value, or empty */
    struct str location;            /* absolute, or empty */
    struct directory_search search; /* with NEEDS_DIRECTORY after a miss: what will be asked */
};

/* access.c. Bearer token -> actor; the hash is compared in constant time. ERR_UNAUTHORIZED for
 * unknown, expired, revoked. With the feed not live and conn NULL: SERVICE_NEEDS_DIRECTORY. */
/* Uses service, arena and conn of the call. */
enum service_status service_authenticate(const struct service_call *c, struct str token,
                                         struct kiops_actor *actor, struct error *err);

/* person.c. Who has that id, on current state: ERR_UNAUTHORIZED for nobody, and for who is
 * inactive; with the feed not live, the entry is read again (conn NULL: SERVICE_NEEDS_DIRECTORY).
 */
enum service_status service_person_authenticate(const struct service_call *c, struct str id,
                                                struct kiops_actor *actor, struct error *err);
/* When that person's password was changed, as the directory tells it; empty: it does not. */
struct str service_password_changed(const struct service_call *c, struct str id);
/* The userName that is meant by what somebody typed: it, or an e-mail address that exactly one
 * active user has; else it is given back. Uses the call's scim. */
struct str service_sign_in_name(const struct service_call *c, struct str typed);
/* The same of the one user whose attribute (a filter's path) has that value: ERR_UNAUTHORIZED for
 * none and for several. `client` is whose externalId is meant. Uses the call's scim. */
struct service_claim {
    struct str attribute, value, client;
};
enum service_status service_claim_authenticate(const struct service_call *c,
                                               const struct service_claim *claim,
                                               struct kiops_actor *actor, struct error *err);
/* signin.c. Name and password, by an LDAP bind on a connection of its own: ERR_UNAUTHORIZED, with
 * one text and at one price, for a wrong password, nobody of that name and who is inactive;
 * ERR_UNAVAILABLE when the directory could not say. One that was right a moment ago is taken
 * without asking while the entry has not changed; else conn NULL: SERVICE_NEEDS_DIRECTORY. */
struct service_login {
    struct str name, password; /* views; the password is kept nowhere */
};
enum service_status service_password_authenticate(const struct service_call *c,
                                                  const struct service_login *login,
                                                  struct kiops_actor *actor, struct error *err);

/* users.c */
enum service_status service_user_get(const struct service_call *c, struct str id,
                                     struct service_result *out, struct error *err);
enum service_status service_user_create(const struct service_call *c, const json_t *body,
                                        struct service_result *out, struct error *err);
enum service_status service_user_replace(const struct service_call *c, struct str id,
                                         const json_t *body, struct service_result *out,
                                         struct error *err);
enum service_status service_user_patch(const struct service_call *c, struct str id,
                                       const struct scim_patch *patch, struct service_result *out,
                                       struct error *err);
enum service_status service_user_delete(const struct service_call *c, struct str id,
                                        struct service_result *out, struct error *err);
/* organizations.c */
enum service_status service_group_get(const struct service_call *c, struct str id,
                                      struct service_result *out, struct error *err);
enum service_status service_group_create(const struct service_call *c, const json_t *body,
                                         struct service_result *out, struct error *err);
enum service_status service_group_replace(const struct service_call *c, struct str id,
                                          const json_t *body, struct service_result *out,
                                          struct error *err);
enum service_status service_group_patch(const struct service_call *c, struct str id,
                                        const struct scim_patch *patch, struct service_result *out,
                                        struct error *err);
enum service_status service_group_delete(const struct service_call *c, struct str id,
                                         struct service_result *out, struct error *err);
/* memberships.c */
enum service_status service_membership_get(const struct service_call *c, struct str id,
                                           struct service_result *out, struct error *err);
enum service_status service_membership_create(const struct service_call *c, const json_t *body,
                                              struct service_result *out, struct error *err);
enum service_status service_membership_replace(const struct service_call *c, struct str id,
                                               const json_t *body, struct service_result *out,
                                               struct error *err);
enum service_status service_membership_patch(const struct service_call *c, struct str id,
                                             const struct scim_patch *patch,
                                             struct service_result *out, struct error *err);
enum service_status service_membership_delete(const struct service_call *c, struct str id,
                                              struct service_result *out, struct error *err);
/* signup.c: what a stranger gave, checked for its form alone (views; the password is kept until it
 * is set, and wiped). */
struct service_applicant {
    struct str user_name, password, given_name, family_name, email, organization;
    struct str address; /* for the audit */
};
/* Takes it to a writer thread and returns: whether it was possible is told to nobody but log, audit
 * and metrics. ERR_UNAVAILABLE: nothing can be taken now. */
MUST_CHECK bool service_signup(const struct service_call *c, const struct service_applicant *who,
                               struct error *err);
/* Open organizations by a part of their name (may be empty): the first ones by name. */
enum service_status service_signup_organizations(const struct service_call *c, struct str text,
                                                 struct service_result *out, struct error *err);
/* record_list.c: what was done in one organization, the newest first; `next` in the answer is
 * `before` of what follows. ERR_NOT_FOUND and ERR_FORBIDDEN for others than its Managers and
 * PlatformAdmins. */
struct service_record_query {
    struct str organization;
    instant_t before; /* INSTANT_NONE: from the newest on */
};
enum service_status service_record_list(const struct service_call *c,
                                        const struct service_record_query *q,
                                        struct service_result *out, struct error *err);
/* resource.c: the resource types under one table, for those who write all. */
struct service_resource {
    enum replica_kind kind;
    struct str name; /* of the resource type */
    enum service_status (*get)(const struct service_call *, struct str, struct service_result *,
                               struct error *);
    enum service_status (*create)(const struct service_call *, const json_t *,
                                  struct service_result *, struct error *);
    enum service_status (*replace)(const struct service_call *, struct str, const json_t *,
                                   struct service_result *, struct error *);
    enum service_status (*patch)(const struct service_call *, struct str, const struct scim_patch *,
                                 struct service_result *, struct error *);
    enum service_status (*remove)(const struct service_call *, struct str, struct service_result *,
                                  struct error *);
};
extern const struct service_resource service_users, service_groups, service_memberships;
/* NULL: of no type that is written here. */
const struct service_resource *service_resource_of(const struct scim_resource_type *type);

/* One write, alone or in a bulk. */
struct service_write {
    const struct service_resource *resource;
    enum scim_verb verb;
    struct str id;      /* not of a POST */
    const json_t *body; /* as sent; once read, in the RFC's spelling */
    const struct scim_patch *patch;
};
/* Puts the body right under the call's dialect, or parses the patch. A fault goes to
 * service_write_refuse(). */
MUST_CHECK bool service_write_read(const struct service_call *c, struct service_write *w,
                                   struct error *fault);
/* What service_writer_submit() takes, of a write that was read. */
struct str service_write_key(struct arena *a, const struct service_write *w);
/* May it run beside others without either seeing a difference (bulk_beside.c)? Not beside those of
 * the same `*key`. */
bool service_write_beside(const struct service_call *c, const struct service_write *w,
                          struct str *key);
enum service_status service_write_run(const struct service_call *c, const struct service_write *w,
                                      struct service_result *out, struct error *err);
/* An unknown id is 404 before the body is judged: NEEDS_DIRECTORY, or FAILED with `err` set. */
enum service_status service_write_refuse(const struct service_call *c,
                                         const struct service_write *w, const struct error *fault,
                                         struct error *err);

/* bulk.c: the operations of a bulk, each as the single write it stands for. */
struct service_bulk {
    struct service_call call; /* arena: for what outlives the operations; conn is not used */
    const struct scim_bulk *bulk;
    struct scim_bulk_outcome *outcomes; /* as many as operations, zeroed; filled */
    void (*done)(void *arg);            /* once, from a writer thread or from service_bulk_run() */
    void *arg;
};
/* Returns at once; does not fail, whatever becomes of the operations. */
void service_bulk_run(const struct service_bulk *b);

/* list.c: one resource type, or both in one list. */
struct service_part {
    enum replica_kind kind;
    const struct scim_filter *filter; /* NULL = all */
    struct scim_sort sort;
    const struct scim_projection *projection; /* NULL = everything returned by default */
};
struct service_query {
    struct service_part parts[REPLICA_KINDS];
    size_t part_count; /* at least one */
    struct scim_page page;
    struct str text;  /* filter and order as sent: the same text asks for the same list */
    struct str shape; /* the projection as sent: a cursor is bound to both */
};
enum service_status service_list(const struct service_call *c, const struct service_query *q,
                                 struct service_result *out, struct error *err);

/* ---- service.c: threads with a connection each */
/* `run(arg, conn)` runs once on a thread of its own connection; requests with
 * one key run one after another. false when the queue is full: ERR_UNAVAILABLE. */
typedef void service_run(void *arg, struct directory_conn *conn);
MUST_CHECK bool service_writer_submit(struct service *s, struct str key, service_run *run,
                                      void *arg, struct error *err);
/* For who has a place in the queue and gives it up: never refused. */
void service_writer_continue(struct service *s, struct str key, service_run *run, void *arg);
/* What a thread is to run; of a reader also the search that it will ask, so that waiting ones
 * travel together. */
struct service_task {
    service_run *run;
    void *arg;
    struct arena *arena; /* the request's */
    struct directory_search search;
};
/* Readers: any thread of the pool; for confirming a look-up that missed. */
MUST_CHECK bool service_reader_submit(struct service *s, const struct service_task *task,
                                      struct error *err);

/* Scanners: lists that look at many. Those of one client run one after another, so that another's
 * wait for few. */
MUST_CHECK bool service_scanner_submit(struct service *s, struct str client, service_run *run,
                                       void *arg, struct error *err);

/* Figures for /metrics. failed: given up; dropped: never begun, too many waited. */
struct service_notice_figures {
    uint64_t sent, failed, dropped, waiting;
};
struct service_figures {
    uint64_t queue_writes, queue_reads, queue_scans, refused_by_rule[32], unknown_outcomes,
        lost_races, feed_events, signups, signups_dropped, signups_expired;
    struct directory_figure ldap[DIRECTORY_FIGURES];
    size_t ldap_count;
    struct directory_server_figures server; /* the one in use */
    struct service_notice_figures notices;
};
void service_figures(const struct service *s, struct service_figures *out);

/* ---- tokens.c: used by the CLI with the operator's account. */
struct service_token_request {
    struct str name, role, client, access, profile, push_mode;
    const struct str *organizations;
    size_t organization_count;
    const struct str *options;
    size_t option_count;
    instant_t expires; /* INSTANT_NONE = never */
};
/* Who works on tokens: a connection of the operator's account (any account lists). */
struct service_operator {
    struct directory_conn *conn;
    struct arena *arena;
    struct audit *audit;
    struct str name; /* the OS user */
};
/* `*token`: the secret, once. Errors: ERR_INVALID_VALUE, ERR_CONFLICT (name taken),
 * ERR_UNAVAILABLE. */
MUST_CHECK bool service_token_create(const struct service_operator *o,
                                     const struct service_token_request *t, struct buf *token,
                                     struct error *err);
MUST_CHECK bool service_token_revoke(const struct service_operator *o, struct str name,
                                     struct error *err);
MUST_CHECK bool service_token_list(const struct service_operator *o, struct directory_token **out,
                                   size_t *count, struct error *err);
