// Work that a backward leaves for later: gradients of parameters, which nothing reads before the
// optimizer. On a GPU it runs on a stream of its own beside the layers that follow.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "src/ops/device_call.h"

namespace vim::ops {

/// While it lives, run_aside takes work of this device to another stream. One at a time for each
/// device. On the CPU it does nothing.
class AsideScope {
 public:
  /// most_under_way: works whose inputs are held although the current stream has not waited for
  /// them yet. More lets them run further behind, and costs memory.
  AsideScope(const at::Device& device, size_t most_under_way);
  AsideScope(const AsideScope&) = delete;
  AsideScope& operator=(const AsideScope&) = delete;
  ~AsideScope();

  /// Lets the current stream wait for all work so far. Without it, as after an error, nothing does.
  void join();

 private:
  at::Device device_;
};

/// Does `work`, which reads `inputs` as they are at this point of the current stream. Within an
/// AsideScope of their device: on another stream, one work after another; the inputs are held until
/// then, and until the join nothing else may touch what the work writes. Else here and now.
void run_aside(const std::vector<at::Tensor>& inputs, const std::function<void()>& work);

/// The second phase of a device's backward, entry(params), where it may wait by run_aside; else
/// here and now. inputs: the workspace, whose partial sums it adds, and what else it reads.
template <typename Params>
void run_reduce(
    bool may_wait,
    const std::vector<at::Tensor>& inputs,
    void (*kernels::DeviceEntries::*entry)(const Params& params, void* stream),
    const Params& params) {
  const auto work = [&] {
    const DeviceCall call(inputs[0]);
    call.entry(entry)(params, call.stream());
  };
  may_wait ? run_aside(inputs, work) : work();
}

}  // namespace vim::ops
