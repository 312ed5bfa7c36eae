/* Without memory the process ends, and says so. */
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

void memory_out(void)
{
    static const char words[] = "kiops-bridge: out of memory; it ends, to be started again\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    (void)written;
    abort();
}

void *must(void *memory)
{
    if (!memory)
        memory_out();
    return memory;
}

void *memory_new(size_t size)
{
    return must(malloc(size));
}
