/*
 * The feed: what changes in the directory, whoever changes it, as events in order. feed.c asks
 * persist.c or poll.c for them.
 *
 * Owns:    an event's entry lies in the arena given for it.
 * Threads: one, which is the feed's; directory_feed_wake() may be called by any.
 * Errors:  none: what cannot be read is FEED_LOST, and tried again.
 */
#pragma once

#include "directory/directory.h"

struct directory_feed;

enum directory_feed_kind {
    FEED_USER,         /* entry as it is now */
    FEED_ORGANIZATION, /* entry without member and owner: whoever applies it re-reads them */
    FEED_PLATFORM,     /* the platform group, with its members */
    FEED_TOKEN,
    FEED_APPLICANT,     /* as FEED_USER, of signup.container */
    FEED_DELETED,       /* id only */
    FEED_REFRESH_BEGIN, /* a full refresh starts: all that is not seen by FEED_LIVE of the same kind
                           is gone */
    FEED_LIVE,          /* everything up to now was delivered */
    FEED_IDLE,          /* nothing within the time asked for; the feed is alive */
    FEED_LOST, /* connection lost or answers stopped; it reconnects at the next call, with a
                  back-off */
};

struct directory_event {
    enum directory_feed_kind kind;
    /* FEED_DELETED: whose search says so. A resumed one also names what changed and was never its
     * own (slapd plays back its session log), so nothing of another kind may go by it. */
    enum directory_feed_kind of;
    bool resumed;
    bool back; /* FEED_REFRESH_BEGIN: the directory is older than it was; versions say nothing */
    int64_t as_of; /* LOST, polled LIVE and IDLE: monotonic ms when all was known; 0 = until now,
                      or never */
    struct directory_entry
        entry; /* id and csn filled; in the arena given to directory_feed_next() */
};

/* Does not connect yet. By directory.feed: refresh and persist (persist.c), or polling (poll.c);
 * "auto" polls a server that does not know the control of the first. Organizations come without
 * member and owner. */
struct directory_feed *directory_feed_new(struct directory *d);
void directory_feed_free(struct directory_feed *f);
/* Waits at most wait_ms for the next event. */
void directory_feed_next(struct directory_feed *f, struct arena *a, int wait_ms,
                         struct directory_event *out);
/* Polling finds out what is gone by what it saw; this was seen by somebody else (an own write), and
 * is to be looked for too. `kind`: of an entry, not of a phase. The thread of
 * directory_feed_next(). */
void directory_feed_expect(struct directory_feed *f, enum directory_feed_kind kind, struct str id);
bool directory_feed_expects(const struct directory_feed *f); /* false: nothing comes of it */
/* Makes a waiting directory_feed_next() return FEED_IDLE soon; any thread (used to stop). */
void directory_feed_wake(struct directory_feed *f);
