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
    if (str_ieq(name, STR("ou")))
        return arena_fmt(in->a, STR_FMT "changetype: add\nobjectClass: organizationalUnit\n\n",
                         STR_ARG(head));
    return STR_NONE;
}

static bool is_known(struct inspection *in, const struct place *before, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(directory_dn_key(in->a, before[i].dn), key))
            return true;
    return false;
}

/* 389-ds says of an entry that may not be read that it is there: nothing below it, instead of no
 * such object. */
static bool is_unreadable(struct inspection *in, struct str dn)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_search s = {.base = dn,
                                 .scope = DIRECTORY_ONE,
                                 .filter = STR("(objectClass=kiops-nothing)"),
                                 .attrs = none};
    struct directory_entries found;
    struct error hidden = ERROR_INIT;
    return in->ds389 && directory_find(in->conn, in->a, &s, &found, &hidden);
}

/* `ou=kiops` of `ou=tokens,ou=kiops,...`: asked for too, else the one below cannot be added. */
static bool inspect_place(struct inspection *in, const struct place *p, struct str *unreadable,
                          struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_entries found;
    if (!inspect_read(in, p->dn, none, &found, err))
        return false;
    if (found.count)
        return true;
    if (is_unreadable(in, p->dn)) {
        *unreadable = arena_fmt(in->a, STR_FMT "%s" STR_FMT, STR_ARG(*unreadable),
                                unreadable->len ? ", " : "", STR_ARG(p->dn));
        return true;
    }
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_MISSING, "no-entry",
        arena_fmt(in->a,
                  "%s: there is no entry " STR_FMT ", or the bridge's account may not read it",
                  p->key, STR_ARG(p->dn)),
        NULL);
    struct str record = record_of(in, p->dn);
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
        {"the container of directory.platform.tokens_base", directory_dn_parent(c->tokens_base)},
        {"the container of directory.platform.jobs_base", directory_dn_parent(c->jobs_base)},
        {"directory.platform.admins_dn", c->admins_dn},
        {"directory.platform.tokens_base", c->tokens_base},
        {"directory.platform.jobs_base", c->jobs_base},
        {"signup.container",
         in->d->config->signup.enabled ? in->d->config->signup.container : STR_NONE},
    };
    struct str unreadable = STR("");
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i].dn.len == 0 || is_known(in, needed, i, directory_dn_key(in->a, needed[i].dn)))
            continue;
        if (!inspect_place(in, &needed[i], &unreadable, err))
            return false;
    }
    if (unreadable.len)
        inspect_389_unreadable(in, unreadable);
    return directory_ping(in->conn, err);
}
