/*
 * What the service's files share: the process-wide struct, one change under way, and the steps that
 * several use cases take.
 *
 * Threads: struct service is shared; a struct change belongs to the thread that runs its request.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "service/service.h"

/* ---- service.c */
struct worker_pool;
struct signins;
struct notices;

#define SERVICE_CURSOR_KEY 32

struct service {
    const struct config *config;
    const struct scim_catalog *catalog;
    const struct scim_resource_type *types[REPLICA_KINDS];
    struct directory *directory;
    struct audit *audit;
    struct replica *replica;
    struct str base; /* public_url + "/scim/v2" */
    unsigned char cursor_key[SERVICE_CURSOR_KEY];
    struct worker_pool *writers, *readers, *scanners;
    struct directory_feed *feed;
    pthread_t feed_thread;
    atomic_bool stopping;
    atomic_size_t bulk_under_way; /* bulk.c: operations of all bulks in the writers' queues */
    /* Monotonic ms: when the last of them waited in vain for the directory; 0: it answers. */
    _Atomic int64_t bulk_unanswered_at;
    /* access.c: 0, or when the directory is asked about known tokens again; somebody may do so. */
    _Atomic int64_t ask_tokens_at;
    atomic_bool ask_tokens_once;
    struct signins *signins;
    struct notices *notices; /* NULL: no webhook */
    atomic_size_t signups_under_way;
    _Atomic int64_t sweep_at; /* signup_sweep.c: monotonic ms, of the next look */
    atomic_uint_fast64_t signups, signups_dropped, signups_expired;
    bool passing;
    atomic_uint_fast64_t reads_failed; /* of the whole directory, by the feed */
    atomic_uint_fast64_t refused_by_rule[32], unknown_outcomes, lost_races, feed_events;
};

/* Where members and Managers of an organization stand; "" where it has no Managers. */
static inline const char *member_attr(const struct service_call *c)
{
    return directory_member_attr(c->service->directory);
}
static inline const char *owner_attr(const struct service_call *c)
{
    return directory_owner_attr(c->service->directory);
}
/* Does authority have the person's side? In plain mode `member` is all there is. */
static inline bool has_person_side(const struct service_call *c)
{
    return config_has_schema(&c->service->config->directory);
}

/* ---- workers.c: threads with a connection each and a bounded queue */
struct worker_pool *workers_start(struct directory *d, enum directory_account account,
                                  unsigned threads, size_t queue);
void workers_stop(struct worker_pool *p); /* runs what is queued, then ends the threads */
/* A key always goes to the same thread; the empty key to the one with the shortest queue. */
MUST_CHECK bool workers_submit(struct worker_pool *p, struct str key,
                               const struct service_task *what, struct error *err);
/* The same, whatever the ceiling. */
void workers_continue(struct worker_pool *p, struct str key, const struct service_task *what);
size_t workers_waiting(const struct worker_pool *p);

/* ---- feed.c */
void *service_feed_thread(void *service);
/* ---- refresh.c */
/* Reads an organization with its sets from the directory and applies it; gone, or not to be shown
 * (logged and counted) = applied as deleted. */
MUST_CHECK bool service_refresh_organization(struct service *s, struct directory_conn *conn,
                                             struct arena *a, struct str id, struct error *err);
/* By id among users, and among those who signed up (directory_is_applicant() tells which). */
MUST_CHECK bool service_find_user(struct directory_conn *conn, struct arena *a, struct str id,
                                  struct directory_entries *out, struct error *err);
/* The same for a user. */
MUST_CHECK bool service_refresh_user(struct service *s, struct directory_conn *conn,
                                     struct arena *a, struct str id, struct error *err);
/* The platform group, as read; NULL: there is none, and no PlatformAdmin. As
 * replica_apply_platform().
 */
bool service_apply_platform(struct service *s, const struct directory_entry *e);
MUST_CHECK bool service_refresh_platform(struct service *s, struct directory_conn *conn,
                                         struct arena *a, struct error *err);
