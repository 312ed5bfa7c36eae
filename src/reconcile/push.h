/*
 * Pushing: what a provider has, beside what is here, as lines of a plan; and such a line made. The
 * external id of a resource there is the id that it has here.
 *
 *   push.c -> push_read.c (all that the provider has), push_users.c, push_groups.c (lines)
 *   apply.c -> push_make.c; reverse.c -> push_reverse.c
 *
 * Owns:    all of it lies in the arena of the run.
 * Threads: one caller.
 * Errors:  ERR_UNAVAILABLE: one of both could not be read to the end.
 */
#pragma once

#include "base/hash.h"
#include "reconcile/push_resource.h"
#include "reconcile/reconcile.h"
#include "remote/client.h"
#include "service/shown.h"

/* A resource at the provider. */
struct push_there {
    UT_hash_handle by_id, by_external, by_name;
    struct str id, external, version;
    struct str name, key;                /* userName, displayName; and its letters small */
    struct str text;                     /* JSON without members */
    bool active;                         /* a user's */
    bool external_doubled, name_doubled; /* another one has it, too */
    bool known;                          /* stands for somebody or something of ours */
    bool gone;                           /* did, by its external id: there is none here any more */
    struct str *members;                 /* a group's: ids there */
    size_t member_count;
    size_t mark; /* push_groups.c */
};

struct push_side {
    struct push_there *by_id, *by_external, *by_name;
};

/* Somebody here. */
struct push_here {
    UT_hash_handle hh;
    struct str id, name;
    struct push_there *there;
    bool made; /* by a line */
};

struct push {
    const struct reconcile_run *run;
    struct reconcile_plan *plan;
    struct arena *arena, *passing; /* what stays; emptied between resources */
    struct service_call call;      /* with the eyes of the job's principal */
    struct push_known known;
    struct push_side users, groups;
    struct push_here *people;  /* by id */
    bool by_external, by_name; /* match */
    size_t mark;               /* push_groups.c: the last one given */
    struct str *gone;          /* "Users/<id there>" */
    size_t gone_count, gone_cap;
    instant_t now;
};

/* push_read.c */
MUST_CHECK bool push_read(struct push *p, struct error *err);
/* What stands for ours there. CONFLICT: nobody but a person can tell; `*why` says. */
enum push_match { PUSH_NONE, PUSH_ONE, PUSH_CONFLICT };
struct push_sought {
    struct str id, name; /* here */
};
enum push_match push_match(const struct push *p, const struct push_side *side,
                           const struct push_sought *ours, struct push_there **out,
                           struct str *why);
struct push_there *push_there_of(const struct push_side *side, struct str id); /* NULL */
/* Without what it is not to be judged by: what is no id of ours was never ours. */
bool push_was_ours(const struct push *p, const struct push_there *t);

/* push.c: lines */
struct reconcile_line *push_line(struct push *p, enum kiops_change_kind kind);
/* Its text, its version, and the rules' word. `difference` is taken; members NULL: none. */
void push_finish(struct push *p, struct reconcile_line *l, const struct push_there *t,
                 struct push_difference difference);
/* Seen gone for the first time; and is that delete_after_days ago? */
instant_t push_gone_since(struct push *p, const char *type, const struct push_there *t);
bool push_is_over(const struct push *p, instant_t since);
MUST_CHECK bool push_confirm_gone(struct push *p, enum replica_kind kind, struct push_there *t,
                                  struct error *err);

MUST_CHECK bool push_users(struct push *p, struct error *err);
MUST_CHECK bool push_groups(struct push *p, struct error *err);
