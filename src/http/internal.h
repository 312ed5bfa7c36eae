/*
 * What the files of src/http share: one request from its first byte to its completion, and the
 * steps it goes through.
 *
 * The way of a request: request.c (bytes) -> target.c, head.c (what was sent) -> admit.c (which
 * route, who, which media types) -> endpoint.c or another one (the answer) -> answer.c (headers) ->
 * request.c.
 *
 * Threads: a struct http_request belongs to the pool thread of its connection; while it is
 * suspended, to the reader, writer or scanner thread that runs it.
 */
#pragma once

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/own.h"
#include "http/http.h"

#define HTTP_BASE_PATH "/scim/v2"
#define HTTP_DEFAULT_RETRY_S 5

/* ---- target.c: the request target, decoded once (pure) */
enum http_param {
    HTTP_FILTER,
    HTTP_ATTRIBUTES,
    HTTP_EXCLUDED_ATTRIBUTES,
    HTTP_SORT_BY,
    HTTP_SORT_ORDER,
    HTTP_START_INDEX,
    HTTP_COUNT,
    HTTP_CURSOR,
    HTTP_Q,            /* of /signup/organizations */
    HTTP_ORGANIZATION, /* these two: of /ui/audit */
    HTTP_BEFORE,
    HTTP_PROVIDER, /* these five: of /login */
    HTTP_NEXT,
    HTTP_CODE,
    HTTP_STATE,
    HTTP_ERROR,
    HTTP_PARAMS
};

#define HTTP_SEGMENTS_MAX 6

struct http_target {
    struct str path; /* as sent, without the query: for the log */
    struct str segments[HTTP_SEGMENTS_MAX];
    size_t segment_count;           /* may exceed HTTP_SEGMENTS_MAX: then no route matches */
    struct str params[HTTP_PARAMS]; /* decoded; at == NULL: not given */
};

const char *http_param_name(enum http_param p); /* "sortBy" */
/* Views into `raw`, or into the arena where something had to be decoded. Errors: ERR_BAD_REQUEST
 * (no path, raw space or control character), ERR_INVALID_SYNTAX (escape, UTF-8),
 * ERR_INVALID_VALUE (%00, repeated parameter); ERR_INVALID_FILTER when the parameter is filter. On
 * failure the segments that precede the fault are filled. */
MUST_CHECK bool http_target_parse(struct arena *a, struct str raw, struct http_target *out,
                                  struct error *err);

/* ---- head.c: the header lines (pure) */
struct http_head { /* values are views; at == NULL: not sent */
    struct str host, content_length, transfer_encoding, authorization, content_type,
        content_encoding, accept, expect, prefer, if_match, if_none_match, forwarded_for, csrf,
        fetch_site, accept_language;
    struct str session, try; /* cookies of the page; session.c */
    int64_t body_length;     /* -1: chunked */
    bool expects_continue;
    bool prefers_minimal;
    struct error fault; /* what must be refused before anything else; ERR_NONE = none */
};

void http_head_init(struct http_head *h);
void http_head_take(struct http_head *h, struct str name, struct str value);
/* After the last line: framing and Host. The answer to a fault closes the connection. */
void http_head_finish(struct http_head *h, struct str version);
/* A browser says so of what a page sends; who is no browser says nothing. */
bool http_is_of_another_site(const struct http_head *h);

/* ---- media.c: media types (pure) */
enum http_media { HTTP_MEDIA_NONE, HTTP_MEDIA_SCIM, HTTP_MEDIA_JSON };

/* The better of the two types we have under an Accept value; NONE = neither (406). */
enum http_media http_media_accepted(struct str accept);
/* Errors: ERR_MEDIA_TYPE. A body without Content-Type counts as SCIM. */
MUST_CHECK bool http_media_body(const struct http_head *h, struct error *err);

/* ---- rate.c: token buckets */
struct http_rate;

