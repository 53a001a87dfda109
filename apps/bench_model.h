// vim_bench model: time and memory of inference and of a training step, beside what the machine's
// matrix product allows; on a GPU both eagerly and as a CUDA graph.
#pragma once

#include <cstdint>
#include <string>

namespace vim::apps {

struct BenchModelOptions {
  std::string preset = "vim_tiny";
  std::string precision = "fp32";   // fp32, bf16 or fp16
  std::string device = "auto";      // auto, cpu or cuda
  std::string recompute = "cheap";  // none, cheap, mixer or block: of the training step
  bool tf32 = false;
  bool inference_only = false;
  std::string backend;  // a CPU kernel backend; empty: the best
  int64_t batch = 4;
  int64_t img_size = 0;  // 0: the preset's
  int64_t threads = 0;   // 0: all cores
  int64_t repeats = 3;
  std::string json;  // file to write; empty: none
};

/// Measures and prints one table; returns the exit code. Each figure is the fastest of `repeats`.
int bench_model(const BenchModelOptions& options);

}  // namespace vim::apps
