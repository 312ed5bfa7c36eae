/* Text of filters and distinguished names: RFC 4515 and RFC 4514. */
#include <string.h>

#include "base/unicode.h"
#include "directory/internal.h"

#define KEY_MAX ((size_t)1 << 20)
#define PLAIN_MAX 512
#define RDN_PARTS_MAX 8

static const char hex_digits[] = "0123456789abcdef";

static bool is_special(char c)
{
    return c == ',' || c == '+' || c == '"' || c == '\\' || c == '<' || c == '>' || c == ';';
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_type_char(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '-' || c == '.';
}

/* ---- escaping */

struct escaped {
    char *at;
    size_t len;
};

static void escaped_byte(struct escaped *e, char c)
{
    e->at[e->len++] = '\\';
    e->at[e->len++] = hex_digits[(unsigned char)c >> 4];
    e->at[e->len++] = hex_digits[(unsigned char)c & 15];
}

struct str directory_filter_value(struct arena *a, struct str raw)
{
    struct escaped e = {arena_alloc(a, 3 * raw.len + 1), 0};
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        if (c == '*' || c == '(' || c == ')' || c == '\\' || c == 0)
            escaped_byte(&e, c);
        else
            e.at[e.len++] = c;
    }
    return (struct str){e.at, e.len};
}

struct str directory_dn_value(struct arena *a, struct str raw)
{
    struct escaped e = {arena_alloc(a, 3 * raw.len + 1), 0};
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        bool edge = (c == ' ' && (i == 0 || i + 1 == raw.len)) || (c == '#' && i == 0);
        if (edge || is_special(c) || is_control(c) || c == '=')
            escaped_byte(&e, c);
        else
            e.at[e.len++] = c;
    }
    return (struct str){e.at, e.len};
}

static bool is_small_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The directory would compare without case; whoever is named in capitals must not count as somebody
 * else to the rules. */
bool directory_is_uuid(struct str id)
{
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? id.at[i] != '-' : !is_small_hex(id.at[i]))
            return false;
    }
    return true;
}

/* ---- the key: fast path */

/* One value without escapes, non-ASCII or spaces that need squeezing; its key has the same length.
 */
static bool plain_value(struct str dn, char *out, size_t *at)
{
    size_t i = *at;
    char before = ' ';
    for (; i < dn.len && dn.at[i] != ','; i++) {
        char c = dn.at[i];
        bool odd = is_special(c) || is_control(c) || (unsigned char)c > 0x7e;
        if (odd || (c == ' ' && before == ' ') || (c == '#' && i == *at))
            return false;
        out[i] = lower(c);
        before = c;
    }
    if (before == ' ')
        return false;
    *at = i;
    return true;
}

/* Nearly every DN is short plain ASCII: this runs once for each member of each group at start. */
static bool plain_key(struct str dn, char *out)
{
    size_t i = 0;
    for (;;) {
        size_t start = i;
        for (; i < dn.len && is_type_char(dn.at[i]) && dn.at[i] != '.'; i++)
            out[i] = lower(dn.at[i]);
        /* Long names and numbers may be another spelling of a short name. */
        if (i == start || i - start > 5 || is_digit(dn.at[start]))
            return false;
        if (i == dn.len || dn.at[i] != '=')
            return false;
        out[i++] = '=';
        if (!plain_value(dn, out, &i))
            return false;
        if (i == dn.len)
            return true;
        out[i++] = ',';
    }
}

/* ---- the key: whole grammar */

static const struct {
    const char *spelled, *name;
} aliases[] = {
    {"2.5.4.3", "cn"},
    {"commonname", "cn"},
    {"2.5.4.4", "sn"},
    {"surname", "sn"},
    {"2.5.4.6", "c"},
    {"countryname", "c"},
    {"2.5.4.7", "l"},
    {"localityname", "l"},
    {"2.5.4.10", "o"},
    {"organizationname", "o"},
    {"2.5.4.11", "ou"},
    {"organizationalunitname", "ou"},
    {"0.9.2342.19200300.100.1.1", "uid"},
    {"userid", "uid"},
    {"0.9.2342.19200300.100.1.3", "mail"},
    {"rfc822mailbox", "mail"},
    {"0.9.2342.19200300.100.1.25", "dc"},
    {"domaincomponent", "dc"},
};

static bool take_type(struct cursor *c, struct buf *out)
{
    cursor_spaces(c);
    struct str type = {c->at, 0};
    while (!cursor_done(c) && is_type_char(cursor_peek(c)))
        c->at++;
    type.len = (size_t)(c->at - type.at);
    cursor_spaces(c);
    if (type.len == 0 || !cursor_take(c, '='))
        return false;
    if (str_istarts(type, STR("oid.")))
        type = str_sub(type, 4, type.len);
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (str_ieq(type, str_of(aliases[i].spelled)))
            type = str_of(aliases[i].name);
    for (size_t i = 0; i < type.len; i++)
        buf_char(out, lower(type.at[i]));
    buf_char(out, '=');
    return true;
}

static bool take_hex_pair(struct cursor *c, char *out)
{
    if (c->end - c->at < 2 || hex_value(c->at[0]) < 0 || hex_value(c->at[1]) < 0)
        return false;
    *out = (char)(hex_value(c->at[0]) * 16 + hex_value(c->at[1]));
    c->at += 2;
    return true;
}

/* RFC 4514 2.4: `#` and the BER of the value in hex. Of the string types only the content counts.
 */
