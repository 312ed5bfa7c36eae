/*
 * Connections: one server (the first of `uris`, for reads too: a precondition and what was read for
 * it must come from the same place), one handle per thread, every wait with a deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/log.h"
#include "directory/internal.h"

#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_PROBES 3
#define KEEPALIVE_INTERVAL_S 5
#define REFUSED_BIND_PAUSE_MS 10000
#define SECRET_MAX 8192
#define ANSWER_MAX ((ber_len_t)64 << 20) /* one message: an entry with all its members */

static struct timeval timeval_of(int64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

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
    d->uri = arena_cstr(memory, config->directory.uris.at[0]);
    load_protected(d);
    buf_init(&d->password, SECRET_MAX);
    if (!config_read_secret(config->directory.service.bind_password_file, &d->password, err) ||
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
    arena_free(d->memory);
}

const struct config *directory_config(const struct directory *d)
{
    return d->config;
}

/* ---- one handle */

static void handle_close(LDAP *ld)
{
    if (ld)
        ldap_unbind_ext(ld, NULL, NULL);
}

/* libldap reads and writes with blocking calls: only a socket that never blocks keeps a deadline
 * when the peer stops in the middle of a message. */
static bool never_block(LDAP *ld)
{
    int fd = -1;
    if (ldap_get_option(ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
        return false;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* A length that a hostile or broken server claims is allocated before the bytes come. */
static bool limit_answers(LDAP *ld)
{
    Sockbuf *buffer = NULL;
    ber_len_t max = ANSWER_MAX;
    return ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS &&
           ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &max) == 1;
}

/* libldap asks the kernel for each message's head and then for its body; with this layer (above the
 * socket, below TLS) one read takes all that has come. */
static bool read_ahead(LDAP *ld)
{
    Sockbuf *buffer = NULL;
    return ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS &&
           ber_sockbuf_add_io(buffer, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, NULL) ==
               0;
}

static bool set_number(LDAP *ld, int option, int value)
{
    return ldap_set_option(ld, option, &value) == LDAP_OPT_SUCCESS;
}

static bool set_tls(const struct config_directory *config, LDAP *ld)
{
    OWNED_ARENA struct arena *a = arena_new();
    const char *ca = arena_cstr(a, config->ca_file);
    return set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND) &&
           set_number(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, LDAP_OPT_X_TLS_PROTOCOL_TLS1_2) &&
           (*ca == 0 || ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca) == LDAP_OPT_SUCCESS) &&
           set_number(ld, LDAP_OPT_X_TLS_NEWCTX, 0);
}

static bool wants_start_tls(const struct directory *d)
{
    return d->config->directory.start_tls == CONFIG_TLS_REQUIRED &&
           strncmp(d->uri, "ldap://", 7) == 0;
}

static bool set_options(const struct directory *d, LDAP *ld, int64_t deadline)
{
    const struct config_directory *config = &d->config->directory;
    struct timeval wait =
        timeval_of(earlier(config->connect_timeout_ms, clock_left_ms(deadline) + 1));
    bool tls = wants_start_tls(d) || strncmp(d->uri, "ldaps://", 8) == 0;
    return set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3) &&
           set_number(ld, LDAP_OPT_DEREF, LDAP_DEREF_NEVER) &&
           ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait) == LDAP_OPT_SUCCESS &&
           set_number(ld, LDAP_OPT_X_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S) &&
           set_number(ld, LDAP_OPT_X_KEEPALIVE_PROBES, KEEPALIVE_PROBES) &&
           set_number(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, KEEPALIVE_INTERVAL_S) &&
           set_number(ld, LDAP_OPT_TCP_USER_TIMEOUT, config->operation_timeout_ms) &&
           limit_answers(ld) && (!tls || set_tls(config, ld));
}

int directory_ldap_wait(LDAP *ld, int msgid, int all, int64_t deadline, LDAPMessage **out)
{
    struct timeval left = timeval_of(clock_left_ms(deadline));
    int type = ldap_result(ld, msgid, all, &left, out);
    if (type > 0)
        return LDAP_SUCCESS;
    return type == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
}

