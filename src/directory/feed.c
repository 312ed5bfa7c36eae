/* The feed: of a server that tells what changes, or of one that must be asked. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/hash.h"
#include "base/log.h"
#include "directory/internal.h"

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 3000

struct directory_feed {
    struct directory *directory;
    struct arena *memory;
    int wake;
    struct directory_sources sources;
    struct directory_persist *persist; /* one of the two */
    struct directory_poll *poll;
    bool was_live; /* told at least once that all is delivered */
};

static struct directory_source source_of(struct arena *a, enum directory_feed_kind kind,
                                         struct directory_search search)
{
    return (struct directory_source){
        .kind = kind,
        .search = search,
        .base = arena_cstr(a, search.base),
        .filter = search.filter.len ? arena_cstr(a, search.filter) : "(objectClass=*)",
    };
}

static void fill_sources(struct directory_feed *f)
{
    struct directory *d = f->directory;
    struct arena *a = f->memory;
    const struct config_directory *config = &d->config->directory;
    const struct directory_search users = {.base = config->users.base,
                                           .scope = DIRECTORY_SUB,
                                           .filter = config->users.filter,
                                           .attrs = directory_user_attrs(d)};
    const struct directory_search organizations = {
        .base = config->organizations.base,
        .scope = DIRECTORY_SUB,
        .filter = config->organizations.filter,
        .attrs = directory_organization_attrs(d, false, false)};
    f->sources = (struct directory_sources){
        {source_of(a, FEED_USER, users), source_of(a, FEED_ORGANIZATION, organizations),
         source_of(a, FEED_TOKEN, directory_tokens(d)),
         source_of(a, FEED_PLATFORM, directory_search_platform(d, a))},
        4};
    struct directory_search applicants = users;
    applicants.base = d->config->signup.container;
    if (d->config->signup.enabled)
        f->sources.at[f->sources.count++] = source_of(a, FEED_APPLICANT, applicants);
}

static void go_polling(struct directory_feed *f)
{
    directory_persist_free(f->persist);
    f->persist = NULL;
    f->poll = directory_poll_new(f->directory, &f->sources, f->wake);
    LOG_INFO("feed_polls", LOG_I("interval_s", f->directory->config->directory.poll_interval_s));
}

struct directory_feed *directory_feed_new(struct directory *d)
{
    struct arena *memory = arena_new();
    struct directory_feed *f = ARENA_NEW(memory, struct directory_feed);
    f->directory = d;
    f->memory = memory;
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fill_sources(f);
    if (d->config->directory.feed == CONFIG_FEED_POLL || !directory_server(d)->tells)
        go_polling(f);
    else
        f->persist = directory_persist_new(d, &f->sources, f->wake);
    return f;
}

void directory_feed_free(struct directory_feed *f)
{
    if (!f)
        return;
    directory_persist_free(f->persist);
    directory_poll_free(f->poll);
    if (f->wake >= 0)
        close(f->wake);
    arena_free(f->memory);
}

void directory_feed_wake(struct directory_feed *f)
{
    eventfd_write(f->wake, 1);
}

bool directory_feed_wait(int wake, int fd, int64_t ms)
{
    eventfd_t woken;
    struct pollfd fds[] = {{.fd = wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int ready;
    do
        ready = poll(fds, fd >= 0 ? 2 : 1, (int)ms);
    while (ready < 0 && errno == EINTR);
    return eventfd_read(wake, &woken) == 0;
}

bool directory_feed_expects(const struct directory_feed *f)
{
    return f->poll != NULL;
}

void directory_feed_expect(struct directory_feed *f, enum directory_feed_kind kind, struct str id)
{
    for (size_t i = 0; f->poll && i < f->sources.count; i++)
        if (f->sources.at[i].kind == kind)
            directory_poll_expect(f->poll, i, id);
}

int64_t directory_feed_retry(int64_t *delay)
{
    uint64_t noise = 0;
    hash_random(&noise, sizeof noise);
    int64_t pause = *delay;
    *delay = pause == 0 ? RETRY_FIRST_MS : pause * 2;
    if (*delay > RETRY_MAX_MS)
        *delay = RETRY_MAX_MS;
    return clock_deadline_in(pause / 2 + (int64_t)(noise % (uint64_t)(pause / 2 + 1)));
}

void directory_feed_next(struct directory_feed *f, struct arena *a, int wait_ms,
                         struct directory_event *out)
{
    directory_return(f->directory);
    if (f->poll) {
        directory_poll_next(f->poll, a, wait_ms, out);
        directory_saw(f->directory, out->entry.csn);
        return;
    }
    directory_persist_next(f->persist, a, wait_ms, out);
    f->was_live |= out->kind == FEED_LIVE;
    if (f->directory->config->directory.feed == CONFIG_FEED_AUTO &&
        directory_persist_is_unknown(f->persist)) {
        go_polling(f);
        if (out->kind == FEED_LOST && !f->was_live)
            out->kind = FEED_IDLE; /* nothing is lost: it is asked from now on */
    }
}
