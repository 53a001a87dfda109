// Kernels that need nothing but their parameters, wherever their tensors are.
#pragma once

#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"

namespace vim::ops {

/// Runs a kernel on the device of `tensor`: its entry on the current stream, e.g.
/// &DeviceEntries::image_batch, or on the CPU its twin, num_rows rows shared out over the intra-op
/// threads. Throws as DeviceCall and the kernel do.
template <typename Params>
void run_kernel(
    const at::Tensor& tensor,
    void (*kernels::DeviceEntries::*entry)(const Params&, void*),
    void (*twin)(const Params&, kernels::RowRange),
    int64_t num_rows,
    const Params& params) {
  const DeviceCall call(tensor);
  if (call.is_on_device()) {
    call.entry(entry)(params, call.stream());
    return;
  }
  parallel_rows(num_rows, [&](kernels::RowRange rows) { twin(params, rows); });
}

}  // namespace vim::ops
