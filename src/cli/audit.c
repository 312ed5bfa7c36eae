/* audit verify: the chain of a file, and the intents that have no outcome. */
#include <stdio.h>

#include "audit/audit.h"
#include "base/own.h"
#include "cli/cli.h"

static void print(const struct cli *c, struct str path, const struct audit_check *check,
                  const struct buf *report)
{
    if (c->json) {
        printf("{\"file\":\"" STR_FMT "\",\"records\":%llu,\"intentsWithoutOutcome\":%llu}\n",
               STR_ARG(path), (unsigned long long)check->records,
               (unsigned long long)check->intents_without_outcome);
        return;
    }
    if (report->len)
        printf(STR_FMT "\n", STR_ARG(str_trim(buf_view(report))));
    printf(STR_FMT ": the chain holds, %llu records, %llu intents without outcome\n", STR_ARG(path),
           (unsigned long long)check->records, (unsigned long long)check->intents_without_outcome);
}

static int verify(const struct cli *c, struct str path)
{
    OWNED_BUF struct buf report;
    struct audit_check check = {0};
    struct error err = ERROR_INIT;
    buf_init(&report, 16 << 20);
    if (!audit_verify(path, &check, &report, &err))
        return cli_fail(&err);
    print(c, path, &check, &report);
    return CLI_OK;
}

int cli_audit(const struct cli *c)
{
    if (c->count < 1 || c->count > 2 || !str_eq(str_of(c->args[0]), STR("verify")))
        return cli_usage("write: audit verify [FILE]");
    if (c->count == 2)
        return verify(c, str_of(c->args[1]));
    struct config *config = cli_config(c);
    OWNED_ARENA struct arena *a = arena_new();
    if (!config)
        return CLI_ERROR;
    int status = verify(c, arena_fmt(a, STR_FMT "/audit-serve.jsonl", STR_ARG(config->audit.dir)));
    config_free(config);
    return status;
}
