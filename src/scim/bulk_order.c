/* Circles of references, and the order of the steps. Both walk the references once, without
 * recursion: a chain may be as long as the request. */
#include "scim/bulk.h"

/* ---- circles: Tarjan's strongly connected components */

struct node {
    size_t number, low; /* number 0: not visited */
    size_t edge;        /* the next one to look at */
    bool waiting;       /* on the stack of what may belong to a component */
};

struct search {
    const struct scim_bulk_reading *in;
    struct scim_bulk_operation *at;
    struct node *nodes;
    size_t *path, path_len; /* from the root to the node that is looked at */
    size_t *waiting, waiting_len;
    size_t visited, circles;
};

static void enter(struct search *s, size_t i)
{
    s->nodes[i] = (struct node){.number = ++s->visited, .low = s->visited, .waiting = true};
    s->path[s->path_len++] = i;
    s->waiting[s->waiting_len++] = i;
}

static bool refers_to_itself(const struct scim_bulk_operation *at, size_t i)
{
    for (size_t k = 0; k < at[i].target_count; k++) {
        if (at[i].targets[k] == i)
            return true;
    }
    return false;
}

static const struct error *circle_fault(struct arena *a)
{
    struct error *fault = ARENA_NEW(a, struct error);
    *fault = ERROR_INIT;
    error_set(fault, ERR_CONFLICT,
              "the operations refer to each other in a circle that cannot be made: a group is no "
              "member of a group");
    return fault;
}

/* `members` refer to each other in a circle. */
static void settle_circle(struct search *s, const size_t *members, size_t n)
{
    bool possible = true;
    for (size_t i = 0; i < n; i++)
        possible = possible && s->at[members[i]].type == s->in->circular;
    const struct error *fault = possible ? NULL : circle_fault(s->in->arena);
    s->circles++;
    for (size_t i = 0; i < n; i++) {
        struct scim_bulk_operation *op = &s->at[members[i]];
        op->circle = possible ? s->circles : 0;
        op->fault = fault;
        op->target_count = possible ? op->target_count : 0; /* what is refused waits for nobody */
    }
}

static void leave(struct search *s, size_t i)
{
    s->path_len--;
    if (s->path_len) {
        struct node *parent = &s->nodes[s->path[s->path_len - 1]];
        if (s->nodes[i].low < parent->low)
            parent->low = s->nodes[i].low;
    }
    if (s->nodes[i].low != s->nodes[i].number)
        return;
    size_t from = s->waiting_len;
    do
        s->nodes[s->waiting[--from]].waiting = false;
    while (s->waiting[from] != i);
    size_t n = s->waiting_len - from;
    if (n > 1 || refers_to_itself(s->at, i))
        settle_circle(s, s->waiting + from, n);
    s->waiting_len = from;
}

static void visit(struct search *s, size_t root)
{
    enter(s, root);
    while (s->path_len) {
        size_t i = s->path[s->path_len - 1];
        struct node *node = &s->nodes[i];
        if (node->edge == s->at[i].target_count) {
            leave(s, i);
            continue;
        }
        size_t target = s->at[i].targets[node->edge++];
        if (!s->nodes[target].number)
            enter(s, target);
        else if (s->nodes[target].waiting && s->nodes[target].number < node->low)
            node->low = s->nodes[target].number;
    }
}

/* Only a POST can be referred to, and its path names nothing: circles are made of data alone. */
void bulk_order_circles(const struct scim_bulk_reading *in, struct scim_bulk_operation *at,
                        size_t count)
{
    struct search s = {.in = in,
                       .at = at,
                       .nodes = ARENA_ARRAY(in->arena, struct node, count),
                       .path = ARENA_ARRAY(in->arena, size_t, count),
                       .waiting = ARENA_ARRAY(in->arena, size_t, count)};
    for (size_t i = 0; i < count; i++) {
        if (!s.nodes[i].number)
            visit(&s, i);
    }
}

bool scim_bulk_postpones(const struct scim_bulk *b, size_t operation, size_t target)
{
    size_t circle = b->at[operation].circle;
    return circle && target < b->count && b->at[target].circle == circle && target >= operation;
}

/* ---- steps */

/* Nodes: operation i is i, its finishing step count + i. */
struct plan {
    const struct scim_bulk *b;
    size_t *missing;      /* by node: steps that must come before it */
    size_t *first, *next; /* by node: where its dependents begin in `who`; by edge: the next one */
    size_t *who;
    size_t edges;
    size_t *ready, ready_len; /* a stack */
    struct scim_bulk_step *steps;
    size_t step_count;
};

static void add_edge(struct plan *p, size_t node, size_t before)
{
    size_t edge = ++p->edges; /* 0 = none */
    p->who[edge] = node;
    p->next[edge] = p->first[before];
    p->first[before] = edge;
    p->missing[node]++;
}

static bool finishes(const struct scim_bulk *b, size_t i)
{
    const struct scim_bulk_operation *op = &b->at[i];
    for (size_t k = 0; !op->fault && op->circle && k < op->target_count; k++) {
        if (scim_bulk_postpones(b, i, op->targets[k]))
            return true;
    }
    return false;
}

static void add_edges(struct plan *p, size_t i)
{
    const struct scim_bulk_operation *op = &p->b->at[i];
    if (op->fault) /* refused where it stands */
        return;
    if (finishes(p->b, i))
        add_edge(p, p->b->count + i, i);
    if (op->path_target != SCIM_BULK_NONE)
        add_edge(p, i, op->path_target);
    for (size_t k = 0; k < op->target_count; k++) {
        bool late = scim_bulk_postpones(p->b, i, op->targets[k]);
        add_edge(p, late ? p->b->count + i : i, op->targets[k]);
    }
}

/* Takes `node` and then what waited for it alone, as far as the request's order has come. */
static void take(struct plan *p, size_t node, size_t reached)
{
    size_t n = p->b->count;
    p->ready[p->ready_len++] = node;
    while (p->ready_len) {
        size_t now = p->ready[--p->ready_len];
        p->steps[p->step_count++] = (struct scim_bulk_step){now % n, now >= n};
        for (size_t edge = p->first[now]; edge; edge = p->next[edge]) {
            size_t after = p->who[edge];
            if (--p->missing[after] == 0 && (after >= n || after < reached))
                p->ready[p->ready_len++] = after;
        }
    }
}

void bulk_order_steps(struct arena *a, struct scim_bulk *b)
{
    size_t nodes = 2 * b->count, edges = 1;
    for (size_t i = 0; i < b->count; i++)
        edges += b->at[i].target_count + 2;
    struct plan p = {.b = b,
                     .missing = ARENA_ARRAY(a, size_t, nodes),
                     .first = ARENA_ARRAY(a, size_t, nodes),
                     .next = ARENA_ARRAY(a, size_t, edges),
                     .who = ARENA_ARRAY(a, size_t, edges),
                     .ready = ARENA_ARRAY(a, size_t, nodes),
                     .steps = ARENA_ARRAY(a, struct scim_bulk_step, nodes)};
    for (size_t i = 0; i < b->count; i++)
        add_edges(&p, i);
    for (size_t i = 0; i < b->count; i++) {
        if (!p.missing[i])
            take(&p, i, i);
    }
    b->steps = p.steps;
    b->step_count = p.step_count;
}
