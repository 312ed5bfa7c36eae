/* check: is the directory fit for this configuration? Every finding says the exact text to apply.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/own.h"
#include "cli/cli.h"
#include "directory/directory.h"

static void print_json(const struct directory_finding *findings, size_t n)
{
    OWNED_JSON json_t *all = json_array();
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        json_t *f = json_object();
        json_put(f, "fatal", json_boolean(findings[i].fatal));
        json_put_str(f, "text", findings[i].text);
        json_push(all, f);
    }
    json_write(all, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
}

static int print(const struct cli *c, const struct directory_finding *findings, size_t n)
{
    if (c->json) {
        print_json(findings, n);
        return n ? CLI_FINDINGS : CLI_OK;
    }
    for (size_t i = 0; i < n; i++)
        printf("%s: " STR_FMT "\n", findings[i].fatal ? "missing" : "advice",
               STR_ARG(findings[i].text));
    if (!n)
        printf("configuration and directory are fit for each other\n");
    return n ? CLI_FINDINGS : CLI_OK;
}

static int inspect(const struct cli *c, const struct config *config)
{
    struct scim_catalog *catalog = NULL;
    struct directory *directory = NULL;
    const struct directory_finding *findings;
    size_t n;
    struct error err = ERROR_INIT;
    OWNED_ARENA struct arena *a = arena_new();
    bool ok = cli_catalog(config, &catalog, &err) &&
              directory_new(config, catalog, &directory, &err) &&
              directory_inspect(directory, a, &findings, &n, &err);
    int status = ok ? print(c, findings, n) : cli_fail(&err);
    directory_free(directory);
    scim_catalog_free(catalog);
    return status;
}

int cli_check(const struct cli *c)
{
    for (int i = 0; i < c->count; i++)
        if (!str_eq(str_of(c->args[i]), STR("--report")))
            return cli_usage("check: the only option of this version is --report");
    struct config *config = cli_config(c);
    if (!config)
        return CLI_ERROR;
    int status = inspect(c, config);
    config_free(config);
    return status;
}
