#include "tests/gpu/gpu.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>

#include <cstdlib>

#include "src/cuda/device.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"

namespace vim::test {
namespace {

constexpr int64_t kSide = 2048;

void multiply(const at::Tensor& factor, const at::Tensor& product, int rounds) {
  at::Tensor result = product;
  for (int i = 0; i < rounds; ++i) {
    at::mm_out(result, factor, factor);
    result.add_(1.0);
  }
}

}  // namespace

bool has_gpu() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  if (!cuda::is_available()) {
    WARN("SKIP: no CUDA device");
    return false;
  }
  cuda::allow_tf32(false);
  return true;
}

const char* name_of(train::Precision precision) {
  return precision == train::Precision::kFloat32    ? "fp32"
         : precision == train::Precision::kBFloat16 ? "bf16"
                                                    : "fp16";
}

void check_as_near(const at::Tensor& actual, const at::Tensor& rounded, const at::Tensor& exact) {
  const double rounding = relative_error(rounded, exact);  // 0 in float
  const double error = relative_error(actual, exact);
  INFO("the CPU's rounding: " << rounding);
  CHECK(error < (rounding == 0.0 ? 1e-4 : 3.0 * rounding));
  CHECK((rounding == 0.0 || error > 0.1 * rounding));  // not in float by mistake
}

OtherWork::OtherWork()
    : side_(c10::impl::VirtualGuardImpl(kGpu.type()).getStreamFromGlobalPool(kGpu)),
      factor_(at::full({kSide, kSide}, 0.5, at::TensorOptions().device(kGpu))),
      product_{at::empty_like(factor_), at::empty_like(factor_)} {
  cuda::synchronize();  // the side stream reads what the current one has filled
}

void OtherWork::launch_beside(int rounds) {
  const c10::StreamGuard guard(side_);
  multiply(factor_, product_[0], rounds);
}

void OtherWork::launch_before(int rounds) { multiply(factor_, product_[1], rounds); }

}  // namespace vim::test
