// The memory that a benchmark took.
#pragma once

#include <c10/core/Device.h>

namespace vim::apps {

/// MiB: on a GPU what tensors took at most since cuda::reset_peak_memory, on the CPU the whole
/// process since its start.
double peak_memory_mib(const c10::Device& device);

}  // namespace vim::apps
