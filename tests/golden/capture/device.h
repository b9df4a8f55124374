// The device that cases run on, through the driver API: a GPU's, or the simulator's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace golden {

/// A case that could not be run; the context may be lost with it.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What cuTensorMapEncodeTiled takes, in the driver's numbering. Sizes are in elements, strides in bytes; strides[0]
/// is that of dimension 1.
struct MapSpec {
  uint32_t type, rank;
  void *address;
  uint64_t extents[5], strides[4];
  uint32_t box[5];
  uint32_t swizzle, fill;
};

class Device {
public:
  /// Opens device 0; throws Failure where there is none.
  Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device();

  std::string name() const;
  int capability() const; ///< 90 for 9.0
  std::string driver() const;
  bool simulated() const;

  /// Device memory that lives until release().
  void *copy_in(const void *bytes, size_t size);
  /// Waits for all work.
  void copy_out(void *bytes, const void *device, size_t size);
  void encode_map(void *map, const MapSpec &spec);
  void release();

private:
  std::vector<uint64_t> blocks_;
};

} // namespace golden