struct http_rate *http_rate_new(unsigned per_s, unsigned burst); /* per_s 0 = off */
/* `burst` at once, then one every `wait_s` seconds. */
struct http_rate *http_rate_new_slow(unsigned wait_s, unsigned burst);
void http_rate_free(struct http_rate *r);
/* false: over the limit; `*wait_s` until the next one passes. */
MUST_CHECK bool http_rate_take(struct http_rate *r, struct str key, int64_t now_ms, int *wait_s);
/* What was taken and shall not count. */
void http_rate_give(struct http_rate *r, struct str key);

/* ---- router.c */
enum http_method {
    HTTP_UNKNOWN_METHOD,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_CONNECT,
    HTTP_METHODS
};

struct http_request;

enum http_next {
    HTTP_ANSWERED,
    HTTP_TO_READER,  /* call again on a thread with a connection */
    HTTP_TO_WRITER,  /* call again on the writer thread of request->key */
    HTTP_TO_SCANNER, /* call again where there is time */
    HTTP_TO_BULK,    /* its operations go to the writers, each on its own */
};

/* Called with conn NULL in a pool thread, then perhaps again on the thread it asked for. */
typedef enum http_next http_endpoint(struct http_request *r, struct directory_conn *conn);

struct http_route {
    struct str name;  /* first segment below the base, matched without case */
    bool item;        /* one more segment: an id or a name */
    bool search;      /* that segment is ".search" */
    unsigned methods; /* bit 1 << enum http_method */
    http_endpoint *run;
    const struct service_resource *resource;
    bool discovery; /* may be read without a token (server.public_discovery) */
    bool stranger;  /* takes no token: signup.c, page.c */
    bool browser;   /* a path of the page */
};

enum http_method http_method_of(const char *name); /* case-sensitive, RFC 9110 9.1 */
const char *http_method_name(enum http_method m);
/* Of /signup and what is below it; NULL: none. */
const struct http_route *http_route_of_strangers(const struct http_target *t);
/* NULL: no such path below the base. `*id` is the last segment of an item route. */
const struct http_route *http_route_find(const struct http_target *t, struct str *id);
bool http_is_scim_path(const struct http_target *t); /* as sent: /scim, /scim/... */
bool http_route_allows(const struct http_route *route, enum http_method m);
struct str http_route_allow(struct arena *a, const struct http_route *route);
/* Is the resource type's endpoint ("/Users") one that this bridge really serves? */
bool http_route_serves(struct str endpoint);

/* ---- one request */
enum http_phase {
    HTTP_PHASE_HEAD,    /* header lines not yet judged */
    HTTP_PHASE_BODY,    /* taking (or, once refused, discarding) the body */
    HTTP_PHASE_AWAY,    /* suspended */
    HTTP_PHASE_READY,   /* the answer is made */
    HTTP_PHASE_CUT,     /* answered on the bare socket; what still comes is discarded */
    HTTP_PHASE_SENDING, /* queued */
};

enum http_challenge { HTTP_CHALLENGE_NONE, HTTP_CHALLENGE_PLAIN, HTTP_CHALLENGE_INVALID };

struct http_answer {
    int status;
    struct str body;
    struct str version, location; /* empty = absent */
    struct str allow;
    int retry_after_s;
    bool plain;           /* text/plain, outside SCIM */
    bool minimal_applied; /* Preference-Applied: return=minimal */
    bool wants_identity;  /* Accept-Encoding: identity */
    bool scope;           /* WWW-Authenticate with insufficient_scope */
    bool close;
    /* For browsers: */
    const char *type, *cache, *vary; /* NULL: SCIM's type, no-store, none */
    struct str redirect, cookies[2];
    unsigned cookie_count;
    bool page; /* with a policy of what it may load, and who may frame it */
};

struct http_peer;

struct http_request {
    struct http_server *server;
    struct http_peer *peer;
    struct MHD_Connection *connection;
    struct arena *arena;
    char id[17];
    enum http_phase phase;
    enum http_method method;
    struct http_target target;
    bool target_good;
    struct error target_fault;
    struct http_head head;
    enum http_media media;
    const struct http_route *route;
    struct str resource_id;

    struct kiops_actor actor;
    enum http_challenge challenge;
    bool admitted, authenticated;

