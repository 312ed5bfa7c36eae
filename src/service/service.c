/* The process-wide part: threads started and stopped, and the questions that health and metrics
 * ask. */
#include "service/internal.h"

#include "base/memory.h"
#include "service/notice.h"

#include <string.h>
#include <time.h>

#define READERS 4
/* Confirmations, or scans, that wait; each holds one suspended connection. */
#define READ_QUEUE 4096

static bool find_types(struct service *s, struct error *err)
{
    static const struct service_resource *const all[] = {&service_users, &service_groups,
                                                         &service_memberships};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct scim_resource_type *type = scim_catalog_type(s->catalog, all[i]->name);
        bool optional =
            all[i]->kind == REPLICA_MEMBERSHIP && !config_has_schema(&s->config->directory);
        if (!type && !optional)
            return error_set(err, ERR_CONFIG,
                             "mapping.schema_dir: has no resource type " STR_FMT
                             "; name the directory that came with this program",
                             STR_ARG(all[i]->name));
        s->types[all[i]->kind] = type;
    }
    return true;
}

bool service_start(const struct service_settings *settings, struct service **out, struct error *err)
{
    const struct config *config = settings->config;
    struct service *s = must(calloc(1, sizeof *s));
    s->config = config;
    s->catalog = settings->catalog;
    if (!find_types(s, err) || !cursor_key_load(config, s->cursor_key, err)) {
        free(s);
        return false;
    }
    s->directory = settings->directory;
    s->audit = settings->audit;
    s->passing = settings->passing;
    char *base = NULL;
    if (asprintf(&base, STR_FMT "/scim/v2", STR_ARG(config->server.public_url)) < 0)
        memory_out();
    s->base = str_of(base);
    s->replica = replica_new(&(struct replica_settings){
        .base = s->base,
        .catalog = s->catalog,
        .directory = s->directory,
        .placeholder_dn = config->directory.organizations.placeholder_dn,
        .owners_alone = !config_has_schema(&config->directory),
    });
    if (!notices_start(&(struct notice_settings){&config->webhook, s->replica, s->base},
                       &s->notices, err)) {
        replica_free(s->replica);
        free(base);
        free(s);
        return false;
    }
    s->signins = signins_new();
    s->writers = workers_start(s->directory, DIRECTORY_WRITER, config->server.writers,
                               config->server.write_queue);
    s->readers = workers_start(s->directory, DIRECTORY_SERVICE, READERS, READ_QUEUE);
    s->scanners =
        workers_start(s->directory, DIRECTORY_SERVICE, config->server.threads, READ_QUEUE);
    s->feed = directory_feed_new(s->directory);
    if (pthread_create(&s->feed_thread, NULL, service_feed_thread, s) != 0) {
        error_set(err, ERR_CONFIG, "cannot start a thread: raise the limit on processes");
        workers_stop(s->writers);
        workers_stop(s->readers);
        workers_stop(s->scanners);
        directory_feed_free(s->feed);
        notices_stop(s->notices);
        signins_free(s->signins);
        replica_free(s->replica);
        free(base);
        free(s);
        return false;
    }
    *out = s;
    return true;
}

void service_stop(struct service *s)
{
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    directory_feed_wake(s->feed);
    pthread_join(s->feed_thread, NULL);
    workers_stop(s->writers);
    workers_stop(s->readers);
    workers_stop(s->scanners);
    notices_stop(s->notices); /* what the last writes had to tell */
    directory_feed_free(s->feed);
    signins_free(s->signins);
    replica_free(s->replica);
    free((char *)(uintptr_t)s->base.at);
    explicit_bzero(s->cursor_key, sizeof s->cursor_key);
    free(s);
}

const struct scim_catalog *service_catalog(const struct service *s)
{
    return s->catalog;
}

const struct scim_resource_type *service_type(const struct service *s, enum replica_kind kind)
{
    return s->types[kind];
}

struct replica *service_replica(const struct service *s)
{
    return s->replica;
}

bool service_readable(const struct service *s, struct error *err)
{
    if (!replica_ready(s->replica))
        return error_set(err, ERR_UNAVAILABLE,
                         "the directory has not been read completely yet; try again soon");
    if (replica_staleness_ms(s->replica) > (int64_t)s->config->directory.stale_after_s * 1000)
        return error_set(err, ERR_UNAVAILABLE,
                         "the directory has not answered for more than %d s; try again",
                         s->config->directory.stale_after_s);
    return true;
}

bool service_await(const struct service *s, int64_t deadline, struct error *err)
{
    const struct timespec pause = {.tv_nsec = 5 * 1000000L};
    struct error not_yet = ERROR_INIT;
    while (!service_readable(s, &not_yet)) {
        if (atomic_load(&s->reads_failed))
            return error_set(err, ERR_UNAVAILABLE,
                             "KB-C101: the directory could not be read to the end: nothing was "
                             "concluded from it; the log says why");
        if (clock_left_ms(deadline) == 0) {
            *err = not_yet;
            return false;
        }
        error_clear(&not_yet);
        nanosleep(&pause, NULL);
    }
    return true;
}

bool service_ready(const struct service *s)
{
    struct error ignored = ERROR_INIT;
    return service_readable(s, &ignored) && audit_healthy(s->audit);
}

bool service_writer_submit(struct service *s, struct str key, service_run *run, void *arg,
                           struct error *err)
{
    struct service_task job = {.run = run, .arg = arg, .search.nothing = true};
    return workers_submit(s->writers, key, &job, err);
}

void service_writer_continue(struct service *s, struct str key, service_run *run, void *arg)
{
    struct service_task job = {.run = run, .arg = arg, .search.nothing = true};
    workers_continue(s->writers, key, &job);
}

bool service_reader_submit(struct service *s, const struct service_task *task, struct error *err)
{
    return workers_submit(s->readers, STR_NONE, task, err);
}

bool service_scanner_submit(struct service *s, struct str client, service_run *run, void *arg,
                            struct error *err)
{
    struct service_task job = {.run = run, .arg = arg, .search.nothing = true};
    return workers_submit(s->scanners, client, &job, err);
}

void service_figures(const struct service *s, struct service_figures *out)
{
    *out = (struct service_figures){
        .queue_writes = workers_waiting(s->writers),
        .queue_reads = workers_waiting(s->readers),
        .queue_scans = workers_waiting(s->scanners),
        .unknown_outcomes = atomic_load(&s->unknown_outcomes),
        .lost_races = atomic_load(&s->lost_races),
        .feed_events = atomic_load(&s->feed_events),
        .signups = atomic_load(&s->signups),
        .signups_dropped = atomic_load(&s->signups_dropped),
        .signups_expired = atomic_load(&s->signups_expired),
    };
    notices_figures(s->notices, &out->notices);
    out->ldap_count = directory_figures(s->directory, out->ldap);
    directory_server_figures(s->directory, &out->server);
    for (size_t i = 0; i < sizeof out->refused_by_rule / sizeof *out->refused_by_rule; i++)
        out->refused_by_rule[i] = atomic_load(&s->refused_by_rule[i]);
}
