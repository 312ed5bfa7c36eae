/*
 * Notices (the webhook): a new request to join, and a seat that became vacant, told to one URL.
 *
 * Owns:    struct notices: what waits (in memory, so a stop ends it), the key, one thread.
 * Threads: any may tell, and waits for nothing; the thread sends, one notice at a time.
 * Errors:  no change fails for a notice: what cannot be kept or delivered is logged and counted.
 */
#pragma once

#include "service/service.h"

#define NOTICES_MAX 1000 /* that wait; the next one is refused */
/* A seat is looked at again after this, when the feed has brought what others did meanwhile. */
#define NOTICE_SETTLE_MS 1000
#define NOTICE_LOOK_MS 100 /* from one such look to the next, until memory can say so */
/* Without having been taken by the receiver. */
#define NOTICE_LIFE_MS (INT64_C(24) * 3600 * 1000)
#define NOTICE_SIGNATURE_MAX 100

enum notice_event { NOTICE_REQUEST, NOTICE_VACANT_SEAT };

struct notice {
    enum notice_event event;
    bool certain; /* else told when memory says so, NOTICE_SETTLE_MS from now or polled later */
    struct str organization, user; /* ids; of a vacant seat: the last Manager */
    struct str request_id;
};

struct notice_settings {
    const struct config_webhook *config;
    struct replica *replica;
    struct str base; /* public_url + "/scim/v2" */
};

struct notices;

/* `*out` NULL: switched off. Errors: ERR_CONFIG. */
MUST_CHECK bool notices_start(const struct notice_settings *s, struct notices **out,
                              struct error *err);
/* What waits is tried once more, for a second at most; how many are left stands in the log. */
void notices_stop(struct notices *n);
void notices_tell(struct notices *n, const struct notice *what); /* n may be NULL */
void notices_figures(struct notices *n, struct service_notice_figures *out);

/* ---- notice.c: what is sent, and when */
struct notice_text {
    struct str id; /* of the notice */
    instant_t at;
};
/* The body, with the names that memory has now. */
void notice_write(const struct notice_settings *s, const struct notice *what,
                  const struct notice_text *text, struct buf *out);
/* "X-Kiops-Signature: sha256=<hex>": HMAC-SHA256 of the body. */
void notice_sign(struct str key, struct str body, char out[NOTICE_SIGNATURE_MAX]);
/* Is it so, as far as memory knows? */
bool notice_holds(struct replica *r, const struct notice *what);
/* What an answer means; status 0 is none. */
enum notice_fate { NOTICE_TAKEN, NOTICE_REFUSED, NOTICE_AGAIN };
enum notice_fate notice_fate(int status);
/* Until the next try after `tries` failed ones: 1 s, 2 s, 4 s ... 5 min, of which half is
 * `random`; later when the receiver says so, up to an hour. */
int64_t notice_pause_ms(unsigned tries, int64_t retry_after_s, uint32_t random);
