/*
 * Files of the repository as constant bytes of the program.
 *
 * Owns:    nothing; the bytes are part of the program.
 * Threads: constant.
 */
#pragma once

/* `symbol`[] begins with the bytes of `file`, `symbol`_end[] stands behind them (and is NUL). */
#define EMBED(symbol, file)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 1\n"                                                                          \
            ".global " #symbol "\n" #symbol ":\n"                                                  \
            ".incbin \"" file "\"\n"                                                               \
            ".global " #symbol "_end\n" #symbol "_end:\n"                                          \
            ".byte 0\n"                                                                            \
            ".previous\n")