bool directory_ldap_room(LDAP *ld, int64_t deadline)
{
    int fd = -1;
    if (ldap_get_option(ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
        return false;
    struct pollfd socket = {.fd = fd, .events = POLLOUT};
    int ready;
    do
        ready = poll(&socket, 1, (int)clock_left_ms(deadline));
    while (ready < 0 && errno == EINTR);
    return ready > 0 && !(socket.revents & (POLLERR | POLLHUP));
}

/* The code of a whole answer to `msgid`; `*diagnostic` (may be NULL) is the caller's to free with
 * ldap_memfree(). */
static int answer_code(LDAP *ld, int msgid, int64_t deadline, char **diagnostic)
{
    LDAPMessage *message = NULL;
    int code = directory_ldap_wait(ld, msgid, LDAP_MSG_ALL, deadline, &message);
    if (code != LDAP_SUCCESS)
        return code;
    int failed = ldap_parse_result(ld, message, &code, NULL, diagnostic, NULL, NULL, 1);
    return failed == LDAP_SUCCESS ? code : failed;
}

static int start_tls(LDAP *ld, int64_t deadline)
{
    int msgid = 0;
    int code = ldap_start_tls(ld, NULL, NULL, &msgid);
    if (code == LDAP_SUCCESS)
        code = answer_code(ld, msgid, deadline, NULL);
    if (code == LDAP_SUCCESS)
        code = ldap_install_tls(ld);
    return code == LDAP_SUCCESS && !never_block(ld) ? LDAP_CONNECT_ERROR : code;
}

/* Connected and encrypted as configured; nobody is bound yet. */
static bool handle_open(const struct directory *d, int64_t deadline, LDAP **out, struct error *err)
{
    LDAP *ld = NULL;
    int code = ldap_initialize(&ld, d->uri);
    if (code == LDAP_SUCCESS && !set_options(d, ld, deadline))
        code = LDAP_LOCAL_ERROR;
    if (code == LDAP_SUCCESS)
        code = ldap_connect(ld);
    if (code == LDAP_SUCCESS && !(never_block(ld) && read_ahead(ld)))
        code = LDAP_CONNECT_ERROR;
    if (code == LDAP_SUCCESS && wants_start_tls(d))
        code = start_tls(ld, deadline);
    if (code == LDAP_SUCCESS) {
        *out = ld;
        return true;
    }
    char *why = NULL;
    if (ld)
        ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &why);
    LOG_WARN("directory_unreachable", LOG_C("uri", d->uri), LOG_C("reason", ldap_err2string(code)),
             LOG_C("diagnostic", why));
    ldap_memfree(why);
    handle_close(ld);
    return error_set(err, ERR_UNAVAILABLE, "the directory cannot be reached");
}

static int handle_bind(LDAP *ld, const char *dn, struct str password, int64_t deadline)
{
    struct berval secret = directory_berval(password);
    int msgid = 0;
    int code = ldap_sasl_bind(ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, &msgid);
    if (code != LDAP_SUCCESS)
        return code;
    char *why = NULL;
    code = answer_code(ld, msgid, deadline, &why);
    if (code != LDAP_SUCCESS)
        LOG_WARN("directory_bind_refused", LOG_C("dn", dn), LOG_I("code", code),
                 LOG_C("reason", ldap_err2string(code)), LOG_C("diagnostic", why));
    ldap_memfree(why);
    return code;
}

/* ---- accounts */

/* A refusal by the server, unlike a broken connection, will not mend itself within a second. */
static void pause_binds(struct directory *d, int code)
{
    if (code > 0 && code != LDAP_BUSY && code != LDAP_UNAVAILABLE)
        atomic_store(&d->bind_again_at, clock_deadline_in(REFUSED_BIND_PAUSE_MS));
}

static bool bind_account(struct directory *d, enum directory_account account, LDAP *ld,
                         int64_t deadline, struct error *err)
{
    const struct config_directory *config = &d->config->directory;
    bool operator_account = account == DIRECTORY_OPERATOR;
    const struct config_account *who =
        operator_account ? &config->operator_account : &config->service;
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_SECRET struct buf operator_password;
    buf_init(&operator_password, SECRET_MAX);
    if (operator_account && !config_read_secret(who->bind_password_file, &operator_password, err))
        return false;
    struct str password = buf_view(operator_account ? &operator_password : &d->password);
    int code = handle_bind(ld, arena_cstr(a, who->bind_dn), password, deadline);
    if (code == LDAP_SUCCESS)
        return true;
    if (!operator_account)
        pause_binds(d, code);
    return error_set(err, ERR_UNAVAILABLE,
                     code <= 0          ? "the directory did not answer in time"
                     : operator_account ? "the directory refuses the operator's account: "
                                          "look at directory.operator"
                                        : "the directory refuses the bridge's account");
}

bool directory_connect(struct directory *d, enum directory_account account, int64_t deadline,
                       LDAP **out, struct error *err)
{
    if (account == DIRECTORY_SERVICE && clock_left_ms(atomic_load(&d->bind_again_at)) > 0)
        return error_set(err, ERR_UNAVAILABLE, "the directory refuses the bridge's account");
    LDAP *ld = NULL;
    if (!handle_open(d, deadline, &ld, err))
        return false;
    if (!bind_account(d, account, ld, deadline, err)) {
        handle_close(ld);
        return false;
    }
    *out = ld;
    return true;
}

/* What a person can be told apart by: everything else is the directory's trouble. */
static bool is_login_refusal(const struct directory *d, int code)
{
    return (code != LDAP_SUCCESS && code == directory_server(d)->locked) ||
           code == LDAP_INVALID_CREDENTIALS || code == LDAP_INAPPROPRIATE_AUTH ||
           code == LDAP_NO_SUCH_OBJECT || code == LDAP_INVALID_DN_SYNTAX ||
           code == LDAP_INSUFFICIENT_ACCESS;
}

bool directory_connect_person(struct directory *d, struct str dn, struct str password, LDAP **out,
                              struct error *err)
{
    /* RFC 4513 5.1: an empty name or password binds as nobody, and succeeds. */
    if (dn.len == 0 || password.len == 0)
        return error_set(err, ERR_UNAUTHORIZED, "name or password is wrong");
    int64_t deadline = clock_deadline_in(d->config->directory.operation_timeout_ms);
    OWNED_ARENA struct arena *a = arena_new();
    LDAP *ld = NULL;
    if (!handle_open(d, deadline, &ld, err))
        return false;
    int code = handle_bind(ld, arena_cstr(a, dn), password, deadline);
    if (code == LDAP_SUCCESS) {
        *out = ld;
        return true;
    }
    handle_close(ld);
    if (is_login_refusal(d, code))
        return error_set(err, ERR_UNAUTHORIZED, "name or password is wrong");
    return error_set(err, ERR_UNAVAILABLE, "the directory could not check the password");
}

bool directory_bind_person(struct directory *d, struct str dn, struct str password,
                           struct error *err)
{
    LDAP *ld = NULL;
    if (!directory_connect_person(d, dn, password, &ld, err))
        return false;
    handle_close(ld);
    return true;
}

/* ---- figures */

int64_t directory_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void directory_count(struct directory *d, enum directory_operation operation, int64_t began_ns,
                     int code)
{
    atomic_fetch_add_explicit(&d->times[operation].count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->times[operation].failed, code < 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->times[operation].nanoseconds,
                              (uint64_t)(directory_now_ns() - began_ns), memory_order_relaxed);
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
    struct directory_conn *c = calloc(1, sizeof *c);
    if (!c)
        abort();
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
    handle_close(c->ld);
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

bool directory_conn_ready(struct directory_conn *c, int64_t deadline, bool *fresh,
                          struct error *err)
{
    if (clock_left_ms(deadline) == 0)
        return error_set(err, ERR_UNAVAILABLE, "there was no time left to ask the directory");
    if (c->ld && c->ahead_count == 0 && !directory_conn_is_alive(c))
        directory_conn_drop(c);
    if (fresh)
        *fresh = c->ld == NULL;
    return c->ld || directory_connect(c->directory, c->account, deadline, &c->ld, err);
}

bool directory_ping(struct directory_conn *c, struct error *err)
{
    return directory_conn_ready(c, directory_conn_deadline(c), NULL, err);
}
