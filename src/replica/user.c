/* A user's text: the shared part copied as it was packed, the actor's part made around it. */
#include "replica/internal.h"

#include <stdlib.h>
#include <string.h>

/* Room for what one membership takes in groups, roles and the extension, names aside. */
#define SEAT_ROOM 900

/* One organization of the user, as far as the actor may see it. */
struct membership {
    const struct record *organization;
    bool member, manager;
};

struct seats {
    struct membership *at;
    size_t count;
    bool admin;
};

static int by_display(const void *a, const void *b)
{
    const struct record *x = ((const struct membership *)a)->organization;
    const struct record *y = ((const struct membership *)b)->organization;
    int order = str_cmp(record_name_key(x), record_name_key(y));
    return order ? order : str_cmp(record_field(x, FIELD_ID), record_field(y, FIELD_ID));
}

static struct seats seats_of(const struct view *v, const struct record *rec, struct arena *a)
{
    const struct user *u = rec->node;
    struct seats s = {.at = ARENA_ARRAY(a, struct membership, u->link_count)};
    bool all = v->all || (v->self.len && str_eq(v->self, record_field(rec, FIELD_ID)));
    s.admin = rec->active && u->holds_dn && store_is_admin(v->replica, rec);
    for (uint32_t i = 0; i < u->link_count; i++) {
        const struct link *l = &u->links[i];
        const struct record *o = organization_record(l->organization);
        struct str id = record_field(o, FIELD_ID);
        if (!(l->flags & (LINK_MEMBER | LINK_REQUEST)) || (!all && !view_manages(v, id)))
            continue;
        s.at[s.count++] = (struct membership){
            .organization = o,
            .member = l->flags & LINK_MEMBER,
            .manager = link_counts(l, rec),
        };
    }
    if (s.count > 1)
        qsort(s.at, s.count, sizeof *s.at, by_display);
    return s;
}

static void render_groups(struct pen *p, const struct view *v, const struct seats *s)
{
    bool first = true;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->at[i].member)
            continue;
        pen_str(p, first ? STR(",\"groups\":[") : STR(","));
        first = false;
        view_reference(p, v, s->at[i].organization);
        PEN_LIT(p, ",\"type\":\"direct\"}");
    }
    if (!first)
        PEN_LIT(p, "]");
}

static void render_role(struct pen *p, const struct membership *seat)
{
    struct str label = record_field(seat->organization, FIELD_LABEL);
    pen_str(p, seat->manager ? STR("{\"value\":\"Manager@") : STR("{\"value\":\"Member@"));
    pen_str(p, record_field(seat->organization, FIELD_ID));
    pen_str(p, seat->manager ? STR("\",\"display\":\"Manager of ")
                             : STR("\",\"display\":\"Member of "));
    pen_str(p, str_sub(label, 1, label.len));
    PEN_LIT(p, ",\"type\":\"kiops\"}");
}

/* Ours, then what other systems stored; at most one is primary, and theirs is as they sent it. */
static void render_roles(struct pen *p, const struct record *rec, const struct seats *s)
{
    struct str stored = record_field(rec, FIELD_ROLES);
    const char *before = ",\"roles\":[";
    if (s->admin) {
        bool theirs = stored.len && memmem(stored.at, stored.len, "\"primary\":true", 14);
        pen_str(p, str_of(before));
        PEN_LIT(p, "{\"value\":\"PlatformAdmin\",\"type\":\"kiops\"");
        pen_str(p, theirs ? STR("}") : STR(",\"primary\":true}"));
        before = ",";
    }
    for (size_t i = 0; i < s->count; i++) {
        if (!s->at[i].member)
            continue;
        pen_str(p, str_of(before));
        render_role(p, &s->at[i]);
        before = ",";
    }
    if (stored.len) {
        pen_str(p, str_of(before));
        pen_str(p, stored);
        before = ",";
    }
    if (before[1] == '\0')
        PEN_LIT(p, "]");
}

static void render_membership(struct pen *p, const struct view *v, const struct record *rec,
                              const struct membership *seat)
{
    struct str id = record_field(seat->organization, FIELD_ID);
    view_reference(p, v, seat->organization);
    PEN_LIT(p, ",\"membership\":\"");
    pen_str(p, v->replica->base);
    PEN_LIT(p, "/Memberships/");
    pen_str(p, id);
    PEN_LIT(p, ".");
    pen_str(p, record_field(rec, FIELD_ID));
    PEN_LIT(p, "\"");
    if (!seat->member) {
        PEN_LIT(p, ",\"status\":\"pending\"}");
        return;
    }
    pen_str(p, seat->manager ? STR(",\"role\":\"Manager\"") : STR(",\"role\":\"Member\""));
    seat_render_permissions(p, seat_permissions(rec, id));
    PEN_LIT(p, ",\"status\":\"active\"");
    instant_t joined = seat_joined(rec, id);
    if (joined != INSTANT_NONE) {
        PEN_LIT(p, ",\"joinDate\":");
        pen_instant(p, joined);
    }
    PEN_LIT(p, "}");
}

/* In plain mode nobody has a role, and no schema has the extension. */
static bool has_kiops(const struct view *v, const struct seats *s)
{
    return (s->admin || s->count) && !v->replica->owners_alone;
}

static void render_kiops(struct pen *p, const struct view *v, const struct record *rec,
                         const struct seats *s)
{
    if (!has_kiops(v, s))
        return;
    PEN_LIT(p, ",\"" SCIM_URN_KIOPS_USER "\":{");
    if (s->admin)
        PEN_LIT(p, "\"platformRole\":\"PlatformAdmin\"");
    if (s->admin && s->count)
        PEN_LIT(p, ",");
    for (size_t i = 0; i < s->count; i++) {
        pen_str(p, i ? STR(",") : STR("\"memberships\":["));
        render_membership(p, v, rec, &s->at[i]);
    }
    pen_str(p, s->count ? STR("]}") : STR("}"));
}

struct str user_render(const struct render *r, const struct record *rec, struct arena *a)
{
    const struct view *v = r->view;
    struct seats s = {0};
    if (r->sections & SECTION_LINKED)
        s = seats_of(v, rec, a);
    struct pen p;
    pen_init(&p, a,
             rec->size + v->replica->base.len * 2 + 768 +
                 s.count * (SEAT_ROOM + v->replica->base.len * 3));
    PEN_LIT(&p, "{");
    if (r->sections & SECTION_SCHEMAS)
        view_schemas(&p, v->replica->user_type, rec->extensions,
                     has_kiops(v, &s) ? SCIM_URN_KIOPS_USER : "");
    PEN_LIT(&p, "\"id\":");
    pen_json(&p, record_field(rec, FIELD_ID));
    view_external(&p, v, rec);
    if (r->sections & SECTION_CORE)
        view_members_of(&p, record_field(rec, FIELD_CORE));
    if (r->sections & SECTION_GROUPS)
        render_groups(&p, v, &s);
    if (r->sections & SECTION_ROLES && !v->replica->owners_alone)
        render_roles(&p, rec, &s);
    if (r->sections & SECTION_EXTENSIONS)
        view_members_of(&p, record_field(rec, FIELD_EXTENSIONS));
    if (r->sections & SECTION_KIOPS)
        render_kiops(&p, v, rec, &s);
    if (r->sections & SECTION_META)
        view_meta(&p, v, rec, &(struct meta){true, record_field(rec, FIELD_VERSION)});
    PEN_LIT(&p, "}");
    return pen_text(&p);
}