/* What cannot be shown is not there, for clients: what it was before must not stand for good. */
void service_leave_out(struct service *s, enum directory_feed_kind kind,
                       const struct directory_entry *e, const struct error *why);

/* ---- access.c: standing on current state */
/* Re-reads in the directory what the actor's authority rests on.
 * `organization_id` may be empty. ERR_UNAUTHORIZED (token gone, person inactive) or ERR_FORBIDDEN
 * (standing lost). */
MUST_CHECK bool access_confirm(const struct service_call *c, struct str organization_id,
                               struct error *err);
/* Who acts through a token's entry. ERR_UNAUTHORIZED when it has expired. */
MUST_CHECK bool access_actor_of_token(const struct service *s, const struct directory_token *t,
                                      struct kiops_actor *actor, struct error *err);
/* ERR_UNAVAILABLE when directory.writes is false, ERR_FORBIDDEN (KB-R09) for a token with access
 * read. */
MUST_CHECK bool access_may_write(const struct service_call *c, struct error *err);
/* As whom an entry is written; with a fresh marker, by which a write whose answer was lost is found
 * again. */
struct directory_writer access_writer(const struct service_call *c);
/* While the feed is not live: is the directory to be asked about who is known already? Then
 * access_asked() is told whether it answered. */
bool access_asks_directory(const struct service_call *c);
void access_asked(const struct service_call *c, bool answered);

/* ---- list.c */
/* A list that found nothing, asked in the directory: `*found` when something came into the replica.
 */
MUST_CHECK bool list_confirm(const struct service_call *c, const struct replica_page *page,
                             bool *found, struct error *err);

/* ---- signin.c: passwords that were right a moment ago */
struct signins *signins_new(void);
void signins_free(struct signins *s);

/* ---- one change of one membership, role or permission */
enum step {
    STEP_DONE,
    STEP_AGAIN,  /* a precondition did not hold: look again, decide again */
    STEP_FAILED, /* err holds why */
};

/* Further tries while nothing took effect yet, and after the first write that did. */
#define TRIES_BEFORE 3
#define TRIES_AFTER 10

struct sight { /* what was seen, from the replica or fresh from the directory */
    bool fresh;
    bool has_user, has_organization;
    struct directory_person person;
    struct str name; /* of the user, for the texts */
    struct str user_name;
    bool name_taken; /* of an applicant who is to be approved: by a user */
    struct replica_organization organization;
    struct str former_dn; /* of a rename under way, or cut off: groups may still name the user so;
                             known on a fresh look */
    bool in, owner;       /* the user's DN in member, in owner */
    struct directory_values joined, permissions, requests,
        rejected;             /* of this organization, whole values */
    bool manager;             /* has kiopsManager of this organization */
    struct str other_manager; /* DN: Y, a Manager that counts, active, not the user; the actor when
                                 it is one */
    size_t other_managers;
    struct str actor_dn;              /* of a person; empty for a token */
    bool admin;                       /* counts as PlatformAdmin, activity aside */
    bool in_platform;                 /* in the platform group */
    struct directory_values platform; /* kiopsJoined platform:... values */
    struct str other_admin; /* DN of another PlatformAdmin that counts and is active; the actor when
                               it is one */
    size_t other_admins;
};

/* What the same request makes of the person's `active` before the change is made. */
enum change_activity { ACTIVITY_AS_SEEN, ACTIVITY_ON, ACTIVITY_OFF };

/* What the tries before have settled. All but the first: it only goes forward, nothing is judged
 * again. */
enum change_carry {
    CARRY_NOTHING,
    CARRY_CLAIMED, /* join: the person's side is written, by us */
    CARRY_SENT, /* request, reject, withdraw: the answer was lost, it may still come into effect */
    CARRY_USER, /* remove: the person's side is taken, the organization's has to follow */
    CARRY_OUT,  /* remove, PlatformAdmin: the group's side is taken, the person's has to follow */
    CARRY_LEFT, /* demote: out of `owner`, and the person's side was tried */
};

