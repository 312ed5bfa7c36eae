/* A source against what is here, record by record. */
#include "reconcile/difference.h"

#include "base/json.h"
#include "base/own.h"

void difference_init(struct difference *d, const struct reconcile_run *r,
                     struct reconcile_plan *plan, struct arena *passing)
{
    *d = (struct difference){
        .run = r,
        .plan = plan,
        .call = {.service = r->service, .arena = passing, .actor = r->ground.actor}};
}

static size_t members_of(const void *run, struct str organization)
{
    const struct reconcile_run *r = run;
    OWNED_ARENA struct arena *passing = arena_new();
    const struct service_call c = {
        .service = r->service, .arena = passing, .actor = r->ground.actor};
    return service_ours_members(&c, organization);
}

void reconcile_plan_know_members(struct reconcile_plan *p, const struct reconcile_run *r)
{
    if (!r->service)
        return;
    p->members_of = members_of;
    p->members = r;
}

static struct reconcile_line *line_of(struct difference *d, enum reconcile_state state,
                                      enum kiops_change_kind kind, const struct difference_seat *s)
{
    struct arena *a = d->plan->arena;
    struct reconcile_line *l = reconcile_plan_add(d->plan, state, kind);
    l->subject = arena_str(a, s->user);
    l->subject_made = arena_str(a, s->user_made);
    l->subject_name = arena_str(a, s->user_name);
    l->organization = arena_str(a, s->organization);
    l->organization_made = arena_str(a, s->organization_made);
    l->organization_name = arena_str(a, s->organization_name);
    l->text = arena_str(a, s->source);
    return l;
}

/* ---- people and organizations */

void difference_conflict(struct difference *d, const struct difference_seat *about,
                         const char *code, struct str text)
{
    struct reconcile_line *l = line_of(d, RECONCILE_CONFLICT, KIOPS_ADD, about);
    l->code = code;
    l->text =
        arena_fmt(d->plan->arena, STR_FMT ": " STR_FMT, STR_ARG(about->source), STR_ARG(text));
}

/* `name` is not empty. */
bool difference_create_organization(struct difference *d, struct str name, struct str source,
                                    json_t *body, struct str *made)
{
    struct arena *a = d->plan->arena;
    struct reconcile_line *l =
        reconcile_plan_add(d->plan, RECONCILE_PLANNED, KIOPS_CREATE_ORGANIZATION);
    *made = arena_fmt(a, "organization:" STR_FMT, STR_ARG(name));
    l->organization_name = arena_str(a, name);
    l->text = arena_str(a, source);
    l->write.makes = *made;
    reconcile_line_resource(a, l, body);
    reconcile_foresee(d->run, l, &(struct service_foresight){.makes = true});
    return l->state == RECONCILE_PLANNED;
}

static bool is_of_organization(enum kiops_change_kind kind)
{
    struct reconcile_request r;
    return reconcile_request_of(kind, &r) && r.resource == REPLICA_GROUP;
}

static struct reconcile_line *about(struct difference *d, enum reconcile_state state,
                                    enum kiops_change_kind kind, const struct difference_person *p)
{
    struct arena *a = d->plan->arena;
    struct reconcile_line *l = reconcile_plan_add(d->plan, state, kind);
    bool organization = is_of_organization(kind);
    *(organization ? &l->organization : &l->subject) = arena_str(a, p->id);
    *(organization ? &l->organization_name : &l->subject_name) = arena_str(a, p->name);
    l->write.version = arena_str(a, p->version);
    l->text = arena_str(a, p->source);
    l->late = p->late;
    if (!organization)
        l->subject_made = arena_str(a, p->made);
    return l;
}

static struct str text_of(struct arena *a, const json_t *v)
{
    OWNED_BUF struct buf out;
    buf_init(&out, (size_t)8 << 20);
    json_write(v, &out);
    return arena_str(a, buf_view(&out));
}

static struct str paths_of(struct arena *a, const json_t *edit)
{
    struct str all = STR_NONE;
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)edit, path, value)
    {
        all = arena_fmt(a, STR_FMT "%s%s", STR_ARG(all), all.len ? ", " : "", path);
    }
    return all;
}

