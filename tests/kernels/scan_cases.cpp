// Cases of the scan tests.
#include "tests/kernels/scan_cases.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace vim::tests {

using kernels::DType;

double relative_error(const std::vector<double>& actual, const std::vector<double>& expected) {
  double difference = 0.0;
  double largest = 1e-6;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual[i])) return INFINITY;
    difference = std::max(difference, std::abs(actual[i] - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  return difference / largest;
}

double storage_tolerance(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 0.0;
    case DType::kBFloat16:
      return 0x1p-8;
    case DType::kFloat16:
      return 0x1p-11;
  }
  throw std::logic_error("unknown dtype");
}

bool has_float_storage(const std::string& name) {
  return name.rfind("last_state", 0) == 0 || name.rfind("dA", 0) == 0 || name.rfind("dD", 0) == 0 ||
         name.rfind("ddelta_bias", 0) == 0;
}

ScanCase sized(int64_t batch, int64_t seqlen, int64_t d_inner, int64_t d_state) {
  ScanCase scan;
  scan.batch = batch;
  scan.seqlen = seqlen;
  scan.d_inner = d_inner;
  scan.d_state = d_state;
  scan.name = "batch " + std::to_string(batch) + ", seqlen " + std::to_string(seqlen) +
              ", d_inner " + std::to_string(d_inner) + ", d_state " + std::to_string(d_state);
  return scan;
}

ScanCase with(
    ScanCase scan, const std::string& what, const std::function<void(ScanCase&)>& change) {
  scan.name = what + ": " + scan.name;
  change(scan);
  return scan;
}

void walk_both_ways(ScanCase& scan) {
  scan.num_directions = 2;
  scan.scale = 0.5F;
}

std::vector<ScanCase> size_cases() {
  return {
      sized(1, 1, 1, 1),
      sized(2, 1, 5, 16),
      sized(1, 2, 64, 8),
      sized(1, 2, 5, 256),
      sized(2, 63, 5, 5),
      sized(1, 64, 130, 16),
      sized(1, 65, 1, 64),
      sized(1, 65, 64, 256),
      sized(2, 197, 130, 1),
      sized(1, 197, 384, 16),
      sized(1, 2049, 5, 16),
      sized(1, 2049, 64, 5),
  };
}

std::vector<ScanCase> option_cases() {
  const ScanCase base = sized(2, 65, 70, 16);
  const ScanCase small = sized(2, 65, 12, 5);
  return {
      with(base, "no z", [](ScanCase& s) { s.has_z = false; }),
      with(base, "no D", [](ScanCase& s) { s.has_D = false; }),
      with(base, "no bias", [](ScanCase& s) { s.has_bias = false; }),
      with(
          base,
          "no softplus",
          [](ScanCase& s) {
            s.softplus = false;
            s.delta_min = 0.6;
          }),
      with(base, "plain", [](ScanCase& s) { s.has_z = s.has_D = s.has_bias = false; }),
      with(base, "reversed", [](ScanCase& s) { s.reversed = true; }),
      with(base, "both directions", walk_both_ways),
      with(
          base,
          "both directions, backward first, without z",
          [](ScanCase& s) {
            walk_both_ways(s);
            s.reversed = true;
            s.has_z = false;
          }),
      with(
          base,
          "gate defect",
          [](ScanCase& s) {
            walk_both_ways(s);
            s.gate_defect = true;
          }),
      with(
          base,
          "gradient of log(-A)",
          [](ScanCase& s) {
            walk_both_ways(s);
            s.dA_of_log = true;
          }),
      with(small, "three groups", [](ScanCase& s) { s.groups = 3; }),
      with(small, "a group per channel", [](ScanCase& s) { s.groups = s.d_inner; }),
      with(
          sized(1, 33, 140, 16),
          "two groups of a tile and a bit",
          [](ScanCase& s) {
            walk_both_ways(s);
            s.groups = 2;
          }),
      with(base, "strided", [](ScanCase& s) { s.padding = 3; }),
      with(
          small,
          "strided, both directions",
          [](ScanCase& s) {
            walk_both_ways(s);
            s.padding = 7;
          }),
  };
}

std::vector<ScanCase> storage_cases() {
  std::vector<ScanCase> cases;
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    const std::string name = dtype == DType::kBFloat16 ? "bf16" : "f16";
    const auto store = [dtype](ScanCase& s) {
      walk_both_ways(s);
      s.dtype = dtype;
    };
    cases.push_back(with(sized(1, 65, 70, 16), name, store));
    cases.push_back(with(sized(2, 50, 5, 5), name, store));
    cases.push_back(with(sized(1, 3, 130, 64), name + ", strided", [store](ScanCase& s) {
      store(s);
      s.padding = 5;
    }));
  }
  return cases;
}

