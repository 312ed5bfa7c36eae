/*
 * Where there is no memory nothing can be said to be done: the process ends, with a word and as a
 * whole, and is started again. What it had acknowledged is on disk by then.
 *
 * Owns:    what must() is given stays the caller's.
 * Threads: any.
 * Errors:  none: no function of ours returns NULL for want of memory.
 */
#pragma once

#include <stddef.h>

_Noreturn void memory_out(void);
void *must(void *memory);      /* NULL: memory_out() */
void *memory_new(size_t size); /* not zeroed */
