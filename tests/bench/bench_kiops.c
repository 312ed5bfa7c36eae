/*
 * Bench of the rules alone: every change by every actor on a sample of all states. Each line: name,
 * value, unit. Fails when a decision allocates.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../unit/kiops_cases.h"

static size_t allocations;

/* Every way to memory goes through here, for malloc is what the rest of libc calls by name. */
void *malloc(size_t size)
{
    static void *(*real)(size_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "malloc");
    allocations++;
    return real(size);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
    size_t decisions = 0, refused = 0, before = allocations;
    double slowest = 0, whole = seconds();
    enum kiops_change_kind slow = 0;
    for (int kind = 0; kind < (int)KIOPS_CHANGES; kind++) {
        size_t first = decisions;
        double start = seconds();
        for (int who = 0; who < (int)WHO_COUNT; who++)
            for (unsigned facts = 0; facts < FACTS_END; facts += 5, decisions++)
                refused += verdict_of(who, kind, facts).status == KIOPS_REFUSED;
        double each = (seconds() - start) / (double)(decisions - first);
        if (each > slowest) {
            slowest = each;
            slow = (enum kiops_change_kind)kind;
        }
    }
    whole = seconds() - whole;
    size_t made = allocations - before;
    printf("%-44s %12zu\n", "decisions", decisions);
    printf("%-44s %12zu\n", "refused, each with its text", refused);
    printf("%-44s %12.3f us\n", "a decision", whole / (double)decisions * 1e6);
    printf("%-44s %12.3f us (%s)\n", "a decision about the slowest kind", slowest * 1e6,
           kiops_change_name(slow));
    printf("%-44s %12zu\n", "allocations", made);
    return made != 0;
}
