// The declarations of the activity API; what this library defines of them is exported.
#pragma once

#pragma GCC visibility push(default)
#include "../generated/cupti.h"
#pragma GCC visibility pop