struct change {
    const struct service_call *call;
    struct kiops_change what;
    struct sight sight;
    enum change_carry carry;
    bool wrote;    /* an operation took effect: from now on only forward */
    bool doubtful; /* an answer was lost: what it did is not in the replica */
    bool followed; /* the groups have been made to name the user as they are called now */
    bool vacates;  /* KB-R19: the seat becomes vacant */
    bool nothing;  /* nothing to do, seen in the directory */
    enum change_activity activity;
    bool after_join; /* a promotion of somebody whom the same request adds */
    size_t leaving_managers,
        coming_managers; /* other Managers that the same request takes and makes (plan.c) */
    const char *rule;
    uint64_t intent;                 /* audit */
    bool finished;                   /* its outcome is written */
    bool done;                       /* and says that it was made */
    struct str own_stamp;            /* what it wrote: a kiopsJoined, or its kiopsRequest */
    struct directory_values claimed; /* the requests that it took */
};

/* ---- sight.c */
/* From the replica, or from the directory when `fresh`. */
MUST_CHECK bool change_look(struct change *ch, bool fresh, struct error *err);
/* Looks and judges. A refusal or "nothing to do" is final only on a fresh look, which this makes.
 */
MUST_CHECK bool change_decide(struct change *ch, bool fresh, struct error *err);
/* Counts as Manager there and is active. */
bool change_counts_as_manager(const struct change *ch);
/* The verdict on what was seen; fills rule, vacates and nothing. */
struct kiops_verdict change_judge(struct change *ch);
/* An owner value goes with it: judged on the directory alone. */
bool change_takes_owner(const struct change *ch);
/* Fills the organization's values from sight.person. */
void change_spread_person(struct change *ch);
/* Values of `all` that belong to the organization. */
struct directory_values operation_values_of(struct arena *a, const struct directory_values *all,
                                            struct str organization);

/* ---- change.c */
/* Runs its operation until done. The intent must be on disk. Writes the outcome to
 * the audit. */
MUST_CHECK bool change_run(struct change *ch, struct error *err);
/* The same for a change whose first try lost a race: looks, and decides, before it goes on. */
MUST_CHECK bool change_run_again(struct change *ch, struct error *err);
struct kiops_record change_record(const struct change *ch);

/* ---- join.c, applicant.c, request.c, leave.c, role.c, platform.c: the operations. Each is called
 * again after STEP_AGAIN, with a fresh sight. */
enum step operation_join(struct change *ch, struct error *err); /* join.c: add, approve */
/* applicant.c: of a join, once the request is claimed: the entry of who signed up moves to the
 * users under the name asked for. `joined`: what the claim left there. */
enum step applicant_move_in(struct change *ch, const struct directory_values *joined,
                            struct error *err);
/* Parts of a join that plan.c shares among many. */
enum step operation_join_person(struct change *ch, struct error *err);
enum step operation_join_look(struct change *ch, struct error *err);
enum step operation_request(struct change *ch, struct error *err); /* request.c */
enum step operation_reject(struct change *ch, struct error *err);  /* request.c: reject, withdraw */
enum step operation_remove(struct change *ch, struct error *err);  /* leave.c */
enum step operation_promote(struct change *ch, struct error *err); /* role.c */
enum step operation_demote(struct change *ch, struct error *err);  /* role.c */
enum step operation_grant(struct change *ch, struct error *err);   /* role.c: grant, revoke */
enum step operation_make_admin(struct change *ch, struct error *err);   /* platform.c */
enum step operation_unmake_admin(struct change *ch, struct error *err); /* platform.c */
enum step operation_leave_platform(struct change *ch,
                                   struct error *err); /* platform.c: its group's part */
void operation_undo_promote(struct change *ch);

/* ---- notice.c: what the webhook is told (nothing without one) */
/* After its end. `was_manager`: change_counts_as_manager() before it. */
void notice_of_change(const struct change *ch, bool was_manager);
/* A Manager who counted, and was active, left: told should the seat be vacant. */
void notice_of_manager(const struct service_call *c, struct str user, struct str organization);
/* The same of the organizations that the person managed (values of kiopsManager). */
void notice_of_deactivation(const struct service_call *c, struct str user,
                            const struct directory_values *managed);

