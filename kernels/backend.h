// Which CPU implementation the kernel entries run: the scalar specification, or the vectorised one
// for one Highway target. By default the best target of this machine.
#pragma once

#include <string>
#include <vector>

namespace vim::kernels {

/// Names usable on this machine, the scalar one first, then Highway targets from narrow to wide:
/// "scalar", "SSE2", "SSSE3", "SSE4", "AVX2", "AVX3", ...
std::vector<std::string> cpu_backends();

/// Selects the implementation for the whole process. Returns false, changing nothing, for a name
/// that cpu_backends() does not list. Not to be called while a kernel runs.
bool select_cpu_backend(const std::string& name);

/// Name of the implementation now selected.
std::string current_cpu_backend();

}  // namespace vim::kernels
