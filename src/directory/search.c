/*
 * Reads. An answer counts only when it is whole: anything but success (or "no such object" of a
 * read of that one object) is an error, so that nobody takes it for absence.
 */
#include <limits.h>
#include <string.h>

#include "base/log.h"
#include "directory/internal.h"

/* slapd closes a session with more than 1,000 requests waiting; this is far enough to fill a
 * round trip. */
#define IN_FLIGHT_MAX 64

const char *const directory_all_attrs[] = {"*",
                                           "entryUUID",
                                           "entryCSN",
                                           "entryUSN",
                                           "createTimestamp",
                                           "modifyTimestamp",
                                           "pwdAccountLockedTime",
                                           "pwdChangedTime",
                                           "pwdUpdateTime",
                                           NULL};

/* ---- entries */

const struct directory_attr *directory_attr(const struct directory_entry *e, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < e->attr_count; i++)
        if (str_ieq(e->attrs[i].name, wanted))
            return &e->attrs[i];
    return NULL;
}

struct str directory_value(const struct directory_entry *e, const char *name)
{
    const struct directory_attr *attr = directory_attr(e, name);
    return attr && attr->count > 0 ? attr->values[0] : STR_NONE;
}

bool directory_has(const struct directory_entry *e, const char *name, struct str value)
{
    const struct directory_attr *attr = directory_attr(e, name);
    for (size_t i = 0; attr && i < attr->count; i++)
        if (str_ieq(attr->values[i], value))
            return true;
    return false;
}

static struct str view_of(struct berval v)
{
    return (struct str){v.bv_val, v.bv_len};
}

/* The id is compared as bytes everywhere, and a server may keep an imported one in capitals. */
static struct str lower_id(struct arena *a, struct str id)
{
    size_t i = 0;
    while (i < id.len && !(id.at[i] >= 'A' && id.at[i] <= 'Z'))
        i++;
    if (i == id.len)
        return id;
    char *text = arena_alloc(a, id.len + 1);
    for (i = 0; i < id.len; i++)
        text[i] = id.at[i] >= 'A' && id.at[i] <= 'Z' ? (char)(id.at[i] + ('a' - 'A')) : id.at[i];
    return (struct str){text, id.len};
}

static bool read_values(BerElement *ber, struct arena *a, struct directory_attr *attr)
{
    struct str *values = NULL;
    size_t n = 0, cap = 0;
    ber_len_t len;
    char *end = NULL;
    for (ber_tag_t tag = ber_first_element(ber, &len, &end); tag != LBER_DEFAULT;
         tag = ber_next_element(ber, &len, end)) {
        struct berval value;
        if (ber_scanf(ber, "m", &value) == LBER_ERROR)
            return false;
        values = arena_grow(a, values, sizeof *values, n, &cap);
        values[n++] = view_of(value);
    }
    attr->values = values;
    attr->count = n;
    return end != NULL; /* NULL: a set longer than what holds it */
}

/* `ber` stands at the first of the attributes and ends behind the last. */
static bool read_attrs(BerElement *ber, struct arena *a, struct berval dn,
                       struct directory_entry *out)
{
    struct directory_entry e = {.dn = view_of(dn)};
    struct directory_attr *attrs = NULL;
    size_t cap = 0;
    ber_len_t len;
    /* A DN becomes a C string when it is used again. */
    if (memchr(dn.bv_val, 0, dn.bv_len))
        return false;
    while (ber_peek_tag(ber, &len) != LBER_DEFAULT) {
        struct berval name;
        if (ber_scanf(ber, "{m", &name) == LBER_ERROR)
            return false;
        attrs = arena_grow(a, attrs, sizeof *attrs, e.attr_count, &cap);
        attrs[e.attr_count].name = view_of(name);
        if (!read_values(ber, a, &attrs[e.attr_count++]))
            return false;
    }
    if (ber_get_option(ber, LBER_OPT_REMAINING_BYTES, &len) != LBER_OPT_SUCCESS || len != 0)
        return false;
    e.attrs = attrs;
    e.id = lower_id(a, directory_value(&e, "entryUUID"));
    e.csn = directory_value(&e, "entryCSN");
    if (!e.csn.len && directory_attr(&e, "entryUSN"))
        e.csn = directory_csn_of_number(a, directory_value(&e, "entryUSN"),
                                        directory_value(&e, "modifyTimestamp"));
    *out = e;
    return true;
}

static void release_message(void *message)
{
    ldap_msgfree(message);
}

static void release_view(void *ber)
{
    ber_free(ber, 0); /* the bytes belong to the message */
}

static void release_ber(void *ber)
{
    ber_free(ber, 1);
}

