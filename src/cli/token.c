/* token create | list | revoke, with the operator's account. */
#include <stdio.h>

#include "base/own.h"
#include "cli/cli.h"
#include "service/service.h"

#define LIST_MAX 64
#define ONCE_MAX 6 /* options of `token create` that stand once, with the name */

struct token_cli {
    const struct cli *cli;
    struct config *config;
    struct scim_catalog *catalog;
    struct directory *directory;
    struct directory_conn *conn;
    struct audit *audit;
    struct arena *arena;
};

static bool open_all(struct token_cli *t, enum directory_account account, struct error *err)
{
    t->arena = arena_new();
    t->config = cli_config(t->cli);
    if (!t->config)
        return error_set(err, ERR_CONFIG, "the configuration has mistakes");
    struct audit_settings audit = {
        .dir = t->config->audit.dir,
        .kind = STR("cli"),
        .sync = true,
        .rotate_bytes = (size_t)t->config->audit.rotate_mb << 20,
        .wait_lock = true,
    };
    if (account == DIRECTORY_OPERATOR && !t->config->directory.operator_account.bind_dn.len)
        return error_set(err, ERR_CONFIG,
                         "directory.operator is not configured: only it may write tokens");
    if (!cli_catalog(t->config, &t->catalog, err) ||
        !directory_new(t->config, t->catalog, &t->directory, err) ||
        (account == DIRECTORY_OPERATOR && !audit_open(&audit, &t->audit, err)))
        return false;
    t->conn = directory_open(t->directory, account);
    return true;
}

static int close_all(struct token_cli *t, int status)
{
    if (t->conn)
        directory_close(t->conn);
    if (t->audit)
        audit_close(t->audit);
    directory_free(t->directory);
    scim_catalog_free(t->catalog);
    config_free(t->config);
    arena_free(t->arena);
    return status;
}

static struct service_operator operator_of(const struct token_cli *t)
{
    return (struct service_operator){t->conn, t->arena, t->audit, cli_operator()};
}

struct create_args {
    struct service_token_request request;
    struct str organizations[LIST_MAX], options[LIST_MAX];
    bool has_expiry, given[ONCE_MAX];
};

static bool parse_expiry(struct str value, struct create_args *out)
{
    out->has_expiry = true;
    if (str_eq(value, STR("never"))) {
        out->request.expires = INSTANT_NONE;
        return true;
    }
    char day[32];
    struct str text = value;
    if (value.len == 10) { /* a day: its end is meant */
        snprintf(day, sizeof day, STR_FMT "T23:59:59Z", STR_ARG(value));
        text = str_of(day);
    }
    return clock_parse_rfc3339(text, &out->request.expires);
}

static const char *take_option(struct create_args *out, struct str name, struct str value)
{
    struct service_token_request *r = &out->request;
    const struct {
        const char *name;
        struct str *to;
    } plain[ONCE_MAX] = {{"role", &r->role},           {"client", &r->client},
                         {"access", &r->access},       {"profile", &r->profile},
                         {"push-mode", &r->push_mode}, {"", &r->name}};
    if (!value.at)
        return "an option lacks its value";
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!str_eq(name, str_of(plain[i].name)))
            continue;
        if (out->given[i])
            return "token create: a name or an option that stands once is given twice";
        out->given[i] = true;
        *plain[i].to = value;
        return NULL;
    }
    if (str_eq(name, STR("organization")) && r->organization_count < LIST_MAX) {
        out->organizations[r->organization_count++] = value;
        return NULL;
    }
    if (str_eq(name, STR("option")) && r->option_count < LIST_MAX) {
        out->options[r->option_count++] = value;
        return NULL;
    }
    if (str_eq(name, STR("expires")) && out->has_expiry)
        return "token create: --expires is given twice";
    if (str_eq(name, STR("expires")))
        return parse_expiry(value, out) ? NULL
                                        : "--expires: write a date such as 2027-06-30, or never";
    return "token create: unknown option";
}

static const char *parse_create(const struct cli *c, struct create_args *out)
{
    struct cli_options o = {.cli = c, .at = 1};
    struct str name, value;
    out->request =
        (struct service_token_request){.access = STR("write"), .push_mode = STR("direct")};
    while (cli_next(&o, &name, &value)) {
        const char *wrong = take_option(out, name, value);
        if (wrong)
            return wrong;
    }
    out->request.organizations = out->organizations;
    out->request.options = out->options;
    if (!out->request.name.len || !out->request.role.len || !out->has_expiry)
        return "token create: NAME, --role and --expires are needed";
    if (!out->request.client.len)
        out->request.client = out->request.name;
    return NULL;
}

