/*
 * What the files of the SCIM client share: a try on the wire, when to try again, how pages follow
 * each other. The last two are pure.
 *
 * Owns:    see client.h.
 * Threads: one caller.
 */
#pragma once

#include <curl/curl.h>

#include "base/clock.h"
#include "remote/client.h"

/* ---- curl.c: what holds for every request of this program */
struct curl_way {
    const char *url;
    int64_t ms;              /* for all of it */
    struct buf *out;         /* body; its ceiling holds */
    const atomic_bool *stop; /* may be NULL */
};
bool remote_curl_prepare(CURL *curl, const struct curl_way *way);

/* ---- wire.c: one try */
struct wire_ask {
    enum remote_verb verb;
    struct str target;   /* "Users?count=10": below the base */
    struct str body;     /* empty = none */
    struct str if_match; /* empty = none */
};
enum wire_end {
    WIRE_ANSWERED,
    WIRE_NOT_SENT, /* nothing was received by anybody */
    WIRE_CUT,      /* sent, and no whole answer came */
};
struct wire_answer {
    int status;
    struct buf *body;             /* of the client: valid until the next try */
    struct str retry_after, etag; /* headers, in the arena; empty = none */
    struct str why;               /* it was not answered, */
    bool hopeless;                /* and will not be the next time either */
};

struct remote_client {
    struct remote_settings settings;
    CURL *curl;
    struct buf body;
    int64_t next_ms; /* monotonic: no request before it */
    bool knows;      /* `features` */
    struct remote_features features;
};

enum wire_end remote_wire(struct remote_client *c, struct arena *a, const struct wire_ask *ask,
                          struct wire_answer *out);
/* Sleeps; false: it was stopped meanwhile. */
bool remote_pause(const struct remote_client *c, int64_t ms);

/* ---- retry.c: pure */
#define RETRY_TRIES 4
#define RETRY_WAIT_MAX_MS 60000 /* for one answer, whatever it asks for */
#define RETRY_ALL_MAX_MS 180000 /* in all */

/* Seconds or an HTTP date; -1 = neither. Milliseconds, never below 0 nor above RETRY_WAIT_MAX_MS.
 */
int64_t remote_retry_after_ms(struct str header, instant_t now);

struct retry {
    bool repeatable;     /* to send it twice is as to send it once */
    unsigned tries;      /* made */
    int64_t waited_ms;   /* between them */
    uint32_t dice;       /* anything: spreads the clients of a provider that comes back */
    struct str asked_to; /* Retry-After; empty = none */
    instant_t now;
};
/* How long to wait before the next try; -1: no more. `status` 0: there was no answer. */
int64_t remote_retry_wait_ms(const struct retry *r, enum wire_end end, int status);

/* ---- paging.c: pure */
struct id_set { /* open addressing; keyed hashes, 0 = free */
    uint64_t *at;
    size_t count, cap;
};
/* false: was there already. */
bool remote_ids_add(struct id_set *s, struct arena *a, struct str id);

struct paging {
    bool by_cursor;
    int64_t asked;     /* count */
    int64_t start;     /* startIndex of the next page */
    struct str cursor; /* of the next page, in the arena; empty = the first */
    int64_t total;     /* -1 = not said yet */
    size_t pages, seen;
    size_t empty; /* pages in a row, by cursor */
    bool probing; /* all came: one more page must be empty */
    bool over;    /* that was the last page, and all came */
    struct id_set ids;
};
void remote_paging_query(const struct paging *p, struct buf *out); /* "startIndex=1&count=1000" */
/* One page into `p`. `fresh` gets those resources that were not there before (borrowed from `doc`)
 * and has room for as many as it has. */
struct paging_fresh {
    const json_t **at;
    size_t count;
};
MUST_CHECK bool remote_paging_take(struct paging *p, struct arena *a, const json_t *doc,
                                   struct paging_fresh *fresh, struct error *err);

/* ---- client.c */
/* `text` for a URL, all but the unreserved characters encoded. */
void remote_encode(struct buf *out, struct str text);
/* Tries, and tries again as retry.c says. */
enum wire_end remote_ask(struct remote_client *c, struct arena *a, const struct wire_ask *ask,
                         bool repeatable, struct wire_answer *out);
/* Why it was not the answer hoped for: ERR_UNAVAILABLE, in words. */
void remote_explain(struct arena *a, enum wire_end end, const struct wire_answer *answer,
                    struct error *err);
/* New: the body, one JSON object. */
json_t *remote_body(const struct wire_answer *answer, struct error *err);
/* GET of a document: answered with 200 and one JSON object (new), else an error that says why. */
json_t *remote_read(struct remote_client *c, struct arena *a, struct str target, int *status,
                    struct error *err);
