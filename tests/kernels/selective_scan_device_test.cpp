// The scan's CUDA entries against the double oracle, on the GPU (VIM_TEST_CUDA) or emulated: the
// cases of the CPU test, at the golden limits for a GPU.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>

#include "tests/emulation/emulation.h"
#include "tests/kernels/scan_arrays.h"
#include "tests/kernels/scan_cases.h"
#include "tests/kernels/scan_mirror.h"
#include "tests/kernels/scan_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

using kernels::DType;

Tensors forward_on(
    const KernelDevice& device, const ScanCase& scan, const Tensors& inputs, bool keeps_y) {
  ScanArrays arrays(scan, inputs);
  arrays.add_last_states();
  if (keeps_y) arrays.add_y();
  kernels::ScanParams params = arrays.params();
  ScanMirror mirror(device, arrays);
  mirror.translate(params);
  params.workspace =
      mirror.arena().workspace(device.entries.selective_scan_forward_workspace_size(params));
  device.entries.selective_scan_forward(params, nullptr);
  mirror.arena().download_all();
  return arrays.results();
}

// y: what a forward with y left, or null.
Tensors backward_on(
    const KernelDevice& device,
    const ScanCase& scan,
    const Tensors& inputs,
    const std::vector<double>* y = nullptr) {
  ScanArrays arrays(scan, inputs);
  if (y != nullptr) arrays.add_y(y);
  kernels::ScanBackwardParams params = arrays.backward_params();
  ScanMirror mirror(device, arrays);
  mirror.translate(params);
  params.workspace =
      mirror.arena().workspace(device.entries.selective_scan_backward_workspace_size(params));
  device.entries.selective_scan_backward(params, nullptr);
  device.entries.selective_scan_backward_reduce(params, nullptr);
  mirror.arena().download_all();
  return arrays.results();
}

// The same from states that a forward kept; these sizes must be such that it does.
Tensors backward_from_kept_on(
    const KernelDevice& device, const ScanCase& scan, const Tensors& inputs) {
  ScanArrays arrays(scan, inputs);
  arrays.add_y();
  kernels::ScanBackwardParams params = arrays.backward_params();
  ScanMirror mirror(device, arrays);
  mirror.translate(params);
  const size_t bytes = device.entries.selective_scan_kept_states_size(params.forward);
  REQUIRE(bytes > 0);
  params.forward.kept_states = mirror.arena().workspace(bytes);
  device.entries.selective_scan_forward(params.forward, nullptr);
  params.workspace =
      mirror.arena().workspace(device.entries.selective_scan_backward_workspace_size(params));
  device.entries.selective_scan_backward(params, nullptr);
  device.entries.selective_scan_backward_reduce(params, nullptr);
  mirror.arena().download_all();
  return arrays.results();
}

// What results cost beyond one rounding of them. In 16 bits, or on request, dB and dC are summed by
// tensor cores from factors of 10 mantissa bits, cut off: each is up to 2^-10 too small. out and dz
// come from sums over the directions that were themselves stored, once (dz) or twice (out).
double inner_tolerance(const ScanCase& scan, const std::string& name) {
  if (name == "out" || name == "dz") return storage_tolerance(scan.dtype);
  const bool is_exact = scan.dtype == DType::kFloat32 && !scan.tf32_sums;
  const bool is_sum = name.rfind("dB", 0) == 0 || name.rfind("dC", 0) == 0;
  return is_sum && !is_exact ? 0x1p-9 : 0.0;
}

void check_close(
    const ScanCase& scan, const Tensors& actual, const Tensors& expected, double float_tolerance) {
  for (const auto& [name, values] : expected) {
    INFO(scan.name << ", tensor " << name);
    REQUIRE(actual.count(name) == 1);
    const double storage = has_float_storage(name) ? 0.0 : storage_tolerance(scan.dtype);
    CHECK(
        relative_error(actual.at(name), values) <=
        float_tolerance + storage + inner_tolerance(scan, name));
  }
}

