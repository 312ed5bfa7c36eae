/* A line: its symbol, its request, its form on disk. */
#include "reconcile/reconcile.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/own.h"

/* ---- symbols */

char reconcile_direction(enum kiops_change_kind kind)
{
    switch (kind) {
    case KIOPS_DEACTIVATE:
    case KIOPS_DELETE_USER:
    case KIOPS_DELETE_FROM:
    case KIOPS_DELETE_ORGANIZATION:
    case KIOPS_REJECT:
    case KIOPS_WITHDRAW:
    case KIOPS_REMOVE:
    case KIOPS_DEMOTE:
    case KIOPS_REVOKE:
    case KIOPS_UNMAKE_ADMIN:
    case KIOPS_REVOKE_TOKEN:
    case KIOPS_EXPIRE_SIGN_UP:
        return '-';
    case KIOPS_CREATE_USER:
    case KIOPS_REACTIVATE:
    case KIOPS_CREATE_ORGANIZATION:
    case KIOPS_ADD:
    case KIOPS_REQUEST:
    case KIOPS_APPROVE:
    case KIOPS_PROMOTE:
    case KIOPS_GRANT:
    case KIOPS_MAKE_ADMIN:
    case KIOPS_CREATE_TOKEN:
    case KIOPS_SIGN_UP:
        return '+';
    case KIOPS_EDIT_USER:
    case KIOPS_EDIT_ORGANIZATION:
    case KIOPS_LIST_USERS:
    case KIOPS_RELEASE_GUARD:
    case KIOPS_SEE_ORGANIZATION:
        return '~';
    }
    return '~';
}

char reconcile_symbol(const struct reconcile_line *l)
{
    static const char symbols[] = {
        [RECONCILE_REFUSED] = '!', [RECONCILE_CONFLICT] = '?', [RECONCILE_REPORTED] = '*'};
    return l->state == RECONCILE_PLANNED ? reconcile_direction(l->kind) : symbols[l->state];
}

/* ---- requests */

static const struct {
    enum kiops_change_kind kind;
    struct reconcile_request request;
} requests[] = {
    {KIOPS_CREATE_USER, {REPLICA_USER, SCIM_POST}},
    {KIOPS_EDIT_USER, {REPLICA_USER, SCIM_PATCH}},
    {KIOPS_DEACTIVATE, {REPLICA_USER, SCIM_PATCH}},
    {KIOPS_REACTIVATE, {REPLICA_USER, SCIM_PATCH}},
    {KIOPS_DELETE_USER, {REPLICA_USER, SCIM_DELETE}},
    {KIOPS_CREATE_ORGANIZATION, {REPLICA_GROUP, SCIM_POST}},
    {KIOPS_EDIT_ORGANIZATION, {REPLICA_GROUP, SCIM_PATCH}},
    {KIOPS_DELETE_ORGANIZATION, {REPLICA_GROUP, SCIM_DELETE}},
    {KIOPS_ADD, {REPLICA_MEMBERSHIP, SCIM_POST}},
    {KIOPS_REQUEST, {REPLICA_MEMBERSHIP, SCIM_POST}},
    {KIOPS_REMOVE, {REPLICA_MEMBERSHIP, SCIM_DELETE}},
    {KIOPS_PROMOTE, {REPLICA_MEMBERSHIP, SCIM_PATCH}},
    {KIOPS_DEMOTE, {REPLICA_MEMBERSHIP, SCIM_PATCH}},
    {KIOPS_GRANT, {REPLICA_MEMBERSHIP, SCIM_PATCH}},
    {KIOPS_REVOKE, {REPLICA_MEMBERSHIP, SCIM_PATCH}},
    {KIOPS_MAKE_ADMIN, {REPLICA_MEMBERSHIP, SCIM_PATCH}},
    {KIOPS_UNMAKE_ADMIN, {REPLICA_MEMBERSHIP, SCIM_PATCH}},
};

bool reconcile_request_of(enum kiops_change_kind kind, struct reconcile_request *out)
{
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (requests[i].kind == kind) {
            *out = requests[i].request;
            return true;
        }
    return false;
}

json_t *reconcile_made(struct str key)
{
    json_t *o = json_object();
    json_put_str(o, "$made", key);
    return o;
}

static json_t *reference(struct str id, struct str made)
{
    json_t *o = json_object();
    json_put(o, "value", id.len ? json_string_safe(id) : reconcile_made(made));
    return o;
}

