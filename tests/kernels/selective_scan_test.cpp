// The selective scan of every CPU backend against a double-precision oracle, and the oracle against
// central differences.
#include "kernels/selective_scan.h"

#include <stdexcept>

#include "kernels/backend.h"
#include "tests/kernels/scan_cases.h"
#include "tests/kernels/scan_oracle.h"
#include "tests/kernels/scan_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

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
  for (const ScanCase& scan : all_scan_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 1));
    const Tensors expected = oracle_scan_forward(scan, inputs);
    for_each_backend([&] { check_close(scan, run_scan_forward(scan, inputs), expected, 1e-5); });
  }
}

TEST_CASE("the scan's gradients agree with the double oracle on every backend") {
  for (const ScanCase& scan : all_scan_cases()) {
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
