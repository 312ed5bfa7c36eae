/*
 * Who is in which organization: links both ways, strays, and the numbers that follow from them.
 *
 * Invariant: a value of `member` or `owner` is either a link (a user holds that DN) or a stray
 * (none does), never both; users and organizations may come in any order and the end is the same.
 */
#include "replica/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Newcomers of one reading that are put in place before the rest is sorted instead. */
#define NEWCOMERS_PLACED 256

/* Sums of these are the part of a Group's version that its members and owners make. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9U;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static uint64_t flags_hash(uint64_t content, uint8_t flags)
{
    uint64_t sum = flags & LINK_MEMBER ? mix(content) : 0;
    return flags & LINK_OWNER ? sum + mix(~content) : sum;
}

/* ---- people */
static struct str id_of(const struct user *u)
{
    return record_field(user_record(u), FIELD_ID);
}

/* Where `u` stands, or belongs. */
static uint32_t place_of(const struct people *p, const struct user *u)
{
    uint32_t from = 0, to = p->count;
    if (p->unsorted) {
        while (from < to && p->at[from] != u)
            from++;
        return from;
    }
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (str_cmp(id_of(p->at[middle]), id_of(u)) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void people_add(struct people *p, struct user *u, bool append)
{
    p->at = GROW(p->at, p->count, p->cap);
    p->unsorted |= append;
    uint32_t place = p->unsorted ? p->count : place_of(p, u);
    memmove(p->at + place + 1, p->at + place, (p->count - place) * sizeof *p->at);
    p->at[place] = u;
    p->count++;
}

static void people_remove(struct people *p, const struct user *u)
{
    uint32_t place = place_of(p, u);
    if (place >= p->count || p->at[place] != u)
        return;
    p->count--;
    memmove(p->at + place, p->at + place + 1, (p->count - place) * sizeof *p->at);
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(id_of(*(struct user *const *)a), id_of(*(struct user *const *)b));
}

static void people_sort(struct people *p)
{
    if (p->unsorted)
        qsort(p->at, p->count, sizeof *p->at, by_id);
    p->unsorted = false;
}

void links_sort(struct organization *o)
{
    people_sort(&o->members);
    people_sort(&o->owners);
    people_sort(&o->requesters);
}

/* ---- links */
struct link *link_of(const struct user *u, const struct organization *o)
{
    for (uint32_t i = 0; i < u->link_count; i++)
        if (u->links[i].organization == o)
            return &u->links[i];
    return NULL;
}

static uint8_t link_flags(const struct user *u, const struct organization *o)
{
    const struct link *l = link_of(u, o);
    return l ? l->flags : 0;
}

bool link_counts(const struct link *l, const struct record *user)
{
    struct str id = record_field(organization_record(l->organization), FIELD_ID);
    return l->flags & LINK_MEMBER && l->flags & LINK_OWNER &&
           record_keyed(user, FIELD_JOINED, id).at && record_has(user, FIELD_MANAGERS, id);
}

static void set_flags(struct user *u, struct organization *o, uint8_t flags)
{
    struct link *l = link_of(u, o);
    if (l && !flags) {
        *l = u->links[--u->link_count];
    } else if (l) {
        l->flags = flags;
    } else {
        uint32_t n = u->link_count;
        if ((n & (n - 1)) == 0)
            u->links = must(realloc(u->links, (n ? (size_t)n * 2 : 1) * sizeof *u->links));
        u->links[u->link_count++] = (struct link){o, flags};
    }
}

static bool is_waiting(uint8_t flags)
{
    return flags & LINK_REQUEST && !(flags & LINK_MEMBER);
}

/* The flags and the numbers that follow from them; the caller sees to the people. */
static void put_flags(struct user *u, struct organization *o, uint8_t was, uint8_t is)
{
    uint64_t content = user_record(u)->content;
    o->sets_hash += flags_hash(content, is) - flags_hash(content, was);
    o->pending += (size_t)is_waiting(is) - (size_t)is_waiting(was);
    set_flags(u, o, is);
}

/* A few newcomers are put where they belong, of many each would move the rest: those are sorted at
 * the end. */
static bool is_crowd(const struct replica *r, struct organization *o)
{
    return r->bulk || (o->loading && ++o->newcomers > NEWCOMERS_PLACED);
}

void link_change(struct replica *r, struct user *u, struct organization *o, uint8_t add,
                 uint8_t remove)
{
    uint8_t was = link_flags(u, o), is = (uint8_t)((was & ~remove) | add);
    if (was == is)
        return;
    struct people *sets[] = {&o->members, &o->owners, &o->requesters};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t flag = (uint8_t)(1U << i);
        if (is & ~was & flag)
            people_add(sets[i], u, is_crowd(r, o));
        else if (was & ~is & flag)
            people_remove(sets[i], u);
    }
    put_flags(u, o, was, is);
}

/* ---- strays */
static struct str stray_key(const struct stray *s)
{
    return (struct str){s->text + s->dn_len, s->key_len};
}

static uint64_t stray_hash(const struct stray *s)
{
    if (!s->names || !(s->flags & LINK_MEMBER))
        return 0;
    struct str id = record_field(organization_record(s->names), FIELD_ID);
    return mix(hash_content(id.at, id.len));
}

/* Of that organization, or of any when `o` is NULL. */
static struct stray *stray_find(const struct replica *r, const struct organization *o,
                                struct str key, uint32_t hash)
{
    struct index_probe p = index_probe(&r->strays, hash);
    for (struct stray *s; (s = index_next(&r->strays, &p));)
        if ((!o || s->organization == o) && str_eq(stray_key(s), key))
            return s;
    return NULL;
}

static struct stray *stray_new(struct replica *r, struct organization *o, const struct dn_value *dn)
{
    struct stray *s = must(calloc(1, sizeof *s + dn->dn.len + dn->key.len));
    *s = (struct stray){
        .organization = o,
        .place = o->stray_count,
        .hash = dn->hash,
        .dn_len = (uint32_t)dn->dn.len,
        .key_len = (uint32_t)dn->key.len,
    };
    memcpy(s->text, dn->dn.at, dn->dn.len);
    memcpy(s->text + dn->dn.len, dn->key.at, dn->key.len);
    s->names = store_organization_of_dn(r, dn->key, dn->hash);
    o->strays = GROW(o->strays, o->stray_count, o->stray_cap);
    o->strays[o->stray_count++] = s;
    index_add(&r->strays, s->hash, s);
    return s;
}

static void stray_drop(struct replica *r, struct stray *s)
{
    struct organization *o = s->organization;
    index_remove(&r->strays, s->hash, s);
    struct stray *last = o->strays[--o->stray_count];
    o->strays[s->place] = last;
    last->place = s->place;
    free(s);
}

static void stray_change(struct replica *r, struct organization *o, const struct dn_value *dn,
                         uint8_t add, uint8_t remove)
{
    struct stray *s = stray_find(r, o, dn->key, dn->hash);
    if (!s && !add)
        return;
    if (!s)
        s = stray_new(r, o, dn);
    o->sets_hash -= stray_hash(s);
    s->flags = (uint8_t)((s->flags & ~remove) | add);
    o->sets_hash += stray_hash(s);
    if (!s->flags)
        stray_drop(r, s);
}

/* ---- values of member and owner */
void links_name(struct replica *r, struct organization *o, const struct dn_value *dn, uint8_t flag)
{
    struct user *u = store_user_of_dn(r, dn->key, dn->hash);
    if (u)
        link_change(r, u, o, flag, 0);
    else
        stray_change(r, o, dn, flag, 0);
}

void links_unname(struct replica *r, struct organization *o, const struct dn_value *dn,
                  uint8_t flag)
{
    struct user *u = store_user_of_dn(r, dn->key, dn->hash);
    if (u)
        link_change(r, u, o, 0, flag);
    else
        stray_change(r, o, dn, 0, flag);
}

/* Flags of what a new reading of the sets has named. */
static uint8_t named(uint8_t flag)
{
    return (uint8_t)(flag << 3);
}

static uint8_t without_unnamed(uint8_t flags)
{
    return flags & (LINK_REQUEST | (flags >> 3 & (LINK_MEMBER | LINK_OWNER)));
}

/* All at once: removed one by one, each of 100,000 members would move the rest. */
static void drop_unnamed(struct organization *o, struct people *p, uint8_t flag)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        struct user *u = p->at[i];
        uint8_t was = link_flags(u, o), is = was;
        if (was & named(flag))
            p->at[kept++] = u;
        else
            is &= (uint8_t)~flag;
        put_flags(u, o, was, is & (uint8_t)~named(flag));
    }
    p->count = kept;
}