static json_t *patch_of(const char *op, struct str path, json_t *value)
{
    json_t *o = json_object();
    json_put_str(o, "op", str_of(op));
    json_put_str(o, "path", path);
    if (value)
        json_put(o, "value", value);
    return o;
}

static json_t *message_of(json_t *operations)
{
    json_t *o = json_object();
    json_put(o, "schemas", json_pack("[s]", SCIM_URN_PATCH));
    json_put(o, "Operations", operations);
    return o;
}

static json_t *role_patch(const struct reconcile_line *l)
{
    const bool demotes = l->kind == KIOPS_DEMOTE, unmakes = l->kind == KIOPS_UNMAKE_ADMIN;
    struct str role = unmakes   ? l->after
                      : demotes ? kiops_role_name(KIOPS_MEMBER)
                                : kiops_role_name(l->kind == KIOPS_PROMOTE ? KIOPS_MANAGER
                                                                           : KIOPS_PLATFORM_ADMIN);
    return patch_of("replace", STR("role"), json_string_safe(role));
}

static json_t *permission_patch(struct arena *a, const struct reconcile_line *l)
{
    if (l->kind == KIOPS_GRANT)
        return patch_of("add", STR("permissions"), json_pack("[s%]", l->after.at, l->after.len));
    return patch_of(
        "remove", arena_fmt(a, "permissions[value eq \"" STR_FMT "\"]", STR_ARG(l->before)), NULL);
}

static json_t *membership_body(struct arena *a, const struct reconcile_line *l)
{
    struct reconcile_request r;
    if (!reconcile_request_of(l->kind, &r) || r.verb == SCIM_DELETE)
        return NULL;
    if (r.verb == SCIM_PATCH) {
        bool permission = l->kind == KIOPS_GRANT || l->kind == KIOPS_REVOKE;
        json_t *operations = json_array();
        json_push(operations, permission ? permission_patch(a, l) : role_patch(l));
        return message_of(operations);
    }
    json_t *o = json_object();
    json_put(o, "schemas", json_pack("[s]", SCIM_URN_MEMBERSHIP));
    json_put(o, "organization", reference(l->organization, l->organization_made));
    json_put(o, "user", reference(l->subject, l->subject_made));
    return o;
}

static void set_body(struct arena *a, struct reconcile_line *l, json_t *body)
{
    l->means = RECONCILE_WRITE;
    if (body)
        json_keep(a, body);
    l->write.body = body;
}

void reconcile_line_membership(struct arena *a, struct reconcile_line *l)
{
    set_body(a, l, membership_body(a, l));
}

json_t *reconcile_patch(const json_t *wanted)
{
    json_t *operations = json_array(), *value;
    const char *path;
    json_object_foreach((json_t *)(uintptr_t)wanted, path, value)
    {
        bool gone = json_is_null(value);
        json_push(operations, patch_of(gone ? "remove" : "replace", str_of(path),
                                       gone ? NULL : json_incref(value)));
    }
    return message_of(operations);
}

void reconcile_line_resource(struct arena *a, struct reconcile_line *l, json_t *body)
{
    struct reconcile_request r = {0};
    bool patches = reconcile_request_of(l->kind, &r) && r.verb == SCIM_PATCH;
    if (body)
        json_keep(a, body);
    set_body(a, l, patches ? reconcile_patch(body) : json_incref(body));
}

static struct str known(struct arena *a, struct str id, struct str made)
{
    return id.len ? id : arena_fmt(a, "${" STR_FMT "}", STR_ARG(made));
}

struct str reconcile_line_id(struct arena *a, const struct reconcile_line *l)
{
    struct reconcile_request r;
    if (!reconcile_request_of(l->kind, &r) || r.verb == SCIM_POST)
        return STR_NONE;
    struct str user = known(a, l->subject, l->subject_made);
    struct str organization = known(a, l->organization, l->organization_made);
    if (r.resource == REPLICA_MEMBERSHIP)
        return arena_fmt(a, STR_FMT "." STR_FMT, STR_ARG(organization), STR_ARG(user));
    return r.resource == REPLICA_USER ? user : organization;
}

struct str reconcile_line_request(struct arena *a, const struct reconcile_line *l)
{
    static const char *const places[] = {[REPLICA_USER] = "/Users",
                                         [REPLICA_GROUP] = "/Groups",
                                         [REPLICA_MEMBERSHIP] = "/Memberships"};
    static const char *const methods[] = {
        [SCIM_POST] = "POST", [SCIM_PUT] = "PUT", [SCIM_PATCH] = "PATCH", [SCIM_DELETE] = "DELETE"};
    struct reconcile_request r;
    struct str id = reconcile_line_id(a, l);
    if (!reconcile_request_of(l->kind, &r))
        return STR_NONE;
    return arena_fmt(a, "%s %s%s" STR_FMT, methods[r.verb], places[r.resource], id.len ? "/" : "",
                     STR_ARG(id));
}

