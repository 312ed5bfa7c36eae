/*
 * Other servers over HTTP: one fetch, with a deadline, a ceiling and no surprises.
 *
 * Owns:    what was fetched is the caller's buffer.
 * Threads: any; a fetch blocks its thread until it ends or the deadline is there.
 * Errors:  ERR_UNAVAILABLE for everything that did not go well; why stands in the log.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct remote_request {
    struct str url;   /* https; http to this host alone (config_url_is_safe) */
    int64_t deadline; /* monotonic ms, for all of it */
};

/* GET: 200 and its body into `out`, whose ceiling holds. No redirect is followed, so that no other
 * host answers for this one; certificates are checked against the system's. */
MUST_CHECK bool remote_fetch(const struct remote_request *r, struct buf *out, struct error *err);
