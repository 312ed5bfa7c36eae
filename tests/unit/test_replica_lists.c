/* What is not rendered must be the same as what would be: the record's keys against the text, the
 * counted sort against the compared one, a kept list against a new one, a cursor against an index.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "replica/find.h"
#include "replica_fixture.h"

static const char *const texts[] = {
    NULL,
    "Kim",
    "kim",
    " kim  lee ",
    "KIM LEE",
    "Ki",
    "\xc3\x89 mile",
    "e\xcc\x81 mile",
    "\xef\xac\x81n",
    "\xef\xbd\x8bim",
    "STRASSE",
    "stra\xc3\x9f"
    "e",
    "z",
    "a b",
    "a  b",
    "*",
    "%",
};

#define TEXTS (sizeof texts / sizeof *texts)

static const char *const filtered[] = {
    "userName",       "displayName",
    "name.formatted", "name.familyName",
    "name.givenName", "emails.value",
    "emails",         "urn:ietf:params:scim:schemas:core:2.0:User:displayName",
};

static void put_text(json_t *to, const char *name, size_t which)
{
    if (texts[which % TEXTS])
        json_put_str(to, name, str_of(texts[which % TEXTS]));
}

/* Person `n`: each attribute another one of the texts. */
static struct directory_user person(struct world *w, size_t n)
{
    struct directory_user u =
        user_of(w, arena_fmt(w->arena, "p%05zu", n).at, "20260101000000.000000Z#000000#000#000000");
    json_t *name = json_object(), *mails = json_array();
    json_object_del(u.resource, "displayName");
    put_text(u.resource, "displayName", n);
    put_text(name, "formatted", n / 3);
    put_text(name, "familyName", n / 5);
    put_text(name, "givenName", n / 7);
    if (json_object_size(name))
        json_put(u.resource, "name", json_incref(name));
    json_decref(name);
    for (size_t i = 0; i < n % 4; i++) {
        json_t *mail = json_object();
        put_text(mail, "value", n / 2 + i);
        if (i == n % 3)
            json_put(mail, "primary", json_true());
        json_put_str(mail, "display", STR("a mail"));
        json_push(mails, mail);
    }
    json_object_del(u.resource, "emails");
    if (json_array_size(mails))
        json_put(u.resource, "emails", json_incref(mails));
    json_decref(mails);
    u.person.active = n % 3 != 0;
    json_put(u.resource, "active", json_boolean(u.person.active));
    u.created = n % 11 ? CREATED + (instant_t)n * 1000 : INSTANT_NONE;
    u.modified = MODIFIED + (instant_t)(n % 7) * 1000000;
    return u;
}

static struct world crowd_of(size_t n)
{
    struct world w = world_new();
    replica_refresh_begin(w.replica);
    for (size_t i = 0; i < n; i++) {
        struct directory_user u = person(&w, i);
        replica_apply_user(w.replica, &u);
    }
    replica_refresh_end(w.replica);
    return w;
}

static const struct scim_filter *filter_of(struct world *w, const char *text)
{
    const struct scim_context in = fixture_context(w->arena, w->catalog, "User");
    const struct scim_filter *f;
    struct error err = ERROR_INIT;
    fixture_expect(scim_filter_parse(&in, str_of(text), &f, &err), &err);
    return f;
}

static size_t check_filter(struct world *w, const char *text, json_t *const *documents, size_t n)
{
    size_t told = 0;
    const struct scim_filter *f = filter_of(w, text);
    const struct quick *q = quick_of(w->arena, REPLICA_USER, f);
    for (size_t i = 0; q && i < n; i++) {
        const struct record *rec = w->replica->users.at[i];
        enum said said = rec->odd_keys ? SAID_UNKNOWN : quick_says(q, &(struct item){.rec = rec});
        told += said != SAID_UNKNOWN;
        if (said != SAID_UNKNOWN && (said == SAID_YES) != scim_match(f, documents[i]))
            fail_msg("%s: person %zu", text, i);
    }
    return told;
}

static json_t **documents_of(struct world *w, size_t n)
{
    json_t **all = ARENA_ARRAY(w->arena, json_t *, n);
    for (size_t i = 0; i < n; i++)
        all[i] =
            seen(w, REPLICA_USER, record_field(w->replica->users.at[i], FIELD_ID), &everyone_sees);
    return all;
}

static void keys_say_what_the_text_says(void **state)
{
    (void)state;
    static const char *const ops[] = {"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"};
    enum { PERSONS = 300 };
    struct world w = crowd_of(PERSONS);
    json_t **documents = documents_of(&w, PERSONS);
    size_t told = 0, asked = 0;
    for (size_t a = 0; a < sizeof filtered / sizeof *filtered; a++) {
        for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
            for (size_t t = 0; t < TEXTS; t++, asked += PERSONS)
                told += check_filter(&w,
                                     arena_fmt(w.arena, "%s %s \"%s\"", filtered[a], ops[o],
                                               texts[t] ? texts[t] : "")
                                         .at,
                                     documents, PERSONS);
        static const char *const bare[] = {"pr", "eq null", "ne null"};
        for (size_t b = 0; b < 3; b++, asked += PERSONS)
            told += check_filter(&w, arena_fmt(w.arena, "%s %s", filtered[a], bare[b]).at,
                                 documents, PERSONS);
    }
    assert_true(told > asked * 9 / 10);
    world_free(&w);
}

