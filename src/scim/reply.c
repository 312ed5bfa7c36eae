/* Bodies of lists and errors; the one table from error kind to status and scimType. */
#include "base/own.h"
#include "scim/scim.h"

/* ---- the only table from error_kind to HTTP */

struct answer {
    int status;
    const char *type; /* scimType, where RFC 7644 3.12 or RFC 9865 2.1 has one */
};

static const struct answer answers[] = {
    [ERR_NONE] = {200, NULL},
    [ERR_INVALID_SYNTAX] = {400, "invalidSyntax"},
    [ERR_INVALID_FILTER] = {400, "invalidFilter"},
    [ERR_INVALID_PATH] = {400, "invalidPath"},
    [ERR_INVALID_VALUE] = {400, "invalidValue"},
    [ERR_INVALID_VERSION] = {400, "invalidVers"},
    [ERR_NO_TARGET] = {400, "noTarget"},
    [ERR_MUTABILITY] = {400, "mutability"},
    [ERR_TOO_MANY] = {400, "tooMany"},
    [ERR_INVALID_CURSOR] = {400, "invalidCursor"},
    [ERR_EXPIRED_CURSOR] = {400, "expiredCursor"},
    [ERR_INVALID_COUNT] = {400, "invalidCount"},
    [ERR_BAD_REQUEST] = {400, NULL},
    [ERR_UNAUTHORIZED] = {401, NULL},
    [ERR_FORBIDDEN] = {403, NULL},
    [ERR_SENSITIVE] = {403, "sensitive"},
    [ERR_NOT_FOUND] = {404, NULL},
    [ERR_METHOD] = {405, NULL},
    [ERR_NOT_ACCEPTABLE] = {406, NULL},
    [ERR_TIMEOUT] = {408, NULL},
    [ERR_CONFLICT] = {409, NULL},
    [ERR_UNIQUENESS] = {409, "uniqueness"},
    [ERR_PRECONDITION] = {412, NULL},
    [ERR_TOO_LARGE] = {413, NULL},
    [ERR_URI_TOO_LONG] = {414, NULL},
    [ERR_MEDIA_TYPE] = {415, NULL},
    [ERR_RATE] = {429, NULL},
    [ERR_HEADERS_TOO_LARGE] = {431, NULL},
    [ERR_INTERNAL] = {500, NULL},
    [ERR_NOT_IMPLEMENTED] = {501, NULL},
    [ERR_UNAVAILABLE] = {503, NULL},
    [ERR_CONFIG] = {500, NULL},
};

#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

int scim_status(enum error_kind kind)
{
    return (size_t)kind < ANSWERS ? answers[kind].status : 500;
}

const char *scim_error_type(enum error_kind kind)
{
    return (size_t)kind < ANSWERS ? answers[kind].type : NULL;
}

/* ---- bodies */

static void add_text(struct buf *out, const char *name, struct str value)
{
    buf_fmt(out, ",\"%s\":", name);
    buf_json_string(out, value);
}

static void add_refusal(const struct error *err, struct str request_id, struct buf *out)
{
    BUF_LIT(out, ",\"" SCIM_URN_REFUSAL "\":{\"rule\":");
    buf_json_string(out, str_of(err->rule));
    if (err->subject[0])
        add_text(out, "subject", str_of(err->subject));
    if (err->organization[0])
        add_text(out, "organization", str_of(err->organization));
    if (err->operation >= 0)
        buf_fmt(out, ",\"operation\":%d", err->operation);
    add_text(out, "requestId", request_id);
    buf_char(out, '}');
}

/* Which of many operations it was is else nowhere in an Error of the RFC. */
static void add_detail(const struct error *err, bool refusal, struct buf *out)
{
    OWNED_BUF struct buf detail;
    buf_init(&detail, ERROR_DETAIL_MAX + 64);
    if (err->operation >= 0 && !refusal)
        buf_fmt(&detail, "Operations[%d]: ", err->operation);
    buf_str(&detail, str_of(err->detail));
    add_text(out, "detail", buf_view(&detail));
}

void scim_reply_error(const struct error *err, struct str request_id, struct buf *out)
{
    int status = scim_status(err->kind);
    const char *type = scim_error_type(err->kind);
    /* KB-R05: what one may not see answers like what is not there, so a 404 names no rule. */
    bool refusal = err->rule[0] && status != 404;
    BUF_LIT(out, "{\"schemas\":[\"" SCIM_URN_ERROR "\"");
    if (refusal)
        BUF_LIT(out, ",\"" SCIM_URN_REFUSAL "\"");
    buf_fmt(out, "],\"status\":\"%d\"", status);
    if (type)
        add_text(out, "scimType", str_of(type));
    add_detail(err, refusal, out);
    if (refusal)
        add_refusal(err, request_id, out);
    buf_char(out, '}');
}

void scim_reply_list_begin(struct buf *out, int64_t total, int64_t start_index,
                           int64_t items_per_page)
{
    buf_fmt(out, "{\"schemas\":[\"" SCIM_URN_LIST "\"],\"totalResults\":%lld", (long long)total);
    if (start_index > 0) /* a page by cursor has none */
        buf_fmt(out, ",\"startIndex\":%lld", (long long)start_index);
    buf_fmt(out, ",\"itemsPerPage\":%lld,\"Resources\":[", (long long)items_per_page);
}

void scim_reply_list_end(struct buf *out, struct str next_cursor)
{
    buf_char(out, ']');
    if (next_cursor.len > 0)
        add_text(out, "nextCursor", next_cursor);
    buf_char(out, '}');
}
