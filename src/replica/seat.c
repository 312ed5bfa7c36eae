/* A seat: what a user is in one organization, and the Membership that shows it. */
#include "replica/internal.h"

#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

/* ---- facts */

struct seat seat_of(const struct replica *r, const struct user *u, const struct organization *o)
{
    const struct record *rec = user_record(u);
    const struct link *l = link_of(u, o);
    uint8_t flags = l ? l->flags : 0;
    struct str id = record_field(organization_record(o), FIELD_ID);
    struct seat s = {.member = flags & LINK_MEMBER};
    s.manager = l && link_counts(l, rec);
    s.pending = !s.member && flags & LINK_REQUEST;
    s.rejected = !s.member && !s.pending && record_keyed(rec, FIELD_REJECTED, id).at;
    s.admin = rec->active && u->holds_dn && store_is_admin(r, rec);
    return s;
}

enum kiops_role seat_role(const struct seat *s)
{
    if (!s->member)
        return KIOPS_NO_ROLE;
    if (s->admin)
        return KIOPS_PLATFORM_ADMIN;
    return s->manager ? KIOPS_MANAGER : KIOPS_MEMBER;
}

struct str seat_status(const struct seat *s)
{
    return s->member ? STR("active") : s->pending ? STR("pending") : STR("rejected");
}

kiops_permission_set seat_permissions(const struct record *user, struct str organization_id)
{
    kiops_permission_set set = 0;
    struct str value;
    if (!record_keyed(user, FIELD_JOINED, organization_id).at)
        return 0;
    for (size_t at = 0; record_next(user, FIELD_PERMISSIONS, &at, &value);) {
        if (value.len <= organization_id.len || value.at[organization_id.len] != ':' ||
            !str_istarts(value, organization_id))
            continue;
        struct str name = str_sub(value, organization_id.len + 1, value.len);
        for (enum kiops_permission k = KIOPS_INFRA; k < KIOPS_PERMISSIONS; k++)
            if (str_ieq(name, kiops_permission_name(k)))
                set |= (kiops_permission_set)(1U << k);
    }
    return set;
}

instant_t seat_time(struct str stamp)
{
    instant_t at;
    size_t end;
    bool is_time =
        str_find(stamp, 'Z', &end) && clock_parse_generalized(str_sub(stamp, 0, end + 1), &at);
    return is_time ? at : INSTANT_NONE;
}

instant_t seat_joined(const struct record *user, struct str organization_id)
{
    return seat_time(record_keyed(user, FIELD_JOINED, organization_id));
}

instant_t seat_requested(const struct record *user, struct str organization_id)
{
    return seat_time(record_keyed(user, FIELD_REQUESTS, organization_id));
}

instant_t seat_rejected(const struct record *user, struct str organization_id)
{
    return seat_time(record_keyed(user, FIELD_REJECTED, organization_id));
}

bool replica_membership_split(struct str id, struct str *organization_id, struct str *user_id)
{
    size_t dot, more;
    if (!str_find(id, '.', &dot))
        return false;
    *organization_id = str_sub(id, 0, dot);
    *user_id = str_sub(id, dot + 1, id.len);
    return organization_id->len && user_id->len && !str_find(*user_id, '.', &more);
}

void seat_render_permissions(struct pen *p, kiops_permission_set set)
{
    const char *before = ",\"permissions\":[\"";
    if (!set)
        return;
    for (enum kiops_permission k = KIOPS_INFRA; k < KIOPS_PERMISSIONS; k++) {
        if (!(set & (1U << k)))
            continue;
        pen_str(p, str_of(before));
        pen_str(p, kiops_permission_name(k));
        before = "\",\"";
    }
    PEN_LIT(p, "\"]");
}

/* ---- text */

/* New, or NULL: `emails` alone is parsed, the rest of the person is passed over. */
static json_t *mails_of(const struct record *user, struct arena *a)
{
    const struct str parts[] = {STR("{"), record_field(user, FIELD_CORE), STR("}")};
    struct str core = arena_join(a, parts, 3);
    struct json_member m;
    for (size_t at = 0; json_text_next(core, &at, &m);)
        if (str_eq(m.name, STR("emails")))
            return json_loadb(m.value.at, m.value.len, JSON_ALLOW_NUL, NULL);
    return NULL;
}

/* What of a user's e-mail addresses is shown: the primary one, else the first. As sent: the
 * record's keys are folded. */