    struct buf body;
    size_t body_taken; /* with what was discarded */
    size_t body_held;  /* of the server's budget */
    size_t answer_held;

    /* endpoint.c */
    bool prepared, writing, minimal;
    bool has_time; /* on its way to, or on, a scanner thread */
    const struct scim_dialect *dialect;
    const struct scim_projection *projection;
    const json_t *document;
    struct service_write write;
    struct str key;
    struct error body_fault;
    int64_t deadline;
    struct directory_search ahead; /* what a reader will ask for this request */

    /* bulk.c */
    struct scim_bulk bulk;
    struct scim_bulk_outcome *outcomes;

    struct error err;
    struct http_answer answer;
    int64_t started_ns;
    bool counted; /* its header was complete: it is in log and metrics */
    bool running; /* among the server's running requests */
};

/* ---- admit.c: everything that can be said before the body */
/* ANSWERED with r->err set: refused. ANSWERED with r->admitted: go on. Order: token, target, route,
 * method, media types. Nothing about paths or bodies is said to who has no token. */
enum http_next http_admit(struct http_request *r, struct directory_conn *conn);
bool http_reads(enum http_method m); /* and changes nothing: RFC 9110 9.2.1 */

/* ---- auth.c */
enum http_next http_authenticate(struct http_request *r, struct directory_conn *conn);
/* The token of an Authorization value; false and the challenge to send when there is none. */
MUST_CHECK bool http_bearer_token(struct str authorization, struct str *token,
                                  enum http_challenge *challenge);

/* ---- basic.c: people by user name and password */
struct http_basic {
    struct str name, password;
    struct str secret; /* both; wiped by who read it */
};

bool http_is_basic(struct str authorization);
/* false: malformed, or bytes that are no text (RFC 7617 2). */
MUST_CHECK bool http_basic_read(struct arena *a, struct str authorization, struct http_basic *out);
/* What this peer sends has crossed no network in clear text. */
bool http_secrets_are_safe(const struct http_request *r);
bool http_basic_is_offered(const struct http_request *r); /* switched on, and safe */
/* Whoever guesses is slowed. As http_basic_authenticate(); the password is wiped. */
enum service_status http_password_authenticate(struct http_request *r,
                                               const struct service_login *login,
                                               struct directory_conn *conn);
/* OK: r->actor. Else r->err, or NEEDS_DIRECTORY. The header is wiped once it is decided. */
enum service_status http_basic_authenticate(struct http_request *r, struct directory_conn *conn);
struct http_tries;
struct http_tries *http_tries_new(void);
void http_tries_free(struct http_tries *t);
/* A try of this address that is not of a password, but as dear; given back when it was good.
 * Errors: ERR_RATE. */
MUST_CHECK bool http_tries_take(struct http_request *r);
void http_tries_give(struct http_request *r);

/* ---- endpoint.c, search.c, discovery.c */
http_endpoint http_endpoint_collection, http_endpoint_item, http_endpoint_me, http_endpoint_search,
    http_endpoint_root, http_endpoint_discovery;

/* Of a request that now begins to wait for the directory. */
int64_t http_deadline(const struct http_request *r);
/* Dialect and deadline, once. */
void http_begin(struct http_request *r);
/* `resource` may be NULL: of no type. */
struct scim_context http_context(const struct http_request *r,
                                 const struct service_resource *resource);
struct service_call http_call(const struct http_request *r, struct directory_conn *conn);
/* The body, a JSON object, into r->document. Errors: ERR_INVALID_SYNTAX, ERR_TOO_LARGE. */
MUST_CHECK bool http_document_load(struct http_request *r, struct error *err);
enum http_next http_answer_options(struct http_request *r);
enum http_next http_answer_result(struct http_request *r, enum service_status status,
                                  const struct service_result *result);
/* search.c: GET of a collection. */
enum http_next http_list(struct http_request *r, struct directory_conn *conn);

