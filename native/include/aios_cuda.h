/*
 * aios_cuda.h - what a CUDA provider exports besides the operations: how kernels tell the host of data that are wrong.
 *
 * Memory, streams, events and graphs are the CUDA driver's; an aios_stream is a CUstream. A kernel that meets data it
 * cannot use, such as an id outside its table, leaves them alone and describes the first such place in a record that
 * host and devices share. Whoever has waited for work asks whether there is one.
 */
#ifndef AIOS_CUDA_H
#define AIOS_CUDA_H

#include "aios.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a kernel found wrong. */
typedef int32_t aios_cuda_finding;
enum {
  AIOS_CUDA_FINDING_ID = 0,     /**< An id outside its table. */
  AIOS_CUDA_FINDING_TARGET = 1, /**< A target that is no class. */
  AIOS_CUDA_FINDING_TOTAL = 2,  /**< Tensors with more elements than their sum. */
  AIOS_CUDA_FINDING_DTYPE = 3   /**< A tensor of a table whose dtype has no kernel. */
};

/** The record; all zero when there is nothing to tell. */
typedef struct aios_cuda_record {
  uint32_t state;            /**< 0: empty; 1: being written; 2: complete. */
  aios_cuda_finding finding; /**< What is wrong. */
  const char *op;            /**< Name of the op that found it, text of the host. */
  int64_t place;             /**< Index of the element or tensor. */
  int64_t value;             /**< What was found there. */
  int64_t limit;             /**< What it may not reach. */
} aios_cuda_record;

/**
 * Gives a stream a record: zeroed memory of the host that all devices reach by this address. What kernels enqueued to
 * the stream from now on find wrong is told there, also when they were captured and are launched later: it must live as
 * long as they. Without one, data that are wrong stop the kernel. Null ends it; destroy the stream afterwards.
 */
AIOS_API void aios_cuda_set_record(aios_stream stream, aios_cuda_record *record);

/**
 * Takes what kernels have found wrong: AIOS_STATUS_EXECUTION_FAILED, or AIOS_STATUS_UNIMPLEMENTED for a dtype without
 * kernel, with the text of `aios_last_error`, and the record is empty again; AIOS_STATUS_OK when there is nothing. To
 * be called after waiting for a stream.
 */
AIOS_API aios_status aios_cuda_take_finding(aios_cuda_record *record);

#ifdef __cplusplus
}
#endif

#endif
