/* The mapping against slapd: what it sends is taken, and what comes back is what was said. */
#include "mapping_cases.h"
#include "private_slapd.h"
#include "scim_fixture.h"

struct live {
    struct private_slapd *slapd;
    struct config config;
    struct scim_catalog *catalog;
    struct directory *directory;
    struct directory_conn *conn;
};

static struct live live;

static const struct directory_writer writer = {
    .client = STR_INIT("entra"), .marker = STR_INIT("m1"), .now = 1700000000000000};

static int start(void **state)
{
    (void)state;
    static const struct str classes[] = {STR_INIT("inetOrgPerson"), STR_INIT("kiopsUser")};
    struct error err = ERROR_INIT;
    live.slapd = slapd_start();
    live.config = live.slapd->config;
    live.config.directory.users.object_classes = (struct config_strings){classes, 2};
    live.config.directory.organizations.create_in = live.config.directory.organizations.base;
    live.catalog = fixture_catalog();
    fixture_expect(directory_new(&live.config, live.catalog, &live.directory, &err), &err);
    live.conn = directory_open(live.directory, DIRECTORY_SERVICE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    directory_close(live.conn);
    directory_free(live.directory);
    scim_catalog_free(live.catalog);
    slapd_remove(live.slapd);
    return 0;
}

/* Kept by the arena; a userName of its own for each case. */
static json_t *resource_of(struct arena *a, size_t which, const char *user_name)
{
    char *text = arena_cstr(a, str_of(round_trips[which].resource));
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *resource = json_loads(text, 0, NULL);
    assert_non_null(resource);
    json_keep(a, resource);
    if (user_name)
        json_put_str(resource, "userName", str_of(user_name));
    return resource;
}

static struct directory_entry read_entry(struct arena *a, struct str dn)
{
    struct error err = ERROR_INIT;
    struct directory_entries found;
    struct directory_search s = {
        .base = dn, .scope = DIRECTORY_BASE, .attrs = directory_user_attrs(live.directory)};
    fixture_expect(directory_find(live.conn, a, &s, &found, &err), &err);
    assert_int_equal(found.count, 1);
    return found.at[0];
}

static struct directory_user read_user(struct arena *a, const struct directory_entry *e)
{
    struct error err = ERROR_INIT;
    struct directory_user u;
    fixture_expect(directory_map_user(live.directory, a, e, &u, &err), &err);
    return u;
}

static struct str post(struct arena *a, const json_t *resource)
{
    struct error err = ERROR_INIT;
    struct directory_mods attrs;
    struct directory_result result;
    struct str dn;
    const struct directory_user_edit edit = {.after = resource, .writer = &writer};
    directory_mods_init(&attrs, a);
    fixture_expect(directory_unmap_new_user(live.directory, &edit, &dn, &attrs, &err), &err);
    fixture_expect(directory_add(live.conn, dn, &attrs, &result, &err), &err);
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    return dn;
}

/* Returns how many modifications it took. */
static size_t put(struct arena *a, struct str *dn, const json_t *after)
{
    struct error err = ERROR_INIT;
    struct directory_mods mods;
    struct directory_result result;
    struct str rdn;
    struct directory_entry e = read_entry(a, *dn);
    struct directory_user before = read_user(a, &e);
    const struct directory_user_edit edit = {&e, &before, after, &writer, false};
    directory_mods_init(&mods, a);
    fixture_expect(directory_unmap_user(live.directory, &edit, &mods, &rdn, &err), &err);
    struct directory_target target = {.dn = e.dn, .id = e.id, .csn = e.csn, .new_rdn = rdn};
    if (mods.count > 0) {
        fixture_expect(directory_modify(live.conn, &target, &mods, &result, &err), &err);
        assert_int_equal(result.outcome, DIRECTORY_DONE);
    }
    if (rdn.len) {
        target.csn = STR_NONE;
        fixture_expect(directory_rename(live.conn, a, &target, &result, &err), &err);
        assert_int_equal(result.outcome, DIRECTORY_DONE);
        *dn = arena_fmt(a, STR_FMT "," PEOPLE, STR_ARG(rdn));
    }
    return mods.count;
}

static void assert_reads(struct arena *a, struct str dn, const json_t *want, bool changed)
{
    struct directory_entry e = read_entry(a, dn);
    struct directory_user u = read_user(a, &e);
    assert_true(json_equal(u.resource, want));
    /* The version foreseen is the one read. */
    assert_true(u.modified == (changed ? writer.now : u.created));
}

static void slapd_takes_every_resource_and_gives_it_back(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < ROUND_TRIPS; i++) {
        char name[32];
        snprintf(name, sizeof name, "one-%zu", i);
        bool odd = strstr(round_trips[i].name, "userName") != NULL;
        json_t *resource = resource_of(a, i, odd ? NULL : name);
        struct str dn = post(a, resource);
        assert_reads(a, dn, resource, false);
        assert_int_equal(put(a, &dn, resource), 0);
        if (!odd)
            continue;
        /* Out of the way of the next one. */
        json_put_str(resource, "userName", str_of(name));
        assert_true(put(a, &dn, resource) > 0);
        assert_reads(a, dn, resource, true);
    }
}

/* One person becomes each of the others in turn, renamed by a letter's case every time. */
static void slapd_takes_every_change(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct str dn = post(a, resource_of(a, 0, "walker"));
    bool changed = false;
    for (size_t i = 0; i < ROUND_TRIPS * ROUND_TRIPS; i++) {
        size_t which = i % 2 ? i / ROUND_TRIPS : i % ROUND_TRIPS;
        json_t *after = resource_of(a, which, i % 2 ? "Walker" : "walker");
        changed = put(a, &dn, after) > 0 || changed;
        assert_reads(a, dn, after, changed);
        assert_int_equal(put(a, &dn, after), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slapd_takes_every_resource_and_gives_it_back),
        cmocka_unit_test(slapd_takes_every_change),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