static void chains_say_what_the_text_says(void **state)
{
    (void)state;
    enum { PERSONS = 200 };
    static const char *const filters[] = {
        "active eq true",
        "active ne true",
        "active pr",
        "active eq null",
        "not (active eq true)",
        "active eq true and title pr",
        "active eq true or title pr",
        "not (title pr) and active eq false",
        "(title pr or active eq true) and (userName co \"p0\" or nickName pr)",
        "userName sw \"p\" and (displayName co \"kim\" or not (emails co \"kim\"))",
        "not (userName sw \"p\" and (displayName pr or emails pr) and active eq true)",
        "meta.created gt \"2026-01-05T08:00:00.1Z\"",
        "meta.created pr",
        "meta.created ne \"2026-01-05T08:00:00Z\"",
        "meta.lastModified le \"2026-02-01T09:00:03Z\" and active eq true",
        "id eq \"user-p00007\" or id eq \"USER-p00008\"",
        "id sw \"user-p0000\"",
        "emails[value eq \"kim\"] or displayName eq \"kim\"",
        "title eq \"x\" and title eq \"y\" and active eq false or displayName sw \"k\"",
    };
    struct world w = crowd_of(PERSONS);
    json_t **documents = documents_of(&w, PERSONS);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        assert_true(check_filter(&w, filters[i], documents, PERSONS) > 0);
    world_free(&w);
}

static struct replica_query sorted_query(struct world *w, const char *by, bool down)
{
    struct replica_query q = {
        .kind = REPLICA_USER, .start_index = 1, .count = 100000, .actor = &everyone_sees};
    const struct scim_context in = fixture_context(w->arena, w->catalog, "User");
    struct error err = ERROR_INIT;
    fixture_expect(
        scim_sort_parse(&in, str_of(by), down ? STR("descending") : STR_NONE, &q.sort, &err), &err);
    return q;
}

static void keys_sort_as_the_text_does(void **state)
{
    (void)state;
    static const char *const by[] = {"userName",       "displayName",  "name.formatted",
                                     "emails",         "meta.created", "meta.lastModified",
                                     "name.familyName"};
    enum { PERSONS = 300 };
    struct world w = crowd_of(PERSONS);
    json_t **documents = documents_of(&w, PERSONS);
    for (size_t k = 0; k < sizeof by / sizeof *by; k++) {
        const struct replica_query q = sorted_query(&w, by[k], false);
        const struct quick_order order = quick_order_of(REPLICA_USER, &q.sort);
        assert_int_not_equal(order.kind, QUICK_KEY_NONE);
        for (size_t i = 0; i < PERSONS; i++) {
            const struct record *rec = w.replica->users.at[i];
            struct str quick = quick_sort_key(w.arena, &order, &(struct item){.rec = rec});
            struct str slow = scim_sort_key(w.arena, &q.sort, documents[i]);
            if (!rec->odd_keys && (!quick.at != !slow.at || !str_eq(quick, slow)))
                fail_msg("%s: person %zu", by[k], i);
        }
    }
    world_free(&w);
}

/* More than are compared one by one. */
#define MANY 5000

static void a_counted_sort_is_a_sort(void **state)
{
    (void)state;
    static const char *const by[] = {"userName", "displayName", "emails", "meta.lastModified",
                                     "nickName"};
    struct world w = crowd_of(MANY);
    for (size_t k = 0; k < sizeof by / sizeof *by; k++)
        for (int down = 0; down < 2; down++) {
            const struct replica_query q = sorted_query(&w, by[k], down);
            struct replica_page page;
            struct error err = ERROR_INIT;
            fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
            assert_int_equal(page.count, MANY);
            struct place before = {0};
            for (size_t i = 0; i < page.count; i++) {
                const struct user *u = store_user(w.replica, page.at[i].id);
                json_t *doc = json_loadb(page.at[i].json.at, page.at[i].json.len, 0, NULL);
                struct place here = sort_place(&(struct item){.rec = user_record(u)},
                                               scim_sort_key(w.arena, &q.sort, doc));
                if (i && sort_compare(&before, &here, down) >= 0)
                    fail_msg("%s %d: place %zu", by[k], down, i);
                before = here;
                json_decref(doc);
            }
        }
    world_free(&w);
}

static struct str ids_of_page(struct world *w, const struct replica_page *page)
{
    struct str all = STR("");
    for (size_t i = 0; i < page->count; i++)
        all = arena_fmt(w->arena, STR_FMT " " STR_FMT, STR_ARG(all), STR_ARG(page->at[i].id));
    return all;
}

