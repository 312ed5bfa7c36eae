/* Keep: records and nodes that were replaced stay until the last reader that may see them is done.
 */
#include "replica/internal.h"

#include <stdlib.h>

struct retired {
    struct retired *next;
    void *thing;
    uint64_t generation;
};

void keep_init(struct keep *k)
{
    *k = (struct keep){.last = &k->retired};
    pthread_mutex_init(&k->lock, NULL);
}

static void free_all(struct retired *list)
{
    while (list) {
        struct retired *next = list->next;
        free(list->thing);
        free(list);
        list = next;
    }
}

void keep_release(struct keep *k)
{
    free_all(k->retired);
    pthread_mutex_destroy(&k->lock);
}

void pin_hold(struct keep *k, struct pin *p)
{
    pthread_mutex_lock(&k->lock);
    *p = (struct pin){.generation = k->generation, .older = k->newest};
    *(k->newest ? &k->newest->newer : &k->oldest) = p;
    k->newest = p;
    pthread_mutex_unlock(&k->lock);
}

/* Cuts off what was retired before the oldest pin was taken. */
static struct retired *take_free(struct keep *k)
{
    struct retired *first = k->retired, **end = &k->retired;
    while (*end && (!k->oldest || (*end)->generation <= k->oldest->generation))
        end = &(*end)->next;
    if (end == &k->retired)
        return NULL;
    k->retired = *end;
    *end = NULL;
    if (!k->retired)
        k->last = &k->retired;
    return first;
}

void pin_drop(struct keep *k, struct pin *p)
{
    pthread_mutex_lock(&k->lock);
    *(p->older ? &p->older->newer : &k->oldest) = p->newer;
    *(p->newer ? &p->newer->older : &k->newest) = p->older;
    struct retired *list = take_free(k);
    pthread_mutex_unlock(&k->lock);
    free_all(list);
}

void keep_retire(struct keep *k, void *thing)
{
    pthread_mutex_lock(&k->lock);
    bool pinned = k->oldest;
    if (pinned) {
        struct retired *one = must(malloc(sizeof *one));
        *one = (struct retired){.thing = thing, .generation = ++k->generation};
        *k->last = one;
        k->last = &one->next;
    }
    pthread_mutex_unlock(&k->lock);
    if (!pinned)
        free(thing);
}
