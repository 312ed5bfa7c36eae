/*
 * Lines onto the disk. A line is written under the lock, so the file always is the chain; the disk
 * is waited for without it: whoever comes first calls fdatasync for all that were written before,
 * the others wait for it or for the next.
 *
 * What failed is cut off the file again, so that the chain goes on from what is known to be on
 * disk, and the next append tries anew.
 */
#include "audit/internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/own.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#define BATCH_MAX ((size_t)64 * 1024 * 1024)

struct waiter {
    struct waiter *next;
    bool done, on_disk;
};

struct audit_writer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *dir, *kind;
    bool sync;
    uint64_t rotate_bytes;

    int fd;
    struct audit_end written; /* the end of the file */
    struct audit_end on_disk; /* what a power failure leaves at least */
    struct waiter *waiters;   /* written, and in no fdatasync yet */
    bool syncing;
    bool renamed;   /* a rotation that the folder may not have on disk yet */
    bool misshapen; /* a cut failed: the file is longer than `written` */
    atomic_bool healthy;
};

struct audit_writer *audit_writer_new(const struct audit_settings *s)
{
    struct audit_writer *w = calloc(1, sizeof *w);
    char *dir = strndup(s->dir.at, s->dir.len), *kind = strndup(s->kind.at, s->kind.len);
    if (!w || !dir || !kind)
        memory_out();
    *w = (struct audit_writer){.lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER,
                               .dir = dir,
                               .kind = kind,
                               .sync = s->sync,
                               .rotate_bytes = s->rotate_bytes,
                               .fd = -1};
    atomic_init(&w->healthy, true);
    return w;
}

void audit_writer_free(struct audit_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w->dir);
    free(w->kind);
    free(w);
}

bool audit_writer_healthy(const struct audit_writer *w)
{
    return atomic_load(&w->healthy);
}

/* One line when it begins and one when it ends, however many requests fail between. */
static void set_healthy(struct audit_writer *w, bool healthy, const char *step)
{
    const int reason = errno;
    if (atomic_exchange(&w->healthy, healthy) == healthy)
        return;
    if (healthy)
        LOG_INFO("audit_recovered", LOG_C("kind", w->kind));
    else
        LOG_ERROR("audit_unavailable", LOG_C("kind", w->kind), LOG_C("step", step),
                  LOG_C("reason", strerrordesc_np(reason)));
}

/* ---- all below: under the lock */

static void cut(struct audit_writer *w)
{
    w->misshapen = ftruncate(w->fd, (off_t)w->written.size) != 0;
}

static void wake(struct audit_writer *w, struct waiter *list, bool on_disk)
{
    while (list) {
        struct waiter *next = list->next; /* the waiter is gone once it sees `done` */
        list->on_disk = on_disk;
        list->done = true;
        list = next;
    }
    pthread_cond_broadcast(&w->changed);
}

/* Nothing behind `on_disk` can be trusted, whoever wrote it. */
static void fall_back(struct audit_writer *w)
{
    set_healthy(w, false, "sync");
    w->written = w->on_disk;
    cut(w);
    wake(w, TAKE(w->waiters), false);
}

