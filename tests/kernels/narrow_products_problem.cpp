#include "tests/kernels/narrow_products_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vim::tests {
namespace {

using kernels::DType;

constexpr float kGuardValue = 12345.0F;

// Every kernel at every awkward number of rows; directions, layouts and types take turns.
void add_row_cases(std::vector<NarrowCase>& cases) {
  const auto add = [&cases](int64_t rows, int64_t columns, bool has_weight) {
    const auto turn = static_cast<int>(cases.size());
    NarrowCase test{"rows", rows, 96, columns, has_weight};
    test.name = std::to_string(rows) + " rows, " + std::to_string(columns) + " columns" +
                (has_weight ? ", weight" : "");
    test.transposed = turn % 2 == 1;
    test.num_directions = 1 + turn / 2 % 2;
    test.stride_gap = turn % 3 * 8;
    for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
      test.dtype = dtype;
      cases.push_back(test);
    }
  };
  for (const int64_t rows : {1, 15, 16, 17, 100, 300}) {
    for (const int64_t columns : {16, 24, 48, 56}) {
      add(rows, columns, false);
      if (columns <= 24) add(rows, columns, true);
    }
  }
}

}  // namespace

std::vector<NarrowCase> narrow_cases() {
  const auto bf16 = DType::kBFloat16;
  const auto f16 = DType::kFloat16;
  std::vector<NarrowCase> cases = {
      // As Vim-tiny and Vim-small ask for them, with fewer rows.
      {"tiny_dt", 333, 384, 16, true, 12, 16, false, 2, bf16, 0},
      {"tiny_x", 333, 384, 48, false, 12, 16, true, 2, bf16, 0},
      {"small_dt", 200, 768, 24, true, 0, 0, false, 2, f16, 32},
      {"small_x", 200, 768, 56, false, 0, 0, true, 2, f16, 8},
      // Channels that leave a warp with fewer slices than the others.
      {"channels_32", 70, 32, 24, true, 20, 24, true, 2, bf16, 8},
      {"channels_32_alone", 130, 32, 56, false, 0, 8, false, 1, f16, 0},
      {"channels_64", 70, 64, 16, true, 0, 0, false, 1, f16, 8},
      {"channels_128", 70, 128, 16, true, 0, 1, false, 2, bf16, 8},
      {"channels_160", 33, 160, 24, true, 5, 8, true, 1, bf16, 0},
      {"channels_736", 33, 736, 24, true, 0, 0, false, 1, f16, 0},
      // A gap between what is kept, and one that leaves a single column.
      {"gap_between", 47, 96, 48, false, 7, 13, true, 2, bf16, 16},
      {"one_kept", 47, 96, 16, true, 0, 15, false, 1, f16, 0},
  };
  add_row_cases(cases);
  return cases;
}

NarrowInputs make_narrow_inputs(const NarrowCase& test, int direction) {
  const auto values = [&](int64_t size, uint64_t seed) {
    return rounded(random_values(size, seed + direction), test.dtype);
  };
  NarrowInputs in;
  in.wide = values(test.rows * test.channels, 10);
  in.narrow = values(test.rows * test.columns, 20);
  in.weight = values(test.has_weight ? test.channels * test.columns : 0, 30);
  return in;
}

NarrowExpected narrow_sums_oracle(const NarrowCase& test, const NarrowInputs& in) {
  const int64_t kept = test.kept_columns();
  NarrowExpected expected;
  expected.value.assign(test.channels * kept, 0.0);
  expected.magnitude = expected.value;
  for (int64_t k = 0; k < kept; ++k) {
    const int64_t column = k < test.gap_begin ? k : k + test.gap_end - test.gap_begin;
    for (int64_t channel = 0; channel < test.channels; ++channel) {
      const int64_t at = test.transposed ? k * test.channels + channel : channel * kept + k;
      for (int64_t row = 0; row < test.rows; ++row) {
        const double product =
            in.wide[row * test.channels + channel] * in.narrow[row * test.columns + column];
        expected.value[at] += product;
        expected.magnitude[at] += std::abs(product);
      }
    }
  }
  return expected;
}

NarrowExpected narrow_out_oracle(const NarrowCase& test, const NarrowInputs& in) {
  NarrowExpected expected;
  expected.value.assign(test.rows * test.columns, 0.0);
  expected.magnitude = expected.value;
  for (int64_t row = 0; row < test.rows; ++row) {
    for (int64_t channel = 0; channel < test.channels; ++channel) {
      for (int64_t column = 0; column < test.columns; ++column) {
        const double product =
            in.wide[row * test.channels + channel] * in.weight[channel * test.columns + column];
        expected.value[row * test.columns + column] += product;
        expected.magnitude[row * test.columns + column] += std::abs(product);
      }
    }
  }
  return expected;
}

double narrow_error(const Values& actual, const NarrowExpected& expected, double storage) {
  double error = 0.0;
  if (actual.size() != expected.value.size()) {
    return std::numeric_limits<double>::infinity();
  }
  for (size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i])) {
      return std::numeric_limits<double>::infinity();
    }
    const double beyond =
        std::abs(actual[i] - expected.value[i]) - storage * std::abs(expected.value[i]);
    error = std::max(error, beyond / expected.magnitude[i]);
  }
  return error;
}

NarrowRun::NarrowRun(const NarrowCase& narrow_case) : test(narrow_case) {
  params.rows = test.rows;
  params.channels = test.channels;
  params.columns = test.columns;
  params.gap_begin = test.gap_begin;
  params.gap_end = test.gap_end;
  params.transposed = test.transposed;
  params.dtype = test.dtype;
  params.num_directions = test.num_directions;
  for (int i = 0; i < test.num_directions; ++i) {
    const NarrowInputs in = make_narrow_inputs(test, i);
    wide.emplace_back(test.wide_shape(), test.dtype).set(in.wide);
    narrow.emplace_back(test.narrow_shape(), test.dtype).set(in.narrow);
    weight.emplace_back(flat(static_cast<int64_t>(in.weight.size())), test.dtype).set(in.weight);
    out.emplace_back(test.narrow_shape(), test.dtype);
    sums.emplace_back(test.channels * test.kept_columns() + kGuard, kGuardValue);
    kernels::NarrowProductsDirection& direction = params.direction[i];
    direction.wide = {wide[i].view().data, test.wide_shape().token_stride()};
    direction.narrow = {narrow[i].view().data, test.narrow_shape().token_stride()};
    direction.weight = test.has_weight ? weight[i].view().data : nullptr;
    direction.out = {out[i].mutable_view().data, test.narrow_shape().token_stride()};
    direction.sums = sums[i].data();
  }
}

Values NarrowRun::sums_of(int direction) const {
  return {sums[direction].begin(), sums[direction].end() - kGuard};
}

bool NarrowRun::guards_untouched(int direction) const {
  return std::all_of(sums[direction].end() - kGuard, sums[direction].end(), [](float value) {
    return value == kGuardValue;
  });
}

}  // namespace vim::tests
