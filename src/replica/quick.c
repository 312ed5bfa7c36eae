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
    /* Of a membership. */
    SOURCE_IN_ID,
    SOURCE_IN_NAME,
    SOURCE_DISPLAY,
    SOURCE_ROLE,
    SOURCE_OWN_ROLE,
    SOURCE_STATUS,
    SOURCE_PERMISSIONS,
    SOURCE_JOINED,
    SOURCE_REQUESTED,
    SOURCE_REJECTED,
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
    {REPLICA_MEMBERSHIP, STR_INIT("organization"), STR_INIT("value"), SOURCE_IN_ID},
    {REPLICA_MEMBERSHIP, STR_INIT("organization"), STR_INIT("display"), SOURCE_IN_NAME},
    {REPLICA_MEMBERSHIP, STR_INIT("user"), STR_INIT("value"), SOURCE_ID},
    {REPLICA_MEMBERSHIP, STR_INIT("user"), STR_INIT("display"), SOURCE_DISPLAY},
    {REPLICA_MEMBERSHIP, STR_INIT("user"), STR_INIT("userName"), SOURCE_NAME},
    {REPLICA_MEMBERSHIP, STR_INIT("user"), STR_INIT("email"), SOURCE_MAIL},
    {REPLICA_MEMBERSHIP, STR_INIT("user"), STR_INIT("active"), SOURCE_ACTIVE},
    {REPLICA_MEMBERSHIP, STR_INIT("role"), {NULL, 0}, SOURCE_ROLE},
    {REPLICA_MEMBERSHIP, STR_INIT("organizationRole"), {NULL, 0}, SOURCE_OWN_ROLE},
    {REPLICA_MEMBERSHIP, STR_INIT("status"), {NULL, 0}, SOURCE_STATUS},
    {REPLICA_MEMBERSHIP, STR_INIT("permissions"), {NULL, 0}, SOURCE_PERMISSIONS},
    {REPLICA_MEMBERSHIP, STR_INIT("permissions"), STR_INIT("value"), SOURCE_PERMISSIONS},
    {REPLICA_MEMBERSHIP, STR_INIT("joinDate"), {NULL, 0}, SOURCE_JOINED},
    {REPLICA_MEMBERSHIP, STR_INIT("requestedAt"), {NULL, 0}, SOURCE_REQUESTED},
    {REPLICA_MEMBERSHIP, STR_INIT("rejectedAt"), {NULL, 0}, SOURCE_REJECTED},
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

/* Any of several values: `next` gives them one by one. */
struct values {
    const struct item *item;
    size_t at;
    int permission;
    bool (*next)(struct values *v, struct str *key);
};

static bool next_mail(struct values *v, struct str *key)
{
    return record_next(v->item->rec, FIELD_MAILS, &v->at, key);
}

static bool next_permission(struct values *v, struct str *key)
{
    kiops_permission_set set =
        v->item->seat.member ? seat_permissions(v->item->rec, record_field(v->item->in, FIELD_ID))
                             : 0;
    while (v->permission < KIOPS_PERMISSIONS && !(set & (1U << v->permission)))
        v->permission++;
    if (v->permission == KIOPS_PERMISSIONS)
        return false;
    *key = kiops_permission_name((enum kiops_permission)v->permission++);
    return true;
}

static enum said about_any(const struct scim_filter *f, struct values v)
{
    struct str key;
    size_t count = 0;
    for (; v.next(&v, &key); count++)
        if (f->op != SCIM_PR && f->literal != SCIM_LIT_NULL && scim_match_key(f, key))
            return SAID_YES;
    enum said presence = about_presence(f, count > 0);
    return presence == SAID_UNKNOWN ? SAID_NO : presence;
}

static struct str kept_key(const struct record *rec, enum source source)
{
    struct str key = STR_NONE;
    size_t at = 0;
    for (int i = SOURCE_KEYS; i <= (int)source; i++)
        if (!record_next(rec, FIELD_KEYS, &at, &key))
            return STR_NONE;
    return key;
}

/* The one text of a source that has one. */
static struct str key_of(const struct item *it, enum source source)
{
    struct str key;
    size_t at = 0;
    switch (source) {
    case SOURCE_NAME:
        return record_name_key(it->rec);
    case SOURCE_ID:
        return record_field(it->rec, FIELD_ID);
    case SOURCE_MAIL: /* the first: by it a list is sorted, and a membership shows it */
        return record_next(it->rec, FIELD_MAILS, &at, &key) ? key : STR_NONE;
    case SOURCE_IN_ID:
        return record_field(it->in, FIELD_ID);
    case SOURCE_IN_NAME:
        return record_name_key(it->in);
    case SOURCE_DISPLAY:
        key = kept_key(it->rec, (enum source)(SOURCE_KEYS + RECORD_DISPLAY_NAME));
        return key.len ? key : record_name_key(it->rec);
    case SOURCE_ROLE:
        return it->seat.member ? kiops_role_name(seat_role(&it->seat)) : STR_NONE;
    case SOURCE_OWN_ROLE:
        return !it->seat.member ? STR_NONE : it->seat.manager ? STR("Manager") : STR("Member");
    case SOURCE_STATUS:
        return seat_status(&it->seat);
    case SOURCE_NONE:
    case SOURCE_ABSENT:
    case SOURCE_KEYS:
    case SOURCE_ACTIVE:
    case SOURCE_CREATED:
    case SOURCE_MODIFIED:
    case SOURCE_PERMISSIONS:
    case SOURCE_JOINED:
    case SOURCE_REQUESTED:
    case SOURCE_REJECTED:
        break;
    }
    return kept_key(it->rec, source);
}

