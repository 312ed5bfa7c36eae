/* What a single value must look like, and what only several together tell. */
#include "config/internal.h"

#include <arpa/inet.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

const char *config_check_some(struct str value)
{
    return value.len ? NULL : "must not be empty";
}

const char *config_check_language(struct str value)
{
    bool known = str_eq(value, STR("en")) || str_eq(value, STR("ko"));
    return known ? NULL : "must be en or ko";
}

static bool has_any(struct str value, const char *unwanted)
{
    size_t at;
    for (; *unwanted; unwanted++)
        if (str_find(value, *unwanted, &at))
            return true;
    return false;
}

const char *config_check_address(struct str value)
{
    static const char form[] = "must be host:port, for example 127.0.0.1:8480";
    size_t colon;
    if (!str_rfind(value, ':', &colon))
        return form;
    const struct str host = str_sub(value, 0, colon);
    int64_t port;
    if (!str_to_i64(str_sub(value, colon + 1, value.len), &port) || port < 1 || port > 65535)
        return "the port must be from 1 to 65535";
    if (!host.len || str_eq(host, STR("*")))
        return "names no address; say 0.0.0.0 or [::] to listen on all";
    const bool bracketed = host.at[0] == '[' && host.at[host.len - 1] == ']';
    if (has_any(host, " /@") || (!bracketed && has_any(host, ":[]")))
        return form;
    return NULL;
}

const char *config_check_metrics(struct str value)
{
    return value.len ? config_check_address(value) : NULL;
}

/* scim-conformance 224: Location is this plus a path of ours, so neither query nor path may stand
 * here. */
const char *config_check_public_url(struct str value)
{
    size_t scheme = 0;
    if (str_starts(value, STR("https://")))
        scheme = 8;
    else if (str_starts(value, STR("http://")))
        scheme = 7;
    else
        return "must begin with https:// or http://";
    if (has_any(value, "?#"))
        return "must have no query and no fragment";
    const struct str rest = str_sub(value, scheme, value.len);
    size_t slash = rest.len;
    if (str_find(rest, '/', &slash) && slash + 1 < rest.len)
        return "must have no path: /scim/v2 is added";
    if (!slash || has_any(rest, "@ \"<>\\"))
        return "must name a host and nothing else, for example https://id.example.org";
    return NULL;
}

const char *config_check_ip(struct str value)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bits[sizeof(struct in6_addr)];
    static const char form[] = "must be an IP address, for example 127.0.0.1";
    if (!value.len || value.len >= sizeof text)
        return form;
    for (size_t i = 0; i <= value.len; i++)
        text[i] = i < value.len ? value.at[i] : '\0';
    if (inet_pton(AF_INET, text, bits) == 1 || inet_pton(AF_INET6, text, bits) == 1)
        return NULL;
    return form;
}

/* The part behind scheme://; false for another scheme. */
static bool uri_rest(struct str uri, const char *scheme, struct str *rest)
{
    const struct str s = str_of(scheme);
    if (!str_istarts(uri, s))
        return false;
    *rest = str_sub(uri, s.len, uri.len);
    return true;
}

const char *config_check_uri(struct str value)
{
    struct str rest;
    if (uri_rest(value, "ldapi://", &rest))
        return has_any(rest, " ?#") ? "must be ldapi:// and a path in %2F form" : NULL;
    if (!uri_rest(value, "ldap://", &rest) && !uri_rest(value, "ldaps://", &rest))
        return "must begin with ldap://, ldaps:// or ldapi://";
    size_t slash = rest.len;
    if (str_find(rest, '/', &slash) && slash + 1 < rest.len)
        return "must name a server only; the base has a key of its own";
    if (!slash || has_any(rest, " ?#@"))
        return "must be scheme://host or scheme://host:port";
    return NULL;
}

/* The host, with what follows it, is this one. */
static bool is_loopback(struct str host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct str name = str_of(names[i]);
        const struct str tail = str_sub(host, name.len, host.len);
        if (str_istarts(host, name) && (!tail.len || tail.at[0] == ':' || tail.at[0] == '/'))
            return true;
    }
    return false;
}

bool config_uri_is_private(struct str uri)
{
    struct str host;
    return !uri_rest(uri, "ldap://", &host) || is_loopback(host);
}

bool config_url_is_safe(struct str url)
{
    struct str rest;
    if (has_any(url, " \"<>\\^`{|}#"))
        return false;
    if (uri_rest(url, "https://", &rest)) {
        size_t slash = rest.len;
        (void)str_find(rest, '/', &slash);
        return slash > 0 && !has_any(str_sub(rest, 0, slash), "@?");
    }
    return uri_rest(url, "http://", &rest) && is_loopback(rest) && !has_any(rest, "@");
}

