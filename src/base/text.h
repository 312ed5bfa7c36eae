/*
 * Text: pointer-and-length views, a cursor for parsers, and a growing buffer with a fixed ceiling.
 *
 * Owns:    struct str owns nothing; struct buf owns its bytes until buf_free().
 * Threads: pure; a buf belongs to one thread.
 * Errors:  a buf that would outgrow its ceiling sets `failed`, keeps what it holds and ignores what
 * follows; the caller asks once, at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* A view of bytes that somebody else owns. Not NUL-terminated; may hold NUL. `at` may be NULL when
 * `len` is 0. */
struct str {
    const char *at;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* The same for a static table, whose initialisers must be constant: {STR_INIT("x"), ...}. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define STR_NONE ((struct str){NULL, 0})
#define STR_FMT "%.*s"
#define STR_ARG(s) ((int)(s).len), ((s).len ? (s).at : "")

/* View of a C string; NULL gives the empty view. */
struct str str_of(const char *text);
struct str str_sub(struct str s, size_t from, size_t len); /* clamped to s */
bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b); /* ASCII letters without case */
int str_cmp(struct str a, struct str b);  /* bytes, then length */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool char_is_letter(char c); /* of ASCII */
/* ASCII letters, digits and `marks`; not empty. */
bool str_consists_of(struct str s, const char *marks);
struct str str_trim(struct str s);                /* ASCII white space at both ends */
bool str_find(struct str s, char c, size_t *at);  /* first c */
bool str_rfind(struct str s, char c, size_t *at); /* last c */
/* Cuts the part before the first `c` off `*rest`; false when rest is empty. Without c: the whole
 * rest. */
bool str_split(struct str *rest, char c, struct str *part);
/* Decimal with an optional sign, the whole text; false on anything else or overflow. */
bool str_to_i64(struct str s, int64_t *out);
uint64_t str_hash(struct str s); /* keyed, see hash.h */

/* Parser position. `at == end` is the end of input; cursor_peek() then gives 0. */
struct cursor {
    const char *start, *at, *end;
};

struct cursor cursor_of(struct str s);
bool cursor_done(const struct cursor *c);
char cursor_peek(const struct cursor *c);
bool cursor_take(struct cursor *c, char want);
void cursor_spaces(struct cursor *c); /* skips blanks (space only) */
size_t cursor_offset(const struct cursor *c);

struct buf {
    char *at; /* NUL-terminated whenever len > 0 */
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_free(struct buf *b);
void buf_clear(struct buf *b);
void buf_add(struct buf *b, const char *bytes, size_t len);
void buf_str(struct buf *b, struct str s);
void buf_char(struct buf *b, char c);
void buf_fmt(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* A JSON string with its quotes; invalid UTF-8 and NUL become U+FFFD. */
void buf_json_string(struct buf *b, struct str s);
struct str buf_view(const struct buf *b);

#define BUF_LIT(b, literal) buf_add((b), "" literal, sizeof(literal) - 1)
