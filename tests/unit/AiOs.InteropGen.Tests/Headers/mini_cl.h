/* An API in the style of CL/cl.h: every constant is a macro, callbacks are written in the prototypes. */
#ifndef MINI_CL_H
#define MINI_CL_H

#include "mini_cl_platform.h"

typedef struct _cl_platform_id *cl_platform_id;
typedef struct _cl_device_id *cl_device_id;
typedef struct _cl_context *cl_context;
typedef struct _cl_mem *cl_mem;
struct _cl_icd_dispatch;

typedef cl_uint cl_bool;
typedef cl_ulong cl_bitfield;
typedef cl_bitfield cl_device_type;
typedef cl_uint cl_device_info;
typedef intptr_t cl_context_properties;

typedef struct _cl_image_desc {
  cl_uint image_type;
  size_t image_width;
  cl_uint num_samples;
  union {
    cl_mem buffer;
    cl_mem mem_object;
  };
} cl_image_desc;

typedef struct _cl_name_version {
  cl_uint version;
  char name[64];
} cl_name_version;

#define CL_SUCCESS 0
#define CL_DEVICE_NOT_FOUND -1
#define CL_OUT_OF_HOST_MEMORY -6

#define CL_DEVICE_TYPE_DEFAULT (1 << 0)
#define CL_DEVICE_TYPE_CPU (1 << 1)
#define CL_DEVICE_TYPE_GPU (1 << 2)
#define CL_DEVICE_TYPE_ALL 0xFFFFFFFF

#define CL_DEVICE_TYPE 0x1000
#define CL_DEVICE_NAME 0x102B

#define CL_TRUE 1
#define CL_CONTEXT_PLATFORM 0x1084

extern CL_API_ENTRY cl_int CL_API_CALL clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms,
                                                        cl_uint *num_platforms) CL_API_SUFFIX__VERSION_1_0;

extern CL_API_ENTRY cl_int CL_API_CALL clGetDeviceIDs(cl_platform_id platform, cl_device_type device_type,
                                                      cl_uint num_entries, cl_device_id *devices,
                                                      cl_uint *num_devices) CL_API_SUFFIX__VERSION_1_0;

extern CL_API_ENTRY cl_int CL_API_CALL clGetDeviceInfo(cl_device_id device, cl_device_info param_name,
                                                       size_t param_value_size, void *param_value,
                                                       size_t *param_value_size_ret) CL_API_SUFFIX__VERSION_1_0;

extern CL_API_ENTRY cl_context CL_API_CALL clCreateContext(
    const cl_context_properties *properties, cl_uint num_devices, const cl_device_id *devices,
    void(CL_CALLBACK *pfn_notify)(const char *errinfo, const void *private_info, size_t cb, void *user_data),
    void *user_data, cl_int *errcode_ret) CL_API_SUFFIX__VERSION_1_0;

extern CL_API_ENTRY cl_mem CL_API_CALL clCreateImage(cl_context context, const cl_image_desc *image_desc, void *host_ptr,
                                                     cl_int *errcode_ret) CL_API_SUFFIX__VERSION_1_0;

extern CL_API_ENTRY CL_API_PREFIX_DEPRECATED cl_int CL_API_CALL clUnloadCompiler(struct _cl_icd_dispatch *dispatch);

#endif
