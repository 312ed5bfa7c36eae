/*
 * What `kiops-bridge review` found, and its three forms.
 *
 * Owns:    nothing; everything is the review's.
 * Threads: the main thread.
 */
#pragma once

#include "audit/audit.h"
#include "cli/cli.h"
#include "service/review.h"

struct cli_review {
    const struct service_review *read;
    struct audit_touched touched; /* in the last quarter, as far as our audit files say */
    instant_t now;
    int64_t older_days;
};

/* NULL when the seats are well filled: two Managers or more. "vacant-seat", "no-manager",
 * "one-manager". */
const char *cli_review_seat(const struct review_organization *o);
bool cli_review_is_old(const struct cli_review *v, const struct review_row *request);
/* A membership that is due in the quarterly review: as old as a quarter or of unknown age, and not
 * changed meanwhile. */
bool cli_review_is_due(const struct cli_review *v, const struct review_row *membership);

/* review_table.c: to stdout. */
void cli_review_csv(const struct cli_review *v);
void cli_review_json(const struct cli_review *v, size_t findings);
/* review_text.c */
void cli_review_text(const struct cli_review *v, size_t findings);

/* One field of CSV as RFC 4180 has it; what a spreadsheet would run as a formula becomes text. */
void cli_csv_field(struct buf *out, struct str text);
