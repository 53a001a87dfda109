// The vectorised exponential of the CPU kernels, alone.
#pragma once

#include <cstdint>

namespace vim::apps {

/// Computes the scan's 2^x over and over in registers, on the calling thread, with the instructions
/// of the backend in use (kernels/backend.h); returns how many. *out gets a value that depends on
/// all of them.
int64_t compute_exponentials(int64_t rounds, float* out);

}  // namespace vim::apps
