/*
 * The text of kiopsResource -> a tree. A bridge wrote the text, compact and without escapes but for
 * control characters, so it is read in one pass; whatever needs more goes to jansson, token by
 * token. 100,000 of these are read at every start.
 */
#include "directory/mapping.h"

/* Deeper than any resource: somebody else wrote it. */
#define DEPTH_MAX 16

struct reader {
    const char *at, *end;
    unsigned depth;
};

static json_t *read_any(struct reader *r);

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

enum plainness { PLAIN, NEEDS_CHECK, NEEDS_DECODING };

/* Steps over a string, `*text` between its quotes. */
static bool take_string(struct reader *r, struct str *text, enum plainness *plain)
{
    if (!take(r, '"'))
        return false;
    const char *start = r->at;
    *plain = PLAIN;
    for (; r->at < r->end && *r->at != '"'; r->at++) {
        unsigned char c = (unsigned char)*r->at;
        if (c < 0x20)
            return false;
        if (c >= 0x80 && *plain == PLAIN)
            *plain = NEEDS_CHECK;
        if (c == '\\') {
            *plain = NEEDS_DECODING;
            if (++r->at == r->end)
                return false;
        }
    }
    *text = (struct str){start, (size_t)(r->at - start)};
    return take(r, '"');
}

static json_t *read_string(struct reader *r)
{
    const char *start = r->at;
    struct str text;
    enum plainness plain;
    if (!take_string(r, &text, &plain))
        return NULL;
    if (plain == PLAIN)
        return json_stringn_nocheck(text.at, text.len);
    if (plain == NEEDS_CHECK)
        return json_stringn(text.at, text.len);
    return json_loadb(start, (size_t)(r->at - start), JSON_DECODE_ANY, NULL);
}

/* Numbers and the three words. */
static json_t *read_token(struct reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && *r->at != ',' && *r->at != '}' && *r->at != ']')
        r->at++;
    struct str token = {start, (size_t)(r->at - start)};
    if (str_eq(token, STR("true")))
        return json_true();
    if (str_eq(token, STR("false")))
        return json_false();
    return json_loadb(token.at, token.len, JSON_DECODE_ANY, NULL);
}

static bool read_member(struct reader *r, json_t *object)
{
    struct str name;
    enum plainness plain;
    size_t before = json_object_size(object);
    if (!take_string(r, &name, &plain) || plain != PLAIN || !take(r, ':'))
        return false;
    json_t *value = read_any(r);
    return value && json_object_setn_new_nocheck(object, name.at, name.len, value) == 0 &&
           json_object_size(object) > before; /* a name twice */
}

static bool read_item(struct reader *r, json_t *array)
{
    json_t *value = read_any(r);
    return value && json_array_append_new(array, value) == 0;
}

/* The rest of an object or array, behind its bracket. */
static json_t *read_container(struct reader *r, json_t *out, char close,
                              bool (*read_one)(struct reader *, json_t *))
{
    bool fine = ++r->depth <= DEPTH_MAX;
    if (fine && !take(r, close)) {
        do
            fine = read_one(r, out);
        while (fine && take(r, ','));
        fine = fine && take(r, close);
    }
    r->depth--;
    if (fine)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *read_any(struct reader *r)
{
    if (r->at < r->end && *r->at == '"')
        return read_string(r);
    if (take(r, '{'))
        return read_container(r, json_object(), '}', read_member);
    if (take(r, '['))
        return read_container(r, json_array(), ']', read_item);
    return read_token(r);
}

json_t *mapping_json(struct str text)
{
    struct reader r = {text.at, text.at + text.len, 0};
    json_t *value = read_any(&r);
    if (value && r.at == r.end)
        return value;
    json_decref(value);
    return NULL;
}
