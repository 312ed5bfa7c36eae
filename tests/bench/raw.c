/*
 * What the directory itself does: the LDAP requests that the bridge sends for one operation, sent
 * by libldap alone over N connections. tap.py records them from the bridge, so they are the same.
 *
 *   raw [-r] URI BIND_DN PASSWORD_FILE SCRIPT ITEMS CONNECTIONS SECONDS
 *
 * SCRIPT, a line each, fields separated by tabs:
 *   search BASE SCOPE FILTER LIMIT ATTRIBUTES     scope 0, 1 or 2; attributes by commas; with
 *                                                 "keep" behind it: the entry gives {csn}
 *   add DN | modify DN                            then its values and controls:
 *     value OP ATTRIBUTE VALUE...                 op 0 add, 1 delete, 2 replace
 *     assert CRITICAL FILTER | pre CRITICAL ATTRIBUTES | post CRITICAL ATTRIBUTES
 *   wait                                          until all that was sent is answered
 * In it {1} to {9} are the fields of the next line of ITEMS, {csn} the entryCSN of the entry kept,
 * {random} eight digits. Ends after SECONDS, or with the last item
 * (-r: the items are taken round and round).
 * Prints: done seconds per_second p50_us p99_us failed
 */
#include <ldap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELDS 128 /* of a line: the values of an attribute are among them */
#define STEPS 64
#define WAITING 64
#define SCRATCH (1 << 20)
#define ROUNDS_MAX 4000000

struct line {
    char *at[FIELDS];
    int count;
};

struct run {
    const char *uri, *bind_dn;
    char password[256];
    struct line steps[STEPS], *items;
    long step_count, item_count, most;
    double seconds, end;
    atomic_long next, done, failed;
    double *micros;
};

/* What one connection has under way. */
struct worker {
    struct run *run;
    LDAP *ld;
    const struct line *item;
    int waiting[WAITING], waiting_count, keeping; /* keeping: message id of the search, or 0 */
    bool failed;
    char csn[64];
    char *scratch;
    size_t used;
    unsigned seed;
};

static void die(const char *what)
{
    fprintf(stderr, "raw: %s\n", what);
    exit(1);
}

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *room(struct worker *w, size_t size)
{
    size_t at = (w->used + 15) & ~(size_t)15;
    if (at + size > SCRATCH)
        die("an operation is too large");
    w->used = at + size;
    return w->scratch + at;
}

/* ---- texts */

static const char *placeholder(struct worker *w, const char *name, size_t len, char random[9])
{
    if (len == 1 && *name >= '1' && *name <= '9' && *name - '1' < w->item->count)
        return w->item->at[*name - '1'];
    if (len == 3 && memcmp(name, "csn", 3) == 0)
        return w->csn;
    if (len == 6 && memcmp(name, "random", 6) == 0) {
        snprintf(random, 9, "%08x", (unsigned)rand_r(&w->seed));
        return random;
    }
    return NULL;
}

static char *filled(struct worker *w, const char *text)
{
    size_t len = 0, most = strlen(text) + 8192;
    char *out = room(w, most), random[9];
    while (*text && len + 1 < most) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        const char *value = end ? placeholder(w, text + 1, (size_t)(end - text - 1), random) : NULL;
        if (!value) {
            out[len++] = *text++;
            continue;
        }
        size_t add = strlen(value);
        if (len + add >= most)
            die("a value is too long");
        memcpy(out + len, value, add);
        len += add;
        text = end + 1;
    }
    out[len] = '\0';
    w->used -= most - len - 1;
    return out;
}

static char **listed(struct worker *w, const char *text)
{
    char **list = room(w, FIELDS * sizeof *list), *rest = filled(w, text);
    int n = 0;
    for (char *one; n + 1 < FIELDS && (one = strsep(&rest, ","));)
        list[n++] = one;
    list[n] = NULL;
    return list;
}

/* ---- requests */

static void sent(struct worker *w, int code, int id)
{
    if (code != LDAP_SUCCESS)
        die(ldap_err2string(code));
    if (w->waiting_count == WAITING)
        die("too many requests at once");
    w->waiting[w->waiting_count++] = id;
}

static void send_search(struct worker *w, const struct line *l)
{
    int id = 0;
    int code = ldap_search_ext(w->ld, filled(w, l->at[1]), number(l->at[2]), filled(w, l->at[3]),
                               listed(w, l->at[5]), 0, NULL, NULL, NULL, number(l->at[4]), &id);
    sent(w, code, id);
    w->keeping = l->count > 6 ? id : w->keeping;
}