static void edit(struct difference *d, struct reconcile_line *l, json_t *after, json_t *before)
{
    struct arena *a = d->plan->arena;
    l->attribute = paths_of(a, after);
    l->before = text_of(a, before);
    l->after = text_of(a, after);
    json_decref(before);
    reconcile_line_resource(a, l, after);
    reconcile_foresee(d->run, l, &(struct service_foresight){.makes = l->subject_made.len > 0});
}

void difference_edit_user(struct difference *d, const struct difference_person *p, json_t *after,
                          json_t *before)
{
    edit(d, about(d, RECONCILE_PLANNED, KIOPS_EDIT_USER, p), after, before);
}

void difference_edit_organization(struct difference *d, const struct difference_person *p,
                                  json_t *after, json_t *before)
{
    edit(d, about(d, RECONCILE_PLANNED, KIOPS_EDIT_ORGANIZATION, p), after, before);
}

bool difference_create_user(struct difference *d, const struct difference_person *p, json_t *body,
                            struct str made)
{
    struct reconcile_line *l = about(d, RECONCILE_PLANNED, KIOPS_CREATE_USER, p);
    l->write.makes = arena_str(d->plan->arena, made);
    reconcile_line_resource(d->plan->arena, l, body);
    reconcile_foresee(d->run, l, &(struct service_foresight){.makes = true});
    return l->state == RECONCILE_PLANNED;
}

void difference_set_active(struct difference *d, const struct difference_person *p, bool active)
{
    struct reconcile_line *l =
        about(d, RECONCILE_PLANNED, active ? KIOPS_REACTIVATE : KIOPS_DEACTIVATE, p);
    json_t *after = json_pack("{s:b}", "active", active);
    json_t *before = json_pack("{s:b}", "active", !active);
    edit(d, l, after, before);
}

void difference_delete_user(struct difference *d, const struct difference_person *p, json_t *before)
{
    struct reconcile_line *l = about(d, RECONCILE_PLANNED, KIOPS_DELETE_USER, p);
    l->before = text_of(d->plan->arena, before);
    json_decref(before);
    reconcile_line_resource(d->plan->arena, l, NULL);
    reconcile_foresee(d->run, l, &(struct service_foresight){.makes = false});
}

void difference_tell(struct difference *d, enum reconcile_state state, enum kiops_change_kind kind,
                     const struct difference_person *p, const char *code)
{
    about(d, state, kind, p)->code = code;
}

/* ---- seats */

struct seat { /* under way */
    struct difference *d;
    const struct difference_seat *wanted;
    struct service_seat here;
    struct service_foresight before;
};

static struct reconcile_line *line(struct seat *s, enum reconcile_state state,
                                   enum kiops_change_kind kind)
{
    struct reconcile_line *l = line_of(s->d, state, kind, s->wanted);
    if (!s->before.makes && !s->before.joins)
        l->write.version = arena_str(
            s->d->plan->arena,
            service_ours_seat_version(&s->d->call, s->wanted->organization, s->wanted->user));
    return l;
}

static void finish(struct seat *s, struct reconcile_line *l)
{
    reconcile_line_membership(s->d->plan->arena, l);
    reconcile_foresee(s->d->run, l, &s->before);
}

static void role(struct seat *s, enum kiops_change_kind kind, enum kiops_role from,
                 enum kiops_role to)
{
    struct reconcile_line *l = line(s, RECONCILE_PLANNED, kind);
    l->before = kiops_role_name(from);
    l->after = kiops_role_name(to);
    finish(s, l);
}

static void give_membership(struct seat *s)
{
    bool asks = s->d->run->ground.actor.push_request;
    if ((s->here.member && s->here.joined) || (asks && s->here.pending))
        return;
    struct reconcile_line *l = line(s, RECONCILE_PLANNED, asks ? KIOPS_REQUEST : KIOPS_ADD);
    l->write.version = STR_NONE;
    l->after = kiops_role_name(KIOPS_MEMBER);
    finish(s, l);
    s->before.joins = l->state == RECONCILE_PLANNED;
}

