/* A search whose answer is larger than memory should be: entry by entry. */
#include <limits.h>

#include "directory/internal.h"

static bool end(struct directory_walk *w, const struct directory_answer *answer, struct error *err)
{
    directory_count(w->conn->directory, DIRECTORY_OP_SEARCH, w->began, answer->code);
    if (answer->code == LDAP_SUCCESS)
        return true;
    /* The rest of the answer must not meet the next request. */
    directory_conn_drop(w->conn);
    return directory_outcome_report(answer, DIRECTORY_UNAVAILABLE, err);
}

bool directory_walk_begin(struct directory_conn *c, struct arena *a,
                          const struct directory_search *s, struct directory_walk *out,
                          struct error *err)
{
    static const int scopes[] = {[DIRECTORY_BASE] = LDAP_SCOPE_BASE,
                                 [DIRECTORY_ONE] = LDAP_SCOPE_ONELEVEL,
                                 [DIRECTORY_SUB] = LDAP_SCOPE_SUBTREE};
    struct directory_answer answer = {.operation = DIRECTORY_OP_SEARCH};
    *out = (struct directory_walk){.conn = c, .began = clock_monotonic_ns()};
    if (!directory_conn_ready(c, directory_conn_deadline(c), NULL, err))
        return false;
    answer.code =
        ldap_search_ext(c->ld, arena_cstr(a, s->base), scopes[s->scope],
                        s->filter.len ? arena_cstr(a, s->filter) : "(objectClass=*)",
                        directory_attr_names(s->attrs), 0, NULL, NULL, NULL, 0, &out->msgid);
    return answer.code == LDAP_SUCCESS || end(out, &answer, err);
}

/* The next message but references; ownership as directory_ldap_wait() has it. */
static int next_message(struct directory_walk *w, struct arena *a, struct directory_answer *answer,
                        LDAPMessage **message)
{
    LDAP *ld = w->conn->ld;
    for (;;) {
        int code = directory_ldap_wait(ld, w->msgid, LDAP_MSG_ONE, directory_conn_deadline(w->conn),
                                       message);
        if (code != LDAP_SUCCESS || ldap_msgtype(*message) != LDAP_RES_SEARCH_REFERENCE)
            return code;
        directory_answer_reference(ld, a, *message, answer);
        w->referred = true;
    }
}

bool directory_walk_next(struct directory_walk *w, struct arena *a, struct directory_entry *out,
                         bool *more, struct error *err)
{
    struct directory_answer answer = {.operation = DIRECTORY_OP_SEARCH};
    *more = false;
    for (;;) {
        LDAPMessage *message = NULL;
        answer.code = next_message(w, a, &answer, &message);
        if (answer.code != LDAP_SUCCESS)
            return end(w, &answer, err);
        if (ldap_msgtype(message) != LDAP_RES_SEARCH_ENTRY) {
            directory_answer_take(w->conn->ld, a, message, &answer, NULL);
            if (answer.code == LDAP_SUCCESS && w->referred)
                answer.code = LDAP_REFERRAL;
            return end(w, &answer, err);
        }
        if (!directory_entry_take(w->conn->ld, a, message, out)) {
            answer.code = LDAP_DECODING_ERROR;
            return end(w, &answer, err);
        }
        *more = !directory_is_protected(w->conn->directory, out->dn);
        if (*more)
            return true;
        w->hidden += !directory_is_proof(out->dn);
    }
}
