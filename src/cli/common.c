/* What the subcommands share: usage, errors, the configuration, the catalog of schemas. */
#include "cli/cli.h"

#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/own.h"

#define SCHEMA_FILE_MAX (1 << 20)

int cli_usage(const char *what)
{
    fprintf(stderr, "kiops-bridge: %s; see kiops-bridge --help\n", what);
    return CLI_USAGE;
}

int cli_fail(const struct error *err)
{
    fprintf(stderr, "kiops-bridge: %s\n", err->detail);
    return CLI_ERROR;
}

struct config *cli_config(const struct cli *c)
{
    OWNED_BUF struct buf report;
    buf_init(&report, 1 << 20);
    struct config *config = config_load(c->config_path, &report);
    if (report.len)
        fprintf(stderr, STR_FMT "\n", STR_ARG(str_trim(buf_view(&report))));
    return config;
}

struct str cli_operator(void)
{
    const struct passwd *user = getpwuid(getuid());
    return str_of(user ? user->pw_name : "unknown");
}

bool cli_next(struct cli_options *o, struct str *name, struct str *value)
{
    if (o->at >= o->cli->count)
        return false;
    struct str arg = str_of(o->cli->args[o->at++]);
    size_t equals;
    *name = STR_NONE;
    *value = arg;
    if (!str_starts(arg, STR("--")))
        return true;
    *name = str_sub(arg, 2, arg.len);
    *value = STR_NONE;
    if (str_find(arg, '=', &equals)) {
        *name = str_sub(arg, 2, equals - 2);
        *value = str_sub(arg, equals + 1, arg.len);
    } else if (o->at < o->cli->count) {
        *value = str_of(o->cli->args[o->at++]);
    }
    return true;
}

/* New; NULL with err set. */
static json_t *load_file(const char *path, struct error *err)
{
    OWNED_BUF struct buf text;
    buf_init(&text, SCHEMA_FILE_MAX);
    FILE *file = fopen(path, "re");
    if (!file) {
        error_set(err, ERR_CONFIG, "%s: cannot be read (mapping.schema_dir)", path);
        return NULL;
    }
    char chunk[8192];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_add(&text, chunk, n);
    fclose(file);
    struct error why = ERROR_INIT;
    json_t *doc = text.failed
                      ? NULL
                      : json_load_strict(buf_view(&text), (struct json_limits){.depth = 32}, &why);
    if (!doc)
        error_set(err, ERR_CONFIG, "%s: %s", path, text.failed ? "is too large" : why.detail);
    return doc;
}

typedef bool add_to_catalog(struct scim_catalog *c, const json_t *resource, struct error *err);

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Memberships come with their door: what answers 501 is not announced. */
static int is_served(const struct dirent *e)
{
    return str_ends(str_of(e->d_name), STR(".json")) &&
           !str_eq(str_of(e->d_name), STR("Membership.json"));
}

static bool load_dir(struct scim_catalog *c, struct str dir, add_to_catalog *add, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct dirent **files = NULL;
    char *path = arena_cstr(a, dir);
    int n = scandir(path, &files, is_served, by_name);
    bool ok = n > 0 || error_set(err, ERR_CONFIG, "%s: holds no schema (mapping.schema_dir)", path);
    for (int i = 0; i < n; i++) {
        struct str file = arena_fmt(a, "%s/%s", path, files[i]->d_name);
        OWNED_JSON json_t *doc = ok ? load_file(file.at, err) : NULL;
        ok = ok && doc && add(c, doc, err);
        free(files[i]);
    }
    free(files);
    return ok;
}

bool cli_catalog(const struct config *config, struct scim_catalog **out, struct error *err)
{
    static const char *const SERVED[] = {"User", "Group"};
    OWNED_ARENA struct arena *a = arena_new();
    struct scim_catalog *c = scim_catalog_new();
    struct str dir = config->mapping.schema_dir;
    bool ok =
        load_dir(c, arena_fmt(a, STR_FMT "/schemas", STR_ARG(dir)), scim_catalog_add_schema, err);
    for (size_t i = 0; ok && i < sizeof SERVED / sizeof *SERVED; i++) {
        struct str path = arena_fmt(a, STR_FMT "/resource-types/%s.json", STR_ARG(dir), SERVED[i]);
        OWNED_JSON json_t *doc = load_file(path.at, err);
        ok = doc && scim_catalog_add_type(c, doc, err);
    }
    if (!ok) {
        scim_catalog_free(c);
        return false;
    }
    *out = c;
    return true;
}