static bool is_instant(enum source source)
{
    return source == SOURCE_CREATED || source == SOURCE_MODIFIED || source == SOURCE_JOINED ||
           source == SOURCE_REQUESTED || source == SOURCE_REJECTED;
}

static instant_t instant_of(const struct item *it, enum source source)
{
    if (source == SOURCE_CREATED)
        return it->rec->created;
    if (source == SOURCE_MODIFIED)
        return it->rec->modified;
    struct str in = record_field(it->in, FIELD_ID);
    if (source == SOURCE_JOINED)
        return it->seat.member ? seat_joined(it->rec, in) : INSTANT_NONE;
    if (source == SOURCE_REQUESTED)
        return it->seat.pending ? seat_requested(it->rec, in) : INSTANT_NONE;
    return it->seat.rejected ? seat_rejected(it->rec, in) : INSTANT_NONE;
}

static enum said about(const struct scim_filter *f, enum source source, const struct item *it)
{
    enum said presence;
    if (is_instant(source))
        return about_instant(f, instant_of(it, source));
    if (source == SOURCE_NONE)
        return SAID_UNKNOWN;
    if (source == SOURCE_ABSENT)
        return about_presence(f, false);
    if (source == SOURCE_MAIL && !it->in)
        return about_any(f, (struct values){.item = it, .next = next_mail});
    if (source == SOURCE_PERMISSIONS)
        return about_any(f, (struct values){.item = it, .next = next_permission});
    if (source != SOURCE_ACTIVE)
        return about_text(f, key_of(it, source));
    presence = about_presence(f, true);
    return presence == SAID_UNKNOWN ? said((it->rec->active == f->boolean) == (f->op == SCIM_EQ))
                                    : presence;
}

static enum said chain_says(const struct quick *q, const struct item *it)
{
    enum scim_node kind = q->filter->kind;
    enum said decisive = kind == SCIM_OR ? SAID_YES : SAID_NO;
    bool unsure = false;
    for (; q->filter->kind == kind; q = q->right) {
        enum said left = quick_says(q->left, it);
        if (left == decisive)
            return decisive;
        unsure |= left == SAID_UNKNOWN;
    }
    enum said last = quick_says(q, it);
    return last == decisive || !unsure ? last : SAID_UNKNOWN;
}

enum said quick_says(const struct quick *q, const struct item *it)
{
    switch (q->filter->kind) {
    case SCIM_AND:
    case SCIM_OR:
        return chain_says(q, it);
    case SCIM_NOT: {
        enum said inner = quick_says(q->left, it);
        return inner == SAID_UNKNOWN ? inner : said(inner == SAID_NO);
    }
    case SCIM_COMPARE:
        return about(q->filter, q->source, it);
    case SCIM_VALUE_PATH:
        break;
    }
    return SAID_UNKNOWN;
}

/* ---- order */

/* A role sorts by its rank: nothing, Member, Manager, PlatformAdmin. */
static struct str rank_key(enum source source, const struct item *it)
{
    static const char ranks[KIOPS_PLATFORM_ADMIN + 1] = {'0', '1', '2', '3'};
    enum kiops_role role = seat_role(&it->seat);
    if (source == SOURCE_OWN_ROLE && role == KIOPS_PLATFORM_ADMIN)
        role = it->seat.manager ? KIOPS_MANAGER : KIOPS_MEMBER;
    return role == KIOPS_NO_ROLE ? STR_NONE : (struct str){ranks + role, 1};
}

struct quick_order quick_order_of(enum replica_kind kind, const struct scim_sort *s)
{
    enum source source = source_of(kind, &s->by);
    struct quick_order o = {.source = (int)source, .kind = QUICK_KEY_TEXT};
    if (is_instant(source))
        o.kind = QUICK_KEY_INSTANT;
    if (source == SOURCE_ROLE || source == SOURCE_OWN_ROLE)
        o.kind = QUICK_KEY_RANK;
    if (source == SOURCE_NONE || source == SOURCE_ABSENT || source == SOURCE_ACTIVE ||
        source == SOURCE_PERMISSIONS)
        o.kind = QUICK_KEY_NONE;
    return o;
}

struct str quick_sort_key(struct arena *a, const struct quick_order *o, const struct item *it)
{
    enum source source = (enum source)o->source;
    if (o->kind == QUICK_KEY_RANK)
        return rank_key(source, it);
    if (o->kind == QUICK_KEY_INSTANT) {
        instant_t when = instant_of(it, source);
        return when == INSTANT_NONE ? STR_NONE : scim_sort_instant(a, when);
    }
    struct str key = key_of(it, source);
    return key.len ? key : STR_NONE;
}
