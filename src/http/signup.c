/*
 * Sign-up: the two doors that need no account. What they say depends on what was
 * sent alone: a good sign-up is answered before anybody looks whether it can be.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/unicode.h"
#include "http/internal.h"

#define BODY_MAX ((size_t)16 * 1024)
#define NAME_MAX_BYTES 64
#define PERSON_MAX_BYTES 100
#define MAIL_MAX_BYTES 254
#define PASSWORD_MIN_BYTES 8
#define PASSWORD_MAX_BYTES 256
#define TEXT_MAX_BYTES 100
/* Searches of one address: at once, and then one a second. */
#define SEARCHES 60
#define HOUR_S 3600U

static const char ACCEPTED[] =
    "{\"status\":\"accepted\",\"detail\":\"Thank you. If the request can be made, a Manager of the "
    "organization decides on it.\"}";

bool http_signup_is(const struct http_request *r)
{
    return r->route && r->route->stranger;
}

size_t http_signup_body_max(void)
{
    return BODY_MAX;
}

/* ---- how often */

struct http_signups {
    struct http_rate *tries, *searches; /* by network */
};

struct http_signups *http_signups_new(const struct config_signup *config)
{
    struct http_signups *s = must(calloc(1, sizeof *s));
    unsigned n = config->per_address_per_hour;
    s->tries = n <= HOUR_S && n ? http_rate_new_slow(HOUR_S / n, n) : http_rate_new(n / HOUR_S, n);
    s->searches = http_rate_new_slow(1, SEARCHES);
    return s;
}

void http_signups_free(struct http_signups *s)
{
    if (!s)
        return;
    http_rate_free(s->tries);
    http_rate_free(s->searches);
    free(s);
}

static bool take(struct http_request *r, struct http_rate *rate)
{
    int wait_s = 0;
    if (http_rate_take(rate, http_peer_network(r->peer, r->arena, &r->head), clock_monotonic_ms(),
                       &wait_s))
        return true;
    error_set(&r->err, ERR_RATE, "too many requests from this address; try again later");
    r->err.retry_after_s = wait_s;
    atomic_fetch_add_explicit(&r->server->metrics.rate_limited, 1, memory_order_relaxed);
    return false;
}

/* ---- what was sent */

static bool is_text(struct str s)
{
    return utf8_valid(s) && !utf8_has_prohibited(s) && str_trim(s).len == s.len;
}

static bool is_mail(struct str s)
{
    size_t at, dot;
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] <= ' ' || s.at[i] >= 0x7f || strchr("\"(),:;<>[\\]", s.at[i]))
            return false;
    if (!str_find(s, '@', &at) || at == 0 || at > 64)
        return false;
    struct str host = str_sub(s, at + 1, s.len);
    return host.len && !str_find(host, '@', &dot) && host.at[0] != '.' &&
           host.at[host.len - 1] != '.';
}

static bool is_password(struct str s)
{
    return utf8_valid(s) && !utf8_has_prohibited(s);
}

static const struct field {
    struct str name;
    size_t offset, min, max;
    bool (*is)(struct str s);
    const char *form;
} FIELDS[] = {
    {STR_INIT("userName"), offsetof(struct service_applicant, user_name), 1, NAME_MAX_BYTES,
     is_text, "userName: 1 to 64 bytes, without blanks around it"},
    {STR_INIT("password"), offsetof(struct service_applicant, password), PASSWORD_MIN_BYTES,
     PASSWORD_MAX_BYTES, is_password, "password: 8 to 256 bytes"},
    {STR_INIT("givenName"), offsetof(struct service_applicant, given_name), 1, PERSON_MAX_BYTES,
     is_text, "givenName: 1 to 100 bytes, without blanks around it"},
    {STR_INIT("familyName"), offsetof(struct service_applicant, family_name), 1, PERSON_MAX_BYTES,
     is_text, "familyName: 1 to 100 bytes, without blanks around it"},
    {STR_INIT("email"), offsetof(struct service_applicant, email), 3, MAIL_MAX_BYTES, is_mail,
     "email: one address, name@host"},
    {STR_INIT("organization"), offsetof(struct service_applicant, organization), 36, 36,
     directory_is_uuid, "organization: an id that /signup/organizations gave"},
};
#define FIELD_COUNT (sizeof FIELDS / sizeof *FIELDS)

static bool read_field(const struct field *f, const json_t *document, struct service_applicant *who,
                       struct error *err)
{
    const json_t *value = json_object_get(document, f->name.at);
    struct str text = json_str(value);
    if (!json_is_string(value) || text.len < f->min || text.len > f->max || !f->is(text))
        return error_set(err, ERR_INVALID_VALUE, "%s", f->form);
    *(struct str *)(void *)((char *)who + f->offset) = text;
    return true;
}

static bool read_applicant(struct http_request *r, struct service_applicant *who)
{
    if (!http_document_load(r, &r->err))
        return false;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!read_field(&FIELDS[i], r->document, who, &r->err))
            return false;
    return json_object_size(r->document) == FIELD_COUNT ||
           error_set(&r->err, ERR_INVALID_VALUE,
                     "only userName, password, givenName, familyName, email and organization may "
                     "be sent");
}

/* ---- the doors */

static struct service_call call_of(struct http_request *r, struct directory_conn *conn)
{
    http_begin(r);
    struct service_call call = http_call(r, conn);
    return call;
}

/* A page of another site can make a browser send forms and plain text, not JSON. */
static bool may_send(struct http_request *r)
{
    if (!r->head.content_type.len)
        return error_set(&r->err, ERR_MEDIA_TYPE, "the body must be application/json");
    return http_peer_is_private(r->peer) ||
           error_set(&r->err, ERR_FORBIDDEN,
                     "passwords are not taken in clear text; use the address of the TLS proxy");
}

/* Mistakes cost no try: they say nothing of what there is. */
enum http_next http_endpoint_signup(struct http_request *r, struct directory_conn *conn)
{
    struct http_rate *tries = r->server->signups->tries;
    struct service_applicant who = {0};
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    if (!may_send(r) || !take(r, tries))
        return HTTP_ANSWERED;
    const struct service_call call = call_of(r, conn);
    who.address = http_peer_address(r->peer, r->arena, &r->head);
    if (read_applicant(r, &who) && service_signup(&call, &who, &r->err))
        http_answer_body(r, 202, str_of(ACCEPTED));
    else
        http_rate_give(tries, http_peer_network(r->peer, r->arena, &r->head));
    return HTTP_ANSWERED;
}

enum http_next http_endpoint_signup_organizations(struct http_request *r,
                                                  struct directory_conn *conn)
{
    struct service_result result = {0};
    struct str text = r->target.params[HTTP_Q];
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    if (text.len > TEXT_MAX_BYTES || !utf8_valid(text)) {
        error_set(&r->err, ERR_INVALID_VALUE, "q: at most %d bytes", TEXT_MAX_BYTES);
        return HTTP_ANSWERED;
    }
    if (!r->has_time && !take(r, r->server->signups->searches))
        return HTTP_ANSWERED;
    const struct service_call call = call_of(r, conn);
    enum service_status status = service_signup_organizations(&call, text, &result, &r->err);
    if (status == SERVICE_NEEDS_TIME) {
        r->has_time = true;
        return HTTP_TO_SCANNER;
    }
    if (status == SERVICE_OK)
        http_answer_body(r, 200, result.body);
    return HTTP_ANSWERED;
}
