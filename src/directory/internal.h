/*
 * What the files of src/directory share. Nobody outside this folder includes it.
 *
 * Owns:    struct directory owns its passwords and its mapping; configuration and catalog belong to
 *          main.
 * Threads: struct directory is const after directory_new() but for its atomics, and for what its
 *          servers' lock and the feed's thread guard.
 */
#pragma once

#include <ldap.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/own.h"
#include "directory/directory.h"
#include "directory/feed.h"

struct directory_mapping; /* mapping*.c */

enum directory_operation {
    DIRECTORY_OP_MODIFY,
    DIRECTORY_OP_ADD,
    DIRECTORY_OP_DELETE,
    DIRECTORY_OP_RENAME,
    DIRECTORY_OP_PASSWORD,
    DIRECTORY_OP_SEARCH,
};
#define DIRECTORY_OPERATIONS (DIRECTORY_OP_SEARCH + 1)

struct directory_host {
    const char *uri;
    _Atomic int64_t certificate_ends; /* seconds since 1970; 0 = none was shown */
};

#define DIRECTORY_SIDS 16
struct directory_servers { /* as listed: the first is the one that all bridges write to */
    struct directory_host *at;
    size_t count;
    atomic_size_t current; /* that reads come from; written to as well with write_failover = auto */
    int64_t look_at;       /* monotonic ms: the next look for the first; the feed's thread */
    atomic_uint_fast64_t changes, went_back;
    pthread_mutex_t
        lock; /* of what follows: the newest entryCSN seen, by the server that made it */
    char newest[DIRECTORY_SIDS][40];
    size_t newest_count;
    bool undated; /* something was seen whose age no server can be compared with */
};

struct directory {
    const struct config *config;
    const struct scim_catalog *catalog;
    struct directory_mapping *mapping;
    struct buf password; /* of the service account; the operator's is read when it is used */
    struct arena *memory;
    const char *member, *owner; /* attributes of an organization; owner "": none */
    struct directory_servers servers;
    const struct str *protected_keys;
    size_t protected_count;
    struct str signup_key; /* of signup.container; empty: no sign-up */
    /* Monotonic ms: a refused bind of the service account is not tried again before this, by any
     * thread, so that a changed password does not lock the account. */
    _Atomic int64_t bind_again_at;
    atomic_int refused; /* the LDAP code of the last such refusal */
    struct {
        atomic_uint_fast64_t count, nanoseconds, failed;
    } times[DIRECTORY_OPERATIONS];
};

struct directory_conn {
    struct directory *directory;
    enum directory_account account;
    LDAP *ld;       /* NULL = not connected */
    size_t server;  /* that it is, or was, connected to */
    bool elsewhere; /* the next connection is to be another one */
    int64_t deadline;
    struct asked_ahead {
        const struct directory_search *search;
        int msgid;
    } ahead[DIRECTORY_AHEAD_MAX];
    size_t ahead_count;
};

/* For libldap, which takes bytes without const and only reads them. */
static inline struct berval directory_berval(struct str s)
{
    union {
        const char *given;
        char *taken;
    } bytes = {.given = s.len ? s.at : ""};
    return (struct berval){.bv_len = s.len, .bv_val = bytes.taken};
}

/* NULL = everything that a whole read asks for. */
extern const char *const directory_all_attrs[];
static inline char **directory_attr_names(const char *const *attrs)
{
    union {
        const char *const *given;
        char **taken;
    } list = {.given = attrs ? attrs : directory_all_attrs};
    return list.taken;
}

/* ---- mapping_table.c */
MUST_CHECK bool directory_mapping_new(const struct config *config,
                                      const struct scim_catalog *catalog,
                                      struct directory_mapping **out, struct error *err);
void directory_mapping_free(struct directory_mapping *m);

/* ---- resolve.c */
/* Can the host's name be looked up by then? */
bool directory_resolve(const char *uri, int64_t deadline);

