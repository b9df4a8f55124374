// AIOS_PRINT_CONFIG=1: what the kernels choose, printed once per problem.
#pragma once

/// A macro's value as a string, such as the name of the instruction set: AIOS_TEXT(AIOS_ISA).
#define AIOS_TEXT_OF(x) #x
#define AIOS_TEXT(x) AIOS_TEXT_OF(x)

namespace aios {

/// Whether the variable is set; asked before a line is put together.
bool prints_config();

/// Prints "aios: ..." and a line break to standard error, unless the same line was printed before.
[[gnu::format(printf, 1, 2)]] void print_config(const char *format, ...);

} // namespace aios
