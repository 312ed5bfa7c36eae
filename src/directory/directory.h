/*
 * The LDAP directory: connections with deadlines, reads, changes that carry their preconditions,
 * and the mapping between entries and SCIM resources; what changed is in feed.h. The only folder
 * that includes <ldap.h>.
 *
 * Owns:    results live in the caller's arena.
 * Threads: a struct directory_conn belongs to one thread; struct directory may be shared.
 * Errors:  absence is concluded only from a search that ended with success (or noSuchObject on a
 * base-scope read); everything else is ERR_UNAVAILABLE. The LDAP diagnostic goes to the log, never
 * into err->detail.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "scim/scim.h"

struct directory;      /* configuration, passwords, mapping */
struct directory_conn; /* one thread's connection; reconnects by itself */

/* `config` and `catalog` must outlive it. Reads the password file of the service account; from then
 * on the process ignores SIGPIPE. Before other threads start. Errors: ERR_CONFIG. */
MUST_CHECK bool directory_new(const struct config *config, const struct scim_catalog *catalog,
                              struct directory **out, struct error *err);
void directory_free(struct directory *d);
const struct config *directory_config(const struct directory *d);
/* Attributes of an organization (the platform group has `member`); the owner's is "" where there is
 * none. */
const char *directory_member_attr(const struct directory *d);
const char *directory_owner_attr(const struct directory *d);
/* Where externalId stands; NULL: nowhere (plain mode, not mapped). */
const char *directory_external_attr(const struct directory *d);

/* ---- connection.c */
/* SERVICE reads, from whichever server is in use; WRITER and OPERATOR are bound to the one that is
 * written to. */
enum directory_account { DIRECTORY_SERVICE, DIRECTORY_WRITER, DIRECTORY_OPERATOR };

/* Connects lazily, at the first use; never NULL. */
struct directory_conn *directory_open(struct directory *d, enum directory_account account);
void directory_close(struct directory_conn *c);
const struct directory *directory_of(const struct directory_conn *c);
/* Every call on this connection ends by this monotonic deadline (or operation_timeout_ms after its
 * start, the earlier); 0 = only the latter. */
void directory_deadline(struct directory_conn *c, int64_t deadline);
/* Connects and binds now if need be. Errors: ERR_UNAVAILABLE. */
MUST_CHECK bool directory_ping(struct directory_conn *c, struct error *err);
/* What the LDAP operations so far took: those of `failed` got no answer. */
#define DIRECTORY_FIGURES 8
struct directory_figure {
    const char *operation;
    uint64_t count, failed, nanoseconds;
};
size_t directory_figures(const struct directory *d, struct directory_figure *out);
/* Binds as a person on a connection of its own. An empty password is refused before any bind
 * (ERR_UNAUTHORIZED). */
MUST_CHECK bool directory_bind_person(struct directory *d, struct str dn, struct str password,
                                      struct error *err);

/* ---- servers.c: the server in use */
/* Is the first server of the list in use, which takes writes and proofs? */
bool directory_is_first(const struct directory *d);
struct directory_server_figures {
    const char *uri;
    size_t number; /* in the list, from 0 */
    uint64_t changes, went_back;
    int64_t certificate_ends; /* seconds since 1970; 0 = it showed none */
};
void directory_server_figures(const struct directory *d, struct directory_server_figures *out);

/* ---- search.c */
struct directory_attr {
    struct str name; /* as the server spells it, options included */
    const struct str *values;
    size_t count;
};

struct directory_entry {
    struct str dn, id /* entryUUID */,
        csn /* entryCSN, else of entryUSN; later ones compare greater; empty when not there */;
    const struct directory_attr *attrs;
    size_t attr_count;
};

const struct directory_attr *directory_attr(const struct directory_entry *e,
                                            const char *name); /* without case; NULL */
struct str directory_value(const struct directory_entry *e, const char *name); /* first; STR_NONE */
bool directory_has(const struct directory_entry *e, const char *name,
                   struct str value); /* ASCII without case */

enum directory_scope { DIRECTORY_BASE, DIRECTORY_ONE, DIRECTORY_SUB };

struct directory_search {
    struct str base;
    enum directory_scope scope;
    struct str filter; /* RFC 4515, values escaped with directory_filter_value(); empty =
                          (objectClass=*) */
    const char *const
        *attrs;        /* NULL-terminated; NULL = all user attributes plus entryUUID, entryCSN */
    size_t size_limit; /* 0 = none; more entries than that: ERR_UNAVAILABLE, never a cut answer */
    bool nothing;      /* known to match nothing: answered without asking the directory */
};