/* ---- operation.c: the modifies and what several operations need */
/* Values of member and owner that a modify adds or takes. */
struct set_changes {
    const struct replica_set_change *at;
    size_t count;
};
/* What a modify answered. LOST: a precondition did not hold. UNKNOWN: sent and no answer. Both
 * mean: look again. */
enum sent { SENT_DONE, SENT_LOST, SENT_UNKNOWN, SENT_ABSENT, SENT_FAILED };
/* What follows from it, where nothing else is said. Absent is deleted, or renamed: the next look
 * goes by the id. */
enum step operation_step(enum sent sent);
/* Sends a modify of the person (bound to the entryUUID; `extra`: a further assertion or NULL) and
 * applies the entry it left to the replica. */
enum sent operation_modify_person(struct change *ch, const struct directory_mods *m,
                                  const char *extra, struct error *err);
/* Takes back what a first step wrote to the person, under whatever name they have by now; looks
 * again when it was another one. SENT_ABSENT: they are deleted. */
enum sent operation_take_back(struct change *ch, const struct directory_mods *m, struct error *err);
/* Sends a modify of the organization (bound to its entryUUID) and applies `sets` to the replica, or
 * re-reads it. A foreign entry under that DN is SENT_ABSENT. */
enum sent operation_modify_organization(struct change *ch, const struct directory_mods *m,
                                        struct set_changes sets, struct error *err);
/* The same for any organization. */
enum sent operation_modify_sets(const struct service_call *c,
                                const struct directory_target *organization,
                                const struct directory_mods *m, struct set_changes sets,
                                struct error *err);
/* The platform group; as part of a change, or outside one. */
enum sent operation_modify_platform(struct change *ch, const struct directory_mods *m,
                                    struct error *err);
enum sent operation_modify_admins(const struct service_call *c, const struct directory_mods *m,
                                  struct error *err);
/* An entry that a write answered with enters the replica. */
void operation_apply_user(const struct service_call *c, const struct directory_entry *entry);
/* none(O): seen permissions and kiopsManager are deleted, the rest proved absent. */
void operation_none_of(const struct change *ch, struct directory_mods *m);
void operation_delete_all(struct directory_mods *m, const char *attr,
                          const struct directory_values *v);
/* "<org id>:<time>.<random>"; `time` from `old` when it is not empty (promotion keeps the join
 * date). */
struct str operation_new_stamp(struct arena *a, struct str organization, struct str old);
/* "platform", or the organization's id, of a kiopsJoined, -Request or -Permission. */
struct str operation_organization_of(struct str value);
/* When it was made, of `<org id>:<time>.<random>` or `<org id>:<time>`. */
bool operation_stamp_time(struct str stamp, instant_t *out);
instant_t operation_latest(const struct directory_values *stamps); /* INSTANT_NONE: of none */
kiops_permission_set operation_permissions(const struct directory_values *values);
bool operation_is_young(struct str stamp, instant_t now);           /* younger than 5 minutes */
void operation_refused(struct service *s, const struct error *err); /* counts by rule */
/* The verdict refuses: err says so, it is counted, and what a rule refused stands in the audit.
 * false. */
bool operation_refuse(const struct service_call *c, const struct kiops_verdict *v,
                      const struct kiops_change *what, struct error *err);
/* The change's person in (+1) or out of (-1) `member` and `owner`. */
struct replica_set_change operation_set(const struct change *ch, int member, int owner);

/* How many members of an organization a request removes, and of how many. */
struct removals {
    size_t count, members;
};

/* ---- removal_tally.c: what the operations of one bulk remove, by organization. Any thread. */
struct removal_tally *removal_tally_new(void);
void removal_tally_free(struct removal_tally *t);
/* With what the call's other operations remove of that organization, and of how many members it had
 * when the first of them asked. What is allowed (KB-R20) is taken at once. */
