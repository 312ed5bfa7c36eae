/*
 * A group's text. What rests on links is copied out under the lock in one go (group_facts), so that
 * 100,000 members are rendered without it.
 */
#include "replica/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Room for one member, its display and the base of its $ref aside. */
#define MEMBER_ROOM 160

struct group_facts {
    const struct record *rec;
    enum sight sight;
    char version[17];
    size_t pending, member_count;
    struct str managers; /* rendered items */
    struct user **members;
    size_t members_here; /* of them */
    const struct record **nested;
    size_t nested_here;
};

static void render_manager(struct pen *p, const struct view *v, const struct record *user)
{
    view_reference(p, v, user);
    pen_str(p, user->active ? STR(",\"active\":true}") : STR(",\"active\":false}"));
}

static struct str managers_of(const struct view *v, const struct organization *o, struct arena *a)
{
    struct pen p;
    pen_init(&p, a, 256);
    for (uint32_t i = 0; i < o->owners.count; i++) {
        const struct user *u = o->owners.at[i];
        const struct link *l = link_of(u, o);
        if (!l || (!v->replica->owners_alone && !link_counts(l, user_record(u))))
            continue;
        if (p.at > p.start)
            PEN_LIT(&p, ",");
        render_manager(&p, v, user_record(u));
    }
    return pen_text(&p);
}

static bool is_wanted(const struct render *r, struct str id)
{
    for (size_t i = 0; i < r->only_count; i++)
        if (str_eq(r->only[i], id))
            return true;
    return !r->only;
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(record_field(*(const struct record *const *)a, FIELD_ID),
                   record_field(*(const struct record *const *)b, FIELD_ID));
}

static size_t nested_of(const struct organization *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->stray_count; i++)
        n += o->strays[i]->names && o->strays[i]->flags & LINK_MEMBER;
    return n;
}

static void take_nested(struct group_facts *f, const struct render *r, const struct organization *o,
                        struct arena *a)
{
    f->nested = ARENA_ARRAY(a, const struct record *, o->stray_count);
    for (size_t i = 0; i < o->stray_count; i++) {
        const struct stray *s = o->strays[i];
        const struct record *rec = s->names ? organization_record(s->names) : NULL;
        if (rec && s->flags & LINK_MEMBER && is_wanted(r, record_field(rec, FIELD_ID)))
            f->nested[f->nested_here++] = rec;
    }
    qsort(f->nested, f->nested_here, sizeof *f->nested, by_id);
}

static void take_members(struct group_facts *f, const struct render *r,
                         const struct organization *o, struct arena *a)
{
    size_t n = r->only ? r->only_count : o->members.count;
    f->members = ARENA_ARRAY(a, struct user *, n);
    if (!r->only && n) {
        memcpy(f->members, o->members.at, n * sizeof *f->members);
        f->members_here = n;
    }
    for (size_t i = 0; i < r->only_count; i++) {
        struct user *u = store_user(r->view->replica, r->only[i]);
        const struct link *l = u ? link_of(u, o) : NULL;
        if (l && l->flags & LINK_MEMBER)
            f->members[f->members_here++] = u;
    }
    if (o->stray_count)
        take_nested(f, r, o, a);
}

/* What the actor sees of it in short is also what its version is about. */
static uint64_t short_content(const struct record *rec)
{
    struct str texts[] = {record_field(rec, FIELD_ID), record_field(rec, FIELD_LABEL),
                          record_field(rec, FIELD_OWN_EXTENSION)};
    uint64_t sum = 0;
    for (size_t i = 0; i < 3; i++)
        sum = (sum << 1 | sum >> 63) ^ hash_content(texts[i].at, texts[i].len);
    return sum;
}

/* As many as the actor finds among Memberships. */
static size_t pending_of(const struct view *v, const struct organization *o)
{
    size_t n = o->pending;
    for (uint32_t i = 0; n && i < o->requesters.count; i++)
        n -= !view_may_know(v, user_record(o->requesters.at[i]));
    return n;
}

struct group_facts *group_facts(const struct render *r, const struct record *rec, enum sight sight,
                                struct arena *a)
{
    const struct organization *o = rec->node;
    struct group_facts *f = ARENA_NEW(a, struct group_facts);
    f->rec = rec;
    f->sight = sight;
    if (sight == SIGHT_FULL) {
        f->pending = pending_of(r->view, o);
        f->member_count = o->members.count + nested_of(o);
        f->managers = managers_of(r->view, o, a);
        if (r->sections & SECTION_MEMBERS)
            take_members(f, r, o, a);
    }
    uint64_t version = sight == SIGHT_FULL ? rec->content + o->sets_hash : short_content(rec);
    snprintf(f->version, sizeof f->version, "%016llx", (unsigned long long)version);
    return f;
}

