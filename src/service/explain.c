/* The verdict on a change that nobody makes: the same looks and the same judge as HTTP has. */
#include "service/explain.h"

#include "service/internal.h"
#include "service/lookup.h"

struct explaining {
    struct service_call call;
    const struct explain_question *question;
    struct lookup_user subject;
    struct lookup_organization organization;
    json_t *facts;
    struct kiops_verdict verdict;
};

/* ---- facts */

static json_t *ids_json(const struct str *at, size_t n)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < n; i++)
        json_push(ids, json_string_safe(at[i]));
    return ids;
}

static void put_actor(struct explaining *x)
{
    const struct kiops_actor *a = &x->call.actor;
    json_t *o = json_object();
    bool token = a->kind == KIOPS_ACTOR_TOKEN;
    json_put_str(o, "kind", token ? STR("token") : STR("person"));
    json_put_str(o, "id", a->id);
    json_put_str(o, "role", a->role ? kiops_role_name(a->role) : STR("none"));
    if (token) {
        json_put_str(o, "access", a->can_write ? STR("write") : STR("read"));
        json_put_str(o, "pushMode", a->push_request ? STR("request") : STR("direct"));
        json_put(o, "organizations", ids_json(a->organizations, a->organization_count));
    } else {
        json_put(o, "managerOf", ids_json(a->organizations, a->organization_count));
        json_put(o, "memberOf", ids_json(a->member_of, a->member_of_count));
    }
    json_put(x->facts, "actor", o);
}

static void put_subject(json_t *facts, const struct change *ch)
{
    const struct sight *g = &ch->sight;
    json_t *o = json_object();
    json_put_str(o, "id", ch->what.subject);
    json_put_str(o, "displayName", ch->what.subject_name);
    json_put(o, "active", json_boolean(g->person.active));
    json_put(o, "platformAdmin", json_boolean(g->admin));
    json_put(o, "otherPlatformAdmins", json_integer((json_int_t)g->other_admins));
    json_put(facts, "user", o);
}

json_t *explain_permissions(const struct directory_values *values)
{
    json_t *names = json_array();
    kiops_permission_set set = operation_permissions(values);
    for (unsigned p = 0; p < KIOPS_PERMISSIONS; p++)
        if (set & 1U << p)
            json_push(names, json_string_safe(kiops_permission_name((enum kiops_permission)p)));
    return names;
}

void explain_put_time(json_t *o, const char *name, const struct directory_values *stamps)
{
    char text[CLOCK_TEXT_MAX];
    instant_t latest = operation_latest(stamps);
    if (latest != INSTANT_NONE)
        json_put_str(o, name, clock_rfc3339(latest, text));
}

static void put_organization(json_t *facts, const struct change *ch)
{
    const struct sight *g = &ch->sight;
    json_t *o = json_object();
    bool manager = g->in && g->owner && g->manager && g->joined.count;
    json_put_str(o, "id", ch->what.organization);
    json_put_str(o, "displayName", ch->what.organization_name);
    json_put_str(o, "joinPolicy", g->organization.open ? STR("open") : STR("closed"));
    json_put(o, "userIsMember", json_boolean(g->in));
    json_put(o, "userIsManager", json_boolean(manager));
    json_put(o, "userAsksToJoin",
             json_boolean(!g->in && operation_latest(&g->requests) != INSTANT_NONE));
    json_put(o, "userPermissions", explain_permissions(&g->permissions));
    explain_put_time(o, "userJoined", &g->joined);
    explain_put_time(o, "userRejected", &g->rejected);
    json_put(o, "otherManagersThatCount", json_integer((json_int_t)g->other_managers));
    json_put(facts, "organization", o);
}

static void put_facts(struct explaining *x, const struct change *ch)
{
    put_subject(x->facts, ch);
    if (ch->what.organization.len)
        put_organization(x->facts, ch);
}

/* ---- the steps of a change, as its HTTP request judges them */

/* false with `err` unset: refused, and `verdict` says it. */
static bool judge(struct explaining *x, struct change *ch, struct error *err)
{
    if (!change_look(ch, true, err))
        return false;
    x->verdict = change_judge(ch);
    put_facts(x, ch);
    return x->verdict.status != KIOPS_REFUSED;
}

