// vim_bench loader: images a second of the data pipeline on the CPU, beside a bare decoder on the
// same files. Without LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/app_main.h"

namespace vim::apps {

struct BenchLoaderOptions {
  std::string data;              // an image folder
  std::vector<int64_t> threads;  // empty: 1 and, where the machine has more cores, 2
  std::string decode = "both";   // exact, fast or both
  int64_t repeats = 5;           // of which the fastest counts
  std::string json;              // file to write; empty: none
};

/// Adds the subcommand `loader`, which fills options.
CLI::App* add_bench_loader(CLI::App& app, BenchLoaderOptions& options);

/// Measures and prints a line for each thread count and way of decoding; returns the exit code.
/// Throws vim::Error for a data set that cannot be read.
int bench_loader(const BenchLoaderOptions& options);

}  // namespace vim::apps