/* ---- link.c: LDAP codes; what went wrong is in the log */
struct directory_login {
    enum directory_account account; /* which servers may be asked */
    const char *dn; /* empty: SASL EXTERNAL, who the server sees at the other end of ldapi:// */
    struct str password;
};
/* Connected and encrypted as configured; nobody is bound yet. */
int directory_link_open(struct directory *d, size_t server, int64_t deadline, LDAP **out);
int directory_link_bind(LDAP *ld, const struct directory_login *who, int64_t deadline);
void directory_link_close(LDAP *ld);
/* Waits for the next message of `msgid`: all != 0 for the whole answer. LDAP_SUCCESS, LDAP_TIMEOUT,
 * or why the connection is dead. The message is the caller's. */
int directory_ldap_wait(LDAP *ld, int msgid, int all, int64_t deadline, LDAPMessage **out);
/* libldap could not take a request because the one before is still being written: waits for room.
 */
bool directory_ldap_room(LDAP *ld, int64_t deadline);

/* ---- handshake.c: TLS in time */
struct directory_handshake {
    int64_t deadline;
    bool never_blocks; /* the socket, by now */
};
/* Before ldap_connect(). `h` must last until the end, which is called whatever came of it. */
MUST_CHECK bool directory_handshake_begin(LDAP *ld, struct directory_handshake *h);
bool directory_handshake_end(LDAP *ld); /* false: there was none to end */

/* ---- servers.c */
struct directory_link {
    LDAP *ld;
    size_t server;
    bool elsewhere; /* asked for: any but `server`, for this once */
    bool asked;     /* it came as far as the bind */
};
void directory_servers_init(struct directory *d);
void directory_servers_release(struct directory *d);
/* The order in which servers are tried: `first`, then the others as listed. */
size_t directory_host_nth(size_t first, size_t k);
bool directory_is_left(const struct directory *d, size_t server);
/* write_failover = manual: nobody but the first is written to. */
bool directory_writes_wait(const struct directory *d);
/* The next server may do better. */
bool directory_is_away(int code);
/* Text that holds entryCSNs: of an entry, or a cookie. */
void directory_saw(struct directory *d, struct str text);
enum directory_age { DIRECTORY_AGE_SAME, DIRECTORY_AGE_BEHIND, DIRECTORY_AGE_UNKNOWN };
enum directory_age directory_age_of(struct directory *d, LDAP *ld, int64_t deadline);
/* The server in use is older than what was seen of it: logged, counted, and followed from now on.
 */
void directory_follow_back(struct directory *d, const char *what_shows_it);
/* The same, where its contextCSN shows it. */
bool directory_went_back(struct directory *d, LDAP *ld, int64_t deadline);
struct directory_now { /* what one connection was asked; begins with zeroes, lives in the arena */
    struct str suffixes, suffix, context;
};
/* A cookie (RFC 4533) of slapd as of the first call, for a search with that base; empty: its
 * contextCSN cannot be read. */
struct str directory_cookie_now(struct directory_now *now, LDAP *ld, struct arena *a,
                                struct str base, int64_t deadline);
/* Puts it to use. false: it may not stand in, and is closed. */
bool directory_host_take(struct directory *d, struct directory_link *link, int64_t deadline);

/* ---- connection.c */
/* Connected and bound as the account: clear of anything half-done. Errors: ERR_UNAVAILABLE. */
MUST_CHECK bool directory_connect(struct directory *d, enum directory_account account,
                                  int64_t deadline, struct directory_link *link, struct error *err);
/* Looks for the first server from time to time, while another one is in use. */
void directory_return(struct directory *d);
/* Bound as a person; the handle is the caller's to unbind. Errors: ERR_UNAUTHORIZED,
 * ERR_UNAVAILABLE. */
MUST_CHECK bool directory_connect_person(struct directory *d, struct str dn, struct str password,
                                         LDAP **out, struct error *err);
/* The server does not answer as it should: drops the connection; true when the next one will be to
 * another server (for reads, and where there is one). */
