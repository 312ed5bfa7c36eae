/*
 * The replica: the bridge's in-memory copy of what it serves. Reads come from here.
 *
 * Owns:    packed records (rendered JSON of the shared part plus a few fields), indexes on id, DN,
 *          userName, externalId, email, members per organization by user. What is handed out is
 *          copied into the caller's arena.
 * Threads: any; a writer-preferring rwlock, never held while a socket or the directory is used, and
 *          by scans for at most 1,000 records at a time.
 * Errors:  "absent" is false without an error; it says nothing about the directory (the service
 *          confirms it there).
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "directory/feed.h"
#include "kiops/kiops.h"
#include "scim/scim.h"

struct replica;

struct replica_settings {
    struct str base; /* public_url + "/scim/v2" */
    const struct scim_catalog *catalog;
    const struct directory *directory; /* for DN keys and mapping */
    struct str placeholder_dn;
    bool owners_alone; /* plain mode: owners are shown as Managers, nobody has a role */
};

struct replica *replica_new(const struct replica_settings *s);
void replica_free(struct replica *r);

/* ---- apply.c: feed and own writes */
/* An event overwrites when its CSN is newer or equal (or there is none); a deleted id bars what is
 * older than its deletion for 5 minutes (store.c, TOMBSTONE_MS). Those with a result: false = what
 * is held here has the newer CSN and stays (or another user its DN). */
bool replica_apply_user(struct replica *r, const struct directory_user *u);
/* Own attributes always; members and owners only when `with_sets`. */
bool replica_apply_organization(struct replica *r, const struct directory_organization *o,
                                bool with_sets);
bool replica_apply_platform(struct replica *r, struct str csn,
                            const struct directory_values *members);
/* The server's clock has stepped back: what is applied next of this id (REPLICA_PLATFORM: of the
 * platform group) counts, whatever its CSN. For who knows that it was read later. */
#define REPLICA_PLATFORM STR("platform")
void replica_doubt(struct replica *r, struct str id);
void replica_apply_deleted(struct replica *r, struct str id);
/* The same by a search that may name what was never its own: only what is known as `kind` goes. */
void replica_apply_gone(struct replica *r, enum directory_feed_kind kind, struct str id);
/* A search whose own it was lost it: deleted, unless it is known by now to stand in the other place
 * of people (approved, and moved). */
void replica_apply_left(struct replica *r, enum directory_feed_kind kind, struct str id);
/* Full refresh: what no event names between begin and end is gone. Never begun on a partial read.
 * Lists are in order from the end of the first one on: nothing is served before. */
void replica_refresh_begin(struct replica *r);
/* Until its end: the directory is older than it was (restored), so what is older than what is known
 * counts. */
void replica_refresh_rewound(struct replica *r);
void replica_refresh_end(struct replica *r);

/* An own change of an organization's sets, applied without re-reading 10,000 members: only when
 * `pre_csn` is the replica's CSN of that organization; else false, and the caller re-reads it. */
struct replica_set_change {
    struct str dn;     /* of the user */
    int member, owner; /* +1 added, -1 removed, 0 untouched */
};
struct replica_sets_change {
    struct str organization_id, pre_csn, post_csn;
    const struct replica_set_change *changes;
    size_t count;
    instant_t modified;
};
MUST_CHECK bool replica_apply_sets(struct replica *r, const struct replica_sets_change *c);

/* Users and organizations that entered after the first refresh and since the last call, by
 * whomever; for one caller. Nothing is noted before its first call. */
struct replica_arrival {
    enum directory_feed_kind kind;
    char id[40];
};
size_t replica_arrivals(struct replica *r, struct arena *a, const struct replica_arrival **out);

/* ---- apply_token.c */
bool replica_apply_token(struct replica *r, const struct directory_token *t);

/* ---- facts.c: freshness, as the feed thread tells it */
void replica_set_live(struct replica *r,
                      bool live); /* live: the feed delivers; false: since now it does not */
void replica_set_lost(struct replica *r, int64_t since); /* monotonic ms: not live, since then */
void replica_set_polled(struct replica *r, int64_t at);  /* what was there then is known; 0: what
                                                             is there now, for the feed tells */
/* Is what was there then (monotonic ms) known, however late the directory is asked? */
bool replica_has_seen(const struct replica *r, int64_t then);
bool replica_ready(const struct replica *r); /* a first refresh is complete */
bool replica_live(const struct replica *r);
int64_t replica_staleness_ms(const struct replica *r); /* 0 while live */

/* ---- facts.c: for decisions */
bool replica_person(struct replica *r, struct arena *a, struct str id,
                    struct directory_person *out);
/* Who signed up and is not approved: found by nothing but this, by replica_show() and among
 * Memberships; no user anywhere else here. */
bool replica_applicant(struct replica *r, struct arena *a, struct str id,
                       struct directory_person *out);
struct replica_applicant {
    struct directory_person person;
    instant_t created;
};
size_t replica_applicants(struct replica *r, struct arena *a, struct replica_applicant **out);
size_t replica_applicant_count(struct replica *r);
bool replica_person_by_dn(struct replica *r, struct arena *a, struct str dn,
                          struct directory_person *out);
/* A user with this userName by our key (unicode.h), which may be more than the directory holds
 * equal; `except` (may be empty) is passed over. */
struct replica_name {
    struct str name, except;
};
bool replica_user_named(struct replica *r, struct arena *a, const struct replica_name *wanted,
                        struct str *id);
bool replica_user_name(struct replica *r, struct arena *a, struct str id, struct str *user_name,
                       struct str *display);

