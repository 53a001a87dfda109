// vim_bench train: the speed of the training loop on a run's own data, beside what its step and its
// loader do alone.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace vim::apps {

struct BenchTrainOptions {
  std::string config;
  std::vector<std::string> overrides;
  int64_t steps = 20;  // measured, of each of the three
  int64_t warmup = 5;  // before; enough for a graph to be captured
  std::string json;    // file to write; empty: none
};

/// Adds the subcommand `train`, which fills options.
CLI::App* add_bench_train(CLI::App& app, BenchTrainOptions& options);

/// Measures and prints a line for each figure; returns the exit code. Writes nothing but the JSON
/// file. Throws vim::Error as vim_train does.
int bench_train(const BenchTrainOptions& options);

}  // namespace vim::apps
