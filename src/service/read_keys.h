/*
 * What the readings of a whole directory look things up by: the DN as a number, and an order of
 * entries by their id.
 *
 * Threads: pure.
 */
#pragma once

#include "directory/directory.h"

/* Equal for equal DNs, whatever their spelling; `room` is for the key. */
uint64_t read_dn_key(struct buf *room, struct str dn);

struct read_order {
    const char *items; /* `count` structs of `size` bytes, each with its id (a struct str) first */
    size_t count, size;
    uint32_t *at; /* places, by id */
};
/* `items` must outlive it and keep their places. */
struct read_order read_order_of(struct arena *a, const void *items, size_t count, size_t size);
/* The place of that id, or `count`. */
size_t read_order_place(const struct read_order *o, struct str id);
