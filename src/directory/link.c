/*
 * One handle to one server: the name resolved, connected, encrypted as configured, bound; every
 * wait with a deadline. A referral is never followed: no password goes to a server that is not
 * listed.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/memory.h"
#include "directory/internal.h"

#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_PROBES 3
#define KEEPALIVE_INTERVAL_S 5
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

void directory_link_close(LDAP *ld)
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

enum tls { TLS_NONE, TLS_PROVED, TLS_LOOK /* only to see the certificate: nobody binds */ };

static bool set_tls(const struct config_directory *config, enum tls tls, LDAP *ld)
{
    OWNED_ARENA struct arena *a = arena_new();
    const char *ca = arena_cstr(a, config->ca_file);
    return set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT,
                      tls == TLS_LOOK ? LDAP_OPT_X_TLS_NEVER : LDAP_OPT_X_TLS_DEMAND) &&
           set_number(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, LDAP_OPT_X_TLS_PROTOCOL_TLS1_2) &&
           (*ca == 0 || ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca) == LDAP_OPT_SUCCESS) &&
           set_number(ld, LDAP_OPT_X_TLS_NEWCTX, 0);
}

static bool has_scheme(const char *uri, const char *scheme)
{
    return strncasecmp(uri, scheme, strlen(scheme)) == 0;
}

static bool wants_start_tls(const struct directory *d, const char *uri)
{
    return d->config->directory.start_tls == CONFIG_TLS_REQUIRED && has_scheme(uri, "ldap://");
}

static bool is_encrypted(const struct directory *d, const char *uri)
{
    return wants_start_tls(d, uri) || has_scheme(uri, "ldaps://");
}

static bool set_options(const struct directory *d, LDAP *ld, enum tls tls, int64_t deadline)
{
    const struct config_directory *config = &d->config->directory;
    struct timeval wait =
        timeval_of(earlier(config->connect_timeout_ms, clock_left_ms(deadline) + 1));
    return set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3) &&
           set_number(ld, LDAP_OPT_DEREF, LDAP_DEREF_NEVER) &&
           ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait) == LDAP_OPT_SUCCESS &&
           set_number(ld, LDAP_OPT_X_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S) &&
           set_number(ld, LDAP_OPT_X_KEEPALIVE_PROBES, KEEPALIVE_PROBES) &&
           set_number(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, KEEPALIVE_INTERVAL_S) &&
           set_number(ld, LDAP_OPT_TCP_USER_TIMEOUT, config->operation_timeout_ms) &&
           limit_answers(ld) && (tls == TLS_NONE || set_tls(config, tls, ld));
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

static int connect_handle(const struct directory *d, const char *uri, int64_t deadline, LDAP *ld)
{
    int code = ldap_connect(ld);
    if (code == LDAP_SUCCESS && !(never_block(ld) && read_ahead(ld)))
        code = LDAP_CONNECT_ERROR;
    if (code == LDAP_SUCCESS && wants_start_tls(d, uri))
        code = start_tls(ld, deadline);
    return code;
}

static int open_handle(const struct directory *d, const char *uri, enum tls tls, int64_t deadline,
                       LDAP **out)
{
    struct directory_handshake handshake = {.deadline = deadline};
    int code = ldap_initialize(out, uri);
    if (code == LDAP_SUCCESS && !(set_options(d, *out, tls, deadline) &&
                                  (tls == TLS_NONE || directory_handshake_begin(*out, &handshake))))
        code = LDAP_LOCAL_ERROR;
    if (code != LDAP_SUCCESS)
        return code;
    code = connect_handle(d, uri, deadline, *out);
    bool ended = tls == TLS_NONE || directory_handshake_end(*out);
    return code == LDAP_SUCCESS && !ended ? LDAP_LOCAL_ERROR : code;
}

/* ---- the server's certificate */

static bool take_certificate(LDAP *ld, gnutls_x509_crt_t *out)
{
    struct berval der = {0};
    if (ldap_get_option(ld, LDAP_OPT_X_TLS_PEERCERT, &der) != LDAP_OPT_SUCCESS || !der.bv_val)
        return false;
    const gnutls_datum_t bytes = {(unsigned char *)der.bv_val, (unsigned)der.bv_len};
    if (gnutls_x509_crt_init(out) != 0)
        memory_out();
    bool taken = gnutls_x509_crt_import(*out, &bytes, GNUTLS_X509_FMT_DER) == 0;
    if (!taken)
        gnutls_x509_crt_deinit(*out);
    ber_memfree(der.bv_val);
    return taken;
}

static void note_certificate(struct directory_host *server, LDAP *ld)
{
    gnutls_x509_crt_t certificate;
    if (!take_certificate(ld, &certificate))
        return;
    atomic_store(&server->certificate_ends, gnutls_x509_crt_get_expiration_time(certificate));
    gnutls_x509_crt_deinit(certificate);
}

