/* What the kind of directory demands and rules out: with the kiops schema or without it (preset
 * plain), and which group class its organizations have. */
#include "config/internal.h"

static bool has_class(const struct config_strings *classes, struct str name)
{
    for (size_t i = 0; i < classes->count; i++)
        if (str_ieq(classes->at[i], name))
            return true;
    return false;
}

bool config_wants_member(const struct config_organizations *o)
{
    return !has_class(&o->object_classes, STR("groupOfMembers")) &&
           !has_class(&o->object_classes, STR("posixGroup"));
}

static bool has_own_class(const struct config_strings *classes)
{
    for (size_t i = 0; i < classes->count; i++)
        if (config_is_own_name(classes->at[i]))
            return true;
    return false;
}

struct row {
    bool wrong;
    struct config_finding finding;
};

static void say_all(const struct row *rows, size_t n, config_say *say, void *arg)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].wrong)
            say(arg, &rows[i].finding);
}

static void check_plain(const struct config *c, config_say *say, void *arg)
{
    const struct config_directory *d = &c->directory;
    static const char people[] =
        "in plain mode only tokens act: nobody has a role without the kiops schema; leave it out";
    static const char own[] =
        "names a class of the kiops schema, which a plain directory does not have; leave it out";
    static const char taken[] =
        "must be \"none\" in plain mode: no entry tells there that a client "
        "has it already";
    const struct row rows[] = {
        {!str_eq(d->users.adopt, STR("none")), {"directory.users.adopt", taken, 0}},
        {d->organizations.adopt != 0, {"directory.organizations.adopt", taken, 0}},
        {c->job_count,
         {"jobs",
          "compare with what a client asserted, which a plain directory does not keep; leave them "
          "out",
          0}},
        {d->admins_dn.len, {"directory.platform.admins_dn", people, 0}},
        {c->auth.basic, {"auth.basic", people, 0}},
        {c->auth.oidc.issuer.len, {"auth.oidc", people, 0}},
        {c->signup.enabled, {"signup.enabled", people, 0}},
        {c->console.enabled, {"console.enabled", people, 0}},
        {has_own_class(&d->users.object_classes), {"directory.users.object_classes", own, 0}},
        {has_own_class(&d->organizations.object_classes),
         {"directory.organizations.object_classes", own, 0}},
        {config_wants_member(&d->organizations) && !d->organizations.placeholder_dn.len,
         {"directory.organizations.placeholder_dn",
          "must be given: the class of organizations demands a member", 0}},
        {config_groups_read_only(d) && !str_ieq(d->users.rdn, STR("uid")),
         {"directory.users.rdn", "must be uid: memberUid names people so", 0}},
    };
    say_all(rows, sizeof rows / sizeof *rows, say, arg);
}

static void check_own(const struct config_directory *d, config_say *say, void *arg)
{
    const struct row rows[] = {
        {!d->organizations.placeholder_dn.len,
         {"directory.organizations.placeholder_dn", "must be given", 0}},
        {!d->admins_dn.len, {"directory.platform.admins_dn", "must be given", 0}},
        {!d->organizations.owner.len,
         {"directory.organizations.owner", "must be given: Managers stand there", 0}},
        {config_groups_read_only(d),
         {"directory.organizations.member",
          "memberUid names nobody by DN: such groups are only shown, with preset \"plain\"", 0}},
    };
    say_all(rows, sizeof rows / sizeof *rows, say, arg);
}

static void check_class(const struct config_organizations *o, config_say *say, void *arg)
{
    bool unique = has_class(&o->object_classes, STR("groupOfUniqueNames"));
    bool posix = has_class(&o->object_classes, STR("posixGroup"));
    const struct row rows[] = {
        {unique && !str_ieq(o->member, STR("uniqueMember")),
         {"directory.organizations.member", "must be uniqueMember: groupOfUniqueNames has no other",
          0}},
        {posix && !has_class(&o->object_classes, STR("groupOfMembers")) &&
             !str_ieq(o->member, STR("memberUid")),
         {"directory.organizations.member", "must be memberUid: posixGroup has no other", 0}},
    };
    say_all(rows, sizeof rows / sizeof *rows, say, arg);
}

void config_check_kind(const struct config *c, config_say *say, void *arg)
{
    if (config_has_schema(&c->directory))
        check_own(&c->directory, say, arg);
    else
        check_plain(c, say, arg);
    check_class(&c->directory.organizations, say, arg);
}
