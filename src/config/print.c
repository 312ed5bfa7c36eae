/* A configuration as it is in force, for a report: no secret stands in it, and nobody's name. */
#include <string.h>

#include "base/json.h"
#include "config/internal.h"

/* Their paths are told to everybody who asks: addresses of ours, and of public keys. Any other's
 * may be all that its caller has to know (a hook of a chat). */
static const char *const OPEN_PATHS[] = {"server.public_url", "directory.uris", "auth.oidc.issuer",
                                         "auth.oidc.jwks_uri"};

static bool has_open_path(const struct config_key *k)
{
    for (size_t i = 0; i < sizeof OPEN_PATHS / sizeof *OPEN_PATHS; i++)
        if (strcmp(k->path, OPEN_PATHS[i]) == 0)
            return true;
    return false;
}

/* `https://user:password@host/path?key=...`: scheme, host and, where it is open, path. */
static struct str without_secrets(struct arena *a, const struct config_key *k, struct str text)
{
    size_t colon, query, at;
    if (!str_find(text, ':', &colon) || !str_starts(str_sub(text, colon, text.len), STR("://")))
        return text;
    struct str scheme = str_sub(text, 0, colon + 3), rest = str_sub(text, colon + 3, text.len);
    if (str_find(rest, '?', &query))
        rest.len = query;
    struct str host = rest, path = STR("");
    size_t slash;
    if (str_find(rest, '/', &slash)) {
        host = str_sub(rest, 0, slash);
        path = has_open_path(k) ? str_sub(rest, slash, rest.len) : STR("/...");
    }
    if (str_rfind(host, '@', &at))
        host = str_sub(host, at + 1, host.len);
    return arena_fmt(a, STR_FMT STR_FMT STR_FMT, STR_ARG(scheme), STR_ARG(host), STR_ARG(path));
}

static json_t *text_json(const struct config_key *k, struct str text)
{
    struct arena *a = arena_new();
    json_t *out = json_string_safe(without_secrets(a, k, text));
    arena_free(a);
    return out;
}

static int64_t number_at(const char *field, size_t size)
{
    int64_t wide = 0;
    int narrow = 0;
    bool flag = false;
    if (size == sizeof wide)
        memcpy(&wide, field, size);
    if (size == sizeof narrow)
        memcpy(&narrow, field, size);
    if (size == sizeof flag)
        memcpy(&flag, field, size);
    return size == sizeof wide ? wide : size == sizeof narrow ? narrow : flag;
}

static json_t *word_json(const struct config_key *k, int64_t value)
{
    for (const struct config_word *w = k->words; w && w->name; w++)
        if (w->value == value)
            return json_string(w->name);
    return json_integer(value);
}

static json_t *list_json(const struct config_key *k, const char *field)
{
    struct config_strings list;
    memcpy(&list, field, sizeof list);
    if (strcmp(k->path, "directory.protected") == 0) /* they name people */
        return json_integer((json_int_t)list.count);
    json_t *out = json_array();
    for (size_t i = 0; i < list.count; i++)
        json_push(out, text_json(k, list.at[i]));
    return out;
}

/* New; NULL for what has no value of its own. */
static json_t *value_json(const struct config_key *k, const char *base)
{
    const char *field = base + k->offset;
    struct str text;
    switch (k->type) {
    case CONFIG_BOOL:
        return json_boolean(number_at(field, k->size));
    case CONFIG_NUMBER:
        return json_integer(number_at(field, k->size));
    case CONFIG_WORD:
        return word_json(k, number_at(field, k->size));
    case CONFIG_LIST:
        return list_json(k, field);
    case CONFIG_TEXT:
    case CONFIG_FILE:
        if (k->size != sizeof text)
            return NULL;
        memcpy(&text, field, sizeof text);
        return text_json(k, text);
    case CONFIG_GROUP:
    case CONFIG_GROUPS:
        return NULL;
    }
    return NULL;
}

/* What the keys with this prefix hold, `base` being the struct or the element of a list. */
static json_t *keys_json(const char *prefix, const char *base)
{
    json_t *out = json_object();
    size_t len = strlen(prefix);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        if (!k->size || strncmp(k->path, prefix, len) != 0 || strchr(k->path + len, '['))
            continue;
        json_t *value = value_json(k, base);
        if (value)
            json_put(out, k->path + len, value);
    }
    return out;
}

json_t *config_json(const struct config *c)
{
    json_t *out = keys_json("", (const char *)c), *rows = json_array();
    for (size_t i = 0; i < c->mapping.user_count; i++)
        json_push(rows, keys_json("mapping.user[].", (const char *)&c->mapping.user[i]));
    json_put(out, "mapping.user", rows);
    return out;
}
