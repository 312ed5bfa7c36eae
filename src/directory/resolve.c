/* A name is looked up in a thread of its own: a resolver that hangs must not hang who waits. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "directory/internal.h"

#define HANGING_MAX 16 /* look-ups that nobody waits for any more */

struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t over;
    char *host;
    int code;
    bool done, left; /* left: whoever waited has gone; the thread cleans up */
};

static atomic_int hanging;

static void lookup_free(struct lookup *l)
{
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->over);
    free(l->host);
    free(l);
}

static struct lookup *lookup_new(const char *host)
{
    pthread_condattr_t clock;
    struct lookup *l = calloc(1, sizeof *l);
    char *copy = strdup(host);
    if (!l || !copy)
        memory_out();
    l->host = copy;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&l->over, &clock);
    pthread_condattr_destroy(&clock);
    return l;
}

static void *look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    int code = getaddrinfo(l->host, NULL, &hints, &found);
    if (code == 0)
        freeaddrinfo(found);
    pthread_mutex_lock(&l->lock);
    l->code = code;
    l->done = true;
    bool left = l->left;
    pthread_cond_signal(&l->over);
    pthread_mutex_unlock(&l->lock);
    if (left) {
        atomic_fetch_sub(&hanging, 1);
        lookup_free(l);
    }
    return NULL;
}

/* false: not over in time, and the thread has it now. */
static bool wait_for(struct lookup *l, int64_t deadline)
{
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    int waited = 0;
    pthread_mutex_lock(&l->lock);
    while (!l->done && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&l->over, &l->lock, &until);
    bool done = l->done;
    l->left = !done;
    if (!done)
        atomic_fetch_add(&hanging, 1);
    pthread_mutex_unlock(&l->lock);
    return done;
}

static bool start(struct lookup *l)
{
    pthread_t thread;
    if (atomic_load(&hanging) >= HANGING_MAX || pthread_create(&thread, NULL, look_up, l) != 0)
        return false;
    pthread_detach(thread);
    return true;
}

static bool is_number(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool resolves(const char *host, int64_t deadline)
{
    struct lookup *l = lookup_new(host);
    const char *why = "look-ups before it hang still";
    if (start(l)) {
        if (!wait_for(l, deadline)) {
            LOG_WARN("directory_unresolved", LOG_C("host", host),
                     LOG_C("reason", "no answer in time"));
            return false;
        }
        why = l->code ? gai_strerror(l->code) : NULL;
    }
    if (why)
        LOG_WARN("directory_unresolved", LOG_C("host", host), LOG_C("reason", why));
    lookup_free(l);
    return !why;
}

bool directory_resolve(const char *uri, int64_t deadline)
{
    LDAPURLDesc *url = NULL;
    if (strncasecmp(uri, "ldapi:", 6) == 0 || ldap_url_parse(uri, &url) != LDAP_URL_SUCCESS)
        return true; /* libldap says what is wrong with it */
    bool fine = !url->lud_host || !*url->lud_host || is_number(url->lud_host) ||
                resolves(url->lud_host, deadline);
    ldap_free_urldesc(url);
    return fine;
}
