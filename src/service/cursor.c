/*
 * Cursors (RFC 9865): where a walk stands, sealed, so that this bridge remembers nothing and
 * another one with the same key goes on.
 *
 * A cursor is base64url of nonce and sealed bytes (XChaCha20-Poly1305). What it is bound to (who
 * asks, filter, order, projection, types) is authenticated with it and not inside: a cursor that
 * comes with anything else, was forged or cut is one and the same to us.
 */
#include "service/internal.h"

#include <sodium.h>

#include "base/own.h"
#include "replica/replica.h"

#define KEY crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SECRET_MIN 32
#define SEALED_MAX 3072
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(KEY == SERVICE_CURSOR_KEY, "the key of struct service");

/* What stands before the key and the id, whole. */
struct head {
    uint64_t issued_s, count;
    uint16_t key_len;
    uint8_t version, kind, has_key;
};

#define VERSION 1
#define HEAD (8 + 8 + 2 + 3)

bool cursor_key_load(const struct config *config, unsigned char key[SERVICE_CURSOR_KEY],
                     struct error *err)
{
    struct str path = config->scim.cursor_key_file;
    OWNED_BUF struct buf secret;
    buf_init(&secret, 4096);
    if (!path.len) {
        randombytes_buf(key, SERVICE_CURSOR_KEY);
        return true;
    }
    bool read = config_read_secret(path, &secret, err);
    if (read && secret.len < SECRET_MIN)
        read = error_set(err, ERR_CONFIG,
                         STR_FMT ": a cursor key has at least %d characters; make one with "
                                 "`openssl rand -hex 32`",
                         STR_ARG(path), SECRET_MIN);
    if (read)
        crypto_generichash(key, SERVICE_CURSOR_KEY, (const unsigned char *)secret.at, secret.len,
                           NULL, 0);
    if (secret.at)
        explicit_bzero(secret.at, secret.cap);
    return read;
}

/* ---- what a cursor is bound to */

static void bind_text(crypto_generichash_state *state, struct str s)
{
    uint64_t len = s.at ? s.len : UINT64_MAX; /* absent is not empty */
    crypto_generichash_update(state, (const unsigned char *)&len, sizeof len);
    if (s.len)
        crypto_generichash_update(state, (const unsigned char *)s.at, s.len);
}

static void bind(const struct service_call *c, const struct service_query *q,
                 unsigned char out[crypto_generichash_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES);
    unsigned char what[2] = {(unsigned char)c->actor.kind, (unsigned char)q->part_count};
    crypto_generichash_update(&state, what, sizeof what);
    for (size_t i = 0; i < q->part_count; i++) {
        unsigned char kind = (unsigned char)q->parts[i].kind;
        crypto_generichash_update(&state, &kind, 1);
    }
    bind_text(&state, c->actor.id);
    bind_text(&state, c->actor.client);
    bind_text(&state, q->text);
    bind_text(&state, q->shape);
    crypto_generichash_final(&state, out, crypto_generichash_BYTES);
}

/* ---- bytes */

static unsigned char *put(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> (8 * i));
    return at + bytes;
}

static const unsigned char *take(const unsigned char *at, uint64_t *value, int bytes)
{
    *value = 0;
    for (int i = 0; i < bytes; i++)
        *value |= (uint64_t)at[i] << (8 * i);
    return at + bytes;
}

struct str cursor_seal(const struct service_call *c, const struct service_query *q,
                       const struct replica_place *last)
{
    unsigned char plain[SEALED_MAX], sealed[NONCE + SEALED_MAX + TAG];
    unsigned char bound[crypto_generichash_BYTES], *at = plain;
    size_t len = HEAD + last->key.len + last->id.len;
    if (len > SEALED_MAX) /* an id of no server that we know */
        return STR_NONE;
    at = put(at, (uint64_t)clock_now() / 1000000, 8);
    at = put(at, (uint64_t)q->page.count, 8);
    at = put(at, last->key.len, 2);
    *at++ = VERSION;
    *at++ = (unsigned char)last->kind;
    *at++ = last->key.at != NULL;
    if (last->key.len)
        memcpy(at, last->key.at, last->key.len);
    if (last->id.len)
        memcpy(at + last->key.len, last->id.at, last->id.len);
    bind(c, q, bound);
    randombytes_buf(sealed, NONCE);
    unsigned long long sealed_len;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, &sealed_len, plain, len, bound,
                                               sizeof bound, NULL, sealed, c->service->cursor_key);
    size_t room = sodium_base64_ENCODED_LEN(NONCE + sealed_len, BASE64);
    char *text = arena_raw(c->arena, room);
    sodium_bin2base64(text, room, sealed, NONCE + sealed_len, BASE64);
    return str_of(text);
}

static bool read_head(const unsigned char *plain, size_t len, struct head *h)
{
    uint64_t key_len;
    if (len < HEAD)
        return false;
    plain = take(plain, &h->issued_s, 8);
    plain = take(plain, &h->count, 8);
    plain = take(plain, &key_len, 2);
    h->key_len = (uint16_t)key_len;
    h->version = *plain++;
    h->kind = *plain++;
    h->has_key = *plain++;
    return h->version == VERSION && h->kind < REPLICA_KINDS && HEAD + (size_t)h->key_len <= len;
}

/* Length of what was sealed; 0: not by us for this. */
static size_t unseal(const struct service_call *c, const struct service_query *q,
                     unsigned char plain[SEALED_MAX])
{
    struct str text = q->page.cursor;
    unsigned char sealed[NONCE + SEALED_MAX + TAG], bound[crypto_generichash_BYTES];
    size_t len;
    if (sodium_base642bin(sealed, sizeof sealed, text.at, text.len, NULL, &len, NULL, BASE64) ||
        len < NONCE + TAG)
        return 0;
    bind(c, q, bound);
    unsigned long long plain_len;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &plain_len, NULL, sealed + NONCE,
                                                   len - NONCE, bound, sizeof bound, sealed,
                                                   c->service->cursor_key))
        return 0;
    return (size_t)plain_len;
}

bool cursor_open(const struct service_call *c, const struct service_query *q,
                 struct replica_place *out, struct error *err)
{
    unsigned char plain[SEALED_MAX];
    struct head h;
    *out = (struct replica_place){0};
    if (!q->page.cursor.len)
        return true;
    size_t len = unseal(c, q, plain);
    if (!read_head(plain, len, &h))
        return error_set(
            err, ERR_INVALID_CURSOR,
            "the cursor is not one for this request; begin again with an empty cursor");
    if ((int64_t)h.issued_s + c->service->config->scim.cursor_timeout_s < clock_now() / 1000000)
        return error_set(err, ERR_EXPIRED_CURSOR,
                         "the cursor has expired; begin again with an empty cursor");
    if (h.count != (uint64_t)q->page.count)
        return error_set(err, ERR_INVALID_COUNT, "count must stay %llu, as the walk was begun with",
                         (unsigned long long)h.count);
    const char *key = (const char *)plain + HEAD;
    *out = (struct replica_place){
        .kind = (enum replica_kind)h.kind,
        .key = h.has_key ? arena_str(c->arena, (struct str){key, h.key_len}) : STR_NONE,
        .id = arena_str(c->arena, (struct str){key + h.key_len, len - HEAD - h.key_len}),
    };
    return true;
}
