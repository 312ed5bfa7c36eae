/*
 * The page's doors: its HTML and files, signing in and out, and the session as a way to
 * authenticate.
 *
 * A session is a sealed cookie and nothing else; it stands for a person, whose rights are looked up
 * with every request. It counts only where there is no Authorization header, and a change must
 * carry a header that no other site can send.
 *
 * Threads: as struct http_request.
 * Errors:  ERR_UNAUTHORIZED, ERR_FORBIDDEN (a change that does not come from the page),
 * ERR_UNAVAILABLE.
 */
#pragma once

#include "console/console.h"
#include "http/internal.h"

/* Of the page's paths; NULL: none. `*item` is what follows /ui/. */
const struct http_route *http_route_of_page(const struct http_target *t, enum http_method m,
                                            struct str *item);

/* ---- session.c */
/* The page's cookies into r->head. One that is there twice is none. */
void http_session_take(struct http_request *r);
/* As http_basic_authenticate(). */
enum service_status http_session_authenticate(struct http_request *r, struct directory_conn *conn);
/* Did the page send it? JSON, and what a form or script of another site cannot add. */
MUST_CHECK bool http_session_from_page(struct http_request *r);
/* And did it get that page with this session? */
MUST_CHECK bool http_session_may_change(struct http_request *r);
/* The answer makes the browser keep a new session of that person, or forget it. */
void http_session_begin(struct http_request *r, struct str id);
void http_session_end(struct http_request *r);
/* A sign-in at the identity provider that is under way; `sealed` empty: over. */
void http_session_try(struct http_request *r, struct str sealed);

/* ---- provider.c: the issuer as a place to sign in */
struct http_provider;
#define HTTP_ENDPOINT_MAX 1024
struct http_endpoints {
    char authorization[HTTP_ENDPOINT_MAX], token[HTTP_ENDPOINT_MAX];
};
/* Reads client_secret_file. Errors: ERR_CONFIG. */
MUST_CHECK bool http_provider_new(const struct config *config, struct http_provider **out,
                                  struct error *err);
void http_provider_free(struct http_provider *p);
/* As the issuer's own configuration says, which is kept for an hour; NEEDS_DIRECTORY: call again
 * where waiting is allowed. */
enum service_status http_provider_endpoints(struct http_provider *p, bool may_wait,
                                            struct http_endpoints *out, struct error *err);
/* The code of a sign-in for the token that says whose it was. Waits. Errors: ERR_UNAVAILABLE,
 * ERR_UNAUTHORIZED. */
struct http_code {
    struct str code, verifier, redirect_uri;
};
MUST_CHECK bool http_provider_redeem(struct http_provider *p, const struct http_code *code,
                                     struct arena *a, struct str *id_token, struct error *err);
void http_put_escaped(struct buf *out, struct str text); /* RFC 3986 2.1 */

/* ---- sign_in.c: there and back */
/* Is this GET of /login one of the two steps? */
bool http_sign_in_is(const struct http_request *r);
http_endpoint http_sign_in;

/* ---- page.c, login.c */
http_endpoint http_page_root, http_page_shell, http_page_file, http_page_login, http_page_logout,
    http_page_record;