// The emulation leaves out what takes it seconds; the GPU runs every case.
std::vector<ScanCase> device_cases() {
  std::vector<ScanCase> cases = all_scan_cases();
  for (const ScanCase& scan : device_form_cases()) cases.push_back(scan);
#ifndef VIM_TEST_CUDA
  const auto is_slow = [](const ScanCase& s) {
    return s.batch * s.seqlen * s.d_inner * s.d_state > 400'000;
  };
  cases.erase(std::remove_if(cases.begin(), cases.end(), is_slow), cases.end());
  cases.push_back(with(sized(75, 1, 264, 16), "many rows, plain, float", walk_both_ways));
  cases.push_back(with(sized(150, 19, 72, 16), "many rows, plain, tiles", walk_both_ways));
  for (const ScanCase& scan : team_cases()) cases.push_back(scan);
  cases.push_back(lane_chunks_case());
  cases.push_back(bundled_case());
#endif
  return cases;
}

constexpr double kOutLimit = 2e-5;  // the golden limits for float on a GPU
constexpr double kGradLimit = 1e-4;

void check_forward(const KernelDevice& device) {
  for (const ScanCase& scan : device_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 1));
    const Tensors expected = oracle_scan_forward(scan, inputs);
    check_close(scan, forward_on(device, scan, inputs, false), expected, kOutLimit);
    check_close(scan, forward_on(device, scan, inputs, true), expected, kOutLimit);
  }
}

// Inputs whose delta, for the oracle, is the product of factors that the kernel gets. The factors
// are few quarters, so that delta is exact in every storage type.
Tensors make_factors(const ScanCase& scan, int64_t rank) {
  Tensors inputs = make_scan_inputs(scan, 4);
  std::mt19937 random(5);
  std::uniform_int_distribution<int> quarters(-2, 2);
  const auto draw = [&](int64_t size) {
    std::vector<double> values(size);
    for (double& value : values) value = quarters(random) / 4.0;
    return values;
  };
  const int64_t tokens = scan.batch * scan.seqlen;
  for (const std::string suffix : {"0", "1"}) {
    const std::vector<double> input = inputs["dt_input" + suffix] = draw(tokens * rank);
    const std::vector<double> weight = inputs["dt_weight" + suffix] = draw(scan.d_inner * rank);
    for (int64_t i = 0; i < tokens * scan.d_inner; ++i) {
      const double* left = &input[i / scan.d_inner * rank];
      const double* right = &weight[i % scan.d_inner * rank];
      inputs.at("delta" + suffix)[i] = std::inner_product(left, left + rank, right, 0.0);
    }
  }
  return round_to_storage(scan, inputs);
}

struct ProjectionSizes {
  int64_t batch;
  int64_t seqlen;
  int64_t d_inner;
  int64_t rank;  // in bfloat16; 8 in float16
};

// A size for each form of the forward.
std::vector<ProjectionSizes> projection_sizes() {
#ifdef VIM_TEST_CUDA
  constexpr int64_t kFewTokens = 37;
#else
  constexpr int64_t kFewTokens = 3;
#endif
  return {
      {1, 37, 136, 24},           // blocks, 8 lanes
      {6, 11, 136, 24},           // blocks, 4 lanes
      {1, 263, 136, 16},          // teams with a helper
      {36, kFewTokens, 136, 16},  // pairs with a helper
      {8, 37, 136, 16},           // teams
      {40, kFewTokens, 136, 16},  // pairs
      {95, kFewTokens, 136, 16},  // lanes
  };
}

void check_projection(const KernelDevice& device) {
  for (const ProjectionSizes& sizes : projection_sizes()) {
    for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
      const int64_t rank = dtype == DType::kBFloat16 ? sizes.rank : 8;
      ScanCase scan = with(
          sized(sizes.batch, sizes.seqlen, sizes.d_inner, 16), "factors of delta", walk_both_ways);
      scan.dtype = dtype;
      scan.name += ", rank " + std::to_string(rank);
      const Tensors inputs = make_factors(scan, rank);
      const Tensors expected = oracle_scan_forward(scan, inputs);
      check_close(scan, forward_on(device, scan, inputs, true), expected, kOutLimit);
    }
  }
}

