/* The plan: its lines, their order, and its form on disk. */
#include "reconcile/reconcile.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

#define PLAN_VERSION 1

void reconcile_plan_init(struct reconcile_plan *p, struct arena *a, const struct config_job *job)
{
    *p = (struct reconcile_plan){.arena = a, .job = job};
}

struct reconcile_line *reconcile_plan_add(struct reconcile_plan *p, enum reconcile_state state,
                                          enum kiops_change_kind kind)
{
    p->at = arena_grow(p->arena, p->at, sizeof *p->at, p->count, &p->cap);
    struct reconcile_line *l = &p->at[p->count++];
    *l = (struct reconcile_line){.state = state, .kind = kind, .code = ""};
    return l;
}

size_t reconcile_plan_count(const struct reconcile_plan *p, enum reconcile_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->at[i].state == state;
    return n;
}

/* ---- order */

/* An organization's version speaks of its members, too: it is edited before one comes or goes. */
enum phase {
    PHASE_ORGANIZATIONS,
    PHASE_TAKES,
    PHASE_EDITS,
    PHASE_GIVES,
    PHASE_LATE,
    PHASE_NOTHING
};

static enum phase phase(const struct reconcile_line *l)
{
    char c = reconcile_direction(l->kind);
    if (l->state != RECONCILE_PLANNED)
        return PHASE_NOTHING;
    if (l->late)
        return PHASE_LATE;
    if (l->kind == KIOPS_EDIT_ORGANIZATION)
        return PHASE_ORGANIZATIONS;
    return c == '-' ? PHASE_TAKES : c == '~' ? PHASE_EDITS : PHASE_GIVES;
}

static int by_phase(const void *a, const void *b)
{
    const struct reconcile_line *x = a, *y = b;
    if (phase(x) != phase(y))
        return (int)phase(x) - (int)phase(y);
    if (x->state != y->state)
        return (int)x->state - (int)y->state;
    if (x->kind != y->kind && (phase(x) == PHASE_GIVES || phase(x) == PHASE_TAKES))
        return (int)x->kind - (int)y->kind;
    const struct str *const keys[][2] = {{&x->organization, &y->organization},
                                         {&x->organization_made, &y->organization_made},
                                         {&x->subject, &y->subject},
                                         {&x->subject_made, &y->subject_made},
                                         {&x->write.makes, &y->write.makes},
                                         {&x->attribute, &y->attribute},
                                         {&x->before, &y->before},
                                         {&x->after, &y->after}};
    int order = 0;
    for (size_t i = 0; !order && i < sizeof keys / sizeof *keys; i++)
        order = str_cmp(*keys[i][0], *keys[i][1]);
    return order ? order : str_cmp(str_of(x->code), str_of(y->code));
}

void reconcile_plan_sort(struct reconcile_plan *p)
{
    if (p->count)
        qsort(p->at, p->count, sizeof *p->at, by_phase);
}

/* ---- whole plans */

struct str reconcile_config_digest(struct arena *a, const struct config *config,
                                   const struct config_job *job)
{
    const struct config_directory *d = &config->directory;
    const struct str parts[] = {d->users.base,
                                d->users.filter,
                                d->organizations.base,
                                d->organizations.filter,
                                d->organizations.member,
                                d->organizations.owner,
                                d->organizations.placeholder_dn,
                                d->admins_dn,
                                d->uris.count ? d->uris.at[0] : STR_NONE,
                                job->name,
                                job->as,
                                arena_fmt(a, "%d %d %d %d %d %lld", (int)job->kind,
                                          (int)job->attributes, (int)job->roles, (int)job->dangling,
                                          job->groups, (long long)job->delete_after_days),
                                job->file,
                                job->match.count > 0 ? job->match.at[0] : STR_NONE,
                                job->match.count > 1 ? job->match.at[1] : STR_NONE,
                                job->url,
                                job->filter};
    OWNED_BUF struct buf all;
    char hex[65];
    buf_init(&all, (size_t)1 << 20);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_json_string(&all, parts[i]);
    hash_sha256_hex(buf_view(&all), hex);
    return arena_str(a, str_of(hex));
}