bool directory_conn_elsewhere(struct directory_conn *c);
MUST_CHECK bool directory_conn_may_write(const struct directory_conn *c, struct error *err);
/* The deadline of a call that starts now. */
int64_t directory_conn_deadline(const struct directory_conn *c);
/* Bytes on a connection that awaits no answer are a farewell, or its end. */
MUST_CHECK bool directory_conn_is_alive(const struct directory_conn *c);
/* Connects when need be. `*fresh` (may be NULL): this connection was made just now. */
MUST_CHECK bool directory_conn_ready(struct directory_conn *c, int64_t deadline, bool *fresh,
                                     struct error *err);
void directory_conn_drop(struct directory_conn *c);
/* For metrics: an operation that began then has ended; LDAP codes below 0 are no answer. */
void directory_count(struct directory *d, enum directory_operation operation, int64_t began_ns,
                     int code);

/* ---- proof.c */
bool directory_is_proof(struct str dn); /* hidden as a throw-away entry */

/* ---- search.c */
/* The entry of a search message; the arena keeps the message. */
MUST_CHECK bool directory_entry_take(LDAP *ld, struct arena *a, LDAPMessage *message,
                                     struct directory_entry *out);
/* The entry inside a control (RFC 4527): a SearchResultEntry as BER; copied into the arena. */
MUST_CHECK bool directory_entry_decode(struct arena *a, const struct berval *value,
                                       struct directory_entry *out);

/* ---- dn.c */
/* Of keys: that entry, or one below it; everything is below "". */
bool directory_is_below(struct str key, struct str top);

/* ---- queries.c */
struct directory_search directory_tokens(const struct directory *d); /* all of them */

/* ---- answers: sync.c and outcome.c */
struct directory_answer {
    enum directory_operation operation;
    int code;
    struct str diagnostic;             /* the server's words: to the log, never to the client */
    struct str referral;               /* the first URL, or empty */
    const struct directory_entry *pre; /* what was there before, where a control told; or NULL */
    const char *reason; /* our own words where a control said more than the code; or NULL */
};

/* Fills `answer` (but its operation) from a result message, which it frees; `controls` may be NULL.
 */
void directory_answer_take(LDAP *ld, struct arena *a, LDAPMessage *message,
                           struct directory_answer *answer, LDAPControl ***controls);
/* A search reference, which it frees: a part of the tree lives elsewhere, so the answer to the
 * search can never be whole. */
void directory_answer_reference(LDAP *ld, struct arena *a, LDAPMessage *message,
                                struct directory_answer *answer);

/* ---- sync.c: RFC 4533 on the wire */
enum directory_sync_kind {
    SYNC_ENTRY,  /* added or changed: `entry` is as it is now */
    SYNC_GONE,   /* `entry.id` is deleted, or matches no more */
    SYNC_IDS,    /* `ids` grew: all of these are gone */
    SYNC_KEPT,   /* an id or a set of ids is said to be unchanged: what is not named is gone */
    SYNC_PHASE,  /* a phase of the refresh is over; `present`, `done` */
    SYNC_COOKIE, /* nothing but a cookie */
    SYNC_END,    /* the search is over: `answer` says why */
};

struct directory_sync {
    enum directory_sync_kind kind;
    struct directory_entry entry;
    struct str cookie; /* empty = none came */
    bool present;      /* of a phase: what it did not name is gone */
    bool done;         /* of a phase: the refresh is over, live changes follow */
    struct directory_answer answer;
};

#define SYNC_ID_BYTES 16
/* The sync request control's value for refresh and persist; free with ber_memfree(). */
MUST_CHECK bool directory_sync_request(struct str cookie, struct berval *out);
/* Reads one message of a sync search; `ids` gets SYNC_ID_BYTES per deleted id. The arena keeps the
 * message. false: malformed. */
MUST_CHECK bool directory_sync_read(LDAP *ld, struct arena *a, LDAPMessage *message,
                                    struct buf *ids, struct directory_sync *out);
/* The same of a search without the control: entries (of which one may have no id), and the end. */
MUST_CHECK bool directory_sync_read_plain(LDAP *ld, struct arena *a, LDAPMessage *message,
                                          struct directory_sync *out);
