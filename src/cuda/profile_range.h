// Named ranges that profilers show.
#pragma once

#include <memory>

namespace at {
struct RecordFunction;
}

namespace vim::cuda {

/// A named stretch of the calling thread's time, from construction to destruction: a user scope of
/// LibTorch's profiler and, in builds with libtorch_cuda, an NVTX range for Nsight. Ranges nest.
/// While nobody profiles it costs tens of nanoseconds.
class ProfileRange {
 public:
  explicit ProfileRange(const char* name);
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;
  ~ProfileRange();

 private:
  std::unique_ptr<at::RecordFunction> record_;  // null while LibTorch's profiler is off
};

}  // namespace vim::cuda
