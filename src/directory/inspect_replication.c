/* Replication: who takes writes. A precondition holds on one server only. */
#include "directory/inspect.h"

static bool is_true(const struct directory_entry *e, const char *attr)
{
    return str_ieq(directory_value(e, attr), STR("TRUE"));
}

static const struct directory_attr *server_ids(const struct inspection *in)
{
    for (size_t i = 0; i < in->server.count; i++)
        if (directory_has(&in->server.at[i], "objectClass", STR("olcGlobal")))
            return directory_attr(&in->server.at[i], "olcServerID");
    return NULL;
}

/* Whether there is an olcSyncrepl may be asked where its value, with a password, may not be read.
 */
static bool is_consumer(struct inspection *in, const struct directory_entry *database)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_search s = {.base = database->dn,
                                 .scope = DIRECTORY_BASE,
                                 .filter = STR("(olcSyncrepl=*)"),
                                 .attrs = none};
    struct directory_entries found;
    struct error hidden = ERROR_INIT;
    return directory_find(in->conn, in->a, &s, &found, &hidden) && found.count > 0;
}

static void find_providers(struct inspection *in, const struct directory_attr *ids)
{
    struct str list = STR_NONE;
    for (size_t i = 0; ids && i < ids->count; i++)
        list = arena_fmt(in->a, STR_FMT "%s" STR_FMT, STR_ARG(list), i ? ", " : " (",
                         STR_ARG(ids->values[i]));
    inspect_find(in, DIRECTORY_NOTE, "multi-provider",
                 arena_fmt(in->a,
                           "several servers take writes" STR_FMT
                           "%s: every bridge must write to the same one, which is the first of "
                           "directory.uris here: %s",
                           STR_ARG(list), list.len ? ")" : "", in->d->servers.at[0].uri),
                 "two providers written at once lose changes; no load balancer in between");
}

void inspect_replication(struct inspection *in)
{
    const struct directory_entry *database = inspect_database(in, in->config->users.base);
    const struct directory_attr *ids = server_ids(in);
    if (!database)
        return;
    struct str provider = directory_value(database, "olcUpdateRef");
    bool consumer = is_consumer(in, database);
    if (is_true(database, "olcMultiProvider") || is_true(database, "olcMirrorMode") ||
        (ids && ids->count > 1))
        find_providers(in, ids);
    else if (consumer || provider.len)
        inspect_find(in, DIRECTORY_MISSING, "first-is-consumer",
                     arena_fmt(in->a,
                               "%s is a consumer and takes no writes: put its provider%s" STR_FMT
                               " first in directory.uris",
                               in->d->servers.at[0].uri, provider.len ? ", " : "",
                               STR_ARG(provider)),
                     "the bridge reads and writes the first server of the list");
}
