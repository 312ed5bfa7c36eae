/* One resource: read, made, changed, deleted. */
#include "remote/internal.h"

#include "base/json.h"
#include "base/own.h"

#define TARGET_MAX ((size_t)64 * 1024)
#define URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"
#define CREATE_TRIES 3
#define CREATE_PAUSE_MS 300

static struct str target_of(struct arena *a, const struct remote_ask *ask)
{
    OWNED_BUF struct buf out;
    char mark = '?';
    buf_init(&out, TARGET_MAX);
    buf_str(&out, ask->type);
    if (ask->id.len) {
        buf_char(&out, '/');
        remote_encode(&out, ask->id);
    }
    if (ask->attributes.len) {
        buf_fmt(&out, "%cattributes=", mark);
        remote_encode(&out, ask->attributes);
        mark = '&';
    }
    if (ask->excluded.len) {
        buf_fmt(&out, "%cexcludedAttributes=", mark);
        remote_encode(&out, ask->excluded);
    }
    return arena_str(a, buf_view(&out));
}

/* Something between us that does not find the way says 404 as well; only SCIM's own is believed. */
static bool is_scim_error(const struct wire_answer *answer)
{
    struct error odd = ERROR_INIT;
    OWNED_JSON json_t *doc =
        json_load_strict(buf_view(answer->body),
                         (struct json_limits){.bytes = 65536, .depth = REMOTE_DEPTH_MAX}, &odd);
    const json_t *schemas = json_object_get(doc, "schemas");
    for (size_t i = 0; i < json_array_size(schemas); i++)
        if (str_ieq(json_str(json_array_get(schemas, i)), STR(URN_ERROR)))
            return true;
    return false;
}

static enum remote_outcome of_status(const struct remote_ask *ask, const struct wire_answer *answer)
{
    int status = answer->status;
    bool reads = ask->verb == REMOTE_GET;
    if (status >= 200 && status < 300)
        return REMOTE_DONE;
    if (status == 404 || status == 410)
        return ask->id.len && is_scim_error(answer) ? REMOTE_ABSENT : REMOTE_UNAVAILABLE;
    if (status < 400 || status == 401 || status == 429 || reads)
        return REMOTE_UNAVAILABLE;
    if (status == 412)
        return REMOTE_MOVED;
    if (status == 409)
        return REMOTE_TAKEN;
    return status < 500 || status == 501 ? REMOTE_REFUSED : REMOTE_UNKNOWN;
}

static enum remote_outcome outcome_of(const struct remote_ask *ask, enum wire_end end,
                                      const struct wire_answer *answer)
{
    switch (end) {
    case WIRE_ANSWERED:
        return of_status(ask, answer);
    case WIRE_CUT:
        return ask->verb == REMOTE_GET ? REMOTE_UNAVAILABLE : REMOTE_UNKNOWN;
    case WIRE_NOT_SENT:
        break;
    }
    return REMOTE_UNAVAILABLE;
}

static enum remote_outcome take_resource(struct arena *a, const struct remote_ask *ask,
                                         const struct wire_answer *answer, struct remote_reply *out,
                                         struct error *err)
{
    bool must = ask->verb == REMOTE_GET || ask->verb == REMOTE_POST;
    struct error odd = ERROR_INIT;
    json_t *doc = answer->body->len ? remote_body(answer, &odd) : NULL;
    out->id = ask->id;
    out->version = answer->etag;
    if (doc) {
        json_keep(a, doc);
        struct str id = json_get_str(doc, "id");
        struct str version = json_get_str(json_object_get(doc, "meta"), "version");
        out->resource = doc;
        out->id = id.len ? id : out->id;
        out->version = version.len ? version : out->version;
    }
    if (!must || (doc && json_get_str(doc, "id").len))
        return REMOTE_DONE;
    error_set(err, ERR_UNAVAILABLE, "it answered %d without the resource", answer->status);
    return ask->verb == REMOTE_GET ? REMOTE_UNAVAILABLE : REMOTE_UNKNOWN;
}

