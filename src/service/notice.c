/* What a notice says, who may believe it, and when it is tried again. */
#include "service/notice.h"

#include <sodium.h>
#include <stdio.h>

#include "base/own.h"
#include "service/internal.h"

/* Bytes of a name; ids say who is meant. */
#define NAME_MAX_BYTES 256

#define PAUSE_FIRST_MS INT64_C(1000)
#define PAUSE_MAX_MS INT64_C(300000)
#define PAUSE_ASKED_MAX_S INT64_C(3600)

static const char *const EVENTS[] = {
    [NOTICE_REQUEST] = "request",
    [NOTICE_VACANT_SEAT] = "vacant-seat",
};

/* ---- the body */

/* At a border of UTF-8. */
static struct str cut(struct str name)
{
    size_t len = name.len < NAME_MAX_BYTES ? name.len : NAME_MAX_BYTES;
    while (len < name.len && len && ((unsigned char)name.at[len] & 0xC0U) == 0x80U)
        len--;
    return str_sub(name, 0, len);
}

/* As a Membership spells its organization and user. New. */
static json_t *reference(struct arena *a, const struct notice_settings *s, const char *type,
                         struct str id)
{
    json_t *o = json_object();
    json_put_str(o, "value", id);
    json_put_str(o, "$ref",
                 arena_fmt(a, STR_FMT "/%s/" STR_FMT, STR_ARG(s->base), type, STR_ARG(id)));
    return o;
}

static void put_name(json_t *o, const char *name, struct str value)
{
    if (value.len)
        json_put_str(o, name, cut(value));
}

void notice_write(const struct notice_settings *s, const struct notice *what,
                  const struct notice_text *text, struct buf *out)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *body = json_object();
    json_t *organization = reference(a, s, "Groups", what->organization);
    json_t *user = reference(a, s, "Users", what->user);
    struct replica_organization o;
    struct str user_name = STR_NONE, display = STR_NONE;
    char time[CLOCK_TEXT_MAX];
    if (replica_organization(s->replica, a, what->organization, &o))
        put_name(organization, "display", o.name);
    (void)replica_user_name(s->replica, a, what->user, &user_name, &display);
    put_name(user, "display", display);
    put_name(user, "userName", user_name);
    json_put_str(body, "id", text->id);
    json_put_str(body, "event", str_of(EVENTS[what->event]));
    json_put_str(body, "time", clock_rfc3339(text->at, time));
    json_put(body, "organization", organization);
    json_put(body, "user", user);
    put_name(body, "requestId", what->request_id);
    json_write(body, out);
}

void notice_sign(struct str key, struct str body, char out[NOTICE_SIGNATURE_MAX])
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char hex[2 * sizeof mac + 1];
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.at, key.len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)body.at, body.len);
    crypto_auth_hmacsha256_final(&state, mac);
    explicit_bzero(&state, sizeof state);
    sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    snprintf(out, NOTICE_SIGNATURE_MAX, "X-Kiops-Signature: sha256=%s", hex);
}

/* ---- is it so? */

static bool is_vacant(struct replica *r, struct str organization)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct replica_organization o;
    bool filled = false;
    if (!replica_organization(r, a, organization, &o) || !o.managed)
        return false;
    for (size_t i = 0; i < o.owner_count && !filled; i++)
        filled = o.owners[i].counts && o.owners[i].active;
    return !filled;
}

bool notice_holds(struct replica *r, const struct notice *what)
{
    if (what->event == NOTICE_VACANT_SEAT)
        return is_vacant(r, what->organization);
    return replica_membership(r, what->organization, what->user).pending;
}

/* ---- when */

/* A redirect is not followed; it may be that of a page which says "under maintenance". */
enum notice_fate notice_fate(int status)
{
    if (status >= 200 && status < 300)
        return NOTICE_TAKEN;
    return status >= 400 && status < 500 && status != 408 && status != 429 ? NOTICE_REFUSED
                                                                           : NOTICE_AGAIN;
}

int64_t notice_pause_ms(unsigned tries, int64_t retry_after_s, uint32_t random)
{
    int64_t pause = PAUSE_FIRST_MS;
    for (unsigned i = 1; i < tries && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    pause = pause / 2 + (int64_t)(random % (uint64_t)(pause / 2 + 1));
    int64_t asked = retry_after_s < PAUSE_ASKED_MAX_S ? retry_after_s : PAUSE_ASKED_MAX_S;
    return pause > asked * 1000 ? pause : asked * 1000;
}

/* ---- what is told of a change */

void notice_of_change(const struct change *ch, bool was_manager)
{
    enum kiops_change_kind kind = ch->what.kind;
    bool left = was_manager && (kind == KIOPS_REMOVE || kind == KIOPS_DEMOTE);
    if (ch->nothing || !(ch->done || ch->wrote))
        return;
    if (left)
        notice_of_manager(ch->call, ch->what.subject, ch->what.organization);
    if (kind == KIOPS_REQUEST)
        notices_tell(ch->call->service->notices,
                     &(struct notice){.event = NOTICE_REQUEST,
                                      .certain = ch->done,
                                      .organization = ch->what.organization,
                                      .user = ch->what.subject,
                                      .request_id = ch->call->request_id});
}

void notice_of_manager(const struct service_call *c, struct str user, struct str organization)
{
    notices_tell(c->service->notices, &(struct notice){.event = NOTICE_VACANT_SEAT,
                                                       .organization = organization,
                                                       .user = user,
                                                       .request_id = c->request_id});
}

void notice_of_deactivation(const struct service_call *c, struct str user,
                            const struct directory_values *managed)
{
    for (size_t i = 0; c->service->notices && i < managed->count; i++)
        if (replica_membership(c->service->replica, managed->at[i], user).counts_as_manager)
            notice_of_manager(c, user, managed->at[i]);
}
