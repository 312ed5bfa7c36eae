/*
 * Quick: what a packed record alone says of a filter and an order. A scan over 100,000 people asks
 * by name, mail, activity or date, and rendering and parsing each of them would cost 5 us.
 *
 * The keys in the record are those that scim/match.c would make of the rendered values; what is not
 * among them is unknown here, and is judged from the text.
 */
#include "replica/find.h"

enum source {
    SOURCE_NONE,
    SOURCE_ABSENT, /* this type has no such attribute */
    SOURCE_NAME,
    SOURCE_KEYS, /* SOURCE_KEYS + enum record_key */
    SOURCE_MAIL = SOURCE_KEYS + RECORD_KEYS,
    SOURCE_ID,
    SOURCE_ACTIVE,
    SOURCE_CREATED,
    SOURCE_MODIFIED,
};

struct quick {
    const struct scim_filter *filter;
    const struct quick *left, *right;
    enum source source;
};

static const struct {
    enum replica_kind kind;
    struct str name, sub;
    int source;
} sources[] = {
    {REPLICA_USER, STR_INIT("userName"), {NULL, 0}, SOURCE_NAME},
    {REPLICA_GROUP, STR_INIT("displayName"), {NULL, 0}, SOURCE_NAME},
    {REPLICA_USER, STR_INIT("displayName"), {NULL, 0}, SOURCE_KEYS + RECORD_DISPLAY_NAME},
    {REPLICA_USER, STR_INIT("name"), STR_INIT("formatted"), SOURCE_KEYS + RECORD_FORMATTED},
    {REPLICA_USER, STR_INIT("name"), STR_INIT("familyName"), SOURCE_KEYS + RECORD_FAMILY_NAME},
    {REPLICA_USER, STR_INIT("name"), STR_INIT("givenName"), SOURCE_KEYS + RECORD_GIVEN_NAME},
    {REPLICA_USER, STR_INIT("emails"), STR_INIT("value"), SOURCE_MAIL},
    {REPLICA_USER, STR_INIT("id"), {NULL, 0}, SOURCE_ID},
    {REPLICA_GROUP, STR_INIT("id"), {NULL, 0}, SOURCE_ID},
    {REPLICA_USER, STR_INIT("active"), {NULL, 0}, SOURCE_ACTIVE},
    {REPLICA_USER, STR_INIT("meta"), STR_INIT("created"), SOURCE_CREATED},
    {REPLICA_GROUP, STR_INIT("meta"), STR_INIT("created"), SOURCE_CREATED},
    {REPLICA_USER, STR_INIT("meta"), STR_INIT("lastModified"), SOURCE_MODIFIED},
    {REPLICA_GROUP, STR_INIT("meta"), STR_INIT("lastModified"), SOURCE_MODIFIED},
};

static enum source source_of(enum replica_kind kind, const struct scim_path *path)
{
    if (path->extension || !path->attr || path->filter)
        return SOURCE_NONE;
    if (!path->attr->name.len)
        return SOURCE_ABSENT;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct str sub = path->sub ? path->sub->name : STR_NONE;
        if (sources[i].kind == kind && str_eq(path->attr->name, sources[i].name) &&
            str_eq(sub, sources[i].sub))
            return (enum source)sources[i].source;
    }
    return SOURCE_NONE;
}

/* ---- filters */

static bool is_chain(const struct scim_filter *f)
{
    return f->kind == SCIM_AND || f->kind == SCIM_OR;
}

/* As scim_match(): chains lean to the right, only `left` recurses. */
static const struct quick *build(struct arena *a, enum replica_kind kind,
                                 const struct scim_filter *f, bool *useful)
{
    const struct quick *first = NULL, **slot = &first;
    for (;; f = f->right) {
        struct quick *q = ARENA_NEW(a, struct quick);
        *slot = q;
        q->filter = f;
        if (f->kind == SCIM_COMPARE)
            q->source = source_of(kind, &f->target);
        *useful |= q->source != SOURCE_NONE;
        if (is_chain(f) || f->kind == SCIM_NOT)
            q->left = build(a, kind, f->left, useful);
        if (!is_chain(f))
            return first;
        slot = &q->right;
    }
}

const struct quick *quick_of(struct arena *a, enum replica_kind kind, const struct scim_filter *f)
{
    bool useful = false;
    const struct quick *q = f ? build(a, kind, f, &useful) : NULL;
    return useful ? q : NULL;
}

static enum said said(bool holds)
{
    return holds ? SAID_YES : SAID_NO;
}

/* What an attribute without a value answers; SAID_UNKNOWN: it has one, and that decides. */
static enum said about_presence(const struct scim_filter *f, bool present)
{
    bool about_null = f->op != SCIM_PR && f->literal == SCIM_LIT_NULL;
    if (f->op == SCIM_PR || (about_null && f->op == SCIM_NE))
        return said(present);
    if (about_null)
        return said(!present);
    if (!present)
        return said(f->op == SCIM_NE);
    return SAID_UNKNOWN;
}

