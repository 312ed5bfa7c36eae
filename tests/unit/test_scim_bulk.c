#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/bulk.h"
#include "scim_fixture.h"

/* A request in short: {method,path,bulkId,data}; in `data`, ' stands for ". */
struct ground {
    struct scim_catalog *catalog;
    struct arena *arena;
    json_t *document;
    struct scim_bulk bulk;
};

static int open_ground(void **state)
{
    struct ground *g = calloc(1, sizeof(*g));
    assert_non_null(g);
    hash_init();
    g->catalog = fixture_catalog();
    g->arena = arena_new();
    *state = g;
    return 0;
}

static int close_ground(void **state)
{
    struct ground *g = *state;
    json_decref(g->document);
    arena_free(g->arena);
    scim_catalog_free(g->catalog);
    free(g);
    return 0;
}

static bool try_read(struct ground *g, json_t *document, size_t most, struct error *err)
{
    const struct scim_resource_type *types[] = {scim_catalog_type(g->catalog, STR("User")),
                                                scim_catalog_type(g->catalog, STR("Group"))};
    const struct scim_bulk_reading in = {.arena = g->arena,
                                         .dialect = scim_dialect_find(STR("default")),
                                         .types = types,
                                         .type_count = 2,
                                         .circular = types[0],
                                         .operations = most};
    json_decref(g->document);
    g->document = document;
    return scim_bulk_read(&in, document, &g->bulk, err);
}

static json_t *json_of(const char *text)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_str(&b, str_of(text));
    for (size_t i = 0; i < b.len; i++)
        b.at[i] = b.at[i] == '\'' ? '"' : b.at[i];
    json_t *value = json_loadb(b.at, b.len, 0, NULL);
    buf_free(&b);
    assert_non_null(value);
    return value;
}

static const struct scim_bulk *read_bulk(struct ground *g, const char *operations)
{
    struct error err = ERROR_INIT;
    json_t *document = json_object();
    json_put(document, "Operations", json_of(operations));
    fixture_expect(try_read(g, document, 100, &err), &err);
    return &g->bulk;
}

/* "0 2 1 1+": the steps; + is a finishing one. */
static void expect_steps(const struct scim_bulk *b, const char *wanted)
{
    char text[512] = "";
    for (size_t i = 0; i < b->step_count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%zu%s", i ? " " : "",
                 b->steps[i].operation, b->steps[i].finish ? "+" : "");
    assert_string_equal(text, wanted);
}

static void expect_faults(const struct scim_bulk *b, const char *wanted)
{
    char text[512] = "";
    for (size_t i = 0; i < b->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? " " : "",
                 b->at[i].fault ? scim_status(b->at[i].fault->kind) : 0);
    assert_string_equal(text, wanted);
}

static void expect_data(struct ground *g, struct scim_bulk_step step, const char *wanted)
{
    struct str ids[100];
    for (size_t i = 0; i < g->bulk.count; i++)
        ids[i] = arena_fmt(g->arena, "id-%zu", i);
    json_t *expected = json_of(wanted);
    const json_t *found = scim_bulk_data(g->arena, &g->bulk, &step, ids);
    if (!json_equal(found, expected)) {
        char *text = json_dumps(found, 0);
        fail_msg("%s\nnot %s", text, wanted);
    }
    json_decref(expected);
}

#define USER(id, more)                                                                             \
    "{'method':'POST','path':'/Users','bulkId':'" id "','data':{'userName':'u'" more "}}"
#define BOSS(id, of) USER(id, ",'" SCIM_URN_ENTERPRISE "':{'manager':{'value':'bulkId:" of "'}}")
#define GROUP(id, of)                                                                              \
    "{'method':'POST','path':'/Groups','bulkId':'" id "','data':{'displayName':'g','members':[{"   \
    "'value':'bulkId:" of "'}]}}"

