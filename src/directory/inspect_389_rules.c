/* Access rules of 389 Directory Server, which are values of the entries that they are about, and
 * the entries that lock an applicant: what of `schema acl` is lacking, and which of ours are old.
 */
#include <string.h>

#include "directory/inspect.h"
#include "directory/texts.h"

struct line {
    struct str name, value;
};

/* One record of what `schema acl` prints. */
struct record {
    struct str dn, key;
    struct line *at;
    size_t count, cap;
    bool is_entry; /* to be added; else rules for one that is there */
    bool is_there, hidden;
    struct directory_entry there; /* where it may be read */
};

struct records {
    struct record *at;
    size_t count, cap;
};

/* ---- the printed text */

static void take_line(struct inspection *in, struct record *r, struct str text)
{
    static const struct str RULE = STR_INIT("aci: "), ENTRY = STR_INIT("changetype: add");
    size_t colon;
    bool begins = str_eq(text, ENTRY);
    r->is_entry = r->is_entry || begins;
    if (begins || str_starts(text, STR("#")) || !str_find(text, ':', &colon) ||
        (!r->is_entry && !str_starts(text, RULE)))
        return;
    r->at = arena_grow(in->a, r->at, sizeof *r->at, r->count, &r->cap);
    r->at[r->count++] = (struct line){str_sub(text, 0, colon), str_sub(text, colon + 2, text.len)};
}

static struct records printed(struct inspection *in, const struct config *config)
{
    static const struct str DN = STR_INIT("dn: ");
    struct records all = {0};
    OWNED_BUF struct buf text;
    buf_init(&text, 1 << 20);
    directory_acl_print(config, &text);
    struct str rest = arena_str(in->a, buf_view(&text)), line;
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, DN)) {
            struct str dn = str_sub(line, DN.len, line.len);
            all.at = arena_grow(in->a, all.at, sizeof *all.at, all.count, &all.cap);
            all.at[all.count++] = (struct record){.dn = dn, .key = directory_dn_key(in->a, dn)};
        } else if (all.count) {
            take_line(in, &all.at[all.count - 1], line);
        }
    }
    return all;
}

/* Two records may be about one entry. */
static bool has_rule(const struct records *all, struct str key, struct str rule)
{
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; str_eq(all->at[i].key, key) && k < all->at[i].count; k++)
            if (str_ieq(all->at[i].at[k].value, rule))
                return true;
    return false;
}

static bool is_first(const struct records *all, const struct record *r)
{
    for (const struct record *before = all->at; before < r; before++)
        if (!before->is_entry && before->count && str_eq(before->key, r->key))
            return false;
    return true;
}

/* ---- what is there */

/* Of an entry that may not be read this server says that nothing is below it; of none, that there
 * is no such object. */
bool inspect_389_is_hidden(struct inspection *in, struct str dn)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_search s = {.base = dn,
                                 .scope = DIRECTORY_ONE,
                                 .filter = STR("(objectClass=kiops-nothing)"),
                                 .attrs = none};
    struct directory_entries found;
    struct error absent = ERROR_INIT;
    return directory_find(in->conn, in->a, &s, &found, &absent);
}

