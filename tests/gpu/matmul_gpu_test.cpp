// Products of 16-bit matrices, held against the same product in double.
#include <ATen/ATen.h>

#include <cmath>

#include "src/cuda/matmul.h"
#include "tests/gpu/gpu.h"
#include "tests/support/catch.h"

namespace vim::test {
namespace {

struct Case {
  const char* name;
  int64_t rows;
  int64_t inner;
  int64_t columns;
};

// Rows of 128 images of 197 tokens and of 64 at an H100's or H200's sizes, for which cuBLASLt's
// list holds another algorithm; and some for which it does not, or whose rows are not aligned.
constexpr Case kCases[] = {
    {"in_proj of Vim-tiny, tiles of 128", 25216, 192, 768},
    {"in_proj of Vim-tiny, tiles of 160", 12608, 192, 768},
    {"in_proj of Vim-small", 12608, 384, 1536},
    {"in_proj of Vim-small, backward", 12608, 1536, 384},
    {"out_proj of Vim-base", 25216, 1536, 768},
    {"rows that 128 does not divide, a neighbour's algorithm", 24340, 192, 768},
    {"a known number's algorithm", 6085, 384, 1536},
    {"another neighbour's, rows of no multiple of 8", 65541, 384, 768},
    {"few rows", 197, 192, 768},
    {"tiles that end early", 12609, 200, 776},
    {"rows that are not aligned", 1000, 191, 77},
    {"one value", 1, 1, 1}};

// Deterministic, of either sign, and not the same in any two rows.
at::Tensor values(at::IntArrayRef shape, double step, at::ScalarType type) {
  const at::Tensor place = at::arange(c10::multiply_integers(shape), at::kDouble);
  return at::sin(place * step).view(shape).to(kGpu, type);
}

// Each value to a rounding of its own, and to the float sums' error: half a unit of the last of
// `inner` terms for each of them.
void check_product(const at::Tensor& out, const at::Tensor& left, const at::Tensor& right) {
  const at::Tensor exact = at::mm(left.to(at::kDouble), right.to(at::kDouble));
  const at::Tensor size = at::mm(left.to(at::kDouble).abs(), right.to(at::kDouble).abs());
  const double rounding =
      out.scalar_type() == at::kBFloat16 ? std::ldexp(1.0, -8) : std::ldexp(1.0, -11);
  const at::Tensor bound = exact.abs() * rounding + size * std::ldexp(1.0, -20);
  CHECK(out.sizes() == exact.sizes());
  CHECK((at::abs(out.to(at::kDouble) - exact) <= bound).all().item<bool>());
}

TEST_CASE("matmul gives the product, for weights of either layout, the same bits each time") {
  if (!has_gpu()) {
    return;
  }
  for (const Case& one : kCases) {
    for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
      CAPTURE(one.name, type);
      const at::Tensor left = values({one.rows, one.inner}, 0.37, type);
      const at::Tensor weight = values({one.columns, one.inner}, 0.0613, type);
      const at::Tensor out = cuda::matmul(left, weight.t());
      check_product(out, left, weight.t());
      CHECK(at::equal(out, cuda::matmul(left, weight.t())));
      const at::Tensor upright = weight.t().contiguous();
      check_product(cuda::matmul(left, upright), left, upright);
    }
  }
}

TEST_CASE("matmul takes rows of wider matrices") {
  if (!has_gpu()) {
    return;
  }
  const at::Tensor wide = values({12608, 400}, 0.37, at::kBFloat16);
  const at::Tensor weights = values({1536, 392}, 0.0613, at::kBFloat16);
  const at::Tensor left = wide.narrow(1, 8, 384);
  const at::Tensor weight = weights.narrow(1, 8, 384);
  check_product(cuda::matmul(left, weight.t()), left, weight.t());
  check_product(
      cuda::matmul(wide.narrow(1, 1, 384), weight.t()), wide.narrow(1, 1, 384), weight.t());
}

TEST_CASE("matmul leaves other types and empty matrices to LibTorch") {
  if (!has_gpu()) {
    return;
  }
  const at::Tensor left = values({64, 192}, 0.37, at::kDouble);
  const at::Tensor right = values({192, 768}, 0.0613, at::kDouble);
  CHECK(at::equal(cuda::matmul(left, right), at::mm(left, right)));
  const at::Tensor none = at::empty({0, 192}, left.options().dtype(at::kHalf));
  CHECK(cuda::matmul(none, right.to(at::kHalf)).sizes() == at::IntArrayRef({0, 768}));
}

}  // namespace
}  // namespace vim::test
