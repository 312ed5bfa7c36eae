/* Guards: what a plan does, counted, against what the configuration lets pass. */
#include "reconcile/reconcile.h"

#include "base/json.h"
#include "base/own.h"

#define HISTORY_DEPTH 8

static const char *const names[RECONCILE_GUARDS] = {
    [GUARD_DEACTIVATE] = "deactivate",
    [GUARD_DELETE] = "delete",
    [GUARD_REMOVE_MEMBER] = "remove_member",
    [GUARD_DEMOTE] = "demote",
    [GUARD_GRANT_MANAGER] = "grant_manager",
    [GUARD_GRANT_ADMIN] = "grant_admin",
    [GUARD_GRANT_PERMISSION] = "grant_permission",
    [GUARD_SCOPE_SHRINK] = "scope_shrink",
    [GUARD_SOURCE_SHRINK] = "source_shrink",
    [GUARD_BUDGET_24H_DEACTIVATE] = "budget_24h.deactivate",
    [GUARD_BUDGET_24H_DELETE] = "budget_24h.delete",
    [GUARD_BUDGET_7D_DEACTIVATE] = "budget_7d.deactivate",
    [GUARD_BUDGET_7D_DELETE] = "budget_7d.delete",
};

const char *reconcile_guard_name(enum reconcile_guard g)
{
    return names[g];
}

bool reconcile_guard_parse(struct str name, enum reconcile_guard *out)
{
    for (int g = 0; g < RECONCILE_GUARDS; g++)
        if (str_eq(name, str_of(names[g]))) {
            *out = (enum reconcile_guard)g;
            return true;
        }
    return false;
}

/* -1 = that figure does not bind. */
struct limit {
    int64_t percent, count;
};

struct checking {
    const struct reconcile_plan *plan;
    const struct config_guards *limits;
    const struct reconcile_release *release;
    struct reconcile_trips *out;
};

static size_t allowed_of(const struct checking *c, struct limit l, size_t population)
{
    size_t allowed = l.count < 0 ? SIZE_MAX : (size_t)l.count;
    bool by_percent = l.percent >= 0 && (l.count < 0 || population > 0) &&
                      population >= (size_t)c->limits->minimum_population;
    size_t share = population / 100 * (size_t)(l.percent < 0 ? 0 : l.percent) +
                   population % 100 * (size_t)(l.percent < 0 ? 0 : l.percent) / 100;
    return by_percent && share < allowed ? share : allowed;
}

static void check(const struct checking *c, struct reconcile_trip t, struct limit l)
{
    int64_t released = c->release->at[t.guard];
    t.allowed = released >= 0 ? (size_t)released : allowed_of(c, l, t.population);
    if (t.wanted <= t.allowed)
        return;
    struct reconcile_trips *out = c->out;
    out->at = arena_grow(c->plan->arena, out->at, sizeof *out->at, out->count, &out->cap);
    out->at[out->count++] = t;
}

/* ---- what the plan does */

static bool is_planned(const struct reconcile_line *l, enum kiops_change_kind kind)
{
    return l->state == RECONCILE_PLANNED && l->kind == kind;
}

