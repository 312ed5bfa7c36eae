/*
 * What the replica's files share: packed records, the nodes that hold them, and who links to whom.
 *
 * A *record* is one entry, packed into one block and never changed afterwards: a new state is a new
 * record. A *node* (struct user, struct organization) is what stays while records come and go; it
 * carries the links. A *link* says that a user is in `member`, in `owner`, or asks to join. A
 * *stray* is a value of `member` or `owner` that names no user known here.
 *
 * Threads: nodes, links, strays and indexes are read and written under replica.lock. Records are
 *          read without it, either under the lock's protection from being freed, or under a pin.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "replica/replica.h"

#include "base/memory.h"

/* ---- index.c */
struct index {
    uint32_t *hash; /* 0 = free slot */
    void **at;
    size_t slots, count;
};

struct index_probe {
    size_t slot;
    uint32_t hash;
};

uint32_t index_hash(struct str key);
void index_add(struct index *ix, uint32_t hash, void *thing);
bool index_remove(struct index *ix, uint32_t hash, const void *thing); /* false: was not there */
/* All things with that hash, one by one; the caller compares the key. Nothing may be added or
 * removed meanwhile. */
struct index_probe index_probe(const struct index *ix, uint32_t hash);
void *index_next(const struct index *ix, struct index_probe *p); /* NULL at the end */
void index_release(struct index *ix);

/* ---- record.c */
enum field {
    FIELD_ID,
    FIELD_DN,
    FIELD_DN_KEY,
    FIELD_CSN,
    FIELD_NAME, /* userName, or the organization's displayName */
    FIELD_NAME_KEY,
    FIELD_LABEL,         /* what display attributes show, as a JSON string with its quotes */
    FIELD_DISPLAY,       /* the same as plain text; empty when cutting the quotes off gives it */
    FIELD_VERSION,       /* user: hex */
    FIELD_CORE,          /* members of the JSON object, with commas between */
    FIELD_EXTENSIONS,    /* the same: keys are URNs */
    FIELD_OWN_EXTENSION, /* organization: of the kiops extension, the description */
    FIELD_PASSWORD,      /* user: when it was changed */
    FIELD_ROLES,         /* user: items of `roles` that other systems stored */
    FIELD_KEYS,          /* from here on lists; user: comparison keys, see enum record_key */
    FIELD_MAILS,         /* comparison keys, that of the primary one first */
    FIELD_EXTERNAL,
    FIELD_JOINED,
    FIELD_MANAGERS,
    FIELD_PERMISSIONS,
    FIELD_REQUESTS,
    FIELD_REJECTED,
    FIELDS
};

/* The values whose keys a user's record holds beside userName and e-mail: what people are searched
 * and sorted by. */
enum record_key {
    RECORD_DISPLAY_NAME,
    RECORD_FORMATTED,
    RECORD_FAMILY_NAME,
    RECORD_GIVEN_NAME,
    RECORD_KEYS
};

struct record {
    void *node;
    instant_t created, modified;
    uint64_t
        content; /* user: hash of the id, its part of versions; organization: of its own part */
    uint32_t size;
    uint16_t extensions; /* bit i: content under the resource type's extension i */
    bool is_user, active, open;
    bool applicant; /* user: signed up, not approved: in no list, found by id alone, names nobody */
    bool odd_keys;  /* a value whose key is empty: its keys do not tell it from no value */
    uint32_t end[FIELDS];
    char text[];
};

/* NULL: larger than a record may be. */
struct record *record_of_user(const struct replica *r, const struct directory_user *u);
struct record *record_of_organization(const struct replica *r,
                                      const struct directory_organization *o);
/* New: the same organization with another CSN and time of change. */
struct record *record_touched(const struct record *rec, struct str csn, instant_t modified);
static inline struct str record_field(const struct record *rec, enum field f)
{
    uint32_t from = f ? rec->end[f - 1] : 0;
    return (struct str){rec->text + from, rec->end[f] - from};
}

struct str record_name_key(const struct record *rec);
struct str record_dn_key(const struct record *rec);
struct str record_display(const struct record *rec);
bool record_same(const struct record *a, const struct record *b);

/* Walks a list field: `*at` starts at 0. */
bool record_next(const struct record *rec, enum field list, size_t *at, struct str *value);
bool record_has(const struct record *rec, enum field list,
                struct str value); /* ASCII without case */
/* The first value `<key>:...`: what follows the colon; STR_NONE. */
struct str record_keyed(const struct record *rec, enum field list, struct str key);
struct directory_values record_list(const struct record *rec, enum field list, struct arena *a);
void record_person(const struct record *rec, struct arena *a, struct directory_person *out);

