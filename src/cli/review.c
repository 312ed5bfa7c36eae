/* review: vacant seats, requests that wait, inactive members, and the quarterly list. */
#include "cli/review.h"

#include <stdio.h>

#include "base/own.h"

#define QUARTER_DAYS 90
#define OLDER_DEFAULT 7
#define OLDER_MAX 36500
#define MANAGERS_WANTED 2

const char *cli_review_seat(const struct review_organization *o)
{
    if (o->managers >= MANAGERS_WANTED)
        return NULL;
    if (o->managers == 1)
        return "one-manager";
    return o->managed ? "vacant-seat" : "no-manager";
}

static bool is_older(instant_t since, instant_t now, int64_t days)
{
    return since == INSTANT_NONE || since < now - days * CLOCK_DAY_US;
}

bool cli_review_is_old(const struct cli_review *v, const struct review_row *request)
{
    return is_older(request->since, v->now, v->older_days);
}

bool cli_review_is_due(const struct cli_review *v, const struct review_row *membership)
{
    return is_older(membership->since, v->now, QUARTER_DAYS) &&
           !audit_touched_has(&v->touched, membership->person->id, membership->organization->id);
}

static size_t count_findings(const struct cli_review *v)
{
    const struct service_review *r = v->read;
    size_t n = 0;
    for (size_t i = 0; i < r->organization_count; i++)
        n += cli_review_seat(r->organizations[i]) != NULL;
    for (size_t i = 0; i < r->request_count; i++)
        n += cli_review_is_old(v, &r->requests[i]);
    for (size_t i = 0; i < r->member_count; i++)
        n += !r->members[i].person->active || cli_review_is_due(v, &r->members[i]);
    return n;
}

struct options {
    int64_t older_days;
    bool csv, older_given;
};

/* NULL, or what is wrong. */
static const char *parse(const struct cli *c, struct options *out)
{
    static const char days_wanted[] = "review: --older takes a number of days, once";
    *out = (struct options){.older_days = OLDER_DEFAULT};
    for (int i = 0; i < c->count; i++) {
        struct str word = str_of(c->args[i]), days = STR_NONE;
        if (str_eq(word, STR("--csv")) && !out->csv) {
            out->csv = true;
            continue;
        }
        if (str_starts(word, STR("--older=")))
            days = str_sub(word, sizeof "--older=" - 1, word.len);
        else if (str_eq(word, STR("--older")) && i + 1 < c->count)
            days = str_of(c->args[++i]);
        else
            return str_eq(word, STR("--older")) ? days_wanted
                                                : "write: review [--older DAYS] [--csv]";
        if (out->older_given || !str_to_i64(days, &out->older_days) || out->older_days < 0 ||
            out->older_days > OLDER_MAX)
            return days_wanted;
        out->older_given = true;
    }
    return out->csv && c->json ? "review: --csv or --json, not both" : NULL;
}

static int print(const struct cli *c, const struct cli_review *v, bool csv)
{
    size_t findings = count_findings(v);
    if (v->read->odd)
        fprintf(stderr, "kiops-bridge: %zu entries cannot be shown and are left out\n",
                v->read->odd);
    if (csv)
        cli_review_csv(v);
    else if (c->json)
        cli_review_json(v, findings);
    else
        cli_review_text(v, findings);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("kiops-bridge: the review cannot be written\n", stderr);
        return CLI_ERROR;
    }
    return findings ? CLI_FINDINGS : CLI_OK;
}

static int review(const struct cli *c, const struct config *config, const struct options *o)
{
    struct cli_ground g = {0};
    struct service_review read;
    struct cli_review found = {.read = &read, .now = clock_now(), .older_days = o->older_days};
    struct error err = ERROR_INIT;
    OWNED_ARENA struct arena *a = arena_new();
    bool ok = cli_needs_roles(config, &err) && cli_ground_open(config, &g, &err) &&
              service_review_read(g.directory, g.conn, a, &read, &err) &&
              audit_read_touched(config->audit.dir, found.now - QUARTER_DAYS * CLOCK_DAY_US, a,
                                 &found.touched, &err);
    int status = ok ? print(c, &found, o->csv) : cli_fail(&err);
    cli_ground_close(&g);
    return status;
}

int cli_review(const struct cli *c)
{
    struct options o;
    const char *wrong = parse(c, &o);
    if (wrong)
        return cli_usage(wrong);
    struct config *config = cli_config(c);
    if (!config)
        return CLI_ERROR;
    int status = review(c, config, &o);
    config_free(config);
    return status;
}
