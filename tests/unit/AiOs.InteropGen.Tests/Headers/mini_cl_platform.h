/* The types of mini_cl.h, in a header of their own as in OpenCL. */
#ifndef MINI_CL_PLATFORM_H
#define MINI_CL_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#define CL_API_ENTRY
#define CL_API_CALL
#define CL_CALLBACK
#define CL_API_SUFFIX__VERSION_1_0
#define CL_API_PREFIX_DEPRECATED __attribute__((deprecated))

typedef int8_t cl_char;
typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong __attribute__((aligned(8)));

#endif