static bool sync_dir(const struct audit_writer *w)
{
    OWNED_FD const int fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

static void sync_all(struct audit_writer *w)
{
    const struct audit_end reached = w->written;
    struct waiter *batch = TAKE(w->waiters);
    w->syncing = true;
    pthread_mutex_unlock(&w->lock);
    const bool synced = fdatasync(w->fd) == 0 && (!w->renamed || sync_dir(w));
    const int reason = errno;
    pthread_mutex_lock(&w->lock);
    w->syncing = false;
    errno = reason;
    if (synced) {
        w->renamed = false;
        w->on_disk = reached;
        set_healthy(w, true, "");
    } else {
        fall_back(w);
    }
    wake(w, batch, synced);
}

static bool write_all(int fd, struct str bytes, uint64_t at)
{
    while (bytes.len) {
        const ssize_t n = pwrite(fd, bytes.at, bytes.len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_sub(bytes, (size_t)n, bytes.len);
        at += (size_t)n;
    }
    return true;
}

/* The new file stands ready under another name first: at no moment is there a chain that cannot go
 * on, and a step that fails leaves the old file in use. */
static bool exchange_files(struct audit_writer *w, int *fresh)
{
    struct audit_path now, old, next;
    const struct str dir = str_of(w->dir), kind = str_of(w->kind);
    if (!audit_path_current(dir, kind, &now) ||
        !audit_path_rotated(dir, kind, w->written.seq, &old))
        return false;
    const int n = snprintf(next.at, sizeof next.at, "%s.new", now.at);
    if (n < 0 || (size_t)n >= sizeof next.at)
        return false;
    *fresh = open(next.at, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (*fresh < 0)
        return false;
    if (rename(now.at, old.at) == 0) {
        if (rename(next.at, now.at) == 0)
            return true;
        rename(old.at, now.at);
    }
    unlink(next.at);
    close(*fresh);
    return false;
}

static void rotate(struct audit_writer *w)
{
    while (w->syncing)
        pthread_cond_wait(&w->changed, &w->lock);
    if (w->written.size < w->rotate_bytes)
        return; /* another one was faster */
    if (w->sync && fdatasync(w->fd) != 0) {
        fall_back(w);
        return;
    }
    w->on_disk = w->written;
    wake(w, TAKE(w->waiters), true);
    int fresh;
    if (!exchange_files(w, &fresh))
        return;
    close(w->fd);
    w->fd = fresh;
    w->written.size = 0;
    w->on_disk = w->written;
    w->renamed = true;
}

/* Writes the sealed lines behind the chain. */
static bool write_lines(struct audit_writer *w, struct str contents, uint64_t *first)
{
    OWNED_BUF struct buf lines;
    buf_init(&lines, BATCH_MAX);
    struct audit_end end = w->written;
    struct str rest = contents, content;
    *first = end.seq + 1;
    while (str_split(&rest, '\n', &content))
        audit_seal(&end, content, &lines);
    if (w->misshapen)
        cut(w);
    errno = EFBIG;
    if (w->misshapen || lines.failed || !write_all(w->fd, buf_view(&lines), w->written.size)) {
        set_healthy(w, false, "write");
        cut(w);
        return false;
    }
    w->written = end;
    if (!w->sync) {
        w->on_disk = end;
        set_healthy(w, true, "");
    }
    return true;
}

static bool wait_for_disk(struct audit_writer *w)
{
    struct waiter self = {.next = w->waiters};
    w->waiters = &self;
    while (!self.done) {
        if (w->syncing)
            pthread_cond_wait(&w->changed, &w->lock);
        else
            sync_all(w);
    }
    return self.on_disk;
}

bool audit_writer_append(struct audit_writer *w, struct str contents, bool wait, uint64_t *first,
                         struct error *err)
{
    uint64_t seq;
    pthread_mutex_lock(&w->lock);
    if (w->written.size >= w->rotate_bytes)
        rotate(w);
    bool kept = write_lines(w, contents, &seq);
    if (kept && wait && w->sync)
        kept = wait_for_disk(w);
    pthread_mutex_unlock(&w->lock);
    if (!kept)
        return error_set(err, ERR_UNAVAILABLE,
                         "The audit record could not be written, so no change was made. Try again "
                         "later.");
    *first = seq;
    return true;
}

/* ---- opening */

/* The current file has no record: its chain goes on from the newest rotated one. */
static bool continue_rotated(const struct audit_writer *w, struct audit_end *end, struct error *err)
{
    struct audit_path path;
    if (!audit_path_newest(str_of(w->dir), str_of(w->kind), &path))
        return true;
    OWNED_BUF struct buf torn;
    buf_init(&torn, 8192);
    struct audit_end before;
    OWNED_FD const int fd = open(path.at, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERR_CONFIG, "%s: cannot be opened (%s)", path.at,
                         strerrordesc_np(errno));
    if (!audit_file_end(fd, path.at, &before, &torn, err))
        return false;
    *end = before;
    end->size = 0;
    return true;
}

static bool note_torn(struct audit_writer *w, uint64_t bytes, struct buf *torn, struct error *err)
{
    OWNED_BUF struct buf detail, content;
    buf_init(&detail, 16384);
    buf_init(&content, 65536);
    for (size_t i = 0; i < torn->len; i++)
        if (torn->at[i] == '\0')
            torn->at[i] = '?';
    buf_fmt(&detail,
            "%llu bytes of an unfinished record were cut off: ", (unsigned long long)bytes);
    buf_str(&detail, buf_view(torn));
    audit_write_note(&content, "torn record", buf_view(&detail));
    uint64_t seq;
    return audit_writer_append(w, buf_view(&content), true, &seq, err);
}

bool audit_writer_open(struct audit_writer *w, struct error *err)
{
    struct audit_path path;
    OWNED_BUF struct buf torn;
    buf_init(&torn, 8192);
    if (!audit_path_current(str_of(w->dir), str_of(w->kind), &path))
        return error_set(err, ERR_CONFIG, "audit.dir: is too long");
    w->fd = open(path.at, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (w->fd < 0)
        return error_set(err, ERR_CONFIG, "%s: cannot be opened (%s)", path.at,
                         strerrordesc_np(errno));
    if (!audit_file_end(w->fd, path.at, &w->written, &torn, err))
        return false;
    if (!w->written.seq && !continue_rotated(w, &w->written, err))
        return false;
    const uint64_t cut_off = audit_torn_bytes(w->fd, &w->written);
    if (ftruncate(w->fd, (off_t)w->written.size) || fdatasync(w->fd) || !sync_dir(w))
        return error_set(err, ERR_CONFIG, "%s: cannot be written (%s)", path.at,
                         strerrordesc_np(errno));
    w->on_disk = w->written;
    return !cut_off || note_torn(w, cut_off, &torn, err);
}
