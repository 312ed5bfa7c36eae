/*
 * What the files of a search share. A search goes through candidates.c (whom an index names, or
 * all), quick.c (what the packed record alone says), judge.c (the rest, from a rendered part) and
 * find.c (order, page); lists.c keeps what was found for the next page.
 *
 * Threads: a struct search belongs to one thread; struct lists is shared.
 */
#pragma once

#include "replica/internal.h"

/* Sort keys are told apart by so many bytes, then by id: a cursor has to hold one. */
#define SORT_KEY_MAX 1024

/* What a list holds: a user, an organization, or the place of a user in one. Records are immutable;
 * what rests on links was read with the candidate. */
struct item {
    const struct record *rec;
    const struct record *in; /* a membership: of the organization; else NULL */
    struct seat seat;        /* a membership's */
};

static inline enum replica_kind item_kind(const struct item *it)
{
    if (it->in)
        return REPLICA_MEMBERSHIP;
    return it->rec->is_user ? REPLICA_USER : REPLICA_GROUP;
}

/* Its fixed part and then its lists are about to be read: they are fetched meanwhile. */
static inline void record_foresee(const struct record *rec)
{
    __builtin_prefetch(rec);
    __builtin_prefetch(&rec->end[FIELD_KEYS]);
    __builtin_prefetch(&rec->end[FIELDS - 1]);
}

static inline void record_foresee_lists(const struct record *rec)
{
    const char *at = rec->text + rec->end[FIELD_KEYS - 1];
    for (const char *end = rec->text + rec->end[FIELDS - 1]; at < end; at += 64)
        __builtin_prefetch(at);
}

/* ---- quick.c */
struct quick; /* a filter, resolved to fields of the record */

enum said { SAID_NO, SAID_YES, SAID_UNKNOWN };

/* NULL: the record says nothing of what this filter speaks of. */
const struct quick *quick_of(struct arena *a, enum replica_kind kind, const struct scim_filter *f);
enum said quick_says(const struct quick *q, const struct item *it);

/* How a sort key is had from the record alone. */
enum quick_key { QUICK_KEY_NONE, QUICK_KEY_TEXT, QUICK_KEY_INSTANT, QUICK_KEY_RANK };
struct quick_order {
    enum quick_key kind;
    int source;
};
struct quick_order quick_order_of(enum replica_kind kind, const struct scim_sort *s);
/* STR_NONE: no value. A view into the record, or in the arena. */
struct str quick_sort_key(struct arena *a, const struct quick_order *o, const struct item *it);

/* ---- one search */
enum key {
    KEY_NONE,
    KEY_ID,
    KEY_NAME,
    KEY_EXTERNAL,
    KEY_MAIL,
    KEY_LINK,
    KEY_ORGANIZATION,
    KEY_USER
};

/* What every match must equal. */
struct pinned {
    enum key key;
    bool only; /* the filter says nothing else */
    struct str name, value;
};

/* One resource type of a search. */
struct part {
    const struct replica_query *q;
    struct pinned by;
    struct str name_key; /* KEY_NAME: of the value */
    struct probe probe;
    const struct quick *quick;
    struct quick_order order;
    struct item *at; /* candidates */
    size_t count, cap;
    bool some_seen; /* a candidate that the actor may see, whatever the rest of the filter says */
};

struct match {
    struct item item;
    struct str key;
    uint64_t first; /* sort_bytes() of the key, made while its record is at hand */
};

struct search {
    struct replica *replica;
    const struct replica_query *q; /* of the first part: what is common to all */
    struct arena *arena;
    struct view view;
    struct part parts[REPLICA_KINDS];
    size_t part_count;
    struct match *at; /* matches */
    size_t count;
    bool put_off;
    bool too_large; /* the page */
};

static inline struct part *search_part(struct search *s, const struct item *it)
{
    struct part *p = s->parts;
    while (p->q->kind != item_kind(it))
        p++;
    return p;
}

/* ---- candidates.c */
struct pinned candidates_pinned(const struct replica_query *q);
/* Under the read lock. */
void candidates_add(struct search *s, struct part *p);
void candidates_push(struct search *s, struct part *p, struct item it);
/* So many are to come, at most: a hint. */
void candidates_room(struct search *s, struct part *p, size_t more);
const struct record *candidate_of_id(const struct replica *r, enum replica_kind kind,
                                     struct str id);

/* ---- memberships.c */
/* candidates_add() for memberships, which takes the lock itself, for a slice at a time. */
void memberships_add(struct search *s, struct part *p);
/* How many people it will look at, at most; under the read lock. */
size_t memberships_outlook(struct search *s, struct part *p);

/* ---- judge.c */
/* Turns the candidates of all parts into matches. */
void judge_all(struct search *s);
/* The key by which it is sorted; STR_NONE: it has no value. */
struct str judge_sort_key(struct search *s, const struct item *it);
/* One text in two steps: what rests on links is taken under the lock, the rest is rendered without
 * it, under a pin. A user is done with the first. */
struct telling {
    const struct render *how;
    const struct record *rec;
    struct str json;
    struct group_facts *facts; /* NULL: a user */
};
bool judge_take(struct telling *t, const struct record *rec, struct arena *a); /* false: hidden */
void judge_complete(const struct telling *t, struct arena *a, struct replica_text *out);
/* Both, on the actor's view; false: hidden. */
bool judge_text(const struct search *s, const struct render *how, const struct item *it,
                struct arena *a, struct replica_text *out);

/* ---- sort.c */
/* Where something stands in the order of a list; `descending` turns the keys alone. */
struct place {
    struct str key;
    enum replica_kind kind;
    struct str in, id; /* in: a membership's organization */
};

struct place sort_place(const struct item *it, struct str key);
/* Of an id as clients have it. */
struct place sort_place_of_id(enum replica_kind kind, struct str key, struct str id);
int sort_compare(const struct place *x, const struct place *y, bool descending);
/* Eight bytes of a key from there on, as a number that orders as they do; behind its end are zeros.
 */
uint64_t sort_bytes(struct str key, size_t from);
/* The items of the matches, which come in the order of type and id, in the order of the list. */
void sort_matches(const struct search *s, struct item *out);

/* ---- lists.c */
struct list {
    struct list *next;
    struct str text; /* what was asked and by whom */
    uint64_t changes;
    struct pin pin;
    struct item *at;
    size_t count;
    unsigned users;
    bool kept;
};

/* New, borrowing nothing; the pin is held until the last user lets go. */
struct list *list_new(struct replica *r, uint64_t changes);
/* What was found for the same text since the last change; NULL. */
struct list *lists_take(struct replica *r, struct str text);
void lists_keep(struct replica *r, struct list *l, struct str text);
void list_drop(struct replica *r, struct list *l);