/* The text form of an id. */
struct str directory_sync_id(struct arena *a, const void *bytes);

/* ---- preset.c */
struct directory_server {
    const char *const *identity; /* to ask for before and after a change */
    int locked;                  /* how it refuses who is locked, beside invalidCredentials; or 0 */
    bool asserts;                /* RFC 4528: a change can carry what must hold */
    bool tells;                  /* RFC 4533, with entryUUIDs */
    bool dates;                  /* by entryCSN and contextCSN it shows how new it is */
    bool renames_unseen;         /* its uniqueness looks at values, and at no rename */
};
const struct directory_server *directory_server(const struct directory *d);
/* entryUSN and modifyTimestamp, so that they compare as text; STR_NONE: not both are there. */
struct str directory_csn_of_number(struct arena *a, struct str number, struct str time);
/* Does the entry hold what directory_target.extra asks? */
bool directory_extra_holds(const char *extra, const struct directory_entry *e);
/* The target's id and version, and whatever else must hold, as one filter; NULL: nothing. */
const char *directory_assertion(struct arena *a, const struct directory_target *t);

/* ---- feed.c: what the two kinds of feed share */
#define DIRECTORY_SOURCES 5

/* What is followed; lives as long as the feed. */
struct directory_source {
    enum directory_feed_kind kind;
    struct directory_search search;
    const char *base, *filter;
};

struct directory_sources {
    struct directory_source at[DIRECTORY_SOURCES];
    size_t count; /* the last one only where people may sign up */
};

/* Waits for `fd` (-1 = none); true when somebody called directory_feed_wake(). */
bool directory_feed_wait(int wake, int fd, int64_t ms);
/* When to try again; each time in a row takes longer. `*delay`: ms; 0 after a success. */
int64_t directory_feed_retry(int64_t *delay);

/* ---- newest.c: the newest entries that a search was told. Data that were restored, and then
 * written to, have a contextCSN that says nothing of it; these show it. */
#define DIRECTORY_NEWEST 4

struct directory_newest { /* the newest first; begins with zeroes */
    struct {
        char id[40], csn[64]; /* csn empty: none */
    } at[DIRECTORY_NEWEST];
};

struct directory_newest_seen { /* entries; begins with zeroes */
    size_t asked, found, older;
};

void directory_newest_note(struct directory_newest *n, const struct directory_entry *e);
/* Adds to `seen` what is below `base` of them now. false: the server did not say. */
MUST_CHECK bool directory_newest_look(LDAP *ld, const char *base, const struct directory_newest *n,
                                      int64_t deadline, struct directory_newest_seen *seen);

/* ---- persist.c: the server tells (RFC 4533); functions as those of the face */
struct directory_persist;
struct directory_persist *directory_persist_new(struct directory *d,
                                                const struct directory_sources *sources, int wake);
void directory_persist_free(struct directory_persist *f);
void directory_persist_next(struct directory_persist *f, struct arena *a, int wait_ms,
                            struct directory_event *out);
/* The server has refused the control: it does not tell. */
bool directory_persist_is_unknown(const struct directory_persist *f);

/* ---- poll.c: the server is asked from time to time; functions as those of the face */
struct directory_poll;
struct directory_poll *directory_poll_new(struct directory *d,
                                          const struct directory_sources *sources, int wake);
void directory_poll_free(struct directory_poll *p);
void directory_poll_expect(struct directory_poll *p, size_t source, struct str id);
void directory_poll_next(struct directory_poll *p, struct arena *a, int wait_ms,
                         struct directory_event *out);

/* ---- outcome.c */
/* What a result code means for that operation. */
enum directory_outcome directory_outcome_of(const struct directory_answer *answer);
/* Sets err for REFUSED, UNAVAILABLE and UNKNOWN (then false) and logs the server's words. */
MUST_CHECK bool directory_outcome_report(const struct directory_answer *answer,
                                         enum directory_outcome outcome, struct error *err);
