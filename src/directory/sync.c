/* RFC 4533 on the wire: the request control, and what the messages of such a search say. */
#include "directory/internal.h"

#define TAG_BOOLEAN ((ber_tag_t)0x01U)

bool directory_sync_request(struct str cookie, struct berval *out)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    struct berval state = directory_berval(cookie);
    bool made = ber && ber_printf(ber, "{e", LDAP_SYNC_REFRESH_AND_PERSIST) != -1 &&
                (cookie.len == 0 || ber_printf(ber, "O", &state) != -1) &&
                ber_printf(ber, "N}") != -1 && ber_flatten2(ber, out, 1) != -1;
    ber_free(ber, 1);
    return made;
}

struct str directory_sync_id(struct arena *a, const void *bytes)
{
    const unsigned char *b = bytes;
    return arena_fmt(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                     b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                     b[12], b[13], b[14], b[15]);
}

/* An optional cookie at this place; false only when it is malformed. */
static bool take_cookie(BerElement *ber, struct arena *a, struct str *out)
{
    ber_len_t len;
    struct berval cookie;
    if (ber_peek_tag(ber, &len) != LDAP_TAG_SYNC_COOKIE)
        return true;
    if (ber_scanf(ber, "m", &cookie) == LBER_ERROR)
        return false;
    *out = arena_str(a, (struct str){cookie.bv_val, cookie.bv_len});
    return true;
}

/* An optional boolean; `*out` keeps its default without one. */
static bool take_flag(BerElement *ber, bool *out)
{
    ber_len_t len;
    ber_int_t value;
    if (ber_peek_tag(ber, &len) != TAG_BOOLEAN)
        return true;
    if (ber_scanf(ber, "b", &value) == LBER_ERROR)
        return false;
    *out = value != 0;
    return true;
}

/* ---- the state of one entry */

static bool read_state(BerElement *ber, struct arena *a, int *state, struct directory_sync *out)
{
    ber_int_t value;
    struct berval id;
    if (ber_scanf(ber, "{em", &value, &id) == LBER_ERROR || id.bv_len != SYNC_ID_BYTES)
        return false;
    *state = value;
    out->entry.id = directory_sync_id(a, id.bv_val);
    return take_cookie(ber, a, &out->cookie);
}

static bool state_of(LDAP *ld, struct arena *a, LDAPMessage *message, int *state,
                     struct directory_sync *out)
{
    LDAPControl **controls = NULL;
    if (ldap_get_entry_controls(ld, message, &controls) != LDAP_SUCCESS)
        return false;
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
    BerElement *ber = control ? ber_init(&control->ldctl_value) : NULL;
    bool fine = ber && read_state(ber, a, state, out);
    ber_free(ber, 1);
    ldap_controls_free(controls);
    return fine;
}

static bool read_entry(LDAP *ld, struct arena *a, LDAPMessage *message, struct directory_sync *out)
{
    int state = LDAP_SYNC_PRESENT;
    /* The controls first: reading the entry writes into the message. */
    if (!state_of(ld, a, message, &state, out)) {
        ldap_msgfree(message);
        return false;
    }
    struct str id = out->entry.id;
    if (!directory_entry_take(ld, a, message, &out->entry))
        return false;
    out->entry.id = id;
    if (state == LDAP_SYNC_PRESENT)
        out->kind = SYNC_KEPT;
    else
        out->kind = state == LDAP_SYNC_DELETE ? SYNC_GONE : SYNC_ENTRY;
    return true;
}

/* ---- news about the whole */

static bool read_ids(BerElement *ber, struct arena *a, struct buf *ids, struct directory_sync *out)
{
    bool deletes = false;
    ber_len_t len;
    char *end = NULL;
    if (!take_cookie(ber, a, &out->cookie) || !take_flag(ber, &deletes))
        return false;
    out->kind = deletes ? SYNC_IDS : SYNC_KEPT;
    for (ber_tag_t tag = ber_first_element(ber, &len, &end); tag != LBER_DEFAULT;
         tag = ber_next_element(ber, &len, end)) {
        struct berval id;
        if (ber_scanf(ber, "m", &id) == LBER_ERROR || id.bv_len != SYNC_ID_BYTES)
            return false;
        if (deletes)
            buf_add(ids, id.bv_val, id.bv_len);
    }
    return end && !ids->failed;
}

static bool read_info(BerElement *ber, struct arena *a, struct buf *ids, struct directory_sync *out)
{
    ber_len_t len;
    ber_tag_t tag = ber_peek_tag(ber, &len);
    if (tag == LDAP_TAG_SYNC_NEW_COOKIE) {
        struct berval cookie;
        out->kind = SYNC_COOKIE;
        if (ber_scanf(ber, "tm", &tag, &cookie) == LBER_ERROR)
            return false;
        out->cookie = arena_str(a, (struct str){cookie.bv_val, cookie.bv_len});
        return true;
    }
    if (ber_scanf(ber, "t{", &tag) == LBER_ERROR)
        return false;
    if (tag == LDAP_TAG_SYNC_ID_SET)
        return read_ids(ber, a, ids, out);
    if (tag != LDAP_TAG_SYNC_REFRESH_DELETE && tag != LDAP_TAG_SYNC_REFRESH_PRESENT)
        return false;
    out->kind = SYNC_PHASE;
    out->present = tag == LDAP_TAG_SYNC_REFRESH_PRESENT;
    out->done = true;
    return take_cookie(ber, a, &out->cookie) && take_flag(ber, &out->done);
}

static bool read_intermediate(LDAP *ld, struct arena *a, LDAPMessage *message, struct buf *ids,
                              struct directory_sync *out)
{
    char *oid = NULL;
    struct berval *data = NULL;
    int code = ldap_parse_intermediate(ld, message, &oid, &data, NULL, 1);
    BerElement *ber = NULL;
    bool fine = code == LDAP_SUCCESS && data && str_eq(str_of(oid), STR(LDAP_SYNC_INFO));
    if (fine)
        ber = ber_init(data);
    fine = ber && read_info(ber, a, ids, out);
    ber_free(ber, 1);
    ber_bvfree(data);
    ldap_memfree(oid);
    return fine;
}

bool directory_sync_read(LDAP *ld, struct arena *a, LDAPMessage *message, struct buf *ids,
                         struct directory_sync *out)
{
    *out = (struct directory_sync){.answer.operation = DIRECTORY_OP_SEARCH};
    switch (ldap_msgtype(message)) {
    case LDAP_RES_SEARCH_ENTRY:
        return read_entry(ld, a, message, out);
    case LDAP_RES_INTERMEDIATE:
        return read_intermediate(ld, a, message, ids, out);
    case LDAP_RES_SEARCH_REFERENCE:
        directory_answer_reference(ld, a, message, &out->answer);
        out->answer.code = LDAP_REFERRAL;
        out->kind = SYNC_END;
        return true;
    default:
        directory_answer_take(ld, a, message, &out->answer, NULL);
        out->kind = SYNC_END;
        return true;
    }
}

bool directory_sync_read_plain(LDAP *ld, struct arena *a, LDAPMessage *message,
                               struct directory_sync *out)
{
    if (ldap_msgtype(message) == LDAP_RES_INTERMEDIATE) { /* which nobody asked for */
        ldap_msgfree(message);
        return false;
    }
    if (ldap_msgtype(message) != LDAP_RES_SEARCH_ENTRY)
        return directory_sync_read(ld, a, message, NULL, out);
    *out = (struct directory_sync){.kind = SYNC_ENTRY};
    return directory_entry_take(ld, a, message, &out->entry);
}
