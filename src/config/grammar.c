/* The settings as a table: every key with its type, default, bounds, check and place. */
#include "base/log.h"
#include "config/internal.h"

#define GROUP .type = CONFIG_GROUP
#define BOOL(fallback) .type = CONFIG_BOOL, .number = (fallback)
#define NUMBER(fallback, low, high)                                                                \
    .type = CONFIG_NUMBER, .number = (fallback), .min = (low), .max = (high)
#define TEXT(fallback) .type = CONFIG_TEXT, .text = (fallback)
#define PATH(fallback) .type = CONFIG_FILE, .text = (fallback)
#define LIST(fallback) .type = CONFIG_LIST, .text = (fallback)
#define WORD(fallback, table) .type = CONFIG_WORD, .text = (fallback), .words = (table)
#define REQUIRED NULL
#define AT(member)                                                                                 \
    .offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)
#define MAP(member)                                                                                \
    .offset = offsetof(struct config_map, member), .size = sizeof(((struct config_map *)0)->member)

#ifndef KIOPS_SHARE /* the Makefile's PREFIX */
#define KIOPS_SHARE "/usr/share/kiops-bridge"
#endif
#define JOB(member)                                                                                \
    .offset = offsetof(struct config_job, member), .size = sizeof(((struct config_job *)0)->member)

#define ANY_COUNT INT64_C(1000000000)

static const struct config_word start_tls[] = {
    {"required", CONFIG_TLS_REQUIRED}, {"off", CONFIG_TLS_OFF}, {0}};
static const struct config_word failovers[] = {
    {"manual", CONFIG_FAILOVER_MANUAL}, {"auto", CONFIG_FAILOVER_AUTO}, {0}};
static const struct config_word presets[] = {
    {"openldap", CONFIG_OPENLDAP}, {"389ds", CONFIG_389DS}, {"plain", CONFIG_PLAIN}, {0}};
static const struct config_word feeds[] = {{"auto", CONFIG_FEED_AUTO},
                                           {"syncrepl", CONFIG_FEED_SYNCREPL},
                                           {"poll", CONFIG_FEED_POLL},
                                           {0}};
static const struct config_word locks[] = {{"none", CONFIG_LOCK_NONE},
                                           {"ppolicy", CONFIG_LOCK_PPOLICY},
                                           {"nsaccountlock", CONFIG_LOCK_NSACCOUNTLOCK},
                                           {"attr", CONFIG_LOCK_ATTR},
                                           {0}};
static const struct config_word directions[] = {{"both", false}, {"read", true}, {0}};
static const struct config_word adopts[] = {{"none", false}, {"displayName", true}, {0}};
static const struct config_word profiles[] = {
    {"default", 0},   {"strict", 0},    {"entra", 0},     {"entra-legacy", 0},
    {"okta", 0},      {"onelogin", 0},  {"jumpcloud", 0}, {"ping", 0},
    {"sailpoint", 0}, {"authentik", 0}, {"keycloak", 0},  {0}};
static const struct config_word syncs[] = {
    {"batch", CONFIG_SYNC_BATCH}, {"none", CONFIG_SYNC_NONE}, {0}};
static const struct config_word levels[] = {{"error", LOG_LEVEL_ERROR},
                                            {"warn", LOG_LEVEL_WARN},
                                            {"info", LOG_LEVEL_INFO},
                                            {"debug", LOG_LEVEL_DEBUG},
                                            {0}};
static const struct config_word formats[] = {{"kv", false}, {"json", true}, {0}};
static const struct config_word job_kinds[] = {{"drift", CONFIG_JOB_DRIFT},
                                               {"pull", CONFIG_JOB_PULL},
                                               {"push", CONFIG_JOB_PUSH},
                                               {"csv", CONFIG_JOB_CSV},
                                               {0}};
static const struct config_word winners[] = {
    {"ldap", CONFIG_LDAP_WINS}, {"asserted", CONFIG_ASSERTED_WINS}, {0}};
static const struct config_word repairs[] = {
    {"enforce", CONFIG_ENFORCE}, {"adopt", CONFIG_ADOPT}, {"report", CONFIG_REPORT}, {0}};
static const struct config_word dangling_repairs[] = {
    {"enforce", CONFIG_ENFORCE}, {"report", CONFIG_REPORT}, {0}};
static const struct config_word pagings[] = {{"auto", CONFIG_PAGING_AUTO},
                                             {"index", CONFIG_PAGING_INDEX},
                                             {"cursor", CONFIG_PAGING_CURSOR},
                                             {0}};