/* ---- bulk.c */
http_endpoint http_endpoint_bulk;
/* An operation's data lies in an object, in an array, in the request's object. */
#define HTTP_BULK_DEPTH 3
bool http_bulk_is(const struct http_request *r);
/* The ceiling of the body, in bytes. */
size_t http_bulk_body_max(const struct http_request *r);
/* Runs the operations; then `done(r)` on some thread. */
void http_bulk_begin(struct http_request *r, void (*done)(void *r));
void http_bulk_answer(struct http_request *r);

/* ---- signup.c: who has no account */
http_endpoint http_endpoint_signup, http_endpoint_signup_organizations;
bool http_signup_is(const struct http_request *r);
size_t http_signup_body_max(void); /* bytes */
struct http_signups;
struct http_signups *http_signups_new(const struct config_signup *config);
void http_signups_free(struct http_signups *s);

/* ---- discovery.c */
struct http_discovery;
/* Renders all discovery answers once. Errors: ERR_CONFIG. */
MUST_CHECK bool http_discovery_load(const struct config *config, const struct scim_catalog *catalog,
                                    struct http_discovery **out, struct error *err);
struct str http_discovery_base(const struct http_discovery *d); /* public_url + "/scim/v2" */
void http_discovery_free(struct http_discovery *d);

/* ---- answer.c */
/* r->err -> r->answer. */
void http_answer_error(struct http_request *r);
void http_answer_body(struct http_request *r, int status, struct str body);
/* New. The bytes stay in the request's arena until it completes. */
struct MHD_Response *http_answer_response(const struct http_request *r);
/* The same answer as bytes for a socket that the library would not answer on (mid-upload). */
struct str http_answer_raw(const struct http_request *r);

/* ---- peers.c: connections, their deadlines, connections per address */
struct http_peers;

enum http_stage {
    HTTP_STAGE_HEAD, /* waits for a request's header lines to be complete */
    HTTP_STAGE_BODY,
    HTTP_STAGE_BUSY,
};

struct http_peer {
    struct http_peer *next, *previous;
    struct http_peers *peers;
    int fd;
    unsigned char address[16]; /* IPv4 mapped into IPv6 */
    bool trusted;
    /* Read by the watcher. */
    _Atomic int64_t deadline_ms; /* of the body, of sending; 0 = none */
    _Atomic enum http_stage stage;
    atomic_uint requests;
    /* The watcher's own: bytes received when it first saw this wait, when bytes began to come. */
    unsigned seen_requests;
    uint64_t seen_bytes;
    int64_t head_since_ms;
    struct http_request request;
};

MUST_CHECK bool http_peers_start(const struct config *config, struct http_peers **out,
                                 struct error *err);
void http_peers_stop(struct http_peers *p);
/* Counts one that has connected. False: there are as many of its address as may be. */
MUST_CHECK bool http_peers_admit(struct http_peers *p, const struct sockaddr *address);
void http_peers_dismiss(struct http_peers *p, const struct sockaddr *address);
/* Of an admitted one, which it dismisses when it closes. */
struct http_peer *http_peer_open(struct http_peers *p, int fd, const struct sockaddr *address);
void http_peer_close(struct http_peer *peer);
int64_t http_peers_now_ms(const struct http_peers *p); /* monotonic, at most a second old */
/* Somebody has come and asked nothing yet, or asked what was not read whole yet. */
bool http_peers_expect(struct http_peers *p);
size_t http_peers_count(const struct http_peers *p);
/* Loopback or a trusted proxy: what comes from there needs no TLS of ours. */
bool http_peer_is_private(const struct http_peer *peer);
/* The client's address as text: the last X-Forwarded-For element behind a trusted proxy. */
struct str http_peer_address(const struct http_peer *peer, struct arena *a,
                             const struct http_head *h);
/* The same for counting: of IPv6 the first half, which one household has whole. */
struct str http_peer_network(const struct http_peer *peer, struct arena *a,
                             const struct http_head *h);

/* ---- health.c, metrics.c */
struct http_metrics {
    atomic_uint_fast64_t requests[HTTP_METHODS][6]; /* by status class, index status / 100 */
    atomic_uint_fast64_t nanoseconds[HTTP_METHODS];
    atomic_uint_fast64_t rate_limited, unauthorized;
};

