/* kiops-bridge: parses the subcommand and hands over to src/cli. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/hash.h"
#include "base/json.h"
#include "cli/cli.h"

static const char HELP[] =
    "kiops-bridge - SCIM 2.0 provisioning into an LDAP directory under the KIOPS role rules\n"
    "\n"
    "usage: kiops-bridge [-c FILE] [--json] COMMAND\n"
    "\n"
    "  serve                      run the bridge in the foreground\n"
    "  check [--impact | --report | --ldif[=config|entries]]\n"
    "                             is the directory fit for this configuration? what is missing, "
    "with the\n"
    "                             exact text to apply; --ldif: that text alone, for ldapmodify\n"
    "                             (of cn=config; --ldif=entries: the entries).\n"
    "                             --impact: what the bridge would show, hide and write; writes "
    "nothing\n"
    "                             --report: for support, without secrets\n"
    "  schema openldap|ldif|389ds the LDAP schema, in the form that server takes\n"
    "  schema acl                 the access rules for the server of the configuration, with its "
    "names\n"
    "  schema mapping             which SCIM attribute lives in which LDAP attribute\n"
    "  rules                      the role rules and finding codes\n"
    "  token create NAME --role PlatformAdmin|Manager|Member --expires DATE|never\n"
    "               [--organization ID]... [--client C] [--access read|write] [--profile P]\n"
    "               [--push-mode direct|request] [--option K=V]...\n"
    "                             the token alone on stdout, once\n"
    "  token list                 the tokens, without their secrets\n"
    "  token revoke NAME          ends a token at once\n"
    "  review [--older DAYS] [--csv]\n"
    "                             seats without a Manager, requests older than DAYS (7), inactive\n"
    "                             members, and who is in which organization since when\n"
    "  explain --actor NAME|token:NAME --change TEXT\n"
    "                             may they? the rule, and what it rests on; changes nothing.\n"
    "                             TEXT: add|remove|promote|demote|approve|reject|request USER in "
    "ORG,\n"
    "                             grant|revoke PERMISSION for USER in ORG,\n"
    "                             make|unmake USER PlatformAdmin, deactivate|delete USER\n"
    "  explain --user NAME        roles and permissions, since when and by which audit record\n"
    "  reconcile JOB [--save FILE | --plan FILE] [--apply] [--ldif] [--rate N]\n"
    "                [--release GUARD=N --reason TEXT]... [--accept-rollback]\n"
    "                             what the job would change; with --apply, changes it\n"
    "  runs                       what was applied, from the journals\n"
    "  undo RUN [--apply] [--ldif] [--rate N] [--release GUARD=N --reason TEXT]...\n"
    "           [--accept-rollback]\n"
    "                             the plan that takes a run back; with --apply, takes it back\n"
    "  audit verify [FILE]        checks the chain of the audit records\n"
    "\n"
    "  -c FILE     configuration (default " CLI_DEFAULT_CONFIG ")\n"
    "  --json      results as JSON\n"
    "  --help, --version\n"
    "\n"
    "exit: 0 fine, 1 error, 2 findings or changes planned, 3 stopped by a guard, 4 could not read\n"
    "      everything, 5 refused lines or conflicts, 6 already running, 64 usage\n";

struct command {
    const char *name;
    int (*run)(const struct cli *c);
};

static const struct command COMMANDS[] = {
    {"serve", cli_serve},   {"check", cli_check},     {"schema", cli_schema},
    {"rules", cli_rules},   {"token", cli_token},     {"audit", cli_audit},
    {"review", cli_review}, {"explain", cli_explain}, {"reconcile", cli_reconcile},
    {"runs", cli_runs},     {"undo", cli_undo},
};

static int run(const char *name, const struct cli *c)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(name, COMMANDS[i].name) == 0)
            return COMMANDS[i].run(c);
    return cli_usage("unknown command");
}

/* Takes `--json` out wherever it stands; the number of arguments left. */
static int take_json(int argc, char **argv, bool *json)
{
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            *json = true;
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

int main(int argc, char **argv)
{
    struct cli c = {.config_path = CLI_DEFAULT_CONFIG};
    /* Passwords and tokens are in memory: no core file. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    hash_init();
    json_init();
    argc = take_json(argc, argv, &c.json);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(HELP, stdout) < 0;
        if (strcmp(argv[i], "--version") == 0)
            return puts("kiops-bridge " KIOPS_VERSION) < 0;
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            c.config_path = argv[++i];
        } else if (argv[i][0] == '-') {
            return cli_usage("unknown option before the command");
        } else {
            c.args = argv + i + 1;
            c.count = argc - i - 1;
            return run(argv[i], &c);
        }
    }
    return cli_usage("no command");
}
