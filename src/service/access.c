/* Who is asking, on current state: a token by its hash from memory, and before a write by its entry
 * in the directory (KB-R15). */
#include "service/internal.h"

#include "base/hash.h"

/* Longer than any token we make; a longer header is no token of ours. */
#define TOKEN_MAX 512
/* After a question about a token that the directory did not answer. */
#define ASK_PAUSE_MS 3000

struct directory_writer access_writer(const struct service_call *c)
{
    uint64_t random;
    hash_random(&random, sizeof random);
    return (struct directory_writer){
        .client = c->actor.client,
        .marker = arena_fmt(c->arena, "%016llx", (unsigned long long)random),
        .now = clock_now(),
    };
}

static bool refuse_token(struct error *err)
{
    return error_set(err, ERR_UNAUTHORIZED,
                     "the token is unknown, expired or revoked; ask for a new one");
}

static const char *option(const struct directory_values *options, const char *name,
                          struct str *value)
{
    struct str want = str_of(name);
    for (size_t i = 0; i < options->count; i++) {
        struct str o = options->at[i];
        if (o.len > want.len && o.at[want.len] == '=' && str_starts(o, want)) {
            *value = str_sub(o, want.len + 1, o.len);
            return name;
        }
    }
    return NULL;
}

static bool option_yes(const struct directory_values *options, const char *name)
{
    struct str value;
    return option(options, name, &value) && str_eq(value, STR("yes"));
}

static void read_max_removals(const struct directory_token *t, struct kiops_actor *actor)
{
    struct str value;
    actor->max_removals = actor->max_removals_percent = -1;
    if (!option(&t->options, "max_removals", &value))
        return;
    bool percent = str_ends(value, STR("%"));
    int64_t n;
    if (!str_to_i64(str_sub(value, 0, value.len - percent), &n) || n < 0)
        return;
    *(percent ? &actor->max_removals_percent : &actor->max_removals) = n;
}

bool access_actor_of_token(const struct service *s, const struct directory_token *t,
                           struct kiops_actor *actor, struct error *err)
{
    enum kiops_role role;
    if (!kiops_role_parse(t->role, &role) ||
        (t->expires != INSTANT_NONE && t->expires <= clock_now()))
        return refuse_token(err);
    *actor = (struct kiops_actor){
        .kind = KIOPS_ACTOR_TOKEN,
        .id = t->name,
        .client = t->client.len ? t->client : t->name,
        .secret = t->hash,
        .role = role,
        .organizations = t->organizations.at,
        .organization_count = t->organizations.count,
        .can_write = str_ieq(t->access, STR("write")),
        .push_request = str_ieq(t->push_mode, STR("request")),
        .write_roles = option_yes(&t->options, "write_roles"),
        .keep_managers = option_yes(&t->options, "keep_managers"),
        .profile = t->profile.len ? t->profile : s->config->scim.default_profile,
    };
    read_max_removals(t, actor);
    return true;
}

/* The directory's answer, where the feed does not deliver. */
static bool token_in_directory(const struct service_call *c, struct str hash,
                               struct directory_token *t, struct error *err)
{
    struct directory_search search =
        directory_search_token_hash(c->service->directory, c->arena, hash);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &search, &found, err))
        return false;
    return found.count == 1 ? directory_map_token(c->arena, &found.at[0], t, err)
                            : refuse_token(err);
}

/* A directory that hangs costs every question its whole deadline, and there are few readers: after
 * one that failed, memory answers for known tokens, and one request at a time asks again. */
bool access_asks_directory(const struct service_call *c)
{
    struct service *s = c->service;
    int64_t at = atomic_load(&s->ask_tokens_at);
    if (at == 0)
        return true;
    if (c->conn)
        return atomic_exchange(&s->ask_tokens_once, false);
    if (clock_left_ms(at) > 0 ||
        !atomic_compare_exchange_strong(&s->ask_tokens_at, &at, clock_deadline_in(ASK_PAUSE_MS)))
        return false;
    atomic_store(&s->ask_tokens_once, true);
    return true;
}

void access_asked(const struct service_call *c, bool answered)
{
    atomic_store(&c->service->ask_tokens_at, answered ? 0 : clock_deadline_in(ASK_PAUSE_MS));
}

/* While the feed is live, memory says it all; else the token is re-read, and one that was known
 * before is still served while the directory is away (until stale_after_s). */
static enum service_status find_token(const struct service_call *c, struct str hash,
                                      struct directory_token *t, struct error *err)
{
    bool known = replica_token(c->service->replica, c->arena, hash, t);
    if (replica_live(c->service->replica))
        return known || refuse_token(err) ? SERVICE_OK : SERVICE_FAILED;
    if (known && !access_asks_directory(c))
        return SERVICE_OK;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    struct directory_token fresh;
    bool found = token_in_directory(c, hash, &fresh, err);
    bool unanswered = !found && err->kind == ERR_UNAVAILABLE;
    access_asked(c, !unanswered);
    if (found) {
        *t = fresh;
        return SERVICE_OK;
    }
    if (!unanswered || !known)
        return SERVICE_FAILED;
    error_clear(err);
    return SERVICE_OK;
}

