/* How pages follow each other, and when a list is whole: a provider is a row of pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"
#include "remote/internal.h"

/* A page: "ID.. | members"; the ids are single letters, "?" has none, "-" is no list at all. */
struct row {
    const char *ids;
    int64_t total, start; /* -1 = not said */
    const char *next;     /* cursor */
    const char *query;    /* what must have been asked for; NULL = anything */
};

struct reading {
    struct arena *arena;
    struct paging p;
    char came[64];
    struct error err;
};

static json_t *page_of(const struct row *row)
{
    json_t *doc = json_object(), *all = json_array();
    for (const char *id = row->ids; *id; id++) {
        json_t *r = json_object();
        if (*id != '?')
            json_put_str(r, "id", (struct str){id, 1});
        json_push(all, r);
    }
    if (row->total >= 0)
        json_put(doc, "totalResults", json_integer(row->total));
    if (row->start >= 0)
        json_put(doc, "startIndex", json_integer(row->start));
    if (row->next)
        json_put_str(doc, "nextCursor", str_of(row->next));
    if (*row->ids == '-')
        json_decref(all);
    else
        json_put(doc, "Resources", all);
    return doc;
}

/* Reads on until the provider has no further page, the list is over or not whole. `*left`: pages
 * that were not asked for. */
static bool read_pages(struct reading *r, const struct row *rows, size_t n, size_t *left)
{
    for (size_t i = 0; !r->p.over; i++) {
        OWNED_BUF struct buf query;
        OWNED_JSON json_t *doc = i < n ? page_of(&rows[i]) : NULL;
        const json_t *room[64];
        struct paging_fresh fresh = {.at = room};
        *left = n - i - 1;
        assert_non_null(doc); /* it asks for more than there is */
        buf_init(&query, 4096);
        remote_paging_query(&r->p, &query);
        if (rows[i].query)
            assert_string_equal(query.at, rows[i].query);
        if (!remote_paging_take(&r->p, r->arena, doc, &fresh, &r->err))
            return false;
        for (size_t k = 0; k < fresh.count; k++)
            strncat(r->came, json_get_str(fresh.at[k], "id").at, 1);
    }
    return true;
}

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
#define WHOLE(cursor, want, rows) check((cursor), (want), NULL, (rows), COUNT(rows))
#define BROKEN(cursor, why, rows) check((cursor), NULL, (why), (rows), COUNT(rows))

static void check(bool by_cursor, const char *want, const char *why, const struct row *rows,
                  size_t n)
{
    struct reading r = {.arena = arena_new(),
                        .p = {.by_cursor = by_cursor, .asked = 3, .start = 1, .total = -1},
                        .err = ERROR_INIT};
    size_t left = 0;
    bool whole = read_pages(&r, rows, n, &left);
    if (want) {
        assert_true(whole);
        assert_int_equal(left, 0);
        assert_string_equal(r.came, want);
        assert_int_equal(r.p.seen, strlen(want));
    } else {
        assert_false(whole);
        assert_int_equal(r.err.kind, ERR_UNAVAILABLE);
        assert_non_null(strstr(r.err.detail, why));
    }
    arena_free(r.arena);
}

static void an_index_list_ends_when_all_came(void **state)
{
    (void)state;
    WHOLE(false, "", ((struct row[]){{"", 0, 1, NULL, "startIndex=1&count=3"}}));
    WHOLE(false, "", ((struct row[]){{"-", 0, -1, NULL, NULL}})); /* no Resources when none */
    WHOLE(false, "ab", ((struct row[]){{"ab", 2, 1, NULL, NULL}}));
    WHOLE(false, "abcde",
          ((struct row[]){{"abc", 5, 1, NULL, NULL}, {"de", 5, 4, NULL, "startIndex=4&count=3"}}));
}

static void a_page_size_of_its_own_is_followed(void **state)
{
    (void)state;
    WHOLE(false, "abcde",
          ((struct row[]){{"ab", 5, 1, NULL, NULL},
                          {"cd", 5, -1, NULL, "startIndex=3&count=3"},
                          {"e", 5, 5, NULL, "startIndex=5&count=3"}}));
    /* All at once, whatever was asked for. */
    WHOLE(false, "abcdef", ((struct row[]){{"abcdef", 6, 1, NULL, NULL}, {"", 6, 7, NULL, NULL}}));
}

static void a_full_last_page_is_followed_by_an_empty_one(void **state)
{
    (void)state;
    WHOLE(false, "abc",
          ((struct row[]){{"abc", 3, 1, NULL, NULL}, {"", 3, -1, NULL, "startIndex=4&count=3"}}));
    /* totalResults counts the page, as some do. */
    BROKEN(false, "less than there is",
           ((struct row[]){{"abc", 3, 1, NULL, NULL}, {"def", 3, 4, NULL, NULL}}));
}

