/* Indexes: those that a look-up needs, and the one that makes removals dear. */
#include "directory/inspect.h"

enum kind { EQUALITY = 1, PRESENCE = 2, SUBSTRING = 4 };

static const struct {
    struct str name;
    unsigned kind;
} WORDS[] = {
    {STR_INIT("eq"), EQUALITY}, {STR_INIT("pres"), PRESENCE}, {STR_INIT("sub"), SUBSTRING}};
#define WORD_COUNT (sizeof WORDS / sizeof *WORDS)

struct wanted {
    struct str attr, below; /* in the database that holds `below` */
    unsigned kinds;
};

static unsigned kinds_of(struct str words)
{
    unsigned kinds = 0;
    struct str word;
    while (str_split(&words, ',', &word))
        for (size_t i = 0; i < WORD_COUNT; i++)
            if (str_eq(str_trim(word), WORDS[i].name))
                kinds |= WORDS[i].kind;
    return kinds;
}

static struct str words_of(struct arena *a, unsigned kinds)
{
    struct str out = STR("");
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (kinds & WORDS[i].kind)
            out = arena_fmt(a, STR_FMT "%s" STR_FMT, STR_ARG(out), out.len ? "," : "",
                            STR_ARG(WORDS[i].name));
    return out;
}

/* `uid,mail eq`: is the attribute among the names? */
static bool names(struct str list, struct str attr)
{
    struct str one;
    while (str_split(&list, ',', &one))
        if (str_ieq(str_trim(one), attr))
            return true;
    return false;
}

/* The value that indexes the attribute, and its kinds; NULL: none. A value without kinds has those
 * of `default`. */
static const struct str *index_of(const struct directory_entry *database, struct str attr,
                                  unsigned *kinds)
{
    const struct directory_attr *all = directory_attr(database, "olcDbIndex");
    const struct str *found = NULL;
    unsigned by_default = 0;
    *kinds = 0;
    for (size_t i = 0; all && i < all->count; i++) {
        struct str rest = all->values[i], list;
        if (!str_split(&rest, ' ', &list))
            continue;
        if (str_ieq(list, STR("default")))
            by_default = kinds_of(rest);
        if (!names(list, attr))
            continue;
        found = &all->values[i];
        *kinds = kinds_of(rest);
    }
    if (found && *kinds == 0)
        *kinds = by_default;
    return found;
}

static void want_of_389(struct inspection *in, const struct wanted *w)
{
    struct str kinds[WORD_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (w->kinds & WORDS[i].kind)
            kinds[count++] = WORDS[i].name;
    inspect_389_index(in, w->attr, w->below, kinds, count);
}

static void want(struct inspection *in, const struct wanted *w)
{
    if (in->ds389)
        want_of_389(in, w);
    const struct directory_entry *database = inspect_database(in, w->below);
    unsigned there;
    const struct str *old = database ? index_of(database, w->attr, &there) : NULL;
    if (!database || (there & w->kinds) == w->kinds)
        return;
    struct str words = words_of(in->a, there | w->kinds);
    struct str value = arena_fmt(in->a, STR_FMT " " STR_FMT, STR_ARG(w->attr), STR_ARG(words));
    struct directory_finding *f = inspect_find(
        in, DIRECTORY_ADVICE, "no-index", arena_fmt(in->a, "no index " STR_FMT, STR_ARG(value)),
        "each look-up reads every entry");
    struct str ldif = inspect_modify(in->a, database->dn, "add", "olcDbIndex", value);
    if (old) /* one attribute has one value, and takes no second */
        ldif = arena_fmt(in->a,
                         STR_FMT "changetype: modify\ndelete: olcDbIndex\n" STR_FMT
                                 "-\nadd: olcDbIndex\n" STR_FMT "\n",
                         STR_ARG(inspect_line(in->a, "dn", database->dn)),
                         STR_ARG(inspect_line(in->a, "olcDbIndex", *old)),
                         STR_ARG(inspect_line(in->a, "olcDbIndex", value)));
    inspect_apply(f, DIRECTORY_APPLY_CONFIG, ldif);
}

/* Measured: with it, taking a member out of a group of 1,000 to 10,000 is 8 to 15 times dearer. */
static void want_none(struct inspection *in, struct str attr, struct str below)
{
    const struct directory_entry *database = inspect_database(in, below);
    unsigned kinds = 0;
    const struct str *there = database ? index_of(database, attr, &kinds) : NULL;
    if (!there || !(kinds & EQUALITY))
        return;
    struct directory_finding *f =
        inspect_find(in, DIRECTORY_ADVICE, "index-on-member",
                     arena_fmt(in->a, "an equality index on " STR_FMT, STR_ARG(attr)),
                     "removing a member is 8 to 15 times dearer, and the bridge does not use it; "
                     "keep it where another program searches by member");
    inspect_apply(f, DIRECTORY_APPLY_CONFIG,
                  inspect_modify(in->a, database->dn, "delete", "olcDbIndex", *there));
}

/* Did an earlier row want it of the same database? */
static bool is_asked(const struct inspection *in, const struct wanted *all, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (str_ieq(all[i].attr, all[row].attr) &&
            inspect_database(in, all[i].below) == inspect_database(in, all[row].below))
            return true;
    return false;
}

void inspect_indexes(struct inspection *in)
{
    const struct config_directory *c = in->config;
    const char *external = directory_external_attr(in->d);
    const struct str version = in->ds389 ? STR("entryusn") : STR("entryCSN");
    const struct wanted all[] = {
        {STR("objectClass"), c->users.base, EQUALITY},
        {STR("entryUUID"), c->users.base, EQUALITY},
        {version, c->users.base, EQUALITY},
        {c->users.rdn, c->users.base, EQUALITY},
        {STR("mail"), c->users.base, EQUALITY},
        {external ? str_of(external) : STR_NONE, c->users.base, EQUALITY},
        {STR("kiopsActive"), c->users.base, EQUALITY},
        {STR("kiopsManager"), c->users.base, EQUALITY},
        {STR("kiopsPermission"), c->users.base, EQUALITY | SUBSTRING},
        {STR("kiopsRequest"), c->users.base, PRESENCE | SUBSTRING},
        {STR("entryUUID"), c->organizations.base, EQUALITY},
        {version, c->organizations.base, EQUALITY},
        {c->organizations.rdn, c->organizations.base, EQUALITY},
        {STR("kiopsTokenHash"), c->tokens_base, EQUALITY},
    };
    bool own = config_has_schema(c);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].attr.len && (own || !config_is_own_name(all[i].attr)) && !is_asked(in, all, i))
            want(in, &all[i]);
    if (!config_groups_read_only(c)) /* nobody is removed there, and others search by it */
        want_none(in, c->organizations.member, c->organizations.base);
}
