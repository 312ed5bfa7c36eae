/* The header lines; what two readers could see differently is refused. */
#include "http/internal.h"

#include "base/unicode.h"

struct known_header {
    struct str name;
    size_t offset; /* of its struct str in struct http_head */
    bool once;     /* two of them are a disagreement between us and a proxy in front */
};

#define KNOWN(text, member, only_once)                                                             \
    {                                                                                              \
        {text, sizeof(text) - 1}, offsetof(struct http_head, member), only_once                    \
    }

static const struct known_header KNOWN_HEADERS[] = {
    KNOWN("Host", host, true),
    KNOWN("Content-Length", content_length, true),
    KNOWN("Transfer-Encoding", transfer_encoding, true),
    KNOWN("Authorization", authorization, true),
    KNOWN("Content-Type", content_type, true),
    KNOWN("Content-Encoding", content_encoding, true),
    KNOWN("Expect", expect, true),
    KNOWN("Accept", accept, false),
    KNOWN("Prefer", prefer, false),
    KNOWN("If-Match", if_match, true),
    KNOWN("If-None-Match", if_none_match, true),
    KNOWN("X-Forwarded-For", forwarded_for, false),
    KNOWN("X-Kiops-Csrf", csrf, true),
    KNOWN("Sec-Fetch-Site", fetch_site, true),
    KNOWN("Accept-Language", accept_language, false),
};

/* RFC 9110 5.6.2: what may stand in a header's name. A space before the colon is refused by this
 * too. */
static bool is_token(struct str s)
{
    return str_consists_of(s, "!#$%&'*+-.^_`|~");
}

static bool is_value(struct str s)
{
    bool ascii = true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
        ascii = ascii && c < 0x80;
    }
    return ascii || utf8_valid(s);
}

static const struct known_header *known_header(struct str name)
{
    for (size_t i = 0; i < sizeof(KNOWN_HEADERS) / sizeof(*KNOWN_HEADERS); i++) {
        if (str_ieq(name, KNOWN_HEADERS[i].name))
            return &KNOWN_HEADERS[i];
    }
    return NULL;
}

void http_head_init(struct http_head *h)
{
    *h = (struct http_head){.fault = ERROR_INIT};
}

void http_head_take(struct http_head *h, struct str name, struct str value)
{
    if (h->fault.kind != ERR_NONE)
        return;
    if (!is_token(name)) {
        error_set(&h->fault, ERR_BAD_REQUEST, "a header name is not a token");
        return;
    }
    if (!is_value(value)) {
        error_set(&h->fault, ERR_BAD_REQUEST, "the value of a header is not text");
        return;
    }
    const struct known_header *known = known_header(name);
    if (!known)
        return;
    struct str *slot = (struct str *)(void *)((char *)h + known->offset);
    if (slot->at && known->once)
        error_set(&h->fault, ERR_BAD_REQUEST, "%s is given twice", known->name.at);
    else
        *slot = value.at ? value : STR("");
}

/* RFC 9112 6.3: a message whose length two readers could see differently is refused. */
static bool check_framing(struct http_head *h, bool http_1_1)
{
    if (h->transfer_encoding.at) {
        h->body_length = -1;
        if (h->content_length.at)
            return error_set(&h->fault, ERR_BAD_REQUEST,
                             "Content-Length and Transfer-Encoding exclude each other");
        if (!http_1_1 || !str_ieq(h->transfer_encoding, STR("chunked")))
            return error_set(&h->fault, ERR_BAD_REQUEST,
                             "the only Transfer-Encoding taken is chunked, in HTTP/1.1");
        return true;
    }
    if (!h->content_length.at)
        return true;
    bool digits = h->content_length.len > 0 && h->content_length.at[0] >= '0' &&
                  h->content_length.at[0] <= '9';
    if (!digits || !str_to_i64(h->content_length, &h->body_length))
        return error_set(&h->fault, ERR_BAD_REQUEST, "Content-Length is not a length");
    return true;
}

/* RFC 7240: preferences are separated by commas, their parameters by semicolons. */
static bool prefers_minimal(struct str prefer)
{
    struct str one, name;
    while (str_split(&prefer, ',', &one)) {
        if (!str_split(&one, ';', &name))
            continue;
        name = str_trim(name);
        if (str_ieq(name, STR("return=minimal")) || str_ieq(name, STR("return=\"minimal\"")))
            return true;
    }
    return false;
}

void http_head_finish(struct http_head *h, struct str version)
{
    bool http_1_1 = str_eq(version, STR("HTTP/1.1"));
    if (h->fault.kind != ERR_NONE)
        return;
    if (http_1_1 && !h->host.at) {
        error_set(&h->fault, ERR_BAD_REQUEST, "Host is missing");
        return;
    }
    if (!check_framing(h, http_1_1))
        return;
    h->expects_continue = http_1_1 && str_ieq(h->expect, STR("100-continue"));
    h->prefers_minimal = prefers_minimal(h->prefer);
}

bool http_is_of_another_site(const struct http_head *h)
{
    return h->fetch_site.at && !str_eq(h->fetch_site, STR("same-origin"));
}
