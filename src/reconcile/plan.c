/* The plan: its lines, their order, and its form on disk. */
#include "reconcile/reconcile.h"

#include "base/base64.h"
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

static char direction(enum kiops_change_kind kind)
{
    switch (kind) {
    case KIOPS_DEACTIVATE:
    case KIOPS_DELETE_USER:
    case KIOPS_DELETE_FROM:
    case KIOPS_DELETE_ORGANIZATION:
    case KIOPS_REJECT:
    case KIOPS_WITHDRAW:
    case KIOPS_REMOVE:
    case KIOPS_DEMOTE:
    case KIOPS_REVOKE:
    case KIOPS_UNMAKE_ADMIN:
    case KIOPS_REVOKE_TOKEN:
    case KIOPS_EXPIRE_SIGN_UP:
        return '-';
    case KIOPS_CREATE_USER:
    case KIOPS_REACTIVATE:
    case KIOPS_CREATE_ORGANIZATION:
    case KIOPS_ADD:
    case KIOPS_REQUEST:
    case KIOPS_APPROVE:
    case KIOPS_PROMOTE:
    case KIOPS_GRANT:
    case KIOPS_MAKE_ADMIN:
    case KIOPS_CREATE_TOKEN:
    case KIOPS_SIGN_UP:
        return '+';
    case KIOPS_EDIT_USER:
    case KIOPS_EDIT_ORGANIZATION:
    case KIOPS_LIST_USERS:
    case KIOPS_RELEASE_GUARD:
    case KIOPS_SEE_ORGANIZATION:
        return '~';
    }
    return '~';
}

char reconcile_symbol(const struct reconcile_line *l)
{
    static const char symbols[] = {
        [RECONCILE_REFUSED] = '!', [RECONCILE_CONFLICT] = '?', [RECONCILE_REPORTED] = '*'};
    return l->state == RECONCILE_PLANNED ? direction(l->kind) : symbols[l->state];
}

static int phase(const struct reconcile_line *l)
{
    char c = direction(l->kind);
    return l->state != RECONCILE_PLANNED ? 3 : c == '-' ? 0 : c == '~' ? 1 : 2;
}

