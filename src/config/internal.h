/*
 * What the files of src/config share: the grammar as one table, and the checks on single values.
 *
 * Owns:    nothing; both are constant.
 * Threads: pure.
 */
#pragma once

#include "base/arena.h"
#include "config/config.h"

enum config_type {
    CONFIG_GROUP,
    CONFIG_GROUPS, /* a list of groups; its keys have "[]" in their path */
    CONFIG_BOOL,
    CONFIG_NUMBER,
    CONFIG_TEXT,
    CONFIG_FILE, /* a path: relative ones start at the file's directory */
    CONFIG_LIST, /* of strings */
    CONFIG_WORD, /* one of `words` */
};

struct config_word {
    const char *name; /* NULL ends the table */
    int value;
};

/* NULL, or what is wrong with the value. */
typedef const char *config_check(struct str value);

struct config_key {
    const char *path; /* "server.listen"; keys of a list of groups: "mapping.user[].scim" */
    enum config_type type;
    size_t offset, size; /* in struct config, or in the element of a list; size 0 = checked only */
    const char *text;    /* default of TEXT, FILE and WORD; of LIST: separated by spaces; NULL =
                            must be given */
    int64_t number, min, max;        /* NUMBER; BOOL: number is the default; LIST: min items */
    const struct config_word *words; /* WORD; of TEXT: the texts that may stand there */
    config_check *check;
    size_t element_size; /* GROUPS: of the array that `offset` points to; 0 = not stored */
    size_t count_offset;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* check.c */
config_check config_check_address, config_check_metrics, config_check_public_url, config_check_ip,
    config_check_uri, config_check_dn, config_check_filter, config_check_name,
    config_check_attribute, config_check_adopt, config_check_some, config_check_url,
    config_check_algorithm, config_check_job, config_check_principal, config_check_owner,
    config_check_language;
bool config_uri_is_private(struct str uri); /* no clear text on a network: TLS, socket, loopback */

/* jobs.c: figures that a job does not give are those of all. */
void config_jobs_derive(struct config *c);
/* What is wrong with the jobs as a whole; NULL. */
const char *config_jobs_wrong(const struct config *c);

/* What single values cannot tell. `say` is called for each finding. */
struct config_finding {
    const char *key;
    const char *reason;
    bool warning;
};
typedef void config_say(void *arg, const struct config_finding *finding);
void config_check_together(const struct config *c, config_say *say, void *arg);
/* derive.c: after the defaults, before the checks. */
struct config_t; /* the file, as libconfig has it */
void config_derive(struct config *c, const struct config_t *file, struct arena *a);
/* check_kind.c */
void config_check_kind(const struct config *c, config_say *say, void *arg);
