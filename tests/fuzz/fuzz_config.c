/*
 * Any bytes as the configuration file: loaded, or refused with at least one line that says where
 * and why; the same file gives the same report.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/own.h"
#include "base/unicode.h"
#include "config/config.h"

#define REPORT_MAX (1 << 20)

/* libconfig forgets the text that it was reading when a syntax error ends the file. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* "FILE:LINE: KEY: reason" */
static void check_line(struct str line, const char *path, bool loaded)
{
    struct str rest = line, number, key;
    demand(str_starts(rest, str_of(path)), "a line without the file");
    rest = str_sub(rest, strlen(path) + 1, rest.len);
    int64_t n;
    demand(str_split(&rest, ':', &number) && str_to_i64(number, &n) && n >= 0,
           "a line without a number");
    demand(str_split(&rest, ':', &key) && str_trim(key).len > 0, "a line without a key");
    demand(str_trim(rest).len > 0, "a line without a reason");
    demand(!loaded || str_starts(rest, STR(" warning: ")), "loaded in spite of a mistake");
}

static void check_report(struct str report, const char *path, bool loaded)
{
    struct str line;
    size_t lines = 0;
    while (str_split(&report, '\n', &line))
        if (line.len) {
            check_line(line, path, loaded);
            lines++;
        }
    demand(loaded || lines > 0, "refused without a reason");
}

static void check_strings(const struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        demand(strings->at[i].len > 0 && utf8_valid(strings->at[i]), "an odd text in a list");
}

/* What the rest of the program takes for granted. */
static void check_config(const struct config *c)
{
    demand(c->server.listen.count > 0 && c->directory.uris.count > 0, "nothing to listen or ask");
    check_strings(&c->server.listen);
    check_strings(&c->directory.uris);
    check_strings(&c->directory.protected_dns);
    check_strings(&c->directory.users.object_classes);
    demand(c->server.threads > 0 && c->server.writers > 0 && c->server.write_queue > 0,
           "nobody works");
    demand(c->directory.connect_timeout_ms > 0 && c->directory.operation_timeout_ms > 0,
           "a call without a deadline");
    demand(c->scim.default_page > 0 && c->scim.default_page <= c->scim.max_page, "odd pages");
    demand(c->limits.body_kb && c->limits.json_depth && c->limits.filter_nodes &&
               c->limits.filter_chars && c->limits.value_kb && c->limits.values_per_attribute,
           "a size without a ceiling");
    demand(c->server.public_url.len && !str_ends(c->server.public_url, STR("/")),
           "public_url with a slash at its end");
    demand(c->directory.users.base.len && c->directory.users.rdn.len &&
               c->directory.organizations.base.len && c->directory.organizations.rdn.len,
           "users or organizations without a place");
    for (size_t i = 0; i < c->mapping.user_count; i++)
        demand(c->mapping.user[i].scim.len && c->mapping.user[i].ldap.len, "half a mapping");
}

static void load(const char *path, struct buf *report, bool *loaded)
{
    struct config *c = config_load(path, report);
    *loaded = c != NULL;
    if (c)
        check_config(c);
    config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Another file, of a name that the input chooses, may be endless. */
    if (memmem(data, size, "@include", strlen("@include")))
        return 0;
    int fd = memfd_create("config", MFD_CLOEXEC);
    demand(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file to write to");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    OWNED_BUF struct buf report, again;
    buf_init(&report, REPORT_MAX);
    buf_init(&again, REPORT_MAX);
    bool loaded, loaded_again;
    load(path, &report, &loaded);
    if (!report.failed)
        check_report(buf_view(&report), path, loaded);
    load(path, &again, &loaded_again);
    demand(loaded == loaded_again && str_eq(buf_view(&report), buf_view(&again)),
           "read again, it is another file");
    close(fd);
    return 0;
}
