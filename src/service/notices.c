/* The notices that wait, and the thread that sends them. A receiver that is away, slow or hostile
 * costs this thread its time and nobody else. */
#include "service/notice.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/own.h"
#include "remote/remote.h"

#define BODY_MAX ((size_t)16 * 1024)
#define SECRET_MIN 16
#define SECRET_MAX 4096
#define LAST_TRY_MS 1000
/* So many wait for a second look; beyond them it is made at once. */
#define UNCERTAIN_MAX (NOTICES_MAX / 4)

struct entry {
    struct notice what; /* its texts are the entry's */
    char *organization, *user;
    char id[33]; /* of the notice */
    struct buf body;
    unsigned tries;
    int64_t told, due, ends; /* monotonic ms */
};

struct notices {
    struct notice_settings settings;
    struct buf key;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake, ended;
    struct entry *at[NOTICES_MAX];
    size_t count, uncertain;
    uint64_t sent, failed, dropped;
    bool stopping, has_ended;
    atomic_bool abort; /* what is under way ends */
};

/* ---- one entry */

static void entry_free(struct entry *e)
{
    free(e->organization);
    free(e->user);
    buf_free(&e->body);
    free(e);
}

static struct entry *entry_new(const struct notices *n, const struct notice *what)
{
    struct entry *e = must(calloc(1, sizeof *e));
    uint64_t random[2];
    hash_random(random, sizeof random);
    snprintf(e->id, sizeof e->id, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    e->organization = must(strndup(what->organization.at, what->organization.len));
    e->user = must(strndup(what->user.at, what->user.len));
    e->what = *what;
    e->what.organization = str_of(e->organization);
    e->what.user = str_of(e->user);
    e->told = clock_monotonic_ms();
    e->due = clock_deadline_in(what->certain ? 0 : NOTICE_SETTLE_MS);
    e->ends = clock_deadline_in(NOTICE_LIFE_MS);
    const instant_t second = 1000000;
    const struct notice_text text = {str_of(e->id), clock_now() / second * second};
    buf_init(&e->body, BODY_MAX);
    notice_write(&n->settings, what, &text, &e->body);
    e->what.request_id = STR_NONE;
    return e;
}

static const char *event_name(const struct entry *e)
{
    return e->what.event == NOTICE_REQUEST ? "request" : "vacant-seat";
}

/* ---- telling */

/* One look is enough for all Managers of an organization who go at once. n->lock is held. */
static bool is_looked_for(const struct notices *n, const struct notice *what)
{
    for (size_t i = 0; !what->certain && i < n->count; i++) {
        const struct notice *w = &n->at[i]->what;
        if (!w->certain && w->event == what->event && str_eq(w->organization, what->organization) &&
            (what->event == NOTICE_VACANT_SEAT || str_eq(w->user, what->user)))
            return true;
    }
    return false;
}

static bool put(struct notices *n, struct entry *e)
{
    bool room = n->count < NOTICES_MAX && !e->body.failed;
    if (room) {
        n->at[n->count++] = e;
        n->uncertain += !e->what.certain;
        pthread_cond_signal(&n->wake);
    } else {
        n->dropped++;
    }
    return room;
}

static void drop(struct notices *n, struct entry *e)
{
    size_t i = 0;
    while (n->at[i] != e)
        i++;
    n->count--;
    memmove(&n->at[i], &n->at[i + 1], (n->count - i) * sizeof *n->at);
    n->uncertain -= !e->what.certain;
    entry_free(e);
}

static bool is_crowded(struct notices *n)
{
    pthread_mutex_lock(&n->lock);
    bool crowded = n->uncertain >= UNCERTAIN_MAX;
    pthread_mutex_unlock(&n->lock);
    return crowded;
}

void notices_tell(struct notices *n, const struct notice *what)
{
    struct notice now = *what;
    if (!n)
        return;
    if (!now.certain && is_crowded(n)) {
        if (!notice_holds(n->settings.replica, what))
            return;
        now.certain = true;
    }
    struct entry *e = entry_new(n, &now);
    pthread_mutex_lock(&n->lock);
    bool known = is_looked_for(n, &now), kept = !known && put(n, e);
    pthread_mutex_unlock(&n->lock);
    if (kept)
        return;
    if (!known)
        LOG_WARN("webhook_dropped", LOG_C("event", event_name(e)),
                 LOG_S("organization", e->what.organization), LOG_S("user", e->what.user),
                 LOG_C("reason", "too many notices wait for the receiver"));
    entry_free(e);
}

/* ---- sending */

/* At a stop everything that was never tried is due. */
static int64_t due_of(const struct notices *n, const struct entry *e)
{
    return n->stopping && !e->tries ? 0 : e->due;
}

static struct entry *next(const struct notices *n)
{
    struct entry *first = NULL;
    for (size_t i = 0; i < n->count; i++)
        if (!first || due_of(n, n->at[i]) < due_of(n, first))
            first = n->at[i];
    return first;
}

static struct timespec until(int64_t due)
{
    return (struct timespec){.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
}

/* The first that is due; NULL: the end. n->lock is held. */
static struct entry *wait_for_due(struct notices *n)
{
    for (;;) {
        struct entry *e = next(n);
        if (e && clock_left_ms(due_of(n, e)) == 0)
            return atomic_load(&n->abort) ? NULL : e;
        if (n->stopping)
            return NULL;
        if (!e) {
            pthread_cond_wait(&n->wake, &n->lock);
            continue;
        }
        const struct timespec at = until(e->due);
        (void)pthread_cond_timedwait(&n->wake, &n->lock, &at);
    }
}

static enum notice_fate try_once(struct notices *n, const struct entry *e,
                                 struct remote_answer *answer, struct error *why)
{
    char signature[NOTICE_SIGNATURE_MAX];
    notice_sign(buf_view(&n->key), buf_view(&e->body), signature);
    const char *const headers[] = {"Content-Type: application/json", signature, NULL};
    const struct remote_request request = {
        .url = n->settings.config->url,
        .deadline = clock_deadline_in(n->settings.config->timeout_s * INT64_C(1000)),
        .body = buf_view(&e->body),
        .headers = headers,
        .stop = &n->abort,
    };
    if (!remote_post(&request, answer, why))
        return NOTICE_AGAIN;
    enum notice_fate fate = notice_fate(answer->status);
    if (fate != NOTICE_TAKEN)
        error_set(why, ERR_UNAVAILABLE, "status %d", answer->status);
    return fate;
}

/* Of one that failed: the first time, and when nothing more is done about it. */
static void log_failure(const struct entry *e, bool given_up, const struct error *why)
{
    if (given_up)
        LOG_WARN("webhook_failed", LOG_C("id", e->id), LOG_C("event", event_name(e)),
                 LOG_S("organization", e->what.organization), LOG_S("user", e->what.user),
                 LOG_I("tries", e->tries), LOG_C("reason", why->detail));
    else if (e->tries == 1)
        LOG_WARN("webhook_retry", LOG_C("id", e->id), LOG_C("event", event_name(e)),
                 LOG_C("reason", why->detail));
}

static void send_one(struct notices *n, struct entry *e)
{
    struct remote_answer answer = {0};
    struct error why = ERROR_INIT;
    enum notice_fate fate = try_once(n, e, &answer, &why);
    uint32_t random;
    hash_random(&random, sizeof random);
    e->tries++;
    bool given_up = fate == NOTICE_REFUSED || (fate == NOTICE_AGAIN && clock_left_ms(e->ends) == 0);
    if (fate != NOTICE_TAKEN)
        log_failure(e, given_up, &why);
    pthread_mutex_lock(&n->lock);
    e->due = clock_deadline_in(notice_pause_ms(e->tries, answer.retry_after_s, random));
    n->sent += fate == NOTICE_TAKEN;
    n->failed += given_up;
    if (fate == NOTICE_TAKEN || given_up)
        drop(n, e);
    pthread_mutex_unlock(&n->lock);
}

/* Of those that are not certain, as `one`: they are told in the order in which they came. */
static struct entry *oldest_like(const struct notices *n, struct entry *one)
{
    for (size_t i = 0; i < n->count; i++)
        if (!n->at[i]->what.certain && n->at[i]->told < one->told)
            one = n->at[i];
    return one;
}

/* The second look; while the feed is away, or before the next poll, it would be none. The lock is
 * held, so that whoever leaves it to this look is seen by it. */
static void look_again(struct notices *n, struct entry *due)
{
    struct entry *e = oldest_like(n, due);
    bool known = replica_has_seen(n->settings.replica, e->told) || clock_left_ms(e->ends) == 0;
    if (!known && !n->stopping) {
        due->due = e->due = clock_deadline_in(NOTICE_LOOK_MS);
    } else if (notice_holds(n->settings.replica, &e->what)) {
        e->what.certain = true;
        n->uncertain--;
    } else {
        drop(n, e);
    }
}

static void *work(void *arg)
{
    struct notices *n = arg;
    pthread_mutex_lock(&n->lock);
    for (struct entry *e; (e = wait_for_due(n));) {
        if (!e->what.certain) {
            look_again(n, e);
            continue;
        }
        pthread_mutex_unlock(&n->lock);
        send_one(n, e);
        pthread_mutex_lock(&n->lock);
    }
    n->has_ended = true;
    pthread_cond_signal(&n->ended);
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

/* ---- start and stop */

static bool read_key(const struct config_webhook *config, struct buf *key, struct error *err)
{
    buf_init(key, SECRET_MAX);
    return config_read_secret(config->secret_file, key, err) &&
           (key->len >= SECRET_MIN ||
            error_set(err, ERR_CONFIG,
                      STR_FMT ": is shorter than %d bytes; write what `openssl rand -hex 32` "
                              "prints into it",
                      STR_ARG(config->secret_file), SECRET_MIN));
}

static void release(struct notices *n)
{
    for (size_t i = 0; i < n->count; i++)
        entry_free(n->at[i]);
    own_secret_release(&n->key);
    pthread_cond_destroy(&n->wake);
    pthread_cond_destroy(&n->ended);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

bool notices_start(const struct notice_settings *s, struct notices **out, struct error *err)
{
    pthread_condattr_t monotonic;
    *out = NULL;
    if (!s->config->url.len)
        return true;
    struct notices *n = must(calloc(1, sizeof *n));
    n->settings = *s;
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&n->wake, &monotonic);
    pthread_cond_init(&n->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    bool started =
        read_key(s->config, &n->key, err) &&
        (pthread_create(&n->thread, NULL, work, n) == 0 ||
         error_set(err, ERR_CONFIG, "cannot start a thread: raise the limit on processes"));
    if (started)
        *out = n;
    else
        release(n);
    return started;
}

void notices_stop(struct notices *n)
{
    if (!n)
        return;
    const struct timespec last = until(clock_deadline_in(LAST_TRY_MS));
    pthread_mutex_lock(&n->lock);
    n->stopping = true;
    pthread_cond_signal(&n->wake);
    while (!n->has_ended && pthread_cond_timedwait(&n->ended, &n->lock, &last) == 0)
        continue;
    pthread_mutex_unlock(&n->lock);
    atomic_store(&n->abort, true);
    pthread_join(n->thread, NULL);
    if (n->count)
        LOG_WARN("webhook_unsent", LOG_I("notices", n->count),
                 LOG_C("reason", "the bridge stops; `kiops-bridge review` shows what waits"));
    release(n);
}

void notices_figures(struct notices *n, struct service_notice_figures *out)
{
    *out = (struct service_notice_figures){0};
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    *out = (struct service_notice_figures){n->sent, n->failed, n->dropped, n->count};
    pthread_mutex_unlock(&n->lock);
}
