/* RFC 4648: base64 and base64url. */
#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t padding_of(struct str text)
{
    size_t n = 0;
    while (n < 2 && n < text.len && text.at[text.len - 1 - n] == '=')
        n++;
    return n;
}

bool base64_decode(struct arena *a, struct str text, struct str *out)
{
    size_t padding = padding_of(text), len = 0;
    if (text.len % 4 != 0)
        return false;
    char *bytes = arena_alloc(a, text.len / 4 * 3 + 1);
    unsigned group = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool pad = i >= text.len - padding;
        int digit = pad ? 0 : digit_of(text.at[i]);
        if (digit < 0)
            return false;
        group = group << 6 | (unsigned)digit;
        if (i % 4 != 3)
            continue;
        for (unsigned shift = 24; shift > 0; shift -= 8)
            bytes[len++] = (char)(group >> (shift - 8) & 0xFF);
        group = 0;
    }
    *out = (struct str){bytes, len - padding};
    return true;
}

struct str base64_encode(struct arena *a, struct str bytes)
{
    char *text = arena_alloc(a, (bytes.len + 2) / 3 * 4 + 1);
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        unsigned group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < bytes.len ? (unsigned char)bytes.at[i + k] : 0U);
        for (unsigned shift = 24; shift > 0; shift -= 6)
            text[len++] = alphabet[group >> (shift - 6) & 63];
        for (size_t k = bytes.len - i; k < 3; k++)
            text[len - 3 + k] = '=';
    }
    return (struct str){text, len};
}
