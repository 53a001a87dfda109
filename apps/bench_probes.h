// Kernels that only the benchmark needs.
#pragma once

#include <cstdint>

namespace vim::apps {

/// Launches `blocks` blocks of threads that compute 2^x in registers over and over, with the
/// instruction that the kernels use; returns how many exponentials that makes. out: a float for
/// every thread (exp_probe_floats). stream is a cudaStream_t. Throws std::runtime_error if the
/// launch fails.
double launch_exp_probe(int64_t blocks, float* out, void* stream);

int64_t exp_probe_floats(int64_t blocks);

}  // namespace vim::apps
