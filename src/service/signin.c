/*
 * Signing in with user name and password: the directory decides, by a bind.
 *
 * A client sends the password with every request, so one that was right is remembered for some
 * seconds: as a keyed hash, in this process alone, together with the entry's id and CSN. Any change
 * of the entry (password, active, a rename) has another CSN, and the hash fits no more.
 */
#include <sodium.h>
#include <string.h>

#include "base/memory.h"
#include "base/unicode.h"
#include "service/internal.h"

#define REMEMBERED_MS 10000
#define SLOTS 1024
#define HASH_BYTES 32
#define LOGIN_MAX 1024 /* of name and of password */

struct slot {
    unsigned char hash[HASH_BYTES];
    int64_t until; /* monotonic ms; 0 = free */
};

/* A fixed table: a later sign-in takes the place of another one, which then binds again. */
struct signins {
    unsigned char key[crypto_generichash_KEYBYTES];
    pthread_mutex_t lock;
    struct slot slots[SLOTS];
};

struct signins *signins_new(void)
{
    struct signins *s = calloc(1, sizeof *s);
    if (!s || sodium_init() < 0)
        memory_out();
    randombytes_buf(s->key, sizeof s->key);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void signins_free(struct signins *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    explicit_bzero(s, sizeof *s);
    free(s);
}

/* ---- what was right */

static void add_part(crypto_generichash_state *state, struct str part)
{
    const uint64_t len = part.len;
    crypto_generichash_update(state, (const unsigned char *)&len, sizeof len);
    crypto_generichash_update(state, (const unsigned char *)part.at, part.len);
}

static void hash_of(const struct signins *s, const struct directory_person *person,
                    struct str password, unsigned char out[HASH_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, s->key, sizeof s->key, HASH_BYTES);
    add_part(&state, person->id);
    add_part(&state, person->csn);
    add_part(&state, password);
    crypto_generichash_final(&state, out, HASH_BYTES);
    explicit_bzero(&state, sizeof state);
}

/* By the person: one slot for each, so that wrong passwords push nobody out. */
static struct slot *slot_of(struct signins *s, const struct directory_person *person)
{
    return &s->slots[str_hash(person->id) % SLOTS];
}

static bool is_remembered(struct signins *s, const struct directory_person *person,
                          struct str password)
{
    unsigned char hash[HASH_BYTES];
    hash_of(s, person, password, hash);
    pthread_mutex_lock(&s->lock);
    const struct slot *slot = slot_of(s, person);
    bool same = slot->until && clock_left_ms(slot->until) > 0 &&
                sodium_memcmp(slot->hash, hash, sizeof hash) == 0;
    pthread_mutex_unlock(&s->lock);
    return same;
}

static void remember(struct signins *s, const struct directory_person *person, struct str password)
{
    unsigned char hash[HASH_BYTES];
    if (!person->csn.len)
        return;
    hash_of(s, person, password, hash);
    pthread_mutex_lock(&s->lock);
    struct slot *slot = slot_of(s, person);
    memcpy(slot->hash, hash, sizeof hash);
    slot->until = clock_deadline_in(REMEMBERED_MS);
    pthread_mutex_unlock(&s->lock);
}

/* ---- who it is */

static bool refuse(struct error *err)
{
    return error_set(err, ERR_UNAUTHORIZED, "user name or password is wrong");
}

/* Only while the feed tells of every change. */
static bool recall(const struct service_call *c, const struct service_login *login,
                   struct directory_person *person)
{
    struct replica *r = c->service->replica;
    const struct replica_name wanted = {.name = login->name};
    struct directory_person known;
    struct str id;
    if (!replica_live(r) || !replica_user_named(r, c->arena, &wanted, &id) ||
        !replica_person(r, c->arena, id, &known) || !known.csn.len ||
        !is_remembered(c->service->signins, &known, login->password))
        return false;
    *person = known;
    return true;
}

/* The active user of that name, from the directory; nobody: `person->id` stays empty. */
static bool find_person(const struct service_call *c, struct str name,
                        struct directory_person *person, struct error *err)
{
    const struct directory *d = c->service->directory;
    struct directory_search search = directory_search_user_named(d, c->arena, name);
    struct directory_entries found;
    struct directory_user user;
    struct error odd = ERROR_INIT;
    if (!directory_find(c->conn, c->arena, &search, &found, err))
        return false;
    if (found.count != 1 || !directory_map_user(d, c->arena, &found.at[0], &user, &odd))
        return true;
    operation_apply_user(c, &found.at[0]);
    /* An entry may have further values of that attribute: they are no userName. */
    if (user.person.active &&
        str_eq(unicode_key(c->arena, user.user_name), unicode_key(c->arena, name)))
        *person = user.person;
    return true;
}

/* Nobody and who is inactive cost the same two questions as a wrong password: the second one is put
 * to the placeholder, an entry of which nobody knows a password. */
static bool check_password(const struct service_call *c, const struct service_login *login,
                           struct directory_person *person, struct error *err)
{
    const struct service *s = c->service;
    if (!find_person(c, login->name, person, err))
        return false;
    struct str dn = person->id.len ? person->dn : s->config->directory.organizations.placeholder_dn;
    if (!directory_bind_person(s->directory, dn, login->password, err))
        return err->kind == ERR_UNAUTHORIZED ? error_clear(err), refuse(err) : false;
    return person->id.len > 0 || refuse(err);
}

enum service_status service_password_authenticate(const struct service_call *c,
                                                  const struct service_login *login,
                                                  struct kiops_actor *actor, struct error *err)
{
    struct directory_person person = {0};
    bool possible = login->name.len && login->password.len && login->name.len <= LOGIN_MAX &&
                    login->password.len <= LOGIN_MAX;
    if (!service_readable(c->service, err) || (!possible && !refuse(err)))
        return SERVICE_FAILED;
    if (!recall(c, login, &person)) {
        if (!c->conn)
            return SERVICE_NEEDS_DIRECTORY;
        if (!check_password(c, login, &person, err))
            return SERVICE_FAILED;
        remember(c->service->signins, &person, login->password);
    }
    return service_person_authenticate(c, person.id, actor, err);
}