static void drop_unnamed_strays(struct replica *r, struct organization *o)
{
    for (size_t i = o->stray_count; i-- > 0;) {
        struct stray *s = o->strays[i];
        o->sets_hash -= stray_hash(s);
        s->flags = without_unnamed(s->flags);
        o->sets_hash += stray_hash(s);
        if (!s->flags)
            stray_drop(r, s);
    }
}

void links_replace(struct replica *r, struct organization *o, const struct dn_values *members,
                   const struct dn_values *owners)
{
    o->loading = true;
    o->newcomers = 0;
    for (size_t i = 0; i < members->count; i++)
        links_name(r, o, &members->at[i], LINK_MEMBER | named(LINK_MEMBER));
    for (size_t i = 0; i < owners->count; i++)
        links_name(r, o, &owners->at[i], LINK_OWNER | named(LINK_OWNER));
    drop_unnamed(o, &o->members, LINK_MEMBER);
    drop_unnamed(o, &o->owners, LINK_OWNER);
    drop_unnamed_strays(r, o);
    o->loading = false;
    links_sort(o);
}

void links_claim(struct replica *r, struct user *u)
{
    struct str key = record_dn_key(user_record(u));
    uint32_t hash = index_hash(key);
    for (struct stray *s; (s = stray_find(r, NULL, key, hash));) {
        struct organization *o = s->organization;
        uint8_t flags = s->flags;
        o->sets_hash -= stray_hash(s);
        stray_drop(r, s);
        link_change(r, u, o, flags, 0);
    }
}

