// The selective scan of every CPU backend against a double-precision oracle, and the oracle against
// central differences.
#include "kernels/selective_scan.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/backend.h"
#include "tests/kernels/scan_oracle.h"
#include "tests/kernels/scan_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::DType;

// max |a - b| / max |b|, as the golden data measure it; not finite where `actual` is not.
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

// One rounding to 16 bits costs half a unit in the last place of the largest value: 2^-9 or 2^-12
// of it; twice that leaves room for a value near a rounding boundary.
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

// Float limits are those of the golden data: 1e-5 for results, 5e-5 for gradients.
void check_close(
    const ScanCase& scan, const Tensors& actual, const Tensors& expected, double float_tolerance) {
  for (const auto& [name, values] : expected) {
    INFO(scan.name << ", backend " << kernels::current_cpu_backend() << ", tensor " << name);
    REQUIRE(actual.count(name) == 1);
    const double storage = has_float_storage(name) ? 0.0 : storage_tolerance(scan.dtype);
    CHECK(relative_error(actual.at(name), values) <= float_tolerance + storage);
  }
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

template <typename Change>
ScanCase with(ScanCase scan, const std::string& what, Change change) {
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

std::vector<ScanCase> all_cases() {
  std::vector<ScanCase> cases = size_cases();
  for (const auto& more : {option_cases(), storage_cases(), extreme_cases()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

// Runs `check` under every backend of this machine and goes back to the one selected before.
template <typename Check>
void for_each_backend(Check check) {
  const std::string before = kernels::current_cpu_backend();
  for (const std::string& name : kernels::cpu_backends()) {
    REQUIRE(kernels::select_cpu_backend(name));
    check();
  }
  kernels::select_cpu_backend(before);
}

double weighted_output(const ScanCase& scan, const Tensors& inputs) {
  const std::vector<double> out = oracle_scan_forward(scan, inputs).at("out");
  double sum = 0.0;
  for (size_t i = 0; i < out.size(); ++i) sum += out[i] * inputs.at("dout")[i];
  return sum;
}

}  // namespace

TEST_CASE("the scan's forward agrees with the double oracle on every backend") {
  for (const ScanCase& scan : all_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 1));
    const Tensors expected = oracle_scan_forward(scan, inputs);
    for_each_backend([&] { check_close(scan, run_scan_forward(scan, inputs), expected, 1e-5); });
  }
}

TEST_CASE("the scan's gradients agree with the double oracle on every backend") {
  for (const ScanCase& scan : all_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 2));
    const Tensors expected = oracle_scan_backward(scan, inputs);
    for_each_backend([&] { check_close(scan, run_scan_backward(scan, inputs), expected, 5e-5); });
  }
}

TEST_CASE("the scan's backward writes the forward's output again") {
  for (const ScanCase& scan : option_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 3));
    const Tensors expected = {{"out", oracle_scan_forward(scan, inputs).at("out")}};
    for_each_backend([&] { check_close(scan, run_scan_backward(scan, inputs), expected, 1e-5); });
  }
}

TEST_CASE("the scan is the same bit for bit however its rows are split and run again") {
  const ScanCase scan = with(sized(3, 100, 150, 16), "split", walk_both_ways);
  const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 4));
  for_each_backend([&] {
    INFO("backend " << kernels::current_cpu_backend());
    CHECK(run_scan_forward(scan, inputs) == run_scan_forward(scan, inputs, run_row_by_row));
    CHECK(run_scan_backward(scan, inputs) == run_scan_backward(scan, inputs, run_row_by_row));
  });
}

TEST_CASE("the gate defect hides the second direction from dz alone") {
  ScanCase scan = with(sized(1, 20, 9, 4), "gate defect", walk_both_ways);
  const Tensors inputs = make_scan_inputs(scan, 5);
  const Tensors exact = oracle_scan_backward(scan, inputs);
  scan.gate_defect = true;
  Tensors defect = oracle_scan_backward(scan, inputs);
  scan.num_directions = 1;
  CHECK(defect.at("dz") == oracle_scan_backward(scan, inputs).at("dz"));
  defect.at("dz") = exact.at("dz");
  CHECK(defect == exact);
}

TEST_CASE("the oracle's gradients are the central differences of its forward") {
  ScanCase scan = with(sized(2, 5, 4, 3), "central differences", walk_both_ways);
  scan.groups = 2;
  Tensors inputs = make_scan_inputs(scan, 6);
  const Tensors grads = oracle_scan_backward(scan, inputs);
  // The step balances rounding (1e-16 / step) and curvature (step^2): both are near 1e-10.
  constexpr double kStep = 1e-5;
  for (const auto& [name, grad] : grads) {
    std::vector<double>& values = inputs.at(name.substr(1));
    std::vector<double> differences;
    for (double& value : values) {
      const double kept = value;
      value = kept + kStep;
      const double above = weighted_output(scan, inputs);
      value = kept - kStep;
      const double below = weighted_output(scan, inputs);
      value = kept;
      differences.push_back((above - below) / (2.0 * kStep));
    }
    INFO(name);
    CHECK(relative_error(grad, differences) <= 1e-8);
  }
}

TEST_CASE("the scan refuses sizes it cannot run") {
  kernels::ScanParams params;
  params.batch = params.seqlen = 1;
  params.d_inner = 6;
  params.d_state = 257;
  CHECK_THROWS_AS(kernels::selective_scan_num_rows(params), std::invalid_argument);
  params.d_state = 16;
  params.groups = 4;
  CHECK_THROWS_AS(kernels::selective_scan_num_rows(params), std::invalid_argument);
  params.groups = 3;
  CHECK(kernels::selective_scan_num_rows(params) == 3);
}

}  // namespace vim::tests
