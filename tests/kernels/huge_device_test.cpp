// Tensors of more than 2^31 elements on the GPU. A few samples are random, at both ends and where
// offsets in bytes or in elements leave 32 bits; all others are 0. What the kernels leave must be
// the definition's results over the random samples alone, and 0 everywhere else. Hidden, for they
// take up to 80 GB and a minute: kernels_cuda_test "[huge]".
#include "tests/kernels/conv_problem.h"
#include "tests/kernels/norm_problem.h"
#include "tests/kernels/scan_arrays.h"
#include "tests/kernels/scan_cases.h"
#include "tests/kernels/scan_problem.h"
#include "tests/kernels/sparse_arena.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

using kernels::DType;

constexpr int64_t kManyElements = int64_t{1} << 31;
constexpr size_t kGigabyte = size_t{1} << 30;
// A wrong address gives errors as large as the values themselves; a few roundings to bfloat16, of
// 2^-9 each, stay below this.
constexpr double kStoredLimit = 0.01;
constexpr double kFloatLimit = 1e-4;  // the golden limit for float gradients on a GPU

// A tensor of `count` samples of `sample_size` elements, a little more than 2^31 of them, and the
// six samples of it that are random.
struct HugeShape {
  int64_t sample_size;
  int64_t count;
  std::vector<int64_t> places;

  explicit HugeShape(int64_t elements_of_sample)
      : sample_size(elements_of_sample), count(kManyElements / elements_of_sample + 100) {
    const int64_t half = kManyElements / 2 / sample_size;  // 2^31 bytes begin in it
    const int64_t whole = kManyElements / sample_size;     // 2^31 elements begin in it
    places = {0, half, half + 1, whole, whole + 1, count - 1};
  }

  int64_t num_places() const { return static_cast<int64_t>(places.size()); }
};

// The samples of a result, copied into the host's array; the others are checked to be 0.
void fetch(const SparseArena& arena, const void* device, TokenArray& host, size_t sample_bytes) {
  arena.gather(device, host.mutable_view().data, sample_bytes);
  CHECK(arena.others_are_zero(device, sample_bytes, SparseArena::kHalfSigns));
}

void fetch(
    const SparseArena& arena, const void* device, std::vector<float>& host, size_t sample_bytes) {
  arena.gather(device, host.data(), sample_bytes);
  CHECK(arena.others_are_zero(device, sample_bytes, SparseArena::kFloatSign));
}

void fetch_sums(const void* device, std::vector<float>& host) {
  const size_t bytes = host.size() * sizeof(float);
  SparseArena(1, {0}).gather(device, host.data(), bytes);
}

void run_huge_norm(const kernels::DeviceEntries& entries, const HugeShape& shape, NormRun& run) {
  SparseArena arena(shape.count, shape.places);
  const size_t stored = static_cast<size_t>(shape.sample_size) * 2;
  const size_t wide = static_cast<size_t>(shape.sample_size) * sizeof(float);
  kernels::AddNormParams forward = run.forward;
  forward.rows = shape.count;
  forward.x = arena.spread(run.x.view().data, stored);
  forward.residual = static_cast<float*>(arena.spread(run.residual.data(), wide));
  forward.weight = static_cast<float*>(arena.copy(run.weight.data(), wide));
  forward.out = arena.results(stored);
  forward.residual_out = static_cast<float*>(arena.results(wide));
  entries.add_norm_forward(forward, nullptr);
  fetch(arena, forward.out, run.out, stored);
  fetch(arena, forward.residual_out, run.v, wide);

  kernels::AddNormBackwardParams backward;
  backward.forward = forward;
  backward.v = forward.residual_out;
  backward.dout = arena.spread(run.dout.view().data, stored);
  backward.dresidual = static_cast<float*>(arena.spread(run.dresidual.data(), wide));
  backward.dx = arena.results(stored);
  backward.dv = static_cast<float*>(arena.results(wide));
  backward.dweight = static_cast<float*>(arena.unwritten(wide));
  backward.workspace = arena.unwritten(entries.add_norm_backward_workspace_size(backward));
  entries.add_norm_backward(backward, nullptr);
  entries.add_norm_backward_reduce(backward, nullptr);
  fetch(arena, backward.dx, run.dx, stored);
  fetch(arena, backward.dv, run.dv, wide);
  fetch_sums(backward.dweight, run.dweight);
}