static struct change change_of(const struct explaining *x, enum kiops_change_kind kind)
{
    struct change ch = {.call = &x->call,
                        .what = {.kind = kind,
                                 .subject = x->subject.user.person.id,
                                 .organization = x->organization.id,
                                 .operation = -1}};
    if (x->question->change.permission.len)
        (void)kiops_permission_parse(x->question->change.permission, &ch.what.permission);
    return ch;
}

static bool judge_kind(struct explaining *x, enum kiops_change_kind kind, struct error *err)
{
    struct change ch = change_of(x, kind);
    return judge(x, &ch, err);
}

/* KB-R10: an outsider who is made Manager is added first. */
static bool judge_promote(struct explaining *x, struct error *err)
{
    struct change ch = change_of(x, KIOPS_PROMOTE);
    if (!change_look(&ch, true, err))
        return false;
    bool outsider =
        ch.sight.has_user && !ch.sight.in && operation_latest(&ch.sight.requests) == INSTANT_NONE;
    if (outsider && !judge_kind(x, KIOPS_ADD, err))
        return false;
    ch.after_join = outsider;
    x->verdict = change_judge(&ch);
    put_facts(x, &ch);
    return x->verdict.status != KIOPS_REFUSED;
}

/* KB-R20 is judged on the request before its changes are; who may not see or write hears that. */
static bool judge_remove(struct explaining *x, struct error *err)
{
    struct change ch = change_of(x, KIOPS_REMOVE);
    bool allowed = judge(x, &ch, err);
    bool unseen = !allowed && (err->kind != ERR_NONE || x->verdict.kind == ERR_NOT_FOUND ||
                               !x->call.actor.can_write);
    if (unseen || !ch.sight.in)
        return allowed;
    struct kiops_verdict removals =
        kiops_judge_removals(&x->call.actor, 1, x->organization.members);
    if (removals.status == KIOPS_REFUSED)
        x->verdict = removals;
    return allowed && removals.status != KIOPS_REFUSED;
}

/* KB-R05: whom a Manager does not see is not there, whatever is asked of the record. */
static bool sees_subject(struct explaining *x, struct error *err)
{
    const struct kiops_actor *a = &x->call.actor;
    struct standing s;
    if (a->role != KIOPS_MANAGER || !a->can_write || str_ieq(a->id, x->subject.user.person.id))
        return true;
    if (!standing_read(&x->call, x->subject.entry, &s, err))
        return false;
    for (size_t i = 0; i < s.count; i++) {
        const struct standing_place *p = &s.places[i];
        if ((p->member || operation_latest(&p->requests) != INSTANT_NONE) &&
            kiops_actor_manages(a, p->id))
            return true;
    }
    x->verdict = (struct kiops_verdict){
        .status = KIOPS_REFUSED, .kind = ERR_NOT_FOUND, .rule = "KB-R05", .text = KIOPS_NO_USER};
    return false;
}

static bool judge_deactivate(struct explaining *x, struct error *err)
{
    const struct directory_values *joined = &x->subject.user.person.joined;
    if (!sees_subject(x, err) || !judge_kind(x, KIOPS_EDIT_USER, err))
        return false;
    if (x->call.actor.kind == KIOPS_ACTOR_PERSON &&
        operation_values_of(x->call.arena, joined, STR("platform")).count &&
        !judge_kind(x, KIOPS_UNMAKE_ADMIN, err))
        return false;
    return judge_kind(x, KIOPS_DEACTIVATE, err);
}

static bool judge_delete(struct explaining *x, struct error *err)
{
    struct change *parts;
    size_t n;
    if (!sees_subject(x, err) || !judge_kind(x, KIOPS_DELETE_USER, err))
        return false;
    struct kiops_verdict whole = x->verdict;
    if (!user_delete_parts(&x->call, &x->subject.user.person, &parts, &n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!judge(x, &parts[i], err))
            return false;
        if (x->verdict.status == KIOPS_VACATE)
            whole = x->verdict;
    }
    x->verdict = whole;
    return true;
}

