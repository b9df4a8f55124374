// The driver's declarations; what this library defines of them is exported.
#pragma once

#pragma GCC visibility push(default)
#include "../generated/cuda.h"
#pragma GCC visibility pop
