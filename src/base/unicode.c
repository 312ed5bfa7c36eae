/* The comparison key of a text: ASCII by itself, the rest through libunistring. */
#include "base/unicode.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

size_t utf8_width(struct str s)
{
    if (s.len == 0)
        return 0;
    unsigned char c = (unsigned char)s.at[0];
    if (c < 0x80)
        return 1;
    ucs4_t point;
    int n = u8_mbtoucr(&point, (const uint8_t *)s.at, s.len);
    return n > 0 ? (size_t)n : 0;
}

bool utf8_valid(struct str s)
{
    return s.len == 0 || u8_check((const uint8_t *)s.at, s.len) == NULL;
}

static bool is_prohibited(ucs4_t point)
{
    if (point < 0x20 || (point >= 0x7F && point < 0xA0))
        return true;
    if (point >= 0xF0000) /* planes 15 and 16 */
        return true;
    return (point >= 0xFDD0 && point <= 0xFDEF) || (point & 0xFFFE) == 0xFFFE;
}

bool utf8_has_prohibited(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        ucs4_t point;
        int n = u8_mbtoucr(&point, (const uint8_t *)s.at + i, s.len - i);
        if (n <= 0 || is_prohibited(point))
            return true;
        i += (size_t)n;
    }
    return false;
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] >= 0x80)
            return false;
    return true;
}

/* Appends one byte of a key; a run of spaces becomes one, and one at the start vanishes. */
struct squeeze {
    struct buf *out;
    size_t start;
    bool gap; /* spaces seen since the last other byte */
};

static void squeeze_byte(struct squeeze *q, char c)
{
    if (c == ' ') {
        q->gap = true;
        return;
    }
    if (q->gap && q->out->len > q->start)
        buf_char(q->out, ' ');
    q->gap = false;
    buf_char(q->out, c);
}

static void key_bytes(struct squeeze *q, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        squeeze_byte(q, s.at[i]);
}

static void key_ascii(struct squeeze *q, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        squeeze_byte(q, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
}

static void lower_all(struct buf *out, struct str s)
{
    const uint8_t *text = (const uint8_t *)s.at;
    for (size_t i = 0; i < s.len;) {
        ucs4_t point;
        uint8_t bytes[6];
        i += (size_t)u8_mbtouc(&point, text + i, s.len - i);
        if (uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lt))
            point = uc_tolower(point);
        int n = u8_uctomb(bytes, point, sizeof(bytes));
        buf_add(out, (const char *)bytes, (size_t)n);
    }
}

/* In slapd's order, which shows: letters first, then NFKC, whose new capitals stay (a roman numeral
 * or a double-struck C is not a letter and becomes a capital). */
static void key_unicode(struct squeeze *q, struct str s)
{
    struct buf lowered;
    buf_init(&lowered, SIZE_MAX / 2);
    lower_all(&lowered, s);
    uint8_t room[512];
    size_t len = sizeof(room);
    uint8_t *normal =
        u8_normalize(UNINORM_NFKC, (const uint8_t *)lowered.at, lowered.len, room, &len);
    if (!normal)
        memory_out(); /* the text is valid, so only memory can be lacking */
    key_bytes(q, (struct str){(const char *)normal, len});
    if (normal != room)
        free(normal);
    buf_free(&lowered);
}

void unicode_key_to(struct buf *out, struct str s)
{
    struct squeeze q = {.out = out, .start = out->len};
    if (is_ascii(s))
        key_ascii(&q, s);
    else if (utf8_valid(s))
        key_unicode(&q, s);
    else
        buf_str(out, s);
}

struct str unicode_key(struct arena *a, struct str s)
{
    /* NFKC grows one code point to 18 at most (U+FDFA, 3 bytes to 33). */
    struct buf out;
    buf_init(&out, s.len * 12 + 64);
    unicode_key_to(&out, s);
    struct str key = arena_str(a, buf_view(&out));
    buf_free(&out);
    return key;
}
