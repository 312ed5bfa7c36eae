/* Tokens: entries of the directory that only the operator's account writes. The bridge reads them
 * through the feed. */
#include <sodium.h>

#include "service/internal.h"

#include "base/hash.h"
#include "directory/findings.h"

#define TOKEN_BYTES 32
#define NAME_MAX_BYTES 64

static bool check_one_of(const char *what, struct str value, const char *const *allowed,
                         struct error *err)
{
    for (size_t i = 0; allowed[i]; i++)
        if (str_eq(value, str_of(allowed[i])))
            return true;
    return error_set(err, ERR_INVALID_VALUE, "--%s: \"" STR_FMT "\" is not one of those that exist",
                     what, STR_ARG(value));
}

static bool is_yes_or_no(struct str value)
{
    return str_eq(value, STR("yes")) || str_eq(value, STR("no"));
}

static bool check_option(struct str option, struct error *err)
{
    size_t equals;
    int64_t n;
    if (!str_find(option, '=', &equals))
        return error_set(err, ERR_INVALID_VALUE, "--option: write NAME=VALUE");
    struct str name = str_sub(option, 0, equals), value = str_sub(option, equals + 1, option.len);
    bool on_off = str_eq(name, STR("keep_managers")) || str_eq(name, STR("write_roles"));
    if (on_off && is_yes_or_no(value))
        return true;
    bool percent = str_ends(value, STR("%"));
    if (str_eq(name, STR("max_removals")) &&
        str_to_i64(str_sub(value, 0, value.len - percent), &n) && n >= 0 && (!percent || n <= 100))
        return true;
    return error_set(
        err, ERR_INVALID_VALUE,
        "--option: known are keep_managers=yes|no, write_roles=yes|no and max_removals=N or N%%");
}

static bool is_first(const struct str *options, size_t i)
{
    size_t equals;
    if (!str_find(options[i], '=', &equals))
        return true; /* refused for that */
    for (size_t k = 0; k < i; k++)
        if (str_starts(options[k], str_sub(options[i], 0, equals + 1)))
            return false;
    return true;
}

static bool check_options(const struct service_token_request *t, struct error *err)
{
    for (size_t i = 0; i < t->option_count; i++) {
        if (!check_option(t->options[i], err))
            return false;
        if (!is_first(t->options, i))
            return error_set(err, ERR_INVALID_VALUE,
                             "--option: " STR_FMT " is the second of its name",
                             STR_ARG(t->options[i]));
    }
    return true;
}

static bool check_name(struct str name, struct error *err)
{
    bool good = name.len > 0 && name.len <= NAME_MAX_BYTES && !directory_is_proof_name(name);
    for (size_t i = 0; good && i < name.len; i++)
        good = (name.at[i] >= 'a' && name.at[i] <= 'z') ||
               (name.at[i] >= 'A' && name.at[i] <= 'Z') ||
               (name.at[i] >= '0' && name.at[i] <= '9') || name.at[i] == '-' || name.at[i] == '_' ||
               name.at[i] == '.';
    return good ||
           error_set(err, ERR_INVALID_VALUE,
                     "a token's name is 1 to %d letters, digits, '-', '_' or '.', and none of "
                     "check's own (kiops-proof-...)",
                     NAME_MAX_BYTES);
}

static const char *profile_names(struct arena *a)
{
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    struct str names = dialects[0].name;
    for (size_t i = 1; i < n; i++)
        names = arena_fmt(a, STR_FMT ", " STR_FMT, STR_ARG(names), STR_ARG(dialects[i].name));
    return arena_cstr(a, names);
}

/* Requests and roles have no place in a directory without the kiops schema. */
static bool check_plain(const struct service_token_request *t, struct error *err)
{
    if (str_eq(t->push_mode, STR("request")))
        return error_set(err, ERR_INVALID_VALUE,
                         "--push-mode: a plain directory keeps no requests; use direct");
    for (size_t i = 0; i < t->option_count; i++)
        if (str_starts(t->options[i], STR("write_roles=")))
            return error_set(
                err, ERR_INVALID_VALUE,
                "--option write_roles: a plain directory keeps no roles; leave it out");
    return true;
}

static bool check(struct directory_conn *conn, struct arena *a,
                  const struct service_token_request *t, struct error *err)
{
    static const char *const ACCESS[] = {"read", "write", NULL}, *const MODES[] = {"direct",
                                                                                   "request", NULL};
    enum kiops_role role;
    if (!check_name(t->name, err) || !check_name(t->client, err) ||
        !check_one_of("access", t->access, ACCESS, err) ||
        !check_one_of("push-mode", t->push_mode, MODES, err))
        return false;
    if (!kiops_role_parse(t->role, &role))
        return error_set(err, ERR_INVALID_VALUE,
                         "--role: one of PlatformAdmin, Manager, Member (KB-R01)");
    if (!scim_dialect_find(t->profile))
        return error_set(err, ERR_INVALID_VALUE, "--profile: one of %s", profile_names(a));
    if (!config_has_schema(&directory_config(directory_of(conn))->directory) &&
        !check_plain(t, err))
        return false;
    if (role != KIOPS_PLATFORM_ADMIN && t->organization_count == 0)
        return error_set(err, ERR_INVALID_VALUE, "a token with that role needs --organization ID");
    if (t->expires != INSTANT_NONE && t->expires <= clock_now())
        return error_set(err, ERR_INVALID_VALUE, "--expires: that is over; name a day to come");
    if (!check_options(t, err))
        return false;
    for (size_t i = 0; i < t->organization_count; i++) {
        struct directory_entries found;
        struct directory_search s =
            directory_search_organization(directory_of(conn), a, t->organizations[i]);
        if (!directory_find(conn, a, &s, &found, err))
            return false;
        if (found.count != 1)
            return error_set(err, ERR_INVALID_VALUE,
                             "--organization: no organization has the id " STR_FMT,
                             STR_ARG(t->organizations[i]));
    }
    return true;
}