struct directory_searches {
    const struct directory_search *at;
    size_t count;
};

struct directory_entries {
    const struct directory_entry *at;
    size_t count;
};

/* Reads repeat once on a fresh connection when the old one proved dead. Protected entries are left
 * out of every answer. */
MUST_CHECK bool directory_find(struct directory_conn *c, struct arena *a,
                               const struct directory_search *s, struct directory_entries *out,
                               struct error *err);
/* The same for searches sent together and answered together: one round trip. `out` has room for the
 * answer to each. */
MUST_CHECK bool directory_find_all(struct directory_conn *c, struct arena *a,
                                   struct directory_searches s, struct directory_entries *out,
                                   struct error *err);
/* Sends a search that directory_find() will be asked for soon, so that several requests' searches
 * are under way at once: it then takes this answer instead of asking. Only a hint: where it cannot
 * be sent, nothing happens, and 0 comes back. `s` and `a` must live until directory_drop_ahead(),
 * which forgets an answer that nobody took. */
#define DIRECTORY_AHEAD_MAX 16
int directory_ask_ahead(struct directory_conn *c, struct arena *a,
                        const struct directory_search *s);
void directory_drop_ahead(struct directory_conn *c, int asked);

/* ---- walk.c: a search whose answer is too large to be held. Nothing else is asked on that
 * connection meanwhile; who stops before the end closes it. Each entry has operation_timeout_ms. */
struct directory_walk {
    struct directory_conn *conn;
    int64_t began;
    int msgid;
    bool referred;
    size_t hidden; /* protected entries that were left out so far */
};
MUST_CHECK bool directory_walk_begin(struct directory_conn *c, struct arena *a,
                                     const struct directory_search *s, struct directory_walk *out,
                                     struct error *err);
/* The next entry, in `a`, which may be reset in between. `*more` false: the answer has ended, and
 * was whole. */
MUST_CHECK bool directory_walk_next(struct directory_walk *w, struct arena *a,
                                    struct directory_entry *out, bool *more, struct error *err);

/* ---- queries.c */
/* The usual searches, ready to send. `id` must look like a UUID, else it matches nothing. Only
 * inside the configured base and filter, protected entries never. */
struct directory_search directory_search_user(const struct directory *d, struct arena *a,
                                              struct str id);
struct directory_search directory_search_user_named(const struct directory *d, struct arena *a,
                                                    struct str user_name);
/* Who stands there; an entry that is no user here, for its place or its kind, is nobody. */
struct directory_search directory_search_user_at(const struct directory *d, struct arena *a,
                                                 struct str dn);
/* The same among those who signed up. */
struct directory_search directory_search_applicant(const struct directory *d, struct arena *a,
                                                   struct str id);
struct directory_search directory_search_organization(const struct directory *d, struct arena *a,
                                                      struct str id);
struct directory_search directory_search_organization_named(const struct directory *d,
                                                            struct arena *a, struct str name);
struct directory_search directory_search_token(const struct directory *d, struct arena *a,
                                               struct str name);
struct directory_search directory_search_platform(const struct directory *d, struct arena *a);
struct directory_search directory_search_tokens(const struct directory *d); /* all of them */
struct directory_search directory_search_token_hash(const struct directory *d, struct arena *a,
                                                    struct str hash);
/* Base-scope question "is `dn` a value of that attribute of the entry `entry_dn`": one entry = yes.
 */
struct directory_search directory_search_has_value(struct arena *a, struct str entry_dn,
                                                   const char *attr, struct str dn);
/* Organizations that name `dn` in member or owner: both attributes only as filter. The platform
 * group stands elsewhere: ask it with directory_search_has_value(). */
struct directory_search directory_search_groups_naming(const struct directory *d, struct arena *a,
                                                       struct str dn);
/* Users with any kiops value of that organization. */
struct directory_search directory_search_users_of(const struct directory *d, struct arena *a,
                                                  struct str organization_id);

/* ---- dn.c */
/* Escaping of RFC 4515 and 4514; the key, under which two spellings of one DN are equal bytes. */
struct str directory_filter_value(struct arena *a, struct str raw);
struct str directory_dn_value(struct arena *a, struct str raw);
struct str directory_dn_key(struct arena *a, struct str dn);
void directory_dn_key_to(struct buf *out, struct str dn);
struct str directory_dn_parent(struct str dn); /* empty: one RDN alone */
bool directory_is_uuid(struct str id);         /* in small letters, as every id here */
bool directory_is_protected(const struct directory *d, struct str dn);
/* Stands in signup.container: signed up, and nobody's user until the first approval moves it. */
bool directory_is_applicant(const struct directory *d, struct str dn);

