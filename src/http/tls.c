/* TLS: the certificate, its key and the CA of clients, read again when their files change. */
#include "http/internal.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MAX ((size_t)1024 * 1024)
#define CHAIN_MAX 16
#define LOOK_MS 2000
#define KEEP_MS 60000 /* beyond header_timeout_s, after which no handshake is left */
#define KEY_ID_MAX 64

enum { CERT, KEY, CLIENT_CA, FILES };
static const char *const KEYS[FILES] = {"server.tls.cert_file", "server.tls.key_file",
                                        "server.tls.client_ca_file"};

/* What the files held at one time. Handshakes use it without a lock, so one that was replaced stays
 * for as long as a handshake may last. */
struct identity {
    struct identity *older;
    int64_t replaced_ms;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    gnutls_x509_trust_list_t clients; /* NULL: no certificate is asked for */
    time_t expires;
};

struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

struct http_tls {
    const struct config *config;
    pthread_mutex_t looking; /* stamps, `older` */
    struct stamp seen[FILES];
    _Atomic int64_t looked_ms;
    _Atomic(struct identity *) now;
    atomic_uint_fast64_t failures;
};

static struct http_tls *current; /* set before the first listener, until the last has ended */

static struct str path_of(const struct http_tls *t, int file)
{
    const struct config_tls *c = &t->config->server.tls;
    return file == CERT ? c->cert_file : file == KEY ? c->key_file : c->client_ca_file;
}

static bool refuse(const struct http_tls *t, int file, const char *why, struct error *err)
{
    return error_set(err, ERR_CONFIG, STR_FMT ": %s: %s",
                     STR_ARG(config_place(t->config, KEYS[file])), KEYS[file], why);
}

/* ---- reading */

static bool read_all(int fd, struct buf *out)
{
    char chunk[8192];
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        buf_add(out, chunk, (size_t)n);
    }
}

