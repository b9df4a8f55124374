/*
 * aios.h - what every AiOs.Native library shares: status codes, dtypes, handles, version and last error.
 *
 * Every library that implements aios_kernels.h also exports the functions of this header. The ABI is plain C:
 * blittable types, 64-bit extents, no ownership hidden in a return value.
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

/**
 * Element type of a buffer. From AIOS_DTYPE_Q8_0 on an element is a block: weights in their order in memory, as ggml
 * lays them out bit for bit. d, m and dmin are binary16 and little-endian; q, s and the like are unsigned bit fields
 * unless said otherwise.
 */
typedef int32_t aios_dtype;
enum {
  AIOS_DTYPE_F32 = 0,    /**< IEEE 754 binary32. */
  AIOS_DTYPE_F16 = 1,    /**< IEEE 754 binary16. */
  AIOS_DTYPE_BF16 = 2,   /**< bfloat16: the upper half of a binary32, rounded to nearest even. */
  AIOS_DTYPE_I32 = 3,    /**< 32-bit two's complement integer: indices and targets. */
  AIOS_DTYPE_I8 = 4,     /**< 8-bit two's complement integer. */
  AIOS_DTYPE_U8 = 5,     /**< 8-bit unsigned integer. */
  AIOS_DTYPE_F8E4M3 = 6, /**< 8-bit float with bias 7, largest 448, no infinity, NaN 0x7f (Micikevicius et al.,
                              arXiv:2209.05433). */
  AIOS_DTYPE_F8E5M2 = 7, /**< The upper half of a binary16, rounded to nearest even. */
  AIOS_DTYPE_I4 = 8,     /**< 4-bit unsigned integers, 32 in 16 bytes: byte i has weight i in its low half and weight
                              16 + i in its high half. Scales and zero points lie elsewhere, see `aios_qmatrix`. */
  AIOS_DTYPE_Q8_0 = 16,  /**< 32 weights in 34 bytes: d, then q[32] of 8 bits, signed. w = d q */
  AIOS_DTYPE_Q4_0 = 17,  /**< 32 weights in 18 bytes: d, then q as AIOS_DTYPE_I4. w = d (q - 8) */
  AIOS_DTYPE_Q4_1 = 18,  /**< 32 weights in 20 bytes: d, m, then q as AIOS_DTYPE_I4. w = d q + m */
  AIOS_DTYPE_Q5_0 = 19,  /**< 32 weights in 22 bytes: d, 32 bits that are bit 4 of q[i] at bit i, then the lower bits of
                              q as AIOS_DTYPE_I4. w = d (q - 16) */
  AIOS_DTYPE_Q5_1 = 20,  /**< 32 weights in 24 bytes: as AIOS_DTYPE_Q5_0 with m after d. w = d q + m */
  AIOS_DTYPE_Q2_K = 21, /**< 256 weights in 84 bytes, 16 groups of 16: bytes with s (low half) and m (high half) of each
                             group, q in 64 bytes, d, dmin. w = d s q - dmin m. Weight 128 h + 32 j + i has its q in
                             byte 32 h + i at bit 2 j. */
  AIOS_DTYPE_Q3_K = 22, /**< 256 weights in 110 bytes, 16 groups of 16: bit 2 of q in 32 bytes (weight 32 j + i in byte
                           i at bit j), the lower bits of q in 64 bytes as AIOS_DTYPE_Q2_K, s of 6 bits in 12 bytes (the
                           low halves of bytes 0-7 are the lower four bits of s[0-7], the high halves those of s[8-15];
                           bits 2 (g / 4) of byte 8 + g mod 4 the upper two of s[g]), d. w = d (s - 32) (q - 4) */
  AIOS_DTYPE_Q4_K = 23, /**< 256 weights in 144 bytes, 8 groups of 32: d, dmin, s and m of 6 bits in 12 bytes, q in 128.
                             w = d s q - dmin m. Weight 64 h + i has its q in the low half of byte 32 h + i, weight
                             64 h + 32 + i in its high half. s[g] and m[g] are the lower six bits of bytes g and g + 4
                             for g < 4; from then on the low and the high half of byte g + 4, with the upper two bits
                             of bytes g - 4 and g above them. */
  AIOS_DTYPE_Q5_K = 24, /**< 256 weights in 176 bytes: as AIOS_DTYPE_Q4_K with 32 bytes before q, whose bit g of byte i
                             is bit 4 of the q of weight i of group g. */
  AIOS_DTYPE_Q6_K = 25, /**< 256 weights in 210 bytes, 16 groups of 16: the lower four bits of q in 128 bytes, the upper
                             two in 64, s[16] of 8 bits, signed, d. w = d s (q - 32). Weight 128 h + 32 j + i has its
                             lower bits in half j / 2 of byte 64 h + 32 (j mod 2) + i, its upper ones in byte 32 h + i
                             at bit 2 j. */
  AIOS_DTYPE_IQ4_NL = 26 /**< 32 weights in 18 bytes: d, then q as AIOS_DTYPE_I4. w = d t[q], t = -127, -104, -83, -65,
                              -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 */
};

/** An in-order queue of work. On the CPU provider made by `aios_cpu_stream_create`; on CUDA a CUstream. */
typedef struct aios_stream_s *aios_stream;

/** A point in a stream's order. On the CPU provider made by `aios_cpu_event_create`. */
typedef struct aios_event_s *aios_event;

/** Recorded work that can be launched again and again. On the CPU provider made by `aios_cpu_stream_end_capture`. */
typedef struct aios_graph_s *aios_graph;

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
