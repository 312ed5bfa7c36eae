/* Apply: the feed's events and our own writes enter the replica, in whatever order they come. */
#include "replica/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

bool apply_is_older(const struct replica *r, struct str csn, struct str known)
{
    return !r->rewound && csn.len && known.len && str_cmp(csn, known) < 0;
}

bool apply_refuses(struct replica *r, struct str id, struct str csn, struct str known)
{
    bool doubted = str_eq(id, str_of(r->doubted));
    if (doubted)
        r->doubted[0] = '\0';
    return !doubted && apply_is_older(r, csn, known);
}

void replica_doubt(struct replica *r, struct str id)
{
    replica_write(r);
    if (id.len < sizeof r->doubted) {
        memcpy(r->doubted, id.at, id.len);
        r->doubted[id.len] = '\0';
    }
    replica_unlock(r);
}

static void set_sets_csn(struct organization *o, struct str csn)
{
    size_t len = csn.len < sizeof o->sets_csn ? csn.len : 0;
    if (len)
        memcpy(o->sets_csn, csn.at, len);
    o->sets_csn[len] = '\0';
}

/* ---- users */
static void disclaim_dn(struct replica *r, struct user *u)
{
    if (!u->holds_dn)
        return;
    links_disclaim(r, u);
    index_remove(&r->user_dn, index_hash(record_dn_key(user_record(u))), u);
    u->holds_dn = 0;
}

/* A DN names one user: of two who say so (one was renamed or deleted, and its event is still to
 * come), whose entry is newer. */
static void claim_dn(struct replica *r, struct user *u)
{
    const struct record *rec = user_record(u);
    uint32_t hash = index_hash(record_dn_key(rec));
    if (rec->applicant)
        return;
    struct user *other = store_user_of_dn(r, record_dn_key(rec), hash);
    if (other && apply_is_older(r, record_field(rec, FIELD_CSN),
                                record_field(user_record(other), FIELD_CSN)))
        return;
    if (other)
        disclaim_dn(r, other);
    index_add(&r->user_dn, hash, u);
    u->holds_dn = 1;
    links_claim(r, u);
}

static void note_arrival(struct replica *r, enum directory_feed_kind kind, const struct record *rec)
{
    struct str id = record_field(rec, FIELD_ID);
    struct replica_arrival one = {.kind = kind};
    if (!r->notes_arrivals || r->bulk || id.len >= sizeof one.id)
        return;
    memcpy(one.id, id.at, id.len);
    r->arrived = GROW(r->arrived, r->arrived_count, r->arrived_cap);
    r->arrived[r->arrived_count++] = one;
}

size_t replica_arrivals(struct replica *r, struct arena *a, const struct replica_arrival **out)
{
    replica_write(r);
    size_t n = r->arrived_count;
    struct replica_arrival *copy = ARENA_ARRAY(a, struct replica_arrival, n + 1);
    if (n)
        memcpy(copy, r->arrived, n * sizeof *copy);
    r->arrived_count = 0;
    r->notes_arrivals = true;
    replica_unlock(r);
    *out = copy;
    return n;
}

static struct user *user_insert(struct replica *r, struct record *rec)
{
    note_arrival(r, rec->applicant ? FEED_APPLICANT : FEED_USER, rec);
    struct user *u = must(calloc(1, sizeof *u));
    rec->node = u;
    atomic_init(&u->rec, rec);
    store_index(r, rec, true);
    order_add(order_of_user(r, rec), rec, r->bulk);
    claim_dn(r, u);
    links_requests(r, u, rec, true);
    u->seen = r->refresh & INT32_MAX;
    atomic_fetch_add(&r->bytes, rec->size);
    return u;
}

/* Approved, or moved by another hand: from one order into the other. */
static void order_change(struct replica *r, const struct record *old, struct record *rec)
{
    struct order *from = order_of_user(r, old), *to = order_of_user(r, rec);
    if (from == to) {
        order_replace(from, old, rec);
        return;
    }
    note_arrival(r, rec->applicant ? FEED_APPLICANT : FEED_USER, rec);
    order_remove(from, old);
    order_add(to, rec, r->bulk);
}

