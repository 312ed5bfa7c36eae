/* One change as one LDAP request: with its preconditions (RFC 4528 assertion) and the question what
 * it met and left behind (RFC 4527), and the answer taken apart. */
#include "directory/request.h"
#include "base/log.h"

#define CONTROLS_MAX 3

/* ---- modifications, as libldap takes them */

static const int ldap_ops[] = {
    [DIRECTORY_ADD] = LDAP_MOD_ADD | LDAP_MOD_BVALUES,
    [DIRECTORY_DELETE] = LDAP_MOD_DELETE | LDAP_MOD_BVALUES,
    [DIRECTORY_REPLACE] = LDAP_MOD_REPLACE | LDAP_MOD_BVALUES,
};

static struct berval **ldap_values(struct arena *a, const struct directory_mod *mod)
{
    if (mod->count == 0)
        return NULL;
    struct berval *values = ARENA_ARRAY(a, struct berval, mod->count);
    struct berval **list = ARENA_ARRAY(a, struct berval *, mod->count + 1);
    for (size_t i = 0; i < mod->count; i++) {
        values[i] = directory_berval(mod->values[i]);
        list[i] = &values[i];
    }
    return list;
}

LDAPMod **change_mods(const struct directory_mods *mods)
{
    struct arena *a = mods->arena;
    LDAPMod *each = ARENA_ARRAY(a, LDAPMod, mods->count + 1);
    LDAPMod **list = ARENA_ARRAY(a, LDAPMod *, mods->count + 1);
    for (size_t i = 0; i < mods->count; i++) {
        each[i].mod_op = ldap_ops[mods->at[i].op];
        each[i].mod_type = directory_berval(str_of(mods->at[i].attr)).bv_val;
        each[i].mod_bvalues = ldap_values(a, &mods->at[i]);
        list[i] = &each[i];
    }
    return list;
}

struct change change_of(const struct directory *d, struct arena *a,
                        enum directory_operation operation, const struct directory_target *t)
{
    const struct directory_server *server = directory_server(d);
    return (struct change){
        .operation = operation,
        .dn = arena_cstr(a, t->dn),
        .assertion = server->asserts ? directory_assertion(a, t) : NULL,
        .pre_attrs = t->extra && !server->asserts ? directory_all_attrs : server->identity,
        .post_attrs = operation == DIRECTORY_OP_DELETE ? NULL
                      : t->want_post                   ? directory_all_attrs
                                                       : server->identity,
    };
}

struct controls {
    LDAPControl each[CONTROLS_MAX];
    LDAPControl *list[CONTROLS_MAX + 1];
    size_t count;
};

static void controls_free(struct controls *controls)
{
    for (size_t i = 0; i < controls->count; i++)
        ber_memfree(controls->each[i].ldctl_value.bv_val);
}

/* `value` is taken. */
static void controls_add(struct controls *controls, const char *oid, bool critical,
                         struct berval value)
{
    LDAPControl *one = &controls->each[controls->count];
    one->ldctl_oid = directory_berval(str_of(oid)).bv_val;
    one->ldctl_iscritical = critical;
    one->ldctl_value = value;
    controls->list[controls->count++] = one;
}

/* RFC 4527: the attributes wanted, as a list of strings. */
static bool attribute_list(const char *const *attrs, struct berval *out)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    bool made = ber && ber_printf(ber, "{v}", attrs) != -1 && ber_flatten2(ber, out, 1) != -1;
    ber_free(ber, 1);
    return made;
}

static int controls_build(LDAP *ld, const struct change *change, struct controls *out)
{
    struct berval value;
    if (change->assertion) {
        char *filter = directory_berval(str_of(change->assertion)).bv_val;
        int code = ldap_create_assertion_control_value(ld, filter, &value);
        if (code != LDAP_SUCCESS)
            return code;
        controls_add(out, LDAP_CONTROL_ASSERT, true, value);
    }
    if (change->pre_attrs) {
        if (!attribute_list(change->pre_attrs, &value))
            return LDAP_ENCODING_ERROR;
        controls_add(out, LDAP_CONTROL_PRE_READ, false, value);
    }
    if (change->post_attrs) {
        if (!attribute_list(change->post_attrs, &value))
            return LDAP_ENCODING_ERROR;
        controls_add(out, LDAP_CONTROL_POST_READ, false, value);
    }
    if (change->operation == DIRECTORY_OP_PASSWORD)
        controls_add(out, LDAP_CONTROL_PASSWORDPOLICYREQUEST, false, (struct berval){0});
    return LDAP_SUCCESS;
}

static int send_to(LDAP *ld, const struct change *change, int *msgid)
{
    struct controls controls = {.count = 0};
    int code = controls_build(ld, change, &controls);
    if (code != LDAP_SUCCESS) {
        controls_free(&controls);
        return code;
    }
    struct berval name = directory_berval(str_of(change->dn));
    struct berval secret = directory_berval(change->password);
    switch (change->operation) {
    case DIRECTORY_OP_MODIFY:
        code = ldap_modify_ext(ld, change->dn, change->mods, controls.list, NULL, msgid);
        break;
    case DIRECTORY_OP_ADD:
        code = ldap_add_ext(ld, change->dn, change->mods, controls.list, NULL, msgid);
        break;
    case DIRECTORY_OP_DELETE:
        code = ldap_delete_ext(ld, change->dn, controls.list, NULL, msgid);
        break;
    case DIRECTORY_OP_RENAME:
        code = ldap_rename(ld, change->dn, change->new_rdn, change->new_superior,
                           !change->keep_old_rdn, controls.list, NULL, msgid);
        break;
    case DIRECTORY_OP_PASSWORD:
        code = ldap_passwd(ld, &name, NULL, &secret, controls.list, NULL, msgid);
        break;
    case DIRECTORY_OP_SEARCH:
        code = LDAP_PARAM_ERROR;
        break;
    }
    controls_free(&controls);
    return code;
}

