/* A management API in the style of nvml.h: versioned names, char arrays, a union of values, versions made of sizes. */
#ifndef MINI_NVML_H
#define MINI_NVML_H

#if defined(__GNUC__)
#define DECLDIR __attribute__((visibility("default")))
#endif

#define NVML_API_VERSION 12
#define NVML_API_VERSION_STR "12"
#define nvmlInit nvmlInit_v2
#define nvmlDeviceGetPciInfo nvmlDeviceGetPciInfo_v3

#define NVML_VALUE_NOT_AVAILABLE (-1)
#define NVML_DEVICE_NAME_BUFFER_SIZE 64
#define NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE 32
#define NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE 16
#define nvmlEventTypeNone 0x0000000000000000LL
#define nvmlEventTypeXid 0x0000000000000008LL
#define nvmlClocksThrottleReasonAll (0x1ULL | 0x2ULL | 0x8000000000000000ULL)

typedef struct nvmlDevice_st *nvmlDevice_t;

typedef struct nvmlPciInfo_st {
  char busIdLegacy[NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE];
  unsigned int domain;
  unsigned int pciDeviceId;
  char busId[NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE];
} nvmlPciInfo_t;

typedef struct nvmlMemory_v2_st {
  unsigned int version;
  unsigned long long total;
  unsigned long long used;
} nvmlMemory_v2_t;

#define NVML_STRUCT_VERSION(data, ver) (unsigned int)(sizeof(nvml##data##_v##ver##_t) | (ver << 24U))
#define nvmlMemory_v2 NVML_STRUCT_VERSION(Memory, 2)

typedef enum nvmlValueType_enum { NVML_VALUE_TYPE_DOUBLE = 0, NVML_VALUE_TYPE_UNSIGNED_LONG = 2 } nvmlValueType_t;

typedef union nvmlValue_st {
  double dVal;
  int siVal;
  unsigned int uiVal;
  unsigned long ulVal;
  unsigned long long ullVal;
  signed long long sllVal;
  unsigned short usVal;
} nvmlValue_t;

typedef struct nvmlSample_st {
  unsigned long long timeStamp;
  nvmlValue_t sampleValue;
} nvmlSample_t;

typedef enum nvmlReturn_enum { NVML_SUCCESS = 0, NVML_ERROR_UNINITIALIZED = 1, NVML_ERROR_UNKNOWN = 999 } nvmlReturn_t;

typedef enum nvmlMask_enum { NVML_MASK_NONE = 0, NVML_MASK_HIGH = 0x80000000u } nvmlMask_t;

nvmlReturn_t DECLDIR nvmlInit(void);
nvmlReturn_t DECLDIR nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device);
nvmlReturn_t DECLDIR nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length);
nvmlReturn_t DECLDIR nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci);
nvmlReturn_t DECLDIR nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory);
nvmlReturn_t DECLDIR nvmlDeviceGetSamples(nvmlDevice_t device, unsigned int *count, nvmlSample_t *samples, nvmlMask_t mask);
nvmlReturn_t DECLDIR nvmlDeviceGetFieldFromTheFuture(nvmlDevice_t device, nvmlValueType_t *type, unsigned long reason);

#endif