static int create(struct token_cli *t)
{
    struct create_args args = {0};
    OWNED_SECRET struct buf token;
    struct error err = ERROR_INIT;
    buf_init(&token, 256);
    const char *wrong = parse_create(t->cli, &args);
    if (wrong)
        return cli_usage(wrong);
    if (!open_all(t, DIRECTORY_OPERATOR, &err))
        return cli_fail(&err);
    if (!args.request.profile.len)
        args.request.profile = t->config->scim.default_profile;
    struct service_operator o = operator_of(t);
    if (!service_token_create(&o, &args.request, &token, &err))
        return cli_fail(&err);
    printf(STR_FMT "\n", STR_ARG(buf_view(&token)));
    return CLI_OK;
}

static int end_token(struct token_cli *t)
{
    struct error err = ERROR_INIT;
    if (t->cli->count != 2)
        return cli_usage("write: token revoke NAME");
    if (!open_all(t, DIRECTORY_OPERATOR, &err))
        return cli_fail(&err);
    struct service_operator o = operator_of(t);
    if (!service_token_revoke(&o, str_of(t->cli->args[1]), &err))
        return cli_fail(&err);
    return CLI_OK;
}

static json_t *token_json(const struct directory_token *t)
{
    json_t *o = json_object();
    json_t *organizations = json_array(), *options = json_array();
    char time[CLOCK_TEXT_MAX];
    json_put_str(o, "name", t->name);
    json_put_str(o, "client", t->client);
    json_put_str(o, "role", t->role);
    json_put_str(o, "access", t->access);
    json_put_str(o, "profile", t->profile);
    json_put_str(o, "pushMode", t->push_mode);
    for (size_t i = 0; i < t->organizations.count; i++)
        json_push(organizations, json_string_safe(t->organizations.at[i]));
    for (size_t i = 0; i < t->options.count; i++)
        json_push(options, json_string_safe(t->options.at[i]));
    json_put(o, "organizations", organizations);
    json_put(o, "options", options);
    json_put_str(o, "expires",
                 t->expires == INSTANT_NONE ? STR("never") : clock_rfc3339(t->expires, time));
    return o;
}

static int list(struct token_cli *t)
{
    struct directory_token *tokens;
    size_t n;
    struct error err = ERROR_INIT;
    if (t->cli->count != 1)
        return cli_usage("token list takes no arguments");
    if (!open_all(t, DIRECTORY_SERVICE, &err))
        return cli_fail(&err);
    struct service_operator o = operator_of(t);
    if (!service_token_list(&o, &tokens, &n, &err))
        return cli_fail(&err);
    OWNED_JSON json_t *all = json_array();
    OWNED_BUF struct buf out;
    buf_init(&out, 16 << 20);
    for (size_t i = 0; i < n; i++)
        json_push(all, token_json(&tokens[i]));
    if (t->cli->json) {
        json_write(all, &out);
        printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
        return CLI_OK;
    }
    for (size_t i = 0; i < n; i++) {
        char time[CLOCK_TEXT_MAX];
        struct str expires = tokens[i].expires == INSTANT_NONE
                                 ? STR("never")
                                 : clock_rfc3339(tokens[i].expires, time);
        printf(STR_FMT "\t" STR_FMT "\t" STR_FMT "\t" STR_FMT "\t" STR_FMT "\texpires " STR_FMT
                       "\n",
               STR_ARG(tokens[i].name), STR_ARG(tokens[i].role), STR_ARG(tokens[i].access),
               STR_ARG(tokens[i].client), STR_ARG(tokens[i].profile), STR_ARG(expires));
    }
    return CLI_OK;
}

int cli_token(const struct cli *c)
{
    static const struct {
        const char *name;
        int (*run)(struct token_cli *t);
    } VERBS[] = {{"create", create}, {"list", list}, {"revoke", end_token}};
    struct token_cli t = {.cli = c};
    for (size_t i = 0; c->count && i < sizeof VERBS / sizeof *VERBS; i++)
        if (str_eq(str_of(c->args[0]), str_of(VERBS[i].name)))
            return close_all(&t, VERBS[i].run(&t));
    return cli_usage("write: token create|list|revoke");
}
