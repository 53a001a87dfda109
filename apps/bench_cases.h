// The ops that vim_bench ops measures: one maker for each, which fills its arrays and says what it
// must move and compute. The bytes count every input once and every output once.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/bench_device.h"
#include "apps/bench_ops.h"
#include "kernels/types.h"

namespace vim::apps {

struct OpCase {
  nlohmann::ordered_json shape;
  double bytes = 0.0;
  double exponentials = 0.0;  // 0: not what could bound it
  std::function<void()> run;  // owns the arrays
};

struct CaseSetting {
  const BenchOpsOptions& options;
  kernels::DType dtype;  // of activations
  BenchDevice& device;
  uint64_t seed = 0;  // equal seeds give equal arrays
};

struct CaseMaker {
  const char* name;
  OpCase (*make)(const CaseSetting& setting);
};

/// The selective scan: both directions and gate as in the mixer; `_y` writes the sum for the
/// backward too, as training does on a GPU; `_keeping` and `_kept` write and read states on the way
/// besides; `_long` is one direction of one long sequence.
std::vector<CaseMaker> scan_cases(const BenchTraits& traits);

/// The other kernels.
std::vector<CaseMaker> layer_cases();

}  // namespace vim::apps