static const char *const *asked_for(struct inspection *in, const struct record *r)
{
    const char **names = ARENA_ARRAY(in->a, const char *, r->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        if (i == 0 || !str_eq(r->at[i].name, r->at[i - 1].name))
            names[n++] = arena_cstr(in->a, r->at[i].name);
    names[n] = NULL;
    return names;
}

static void read_there(struct inspection *in, struct record *r)
{
    struct directory_search s = {.base = r->dn,
                                 .scope = DIRECTORY_BASE,
                                 .filter = STR("(|(objectClass=*)(objectClass=ldapSubEntry))"),
                                 .attrs = asked_for(in, r)};
    struct directory_entries found;
    struct error away = ERROR_INIT; /* said by who asks next */
    if (directory_find(in->conn, in->a, &s, &found, &away) && found.count)
        r->there = found.at[0];
    r->is_there = r->there.dn.len != 0;
    r->hidden = !r->is_there && inspect_389_is_hidden(in, r->dn);
}

/* ---- which rules are old */

static struct str between(struct str text, struct str before)
{
    struct str name = STR_NONE;
    const char *at = memmem(text.at, text.len, before.at, before.len);
    if (!at)
        return STR_NONE;
    struct str rest = str_sub(text, (size_t)(at - text.at) + before.len, text.len);
    str_split(&rest, '"', &name);
    return name;
}

static struct str name_of(struct str rule)
{
    return between(rule, STR("acl \""));
}

/* Lets the account look at all, before the rules proper. */
static struct str seeing(struct inspection *in)
{
    return arena_fmt(in->a,
                     "(targetattr != \"userPassword\")(version 3.0; acl \"kiops: sees\"; allow "
                     "(read, search, compare) userdn = \"ldap:///" STR_FMT "\";)",
                     STR_ARG(in->config->service.bind_dn));
}

static bool is_old(struct inspection *in, const struct records *all, struct str key,
                   struct str rule)
{
    return str_starts(name_of(rule), STR("kiops: ")) && !has_rule(all, key, rule) &&
           !str_ieq(rule, seeing(in));
}

/* Whom the old rules are for; empty: for nobody else. */
static struct str old_account(struct inspection *in, const struct records *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct record *r = &all->at[i];
        const struct directory_attr *rules = directory_attr(&r->there, "aci");
        for (size_t k = 0; !r->is_entry && rules && k < rules->count; k++) {
            struct str name = name_of(rules->values[k]);
            struct str account = between(rules->values[k], STR("userdn = \"ldap:///"));
            bool for_bridge = str_eq(name, STR("kiops: people")) ||
                              str_eq(name, STR("kiops: organizations")) ||
                              str_eq(name, STR("kiops: platform"));
            if (for_bridge && account.len && is_old(in, all, r->key, rules->values[k]) &&
                !str_eq(directory_dn_key(in->a, account),
                        directory_dn_key(in->a, in->config->service.bind_dn)))
                return account;
        }
    }
    return STR_NONE;
}

/* A denial for the account before hides its own text too: it is what was printed then. */
static struct records printed_before(struct inspection *in, struct str account)
{
    struct config before = in->whole;
    if (!account.len)
        return (struct records){0};
    before.directory.service.bind_dn = account;
    return printed(in, &before);
}

/* ---- what mends it */

struct rules {
    struct str ldif;   /* adds rules and locks that are lacking, deletes old ones; empty: none is */
    struct str old;    /* which rules it deletes: ours, for another account or with other names */
    struct str hidden; /* entries whose rules cannot be read */
};

struct mending {
    struct inspection *in;
    struct records wanted, before;
    struct buf ldif, old, hidden;
};

static void put_line(struct mending *m, struct buf *out, struct str name, struct str value)
{
    buf_str(out, inspect_line(m->in->a, arena_cstr(m->in->a, name), value));
}

static void put_old(struct mending *m, const struct record *r, struct str rule, struct buf *out)
{
    put_line(m, out, STR("aci"), rule);
    buf_fmt(&m->old, "%s\"" STR_FMT "\" of " STR_FMT, m->old.len ? ", " : "",
            STR_ARG(name_of(rule)), STR_ARG(r->dn));
}

/* Old rules of the entry go with its first record. */
static void put_old_rules(struct mending *m, const struct record *r, struct buf *out)
{
    const struct directory_attr *rules = directory_attr(&r->there, "aci");
    if (!is_first(&m->wanted, r))
        return;
    for (size_t i = 0; rules && i < rules->count; i++)
        if (is_old(m->in, &m->wanted, r->key, rules->values[i]))
            put_old(m, r, rules->values[i], out);
    for (size_t i = 0; r->hidden && i < m->before.count; i++) {
        const struct record *b = &m->before.at[i];
        for (size_t k = 0; !b->is_entry && str_eq(b->key, r->key) && k < b->count; k++)
            if (!has_rule(&m->wanted, r->key, b->at[k].value))
                put_old(m, r, b->at[k].value, out);
    }
}