static void user_replace(struct replica *r, struct user *u, struct record *rec)
{
    struct record *old = user_record(u);
    bool moved = !str_eq(record_dn_key(old), record_dn_key(rec));
    rec->node = u;
    store_index(r, old, false);
    links_requests(r, u, old, false);
    if (moved)
        disclaim_dn(r, u);
    order_change(r, old, rec);
    atomic_store_explicit(&u->rec, rec, memory_order_release);
    store_index(r, rec, true);
    links_requests(r, u, rec, true);
    if (!u->holds_dn)
        claim_dn(r, u);
    atomic_fetch_add(&r->bytes, rec->size - old->size);
    keep_retire(&r->keep, old);
}

/* Out of everything but the order of records. */
static void user_detach(struct replica *r, struct user *u)
{
    struct record *rec = user_record(u);
    disclaim_dn(r, u);
    links_requests(r, u, rec, false);
    store_index(r, rec, false);
    tombstone_put(r, record_field(rec, FIELD_ID), record_field(rec, FIELD_CSN));
    atomic_fetch_sub(&r->bytes, rec->size);
    free(u->links);
    u->links = NULL;
    u->link_count = 0;
    keep_retire(&r->keep, rec);
    keep_retire(&r->keep, u);
}

bool replica_apply_user(struct replica *r, const struct directory_user *source)
{
    struct record *rec = record_of_user(r, source);
    if (!rec) {
        replica_note_odd(r);
        return true;
    }
    struct str csn = source->person.csn;
    replica_write(r);
    struct user *u = store_user(r, source->person.id);
    bool older =
        u && apply_refuses(r, source->person.id, csn, record_field(user_record(u), FIELD_CSN));
    bool known =
        older || (u && (u->holds_dn || rec->applicant) && record_same(user_record(u), rec));
    bool barred = !u && tombstone_bars(r, source->person.id, csn);
    if (u)
        u->seen = r->refresh & INT32_MAX;
    if (known || barred)
        free(rec);
    else if (u)
        user_replace(r, u, rec);
    else
        u = user_insert(r, rec);
    bool placed = !u || u->holds_dn || user_record(u)->applicant;
    replica_unlock(r);
    return !older && placed;
}

/* ---- organizations */
static struct organization *organization_insert(struct replica *r, struct record *rec)
{
    note_arrival(r, FEED_ORGANIZATION, rec);
    struct organization *o = must(calloc(1, sizeof *o));
    rec->node = o;
    atomic_init(&o->rec, rec);
    store_index(r, rec, true);
    order_add(&r->organizations, rec, r->bulk);
    links_name_organization(r, o, true);
    links_requests_of(r, o, true);
    atomic_fetch_add(&r->bytes, rec->size);
    return o;
}

static void organization_replace(struct replica *r, struct organization *o, struct record *rec)
{
    struct record *old = organization_record(o);
    rec->node = o;
    links_name_organization(r, o, false);
    store_index(r, old, false);
    order_replace(&r->organizations, old, rec);
    atomic_store_explicit(&o->rec, rec, memory_order_release);
    store_index(r, rec, true);
    links_name_organization(r, o, true);
    atomic_fetch_add(&r->bytes, rec->size - old->size);
    keep_retire(&r->keep, old);
}

static void organization_detach(struct replica *r, struct organization *o)
{
    struct record *rec = organization_record(o);
    links_replace(r, o, &(struct dn_values){0}, &(struct dn_values){0});
    links_name_organization(r, o, false);
    store_index(r, rec, false);
    links_requests_of(r, o, false);
    tombstone_put(r, record_field(rec, FIELD_ID), record_field(rec, FIELD_CSN));
    atomic_fetch_sub(&r->bytes, rec->size);
    free(o->members.at);
    free(o->owners.at);
    free(o->requesters.at);
    free(o->strays);
    o->members = o->owners = o->requesters = (struct people){0};
    o->strays = NULL;
    keep_retire(&r->keep, rec);
    keep_retire(&r->keep, o);
}

