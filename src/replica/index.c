/*
 * Index: a small open-addressing table from keyed hashes to things.
 *
 * Why not uthash: its handle costs 56 bytes in every record and index, 28 MB for 100,000 users in
 * five indexes; here a slot is 12 bytes. The key is not kept: the caller finds it in the thing.
 * Linear probing over the hashes alone, deletion by moving back, so there are no graves to sweep.
 */
#include "replica/internal.h"

#include <stdlib.h>

#include "base/hash.h"

enum { SLOTS_FIRST = 16 };

uint32_t index_hash(struct str key)
{
    uint32_t hash = (uint32_t)hash_keyed(key.at, key.len);
    return hash ? hash : 1;
}

static void place(struct index *ix, uint32_t hash, void *thing)
{
    size_t slot = hash & (ix->slots - 1);
    while (ix->hash[slot])
        slot = (slot + 1) & (ix->slots - 1);
    ix->hash[slot] = hash;
    ix->at[slot] = thing;
}

static void grow(struct index *ix)
{
    struct index old = *ix;
    ix->slots = old.slots ? old.slots * 2 : SLOTS_FIRST;
    ix->hash = must(calloc(ix->slots, sizeof *ix->hash));
    ix->at = must(calloc(ix->slots, sizeof *ix->at));
    for (size_t i = 0; i < old.slots; i++)
        if (old.hash[i])
            place(ix, old.hash[i], old.at[i]);
    index_release(&old);
}

void index_add(struct index *ix, uint32_t hash, void *thing)
{
    /* Four fifths full at most: 100,000 records fit 131,072 slots. */
    if ((ix->count + 1) * 5 > ix->slots * 4)
        grow(ix);
    place(ix, hash, thing);
    ix->count++;
}

/* Linear probing without graves: whatever stands behind the hole and may move into it, does. */
static void close_hole(struct index *ix, size_t hole)
{
    size_t mask = ix->slots - 1;
    for (size_t slot = (hole + 1) & mask; ix->hash[slot]; slot = (slot + 1) & mask) {
        size_t home = ix->hash[slot] & mask;
        if (((slot - home) & mask) < ((slot - hole) & mask))
            continue;
        ix->hash[hole] = ix->hash[slot];
        ix->at[hole] = ix->at[slot];
        hole = slot;
    }
    ix->hash[hole] = 0;
    ix->at[hole] = NULL;
}

bool index_remove(struct index *ix, uint32_t hash, const void *thing)
{
    struct index_probe p = index_probe(ix, hash);
    for (const void *found; (found = index_next(ix, &p));) {
        if (found != thing)
            continue;
        close_hole(ix, (p.slot - 1) & (ix->slots - 1));
        ix->count--;
        return true;
    }
    return false;
}

struct index_probe index_probe(const struct index *ix, uint32_t hash)
{
    return (struct index_probe){.slot = ix->slots ? hash & (ix->slots - 1) : 0, .hash = hash};
}

void *index_next(const struct index *ix, struct index_probe *p)
{
    if (!ix->slots)
        return NULL;
    while (ix->hash[p->slot]) {
        size_t slot = p->slot;
        p->slot = (slot + 1) & (ix->slots - 1);
        if (ix->hash[slot] == p->hash)
            return ix->at[slot];
    }
    return NULL;
}

void index_release(struct index *ix)
{
    free(ix->hash);
    free(ix->at);
    *ix = (struct index){0};
}
