/* Is the directory fit for the configuration? The order of the looks, and how a finding is made. */
#include "directory/inspect.h"

#include "base/base64.h"

/* ---- findings */

struct directory_finding *inspect_find(struct inspection *in, enum directory_severity severity,
                                       const char *code, struct str text, const char *why)
{
    in->at = arena_grow(in->a, in->at, sizeof *in->at, in->count, &in->cap);
    struct directory_finding *f = &in->at[in->count++];
    *f = (struct directory_finding){.code = code, .severity = severity, .text = text, .why = why};
    return f;
}

bool inspect_has(const struct inspection *in, const char *code)
{
    for (size_t i = 0; i < in->count; i++)
        if (str_eq(str_of(in->at[i].code), str_of(code)))
            return true;
    return false;
}

void inspect_apply(struct directory_finding *f, enum directory_apply form, struct str text)
{
    f->form = form;
    f->apply = text;
}

void inspect_apply_server(struct inspection *in, struct directory_finding *f, struct str ldif,
                          struct str conf)
{
    if (in->server.count && ldif.len)
        inspect_apply(f, DIRECTORY_APPLY_CONFIG, ldif);
    else if (in->openldap)
        inspect_apply(f, DIRECTORY_APPLY_SLAPD_CONF, conf);
}

/* ---- LDIF (RFC 2849) */

static bool is_safe(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < ' ' || value.at[i] > '~')
            return false;
    return value.len == 0 || (value.at[0] != ' ' && value.at[0] != ':' && value.at[0] != '<' &&
                              value.at[value.len - 1] != ' ');
}

struct str inspect_line(struct arena *a, const char *name, struct str value)
{
    bool safe = is_safe(value);
    struct str text = safe ? value : base64_encode(a, value);
    return arena_fmt(a, "%s:%s " STR_FMT "\n", name, safe ? "" : ":", STR_ARG(text));
}

struct str inspect_modify(struct arena *a, struct str dn, const char *op, const char *attr,
                          struct str value)
{
    struct str head = inspect_line(a, "dn", dn), line = inspect_line(a, attr, value);
    return arena_fmt(a, STR_FMT "changetype: modify\n%s: %s\n" STR_FMT "\n", STR_ARG(head), op,
                     attr, STR_ARG(line));
}

/* ---- who the bridge is */

/* RFC 4532; empty: the server does not say. */
static bool who_am_i(struct inspection *in, struct str *dn, struct error *err)
{
    if (!directory_ping(in->conn, err))
        return false;
    LDAP *ld = in->conn->ld;
    LDAPMessage *message = NULL;
    struct berval *said = NULL;
    int msgid = 0, result = LDAP_SUCCESS, code = ldap_whoami(ld, NULL, NULL, &msgid);
    if (code == LDAP_SUCCESS)
        code = directory_ldap_wait(ld, msgid, LDAP_MSG_ALL, directory_conn_deadline(in->conn),
                                   &message);
    if (code == LDAP_SUCCESS)
        code = ldap_parse_result(ld, message, &result, NULL, NULL, NULL, NULL, 0);
    if (code == LDAP_SUCCESS && result == LDAP_SUCCESS)
        code = ldap_parse_whoami(ld, message, &said);
    struct str id = said ? arena_str(in->a, (struct str){said->bv_val, said->bv_len}) : STR_NONE;
    *dn = str_istarts(id, STR("dn:")) ? str_sub(id, 3, id.len) : STR_NONE;
    ber_bvfree(said);
    ldap_msgfree(message);
    if (code == LDAP_SUCCESS)
        return true;
    directory_conn_drop(in->conn);
    return error_set(err, ERR_UNAVAILABLE, "the directory did not answer in time");
}

/* SASL EXTERNAL: no name is configured, and every text that is printed wants one. */
static bool find_name(struct inspection *in, struct error *err)
{
    struct str *dn = &in->whole.directory.service.bind_dn;
    if (dn->len)
        return true;
    return who_am_i(in, dn, err) &&
           (dn->len ||
            error_set(err, ERR_CONFIG,
                      "directory.bind_dn is \"\", and the directory names nobody (Who am I?, RFC "
                      "4532): give the user of this process a name by authz-regexp"));
}

/* ---- the looks */

bool inspect_read(struct inspection *in, struct str dn, const char *const *attrs,
                  struct directory_entries *out, struct error *err)
{
    struct directory_search s = {.base = dn, .scope = DIRECTORY_BASE, .attrs = attrs};
    return directory_find(in->conn, in->a, &s, out, err);
}

static bool inspect_all(struct inspection *in, struct error *err)
{
    if (!inspect_root(in, err))
        return false;
    if (in->mistaken)
        return true;
    if (!inspect_server(in, err) || !inspect_schema(in, err) || !inspect_entries(in, err))
        return false;
    if (in->ds389 && !inspect_389(in, err))
        return false;
    inspect_hidden(in);
    inspect_indexes(in);
    inspect_overlays(in);
    inspect_replication(in);
    return inspect_limits(in, err) && inspect_expiry(in, err) && inspect_rights(in, err);
}

bool directory_inspect(struct directory *d, struct arena *a, struct directory_inspection *out,
                       struct error *err)
{
    struct inspection in = {.d = d,
                            .whole = *d->config,
                            .a = a,
                            .conn = directory_open(d, DIRECTORY_WRITER),
                            .facts = json_object()};
    json_keep(a, in.facts);
    in.config = &in.whole.directory;
    bool ok = find_name(&in, err) && inspect_all(&in, err);
    directory_close(in.conn);
    *out = (struct directory_inspection){in.at, in.count, in.facts};
    return ok;
}