TEST_CASE("add_norm on the GPU holds beyond 2^31 elements", "[.][huge][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr || !SparseArena::has_room(60 * kGigabyte)) return;
  const HugeShape shape(192);
  const NormCase test{
      "huge",
      kernels::NormKind::kRms,
      shape.num_places(),
      shape.sample_size,
      true,
      false,
      DType::kBFloat16,
      DType::kBFloat16};
  const NormInputs in = make_norm_inputs(test);
  NormRun run(test, in);
  run_huge_norm(device->entries, shape, run);
  const NormResults expected = norm_oracle(test, in, from_floats(run.v));
  CHECK(max_error(from_floats(run.v), expected.v) < kFloatLimit);
  CHECK(max_error(run.out.get(), expected.out) < kStoredLimit);
  CHECK(max_error(run.dx.get(), expected.dx) < kStoredLimit);
  CHECK(max_error(from_floats(run.dv), expected.dv) < kFloatLimit);
  CHECK(max_error(from_floats(run.dweight), expected.dweight) < kFloatLimit);
}

void run_huge_conv(const kernels::DeviceEntries& entries, const HugeShape& shape, ConvRun& run) {
  SparseArena arena(shape.count, shape.places);
  const size_t stored = static_cast<size_t>(shape.sample_size) * 2;
  kernels::ConvBackwardParams backward;
  kernels::ConvParams& forward = backward.forward;
  forward = run.forward;
  forward.batch = shape.count;
  forward.x.data = arena.spread(run.x.view().data, stored);
  for (int i = 0; i < forward.num_directions; ++i) {
    kernels::ConvDirection& direction = forward.direction[i];
    const size_t weight_bytes = run.weight[i].size() * sizeof(float);
    const size_t bias_bytes = run.bias[i].size() * sizeof(float);
    direction.weight = static_cast<float*>(arena.copy(run.weight[i].data(), weight_bytes));
    direction.bias = static_cast<float*>(arena.copy(run.bias[i].data(), bias_bytes));
    direction.out.data = arena.results(stored);
    backward.dout[i] = run.backward.dout[i];
    backward.dout[i].data = arena.spread(run.dout[i].view().data, stored);
    backward.dweight[i] = static_cast<float*>(arena.unwritten(weight_bytes));
    backward.dbias[i] = static_cast<float*>(arena.unwritten(bias_bytes));
  }
  backward.dx = run.backward.dx;
  backward.dx.data = arena.results(stored);
  backward.workspace = arena.unwritten(entries.causal_conv1d_backward_workspace_size(backward));
  entries.causal_conv1d_forward(forward, nullptr);
  entries.causal_conv1d_backward(backward, nullptr);
  entries.causal_conv1d_backward_reduce(backward, nullptr);
  fetch(arena, backward.dx.data, run.dx, stored);
  for (int i = 0; i < forward.num_directions; ++i) {
    fetch(arena, forward.direction[i].out.data, run.out[i], stored);
    fetch_sums(backward.dweight[i], run.dweight[i]);
    fetch_sums(backward.dbias[i], run.dbias[i]);
  }
}

TEST_CASE("causal_conv1d on the GPU holds beyond 2^31 elements", "[.][huge][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr || !SparseArena::has_room(30 * kGigabyte)) return;
  const HugeShape shape(197 * 384);
  ConvCase test{"huge", shape.num_places(), 197, 384, 4, "fr"};
  test.dtype = DType::kBFloat16;
  ConvTensors in = make_conv_inputs(test);
  for (Values& bias : in.bias) {
    bias.assign(bias.size(), 0.0);  // or samples of zeros had outputs
  }
  ConvRun run(test, in);
  run_huge_conv(device->entries, shape, run);
  const ConvTensors expected = conv_oracle_gradients(test, in);
  CHECK(max_error(run.dx.get(), expected.x) < kStoredLimit);
  for (int i = 0; i < test.num_directions(); ++i) {
    CHECK(max_error(run.out[i].get(), conv_oracle(test, in, i)) < kStoredLimit);
    CHECK(max_error(from_floats(run.dweight[i]), expected.weight[i]) < kFloatLimit);
    CHECK(max_error(from_floats(run.dbias[i]), expected.bias[i]) < kFloatLimit);
  }
}

// A scan whose arrays lie in a SparseArena, and its results by name.
class HugeScan {
 public:
  HugeScan(const HugeShape& shape, const ScanCase& scan, const Tensors& inputs)
      : shape_(shape), scan_(scan), inputs_(inputs), arena_(shape.count, shape.places) {
    kernels::ScanParams& forward = params_.forward;
    forward.batch = shape.count;
    forward.seqlen = scan.seqlen;
    forward.d_inner = scan.d_inner;
    forward.d_state = scan.d_state;
    forward.dtype = scan.dtype;
    forward.scale = scan.scale;
    forward.num_directions = scan.num_directions;
    forward.z = input("z");
    forward.out = output("out", scan.d_inner);
    forward.y = output("y", scan.d_inner);
    params_.dout = input("dout");
    params_.dz = output("dz", scan.d_inner);
    for (int i = 0; i < scan.num_directions; ++i) {
      add_direction(i);
    }
  }

