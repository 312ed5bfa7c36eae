/* The file of records: opened for life, continued, rotated; one fsync serves all who wait. */
#include "audit/internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define CONTENT_MAX ((size_t)32 * 1024 * 1024)
#define LOCK_WAIT_MS 30000

struct audit {
    struct audit_writer *writer;
    int lock_fd;
};

/* flock has no deadline of its own. */
static bool take_lock(int fd, bool wait)
{
    const int64_t deadline = clock_deadline_in(wait ? LOCK_WAIT_MS : 0);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || !clock_left_ms(deadline))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return true;
}

/* The lock has a file of its own, because rotation exchanges the others. */
static bool lock_chain(const struct audit_settings *s, int *out, struct error *err)
{
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, STR_FMT "/audit-" STR_FMT ".lock", STR_ARG(s->dir),
                           STR_ARG(s->kind));
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(err, ERR_CONFIG, "audit.dir: is too long");
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return error_set(err, ERR_CONFIG,
                         "%s: cannot be opened (%s); give this user an audit.dir to write to", path,
                         strerrordesc_np(errno));
    if (!take_lock(fd, s->wait_lock)) {
        close(fd);
        return error_set(err, ERR_CONFIG,
                         "%s: is held by another process; two bridges on one host need two "
                         "audit.dir",
                         path);
    }
    *out = fd;
    return true;
}

static bool make_dir(struct str dir, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    if (mkdir(arena_cstr(a, dir), 0750) == 0 || errno == EEXIST)
        return true;
    return error_set(err, ERR_CONFIG, STR_FMT ": cannot be made (%s); create audit.dir",
                     STR_ARG(dir), strerrordesc_np(errno));
}

bool audit_open(const struct audit_settings *s, struct audit **out, struct error *err)
{
    hash_init();
    if (!make_dir(s->dir, err))
        return false;
    struct audit *a = must(calloc(1, sizeof *a));
    a->lock_fd = -1;
    a->writer = audit_writer_new(s);
    if (!lock_chain(s, &a->lock_fd, err) || !audit_writer_open(a->writer, err)) {
        audit_close(a);
        return false;
    }
    *out = a;
    return true;
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    audit_writer_free(a->writer);
    if (a->lock_fd >= 0)
        close(a->lock_fd);
    free(a);
}

bool audit_batch_intents(struct audit *a, const struct audit_batch *batch, uint64_t *intents,
                         struct error *err)
{
    OWNED_BUF struct buf contents;
    buf_init(&contents, CONTENT_MAX);
    for (size_t i = 0; i < batch->count; i++) {
        if (i)
            buf_char(&contents, '\n');
        audit_write_change(&contents, "intent", &batch->records[i], batch->request_id);
    }
    if (contents.failed)
        return error_set(err, ERR_TOO_LARGE,
                         "The request changes more than one audit record can "
                         "hold. Send it in parts.");
    uint64_t first;
    if (!batch->count)
        return true;
    if (!audit_writer_append(a->writer, buf_view(&contents), true, &first, err))
        return false;
    for (size_t i = 0; i < batch->count; i++)
        intents[i] = first + i;
    return true;
}

bool audit_intent(struct audit *a, const struct kiops_record *record, struct str request_id,
                  uint64_t *intent, struct error *err)
{
    const struct audit_batch one = {record, 1, request_id};
    return audit_batch_intents(a, &one, intent, err);
}

/* The writer logs when the file cannot be written; the change stands, and its intent without an
 * outcome says where to look. */
static void append_and_go_on(struct audit *a, const struct buf *content)
{
    struct error ignored = ERROR_INIT;
    uint64_t seq;
    if (!audit_writer_append(a->writer, buf_view(content), false, &seq, &ignored))
        LOG_ERROR("audit_record_lost", LOG_S("record", buf_view(content)));
}

void audit_outcome(struct audit *a, uint64_t intent, enum audit_result result, struct str detail)
{
    OWNED_BUF struct buf content;
    buf_init(&content, CONTENT_MAX);
    audit_write_outcome(&content, intent, result, detail);
    append_and_go_on(a, &content);
}

void audit_made(struct audit *a, uint64_t intent, struct str subject)
{
    OWNED_BUF struct buf content;
    buf_init(&content, CONTENT_MAX);
    audit_write_made(&content, intent, subject);
    append_and_go_on(a, &content);
}

void audit_refusal(struct audit *a, const struct kiops_record *record, struct str request_id)
{
    OWNED_BUF struct buf content;
    buf_init(&content, CONTENT_MAX);
    audit_write_change(&content, "refusal", record, request_id);
    append_and_go_on(a, &content);
}

/* With traffic sent elsewhere while this bridge is red, no request would ever prove that the disk
 * is back: so the question itself tries, and leaves a record of the gap. */
bool audit_healthy(const struct audit *a)
{
    if (audit_writer_healthy(a->writer))
        return true;
    OWNED_BUF struct buf content;
    buf_init(&content, 4096);
    audit_write_note(&content, "recovered", STR("records could not be written before this one"));
    struct error ignored = ERROR_INIT;
    uint64_t seq;
    return audit_writer_append(a->writer, buf_view(&content), true, &seq, &ignored);
}
