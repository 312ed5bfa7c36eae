/* JSON is loaded strictly, read by type, and built so that invalid UTF-8 is noticed. */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/unicode.h"

void json_init(void)
{
    json_set_alloc_funcs(memory_new, free);
}

/* Our own bug or no memory: there is no answer to give. */
static void sure(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "kiops-bridge: json: %s\n", what);
    abort();
}

/* jansson's iterators take no const, though they change nothing. */
static json_t *unconst(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

/* What jansson would accept, or would only notice after building a tree. It knows just enough of
 * the grammar to tell strings from the rest. */
struct scan {
    const struct json_limits *limits;
    unsigned depth;
    size_t values;
    bool in_string;
};

static bool scan_opening(struct scan *s, struct error *err)
{
    if (++s->depth > s->limits->depth)
        return error_set(err, ERR_TOO_LARGE, "JSON is nested deeper than %u", s->limits->depth);
    return true;
}

static bool scan_byte(struct scan *s, struct cursor *c, struct error *err)
{
    char byte = *c->at++;
    if (s->in_string) {
        if (byte == '"')
            s->in_string = false;
        if (byte != '\\' || cursor_done(c))
            return true;
        struct str escape = {c->at, (size_t)(c->end - c->at)};
        if (str_starts(escape, STR("u0000")))
            return error_set(err, ERR_INVALID_VALUE, "a string holds U+0000");
        c->at++;
        return true;
    }
    if (byte == '"')
        s->in_string = true;
    if ((byte == '}' || byte == ']') && s->depth > 0)
        s->depth--;
    if ((byte == '{' || byte == '[') && !scan_opening(s, err))
        return false;
    /* Every value is an opening bracket, stands behind a comma, or is the first of its list. */
    bool another = byte == '{' || byte == '[' || byte == ',';
    if (another && ++s->values > s->limits->values && s->limits->values > 0)
        return error_set(err, ERR_TOO_LARGE, "JSON holds more than %zu values; send it in parts",
                         s->limits->values);
    return true;
}

static bool prescan(struct str text, const struct json_limits *limits, struct error *err)
{
    if (limits->bytes > 0 && text.len > limits->bytes)
        return error_set(err, ERR_TOO_LARGE, "JSON is longer than %zu bytes", limits->bytes);
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        return error_set(err, ERR_INVALID_SYNTAX, "JSON must not start with a byte order mark");
    struct scan scan = {.limits = limits};
    struct cursor c = cursor_of(text);
    while (!cursor_done(&c))
        if (!scan_byte(&scan, &c, err))
            return false;
    return true;
}

static struct str iter_name(void *iter)
{
    return (struct str){json_object_iter_key(iter), json_object_iter_key_len(iter)};
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int by_letters(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    size_t shared = x->len < y->len ? x->len : y->len;
    for (size_t i = 0; i < shared; i++) {
        int left = x->at[i] >= 'A' && x->at[i] <= 'Z' ? x->at[i] + 32 : x->at[i];
        int right = y->at[i] >= 'A' && y->at[i] <= 'Z' ? y->at[i] + 32 : y->at[i];
        if (left != right)
            return left - right;
    }
    return (x->len > y->len) - (x->len < y->len);
}

/* New array (free) of the names, sorted; NULL for an empty object. */
static struct str *sorted_names(const json_t *object, int (*order)(const void *, const void *))
{
    size_t n = json_object_size(object), i = 0;
    if (n == 0)
        return NULL;
    struct str *names = calloc(n, sizeof(*names));
    sure(names != NULL, "out of memory");
    json_t *o = unconst(object);
    for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
        names[i++] = iter_name(at);
    qsort(names, n, sizeof(*names), order);
    return names;
}

static bool names_unique(const json_t *object, struct error *err)
{
    size_t n = json_object_size(object);
    if (n < 2)
        return true;
    struct str *names = sorted_names(object, by_letters);
    bool unique = true;
    for (size_t i = 1; unique && i < n; i++)
        if (str_ieq(names[i - 1], names[i]))
            unique = error_set(err, ERR_INVALID_SYNTAX, "name \"%.60s\" stands twice in one object",
                               names[i].at);
    free(names);
    return unique;
}

/* The depth was checked before, so recursion is bounded by it. */
static bool all_names_unique(const json_t *value, struct error *err)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!all_names_unique(json_array_get(value, i), err))
                return false;
        return true;
    }
    if (!json_is_object(value))
        return true;
    json_t *o = unconst(value);
    for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
        if (!all_names_unique(json_object_iter_value(at), err))
            return false;
    return names_unique(value, err);
}