struct replica_owner {
    struct str id, dn;   /* id empty: DN without an entry, or another entry's */
    bool counts, active; /* counts: as Manager, activity aside */
};

/* Of an organization, for decisions: without its members. */
struct replica_organization {
    struct str id, dn, name;
    struct str csn; /* at which owners and members were complete; empty: never read */
    bool open, managed, has_placeholder_owner;
    const struct replica_owner *owners;
    size_t owner_count;
    size_t member_count;
};
bool replica_organization(struct replica *r, struct arena *a, struct str id,
                          struct replica_organization *out);
struct replica_membership {
    bool member, owner, counts_as_manager, pending, joined;
    kiops_permission_set permissions; /* that count */
};
struct replica_membership replica_membership(struct replica *r, struct str organization_id,
                                             struct str user_id);
/* Ids of the organizations that hold this user now: to be re-read when a user is renamed or deleted
 * by anyone. */
size_t replica_organizations_of(struct replica *r, struct arena *a, struct str user_id,
                                struct str **ids);
/* Member ids (users with an entry), in id order. */
size_t replica_members(struct replica *r, struct arena *a, struct str organization_id,
                       struct str **ids);
/* Ids of active PlatformAdmins that count. */
size_t replica_admins(struct replica *r, struct arena *a, struct str **ids);
/* In the platform group and says so itself, activity aside. */
bool replica_is_admin(struct replica *r, struct str user_id);
/* The same for an organization and its displayName. */
bool replica_organization_named(struct replica *r, struct arena *a,
                                const struct replica_name *wanted, struct str *id);
bool replica_token(struct replica *r, struct arena *a, struct str hash_hex,
                   struct directory_token *out);
/* Of each token, for metrics. `used`: when it came last, to the second; INSTANT_NONE: not since the
 * start. */
struct replica_token_use {
    struct str name;
    instant_t expires, used;
};
size_t replica_tokens(struct replica *r, struct arena *a, struct replica_token_use **out);
/* Actor facts of a person: role, organizations, member_of; an inactive one has none of them. */
bool replica_actor(struct replica *r, struct arena *a, struct str user_id, struct kiops_actor *out);

/* ---- facts.c: figures */
/* bytes: of the packed records. dangling_members: values of `member` that name nobody known here.
 * vacant_seats: organizations that have had a Manager and have no active one that counts. pending:
 * requests that wait; oldest_request: since when the first of them, INSTANT_NONE = there is none.
 */
struct replica_counts {
    size_t users, applicants, organizations, tokens, bytes, dangling_members, odd_entries,
        vacant_seats, pending;
    instant_t oldest_request;
};
void replica_count(const struct replica *r, struct replica_counts *out);
void replica_note_odd(struct replica *r); /* an entry that could not be mapped */

/* ---- seat.c */
/* The id of a Membership, `<id of the organization>.<id of the user>`; false: it is no such id. */
bool replica_membership_split(struct str id, struct str *organization_id, struct str *user_id);

/* ---- find.c, view.c: representations on the actor's view */
enum replica_kind { REPLICA_USER, REPLICA_GROUP, REPLICA_MEMBERSHIP, REPLICA_KINDS };

struct replica_text {
    enum replica_kind kind;
    struct str id;
    struct str json;    /* whole resource, as the actor may see it */
    struct str version; /* W/"..." without JSON escapes */
};

struct replica_want {
    bool members; /* Group: members are rendered (false when the projection leaves them out);
                     managers always are */
};

/* One resource by id. false: the actor sees no such thing (may be unknown, may be hidden). */
struct replica_ask {
    enum replica_kind kind;
    struct str id;
    const struct kiops_actor *actor;
    struct replica_want want;
};
bool replica_show(struct replica *r, struct arena *a, const struct replica_ask *ask,
                  struct replica_text *out);

/* Where a resource stands in the order of a list: what a cursor remembers. */
struct replica_place {
    enum replica_kind kind;
    struct str key; /* of the sort; at NULL: it had no value */
    struct str id;  /* empty: before the first */
};

struct replica_query {
    enum replica_kind kind;
    const struct scim_filter *filter; /* NULL = all */
    struct scim_sort sort;            /* by.attr NULL: by id; where `also` is sorted: no value */
    /* A second resource type in the same list (RFC 7644 3.4.2.1): of it, kind, filter and sort
     * count. Of equal keys, the first type comes first. */
    const struct replica_query *also;
    int64_t start_index, count;
    const struct replica_place *after; /* instead of start_index */
    const struct kiops_actor *actor;
    struct replica_want want;
    /* Filter and order as text: a list that goes on is kept under it for its next page. Empty: not
     * kept. */
    struct str text;
    bool brief;       /* who asks must be done soon: a scan of many is put off */
    size_t bytes_max; /* of the page's texts, but for its last one; 0 = any */
};

/* A filter pinned one unique key and nothing was found (the directory was not asked): an equality
 * on id, userName, externalId, displayName or the Entra probes. The service confirms it. */
struct replica_confirm {
    enum replica_kind kind;
    struct str attr, value;
};

struct replica_page {
    int64_t total;
    const struct replica_text *at;
    size_t count;
    bool more;                 /* behind the page */
    bool put_off;              /* nothing else is said: ask again with time */
    struct replica_place last; /* of the page, should it have one */
    struct replica_confirm confirm[REPLICA_KINDS];
    size_t confirm_count;
};

/* Consistent, in id order unless sorted; keys of a sort are compared in their first 1,024 bytes.
 * Errors: ERR_TOO_MANY, also for a page of more than bytes_max. */
MUST_CHECK bool replica_find(struct replica *r, struct arena *a, const struct replica_query *q,
                             struct replica_page *out, struct error *err);
