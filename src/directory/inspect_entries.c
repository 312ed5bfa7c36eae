/* The entries that must be there: bases, the group of the PlatformAdmins, places for tokens and
 * jobs. */
#include "directory/inspect.h"

struct place {
    const char *key;
    struct str dn;
};

/* LDIF of the entry; empty for a name whose class nobody can guess. */
static struct str record_of(struct inspection *in, struct str dn)
{
    const struct config_directory *c = in->config;
    struct str head = inspect_line(in->a, "dn", dn), rest = dn, name = STR_NONE;
    str_split(&rest, '=', &name);
    if (str_eq(dn, c->admins_dn) && str_ieq(name, STR("cn"))) {
        struct str placeholder =
            c->organizations.placeholder_dn.len ? c->organizations.placeholder_dn : dn;
        struct str member = inspect_line(in->a, "member", placeholder);
        return arena_fmt(in->a, STR_FMT "changetype: add\nobjectClass: groupOfNames\n" STR_FMT "\n",
                         STR_ARG(head), STR_ARG(member));
    }
    static const char *const CLASSES[][2] = {
        {"ou", "organizationalUnit"}, {"o", "organization"}, {"c", "country"}, {"l", "locality"},
        {"st", "locality"},
    };
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++)
        if (str_ieq(name, str_of(CLASSES[i][0])))
            return arena_fmt(in->a, STR_FMT "changetype: add\nobjectClass: %s\n\n", STR_ARG(head),
                             CLASSES[i][1]);
    return STR_NONE;
}

/* What was said so far. */
struct told {
    struct str unreadable; /* by commas */
    struct str missing;    /* keys, a line each */
};

static bool is_told(struct told *told, struct inspection *in, struct str key)
{
    struct str rest = told->missing, line;
    while (str_split(&rest, '\n', &line))
        if (str_eq(line, key))
            return true;
    told->missing = arena_fmt(in->a, STR_FMT STR_FMT "\n", STR_ARG(told->missing), STR_ARG(key));
    return false;
}

/* The records of the parents that are not there either, top first, below the suffix. */
static bool add_parents(struct inspection *in, struct str dn, struct told *told, struct str *out,
                        struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    struct str suffix = directory_dn_key(in->a, in->suffix);
    for (;;) {
        struct directory_entries found;
        dn = directory_dn_parent(dn);
        struct str key = directory_dn_key(in->a, dn);
        if (!dn.len || !suffix.len || str_eq(key, suffix) || !directory_is_below(key, suffix))
            return true;
        if (!inspect_read(in, dn, none, &found, err))
            return false;
        if (found.count || is_told(told, in, key))
            return true;
        *out = arena_fmt(in->a, STR_FMT STR_FMT, STR_ARG(record_of(in, dn)), STR_ARG(*out));
    }
}

static bool is_known(struct inspection *in, const struct place *before, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(directory_dn_key(in->a, before[i].dn), key))
            return true;
    return false;
}

static bool inspect_place(struct inspection *in, const struct place *p, struct told *told,
                          struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_entries found;
    if (!inspect_read(in, p->dn, none, &found, err))
        return false;
    if (found.count)
        return true;
    if (in->ds389 && inspect_389_is_hidden(in, p->dn)) {
        told->unreadable = arena_fmt(in->a, STR_FMT "%s" STR_FMT, STR_ARG(told->unreadable),
                                     told->unreadable.len ? ", " : "", STR_ARG(p->dn));
        return true;
    }
    if (is_told(told, in, directory_dn_key(in->a, p->dn)))
        return true;
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_MISSING, "no-entry",
        arena_fmt(in->a,
                  "%s: there is no entry " STR_FMT ", or the bridge's account may not read it",
                  p->key, STR_ARG(p->dn)),
        NULL);
    struct str record = record_of(in, p->dn);
    if (!add_parents(in, p->dn, told, &record, err))
        return false;
    if (record.len)
        inspect_apply(f, DIRECTORY_APPLY_ENTRIES, record);
    return true;
}

bool inspect_entries(struct inspection *in, struct error *err)
{
    const struct config_directory *c = in->config;
    const struct place needed[] = {
        {"directory.users.base", c->users.base},
        {"directory.users.create_in", c->users.create_in},
        {"directory.organizations.base", c->organizations.base},
        {"directory.organizations.create_in", c->organizations.create_in},
        /* `ou=kiops` of `ou=tokens,ou=kiops,...`: else the one below cannot be added. */
        {"the container of directory.platform.tokens_base", directory_dn_parent(c->tokens_base)},
        {"the container of directory.platform.jobs_base", directory_dn_parent(c->jobs_base)},
        {"directory.platform.admins_dn", c->admins_dn},
        {"directory.platform.tokens_base", c->tokens_base},
        {"directory.platform.jobs_base", c->jobs_base},
        {"signup.container",
         in->d->config->signup.enabled ? in->d->config->signup.container : STR_NONE},
    };
    struct told told = {STR(""), STR("")};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i].dn.len == 0 || is_known(in, needed, i, directory_dn_key(in->a, needed[i].dn)))
            continue;
        if (!inspect_place(in, &needed[i], &told, err))
            return false;
    }
    if (told.unreadable.len)
        inspect_389_unreadable(in, told.unreadable);
    return directory_ping(in->conn, err);
}