const char *config_check_url(struct str value)
{
    return config_url_is_safe(value) ? NULL
                                     : "must be an https:// address (http:// on this host alone)";
}

/* Signatures by a key pair, those that libjose knows: with a shared secret (HS256) whoever checks a
 * token could make one, and "none" is none. */
const char *config_check_algorithm(struct str value)
{
    static const char *const known[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                        "PS512", "ES256", "ES384", "ES512"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(value, str_of(known[i])))
            return NULL;
    return "must be RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512";
}

const char *config_check_name(struct str value)
{
    static const char form[] = "must be a name of LDAP: letters, digits and hyphens";
    if (!value.len || !(is_letter(value.at[0]) || is_digit(value.at[0])))
        return form;
    const bool oid = is_digit(value.at[0]);
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.at[i];
        if (!(is_digit(c) || (oid ? c == '.' : is_letter(c) || c == '-')))
            return form;
    }
    return NULL;
}

const char *config_check_owner(struct str value)
{
    return value.len ? config_check_name(value) : NULL;
}

const char *config_check_attribute(struct str value)
{
    if (str_ends(value, STR(";binary")))
        value.len -= STR(";binary").len;
    return config_check_name(value);
}

/* Cuts the part before the first comma that no backslash escapes. */
static bool next_rdn(struct str *rest, struct str *rdn)
{
    size_t i = 0;
    while (i < rest->len && rest->at[i] != ',')
        i += rest->at[i] == '\\' && i + 1 < rest->len ? 2 : 1;
    *rdn = str_sub(*rest, 0, i);
    const bool more = i < rest->len;
    *rest = str_sub(*rest, i + 1, rest->len);
    return more;
}

const char *config_check_dn(struct str value)
{
    struct str rest = value, rdn;
    bool more = true;
    while (more) {
        more = next_rdn(&rest, &rdn);
        size_t equals;
        if (!str_find(rdn, '=', &equals) || config_check_name(str_trim(str_sub(rdn, 0, equals))) ||
            !str_trim(str_sub(rdn, equals + 1, rdn.len)).len)
            return "must be a DN, for example ou=people,dc=example,dc=org";
    }
    return NULL;
}

const char *config_check_filter(struct str value)
{
    static const char form[] =
        "must be one LDAP filter in parentheses, for example (objectClass=person)";
    if (value.len < 3 || value.at[0] != '(')
        return form;
    size_t depth = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '(')
            depth++;
        else if (value.at[i] == ')' && --depth == 0)
            return i + 1 == value.len ? NULL : form;
    }
    return form;
}

const char *config_check_adopt(struct str value)
{
    return config_check_attribute(value)
               ? "must be none, userName or an LDAP attribute, for example employeeNumber"
               : NULL;
}

/* ---- together */

/* Without case and blanks: enough to notice a container outside its base. */
static bool is_below(struct str dn, struct str base)
{
    size_t i = dn.len, j = base.len;
    while (true) {
        while (i && dn.at[i - 1] == ' ')
            i--;
        while (j && base.at[j - 1] == ' ')
            j--;
        if (!j)
            return !i || dn.at[i - 1] == ',';
        if (!i || !str_ieq(str_sub(dn, i - 1, 1), str_sub(base, j - 1, 1)))
            return false;
        i--, j--;
    }
}

/* One is at or below the other. */
static bool overlap(struct str one, struct str other)
{
    return one.len && other.len && (is_below(one, other) || is_below(other, one));
}

static void check_clear_text(const struct config_directory *d, config_say *say, void *arg)
{
    if (d->start_tls != CONFIG_TLS_OFF)
        return;
    for (size_t i = 0; i < d->uris.count; i++)
        if (!config_uri_is_private(d->uris.at[i])) {
            say(arg, &(struct config_finding){"directory.start_tls",
                                              "passwords travel in clear text to a server that is "
                                              "not on this host; use \"required\"",
                                              true});
            return;
        }
}

/* SASL EXTERNAL (RFC 4422 A): the server sees who is at the other end of a local socket. */
static bool is_external(const struct config_directory *d)
{
    struct str rest;
    for (size_t i = 0; i < d->uris.count; i++)
        if (!uri_rest(d->uris.at[i], "ldapi://", &rest))
            return false;
    return d->uris.count > 0 && !d->service.bind_dn.len;
}

