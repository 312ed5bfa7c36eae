/* rules: the role rules and the finding codes, one a line. */
#include <stdio.h>

#include "base/json.h"
#include "base/own.h"
#include "cli/cli.h"
#include "kiops/kiops.h"

int cli_rules(const struct cli *c)
{
    const struct kiops_rule *rules;
    size_t n = kiops_rules(&rules);
    if (c->count)
        return cli_usage("rules takes no arguments");
    if (!c->json) {
        for (size_t i = 0; i < n; i++)
            printf("%-9s %s\n", rules[i].id, rules[i].text);
        return CLI_OK;
    }
    OWNED_JSON json_t *all = json_array();
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        json_t *rule = json_object();
        json_put_str(rule, "id", str_of(rules[i].id));
        json_put_str(rule, "text", str_of(rules[i].text));
        json_push(all, rule);
    }
    json_write(all, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
    return CLI_OK;
}
