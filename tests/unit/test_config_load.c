/* Configuration files: what loads, and every mistake named. Cases: tests/data/config; run from the
 * root of the repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/own.h"
#include "config/config.h"

#define DATA "tests/data/config/"

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s is missing", path);
    char chunk[4096];
    for (size_t n = fread(chunk, 1, sizeof chunk, f); n > 0; n = fread(chunk, 1, sizeof chunk, f))
        buf_add(out, chunk, n);
    fclose(f);
}

/* The report with the case's folder cut from every line. */
static void cut_folder(struct str report, struct str folder, struct buf *out)
{
    struct str line;
    while (str_split(&report, '\n', &line))
        if (line.len) {
            buf_str(out, str_starts(line, folder) ? str_sub(line, folder.len, line.len) : line);
            buf_char(out, '\n');
        }
}

static void check_case(const char *kind, const char *name, bool loads)
{
    char folder[512], input[540], expect[540];
    snprintf(folder, sizeof folder, DATA "%s/%s/", kind, name);
    snprintf(input, sizeof input, "%sinput", folder);
    snprintf(expect, sizeof expect, "%sexpect", folder);
    OWNED_BUF struct buf want, report, got;
    buf_init(&want, 65536);
    buf_init(&report, 65536);
    buf_init(&got, 65536);
    read_file(expect, &want);
    struct config *c = config_load(input, &report);
    cut_folder(buf_view(&report), str_of(folder), &got);
    if (!str_eq(buf_view(&got), buf_view(&want)))
        fail_msg("%s: reported\n" STR_FMT "instead of\n" STR_FMT, name, STR_ARG(buf_view(&got)),
                 STR_ARG(buf_view(&want)));
    if ((c != NULL) != loads)
        fail_msg("%s: %s", name, c ? "loads" : "does not load");
    config_free(c);
}

static void check_cases(const char *kind, bool loads)
{
    char folder[512];
    snprintf(folder, sizeof folder, DATA "%s", kind);
    struct dirent **entries;
    const int n = scandir(folder, &entries, NULL, alphasort);
    assert_true(n > 2);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            check_case(kind, entries[i]->d_name, loads);
        free(entries[i]);
    }
    free(entries);
}

static void valid_files_load(void **state)
{
    (void)state;
    check_cases("valid", true);
}

static void every_mistake_is_reported_with_its_line(void **state)
{
    (void)state;
    check_cases("invalid", false);
}

static struct config *load(const char *name)
{
    OWNED_BUF struct buf report;
    buf_init(&report, 65536);
    struct config *c = config_load(name, &report);
    if (!c)
        fail_msg("%s: " STR_FMT, name, STR_ARG(buf_view(&report)));
    return c;
}

