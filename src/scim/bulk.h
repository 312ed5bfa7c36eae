/*
 * Bulk (RFC 7644 3.7): one request with many operations, which may refer to each other by bulkId.
 * This reads the request, finds the references, says in which order the operations can be made, and
 * writes the answer. Running them is the service's.
 *
 * Owns:    everything lives in the arena it was read into; data is a view into the document.
 * Threads: pure; a bulk that was read may be used by any number of threads at once, each with its
 * own operation: the document's parts belong to the operations.
 * Errors:  what is wrong with one operation is its `fault`; only what is wrong with the whole
 * request is an error of scim_bulk_read().
 * Source:  RFC 7644 3.7.1 (circles), 3.7.2 (bulkId), 3.7.3 (answer and errors), 3.7.4 (ceilings).
 */
#pragma once

#include "scim/scim.h"

#define SCIM_URN_BULK_REQUEST "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
#define SCIM_URN_BULK_RESPONSE "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
#define SCIM_BULK_NONE SIZE_MAX

enum scim_verb { SCIM_POST, SCIM_PUT, SCIM_PATCH, SCIM_DELETE };

struct scim_bulk_operation {
    struct str method;           /* as it is answered; at == NULL: none was sent */
    struct str bulk_id, version; /* at == NULL: not sent */
    enum scim_verb verb;
    const struct scim_resource_type *type; /* NULL: the path names none */
    struct str id;                         /* of the path; empty for POST and for a bulkId */
    size_t path_target;                    /* the operation whose bulkId the path names, or NONE */
    const json_t *data;                    /* NULL: none */
    const struct error *fault;             /* refused as it stands; NULL: can be tried */
    const size_t *targets;                 /* operations that data refers to */
    size_t target_count;
    size_t circle; /* operations with the same number refer to each other in a circle; 0 = none */
};

/* What is done at one time: an operation, or what had to be left out of one in a circle until the
 * others were there. */
struct scim_bulk_step {
    size_t operation;
    bool finish;
};

struct items_set;

struct scim_bulk {
    const struct scim_bulk_operation *at;
    size_t count;
    int64_t fail_on_errors; /* 0 = all are run */
    /* In an order in which everything stands behind what it refers to, else as they were sent. */
    const struct scim_bulk_step *steps;
    size_t step_count;
    struct items_set *names; /* bulkId -> operation */
};

struct scim_bulk_reading {
    struct arena *arena;
    const struct scim_dialect *dialect;
    const struct scim_resource_type *const *types; /* those that can be written */
    size_t type_count;
    /* The type whose resources may refer to each other in a circle: they are made first and refer
     * to each other afterwards. Circles with others are ERR_CONFLICT for their operations. */
    const struct scim_resource_type *circular;
    size_t operations; /* ceiling */
};

/* Errors: ERR_INVALID_SYNTAX, ERR_INVALID_VALUE (failOnErrors), ERR_TOO_LARGE naming the limit.
 * Linear in the size of the document, whatever refers to what. */
MUST_CHECK bool scim_bulk_read(const struct scim_bulk_reading *in, const json_t *document,
                               struct scim_bulk *out, struct error *err);

/* Does an operation leave that reference out until its finishing step? */
bool scim_bulk_postpones(const struct scim_bulk *b, size_t operation, size_t target);

/* The step's body with ids for bulkIds; `ids[i]` is what operation i made. Of a finishing step: a
 * PATCH body. Borrowed: of the document or of `a`. NULL when the operation has no data. */
const json_t *scim_bulk_data(struct arena *a, const struct scim_bulk *b,
                             const struct scim_bulk_step *step, const struct str *ids);

struct scim_bulk_outcome {
    int status;          /* 0: was not run, and is not listed */
    struct str version;  /* empty: none */
    struct str location; /* empty: none */
    struct str response; /* JSON; empty: none */
};

/* The BulkResponse; `outcomes` as many as operations. */
void scim_bulk_reply(const struct scim_bulk *b, const struct scim_bulk_outcome *outcomes,
                     struct buf *out);

/* ---- bulk_references.c: where data refers to other operations; for bulk.c */

/* Fills targets, target_count and, for a bulkId that no POST of the request has, fault. */
void bulk_references_find(struct arena *a, const struct scim_bulk *b,
                          struct scim_bulk_operation *op);
/* "bulkId:x" -> x, without regard to the prefix's letter case. */
bool bulk_reference_name(struct str text, struct str *name);
/* ERR_INVALID_VALUE that says which bulkId is not there. */
const struct error *bulk_reference_unknown(struct arena *a, struct str name);

/* ---- bulk_order.c: circles and steps; for bulk.c */
void bulk_order_circles(const struct scim_bulk_reading *in, struct scim_bulk_operation *at,
                        size_t count);
void bulk_order_steps(struct arena *a, struct scim_bulk *b);