  void run(const kernels::DeviceEntries& entries) {
    kernels::ScanParams& forward = params_.forward;
    const size_t bytes = entries.selective_scan_forward_workspace_size(forward);
    REQUIRE(bytes == 0);  // not cut into chunks
    entries.selective_scan_forward(forward, nullptr);
    read("out");
    forward.out = {};
    params_.workspace = arena_.unwritten(entries.selective_scan_backward_workspace_size(params_));
    entries.selective_scan_backward(params_, nullptr);
    entries.selective_scan_backward_reduce(params_, nullptr);
    for (const auto& [name, output] : outputs_) {
      if (name != "y" && name != "out") {
        read(name);
      }
    }
  }

  const Tensors& results() const { return results_; }

 private:
  struct Output {
    void* data;
    int64_t channels;  // 0: float sums
  };

  void add_direction(int i) {
    const std::string suffix = std::to_string(i);
    kernels::ScanDirection& in = params_.forward.direction[i];
    in.u = input("u" + suffix);
    in.delta = input("delta" + suffix);
    in.B = input("B" + suffix);
    in.C = input("C" + suffix);
    in.A = floats("A" + suffix);
    in.D = floats("D" + suffix);
    in.delta_bias = floats("delta_bias" + suffix);
    in.reversed = i == 1;
    kernels::ScanDirectionGrads& grads = params_.grads[i];
    grads.du = output("du" + suffix, scan_.d_inner);
    grads.ddelta = output("ddelta" + suffix, scan_.d_inner);
    grads.dB = output("dB" + suffix, scan_.d_state);
    grads.dC = output("dC" + suffix, scan_.d_state);
    grads.dA = sums("dA" + suffix, scan_.d_inner * scan_.d_state);
    grads.dD = sums("dD" + suffix, scan_.d_inner);
    grads.ddelta_bias = sums("ddelta_bias" + suffix, scan_.d_inner);
  }

  size_t sample_bytes(int64_t channels) const {
    return static_cast<size_t>(scan_.seqlen * channels) * 2;
  }

  kernels::TokenView input(const std::string& name) {
    const std::vector<double>& values = inputs_.at(name);
    const int64_t tokens = shape_.num_places() * scan_.seqlen;
    const int64_t channels = static_cast<int64_t>(values.size()) / tokens;
    ScanTokens host(scan_, channels);
    host.write(values);
    void* data = arena_.spread(host.bytes().data(), sample_bytes(channels));
    return {data, scan_.seqlen * channels, channels};
  }

  kernels::MutableTokenView output(const std::string& name, int64_t channels) {
    void* data = arena_.results(sample_bytes(channels));
    outputs_[name] = {data, channels};
    return {data, scan_.seqlen * channels, channels};
  }

  const float* floats(const std::string& name) {
    const std::vector<float> values = to_floats(inputs_.at(name));
    return static_cast<float*>(arena_.copy(values.data(), values.size() * sizeof(float)));
  }

  float* sums(const std::string& name, int64_t size) {
    void* data = arena_.unwritten(static_cast<size_t>(size) * sizeof(float));
    outputs_[name] = {data, 0};
    return static_cast<float*>(data);
  }

  void read(const std::string& name) {
    INFO("tensor " << name);
    const Output& output = outputs_.at(name);
    if (output.channels == 0) {
      std::vector<float> host(inputs_.at(name.substr(1)).size());
      fetch_sums(output.data, host);
      results_[name] = from_floats(host);
      return;
    }
    ScanTokens host(scan_, output.channels);
    const size_t bytes = sample_bytes(output.channels);
    arena_.gather(output.data, host.bytes().data(), bytes);
    CHECK(arena_.others_are_zero(output.data, bytes, SparseArena::kHalfSigns));
    results_[name] = host.read();
  }

  const HugeShape& shape_;
  const ScanCase& scan_;
  const Tensors& inputs_;
  SparseArena arena_;
  kernels::ScanBackwardParams params_;
  std::map<std::string, Output> outputs_;
  Tensors results_;
};

TEST_CASE("the scan on the GPU holds beyond 2^31 elements", "[.][huge][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr || !SparseArena::has_room(85 * kGigabyte)) return;
  const HugeShape shape(197 * 384);
  ScanCase scan = sized(shape.num_places(), 197, 384, 16);
  walk_both_ways(scan);
  scan.dtype = DType::kBFloat16;
  const Tensors inputs = round_to_storage(scan, make_scan_inputs(scan, 5));
  HugeScan huge(shape, scan, inputs);
  huge.run(device->entries);
  Tensors expected = oracle_scan_backward(scan, inputs);
  expected["out"] = oracle_scan_forward(scan, inputs).at("out");
  for (const auto& [name, values] : expected) {
    INFO("tensor " << name);
    const double limit = has_float_storage(name) ? kFloatLimit : kStoredLimit;
    CHECK(relative_error(huge.results().at(name), values) < limit);
  }
}

}  // namespace
}  // namespace vim::tests