#define ASSERT_STR(got, want)                                                                      \
    assert_true(str_eq((got), STR(want)) ||                                                        \
                (print_error(#got " is " STR_FMT "\n", STR_ARG(got)), false))

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    struct config *c = load(DATA "valid/minimal/input");
    ASSERT_STR(c->server.listen.at[0], "127.0.0.1:8480");
    assert_int_equal(c->server.listen.count, 1);
    ASSERT_STR(c->server.metrics_listen, "127.0.0.1:8481");
    assert_int_equal(c->server.threads, 4);
    assert_true(c->server.public_discovery);
    assert_int_equal(c->directory.start_tls, CONFIG_TLS_REQUIRED);
    assert_int_equal(c->directory.operation_timeout_ms, 5000);
    assert_int_equal(c->directory.preset, CONFIG_OPENLDAP);
    assert_int_equal(c->directory.lock, CONFIG_LOCK_NONE);
    assert_true(c->directory.writes);
    assert_int_equal(c->directory.protected_dns.count, 0);
    ASSERT_STR(c->directory.users.create_in, "ou=people,dc=example,dc=org");
    ASSERT_STR(c->directory.users.object_classes.at[1], "kiopsUser");
    ASSERT_STR(c->directory.organizations.create_in, "ou=organizations,dc=example,dc=org");
    ASSERT_STR(c->directory.organizations.owner, "owner");
    assert_int_equal(c->directory.operator_account.bind_dn.len, 0);
    assert_int_equal(c->mapping.user_count, 0);
    ASSERT_STR(c->scim.default_profile, "default");
    assert_int_equal(c->scim.max_page, 1000);
    assert_int_equal(c->scim.cursor_key_file.len, 0);
    assert_int_equal(c->reject_quiet_days, 30);
    assert_int_equal(c->limits.body_kb, 16384);
    assert_int_equal(c->limits.burst, 2000);
    ASSERT_STR(c->audit.dir, "/var/log/kiops-bridge");
    assert_int_equal(c->audit.sync, CONFIG_SYNC_BATCH);
    assert_int_equal(c->log.level, LOG_LEVEL_INFO);
    assert_false(c->log.json);
    config_free(c);
}

static void what_is_given_arrives_in_its_place(void **state)
{
    (void)state;
    struct config *c = load(DATA "valid/whole_grammar/input");
    assert_int_equal(c->server.listen.count, 3);
    ASSERT_STR(c->server.listen.at[1], "[::1]:8480");
    ASSERT_STR(c->server.public_url, "https://id.example.org:8443");
    assert_int_equal(c->server.writers, 2);
    assert_int_equal(c->server.write_queue, 64);
    assert_false(c->server.public_discovery);
    assert_int_equal(c->server.metrics_listen.len, 0);
    assert_int_equal(c->directory.uris.count, 2);
    ASSERT_STR(c->directory.operator_account.bind_password_file, "/etc/operator.password");
    assert_int_equal(c->directory.feed, CONFIG_FEED_SYNCREPL);
    assert_int_equal(c->directory.stale_after_s, 60);
    assert_false(c->directory.writes);
    ASSERT_STR(c->directory.protected_dns.at[1], "ou=vip\\, all,dc=example,dc=org");
    ASSERT_STR(c->directory.lock_attribute, "nsRole");
    ASSERT_STR(c->directory.users.filter, "(&(objectClass=person)(!(uid=admin\\29)))");
    ASSERT_STR(c->directory.organizations.owner, "2.5.4.32");
    ASSERT_STR(c->directory.jobs_base, "ou=j,dc=example,dc=org");
    assert_int_equal(c->job_count, 2);
    ASSERT_STR(c->jobs[0].name, "nightly");
    assert_int_equal(c->jobs[0].attributes, CONFIG_ASSERTED_WINS);
    assert_int_equal(c->jobs[0].roles, CONFIG_ENFORCE);
    assert_int_equal(c->jobs[0].rate_per_s, 5);
    assert_int_equal(c->jobs[0].guards.delete_.count, 3);
    assert_int_equal(c->jobs[0].guards.delete_.percent, 7);
    assert_int_equal(c->jobs[0].guards.budget_7d.delete_, 9);
    assert_int_equal(c->jobs[1].attributes, CONFIG_LDAP_WINS);
    assert_int_equal(c->jobs[1].roles, CONFIG_REPORT);
    assert_int_equal(c->jobs[1].guards.delete_.count, 8);
    assert_int_equal(c->jobs[1].guards.grant_admin.count, 0);
    assert_int_equal(c->jobs[1].guards.scope_shrink.percent, 5);
    assert_int_equal(c->mapping.user_count, 3);
    ASSERT_STR(c->mapping.user[2].ldap, "userCertificate;binary");
    assert_int_equal(c->mapping.extra_schemas.count, 2);
    ASSERT_STR(c->mapping.extra_schemas.at[0], "badge.json");
    assert_true(c->mapping.user[0].read_only);
    assert_false(c->mapping.user[1].read_only);
    ASSERT_STR(c->mapping.user[1].type, "work");
    ASSERT_STR(c->mapping.user[1].ldap, "mail");
    ASSERT_STR(c->scim.default_profile, "entra");
    assert_int_equal(c->scim.cursor_timeout_s, 60);
    assert_int_equal(c->reject_quiet_days, 7);
    assert_int_equal(c->limits.body_kb, 1);
    assert_int_equal(c->limits.filter_chars, 64);
    assert_int_equal(c->limits.connections_per_address, 14);
    assert_int_equal(c->limits.requests_per_s, 0);
    assert_int_equal(c->audit.sync, CONFIG_SYNC_NONE);
    assert_int_equal(c->audit.rotate_mb, 19);
    assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
    assert_true(c->log.json);
    config_free(c);
}

static void a_webhook_arrives_in_its_place(void **state)
{
    (void)state;
    struct config *c = load(DATA "valid/a_webhook_on_this_host_needs_no_tls/input");
    ASSERT_STR(c->webhook.url, "http://127.0.0.1:9000/hook?of=kiops");
    assert_true(str_ends(c->webhook.secret_file, STR("needs_no_tls/webhook.secret")));
    assert_int_equal(c->webhook.timeout_s, 30);
    config_free(c);
}

static void relative_paths_start_at_the_folder_of_the_file(void **state)
{
    (void)state;
    struct config *c = load(DATA "valid/whole_grammar/input");
    char here[4096];
    assert_non_null(realpath(DATA "valid/whole_grammar", here));
    const struct str paths[] = {c->directory.service.bind_password_file, c->directory.ca_file,
                                c->mapping.schema_dir, c->scim.cursor_key_file, c->audit.dir};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_true(str_starts(paths[i], str_of(here)));
    assert_true(str_ends(c->directory.service.bind_password_file, STR("/secrets/ldap.password")));
    config_free(c);
}

static void the_shipped_example_loads_without_a_word(void **state)
{
    (void)state;
    OWNED_BUF struct buf report;
    buf_init(&report, 65536);
    struct config *c = config_load("conf/kiops-bridge.conf", &report);
    if (!c || report.len)
        fail_msg("conf/kiops-bridge.conf: " STR_FMT, STR_ARG(buf_view(&report)));
    config_free(c);
}

static void what_is_no_file_is_reported(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nonexistent/kiops-bridge.conf", "tests", ""};
    for (size_t i = 0; i < 3; i++) {
        OWNED_BUF struct buf report;
        buf_init(&report, 4096);
        assert_null(config_load(paths[i], &report));
        assert_non_null(strstr(report.at, ":1: file: "));
    }
}

/* ---- secrets */

static void write_secret(const char *path, const char *bytes, size_t len, mode_t mode)
{
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void a_secret_is_taken_only_from_a_file_of_its_own(void **state)
{
    (void)state;
    char dir[] = "/tmp/kiops-secret-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/secret", dir);
    static char longest[4098];
    memset(longest, 'x', sizeof longest);
    static const struct {
        const char *bytes;
        size_t len;
        mode_t mode;
        const char *want; /* NULL = refused */
    } rows[] = {
        {"hunter2\n", 8, 0600, "hunter2"},
        {"hunter2\n", 8, 0400, "hunter2"},
        {"hunter2", 7, 0600, "hunter2"},
        {"two\n\n", 5, 0600, "two\n"},
        {" blank \r\n", 9, 0600, " blank \r"},
        {"hunter2", 7, 0640, NULL},
        {"hunter2", 7, 0644, NULL},
        {"hunter2", 7, 0700, NULL},
        {"hunter2", 7, 04600, NULL},
        {"\n", 1, 0600, NULL},
        {"", 0, 0600, NULL},
        {"a\0b", 3, 0600, NULL},
        {longest, 4097, 0600, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_secret(path, rows[i].bytes, rows[i].len, rows[i].mode);
        OWNED_SECRET struct buf secret;
        buf_init(&secret, 8192);
        struct error err = ERROR_INIT;
        const bool taken = config_read_secret(str_of(path), &secret, &err);
        assert_int_equal(taken, rows[i].want != NULL);
        if (taken)
            assert_true(str_eq(buf_view(&secret), str_of(rows[i].want)));
        else
            assert_non_null(strstr(err.detail, path));
        assert_int_equal(err.kind, taken ? ERR_NONE : ERR_CONFIG);
        assert_null(strstr(err.detail, "hunter2"));
    }
    unlink(path);
    rmdir(dir);
}

/* systemd gives a service what root owns by an access list, which looks like 0440. */
static void a_credential_of_systemd_may_be_0440(void **state)
{
    (void)state;
    char dir[] = "/tmp/kiops-secret-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/secret", dir);
    write_secret(path, "s", 1, 0440);
    for (int given = 0; given <= 1; given++) {
        OWNED_SECRET struct buf secret;
        struct error err = ERROR_INIT;
        buf_init(&secret, 100);
        if (given)
            setenv("CREDENTIALS_DIRECTORY", dir, 1);
        assert_int_equal(config_read_secret(str_of(path), &secret, &err), given && getuid() == 0);
    }
    unsetenv("CREDENTIALS_DIRECTORY");
    unlink(path);
    rmdir(dir);
}

static void a_secret_file_that_is_none_does_not_hang(void **state)
{
    (void)state;
    char dir[] = "/tmp/kiops-secret-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    const char *const paths[] = {path, dir, "/nonexistent/secret"};
    for (size_t i = 0; i < 3; i++) {
        OWNED_SECRET struct buf secret;
        buf_init(&secret, 8192);
        struct error err = ERROR_INIT;
        assert_false(config_read_secret(str_of(paths[i]), &secret, &err));
        assert_int_equal(err.kind, ERR_CONFIG);
    }
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_files_load),
        cmocka_unit_test(every_mistake_is_reported_with_its_line),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(what_is_given_arrives_in_its_place),
        cmocka_unit_test(a_webhook_arrives_in_its_place),
        cmocka_unit_test(relative_paths_start_at_the_folder_of_the_file),
        cmocka_unit_test(the_shipped_example_loads_without_a_word),
        cmocka_unit_test(what_is_no_file_is_reported),
        cmocka_unit_test(a_secret_is_taken_only_from_a_file_of_its_own),
        cmocka_unit_test(a_credential_of_systemd_may_be_0440),
        cmocka_unit_test(a_secret_file_that_is_none_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