static LDAPMod *modification(struct worker *w, const struct line *l)
{
    LDAPMod *m = room(w, sizeof *m);
    m->mod_op = number(l->at[1]);
    m->mod_type = l->at[2];
    m->mod_values = room(w, (size_t)l->count * sizeof(char *));
    int n = 0;
    for (int i = 3; i < l->count; i++)
        m->mod_values[n++] = filled(w, l->at[i]);
    m->mod_values[n] = NULL;
    return m;
}

static const struct {
    const char *name, *oid;
} CONTROLS[] = {
    {"assert", LDAP_CONTROL_ASSERT},
    {"pre", LDAP_CONTROL_PRE_READ},
    {"post", LDAP_CONTROL_POST_READ},
};

static void encode_list(char **list, struct berval *out)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    if (!ber || ber_printf(ber, "{v}", list) < 0 || ber_flatten2(ber, out, 1) < 0)
        die("a control cannot be encoded");
    ber_free(ber, 1);
}

/* NULL: the line is no control. */
static LDAPControl *control(struct worker *w, const struct line *l)
{
    size_t i = 0;
    while (i < 3 && strcmp(l->at[0], CONTROLS[i].name) != 0)
        i++;
    if (i == 3)
        return NULL;
    LDAPControl *c = room(w, sizeof *c);
    *c = (LDAPControl){.ldctl_oid = (char *)(size_t)CONTROLS[i].oid,
                       .ldctl_iscritical = (char)number(l->at[1])};
    if (i > 0)
        encode_list(listed(w, l->at[2]), &c->ldctl_value);
    else if (ldap_create_assertion_control_value(w->ld, filled(w, l->at[2]), &c->ldctl_value))
        die("an assertion is no filter");
    return c;
}

/* The write at `step` and the lines that belong to it; the index of the last of them. */
static long send_write(struct worker *w, long step)
{
    const struct run *r = w->run;
    const struct line *l = &r->steps[step];
    LDAPMod **mods = room(w, STEPS * sizeof *mods);
    LDAPControl *controls[4] = {0};
    int mod_count = 0, control_count = 0, id = 0;
    for (; step + 1 < r->step_count; step++) {
        const struct line *more = &r->steps[step + 1];
        LDAPControl *c = control_count < 3 ? control(w, more) : NULL;
        if (c)
            controls[control_count++] = c;
        else if (strcmp(more->at[0], "value") == 0)
            mods[mod_count++] = modification(w, more);
        else
            break;
    }
    mods[mod_count] = NULL;
    bool add = strcmp(l->at[0], "add") == 0;
    int code = (add ? ldap_add_ext : ldap_modify_ext)(w->ld, filled(w, l->at[1]), mods, controls,
                                                      NULL, &id);
    for (int i = 0; i < control_count; i++)
        ber_memfree(controls[i]->ldctl_value.bv_val);
    sent(w, code, id);
    return step;
}

/* ---- answers */

static void note_csn(struct worker *w, LDAPMessage *answer)
{
    LDAPMessage *entry = ldap_first_entry(w->ld, answer);
    struct berval **values = entry ? ldap_get_values_len(w->ld, entry, "entryCSN") : NULL;
    if (values && values[0])
        snprintf(w->csn, sizeof w->csn, "%.*s", (int)values[0]->bv_len, values[0]->bv_val);
    ldap_value_free_len(values);
}

/* A read that finds nothing and a page that is full are answers; a write must be done. */
static bool as_wished(int type, int code)
{
    return code == LDAP_SUCCESS ||
           (type == LDAP_RES_SEARCH_RESULT &&
            (code == LDAP_NO_SUCH_OBJECT || code == LDAP_SIZELIMIT_EXCEEDED));
}

static void collect(struct worker *w)
{
    for (int i = 0; i < w->waiting_count; i++) {
        LDAPMessage *answer = NULL, *last = NULL;
        int code = LDAP_OTHER;
        int type = ldap_result(w->ld, w->waiting[i], LDAP_MSG_ALL, NULL, &answer);
        if (type <= 0)
            die("the connection broke");
        if (w->waiting[i] == w->keeping)
            note_csn(w, answer);
        for (LDAPMessage *m = answer; m; m = ldap_next_message(w->ld, m))
            last = m;
        ldap_parse_result(w->ld, last, &code, NULL, NULL, NULL, NULL, 0);
        ldap_msgfree(answer);
        if (!as_wished(type, code) && !w->failed) {
            w->failed = true;
            if (atomic_fetch_add(&w->run->failed, 1) == 0)
                fprintf(stderr, "raw: %s\n", ldap_err2string(code));
        }
    }
    w->waiting_count = 0;
}

