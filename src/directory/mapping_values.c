/* Values: what LDAP takes, when two are one, and which of several counts. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/own.h"
#include "base/unicode.h"
#include "directory/mapping.h"

static bool is_ia5(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] >= 0x80)
            return false;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* RFC 4517 3.2 PrintableString. */
static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (!is_letter(c) && (c == '\0' || !strchr("0123456789'()+,-./:? =", c)))
            return false;
    }
    return true;
}

static bool is_blank(struct str s, const char *blanks)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '\0' || !strchr(blanks, s.at[i]))
            return false;
    return true;
}

static bool storable_text(enum mapping_syntax syntax, struct str s)
{
    switch (syntax) {
    case MAPPING_TEXT:
        return !is_blank(s, " ") && utf8_valid(s) && !memchr(s.at, '\0', s.len);
    case MAPPING_IA5:
        return !is_blank(s, " ") && is_ia5(s);
    case MAPPING_PHONE:
        return !is_blank(s, " -") && is_printable(s);
    case MAPPING_COUNTRY:
        return s.len == 2 && is_letter(s.at[0]) && is_letter(s.at[1]);
    case MAPPING_BOOLEAN:
    case MAPPING_INTEGER:
    case MAPPING_TIME:
    case MAPPING_BYTES:
        return false;
    }
    return false;
}

static bool storable_bytes(struct str text)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str bytes;
    return base64_decode(a, text, &bytes) && bytes.len > 0;
}

bool mapping_storable(const struct mapping_row *row, const json_t *value)
{
    if (!value || row->read_only)
        return false;
    if (row->syntax == MAPPING_BOOLEAN)
        return json_is_boolean(value);
    if (row->syntax == MAPPING_INTEGER)
        return json_is_integer(value);
    instant_t at;
    if (row->syntax == MAPPING_TIME)
        return clock_parse_rfc3339(json_str(value), &at);
    if (row->syntax == MAPPING_BYTES)
        return json_is_string(value) && storable_bytes(json_str(value));
    return json_is_string(value) && storable_text(row->syntax, json_str(value));
}

static struct str time_text(struct arena *a, instant_t at)
{
    char text[CLOCK_TEXT_MAX];
    return arena_str(a, clock_generalized(at, text));
}