static void what_has_no_references_keeps_its_order(void **state)
{
    const struct scim_bulk *b = read_bulk(*state, "[" USER("a", "") "," USER("b", "") "]");
    expect_steps(b, "0 1");
    expect_faults(b, "0 0");
}

static void a_reference_forward_waits_for_what_it_names(void **state)
{
    expect_steps(read_bulk(*state, "[" GROUP("g", "b") "," USER("a", "") "," USER("b", "") "," USER(
                                       "c", "") "]"),
                 "1 2 0 3");
    expect_steps(read_bulk(*state, "[" BOSS("a", "b") "," BOSS("b", "c") "," USER("c", "") "]"),
                 "2 1 0");
    expect_steps(read_bulk(*state, "[{'method':'DELETE','path':'/Users/bulkId:a'}," USER(
                                       "a", "") "," USER("b", "") "]"),
                 "1 0 2");
}

static void users_in_a_circle_are_finished_afterwards(void **state)
{
    const struct scim_bulk *b =
        read_bulk(*state, "[" BOSS("a", "b") "," BOSS("b", "a") "," BOSS("c", "a") "]");
    expect_steps(b, "0 1 0+ 2");
    expect_faults(b, "0 0 0");
    expect_data(*state, (struct scim_bulk_step){0, false},
                "{'userName':'u','" SCIM_URN_ENTERPRISE "':{}}");
    expect_data(*state, (struct scim_bulk_step){0, true},
                "{'schemas':['" SCIM_URN_PATCH
                "'],'Operations':[{'op':'add','path':'" SCIM_URN_ENTERPRISE
                ":manager','value':{'value':'id-1'}}]}");
    expect_data(*state, (struct scim_bulk_step){1, false},
                "{'userName':'u','" SCIM_URN_ENTERPRISE "':{'manager':{'value':'id-0'}}}");
}

static void one_that_refers_to_itself_is_a_circle(void **state)
{
    expect_steps(read_bulk(*state, "[" BOSS("a", "a") "]"), "0 0+");
}

static void groups_in_a_circle_are_conflicts_and_others_are_not(void **state)
{
    const struct scim_bulk *b = read_bulk(
        *state, "[" GROUP("a", "b") "," GROUP("b", "a") "," GROUP("c", "a") "," USER("u", "") "]");
    expect_faults(b, "409 409 0 0");
    expect_steps(b, "0 1 2 3");
}

static void a_reference_is_found_wherever_the_schema_has_one(void **state)
{
    struct ground *g = *state;
    read_bulk(
        g,
        "[" USER(
            "a",
            "") ","
                "{'method':'PATCH','path':'/Groups/x','data':{'Operations':["
                "{'op':'add','path':'members','value':[{'value':'bulkId:a'},'bulkId:a']},"
                "{'op':'remove','path':'members[value eq \\\"bulkId:a\\\" or value eq \\\"y\\\"]'},"
                "{'op':'add','value':{'members':[{'$ref':'../Users/bulkId:a'}]}},"
                "{'op':'add','path':'displayName','value':'bulkId:a'}]}}]");
    expect_data(g, (struct scim_bulk_step){1, false},
                "{'Operations':["
                "{'op':'add','path':'members','value':[{'value':'id-0'},'id-0']},"
                "{'op':'remove','path':'members[value eq \\\"id-0\\\" or value eq \\\"y\\\"]'},"
                "{'op':'add','value':{'members':[{'$ref':'../Users/id-0'}]}},"
                "{'op':'add','path':'displayName','value':'bulkId:a'}]}");
    read_bulk(
        g, "[" USER("a", ",'displayName':'bulkId:zz','manager':'bulkId:b'") "," USER("b", "") "]");
    expect_steps(&g->bulk, "1 0");
    expect_data(g, (struct scim_bulk_step){0, false},
                "{'userName':'u','displayName':'bulkId:zz','manager':'id-1'}");
}