/* The figures of the guards, for all jobs and again for one: `low` is -1 there, "as for all". */
#define FIGURE(key, place, fallback, high)                                                         \
    {                                                                                              \
        key, NUMBER(fallback, 0, high), place                                                      \
    }
#define GUARDS(prefix, AT_GUARDS, OR)                                                              \
    {prefix, GROUP},                                                                               \
        FIGURE(prefix ".minimum_population", AT_GUARDS(minimum_population), OR(10), ANY_COUNT),    \
        {prefix ".deactivate", GROUP},                                                             \
        FIGURE(prefix ".deactivate.percent", AT_GUARDS(deactivate.percent), OR(5), 100),           \
        FIGURE(prefix ".deactivate.count", AT_GUARDS(deactivate.count), OR(50), ANY_COUNT),        \
        {prefix ".delete", GROUP},                                                                 \
        FIGURE(prefix ".delete.percent", AT_GUARDS(delete_.percent), OR(2), 100),                  \
        FIGURE(prefix ".delete.count", AT_GUARDS(delete_.count), OR(20), ANY_COUNT),               \
        {prefix ".remove_member", GROUP},                                                          \
        FIGURE(prefix ".remove_member.percent", AT_GUARDS(remove_member.percent), OR(20), 100),    \
        FIGURE(prefix ".remove_member.count", AT_GUARDS(remove_member.count), OR(200), ANY_COUNT), \
        {prefix ".demote", GROUP},                                                                 \
        FIGURE(prefix ".demote.percent", AT_GUARDS(demote.percent), OR(10), 100),                  \
        FIGURE(prefix ".demote.count", AT_GUARDS(demote.count), OR(5), ANY_COUNT),                 \
        {prefix ".grant_manager", GROUP},                                                          \
        FIGURE(prefix ".grant_manager.count", AT_GUARDS(grant_manager.count), OR(5), ANY_COUNT),   \
        {prefix ".grant_admin", GROUP},                                                            \
        FIGURE(prefix ".grant_admin.count", AT_GUARDS(grant_admin.count), OR(0), ANY_COUNT),       \
        {prefix ".grant_permission", GROUP},                                                       \
        FIGURE(prefix ".grant_permission.percent", AT_GUARDS(grant_permission.percent), OR(10),    \
               100),                                                                               \
        FIGURE(prefix ".grant_permission.count", AT_GUARDS(grant_permission.count), OR(100),       \
               ANY_COUNT),                                                                         \
        {prefix ".scope_shrink", GROUP},                                                           \
        FIGURE(prefix ".scope_shrink.percent", AT_GUARDS(scope_shrink.percent), OR(5), 100),       \
        {prefix ".source_shrink", GROUP},                                                          \
        FIGURE(prefix ".source_shrink.percent", AT_GUARDS(source_shrink.percent), OR(10), 100),    \
        {prefix ".budget_24h", GROUP},                                                             \
        FIGURE(prefix ".budget_24h.deactivate", AT_GUARDS(budget_24h.deactivate), OR(100),         \
               ANY_COUNT),                                                                         \
        FIGURE(prefix ".budget_24h.delete", AT_GUARDS(budget_24h.delete_), OR(40), ANY_COUNT),     \
        {prefix ".budget_7d", GROUP},                                                              \
        FIGURE(prefix ".budget_7d.deactivate", AT_GUARDS(budget_7d.deactivate), OR(300),           \
               ANY_COUNT),                                                                         \
        FIGURE(prefix ".budget_7d.delete", AT_GUARDS(budget_7d.delete_), OR(100), ANY_COUNT)
#define OF_ALL(member) AT(guards.member)
#define OF_JOB(member) JOB(guards.member)
#define GIVEN(fallback) (fallback)
#define AS_ALL(fallback) (-1)

