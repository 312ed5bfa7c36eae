/*
 * What the findings*.c files share: a reading under way.
 *
 * Owns:    see findings.h.
 * Threads: one caller.
 */
#pragma once

#include "service/findings.h"
#include "service/internal.h"
#include "service/read_keys.h"

#define FINDINGS_PLATFORM UINT32_MAX

/* A value of `member` or `owner`, as a hash of its DN's key. */
struct naming {
    uint64_t key;
    uint32_t place; /* of `places`; FINDINGS_PLATFORM: the platform group */
    bool owner, known;
};

struct place {
    struct str id, name, dn;
    size_t members, managers, members_left, owners_left; /* left: values, the placeholder too */
    bool managed;
};

/* userName, e-mail or externalId of one person. */
struct sameness {
    uint64_t key;
    uint32_t person; /* of `ids` */
    unsigned char what;
};

/* A value that named none of the people who were read. */
struct unknown {
    struct str dn;
    struct place *place;
    bool owner;
};

struct reading {
    const struct mend_ground *ground;
    const struct findings_wanted *wanted;
    struct arena *arena, *passing; /* what stays; the entry just read */
    struct service_findings *out;
    struct place *places, platform;
    size_t place_count, place_cap;
    struct naming *namings;
    size_t naming_count, naming_cap;
    struct unknown *unknown;
    size_t unknown_count, unknown_cap;
    struct read_order by_id; /* of places */
    struct str *ids;         /* of the people */
    size_t id_cap;
    struct sameness *same;
    size_t same_count, same_cap;
    struct buf key;
    instant_t now;
};

struct place *findings_place(const struct reading *r, struct str id); /* NULL */
struct place *findings_place_at(struct reading *r, uint32_t place);
/* Copies every text into the arena that stays; the mend's modifications are the caller's. */
struct service_finding *findings_add(struct reading *r, const struct service_finding *f);
/* A value of a group goes, and the placeholder comes when it is the last one. */
void findings_take_value(struct reading *r, struct service_finding *f, struct place *p, bool owner,
                         struct str dn);
typedef void findings_take(struct reading *r, const struct directory_entry *e);
MUST_CHECK bool findings_walk(struct reading *r, const struct directory_search *s,
                              findings_take *take, struct error *err);
struct directory_search findings_organizations(const struct reading *r);

/* findings_person.c: of one person, and what their values amount to. */
findings_take findings_of_person;
/* findings_dangling.c: values that named nobody. */
MUST_CHECK bool findings_dangling(struct reading *r, struct error *err);
/* findings_same.c */
void findings_remember(struct reading *r, const struct directory_user *u);
void findings_same(struct reading *r);
void findings_audit(struct reading *r); /* findings_audit.c */