struct kiops_verdict removal_tally_judge(const struct service_call *c, struct str organization,
                                         struct removals r);
/* The operation was refused: it removes nothing. */
void removal_tally_forget(struct removal_tally *t, size_t operation);

/* ---- signup_sweep.c: called now and then by the feed's thread; the work is a writer's */
void signup_sweep(struct service *s);

/* ---- naming.c: the values by which groups and the platform group name a DN */
/* Removes them, except those of a living or protected entry with that DN (3.2, create, delete). */
MUST_CHECK bool naming_clear(const struct service_call *c, struct str dn, struct error *err);
/* For the user of that name, who is to get that DN: ERR_UNIQUENESS when somebody has it; else
 * nobody's values are left. Who is giving up the name takes what is theirs along first. */
MUST_CHECK bool naming_claim(const struct service_call *c, struct str dn, struct str name,
                             struct error *err);
/* ERR_INVALID_VALUE for a name of the throw-away entries, in any spelling: whoever had it would be
 * hidden (directory_is_proof_name()). `attribute`: the SCIM one. */
MUST_CHECK bool naming_is_fit(const struct service_call *c, struct str name, const char *attribute,
                              struct error *err);
struct str naming_rdn(struct str dn); /* the first one, as the server writes it */
struct str naming_dn_with(struct arena *a, struct str dn, struct str new_rdn);
/* Where the user stood when the bridge last wrote the name; empty: where they stand now. */
struct str naming_former_dn(const struct service_call *c, const struct directory_user *u);
/* The user `id` was renamed: the values follow them, unless somebody else stands at `from` by now.
 * To where they are at the end: renamed again they get the values there, deleted nobody keeps one.
 */
MUST_CHECK bool naming_move(const struct service_call *c, struct str id, struct str from,
                            struct str to, struct error *err);

/* ---- user_rename.c */
/* Ends the rename of the user whose entry this is, should one not be ended: the groups follow, then
 * the old name is given up. STEP_AGAIN: the entry changed meanwhile. */
enum step rename_end(const struct service_call *c, const struct directory_entry *e,
                     struct error *err);

/* ---- user_delete.c */
/* What each organization that names the person sees of a deletion: changes to be looked at. */
MUST_CHECK bool user_delete_parts(const struct service_call *c, const struct directory_person *p,
                                  struct change **out, size_t *count, struct error *err);

/* ---- standing.c: one person's values everywhere, and what they amount to */
struct standing_place {
    struct str id, name; /* name empty: there is no such organization */
    struct str dn;       /* of a group that names the person; else empty */
    bool member, owner;  /* the organization's side */
    bool manager;        /* kiopsManager: the person's */
    struct directory_values joined, permissions, requests, rejected;
};
struct standing {
    struct directory_user user;
    struct standing_place *places;
    size_t count;
    bool in_platform;
    struct directory_values platform;
};
bool standing_manages(const struct standing_place *p); /* that counts, activity aside */
bool standing_is_admin(const struct standing *s);
MUST_CHECK bool standing_read(const struct service_call *c, const struct directory_entry *person,
                              struct standing *out, struct error *err);
/* Who acts as that person: nobody acts through a role of an inactive account. */
struct kiops_actor standing_actor(const struct standing *s, struct arena *a);

/* ---- explain.c: shared with explain_user.c */
json_t *explain_permissions(const struct directory_values *values); /* new */
void explain_put_time(json_t *o, const char *name, const struct directory_values *stamps);

/* ---- plan.c: one request over several memberships */
struct plan {
    const struct service_call *call;
    struct change *at;
    size_t count, cap;
    bool ended;
    bool promote_first; /* else an organization would be without a Manager in between */
};

void plan_init(struct plan *p, const struct service_call *c);
struct change *plan_add(struct plan *p, enum kiops_change_kind kind, struct str user,
                        struct str organization, int operation);
bool plan_has(const struct plan *p, enum kiops_change_kind kind);
/* KB-R20: what one request of a token removes, of a bulk all its operations together. A refusal
 * stands in the audit. */