enum service_status service_authenticate(const struct service_call *c, struct str token,
                                         struct kiops_actor *actor, struct error *err)
{
    char hex[65];
    struct directory_token t;
    if (token.len == 0 || token.len > TOKEN_MAX) {
        refuse_token(err);
        return SERVICE_FAILED;
    }
    hash_sha256_hex(token, hex);
    enum service_status found = find_token(c, arena_str(c->arena, str_of(hex)), &t, err);
    if (found != SERVICE_OK)
        return found;
    if (t.hash.len != sizeof hex - 1 || !hash_equal(t.hash.at, hex, sizeof hex - 1)) {
        refuse_token(err);
        return SERVICE_FAILED;
    }
    return access_actor_of_token(c->service, &t, actor, err) ? SERVICE_OK : SERVICE_FAILED;
}

bool access_may_write(const struct service_call *c, struct error *err)
{
    if (!c->service->config->directory.writes)
        return error_set(err, ERR_UNAVAILABLE,
                         "this bridge is read-only (directory.writes = false)");
    if (c->actor.can_write)
        return true;
    error_set(err, ERR_FORBIDDEN, "this token may only read; use one made with --access write");
    memcpy(err->rule, "KB-R09", sizeof "KB-R09");
    atomic_fetch_add(&c->service->refused_by_rule[9], 1);
    return false;
}

static bool lost_standing(struct error *err)
{
    return error_set(err, ERR_FORBIDDEN,
                     "your role was changed a moment ago; it does not allow this any more");
}

/* No organization that the actor was found to have is missing now. */
static bool holds_organizations(const struct kiops_actor *now, const struct kiops_actor *actor)
{
    for (size_t i = 0; i < actor->organization_count; i++)
        if (!kiops_actor_is_in(now, actor->organizations[i]))
            return false;
    return true;
}

static bool confirm_token(const struct service_call *c, struct error *err)
{
    struct directory_search search =
        directory_search_token(c->service->directory, c->arena, c->actor.id);
    struct directory_entries found;
    struct directory_token t;
    struct kiops_actor now;
    if (!directory_find(c->conn, c->arena, &search, &found, err))
        return false;
    if (found.count != 1)
        return refuse_token(err);
    if (!directory_map_token(c->arena, &found.at[0], &t, err) ||
        !access_actor_of_token(c->service, &t, &now, err))
        return false;
    if (c->actor.secret.len && !str_eq(t.hash, c->actor.secret))
        return refuse_token(err);
    bool same =
        now.role == c->actor.role && now.can_write == c->actor.can_write &&
        now.push_request == c->actor.push_request && now.write_roles == c->actor.write_roles &&
        now.keep_managers == c->actor.keep_managers && now.max_removals == c->actor.max_removals &&
        now.max_removals_percent == c->actor.max_removals_percent &&
        holds_organizations(&now, &c->actor);
    return same || lost_standing(err);
}

/* A person: the own entry, and what names it in the platform group or in the organization. */
static bool confirm_person(const struct service_call *c, struct str organization_id,
                           struct error *err)
{
    struct service *s = c->service;
    struct arena *a = c->arena;
    bool admin = c->actor.role == KIOPS_PLATFORM_ADMIN;
    bool manager = !admin && kiops_actor_manages(&c->actor, organization_id);
    struct directory_search own[2] = {
        directory_search_user(s->directory, a, c->actor.id),
        directory_search_organization(s->directory, a, manager ? organization_id : STR_NONE)};
    struct directory_entries found[2];
    struct directory_person me = {0};
    own[1].attrs = directory_organization_attrs(s->directory, false, false);
    if (!directory_find_all(c->conn, a, (struct directory_searches){own, 2}, found, err))
        return false;
    if (found[0].count == 1)
        directory_map_person(a, &found[0].at[0], &me);
    if (!me.active)
        return error_set(err, ERR_UNAUTHORIZED, "this account is not active");
    if (!admin && !manager)
        return true;
    if (manager && found[1].count != 1)
        return lost_standing(err);
    struct str group = admin ? s->config->directory.admins_dn : found[1].at[0].dn;
    const char *member = admin ? "member" : member_attr(c);
    struct directory_search named[2] = {directory_search_has_value(a, group, member, me.dn),
                                        directory_search_has_value(a, group, owner_attr(c), me.dn)};
    if (!directory_find_all(c->conn, a, (struct directory_searches){named, 2}, found, err))
        return false;
    struct str where = admin ? STR("platform") : organization_id;
    bool counts =
        found[0].count == 1 && operation_values_of(a, &me.joined, where).count &&
        (admin || (found[1].count == 1 && operation_values_of(a, &me.managers, where).count));
    return counts || lost_standing(err);
}

bool access_confirm(const struct service_call *c, struct str organization_id, struct error *err)
{
    switch (c->actor.kind) {
    case KIOPS_ACTOR_TOKEN:
        return confirm_token(c, err);
    case KIOPS_ACTOR_PERSON:
        return confirm_person(c, organization_id, err);
    case KIOPS_ACTOR_OPERATOR:
    case KIOPS_ACTOR_STRANGER:
        return true;
    }
    return true;
}
