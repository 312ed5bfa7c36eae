/* The request target: path and query, decoded once. */
#include "base/unicode.h"
#include "http/internal.h"

static const struct str PARAM_NAMES[HTTP_PARAMS] = {
    [HTTP_FILTER] = {"filter", 6},
    [HTTP_ATTRIBUTES] = {"attributes", 10},
    [HTTP_EXCLUDED_ATTRIBUTES] = {"excludedAttributes", 18},
    [HTTP_SORT_BY] = {"sortBy", 6},
    [HTTP_SORT_ORDER] = {"sortOrder", 9},
    [HTTP_START_INDEX] = {"startIndex", 10},
    [HTTP_COUNT] = {"count", 5},
    [HTTP_CURSOR] = {"cursor", 6},
    [HTTP_Q] = {"q", 1},
    [HTTP_ORGANIZATION] = {"organization", 12},
    [HTTP_BEFORE] = {"before", 6},
    [HTTP_PROVIDER] = {"provider", 8},
    [HTTP_NEXT] = {"next", 4},
    [HTTP_CODE] = {"code", 4},
    [HTTP_STATE] = {"state", 5},
    [HTTP_ERROR] = {"error", 5},
};

const char *http_param_name(enum http_param p)
{
    return PARAM_NAMES[p].at;
}

/* Where decoded bytes go: as long as the whole target, so it never fills up. */
struct decoder {
    char *at;
    bool query; /* there '+' is a space */
    bool plain; /* nothing to decode anywhere in the target */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool decode_escape(struct str raw, size_t at, char *out, struct error *err)
{
    int high = at + 2 < raw.len ? hex_digit(raw.at[at + 1]) : -1;
    int low = at + 2 < raw.len ? hex_digit(raw.at[at + 2]) : -1;
    if (high < 0 || low < 0)
        return error_set(err, ERR_INVALID_SYNTAX, "bad percent escape in the request target");
    *out = (char)(high * 16 + low);
    if (*out == '\0')
        return error_set(err, ERR_INVALID_VALUE, "NUL in the request target");
    return true;
}

static bool decode(struct decoder *d, struct str raw, struct str *out, struct error *err)
{
    if (d->plain) {
        *out = raw;
        return true;
    }
    char *start = d->at;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        if (c == '%') {
            if (!decode_escape(raw, i, &c, err))
                return false;
            i += 2;
        } else if (c == '+' && d->query) {
            c = ' ';
        }
        *d->at++ = c;
    }
    struct str text = {start, (size_t)(d->at - start)};
    if (!utf8_valid(text))
        return error_set(err, ERR_INVALID_SYNTAX, "the request target is not valid UTF-8");
    *out = text;
    return true;
}

/* RFC 9112 3.2.2: a server takes the absolute form too; what it names is not used (Location comes
 * from the configuration). */
static struct str without_authority(struct str raw)
{
    size_t scheme = str_istarts(raw, STR("http://"))    ? 7
                    : str_istarts(raw, STR("https://")) ? 8
                                                        : 0;
    if (!scheme)
        return raw;
    struct str rest = str_sub(raw, scheme, raw.len);
    size_t slash;
    return str_find(rest, '/', &slash) ? str_sub(rest, slash, rest.len) : STR("/");
}

static bool check_bytes(struct str raw, bool *plain, struct error *err)
{
    *plain = true;
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.at[i];
        if (c <= ' ' || c == 0x7f || c == '#')
            return error_set(err, ERR_BAD_REQUEST,
                             "the request target holds a space, a control character or a fragment");
        if (c == '%' || c == '+' || c >= 0x80)
            *plain = false;
    }
    return true;
}

static bool take_path(struct decoder *d, struct str path, struct http_target *out,
                      struct error *err)
{
    struct str rest = str_sub(path, 1, path.len);
    struct str part;
    while (str_split(&rest, '/', &part)) {
        if (out->segment_count < HTTP_SEGMENTS_MAX &&
            !decode(d, part, &out->segments[out->segment_count], err))
            return false;
        out->segment_count++;
    }
    return true;
}

static bool take_param(struct decoder *d, struct str pair, struct http_target *out,
                       struct error *err)
{
    size_t equals = pair.len;
    struct str raw_value = {pair.at + pair.len, 0};
    if (str_find(pair, '=', &equals))
        raw_value = str_sub(pair, equals + 1, pair.len);
    struct str name, value;
    if (!decode(d, str_sub(pair, 0, equals), &name, err))
        return false;
    size_t param = 0;
    while (param < HTTP_PARAMS && !str_ieq(name, PARAM_NAMES[param]))
        param++;
    if (!decode(d, raw_value, &value, err)) {
        if (param == HTTP_FILTER)
            err->kind = ERR_INVALID_FILTER;
        return false;
    }
    if (param == HTTP_PARAMS) /* RFC 7644 3.4.2: what is not known is ignored */
        return true;
    if (out->params[param].at)
        return error_set(err, param == HTTP_FILTER ? ERR_INVALID_FILTER : ERR_INVALID_VALUE,
                         "%s is given twice", PARAM_NAMES[param].at);
    out->params[param] = value.at ? value : STR("");
    return true;
}

static bool take_query(struct decoder *d, struct str query, struct http_target *out,
                       struct error *err)
{
    struct str pair;
    d->query = true;
    while (str_split(&query, '&', &pair)) {
        if (pair.len && !take_param(d, pair, out, err))
            return false;
    }
    return true;
}

bool http_target_parse(struct arena *a, struct str raw, struct http_target *out, struct error *err)
{
    *out = (struct http_target){0};
    raw = without_authority(raw);
    size_t mark = raw.len;
    bool has_query = str_find(raw, '?', &mark);
    out->path = str_sub(raw, 0, mark);
    struct decoder d = {.at = NULL};
    if (!raw.len || raw.at[0] != '/')
        return error_set(err, ERR_BAD_REQUEST, "the request target is not a path");
    if (!check_bytes(raw, &d.plain, err))
        return false;
    if (!d.plain)
        d.at = arena_alloc(a, raw.len);
    if (!take_path(&d, out->path, out, err))
        return false;
    return !has_query || take_query(&d, str_sub(raw, mark + 1, raw.len), out, err);
}
