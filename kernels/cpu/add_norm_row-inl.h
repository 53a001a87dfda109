// Sums over the channels of a row and its statistics, for the Highway add+norm. Included once per
// target.
#if defined(VIM_KERNELS_ADD_NORM_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_ADD_NORM_ROW_INL_H_
#undef VIM_KERNELS_ADD_NORM_ROW_INL_H_
#else
#define VIM_KERNELS_ADD_NORM_ROW_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "hwy/highway.h"
#include "kernels/cpu/add_norm_impl.h"
#include "kernels/cpu/vector_storage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {
namespace {

using Tag = hn::ScalableTag<float>;
using Vector = hn::Vec<Tag>;

HWY_INLINE int64_t num_lanes() { return static_cast<int64_t>(hn::Lanes(Tag())); }

// Calls f(channel, count) for each vector of the row; count is below num_lanes() only for the last.
template <typename F>
HWY_INLINE void for_each_vector(int64_t dim, F f) {
  const int64_t n = num_lanes();
  int64_t c = 0;
  for (; c + n <= dim; c += n) {
    f(c, n);
  }
  if (c < dim) {
    f(c, dim - c);
  }
}

// Sum over all channels of f(channel, count), whose lanes from count on are ignored.
template <typename F>
HWY_INLINE float sum_row(int64_t dim, F f) {
  const Tag d;
  const int64_t n = num_lanes();
  Vector sum0 = hn::Zero(d);
  Vector sum1 = hn::Zero(d);
  Vector sum2 = hn::Zero(d);
  Vector sum3 = hn::Zero(d);
  int64_t c = 0;
  for (; c + 4 * n <= dim; c += 4 * n) {
    sum0 = hn::Add(sum0, f(c, n));
    sum1 = hn::Add(sum1, f(c + n, n));
    sum2 = hn::Add(sum2, f(c + 2 * n, n));
    sum3 = hn::Add(sum3, f(c + 3 * n, n));
  }
  for (; c + n <= dim; c += n) {
    sum0 = hn::Add(sum0, f(c, n));
  }
  if (c < dim) {
    const auto used = hn::FirstN(d, static_cast<size_t>(dim - c));
    sum1 = hn::Add(sum1, hn::IfThenElseZero(used, f(c, dim - c)));
  }
  const Vector sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

struct VectorPair {
  Vector first;
  Vector second;
};

struct FloatPair {
  float first;
  float second;
};

HWY_INLINE void add_to(VectorPair& sum, const VectorPair& term) {
  sum.first = hn::Add(sum.first, term.first);
  sum.second = hn::Add(sum.second, term.second);
}

// The same for two sums at once, with two accumulators each.
template <typename F>
HWY_INLINE FloatPair sum_row_pair(int64_t dim, F f) {
  const Tag d;
  const int64_t n = num_lanes();
  VectorPair sum0{hn::Zero(d), hn::Zero(d)};
  VectorPair sum1{hn::Zero(d), hn::Zero(d)};
  int64_t c = 0;
  for (; c + 2 * n <= dim; c += 2 * n) {
    add_to(sum0, f(c, n));
    add_to(sum1, f(c + n, n));
  }
  for (; c < dim; c += n) {
    const int64_t count = std::min(n, dim - c);
    const auto used = hn::FirstN(d, static_cast<size_t>(count));
    const VectorPair term = f(c, count);
    add_to(sum0, {hn::IfThenElseZero(used, term.first), hn::IfThenElseZero(used, term.second)});
  }
  add_to(sum0, sum1);
  return {hn::GetLane(hn::SumOfLanes(d, sum0.first)), hn::GetLane(hn::SumOfLanes(d, sum0.second))};
}

// A row's mean is mean + shift, both 0 for RMS: one float cannot hold the mean of a row far from 0
// well enough to be subtracted from it.
struct RowStats {
  float mean;
  float shift;
  float rstd;

  HWY_INLINE Vector normalize(Vector v) const {
    const Tag d;
    const Vector centred = hn::Sub(hn::Sub(v, hn::Set(d, mean)), hn::Set(d, shift));
    return hn::Mul(centred, hn::Set(d, rstd));
  }
};

float reciprocal_std(const AddNormParams& params, float variance) {
  return 1.0F / std::sqrt(variance + params.eps);
}

// Statistics of the row whose channels value(c, count) gives. first_value does the same and is
// called once for each channel, before value.
template <typename First, typename F>
HWY_INLINE RowStats row_stats(const AddNormParams& params, First first_value, F value) {
  const auto dim = static_cast<float>(params.dim);
  if (params.kind == NormKind::kRms) {
    const float squares = sum_row(params.dim, [&](int64_t c, int64_t count) HWY_ATTR {
      const Vector v = first_value(c, count);
      return hn::Mul(v, v);
    });
    return {0.0F, 0.0F, reciprocal_std(params, squares / dim)};
  }
  const Tag d;
  const float mean = sum_row(params.dim, first_value) / dim;
  const FloatPair sums = sum_row_pair(params.dim, [&](int64_t c, int64_t count) HWY_ATTR {
    const Vector centred = hn::Sub(value(c, count), hn::Set(d, mean));
    return VectorPair{centred, hn::Mul(centred, centred)};
  });
  const float shift = sums.first / dim;
  // The shift is a rounding error of the mean: subtracting its square cancels nothing.
  return {mean, shift, reciprocal_std(params, sums.second / dim - shift * shift)};
}

}  // namespace
}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