struct str mapping_text(struct arena *a, const struct mapping_row *row, const json_t *value)
{
    instant_t at;
    struct str bytes;
    if (json_is_boolean(value))
        return json_is_true(value) ? STR("TRUE") : STR("FALSE");
    if (json_is_integer(value))
        return arena_fmt(a, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (row->syntax == MAPPING_TIME)
        return clock_parse_rfc3339(json_str(value), &at) ? time_text(a, at) : STR_NONE;
    if (row->syntax == MAPPING_BYTES)
        return base64_decode(a, json_str(value), &bytes) ? bytes : STR_NONE;
    return json_str(value);
}

static json_t *number_value(struct str text)
{
    int64_t number;
    return str_to_i64(text, &number) ? json_integer(number) : NULL;
}

static json_t *boolean_value(struct str text)
{
    bool yes = str_ieq(text, STR("TRUE"));
    return yes || str_ieq(text, STR("FALSE")) ? json_boolean(yes) : NULL;
}

/* Another program may have written RFC 3339 into an attribute that takes any text. */
static bool read_time(struct str text, instant_t *at)
{
    return clock_parse_generalized(text, at) || clock_parse_rfc3339(text, at);
}

static json_t *time_value(struct str text)
{
    instant_t at;
    char shown[CLOCK_TEXT_MAX];
    return read_time(text, &at) ? json_string_safe(clock_rfc3339(at, shown)) : NULL;
}

json_t *mapping_value(struct arena *a, const struct mapping_row *row, struct str text,
                      json_t *asserted)
{
    if (row->syntax == MAPPING_BOOLEAN)
        return boolean_value(text);
    if (row->syntax == MAPPING_INTEGER)
        return number_value(text);
    if (text.len == 0)
        return NULL;
    if (json_is_string(asserted) && str_eq(mapping_text(a, row, asserted), text))
        return json_incref(asserted);
    if (row->syntax == MAPPING_TIME)
        return time_value(text);
    return json_string_safe(row->syntax == MAPPING_BYTES ? base64_encode(a, text) : text);
}

/* telephoneNumberMatch: blanks and hyphens do not count. */
static struct str phone_key(struct arena *a, struct str text)
{
    char *key = arena_alloc(a, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c != ' ' && c != '-')
            key[len++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return (struct str){key, len};
}

struct str mapping_key(struct arena *a, const struct mapping_row *row, struct str text)
{
    instant_t at;
    if (row->syntax == MAPPING_BYTES)
        return text;
    if (row->syntax == MAPPING_TIME && read_time(text, &at))
        return time_text(a, at);
    return row->syntax == MAPPING_PHONE ? phone_key(a, text) : unicode_key(a, text);
}

ptrdiff_t mapping_find(struct arena *a, const struct mapping_row *row,
                       const struct directory_attr *values, struct str text)
{
    for (size_t i = 0; i < values->count; i++)
        if (str_eq(values->values[i], text))
            return (ptrdiff_t)i;
    struct str key = mapping_key(a, row, text);
    for (size_t i = 0; i < values->count; i++)
        if (str_eq(mapping_key(a, row, values->values[i]), key))
            return (ptrdiff_t)i;
    return -1;
}

struct str mapping_shown(struct arena *a, const struct mapping_row *row, struct str dn,
                         const struct directory_attr *values, const json_t *asserted)
{
    if (values->count == 1)
        return values->values[0];
    struct str wanted = asserted ? mapping_text(a, row, asserted) : STR_NONE;
    if (row->names_entry) {
        bool shared;
        struct str name = mapping_rdn_value(a, dn, row->ldap, &shared);
        if (name.at)
            wanted = name;
    }
    ptrdiff_t found = wanted.at ? mapping_find(a, row, values, wanted) : -1;
    return values->values[found < 0 ? 0 : found];
}

const json_t *mapping_item_value(const json_t *item)
{
    return json_is_object(item) ? json_object_get(item, "value") : item;
}

const struct mapping_row *mapping_item_row(const struct mapping_attr *attr, const json_t *item)
{
    struct str type = json_get_str(item, "type");
    for (size_t i = 0; type.len && i < attr->row_count; i++)
        if (str_ieq(attr->rows[i].type, type))
            return &attr->rows[i];
    return &attr->rows[0];
}

size_t mapping_mapped_item(const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++)
        if (json_is_true(json_object_get(json_array_get(items, i), "primary")))
            return i;
    return 0;
}

json_t *mapping_member(const json_t *object, struct str name)
{
    return object ? json_object_getn(object, name.at, name.len) : NULL;
}

void mapping_put(json_t *object, struct str name, json_t *value)
{
    bool container = json_is_array(value) || json_is_object(value);
    if (!value || (container && json_array_size(value) + json_object_size(value) == 0) ||
        json_is_null(value))
        json_decref(value);
    else if (json_object_setn_new_nocheck(object, name.at, name.len, value) != 0)
        memory_out(); /* no memory */
}

static bool is_ours(const json_t *role)
{
    return str_ieq(json_get_str(role, "type"), STR("kiops"));
}

json_t *mapping_foreign(json_t *roles)
{
    size_t n = json_array_size(roles), ours = 0;
    for (size_t i = 0; i < n; i++)
        ours += is_ours(json_array_get(roles, i));
    if (ours == 0 || ours == n)
        return ours ? NULL : json_incref(roles);
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        if (!is_ours(json_array_get(roles, i)))
            json_push(out, json_incref(json_array_get(roles, i)));
    return out;
}