/* ---- links.c */
enum { LINK_MEMBER = 1, LINK_OWNER = 2, LINK_REQUEST = 4 };

struct organization;

struct link {
    struct organization *organization;
    uint8_t flags;
};

struct user {
    _Atomic(struct record *) rec;
    struct link *links; /* room for the next power of two of link_count */
    uint32_t link_count;
    uint32_t seen : 31; /* the refresh that named it last */
    uint32_t holds_dn : 1;
};

/* By id, but while `unsorted`. */
struct people {
    struct user **at;
    uint32_t count, cap;
    bool unsorted;
};

struct stray {
    struct organization *organization, *names; /* names: the organization of that DN, or NULL */
    size_t place;                              /* in organization->strays */
    uint32_t hash;                             /* of key */
    uint32_t dn_len, key_len;
    uint8_t flags;
    char text[]; /* dn, then key */
};

struct organization {
    _Atomic(struct record *) rec;
    struct people members, owners, requesters;
    struct stray **strays;
    size_t stray_count, stray_cap;
    uint64_t sets_hash; /* sum over members and owners: part of the version */
    size_t pending;     /* requesters that are no members */
    char sets_csn[64];  /* entryCSN at which members and owners were complete */
    uint32_t seen;
    bool managed, placeholder_owner;
    bool loading;       /* its sets are being replaced as a whole */
    uint32_t newcomers; /* while loading */
};

static inline struct record *user_record(const struct user *u)
{
    return atomic_load_explicit(&u->rec, memory_order_acquire);
}

static inline struct record *organization_record(const struct organization *o)
{
    return atomic_load_explicit(&o->rec, memory_order_acquire);
}

/* The DN values of one attribute, with their keys and hashes made before the lock is taken. */
struct dn_value {
    struct str dn, key;
    uint32_t hash;
};

struct dn_values {
    const struct dn_value *at;
    size_t count;
};

struct link *link_of(const struct user *u, const struct organization *o); /* NULL: none */
/* In member, in owner, and both of the person's own values: a Manager that counts, activity aside.
 */
bool link_counts(const struct link *l, const struct record *user);
void link_change(struct replica *r, struct user *u, struct organization *o, uint8_t add,
                 uint8_t remove);
/* Exactly these from now on; what stays is left where it stands. */
void links_replace(struct replica *r, struct organization *o, const struct dn_values *members,
                   const struct dn_values *owners);
void links_sort(struct organization *o);
/* A value of member or owner appears or disappears. */
void links_name(struct replica *r, struct organization *o, const struct dn_value *dn, uint8_t flag);
void links_unname(struct replica *r, struct organization *o, const struct dn_value *dn,
                  uint8_t flag);
/* Strays that name `u` become links; and back. */
void links_claim(struct replica *r, struct user *u);
void links_disclaim(struct replica *r, struct user *u);
/* The same for an organization that other organizations name. */
void links_name_organization(struct replica *r, struct organization *o, bool exists);
void links_requests(struct replica *r, struct user *u, const struct record *rec, bool exist);
void links_requests_of(struct replica *r, struct organization *o, bool exists);

/* ---- what the replica is made of */
/* All records of a kind, by id. */
struct order {
    struct record **at;
    size_t count, cap;
    bool unsorted;
};

struct token {
    struct arena *arena;
    struct directory_token facts;
    _Atomic instant_t used;
    uint32_t seen;
};

struct platform {
    struct arena *arena;
    struct str csn;
    struct str *keys; /* DN keys of the members */
    size_t count;
    uint32_t seen;
};

#define TOMBSTONES 4096
#define TOMBSTONE_MS 300000
#define TOMBSTONE_BLIND_MS 10000

struct tombstone {
    char id[64], csn[64];
    int64_t at; /* monotonic ms */
};

struct pin {
    uint64_t generation;
    struct pin *older, *newer;
};

#define GROW(items, count, cap)                                                                    \
    ((count) < (cap)                                                                               \
         ? (items)                                                                                 \
         : ((cap) = (cap) ? (cap)*2 : 8, must(realloc((items), (cap) * sizeof *(items)))))

struct retired;

/* What lives on while somebody who was there before it was retired still reads it. */
struct keep {
    pthread_mutex_t lock;
    struct pin *oldest, *newest;
    struct retired *retired, **last;
    uint64_t generation;
};

#define LISTS_MAX 8

struct list;

/* lists.c: what was found for who pages through it. */
struct lists {
    pthread_mutex_t lock;
    struct list *first;
    size_t count;
};

struct replica {
    struct str base; /* JSON-escaped */
    const struct scim_resource_type *user_type, *group_type;
    struct str placeholder_key;
    bool owners_alone;
    pthread_rwlock_t lock;