static bool judge_all(struct explaining *x, struct error *err)
{
    enum kiops_change_kind kind = x->question->change.kind;
    if (kind == KIOPS_PROMOTE)
        return judge_promote(x, err);
    if (kind == KIOPS_REMOVE)
        return judge_remove(x, err);
    if (kind == KIOPS_DEACTIVATE)
        return judge_deactivate(x, err);
    if (kind == KIOPS_DELETE_USER)
        return judge_delete(x, err);
    if (kind == KIOPS_ADD && x->call.actor.push_request)
        kind = KIOPS_REQUEST;
    return judge_kind(x, kind, err);
}

/* A role or permission that there is not is refused behind the door, and before the rules. */
static bool judge_named(struct explaining *x, struct error *err)
{
    struct kiops_verdict named = kiops_phrase_judge(&x->question->change);
    bool allowed = judge_all(x, err);
    bool outside = !allowed && (x->verdict.kind == ERR_NOT_FOUND || !x->call.actor.can_write);
    if (err->kind != ERR_NONE || outside || named.status != KIOPS_REFUSED)
        return allowed;
    x->verdict = named;
    return false;
}

/* ---- who acts */

static bool find_token(struct explaining *x, struct str name, struct error *err)
{
    struct service_call *c = &x->call;
    struct directory_search s = directory_search_token(c->service->directory, c->arena, name);
    struct directory_entries found;
    struct directory_token t;
    struct error over = ERROR_INIT;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count != 1)
        return error_set(err, ERR_NOT_FOUND, "no token is called " STR_FMT "; see token list",
                         STR_ARG(str_sub(name, 0, 100)));
    if (!directory_map_token(c->arena, &found.at[0], &t, err))
        return false;
    if (access_actor_of_token(c->service, &t, &c->actor, &over))
        return true;
    c->actor = (struct kiops_actor){.kind = KIOPS_ACTOR_TOKEN, .id = t.name};
    x->verdict = (struct kiops_verdict){.status = KIOPS_REFUSED,
                                        .kind = ERR_UNAUTHORIZED,
                                        .rule = "",
                                        .text = "The token has expired: it is nobody (401)."};
    return true;
}

static bool find_person(struct explaining *x, struct str name, struct error *err)
{
    struct service_call *c = &x->call;
    struct lookup_user found;
    struct standing standing;
    if (!lookup_user(c, name, &found, err) || !standing_read(c, found.entry, &standing, err))
        return false;
    c->actor = standing_actor(&standing, c->arena);
    if (!standing.user.person.active)
        x->verdict = (struct kiops_verdict){.status = KIOPS_REFUSED,
                                            .kind = ERR_UNAUTHORIZED,
                                            .rule = "KB-R09",
                                            .text = "The account is inactive: nobody signs in with "
                                                    "it (401)."};
    return true;
}

static bool find_actor(struct explaining *x, struct error *err)
{
    struct str actor = x->question->actor;
    return str_starts(actor, STR("token:")) ? find_token(x, str_sub(actor, 6, actor.len), err)
                                            : find_person(x, actor, err);
}

static const char *beside(const struct explaining *x)
{
    if (x->verdict.status == KIOPS_NOTHING_TO_DO)
        return "There is nothing to do: it is so already.";
    if (x->verdict.status == KIOPS_VACATE)
        return "The seat of the last Manager becomes vacant.";
    return "";
}

bool service_explain_change(const struct explain_ground *g, const struct explain_question *q,
                            struct explain_verdict *out, struct error *err)
{
    struct service service = {
        .config = g->config, .catalog = g->catalog, .directory = g->directory};
    struct explaining x = {.call = {.service = &service, .arena = g->arena, .conn = g->conn},
                           .question = q,
                           .facts = json_object()};
    json_keep(g->arena, x.facts);
    if (!find_actor(&x, err) || !lookup_user(&x.call, q->change.user, &x.subject, err) ||
        (q->change.organization.len &&
         !lookup_organization(&x.call, q->change.organization, &x.organization, err)))
        return false;
    put_actor(&x);
    bool allowed = x.verdict.status != KIOPS_REFUSED && judge_named(&x, err);
    if (err->kind != ERR_NONE)
        return false;
    *out = (struct explain_verdict){
        .allowed = allowed,
        .rule = str_of(x.verdict.rule),
        .text = arena_str(g->arena, str_of(allowed ? beside(&x) : x.verdict.text)),
        .facts = x.facts,
    };
    return true;
}
