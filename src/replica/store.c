/* Store: where everything stands, found by its keys, in order of id. */
#include "replica/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/unicode.h"

/* ---- beginning and end */
static struct str copy(struct str s)
{
    char *at = must(malloc(s.len + 1));
    if (s.len)
        memcpy(at, s.at, s.len);
    return (struct str){at, s.len};
}

static void free_text(struct str s)
{
    free((char *)(uintptr_t)s.at);
}

/* Without its quotes: it becomes part of longer strings. */
static struct str json_text(struct str s)
{
    OWNED_BUF struct buf quoted;
    buf_init(&quoted, s.len * 6 + 16);
    buf_json_string(&quoted, s);
    return copy(str_sub(buf_view(&quoted), 1, quoted.len - 2));
}

static struct str dn_key(struct str dn)
{
    OWNED_BUF struct buf key;
    buf_init(&key, dn.len * 6 + 64);
    directory_dn_key_to(&key, dn);
    return copy(buf_view(&key));
}

struct replica *replica_new(const struct replica_settings *s)
{
    struct replica *r = must(calloc(1, sizeof *r));
    r->base = json_text(s->base);
    r->user_type = scim_catalog_type(s->catalog, STR("User"));
    r->group_type = scim_catalog_type(s->catalog, STR("Group"));
    r->placeholder_key = dn_key(s->placeholder_dn);
    r->owners_alone = s->owners_alone;
    r->tombstones = must(calloc(TOMBSTONES, sizeof *r->tombstones));
    r->platform.arena = arena_new();
    keep_init(&r->keep);
    pthread_mutex_init(&r->lists.lock, NULL);
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* The default prefers readers: scans starved the feed for seconds. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&r->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    atomic_store(&r->lost_at, clock_monotonic_ms());
    return r;
}

static void free_users(struct order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct user *u = o->at[i]->node;
        free(u->links);
        free(u);
        free(o->at[i]);
    }
    free(o->at);
}

static void free_organizations(struct replica *r)
{
    for (size_t i = 0; i < r->organizations.count; i++) {
        struct organization *o = r->organizations.at[i]->node;
        for (size_t k = 0; k < o->stray_count; k++)
            free(o->strays[k]);
        free(o->strays);
        free(o->members.at);
        free(o->owners.at);
        free(o->requesters.at);
        free(o);
        free(r->organizations.at[i]);
    }
    free(r->organizations.at);
}

void replica_free(struct replica *r)
{
    if (!r)
        return;
    free_users(&r->users);
    free_users(&r->applicants);
    free_organizations(r);
    for (size_t i = 0; i < r->token_count; i++)
        arena_free(r->tokens[i]->arena);
    free(r->tokens);
    free(r->arrived);
    arena_free(r->platform.arena);
    struct index *indexes[] = {
        &r->user_id,         &r->user_dn,           &r->user_name,
        &r->user_external,   &r->user_mail,         &r->organization_id,
        &r->organization_dn, &r->organization_name, &r->organization_external,
        &r->strays,          &r->unresolved,        &r->tombstone_id,
    };
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++)
        index_release(indexes[i]);
    free(r->tombstones);
    lists_release(r);
    keep_release(&r->keep);
    pthread_rwlock_destroy(&r->lock);
    free_text(r->base);
    free_text(r->placeholder_key);
    free(r);
}

void replica_read(struct replica *r)
{
    pthread_rwlock_rdlock(&r->lock);
}

void replica_write(struct replica *r)
{
    pthread_rwlock_wrlock(&r->lock);
    atomic_fetch_add(&r->changes, 1);
    lists_expire(r);
}

void replica_unlock(struct replica *r)
{
    pthread_rwlock_unlock(&r->lock);
}

/* ---- by key */
struct user *store_user(const struct replica *r, struct str id)
{
    struct index_probe p = index_probe(&r->user_id, index_hash(id));
    for (struct user *u; (u = index_next(&r->user_id, &p));)
        if (str_eq(record_field(user_record(u), FIELD_ID), id))
            return u;
    return NULL;
}

struct user *store_user_of_dn(const struct replica *r, struct str key, uint32_t hash)
{
    struct index_probe p = index_probe(&r->user_dn, hash);
    for (struct user *u; (u = index_next(&r->user_dn, &p));)
        if (str_eq(record_dn_key(user_record(u)), key))
            return u;
    return NULL;
}

struct organization *store_organization(const struct replica *r, struct str id)
{
    struct index_probe p = index_probe(&r->organization_id, index_hash(id));
    for (struct organization *o; (o = index_next(&r->organization_id, &p));)
        if (str_eq(record_field(organization_record(o), FIELD_ID), id))
            return o;
    return NULL;
}

struct organization *store_organization_of_dn(const struct replica *r, struct str key,
                                              uint32_t hash)
{
    struct index_probe p = index_probe(&r->organization_dn, hash);
    for (struct organization *o; (o = index_next(&r->organization_dn, &p));)
        if (str_eq(record_dn_key(organization_record(o)), key))
            return o;
    return NULL;
}

struct user *store_user_named(const struct replica *r, struct str name_key, struct str except)
{
    struct index_probe p = index_probe(&r->user_name, index_hash(name_key));
    for (struct user *u; (u = index_next(&r->user_name, &p));)
        if (str_eq(record_name_key(user_record(u)), name_key) &&
            !str_eq(record_field(user_record(u), FIELD_ID), except))
            return u;
    return NULL;
}

struct organization *store_organization_named(const struct replica *r, struct str name_key,
                                              struct str except)
{
    struct index_probe p = index_probe(&r->organization_name, index_hash(name_key));
    for (struct organization *o; (o = index_next(&r->organization_name, &p));)
        if (str_eq(record_name_key(organization_record(o)), name_key) &&
            !str_eq(record_field(organization_record(o), FIELD_ID), except))
            return o;
    return NULL;
}