static size_t count_of(const struct reconcile_plan *p, enum kiops_change_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += is_planned(&p->at[i], kind);
    return n;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static size_t members_in(const struct checking *c, struct str organization)
{
    const struct reconcile_plan *p = c->plan;
    return p->members_of ? p->members_of(p->members, organization) : 0;
}

/* A deletion removes all. */
static void check_emptied(const struct checking *c, struct str organization)
{
    size_t members = members_in(c, organization);
    const struct config_guard *g = &c->limits->remove_member;
    const struct reconcile_trip t = {.guard = GUARD_REMOVE_MEMBER,
                                     .organization = organization,
                                     .wanted = members,
                                     .population = members};
    check(c, t, (struct limit){g->percent, g->count});
}

/* Of one organization each: a plan may empty one and look small beside the whole. */
static void check_removals(const struct checking *c)
{
    const struct reconcile_plan *p = c->plan;
    struct str *of = ARENA_ARRAY(p->arena, struct str, p->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (is_planned(&p->at[i], KIOPS_REMOVE))
            of[n++] = p->at[i].organization;
    for (size_t i = 0; i < p->count; i++)
        if (is_planned(&p->at[i], KIOPS_DELETE_ORGANIZATION))
            check_emptied(c, p->at[i].organization);
    if (n)
        qsort(of, n, sizeof *of, by_text);
    for (size_t i = 0, to; i < n; i = to) {
        for (to = i + 1; to < n && str_eq(of[to], of[i]); to++)
            ;
        const struct reconcile_trip t = {.guard = GUARD_REMOVE_MEMBER,
                                         .organization = of[i],
                                         .wanted = to - i,
                                         .population = members_in(c, of[i])};
        check(c, t,
              (struct limit){c->limits->remove_member.percent, c->limits->remove_member.count});
    }
}

static void check_shrink(const struct checking *c, enum reconcile_guard guard, size_t was,
                         size_t now)
{
    const struct config_guards *g = c->limits;
    const struct reconcile_trip t = {
        .guard = guard, .wanted = was > now ? was - now : 0, .population = was};
    int64_t percent =
        guard == GUARD_SCOPE_SHRINK ? g->scope_shrink.percent : g->source_shrink.percent;
    check(c, t, (struct limit){percent, -1});
}

static struct reconcile_spent spent_since(const struct reconcile_history *h, instant_t from)
{
    struct reconcile_spent sum = {0};
    for (size_t i = 0; i < h->spent_count; i++) {
        if (h->spent[i].at < from)
            continue;
        sum.deactivate += h->spent[i].deactivate;
        sum.delete_ += h->spent[i].delete_;
    }
    return sum;
}

static void check_budgets(const struct checking *c, const struct reconcile_history *h,
                          instant_t now)
{
    const struct config_guards *g = c->limits;
    size_t deactivate = count_of(c->plan, KIOPS_DEACTIVATE);
    size_t delete_ = count_of(c->plan, KIOPS_DELETE_USER);
    struct reconcile_spent day = spent_since(h, now - CLOCK_DAY_US);
    struct reconcile_spent week = spent_since(h, now - 7 * CLOCK_DAY_US);
    const struct {
        enum reconcile_guard guard;
        size_t planned, spent;
        int64_t count;
    } rows[] = {
        {GUARD_BUDGET_24H_DEACTIVATE, deactivate, day.deactivate, g->budget_24h.deactivate},
        {GUARD_BUDGET_24H_DELETE, delete_, day.delete_, g->budget_24h.delete_},
        {GUARD_BUDGET_7D_DEACTIVATE, deactivate, week.deactivate, g->budget_7d.deactivate},
        {GUARD_BUDGET_7D_DELETE, delete_, week.delete_, g->budget_7d.delete_},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct reconcile_trip t = {.guard = rows[i].guard,
                                         .wanted = rows[i].planned + rows[i].spent};
        if (rows[i].planned)
            check(c, t, (struct limit){-1, rows[i].count});
    }
}

void reconcile_guard_check(const struct reconcile_plan *p, const struct reconcile_limits *l,
                           struct reconcile_trips *out)
{
    const struct config_guards *limits = l->guards;
    const struct checking c = {.plan = p, .limits = limits, .release = l->release, .out = out};
    const struct reconcile_population *pop = &p->population;
    const struct {
        enum reconcile_guard guard;
        enum kiops_change_kind kind;
        size_t population;
        struct limit limit;
    } rows[] = {
        {GUARD_DEACTIVATE,
         KIOPS_DEACTIVATE,
         pop->active,
         {limits->deactivate.percent, limits->deactivate.count}},
        {GUARD_DELETE,
         KIOPS_DELETE_USER,
         pop->users,
         {limits->delete_.percent, limits->delete_.count}},
        {GUARD_DEMOTE, KIOPS_DEMOTE, pop->managers, {limits->demote.percent, limits->demote.count}},
        {GUARD_GRANT_MANAGER, KIOPS_PROMOTE, 0, {-1, limits->grant_manager.count}},
        {GUARD_GRANT_ADMIN, KIOPS_MAKE_ADMIN, 0, {-1, limits->grant_admin.count}},
        {GUARD_GRANT_PERMISSION,
         KIOPS_GRANT,
         pop->permissions,
         {limits->grant_permission.percent, limits->grant_permission.count}},
    };
    *out = (struct reconcile_trips){0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct reconcile_trip t = {.guard = rows[i].guard,
                                         .wanted = count_of(p, rows[i].kind),
                                         .population = rows[i].population};
        check(&c, t, rows[i].limit);
        if (rows[i].guard == GUARD_DELETE)
            check_removals(&c);
    }
    check_shrink(&c, GUARD_SCOPE_SHRINK, l->history->scope, pop->scope);
    check_shrink(&c, GUARD_SOURCE_SHRINK, l->history->source, pop->source);
    check_budgets(&c, l->history, l->now);
}

/* ---- what earlier runs did */

/* Full: the oldest two become one, as if both had been at the later time. */
static void forget_older(struct reconcile_history *h, instant_t from)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->spent_count; i++)
        if (h->spent[i].at >= from)
            h->spent[kept++] = h->spent[i];
    if (kept == RECONCILE_SPENT_MAX) {
        h->spent[1].deactivate += h->spent[0].deactivate;
        h->spent[1].delete_ += h->spent[0].delete_;
        memmove(&h->spent[0], &h->spent[1], --kept * sizeof h->spent[0]);
    }
    h->spent_count = kept;
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct reconcile_gone *)a)->id, ((const struct reconcile_gone *)b)->id);
}

