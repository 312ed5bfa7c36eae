/* Signing in with a name and a password, and out again. */
#include "http/page.h"

#include "base/json.h"

/* The form's two fields and no other. */
static bool read_login(struct http_request *r, struct service_login *out)
{
    if (!r->document && !http_document_load(r, &r->err))
        return false;
    const json_t *name = json_object_get(r->document, "userName");
    const json_t *password = json_object_get(r->document, "password");
    if (!json_is_string(name) || !json_is_string(password) || json_object_size(r->document) != 2)
        return error_set(&r->err, ERR_INVALID_VALUE, "send userName and password, as texts");
    struct service_call asks = http_call(r, NULL);
    asks.scim = http_context(r, &service_users);
    *out = (struct service_login){.name = service_sign_in_name(&asks, json_str(name)),
                                  .password = json_str(password)};
    return true;
}

static void answer_signed_in(struct http_request *r)
{
    http_session_begin(r, r->actor.id);
    r->answer.type = "application/json";
    http_answer_body(r, 200,
                     arena_fmt(r->arena, "{\"user\":\"" STR_FMT "\"}", STR_ARG(r->actor.id)));
}

enum http_next http_page_login(struct http_request *r, struct directory_conn *conn)
{
    struct service_login login;
    if (r->method != HTTP_POST)
        return http_sign_in_is(r) ? http_sign_in(r, conn) : http_page_shell(r, conn);
    http_begin(r);
    r->challenge = HTTP_CHALLENGE_PLAIN;
    if (!http_session_from_page(r) || !read_login(r, &login))
        return HTTP_ANSWERED;
    if (!http_secrets_are_safe(r)) {
        error_set(&r->err, ERR_FORBIDDEN,
                  "passwords are not taken in clear text; use the address of the TLS proxy");
        return HTTP_ANSWERED;
    }
    enum service_status status = http_password_authenticate(r, &login, conn);
    if (status == SERVICE_NEEDS_DIRECTORY)
        return HTTP_TO_READER;
    if (status == SERVICE_OK)
        answer_signed_in(r);
    return HTTP_ANSWERED;
}

/* Asks nobody who it is: the browser must forget the session while the directory is away, too. */
enum http_next http_page_logout(struct http_request *r, struct directory_conn *conn)
{
    (void)conn;
    if (r->head.session.len && !http_session_may_change(r))
        return HTTP_ANSWERED;
    http_session_end(r);
    http_answer_body(r, 204, STR_NONE);
    return HTTP_ANSWERED;
}