MUST_CHECK bool plan_judge_removals(const struct service_call *c, struct str organization,
                                    struct removals r, struct error *err);
/* Decides all (every refusal before the first write), drops what has nothing to do, and confirms
 * the actor's standing. */
MUST_CHECK bool plan_decide(struct plan *p, struct error *err);
/* Intents of all on disk, with those of `more` (may be NULL); one wait. */
MUST_CHECK bool plan_intend(struct plan *p, const struct kiops_record *more, size_t more_count,
                            uint64_t *more_intents, struct error *err);
/* First what takes away, then (after the caller's own attributes) what gives. A step that fails
 * ends the plan: outcomes of what was not begun are written, and the error says what was done. */
MUST_CHECK bool plan_take(struct plan *p, struct error *err);
MUST_CHECK bool plan_give(struct plan *p, struct error *err);
/* The request failed: the error says what was made, outcomes are written of what was not. false. */
bool plan_end(struct plan *p, struct error *err);
/* All is made. What it was made of may be gone again before it is shown: no 404 then, the error
 * says what was made. Returns `answered`. */
enum service_status plan_answered(const struct plan *p, enum service_status answered,
                                  struct error *err);

/* ---- members.c: deltas of members and managers -> a plan */
struct member_wishes {
    struct scim_deltas members, managers;
};
MUST_CHECK bool members_plan(const struct service_call *c, const struct replica_organization *o,
                             const struct member_wishes *w, struct plan *p, struct error *err);

/* Before an organization exists: does everybody who is to be in it? ERR_INVALID_VALUE names who
 * does not. */
MUST_CHECK bool members_exist(const struct service_call *c, const struct member_wishes *w,
                              struct error *err);

/* ---- cursor.c */
/* From scim.cursor_key_file; without one, a key that ends with this process. Errors: ERR_CONFIG. */
MUST_CHECK bool cursor_key_load(const struct config *config, unsigned char key[SERVICE_CURSOR_KEY],
                                struct error *err);
/* For the page behind `last`; bound to who asks and to everything that was asked. */
struct str cursor_seal(const struct service_call *c, const struct service_query *q,
                       const struct replica_place *last);
/* `*out`: where the page begins. Errors: ERR_INVALID_CURSOR (one text, whatever is wrong with it),
 * ERR_EXPIRED_CURSOR, ERR_INVALID_COUNT. */
MUST_CHECK bool cursor_open(const struct service_call *c, const struct service_query *q,
                            struct replica_place *out, struct error *err);

/* ---- version.c */
bool version_matches(struct str header,
                     struct str version); /* If-Match / If-None-Match lists, weak comparison, * */
/* ERR_PRECONDITION when If-Match does not name `version`, or If-None-Match does. */
MUST_CHECK bool version_check(const struct service_call *c, struct str version, struct error *err);
struct str version_text(struct arena *a, const char *hex); /* W/"..." */

/* ---- bulk_beside.c */
/* Can the operation run beside others of its bulk without either seeing a difference? `id` is that
 * of its path, resolved; `*key` picks its writer. */
bool bulk_runs_beside(const struct service_call *c, const struct scim_bulk_operation *op,
                      struct str id, struct str *key);

/* ---- key.c */
struct written {
    struct str type; /* its name */
    enum scim_verb verb;
    struct str id;
    const json_t *body;
};
struct str key_of_write(struct arena *a, const struct written *w);

/* ---- answer.c: what a write or read answers */
/* A GET, of what replica_show() gave. */
enum service_status answer_read(const struct service_call *c, const struct replica_text *text,
                                struct service_result *out);
enum service_status answer_resource(const struct service_call *c, enum replica_kind kind,
                                    struct str id, struct service_result *out, struct error *err);
struct str answer_uri(const struct service_call *c, enum replica_kind kind, struct str id);
void answer_project(const struct service_call *c, enum replica_kind kind, struct str json,
                    struct buf *out);
struct str answer_projected(const struct service_call *c, enum replica_kind kind, struct str json);