/* ---- mods.c */
enum directory_mod_op { DIRECTORY_ADD, DIRECTORY_DELETE, DIRECTORY_REPLACE };

struct directory_mod {
    enum directory_mod_op op;
    const char *attr;
    const struct str *values; /* count 0 with DELETE/REPLACE: the whole attribute */
    size_t count;
};

struct directory_mods {
    struct arena *arena;
    struct directory_mod *at;
    size_t count, cap;
};

void directory_mods_init(struct directory_mods *m, struct arena *a);
void directory_mods_push(struct directory_mods *m, enum directory_mod_op op, const char *attr,
                         const struct str *values, size_t count);
void directory_mods_one(struct directory_mods *m, enum directory_mod_op op, const char *attr,
                        struct str value);
/* `delete V; add V`: refuses with 16 unless V is there. `add V; delete V`: refuses with 20 when it
 * is. */
void directory_mods_prove_there(struct directory_mods *m, const char *attr, struct str value);
void directory_mods_prove_absent(struct directory_mods *m, const char *attr, struct str value);

/* ---- change.c, outcome.c */
enum directory_outcome {
    DIRECTORY_DONE,
    DIRECTORY_LOST,    /* a precondition did not hold: 16, 20, 65, 122 */
    DIRECTORY_ABSENT,  /* 32 */
    DIRECTORY_EXISTS,  /* 68, or 19 of the unique overlay */
    DIRECTORY_REFUSED, /* bad data (19, 21, 17, 65 on an add, 64, ...): err = 400 naming no DN */
    DIRECTORY_UNAVAILABLE, /* nothing was sent, or the server said busy/unavailable/unwilling/no
                              rights: err = 503 */
    DIRECTORY_UNKNOWN,     /* sent and no answer: re-read before you say anything: err = 503 */
};

struct directory_result {
    enum directory_outcome outcome;
    int code; /* LDAP result code, for log and audit */
    struct str pre_csn,
        post_csn;       /* entryCSN by the read-entry controls; empty when the server gave none */
    struct str changed; /* modifyTimestamp after it, where a version does not hold the time */
    const struct directory_entry *post; /* with want_post: the entry after the change */
    bool last_value;    /* LOST: a class would lose the last value of what it must have */
    bool class_missing; /* REFUSED: no class of the entry may have one of the attributes */
};

/* What must hold goes with the change (RFC 4528). A server without that is asked just before; a
 * modify that met an entry of another id all the same is taken back: LOST. */
struct directory_target {
    struct str dn;
    struct str id;      /* entryUUID that must still be there (assertion); empty = not asserted */
    struct str csn;     /* the csn that must still hold; empty = not asserted */
    const char *extra;  /* what else must hold: "(!(attr=value))" or "(!(attr=start*))", several
                           one after the other, none with an escape; or NULL */
    struct str new_rdn; /* the name that directory_rename() gives it */
    struct str new_superior; /* of directory_rename(): where it moves; empty = stays */
    bool
        keep_old_rdn; /* of directory_rename(): the old name stays among the values, where it may */
    bool want_post;   /* whole entry back, else only entryCSN */
};

/* true: result->outcome is DONE, LOST, ABSENT or EXISTS. false: REFUSED, UNAVAILABLE or UNKNOWN,
 * and err says it. The result lives in the arena of the modifications. */
MUST_CHECK bool directory_modify(struct directory_conn *c, const struct directory_target *t,
                                 const struct directory_mods *m, struct directory_result *result,
                                 struct error *err);
MUST_CHECK bool directory_add(struct directory_conn *c, struct str dn,
                              const struct directory_mods *attrs, struct directory_result *result,
                              struct error *err);
MUST_CHECK bool directory_delete(struct directory_conn *c, struct arena *a,
                                 const struct directory_target *t, struct directory_result *result,
                                 struct error *err);
/* The assertion is read just before, not carried (slapo-unique would refuse every rename); an entry
 * of another id that was met all the same gets its name back: LOST. */
MUST_CHECK bool directory_rename(struct directory_conn *c, struct arena *a,
                                 const struct directory_target *t, struct directory_result *result,
                                 struct error *err);
