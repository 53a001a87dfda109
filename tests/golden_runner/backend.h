// What a case runs on: one of the CPU's kernel backends, the CUDA kernels emulated on the host
// ("cuda-emulated"), or a GPU ("cuda"), where this build and this machine have one.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace vim::golden {

/// Every CPU backend of this machine, then cuda-emulated, then cuda if there is a device.
std::vector<std::string> kernel_backends();

/// Selects one for the cases to come.
void select_backend(const std::string& name);

/// Where cases put their tensors.
c10::Device device();

/// The limit that the golden README sets: its column for the CPU, or, for the CUDA kernels emulated
/// or not, its column for GPUs.
double limit(double on_cpu, double on_gpu);

inline constexpr const char* kScalar = "scalar";
inline constexpr const char* kEmulated = "cuda-emulated";
inline constexpr const char* kCuda = "cuda";

}  // namespace vim::golden