std::vector<ScanCase> extreme_cases() {
  const ScanCase base = sized(1, 40, 20, 16);
  return {
      with(base, "delta above the softplus limit", [](ScanCase& s) { s.delta_max = 40.0; }),
      with(
          base,
          "vanishing delta",
          [](ScanCase& s) {
            s.delta_min = -30.0;
            s.delta_max = -8.0;
          }),
      with(
          base,
          "delta of 1e4 and A of -1e4",
          [](ScanCase& s) {
            s.delta_min = 5e3;
            s.delta_max = 1e4;
            s.a_min = 5e3;
            s.a_max = 1e4;
          }),
      with(
          base,
          "decays down to the smallest floats",
          [](ScanCase& s) {
            s.delta_min = 0.5;
            s.delta_max = 1.0;
            s.a_max = 200.0;
          }),
      with(
          base,
          "growing states",
          [](ScanCase& s) {
            s.a_min = -0.3;
            s.a_max = 0.3;
          }),
  };
}

std::vector<ScanCase> all_scan_cases() {
  std::vector<ScanCase> cases = size_cases();
  for (const auto& more : {option_cases(), storage_cases(), extreme_cases()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

ScanCase bundled_case() {
  return with(sized(100, 9, 192, 16), "bundles, float", [](ScanCase& s) {
    walk_both_ways(s);
    s.groups = 2;
  });
}

void model_like(ScanCase& scan) {
  walk_both_ways(scan);
  scan.dtype = DType::kBFloat16;
}

ScanCase lane_chunks_case() {
  return with(sized(20, 1125, 8, 16), "lanes and chunks, bf16", model_like);
}

std::vector<ScanCase> team_cases() {
  return {
      with(sized(135, 97, 8, 16), "teams, bf16", model_like),
      with(sized(202, 19, 12, 16), "pairs, float", walk_both_ways),
      with(sized(202, 35, 8, 16), "pairs, bf16", model_like),
      with(
          sized(404, 18, 8, 16),
          "pairs, one direction",
          [](ScanCase& s) {
            s.dtype = DType::kFloat16;
            s.reversed = true;
          }),
      with(sized(2, 259, 8, 16), "teams with a helper, bf16", model_like),
      with(sized(1, 282, 12, 16), "teams with a helper, float", walk_both_ways),
      with(
          sized(3, 274, 8, 16),
          "teams with a helper, one direction",
          [](ScanCase& s) {
            s.dtype = DType::kFloat16;
            s.reversed = true;
          }),
      with(
          sized(65, 3, 32, 16),
          "teams with a helper, few tokens",
          [](ScanCase& s) { s.dtype = DType::kBFloat16; }),
      with(sized(130, 35, 8, 16), "pairs with a helper, bf16", model_like),
      with(sized(162, 19, 12, 16), "pairs with a helper, float", walk_both_ways),
      with(sized(54, 1, 72, 16), "pairs with a helper, one token", model_like),
      with(sized(324, 18, 8, 16), "pairs with a helper, one direction", [](ScanCase& s) {
        s.dtype = DType::kFloat16;
        s.reversed = true;
      })};
}

namespace {

// The forward's forms for few rows: whole sequences a block, with 8 and 4 lanes a channel; four
// lanes a channel, with part of a tile; pairs, with and without cuts; a lane a channel where cuts
// make many warps. team_cases() has those with a helper.
std::vector<ScanCase> few_row_cases() {
  return {
      with(sized(2, 21, 96, 16), "blocks, 8 lanes, float", walk_both_ways),
      with(
          sized(2, 37, 64, 16),
          "blocks, 8 lanes, one direction",
          [](ScanCase& s) {
            s.dtype = DType::kFloat16;
            s.reversed = true;
          }),
      with(sized(6, 9, 96, 16), "blocks, 4 lanes, bf16", model_like),
      with(
          sized(7, 9, 80, 16),
          "blocks, 4 lanes, two groups",
          [](ScanCase& s) {
            model_like(s);
            s.groups = 2;
          }),
      with(sized(27, 1, 72, 16), "teams, one token", model_like),
      with(sized(27, 11, 76, 16), "teams, float", walk_both_ways),
      with(
          sized(130, 23, 8, 16),
          "teams, one direction",
          [](ScanCase& s) {
            s.dtype = DType::kFloat16;
            s.reversed = true;
          }),
      with(sized(68, 1, 72, 16), "pairs, one token", model_like),
      with(sized(1, 450, 40, 16), "pairs and chunks, bf16", model_like),
      lane_chunks_case(),
      with(sized(1, 130, 10, 16), "chunks of an odd width", walk_both_ways),
  };
}

}  // namespace

std::vector<ScanCase> device_form_cases() {
  std::vector<ScanCase> cases = {
      with(
          sized(3, 45, 72, 16),
          "sums in tf32",
          [](ScanCase& s) {
            walk_both_ways(s);
            s.tf32_sums = true;
          }),
      with(sized(1, 900, 40, 16), "chunks, both directions", walk_both_ways),
      with(sized(1, 500, 24, 40), "chunks, lanes, segments", walk_both_ways),
      with(sized(75, 3, 257, 16), "many rows", walk_both_ways),
      with(sized(75, 3, 264, 16), "many rows, plain, bf16", model_like),
      with(sized(1, 230, 96, 16), "few rows, plain, bf16", model_like),
      bundled_case(),
      with(
          sized(140, 9, 192, 16),
          "bundles, bf16",
          [&](ScanCase& s) {
            model_like(s);
            s.groups = 2;
          }),
  };
  for (const auto& more : {few_row_cases(), team_cases()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

}  // namespace vim::tests
