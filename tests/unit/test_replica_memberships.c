/* Lists of Memberships must be those that the texts themselves give: what a filter lets the replica
 * pass over, the order by keys, and the sort under it. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>

#include "replica/find.h"
#include "replica_fixture.h"

enum { PEOPLE = 60 };

static const char *const SEATS[] = {"alpha", "beta", "gamma"};

/* Person `n` is in each organization what the n-th of five is: nobody, a member, a Manager, who
 * waits, who was rejected. */
static void add_person(struct world *w, unsigned n)
{
    struct str name = arena_fmt(w->arena, "p%02u", n * 37 % PEOPLE);
    struct directory_user u = user_of(w, name.at, "1");
    struct str joined[3], waits[3], rejected[3], managed[3];
    size_t places = 0, asks = 0, refused = 0, owned = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct str id = organization_id(w, SEATS[i]);
        struct str dated =
            arena_fmt(w->arena, STR_FMT ":202601%02u080000Z", STR_ARG(id), 1 + n % 9);
        unsigned what = (n + i * 2) % 5;
        if (what == 1 || what == 2)
            joined[places++] = dated;
        if (what == 2)
            managed[owned++] = id;
        if (what == 3)
            waits[asks++] = dated;
        if (what == 4)
            rejected[refused++] = dated;
    }
    u.person.joined = (struct directory_values){joined, places};
    u.person.managers = (struct directory_values){managed, owned};
    u.person.requests = (struct directory_values){waits, asks};
    u.person.rejected = (struct directory_values){rejected, refused};
    replica_apply_user(w->replica, &u);
}

static void add_seats(struct world *w, unsigned i)
{
    OWNED_BUF struct buf members, owners;
    buf_init(&members, 1 << 16);
    buf_init(&owners, 1 << 16);
    for (unsigned n = 0; n < PEOPLE; n++) {
        unsigned what = (n + i * 2) % 5;
        struct str name = arena_fmt(w->arena, "p%02u ", n * 37 % PEOPLE);
        if (what == 1 || what == 2)
            buf_str(&members, name);
        if (what == 2)
            buf_str(&owners, name);
    }
    add_organization(w, SEATS[i], "1", arena_cstr(w->arena, buf_view(&members)),
                     arena_cstr(w->arena, buf_view(&owners)));
}

static struct world seated(void)
{
    struct world w = world_new();
    for (unsigned n = 0; n < PEOPLE; n++)
        add_person(&w, n);
    for (unsigned i = 0; i < 3; i++)
        add_seats(&w, i);
    return w;
}

struct asked {
    const struct kiops_actor *actor;
    const char *filter, *by;
    bool down;
};

static struct replica_query query_of(struct world *w, const struct asked *what)
{
    const struct scim_context in = fixture_context(w->arena, w->catalog, "Membership");
    struct error err = ERROR_INIT;
    struct replica_query q = {
        .kind = REPLICA_MEMBERSHIP, .start_index = 1, .count = 1000, .actor = what->actor};
    fixture_expect(scim_filter_parse(&in, str_of(what->filter), &q.filter, &err), &err);
    if (what->by)
        fixture_expect(scim_sort_parse(&in, str_of(what->by),
                                       what->down ? STR("descending") : STR_NONE, &q.sort, &err),
                       &err);
    return q;
}

static struct replica_page find(struct world *w, const struct asked *what, struct replica_query *q)
{
    struct replica_page page;
    struct error err = ERROR_INIT;
    *q = query_of(w, what);
    fixture_expect(replica_find(w->replica, w->arena, q, &page, &err), &err);
    assert_int_equal(page.total, page.count);
    return page;
}

static json_t *document(struct world *w, struct str text)
{
    json_t *doc = json_loadb(text.at, text.len, 0, NULL);
    assert_non_null(doc);
    json_keep(w->arena, doc);
    return doc;
}

/* Of all that the actor sees, those that the filter holds for, by id. */
static void check_filter(struct world *w, const struct kiops_actor *actor, const char *filter)
{
    struct replica_query q;
    struct replica_page all = find(w, &(struct asked){.actor = actor, .filter = "status pr"}, &q);
    struct replica_page page = find(w, &(struct asked){.actor = actor, .filter = filter}, &q);
    bool rejected = scim_filter_mentions(q.filter, STR("status"));
    size_t n = 0;
    for (size_t i = 0; i < all.count; i++) {
        const json_t *doc = document(w, all.at[i].json);
        if (!scim_match(q.filter, doc) ||
            (!rejected && str_eq(json_get_str(doc, "status"), STR("rejected"))))
            continue;
        if (n >= page.count || !str_eq(page.at[n].id, all.at[i].id))
            fail_msg("%s: place %zu", filter, n);
        n++;
    }
    if (n != page.count)
        fail_msg("%s: %zu, not %zu", filter, page.count, n);
}

static struct kiops_actor person(struct world *w, const char *name)
{
    struct kiops_actor actor;
    assert_true(replica_actor(w->replica, w->arena, user_id(w, name), &actor));
    return actor;
}