/* RFC 3062. Refused by policy: REFUSED, err 400 with the reason. Gives outcome and code only. */
MUST_CHECK bool directory_set_password(struct directory_conn *c, struct str dn, struct str password,
                                       struct directory_result *result, struct error *err);

/* ---- mapping*.c: entries <-> SCIM */
/* The values that carry authority, as they stand on the person's entry. */
struct directory_values {
    const struct str *at;
    size_t count;
};

struct directory_person {
    struct str dn, id, csn, password_changed; /* pwdChangedTime; empty: the server does not say */
    bool active;
    bool applicant; /* filled by directory_map_user() alone */
    struct directory_values joined, managers, permissions, requests, rejected, external_ids;
};

struct directory_user {
    struct directory_person person;
    struct str user_name, display; /* display: displayName, else userName */
    /* Shared part of the SCIM resource in canonical spelling and schema order: core and extension
     * attributes that are stored, `active` always; without schemas, id, externalId, meta, groups
     * and the kiops extension. `roles` holds stored foreign values only. */
    json_t *resource;            /* kept by the arena */
    instant_t created, modified; /* modified: when the content did, by hand or by us */
    char version[17];            /* hex of the content hash, externalIds of all clients included */
    struct str marker;           /* request marker of the last own write; empty */
    struct str asserted_name;    /* userName as last asserted: another one after a foreign rename */
    bool asserted;               /* somebody did: externalId of a client, or content */
    bool as_asserted;            /* the content is what the bridge last wrote */
};

/* `owner` and `member` are filled only when the entry was read with them. */
struct directory_organization {
    struct str dn, id, csn, name, description;
    bool open;    /* joinPolicy; absent = closed */
    bool managed; /* has kiopsManagedOrganization */
    bool has_placeholder_member, has_placeholder_owner;
    struct directory_values members, owners; /* DNs without the placeholder */
    struct directory_values external_ids;
    json_t *resource; /* own attributes: displayName, extension description and joinPolicy; kept by
                         the arena */
    instant_t created, modified;
    uint64_t content; /* hash of own attributes and externalIds: the own part of the version */
    struct str marker;
    bool asserted; /* externalId of a client, or own attributes, by somebody */
};

struct directory_token {
    struct str name, hash, client, role, access, profile, push_mode, csn, dn, id;
    struct directory_values organizations, options;
    instant_t expires; /* INSTANT_NONE = never */
};

/* false with ERR_INTERNAL only for an entry that cannot be shown (odd entry: logged and counted by
 * the caller, skipped). */
MUST_CHECK bool directory_map_user(const struct directory *d, struct arena *a,
                                   const struct directory_entry *e, struct directory_user *out,
                                   struct error *err);
MUST_CHECK bool directory_map_organization(const struct directory *d, struct arena *a,
                                           const struct directory_entry *e,
                                           struct directory_organization *out, struct error *err);
MUST_CHECK bool directory_map_token(struct arena *a, const struct directory_entry *e,
                                    struct directory_token *out, struct error *err);
void directory_map_person(struct arena *a, const struct directory_entry *e,
                          struct directory_person *out);

/* Who writes: the client decides which externalId is meant; the marker finds a lost answer again.
 */
struct directory_writer {
    struct str client, marker;
    instant_t now;
};

/* From `before` (the entry and its mapping, as just read; both NULL for a new one) to `after` (the
 * whole resource that scim_resource_check() gave). */
struct directory_user_edit {
    const struct directory_entry *entry;
    const struct directory_user *before;
    const json_t *after;
    const struct directory_writer *writer;
    bool adopts; /* says so in the entry also where nothing else differs */
};

struct directory_organization_edit {
    const struct directory_entry *entry;
    const struct directory_organization *before;
    const json_t *after;
    const struct directory_writer *writer;
    bool adopts;
};

/* Does setting a password take the lock of an inactive account away? Then in this order: bar it,
 * set the password, lock it again. */
bool directory_password_unlocks(const struct directory *d);
bool directory_is_barred(const struct directory_entry *e);
/* `e` as read, NULL for a new entry. ERR_CONFLICT: an administrator's value stands there. */
MUST_CHECK bool directory_bar(const struct directory_entry *e, struct directory_mods *mods,
                              struct error *err);
/* Locks, and takes the bar away. Fails as a lost race when the account is active by now. */
void directory_lock_again(const struct directory *d, struct directory_mods *mods);

/* A new user's DN and attributes; `password` is not among them (RFC 3062 follows). `attrs` comes
 * initialised and empty, as `mods` below. Errors: ERR_INVALID_VALUE naming the SCIM attribute. */