static void mend_rules(struct mending *m, const struct record *r)
{
    OWNED_BUF struct buf old;
    OWNED_BUF struct buf lacking;
    if (!r->count || (!r->is_there && !r->hidden))
        return;
    if (r->hidden && !m->before.count) {
        buf_fmt(&m->hidden, "%s" STR_FMT, m->hidden.len ? ", " : "", STR_ARG(r->dn));
        return;
    }
    buf_init(&old, 1 << 20);
    buf_init(&lacking, 1 << 20);
    put_old_rules(m, r, &old);
    for (size_t i = 0; i < r->count; i++)
        if (r->hidden ? !has_rule(&m->before, r->key, r->at[i].value)
                      : !directory_has(&r->there, "aci", r->at[i].value))
            put_line(m, &lacking, r->at[i].name, r->at[i].value);
    if (!old.len && !lacking.len)
        return;
    put_line(m, &m->ldif, STR("dn"), r->dn);
    BUF_LIT(&m->ldif, "changetype: modify\n");
    if (old.len)
        buf_fmt(&m->ldif, "delete: aci\n" STR_FMT "%s", STR_ARG(buf_view(&old)),
                lacking.len ? "-\n" : "");
    if (lacking.len)
        buf_fmt(&m->ldif, "add: aci\n" STR_FMT, STR_ARG(buf_view(&lacking)));
    buf_char(&m->ldif, '\n');
}

static bool has_value(struct inspection *in, const struct record *r, const struct line *l)
{
    struct str dn = directory_dn_key(in->a, l->value);
    const struct directory_attr *attr = directory_attr(&r->there, arena_cstr(in->a, l->name));
    for (size_t i = 0; attr && i < attr->count; i++)
        if (str_ieq(attr->values[i], l->value) ||
            str_eq(directory_dn_key(in->a, attr->values[i]), dn))
            return true;
    return false;
}

/* A class may be there that is not ours; of all else there are our values and no others. */
static void mend_attribute(struct mending *m, const struct record *r, struct str name,
                           struct buf *out)
{
    const struct directory_attr *attr = directory_attr(&r->there, arena_cstr(m->in->a, name));
    bool more = str_ieq(name, STR("objectClass"));
    size_t printed = 0, there = 0;
    OWNED_BUF struct buf values;
    buf_init(&values, 1 << 16);
    for (size_t i = 0; i < r->count; i++) {
        const struct line *l = &r->at[i];
        if (!str_ieq(l->name, name))
            continue;
        bool has = has_value(m->in, r, l);
        printed++;
        there += has;
        if (!more || !has)
            put_line(m, &values, l->name, l->value);
    }
    if (there == printed && (more || attr->count == printed))
        return;
    buf_fmt(out, "%s%s: " STR_FMT "\n" STR_FMT, out->len ? "-\n" : "", more ? "add" : "replace",
            STR_ARG(name), STR_ARG(buf_view(&values)));
}

static void mend_values(struct mending *m, const struct record *r)
{
    OWNED_BUF struct buf changes;
    buf_init(&changes, 1 << 16);
    for (size_t i = 0; i < r->count; i++)
        if (i == 0 || !str_ieq(r->at[i].name, r->at[i - 1].name))
            mend_attribute(m, r, r->at[i].name, &changes);
    if (!changes.len)
        return;
    put_line(m, &m->ldif, STR("dn"), r->dn);
    buf_fmt(&m->ldif, "changetype: modify\n" STR_FMT "\n", STR_ARG(buf_view(&changes)));
}

static void mend_entry(struct mending *m, const struct record *r)
{
    if (r->is_there)
        mend_values(m, r);
    if (r->is_there || r->hidden)
        return;
    put_line(m, &m->ldif, STR("dn"), r->dn);
    BUF_LIT(&m->ldif, "changetype: add\n");
    for (size_t i = 0; i < r->count; i++)
        put_line(m, &m->ldif, r->at[i].name, r->at[i].value);
    buf_char(&m->ldif, '\n');
}

static struct rules look_at_rules(struct inspection *in)
{
    struct mending m = {.in = in, .wanted = printed(in, &in->whole)};
    buf_init(&m.ldif, 1 << 20);
    buf_init(&m.old, 1 << 16);
    buf_init(&m.hidden, 1 << 16);
    for (size_t i = 0; i < m.wanted.count; i++)
        if (m.wanted.at[i].count)
            read_there(in, &m.wanted.at[i]);
    m.before = printed_before(in, old_account(in, &m.wanted));
    for (size_t i = 0; i < m.wanted.count; i++) {
        const struct record *r = &m.wanted.at[i];
        (r->is_entry ? mend_entry : mend_rules)(&m, r);
    }
    struct rules out = {arena_str(in->a, buf_view(&m.ldif)), arena_str(in->a, buf_view(&m.old)),
                        arena_str(in->a, buf_view(&m.hidden))};
    buf_free(&m.ldif);
    buf_free(&m.old);
    buf_free(&m.hidden);
    return out;
}

