/*
 * aios_dlpack.h - tensors shared with other libraries of the process, without a copy: the structs of DLPack 1, whose
 * layout and constants its specification fixes (https://dmlc.github.io/dlpack/latest/c_api.html). They have names of
 * our own, so that a program may include the specification's header as well.
 *
 * A producer hands out an aios_dlpack_managed. Its consumer uses the data as long as it likes and then calls the
 * deleter, once, on any thread. Host memory is handed out when the work that writes it has run; memory of a device with
 * streams when that work is ordered before what the consumer's stream runs next.
 */
#ifndef AIOS_DLPACK_H
#define AIOS_DLPACK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of DLPack declared here, which is also the one that is produced. */
enum {
  AIOS_DLPACK_MAJOR = 1, /**< Version of the layout: another one cannot be read. */
  AIOS_DLPACK_MINOR = 1  /**< Version of the constants. */
};

/** Kind of a device. */
typedef int32_t aios_dlpack_device_type;
enum {
  AIOS_DLPACK_DEVICE_CPU = 1,          /**< Host memory. */
  AIOS_DLPACK_DEVICE_CUDA = 2,         /**< Memory of a CUDA device. */
  AIOS_DLPACK_DEVICE_CUDA_HOST = 3,    /**< Host memory pinned by CUDA. */
  AIOS_DLPACK_DEVICE_OPENCL = 4,       /**< A buffer of OpenCL. */
  AIOS_DLPACK_DEVICE_ROCM = 10,        /**< Memory of a ROCm device. */
  AIOS_DLPACK_DEVICE_ROCM_HOST = 11,   /**< Host memory pinned by ROCm. */
  AIOS_DLPACK_DEVICE_CUDA_MANAGED = 13 /**< Memory that CUDA moves between host and devices. */
};

/** Kind of an element. */
typedef uint8_t aios_dlpack_code;
enum {
  AIOS_DLPACK_CODE_INT = 0,            /**< Two's complement integer. */
  AIOS_DLPACK_CODE_UINT = 1,           /**< Unsigned integer. */
  AIOS_DLPACK_CODE_FLOAT = 2,          /**< IEEE 754. */
  AIOS_DLPACK_CODE_BFLOAT = 4,         /**< bfloat16. */
  AIOS_DLPACK_CODE_FLOAT8_E4M3FN = 10, /**< 8-bit float without infinities, AIOS_DTYPE_F8E4M3 (since 1.1). */
  AIOS_DLPACK_CODE_FLOAT8_E5M2 = 12    /**< 8-bit float with infinities, AIOS_DTYPE_F8E5M2 (since 1.1). */
};

/** Flags of a tensor, combined by OR. */
typedef uint64_t aios_dlpack_flags;
enum {
  AIOS_DLPACK_FLAG_READ_ONLY = 1, /**< The consumer must not write. */
  AIOS_DLPACK_FLAG_COPIED = 2     /**< A copy made for the consumer: nobody else sees what is written. */
};

/** Version of an aios_dlpack_managed. */
typedef struct aios_dlpack_version {
  uint32_t major; /**< Version of the layout. */
  uint32_t minor; /**< Version of the constants. */
} aios_dlpack_version;

/** A device. */
typedef struct aios_dlpack_device {
  aios_dlpack_device_type type; /**< Its kind. */
  int32_t id;                   /**< Its number among those of its kind; 0 for the host. */
} aios_dlpack_device;

/** Type of an element. */
typedef struct aios_dlpack_dtype {
  aios_dlpack_code code; /**< Its kind. */
  uint8_t bits;          /**< Its size in bits. */
  uint16_t lanes;        /**< Numbers per element; 1 unless elements are vectors. */
} aios_dlpack_dtype;

/** Where a tensor lies and how. */
typedef struct aios_dlpack_tensor {
  void *data;                /**< Start of the memory; null when there is no element. */
  aios_dlpack_device device; /**< The device that holds it. */
  int32_t rank;              /**< Number of dimensions. */
  aios_dlpack_dtype dtype;   /**< Type of its elements. */
  int64_t *shape;            /**< Extents, outermost first. */
  int64_t *strides;          /**< Distances between neighbours, in elements; null when dense in row-major order. */
  uint64_t byte_offset;      /**< Distance from data to the first element, in bytes. */
} aios_dlpack_tensor;

/** A tensor that its consumer gives back by calling the deleter. */
typedef struct aios_dlpack_managed {
  aios_dlpack_version version;                       /**< Says whether the fields after flags lie as declared here. */
  void *context;                                     /**< The producer's own. */
  void (*deleter)(struct aios_dlpack_managed *self); /**< Gives the tensor, and this struct, back; may be null. */
  aios_dlpack_flags flags;                           /**< AIOS_DLPACK_FLAG_READ_ONLY, AIOS_DLPACK_FLAG_COPIED. */
  aios_dlpack_tensor tensor;                         /**< The tensor. */
} aios_dlpack_managed;

/** What came before versions: a tensor that its consumer gives back by calling the deleter, and may write. */
typedef struct aios_dlpack_legacy {
  aios_dlpack_tensor tensor;                        /**< The tensor. */
  void *context;                                    /**< The producer's own. */
  void (*deleter)(struct aios_dlpack_legacy *self); /**< Gives the tensor, and this struct, back; may be null. */
} aios_dlpack_legacy;

#ifdef __cplusplus
}
#endif

#endif