/* ---- lines as JSON */

static const char *const states[] = {"planned", "refused", "conflict", "reported"};
static const char *const ops[] = {
    [DIRECTORY_ADD] = "add", [DIRECTORY_DELETE] = "delete", [DIRECTORY_REPLACE] = "replace"};

static void put(json_t *o, const char *name, struct str value)
{
    if (value.len)
        json_put_str(o, name, value);
}

/* New: a text, or {"base64": ...} of what is none. */
static json_t *value_json(struct arena *a, struct str value)
{
    json_t *text = json_stringn(value.at ? value.at : "", value.len);
    if (text && !memchr(value.at ? value.at : "", 0, value.len))
        return text;
    json_decref(text);
    json_t *o = json_object();
    json_put_str(o, "base64", base64_encode(a, value));
    return o;
}

static json_t *mods_json(const struct directory_mods *m)
{
    json_t *all = json_array();
    for (size_t i = 0; i < m->count; i++) {
        json_t *o = json_object(), *values = json_array();
        json_put_str(o, "op", str_of(ops[m->at[i].op]));
        json_put_str(o, "attribute", str_of(m->at[i].attr));
        for (size_t k = 0; k < m->at[i].count; k++)
            json_push(values, value_json(m->arena, m->at[i].values[k]));
        json_put(o, "values", values);
        json_push(all, o);
    }
    return all;
}

static json_t *mend_json(const struct service_mend *m)
{
    json_t *o = json_object();
    put(o, "dn", m->dn);
    put(o, "id", m->id);
    put(o, "version", m->csn);
    put(o, "nobody", m->nobody);
    put(o, "person", m->person);
    put(o, "personVersion", m->person_csn);
    put(o, "manages", m->manages);
    json_put(o, "changes", mods_json(&m->mods));
    return o;
}

/* The request as it stands is for who reads: on the way back it follows from the line. */
static json_t *write_json(const struct reconcile_line *l)
{
    OWNED_ARENA struct arena *a = arena_new();
    json_t *o = json_object();
    json_put_str(o, "request", reconcile_line_request(a, l));
    put(o, "version", l->write.version);
    put(o, "makes", l->write.makes);
    if (l->write.bare)
        json_put(o, "onlyWithoutMemberships", json_true());
    if (l->write.body)
        json_put(o, "body", json_copy_deep(l->write.body));
    return o;
}

json_t *reconcile_line_json(const struct reconcile_line *l)
{
    const char symbol[2] = {reconcile_symbol(l), 0};
    json_t *o = json_object();
    json_put_str(o, "symbol", str_of(symbol));
    json_put_str(o, "state", str_of(states[l->state]));
    json_put_str(o, "change", str_of(kiops_change_name(l->kind)));
    put(o, "code", str_of(l->code));
    put(o, "user", l->subject);
    put(o, "userName", l->subject_name);
    put(o, "userMade", l->subject_made);
    put(o, "organization", l->organization);
    put(o, "organizationName", l->organization_name);
    put(o, "organizationMade", l->organization_made);
    put(o, "attribute", l->attribute);
    put(o, "before", l->before);
    put(o, "after", l->after);
    put(o, "reason", l->text);
    put(o, "changedBy", l->by);
    put(o, "changedAt", l->at);
    put(o, "then", l->then);
    if (l->means == RECONCILE_MODIFY)
        json_put(o, "modify", mend_json(&l->mend));
    if (l->means == RECONCILE_WRITE)
        json_put(o, "write", write_json(l));
    if (l->means == RECONCILE_REMOTE)
        json_put(o, "remote", reconcile_remote_json(l));
    return o;
}

/* ---- and back */

static struct str get(struct arena *a, const json_t *o, const char *name)
{
    return arena_str(a, json_get_str(o, name));
}

static bool kind_of(struct str name, enum kiops_change_kind *out)
{
    for (int k = 0; k < KIOPS_CHANGES; k++)
        if (str_eq(name, str_of(kiops_change_name((enum kiops_change_kind)k)))) {
            *out = (enum kiops_change_kind)k;
            return true;
        }
    return false;
}

