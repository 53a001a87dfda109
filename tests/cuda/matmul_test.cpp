#include "src/cuda/matmul.h"

#include <ATen/ATen.h>

#include "tests/support/catch.h"

namespace vim::test {
namespace {

TEST_CASE("matmul on the CPU multiplies matrices of either layout") {
  const at::Tensor left = at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F}).view({2, 3});
  const at::Tensor weight = at::tensor({1.0F, 0.0F, -1.0F, 2.0F, 1.0F, 0.5F}).view({2, 3});
  const at::Tensor expected = at::tensor({-2.0F, 5.5F, -2.0F, 16.0F}).view({2, 2});
  CHECK(at::equal(cuda::matmul(left, weight.t()), expected));
  CHECK(at::equal(cuda::matmul(left, weight.t().contiguous()), expected));
}

TEST_CASE("matmul refuses matrices that do not fit") {
  CHECK_THROWS_AS(cuda::matmul(at::ones({2, 3}), at::ones({2, 3})), c10::Error);
}

}  // namespace
}  // namespace vim::test
