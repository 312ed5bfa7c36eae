/* The catalog: what the schema files say, those that are shipped and those of the administrator. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/own.h"
#include "cli/cli.h"
#include "directory/directory.h"

#define SCHEMA_KB 1024

/* Of a path in an error's text: its end tells more, and the reason behind it must fit. */
#define PATH_SHOWN 80

static bool refuse(const char *path, const char *why, struct error *err)
{
    struct str shown = str_of(path);
    bool cut = shown.len > PATH_SHOWN;
    if (cut)
        shown = str_sub(shown, shown.len - PATH_SHOWN, PATH_SHOWN);
    return error_set(err, ERR_CONFIG, "%s" STR_FMT ": %s", cut ? "..." : "", STR_ARG(shown), why);
}

static bool read_file(const char *path, struct buf *text, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return refuse(path, strerrordesc_np(errno), err);
    if (!S_ISREG(st.st_mode))
        return refuse(path, "is not a file; name the JSON file of a schema", err);
    FILE *file = fopen(path, "re");
    if (!file)
        return refuse(path, strerrordesc_np(errno), err);
    char chunk[8192];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_add(text, chunk, n);
    bool broken = ferror(file);
    fclose(file);
    if (text->failed)
        return refuse(path, "is larger than 1 MB, which no schema is", err);
    return !broken || refuse(path, "cannot be read to its end", err);
}

/* New; NULL with err set. */
static json_t *load_file(const char *path, struct error *err)
{
    OWNED_BUF struct buf text;
    buf_init(&text, SCHEMA_KB * 1024);
    if (!read_file(path, &text, err))
        return NULL;
    struct error why = ERROR_INIT;
    json_t *doc = json_load_strict(buf_view(&text), (struct json_limits){.depth = 32}, &why);
    if (!doc)
        refuse(path, why.detail, err);
    return doc;
}

typedef bool add_to_catalog(struct scim_catalog *c, const json_t *resource, struct error *err);

static bool add_file(struct scim_catalog *c, const struct config *config, const char *path,
                     add_to_catalog *add, struct error *err)
{
    OWNED_JSON json_t *doc = load_file(path, err);
    struct error why = ERROR_INIT;
    if (!doc)
        return false;
    directory_fit_schema(config, doc);
    return !directory_serves(config, doc) || add(c, doc, &why) || refuse(path, why.detail, err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_schema(const struct dirent *e)
{
    return str_ends(str_of(e->d_name), STR(".json"));
}

static bool load_dir(struct scim_catalog *c, const struct config *config, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct dirent **files = NULL;
    const char *path = arena_fmt(a, STR_FMT "/schemas", STR_ARG(config->mapping.schema_dir)).at;
    int n = scandir(path, &files, is_schema, by_name);
    bool ok = n > 0 || refuse(path, "holds no schema (mapping.schema_dir)", err);
    for (int i = 0; i < n; i++) {
        const char *file = arena_fmt(a, "%s/%s", path, files[i]->d_name).at;
        ok = ok && add_file(c, config, file, scim_catalog_add_schema, err);
        free(files[i]);
    }
    free(files);
    return ok;
}

static bool extend_user(struct scim_catalog *c, const json_t *schema, struct error *err)
{
    return scim_catalog_add_extension(c, STR("User"), schema, err);
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* A file of the administrator stands beside the configuration; a shipped one in schema_dir. */
static const char *find_extra(struct arena *a, const struct config *config, struct str name)
{
    struct str dir = config->path;
    size_t slash;
    if (str_starts(name, STR("/")))
        return arena_cstr(a, name);
    dir = str_rfind(dir, '/', &slash) ? str_sub(dir, 0, slash + 1) : STR_NONE;
    const char *beside = arena_fmt(a, STR_FMT STR_FMT, STR_ARG(dir), STR_ARG(name)).at;
    const char *shipped =
        arena_fmt(a, STR_FMT "/" STR_FMT, STR_ARG(config->mapping.schema_dir), STR_ARG(name)).at;
    return !is_there(beside) && is_there(shipped) ? shipped : beside;
}

static bool load_extra(struct scim_catalog *c, const struct config *config, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct config_strings *extra = &config->mapping.extra_schemas;
    for (size_t i = 0; i < extra->count; i++) {
        const char *path = find_extra(a, config, extra->at[i]);
        if (!is_there(path))
            return refuse(path, "is not there, nor in mapping.schema_dir (mapping.extra_schemas)",
                          err);
        if (!add_file(c, config, path, extend_user, err))
            return false;
    }
    return true;
}

bool cli_catalog(const struct config *config, struct scim_catalog **out, struct error *err)
{
    static const char *const SERVED[] = {"User", "Group", "Membership"};
    OWNED_ARENA struct arena *a = arena_new();
    struct scim_catalog *c = scim_catalog_new();
    struct str dir = config->mapping.schema_dir;
    bool ok = load_dir(c, config, err);
    for (size_t i = 0; ok && i < sizeof SERVED / sizeof *SERVED; i++) {
        struct str path = arena_fmt(a, STR_FMT "/resource-types/%s.json", STR_ARG(dir), SERVED[i]);
        ok = add_file(c, config, path.at, scim_catalog_add_type, err);
    }
    if (!directory_keeps_external_id(config, STR("User")))
        scim_catalog_drop_external_id(c, STR("User"));
    if (!directory_keeps_external_id(config, STR("Group")))
        scim_catalog_drop_external_id(c, STR("Group"));
    if (!ok || !load_extra(c, config, err)) {
        scim_catalog_free(c);
        return false;
    }
    *out = c;
    return true;
}