static void a_status_in_the_filter_hides_nobody_of_it(void **state)
{
    (void)state;
    static const char *const statuses[] = {
        "status eq \"active\"",
        "status eq \"ACTIVE\"",
        "status eq \"pending\"",
        "status eq \"rejected\"",
        "status eq \"elsewhere\"",
        "status ne \"active\"",
        "not (status eq \"active\")",
        "status eq \"active\" and status eq \"pending\"",
        "status eq \"active\" or status eq \"pending\"",
        "(status eq \"active\" or status eq \"rejected\") and status sw \"r\"",
        "role pr",
        "user.active eq true",
    };
    static const char *const whose[] = {
        "", "organization.value eq \"org-alpha\" and ", "user.value eq \"user-p37\" and ",
        "id eq \"org-alpha.user-p37\" and ", "organization.value eq \"org-nowhere\" and "};
    struct world w = seated();
    const struct kiops_actor actors[] = {everyone_sees, person(&w, "p37"), person(&w, "p14"),
                                         person(&w, "p00")};
    for (size_t i = 0; i < sizeof actors / sizeof *actors; i++)
        for (size_t o = 0; o < sizeof whose / sizeof *whose; o++)
            for (size_t k = 0; k < sizeof statuses / sizeof *statuses; k++)
                check_filter(&w, &actors[i],
                             arena_fmt(w.arena, "%s(%s)", whose[o], statuses[k]).at);
    check_filter(&w, &everyone_sees,
                 "organization.value eq \"org-alpha\" and status eq \"active\" and role pr");
    world_free(&w);
}

static void an_order_is_that_of_the_texts(void **state)
{
    (void)state;
    static const char *const by[] = {"user.email", "user.display", "joinDate", "requestedAt",
                                     "user.userName"};
    struct world w = seated();
    for (size_t k = 0; k < 2 * sizeof by / sizeof *by; k++) {
        const struct asked what = {&everyone_sees, "status pr", by[k / 2], k % 2};
        struct replica_query q;
        struct replica_page page = find(&w, &what, &q);
        struct place before = {0};
        assert_int_equal(page.count, 3 * PEOPLE * 4 / 5);
        for (size_t i = 0; i < page.count; i++) {
            struct str key = scim_sort_key(w.arena, &q.sort, document(&w, page.at[i].json));
            struct place here = sort_place_of_id(REPLICA_MEMBERSHIP, key, page.at[i].id);
            if (i && sort_compare(&before, &here, what.down) >= 0)
                fail_msg("%s: place %zu", what.by, i);
            before = here;
        }
    }
    world_free(&w);
}

/* A look at few is not put off because many others are there. */
static void only_who_may_be_asked_for_is_counted(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    struct world w = seated();
    for (unsigned n = 0; n < MANY; n++)
        add_user(&w, arena_fmt(w.arena, "q%04u", n).at, "1");
    static const struct {
        const char *filter;
        bool put_off;
    } cases[] = {{"organization.value eq \"org-alpha\" and status eq \"active\"", false},
                 {"organization.value eq \"org-alpha\" and status eq \"pending\"", false},
                 {"organization.value eq \"org-alpha\" and status eq \"rejected\"", true},
                 {"organization.value eq \"org-alpha\" and status pr", true},
                 {"organization.value eq \"org-alpha\"", false},
                 {"user.value eq \"user-p37\"", false},
                 {"role eq \"Manager\"", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct replica_query q =
            query_of(&w, &(struct asked){.actor = &everyone_sees, .filter = cases[i].filter});
        struct replica_page page;
        struct error err = ERROR_INIT;
        q.brief = true;
        fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
        assert_int_equal(page.put_off, cases[i].put_off);
    }
    world_free(&w);
}

/* ---- the sort alone */

/* The first `shared` bytes are the same in all. */
static struct str some_key(struct arena *a, unsigned seed, size_t shared)
{
    static const char letters[] = {'\0', 'a', 'b', '\xff'};
    size_t len = shared + (seed % 5 ? seed / 5 % 27 : 0);
    char *at = arena_raw(a, len + 1);
    for (size_t i = 0; i < len; i++)
        at[i] = i < shared || i % 8 < seed % 9 ? 'k' : letters[(seed >> (i % 13)) % 4];
    return seed % 11 ? (struct str){at, len} : STR_NONE;
}

static bool backwards;

static int by_key_then_place(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    int keys = backwards ? str_cmp(y->key, x->key) : str_cmp(x->key, y->key);
    if (!x->key.at || !y->key.at)
        keys = (!x->key.at - !y->key.at) * (backwards ? -1 : 1);
    return keys ? keys : (x->item.rec > y->item.rec) - (x->item.rec < y->item.rec);
}

static void a_sort_is_that_of_the_keys(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 23, 24, 25, 200, 5000};
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t k = 0; k < 2 * sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k / 2];
        struct replica_query q = {.sort.descending = k % 2};
        struct match *at = ARENA_ARRAY(a, struct match, n + 1);
        struct item *out = ARENA_ARRAY(a, struct item, n + 1);
        struct record *records = ARENA_ARRAY(a, struct record, n + 1);
        for (size_t i = 0; i < n; i++) {
            struct str key = some_key(a, (unsigned)(i + k) * 2654435761U >> 8, k % 4 * 6);
            at[i] = (struct match){{.rec = &records[i]}, key, sort_bytes(key, 0)};
        }
        sort_matches(&(struct search){.q = &q, .arena = a, .at = at, .count = n}, out);
        backwards = q.sort.descending;
        qsort(at, n, sizeof *at, by_key_then_place);
        for (size_t i = 0; i < n; i++)
            if (out[i].rec != at[i].item.rec)
                fail_msg("%zu sorted: place %zu", n, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_in_the_filter_hides_nobody_of_it),
        cmocka_unit_test(an_order_is_that_of_the_texts),
        cmocka_unit_test(only_who_may_be_asked_for_is_counted),
        cmocka_unit_test(a_sort_is_that_of_the_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