static json_t *population_json(const struct reconcile_population *p)
{
    json_t *o = json_object();
    json_put(o, "users", json_integer((json_int_t)p->users));
    json_put(o, "active", json_integer((json_int_t)p->active));
    json_put(o, "managers", json_integer((json_int_t)p->managers));
    json_put(o, "permissions", json_integer((json_int_t)p->permissions));
    json_put(o, "scope", json_integer((json_int_t)p->scope));
    json_put(o, "source", json_integer((json_int_t)p->source));
    return o;
}

static size_t number(const json_t *o, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(o, name));
    return n < 0 ? 0 : (size_t)n;
}

static void read_population(const json_t *o, struct reconcile_population *out)
{
    *out = (struct reconcile_population){.users = number(o, "users"),
                                         .active = number(o, "active"),
                                         .managers = number(o, "managers"),
                                         .permissions = number(o, "permissions"),
                                         .scope = number(o, "scope"),
                                         .source = number(o, "source")};
}

static void read_gone(struct reconcile_plan *p, const json_t *ids)
{
    size_t n = json_array_size(ids);
    struct str *gone = ARENA_ARRAY(p->arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++)
        gone[i] = arena_str(p->arena, json_str(json_array_get(ids, i)));
    p->gone = gone;
    p->gone_count = n;
}

json_t *reconcile_plan_json(const struct reconcile_plan *p, const struct config *config)
{
    char now[CLOCK_TEXT_MAX];
    json_t *o = json_object(), *lines = json_array();
    json_put(o, "version", json_integer(PLAN_VERSION));
    json_put_str(o, "job", p->job->name);
    json_put_str(o, "configuration", reconcile_config_digest(p->arena, config, p->job));
    json_put_str(o, "made", clock_rfc3339(clock_now(), now));
    for (size_t i = 0; i < p->count; i++)
        json_push(lines, reconcile_line_json(&p->at[i]));
    json_put(o, "lines", lines);
    json_put(o, "population", population_json(&p->population));
    json_t *gone = json_array();
    for (size_t i = 0; i < p->gone_count; i++)
        json_push(gone, json_string_safe(p->gone[i]));
    json_put(o, "gone", gone);
    return o;
}

bool reconcile_plan_load(struct reconcile_plan *p, const struct config *config, const json_t *doc,
                         struct error *err)
{
    struct str digest = reconcile_config_digest(p->arena, config, p->job);
    if (json_integer_value(json_object_get(doc, "version")) != PLAN_VERSION)
        return error_set(err, ERR_CONFLICT, "this is no plan of this version: make it again");
    if (!str_eq(json_get_str(doc, "job"), p->job->name))
        return error_set(err, ERR_CONFLICT, "the plan is another job's: make one of this job");
    if (!str_eq(json_get_str(doc, "configuration"), digest))
        return error_set(err, ERR_CONFLICT,
                         "the configuration is not any more the one that the plan was made with: "
                         "make it again");
    read_population(json_object_get(doc, "population"), &p->population);
    read_gone(p, json_object_get(doc, "gone"));
    const json_t *lines = json_object_get(doc, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++)
        if (!reconcile_line_load(p, json_array_get(lines, i), err))
            return false;
    return true;
}

struct str reconcile_run_id(struct arena *a, const struct config_job *job)
{
    char now[CLOCK_TEXT_MAX];
    uint32_t random;
    hash_random(&random, sizeof random);
    struct str when = clock_generalized(clock_now(), now);
    return arena_fmt(a, STR_FMT "-" STR_FMT "-%08x", STR_ARG(job->name),
                     STR_ARG(str_sub(when, 0, 14)), (unsigned)random);
}
