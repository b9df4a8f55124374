/*
 * aios.h - what every AiOs.Native library shares: status codes, dtypes, handles, version and last error.
 *
 * Every library that implements aios_kernels.h also exports the functions of this header. The ABI is plain C:
 * blittable types, 64-bit extents, no callbacks, no ownership hidden in a return value.
 */
#ifndef AIOS_H
#define AIOS_H

#include <stdint.h>

#if defined(_WIN32)
#define AIOS_API __declspec(dllexport)
#else
#define AIOS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Result of every call. The text of the last failure on the calling thread is `aios_last_error`. */
typedef int32_t aios_status;
enum {
  AIOS_STATUS_OK = 0,               /**< The call succeeded. */
  AIOS_STATUS_INVALID_ARGUMENT = 1, /**< An argument is outside what the contract allows. */
  AIOS_STATUS_UNIMPLEMENTED = 2,    /**< This provider has no kernel for the (op, dtype, shape). */
  AIOS_STATUS_OUT_OF_MEMORY = 3,    /**< The device cannot give the memory that was asked for. */
  AIOS_STATUS_NOT_READY = 4,        /**< Work that was queried is still running. */
  AIOS_STATUS_EXECUTION_FAILED = 5, /**< Work that was enqueued earlier failed; the error sticks to its stream. */
  AIOS_STATUS_INTERNAL = 6          /**< A defect of the provider itself. */
};

/** Element type of a buffer. */
typedef int32_t aios_dtype;
enum {
  AIOS_DTYPE_F32 = 0,  /**< IEEE 754 binary32. */
  AIOS_DTYPE_F16 = 1,  /**< IEEE 754 binary16. */
  AIOS_DTYPE_BF16 = 2, /**< bfloat16: the upper half of a binary32, rounded to nearest even. */
  AIOS_DTYPE_I32 = 3   /**< 32-bit two's complement integer: indices and targets. */
};

/** An in-order queue of work. On the CPU provider made by `aios_cpu_stream_create`; on CUDA a CUstream. */
typedef struct aios_stream_s *aios_stream;

/** A point in a stream's order. On the CPU provider made by `aios_cpu_event_create`. */
typedef struct aios_event_s *aios_event;

/** Version of this ABI; a library and its caller must agree exactly. */
enum { AIOS_ABI_VERSION = 1 };

/** Returns the AIOS_ABI_VERSION that the library was built with. */
AIOS_API int32_t aios_abi_version(void);

/**
 * Returns the SHA-256, as 64 lower-case hexadecimal digits, of the headers that the library was built with.
 * The text lives as long as the library.
 */
AIOS_API const char *aios_header_hash(void);

/** Returns the name of a status, such as "AIOS_STATUS_UNIMPLEMENTED". Never null; the text is static. */
AIOS_API const char *aios_status_name(aios_status status);

/**
 * Returns what went wrong in the last failing call of the calling thread, as one line without a line break.
 * Never null; empty when nothing failed. Valid until the thread's next failing call.
 */
AIOS_API const char *aios_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