/* Says of what. */
static void name_it(const struct remote_client *c, const struct remote_ask *ask, struct error *err)
{
    struct error why = *err;
    error_clear(err);
    error_set(err, ERR_UNAVAILABLE, STR_FMT "%s" STR_FMT " of " STR_FMT ": %.220s",
              STR_ARG(str_sub(ask->type, 0, 30)), ask->id.len ? "/" : "",
              STR_ARG(str_sub(ask->id, 0, 40)), STR_ARG(str_sub(c->settings.url, 0, 80)),
              why.detail);
}

enum remote_outcome remote_do(struct remote_client *c, struct arena *a,
                              const struct remote_ask *ask, struct remote_reply *out,
                              struct error *err)
{
    OWNED_BUF struct buf body;
    struct wire_answer answer;
    bool repeatable = ask->verb == REMOTE_GET || ask->verb == REMOTE_DELETE ||
                      (ask->verb == REMOTE_PUT && !ask->if_match.len);
    *out = (struct remote_reply){0};
    buf_init(&body, REMOTE_BODY_MAX);
    if (ask->body)
        json_write(ask->body, &body);
    const struct wire_ask sent = {.verb = ask->verb,
                                  .target = target_of(a, ask),
                                  .body = buf_view(&body),
                                  .if_match = ask->if_match};
    enum wire_end end = remote_ask(c, a, &sent, repeatable, &answer);
    enum remote_outcome outcome = outcome_of(ask, end, &answer);
    out->status = answer.status;
    if (outcome == REMOTE_DONE)
        outcome = take_resource(a, ask, &answer, out, err);
    else
        remote_explain(a, end, &answer, err);
    if (outcome != REMOTE_DONE)
        name_it(c, ask, err);
    return outcome;
}

/* ---- making one */

enum sought { SOUGHT_NONE, SOUGHT_OURS, SOUGHT_OTHERS, SOUGHT_FAILED };

/* By one attribute: the resource that was sent, or one that stands in its way. */
static enum sought seek_by(struct remote_client *c, struct arena *a, const struct remote_ask *ask,
                           const char *attribute, struct remote_reply *out)
{
    struct str value = json_get_str(ask->body, attribute);
    struct str mine = json_get_str(ask->body, "externalId");
    const struct remote_query q = {
        .type = ask->type, .filter = remote_equals(a, attribute, value), .most = 2};
    struct remote_found found;
    struct error odd = ERROR_INIT;
    if (!value.len)
        return SOUGHT_NONE;
    if (!remote_find(c, a, &q, &found, &odd))
        return SOUGHT_FAILED;
    for (size_t i = 0; i < found.count; i++) {
        const json_t *r = found.at[i];
        if (!str_eq(json_get_str(r, "externalId"), mine))
            continue;
        *out =
            (struct remote_reply){.status = 201,
                                  .resource = r,
                                  .id = json_get_str(r, "id"),
                                  .version = json_get_str(json_object_get(r, "meta"), "version")};
        return SOUGHT_OURS;
    }
    return found.count ? SOUGHT_OTHERS : SOUGHT_NONE;
}

static enum sought seek(struct remote_client *c, struct arena *a, const struct remote_ask *ask,
                        struct remote_reply *out)
{
    bool group = str_eq(ask->type, STR("Groups"));
    enum sought found = seek_by(c, a, ask, "externalId", out);
    return found == SOUGHT_NONE ? seek_by(c, a, ask, group ? "displayName" : "userName", out)
                                : found;
}

/* After one that was cut off, "it is there already" may speak of what that one made. */
static bool must_seek(enum remote_outcome outcome, int tries)
{
    return outcome == REMOTE_UNKNOWN || (outcome == REMOTE_TAKEN && tries > 1);
}

enum remote_outcome remote_create(struct remote_client *c, struct arena *a,
                                  const struct remote_ask *ask, struct remote_reply *out,
                                  struct error *err)
{
    for (int tries = 1;; tries++) {
        enum remote_outcome outcome = remote_do(c, a, ask, out, err);
        if (!must_seek(outcome, tries) || !remote_pause(c, CREATE_PAUSE_MS))
            return outcome;
        enum sought found = seek(c, a, ask, out);
        if (found == SOUGHT_OURS) {
            error_clear(err);
            return REMOTE_DONE;
        }
        if (found == SOUGHT_OTHERS)
            return REMOTE_TAKEN;
        if (found == SOUGHT_FAILED || tries == CREATE_TRIES)
            return REMOTE_UNKNOWN;
        error_clear(err);
    }
}
