/* Blocks that only grow, freed at once. */
#include "base/arena.h"

#include "base/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum { ALIGNMENT = alignof(max_align_t), BLOCK_FIRST = 16 * 1024, BLOCK_LARGEST = 1024 * 1024 };

struct block {
    struct block *older;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct kept {
    struct kept *older;
    void *thing;
    void (*release)(void *);
};

struct arena {
    struct block *newest; /* the one that is being filled */
    struct block *first;
    struct kept *kept; /* lives in the blocks */
    size_t used;
};

static struct block *block_new(struct block *older, size_t size)
{
    struct block *block = must(malloc(sizeof(struct block) + size));
    *block = (struct block){.older = older, .size = size};
    ASAN_POISON_MEMORY_REGION(block->bytes, size);
    return block;
}

static void block_free(struct block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->size);
    free(block);
}

struct arena *arena_new(void)
{
    struct arena *a = must(calloc(1, sizeof(*a)));
    a->first = a->newest = block_new(NULL, BLOCK_FIRST);
    return a;
}

static void release_kept(struct arena *a)
{
    while (a->kept) {
        struct kept *k = a->kept;
        a->kept = k->older;
        k->release(k->thing);
    }
}

void arena_reset(struct arena *a)
{
    release_kept(a);
    while (a->newest != a->first) {
        struct block *older = a->newest->older;
        block_free(a->newest);
        a->newest = older;
    }
    a->first->used = 0;
    a->used = 0;
    ASAN_POISON_MEMORY_REGION(a->first->bytes, a->first->size);
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_reset(a);
    block_free(a->first);
    free(a);
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

static struct block *block_for(struct arena *a, size_t size)
{
    if (a->newest->size - a->newest->used >= size)
        return a->newest;
    size_t want = a->newest->size * 2;
    if (want > BLOCK_LARGEST)
        want = BLOCK_LARGEST;
    if (want < size)
        want = size;
    a->newest = block_new(a->newest, want);
    return a->newest;
}

void *arena_raw(struct arena *a, size_t size)
{
    /* One byte of red zone at least, so that ASan sees a step over the end of the last object. */
    assert(size < SIZE_MAX / 4);
    size_t room = (size + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    struct block *block = block_for(a, room);
    unsigned char *at = block->bytes + block->used;
    block->used += room;
    a->used += room;
    ASAN_UNPOISON_MEMORY_REGION(at, size);
    return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return memset(arena_raw(a, size), 0, size);
}

void *arena_alloc_array(struct arena *a, size_t size, size_t n)
{
    size_t total;
    if (__builtin_mul_overflow(size, n, &total))
        must(NULL);
    return arena_alloc(a, total);
}

void *arena_grow(struct arena *a, void *items, size_t size, size_t n, size_t *cap)
{
    if (n < *cap)
        return items;
    assert(n == *cap);
    size_t room = n ? n * 2 : 8;
    void *grown = arena_alloc_array(a, size, room);
    if (n > 0)
        memcpy(grown, items, size * n);
    *cap = room;
    return grown;
}

static char *copy_of(struct arena *a, struct str s)
{
    char *at = arena_raw(a, s.len + 1);
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    at[s.len] = '\0';
    return at;
}

struct str arena_str(struct arena *a, struct str s)
{
    return (struct str){copy_of(a, s), s.len};
}

char *arena_cstr(struct arena *a, struct str s)
{
    assert(s.len == 0 || !memchr(s.at, '\0', s.len));
    return copy_of(a, s);
}

struct str arena_join(struct arena *a, const struct str *parts, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    char *text = arena_raw(a, len + 1), *at = text;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len)
            memcpy(at, parts[i].at, parts[i].len);
        at += parts[i].len;
    }
    *at = '\0';
    return (struct str){text, len};
}

struct str arena_fmt(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    char *at = arena_raw(a, (size_t)n + 1);
    vsnprintf(at, (size_t)n + 1, format, again);
    va_end(again);
    return (struct str){at, (size_t)n};
}

void arena_keep(struct arena *a, void *thing, void (*release)(void *))
{
    struct kept *k = ARENA_NEW(a, struct kept);
    *k = (struct kept){.older = a->kept, .thing = thing, .release = release};
    a->kept = k;
}
