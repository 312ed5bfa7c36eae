/*
 * Any JSON as a POST body: normalised and checked, or refused with the kind of a client's fault.
 * Both steps leave their own result alone. First byte: profile and resource type.
 */
#include <stdint.h>

#include "../unit/scim_fixture.h"
#include "base/hash.h"

static const char *const type_names[] = {"User", "Group", "Membership"};

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void demand_client_fault(const struct error *err)
{
    demand(scim_status(err->kind) == 400 && err->detail[0], "the error is of another kind");
}

static json_t *check(const struct scim_context *in, const json_t *resource, struct error *err)
{
    json_t *out = NULL;
    const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = resource};
    bool done = scim_resource_check(in, &asked, &out, err);
    demand(done == (err->kind == ERR_NONE), "the error does not fit the result");
    return out;
}

static void check_normal(const struct scim_context *in, const json_t *normal)
{
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *twice = NULL;
    demand(scim_dialect_normalise(in, normal, &twice, &err), "what was normalised is refused");
    demand(json_equal(normal, twice), "normalising again changes it");
    OWNED_JSON json_t *checked = check(in, normal, &err);
    if (!checked) {
        demand_client_fault(&err);
        return;
    }
    OWNED_JSON json_t *again = check(in, checked, &err);
    demand(again && json_equal(checked, again), "checking again changes it");
    OWNED_JSON json_t *shown = fixture_projected(NULL, in->type, checked);
    demand(!json_object_get(shown, "password"), "the password is shown");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scim_catalog *catalog;
    if (!catalog) {
        hash_init();
        catalog = fixture_catalog();
    }
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    if (size == 0)
        return 0;
    const struct scim_context in = {
        .type = fixture_type(catalog, type_names[data[0] % 3]),
        .dialect = &dialects[data[0] / 3 % n],
        .base = STR("https://id.example.org/scim/v2"),
        .limits = {.value_bytes = 4096, .values_per_attribute = 100},
    };
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *body =
        json_load_strict((struct str){(const char *)data + 1, size - 1},
                         (struct json_limits){.bytes = 1 << 18, .depth = 32}, &err);
    OWNED_JSON json_t *normal = NULL;
    if (!body)
        return 0;
    if (scim_dialect_normalise(&in, body, &normal, &err))
        check_normal(&in, normal);
    else
        demand_client_fault(&err);
    return 0;
}