static int by_phase(const void *a, const void *b)
{
    const struct reconcile_line *x = a, *y = b;
    if (phase(x) != phase(y))
        return phase(x) - phase(y);
    if (x->state != y->state)
        return (int)x->state - (int)y->state;
    if (x->kind != y->kind && (phase(x) == 2 || phase(x) == 0))
        return (int)x->kind - (int)y->kind;
    const struct str *const keys[][2] = {{&x->organization, &y->organization},
                                         {&x->subject, &y->subject},
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

/* ---- lines as JSON */

static const char *const states[] = {"planned", "refused", "conflict", "reported"};
static const char *const ops[] = {
    [DIRECTORY_ADD] = "add", [DIRECTORY_DELETE] = "delete", [DIRECTORY_REPLACE] = "replace"};

static void put(json_t *o, const char *name, struct str value)
{
    if (value.len)
        json_put_str(o, name, value);
}

/* New: a text, or {"base64": ...} of what is none. */
static json_t *value_json(struct arena *a, struct str value)
{
    json_t *text = json_stringn(value.at ? value.at : "", value.len);
    if (text && !memchr(value.at ? value.at : "", 0, value.len))
        return text;
    json_decref(text);
    json_t *o = json_object();
    json_put_str(o, "base64", base64_encode(a, value));
    return o;
}

static json_t *mods_json(const struct directory_mods *m)
{
    json_t *all = json_array();
    for (size_t i = 0; i < m->count; i++) {
        json_t *o = json_object(), *values = json_array();
        json_put_str(o, "op", str_of(ops[m->at[i].op]));
        json_put_str(o, "attribute", str_of(m->at[i].attr));
        for (size_t k = 0; k < m->at[i].count; k++)
            json_push(values, value_json(m->arena, m->at[i].values[k]));
        json_put(o, "values", values);
        json_push(all, o);
    }
    return all;
}

static json_t *mend_json(const struct service_mend *m)
{
    json_t *o = json_object();
    put(o, "dn", m->dn);
    put(o, "id", m->id);
    put(o, "version", m->csn);
    put(o, "nobody", m->nobody);
    put(o, "person", m->person);
    put(o, "personVersion", m->person_csn);
    put(o, "manages", m->manages);
    json_put(o, "changes", mods_json(&m->mods));
    return o;
}

json_t *reconcile_line_json(const struct reconcile_line *l)
{
    const char symbol[2] = {reconcile_symbol(l), 0};
    json_t *o = json_object();
    json_put_str(o, "symbol", str_of(symbol));
    json_put_str(o, "state", str_of(states[l->state]));
    json_put_str(o, "change", str_of(kiops_change_name(l->kind)));
    put(o, "code", str_of(l->code));
    put(o, "user", l->subject);
    put(o, "userName", l->subject_name);
    put(o, "organization", l->organization);
    put(o, "organizationName", l->organization_name);
    put(o, "attribute", l->attribute);
    put(o, "before", l->before);
    put(o, "after", l->after);
    put(o, "reason", l->text);
    put(o, "changedBy", l->by);
    put(o, "changedAt", l->at);
    put(o, "then", l->then);
    if (l->means == RECONCILE_MODIFY)
        json_put(o, "modify", mend_json(&l->mend));
    return o;
}

/* ---- and back */

static struct str get(struct arena *a, const json_t *o, const char *name)
{
    return arena_str(a, json_get_str(o, name));
}

static bool kind_of(struct str name, enum kiops_change_kind *out)
{
    for (int k = 0; k < KIOPS_CHANGES; k++)
        if (str_eq(name, str_of(kiops_change_name((enum kiops_change_kind)k)))) {
            *out = (enum kiops_change_kind)k;
            return true;
        }
    return false;
}

static bool word_of(const char *const *words, int count, struct str word, int *out)
{
    for (int i = 0; i < count; i++)
        if (str_eq(word, str_of(words[i]))) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_value(struct arena *a, const json_t *v, struct str *out)
{
    if (json_is_string(v)) {
        *out = arena_str(a, json_str(v));
        return true;
    }
    struct str encoded = json_get_str(v, "base64");
    return encoded.at && base64_decode(a, encoded, out);
}

static bool read_mods(struct arena *a, const json_t *all, struct directory_mods *m)
{
    directory_mods_init(m, a);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i), *values = json_object_get(o, "values");
        size_t n = json_array_size(values);
        struct str *at = ARENA_ARRAY(a, struct str, n), attr = json_get_str(o, "attribute");
        int op;
        if (!attr.len || !word_of(ops, 3, json_get_str(o, "op"), &op))
            return false;
        for (size_t k = 0; k < n; k++)
            if (!read_value(a, json_array_get(values, k), &at[k]))
                return false;
        directory_mods_push(m, (enum directory_mod_op)op, arena_cstr(a, attr), at, n);
    }
    return m->count > 0;
}

static bool read_mend(struct arena *a, const json_t *o, struct service_mend *m)
{
    *m = (struct service_mend){.dn = get(a, o, "dn"),
                               .id = get(a, o, "id"),
                               .csn = get(a, o, "version"),
                               .nobody = get(a, o, "nobody"),
                               .person = get(a, o, "person"),
                               .person_csn = get(a, o, "personVersion"),
                               .manages = get(a, o, "manages")};
    return m->dn.len && m->id.len && read_mods(a, json_object_get(o, "changes"), &m->mods);
}

bool reconcile_line_load(struct reconcile_plan *p, const json_t *doc, struct error *err)
{
    struct arena *a = p->arena;
    enum kiops_change_kind kind;
    int state;
    if (!kind_of(json_get_str(doc, "change"), &kind) ||
        !word_of(states, 4, json_get_str(doc, "state"), &state))
        return error_set(err, ERR_CONFLICT, "a line of the plan cannot be read: make it again");
    struct reconcile_line *l = reconcile_plan_add(p, (enum reconcile_state)state, kind);
    l->code = arena_cstr(a, json_get_str(doc, "code"));
    l->subject = get(a, doc, "user");
    l->subject_name = get(a, doc, "userName");
    l->organization = get(a, doc, "organization");
    l->organization_name = get(a, doc, "organizationName");
    l->attribute = get(a, doc, "attribute");
    l->before = get(a, doc, "before");
    l->after = get(a, doc, "after");
    l->text = get(a, doc, "reason");
    l->by = get(a, doc, "changedBy");
    l->at = get(a, doc, "changedAt");
    l->then = get(a, doc, "then");
    const json_t *modify = json_object_get(doc, "modify");
    if (!modify)
        return l->state != RECONCILE_PLANNED ||
               error_set(err, ERR_CONFLICT, "a line of the plan lacks its change: make it again");
    l->means = RECONCILE_MODIFY;
    return read_mend(a, modify, &l->mend) ||
           error_set(err, ERR_CONFLICT, "a change of the plan cannot be read: make it again");
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
                                arena_fmt(a, "%d %d %d %d", (int)job->kind, (int)job->attributes,
                                          (int)job->roles, (int)job->dangling),
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