json_t *json_load_strict(struct str text, struct json_limits limits, struct error *err)
{
    if (!prescan(text, &limits, err))
        return NULL;
    json_error_t why;
    const char *bytes = text.len > 0 ? text.at : "";
    json_t *value = json_loadb(bytes, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!value) {
        /* jansson quotes the text near the fault, which may be a password. */
        char *near = strstr(why.text, " near ");
        if (near)
            *near = '\0';
        error_set(err, ERR_INVALID_SYNTAX, "JSON line %d, column %d: %s", why.line, why.column,
                  why.text);
        return NULL;
    }
    if (!all_names_unique(value, err)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

struct str json_str(const json_t *value)
{
    if (!json_is_string(value))
        return STR_NONE;
    return (struct str){json_string_value(value), json_string_length(value)};
}

struct str json_get_str(const json_t *object, const char *name)
{
    return json_str(json_object_get(object, name));
}

json_t *json_get_icase(const json_t *object, struct str name, const char **spelled)
{
    json_t *o = unconst(object);
    for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at)) {
        if (!str_ieq(iter_name(at), name))
            continue;
        if (spelled)
            *spelled = json_object_iter_key(at);
        return json_object_iter_value(at);
    }
    return NULL;
}

bool json_get_bool(const json_t *object, const char *name, bool fallback)
{
    const json_t *value = json_object_get(object, name);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *json_string_safe(struct str s)
{
    if (s.len == 0)
        s.at = "";
    size_t nul;
    json_t *value = str_find(s, '\0', &nul) ? NULL : json_stringn(s.at, s.len);
    if (value)
        return value;
    struct buf repaired;
    buf_init(&repaired, s.len * 3); /* each wrong byte becomes three */
    while (s.len > 0) {
        size_t width = *s.at ? utf8_width(s) : 0;
        if (width > 0)
            buf_add(&repaired, s.at, width);
        else
            BUF_LIT(&repaired, "\xEF\xBF\xBD");
        s = str_sub(s, width > 0 ? width : 1, s.len);
    }
    value = json_stringn(repaired.at, repaired.len);
    buf_free(&repaired);
    sure(value != NULL, "out of memory");
    return value;
}

void json_put(json_t *object, const char *name, json_t *value)
{
    sure(value != NULL, "no value to set");
    sure(json_object_set_new(object, name, value) == 0, "cannot set a member");
}

void json_put_str(json_t *object, const char *name, struct str value)
{
    json_put(object, name, json_string_safe(value));
}

void json_push(json_t *array, json_t *value)
{
    sure(value != NULL, "no value to append");
    sure(json_array_append_new(array, value) == 0, "cannot append");
}

json_t *json_copy_deep(const json_t *value)
{
    json_t *copy = json_deep_copy(value);
    sure(copy != NULL || !value, "out of memory");
    return copy;
}

static void write_value(const json_t *value, bool canonical, struct buf *out);

static void write_member(struct str name, const json_t *value, bool canonical, struct buf *out)
{
    buf_json_string(out, name);
    buf_char(out, ':');
    write_value(value, canonical, out);
}

static void write_sorted(const json_t *object, struct buf *out)
{
    struct str *names = sorted_names(object, by_bytes);
    for (size_t i = 0; i < json_object_size(object); i++) {
        if (i > 0)
            buf_char(out, ',');
        write_member(names[i], json_object_getn(object, names[i].at, names[i].len), true, out);
    }
    free(names);
}

static void write_object(const json_t *object, bool canonical, struct buf *out)
{
    buf_char(out, '{');
    if (canonical) {
        write_sorted(object, out);
    } else {
        json_t *o = unconst(object);
        bool first = true;
        for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at)) {
            if (!first)
                buf_char(out, ',');
            first = false;
            write_member(iter_name(at), json_object_iter_value(at), false, out);
        }
    }
    buf_char(out, '}');
}

