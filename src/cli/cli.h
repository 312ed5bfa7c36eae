/*
 * The command line: one file per subcommand. stdout = result, stderr = messages.
 *
 * Owns:    struct cli holds what main parsed; a command frees what it opens.
 * Threads: the main thread.
 * Errors:  exit codes, below.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "directory/directory.h"
#include "scim/scim.h"

#ifndef KIOPS_VERSION
#define KIOPS_VERSION "0.1"
#endif
#ifndef KIOPS_CONF /* the Makefile's SYSCONFDIR */
#define KIOPS_CONF "/etc/kiops-bridge"
#endif
#define CLI_DEFAULT_CONFIG KIOPS_CONF "/kiops-bridge.conf"

enum cli_exit {
    CLI_OK = 0,
    CLI_ERROR = 1,
    CLI_FINDINGS = 2,
    CLI_GUARD = 3,
    CLI_INCOMPLETE = 4,
    CLI_REFUSED = 5,
    CLI_RUNNING = 6,
    CLI_USAGE = 64,
};

struct cli {
    const char *config_path;
    bool json;
    char **args; /* after the command's name */
    int count;
};

int cli_serve(const struct cli *c);
int cli_check(const struct cli *c);
int cli_schema(const struct cli *c);
int cli_rules(const struct cli *c);
int cli_token(const struct cli *c);
int cli_audit(const struct cli *c);
int cli_review(const struct cli *c);
int cli_explain(const struct cli *c);
int cli_reconcile(const struct cli *c);
int cli_runs(const struct cli *c);
int cli_undo(const struct cli *c);

/* common.c */
int cli_usage(const char *what);       /* prints to stderr what is wrong and where help is */
int cli_fail(const struct error *err); /* prints err->detail, gives CLI_ERROR */
struct config *cli_config(const struct cli *c); /* NULL after printing every mistake */
struct str cli_operator(void);                  /* the OS user, for the audit */
/* Text out of the directory for a terminal: control characters become `?`. */
void cli_plain(struct buf *out, struct str text);

/* Parses `--name VALUE` and `--name=VALUE` out of the arguments. */
struct cli_options {
    const struct cli *cli;
    int at;
};
/* Next option: its name in `*name` (without dashes; empty for a plain argument) and its value;
 * false at the end. A missing value is usage:
 * `*value` has at NULL. */
bool cli_next(struct cli_options *o, struct str *name, struct str *value);

/* A directory to read from, with one connection. */
struct cli_ground {
    struct scim_catalog *catalog;
    struct directory *directory;
    struct directory_conn *conn;
};
/* Errors: ERR_CONFIG. Whatever came of it, cli_ground_close() ends it. */
MUST_CHECK bool cli_ground_open(const struct config *config, struct cli_ground *out,
                                struct error *err);
void cli_ground_close(struct cli_ground *g);

/* common.c */
/* For commands about roles. ERR_CONFIG in plain mode. */
MUST_CHECK bool cli_needs_roles(const struct config *config, struct error *err);
/* catalog.c */
/* The shipped schemas and the resource types that are served, from mapping.schema_dir; users
 * extended by mapping.extra_schemas. Errors: ERR_CONFIG, `FILE: what is wrong`. */
MUST_CHECK bool cli_catalog(const struct config *config, struct scim_catalog **out,
                            struct error *err);