static bool listens_at(const struct config_server *s, struct str address)
{
    for (size_t i = 0; address.len && i < s->listen.count; i++)
        if (str_ieq(s->listen.at[i], address))
            return true;
    return false;
}

void config_check_together(const struct config *c, config_say *say, void *arg)
{
    const struct config_directory *d = &c->directory;
    const struct config_oidc *oidc = &c->auth.oidc;
    const struct config_tls *tls = &c->server.tls;
    const struct {
        bool wrong;
        struct config_finding finding;
    } rows[] = {
        {listens_at(&c->server, c->server.metrics_listen),
         {"server.metrics_listen", "is one of server.listen; give it an address of its own", 0}},
        {!tls->cert_file.len != !tls->key_file.len,
         {"server.tls", "needs cert_file and key_file, or neither", 0}},
        {tls->client_ca_file.len && !tls->cert_file.len,
         {"server.tls.client_ca_file", "needs cert_file and key_file", 0}},
        {tls->cert_file.len && str_starts(c->server.public_url, STR("http://")),
         {"server.public_url", "begins with http://, but server.tls takes https:// alone", 1}},
        {!d->service.bind_dn.len && !is_external(d),
         {"directory.bind_dn", "must be given; \"\" is for a list of ldapi:// alone", 0}},
        {d->service.bind_dn.len && !d->service.bind_password_file.len,
         {"directory.bind_password_file", "must be given", 0}},
        {is_external(d) && d->service.bind_password_file.len,
         {"directory.bind_password_file",
          "goes with a bind_dn; over ldapi:// without one no password is sent", 0}},
        {!d->operator_account.bind_dn.len != !d->operator_account.bind_password_file.len,
         {"directory.operator", "needs bind_dn and bind_password_file, or neither", 0}},
        {d->users.base.len && !is_below(d->users.create_in, d->users.base),
         {"directory.users.create_in", "must be at or below directory.users.base", 0}},
        {d->organizations.base.len && !is_below(d->organizations.create_in, d->organizations.base),
         {"directory.organizations.create_in", "must be at or below directory.organizations.base",
          0}},
        {d->lock == CONFIG_LOCK_ATTR && !(d->lock_attribute.len && d->lock_value.len),
         {"directory.lock", "convention \"attr\" needs attribute and value", 0}},
        {d->lock != CONFIG_LOCK_ATTR && (d->lock_attribute.len || d->lock_value.len),
         {"directory.lock", "attribute and value belong to convention \"attr\"; remove them", 0}},
        {d->preset == CONFIG_389DS && d->feed == CONFIG_FEED_SYNCREPL,
         {"directory.feed", "389 Directory Server is polled; use \"auto\" or \"poll\"", 0}},
        {oidc->issuer.len && !oidc->audience.len,
         {"auth.oidc.audience", "must be given: the issuer's tokens for others are not for us", 0}},
        {!oidc->issuer.len && (oidc->audience.len || oidc->jwks_uri.len || oidc->client_id.len),
         {"auth.oidc.issuer", "must be given with the rest of the group", 0}},
        {!oidc->claim.len != !oidc->matches.len,
         {"auth.oidc.claim", "needs auth.oidc.matches, and that needs a claim", 0}},
        {!oidc->client_id.len && oidc->client_secret_file.len,
         {"auth.oidc.client_id", "must be given with its secret", 0}},
        {oidc->client_id.len && !c->console.enabled,
         {"auth.oidc.client_id", "is for signing in on the page; switch console.enabled on", 0}},
        {c->webhook.url.len && !c->webhook.secret_file.len,
         {"webhook.secret_file", "must be given: the receiver knows by it that we speak", 0}},
        {c->signup.enabled && !c->signup.container.len,
         {"signup.container", "must be given: where those stand who are not approved yet", 0}},
        {overlap(c->signup.container, d->users.base),
         {"signup.container", "must be apart from directory.users.base: what is in there is a user",
          0}},
        {overlap(c->signup.container, d->organizations.base),
         {"signup.container", "must be apart from directory.organizations.base", 0}},
        {c->scim.default_page > c->scim.max_page,
         {"scim.default_page", "must not be above scim.max_page", 0}},
    };
    const char *jobs = config_jobs_wrong(c);
    if (jobs)
        say(arg, &(struct config_finding){"jobs", jobs, false});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].wrong)
            say(arg, &rows[i].finding);
    check_clear_text(d, say, arg);
    config_check_kind(c, say, arg);
}
