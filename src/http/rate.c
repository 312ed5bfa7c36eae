/* Token buckets: so many requests, or tries, a second. */
#include "http/internal.h"

#include "base/hash.h"
#include "base/memory.h"

#define SETS 1024
#define WAYS 4
#define LOCKS 16
#define UNIT 1000 /* a request at full speed, in thousandths */

struct bucket {
    uint64_t key;  /* 0 = free */
    int64_t level; /* thousandths of requests left */
    int64_t at_ms;
};

/* A fixed table, so that no client can make it grow: 1,024 sets of 4. The fullest bucket of a set
 * gives way, it would let its client pass anyway. */
struct http_rate {
    int64_t per_s, burst;
    int64_t cost; /* of a request, in thousandths */
    pthread_mutex_t locks[LOCKS];
    struct bucket buckets[SETS][WAYS];
};

static struct http_rate *new_rate(unsigned per_s, unsigned burst, int64_t cost)
{
    struct http_rate *r = must(calloc(1, sizeof(*r)));
    r->per_s = per_s;
    r->burst = (int64_t)(burst ? burst : 1) * cost;
    r->cost = cost;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&r->locks[i], NULL);
    return r;
}

struct http_rate *http_rate_new(unsigned per_s, unsigned burst)
{
    return new_rate(per_s, burst, UNIT);
}

struct http_rate *http_rate_new_slow(unsigned wait_s, unsigned burst)
{
    return new_rate(1, burst, (int64_t)wait_s * UNIT);
}

void http_rate_free(struct http_rate *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&r->locks[i]);
    free(r);
}

static void refill(const struct http_rate *r, struct bucket *b, int64_t now_ms)
{
    int64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
    int64_t full_ms = r->burst / r->per_s + 1; /* thousandths per second are units per ms */
    b->level = passed >= full_ms ? r->burst : b->level + passed * r->per_s;
    if (b->level > r->burst)
        b->level = r->burst;
    b->at_ms = now_ms;
}

static struct bucket *find_bucket(const struct http_rate *r, struct bucket *set, uint64_t key,
                                  int64_t now_ms)
{
    struct bucket *fullest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        struct bucket *b = &set[i];
        if (b->key == 0) {
            *b = (struct bucket){0, r->burst, now_ms};
        } else {
            refill(r, b, now_ms);
        }
        if (b->key == key)
            return b;
        if (b->level > fullest->level)
            fullest = b;
    }
    *fullest = (struct bucket){key, r->burst, now_ms};
    return fullest;
}

bool http_rate_take(struct http_rate *r, struct str key, int64_t now_ms, int *wait_s)
{
    if (r->per_s == 0)
        return true;
    uint64_t hash = str_hash(key) | 1;
    size_t set = (hash >> 8) % SETS;
    pthread_mutex_t *lock = &r->locks[set % LOCKS];
    pthread_mutex_lock(lock);
    struct bucket *b = find_bucket(r, r->buckets[set], hash, now_ms);
    bool passes = b->level >= r->cost;
    if (passes)
        b->level -= r->cost;
    else
        *wait_s = (int)((r->cost - b->level + r->per_s * 1000 - 1) / (r->per_s * 1000));
    pthread_mutex_unlock(lock);
    return passes;
}

/* A bucket that gave way meanwhile was full. */
void http_rate_give(struct http_rate *r, struct str key)
{
    uint64_t hash = str_hash(key) | 1;
    size_t set = (hash >> 8) % SETS;
    pthread_mutex_t *lock = &r->locks[set % LOCKS];
    pthread_mutex_lock(lock);
    for (size_t i = 0; i < WAYS; i++) {
        struct bucket *b = &r->buckets[set][i];
        if (b->key == hash)
            b->level = b->level + r->cost > r->burst ? r->burst : b->level + r->cost;
    }
    pthread_mutex_unlock(lock);
}