/* ---- the run */

static void operate(struct worker *w)
{
    const struct run *r = w->run;
    w->used = 0;
    w->failed = false;
    for (long i = 0; i < r->step_count && !w->failed; i++) {
        const char *kind = r->steps[i].at[0];
        if (strcmp(kind, "wait") == 0)
            collect(w);
        else if (strcmp(kind, "search") == 0)
            send_search(w, &r->steps[i]);
        else
            i = send_write(w, i);
    }
    collect(w);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct run *r = w->run;
    for (long i; now_s() < r->end && (i = atomic_fetch_add(&r->next, 1)) < r->most;) {
        double begin = now_s();
        w->item = &r->items[i % r->item_count];
        operate(w);
        r->micros[atomic_fetch_add(&r->done, 1)] = (now_s() - begin) * 1e6;
    }
    return NULL;
}

static LDAP *connect_to(const struct run *r)
{
    LDAP *ld = NULL;
    int version = LDAP_VERSION3;
    struct berval credentials = {strlen(r->password), (char *)(size_t)r->password};
    if (ldap_initialize(&ld, r->uri) != LDAP_SUCCESS)
        die("no such URI");
    ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    if (ldap_sasl_bind_s(ld, r->bind_dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, NULL))
        die("cannot bind");
    return ld;
}

/* ---- input and output */

static long load_lines(const char *path, struct line **out)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    long count = 0, cap = 0;
    if (!file)
        die(path);
    while (getline(&text, &size, file) > 0) {
        if (count == cap)
            *out = realloc(*out, (size_t)(cap = cap ? cap * 2 : 256) * sizeof **out);
        struct line *l = &(*out)[count++];
        char *rest = strdup(text);
        rest[strcspn(rest, "\n")] = '\0';
        l->count = 0;
        for (char *field; l->count < FIELDS && (field = strsep(&rest, "\t"));)
            l->at[l->count++] = field;
    }
    free(text);
    fclose(file);
    return count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(struct run *r, double seconds)
{
    long done = atomic_load(&r->done);
    if (done == 0)
        die("nothing was done");
    qsort(r->micros, (size_t)done, sizeof *r->micros, compare);
    printf("%ld %.3f %.1f %.0f %.0f %ld\n", done, seconds, (double)done / seconds,
           r->micros[done / 2], r->micros[done * 99 / 100], atomic_load(&r->failed));
}

static void prepare(struct run *r, char **argv, bool round_and_round)
{
    struct line *script = NULL;
    FILE *secret = fopen(argv[3], "re");
    if (!secret || !fgets(r->password, sizeof r->password, secret))
        die("no password");
    fclose(secret);
    r->password[strcspn(r->password, "\n")] = '\0';
    r->uri = argv[1];
    r->bind_dn = argv[2];
    r->step_count = load_lines(argv[4], &script);
    if (r->step_count > STEPS)
        die("the script is too long");
    memcpy(r->steps, script, (size_t)r->step_count * sizeof *script);
    r->item_count = load_lines(argv[5], &r->items);
    r->most = round_and_round ? ROUNDS_MAX : r->item_count;
    r->micros = calloc((size_t)r->most + 1, sizeof *r->micros);
    r->seconds = strtod(argv[7], NULL);
}

int main(int argc, char **argv)
{
    static struct run r;
    bool again = argc > 1 && strcmp(argv[1], "-r") == 0;
    argv += again;
    if (argc - again != 8)
        die("usage: raw [-r] URI BIND_DN PASSWORD_FILE SCRIPT ITEMS CONNECTIONS SECONDS");
    prepare(&r, argv, again);
    long connections = strtol(argv[6], NULL, 10);
    pthread_t *threads = calloc((size_t)connections, sizeof *threads);
    struct worker *workers = calloc((size_t)connections, sizeof *workers);
    for (long i = 0; i < connections; i++)
        workers[i] = (struct worker){.run = &r,
                                     .ld = connect_to(&r),
                                     .seed = (unsigned)i + 1 + (unsigned)time(NULL),
                                     .scratch = malloc(SCRATCH)};
    double begin = now_s();
    r.end = begin + r.seconds;
    for (long i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, work, &workers[i]);
    for (long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    report(&r, now_s() - begin);
    return 0;
}
