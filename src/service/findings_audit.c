/* Changes that were meant and of which nobody wrote what became of them: a process was killed. */
#include "base/own.h"
#include "service/findings_read.h"

#define FLIGHT_US (INT64_C(60) * 1000000)
#define REPORT_MAX ((size_t)16 << 20)
#define LOOK_BACK_US (INT64_C(7) * 24 * 3600 * 1000000)

/* Of "KB-C308 intent 7 has no outcome: 2026-01-05T08:00:00Z grant subject=...". */
static void take_intent(struct reading *r, struct str line)
{
    struct str said = line;
    size_t colon;
    instant_t at;
    if (!str_starts(line, STR("KB-C308 ")) || !str_find(line, ':', &colon))
        return;
    said = str_trim(str_sub(line, colon + 1, line.len));
    struct str rest = said, time = STR_NONE;
    instant_t from = r->wanted->since == INSTANT_NONE ? r->now - LOOK_BACK_US : r->wanted->since;
    if (!str_split(&rest, ' ', &time) || !clock_parse_rfc3339(time, &at) || at < from - FLIGHT_US ||
        at > r->now - FLIGHT_US)
        return;
    struct service_finding f = {
        .about = FINDING_OTHER, .code = "KB-C308", .kind = KIOPS_EDIT_USER, .text = said};
    findings_add(r, &f);
}

void findings_audit(struct reading *r)
{
    static const char *const kinds[] = {"serve", "cli", "reconcile"};
    struct str dir = r->ground->config->audit.dir;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        OWNED_BUF struct buf report;
        struct audit_check check = {0};
        struct error err = ERROR_INIT;
        struct str path = arena_fmt(r->arena, STR_FMT "/audit-%s.jsonl", STR_ARG(dir), kinds[i]);
        buf_init(&report, REPORT_MAX);
        if (access(path.at, F_OK) != 0)
            continue;
        if (!audit_verify(path, &check, &report, &err)) {
            struct service_finding f = {.about = FINDING_OTHER,
                                        .code = "KB-C308",
                                        .kind = KIOPS_EDIT_USER,
                                        .text = str_of(err.detail)};
            findings_add(r, &f);
        }
        struct str rest = buf_view(&report), line;
        while (str_split(&rest, '\n', &line))
            take_intent(r, line);
    }
}
