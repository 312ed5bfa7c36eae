/*
 * Connections: who binds where, one handle per thread. Whoever writes is bound to the server that
 * is written to, for its reads too: a precondition and what was read for it come from the same
 * place.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "directory/internal.h"

#define REFUSED_BIND_PAUSE_MS 10000
#define SECRET_MAX 8192
#define RETURN_MS 2000 /* between two looks for the first server */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- struct directory */

static void load_protected(struct directory *d)
{
    const struct config_strings *dns = &d->config->directory.protected_dns;
    struct str *keys = ARENA_ARRAY(d->memory, struct str, dns->count + 1);
    for (size_t i = 0; i < dns->count; i++)
        keys[i] = directory_dn_key(d->memory, dns->at[i]);
    d->protected_keys = keys;
    d->protected_count = dns->count;
    if (d->config->signup.enabled)
        d->signup_key = directory_dn_key(d->memory, d->config->signup.container);
}

bool directory_new(const struct config *config, const struct scim_catalog *catalog,
                   struct directory **out, struct error *err)
{
    if (config->directory.uris.count == 0)
        return error_set(err, ERR_CONFIG, "directory.uris: no server");
    /* The environment and ldap.conf of the host must not change how the bridge connects. */
    setenv("LDAPNOINIT", "1", 1);
    /* libldap writes to sockets that the server may have closed, without MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    struct arena *memory = arena_new();
    struct directory *d = ARENA_NEW(memory, struct directory);
    d->memory = memory;
    d->config = config;
    d->catalog = catalog;
    d->member = arena_cstr(memory, config->directory.organizations.member);
    d->owner = arena_cstr(memory, config->directory.organizations.owner);
    directory_servers_init(d);
    load_protected(d);
    buf_init(&d->password, SECRET_MAX);
    struct str secret = config->directory.service.bind_password_file;
    if ((config->directory.service.bind_dn.len && !config_read_secret(secret, &d->password, err)) ||
        !directory_mapping_new(config, catalog, &d->mapping, err)) {
        directory_free(d);
        return false;
    }
    *out = d;
    return true;
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    directory_mapping_free(d->mapping);
    own_secret_release(&d->password);
    directory_servers_release(d);
    arena_free(d->memory);
}

const struct config *directory_config(const struct directory *d)
{
    return d->config;
}

const char *directory_member_attr(const struct directory *d)
{
    return d->member;
}

const char *directory_owner_attr(const struct directory *d)
{
    return d->owner;
}

/* ---- who binds */

/* A refusal by the server, unlike a broken connection, will not mend itself within a second. */
static void pause_binds(struct directory *d, int code)
{
    if (code > 0 && !directory_is_away(code))
        atomic_store(&d->bind_again_at, clock_deadline_in(REFUSED_BIND_PAUSE_MS));
}

static const char *refusal_of(enum directory_account account, int code)
{
    if (code == LDAP_CONFIDENTIALITY_REQUIRED)
        return "the directory wants an encrypted connection";
    if (code == LDAP_STRONG_AUTH_REQUIRED)
        return "the directory wants a stronger login of the bridge";
    return account == DIRECTORY_OPERATOR ? "the directory refuses the operator's account: look at "
                                           "directory.operator"
                                         : "the directory refuses the bridge's account";
}

/* Opened and bound, or the LDAP code that says why not; link->asked then tells how far it came. */
static int enter(struct directory *d, size_t server, const struct directory_login *who,
                 int64_t deadline, struct directory_link *link)
{
    link->asked = false;
    int code = directory_link_open(d, server, deadline, &link->ld);
    if (code != LDAP_SUCCESS)
        return directory_is_away(code) ? code : LDAP_CONNECT_ERROR;
    link->asked = true;
    link->server = server;
    code = directory_link_bind(link->ld, who, deadline);
    if (code == LDAP_SUCCESS)
        return code;
    directory_link_close(link->ld);
    link->ld = NULL;
    return code;
}

static bool report(struct directory *d, enum directory_account account,
                   const struct directory_link *link, int code, struct error *err)
{
    bool waits = d->servers.count > 1 && directory_writes_wait(d) && account != DIRECTORY_SERVICE;
    if (!directory_is_away(code)) {
        if (account != DIRECTORY_OPERATOR)
            pause_binds(d, code);
        atomic_store(&d->refused, code);
        return error_set(err, ERR_UNAVAILABLE, "%s", refusal_of(account, code));
    }
    return error_set(err, ERR_UNAVAILABLE, "%s%s",
                     link->asked ? "the directory did not answer in time"
                                 : "the directory cannot be reached",
                     waits ? "; writes wait for the first server of the list" : "");
}

/* The servers that may be asked, the one in use first. */
static bool connect_some(struct directory *d, const struct directory_login *who, int64_t deadline,
                         struct directory_link *link, struct error *err)
{
    bool pinned = who->account != DIRECTORY_SERVICE && directory_writes_wait(d);
    size_t first = pinned ? 0 : atomic_load(&d->servers.current), left_out = link->server;
    size_t count = pinned ? 1 : d->servers.count;
    int code = LDAP_UNAVAILABLE;
    for (size_t k = 0; k < count; k++) {
        size_t i = directory_host_nth(first, k);
        if (link->elsewhere && i == left_out)
            continue;
        int64_t until = clock_deadline_in(clock_left_ms(deadline) / (int64_t)(count - k));
        code = enter(d, i, who, until, link);
        if (code == LDAP_SUCCESS && (i == first || directory_host_take(d, link, until)))
            return true;
        if (code != LDAP_SUCCESS && !directory_is_away(code))
            break;
        code = code == LDAP_SUCCESS ? LDAP_UNAVAILABLE : code;
    }
    return report(d, who->account, link, code, err);
}

bool directory_connect(struct directory *d, enum directory_account account, int64_t deadline,
                       struct directory_link *link, struct error *err)
{
    const struct config_directory *config = &d->config->directory;
    bool is_operator = account == DIRECTORY_OPERATOR;
    const struct config_account *name = is_operator ? &config->operator_account : &config->service;
    if (!is_operator && clock_left_ms(atomic_load(&d->bind_again_at)) > 0)
        return error_set(err, ERR_UNAVAILABLE, "%s", refusal_of(account, atomic_load(&d->refused)));
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_SECRET struct buf password;
    buf_init(&password, SECRET_MAX);
    if (is_operator && !config_read_secret(name->bind_password_file, &password, err))
        return false;
    struct directory_login who = {account, arena_cstr(a, name->bind_dn),
                                  buf_view(is_operator ? &password : &d->password)};
    return connect_some(d, &who, deadline, link, err);
}

/* The first server is looked for while another one is in use; the feed's thread. */
void directory_return(struct directory *d)
{
    struct directory_servers *s = &d->servers;
    if (!directory_writes_wait(d) || atomic_load(&s->current) == 0 || clock_left_ms(s->look_at) > 0)
        return;
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_login who = {DIRECTORY_SERVICE,
                                  arena_cstr(a, d->config->directory.service.bind_dn),
                                  buf_view(&d->password)};
    struct directory_link link = {0};
    int64_t began = clock_monotonic_ms();
    int code = enter(d, 0, &who, clock_deadline_in(d->config->directory.connect_timeout_ms), &link);
    int64_t took = clock_monotonic_ms() - began;
    /* One that refuses the password counts the tries. */
    bool refused = code != LDAP_SUCCESS && !directory_is_away(code);
    s->look_at = clock_deadline_in(refused ? REFUSED_BIND_PAUSE_MS : RETURN_MS + 10 * took);
    if (code == LDAP_SUCCESS && directory_host_take(d, &link, 0))
        directory_link_close(link.ld);
}

/* ---- people */

/* What a person can be told apart by: everything else is the directory's trouble. */
static bool is_login_refusal(const struct directory *d, int code)
{
    return (code != LDAP_SUCCESS && code == directory_server(d)->locked) ||
           code == LDAP_INVALID_CREDENTIALS || code == LDAP_INAPPROPRIATE_AUTH ||
           code == LDAP_NO_SUCH_OBJECT || code == LDAP_INVALID_DN_SYNTAX ||
           code == LDAP_INSUFFICIENT_ACCESS;
}

/* Where the server in use is away, the bridge's own account finds out which one is next. */
static int enter_as_person(struct directory *d, const struct directory_login *who, int64_t deadline,
                           struct directory_link *link)
{
    struct directory_link own = {0};
    struct error why = ERROR_INIT;
    size_t now = atomic_load(&d->servers.current);
    bool others = d->servers.count > 1;
    int code =
        enter(d, now, who, clock_deadline_in(clock_left_ms(deadline) / (others ? 3 : 1)), link);
    if (!others || code == LDAP_SUCCESS || !directory_is_away(code) ||
        !directory_connect(d, DIRECTORY_SERVICE, deadline, &own, &why))
        return code;
    directory_link_close(own.ld);
    return own.server == now ? code : enter(d, own.server, who, deadline, link);
}

bool directory_connect_person(struct directory *d, struct str dn, struct str password, LDAP **out,
                              struct error *err)
{
    /* RFC 4513 5.1: an empty name or password binds as nobody, and succeeds. */
    if (dn.len == 0 || password.len == 0)
        return error_set(err, ERR_UNAUTHORIZED, "name or password is wrong");
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_login who = {DIRECTORY_SERVICE, arena_cstr(a, dn), password};
    struct directory_link link = {0};
    int64_t deadline = clock_deadline_in(d->config->directory.operation_timeout_ms);
    int code = enter_as_person(d, &who, deadline, &link);
    *out = link.ld;
    if (code == LDAP_SUCCESS)
        return true;
    if (link.asked && is_login_refusal(d, code))
        return error_set(err, ERR_UNAUTHORIZED, "name or password is wrong");
    return error_set(err, ERR_UNAVAILABLE, "the directory could not check the password");
}

bool directory_bind_person(struct directory *d, struct str dn, struct str password,
                           struct error *err)
{
    LDAP *ld = NULL;
    if (!directory_connect_person(d, dn, password, &ld, err))
        return false;
    directory_link_close(ld);
    return true;
}

/* ---- figures */

void directory_count(struct directory *d, enum directory_operation operation, int64_t began_ns,
                     int code)
{
    atomic_fetch_add_explicit(&d->times[operation].count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->times[operation].failed, code < 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->times[operation].nanoseconds,
                              (uint64_t)(clock_monotonic_ns() - began_ns), memory_order_relaxed);
}

size_t directory_figures(const struct directory *d, struct directory_figure *out)
{
    static const char *const names[DIRECTORY_OPERATIONS] = {"modify", "add",      "delete",
                                                            "rename", "password", "search"};
    _Static_assert(DIRECTORY_OPERATIONS <= DIRECTORY_FIGURES, "room for every operation");
    for (size_t i = 0; i < DIRECTORY_OPERATIONS; i++)
        out[i] = (struct directory_figure){names[i], atomic_load(&d->times[i].count),
                                           atomic_load(&d->times[i].failed),
                                           atomic_load(&d->times[i].nanoseconds)};
    return DIRECTORY_OPERATIONS;
}

/* ---- one thread's connection */

struct directory_conn *directory_open(struct directory *d, enum directory_account account)
{
    struct directory_conn *c = must(calloc(1, sizeof *c));
    c->directory = d;
    c->account = account;
    return c;
}

void directory_close(struct directory_conn *c)
{
    if (!c)
        return;
    directory_conn_drop(c);
    free(c);
}

const struct directory *directory_of(const struct directory_conn *c)
{
    return c->directory;
}

void directory_deadline(struct directory_conn *c, int64_t deadline)
{
    c->deadline = deadline;
}

int64_t directory_conn_deadline(const struct directory_conn *c)
{
    int64_t own = clock_deadline_in(c->directory->config->directory.operation_timeout_ms);
    return c->deadline == 0 ? own : earlier(own, c->deadline);
}

void directory_conn_drop(struct directory_conn *c)
{
    directory_link_close(c->ld);
    c->ld = NULL;
    c->ahead_count = 0;
}

/* Seen before anything is sent, so that a write after a restart of the server is no doubtful one.
 */
bool directory_conn_is_alive(const struct directory_conn *c)
{
    int fd = -1;
    Sockbuf *buffer = NULL;
    if (!c->ld || ldap_get_option(c->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0 ||
        ldap_get_option(c->ld, LDAP_OPT_SOCKBUF, &buffer) != LDAP_OPT_SUCCESS ||
        ber_sockbuf_ctrl(buffer, LBER_SB_OPT_DATA_READY, NULL) == 1)
        return false;
    struct pollfd socket = {.fd = fd, .events = POLLIN};
    return poll(&socket, 1, 0) == 0;
}

/* Another server is in use meanwhile. */
static bool has_moved(const struct directory_conn *c)
{
    bool pinned = c->account != DIRECTORY_SERVICE && directory_writes_wait(c->directory);
    return !pinned && directory_is_left(c->directory, c->server);
}

bool directory_conn_elsewhere(struct directory_conn *c)
{
    directory_conn_drop(c);
    c->elsewhere = c->account == DIRECTORY_SERVICE && c->directory->servers.count > 1;
    return c->elsewhere;
}

bool directory_conn_may_write(const struct directory_conn *c, struct error *err)
{
    return c->server == 0 || !directory_writes_wait(c->directory) ||
           error_set(err, ERR_UNAVAILABLE, "writes wait for the first server of the list");
}

bool directory_conn_ready(struct directory_conn *c, int64_t deadline, bool *fresh,
                          struct error *err)
{
    if (clock_left_ms(deadline) == 0)
        return error_set(err, ERR_UNAVAILABLE, "there was no time left to ask the directory");
    if (c->ld && c->ahead_count == 0 && (has_moved(c) || !directory_conn_is_alive(c)))
        directory_conn_drop(c);
    if (fresh)
        *fresh = c->ld == NULL;
    if (c->ld)
        return true;
    struct directory_link link = {.server = c->server, .elsewhere = c->elsewhere};
    c->elsewhere = false;
    if (!directory_connect(c->directory, c->account, deadline, &link, err))
        return false;
    c->ld = link.ld;
    c->server = link.server;
    return true;
}

bool directory_ping(struct directory_conn *c, struct error *err)
{
    return directory_conn_ready(c, directory_conn_deadline(c), NULL, err);
}
