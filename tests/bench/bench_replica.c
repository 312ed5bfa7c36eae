/*
 * Bench of the replica alone: 100,000 users, 1,000 organizations with 100 members each. One line
 * per case: name, value, unit.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../unit/replica_fixture.h"

enum { USERS = 100000, ORGANIZATIONS = 1000, GETS = 400000 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct str id_of(struct arena *a, unsigned kind, unsigned n)
{
    return arena_fmt(a, "%08x-5b1c-103f-%04x-%012x", n * 2654435761U, kind, n);
}

static struct str dn_of(struct arena *a, unsigned n)
{
    return arena_fmt(a, "uid=user%06u,ou=people,dc=example,dc=org", n);
}

static json_t *resource_of(const char *name)
{
    json_t *r =
        json_pack("{s:s,s:{s:s,s:s,s:s},s:s,s:s,s:s,s:b,s:[{s:s,s:s,s:b}],s:[{s:s,s:s}]}",
                  "userName", name, "name", "formatted", "Given Family", "familyName", "Family",
                  "givenName", "Given", "displayName", "Given Family", "title", "Engineer",
                  "preferredLanguage", "en", "active", 1, "emails", "value", name, "type", "work",
                  "primary", 1, "phoneNumbers", "value", "+82 2 1234 5678", "type", "work");
    json_put(r, SCIM_URN_ENTERPRISE,
             json_pack("{s:s,s:s}", "employeeNumber", "104822", "department", "Hull works"));
    return r;
}

static void add_one(struct world *w, unsigned n)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str name = arena_fmt(a, "user%06u@example.org", n);
    struct str org = id_of(a, 2, n % ORGANIZATIONS);
    struct str wide = id_of(a, 2, ORGANIZATIONS);
    const struct str joined[] = {
        arena_fmt(a, STR_FMT ":20260105080000Z.8f3a91c2d4e5b6a7", STR_ARG(org)),
        arena_fmt(a, STR_FMT ":2026%02u%02u%02u%02u00Z.8f3a91c2d4e5b6a7", STR_ARG(wide), 1 + n % 11,
                  1 + n % 27, n / 7 % 24, n / 13 % 60),
    };
    struct str external = arena_fmt(a, "idp:00u%08x", n);
    struct directory_user u = {
        .person = {.dn = dn_of(a, n),
                   .id = id_of(a, 1, n),
                   .csn = arena_fmt(a, "20260105080000.%06uZ#000000#001#000000", n),
                   .active = true,
                   .joined = {joined, 2},
                   .external_ids = {&external, 1}},
        .user_name = name,
        .display = STR("Given Family"),
        .resource = resource_of(name.at),
        .created = CREATED,
        .modified = MODIFIED,
    };
    snprintf(u.version, sizeof u.version, "%016x", n);
    json_keep(a, u.resource);
    replica_apply_user(w->replica, &u);
}

static void add_members(struct world *w, unsigned n, unsigned count)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_organization o = {
        .dn = arena_fmt(a, "cn=org%u,ou=orgs,dc=example,dc=org", n),
        .id = id_of(a, 2, n),
        .csn = STR("20260105080000.000001Z#000000#001#000000"),
        .name = arena_fmt(a, "Project %u", n),
        .resource = json_object(),
        .created = CREATED,
        .modified = MODIFIED,
    };
    json_keep(a, o.resource);
    json_put_str(o.resource, "displayName", o.name);
    struct str *dns = ARENA_ARRAY(a, struct str, count);
    for (unsigned i = 0; i < count; i++)
        dns[i] = dn_of(a, n + i * (USERS / count));
    o.members = (struct directory_values){dns, count};
    replica_apply_organization(w->replica, &o, true);
}

static void say(const char *name, double value, const char *unit)
{
    printf("%-44s %12.2f %s\n", name, value, unit);
}

static void bench_get(struct world *w)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str *ids = ARENA_ARRAY(w->arena, struct str, 4096);
    for (unsigned i = 0; i < 4096; i++)
        ids[i] = id_of(w->arena, 1, i * 24 + 7);
    double start = seconds();
    for (unsigned i = 0; i < GETS; i++) {
        struct replica_text text;
        if (!replica_show(
                w->replica, a,
                &(struct replica_ask){REPLICA_USER, ids[i % 4096], &everyone_sees, {true}}, &text))
            abort();
        if (i == 0)
            fprintf(stderr, STR_FMT "\n", STR_ARG(text.json));
        arena_reset(a);
    }
    say("GET user", (seconds() - start) / GETS * 1e6, "us");
}

static void bench_group(struct world *w, unsigned n, const char *name)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct replica_text text;
    double start = seconds();
    for (unsigned i = 0; i < 10; i++) {
        arena_reset(a);
        if (!replica_show(
                w->replica, a,
                &(struct replica_ask){REPLICA_GROUP, id_of(w->arena, 2, n), &everyone_sees, {true}},
                &text))
            abort();
    }
    say(name, (seconds() - start) / 10 * 1e3, "ms");
}

static const char *const types[] = {"User", "Group", "Membership"};

struct asked {
    enum replica_kind kind;
    const char *filter, *by; /* NULL: none */
    const char *name;
};

