/* A line at a provider backwards: as far as it can be said. */
#include "reconcile/push.h"

#include "base/json.h"
#include "base/own.h"

#define BEFORE_DEPTH 32

static struct reconcile_line *back(struct reconcile_plan *p, const struct reconcile_line *l,
                                   enum kiops_change_kind kind)
{
    struct reconcile_line *b = reconcile_plan_add(p, RECONCILE_PLANNED, kind);
    *b = *l;
    b->state = RECONCILE_PLANNED;
    b->kind = kind;
    b->code = "";
    b->before = l->after;
    b->after = l->before;
    b->text = STR("takes back at the provider what the run did");
    b->subject_made = b->organization_made = STR_NONE;
    b->write = (struct reconcile_write){0};
    return b;
}

static void conflict(struct reconcile_plan *p, const struct reconcile_line *l, struct str text)
{
    struct reconcile_line *c = reconcile_plan_add(p, RECONCILE_CONFLICT, l->kind);
    *c = *l;
    c->state = RECONCILE_CONFLICT;
    c->code = "";
    c->text = text;
}

static void unmake(struct reconcile_plan *p, const struct reconcile_line *l,
                   const struct reconcile_done *made)
{
    bool user = l->kind == KIOPS_CREATE_USER;
    struct reconcile_line *b = back(p, l, user ? KIOPS_DELETE_USER : KIOPS_DELETE_ORGANIZATION);
    *(user ? &b->remote.user : &b->remote.group) = made->outcome.id;
    b->subject = user ? l->write.makes : STR_NONE;
    b->organization = user ? STR_NONE : l->write.makes;
    b->text = user ? STR("takes back what the run did: the account there is deleted, unless it has "
                         "changed since")
                   : STR("takes back what the run did: the group there is deleted, unless somebody "
                         "is in it");
    b->write.version = made->outcome.is;
    reconcile_line_remote(p->arena, b, NULL);
}

static void put_back(struct reconcile_plan *p, const struct reconcile_line *l,
                     const struct reconcile_done *made)
{
    struct error odd = ERROR_INIT;
    json_t *before = json_load_strict(l->before, (struct json_limits){.depth = BEFORE_DEPTH}, &odd);
    if (!before) {
        conflict(p, l, STR("what was there before is not in the journal: put it back by hand"));
        return;
    }
    enum kiops_change_kind kind = l->kind == KIOPS_DEACTIVATE   ? KIOPS_REACTIVATE
                                  : l->kind == KIOPS_REACTIVATE ? KIOPS_DEACTIVATE
                                                                : l->kind;
    struct reconcile_line *b = back(p, l, kind);
    b->write.version = made->outcome.is;
    reconcile_line_remote(p->arena, b, before);
}

void reconcile_push_reverse(struct reconcile_plan *p, const struct reconcile_line *l,
                            const struct reconcile_done *made)
{
    switch ((int)l->kind) {
    case KIOPS_CREATE_USER:
    case KIOPS_CREATE_ORGANIZATION:
        unmake(p, l, made);
        return;
    case KIOPS_DELETE_USER:
    case KIOPS_DELETE_ORGANIZATION:
        conflict(p, l,
                 STR("deleted at the provider, with all that it held there: only a push can "
                     "make a new one, should it be here again"));
        return;
    case KIOPS_ADD:
    case KIOPS_REMOVE:
        reconcile_line_remote(p->arena, back(p, l, l->kind == KIOPS_ADD ? KIOPS_REMOVE : KIOPS_ADD),
                              NULL);
        return;
    default:
        put_back(p, l, made);
    }
}
