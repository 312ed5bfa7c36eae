/*
 * Any bytes as JSON: refused with one of three kinds, or taken, and then written and read again
 * without a change.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_again(const json_t *value, const struct json_limits *limits,
                        void (*write)(const json_t *, struct buf *))
{
    OWNED_BUF struct buf text;
    struct error err = ERROR_INIT;
    buf_init(&text, 1 << 24);
    write(value, &text);
    demand(!text.failed, "the text outgrew its ceiling");
    OWNED_JSON json_t *again = json_load_strict(buf_view(&text), *limits, &err);
    demand(again && json_equal(value, again), "written and read, it is another value");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json_limits limits = {.bytes = 1 << 20, .depth = 32};
    struct error err = ERROR_INIT;
    hash_init();
    OWNED_JSON json_t *value =
        json_load_strict((struct str){(const char *)data, size}, limits, &err);
    demand((value != NULL) == (err.kind == ERR_NONE), "the error does not fit the result");
    demand(value || err.kind == ERR_INVALID_SYNTAX || err.kind == ERR_INVALID_VALUE ||
               err.kind == ERR_TOO_LARGE,
           "the error is of another kind");
    if (!value)
        return 0;
    check_again(value, &limits, json_write);
    check_again(value, &limits, json_write_canonical);
    return 0;
}
