// Where vim_bench ops runs the kernels: memory, entries, a clock, and the rates that bound an op.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernels/cuda/entries.h"

namespace vim::apps {

struct BenchTraits {
  std::string name;                // what the rates belong to: the GPU, or threads and kernels
  size_t cache_bytes = 0;          // of the last-level cache; 0: unknown
  int64_t min_launches = 1;        // in one sample
  double sample_seconds = 0.0;     // a sample takes about this long, or min_launches
  bool keeps_ungated_sum = false;  // the scan's forward writes y, its backward reads it
};

/// Not thread-safe. Memory and launches belong to the device that gave them.
class BenchDevice {
 public:
  virtual ~BenchDevice() = default;

  virtual const BenchTraits& traits() const = 0;

  /// The kernels, to be called with stream().
  virtual const kernels::DeviceEntries& entries() const = 0;
  virtual void* stream() = 0;

  /// Returns memory aligned to 256 bytes, with undefined content.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* host, size_t bytes) = 0;

  /// Seconds that `count` calls of launch take, one after the other, on the device's own clock.
  virtual double seconds(int64_t count, const std::function<void()>& launch) = 0;

  /// Bytes read and written in a second by a copy much larger than the caches: the best of several.
  virtual double copy_bytes_per_second() = 0;

  /// The best of several; 0 where the kernels in use have no vectorised exponential to measure.
  virtual double exponentials_per_second() = 0;
};

/// The CPU kernels, rows shared over `threads` threads; 0: all cores.
std::unique_ptr<BenchDevice> make_cpu_device(int64_t threads);

/// The current GPU, or null where the program is built without CUDA kernels. Throws vim::Error
/// where no GPU is usable.
std::unique_ptr<BenchDevice> make_cuda_device();

/// False where make_cuda_device has nothing to give.
bool has_cuda_device();

}  // namespace vim::apps
