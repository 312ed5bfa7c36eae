/* 389 Directory Server: indexes with the task that fills them, and limits of the account, which
 * stand on its entry. */
#include "base/hash.h"
#include "directory/inspect.h"

/* ---- indexes */

static const struct directory_entry *backend_of(const struct inspection *in, struct str below)
{
    const struct directory_entry *best = NULL;
    size_t longest = 0;
    struct str key = directory_dn_key(in->a, below);
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_entry *e = &in->server.at[i];
        struct str suffix = directory_value(e, "nsslapd-suffix");
        struct str top = directory_dn_key(in->a, suffix);
        if (!suffix.len || !directory_is_below(key, top) || (best && top.len <= longest))
            continue;
        best = e;
        longest = top.len;
    }
    return best;
}

static const struct directory_entry *index_of(const struct inspection *in, struct str place,
                                              struct str attr)
{
    struct str top = directory_dn_key(in->a, place);
    for (size_t i = 0; i < in->server.count; i++) {
        const struct directory_entry *e = &in->server.at[i];
        if (directory_attr(e, "nsIndexType") && str_ieq(directory_value(e, "cn"), attr) &&
            directory_is_below(directory_dn_key(in->a, e->dn), top))
            return e;
    }
    return NULL;
}

/* An index that is new answers with nothing until it is filled. */
static struct str filling(struct inspection *in, struct str backend, struct str attr)
{
    uint64_t random;
    hash_random(&random, sizeof random);
    struct str name = arena_fmt(in->a, "kiops-index-%016llx", (unsigned long long)random);
    return arena_fmt(in->a,
                     "dn: cn=" STR_FMT ",cn=index,cn=tasks,cn=config\nchangetype: add\n"
                     "objectClass: extensibleObject\ncn: " STR_FMT "\nnsInstance: " STR_FMT
                     "\nnsIndexAttribute: " STR_FMT "\n\n",
                     STR_ARG(name), STR_ARG(name), STR_ARG(backend), STR_ARG(attr));
}

void inspect_389_index(struct inspection *in, struct str attr, struct str below,
                       const struct str *kinds, size_t count)
{
    const struct directory_entry *backend = backend_of(in, below);
    struct str lines = STR(""), words = STR("");
    if (!backend)
        return;
    struct str place = arena_fmt(in->a, "cn=index," STR_FMT, STR_ARG(backend->dn));
    const struct directory_entry *there = index_of(in, place, attr);
    for (size_t i = 0; i < count; i++) {
        if (there && directory_has(there, "nsIndexType", kinds[i]))
            continue;
        lines = arena_fmt(in->a, STR_FMT "nsIndexType: " STR_FMT "\n", STR_ARG(lines),
                          STR_ARG(kinds[i]));
        words = arena_fmt(in->a, STR_FMT "%s" STR_FMT, STR_ARG(words), words.len ? "," : "",
                          STR_ARG(kinds[i]));
    }
    if (!lines.len)
        return;
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_ADVICE, "no-index",
        arena_fmt(in->a, "no index " STR_FMT " " STR_FMT, STR_ARG(attr), STR_ARG(words)),
        "each look-up reads every entry, or is refused as too dear");
    struct str dn = arena_fmt(in->a, "cn=" STR_FMT "," STR_FMT, STR_ARG(attr), STR_ARG(place));
    struct str head = inspect_line(in->a, "dn", there ? there->dn : dn);
    struct str task = filling(in, directory_value(backend, "cn"), attr);
    inspect_apply(
        f, DIRECTORY_APPLY_CONFIG,
        there ? arena_fmt(in->a,
                          STR_FMT "changetype: modify\nadd: nsIndexType\n" STR_FMT "\n" STR_FMT,
                          STR_ARG(head), STR_ARG(lines), STR_ARG(task))
              : arena_fmt(in->a,
                          STR_FMT
                          "changetype: add\nobjectClass: top\nobjectClass: nsIndex\ncn: " STR_FMT
                          "\nnsSystemIndex: false\n" STR_FMT "\n" STR_FMT,
                          STR_ARG(head), STR_ARG(attr), STR_ARG(lines), STR_ARG(task)));
}

/* ---- limits: of the account's entry, else the server's */

static const struct {
    const char *own, *general;
} LIMITS[] = {{"nsSizeLimit", "nsslapd-sizelimit"},
              {"nsLookThroughLimit", "nsslapd-lookthroughlimit"}};

static bool is_unlimited(const struct inspection *in, const struct directory_entry *account,
                         size_t row)
{
    struct str own = directory_value(account, LIMITS[row].own);
    for (size_t i = 0; !own.len && i < in->server.count; i++)
        own = directory_value(&in->server.at[i], LIMITS[row].general);
    return str_eq(own, STR("-1"));
}

static struct str no_limits(struct inspection *in)
{
    return arena_fmt(in->a,
                     STR_FMT "changetype: modify\nreplace: nsSizeLimit\nnsSizeLimit: -1\n-\n"
                             "replace: nsTimeLimit\nnsTimeLimit: -1\n-\n"
                             "replace: nsLookThroughLimit\nnsLookThroughLimit: -1\n-\n"
                             "replace: nsIdleTimeout\nnsIdleTimeout: -1\n\n",
                     STR_ARG(inspect_line(in->a, "dn", in->config->service.bind_dn)));
}

void inspect_389_limit(struct inspection *in, struct str text)
{
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_MISSING, "size-limit", text,
                     "the bridge starts only when it has read everything");
    inspect_apply(f, DIRECTORY_APPLY_ENTRIES, no_limits(in));
}

bool inspect_389_limits(struct inspection *in, struct error *err)
{
    static const char *const attrs[] = {"objectClass", "nsSizeLimit", "nsLookThroughLimit", NULL};
    struct directory_entries account;
    if (!inspect_read(in, in->config->service.bind_dn, attrs, &account, err))
        return false;
    if (!account.count || !directory_attr(&account.at[0], "objectClass")) {
        if (!inspect_has(in, "access-rules") && !inspect_has(in, "bridge-is-rootdn"))
            inspect_389_unreadable(in, STR("its own limits"));
        return true;
    }
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        if (is_unlimited(in, &account.at[0], i))
            continue;
        inspect_389_limit(in, arena_fmt(in->a, "%s of the bridge's account is not -1, nor is %s",
                                        LIMITS[i].own, LIMITS[i].general));
        break;
    }
    return true;
}