instant_t reconcile_gone_since(const struct reconcile_history *h, struct str id)
{
    const struct reconcile_gone wanted = {.id = id};
    const struct reconcile_gone *found =
        h->gone_count ? bsearch(&wanted, h->gone, h->gone_count, sizeof *h->gone, by_id) : NULL;
    return found ? found->since : INSTANT_NONE;
}

/* Who is there again is forgotten. */
static void remember_gone(const struct reconcile_plan *p, instant_t now,
                          struct reconcile_history *h)
{
    size_t n = p->gone_count < RECONCILE_GONE_MAX ? p->gone_count : RECONCILE_GONE_MAX;
    struct reconcile_gone *gone = ARENA_ARRAY(p->arena, struct reconcile_gone, n + 1);
    for (size_t i = 0; i < n; i++) {
        instant_t since = reconcile_gone_since(h, p->gone[i]);
        gone[i] = (struct reconcile_gone){p->gone[i], since == INSTANT_NONE ? now : since};
    }
    h->gone = gone;
    h->gone_count = n;
}

void reconcile_guard_spend(const struct reconcile_plan *p, instant_t now,
                           struct reconcile_history *h)
{
    struct reconcile_spent s = {.at = now,
                                .deactivate = (uint32_t)count_of(p, KIOPS_DEACTIVATE),
                                .delete_ = (uint32_t)count_of(p, KIOPS_DELETE_USER)};
    forget_older(h, now - 7 * CLOCK_DAY_US);
    if (s.deactivate || s.delete_)
        h->spent[h->spent_count++] = s;
    h->scope = p->population.scope;
    h->source = p->population.source;
    h->at = now;
    h->serial++;
    remember_gone(p, now, h);
}

static size_t number(const json_t *o, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(o, name));
    return n < 0 ? 0 : (size_t)n;
}

static void read_gone(struct arena *a, const json_t *gone, struct reconcile_history *out)
{
    size_t n = json_object_size(gone), count = 0;
    struct reconcile_gone *all = ARENA_ARRAY(a, struct reconcile_gone, n + 1);
    const char *id;
    json_t *since;
    json_object_foreach((json_t *)(uintptr_t)gone, id, since)
    {
        all[count].id = arena_str(a, str_of(id));
        count += clock_parse_rfc3339(json_str(since), &all[count].since);
    }
    if (count)
        qsort(all, count, sizeof *all, by_id);
    out->gone = all;
    out->gone_count = count;
}

void reconcile_history_read(struct arena *a, struct str text, struct reconcile_history *out)
{
    struct error odd = ERROR_INIT;
    *out = (struct reconcile_history){.at = INSTANT_NONE};
    OWNED_JSON json_t *doc =
        text.len ? json_load_strict(text, (struct json_limits){.depth = HISTORY_DEPTH}, &odd)
                 : NULL;
    if (!doc)
        return;
    out->serial = number(doc, "serial");
    if (!clock_parse_rfc3339(json_get_str(doc, "at"), &out->at))
        out->at = INSTANT_NONE;
    out->scope = number(doc, "scope");
    out->source = number(doc, "source");
    read_gone(a, json_object_get(doc, "gone"), out);
    const json_t *spent = json_object_get(doc, "spent");
    for (size_t i = 0; i < json_array_size(spent) && i < RECONCILE_SPENT_MAX; i++) {
        const json_t *o = json_array_get(spent, i);
        struct reconcile_spent *s = &out->spent[out->spent_count];
        if (!clock_parse_rfc3339(json_get_str(o, "at"), &s->at))
            continue;
        s->deactivate = (uint32_t)number(o, "deactivate");
        s->delete_ = (uint32_t)number(o, "delete");
        out->spent_count++;
    }
}

struct str reconcile_history_write(struct arena *a, const struct reconcile_history *h)
{
    char at[CLOCK_TEXT_MAX];
    OWNED_BUF struct buf out;
    OWNED_JSON json_t *o = json_object();
    json_t *spent = json_array();
    json_put(o, "serial", json_integer((json_int_t)h->serial));
    if (h->at != INSTANT_NONE)
        json_put_str(o, "at", clock_rfc3339(h->at, at));
    json_put(o, "scope", json_integer((json_int_t)h->scope));
    json_put(o, "source", json_integer((json_int_t)h->source));
    for (size_t i = 0; i < h->spent_count; i++) {
        json_t *s = json_object();
        json_put_str(s, "at", clock_rfc3339(h->spent[i].at, at));
        json_put(s, "deactivate", json_integer(h->spent[i].deactivate));
        json_put(s, "delete", json_integer(h->spent[i].delete_));
        json_push(spent, s);
    }
    json_put(o, "spent", spent);
    json_t *gone = json_object();
    for (size_t i = 0; i < h->gone_count; i++)
        json_put_str(gone, h->gone[i].id.at, clock_rfc3339(h->gone[i].since, at));
    if (h->gone_count)
        json_put(o, "gone", gone);
    else
        json_decref(gone);
    buf_init(&out, (size_t)4 << 20);
    json_write(o, &out);
    return arena_str(a, buf_view(&out));
}
