/* Lists: who pages through a long list asks for it again with every page. What was found is kept
 * until the next change of the replica, so that the second page costs what a page costs. */
#include "replica/find.h"

#include <stdlib.h>
#include <string.h>

static struct str copy(struct str s)
{
    char *at = must(malloc(s.len + 1));
    memcpy(at, s.at, s.len);
    at[s.len] = '\0';
    return (struct str){at, s.len};
}

struct list *list_new(struct replica *r, uint64_t changes)
{
    struct list *l = must(calloc(1, sizeof *l));
    l->changes = changes;
    l->users = 1;
    pin_hold(&r->keep, &l->pin);
    return l;
}

static void free_list(struct replica *r, struct list *l)
{
    pin_drop(&r->keep, &l->pin);
    free((char *)(uintptr_t)l->text.at);
    free(l->at);
    free(l);
}

/* Under the lock of the lists: what nobody uses any more, to be freed without it. */
static struct list *cut_off(struct lists *all, bool (*goes)(const struct list *, uint64_t),
                            uint64_t changes)
{
    struct list *gone = NULL, **at = &all->first;
    while (*at) {
        struct list *l = *at;
        if (!goes(l, changes)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        l->kept = false;
        all->count--;
        if (l->users == 0) {
            l->next = gone;
            gone = l;
        }
    }
    return gone;
}

static bool is_old(const struct list *l, uint64_t changes)
{
    return l->changes != changes;
}

static bool is_any(const struct list *l, uint64_t changes)
{
    (void)l;
    (void)changes;
    return true;
}

static void free_lists(struct replica *r, struct list *gone)
{
    while (gone) {
        struct list *next = gone->next;
        free_list(r, gone);
        gone = next;
    }
}

/* Called with every change: a list that stands would hold on to the records that change. */
void lists_expire(struct replica *r)
{
    struct lists *all = &r->lists;
    pthread_mutex_lock(&all->lock);
    struct list *gone = cut_off(all, is_old, atomic_load(&r->changes));
    pthread_mutex_unlock(&all->lock);
    free_lists(r, gone);
}

void lists_release(struct replica *r)
{
    free_lists(r, cut_off(&r->lists, is_any, 0));
    pthread_mutex_destroy(&r->lists.lock);
}

/* The last one is the one that was not asked for the longest. */
static struct list *to_front(struct lists *all, struct list **at)
{
    struct list *l = *at;
    *at = l->next;
    l->next = all->first;
    all->first = l;
    return l;
}

static bool is_last(const struct list *l, uint64_t changes)
{
    (void)changes;
    return !l->next;
}

struct list *lists_take(struct replica *r, struct str text)
{
    struct lists *all = &r->lists;
    struct list *found = NULL;
    if (!text.len)
        return NULL;
    pthread_mutex_lock(&all->lock);
    uint64_t changes = atomic_load(&r->changes);
    for (struct list **at = &all->first; *at && !found; at = found ? at : &(*at)->next)
        if ((*at)->changes == changes && str_eq((*at)->text, text))
            found = to_front(all, at);
    if (found)
        found->users++;
    pthread_mutex_unlock(&all->lock);
    return found;
}

void lists_keep(struct replica *r, struct list *l, struct str text)
{
    struct lists *all = &r->lists;
    struct list *gone = NULL;
    pthread_mutex_lock(&all->lock);
    if (l->changes == atomic_load(&r->changes)) {
        if (all->count == LISTS_MAX)
            gone = cut_off(all, is_last, 0);
        l->text = copy(text);
        l->kept = true;
        l->next = all->first;
        all->first = l;
        all->count++;
    }
    pthread_mutex_unlock(&all->lock);
    free_lists(r, gone);
}

void list_drop(struct replica *r, struct list *l)
{
    pthread_mutex_lock(&r->lists.lock);
    bool last = --l->users == 0 && !l->kept;
    pthread_mutex_unlock(&r->lists.lock);
    if (last)
        free_list(r, l);
}