bool store_is_admin(const struct replica *r, const struct record *user)
{
    if (!record_keyed(user, FIELD_JOINED, STR("platform")).at)
        return false;
    for (size_t i = 0; i < r->platform.count; i++)
        if (str_eq(r->platform.keys[i], record_dn_key(user)))
            return true;
    return false;
}

/* ---- indexes of one node */
static void change(struct index *ix, struct str key, void *node, bool add)
{
    if (add)
        index_add(ix, index_hash(key), node);
    else
        index_remove(ix, index_hash(key), node);
}

static void change_list(struct index *ix, const struct record *rec, enum field list, bool add)
{
    struct str value;
    for (size_t at = 0; record_next(rec, list, &at, &value);)
        change(ix, value, rec->node, add);
}

/* All but the DN, which is claimed. Nobody finds an applicant by a name or an address. */
static void change_user(struct replica *r, const struct record *rec, bool add)
{
    change(&r->user_id, record_field(rec, FIELD_ID), rec->node, add);
    if (rec->applicant)
        return;
    change(&r->user_name, record_name_key(rec), rec->node, add);
    change_list(&r->user_external, rec, FIELD_EXTERNAL, add);
    change_list(&r->user_mail, rec, FIELD_MAILS, add);
}

static void change_organization(struct replica *r, const struct record *rec, bool add)
{
    change(&r->organization_id, record_field(rec, FIELD_ID), rec->node, add);
    change(&r->organization_dn, record_dn_key(rec), rec->node, add);
    change(&r->organization_name, record_name_key(rec), rec->node, add);
    change_list(&r->organization_external, rec, FIELD_EXTERNAL, add);
}

void store_index(struct replica *r, const struct record *rec, bool add)
{
    (rec->is_user ? change_user : change_organization)(r, rec, add);
}

/* ---- order */
static int by_id(const void *a, const void *b)
{
    return str_cmp(record_field(*(struct record *const *)a, FIELD_ID),
                   record_field(*(struct record *const *)b, FIELD_ID));
}

/* Of the first id that is not smaller. */
static size_t place_of(const struct order *o, struct str id)
{
    size_t from = 0, to = o->count;
    while (o->unsorted && from < to && !str_eq(record_field(o->at[from], FIELD_ID), id))
        from++;
    while (!o->unsorted && from < to) {
        size_t middle = from + (to - from) / 2;
        if (str_cmp(record_field(o->at[middle], FIELD_ID), id) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct order *order_of_user(struct replica *r, const struct record *rec)
{
    return rec->applicant ? &r->applicants : &r->users;
}

void order_add(struct order *o, struct record *rec, bool append)
{
    o->at = GROW(o->at, o->count, o->cap);
    o->unsorted |= append;
    size_t place = o->unsorted ? o->count : place_of(o, record_field(rec, FIELD_ID));
    memmove(o->at + place + 1, o->at + place, (o->count - place) * sizeof *o->at);
    o->at[place] = rec;
    o->count++;
}

void order_replace(struct order *o, const struct record *old, struct record *rec)
{
    o->at[place_of(o, record_field(old, FIELD_ID))] = rec;
}

void order_remove(struct order *o, const struct record *rec)
{
    size_t place = place_of(o, record_field(rec, FIELD_ID));
    o->count--;
    memmove(o->at + place, o->at + place + 1, (o->count - place) * sizeof *o->at);
}

size_t order_behind(const struct order *o, struct str id)
{
    size_t place = place_of(o, id);
    bool there = place < o->count && str_eq(record_field(o->at[place], FIELD_ID), id);
    return place + there;
}

void order_sort(struct order *o)
{
    if (o->unsorted)
        qsort(o->at, o->count, sizeof *o->at, by_id);
    o->unsorted = false;
}

/* ---- tombstones */
static struct tombstone *tombstone_of(const struct replica *r, struct str id)
{
    struct index_probe p = index_probe(&r->tombstone_id, index_hash(id));
    for (struct tombstone *t; (t = index_next(&r->tombstone_id, &p));)
        if (str_eq(str_of(t->id), id))
            return t;
    return NULL;
}

void tombstone_put(struct replica *r, struct str id, struct str csn)
{
    struct tombstone *t = tombstone_of(r, id);
    if (id.len >= sizeof t->id || csn.len >= sizeof t->csn)
        return;
    if (!t) {
        t = &r->tombstones[r->tombstone_next++ % TOMBSTONES];
        index_remove(&r->tombstone_id, index_hash(str_of(t->id)), t);
        *t = (struct tombstone){0};
        memcpy(t->id, id.at, id.len);
        index_add(&r->tombstone_id, index_hash(id), t);
    }
    t->at = clock_monotonic_ms();
    if (csn.len && str_cmp(csn, str_of(t->csn)) > 0) {
        memcpy(t->csn, csn.at, csn.len);
        t->csn[csn.len] = '\0';
    }
}

/* With CSNs: what is newer than the state that was deleted is there again (moved out and back).
 * Without: late news for a few seconds. Neither for ever: an entry may be restored as it was. */
bool tombstone_bars(const struct replica *r, struct str id, struct str csn)
{
    const struct tombstone *t = tombstone_of(r, id);
    int64_t age = t ? clock_monotonic_ms() - t->at : TOMBSTONE_MS;
    if (age >= TOMBSTONE_MS || r->rewound)
        return false;
    if (csn.len && t->csn[0])
        return str_cmp(csn, str_of(t->csn)) <= 0;
    return age < TOMBSTONE_BLIND_MS;
}
