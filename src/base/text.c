/* Views of text, parsers over them, and text that grows up to a ceiling. */
#include "base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/unicode.h"

struct str str_of(const char *text)
{
    return text ? (struct str){text, strlen(text)} : STR_NONE;
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    if (from >= s.len)
        return STR_NONE;
    size_t left = s.len - from;
    return (struct str){s.at + from, len < left ? len : left};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static unsigned char ascii_lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool str_ieq(struct str a, struct str b)
{
    return a.len == b.len && str_istarts(a, b);
}

int str_cmp(struct str a, struct str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared > 0 ? memcmp(a.at, b.at, shared) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
    if (s.len < prefix.len)
        return false;
    if (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0) /* most are the same */
        return true;
    for (size_t i = 0; i < prefix.len; i++)
        if (ascii_lower(s.at[i]) != ascii_lower(prefix.at[i]))
            return false;
    return true;
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool char_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool str_consists_of(struct str s, const char *marks)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool word = char_is_letter(c) || (c >= '0' && c <= '9');
        if (!word && (c == '\0' || !strchr(marks, c)))
            return false;
    }
    return s.len > 0;
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.at[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    return s;
}

bool str_find(struct str s, char c, size_t *at)
{
    const char *hit = s.len > 0 ? memchr(s.at, c, s.len) : NULL;
    if (hit)
        *at = (size_t)(hit - s.at);
    return hit != NULL;
}

bool str_rfind(struct str s, char c, size_t *at)
{
    const char *hit = s.len > 0 ? memrchr(s.at, c, s.len) : NULL;
    if (hit)
        *at = (size_t)(hit - s.at);
    return hit != NULL;
}

bool str_split(struct str *rest, char c, struct str *part)
{
    if (rest->len == 0)
        return false;
    size_t at;
    if (!str_find(*rest, c, &at)) {
        *part = *rest;
        *rest = STR_NONE;
        return true;
    }
    *part = (struct str){rest->at, at};
    *rest = (struct str){rest->at + at + 1, rest->len - at - 1};
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.at[0] == '-';
    size_t i = negative || (s.len > 0 && s.at[0] == '+') ? 1 : 0;
    if (i == s.len)
        return false;
    int64_t value = 0;
    for (; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        /* Negative numbers are built downwards: INT64_MIN has no positive counterpart. */
        int digit = negative ? '0' - s.at[i] : s.at[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

uint64_t str_hash(struct str s)
{
    return hash_keyed(s.at, s.len);
}

struct cursor cursor_of(struct str s)
{
    const char *at = s.len > 0 ? s.at : "";
    return (struct cursor){at, at, at + s.len};
}

bool cursor_done(const struct cursor *c)
{
    return c->at == c->end;
}

char cursor_peek(const struct cursor *c)
{
    return c->at < c->end ? *c->at : '\0';
}

bool cursor_take(struct cursor *c, char want)
{
    if (c->at == c->end || *c->at != want)
        return false;
    c->at++;
    return true;
}

void cursor_spaces(struct cursor *c)
{
    while (cursor_take(c, ' ')) {
    }
}

size_t cursor_offset(const struct cursor *c)
{
    return (size_t)(c->at - c->start);
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    free(b->at);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Room for `more` bytes and the NUL; false when the ceiling forbids it. */
static bool buf_room(struct buf *b, size_t more)
{
    if (b->failed || more > b->max || b->len > b->max - more) {
        b->failed = true;
        return false;
    }
    size_t want = b->len + more + 1;
    if (want <= b->cap)
        return true;
    size_t cap = b->cap < 64 ? 64 : b->cap * 2;
    if (cap < want)
        cap = want;
    /* Not realloc: a buffer that holds a secret must not leave copies behind when it moves. */
    char *moved = must(malloc(cap));
    if (b->len > 0)
        memcpy(moved, b->at, b->len);
    if (b->at)
        explicit_bzero(b->at, b->cap);
    free(b->at);
    b->at = moved;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const char *bytes, size_t len)
{
    if (!buf_room(b, len))
        return;
    if (len > 0)
        memcpy(b->at + b->len, bytes, len);
    b->len += len;
    b->at[b->len] = '\0';
}

void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.at, s.len);
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_fmt(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    if (buf_room(b, (size_t)n)) {
        vsnprintf(b->at + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

static void json_escape(struct buf *b, unsigned char c)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
        if ((unsigned char)names[i] != c)
            continue;
        char escaped[2] = {'\\', names[i + 1]};
        buf_add(b, escaped, 2);
        return;
    }
    buf_fmt(b, "\\u%04x", c);
}

void buf_json_string(struct buf *b, struct str s)
{
    buf_char(b, '"');
    size_t plain = 0; /* start of the run that needs no change */
    size_t i = 0;
    while (i < s.len) {
        unsigned char c = (unsigned char)s.at[i];
        size_t width = c < 0x80 ? c != '\0' : utf8_width(str_sub(s, i, 4));
        if (width > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += width;
            continue;
        }
        buf_add(b, s.at + plain, i - plain);
        if (width > 0)
            json_escape(b, c);
        else
            BUF_LIT(b, "\xEF\xBF\xBD");
        plain = ++i;
    }
    if (s.len > plain)
        buf_add(b, s.at + plain, s.len - plain);
    buf_char(b, '"');
}

struct str buf_view(const struct buf *b)
{
    return (struct str){b->len > 0 ? b->at : NULL, b->len};
}
