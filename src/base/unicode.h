/*
 * The comparison key of directory strings, and UTF-8 checks.
 *
 * Source:  measured against slapd's caseIgnoreMatch over the whole BMP: capital and title letters
 * to lower case one by one, then NFKC (whose new capitals stay: a roman numeral is no letter), runs
 * of spaces squeezed to one, spaces at both ends dropped. slapd's tables are of Unicode 3.1: what
 * came later is folded here and not there, so our key may hold more equal than the directory, never
 * less.
 * Threads: pure.
 */
#pragma once

#include "base/arena.h"
#include "base/text.h"

bool utf8_valid(struct str s);
size_t utf8_width(struct str s); /* bytes of the first character; 0 when s is empty or invalid */
/* True for text with C0/C1 controls, U+FFFD is fine. What RFC 4518 2.4 prohibits (surrogates,
 * private use of planes 15/16, non-characters) counts too. */
bool utf8_has_prohibited(struct str s);

/* Key under caseIgnoreMatch: two directory strings that match have equal bytes as keys.
 * ASCII input takes a fast path. Invalid UTF-8 is compared as bytes. */
struct str unicode_key(struct arena *a, struct str s);
/* The same into a buffer (appended). */
void unicode_key_to(struct buf *out, struct str s);
