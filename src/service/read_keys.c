/* Keys and orders of what a reading of the whole directory found. */
#include "service/read_keys.h"

#include <stdlib.h>

#include "base/hash.h"

uint64_t read_dn_key(struct buf *room, struct str dn)
{
    buf_clear(room);
    directory_dn_key_to(room, dn);
    struct str key = buf_view(room);
    return hash_keyed(key.at, key.len);
}

static struct str id_at(const struct read_order *o, uint32_t place)
{
    return *(const struct str *)(const void *)(o->items + place * o->size);
}

static int by_id(const void *a, const void *b, void *order)
{
    return str_cmp(id_at(order, *(const uint32_t *)a), id_at(order, *(const uint32_t *)b));
}

struct read_order read_order_of(struct arena *a, const void *items, size_t count, size_t size)
{
    struct read_order o = {items, count, size, ARENA_ARRAY(a, uint32_t, count + 1)};
    for (size_t i = 0; i < count; i++)
        o.at[i] = (uint32_t)i;
    if (count)
        qsort_r(o.at, count, sizeof *o.at, by_id, &o);
    return o;
}

size_t read_order_place(const struct read_order *o, struct str id)
{
    size_t from = 0, to = o->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = str_cmp(id_at(o, o->at[middle]), id);
        if (order == 0)
            return o->at[middle];
        *(order < 0 ? &from : &to) = order < 0 ? middle + 1 : middle;
    }
    return o->count;
}
