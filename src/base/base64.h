/*
 * Base64 (RFC 4648 section 4, with padding), the JSON form of bytes (RFC 7643 2.3.6).
 *
 * Owns:    results lie in the arena.
 * Threads: pure.
 */
#pragma once

#include "base/arena.h"
#include "base/text.h"

/* False for anything but whole groups of four with padding at the end alone. `*out` may be empty,
 * and may hold NUL. */
MUST_CHECK bool base64_decode(struct arena *a, struct str text, struct str *out);
struct str base64_encode(struct arena *a, struct str bytes);