static void a_list_that_changes_is_not_whole(void **state)
{
    (void)state;
    BROKEN(false, "changed while it was read",
           ((struct row[]){{"abc", 5, 1, NULL, NULL}, {"de", 6, 4, NULL, NULL}}));
    /* One was added before: the border repeats, and the last one is missing. */
    BROKEN(false, "4 resources came, of the 5",
           ((struct row[]){{"abc", 5, 1, NULL, NULL}, {"cd", 5, 4, NULL, NULL}}));
    BROKEN(false, "only what came before",
           ((struct row[]){{"abc", 5, 1, NULL, NULL}, {"ab", 5, -1, NULL, NULL}}));
    BROKEN(false, "asked from 4 on",
           ((struct row[]){{"abc", 5, 1, NULL, NULL}, {"dbc", 5, 1, NULL, NULL}}));
}

static void a_list_that_is_short_is_not_whole(void **state)
{
    (void)state;
    BROKEN(false, "3 resources came, of the 5",
           ((struct row[]){{"abc", 5, 1, NULL, NULL}, {"", 5, 4, NULL, NULL}}));
    BROKEN(false, "0 resources came, of the 5", ((struct row[]){{"", 5, 1, NULL, NULL}}));
    BROKEN(false, "more than the 2", ((struct row[]){{"abc", 2, 1, NULL, NULL}}));
    BROKEN(false, "totalResults is missing", ((struct row[]){{"abc", -1, 1, NULL, NULL}}));
    BROKEN(false, "totalResults is missing", ((struct row[]){{"", -1, 1, NULL, NULL}}));
    BROKEN(false, "no list", ((struct row[]){{"-", 5, 1, NULL, NULL}}));
    BROKEN(false, "no list", ((struct row[]){{"-", -1, -1, NULL, NULL}}));
    BROKEN(false, "no id", ((struct row[]){{"a?", 2, 1, NULL, NULL}}));
    BROKEN(false, "longer than is read",
           ((struct row[]){{"abc", (int64_t)REMOTE_RESOURCES_MAX + 1, 1, NULL, NULL}}));
}

static void a_cursor_is_followed_until_there_is_none(void **state)
{
    (void)state;
    WHOLE(true, "", ((struct row[]){{"", 0, -1, NULL, "cursor=&count=3"}}));
    WHOLE(true, "abcd",
          ((struct row[]){{"abc", 4, -1, "x1", NULL}, {"d", 4, -1, NULL, "cursor=x1&count=3"}}));
    /* Empty before the end; no total; one that grew; one that came again. */
    WHOLE(true, "abc",
          ((struct row[]){
              {"ab", -1, -1, "x1", NULL}, {"", -1, -1, "x2", NULL}, {"c", -1, -1, NULL, NULL}}));
    WHOLE(true, "abcd", ((struct row[]){{"ab", 3, -1, "x1", NULL}, {"bcd", 4, -1, NULL, NULL}}));
    /* A cursor is any text. */
    WHOLE(true, "ab",
          ((struct row[]){{"a", 2, -1, "a+b=&c", NULL},
                          {"b", 2, -1, NULL, "cursor=a%2Bb%3D%26c&count=3"}}));
}

static void a_cursor_that_leads_nowhere_is_no_end(void **state)
{
    (void)state;
    BROKEN(true, "2 resources came, of the 5", ((struct row[]){{"ab", 5, -1, NULL, NULL}}));
    BROKEN(true, "has no end",
           ((struct row[]){{"ab", 5, -1, "x", NULL}, {"cd", 5, -1, "x", NULL}}));
    BROKEN(true, "only what came before",
           ((struct row[]){{"ab", 5, -1, "x", NULL}, {"ab", 5, -1, "y", NULL}}));
}

static void empty_pages_without_end_are_not_followed(void **state)
{
    struct reading r = {.arena = arena_new(),
                        .p = {.by_cursor = true, .asked = 3, .start = 1, .total = -1},
                        .err = ERROR_INIT};
    struct paging_fresh fresh = {0};
    bool read = true;
    (void)state;
    for (int i = 0; read && i < 2000; i++) {
        char cursor[16];
        snprintf(cursor, sizeof cursor, "x%d", i);
        OWNED_JSON json_t *doc = page_of(&(struct row){"", -1, -1, cursor, NULL});
        read = remote_paging_take(&r.p, r.arena, doc, &fresh, &r.err);
    }
    assert_false(read);
    assert_non_null(strstr(r.err.detail, "has no end"));
    arena_free(r.arena);
}

static void many_ids_are_told_apart(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct id_set ids = {0};
    char id[16];
    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 50000; i++) {
            int n = snprintf(id, sizeof id, "%d", i);
            assert_int_equal(remote_ids_add(&ids, a, (struct str){id, (size_t)n}), round == 0);
        }
    assert_int_equal(ids.count, 50000);
}

int main(void)
{
    hash_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_list_ends_when_all_came),
        cmocka_unit_test(a_page_size_of_its_own_is_followed),
        cmocka_unit_test(a_full_last_page_is_followed_by_an_empty_one),
        cmocka_unit_test(a_list_that_changes_is_not_whole),
        cmocka_unit_test(a_list_that_is_short_is_not_whole),
        cmocka_unit_test(a_cursor_is_followed_until_there_is_none),
        cmocka_unit_test(a_cursor_that_leads_nowhere_is_no_end),
        cmocka_unit_test(empty_pages_without_end_are_not_followed),
        cmocka_unit_test(many_ids_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
