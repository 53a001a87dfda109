// vim_bench ops: time of every kernel beside what copying its bytes, and its exponentials, would
// take at rates measured in the same run. Without LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/app_main.h"

namespace vim::apps {

struct BenchOpsOptions {
  std::string device = "auto";  // auto, cpu or cuda
  std::string dtype = "fp32";   // of activations: fp32, bf16 or fp16
  int64_t batch = 128;
  int64_t seqlen = 197;
  int64_t embed_dim = 192;  // d_inner is twice this
  int64_t d_state = 16;
  std::vector<std::string> ops;  // ops whose names begin so; empty: all
  int64_t repeats = 7;
  int64_t threads = 0;  // of the CPU; 0: all cores
  std::string json;     // file to write; empty: none
};

/// Adds the subcommand `ops`, which fills options.
CLI::App* add_bench_ops(CLI::App& app, BenchOpsOptions& options);

/// Measures and prints a line for each op; returns the exit code. Times are medians of `repeats`.
/// Throws vim::Error for a device that is not there and a name that no op has.
int bench_ops(const BenchOpsOptions& options);

}  // namespace vim::apps
