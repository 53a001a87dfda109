// One problem of the narrow products: the cases, their inputs, the definition in double and the
// buffers of a run.
#pragma once

#include <string>
#include <vector>

#include "kernels/narrow_products.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

/// stride_gap: unused elements behind every row of wide, narrow and out.
struct NarrowCase {
  std::string name;
  int64_t rows;
  int64_t channels;
  int64_t columns;
  bool has_weight = false;
  int64_t gap_begin = 0;
  int64_t gap_end = 0;
  bool transposed = false;
  int num_directions = 1;
  kernels::DType dtype = kernels::DType::kBFloat16;
  int64_t stride_gap = 0;

  int64_t kept_columns() const { return columns - (gap_end - gap_begin); }
  TokenShape wide_shape() const { return {1, rows, channels, stride_gap}; }
  TokenShape narrow_shape() const { return {1, rows, columns, stride_gap}; }
};

/// Every kernel with awkward numbers of rows and channels, strides, gaps, both layouts of the sums.
std::vector<NarrowCase> narrow_cases();

/// Inputs of one direction, rounded to the storage type.
struct NarrowInputs {
  Values wide, narrow, weight;
};

NarrowInputs make_narrow_inputs(const NarrowCase& test, int direction);

/// What a result is compared with: the value in double and the sum of its products' magnitudes, of
/// which rounding errors are a fraction.
struct NarrowExpected {
  Values value, magnitude;
};

/// sums in the layout of the case, and out.
NarrowExpected narrow_sums_oracle(const NarrowCase& test, const NarrowInputs& in);
NarrowExpected narrow_out_oracle(const NarrowCase& test, const NarrowInputs& in);

/// max (|actual - value| - storage |value|) / magnitude; infinite if the sizes differ or a value is
/// not finite. storage: relative error of one rounding of the result.
double narrow_error(const Values& actual, const NarrowExpected& expected, double storage = 0.0);

/// Host buffers and parameters of one case; the parameters hold host pointers and no workspace.
/// sums have kGuard more floats than the result, which stay as they were.
struct NarrowRun {
  static constexpr int64_t kGuard = 16;

  NarrowCase test;
  std::vector<TokenArray> wide, narrow, weight, out;
  std::vector<std::vector<float>> sums;
  kernels::NarrowProductsParams params;

  explicit NarrowRun(const NarrowCase& narrow_case);

  Values sums_of(int direction) const;
  bool guards_untouched(int direction) const;
};

}  // namespace vim::tests
