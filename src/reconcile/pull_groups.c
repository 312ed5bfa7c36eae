/* Pull: organizations, and who is in them. People who are not the job's stay where they are. */
#include "reconcile/pull.h"

#include "base/json.h"
#include "base/own.h"
#include "base/unicode.h"

struct group;

struct place { /* one of our organizations */
    UT_hash_handle by_external, by_name;
    struct str id, external, name_key, name;
    struct group *claim;
    bool contested;
};

struct group { /* one of the source's */
    struct str id, name;
    struct place *ours; /* NULL: not here */
    struct str made;
    bool kept;
    json_t *body; /* content, checked */
    struct pull_record **members, **managers;
    size_t member_count, manager_count;
    bool says_managers;
};

struct grouping {
    struct pull *pull;
    struct place *by_external, *by_name;
    struct group **groups;
    size_t group_count, group_cap;
    bool says_members;
    content_attrs said;
    size_t leaving, coming; /* Managers of the organization that is being planned */
};

/* ---- ours */

static struct place *find_external(const struct grouping *g, struct str external)
{
    struct place *o = NULL;
    if (external.len)
        HASH_FIND(by_external, g->by_external, external.at, external.len, o);
    return o;
}

static struct place *find_name(const struct grouping *g, struct str name)
{
    struct place *o = NULL;
    struct str key = unicode_key(g->pull->passing, name);
    HASH_FIND(by_name, g->by_name, key.at, key.len, o);
    return o;
}

static void take_ours(void *arg, struct str id, struct str json)
{
    struct grouping *g = arg;
    struct arena *a = g->pull->arena;
    struct place *o = ARENA_NEW(a, struct place);
    struct json_member m;
    o->id = arena_str(a, id);
    for (size_t at = 0; json_text_next(json, &at, &m);) {
        struct str *to = str_eq(m.name, STR("externalId"))    ? &o->external
                         : str_eq(m.name, STR("displayName")) ? &o->name
                                                              : NULL;
        if (to)
            *to = arena_str(a, json_text_str(g->pull->passing, m.value));
    }
    o->name_key = unicode_key(a, o->name);
    struct place *same_name = find_name(g, o->name), *same = find_external(g, o->external);
    if (same_name)
        same_name->contested = o->contested = true;
    else
        HASH_ADD_KEYPTR(by_name, g->by_name, o->name_key.at, o->name_key.len, o);
    if (same)
        same->contested = o->contested = true;
    else if (o->external.len)
        HASH_ADD_KEYPTR(by_external, g->by_external, o->external.at, o->external.len, o);
}

/* ---- theirs */

static void tell(struct grouping *g, const struct group *r, const char *code, const char *text)
{
    const struct difference_person about = {
        .id = r->ours ? r->ours->id : STR_NONE,
        .name = r->name,
        .source = arena_fmt(g->pull->passing, "the source's group " STR_FMT ": %s", STR_ARG(r->id),
                            text)};
    difference_tell(&g->pull->difference, RECONCILE_CONFLICT, KIOPS_EDIT_ORGANIZATION, &about,
                    code);
}

static bool keep(struct grouping *g, struct group *r, const char *code, const char *text)
{
    r->kept = true;
    tell(g, r, code, text);
    return false;
}

static bool recognise(struct grouping *g, struct group *r, struct str external)
{
    struct place *o = find_external(g, r->id);
    if (!o)
        o = find_external(g, external);
    struct place *named = o ? NULL : find_name(g, r->name);
    if (named && named->contested)
        return keep(g, r, "KB-C221", "several organizations here have its name");
    if (named && (!g->pull->by_user_name || named->external.len))
        return keep(g, r, "KB-C221",
                    named->external.len
                        ? "its name is that of another group's organization here"
                        : "its name is here, and not of the source; put userName into `match` if "
                          "names tell");
    r->ours = o ? o : named;
    if (r->ours && (r->ours->contested || r->ours->claim))
        return keep(g, r, "KB-C223", "another group of the source is the same organization here");
    if (r->ours)
        r->ours->claim = r;
    return true;
}

static bool check(struct grouping *g, struct group *r, const json_t *resource)
{
    struct pull *p = g->pull;
    struct scim_context in = p->context;
    struct error why = ERROR_INIT;
    OWNED_JSON json_t *normal = NULL, *checked = NULL,
                      *own = json_copy((json_t *)(uintptr_t)resource);
    in.type = p->group;
    json_object_del(own, "members"); /* looked at as it came */
    struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE};
    if (!scim_dialect_normalise(&in, own, &normal, &why))
        return keep(g, r, "KB-C222", why.detail);
    json_object_del(json_object_get(normal, SCIM_URN_KIOPS_ORGANIZATION), "managers");
    asked.resource = normal;
    if (!scim_resource_check(&in, &asked, &checked, &why))
        return keep(g, r, "KB-C222", why.detail);
    g->said |= content_has(p->group, checked);
    r->body = content_of(p->group, checked);
    json_keep(p->arena, r->body);
    return true;
}

/* Whom of the source's users the values name; groups in groups give nothing. */
static size_t people_in(struct grouping *g, const json_t *values, struct pull_record ***out)
{
    size_t n = 0;
    *out = ARENA_ARRAY(g->pull->arena, struct pull_record *, json_array_size(values) + 1);
    for (size_t i = 0; i < json_array_size(values); i++) {
        struct pull_record *r =
            pull_record_of(g->pull, json_get_str(json_array_get(values, i), "value"));
        if (r)
            (*out)[n++] = r;
    }
    return n;
}

static void take_theirs(void *arg, const json_t *resource)
{
    struct grouping *g = arg;
    struct pull *p = g->pull;
    struct group *r = ARENA_NEW(p->arena, struct group);
    const json_t *own = json_object_get(resource, SCIM_URN_KIOPS_ORGANIZATION);
    const json_t *members = json_object_get(resource, "members");
    r->id = arena_str(p->arena, json_get_str(resource, "id"));
    r->name = arena_str(p->arena, json_get_str(resource, "displayName"));
    if (!recognise(g, r, json_get_str(resource, "externalId")) || !check(g, r, resource))
        return;
    r->says_managers = own != NULL;
    r->member_count = people_in(g, members, &r->members);
    r->manager_count = people_in(g, json_object_get(own, "managers"), &r->managers);
    g->says_members |= json_array_size(members) > 0;
    g->groups = arena_grow(p->arena, g->groups, sizeof *g->groups, g->group_count, &g->group_cap);
    g->groups[g->group_count++] = r;
}

/* ---- the organization itself */

static struct str told_by(struct grouping *g, const struct group *r)
{
    return arena_fmt(g->pull->passing, "the source's group " STR_FMT, STR_ARG(r->id));
}

static void create(struct grouping *g, struct group *r)
{
    json_t *body = json_copy_deep(r->body);
    json_put_str(body, "externalId", r->id);
    r->kept = !difference_create_organization(&g->pull->difference, r->name, told_by(g, r), body,
                                              &r->made);
}

static void edit(struct grouping *g, struct group *r)
{
    struct pull *p = g->pull;
    struct content_difference d;
    struct difference_person about = {.id = r->ours->id, .name = r->name, .source = told_by(g, r)};
    OWNED_JSON json_t *ours =
        service_ours_resource(&p->difference.call, REPLICA_GROUP, r->ours->id, &about.version);
    if (!ours)
        return;
    about.version = service_ours_version(&p->difference.call, REPLICA_GROUP, r->ours->id);
    content_compare(p->group, r->body, ours, &d);
    content_removals(p->group, d.absent & g->said, ours, &d);
    if (!r->ours->external.len) {
        json_put_str(d.after, "externalId", r->id);
        json_put(d.before, "externalId", json_null());
    }
    if (json_object_size(d.after)) {
        difference_edit_organization(&p->difference, &about, d.after, d.before);
        return;
    }
    json_decref(d.after);
    json_decref(d.before);
}

/* ---- who is in it */

/* Numbers from 1: what is not touched yet is in none. */
static void mark(struct group *r, size_t number)
{
    for (size_t i = 0; i < r->member_count; i++)
        r->members[i]->member_of = number;
    for (size_t i = 0; i < r->manager_count; i++)
        r->managers[i]->member_of = r->managers[i]->manager_of = number;
}

static bool is_ours_to_say(const struct pull_record *m)
{
    return !m->kept && (m->ours || m->made.len);
}

static void seat(struct grouping *g, struct group *r, struct pull_record *m, size_t number)
{
    struct pull *p = g->pull;
    const bool manager = m->manager_of == number;
    struct difference_seat wanted = {
        .organization = r->ours ? r->ours->id : STR_NONE,
        .organization_made = r->made,
        .organization_name = r->name,
        .user = m->ours ? m->ours->id : STR_NONE,
        .user_made = m->made,
        .user_name = m->name,
        .role = manager ? KIOPS_MANAGER : KIOPS_MEMBER,
        .source = told_by(g, r),
        .outside = m->member_of != number,
        .takes = true,
        .says_role = r->says_managers,
        .says_permissions = m->says_grants,
        .activates = m->ours && m->active && !m->ours->active,
        .leaving = g->leaving,
        .coming = g->coming,
    };
    for (size_t i = 0; i < m->grant_count; i++)
        if (str_eq(m->grants[i].organization, r->id))
            wanted.permissions = m->grants[i].permissions;
    difference_seat(&p->difference, &wanted);
}

/* Managers here whom the source shows, and not as Managers there. */
static size_t leaving_managers(struct grouping *g, const struct group *r, size_t number)
{
    struct str *ids;
    size_t n = service_ours_manager_ids(&g->pull->difference.call, r->ours->id, &ids), leaving = 0;
    for (size_t i = 0; i < n; i++) {
        const struct pull_person *o = pull_person_of(g->pull, ids[i]);
        bool shown = o && o->claim && !o->claim->kept;
        leaving +=
            shown && (r->says_managers ? o->claim->manager_of : o->claim->member_of) != number;
    }
    return leaving;
}

static size_t coming_managers(struct grouping *g, const struct group *r)
{
    size_t coming = 0;
    for (size_t i = 0; i < r->manager_count; i++) {
        const struct pull_record *m = r->managers[i];
        struct service_seat here = {0};
        if (r->ours && m->ours)
            service_ours_seat(&g->pull->difference.call, r->ours->id, m->ours->id, &here);
        coming += is_ours_to_say(m) && !here.manager;
    }
    return coming;
}

/* Who is in it here, and shown by the source, but not there. */
static void take_out(struct grouping *g, struct group *r, size_t number)
{
    OWNED_ARENA struct arena *list = arena_new();
    struct service_call call = g->pull->difference.call;
    struct str *ids;
    call.arena = list;
    size_t n = service_ours_member_ids(&call, r->ours->id, &ids);
    for (size_t i = 0; i < n; i++) {
        const struct pull_person *o = pull_person_of(g->pull, ids[i]);
        if (!o || !o->claim || o->claim->kept || o->claim->member_of == number)
            continue;
        arena_reset(g->pull->passing);
        seat(g, r, o->claim, number);
    }
}

static void plan_members(struct grouping *g, struct group *r, size_t number)
{
    mark(r, number);
    arena_reset(g->pull->passing);
    g->coming = coming_managers(g, r);
    g->leaving = r->ours ? leaving_managers(g, r, number) : 0;
    for (size_t i = 0; i < r->member_count; i++) {
        arena_reset(g->pull->passing);
        if (is_ours_to_say(r->members[i]))
            seat(g, r, r->members[i], number);
    }
    if (r->ours)
        take_out(g, r, number);
}

static void plan_group(struct grouping *g, struct group *r, size_t number)
{
    arena_reset(g->pull->passing);
    if (r->ours)
        edit(g, r);
    else
        create(g, r);
    if (!r->kept && g->says_members)
        plan_members(g, r, number);
}

static void report_gone(struct grouping *g)
{
    for (struct place *o = g->by_external; o; o = o->by_external.next) {
        if (o->claim || o->contested)
            continue;
        arena_reset(g->pull->passing);
        const struct difference_person about = {
            .id = o->id,
            .name = o->name,
            .source = arena_fmt(g->pull->passing,
                                "gone from the source (" STR_FMT
                                "); delete it, or take its externalId away",
                                STR_ARG(o->external))};
        difference_tell(&g->pull->difference, RECONCILE_REPORTED, KIOPS_DELETE_ORGANIZATION, &about,
                        "KB-C224");
    }
}

/* Only a bridge is asked for parts of `members`: of who gets it wrong, nobody would be in any. */
#define UNREAD "meta,members.$ref,members.display,members.type"

bool pull_groups(struct pull *p, struct error *err)
{
    struct grouping g = {.pull = p};
    const struct remote_query q = {.type = STR("Groups"),
                                   .excluded = p->of_our_kind ? STR(UNREAD) : STR("meta")};
    const struct pull_taking theirs = {take_theirs, &g};
    bool read = service_ours_walk(&p->difference.call, REPLICA_GROUP, take_ours, &g, err) &&
                pull_list(p, &q, &theirs, err);
    for (size_t i = 0; read && i < g.group_count; i++)
        plan_group(&g, g.groups[i], i + 1);
    if (read)
        report_gone(&g);
    HASH_CLEAR(by_external, g.by_external);
    HASH_CLEAR(by_name, g.by_name);
    return read;
}
