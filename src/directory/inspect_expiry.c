/* What ends soon: the servers' certificates and tokens (faults 42, 43). */
#include "directory/inspect.h"

#define SOON_DAYS 30
#define NOW_DAYS 7

static enum directory_severity severity_of(instant_t left)
{
    return left > NOW_DAYS * CLOCK_DAY_US ? DIRECTORY_ADVICE : DIRECTORY_MISSING;
}

static struct str when(struct arena *a, instant_t left)
{
    if (left <= 0)
        return STR("has ended");
    if (left <= CLOCK_DAY_US)
        return STR("ends within a day");
    return arena_fmt(a, "ends in %lld days", (long long)(left / CLOCK_DAY_US));
}

/* ---- certificates: of every server of the list, for the day when another one is needed */

static void inspect_certificate(struct inspection *in, const struct directory_host *host,
                                instant_t now)
{
    char time[CLOCK_TEXT_MAX];
    instant_t end = atomic_load(&host->certificate_ends) * 1000000;
    if (end == 0 || end - now > SOON_DAYS * CLOCK_DAY_US)
        return;
    inspect_find(
        in, severity_of(end - now), "certificate-ends",
        arena_fmt(in->a, "the certificate of %s " STR_FMT " (" STR_FMT "): renew it", host->uri,
                  STR_ARG(when(in->a, end - now)), STR_ARG(clock_rfc3339(end, time))),
        "the bridge takes no server without a valid one; without any, every request is 503");
}

static void inspect_servers(struct inspection *in, instant_t now)
{
    json_t *ends = json_object();
    char time[CLOCK_TEXT_MAX];
    for (size_t i = 0; i < in->d->servers.count; i++) {
        struct directory_host *host = &in->d->servers.at[i];
        LDAP *ld = NULL;
        int64_t deadline = directory_conn_deadline(in->conn);
        bool reached = directory_link_open(in->d, i, deadline, &ld) == LDAP_SUCCESS;
        directory_link_close(ld);
        instant_t end = atomic_load(&host->certificate_ends) * 1000000;
        if (end)
            json_put_str(ends, host->uri, clock_rfc3339(end, time));
        if (!reached && (end == 0 || end > now))
            inspect_find(in, DIRECTORY_ADVICE, "server-away",
                         arena_fmt(in->a,
                                   "%s cannot be reached, or does not prove who it is: start it, "
                                   "or take it out of directory.uris",
                                   host->uri),
                         "nobody stands in when the server before it fails");
        inspect_certificate(in, host, now);
    }
    json_put(in->facts, "certificateEnds", ends);
}

/* ---- tokens */

static struct str option_words(struct arena *a, const char *option,
                               const struct directory_values *values)
{
    struct str out = STR("");
    for (size_t i = 0; i < values->count; i++)
        out = arena_fmt(a, STR_FMT " --%s '" STR_FMT "'", STR_ARG(out), option,
                        STR_ARG(values->at[i]));
    return out;
}

/* A name or value that a shell takes as it stands between quotes. */
static bool is_plain(struct str text)
{
    size_t at;
    return !str_find(text, '\'', &at) && !str_find(text, '\n', &at);
}

static struct str renewal(struct arena *a, const struct directory_token *t)
{
    if (!is_plain(t->name) || !is_plain(t->client))
        return STR_NONE;
    return arena_fmt(a,
                     "kiops-bridge token create '" STR_FMT "-new' --client '" STR_FMT
                     "' --role " STR_FMT " --access " STR_FMT " --profile " STR_FMT
                     " --push-mode " STR_FMT STR_FMT STR_FMT
                     " --expires never\nkiops-bridge token revoke '" STR_FMT "'\n",
                     STR_ARG(t->name), STR_ARG(t->client), STR_ARG(t->role), STR_ARG(t->access),
                     STR_ARG(t->profile), STR_ARG(t->push_mode),
                     STR_ARG(option_words(a, "organization", &t->organizations)),
                     STR_ARG(option_words(a, "option", &t->options)), STR_ARG(t->name));
}

static void inspect_token(struct inspection *in, const struct directory_token *t, instant_t now)
{
    char time[CLOCK_TEXT_MAX];
    if (t->expires == INSTANT_NONE || t->expires - now > SOON_DAYS * CLOCK_DAY_US)
        return;
    bool over = t->expires <= now;
    struct directory_finding *f = inspect_find(
        in, over ? DIRECTORY_ADVICE : severity_of(t->expires - now), "token-ends",
        arena_fmt(in->a,
                  "the token " STR_FMT " of client " STR_FMT " " STR_FMT " (" STR_FMT
                  "): make its successor, give it to the client, then revoke this one",
                  STR_ARG(t->name), STR_ARG(t->client), STR_ARG(when(in->a, t->expires - now)),
                  STR_ARG(clock_rfc3339(t->expires, time))),
        "the client gets 401 from then on");
    struct str words = renewal(in->a, t);
    if (words.len)
        inspect_apply(f, DIRECTORY_APPLY_SHELL, words);
}

bool inspect_expiry(struct inspection *in, struct error *err)
{
    instant_t now = clock_now();
    struct directory_search s = directory_tokens(in->d);
    struct directory_entries found = {0};
    struct error why = ERROR_INIT;
    inspect_servers(in, now);
    /* Without its base, or its schema, there is none: said by others. */
    if (!directory_find(in->conn, in->a, &s, &found, &why))
        return directory_ping(in->conn, err);
    json_put(in->facts, "tokens", json_integer((json_int_t)found.count));
    for (size_t i = 0; i < found.count; i++) {
        struct directory_token t;
        struct error odd = ERROR_INIT;
        if (directory_map_token(in->a, &found.at[i], &t, &odd))
            inspect_token(in, &t, now);
    }
    return true;
}
