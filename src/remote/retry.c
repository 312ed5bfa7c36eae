/* When a request is tried again, and after how long. Pure. */
#include "remote/internal.h"

#include <string.h>
#include <time.h>

#define FIRST_MS 200
#define FACTOR 4
#define OWN_MAX_MS 10000

static int64_t within(int64_t ms)
{
    return ms < 0 ? 0 : ms > RETRY_WAIT_MAX_MS ? RETRY_WAIT_MAX_MS : ms;
}

int64_t remote_retry_after_ms(struct str header, instant_t now)
{
    char date[64];
    int64_t seconds;
    struct str text = str_trim(header);
    if (!text.len || text.len >= sizeof date)
        return -1;
    if (str_to_i64(text, &seconds)) {
        int64_t most = RETRY_WAIT_MAX_MS / 1000;
        return seconds < 0 ? -1 : within(1000 * (seconds > most ? most : seconds));
    }
    memcpy(date, text.at, text.len);
    date[text.len] = 0;
    time_t at = curl_getdate(date, NULL);
    return at < 0 ? -1 : within((int64_t)at * 1000 - now / 1000);
}

static bool may_repeat(const struct retry *r, enum wire_end end, int status)
{
    switch (end) {
    case WIRE_NOT_SENT:
        return true;
    case WIRE_CUT:
        return r->repeatable;
    case WIRE_ANSWERED:
        break;
    }
    return status == 429 || (r->repeatable && (status == 502 || status == 503 || status == 504));
}

/* Between half and all of a time that grows: clients that were cut off together come back apart. */
static int64_t own_wait(const struct retry *r)
{
    int64_t ms = FIRST_MS;
    for (unsigned i = 1; i < r->tries && ms < OWN_MAX_MS; i++)
        ms *= FACTOR;
    if (ms > OWN_MAX_MS)
        ms = OWN_MAX_MS;
    return ms / 2 + (int64_t)(r->dice % (uint32_t)(ms / 2 + 1));
}

int64_t remote_retry_wait_ms(const struct retry *r, enum wire_end end, int status)
{
    if (r->tries >= RETRY_TRIES || !may_repeat(r, end, status))
        return -1;
    int64_t asked = remote_retry_after_ms(r->asked_to, r->now), own = own_wait(r);
    int64_t wait = asked > own ? asked : own;
    return r->waited_ms + wait > RETRY_ALL_MAX_MS ? -1 : wait;
}
