/*
 * What `kiops-bridge explain` prints of a person.
 *
 * Owns:    nothing.
 * Threads: the main thread.
 */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* Adds to each organization, and to the whole, `audit`: the records of changes that were made, in
 * the files of this bridge. Errors: ERR_CONFIG, a file that cannot be read. */
MUST_CHECK bool cli_explain_audit(const struct config *config, struct arena *a, json_t *all,
                                  struct error *err);
void cli_explain_user_text(const json_t *all);

void cli_print_plain(struct str text); /* cli_plain() to stdout */
/* A string plain, a list with blanks between, anything else as JSON. */
void cli_print_value(const json_t *value);
