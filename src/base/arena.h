/*
 * Arena: memory that lives as long as one request and is freed at once.
 *
 * Owns:    everything it gave out, and whatever arena_keep() handed over.
 * Threads: one thread at a time.
 * Errors:  none: it never returns NULL (an allocation that fails ends the process). Freed bytes are
 * poisoned under ASan.
 */
#pragma once

#include "base/text.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);  /* NULL is fine; kept things are freed last-in first-out */
void arena_reset(struct arena *a); /* empties it and keeps its first block */
size_t arena_used(const struct arena *a);

/* Zeroed bytes, aligned for any object. */
void *arena_alloc(struct arena *a, size_t size);
/* The same, not zeroed: for text that is written at once. */
void *arena_raw(struct arena *a, size_t size);
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc_array((a), sizeof(type), (n)))
void *arena_alloc_array(struct arena *a, size_t size, size_t n);
/* Room for one more than `n` items: returns `items` while *cap suffices, else a copy twice as
 * large.
 */
void *arena_grow(struct arena *a, void *items, size_t size, size_t n, size_t *cap);

struct str arena_str(struct arena *a, struct str s); /* a copy, NUL-terminated behind its length */
char *arena_cstr(struct arena *a, struct str s); /* the same as a C string; s must hold no NUL */
/* One after the other; where a formatter would be the cost. */
struct str arena_join(struct arena *a, const struct str *parts, size_t n);
struct str arena_fmt(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

/* `release(thing)` runs when the arena is freed or reset. */
void arena_keep(struct arena *a, void *thing, void (*release)(void *));