MUST_CHECK bool directory_unmap_new_user(const struct directory *d,
                                         const struct directory_user_edit *edit, struct str *dn,
                                         struct directory_mods *attrs, struct error *err);
/* The same of who signs up: the entry stands in signup.container under a name of no meaning and has
 * no users.rdn value, so that it takes no userName from anybody. `mail`: as given, kept beside the
 * resource alone: no LDAP attribute holds it, and the move leaves it behind. */
struct directory_applicant {
    const struct directory_user_edit *edit;
    struct str mail;
    struct str name; /* of the entry: letters and digits */
};
MUST_CHECK bool directory_unmap_applicant(const struct directory *d,
                                          const struct directory_applicant *who, struct str *dn,
                                          struct directory_mods *attrs, struct error *err);
/* The RDN of the user of that name. */
struct str directory_user_rdn(const struct directory *d, struct arena *a, struct str user_name);
/* The value of the RDN attribute that is `dn`'s own, if the entry has it besides its name. */
void directory_drop_old_name(const struct directory *d, const struct directory_entry *e,
                             struct str dn, struct directory_mods *mods);
/* Exact values are deleted and added, nothing is replaced blindly. mods->count 0 = nothing to do.
 * Of a rename that was not ended, the old name goes.
 * `*new_rdn` is set when userName moves the RDN, else empty. */
MUST_CHECK bool directory_unmap_user(const struct directory *d,
                                     const struct directory_user_edit *edit,
                                     struct directory_mods *mods, struct str *new_rdn,
                                     struct error *err);
MUST_CHECK bool directory_unmap_new_organization(const struct directory *d,
                                                 const struct directory_organization_edit *edit,
                                                 struct str *dn, struct directory_mods *attrs,
                                                 struct error *err);
MUST_CHECK bool directory_unmap_organization(const struct directory *d,
                                             const struct directory_organization_edit *edit,
                                             struct directory_mods *mods, struct str *new_rdn,
                                             struct error *err);
/* externalId of that client, STR_NONE when it asserted none. `values` are "<client>:<value>". */
struct str directory_external_id(const struct directory_values *values, struct str client);

/* ---- mapping_adopt.c: entries that are there and that nobody asserted (directory.users.adopt) */
/* Ids alone: users who have a value of that attribute that a new entry (`attrs`, of
 * directory_unmap_new_user()) would have. Matches nothing where there is none, or adopt is "none".
 */
struct directory_search directory_search_adoptable(const struct directory *d,
                                                   const struct directory_mods *attrs);
/* What a modify that takes an entry over asserts: nobody did meanwhile. A filter. */
const char *directory_adopt_assertion(const struct directory_entry *e);
/* New: the resource as posted, with what it does not mention as the entry has it. `posted` is what
 * scim_resource_check() gave. */
json_t *directory_adopted_user(const struct directory *d, struct arena *a,
                               const struct directory_user *before, const json_t *posted);
json_t *directory_adopted_organization(const struct directory_organization *before,
                                       const json_t *posted);
/* The attributes that `mods` changes as they were in `e`: undoes, under an assertion of the version
 * that the modify left. */
void directory_adopt_undo(const struct directory_entry *e, const struct directory_mods *mods,
                          struct directory_mods *undo);

/* ---- mapping_fit.c: what this deployment can serve */
/* In plain mode: takes out of a schema or resource type, as its file has it, what nothing would
 * keep or obey. The one place where a deployment's schema is decided: every layer goes by what is
 * left. */
void directory_fit_schema(const struct config *config, json_t *document);
/* Is there anything of that schema or resource type to serve? */
bool directory_serves(const struct config *config, const json_t *document);
bool directory_keeps_external_id(const struct config *config, struct str type);

/* ---- mapping_token.c */
/* A token's entry: its class and values. */
struct directory_token_value {
    const char *name; /* "kiopsTokenRole" */
    struct str value;
};
void directory_unmap_token(const struct directory *d, const struct directory_token_value *values,
                           size_t count, struct directory_mods *attrs);

/* ---- mapping_print.c, mapping_slots.c */
/* The table in force, as `kiops-bridge schema mapping` prints it. */
void directory_mapping_print(const struct directory *d, struct buf *out);
/* Attributes to ask for, so that a mapped read is complete; NULL-terminated; live as long as d. */
const char *const *directory_user_attrs(const struct directory *d);
const char *const *directory_organization_attrs(const struct directory *d, bool with_members,
                                                bool with_owners);