/* Keys and hashes are made before the lock is taken: 100,000 of them take 30 ms. */
static struct dn_values dn_values(struct arena *a, const struct directory_values *values)
{
    struct dn_value *out = ARENA_ARRAY(a, struct dn_value, values->count);
    for (size_t i = 0; i < values->count; i++) {
        out[i] = (struct dn_value){.dn = values->at[i], .key = directory_dn_key(a, values->at[i])};
        out[i].hash = index_hash(out[i].key);
    }
    return (struct dn_values){out, values->count};
}

bool replica_apply_organization(struct replica *r, const struct directory_organization *source,
                                bool with_sets)
{
    struct record *rec = record_of_organization(r, source);
    if (!rec) {
        replica_note_odd(r);
        return true;
    }
    OWNED_ARENA struct arena *a = arena_new();
    struct dn_values members = {0}, owners = {0};
    if (with_sets) {
        members = dn_values(a, &source->members);
        owners = dn_values(a, &source->owners);
    }
    replica_write(r);
    struct organization *o = store_organization(r, source->id);
    bool doubted = o && str_eq(source->id, str_of(r->doubted));
    bool stale = o ? apply_refuses(r, source->id, source->csn,
                                   record_field(organization_record(o), FIELD_CSN))
                   : tombstone_bars(r, source->id, source->csn);
    if (stale)
        free(rec);
    else if (o)
        organization_replace(r, o, rec);
    else
        o = organization_insert(r, rec);
    if (o && !stale)
        o->managed = source->managed;
    if (o && with_sets && (doubted || !apply_is_older(r, source->csn, str_of(o->sets_csn)))) {
        links_replace(r, o, &members, &owners);
        o->placeholder_owner = source->has_placeholder_owner;
        set_sets_csn(o, source->csn);
    }
    if (o)
        o->seen = r->refresh;
    replica_unlock(r);
    return !stale;
}

static void change_set(struct replica *r, struct organization *o, const struct dn_value *dn,
                       const struct replica_set_change *c)
{
    if (str_eq(dn->key, r->placeholder_key)) {
        o->placeholder_owner = c->owner ? c->owner > 0 : o->placeholder_owner;
        return;
    }
    if (c->member)
        (c->member > 0 ? links_name : links_unname)(r, o, dn, LINK_MEMBER);
    if (c->owner)
        (c->owner > 0 ? links_name : links_unname)(r, o, dn, LINK_OWNER);
    /* The class comes in the same modify as the first owner. */
    o->managed |= c->owner > 0;
}

/* The organization's own record with the time and CSN of the change. */
static void touch(struct replica *r, struct organization *o, const struct replica_sets_change *c)
{
    struct record *old = organization_record(o);
    struct str known = record_field(old, FIELD_CSN);
    if (str_eq(known, c->pre_csn) || !apply_is_older(r, c->post_csn, known))
        organization_replace(r, o, record_touched(old, c->post_csn, c->modified));
}

bool replica_apply_sets(struct replica *r, const struct replica_sets_change *c)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str *dns = ARENA_ARRAY(a, struct str, c->count);
    for (size_t i = 0; i < c->count; i++)
        dns[i] = c->changes[i].dn;
    struct dn_values values = dn_values(a, &(struct directory_values){dns, c->count});
    replica_write(r);
    struct organization *o = store_organization(r, c->organization_id);
    bool follows =
        o && c->pre_csn.len && c->post_csn.len && str_eq(c->pre_csn, str_of(o->sets_csn));
    for (size_t i = 0; follows && i < c->count; i++)
        change_set(r, o, &values.at[i], &c->changes[i]);
    if (follows) {
        set_sets_csn(o, c->post_csn);
        touch(r, o, c);
    }
    replica_unlock(r);
    return follows;
}

