#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/own.h"
#include "scim_fixture.h"
#include "service/internal.h"

/* The memory that a replacement's name is compared with. */
bool replica_user_name(struct replica *r, struct arena *a, struct str id, struct str *name,
                       struct str *display)
{
    (void)r;
    (void)a;
    *name = *display = STR("Kim");
    return str_eq(id, STR("kim"));
}

struct row {
    enum scim_verb verb;
    const char *type, *id, *data; /* ' for " */
    bool beside;
    const char *key;
};

#define PATCH_OF(operation) "{'Operations':[" operation "]}"

static const struct row rows[] = {
    {SCIM_POST, "User", "", "{'userName':'Kim  A'}", true, "kim a"},
    {SCIM_POST, "User", "", "{'USERNAME':'kim','active':false}", true, "kim"},
    {SCIM_POST, "User", "", "{}", false, ""},
    {SCIM_POST, "Group", "", "{'displayName':'Hull'}", false, "hull"},
    {SCIM_DELETE, "User", "kim", NULL, false, "kim"},
    {SCIM_PATCH, "Group", "hull", PATCH_OF("{'op':'add','path':'x','value':1}"), false, "hull"},
    {SCIM_PATCH, "User", "KIM", PATCH_OF("{'op':'add','path':'title','value':1}"), true, "kim"},
    {SCIM_PATCH, "User", "kim", PATCH_OF("{'op':'add','path':'name.givenName','value':'active'}"),
     true, "kim"},
    {SCIM_PATCH, "User", "kim", PATCH_OF("{'op':'replace','path':'Active','value':false}"), false,
     "kim"},
    {SCIM_PATCH, "User", "kim", PATCH_OF("{'op':'replace','value':{'active':'False'}}"), false,
     "kim"},
    {SCIM_PATCH, "User", "kim", PATCH_OF("{'op':'replace','value':{'title':1,'userName':'x'}}"),
     false, "kim"},
    {SCIM_PATCH, "User", "kim",
     PATCH_OF("{'op':'replace','path':'" SCIM_URN_USER ":userName','value':'x'}"), false, "kim"},
    {SCIM_PATCH, "User", "kim", PATCH_OF("{'op':'add','path':'roles','value':'x'}"), false, "kim"},
    {SCIM_PUT, "User", "kim", "{'userName':'KIM','title':'T'}", true, "kim"},
    {SCIM_PUT, "User", "kim", "{'userName':'kim','active':true}", true, "kim"},
    {SCIM_PUT, "User", "kim", "{'userName':'kim','active':false}", false, "kim"},
    {SCIM_PUT, "User", "kim", "{'userName':'kim','active':'False'}", false, "kim"},
    {SCIM_PUT, "User", "kim", "{'userName':'other'}", false, "kim"},
    {SCIM_PUT, "User", "kim", "{'userName':'kim','Roles':['x']}", false, "kim"},
    {SCIM_PUT, "User", "nobody", "{'userName':'kim'}", false, "nobody"},
};

static json_t *json_of(const char *text)
{
    char copy[512];
    size_t n = strlen(text);
    assert_true(n < sizeof(copy));
    for (size_t i = 0; i <= n; i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    json_t *value = json_loads(copy, 0, NULL);
    assert_non_null(value);
    return value;
}

static void what_could_decide_about_others_runs_alone(void **state)
{
    struct scim_catalog *catalog = *state;
    OWNED_ARENA struct arena *a = arena_new();
    struct service service = {0};
    const struct service_call call = {.service = &service, .arena = a};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        OWNED_JSON json_t *data = rows[i].data ? json_of(rows[i].data) : NULL;
        const struct scim_bulk_operation op = {.verb = rows[i].verb,
                                               .type = fixture_type(catalog, rows[i].type),
                                               .path_target = SCIM_BULK_NONE,
                                               .data = data};
        struct str key;
        bool beside = bulk_runs_beside(&call, &op, str_of(rows[i].id), &key);
        if (beside != rows[i].beside || !str_eq(key, str_of(rows[i].key)))
            fail_msg("row %zu: %d " STR_FMT, i, beside, STR_ARG(key));
    }
}

static int load(void **state)
{
    hash_init();
    *state = fixture_catalog();
    return 0;
}

static int unload(void **state)
{
    scim_catalog_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_decide_about_others_runs_alone),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