// Wider products than a walk by tiles makes, and a cut sequence, which would make them twice.
void check_refused_projection(const KernelDevice& device) {
  for (const auto& [sizes, what] :
       {std::pair(ProjectionSizes{8, 5, 136, 24}, "rank"),
        std::pair(ProjectionSizes{1, 450, 40, 16}, "chunks")}) {
    ScanCase scan = with(sized(sizes.batch, sizes.seqlen, sizes.d_inner, 16), what, walk_both_ways);
    scan.dtype = DType::kBFloat16;
    const Tensors inputs = make_factors(scan, sizes.rank);
    INFO(scan.name);
    CHECK_THROWS_AS(forward_on(device, scan, inputs, false), std::invalid_argument);
  }
}

void check_backward(const KernelDevice& device) {
  for (const ScanCase& scan : device_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 2));
    Tensors expected = oracle_scan_backward(scan, inputs);
    expected["out"] = oracle_scan_forward(scan, inputs).at("out");
    check_close(scan, backward_on(device, scan, inputs), expected, kGradLimit);
    const std::vector<double> y = forward_on(device, scan, inputs, true).at("y");
    check_close(scan, backward_on(device, scan, inputs, &y), expected, kGradLimit);
  }
}

// The model's own case in every storage type; the middle of the sequence, where the directions
// meet, lies within a tile.
std::vector<ScanCase> kept_cases() {
#ifdef VIM_TEST_CUDA
  constexpr int64_t kTokens = 197;
#else
  constexpr int64_t kTokens = 19;
#endif
  std::vector<ScanCase> cases;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    cases.push_back(with(sized(117, kTokens, 72, 16), "kept states", walk_both_ways));
    cases.back().dtype = dtype;
  }
  cases.insert(cases.begin(), cases.front());
  cases.front().tf32_sums = true;
  return cases;
}

// What comes from states carries their rounding.
void check_kept(const KernelDevice& device) {
  for (const ScanCase& scan : kept_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 6));
    Tensors expected = oracle_scan_backward(scan, inputs);
    expected["out"] = oracle_scan_forward(scan, inputs).at("out");
    check_close(
        scan,
        backward_from_kept_on(device, scan, inputs),
        expected,
        kGradLimit + storage_tolerance(scan.dtype));
  }
}

// A state of about 1e5, which float16 does not hold, that no output or gradient sees much of.
void check_large_kept(const KernelDevice& device) {
  ScanCase scan = kept_cases().back();
  REQUIRE(scan.dtype == DType::kFloat16);
  Tensors inputs = make_scan_inputs(scan, 7);
  for (int64_t channel = 0; channel < scan.d_inner; ++channel) {
    inputs.at("u0")[channel] = 400.0;
    inputs.at("A0")[channel * scan.d_state] = -1e-3;
  }
  inputs.at("B0")[0] = 400.0;
  std::vector<double>& C = inputs.at("C0");
  for (size_t i = 0; i < C.size(); i += scan.d_state) C[i] = 0.0;
  for (double& dout : inputs.at("dout")) dout *= 1e-3;
  inputs = round_to_storage(scan, inputs);
  const auto states = oracle_scan_forward(scan, inputs).at("last_state0");
  CHECK(*std::max_element(states.begin(), states.end()) > 65504.0);
  for (const auto& [name, values] : backward_from_kept_on(device, scan, inputs)) {
    INFO(name);
    const auto is_finite = [](double value) { return std::isfinite(value); };
    CHECK(std::all_of(values.begin(), values.end(), is_finite));
  }
}

#ifdef VIM_TEST_CUDA
TEST_CASE("the scan's forward on the GPU agrees with the double oracle", "[scan][gpu]") {
  if (const KernelDevice* device = cuda_device()) check_forward(*device);
}

TEST_CASE("the scan's gradients on the GPU agree with the double oracle", "[scan][gpu]") {
  if (const KernelDevice* device = cuda_device()) check_backward(*device);
}

