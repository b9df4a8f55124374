/*
 * A tracing API in the style of cupti_activity.h: built on another header's handles, with unnamed, over-aligned records that
 * hold bit-fields, and callbacks that give out buffers.
 */
#ifndef MINI_CUPTI_H
#define MINI_CUPTI_H

#include "mini_cuda.h"

#define CUPTI_ALIGNED __attribute__((packed)) __attribute__((aligned(8)))

typedef enum { CUPTI_ACTIVITY_KIND_INVALID = 0, CUPTI_ACTIVITY_KIND_KERNEL = 3 } CUpti_ActivityKind;

typedef struct CUPTI_ALIGNED {
  CUpti_ActivityKind kind;
} CUpti_Activity;

typedef struct CUPTI_ALIGNED {
  CUpti_ActivityKind kind;
  union {
    uint8_t both;
    struct {
      uint8_t requested : 4;
      uint8_t executed : 4;
    } config;
  } cacheConfig;
  uint8_t launchType;
  uint16_t registersPerThread;
  uint64_t start;
  CUcontext context;
} CUpti_ActivityKernel;

typedef void (*CUpti_BufferRequest)(uint8_t **buffer, size_t *size);

CUresult cuptiRegister(CUpti_BufferRequest request);
CUresult cuptiNextRecord(uint8_t *buffer, CUpti_Activity **record);
CUresult cuptiContextOf(const CUpti_ActivityKernel *kernel, CUcontext *context);

#endif