/* In milliseconds, with an arena of its own, as a request has. */
static double find_ms(struct world *w, const struct asked *what, int64_t *total)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = fixture_context(a, w->catalog, types[what->kind]);
    struct error err = ERROR_INIT;
    struct replica_query q = {.kind = what->kind,
                              .start_index = 1,
                              .count = 100,
                              .actor = &everyone_sees,
                              .want = {.members = true}};
    if (what->filter)
        fixture_expect(scim_filter_parse(&in, str_of(what->filter), &q.filter, &err), &err);
    if (what->by)
        fixture_expect(scim_sort_parse(&in, str_of(what->by), STR_NONE, &q.sort, &err), &err);
    struct replica_page page;
    double start = seconds();
    fixture_expect(replica_find(w->replica, a, &q, &page, &err), &err);
    double took = seconds() - start;
    *total = page.total;
    return took * 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* What it takes the first time, and the median of so many more; nothing of it is kept between. */
static void bench_sorted(struct world *w, const struct asked *what)
{
    enum { MORE = 9 };
    double ms[MORE];
    int64_t total;
    OWNED_ARENA struct arena *a = arena_new();
    double first = find_ms(w, what, &total);
    for (size_t i = 0; i < MORE; i++)
        ms[i] = find_ms(w, what, &total);
    qsort(ms, MORE, sizeof *ms, by_size);
    const char *text = what->name ? what->name : what->filter ? what->filter : "all";
    say(arena_fmt(a, "%.96s%s%s -> %lld", text, what->by ? ", by " : "", what->by ? what->by : "",
                  (long long)total)
            .at,
        first, "ms");
    say("  again", ms[MORE / 2], "ms");
}

static void bench_find(struct world *w, enum replica_kind kind, const char *filter)
{
    bench_sorted(w, &(struct asked){.kind = kind, .filter = filter});
}

static void bench_memberships(struct world *w)
{
    static const char *const by[] = {NULL, "user.email", "user.display", "role", "joinDate"};
    static const struct {
        const char *name, *more;
    } filters[] = {{"10,000 memberships", ""},
                   {"those active", " and status eq \"active\""},
                   {"those named so", " and user.display co \"family\""}};
    OWNED_ARENA struct arena *a = arena_new();
    struct str id = id_of(a, 2, ORGANIZATIONS);
    add_members(w, ORGANIZATIONS, USERS / 10);
    for (size_t i = 0; i < sizeof by / sizeof by[0]; i++)
        for (size_t k = 0; k < sizeof filters / sizeof filters[0]; k++)
            bench_sorted(w, &(struct asked){
                                .kind = REPLICA_MEMBERSHIP,
                                .filter = arena_fmt(a, "organization.value eq \"" STR_FMT "\"%s",
                                                    STR_ARG(id), filters[k].more)
                                              .at,
                                .by = by[i],
                                .name = filters[k].name,
                            });
}

int main(void)
{
    struct world w = world_new();
    struct mallinfo2 before = mallinfo2();
    double start = seconds();
    replica_refresh_begin(w.replica);
    for (unsigned n = 0; n < USERS; n++)
        add_one(&w, n);
    for (unsigned n = 0; n < ORGANIZATIONS; n++)
        add_members(&w, n, USERS / ORGANIZATIONS);
    replica_refresh_end(w.replica);
    say("load", seconds() - start, "s");
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    say("resident", (double)usage.ru_maxrss / 1024, "MB");
    say("per user", (double)(mallinfo2().uordblks - before.uordblks) / USERS, "bytes");
    struct replica_counts n;
    replica_count(w.replica, &n);
    say("records", (double)n.bytes / USERS, "bytes a user");
    bench_get(&w);
    bench_group(&w, 5, "GET group of 100");
    start = seconds();
    add_members(&w, ORGANIZATIONS, USERS);
    say("apply an organization of 100,000", (seconds() - start) * 1e3, "ms");
    start = seconds();
    add_members(&w, ORGANIZATIONS, USERS);
    say("apply it again", (seconds() - start) * 1e3, "ms");
    bench_group(&w, ORGANIZATIONS, "GET group of 100,000");
    bench_find(&w, REPLICA_USER, NULL);
    bench_find(&w, REPLICA_USER, "userName eq \"USER000077@example.org\"");
    bench_find(&w, REPLICA_USER, "active eq true");
    bench_find(&w, REPLICA_USER, "name.familyName co \"am\"");
    bench_find(&w, REPLICA_USER, "groups.display co \"Project 17\"");
    bench_find(&w, REPLICA_GROUP, "displayName sw \"Project 1\"");
    bench_find(&w, REPLICA_GROUP, "members.display co \"Given\"");
    bench_memberships(&w);
    world_free(&w);
    return 0;
}