static bool take_hex_value(struct cursor *c, struct buf *raw)
{
    char byte;
    while (take_hex_pair(c, &byte))
        buf_char(raw, byte);
    cursor_spaces(c);
    if (raw->len < 2)
        return false;
    char tag = raw->at[0];
    bool is_string = tag == 0x04 || tag == 0x0c || tag == 0x13 || tag == 0x16;
    if (is_string && (size_t)(unsigned char)raw->at[1] == raw->len - 2) {
        memmove(raw->at, raw->at + 2, raw->len - 2);
        raw->len -= 2;
    }
    return true;
}

/* The bytes of one value without its escapes; stops before the separator. */
static bool take_value(struct cursor *c, struct buf *raw)
{
    cursor_spaces(c);
    if (cursor_take(c, '#'))
        return take_hex_value(c, raw);
    for (; !cursor_done(c); c->at++) {
        char one = cursor_peek(c);
        if (one == ',' || one == '+' || one == ';')
            break;
        if (one != '\\') {
            buf_char(raw, one);
            continue;
        }
        c->at++;
        if (cursor_done(c))
            return false;
        char byte = cursor_peek(c);
        if (take_hex_pair(c, &byte))
            c->at--;
        buf_char(raw, byte);
    }
    return true;
}

static void add_folded(struct buf *out, struct str raw)
{
    OWNED_BUF struct buf folded;
    buf_init(&folded, KEY_MAX);
    unicode_key_to(&folded, raw);
    for (size_t i = 0; i < folded.len; i++) {
        char c = folded.at[i];
        if (is_special(c) || is_control(c) || (c == '#' && i == 0))
            buf_fmt(out, "\\%02x", (unsigned)(unsigned char)c);
        else
            buf_char(out, c);
    }
}

static bool take_part(struct cursor *c, struct buf *out)
{
    OWNED_BUF struct buf raw;
    buf_init(&raw, KEY_MAX);
    if (!take_type(c, out) || !take_value(c, &raw))
        return false;
    add_folded(out, buf_view(&raw));
    return true;
}

/* One RDN: its parts have no order, so the key sorts them. */
static bool take_rdn(struct cursor *c, struct buf *out)
{
    struct buf parts[RDN_PARTS_MAX];
    size_t n = 0;
    bool good = true;
    do {
        buf_init(&parts[n], KEY_MAX);
        good = take_part(c, &parts[n]);
        n++;
    } while (good && n < RDN_PARTS_MAX && cursor_take(c, '+'));
    for (size_t i = 1; i < n; i++) {
        struct buf one = parts[i];
        size_t at = i;
        for (; at > 0 && str_cmp(buf_view(&parts[at - 1]), buf_view(&one)) > 0; at--)
            parts[at] = parts[at - 1];
        parts[at] = one;
    }
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(out, '+');
        buf_str(out, buf_view(&parts[i]));
        buf_free(&parts[i]);
    }
    return good;
}

static bool whole_key(struct str dn, struct buf *out)
{
    struct cursor c = cursor_of(dn);
    for (;;) {
        if (!take_rdn(&c, out))
            return false;
        if (cursor_done(&c))
            return true;
        if (!cursor_take(&c, ',') && !cursor_take(&c, ';'))
            return false;
        buf_char(out, ',');
    }
}

void directory_dn_key_to(struct buf *out, struct str dn)
{
    char plain[PLAIN_MAX];
    if (dn.len == 0)
        return;
    if (dn.len <= sizeof plain && plain_key(dn, plain)) {
        buf_add(out, plain, dn.len);
        return;
    }
    OWNED_BUF struct buf key;
    buf_init(&key, KEY_MAX);
    if (!whole_key(dn, &key)) {
        /* Not a DN: equal to itself only. No key of a DN begins with a backslash. */
        buf_clear(&key);
        buf_char(&key, '\\');
        buf_str(&key, dn);
    }
    buf_str(out, buf_view(&key));
}

struct str directory_dn_key(struct arena *a, struct str dn)
{
    char *plain = arena_alloc(a, dn.len + 1);
    if (plain_key(dn, plain))
        return (struct str){plain, dn.len};
    OWNED_BUF struct buf key;
    buf_init(&key, KEY_MAX);
    directory_dn_key_to(&key, dn);
    return arena_str(a, buf_view(&key));
}

struct str directory_dn_parent(struct str dn)
{
    for (size_t i = 0; i < dn.len; i++) {
        if (dn.at[i] == '\\')
            i++;
        else if (dn.at[i] == ',' || dn.at[i] == ';')
            return str_trim(str_sub(dn, i + 1, dn.len));
    }
    return STR_NONE;
}

bool directory_is_below(struct str key, struct str top)
{
    return str_ends(key, top) &&
           (top.len == 0 || key.len == top.len || key.at[key.len - top.len - 1] == ',');
}

bool directory_is_protected(const struct directory *d, struct str dn)
{
    if (directory_is_proof(dn))
        return true;
    if (d->protected_count == 0)
        return false;
    OWNED_BUF struct buf key;
    buf_init(&key, KEY_MAX);
    directory_dn_key_to(&key, dn);
    for (size_t i = 0; i < d->protected_count; i++)
        if (directory_is_below(buf_view(&key), d->protected_keys[i]))
            return true;
    return false;
}

bool directory_is_applicant(const struct directory *d, struct str dn)
{
    if (d->signup_key.len == 0)
        return false;
    OWNED_BUF struct buf key;
    buf_init(&key, KEY_MAX);
    directory_dn_key_to(&key, dn);
    return directory_is_below(buf_view(&key), d->signup_key);
}
