/*
 * A SCIM client: one service provider, read to the end or not at all, and changed one request at a
 * time over one connection that is kept open.
 *
 * Owns:    struct remote_client its connection; answers lie in the arena given, a resource of a
 *          list only until the next one is asked for. The token stands in its file alone.
 * Threads: one caller; a request blocks it until it ends. `stop` may be set by any. A list is one
 *          page ahead of its reader, on a thread: until it has ended, nothing else is asked.
 * Errors:  ERR_UNAVAILABLE: could not be read, or not to the end; that is never "gone". What the
 *          provider answers to a change is no error but an outcome; `err` then says it in words.
 *          All of them name the provider and what was asked, none holds the token.
 * Source:  RFC 7643, RFC 7644, RFC 9865 (cursors).
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"

/* Ceilings. Beyond them nothing is read: ERR_UNAVAILABLE. */
#define REMOTE_BODY_MAX ((size_t)64 << 20)  /* bytes of one answer */
#define REMOTE_VALUES_MAX ((size_t)4000000) /* JSON values in it */
#define REMOTE_DEPTH_MAX 32
#define REMOTE_PAGES_MAX ((size_t)100000)
#define REMOTE_RESOURCES_MAX ((size_t)2000000) /* of one list */
#define REMOTE_PAGE 1000                       /* asked for, unless the provider says less */

struct remote_settings {
    struct str url;        /* "https://hr.example.org/scim/v2"; config_url_is_safe() */
    struct str token_file; /* read again before each request; empty = no token is sent */
    struct str ca_file;    /* empty = the system's */
    enum config_paging paging;
    unsigned rate_per_s;     /* requests; 0 = as fast as it goes */
    int timeout_s;           /* of one try; an answer of 429 or 503 is waited for on top of it */
    const atomic_bool *stop; /* true: given up within a second; NULL = nobody stops it */
};

struct remote_client;

/* Connects at the first request. The settings' texts must outlive it. */
struct remote_client *remote_open(const struct remote_settings *s);
void remote_close(struct remote_client *c); /* NULL is fine */

/* What it can, by its ServiceProviderConfig, which is asked for once. One that has none (404) is
 * taken to patch, to filter, and to page by index. */
struct remote_features {
    bool patch, filter, etag, cursor;
    size_t page; /* resources it gives at most at once */
};
MUST_CHECK bool remote_features(struct remote_client *c, struct remote_features *out,
                                struct error *err);

/* A document below the url, as "Schemas"; kept by the arena. `*out` NULL: it has none (404, 501),
 * or none for us (403). */
MUST_CHECK bool remote_document(struct remote_client *c, struct arena *a, struct str target,
                                const json_t **out, struct error *err);

/* ---- lists */

struct remote_query {
    struct str type;                 /* "Users" */
    struct str filter;               /* RFC 7644 text; empty = all */
    struct str attributes, excluded; /* comma lists, one of them; empty = as the provider likes,
                                        which it may do with both */
    size_t most;                     /* of remote_find(); 0: a list that is read to its end */
};

struct remote_list;

/* Asks for nothing yet but, with paging `auto`, for the features. */
MUST_CHECK bool remote_list_begin(struct remote_client *c, struct arena *a,
                                  const struct remote_query *q, struct remote_list **out,
                                  struct error *err);
/* The next resource, borrowed until the next call; each id once. `*resource` NULL: the list has
 * ended and was whole. It was not, and that is an error, when the number of all changed meanwhile
 * or is not the number that came, when pages do not follow each other, and when a resource has no
 * id. */
MUST_CHECK bool remote_list_next(struct remote_list *l, const json_t **resource, struct error *err);

/* Filter text: `attribute eq "value"`, the value escaped. */
struct str remote_equals(struct arena *a, const char *attribute, struct str value);
/* Those that match, at most `q->most` of them and one more; kept by the arena. */
struct remote_found {
    const json_t **at;
    size_t count;
};
MUST_CHECK bool remote_find(struct remote_client *c, struct arena *a, const struct remote_query *q,
                            struct remote_found *out, struct error *err);

/* ---- one resource */

enum remote_verb { REMOTE_GET, REMOTE_POST, REMOTE_PUT, REMOTE_PATCH, REMOTE_DELETE };

struct remote_ask {
    enum remote_verb verb;
    struct str type;     /* "Users" */
    struct str id;       /* not of a POST; as the provider gave it */
    struct str if_match; /* version; empty = whatever it is */
    const json_t *body;  /* POST, PUT: resource; PATCH: PatchOp message */
    struct str attributes, excluded;
};

enum remote_outcome {
    REMOTE_DONE,
    REMOTE_ABSENT,      /* 404 or 410, said in a SCIM error: there is none of that id */
    REMOTE_MOVED,       /* 412: not that version any more; nothing was changed */
    REMOTE_TAKEN,       /* 409: what is there forbids it; nothing was changed */
    REMOTE_REFUSED,     /* another 4xx, or 501: nothing was changed */
    REMOTE_UNKNOWN,     /* a change was sent, and whether it was made is not known: look */
    REMOTE_UNAVAILABLE, /* could not be asked, or not answered; nothing was changed */
};

struct remote_reply {
    int status;             /* 0: none */
    const json_t *resource; /* NULL: no body */
    struct str id, version; /* of the resource, or the header; empty when not said */
};

/* Tried again after 429 and, where that changes nothing (GET, DELETE, PUT without `if_match`),
 * after 502 to 504 and a broken connection. DONE but for a DELETE of what is not there: ABSENT. */
enum remote_outcome remote_do(struct remote_client *c, struct arena *a,
                              const struct remote_ask *ask, struct remote_reply *out,
                              struct error *err);
/* POST. Cut off, it is looked for by externalId, then by userName or displayName, before it is sent
 * again: it is ours when the externalId is the one sent, which `ask->body` must have. */
enum remote_outcome remote_create(struct remote_client *c, struct arena *a,
                                  const struct remote_ask *ask, struct remote_reply *out,
                                  struct error *err);
