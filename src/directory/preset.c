/* What each kind of server (directory.preset) can do for us: one table, looked at and not guessed.
 * Measured on slapd 2.5.13 and 389 Directory Server 2.3.1. */
#include "directory/internal.h"

static const char *const slapd_identity[] = {"entryUUID", "entryCSN", NULL};
static const char *const ds389_identity[] = {"entryUUID", "entryCSN", "entryUSN", "modifyTimestamp",
                                             NULL};

static const struct directory_server servers[] = {
    [CONFIG_OPENLDAP] = {.identity = slapd_identity, .asserts = true, .tells = true},
    /* Its content synchronisation names entries by nsUniqueId, which is not the id. */
    [CONFIG_389DS] = {.identity = ds389_identity,
                      .locked = LDAP_UNWILLING_TO_PERFORM,
                      .renames_unseen = true},
    [CONFIG_PLAIN] = {.identity = slapd_identity, .asserts = true, .tells = true},
};

const struct directory_server *directory_server(const struct directory *d)
{
    return &servers[d->config->directory.preset];
}

/* 389-ds counts changes. An import gives 0, and an almost empty server begins a little below zero,
 * which it writes in 64 bits without a sign: such a number is none, and what has none is read
 * again. Started once more it goes on a little below 2^32, and from there on upwards. */
struct str directory_csn_of_number(struct arena *a, struct str number)
{
    int64_t n;
    if (!str_to_i64(number, &n) || n <= 0)
        return STR_NONE;
    return arena_fmt(a, "%020lld", (long long)n);
}

static struct str csn_filter(struct arena *a, struct str csn)
{
    int64_t n;
    if (str_to_i64(csn, &n))
        return arena_fmt(a, "(entryUSN=%lld)", (long long)n);
    struct str value = directory_filter_value(a, csn);
    return arena_fmt(a, "(entryCSN=" STR_FMT ")", STR_ARG(value));
}

const char *directory_assertion(struct arena *a, const struct directory_target *t)
{
    if (t->id.len == 0 && t->csn.len == 0 && !t->extra)
        return NULL;
    struct str id = directory_filter_value(a, t->id);
    struct str csn = t->csn.len ? csn_filter(a, t->csn) : STR_NONE;
    struct str text =
        arena_fmt(a, "(&%s" STR_FMT "%s" STR_FMT "%s)", id.len ? "(entryUUID=" : "", STR_ARG(id),
                  id.len ? ")" : "", STR_ARG(csn), t->extra ? t->extra : "");
    return text.at;
}

bool directory_extra_holds(const char *extra, const struct directory_entry *e)
{
    struct str rest = str_of(extra), attr, value;
    while (str_starts(rest, STR("(!("))) {
        rest = str_sub(rest, 3, rest.len);
        if (!str_split(&rest, '=', &attr) || !str_split(&rest, ')', &value))
            return false;
        rest = str_sub(rest, 1, rest.len); /* the outer parenthesis */
        bool start = str_ends(value, STR("*"));
        const struct directory_attr *now = NULL;
        for (size_t i = 0; i < e->attr_count; i++)
            if (str_ieq(e->attrs[i].name, attr))
                now = &e->attrs[i];
        if (start)
            value.len--;
        for (size_t i = 0; now && i < now->count; i++)
            if (start ? str_istarts(now->values[i], value) : str_ieq(now->values[i], value))
                return false;
    }
    return rest.len == 0;
}
