// Vector functions that several kernels share: exp, sigmoid, and loads and stores of the storage
// types. Included once per Highway target, hence the toggling guard; `d` is always a float tag.
#if defined(VIM_KERNELS_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_VECTOR_MATH_INL_H_
#undef VIM_KERNELS_VECTOR_MATH_INL_H_
#else
#define VIM_KERNELS_VECTOR_MATH_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/cpu/vector_storage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// exp(x) = fraction * 2^n, fraction near [0.7, 1.42].
template <class V>
struct ExpParts {
  V fraction;
  V power;  // 2^n
};

/// Returns the parts of exp(x) for x clamped to [-87.3, 88.3], so that 2^n is a normal number. The
/// result for NaN is unspecified.
template <class D, class V = hn::Vec<D>>
HWY_INLINE ExpParts<V> exp_parts(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  x = hn::Min(hn::Max(x, hn::Set(d, -87.3F)), hn::Set(d, 88.3F));
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits; 127 more makes
  // it the exponent field of 2^n.
  const V magic = hn::Set(d, 12582912.0F + 127.0F);
  const V biased = hn::MulAdd(x, hn::Set(d, 1.44269504F), magic);
  const V power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, biased)));
  // x = n ln 2 + r, |r| <= ln(2) / 2. The upper part of ln 2 has few bits: its product with n is
  // exact.
  const V n = hn::Sub(biased, magic);
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r);
  // (exp(r) - 1 - r) / r^2, interpolated at Chebyshev nodes: relative error of exp(r) below 2e-8.
  V p = hn::Set(d, 1.39262504e-3F);
  p = hn::MulAdd(p, r, hn::Set(d, 8.36323295e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.0416665524F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.166665763F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5F));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0F));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0F));
  return {p, power};
}

/// Returns exp(x) for x clamped to [-87.3, 88.3], so never 0, subnormal or infinite; relative error
/// below 2e-7. The result for NaN is unspecified.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_exp(D d, V x) {
  const ExpParts<V> parts = exp_parts(d, x);
  return hn::Mul(parts.fraction, parts.power);
}

/// Returns 1 + exp(-x), clamped as above: sigmoid(x) = 1 / this, silu(x) = x / this.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid_denominator(D d, V x) {
  const ExpParts<V> parts = exp_parts(d, hn::Neg(x));
  return hn::MulAdd(parts.fraction, parts.power, hn::Set(d, 1.0F));
}

/// Returns 1 / (1 + exp(-x)); relative error below 4e-7 down to x = -87.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid(D d, V x) {
  return hn::Div(hn::Set(d, 1.0F), sigmoid_denominator(d, x));
}

/// Returns x sigmoid(x), and NaN for NaN; relative error below 4e-7 down to x = -87.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V silu(D d, V x) {
  return hn::Div(x, sigmoid_denominator(d, x));
}

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