static struct str mail_of(const struct record *user, struct arena *a)
{
    OWNED_JSON json_t *mails = mails_of(user, a);
    struct str first = STR_NONE, value;
    for (size_t i = 0; i < json_array_size(mails); i++) {
        const json_t *mail = json_array_get(mails, i);
        value = json_get_str(mail, "value");
        bool primary = json_is_true(json_object_get(mail, "primary"));
        if (value.len && (primary || !first.len))
            first = value;
        if (primary && value.len)
            break;
    }
    return first.len ? arena_str(a, first) : STR_NONE;
}

static void render_organization(struct pen *p, const struct view *v, const struct record *in)
{
    PEN_LIT(p, ",\"organization\":");
    view_reference(p, v, in);
    PEN_LIT(p, "}");
}

static void render_user(struct pen *p, const struct view *v, const struct record *user)
{
    struct str mail = mail_of(user, p->arena);
    PEN_LIT(p, ",\"user\":");
    view_reference(p, v, user);
    PEN_LIT(p, ",\"userName\":");
    pen_json(p, record_field(user, FIELD_NAME));
    if (mail.len) {
        PEN_LIT(p, ",\"email\":");
        pen_json(p, mail);
    }
    pen_str(p, user->active ? STR(",\"active\":true}") : STR(",\"active\":false}"));
}

static void render_date(struct pen *p, const char *name, instant_t at)
{
    if (at == INSTANT_NONE)
        return;
    PEN_LIT(p, ",\"");
    pen_str(p, str_of(name));
    PEN_LIT(p, "\":");
    pen_instant(p, at);
}

/* The role, the permissions and the dates: what the version is about. */
static void render_own(struct pen *p, const struct record *user, struct str organization_id,
                       const struct seat *s)
{
    if (s->member) {
        PEN_LIT(p, ",\"role\":\"");
        pen_str(p, kiops_role_name(seat_role(s)));
        pen_str(p, s->manager ? STR("\",\"organizationRole\":\"Manager\"")
                              : STR("\",\"organizationRole\":\"Member\""));
        seat_render_permissions(p, seat_permissions(user, organization_id));
    }
    PEN_LIT(p, ",\"status\":\"");
    pen_str(p, seat_status(s));
    PEN_LIT(p, "\"");
    if (s->member)
        render_date(p, "joinDate", seat_joined(user, organization_id));
    if (s->pending)
        render_date(p, "requestedAt", seat_requested(user, organization_id));
    if (s->rejected)
        render_date(p, "rejectedAt", seat_rejected(user, organization_id));
}

/* modifyTimestamp of the user's entry, whole seconds, never before the seat itself. */
static instant_t modified_of(const struct record *user, instant_t since, struct arena *a)
{
    instant_t at;
    struct str csn = record_field(user, FIELD_CSN);
    struct str seconds = arena_fmt(a, STR_FMT "Z", STR_ARG(str_sub(csn, 0, 14)));
    if (csn.len < 14 || !clock_parse_generalized(seconds, &at))
        at = user->modified;
    return at < since ? since : at;
}

struct str seat_render(const struct seat_text *t, struct arena *a, struct str *version)
{
    const struct view *v = t->view;
    struct str in = record_field(t->in, FIELD_ID), user = record_field(t->user, FIELD_ID);
    const struct str id_parts[] = {in, STR("."), user};
    struct str id = arena_join(a, id_parts, 3);
    instant_t since = t->seat.member    ? seat_joined(t->user, in)
                      : t->seat.pending ? seat_requested(t->user, in)
                                        : seat_rejected(t->user, in);
    struct pen p;
    pen_init(&p, a, 1024 + v->replica->base.len * 3 + 6 * id.len);
    PEN_LIT(&p, "{\"schemas\":[\"" SCIM_URN_MEMBERSHIP "\"],\"id\":");
    pen_json(&p, id);
    render_organization(&p, v, t->in);
    render_user(&p, v, t->user);
    size_t own = (size_t)(p.at - p.start);
    render_own(&p, t->user, in, &t->seat);
    struct str content = {p.start + own, (size_t)(p.at - p.start) - own};
    uint64_t hash = hash_content(id.at, id.len) * 31 + hash_content(content.at, content.len);
    struct str hex = arena_fmt(a, "%016llx", (unsigned long long)hash);
    PEN_LIT(&p, ",\"meta\":{\"resourceType\":\"Membership\"");
    render_date(&p, "created", since);
    render_date(&p, "lastModified", modified_of(t->user, since, a));
    PEN_LIT(&p, ",\"location\":");
    view_ref(&p, v, "/Memberships/", id);
    PEN_LIT(&p, ",\"version\":\"W/\\\"");
    pen_str(&p, hex);
    PEN_LIT(&p, "\\\"\"}}");
    *version = view_version(a, hex);
    return pen_text(&p);
}
