/* The files of the page, as they stand in src/console/ui. */
#include "console/internal.h"

#include <sodium.h>
#include <stdio.h>

#include "base/embed.h"

/* Everything under /ui/, in the order in which the version is made. */
#define FILES(each)                                                                                \
    each(style_css, "style.css", "text/css; charset=utf-8")                                        \
        each(icon_svg, "icon.svg", "image/svg+xml") each(main_js, "main.js", SCRIPT)               \
            each(dom_js, "dom.js", SCRIPT) each(api_js, "api.js", SCRIPT)                          \
                each(text_js, "text.js", SCRIPT) each(place_js, "place.js", SCRIPT)                \
                    each(table_js, "table.js", SCRIPT) each(login_js, "login.js", SCRIPT)          \
                        each(users_js, "users.js", SCRIPT) each(members_js, "members.js", SCRIPT)  \
                            each(changes_js, "changes.js", SCRIPT)                                 \
                                each(pending_js, "pending.js", SCRIPT) each(everyone_js,           \
                                                                            "everyone.js", SCRIPT) \
                                    each(permissions_js, "permissions.js", SCRIPT)                 \
                                        each(organization_js, "organization.js", SCRIPT)           \
                                            each(me_js, "me.js", SCRIPT) each(signup_js,           \
                                                                              "signup.js", SCRIPT) \
                                                each(en_json, "en.json", "application/json")       \
                                                    each(ko_json, "ko.json", "application/json")

#define SCRIPT "text/javascript; charset=utf-8"
#define FOLDER "src/console/ui/"

#define PUT_IN(symbol, name, type) EMBED(console_##symbol, FOLDER name);
FILES(PUT_IN)

#define DECLARE(symbol, name, type) extern const char console_##symbol[], console_##symbol##_end[];
FILES(DECLARE)

#define ADD(symbol, name, type)                                                                    \
    add(c, STR(name), type,                                                                        \
        (struct str){console_##symbol, (size_t)(console_##symbol##_end - console_##symbol)});

static void tag_of(struct str bytes, char out[17])
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes.at, bytes.len, NULL, 0);
    sodium_bin2hex(out, 17, hash, 8);
}

static void add(struct console *c, struct str name, const char *type, struct str bytes)
{
    char tag[17];
    struct console_file *f = &c->files[c->file_count++];
    *f = (struct console_file){.name = name, .type = type, .bytes = bytes};
    tag_of(bytes, tag);
    snprintf(f->tag, sizeof f->tag, "\"%s\"", tag);
}

void console_files_load(struct console *c)
{
    char all[CONSOLE_FILES * sizeof c->files[0].tag] = "";
    size_t len = 0;
    FILES(ADD)
    for (size_t i = 0; i < c->file_count; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s", c->files[i].tag);
    tag_of((struct str){all, len}, c->version);
}

const struct console_file *console_file(const struct console *c, struct str name)
{
    for (size_t i = 0; i < c->file_count; i++)
        if (str_eq(c->files[i].name, name))
            return &c->files[i];
    return NULL;
}

struct str console_version(const struct console *c)
{
    return str_of(c->version);
}
