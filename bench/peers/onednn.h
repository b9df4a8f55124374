/*
 * onednn.h - what `aios bench` calls of oneDNN 2 (libdnnl.so.2): matrix products and reorders through its C API.
 * Declarations of this repository. Descriptors are blocks of memory that only the library looks into, with room to
 * spare.
 */
#ifndef AIOS_BENCH_ONEDNN_H
#define AIOS_BENCH_ONEDNN_H

#include <stdint.h>

/** 0 is success. */
typedef int dnnl_status_t;

enum {
  DNNL_SUCCESS = 0,            /**< The call succeeded. */
  DNNL_CPU = 1,                /**< Kind of engine. */
  DNNL_STREAM_IN_ORDER = 1,    /**< Kind of stream. */
  DNNL_BF16 = 2,               /**< Element type. */
  DNNL_F32 = 3,                /**< Element type. */
  DNNL_S32 = 4,                /**< Element type. */
  DNNL_S8 = 5,                 /**< Element type. */
  DNNL_U8 = 6,                 /**< Element type. */
  DNNL_TAG_ANY = 1,            /**< The library chooses the layout. */
  DNNL_TAG_AB = 3,             /**< Rows are contiguous. */
  DNNL_TAG_BA = 22,            /**< Columns are contiguous. */
  DNNL_QUERY_WEIGHTS_MD = 131, /**< Asks a primitive for the layout of its weights. */
  DNNL_ARGUMENT_SRC = 1,       /**< First operand, or the source of a reorder. */
  DNNL_ARGUMENT_DST = 17,      /**< Result. */
  DNNL_ARGUMENT_WEIGHTS = 33   /**< Second operand. */
};

/** What runs primitives. */
typedef struct dnnl_engine *dnnl_engine_t;
/** Order of execution. */
typedef struct dnnl_stream *dnnl_stream_t;
/** An operand. */
typedef struct dnnl_memory *dnnl_memory_t;
/** Something that can be executed. */
typedef struct dnnl_primitive *dnnl_primitive_t;
/** A chosen implementation. */
typedef struct dnnl_primitive_desc *dnnl_primitive_desc_t;
/** Options of a primitive. */
typedef struct dnnl_primitive_attr *dnnl_primitive_attr_t;

/** Layout of an operand. */
typedef struct dnnl_memory_desc {
  int64_t room[128]; /**< Of the library. */
} dnnl_memory_desc_t;

/** A matrix product. */
typedef struct dnnl_matmul_desc {
  int64_t room[512]; /**< Of the library. */
} dnnl_matmul_desc_t;

/** An operand and what it is for. */
typedef struct dnnl_exec_arg {
  int arg;              /**< DNNL_ARGUMENT_*. */
  dnnl_memory_t memory; /**< The operand. */
} dnnl_exec_arg_t;

/** The library's version. */
typedef struct dnnl_version {
  int major;         /**< First number. */
  int minor;         /**< Second number. */
  int patch;         /**< Third number. */
  const char *hash;  /**< Commit. */
  unsigned runtimes; /**< What it was built for. */
} dnnl_version_t;

/** The version; the text in it lives as long as the library. */
const dnnl_version_t *dnnl_version(void);
/** Makes an engine of a kind. */
dnnl_status_t dnnl_engine_create(dnnl_engine_t *engine, int kind, uint64_t index);
/** Destroys an engine. */
dnnl_status_t dnnl_engine_destroy(dnnl_engine_t engine);
/** Makes a stream of an engine. */
dnnl_status_t dnnl_stream_create(dnnl_stream_t *stream, dnnl_engine_t engine, unsigned flags);
/** Waits for the work of a stream. */
dnnl_status_t dnnl_stream_wait(dnnl_stream_t stream);
/** Destroys a stream. */
dnnl_status_t dnnl_stream_destroy(dnnl_stream_t stream);
/** Describes an operand: extents, element type DNNL_* and layout DNNL_TAG_*. */
dnnl_status_t dnnl_memory_desc_init_by_tag(dnnl_memory_desc_t *desc, int rank, const int64_t *dims, int type, int tag);
/** Makes an operand around memory of the caller. */
dnnl_status_t dnnl_memory_create(dnnl_memory_t *memory, const dnnl_memory_desc_t *desc, dnnl_engine_t engine,
                                 void *data);
/** Destroys an operand; the memory stays. */
dnnl_status_t dnnl_memory_destroy(dnnl_memory_t memory);
/** Bytes that an operand takes. */
uint64_t dnnl_memory_desc_get_size(const dnnl_memory_desc_t *desc);
/** Describes a matrix product; `bias` may be null. */
dnnl_status_t dnnl_matmul_desc_init(dnnl_matmul_desc_t *desc, const dnnl_memory_desc_t *src,
                                    const dnnl_memory_desc_t *weights, const dnnl_memory_desc_t *bias,
                                    const dnnl_memory_desc_t *dst);
/** Chooses an implementation; `attr` and `hint` may be null. */
dnnl_status_t dnnl_primitive_desc_create(dnnl_primitive_desc_t *made, const void *desc, dnnl_primitive_attr_t attr,
                                         dnnl_engine_t engine, dnnl_primitive_desc_t hint);
/** What the implementation wants; it lives as long as `desc`. */
const dnnl_memory_desc_t *dnnl_primitive_desc_query_md(dnnl_primitive_desc_t desc, int what, int index);
/** Destroys a choice. */
dnnl_status_t dnnl_primitive_desc_destroy(dnnl_primitive_desc_t desc);
/** Chooses an implementation of a change of layout; `attr` may be null. */
dnnl_status_t dnnl_reorder_primitive_desc_create(dnnl_primitive_desc_t *made, const dnnl_memory_desc_t *src,
                                                 dnnl_engine_t src_engine, const dnnl_memory_desc_t *dst,
                                                 dnnl_engine_t dst_engine, dnnl_primitive_attr_t attr);
/** Makes what can be executed. */
dnnl_status_t dnnl_primitive_create(dnnl_primitive_t *primitive, dnnl_primitive_desc_t desc);
/** Destroys it. */
dnnl_status_t dnnl_primitive_destroy(dnnl_primitive_t primitive);
/** Runs it on operands. */
dnnl_status_t dnnl_primitive_execute(dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                     const dnnl_exec_arg_t *arguments);

#endif