static void write_array(const json_t *array, bool canonical, struct buf *out)
{
    buf_char(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            buf_char(out, ',');
        write_value(json_array_get(array, i), canonical, out);
    }
    buf_char(out, ']');
}

static void write_real(const json_t *value, struct buf *out)
{
    char text[64];
    size_t len = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY); /* 17 digits, no locale */
    buf_add(out, text, len);
}

/* Not json_dump: its check against loops costs a hash table entry for each container. */
static void write_value(const json_t *value, bool canonical, struct buf *out)
{
    sure(value != NULL, "no value to write");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(value, canonical, out);
        break;
    case JSON_ARRAY:
        write_array(value, canonical, out);
        break;
    case JSON_STRING:
        buf_json_string(out, json_str(value));
        break;
    case JSON_INTEGER:
        buf_fmt(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(value, out);
        break;
    case JSON_TRUE:
        BUF_LIT(out, "true");
        break;
    case JSON_FALSE:
        BUF_LIT(out, "false");
        break;
    case JSON_NULL:
        BUF_LIT(out, "null");
        break;
    }
}

void json_write(const json_t *value, struct buf *out)
{
    write_value(value, false, out);
}

void json_write_canonical(const json_t *value, struct buf *out)
{
    write_value(value, true, out);
}

static void drop(void *value)
{
    json_decref(value);
}

void json_keep(struct arena *a, json_t *value)
{
    arena_keep(a, value, drop);
}

/* Behind the string whose opening quote stands before `i`. */
static size_t behind_string(struct str text, size_t i)
{
    while (i < text.len) {
        const char *quote = memchr(text.at + i, '"', text.len - i);
        if (!quote)
            return text.len;
        size_t end = (size_t)(quote - text.at), slashes = 0;
        while (end - slashes > i && text.at[end - slashes - 1] == '\\')
            slashes++;
        i = end + 1;
        if (slashes % 2 == 0)
            break;
    }
    return i;
}

/* Behind the value that starts at `i`: at the comma or the closing bracket that follows it. */
static size_t behind_value(struct str text, size_t i)
{
    for (size_t depth = 0; i < text.len;) {
        char c = text.at[i];
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        i = c == '"' ? behind_string(text, i + 1) : i + 1;
    }
    return i;
}

bool json_text_next(struct str object, size_t *at, struct json_member *out)
{
    size_t from = *at ? *at : 1, name_len = 0;
    if (from + 1 >= object.len)
        return false;
    struct str rest = str_sub(object, from + 1, object.len);
    str_find(rest, '"', &name_len);
    size_t value = from + 1 + name_len + 2, end = behind_value(object, value);
    *out = (struct json_member){
        .name = str_sub(rest, 0, name_len),
        .value = str_sub(object, value, end - value),
        .text = str_sub(object, from, end - from),
    };
    *at = end + 1;
    return true;
}

bool json_text_item(struct str array, size_t *at, struct str *out)
{
    size_t from = *at ? *at : 1;
    if (from + 1 >= array.len)
        return false;
    size_t end = behind_value(array, from);
    *out = str_sub(array, from, end - from);
    *at = end + 1;
    return true;
}

struct str json_text_str(struct arena *a, struct str value)
{
    size_t escape;
    if (value.len < 2 || value.at[0] != '"')
        return STR_NONE;
    if (!str_find(value, '\\', &escape))
        return str_sub(value, 1, value.len - 2);
    json_t *decoded = json_loadb(value.at, value.len, JSON_DECODE_ANY, NULL);
    struct str text = arena_str(a, json_str(decoded));
    json_decref(decoded);
    return text;
}
