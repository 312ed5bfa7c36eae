/* Keyed hashes and random bytes. */
#include "base/hash.h"

#include "base/memory.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

static unsigned char process_key[crypto_shorthash_KEYBYTES];
static bool ready;

void hash_init(void)
{
    if (ready)
        return;
    if (sodium_init() < 0)
        memory_out();
    crypto_shorthash_keygen(process_key);
    ready = true;
}

uint64_t hash_keyed(const void *bytes, size_t len)
{
    assert(ready);
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, bytes, len, process_key);
    uint64_t value;
    memcpy(&value, out, sizeof(value));
    return value;
}

uint64_t hash_content(const void *bytes, size_t len)
{
    static const unsigned char key[crypto_generichash_KEYBYTES] = "kiops-bridge content hash";
    unsigned char out[crypto_generichash_BYTES];
    crypto_generichash(out, sizeof(out), bytes, len, key, sizeof(key));
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) /* by hand, so that the byte order of the machine is no matter */
        value = value << 8 | out[i];
    return value;
}

void hash_sha256_hex(struct str s, char out[65])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, (const unsigned char *)s.at, s.len);
    sodium_bin2hex(out, 65, digest, sizeof(digest));
}

bool hash_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void hash_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}
