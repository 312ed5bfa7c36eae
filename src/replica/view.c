/* View: what an actor may see, and the pieces that rendered users and groups share. */
#include "replica/internal.h"

#include <stdlib.h>
#include <string.h>

/* Fewer than this are asked one by one. */
#define WORTH_SORTING 8

struct view view_of(struct replica *r, const struct kiops_actor *actor)
{
    return (struct view){
        .replica = r,
        .actor = actor,
        .all = actor->kind == KIOPS_ACTOR_OPERATOR || actor->role == KIOPS_PLATFORM_ADMIN,
        .self = actor->kind == KIOPS_ACTOR_PERSON ? actor->id : STR_NONE,
    };
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

void view_prepare(struct view *v, struct arena *a)
{
    size_t n = v->actor->organization_count;
    if (v->all || v->actor->role != KIOPS_MANAGER || n < WORTH_SORTING)
        return;
    struct str *sorted = ARENA_ARRAY(a, struct str, n);
    memcpy(sorted, v->actor->organizations, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_text);
    v->managed = sorted;
    v->managed_count = n;
}

bool view_manages(const struct view *v, struct str organization_id)
{
    if (!v->managed)
        return kiops_actor_manages(v->actor, organization_id);
    return bsearch(&organization_id, v->managed, v->managed_count, sizeof *v->managed, by_text);
}

/* Applicants are for people who decide on them: no token, and so no application behind one, hears
 * of them. */
bool view_may_know(const struct view *v, const struct record *user)
{
    return !user->applicant || v->actor->kind != KIOPS_ACTOR_TOKEN;
}

bool view_user(const struct view *v, const struct user *u)
{
    if (!view_may_know(v, user_record(u)))
        return false;
    if (v->all || (v->self.len && str_eq(v->self, record_field(user_record(u), FIELD_ID))))
        return true;
    for (uint32_t i = 0; i < u->link_count; i++) {
        const struct record *o = organization_record(u->links[i].organization);
        if (u->links[i].flags & (LINK_MEMBER | LINK_REQUEST) &&
            view_manages(v, record_field(o, FIELD_ID)))
            return true;
    }
    return false;
}

enum sight view_organization(const struct view *v, const struct organization *o)
{
    const struct record *rec = organization_record(o);
    struct str id = record_field(rec, FIELD_ID);
    if (v->all || view_manages(v, id))
        return SIGHT_FULL;
    /* A token asks nowhere to be let in, so what is open to people is not open to it (KB-R05). */
    bool may_ask = rec->open && v->actor->kind == KIOPS_ACTOR_PERSON;
    return may_ask || kiops_actor_is_in(v->actor, id) ? SIGHT_SHORT : SIGHT_HIDDEN;
}

bool view_seat(const struct view *v, struct str organization_id, struct str user_id)
{
    return v->all || (v->self.len && str_eq(v->self, user_id)) || view_manages(v, organization_id);
}

void view_schemas(struct pen *p, const struct scim_resource_type *type, uint16_t extensions,
                  const char *own)
{
    PEN_LIT(p, "\"schemas\":[");
    pen_json(p, type->core->id);
    for (size_t i = 0; i < type->extension_count; i++) {
        struct str urn = type->extensions[i]->id;
        if (!(extensions & (1U << i)) && !str_eq(urn, str_of(own)))
            continue;
        PEN_LIT(p, ",");
        pen_json(p, urn);
    }
    PEN_LIT(p, "],");
}

void view_external(struct pen *p, const struct view *v, const struct record *rec)
{
    struct str client = v->replica->owners_alone ? STR("") : v->actor->client, value;
    bool asks = client.len || v->replica->owners_alone;
    for (size_t at = 0; asks && record_next(rec, FIELD_EXTERNAL, &at, &value);) {
        if (value.len <= client.len || value.at[client.len] != ':' || !str_starts(value, client))
            continue;
        PEN_LIT(p, ",\"externalId\":");
        pen_json(p, str_sub(value, client.len + 1, value.len));
        return;
    }
}

void view_members_of(struct pen *p, struct str members)
{
    if (members.len)
        PEN_LIT(p, ",");
    pen_str(p, members);
}

void view_ref(struct pen *p, const struct view *v, const char *endpoint, struct str id)
{
    PEN_LIT(p, "\"");
    pen_str(p, v->replica->base);
    pen_str(p, str_of(endpoint));
    pen_str(p, id);
    PEN_LIT(p, "\"");
}

void view_reference(struct pen *p, const struct view *v, const struct record *rec)
{
    struct str id = record_field(rec, FIELD_ID);
    PEN_LIT(p, "{\"value\":");
    pen_json(p, id);
    PEN_LIT(p, ",\"$ref\":");
    view_ref(p, v, rec->is_user ? "/Users/" : "/Groups/", id);
    PEN_LIT(p, ",\"display\":");
    pen_str(p, record_field(rec, FIELD_LABEL));
}

void view_meta(struct pen *p, const struct view *v, const struct record *rec, const struct meta *m)
{
    PEN_LIT(p, ",\"meta\":{\"resourceType\":");
    pen_add(p, rec->is_user ? "\"User\"" : "\"Group\"", rec->is_user ? 6 : 7);
    if (m->dated && rec->created != INSTANT_NONE) {
        PEN_LIT(p, ",\"created\":");
        pen_instant(p, rec->created);
    }
    if (m->dated && rec->modified != INSTANT_NONE) {
        PEN_LIT(p, ",\"lastModified\":");
        pen_instant(p, rec->modified);
    }
    PEN_LIT(p, ",\"location\":");
    view_ref(p, v, rec->is_user ? "/Users/" : "/Groups/", record_field(rec, FIELD_ID));
    PEN_LIT(p, ",\"version\":\"W/\\\"");
    pen_str(p, m->version);
    PEN_LIT(p, "\\\"\"}");
}

struct str view_version(struct arena *a, struct str hex)
{
    struct pen p;
    pen_init(&p, a, hex.len + 5);
    PEN_LIT(&p, "W/\"");
    pen_str(&p, hex);
    PEN_LIT(&p, "\"");
    return pen_text(&p);
}
