/*
 * A folder of its own for tests of src/audit, and short ways to append, read and verify.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "audit/audit.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/own.h"

struct ground {
    char dir[64], file[128];
};

static inline int ground_open(void **state)
{
    struct ground *g = calloc(1, sizeof *g);
    snprintf(g->dir, sizeof g->dir, "/tmp/kiops-audit-XXXXXX");
    assert_non_null(mkdtemp(g->dir));
    snprintf(g->file, sizeof g->file, "%s/audit-serve.jsonl", g->dir);
    *state = g;
    return 0;
}

static inline int ground_close(void **state)
{
    struct ground *g = *state;
    DIR *d = opendir(g->dir);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(g->dir);
    free(g);
    return 0;
}

static inline struct audit_settings settings_of(const struct ground *g)
{
    return (struct audit_settings){
        .dir = str_of(g->dir), .kind = STR("serve"), .sync = true, .rotate_bytes = 1 << 30};
}

static inline struct audit *open_with(const struct audit_settings *s)
{
    struct audit *a = NULL;
    struct error err = ERROR_INIT;
    if (!audit_open(s, &a, &err))
        fail_msg("%s", err.detail);
    return a;
}

static inline struct audit *open_in(const struct ground *g)
{
    const struct audit_settings s = settings_of(g);
    return open_with(&s);
}

static inline struct kiops_record a_record(void)
{
    return (struct kiops_record){
        .actor = {.kind = KIOPS_ACTOR_TOKEN, .id = STR("entra-1"), .client = STR("entra")},
        .kind = KIOPS_PROMOTE,
        .rule = "KB-R02",
        .subject = STR("9d1e"),
        .organization = STR("0b6c"),
        .before = STR("{\"role\": \"Member\"}"),
        .after = STR("{\"role\":\"Manager\"}"),
    };
}

/* 0 when the record could not be written. */
static inline uint64_t append(struct audit *a)
{
    const struct kiops_record r = a_record();
    struct error err = ERROR_INIT;
    uint64_t seq = 0;
    if (audit_intent(a, &r, STR("7f21c0aa"), &seq, &err))
        return seq;
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    return 0;
}

/* New text of a whole file; the caller frees it. */
static inline char *text_of(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    struct buf text;
    buf_init(&text, 64 << 20);
    char chunk[4096];
    for (size_t n = fread(chunk, 1, sizeof chunk, f); n > 0; n = fread(chunk, 1, sizeof chunk, f))
        buf_add(&text, chunk, n);
    fclose(f);
    return text.at ? text.at : strdup("");
}

static inline void write_text(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
}

static inline struct audit_check verify_file(const char *path, struct buf *report)
{
    struct audit_check check;
    struct error err = ERROR_INIT;
    if (!audit_verify(str_of(path), &check, report, &err))
        fail_msg("%s", err.detail);
    return check;
}

static inline struct audit_check verify(const char *path)
{
    OWNED_BUF struct buf report;
    buf_init(&report, 1 << 20);
    return verify_file(path, &report);
}
