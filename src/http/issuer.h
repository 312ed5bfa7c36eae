/*
 * People by what an OpenID Connect issuer says: its keys, its tokens.
 *
 * Threads: the keys from any; the rest as struct http_request.
 * Errors:  ERR_UNAUTHORIZED (the token), ERR_UNAVAILABLE (the issuer does not answer).
 */
#pragma once

#include "http/internal.h"

/* ---- keys.c: the keys of the OIDC issuer */
struct http_keys;
struct http_keys *http_keys_new(const struct config_oidc *config);
void http_keys_free(struct http_keys *k);
struct http_key_wanted {
    struct str algorithm, kid; /* kid.at NULL: the token names none */
    bool may_wait;             /* on this thread, for the issuer to answer */
};
/* OK: `*out` is new, the public key. NEEDS_DIRECTORY: call again where waiting is allowed. FAILED:
 * ERR_UNAUTHORIZED (the issuer has no such key), ERR_UNAVAILABLE (nobody knows). */
enum service_status http_keys_find(struct http_keys *k, const struct http_key_wanted *w,
                                   json_t **out, struct error *err);

/* New. ERR_UNAVAILABLE. */
MUST_CHECK bool http_fetch_object(struct str url, int64_t deadline, json_t **out,
                                  struct error *err);

/* ---- oidc.c: people by a token of the issuer */
bool http_is_jwt(struct str token); /* two dots: none of ours has one */
/* As http_basic_authenticate(). */
enum service_status http_oidc_authenticate(struct http_request *r, struct str token,
                                           struct directory_conn *conn);
/* The same of the token that the issuer makes for the page when somebody signs in there. */
enum service_status http_oidc_sign_in(struct http_request *r, struct str id_token, struct str nonce,
                                      struct directory_conn *conn);
/* At start: is auth.oidc.matches an attribute of users? Errors: ERR_CONFIG. */
MUST_CHECK bool http_oidc_check(const struct http_server *h, struct error *err);
/* Under which client's name kiopsExternalId holds the issuer's `sub`. */
struct str http_oidc_client(struct arena *a, struct str issuer);
