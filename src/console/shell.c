/* The one HTML page: page.html with what this browser and this session have put in. */
#include "console/internal.h"

#include "base/embed.h"
#include "base/json.h"
#include "base/own.h"

EMBED(console_page, "src/console/ui/page.html");
extern const char console_page[], console_page_end[];

#define SHELL_MAX ((size_t)64 * 1024)
#define SESSION_MAX 4096

/* Into an attribute's value between double quotes. */
static void put_attribute(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '"')
            BUF_LIT(out, "&quot;");
        else if (c == '&')
            BUF_LIT(out, "&amp;");
        else if (c == '<')
            BUF_LIT(out, "&lt;");
        else
            buf_char(out, c);
    }
}

/* What the modules are told, so that they need not ask: in the page's <meta name="kiops">. */
static struct str session_json(const struct console *c, struct arena *a,
                               const struct console_shell *s)
{
    OWNED_BUF struct buf text;
    OWNED_JSON json_t *o = json_object();
    json_t *languages = json_array();
    buf_init(&text, SESSION_MAX);
    json_put(o, "status", json_integer(s->status));
    json_put_str(o, "user", s->user);
    json_put_str(o, "csrf", s->csrf);
    json_put(o, "manager", json_boolean(s->manager));
    if (s->admin)
        json_put(o, "admin", json_true());
    if (s->organization.len)
        json_put_str(o, "organization", s->organization);
    json_put(o, "signup", json_boolean(s->signup));
    json_put(o, "oidc", json_boolean(s->oidc));
    for (size_t i = 0; i < c->config->console.languages.count; i++)
        json_push(languages, json_string_safe(c->config->console.languages.at[i]));
    json_put(o, "languages", languages);
    json_write(o, &text);
    return arena_str(a, buf_view(&text));
}

struct str console_shell(const struct console *c, struct arena *a, const struct console_shell *s)
{
    const struct {
        struct str name, value;
    } places[] = {{STR("language"), s->language},
                  {STR("version"), str_of(c->version)},
                  {STR("session"), session_json(c, a, s)}};
    struct str rest = {console_page, (size_t)(console_page_end - console_page)};
    struct str part;
    OWNED_BUF struct buf out;
    buf_init(&out, SHELL_MAX);
    /* `$name$`: the page has no other dollar sign. */
    for (bool inside = false; str_split(&rest, '$', &part); inside = !inside) {
        if (!inside)
            buf_str(&out, part);
        for (size_t i = 0; inside && i < sizeof places / sizeof *places; i++)
            if (str_eq(part, places[i].name))
                put_attribute(&out, places[i].value);
    }
    return arena_str(a, buf_view(&out));
}

/* ---- the language */

/* "q=0.8" as 800; anything else as 1000. */
static int quality_of(struct str parameter)
{
    parameter = str_trim(parameter);
    if (!str_istarts(parameter, STR("q=")) || parameter.len < 3)
        return 1000;
    if (parameter.at[2] == '1')
        return 1000;
    int quality = 0, unit = 100;
    for (size_t i = 4; i < parameter.len && unit; i++, unit /= 10)
        quality +=
            parameter.at[i] >= '0' && parameter.at[i] <= '9' ? (parameter.at[i] - '0') * unit : 0;
    return quality;
}

/* "ko-KR" speaks of ko. */
static bool speaks_of(struct str range, struct str language)
{
    return str_istarts(range, language) &&
           (range.len == language.len || range.at[language.len] == '-');
}

struct str console_language(const struct console *c, struct str accept_language)
{
    const struct config_strings *have = &c->config->console.languages;
    struct str best = have->at[0], one, range;
    int most = 0;
    while (str_split(&accept_language, ',', &one)) {
        one = str_trim(one);
        if (!str_split(&one, ';', &range))
            continue;
        int quality = quality_of(one);
        for (size_t i = 0; i < have->count && quality > most; i++) {
            if (speaks_of(str_trim(range), have->at[i])) {
                best = have->at[i];
                most = quality;
            }
        }
    }
    return best;
}