struct str group_version(const struct group_facts *f)
{
    return str_of(f->version);
}

static void render_member(struct pen *p, const struct view *v, const struct record *rec, bool first)
{
    if (!first)
        PEN_LIT(p, ",");
    view_reference(p, v, rec);
    pen_str(p, rec->is_user ? STR(",\"type\":\"User\"}") : STR(",\"type\":\"Group\"}"));
}

static void render_members(struct pen *p, const struct view *v, const struct group_facts *f)
{
    PEN_LIT(p, ",\"members\":[");
    for (size_t i = 0; i < f->members_here; i++)
        render_member(p, v, user_record(f->members[i]), i == 0);
    for (size_t i = 0; i < f->nested_here; i++)
        render_member(p, v, f->nested[i], i == 0 && f->members_here == 0);
    PEN_LIT(p, "]");
}

/* A comma behind the first. */
static void next_member(struct pen *p, bool *any, struct str name)
{
    if (*any)
        PEN_LIT(p, ",");
    *any = true;
    pen_str(p, name);
}

static void render_own_extension(struct pen *p, const struct view *v, const struct group_facts *f)
{
    struct str own = record_field(f->rec, FIELD_OWN_EXTENSION);
    bool any = own.len > 0, requests = !v->replica->owners_alone; /* else no schema has them */
    PEN_LIT(p, ",\"" SCIM_URN_KIOPS_ORGANIZATION "\":{");
    pen_str(p, own);
    if (requests) {
        next_member(p, &any, STR("\"joinPolicy\":"));
        pen_str(p, f->rec->open ? STR("\"open\"") : STR("\"closed\""));
    }
    if (f->managers.len) {
        next_member(p, &any, STR("\"managers\":["));
        pen_str(p, f->managers);
        PEN_LIT(p, "]");
    }
    if (f->sight == SIGHT_FULL) {
        next_member(p, &any, STR("\"memberCount\":"));
        pen_number(p, f->member_count);
    }
    if (f->sight == SIGHT_FULL && requests) {
        next_member(p, &any, STR("\"pending\":"));
        pen_number(p, f->pending);
    }
    PEN_LIT(p, "}");
}

static void render_full(struct pen *p, const struct render *r, const struct group_facts *f)
{
    const struct view *v = r->view;
    view_schemas(p, v->replica->group_type, f->rec->extensions, SCIM_URN_KIOPS_ORGANIZATION);
    PEN_LIT(p, "\"id\":");
    pen_json(p, record_field(f->rec, FIELD_ID));
    view_external(p, v, f->rec);
    view_members_of(p, record_field(f->rec, FIELD_CORE));
    if (r->sections & SECTION_MEMBERS)
        render_members(p, v, f);
    view_members_of(p, record_field(f->rec, FIELD_EXTENSIONS));
    render_own_extension(p, v, f);
}

/* id, displayName, description only. A filter may ask for joinPolicy: whoever may ask to join finds
 * the open ones so. */
static void render_short(struct pen *p, const struct render *r, const struct group_facts *f)
{
    struct str own = record_field(f->rec, FIELD_OWN_EXTENSION);
    view_schemas(p, r->view->replica->group_type, 0, own.len ? SCIM_URN_KIOPS_ORGANIZATION : "");
    PEN_LIT(p, "\"id\":");
    pen_json(p, record_field(f->rec, FIELD_ID));
    PEN_LIT(p, ",\"displayName\":");
    pen_str(p, record_field(f->rec, FIELD_LABEL));
    if (r->sections & SECTION_PROBE) {
        render_own_extension(p, r->view, f);
    } else if (own.len) {
        PEN_LIT(p, ",\"" SCIM_URN_KIOPS_ORGANIZATION "\":{");
        pen_str(p, own);
        PEN_LIT(p, "}");
    }
}

struct str group_render(const struct render *r, const struct group_facts *f, struct arena *a)
{
    struct pen p;
    size_t each = MEMBER_ROOM + r->view->replica->base.len;
    pen_init(&p, a,
             f->rec->size + f->managers.len + r->view->replica->base.len + 768 +
                 (f->members_here + f->nested_here) * each);
    PEN_LIT(&p, "{");
    if (f->sight == SIGHT_FULL)
        render_full(&p, r, f);
    else
        render_short(&p, r, f);
    if (r->sections & SECTION_META)
        view_meta(&p, r->view, f->rec, &(struct meta){f->sight == SIGHT_FULL, group_version(f)});
    PEN_LIT(&p, "}");
    return pen_text(&p);
}
