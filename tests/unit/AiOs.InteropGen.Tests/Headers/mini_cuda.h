/*
 * A driver API in the style of cuda.h: opaque handles, versioned names behind macros, unions, anonymous members,
 * function-pointer typedefs, flags as macros and an over-aligned descriptor.
 */
#ifndef MINI_CUDA_H
#define MINI_CUDA_H

#include <stddef.h>
#include <stdint.h>

#define CUDA_VERSION 12040
#define CUDA_CB

#define cuMemAlloc cuMemAlloc_v2
#define cuStreamDestroy cuStreamDestroy_v2

typedef uint64_t cuuint64_t;
typedef unsigned long long CUdeviceptr_v2;
typedef CUdeviceptr_v2 CUdeviceptr;
typedef int CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUfunc_st *CUfunction;

#define CU_STREAM_LEGACY ((CUstream)0x1)
#define CU_STREAM_PER_THREAD ((CUstream)0x2)
#define CU_LAUNCH_PARAM_END ((void *)0x00)
#define CU_LAUNCH_PARAM_BUFFER_SIZE ((void *)0x02)
#define CU_DEVICE_NULL ((CUdeviceptr)0x00)
#define CU_IPC_HANDLE_SIZE 64
#define CU_MEMHOSTALLOC_PORTABLE 0x01
#define CU_MEMHOSTALLOC_DEVICEMAP (1 << 1)
#define CU_TRSF_ALL (CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP)
#define CU_PARAM_TR_DEFAULT -1
#define CU_MAX_BYTES 0xFFFFFFFFFFFFFFFFull
#define CU_HALF 0.5f
#define CU_THIRD (1.0 / 3)
#define CU_VENDOR "mini \"cuda\""

typedef enum cudaError_enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY,
  CUDA_ERROR_UNKNOWN = 999
} CUresult;

typedef enum CUstream_flags_enum { CU_STREAM_DEFAULT = 0x0, CU_STREAM_NON_BLOCKING = 0x1 } CUstream_flags;

typedef struct CUuuid_st {
  char bytes[16];
} CUuuid;

typedef struct CUipcMemHandle_st {
  char reserved[CU_IPC_HANDLE_SIZE];
} CUipcMemHandle_v1;
typedef CUipcMemHandle_v1 CUipcMemHandle;

typedef struct CUDA_MEMCPY2D_st {
  size_t srcXInBytes;
  size_t srcY;
  CUdeviceptr srcDevice;
  const void *srcHost;
  unsigned int flags;
} CUDA_MEMCPY2D_v2;
typedef CUDA_MEMCPY2D_v2 CUDA_MEMCPY2D;

typedef enum CUlaunchAttributeID_enum { CU_LAUNCH_ATTRIBUTE_IGNORE = 0, CU_LAUNCH_ATTRIBUTE_CLUSTER = 4 } CUlaunchAttributeID;

typedef union CUlaunchAttributeValue_union {
  char pad[64];
  int cooperative;
  struct {
    unsigned int x;
    unsigned int y;
    unsigned int z;
  } clusterDim;
  struct {
    CUstream stream;
    int flags;
  } events[2];
} CUlaunchAttributeValue;

typedef struct CUlaunchAttribute_st {
  CUlaunchAttributeID id;
  char pad[8 - sizeof(CUlaunchAttributeID)];
  CUlaunchAttributeValue value;
} CUlaunchAttribute;

typedef struct CUresource_st {
  int kind;
  union {
    struct {
      void *array;
      unsigned int level;
    };
    CUdeviceptr linear;
  };
  double matrix[2][3];
  void *extra[4];
} CUresource;

typedef struct CUtensorMap_st {
  _Alignas(64) cuuint64_t opaque[16];
} CUtensorMap;

typedef struct CUmapped_st {
  int rank;
  CUtensorMap map;
} CUmapped;

typedef void(CUDA_CB *CUhostFn)(void *userData);
typedef size_t(CUDA_CB *CUoccupancyB2DSize)(int blockSize);
typedef void (*CUstreamCallback)(CUstream hStream, CUresult status, void *userData);

CUresult cuInit(unsigned int Flags);
CUresult cuDriverGetVersion(int *driverVersion);
CUresult cuMemAlloc(CUdeviceptr *dptr, size_t bytesize);
CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags);
CUresult cuStreamDestroy(CUstream hStream);
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev);
CUresult cuIpcOpenMemHandle(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags);
CUresult cuMemcpy2D(const CUDA_MEMCPY2D *pCopy);
CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData);
CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags);
CUresult cuOccupancyMaxPotentialBlockSize(int *minGridSize, CUfunction func, CUoccupancyB2DSize blockSizeToDynamicSMemSize);
CUresult cuLaunchKernel(CUfunction f, const unsigned int gridDim[3], void **kernelParams, const CUlaunchAttribute *attrs);
CUresult cuResourceCreate(CUresource *resource, const CUtensorMap *map);
CUresult cuGetProcAddress(const char *symbol, void (**pfn)(void), int cudaVersion);
CUresult cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId);

static inline int cuInlineHelper(int x) {
  return x + 1;
}

int cuPrintf(const char *format, ...);

#endif
