/*
 * Any bytes as the head of a request: the first line is the target, every further one a header line
 * up to its first colon. Taken or refused with a kind that is an answer, never a crash; what was
 * taken is text without NUL.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/unicode.h"
#include "http/internal.h"

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_text(struct str s)
{
    size_t at;
    demand(utf8_valid(s), "not UTF-8");
    demand(!str_find(s, '\0', &at), "a NUL got through");
}

static void check_target(struct arena *arena, struct str raw)
{
    struct http_target t;
    struct error err = ERROR_INIT;
    struct str id = STR_NONE;
    bool taken = http_target_parse(arena, raw, &t, &err);
    demand(taken == (err.kind == ERR_NONE), "the error does not fit the result");
    demand(taken || scim_status(err.kind) == 400, "the error is not a 400");
    for (size_t i = 0; taken && i < t.segment_count && i < HTTP_SEGMENTS_MAX; i++)
        check_text(t.segments[i]);
    for (size_t i = 0; taken && i < HTTP_PARAMS; i++)
        check_text(t.params[i]);
    const struct http_route *route = taken ? http_route_find(&t, &id) : NULL;
    demand(!route || route->item == (id.len > 0), "an item without an id");
    demand(!route || http_is_scim_path(&t) || raw.at[1] == '%', "a route outside the base");
}

static void check_head(struct str lines)
{
    struct http_head h;
    struct str line, unused;
    struct error err = ERROR_INIT;
    http_head_init(&h);
    while (str_split(&lines, '\n', &line)) {
        struct str rest = line, name;
        if (!str_split(&rest, ':', &name))
            continue;
        http_head_take(&h, name, str_trim(rest));
    }
    http_head_finish(&h, STR("HTTP/1.1"));
    demand(h.fault.kind == ERR_NONE || h.fault.kind == ERR_BAD_REQUEST, "a fault of another kind");
    demand(h.fault.kind != ERR_NONE || h.host.at, "no Host");
    demand(h.fault.kind != ERR_NONE || h.body_length >= -1, "a length below none");
    (void)http_media_accepted(h.accept);
    demand(http_media_body(&h, &err) || err.kind == ERR_MEDIA_TYPE,
           "a media error of another kind");
    enum http_challenge challenge;
    demand(!http_bearer_token(h.authorization, &unused, &challenge) || unused.len,
           "an empty token");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWNED_ARENA struct arena *arena = arena_new();
    struct str rest = {(const char *)data, size}, target = STR_NONE;
    (void)str_split(&rest, '\n', &target);
    check_target(arena, target);
    check_head(rest);
    return 0;
}
