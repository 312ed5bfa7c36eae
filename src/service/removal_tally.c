/* KB-R20 in a bulk: its operations run beside each other, and what they remove counts together. */
#include "service/internal.h"

struct removal {
    struct removal *next;
    struct str organization;
    size_t operation, count, members;
};

struct removal_tally {
    pthread_mutex_t lock;
    struct arena *arena; /* of the list; under the lock */
    struct removal *first;
};

struct removal_tally *removal_tally_new(void)
{
    struct arena *a = arena_new();
    struct removal_tally *t = ARENA_NEW(a, struct removal_tally);
    t->arena = a;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void removal_tally_free(struct removal_tally *t)
{
    pthread_mutex_destroy(&t->lock);
    arena_free(t->arena);
}

/* Its own entry is left out of what the others remove; NULL: it has none yet. */
static struct removal *own_of(const struct service_call *c, struct str organization,
                              struct removals *others)
{
    struct removal *own = NULL;
    for (struct removal *x = c->tally->first; x; x = x->next) {
        if (!str_ieq(x->organization, organization))
            continue;
        others->members = x->members > others->members ? x->members : others->members;
        if (x->operation == c->tally_of)
            own = x;
        else
            others->count += x->count;
    }
    return own;
}

/* An operation is judged more than once, and looks again after a lost race, when less may be left:
 * the most it has asked for counts. */
static void take(const struct service_call *c, struct removal *own, struct str organization,
                 struct removals r)
{
    struct removal_tally *t = c->tally;
    if (!own) {
        own = ARENA_NEW(t->arena, struct removal);
        *own = (struct removal){.next = t->first,
                                .organization = arena_str(t->arena, organization),
                                .operation = c->tally_of};
        t->first = own;
    }
    own->count = r.count > own->count ? r.count : own->count;
    own->members = r.members > own->members ? r.members : own->members;
}

struct kiops_verdict removal_tally_judge(const struct service_call *c, struct str organization,
                                         struct removals r)
{
    struct removals others = {0};
    if (!c->tally || !r.count)
        return kiops_judge_removals(&c->actor, r.count, r.members);
    pthread_mutex_lock(&c->tally->lock);
    struct removal *own = own_of(c, organization, &others);
    struct kiops_verdict v = kiops_judge_removals(
        &c->actor, others.count + r.count, others.members > r.members ? others.members : r.members);
    if (v.status != KIOPS_REFUSED)
        take(c, own, organization, r);
    pthread_mutex_unlock(&c->tally->lock);
    return v;
}

void removal_tally_forget(struct removal_tally *t, size_t operation)
{
    pthread_mutex_lock(&t->lock);
    for (struct removal *x = t->first; x; x = x->next)
        x->count = x->operation == operation ? 0 : x->count;
    pthread_mutex_unlock(&t->lock);
}
