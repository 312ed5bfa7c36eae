/* The review as CSV and as JSON: a row at a time, so that its length does not matter. */
#include <stdio.h>

#include "base/json.h"
#include "base/own.h"
#include "cli/review.h"

#define ROW_MAX (1 << 20)

void cli_csv_field(struct buf *out, struct str text)
{
    /* Excel and its like take these for the start of a formula, also behind quotes. */
    bool formula = text.len && memchr("=+-@\t\r\n", text.at[0], 7);
    bool quoted = formula;
    for (size_t i = 0; i < text.len && !quoted; i++)
        quoted = memchr("\",\r\n", text.at[i], 4) != NULL;
    if (quoted)
        buf_char(out, '"');
    if (formula)
        buf_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"')
            buf_char(out, '"');
        buf_char(out, text.at[i]);
    }
    if (quoted)
        buf_char(out, '"');
}

static struct str since_text(instant_t since, char time[CLOCK_TEXT_MAX])
{
    return since == INSTANT_NONE ? STR_NONE : clock_rfc3339(since, time);
}

static const char *membership_findings(const struct cli_review *v, const struct review_row *m)
{
    bool due = cli_review_is_due(v, m);
    if (m->person->active)
        return due ? "unchanged" : "";
    return due ? "inactive unchanged" : "inactive";
}

/* ---- CSV */

static const char CSV_HEAD[] = "kind,findings,organization,organizationId,userName,displayName,"
                               "userId,active,role,permissions,since\r\n";

struct csv_row {
    const char *kind, *findings;
    const struct review_organization *organization;
    const struct review_row *row; /* NULL: of the organization itself */
};

static void permissions_text(struct buf *out, kiops_permission_set set)
{
    size_t from = out->len;
    for (unsigned p = 0; p < KIOPS_PERMISSIONS; p++)
        if (set & 1U << p) {
            if (out->len > from)
                buf_char(out, ' ');
            buf_str(out, kiops_permission_name((enum kiops_permission)p));
        }
}

static void csv_print(const struct csv_row *r)
{
    char time[CLOCK_TEXT_MAX];
    OWNED_BUF struct buf out, permissions;
    buf_init(&out, ROW_MAX);
    buf_init(&permissions, ROW_MAX);
    struct review_person nobody = {0};
    const struct review_person *p = r->row ? r->row->person : &nobody;
    bool member = r->row && r->row->role != KIOPS_NO_ROLE;
    permissions_text(&permissions, r->row ? r->row->permissions : 0);
    const struct str fields[] = {
        str_of(r->kind),
        str_of(r->findings),
        r->organization->name,
        r->organization->id,
        p->user_name,
        p->display,
        p->id,
        !r->row     ? STR_NONE
        : p->active ? STR("true")
                    : STR("false"),
        member ? kiops_role_name(r->row->role) : STR_NONE,
        buf_view(&permissions),
        r->row ? since_text(r->row->since, time) : STR_NONE,
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (i)
            buf_char(&out, ',');
        cli_csv_field(&out, fields[i]);
    }
    printf(STR_FMT "\r\n", STR_ARG(buf_view(&out)));
}

void cli_review_csv(const struct cli_review *v)
{
    const struct service_review *r = v->read;
    fputs(CSV_HEAD, stdout);
    for (size_t i = 0; i < r->organization_count; i++) {
        const char *seat = cli_review_seat(r->organizations[i]);
        if (seat)
            csv_print(&(struct csv_row){"organization", seat, r->organizations[i], NULL});
    }
    for (size_t i = 0; i < r->request_count; i++)
        if (cli_review_is_old(v, &r->requests[i]))
            csv_print(
                &(struct csv_row){"request", "old", r->requests[i].organization, &r->requests[i]});
    for (size_t i = 0; i < r->member_count; i++)
        csv_print(&(struct csv_row){"membership", membership_findings(v, &r->members[i]),
                                    r->members[i].organization, &r->members[i]});
}

/* ---- JSON */

static void json_print(json_t *row, bool first)
{
    OWNED_JSON json_t *owned = row;
    OWNED_BUF struct buf out;
    buf_init(&out, ROW_MAX);
    json_write(owned, &out);
    printf("%s\n" STR_FMT, first ? "" : ",", STR_ARG(buf_view(&out)));
}

static json_t *organization_json(const struct review_organization *o)
{
    json_t *row = json_object();
    json_put_str(row, "id", o->id);
    json_put_str(row, "displayName", o->name);
    return row;
}

static json_t *seat_json(const struct review_organization *o)
{
    json_t *row = organization_json(o);
    const char *seat = cli_review_seat(o);
    json_put(row, "members", json_integer((json_int_t)o->members));
    json_put(row, "managers", json_integer((json_int_t)o->managers));
    if (seat)
        json_put_str(row, "finding", str_of(seat));
    return row;
}

static json_t *row_json(const struct review_row *r, const char *time_name)
{
    char time[CLOCK_TEXT_MAX];
    json_t *row = json_object(), *user = json_object();
    json_put(row, "organization", organization_json(r->organization));
    json_put_str(user, "id", r->person->id);
    json_put_str(user, "userName", r->person->user_name);
    json_put_str(user, "displayName", r->person->display);
    json_put(user, "active", json_boolean(r->person->active));
    json_put(row, "user", user);
    if (r->since != INSTANT_NONE)
        json_put_str(row, time_name, since_text(r->since, time));
    return row;
}

static json_t *membership_json(const struct cli_review *v, const struct review_row *m)
{
    json_t *row = row_json(m, "joinDate"), *permissions = json_array(), *findings = json_array();
    for (unsigned p = 0; p < KIOPS_PERMISSIONS; p++)
        if (m->permissions & 1U << p)
            json_push(permissions,
                      json_string_safe(kiops_permission_name((enum kiops_permission)p)));
    if (!m->person->active)
        json_push(findings, json_string("inactive"));
    if (cli_review_is_due(v, m))
        json_push(findings, json_string("unchanged"));
    json_put_str(row, "role", kiops_role_name(m->role));
    json_put(row, "permissions", permissions);
    json_put(row, "findings", findings);
    return row;
}

void cli_review_json(const struct cli_review *v, size_t findings)
{
    const struct service_review *r = v->read;
    bool first = true;
    printf("{\"findings\":%zu,\"olderDays\":%lld,\"leftOut\":%zu,\"organizations\":[", findings,
           (long long)v->older_days, r->odd);
    for (size_t i = 0; i < r->organization_count; i++)
        json_print(seat_json(r->organizations[i]), i == 0);
    fputs("],\n\"requests\":[", stdout);
    for (size_t i = 0; i < r->request_count; i++)
        if (cli_review_is_old(v, &r->requests[i])) {
            json_print(row_json(&r->requests[i], "requestedAt"), first);
            first = false;
        }
    fputs("],\n\"memberships\":[", stdout);
    for (size_t i = 0; i < r->member_count; i++)
        json_print(membership_json(v, &r->members[i]), i == 0);
    fputs("]}\n", stdout);
}
