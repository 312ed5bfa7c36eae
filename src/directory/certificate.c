/* When a certificate ends: RFC 5280 4.1, as far as `validity`. The server's own, which libldap has
 * verified; still, every length is checked. */
#include "directory/inspect.h"

#define TAG_VERSION 0xa0U
#define TAG_UTC_TIME 0x17U
#define TAG_TIME 0x18U

static bool skip(BerElement *ber)
{
    ber_len_t len;
    return ber_peek_tag(ber, &len) != LBER_DEFAULT && ber_scanf(ber, "x") != LBER_ERROR;
}

/* UTCTime has two digits of the year: 50 and above is 19.. (RFC 5280 4.1.2.5.1). */
static instant_t time_of(ber_tag_t tag, struct str text)
{
    char full[CLOCK_TEXT_MAX];
    OWNED_BUF struct buf out;
    instant_t t;
    buf_init(&out, sizeof full);
    if (tag == TAG_UTC_TIME && text.len >= 2)
        buf_fmt(&out, "%s", text.at[0] >= '5' ? "19" : "20");
    else if (tag != TAG_TIME)
        return INSTANT_NONE;
    buf_str(&out, text);
    return !out.failed && clock_parse_generalized(buf_view(&out), &t) ? t : INSTANT_NONE;
}

static instant_t read_end(BerElement *ber)
{
    ber_len_t len;
    struct berval end;
    if (ber_scanf(ber, "{{") == LBER_ERROR)
        return INSTANT_NONE;
    if (ber_peek_tag(ber, &len) == TAG_VERSION && !skip(ber))
        return INSTANT_NONE;
    /* serial number, algorithm, issuer */
    if (!skip(ber) || !skip(ber) || !skip(ber) || ber_scanf(ber, "{") == LBER_ERROR || !skip(ber))
        return INSTANT_NONE;
    ber_tag_t tag = ber_peek_tag(ber, &len);
    if (tag == LBER_DEFAULT || ber_scanf(ber, "m", &end) == LBER_ERROR)
        return INSTANT_NONE;
    return time_of(tag, (struct str){end.bv_val, end.bv_len});
}

instant_t directory_certificate_end(struct str der)
{
    struct berval bytes = directory_berval(der);
    BerElement *ber = der.len ? ber_init(&bytes) : NULL;
    instant_t end = ber ? read_end(ber) : INSTANT_NONE;
    ber_free(ber, 1);
    return end;
}