/* A request that libldap could not hand over whole was not executed, so it may be sent again. */
static bool send_change(struct directory_conn *c, const struct change *change, int64_t deadline,
                        int *msgid, struct error *err)
{
    struct directory_answer answer = {.operation = change->operation};
    for (bool fresh = false; !fresh;) {
        if (!directory_conn_ready(c, deadline, &fresh, err) || !directory_conn_may_write(c, err))
            return false;
        answer.code = send_to(c->ld, change, msgid);
        if (answer.code == LDAP_SUCCESS)
            return true;
        directory_conn_drop(c);
        if (answer.code != LDAP_SERVER_DOWN)
            break;
    }
    if (answer.code == LDAP_SERVER_DOWN)
        answer.code = LDAP_CONNECT_ERROR;
    return directory_outcome_report(&answer, DIRECTORY_UNAVAILABLE, err);
}

/* ---- one answer */

static const struct {
    LDAPPasswordPolicyError error;
    const char *text;
} password_reasons[] = {
    {PP_passwordModNotAllowed, "the directory does not let this password be changed"},
    {PP_insufficientPasswordQuality, "the directory's policy finds the password too weak"},
    {PP_passwordTooShort, "the directory's policy finds the password too short"},
    {PP_passwordTooYoung, "the directory's policy does not allow a new password yet"},
    {PP_passwordInHistory, "the directory's policy does not allow a password used before"},
};

static const char *password_reason(LDAP *ld, LDAPControl *control)
{
    LDAPPasswordPolicyError error = PP_noError;
    if (ldap_parse_passwordpolicy_control(ld, control, NULL, NULL, &error) != LDAP_SUCCESS)
        return NULL;
    for (size_t i = 0; i < sizeof password_reasons / sizeof password_reasons[0]; i++)
        if (password_reasons[i].error == error)
            return password_reasons[i].text;
    return NULL;
}

static void take_control(LDAP *ld, struct arena *a, LDAPControl *control,
                         struct directory_answer *answer, struct directory_result *result)
{
    struct str oid = str_of(control->ldctl_oid);
    struct directory_entry e;
    if (str_eq(oid, STR(LDAP_CONTROL_PASSWORDPOLICYRESPONSE)))
        answer->reason = password_reason(ld, control);
    bool pre = str_eq(oid, STR(LDAP_CONTROL_PRE_READ));
    if (!pre && !str_eq(oid, STR(LDAP_CONTROL_POST_READ)))
        return;
    if (!directory_entry_decode(a, &control->ldctl_value, &e))
        return;
    struct directory_entry *kept = ARENA_NEW(a, struct directory_entry);
    *kept = e;
    if (pre) {
        answer->pre = kept;
        result->pre_csn = e.csn;
        return;
    }
    result->post_csn = e.csn;
    result->changed = directory_value(&e, "modifyTimestamp");
    result->post = kept;
}

static void take_answer(LDAP *ld, struct arena *a, LDAPMessage *message,
                        struct directory_answer *answer, struct directory_result *result)
{
    LDAPControl **controls = NULL;
    directory_answer_take(ld, a, message, answer, &controls);
    for (size_t i = 0; controls && controls[i]; i++)
        take_control(ld, a, controls[i], answer, result);
    ldap_controls_free(controls);
}

bool change_send(struct directory_conn *c, struct arena *a, struct change *change,
                 struct directory_result *result, struct error *err)
{
    struct directory_answer answer = {.operation = change->operation};
    int64_t deadline = directory_conn_deadline(c);
    int msgid = 0;
    *result = (struct directory_result){.outcome = DIRECTORY_UNAVAILABLE};
    /* Tokens are the operator's, who asks for each one: a bridge that only reads needs them, too.
     */
    if (!c->directory->config->directory.writes && c->account != DIRECTORY_OPERATOR)
        return error_set(err, ERR_UNAVAILABLE, "nothing is written: directory.writes is false");
    if (!send_change(c, change, deadline, &msgid, err))
        return false;
    LDAPMessage *message = NULL;
    int64_t began = clock_monotonic_ns();
    answer.code = directory_ldap_wait(c->ld, msgid, LDAP_MSG_ALL, deadline, &message);
    directory_count(c->directory, change->operation, began, answer.code);
    if (answer.code == LDAP_SUCCESS) {
        take_answer(c->ld, a, message, &answer, result);
    } else {
        ldap_abandon_ext(c->ld, msgid, NULL, NULL);
        directory_conn_drop(c);
    }
    result->code = answer.code;
    directory_saw(c->directory, result->post_csn);
    result->outcome = directory_outcome_of(&answer);
    result->last_value =
        result->outcome == DIRECTORY_LOST && answer.code == LDAP_OBJECT_CLASS_VIOLATION;
    result->class_missing = result->outcome == DIRECTORY_REFUSED &&
                            answer.code == LDAP_OBJECT_CLASS_VIOLATION &&
                            change->operation == DIRECTORY_OP_MODIFY;
    change->met = answer.pre;
    return directory_outcome_report(&answer, result->outcome, err);
}
