/*
 * What the pull*.c files share: a remote system read to its end, and who of it is who here.
 *
 * Owns:    people, records and their texts lie in the arena of the run.
 * Threads: one caller.
 */
#pragma once

#include "base/hash.h"
#include "reconcile/content.h"
#include "reconcile/difference.h"
#include "remote/client.h"

struct pull_record;

/* One of ours. */
struct pull_person {
    UT_hash_handle by_id, by_external, by_name;
    struct str id, external, name_key; /* external: of the job's client; empty = not the job's */
    struct str manager;                /* id */
    bool active;
    bool same_name;            /* several here have it */
    struct pull_record *claim; /* the record that is this person; NULL = none is */
    bool contested;            /* several are, or several here have its externalId */
};

/* Permissions of a person in one of the source's organizations. */
struct pull_grant {
    struct str organization; /* the source's id */
    kiops_permission_set permissions;
};

/* A user of the source. */
struct pull_record {
    UT_hash_handle hh;
    struct str id, name;      /* there */
    struct str manager;       /* id there */
    struct pull_person *ours; /* NULL: not here */
    struct str made;          /* key of the line that makes them */
    bool says_active, active;
    bool kept;          /* no line may be made: it contradicts something */
    const json_t *body; /* of who is new */
    content_attrs absent;
    struct content_difference d; /* of who differs; after NULL: does not */
    const struct pull_grant *grants;
    size_t grant_count;
    bool says_grants;
    size_t member_of, manager_of; /* number of the organization that is being planned */
};

struct pull {
    const struct reconcile_run *run;
    struct reconcile_plan *plan;
    struct difference difference;
    struct arena *arena, *passing, *reading; /* of the run; of one record here; of the source */
    struct remote_client *remote;
    const struct scim_resource_type *user, *group;
    struct scim_context context;                        /* what a source's user is checked with */
    struct pull_person *people, *by_external, *by_name; /* hash tables */
    struct pull_record *records;                        /* by id there */
    content_attrs said; /* attributes that some record of the source has */
    bool says_managers;
    bool of_our_kind;  /* the source is a bridge */
    bool by_user_name; /* match */
    size_t linked, active, read;
};

/* pull_people.c */
/* Everybody here, then everybody there. */
MUST_CHECK bool pull_read_people(struct pull *p, struct error *err);
/* Their lines. */
void pull_plan_people(struct pull *p);
struct pull_record *pull_record_of(const struct pull *p, struct str id);
struct pull_person *pull_person_of(const struct pull *p, struct str id); /* ours */

/* pull_groups.c */
MUST_CHECK bool pull_groups(struct pull *p, struct error *err);

/* A list of the source, each resource once, `passing` emptied before it. */
typedef void pull_take(void *arg, const json_t *resource);
struct pull_taking {
    pull_take *take;
    void *arg;
};
MUST_CHECK bool pull_list(struct pull *p, const struct remote_query *q,
                          const struct pull_taking *to, struct error *err);