static bool is_for(gnutls_x509_crt_t certificate, const char *uri)
{
    LDAPURLDesc *url = NULL;
    if (ldap_url_parse(uri, &url) != LDAP_URL_SUCCESS)
        return false;
    bool fits = url->lud_host && gnutls_x509_crt_check_hostname(certificate, url->lud_host);
    ldap_free_urldesc(url);
    return fits;
}

static bool leads_to_authority(gnutls_x509_crt_t certificate, const char *ca_file)
{
    gnutls_x509_trust_list_t authorities;
    unsigned fault = UINT_MAX;
    if (gnutls_x509_trust_list_init(&authorities, 0) != 0)
        memory_out();
    bool leads =
        gnutls_x509_trust_list_add_trust_file(authorities, ca_file, NULL, GNUTLS_X509_FMT_PEM, 0,
                                              0) > 0 &&
        gnutls_x509_trust_list_verify_crt(authorities, &certificate, 1, 0, &fault, NULL) == 0 &&
        fault == 0;
    gnutls_x509_trust_list_deinit(authorities, 1);
    return leads;
}

/* NULL: it is as it should be, so something else went wrong. */
static const char *fault_of(const struct directory *d, gnutls_x509_crt_t certificate,
                            const char *uri)
{
    OWNED_ARENA struct arena *a = arena_new();
    const time_t now = time(NULL);
    if (gnutls_x509_crt_get_expiration_time(certificate) <= now)
        return "the server's certificate has expired";
    if (gnutls_x509_crt_get_activation_time(certificate) > now)
        return "the server's certificate is not valid yet; look at the clock";
    if (!is_for(certificate, uri))
        return "the server's certificate is for another name than the one in directory.uris";
    if (!leads_to_authority(certificate, arena_cstr(a, d->config->directory.ca_file)))
        return "the server's certificate leads to no authority in directory.ca_file";
    return NULL;
}

/* libldap does not say why it refuses a certificate: asked of a connection that nobody binds on.
 * NULL: there is none to see. */
static const char *look_at_certificate(struct directory *d, struct directory_host *server,
                                       int64_t deadline)
{
    LDAP *ld = NULL;
    gnutls_x509_crt_t certificate;
    const char *why = NULL;
    if (open_handle(d, server->uri, TLS_LOOK, deadline, &ld) == LDAP_SUCCESS &&
        take_certificate(ld, &certificate)) {
        note_certificate(server, ld);
        why = fault_of(d, certificate, server->uri);
        gnutls_x509_crt_deinit(certificate);
    }
    directory_link_close(ld);
    return why;
}

/* ---- opening */

int directory_link_open(struct directory *d, size_t server, int64_t deadline, LDAP **out)
{
    struct directory_host *to = &d->servers.at[server];
    enum tls tls = is_encrypted(d, to->uri) ? TLS_PROVED : TLS_NONE;
    int64_t until = earlier(deadline, clock_deadline_in(d->config->directory.connect_timeout_ms));
    int64_t began = clock_monotonic_ms();
    char *said = NULL;
    *out = NULL;
    int code = directory_resolve(to->uri, until) ? open_handle(d, to->uri, tls, deadline, out)
                                                 : LDAP_CONNECT_ERROR;
    if (code == LDAP_SUCCESS) {
        if (tls != TLS_NONE)
            note_certificate(to, *out);
        return LDAP_SUCCESS;
    }
    const char *why = NULL;
    bool answered = clock_monotonic_ms() - began < d->config->directory.connect_timeout_ms / 2;
    if (*out && tls != TLS_NONE && answered)
        why = look_at_certificate(d, to, deadline);
    if (*out)
        ldap_get_option(*out, LDAP_OPT_DIAGNOSTIC_MESSAGE, &said);
    LOG_WARN("directory_unreachable", LOG_C("uri", to->uri), LOG_C("reason", ldap_err2string(code)),
             LOG_C("diagnostic", why ? why : said));
    ldap_memfree(said);
    directory_link_close(*out);
    *out = NULL;
    return code;
}

int directory_link_bind(LDAP *ld, const struct directory_login *who, int64_t deadline)
{
    struct berval secret = directory_berval(who->password);
    int msgid = 0;
    int code = ldap_sasl_bind(ld, who->dn, *who->dn ? LDAP_SASL_SIMPLE : "EXTERNAL", &secret, NULL,
                              NULL, &msgid);
    if (code != LDAP_SUCCESS)
        return code;
    char *why = NULL;
    code = answer_code(ld, msgid, deadline, &why);
    if (code != LDAP_SUCCESS)
        LOG_WARN("directory_bind_refused", LOG_C("dn", *who->dn ? who->dn : "(external)"),
                 LOG_I("code", code), LOG_C("reason", ldap_err2string(code)),
                 LOG_C("diagnostic", why));
    ldap_memfree(why);
    return code;
}
