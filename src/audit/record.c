/* A record as one JSON line with the hash of the one before it. */
#include "audit/internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

#include <assert.h>
#include <sodium.h>

#define VALUE_MAX ((size_t)256 * 1024)
#define JSON_DEPTH 64

static const char *const actor_kinds[] = {
    [KIOPS_ACTOR_TOKEN] = "token",
    [KIOPS_ACTOR_PERSON] = "person",
    [KIOPS_ACTOR_OPERATOR] = "operator",
    [KIOPS_ACTOR_STRANGER] = "sign-up",
};

static const char *const results[] = {
    [AUDIT_DONE] = "done",     [AUDIT_REFUSED] = "refused",       [AUDIT_LOST_RACE] = "lost race",
    [AUDIT_FAILED] = "failed", [AUDIT_UNFINISHED] = "unfinished", [AUDIT_UNKNOWN] = "unknown",
};

static const char tail_prev[] = ",\"prev\":\"";
static const char tail_hash[] = ",\"hash\":\"";

struct audit_end audit_end_none(void)
{
    struct audit_end end = {.size = 0, .seq = 0};
    memset(end.hash, '0', AUDIT_HASH_LEN);
    return end;
}

static void put(struct buf *out, const char *name, struct str value)
{
    if (!value.len)
        return;
    buf_fmt(out, ",\"%s\":", name);
    buf_json_string(out, value);
}

/* A text of JSON becomes part of the record; what is none, or too long, is never lost silently. */
static void put_json(struct buf *out, const char *name, struct str text)
{
    if (!text.len)
        return;
    if (text.len > VALUE_MAX) {
        char hash[65];
        hash_sha256_hex(text, hash);
        buf_fmt(out, ",\"%s\":{\"omittedBytes\":%zu,\"sha256\":\"%s\"}", name, text.len, hash);
        return;
    }
    struct error ignored = ERROR_INIT;
    OWNED_JSON json_t *value =
        json_load_strict(text, (struct json_limits){.depth = JSON_DEPTH}, &ignored);
    if (!value) {
        put(out, name, text);
        return;
    }
    buf_fmt(out, ",\"%s\":", name);
    json_write(value, out);
}

static void put_actor(struct buf *out, const struct kiops_actor *actor)
{
    assert(actor->kind <= KIOPS_ACTOR_STRANGER);
    buf_fmt(out, ",\"actor\":{\"kind\":\"%s\"", actor_kinds[actor->kind]);
    put(out, "id", actor->id);
    put(out, "client", actor->client);
    buf_char(out, '}');
}

void audit_write_change(struct buf *out, const char *type, const struct kiops_record *r,
                        struct str request_id)
{
    put(out, "type", str_of(type));
    put_actor(out, &r->actor);
    put(out, "request", request_id);
    put(out, "category", str_of(kiops_change_category(r->kind)));
    put(out, "change", str_of(kiops_change_name(r->kind)));
    put(out, "rule", str_of(r->rule));
    put(out, "subject", r->subject);
    put(out, "organization", r->organization);
    put_json(out, "before", r->before);
    put_json(out, "after", r->after);
}

void audit_write_outcome(struct buf *out, uint64_t intent, enum audit_result result,
                         struct str detail)
{
    assert(result <= AUDIT_UNKNOWN);
    put(out, "type", STR("outcome"));
    buf_fmt(out, ",\"intent\":%llu", (unsigned long long)intent);
    put(out, "result", str_of(results[result]));
    put(out, "detail", detail);
}

void audit_write_made(struct buf *out, uint64_t intent, struct str subject)
{
    audit_write_outcome(out, intent, AUDIT_DONE, STR_NONE);
    put(out, "subject", subject);
}

void audit_write_note(struct buf *out, const char *note, struct str detail)
{
    put(out, "type", STR("note"));
    put(out, "category", STR("audit"));
    put(out, "note", str_of(note));
    put(out, "detail", detail);
}

static void chain_hash(struct str prev, struct str body, char out[AUDIT_HASH_LEN + 1])
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)prev.at, prev.len);
    crypto_hash_sha256_update(&state, (const unsigned char *)body.at, body.len);
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(out, AUDIT_HASH_LEN + 1, digest, sizeof digest);
}

void audit_seal(struct audit_end *end, struct str content, struct buf *line)
{
    char now[CLOCK_TEXT_MAX], hash[AUDIT_HASH_LEN + 1];
    const size_t start = line->len;
    const struct str time = clock_rfc3339(clock_now(), now);
    buf_fmt(line, "{\"seq\":%llu,\"time\":\"" STR_FMT "\"", (unsigned long long)(end->seq + 1),
            STR_ARG(time));
    buf_str(line, content);
    buf_fmt(line, "%s%s\"", tail_prev, end->hash);
    if (line->failed)
        return;
    chain_hash(str_of(end->hash), str_sub(buf_view(line), start, line->len), hash);
    buf_fmt(line, "%s%s\"}\n", tail_hash, hash);
    end->seq++;
    end->size += line->len - start;
    memcpy(end->hash, hash, sizeof hash);
}

/* Cuts `,"name":"<64 characters>"` off the end of `*rest`. */
static bool cut_hash(struct str *rest, const char *name, struct str *hash)
{
    const struct str mark = str_of(name);
    const size_t len = mark.len + AUDIT_HASH_LEN + 1;
    if (rest->len < len || rest->at[rest->len - 1] != '"')
        return false;
    const struct str tail = str_sub(*rest, rest->len - len, len);
    *hash = str_sub(tail, mark.len, AUDIT_HASH_LEN);
    rest->len -= len;
    return str_starts(tail, mark);
}

static bool read_seq(struct str line, uint64_t *seq)
{
    static const char head[] = "{\"seq\":";
    size_t comma;
    if (!str_starts(line, str_of(head)) || !str_find(line, ',', &comma))
        return false;
    int64_t number;
    if (!str_to_i64(str_sub(line, sizeof head - 1, comma - (sizeof head - 1)), &number) ||
        number < 1)
        return false;
    *seq = (uint64_t)number;
    return true;
}

bool audit_line_read(struct str line, struct audit_line *out)
{
    char hash[AUDIT_HASH_LEN + 1];
    if (!read_seq(line, &out->seq) || line.at[line.len - 1] != '}')
        return false;
    struct str rest = str_sub(line, 0, line.len - 1);
    if (!cut_hash(&rest, tail_hash, &out->hash))
        return false;
    const struct str body = rest;
    if (!cut_hash(&rest, tail_prev, &out->prev))
        return false;
    chain_hash(out->prev, body, hash);
    return str_eq(out->hash, str_of(hash));
}
