// AIOS_PRINT_CONFIG=1: what the kernels choose, printed once per problem.
#pragma once

namespace aios {

/// Whether the variable is set; asked before a line is put together.
bool prints_config();

/// Prints "aios: ..." and a line break to standard error, unless the same line was printed before.
[[gnu::format(printf, 1, 2)]] void print_config(const char *format, ...);

} // namespace aios