static void give_role(struct seat *s)
{
    enum kiops_role wanted = s->wanted->role, here = s->here.manager ? KIOPS_MANAGER : KIOPS_MEMBER;
    if (wanted == KIOPS_MANAGER && !s->here.manager)
        role(s, KIOPS_PROMOTE, KIOPS_MEMBER, KIOPS_MANAGER);
    if (wanted == KIOPS_PLATFORM_ADMIN && !s->here.admin)
        role(s, KIOPS_MAKE_ADMIN, here, KIOPS_PLATFORM_ADMIN);
}

static void give_permissions(struct seat *s)
{
    for (enum kiops_permission p = KIOPS_INFRA; p < KIOPS_PERMISSIONS; p++) {
        if (!(s->wanted->permissions & 1U << p) || s->here.permissions & 1U << p)
            continue;
        struct reconcile_line *l = line(s, RECONCILE_PLANNED, KIOPS_GRANT);
        l->attribute = STR("permissions");
        l->after = kiops_permission_name(p);
        finish(s, l);
    }
}

/* Another Manager comes before the one who leaves, where nobody else would be left. */
static bool is_late(const struct seat *s)
{
    return s->here.manager && s->before.coming_managers &&
           s->here.other_managers <= s->before.leaving_managers;
}

static void too_much(struct seat *s, enum kiops_change_kind kind, struct str before)
{
    bool takes = s->wanted->takes;
    struct reconcile_line *l = line(s, takes ? RECONCILE_PLANNED : RECONCILE_REPORTED, kind);
    l->before = before;
    l->attribute = kind == KIOPS_REVOKE ? STR("permissions") : STR_NONE;
    if (kind == KIOPS_DEMOTE)
        l->after = kiops_role_name(KIOPS_MEMBER);
    if (!takes) {
        l->text = arena_fmt(s->d->plan->arena,
                            STR_FMT ": has more than the source says; nothing is taken away",
                            STR_ARG(s->wanted->source));
        return;
    }
    l->late = kind != KIOPS_REVOKE && is_late(s);
    finish(s, l);
}

static void take_more(struct seat *s)
{
    const struct difference_seat *w = s->wanted;
    bool all = !w->takes;
    if (s->here.manager && w->role == KIOPS_MEMBER && (all || w->says_role))
        too_much(s, KIOPS_DEMOTE, kiops_role_name(KIOPS_MANAGER));
    for (enum kiops_permission p = KIOPS_INFRA; p < KIOPS_PERMISSIONS; p++)
        if (!(w->permissions & 1U << p) && s->here.permissions & 1U << p &&
            (all || w->says_permissions))
            too_much(s, KIOPS_REVOKE, kiops_permission_name(p));
}

static struct str seat_text(struct seat *s)
{
    json_t *o = json_object(), *permissions = json_array();
    json_put_str(o, "role", kiops_role_name(s->here.manager ? KIOPS_MANAGER : KIOPS_MEMBER));
    for (enum kiops_permission p = KIOPS_INFRA; p < KIOPS_PERMISSIONS; p++)
        if (s->here.permissions & 1U << p)
            json_push(permissions, json_string_safe(kiops_permission_name(p)));
    json_put(o, "permissions", permissions);
    struct str text = text_of(s->d->plan->arena, o);
    json_decref(o);
    return text;
}

void difference_seat(struct difference *d, const struct difference_seat *wanted)
{
    struct seat s = {.d = d, .wanted = wanted};
    if (wanted->user.len && str_eq(wanted->user, d->plan->renamed))
        return;
    s.before =
        (struct service_foresight){.makes = wanted->user_made.len || wanted->organization_made.len,
                                   .activates = wanted->activates,
                                   .leaving_managers = wanted->leaving,
                                   .coming_managers = wanted->coming};
    if (!s.before.makes)
        service_ours_seat(&d->call, wanted->organization, wanted->user, &s.here);
    bool leaves = s.here.manager && (wanted->outside || wanted->role == KIOPS_MEMBER);
    s.before.leaving_managers -= leaves && s.before.leaving_managers;
    if (wanted->outside) {
        if (s.here.member)
            too_much(&s, KIOPS_REMOVE, seat_text(&s));
        return;
    }
    give_membership(&s);
    give_role(&s);
    give_permissions(&s);
    take_more(&s);
}
