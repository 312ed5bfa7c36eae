/* The review for people: what asks for somebody's hand first, then the list of each organization.
 */
#include <stdio.h>

#include "base/own.h"
#include "cli/review.h"

#define NAME_MAX_BYTES (1 << 20)

static void put_name(struct str name)
{
    OWNED_BUF struct buf out;
    buf_init(&out, NAME_MAX_BYTES);
    cli_plain(&out, name);
    printf(STR_FMT, STR_ARG(buf_view(&out)));
}

static void put_person(const struct review_person *p)
{
    put_name(p->user_name);
    if (str_eq(p->user_name, p->display))
        return;
    fputs(" (", stdout);
    put_name(p->display);
    fputs(")", stdout);
}

static void put_day(instant_t since)
{
    char time[CLOCK_TEXT_MAX];
    if (since == INSTANT_NONE)
        fputs("since nobody knows when", stdout);
    else
        printf("since " STR_FMT, STR_ARG(str_sub(clock_rfc3339(since, time), 0, 10)));
}

/* ---- what asks for a hand */

static const struct {
    const char *finding, *text;
} SEATS[] = {
    {"vacant-seat", "the seat is vacant: a PlatformAdmin makes a member Manager"},
    {"no-manager", "has no Manager yet: a PlatformAdmin makes a member Manager"},
    {"one-manager", "has one Manager; two or three are recommended"},
};

static void put_seats(const struct service_review *r)
{
    for (size_t k = 0; k < sizeof SEATS / sizeof *SEATS; k++)
        for (size_t i = 0; i < r->organization_count; i++) {
            const char *seat = cli_review_seat(r->organizations[i]);
            if (!seat || !str_eq(str_of(seat), str_of(SEATS[k].finding)))
                continue;
            printf("%s: ", seat);
            put_name(r->organizations[i]->name);
            printf(" %s\n", SEATS[k].text);
        }
}

static void put_requests(const struct cli_review *v)
{
    for (size_t i = 0; i < v->read->request_count; i++) {
        const struct review_row *row = &v->read->requests[i];
        if (!cli_review_is_old(v, row))
            continue;
        fputs("old request: ", stdout);
        put_person(row->person);
        fputs(" asks to join ", stdout);
        put_name(row->organization->name);
        fputs(" ", stdout);
        put_day(row->since);
        fputs("\n", stdout);
    }
}

static void put_inactive(const struct service_review *r)
{
    for (size_t i = 0; i < r->member_count; i++) {
        const struct review_row *row = &r->members[i];
        if (row->person->active)
            continue;
        fputs("inactive: ", stdout);
        put_person(row->person);
        fputs(" is still in ", stdout);
        put_name(row->organization->name);
        fputs("\n", stdout);
    }
}

/* ---- the list */

static void put_membership(const struct cli_review *v, const struct review_row *m)
{
    fputs(cli_review_is_due(v, m) ? "  * " : "    ", stdout);
    put_person(m->person);
    printf(", " STR_FMT, STR_ARG(kiops_role_name(m->role)));
    for (unsigned p = 0; p < KIOPS_PERMISSIONS; p++)
        if (m->permissions & 1U << p)
            printf(" " STR_FMT, STR_ARG(kiops_permission_name((enum kiops_permission)p)));
    fputs(", ", stdout);
    put_day(m->since);
    fputs(m->person->active ? "\n" : ", inactive\n", stdout);
}

static void put_list(const struct cli_review *v)
{
    const struct service_review *r = v->read;
    const struct review_organization *last = NULL;
    if (r->member_count)
        fputs("\nMemberships (* = unchanged for a quarter: confirm it or end it)\n", stdout);
    for (size_t i = 0; i < r->member_count; i++) {
        const struct review_organization *o = r->members[i].organization;
        if (o != last) {
            put_name(o->name);
            printf(": %zu members, %zu of them Managers that count\n", o->members, o->managers);
        }
        last = o;
        put_membership(v, &r->members[i]);
    }
}

void cli_review_text(const struct cli_review *v, size_t findings)
{
    put_seats(v->read);
    put_requests(v);
    put_inactive(v->read);
    if (!findings)
        fputs("nothing to review\n", stdout);
    put_list(v);
}
