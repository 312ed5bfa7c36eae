/*
 * Scope cleanup: an OWNED_ variable is released when its scope ends, on every path; TAKE() hands it
 * on.
 *
 * Threads: as the thing owned.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"

static inline void own_json_release(json_t **p)
{
    json_decref(*p);
}

static inline void own_text_release(char **p)
{
    free(*p);
}

static inline void own_arena_release(struct arena **p)
{
    arena_free(*p);
}

static inline void own_buf_release(struct buf *b)
{
    buf_free(b);
}

static inline void own_fd_release(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void own_secret_release(struct buf *b)
{
    if (b->at)
        explicit_bzero(b->at, b->cap);
    buf_free(b);
}

#define OWNED_JSON __attribute__((cleanup(own_json_release)))
#define OWNED_TEXT __attribute__((cleanup(own_text_release)))
#define OWNED_ARENA __attribute__((cleanup(own_arena_release)))
#define OWNED_BUF __attribute__((cleanup(own_buf_release)))
#define OWNED_FD __attribute__((cleanup(own_fd_release)))
#define OWNED_SECRET __attribute__((cleanup(own_secret_release))) /* a struct buf, wiped */

/* The value of a pointer variable, which is NULL afterwards. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __auto_type take_ = (p);                                                                   \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })
