/* Pull: who of the source is who here, who is new, who differs, who is gone. */
#include "reconcile/pull.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/own.h"
#include "base/unicode.h"

struct pull_record *pull_record_of(const struct pull *p, struct str id)
{
    struct pull_record *r = NULL;
    HASH_FIND(hh, p->records, id.at, id.len, r);
    return r;
}

struct pull_person *pull_person_of(const struct pull *p, struct str id)
{
    struct pull_person *o = NULL;
    HASH_FIND(by_id, p->people, id.at, id.len, o);
    return o;
}

static struct str manager_of(const json_t *resource)
{
    return json_get_str(json_object_get(json_object_get(resource, SCIM_URN_ENTERPRISE), "manager"),
                        "value");
}

/* ---- ours */

static struct pull_person *find_external(const struct pull *p, struct str external)
{
    struct pull_person *o = NULL;
    if (external.len)
        HASH_FIND(by_external, p->by_external, external.at, external.len, o);
    return o;
}

static struct pull_person *find_name(const struct pull *p, struct str name)
{
    struct pull_person *o = NULL;
    struct str key = unicode_key(p->passing, name);
    HASH_FIND(by_name, p->by_name, key.at, key.len, o);
    return o;
}

static struct str manager_in(struct pull *p, struct str extension)
{
    struct json_member m, part;
    for (size_t at = 0; json_text_next(extension, &at, &m);)
        for (size_t in = 0; str_eq(m.name, STR("manager")) && json_text_next(m.value, &in, &part);)
            if (str_eq(part.name, STR("value")))
                return arena_str(p->arena, json_text_str(p->passing, part.value));
    return STR_NONE;
}

static void read_ours(struct pull *p, struct str json, struct pull_person *o)
{
    struct json_member m;
    o->active = true;
    for (size_t at = 0; json_text_next(json, &at, &m);) {
        if (str_eq(m.name, STR("externalId")))
            o->external = arena_str(p->arena, json_text_str(p->passing, m.value));
        else if (str_eq(m.name, STR("userName")))
            o->name_key = unicode_key(p->arena, json_text_str(p->passing, m.value));
        else if (str_eq(m.name, STR("active")))
            o->active = !str_eq(m.value, STR("false"));
        else if (str_eq(m.name, STR(SCIM_URN_ENTERPRISE)))
            o->manager = manager_in(p, m.value);
    }
}

static void take_ours(void *arg, struct str id, struct str json)
{
    struct pull *p = arg;
    struct pull_person *namesake = NULL, *o = ARENA_NEW(p->arena, struct pull_person);
    read_ours(p, json, o);
    o->id = arena_str(p->arena, id);
    HASH_ADD_KEYPTR(by_id, p->people, o->id.at, o->id.len, o);
    HASH_FIND(by_name, p->by_name, o->name_key.at, o->name_key.len, namesake);
    o->same_name = namesake != NULL;
    if (namesake)
        namesake->same_name = true;
    HASH_ADD_KEYPTR(by_name, p->by_name, o->name_key.at, o->name_key.len, o);
    if (!o->external.len)
        return;
    p->linked++;
    p->active += o->active;
    struct pull_person *same = find_external(p, o->external);
    if (same) /* neither is merged */
        same->contested = o->contested = true;
    else
        HASH_ADD_KEYPTR(by_external, p->by_external, o->external.at, o->external.len, o);
}

/* ---- theirs */

static void tell(struct pull *p, const struct pull_record *r, const char *code, const char *text)
{
    const struct difference_person about = {
        .id = r->ours ? r->ours->id : STR_NONE,
        .name = r->name,
        .source = arena_fmt(p->passing, "the source's user " STR_FMT ": %s", STR_ARG(r->id), text)};
    difference_tell(&p->difference, RECONCILE_CONFLICT, KIOPS_EDIT_USER, &about, code);
}

/* By the link first. A name that is here counts only for who is nobody's yet: who came back under
 * an old name is a new person, and gets nothing of the old one. */
static void recognise(struct pull *p, struct pull_record *r, struct str external)
{
    struct pull_person *o = find_external(p, r->id);
    if (!o)
        o = find_external(p, external);
    struct pull_person *named = o ? NULL : find_name(p, r->name);
    if (named && (!p->by_user_name || named->external.len || named->same_name)) {
        r->kept = true;
        tell(p, r, "KB-C201",
             named->external.len ? "its userName is that of another record's user here"
             : named->same_name  ? "several here have its userName"
                                 : "its userName is here, and not of the source; put userName into "
                                   "`match` if it is the same person");
        return;
    }
    r->ours = o ? o : named;
    if (!r->ours)
        return;
    r->ours->contested |= r->ours->claim != NULL;
    if (!r->ours->claim)
        r->ours->claim = r;
}

static kiops_permission_set permissions_in(const json_t *all)
{
    kiops_permission_set set = 0;
    enum kiops_permission one;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (kiops_permission_parse(json_str(json_array_get(all, i)), &one))
            set = (kiops_permission_set)(set | 1U << one);
    return set;
}

/* A source of our kind says who holds which permission. */
static void take_grants(struct pull *p, struct pull_record *r, const json_t *resource)
{
    const json_t *own = json_object_get(resource, SCIM_URN_KIOPS_USER);
    const json_t *all = json_object_get(own, "memberships");
    struct pull_grant *grants = ARENA_ARRAY(p->arena, struct pull_grant, json_array_size(all) + 1);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        grants[i] = (struct pull_grant){arena_str(p->arena, json_get_str(one, "value")),
                                        permissions_in(json_object_get(one, "permissions"))};
    }
    r->grants = grants;
    r->grant_count = json_array_size(all);
    r->says_grants = own != NULL;
    p->of_our_kind |= own != NULL;
}

/* As a client would have to send it; a record that nobody could keep is left out, and is there. */
static bool check(struct pull *p, struct pull_record *r, const json_t *resource, json_t **out)
{
    struct error why = ERROR_INIT;
    OWNED_JSON json_t *normal = NULL;
    if (scim_dialect_normalise(&p->context, resource, &normal, &why)) {
        const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = normal};
        if (scim_resource_check(&p->context, &asked, out, &why))
            return true;
    }
    r->kept = true;
    tell(p, r, "KB-C222", why.detail);
    return false;
}

static void take_new(struct pull *p, struct pull_record *r, const json_t *resource)
{
    json_t *checked;
    if (!check(p, r, resource, &checked))
        return;
    json_t *body = content_of(p->user, checked);
    json_keep(p->arena, body);
    json_decref(checked);
    p->said |= content_has(p->user, body);
    r->body = body;
}

static void compare(struct pull *p, struct pull_record *r, const json_t *resource)
{
    struct str version;
    json_t *theirs;
    OWNED_JSON json_t *ours =
        service_ours_resource(&p->difference.call, REPLICA_USER, r->ours->id, &version);
    if (!ours || !check(p, r, resource, &theirs))
        return;
    p->said |= content_has(p->user, theirs);
    content_compare(p->user, theirs, ours, &r->d);
    json_decref(theirs);
    r->absent = r->d.absent;
    json_keep(p->arena, r->d.after);
    json_keep(p->arena, r->d.before);
}

static bool is_the_same(struct pull *p, const struct pull_record *r, const json_t *resource)
{
    struct str version;
    struct str ours = service_ours_text(&p->difference.call, REPLICA_USER, r->ours->id, &version);
    return ours.len && content_print(p->user, resource) == content_print_text(p->user, ours);
}

static void take_theirs(void *arg, const json_t *resource)
{
    struct pull *p = arg;
    struct pull_record *r = ARENA_NEW(p->arena, struct pull_record);
    const json_t *active = json_object_get(resource, "active");
    r->id = arena_str(p->arena, json_get_str(resource, "id"));
    r->name = arena_str(p->arena, json_get_str(resource, "userName"));
    r->manager = arena_str(p->arena, manager_of(resource));
    r->says_active = json_is_boolean(active);
    r->active = !json_is_false(active);
    HASH_ADD_KEYPTR(hh, p->records, r->id.at, r->id.len, r);
    p->read++;
    p->says_managers |= r->manager.len > 0;
    p->said |= content_has(p->user, resource);
    recognise(p, r, json_get_str(resource, "externalId"));
    take_grants(p, r, resource);
    if (!r->kept && !r->ours)
        take_new(p, r, resource);
    else if (!r->kept && !is_the_same(p, r, resource))
        compare(p, r, resource);
}

/* Of what makes a page long: what no line says. Names of ours tell a bridge alone something. */
#define OURS SCIM_URN_KIOPS_USER ":memberships."
#define UNREAD                                                                                     \
    "groups,roles,meta," OURS "$ref," OURS "display," OURS "membership," OURS "role," OURS         \
    "status," OURS "joinDate"

bool pull_read_people(struct pull *p, struct error *err)
{
    const struct remote_query q = {
        .type = STR("Users"), .filter = p->run->job->filter, .excluded = STR(UNREAD)};
    const struct pull_taking theirs = {take_theirs, p};
    return service_ours_walk(&p->difference.call, REPLICA_USER, take_ours, p, err) &&
           pull_list(p, &q, &theirs, err);
}

/* ---- lines */

static struct difference_person person_of(struct pull *p, const struct pull_record *r)
{
    return (struct difference_person){
        .id = r->ours->id,
        .name = r->name,
        .version = service_ours_version(&p->difference.call, REPLICA_USER, r->ours->id),
        .source = arena_fmt(p->passing, "as the source's user " STR_FMT, STR_ARG(r->id))};
}

static void put_manager(struct pull *p, const struct pull_record *r, json_t *body)
{
    const struct pull_record *boss = r->manager.len ? pull_record_of(p, r->manager) : NULL;
    json_t *in = json_object_get(body, SCIM_URN_ENTERPRISE);
    if (!boss || !boss->ours)
        return;
    if (!in) {
        in = json_object();
        json_put(body, SCIM_URN_ENTERPRISE, in);
        scim_resource_schemas(p->user, body);
    }
    json_put(in, "manager", json_pack("{s:s%}", "value", boss->ours->id.at, boss->ours->id.len));
}

static void create(struct pull *p, struct pull_record *r)
{
    json_t *body = json_copy_deep(r->body);
    const struct difference_person about = {
        .name = r->name,
        .source = arena_fmt(p->passing, "the source's user " STR_FMT, STR_ARG(r->id))};
    struct str key = arena_fmt(p->arena, "user:" STR_FMT, STR_ARG(r->id));
    json_put_str(body, "externalId", r->id);
    json_put(body, "active", json_boolean(r->active));
    put_manager(p, r, body);
    r->kept = !difference_create_user(&p->difference, &about, body, key);
    if (!r->kept)
        r->made = key;
}

/* Into the edit of who differs, or a new one. */
static void begin_edit(struct pull *p, struct pull_record *r)
{
    if (r->d.after)
        return;
    r->d = (struct content_difference){.after = json_object(), .before = json_object()};
    json_keep(p->arena, r->d.after);
    json_keep(p->arena, r->d.before);
}

static void want(struct pull *p, struct pull_record *r, const char *path, json_t *after,
                 json_t *before)
{
    begin_edit(p, r);
    json_put(r->d.after, path, after);
    json_put(r->d.before, path, before);
}

static void link_up(struct pull *p, struct pull_record *r)
{
    if (!r->ours->external.len)
        want(p, r, "externalId", json_string_safe(r->id), json_null());
}

/* ---- managers, who may be made by the same plan */

#define MANAGER_PATH SCIM_URN_ENTERPRISE ":manager"

/* New; NULL: none. `made`: of who has no id yet. */
static json_t *reference(struct str id, struct str made)
{
    json_t *o = id.len || made.len ? json_object() : NULL;
    if (o)
        json_put(o, "value", id.len ? json_string_safe(id) : reconcile_made(made));
    return o;
}

static json_t *or_null(json_t *v)
{
    return v ? v : json_null();
}

static const struct pull_record *boss_of(const struct pull *p, const struct pull_record *r)
{
    return r->manager.len ? pull_record_of(p, r->manager) : NULL;
}

/* Behind the lines that make people. */
static void set_new_manager(struct pull *p, struct pull_record *r, struct str made)
{
    struct difference_person about = {
        .made = r->made,
        .name = r->name,
        .source = arena_fmt(p->passing, "as the source's user " STR_FMT, STR_ARG(r->id))};
    json_t *after = json_object(), *before = json_object();
    if (r->ours)
        about = person_of(p, r);
    about.late = true;
    json_put(after, MANAGER_PATH, reference(STR_NONE, made));
    json_put(before, MANAGER_PATH, or_null(r->ours ? reference(r->ours->manager, STR_NONE) : NULL));
    difference_edit_user(&p->difference, &about, after, before);
}

static void set_manager(struct pull *p, struct pull_record *r)
{
    const struct pull_record *boss = boss_of(p, r);
    struct str wanted = boss && boss->ours ? boss->ours->id : STR_NONE;
    if (boss && boss->made.len)
        set_new_manager(p, r, boss->made);
    if (!r->ours || (r->manager.len && !wanted.len) || !p->says_managers)
        return; /* as it came, or the source does not show whom it means */
    if (!str_eq(wanted, r->ours->manager))
        want(p, r, MANAGER_PATH, or_null(reference(wanted, STR_NONE)),
             or_null(reference(r->ours->manager, STR_NONE)));
}

static void remove_absent(struct pull *p, struct pull_record *r)
{
    struct str version;
    if (!(r->absent & p->said))
        return;
    OWNED_JSON json_t *ours =
        service_ours_resource(&p->difference.call, REPLICA_USER, r->ours->id, &version);
    begin_edit(p, r);
    content_removals(p->user, r->absent & p->said, ours, &r->d);
}

static void edit(struct pull *p, struct pull_record *r)
{
    if (r->d.after && json_object_size(r->d.after)) {
        const struct difference_person about = person_of(p, r);
        difference_edit_user(&p->difference, &about, json_incref(r->d.after),
                             json_incref(r->d.before));
    }
}

/* Whom the job deactivated because they were gone comes back, though the source says nothing of
 * `active`. */
static void set_active(struct pull *p, struct pull_record *r)
{
    bool returns = reconcile_gone_since(p->run->history, r->ours->id) != INSTANT_NONE;
    if (r->active == r->ours->active || (!r->says_active && !returns))
        return;
    struct difference_person about = person_of(p, r);
    difference_set_active(&p->difference, &about, r->active);
}

static void plan_record(struct pull *p, struct pull_record *r)
{
    arena_reset(p->passing);
    if (!r->ours) {
        create(p, r);
        return;
    }
    link_up(p, r);
    remove_absent(p, r);
}

/* ---- gone */

static struct difference_person gone_person(struct pull *p, const struct pull_person *o,
                                            struct str why, json_t **shown)
{
    struct difference_person about = {.id = o->id, .source = why};
    *shown = service_ours_resource(&p->difference.call, REPLICA_USER, o->id, &about.version);
    about.name = json_get_str(*shown, "userName");
    return about;
}

static void plan_gone(struct pull *p, const struct pull_person *o)
{
    instant_t since = reconcile_gone_since(p->run->history, o->id), now = clock_now();
    instant_t begun = since == INSTANT_NONE ? now : since;
    instant_t due = begun + p->run->job->delete_after_days * CLOCK_DAY_US;
    char text[CLOCK_TEXT_MAX];
    struct str day = str_sub(clock_rfc3339(o->active ? due : begun, text), 0, 10);
    arena_reset(p->passing);
    if (!o->active && (since == INSTANT_NONE || now < due))
        return; /* waits */
    OWNED_JSON json_t *shown = NULL;
    struct str why = arena_fmt(p->passing, "gone from the source (" STR_FMT ")%s" STR_FMT "%s",
                               STR_ARG(o->external), o->active ? "; is deleted after " : " since ",
                               STR_ARG(day), o->active ? " if still gone" : "");
    const struct difference_person about = gone_person(p, o, why, &shown);
    if (o->active) {
        difference_set_active(&p->difference, &about, false);
        return;
    }
    json_t *before = content_of(p->user, shown);
    json_put_str(before, "externalId", o->external);
    json_put(before, "active", json_false());
    difference_delete_user(&p->difference, &about, before);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void plan_all_gone(struct pull *p)
{
    struct str *ids = ARENA_ARRAY(p->arena, struct str, p->linked + 1);
    size_t n = 0;
    for (struct pull_person *o = p->by_external; o; o = o->by_external.next) {
        if (o->claim || o->contested)
            continue;
        plan_gone(p, o);
        ids[n++] = o->id;
    }
    if (n)
        qsort(ids, n, sizeof *ids, by_text);
    p->plan->gone = ids;
    p->plan->gone_count = n;
}

static void refuse_contested(struct pull *p)
{
    for (struct pull_record *r = p->records; r; r = r->hh.next) {
        if (r->kept || !r->ours || !r->ours->contested)
            continue;
        arena_reset(p->passing);
        r->kept = true;
        tell(p, r, "KB-C223", "another record of the source is the same person here");
    }
}

void pull_plan_people(struct pull *p)
{
    refuse_contested(p);
    for (struct pull_record *r = p->records; r; r = r->hh.next)
        if (!r->kept)
            plan_record(p, r);
    for (struct pull_record *r = p->records; r; r = r->hh.next) {
        arena_reset(p->passing);
        if (r->kept)
            continue;
        set_manager(p, r);
        if (!r->ours)
            continue;
        edit(p, r);
        set_active(p, r);
    }
    plan_all_gone(p);
}
