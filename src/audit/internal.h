/*
 * What the files of src/audit share: records as lines, the end of a chain, and the files a chain
 * lies in.
 *
 * A chain of kind K is audit-K.<last seq>.jsonl ... (rotated, oldest first), then audit-K.jsonl.
 * A line is one JSON object; it ends with "prev" (the hash of the line before) and "hash" (SHA-256
 * over prev and everything in the line before "hash").
 *
 * Owns:    nothing beyond a call.
 * Threads: pure, or one caller per file.
 */
#pragma once

#include <limits.h>

#include "audit/audit.h"

#define AUDIT_HASH_LEN 64

/* Where a chain ends: the last record of a file, and the file's length behind it. */
struct audit_end {
    uint64_t size, seq;
    char hash[AUDIT_HASH_LEN + 1];
};

/* The end of a chain that has no record yet. */
struct audit_end audit_end_none(void);

/* ---- record.c: what stands between "seq" and "prev"; one line without its newline */
void audit_write_change(struct buf *out, const char *type, const struct kiops_record *r,
                        struct str request_id);
void audit_write_made(struct buf *out, uint64_t intent, struct str subject);
void audit_write_outcome(struct buf *out, uint64_t intent, enum audit_result result,
                         struct str detail);
void audit_write_note(struct buf *out, const char *note, struct str detail);

/* Completes `content` to the next line of the chain, appends it to `line` and moves `end` there. */
void audit_seal(struct audit_end *end, struct str content, struct buf *line);

struct audit_line {
    uint64_t seq;
    struct str prev, hash; /* hex */
};
/* The frame of a line without its newline; false when it has not that frame, or its hash is not
 * its own. */
bool audit_line_read(struct str line, struct audit_line *out);

/* ---- files.c */
struct audit_path {
    char at[PATH_MAX];
};

bool audit_path_current(struct str dir, struct str kind, struct audit_path *out);
bool audit_path_rotated(struct str dir, struct str kind, uint64_t last_seq, struct audit_path *out);
/* The rotated file whose last record has the greatest sequence number; false when there is none. */
bool audit_path_newest(struct str dir, struct str kind, struct audit_path *out);
/* The smallest last sequence number of a rotated file above `above`; 0 = none. */
uint64_t audit_rotated_after(struct str dir, struct str kind, uint64_t above);
/* The greatest last sequence number of a rotated file below `below`; 0 = none. */
uint64_t audit_rotated_before(struct str dir, struct str kind, uint64_t below);
/* The file that goes on where the one with `last_seq` ends: rotated or current. */
bool audit_path_next(struct str dir, struct str kind, uint64_t last_seq, struct audit_path *out);

/* The last whole record of a file, and what stands unfinished behind it (`torn`, at most 4 KB of
 * `*torn_bytes`). Errors: ERR_CONFIG, ERR_UNAVAILABLE. */
MUST_CHECK bool audit_file_end(int fd, const char *path, struct audit_end *end, struct buf *torn,
                               struct error *err);
uint64_t audit_torn_bytes(int fd, const struct audit_end *end);

/* ---- commit.c: lines onto the disk */
struct audit_writer; /* the open file, its chain, and who waits for the disk */

struct audit_writer *audit_writer_new(const struct audit_settings *s);
void audit_writer_free(struct audit_writer *w);
/* Opens the current file, continues its chain and sets a torn record aside. Errors: ERR_CONFIG,
 * ERR_UNAVAILABLE. */
MUST_CHECK bool audit_writer_open(struct audit_writer *w, struct error *err);
/* Appends a record per line of `contents`; with `wait`, returns when they are on disk. `*first` is
 * the first one's sequence number. */
MUST_CHECK bool audit_writer_append(struct audit_writer *w, struct str contents, bool wait,
                                    uint64_t *first, struct error *err);
bool audit_writer_healthy(const struct audit_writer *w);