    struct order users, organizations;
    struct order applicants; /* in no other order */
    struct index user_id, user_dn, user_name, user_external, user_mail;
    struct index organization_id, organization_dn, organization_name, organization_external;
    struct index strays;     /* by DN key */
    struct index unresolved; /* users by the id of an organization that is not known here */
    struct token **tokens;
    size_t token_count, token_cap;
    struct platform platform;
    struct tombstone *tombstones; /* a ring */
    size_t tombstone_next;
    struct index tombstone_id;
    uint32_t refresh; /* number of the refresh under way or done last */
    bool refreshing;
    bool rewound;     /* this refresh is of a directory that went back: older is not late */
    char doubted[40]; /* id: see replica_doubt() */
    bool bulk;        /* first load: sorted once, at its end */
    struct replica_arrival *arrived; /* after the first load; for who asks */
    size_t arrived_count, arrived_cap;
    bool notes_arrivals;

    struct keep keep;
    struct lists lists;
    atomic_uint_fast64_t changes; /* times that it was locked for writing */

    atomic_bool ready, live;
    atomic_int_fast64_t lost_at;
    atomic_int_fast64_t polled_at; /* 0: the feed tells by itself */
    atomic_size_t odd, bytes;
};

/* ---- store.c */
void replica_read(struct replica *r);
void replica_write(struct replica *r);
void replica_unlock(struct replica *r);

struct user *store_user(const struct replica *r, struct str id);
struct user *store_user_of_dn(const struct replica *r, struct str key, uint32_t hash);
struct organization *store_organization(const struct replica *r, struct str id);
struct organization *store_organization_of_dn(const struct replica *r, struct str key,
                                              uint32_t hash);
struct user *store_user_named(const struct replica *r, struct str name_key, struct str except);
struct organization *store_organization_named(const struct replica *r, struct str name_key,
                                              struct str except);
/* Its node under all its keys, but the DN of a user: that is claimed (apply.c). */
void store_index(struct replica *r, const struct record *rec, bool add);
/* Where a user stands. */
struct order *order_of_user(struct replica *r, const struct record *rec);
void order_add(struct order *o, struct record *rec, bool append);
void order_replace(struct order *o, const struct record *old, struct record *rec);
void order_remove(struct order *o, const struct record *rec);
void order_sort(struct order *o);
/* Place of the first id behind `id`, which need not be there. */
size_t order_behind(const struct order *o, struct str id);
void tombstone_put(struct replica *r, struct str id, struct str csn);
bool tombstone_bars(const struct replica *r, struct str id, struct str csn);
/* Platform group, kiopsJoined `platform:...`; activity aside. */
bool store_is_admin(const struct replica *r, const struct record *user);

/* ---- keep.c */
void keep_init(struct keep *k);
void keep_release(struct keep *k);
/* What is retired while a pin stands is freed after it. A pin is taken under the read lock. */
void pin_hold(struct keep *k, struct pin *p);
void pin_drop(struct keep *k, struct pin *p);
void keep_retire(struct keep *k, void *thing); /* under the write lock; freed with free() */

/* ---- lists.c */
void lists_expire(struct replica *r);
void lists_release(struct replica *r);

/* ---- apply.c */
/* entryCSNs compare as text; without one, what comes later counts. */
bool apply_is_older(const struct replica *r, struct str csn, struct str known);
/* The same of what is held of `id`, unless that is doubted: the doubt ends here. */
bool apply_refuses(struct replica *r, struct str id, struct str csn, struct str known);

/* ---- apply_token.c */
struct directory_token token_copy(struct arena *a, const struct directory_token *t);
/* Of the token with that id, or token_count. Under a lock. */
size_t token_place(const struct replica *r, struct str id);
void token_drop(struct replica *r, size_t place); /* under the write lock */

/* ---- seat.c: a user's place in an organization */
struct seat {
    bool member, manager, pending, rejected;
    bool admin; /* an active PlatformAdmin */
};

/* Under the read lock. All false: the user has no place there. */
struct seat seat_of(const struct replica *r, const struct user *u, const struct organization *o);
enum kiops_role seat_role(const struct seat *s); /* the highest; none unless active */
struct str seat_status(const struct seat *s);    /* "active", "pending", "rejected" */
/* What the person holds there, as far as it counts. */
kiops_permission_set seat_permissions(const struct record *user, struct str organization_id);
/* INSTANT_NONE: none, or not known. */
instant_t seat_joined(const struct record *user, struct str organization_id);
instant_t seat_requested(const struct record *user, struct str organization_id);
instant_t seat_rejected(const struct record *user, struct str organization_id);
/* Of `<time>.<random>` or `<time>`. */
instant_t seat_time(struct str stamp);

