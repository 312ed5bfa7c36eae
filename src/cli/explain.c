/* explain: what the rules say of a change before anybody makes it; what a person may do, and by
 * which audit record it was given. */
#include "cli/explain.h"

#include <stdio.h>

#include "base/own.h"
#include "service/explain.h"

struct options {
    struct str actor, change, user;
};

static const char *parse(const struct cli *c, struct options *out)
{
    static const char form[] = "write: explain --actor NAME --change TEXT, or explain --user NAME";
    struct cli_options o = {.cli = c};
    struct str name, value;
    while (cli_next(&o, &name, &value)) {
        struct str *to = str_eq(name, STR("actor"))    ? &out->actor
                         : str_eq(name, STR("change")) ? &out->change
                         : str_eq(name, STR("user"))   ? &out->user
                                                       : NULL;
        if (!to || !value.len || to->len)
            return form;
        *to = value;
    }
    bool person = out->user.len && !out->actor.len && !out->change.len;
    bool change = !out->user.len && out->actor.len && out->change.len;
    return person || change ? NULL : form;
}

static void print_json(const json_t *value)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 64 << 20);
    json_write(value, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
}

/* ---- a change */

static struct str rule_text(struct str id)
{
    const struct kiops_rule *rules;
    size_t n = kiops_rules(&rules);
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_of(rules[i].id), id))
            return str_of(rules[i].text);
    return STR_NONE;
}

static void print_verdict_json(const struct explain_verdict *v)
{
    OWNED_JSON json_t *all = json_object();
    json_put(all, "allowed", json_boolean(v->allowed));
    if (v->rule.len) {
        json_put_str(all, "rule", v->rule);
        json_put_str(all, "ruleText", rule_text(v->rule));
    }
    if (v->text.len)
        json_put_str(all, "detail", v->text);
    json_put(all, "facts", json_copy_deep(v->facts));
    print_json(all);
}

static void print_verdict(const struct explain_verdict *v)
{
    printf("%s\n", v->allowed ? "allowed" : "refused");
    if (v->rule.len)
        printf(STR_FMT " " STR_FMT "\n", STR_ARG(v->rule), STR_ARG(rule_text(v->rule)));
    if (v->text.len) {
        cli_print_plain(v->text);
        fputs("\n", stdout);
    }
    const char *group, *name;
    const json_t *values, *value;
    json_object_foreach((json_t *)(uintptr_t)v->facts, group, values)
        json_object_foreach((json_t *)(uintptr_t)values, name, value)
    {
        printf("  %s.%s: ", group, name);
        cli_print_value(value);
        fputs("\n", stdout);
    }
}

static int explain_change(const struct cli *c, const struct explain_ground *g,
                          const struct options *o, struct error *err)
{
    struct explain_question q = {.actor = o->actor};
    struct explain_verdict v;
    if (!kiops_phrase_parse(o->change, &q.change, err)) {
        fprintf(stderr, "kiops-bridge: explain --change: %s\n", err->detail);
        return CLI_USAGE;
    }
    if (!service_explain_change(g, &q, &v, err))
        return cli_fail(err);
    (c->json ? print_verdict_json : print_verdict)(&v);
    return v.allowed ? CLI_OK : CLI_REFUSED;
}

/* ---- a person */

static int explain_user(const struct cli *c, const struct explain_ground *g,
                        const struct options *o, struct error *err)
{
    json_t *all;
    if (!service_explain_user(g, o->user, &all, err) ||
        !cli_explain_audit(g->config, g->arena, all, err))
        return cli_fail(err);
    if (c->json)
        print_json(all);
    else
        cli_explain_user_text(all);
    return CLI_OK;
}

static int explain(const struct cli *c, const struct config *config, const struct options *o)
{
    struct error err = ERROR_INIT;
    OWNED_ARENA struct arena *a = arena_new();
    struct cli_ground ground = {0};
    int status = CLI_ERROR;
    if (cli_needs_roles(config, &err) && cli_ground_open(config, &ground, &err)) {
        struct explain_ground g = {.config = config,
                                   .arena = a,
                                   .catalog = ground.catalog,
                                   .directory = ground.directory,
                                   .conn = ground.conn};
        status = (o->user.len ? explain_user : explain_change)(c, &g, o, &err);
    } else {
        cli_fail(&err);
    }
    cli_ground_close(&ground);
    return status;
}

int cli_explain(const struct cli *c)
{
    struct options o = {0};
    const char *wrong = parse(c, &o);
    if (wrong)
        return cli_usage(wrong);
    struct config *config = cli_config(c);
    if (!config)
        return CLI_ERROR;
    int status = explain(c, config, &o);
    config_free(config);
    return status;
}