const struct config_key config_keys[] = {
    {"server", GROUP},
    {"server.listen", LIST("127.0.0.1:8480"), AT(server.listen), .check = config_check_address,
     .min = 1},
    {"server.public_url", TEXT(REQUIRED), AT(server.public_url), .check = config_check_public_url},
    {"server.tls", GROUP},
    {"server.tls.cert_file", PATH(""), AT(server.tls.cert_file)},
    {"server.tls.key_file", PATH(""), AT(server.tls.key_file)},
    {"server.tls.client_ca_file", PATH(""), AT(server.tls.client_ca_file)},
    {"server.trusted_proxies", LIST("127.0.0.1"), AT(server.trusted_proxies),
     .check = config_check_ip},
    {"server.threads", NUMBER(4, 1, 64), AT(server.threads)},
    {"server.writers", NUMBER(8, 1, 64), AT(server.writers)},
    {"server.write_queue", NUMBER(1024, 1, 1000000), AT(server.write_queue)},
    {"server.public_discovery", BOOL(true), AT(server.public_discovery)},
    {"server.metrics_listen", TEXT("127.0.0.1:8481"), AT(server.metrics_listen),
     .check = config_check_metrics},

    {"directory", GROUP},
    {"directory.uris", LIST(REQUIRED), AT(directory.uris), .check = config_check_uri, .min = 1},
    {"directory.start_tls", WORD("required", start_tls), AT(directory.start_tls)},
    {"directory.ca_file", PATH("/etc/ssl/certs/ca-certificates.crt"), AT(directory.ca_file)},
    {"directory.bind_dn", TEXT(""), AT(directory.service.bind_dn), .check = config_check_dn},
    {"directory.bind_password_file", PATH(""), AT(directory.service.bind_password_file)},
    {"directory.operator", GROUP},
    {"directory.operator.bind_dn", TEXT(""), AT(directory.operator_account.bind_dn),
     .check = config_check_dn},
    {"directory.operator.bind_password_file", PATH(""),
     AT(directory.operator_account.bind_password_file)},
    {"directory.write_failover", WORD("manual", failovers), AT(directory.write_failover)},
    {"directory.preset", WORD("openldap", presets), AT(directory.preset)},
    {"directory.connect_timeout_ms", NUMBER(3000, 10, 60000), AT(directory.connect_timeout_ms)},
    {"directory.operation_timeout_ms", NUMBER(5000, 10, 120000),
     AT(directory.operation_timeout_ms)},
    {"directory.feed", WORD("auto", feeds), AT(directory.feed)},
    {"directory.poll_interval_s", NUMBER(15, 1, 86400), AT(directory.poll_interval_s)},
    {"directory.stale_after_s", NUMBER(300, 1, 86400), AT(directory.stale_after_s)},
    {"directory.lock", GROUP},
    {"directory.lock.convention", WORD("none", locks), AT(directory.lock)},
    {"directory.lock.attribute", TEXT(""), AT(directory.lock_attribute),
     .check = config_check_name},
    {"directory.lock.value", TEXT(""), AT(directory.lock_value)},
    {"directory.writes", BOOL(true), AT(directory.writes)},
    {"directory.protected", LIST(""), AT(directory.protected_dns), .check = config_check_dn},
    {"directory.users", GROUP},
    {"directory.users.base", TEXT(REQUIRED), AT(directory.users.base), .check = config_check_dn},
    {"directory.users.create_in", TEXT(""), AT(directory.users.create_in),
     .check = config_check_dn},
    {"directory.users.filter", TEXT("(objectClass=inetOrgPerson)"), AT(directory.users.filter),
     .check = config_check_filter},
    {"directory.users.rdn", TEXT("uid"), AT(directory.users.rdn), .check = config_check_name},
    {"directory.users.object_classes", LIST("inetOrgPerson kiopsUser"),
     AT(directory.users.object_classes), .check = config_check_name, .min = 1},
    {"directory.users.adopt", TEXT("none"), AT(directory.users.adopt), .check = config_check_adopt},
    {"directory.organizations", GROUP},
    {"directory.organizations.base", TEXT(REQUIRED), AT(directory.organizations.base),
     .check = config_check_dn},
    {"directory.organizations.create_in", TEXT(""), AT(directory.organizations.create_in),
     .check = config_check_dn},
    {"directory.organizations.filter", TEXT("(objectClass=groupOfNames)"),
     AT(directory.organizations.filter), .check = config_check_filter},
    {"directory.organizations.rdn", TEXT("cn"), AT(directory.organizations.rdn),
     .check = config_check_name},
    {"directory.organizations.object_classes", LIST("groupOfNames kiopsOrganization"),
     AT(directory.organizations.object_classes), .check = config_check_name, .min = 1},
    {"directory.organizations.member", TEXT("member"), AT(directory.organizations.member),
     .check = config_check_name},
    {"directory.organizations.owner", TEXT("owner"), AT(directory.organizations.owner),
     .check = config_check_owner},
    {"directory.organizations.placeholder_dn", TEXT(""), AT(directory.organizations.placeholder_dn),
     .check = config_check_dn},
    {"directory.organizations.adopt", WORD("none", adopts), AT(directory.organizations.adopt)},
    {"directory.platform", GROUP},
    {"directory.platform.admins_dn", TEXT(""), AT(directory.admins_dn), .check = config_check_dn},
    {"directory.platform.tokens_base", TEXT(REQUIRED), AT(directory.tokens_base),
     .check = config_check_dn},
    {"directory.platform.jobs_base", TEXT(""), AT(directory.jobs_base), .check = config_check_dn},

    {"mapping", GROUP},
    {"mapping.user", .type = CONFIG_GROUPS, AT(mapping.user),
     .element_size = sizeof(struct config_map),
     .count_offset = offsetof(struct config, mapping.user_count)},
    {"mapping.user[].scim", TEXT(REQUIRED), MAP(scim), .check = config_check_some},
    {"mapping.user[].ldap", TEXT(REQUIRED), MAP(ldap), .check = config_check_attribute},
    {"mapping.user[].type", TEXT(""), MAP(type)},
    {"mapping.user[].direction", WORD("both", directions), MAP(read_only)},
    {"mapping.schema_dir", PATH(KIOPS_SHARE "/scim-schema"), AT(mapping.schema_dir)},
    {"mapping.extra_schemas", LIST(""), AT(mapping.extra_schemas), .check = config_check_some},

    {"scim", GROUP},
    {"scim.default_profile", TEXT("default"), AT(scim.default_profile), .words = profiles},
    {"scim.default_page", NUMBER(100, 1, 10000), AT(scim.default_page)},
    {"scim.max_page", NUMBER(1000, 1, 10000), AT(scim.max_page)},
    {"scim.cursor_timeout_s", NUMBER(3600, 1, 604800), AT(scim.cursor_timeout_s)},
    {"scim.cursor_key_file", PATH(""), AT(scim.cursor_key_file)},

    {"rules", GROUP},
    {"rules.reject_quiet_days", NUMBER(30, 0, 3650), AT(reject_quiet_days)},

    {"limits", GROUP},
    {"limits.body_kb", NUMBER(16384, 1, 262144), AT(limits.body_kb)},
    {"limits.json_depth", NUMBER(32, 4, 256), AT(limits.json_depth)},
    {"limits.patch_operations", NUMBER(5000, 1, 100000), AT(limits.patch_operations)},
    {"limits.patch_values", NUMBER(100000, 1, 1000000), AT(limits.patch_values)},
    {"limits.bulk_operations", NUMBER(1000, 1, 100000), AT(limits.bulk_operations)},
    {"limits.bulk_kb", NUMBER(4096, 1, 262144), AT(limits.bulk_kb)},
    {"limits.filter_chars", NUMBER(8192, 16, 1048576), AT(limits.filter_chars)},
    {"limits.filter_nodes", NUMBER(200, 1, 10000), AT(limits.filter_nodes)},
    {"limits.filter_depth", NUMBER(32, 1, 256), AT(limits.filter_depth)},
    {"limits.header_kb", NUMBER(32, 1, 1024), AT(limits.header_kb)},
    {"limits.target_kb", NUMBER(16, 1, 1024), AT(limits.target_kb)},
    {"limits.value_kb", NUMBER(64, 1, 16384), AT(limits.value_kb)},
    {"limits.values_per_attribute", NUMBER(1000, 1, 100000), AT(limits.values_per_attribute)},
    {"limits.connections", NUMBER(4096, 1, 65536), AT(limits.connections)},
    {"limits.connections_per_address", NUMBER(256, 1, 65536), AT(limits.connections_per_address)},
    {"limits.header_timeout_s", NUMBER(10, 1, 3600), AT(limits.header_timeout_s)},
    {"limits.body_timeout_s", NUMBER(60, 1, 3600), AT(limits.body_timeout_s)},
    {"limits.idle_timeout_s", NUMBER(75, 1, 3600), AT(limits.idle_timeout_s)},
    {"limits.requests_per_s", NUMBER(200, 0, 1000000), AT(limits.requests_per_s)},
    {"limits.burst", NUMBER(2000, 0, 10000000), AT(limits.burst)},

    {"auth", GROUP},
    {"auth.basic", BOOL(false), AT(auth.basic)},
    {"auth.oidc", GROUP},
    {"auth.oidc.issuer", TEXT(""), AT(auth.oidc.issuer), .check = config_check_url},
    {"auth.oidc.audience", TEXT(""), AT(auth.oidc.audience)},
    {"auth.oidc.jwks_uri", TEXT(""), AT(auth.oidc.jwks_uri), .check = config_check_url},
    {"auth.oidc.claim", TEXT(""), AT(auth.oidc.claim)},
    {"auth.oidc.matches", TEXT(""), AT(auth.oidc.matches)},
    {"auth.oidc.algorithms", LIST("RS256 ES256"), AT(auth.oidc.algorithms),
     .check = config_check_algorithm, .min = 1},
    {"auth.oidc.clock_skew_s", NUMBER(60, 0, 600), AT(auth.oidc.clock_skew_s)},
    {"auth.oidc.client_id", TEXT(""), AT(auth.oidc.client_id)},
    {"auth.oidc.client_secret_file", PATH(""), AT(auth.oidc.client_secret_file)},

    {"console", GROUP},
    {"console.enabled", BOOL(false), AT(console.enabled)},
    {"console.session_key_file", PATH(""), AT(console.session_key_file)},
    {"console.session_h", NUMBER(12, 1, 168), AT(console.session_h)},
    {"console.languages", LIST("en ko"), AT(console.languages), .check = config_check_language,
     .min = 1},

    {"signup", GROUP},
    {"signup.enabled", BOOL(false), AT(signup.enabled)},
    {"signup.container", TEXT(""), AT(signup.container), .check = config_check_dn},
    {"signup.per_address_per_hour", NUMBER(5, 0, 100000), AT(signup.per_address_per_hour)},
    {"signup.keep_days", NUMBER(30, 1, 3650), AT(signup.keep_days)},

    {"webhook", GROUP},
    {"webhook.url", TEXT(""), AT(webhook.url), .check = config_check_url},
    {"webhook.secret_file", PATH(""), AT(webhook.secret_file)},
    {"webhook.timeout_s", NUMBER(5, 1, 60), AT(webhook.timeout_s)},

    {"audit", GROUP},
    {"audit.dir", PATH("/var/log/kiops-bridge"), AT(audit.dir)},
    {"audit.sync", WORD("batch", syncs), AT(audit.sync)},
    {"audit.rotate_mb", NUMBER(100, 1, 10240), AT(audit.rotate_mb)},

    {"log", GROUP},
    {"log.level", WORD("info", levels), AT(log.level)},
    {"log.format", WORD("kv", formats), AT(log.json)},

    GUARDS("guards", OF_ALL, GIVEN),

    {"jobs", .type = CONFIG_GROUPS, AT(jobs), .element_size = sizeof(struct config_job),
     .count_offset = offsetof(struct config, job_count)},
    {"jobs[].name", TEXT(REQUIRED), JOB(name), .check = config_check_job},
    {"jobs[].kind", WORD(REQUIRED, job_kinds), JOB(kind)},
    {"jobs[].as", TEXT(REQUIRED), JOB(as), .check = config_check_principal},
    {"jobs[].attributes", WORD("ldap", winners), JOB(attributes)},
    {"jobs[].roles", WORD("report", repairs), JOB(roles)},
    {"jobs[].dangling", WORD("report", dangling_repairs), JOB(dangling)},
    {"jobs[].url", TEXT(""), JOB(url)},
    {"jobs[].file", PATH(""), JOB(file)},
    {"jobs[].token_file", PATH(""), JOB(token_file)},
    {"jobs[].filter", TEXT(""), JOB(filter)},
    {"jobs[].paging", WORD("auto", pagings), JOB(paging)},
    {"jobs[].match", LIST(""), JOB(match)},
    {"jobs[].groups", BOOL(true), JOB(groups)},
    {"jobs[].delete_after_days", NUMBER(30, 0, 3650), JOB(delete_after_days)},
    {"jobs[].rate_per_s", NUMBER(50, 0, 100000), JOB(rate_per_s)},
    {"jobs[].timeout_s", NUMBER(30, 1, 3600), JOB(timeout_s)},
    {"jobs[].ca_file", PATH(""), JOB(ca_file)},
    {"jobs[].journal_dir", PATH("/var/lib/kiops-bridge/runs"), JOB(journal_dir)},
    GUARDS("jobs[].guards", OF_JOB, AS_ALL),
};

const size_t config_key_count = sizeof config_keys / sizeof *config_keys;
