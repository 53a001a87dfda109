// Add+norm on the GPU against the definition in double: the cases and limits of the CPU test.
#include "kernels/cuda/add_norm.h"

#include <cuda_runtime_api.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "tests/kernels/norm_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

// Device memory with a host array's content; null for an empty or absent one.
class DeviceCopy {
 public:
  DeviceCopy(const void* host, size_t bytes) {
    if (host == nullptr || bytes == 0) {
      return;
    }
    void* device = nullptr;
    check(cudaMalloc(&device, bytes));
    memory_.reset(device);
    check(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice));
  }

  void* get() const { return memory_.get(); }
  float* floats() const { return static_cast<float*>(memory_.get()); }
  void copy_to(void* host, size_t bytes) const {
    check(cudaMemcpy(host, memory_.get(), bytes, cudaMemcpyDeviceToHost));
  }

 private:
  struct Free {
    void operator()(void* device) const { cudaFree(device); }
  };

  static void check(cudaError_t error) {
    if (error != cudaSuccess) {
      throw std::runtime_error(cudaGetErrorString(error));
    }
  }

  std::unique_ptr<void, Free> memory_;
};

DeviceCopy copy_floats(const std::vector<float>& host, bool is_wanted = true) {
  return {is_wanted ? host.data() : nullptr, host.size() * sizeof(float)};
}

DeviceCopy copy_array(const TokenArray& array) {
  return {array.words().data(), array.words().size() * sizeof(uint32_t)};
}

// Runs both CUDA entries of a case; the results land in the run's host buffers.
void run_on_device(NormRun& run) {
  const DeviceCopy x = copy_array(run.x), dout = copy_array(run.dout);
  const DeviceCopy out = copy_array(run.out), dx = copy_array(run.dx);
  const DeviceCopy residual = copy_floats(run.residual, run.test.has_residual);
  const DeviceCopy weight = copy_floats(run.weight), mask = copy_floats(run.mask);
  const DeviceCopy bias = copy_floats(run.bias, run.test.has_bias);
  const DeviceCopy dresidual = copy_floats(run.dresidual), v = copy_floats(run.v);
  const DeviceCopy dv = copy_floats(run.dv), dbias = copy_floats(run.dbias);
  const DeviceCopy dweight = copy_floats(run.dweight);
  const std::vector<char> garbage(add_norm_backward_workspace_size_cuda(run.backward), '\xFF');
  const DeviceCopy workspace(garbage.data(), garbage.size());

  kernels::AddNormParams forward = run.forward;
  forward.x = x.get();
  forward.residual = residual.floats();
  forward.weight = weight.floats();
  forward.bias = bias.floats();
  forward.sample_mask = mask.floats();
  forward.out = out.get();
  forward.residual_out = v.floats();
  kernels::AddNormBackwardParams backward;
  backward.forward = forward;
  backward.v = v.floats();
  backward.dout = dout.get();
  backward.dresidual = dresidual.floats();
  backward.dx = dx.get();
  backward.dv = dv.floats();
  backward.dweight = dweight.floats();
  backward.dbias = dbias.floats();
  backward.workspace = workspace.get();
  add_norm_forward_cuda(forward, nullptr);
  add_norm_backward_cuda(backward, nullptr);

  out.copy_to(run.out.mutable_view().data, run.out.words().size() * sizeof(uint32_t));
  dx.copy_to(run.dx.mutable_view().data, run.dx.words().size() * sizeof(uint32_t));
  v.copy_to(run.v.data(), run.v.size() * sizeof(float));
  dv.copy_to(run.dv.data(), run.dv.size() * sizeof(float));
  dweight.copy_to(run.dweight.data(), run.dweight.size() * sizeof(float));
  dbias.copy_to(run.dbias.data(), run.dbias.size() * sizeof(float));
}

bool has_device() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) {
    return true;
  }
  WARN("SKIP: no CUDA device");
  return false;
}

constexpr double kOutLimit =
    1e-5;  // the golden limits for float on a GPU; storage rounding comes on top
constexpr double kGradLimit = 3e-5;

TEST_CASE("add_norm on the GPU agrees with the definition in double", "[norm][gpu]") {
  if (!has_device()) return;
  for (const NormCase& test : norm_cases()) {
    INFO(test.name);
    const NormInputs in = make_norm_inputs(test);
    NormRun run(test, in);
    run_on_device(run);
    const NormResults expected = norm_oracle(test, in, from_floats(run.v));
    CHECK(max_error(from_floats(run.v), expected.v) < kOutLimit);
    CHECK(max_error(run.out.get(), expected.out) < kOutLimit + rounding_error(test.out_dtype));
    CHECK(max_error(run.dx.get(), expected.dx) < kGradLimit + rounding_error(test.x_dtype));
    CHECK(max_error(from_floats(run.dv), expected.dv) < kGradLimit);
    CHECK(max_error(from_floats(run.dweight), expected.dweight) < kGradLimit);
    CHECK(max_error(from_floats(run.dbias), expected.dbias) < kGradLimit);
  }
}

TEST_CASE("add_norm on the GPU gives the same bits every time", "[norm][gpu]") {
  if (!has_device()) return;
  for (const NormCase& test : norm_cases()) {
    INFO(test.name);
    const NormInputs in = make_norm_inputs(test);
    NormRun first(test, in);
    NormRun second(test, in);
    run_on_device(first);
    run_on_device(second);
    CHECK(first.out.words() == second.out.words());
    CHECK(first.dx.words() == second.dx.words());
    CHECK(first.dv == second.dv);
    CHECK(first.dweight == second.dweight);
    CHECK(first.dbias == second.dbias);
  }
}

TEST_CASE("add_norm on the GPU refuses impossible sizes before any launch", "[norm]") {
  kernels::AddNormParams params;
  CHECK_THROWS_AS(add_norm_forward_cuda(params, nullptr), std::invalid_argument);
}

TEST_CASE("a failed launch is reported with the kernel's name", "[norm]") {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return;
  const NormCase test{"no_device", kernels::NormKind::kRms, 2, 4};
  NormRun run(test, make_norm_inputs(test));
  std::string message;
  try {
    add_norm_forward_cuda(run.forward, nullptr);
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  CHECK(message.find("add_norm_forward_kernel") != std::string::npos);
}

}  // namespace
}  // namespace vim::tests