void http_metrics_count(struct http_metrics *m, enum http_method method, int status, int64_t ns);
void http_metrics_write(const struct http_server *h, struct buf *out);

struct http_health;
MUST_CHECK bool http_health_start(const struct http_server *h, struct http_sockets *given,
                                  struct http_health **out, struct error *err);
void http_health_stop(struct http_health *h);

/* ---- request.c: the library's callbacks; one request from its target to its last byte */
struct http_server;

void *http_on_target(void *server, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *server, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context);
void http_on_completed(void *server, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode why);
void http_on_connection(void *server, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what);

/* ---- listen.c */
/* A bound, listening socket: the given one with this address, else a new one. Errors: ERR_CONFIG
 * naming the address. */
MUST_CHECK bool http_listen(struct http_sockets *given, struct str address, int *fd,
                            struct error *err);
unsigned http_listen_port(int fd);
bool http_sockets_has(const struct http_sockets *given, int fd);
MUST_CHECK bool http_sockets_all_taken(const struct http_sockets *given, struct error *err);

/* ---- accept.c */
/* Takes who connects to the listening sockets, its own from now on, while there are fewer than
 * h->connections; the others wait. */
struct http_accept;
void http_accept_start(struct http_server *h, const int *listeners, size_t count);
/* Who has connected is still taken, but from a socket of systemd's. NULL is fine. */
void http_accept_stop(struct http_accept *a);

/* ---- tls.c */
/* 1.2 and 1.3, forward secrecy, no cipher without authentication; what nginx.conf.example takes. */
#define HTTP_TLS_PRIORITIES                                                                        \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"      \
    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

/* One at a time in a process: the library's callback carries nothing of ours. */
struct http_tls;
MUST_CHECK bool http_tls_start(const struct config *config, struct http_tls **out,
                               struct error *err);
void http_tls_stop(struct http_tls *t);
/* Reads the files again when they changed; what is wrong is logged and the old ones stay. */
void http_tls_look(struct http_tls *t);
/* For /metrics; seconds since 1970 of the certificate (of the chain) that ends first. */
int64_t http_tls_expires(struct http_tls *t);
uint64_t http_tls_failures(const struct http_tls *t);
gnutls_certificate_retrieve_function2 http_tls_choose;
/* Bytes past the library, as they are or through its TLS session; as far as the socket takes them.
 */
void http_say_past(struct MHD_Connection *connection, struct str text);

/* ---- server.c */
struct http_server {
    const struct config *config;
    struct service *service;
    const struct scim_dialect *default_dialect;
    struct http_discovery *discovery;
    struct http_rate *rate;
    struct http_tries *tries;       /* of passwords */
    struct http_signups *signups;   /* NULL: nobody signs up here */
    struct http_keys *keys;         /* NULL: no OIDC */
    struct console *console;        /* NULL: no page */
    struct http_provider *provider; /* NULL: nobody signs in at the issuer */
    struct http_tls *tls;           /* NULL: clear text */
    struct http_peers *peers;
    struct http_health *health;
    struct http_metrics metrics;
    struct MHD_Daemon *daemon;
    struct http_accept *accept;
    const struct http_sockets *given;
    unsigned port;                /* of the first address */
    size_t connections;           /* at most */
    size_t body_max, body_budget; /* of one request; of all together */
    enum log_level log_level;
    atomic_uint_fast64_t id_next;
    atomic_size_t body_bytes;   /* held by all requests */
    atomic_size_t answer_bytes; /* large answers not yet read whole */
    atomic_size_t running; /* requests received whole, the last byte of their answer not yet sent */
    atomic_size_t in_hand; /* of these: not decided yet, here or on a worker's thread */
    atomic_bool listening, stopping;
    atomic_bool closed;        /* what comes now is refused */
    pthread_mutex_t idle_lock; /* for idle_wake alone */
    pthread_cond_t idle_wake;  /* while stopping: a request has ended */
};

unsigned http_server_port(const struct http_server *h); /* of the first address: tests use port 0 */
