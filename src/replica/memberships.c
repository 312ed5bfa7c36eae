/* Memberships: the pairs of a user and an organization that a search has to look at. There may be
 * more of them than users, so the lock is held for a slice at a time; what stands in a list is what
 * was so at its slice. */
#include "replica/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/unicode.h"

enum { SLICE = 1000 };

struct gathering {
    struct search *search;
    struct part *part;
    bool members, pending; /* the filter may be about them */
    bool rejected;         /* asked for by name */
    bool mixed;            /* what was gathered may be in no order, and twice */
};

/* A filter that pins the status needs nobody of another one. */
static struct gathering gathering_of(struct search *s, struct part *p)
{
    const struct scim_filter *f = p->q->filter;
    struct gathering g = {.search = s, .part = p, .members = true, .pending = true};
    g.rejected = f && scim_filter_mentions(f, STR("status"));
    struct str status = f ? scim_filter_pinned(f, STR("status"), STR_NONE) : STR_NONE;
    if (!status.at || p->by.key == KEY_ID)
        return g;
    status = unicode_key(s->arena, status);
    g.members = str_eq(status, STR("active"));
    g.pending = str_eq(status, STR("pending"));
    g.rejected = str_eq(status, STR("rejected"));
    return g;
}

/* Under the lock. */
static void gather(const struct gathering *g, const struct user *u, const struct organization *o)
{
    const struct record *user = user_record(u), *in = organization_record(o);
    const struct seat s = seat_of(g->search->replica, u, o);
    if (!view_may_know(&g->search->view, user))
        return;
    if (!s.member && !s.pending && !(s.rejected && g->rejected))
        return;
    g->part->some_seen = true;
    candidates_push(g->search, g->part, (struct item){user, in, s});
}

static int by_user_id(const void *a, const void *b)
{
    return str_cmp(record_field(user_record(*(struct user *const *)a), FIELD_ID),
                   record_field(user_record(*(struct user *const *)b), FIELD_ID));
}

/* Members, and who asks to be one, by id; copied, so that the lock need not be held for all. */
static size_t people_of(struct gathering *g, const struct organization *o, struct user ***out)
{
    size_t members = g->members ? o->members.count : 0;
    size_t asking = g->pending ? o->requesters.count : 0, n = members + asking;
    struct user **at = arena_raw(g->search->arena, (n + 1) * sizeof *at);
    if (members)
        memcpy(at, o->members.at, members * sizeof *at);
    if (asking)
        memcpy(at + members, o->requesters.at, asking * sizeof *at);
    if (members && asking)
        qsort(at, n, sizeof *at, by_user_id);
    g->mixed |= o->members.unsorted || o->requesters.unsorted;
    *out = at;
    return n;
}

/* Ten thousand people lie all over the memory: what is read of one is fetched while those before
 * are looked at, else the processor waits for each of them. */
static void foresee(struct user *const *people, size_t n, size_t i)
{
    enum { TO_NODE = 24, TO_RECORD = 16, TO_FIELDS = 8 };
    if (i + TO_NODE < n)
        __builtin_prefetch(people[i + TO_NODE]);
    if (i + TO_RECORD < n) {
        const struct user *u = people[i + TO_RECORD];
        record_foresee(user_record(u));
        __builtin_prefetch(u->links);
    }
    if (i + TO_FIELDS < n)
        record_foresee_lists(user_record(people[i + TO_FIELDS]));
}

/* The pin that the list holds keeps the nodes. */
static void gather_organization(struct gathering *g, const struct organization *o)
{
    struct replica *r = g->search->replica;
    struct user **people;
    replica_read(r);
    size_t n = people_of(g, o, &people);
    replica_unlock(r);
    candidates_room(g->search, g->part, n);
    for (size_t from = 0; from < n; from += SLICE) {
        replica_read(r);
        for (size_t i = from; i < n && i < from + SLICE; i++) {
            foresee(people, n, i);
            if (i == 0 || people[i] != people[i - 1])
                gather(g, people[i], o);
        }
        replica_unlock(r);
    }
}

static void gather_user(struct gathering *g, const struct user *u)
{
    struct replica *r = g->search->replica;
    g->mixed = true;
    replica_read(r);
    for (uint32_t i = 0; i < u->link_count; i++) {
        const struct organization *o = u->links[i].organization;
        if (view_seat(&g->search->view, record_field(organization_record(o), FIELD_ID),
                      record_field(user_record(u), FIELD_ID)))
            gather(g, u, o);
    }
    replica_unlock(r);
}

/* Rejections leave no link: they stand on the people alone. */
static void gather_rejected(const struct gathering *g, const struct user *u)
{
    const struct replica *r = g->search->replica;
    struct str value;
    size_t colon;
    for (size_t at = 0; record_next(user_record(u), FIELD_REJECTED, &at, &value);) {
        const struct organization *o =
            str_find(value, ':', &colon) ? store_organization(r, str_sub(value, 0, colon)) : NULL;
        if (!o || link_of(u, o) ||
            !view_seat(&g->search->view, record_field(organization_record(o), FIELD_ID),
                       record_field(user_record(u), FIELD_ID)))
            continue;
        gather(g, u, o);
    }
}

