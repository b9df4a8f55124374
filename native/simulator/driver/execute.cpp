// What a device does with one piece of work.
#include <cstdio>
#include <cstring>

#include "state.h"

namespace aios::sim::driver {
namespace {

Result illegal(const char *work, const std::string &why) {
  return {CUDA_ERROR_ILLEGAL_ADDRESS, std::string(work) + ": " + why};
}

/// Why bytes cannot be used; memory that the driver does not know is the host's own.
std::string check(Driver &driver, std::uintptr_t start, std::size_t bytes, bool write) {
  Lock lock(driver.mutex);
  return driver.addresses.find(start) == nullptr ? std::string() : driver.addresses.check(start, bytes, write);
}

Result run(Driver &, Device &, const EmptyWork &) {
  return {};
}

Result run(Driver &, Device &, const HostWork &) {
  return {};
}

Result run(Driver &driver, Device &device, const KernelWork &kernel) {
  if (kernel.fault != CUDA_SUCCESS) {
    return {kernel.fault, kernel.function->name + ": " +
                              (kernel.fault == CUDA_ERROR_LAUNCH_FAILED ? "the launch failed" : "the device was lost") +
                              ", as AIOS_CUDASIM_FAULTS asked"};
  }
  Launch launch;
  const Arguments &arguments = *kernel.arguments;
  launch.name = kernel.function->name.c_str();
  launch.grid = kernel.grid;
  launch.block = kernel.block;
  launch.cluster = kernel.cluster;
  launch.shared_bytes = kernel.shared_bytes;
  launch.cooperative = kernel.cooperative;
  if (KernelEntry entry = kernel.function->entry) {
    // The entry only reads through the pointers.
    launch.body = [entry, pointers = const_cast<void **>(arguments.pointers.data())] { entry(pointers); };
  } else {
    launch.body = arguments.closure;
  }
  {
    Lock lock(driver.mutex);
    launch.seed = device.random.next();
  }
  launch.count_conflicts = driver.settings.counters;
  Outcome outcome = run_grid(launch);
  if (driver.settings.counters) {
    Lock lock(driver.mutex);
    KernelCost &cost = driver.costs[kernel.function->name];
    ++cost.launches;
    cost.blocks += kernel.grid.volume();
    cost.counters += outcome.counters;
  }
  if (outcome.ok) {
    return {};
  }
  switch (outcome.fault) {
  case Fault::address:
    return {CUDA_ERROR_ILLEGAL_ADDRESS, outcome.message};
  case Fault::misaligned:
    return {CUDA_ERROR_MISALIGNED_ADDRESS, outcome.message};
  default:
    return {CUDA_ERROR_LAUNCH_FAILED, outcome.message};
  }
}

Result run(Driver &driver, Device &, const CopyWork &copy) {
  std::string why = check(driver, copy.to, copy.bytes, true);
  if (why.empty() && copy.staged == nullptr) {
    why = check(driver, copy.from, copy.bytes, false);
  }
  if (!why.empty()) {
    return illegal("copy", why);
  }
  const void *from = copy.staged != nullptr ? copy.staged->data() : reinterpret_cast<const void *>(copy.from);
  std::memmove(reinterpret_cast<void *>(copy.to), from, copy.bytes);
  return {};
}

Result run(Driver &driver, Device &, const FillWork &fill) {
  std::size_t row = fill.width * fill.element_bytes;
  std::size_t bytes = fill.height <= 1 ? row : (fill.height - 1) * fill.pitch + row;
  if (std::string why = check(driver, fill.to, bytes, true); !why.empty()) {
    return illegal("fill", why);
  }
  if (row == sizeof fill.value && fill.element_bytes == row && fill.height <= 1) {
    // Somebody may wait for the value.
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(fill.to), fill.value, __ATOMIC_RELEASE);
    return {};
  }
  for (std::size_t y = 0; y < fill.height; ++y) {
    std::byte *line = reinterpret_cast<std::byte *>(fill.to + y * fill.pitch);
    if (fill.element_bytes == 1) {
      std::memset(line, static_cast<int>(fill.value), row);
      continue;
    }
    for (std::size_t x = 0; x < row; x += fill.element_bytes) {
      std::memcpy(line + x, &fill.value, fill.element_bytes);
    }
  }
  return {};
}

Result run(Driver &driver, Device &device, const FreeWork &work) {
  Lock lock(driver.mutex);
  device.memory.give(driver.addresses.find(work.address)->bytes);
  driver.addresses.free(work.address);
  return {};
}

/// Threads for functions of the host: as many as are needed at a time, since one that blocks must not stop the others.
class HostThreads {
public:
  void run(std::function<void()> call) {
    std::unique_lock lock(mutex_);
    calls_.push_back(std::move(call));
    if (calls_.size() > idle_) {
      ++idle_;
      std::thread([this] { serve(); }).detach();
    }
    wake_.notify_one();
  }

private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return !calls_.empty(); });
      std::function<void()> call = std::move(calls_.front());
      calls_.pop_front();
      --idle_;
      lock.unlock();
      call();
      call = nullptr;
      lock.lock();
      ++idle_;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> calls_;
  std::size_t idle_ = 0;
};

} // namespace

Result execute(Driver &driver, Device &device, const Work &work) {
  return std::visit([&](const auto &what) { return run(driver, device, what); }, work);
}

void run_on_host(std::function<void()> call) {
  static HostThreads &threads = *new HostThreads; // its threads outlive everything
  threads.run(std::move(call));
}

} // namespace aios::sim::driver
