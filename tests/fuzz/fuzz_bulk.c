/*
 * Any JSON as a bulk: read, or refused with the kind of a client's fault. Of what was read, every
 * operation stands in the steps once, behind all that it refers to; its data has no reference left
 * that the request could fill; and the answer is JSON. First byte: profile.
 */
#include <stdint.h>

#include "../unit/scim_fixture.h"
#include "base/hash.h"
#include "scim/bulk.h"

#define OPERATIONS_MAX 200

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_targets(const struct scim_bulk *b, const struct scim_bulk_step *step,
                          const bool *made)
{
    const struct scim_bulk_operation *op = &b->at[step->operation];
    if (!step->finish && op->path_target != SCIM_BULK_NONE && !op->fault)
        demand(made[op->path_target], "before what its path names");
    for (size_t i = 0; i < op->target_count; i++) {
        demand(b->at[op->targets[i]].verb == SCIM_POST, "refers to what makes nothing");
        if (step->finish || !scim_bulk_postpones(b, step->operation, op->targets[i]))
            demand(made[op->targets[i]], "before what it refers to");
    }
}

static void check_steps(struct arena *a, const struct scim_bulk *b)
{
    bool *made = ARENA_ARRAY(a, bool, b->count), *finished = ARENA_ARRAY(a, bool, b->count);
    struct str *ids = ARENA_ARRAY(a, struct str, b->count);
    for (size_t i = 0; i < b->count; i++)
        ids[i] = STR("id");
    for (size_t i = 0; i < b->step_count; i++) {
        const struct scim_bulk_step *step = &b->steps[i];
        bool *done = step->finish ? finished : made;
        demand(step->operation < b->count && !done[step->operation], "a step twice");
        demand(!step->finish || made[step->operation], "finished before it was made");
        done[step->operation] = true;
        check_targets(b, step, made);
        if (!b->at[step->operation].fault)
            (void)scim_bulk_data(a, b, step, ids);
    }
    for (size_t i = 0; i < b->count; i++)
        demand(made[i], "an operation is left out");
}

static void check_reply(struct arena *a, const struct scim_bulk *b)
{
    struct scim_bulk_outcome *outcomes = ARENA_ARRAY(a, struct scim_bulk_outcome, b->count);
    OWNED_BUF struct buf out;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < b->count; i++)
        outcomes[i].status = 200;
    buf_init(&out, 1 << 24);
    scim_bulk_reply(b, outcomes, &out);
    OWNED_JSON json_t *answer =
        json_load_strict(buf_view(&out), (struct json_limits){.depth = 8}, &err);
    demand(json_array_size(json_object_get(answer, "Operations")) == b->count, "the answer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scim_catalog *catalog;
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    if (!catalog) {
        hash_init();
        catalog = fixture_catalog();
    }
    if (size == 0)
        return 0;
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_resource_type *types[] = {fixture_type(catalog, "User"),
                                                fixture_type(catalog, "Group")};
    const struct scim_bulk_reading in = {.arena = a,
                                         .dialect = &dialects[data[0] % n],
                                         .types = types,
                                         .type_count = 2,
                                         .circular = types[0],
                                         .operations = OPERATIONS_MAX};
    struct error err = ERROR_INIT;
    struct scim_bulk b;
    OWNED_JSON json_t *body =
        json_load_strict((struct str){(const char *)data + 1, size - 1},
                         (struct json_limits){.bytes = 1 << 18, .depth = 32}, &err);
    if (!body)
        return 0;
    if (!scim_bulk_read(&in, body, &b, &err)) {
        demand(scim_status(err.kind) == 400 || err.kind == ERR_TOO_LARGE, "of another kind");
        return 0;
    }
    check_steps(a, &b);
    check_reply(a, &b);
    return 0;
}
