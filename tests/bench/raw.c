/*
 * What the directory itself does: the same LDAP operations as the bridge sends, by libldap alone, at N connections.
 *
 * usage: raw URI BIND_DN PASSWORD_FILE OPERATION CONNECTIONS COUNT FILE
 * FILE: one item a line; the fields an operation needs, separated by tabs. Items are taken in turn by all connections.
 *   find    BASE FILTER                          one search, whole entry
 *   create  DN UID RESOURCE TOKENS_BASE TOKEN     token read, groups naming the DN, add with post-read
 *   active  DN UUID TOKENS_BASE TOKEN             entry and token read, modify with assertion and post-read (kiopsActive)
 *   member  USER_DN UUID ORG_DN ORG_UUID TOKENS_BASE TOKEN
 * Prints: operation connections count seconds per_second p50_us p99_us
 */
#include <ldap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELDS 8

struct item {
    char *f[FIELDS];
};

struct run {
    const char *uri, *bind_dn, *operation;
    char password[256];
    struct item *items;
    size_t item_count;
    long count;
    atomic_long next;
    atomic_long failed;
    double *micros;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static LDAP *connect_to(const struct run *r)
{
    LDAP *ld = NULL;
    int version = LDAP_VERSION3;
    struct berval credentials = {strlen(r->password), (char *)(size_t)r->password};
    if (ldap_initialize(&ld, r->uri) != LDAP_SUCCESS)
        exit(1);
    ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    if (ldap_sasl_bind_s(ld, r->bind_dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, NULL) != LDAP_SUCCESS)
        exit(1);
    return ld;
}

static int search(LDAP *ld, const char *base, int scope, const char *filter, char **attrs)
{
    int id;
    if (ldap_search_ext(ld, base, scope, filter, attrs, 0, NULL, NULL, NULL, 0, &id) != LDAP_SUCCESS)
        exit(1);
    return id;
}

static int collect(LDAP *ld, int id)
{
    LDAPMessage *m = NULL;
    int code = LDAP_OTHER;
    if (ldap_result(ld, id, LDAP_MSG_ALL, NULL, &m) <= 0)
        exit(1);
    ldap_parse_result(ld, m, &code, NULL, NULL, NULL, NULL, 1);
    return code;
}

static char *whole[] = {(char[]){"*"}, (char[]){"entryUUID"}, (char[]){"entryCSN"},
                        (char[]){"createTimestamp"}, (char[]){"modifyTimestamp"}, NULL};
static char *only_csn[] = {(char[]){"entryCSN"}, NULL};

static void controls_for(LDAP *ld, const char *assertion, char **post, char **pre, LDAPControl **out)
{
    int n = 0;
    if (assertion)
        ldap_create_assertion_control(ld, (char *)(size_t)assertion, 1, &out[n++]);
    struct {
        char **attrs;
        const char *oid;
    } reads[] = {{post, LDAP_CONTROL_POST_READ}, {pre, LDAP_CONTROL_PRE_READ}};
    for (int i = 0; i < 2; i++) {
        if (!reads[i].attrs)
            continue;
        BerElement *ber = ber_alloc_t(LBER_USE_DER);
        struct berval value;
        ber_printf(ber, "{v}", reads[i].attrs);
        ber_flatten2(ber, &value, 0);
        ldap_control_create(reads[i].oid, 1, &value, 1, &out[n++]);
        ber_free(ber, 1);
    }
    out[n] = NULL;
}

static int modify(LDAP *ld, const char *dn, LDAPMod **mods, const char *uuid, char **post, char **pre)
{
    LDAPControl *controls[4];
    char assertion[128];
    int id, code;
    snprintf(assertion, sizeof assertion, "(entryUUID=%s)", uuid);
    controls_for(ld, assertion, post, pre, controls);
    if (ldap_modify_ext(ld, dn, mods, controls, NULL, &id) != LDAP_SUCCESS)
        exit(1);
    code = collect(ld, id);
    for (int i = 0; controls[i]; i++)
        ldap_control_free(controls[i]);
    return code;
}

static void token_filter(const char *token, char out[256])
{
    snprintf(out, 256, "(cn=%s)", token);
}

static int do_find(LDAP *ld, const struct item *it)
{
    return collect(ld, search(ld, it->f[0], LDAP_SCOPE_SUBTREE, it->f[1], whole));
}

static LDAPMod *mod(int op, const char *attr, const char *value)
{
    LDAPMod *m = calloc(1, sizeof *m);
    m->mod_op = op;
    m->mod_type = strdup(attr);
    m->mod_values = calloc(2, sizeof(char *));
    m->mod_values[0] = strdup(value);
    return m;
}

static void free_mods(LDAPMod **mods)
{
    for (int i = 0; mods[i]; i++) {
        free(mods[i]->mod_type);
        free(mods[i]->mod_values[0]);
        free(mods[i]->mod_values);
        free(mods[i]);
    }
}

static int do_create(LDAP *ld, const struct item *it)
{
    char filter[600], token[256];
    token_filter(it->f[4], token);
    int first = search(ld, it->f[3], LDAP_SCOPE_ONELEVEL, token, whole);
    collect(ld, first);
    snprintf(filter, sizeof filter, "(|(member=%s)(owner=%s))", it->f[0], it->f[0]);
    int groups = search(ld, it->f[5], LDAP_SCOPE_SUBTREE, filter, only_csn);
    int self = search(ld, it->f[0], LDAP_SCOPE_BASE, "(objectClass=*)", only_csn);
    collect(ld, groups);
    collect(ld, self);
    LDAPMod class2 = {LDAP_MOD_ADD, (char[]){"objectClass"},
                      {.modv_strvals = (char *[]){(char[]){"inetOrgPerson"}, (char[]){"kiopsUser"}, NULL}}};
    LDAPMod *own[] = {mod(LDAP_MOD_ADD, "uid", it->f[1]),          mod(LDAP_MOD_ADD, "cn", it->f[1]),
                      mod(LDAP_MOD_ADD, "sn", it->f[1]),           mod(LDAP_MOD_ADD, "mail", it->f[1]),
                      mod(LDAP_MOD_ADD, "kiopsResource", it->f[2]), NULL};
    LDAPMod *mods[] = {&class2, own[0], own[1], own[2], own[3], own[4], NULL};
    LDAPControl *controls[4];
    int id;
    controls_for(ld, NULL, whole, NULL, controls);
    if (ldap_add_ext(ld, it->f[0], mods, controls, NULL, &id) != LDAP_SUCCESS)
        exit(1);
    int code = collect(ld, id);
    ldap_control_free(controls[0]);
    free_mods(own);
    return code;
}

static int do_active(LDAP *ld, const struct item *it)
{
    char token[256], by_id[128];
    token_filter(it->f[3], token);
    snprintf(by_id, sizeof by_id, "(&(objectClass=inetOrgPerson)(entryUUID=%s))", it->f[1]);
    collect(ld, search(ld, it->f[4], LDAP_SCOPE_SUBTREE, by_id, whole));
    collect(ld, search(ld, it->f[2], LDAP_SCOPE_ONELEVEL, token, whole));
    LDAPMod *mods[] = {mod(LDAP_MOD_REPLACE, "kiopsActive", "FALSE"),
                       mod(LDAP_MOD_REPLACE, "kiopsResource", it->f[5]), NULL};
    int code = modify(ld, it->f[0], mods, it->f[1], whole, NULL);
    free_mods(mods);
    return code;
}

static int do_member(LDAP *ld, const struct item *it)
{
    static const char *const PERMISSIONS[] = {"infra", "service", "backup", "device", "database", "vpn", "audit"};
    char token[256], value[160];
    LDAPMod *mods[20];
    int n = 0;
    token_filter(it->f[5], token);
    collect(ld, search(ld, it->f[4], LDAP_SCOPE_ONELEVEL, token, whole));
    for (int i = 0; i < 7; i++) {
        snprintf(value, sizeof value, "%s:%s", it->f[3], PERMISSIONS[i]);
        mods[n++] = mod(LDAP_MOD_ADD, "kiopsPermission", value);
        mods[n++] = mod(LDAP_MOD_DELETE, "kiopsPermission", value);
    }
    mods[n++] = mod(LDAP_MOD_ADD, "kiopsManager", it->f[3]);
    mods[n++] = mod(LDAP_MOD_DELETE, "kiopsManager", it->f[3]);
    snprintf(value, sizeof value, "%s:20260101000000Z.%08lx", it->f[3], (unsigned long)random());
    mods[n++] = mod(LDAP_MOD_ADD, "kiopsJoined", value);
    mods[n] = NULL;
    int code = modify(ld, it->f[0], mods, it->f[1], whole, NULL);
    free_mods(mods);
    LDAPMod *member[] = {mod(LDAP_MOD_ADD, "member", it->f[0]), NULL};
    if (code == LDAP_SUCCESS)
        code = modify(ld, it->f[2], member, it->f[3], only_csn, only_csn);
    free_mods(member);
    int person = search(ld, it->f[0], LDAP_SCOPE_BASE, "(objectClass=*)", whole);
    int organization = search(ld, it->f[2], LDAP_SCOPE_BASE, "(objectClass=*)", only_csn);
    collect(ld, person);
    collect(ld, organization);
    return code;
}

static const struct {
    const char *name;
    int (*run)(LDAP *ld, const struct item *it);
} OPERATIONS[] = {{"find", do_find}, {"create", do_create}, {"active", do_active}, {"member", do_member}};

static void *work(void *arg)
{
    struct run *r = arg;
    LDAP *ld = connect_to(r);
    int (*run)(LDAP *, const struct item *) = NULL;
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
        if (strcmp(OPERATIONS[i].name, r->operation) == 0)
            run = OPERATIONS[i].run;
    for (long i; run && (i = atomic_fetch_add(&r->next, 1)) < r->count;) {
        double begin = now_s();
        if (run(ld, &r->items[(size_t)i % r->item_count]) != LDAP_SUCCESS)
            atomic_fetch_add(&r->failed, 1);
        r->micros[i] = (now_s() - begin) * 1e6;
    }
    ldap_unbind_ext_s(ld, NULL, NULL);
    return NULL;
}

static void load_items(struct run *r, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, cap = 0;
    if (!file)
        exit(1);
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (r->item_count == cap)
            r->items = realloc(r->items, (cap = cap ? cap * 2 : 1024) * sizeof *r->items);
        struct item *it = &r->items[r->item_count++];
        char *rest = strdup(line);
        memset(it, 0, sizeof *it);
        for (int i = 0; i < FIELDS && rest; i++)
            it->f[i] = strsep(&rest, "\t");
    }
    free(line);
    fclose(file);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct run r = {0};
    if (argc != 8)
        return fprintf(stderr, "usage: raw URI BIND_DN PASSWORD_FILE OPERATION CONNECTIONS COUNT FILE\n"), 64;
    r.uri = argv[1];
    r.bind_dn = argv[2];
    r.operation = argv[4];
    FILE *secret = fopen(argv[3], "r");
    if (!secret || !fgets(r.password, sizeof r.password, secret))
        return 1;
    fclose(secret);
    r.password[strcspn(r.password, "\n")] = '\0';
    long connections = strtol(argv[5], NULL, 10);
    r.count = strtol(argv[6], NULL, 10);
    load_items(&r, argv[7]);
    r.micros = calloc((size_t)r.count, sizeof *r.micros);
    pthread_t *threads = calloc((size_t)connections, sizeof *threads);
    double begin = now_s();
    for (long i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, work, &r);
    for (long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    double seconds = now_s() - begin;
    qsort(r.micros, (size_t)r.count, sizeof *r.micros, compare);
    printf("%s %ld %ld %.3f %.0f %.0f %.0f %ld\n", r.operation, connections, r.count, seconds, (double)r.count / seconds,
           r.micros[r.count / 2], r.micros[r.count * 99 / 100], atomic_load(&r.failed));
    return 0;
}
