/* Paths and methods: the table of all routes. */
#include "http/page.h"

#define BIT(method) (1U << (method))
#define READ (BIT(HTTP_GET) | BIT(HTTP_HEAD) | BIT(HTTP_OPTIONS))
#define PAGE_READ (BIT(HTTP_GET) | BIT(HTTP_HEAD))
#define COLLECTION (READ | BIT(HTTP_POST))
#define ITEM (READ | BIT(HTTP_PUT) | BIT(HTTP_PATCH) | BIT(HTTP_DELETE))
#define ACTION (BIT(HTTP_POST) | BIT(HTTP_OPTIONS))

static const struct str METHOD_NAMES[HTTP_METHODS] = {
    [HTTP_UNKNOWN_METHOD] = {"other", 5},
    [HTTP_GET] = {"GET", 3},
    [HTTP_HEAD] = {"HEAD", 4},
    [HTTP_POST] = {"POST", 4},
    [HTTP_PUT] = {"PUT", 3},
    [HTTP_PATCH] = {"PATCH", 5},
    [HTTP_DELETE] = {"DELETE", 6},
    [HTTP_OPTIONS] = {"OPTIONS", 7},
    [HTTP_TRACE] = {"TRACE", 5},
    [HTTP_CONNECT] = {"CONNECT", 7},
};

#define ROUTE(text, which, ...)                                                                    \
    {                                                                                              \
        .name = STR_INIT(text), .methods = (which), __VA_ARGS__                                    \
    }
#define LIST(text, what)                                                                           \
    ROUTE(text, COLLECTION, .run = http_endpoint_collection, .resource = &(what))
#define FOUND(text, what)                                                                          \
    ROUTE(text, ACTION, .run = http_endpoint_search, .resource = &(what), .item = true,            \
          .search = true)
#define ONE(text, what)                                                                            \
    ROUTE(text, ITEM, .run = http_endpoint_item, .resource = &(what), .item = true)
#define DISCOVERY(text, ...)                                                                       \
    ROUTE(text, READ, .run = http_endpoint_discovery, .discovery = true, __VA_ARGS__)

/* The whole surface. */
static const struct http_route ROUTES[] = {
    LIST("Users", service_users),
    FOUND("Users", service_users),
    ONE("Users", service_users),
    LIST("Groups", service_groups),
    FOUND("Groups", service_groups),
    ONE("Groups", service_groups),
    LIST("Memberships", service_memberships),
    FOUND("Memberships", service_memberships),
    ONE("Memberships", service_memberships),
    DISCOVERY("ServiceProviderConfig", .item = false),
    DISCOVERY("ResourceTypes", .item = false),
    DISCOVERY("ResourceTypes", .item = true),
    DISCOVERY("Schemas", .item = false),
    DISCOVERY("Schemas", .item = true),
    ROUTE("Bulk", ACTION, .run = http_endpoint_bulk),
    ROUTE("Me", ITEM | COLLECTION, .run = http_endpoint_me, .resource = &service_users),
    ROUTE(".search", ACTION, .run = http_endpoint_search),
    ROUTE("", READ, .run = http_endpoint_root),
};

/* Outside SCIM, where signup.enabled: to be had without a token. */
static const struct http_route OF_STRANGERS[] = {
    ROUTE("signup", ACTION, .run = http_endpoint_signup, .stranger = true),
    ROUTE("organizations", READ, .run = http_endpoint_signup_organizations, .item = true,
          .stranger = true),
};

/* Where console.enabled. */
#define PAGE(text, which, does) ROUTE(text, which, .run = (does), .stranger = true, .browser = true)

static const struct http_route OF_PAGE[] = {
    PAGE("", PAGE_READ, http_page_root),
    PAGE("login", PAGE_READ | BIT(HTTP_POST), http_page_login),
    PAGE("users", PAGE_READ, http_page_shell),
    PAGE("permissions", PAGE_READ, http_page_shell),
    PAGE("me", PAGE_READ, http_page_shell),
    PAGE("logout", BIT(HTTP_POST), http_page_logout),
};
static const struct http_route SIGNUP_PAGE = PAGE("signup", PAGE_READ, http_page_shell);
static const struct http_route PAGE_RECORD =
    ROUTE("ui", PAGE_READ, .run = http_page_record, .item = true, .browser = true);
