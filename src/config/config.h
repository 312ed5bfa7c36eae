/*
 * Configuration: one libconfig file -> one immutable struct config.
 *
 * Source:  conf/kiops-bridge.conf has every setting; names, units and defaults are frozen.
 * Owns:    struct config owns every string and array in it (one arena inside).
 * Threads: const after config_load().
 * Errors:  ERR_CONFIG, one line per mistake joined by '\n' in config_load's `report`: "FILE:LINE:
 *          KEY: reason".
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/text.h"

struct config_strings {
    const struct str *at;
    size_t count;
};

enum config_start_tls { CONFIG_TLS_REQUIRED, CONFIG_TLS_OFF };
enum config_failover { CONFIG_FAILOVER_MANUAL, CONFIG_FAILOVER_AUTO };
enum config_preset { CONFIG_OPENLDAP, CONFIG_389DS, CONFIG_PLAIN };
enum config_feed { CONFIG_FEED_AUTO, CONFIG_FEED_SYNCREPL, CONFIG_FEED_POLL };
enum config_lock {
    CONFIG_LOCK_NONE,
    CONFIG_LOCK_PPOLICY,
    CONFIG_LOCK_NSACCOUNTLOCK,
    CONFIG_LOCK_ATTR
};
enum config_sync { CONFIG_SYNC_BATCH, CONFIG_SYNC_NONE };

struct config_tls {
    struct str cert_file, key_file; /* cert_file empty = clear text */
    struct str client_ca_file;      /* empty = clients show no certificate */
};

struct config_server {
    struct config_strings listen; /* "host:port" */
    struct str public_url;        /* without a slash at its end */
    struct config_tls tls;
    struct config_strings trusted_proxies;
    unsigned threads, writers, write_queue;
    bool public_discovery;
    struct str metrics_listen; /* empty = off */
};

struct config_account {
    struct str bind_dn, bind_password_file; /* absolute path */
};

struct config_users {
    struct str base, create_in, filter, rdn;
    struct config_strings object_classes;
    struct str adopt; /* "none", "userName" or an LDAP attribute */
};

struct config_organizations {
    struct str base, create_in, filter, rdn;
    struct config_strings object_classes;
    struct str member, owner, placeholder_dn;
    bool adopt; /* by displayName */
};

struct config_directory {
    struct config_strings uris;
    enum config_start_tls start_tls;
    struct str ca_file;
    struct config_account service;
    struct config_account operator_account; /* bind_dn empty = not given */
    enum config_failover write_failover;
    enum config_preset preset;
    int connect_timeout_ms, operation_timeout_ms;
    enum config_feed feed;
    int poll_interval_s, stale_after_s;
    enum config_lock lock;
    struct str lock_attribute, lock_value;
    bool writes;
    struct config_strings protected_dns;
    struct config_users users;
    struct config_organizations organizations;
    struct str admins_dn, tokens_base, jobs_base;
};

/* Has the directory the kiops schema? Without it (preset plain) nobody has a role, only tokens act,
 * and what has no LDAP attribute is not kept. */
static inline bool config_has_schema(const struct config_directory *d)
{
    return d->preset != CONFIG_PLAIN;
}

/* memberUid names people by uid, not by DN: such groups are shown and never written. */
static inline bool config_groups_read_only(const struct config_directory *d)
{
    return str_ieq(d->organizations.member, STR("memberUid"));
}

/* A class or attribute of the kiops schema. */
static inline bool config_is_own_name(struct str name)
{
    return str_istarts(name, STR("kiops"));
}

struct config_map {
    struct str scim, ldap, type;
    bool read_only;
};

struct config_mapping {
    const struct config_map *user;
    size_t user_count;
    struct str schema_dir;
    struct config_strings extra_schemas; /* as written: beside the file, else in schema_dir */
};

struct config_scim {
    struct str default_profile;
    int64_t default_page, max_page, cursor_timeout_s;
    struct str cursor_key_file; /* empty = not given */
};

struct config_limits {
    size_t body_kb, bulk_kb, header_kb, target_kb, value_kb;
    unsigned json_depth, filter_nodes, filter_depth;
    size_t patch_operations, patch_values, bulk_operations, filter_chars, values_per_attribute;
    unsigned connections, connections_per_address;
    unsigned header_timeout_s, body_timeout_s, idle_timeout_s;
    unsigned requests_per_s, burst; /* 0 = off */
};

