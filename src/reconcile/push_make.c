/* A line at the provider, made: one request, and what is known of it afterwards. */
#include "reconcile/push.h"

#include "base/json.h"
#include "base/own.h"

#define TRIES 3
#define BEFORE_DEPTH 32

struct making {
    struct remote_client *provider;
    const struct reconcile_lines *lines;
    const struct reconcile_line *line; /* the first */
    struct arena *arena;
    struct reconcile_outcome *out;
    struct error *err;
};

/* ---- lines that go together */

static bool changes_members(const struct reconcile_line *l)
{
    return l->kind == KIOPS_ADD || l->kind == KIOPS_REMOVE;
}

size_t reconcile_push_together(const struct reconcile_line *at, size_t n)
{
    size_t count = 1;
    if (at->means != RECONCILE_REMOTE || !changes_members(at))
        return 1;
    while (count < n && count < RECONCILE_TOGETHER && at[count].state == RECONCILE_PLANNED &&
           at[count].means == RECONCILE_REMOTE && at[count].kind == at->kind &&
           str_eq(at[count].organization, at->organization) &&
           str_eq(at[count].remote.group, at->remote.group))
        count++;
    return count;
}

/* ---- asking */

static struct str type_of(const struct reconcile_line *l)
{
    bool user = l->kind == KIOPS_CREATE_USER || l->kind == KIOPS_EDIT_USER ||
                l->kind == KIOPS_DEACTIVATE || l->kind == KIOPS_REACTIVATE ||
                l->kind == KIOPS_DELETE_USER;
    return user ? STR("Users") : STR("Groups");
}

static struct remote_ask ask_of(const struct reconcile_line *l, enum remote_verb verb)
{
    struct str type = type_of(l);
    return (struct remote_ask){.verb = verb,
                               .type = type,
                               .id = str_eq(type, STR("Users")) ? l->remote.user : l->remote.group};
}

static enum remote_outcome look(const struct making *m, struct remote_reply *reply)
{
    const struct remote_ask ask = ask_of(m->line, REMOTE_GET);
    error_clear(m->err);
    return remote_do(m->provider, m->arena, &ask, reply, m->err);
}

static enum mend_outcome refused(const struct making *m, enum remote_outcome outcome)
{
    m->err->kind = outcome == REMOTE_TAKEN ? ERR_UNIQUENESS : ERR_INVALID_VALUE;
    return MEND_REFUSED;
}

/* Of what is no success, and decided. */
static enum mend_outcome end_of(const struct making *m, enum remote_outcome outcome)
{
    switch (outcome) {
    case REMOTE_DONE:
        return MEND_DONE;
    case REMOTE_ABSENT:
    case REMOTE_MOVED:
        return MEND_MOVED;
    case REMOTE_TAKEN:
    case REMOTE_REFUSED:
        return refused(m, outcome);
    case REMOTE_UNKNOWN:
    case REMOTE_UNAVAILABLE:
        break;
    }
    return MEND_BROKEN;
}

/* ---- a resource changed */

/* New; NULL for text that is none. */
static json_t *object_of(struct str text)
{
    struct error odd = ERROR_INIT;
    return text.len ? json_load_strict(text, (struct json_limits){.depth = BEFORE_DEPTH}, &odd)
                    : NULL;
}

/* Where the provider has no versions, what is to be changed must be as it was. */
static enum remote_outcome unchanged(const struct making *m)
{
    struct remote_reply now;
    OWNED_JSON json_t *before = object_of(m->line->before);
    enum remote_outcome outcome = look(m, &now);
    return outcome != REMOTE_DONE || push_stands(before, now.resource) ? outcome : REMOTE_MOVED;
}

/* After an answer that did not come. DONE: it was made; UNKNOWN: it was not, and may be sent again.
 */
static enum remote_outcome find_out(const struct making *m, struct remote_reply *reply)
{
    OWNED_JSON json_t *after = object_of(m->line->after);
    enum remote_outcome outcome = look(m, reply);
    if (outcome != REMOTE_DONE || push_stands(after, reply->resource))
        return outcome;
    bool moved = m->line->write.version.len && !str_eq(reply->version, m->line->write.version);
    return moved ? REMOTE_MOVED : REMOTE_UNKNOWN;
}

static enum mend_outcome change(const struct making *m)
{
    struct remote_ask ask = ask_of(m->line, REMOTE_PATCH);
    struct remote_reply reply = {0};
    enum remote_outcome outcome = REMOTE_DONE;
    ask.body = m->line->write.body;
    ask.if_match = m->line->write.version;
    if (!ask.if_match.len)
        outcome = unchanged(m);
    if (outcome != REMOTE_DONE)
        return end_of(m, outcome);
    outcome = REMOTE_UNKNOWN;
    for (int i = 0; i < TRIES && outcome == REMOTE_UNKNOWN; i++) {
        error_clear(m->err);
        outcome = remote_do(m->provider, m->arena, &ask, &reply, m->err);
        if (outcome == REMOTE_UNKNOWN)
            outcome = find_out(m, &reply);
    }
    if (outcome == REMOTE_DONE && !reply.version.len && ask.if_match.len)
        outcome = look(m, &reply); /* answered without a body: 204 */
    m->out->was = m->line->write.version;
    m->out->is = reply.version;
    return end_of(m, outcome);
}

/* ---- made, and deleted */

