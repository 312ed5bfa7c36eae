/* Reconciliation jobs: their names, and the guards that a job does not set itself. */
#include "config/internal.h"

#define NAME_MAX_LEN 40

const char *config_check_job(struct str value)
{
    bool fine = value.len > 0 && value.len <= NAME_MAX_LEN;
    for (size_t i = 0; fine && i < value.len; i++) {
        char c = value.at[i];
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    }
    return fine ? NULL : "must be up to 40 letters, digits, '-' and '_'";
}

const char *config_check_principal(struct str value)
{
    bool fine = str_starts(value, STR("token:")) && value.len > sizeof "token:" - 1;
    return fine ? NULL : "must be \"token:NAME\": the token with whose rights the job acts";
}

static void derive(int64_t *figure, int64_t of_all)
{
    if (*figure < 0)
        *figure = of_all;
}

/* Both are nothing but figures. */
static void derive_guards(struct config_guards *g, const struct config_guards *all)
{
    _Static_assert(sizeof(struct config_guards) % sizeof(int64_t) == 0, "figures alone");
    int64_t *own = &g->minimum_population;
    const int64_t *others = &all->minimum_population;
    for (size_t i = 0; i < sizeof *g / sizeof *own; i++)
        derive(&own[i], others[i]);
}

void config_jobs_derive(struct config *c)
{
    struct config_job *jobs = (struct config_job *)(uintptr_t)c->jobs;
    for (size_t i = 0; i < c->job_count; i++)
        derive_guards(&jobs[i].guards, &c->guards);
}

static const char *job_wrong(const struct config_job *j)
{
    if (j->kind == CONFIG_JOB_CSV && !j->file.len)
        return "one of kind \"csv\" needs file, the CSV file";
    if (j->kind == CONFIG_JOB_PULL && !j->url.len)
        return "one of kind \"pull\" needs url, the base of the other SCIM service";
    if (j->kind == CONFIG_JOB_PUSH && (!j->url.len || !j->token_file.len))
        return "one of kind \"push\" needs url and token_file, of the provider";
    if (j->url.len && !config_url_is_safe(j->url))
        return "url: must be an https:// address (http:// on this host alone)";
    for (size_t i = 0; i < j->match.count; i++)
        if (!str_eq(j->match.at[i], STR("externalId")) && !str_eq(j->match.at[i], STR("userName")))
            return "match: must be of externalId and userName";
    return NULL;
}

const char *config_jobs_wrong(const struct config *c)
{
    if (c->job_count && !c->directory.jobs_base.len)
        return "need directory.platform.jobs_base, where their lease and budgets are kept";
    for (size_t i = 0; i < c->job_count; i++) {
        if (config_job(c, c->jobs[i].name) != &c->jobs[i])
            return "two have the same name";
        const char *wrong = job_wrong(&c->jobs[i]);
        if (wrong)
            return wrong;
    }
    return NULL;
}

const struct config_job *config_job(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->job_count; i++)
        if (str_ieq(c->jobs[i].name, name))
            return &c->jobs[i];
    return NULL;
}
