/*
 * A private slapd for one test program (tests/run/mini-slapd.sh), and the directory that points at
 * it. Run from the repository's root.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/log.h"
#include "directory/internal.h"

#define READY_WITHIN_MS 20000
#define SUFFIX "dc=example,dc=org"
#define PEOPLE "ou=people," SUFFIX

struct private_slapd {
    char dir[32], port[8];
    pid_t pid;
    struct str uri, secret;
    struct arena *memory;
    struct config config;
    struct directory *directory;
};

static inline int slapd_free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static inline void slapd_configure(struct private_slapd *s)
{
    struct config_directory *d = &s->config.directory;
    d->uris = (struct config_strings){&s->uri, 1};
    d->start_tls = CONFIG_TLS_OFF;
    d->service = (struct config_account){STR("cn=bridge," SUFFIX), s->secret};
    d->connect_timeout_ms = 1000;
    d->operation_timeout_ms = 1000;
    d->writes = true;
    d->users =
        (struct config_users){.base = STR(PEOPLE),
                              .create_in = STR(PEOPLE),
                              .filter = STR("(&(objectClass=inetOrgPerson)(!(title=hidden)))"),
                              .rdn = STR("uid")};
    d->organizations = (struct config_organizations){.base = STR("ou=organizations," SUFFIX),
                                                     .filter = STR("(objectClass=groupOfNames)"),
                                                     .rdn = STR("cn"),
                                                     .member = STR("member"),
                                                     .owner = STR("owner")};
    d->admins_dn = STR("cn=admins,ou=kiops," SUFFIX);
    d->tokens_base = STR("ou=tokens,ou=kiops," SUFFIX);
}

static inline void slapd_launch(struct private_slapd *s)
{
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails half-way leaves no server behind */
        execl("tests/run/mini-slapd.sh", "mini-slapd.sh", s->dir, s->port, (char *)NULL);
        _exit(127);
    }
}

/* Connects until the server answers; a refused connection comes back at once, so it is asked
 * again after a moment. */
static inline void slapd_wait(struct private_slapd *s)
{
    struct directory_conn *c = directory_open(s->directory, DIRECTORY_SERVICE);
    int64_t deadline = clock_deadline_in(READY_WITHIN_MS);
    struct error err = ERROR_INIT;
    while (!directory_ping(c, &err)) {
        assert_true(clock_left_ms(deadline) > 0);
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
        err = ERROR_INIT;
        usleep(5000);
    }
    directory_close(c);
}

/* Returns when none of its threads runs any more: the signal alone only says that they will stop.
 */
static inline void slapd_pause(const struct private_slapd *s)
{
    int status;
    kill(s->pid, SIGSTOP);
    assert_int_equal(waitpid(s->pid, &status, WUNTRACED), s->pid);
    assert_true(WIFSTOPPED(status));
}

static inline void slapd_stop(struct private_slapd *s, int signal_number)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, signal_number);
    kill(s->pid, SIGCONT);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static inline void slapd_restart(struct private_slapd *s)
{
    slapd_launch(s);
    slapd_wait(s);
}

/* A directory of its own, not running yet. */
static inline void slapd_prepare(struct private_slapd *s)
{
    struct error err = ERROR_INIT;
    *s = (struct private_slapd){0};
    log_setup(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, false);
    hash_init();
    s->memory = arena_new();
    snprintf(s->dir, sizeof s->dir, "/tmp/kiops-unit-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->port, sizeof s->port, "%d", slapd_free_port());
    s->uri = arena_fmt(s->memory, "ldap://127.0.0.1:%s", s->port);
    s->secret = arena_fmt(s->memory, "%s/secret", s->dir);
    FILE *secret = fopen(s->secret.at, "we");
    assert_non_null(secret);
    fputs("bridge-password\n", secret);
    fclose(secret);
    chmod(s->secret.at, 0600);
    slapd_configure(s);
    assert_true(directory_new(&s->config, NULL, &s->directory, &err));
}

static inline struct private_slapd *slapd_start(void)
{
    static struct private_slapd one;
    slapd_prepare(&one);
    slapd_restart(&one);
    return &one;
}

static inline void slapd_remove(struct private_slapd *s)
{
    char command[96];
    slapd_stop(s, SIGTERM);
    directory_free(s->directory);
    arena_free(s->memory);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
}

/* ---- entries */

static inline struct str person_dn(struct arena *a, const char *uid)
{
    return arena_fmt(a, "uid=%s," PEOPLE, uid);
}

static inline bool person_add(struct directory_conn *c, struct arena *a, const char *uid,
                              struct directory_result *result, struct error *err)
{
    struct directory_mods m;
    struct str classes[] = {STR("inetOrgPerson"), STR("kiopsUser")};
    directory_mods_init(&m, a);
    directory_mods_push(&m, DIRECTORY_ADD, "objectClass", classes, 2);
    directory_mods_one(&m, DIRECTORY_ADD, "uid", str_of(uid));
    directory_mods_one(&m, DIRECTORY_ADD, "cn", str_of(uid));
    directory_mods_one(&m, DIRECTORY_ADD, "sn", str_of(uid));
    return directory_add(c, person_dn(a, uid), &m, result, err);
}

/* Adds a person that must come into being; the id, in the arena. */
static inline struct str person_new(struct directory_conn *c, struct arena *a, const char *uid)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    assert_true(person_add(c, a, uid, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    assert_non_null(result.post);
    return result.post->id;
}

struct one_value {
    enum directory_mod_op op;
    const char *attr;
    struct str value;
};

static inline struct directory_result modify_one(struct directory_conn *c, struct arena *a,
                                                 struct directory_target target,
                                                 struct one_value change)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    struct directory_mods m;
    directory_mods_init(&m, a);
    directory_mods_one(&m, change.op, change.attr, change.value);
    (void)!directory_modify(c, &target, &m, &result, &err);
    return result;
}
