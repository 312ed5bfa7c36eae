/*
 * What the files of `reconcile`, `runs` and `undo` share.
 *
 * Owns:    struct job_cli owns what job_open() opened, until job_close().
 * Threads: the main thread.
 */
#pragma once

#include "cli/cli.h"
#include "reconcile/reconcile.h"

struct job_options {
    struct str name, save, plan, reason;
    bool apply, ldif, accept_rollback, rate_given;
    unsigned rate;
    struct reconcile_release release;
    bool released;
};

struct job_cli {
    const struct cli *cli;
    const struct job_options *options;
    struct config *config;
    struct scim_catalog *catalog;
    struct directory *directory;
    struct directory_conn *conn;
    struct audit *audit;
    struct arena *arena;
    struct reconcile_run run;
    struct reconcile_lease lease;
    bool leased;
    struct str undo; /* the run that is taken back; empty: none */
    struct reconcile_history history;
    struct reconcile_plan plan;
    struct reconcile_trips trips;
    struct reconcile_applied applied;
};

/* NULL, or what is wrong with the arguments. `name`: what stood beside the options. */
const char *job_parse(const struct cli *c, struct job_options *o);
/* Configuration, directory, who acts. A status: CLI_OK, or what to exit with (said already). */
int job_open(struct job_cli *j);
void job_close(struct job_cli *j);
/* With --apply: the lease and the audit. */
int job_take(struct job_cli *j);
/* Guards, printing, and with --apply the changes. */
int job_finish(struct job_cli *j);

/* reconcile_print.c */
void job_print(const struct job_cli *j);
void job_print_trips(const struct job_cli *j);
void job_progress(void *arg, size_t done, size_t of);
/* journal_dir/<job>.prom, for a collector of text files. */
void job_write_metrics(const struct job_cli *j, int status);