bool directory_entry_take(LDAP *ld, struct arena *a, LDAPMessage *message,
                          struct directory_entry *out)
{
    BerElement *ber = NULL;
    struct berval dn;
    arena_keep(a, message, release_message);
    if (ldap_get_dn_ber(ld, message, &ber, &dn) != LDAP_SUCCESS)
        return false;
    arena_keep(a, ber, release_view);
    return read_attrs(ber, a, dn, out);
}

bool directory_entry_decode(struct arena *a, const struct berval *value,
                            struct directory_entry *out)
{
    struct berval bytes = *value, dn;
    BerElement *ber = ber_init(&bytes);
    if (!ber)
        return false;
    arena_keep(a, ber, release_ber);
    return ber_scanf(ber, "{m{", &dn) != LBER_ERROR && read_attrs(ber, a, dn, out);
}

/* ---- searches */

struct batch {
    struct directory_conn *conn;
    struct arena *arena;
    struct directory_searches searches;
    struct directory_entries *out;
    int *msgids;
    size_t sent, answered;
    int64_t deadline;
};

static const int ldap_scopes[] = {
    [DIRECTORY_BASE] = LDAP_SCOPE_BASE,
    [DIRECTORY_ONE] = LDAP_SCOPE_ONELEVEL,
    [DIRECTORY_SUB] = LDAP_SCOPE_SUBTREE,
};

static int send_one(struct batch *b, size_t i)
{
    const struct directory_search *s = &b->searches.at[i];
    const char *base = arena_cstr(b->arena, s->base);
    const char *filter = s->filter.len ? arena_cstr(b->arena, s->filter) : "(objectClass=*)";
    int limit = s->size_limit > INT_MAX ? INT_MAX : (int)s->size_limit;
    LDAP *ld = b->conn->ld;
    for (;;) {
        int code =
            ldap_search_ext(ld, base, ldap_scopes[s->scope], filter, directory_attr_names(s->attrs),
                            0, NULL, NULL, NULL, limit, &b->msgids[i]);
        if (code != LDAP_BUSY)
            return code;
        if (!directory_ldap_room(ld, b->deadline))
            return clock_left_ms(b->deadline) > 0 ? LDAP_SERVER_DOWN : LDAP_TIMEOUT;
    }
}

/* ---- asked ahead */

static bool is_same(const struct directory_search *a, const struct directory_search *b)
{
    return a->scope == b->scope && a->attrs == b->attrs && a->size_limit == b->size_limit &&
           a->nothing == b->nothing && str_eq(a->base, b->base) && str_eq(a->filter, b->filter);
}

static int take_ahead(struct directory_conn *c, size_t i)
{
    int msgid = c->ahead[i].msgid;
    c->ahead[i] = c->ahead[--c->ahead_count];
    return msgid;
}

int directory_ask_ahead(struct directory_conn *c, struct arena *a, const struct directory_search *s)
{
    int msgid = 0;
    struct batch b = {.conn = c,
                      .arena = a,
                      .searches = {s, 1},
                      .msgids = &msgid,
                      .deadline = directory_conn_deadline(c)};
    if (s->nothing || c->ahead_count == DIRECTORY_AHEAD_MAX ||
        (c->ahead_count == 0 && !directory_conn_is_alive(c)) || send_one(&b, 0) != LDAP_SUCCESS)
        return 0;
    c->ahead[c->ahead_count++] = (struct asked_ahead){s, msgid};
    return msgid;
}

void directory_drop_ahead(struct directory_conn *c, int asked)
{
    for (size_t i = 0; i < c->ahead_count; i++)
        if (c->ahead[i].msgid == asked) {
            ldap_abandon_ext(c->ld, take_ahead(c, i), NULL, NULL);
            return;
        }
}

static bool was_asked_ahead(struct batch *b, size_t i)
{
    struct directory_conn *c = b->conn;
    for (size_t k = 0; k < c->ahead_count; k++)
        if (is_same(c->ahead[k].search, &b->searches.at[i])) {
            b->msgids[i] = take_ahead(c, k);
            return true;
        }
    return false;
}

static int send_some(struct batch *b)
{
    int code = LDAP_SUCCESS;
    while (code == LDAP_SUCCESS && b->sent < b->searches.count &&
           b->sent < b->answered + IN_FLIGHT_MAX) {
        if (!b->searches.at[b->sent].nothing && !was_asked_ahead(b, b->sent))
            code = send_one(b, b->sent);
        b->sent++;
    }
    return code;
}

struct collected {
    struct directory_entry *at;
    size_t count, cap;
};

static bool collect(struct batch *b, LDAPMessage *message, struct collected *found)
{
    struct directory_entry e;
    if (!directory_entry_take(b->conn->ld, b->arena, message, &e))
        return false;
    if (directory_is_protected(b->conn->directory, e.dn))
        return true;
    found->at = arena_grow(b->arena, found->at, sizeof *found->at, found->count, &found->cap);
    found->at[found->count++] = e;
    return true;
}

