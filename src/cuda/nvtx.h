// NVTX ranges, where the build has them.
#pragma once

namespace vim::cuda {

void push_nvtx_range(const char* name);
void pop_nvtx_range();

}  // namespace vim::cuda
