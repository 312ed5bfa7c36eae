/* What each kind of server (directory.preset) can do for us: one table, looked at and not guessed.
 * Measured on slapd 2.5.13 and 389 Directory Server 2.3.1. */
#include "directory/internal.h"

static const char *const slapd_identity[] = {"entryUUID", "entryCSN", NULL};
static const char *const ds389_identity[] = {"entryUUID", "entryCSN", "entryUSN", "modifyTimestamp",
                                             NULL};

static const struct directory_server servers[] = {
    [CONFIG_OPENLDAP] = {.identity = slapd_identity, .asserts = true, .tells = true, .dates = true},
    /* Its content synchronisation names entries by nsUniqueId, which is not the id. */
    [CONFIG_389DS] = {.identity = ds389_identity,
                      .locked = LDAP_UNWILLING_TO_PERFORM,
                      .renames_unseen = true},
    [CONFIG_PLAIN] = {.identity = slapd_identity, .asserts = true, .tells = true, .dates = true},
};

const struct directory_server *directory_server(const struct directory *d)
{
    return &servers[d->config->directory.preset];
}

/* 389-ds counts changes, but each add that it refuses as a second one counts back, and two changes
 * of an entry can have one number. So a version is the second of the change, and in it the number.
 * An almost empty server begins below zero, and writes what it counts without a sign, in 32 bits
 * after an add and in 64 after any other change: the lower 32 bits tell the order. Behind them
 * stands the number as it was written, for the assertion. */
#define BELOW_ZERO ((uint32_t)1 << 31)

static bool take_number(struct str text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9' || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(text.at[i] - '0'), out))
            return false;
    return text.len > 0;
}

struct str directory_csn_of_number(struct arena *a, struct str number, struct str time)
{
    uint64_t n;
    if (!time.len || !take_number(number, &n))
        return STR_NONE;
    return arena_fmt(a, STR_FMT "#%010u#" STR_FMT, STR_ARG(time), (uint32_t)n ^ BELOW_ZERO,
                     STR_ARG(number));
}

static struct str csn_filter(struct arena *a, struct str csn)
{
    struct str rest = csn, time = STR_NONE, order = STR_NONE;
    struct str value = directory_filter_value(a, csn);
    uint64_t n;
    if (str_split(&rest, '#', &time) && str_split(&rest, '#', &order) && take_number(rest, &n))
        return arena_fmt(a, "(entryUSN=" STR_FMT ")(modifyTimestamp=" STR_FMT ")", STR_ARG(rest),
                         STR_ARG(time));
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
