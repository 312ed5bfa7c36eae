/*
 * Errors: decided once, where the reason is known. The kind fixes HTTP status and scimType
 * (scim/reply.c).
 *
 * Threads: pure.
 * Errors:  `detail` may be read by the client: no DN, no password, no token, no LDAP diagnostic.
 */
#pragma once

#include "base/text.h"

enum error_kind {
    ERR_NONE,
    ERR_INVALID_SYNTAX,    /* 400 invalidSyntax */
    ERR_INVALID_FILTER,    /* 400 invalidFilter */
    ERR_INVALID_PATH,      /* 400 invalidPath */
    ERR_INVALID_VALUE,     /* 400 invalidValue */
    ERR_INVALID_VERSION,   /* 400 invalidVers */
    ERR_NO_TARGET,         /* 400 noTarget */
    ERR_MUTABILITY,        /* 400 mutability */
    ERR_TOO_MANY,          /* 400 tooMany */
    ERR_INVALID_CURSOR,    /* 400 invalidCursor */
    ERR_EXPIRED_CURSOR,    /* 400 expiredCursor */
    ERR_INVALID_COUNT,     /* 400 invalidCount */
    ERR_BAD_REQUEST,       /* 400 without scimType (HTTP level) */
    ERR_UNAUTHORIZED,      /* 401 */
    ERR_FORBIDDEN,         /* 403 */
    ERR_SENSITIVE,         /* 403 sensitive */
    ERR_NOT_FOUND,         /* 404 */
    ERR_METHOD,            /* 405 */
    ERR_NOT_ACCEPTABLE,    /* 406 */
    ERR_TIMEOUT,           /* 408 */
    ERR_CONFLICT,          /* 409 without scimType: what state or a rule forbids */
    ERR_UNIQUENESS,        /* 409 uniqueness */
    ERR_PRECONDITION,      /* 412 */
    ERR_TOO_LARGE,         /* 413 */
    ERR_URI_TOO_LONG,      /* 414 */
    ERR_MEDIA_TYPE,        /* 415 */
    ERR_RATE,              /* 429 + Retry-After */
    ERR_HEADERS_TOO_LARGE, /* 431 */
    ERR_INTERNAL,          /* 500 */
    ERR_NOT_IMPLEMENTED,   /* 501 */
    ERR_UNAVAILABLE,       /* 503 + Retry-After */
    ERR_CONFIG,            /* start-up only: FILE:LINE: KEY: reason */
};

#define ERROR_DETAIL_MAX 400

struct error {
    enum error_kind kind;
    char detail[ERROR_DETAIL_MAX];
    /* Filled for refusals by rule (the Refusal extension); empty strings and -1 where absent. */
    char rule[12];         /* "KB-R07" */
    char subject[64];      /* id of the user concerned */
    char organization[64]; /* id of the organization concerned */
    int operation;         /* index in PATCH Operations, -1 none */
    int retry_after_s;     /* 0 = the default of the kind */
};

#define ERROR_INIT ((struct error){.kind = ERR_NONE, .operation = -1})

/* Fills `err` (which must not hold an error yet) and returns false. Long text is cut at a UTF-8
 * border. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
void error_clear(struct error *err);
const char *error_kind_name(enum error_kind kind); /* for logs: "invalid_filter" */
