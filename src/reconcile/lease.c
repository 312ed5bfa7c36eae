/* The lease: one run of a job at a time, on whatever host. The values out and in are the proof. */
#include "reconcile/reconcile.h"

#include <unistd.h>

#include "base/own.h"

#define LEASE_US (INT64_C(120) * 1000000)

static enum reconcile_leased busy(const struct service_job *j, struct error *err)
{
    error_set(err, ERR_CONFLICT,
              "already running: " STR_FMT " holds the job until " STR_FMT
              "; wait, or after that time start again",
              STR_ARG(str_sub(j->holder, 0, 120)), STR_ARG(str_sub(j->until, 0, 40)));
    return LEASE_BUSY;
}

static bool lapsed(const struct service_job *j, instant_t now)
{
    instant_t until;
    return !j->holder.len || !clock_parse_generalized(j->until, &until) || until < now;
}

static struct service_job wish(struct reconcile_lease *l, struct str holder, struct str state)
{
    struct service_job to = l->entry;
    char text[CLOCK_TEXT_MAX];
    l->until = clock_now() + LEASE_US;
    to.holder = holder;
    to.until =
        holder.len ? arena_str(l->run->ground.arena, clock_generalized(l->until, text)) : STR_NONE;
    to.state = state;
    return to;
}

/* Writes, and reads back what the entry is now. */
static bool write_entry(struct reconcile_lease *l, const struct service_job *to, bool *lost,
                        struct error *err)
{
    const struct reconcile_run *r = l->run;
    return service_job_write(&r->ground, &l->entry, to, lost, err) &&
           service_job_read(&r->ground, r->job->name, &l->entry, err);
}

enum reconcile_leased reconcile_lease_take(const struct reconcile_run *r,
                                           struct reconcile_lease *out, struct error *err)
{
    char host[64] = "host";
    bool lost;
    *out = (struct reconcile_lease){.run = r};
    if (!service_job_read(&r->ground, r->job->name, &out->entry, err))
        return LEASE_FAILED;
    if (!lapsed(&out->entry, clock_now()))
        return busy(&out->entry, err);
    (void)gethostname(host, sizeof host - 1);
    struct str holder =
        arena_fmt(r->ground.arena, "%s:%ld:" STR_FMT, host, (long)getpid(), STR_ARG(r->ground.run));
    struct service_job to = wish(out, holder, out->entry.state);
    if (!write_entry(out, &to, &lost, err))
        return LEASE_FAILED;
    return lost || !str_eq(out->entry.holder, holder) ? busy(&out->entry, err) : LEASE_HELD;
}

enum reconcile_leased reconcile_lease_check(struct reconcile_lease *l, struct error *err)
{
    const struct reconcile_run *r = l->run;
    OWNED_ARENA struct arena *passing = arena_new();
    struct mend_ground ground = r->ground;
    struct service_job now;
    bool lost;
    ground.arena = passing;
    if (!service_job_read(&ground, r->job->name, &now, err))
        return LEASE_FAILED;
    if (!str_eq(now.holder, l->entry.holder) || !str_eq(now.until, l->entry.until))
        return busy(&now, err);
    if (l->until - clock_now() > LEASE_US / 2)
        return LEASE_HELD;
    struct str holder = l->entry.holder;
    struct service_job to = wish(l, holder, l->entry.state);
    if (!write_entry(l, &to, &lost, err))
        return LEASE_FAILED;
    return lost || !str_eq(l->entry.holder, holder) ? busy(&l->entry, err) : LEASE_HELD;
}

bool reconcile_lease_is_short(const struct reconcile_lease *l)
{
    return l->until - clock_now() < LEASE_US / 4;
}

bool reconcile_lease_state(struct reconcile_lease *l, struct str state, struct error *err)
{
    struct service_job to = wish(l, l->entry.holder, state);
    bool lost;
    if (!write_entry(l, &to, &lost, err))
        return false;
    return !lost || error_set(err, ERR_CONFLICT, "the job's entry was taken over by another run");
}

void reconcile_lease_release(struct reconcile_lease *l)
{
    struct error ignored = ERROR_INIT;
    bool lost;
    struct service_job to = wish(l, STR_NONE, l->entry.state);
    (void)!service_job_write(&l->run->ground, &l->entry, &to, &lost, &ignored);
}
