/*
 * Is the directory fit for this configuration? What it has and lacks, with the exact text to apply,
 * and the proof of its access rules.
 *
 * Owns:    results live in the caller's arena.
 * Threads: one; not beside requests of the same connection.
 * Errors:  ERR_UNAVAILABLE when it cannot be read.
 */
#pragma once

#include "directory/directory.h"

enum directory_severity {
    DIRECTORY_NOTE,    /* good to know; nothing has to be done */
    DIRECTORY_ADVICE,  /* it works, but worse than it could, or not for long */
    DIRECTORY_MISSING, /* the bridge does not work with it, or is not safe */
};

enum directory_apply {
    DIRECTORY_APPLY_NOTHING,    /* the text itself says what to do */
    DIRECTORY_APPLY_CONFIG,     /* LDIF, as the administrator of cn=config */
    DIRECTORY_APPLY_ENTRIES,    /* LDIF, as the administrator of the directory's entries */
    DIRECTORY_APPLY_SLAPD_CONF, /* lines of the database's section of slapd.conf */
    DIRECTORY_APPLY_SHELL,      /* commands */
};

struct directory_finding {
    const char *code; /* stable: "no-index" */
    enum directory_severity severity;
    struct str text; /* what is wrong */
    const char *why; /* why it matters; NULL where the text says it */
    enum directory_apply form;
    struct str apply; /* exactly what to apply, whole lines */
};

struct directory_inspection {
    const struct directory_finding *at;
    size_t count;
    const json_t *facts; /* what was read, for a report: no secret; kept by the arena */
};

/* Root DSE, schema, entries, indexes, overlays, limits, replication, rights (with throw-away
 * entries, where directory.writes is true), certificate and tokens. What is fine is not listed. The
 * throw-away entries are gone when it returns. Errors: ERR_UNAVAILABLE when it cannot be read. */
MUST_CHECK bool directory_inspect(struct directory *d, struct arena *a,
                                  struct directory_inspection *out, struct error *err);
/* A throw-away person binds and tries to write what only the bridge may; the person is
 * taken away again. ERR_CONFIG when a try succeeds, naming the attribute, and when the directory
 * takes no bind in clear text. Where none can be made or the directory is away: a warning in the
 * log, and true; `*away` then tells that it is to be tried again. */
MUST_CHECK bool directory_prove_acl(struct directory *d, bool *away, struct error *err);
/* A name of the throw-away entries by which check and a start try rights: directory_is_protected()
 * hides whoever has it. */
bool directory_is_proof_name(struct str name);