/* ---- the findings */

static struct str words_for(struct inspection *in, const struct rules *rules)
{
    struct str words = STR("");
    if (rules->old.len)
        words = arena_fmt(in->a,
                          ". Rules of ours for another account, or with other names, are deleted "
                          "by the text: " STR_FMT,
                          STR_ARG(rules->old));
    if (rules->hidden.len)
        words = arena_fmt(in->a,
                          STR_FMT ". The rules of " STR_FMT " cannot be read: as the Directory "
                                  "Manager delete each aci there whose name begins with \"kiops: "
                                  "\", and those of yours that say deny to this account; then "
                                  "check again, which prints what is to be added",
                          STR_ARG(words), STR_ARG(rules->hidden));
    return words;
}

/* All of ours is there. A denial of the site's own stands above whatever ours permit; what is open
 * nevertheless is no rule's doing. */
static struct str elsewhere(struct inspection *in, const struct inspect_effect *effect)
{
    return arena_fmt(in->a, ". All that `schema acl` prints is there%s%s",
                     effect->lacks ? ": for what may not be done look for a rule of yours (aci) "
                                     "that says deny, and take it out"
                                   : "",
                     effect->open ? ": for what is open, is the plug-in ACL Plugin on, and the "
                                    "server restarted since"
                                  : "");
}

/* Its value would stand in our own entries too, whatever they hold. */
static const char ANOTHER_LOCK[] =
    ". With the lock in place another class of service (cosSuperDefinition) about nsAccountLock "
    "may stand above it: take that out, or give it a lower priority (a higher cosPriority)";

void inspect_389_find_rules(struct inspection *in, const struct inspect_effect *effect,
                            struct str text, const char *why)
{
    struct rules rules = look_at_rules(in);
    bool whole = !rules.ldif.len && !rules.hidden.len;
    struct str words = whole ? elsewhere(in, effect) : words_for(in, &rules);
    text = arena_fmt(in->a, STR_FMT STR_FMT "%s", STR_ARG(text), STR_ARG(words),
                     effect->unlocked ? ANOTHER_LOCK : "");
    struct directory_finding *f = inspect_find(in, DIRECTORY_MISSING, "access-rules", text, why);
    if (rules.ldif.len)
        inspect_apply(f, DIRECTORY_APPLY_ENTRIES, rules.ldif);
}

static bool sees_already(struct inspection *in, struct str rule)
{
    static const char *const attrs[] = {"aci", NULL};
    struct directory_entries found;
    struct error away = ERROR_INIT;
    return inspect_read(in, in->suffix, attrs, &found, &away) && found.count &&
           directory_has(&found.at[0], "aci", rule);
}

/* Who may read nothing is not told either whether an entry is there: a look at all comes first. A
 * denial stands above it. */
void inspect_389_unreadable(struct inspection *in, struct str what)
{
    static const char WHY[] = "what it cannot see it cannot serve";
    struct str rule = seeing(in);
    struct str text =
        arena_fmt(in->a, "access rules: the bridge's account may not see " STR_FMT, STR_ARG(what));
    if (!sees_already(in, rule)) {
        text = arena_fmt(in->a, STR_FMT "; whether that is there shows when it may", STR_ARG(text));
        inspect_apply(inspect_find(in, DIRECTORY_MISSING, "access-rules", text, WHY),
                      DIRECTORY_APPLY_ENTRIES,
                      inspect_modify(in->a, in->suffix, "add", "aci", rule));
        return;
    }
    struct rules rules = look_at_rules(in);
    struct str words = words_for(in, &rules);
    if (!words.len)
        words = STR(": look for a rule of yours (aci), there or above, that says deny, and take it "
                    "out");
    text = arena_fmt(in->a, STR_FMT ", though the rule \"kiops: sees\" is there" STR_FMT,
                     STR_ARG(text), STR_ARG(words));
    struct directory_finding *f = inspect_find(in, DIRECTORY_MISSING, "access-rules", text, WHY);
    if (rules.ldif.len)
        inspect_apply(f, DIRECTORY_APPLY_ENTRIES, rules.ldif);
}
