// vim_bench model: time of inference and of a training step, beside what the machine's matrix
// product allows.
#pragma once

#include <cstdint>
#include <string>

namespace vim::apps {

struct BenchModelOptions {
  std::string preset = "vim_tiny";
  std::string precision = "fp32";  // fp32 or bf16
  std::string backend;             // a CPU kernel backend; empty: the best
  int64_t batch = 4;
  int64_t threads = 0;  // 0: all cores
  int64_t repeats = 3;
  std::string json;  // file to write; empty: none
};

/// Measures and prints one table; returns the exit code. Each figure is the fastest of `repeats`.
int bench_model(const BenchModelOptions& options);

}  // namespace vim::apps