static void make_secret(struct buf *token)
{
    unsigned char bytes[TOKEN_BYTES];
    char text[sodium_base64_ENCODED_LEN(TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    hash_random(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buf_clear(token);
    buf_str(token, str_of(text));
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
}

static void describe(const struct directory *d, const struct service_token_request *t,
                     struct str hash, struct directory_mods *m)
{
    char time[CLOCK_TEXT_MAX];
    const struct directory_token_value once[] = {
        {"kiopsTokenHash", hash},          {"kiopsTokenClient", t->client},
        {"kiopsTokenRole", t->role},       {"kiopsTokenAccess", t->access},
        {"kiopsTokenProfile", t->profile}, {"kiopsTokenPushMode", t->push_mode},
    };
    size_t n = sizeof once / sizeof *once;
    struct directory_token_value *all = ARENA_ARRAY(
        m->arena, struct directory_token_value, n + t->organization_count + t->option_count + 1);
    memcpy(all, once, sizeof once);
    for (size_t i = 0; i < t->organization_count; i++)
        all[n++] = (struct directory_token_value){"kiopsTokenOrganization", t->organizations[i]};
    for (size_t i = 0; i < t->option_count; i++)
        all[n++] = (struct directory_token_value){"kiopsTokenOption", t->options[i]};
    if (t->expires != INSTANT_NONE)
        all[n++] = (struct directory_token_value){
            "kiopsTokenExpires", arena_str(m->arena, clock_generalized(t->expires, time))};
    directory_mods_one(m, DIRECTORY_ADD, "cn", t->name);
    directory_unmap_token(d, all, n, m);
}

static struct str token_dn(const struct directory *d, struct arena *a, struct str name)
{
    return arena_fmt(a, "cn=" STR_FMT "," STR_FMT, STR_ARG(directory_dn_value(a, name)),
                     STR_ARG(directory_config(d)->directory.tokens_base));
}

static struct kiops_record record_of(enum kiops_change_kind kind, struct str operator_name,
                                     struct str token)
{
    return (struct kiops_record){
        .actor = {.kind = KIOPS_ACTOR_OPERATOR, .id = operator_name},
        .kind = kind,
        .rule = "KB-R17",
        .subject = token,
    };
}

static void tell_outcome(const struct service_operator *o, uint64_t intent, bool done,
                         enum directory_outcome outcome, const struct error *err)
{
    audit_outcome(o->audit, intent,
                  done                           ? AUDIT_DONE
                  : outcome == DIRECTORY_UNKNOWN ? AUDIT_UNKNOWN
                                                 : AUDIT_FAILED,
                  done ? STR_NONE : str_of(err->detail));
}

bool service_token_create(const struct service_operator *o, const struct service_token_request *t,
                          struct buf *token, struct error *err)
{
    struct directory_conn *conn = o->conn;
    struct arena *a = o->arena;
    char hash[65];
    uint64_t intent;
    struct directory_mods attrs;
    struct directory_result result = {0};
    if (!check(conn, a, t, err))
        return false;
    make_secret(token);
    hash_sha256_hex(buf_view(token), hash);
    directory_mods_init(&attrs, a);
    describe(directory_of(conn), t, str_of(hash), &attrs);
    struct kiops_record record = record_of(KIOPS_CREATE_TOKEN, o->name, t->name);
    if (!audit_intent(o->audit, &record, STR_NONE, &intent, err))
        return false;
    bool ok = directory_add(conn, token_dn(directory_of(conn), a, t->name), &attrs, &result, err);
    if (ok && result.outcome != DIRECTORY_DONE)
        ok = error_set(err, result.outcome == DIRECTORY_EXISTS ? ERR_CONFLICT : ERR_UNAVAILABLE,
                       result.outcome == DIRECTORY_EXISTS
                           ? "a token of that name exists; revoke it or choose another name"
                           : "the directory has no place for tokens (platform.tokens_base)");
    tell_outcome(o, intent, ok, result.outcome, err);
    return ok;
}

bool service_token_revoke(const struct service_operator *o, struct str name, struct error *err)
{
    struct directory_conn *conn = o->conn;
    struct arena *a = o->arena;
    uint64_t intent;
    struct directory_result result = {0};
    struct directory_target target = {.dn = token_dn(directory_of(conn), a, name)};
    struct kiops_record record = record_of(KIOPS_REVOKE_TOKEN, o->name, name);
    if (!audit_intent(o->audit, &record, STR_NONE, &intent, err))
        return false;
    bool ok = directory_delete(conn, a, &target, &result, err);
    if (ok && result.outcome != DIRECTORY_DONE)
        ok = error_set(err, ERR_NOT_FOUND,
                       "no token has that name; `kiops-bridge token list` shows them");
    tell_outcome(o, intent, ok, result.outcome, err);
    return ok;
}

bool service_token_list(const struct service_operator *o, struct directory_token **out,
                        size_t *count, struct error *err)
{
    struct directory_conn *conn = o->conn;
    struct arena *a = o->arena;
    struct directory_search s = directory_search_tokens(directory_of(conn));
    struct directory_entries found;
    if (!directory_find(conn, a, &s, &found, err))
        return false;
    struct directory_token *tokens = ARENA_ARRAY(a, struct directory_token, found.count + 1);
    for (size_t i = 0; i < found.count; i++)
        if (!directory_map_token(a, &found.at[i], &tokens[i], err))
            return false;
    *out = tokens;
    *count = found.count;
    return true;
}
