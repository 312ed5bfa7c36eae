/* What the subcommands share: usage, errors, the configuration. */
#include "cli/cli.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"

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

bool cli_ground_open(const struct config *config, struct cli_ground *out, struct error *err)
{
    *out = (struct cli_ground){0};
    if (!cli_catalog(config, &out->catalog, err) ||
        !directory_new(config, out->catalog, &out->directory, err))
        return false;
    out->conn = directory_open(out->directory, DIRECTORY_SERVICE);
    return true;
}

void cli_ground_close(struct cli_ground *g)
{
    directory_close(g->conn);
    directory_free(g->directory);
    scim_catalog_free(g->catalog);
}

struct str cli_operator(void)
{
    const struct passwd *user = getpwuid(getuid());
    return str_of(user ? user->pw_name : "unknown");
}

void cli_plain(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        /* C1 controls are C2 80 to C2 9F in UTF-8. */
        bool c1 = c == 0xC2 && i + 1 < text.len && (unsigned char)text.at[i + 1] < 0xA0;
        buf_char(out, c < 0x20 || c == 0x7F || c1 ? '?' : text.at[i]);
        i += c1;
    }
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

bool cli_needs_roles(const struct config *config, struct error *err)
{
    return config_has_schema(&config->directory) ||
           error_set(
               err, ERR_CONFIG,
               "directory.preset is \"plain\": nobody has a role without the kiops schema, so "
               "there is nothing to tell");
}
