// The LibTorch side is the same in all builds.
#include "src/cuda/profile_range.h"

#include <ATen/record_function.h>

#include "src/cuda/nvtx.h"

namespace vim::cuda {

ProfileRange::ProfileRange(const char* name) {
  push_nvtx_range(name);
  auto callbacks = at::getStepCallbacksUnlessEmpty(at::RecordScope::USER_SCOPE);
  if (callbacks) {
    record_ = std::make_unique<at::RecordFunction>(std::move(*callbacks));
    record_->before(name);
  }
}

ProfileRange::~ProfileRange() {
  record_.reset();
  pop_nvtx_range();
}

}  // namespace vim::cuda
