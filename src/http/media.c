/* Media types: what a body is, what an answer may be. */
#include "http/internal.h"

#define QUALITY_ONE 1000

/* What one range of an Accept value says about a type: the more exact range wins (RFC 9110
 * 12.5.1). */
struct verdict {
    int exactness; /* 0 = not mentioned, 1 any, 2 application, 3 the type itself */
    int quality;   /* in thousandths */
};

static void note(struct verdict *v, int exactness, int quality)
{
    if (exactness > v->exactness)
        *v = (struct verdict){exactness, quality};
}

/* Cuts the part before `c` off `rest`, leaving quoted strings whole. */
static bool split_unquoted(struct str *rest, char c, struct str *part)
{
    if (rest->len == 0)
        return false;
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->at[i] != c); i++) {
        if (rest->at[i] == '"')
            quoted = !quoted;
        else if (rest->at[i] == '\\' && quoted && i + 1 < rest->len)
            i++;
    }
    *part = str_trim(str_sub(*rest, 0, i));
    *rest = str_sub(*rest, i + 1, rest->len);
    return true;
}

/* "0", "1", "0.xxx"; what is not a number counts as 1, as if it had not been sent. */
static int parse_quality(struct str text)
{
    if (!text.len || (text.at[0] != '0' && text.at[0] != '1') ||
        (text.len > 1 && text.at[1] != '.'))
        return QUALITY_ONE;
    int quality = text.at[0] == '1' ? QUALITY_ONE : 0;
    int unit = QUALITY_ONE / 10;
    for (size_t i = 2; i < text.len && unit > 0; i++, unit /= 10) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return QUALITY_ONE;
        quality += (text.at[i] - '0') * unit;
    }
    return quality > QUALITY_ONE ? QUALITY_ONE : quality;
}

static int range_quality(struct str params)
{
    struct str one;
    while (split_unquoted(&params, ';', &one)) {
        if (str_istarts(one, STR("q=")))
            return parse_quality(str_sub(one, 2, one.len));
    }
    return QUALITY_ONE;
}

enum http_media http_media_accepted(struct str accept)
{
    struct verdict scim = {0, 0}, json = {0, 0};
    struct str rest = str_trim(accept), range, type;
    if (!rest.len || str_eq(rest, STR("application/scim+json")) || str_eq(rest, STR("*/*")))
        return HTTP_MEDIA_SCIM;
    while (split_unquoted(&rest, ',', &range)) {
        if (!split_unquoted(&range, ';', &type))
            continue;
        int quality = range_quality(range);
        if (str_ieq(type, STR("application/scim+json"))) {
            note(&scim, 3, quality);
        } else if (str_ieq(type, STR("application/json"))) {
            note(&json, 3, quality);
        } else if (str_ieq(type, STR("application/*"))) {
            note(&scim, 2, quality);
            note(&json, 2, quality);
        } else if (str_eq(type, STR("*/*"))) {
            note(&scim, 1, quality);
            note(&json, 1, quality);
        }
    }
    if (!scim.quality && !json.quality)
        return HTTP_MEDIA_NONE;
    return json.quality > scim.quality ? HTTP_MEDIA_JSON : HTTP_MEDIA_SCIM;
}

static struct str unquote(struct str s)
{
    bool quoted = s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"';
    return quoted ? str_sub(s, 1, s.len - 2) : s;
}

static bool check_charset(struct str params, struct error *err)
{
    struct str one;
    while (split_unquoted(&params, ';', &one)) {
        if (!str_istarts(one, STR("charset=")))
            continue;
        struct str charset = unquote(str_sub(one, 8, one.len));
        if (!str_ieq(charset, STR("utf-8")) && !str_ieq(charset, STR("us-ascii")))
            return error_set(err, ERR_MEDIA_TYPE, "the body must be UTF-8");
    }
    return true;
}

bool http_media_body(const struct http_head *h, struct error *err)
{
    struct str encoding = str_trim(h->content_encoding);
    if (encoding.len && !str_ieq(encoding, STR("identity")))
        return error_set(err, ERR_MEDIA_TYPE, "the body must not be compressed or encoded");
    struct str params = str_trim(h->content_type), type;
    if (!split_unquoted(&params, ';', &type)) /* Okta's own test sends none */
        return true;
    if (!str_ieq(type, STR("application/scim+json")) && !str_ieq(type, STR("application/json")))
        return error_set(err, ERR_MEDIA_TYPE,
                         "the body must be application/scim+json or application/json");
    return check_charset(params, err);
}
