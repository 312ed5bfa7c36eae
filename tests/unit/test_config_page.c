/* kiops-bridge.conf(5) names every key of the grammar with its type, bounds and default, and no
 * other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/own.h"
#include "config/internal.h"

#define PAGE "conf/man/kiops-bridge.conf.5"

static void add_words(const struct config_word *words, struct buf *out)
{
    buf_fmt(out, "one of ");
    for (const struct config_word *w = words; w->name; w++)
        buf_fmt(out, "%s%s", w == words ? "" : ", ", w->name);
}

static void add_type(const struct config_key *k, struct buf *out)
{
    static const char *const names[] = {
        [CONFIG_GROUP] = "group",        [CONFIG_GROUPS] = "list of groups",
        [CONFIG_BOOL] = "true or false", [CONFIG_NUMBER] = "number",
        [CONFIG_TEXT] = "text",          [CONFIG_FILE] = "file",
        [CONFIG_LIST] = "list of texts", [CONFIG_WORD] = "",
    };
    if (k->words)
        add_words(k->words, out);
    else
        buf_fmt(out, "%s", names[k->type]);
    if (k->type == CONFIG_NUMBER)
        buf_fmt(out, ", %lld to %lld", (long long)k->min, (long long)k->max);
}

static void add_items(struct str items, struct buf *out)
{
    struct str item;
    if (!items.len)
        buf_fmt(out, " none");
    while (str_split(&items, ' ', &item))
        buf_fmt(out, " \"" STR_FMT "\"", STR_ARG(item));
}

static void add_default(const struct config_key *k, struct buf *out)
{
    if (k->type == CONFIG_GROUP || k->type == CONFIG_GROUPS)
        return;
    if (k->type != CONFIG_BOOL && k->type != CONFIG_NUMBER && !k->text) {
        buf_fmt(out, "; must be given");
        return;
    }
    buf_fmt(out, "; default");
    if (k->type == CONFIG_BOOL)
        buf_fmt(out, " %s", k->number ? "true" : "false");
    else if (k->type == CONFIG_NUMBER)
        buf_fmt(out, " %lld", (long long)k->number);
    else if (k->type == CONFIG_LIST)
        add_items(str_of(k->text), out);
    else
        buf_fmt(out, " \"%s\"", k->text);
}

/* What stands below the key's name. */
static void add_line(const struct config_key *k, struct buf *out)
{
    add_type(k, out);
    add_default(k, out);
    buf_fmt(out, ".");
}

static void read_page(struct buf *text)
{
    char chunk[8192];
    FILE *page = fopen(PAGE, "re");
    assert_non_null(page);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, page)) > 0;)
        buf_add(text, chunk, n);
    fclose(page);
}

/* The next line that follows ".TP" is a name in bold, the one below it what we compare. */
static bool next_entry(struct str *page, struct str *name, struct str *line)
{
    struct str at;
    while (str_split(page, '\n', &at)) {
        if (!str_eq(at, STR(".TP")))
            continue;
        struct str bold;
        if (!str_split(page, '\n', &bold) || !str_starts(bold, STR(".B ")))
            continue;
        *name = str_sub(bold, 3, bold.len);
        return str_split(page, '\n', line);
    }
    return false;
}

static void the_page_names_every_key_and_no_other(void **state)
{
    (void)state;
    OWNED_BUF struct buf text;
    buf_init(&text, 1 << 20);
    read_page(&text);
    struct str page = buf_view(&text), name, line;
    for (size_t i = 0; i < config_key_count; i++) {
        OWNED_BUF struct buf wanted;
        buf_init(&wanted, 1 << 16);
        add_line(&config_keys[i], &wanted);
        if (!next_entry(&page, &name, &line))
            fail_msg("%s: %s is missing: %s", PAGE, config_keys[i].path, wanted.at);
        if (!str_eq(name, str_of(config_keys[i].path)) || !str_eq(line, buf_view(&wanted)))
            fail_msg("%s: below " STR_FMT " stands \"" STR_FMT "\"; the grammar has %s: \"%s\"",
                     PAGE, STR_ARG(name), STR_ARG(line), config_keys[i].path, wanted.at);
    }
    if (next_entry(&page, &name, &line))
        fail_msg("%s: there is no key " STR_FMT, PAGE, STR_ARG(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_names_every_key_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
