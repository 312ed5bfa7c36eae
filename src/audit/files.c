/* The files of a chain: their names, their order, and where one ends. */
#include "audit/internal.h"

#include "base/own.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define WINDOW ((uint64_t)4 * 1024 * 1024) /* longer than any one record */
#define TORN_MAX 4096
#define SUFFIX ".jsonl"

static bool fits(int written)
{
    return written > 0 && written < PATH_MAX;
}

bool audit_path_current(struct str dir, struct str kind, struct audit_path *out)
{
    return fits(snprintf(out->at, sizeof out->at, STR_FMT "/audit-" STR_FMT SUFFIX, STR_ARG(dir),
                         STR_ARG(kind)));
}

/* Zeros in front, so that names sort as the chain runs. */
bool audit_path_rotated(struct str dir, struct str kind, uint64_t last_seq, struct audit_path *out)
{
    return fits(snprintf(out->at, sizeof out->at, STR_FMT "/audit-" STR_FMT ".%012llu" SUFFIX,
                         STR_ARG(dir), STR_ARG(kind), (unsigned long long)last_seq));
}

static bool rotated_seq(struct str name, struct str kind, uint64_t *seq)
{
    static const struct str head = {"audit-", 6}, tail = {SUFFIX, sizeof SUFFIX - 1};
    const size_t skip = head.len + kind.len + 1;
    if (name.len <= skip + tail.len || !str_starts(name, head) ||
        !str_starts(str_sub(name, head.len, name.len), kind) || name.at[skip - 1] != '.' ||
        !str_ends(name, tail))
        return false;
    int64_t number;
    if (!str_to_i64(str_sub(name, skip, name.len - skip - tail.len), &number) || number < 1)
        return false;
    *seq = (uint64_t)number;
    return true;
}

/* Of the rotated files' last sequence numbers: the greatest below, or the smallest above `than`;
 * 0 = none. */
static uint64_t pick_rotated(struct str dir, struct str kind, bool greatest, uint64_t than)
{
    OWNED_ARENA struct arena *a = arena_new();
    DIR *d = opendir(arena_cstr(a, dir));
    if (!d)
        return 0;
    uint64_t best = 0, seq;
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (!rotated_seq(str_of(e->d_name), kind, &seq) || (greatest ? seq >= than : seq <= than))
            continue;
        if (!best || (greatest ? seq > best : seq < best))
            best = seq;
    }
    closedir(d);
    return best;
}

uint64_t audit_rotated_after(struct str dir, struct str kind, uint64_t above)
{
    return pick_rotated(dir, kind, false, above);
}

uint64_t audit_rotated_before(struct str dir, struct str kind, uint64_t below)
{
    return pick_rotated(dir, kind, true, below);
}

bool audit_path_newest(struct str dir, struct str kind, struct audit_path *out)
{
    const uint64_t seq = pick_rotated(dir, kind, true, UINT64_MAX);
    return seq && audit_path_rotated(dir, kind, seq, out);
}

bool audit_path_next(struct str dir, struct str kind, uint64_t last_seq, struct audit_path *out)
{
    const uint64_t seq = pick_rotated(dir, kind, false, last_seq);
    return seq ? audit_path_rotated(dir, kind, seq, out) : audit_path_current(dir, kind, out);
}

static bool read_window(int fd, uint64_t from, struct buf *out)
{
    char chunk[65536];
    while (true) {
        const ssize_t n = pread(fd, chunk, sizeof chunk, (off_t)(from + out->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 && !out->failed;
        buf_add(out, chunk, (size_t)n);
    }
}

static bool damaged(const char *path, struct error *err)
{
    return error_set(err, ERR_CONFIG,
                     "%s: its last records are damaged; run `kiops-bridge audit verify`, move the "
                     "file away and start again",
                     path);
}

/* A line that ends and yet is no record was not torn by us, unless a power failure left zeros in
 * its place. */
static bool was_torn(struct str line)
{
    size_t at;
    return str_find(line, '\0', &at);
}

/* The last record in `text`; `*whole` is the length up to its end. */
static bool last_record(struct str text, struct audit_line *line, size_t *whole)
{
    *whole = text.len;
    while (*whole > 0) {
        size_t newline, start = 0;
        if (!str_rfind(str_sub(text, 0, *whole), '\n', &newline))
            break;
        if (str_rfind(str_sub(text, 0, newline), '\n', &start))
            start++;
        else
            start = 0;
        const struct str candidate = str_sub(text, start, newline - start);
        *whole = newline + 1;
        if (audit_line_read(candidate, line))
            return true;
        if (!was_torn(candidate))
            return false;
        *whole = start;
    }
    *whole = 0;
    line->seq = 0;
    return true;
}

bool audit_file_end(int fd, const char *path, struct audit_end *end, struct buf *torn,
                    struct error *err)
{
    struct stat st;
    OWNED_BUF struct buf window;
    buf_init(&window, WINDOW + 65536);
    const bool sized = fstat(fd, &st) == 0;
    const uint64_t size = sized ? (uint64_t)st.st_size : 0;
    const uint64_t from = size > WINDOW ? size - WINDOW : 0;
    if (!sized || !read_window(fd, from, &window))
        return error_set(err, ERR_UNAVAILABLE, "%s: cannot be read (%s)", path,
                         strerrordesc_np(errno));
    struct audit_line line;
    size_t whole;
    if (!last_record(buf_view(&window), &line, &whole) || (line.seq == 0 && from > 0))
        return damaged(path, err);
    *end = audit_end_none();
    end->size = from + whole;
    if (line.seq) {
        end->seq = line.seq;
        memcpy(end->hash, line.hash.at, AUDIT_HASH_LEN);
    }
    buf_str(torn, str_sub(buf_view(&window), whole, TORN_MAX));
    return true;
}

uint64_t audit_torn_bytes(int fd, const struct audit_end *end)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size > end->size
               ? (uint64_t)st.st_size - end->size
               : 0;
}
