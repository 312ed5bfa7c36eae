/* check --impact: what the bridge would show, hide and write. Reads, and writes nothing. */
#include <stdio.h>

#include "base/own.h"
#include "cli/check.h"

json_t *cli_impact_json(const struct service_impact *impact)
{
    json_t *out = json_object();
    for (size_t i = 0; i < IMPACT_ROWS; i++) {
        const struct impact_row *row = &impact->rows[i];
        json_t *one = json_object(), *examples = json_array();
        json_put(one, "count", json_integer((json_int_t)row->count));
        json_put_str(one, "means", str_of(row->means));
        if (row->code)
            json_put_str(one, "code", str_of(row->code));
        for (size_t k = 0; k < row->example_count; k++)
            json_push(examples, json_string_safe(row->examples[k]));
        json_put(one, "examples", examples);
        json_put(out, row->name, one);
    }
    return out;
}

static bool is_always_told(size_t row)
{
    return row == IMPACT_USERS || row == IMPACT_ORGANIZATIONS || row == IMPACT_MEMBERS ||
           row == IMPACT_MANAGERS || row == IMPACT_ADMINS || row == IMPACT_WRITES;
}

static void print_row(const struct impact_row *row)
{
    OWNED_BUF struct buf examples;
    buf_init(&examples, 1 << 20);
    printf("%8zu  %s%s%s%s\n", row->count, row->means, row->code ? " [" : "",
           row->code ? row->code : "", row->code ? "]" : "");
    for (size_t i = 0; i < row->example_count; i++) {
        buf_fmt(&examples, "%s", i ? "; " : "");
        cli_plain(&examples, row->examples[i]);
    }
    if (row->example_count)
        printf("          %s" STR_FMT "%s\n", row->example_count < row->count ? "first: " : "",
               STR_ARG(buf_view(&examples)), row->example_count < row->count ? "; ..." : "");
}

static void print_text(const struct service_impact *impact, int64_t ms)
{
    for (size_t i = 0; i < IMPACT_ROWS; i++)
        if (impact->rows[i].count || is_always_told(i))
            print_row(&impact->rows[i]);
    printf("read in %lld.%02lld s; nothing was written\n", (long long)(ms / 1000),
           (long long)(ms % 1000 / 10));
}

int cli_check_impact(const struct cli *c, struct directory *d)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_BUF struct buf out;
    struct service_impact impact;
    struct error err = ERROR_INIT;
    int64_t began = clock_monotonic_ms();
    struct directory_conn *conn = directory_open(d, DIRECTORY_SERVICE);
    bool read = service_impact_read(d, conn, a, &impact, &err);
    directory_close(conn);
    if (!read) {
        fprintf(stderr,
                "kiops-bridge: %s. `kiops-bridge check` says what to apply for a whole read\n",
                err.detail);
        return CLI_ERROR;
    }
    if (!c->json) {
        print_text(&impact, clock_monotonic_ms() - began);
        return CLI_OK;
    }
    OWNED_JSON json_t *all = cli_impact_json(&impact);
    buf_init(&out, 1 << 20);
    json_write(all, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
    return CLI_OK;
}