static void gather_all_rejected(struct gathering *g, struct record **users, size_t n)
{
    struct replica *r = g->search->replica;
    g->mixed |= n > 0;
    for (size_t from = 0; from < n; from += SLICE) {
        replica_read(r);
        for (size_t i = from; i < n && i < from + SLICE; i++)
            gather_rejected(g, users[i]->node);
        replica_unlock(r);
    }
}

static struct record **copy_of(struct search *s, const struct order *o, const struct order *more)
{
    size_t others = more ? more->count : 0;
    struct record **at = arena_raw(s->arena, (o->count + others + 1) * sizeof *at);
    if (o->count)
        memcpy(at, o->at, o->count * sizeof *at);
    if (others)
        memcpy(at + o->count, more->at, others * sizeof *at);
    return at;
}

static size_t everybody(struct search *s, struct record ***out)
{
    const struct replica *r = s->replica;
    *out = copy_of(s, &r->users, &r->applicants);
    return r->users.count + r->applicants.count;
}

static void gather_everything(struct gathering *g)
{
    struct search *s = g->search;
    struct replica *r = s->replica;
    replica_read(r);
    struct record **in = copy_of(s, &r->organizations, NULL), **who = NULL;
    size_t organizations = r->organizations.count, users = g->rejected ? everybody(s, &who) : 0;
    const struct user *self = s->view.self.len ? store_user(r, s->view.self) : NULL;
    replica_unlock(r);
    bool own_only = !s->view.all && s->view.actor->organization_count == 0;
    for (size_t i = 0; !own_only && i < organizations; i++)
        if (s->view.all || view_manages(&s->view, record_field(in[i], FIELD_ID)))
            gather_organization(g, in[i]->node);
    if (self && !s->view.all)
        gather_user(g, self);
    gather_all_rejected(g, who, users);
}

static int by_id(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    struct place here = sort_place(x, STR_NONE), there = sort_place(y, STR_NONE);
    return sort_compare(&here, &there, false);
}

/* The own ones of a Manager may have been gathered with the organization. */
static void in_order_once(struct part *p)
{
    size_t n = 0;
    qsort(p->at, p->count, sizeof *p->at, by_id);
    for (size_t i = 0; i < p->count; i++)
        if (n == 0 || p->at[n - 1].rec->node != p->at[i].rec->node ||
            p->at[n - 1].in->node != p->at[i].in->node)
            p->at[n++] = p->at[i];
    p->count = n;
}

/* One organization's rejected: whoever names it, among all. */
static void gather_one(struct gathering *g, struct str organization_id)
{
    struct search *s = g->search;
    struct replica *r = s->replica;
    replica_read(r);
    const struct organization *o = store_organization(r, organization_id);
    struct record **who = NULL;
    size_t users = o && g->rejected ? everybody(s, &who) : 0;
    const struct user *self = s->view.self.len ? store_user(r, s->view.self) : NULL;
    replica_unlock(r);
    if (!o)
        return;
    if (s->view.all || view_manages(&s->view, organization_id))
        gather_organization(g, o);
    else if (self)
        gather_user(g, self);
    gather_all_rejected(g, who, users);
}

static void gather_pair(const struct gathering *g, struct str id)
{
    struct search *s = g->search;
    struct str organization_id, user_id;
    if (!replica_membership_split(id, &organization_id, &user_id))
        return;
    replica_read(s->replica);
    const struct user *u = store_user(s->replica, user_id);
    const struct organization *o = store_organization(s->replica, organization_id);
    if (u && o && view_seat(&s->view, organization_id, user_id))
        gather(g, u, o);
    replica_unlock(s->replica);
}

static void gather_person(struct gathering *g, struct str user_id)
{
    struct replica *r = g->search->replica;
    replica_read(r);
    const struct user *u = store_user(r, user_id);
    if (u && g->rejected)
        gather_rejected(g, u);
    replica_unlock(r);
    if (u)
        gather_user(g, u);
}

size_t memberships_outlook(struct search *s, struct part *p)
{
    const struct replica *r = s->replica;
    const struct gathering g = gathering_of(s, p);
    size_t all = r->users.count + r->applicants.count;
    if (p->by.key == KEY_ID || p->by.key == KEY_USER)
        return 0;
    if (p->by.key != KEY_ORGANIZATION || g.rejected)
        return all;
    const struct organization *o = store_organization(r, p->by.value);
    return !o ? 0 : (g.members ? o->members.count : 0) + (g.pending ? o->requesters.count : 0);
}

void memberships_add(struct search *s, struct part *p)
{
    struct gathering g = gathering_of(s, p);
    switch (p->by.key) {
    case KEY_ORGANIZATION:
        gather_one(&g, p->by.value);
        break;
    case KEY_ID:
        gather_pair(&g, p->by.value);
        break;
    case KEY_USER:
        gather_person(&g, p->by.value);
        break;
    case KEY_NONE:
    case KEY_NAME:
    case KEY_EXTERNAL:
    case KEY_MAIL:
    case KEY_LINK:
        gather_everything(&g);
        break;
    }
    if (g.mixed && p->count > 1)
        in_order_once(p);
}