static enum mend_outcome create(const struct making *m)
{
    const struct remote_ask ask = {
        .verb = REMOTE_POST, .type = type_of(m->line), .body = m->line->write.body};
    struct remote_reply reply = {0};
    enum remote_outcome outcome = remote_create(m->provider, m->arena, &ask, &reply, m->err);
    m->out->is = reply.version;
    m->out->id = reply.id;
    return end_of(m, outcome);
}

static enum mend_outcome delete_it(const struct making *m)
{
    struct remote_ask ask = ask_of(m->line, REMOTE_DELETE);
    struct remote_reply now = {.version = m->line->write.version};
    enum remote_outcome outcome = REMOTE_DONE;
    ask.if_match = m->line->write.version;
    if (m->line->kind == KIOPS_DELETE_ORGANIZATION) {
        /* Its version speaks of members that this run took out; whoever is in there stays. */
        outcome = look(m, &now);
        if (outcome == REMOTE_DONE && json_array_size(json_object_get(now.resource, "members")))
            outcome = REMOTE_MOVED;
        ask.if_match = now.version;
    }
    if (outcome == REMOTE_DONE) {
        error_clear(m->err);
        outcome = remote_do(m->provider, m->arena, &ask, &now, m->err);
    }
    if (outcome == REMOTE_ABSENT) { /* as it was to be */
        error_clear(m->err);
        outcome = REMOTE_DONE;
    }
    return end_of(m, outcome);
}

/* ---- members */

static void add_operation(json_t *operations, const char *op, struct str path, json_t *value)
{
    json_t *o = json_object();
    json_put_str(o, "op", str_of(op));
    json_put_str(o, "path", path);
    if (value)
        json_put(o, "value", value);
    json_push(operations, o);
}

/* New. Members come and go one by one: never is the whole set written. */
static json_t *member_patch(const struct making *m)
{
    json_t *message = json_object(), *operations = json_array(), *all = json_array();
    bool gives = m->line->kind == KIOPS_ADD;
    for (size_t i = 0; i < m->lines->count; i++) {
        struct str id = m->lines->at[i]->remote.user;
        json_t *value = json_object();
        json_put_str(value, "value", id);
        json_push(all, value);
        if (!gives)
            add_operation(operations, "remove",
                          arena_fmt(m->arena, "members[" STR_FMT "]",
                                    STR_ARG(remote_equals(m->arena, "value", id))),
                          NULL);
    }
    if (gives)
        add_operation(operations, "add", STR("members"), json_incref(all));
    json_decref(all);
    json_put(message, "schemas", json_pack("[s]", SCIM_URN_PATCH));
    json_put(message, "Operations", operations);
    return message;
}

static bool has_member(const json_t *group, struct str id)
{
    const json_t *all = json_object_get(group, "members");
    for (size_t i = 0; i < json_array_size(all); i++)
        if (str_eq(json_get_str(json_array_get(all, i), "value"), id))
            return true;
    return false;
}

/* Are they all in there, or all not, as is wanted? UNKNOWN: not yet. */
static enum remote_outcome find_members(const struct making *m)
{
    struct remote_reply now;
    enum remote_outcome outcome = look(m, &now);
    for (size_t i = 0; outcome == REMOTE_DONE && i < m->lines->count; i++)
        if (has_member(now.resource, m->lines->at[i]->remote.user) != (m->line->kind == KIOPS_ADD))
            outcome = REMOTE_UNKNOWN;
    return outcome;
}

/* Without If-Match: others join and leave meanwhile, and each value speaks for itself. */
static enum mend_outcome change_members(const struct making *m)
{
    struct remote_ask ask = ask_of(m->line, REMOTE_PATCH);
    struct remote_reply reply = {0};
    OWNED_JSON json_t *body = member_patch(m);
    enum remote_outcome outcome = REMOTE_UNKNOWN;
    ask.body = body;
    ask.excluded = STR("members"); /* the answer is not read */
    for (int i = 0; i < TRIES && outcome == REMOTE_UNKNOWN; i++) {
        error_clear(m->err);
        outcome = remote_do(m->provider, m->arena, &ask, &reply, m->err);
        struct error said = *m->err;
        bool look_again = outcome == REMOTE_UNKNOWN || (outcome == REMOTE_REFUSED && i > 0);
        enum remote_outcome found = look_again ? find_members(m) : outcome;
        if (look_again && outcome == REMOTE_REFUSED && found == REMOTE_UNKNOWN)
            *m->err = said; /* it was refused, and stands as it did */
        else
            outcome = found;
    }
    return end_of(m, outcome);
}

enum mend_outcome reconcile_push_make(const struct reconcile_run *r,
                                      const struct reconcile_lines *lines, struct arena *a,
                                      struct reconcile_outcome *out, struct error *err)
{
    const struct making m = {.provider = r->provider,
                             .lines = lines,
                             .line = lines->at[0],
                             .arena = a,
                             .out = out,
                             .err = err};
    *out = (struct reconcile_outcome){0};
    switch ((int)m.line->kind) {
    case KIOPS_CREATE_USER:
    case KIOPS_CREATE_ORGANIZATION:
        return create(&m);
    case KIOPS_DELETE_USER:
    case KIOPS_DELETE_ORGANIZATION:
        return delete_it(&m);
    case KIOPS_ADD:
    case KIOPS_REMOVE:
        return change_members(&m);
    default:
        return change(&m);
    }
}
