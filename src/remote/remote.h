/*
 * Other servers over HTTP: one request, with a deadline, a ceiling and no surprises.
 *
 * Owns:    what was fetched is the caller's buffer.
 * Threads: any; a request blocks its thread until it ends or the deadline is there.
 * Errors:  ERR_UNAVAILABLE for everything that did not go well.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* No redirect is followed, so that no other host answers for this one; certificates are checked
 * against the system's. */
struct remote_request {
    struct str url;   /* https; http to this host alone (config_url_is_safe) */
    int64_t deadline; /* monotonic ms, for all of it */
    /* Of a POST: */
    struct str body;
    const char *const *headers; /* "Name: value", until NULL */
    const atomic_bool *stop;    /* true: given up within a second; may be NULL */
};

/* GET: 200 and its body into `out`, whose ceiling holds. Why it did not go well stands in the log.
 */
MUST_CHECK bool remote_fetch(const struct remote_request *r, struct buf *out, struct error *err);

struct remote_answer {
    int status;            /* 200 to 599; what the rest of the answer says is of no interest */
    int64_t retry_after_s; /* 0: not said */
};

/* POST. The URL may be a secret in itself, so nothing is logged here; the error says why there was
 * no answer. */
MUST_CHECK bool remote_post(const struct remote_request *r, struct remote_answer *out,
                            struct error *err);
/* The same, for what it is answered with: 200 and its body into `body`, whose ceiling holds. */
MUST_CHECK bool remote_post_for(const struct remote_request *r, struct buf *body,
                                struct error *err);