static enum said about_text(const struct scim_filter *f, struct str key)
{
    enum said presence = about_presence(f, key.len > 0);
    return presence == SAID_UNKNOWN ? said(scim_match_key(f, key)) : presence;
}

static enum said about_instant(const struct scim_filter *f, instant_t at)
{
    enum said presence = about_presence(f, at != INSTANT_NONE);
    return presence == SAID_UNKNOWN ? said(scim_match_instant(f, at)) : presence;
}

static enum said about_mails(const struct scim_filter *f, const struct record *rec)
{
    struct str key;
    size_t at = 0, count = 0;
    for (; record_next(rec, FIELD_MAILS, &at, &key); count++)
        if (f->op != SCIM_PR && f->literal != SCIM_LIT_NULL && scim_match_key(f, key))
            return SAID_YES;
    enum said presence = about_presence(f, count > 0);
    return presence == SAID_UNKNOWN ? SAID_NO : presence;
}

static struct str key_of(const struct record *rec, enum source source)
{
    struct str key = STR_NONE;
    size_t at = 0;
    if (source == SOURCE_NAME)
        return record_name_key(rec);
    if (source == SOURCE_ID)
        return record_field(rec, FIELD_ID);
    for (int i = SOURCE_KEYS; i <= (int)source; i++)
        if (!record_next(rec, FIELD_KEYS, &at, &key))
            return STR_NONE;
    return key;
}

static enum said about(const struct scim_filter *f, enum source source, const struct record *rec)
{
    enum said presence;
    switch (source) {
    case SOURCE_NONE:
        return SAID_UNKNOWN;
    case SOURCE_ABSENT:
        return about_presence(f, false);
    case SOURCE_MAIL:
        return about_mails(f, rec);
    case SOURCE_ACTIVE:
        presence = about_presence(f, true);
        return presence == SAID_UNKNOWN ? said((rec->active == f->boolean) == (f->op == SCIM_EQ))
                                        : presence;
    case SOURCE_CREATED:
        return about_instant(f, rec->created);
    case SOURCE_MODIFIED:
        return about_instant(f, rec->modified);
    case SOURCE_NAME:
    case SOURCE_KEYS:
    case SOURCE_ID:
    default:
        return about_text(f, key_of(rec, source));
    }
}

static enum said chain_says(const struct quick *q, const struct record *rec)
{
    enum scim_node kind = q->filter->kind;
    enum said decisive = kind == SCIM_OR ? SAID_YES : SAID_NO;
    bool unsure = false;
    for (; q->filter->kind == kind; q = q->right) {
        enum said left = quick_says(q->left, rec);
        if (left == decisive)
            return decisive;
        unsure |= left == SAID_UNKNOWN;
    }
    enum said last = quick_says(q, rec);
    return last == decisive || !unsure ? last : SAID_UNKNOWN;
}

enum said quick_says(const struct quick *q, const struct record *rec)
{
    switch (q->filter->kind) {
    case SCIM_AND:
    case SCIM_OR:
        return chain_says(q, rec);
    case SCIM_NOT: {
        enum said inner = quick_says(q->left, rec);
        return inner == SAID_UNKNOWN ? inner : said(inner == SAID_NO);
    }
    case SCIM_COMPARE:
        return about(q->filter, q->source, rec);
    case SCIM_VALUE_PATH:
        break;
    }
    return SAID_UNKNOWN;
}

/* ---- order */

struct quick_order quick_order_of(enum replica_kind kind, const struct scim_sort *s)
{
    enum source source = source_of(kind, &s->by);
    struct quick_order o = {.source = (int)source, .kind = QUICK_KEY_TEXT};
    if (source == SOURCE_CREATED || source == SOURCE_MODIFIED)
        o.kind = QUICK_KEY_INSTANT;
    if (source == SOURCE_NONE || source == SOURCE_ACTIVE)
        o.kind = QUICK_KEY_NONE;
    return o;
}

struct str quick_sort_key(struct arena *a, const struct quick_order *o, const struct record *rec)
{
    struct str key;
    size_t at = 0;
    if (o->kind == QUICK_KEY_INSTANT) {
        instant_t when = o->source == SOURCE_CREATED ? rec->created : rec->modified;
        return when == INSTANT_NONE ? STR_NONE : scim_sort_instant(a, when);
    }
    if (o->source == SOURCE_MAIL)
        return record_next(rec, FIELD_MAILS, &at, &key) && key.len ? key : STR_NONE;
    key = key_of(rec, (enum source)o->source);
    return key.len ? key : STR_NONE;
}
