/*
 * What the page is made of, apart from HTTP: its files, its sealed cookies, and the text in which a
 * browser gets it.
 *
 * A sealed text is base64url of nonce and secretbox (XSalsa20-Poly1305). Each kind has a key of its
 * own, derived from the one of session_key_file: what was sealed as one kind opens as no other. A
 * text that was forged, cut, or sealed with another key is one and the same: it does not open.
 *
 * Owns:    results lie in the arena, or are constant. struct console is wiped when it is closed.
 * Threads: constant after console_open(); any number may use it.
 * Errors:  ERR_CONFIG of console_open(), naming the file.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "config/config.h"

struct console;

/* Reads session_key_file; without one the key ends with this process. */
MUST_CHECK bool console_open(const struct config *config, struct console **out, struct error *err);
void console_close(struct console *c);

/* ---- seal.c: who is signed in */
struct console_session {
    struct str id;               /* entryUUID */
    instant_t issued;            /* whole seconds */
    struct str password_changed; /* as the directory says it; empty: it does not say */
};
struct str console_session_seal(const struct console *c, struct arena *a,
                                const struct console_session *s);
/* false: sealed by nobody who has the key, or issued more than session_h ago, or in the future. */
MUST_CHECK bool console_session_open(const struct console *c, struct arena *a, struct str sealed,
                                     instant_t now, struct console_session *out);
/* What every change must carry in X-Kiops-Csrf: bound to this one session, unknown to other sites.
 */
struct str console_csrf(const struct console *c, struct arena *a, struct str sealed_session);
/* In constant time. */
bool console_csrf_is(const struct console *c, struct str sealed_session, struct str given);

/* A sign-in at the identity provider that is under way, for as long as CONSOLE_TRY_S. */
#define CONSOLE_TRY_S 600
struct console_try {
    struct str state, nonce, verifier; /* random, base64url */
    struct str next;                   /* where on the page to go then */
    instant_t issued;
};
/* New random texts; `next` stays. */
void console_try_draw(struct arena *a, struct console_try *t);
struct str console_try_seal(const struct console *c, struct arena *a, const struct console_try *t);
MUST_CHECK bool console_try_open(const struct console *c, struct arena *a, struct str sealed,
                                 instant_t now, struct console_try *out);
/* RFC 7636 4.2, S256. */
struct str console_challenge(struct arena *a, struct str verifier);
bool console_same(struct str a, struct str b); /* in time that depends on the lengths alone */

/* ---- files.c: style, modules, texts */
struct console_file {
    struct str name;
    const char *type; /* Content-Type */
    struct str bytes;
    char tag[20]; /* ETag, with its quotes */
};
const struct console_file *console_file(const struct console *c, struct str name); /* or NULL */
struct str console_version(const struct console *c); /* of all files together: 16 hex digits */

/* ---- shell.c: the one HTML page */
struct console_shell {
    struct str language;
    int status;              /* 200; 401: sign in first; 403: not for this person */
    struct str user, csrf;   /* empty: nobody is signed in */
    bool admin, manager;     /* PlatformAdmin; Manager of an organization */
    struct str organization; /* whose Manager it is, where that is one alone; empty */
    bool signup, oidc;       /* may strangers sign up; is there another way to sign in */
};
struct str console_shell(const struct console *c, struct arena *a, const struct console_shell *s);
/* Of those configured, the one that an Accept-Language value wants most (RFC 9110 12.5.4). */
struct str console_language(const struct console *c, struct str accept_language);