struct config_oidc {
    struct str issuer; /* empty = off */
    struct str audience;
    struct str jwks_uri;       /* empty = as the issuer's own configuration says */
    struct str claim, matches; /* both empty: issuer and sub, by kiopsExternalId */
    struct config_strings algorithms;
    unsigned clock_skew_s;
    struct str client_id;          /* empty = nobody signs in on the page by it */
    struct str client_secret_file; /* empty = a public client: PKCE alone */
};

struct config_auth {
    bool basic; /* people by user name and password */
    struct config_oidc oidc;
};

struct config_webhook {
    struct str url; /* empty = off */
    struct str secret_file;
    int timeout_s; /* of one try */
};

struct config_console {
    bool enabled;
    struct str session_key_file; /* empty: a key that ends with the process */
    unsigned session_h;
    struct config_strings languages; /* "en", "ko"; the first one for who names none of them */
};

struct config_signup {
    bool enabled;
    struct str container;          /* outside users.base, which is not below it either */
    unsigned per_address_per_hour; /* 0 = off */
    int64_t keep_days;
};

/* How much one run may do. -1 in a job = as `guards` says; config_load() fills it in. */
struct config_guard {
    int64_t percent, count; /* 0 = none may pass */
};

struct config_budget {
    int64_t deactivate, delete_;
};

struct config_guards {
    int64_t minimum_population; /* below it only `count` counts */
    struct config_guard deactivate, delete_, remove_member, demote;
    struct config_guard grant_manager, grant_admin; /* count alone */
    struct config_guard grant_permission;
    struct config_guard scope_shrink, source_shrink; /* percent alone */
    struct config_budget budget_24h, budget_7d;
};

enum config_job_kind { CONFIG_JOB_DRIFT, CONFIG_JOB_PULL, CONFIG_JOB_PUSH, CONFIG_JOB_CSV };
enum config_winner { CONFIG_LDAP_WINS, CONFIG_ASSERTED_WINS };
enum config_repair { CONFIG_REPORT, CONFIG_ENFORCE, CONFIG_ADOPT };
enum config_paging { CONFIG_PAGING_AUTO, CONFIG_PAGING_INDEX, CONFIG_PAGING_CURSOR };

struct config_job {
    struct str name; /* letters, digits, '-' and '_' */
    enum config_job_kind kind;
    struct str as; /* "token:NAME" */
    enum config_winner attributes;
    enum config_repair roles, dangling;
    struct str url, file, token_file, filter, ca_file;
    enum config_paging paging;
    struct config_strings match;
    bool groups;
    int64_t delete_after_days;
    unsigned rate_per_s; /* 0 = as fast as it goes */
    int timeout_s;
    struct str journal_dir;
    struct config_guards guards;
};

struct config_audit {
    struct str dir;
    enum config_sync sync;
    unsigned rotate_mb;
};

struct config_log {
    int level; /* enum log_level */
    bool json;
};

struct config {
    struct config_server server;
    struct config_directory directory;
    struct config_mapping mapping;
    struct config_scim scim;
    int64_t reject_quiet_days;
    struct config_limits limits;
    struct config_auth auth;
    struct config_webhook webhook;
    struct config_console console;
    struct config_signup signup;
    struct config_audit audit;
    struct config_log log;
    struct config_guards guards;
    const struct config_job *jobs;
    size_t job_count;
    struct str path;          /* of the file */
    const struct str *places; /* config_place() */
    void *memory;
};

/* New, or NULL with `report` holding every mistake, a line each. When it loads, `report` holds
 * warnings, in the same form with "warning: " before the reason; mostly none. */
struct config *config_load(const char *path, struct buf *report);
void config_free(struct config *c);
/* New: every key in force by its path, for a report. Names of secret files, no secret: user,
 * password and query are cut out of addresses, and a path that may be one; of directory.protected
 * it has the number. */
json_t *config_json(const struct config *c);
const struct config_job *config_job(const struct config *c, struct str name); /* NULL */
/* Does the class of organizations demand a member, so that the placeholder stands in an empty one?
 */
bool config_wants_member(const struct config_organizations *o);
/* https, or clear text that leaves no host: what keys may be fetched from. */
bool config_url_is_safe(struct str url);
/* Reads a secret file: mode 0400 or 0600, at most 4 KB, one newline at its end cut. Wipe `out`
 * (OWNED_SECRET). Errors: ERR_CONFIG naming the file and what to do. */
MUST_CHECK bool config_read_secret(struct str path, struct buf *out, struct error *err);
/* The same for a private key: at most 64 KB, as it is. */
MUST_CHECK bool config_read_key(struct str path, struct buf *out, struct error *err);
/* FILE:LINE of a key, for what only its user finds wrong with the value. */
struct str config_place(const struct config *c, const char *key);