static const struct http_route PAGE_FILE =
    ROUTE("ui", PAGE_READ, .run = http_page_file, .item = true, .stranger = true, .browser = true);

const struct http_route *http_route_of_page(const struct http_target *t, enum http_method m,
                                            struct str *item)
{
    struct str first = t->segment_count ? t->segments[0] : STR("");
    bool reads = m == HTTP_GET || m == HTTP_HEAD;
    *item = STR_NONE;
    if (t->segment_count == 3 && str_eq(first, STR("ui")))
        return &PAGE_FILE;
    if (t->segment_count == 2 && str_eq(first, STR("ui")) && str_eq(t->segments[1], STR("audit")))
        return &PAGE_RECORD;
    if (t->segment_count > 1 || (t->path.len > 1 && str_ends(t->path, STR("/"))))
        return NULL;
    if (reads && str_eq(first, STR("signup"))) /* to be posted to without a page, too */
        return &SIGNUP_PAGE;
    for (size_t i = 0; i < sizeof OF_PAGE / sizeof *OF_PAGE; i++)
        if (str_eq(first, OF_PAGE[i].name))
            return &OF_PAGE[i];
    return NULL;
}

const struct http_route *http_route_of_strangers(const struct http_target *t)
{
    size_t n = t->segment_count;
    if (n < 1 || n > 2 || !str_eq(t->segments[0], STR("signup")))
        return NULL;
    const struct http_route *route = &OF_STRANGERS[n - 1];
    return n == 1 || str_eq(t->segments[1], route->name) ? route : NULL;
}

enum http_method http_method_of(const char *name)
{
    for (size_t i = HTTP_GET; i < HTTP_METHODS; i++) {
        if (str_eq(str_of(name), METHOD_NAMES[i]))
            return (enum http_method)i;
    }
    return HTTP_UNKNOWN_METHOD;
}

const char *http_method_name(enum http_method m)
{
    return METHOD_NAMES[m].at;
}

bool http_is_scim_path(const struct http_target *t)
{
    struct str rest = str_sub(t->path, 5, 1);
    return str_starts(t->path, STR("/scim")) && (!rest.len || rest.at[0] == '/');
}

static bool matches(const struct http_route *route, struct str name, const struct str *item)
{
    return route->item == (item != NULL) && str_ieq(name, route->name) &&
           (!route->search || str_eq(*item, STR(".search")));
}

const struct http_route *http_route_find(const struct http_target *t, struct str *id)
{
    size_t n = t->segment_count;
    if (n < 2 || n > 4 || !http_is_scim_path(t) || !str_eq(t->segments[1], STR("v2")))
        return NULL;
    struct str name = n > 2 ? t->segments[2] : STR("");
    const struct str *item = n > 3 ? &t->segments[3] : NULL;
    if ((n > 2 && !name.len) || (item && !item->len)) /* a doubled slash */
        return NULL;
    for (size_t i = 0; i < sizeof(ROUTES) / sizeof(*ROUTES); i++) {
        if (matches(&ROUTES[i], name, item)) {
            *id = item ? *item : STR_NONE;
            return &ROUTES[i];
        }
    }
    return NULL;
}

bool http_route_allows(const struct http_route *route, enum http_method m)
{
    return (route->methods & BIT(m)) != 0;
}

struct str http_route_allow(struct arena *a, const struct http_route *route)
{
    struct str allow = STR("");
    for (size_t i = HTTP_GET; i < HTTP_METHODS; i++) {
        if (http_route_allows(route, (enum http_method)i))
            allow = arena_fmt(a, STR_FMT "%s" STR_FMT, STR_ARG(allow), allow.len ? ", " : "",
                              STR_ARG(METHOD_NAMES[i]));
    }
    return allow;
}

bool http_route_serves(struct str endpoint)
{
    struct str name = str_sub(endpoint, 1, endpoint.len);
    for (size_t i = 0; i < sizeof(ROUTES) / sizeof(*ROUTES); i++) {
        if (ROUTES[i].resource && str_ieq(name, ROUTES[i].name))
            return true;
    }
    return false;
}