static void a_walk_by_place_is_the_whole_list(void **state)
{
    (void)state;
    static const char *const by[] = {NULL, "displayName", "emails", "nickName",
                                     "meta.lastModified"};
    enum { PERSONS = 100 };
    struct world w = crowd_of(PERSONS);
    add_organization(&w, "alpha", "1", "p00001", "");
    for (size_t k = 0; k < sizeof by / sizeof *by; k++)
        for (int down = 0; down < (by[k] ? 2 : 1); down++)
            for (int also = 0; also < 2; also++) {
                const struct replica_query groups = {.kind = REPLICA_GROUP};
                struct replica_query q = {
                    .kind = REPLICA_USER, .start_index = 1, .count = 1000, .actor = &everyone_sees};
                struct replica_place place = {0};
                struct replica_page page;
                struct error err = ERROR_INIT;
                struct str walked = STR("");
                if (by[k])
                    q = sorted_query(&w, by[k], down);
                q.also = also ? &groups : NULL;
                fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
                struct str whole = ids_of_page(&w, &page);
                assert_int_equal(page.count, PERSONS + also);
                q.after = &place;
                q.count = 7;
                do {
                    fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
                    walked = arena_fmt(w.arena, STR_FMT STR_FMT, STR_ARG(walked),
                                       STR_ARG(ids_of_page(&w, &page)));
                    place = page.last;
                } while (page.more);
                assert_true(str_eq(walked, whole));
            }
    world_free(&w);
}

static void a_kept_list_ends_with_the_next_change(void **state)
{
    (void)state;
    struct world w = crowd_of(1000);
    struct replica_query q = {
        .kind = REPLICA_USER, .start_index = 1, .count = 10, .actor = &everyone_sees};
    struct replica_page page;
    struct error err = ERROR_INIT;
    q.filter = filter_of(&w, "active eq true");
    q.text = STR("active eq true");
    fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
    int64_t before = page.total;
    assert_int_equal(w.replica->lists.count, 1);
    q.start_index = 11;
    fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
    assert_int_equal(w.replica->lists.count, 1);
    struct directory_user u = person(&w, 1001);
    u.person.active = true;
    json_put(u.resource, "active", json_true());
    replica_apply_user(w.replica, &u);
    assert_int_equal(w.replica->lists.count, 0);
    fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
    assert_int_equal(page.total, before + 1);
    for (int i = 0; i < 3 * LISTS_MAX; i++) {
        q.text = arena_fmt(w.arena, "another %d", i);
        fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
        assert_true(w.replica->lists.count <= LISTS_MAX);
    }
    world_free(&w);
}

static bool is_kept(struct replica *r, struct str text)
{
    struct list *l = lists_take(r, text);
    if (l)
        list_drop(r, l);
    return l != NULL;
}

static void the_list_that_nobody_asks_for_makes_room(void **state)
{
    (void)state;
    struct world w = crowd_of(1);
    const uint64_t changes = atomic_load(&w.replica->changes);
    struct str text[LISTS_MAX + 1];
    for (size_t i = 0; i <= LISTS_MAX; i++) {
        struct list *l = list_new(w.replica, changes);
        text[i] = arena_fmt(w.arena, "list %zu", i);
        if (i == LISTS_MAX)
            assert_true(is_kept(w.replica, text[0])); /* so the second is the oldest */
        lists_keep(w.replica, l, text[i]);
        list_drop(w.replica, l);
    }
    for (size_t i = 0; i <= LISTS_MAX; i++)
        assert_int_equal(is_kept(w.replica, text[i]), i != 1);
    world_free(&w);
}

static void a_kept_list_is_of_who_asked(void **state)
{
    (void)state;
    struct world w = crowd_of(600);
    OWNED_BUF struct buf names;
    buf_init(&names, 1 << 20);
    for (int i = 0; i < 500; i++)
        buf_fmt(&names, "p%05d ", i);
    buf_char(&names, '\0');
    add_organization(&w, "alpha", "1", names.at, "");
    const struct str mine[] = {organization_id(&w, "alpha")};
    const struct kiops_actor manager = {.kind = KIOPS_ACTOR_TOKEN,
                                        .id = STR("m"),
                                        .client = STR("idp"),
                                        .role = KIOPS_MANAGER,
                                        .organizations = mine,
                                        .organization_count = 1};
    struct replica_query q = {.kind = REPLICA_USER,
                              .start_index = 1,
                              .count = 10,
                              .actor = &everyone_sees,
                              .filter = filter_of(&w, "userName pr"),
                              .text = STR("userName pr")};
    struct replica_page page;
    struct error err = ERROR_INIT;
    fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
    assert_int_equal(page.total, 600);
    q.actor = &manager;
    fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
    assert_int_equal(page.total, 500);
    assert_int_equal(w.replica->lists.count, 2);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_say_what_the_text_says),
        cmocka_unit_test(chains_say_what_the_text_says),
        cmocka_unit_test(keys_sort_as_the_text_does),
        cmocka_unit_test(a_counted_sort_is_a_sort),
        cmocka_unit_test(a_walk_by_place_is_the_whole_list),
        cmocka_unit_test(a_kept_list_ends_with_the_next_change),
        cmocka_unit_test(the_list_that_nobody_asks_for_makes_room),
        cmocka_unit_test(a_kept_list_is_of_who_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