TEST_CASE("the scan on the GPU makes delta from its factors", "[scan][gpu]") {
  if (const KernelDevice* device = cuda_device()) {
    check_projection(*device);
    check_refused_projection(*device);
  }
}

TEST_CASE("the scan's gradients on the GPU from kept states", "[scan][gpu]") {
  if (const KernelDevice* device = cuda_device()) {
    check_kept(*device);
    check_large_kept(*device);
  }
}

TEST_CASE("the scan on the GPU gives the same bits every time", "[scan][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const ScanCase& scan : device_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 3));
    INFO(scan.name);
    CHECK(forward_on(*device, scan, inputs, true) == forward_on(*device, scan, inputs, true));
    CHECK(backward_on(*device, scan, inputs) == backward_on(*device, scan, inputs));
  }
  for (const ScanCase& scan : kept_cases()) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 3));
    const Tensors once = backward_from_kept_on(*device, scan, inputs);
    CHECK(backward_from_kept_on(*device, scan, inputs) == once);
  }
}
#else
TEST_CASE("the emulated scan's forward agrees with the double oracle", "[scan][emulated]") {
  emulation::set_seed(1);
  check_forward(emulated_device());
}

TEST_CASE(
    "the emulated scan's gradients agree with the double oracle",
    "[scan][scan_gradients][emulated]") {
  emulation::set_seed(2);
  check_backward(emulated_device());
}

TEST_CASE("the emulated scan makes delta from its factors", "[scan][emulated]") {
  emulation::set_seed(3);
  check_projection(emulated_device());
  check_refused_projection(emulated_device());
}

TEST_CASE("the emulated scan's gradients from kept states", "[scan][emulated]") {
  emulation::set_seed(4);
  check_kept(emulated_device());
  check_large_kept(emulated_device());
}

TEST_CASE("the emulated scan gives the same bits in every order", "[scan][emulated]") {
  for (const ScanCase& scan :
       {with(sized(2, 50, 70, 16), "both directions", walk_both_ways),
        with(sized(2, 50, 72, 16), "blocks", model_like),
        with(sized(135, 19, 8, 16), "teams", model_like),
        with(sized(202, 19, 8, 16), "pairs", model_like),
        with(sized(1, 259, 8, 16), "teams with a helper", model_like),
        with(sized(162, 19, 8, 16), "pairs with a helper", model_like),
        with(sized(1, 450, 10, 40), "chunks and segments", walk_both_ways)}) {
    const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 3));
    emulation::set_seed(1);
    const Tensors forward = forward_on(emulated_device(), scan, inputs, true);
    const Tensors backward = backward_on(emulated_device(), scan, inputs);
    for (const uint64_t seed : {2, 3}) {
      emulation::set_seed(seed);
      INFO(scan.name << ", seed " << seed);
      CHECK(forward_on(emulated_device(), scan, inputs, true) == forward);
      CHECK(backward_on(emulated_device(), scan, inputs) == backward);
    }
  }
}

TEST_CASE("the CUDA scan refuses what it cannot run, before any launch", "[scan][emulated]") {
  const auto& forward = emulated_device().entries.selective_scan_forward;
  kernels::ScanParams params;
  params.batch = params.seqlen = params.d_inner = 1;
  params.d_state = 257;
  CHECK_THROWS_AS(forward(params, nullptr), std::invalid_argument);
  params.d_state = 16;
  params.num_directions = 2;  // both walk forward
  CHECK_THROWS_AS(forward(params, nullptr), std::invalid_argument);
  params.num_directions = 1;
  params.dt_rank = 16;  // one row: delta must be given
  CHECK_THROWS_AS(forward(params, nullptr), std::invalid_argument);
  params.dt_rank = 0;
  float states = 0.0F;  // one row keeps none
  params.kept_states = &states;
  CHECK(emulated_device().entries.selective_scan_kept_states_size(params) == 0);
  CHECK_THROWS_AS(forward(params, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
