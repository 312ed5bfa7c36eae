/*
 * What the files of `check` share.
 *
 * Owns:    nothing; JSON that is returned is the caller's.
 * Threads: the main thread.
 * Errors:  exit codes of cli.h.
 */
#pragma once

#include "cli/cli.h"
#include "directory/findings.h"
#include "service/impact.h"

/* New: an array of {code, severity, text, why, apply: {as, text}}. */
json_t *cli_findings_json(const struct directory_inspection *found);
/* Notes are no findings: nothing has to be done about them. */
size_t cli_findings_count(const struct directory_inspection *found);

/* impact.c */
int cli_check_impact(const struct cli *c, struct directory *d);
/* New: {row: {count, means, code, examples}}. */
json_t *cli_impact_json(const struct service_impact *impact);

/* report.c */
int cli_check_report(const struct cli *c, const struct config *config, struct directory *d);
