/*
 * The SCIM client of src/remote, for tests of it alone.
 *
 * usage: remote URL TOKEN_FILE [--ca FILE] [--paging auto|index|cursor] [--rate N] [--timeout S]
 * Then a line of input each, until its end:
 *   list TYPE [FILTER]      "resource ID" for each, "end N"
 *   count TYPE [FILTER]     "end N SECONDS"
 *   get TYPE ID | delete TYPE ID VERSION|-
 *   create TYPE JSON | patch TYPE ID VERSION|- JSON | put TYPE ID VERSION|- JSON
 * Each answers with lines and ends with "OUTCOME STATUS ID VERSION" or "error TEXT".
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"
#include "remote/client.h"

static const char *const OUTCOMES[] = {[REMOTE_DONE] = "done",
                                       [REMOTE_ABSENT] = "absent",
                                       [REMOTE_MOVED] = "moved",
                                       [REMOTE_TAKEN] = "taken",
                                       [REMOTE_REFUSED] = "refused",
                                       [REMOTE_UNKNOWN] = "unknown",
                                       [REMOTE_UNAVAILABLE] = "unavailable"};

static const char *const PAGINGS[] = {"auto", "index", "cursor"};

static bool parse(struct remote_settings *s, char **args)
{
    for (; args[0] && args[1]; args += 2) {
        int64_t n = 0;
        struct str value = str_of(args[1]);
        (void)str_to_i64(value, &n);
        if (!strcmp(args[0], "--ca"))
            s->ca_file = value;
        else if (!strcmp(args[0], "--rate"))
            s->rate_per_s = (unsigned)n;
        else if (!strcmp(args[0], "--timeout"))
            s->timeout_s = (int)n;
        else
            for (int p = 0; p < 3; p++)
                if (!strcmp(args[1], PAGINGS[p]))
                    s->paging = (enum config_paging)p;
    }
    return !args[0];
}

static bool list(struct remote_client *c, struct arena *a, struct str rest, bool show)
{
    struct error err = ERROR_INIT;
    struct remote_query q = {0};
    struct remote_list *l;
    const json_t *r;
    int64_t began = clock_monotonic_ms();
    size_t seen = 0;
    (void)str_split(&rest, ' ', &q.type);
    q.filter = rest;
    bool read = remote_list_begin(c, a, &q, &l, &err);
    do {
        read = read && remote_list_next(l, &r, &err);
        seen += read && r;
        if (read && r && show)
            printf("resource " STR_FMT "\n", STR_ARG(json_get_str(r, "id")));
    } while (read && r);
    if (read)
        printf("end %zu %.3f\n", seen, (double)(clock_monotonic_ms() - began) / 1000);
    else
        printf("error %s\n", err.detail);
    return read;
}

static struct str word(struct str *rest)
{
    struct str w = STR_NONE;
    (void)str_split(rest, ' ', &w);
    return str_eq(w, STR("-")) ? STR_NONE : w;
}

static void one(struct remote_client *c, struct arena *a, struct str verb, struct str rest)
{
    struct error err = ERROR_INIT;
    struct remote_reply reply = {0};
    struct remote_ask ask = {.type = word(&rest)};
    enum remote_outcome outcome;
    bool create = str_eq(verb, STR("create"));
    ask.verb = create                        ? REMOTE_POST
               : str_eq(verb, STR("get"))    ? REMOTE_GET
               : str_eq(verb, STR("delete")) ? REMOTE_DELETE
               : str_eq(verb, STR("put"))    ? REMOTE_PUT
                                             : REMOTE_PATCH;
    if (!create)
        ask.id = word(&rest);
    if (!create && ask.verb != REMOTE_GET)
        ask.if_match = word(&rest);
    OWNED_JSON json_t *body =
        rest.len ? json_load_strict(rest, (struct json_limits){.depth = 32}, &err) : NULL;
    ask.body = body;
    outcome =
        create ? remote_create(c, a, &ask, &reply, &err) : remote_do(c, a, &ask, &reply, &err);
    if (outcome != REMOTE_DONE)
        printf("why %s\n", err.detail);
    printf("%s %d " STR_FMT " " STR_FMT "\n", OUTCOMES[outcome], reply.status, STR_ARG(reply.id),
           STR_ARG(reply.version));
}

int main(int argc, char **argv)
{
    char line[65536];
    struct remote_settings s = {.timeout_s = 30};
    if (argc < 3 || !parse(&s, argv + 3))
        return 64;
    hash_init();
    s.url = str_of(argv[1]);
    s.token_file = str_of(argv[2]);
    struct remote_client *c = remote_open(&s);
    while (fgets(line, sizeof line, stdin)) {
        OWNED_ARENA struct arena *a = arena_new();
        struct str rest = str_trim(str_of(line)), verb = STR_NONE;
        (void)str_split(&rest, ' ', &verb);
        if (str_eq(verb, STR("list")) || str_eq(verb, STR("count")))
            (void)list(c, a, rest, str_eq(verb, STR("list")));
        else
            one(c, a, verb, rest);
        fflush(stdout);
    }
    remote_close(c);
    return 0;
}
