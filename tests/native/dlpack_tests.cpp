// The structs of aios_dlpack.h against those of the specification's own header where that is installed
// (libdlpack-dev; python3-torch brings a copy), and the library that the managed tests exchange tensors with.
#include <gtest/gtest.h>

#include <cstddef>

#include "../dlpack/peer.h"

#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#define AIOS_HAS_DLPACK 1
#elif __has_include(<ATen/dlpack.h>)
#include <ATen/dlpack.h>
#define AIOS_HAS_DLPACK 1
#endif

namespace {

#ifdef AIOS_HAS_DLPACK

TEST(DLPack, StructsLieAsInTheSpecification) {
  static_assert(sizeof(aios_dlpack_device) == sizeof(DLDevice));
  static_assert(offsetof(aios_dlpack_device, type) == offsetof(DLDevice, device_type));
  static_assert(offsetof(aios_dlpack_device, id) == offsetof(DLDevice, device_id));
  static_assert(sizeof(aios_dlpack_dtype) == sizeof(DLDataType));
  static_assert(offsetof(aios_dlpack_dtype, code) == offsetof(DLDataType, code));
  static_assert(offsetof(aios_dlpack_dtype, bits) == offsetof(DLDataType, bits));
  static_assert(offsetof(aios_dlpack_dtype, lanes) == offsetof(DLDataType, lanes));
  static_assert(sizeof(aios_dlpack_tensor) == sizeof(DLTensor));
  static_assert(offsetof(aios_dlpack_tensor, data) == offsetof(DLTensor, data));
  static_assert(offsetof(aios_dlpack_tensor, device) == offsetof(DLTensor, device));
  static_assert(offsetof(aios_dlpack_tensor, rank) == offsetof(DLTensor, ndim));
  static_assert(offsetof(aios_dlpack_tensor, dtype) == offsetof(DLTensor, dtype));
  static_assert(offsetof(aios_dlpack_tensor, shape) == offsetof(DLTensor, shape));
  static_assert(offsetof(aios_dlpack_tensor, strides) == offsetof(DLTensor, strides));
  static_assert(offsetof(aios_dlpack_tensor, byte_offset) == offsetof(DLTensor, byte_offset));
  static_assert(sizeof(aios_dlpack_legacy) == sizeof(DLManagedTensor));
  static_assert(offsetof(aios_dlpack_legacy, tensor) == offsetof(DLManagedTensor, dl_tensor));
  static_assert(offsetof(aios_dlpack_legacy, context) == offsetof(DLManagedTensor, manager_ctx));
  static_assert(offsetof(aios_dlpack_legacy, deleter) == offsetof(DLManagedTensor, deleter));
  EXPECT_EQ(int(AIOS_DLPACK_DEVICE_CPU), int(kDLCPU));
  EXPECT_EQ(int(AIOS_DLPACK_DEVICE_CUDA), int(kDLCUDA));
  EXPECT_EQ(int(AIOS_DLPACK_DEVICE_CUDA_HOST), int(kDLCUDAHost));
  EXPECT_EQ(int(AIOS_DLPACK_DEVICE_OPENCL), int(kDLOpenCL));
  EXPECT_EQ(int(AIOS_DLPACK_DEVICE_ROCM), int(kDLROCM));
  EXPECT_EQ(int(AIOS_DLPACK_DEVICE_ROCM_HOST), int(kDLROCMHost));
  EXPECT_EQ(int(AIOS_DLPACK_CODE_INT), int(kDLInt));
  EXPECT_EQ(int(AIOS_DLPACK_CODE_UINT), int(kDLUInt));
  EXPECT_EQ(int(AIOS_DLPACK_CODE_FLOAT), int(kDLFloat));
  EXPECT_EQ(int(AIOS_DLPACK_CODE_BFLOAT), int(kDLBfloat));
}

TEST(DLPack, VersionedStructsLieAsInTheSpecification) {
#ifdef DLPACK_MAJOR_VERSION
  static_assert(sizeof(aios_dlpack_managed) == sizeof(DLManagedTensorVersioned));
  static_assert(offsetof(aios_dlpack_managed, version) == offsetof(DLManagedTensorVersioned, version));
  static_assert(offsetof(aios_dlpack_managed, context) == offsetof(DLManagedTensorVersioned, manager_ctx));
  static_assert(offsetof(aios_dlpack_managed, deleter) == offsetof(DLManagedTensorVersioned, deleter));
  static_assert(offsetof(aios_dlpack_managed, flags) == offsetof(DLManagedTensorVersioned, flags));
  static_assert(offsetof(aios_dlpack_managed, tensor) == offsetof(DLManagedTensorVersioned, dl_tensor));
  EXPECT_EQ(AIOS_DLPACK_MAJOR, DLPACK_MAJOR_VERSION);
  EXPECT_EQ(unsigned(AIOS_DLPACK_FLAG_READ_ONLY), DLPACK_FLAG_BITMASK_READ_ONLY);
  EXPECT_EQ(unsigned(AIOS_DLPACK_FLAG_COPIED), DLPACK_FLAG_BITMASK_IS_COPIED);
#if DLPACK_MINOR_VERSION >= 1
  EXPECT_EQ(int(AIOS_DLPACK_CODE_FLOAT8_E4M3FN), int(kDLFloat8_e4m3fn));
  EXPECT_EQ(int(AIOS_DLPACK_CODE_FLOAT8_E5M2), int(kDLFloat8_e5m2));
#endif
#else
  GTEST_SKIP() << "the installed dlpack.h is older than version 1";
#endif
}

#else

TEST(DLPack, StructsLieAsInTheSpecification) {
  GTEST_SKIP() << "dlpack.h is not installed (apt-get install libdlpack-dev)";
}

#endif

TEST(DLPack, ThePeerCountsWhatItGetsBack) {
  int64_t shape[] = {2, 3}, strides[] = {1, 2};
  aios_dlpack_tensor like{};
  like.device = {AIOS_DLPACK_DEVICE_CPU, 0};
  like.rank = 2;
  like.dtype = {AIOS_DLPACK_CODE_FLOAT, 32, 1};
  like.shape = shape;
  like.strides = strides;
  like.byte_offset = 8;
  int32_t deletions = 0;
  aios_dlpack_managed *managed = peer_make({1, 1}, 0, &like, 32, &deletions);
  peer_fill(&managed->tensor, 1.5f);
  EXPECT_EQ(peer_sum(&managed->tensor), 9);
  peer_release_elsewhere(managed);
  EXPECT_EQ(deletions, 1);
  aios_dlpack_legacy *legacy = peer_make_legacy(&like, 32, &deletions);
  EXPECT_EQ(peer_sum(&legacy->tensor), 0);
  legacy->deleter(legacy);
  EXPECT_EQ(deletions, 2);
}

} // namespace
