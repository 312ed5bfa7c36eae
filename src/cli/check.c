/* check: is the directory fit for this configuration? Every finding has the exact text to apply. */
#include <stdio.h>

#include "base/log.h"
#include "base/own.h"
#include "cli/check.h"

#define JSON_MAX (256 << 20)

static const char *const SEVERITIES[] = {"note", "advice", "missing"};

static const struct {
    const char *word; /* in JSON */
    const char *how;
} FORMS[] = {
    [DIRECTORY_APPLY_NOTHING] = {"none", NULL},
    [DIRECTORY_APPLY_CONFIG] = {"config",
                                "apply with ldapmodify, as the administrator of cn=config"},
    [DIRECTORY_APPLY_ENTRIES] = {"entries",
                                 "apply with ldapmodify, as the administrator of the entries"},
    [DIRECTORY_APPLY_SLAPD_CONF] = {"slapd.conf",
                                    "apply in slapd.conf, in the database's section, and restart"},
    [DIRECTORY_APPLY_SHELL] = {"shell", "run"},
};

enum what { FINDINGS, LDIF_CONFIG, LDIF_ENTRIES, IMPACT, REPORT };

struct options {
    enum what what;
};

/* ---- forms of the answer */

json_t *cli_findings_json(const struct directory_inspection *found)
{
    json_t *all = json_array();
    for (size_t i = 0; i < found->count; i++) {
        const struct directory_finding *f = &found->at[i];
        json_t *one = json_object();
        json_put_str(one, "code", str_of(f->code));
        json_put_str(one, "severity", str_of(SEVERITIES[f->severity]));
        json_put_str(one, "text", f->text);
        if (f->why)
            json_put_str(one, "why", str_of(f->why));
        if (f->form != DIRECTORY_APPLY_NOTHING) {
            json_t *apply = json_object();
            json_put_str(apply, "as", str_of(FORMS[f->form].word));
            json_put_str(apply, "text", f->apply);
            json_put(one, "apply", apply);
        }
        json_push(all, one);
    }
    return all;
}

static void print_json(const struct directory_inspection *found)
{
    OWNED_JSON json_t *all = cli_findings_json(found);
    OWNED_BUF struct buf out;
    buf_init(&out, JSON_MAX);
    json_write(all, &out);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
}

static void print_plain(struct str text)
{
    OWNED_BUF struct buf out;
    buf_init(&out, JSON_MAX);
    cli_plain(&out, text);
    printf(STR_FMT, STR_ARG(buf_view(&out)));
}

/* The text to apply stands at the line's start, so that it can be copied as it is. */
static void print_finding(const struct directory_finding *f)
{
    printf("%s: ", SEVERITIES[f->severity]);
    print_plain(f->text);
    printf(" [%s]\n", f->code);
    if (f->why)
        printf("  why: %s\n", f->why);
    if (f->form != DIRECTORY_APPLY_NOTHING)
        printf("  %s:\n" STR_FMT, FORMS[f->form].how, STR_ARG(f->apply));
    if (f->form != DIRECTORY_APPLY_NOTHING && !str_ends(f->apply, STR("\n\n")))
        putchar('\n');
}

static void print_text(const struct directory_inspection *found, size_t findings)
{
    for (size_t i = 0; i < found->count; i++)
        print_finding(&found->at[i]);
    if (findings)
        printf("%zu to look at. `kiops-bridge check --ldif` prints what cn=config lacks for "
               "ldapmodify, `--ldif=entries` the entries.\n",
               findings);
    else
        printf("configuration and directory are fit for each other\n");
}

/* For a pipe into ldapmodify: LDIF and comments, nothing else. */
static void print_ldif(const struct directory_inspection *found, enum directory_apply form)
{
    for (size_t i = 0; i < found->count; i++) {
        if (found->at[i].form != form)
            continue;
        printf("# %s: ", found->at[i].code);
        print_plain(found->at[i].text);
        printf("\n" STR_FMT, STR_ARG(found->at[i].apply));
    }
}

size_t cli_findings_count(const struct directory_inspection *found)
{
    size_t n = 0;
    for (size_t i = 0; i < found->count; i++)
        n += found->at[i].severity != DIRECTORY_NOTE;
    return n;
}

static int print(const struct cli *c, const struct options *o,
                 const struct directory_inspection *found)
{
    size_t findings = cli_findings_count(found);
    if (o->what == LDIF_CONFIG)
        print_ldif(found, DIRECTORY_APPLY_CONFIG);
    else if (o->what == LDIF_ENTRIES)
        print_ldif(found, DIRECTORY_APPLY_ENTRIES);
    else if (c->json)
        print_json(found);
    else
        print_text(found, findings);
    return findings ? CLI_FINDINGS : CLI_OK;
}

static int inspect(const struct cli *c, struct directory *directory, const struct options *o)
{
    struct directory_inspection found;
    struct error err = ERROR_INIT;
    OWNED_ARENA struct arena *a = arena_new();
    if (!directory_inspect(directory, a, &found, &err))
        return cli_fail(&err);
    return print(c, o, &found);
}

/* Why there is no connection stands in the log; what the directory refuses later is a finding, and
 * no news for the log. */
static bool greet(struct directory *d, const struct config *config, struct error *err)
{
    log_setup(LOG_LEVEL_WARN, config->log.json);
    struct directory_conn *conn = directory_open(d, DIRECTORY_SERVICE);
    bool answers = directory_ping(conn, err);
    directory_close(conn);
    log_setup(LOG_LEVEL_ERROR, config->log.json);
    return answers;
}

static int run(const struct cli *c, const struct config *config, const struct options *o)
{
    struct scim_catalog *catalog = NULL;
    struct directory *directory = NULL;
    struct error err = ERROR_INIT;
    int status;
    if (!cli_catalog(config, &catalog, &err) || !directory_new(config, catalog, &directory, &err) ||
        !greet(directory, config, &err))
        status = cli_fail(&err);
    else if (o->what == IMPACT)
        status = cli_check_impact(c, directory);
    else if (o->what == REPORT)
        status = cli_check_report(c, config, directory);
    else
        status = inspect(c, directory, o);
    directory_free(directory);
    scim_catalog_free(catalog);
    return status;
}

static bool parse(const struct cli *c, struct options *out)
{
    static const struct {
        struct str word;
        enum what what;
    } WORDS[] = {{STR_INIT("--ldif"), LDIF_CONFIG},
                 {STR_INIT("--ldif=config"), LDIF_CONFIG},
                 {STR_INIT("--ldif=entries"), LDIF_ENTRIES},
                 {STR_INIT("--impact"), IMPACT},
                 {STR_INIT("--report"), REPORT}};
    *out = (struct options){FINDINGS};
    if (c->count > 1)
        return false;
    for (size_t i = 0; c->count && i < sizeof WORDS / sizeof *WORDS; i++) {
        if (!str_eq(str_of(c->args[0]), WORDS[i].word))
            continue;
        out->what = WORDS[i].what;
        return true;
    }
    return c->count == 0;
}

int cli_check(const struct cli *c)
{
    struct options o;
    if (!parse(c, &o))
        return cli_usage("write: check [--impact | --report | --ldif[=config|entries]]");
    struct config *config = cli_config(c);
    if (!config)
        return CLI_ERROR;
    int status = run(c, config, &o);
    config_free(config);
    return status;
}
