/*
 * Hashing: a process-wide random key (chosen at start), so that clients cannot aim for collisions;
 * and content hashes. The only file that includes uthash.h; HASH_FUNCTION is the keyed hash.
 *
 * Threads: hash_init() once before threads start; then pure.
 */
#pragma once

#include "base/memory.h"
#include "base/text.h"

void hash_init(void); /* draws the key and initialises libsodium; safe to call again */
uint64_t hash_keyed(const void *bytes,
                    size_t len); /* SipHash, per-process key: never leaves the process */
uint64_t hash_content(const void *bytes,
                      size_t len); /* BLAKE2b-64 with a fixed key: equal in every bridge */
void hash_sha256_hex(struct str s, char out[65]);
bool hash_equal(const void *a, const void *b, size_t len); /* constant time */
void hash_random(void *out, size_t len);

#define uthash_fatal(what) memory_out() /* its own way is exit(-1), without a word */
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash_keyed((keyptr), (keylen)))
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wimplicit-fallthrough"
#endif
#include <uthash.h>
#if defined(__clang__)
#pragma clang diagnostic pop
#endif
