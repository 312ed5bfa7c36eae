/*
 * Sort: matches by their keys, then by type and id. They come in order of type and id, so a stable
 * sort by key alone is enough; it goes by eight bytes of the keys at a time, as numbers, and only
 * those that agree in them are looked at again.
 */
#include "replica/find.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Fewer are compared as fast as they are counted. */
#define WORTH_COUNTING 24
#define AT_ONCE sizeof(uint64_t)

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

uint64_t sort_bytes(struct str key, size_t from)
{
    uint64_t bytes = 0;
    size_t left = key.len > from ? key.len - from : 0;
    if (left)
        memcpy(&bytes, key.at + from, left < AT_ONCE ? left : AT_ONCE);
    return be64toh(bytes);
}

/* A match that has a key. */
struct ranked {
    uint64_t bytes;
    const struct match *match;
};

static int in_order(const struct ranked *x, const struct ranked *y, int keys)
{
    return keys ? keys : (x->match > y->match) - (x->match < y->match);
}

static int ascending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return in_order(x, y, str_cmp(x->match->key, y->match->key));
}

static int descending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return in_order(x, y, str_cmp(y->match->key, x->match->key));
}

static void compare_all(struct ranked *at, size_t n, bool down)
{
    if (n > 1)
        qsort(at, n, sizeof *at, down ? descending : ascending);
}

/* By one byte of `bytes`; stable. */
static void count_byte(const struct ranked *from, struct ranked *to, size_t n, int byte)
{
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++)
        start[(from[i].bytes >> (8 * byte) & 0xff) + 1]++;
    for (size_t b = 0; b < 256; b++)
        start[b + 1] += start[b];
    for (size_t i = 0; i < n; i++)
        to[start[from[i].bytes >> (8 * byte) & 0xff]++] = from[i];
}

/* By all of `bytes`, of which those in `differ` are not the same everywhere. */
static void count_all(struct ranked *at, struct ranked *other, size_t n, uint64_t differ)
{
    struct ranked *from = at, *to = other;
    for (int byte = 0; byte < (int)AT_ONCE; byte++) {
        if (!(differ >> (8 * byte) & 0xff))
            continue;
        count_byte(from, to, n, byte);
        struct ranked *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != at)
        memcpy(at, from, n * sizeof *at);
}

/* Whose keys agree in what stands before `from`: the bits in which the next bytes differ. */
static uint64_t take_bytes(struct ranked *at, size_t n, size_t from, bool down)
{
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = from ? sort_bytes(at[i].match->key, from) : at[i].match->first;
        at[i].bytes = down ? ~bytes : bytes;
        differ |= at[i].bytes ^ at[0].bytes;
    }
    return differ;
}

/* Keys that agree up to there: whether they are equal, or still to be told apart. */
enum ends { ALL_EQUAL, SOME_GO_ON, NUL_AT_END };

static enum ends ends_of(const struct ranked *at, size_t n, size_t to)
{
    size_t len = at[0].match->key.len;
    enum ends ends = ALL_EQUAL;
    for (size_t i = 0; i < n; i++) {
        if (at[i].match->key.len > to)
            return SOME_GO_ON;
        if (at[i].match->key.len != len)
            ends = NUL_AT_END;
    }
    return ends;
}

/* Those whose keys agree in what stands before `from`. */
static void sort_from(struct ranked *at, struct ranked *other, size_t n, size_t from, bool down)
{
    enum ends ends = SOME_GO_ON;
    uint64_t differ = 0;
    for (; n >= WORTH_COUNTING && ends == SOME_GO_ON && !differ; from += AT_ONCE) {
        differ = take_bytes(at, n, from, down);
        ends = differ ? SOME_GO_ON : ends_of(at, n, from + AT_ONCE);
    }
    if (ends == ALL_EQUAL)
        return;
    if (!differ) {
        compare_all(at, n, down);
        return;
    }
    count_all(at, other, n, differ);
    for (size_t run = 0, end; run < n; run = end) {
        for (end = run + 1; end < n && at[end].bytes == at[run].bytes;)
            end++;
        sort_from(at + run, other, end - run, from, down);
    }
}

void sort_matches(const struct search *s, struct item *out)
{
    bool down = s->q->sort.descending;
    size_t n = s->count, valued = 0, bare = 0;
    struct ranked *at = arena_raw(s->arena, 2 * n * sizeof *at);
    for (size_t i = 0; i < n; i++)
        if (s->at[i].key.at)
            at[valued++].match = &s->at[i];
    sort_from(at, at + n, valued, 0, down);
    struct item *with = out + (down ? n - valued : 0), *without = out + (down ? 0 : valued);
    for (size_t i = 0; i < valued; i++)
        with[i] = at[i].match->item;
    for (size_t i = 0; i < n; i++)
        if (!s->at[i].key.at)
            without[bare++] = s->at[i].item;
}
