/* A line that is a request at a provider. */
#include "base/json.h"
#include "reconcile/reconcile.h"

static const struct remote_kind {
    enum kiops_change_kind kind;
    const char *method, *place;
    bool members; /* of a group */
} kinds[] = {
    {KIOPS_CREATE_USER, "POST", "/Users", false},
    {KIOPS_EDIT_USER, "PATCH", "/Users", false},
    {KIOPS_DEACTIVATE, "PATCH", "/Users", false},
    {KIOPS_REACTIVATE, "PATCH", "/Users", false},
    {KIOPS_DELETE_USER, "DELETE", "/Users", false},
    {KIOPS_CREATE_ORGANIZATION, "POST", "/Groups", false},
    {KIOPS_EDIT_ORGANIZATION, "PATCH", "/Groups", false},
    {KIOPS_DELETE_ORGANIZATION, "DELETE", "/Groups", false},
    {KIOPS_ADD, "PATCH", "/Groups", true},
    {KIOPS_REMOVE, "PATCH", "/Groups", true},
};

static const struct remote_kind *kind_of(const struct reconcile_line *l)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == l->kind)
            return &kinds[i];
    return NULL;
}

static bool is(const char *method, const char *wanted)
{
    return str_eq(str_of(method), str_of(wanted));
}

static void set_body(struct arena *a, struct reconcile_line *l, json_t *taken)
{
    l->means = RECONCILE_REMOTE;
    l->write.body = taken;
    if (taken)
        json_keep(a, taken);
}

void reconcile_line_remote(struct arena *a, struct reconcile_line *l, json_t *body)
{
    const struct remote_kind *k = kind_of(l);
    bool patches = k && body && is(k->method, "PATCH");
    set_body(a, l, patches ? reconcile_patch(body) : json_incref(body));
    json_decref(body);
}

struct str reconcile_remote_request(struct arena *a, const struct reconcile_line *l)
{
    const struct remote_kind *k = kind_of(l);
    if (!k)
        return STR_NONE;
    if (is(k->method, "POST"))
        return arena_fmt(a, "%s %s", k->method, k->place);
    bool user = is(k->place, "/Users");
    struct str id = user ? l->remote.user : l->remote.group;
    struct str key = user ? l->subject_made : l->organization_made;
    return id.len ? arena_fmt(a, "%s %s/" STR_FMT, k->method, k->place, STR_ARG(id))
                  : arena_fmt(a, "%s %s/${" STR_FMT "}", k->method, k->place, STR_ARG(key));
}

static void put(json_t *o, const char *name, struct str value)
{
    if (value.len)
        json_put_str(o, name, value);
}

json_t *reconcile_remote_json(const struct reconcile_line *l)
{
    struct arena *a = arena_new();
    json_t *o = json_object();
    json_put_str(o, "request", reconcile_remote_request(a, l));
    put(o, "user", l->remote.user);
    put(o, "group", l->remote.group);
    put(o, "version", l->write.version);
    put(o, "makes", l->write.makes);
    if (l->write.body)
        json_put(o, "body", json_copy_deep(l->write.body));
    arena_free(a);
    return o;
}

bool reconcile_remote_load(struct arena *a, const json_t *o, struct reconcile_line *l)
{
    const struct remote_kind *k = kind_of(l);
    json_t *body = json_object_get(o, "body");
    l->remote.user = arena_str(a, json_get_str(o, "user"));
    l->remote.group = arena_str(a, json_get_str(o, "group"));
    l->write.version = arena_str(a, json_get_str(o, "version"));
    l->write.makes = arena_str(a, json_get_str(o, "makes"));
    set_body(a, l, json_incref(body));
    if (!k || !body != (k->members || is(k->method, "DELETE")))
        return false;
    bool user = l->remote.user.len || l->subject_made.len;
    bool group = l->remote.group.len || l->organization_made.len;
    if (is(k->method, "POST"))
        return l->write.makes.len > 0;
    return (user || (is(k->place, "/Groups") && !k->members)) && (group || is(k->place, "/Users"));
}