static bool word_of(const char *const *words, int count, struct str word, int *out)
{
    for (int i = 0; i < count; i++)
        if (str_eq(word, str_of(words[i]))) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_value(struct arena *a, const json_t *v, struct str *out)
{
    if (json_is_string(v)) {
        *out = arena_str(a, json_str(v));
        return true;
    }
    struct str encoded = json_get_str(v, "base64");
    return encoded.at && base64_decode(a, encoded, out);
}

static bool read_mods(struct arena *a, const json_t *all, struct directory_mods *m)
{
    directory_mods_init(m, a);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i), *values = json_object_get(o, "values");
        size_t n = json_array_size(values);
        struct str *at = ARENA_ARRAY(a, struct str, n), attr = json_get_str(o, "attribute");
        int op;
        if (!attr.len || !word_of(ops, 3, json_get_str(o, "op"), &op))
            return false;
        for (size_t k = 0; k < n; k++)
            if (!read_value(a, json_array_get(values, k), &at[k]))
                return false;
        directory_mods_push(m, (enum directory_mod_op)op, arena_cstr(a, attr), at, n);
    }
    return m->count > 0;
}

static bool read_mend(struct arena *a, const json_t *o, struct service_mend *m)
{
    *m = (struct service_mend){.dn = get(a, o, "dn"),
                               .id = get(a, o, "id"),
                               .csn = get(a, o, "version"),
                               .nobody = get(a, o, "nobody"),
                               .person = get(a, o, "person"),
                               .person_csn = get(a, o, "personVersion"),
                               .manages = get(a, o, "manages")};
    return m->dn.len && m->id.len && read_mods(a, json_object_get(o, "changes"), &m->mods);
}

static bool unreadable(struct error *err, const char *what)
{
    return error_set(err, ERR_CONFLICT, "%s of the plan cannot be read: make it again", what);
}

static bool read_write(struct arena *a, const json_t *o, struct reconcile_line *l)
{
    struct reconcile_request r;
    json_t *body = json_object_get(o, "body");
    if (!reconcile_request_of(l->kind, &r) || !body != (r.verb == SCIM_DELETE))
        return false;
    l->write.version = get(a, o, "version");
    l->write.makes = get(a, o, "makes");
    l->write.bare = json_get_bool(o, "onlyWithoutMemberships", false);
    set_body(a, l, json_incref(body));
    bool about_user = r.resource != REPLICA_GROUP && l->kind != KIOPS_CREATE_USER;
    bool about_organization = r.resource != REPLICA_USER && l->kind != KIOPS_CREATE_ORGANIZATION;
    return (!about_user || l->subject.len || l->subject_made.len) &&
           (!about_organization || l->organization.len || l->organization_made.len);
}

static bool read_means(struct arena *a, const json_t *doc, struct reconcile_line *l,
                       struct error *err)
{
    const json_t *modify = json_object_get(doc, "modify"), *write = json_object_get(doc, "write");
    const json_t *remote = json_object_get(doc, "remote");
    if (remote)
        return reconcile_remote_load(a, remote, l) || unreadable(err, "a request");
    if (write)
        return read_write(a, write, l) || unreadable(err, "a request");
    if (!modify)
        return l->state != RECONCILE_PLANNED || unreadable(err, "the change of a line");
    l->means = RECONCILE_MODIFY;
    return read_mend(a, modify, &l->mend) || unreadable(err, "a change");
}

bool reconcile_line_load(struct reconcile_plan *p, const json_t *doc, struct error *err)
{
    struct arena *a = p->arena;
    enum kiops_change_kind kind;
    int state;
    if (!kind_of(json_get_str(doc, "change"), &kind) ||
        !word_of(states, 4, json_get_str(doc, "state"), &state))
        return unreadable(err, "a line");
    struct reconcile_line *l = reconcile_plan_add(p, (enum reconcile_state)state, kind);
    const struct {
        const char *name;
        struct str *to;
    } texts[] = {{"user", &l->subject},
                 {"userName", &l->subject_name},
                 {"userMade", &l->subject_made},
                 {"organization", &l->organization},
                 {"organizationName", &l->organization_name},
                 {"organizationMade", &l->organization_made},
                 {"attribute", &l->attribute},
                 {"before", &l->before},
                 {"after", &l->after},
                 {"reason", &l->text},
                 {"changedBy", &l->by},
                 {"changedAt", &l->at},
                 {"then", &l->then}};
    l->code = arena_cstr(a, json_get_str(doc, "code"));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].to = get(a, doc, texts[i].name);
    return read_means(a, doc, l, err);
}
