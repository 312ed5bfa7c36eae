/* Sealed texts: what a browser keeps for us, and can neither read nor change. */
#include "console/internal.h"

#include <sodium.h>
#include <string.h>

#define NONCE crypto_secretbox_NONCEBYTES
#define TAG crypto_secretbox_MACBYTES
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define PLAIN_MAX 1024
#define SEALED_MAX 2048 /* in base64; a cookie has at most 4096 bytes */
#define CSRF_BYTES 16
#define DRAWN_BYTES 32
/* Clocks of two bridges may differ. */
#define FUTURE_S 300
#define SECOND_US INT64_C(1000000)

static struct str to_base64(struct arena *a, const unsigned char *bytes, size_t len)
{
    size_t size = sodium_base64_encoded_len(len, BASE64);
    char *text = arena_alloc(a, size);
    sodium_bin2base64(text, size, bytes, len, BASE64);
    return (struct str){text, size - 1};
}

/* ---- any text */

static struct str seal(const struct console *c, enum console_kind kind, struct arena *a,
                       struct str plain)
{
    unsigned char sealed[NONCE + TAG + PLAIN_MAX];
    if (plain.len > PLAIN_MAX)
        return STR_NONE;
    randombytes_buf(sealed, NONCE);
    crypto_secretbox_easy(sealed + NONCE, (const unsigned char *)plain.at, plain.len, sealed,
                          c->keys[kind]);
    return to_base64(a, sealed, NONCE + TAG + plain.len);
}

static bool unseal(const struct console *c, enum console_kind kind, struct arena *a,
                   struct str sealed, struct str *plain)
{
    unsigned char bytes[SEALED_MAX];
    size_t len;
    if (sealed.len > SEALED_MAX || sodium_base642bin(bytes, sizeof bytes, sealed.at, sealed.len,
                                                     NULL, &len, NULL, BASE64) != 0)
        return false;
    if (len < NONCE + TAG)
        return false;
    char *text = arena_alloc(a, len);
    *plain = (struct str){text, len - NONCE - TAG};
    return crypto_secretbox_open_easy((unsigned char *)text, bytes + NONCE, len - NONCE, bytes,
                                      c->keys[kind]) == 0;
}

/* ---- several texts in one, and when */

static struct str join(struct arena *a, instant_t issued, const struct str *parts, size_t count)
{
    char *text = arena_alloc(a, PLAIN_MAX);
    int64_t issued_s = issued / SECOND_US;
    size_t len = sizeof issued_s;
    memcpy(text, &issued_s, len);
    for (size_t i = 0; i < count; i++) {
        const uint16_t size = (uint16_t)parts[i].len;
        if (parts[i].len > PLAIN_MAX - len - sizeof size)
            return (struct str){text, PLAIN_MAX + 1}; /* is not sealed */
        memcpy(text + len, &size, sizeof size);
        len += sizeof size;
        if (size)
            memcpy(text + len, parts[i].at, size);
        len += size;
    }
    return (struct str){text, len};
}

static bool split(struct str plain, instant_t *issued, struct str *parts, size_t count)
{
    int64_t issued_s;
    if (plain.len < sizeof issued_s)
        return false;
    memcpy(&issued_s, plain.at, sizeof issued_s);
    *issued = issued_s * SECOND_US;
    plain = str_sub(plain, sizeof issued_s, plain.len);
    for (size_t i = 0; i < count; i++) {
        uint16_t size;
        if (plain.len < sizeof size)
            return false;
        memcpy(&size, plain.at, sizeof size);
        plain = str_sub(plain, sizeof size, plain.len);
        if (plain.len < size)
            return false;
        parts[i] = str_sub(plain, 0, size);
        plain = str_sub(plain, size, plain.len);
    }
    return plain.len == 0;
}

static bool is_of_now(instant_t issued, instant_t now, int64_t life_s)
{
    return issued <= now + FUTURE_S * SECOND_US && now - issued < life_s * SECOND_US;
}

/* ---- sessions */

struct str console_session_seal(const struct console *c, struct arena *a,
                                const struct console_session *s)
{
    const struct str parts[] = {s->id, s->password_changed};
    return seal(c, CONSOLE_SESSION, a, join(a, s->issued, parts, 2));
}

bool console_session_open(const struct console *c, struct arena *a, struct str sealed,
                          instant_t now, struct console_session *out)
{
    struct str plain, parts[2];
    instant_t issued;
    if (!unseal(c, CONSOLE_SESSION, a, sealed, &plain) || !split(plain, &issued, parts, 2) ||
        !is_of_now(issued, now, (int64_t)c->config->console.session_h * 3600))
        return false;
    *out = (struct console_session){.id = parts[0], .issued = issued, .password_changed = parts[1]};
    return true;
}

struct str console_csrf(const struct console *c, struct arena *a, struct str sealed_session)
{
    unsigned char hash[CSRF_BYTES];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)sealed_session.at,
                       sealed_session.len, c->keys[CONSOLE_CSRF], CONSOLE_KEY);
    return to_base64(a, hash, sizeof hash);
}

bool console_same(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.at, b.at, a.len) == 0);
}

bool console_csrf_is(const struct console *c, struct str sealed_session, struct str given)
{
    struct arena *a = arena_new();
    bool same = console_same(console_csrf(c, a, sealed_session), given);
    arena_free(a);
    return same;
}

/* ---- sign-ins under way */

static struct str draw(struct arena *a)
{
    unsigned char bytes[DRAWN_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    return to_base64(a, bytes, sizeof bytes);
}

void console_try_draw(struct arena *a, struct console_try *t)
{
    t->state = draw(a);
    t->nonce = draw(a);
    t->verifier = draw(a);
}

struct str console_try_seal(const struct console *c, struct arena *a, const struct console_try *t)
{
    const struct str parts[] = {t->state, t->nonce, t->verifier, t->next};
    return seal(c, CONSOLE_TRY, a, join(a, t->issued, parts, 4));
}

bool console_try_open(const struct console *c, struct arena *a, struct str sealed, instant_t now,
                      struct console_try *out)
{
    struct str plain, parts[4];
    instant_t issued;
    if (!unseal(c, CONSOLE_TRY, a, sealed, &plain) || !split(plain, &issued, parts, 4) ||
        !is_of_now(issued, now, CONSOLE_TRY_S))
        return false;
    *out = (struct console_try){parts[0], parts[1], parts[2], parts[3], issued};
    return true;
}

struct str console_challenge(struct arena *a, struct str verifier)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)verifier.at, verifier.len);
    return to_base64(a, hash, sizeof hash);
}
