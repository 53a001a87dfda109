// The toolkit's header alone: without a profiler each call is a test of one pointer.
#include "src/cuda/nvtx.h"

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define VIM_HAS_NVTX
#endif

namespace vim::cuda {

#ifdef VIM_HAS_NVTX
void push_nvtx_range(const char* name) { nvtxRangePushA(name); }
void pop_nvtx_range() { nvtxRangePop(); }
#else
void push_nvtx_range(const char*) {}
void pop_nvtx_range() {}
#endif

}  // namespace vim::cuda