void links_disclaim(struct replica *r, struct user *u)
{
    const struct record *rec = user_record(u);
    struct dn_value dn = {.dn = record_field(rec, FIELD_DN), .key = record_dn_key(rec)};
    dn.hash = index_hash(dn.key);
    for (uint32_t i = u->link_count; i-- > 0;) {
        uint8_t flags = u->links[i].flags & (LINK_MEMBER | LINK_OWNER);
        struct organization *o = u->links[i].organization;
        if (!flags)
            continue;
        link_change(r, u, o, 0, flags);
        stray_change(r, o, &dn, flags, 0);
    }
}

void links_name_organization(struct replica *r, struct organization *o, bool exists)
{
    struct str key = record_dn_key(organization_record(o));
    struct index_probe p = index_probe(&r->strays, index_hash(key));
    for (struct stray *s; (s = index_next(&r->strays, &p));) {
        if (!str_eq(stray_key(s), key))
            continue;
        s->organization->sets_hash -= stray_hash(s);
        s->names = exists ? o : NULL;
        s->organization->sets_hash += stray_hash(s);
    }
}

/* ---- requests */
static void request_link(struct replica *r, struct user *u, struct str request)
{
    struct str rest = request, id = STR_NONE;
    /* What has no time is no request: nobody has made it through us. */
    if (!str_split(&rest, ':', &id) || seat_time(rest) == INSTANT_NONE)
        return;
    struct organization *o = store_organization(r, id);
    if (o)
        link_change(r, u, o, LINK_REQUEST, 0);
    else
        index_add(&r->unresolved, index_hash(id), u);
}

static void request_unlink(struct replica *r, struct user *u, struct str request)
{
    struct str rest = request, id = STR_NONE;
    if (str_split(&rest, ':', &id))
        index_remove(&r->unresolved, index_hash(id), u);
}

void links_requests(struct replica *r, struct user *u, const struct record *rec, bool exist)
{
    struct str request;
    for (size_t at = 0; record_next(rec, FIELD_REQUESTS, &at, &request);)
        (exist ? request_link : request_unlink)(r, u, request);
    for (uint32_t i = exist ? 0 : u->link_count; i-- > 0;)
        link_change(r, u, u->links[i].organization, 0, LINK_REQUEST);
}

static void requests_again(struct replica *r, struct user *u)
{
    const struct record *rec = user_record(u);
    links_requests(r, u, rec, false);
    links_requests(r, u, rec, true);
}

static struct user *unresolved_requester(const struct replica *r, struct str id)
{
    struct index_probe p = index_probe(&r->unresolved, index_hash(id));
    for (struct user *u; (u = index_next(&r->unresolved, &p));)
        if (record_keyed(user_record(u), FIELD_REQUESTS, id).at)
            return u;
    return NULL;
}

void links_requests_of(struct replica *r, struct organization *o, bool exists)
{
    struct str id = record_field(organization_record(o), FIELD_ID);
    for (struct user *u; exists && (u = unresolved_requester(r, id));)
        requests_again(r, u);
    while (!exists && o->requesters.count)
        requests_again(r, o->requesters.at[o->requesters.count - 1]);
}