static bool read_public(const struct http_tls *t, int file, struct buf *out, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct stat st;
    OWNED_FD const int fd =
        open(arena_cstr(a, path_of(t, file)), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse(t, file, strerrordesc_np(errno), err);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(t, file, "is no regular file", err);
    if (!read_all(fd, out))
        return refuse(t, file, "cannot be read to its end", err);
    return !out->failed || refuse(t, file, "is larger than 1 MB", err);
}

static gnutls_datum_t datum(const struct buf *text)
{
    return (gnutls_datum_t){(unsigned char *)text->at, (unsigned)text->len};
}

/* One of the chain: valid now; when it ends. */
static bool check_times(const struct http_tls *t, gnutls_pcert_st *pcert, time_t *ends,
                        struct error *err)
{
    gnutls_x509_crt_t crt;
    if (gnutls_pcert_export_x509(pcert, &crt) != 0)
        return refuse(t, CERT, "holds what is no X.509 certificate", err);
    const time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(crt);
    *ends = gnutls_x509_crt_get_expiration_time(crt);
    gnutls_x509_crt_deinit(crt);
    if (from > now)
        return refuse(t, CERT, "holds a certificate that is not valid yet; look at the clock", err);
    return *ends > now || refuse(t, CERT, "holds a certificate that has expired; renew it", err);
}

static bool load_chain(const struct http_tls *t, struct identity *id, struct error *err)
{
    OWNED_BUF struct buf text;
    buf_init(&text, FILE_MAX);
    if (!read_public(t, CERT, &text, err))
        return false;
    const gnutls_datum_t pem = datum(&text);
    unsigned count = CHAIN_MAX;
    if (!pem.size || gnutls_pcert_list_import_x509_raw(id->chain, &count, &pem, GNUTLS_X509_FMT_PEM,
                                                       GNUTLS_X509_CRT_LIST_SORT) != 0)
        return refuse(t, CERT,
                      "must hold PEM certificates: the server's first, then those that lead to the "
                      "CA",
                      err);
    id->count = count;
    for (unsigned i = 0; i < count; i++) {
        time_t ends = 0;
        if (!check_times(t, &id->chain[i], &ends, err))
            return false;
        if (i == 0 || ends < id->expires)
            id->expires = ends;
    }
    return true;
}

static bool import_key(const struct buf *text, gnutls_privkey_t *out)
{
    const gnutls_datum_t pem = datum(text);
    gnutls_x509_privkey_t key;
    if (gnutls_x509_privkey_init(&key) != 0 || gnutls_privkey_init(out) != 0)
        memory_out();
    if (pem.size && gnutls_x509_privkey_import(key, &pem, GNUTLS_X509_FMT_PEM) == 0 &&
        gnutls_privkey_import_x509(*out, key, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE) == 0)
        return true;
    gnutls_x509_privkey_deinit(key);
    return false;
}

static bool belong_together(gnutls_privkey_t key, gnutls_pubkey_t certified)
{
    unsigned char mine[KEY_ID_MAX], theirs[KEY_ID_MAX];
    size_t mine_len = sizeof(mine), theirs_len = sizeof(theirs);
    gnutls_pubkey_t public;
    if (gnutls_pubkey_init(&public) != 0)
        memory_out();
    const bool known = gnutls_pubkey_import_privkey(public, key, 0, 0) == 0 &&
                       gnutls_pubkey_get_key_id(public, 0, mine, &mine_len) == 0 &&
                       gnutls_pubkey_get_key_id(certified, 0, theirs, &theirs_len) == 0;
    gnutls_pubkey_deinit(public);
    return known && mine_len == theirs_len && memcmp(mine, theirs, mine_len) == 0;
}

static bool load_key(const struct http_tls *t, struct identity *id, struct error *err)
{
    OWNED_SECRET struct buf text;
    struct error why = ERROR_INIT;
    buf_init(&text, FILE_MAX);
    if (!config_read_key(path_of(t, KEY), &text, &why))
        return refuse(t, KEY, why.detail, err);
    if (!import_key(&text, &id->key))
        return refuse(t, KEY, "must hold one private key in PEM, without a password", err);
    return belong_together(id->key, id->chain[0].pubkey) ||
           refuse(t, KEY, "is not the key of the certificate in cert_file", err);
}

static bool load_clients(const struct http_tls *t, struct identity *id, struct error *err)
{
    OWNED_BUF struct buf text;
    buf_init(&text, FILE_MAX);
    if (!path_of(t, CLIENT_CA).len)
        return true;
    if (!read_public(t, CLIENT_CA, &text, err))
        return false;
    const gnutls_datum_t pem = datum(&text);
    if (gnutls_x509_trust_list_init(&id->clients, 0) != 0)
        memory_out();
    if (pem.size && gnutls_x509_trust_list_add_trust_mem(id->clients, &pem, NULL,
                                                         GNUTLS_X509_FMT_PEM, 0, 0) > 0)
        return true;
    return refuse(t, CLIENT_CA, "must hold PEM certificates of the CAs of clients", err);
}

static void free_identity(struct identity *id)
{
    for (unsigned i = 0; i < id->count; i++)
        gnutls_pcert_deinit(&id->chain[i]);
    if (id->key)
        gnutls_privkey_deinit(id->key);
    if (id->clients)
        gnutls_x509_trust_list_deinit(id->clients, 1);
    free(id);
}

static bool load(const struct http_tls *t, struct identity **out, struct error *err)
{
    struct identity *id = must(calloc(1, sizeof(*id)));
    if (!load_chain(t, id, err) || !load_key(t, id, err) || !load_clients(t, id, err)) {
        free_identity(id);
        return false;
    }
    *out = id;
    return true;
}

/* ---- again */

static bool is_changed(struct http_tls *t)
{
    OWNED_ARENA struct arena *a = arena_new();
    bool changed = false;
    for (int file = 0; file < FILES; file++) {
        struct stat st = {0};
        struct stamp found;
        memset(&found, 0, sizeof(found)); /* it is compared as bytes */
        if (path_of(t, file).len && stat(arena_cstr(a, path_of(t, file)), &st) == 0) {
            found.device = st.st_dev;
            found.inode = st.st_ino;
            found.size = st.st_size;
            found.written = st.st_mtim;
            found.changed = st.st_ctim;
        }
        changed = changed || memcmp(&found, &t->seen[file], sizeof(found)) != 0;
        memcpy(&t->seen[file], &found, sizeof(found));
    }
    return changed;
}

static void drop_old(const struct http_tls *t, struct identity *newest, int64_t now)
{
    const int64_t keep = (int64_t)t->config->limits.header_timeout_s * 1000 + KEEP_MS;
    struct identity **at = &newest->older;
    while (*at) {
        struct identity *old = *at;
        if (now - old->replaced_ms < keep) {
            at = &old->older;
            continue;
        }
        *at = old->older;
        free_identity(old);
    }
}

static void read_again(struct http_tls *t, int64_t now)
{
    struct error err = ERROR_INIT;
    struct identity *before = atomic_load(&t->now), *after;
    if (!load(t, &after, &err)) {
        atomic_fetch_add(&t->failures, 1);
        LOG_ERROR("tls_not_read_again", LOG_C("detail", err.detail),
                  LOG_C("next", "the certificate from before is still used"));
        return;
    }
    before->replaced_ms = now;
    after->older = before;
    atomic_store(&t->now, after);
    LOG_INFO("tls_read_again", LOG_I("days", (after->expires - time(NULL)) / 86400));
}

void http_tls_look(struct http_tls *t)
{
    const int64_t now = clock_monotonic_ms();
    if (now - atomic_load(&t->looked_ms) < LOOK_MS || pthread_mutex_trylock(&t->looking) != 0)
        return;
    atomic_store(&t->looked_ms, now);
    drop_old(t, atomic_load(&t->now), now);
    if (is_changed(t))
        read_again(t, now);
    pthread_mutex_unlock(&t->looking);
}

bool http_tls_start(const struct config *config, struct http_tls **out, struct error *err)
{
    struct http_tls *t = must(calloc(1, sizeof(*t)));
    struct identity *id;
    t->config = config;
    pthread_mutex_init(&t->looking, NULL);
    (void)is_changed(t); /* before the files are read: what changes meanwhile is read again */
    atomic_store(&t->looked_ms, clock_monotonic_ms());
    if (!load(t, &id, err)) {
        http_tls_stop(t);
        return false;
    }
    atomic_store(&t->now, id);
    *out = current = t;
    return true;
}

void http_tls_stop(struct http_tls *t)
{
    if (!t)
        return;
    for (struct identity *id = atomic_load(&t->now); id;) {
        struct identity *older = id->older;
        free_identity(id);
        id = older;
    }
    pthread_mutex_destroy(&t->looking);
    free(t);
    current = NULL;
}

int64_t http_tls_expires(struct http_tls *t)
{
    http_tls_look(t);
    return atomic_load(&t->now)->expires;
}

uint64_t http_tls_failures(const struct http_tls *t)
{
    return atomic_load(&t->failures);
}

/* ---- a handshake */

static bool import_peers(gnutls_session_t session, gnutls_x509_crt_t *certs, unsigned *count)
{
    unsigned sent = 0;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(session, &sent);
    for (*count = 0; peers && sent <= CHAIN_MAX && *count < sent; ++*count) {
        if (gnutls_x509_crt_init(&certs[*count]) != 0)
            memory_out();
        if (gnutls_x509_crt_import(certs[*count], &peers[*count], GNUTLS_X509_FMT_DER) != 0) {
            gnutls_x509_crt_deinit(certs[*count]);
            return false;
        }
    }
    return *count > 0;
}

/* 0: signed by one of the CAs, in its time, and made for a client. */
static int verify_client(gnutls_session_t session)
{
    gnutls_typed_vdata_st use = {GNUTLS_DT_KEY_PURPOSE_OID,
                                 (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0};
    gnutls_x509_crt_t certs[CHAIN_MAX];
    unsigned count, status = GNUTLS_CERT_INVALID;
    const struct identity *id = atomic_load(&current->now);
    if (import_peers(session, certs, &count) && id->clients &&
        gnutls_x509_trust_list_verify_crt2(id->clients, certs, count, &use, 1, 0, &status, NULL) !=
            0)
        status = GNUTLS_CERT_INVALID;
    while (count)
        gnutls_x509_crt_deinit(certs[--count]);
    return status ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

// NOLINTNEXTLINE(readability-function-size): gnutls' signature
int http_tls_choose(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                    gnutls_pcert_st **chain, unsigned *count, gnutls_privkey_t *key)
{
    (void)names;
    (void)name_count;
    (void)algorithms;
    (void)algorithm_count;
    http_tls_look(current);
    struct identity *id = atomic_load(&current->now);
    *chain = id->chain;
    *count = id->count;
    *key = id->key;
    if (id->clients) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, verify_client);
    }
    return 0;
}

void http_say_past(struct MHD_Connection *connection, struct str text)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (tls && tls->tls_session) {
        gnutls_session_t session = tls->tls_session;
        (void)gnutls_record_send(session, text.at, text.len);
        (void)gnutls_bye(session, GNUTLS_SHUT_WR);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    send(fd, text.at, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