struct pen;

/* As it stands in `permissions`, with a comma before; nothing without any. */
void seat_render_permissions(struct pen *p, kiops_permission_set set);

struct view;
struct seat_text {
    const struct view *view;
    const struct record *user, *in;
    struct seat seat;
};

/* A Membership. `*version`: as an ETag. */
struct str seat_render(const struct seat_text *t, struct arena *a, struct str *version);

/* ---- pen.c: text that grows in the caller's arena */
struct pen {
    struct arena *arena;
    char *start, *at, *end;
};

void pen_init(struct pen *p, struct arena *a, size_t room);
void pen_add(struct pen *p, const char *bytes, size_t len);
void pen_str(struct pen *p, struct str s);
void pen_json(struct pen *p, struct str s); /* a JSON string with its quotes */
void pen_number(struct pen *p, size_t n);
void pen_instant(struct pen *p, instant_t t); /* a JSON string: RFC 3339 */
struct str pen_text(const struct pen *p);
#define PEN_LIT(p, literal) pen_add((p), "" literal, sizeof(literal) - 1)

/* ---- view.c, user.c, group.c: what an actor may see */
enum {
    SECTION_SCHEMAS = 1,
    SECTION_CORE = 2,
    SECTION_GROUPS = 4,
    SECTION_ROLES = 8,
    SECTION_EXTENSIONS = 16,
    SECTION_KIOPS = 32,
    SECTION_META = 64,
    SECTION_MEMBERS = 128,
    SECTION_PROBE = 256, /* for a filter: joinPolicy also where it is not shown */
    SECTION_ALL = 255,
    /* What rests on links, so that it is read under the lock. */
    SECTION_LINKED = SECTION_SCHEMAS | SECTION_GROUPS | SECTION_ROLES | SECTION_KIOPS
};

struct view {
    struct replica *replica;
    const struct kiops_actor *actor;
    bool all;
    struct str self;           /* id of the person who asks */
    const struct str *managed; /* sorted; NULL: ask kiops_actor_manages */
    size_t managed_count;
};

enum sight { SIGHT_HIDDEN, SIGHT_SHORT, SIGHT_FULL };

struct view view_of(struct replica *r, const struct kiops_actor *actor);
void view_prepare(struct view *v, struct arena *a); /* worth it for many questions */
bool view_manages(const struct view *v, struct str organization_id);
bool view_may_know(const struct view *v, const struct record *user);
bool view_user(const struct view *v, const struct user *u);
enum sight view_organization(const struct view *v, const struct organization *o);
bool view_seat(const struct view *v, struct str organization_id, struct str user_id);

/* Pieces that users and groups share; each begins with a comma but the first. */
void view_schemas(struct pen *p, const struct scim_resource_type *type, uint16_t extensions,
                  const char *own);
void view_external(struct pen *p, const struct view *v, const struct record *rec);
void view_members_of(struct pen *p, struct str members); /* of a JSON object; may be empty */
void view_ref(struct pen *p, const struct view *v, const char *endpoint, struct str id);
/* An object that refers to a user or a group: value, $ref, display; left open. */
void view_reference(struct pen *p, const struct view *v, const struct record *rec);
struct meta {
    bool dated;
    struct str version; /* hex */
};
void view_meta(struct pen *p, const struct view *v, const struct record *rec, const struct meta *m);
struct str view_version(struct arena *a, struct str hex); /* W/"..." */

/* What to render of a resource; `only`: of the members, these alone (NULL = all). */
struct render {
    const struct view *view;
    unsigned sections;
    const struct str *only;
    size_t only_count;
};

/* Under the read lock when r->sections & SECTION_LINKED. */
struct str user_render(const struct render *r, const struct record *rec, struct arena *a);

struct group_facts; /* what a group's text needs from under the lock */
struct group_facts *group_facts(const struct render *r, const struct record *rec, enum sight sight,
                                struct arena *a);
/* Without the lock, under the pin that stood when the facts were taken. */
struct str group_render(const struct render *r, const struct group_facts *f, struct arena *a);
struct str group_version(const struct group_facts *f); /* hex; of the view */

/* ---- probe.c: the part of a resource that a filter and a sort speak of */
struct probe {
    const struct str *names; /* top-level keys */
    size_t name_count;
    unsigned sections;
    const struct str *only; /* as in struct render */
    size_t only_count;
    bool whole_members; /* every member is needed to decide */
};

void probe_of(struct arena *a, const struct replica_query *q, struct probe *out);
/* New: the named keys of a rendered resource. */
json_t *probe_document(const struct probe *p, struct arena *scratch, struct str resource);
