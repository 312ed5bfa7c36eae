/*
 * Sort: matches by their keys, then by type and id. They come in order of type and id, so a stable
 * sort by key alone is enough; 100,000 names are sorted by their first eight bytes as numbers, and
 * only those that agree in them are compared as text.
 */
#include "replica/find.h"

#include <stdlib.h>
#include <string.h>

/* Fewer are compared as fast as they are counted. */
#define WORTH_COUNTING 2048

/* Without a value: last when ascending. */
static int by_key(struct str x, struct str y)
{
    if (!x.at || !y.at)
        return !x.at - !y.at;
    return str_cmp(x, y);
}

int sort_compare(const struct place *x, const struct place *y, bool descending)
{
    int order = descending ? by_key(y->key, x->key) : by_key(x->key, y->key);
    if (order)
        return order;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    int in = str_cmp(x->in, y->in);
    return in ? in : str_cmp(x->id, y->id);
}

struct place sort_place(const struct item *it, struct str key)
{
    struct str in = it->in ? record_field(it->in, FIELD_ID) : STR_NONE;
    return (struct place){key, item_kind(it), in, record_field(it->rec, FIELD_ID)};
}

struct place sort_place_of_id(enum replica_kind kind, struct str key, struct str id)
{
    struct place p = {key, kind, STR_NONE, id};
    if (kind == REPLICA_MEMBERSHIP && !replica_membership_split(id, &p.in, &p.id))
        p.id = id;
    return p;
}

static int compare(const struct match *x, const struct match *y, bool descending)
{
    struct place here = sort_place(&x->item, x->key), there = sort_place(&y->item, y->key);
    return sort_compare(&here, &there, descending);
}

static int ascending(const void *a, const void *b)
{
    return compare(a, b, false);
}

static int descending(const void *a, const void *b)
{
    return compare(a, b, true);
}

static void compare_all(struct match *at, size_t n, bool down)
{
    if (n > 1)
        qsort(at, n, sizeof *at, down ? descending : ascending);
}

static uint64_t first_of(struct str key, bool down)
{
    uint64_t first = 0;
    for (size_t i = 0; i < sizeof first; i++)
        first = first << 8 | (i < key.len ? (unsigned char)key.at[i] : 0);
    return down ? ~first : first;
}

/* By one byte of `first`; stable. false: all have the same, nothing was moved. */
static bool count_byte(const struct match *from, struct match *to, size_t n, int byte)
{
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++)
        start[(from[i].first >> (8 * byte) & 0xff) + 1]++;
    for (size_t b = 0; b < 256; b++) {
        if (start[b + 1] == n)
            return false;
        start[b + 1] += start[b];
    }
    for (size_t i = 0; i < n; i++)
        to[start[from[i].first >> (8 * byte) & 0xff]++] = from[i];
    return true;
}

/* Sorted by `first`; in `at` or in `other`. */
static struct match *count_all(struct match *at, struct match *other, size_t n)
{
    for (int byte = 0; byte < 8; byte++) {
        if (!count_byte(at, other, n, byte))
            continue;
        struct match *sorted = other;
        other = at;
        at = sorted;
    }
    return at;
}

static void finish_runs(struct match *at, size_t n, bool down)
{
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && at[to].first == at[from].first;)
            to++;
        compare_all(at + from, to - from, down);
    }
}

/* Those with a value first; the order among both stays. */
static size_t split(const struct match *at, struct match *to, size_t n)
{
    size_t valued = 0, bare = 0;
    for (size_t i = 0; i < n; i++)
        valued += at[i].key.at != NULL;
    for (size_t i = 0, k = 0; i < n; i++)
        to[at[i].key.at ? k++ : valued + bare++] = at[i];
    return valued;
}

void sort_matches(struct search *s)
{
    bool down = s->q->sort.descending;
    size_t n = s->count;
    if (n < WORTH_COUNTING) {
        compare_all(s->at, n, down);
        return;
    }
    struct match *other = arena_raw(s->arena, n * sizeof *other);
    size_t valued = split(s->at, other, n), bare = n - valued;
    for (size_t i = 0; i < valued; i++)
        other[i].first = first_of(other[i].key, down);
    struct match *without = other + valued;
    struct match *sorted = count_all(other, s->at, valued);
    finish_runs(sorted, valued, down);
    struct match *out = arena_raw(s->arena, n * sizeof *out);
    memcpy(out + (down ? bare : 0), sorted, valued * sizeof *out);
    memcpy(out + (down ? 0 : valued), without, bare * sizeof *out);
    s->at = out;
}
