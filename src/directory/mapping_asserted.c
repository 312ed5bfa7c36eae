/*
 * kiopsResource: what clients asserted, beside what LDAP attributes hold.
 *
 *   {"v":1, "r":{the resource}, "f":{"sn":"ann"}, "h":"<version>", "t":"<RFC 3339>",
 * "m":"<marker>", "u":"<e-mail>"}
 *
 * r  stored attributes, arrays in their order; also the last asserted value of mapped ones
 * f  LDAP values that nobody asserted: the class demands the attribute. Hidden while they stand
 * h  version of the content whose last change was at t; without t when the entry was made
 * m  marker of the request that wrote it
 * u  e-mail that somebody gave who signed up: shown while they wait for approval, gone with the
 *    first change after it
 */
#include <stdlib.h>

#include "base/hash.h"
#include "directory/mapping.h"

#define TEXT_MAX ((size_t)64 << 20)

static json_t *object_member(const json_t *doc, const char *name)
{
    json_t *value = json_object_get(doc, name);
    return json_is_object(value) ? value : NULL;
}

void mapping_asserted_read(struct arena *a, struct str bytes, struct mapping_asserted *out)
{
    *out = (struct mapping_asserted){0};
    if (bytes.len == 0)
        return;
    json_t *doc = mapping_json(bytes);
    if (!doc)
        return;
    json_keep(a, doc);
    if (json_integer_value(json_object_get(doc, "v")) != 1)
        return;
    *out = (struct mapping_asserted){
        .resource = object_member(doc, "r"),
        .filled = object_member(doc, "f"),
        .hash = json_get_str(doc, "h"),
        .time = json_get_str(doc, "t"),
        .marker = json_get_str(doc, "m"),
        .given_mail = json_get_str(doc, "u"),
    };
}

static void write_text(struct buf *out, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    buf_fmt(out, ",\"%s\":", name);
    buf_json_string(out, value);
}

struct str mapping_asserted_write(struct arena *a, const struct mapping_asserted *asserted)
{
    OWNED_BUF struct buf out;
    buf_init(&out, TEXT_MAX);
    BUF_LIT(&out, "{\"v\":1");
    if (asserted->resource) {
        BUF_LIT(&out, ",\"r\":");
        json_write(asserted->resource, &out);
    }
    if (json_object_size(asserted->filled) > 0) {
        BUF_LIT(&out, ",\"f\":");
        json_write(asserted->filled, &out);
    }
    write_text(&out, "h", asserted->hash);
    write_text(&out, "t", asserted->time);
    write_text(&out, "m", asserted->marker);
    write_text(&out, "u", asserted->given_mail);
    buf_char(&out, '}');
    return arena_str(a, buf_view(&out));
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

uint64_t mapping_content(struct arena *a, const json_t *resource,
                         const struct directory_values *external_ids)
{
    OWNED_BUF struct buf text;
    buf_init(&text, TEXT_MAX);
    json_write_canonical(resource, &text);
    /* The directory may give the values of an attribute in any order. */
    struct str *sorted = ARENA_ARRAY(a, struct str, external_ids->count);
    for (size_t i = 0; i < external_ids->count; i++)
        sorted[i] = external_ids->at[i];
    if (external_ids->count > 1)
        qsort(sorted, external_ids->count, sizeof(*sorted), by_bytes);
    for (size_t i = 0; i < external_ids->count; i++)
        buf_json_string(&text, sorted[i]);
    return hash_content(text.at, text.len);
}

void mapping_version(struct arena *a, const json_t *resource,
                     const struct directory_values *external_ids, char out[17])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t content = mapping_content(a, resource, external_ids);
    for (size_t i = 0; i < 16; i++)
        out[i] = digits[content >> (60 - 4 * i) & 15];
    out[16] = '\0';
}