static void a_reference_to_nothing_is_the_fault_of_its_operation(void **state)
{
    const struct scim_bulk *b = read_bulk(
        *state, "[" GROUP("a", "no") ",{'method':'DELETE','path':'/Users/bulkId:no'},"
                                     "{'method':'DELETE','path':'/Users/x','bulkId':'d'}," BOSS(
                                         "b", "d") "]");
    expect_faults(b, "400 400 0 400");
    expect_steps(b, "0 1 2 3");
}

/* A chain, a circle and a star of the most operations: without recursion and in no time. */
static void long_chains_are_linear(void **state)
{
    struct ground *g = *state;
    enum { MANY = 50000 };
    for (int shape = 0; shape < 3; shape++) {
        json_t *document = json_object(), *list = json_array();
        struct error err = ERROR_INIT;
        for (int i = 0; i < MANY; i++) {
            int to = shape == 0 ? i + 1 : shape == 1 ? (i + 1) % MANY : MANY - 1;
            json_t *op =
                json_pack("{s:s,s:s,s:o,s:{s:s,s:{s:{s:o}}}}", "method", "POST", "path", "/Users",
                          "bulkId", json_sprintf("%d", i), "data", "userName", "u",
                          SCIM_URN_ENTERPRISE, "manager", "value", json_sprintf("bulkId:%d", to));
            json_push(list, op);
        }
        json_put(document, "Operations", list);
        fixture_expect(try_read(g, document, MANY, &err), &err);
        /* 0: the last one names nobody. 1: each is finished, but who was made first. 2: the last
         * names itself. */
        assert_int_equal(g->bulk.step_count, shape == 0   ? MANY
                                             : shape == 1 ? 2 * MANY - 1
                                                          : MANY + 1);
        assert_true((g->bulk.at[MANY - 1].fault != NULL) == (shape == 0));
    }
}

static void a_request_over_the_limit_is_refused_whole(void **state)
{
    struct ground *g = *state;
    struct error err = ERROR_INIT;
    json_t *document = json_object();
    json_put(document, "Operations", json_of("[1,2,3]"));
    assert_false(try_read(g, document, 2, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_non_null(strstr(err.detail, "maxOperations"));
}

static void the_answer_lists_what_was_run(void **state)
{
    struct ground *g = *state;
    const struct scim_bulk *b = read_bulk(
        g, "[" USER("a", "") "," USER("b", "") ",{'method':'patch','path':'/Users/x','data':{}}]");
    const struct scim_bulk_outcome outcomes[] = {
        {.status = 201, .version = STR("W/\"1\""), .location = STR("http://a/Users/1")},
        {.status = 0},
        {.status = 404,
         .location = STR("http://a/Users/x"),
         .response = STR("{\"status\":\"404\"}")}};
    struct buf out;
    buf_init(&out, 4096);
    scim_bulk_reply(b, outcomes, &out);
    json_t *found = json_loadb(out.at, out.len, 0, NULL);
    json_t *wanted = json_of(
        "{'schemas':['" SCIM_URN_BULK_RESPONSE "'],'Operations':[{'method':'POST','bulkId':'a',"
        "'version':'W/\\\"1\\\"','location':'http://a/Users/1','status':'201'},{'method':'PATCH',"
        "'location':'http://a/Users/x','status':'404','response':{'status':'404'}}]}");
    assert_true(json_equal(found, wanted));
    json_decref(found);
    json_decref(wanted);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_ground, close_ground)
        CASE(what_has_no_references_keeps_its_order),
        CASE(a_reference_forward_waits_for_what_it_names),
        CASE(users_in_a_circle_are_finished_afterwards),
        CASE(one_that_refers_to_itself_is_a_circle),
        CASE(groups_in_a_circle_are_conflicts_and_others_are_not),
        CASE(a_reference_is_found_wherever_the_schema_has_one),
        CASE(a_reference_to_nothing_is_the_fault_of_its_operation),
        CASE(long_chains_are_linear),
        CASE(a_request_over_the_limit_is_refused_whole),
        CASE(the_answer_lists_what_was_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
