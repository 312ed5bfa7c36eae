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

/* ---- session.c ---- */
/* The page's cookies into r->head. One that is there twice is none. */
void http_session_take(struct http_request *r);
/* As http_basic_authenticate(). */
enum service_status http_session_authenticate(struct http_request *r, struct directory_conn *conn);
/* Did the page send it? JSON, and what a form or script of another site cannot add. */
MUST_CHECK bool http_session_from_page(struct http_request *r);
/* The answer makes the browser keep a new session of that person, or forget it. */
void http_session_begin(struct http_request *r, struct str id);
void http_session_end(struct http_request *r);
/* A sign-in at the identity provider that is under way; `sealed` empty: over. */
void http_session_try(struct http_request *r, struct str sealed);

/* ---- page.c, login.c ---- */
http_endpoint http_page_root, http_page_shell, http_page_file, http_page_login, http_page_logout,
    http_page_record;