/* Reads the answer to one search to its end. The code of the answer, or of a connection that died.
 */
static void receive_one(struct batch *b, size_t i, struct directory_answer *answer)
{
    LDAP *ld = b->conn->ld;
    struct collected found = {0};
    for (;;) {
        LDAPMessage *message = NULL;
        answer->code = directory_ldap_wait(ld, b->msgids[i], LDAP_MSG_ONE, b->deadline, &message);
        if (answer->code != LDAP_SUCCESS)
            return;
        int type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_ENTRY) {
            if (collect(b, message, &found))
                continue;
            answer->code = LDAP_DECODING_ERROR;
            return;
        }
        if (type == LDAP_RES_SEARCH_REFERENCE) {
            directory_answer_reference(ld, b->arena, message, answer);
            continue;
        }
        directory_answer_take(ld, b->arena, message, answer, NULL);
        break;
    }
    if (answer->code == LDAP_SUCCESS && answer->referral.len > 0)
        answer->code = LDAP_REFERRAL;
    if (b->searches.at[i].size_limit > 0 && found.count > b->searches.at[i].size_limit)
        answer->code = LDAP_SIZELIMIT_EXCEEDED;
    b->out[i] = (struct directory_entries){found.at, found.count};
}

/* P1: what was read counts only after success; "no such object" is an answer only where that very
 * object was asked for. A subtree that is not there is a wrong base, or a right taken away. */
static bool is_whole(const struct directory_search *s, int code)
{
    return code == LDAP_SUCCESS || (code == LDAP_NO_SUCH_OBJECT && s->scope == DIRECTORY_BASE);
}

/* Sends and receives all. false: `answer` says why. */
static bool run(struct batch *b, struct directory_answer *answer)
{
    b->sent = b->answered = 0;
    memset(b->out, 0, b->searches.count * sizeof *b->out);
    while (b->answered < b->searches.count) {
        answer->code = send_some(b);
        if (answer->code != LDAP_SUCCESS)
            return false;
        size_t i = b->answered++;
        if (b->searches.at[i].nothing)
            continue;
        receive_one(b, i, answer);
        if (!is_whole(&b->searches.at[i], answer->code))
            return false;
    }
    return true;
}

/* Another server may take it: a read may go there at once. */
static bool is_refused(int code)
{
    return code == LDAP_BUSY || code == LDAP_UNAVAILABLE;
}

static void hint_at_limits(const struct directory *d, int code)
{
    if (code == LDAP_SIZELIMIT_EXCEEDED || code == LDAP_TIMELIMIT_EXCEEDED ||
        code == LDAP_ADMINLIMIT_EXCEEDED)
        LOG_WARN("directory_limit", LOG_S("account", d->config->directory.service.bind_dn),
                 LOG_C("next", "raise the server's limits for it; slapd: limits dn.exact=... "
                               "size=unlimited time=unlimited"));
}

static bool asks_nothing(struct directory_searches s)
{
    for (size_t i = 0; i < s.count; i++)
        if (!s.at[i].nothing)
            return false;
    return true;
}

bool directory_find_all(struct directory_conn *c, struct arena *a, struct directory_searches s,
                        struct directory_entries *out, struct error *err)
{
    struct batch b = {.conn = c, .arena = a, .searches = s};
    struct directory_answer answer = {.operation = DIRECTORY_OP_SEARCH};
    b.deadline = directory_conn_deadline(c);
    b.msgids = ARENA_ARRAY(a, int, s.count + 1);
    b.out = ARENA_ARRAY(a, struct directory_entries, s.count + 1);
    if (asks_nothing(s)) {
        memset(out, 0, s.count * sizeof *out);
        return true;
    }
    for (bool fresh = false, elsewhere = false; !fresh;) {
        if (!directory_conn_ready(c, b.deadline, &fresh, err))
            return false;
        int64_t began = clock_monotonic_ns();
        bool whole = run(&b, &answer);
        directory_count(c->directory, DIRECTORY_OP_SEARCH, began, answer.code);
        if (whole) {
            memcpy(out, b.out, s.count * sizeof *out);
            return true;
        }
        /* Answers still on their way must not meet the next request. */
        directory_conn_drop(c);
        if (is_refused(answer.code) && !elsewhere && directory_conn_elsewhere(c))
            elsewhere = true, fresh = false;
        else if (answer.code != LDAP_SERVER_DOWN)
            break;
    }
    hint_at_limits(c->directory, answer.code);
    return directory_outcome_report(&answer, DIRECTORY_UNAVAILABLE, err);
}

bool directory_find(struct directory_conn *c, struct arena *a, const struct directory_search *s,
                    struct directory_entries *out, struct error *err)
{
    return directory_find_all(c, a, (struct directory_searches){s, 1}, out, err);
}