/* ---- platform group, tokens, deletions */
bool replica_apply_platform(struct replica *r, struct str csn,
                            const struct directory_values *members)
{
    struct platform p = {.arena = arena_new(), .count = members->count};
    p.csn = arena_str(p.arena, csn);
    p.keys = ARENA_ARRAY(p.arena, struct str, members->count);
    for (size_t i = 0; i < members->count; i++)
        p.keys[i] = directory_dn_key(p.arena, members->at[i]);
    replica_write(r);
    p.seen = r->refresh;
    struct platform old = r->platform;
    bool stale = apply_refuses(r, REPLICA_PLATFORM, csn, old.csn);
    if (stale)
        r->platform.seen = r->refresh;
    else
        r->platform = p;
    replica_unlock(r);
    arena_free(stale ? p.arena : old.arena);
    return !stale;
}

/* Under the write lock. */
static void drop(struct replica *r, struct str id)
{
    struct user *u = store_user(r, id);
    struct organization *o = u ? NULL : store_organization(r, id);
    size_t token = token_place(r, id);
    if (u) {
        order_remove(order_of_user(r, user_record(u)), user_record(u));
        user_detach(r, u);
    } else if (o) {
        order_remove(&r->organizations, organization_record(o));
        organization_detach(r, o);
    } else if (token < r->token_count) {
        token_drop(r, token);
    } else {
        tombstone_put(r, id, STR_NONE);
    }
}

void replica_apply_deleted(struct replica *r, struct str id)
{
    replica_write(r);
    drop(r, id);
    replica_unlock(r);
}

void replica_apply_gone(struct replica *r, enum directory_feed_kind kind, struct str id)
{
    replica_write(r);
    const struct user *u = store_user(r, id);
    bool known = false;
    if (kind == FEED_USER || kind == FEED_APPLICANT)
        known = u && user_record(u)->applicant == (kind == FEED_APPLICANT);
    else if (kind == FEED_ORGANIZATION)
        known = store_organization(r, id) != NULL;
    else if (kind == FEED_TOKEN)
        known = token_place(r, id) < r->token_count;
    if (known)
        drop(r, id);
    replica_unlock(r);
}

void replica_apply_left(struct replica *r, enum directory_feed_kind kind, struct str id)
{
    bool of_people = kind == FEED_USER || kind == FEED_APPLICANT;
    replica_write(r);
    const struct user *u = store_user(r, id);
    if (!u || !of_people || user_record(u)->applicant == (kind == FEED_APPLICANT))
        drop(r, id);
    replica_unlock(r);
}

/* ---- full refresh */
void replica_refresh_begin(struct replica *r)
{
    replica_write(r);
    r->refresh = (r->refresh + 1) & INT32_MAX;
    r->refreshing = true;
    r->rewound = false;
    r->bulk = !atomic_load(&r->ready);
    replica_unlock(r);
}

void replica_refresh_rewound(struct replica *r)
{
    replica_write(r);
    r->rewound = true;
    replica_unlock(r);
}

/* In one pass: removing one by one would each move the rest. */
static void sweep_users(struct replica *r, struct order *o)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->count; i++) {
        struct record *rec = o->at[i];
        struct user *u = rec->node;
        if (u->seen == r->refresh)
            o->at[kept++] = rec;
        else
            user_detach(r, u);
    }
    o->count = kept;
}

static void sweep_organizations(struct replica *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->organizations.count; i++) {
        struct record *rec = r->organizations.at[i];
        struct organization *o = rec->node;
        if (o->seen == r->refresh)
            r->organizations.at[kept++] = rec;
        else
            organization_detach(r, o);
    }
    r->organizations.count = kept;
}

void replica_refresh_end(struct replica *r)
{
    replica_write(r);
    if (r->refreshing) {
        sweep_users(r, &r->users);
        sweep_users(r, &r->applicants);
        sweep_organizations(r);
        for (size_t i = r->token_count; i-- > 0;)
            if (r->tokens[i]->seen != r->refresh)
                token_drop(r, i);
        if (r->platform.seen != r->refresh) {
            r->platform.count = 0;
            r->platform.csn = STR_NONE;
        }
    }
    order_sort(&r->users);
    order_sort(&r->applicants);
    order_sort(&r->organizations);
    for (size_t i = 0; i < r->organizations.count; i++)
        links_sort(r->organizations.at[i]->node);
    r->bulk = r->refreshing = r->rewound = false;
    atomic_store(&r->ready, true);
    replica_unlock(r);
}
